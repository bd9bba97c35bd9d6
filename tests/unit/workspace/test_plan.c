/* The decision, by tables and by golden objects (tests/golden/workspace; KAITO_GOLDEN=write rewrites them, review the diff like code). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "workspace/priv.h"

#define NOW_MS 1767225600000LL          /* 2026-01-01T00:00:00Z */

struct scene {
    struct arena *a;
    struct workspace_settings settings;
    struct workspace ws;
    struct ws_view v;
    struct ws_plan plan;
    json_t *objects;
};

static json_t *yaml(struct scene *s, const char *text)
{
    json_t *j = NULL;
    struct err e;

    if (yaml_parse(str_of(text), &j, &e))
        fail_msg("%s", e.text);
    json_arena_own(s->a, j);
    return j;
}

static void load(struct scene *s, const char *text)
{
    struct err e;

    if (schema_decode(&workspace_v1beta1, yaml(s, text), s->a, &s->ws, &e))
        fail_msg("%s", e.text);
}

static int setup(void **state)
{
    struct scene *s = xmalloc(sizeof *s);

    *s = (struct scene){ .a = arena_new() };
    s->settings.model_cache_dir = "/models";
    workspace_settings_default(&s->settings);
    s->settings.runtime_image = "kaito/kaito-runtime:test";
    s->v = (struct ws_view){ .settings = &s->settings, .ws = &s->ws };
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct scene *s = *state;

    ws_plan_done(&s->plan);
    arena_free(s->a);
    free(s);
    return 0;
}

static void decide(struct scene *s)
{
    ws_plan_done(&s->plan);
    workspace_plan(&s->v, NOW_MS, &s->plan);
}

static const char *condition(const struct scene *s, const char *type, const char *key)
{
    json_t *c;
    size_t i;

    json_array_foreach(json_object_get(s->plan.status, "conditions"), i, c)
        if (streq(json_cstr(c, "type"), type))
            return json_cstr(c, key);
    return NULL;
}

static const json_t *planned(const json_t *list, const char *kind)
{
    const json_t *o;
    size_t i;

    json_array_foreach(list, i, o)
        if (streq(kube_kind(o), kind))
            return o;
    return NULL;
}

static const char inference[] =
    "apiVersion: kaito.sh/v1beta1\nkind: Workspace\n"
    "metadata: {name: ws-i, namespace: default, uid: u-1, generation: 1, finalizers: [workspace.finalizer.kaito.sh]}\n"
    "resource: {instanceType: Standard_NC6s_v3, labelSelector: {matchLabels: {app: phi}}}\n"
    "inference: {preset: {name: phi-3-mini-128k-instruct}}\n";
static const char tuning[] =
    "apiVersion: kaito.sh/v1beta1\nkind: Workspace\n"
    "metadata: {name: ws-t, namespace: default, uid: u-2, generation: 1, finalizers: [workspace.finalizer.kaito.sh]}\n"
    "resource: {instanceType: Standard_NC6s_v3, labelSelector: {matchLabels: {app: phi}}}\n"
    "tuning:\n  preset: {name: phi-3-mini-128k-instruct}\n  method: qlora\n"
    "  input: {urls: [\"https://example.com/train.parquet?download=true\"]}\n"
    "  output: {image: \"registry.example.com/a/b:1\", imagePushSecret: push}\n";

static void nodes_are_ready(struct scene *s, const char *name)
{
    AUTO_MEM char *claim = xasprintf("[{apiVersion: karpenter.sh/v1, kind: NodeClaim, metadata: {name: c}, status: {nodeName: n, conditions: "
                                     "[{type: Initialized, status: \"True\"}, {type: Ready, status: \"True\"}]}}]");
    AUTO_MEM char *node = xasprintf("[{apiVersion: v1, kind: Node, metadata: {name: n, labels: {app: phi, kaito.sh/workspace: %s, "
                                    "kaito.sh/workspacenamespace: default, karpenter.sh/nodepool: kaito, node.kubernetes.io/instance-type: Standard_NC6s_v3}}, "
                                    "status: {conditions: [{type: Ready, status: \"True\"}]}}]", name);

    s->v.claims = yaml(s, claim);
    s->v.nodes = yaml(s, node);
}

static void tuning_inputs(struct scene *s)
{
    s->v.tuning_template = s->v.tuning_config = render_tuning_template("kaito-workspace", "qlora-params-template");
    json_t *t = json_clone(s->v.tuning_template);
    json_decref((json_t *)(uintptr_t)s->v.tuning_template);
    json_arena_own(s->a, t);
    s->v.tuning_template = s->v.tuning_config = t;
    s->v.push_secret = yaml(s, "{apiVersion: v1, kind: Secret, metadata: {name: push, resourceVersion: \"7\"}, data: {.dockerconfigjson: e30=}}");
}

static void golden(const json_t *got, const char *name)
{
    AUTO_MEM char *path = xasprintf("%s/tests/golden/workspace/%s.json", getenv("KAITO_SOURCE"), name);
    AUTO_BUF text = { 0 }, want = { 0 };
    struct err e;

    json_write_pretty(got, 2, &text);
    buf_addc(&text, '\n');
    if (streq(getenv("KAITO_GOLDEN"), "write"))
        assert_int_equal(file_write_atomic(path, buf_str(&text), 0644, &e), ERR_OK);
    if (file_read(path, 1 << 20, &want, &e))
        fail_msg("%s", e.text);
    assert_string_equal(buf_cstr(&text), buf_cstr(&want));
}

/* ---- tests ---- */

static void a_new_workspace_asks_for_its_claim(void **state)
{
    struct scene *s = *state;
    load(s, inference);
    decide(s);
    assert_int_equal(json_array_size(s->plan.create), 2);
    golden(planned(s->plan.create, "NodeClaim"), "node_claim");
    golden(planned(s->plan.create, "ControllerRevision"), "controller_revision");
    assert_int_equal(json_array_size(s->plan.apply), 0);
    assert_string_equal(condition(s, "ResourceReady", "reason"), "NodeClaimNotReady");
    assert_string_equal(condition(s, "InferenceReady", "status"), "False");
    assert_string_equal(json_cstr(s->plan.status, "state"), "Pending");
    assert_int_equal(json_int(s->plan.status, "targetNodeCount", 0), 1);
}

static void the_same_decision_names_the_same_claim(void **state)
{
    struct scene *s = *state;
    load(s, inference);
    decide(s);
    json_t *first = json_clone(s->plan.create);
    decide(s);
    assert_true(json_equal(first, s->plan.create));
    s->v.claims = json_pack("[O]", planned(first, "NodeClaim"));
    decide(s);
    assert_null(planned(s->plan.create, "NodeClaim"));
    json_decref((json_t *)(uintptr_t)s->v.claims);
    json_decref(first);
}

static void a_claim_that_goes_is_waited_for(void **state)
{
    struct scene *s = *state;
    load(s, inference);
    s->v.claims = yaml(s, "[{apiVersion: karpenter.sh/v1, kind: NodeClaim, metadata: {name: c, deletionTimestamp: \"2026-01-01T00:00:00Z\"}}]");
    decide(s);
    assert_null(planned(s->plan.create, "NodeClaim"));
}

static void the_claims_cause_is_shown(void **state)
{
    struct scene *s = *state;
    load(s, inference);
    s->v.claims = yaml(s, "[{apiVersion: karpenter.sh/v1, kind: NodeClaim, metadata: {name: c}, status: {conditions: ["
                          "{type: Launched, status: Unknown, reason: LaunchFailed, message: no quota},"
                          "{type: Registered, status: Unknown, reason: AwaitingReconciliation, message: waiting}]}}]");
    decide(s);
    assert_string_equal(condition(s, "ResourceReady", "reason"), "LaunchFailed");
    assert_string_equal(condition(s, "ResourceReady", "message"), "no quota");
}

static void ready_nodes_without_gpu_get_the_native_runtime(void **state)
{
    struct scene *s = *state;
    load(s, inference);
    nodes_are_ready(s, "ws-i");
    decide(s);
    assert_string_equal(condition(s, "ResourceReady", "status"), "True");
    golden(planned(s->plan.create, "StatefulSet"), "native_inference");
    golden(planned(s->plan.create, "Service"), "native_service");
    assert_int_equal(json_array_size(s->plan.apply), 0);
    assert_string_equal(json_string_value(json_array_get(json_object_get(s->plan.status, "workerNodes"), 0)), "n");
}

static void a_gpu_machine_waits_for_its_devices(void **state)
{
    struct scene *s = *state;
    load(s, inference);
    nodes_are_ready(s, "ws-i");
    json_t *node = json_array_get(s->v.nodes, 0);
    json_put_str(json_sub(json_sub(node, "metadata"), "labels"), "kaito.sh/machine-type", "gpu");
    decide(s);
    assert_string_equal(condition(s, "NodesReady", "reason"), "NodePluginsNotReady");
    assert_int_equal(json_array_size(s->plan.apply), 0);
}

static void a_rehearsed_gpu_machine_is_this_machine(void **state)
{
    struct scene *s = *state;
    load(s, inference);
    nodes_are_ready(s, "ws-i");
    json_t *labels = json_sub(json_sub(json_array_get(s->v.nodes, 0), "metadata"), "labels");
    json_put_str(labels, "kaito.sh/machine-type", "gpu");
    json_put_str(labels, "kaito.sh/local-node", "true");
    decide(s);
    assert_string_equal(condition(s, "ResourceReady", "status"), "True");
    assert_non_null(planned(s->plan.create, "StatefulSet"));
}

static void nothing_is_decided_before_initialized(void **state)
{
    struct scene *s = *state;
    load(s, inference);
    nodes_are_ready(s, "ws-i");
    json_t *c = json_array_get(json_at(json_array_get(s->v.claims, 0), "status", "conditions", NULL), 0);
    json_put_str(c, "status", "Unknown");
    decide(s);
    assert_int_equal(json_array_size(s->plan.apply), 0);
    assert_null(planned(s->plan.create, "StatefulSet"));
}

static void a_serving_workspace_writes_nothing_more(void **state)
{
    struct scene *s = *state;
    load(s, inference);
    nodes_are_ready(s, "ws-i");
    decide(s);
    /* the world after the plan */
    json_t *sts = json_clone(planned(s->plan.create, "StatefulSet"));
    json_put(sts, "status", json_pack("{s:i,s:i}", "readyReplicas", 1, "observedGeneration", 1));
    json_put_int(json_sub(sts, "metadata"), "generation", 1);
    json_t *service = json_clone(planned(s->plan.create, "Service"));
    json_arena_own(s->a, sts);
    json_arena_own(s->a, service);
    s->v.statefulset = sts;
    s->v.service = s->v.headless = service;
    json_t *whole = yaml(s, inference);
    json_put(json_sub(whole, "metadata"), "annotations", json_incref(s->plan.annotations));
    assert_int_equal(schema_decode(&workspace_v1beta1, whole, s->a, &s->ws, NULL), ERR_OK);
    decide(s);
    assert_string_equal(json_cstr(s->plan.status, "state"), "Ready");
    assert_string_equal(condition(s, "WorkspaceSucceeded", "status"), "True");
    json_put(whole, "status", json_incref(s->plan.status));
    assert_int_equal(schema_decode(&workspace_v1beta1, whole, s->a, &s->ws, NULL), ERR_OK);
    decide(s);
    assert_null(s->plan.status);
    assert_null(s->plan.annotations);
    assert_int_equal(json_array_size(s->plan.apply) + json_array_size(s->plan.create) + json_array_size(s->plan.events), 0);
}

static void tuning_makes_its_job(void **state)
{
    struct scene *s = *state;
    load(s, tuning);
    nodes_are_ready(s, "ws-t");
    tuning_inputs(s);
    s->settings.work_dir = "/work-dir";
    s->settings.ca_bundle = "/etc/kaito/ca.pem";
    s->settings.hf_endpoint = "https://hub.example.com";
    decide(s);
    golden(planned(s->plan.apply, "Job"), "native_tuning");
    assert_string_equal(condition(s, "JobStarted", "reason"), "WorkspaceTuningJobStatusPending");
}

static void the_template_is_copied_first(void **state)
{
    struct scene *s = *state;
    load(s, tuning);
    nodes_are_ready(s, "ws-t");
    tuning_inputs(s);
    s->v.tuning_config = NULL;
    decide(s);
    const json_t *copy = planned(s->plan.create, "ConfigMap");
    assert_string_equal(kube_namespace(copy), "default");
    assert_string_equal(kube_name(copy), "qlora-params-template");
}

static void a_missing_push_secret_holds_the_job_and_is_told_once(void **state)
{
    struct scene *s = *state;
    load(s, tuning);
    nodes_are_ready(s, "ws-t");
    tuning_inputs(s);
    s->v.push_secret = NULL;
    decide(s);
    assert_null(planned(s->plan.apply, "Job"));
    assert_string_equal(condition(s, "JobStarted", "reason"), "ImagePushSecretNotFound");
    assert_int_equal(json_array_size(s->plan.events), 1);
    json_t *whole = yaml(s, tuning);
    json_put(whole, "status", json_incref(s->plan.status));
    assert_int_equal(schema_decode(&workspace_v1beta1, whole, s->a, &s->ws, NULL), ERR_OK);
    decide(s);
    assert_int_equal(json_array_size(s->plan.events), 0);
}

static json_t *job_in(struct scene *s, const char *status)
{
    load(s, tuning);
    nodes_are_ready(s, "ws-t");
    tuning_inputs(s);
    decide(s);
    json_t *job = json_clone(planned(s->plan.apply, "Job"));
    json_put_str(json_sub(job, "metadata"), "uid", "job-uid");
    json_put(job, "status", json_incref(yaml(s, status)));
    json_arena_own(s->a, job);
    s->v.job = job;
    return job;
}

static void a_failed_job_tells_its_cause_and_is_made_again_later(void **state)
{
    struct scene *s = *state;
    job_in(s, "{failed: 1, conditions: [{type: Failed, status: \"True\", lastTransitionTime: \"2025-12-31T23:59:58Z\"}]}");
    s->v.pods = yaml(s, "[{apiVersion: v1, kind: Pod, metadata: {name: p, ownerReferences: [{kind: Job, name: ws-t, uid: job-uid, controller: true}]}, status: "
                        "{phase: Failed, initContainerStatuses: [{name: fetch-data, state: {terminated: {exitCode: 1, message: \"GET https://x: 404\\n\"}}}]}}]");
    decide(s);
    assert_string_equal(condition(s, "WorkspaceSucceeded", "message"), "tuning job failed: container \"fetch-data\" failed: GET https://x: 404");
    assert_string_equal(json_cstr(s->plan.status, "state"), "Failed");
    assert_int_equal(s->plan.requeue_after_ms, 3000);           /* 5 s after it failed */
    assert_int_equal(json_array_size(s->plan.remove), 0);
    ws_plan_done(&s->plan);
    workspace_plan(&s->v, NOW_MS + 3000, &s->plan);
    assert_int_equal(json_array_size(s->plan.remove), 1);
    assert_string_equal(json_cstr(s->plan.annotations, ATTEMPT_ANNOTATION), "1");
}

/* The Job's controller has another clock: neither an hour before nor after ours may keep the next attempt away. */
static void a_job_that_failed_in_the_future_is_made_again(void **state)
{
    struct scene *s = *state;
    job_in(s, "{failed: 1, conditions: [{type: Failed, status: \"True\", lastTransitionTime: \"2026-01-01T01:00:00Z\"}]}");
    decide(s);
    assert_int_equal(json_array_size(s->plan.remove), 1);
    s->v.job = NULL;
    job_in(s, "{failed: 1, conditions: [{type: Failed, status: \"True\", lastTransitionTime: \"2026-01-01T00:00:02Z\"}]}");
    decide(s);
    assert_int_equal(json_array_size(s->plan.remove), 0);
    assert_int_equal(s->plan.requeue_after_ms, 7000);
}

static void a_changed_secret_makes_the_job_again_at_once(void **state)
{
    struct scene *s = *state;
    job_in(s, "{failed: 1, conditions: [{type: Failed, status: \"True\", lastTransitionTime: \"2026-01-01T00:00:00Z\"}]}");
    s->v.push_secret = yaml(s, "{apiVersion: v1, kind: Secret, metadata: {name: push, resourceVersion: \"8\"}, data: {.dockerconfigjson: e30=}}");
    decide(s);
    assert_int_equal(json_array_size(s->plan.remove), 1);
}

static void a_finished_job_is_served_unless_told_otherwise(void **state)
{
    struct scene *s = *state;
    job_in(s, "{succeeded: 1, conditions: [{type: Complete, status: \"True\"}]}");
    decide(s);
    golden(planned(s->plan.create, "StatefulSet"), "native_tuned_inference");
    assert_string_equal(json_cstr(s->plan.status, "state"), "Running");
    assert_string_equal(condition(s, "WorkspaceSucceeded", "status"), "False");
    str_map_put(s->a, &s->ws.meta.annotations, STR("kaito.sh/serve-after-tuning"), STR("false"));
    decide(s);
    assert_null(planned(s->plan.create, "StatefulSet"));
    assert_null(planned(s->plan.apply, "StatefulSet"));
    assert_null(condition(s, "InferenceReady", "status"));
    assert_string_equal(json_cstr(s->plan.status, "state"), "Succeeded");
    assert_string_equal(condition(s, "WorkspaceSucceeded", "status"), "True");
}

static void progress_is_in_the_condition(void **state)
{
    struct scene *s = *state;
    job_in(s, "{active: 1}");
    s->v.progress = "step 3 of 9, loss 1.250";
    decide(s);
    assert_string_equal(condition(s, "JobStarted", "message"), "Tuning job has started: step 3 of 9, loss 1.250");
    assert_string_equal(json_cstr(s->plan.status, "state"), "Running");
    assert_true(s->plan.poll_progress);

    json_object_set_new(json_at(s->v.job, "metadata", "annotations", NULL), "kaito.sh/tuning-attempt", json_string("2"));
    decide(s);
    assert_string_equal(condition(s, "JobStarted", "message"),
                        "Tuning job has started (try 3; the events tell why the one before failed): step 3 of 9, loss 1.250");
}

static void deletion_takes_the_claims_along(void **state)
{
    struct scene *s = *state;
    load(s, inference);
    nodes_are_ready(s, "ws-i");
    s->ws.meta.deleted_us = 1;
    decide(s);
    assert_int_equal(json_array_size(s->plan.remove), 1);
    assert_true(s->plan.remove_finalizer);
    assert_null(s->plan.status);
}

static void a_deletion_that_cannot_go_on_says_why(void **state)
{
    struct scene *s = *state;
    load(s, inference);
    decide(s);
    json_t *whole = yaml(s, inference);
    json_put(whole, "status", json_incref(s->plan.status));
    assert_int_equal(schema_decode(&workspace_v1beta1, whole, s->a, &s->ws, NULL), ERR_OK);
    s->ws.meta.deleted_us = 1;
    s->v.failed = "delete NodeClaim ws1: forbidden";
    decide(s);
    assert_string_equal(condition(s, "WorkspaceDeleting", "message"), "workspace is being deleted (last reconcile error: delete NodeClaim ws1: forbidden)");
    assert_string_equal(condition(s, "NodesReady", "message"), "Not enough Nodes are ready");
    assert_string_equal(json_cstr(s->plan.status, "state"), "Pending");
    assert_int_equal(json_int(s->plan.status, "targetNodeCount", 0), 1);
}

/* ---- legacy Machines ---- */

static void machines_are_asked_for_in_their_own_words(void **state)
{
    struct scene *s = *state;
    load(s, inference);
    s->settings.claim_kind = &claim_kind_machine;
    decide(s);
    AUTO_MEM char *name = node_claim_name(&s->ws, 0);
    assert_null(planned(s->plan.create, "NodeClaim"));
    assert_string_equal(kube_name(planned(s->plan.create, "Machine")), name);
    assert_string_equal(json_str_at(planned(s->plan.create, "Machine"), "spec", "machineTemplateRef", "name", NULL), name);
    assert_string_equal(condition(s, "NodeClaimReady", "message"), "Ready Machines are not enough");
    nodes_are_ready(s, "ws-i");
    decide(s);
    assert_string_equal(condition(s, "NodeClaimReady", "message"), "Enough Machines are ready");
    s->ws.meta.deleted_us = 1;
    decide(s);
    assert_string_equal(kube_api_version(json_array_get(s->plan.remove, 0)), "karpenter.sh/v1alpha5");
    assert_string_equal(kube_kind(json_array_get(s->plan.remove, 0)), "Machine");
}

/* The Node outlives its Machine for a while, and is no node of the user's own. */
static void the_node_of_a_machine_is_not_the_users(void **state)
{
    struct scene *s = *state;
    load(s, inference);
    s->settings.claim_kind = &claim_kind_machine;
    nodes_are_ready(s, "ws-i");
    json_t *labels = json_at(json_array_get(s->v.nodes, 0), "metadata", "labels", NULL);
    json_object_del(labels, "karpenter.sh/nodepool");
    s->v.claims = NULL;
    decide(s);
    assert_null(planned(s->plan.create, "Machine"));
    json_put_str(labels, "karpenter.sh/provisioner-name", "default");
    decide(s);
    assert_non_null(planned(s->plan.create, "Machine"));
}

/* So that nobody loses sight of it when NodeClaims come. */
static void a_machine_that_upstream_asked_for_gets_our_mark(void **state)
{
    struct scene *s = *state;
    load(s, inference);
    nodes_are_ready(s, "ws-i");
    decide(s);
    assert_int_equal(json_array_size(s->plan.mend), 0);         /* NodeClaims stay as upstream left them */
    s->settings.claim_kind = &claim_kind_machine;
    decide(s);
    assert_int_equal(json_array_size(s->plan.mend), 1);
    assert_string_equal(kube_kind(json_array_get(s->plan.mend, 0)), "Machine");
    assert_string_equal(kube_name(json_array_get(s->plan.mend, 0)), "c");
    assert_string_equal(kube_annotation(json_array_get(s->plan.mend, 0), UID_ANNOTATION), "u-1");
    kube_set_annotation(json_array_get(s->v.claims, 0), UID_ANNOTATION, "u-1");
    decide(s);
    assert_int_equal(json_array_size(s->plan.mend), 0);
}

/* Dossier 4.3, second golden vector: what an API-server-defaulted phi-4-mini example yields. */
static void the_revision_hash_is_upstreams(void **state)
{
    struct scene *s = *state;
    char hash[65];
    load(s, "resource: {count: 1, instanceType: Standard_NC24ads_A100_v4, labelSelector: {matchLabels: {apps: phi-4}}}\n"
            "inference: {preset: {name: phi-4-mini-instruct, accessMode: public}}\n");
    ws_hash(&s->ws, hash);
    assert_string_equal(hash, "203bd2f573e212877fc413be56776945a635c4cd6ea73b05061e71a0272019a8");
}

/* A history of n revisions of other specs, numbered from 1; the last one may be of this spec's hash. */
static void history(struct scene *s, int n, const char *last_hash)
{
    json_t *list = json_array();

    json_arena_own(s->a, list);
    for (int i = 1; i <= n; i++) {
        const char *hash = i == n && last_hash ? last_hash : "0000000000";
        json_push(list, json_pack("{s:s, s:s, s:{s:o, s:s, s:s, s:{s:s}}, s:i}", "apiVersion", "apps/v1", "kind", "ControllerRevision", "metadata",
                                  "name", i == n && last_hash ? json_strf("ws-i-%.5s", last_hash) : json_strf("ws-i-r%d", i), "namespace", "default",
                                  "uid", "u", "annotations", HASH_ANNOTATION, hash, "revision", i));
    }
    s->v.revisions = list;
    str_map_put(s->a, &s->ws.meta.annotations, STR(HASH_ANNOTATION), STR("other"));
    str_map_put(s->a, &s->ws.meta.annotations, STR(REVISION_ANNOTATION), STR("1"));
}

static void the_next_revision_is_the_largest_and_one(void **state)
{
    struct scene *s = *state;
    load(s, inference);
    history(s, 3, NULL);
    decide(s);
    assert_string_equal(json_cstr(s->plan.annotations, REVISION_ANNOTATION), "4");
    assert_int_equal(json_int(planned(s->plan.create, "ControllerRevision"), "revision", 0), 4);
    assert_null(planned(s->plan.remove, "ControllerRevision"));
}

static void a_spec_taken_back_has_its_old_revision(void **state)
{
    struct scene *s = *state;
    char hash[65];
    load(s, inference);
    ws_hash(&s->ws, hash);
    history(s, 2, hash);
    str_map_put(s->a, &s->ws.meta.annotations, STR(REVISION_ANNOTATION), STR("9"));
    decide(s);
    assert_string_equal(json_cstr(s->plan.annotations, REVISION_ANNOTATION), "2");
    assert_string_equal(json_cstr(s->plan.annotations, HASH_ANNOTATION), hash);
    assert_null(planned(s->plan.create, "ControllerRevision"));
}

static void beyond_ten_the_oldest_revision_goes(void **state)
{
    struct scene *s = *state;
    load(s, inference);
    history(s, 11, NULL);
    decide(s);
    assert_int_equal(json_array_size(s->plan.remove), 1);
    assert_string_equal(kube_name(planned(s->plan.remove, "ControllerRevision")), "ws-i-r1");
}

static void a_revision_of_another_hash_is_a_conflict(void **state)
{
    struct scene *s = *state;
    char hash[65];
    size_t at;
    load(s, inference);
    ws_hash(&s->ws, hash);
    history(s, 1, hash);
    json_put_str(json_at(json_array_get(s->v.revisions, 0), "metadata", "annotations", NULL), HASH_ANNOTATION, "else");
    decide(s);
    assert_null(s->plan.annotations);
    assert_int_equal(s->plan.error.code, ERR_INVALID);
    assert_int_equal(json_array_size(s->plan.events), 1);
    assert_true(str_find(str_of(condition(s, "ResourceReady", "message")),
                         STR("Ready NodeClaims are not enough (last reconcile error: revision name conflicts, the hash values are different: "), &at));
}

/* Annotated, but the manager may have died or failed before it made what the annotation names. */
static void an_annotated_revision_that_may_be_missing_is_made_again(void **state)
{
    static const struct { const char *message; bool again; } told[] = {
        { "Not enough Nodes are ready", false }, { "Not enough Nodes are ready (last reconcile error: label Node n: forbidden)", false },
        { "Not enough Nodes are ready (last reconcile error: create NodeClaim c: forbidden)", true },
        { "Not enough Nodes are ready (last reconcile error: create Machine c: forbidden)", true },
        { "Not enough Nodes are ready (last reconcile error: create ControllerRevision r: forbidden)", true },
    };
    struct scene *s = *state;
    struct condition c = { .type = STR("NodesReady"), .status = STR("False"), .reason = STR("NodeNotReady") };
    char hash[65];
    load(s, inference);
    ws_hash(&s->ws, hash);
    str_map_put(s->a, &s->ws.meta.annotations, STR(HASH_ANNOTATION), str_of(hash));
    str_map_put(s->a, &s->ws.meta.annotations, STR(REVISION_ANNOTATION), STR("3"));
    decide(s);
    assert_null(s->plan.annotations);
    assert_int_equal(json_int(planned(s->plan.create, "ControllerRevision"), "revision", 0), 3);
    s->ws.status.conditions = &c;
    s->ws.status.n_conditions = 1;
    for (size_t i = 0; i < ARRAY_LEN(told); i++) {
        c.message = str_of(told[i].message);
        decide(s);
        assert_int_equal(planned(s->plan.create, "ControllerRevision") != NULL, told[i].again);
    }
}

/* Until something was told, finalizer and annotations go first; a later revision is there before it is annotated. */
static void only_the_first_annotations_go_before_their_revision(void **state)
{
    struct scene *s = *state;
    struct condition c = { .type = STR("NodesReady"), .status = STR("False"), .message = STR("Not enough Nodes are ready") };
    load(s, inference);
    decide(s);
    assert_true(s->plan.first);
    s->ws.status.conditions = &c;
    s->ws.status.n_conditions = 1;
    decide(s);
    assert_false(s->plan.first);
    assert_non_null(s->plan.annotations);
}

static void why_writes_failed_is_in_every_message(void **state)
{
    struct scene *s = *state;
    load(s, inference);
    s->v.failed = "create NodeClaim ws1: forbidden";
    decide(s);
    assert_string_equal(condition(s, "NodesReady", "message"), "Not enough Nodes are ready (last reconcile error: create NodeClaim ws1: forbidden)");
    assert_string_equal(condition(s, "WorkspaceSucceeded", "message"),
                        "workspace is waiting for inference workload readiness (last reconcile error: create NodeClaim ws1: forbidden)");
}

static void a_machine_with_gpus_by_the_table_waits_for_its_devices(void **state)
{
    struct scene *s = *state;
    load(s, inference);
    s->ws.resource->instance_type = STR("Standard_NC24ads_A100_v4");
    nodes_are_ready(s, "ws-i");
    json_t *labels = json_at(json_array_get(s->v.nodes, 0), "metadata", "labels", NULL);
    json_put_str(labels, "node.kubernetes.io/instance-type", "Standard_NC24ads_A100_v4");
    decide(s);
    assert_string_equal(condition(s, "NodesReady", "reason"), "NodePluginsNotReady");
    assert_null(planned(s->plan.create, "StatefulSet"));
    assert_null(planned(s->plan.apply, "StatefulSet"));
    /* this machine's own Node goes by any type */
    json_put_str(labels, "kaito.sh/local-node", "true");
    decide(s);
    assert_non_null(planned(s->plan.create, "StatefulSet"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_new_workspace_asks_for_its_claim), T(the_same_decision_names_the_same_claim), T(a_claim_that_goes_is_waited_for),
        T(the_claims_cause_is_shown), T(ready_nodes_without_gpu_get_the_native_runtime), T(a_gpu_machine_waits_for_its_devices), T(a_rehearsed_gpu_machine_is_this_machine),
        T(nothing_is_decided_before_initialized), T(a_serving_workspace_writes_nothing_more), T(tuning_makes_its_job),
        T(the_template_is_copied_first), T(a_missing_push_secret_holds_the_job_and_is_told_once),
        T(a_failed_job_tells_its_cause_and_is_made_again_later), T(a_job_that_failed_in_the_future_is_made_again), T(a_changed_secret_makes_the_job_again_at_once),
        T(a_finished_job_is_served_unless_told_otherwise), T(progress_is_in_the_condition), T(deletion_takes_the_claims_along), T(machines_are_asked_for_in_their_own_words), T(the_node_of_a_machine_is_not_the_users),
        T(a_machine_that_upstream_asked_for_gets_our_mark),
        T(a_deletion_that_cannot_go_on_says_why),
        T(the_revision_hash_is_upstreams), T(the_next_revision_is_the_largest_and_one), T(a_spec_taken_back_has_its_old_revision),
        T(beyond_ten_the_oldest_revision_goes), T(a_revision_of_another_hash_is_a_conflict),
        T(an_annotated_revision_that_may_be_missing_is_made_again), T(only_the_first_annotations_go_before_their_revision), T(why_writes_failed_is_in_every_message),
        T(a_machine_with_gpus_by_the_table_waits_for_its_devices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
