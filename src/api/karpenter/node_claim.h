/*
 * karpenter.sh/v1 NodeClaim, cluster-scoped: one claim is one machine. The Workspace controller writes them, a provisioner makes
 * machines of them. The rules are a superset of what any released CRD accepted, because the API server checks the whole object on
 * every status write (tightening would make old claims undeletable).
 * Source: reference dossier, provisioner, section 1.
 */
#ifndef API_KARPENTER_NODE_CLAIM_H
#define API_KARPENTER_NODE_CLAIM_H

#include "api/k8s/meta.h"

struct claim_requirement { struct str key, op; struct str *values; size_t n_values; struct opt_int min_values; };
struct claim_taint { struct str key, value, effect; int64_t time_added_us; };
struct claim_class_ref { struct str group, kind, name; };
struct claim_resources { struct str_map requests; };
struct claim_spec {
    struct claim_class_ref class_ref;
    struct claim_requirement *requirements;
    size_t n_requirements;
    struct claim_resources resources;
    struct claim_taint *taints, *startup_taints;
    size_t n_taints, n_startup_taints;
    struct str expire_after, termination_grace_period;
};
struct claim_status {
    struct condition *conditions;
    size_t n_conditions;
    struct str provider_id, node_name, image_id;
};
struct node_claim {
    struct str api_version, kind;
    struct object_meta meta;
    struct claim_spec spec;
    struct claim_status status;
};
extern const struct type node_claim_type;

#define CLAIM_API               "karpenter.sh/v1"
#define CLAIM_FINALIZER         "karpenter.sh/termination"      /* on claims and on their Nodes */
#define INSTANCE_TYPE_LABEL     "node.kubernetes.io/instance-type"
#define NODEPOOL_LABEL          "karpenter.sh/nodepool"

/* The first value of the In requirement for this key; p NULL when there is none. */
struct str node_claim_requirement(const struct node_claim *c, const char *key);

#endif
