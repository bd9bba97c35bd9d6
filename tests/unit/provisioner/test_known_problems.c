/*
 * Problems that users had with upstream's provisioner and that no other file here tells (docs/provisioner-checklist.md has them all): each test fails on
 * what upstream does.
 */
#include "life.h"
#include "api/kaito/crds.h"

#define AGENT_LABEL "kubernetes.azure.com/agentpool"

/* A Node with the label that names its claim, before anybody knows its providerID. */
static void join_by_label(struct life *l, const char *claim, const char *provider_id, const char *ready)
{
    AUTO_MEM char *text = xasprintf("{apiVersion: v1, kind: Node, metadata: {name: node-%s, labels: {" AGENT_LABEL ": %s}}, spec: {providerID: '%s'}}", claim, claim, provider_id);
    AUTO_MEM char *name = xasprintf("node-%s", claim), *status = xasprintf("{status: {allocatable: {cpu: '4'}, conditions: [{type: Ready, status: '%s', message: starting, "
                                                                           "lastTransitionTime: '2026-01-01T00:00:00Z'}]}}", ready);

    life_make(l, &nodes, text);
    life_patch(l, &nodes, NULL, name, NULL, "{spec: {taints: null}}");
    life_patch(l, &nodes, NULL, name, "status", status);
}

static void until_made(struct life *l, int n)
{
    for (int64_t end = clock_mono_ms() + LIFE_WAIT_MS; clock_mono_ms() < end && fake_read(l->cloud, &l->cloud->made) < n; poll(NULL, 0, 20))
        ;
    assert_int_equal(fake_read(l->cloud, &l->cloud->made), n);
}

/* 1, 2: upstream says Unknown/LaunchFailed to everything and writes no event. */
static void the_cause_of_a_refusal_is_an_event(void **state)
{
    struct life *l = life_scene(state);
    bool told = false;

    l->cloud->fault = FAULT_QUOTA;
    l->cloud->fail_times = 100;
    life_run(l);
    life_claim(l, "poor", "type-a", "");
    life_until(l, "poor", "Launched", "False/QuotaExceeded");
    for (int64_t end = clock_mono_ms() + LIFE_WAIT_MS; !told && clock_mono_ms() < end; poll(NULL, 0, 50)) {
        AUTO_JSON events = NULL;
        const json_t *ev;
        struct err e;
        size_t i;

        OK(kube_list_all(l->client, KUBE_GVR("", "v1", "events"), NULL, &(struct kube_list_opts){ 0 }, &events, &e));
        json_array_foreach(events, i, ev)
            told = told || (streq(json_cstr(ev, "reason"), "QuotaExceeded") && streq(json_cstr(ev, "type"), "Warning") &&
                            streq(json_str_at(ev, "involvedObject", "name", NULL), "poor"));
    }
    assert_true(told);
    life_delete(l, "poor");
    life_until_gone(l, &claims, NULL, "poor");
    life_end(l);
}

/* 6: the record of a machine in the cloud and its claim keep each other alive although machine and Node are gone. */
static void a_claim_whose_node_was_taken_away_gets_another_machine(void **state)
{
    struct life *l = life_scene(state);

    l->o.timers.registration_ms = 1200;
    life_run(l);
    life_claim(l, "hollow", "type-a", "");
    life_until(l, "hollow", "Launched", "True/Launched");
    life_join(l, "hollow");
    life_until(l, "hollow", "Ready", "True/Ready");
    life_halt(l);                       /* while nobody looks, the Node goes past its finalizer */
    life_patch(l, &nodes, NULL, "node-hollow", NULL, "{metadata: {finalizers: null}}");
    struct err e;
    OK(kube_delete(l->client, &nodes, NULL, "node-hollow", NULL, &e));
    life_until_gone(l, &nodes, NULL, "node-hollow");
    life_run(l);
    life_until(l, "hollow", "Launched", "Unknown/RegistrationTimeout");
    for (int64_t end = clock_mono_ms() + LIFE_WAIT_MS; clock_mono_ms() < end && fake_count(l->cloud) > 0; poll(NULL, 0, 20))
        ;
    assert_int_equal(fake_count(l->cloud), 0);
    life_delete(l, "hollow");
    life_until_gone(l, &claims, NULL, "hollow");
    life_end(l);
}

/* 8: upstream takes the finalizer off a claim without providerID at once and leaves its machine behind. */
static void a_claim_without_provider_id_takes_its_machine_along(void **state)
{
    struct life *l = life_scene(state);

    l->cloud->pending_looks = 100000;
    l->cloud->deleting_looks = 3;
    life_run(l);
    life_claim(l, "early", "type-a", "");
    life_until(l, "early", "Launched", "Unknown/LaunchInProgress");
    assert_int_equal(fake_count(l->cloud), 1);
    AUTO_JSON claim = life_get(l, &claims, NULL, "early");
    assert_null(json_str_at(claim, "status", "providerID", NULL));
    life_delete(l, "early");
    poll(NULL, 0, 60);
    bool stays = life_is_there(l, &claims, NULL, "early");
    assert_true(stays || fake_count(l->cloud) == 0);                /* as long as its machine: asked in this order, for both may go meanwhile */
    life_until_gone(l, &claims, NULL, "early");
    assert_int_equal(fake_count(l->cloud), 0);
    life_end(l);
}

/* The definition of NodeClaims as it is served now, its spec's rules with or without. */
static json_t *definition(struct life *l, bool loose)
{
    AUTO_JSON list = NULL;
    json_t *crd, *out = NULL;
    size_t i;

    api_kaito_crds(&list);
    json_array_foreach(list, i, crd)
        if (streq(json_str_at(crd, "spec", "group", NULL), "karpenter.sh"))
            out = json_clone(crd);
    json_t *version = json_array_get(json_at(out, "spec", "versions", NULL), 0);

    if (loose)
        json_object_del(json_at(version, "schema", "openAPIV3Schema", "properties", "spec", "properties", "nodeClassRef", "properties", NULL), "group");
    return out;
}

/* 9: claims that an older, looser definition let in could be neither written nor ended. What is installed is left as it is, and status writes carry no spec. */
static void a_claim_of_an_older_definition_lives_and_ends(void **state)
{
    struct life *l = life_scene(state);
    AUTO_JSON loose = definition(l, true);
    struct err e;

    if (getenv("KAITO_TEST_KUBECONFIG"))
        skip();                         /* a real cluster's definition is everybody's */
    life_run(l);
    life_halt(l);
    json_t *patch = json_pack("{s:{s:O}}", "spec", "versions", json_at(loose, "spec", "versions", NULL));
    OK(kube_patch(l->client, KUBE_GVR("apiextensions.k8s.io", "v1", "customresourcedefinitions"), NULL, "nodeclaims.karpenter.sh", NULL, KUBE_PATCH_MERGE, patch, NULL, &e));
    json_decref(patch);
    static const char text[] = "{apiVersion: karpenter.sh/v1, kind: NodeClaim, metadata: {name: old, labels: {kaito.sh/workspace: w}}, "
                                  "spec: {nodeClassRef: {group: '', kind: KaitoNodeClass, name: default}, requirements: [{key: node.kubernetes.io/instance-type, operator: In, values: [type-a]}]}}";
    json_t *obj = NULL;
    errc rc = ERR_INVALID;

    OK(yaml_parse(str_of(text), &obj, &e));
    for (int64_t end = clock_mono_ms() + LIFE_WAIT_MS; rc && clock_mono_ms() < end; poll(NULL, 0, 50))
        rc = kube_create(l->client, &claims, NULL, obj, NULL, &e);
    json_decref(obj);
    if (rc)
        fail_msg("%s", e.text);
    life_run(l);                        /* installs nothing over what is there */
    life_until(l, "old", "Launched", "True/Launched");
    life_join(l, "old");
    life_until(l, "old", "Ready", "True/Ready");
    life_delete(l, "old");
    life_until_gone(l, &claims, NULL, "old");
    assert_int_equal(fake_count(l->cloud), 0);
    life_end(l);
    AUTO_JSON strict = definition(l, false);
    AUTO_JSON back = json_pack("{s:{s:O}}", "spec", "versions", json_at(strict, "spec", "versions", NULL));
    OK(kube_patch(l->client, KUBE_GVR("apiextensions.k8s.io", "v1", "customresourcedefinitions"), NULL, "nodeclaims.karpenter.sh", NULL, KUBE_PATCH_MERGE, back, NULL, &e));
}

/* 12: the same machine written with other capitals is the same machine. */
static void a_provider_id_in_other_letters_is_the_same(void **state)
{
    struct life *l = life_scene(state);

    life_run(l);
    life_claim(l, "mixed", "type-a", "");
    life_until(l, "mixed", "Launched", "True/Launched");
    join_by_label(l, "mixed", "FAKE:///Mixed", "True");
    life_until(l, "mixed", "Ready", "True/Ready");
    life_delete(l, "mixed");
    life_until_gone(l, &claims, NULL, "mixed");
    life_until_gone(l, &nodes, NULL, "node-mixed");
    life_end(l);
}

/* 24: what is not needed for an answer does not hold it up: a cloud that neither lists nor says anything about a machine that runs. */
static void a_cloud_that_is_out_of_order_changes_nothing_about_what_runs(void **state)
{
    struct life *l = life_scene(state);

    life_run(l);
    life_claim(l, "calm", "type-a", "");
    life_until(l, "calm", "Launched", "True/Launched");
    mutex_lock(&l->cloud->mu);
    l->cloud->fault = FAULT_AUTH;
    l->cloud->fail_times = 100000;
    l->cloud->list_fails = true;
    mutex_unlock(&l->cloud->mu);
    life_join(l, "calm");
    life_until(l, "calm", "Ready", "True/Ready");
    mutex_lock(&l->cloud->mu);
    l->cloud->fail_times = 0;
    mutex_unlock(&l->cloud->mu);
    life_delete(l, "calm");
    life_until_gone(l, &claims, NULL, "calm");
    life_end(l);
}

/* 20: no capacity: upstream deletes the claim, its owner writes the next one, and so on every few seconds. */
static void a_claim_without_capacity_stays_and_waits(void **state)
{
    struct life *l = life_scene(state);

    l->cloud->fault = FAULT_CAPACITY;
    l->cloud->fail_times = 100;
    life_run(l);
    life_claim(l, "scarce", "type-a", "");
    life_until(l, "scarce", "Launched", "Unknown/InsufficientCapacity");
    AUTO_JSON first = life_get(l, &claims, NULL, "scarce");
    poll(NULL, 0, 1500);
    AUTO_JSON then = life_get(l, &claims, NULL, "scarce");
    assert_string_equal(kube_uid(first), kube_uid(then));
    assert_false(kube_deleting(then));
    assert_int_equal(fake_read(l->cloud, &l->cloud->creates), 1);
    life_delete(l, "scarce");
    life_until_gone(l, &claims, NULL, "scarce");
    life_end(l);
}

/* 25: the cloud is not asked for what a Node tells: with minutes between two looks a claim is Launched as soon as its Node is ready, and gone when the Node goes. */
static void a_node_saves_looks_at_the_cloud(void **state)
{
    struct life *l = life_scene(state);
    struct err e;

    l->cloud->cloud.node_label = AGENT_LABEL;
    l->cloud->pending_looks = 1;
    l->cloud->deleting_looks = 1;
    l->cloud->look_ms = 600000;
    life_run(l);
    life_claim(l, "told", "type-a", "");
    life_until(l, "told", "Launched", "Unknown/LaunchInProgress");
    join_by_label(l, "told", "fake:///told", "False");
    poll(NULL, 0, 300);
    assert_int_equal(fake_read(l->cloud, &l->cloud->creates), 1);      /* a Node that joined says nothing yet */
    life_patch(l, &nodes, NULL, "node-told", "status", "{status: {conditions: [{type: Ready, status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z'}]}}");
    life_until(l, "told", "Ready", "True/Ready");
    assert_int_equal(fake_read(l->cloud, &l->cloud->creates), 2);
    life_delete(l, "told");
    life_until(l, "told", "InstanceTerminating", "True/InstanceTerminating");
    OK(kube_delete(l->client, &nodes, NULL, "node-told", NULL, &e));
    life_until_gone(l, &claims, NULL, "told");
    assert_int_equal(fake_read(l->cloud, &l->cloud->deletes), 2);
    until_made(l, 1);
    life_end(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIFE(the_cause_of_a_refusal_is_an_event), LIFE(a_claim_whose_node_was_taken_away_gets_another_machine),
        LIFE(a_claim_without_provider_id_takes_its_machine_along), LIFE(a_claim_of_an_older_definition_lives_and_ends),
        LIFE(a_provider_id_in_other_letters_is_the_same), LIFE(a_cloud_that_is_out_of_order_changes_nothing_about_what_runs),
        LIFE(a_claim_without_capacity_stays_and_waits), LIFE(a_node_saves_looks_at_the_cloud),
    };
    return cmocka_run_group_tests(tests, life_start, life_stop);
}
