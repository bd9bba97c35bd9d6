/*
 * The decision about one NodeClaim, given the claim and the Nodes with its providerID. Pure: unit-tested with tables.
 * Sources: dossier, provisioner, 1.2 (conditions), 2.3 (creation side).
 */
#ifndef PROVISIONER_LIFECYCLE_H
#define PROVISIONER_LIFECYCLE_H

#include "provisioner/cloud.h"

/*
 * Ours are claims whose class is kaito.sh/KaitoNodeClass, and those labelled kaito.sh/workspace or kaito.sh/ragengine unless their class
 * is another controller's: group names a second one that we act for (NULL: none).
 */
bool claim_is_ours(const struct node_claim *c, const char *group);

/* Only such a machine will do: one that the cloud may take back. on-demand wins where both are allowed. */
bool claim_wants_spot(const struct node_claim *c);

#define NODE_CLASS_LABEL "kaito.sh/kaitonodeclass"     /* on Nodes: one of ours also when its claim has none of KAITO's labels, or is gone */

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
    bool earlier_leaves;                /* with launch_wait: an earlier machine of this claim goes first */
    const char *image_id;               /* NULL: not known */
    /* the machine is given up, and still there: the stage that did not come says so, the others stay */
    const char *late, *late_stage, *late_text;          /* reason, condition and message; NULL: it is not */
    /* the machine goes or is gone: Launched goes back, what is known of the old machine is taken out of the status */
    const char *lost, *lost_text;       /* reason and message; NULL: it was not */
    bool lost_for_good;                 /* not the first time, and not soon again: Launched is False */
};

struct claim_plan {
    json_t *status;                     /* whole new status; NULL: as it is */
    json_t *node_patch;                 /* merge patch of the one Node, with its resourceVersion; NULL: none */
};
void claim_plan_done(struct claim_plan *p);
void claim_plan(const struct claim_view *v, int64_t now_ms, struct claim_plan *out);

/*
 * A claim's status.conditions, the caller's own. begin: those that nobody wrote yet are Unknown since the claim was made. end: Ready from the
 * others: True when all are, False when one is; its message names those that are not, the one that changed last first; then the order.
 */
void claim_conditions_begin(json_t *conditions, int64_t created_ms, int64_t generation);
void claim_conditions_end(json_t *conditions, int64_t now_ms, int64_t generation);
/* As upstream stores them: the oldest change first, Ready last. Those of the same second stay in their order. */
void claim_conditions_order(json_t *conditions);
/* Of a claim that goes: every one is said of its present generation, whichever is written. */
void claim_conditions_stamp(json_t *conditions, int64_t generation);

#endif
