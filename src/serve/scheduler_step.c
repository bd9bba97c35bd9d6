/*
 * A step of the engine: a token of every job that generates, together with a chunk of the prompts that are not read, so that a long
 * prompt never stalls the rest for longer than a chunk.
 */
#include "serve/scheduler_priv.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define PROMPT_TOKENS_BESIDE 128        /* of prompts, in a step that others generate in */

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
            batch_preempt(s, s->n_active - 1);
        else
            batch_fail(s, i, &e);
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

    histogram_add(j->first_us ? &s->stats.inter_token : &s->stats.ttft, seconds_between(j->first_us ? j->last_us : j->queued_us, now));
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
        job_notify_locked(j);
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
        batch_fail(s, i, &e);
    } else if (!j->max_new) {
        batch_finish(s, i, FINISH_LENGTH);
    } else if (!stops && constrain(j, j->pending, &ends, &e)) {
        batch_fail(s, i, &e);
    } else {
        publish(s, j, j->pending, stops);
        if (stops || ends)
            batch_finish(s, i, FINISH_STOP);
        else if (j->out.n >= j->max_new || j->prompt.n + j->out.n >= engine_max_len(s->g))
            batch_finish(s, i, FINISH_LENGTH);
        else if (!j->seq)
            batch_preempt(s, i);
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

void batch_step(struct scheduler *s)
{
    feed(s);
    plan(s);
    if (!s->n_work)
        return;
    compute(s);
    fork_twins(s);
    for (size_t i = s->n_active; i-- > 0; )     /* from the end: who leaves moves only those that had their turn */
        if (s->active[i]->sampled)
            settle(s, i);
}
