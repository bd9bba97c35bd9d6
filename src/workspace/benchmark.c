/*
 * What upstream's image measures before its pod is ready: tokens per minute, told in the pod's log. The result is written once, into
 * status.performance; BenchmarkCompleted tells of it. Texts: dossier, Workspace, 4.5.
 */
#include "workspace/manager.h"
#include "workspace/priv.h"
#include "workspace/render.h"

#include <stdlib.h>

#define RESULT_TAG      "KAITO_BENCHMARK_RESULT"
#define CONFIG_TAG      "KAITO_BENCHMARK_CONFIG"
#define LOG_LINES       500

/* The StatefulSet measures before it is ready, and nobody switched it off. */
static bool runs_benchmark(const struct ws_view *v)
{
    const json_t *container = json_array_get(json_at(v->statefulset, "spec", "template", "spec", "containers", NULL), 0), *word;
    bool wanted = v->ws->inference && v->ws->inference->preset && !ws_is_annotated_native(v->ws) && !ws_runs_transformers(v->settings, v->ws) &&
                  !str_is(ws_annotation(v->ws, "kaito.sh/disable-benchmark"), "true");
    size_t i, at;

    json_array_foreach(json_at(container, "startupProbe", "exec", "command", NULL), i, word)
        if (wanted && str_find(json_to_str(word), STR("benchmark_entrypoint.py"), &at))
            return true;
    return false;
}

bool ws_awaits_benchmark(const struct ws_view *v)
{
    const struct workspace *ws = v->ws;
    const struct condition *c = condition_find(ws->status.conditions, ws->status.n_conditions, "BenchmarkCompleted");

    /* what has succeeded without stays as it is: the lines of long ago are out of reach */
    if (ws->meta.deleted_us || str_is(ws->status.state, "Ready") || (c && str_is(c->status, "True")))
        return false;
    return runs_benchmark(v) && statefulset_is_ready(v->statefulset);
}

/* Of "TAG <time> {...}" what comes behind the time; absent: another line. */
static struct str payload(struct str line, struct str tag)
{
    struct str head, rest;
    size_t at;

    if (!str_find(line, tag, &at) || !str_cut(str_trim(str_from(line, at + tag.n)), ' ', &head, &rest))
        return (struct str){ 0 };
    return str_trim(rest);
}

/* The last of each: a probe that was run again measured again. */
static void find_payloads(struct str log, struct str *result, struct str *config)
{
    struct str line, found;

    *result = *config = (struct str){ 0 };
    while (str_next(&log, '\n', &line)) {
        if ((found = payload(line, STR(RESULT_TAG))).n > 0)
            *result = found;
        else if ((found = payload(line, STR(CONFIG_TAG))).n > 0)
            *config = found;
    }
}

/* The settings of the measurement as texts, beside what served. */
static json_t *config_of(struct str config, const struct preset *model)
{
    static const struct { const char *from, *to; } keys[] = {
        { "duration_sec", "durationSec" }, { "input_tokens", "inputTokens" }, { "output_tokens", "outputTokens" }, { "max_concurrency", "maxConcurrency" },
    };
    AUTO_JSON parsed = NULL;
    json_t *out = json_object();

    if (config.n > 0 && json_parse(config, &parsed, NULL) == ERR_OK)
        for (size_t i = 0; i < ARRAY_LEN(keys); i++)
            json_put(out, keys[i].to, json_strf("%lld", (long long)json_int(parsed, keys[i].from, 0)));
    json_put_str(out, "engine", "vllm");
    json_put_str(out, "engineVersion", VLLM_VERSION);
    json_put_str(out, "quantization", model && model->vllm.quantization ? model->vllm.quantization : "");
    return out;
}

/* The shortest text without an exponent that is this number. */
static json_t *decimal(double v)
{
    char text[64];

    for (int digits = 0; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*f", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    return json_string(text);
}

errc benchmark_of_log(struct str log, const struct preset *model, json_t **out, struct err *e)
{
    AUTO_JSON parsed = NULL;
    struct str result, config;

    find_payloads(log, &result, &config);
    if (result.n == 0)
        return err_set(e, ERR_NOT_FOUND, "no " RESULT_TAG " line found in pod logs");
    if (json_parse(result, &parsed, e))
        return err_wrap(e, "parsing benchmark result JSON \"%.*s\"", STR_ARG(result));
    double per_minute = json_num(parsed, "vllm_total_tpm", 0);

    if (per_minute <= 0 || per_minute > 1e15)
        return err_set(e, ERR_INVALID, "benchmark failed: TPM value %g indicates a failed or incomplete run", per_minute);
    *out = json_pack("{s:{s:{s:o, s:s, s:o, s:s}}}", "metrics", "peakTokensPerMinute", "config", config_of(config, model),
                     "description", "stress/high-concurrency", "value", decimal(per_minute), "unit", "tokens/min");
    return ERR_OK;
}

static errc read_log(struct workspace_manager *m, const char *ns, const char *name, struct buf *log, struct err *e)
{
    AUTO_BUF path = { 0 };

    buf_addf(&path, "/api/v1/namespaces/%s/pods/%s-0/log?container=%s&tailLines=%d", ns, name, name, LOG_LINES);
    if (kube_raw(m->client, "GET", buf_cstr(&path), NULL, (struct str){ 0 }, log, e))
        return err_wrap(e, "streaming logs for pod %s/%s-0", ns, name);
    return ERR_OK;
}

void benchmark_observe(struct workspace_manager *m, struct op *op, struct observed *o)
{
    const char *ns = kube_namespace(o->object), *name = kube_name(o->object);
    struct ws_view *v = &o->view;
    AUTO_BUF log = { 0 };
    json_t *out = NULL;
    struct err e;

    if (!ws_awaits_benchmark(v))
        return;
    if (read_log(m, ns, name, &log, &e))
        v->benchmark_problem = arena_strdup(op->arena, e.text);
    else if (benchmark_of_log(buf_str(&log), v->model ? v->model : ws_preset(&o->ws), &out, &e))
        v->benchmark_problem = arena_printf(op->arena, "pod %s/%s-0: %s", ns, name, e.text);
    else
        json_arena_own(op->arena, out);
    v->benchmark = out;
}
