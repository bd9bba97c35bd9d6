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

errc text_case(struct render *r, struct str s, char how, struct val *out)
{
    AUTO_BUF b = { 0 };
    bool inside = false;

    TRY(tick(r, s.n / 16));
    for (size_t at = 0; at < s.n;) {
        int32_t cp;
        at += text_next(s, at, &cp);
        utf8proc_category_t c = utf8proc_category(cp);
        bool letter = c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
        bool upper = how == 'u' || ((how == 't' || how == 'c') && !inside);
        if (cp == 0xDF && upper)
            buf_adds(&b, how == 'u' ? "SS" : "Ss");
        else
            add_cp(&b, !letter && how == 't' ? cp : upper ? utf8proc_toupper(cp) : utf8proc_tolower(cp));
        inside = how == 'c' || letter;
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

errc text_replace(struct render *r, struct str s, struct str from, struct str to, int64_t count, struct val *out)
{
    AUTO_BUF b = { 0 };
    size_t at;

    TRY(tick(r, s.n / 16));
    if (!from.n) {
        *out = val_str(s);
        return ERR_OK;
    }
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
