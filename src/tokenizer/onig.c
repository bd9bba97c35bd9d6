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

void onig_to_pcre(struct str pattern, struct buf *out)
{
    bool inside = false;

    for (size_t i = 0; i < pattern.n; i++) {
        char c = pattern.p[i];
        if (c == '\\' && i + 1 < pattern.n) {
            size_t named = property(str_from(pattern, i), out);
            if (named) {
                i += named - 1;
                continue;
            }
            const char *text = class_text(pattern.p[++i], inside);
            if (text)
                buf_adds(out, text);
            else
                buf_add(out, pattern.p + i - 1, 2);
            continue;
        }
        size_t posix = 0;
        if (inside && c == '[' && i + 1 < pattern.n && pattern.p[i + 1] == ':' && str_find(str_from(pattern, i), STR(":]"), &posix)) {
            buf_add(out, pattern.p + i, posix + 2);
            i += posix + 1;
            continue;
        }
        buf_addc(out, c);
        if (!inside && c == '[') {
            inside = true;
            size_t first = i + 1 + (i + 1 < pattern.n && pattern.p[i + 1] == '^');
            if (first < pattern.n && pattern.p[first] == ']') {         /* a first "]" is a member */
                buf_add(out, pattern.p + i + 1, first - i);
                i = first;
            }
        } else if (inside && c == ']') {
            inside = false;
        }
    }
}
