/* The rules of inference: C30 to C40, and of adapters on update: U14 to U20. */
#include "workspace/validate/priv.h"

#include "schema/names.h"

/* ---- creation ---------------------------------------------------------------------------------------------------- */

/* Each name that an earlier adapter has. */
static void check_duplicate_adapters(struct check *c)
{
    const struct ws_inference *inf = c->ws->inference;

    for (size_t i = 0; i < inf->n_adapters; i++)
        for (size_t k = 0; k < i; k++)
            if (inf->adapters[i].source && inf->adapters[k].source && str_eq(inf->adapters[i].source->name, inf->adapters[k].source->name))
                problem_add(c->out, NULL, "Duplicate adapter source name found: %.*s", STR_ARG(inf->adapters[i].source->name));
}

/* C34 to C36: what the runtime cannot do with the model, as one line. */
static void check_runtime(struct check *c)
{
    const struct ws_inference *inf = c->ws->inference;
    bool strength = false;

    for (size_t i = 0; i < inf->n_adapters; i++)
        strength = strength || inf->adapters[i].strength.p;
    if (ws_runs_transformers(c->env->settings, c->ws)) {
        if (!c->env->model->transformers)
            problem_add(c->out, NULL, "Runtime validation: model %s does not support inference with Huggingface Transformers runtime", c->env->model->name);
    } else if (strength && !ws_is_annotated_native(c->ws)) {
        problem_add(c->out, NULL, "Runtime validation: vLLM does not support adapter strength");
    }
}

static void check_private_image(struct check *c)
{
    const struct ws_preset *p = c->ws->inference->preset;

    if (c->v1alpha1 && str_is(p->access_mode, "private") && p->options.image.n == 0)
        problem_add(c->out, NULL, "When AccessMode is private, an image must be provided in PresetOptions");
}

/* False: later rules need what is missing. */
static bool check_preset(struct check *c)
{
    const struct ws_preset *p = c->ws->inference->preset;

    if (preset_check(p->name) != PRESET_VALID) {
        problem_add(c->out, "inference.presetName", "invalid value: Unsupported inference preset name %.*s", STR_ARG(p->name));
        return false;
    }
    if (c->env->model) {
        check_private_image(c);
        check_runtime(c);
        return true;
    }
    if (!c->env->model_problem)
        return true;            /* nobody looked: the reconciler tells later */
    problem_add(c->out, "inference.preset", "invalid value: failed to get model preset: %s", c->env->model_problem);
    return false;
}

/* C47, C48 */
static void check_streaming(struct check *c)
{
    const struct workspace_settings *s = c->env->settings;

    if (c->v1alpha1 || !ws_streams_model(s, c->ws))
        return;
    if (!streq(s->cloud, "azure"))
        problem_add(c->out, "metadata.annotations", "unsupported cloud provider \"%s\" for model streaming", s->cloud);
    else if (!c->env->blob_driver)
        problem_add(c->out, "metadata.annotations", "CSI driver blob.csi.azure.com not found; required for model streaming. Ensure the CSI driver is enabled on your cluster");
}

static void check_workload(struct check *c)
{
    const struct ws_inference *inf = c->ws->inference;

    if (!inf->preset && !inf->pod_template)
        problem_add(c->out, "inference.Preset or Template must be specified", MISSING);
    if (inf->preset && inf->pod_template)
        problem_add(c->out, NULL, "Preset and Template cannot be set at the same time");
    if (inf->pod_template && !json_is_object(inf->pod_template))
        problem_add(c->out, "inference.template", "invalid value: must be a pod template with a spec");
    if (inf->preset && !check_preset(c))
        return;
    for (size_t i = 0; i < inf->n_adapters; i++)
        if (!inf->adapters[i].source)
            problem_add(c->out, "inference.Source", MISSING);
    if (inf->n_adapters > 10)
        problem_add(c->out, NULL, "Number of Adapters exceeds the maximum limit, maximum of 10 allowed");
    check_duplicate_adapters(c);
}

void check_inference(struct check *c)
{
    check_workload(c);
    check_inference_config(c);
    check_streaming(c);
}

/* ---- update ------------------------------------------------------------------------------------------------------ */

static void check_adapter_name(struct check *c, struct str name)
{
    AUTO_BUF why = { 0 };

    if (name.n == 0)
        problem_add(c->out, "inference.Name of Adapter field must be specified", MISSING);
    else if (name_problem(NAME_SUBDOMAIN, name.p, false, &why))
        problem_add(c->out, "inference.adapters.source.name", "invalid value: %s", buf_cstr(&why));
}

/* A number too large for a float64 is refused twice, as in Go, where it is infinite. */
static void check_strength(struct check *c, const struct ws_adapter *a)
{
    const char *why;
    double v = 0;

    if (!a->strength.p)
        return;
    if (!go_parse_float(a->strength, &v, &why))
        problem_add(c->out, "inference.adapter", "Invalid strength value for Adapter '%.*s': strconv.ParseFloat: parsing \"%.*s\": %s",
                    STR_ARG(a->source->name), STR_ARG(a->strength), why);
    if (v < 0 || v > 1)
        problem_add(c->out, "inference.adapter", "Strength value for Adapter '%.*s' must be between 0 and 1", STR_ARG(a->source->name));
}

static void check_adapter(struct check *c, const struct ws_adapter *a)
{
    if (!a->source) {
        problem_add(c->out, "inference.Source", MISSING);
        return;
    }
    check_source(c, a->source, "inference.Adapters");
    check_adapter_name(c, a->source->name);
    if (!a->source->volume && a->source->image.n == 0)
        problem_add(c->out, "inference.adapters.source", "Either Image or Volume must be specified for adapter source");
    if (a->source->n_urls > 0)
        problem_add(c->out, "inference.adapters.source.urls", "URLs are not supported as adapter source");
    check_strength(c, a);
}

void check_adapters_update(struct check *c)
{
    check_duplicate_adapters(c);
    for (size_t i = 0; i < c->ws->inference->n_adapters; i++)
        check_adapter(c, &c->ws->inference->adapters[i]);
}
