/* Code points and their classes (utf8proc's tables), and the repair of invalid UTF-8. */
#include <utf8proc.h>

#include "tokenizer/priv.h"

size_t utf8_len(unsigned char lead)
{
    return lead < 0xC2 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 1;
}

int32_t utf8_next(struct str s, size_t *at)
{
    utf8proc_int32_t cp = -1;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s.p + *at, (utf8proc_ssize_t)(s.n - *at), &cp);

    *at += n > 0 ? (size_t)n : 1;
    return n > 0 ? cp : 0xFFFD;
}

size_t utf8_put(int32_t cp, char out[4])
{
    utf8proc_ssize_t n = utf8proc_encode_char(cp, (utf8proc_uint8_t *)out);
    return n > 0 ? (size_t)n : 0;
}

bool cp_is_space(int32_t cp)
{
    return (cp >= 9 && cp <= 13) || cp == 32 || cp == 0x85 || cp == 0xA0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200A) ||
           cp == 0x2028 || cp == 0x2029 || cp == 0x202F || cp == 0x205F || cp == 0x3000;
}

static utf8proc_category_t category(int32_t cp) { return utf8proc_category(cp); }

bool cp_is_word(int32_t cp)
{
    utf8proc_category_t c = category(cp);

    return (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO) || (c >= UTF8PROC_CATEGORY_MN && c <= UTF8PROC_CATEGORY_ME) ||
           c == UTF8PROC_CATEGORY_ND || c == UTF8PROC_CATEGORY_NL || c == UTF8PROC_CATEGORY_PC || cp == 0x200C || cp == 0x200D;
}

bool cp_is_punctuation(int32_t cp)
{
    if (cp < 128)
        return (cp >= 33 && cp <= 47) || (cp >= 58 && cp <= 64) || (cp >= 91 && cp <= 96) || (cp >= 123 && cp <= 126);
    utf8proc_category_t c = category(cp);
    return c >= UTF8PROC_CATEGORY_PC && c <= UTF8PROC_CATEGORY_PO;
}

bool cp_is_digit(int32_t cp)
{
    utf8proc_category_t c = category(cp);
    return c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO;
}

bool cp_is_mark(int32_t cp) { return category(cp) == UTF8PROC_CATEGORY_MN; }

bool cp_is_cjk(int32_t cp)
{
    static const struct { int32_t from, to; } blocks[] = {
        { 0x4E00, 0x9FFF }, { 0x3400, 0x4DBF }, { 0x20000, 0x2A6DF }, { 0x2A700, 0x2B73F }, { 0x2B740, 0x2B81F },
        { 0x2B920, 0x2CEAF }, { 0xF900, 0xFAFF }, { 0x2F800, 0x2FA1F },
    };
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
        if (cp >= blocks[i].from && cp <= blocks[i].to)
            return true;
    return false;
}

bool cp_is_control(int32_t cp)
{
    if (cp == '\t' || cp == '\n' || cp == '\r')
        return false;
    utf8proc_category_t c = category(cp);
    return c == UTF8PROC_CATEGORY_CC || c == UTF8PROC_CATEGORY_CF || c == UTF8PROC_CATEGORY_CO;
}

int32_t cp_lower(int32_t cp) { return utf8proc_tolower(cp); }

/* Length of the longest prefix of s that may begin a code point (Unicode 3.9, "maximal subpart"); *whole: it is one. */
static size_t subpart(struct str s, bool *whole)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t want = utf8_len(p[0]);

    *whole = false;
    if (p[0] < 0x80) {
        *whole = true;
        return 1;
    }
    if (want == 1)
        return 1;
    unsigned char lo = p[0] == 0xE0 ? 0xA0 : p[0] == 0xF0 ? 0x90 : 0x80;
    unsigned char hi = p[0] == 0xED ? 0x9F : p[0] == 0xF4 ? 0x8F : 0xBF;
    for (size_t i = 1; i < want; i++) {
        if (i >= s.n || p[i] < lo || p[i] > hi)
            return i;
        lo = 0x80, hi = 0xBF;
    }
    *whole = true;
    return want;
}

void utf8_repair(struct str s, struct buf *out)
{
    for (size_t at = 0; at < s.n;) {
        bool whole;
        size_t n = subpart(str_from(s, at), &whole);
        if (whole)
            buf_add(out, s.p + at, n);
        else
            buf_adds(out, "\xEF\xBF\xBD");
        at += n;
    }
}

size_t utf8_complete(struct str s)
{
    for (size_t back = 1; back <= 3 && back <= s.n; back++) {
        unsigned char c = (unsigned char)s.p[s.n - back];
        if (c < 0x80)
            return s.n;
        if (c >= 0xC0) {
            bool whole;
            size_t n = subpart(str_from(s, s.n - back), &whole);
            return !whole && n == back && utf8_len(c) > back ? s.n - back : s.n;
        }
    }
    return s.n;
}

/* GPT-2's alphabet: printable bytes stand for themselves, the other 68 follow from U+0100. */
int32_t byte_level_cp(unsigned char b)
{
    if ((b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174)
        return b;
    return b <= 32 ? 256 + b : b <= 160 ? 256 + 33 + (b - 127) : 256 + 67;
}

int byte_level_byte(int32_t cp)
{
    if (cp < 0)
        return -1;
    if (cp < 256)
        return byte_level_cp((unsigned char)cp) == cp ? (int)cp : -1;
    int32_t i = cp - 256;
    return i <= 32 ? (int)i : i <= 66 ? (int)(i - 33 + 127) : i == 67 ? 173 : -1;
}
