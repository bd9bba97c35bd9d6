#include "api/kaito/crds.h"

#include "api/karpenter/node_claim.h"
#include "api/kaito/workspace.h"
#include "schema/crd.h"

#define CONDITION(type) ".status.conditions[?(@.type==\"" type "\")].status"

/*
 * The five columns of `kubectl get workspace`, the same in both versions; upstream's others with -o wide.
 * WorkspaceReady is the name of 2024 for the condition that is now WorkspaceSucceeded.
 */
#define COLUMNS_FIRST                                                                   \
    { "Instance", "string", ".resource.instanceType", NULL, 0 },                        \
    { "ResourceReady", "string", CONDITION("ResourceReady"), NULL, 0 },                 \
    { "InferenceReady", "string", CONDITION("InferenceReady"), NULL, 0 },               \
    { "WorkspaceReady", "string", CONDITION("WorkspaceSucceeded"), NULL, 0 },           \
    { "JobStarted", "string", CONDITION("JobStarted"), NULL, 1 },                       \
    { "WorkspaceSucceeded", "string", CONDITION("WorkspaceSucceeded"), NULL, 1 }
static const struct crd_column columns_v1alpha1[] = {
    COLUMNS_FIRST,
    { "Age", "date", ".metadata.creationTimestamp", NULL, 0 },
};
static const struct crd_column columns_v1beta1[] = {
    COLUMNS_FIRST,
    { "TargetNodeCount", "integer", ".status.targetNodeCount", NULL, 1 },
    { "State", "string", ".status.state", NULL, 1 },
    { "Age", "date", ".metadata.creationTimestamp", NULL, 0 },
};
static const struct crd_version workspace_versions[] = {
    { .type = &workspace_v1alpha1, .served = true, .columns = columns_v1alpha1, .n_columns = ARRAY_LEN(columns_v1alpha1) },
    { .type = &workspace_v1beta1, .served = true, .storage = true, .columns = columns_v1beta1, .n_columns = ARRAY_LEN(columns_v1beta1) },
};
static const struct crd_def workspace_crd = {
    .group = "kaito.sh", .plural = "workspaces", .singular = "workspace", .kind = "Workspace", .list_kind = "WorkspaceList",
    .short_names = (const char *const[]){ "wk", "wks", NULL }, .categories = (const char *const[]){ "workspace", NULL },
    .status = true, .versions = workspace_versions, .n_versions = ARRAY_LEN(workspace_versions),
};

static const struct crd_column columns_claim[] = {
    { "Type", "string", ".metadata.labels.node\\.kubernetes\\.io/instance-type", NULL, 0 },
    { "Capacity", "string", ".metadata.labels.karpenter\\.sh/capacity-type", NULL, 0 },
    { "Zone", "string", ".metadata.labels.topology\\.kubernetes\\.io/zone", NULL, 0 },
    { "Node", "string", ".status.nodeName", NULL, 0 },
    { "Ready", "string", CONDITION("Ready"), NULL, 0 },
    { "Age", "date", ".metadata.creationTimestamp", NULL, 0 },
    { "ImageID", "string", ".status.imageID", NULL, 1 },
    { "ID", "string", ".status.providerID", NULL, 1 },
    { "NodePool", "string", ".metadata.labels.karpenter\\.sh/nodepool", NULL, 1 },
    { "NodeClass", "string", ".spec.nodeClassRef.name", NULL, 1 },
    { "Drifted", "string", CONDITION("Drifted"), NULL, 1 },
};
static const struct crd_version claim_versions[] = {
    { .type = &node_claim_type, .served = true, .storage = true, .columns = columns_claim, .n_columns = ARRAY_LEN(columns_claim) },
};
static const struct crd_def claim_crd = {
    .group = "karpenter.sh", .plural = "nodeclaims", .singular = "nodeclaim", .kind = "NodeClaim", .list_kind = "NodeClaimList",
    .categories = (const char *const[]){ "karpenter", NULL }, .cluster_scoped = true, .status = true,
    .versions = claim_versions, .n_versions = ARRAY_LEN(claim_versions),
};

void api_kaito_crds(json_t **out)
{
    *out = json_array();
    json_push(*out, crd_manifest(&workspace_crd));
    json_push(*out, crd_manifest(&claim_crd));
}
