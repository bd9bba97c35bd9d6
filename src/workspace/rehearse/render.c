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

/* A cloud that is never late: every claim is a Ready node at once. */
static bool make_nodes(struct stage *st)
{
    AUTO_JSON claims = stage_select(st, "NodeClaim", NULL, NULL);
    json_t *claim;
    bool made = false;
    size_t i;

    json_array_foreach(claims, i, claim) {
        if (json_object_get(claim, "status"))
            continue;
        AUTO_JSON facts = gpus_of_type(st, claim);
        const json_t *given = json_at(claim, "metadata", "labels", NULL);
        json_t *name = json_strf("node-%d", ++st->nodes_made), *labels = json_is_object(given) ? json_clone(given) : json_object();

        json_put_str(labels, "node.kubernetes.io/instance-type", json_cstr(facts, "type"));
        json_push(st->objects, json_pack("{s:s, s:s, s:{s:O, s:o}, s:{s:[{s:s, s:s}], s:{s:O*}}}", "apiVersion", "v1", "kind", "Node", "metadata",
                                         "name", name, "labels", labels, "status", "conditions", "type", "Ready", "status", "True",
                                         "capacity", "nvidia.com/gpu", json_object_get(facts, "gpus")));
        json_put(claim, "status", json_pack("{s:o, s:[{s:s, s:s}, {s:s, s:s}]}", "nodeName", name, "conditions", "type", "Initialized", "status", "True",
                                            "type", "Ready", "status", "True"));
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

static errc round_of(struct stage *st, bool *changed, struct err *e)
{
    AUTO_FREE(arena) a = arena_new();
    struct workspace ws;
    struct ws_plan plan;

    TRY(schema_decode(&workspace_v1beta1, st->ws, a, &ws, e));
    const char *ns = kube_namespace(st->ws), *name = kube_name(st->ws), *template_name = ws_template_name(&ws);
    AUTO_JSON claims = stage_select(st, "NodeClaim", WORKSPACE_LABEL, name);
    AUTO_JSON all_nodes = stage_select(st, "Node", NULL, NULL);
    AUTO_JSON nodes = json_array();
    AUTO_JSON headless = json_strf("%s-headless", name);
    json_t *node;
    size_t i;

    json_array_foreach(all_nodes, i, node)
        if (ws_node_matches(&st->settings, &ws, node))
            json_array_append(nodes, node);
    struct ws_view v = {
        .settings = &st->settings, .ws = &ws, .claims = claims, .nodes = nodes, .service = stage_find(st, "Service", ns, name),
        .headless = stage_find(st, "Service", ns, json_string_value(headless)), .statefulset = stage_find(st, "StatefulSet", ns, name),
        .job = stage_find(st, "Job", ns, name), .local_nvme_class = stage_find(st, "StorageClass", NULL, "kaito-local-nvme-disk") != NULL,
    };

    if (ws.tuning) {
        v.tuning_template = template_name ? stage_find(st, "ConfigMap", st->settings.release_namespace, template_name) : NULL;
        v.tuning_config = stage_find(st, "ConfigMap", ns, template_name ? template_name : ws.tuning->config.p ? ws.tuning->config.p : "");
        v.push_secret = ws.tuning->output && ws.tuning->output->image_push_secret.n ? stage_find(st, "Secret", ns, ws.tuning->output->image_push_secret.p) : NULL;
    }
    workspace_plan(&v, 0, &plan);
    *changed = write_plan(st, &plan);
    ws_plan_done(&plan);
    return ERR_OK;
}

errc workspace_render(const json_t *in, json_t **out, struct err *e)
{
    struct stage st;
    bool changed = true;
    errc rc = ERR_OK;

    TRY(stage_init(&st, in, e));
    json_put_str(json_sub(st.ws, "metadata"), "uid", "rehearsal");
    for (int i = 0; !rc && changed && i < ROUNDS_MAX; i++) {
        rc = round_of(&st, &changed, e);
        if (!rc && st.auto_nodes)
            changed = make_nodes(&st) || changed;
    }
    if (!rc)
        *out = json_pack("{s:O, s:{s:O*, s:O*, s:O*}}", "writes", st.writes, "workspace", "annotations", json_at(st.ws, "metadata", "annotations", NULL),
                         "finalizers", json_at(st.ws, "metadata", "finalizers", NULL), "status", json_object_get(st.ws, "status"));
    stage_done(&st);
    return rc;
}
