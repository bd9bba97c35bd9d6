/*
 * What takes too long: stages of a claim's life, Nodes that are not ready, claims that are too old. Pure: unit-tested with tables.
 * Sources: reference dossier, provisioner, 2.9 (upstream's timers) and 8.2 (ours where upstream has none).
 */
#ifndef PROVISIONER_TIMERS_H
#define PROVISIONER_TIMERS_H

#include "api/karpenter/node_claim.h"
#include "base/json.h"

/* All in ms. 0: the default in brackets, -1: never. */
struct claim_timers {
    int64_t launch_ms;                  /* the cloud accepted the request -> the machine runs [30 min; upstream's core 5 min] */
    int64_t registration_ms;            /* the machine runs -> its Node has joined [15 min, as upstream's core] */
    int64_t initialization_ms;          /* the Node has joined -> it is usable [20 min; upstream waits for ever] */
    int64_t replace_pause_ms;           /* from a machine that was given up to the next one [1 min; doubles to an hour; upstream makes no other] */
    int64_t drain_ms;                   /* a claim without terminationGracePeriod [30 min; upstream waits for ever] */
    int64_t alarm_ms;                   /* a deletion that takes longer is told by an event [30 min] */
    int64_t repair_ms;                  /* a Node that is not ready [10 min, as upstream] */
    int64_t repair_pause_ms;            /* between two repairs [10 min; upstream none] */
    int64_t collect_ms;                 /* between two rounds of the collectors [2 min, as upstream] */
    int64_t collect_grace_ms;           /* an orphan's age [2 min; upstream 30 s] */
};
void claim_timers_fill(struct claim_timers *t);

#define LAUNCH_STARTED_ANNOTATION "kaito.sh/launch-started"             /* when the cloud accepted the request, RFC 3339 */

#define LAUNCH_TIMEOUT "LaunchTimeout"

/*
 * The reason of the stage that takes too long: LaunchTimeout, RegistrationTimeout, InitializationTimeout; NULL: none.
 * *out_left_ms: until the running stage ends; 0: none runs.
 */
const char *claim_overdue(const json_t *claim, const struct claim_timers *t, int64_t now_ms, int64_t *out_left_ms);

/* How long the launch lasts beyond its time; below 0: it is not over, or none is measured. */
int64_t launch_late_ms(const json_t *claim, const struct claim_timers *t, int64_t now_ms);

/* Until a Node that is not ready is repaired: 0: now, -1: it is ready (or never was). */
int64_t node_repair_wait_ms(const json_t *node, const struct claim_timers *t, int64_t now_ms);
/* More than half of three or more Nodes not ready is no matter of a Node. */
bool node_repair_is_braked(size_t nodes, size_t unready);

/* Until the claim is too old: 0: now, -1: it never is. */
int64_t claim_expiry_wait_ms(const struct node_claim *c, int64_t now_ms);
/* When a claim that is deleted must have let go of its pods (wall time); 0: there is no such time. */
int64_t claim_drain_deadline_ms(const struct node_claim *c, const json_t *claim, const struct claim_timers *t);

#define TERMINATION_ANNOTATION "karpenter.sh/nodeclaim-termination-timestamp"

#endif
