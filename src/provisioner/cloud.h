/*
 * A cloud is one table of functions: where machines come from. The life cycle (provisioner.h) names a machine by its NodeClaim, so
 * every call may be repeated: create of what exists returns it, delete of what is gone says so. Calls come from several threads at
 * once, never two for the same claim, and never wait for the cloud longer than one exchange: what takes minutes is PENDING.
 *
 * A failed create says what kind of failure it was (enum cloud_fault). The kind, not the cloud, decides the claim's condition and
 * when to try again: one table for all clouds.
 */
#ifndef PROVISIONER_CLOUD_H
#define PROVISIONER_CLOUD_H

#include "api/karpenter/node_claim.h"
#include "base/err.h"
#include "base/json.h"

enum cloud_state { CLOUD_RUNNING, CLOUD_PENDING, CLOUD_DELETING, CLOUD_BROKEN };

struct cloud_instance {                 /* owned texts; NULL: not known */
    char *claim;                        /* the claim's name */
    char *provider_id;                  /* equals the Node's spec.providerID */
    char *image_id, *instance_type;
    json_t *labels;                     /* to merge into the claim's */
    enum cloud_state state;
    int64_t created_ms;                 /* wall time; 0: not known */
    int64_t look_ms;                    /* PENDING, DELETING: ask again after so long */
    bool unseen;                        /* PENDING: it could not be looked at, and nothing is known of it: what was said of it stands */
    char *operation;                    /* PENDING: what the claim's annotation keeps, so that the next call goes on with it */
};
void cloud_instance_done(struct cloud_instance *i);

struct cloud_instances { struct cloud_instance *items; size_t n, cap; };
void cloud_instances_done(struct cloud_instances *l);
struct cloud_instance *cloud_instances_add(struct cloud_instances *l);  /* a cleared one */

#define CLOUD_OPERATION_ANNOTATION "kaito.sh/cloud-operation"

enum cloud_fault {
    FAULT_OTHER, FAULT_TRANSIENT, FAULT_THROTTLED, FAULT_BUSY, FAULT_QUOTA, FAULT_CAPACITY, FAULT_TYPE, FAULT_SPEC, FAULT_AUTH,
    FAULT_POLICY, FAULT_CLUSTER_GONE, FAULT_NOT_OURS, FAULT_PROVISIONING, FAULT_COUNT
};
struct cloud_fault_row {
    const char *reason, *status;        /* of the claim's Launched condition */
    int64_t first_ms, max_ms;           /* until the next try: doubles from first to max; 0: never again */
    const char *next_step;              /* for a person; ends the condition's message */
};
const struct cloud_fault_row *cloud_fault_row(enum cloud_fault f);
/* Until the next try of a claim that has been failing for so long; -1: never. Waiting as long as it failed doubles each wait. */
int64_t cloud_fault_wait_ms(enum cloud_fault f, int64_t failing_ms);
/* A condition's reason that no time heals: the claim is not tried again. */
bool cloud_fault_is_final(const char *reason);

struct cloud_failure {                  /* beside the error of a failed create; zero: nothing known */
    enum cloud_fault fault;
    int64_t retry_ms;                   /* what the cloud asked for; 0: nothing */
};

#define CLOUD_WARM_MS 1000              /* between two calls of warm */

struct cloud {
    const char *name;
    const char *node_label;             /* a Node's label that names its claim; NULL: only providerID and owner do */
    void *self;
    /* Makes the machine, goes on making it, or returns the one that the claim has. DELETING: an earlier one goes first, and nothing is made yet. */
    errc (*create)(void *self, const struct node_claim *claim, struct cloud_instance *out, struct cloud_failure *why, struct err *e);
    /* A claim that carries an operation gets nothing that is new: where nothing is left of that, create answers PENDING without one, and is called again. */
    bool goes_on_only;
    errc (*get)(void *self, const char *claim_name, struct cloud_instance *out, struct err *e);     /* NOT_FOUND */
    errc (*list)(void *self, struct cloud_instances *out, struct err *e);   /* those of our making */
    /* *out_look_ms 0: it is gone (also: was never there); else: going, ask again after so long. */
    errc (*delete)(void *self, const char *claim_name, int64_t *out_look_ms, struct err *e);
    /* True: a deletion that was asked for has begun; false: the cloud has refused it until now, as it may while it makes the machine. NULL: it refuses none. */
    bool (*ends)(void *self, const char *claim_name);
    /* The claim has only now been taken (its finalizer is this process's): no other one can have begun a machine for it. NULL: it makes no difference. */
    void (*taken)(void *self, const char *claim_name);
    /* The claim's Node is ready, or its time is over: a look at what makes its machine may come sooner than was said. NULL: it makes no difference. */
    void (*hurry)(void *self, const char *claim_name);
    /* Each CLOUD_WARM_MS while another one leads: gets what a first call would wait for, and changes nothing. One thread. NULL: nothing is to be had. */
    void (*warm)(void *self);
    /* Array of {name, cpus, memoryBytes, gpus}; the name "*" stands for any. */
    errc (*types)(void *self, json_t **out, struct err *e);
    void (*metrics)(void *self, struct buf *out);       /* Prometheus text beside the life cycle's; NULL: none */
    void (*free)(void *self);
};
void cloud_free(struct cloud *c);       /* NULL is fine */

#endif
