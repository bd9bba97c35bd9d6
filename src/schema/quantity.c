/*
 * Kubernetes quantities, held exactly as nano units in 128 bits. Format rules: k8s.io/apimachinery/pkg/api/resource
 * (the suffix family of the text is kept; the mantissa is the smallest without a fraction; precision ends at nano, rounded up).
 */
#include "schema/schema.h"

#define NANO 1000000000

struct suffix { const char *text; int exp; bool binary; };      /* 10^exp, or 2^exp */

static const struct suffix suffixes[] = {
    { "n", -9, false }, { "u", -6, false }, { "m", -3, false }, { "", 0, false }, { "k", 3, false }, { "M", 6, false },
    { "G", 9, false }, { "T", 12, false }, { "P", 15, false }, { "E", 18, false },
    { "Ki", 10, true }, { "Mi", 20, true }, { "Gi", 30, true }, { "Ti", 40, true }, { "Pi", 50, true }, { "Ei", 60, true },
};

enum family { DECIMAL_SI, BINARY_SI, DECIMAL_EXP };

static const __int128 LIMIT = (__int128)INT64_MAX * NANO;

static __int128 clamp(__int128 v) { return v > LIMIT ? LIMIT : v < -LIMIT ? -LIMIT : v; }

static __int128 scale(__int128 v, const struct suffix *s)
{
    if (s->binary) {
        for (int i = 0; i < s->exp; i++)
            v = clamp(v * 2);
        return v;
    }
    for (int i = 0; i < s->exp; i++)
        v = clamp(v * 10);
    for (int i = 0; i > s->exp; i--) {
        bool inexact = v % 10 != 0;
        v = v / 10 + (inexact ? (v > 0 ? 1 : -1) : 0);
    }
    return v;
}

/* Digits before and after the point; at most 9 places are kept, more round away from zero. */
static bool mantissa(struct str *s, __int128 *out)
{
    __int128 v = 0;
    size_t digits = 0, places = 0;
    bool point = false, more = false;

    for (; s->n; *s = str_from(*s, 1)) {
        char c = *s->p;
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9')
            break;
        digits++;
        if (point && places == 9) {
            more |= c != '0';
            continue;
        }
        places += point;
        v = clamp(v * 10 + (c - '0'));
    }
    for (; places < 9; places++)
        v = clamp(v * 10);
    *out = v + more;
    return digits > 0;
}

static bool find_suffix(struct str s, struct suffix *out, enum family *family)
{
    int64_t exp;

    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
        if (str_is(s, suffixes[i].text)) {
            *out = suffixes[i];
            *family = out->binary ? BINARY_SI : DECIMAL_SI;
            return true;
        }
    if (s.n < 2 || (s.p[0] != 'e' && s.p[0] != 'E'))
        return false;
    s = str_from(s, s.p[1] == '+' ? 2 : 1);
    if (!s.n || !str_to_i64(s, &exp) || exp > 99 || exp < -99)
        return false;
    *out = (struct suffix){ "", (int)exp, false };
    *family = DECIMAL_EXP;
    return true;
}

static bool parse(struct str s, __int128 *out, enum family *family)
{
    struct suffix suffix;
    bool negative = s.n && *s.p == '-';

    if (s.n && (*s.p == '-' || *s.p == '+'))
        s = str_from(s, 1);
    if (!mantissa(&s, out) || !find_suffix(s, &suffix, family))
        return false;
    *out = scale(*out, &suffix);
    if (negative)
        *out = -*out;
    return true;
}

bool quantity_parse(struct str s, __int128 *out_nano)
{
    enum family family;

    return parse(s, out_nano, &family);
}

static int64_t in_units(struct str s, int64_t unit, int64_t fallback)
{
    __int128 v;

    if (!quantity_parse(s, &v))
        return fallback;
    __int128 q = v / unit;
    if (v > 0 && v % unit)
        q++;
    return q > INT64_MAX ? INT64_MAX : q < INT64_MIN ? INT64_MIN : (int64_t)q;
}

int64_t quantity_value(struct str s, int64_t fallback) { return in_units(s, NANO, fallback); }
int64_t quantity_milli(struct str s, int64_t fallback) { return in_units(s, NANO / 1000, fallback); }

static void add_int(__int128 v, struct buf *out)
{
    char digits[48];
    size_t at = sizeof digits;
    bool negative = v < 0;

    do {
        int d = (int)(v % 10);
        digits[--at] = (char)('0' + (d < 0 ? -d : d));
        v /= 10;
    } while (v);
    if (negative)
        digits[--at] = '-';
    buf_add(out, digits + at, sizeof digits - at);
}

static void add_decimal(__int128 nano, bool exponent, struct buf *out)
{
    int exp = -9;

    while (nano % 1000 == 0 && exp < 18) {
        nano /= 1000;
        exp += 3;
    }
    add_int(nano, out);
    if (exponent) {
        if (exp)
            buf_addf(out, "e%d", exp);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
        if (!suffixes[i].binary && suffixes[i].exp == exp)
            buf_adds(out, suffixes[i].text);
}

static void add_binary(__int128 nano, struct buf *out)
{
    __int128 v = nano / NANO;
    int exp = 0;

    while (v % 1024 == 0 && exp < 60) {
        v /= 1024;
        exp += 10;
    }
    add_int(v, out);
    for (size_t i = 0; exp && i < ARRAY_LEN(suffixes); i++)
        if (suffixes[i].binary && suffixes[i].exp == exp)
            buf_adds(out, suffixes[i].text);
}

bool quantity_canonical(struct str s, struct buf *out)
{
    __int128 nano;
    enum family family;

    if (!parse(s, &nano, &family))
        return false;
    __int128 magnitude = nano < 0 ? -nano : nano;
    if (nano == 0)
        buf_addc(out, '0');
    else if (family == BINARY_SI && magnitude >= (__int128)1024 * NANO && nano % NANO == 0)
        add_binary(nano, out);
    else        /* Go: a binary quantity below 1024, or with a fraction, is written in decimal */
        add_decimal(nano, family == DECIMAL_EXP, out);
    return true;
}
