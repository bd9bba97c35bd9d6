/*
 * What the scheduler's two sides share. The engine's thread steps: scheduler_batch.c says who is in the batch, scheduler_step.c
 * computes. scheduler.c is the callers' side, on any thread.
 */
#ifndef SERVE_SCHEDULER_PRIV_H
#define SERVE_SCHEDULER_PRIV_H

#include "serve/job_queue.h"
#include "serve/scheduler.h"

struct scheduler {
    struct engine *g;
    struct scheduler_opts opts;
    size_t vocab;
    /* the engine thread's */
    float *logits;                      /* [vocab], a copy for each sample of a prompt */
    struct engine_work *work;           /* [max_seqs] of this step, and whose it is */
    struct job **workers;
    size_t n_work;
    bool full;                          /* a job was sent back for want of cache: nobody joins until one leaves */
    struct thread thread;

    struct mutex mu;                    /* guards what follows, and the results of jobs; a leaf */
    struct job **active;                /* [max_seqs], oldest first; changed by the engine thread alone, so it may read unlocked */
    size_t n_active;
    struct cond arrived, idle;
    struct job_queue queue;
    uint64_t groups;
    bool stop, draining;
    struct stats stats;
};

static inline double seconds_between(int64_t from_us, int64_t to_us) { return (double)(to_us - from_us) / 1e6; }

/* Wakes who waits for news of j. */
static inline void job_notify_locked(struct job *j)
{
    if (j->waiter)
        cond_broadcast(j->waiter);
}

/* ---- scheduler_batch.c: on the engine's thread ---- */

void batch_admit(struct scheduler *s);          /* from the queue, as far as there is room */
void batch_drop(struct scheduler *s);           /* whose client left or whose time is over, waiting or not */
/* active[i] leaves for good, or goes back; those behind it move up. */
void batch_finish(struct scheduler *s, size_t i, enum finish how);
void batch_fail(struct scheduler *s, size_t i, const struct err *e);
void batch_preempt(struct scheduler *s, size_t i);      /* the cache is full: back to the queue with its text so far, to be read again */

/* ---- scheduler_step.c: on the engine's thread ---- */

void batch_step(struct scheduler *s);           /* the next token of each that generates, and a chunk of the others' prompts */

#endif
