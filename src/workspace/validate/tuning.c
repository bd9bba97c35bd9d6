/* The rules of tuning: C49 to C61. */
#include "workspace/validate/priv.h"

#include "workspace/validate/tuning_config.h"

static void check_tuning_config(struct check *c)
{
    const struct ws_tuning *t = c->ws->tuning;
    const char *template_name = ws_template_name(c->ws);
    const json_t *config = template_name && c->env->tuning_template ? c->env->tuning_template : c->env->tuning_config;
    struct str ns = t->config.n == 0 ? str_of(c->env->settings->release_namespace) : c->ws->meta.namespace;
    AUTO_PROBLEMS problems = { 0 };
    AUTO_BUF text = { 0 };

    if (!config && c->env->config_may_come)
        return;
    if (!config)
        problem_add(&problems, "config", "ConfigMap '%.*s' specified in 'config' not found in namespace '%.*s'", STR_ARG(t->config), STR_ARG(ns));
    else
        tuning_config_problems(config, t->method, ns, &problems);
    problems_render(&problems, &text);
    if (text.n > 0)
        problem_add(c->out, "tuning.Config", "Failed to evaluate validateConfigMap: %s", buf_cstr(&text));
}

void check_tuning(struct check *c)
{
    const struct ws_tuning *t = c->ws->tuning;
    const struct ws_resource *r = c->ws->resource;
    bool method_ok = str_ieq(t->method, STR("lora")) || str_ieq(t->method, STR("qlora"));

    if (r && r->count.set && r->count.v > 1)
        problem_add(c->out, "resource.count", "invalid value: Tuning does not currently support multinode configurations. Please set the node count to 1. "
                                      "Future support with DeepSpeed will allow this.");
    if (r && r->partition)
        problem_add(c->out, "resource.partition", "invalid value: GPU partitioning is not supported for tuning workloads");
    if (!method_ok)
        problem_add(c->out, "tuning.Method", "invalid value: %.*s", STR_ARG(t->method));
    check_tuning_config(c);
    if (t->input)
        check_source(c, t->input, "tuning.Input");
    else
        problem_add(c->out, "tuning.Input", MISSING);
    if (t->output)
        check_destination(c, t->output);
    else
        problem_add(c->out, "tuning.Output", MISSING);
    if (!t->preset)
        problem_add(c->out, "tuning.Preset", MISSING);
    else if (preset_check(t->preset->name) != PRESET_VALID)
        problem_add(c->out, "tuning.presetName", "invalid value: Unsupported tuning preset name %.*s", STR_ARG(t->preset->name));
}

