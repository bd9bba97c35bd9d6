/* A claim as one reconcile handles it: which Nodes are its own, and how it is written. */
#include "base/mem.h"
#include "kube/meta.h"
#include "provisioner/priv.h"

/*
 * Of two or more. A cloud that renews a machine shows two Nodes for a while: the claim's own is the one with its providerID; while that is not known, the
 * one that is ready. Several Nodes with the same providerID stay several. New reference.
 */
static json_t *the_one(const struct node_claim *claim, json_t *mine)
{
    json_t *best = NULL, *node;
    bool best_ours = false;
    size_t i;

    json_array_foreach(mine, i, node) {
        const char *id = json_str_at(node, "spec", "providerID", NULL);
        bool ours = id && str_ieq(claim->status.provider_id, str_of(id));

        if (best && id && streq(json_str_at(best, "spec", "providerID", NULL), id))
            return json_incref(mine);
        if (!best || (ours && !best_ours) || (ours == best_ours && kube_condition_is(node, "Ready", "True") && !kube_condition_is(best, "Ready", "True"))) {
            best = node;
            best_ours = ours;
        }
    }
    return json_pack("[O]", best);
}

static bool is_in(const json_t *list, const json_t *node)
{
    const json_t *other;
    size_t i;

    json_array_foreach(list, i, other)
        if (streq(kube_name(other), kube_name(node)))
            return true;
    return false;
}

static void add_new(json_t *list, json_t *more)
{
    AUTO_JSON taken = more;
    json_t *node;
    size_t i;

    json_array_foreach(taken, i, node)
        if (!is_in(list, node))
            json_array_append(list, node);
}

/* Those that it owns, that have its providerID, or that the cloud labelled with its name. By indexes: thousands of claims look at thousands of Nodes. */
static json_t *nodes_of(struct work *w)
{
    const char *by_label = w->p->cloud->node_label;
    json_t *found = w->claim.meta.uid.n > 0 ? informer_owned_by(w->p->nodes, w->claim.meta.uid.p) : json_array();
    AUTO_MEM char *id = xstrndup(w->claim.status.provider_id.p, w->claim.status.provider_id.n);
    AUTO_JSON label = by_label ? json_pack("{s:s}", by_label, kube_name(w->object)) : NULL;

    add_new(found, informer_list_field(w->p->nodes, ".spec.providerID", id));
    if (label)
        add_new(found, informer_list_labels(w->p->nodes, NULL, label));
    return found;
}

json_t *claim_nodes(struct work *w)
{
    AUTO_JSON mine = nodes_of(w);
    json_t *out = w->claim.meta.deleted_us || json_array_size(mine) < 2 ? json_incref(mine) : the_one(&w->claim, mine);

    json_arena_own(w->op->arena, out);
    return out;
}

errc claim_patch(struct work *w, const char *sub, json_t *patch, struct err *e)
{
    AUTO_JSON body = patch;
    json_t *written = NULL;

    json_put_str(json_sub(body, "metadata"), "resourceVersion", kube_resource_version(w->object));
    claim_kind_out(w->p->kind, body);
    TRY(kube_patch(w->p->client, &w->p->kind->gvr, NULL, kube_name(w->object), sub, KUBE_PATCH_MERGE, body, &written, e));
    claim_kind_in(w->p->kind, written);
    json_arena_own(w->op->arena, written);
    if (!streq(kube_resource_version(written), kube_resource_version(w->object)))       /* a patch that changes nothing makes no event */
        behind_note(w->p->behind, KEY("", kube_name(w->object)), kube_resource_version(w->object));
    w->object = written;
    w->written = true;
    return ERR_OK;
}

errc claim_annotate(struct work *w, const char *key, const char *value, struct err *e)
{
    json_t *patch = json_object();

    json_put(json_sub(json_sub(patch, "metadata"), "annotations"), key, value ? json_string(value) : json_null());
    return claim_patch(w, NULL, patch, e);
}

errc claim_tell(struct work *w, const struct kube_condition *c, struct err *e)
{
    const json_t *had = json_at(w->object, "status", "conditions", NULL);
    json_t *list = had ? json_clone(had) : json_array();

    if (!kube_condition_set(list, c, w->op->now_ms)) {
        json_decref(list);
        return ERR_OK;
    }
    claim_conditions_order(list);
    if (w->claim.meta.deleted_us)
        claim_conditions_stamp(list, kube_generation(w->object));
    return claim_patch(w, "status", json_pack("{s:{s:o}}", "status", "conditions", list), e);
}

errc claim_disrupt(struct work *w, const char *reason, const char *text, struct err *e)
{
    TRY(claim_tell(w, &(struct kube_condition){ "DisruptionReason", "True", reason, text, kube_generation(w->object) }, e));
    struct kube_delete_opts o = { .uid = kube_uid(w->object) };
    errc rc = kube_delete(w->p->client, &w->p->kind->gvr, NULL, kube_name(w->object), &o, e);

    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

errc claim_set_finalizer(struct work *w, bool present, struct err *e)
{
    json_t *copy = json_clone(w->object), *patch = json_object(), *list;

    if (present)
        kube_add_finalizer(copy, CLAIM_FINALIZER);
    else
        kube_del_finalizer(copy, CLAIM_FINALIZER);
    list = json_at(copy, "metadata", "finalizers", NULL);
    json_put(json_sub(patch, "metadata"), "finalizers", list ? json_incref(list) : json_null());
    json_decref(copy);
    return claim_patch(w, NULL, patch, e);
}

const char *claim_pool(const json_t *claim)
{
    const char *pool = kube_label(claim, NODEPOOL_LABEL);

    return pool ? pool : "";
}
