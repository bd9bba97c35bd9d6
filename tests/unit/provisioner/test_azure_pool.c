/* A claim's agent pool, byte by byte, and the way back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/yaml.h"
#include "provisioner/azure/pool.h"

struct scene { struct arena *a; struct node_claim claim; };

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

    arena_free(s->a);
    free(s);
    return 0;
}

static json_t *yaml(struct scene *s, const char *text)
{
    json_t *j = NULL;
    struct err e;

    if (yaml_parse(str_of(text), &j, &e))
        fail_msg("%s", e.text);
    json_arena_own(s->a, j);
    return j;
}

/* The claim that KAITO writes, with more of metadata, of spec and of requirements. */
static void claim_is(struct scene *s, const char *name, const char *meta, const char *spec, const char *requirements)
{
    AUTO_BUF text = { 0 };

    buf_addf(&text, "{apiVersion: karpenter.sh/v1, kind: NodeClaim, metadata: {name: %s, uid: u, creationTimestamp: \"2026-01-02T03:04:05Z\"%s}, "
             "spec: {nodeClassRef: {group: kaito.sh, kind: KaitoNodeClass, name: default}%s, requirements: ["
             "{key: node.kubernetes.io/instance-type, operator: In, values: [Standard_NC24ads_A100_v4, Standard_D2]}%s]}}", name, meta, spec, requirements);
    assert_int_equal(schema_decode(&node_claim_type, yaml(s, buf_cstr(&text)), s->a, &s->claim, NULL), ERR_OK);
}

static json_t *pool(struct scene *s, const struct pool_settings *settings)
{
    static const struct pool_settings none = { 0 };
    json_t *j = NULL;
    struct err e;

    if (pool_of_claim(&s->claim, settings ? settings : &none, &j, &e))
        fail_msg("%s", e.text);
    json_arena_own(s->a, j);
    return j;
}

static void the_body_is_that_of_upstream(void **state)
{
    struct scene *s = *state;
    AUTO_BUF text = { 0 };

    claim_is(s, "ws1a2b3c4d5", ", labels: {kaito.sh/workspace: w, kaito.sh/workspacenamespace: default, apps: llm}",
             ", taints: [{key: sku, value: gpu, effect: NoSchedule}], resources: {requests: {storage: 300Gi}}", "");
    json_write_sorted(pool(s, NULL), &text);
    /* dossier, provisioner, 3.2 */
    assert_string_equal(buf_cstr(&text),
        "{\"properties\":{\"count\":1,\"nodeLabels\":{\"apps\":\"llm\",\"kaito.sh/creation-timestamp\":\"2026-01-02T03-04-05Z\","
        "\"kaito.sh/machine-type\":\"gpu\",\"kaito.sh/workspace\":\"w\",\"kaito.sh/workspacenamespace\":\"default\",\"karpenter.sh/nodepool\":\"kaito\"},"
        "\"nodeTaints\":[\"sku=gpu:NoSchedule\"],\"osDiskSizeGB\":300,\"osSKU\":\"Ubuntu\",\"osType\":\"Linux\",\"type\":\"VirtualMachineScaleSets\","
        "\"vmSize\":\"Standard_NC24ads_A100_v4\"}}");
}

/* As upstream: by the name of the size, in any letters. */
static void a_machine_without_gpus_is_labelled_so(void **state)
{
    static const struct { const char *size, *type; } rows[] = { { "Standard_D8s_v5", "cpu" }, { "standard_nc24ads_a100_v4", "gpu" } };
    struct scene *s = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str size = str_of(rows[i].size);

        claim_is(s, "w", "", "", "");
        s->claim.spec.requirements[0].values = &size;
        s->claim.spec.requirements[0].n_values = 1;
        assert_string_equal(json_str_at(pool(s, NULL), "properties", "nodeLabels", "kaito.sh/machine-type", NULL), rows[i].type);
    }
}

static void disks_round_up_and_stay_within_the_service(void **state)
{
    static const struct { const char *storage; int64_t gib; } rows[] = {
        { "30Gi", 30 }, { "1", 30 }, { "100G", 94 }, { "2048Gi", 2048 }, { "0", -1 }, { "3Ti", -1 }, { "2049Gi", -1 },
    };
    struct scene *s = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_MEM char *spec = xasprintf(", resources: {requests: {storage: \"%s\"}}", rows[i].storage);
        AUTO_JSON j = NULL;
        struct err e;

        claim_is(s, "w", "", spec, "");
        errc rc = pool_of_claim(&s->claim, &(struct pool_settings){ 0 }, &j, &e);
        assert_int_equal(rc, rows[i].gib < 0 ? ERR_INVALID : ERR_OK);
        if (rows[i].gib < 0)
            assert_non_null(strstr(e.text, "spec.resources.requests.storage"));
        else
            assert_int_equal(json_integer_value(json_at(j, "properties", "osDiskSizeGB", NULL)), rows[i].gib);
    }
    claim_is(s, "w", "", "", "");
    assert_int_equal(json_integer_value(json_at(pool(s, NULL), "properties", "osDiskSizeGB", NULL)), 0);
}

static void reserved_labels_stay_at_home(void **state)
{
    struct scene *s = *state;

    claim_is(s, "w", ", labels: {node.kubernetes.io/instance-type: x, kubernetes.azure.com/mode: y, node-role.kubernetes.io/w: z, notkubernetes.io/a: b}", "", "");
    const json_t *labels = json_at(pool(s, NULL), "properties", "nodeLabels", NULL);
    assert_null(json_cstr(labels, "node.kubernetes.io/instance-type"));
    assert_null(json_cstr(labels, "kubernetes.azure.com/mode"));
    assert_null(json_cstr(labels, "node-role.kubernetes.io/w"));
    assert_string_equal(json_cstr(labels, "notkubernetes.io/a"), "b");
}

static void image_families_ignore_case_and_fall_back(void **state)
{
    static const struct { const char *annotation, *sku; } rows[] = { { "AzureLinux", "AzureLinux" }, { "ubuntu", "Ubuntu" }, { "windows", "Ubuntu" } };
    struct scene *s = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_MEM char *meta = xasprintf(", annotations: {kaito.sh/node-image-family: %s}", rows[i].annotation);

        claim_is(s, "w", meta, "", "");
        assert_string_equal(json_str_at(pool(s, NULL), "properties", "osSKU", NULL), rows[i].sku);
    }
}

static void taints_go_along_with_those_of_the_start(void **state)
{
    struct scene *s = *state;
    AUTO_BUF text = { 0 };

    claim_is(s, "w", "", ", taints: [{key: a, effect: NoExecute}], startupTaints: [{key: b, value: c, effect: NoSchedule}]", "");
    json_write(json_at(pool(s, NULL), "properties", "nodeTaints", NULL), &text);
    assert_string_equal(buf_cstr(&text), "[\"a=:NoExecute\",\"b=c:NoSchedule\"]");
}

static void spot_and_zones_follow_the_requirements(void **state)
{
    struct scene *s = *state;
    AUTO_BUF text = { 0 };

    claim_is(s, "w", "", "", ", {key: karpenter.sh/capacity-type, operator: In, values: [spot]}, {key: topology.kubernetes.io/zone, operator: In, values: [eastus-1, \"2\"]}");
    const json_t *p = json_object_get(pool(s, NULL), "properties");
    assert_string_equal(json_cstr(p, "scaleSetPriority"), "Spot");
    assert_string_equal(json_cstr(p, "scaleSetEvictionPolicy"), "Delete");
    assert_int_equal(json_int(p, "spotMaxPrice", 0), -1);
    json_write(json_object_get(p, "availabilityZones"), &text);
    assert_string_equal(buf_cstr(&text), "[\"1\",\"2\"]");
    claim_is(s, "w", "", "", ", {key: karpenter.sh/capacity-type, operator: In, values: [spot, on-demand]}, {key: topology.kubernetes.io/zone, operator: In, values: [\"0\"]}");
    p = json_object_get(pool(s, NULL), "properties");
    assert_null(json_cstr(p, "scaleSetPriority"));
    assert_null(json_object_get(p, "availabilityZones"));
}

static void the_operators_settings_are_added(void **state)
{
    static const char *const tags[] = { "team=ml", "cost=12=3" };
    struct scene *s = *state;

    claim_is(s, "w", "", "", "");
    const json_t *p = json_object_get(pool(s, &(struct pool_settings){ .tags = tags, .n_tags = 2, .subnet_id = "/s", .disk_type = "Ephemeral", .max_pods = 50 }), "properties");
    assert_string_equal(json_str_at(p, "tags", "cost", NULL), "12=3");
    assert_string_equal(json_cstr(p, "vnetSubnetID"), "/s");
    assert_string_equal(json_cstr(p, "osDiskType"), "Ephemeral");
    assert_int_equal(json_int(p, "maxPods", 0), 50);
}

static void names_that_aks_refuses_never_reach_it(void **state)
{
    static const struct { const char *name; bool ok; } rows[] = {
        { "ws1a2b3c4d5", true }, { "a", true }, { "a23456789012", true }, { "a234567890123", false }, { "1a", false }, { "a-b", false }, { "A", false }, { "", false },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(pool_name_valid(str_of(rows[i].name)), rows[i].ok);
    struct scene *s = *state;
    json_t *j = NULL;
    struct err e;
    claim_is(s, "my-claim", "", "", "");
    assert_int_equal(pool_of_claim(&s->claim, &(struct pool_settings){ 0 }, &j, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "metadata.name: my-claim"));
}

static void provider_ids_lead_back_to_the_pool(void **state)
{
    static const struct { const char *id, *pool; } rows[] = {
        { "azure:///subscriptions/s/resourceGroups/MC_rg/providers/Microsoft.Compute/virtualMachineScaleSets/aks-ws1a2b3c4d5-12345678-vmss/virtualMachines/0", "ws1a2b3c4d5" },
        { "AZURE:///subscriptions/s/RESOURCEGROUPS/mc_rg/providers/microsoft.compute/virtualmachinescalesets/AKS-ws1-12345678-vmss/virtualMachines/3", "ws1" },
        { "azure:///subscriptions/s/resourceGroups/mc/providers/Microsoft.Compute/virtualMachines/aks-pool1-12345678-vms7", "pool1" },
        { "azure:///subscriptions/s/resourceGroups/mc/providers/Microsoft.Compute/virtualMachines/vm1", NULL },
        { "kaito-local:///aks-x-y", NULL }, { "azure:///aks-", NULL }, { "azure:///aks--", NULL }, { "", NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str got = pool_of_provider_id(str_of(rows[i].id));

        assert_true(rows[i].pool ? str_is(got, rows[i].pool) : !got.p);
    }
}

static void answers_become_instances_and_strangers_do_not(void **state)
{
    static const struct { const char *state, *power; enum cloud_state want; } rows[] = {
        { "Creating", "Running", CLOUD_PENDING }, { "Succeeded", "Running", CLOUD_RUNNING }, { "succeeded", "Stopped", CLOUD_BROKEN },
        { "Failed", "Running", CLOUD_BROKEN }, { "Deleting", "Running", CLOUD_DELETING }, { "UpgradingNodeImageVersion", "Running", CLOUD_RUNNING },
        { "Canceled", "Running", CLOUD_BROKEN }, { "Updating", "Running", CLOUD_RUNNING }, { "Upgrading", "Running", CLOUD_RUNNING }, { "Scaling", "Running", CLOUD_RUNNING },
        { "Starting", "Running", CLOUD_PENDING }, { "SomethingNew", "Running", CLOUD_PENDING },
    };
    struct scene *s = *state;
    struct cloud_instance i = { 0 };
    struct err e;

    claim_is(s, "ws1", ", labels: {kaito.sh/workspace: w}", "", "");
    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        json_t *p = json_clone(pool(s, NULL));

        json_arena_own(s->a, p);
        json_put_str(p, "name", "ws1");
        json_put_str(json_sub(p, "properties"), "provisioningState", rows[r].state);
        json_put_str(json_sub(json_sub(p, "properties"), "powerState"), "code", rows[r].power);
        assert_int_equal(pool_instance(p, &i, &e), ERR_OK);
        assert_int_equal(i.state, rows[r].want);
        assert_int_equal(i.created_ms, 1767323045000LL);
        assert_true(pool_is_of(p, &s->claim));
        cloud_instance_done(&i);
    }
    assert_int_equal(pool_instance(yaml(s, "{name: nodepool1, properties: {provisioningState: Succeeded}}"), &i, &e), ERR_NOT_FOUND);
    assert_int_equal(pool_instance(yaml(s, "{name: old, properties: {nodeLabels: {kaito.sh/workspace: w}}}"), &i, &e), ERR_NOT_FOUND);
    assert_int_equal(pool_instance(yaml(s, "[]"), &i, &e), ERR_NOT_FOUND);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_body_is_that_of_upstream), T(a_machine_without_gpus_is_labelled_so), T(disks_round_up_and_stay_within_the_service), T(reserved_labels_stay_at_home),
        T(image_families_ignore_case_and_fall_back), T(taints_go_along_with_those_of_the_start), T(spot_and_zones_follow_the_requirements),
        T(the_operators_settings_are_added), T(names_that_aks_refuses_never_reach_it), T(provider_ids_lead_back_to_the_pool),
        T(answers_become_instances_and_strangers_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
