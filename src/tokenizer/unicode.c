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

bool cp_is(int32_t cp, enum cp_class class)
{
    const struct cp_ranges *r = &cp_classes[class];
    size_t low = 0, high = r->n;

    while (low < high) {
        size_t mid = (low + high) / 2;
        if (cp > r->v[mid].to)
            low = mid + 1;
        else
            high = mid;
    }
    return low < r->n && cp >= r->v[low].from;
}

bool cp_is_punctuation(int32_t cp) { return cp_is(cp, CP_PUNCTUATION); }
bool cp_is_number(int32_t cp) { return cp_is(cp, CP_NUMBER); }

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

/* utf8proc's table, and the letters of Unicode 16 and 17 that it does not have yet. */
int32_t cp_lower(int32_t cp)
{
    static const struct { int32_t from, to, lower; } later[] = {
        { 0x1C89, 0x1C89, 0x1C8A }, { 0xA7CB, 0xA7CB, 0x264 }, { 0xA7CC, 0xA7CC, 0xA7CD }, { 0xA7CE, 0xA7CE, 0xA7CF }, { 0xA7D2, 0xA7D2, 0xA7D3 },
        { 0xA7D4, 0xA7D4, 0xA7D5 }, { 0xA7DA, 0xA7DA, 0xA7DB }, { 0xA7DC, 0xA7DC, 0x19B }, { 0x10D50, 0x10D65, 0x10D70 }, { 0x16EA0, 0x16EB8, 0x16EBB },
    };
    if (cp < 0x1C89)
        return utf8proc_tolower(cp);
    for (size_t i = 0; i < ARRAY_LEN(later); i++)
        if (cp >= later[i].from && cp <= later[i].to)
            return later[i].lower + (cp - later[i].from);
    return utf8proc_tolower(cp);
}

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
