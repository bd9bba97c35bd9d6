/*
 * The decision about one NodeClaim, given the claim and the Nodes with its providerID. Pure: unit-tested with tables.
 * Sources: dossier, provisioner, 1.2 (conditions), 2.3 (creation side).
 */
#ifndef PROVISIONER_LIFECYCLE_H
#define PROVISIONER_LIFECYCLE_H

#include "provisioner/cloud.h"

bool claim_is_ours(const struct node_claim *c);

struct claim_view {
    const struct node_claim *claim;
    const json_t *object;               /* the same as read */
    const json_t *nodes;                /* array: Nodes whose spec.providerID is the claim's */
    /* what the cloud said in this reconcile; all zero: it was not asked, Launched stays what it is */
    bool launched;                      /* the machine runs; true as well when provider_id is known */
    const char *provider_id;            /* NULL: not known yet: the Node brings it */
    const char *launch_error;           /* NULL: none */
    enum cloud_fault launch_fault;      /* of launch_error */
    const char *launch_wait;            /* the machine is on its way: what is waited for; NULL: it is not */
};

struct claim_plan {
    json_t *status;                     /* whole new status; NULL: as it is */
    json_t *node_patch;                 /* merge patch of the one Node, with its resourceVersion; NULL: none */
};
void claim_plan_done(struct claim_plan *p);
void claim_plan(const struct claim_view *v, int64_t now_ms, struct claim_plan *out);

#endif
