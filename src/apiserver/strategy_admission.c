/*
 * What a webhook configuration may say (pkg/apis/admissionregistration/validation), in kube-apiserver's words.
 */
#include "apiserver/strategy.h"
#include "http/http.h"
#include "schema/cel.h"
#include "schema/names.h"

#define URL_FORM "; desired format: https://host[/path]"

struct checker { struct req *r; struct field_errors *out; };

static const char *sub(struct checker *c, const char *path, const char *field)
{
    return arena_printf(c->r->a, "%s.%s", path, field);
}

/* Go's %#v of a list of texts: []string{"a", "b"}. */
static void invalid_list(struct checker *c, const char *path, const json_t *list, const char *why, const char *what)
{
    AUTO_BUF text = { 0 };
    size_t i;
    json_t *v;

    json_array_foreach(list, i, v)
        buf_addf(&text, "%s\"%s\"", i ? ", " : "", json_is_string(v) ? json_string_value(v) : "");
    field_error_add(c->out, FIELD_INVALID_VALUE, path, arena_printf(c->r->a, "[]string{%s}", buf_cstr(&text)), "%s%s", why, what);
}

static void check_choice(struct checker *c, const json_t *hook, const char *path, const char *field, const char *const *values)
{
    const json_t *v = json_object_get(hook, field);

    for (size_t i = 0; values[i]; i++)
        if (!v || streq(json_string_value(v), values[i]))
            return;
    field_error_unsupported(c->out, sub(c, path, field), v, values);
}

/* ---- rules ---- */

static void check_list(struct checker *c, const json_t *rule, const char *path, const char *field, const char *others)
{
    const json_t *list = json_object_get(rule, field);
    bool all = false;
    size_t i;
    json_t *v;

    if (!json_array_size(list)) {
        field_error_add(c->out, FIELD_REQUIRED_VALUE, sub(c, path, field), NULL, "%s", "");
        return;
    }
    json_array_foreach(list, i, v) {
        if (!str_set(json_string_value(v)) && !streq(field, "apiGroups"))
            field_error_add(c->out, FIELD_REQUIRED_VALUE, arena_printf(c->r->a, "%s.%s[%zu]", path, field, i), NULL, "%s", "");
        all = all || streq(json_string_value(v), "*");
    }
    if (all && json_array_size(list) > 1)
        invalid_list(c, sub(c, path, field), list, "if '*' is present, must not specify other ", others);
}

static void check_operations(struct checker *c, const json_t *rule, const char *path)
{
    static const char *const known[] = { "*", "CONNECT", "CREATE", "DELETE", "UPDATE", NULL };
    size_t i, k;
    json_t *v;

    check_list(c, rule, path, "operations", "operations");
    json_array_foreach(json_object_get(rule, "operations"), i, v) {
        for (k = 0; known[k] && !streq(known[k], json_string_value(v)); k++)
            ;
        if (!known[k])
            field_error_unsupported(c->out, arena_printf(c->r->a, "%s.operations[%zu]", path, i), v, known);
    }
}

/* A star may not stand beside what it already says. */
static void check_resources(struct checker *c, const json_t *rule, const char *path)
{
    const json_t *list = json_object_get(rule, "resources");
    struct str resource, below;
    size_t i, k;
    json_t *v, *w;

    if (!json_array_size(list))
        field_error_add(c->out, FIELD_REQUIRED_VALUE, sub(c, path, "resources"), NULL, "%s", "");
    json_array_foreach(list, i, v) {
        const char *text = json_string_value(v), *at = arena_printf(c->r->a, "%s.resources[%zu]", path, i);

        if (!str_set(text))
            field_error_add(c->out, FIELD_REQUIRED_VALUE, at, NULL, "%s", "");
        if (streq(text, "*/*") && json_array_size(list) > 1)
            invalid_list(c, sub(c, path, "resources"), list, "if '*/*' is present, must not specify other ", "resources");
        if (!str_cut(json_to_str(v), '/', &resource, &below) || !str_is(below, "*"))
            continue;
        json_array_foreach(list, k, w) {
            struct str theirs, rest;
            if (k != i && str_cut(json_to_str(w), '/', &theirs, &rest) && str_eq(theirs, resource))
                field_error_add_json(c->out, FIELD_INVALID_VALUE, arena_printf(c->r->a, "%s.resources[%zu]", path, k), w,
                                     "if '%s' is present, must not specify %s", text, json_string_value(w));
        }
    }
}

static void check_rules(struct checker *c, const json_t *hook, const char *path)
{
    static const char *const scopes[] = { "*", "Cluster", "Namespaced", NULL };
    size_t i;
    json_t *rule;

    json_array_foreach(json_object_get(hook, "rules"), i, rule) {
        const char *at = arena_printf(c->r->a, "%s.rules[%zu]", path, i);

        check_operations(c, rule, at);
        check_list(c, rule, at, "apiGroups", "API groups");
        check_list(c, rule, at, "apiVersions", "API versions");
        check_resources(c, rule, at);
        check_choice(c, rule, at, "scope", scopes);
    }
}

/* ---- the client ---- */

static void check_url(struct checker *c, const char *text, const char *path)
{
    AUTO_JSON given = json_string(text);
    struct str scheme, rest;
    size_t at;

    (void)str_cut(str_of(text), ':', &scheme, &rest);
    if (!str_is(scheme, "https")) {
        AUTO_JSON shown = json_strn(str_find(str_of(text), STR("://"), &at) ? scheme : STR(""));
        field_error_add_json(c->out, FIELD_INVALID_VALUE, path, shown, "'https' is the only allowed URL scheme" URL_FORM);
    }
    struct url url;
    struct err e;

    if (url_parse(str_of(text), &url, &e) || !url.host.n) {
        field_error_add_json(c->out, FIELD_INVALID_VALUE, path, given, "host must be specified" URL_FORM);
        return;
    }
    AUTO_JSON user = json_strn(url.userinfo);
    AUTO_JSON query = json_strn(url.query);

    if (url.userinfo.p)
        field_error_add_json(c->out, FIELD_INVALID_VALUE, path, user, "user information is not permitted in the URL");
    if (str_find(str_of(text), STR("#"), &at)) {
        AUTO_JSON fragment = json_strn(str_from(str_of(text), at + 1));
        field_error_add_json(c->out, FIELD_INVALID_VALUE, path, fragment, "fragments are not permitted in the URL");
    }
    if (url.query.n)
        field_error_add_json(c->out, FIELD_INVALID_VALUE, path, query, "query parameters are not permitted in the URL");
}

static void check_service(struct checker *c, const json_t *service, const char *path)
{
    const char *url_path = json_cstr(service, "path");
    int64_t port = json_int(service, "port", 443);

    if (!str_set(json_cstr(service, "name")))
        field_error_add(c->out, FIELD_REQUIRED_VALUE, sub(c, path, "name"), NULL, "service name is required");
    if (!str_set(json_cstr(service, "namespace")))
        field_error_add(c->out, FIELD_REQUIRED_VALUE, sub(c, path, "namespace"), NULL, "service namespace is required");
    if (port < 1 || port > 65535)
        field_error_add_json(c->out, FIELD_INVALID_VALUE, sub(c, path, "port"), json_object_get(service, "port"),
                             "port is not valid: must be between 1 and 65535, inclusive");
    if (url_path && *url_path != '/')
        field_error_add_json(c->out, FIELD_INVALID_VALUE, sub(c, path, "path"), json_object_get(service, "path"), "must start with a '/'");
}

static void check_client(struct checker *c, const json_t *hook, const char *path)
{
    const json_t *config = json_object_get(hook, "clientConfig"), *service = json_object_get(config, "service");
    const char *url = json_cstr(config, "url"), *at = sub(c, path, "clientConfig");

    if ((url != NULL) == json_is_object(service))
        field_error_add(c->out, FIELD_REQUIRED_VALUE, at, NULL, "exactly one of url or service is required");
    else if (url)
        check_url(c, url, sub(c, at, "url"));
    else
        check_service(c, service, sub(c, at, "service"));
}

/* ---- one webhook ---- */

static void check_name(struct checker *c, const json_t *hook, const char *path)
{
    const char *name = json_cstr(hook, "name");
    AUTO_BUF why = { 0 };
    size_t dots = 0;

    if (!str_set(name)) {
        field_error_add(c->out, FIELD_REQUIRED_VALUE, sub(c, path, "name"), NULL, "%s", "");
        return;
    }
    if (name_problem(NAME_SUBDOMAIN, name, false, &why)) {
        field_error_add_json(c->out, FIELD_INVALID_VALUE, sub(c, path, "name"), json_object_get(hook, "name"), "%s", buf_cstr(&why));
        return;
    }
    for (const char *p = name; *p; p++)
        dots += *p == '.';
    if (dots < 2)
        field_error_add_json(c->out, FIELD_INVALID_VALUE, sub(c, path, "name"), json_object_get(hook, "name"),
                             "should be a domain with at least three segments separated by dots");
}

static void check_reviews(struct checker *c, const json_t *hook, const char *path)
{
    const json_t *list = json_object_get(hook, "admissionReviewVersions");
    bool known = false;
    size_t i;
    json_t *v;

    json_array_foreach(list, i, v)
        known = known || streq(json_string_value(v), "v1") || streq(json_string_value(v), "v1beta1");
    if (!json_array_size(list))
        field_error_add(c->out, FIELD_REQUIRED_VALUE, sub(c, path, "admissionReviewVersions"), NULL, "must specify one of v1, v1beta1");
    else if (!known)
        invalid_list(c, sub(c, path, "admissionReviewVersions"), list, "must include at least one of ", "v1, v1beta1");
}

static void check_effects(struct checker *c, const json_t *hook, const char *path)
{
    static const char *const known[] = { "None", "NoneOnDryRun", NULL };

    if (!json_object_get(hook, "sideEffects"))
        field_error_add(c->out, FIELD_REQUIRED_VALUE, sub(c, path, "sideEffects"), NULL, "must specify one of None, NoneOnDryRun");
    else
        check_choice(c, hook, path, "sideEffects", known);
}

static void check_conditions(struct checker *c, const json_t *hook, const char *path)
{
    const struct cel *parsed;
    struct err e;
    size_t i;
    json_t *k;

    json_array_foreach(json_object_get(hook, "matchConditions"), i, k) {
        const char *at = arena_printf(c->r->a, "%s.matchConditions[%zu]", path, i), *text = json_cstr(k, "expression");

        if (!str_set(text))
            field_error_add(c->out, FIELD_REQUIRED_VALUE, sub(c, at, "expression"), NULL, "%s", "");
        else if (cel_parse(str_of(text), c->r->a, &parsed, &e))
            field_error_add_json(c->out, FIELD_INVALID_VALUE, sub(c, at, "expression"), json_object_get(k, "expression"), "compilation failed: %s", e.text);
        if (!str_set(json_cstr(k, "name")))
            field_error_add(c->out, FIELD_REQUIRED_VALUE, sub(c, at, "name"), NULL, "%s", "");
    }
}

static void check_selector(struct checker *c, const json_t *hook, const char *path, const char *field)
{
    struct selector *parsed;
    struct err e;

    if (selector_of_object(c->r->a, json_object_get(hook, field), &parsed, &e))
        field_error_add_json(c->out, FIELD_INVALID_VALUE, sub(c, path, field), json_object_get(hook, field), "%s", e.text);
}

static void check_hook(struct checker *c, const json_t *hook, const char *path)
{
    static const char *const failures[] = { "Fail", "Ignore", NULL }, *const matches[] = { "Equivalent", "Exact", NULL };
    static const char *const reinvocations[] = { "IfNeeded", "Never", NULL };
    int64_t timeout = json_int(hook, "timeoutSeconds", 10);

    check_name(c, hook, path);
    check_rules(c, hook, path);
    check_choice(c, hook, path, "failurePolicy", failures);
    check_choice(c, hook, path, "matchPolicy", matches);
    check_choice(c, hook, path, "reinvocationPolicy", reinvocations);
    check_effects(c, hook, path);
    if (timeout < 1 || timeout > 30)
        field_error_add_json(c->out, FIELD_INVALID_VALUE, sub(c, path, "timeoutSeconds"), json_object_get(hook, "timeoutSeconds"),
                             "the timeout value must be between 1 and 30 seconds");
    check_selector(c, hook, path, "namespaceSelector");
    check_selector(c, hook, path, "objectSelector");
    check_client(c, hook, path);
    check_conditions(c, hook, path);
    check_reviews(c, hook, path);
}

static bool name_repeats(const json_t *hooks, size_t n)
{
    const char *name = json_cstr(json_array_get(hooks, n), "name");

    for (size_t i = 0; i < n && str_set(name); i++)
        if (streq(json_cstr(json_array_get(hooks, i), "name"), name))
            return true;
    return false;
}

static void validate(struct req *r, const json_t *obj, const json_t *old, struct field_errors *out)
{
    const json_t *hooks = json_object_get(obj, "webhooks");
    struct checker c = { r, out };
    size_t i;
    json_t *hook;

    (void)old;
    json_array_foreach(hooks, i, hook) {
        const char *path = arena_printf(r->a, "webhooks[%zu]", i);

        check_hook(&c, hook, path);
        if (name_repeats(hooks, i))
            field_error_add_json(out, FIELD_DUPLICATE_VALUE, sub(&c, path, "name"), json_object_get(hook, "name"), "%s", "");
    }
}

const struct strategy strategy_webhooks = { .flags = STRAT_GENERATION | STRAT_PICTURED, .validate = validate };
