/*
 * Below an object: status, scale, binding, eviction, finalize, token, log; and what is not built: exec, attach, portforward, proxy.
 */
#include "apiserver/patch.h"
#include "apiserver/priv.h"
#include "apiserver/ssa.h"
#include "apiserver/strategy.h"
#include "schema/schema.h"

/* ---- scale ---- */

struct scale_paths { const char *spec, *status, *selector; };

static struct scale_paths paths_of(const struct resource *res)
{
    if (res->custom)
        return (struct scale_paths){ res->custom->scale_spec, res->custom->scale_status, res->custom->scale_selector };
    return (struct scale_paths){ "spec.replicas", "status.replicas", "spec.selector" };
}

static void add_selector(const json_t *selector, struct buf *b)
{
    const char *key;
    json_t *v;

    if (json_is_string(selector)) {
        buf_adds(b, json_string_value(selector));
        return;
    }
    json_object_foreach(json_object_get(selector, "matchLabels"), key, v)
        buf_addf(b, "%s%s=%s", b->n ? "," : "", key, json_string_value(v));
}

errc scale_of(struct req *r, const json_t *obj, json_t **out)
{
    static const char *const copied[] = { "name", "namespace", "uid", "resourceVersion", "creationTimestamp" };
    struct scale_paths p = paths_of(r->res);
    json_t *o = json_object(), *meta = json_sub(o, "metadata");
    const json_t *replicas = at(obj, p.spec);
    AUTO_BUF selector = { 0 };

    json_arena_own(r->a, o);
    if (r->res->custom && !replicas) {
        json_t *d = json_object(), *causes = json_array(), *cause = json_object();
        json_put(cause, "message", json_strf("the spec replicas field \".%s\" does not exist", p.spec));
        json_push(causes, cause);
        json_put(d, "causes", causes);
        return fail(r, ERR_INTERNAL, 500, "InternalError", d, "Internal error occurred: the spec replicas field \".%s\" does not exist", p.spec);
    }
    json_put_str(o, "kind", "Scale");
    json_put_str(o, "apiVersion", "autoscaling/v1");
    for (size_t i = 0; i < ARRAY_LEN(copied); i++) {
        json_t *v = json_at(obj, "metadata", copied[i], NULL);
        if (v)
            json_put(meta, copied[i], json_incref(v));
    }
    json_t *spec = json_sub(o, "spec"), *status = json_sub(o, "status");
    if (json_is_integer(replicas) && json_integer_value(replicas))
        json_put_int(spec, "replicas", json_integer_value(replicas));
    json_put_int(status, "replicas", json_is_integer(at(obj, p.status)) ? json_integer_value(at(obj, p.status)) : 0);
    if (p.selector)
        add_selector(at(obj, p.selector), &selector);
    if (selector.n)
        json_put(status, "selector", json_strn(buf_str(&selector)));
    *out = o;
    return ERR_OK;
}

static void set_path(json_t *obj, const char *dotted, json_t *value)
{
    struct str rest = str_of(dotted), key;
    json_t *j = obj;
    char name[128];

    while (str_next(&rest, '.', &key)) {
        snprintf(name, sizeof name, "%.*s", STR_ARG(key));
        if (!rest.n) {
            json_put(j, name, value);
            return;
        }
        j = json_sub(j, name);
    }
    json_decref(value);
}

struct scaling { json_t *given; bool patch, force; enum { SCALE_MERGE, SCALE_JSON, SCALE_APPLY } kind; };

/* An apply of a Scale is an apply of the one field that it shows. */
static errc make_scale_applied(struct req *r, const struct scaling *s, const json_t *cur, json_t **out)
{
    struct ssa_conflicts conflicts = { 0 };
    struct ssa_opts o = { .manager = r->manager, .api_version = r->res->gv, .subresource = "scale", .time = r->now, .force = s->force };
    AUTO_JSON config = json_object();
    const json_t *replicas = json_at(s->given, "spec", "replicas", NULL);

    if (!r->res->type)
        return fail_internal(r, "%s has no schema to apply to", r->res->qualified);
    object_head(config, r->res);
    json_put_str(json_sub(config, "metadata"), "name", r->name);
    if (json_is_integer(replicas))
        set_path(config, paths_of(r->res).spec, json_incref((json_t *)(uintptr_t)replicas));
    errc rc = ssa_apply(r->res->type, cur, config, &o, &conflicts, out, &r->e);
    if (!rc)
        json_arena_own(r->a, *out);
    else if (rc == ERR_CONFLICT)
        rc = fail_apply_conflict(r, &conflicts);
    else
        rc = fail_internal(r, "%s", arena_strdup(r->a, r->e.text));
    ssa_conflicts_done(&conflicts);
    return rc;
}

static errc make_scaled(struct req *r, void *self, const json_t *cur, json_t **out)
{
    struct scaling *s = self;
    json_t *scale = NULL;

    if (s->kind == SCALE_APPLY)
        return make_scale_applied(r, s, cur, out);
    errc rc = scale_of(r, cur, &scale);
    if (rc && s->patch)
        return rc;
    r->failure = NULL;
    json_t *wanted = json_incref(s->given);
    if (s->patch) {
        json_decref(wanted);
        wanted = NULL;
        rc = s->kind == SCALE_JSON ? patch_json(scale, s->given, &wanted, &r->e) : patch_merge(scale, s->given, &wanted, &r->e);
        if (rc)
            return rc == ERR_INVALID ? fail(r, ERR_INVALID, 422, "Invalid", json_object(), "the server rejected our request due to an error in our request")
                                     : fail_bad_request(r, "%s", arena_strdup(r->a, r->e.text));
    }
    json_arena_own(r->a, wanted);
    *out = json_deep_copy(cur);
    json_arena_own(r->a, *out);
    const json_t *replicas = json_at(wanted, "spec", "replicas", NULL);
    set_path(*out, paths_of(r->res).spec, json_integer(json_is_integer(replicas) ? json_integer_value(replicas) : 0));
    const char *rv = json_str_at(wanted, "metadata", "resourceVersion", NULL);
    if (str_set(rv))
        json_put_str(json_sub(*out, "metadata"), "resourceVersion", rv);
    return ERR_OK;
}

static errc serve_scale(struct req *r)
{
    struct found cur = { 0 };
    json_t *obj = NULL, *scale = NULL;
    struct scaling s = { 0 };

    if (r->verb == VERB_GET) {
        TRY(object_load(r, r->res, r->ns, r->name, &cur));
        TRY(scale_of(r, cur.obj, &scale));
        reply_json(r, 200, scale);
        return ERR_OK;
    }
    TRY(options_write(r, r->verb == VERB_PATCH ? "PatchOptions" : "UpdateOptions"));
    if (r->verb == VERB_PATCH) {
        const char *type = http_header_get(&r->x->headers, "Content-Type");
        s.patch = true;
        s.kind = type && str_has_prefix(str_of(type), STR("application/json-patch")) ? SCALE_JSON
               : type && str_has_prefix(str_of(type), STR("application/apply-patch")) ? SCALE_APPLY : SCALE_MERGE;
        s.force = req_flag(r, "force");
        if (s.kind == SCALE_APPLY ? yaml_parse(r->x->body, &s.given, &r->e) : json_parse(r->x->body, &s.given, &r->e))
            return fail_bad_request(r, "error decoding patch: %s", arena_strdup(r->a, r->e.text));
        json_arena_own(r->a, s.given);
    } else {
        TRY(body_decode(r, NULL, "Scale", "autoscaling/v1", &s.given));
    }
    struct change c = { .make = make_scaled, .self = &s, .sub = "scale", .managed = s.kind == SCALE_APPLY };
    TRY(object_change(r, r->res, r->ns, r->name, &c, &obj, NULL));
    TRY(scale_of(r, obj, &scale));
    reply_json(r, 200, scale);
    return ERR_OK;
}

/* ---- binding ---- */

void reply_created(struct req *r)
{
    AUTO_JSON st = json_object();

    json_put_str(st, "kind", "Status");
    json_put_str(st, "apiVersion", "v1");
    json_put(st, "metadata", json_object());
    json_put_str(st, "status", "Success");
    json_put_int(st, "code", 201);
    reply_json(r, 201, st);
}

static errc binding_conflict(struct req *r, const char *why)
{
    struct resource shown = *r->res;

    shown.plural = shown.qualified = "pods/binding";
    return fail_conflict(r, &shown, r->name, "%s", why);
}

static errc make_bound(struct req *r, void *self, const json_t *cur, json_t **out)
{
    const char *node = self, *has = json_str_at(cur, "spec", "nodeName", NULL);

    if (str_set(has))
        return binding_conflict(r, arena_printf(r->a, "pod %s is already assigned to node \"%s\"", r->name, has));
    if (json_at(cur, "metadata", "deletionTimestamp", NULL))
        return binding_conflict(r, arena_printf(r->a, "pod %s is being deleted, cannot be assigned to a host", r->name));
    *out = json_deep_copy(cur);
    json_arena_own(r->a, *out);
    json_put_str(json_sub(*out, "spec"), "nodeName", node);
    json_t *status = json_sub(*out, "status"), *list = json_object_get(status, "conditions"), *c = json_object();
    if (!list) {
        list = json_array();
        json_put(status, "conditions", list);
    }
    json_put_str(c, "type", "PodScheduled");
    json_put_str(c, "status", "True");
    json_put(c, "lastProbeTime", json_null());
    json_put_str(c, "lastTransitionTime", r->now);
    json_push(list, c);
    return ERR_OK;
}

static errc serve_binding(struct req *r)
{
    json_t *binding = NULL, *obj = NULL;

    TRY(options_write(r, "CreateOptions"));
    TRY(body_decode(r, NULL, "Binding", "v1", &binding));
    const char *node = json_str_at(binding, "target", "name", NULL);
    if (!str_set(node)) {
        AUTO_FIELD_ERRORS l = { 0 };
        field_error_add(&l, FIELD_REQUIRED_VALUE, "target.name", NULL, "%s", "");
        return fail_invalid(r, "", "Binding", r->name, &l);
    }
    struct change c = { .make = make_bound, .self = (void *)(uintptr_t)node, .sub = "binding", .managed = true };
    TRY(object_change(r, r->res, r->ns, r->name, &c, &obj, NULL));
    reply_created(r);
    return ERR_OK;
}

/* ---- the others ---- */

static errc serve_unbuilt(struct req *r)
{
    return fail(r, ERR_UNBUILT, 501, "NotImplemented", NULL, "%s of %s is not built yet in this server", r->sub, r->res->plural);
}

static errc serve_status(struct req *r)
{
    if (r->verb == VERB_GET)
        return serve_get(r);
    return r->verb == VERB_PATCH ? serve_patch(r) : serve_update(r);
}

static errc serve_finalize(struct req *r)
{
    return serve_update(r);
}

errc serve_subresource(struct req *r)
{
    static const struct { const char *name; errc (*serve)(struct req *r); } rows[] = {
        { "status", serve_status }, { "scale", serve_scale }, { "binding", serve_binding }, { "eviction", serve_eviction },
        { "token", serve_token }, { "finalize", serve_finalize }, { "log", serve_logs }, { "ephemeralcontainers", serve_unbuilt },
        { "exec", serve_unbuilt }, { "attach", serve_unbuilt }, { "portforward", serve_unbuilt }, { "proxy", serve_unbuilt },
    };
    const struct subresource *sub = resource_sub(r->res, r->sub);

    if (!(sub->verbs & (1u << r->verb)))
        return fail_no_method(r);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (streq(rows[i].name, r->sub))
            return rows[i].serve(r);
    return fail_no_resource(r);
}
