/* Pieces of pods that upstream's images share, and what a node gives to one (dossier 6.2, 8.3). */
#include "workspace/render.h"

#include <stdlib.h>

#include "catalog/partition.h"

json_t *str_json(struct str s)
{
    return json_strn(s.p ? s : STR(""));
}

void lower_add(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        buf_addc(out, (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + 32 : s.p[i]));
}

void pod_parts_init(struct pod_parts *p)
{
    *p = (struct pod_parts){ json_array(), json_array(), json_array(), json_array(), json_array() };
}

void env_add(json_t *env, const char *name, const char *value)
{
    json_push(env, PACK("{s:s, s:s}", "name", name, "value", value));
}

void env_field(json_t *env, const char *name, const char *path)
{
    json_push(env, PACK("{s:s, s:{s:{s:s}}}", "name", name, "valueFrom", "fieldRef", "fieldPath", path));
}

void volume_add(struct pod_parts *p, const char *name, json_t *source, const char *path, bool read_only)
{
    json_t *m = PACK("{s:s, s:s}", "name", name, "mountPath", path);

    if (read_only)
        json_put_bool(m, "readOnly", true);
    json_push(p->mounts, m);
    if (!source)
        return;
    json_put_str(source, "name", name);
    json_push(p->volumes, source);
}

json_t *base_image(const struct ws_view *v)
{
    return json_strf("%s/kaito-base:" BASE_TAG, v->settings->preset_registry);
}

json_t *pod_labels(const struct ws_view *v)
{
    static const char *const copied[] = { SET_LABEL, GROUP_LABEL, ROLE_LABEL };
    json_t *l = PACK("{s:o}", WORKSPACE_LABEL, str_json(v->ws->meta.name));

    for (size_t i = 0; i < ARRAY_LEN(copied); i++) {
        struct str value = str_map_get(&v->ws->meta.labels, copied[i]);

        if (value.p)
            json_put(l, copied[i], str_json(value));
    }
    return l;
}

json_t *resources_of(const struct gpu_share *gpu)
{
    json_t *n = json_strf("%lld", (long long)gpu->count);

    return PACK("{s:{s:O}, s:{s:o}}", "requests", gpu->resource, n, "limits", gpu->resource, n);
}

json_t *docker_configs(const struct str *secrets, size_t n, const char *path)
{
    json_t *sources = json_array();

    for (size_t i = 0; i < n; i++) {
        json_t *file = path ? json_string(path) : json_strf("%.*s.json", STR_ARG(secrets[i]));

        json_push(sources, PACK("{s:{s:o, s:[{s:s, s:o}]}}", "secret", "name", str_json(secrets[i]), "items", "key", ".dockerconfigjson", "path", file));
    }
    return PACK("{s:{s:o}}", "projected", "sources", sources);
}

/* ---- what a node gives --------------------------------------------------------------------------------------------- */

const json_t *first_ready_node(const struct ws_view *v)
{
    const json_t *node;
    size_t i;

    json_array_foreach(v->nodes, i, node)
        if (node_is_ready(node))
            return node;
    return NULL;
}

static errc share_of_mig(const struct ws_partition *p, struct gpu_share *out, struct err *e)
{
    struct mig_profile profile;

    if (mig_profile_parse(p->profile, &profile, e))
        return err_wrap(e, "failed to get GPU config: invalid MIG profile");
    *out = (struct gpu_share){ .count = 1, .mem_gib = profile.mem_gib, .mig = true };
    snprintf(out->resource, sizeof out->resource, "nvidia.com/mig-%.*s", (int)(p->profile.n > 40 ? 40 : p->profile.n), p->profile.p);
    return ERR_OK;
}

/* The user's own node, from its labels, else from what it reports. */
static errc share_of_node(const struct ws_view *v, struct gpu_share *out, struct err *e)
{
    const json_t *node = first_ready_node(v);
    const char *mig = kube_label(node, "nvidia.com/mig.config");
    struct gpu_labels labels;
    AUTO_BUF why = { 0 };

    if (!node)
        return err_set(e, ERR_UNAVAILABLE, "no ready nodes found, unable to determine GPU configuration");
    if (gpu_labels_read(node, &labels, &why))
        labels = (struct gpu_labels){ "", node_gpus(node), 0 };
    out->count = labels.count;
    out->mem_gib = labels.node_gib;
    out->mig = str_set(mig) && !streq(mig, "all-disabled") && streq(kube_label(node, "nvidia.com/mig.config.state"), "success");
    return ERR_OK;
}

static errc share_of_accelerators(const struct ws_partition *p, struct gpu_share *out, struct err *e)
{
    if (p->count.v > out->count)
        return err_set(e, ERR_INVALID, "partition.count (%lld) exceeds GPUs available on node (%lld)", (long long)p->count.v, (long long)out->count);
    if (out->count > 0)
        out->mem_gib = out->mem_gib / out->count * p->count.v;
    out->count = p->count.v;
    return ERR_OK;
}

errc gpu_share_of(const struct ws_view *v, struct gpu_share *out, struct err *e)
{
    const struct ws_partition *p = v->ws->resource ? v->ws->resource->partition : NULL;
    const struct sku *sku = sku_find(v->settings->cloud, ws_instance_type(v->ws));

    if (p && str_is(p->mode, "mig") && v->settings->mig)
        return share_of_mig(p, out, e);
    *out = (struct gpu_share){ .count = 0 };
    snprintf(out->resource, sizeof out->resource, "nvidia.com/gpu");
    if (sku && !v->settings->byo) {
        out->count = sku->gpus;
        out->mem_gib = sku->gpu_mem_gib;
        out->a10 = streq(sku->gpu_model, "NVIDIA A10");
        return ERR_OK;
    }
    if (!v->settings->byo && node_gpus(first_ready_node(v)) == 0)
        return err_set(e, ERR_INVALID, "failed to get GPU config: invalid value: Unsupported SKU '%.*s' for cloud provider: sku", STR_ARG(ws_instance_type(v->ws)));
    TRY(share_of_node(v, out, e));
    return p && str_is(p->mode, "accelerator") && p->count.set ? share_of_accelerators(p, out, e) : ERR_OK;
}
