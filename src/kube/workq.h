/*
 * Which keys need a reconcile: each waits at most once, and no two workers hold the same one.
 * A key added while it runs becomes ready again at workq_done(). Thread-safe; its lock is a leaf.
 */
#ifndef KUBE_WORKQ_H
#define KUBE_WORKQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/histogram.h"

struct key { const char *ns, *name; };          /* ns "" for cluster-scoped */
#define KEY(ns, name) (&(const struct key){ (ns), (name) })

struct workq;
struct workq *workq_new(void);
void workq_free(struct workq *q);               /* NULL is fine; every worker must have left */
DEFINE_AUTO_FREE(workq)
void workq_stop(struct workq *q);               /* wakes all workers; later adds are dropped */

/* Copies the key. Adding one that already waits changes nothing. */
void workq_add(struct workq *q, const struct key *k);
/* The same, before all that is ready already; one that runs comes again as ever. */
void workq_add_first(struct workq *q, const struct key *k);
/* Later; an earlier time already set for the key stays. A plain add does not cancel it. */
void workq_add_after(struct workq *q, const struct key *k, int64_t delay_ms);
/*
 * After 5 ms * 2^failures, at most WORKQ_BACKOFF_MAX_MS (controller-runtime's default) or at_most_ms; each call counts one failure. A smaller
 * limit forgives failures before this one, too: as many as would have led beyond it.
 */
#define WORKQ_BACKOFF_MAX_MS 1000000
void workq_add_failed(struct workq *q, const struct key *k, int64_t at_most_ms);
void workq_forget(struct workq *q, const struct key *k);        /* failures are 0 again */
unsigned workq_failures(struct workq *q, const struct key *k);  /* since it was last forgotten; for tests */

/* Waits for a key; NULL once stopped. The key is lent until workq_done(). */
const struct key *workq_get(struct workq *q);
/*
 * Of the key that the caller holds: may the rest of its work wait, because others do? Then, after workq_done(), it comes again behind all that is
 * added plainly, or when it is added plainly itself. False when nobody waits, when it was just taken from there, and when at_most_ms (of the first
 * time) are over: then the work must be done now.
 */
bool workq_put_off(struct workq *q, const struct key *k, int64_t at_most_ms);
bool workq_is_crowded(struct workq *q);         /* keys are ready that were added plainly */
void workq_done(struct workq *q, const struct key *k);
/* controller-runtime's buckets of both times of a queue, in seconds. */
#define WORKQ_BOUNDS { 1e-8, 1e-7, 1e-6, 9.999999999999999e-6, 9.999999999999999e-5, 0.001, 0.01, 0.1, 1, 10, 100, 1000 }
struct workq_stats {
    uint64_t adds;
    struct histogram waited;            /* seconds from being ready until a worker took it */
    double unfinished_s, longest_s;     /* of the keys that workers hold now: since when, summed, and of the one that takes longest */
};
void workq_stats(struct workq *q, struct workq_stats *out);
size_t workq_len(struct workq *q);              /* ready, not running, not delayed; for tests and metrics */

#endif
