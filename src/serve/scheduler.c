/*
 * The engine thread: continuous batching. Each turn admits waiting jobs, gives prompts their next chunk, and decodes one step
 * of all others together, so that a long prompt never stalls the rest for longer than a chunk.
 */
#include "serve/scheduler.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/job_queue.h"

#define ENGINE_STACK ((size_t)8 << 20)
#define MAX_SEQS_DEFAULT 16

struct scheduler {
    struct engine *g;
    struct scheduler_opts opts;
    size_t vocab;
    float *logits;                      /* [max_seqs, vocab]; engine thread only */
    struct job **active;                /* engine thread only; oldest first */
    size_t n_active;
    bool full;                          /* a job was sent back for want of cache: nobody joins until one leaves */
    struct thread thread;

    struct mutex mu;                    /* guards what follows, and the results of jobs; a leaf */
    struct cond work, idle;
    struct job_queue queue;
    uint64_t groups;
    bool stop, draining;
    struct stats stats;
};

void job_init(struct job *j) { *j = (struct job){ .sample = SAMPLE_DEFAULTS, .stop_id = -1 }; }

/* ── leaving ── */

static void notify_locked(struct job *j)
{
    if (j->waiter)
        cond_broadcast(j->waiter);
}

static void finish_locked(struct scheduler *s, struct job *j, enum finish how)
{
    mutex_assert_held(&s->mu);
    j->finish = how;
    j->done = true;
    s->stats.finished[how]++;
    histogram_add(&s->stats.e2e, (double)(clock_mono_us() - j->queued_us) / 1e6);
    histogram_add(&s->stats.generation_len, (double)j->out.n);
    notify_locked(j);
    cond_broadcast(&s->idle);
}

static void remove_active(struct scheduler *s, size_t i)
{
    sequence_free(TAKE(s->active[i]->seq));
    s->active[i]->prefilled = false;
    memmove(&s->active[i], &s->active[i + 1], (s->n_active - i - 1) * sizeof *s->active);
    s->n_active--;
}

/* Leaves the batch for good. */
static void finish(struct scheduler *s, size_t i, enum finish how)
{
    struct job *j = s->active[i];

    remove_active(s, i);
    sampler_free(TAKE(j->sampler));
    s->full = false;
    LOCK_SCOPE(&s->mu);
    finish_locked(s, j, how);
}

static void finish_failed(struct scheduler *s, size_t i, const struct err *e)
{
    s->active[i]->err = *e;
    finish(s, i, FINISH_ERROR);
}

/* The cache is full: the job goes back to the queue with its text so far, and will be read again. */
static void preempt(struct scheduler *s, size_t i)
{
    struct job *j = s->active[i];

    s->full = true;
    remove_active(s, i);
    LOCK_SCOPE(&s->mu);
    job_queue_put(&s->queue, j);
    s->stats.preemptions++;
}

static void failed(struct scheduler *s, size_t i, const struct err *e)
{
    if (e->code == ERR_TOO_LARGE && s->n_active > 1)
        preempt(s, s->n_active - 1);
    else
        finish_failed(s, i, e);
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
            finish(s, i, FINISH_ABORT);
        else if (expired(s->active[i], now))
            finish(s, i, FINISH_ERROR);
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

/* ── joining ── */

static errc begin(struct scheduler *s, struct job *j, struct err *e)
{
    j->seq = sequence_new(s->g, j->adapter);
    if (!j->sampler) {
        j->sample.constraint = j->constraint.self ? &j->constraint : NULL;
        j->sampler = sampler_new(&j->sample, s->vocab);
    }
    TRY(sequence_add(j->seq, j->prompt.v, j->prompt.n, e));
    return j->out.n ? sequence_add(j->seq, j->out.v, j->out.n, e) : ERR_OK;
}

static struct job *pop(struct scheduler *s)
{
    int64_t now = clock_mono_us();
    LOCK_SCOPE(&s->mu);
    struct job *j = job_queue_next(&s->queue, now);

    if (!j)
        return NULL;
    job_queue_remove(&s->queue, j);
    if (!j->admitted_us) {
        histogram_add(&s->stats.queue, (double)(now - j->queued_us) / 1e6);
        histogram_add(&s->stats.prompt_len, (double)j->prompt.n);
        s->stats.prompt_tokens += j->prompt.n;
        j->admitted_us = now;
    }
    return j;
}

static void admit(struct scheduler *s)
{
    while (s->n_active < s->opts.max_seqs && !(s->full && s->n_active)) {
        struct job *j = pop(s);
        struct err e;
        if (!j)
            return;
        s->active[s->n_active++] = j;
        if (begin(s, j, &e))
            failed(s, s->n_active - 1, &e);
    }
}

/* ── tokens ── */

static bool is_stop(const struct job *j, int32_t id)
{
    for (size_t i = 0; i < j->n_stop_ids; i++)
        if (j->stop_ids[i] == id)
            return true;
    return false;
}

static int32_t pick(struct job *j, float *logits)
{
    bool early = j->out.n < j->min_new;

    return sampler_pick(j->sampler, logits, sequence_ids(j->seq), sequence_len(j->seq), early ? j->stop_ids : NULL,
                        early ? j->n_stop_ids : 0, NULL);
}

static void keep_result_locked(struct job *j)
{
    const struct token_logprobs *p = sampler_logprobs(j->sampler);

    if (!p)
        return;
    vec_grow(j->results, j->n_results, j->cap_results);
    j->results[j->n_results++] = *p;
}

static void publish(struct scheduler *s, struct job *j, int32_t id, bool stops)
{
    int64_t now = clock_mono_us();
    LOCK_SCOPE(&s->mu);

    histogram_add(j->first_us ? &s->stats.inter_token : &s->stats.ttft, (double)(now - (j->first_us ? j->last_us : j->queued_us)) / 1e6);
    s->stats.generation_tokens++;
    keep_result_locked(j);
    if (stops)
        j->stop_id = id;
    else
        token_ids_add(&j->out, id);
    if (!j->first_us)
        j->first_us = now;
    j->last_us = now;
    if (!stops)                         /* a stop is told with the end that follows */
        notify_locked(j);
}

/* The constraint sees every token but those that stop. */
static errc constrain(struct job *j, int32_t id, bool *out_ends, struct err *e)
{
    const struct constraint *c = &j->constraint;

    *out_ends = false;
    if (!c->self)
        return ERR_OK;
    if (!c->accept(c->self, id))
        return err_set(e, ERR_INTERNAL, "no token of the vocabulary satisfies the constraint here");
    *out_ends = c->done(c->self);
    return ERR_OK;
}

/* Samples the next token of active[i]. */
static void take_token(struct scheduler *s, size_t i, float *logits)
{
    struct job *j = s->active[i];
    bool ends = false;
    struct err e;

    if (!j->max_new) {
        finish(s, i, FINISH_LENGTH);
        return;
    }
    int32_t id = j->pending = pick(j, logits);
    bool stops = is_stop(j, id);
    if (!stops && constrain(j, id, &ends, &e)) {
        finish_failed(s, i, &e);
        return;
    }
    publish(s, j, id, stops);
    if (stops || ends)
        finish(s, i, FINISH_STOP);
    else if (j->out.n >= j->max_new || sequence_len(j->seq) + 1 > engine_max_len(s->g))
        finish(s, i, FINISH_LENGTH);
}

/* ── steps ── */

struct scoring { struct job *j; size_t vocab; };

/* The logits after `position` say how likely the prompt's next token was. */
static void score_prompt(void *arg, size_t position, const float *logits)
{
    const struct scoring *x = arg;
    struct job *j = x->j;
    size_t next = position + 1;

    if (next < j->prompt.n)
        logprobs_of(logits, x->vocab, j->prompt.v[next], j->sample.logprobs > 0 ? j->sample.logprobs : 0, &j->prompt_results[next]);
}

static errc prefill_chunk(struct scheduler *s, struct job *j, bool *out_done, struct err *e)
{
    struct scoring x = { j, s->vocab };

    if (!j->want_prompt_logprobs)
        return engine_prefill(s->g, j->seq, s->logits, out_done, e);
    if (!j->prompt_results) {
        j->prompt_results = xcalloc(j->prompt.n, sizeof *j->prompt_results);
        j->prompt_results[0] = (struct token_logprobs){ .id = j->prompt.v[0], .logprob = NAN };
    }
    return engine_prefill_each(s->g, j->seq, s->logits, score_prompt, &x, out_done, e);
}

/* One chunk of the oldest prompt that is not read, and its first token when that was the last. */
static void prefill_step(struct scheduler *s)
{
    size_t i = 0;
    bool done = false;
    struct err e;

    while (i < s->n_active && s->active[i]->prefilled)
        i++;
    if (i == s->n_active)
        return;
    if (prefill_chunk(s, s->active[i], &done, &e)) {
        failed(s, i, &e);
    } else if (done) {
        s->active[i]->prefilled = true;
        take_token(s, i, s->logits);
    }
}

static void decode_step(struct scheduler *s)
{
    AUTO_MEM struct sequence **seqs = xcalloc(s->n_active + 1, sizeof *seqs);
    AUTO_MEM int32_t *ids = xcalloc(s->n_active + 1, sizeof *ids);
    AUTO_MEM size_t *at = xcalloc(s->n_active + 1, sizeof *at);
    size_t n = 0;
    struct err e;

    for (size_t i = 0; i < s->n_active; i++)
        if (s->active[i]->prefilled) {
            at[n] = i;
            seqs[n] = s->active[i]->seq;
            ids[n++] = s->active[i]->pending;
        }
    if (!n)
        return;
    if (engine_decode(s->g, seqs, ids, n, s->logits, &e))
        failed(s, at[n - 1], &e);       /* the youngest that was in the step pays */
    else
        while (n--)                     /* from the end: who leaves moves only those that had their turn */
            take_token(s, at[n], s->logits + n * s->vocab);
}

static bool wait_for_work(struct scheduler *s)
{
    LOCK_SCOPE(&s->mu);
    s->stats.running = s->n_active;
    s->stats.kv_used = engine_kv_tokens_used(s->g);
    if (!s->n_active && !s->queue.n)
        cond_broadcast(&s->idle);
    while (!s->stop && !s->n_active && !s->queue.n)
        cond_wait(&s->work, &s->mu);
    return s->n_active || s->queue.n || !s->stop;
}

static void run(void *arg)
{
    struct scheduler *s = arg;

    while (wait_for_work(s)) {
        drop_waiting(s);
        drop_active(s);
        admit(s);
        /* decode first: a job whose prompt just ended has its first token and joins with the next turn */
        decode_step(s);
        prefill_step(s);
    }
}

/* ── callers: life ── */

errc scheduler_new(struct engine *g, const struct scheduler_opts *o, struct scheduler **out, struct err *e)
{
    AUTO_FREE(scheduler) s = xzalloc(sizeof *s);

    s->g = g;
    s->opts = *o;
    s->opts.max_seqs = o->max_seqs ? o->max_seqs : MAX_SEQS_DEFAULT;
    s->opts.max_waiting = o->max_waiting ? o->max_waiting : s->opts.max_seqs;
    s->vocab = engine_model(g)->config.vocab;
    s->logits = mem_try_alloc((s->opts.max_seqs > GEMM_FEW_ROWS ? s->opts.max_seqs : GEMM_FEW_ROWS) * s->vocab, sizeof *s->logits);
    s->active = xcalloc(s->opts.max_seqs, sizeof(struct job *));
    stats_init(&s->stats);
    s->stats.kv_max = engine_kv_tokens_max(g);
    mutex_init(&s->mu);
    cond_init(&s->work);
    cond_init(&s->idle);
    if (!s->logits)
        return err_set(e, ERR_UNAVAILABLE, "no memory for the logits of %zu sequences: lower --max-num-seqs", s->opts.max_seqs);
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
    cond_broadcast(&s->work);
    mutex_unlock(&s->mu);
    thread_join(&s->thread);
    free(s->logits);
    free(s->active);
    cond_done(&s->work);
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
    cond_broadcast(&s->work);
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

/* ── callers: jobs ── */

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
    cond_signal(&s->work);
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
