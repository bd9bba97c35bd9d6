/*
 * The two kinds of objects that ask for a machine: karpenter.sh/v1 NodeClaim, and the legacy karpenter.sh/v1alpha5 Machine where the cluster
 * knows no other. A Machine is read as a NodeClaim: its conditions are called MachineLaunched ... here Launched ..., the rest is the same.
 * Source: reference dossier, provisioner, 1.5. Used by both who asks for machines and who makes them.
 */
#ifndef API_KARPENTER_CLAIM_KIND_H
#define API_KARPENTER_CLAIM_KIND_H

#include "kube/kube.h"

struct claim_kind {
    struct kube_gvr gvr;
    const char *kind, *api_version;
    const char *prefix;                 /* of the condition types Launched, Registered, Initialized; "" for NodeClaims */
};
extern const struct claim_kind claim_kind_node_claim, claim_kind_machine;

/* Changes status.conditions from the kind's names to a NodeClaim's, or back. obj is the caller's own. */
void claim_kind_in(const struct claim_kind *k, json_t *obj);
void claim_kind_out(const struct claim_kind *k, json_t *obj);
json_t *machine_read(json_t *obj);      /* an informer's transform: claim_kind_in for Machines */

#endif
