/* Claims cost money and have no owner reference: those that our caches do not show are asked for where it matters. */
#include "workspace/manager.h"
#include "workspace/priv.h"

#include "base/log.h"
#include "base/mem.h"

static const struct kube_gvr pools_gvr = { "karpenter.sh", "v1", "nodepools" };

#define LABEL_VALUE_MAX 63

errc claims_are_still_the_kind(struct workspace_manager *m, struct err *e)
{
    if (m->settings.byo || m->settings.karpenter)
        return ERR_OK;
    errc rc = claim_kind_holds(m->client, m->settings.claim_kind, e);

    if (rc == ERR_CANCELLED && !cancel_is(m->cancel)) {
        log_warn("workspace", "this manager ends, to ask for machines in another way once it is started again", KV("why", e->text));
        cancel_now(m->cancel);
    }
    return rc;
}

static bool has_marks(const json_t *object, const json_t *claim)
{
    const char *key;
    json_t *value;

    json_object_foreach(json_at(claim, "metadata", "labels", NULL), key, value)
        if (!streq(kube_label(object, key), json_string_value(value)))
            return false;
    return streq(kube_annotation(object, UID_ANNOTATION), kube_annotation(claim, UID_ANNOTATION));
}

/*
 * A claim of this name is there, though the cache did not show it: either the cache is late, or somebody took its labels away, and then
 * nobody would find it again. Its name holds the Workspace's uid: it is ours.
 */
errc claim_keep_marks(struct workspace_manager *m, const json_t *claim, struct err *e)
{
    const struct claim_kind *k = m->settings.claim_kind;
    AUTO_JSON there = NULL;
    errc rc = kube_get(m->client, &k->gvr, NULL, kube_name(claim), &there, e);

    if (rc == ERR_NOT_FOUND || (!rc && has_marks(there, claim)))
        return ERR_OK;
    if (rc)
        return err_wrap(e, "get %s %s", k->kind, kube_name(claim));
    AUTO_JSON patch = json_pack("{s:{s:O, s:{s:s}}}", "metadata", "labels", json_at(claim, "metadata", "labels", NULL),
                                "annotations", UID_ANNOTATION, kube_annotation(claim, UID_ANNOTATION));
    return kube_patch(m->client, &k->gvr, NULL, kube_name(claim), NULL, KUBE_PATCH_MERGE, patch, NULL, e);
}

static errc delete_claim(struct workspace_manager *m, const char *name, const char *uid, struct err *e)
{
    const struct claim_kind *k = m->settings.claim_kind;
    struct kube_delete_opts opts = { .propagation = "Background", .uid = uid };
    errc rc = kube_delete(m->client, &k->gvr, NULL, name, &opts, e);

    return rc == ERR_NOT_FOUND ? ERR_OK : rc ? err_wrap(e, "delete %s %s", k->kind, name) : ERR_OK;
}

static bool is_listed(const json_t *list, const char *name)
{
    const json_t *claim;
    size_t i;

    json_array_foreach(list, i, claim)
        if (streq(kube_name(claim), name))
            return true;
    return false;
}

/* Asked for first: what is not there needs no write. */
static errc delete_if_there(struct workspace_manager *m, const char *name, struct err *e)
{
    const struct claim_kind *k = m->settings.claim_kind;
    AUTO_JSON claim = NULL;
    errc rc = kube_get(m->client, &k->gvr, NULL, name, &claim, e);

    if (rc == ERR_NOT_FOUND)
        return ERR_OK;
    if (rc)
        return err_wrap(e, "get %s %s", k->kind, name);
    return kube_deleting(claim) ? ERR_OK : delete_claim(m, name, kube_uid(claim), e);
}

/* Those that lost their labels are found by the names that they were given. */
static errc remove_by_name(struct workspace_manager *m, const struct workspace *ws, const json_t *listed, struct err *e)
{
    for (int i = 0; i < ws->status.target_node_count; i++) {
        AUTO_MEM char *name = node_claim_name(ws, i);

        if (!is_listed(listed, name))
            TRY(delete_if_there(m, name, e));
    }
    return ERR_OK;
}

static errc remove_by_label(struct workspace_manager *m, const struct workspace *ws, json_t **out_list, struct err *e)
{
    AUTO_MEM char *selector = xasprintf(WORKSPACE_LABEL "=%.*s," WORKSPACE_NS_LABEL "=%.*s", STR_ARG(ws->meta.name), STR_ARG(ws->meta.namespace));
    const struct claim_kind *k = m->settings.claim_kind;
    const json_t *claim;
    size_t i;
    errc rc = kube_list_all(m->client, &k->gvr, NULL, &(struct kube_list_opts){ .label_selector = selector }, out_list, e);

    if (rc == ERR_NOT_FOUND)
        return ERR_OK;          /* no such kind: no such objects */
    if (rc)
        return err_wrap(e, "list %ss of the Workspace", k->kind);
    json_array_foreach(*out_list, i, claim)
        if (!kube_deleting(claim))
            TRY(delete_claim(m, kube_name(claim), kube_uid(claim), e));
    return ERR_OK;
}

errc claims_remove_unseen(struct workspace_manager *m, const struct observed *o, struct err *e)
{
    const struct workspace *ws = &o->ws;
    AUTO_JSON listed = NULL;

    if (m->settings.karpenter) {
        AUTO_BUF pool = { 0 };
        struct kube_delete_opts opts = { .propagation = "Background" };

        node_pool_name(ws, &pool);
        errc rc = o->view.node_pool ? ERR_OK : kube_delete(m->client, &pools_gvr, NULL, buf_cstr(&pool), &opts, e);

        return rc == ERR_NOT_FOUND ? ERR_OK : rc;
    }
    if (!m->claims || ws->meta.name.n > LABEL_VALUE_MAX)
        return ERR_OK;          /* never had any */
    TRY(remove_by_label(m, ws, &listed, e));
    return remove_by_name(m, ws, listed, e);
}
