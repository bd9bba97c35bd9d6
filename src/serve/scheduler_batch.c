/* Who is in the batch: jobs join from the queue and leave it for good, or go back to it when the cache is full. */
#include "serve/scheduler_priv.h"

#include <string.h>

#include "base/clock.h"

/* ── leaving ── */

static void count_locked(struct scheduler *s, const struct job *j, enum finish how)
{
    s->stats.finished[how]++;
    histogram_add(&s->stats.e2e, seconds_between(j->queued_us, clock_mono_us()));
    histogram_add(&s->stats.generation_len, (double)j->out.n);
    if (!j->first_us)
        return;
    histogram_add(&s->stats.prefill, seconds_between(j->admitted_us, j->first_us));
    histogram_add(&s->stats.decode, seconds_between(j->first_us, j->last_us));
    histogram_add(&s->stats.inference, seconds_between(j->admitted_us, j->last_us));
    if (j->out.n > 1)
        histogram_add(&s->stats.per_token, seconds_between(j->first_us, j->last_us) / (double)(j->out.n - 1));
}

static void finish_locked(struct scheduler *s, struct job *j, enum finish how)
{
    mutex_assert_held(&s->mu);
    if (how == FINISH_ABORT && s->stop && !j->abandoned && !cancel_is(j->gone))
        (void)err_set(&j->err, ERR_UNAVAILABLE, "the server is shutting down");
    j->finish = how;
    j->done = true;
    count_locked(s, j, how);
    job_notify_locked(j);
    cond_broadcast(&s->idle);
}

static void remove_active(struct scheduler *s, size_t i)
{
    sequence_free(TAKE(s->active[i]->seq));
    s->active[i]->fed = true;           /* out holds all, should it come back */
    LOCK_SCOPE(&s->mu);
    memmove(&s->active[i], &s->active[i + 1], (s->n_active - i - 1) * sizeof *s->active);
    s->n_active--;
}

void batch_finish(struct scheduler *s, size_t i, enum finish how)
{
    struct job *j = s->active[i];

    remove_active(s, i);
    sampler_free(TAKE(j->sampler));
    s->full = false;
    LOCK_SCOPE(&s->mu);
    s->stats.kv = engine_kv_stats(s->g);        /* who sees the end sees the blocks free */
    finish_locked(s, j, how);
}

void batch_fail(struct scheduler *s, size_t i, const struct err *e)
{
    s->active[i]->err = *e;
    batch_finish(s, i, FINISH_ERROR);
}

void batch_preempt(struct scheduler *s, size_t i)
{
    struct job *j = s->active[i];

    s->full = true;
    remove_active(s, i);
    LOCK_SCOPE(&s->mu);
    job_queue_put(&s->queue, j);
    s->stats.preemptions++;
}

static bool expired(struct job *j, int64_t now_ms)
{
    if (!j->deadline_ms || now_ms < j->deadline_ms)
        return false;
    (void)err_set(&j->err, ERR_TIMEOUT, "the generation took longer than its time limit");
    return true;
}

static bool cancelled_locked(const struct scheduler *s, const struct job *j) { return j->abandoned || s->stop || cancel_is(j->gone); }

static bool cancelled(struct scheduler *s, const struct job *j)
{
    LOCK_SCOPE(&s->mu);
    return cancelled_locked(s, j);
}

static void drop_active(struct scheduler *s)
{
    int64_t now = clock_mono_ms();

    for (size_t i = s->n_active; i-- > 0;)
        if (cancelled(s, s->active[i]))
            batch_finish(s, i, FINISH_ABORT);
        else if (expired(s->active[i], now))
            batch_finish(s, i, FINISH_ERROR);
}

/* A job that was preempted has a sampler already. */
static void drop_waiting(struct scheduler *s)
{
    int64_t now = clock_mono_ms();
    LOCK_SCOPE(&s->mu);

    for (struct job *j = s->queue.first, *next; j; j = next) {
        bool gone = cancelled_locked(s, j);
        next = j->next;
        if (!gone && !expired(j, now))
            continue;
        job_queue_remove(&s->queue, j);
        sampler_free(TAKE(j->sampler));
        finish_locked(s, j, gone ? FINISH_ABORT : FINISH_ERROR);
    }
}

void batch_drop(struct scheduler *s)
{
    drop_waiting(s);
    drop_active(s);
}

/* ── joining ── */

static void join_locked(struct scheduler *s, struct job *j, int64_t now)
{
    s->active[s->n_active++] = j;
    if (j->admitted_us)                 /* it was here before */
        return;
    j->admitted_us = now;
    s->stats.prompt_tokens += j->prompt.n;
    histogram_add(&s->stats.queue, seconds_between(j->queued_us, now));
    histogram_add(&s->stats.prompt_len, (double)j->prompt.n);
    histogram_add(&s->stats.max_tokens, (double)j->max_new);
    if (j->samples)
        histogram_add(&s->stats.samples, (double)j->samples);
}

static struct job *join_next(struct scheduler *s)
{
    int64_t now = clock_mono_us();
    LOCK_SCOPE(&s->mu);
    struct job *j = job_queue_next(&s->queue, now);

    if (j) {
        job_queue_remove(&s->queue, j);
        join_locked(s, j, now);
    }
    return j;
}

void batch_admit(struct scheduler *s)
{
    struct job *j;

    while (s->n_active < s->opts.max_seqs && !(s->full && s->n_active) && (j = join_next(s)))
        if (!j->sampler) {
            j->sample.constraint = j->constraint.self ? &j->constraint : NULL;
            j->sampler = sampler_new(&j->sample, s->vocab);
        }
}
