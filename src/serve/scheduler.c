/*
 * The engine's thread turns as long as there is work: who left is dropped, who waits joins, and all take one step. Callers queue
 * jobs, wait for them and release them on any thread.
 */
#include "serve/scheduler_priv.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

#define ENGINE_STACK ((size_t)8 << 20)
#define MAX_SEQS_DEFAULT 16

/* ── the engine's thread ── */

static bool wait_for_work(struct scheduler *s)
{
    LOCK_SCOPE(&s->mu);
    s->stats.running = s->n_active;
    s->stats.kv = engine_kv_stats(s->g);
    if (!s->n_active && !s->queue.n)
        cond_broadcast(&s->idle);
    while (!s->stop && !s->n_active && !s->queue.n)
        cond_wait(&s->arrived, &s->mu);
    return s->n_active || s->queue.n || !s->stop;
}

static void run(void *arg)
{
    struct scheduler *s = arg;

    while (wait_for_work(s)) {
        batch_drop(s);
        batch_admit(s);
        batch_step(s);
    }
}

/* ── life ── */

errc scheduler_new(struct engine *g, const struct scheduler_opts *o, struct scheduler **out, struct err *e)
{
    AUTO_FREE(scheduler) s = xzalloc(sizeof *s);

    s->g = g;
    s->opts = *o;
    s->opts.max_seqs = o->max_seqs ? o->max_seqs : MAX_SEQS_DEFAULT;
    s->opts.max_waiting = o->max_waiting ? o->max_waiting : s->opts.max_seqs;
    s->vocab = engine_model(g)->config.vocab;
    s->logits = xcalloc(s->vocab, sizeof *s->logits);
    s->active = xcalloc(s->opts.max_seqs, sizeof(struct job *));
    s->workers = xcalloc(s->opts.max_seqs, sizeof(struct job *));
    s->work = xcalloc(s->opts.max_seqs, sizeof *s->work);
    stats_init(&s->stats);
    s->stats.kv = engine_kv_stats(g);
    s->stats.max_seqs = s->opts.max_seqs;
    s->stats.prefix_caching = engine_shares(g);
    mutex_init(&s->mu);
    cond_init(&s->arrived);
    cond_init(&s->idle);
    thread_start_sized(&s->thread, "engine", ENGINE_STACK, run, s);
    *out = TAKE(s);
    return ERR_OK;
}

void scheduler_free(struct scheduler *s)
{
    if (!s)
        return;
    mutex_lock(&s->mu);
    s->stop = s->draining = true;
    cond_broadcast(&s->arrived);
    mutex_unlock(&s->mu);
    thread_join(&s->thread);
    free(s->logits);
    free(s->active);
    free(s->workers);
    free(s->work);
    cond_done(&s->arrived);
    cond_done(&s->idle);
    mutex_done(&s->mu);
    free(s);
}

void scheduler_drain(struct scheduler *s, int64_t grace_ms)
{
    int64_t until = clock_mono_ms() + grace_ms;
    LOCK_SCOPE(&s->mu);

    s->draining = true;
    while ((s->stats.running || s->queue.n) && cond_wait_until(&s->idle, &s->mu, until))
        ;
    s->stop = true;
    cond_broadcast(&s->arrived);
}

uint64_t scheduler_group(struct scheduler *s)
{
    LOCK_SCOPE(&s->mu);
    return ++s->groups;
}

void scheduler_stats(struct scheduler *s, struct stats *out)
{
    LOCK_SCOPE(&s->mu);
    *out = s->stats;
    out->waiting = s->queue.n;
}

static void add_name(struct buf *out, const struct adapter *a)
{
    struct str rest = buf_str(out), name;

    if (!a)
        return;
    while (str_next(&rest, ',', &name))
        if (str_is(name, a->name))
            return;
    buf_addf(out, "%s%s", out->n ? "," : "", a->name);
}

void scheduler_loras(struct scheduler *s, struct lora_users *out)
{
    LOCK_SCOPE(&s->mu);

    for (size_t i = 0; i < s->n_active; i++)
        add_name(&out->running, s->active[i]->adapter);
    for (const struct job *j = s->queue.first; j; j = j->next)
        add_name(&out->waiting, j->adapter);
}

/* ── callers: jobs ── */

void job_init(struct job *j) { *j = (struct job){ .sample = SAMPLE_DEFAULTS, .stop_id = -1, .samples = 1 }; }

static void queue_locked(struct scheduler *s, struct job *j)
{
    int64_t timeout = s->opts.request_timeout_ms;

    mutex_assert_held(&s->mu);
    j->queued_us = clock_mono_us();
    if (!j->deadline_ms && timeout)
        j->deadline_ms = clock_mono_ms() + timeout;
    j->submitted = true;
    job_queue_put(&s->queue, j);
}

errc scheduler_submit_all(struct scheduler *s, struct job *const *jobs, size_t n, bool limited, struct err *e)
{
    LOCK_SCOPE(&s->mu);

    if (s->draining)
        return err_set(e, ERR_UNAVAILABLE, "the server is shutting down");
    if (limited && s->queue.n > s->opts.max_waiting) {
        s->stats.rejected++;
        return err_set(e, ERR_THROTTLED, "Too many requests: waiting queue (%zu) exceeds max-num-seqs (%zu).", s->queue.n, s->opts.max_waiting);
    }
    for (size_t i = 0; i < n; i++)
        queue_locked(s, jobs[i]);
    s->stats.running += s->stats.running == 0;          /* drain must see it before the engine thread does */
    cond_signal(&s->arrived);
    return ERR_OK;
}

errc scheduler_submit(struct scheduler *s, struct job *j, bool limited, struct err *e) { return scheduler_submit_all(s, &j, 1, limited, e); }

static bool has_news(const struct job *j, size_t have, bool ended) { return j->out.n > have || (j->done && !ended); }

/* Index of the first job with news; n when all have ended. Sleeps while neither is so. */
static size_t await_locked(struct scheduler *s, struct job *const *jobs, const size_t *have, const bool *ended, size_t n)
{
    AUTO(cond_done) struct cond news;
    size_t found = n, alive;

    cond_init(&news);
    for (;;) {
        alive = 0;
        for (size_t i = 0; i < n && found == n; i++) {
            found = has_news(jobs[i], have[i], ended[i]) ? i : n;
            alive += !ended[i];
            jobs[i]->waiter = &news;
        }
        if (found < n || !alive)
            break;
        cond_wait(&news, &s->mu);
    }
    for (size_t i = 0; i < n; i++)
        jobs[i]->waiter = NULL;
    return found;
}

bool scheduler_wait(struct scheduler *s, struct job *j, size_t have, struct token_ids *out)
{
    const bool ended = false;
    LOCK_SCOPE(&s->mu);

    (void)await_locked(s, &j, &have, &ended, 1);        /* there is one */
    for (size_t i = have; i < j->out.n; i++)
        token_ids_add(out, j->out.v[i]);
    return j->done;
}

size_t scheduler_wait_any(struct scheduler *s, struct job *const *jobs, const size_t *have, const bool *ended, size_t n)
{
    LOCK_SCOPE(&s->mu);
    return await_locked(s, jobs, have, ended, n);
}

size_t scheduler_results(struct scheduler *s, const struct job *j, size_t from, size_t n, struct token_logprobs *out)
{
    LOCK_SCOPE(&s->mu);
    size_t there = from < j->n_results ? j->n_results - from : 0, count = n < there ? n : there;

    for (size_t i = 0; i < count; i++)
        out[i] = j->results[from + i];
    return count;
}

void scheduler_watch(struct scheduler *s, struct job *j, struct cancel *gone)
{
    LOCK_SCOPE(&s->mu);
    j->gone = gone;
}

void scheduler_cancel(struct scheduler *s, struct job *j)
{
    LOCK_SCOPE(&s->mu);
    j->abandoned = true;
    j->gone = NULL;
}

static void await_end(struct scheduler *s, struct job *j)
{
    LOCK_SCOPE(&s->mu);
    size_t have = SIZE_MAX;
    const bool ended = false;

    if (j->submitted && !j->done)
        (void)await_locked(s, &j, &have, &ended, 1);    /* it ends */
}

void scheduler_release(struct scheduler *s, struct job *j)
{
    scheduler_cancel(s, j);
    await_end(s, j);
    token_ids_done(&j->prompt);
    token_ids_done(&j->out);
    free(j->results);
    free(j->prompt_results);
    adapter_free(TAKE(j->adapter));
    if (j->constraint.self)
        j->constraint.free(j->constraint.self);
    j->constraint = (struct constraint){ 0 };
}
