/*
 * The engine thread's work: generations that share one batch. A job is one generation; its caller fills the first part, submits
 * it, waits for tokens, and releases it. Jobs join and leave the batch at token granularity.
 *
 *   struct job j;  job_init(&j);  j.prompt = ...;  j.max_new = ...;
 *   scheduler_submit(s, &j, true, &e);
 *   while (!scheduler_wait(s, &j, seen, &ids)) ...
 *   scheduler_release(s, &j);
 *
 * Several samples of one prompt (n, best_of) are several jobs with the same prompt and the same `group`: the prompt is read once.
 * Same seed, same text: a job's tokens do not depend on what else runs.
 */
#ifndef SERVE_SCHEDULER_H
#define SERVE_SCHEDULER_H

#include "base/thread.h"
#include "engine/engine.h"
#include "serve/metrics.h"
#include "tokenizer/tokenizer.h"

struct job {
    /* ── the caller's, before it submits ── */
    struct token_ids prompt;            /* owned by the job from now on */
    struct sample_params sample;        /* .logprobs >= 0: results are kept; .constraint is set by the scheduler */
    size_t max_new, min_new;            /* max_new 0: the prompt is read and nothing is generated */
    const int32_t *stop_ids;            /* outlive the job; generation ends with one of these */
    size_t n_stop_ids;
    struct adapter *adapter;            /* a reference that the job owns; NULL: the plain model */
    struct constraint constraint;       /* owned by the job; self NULL: none */
    bool want_prompt_logprobs;          /* of sample.logprobs likeliest per position; the whole prompt is computed then */
    int priority;                       /* lower goes first, equal ones in order of arrival; who waited long goes before all */
    int64_t deadline_ms;                /* on the monotonic clock: ends with TIMEOUT then; 0: the scheduler's request timeout */
    size_t samples;                     /* of the request, for the statistics; 0: another job of the request says it */
    uint64_t group;                     /* 0: alone; else jobs of this number have the same prompt and adapter */
    struct cancel *gone;                /* of the client; may be NULL */

    /* ── results, under the scheduler's lock: read them through its calls, or directly once the job is done ── */
    struct token_ids out;               /* stop token not included */
    struct token_logprobs *results;     /* [n_results] with sample.logprobs: of out, then of the stop token when there was one */
    size_t n_results, cap_results;
    struct token_logprobs *prompt_results;      /* [prompt.n] or NULL; complete before the first token; the first has logprob NAN */
    size_t cached_prompt;               /* prompt tokens that came from the prefix cache */
    enum finish finish;
    int32_t stop_id;                    /* the stop token that ended it, -1: none */
    struct err err;                     /* FINISH_ERROR; ABORT when the server stopped rather than the client left */
    bool done, abandoned, submitted;
    struct cond *waiter;                /* who sleeps for news of this job; NULL: nobody */

    /* ── the engine thread's ── */
    struct sequence *seq;               /* NULL: waits for its group's prompt */
    struct sampler *sampler;
    bool sampled, bad;                  /* in this step: it has a next token; its logits are not numbers */
    struct job *twin;                   /* in this step: its prompt was read by that one */
    int32_t pending;                    /* sampled, not yet fed */
    bool fed;                           /* pending is part of seq */
    int64_t queued_us, admitted_us, first_us, last_us;
    struct job *next;                   /* in the queue */
};

struct scheduler;

struct scheduler_opts {
    size_t max_seqs;                    /* in the batch; 0: 16 */
    size_t max_waiting;                 /* jobs beyond it are refused (429); 0: max_seqs */
    int64_t request_timeout_ms;         /* 0: none */
};

/*
 * Starts the engine thread, which alone uses g until scheduler_free. Every other call may come from any thread; the lock is a leaf.
 */
errc scheduler_new(struct engine *g, const struct scheduler_opts *o, struct scheduler **out, struct err *e);
void scheduler_free(struct scheduler *s);       /* ends what runs */
DEFINE_AUTO_FREE(scheduler)
void scheduler_drain(struct scheduler *s, int64_t grace_ms);    /* refuses new jobs, waits for the others */

void job_init(struct job *j);                   /* one sample, SAMPLE_DEFAULTS, no tokens: the caller fills in the rest */
uint64_t scheduler_group(struct scheduler *s);  /* a number no other group has */

/* Queues; UNAVAILABLE while draining, THROTTLED when `limited` and the queue is full. The jobs stay the caller's. All or none. */
errc scheduler_submit(struct scheduler *s, struct job *j, bool limited, struct err *e);
errc scheduler_submit_all(struct scheduler *s, struct job *const *jobs, size_t n, bool limited, struct err *e);

/* Waits until there are more than `have` tokens or the end; appends the new ones to out. True: the job is done and all was given. */
bool scheduler_wait(struct scheduler *s, struct job *j, size_t have, struct token_ids *out);
/* The same for the first of n jobs with news: more than have[i] tokens, or the end unless ended[i]. Returns its index; n when all ended. */
size_t scheduler_wait_any(struct scheduler *s, struct job *const *jobs, const size_t *have, const bool *ended, size_t n);
/* Copies results [from, from + n) as far as they exist; returns how many. */
size_t scheduler_results(struct scheduler *s, const struct job *j, size_t from, size_t n, struct token_logprobs *out);
void scheduler_watch(struct scheduler *s, struct job *j, struct cancel *gone);  /* another client token from now on */
void scheduler_cancel(struct scheduler *s, struct job *j);      /* ends it with ABORT at the next step; does not wait */
void scheduler_release(struct scheduler *s, struct job *j);     /* cancels it when it runs; then frees what it holds */
void scheduler_stats(struct scheduler *s, struct stats *out);
void scheduler_loras(struct scheduler *s, struct lora_users *out);     /* names of adapters that are being used */

#endif
