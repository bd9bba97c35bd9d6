/* Questions that several planners ask about objects. */
#include "workspace/priv.h"

#include "base/hash.h"
#include <stdlib.h>

#include "base/mem.h"

bool node_is_ready(const json_t *node)
{
    return kube_condition_is(node, "Ready", "True") && !kube_deleting(node);
}

int64_t node_gpus(const json_t *node)
{
    const json_t *q = json_at(node, "status", "capacity", "nvidia.com/gpu", NULL);

    if (json_is_integer(q))
        return json_integer_value(q);
    return json_is_string(q) ? quantity_value(json_to_str(q), 0) : 0;
}

const char *secret_value(const json_t *secret, const char *key, struct arena *a)
{
    const char *plain = json_str_at(secret, "stringData", key, NULL), *coded = json_str_at(secret, "data", key, NULL);
    AUTO_BUF text = { 0 };

    if (plain)
        return arena_strdup(a, plain);
    return coded && base64_decode(str_of(coded), &text) ? arena_strdup(a, buf_cstr(&text)) : NULL;
}

void go_path_join(const char *base, struct str path, struct buf *out)
{
    struct str parts[] = { str_of(base), path }, part;

    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        while (str_next(&parts[i], '/', &part)) {
            if (part.n == 0 || str_is(part, "."))
                continue;
            if (!str_is(part, "..")) {
                buf_addf(out, "/%.*s", STR_ARG(part));
                continue;
            }
            const char *slash = strrchr(buf_cstr(out), '/');

            if (slash)
                buf_truncate(out, (size_t)(slash - out->p));
        }
    if (out->n == 0)
        buf_addc(out, '/');
}

json_t *clone_object(const json_t *j)
{
    return json_is_object(j) ? json_clone(j) : json_object();
}

struct str ws_annotation(const struct workspace *ws, const char *key)
{
    return str_map_get(&ws->meta.annotations, key);
}

struct str ws_instance_type(const struct workspace *ws)
{
    return ws->resource ? ws->resource->instance_type : (struct str){ 0 };
}

struct str ws_preset_name(const struct workspace *ws)
{
    const struct ws_preset *p = ws->inference ? ws->inference->preset : ws->tuning ? ws->tuning->preset : NULL;

    return p ? p->name : (struct str){ 0 };
}

const struct preset *ws_preset(const struct workspace *ws)
{
    return preset_find(ws_preset_name(ws));
}

bool ws_is_annotated_native(const struct workspace *ws)
{
    return str_is(ws_annotation(ws, RUNTIME_ANNOTATION), "native");
}

bool ws_runs_transformers(const struct workspace_settings *s, const struct workspace *ws)
{
    return !ws_is_annotated_native(ws) && (s->transformers_only || str_is(ws_annotation(ws, RUNTIME_ANNOTATION), "transformers"));
}

bool ws_streams_model(const struct workspace_settings *s, const struct workspace *ws)
{
    return s->model_streaming && ws->inference && ws->inference->preset && !ws_runs_transformers(s, ws) && !ws_is_annotated_native(ws) &&
           !str_is(ws_annotation(ws, STREAMING_ANNOTATION), "disabled");
}

bool ws_uses_local_weights(const struct workspace *ws)
{
    return str_is(ws_annotation(ws, LOCAL_WEIGHTS_ANNOTATION), "true");
}

void local_weights_path(const struct workspace *ws, struct buf *out)
{
    struct str name = ws_preset_name(ws);

    buf_adds(out, "/opt/kaito/models/");
    for (size_t i = 0; i < name.n; i++)
        buf_addc(out, name.p[i] == '/' || name.p[i] == '\\' ? '-' : name.p[i] >= 'A' && name.p[i] <= 'Z' ? (char)(name.p[i] + 32) : name.p[i]);
}

bool ws_node_class_is_ours(const struct workspace_settings *s, struct str name)
{
    for (size_t i = 0; s->node_classes && s->node_classes[i]; i++)
        if (str_is(name, s->node_classes[i]))
            return true;
    return false;
}

struct str ws_node_class(const struct workspace_settings *s, const struct workspace *ws)
{
    struct str asked = ws_annotation(ws, NODE_CLASS_ANNOTATION);

    return asked.n > 0 ? asked : str_of(s->default_node_class ? s->default_node_class : "default");
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void ws_node_classes_list(const struct workspace_settings *s, struct buf *out)
{
    size_t n = 0;

    while (s->node_classes && s->node_classes[n])
        n++;
    AUTO_MEM const char **names = xcalloc(n + 1, sizeof *names);

    if (n > 0)
        memcpy(names, s->node_classes, n * sizeof *names);
    qsort(names, n, sizeof *names, by_text);
    for (size_t i = 0; i < n; i++)
        buf_addf(out, "%s%s", i ? " " : "", names[i]);
}

errc gpu_labels_read(const json_t *node, struct gpu_labels *out, struct buf *why)
{
    const char *product = kube_label(node, "nvidia.com/gpu.product"), *count = kube_label(node, "nvidia.com/gpu.count");
    const char *memory = kube_label(node, "nvidia.com/gpu.memory");
    int64_t mib = 0;

    *out = (struct gpu_labels){ .product = product };
    if (!product || !count || !memory)
        buf_addf(why, "missing required nvidia.com labels on node %s", kube_name(node));
    else if (!str_to_i64(str_of(count), &out->count) || out->count < 1)
        buf_addf(why, "invalid nvidia.com/gpu.count value on node %s: %s", kube_name(node), count);
    else if (!str_to_i64(str_of(memory), &mib) || mib < 1)
        buf_addf(why, "invalid nvidia.com/gpu.memory value on node %s: %s", kube_name(node), memory);
    out->node_gib = (int64_t)((double)mib / 1024 + 0.5) * out->count;
    return why->n > 0 ? ERR_INVALID : ERR_OK;
}

bool label_is_reserved(struct str key)
{
    static const char *const reserved[] = {
        "kaito.sh/workspace", "kaito.sh/workspacenamespace", "kaito.sh/ragengine", "kaito.sh/ragenginenamespace",
        "karpenter.kaito.sh/workspace-name", "karpenter.kaito.sh/workspace-namespace",
        "karpenter.kaito.sh/inferenceset", "karpenter.kaito.sh/inferenceset-namespace",
    };

    for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
        if (str_is(key, reserved[i]))
            return true;
    return false;
}

json_t *ws_node_labels(const struct workspace_settings *s, const struct workspace *ws)
{
    const struct label_selector *sel = ws->resource ? ws->resource->label_selector : NULL;
    json_t *labels = json_object();

    for (size_t i = 0; sel && i < sel->match_labels.n; i++)
        if (!label_is_reserved(sel->match_labels.items[i].key))
            json_put(labels, sel->match_labels.items[i].key.p, json_strn(sel->match_labels.items[i].value));
    if (s->byo)
        return labels;
    json_put(labels, s->karpenter ? POOL_NAME_LABEL : WORKSPACE_LABEL, json_strn(ws->meta.name));
    json_put(labels, s->karpenter ? POOL_NS_LABEL : WORKSPACE_NS_LABEL, json_strn(ws->meta.namespace));
    return labels;
}

void ws_machine_selector(const struct workspace_settings *s, struct buf *out)
{
    buf_adds(out, s->karpenter ? POOL_NAME_LABEL : WORKSPACE_LABEL);
    if (!s->namespaces)
        return;
    buf_addf(out, ",%s in (", s->karpenter ? POOL_NS_LABEL : WORKSPACE_NS_LABEL);
    for (size_t i = 0; s->namespaces[i]; i++)
        buf_addf(out, "%s%s", i ? "," : "", s->namespaces[i]);
    buf_addc(out, ')');
}

bool ws_looks_after(const struct workspace_settings *s, const char *ns)
{
    const char *const *one = s->namespaces;

    while (one && *one && !streq(*one, ns))
        one++;
    return !one || *one;
}

bool ws_node_matches(const struct workspace_settings *s, const struct workspace *ws, const json_t *node)
{
    AUTO_JSON labels = ws_node_labels(s, ws);

    return json_object_size(labels) == 0 || kube_map_matches(labels, json_at(node, "metadata", "labels", NULL));
}

bool ws_node_is_claimed(const struct workspace_settings *s, const json_t *node) { return kube_label(node, s->claim_kind->pool_label) != NULL; }

const char *ws_template_name(const struct workspace *ws)
{
    if (!ws->tuning || ws->tuning->config.n > 0)
        return NULL;
    if (str_ieq(ws->tuning->method, STR("lora")))
        return "lora-params-template";
    return str_ieq(ws->tuning->method, STR("qlora")) ? "qlora-params-template" : NULL;
}

void workspace_settings_default(struct workspace_settings *s)
{
    if (!s->claim_kind)
        s->claim_kind = &claim_kind_node_claim;
    if (!str_set(s->cloud))
        s->cloud = "azure";
    if (!str_set(s->runtime_image))
        s->runtime_image = "kaito/kaito-runtime:" KAITO_VERSION;
    if (!str_set(s->preset_registry))
        s->preset_registry = "mcr.microsoft.com/aks/kaito";
    if (!str_set(s->release_namespace))
        s->release_namespace = "kaito-workspace";
    if (!str_set(s->model_cache_dir))
        s->model_cache_dir = "/var/lib/kaito/models";
    if (!str_set(s->node_class_group))
        s->node_class_group = "karpenter.azure.com";
    if (!str_set(s->node_class_kind))
        s->node_class_kind = "AKSNodeClass";
    if (!str_set(s->node_class_version))
        s->node_class_version = "v1beta1";
    if (!str_set(s->node_class_resource))
        s->node_class_resource = "aksnodeclasses";
    if (!s->default_node_class && s->node_classes)
        s->default_node_class = s->node_classes[0];
}
