/*
 * The life of one object between the wire and the store: creation, change under optimistic concurrency, removal.
 * The order of the steps is that of k8s.io/apiserver's registry: what a client sees depends on which of two errors comes first.
 */
#include "apiserver/admission.h"
#include "apiserver/ssa.h"
#include "apiserver/strategy.h"
#include "api/k8s/k8s.h"
#include "base/log.h"

#define NAME_SUFFIX 5
#define GENERATE_BASE_MAX 58            /* 63 - NAME_SUFFIX */
#define RETRIES 100

void object_head(json_t *obj, const struct resource *res)
{
    json_put_str(obj, "kind", res->kind);
    json_put_str(obj, "apiVersion", res->gv);
}

json_t *object_parse(struct req *r, const struct resource *res, struct str text)
{
    json_t *obj = NULL;

    if (json_parse(text, &obj, &r->e))
        return NULL;
    json_arena_own(r->a, obj);
    object_head(obj, res);
    if (res->custom && res->type) {
        schema_prune(res->type, obj, NULL);
        schema_default(res->type, obj);
    }
    return obj;
}

static struct store_key key_of(const struct resource *res, const char *ns, const char *name)
{
    return (struct store_key){ res->key, ns, name };
}

errc object_load(struct req *r, const struct resource *res, const char *ns, const char *name, struct found *out)
{
    char *text = NULL;
    struct store_key k = key_of(res, ns, name);

    errc rc = store_get(r->s->store, &k, &text, &out->rv, &r->e);
    if (rc == ERR_NOT_FOUND)
        return fail_not_found(r, res, name);
    if (rc)
        return rc;
    out->text = arena_str(r->a, str_of(text));
    free(text);
    out->obj = object_parse(r, res, out->text);
    return out->obj ? ERR_OK : fail_from(r);
}

/* What the store keeps: without kind and apiVersion. Shares the members. */
static json_t *stored_form(const json_t *obj)
{
    json_t *copy = json_copy((json_t *)(uintptr_t)obj);

    json_put(copy, "metadata", json_copy(json_object_get(obj, "metadata")));
    (void)json_object_del(copy, "kind");
    (void)json_object_del(copy, "apiVersion");
    return copy;
}

static void note_version(json_t *obj, int64_t rv)
{
    json_put(json_sub(obj, "metadata"), "resourceVersion", json_strf("%lld", (long long)rv));
}

/* What the picture shows counts from the next request on. */
static void picture_changed(struct req *r, const struct resource *res)
{
    struct err e;

    if ((res->strategy->flags & STRAT_PICTURED) && registry_rebuild(r->s, &e))
        log_error(LOG_NAME, "the webhook configurations could not be read", KV("err", e.text));
}

errc object_store(struct req *r, const struct resource *res, const char *ns, const char *name, int64_t expect_rv, json_t *obj)
{
    struct store_key k = key_of(res, ns, name);
    int64_t rv = 0;

    if (res->custom && res->custom->storage && res->custom->storage != res->type)
        schema_prune(res->custom->storage, obj, NULL);  /* the stored version is what is kept of it */
    if (r->dry_run)
        return ERR_OK;
    AUTO_JSON form = stored_form(obj);
    TRY(store_put(r->s->store, &k, expect_rv, form, &rv, &r->e));
    note_version(obj, rv);
    picture_changed(r, res);
    return ERR_OK;
}

errc object_remove(struct req *r, const struct resource *res, const char *ns, const char *name, int64_t expect_rv, json_t *obj)
{
    struct store_key k = key_of(res, ns, name);
    int64_t rv = 0;

    if (r->dry_run)
        return ERR_OK;
    AUTO_JSON form = stored_form(obj);
    TRY(store_delete(r->s->store, &k, expect_rv, form, &rv, &r->e));
    note_version(obj, rv);
    if (res->strategy->removed)
        res->strategy->removed(r, obj);
    picture_changed(r, res);
    return ERR_OK;
}

/* ---- creation ---- */

static errc check_namespace(struct req *r, const struct resource *res, const char *ns, const char *name)
{
    const struct resource *namespaces = registry_find(r->registry, "", "v1", "namespaces");
    struct found f = { 0 };

    TRY(object_load(r, namespaces, "", ns, &f));
    if (!json_at(f.obj, "metadata", "deletionTimestamp", NULL))
        return ERR_OK;
    json_t *d = details_of(res, name), *causes = json_array(), *cause = json_object();
    json_put_str(cause, "reason", "NamespaceTerminating");
    json_put(cause, "message", json_strf("namespace %s is being terminated", ns));
    json_put_str(cause, "field", "metadata.namespace");
    json_push(causes, cause);
    json_put(d, "causes", causes);
    return fail(r, ERR_FORBIDDEN, 403, "Forbidden", d, "%s \"%s\" is forbidden: unable to create new content in namespace %s because it is "
                "being terminated", res->qualified, name, ns);
}

static void generate_name(json_t *meta)
{
    char suffix[NAME_SUFFIX + 1];
    const char *base = json_cstr(meta, "generateName");

    random_suffix(suffix, NAME_SUFFIX);
    suffix[NAME_SUFFIX] = '\0';
    json_put(meta, "name", json_strf("%.*s%s", GENERATE_BASE_MAX, base, suffix));
}

static void own_metadata(struct req *r, const struct resource *res, json_t *meta)
{
    static const char *const drop[] = { "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion" };
    char uid[37];

    for (size_t i = 0; i < ARRAY_LEN(drop); i++)
        (void)json_object_del(meta, drop[i]);
    random_uuid(uid);
    json_put_str(meta, "uid", uid);
    json_put_str(meta, "creationTimestamp", r->now);
    if (res->strategy->flags & STRAT_GENERATION)
        json_put_int(meta, "generation", 1);
}

static errc manage(struct req *r, const struct resource *res, const json_t *live, json_t *obj, const char *sub)
{
    struct ssa_opts o = { .manager = r->manager, .api_version = res->gv, .subresource = sub,
                          .time = streq(sub, "scale") ? NULL : r->now };   /* upstream notes no time for a scale */

    if (!res->type)
        return ERR_OK;
    return ssa_update(res->type, live, obj, &o, &r->e);
}

static errc run_hooks(struct req *r, const struct resource *res, const json_t *obj, const json_t *old)
{
    for (size_t i = 0; i < r->s->o.n_hooks; i++) {
        const struct apiserver_hook *h = &r->s->o.hooks[i];
        if (!streq(h->group, res->group) || !streq(h->resource, res->plural) || !h->validate(h->self, obj, old, &r->e))
            continue;
        struct err why = r->e;
        return fail(r, why.code, why.code == ERR_INVALID ? 422 : 403, why.code == ERR_INVALID ? "Invalid" : "Forbidden", NULL,
                    "admission webhook \"%s\" denied the request: %s", h->name, why.text);
    }
    return ERR_OK;
}

/* A scale evaluates no rules over the whole object, and has one of its own. */
static void check_scaled(struct req *r, const struct resource *res, const json_t *obj, struct field_errors *l)
{
    const json_t *n = at(obj, res->custom->scale_spec);

    while (l->n && streq(l->items[l->n - 1].path, "<nil>")) {
        l->n--;
        free(l->items[l->n].path);
        free(l->items[l->n].message);
    }
    if (json_is_integer(n) && json_integer_value(n) < 0)
        field_error_add_json(l, FIELD_INVALID_VALUE, arena_printf(r->a, ".%s", res->custom->scale_spec), n, "should be a non-negative integer");
}

static errc check_valid(struct req *r, const struct resource *res, const json_t *obj, const json_t *old, bool status)
{
    AUTO_FIELD_ERRORS l = { 0 };
    const char *name = json_str_at(obj, "metadata", "name", NULL);

    validate_meta(r, res, obj, old, &l);
    if (res->type)
        schema_validate(res->type, obj, old, &l);
    if (res->strategy->validate && !status)
        res->strategy->validate(r, obj, old, &l);
    if (res->strategy->validate_status && status)
        res->strategy->validate_status(r, obj, old, &l);
    if (res->custom && streq(r->sub, "scale"))
        check_scaled(r, res, obj, &l);
    return l.n ? fail_invalid(r, res->group, res->kind, name ? name : "", &l) : ERR_OK;
}

static void fill_defaults(struct req *r, const struct resource *res, json_t *obj, const json_t *old)
{
    if (res->type) {
        schema_default(res->type, obj);
        k8s_default(res->type, obj);
    }
    if (res->strategy->fill)
        res->strategy->fill(r, obj, old);
}

static errc create_checks(struct req *r, const struct resource *res, json_t *obj)
{
    json_t *meta = json_sub(obj, "metadata");
    const char *ns = json_cstr(meta, "namespace");

    if (str_set(ns) && !streq(ns, r->ns))
        return fail_bad_request(r, "the namespace of the provided object does not match the namespace sent on the request");
    if (res->namespaced)
        json_put_str(meta, "namespace", r->ns);
    else
        (void)json_object_del(meta, "namespace");
    if (!str_set(json_cstr(meta, "name")) && str_set(json_cstr(meta, "generateName")))
        generate_name(meta);
    if (res->namespaced)
        TRY(check_namespace(r, res, r->ns, json_cstr(meta, "name") ? json_cstr(meta, "name") : ""));
    if (str_set(json_cstr(meta, "resourceVersion")))
        return fail_internal(r, "resourceVersion should not be set on objects to be created");
    return ERR_OK;
}

/* Somebody has the name; upstream tells when that one is on its way out. */
static errc exists(struct req *r, const struct resource *res, const char *name)
{
    struct found cur = { 0 };

    if (!object_load(r, res, res->namespaced ? r->ns : "", name, &cur) && json_at(cur.obj, "metadata", "deletionTimestamp", NULL))
        return fail(r, ERR_EXISTS, 409, "AlreadyExists", details_of(res, name), "object is being deleted: %s \"%s\" already exists",
                    res->qualified, name);
    return fail_exists(r, res, name);
}

errc object_manage(struct req *r, const struct type *t, const char *gv, json_t *obj, const char *sub)
{
    struct ssa_opts o = { .manager = r->manager, .api_version = gv, .subresource = sub, .time = r->now };

    return t ? ssa_update(t, NULL, obj, &o, &r->e) : ERR_OK;
}

/* What the server makes of an object that was sent, before anybody is asked about it. */
static errc complete_new(struct req *r, const struct resource *res, json_t *obj, bool managed)
{
    if (res->strategy->flags & STRAT_STATUS) {
        (void)json_object_del(obj, "status");
        if (res->type)
            TRY(schema_coerce(res->type, obj, &r->e));      /* an empty Go status is not nothing: {"replicas": 0} */
    }
    fill_defaults(r, res, obj, NULL);
    own_metadata(r, res, json_object_get(obj, "metadata"));
    return managed ? ERR_OK : manage(r, res, NULL, obj, "");
}

/* Webhooks, the kind's own rules, hooks, webhooks again, as upstream's admission chain. */
static errc admit_new(struct req *r, const struct resource *res, json_t *obj)
{
    const struct strategy *st = res->strategy;
    struct admission asked = { .r = r, .res = res, .operation = "CREATE", .sub = "", .ns = res->namespaced ? r->ns : "",
                               .name = arena_strdup(r->a, json_str_at(obj, "metadata", "name", NULL)), .obj = obj };     /* a patch makes new metadata */

    TRY(admission_mutate(&asked));
    if (st->admit)
        TRY(st->admit(r, obj, NULL));
    if (st->prepare)
        st->prepare(r, obj, NULL);
    TRY(check_valid(r, res, obj, NULL, false));
    TRY(run_hooks(r, res, obj, NULL));
    return admission_validate(&asked);
}

static errc store_new(struct req *r, const struct resource *res, json_t *obj)
{
    const struct strategy *st = res->strategy;
    const char *ns = res->namespaced ? r->ns : "", *name = json_str_at(obj, "metadata", "name", NULL);
    struct store_key k = key_of(res, ns, name);
    struct err ignored;

    if (st->allocate)
        TRY(st->allocate(r, obj, NULL));
    errc rc = object_store(r, res, ns, name, 0, obj);
    if (rc && st->removed)
        st->removed(r, obj);            /* gives back what was allocated */
    if (rc == ERR_EXISTS)
        return exists(r, res, name);
    if (!rc && r->dry_run && !store_get(r->s->store, &k, NULL, NULL, &ignored))
        return fail_exists(r, res, name);
    return rc;
}

errc object_create(struct req *r, const struct resource *res, json_t *obj, bool managed)
{
    TRY(create_checks(r, res, obj));
    TRY(complete_new(r, res, obj, managed));
    TRY(admit_new(r, res, obj));
    return store_new(r, res, obj);
}

/* ---- change ---- */

static errc check_identity(struct req *r, const struct resource *res, const struct found *cur, json_t *obj, const struct change *c)
{
    json_t *meta = json_sub(obj, "metadata"), *was = json_object_get(cur->obj, "metadata");
    const char *uid = json_cstr(meta, "uid"), *old_uid = json_cstr(was, "uid"), *rv = json_cstr(meta, "resourceVersion");
    const char *name = json_cstr(was, "name");
    int64_t version = 0;

    if (str_set(rv) && !str_to_i64(str_of(rv), &version))
        return fail(r, ERR_INVALID, 422, "Invalid", NULL, "%s.%s \"%s\" is invalid: metadata.resourceVersion: Invalid value: \"%s\": "
                    "strconv.ParseUint: parsing \"%s\": invalid syntax", res->kind, res->group, name, rv, rv);
    if (!str_set(rv) && c->needs_version && (res->strategy->flags & STRAT_NEEDS_VERSION)) {
        AUTO_FIELD_ERRORS l = { 0 };
        field_error_add(&l, FIELD_INVALID_VALUE, "metadata.resourceVersion", "0x0", "must be specified for an update");
        return fail_invalid(r, res->group, res->plural, name, &l);
    }
    if (str_set(uid) && !streq(uid, old_uid) && c->needs_version)
        return fail_conflict(r, res, name, "StorageError: invalid object, Code: 4, Key: /registry/%s/%s%s%s, ResourceVersion: 0, "
                             "AdditionalErrorMsg: Precondition failed: UID in precondition: %s, UID in object meta: %s",
                             res->plural, r->ns, str_set(r->ns) ? "/" : "", name, uid, old_uid);
    if (version && version != cur->rv)
        return fail_conflict(r, res, name, "the object has been modified; please apply your changes to the latest version and try again");
    return ERR_OK;
}

static void keep(json_t *meta, const json_t *was, const char *key, bool always)
{
    json_t *v = json_object_get(was, key);

    const json_t *have = json_object_get(meta, key);

    if (v && (always || !have || json_is_null(have)))
        json_put(meta, key, json_incref(v));
    else if (!v && (always || json_is_null(have)))
        (void)json_object_del(meta, key);
}

/* The server's own metadata stays; a /status write leaves all else alone, any other write leaves the status alone. */
static void keep_untouched(const struct resource *res, const json_t *old, json_t *obj, const char *sub)
{
    json_t *meta = json_sub(obj, "metadata"), *was = json_object_get(old, "metadata");
    bool status = streq(sub, "status");

    if (status) {
        AUTO_JSON given = json_incref(json_object_get(obj, "status"));
        AUTO_JSON given_meta = json_incref(meta);
        json_object_clear(obj);
        json_object_update(obj, (json_t *)(uintptr_t)old);
        (void)json_object_del(obj, "status");
        if (given)
            json_put(obj, "status", json_incref(given));
        meta = json_copy(was);
        json_put(obj, "metadata", meta);
        static const char *const open[] = { "labels", "annotations", "finalizers" };
        for (size_t i = 0; i < ARRAY_LEN(open) && (res->strategy->flags & STRAT_STATUS_META); i++)
            keep(meta, given_meta, open[i], true);
        keep(meta, given_meta, "managedFields", false);
        if (json_object_get(given_meta, "managedFields"))
            keep(meta, given_meta, "managedFields", true);
    } else if ((res->strategy->flags & STRAT_STATUS) && !streq(sub, "binding")) {
        keep(obj, old, "status", true);
    }
    static const struct { const char *key; bool always; } own[] = {
        { "uid", false }, { "creationTimestamp", false }, { "generation", true },
    };
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        keep(meta, was, own[i].key, own[i].always);
    if (json_object_get(was, "deletionTimestamp"))
        keep(meta, was, "deletionTimestamp", true);
    keep(meta, was, "deletionGracePeriodSeconds", false);
    keep(meta, was, "resourceVersion", true);
    (void)json_object_del(meta, "selfLink");
}

static bool equal_except(const json_t *a, const json_t *b, const char *const *ignored, size_t n)
{
    AUTO_JSON x = json_copy((json_t *)(uintptr_t)a);
    AUTO_JSON y = json_copy((json_t *)(uintptr_t)b);

    for (size_t i = 0; i < n; i++) {
        (void)json_object_del(x, ignored[i]);
        (void)json_object_del(y, ignored[i]);
    }
    return json_equal(x, y);
}

static void count_generation(const struct resource *res, const json_t *old, json_t *obj)
{
    static const char *const aside[] = { "metadata", "status", "kind", "apiVersion" };
    bool same_notes = !streq(res->plural, "deployments") ||
        same(json_at(obj, "metadata", "annotations", NULL), json_at(old, "metadata", "annotations", NULL));    /* a rollout's history is there */

    if (!(res->strategy->flags & STRAT_GENERATION) || (same_notes && equal_except(obj, old, aside, ARRAY_LEN(aside))))
        return;
    json_t *meta = json_object_get(obj, "metadata");
    json_put_int(meta, "generation", json_int(meta, "generation", 0) + 1);
}

/* Equal but for the times in managedFields. */
static bool unchanged(const json_t *obj, const json_t *old)
{
    static const char *const meta_key[] = { "metadata" }, *const fields_key[] = { "managedFields" }, *const time_key[] = { "time" };
    const json_t *a = json_object_get(obj, "metadata"), *b = json_object_get(old, "metadata");
    const json_t *fa = json_object_get(a, "managedFields"), *fb = json_object_get(b, "managedFields");

    if (!equal_except(obj, old, meta_key, 1) || !equal_except(a, b, fields_key, 1) || json_array_size(fa) != json_array_size(fb))
        return false;
    for (size_t i = 0; i < json_array_size(fa); i++)
        if (!equal_except(json_array_get(fa, i), json_array_get(fb, i), time_key, 1))
            return false;
    return true;
}

/* Marked, and nothing holds it any more. A namespace has finalizers of its spec as well. */
static bool finished(const struct resource *res, const json_t *obj)
{
    const json_t *meta = json_object_get(obj, "metadata");
    bool held = streq(res->plural, "namespaces") && json_array_size(json_at(obj, "spec", "finalizers", NULL)) > 0;

    return !held && json_object_get(meta, "deletionTimestamp") && json_array_size(json_object_get(meta, "finalizers")) == 0 &&
           json_int(meta, "deletionGracePeriodSeconds", 0) == 0;
}

/* The last finalizer went: the answer shows the new object with the old version, the event the old object with a new one. */
static errc finish(struct req *r, const struct resource *res, const char *ns, const char *name, const struct found *cur)
{
    AUTO_JSON last = json_deep_copy(cur->obj);

    return object_remove(r, res, ns, name, cur->rv, last);
}

/* With what the new object holds beyond the old one; whichever of the two is not kept gives its part back. */
static errc store_allocated(struct req *r, const struct resource *res, const char *ns, const char *name, const struct found *cur, json_t *obj)
{
    const struct strategy *st = res->strategy;
    errc rc = st->allocate(r, obj, cur->obj);

    if (!rc)
        rc = object_store(r, res, ns, name, cur->rv, obj);
    bool kept_old = rc || r->dry_run;
    if (st->settle)
        st->settle(r, kept_old ? cur->obj : obj, kept_old ? obj : cur->obj);
    return rc;
}

static errc change_once(struct req *r, const struct resource *res, const char *ns, const char *name, const struct change *c,
                        const struct found *cur, json_t *obj)
{
    const struct strategy *st = res->strategy;
    bool status = streq(c->sub, "status");

    TRY(check_identity(r, res, cur, obj, c));
    object_head(obj, res);
    fill_defaults(r, res, obj, cur->obj);
    if (!c->managed)
        TRY(manage(r, res, cur->obj, obj, c->sub));         /* of what was sent: upstream owns before it restores */
    struct admission asked = { .r = r, .res = res, .operation = "UPDATE", .sub = c->sub, .ns = ns, .name = name, .obj = obj, .old = cur->obj };
    TRY(admission_mutate(&asked));
    keep_untouched(res, cur->obj, obj, c->sub);
    if (c->managed)
        keep(json_object_get(obj, "metadata"), json_object_get(cur->obj, "metadata"), "managedFields", false);
    if (st->admit && !status)
        TRY(st->admit(r, obj, cur->obj));
    if (st->prepare && !status)
        st->prepare(r, obj, cur->obj);
    if (!status)
        count_generation(res, cur->obj, obj);
    TRY(check_valid(r, res, obj, cur->obj, status));
    TRY(run_hooks(r, res, obj, cur->obj));
    TRY(admission_validate(&asked));
    if (finished(res, obj) && !finished(res, cur->obj))
        return finish(r, res, ns, name, cur);
    if (unchanged(obj, cur->obj)) {
        json_object_clear(obj);
        json_object_update(obj, cur->obj);
        return ERR_OK;
    }
    return st->allocate && !status ? store_allocated(r, res, ns, name, cur, obj) : object_store(r, res, ns, name, cur->rv, obj);
}

errc object_change(struct req *r, const struct resource *res, const char *ns, const char *name, const struct change *c,
                   json_t **out, bool *out_created)
{
    json_t *warnings = r->warnings ? json_deep_copy(r->warnings) : NULL;

    if (warnings)
        json_arena_own(r->a, warnings);
    for (int i = 0;; i++) {
        struct found cur = { 0 };
        json_t *obj = NULL;
        errc rc = object_load(r, res, ns, name, &cur);
        bool absent = rc == ERR_NOT_FOUND && c->upsert;
        if (rc && !absent)
            return rc;
        r->failure = NULL;
        r->warnings = warnings ? json_deep_copy(warnings) : NULL;      /* a second try warns anew */
        if (r->warnings)
            json_arena_own(r->a, r->warnings);
        TRY(c->make(r, c->self, cur.obj, &obj));
        rc = absent ? object_create(r, res, obj, c->managed) : change_once(r, res, ns, name, c, &cur, obj);
        bool raced = !r->failure && (rc == ERR_CONFLICT || rc == ERR_NOT_FOUND);
        if (raced && i < RETRIES)
            continue;
        if (raced)
            return fail_conflict(r, res, name, "the object has been modified; please apply your changes to the latest version and try again");
        if (rc)
            return rc;
        *out = obj;
        if (out_created)
            *out_created = absent;
        return ERR_OK;
    }
}
