/* What a claim's status and Node become, by tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/yaml.h"
#include "kube/meta.h"
#include "provisioner/lifecycle.h"

#define NOW_MS 1767225600000LL

struct scene { struct arena *a; struct node_claim claim; struct claim_view v; struct claim_plan plan; };

static json_t *yaml(struct scene *s, const char *text)
{
    json_t *j = NULL;
    struct err e;

    if (yaml_parse(str_of(text), &j, &e))
        fail_msg("%s", e.text);
    json_arena_own(s->a, j);
    return j;
}

static int setup(void **state)
{
    struct scene *s = calloc(1, sizeof *s);

    s->a = arena_new();
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct scene *s = *state;

    claim_plan_done(&s->plan);
    arena_free(s->a);
    free(s);
    return 0;
}

static void claim_is(struct scene *s, const char *status)
{
    json_t *j = yaml(s, "{apiVersion: karpenter.sh/v1, kind: NodeClaim, metadata: {name: c, uid: u, generation: 1, labels: {kaito.sh/workspace: w, app: x}}, "
                        "spec: {nodeClassRef: {group: kaito.sh, kind: KaitoNodeClass, name: default}, requirements: [], "
                        "taints: [{key: sku, value: gpu, effect: NoSchedule}], resources: {requests: {storage: 80Gi, cpu: 1}}}}");

    if (status)
        json_put(j, "status", json_incref(yaml(s, status)));
    assert_int_equal(schema_decode(&node_claim_type, j, s->a, &s->claim, NULL), ERR_OK);
    s->v.claim = &s->claim;
    s->v.object = j;
}

static const char *reason(struct scene *s, const char *type)
{
    const json_t *c;
    size_t i;

    json_array_foreach(json_object_get(s->plan.status, "conditions"), i, c)
        if (streq(json_cstr(c, "type"), type))
            return json_cstr(c, "reason");
    return NULL;
}

static void decide(struct scene *s)
{
    claim_plan_done(&s->plan);
    claim_plan(&s->v, NOW_MS, &s->plan);
}

static void launch_failures_are_told_and_stay_unknown(void **state)
{
    struct scene *s = *state;
    claim_is(s, NULL);
    s->v.launch_error = "no quota";
    decide(s);
    assert_string_equal(reason(s, "Launched"), "LaunchFailed");
    assert_string_equal(reason(s, "Registered"), "AwaitingReconciliation");
    assert_string_equal(reason(s, "Ready"), "ReconcilingDependents");
    assert_null(json_cstr(s->plan.status, "nodeName"));
}

static const json_t *condition(struct scene *s, const char *type)
{
    const json_t *c;
    size_t i;

    json_array_foreach(json_object_get(s->plan.status, "conditions"), i, c)
        if (streq(json_cstr(c, "type"), type))
            return c;
    return NULL;
}

static void each_kind_of_failure_has_its_reason_status_and_next_step(void **state)
{
    static const struct { enum cloud_fault fault; const char *reason, *status; bool final; } rows[] = {
        { FAULT_QUOTA, "QuotaExceeded", "False", false }, { FAULT_CAPACITY, "InsufficientCapacity", "Unknown", false },
        { FAULT_TYPE, "InstanceTypeUnavailable", "False", true }, { FAULT_SPEC, "InvalidSpec", "False", true },
        { FAULT_AUTH, "Unauthorized", "Unknown", false }, { FAULT_THROTTLED, "Throttled", "Unknown", false },
        { FAULT_CLUSTER_GONE, "ClusterNotFound", "False", false }, { FAULT_NOT_OURS, "NameTaken", "False", true },
    };
    struct scene *s = *state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        claim_is(s, NULL);
        s->v.launch_error = "why";
        s->v.launch_fault = rows[i].fault;
        decide(s);
        assert_string_equal(reason(s, "Launched"), rows[i].reason);
        assert_string_equal(json_cstr(condition(s, "Launched"), "status"), rows[i].status);
        assert_true(str_has_prefix(str_of(json_cstr(condition(s, "Launched"), "message")), STR("why; next: ")));
        assert_int_equal(cloud_fault_is_final(rows[i].reason), rows[i].final);
        assert_int_equal(cloud_fault_wait_ms(rows[i].fault, 0) < 0, rows[i].final);
    }
}

static void waits_double_within_the_bounds_of_their_kind(void **state)
{
    assert_int_equal(cloud_fault_wait_ms(FAULT_CAPACITY, 0), 60000);
    assert_int_equal(cloud_fault_wait_ms(FAULT_CAPACITY, 120000), 120000);
    assert_int_equal(cloud_fault_wait_ms(FAULT_CAPACITY, 86400000), 900000);
}

static void a_cloud_that_was_not_asked_changes_nothing_about_the_launch(void **state)
{
    struct scene *s = *state;
    claim_is(s, "{conditions: [{type: Launched, status: \"False\", reason: InvalidSpec, message: bad name, lastTransitionTime: \"2025-12-31T00:00:00Z\"}]}");
    decide(s);
    assert_string_equal(reason(s, "Launched"), "InvalidSpec");
    assert_string_equal(json_cstr(condition(s, "Launched"), "message"), "bad name");
    assert_string_equal(json_cstr(condition(s, "Launched"), "lastTransitionTime"), "2025-12-31T00:00:00Z");
    assert_string_equal(reason(s, "Ready"), "UnhealthyDependents");
}

static void a_machine_on_its_way_is_told_and_a_running_one_waits_for_its_node(void **state)
{
    struct scene *s = *state;
    claim_is(s, NULL);
    s->v.launch_wait = "the cloud makes it";
    decide(s);
    assert_string_equal(reason(s, "Launched"), "LaunchInProgress");
    s->v.launch_wait = NULL;
    s->v.launched = true;
    decide(s);
    assert_string_equal(reason(s, "Launched"), "Launched");
    assert_string_equal(reason(s, "Registered"), "NodeNotFound");
    assert_null(json_cstr(s->plan.status, "providerID"));
    s->v.nodes = yaml(s, "[{metadata: {name: n}, spec: {providerID: \"azure:///x\"}}]");
    decide(s);
    assert_string_equal(json_cstr(s->plan.status, "providerID"), "azure:///x");
    assert_string_equal(reason(s, "Registered"), "Registered");
}

/* Upstream's conditions are Unknown since the claim was created, whenever the provisioner saw it first. */
static void what_nobody_wrote_yet_is_unknown_since_the_claim_was_made(void **state)
{
    struct scene *s = *state;
    claim_is(s, NULL);
    s->claim.meta.created_us = (NOW_MS - 60000) * 1000;
    s->v.launched = true;
    decide(s);
    assert_string_equal(json_cstr(condition(s, "Launched"), "lastTransitionTime"), "2026-01-01T00:00:00Z");
    assert_string_equal(json_cstr(condition(s, "Registered"), "lastTransitionTime"), "2025-12-31T23:59:00Z");
    assert_string_equal(json_cstr(condition(s, "Initialized"), "lastTransitionTime"), "2025-12-31T23:59:00Z");
    assert_string_equal(json_cstr(condition(s, "Ready"), "lastTransitionTime"), "2025-12-31T23:59:00Z");
    assert_string_equal(json_cstr(condition(s, "Ready"), "message"), "Initialized=Unknown, Registered=Unknown");
}

static void types_are(struct scene *s, const char *want)
{
    AUTO_BUF have = { 0 };
    const json_t *c;
    size_t i;

    json_array_foreach(json_object_get(s->plan.status, "conditions"), i, c)
        buf_addf(&have, "%s%s", i > 0 ? " " : "", json_cstr(c, "type"));
    assert_string_equal(buf_cstr(&have), want);
}

static void ready_names_what_changed_last_first_and_ends_the_list(void **state)
{
    struct scene *s = *state;
    claim_is(s, "{conditions: [{type: Ready, status: \"False\", reason: UnhealthyDependents, lastTransitionTime: \"2025-12-31T00:00:09Z\"}, "
                "{type: Launched, status: \"False\", reason: InvalidSpec, message: bad, lastTransitionTime: \"2025-12-31T00:00:03Z\"}, "
                "{type: Initialized, status: Unknown, reason: AwaitingReconciliation, lastTransitionTime: \"2025-12-31T00:00:02Z\"}, "
                "{type: Registered, status: Unknown, reason: AwaitingReconciliation, lastTransitionTime: \"2025-12-31T00:00:01Z\"}]}");
    decide(s);
    assert_string_equal(json_cstr(condition(s, "Ready"), "message"), "Launched=False, Initialized=Unknown, Registered=Unknown");
    assert_string_equal(json_cstr(condition(s, "Ready"), "lastTransitionTime"), "2025-12-31T00:00:09Z");     /* False it was before */
    types_are(s, "Registered Initialized Launched Ready");
}

static void no_failing_condition_is_without_words(void **state)
{
    struct scene *s = *state;
    const json_t *c;
    size_t i;
    claim_is(s, NULL);
    s->v.provider_id = "local:///c";
    decide(s);
    json_array_foreach(json_object_get(s->plan.status, "conditions"), i, c)
        assert_true(streq(json_cstr(c, "status"), "True") || str_set(json_cstr(c, "message")));
    assert_string_equal(reason(s, "Registered"), "NodeNotFound");
    assert_string_equal(json_cstr(s->plan.status, "providerID"), "local:///c");
}

static void two_nodes_of_one_machine_fail_the_claim(void **state)
{
    struct scene *s = *state;
    claim_is(s, NULL);
    s->v.provider_id = "p";
    s->v.nodes = yaml(s, "[{metadata: {name: a}}, {metadata: {name: b}}]");
    decide(s);
    assert_string_equal(reason(s, "Registered"), "MultipleNodesFound");
    assert_string_equal(reason(s, "Ready"), "UnhealthyDependents");
    assert_null(s->plan.node_patch);
}

static void a_node_that_joins_takes_over_labels_taints_and_finalizer(void **state)
{
    struct scene *s = *state;
    claim_is(s, NULL);
    s->v.provider_id = "p";
    s->v.nodes = yaml(s, "[{metadata: {name: n, resourceVersion: \"5\"}, spec: {taints: [{key: karpenter.sh/unregistered, effect: NoExecute}]}}]");
    decide(s);
    assert_string_equal(reason(s, "Registered"), "Registered");
    assert_string_equal(reason(s, "Initialized"), "NodeNotReady");
    assert_string_equal(json_str_at(s->plan.node_patch, "metadata", "labels", "app", NULL), "x");
    assert_string_equal(json_str_at(s->plan.node_patch, "metadata", "labels", "karpenter.sh/registered", NULL), "true");
    assert_string_equal(json_str_at(s->plan.node_patch, "metadata", "labels", "kaito.sh/kaitonodeclass", NULL), "default");
    assert_true(kube_has_finalizer(s->plan.node_patch, CLAIM_FINALIZER));
    json_t *taints = json_at(s->plan.node_patch, "spec", "taints", NULL);
    assert_int_equal(json_array_size(taints), 1);
    assert_string_equal(json_cstr(json_array_get(taints, 0), "key"), "sku");
    assert_string_equal(json_str_at(s->plan.node_patch, "metadata", "resourceVersion", NULL), "5");
}

static void a_node_that_joins_is_owned_and_told_what_its_claim_says(void **state)
{
    struct scene *s = *state;
    claim_is(s, NULL);
    json_t *j = json_deep_copy(s->v.object);
    json_arena_own(s->a, j);
    json_put(json_object_get(j, "metadata"), "annotations", json_pack("{s:s, s:s, s:s}", "karpenter.sh/do-not-disrupt", "true", "kaito.sh/cloud-operation", "https://signed",
                                                                      "kaito.sh/launch-attempts", "2"));
    json_put(json_object_get(j, "spec"), "startupTaints", json_pack("[{s:s, s:s}]", "key", "boot", "effect", "NoExecute"));
    assert_int_equal(schema_decode(&node_claim_type, j, s->a, &s->claim, NULL), ERR_OK);
    s->v.object = j;
    s->v.provider_id = "p";
    s->v.nodes = yaml(s, "[{metadata: {name: n, ownerReferences: [{kind: Other, name: o, uid: o}]}, status: {conditions: [{type: Ready, status: \"True\"}]}}]");
    decide(s);
    const json_t *owners = json_at(s->plan.node_patch, "metadata", "ownerReferences", NULL), *notes = json_at(s->plan.node_patch, "metadata", "annotations", NULL);
    assert_int_equal(json_array_size(owners), 2);                       /* somebody else's stays */
    assert_string_equal(json_cstr(json_array_get(owners, 1), "uid"), "u");
    assert_true(json_flag(json_array_get(owners, 1), "blockOwnerDeletion", false));
    assert_int_equal(json_object_size(notes), 1);                       /* our notes are nobody's business */
    assert_string_equal(json_cstr(notes, "karpenter.sh/do-not-disrupt"), "true");
    assert_int_equal(json_array_size(json_at(s->plan.node_patch, "spec", "taints", NULL)), 2);
    s->v.nodes = yaml(s, "[{metadata: {name: n, labels: {karpenter.sh/registered: \"true\"}}, spec: {taints: [{key: boot, effect: NoExecute}]}, "
                         "status: {conditions: [{type: Ready, status: \"True\"}], allocatable: {cpu: \"2\"}}}]");
    decide(s);
    assert_string_equal(reason(s, "Initialized"), "StartupTaintsExist");
    assert_null(json_at(s->plan.node_patch, "spec", "taints", NULL));   /* a taint that was taken off does not come back */
}

static void a_machine_that_was_given_up_leaves_nothing_in_the_status(void **state)
{
    struct scene *s = *state;
    claim_is(s, "{providerID: p, nodeName: n, capacity: {cpu: 1}, conditions: [{type: Launched, status: \"True\", reason: Launched}, "
                "{type: Registered, status: \"True\", reason: Registered}]}");
    s->v.nodes = yaml(s, "[{metadata: {name: n}, spec: {providerID: p}}]");
    s->v.lost = "InitializationTimeout";
    s->v.lost_text = "no GPU";
    decide(s);
    assert_string_equal(reason(s, "Launched"), "InitializationTimeout");
    assert_string_equal(json_cstr(condition(s, "Launched"), "status"), "Unknown");
    assert_string_equal(reason(s, "Registered"), "AwaitingReconciliation");
    assert_true(json_is_null(json_object_get(s->plan.status, "providerID")));
    assert_true(json_is_null(json_object_get(s->plan.status, "nodeName")));
    assert_true(json_is_null(json_object_get(s->plan.status, "capacity")));
    assert_null(s->plan.node_patch);
    s->v.lost_for_good = true;
    decide(s);
    assert_string_equal(json_cstr(condition(s, "Launched"), "status"), "False");
    assert_string_equal(reason(s, "Ready"), "UnhealthyDependents");
}

static void ours_are_kaitos_claims_and_those_of_a_group_that_was_named(void **state)
{
    static const struct { const char *class, *label, *group; bool want; } rows[] = {
        { "{group: kaito.sh, kind: KaitoNodeClass, name: default}", NULL, NULL, true },
        { "{group: kaito.sh, kind: Other, name: default}", NULL, NULL, false },
        { "{group: '', kind: '', name: ''}", "kaito.sh/workspace", NULL, true },        /* stored before the class was required */
        { "{group: '', kind: '', name: ''}", "kaito.sh/ragengine", NULL, true },
        { "{group: '', kind: '', name: ''}", "app", NULL, false },
        { "{group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}", "kaito.sh/workspace", NULL, false },
        { "{group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}", "kaito.sh/workspace", "karpenter.k8s.aws", true },
        { "{group: karpenter.azure.com, kind: AKSNodeClass, name: default}", NULL, "karpenter.azure.com", false },
    };
    struct scene *s = *state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct node_claim c;
        AUTO_MEM char *text = xasprintf("{metadata: {name: c, labels: {%s: ''}}, spec: {nodeClassRef: %s, requirements: []}}", rows[i].label ? rows[i].label : "x", rows[i].class);
        assert_int_equal(schema_decode(&node_claim_type, yaml(s, text), s->a, &c, NULL), ERR_OK);
        assert_int_equal(claim_is_ours(&c, rows[i].group), rows[i].want);
    }
}

static void initialization_waits_for_what_is_missing(void **state)
{
    static const struct { const char *node, *want; } rows[] = {
        { "[{metadata: {name: n}, status: {conditions: [{type: Ready, status: \"False\"}]}}]", "NodeNotReady" },
        { "[{metadata: {name: n}, spec: {taints: [{key: node.kubernetes.io/not-ready, effect: NoSchedule}]}, status: {conditions: [{type: Ready, status: \"True\"}]}}]",
          "KnownEphemeralTaintsExist" },
        { "[{metadata: {name: n}, status: {conditions: [{type: Ready, status: \"True\"}], allocatable: {cpu: \"0\"}}}]", "ResourceNotRegistered" },
        { "[{metadata: {name: n}, status: {conditions: [{type: Ready, status: \"True\"}], allocatable: {cpu: \"2\"}}}]", "Initialized" },
    };
    struct scene *s = *state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        claim_is(s, NULL);
        s->v.provider_id = "p";
        s->v.nodes = yaml(s, rows[i].node);
        decide(s);
        assert_string_equal(reason(s, "Initialized"), rows[i].want);
    }
    assert_string_equal(reason(s, "Ready"), "Ready");
    assert_string_equal(json_cstr(s->plan.status, "nodeName"), "n");
}

static void a_settled_claim_is_not_written_again(void **state)
{
    struct scene *s = *state;
    claim_is(s, NULL);
    s->v.provider_id = "p";
    s->v.nodes = yaml(s, "[{metadata: {name: n, finalizers: [karpenter.sh/termination], labels: {app: x, kaito.sh/workspace: w, karpenter.sh/registered: \"true\", "
                         "karpenter.sh/initialized: \"true\", kaito.sh/kaitonodeclass: default}, ownerReferences: [{kind: NodeClaim, name: c, uid: u}]}, status: {conditions: [{type: Ready, status: \"True\"}], allocatable: {cpu: \"2\"}}}]");
    decide(s);
    json_t *settled = json_deep_copy(s->v.object);
    json_put(settled, "status", json_incref(s->plan.status));
    json_arena_own(s->a, settled);
    s->v.object = settled;
    s->v.provider_id = NULL;
    decide(s);
    assert_null(s->plan.status);
    assert_null(s->plan.node_patch);
}

static void long_errors_are_cut_between_characters(void **state)
{
    struct scene *s = *state;
    char text[1000];
    memset(text, 'a', sizeof text);
    memcpy(text + 799, "\xC3\xA9", 2);
    text[999] = '\0';
    claim_is(s, NULL);
    s->v.launch_error = text;
    decide(s);
    const char *m = json_cstr(json_array_get(json_object_get(s->plan.status, "conditions"), 0), "message");
    assert_int_equal(strlen(m), 799 + 3);
    assert_true(str_utf8_valid(str_of(m)));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(launch_failures_are_told_and_stay_unknown), T(each_kind_of_failure_has_its_reason_status_and_next_step),
        T(waits_double_within_the_bounds_of_their_kind), T(a_cloud_that_was_not_asked_changes_nothing_about_the_launch),
        T(a_machine_on_its_way_is_told_and_a_running_one_waits_for_its_node),
        T(what_nobody_wrote_yet_is_unknown_since_the_claim_was_made), T(ready_names_what_changed_last_first_and_ends_the_list), T(no_failing_condition_is_without_words), T(two_nodes_of_one_machine_fail_the_claim),
        T(a_node_that_joins_takes_over_labels_taints_and_finalizer), T(a_node_that_joins_is_owned_and_told_what_its_claim_says),
        T(a_machine_that_was_given_up_leaves_nothing_in_the_status), T(ours_are_kaitos_claims_and_those_of_a_group_that_was_named), T(initialization_waits_for_what_is_missing),
        T(a_settled_claim_is_not_written_again), T(long_errors_are_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
