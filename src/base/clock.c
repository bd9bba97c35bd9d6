#include "base/clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/random.h>

static _Atomic int64_t fake_wall_ms = -1;       /* the tests' clock */

static int64_t now_us(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
    int64_t fake = atomic_load(&fake_wall_ms);

    return fake >= 0 ? fake * 1000 : now_us(CLOCK_REALTIME);
}

int64_t clock_wall_ms(void) { return clock_wall_us() / 1000; }
int64_t clock_mono_us(void) { return now_us(CLOCK_MONOTONIC); }
int64_t clock_mono_ms(void) { return clock_mono_us() / 1000; }
void clock_fake_wall(int64_t wall_ms) { atomic_store(&fake_wall_ms, wall_ms); }

static void format_seconds(int64_t seconds, char out[TIME_TEXT_MAX])
{
    time_t t = (time_t)seconds;
    struct tm tm;

    gmtime_r(&t, &tm);
    strftime(out, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

void time_rfc3339(int64_t wall_ms, char out[TIME_TEXT_MAX])
{
    format_seconds(wall_ms / 1000 - (wall_ms % 1000 < 0), out);
}

void time_rfc3339_micro(int64_t wall_us, char out[TIME_TEXT_MAX])
{
    format_seconds(wall_us / 1000000, out);
    snprintf(out + strlen(out) - 1, 16, ".%06dZ", (int)(wall_us % 1000000));
}

static bool two_digits(const char *p, int lo, int hi, int *out)
{
    if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
        return false;
    *out = (p[0] - '0') * 10 + (p[1] - '0');
    return *out >= lo && *out <= hi;
}

/* ".123456789" to microseconds; moves *at past it. */
static bool parse_fraction(struct str s, size_t *at, int64_t *out_us)
{
    int64_t us = 0, unit = 100000;

    *out_us = 0;
    if (*at >= s.n || s.p[*at] != '.')
        return true;
    size_t start = ++*at;
    for (; *at < s.n && s.p[*at] >= '0' && s.p[*at] <= '9'; ++*at, unit /= 10)
        us += (s.p[*at] - '0') * unit;
    *out_us = us;
    return *at > start;
}

static bool parse_offset(struct str s, int *out_minutes)
{
    int h, m;

    if (s.n == 1 && (s.p[0] == 'Z' || s.p[0] == 'z')) {
        *out_minutes = 0;
        return true;
    }
    if (s.n != 6 || (s.p[0] != '+' && s.p[0] != '-') || s.p[3] != ':' ||
        !two_digits(s.p + 1, 0, 23, &h) || !two_digits(s.p + 4, 0, 59, &m))
        return false;
    *out_minutes = (h * 60 + m) * (s.p[0] == '-' ? -1 : 1);
    return true;
}

bool time_parse(struct str s, int64_t *out_wall_us)
{
    struct tm tm = { 0 };
    int century, year, offset;
    int64_t us;
    size_t at = 19;

    if (s.n < 20 || s.p[4] != '-' || s.p[7] != '-' || (s.p[10] != 'T' && s.p[10] != 't') || s.p[13] != ':' || s.p[16] != ':' ||
        !two_digits(s.p, 0, 99, &century) || !two_digits(s.p + 2, 0, 99, &year) ||
        !two_digits(s.p + 5, 1, 12, &tm.tm_mon) || !two_digits(s.p + 8, 1, 31, &tm.tm_mday) ||
        !two_digits(s.p + 11, 0, 23, &tm.tm_hour) || !two_digits(s.p + 14, 0, 59, &tm.tm_min) ||
        !two_digits(s.p + 17, 0, 60, &tm.tm_sec) || !parse_fraction(s, &at, &us) || !parse_offset(str_from(s, at), &offset))
        return false;
    tm.tm_year = century * 100 + year - 1900;
    tm.tm_mon--;
    *out_wall_us = ((int64_t)timegm(&tm) - offset * 60) * 1000000 + us;
    return true;
}

void time_human_age(int64_t age_ms, char out[TIME_TEXT_MAX])
{
    int64_t s = age_ms / 1000, m = s / 60, h = m / 60, d = h / 24, y = d / 365;

    if (s < -1)
        snprintf(out, TIME_TEXT_MAX, "<invalid>");
    else if (s < 0)
        snprintf(out, TIME_TEXT_MAX, "0s");
    else if (s < 120)
        snprintf(out, TIME_TEXT_MAX, "%ds", (int)s);
    else if (m < 10 && s % 60)
        snprintf(out, TIME_TEXT_MAX, "%dm%ds", (int)m, (int)(s % 60));
    else if (m < 180)
        snprintf(out, TIME_TEXT_MAX, "%dm", (int)m);
    else if (h < 8 && m % 60)
        snprintf(out, TIME_TEXT_MAX, "%dh%dm", (int)h, (int)(m % 60));
    else if (h < 48)
        snprintf(out, TIME_TEXT_MAX, "%dh", (int)h);
    else if (d < 8 && h % 24)
        snprintf(out, TIME_TEXT_MAX, "%dd%dh", (int)d, (int)(h % 24));
    else if (d < 365 * 2)
        snprintf(out, TIME_TEXT_MAX, "%dd", (int)d);
    else if (d < 365 * 8 && d % 365)
        snprintf(out, TIME_TEXT_MAX, "%dy%dd", (int)y, (int)(d % 365));
    else
        snprintf(out, TIME_TEXT_MAX, "%dy", (int)y);
}

static bool duration_unit(struct str *s, double *out_ms)
{
    static const struct { const char *name; double ms; } units[] = {
        { "ms", 1 }, { "us", 1e-3 }, { "ns", 1e-6 }, { "h", 3600e3 }, { "m", 60e3 }, { "s", 1e3 },
    };
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (str_has_prefix(*s, str_of(units[i].name))) {
            *s = str_from(*s, strlen(units[i].name));
            *out_ms = units[i].ms;
            return true;
        }
    return false;
}

bool duration_parse_ms(struct str s, int64_t *out_ms)
{
    double total = 0, number, unit;
    bool negative = str_has_prefix(s, STR("-"));

    if (negative || str_has_prefix(s, STR("+")))
        s = str_from(s, 1);
    if (str_is(s, "0")) {
        *out_ms = 0;
        return true;
    }
    if (!s.n)
        return false;
    while (s.n) {
        size_t digits = 0;
        while (digits < s.n && strchr("0123456789.", s.p[digits]))
            digits++;
        if (!str_to_f64(str_n(s.p, digits), &number))
            return false;
        s = str_from(s, digits);
        if (!duration_unit(&s, &unit))
            return false;
        total += number * unit;
    }
    if (total > 9e15)
        return false;
    *out_ms = (int64_t)(negative ? -total : total);
    return true;
}

void random_bytes(void *p, size_t n)
{
    unsigned char *b = p;

    while (n) {
        ssize_t got = getrandom(b, n, 0);
        if (got < 0 && errno != EINTR)
            abort();
        if (got > 0) {
            b += got;
            n -= (size_t)got;
        }
    }
}

uint64_t random_u64(void)
{
    uint64_t v;

    random_bytes(&v, sizeof v);
    return v;
}

void random_uuid(char out[37])
{
    unsigned char b[16];

    random_bytes(b, sizeof b);
    b[6] = (unsigned char)((b[6] & 0x0F) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3F) | 0x80);
    snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4],
             b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

/* Bytes by the block: a call to the kernel for each letter is most of what a long text costs. Those that would favour the first letters are passed over. */
void random_suffix(char *out, size_t n)
{
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";       /* k8s.io/apimachinery/pkg/util/rand */
    enum { LETTERS = sizeof alphabet - 1, FAIR = 256 / LETTERS * LETTERS };
    unsigned char block[64];
    size_t at = sizeof block;

    for (size_t i = 0; i < n; at++) {
        if (at == sizeof block) {
            random_bytes(block, sizeof block);
            at = 0;
        }
        if (block[at] < FAIR)
            out[i++] = alphabet[block[at] % LETTERS];
    }
    out[n] = '\0';
}
