/* Patterns and formats of strings. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <arpa/inet.h>
#include <pcre2.h>

#include "schema/priv.h"

#include "base/hash.h"

#define MATCH_LIMIT 100000      /* steps: a foreign pattern may not hold the server */

bool regex_find(const char *pattern, struct str s, struct str *out)
{
    int code;
    PCRE2_SIZE at;
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_DOLLAR_ENDONLY, &code, &at, NULL);

    if (!re)
        return false;
    pcre2_match_data *m = pcre2_match_data_create_from_pattern(re, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    pcre2_set_match_limit(limits, MATCH_LIMIT);
    int rc = pcre2_match(re, (PCRE2_SPTR)s.p, s.n, 0, 0, m, limits);

    if (rc >= 0) {
        const PCRE2_SIZE *span = pcre2_get_ovector_pointer(m);
        *out = str_n(s.p + span[0], span[1] - span[0]);
    }
    pcre2_match_context_free(limits);
    pcre2_match_data_free(m);
    pcre2_code_free(re);
    return rc >= 0;
}

bool regex_matches(const char *pattern, struct str s)
{
    struct str ignored;

    return regex_find(pattern, s, &ignored);
}

static bool is_date_time(struct str s)
{
    int64_t ignored;

    return time_parse(s, &ignored);
}

static bool is_date(struct str s)
{
    char full[32];
    int64_t ignored;

    if (s.n != 10)
        return false;
    (void)snprintf(full, sizeof full, "%.*sT00:00:00Z", STR_ARG(s));
    return time_parse(str_of(full), &ignored);
}

static bool is_duration(struct str s)
{
    int64_t ignored;

    return duration_parse_ms(s, &ignored);
}

static bool is_bytes(struct str s)
{
    AUTO_BUF ignored = { 0 };

    return base64_decode(s, &ignored);
}

static bool is_ip(struct str s, int family)
{
    unsigned char ignored[16];
    char text[64];

    if (s.n >= sizeof text)
        return false;
    (void)snprintf(text, sizeof text, "%.*s", STR_ARG(s));
    return inet_pton(family, text, ignored) == 1;
}

static bool is_ipv4(struct str s) { return is_ip(s, AF_INET); }
static bool is_ipv6(struct str s) { return is_ip(s, AF_INET6); }

static bool is_uuid(struct str s)
{
    return regex_matches("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$", s);
}

static const struct { const char *name; bool (*holds)(struct str); } formats[] = {
    { "date-time", is_date_time }, { "datetime", is_date_time }, { "date", is_date }, { "duration", is_duration },
    { "byte", is_bytes }, { "ipv4", is_ipv4 }, { "ipv6", is_ipv6 }, { "uuid", is_uuid },
};

bool format_holds(const char *format, const json_t *value)
{
    if (!json_is_string(value))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (streq(formats[i].name, format))
            return formats[i].holds(json_to_str(value));
    return true;
}
