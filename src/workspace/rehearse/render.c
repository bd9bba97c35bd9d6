#include "workspace/rehearse.h"

#include "workspace/rehearse/stage.h"

#define ROUNDS_MAX 50

static json_t *gpus_of_type(const struct stage *st, const json_t *claim)
{
    const json_t *r;
    size_t i;

    json_array_foreach(json_at(claim, "spec", "requirements", NULL), i, r)
        if (streq(json_cstr(r, "key"), "node.kubernetes.io/instance-type")) {
            const char *type = json_string_value(json_array_get(json_object_get(r, "values"), 0));
            const struct sku *sku = sku_find(st->settings.cloud, str_of(type));

            if (!type)
                break;
            return json_pack("{s:s, s:o}", "type", type, "gpus", json_strf("%d", sku && !sku->legacy ? sku->gpus : 1));
        }
    return json_object();
}

static void make_node(struct stage *st, json_t *claim)
{
    AUTO_JSON facts = gpus_of_type(st, claim);
    const json_t *given = json_at(claim, "metadata", "labels", NULL);
    json_t *name = json_strf("node-%d", ++st->nodes_made), *labels = json_is_object(given) ? json_clone(given) : json_object();

    json_put_str(labels, "node.kubernetes.io/instance-type", json_cstr(facts, "type"));
    json_push(st->objects, json_pack("{s:s, s:s, s:{s:O, s:o}, s:{s:[{s:s, s:s}], s:{s:O*}}}", "apiVersion", "v1", "kind", "Node", "metadata",
                                     "name", name, "labels", labels, "status", "conditions", "type", "Ready", "status", "True",
                                     "capacity", "nvidia.com/gpu", json_object_get(facts, "gpus")));
    json_put(claim, "status", json_pack("{s:o, s:[{s:s, s:s}, {s:s, s:s}]}", "nodeName", name, "conditions", "type", "Initialized", "status", "True",
                                        "type", "Ready", "status", "True"));
}

/* Karpenter's part: as many claims as a NodePool has replicas. */
static void make_claims_of_pools(struct stage *st)
{
    AUTO_JSON pools = stage_select(st, "NodePool", NULL, NULL);
    const json_t *pool;
    size_t i;

    json_array_foreach(pools, i, pool) {
        AUTO_JSON have = stage_select(st, "NodeClaim", "karpenter.sh/nodepool", kube_name(pool));
        const json_t *template = json_at(pool, "spec", "template", NULL);
        int64_t replicas = json_int(json_object_get(pool, "spec"), "replicas", 0);

        for (int64_t n = (int64_t)json_array_size(have); n < replicas; n++) {
            json_t *labels = json_clone(json_at(template, "metadata", "labels", NULL));

            json_put_str(labels, "karpenter.sh/nodepool", kube_name(pool));
            json_push(st->objects, json_pack("{s:s, s:s, s:{s:o, s:o}, s:o}", "apiVersion", "karpenter.sh/v1", "kind", "NodeClaim",
                                             "metadata", "name", json_strf("%s-%lld", kube_name(pool), (long long)n), "labels", labels,
                                             "spec", json_clone(json_object_get(template, "spec"))));
        }
    }
}

/* A cloud that is never late: every claim is a Ready node at once. */
static bool make_nodes(struct stage *st)
{
    make_claims_of_pools(st);
    AUTO_JSON claims = stage_select(st, "NodeClaim", NULL, NULL);
    json_t *claim;
    bool made = false;
    size_t i;

    json_array_foreach(claims, i, claim)
        if (!json_object_get(claim, "status")) {
            make_node(st, claim);
            made = true;
        }
    return made;
}

static void record(struct stage *st, const char *verb, const json_t *object)
{
    json_push(st->writes, json_pack("{s:s, s:o}", "verb", verb, "object", json_clone(object)));
}

static bool apply_object(struct stage *st, const json_t *object)
{
    json_t *have = stage_find(st, kube_kind(object), kube_namespace(object), kube_name(object));

    record(st, have ? "update" : "create", object);
    if (have)
        json_object_update(have, (json_t *)(uintptr_t)object);
    else
        json_push(st->objects, json_clone(object));
    return true;
}

static bool remove_object(struct stage *st, const json_t *object)
{
    json_t *have = stage_find(st, kube_kind(object), kube_namespace(object), kube_name(object)), *o;
    size_t i;

    record(st, "delete", object);
    json_array_foreach(st->objects, i, o)
        if (o == have) {
            json_array_remove(st->objects, i);
            return true;
        }
    return false;
}

static bool write_plan(struct stage *st, const struct ws_plan *p)
{
    json_t *meta = json_sub(st->ws, "metadata");
    const json_t *o;
    bool changed = p->add_finalizer || p->annotations || p->status;
    size_t i;

    if (p->add_finalizer)
        json_put(meta, "finalizers", json_pack("[s]", WORKSPACE_FINALIZER));
    if (p->annotations)
        json_object_update(json_sub(meta, "annotations"), p->annotations);
    json_array_foreach(p->create, i, o)
        if (!stage_find(st, kube_kind(o), kube_namespace(o), kube_name(o)))
            changed = apply_object(st, o);
    json_array_foreach(p->apply, i, o)
        changed = apply_object(st, o);
    json_array_foreach(p->remove, i, o)
        changed = remove_object(st, o) || changed;
    json_array_foreach(p->label_nodes, i, o) {
        json_put_str(json_sub(json_sub(stage_find(st, "Node", NULL, json_string_value(o)), "metadata"), "labels"), "accelerator", "nvidia");
        changed = true;
    }
    if (p->status)
        json_put(st->ws, "status", json_incref(p->status));
    return changed;
}

static json_t *named(const struct stage *st, const char *kind, const char *ns, struct str name)
{
    AUTO_BUF text = { 0 };

    buf_addstr(&text, name);
    return name.n > 0 ? stage_find(st, kind, ns, buf_cstr(&text)) : NULL;
}

static json_t *config_map(const struct stage *st, const char *ns, struct str name)
{
    return named(st, "ConfigMap", ns, name);
}

static void see_configs(struct stage *st, const struct workspace *ws, struct ws_view *v)
{
    const char *ns = kube_namespace(st->ws), *template_name = ws_template_name(ws);

    if (ws->inference)
        v->inference_config = config_map(st, ns, ws->inference->config);
    if (!ws->tuning)
        return;
    v->tuning_template = template_name ? stage_find(st, "ConfigMap", st->settings.release_namespace, template_name) : NULL;
    v->tuning_config = config_map(st, ns, template_name ? str_of(template_name) : ws->tuning->config);
    if (ws->tuning->output && ws->tuning->output->image_push_secret.n)
        v->push_secret = stage_find(st, "Secret", ns, ws->tuning->output->image_push_secret.p);
}

/* Needs the model. */
static void see_stream(struct stage *st, struct ws_view *v)
{
    const char *ns = kube_namespace(st->ws);
    AUTO_BUF mirror = { 0 };

    if (!v->model || !ws_streams_model(v->settings, v->ws))
        return;
    stream_mirror_name(ws_preset_name(v->ws), &mirror);
    v->mirror = stage_find(st, "ModelMirror", NULL, buf_cstr(&mirror));
    const char *claims_ns = json_str_at(v->mirror, "spec", "jobNamespace", NULL);

    v->mirror_claim = stage_find(st, "PersistentVolumeClaim", claims_ns ? claims_ns : ns, buf_cstr(&mirror));
    v->mirror_volume = named(st, "PersistentVolume", NULL, str_of(json_str_at(v->mirror_claim, "spec", "volumeName", NULL)));
    v->mirror_class = named(st, "StorageClass", NULL, stream_class_name(v));
    v->stream_account = named(st, "ServiceAccount", ns, stream_account_name(v));
}

static json_t *matching_nodes(const struct stage *st, const struct workspace *ws)
{
    AUTO_JSON all = stage_select(st, "Node", NULL, NULL);
    json_t *list = json_array(), *node;
    size_t i;

    json_array_foreach(all, i, node)
        if (ws_node_matches(&st->settings, ws, node))
            json_array_append(list, node);
    return list;
}

/* One reconcile. *failed says what it could not do; empty: nothing. */
static errc round_of(struct stage *st, bool *changed, struct buf *failed, struct err *e)
{
    AUTO_FREE(arena) a = arena_new();
    struct model_hub hub = stage_hub(st);
    struct ws_cluster cluster = stage_cluster(st, &hub);
    struct workspace ws;
    struct ws_plan plan;
    AUTO_BUF pool = { 0 };

    TRY(schema_decode(&workspace_v1beta1, st->ws, a, &ws, e));
    const char *ns = kube_namespace(st->ws), *name = kube_name(st->ws);
    AUTO_JSON claims = stage_select(st, "NodeClaim", st->settings.karpenter ? POOL_NAME_LABEL : WORKSPACE_LABEL, name);
    AUTO_JSON nodes = matching_nodes(st, &ws);
    AUTO_JSON headless = json_strf("%s-headless", name);
    struct ws_view v = {
        .settings = &st->settings, .ws = &ws, .claims = claims, .nodes = nodes, .service = stage_find(st, "Service", ns, name),
        .headless = stage_find(st, "Service", ns, json_string_value(headless)), .statefulset = stage_find(st, "StatefulSet", ns, name),
        .job = stage_find(st, "Job", ns, name), .local_nvme_class = stage_find(st, "StorageClass", NULL, "kaito-local-nvme-disk") != NULL,
    };

    AUTO_JSON revisions = stage_select(st, "ControllerRevision", "workspace.kaito.io/name", name);
    v.revisions = revisions;
    node_pool_name(&ws, &pool);
    v.node_pool = stage_find(st, "NodePool", NULL, buf_cstr(&pool));
    see_configs(st, &ws, &v);
    ws_model_look_up(&cluster, &ws, a, &v.model, &v.model_problem);
    see_stream(st, &v);
    workspace_plan(&v, 0, &plan);
    *changed = write_plan(st, &plan);
    buf_clear(failed);
    if (plan.error.code)
        buf_adds(failed, plan.error.text);
    ws_plan_done(&plan);
    return ERR_OK;
}

/* What the controller keeps in the Workspace itself. */
static json_t *workspace_now(const struct stage *st)
{
    AUTO_JSON now = json_pack("{s:O*, s:O*, s:O*}", "annotations", json_at(st->ws, "metadata", "annotations", NULL),
                              "finalizers", json_at(st->ws, "metadata", "finalizers", NULL), "status", json_object_get(st->ws, "status"));

    return json_clone(now);
}

/* Until nothing changes any more: {writes, error, workspace}. New reference. */
static errc settle(struct stage *st, json_t **out, struct err *e)
{
    AUTO_BUF failed = { 0 };
    bool changed = true;

    for (int i = 0; changed && i < ROUNDS_MAX; i++) {
        TRY(round_of(st, &changed, &failed, e));
        if (st->auto_nodes)
            changed = make_nodes(st) || changed;
    }
    *out = json_pack("{s:o, s:o}", "writes", st->writes, "workspace", workspace_now(st));
    st->writes = json_array();
    if (failed.n > 0)
        json_put_str(*out, "error", buf_cstr(&failed));
    return ERR_OK;
}

/* A user's later version: its spec and labels replace, its annotations join. */
static void update_workspace(struct stage *st, const json_t *given)
{
    static const char *const parts[] = { "resource", "inference", "tuning" };
    AUTO_JSON next = as_stored(given);
    json_t *meta = json_sub(st->ws, "metadata"), *annotations = json_at(next, "metadata", "annotations", NULL), *labels = json_at(next, "metadata", "labels", NULL);

    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (json_object_get(next, parts[i]))
            json_put(st->ws, parts[i], json_incref(json_object_get(next, parts[i])));
        else
            json_object_del(st->ws, parts[i]);
    json_object_update(json_sub(meta, "annotations"), annotations);
    if (labels)
        json_put(meta, "labels", json_incref(labels));
    else
        json_object_del(meta, "labels");
}

static errc play(struct stage *st, const json_t *in, json_t **out, struct err *e)
{
    const json_t *updates = json_object_get(in, "updates"), *update;
    json_t *after = json_array(), *one = NULL;
    errc rc = settle(st, out, e);
    size_t i;

    json_array_foreach(updates, i, update) {
        if (rc)
            break;
        update_workspace(st, update);
        rc = settle(st, &one, e);
        if (!rc)
            json_push(after, one);
    }
    if (rc) {
        json_decref(after);
        return rc;
    }
    json_put(*out, "afterUpdates", after);
    return ERR_OK;
}

errc workspace_render(const json_t *in, json_t **out, struct err *e)
{
    struct stage st;

    TRY(stage_init(&st, in, e));
    json_put_str(json_sub(st.ws, "metadata"), "uid", "rehearsal");
    errc rc = play(&st, in, out, e);

    stage_done(&st);
    return rc;
}
