/* The tree of `kaito doctor` for one Workspace, from objects as an API server gives them; and for the installation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/yaml.h"
#include "workspace/doctor.h"

#define NOW_MS 1767225600000LL          /* 2026-01-01T00:00:00Z */

static void told(const char *facts, struct buf *out)
{
    AUTO_JSON j = NULL;
    struct err e;

    if (yaml_parse(str_of(facts), &j, &e))
        fail_msg("%s", e.text);
    AUTO_JSON f = workspace_diagnose(j, NOW_MS);

    findings_text(f, out);
}

#define META      "metadata: {name: w, namespace: default, generation: 1, creationTimestamp: '2025-12-31T23:50:00Z'}"
#define RESOURCE  "resource: {instanceType: Standard_NC24ads_A100_v4, labelSelector: {matchLabels: {a: b}}}"
#define WS(conditions) "workspace: {kind: Workspace, " META ", " RESOURCE ", inference: {preset: {name: phi-4}}, " \
                       "status: {state: Pending, targetNodeCount: 1, conditions: [" conditions "]}}\n"
#define CONDITION(type, status, reason, message) "{type: " type ", status: '" status "', reason: " reason ", message: '" message "', observedGeneration: 1}"
#define LABELS    "labels: {a: b, kaito.sh/workspace: w, kaito.sh/workspacenamespace: default, node.kubernetes.io/instance-type: Standard_NC24ads_A100_v4}"

static void a_cloud_error_is_followed_to_the_claim(void **state)
{
    AUTO_BUF text = { 0 };
    (void)state;

    told(WS(CONDITION("NodeClaimReady", "False", "QuotaExceeded", "no cores left") ", " CONDITION("ResourceReady", "False", "QuotaExceeded", "no cores left"))
         "claims:\n"
         "- {kind: NodeClaim, metadata: {name: ws1, " LABELS "}, status: {conditions: [{type: Launched, status: 'False', reason: QuotaExceeded, message: no cores left}]}}\n"
         "- {kind: NodeClaim, metadata: {name: other, labels: {kaito.sh/workspace: v, kaito.sh/workspacenamespace: default}}}\n", &text);
    assert_string_equal(buf_cstr(&text),
        "[fail] Workspace default/w: serves phi-4 on 1 x Standard_NC24ads_A100_v4; state Pending\n"
        "  [fail] ResourceReady: QuotaExceeded: no cores left\n"
        "    [fail] NodeClaim ws1: not ready\n"
        "           -> kubectl describe nodeclaim ws1\n"
        "      [fail] Launched: QuotaExceeded: no cores left\n");
}

/* Its conditions read as a NodeClaim's. */
static void a_legacy_machine_is_called_so(void **state)
{
    AUTO_BUF text = { 0 };
    (void)state;

    told(WS(CONDITION("NodeClaimReady", "False", "NodeClaimNotReady", "x") ", " CONDITION("ResourceReady", "False", "NodeClaimNotReady", "Ready Machines are not enough"))
         "claims: [{kind: Machine, metadata: {name: ws1, " LABELS "}, status: {conditions: [{type: Launched, status: 'False', reason: QuotaExceeded, message: no cores left}]}}]\n", &text);
    assert_non_null(strstr(buf_cstr(&text), "    [fail] Machine ws1: not ready\n           -> kubectl describe machines.karpenter.sh ws1\n      [fail] Launched: QuotaExceeded: no cores left\n"));
}

static void a_claim_that_nobody_takes_up_is_told(void **state)
{
    AUTO_BUF text = { 0 };
    (void)state;

    told(WS(CONDITION("NodeClaimReady", "False", "NodeClaimNotReady", "x") ", " CONDITION("ResourceReady", "False", "NodeClaimNotReady", "Ready NodeClaims are not enough"))
         "claims: [{kind: NodeClaim, metadata: {name: ws1, " LABELS "}}]\n", &text);
    assert_non_null(strstr(buf_cstr(&text), "      [fail] no provisioner has taken it up: it has no condition\n"));
}

#define READY_NODES "nodes: [{kind: Node, metadata: {name: n1, " LABELS "}, status: {conditions: [{type: Ready, status: 'True'}], capacity: {nvidia.com/gpu: '1'}}}]\n"
#define READY_CLAIM "claims: [{kind: NodeClaim, metadata: {name: ws1, " LABELS "}, status: {nodeName: n1, conditions: [{type: Ready, status: 'True'}]}}]\n"
#define POD(status) "pods: [{kind: Pod, metadata: {name: w-0, namespace: default, labels: {kaito.sh/workspace: w}, ownerReferences: [{kind: StatefulSet, name: w, controller: true}]}, " \
                    "spec: {nodeName: n1}, status: " status "}]\n"

static void a_crash_is_followed_to_the_last_log_line(void **state)
{
    AUTO_BUF text = { 0 };
    (void)state;

    told(WS(CONDITION("NodeClaimReady", "True", "NodeClaimsReady", "y") ", " CONDITION("ResourceReady", "True", "workspaceResourceStatusSuccess", "y") ", "
            CONDITION("InferenceReady", "False", "ContainerCrashLoopBackOff", "container w is in CrashLoopBackOff"))
         READY_CLAIM READY_NODES
         POD("{phase: Running, containerStatuses: [{name: w, image: i, ready: false, restartCount: 4, state: {waiting: {reason: CrashLoopBackOff}}, "
             "lastState: {terminated: {exitCode: 1, reason: Error}}}]}")
         "logs: {w-0/w: 'RuntimeError: CUDA out of memory'}\n", &text);
    assert_string_equal(buf_cstr(&text),
        "[fail] Workspace default/w: serves phi-4 on 1 x Standard_NC24ads_A100_v4; state Pending\n"
        "  [ok]   ResourceReady: 1 node(s) ready\n"
        "    [ok]   NodeClaim ws1: ready, node n1\n"
        "    [ok]   Node n1: ready, Standard_NC24ads_A100_v4, 1 GPU(s)\n"
        "  [fail] InferenceReady: ContainerCrashLoopBackOff: container w is in CrashLoopBackOff\n"
        "         -> kubectl logs -n default -l kaito.sh/workspace=w --all-containers --tail=50\n"
        "    [note] A container ends again and again.\n"
        "    [fail] Pod w-0: Running on n1\n"
        "      [fail] container w: ended with exit code 1, Error, 4 restart(s)\n"
        "             -> kubectl logs -n default w-0 -c w --previous\n"
        "        [note] last log line: RuntimeError: CUDA out of memory\n");
}

static void an_image_and_a_probe_are_told(void **state)
{
    AUTO_BUF text = { 0 };
    (void)state;

#define SERVING CONDITION("NodeClaimReady", "True", "NodeClaimsReady", "y") ", " CONDITION("ResourceReady", "True", "workspaceResourceStatusSuccess", "y") ", " \
                CONDITION("InferenceReady", "False", "WorkspaceInferenceStatusPending", "Inference workload is not ready")
    told(WS(SERVING) READY_CLAIM READY_NODES
         POD("{phase: Pending, containerStatuses: [{name: w, image: 'r.io/x:1', state: {waiting: {reason: ErrImagePull, message: 'r.io: 401'}}}]}"), &text);
    assert_non_null(strstr(buf_cstr(&text), "[fail] container w: waits: ErrImagePull: r.io: 401 (image r.io/x:1)\n"));
    assert_non_null(strstr(buf_cstr(&text), "-> kubectl describe pod -n default w-0\n"));
    buf_clear(&text);
    told(WS(SERVING) READY_CLAIM READY_NODES
         POD("{phase: Running, containerStatuses: [{name: w, image: i, state: {running: {startedAt: '2026-01-01T00:00:00Z'}}}]}")
         "events: [{type: Warning, reason: Unhealthy, message: 'Readiness probe failed: 503', involvedObject: {kind: Pod, name: w-0}, lastTimestamp: '2026-01-01T00:00:00Z'}]\n", &text);
    assert_true(strncmp(buf_cstr(&text), "[wait] ", 7) == 0);
    assert_non_null(strstr(buf_cstr(&text), "[wait] container w: runs since 2026-01-01T00:00:00Z, its probe does not succeed yet\n"));
    assert_non_null(strstr(buf_cstr(&text), "[note] last warning about it: Unhealthy: Readiness probe failed: 503\n"));
}

static void what_is_well_is_short(void **state)
{
    AUTO_BUF text = { 0 };
    (void)state;

    told(WS(CONDITION("NodeClaimReady", "True", "NodeClaimsReady", "y") ", " CONDITION("ResourceReady", "True", "workspaceResourceStatusSuccess", "y") ", "
            CONDITION("InferenceReady", "True", "WorkspaceInferenceStatusSuccess", "deployed") ", " CONDITION("WorkspaceSucceeded", "True", "workspaceSucceeded", "y"))
         READY_CLAIM READY_NODES, &text);
    assert_true(strncmp(buf_cstr(&text), "[ok]   Workspace default/w", 26) == 0);
    assert_non_null(strstr(buf_cstr(&text), "  [ok]   InferenceReady: deployed\n"));
    assert_null(strstr(buf_cstr(&text), "->"));
}

#define IN_ORDER CONDITION("NodeClaimReady", "True", "NodeClaimsReady", "y") ", " CONDITION("ResourceReady", "True", "workspaceResourceStatusSuccess", "y") ", "

static void a_model_that_was_not_measured_is_told(void **state)
{
    AUTO_BUF text = { 0 };
    (void)state;

    told(WS(IN_ORDER CONDITION("InferenceReady", "True", "WorkspaceInferenceStatusSuccess", "deployed") ", " CONDITION("WorkspaceSucceeded", "False", "BenchmarkFailed", "no result") ", "
            CONDITION("BenchmarkCompleted", "False", "BenchmarkFailed", "no result")) READY_CLAIM READY_NODES, &text);
    assert_true(strncmp(buf_cstr(&text), "[fail] Workspace default/w", 26) == 0);
    assert_non_null(strstr(buf_cstr(&text), "  [fail] BenchmarkCompleted: BenchmarkFailed: no result\n         -> kubectl logs -n default w-0 | grep KAITO_BENCHMARK"));
}

static void a_warning_of_what_runs_is_told(void **state)
{
    AUTO_BUF text = { 0 };
    (void)state;

    told("workspace: {kind: Workspace, " META ", " RESOURCE ", inference: {preset: {name: phi-4}, config: conf}, status: {state: Ready, targetNodeCount: 1, conditions: [" IN_ORDER
         CONDITION("InferenceReady", "True", "WorkspaceInferenceStatusSuccess", "deployed; warning: ConfigMap conf of inference.config is not there") ", "
         CONDITION("WorkspaceSucceeded", "True", "workspaceSucceeded", "y") "]}}\n" READY_CLAIM READY_NODES, &text);
    assert_non_null(strstr(buf_cstr(&text), "  [warn] InferenceReady: deployed; warning: ConfigMap conf of inference.config is not there\n"
                                            "         -> kubectl create configmap -n default conf --from-file=inference_config.yaml\n"));
}

static void what_a_mirror_lacks_is_told(void **state)
{
    AUTO_BUF text = { 0 };
    (void)state;

    told(WS(CONDITION("NodeClaimReady", "True", "NodeClaimsReady", "y") ", " CONDITION("ResourceReady", "False", "ModelMirrorNotReady", "Model download has not started") ", " CONDITION("ModelMirrorReady", "False", "ModelMirrorPending", "not started") ", "
            CONDITION("InferenceReady", "False", "ModelStreamingStorageClassNotFound", "no class")) READY_CLAIM READY_NODES, &text);
    assert_true(strncmp(buf_cstr(&text), "[fail] Workspace default/w", 26) == 0);
    assert_non_null(strstr(buf_cstr(&text), "  [wait] ResourceReady: ModelMirrorNotReady: Model download has not started\n"));
    assert_non_null(strstr(buf_cstr(&text), "  [fail] InferenceReady: ModelStreamingStorageClassNotFound: no class\n         -> kubectl get storageclasses\n"));
    assert_non_null(strstr(buf_cstr(&text), "  [wait] ModelMirrorReady: ModelMirrorPending: not started\n         -> kubectl describe modelmirrors\n"));
}

static void a_workspace_that_nobody_looked_at_is_told(void **state)
{
    AUTO_BUF text = { 0 };
    (void)state;

    told("workspace: {kind: Workspace, " META ", " RESOURCE ", inference: {preset: {name: llama-3.1-8b-instruct}}}\n", &text);
    assert_non_null(strstr(buf_cstr(&text), "  [fail] no manager has written a condition yet, 600 s after it was made\n"));
    assert_non_null(strstr(buf_cstr(&text), "licence that must be accepted on the hub"));
}

static void your_own_nodes_without_the_label_are_told(void **state)
{
    AUTO_BUF text = { 0 };
    (void)state;

    told("workspace: {kind: Workspace, " META ", resource: {labelSelector: {matchLabels: {apps: gpu}}}, inference: {preset: {name: phi-4}}, status: {conditions: ["
         CONDITION("ResourceReady", "False", "workspaceResourceStatusNotReady", "node status condition not ready") "]}}\n"
         "nodes: [{kind: Node, metadata: {name: n1, labels: {x: y}}}]\n", &text);
    assert_non_null(strstr(buf_cstr(&text), "[fail] no node carries the labels of resource.labelSelector (apps=gpu)\n"));
    assert_non_null(strstr(buf_cstr(&text), "-> kubectl label node NODE apps=gpu\n"));
}

static void a_workload_is_told_beside_machines_that_are_not_ready(void **state)
{
    AUTO_BUF text = { 0 };
    (void)state;

    told(WS(CONDITION("ResourceReady", "False", "NodePluginsNotReady", "waiting all node plugins to be ready") ", "
            CONDITION("InferenceReady", "False", "ImagePullError", "container m image pull failed"))
         "nodes: [{kind: Node, metadata: {name: n1, labels: {a: b, kaito.sh/workspace: w, kaito.sh/workspacenamespace: default, "
         "kaito.sh/local-node: 'true', kaito.sh/machine-type: gpu, node.kubernetes.io/instance-type: Standard_NC24ads_A100_v4}}, "
         "status: {conditions: [{type: Ready, status: 'True'}]}}]\n"
         "statefulset: {kind: StatefulSet, metadata: {name: w, namespace: default}}\n", &text);
    assert_non_null(strstr(buf_cstr(&text), "  [fail] InferenceReady: ImagePullError: container m image pull failed\n"));
    /* this machine has no devices that could register */
    assert_null(strstr(buf_cstr(&text), "its GPUs are not registered"));
}

static void logs_are_wished_for_of_what_has_run(void **state)
{
    AUTO_JSON j = NULL;
    (void)state;

    assert_int_equal(yaml_parse(STR(POD("{phase: Running, containerStatuses: [{name: w, ready: false, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1}}}]}")), &j, NULL), ERR_OK);
    AUTO_JSON wishes = workspace_log_wishes(j);
    assert_int_equal(json_array_size(wishes), 1);
    assert_true(json_flag(json_array_get(wishes, 0), "previous", false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cloud_error_is_followed_to_the_claim), cmocka_unit_test(a_legacy_machine_is_called_so), cmocka_unit_test(a_claim_that_nobody_takes_up_is_told),
        cmocka_unit_test(a_crash_is_followed_to_the_last_log_line), cmocka_unit_test(an_image_and_a_probe_are_told),
        cmocka_unit_test(what_is_well_is_short), cmocka_unit_test(a_model_that_was_not_measured_is_told), cmocka_unit_test(a_warning_of_what_runs_is_told), cmocka_unit_test(what_a_mirror_lacks_is_told),
        cmocka_unit_test(a_workspace_that_nobody_looked_at_is_told),
        cmocka_unit_test(your_own_nodes_without_the_label_are_told), cmocka_unit_test(logs_are_wished_for_of_what_has_run),
        cmocka_unit_test(a_workload_is_told_beside_machines_that_are_not_ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
