/* inference_config.yaml, which vLLM's wrapper reads: C41 to C46, and v1alpha1's demand for max-model-len. */
#include "workspace/validate/priv.h"

#include "workspace/validate/go_yaml.h"

#define KEY "inference_config.yaml"
#define V1ALPHA1_TEMPLATE "inference-params-template"

#define MERGES_MAX 8

static void check_values(const struct go_yaml *y, go_ref map, int depth, struct buf *why);

/* What "<<" brings in counts as if it stood here. False: it is neither a map nor a list of maps. */
static bool check_merged(const struct go_yaml *y, go_ref from, int depth, struct buf *why)
{
    go_ref item;

    if (depth == MERGES_MAX)
        return true;
    if (go_yaml_kind(y, from) == GO_MAP)
        check_values(y, from, depth, why);
    for (size_t i = 0; go_yaml_item(y, from, i, &item); i++) {
        if (go_yaml_kind(y, item) != GO_MAP)
            return false;
        check_values(y, item, depth, why);
    }
    return go_yaml_kind(y, from) != GO_SCALAR;
}

static void check_values(const struct go_yaml *y, go_ref map, int depth, struct buf *why)
{
    go_ref key, value;

    for (size_t i = 0; go_yaml_pair(y, map, i, &key, &value); i++) {
        if (!go_yaml_is_merge(y, key)) {
            if (go_yaml_kind(y, value) != GO_SCALAR)
                go_yaml_mismatch(y, value, "string", why);
        } else if (!check_merged(y, value, depth + 1, why)) {
            buf_clear(why);
            buf_adds(why, " map merge requires map or sequence of maps as the value");
            return;
        }
    }
}

/* The map under vllm: 0 when there is none. False: what is wrong was said. */
static bool vllm_section(struct check *c, const struct go_yaml *y, const char *type, go_ref *out)
{
    AUTO_BUF why = { 0 };
    go_ref root = go_yaml_root(y);

    *out = 0;
    if (go_yaml_is_null(y, root))
        return true;
    if (go_yaml_kind(y, root) != GO_MAP)
        go_yaml_mismatch(y, root, type, &why);
    else
        *out = go_yaml_get(y, root, "vllm");
    if (*out && !go_yaml_is_null(y, *out)) {
        if (go_yaml_kind(y, *out) != GO_MAP)
            go_yaml_mismatch(y, *out, "map[string]string", &why);
        check_values(y, *out, 0, &why);
    }
    if (why.n > 0)
        problem_add(c->out, KEY, "Failed to parse " KEY ": yaml:%s%s", *buf_cstr(&why) == '\n' ? " unmarshal errors:" : "", buf_cstr(&why));
    return why.n == 0;
}

static void check_max_model_len(struct check *c, struct str given)
{
    struct str s = str_trim(given);
    const struct preset *m = c->env->model;
    const char *why;
    int64_t n;

    if (s.n == 0)
        return;
    if (!m && c->env->model_problem)
        problem_add(c->out, "preset", "invalid value: failed to get model preset: %s", c->env->model_problem);
    if (!m || m->context <= 0)
        return;
    if (!go_atoi(s, &n, &why))
        problem_add(c->out, "max-model-len", "invalid value: max-model-len must be an integer: strconv.Atoi: parsing \"%.*s\": %s", STR_ARG(s), why);
    else if (n > m->context)
        problem_add(c->out, "max-model-len", "invalid value: max-model-len %lld exceeds model's maximum supported context window %lld (ModelTokenLimit)",
                    (long long)n, (long long)m->context);
}

/* v1alpha1: several GPUs with less than 20 GiB each, or several nodes, want it given. */
static bool needs_max_model_len(struct check *c)
{
    const struct sku *sku = sku_find(c->env->settings->cloud, ws_instance_type(c->ws));
    const struct ws_resource *r = c->ws->resource;

    return c->v1alpha1 && ((r && r->count.set && r->count.v > 1) || (sku && sku->gpus > 1 && sku->gpu_mem_gib / sku->gpus < 20));
}

static void check_config_text(struct check *c, struct str text)
{
    AUTO_FREE(go_yaml) y = NULL;
    AUTO_BUF why = { 0 };
    go_ref vllm, value;

    if (go_yaml_parse(text, &y, &why)) {
        problem_add(c->out, KEY, "Failed to parse " KEY ": %s", buf_cstr(&why));
        return;
    }
    if (!vllm_section(c, y, c->v1alpha1 ? "v1alpha1.InferenceConfig" : "v1beta1.InferenceConfig", &vllm))
        return;
    value = vllm ? go_yaml_get(y, vllm, "max-model-len") : 0;
    if (needs_max_model_len(c) && !value)
        problem_add(c->out, "max-model-len is required in the vllm section of " KEY " when using multi-GPU instances with <20GB of memory per GPU or distributed inference", MISSING);
    if (value && !c->v1alpha1 && !go_yaml_is_null(y, value))
        check_max_model_len(c, go_yaml_text(y, value));
}

void check_inference_config(struct check *c)
{
    struct str name = c->ws->inference->config, ns = c->ws->meta.namespace;
    const json_t *config = c->env->inference_config;

    if (ws_runs_transformers(c->env->settings, c->ws) || ws_is_annotated_native(c->ws) || (name.n == 0 && !c->v1alpha1))
        return;
    if (name.n == 0) {
        name = STR(V1ALPHA1_TEMPLATE);
        ns = str_of(c->env->settings->release_namespace);
    }
    if (!config && c->env->config_may_come)
        return;
    const char *text = json_str_at(config, "data", KEY, NULL);

    if (!config)
        problem_add(c->out, "config", "ConfigMap '%.*s' specified in 'config' not found in namespace '%.*s'", STR_ARG(name), STR_ARG(ns));
    else if (!text)
        problem_add(c->out, KEY " in ConfigMap", MISSING);
    else
        check_config_text(c, str_of(text));
}
