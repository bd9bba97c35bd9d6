#include "schema/names.h"

#include <ctype.h>

#define SUBDOMAIN_MSG "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start " \
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?" \
    "(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
#define LABEL_MSG "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with " \
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
#define LABEL_1035_MSG "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, " \
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
#define LABEL_VALUE_MSG "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start " \
    "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is " \
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
#define QUALIFIED_MSG "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric " \
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
#define QUALIFIED_FORM_MSG "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an " \
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is " \
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
#define ANNOTATIONS_MAX (256 << 10)

static bool lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool alnum(char c)
{
    return isalnum((unsigned char)c) && (unsigned char)c < 128;
}

static bool is_label(struct str s)
{
    if (!s.n || !lower_alnum(s.p[0]) || !lower_alnum(s.p[s.n - 1]))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!lower_alnum(s.p[i]) && s.p[i] != '-')
            return false;
    return true;
}

static bool is_subdomain(struct str s)
{
    struct str part;

    if (!s.n || s.p[s.n - 1] == '.')
        return false;
    while (str_next(&s, '.', &part))
        if (!is_label(part))
            return false;
    return true;
}

/* ([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9] */
static bool is_word(struct str s)
{
    if (!s.n || !alnum(s.p[0]) || !alnum(s.p[s.n - 1]))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!alnum(s.p[i]) && !strchr("-_.", s.p[i]))
            return false;
    return true;
}

bool label_value_problem(const char *v, struct buf *out)
{
    if (strlen(v) > 63)
        buf_adds(out, "must be no more than 63 characters");
    else if (*v && !is_word(str_of(v)))
        buf_adds(out, LABEL_VALUE_MSG);
    return out->n > 0;
}

bool qualified_name_problem(const char *v, struct buf *out)
{
    struct str prefix = { 0 }, name = str_of(v), rest;

    if (strchr(v, '/')) {
        str_cut(str_of(v), '/', &prefix, &rest);
        name = rest;
        if (memchr(rest.p, '/', rest.n)) {
            buf_adds(out, QUALIFIED_FORM_MSG);
            return true;
        }
        if (!prefix.n) {
            buf_adds(out, "prefix part must be non-empty");
            return true;
        }
        if (!is_subdomain(prefix)) {
            buf_adds(out, "prefix part " SUBDOMAIN_MSG);
            return true;
        }
    }
    if (!name.n)
        buf_adds(out, "name part must be non-empty");
    else if (name.n > 63)
        buf_adds(out, "name part must be no more than 63 characters");
    else if (!is_word(name))
        buf_adds(out, QUALIFIED_MSG);
    return out->n > 0;
}

bool name_problem(enum name_rule rule, const char *name, bool prefix, struct buf *out)
{
    static const struct { size_t max; const char *msg; } rules[] = {
        [NAME_SUBDOMAIN] = { 253, SUBDOMAIN_MSG }, [NAME_LABEL] = { 63, LABEL_MSG }, [NAME_LABEL_1035] = { 63, LABEL_1035_MSG },
    };
    struct str s = str_of(name);

    if (rule == NAME_PATH) {
        if (streq(name, ".") || streq(name, ".."))
            buf_addf(out, "may not be '%s'", name);
        else if (strchr(name, '/'))
            buf_adds(out, "may not contain '/'");
        else if (strchr(name, '%'))
            buf_adds(out, "may not contain '%'");
        return out->n > 0;
    }
    while (prefix && s.n && (s.p[s.n - 1] == '-' || (rule == NAME_SUBDOMAIN && s.p[s.n - 1] == '.')))
        s.n--;              /* what generateName adds makes the end good */
    if (s.n > rules[rule].max)
        buf_addf(out, "must be no more than %zu characters", rules[rule].max);
    bool good = rule == NAME_SUBDOMAIN ? is_subdomain(s) : is_label(s) && (rule == NAME_LABEL || (s.p[0] >= 'a' && s.p[0] <= 'z'));
    if (!good && s.n <= rules[rule].max)
        buf_adds(out, rule == NAME_LABEL && is_subdomain(s) ? "must not contain dots" : rules[rule].msg);
    return out->n > 0;
}

static void add_invalid(struct field_errors *out, const char *path, const char *value, const struct buf *why)
{
    AUTO_BUF quoted = { 0 };

    buf_addf(&quoted, "\"%s\"", value);
    field_error_add(out, FIELD_INVALID_VALUE, path, buf_cstr(&quoted), "%s", buf_cstr(why));
}

void labels_check(const json_t *labels, const char *path, struct field_errors *out)
{
    const char *key;
    json_t *v;

    json_object_foreach((json_t *)(uintptr_t)labels, key, v) {
        AUTO_BUF why = { 0 };

        if (qualified_name_problem(key, &why))
            add_invalid(out, path, key, &why);
        buf_clear(&why);
        const char *text = json_string_value(v);

        if (text && label_value_problem(text, &why))
            add_invalid(out, path, text, &why);
    }
}

void annotations_check(const json_t *annotations, const char *path, struct field_errors *out)
{
    const char *key;
    json_t *v;
    size_t total = 0;

    json_object_foreach((json_t *)(uintptr_t)annotations, key, v) {
        AUTO_BUF why = { 0 }, lower = { 0 };

        for (const char *p = key; *p; p++)
            buf_addc(&lower, (char)tolower((unsigned char)*p));
        if (qualified_name_problem(buf_cstr(&lower), &why))
            add_invalid(out, path, key, &why);
        total += strlen(key) + json_string_length(v);
    }
    if (total > ANNOTATIONS_MAX)
        field_error_add(out, FIELD_TOO_LONG_VALUE, path, NULL, "may not be more than %d bytes", ANNOTATIONS_MAX);
}
