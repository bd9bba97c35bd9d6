/* The end of a namespace: everything in it is deleted, then its finalizer `kubernetes` is removed, and the API removes it. */
#include "cluster/priv.h"

#define LOOK_AGAIN_MS 500               /* while finalizers or running pods still hold objects */

struct sweep {
    struct cluster *c;
    const char *ns;
    size_t left;                        /* objects that still exist */
    char example[256];
    errc rc;
    struct err err;
};

static errc delete_items(struct sweep *s, const struct kube_gvr *r, const json_t *items, struct err *e)
{
    size_t i;
    json_t *obj;
    json_array_foreach(items, i, obj) {
        if (kube_deleting(obj))
            continue;
        struct kube_delete_opts o = { .propagation = "Background", .uid = kube_uid(obj) };
        errc rc = kube_delete(s->c->client, r, s->ns, kube_name(obj), &o, e);
        TRY(ok_if(ok_if(rc, ERR_NOT_FOUND), ERR_CONFLICT));
    }
    return ERR_OK;
}

static errc sweep_resource(struct sweep *s, const struct kube_gvr *r, struct err *e)
{
    AUTO_JSON items = NULL;
    errc rc = kube_list_all(s->c->client, r, s->ns, NULL, &items, e);
    if (rc == ERR_NOT_FOUND || rc == ERR_NOT_ALLOWED)
        return ERR_OK;
    if (rc)
        return rc;
    if (!json_array_size(items))
        return ERR_OK;
    TRY(delete_items(s, r, items, e));
    AUTO_JSON after = NULL;
    TRY(kube_list_all(s->c->client, r, s->ns, NULL, &after, e));
    s->left += json_array_size(after);
    if (json_array_size(after))
        snprintf(s->example, sizeof s->example, "%s %s", r->resource, kube_name(json_array_get(after, 0)));
    return ERR_OK;
}

static void sweep_each(void *self, const struct kube_gvr *r, const char *kind, bool namespaced, const json_t *verbs)
{
    struct sweep *s = self;
    if (!s->rc && namespaced && verb_listed(verbs, "list") && verb_listed(verbs, "delete"))
        s->rc = sweep_resource(s, r, &s->err);
}

static errc finalize(struct cluster *c, const json_t *ns, struct err *e)
{
    AUTO_JSON changed = json_clone(ns);
    json_t *left = json_array(), *f;
    size_t i;
    json_array_foreach(json_at(ns, "spec", "finalizers", NULL), i, f)
        if (!streq(json_string_value(f), "kubernetes"))
            json_push(left, json_incref(f));
    json_put(json_sub(changed, "spec"), "finalizers", left);
    return ok_if(kube_update(c->client, &gvr_namespaces, "finalize", changed, NULL, e), ERR_NOT_FOUND);
}

static bool holds(const json_t *ns)
{
    size_t i;
    json_t *f;
    json_array_foreach(json_at(ns, "spec", "finalizers", NULL), i, f)
        if (streq(json_string_value(f), "kubernetes"))
            return true;
    return false;
}

/* What kubectl describe shows of a namespace that does not go. */
static errc tell(struct cluster *c, struct op *op, const json_t *ns, const struct sweep *s, struct err *e)
{
    json_t *old = json_object_get(ns, "status"), *status = json_is_object(old) ? json_clone(old) : json_object();
    json_t *list = json_object_get(status, "conditions");
    AUTO_MEM char *message = xasprintf("Some resources are remaining: %zu, for example %s", s->left, s->example);
    if (!json_is_array(list)) {
        list = json_array();
        json_put(status, "conditions", list);
    }
    (void)kube_condition_set(list, &(struct kube_condition){ "NamespaceContentRemaining", "True", "SomeResourcesRemain", message, 0 }, op->now_ms);
    return ok_if(cluster_put_status(c, &gvr_namespaces, ns, status, e), ERR_CONFLICT);
}

static errc reconcile(void *self, struct op *op, const struct key *key, struct reconcile_result *out, struct err *e)
{
    struct cluster *c = self;
    AUTO_JSON ns = informer_get(cluster_informer(c, &gvr_namespaces), "", key->name);
    if (!ns || !kube_deleting(ns) || !holds(ns))
        return ERR_OK;
    struct sweep *s = arena_new_of(op->arena, struct sweep);
    *s = (struct sweep){ .c = c, .ns = key->name };
    TRY(kube_each_resource(c->client, sweep_each, s, e));
    if (s->rc) {
        *e = s->err;
        return s->rc;
    }
    if (!s->left)
        return finalize(c, ns, e);
    out->requeue_after_ms = LOOK_AGAIN_MS;
    return tell(c, op, ns, s, e);
}

static struct controller *make(struct cluster *c)
{
    struct controller *k = controller_new(&(struct controller_opts){ .name = "namespace", .workers = 2, .reconcile = reconcile, .self = c });
    controller_watch(k, cluster_informer(c, &gvr_namespaces));
    return k;
}

const struct part part_namespace = { "namespace", make, NULL };
