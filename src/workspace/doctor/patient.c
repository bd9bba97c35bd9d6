/* Reads the facts: which objects belong to the Workspace, and in which mode its manager works. */
#include "workspace/doctor/priv.h"

static bool is_labelled(const json_t *o, const char *name_key, const char *ns_key, const struct patient *p)
{
    return streq(kube_label(o, name_key), p->name) && (!ns_key || streq(kube_label(o, ns_key), p->ns));
}

static json_t *own_claims(const json_t *all, const struct patient *p, bool *karpenter)
{
    json_t *mine = json_array(), *o;
    size_t i;

    json_array_foreach(all, i, o) {
        bool pool = is_labelled(o, POOL_NAME_LABEL, POOL_NS_LABEL, p);

        *karpenter = *karpenter || pool;
        if (pool || is_labelled(o, WORKSPACE_LABEL, WORKSPACE_NS_LABEL, p))
            json_array_append(mine, o);
    }
    return mine;
}

static json_t *own_pods(const json_t *all, const struct patient *p)
{
    json_t *mine = json_array(), *o;
    size_t i;

    json_array_foreach(all, i, o)
        if (streq(kube_namespace(o), p->ns) && streq(kube_label(o, WORKSPACE_LABEL), p->name))
            json_array_append(mine, o);
    return mine;
}

static json_t *own_nodes(const json_t *all, const struct patient *p)
{
    json_t *mine = json_array(), *o;
    size_t i;

    json_array_foreach(all, i, o)
        if (ws_node_matches(&p->settings, &p->ws, o))
            json_array_append(mine, o);
    return mine;
}

errc patient_read(const json_t *facts, int64_t now_ms, struct arena *a, struct patient *out, struct err *e)
{
    struct patient *p = out;

    *p = (struct patient){ .ws_json = json_object_get(facts, "workspace"), .now_ms = now_ms, .statefulset = json_object_get(facts, "statefulset"),
                           .job = json_object_get(facts, "job"), .events = json_object_get(facts, "events"), .logs = json_object_get(facts, "logs") };
    p->ns = kube_namespace(p->ws_json);
    p->name = kube_name(p->ws_json);
    TRY(schema_decode(&workspace_v1beta1, p->ws_json, a, &p->ws, e));
    p->claims = own_claims(json_object_get(facts, "claims"), p, &p->settings.karpenter);
    json_arena_own(a, p->claims);
    p->settings.byo = json_array_size(p->claims) == 0 && !kube_condition(p->ws_json, "NodeClaimReady");
    workspace_settings_default(&p->settings);
    p->pods = own_pods(json_object_get(facts, "pods"), p);
    json_arena_own(a, p->pods);
    p->nodes = own_nodes(json_object_get(facts, "nodes"), p);
    json_arena_own(a, p->nodes);
    return ERR_OK;
}
