/* What filters and methods do to text: case, stripping, replacing, by code points. */
#include <utf8proc.h>

#include "template/priv.h"

size_t text_next(struct str s, size_t at, int32_t *cp)
{
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s.p + at, (utf8proc_ssize_t)(s.n - at), cp);

    if (n < 1) {
        *cp = 0xFFFD;
        return 1;
    }
    return (size_t)n;
}

static void add_cp(struct buf *b, int32_t cp)
{
    char bytes[4];
    utf8proc_ssize_t n = utf8proc_encode_char(cp, (utf8proc_uint8_t *)bytes);
    if (n > 0)
        buf_add(b, bytes, (size_t)n);
}

bool text_is_word(int32_t cp)
{
    utf8proc_category_t c = utf8proc_category(cp);
    return cp == '_' || (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO) || (c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO);
}

/* Letters whose other case is several letters (Unicode's SpecialCasing, without the Greek iotas); title: only the first is large. */
static const struct { int32_t cp; const char *upper, *title; } long_cases[] = {
    { 0xDF, "SS", "Ss" }, { 0x149, "\xCA\xBCN", "\xCA\xBCN" }, { 0x1F0, "J\xCC\x8C", "J\xCC\x8C" }, { 0x587, "\xD4\xB5\xD5\x92", "\xD4\xB5\xD6\x82" },
    { 0x1E96, "H\xCC\xB1", "H\xCC\xB1" }, { 0x1E97, "T\xCC\x88", "T\xCC\x88" }, { 0x1E98, "W\xCC\x8A", "W\xCC\x8A" }, { 0x1E99, "Y\xCC\x8A", "Y\xCC\x8A" },
    { 0xFB00, "FF", "Ff" }, { 0xFB01, "FI", "Fi" }, { 0xFB02, "FL", "Fl" }, { 0xFB03, "FFI", "Ffi" }, { 0xFB04, "FFL", "Ffl" }, { 0xFB05, "ST", "St" }, { 0xFB06, "ST", "St" },
};

static void add_upper(struct buf *b, int32_t cp, bool title)
{
    for (size_t i = 0; i < ARRAY_LEN(long_cases); i++)
        if (long_cases[i].cp == cp) {
            buf_adds(b, title ? long_cases[i].title : long_cases[i].upper);
            return;
        }
    add_cp(b, title ? utf8proc_totitle(cp) : utf8proc_toupper(cp));
}

static bool is_cased(int32_t cp)
{
    utf8proc_category_t c = utf8proc_category(cp);
    return c == UTF8PROC_CATEGORY_LU || c == UTF8PROC_CATEGORY_LL || c == UTF8PROC_CATEGORY_LT;
}

/* A sigma that ends a word is written differently. */
static bool ends_word(struct str s, size_t at, bool inside)
{
    int32_t next = 0;

    if (at < s.n)
        (void)text_next(s, at, &next);
    return inside && !is_cased(next);
}

static void add_lower(struct buf *b, int32_t cp, bool final)
{
    if (cp == 0x130)
        buf_adds(b, "i\xCC\x87");
    else
        add_cp(b, cp == 0x3A3 && final ? 0x3C2 : utf8proc_tolower(cp));
}

errc text_case(struct render *r, struct str s, char how, struct val *out)
{
    AUTO_BUF b = { 0 };
    bool inside = false;                /* a word: of cased letters for titles, of anything for capitalize */

    TRY(tick(r, s.n / 16));
    for (size_t at = 0; at < s.n;) {
        int32_t cp;
        at += text_next(s, at, &cp);
        bool cased = is_cased(cp);
        bool large = how == 'u' || (how == 's' ? utf8proc_category(cp) == UTF8PROC_CATEGORY_LL : how != 'l' && !inside);
        if (large)
            add_upper(&b, cp, how == 't' || how == 'c');
        else
            add_lower(&b, cp, ends_word(s, at, inside));
        inside = how == 'c' || cased;
    }
    return str_val(r, &b, out);
}

bool text_strips(int32_t cp, struct str chars)
{
    if (!chars.p)
        return cp == ' ' || (cp >= 9 && cp <= 13) || (cp >= 0x1C && cp <= 0x1F) || cp == 0x85 || cp == 0xA0 || cp == 0x1680 ||
               (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 || cp == 0x2029 || cp == 0x202F || cp == 0x205F || cp == 0x3000;
    for (size_t at = 0; at < chars.n;) {
        int32_t c;
        at += text_next(chars, at, &c);
        if (c == cp)
            return true;
    }
    return false;
}

errc text_strip(struct render *r, struct str s, struct str chars, bool left, bool right, struct val *out)
{
    TRY(tick(r, (s.n + chars.n) / 64));
    while (left && s.n) {
        int32_t cp;
        size_t n = text_next(s, 0, &cp);
        if (!text_strips(cp, chars))
            break;
        s = str_from(s, n);
    }
    while (right && s.n) {
        int32_t cp;
        size_t at = s.n - 1;
        while (at && ((unsigned char)s.p[at] & 0xC0) == 0x80)
            at--;
        (void)text_next(s, at, &cp);
        if (!text_strips(cp, chars))
            break;
        s.n = at;
    }
    *out = val_str(s);
    return ERR_OK;
}

/* Replacing nothing: `to` before each character and at the end. */
static errc put_between(struct render *r, struct str s, struct str to, int64_t count, struct val *out)
{
    AUTO_BUF b = { 0 };

    for (size_t at = 0; at <= s.n && count != 0; count -= count > 0) {
        int32_t cp;
        buf_addstr(&b, to);
        size_t n = at < s.n ? text_next(s, at, &cp) : 1;
        if (at < s.n)
            buf_add(&b, s.p + at, n);
        at += n;
        if (count == 1 && at <= s.n)
            buf_addstr(&b, str_from(s, at));
        TRY(tick(r, 1));
        if (b.n > r->made_max)
            return made(r, b.n);
    }
    if (count == 0 && !b.n)
        buf_addstr(&b, s);
    return str_val(r, &b, out);
}

errc text_replace(struct render *r, struct str s, struct str from, struct str to, int64_t count, struct val *out)
{
    AUTO_BUF b = { 0 };
    size_t at;

    TRY(tick(r, s.n / 16));
    if (!from.n)
        return put_between(r, s, to, count, out);
    while (count != 0 && str_find(s, from, &at)) {
        buf_add(&b, s.p, at);
        buf_addstr(&b, to);
        s = str_from(s, at + from.n);
        count -= count > 0;
        TRY(tick(r, 1));
        if (b.n > r->made_max)
            return made(r, b.n);
    }
    buf_addstr(&b, s);
    return str_val(r, &b, out);
}

/* str.center: the odd blank goes left when the width is odd too. */
errc text_center(struct render *r, struct str s, int64_t width, int64_t missing, struct str fill, struct val *out)
{
    int64_t left = missing > 0 ? missing / 2 + (missing & width & 1) : 0;
    struct val padded;

    TRY(text_pad(r, s, (int64_t)str_chars(s) + left, fill, '>', &padded));
    return text_pad(r, padded.s, width, fill, '<', out);
}

static size_t word_end(struct str s)
{
    size_t n = 0;

    while (n < s.n) {
        int32_t cp;
        size_t step = text_next(s, n, &cp);
        if (text_strips(cp, (struct str){ 0 }))
            break;
        n += step;
    }
    return n;
}

errc text_split_white(struct render *r, struct str s, int64_t max, struct list *l)
{
    for (;;) {
        struct val rest;
        TRY(text_strip(r, s, (struct str){ 0 }, true, false, &rest));
        s = rest.s;
        if (!s.n)
            return ERR_OK;
        size_t n = max == 0 ? s.n : word_end(s);
        list_add(r->arena, l, val_str(str_n(s.p, n)));
        s = str_from(s, n);
        max -= max > 0;
    }
}

size_t text_line_end(struct str s)
{
    int32_t cp;
    size_t n = text_next(s, 0, &cp);

    if (cp == '\r' && s.n > 1 && s.p[1] == '\n')
        return 2;
    return (cp >= 10 && cp <= 13) || (cp >= 0x1C && cp <= 0x1E) || cp == 0x85 || cp == 0x2028 || cp == 0x2029 ? n : 0;
}
