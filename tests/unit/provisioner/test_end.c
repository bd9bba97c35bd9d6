/* The end of claims on an API server with a scripted cloud: budgets, deadlines, volumes, every phase, machines of others; and what is left over. */
#include <stdatomic.h>

#include "life.h"

static void up(struct life *l, const char *claim, const char *spec)
{
    life_run(l);
    life_claim(l, claim, "type-a", spec);
    life_until(l, claim, "Launched", "True/Launched");
    life_join(l, claim);
    life_until(l, claim, "Ready", "True/Ready");
}

static void budget(struct life *l, int allowed)
{
    AUTO_MEM char *status = xasprintf("{status: {observedGeneration: 1, disruptionsAllowed: %d, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1}}", allowed);

    if (!life_is_there(l, &budgets, "default", "b"))
        life_make(l, &budgets, "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: b, namespace: default}, spec: {minAvailable: 1, selector: {matchLabels: {app: x}}}}");
    life_patch(l, &budgets, "default", "b", "status", status);
}

/* The pod stays, the machine stays, the claim says why; once the budget allows it all go. */
static void a_budget_holds_up_the_machine(void **state)
{
    struct life *l = life_scene(state);

    up(l, "budget", "");
    life_pod(l, "web", "budget", "");
    budget(l, 0);
    life_delete(l, "budget");
    life_until(l, "budget", "Drained", "Unknown/Draining");
    poll(NULL, 0, 1300);
    assert_true(life_is_there(l, &pods, "default", "web"));
    assert_int_equal(fake_count(l->cloud), 1);
    AUTO_JSON claim = life_get(l, &claims, NULL, "budget");
    const char *message = json_cstr(kube_condition(claim, "Drained"), "message");
    assert_non_null(strstr(message, "default/web"));
    assert_non_null(strstr(message, "disruption budget"));
    assert_int_equal(json_int(kube_condition(claim, "Launched"), "observedGeneration", 0), kube_generation(claim));       /* the deletion made it a newer one */
    const json_t *list = json_at(claim, "status", "conditions", NULL);
    assert_string_equal(json_cstr(json_array_get(list, json_array_size(list) - 1), "type"), "Ready");
    AUTO_JSON node = life_get(l, &nodes, NULL, "node-budget");
    assert_true(json_flag(json_object_get(node, "spec"), "unschedulable", false));
    budget(l, 1);
    life_until_gone(l, &claims, NULL, "budget");
    assert_false(life_is_there(l, &pods, "default", "web"));
    assert_false(life_is_there(l, &nodes, NULL, "node-budget"));
    assert_int_equal(fake_count(l->cloud), 0);
    life_end(l);
}

static void the_claims_grace_period_ends_what_a_budget_holds_up(void **state)
{
    struct life *l = life_scene(state);

    up(l, "grace", ", terminationGracePeriod: 2s");
    life_pod(l, "web", "grace", "karpenter.sh/do-not-disrupt: 'true'");
    budget(l, 0);
    int64_t began = clock_mono_ms();
    life_delete(l, "grace");
    life_until_gone(l, &claims, NULL, "grace");
    assert_true(clock_mono_ms() - began >= 1000);
    assert_false(life_is_there(l, &pods, "default", "web"));
    life_end(l);
}

static void other_pods_leave_before_daemonsets_and_static_ones_stay(void **state)
{
    struct life *l = life_scene(state);

    up(l, "groups", "");
    life_make(l, &pods, "{apiVersion: v1, kind: Pod, metadata: {name: daemon, namespace: default, ownerReferences: [{apiVersion: apps/v1, kind: DaemonSet, name: d, uid: u1, controller: true}]}, "
                        "spec: {nodeName: node-groups, terminationGracePeriodSeconds: 0, containers: [{name: c, image: i}]}}");
    life_make(l, &pods, "{apiVersion: v1, kind: Pod, metadata: {name: tolerant, namespace: default}, "
                        "spec: {nodeName: node-groups, tolerations: [{operator: Exists}], terminationGracePeriodSeconds: 0, containers: [{name: c, image: i}]}}");
    life_pod(l, "last", "groups", "karpenter.sh/do-not-disrupt: 'true'");
    life_delete(l, "groups");
    life_until(l, "groups", "Drained", "Unknown/Draining");
    poll(NULL, 0, 300);
    assert_true(life_is_there(l, &pods, "default", "daemon"));          /* not its turn */
    struct err e;
    OK(kube_delete(l->client, &pods, "default", "last", NULL, &e));
    life_until_gone(l, &claims, NULL, "groups");
    assert_false(life_is_there(l, &pods, "default", "daemon"));
    life_end(l);
    (void)kube_delete(l->client, &pods, "default", "tolerant", NULL, &e);
}

static void a_volume_is_waited_for(void **state)
{
    static const struct kube_gvr attachments = { "storage.k8s.io", "v1", "volumeattachments" };
    struct life *l = life_scene(state);
    struct err e;

    up(l, "volume", "");
    life_make(l, &attachments, "{apiVersion: storage.k8s.io/v1, kind: VolumeAttachment, metadata: {name: va}, spec: {attacher: x, nodeName: node-volume, source: {persistentVolumeName: pv1}}}");
    life_delete(l, "volume");
    life_until(l, "volume", "VolumesDetached", "Unknown/AwaitingVolumeDetachment");
    assert_int_equal(fake_count(l->cloud), 1);
    OK(kube_delete(l->client, &attachments, NULL, "va", NULL, &e));
    life_until_gone(l, &claims, NULL, "volume");
    life_end(l);
}

/* A Node that does not answer and whose machine is gone is not drained: nobody could end its pods. */
static void a_machine_that_vanished_needs_no_drain(void **state)
{
    struct life *l = life_scene(state);

    up(l, "vanished", "");
    life_pod(l, "web", "vanished", "karpenter.sh/do-not-disrupt: 'true'");
    life_patch(l, &nodes, NULL, "node-vanished", "status", "{status: {conditions: [{type: Ready, status: Unknown, lastTransitionTime: '2026-01-01T00:00:00Z'}]}}");
    mutex_lock(&l->cloud->mu);
    map_clear(l->cloud->machines);
    mutex_unlock(&l->cloud->mu);
    life_delete(l, "vanished");
    life_until_gone(l, &claims, NULL, "vanished");
    assert_false(life_is_there(l, &nodes, NULL, "node-vanished"));
    struct err e;
    (void)kube_delete(l->client, &pods, "default", "web", NULL, &e);
    life_end(l);
}

/* Ours by its class alone: no label of KAITO's is needed to let the Node go (upstream's controller waits for it for ever). */
static void a_claim_without_kaitos_labels_ends_like_any_other(void **state)
{
    struct life *l = life_scene(state);

    life_run(l);
    life_make(l, &claims, "{apiVersion: karpenter.sh/v1, kind: NodeClaim, metadata: {name: bare}, spec: {nodeClassRef: {group: kaito.sh, kind: KaitoNodeClass, name: default}, "
                          "requirements: [{key: node.kubernetes.io/instance-type, operator: In, values: [type-a]}]}}");
    life_until(l, "bare", "Launched", "True/Launched");
    life_join(l, "bare");
    life_until(l, "bare", "Ready", "True/Ready");
    life_delete(l, "bare");
    life_until_gone(l, &claims, NULL, "bare");
    life_until_gone(l, &nodes, NULL, "node-bare");
    assert_int_equal(fake_count(l->cloud), 0);
    life_end(l);
}

/* Whoever deletes the Node means the machine. */
static void deleting_the_node_deletes_machine_and_claim(void **state)
{
    struct life *l = life_scene(state);
    struct err e;

    up(l, "bynode", "");
    OK(kube_delete(l->client, &nodes, NULL, "node-bynode", NULL, &e));
    life_until_gone(l, &claims, NULL, "bynode");
    life_until_gone(l, &nodes, NULL, "node-bynode");
    assert_int_equal(fake_count(l->cloud), 0);
    life_end(l);
}

/* Of a spot machine that means that the cloud took it back: until the claim is gone it says so. */
static void a_claim_says_why_its_node_ended_it(void **state)
{
    static const struct { const char *name, *capacity, *says; } rows[] = {
        { "evicted", "[spot]", "True/SpotEvicted" }, { "removed", "[spot, on-demand]", "True/NodeDeleted" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct life *l = life_scene(state);
        AUTO_MEM char *node = xasprintf("node-%s", rows[i].name);
        AUTO_MEM char *text = xasprintf("{apiVersion: karpenter.sh/v1, kind: NodeClaim, metadata: {name: %s, labels: {kaito.sh/workspace: w}}, spec: {nodeClassRef: {group: kaito.sh, "
                                        "kind: KaitoNodeClass, name: default}, expireAfter: Never, requirements: [{key: node.kubernetes.io/instance-type, operator: In, values: [type-a]}, "
                                        "{key: karpenter.sh/capacity-type, operator: In, values: %s}]}}", rows[i].name, rows[i].capacity);
        struct err e;

        l->cloud->deleting_looks = 50;
        life_run(l);
        life_make(l, &claims, text);
        life_until(l, rows[i].name, "Launched", "True/Launched");
        life_join(l, rows[i].name);
        life_until(l, rows[i].name, "Ready", "True/Ready");
        OK(kube_delete(l->client, &nodes, NULL, node, NULL, &e));
        life_until(l, rows[i].name, "DisruptionReason", rows[i].says);
        life_until_gone(l, &claims, NULL, rows[i].name);
        life_end(l);
    }
}

static void no_phase_leaves_a_machine_behind(void **state)
{
    static const struct { const char *name; int pending; enum cloud_fault fault; const char *until, *reason; bool join; } rows[] = {
        { "at-once", 0, FAULT_OTHER, NULL, NULL, false }, { "in-launch", 1000, FAULT_OTHER, "Launched", "Unknown/LaunchInProgress", false },
        { "refused", 0, FAULT_CAPACITY, "Launched", "Unknown/InsufficientCapacity", false }, { "no-node", 0, FAULT_OTHER, "Registered", "Unknown/NodeNotFound", false },
        { "ready", 0, FAULT_OTHER, "Ready", "True/Ready", true },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct life *l = life_scene(state);

        l->cloud->pending_looks = rows[i].pending;
        l->cloud->deleting_looks = 2;
        l->cloud->fault = rows[i].fault;
        l->cloud->fail_times = rows[i].fault != FAULT_OTHER;
        life_run(l);
        life_claim(l, rows[i].name, "type-a", "");
        if (rows[i].join) {
            life_until(l, rows[i].name, "Launched", "True/Launched");
            life_join(l, rows[i].name);
        }
        if (rows[i].until)
            life_until(l, rows[i].name, rows[i].until, rows[i].reason);
        life_delete(l, rows[i].name);
        life_until_gone(l, &claims, NULL, rows[i].name);
        life_until_no_machine(l);
        life_end(l);
    }
}

static void take_away(void *self, const char *claim)
{
    struct life *l = self;

    life_delete(l, claim);
    life_patch(l, &claims, NULL, claim, NULL, "{metadata: {finalizers: null}}");
}

/* kube-apiserver decides about the finalizer before it deletes: a claim may get one and go all the same. */
static void a_claim_that_goes_while_its_machine_is_made_leaves_none(void **state)
{
    struct life *l = life_scene(state);

    l->cloud->deleting_looks = 2;
    l->cloud->making = take_away;
    l->cloud->making_self = l;
    life_run(l);
    life_claim(l, "vanishing", "type-a", "");
    life_until_count(l->cloud, &l->cloud->made, 1);
    life_until_no_machine(l);
    assert_false(life_is_there(l, &claims, NULL, "vanishing"));
    life_end(l);
}

struct seen { struct life *l; atomic_bool asked, bare; };

static void look_at_finalizer(void *self, const char *claim)
{
    struct seen *s = self;
    AUTO_JSON object = life_get(s->l, &claims, NULL, claim);

    s->asked = true;
    if (!kube_has_finalizer(object, CLAIM_FINALIZER))
        s->bare = true;
}

/* Killed in between, a claim without it could go and leave its machine behind. */
static void the_finalizer_is_stored_before_anything_is_made(void **state)
{
    struct life *l = life_scene(state);
    struct seen s = { .l = l };

    l->cloud->making = look_at_finalizer;
    l->cloud->making_self = &s;
    life_run(l);
    life_claim(l, "kept", "type-a", "");
    life_until(l, "kept", "Launched", "True/Launched");
    assert_true(s.asked && !s.bare);
    life_delete(l, "kept");
    life_until_gone(l, &claims, NULL, "kept");
    life_end(l);
}

/* Whoever looks for what costs money finds the Node as long as there is a machine. */
static void the_node_stays_until_its_machine_is_gone(void **state)
{
    struct life *l = life_scene(state);
    int looks = 0;

    l->cloud->deleting_looks = 6;
    up(l, "lasting", "");
    life_delete(l, "lasting");
    for (int64_t end = clock_mono_ms() + LIFE_WAIT_MS; fake_count(l->cloud) && clock_mono_ms() < end; looks++, poll(NULL, 0, 5))
        if (!life_is_there(l, &nodes, NULL, "node-lasting"))
            assert_int_equal(fake_count(l->cloud), 0);
    assert_true(looks > 1);
    life_until_gone(l, &claims, NULL, "lasting");
    assert_false(life_is_there(l, &nodes, NULL, "node-lasting"));
    life_end(l);
}

static void the_claim_stays_while_the_cloud_cannot_delete_and_says_why(void **state)
{
    struct life *l = life_scene(state);

    up(l, "undead", "");
    l->cloud->delete_fails = true;
    life_delete(l, "undead");
    life_until(l, "undead", "InstanceTerminating", "Unknown/InstanceTerminationFailed");
    AUTO_JSON claim = life_get(l, &claims, NULL, "undead");
    assert_true(kube_has_finalizer(claim, CLAIM_FINALIZER));
    poll(NULL, 0, 1500);
    assert_true(fake_read(l->cloud, &l->cloud->deletes) <= 4);          /* what each failure writes does not bring on the next */
    mutex_lock(&l->cloud->mu);
    l->cloud->delete_fails = false;
    mutex_unlock(&l->cloud->mu);
    life_until_gone(l, &claims, NULL, "undead");
    life_end(l);
}

static void a_machine_of_somebody_else_is_never_deleted(void **state)
{
    struct life *l = life_scene(state);

    fake_add(l->cloud, "taken");
    l->cloud->fault = FAULT_NOT_OURS;
    l->cloud->fail_times = 1;
    life_run(l);
    life_claim(l, "taken", "type-a", "");
    life_until(l, "taken", "Launched", "False/NameTaken");
    life_delete(l, "taken");
    life_until_gone(l, &claims, NULL, "taken");
    assert_int_equal(fake_count(l->cloud), 1);
    assert_int_equal(l->cloud->deletes, 0);
    life_end(l);
}

/* ---- what is left over ---- */

static void quick_collectors(struct life *l, enum collect_mode mode)
{
    l->o.collect = mode;
    l->o.timers.collect_ms = 100;
    l->o.timers.collect_grace_ms = 250;
}

static void a_machine_without_claim_goes_and_one_with_claim_stays(void **state)
{
    struct life *l = life_scene(state);

    quick_collectors(l, COLLECT_ON);
    up(l, "kept", "");
    fake_add(l->cloud, "orphan");
    for (int64_t end = clock_mono_ms() + LIFE_WAIT_MS; clock_mono_ms() < end && fake_count(l->cloud) > 1; poll(NULL, 0, 20))
        ;
    poll(NULL, 0, 500);
    assert_int_equal(fake_count(l->cloud), 1);
    assert_true(life_is_there(l, &claims, NULL, "kept"));
    life_delete(l, "kept");
    life_until_gone(l, &claims, NULL, "kept");
    life_end(l);
}

static void a_dry_run_deletes_nothing_and_says_what_it_would(void **state)
{
    struct life *l = life_scene(state);
    AUTO_BUF text = { 0 };
    AUTO_JSON listed = NULL;
    struct err e;
    size_t at;

    quick_collectors(l, COLLECT_DRY_RUN);
    fake_add(l->cloud, "orphan");
    life_run(l);
    life_until_count(l->cloud, &l->cloud->lists, 8);
    assert_int_equal(fake_count(l->cloud), 1);
    assert_int_equal(l->cloud->deletes, 0);
    provisioner_metrics(l->p, &text);
    assert_true(str_find(buf_str(&text), STR("kaito_provisioner_collected_total{kind=\"Machine\",dry_run=\"true\"}"), &at));
    OK(provisioner_orphans(l->client, &l->cloud->cloud, NULL, &listed, &e));
    assert_int_equal(json_array_size(listed), 1);
    assert_string_equal(json_cstr(json_array_get(listed, 0), "kind"), "Machine");
    assert_string_equal(json_cstr(json_array_get(listed, 0), "name"), "orphan");
    life_end(l);
}

static void a_cloud_that_does_not_list_condemns_nothing(void **state)
{
    struct life *l = life_scene(state);

    quick_collectors(l, COLLECT_ON);
    l->cloud->list_fails = true;
    up(l, "safe", "");
    life_patch(l, &nodes, NULL, "node-safe", "status", "{status: {conditions: [{type: Ready, status: Unknown, lastTransitionTime: '2026-01-01T00:00:00Z'}]}}");
    life_until_count(l->cloud, &l->cloud->lists, 8);
    assert_true(life_is_there(l, &claims, NULL, "safe"));
    assert_int_equal(fake_count(l->cloud), 1);
    life_delete(l, "safe");
    life_until_gone(l, &claims, NULL, "safe");
    life_end(l);
}

static void a_claim_whose_machine_vanished_goes(void **state)
{
    struct life *l = life_scene(state);

    quick_collectors(l, COLLECT_ON);
    up(l, "empty", "");
    life_patch(l, &nodes, NULL, "node-empty", "status", "{status: {conditions: [{type: Ready, status: Unknown, lastTransitionTime: '2026-01-01T00:00:00Z'}]}}");
    mutex_lock(&l->cloud->mu);
    map_clear(l->cloud->machines);
    mutex_unlock(&l->cloud->mu);
    life_until_gone(l, &claims, NULL, "empty");
    life_until_gone(l, &nodes, NULL, "node-empty");
    life_end(l);
}

static void a_node_without_claim_and_machine_goes(void **state)
{
    struct life *l = life_scene(state);

    quick_collectors(l, COLLECT_ON);
    life_make(l, &nodes, "{apiVersion: v1, kind: Node, metadata: {name: left, finalizers: [karpenter.sh/termination], labels: {kaito.sh/workspace: w}, "
                         "annotations: {x: y}}, spec: {providerID: 'fake:///nobody'}}");
    life_patch(l, &nodes, NULL, "left", NULL, "{metadata: {ownerReferences: [{apiVersion: karpenter.sh/v1, kind: NodeClaim, name: nobody, uid: u-gone}]}}");
    life_run(l);
    life_until_gone(l, &nodes, NULL, "left");
    life_end(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIFE(a_budget_holds_up_the_machine), LIFE(the_claims_grace_period_ends_what_a_budget_holds_up),
        LIFE(other_pods_leave_before_daemonsets_and_static_ones_stay), LIFE(a_volume_is_waited_for),
        LIFE(a_machine_that_vanished_needs_no_drain), LIFE(deleting_the_node_deletes_machine_and_claim), LIFE(a_claim_says_why_its_node_ended_it), LIFE(a_claim_without_kaitos_labels_ends_like_any_other),
        LIFE(no_phase_leaves_a_machine_behind), LIFE(a_claim_that_goes_while_its_machine_is_made_leaves_none), LIFE(the_finalizer_is_stored_before_anything_is_made), LIFE(the_node_stays_until_its_machine_is_gone), LIFE(the_claim_stays_while_the_cloud_cannot_delete_and_says_why),
        LIFE(a_machine_of_somebody_else_is_never_deleted), LIFE(a_machine_without_claim_goes_and_one_with_claim_stays),
        LIFE(a_dry_run_deletes_nothing_and_says_what_it_would), LIFE(a_cloud_that_does_not_list_condemns_nothing),
        LIFE(a_claim_whose_machine_vanished_goes), LIFE(a_node_without_claim_and_machine_goes),
    };
    return cmocka_run_group_tests(tests, life_start, life_stop);
}
