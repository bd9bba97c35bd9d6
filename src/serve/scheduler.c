/*
 * The engine thread: continuous batching. Each turn admits waiting jobs, gives one prompt its next chunk, and decodes one step
 * of all others together, so that a long prompt never stalls the rest for longer than a chunk.
 */
#include "base/clock.h"
#include "serve/priv.h"

#define ENGINE_STACK ((size_t)8 << 20)

struct scheduler {
    struct engine *g;
    size_t max_seqs, vocab;
    float *logits;                      /* [max_seqs, vocab]; engine thread only */
    struct job **active;                /* engine thread only */
    size_t n_active, turn;
    bool full;                          /* a job was sent back for want of cache: nobody joins until one leaves */
    struct thread thread;

    struct mutex mu;                    /* guards what follows, and out, done, finish, err, gone, abandoned of jobs; a leaf */
    struct cond work, idle;
    struct job *queue, **queue_tail;
    bool stop, draining;
    struct stats stats;
};

void job_init(struct job *j)
{
    *j = (struct job){ .sample = SAMPLE_DEFAULTS, .stop_id = -1 };
    cond_init(&j->changed);
}

/* ---- engine thread ---- */

static void publish_finish(struct scheduler *s, struct job *j, enum finish how)
{
    LOCK_SCOPE(&s->mu);
    double seconds = (double)(clock_mono_us() - j->queued_us) / 1e6;

    j->finish = how;
    j->done = true;
    s->stats.finished[how]++;
    histogram_add(&s->stats.e2e, seconds);
    histogram_add(&s->stats.generation_len, (double)j->out.n);
    cond_broadcast(&j->changed);
    cond_broadcast(&s->idle);
}

static void drop_sequence(struct job *j)
{
    sequence_free(TAKE(j->seq));
    j->prefilled = false;
}

/* Leaves the batch for good. */
static void finish(struct scheduler *s, size_t i, enum finish how)
{
    struct job *j = s->active[i];

    drop_sequence(j);
    sampler_free(TAKE(j->sampler));
    s->full = false;
    memmove(&s->active[i], &s->active[i + 1], (s->n_active - i - 1) * sizeof *s->active);
    s->n_active--;
    publish_finish(s, j, how);
}

static void finish_failed(struct scheduler *s, size_t i, const struct err *e)
{
    s->active[i]->err = *e;
    finish(s, i, FINISH_ERROR);
}

static bool is_stop(const struct job *j, int32_t id)
{
    for (size_t i = 0; i < j->n_stop_ids; i++)
        if (j->stop_ids[i] == id)
            return true;
    return false;
}

/* Samples the next token of active[i]; true when the job goes on. */
static bool take_token(struct scheduler *s, size_t i, float *logits)
{
    struct job *j = s->active[i];
    bool early = j->out.n < j->min_new;
    int32_t id = sampler_pick(j->sampler, logits, sequence_ids(j->seq), sequence_len(j->seq), early ? j->stop_ids : NULL,
                              early ? j->n_stop_ids : 0, NULL);
    int64_t now = clock_mono_us();
    bool stops = is_stop(j, id);

    mutex_lock(&s->mu);
    histogram_add(j->first_us ? &s->stats.inter_token : &s->stats.ttft, (double)(now - (j->first_us ? j->last_us : j->queued_us)) / 1e6);
    s->stats.generation_tokens++;
    if (!stops)
        token_ids_add(&j->out, id);
    size_t n = j->out.n;
    cond_broadcast(&j->changed);
    mutex_unlock(&s->mu);
    if (!j->first_us)
        j->first_us = now;
    j->last_us = now;
    j->pending = id;
    if (stops) {
        j->stop_id = id;
        finish(s, i, FINISH_STOP);
    } else if (n >= j->max_new || sequence_len(j->seq) + 1 > engine_max_len(s->g)) {
        finish(s, i, FINISH_LENGTH);
    } else {
        return true;
    }
    return false;
}

/* The cache is full: the youngest job goes back to the head of the queue, and will be read again from its prompt. */
static void preempt(struct scheduler *s, size_t i)
{
    struct job *j = s->active[i];

    s->full = true;
    drop_sequence(j);
    memmove(&s->active[i], &s->active[i + 1], (s->n_active - i - 1) * sizeof *s->active);
    s->n_active--;
    LOCK_SCOPE(&s->mu);
    j->next = s->queue;
    s->queue = j;
    if (!j->next)
        s->queue_tail = &j->next;
    s->stats.preemptions++;
    s->stats.waiting++;
}

static void failed(struct scheduler *s, size_t i, const struct err *e)
{
    if (e->code == ERR_TOO_LARGE && s->n_active > 1)
        preempt(s, s->n_active - 1);
    else
        finish_failed(s, i, e);
}

static errc begin(struct scheduler *s, struct job *j, struct err *e)
{
    j->seq = sequence_new(s->g, j->adapter);
    if (!j->sampler)
        j->sampler = sampler_new(&j->sample, s->vocab);
    TRY(sequence_add(j->seq, j->prompt.v, j->prompt.n, e));
    return j->out.n ? sequence_add(j->seq, j->out.v, j->out.n, e) : ERR_OK;
}

static struct job *pop(struct scheduler *s)
{
    LOCK_SCOPE(&s->mu);
    struct job *j = s->queue;

    if (!j)
        return NULL;
    s->queue = j->next;
    if (!s->queue)
        s->queue_tail = &s->queue;
    s->stats.waiting--;
    if (!j->first_us) {
        histogram_add(&s->stats.queue, (double)(clock_mono_us() - j->queued_us) / 1e6);
        histogram_add(&s->stats.prompt_len, (double)j->prompt.n);
        s->stats.prompt_tokens += j->prompt.n;
    }
    return j;
}

static void admit(struct scheduler *s)
{
    while (s->n_active < s->max_seqs && !(s->full && s->n_active)) {
        struct job *j = pop(s);
        struct err e;
        if (!j)
            return;
        s->active[s->n_active++] = j;
        if (begin(s, j, &e))
            failed(s, s->n_active - 1, &e);
    }
}

static bool left(struct scheduler *s, const struct job *j)
{
    LOCK_SCOPE(&s->mu);
    return j->abandoned || s->stop || cancel_is(j->gone);
}

static void drop_cancelled(struct scheduler *s)
{
    for (size_t i = s->n_active; i-- > 0;)
        if (left(s, s->active[i]))
            finish(s, i, FINISH_ABORT);
}

/* One chunk of one prompt; prompts take turns. */
static void prefill_step(struct scheduler *s)
{
    for (size_t k = 0; k < s->n_active; k++) {
        size_t i = (s->turn + k) % s->n_active;
        struct job *j = s->active[i];
        struct err e;
        bool done = false;
        if (j->prefilled)
            continue;
        s->turn = i + 1;
        if (engine_prefill(s->g, j->seq, s->logits, &done, &e))
            failed(s, i, &e);
        else if (done) {
            j->prefilled = true;
            (void)take_token(s, i, s->logits);
        }
        return;
    }
}

static void decode_step(struct scheduler *s)
{
    struct sequence **seqs = xcalloc(s->n_active + 1, sizeof *seqs);
    int32_t *ids = xcalloc(s->n_active + 1, sizeof *ids);
    struct job **jobs = xcalloc(s->n_active + 1, sizeof *jobs);
    size_t n = 0;
    struct err e;

    for (size_t i = 0; i < s->n_active; i++)
        if (s->active[i]->prefilled) {
            jobs[n] = s->active[i];
            seqs[n] = jobs[n]->seq;
            ids[n] = jobs[n]->pending;
            n++;
        }
    if (n && engine_decode(s->g, seqs, ids, n, s->logits, &e)) {
        for (size_t i = s->n_active; i-- > 0;)          /* the youngest that was in the step pays */
            if (s->active[i] == jobs[n - 1]) {
                failed(s, i, &e);
                break;
            }
    } else {
        for (size_t k = 0; k < n; k++)
            for (size_t i = 0; i < s->n_active; i++)
                if (s->active[i] == jobs[k]) {
                    (void)take_token(s, i, s->logits + k * s->vocab);
                    break;
                }
    }
    free(seqs);
    free(ids);
    free(jobs);
}

static bool wait_for_work(struct scheduler *s)
{
    LOCK_SCOPE(&s->mu);
    s->stats.running = s->n_active;
    s->stats.kv_used = engine_kv_tokens_used(s->g);
    if (!s->n_active && !s->queue)
        cond_broadcast(&s->idle);
    while (!s->stop && !s->n_active && !s->queue)
        cond_wait(&s->work, &s->mu);
    return s->n_active || s->queue || !s->stop;
}

static void run(void *arg)
{
    struct scheduler *s = arg;

    while (wait_for_work(s)) {
        admit(s);
        drop_cancelled(s);
        /* decode first: a job whose prompt just ended has its first token and joins with the next turn */
        decode_step(s);
        prefill_step(s);
    }
}

/* ---- callers ---- */

errc scheduler_new(struct engine *g, size_t max_seqs, struct scheduler **out, struct err *e)
{
    struct scheduler *s = xzalloc(sizeof *s);

    s->g = g;
    s->max_seqs = max_seqs;
    s->vocab = engine_model(g)->config.vocab;
    s->logits = mem_try_alloc(max_seqs * s->vocab, sizeof *s->logits);
    s->active = xcalloc(max_seqs, sizeof(struct job *));
    s->queue_tail = &s->queue;
    stats_init(&s->stats);
    s->stats.kv_max = engine_kv_tokens_max(g);
    mutex_init(&s->mu);
    cond_init(&s->work);
    cond_init(&s->idle);
    if (!s->logits) {
        scheduler_free(s);
        return err_set(e, ERR_UNAVAILABLE, "no memory for the logits of %zu sequences: lower --max-num-seqs", max_seqs);
    }
    thread_start_sized(&s->thread, "engine", ENGINE_STACK, run, s);
    *out = s;
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
    while ((s->stats.running || s->queue) && cond_wait_until(&s->idle, &s->mu, until))
        ;
    s->stop = true;
    cond_broadcast(&s->work);
}

errc scheduler_submit(struct scheduler *s, struct job *j, bool limited, struct err *e)
{
    LOCK_SCOPE(&s->mu);

    if (s->draining)
        return err_set(e, ERR_UNAVAILABLE, "the server is shutting down");
    if (limited && s->stats.waiting > s->max_seqs) {
        s->stats.rejected++;
        return err_set(e, ERR_THROTTLED, "Too many requests: waiting queue (%zu) exceeds max-num-seqs (%zu).", s->stats.waiting, s->max_seqs);
    }
    j->queued_us = clock_mono_us();
    j->submitted = true;
    *s->queue_tail = j;
    s->queue_tail = &j->next;
    s->stats.waiting++;
    s->stats.running += s->stats.running == 0;          /* drain must see it before the engine thread does */
    cond_signal(&s->work);
    return ERR_OK;
}

bool scheduler_wait(struct scheduler *s, struct job *j, size_t have, struct token_ids *out)
{
    LOCK_SCOPE(&s->mu);

    while (!j->done && j->out.n <= have)
        cond_wait(&j->changed, &s->mu);
    for (size_t i = have; i < j->out.n; i++)
        token_ids_add(out, j->out.v[i]);
    return j->done;
}

void scheduler_watch(struct scheduler *s, struct job *j, struct cancel *gone)
{
    LOCK_SCOPE(&s->mu);
    j->gone = gone;
}

void scheduler_release(struct scheduler *s, struct job *j)
{
    mutex_lock(&s->mu);
    j->abandoned = true;
    j->gone = NULL;
    while (j->submitted && !j->done)
        cond_wait(&j->changed, &s->mu);
    mutex_unlock(&s->mu);
    token_ids_done(&j->prompt);
    token_ids_done(&j->out);
    cond_done(&j->changed);
}

void scheduler_stats(struct scheduler *s, struct stats *out)
{
    LOCK_SCOPE(&s->mu);
    *out = s->stats;
}
