/* The tree of `kaito doctor` for the installation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/kaito/crds.h"
#include "base/yaml.h"
#include "install/diagnose.h"

#define NOW_MS 1767225600000LL          /* 2026-01-01T00:00:00Z */

static json_t *our_crds(void)
{
    json_t *list = NULL, *crd;
    size_t i;

    api_kaito_crds(&list);
    json_array_foreach(list, i, crd)
        json_put(crd, "status", json_pack("{s:[{s:s, s:s}]}", "conditions", "type", "Established", "status", "True"));
    return list;
}

static void told(const char *facts, json_t *crds, struct buf *out)
{
    AUTO_JSON j = NULL;
    struct err e;

    if (yaml_parse(str_of(facts), &j, &e))
        fail_msg("%s", e.text);
    if (crds)
        json_put(j, "crds", crds);
    AUTO_JSON f = install_diagnose(j, NOW_MS);

    findings_text(f, out);
}

static void what_is_well_is_told(void **state)
{
    AUTO_BUF text = { 0 };
    (void)state;

    told("deployments: [{kind: Deployment, metadata: {name: workspace, namespace: kaito-workspace, labels: {app.kubernetes.io/name: workspace}}, spec: {replicas: 2}, status: {availableReplicas: 2}}]\n"
         "leases: [{metadata: {name: ef60f9b0.io, namespace: kaito-workspace}, spec: {holderIdentity: pod-1, renewTime: '2025-12-31T23:59:55.000000Z', leaseDurationSeconds: 15}}]\n"
         "webhooks: [{metadata: {name: validation.workspace.kaito.sh}, webhooks: [{clientConfig: {caBundle: eA==, service: {namespace: kaito-workspace, name: workspace-svc}}}]}]\n"
         "endpoints: [{metadata: {name: workspace-svc, namespace: kaito-workspace}, subsets: [{addresses: [{ip: 10.0.0.1}]}]}]\n", our_crds(), &text);
    assert_string_equal(buf_cstr(&text),
        "[ok]   Installation\n"
        "  [ok]   CustomResourceDefinition workspaces.kaito.sh: v1alpha1, v1beta1\n"
        "  [ok]   CustomResourceDefinition nodeclaims.karpenter.sh: v1\n"
        "  [ok]   manager: Deployment kaito-workspace/workspace: 2 of 2 available\n"
        "  [ok]   lease kaito-workspace/ef60f9b0.io: held by pod-1\n"
        "  [ok]   webhook validation.workspace.kaito.sh: served by kaito-workspace/workspace-svc\n");
}

static void what_is_missing_is_told(void **state)
{
    AUTO_BUF text = { 0 };
    (void)state;

    told("crds: []\n"
         "deployments: [{kind: Deployment, metadata: {name: workspace, namespace: ns, labels: {app.kubernetes.io/name: workspace}}, spec: {replicas: 1}}]\n"
         "pods: [{kind: Pod, metadata: {name: p, labels: {app.kubernetes.io/name: workspace}, ownerReferences: [{kind: ReplicaSet, name: r, controller: true}]}, "
         "status: {containerStatuses: [{name: workspace, state: {waiting: {reason: ErrImagePull, message: gone}}}]}}]\n"
         "leases: [{metadata: {name: ef60f9b0.io, namespace: ns}, spec: {holderIdentity: pod-1, renewTime: '2025-12-31T23:50:00.000000Z'}}]\n"
         "webhooks: [{metadata: {name: validation.workspace.kaito.sh}, webhooks: [{clientConfig: {caBundle: eA==, service: {namespace: ns, name: svc}}}]}]\n"
         "endpoints: []\nunread: {nodes: forbidden}\n", NULL, &text);
    assert_string_equal(buf_cstr(&text),
        "[fail] Installation\n"
        "  [fail] CustomResourceDefinition workspaces.kaito.sh: is not there\n"
        "         -> kaito install --apply\n"
        "  [note] CustomResourceDefinition nodeclaims.karpenter.sh: is not there; only nodes of your own can be used\n"
        "         -> kaito install --apply\n"
        "  [fail] manager: Deployment ns/workspace: 0 of 1 available\n"
        "         -> kubectl describe pods -n ns -l app.kubernetes.io/name=workspace\n"
        "    [fail] ImagePullError: container \"workspace\" image pull failed (ErrImagePull): gone\n"
        "  [fail] lease ns/ef60f9b0.io: pod-1 has not renewed it for 600 s\n"
        "         -> kubectl get pods -n ns -l app.kubernetes.io/name=workspace\n"
        "  [fail] webhook validation.workspace.kaito.sh: no ready pod is behind Service ns/svc, so every write of a Workspace is refused\n"
        "         -> kubectl get endpoints -n ns svc\n"
        "  [note] nodes could not be read: forbidden\n");
}

static void legacy_machines_are_enough(void **state)
{
    AUTO_BUF text = { 0 };
    (void)state;

    told("crds: [{metadata: {name: machines.karpenter.sh}}]\n", NULL, &text);
    assert_non_null(strstr(buf_cstr(&text), "[ok]   CustomResourceDefinition machines.karpenter.sh: legacy Machines are asked for, as there are no NodeClaims\n"));
    assert_null(strstr(buf_cstr(&text), "only nodes of your own"));
}

static void an_older_definition_is_told_by_what_it_lacks(void **state)
{
    AUTO_BUF text = { 0 };
    json_t *crds = our_crds();
    (void)state;

    json_object_del(json_at(json_array_get(json_at(json_array_get(crds, 0), "spec", "versions", NULL), 1), "schema", "openAPIV3Schema", "properties", "resource", "properties", NULL), "partition");
    told("{}", crds, &text);
    assert_non_null(strstr(buf_cstr(&text), "[warn] CustomResourceDefinition workspaces.kaito.sh: is another version's, without resource.partition\n"));
}

static void a_webhook_without_a_certificate_is_told(void **state)
{
    AUTO_BUF text = { 0 };
    (void)state;

    told("webhooks: [{metadata: {name: validation.workspace.kaito.sh}, webhooks: [{clientConfig: {service: {namespace: ns, name: svc}}}]}]\n", NULL, &text);
    assert_non_null(strstr(buf_cstr(&text), "[fail] webhook validation.workspace.kaito.sh: no manager has put its certificate in yet"));
}

static void each_release_has_its_webhook(void **state)
{
    AUTO_BUF text = { 0 };
    (void)state;

    told("webhooks: [{metadata: {name: somebody.else}}, {metadata: {name: a-workspace.validation.workspace.kaito.sh}, webhooks: [{clientConfig: {caBundle: eA==, url: 'https://h:1'}}]}, "
         "{metadata: {name: b-workspace.validation.workspace.kaito.sh}, webhooks: [{clientConfig: {service: {namespace: ns, name: svc}}}]}]\n", NULL, &text);
    assert_string_equal(buf_cstr(&text),
        "[fail] Installation\n"
        "  [ok]   webhook a-workspace.validation.workspace.kaito.sh: served by https://h:1\n"
        "  [fail] webhook b-workspace.validation.workspace.kaito.sh: no manager has put its certificate in yet, so every write of a Workspace is refused\n"
        "         -> kubectl logs -n ns -l app.kubernetes.io/name=workspace\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_well_is_told), cmocka_unit_test(what_is_missing_is_told), cmocka_unit_test(legacy_machines_are_enough),
        cmocka_unit_test(an_older_definition_is_told_by_what_it_lacks), cmocka_unit_test(a_webhook_without_a_certificate_is_told),
        cmocka_unit_test(each_release_has_its_webhook),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
