#include "workspace/rehearse/stage.h"

#include <stdlib.h>

#include "base/mem.h"

/* ---- settings ---------------------------------------------------------------------------------------------------- */

static void read_node_classes(const json_t *list, struct stage *st)
{
    const json_t *item;
    size_t i;

    st->node_classes = xcalloc(json_array_size(list) + 1, sizeof *st->node_classes);
    json_array_foreach(list, i, item) {
        st->node_classes[i] = json_cstr(item, "name");
        if (json_flag(item, "default", false))
            st->settings.default_node_class = st->node_classes[i];
    }
    st->settings.node_classes = st->node_classes;
}

static void read_settings(const json_t *in, struct stage *st)
{
    const json_t *given = json_object_get(in, "settings"), *gates = json_object_get(given, "featureGates");

    st->settings = (struct workspace_settings){
        .cloud = json_cstr(given, "cloudProvider"),
        .byo = streq(json_cstr(given, "nodeProvisioner"), "byo"),
        .karpenter = streq(json_cstr(given, "nodeProvisioner"), "karpenter"),
        .preset_registry = json_cstr(given, "presetRegistry"),
        .release_namespace = json_cstr(given, "releaseNamespace"),
        .default_image_family = json_cstr(given, "defaultNodeImageFamily"),
        .admitted = true,
        .mirror_class = json_cstr(given, "defaultModelMirrorStorageClass"),
        .streaming_account = json_cstr(given, "defaultStreamingServiceAccount"),
        .transformers_only = !json_flag(gates, "vLLM", true),
        .mig = json_flag(gates, "enableMIG", false),
        .accelerator = json_flag(gates, "enableAccelerator", false),
        .model_streaming = json_flag(gates, "ModelStreaming", false),
    };
    read_node_classes(json_object_get(given, "karpenterNodeClasses"), st);
    workspace_settings_default(&st->settings);
}

/* ---- objects ----------------------------------------------------------------------------------------------------- */

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

json_t *as_stored(const json_t *object)
{
    json_t *o = json_clone(object);
    const struct type *t = streq(json_cstr(o, "apiVersion"), "kaito.sh/v1alpha1") ? &workspace_v1alpha1 : &workspace_v1beta1;

    schema_prune(t, o, NULL);
    schema_default(t, o);
    if (!str_set(kube_namespace(o)))
        json_put_str(json_sub(o, "metadata"), "namespace", "default");
    return o;
}

errc stage_init(struct stage *st, const json_t *in, struct err *e)
{
    const json_t *o;
    size_t i;

    TRY(check_input(in, e));
    *st = (struct stage){ .ws = as_stored(json_object_get(in, "object")), .objects = json_array(), .writes = json_array(),
                          .huggingface = json_object_get(in, "huggingface"), .auto_nodes = json_flag(in, "autoNodes", true) };
    json_array_foreach(json_object_get(in, "cluster"), i, o)
        if (is_named(o))
            json_push(st->objects, json_clone(o));
    read_settings(in, st);
    return ERR_OK;
}

void stage_done(struct stage *st)
{
    json_decref(st->ws);
    json_decref(st->objects);
    json_decref(st->writes);
    free(st->node_classes);
}

static bool is_in_namespace(const json_t *object, const char *ns)
{
    const char *have = kube_namespace(object);

    return !str_set(ns) || streq(str_set(have) ? have : "default", ns);
}

json_t *stage_find(const struct stage *st, const char *kind, const char *ns, const char *name)
{
    json_t *o;
    size_t i;

    json_array_foreach(st->objects, i, o)
        if (streq(kube_kind(o), kind) && streq(kube_name(o), name) && is_in_namespace(o, ns))
            return o;
    return NULL;
}

json_t *stage_select(const struct stage *st, const char *kind, const char *key, const char *value)
{
    json_t *list = json_array(), *o;
    size_t i;

    json_array_foreach(st->objects, i, o)
        if (streq(kube_kind(o), kind) && (!key || streq(kube_label(o, key), value)))
            json_array_append(list, o);
    return list;
}

static json_t *cluster_get(void *self, const char *kind, const char *ns, const char *name)
{
    return json_incref(stage_find(self, kind, ns, name));
}

static json_t *cluster_nodes(void *self, const json_t *labels)
{
    return stage_select(self, "Node", NULL, NULL);
}

/* ---- the hub ------------------------------------------------------------------------------------------------------ */

/* The id between two known parts of the URL. */
static struct str id_of(struct str url, const char *before, const char *after)
{
    size_t at;

    if (!str_has_prefix(url, str_of(before)))
        return (struct str){ 0 };
    url = str_from(url, strlen(before));
    return str_find(url, str_of(after), &at) && at + strlen(after) == url.n ? str_n(url.p, at) : (struct str){ 0 };
}

static const json_t *entry_of(const json_t *hub, struct str id)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)hub, key, value)
        if (id.n > 0 && str_ieq(str_of(key), id))
            return value;
    return NULL;
}

static errc hub_get(void *self, const char *url, const char *token, int *status, struct buf *body, struct err *e)
{
    static const struct { const char *before, *after, *part; } files[] = {
        { "https://huggingface.co/api/models/", "/tree/main?recursive=true", "files" },
        { "https://huggingface.co/", "/resolve/main/config.json", "config" },
        { "https://huggingface.co/", "/resolve/main/params.json", "params" },
    };
    const struct stage *st = self;

    (void)e;
    *status = 404;
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        const json_t *entry = entry_of(st->huggingface, id_of(str_of(url), files[i].before, files[i].after));
        const json_t *part = json_object_get(entry, files[i].part);
        const char *wanted = json_cstr(entry, "token");

        if (!entry)
            continue;
        *status = (int)json_int(entry, "status", part ? 200 : 404);
        if (wanted && !streq(wanted, token))
            *status = 401;
        if (*status == 200)
            json_write(part, body);
        return ERR_OK;
    }
    return ERR_OK;
}

struct model_hub stage_hub(struct stage *st)
{
    return (struct model_hub){ hub_get, st };
}

struct ws_cluster stage_cluster(struct stage *st, const struct model_hub *hub)
{
    return (struct ws_cluster){ cluster_get, cluster_nodes, st, hub };
}
