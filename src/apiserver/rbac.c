/*
 * Who may do what: roles and bindings as stored, evaluated at each request, so that a change holds at once.
 * system:masters may do everything.
 */
#include "apiserver/strategy.h"

#define RBAC_GROUP "rbac.authorization.k8s.io"

/* What everybody who is known may do, and what anybody may: upstream's bootstrap roles basic-user, discovery and public-info-viewer. */
static const char *const public_paths[] = { "/healthz", "/livez", "/readyz", "/version", "/version/" };
static const char *const known_paths[] = { "/api", "/apis", "/openapi", "/openapi/v2", "/openapi/v3" };
static const struct { const char *group, *resource; } self_reviews[] = {
    { "authorization.k8s.io", "selfsubjectaccessreviews" }, { "authorization.k8s.io", "selfsubjectrulesreviews" },
    { "authentication.k8s.io", "selfsubjectreviews" },
};

static bool in_list(const json_t *list, const char *what)
{
    size_t i;
    json_t *v;

    json_array_foreach(list, i, v)
        if (streq(json_string_value(v), what) || streq(json_string_value(v), "*"))
            return true;
    return false;
}

static bool resource_in_list(const json_t *list, const struct access *a)
{
    size_t i;
    json_t *v;
    AUTO_BUF full = { 0 }, any = { 0 };

    buf_adds(&full, a->resource);
    if (str_set(a->sub)) {
        buf_addf(&full, "/%s", a->sub);
        buf_addf(&any, "*/%s", a->sub);
    }
    json_array_foreach(list, i, v) {
        const char *s = json_string_value(v);
        if (streq(s, "*") || streq(s, buf_cstr(&full)) || (any.n && streq(s, buf_cstr(&any))))
            return true;
    }
    return false;
}

static bool path_in_list(const json_t *list, const char *path)
{
    size_t i;
    json_t *v;

    json_array_foreach(list, i, v) {
        struct str s = json_to_str(v);
        if (str_is(s, path) || (str_has_suffix(s, STR("*")) && str_has_prefix(str_of(path), str_n(s.p, s.n - 1))))
            return true;
    }
    return false;
}

static bool rule_allows(const json_t *rule, const struct access *a)
{
    if (!in_list(json_object_get(rule, "verbs"), a->verb))
        return false;
    if (a->path)
        return path_in_list(json_object_get(rule, "nonResourceURLs"), a->path);
    const json_t *names = json_object_get(rule, "resourceNames");
    if (json_array_size(names) > 0) {
        size_t i;
        json_t *n;
        bool named = false;
        json_array_foreach(names, i, n)
            named = named || (str_set(a->name) && streq(json_string_value(n), a->name));
        if (!named)
            return false;
    }
    return in_list(json_object_get(rule, "apiGroups"), a->group) && resource_in_list(json_object_get(rule, "resources"), a);
}

static bool subject_is(const json_t *s, const struct user *u, const char *binding_ns)
{
    const char *kind = json_cstr(s, "kind"), *name = json_cstr(s, "name"), *ns = json_cstr(s, "namespace");

    if (streq(kind, "User"))
        return streq(name, u->name);
    if (streq(kind, "Group")) {
        for (size_t i = 0; i < u->n_groups; i++)
            if (streq(u->groups[i], name))
                return true;
        return false;
    }
    if (streq(kind, "ServiceAccount")) {
        AUTO_BUF full = { 0 };
        buf_addf(&full, "system:serviceaccount:%s:%s", str_set(ns) ? ns : binding_ns, name);
        return streq(buf_cstr(&full), u->name);
    }
    return false;
}

struct walk {
    struct req *r;
    const struct user *u;
    bool cluster;
    /* called with the rules of each role that is bound to the user; true stops */
    bool (*visit)(struct walk *w, const json_t *rules, const json_t *binding, const json_t *subject);
    const struct access *a;
    const char **out_reason;
    json_t *rules;
    bool found;
};

static json_t *role_rules(struct walk *w, const json_t *binding, const char *ns)
{
    const char *kind = json_str_at(binding, "roleRef", "kind", NULL), *name = json_str_at(binding, "roleRef", "name", NULL);
    bool cluster = streq(kind, "ClusterRole");
    struct store_key k = { cluster ? RBAC_GROUP "/clusterroles" : RBAC_GROUP "/roles", cluster ? "" : ns, name ? name : "" };
    char *text = NULL;
    json_t *role = NULL;
    struct err ignored;

    if (store_get(w->r->s->store, &k, &text, NULL, &ignored))
        return NULL;
    if (!json_parse(str_of(text), &role, &ignored))
        json_arena_own(w->r->a, role);
    free(text);
    return json_object_get(role, "rules");
}

static bool visit_binding(void *arg, const struct store_row *row)
{
    struct walk *w = arg;
    json_t *binding = NULL, *s;
    struct err ignored;
    size_t i;

    if (json_parse(row->text, &binding, &ignored))
        return true;
    json_arena_own(w->r->a, binding);
    json_array_foreach(json_object_get(binding, "subjects"), i, s) {
        if (!subject_is(s, w->u, row->ns))
            continue;
        const json_t *rules = role_rules(w, binding, row->ns);
        if (rules && w->visit(w, rules, binding, s)) {
            w->found = true;
            return false;
        }
    }
    return true;
}

static void walk_bindings(struct walk *w, const char *ns)
{
    struct err ignored;

    w->cluster = true;
    (void)store_list(w->r->s->store, &(struct store_list){ .resource = RBAC_GROUP "/clusterrolebindings" }, visit_binding, w, NULL, &ignored);
    w->cluster = false;
    if (!w->found && str_set(ns))
        (void)store_list(w->r->s->store, &(struct store_list){ .resource = RBAC_GROUP "/rolebindings", .ns = ns }, visit_binding, w, NULL, &ignored);
}

static bool visit_allows(struct walk *w, const json_t *rules, const json_t *binding, const json_t *subject)
{
    size_t i;
    json_t *rule;
    bool allowed = false;

    json_array_foreach(rules, i, rule)
        allowed = allowed || rule_allows(rule, w->a);
    if (allowed && w->out_reason) {
        const char *ns = json_str_at(binding, "metadata", "namespace", NULL), *name = json_str_at(binding, "metadata", "name", NULL);
        const char *subject_ns = json_cstr(subject, "namespace");
        *w->out_reason = arena_printf(w->r->a, "RBAC: allowed by %s \"%s%s%s\" of %s \"%s\" to %s \"%s%s%s\"",
            w->cluster ? "ClusterRoleBinding" : "RoleBinding", name, ns ? "/" : "", ns ? ns : "",
            json_str_at(binding, "roleRef", "kind", NULL), json_str_at(binding, "roleRef", "name", NULL), json_cstr(subject, "kind"),
            json_cstr(subject, "name"), subject_ns ? "/" : "", subject_ns ? subject_ns : "");
    }
    return allowed;
}

static bool bootstrap_allows(const struct user *u, const struct access *a)
{
    bool known = false;

    for (size_t i = 0; i < u->n_groups; i++)
        known = known || streq(u->groups[i], "system:authenticated");
    if (a->path) {
        bool read = streq(a->verb, "get") || streq(a->verb, "head");
        for (size_t i = 0; i < ARRAY_LEN(public_paths) && read; i++)
            if (streq(a->path, public_paths[i]))
                return true;
        for (size_t i = 0; i < ARRAY_LEN(known_paths) && known && read; i++) {
            struct str p = str_of(known_paths[i]);
            if (str_has_prefix(str_of(a->path), p) && (a->path[p.n] == '\0' || a->path[p.n] == '/'))
                return true;
        }
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(self_reviews) && known; i++)
        if (streq(a->verb, "create") && streq(a->group, self_reviews[i].group) && streq(a->resource, self_reviews[i].resource))
            return true;
    return false;
}

bool rbac_allows(struct req *r, const struct user *u, const struct access *a, const char **out_reason)
{
    if (u->master || bootstrap_allows(u, a))
        return true;
    struct walk w = { .r = r, .u = u, .visit = visit_allows, .a = a, .out_reason = out_reason };
    walk_bindings(&w, a->path ? NULL : a->ns);
    return w.found;
}

errc authorize(struct req *r, const struct access *a)
{
    if (rbac_allows(r, &r->user, a, NULL))
        return ERR_OK;
    if (a->path)
        return fail(r, ERR_FORBIDDEN, 403, "Forbidden", json_object(), "forbidden: User \"%s\" cannot %s path \"%s\"", r->user.name, a->verb, a->path);
    struct resource shown = { .group = a->group, .plural = a->resource,
                              .qualified = str_set(a->group) ? arena_printf(r->a, "%s.%s", a->resource, a->group) : a->resource };
    const char *full = str_set(a->sub) ? arena_printf(r->a, "%s/%s", a->resource, a->sub) : a->resource;
    const char *where = str_set(a->ns) ? arena_printf(r->a, "in the namespace \"%s\"", a->ns) : "at the cluster scope";
    return fail_forbidden(r, &shown, a->name, "User \"%s\" cannot %s resource \"%s\" in API group \"%s\" %s", r->user.name, a->verb, full,
                          a->group, where);
}

/* ---- reviews ---- */

static struct access access_of(const json_t *spec)
{
    const json_t *res = json_object_get(spec, "resourceAttributes"), *path = json_object_get(spec, "nonResourceAttributes");
    const struct { const char *key; size_t off; } texts[] = {
        { "verb", offsetof(struct access, verb) }, { "group", offsetof(struct access, group) }, { "resource", offsetof(struct access, resource) },
        { "subresource", offsetof(struct access, sub) }, { "namespace", offsetof(struct access, ns) }, { "name", offsetof(struct access, name) },
    };
    struct access a = { "", "", "", "", "", "", NULL };

    if (path) {
        a.path = json_cstr(path, "path") ? json_cstr(path, "path") : "";
        a.verb = json_cstr(path, "verb") ? json_cstr(path, "verb") : "";
        return a;
    }
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const char *v = json_cstr(res, texts[i].key);
        if (v)
            *(const char **)((char *)&a + texts[i].off) = v;
    }
    return a;
}

static errc check_spec(struct req *r, const json_t *spec)
{
    AUTO_FIELD_ERRORS l = { 0 };

    if (!json_object_get(spec, "resourceAttributes") == !json_object_get(spec, "nonResourceAttributes"))
        field_error_add(&l, FIELD_INVALID_VALUE, "spec.resourceAttributes", "\"null\"",
                        "exactly one of nonResourceAttributes or resourceAttributes must be specified");
    return l.n ? fail_invalid(r, "authorization.k8s.io", "", "", &l) : ERR_OK;
}

static void put_verdict(struct req *r, json_t *obj, const struct user *u, const struct access *a)
{
    json_t *status = json_object();
    const char *reason = NULL;
    bool allowed = rbac_allows(r, u, a, &reason);

    json_put_bool(status, "allowed", allowed);
    if (reason)
        json_put_str(status, "reason", reason);
    json_put(obj, "status", status);
    json_put(json_sub(obj, "metadata"), "creationTimestamp", json_null());
}

static errc review_access_self(struct req *r, json_t *obj, json_t **out)
{
    const json_t *spec = json_object_get(obj, "spec");

    TRY(check_spec(r, spec));
    struct access a = access_of(spec);
    put_verdict(r, obj, &r->user, &a);
    *out = json_incref(obj);
    return ERR_OK;
}

static errc review_access(struct req *r, json_t *obj, json_t **out)
{
    const json_t *spec = json_object_get(obj, "spec"), *groups = json_object_get(spec, "groups");
    struct user u = { .name = json_cstr(spec, "user"), .n_groups = json_array_size(groups) };

    TRY(check_spec(r, spec));
    if (!u.name)
        u.name = "";
    u.groups = arena_calloc(r->a, u.n_groups + 1, sizeof *u.groups);
    for (size_t i = 0; i < u.n_groups; i++) {
        u.groups[i] = json_string_value(json_array_get(groups, i));
        u.master = u.master || streq(u.groups[i], "system:masters");
    }
    struct access a = access_of(spec);
    put_verdict(r, obj, &u, &a);
    *out = json_incref(obj);
    return ERR_OK;
}

static bool visit_collect(struct walk *w, const json_t *rules, const json_t *binding, const json_t *subject)
{
    size_t i;
    json_t *rule;

    (void)binding;
    (void)subject;
    json_array_foreach(rules, i, rule)
        if (!json_object_get(rule, "nonResourceURLs"))
            json_push(w->rules, json_incref(rule));
    return false;
}

static json_t *rule_json(const char *const *verbs, const char *group, const char *const *resources)
{
    json_t *o = json_object(), *v = json_array(), *g = json_array(), *res = json_array();

    for (; *verbs; verbs++)
        json_push(v, json_string(*verbs));
    json_push(g, json_string(group));
    for (; *resources; resources++)
        json_push(res, json_string(*resources));
    json_put(o, "verbs", v);
    json_put(o, "apiGroups", g);
    json_put(o, "resources", res);
    return o;
}

#define LIST(...) (const char *const[]){ __VA_ARGS__, NULL }

static void path_rule(json_t *list, const char *verb, const char *const *paths)
{
    json_t *o = json_object(), *v = json_array(), *p = json_array();

    json_push(v, json_string(verb));
    for (; *paths; paths++)
        json_push(p, json_string(*paths));
    json_put(o, "verbs", v);
    json_put(o, "nonResourceURLs", p);
    json_push(list, o);
}

static errc review_rules(struct req *r, json_t *obj, json_t **out)
{
    const char *ns = json_str_at(obj, "spec", "namespace", NULL);
    json_t *status = json_object(), *paths = json_array();
    struct walk w = { .r = r, .u = &r->user, .visit = visit_collect, .rules = json_array() };

    if (r->user.master)
        json_push(w.rules, rule_json(LIST("*"), "*", LIST("*")));
    json_push(w.rules, rule_json(LIST("create"), "authorization.k8s.io", LIST("selfsubjectaccessreviews", "selfsubjectrulesreviews")));
    json_push(w.rules, rule_json(LIST("create"), "authentication.k8s.io", LIST("selfsubjectreviews")));
    walk_bindings(&w, ns);
    if (r->user.master)
        path_rule(paths, "*", LIST("*"));
    path_rule(paths, "get", LIST("/healthz", "/livez", "/readyz", "/version", "/version/"));
    path_rule(paths, "get", LIST("/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*"));
    json_put(status, "resourceRules", w.rules);
    json_put(status, "nonResourceRules", paths);
    json_put_bool(status, "incomplete", false);
    json_put(obj, "status", status);
    json_put(obj, "spec", json_object());
    json_t *meta = json_object();
    json_put(meta, "creationTimestamp", json_null());
    json_put(obj, "metadata", meta);
    *out = json_incref(obj);
    return ERR_OK;
}

const struct strategy strategy_review_access = { .flags = STRAT_EPHEMERAL, .review = review_access };
const struct strategy strategy_review_access_self = { .flags = STRAT_EPHEMERAL, .review = review_access_self };
const struct strategy strategy_review_rules = { .flags = STRAT_EPHEMERAL, .review = review_rules };
