/*
 * The engine thread: continuous batching. Each turn admits waiting jobs and takes one step: a token of every job that generates,
 * together with a chunk of the prompts that are not read, so that a long prompt never stalls the rest for longer than a chunk.
 */
#include "serve/scheduler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/job_queue.h"

#define ENGINE_STACK ((size_t)8 << 20)
#define MAX_SEQS_DEFAULT 16
#define PROMPT_TOKENS_BESIDE 128        /* of prompts, in a step that others generate in */

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

void job_init(struct job *j) { *j = (struct job){ .sample = SAMPLE_DEFAULTS, .stop_id = -1, .samples = 1 }; }

/* ── leaving ── */

static void notify_locked(struct job *j)
{
    if (j->waiter)
        cond_broadcast(j->waiter);
}

static double seconds(int64_t from_us, int64_t to_us) { return (double)(to_us - from_us) / 1e6; }

static void count_locked(struct scheduler *s, const struct job *j, enum finish how)
{
    s->stats.finished[how]++;
    histogram_add(&s->stats.e2e, seconds(j->queued_us, clock_mono_us()));
    histogram_add(&s->stats.generation_len, (double)j->out.n);
    if (!j->first_us)
        return;
    histogram_add(&s->stats.prefill, seconds(j->admitted_us, j->first_us));
    histogram_add(&s->stats.decode, seconds(j->first_us, j->last_us));
    histogram_add(&s->stats.inference, seconds(j->admitted_us, j->last_us));
    if (j->out.n > 1)
        histogram_add(&s->stats.per_token, seconds(j->first_us, j->last_us) / (double)(j->out.n - 1));
}

static void finish_locked(struct scheduler *s, struct job *j, enum finish how)
{
    mutex_assert_held(&s->mu);
    j->finish = how;
    j->done = true;
    count_locked(s, j, how);
    notify_locked(j);
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

/* Leaves the batch for good. */
static void finish(struct scheduler *s, size_t i, enum finish how)
{
    struct job *j = s->active[i];

    remove_active(s, i);
    sampler_free(TAKE(j->sampler));
    s->full = false;
    LOCK_SCOPE(&s->mu);
    s->stats.kv = engine_kv_stats(s->g);        /* who sees the end sees the blocks free */
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

static void join_locked(struct scheduler *s, struct job *j, int64_t now)
{
    s->active[s->n_active++] = j;
    if (j->admitted_us)                 /* it was here before */
        return;
    j->admitted_us = now;
    s->stats.prompt_tokens += j->prompt.n;
    histogram_add(&s->stats.queue, seconds(j->queued_us, now));
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

static void admit(struct scheduler *s)
{
    struct job *j;

    while (s->n_active < s->opts.max_seqs && !(s->full && s->n_active) && (j = join_next(s)))
        if (!j->sampler) {
            j->sample.constraint = j->constraint.self ? &j->constraint : NULL;
            j->sampler = sampler_new(&j->sample, s->vocab);
        }
}

/* ── what each job has in its sequence ── */

/* Another sample of the same prompt that is about to read it. */
static bool has_reader(const struct scheduler *s, size_t i)
{
    const struct job *j = s->active[i];

    for (size_t k = 0; j->group && !j->out.n && k < i; k++)
        if (s->active[k]->group == j->group && !s->active[k]->out.n)
            return true;
    return false;
}

static errc begin(struct scheduler *s, struct job *j, struct err *e)
{
    AUTO_FREE(sequence) seq = sequence_new(s->g, j->adapter);

    if (j->want_prompt_logprobs && !j->prompt_results)
        sequence_set_alone(seq);
    TRY(sequence_add(seq, j->prompt.v, j->prompt.n, e));
    j->cached_prompt = sequence_cached(seq);
    if (j->out.n)
        TRY(sequence_append(seq, j->out.v, j->out.n, e));
    j->fed = true;
    j->seq = TAKE(seq);
    return ERR_OK;
}

static errc feed_one(struct scheduler *s, size_t i, struct err *e)
{
    struct job *j = s->active[i];

    if (!j->seq)
        return has_reader(s, i) ? ERR_OK : begin(s, j, e);
    if (j->fed)
        return ERR_OK;
    TRY(sequence_append(j->seq, &j->pending, 1, e));
    j->fed = true;
    return ERR_OK;
}

/* Every job has its next tokens in its sequence afterwards; when the cache is full the youngest jobs go back to the queue. */
static void feed(struct scheduler *s)
{
    struct err e;

    for (size_t i = 0; i < s->n_active; ) {
        errc rc = feed_one(s, i, &e);

        if (!rc)
            i++;
        else if (rc == ERR_TOO_LARGE && s->n_active > 1)
            preempt(s, s->n_active - 1);
        else
            finish_failed(s, i, &e);
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

static int32_t pick(struct job *j, const struct sequence *history, float *logits)
{
    bool early = j->out.n < j->min_new;

    return sampler_pick(j->sampler, logits, sequence_ids(history), sequence_len(history), early ? j->stop_ids : NULL,
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

    histogram_add(j->first_us ? &s->stats.inter_token : &s->stats.ttft, seconds(j->first_us ? j->last_us : j->queued_us, now));
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

/* What the step gave active[i]: its next token. */
static void settle(struct scheduler *s, size_t i)
{
    struct job *j = s->active[i];
    bool ends = false, stops = is_stop(j, j->pending);
    struct err e;

    j->sampled = false;
    if (j->bad) {
        (void)engine_not_numbers(s->g, &e);
        finish_failed(s, i, &e);
    } else if (!j->max_new) {
        finish(s, i, FINISH_LENGTH);
    } else if (!stops && constrain(j, j->pending, &ends, &e)) {
        finish_failed(s, i, &e);
    } else {
        publish(s, j, j->pending, stops);
        if (stops || ends)
            finish(s, i, FINISH_STOP);
        else if (j->out.n >= j->max_new || j->prompt.n + j->out.n >= engine_max_len(s->g))
            finish(s, i, FINISH_LENGTH);
        else if (!j->seq)
            preempt(s, i);
    }
}

/* ── a step ── */

/* The logits after `position` say how likely the prompt's next token was. */
static void score_prompt(const struct scheduler *s, struct job *j, size_t position, const float *logits)
{
    size_t next = position + 1;

    if (!j->prompt_results) {
        j->prompt_results = xcalloc(j->prompt.n, sizeof *j->prompt_results);
        j->prompt_results[0] = (struct token_logprobs){ .id = j->prompt.v[0], .logprob = NAN };
    }
    if (next < j->prompt.n)
        logprobs_of(logits, s->vocab, j->prompt.v[next], j->sample.logprobs > 0 ? j->sample.logprobs : 0, &j->prompt_results[next]);
}

static void sample(struct job *j, const struct sequence *history, float *logits)
{
    j->sampled = true;
    j->fed = false;
    if (logits && j->max_new)
        j->pending = pick(j, history, logits);
}

/* The other samples of this prompt take their first token from the same logits. */
static void sample_twins(struct scheduler *s, struct job *leader, const float *logits)
{
    for (size_t i = 0; leader->group && i < s->n_active; i++) {
        struct job *j = s->active[i];

        if (j == leader || j->group != leader->group || j->seq || j->out.n || j->want_prompt_logprobs)
            continue;
        memcpy(s->logits, logits, s->vocab * sizeof *logits);
        j->twin = leader;
        sample(j, leader->seq, s->logits);             /* it has no sequence of its own yet */
    }
}

static void take_logits(void *arg, struct sequence *seq, size_t position, float *logits)
{
    struct scheduler *s = arg;
    size_t k = 0;

    while (s->workers[k]->seq != seq)
        k++;
    struct job *j = s->workers[k];
    j->bad |= !logits;
    if (logits && s->work[k].every)
        score_prompt(s, j, position, logits);
    if (position + 1 != sequence_len(seq))
        return;
    if (logits && !j->out.n)
        sample_twins(s, j, logits);
    sample(j, seq, logits);
}

static bool decodes(const struct job *j) { return j->seq && j->out.n && sequence_waiting(j->seq) == 1; }

static void add_work(struct scheduler *s, struct job *j, size_t budget)
{
    s->workers[s->n_work] = j;
    s->work[s->n_work++] = (struct engine_work){ .seq = j->seq, .budget = budget, .every = j->want_prompt_logprobs && !j->out.n };
}

/* One token of each job that generates, and prompts from the oldest on: a chunk of them, a tile when others would wait for it. */
static void plan(struct scheduler *s)
{
    size_t budget;

    s->n_work = 0;
    for (size_t i = 0; i < s->n_active; i++)
        if (decodes(s->active[i]))
            add_work(s, s->active[i], 1);
    budget = s->n_work ? PROMPT_TOKENS_BESIDE : engine_chunk(s->g);
    for (size_t i = 0; i < s->n_active && budget; i++) {
        struct job *j = s->active[i];

        if (!j->seq || decodes(j))
            continue;
        size_t n = sequence_waiting(j->seq) < budget ? sequence_waiting(j->seq) : budget;
        add_work(s, j, n);
        budget -= n;
    }
}

/* A twin without room for its own sequence goes back to the queue with its first token. */
static void fork_twins(struct scheduler *s)
{
    struct err e;

    for (size_t i = 0; i < s->n_active; i++) {
        struct job *j = s->active[i];

        if (!j->twin)
            continue;
        (void)sequence_fork(j->twin->seq, &j->seq, &e);        /* settle sees that there is none */
        j->cached_prompt = j->prompt.n;
        j->twin = NULL;
    }
}

static void compute(struct scheduler *s)
{
    size_t before = 0, after = 0, generated = 0;

    for (size_t k = 0; k < s->n_work; k++) {
        before += sequence_cached(s->work[k].seq);
        generated += decodes(s->workers[k]);
    }
    engine_step(s->g, s->work, s->n_work, take_logits, s);
    for (size_t k = 0; k < s->n_work; k++)
        after += sequence_cached(s->work[k].seq);
    LOCK_SCOPE(&s->mu);
    s->stats.prompt_computed += after - before - generated;
    histogram_add(&s->stats.step_tokens, (double)(after - before));
}

static void step(struct scheduler *s)
{
    plan(s);
    if (!s->n_work)
        return;
    compute(s);
    fork_twins(s);
    for (size_t i = s->n_active; i-- > 0; )     /* from the end: who leaves moves only those that had their turn */
        if (s->active[i]->sampled)
            settle(s, i);
}

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
        drop_waiting(s);
        drop_active(s);
        admit(s);
        feed(s);
        step(s);
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
