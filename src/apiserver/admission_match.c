/* Which webhooks are asked about a write: rules, then selectors, then conditions. */
#include "apiserver/admission.h"
#include "base/clock.h"
#include "base/hash.h"
#include "schema/cel.h"

#define REGISTRATION "admissionregistration.k8s.io"

static bool lists(const json_t *list, const char *value)
{
    size_t i;
    json_t *v;

    json_array_foreach(list, i, v)
        if (streq(json_string_value(v), "*") || streq(json_string_value(v), value))
            return true;
    return false;
}

/* "pods", "pods/status", "pods/STAR", "STAR/scale", "STAR": the first part names the resource, the second one what is below it. */
static bool lists_resource(const json_t *list, const char *plural, const char *sub)
{
    struct str resource, below;
    size_t i;
    json_t *v;

    json_array_foreach(list, i, v) {
        (void)str_cut(json_to_str(v), '/', &resource, &below);
        if ((str_is(resource, "*") || str_is(resource, plural)) && (str_is(below, "*") || str_is(below, sub)))
            return true;
    }
    return false;
}

static bool in_scope(const char *scope, bool namespaced)
{
    return !str_set(scope) || streq(scope, "*") || streq(scope, namespaced ? "Namespaced" : "Cluster");
}

static bool rules_match(const struct admission *a, const json_t *rules, const struct resource *res)
{
    size_t i;
    json_t *rule;

    json_array_foreach(rules, i, rule)
        if (in_scope(json_cstr(rule, "scope"), res->namespaced) && lists(json_object_get(rule, "operations"), a->operation) &&
            lists(json_object_get(rule, "apiGroups"), res->group) && lists(json_object_get(rule, "apiVersions"), res->version) &&
            lists_resource(json_object_get(rule, "resources"), res->plural, a->sub))
            return true;
    return false;
}

/* The resource as it was asked for or, unless the policy is Exact, another version of the same objects. */
static const struct resource *matching_version(const struct admission *a, const struct admission_hook *h)
{
    const struct registry *g = a->r->registry;

    if (rules_match(a, h->rules, a->res))
        return a->res;
    for (size_t i = 0; i < g->n && !h->exact; i++)
        if (&g->rows[i] != a->res && streq(g->rows[i].key, a->res->key) && rules_match(a, h->rules, &g->rows[i]))
            return &g->rows[i];
    return NULL;
}

static bool labels_match(const struct selector *s, const struct resource *res, const json_t *obj)
{
    return obj && selector_matches(s, NULL, res, obj);
}

/* A namespace is looked at itself; what lives in none is not held back by a selector for namespaces. */
static errc namespace_matches(const struct admission *a, const struct admission_hook *h, bool *out)
{
    const struct resource *namespaces = registry_find(a->r->registry, "", "v1", "namespaces");
    struct found ns = { 0 };

    *out = true;
    if (a->res == namespaces) {
        *out = selector_matches(h->namespaces, NULL, namespaces, a->obj ? a->obj : a->old);
        return ERR_OK;
    }
    if (!a->res->namespaced || !h->namespaces)
        return ERR_OK;
    TRY(object_load(a->r, namespaces, "", a->ns, &ns));
    *out = selector_matches(h->namespaces, NULL, namespaces, ns.obj);
    return ERR_OK;
}

/* ---- what is shown ---- */

/* A write of the scale shows the Scale, any other one the object. */
static json_t *in_version(const struct admission *a, const struct resource *res, const json_t *obj)
{
    json_t *shown = NULL;

    if (!obj)
        return NULL;
    if (streq(a->sub, "scale"))
        return scale_of(a->r, obj, &shown) ? NULL : shown;
    shown = json_deep_copy(obj);

    json_arena_own(a->r->a, shown);
    object_head(shown, res);
    if (res != a->res && res->type) {
        schema_prune(res->type, shown, NULL);
        schema_default(res->type, shown);
    }
    return shown;
}

static json_t *kind_of(const struct admission *a, const struct resource *res)
{
    const struct subresource *sub = str_set(a->sub) ? resource_sub(res, a->sub) : NULL;
    bool own = sub && str_set(sub->version) && !streq(sub->kind, res->kind);

    return json_pack("{s:s, s:s, s:s}", "group", own ? sub->group : res->group, "version", own ? sub->version : res->version,
                     "kind", own ? sub->kind : res->kind);
}

static json_t *resource_of(const struct resource *res)
{
    return json_pack("{s:s, s:s, s:s}", "group", res->group, "version", res->version, "resource", res->plural);
}

static json_t *options_of(const struct admission *a)
{
    bool create = streq(a->operation, "CREATE"), update = streq(a->operation, "UPDATE");
    json_t *o = json_object();

    json_put_str(o, "kind", create ? "CreateOptions" : update ? "UpdateOptions" : "DeleteOptions");
    json_put_str(o, "apiVersion", "meta.k8s.io/v1");
    if (a->r->dry_run)
        json_put(o, "dryRun", json_pack("[s]", "All"));
    if (create || update) {
        json_put_str(o, "fieldManager", req_query(a->r, "fieldManager"));
        json_put_str(o, "fieldValidation", req_query(a->r, "fieldValidation"));
    }
    return o;
}

static json_t *or_null(json_t *obj)
{
    return obj ? json_incref(obj) : json_null();
}

static json_t *request_of(const struct admission *a, const struct admission_view *v)
{
    json_t *q = json_object();
    char uid[37];

    json_arena_own(a->r->a, q);
    random_uuid(uid);
    json_put_str(q, "uid", uid);
    json_put(q, "kind", kind_of(a, v->res));
    json_put(q, "resource", resource_of(v->res));
    json_put_str(q, "subResource", str_set(a->sub) ? a->sub : NULL);
    json_put(q, "requestKind", kind_of(a, a->res));
    json_put(q, "requestResource", resource_of(a->res));
    json_put_str(q, "requestSubResource", str_set(a->sub) ? a->sub : NULL);
    json_put_str(q, "name", str_set(a->name) ? a->name : NULL);
    json_put_str(q, "namespace", str_set(a->ns) ? a->ns : NULL);
    json_put_str(q, "operation", a->operation);
    json_put(q, "userInfo", user_json(&a->r->user));
    json_put(q, "object", or_null(v->obj));
    json_put(q, "oldObject", or_null((json_t *)(uintptr_t)v->old));
    json_put_bool(q, "dryRun", a->r->dry_run);
    json_put(q, "options", options_of(a));
    return q;
}

/* ---- conditions ---- */

/* All must hold; one that is false decides also where another one fails. */
static errc conditions_match(const struct admission *a, const struct admission_hook *h, const struct admission_view *v, bool *out)
{
    const struct cel_variable names[] = { { "object", or_null(v->obj) }, { "oldObject", or_null((json_t *)(uintptr_t)v->old) }, { "request", v->request } };
    const struct condition *failed = NULL;
    struct err e, why;

    *out = true;
    for (size_t i = 0; i < h->n_conditions && *out; i++) {
        AUTO_JSON value = NULL;
        bool fails = !h->conditions[i].cel || cel_eval_with(h->conditions[i].cel, names, ARRAY_LEN(names), &value, &e);

        if (fails && !failed) {
            failed = &h->conditions[i];
            why = e;
        }
        *out = fails || json_is_true(value);
    }
    json_decref(names[0].value);
    json_decref(names[1].value);
    if (!failed || !*out)
        return ERR_OK;
    *out = !h->ignore_failure;
    return h->ignore_failure ? ERR_OK : fail_forbidden(a->r, a->res, a->name, "expression '%s' resulted in error: %s", failed->text, why.text);
}

errc admission_matches(const struct admission *a, const struct admission_hook *h, bool *out_matches, struct admission_view *out)
{
    bool exempt = streq(a->res->group, REGISTRATION);

    *out_matches = false;
    *out = (struct admission_view){ .res = exempt ? NULL : matching_version(a, h) };
    if (!out->res || !(labels_match(h->objects, a->res, a->obj) || labels_match(h->objects, a->res, a->old)))
        return ERR_OK;
    TRY(namespace_matches(a, h, out_matches));
    if (!*out_matches)
        return ERR_OK;
    out->obj = in_version(a, out->res, a->obj);
    out->old = in_version(a, out->res, a->old);
    out->request = request_of(a, out);
    return conditions_match(a, h, out, out_matches);
}
