/*
 * Machines of Workspaces that are gone. A claim may be made before its Workspace has the finalizer that would wait for it, and may arrive after its
 * sender has died: what we made says for which Workspace (UID_ANNOTATION), and goes when the API has no such Workspace. What has no such mark is
 * not ours to delete.
 */
#include "workspace/manager.h"
#include "workspace/priv.h"

#include "base/log.h"
#include "base/mem.h"

static const struct kube_gvr workspaces = { "kaito.sh", "v1beta1", "workspaces" }, pools_gvr = { "karpenter.sh", "v1", "nodepools" };

json_t *machine_marked(const json_t *object, const struct workspace *ws)
{
    json_t *marked = json_clone(object);

    json_put(json_sub(json_sub(marked, "metadata"), "annotations"), UID_ANNOTATION, json_strn(ws->meta.uid));
    return marked;
}

static bool is_stray(const json_t *machine, const char *uid)
{
    const char *mark = kube_annotation(machine, UID_ANNOTATION);

    return str_set(mark) && !streq(mark, uid) && !kube_deleting(machine);
}

/* What was made for a Workspace of this name, but for another one than that of this uid (NULL: than any). New reference. */
static json_t *strays_of(const struct workspace_manager *m, const struct key *key, const char *uid)
{
    bool pools = m->settings.karpenter;
    struct informer *machines = pools ? m->node_pools : m->claims;
    AUTO_JSON labels = json_pack("{s:s, s:s}", pools ? POOL_NAME_LABEL : WORKSPACE_LABEL, key->name, pools ? POOL_NS_LABEL : WORKSPACE_NS_LABEL, key->ns);
    json_t *list = machines ? informer_list_labels(machines, NULL, labels) : json_array();

    for (size_t i = json_array_size(list); i-- > 0;)
        if (!is_stray(json_array_get(list, i), uid))
            json_array_remove(list, i);
    return list;
}

/*
 * The cache may be late, so the API is asked: for a list, because an empty one says that there is no such Workspace, where NOT_FOUND may also mean
 * that the API does not serve the kind just now. NULL in *out: none.
 */
static errc uid_now(struct workspace_manager *m, const struct key *key, char **out, struct err *e)
{
    AUTO_MEM char *selector = xasprintf("metadata.name=%s", key->name);
    AUTO_JSON list = NULL;

    if (kube_list_all(m->client, &workspaces, key->ns, &(struct kube_list_opts){ .field_selector = selector }, &list, e))
        return err_wrap(e, "look for Workspace %s/%s", key->ns, key->name);
    *out = xstrdup(kube_uid(json_array_get(list, 0)));
    return ERR_OK;
}

/* As it was seen: one that changed meanwhile may have another owner, and is looked at again. */
static errc delete_stray(struct workspace_manager *m, const struct key *key, const json_t *machine, struct err *e)
{
    const struct claim_kind *k = m->settings.claim_kind;
    const char *kind = m->settings.karpenter ? "NodePool" : k->kind;
    struct kube_delete_opts opts = { .propagation = "Background", .uid = kube_uid(machine), .resource_version = kube_resource_version(machine) };
    errc rc = kube_delete(m->client, m->settings.karpenter ? &pools_gvr : &k->gvr, NULL, kube_name(machine), &opts, e);

    if (rc)
        return rc == ERR_NOT_FOUND ? ERR_OK : err_wrap(e, "delete %s %s", kind, kube_name(machine));
    log_info("workspace", "deleted a machine of a Workspace that is gone", KV("kind", kind), KV("name", kube_name(machine)), KV("namespace", key->ns), KV("workspace", key->name),
             KV("uid", kube_annotation(machine, UID_ANNOTATION)));
    return ERR_OK;
}

/* Asked of the API first: NOT_FOUND of a write may also mean that it does not serve the kind just now. */
errc orphans_take_back(struct workspace_manager *m, const json_t *object, const json_t *made, struct err *e)
{
    const struct key *key = KEY(kube_namespace(object), kube_name(object));
    AUTO_MEM char *now = NULL;
    const json_t *claim;
    size_t i;

    TRY(uid_now(m, key, &now, e));
    if (!streq(now, kube_uid(object)))
        behind_note(m->vanished, key, kube_uid(object));        /* until the cache knows, nothing is made for it again */
    json_array_foreach(made, i, claim) {
        const struct claim_kind *k = claim_kind_of(claim);

        if (streq(now, kube_uid(object)) || !k)
            continue;
        errc rc = kube_delete(m->client, &k->gvr, NULL, kube_name(claim), &(struct kube_delete_opts){ .propagation = "Background" }, e);

        if (rc && rc != ERR_NOT_FOUND)
            return err_wrap(e, "delete %s %s", k->kind, kube_name(claim));
    }
    return ERR_OK;
}

errc orphans_remove(struct workspace_manager *m, const struct key *key, const char *uid, bool *out_some, struct err *e)
{
    AUTO_JSON strays = strays_of(m, key, uid);
    AUTO_MEM char *now = NULL;
    const json_t *machine;
    size_t i;

    *out_some = json_array_size(strays) > 0;
    if (!*out_some || !ws_looks_after(&m->settings, key->ns))
        return ERR_OK;
    TRY(uid_now(m, key, &now, e));
    json_array_foreach(strays, i, machine)
        if (is_stray(machine, now))
            TRY(delete_stray(m, key, machine, e));
    return ERR_OK;
}
