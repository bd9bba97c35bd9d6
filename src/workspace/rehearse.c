#include "workspace/rehearse.h"

#include "workspace/priv.h"
#include "workspace/validate.h"

#define ROUNDS_MAX 50

struct stage {
    struct workspace_settings settings;
    json_t *ws;                         /* the Workspace as stored */
    json_t *objects;                    /* the cluster */
    json_t *writes;
    bool auto_nodes;
    int nodes_made;
};

static void settings_of(const json_t *in, struct workspace_settings *s)
{
    const json_t *given = json_object_get(in, "settings");

    *s = (struct workspace_settings){
        .cloud = json_cstr(given, "cloudProvider"),
        .byo = streq(json_cstr(given, "nodeProvisioner"), "byo"),
        .preset_registry = json_cstr(given, "presetRegistry"),
        .release_namespace = json_cstr(given, "releaseNamespace"),
        .default_image_family = json_cstr(given, "defaultNodeImageFamily"),
    };
    workspace_settings_default(s);
}

static bool is_named(const json_t *object)
{
    return json_is_object(json_object_get(object, "metadata")) && str_set(kube_name(object)) && str_set(kube_kind(object));
}

static errc check_input(const json_t *in, struct err *e)
{
    static const char *const keys[] = { "object", "oldObject" };

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if ((i == 0 || json_object_get(in, keys[i])) && !is_named(json_object_get(in, keys[i])))
            return err_set(e, ERR_BAD_REQUEST, "%s: is not an object with kind and metadata.name", keys[i]);
    return ERR_OK;
}

/* The objects of `cluster` that an API server could hold. New reference. */
static json_t *cluster_of(const json_t *in)
{
    json_t *list = json_array();
    const json_t *o;
    size_t i;

    json_array_foreach(json_object_get(in, "cluster"), i, o)
        if (is_named(o))
            json_push(list, json_clone(o));
    return list;
}

/* As the API server stores it: pruned, defaulted, in a namespace. */
static json_t *stored(const json_t *object)
{
    json_t *o = json_clone(object);
    const struct type *t = streq(json_cstr(o, "apiVersion"), "kaito.sh/v1alpha1") ? &workspace_v1alpha1 : &workspace_v1beta1;

    schema_prune(t, o, NULL);
    schema_default(t, o);
    if (!str_set(kube_namespace(o)))
        json_put_str(json_sub(o, "metadata"), "namespace", "default");
    return o;
}

static json_t *find(const struct stage *st, const char *kind, const char *ns, const char *name)
{
    json_t *o;
    size_t i;

    json_array_foreach(st->objects, i, o)
        if (streq(kube_kind(o), kind) && streq(kube_name(o), name) && (!str_set(ns) || streq(kube_namespace(o), ns)))
            return o;
    return NULL;
}

/* New reference: objects of this kind that carry the label (key NULL: all). */
static json_t *select_objects(const struct stage *st, const char *kind, const char *key, const char *value)
{
    json_t *list = json_array(), *o;
    size_t i;

    json_array_foreach(st->objects, i, o)
        if (streq(kube_kind(o), kind) && (!key || streq(kube_label(o, key), value)))
            json_array_append(list, o);
    return list;
}

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
    AUTO_JSON claims = select_objects(st, "NodeClaim", NULL, NULL);
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
    json_t *have = find(st, kube_kind(object), kube_namespace(object), kube_name(object));

    record(st, have ? "update" : "create", object);
    if (have)
        json_object_update(have, (json_t *)(uintptr_t)object);
    else
        json_push(st->objects, json_clone(object));
    return true;
}

static bool remove_object(struct stage *st, const json_t *object)
{
    json_t *have = find(st, kube_kind(object), kube_namespace(object), kube_name(object)), *o;
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
        json_put_str(json_sub(json_sub(find(st, "Node", NULL, json_string_value(o)), "metadata"), "labels"), "accelerator", "nvidia");
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
    AUTO_JSON claims = select_objects(st, "NodeClaim", WORKSPACE_LABEL, name);
    AUTO_JSON all_nodes = select_objects(st, "Node", NULL, NULL);
    AUTO_JSON nodes = json_array();
    AUTO_JSON headless = json_strf("%s-headless", name);
    json_t *node;
    size_t i;

    json_array_foreach(all_nodes, i, node)
        if (ws_node_matches(&st->settings, &ws, node))
            json_array_append(nodes, node);
    struct ws_view v = {
        .settings = &st->settings, .ws = &ws, .claims = claims, .nodes = nodes, .service = find(st, "Service", ns, name),
        .headless = find(st, "Service", ns, json_string_value(headless)), .statefulset = find(st, "StatefulSet", ns, name),
        .job = find(st, "Job", ns, name), .local_nvme_class = find(st, "StorageClass", NULL, "kaito-local-nvme-disk") != NULL,
    };

    if (ws.tuning) {
        v.tuning_template = template_name ? find(st, "ConfigMap", st->settings.release_namespace, template_name) : NULL;
        v.tuning_config = find(st, "ConfigMap", ns, template_name ? template_name : ws.tuning->config.p ? ws.tuning->config.p : "");
        v.push_secret = ws.tuning->output && ws.tuning->output->image_push_secret.n ? find(st, "Secret", ns, ws.tuning->output->image_push_secret.p) : NULL;
    }
    workspace_plan(&v, 0, &plan);
    *changed = write_plan(st, &plan);
    ws_plan_done(&plan);
    return ERR_OK;
}

errc workspace_render(const json_t *in, json_t **out, struct err *e)
{
    TRY(check_input(in, e));
    struct stage st = { .ws = stored(json_object_get(in, "object")), .objects = cluster_of(in), .writes = json_array(),
                        .auto_nodes = json_flag(in, "autoNodes", true) };
    bool changed = true;
    errc rc = ERR_OK;

    settings_of(in, &st.settings);
    json_put_str(json_sub(st.ws, "metadata"), "uid", "rehearsal");
    for (int i = 0; !rc && changed && i < ROUNDS_MAX; i++) {
        rc = round_of(&st, &changed, e);
        if (!rc && st.auto_nodes)
            changed = make_nodes(&st) || changed;
    }
    if (!rc)
        *out = json_pack("{s:O, s:{s:O*, s:O*, s:O*}}", "writes", st.writes, "workspace", "annotations", json_at(st.ws, "metadata", "annotations", NULL),
                         "finalizers", json_at(st.ws, "metadata", "finalizers", NULL), "status", json_object_get(st.ws, "status"));
    json_decref(st.ws);
    json_decref(st.objects);
    json_decref(st.writes);
    return rc;
}

static const json_t *config_in(const json_t *cluster, struct str ns, struct str name)
{
    const json_t *o;
    size_t i;

    json_array_foreach(cluster, i, o) {
        const char *have_ns = kube_namespace(o);

        if (streq(kube_kind(o), "ConfigMap") && kube_name(o) && str_is(name, kube_name(o)) && str_is(ns, str_set(have_ns) ? have_ns : "default"))
            return o;
    }
    return NULL;
}

static json_t *refusal(const char *stage, const char *prefix, const char *message)
{
    return json_pack("{s:b, s:s, s:o}", "allowed", 0, "stage", stage, "message", json_strf("%s%s", prefix, message));
}

/* The schema's own answer, in the API server's frame; NULL: it has no objection. */
static json_t *schema_refusal(const json_t *object, const json_t *old)
{
    const struct type *t = streq(json_cstr(object, "apiVersion"), "kaito.sh/v1alpha1") ? &workspace_v1alpha1 : &workspace_v1beta1;
    AUTO_FIELD_ERRORS problems = { 0 };
    AUTO_BUF text = { 0 }, prefix = { 0 };

    schema_validate(t, object, old, &problems);
    if (problems.n == 0)
        return NULL;
    field_errors_text(&problems, &text);
    buf_addf(&prefix, "Workspace.kaito.sh \"%s\" is invalid: ", kube_name(object));
    return refusal("schema", buf_cstr(&prefix), buf_cstr(&text));
}

errc workspace_check(const json_t *in, json_t **out, struct err *e)
{
    TRY(check_input(in, e));
    const json_t *old_given = json_object_get(in, "oldObject");
    AUTO_JSON cluster = cluster_of(in);
    AUTO_FREE(arena) a = arena_new();
    AUTO_JSON object = stored(json_object_get(in, "object"));
    AUTO_JSON old_object = old_given ? stored(old_given) : NULL;
    struct workspace_settings settings;
    struct workspace ws, old;
    AUTO_BUF errors = { 0 };

    settings_of(in, &settings);
    *out = schema_refusal(object, old_object);
    if (*out)
        return ERR_OK;
    TRY(schema_decode(&workspace_v1beta1, object, a, &ws, e));
    if (old_object)
        TRY(schema_decode(&workspace_v1beta1, old_object, a, &old, e));
    struct ws_validate_env env = { .settings = &settings };
    const char *template_name = ws_template_name(&ws);

    if (template_name)
        env.tuning_template = config_in(cluster, str_of(settings.release_namespace), str_of(template_name));
    else if (ws.tuning)
        env.tuning_config = config_in(cluster, ws.meta.namespace, ws.tuning->config);
    if (workspace_validate(old_object ? WS_UPDATE : WS_CREATE, old_object ? &old : NULL, &ws, &env, &errors))
        *out = refusal("webhook", "validation failed: ", buf_cstr(&errors));
    else
        *out = json_pack("{s:b, s:O}", "allowed", 1, "defaulted", object);
    return ERR_OK;
}
