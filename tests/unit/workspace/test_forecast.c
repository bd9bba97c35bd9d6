/* `kaito plan`: the figures by hand, and the page as people see it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/yaml.h"
#include "workspace/forecast.h"
#include "workspace/priv.h"

static json_t *forecast(const char *object, const char *rest)
{
    AUTO_JSON in = NULL;
    AUTO_BUF text = { 0 };
    json_t *out = NULL;
    struct err e;

    buf_addf(&text, "{object: %s, %s}", object, rest);
    if (yaml_parse(buf_str(&text), &in, &e) || workspace_forecast(in, &out, &e))
        fail_msg("%s", e.text);
    return out;
}

static void assert_holds(const struct buf *text, const char *want)
{
    if (!strstr(buf_cstr(text), want))
        fail_msg("no \"%s\" in\n%s", want, buf_cstr(text));
}

#define WS(type, parts) "{apiVersion: kaito.sh/v1beta1, kind: Workspace, metadata: {name: w}, " \
                        "resource: {instanceType: " type ", labelSelector: {matchLabels: {a: b}}}, " parts "}"

static void memory_and_context_are_told(void **state)
{
    AUTO_JSON f = forecast(WS("Standard_NC24ads_A100_v4", "inference: {preset: {name: phi-4}}"), "prices: {Standard_NC24ads_A100_v4: 3.5}");
    AUTO_BUF text = { 0 };
    (void)state;

    /* 80 GiB: 27.31 * 1.02 of weights, a twentieth of it for activations, 2.3 for CUDA, 16% left out; phi-4 takes 200 KiB a token */
    workspace_forecast_text(f, &text);
    assert_holds(&text, "Workspace default/w: serves phi-4 (microsoft/phi-4) with vLLM\n\nAdmission: admitted\n\n"
                        "Machines: 1 x Standard_NC24ads_A100_v4, each with 1 x NVIDIA A100, 80 GiB of GPU memory\nPrice: 3.50 an hour, 2520 in 30 days\n");
    assert_holds(&text, "\nMemory of each GPU, 80.0 GiB (as the node estimate counts):\n"
                        "  weights             27.86 GiB\n"
                        "  activations          1.39 GiB\n"
                        "  CUDA and vLLM        2.30 GiB\n"
                        "  keys and values     35.65 GiB  what is left for the context\n"
                        "  never taken         12.80 GiB  gpu-memory-utilization 0.84\n");
    assert_holds(&text, "\nContext: up to 16384 tokens, the model's limit; the cache holds 186");
    assert_holds(&text, "  StatefulSet         w                       1 replica(s), mcr.microsoft.com/aks/kaito/kaito-base:");
    assert_holds(&text, "  NodeClaim           1, named after the uid  Standard_NC24ads_A100_v4\n");
}

static void what_streaming_needs_is_taken_for_granted(void **state)
{
    AUTO_JSON f = forecast("{apiVersion: kaito.sh/v1beta1, kind: Workspace, metadata: {name: w, annotations: {kaito.sh/model-mirror-storage-class: blob, kaito.sh/streaming-service-account: reader}}, "
                           "resource: {instanceType: Standard_NC24ads_A100_v4, labelSelector: {matchLabels: {a: b}}}, inference: {preset: {name: phi-4}}}",
                           "settings: {featureGates: {ModelStreaming: true}}, cluster: [{kind: CSIDriver, apiVersion: storage.k8s.io/v1, metadata: {name: blob.csi.azure.com}}]");
    AUTO_BUF text = { 0 };
    (void)state;

    workspace_forecast_text(f, &text);
    assert_holds(&text, "Admission: admitted\n");
    assert_holds(&text, "  ModelMirror ");
    assert_holds(&text, "\nMust be there (not in the files, taken for granted):\n"
                        "  StorageClass blob\n    kubectl get storageclass blob -o jsonpath={.provisioner} must say blob.csi.azure.com\n"
                        "  ServiceAccount reader\n    kubectl annotate serviceaccount -n default reader azure.workload.identity/client-id=...\n");
}

static void a_context_that_does_not_fit_is_told(void **state)
{
    AUTO_JSON f = forecast(WS("Standard_NV36ads_A10_v5", "inference: {preset: {name: phi-3-mini-128k-instruct}, config: c}"),
                           "cluster: [{kind: ConfigMap, metadata: {name: c, namespace: default}, data: {inference_config.yaml: \"vllm:\\n  max-model-len: 100000\\n\"}}]");
    AUTO_BUF text = { 0 };
    (void)state;

    workspace_forecast_text(f, &text);
    assert_holds(&text, "asks for max-model-len 100000");
    assert_true(json_int(json_object_get(f, "context"), "fits", 0) < json_int(json_object_get(f, "context"), "model", 0) ||
                json_int(json_object_get(f, "machines"), "nodes", 0) > 1);
}

static void a_refusal_says_every_rule(void **state)
{
    AUTO_JSON f = forecast(WS("Basic_A1", "inference: {preset: {name: phi-33}}"), "cluster: []");
    AUTO_BUF text = { 0 };
    (void)state;

    workspace_forecast_text(f, &text);
    assert_false(json_flag(json_object_get(f, "admission"), "allowed", true));
    assert_holds(&text, "\nAdmission: refused\n");
    assert_holds(&text, "Unsupported inference preset name phi-33");
    assert_null(json_object_get(f, "objects"));
    assert_null(json_object_get(f, "machines"));
}

static void a_secret_is_taken_for_granted_and_told(void **state)
{
    AUTO_JSON f = forecast(WS("Standard_NC6s_v3", "tuning: {preset: {name: phi-4}, method: lora, input: {urls: ['https://example.com/d.parquet']}, "
                                                  "output: {image: 'r.io/x:1', imagePushSecret: push}}"), "cluster: []");
    AUTO_BUF text = { 0 };
    (void)state;

    workspace_forecast_text(f, &text);
    assert_holds(&text, "Admission: admitted");
    assert_holds(&text, "Memory: the weights take 27.31 GiB as they are stored; what training adds is not estimated\n");
    assert_holds(&text, "  Job ");
    assert_holds(&text, "Must be there (not in the files, taken for granted):\n  Secret push\n    kubectl create secret docker-registry push -n default --docker-server=");
}

static void nodes_of_your_own_are_looked_at(void **state)
{
    static const char object[] = "{apiVersion: kaito.sh/v1beta1, kind: Workspace, metadata: {name: w}, resource: {labelSelector: {matchLabels: {a: b}}}, inference: {preset: {name: phi-4}}}";
    static const char node[] = "settings: {nodeProvisioner: byo}, cluster: [{kind: Node, metadata: {name: n, labels: {a: b, nvidia.com/gpu.product: H100, "
                               "nvidia.com/gpu.count: '2', nvidia.com/gpu.memory: '81920'}}, status: {conditions: [{type: Ready, status: 'True'}], capacity: {nvidia.com/gpu: '2'}}}]";
    AUTO_JSON without = forecast(object, "settings: {nodeProvisioner: byo}");
    AUTO_JSON with = forecast(object, node);
    AUTO_BUF text = { 0 };
    (void)state;

    workspace_forecast_text(without, &text);
    assert_holds(&text, "No nodes found matching the specified label selector");
    buf_clear(&text);
    workspace_forecast_text(with, &text);
    assert_holds(&text, "Machines: 1 x a node of your own, each with 2 x GPU, 160 GiB of GPU memory\n");
    assert_holds(&text, "Memory of each GPU, 80.0 GiB");
}

static void the_native_runtime_is_told_of_as_what_it_is(void **state)
{
    AUTO_JSON f = forecast("{apiVersion: kaito.sh/v1beta1, kind: Workspace, metadata: {name: w, annotations: {kaito.sh/runtime: native}}, "
                           "resource: {instanceType: Standard_NC6s_v3, labelSelector: {matchLabels: {a: b}}}, inference: {preset: {name: phi-3-mini-4k-instruct}}}", "cluster: []");
    AUTO_BUF text = { 0 };
    (void)state;

    workspace_forecast_text(f, &text);
    assert_holds(&text, "with the native runtime, on CPUs\n");
    assert_holds(&text, "Machines: 1 x Standard_NC6s_v3; whatever GPUs it has are not used\n");
    assert_holds(&text, "Memory: the weights take 7.12 GiB as they are stored; a token in the cache takes 384 KiB in bf16 (twice that in f32), the whole context 1.50 GiB\n");
    assert_holds(&text, "kaito/kaito-runtime:");
}

static void what_is_no_workspace_is_refused(void **state)
{
    AUTO_JSON in = json_pack("{s:{s:s}}", "object", "kind", "Workspace");
    json_t *out = NULL;
    struct err e;
    (void)state;

    assert_int_equal(workspace_forecast(in, &out, &e), ERR_BAD_REQUEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_and_context_are_told), cmocka_unit_test(what_streaming_needs_is_taken_for_granted), cmocka_unit_test(a_context_that_does_not_fit_is_told),
        cmocka_unit_test(a_refusal_says_every_rule), cmocka_unit_test(a_secret_is_taken_for_granted_and_told),
        cmocka_unit_test(nodes_of_your_own_are_looked_at), cmocka_unit_test(the_native_runtime_is_told_of_as_what_it_is), cmocka_unit_test(what_is_no_workspace_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
