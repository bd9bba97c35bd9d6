/* The legacy Machine, karpenter.sh/v1alpha5: served where the cluster knows no NodeClaim, in its own words. */
#include "life.h"

#include "api/karpenter/claim_kind.h"

static const struct kube_gvr machines = { "karpenter.sh", "v1alpha5", "machines" },
    definitions = { "apiextensions.k8s.io", "v1", "customresourcedefinitions" };

static void conditions_are_translated_both_ways(void **state)
{
    json_t *obj = NULL;
    struct err e;

    OK(yaml_parse(STR("{status: {conditions: [{type: MachineLaunched}, {type: Ready}, {type: MachineDrifted}, {type: MachineInitialized}]}}"), &obj, &e));
    claim_kind_in(&claim_kind_machine, obj);
    AUTO_MEM char *in = json_text(json_at(obj, "status", "conditions", NULL));
    assert_string_equal(in, "[{\"type\":\"Launched\"},{\"type\":\"Ready\"},{\"type\":\"MachineDrifted\"},{\"type\":\"Initialized\"}]");
    claim_kind_out(&claim_kind_machine, obj);
    AUTO_MEM char *out = json_text(json_at(obj, "status", "conditions", NULL));
    assert_string_equal(out, "[{\"type\":\"MachineLaunched\"},{\"type\":\"Ready\"},{\"type\":\"MachineDrifted\"},{\"type\":\"MachineInitialized\"}]");
    json_decref(obj);
}

static void a_machine_becomes_a_node_and_goes(void **state)
{
    struct life *l = life_scene(state);
    struct err e;

    life_make(l, &definitions, "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: machines.karpenter.sh}, spec: {group: karpenter.sh, scope: Cluster, "
                               "names: {plural: machines, singular: machine, kind: Machine, listKind: MachineList}, versions: [{name: v1alpha5, served: true, storage: true, "
                               "subresources: {status: {}}, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}");
    l->await = false;
    bool served = false;
    for (int64_t end = clock_mono_ms() + LIFE_WAIT_MS; clock_mono_ms() < end && !served; poll(NULL, 0, 50))
        OK(kube_has_resource(l->client, &machines, &served, &e));
    life_run(l);
    assert_false(life_is_there(l, &definitions, NULL, "nodeclaims.karpenter.sh"));
    life_make(l, &machines, "{apiVersion: karpenter.sh/v1alpha5, kind: Machine, metadata: {name: old, labels: {kaito.sh/workspace: w}}, spec: {machineTemplateRef: {name: t}, "
                            "requirements: [{key: node.kubernetes.io/instance-type, operator: In, values: [type-a]}]}}");
    json_t *obj = NULL;
    for (int64_t end = clock_mono_ms() + LIFE_WAIT_MS; clock_mono_ms() < end && !kube_condition_is(obj, "MachineLaunched", "True"); poll(NULL, 0, 20)) {
        json_decref(obj);
        obj = life_get(l, &machines, NULL, "old");
    }
    assert_true(kube_condition_is(obj, "MachineLaunched", "True"));
    json_decref(obj);
    life_join(l, "old");
    obj = NULL;
    for (int64_t end = clock_mono_ms() + LIFE_WAIT_MS; clock_mono_ms() < end && !kube_condition_is(obj, "Ready", "True"); poll(NULL, 0, 20)) {
        json_decref(obj);
        obj = life_get(l, &machines, NULL, "old");
    }
    assert_true(kube_condition_is(obj, "Ready", "True"));
    assert_true(kube_condition_is(obj, "MachineInitialized", "True"));
    assert_null(kube_condition(obj, "Initialized"));
    json_decref(obj);
    OK(kube_delete(l->client, &machines, NULL, "old", NULL, &e));
    life_until_gone(l, &machines, NULL, "old");
    assert_int_equal(fake_count(l->cloud), 0);
    life_end(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = { LIFE(conditions_are_translated_both_ways), LIFE(a_machine_becomes_a_node_and_goes) };

    return cmocka_run_group_tests(tests, life_start, life_stop);
}
