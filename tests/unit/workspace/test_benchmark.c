/* What vLLM's image measured: read from a log, told in the status, kept from then on. Log lines are as upstream's image writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/yaml.h"
#include "workspace/priv.h"

#define NOW_MS 1767225600000LL          /* 2026-01-01T00:00:00Z */
#define RESULT "KAITO_BENCHMARK_RESULT 2026-01-01T00:00:00Z "
#define CONFIG "KAITO_BENCHMARK_CONFIG 2026-01-01T00:00:00Z "

static const struct { const char *log, *value, *why; } logs[] = {
    { "loading\n" RESULT "{\"vllm_total_tpm\": 1234.5, \"ttft_avg_ms\": 3}\n", "1234.5", NULL },
    { RESULT "{\"vllm_total_tpm\": 1}\nINFO " RESULT " {\"vllm_total_tpm\": 20000000}\r\nserving\n", "20000000", NULL },       /* the last one counts */
    { RESULT "{\"vllm_total_tpm\": 0.1}", "0.1", NULL },
    { "serving\n", NULL, "no KAITO_BENCHMARK_RESULT line found in pod logs" },
    { "KAITO_BENCHMARK_RESULT {\"vllm_total_tpm\":1}\n", NULL, "no KAITO_BENCHMARK_RESULT line found in pod logs" },            /* without a time */
    { RESULT "{\"vllm_total_tpm\": -1.0}\n", NULL, "benchmark failed: TPM value -1 indicates a failed or incomplete run" },
    { RESULT "{}\n", NULL, "benchmark failed: TPM value 0 indicates a failed or incomplete run" },
    { RESULT "{oops\n", NULL, "parsing benchmark result JSON \"{oops\": " },
};

static void logs_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(logs); i++) {
        AUTO_JSON out = NULL;
        struct err e = { 0 };
        errc rc = benchmark_of_log(str_of(logs[i].log), NULL, &out, &e);

        if (logs[i].why ? !rc || !strstr(e.text, logs[i].why) : rc || !streq(json_str_at(out, "metrics", "peakTokensPerMinute", "value", NULL), logs[i].value))
            fail_msg("%s: %s", logs[i].log, rc ? e.text : json_str_at(out, "metrics", "peakTokensPerMinute", "value", NULL));
    }
}

static void the_settings_are_told(void **state)
{
    AUTO_JSON out = NULL;
    AUTO_JSON want = NULL;
    (void)state;
    assert_int_equal(benchmark_of_log(STR(CONFIG "{\"duration_sec\": 60, \"input_tokens\": 1024, \"output_tokens\": 256, \"max_concurrency\": 8}\n"
                                          RESULT "{\"vllm_total_tpm\": 7}\n"), preset_find(STR("Qwen/Qwen3-8B-AWQ")), &out, NULL), ERR_OK);
    assert_int_equal(yaml_parse(STR("{metrics: {peakTokensPerMinute: {description: stress/high-concurrency, value: \"7\", unit: tokens/min, config: "
                                    "{durationSec: \"60\", inputTokens: \"1024\", outputTokens: \"256\", maxConcurrency: \"8\", engine: vllm, engineVersion: \"0.25.1\", "
                                    "quantization: awq}}}}"), &want, NULL), ERR_OK);
    assert_true(json_equal(out, want));
}

/* ---- the status ---- */

struct scene {
    struct arena *a;
    struct workspace_settings settings;
    struct workspace ws;
    struct ws_view v;
    struct ws_plan plan;
};

static json_t *yaml(struct scene *s, const char *text)
{
    json_t *j = NULL;

    assert_int_equal(yaml_parse(str_of(text), &j, NULL), ERR_OK);
    json_arena_own(s->a, j);
    return j;
}

/* A Workspace of generation 2 on a node of the user's own that serves, with these annotations and conditions. */
static void serves(struct scene *s, const char *annotations, const char *conditions)
{
    AUTO_MEM char *text = xasprintf("{apiVersion: kaito.sh/v1beta1, kind: Workspace, metadata: {name: w, namespace: default, uid: u, generation: 2, annotations: %s, "
                                    "finalizers: [workspace.finalizer.kaito.sh]}, resource: {labelSelector: {matchLabels: {a: b}}}, "
                                    "inference: {preset: {name: phi-4-mini-instruct}}, status: {targetNodeCount: 1, conditions: %s}}", annotations, conditions);
    *s = (struct scene){ .a = arena_new(), .settings = { .byo = true } };
    workspace_settings_default(&s->settings);
    assert_int_equal(schema_decode(&workspace_v1beta1, yaml(s, text), s->a, &s->ws, NULL), ERR_OK);
    s->v = (struct ws_view){ .settings = &s->settings, .ws = &s->ws };
    s->v.nodes = yaml(s, "[{apiVersion: v1, kind: Node, metadata: {name: n, labels: {a: b, nvidia.com/gpu.product: NVIDIA-A100-80GB-PCIe, nvidia.com/gpu.count: \"1\", "
                         "nvidia.com/gpu.memory: \"81920\"}}, status: {capacity: {nvidia.com/gpu: \"1\"}, conditions: [{type: Ready, status: \"True\"}]}}]");
    s->v.statefulset = yaml(s, "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: w, namespace: default, uid: s, ownerReferences: [{kind: Workspace, name: w, uid: u, "
                               "controller: true}]}, spec: {replicas: 1, template: {spec: {containers: [{name: w, startupProbe: {exec: {command: [python3, "
                               "/workspace/vllm/benchmark_entrypoint.py]}}}]}}}, status: {readyReplicas: 1}}");
}

static void decide(struct scene *s)
{
    ws_plan_done(&s->plan);
    workspace_plan(&s->v, NOW_MS, &s->plan);
}

static void done(struct scene *s)
{
    ws_plan_done(&s->plan);
    arena_free(s->a);
}

static const json_t *condition(const struct scene *s, const char *type)
{
    const json_t *c;
    size_t i;

    json_array_foreach(json_object_get(s->plan.status, "conditions"), i, c)
        if (streq(json_cstr(c, "type"), type))
            return c;
    return NULL;
}

#define DONE "[{type: BenchmarkCompleted, status: \"True\", reason: BenchmarkCompleted, message: m, lastTransitionTime: \"2025-01-01T00:00:00Z\", observedGeneration: 1}]"

static void who_measures(void **state)
{
    static const struct { const char *annotations; bool runs; } rows[] = {
        { "{}", true }, { "{kaito.sh/disable-benchmark: \"true\"}", false }, { "{kaito.sh/disable-benchmark: \"false\"}", true }, { "{kaito.sh/runtime: native}", false },
        { "{kaito.sh/runtime: transformers}", false },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct scene s = { 0 };

        serves(&s, rows[i].annotations, "[]");
        assert_int_equal(ws_awaits_benchmark(&s.v), rows[i].runs);
        s.v.statefulset = yaml(&s, "{spec: {template: {spec: {containers: [{startupProbe: {httpGet: {path: /health}}}]}}}, status: {readyReplicas: 1}}");      /* made before there was one */
        assert_false(ws_awaits_benchmark(&s.v));
        done(&s);
    }
    struct scene s = { 0 };

    serves(&s, "{}", "[]");
    s.ws.status.state = STR("Ready");           /* by a manager that did not look */
    assert_false(ws_awaits_benchmark(&s.v));
    s.ws.status.state = STR("NotReady");
    assert_true(ws_awaits_benchmark(&s.v));
    json_put(json_object_get(s.v.statefulset, "status"), "readyReplicas", json_integer(0));
    assert_false(ws_awaits_benchmark(&s.v));
    done(&s);
}

static void a_result_is_recorded(void **state)
{
    struct scene s = { 0 };
    (void)state;
    serves(&s, "{}", "[]");
    s.v.benchmark = yaml(&s, "{metrics: {}}");
    decide(&s);
    assert_string_equal(json_cstr(s.plan.status, "state"), "Ready");
    assert_string_equal(json_cstr(condition(&s, "WorkspaceSucceeded"), "status"), "True");
    assert_string_equal(json_cstr(condition(&s, "BenchmarkCompleted"), "message"), "benchmark result has been recorded");
    assert_non_null(json_at(s.plan.status, "performance", "metrics", NULL));
    done(&s);
}

static void without_a_result_it_has_not_succeeded(void **state)
{
    struct scene s = { 0 };
    (void)state;
    serves(&s, "{}", "[]");
    s.v.benchmark_problem = "nothing there";
    decide(&s);
    assert_string_equal(json_cstr(s.plan.status, "state"), "NotReady");
    assert_string_equal(json_cstr(condition(&s, "InferenceReady"), "status"), "True");
    assert_string_equal(json_cstr(condition(&s, "WorkspaceSucceeded"), "reason"), "BenchmarkFailed");
    assert_string_equal(json_cstr(condition(&s, "BenchmarkCompleted"), "message"), "nothing there");
    assert_int_equal(s.plan.requeue_after_ms, 60000);
    done(&s);
}

/* Upstream's manager, or whoever else has told something: it is not lost when ours goes on. */
static void what_others_told_stays(void **state)
{
    struct scene s = { 0 };
    (void)state;
    serves(&s, "{}", DONE);
    decide(&s);
    assert_string_equal(json_cstr(condition(&s, "WorkspaceSucceeded"), "status"), "True");
    assert_string_equal(json_cstr(condition(&s, "BenchmarkCompleted"), "lastTransitionTime"), "2025-01-01T00:00:00Z");
    assert_int_equal(json_int(condition(&s, "BenchmarkCompleted"), "observedGeneration", 0), 2);
    assert_false(ws_awaits_benchmark(&s.v));
    done(&s);
    serves(&s, "{}", "[{type: Audited, status: \"False\", reason: Soon, message: m, lastTransitionTime: \"2025-01-01T00:00:00Z\"}, "
                     "{type: NodeClaimReady, status: \"False\", reason: Old, message: m, lastTransitionTime: \"2025-01-01T00:00:00Z\"}]");
    decide(&s);
    assert_string_equal(json_cstr(condition(&s, "Audited"), "reason"), "Soon");
    assert_null(condition(&s, "NodeClaimReady"));               /* ours, and no longer true of one's own nodes */
    done(&s);
}

/* Another image is another measurement. */
static void an_upgrade_forgets_the_result(void **state)
{
    struct scene s = { 0 };
    (void)state;
    serves(&s, "{}", DONE);
    decide(&s);
    assert_non_null(condition(&s, "BenchmarkCompleted"));
    done(&s);
    serves(&s, "{}, labels: {kaito.sh/upgrade-to-version: 0.5.0}", DONE);
    decide(&s);
    assert_int_equal(json_array_size(s.plan.apply), 1);
    assert_null(condition(&s, "BenchmarkCompleted"));
    assert_true(json_is_null(json_object_get(s.plan.status, "performance")));
    done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logs_are_read), cmocka_unit_test(the_settings_are_told), cmocka_unit_test(who_measures), cmocka_unit_test(a_result_is_recorded),
        cmocka_unit_test(without_a_result_it_has_not_succeeded), cmocka_unit_test(what_others_told_stays), cmocka_unit_test(an_upgrade_forgets_the_result),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
