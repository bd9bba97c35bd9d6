/* One call of azure_create, which create.c steps through and look.c looks for. */
#ifndef PROVISIONER_AZURE_MAKING_H
#define PROVISIONER_AZURE_MAKING_H

#include "provisioner/azure/priv.h"

#define LOOK_POOL_MS  5000              /* to the next look at a pool whose operation is not known */
#define LOOK_GAP_MS   1000              /* between two looks where ARM asked for nothing */

struct making {
    struct azure *a;
    const struct node_claim *claim;
    char *name;
    json_t *body;
    struct pool_writes *w;
    struct cloud_instance *out;
    struct arm_refusal why;
    bool ended;                         /* no machine comes of the operation that the claim carries */
    int64_t again_ms;                   /* another look than the first had no answer, and may have one after so long; 0: none was due, or it had */
};
bool making_has_operation(const struct making *m);             /* the claim carries one */
errc making_fault(struct making *m, enum cloud_fault f, errc code, struct err *e, const char *text);

void making_note(struct making *m, const json_t *pool);         /* what an answer says beyond what was asked for */

struct sight {                          /* a pool as a look saw it */
    json_t *from;                       /* which pool lives in */
    const json_t *pool;                 /* NULL: there is none */
    struct cloud_instance i;            /* what it is as a machine */
};
void sight_done(struct sight *s);
/* As a list shows it that began after after_ms. FAULT_NOT_OURS and FAULT_BUSY: it is there and not this claim's. */
errc making_find_listed(struct making *m, int64_t after_ms, struct sight *out, struct err *e);
/* The same, as it is now: a call for one pool, which waits for no list. */
errc making_find_named(struct making *m, struct sight *out, struct err *e);
/* As a list shows it; what that may be too old to know is asked for by name. */
errc making_find(struct making *m, struct sight *out, struct err *e);
/* Until the next look at a pool that was found in this state. */
int64_t making_find_again_ms(const struct making *m, enum cloud_state state);
/* How far the operation is, and when to look next; an error says nothing about it. */
errc making_look(struct making *m, struct arm_operation *op, int64_t since_ms, struct arm_progress *out, int64_t *look_ms, struct err *e);

#endif
