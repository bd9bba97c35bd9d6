/*
 * What names, labels, annotations, finalizers and owner references may be, in the words of
 * k8s.io/apimachinery/pkg/util/validation and pkg/api/validation.
 */
#include <ctype.h>

#include "apiserver/priv.h"

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

static const char *quoted(struct arena *a, const char *s)
{
    return arena_printf(a, "\"%s\"", s);
}

static void validate_labels(struct req *r, const json_t *labels, struct field_errors *out)
{
    const char *key;
    json_t *v;

    json_object_foreach((json_t *)(uintptr_t)labels, key, v) {
        AUTO_BUF why = { 0 };
        if (qualified_name_problem(key, &why))
            field_error_add(out, FIELD_INVALID_VALUE, "metadata.labels", quoted(r->a, key), "%s", buf_cstr(&why));
        buf_clear(&why);
        const char *text = json_string_value(v);
        if (text && label_value_problem(text, &why))
            field_error_add(out, FIELD_INVALID_VALUE, "metadata.labels", quoted(r->a, text), "%s", buf_cstr(&why));
    }
}

static void validate_annotations(struct req *r, const json_t *annotations, struct field_errors *out)
{
    const char *key;
    json_t *v;
    size_t total = 0;

    json_object_foreach((json_t *)(uintptr_t)annotations, key, v) {
        AUTO_BUF why = { 0 }, lower = { 0 };
        for (const char *p = key; *p; p++)
            buf_addc(&lower, (char)tolower((unsigned char)*p));
        if (qualified_name_problem(buf_cstr(&lower), &why))
            field_error_add(out, FIELD_INVALID_VALUE, "metadata.annotations", quoted(r->a, key), "%s", buf_cstr(&why));
        total += strlen(key) + json_string_length(v);
    }
    if (total > ANNOTATIONS_MAX)
        field_error_add(out, FIELD_TOO_LONG_VALUE, "metadata.annotations", NULL, "may not be more than %d bytes", ANNOTATIONS_MAX);
}

static void validate_owners(struct req *r, const json_t *owners, struct field_errors *out)
{
    static const struct { const char *field, *what; } needed[] = {
        { "apiVersion", "version" }, { "kind", "kind" }, { "name", "name" }, { "uid", "uid" },
    };
    const char *controller = NULL;
    size_t i;
    json_t *o;

    json_array_foreach(owners, i, o) {
        for (size_t k = 0; k < ARRAY_LEN(needed); k++)
            if (!str_set(json_cstr(o, needed[k].field)))
                field_error_add(out, FIELD_INVALID_VALUE, arena_printf(r->a, "metadata.ownerReferences.%s", needed[k].field), "\"\"",
                                "%s must not be empty", needed[k].what);
        if (!json_flag(o, "controller", false))
            continue;
        const char *me = arena_printf(r->a, "%s/%s", json_cstr(o, "kind"), json_cstr(o, "name"));
        if (controller)
            field_error_add_json(out, FIELD_INVALID_VALUE, "metadata.ownerReferences", owners,
                "Only one reference can have Controller set to true. Found \"true\" in references for %s and %s", controller, me);
        controller = me;
    }
}

/* Built-in kinds also want a domain in the name; custom resources do not. */
static void validate_finalizers(struct req *r, const struct resource *res, const json_t *finalizers, struct field_errors *out)
{
    static const char *const standard[] = { "kubernetes", "orphan", "foregroundDeletion" };
    size_t i;
    json_t *f;

    json_array_foreach(finalizers, i, f) {
        AUTO_BUF why = { 0 };
        const char *text = json_string_value(f);
        if (text && qualified_name_problem(text, &why))
            field_error_add(out, FIELD_INVALID_VALUE, "metadata.finalizers", quoted(r->a, text), "%s", buf_cstr(&why));
    }
    json_array_foreach(finalizers, i, f) {
        const char *text = json_string_value(f);
        bool known = !text || strchr(text, '/') || !(res->type->flags & TYPE_BUILTIN);
        for (size_t k = 0; k < ARRAY_LEN(standard) && !known; k++)
            known = streq(text, standard[k]);
        if (!known)
            field_error_add(out, FIELD_INVALID_VALUE, arena_printf(r->a, "metadata.finalizers[%zu]", i), quoted(r->a, text),
                            "name is neither a standard finalizer name nor is it fully qualified");
    }
}

static void validate_name(struct req *r, const struct resource *res, const json_t *meta, struct field_errors *out)
{
    const char *name = json_cstr(meta, "name"), *generate = json_cstr(meta, "generateName");
    enum name_rule rule = res->strategy->name_rule;
    AUTO_BUF why = { 0 };

    if (str_set(generate) && name_problem(rule, generate, true, &why))
        field_error_add(out, FIELD_INVALID_VALUE, "metadata.generateName", quoted(r->a, generate), "%s", buf_cstr(&why));
    if (!str_set(name)) {
        field_error_add(out, FIELD_REQUIRED_VALUE, "metadata.name", NULL, "name or generateName is required");
        return;
    }
    buf_clear(&why);
    if (name_problem(rule, name, false, &why))
        field_error_add(out, FIELD_INVALID_VALUE, "metadata.name", quoted(r->a, name), "%s", buf_cstr(&why));
}

static void validate_meta_change(const json_t *meta, const json_t *was, struct field_errors *out)
{
    static const char *const fixed[] = { "name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds" };

    for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
        const json_t *a = json_object_get(meta, fixed[i]), *b = json_object_get(was, fixed[i]);
        if ((a || b) && !(a && b && json_equal(a, b))) {
            AUTO_BUF path = { 0 };
            buf_addf(&path, "metadata.%s", fixed[i]);
            field_error_add_json(out, FIELD_INVALID_VALUE, buf_cstr(&path), a, "field is immutable");
        }
    }
    if (!json_object_get(was, "deletionTimestamp"))
        return;
    size_t i, k;
    json_t *f, *g;
    json_array_foreach(json_object_get(meta, "finalizers"), i, f) {
        bool there = false;
        json_array_foreach(json_object_get(was, "finalizers"), k, g)
            there = there || json_equal(f, g);
        if (!there)
            field_error_add(out, FIELD_FORBIDDEN_VALUE, "metadata.finalizers", NULL,
                            "no new finalizers can be added if the object is being deleted, found new finalizers []string{\"%s\"}",
                            json_string_value(f));
    }
}

void validate_meta(struct req *r, const struct resource *res, const json_t *obj, const json_t *old, struct field_errors *out)
{
    const json_t *meta = json_object_get(obj, "metadata");

    if (!old)
        validate_name(r, res, meta, out);
    validate_labels(r, json_object_get(meta, "labels"), out);
    validate_annotations(r, json_object_get(meta, "annotations"), out);
    validate_owners(r, json_object_get(meta, "ownerReferences"), out);
    validate_finalizers(r, res, json_object_get(meta, "finalizers"), out);
    if (old)
        validate_meta_change(meta, json_object_get(old, "metadata"), out);
}
