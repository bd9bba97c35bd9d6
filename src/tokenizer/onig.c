/*
 * Patterns are written for Oniguruma (Ruby's syntax, Unicode classes); PCRE2 knows nearly all of it. What differs is put in PCRE2's
 * words: \w, \s and \h mean other sets there, and ^ $ look at lines (PCRE2_MULTILINE, where the pattern is compiled).
 */
#include "tokenizer/priv.h"

#define WORD "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
#define RAISED "\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}"      /* Latin-1's raised digits and fractions: in a lone \w, not in [\w] */

struct class { char letter; const char *inside, *outside; };    /* as members of [...], and alone; inside NULL: PCRE2's own */

static const struct class classes[] = {
    { 'w', WORD, "[" WORD RAISED "]" },
    { 'W', NULL, "[^" WORD RAISED "]" },
    { 's', "\\p{White_Space}", "\\p{White_Space}" },
    { 'S', "\\P{White_Space}", "\\P{White_Space}" },
    { 'h', "0-9a-fA-F", "[0-9a-fA-F]" },
    { 'H', NULL, "[^0-9a-fA-F]" },
};

static const char *class_text(char letter, bool inside)
{
    for (size_t i = 0; i < ARRAY_LEN(classes); i++)
        if (classes[i].letter == letter)
            return inside ? classes[i].inside : classes[i].outside;
    return NULL;
}

/* \p{Han} is the script here; to PCRE2 it is every character used with it (Script_Extensions). */
static bool is_script(struct str name)
{
    static const char *const scripts[] = {
        "Arabic", "Armenian", "Bengali", "Bopomofo", "Cyrillic", "Devanagari", "Ethiopic", "Georgian", "Greek", "Gujarati", "Gurmukhi", "Han",
        "Hangul", "Hebrew", "Hiragana", "Kannada", "Katakana", "Khmer", "Lao", "Latin", "Malayalam", "Mongolian", "Myanmar", "Oriya",
        "Sinhala", "Syriac", "Tamil", "Telugu", "Thaana", "Thai", "Tibetan",
    };
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++)
        if (str_ieq(name, str_of(scripts[i])))
            return true;
    return false;
}

/* A property \p{name} at s: how many bytes it has, and its text for PCRE2 in out; 0: it needs no change. */
static size_t property(struct str s, struct buf *out)
{
    struct str name, rest;

    if (s.n < 4 || (s.p[1] != 'p' && s.p[1] != 'P') || s.p[2] != '{' || !str_cut(str_from(s, 3), '}', &name, &rest))
        return 0;
    size_t n = name.n + 4;
    bool negated = name.n && name.p[0] == '^';
    if (negated)
        name = str_from(name, 1);
    if (!is_script(name))
        return 0;
    buf_addf(out, "\\%c{sc:%.*s}", negated == (s.p[1] == 'p') ? 'P' : 'p', STR_ARG(name));
    return n;
}

/* The escape that s begins with; answers how long it is. */
static size_t put_escape(struct str s, bool inside, struct buf *out)
{
    size_t named = property(s, out);

    if (named)
        return named;
    const char *text = class_text(s.p[1], inside);
    if (text)
        buf_adds(out, text);
    else
        buf_add(out, s.p, 2);
    return 2;
}

/* The length of [:alpha:] and its like at the front of s; 0: there is none. */
static size_t posix_class(struct str s)
{
    size_t end;

    return str_has_prefix(s, STR("[:")) && str_find(s, STR(":]"), &end) ? end + 2 : 0;
}

/* "[", "[^", and a "]" right behind, which is a member. */
static size_t bracket_opening(struct str s)
{
    size_t n = 1 + (s.n > 1 && s.p[1] == '^');

    return n < s.n && s.p[n] == ']' ? n + 1 : n;
}

void onig_to_pcre(struct str pattern, struct buf *out)
{
    bool inside = false;

    for (size_t i = 0, n; i < pattern.n; i += n) {
        struct str rest = str_from(pattern, i);
        if (rest.p[0] == '\\' && rest.n > 1) {
            n = put_escape(rest, inside, out);
            continue;
        }
        n = inside ? posix_class(rest) : rest.p[0] == '[' ? bracket_opening(rest) : 0;
        if (!n) {
            n = 1;
            inside = inside && rest.p[0] != ']';
        } else {
            inside = true;
        }
        buf_add(out, rest.p, n);
    }
}
