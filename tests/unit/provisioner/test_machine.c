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

/* A kind of karpenter.sh that takes any object; returns once it is served. */
static void define(struct life *l, const struct kube_gvr *kind, const char *singular, const char *name)
{
    AUTO_MEM char *text = xasprintf("{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: %s.karpenter.sh}, spec: {group: karpenter.sh, scope: Cluster, "
                                    "names: {plural: %s, singular: %s, kind: %s, listKind: %sList}, versions: [{name: %s, served: true, storage: true, subresources: {status: {}}, "
                                    "schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}",
                                    kind->resource, kind->resource, singular, name, name, kind->version);
    struct err e;
    bool served = false;

    life_make(l, &definitions, text);
    for (int64_t end = clock_mono_ms() + LIFE_WAIT_MS; clock_mono_ms() < end && !served; poll(NULL, 0, 50))
        OK(kube_has_resource(l->client, kind, &served, &e));
    assert_true(served);
}

static void machine(struct life *l, const char *name, const char *annotations)
{
    AUTO_MEM char *text = xasprintf("{apiVersion: karpenter.sh/v1alpha5, kind: Machine, metadata: {name: %s, labels: {kaito.sh/workspace: w}, annotations: {%s}}, "
                                    "spec: {machineTemplateRef: {name: t}, requirements: [{key: node.kubernetes.io/instance-type, operator: In, values: [type-a]}]}}", name, annotations);

    life_make(l, &machines, text);
}

static void machine_until(struct life *l, const char *name, const char *type)
{
    bool is_so = false;

    for (int64_t end = clock_mono_ms() + LIFE_WAIT_MS; clock_mono_ms() < end && !is_so; poll(NULL, 0, 20)) {
        AUTO_JSON obj = life_get(l, &machines, NULL, name);

        is_so = kube_condition_is(obj, type, "True");
    }
    assert_true(is_so);
}

static void machine_ends(struct life *l, const char *name)
{
    struct err e;

    OK(kube_delete(l->client, &machines, NULL, name, NULL, &e));
    life_until_gone(l, &machines, NULL, name);
}

static void a_machine_becomes_a_node_and_goes(void **state)
{
    struct life *l = life_scene(state);

    define(l, &machines, "machine", "Machine");
    l->await = false;
    life_run(l);
    assert_false(life_is_there(l, &definitions, NULL, "nodeclaims.karpenter.sh"));
    machine(l, "old", "");
    machine_until(l, "old", "MachineLaunched");
    life_join(l, "old");
    machine_until(l, "old", "Ready");
    AUTO_JSON obj = life_get(l, &machines, NULL, "old");
    assert_true(kube_condition_is(obj, "MachineInitialized", "True"));
    assert_null(kube_condition(obj, "Initialized"));
    machine_ends(l, "old");
    assert_int_equal(fake_count(l->cloud), 0);
    life_end(l);
}

/* After the one above, which has defined Machines. A cluster that was upgraded serves both: what nobody of ours took is another's, what one of ours took is not left alone. */
static void where_both_kinds_are_served_machines_of_ours_decide(void **state)
{
    struct life *l = life_scene(state);

    define(l, &claims, "nodeclaim", "NodeClaim");
    machine(l, "theirs", "");
    life_run(l);
    life_claim(l, "new", "type-a", "");
    life_until(l, "new", "Launched", "True/Launched");
    {
        AUTO_JSON obj = life_get(l, &machines, NULL, "theirs");
        assert_null(json_at(obj, "status", "conditions", NULL));
    }
    life_delete(l, "new");
    life_until_gone(l, &claims, NULL, "new");
    life_halt(l);
    machine(l, "ours", UID_ANNOTATION ": u");
    life_run(l);
    machine_until(l, "ours", "MachineLaunched");
    machine_ends(l, "ours");
    machine_ends(l, "theirs");
    assert_int_equal(fake_count(l->cloud), 0);
    life_end(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = { LIFE(conditions_are_translated_both_ways), LIFE(a_machine_becomes_a_node_and_goes), LIFE(where_both_kinds_are_served_machines_of_ours_decide) };

    return cmocka_run_group_tests(tests, life_start, life_stop);
}
