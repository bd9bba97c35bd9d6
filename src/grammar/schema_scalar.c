/* Strings with their lengths, patterns and formats; numbers with their bounds. */
#include "grammar/schema.h"

#include <math.h>

/* ---- strings ---- */

#define OCTET "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
#define TIME  "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,6})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)"
#define LEAP  "(?:[1-9]\\d(?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[13579][26])00)"
#define DATE  "(?:[1-9]\\d{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))|" LEAP "-02-29)"
#define LABEL "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define HOST  LABEL "(?:\\." LABEL "){0,3}"
#define HEX16 "[0-9A-Fa-f]{1,4}"
#define URI   "(?:%[0-9A-Fa-f]{2}|[A-Za-z0-9._~!$&'()*+,;=:@-])"
#define PATH  "(?:%[0-9A-Fa-f]{2}|[A-Za-z0-9._~!$&'()*+,;=:@/-])"

/* What our text keeps to; RFC 3339, 5321, 1123, 4122, 4291, 3986, and ISO 8601 for durations. */
static const struct { const char *name, *pattern; } formats[] = {
    { "date", DATE },
    { "time", TIME },
    { "date-time", DATE "T" TIME },
    { "duration", "P(?:\\d{1,4}W|(?:\\d{1,4}D|\\d{1,4}M(?:\\d{1,4}D)?|\\d{1,4}Y(?:\\d{1,4}M(?:\\d{1,4}D)?)?)(?:T(?:\\d{1,4}S|\\d{1,4}M(?:\\d{1,4}S)?|\\d{1,4}H(?:\\d{1,4}M(?:\\d{1,4}S)?)?))?"
                  "|T(?:\\d{1,4}S|\\d{1,4}M(?:\\d{1,4}S)?|\\d{1,4}H(?:\\d{1,4}M(?:\\d{1,4}S)?)?))" },
    { "email", "[A-Za-z0-9_+-]{1,32}(?:\\.[A-Za-z0-9_+-]{1,31})?@" LABEL "(?:\\." LABEL "){1,2}" },
    { "hostname", HOST },
    { "ipv4", OCTET "(?:\\." OCTET "){3}" },
    { "ipv6", "(?:" HEX16 ":){7}" HEX16 "|::(?:" HEX16 "(?::" HEX16 "){0,5})?|" HEX16 "::(?:" HEX16 "(?::" HEX16 "){0,4})?|" HEX16 ":" HEX16 "::(?:" HEX16 "(?::" HEX16 "){0,3})?" },
    { "uuid", "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}" },
    { "uri", "https?://" HOST "(?::[1-9]\\d{0,3})?(?:/" PATH "*)?(?:\\?" URI "*)?(?:#" URI "*)?" },
};

/* The pattern behind a `format`; NULL: one that says nothing here. */
static const char *schema_format(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (streq(formats[i].name, name))
            return formats[i].pattern;
    return NULL;
}

static errc put_pattern(struct schema *s, const char *pattern, const char *path, uint32_t from, uint32_t to, uint32_t min, uint32_t max)
{
    struct char_net c = { 0 };
    errc rc = regex_parse(str_of(pattern), &c, s->e);

    if (!rc)
        char_net_put(&c, &s->net, from, to, json_plain_chars, min, max);
    char_net_done(&c);
    return rc ? err_wrap(s->e, "%s", path) : ERR_OK;
}

errc schema_string(struct schema *s, const json_t *schema, const char *path, uint32_t from, uint32_t to)
{
    const json_t *pattern = json_object_get(schema, "pattern");
    const char *format = schema_format(json_cstr(schema, "format"));    /* an unknown one describes (draft 2020-12 validation, 7.2.1) */
    uint32_t min = 0, max = REPEAT_INF;
    struct net *n = &s->net;

    TRY(schema_count(s, schema, "minLength", path, &min));
    TRY(schema_count(s, schema, "maxLength", path, &max));
    if (min > max)
        return schema_fail(s, schema_path(s, path, "minLength"), "is above maxLength");
    if (pattern && !json_is_string(pattern))
        return schema_fail(s, schema_path(s, path, "pattern"), "must be a string");
    if (pattern && format)
        return schema_fail(s, schema_path(s, path, "pattern"), "is not supported beside this format");
    if (!pattern && !format && !min && max == REPEAT_INF) {
        net_call(n, from, to, json_string_rule(n, &s->json));
        return ERR_OK;
    }
    uint32_t inside = net_literal_from(n, from, STR("\"")), end = net_node(n);
    net_literal(n, end, to, STR("\""));
    if (pattern || format)
        return put_pattern(s, pattern ? json_string_value(pattern) : format, schema_path(s, path, pattern ? "pattern" : "format"), inside, end, min, max);
    net_repeat(n, inside, end, json_character(n, &s->json), min, max);
    return ERR_OK;
}

/* ---- numbers ---- */

static errc read_bound(struct schema *s, const json_t *schema, const char *keyword, const char *path, double *value, bool *found)
{
    const json_t *v = json_object_get(schema, keyword);

    *found = v != NULL;
    if (v && !json_is_number(v))
        return schema_fail(s, schema_path(s, path, keyword), "must be a number");
    *value = v ? json_number_value(v) : 0;
    return ERR_OK;
}

/* The tighter of `minimum` and `exclusiveMinimum`; with sign -1 of the maxima. */
static errc read_side(struct schema *s, const json_t *schema, const char *closed, const char *open, const char *path, double sign,
                      double *value, bool *found, bool *out_open)
{
    double a = 0, b = 0;
    bool has_a = false, has_b = false;

    TRY(read_bound(s, schema, closed, path, &a, &has_a));
    TRY(read_bound(s, schema, open, path, &b, &has_b));
    *out_open = has_b && (!has_a || b * sign >= a * sign);
    *found = has_a || has_b;
    *value = *out_open ? b : a;
    return ERR_OK;
}

static errc read_multiple(struct schema *s, const json_t *schema, const char *path, int64_t *out)
{
    double m = 0;
    bool found = false;

    TRY(read_bound(s, schema, "multipleOf", path, &m, &found));
    if (found && (m < 1 || m > 1000 || m != floor(m)))
        return schema_fail(s, schema_path(s, path, "multipleOf"), "is supported for whole numbers from 1 to 1000");
    *out = found ? (int64_t)m : 0;
    return ERR_OK;
}

static errc put_number(struct schema *s, const json_t *schema, const char *path, uint32_t from, uint32_t to, bool integer)
{
    struct number_bounds b = { .integer = integer };
    struct net *n = &s->net;

    TRY(read_side(s, schema, "minimum", "exclusiveMinimum", path, 1, &b.low, &b.has_low, &b.above));
    TRY(read_side(s, schema, "maximum", "exclusiveMaximum", path, -1, &b.high, &b.has_high, &b.below));
    TRY(read_multiple(s, schema, path, &b.multiple));
    if (b.has_low || b.has_high || b.multiple)
        number_put(n, from, to, &b);
    else
        net_call(n, from, to, integer ? json_integer_rule(n, &s->json) : json_number_rule(n, &s->json));
    return ERR_OK;
}

errc schema_number(struct schema *s, const json_t *schema, const char *path, uint32_t from, uint32_t to)
{
    return put_number(s, schema, path, from, to, false);
}

errc schema_integer(struct schema *s, const json_t *schema, const char *path, uint32_t from, uint32_t to)
{
    return put_number(s, schema, path, from, to, true);
}
