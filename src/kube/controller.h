/*
 * informer -> queue -> reconcile. Watched objects become keys; workers take a key at a time and call reconcile with it. Reconcile reads
 * current state from informers and never learns which event woke it.
 *   error     -> tried again with back-off, logged once as a warning (at debug: CONFLICT, somebody was faster; an API that still does not answer).
 *                The back-off ends early where waiting helps nobody: after a conflict, which only wants the present to be read again; after a
 *                reconcile that got something done, whose failure is another one than the last; while the API does not answer, which says nothing
 *                about the object
 *   after_ms  -> again at that time, back-off forgotten
 *   success   -> back-off forgotten
 */
#ifndef KUBE_CONTROLLER_H
#define KUBE_CONTROLLER_H

#include "base/arena.h"
#include "kube/informer.h"
#include "kube/workq.h"

struct op {                             /* of one reconcile */
    struct arena *arena;                /* dies with it */
    struct cancel *cancel;
    int64_t now_ms;                     /* wall time at its start */
    const char *controller;             /* its name, for logs */
};

struct reconcile_result {
    int64_t requeue_after_ms;           /* 0: not before something changes */
    bool progressed;                    /* it wrote something before it failed */
};

struct controller;
struct controller_opts {
    const char *name;                   /* a literal */
    unsigned workers;                   /* 0: 1 */
    size_t stack_bytes;                 /* of a worker; 0: 512 KiB */
    errc (*reconcile)(void *self, struct op *op, const struct key *key, struct reconcile_result *out, struct err *e);
    /* Once, when the caches are filled and before the first reconcile: may put keys first (controller_enqueue_first). NULL: nothing. */
    void (*begins)(void *self, struct controller *c);
    void *self;
};
struct controller *controller_new(const struct controller_opts *o);
void controller_free(struct controller *c);     /* after controller_join; its informers must have been joined before */
DEFINE_AUTO_FREE(controller)

/* Before the start. Each event of the informer queues: the object itself, */
void controller_watch(struct controller *c, struct informer *i);
/* the controller reference of this kind (old and new, so that losing an owner is noticed), */
void controller_watch_owned(struct controller *c, struct informer *i, const char *owner_kind, bool owner_is_namespaced);
/* the object named by a label (in the same namespace; ns_label NULL, or the label that names the namespace), */
void controller_watch_label(struct controller *c, struct informer *i, const char *name_label, const char *ns_label);
/* or what map says: it calls workq_add for each key. */
void controller_watch_map(struct controller *c, struct informer *i, void (*map)(void *self, const json_t *obj, struct workq *q), void *self);

/* Workers begin once every watched informer is synced. */
void controller_start(struct controller *c, struct cancel *cancel);
void controller_join(struct controller *c);     /* after cancel */
/* Inside reconcile, of its key: may the rest wait because other keys do (workq_put_off)? It must look at the present again when its turn comes. */
bool controller_put_off(struct controller *c, const struct key *k, int64_t at_most_ms);
bool controller_is_crowded(struct controller *c);       /* keys are ready that no worker has taken yet */
void controller_enqueue(struct controller *c, const struct key *k);
void controller_enqueue_first(struct controller *c, const struct key *k);       /* before all that waits */

struct controller_stats { uint64_t reconciles, errors, requeues; size_t queued; int64_t busy_us; unsigned active, workers; struct histogram took, worked; };
void controller_stats(struct controller *c, struct controller_stats *out);
/* Prometheus text with controller-runtime's names. */
void controller_metrics(struct controller *c, struct buf *out);

#endif
