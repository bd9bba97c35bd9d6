/*
 * Garbage collection by ownerReferences. Every deletable resource is followed (metadata only, unless another controller follows it
 * anyway); an object whose owners are all gone is deleted; an owner that is deleted in the foreground waits for the dependents that
 * block it; one that orphans has its references cut.
 *
 * A key is one object: ns is "<row>|<namespace>", the row being that of its resource in the table below. The key "discover" rebuilds
 * the table's end after CustomResourceDefinitions changed. Rows are only ever added.
 */
#include "base/clock.h"
#include "base/map.h"
#include "cluster/priv.h"

#define FOREGROUND "foregroundDeletion"
#define ORPHAN "orphan"
#define ROWS_MAX 512
#define DISCOVER_KEY "discover"
#define SYNC_PATIENCE_MS 10000          /* a resource that cannot be listed for so long is left out */
#define LOOK_AGAIN_MS 1000

struct gc;
struct row {
    struct gc *gc;
    size_t index;
    struct kube_gvr gvr;                /* owned */
    char *kind;
    bool namespaced;
    struct informer *informer;
    int64_t since_ms;
};

struct gc {
    struct cluster *c;
    struct controller *controller;
    struct mutex mu;                    /* a leaf; guards rows and n (a row itself never changes) */
    struct row *rows[ROWS_MAX];
    size_t n;
};

static const struct informer_opts crds = { .gvr = { "apiextensions.k8s.io", "v1", "customresourcedefinitions" } };

static size_t row_count(struct gc *g)
{
    LOCK_SCOPE(&g->mu);
    return g->n;
}

static struct row *row_at(struct gc *g, size_t i)
{
    LOCK_SCOPE(&g->mu);
    return i < g->n ? g->rows[i] : NULL;
}

/* The row of an owner reference: by group and kind, for the version may be another one. */
static struct row *row_of_ref(struct gc *g, const json_t *ref)
{
    struct str group, version;
    const char *api = json_cstr(ref, "apiVersion");
    if (!str_cut(str_of(api ? api : ""), '/', &group, &version))
        group = STR("");
    for (size_t i = 0, n = row_count(g); i < n; i++) {
        struct row *r = row_at(g, i);
        if (str_is(group, r->gvr.group) && streq(r->kind, json_cstr(ref, "kind")))
            return r;
    }
    return NULL;
}

static json_t *references(const json_t *obj) { return json_at(obj, "metadata", "ownerReferences", NULL); }

static void queue_object(const struct row *r, const char *ns, const char *name)
{
    AUTO_MEM char *where = xasprintf("%zu|%s", r->index, ns);
    controller_enqueue(r->gc->controller, KEY(where, name));
}

static void queue_dependents(struct gc *g, const char *uid)
{
    for (size_t i = 0, n = row_count(g); i < n; i++) {
        struct row *r = row_at(g, i);
        AUTO_JSON list = informer_owned_by(r->informer, uid);
        size_t k;
        json_t *obj;
        json_array_foreach(list, k, obj)
            queue_object(r, kube_namespace(obj), kube_name(obj));
    }
}

static void queue_owners(struct gc *g, const json_t *obj)
{
    size_t i;
    json_t *ref;
    json_array_foreach(references(obj), i, ref) {
        struct row *r = row_of_ref(g, ref);
        if (r && json_cstr(ref, "name"))
            queue_object(r, r->namespaced ? kube_namespace(obj) : "", json_cstr(ref, "name"));
    }
}

/* What hangs on an object that is gone, or on the references that it had. */
static void queue_left(const struct row *r, const json_t *old, const json_t *new_)
{
    bool gone = !new_ || !streq(kube_uid(old), kube_uid(new_));     /* a namesake may have come while nobody watched */

    if (gone)
        queue_dependents(r->gc, kube_uid(old));
    if (gone || (references(old) && !json_equal(references(old), references(new_))))
        queue_owners(r->gc, old);
}

/* Only objects with owners, or on their way out, are of interest: the rest costs nothing. */
static void on_event(void *self, const json_t *old, const json_t *new_)
{
    struct row *r = self;
    if (old)
        queue_left(r, old, new_);
    if (new_ && (json_array_size(references(new_)) || kube_deleting(new_)))
        queue_object(r, kube_namespace(new_), kube_name(new_));
}

static json_t *metadata_only(json_t *obj)
{
    static const char *const kept[] = { "apiVersion", "kind", "metadata" };
    json_t *out = json_object();
    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        if (json_object_get(obj, kept[i]))
            json_put(out, kept[i], json_incref(json_object_get(obj, kept[i])));
    json_object_del(json_object_get(out, "metadata"), "annotations");
    json_decref(obj);
    return out;
}

static bool is_known(struct gc *g, const struct kube_gvr *r)
{
    for (size_t i = 0, n = row_count(g); i < n; i++) {
        const struct row *row = row_at(g, i);
        if (streq(row->gvr.group, r->group) && streq(row->gvr.resource, r->resource))
            return true;
    }
    return false;
}

static void add_row(void *self, const struct kube_gvr *gvr, const char *kind, bool namespaced, const json_t *verbs)
{
    struct gc *g = self;
    if (!verb_listed(verbs, "delete") || !verb_listed(verbs, "list") || !verb_listed(verbs, "watch") || !kind || streq(gvr->resource, "events"))
        return;
    if (is_known(g, gvr) || row_count(g) == ROWS_MAX)
        return;
    struct row *r = xzalloc(sizeof *r);
    *r = (struct row){ .gc = g, .index = g->n, .kind = xstrdup(kind), .namespaced = namespaced, .since_ms = clock_mono_ms(),
                       .gvr = { xstrdup(gvr->group), xstrdup(gvr->version), xstrdup(gvr->resource) } };
    r->informer = informers_find(g->c->informers, &r->gvr);
    if (!r->informer)
        r->informer = informers_get(g->c->informers, &(struct informer_opts){ .gvr = r->gvr, .transform = metadata_only });
    {
        LOCK_SCOPE(&g->mu);
        g->rows[g->n++] = r;
    }
    informer_on(r->informer, &(struct informer_handler){ on_event, r });
}

/* Before something is concluded from the absence of dependents, every resource must have been listed. */
static bool all_synced(struct gc *g)
{
    for (size_t i = 0, n = row_count(g); i < n; i++) {
        struct row *r = row_at(g, i);
        if (!informer_synced(r->informer) && clock_mono_ms() - r->since_ms < SYNC_PATIENCE_MS)
            return false;
    }
    return true;
}

enum owner_state { OWNER_SOLID, OWNER_GONE, OWNER_WAITING };

static bool waits_in_foreground(const json_t *owner) { return kube_deleting(owner) && kube_has_finalizer(owner, FOREGROUND); }

/* An owner that the cache does not have may be younger than the cache: the API decides. */
static errc owner_state(struct gc *g, const json_t *obj, const json_t *ref, enum owner_state *out, struct err *e)
{
    const char *name = json_cstr(ref, "name"), *uid = json_cstr(ref, "uid");
    struct row *r = row_of_ref(g, ref);
    if (!r || !name)
        return err_set(e, ERR_UNAVAILABLE, "owner %s %s: its kind is not served", json_cstr(ref, "kind"), name ? name : "");
    const char *ns = r->namespaced ? kube_namespace(obj) : "";
    AUTO_JSON owner = informer_get(r->informer, ns, name);
    if (!owner || !streq(kube_uid(owner), uid)) {
        json_decref(owner);
        owner = NULL;
        errc rc = r->namespaced && !*ns ? ERR_NOT_FOUND : kube_get(g->c->client, &r->gvr, ns, name, &owner, e);
        if (rc && rc != ERR_NOT_FOUND)
            return rc;
    }
    if (!owner || !streq(kube_uid(owner), uid))
        *out = OWNER_GONE;
    else
        *out = waits_in_foreground(owner) && json_flag(ref, "blockOwnerDeletion", false) ? OWNER_WAITING : OWNER_SOLID;
    return ERR_OK;
}

/* Replaces a list of the metadata, guarded by the resourceVersion we saw. */
static errc patch_list(struct gc *g, const struct row *r, const json_t *obj, const char *field, json_t *list, struct err *e)
{
    AUTO_JSON patch = json_object();
    json_t *meta = json_sub(patch, "metadata");
    json_put_str(meta, "resourceVersion", kube_resource_version(obj));
    json_put(meta, field, json_array_size(list) ? json_incref(list) : json_null());
    json_decref(list);
    errc rc = kube_patch(g->c->client, &r->gvr, kube_namespace(obj), kube_name(obj), NULL, KUBE_PATCH_MERGE, patch, NULL, e);
    return ok_if(rc, ERR_NOT_FOUND);
}

static errc drop_finalizer(struct gc *g, const struct row *r, const json_t *obj, const char *finalizer, struct err *e)
{
    json_t *left = json_array(), *f;
    size_t i;
    json_array_foreach(json_at(obj, "metadata", "finalizers", NULL), i, f)
        if (!streq(json_string_value(f), finalizer))
            json_push(left, json_incref(f));
    return patch_list(g, r, obj, "finalizers", left, e);
}

/* How many objects name uid as an owner; with `blocking` only those that block its deletion. */
static size_t count_dependents(struct gc *g, const char *uid, bool blocking)
{
    size_t found = 0;
    for (size_t i = 0, n = row_count(g); i < n; i++) {
        AUTO_JSON list = informer_owned_by(row_at(g, i)->informer, uid);
        size_t k, m;
        json_t *obj, *ref;
        json_array_foreach(list, k, obj)
            json_array_foreach(references(obj), m, ref)
                if (streq(json_cstr(ref, "uid"), uid) && (!blocking || json_flag(ref, "blockOwnerDeletion", false)))
                    found++;
    }
    return found;
}

static errc cut_reference(struct gc *g, const struct row *r, const json_t *obj, const char *uid, struct err *e)
{
    json_t *left = json_array(), *ref;
    size_t i;
    json_array_foreach(references(obj), i, ref)
        if (!streq(json_cstr(ref, "uid"), uid))
            json_push(left, json_incref(ref));
    return patch_list(g, r, obj, "ownerReferences", left, e);
}

static errc orphan_dependents(struct gc *g, const char *uid, struct err *e)
{
    for (size_t i = 0, n = row_count(g); i < n; i++) {
        struct row *r = row_at(g, i);
        AUTO_JSON list = informer_owned_by(r->informer, uid);
        size_t k;
        json_t *obj;
        json_array_foreach(list, k, obj)
            TRY(cut_reference(g, r, obj, uid, e));
    }
    return ERR_OK;
}

static errc finish_deletion(struct gc *g, const struct row *r, const json_t *obj, struct reconcile_result *out, struct err *e)
{
    bool orphans = kube_has_finalizer(obj, ORPHAN), foreground = kube_has_finalizer(obj, FOREGROUND);
    if (!orphans && !foreground)
        return ERR_OK;
    if (!all_synced(g)) {
        out->requeue_after_ms = LOOK_AGAIN_MS;
        return ERR_OK;
    }
    if (orphans) {
        TRY(orphan_dependents(g, kube_uid(obj), e));
        return drop_finalizer(g, r, obj, ORPHAN, e);
    }
    if (!count_dependents(g, kube_uid(obj), true))
        return drop_finalizer(g, r, obj, FOREGROUND, e);
    queue_dependents(g, kube_uid(obj));
    return ERR_OK;
}

struct verdict { size_t solid, gone, waiting; json_t *keep; };

static errc judge(struct gc *g, const json_t *obj, struct verdict *v, struct err *e)
{
    size_t i;
    json_t *ref;
    json_array_foreach(references(obj), i, ref) {
        enum owner_state state = OWNER_SOLID;
        TRY(owner_state(g, obj, ref, &state, e));
        v->solid += state == OWNER_SOLID;
        v->gone += state == OWNER_GONE;
        v->waiting += state == OWNER_WAITING;
        if (state == OWNER_SOLID)
            json_push(v->keep, json_incref(ref));
    }
    return ERR_OK;
}

/* Deletes only what was judged: who got another owner, or was cut loose, since it was looked at has another version. */
static errc collect(struct gc *g, const struct row *r, const json_t *obj, const struct verdict *v, struct err *e)
{
    if (v->solid && (v->gone || v->waiting))
        return patch_list(g, r, obj, "ownerReferences", json_incref(v->keep), e);
    if (v->solid || (!v->gone && !v->waiting))
        return ERR_OK;
    bool foreground = v->waiting && count_dependents(g, kube_uid(obj), false);
    struct kube_delete_opts o = {
        .uid = kube_uid(obj),
        .resource_version = kube_resource_version(obj),
        .propagation = kube_has_finalizer(obj, ORPHAN) ? "Orphan" : foreground || kube_has_finalizer(obj, FOREGROUND) ? "Foreground" : "Background",
    };
    errc rc = kube_delete(g->c->client, &r->gvr, kube_namespace(obj), kube_name(obj), &o, e);
    return ok_if(rc, ERR_NOT_FOUND);
}

static errc reconcile_object(struct gc *g, const struct row *r, const json_t *obj, struct reconcile_result *out, struct err *e)
{
    if (kube_deleting(obj))
        return finish_deletion(g, r, obj, out, e);
    struct verdict v = { .keep = json_array() };
    errc rc = judge(g, obj, &v, e);
    if (!rc)
        rc = collect(g, r, obj, &v, e);
    json_decref(v.keep);
    return rc;
}

static bool serves_any(const json_t *crd)
{
    size_t i;
    json_t *v;
    json_array_foreach(json_at(crd, "spec", "versions", NULL), i, v)
        if (json_flag(v, "served", false))
            return true;
    return false;
}

/* A kind that its definition says is served, but that discovery did not show. */
static bool misses_kinds(struct gc *g)
{
    AUTO_JSON all = informer_list(informers_get(g->c->informers, &crds), NULL, NULL);
    size_t i;
    json_t *crd;
    json_array_foreach(all, i, crd) {
        struct kube_gvr r = { json_str_at(crd, "spec", "group", NULL), "", json_str_at(crd, "spec", "names", "plural", NULL) };
        if (kube_condition_is(crd, "Established", "True") && serves_any(crd) && !is_known(g, &r))
            return row_count(g) < ROWS_MAX;
    }
    return false;
}

static errc discover(struct gc *g, struct reconcile_result *out, struct err *e)
{
    TRY(kube_each_resource(g->c->client, add_row, g, e));
    if (misses_kinds(g))
        out->requeue_after_ms = LOOK_AGAIN_MS;
    return ERR_OK;
}

static errc reconcile(void *self, struct op *op, const struct key *key, struct reconcile_result *out, struct err *e)
{
    struct gc *g = ((struct cluster *)self)->gc;
    struct str index, ns;
    int64_t at;
    if (streq(key->name, DISCOVER_KEY) && !*key->ns)
        return discover(g, out, e);
    if (!str_cut(str_of(key->ns), '|', &index, &ns) || !str_to_i64(index, &at))
        return ERR_OK;
    struct row *r = row_at(g, (size_t)at);
    AUTO_JSON obj = r ? informer_get(r->informer, ns.p, key->name) : NULL;
    return obj ? reconcile_object(g, r, obj, out, e) : ERR_OK;
}

/* New kinds are served a moment after their CRD says Established. */
static void kinds_changed(void *self, const json_t *crd, struct workq *q)
{
    if (kube_condition_is(crd, "Established", "True"))
        workq_add_after(q, KEY("", DISCOVER_KEY), 200);
}

static struct controller *make(struct cluster *c)
{
    struct controller *k = controller_new(&(struct controller_opts){ .name = "gc", .workers = 2, .reconcile = reconcile, .self = c });
    struct gc *g = xzalloc(sizeof *g);
    mutex_init(&g->mu);
    g->c = c;
    g->controller = k;
    c->gc = g;
    controller_watch_map(k, informers_get(c->informers, &crds), kinds_changed, NULL);
    controller_enqueue(k, KEY("", DISCOVER_KEY));
    return k;
}

static void done(struct cluster *c)
{
    struct gc *g = c->gc;
    for (size_t i = 0; g && i < g->n; i++) {
        free((void *)(uintptr_t)g->rows[i]->gvr.group);
        free((void *)(uintptr_t)g->rows[i]->gvr.version);
        free((void *)(uintptr_t)g->rows[i]->gvr.resource);
        free(g->rows[i]->kind);
        free(g->rows[i]);
    }
    if (g)
        mutex_done(&g->mu);
    free(g);
}

const struct part part_gc = { "gc", make, done };
