/* The legacy Machine beside the NodeClaim: what is asked for, and which of the two is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/karpenter/claim_kind.h"
#include "base/mem.h"
#include "base/yaml.h"

static json_t *yaml(const char *text)
{
    json_t *j = NULL;
    struct err e;

    if (yaml_parse(str_of(text), &j, &e))
        fail_msg("%s", e.text);
    return j;
}

static const char claim[] =
    "apiVersion: karpenter.sh/v1\nkind: NodeClaim\n"
    "metadata: {name: ws0123, labels: {karpenter.sh/nodepool: kaito, kaito.sh/workspace: w, kaito.sh/workspacenamespace: n, app: phi}, annotations: {a: b}}\n"
    "spec:\n"
    "  nodeClassRef: {group: kaito.sh, kind: KaitoNodeClass, name: default}\n"
    "  expireAfter: Never\n"
    "  taints: [{key: sku, value: gpu, effect: NoSchedule}]\n"
    "  requirements:\n"
    "  - {key: karpenter.sh/nodepool, operator: In, values: [kaito]}\n"
    "  - {key: node.kubernetes.io/instance-type, operator: In, values: [Standard_NC6s_v3]}\n"
    "  - {key: kubernetes.io/os, operator: In, values: [linux]}\n"
    "  - {key: karpenter.azure.com/sku-name, operator: In, values: [Standard_NC6s_v3]}\n"
    "  resources: {requests: {storage: 87Gi}}\n";
/* As upstream's manager asked its gpu-provisioner in the time of Machines. */
static const char machine[] =
    "apiVersion: karpenter.sh/v1alpha5\nkind: Machine\n"
    "metadata: {name: ws0123, labels: {karpenter.sh/provisioner-name: default, kaito.sh/workspace: w, kaito.sh/workspacenamespace: n, app: phi}, annotations: {a: b}}\n"
    "spec:\n"
    "  machineTemplateRef: {name: ws0123}\n"
    "  taints: [{key: sku, value: gpu, effect: NoSchedule}]\n"
    "  requirements:\n"
    "  - {key: node.kubernetes.io/instance-type, operator: In, values: [Standard_NC6s_v3]}\n"
    "  - {key: karpenter.sh/provisioner-name, operator: In, values: [default]}\n"
    "  - {key: kaito.sh/machine-type, operator: In, values: [gpu]}\n"
    "  - {key: kubernetes.io/arch, operator: In, values: [amd64]}\n"
    "  - {key: kubernetes.io/os, operator: In, values: [linux]}\n"
    "  resources: {requests: {storage: 87Gi}}\n";

static void expect(const json_t *got, const char *want)
{
    AUTO_JSON wanted = yaml(want);
    AUTO_BUF a = { 0 }, b = { 0 };

    json_write_sorted(got, &a);
    json_write_sorted(wanted, &b);
    assert_string_equal(buf_cstr(&a), buf_cstr(&b));
}

static void a_claim_is_rendered_as_a_machine(void **state)
{
    AUTO_JSON got = claim_kind_render(&claim_kind_machine, yaml(claim));

    expect(got, machine);
    assert_ptr_equal(claim_kind_of(got), &claim_kind_machine);
}

static void a_claim_stays_what_it_is(void **state)
{
    AUTO_JSON got = claim_kind_render(&claim_kind_node_claim, yaml(claim));

    expect(got, claim);
    assert_ptr_equal(claim_kind_of(got), &claim_kind_node_claim);
}

/* Cluster API has Machines as well. */
static void others_are_neither(void **state)
{
    AUTO_JSON theirs = yaml("{apiVersion: cluster.x-k8s.io/v1beta1, kind: Machine}");
    AUTO_JSON pool = yaml("{apiVersion: karpenter.sh/v1, kind: NodePool}");

    assert_null(claim_kind_of(theirs));
    assert_null(claim_kind_of(pool));
}

static void node_claims_win_unless_machines_of_ours_are_there(void **state)
{
    static const struct { struct claim_kinds_seen seen; const struct claim_kind *want; } rows[] = {
        { { 0 }, NULL },
        { { .claims_served = true }, &claim_kind_node_claim },
        { { .machines_served = true }, &claim_kind_machine },
        { { .claims_served = true, .machines_served = true }, &claim_kind_node_claim },
        { { .claims_served = true, .machines_served = true, .our_claims = true }, &claim_kind_node_claim },
        { { .claims_served = true, .machines_served = true, .our_machines = true }, &claim_kind_machine },
        { { .claims_served = true, .machines_served = true, .our_claims = true, .our_machines = true }, &claim_kind_node_claim },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (claim_kind_choice(&rows[i].seen) != rows[i].want)
            fail_msg("row %zu", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_claim_is_rendered_as_a_machine), cmocka_unit_test(a_claim_stays_what_it_is), cmocka_unit_test(others_are_neither),
        cmocka_unit_test(node_claims_win_unless_machines_of_ours_are_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
