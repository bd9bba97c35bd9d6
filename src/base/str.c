#include "base/str.h"

#include <errno.h>
#include <locale.h>

#include "base/mem.h"

int str_cmp(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int d = n ? memcmp(a.p, b.p, n) : 0;

    return d ? d : (a.n > b.n) - (a.n < b.n);
}

static unsigned char lower(char c) { return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c); }

bool str_ieq(struct str a, struct str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

bool str_has_prefix(struct str s, struct str prefix)
{
    return s.n >= prefix.n && str_eq(str_n(s.p, prefix.n), prefix);
}

bool str_has_suffix(struct str s, struct str suffix)
{
    return s.n >= suffix.n && str_eq(str_n(s.p + (s.n - suffix.n), suffix.n), suffix);
}

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

struct str str_trim(struct str s)
{
    while (s.n && is_space(s.p[0]))
        s = str_n(s.p + 1, s.n - 1);
    while (s.n && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

struct str str_from(struct str s, size_t start)
{
    return start >= s.n ? str_n(s.p ? s.p + s.n : NULL, 0) : str_n(s.p + start, s.n - start);
}

bool str_find(struct str s, struct str needle, size_t *at)
{
    const char *hit = s.n || needle.n ? memmem(s.p ? s.p : "", s.n, needle.p ? needle.p : "", needle.n) : s.p;

    if (!hit)
        return false;
    *at = (size_t)(hit - s.p);
    return true;
}

static bool cut_at(struct str s, const char *hit, struct str *head, struct str *rest)
{
    if (!hit) {
        *head = s;
        *rest = str_n(s.p ? s.p + s.n : NULL, 0);
        return false;
    }
    size_t at = (size_t)(hit - s.p);
    *rest = str_n(hit + 1, s.n - at - 1);
    *head = str_n(s.p, at);
    return true;
}

bool str_cut(struct str s, char sep, struct str *head, struct str *rest)
{
    return cut_at(s, s.n ? memchr(s.p, sep, s.n) : NULL, head, rest);
}

bool str_rcut(struct str s, char sep, struct str *head, struct str *rest)
{
    return cut_at(s, s.n ? memrchr(s.p, sep, s.n) : NULL, head, rest);
}

bool str_next(struct str *s, char sep, struct str *piece)
{
    if (!s->p)
        return false;
    if (!str_cut(*s, sep, piece, s))
        *s = (struct str){ 0 };
    return true;
}

bool str_to_bool(struct str s, bool *out)
{
    static const struct { const char *text; bool value; } words[] = {
        { "1", true }, { "t", true }, { "T", true }, { "true", true }, { "TRUE", true }, { "True", true },
        { "0", false }, { "f", false }, { "F", false }, { "false", false }, { "FALSE", false }, { "False", false },
    };

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_is(s, words[i].text)) {
            *out = words[i].value;
            return true;
        }
    return false;
}

/* Numbers are copied to a small buffer, since a view has no NUL. 64 characters hold every number we accept. */
static bool to_cstr(struct str s, char out[64])
{
    if (s.n == 0 || s.n >= 64 || is_space(s.p[0]))
        return false;
    memcpy(out, s.p, s.n);
    out[s.n] = '\0';
    return strlen(out) == s.n;
}

bool str_to_i64(struct str s, int64_t *out)
{
    char text[64], *end;

    if (!to_cstr(s, text))
        return false;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (errno || *end)
        return false;
    *out = v;
    return true;
}

bool str_to_u64(struct str s, uint64_t *out)
{
    char text[64], *end;

    if (!to_cstr(s, text) || text[0] == '-')
        return false;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (errno || *end)
        return false;
    *out = v;
    return true;
}

bool str_to_f64(struct str s, double *out)
{
    char text[64], *end;

    if (!to_cstr(s, text) || strspn(text, "+-.0123456789eE") != s.n)
        return false;
    errno = 0;
    double v = strtod(text, &end);
    if (*end || (errno && (v > 1 || v < -1)))
        return false;
    *out = v;
    return true;
}

/* Length of the well-formed sequence at p (RFC 3629), 0 when there is none. */
static size_t utf8_sequence(const unsigned char *p, size_t n)
{
    static const struct { unsigned char lo, hi, second_lo, second_hi, len; } rows[] = {
        { 0x00, 0x7F, 0x00, 0x00, 1 }, { 0xC2, 0xDF, 0x80, 0xBF, 2 }, { 0xE0, 0xE0, 0xA0, 0xBF, 3 },
        { 0xE1, 0xEC, 0x80, 0xBF, 3 }, { 0xED, 0xED, 0x80, 0x9F, 3 }, { 0xEE, 0xEF, 0x80, 0xBF, 3 },
        { 0xF0, 0xF0, 0x90, 0xBF, 4 }, { 0xF1, 0xF3, 0x80, 0xBF, 4 }, { 0xF4, 0xF4, 0x80, 0x8F, 4 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (p[0] < rows[i].lo || p[0] > rows[i].hi)
            continue;
        if (rows[i].len > n || (rows[i].len > 1 && (p[1] < rows[i].second_lo || p[1] > rows[i].second_hi)))
            return 0;
        for (size_t k = 2; k < rows[i].len; k++)
            if ((p[k] & 0xC0) != 0x80)
                return 0;
        return rows[i].len;
    }
    return 0;
}

bool str_utf8_valid(struct str s)
{
    for (size_t i = 0, len; i < s.n; i += len) {
        len = utf8_sequence((const unsigned char *)s.p + i, s.n - i);
        if (!len)
            return false;
    }
    return true;
}

void buf_done(struct buf *b)
{
    free(b->p);
    *b = (struct buf){ 0 };
}

void buf_clear(struct buf *b) { buf_truncate(b, 0); }

void buf_reserve(struct buf *b, size_t more)
{
    size_t need;

    if (!size_add(b->n, more, &need) || !size_add(need, 1, &need))
        abort();
    if (need <= b->cap)
        return;
    size_t cap = b->cap ? b->cap : 32;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    b->p = xrealloc(b->p, cap);
    b->cap = cap;
    b->p[b->n] = '\0';
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    if (!n)
        return;
    buf_reserve(b, n);
    memcpy(b->p + b->n, p, n);
    b->n += n;
    b->p[b->n] = '\0';
}

void buf_adds(struct buf *b, const char *s) { buf_add(b, s, s ? strlen(s) : 0); }
void buf_addstr(struct buf *b, struct str s) { buf_add(b, s.p, s.n); }
void buf_addc(struct buf *b, char c) { buf_add(b, &c, 1); }

void buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;

    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (n < 0)
        return;
    buf_reserve(b, (size_t)n);
    vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
    b->n += (size_t)n;
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(b, fmt, ap);
    va_end(ap);
}

void buf_cut(struct buf *b, size_t n)
{
    if (n > b->n)
        n = b->n;
    if (!n)
        return;
    memmove(b->p, b->p + n, b->n - n + 1);
    b->n -= n;
}

void buf_truncate(struct buf *b, size_t n)
{
    if (n < b->n) {
        b->n = n;
        b->p[n] = '\0';
    }
}

const char *buf_cstr(const struct buf *b) { return b->p ? b->p : ""; }

char *buf_take(struct buf *b)
{
    char *s = b->p ? b->p : xstrdup("");

    *b = (struct buf){ 0 };
    return s;
}
