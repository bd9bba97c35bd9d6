/*
 * From logits to a token. First the rules (logit_rules.c): allowed ids, bad words, repeated n-grams, minimum length, biases,
 * then the penalties: repetition, frequency, presence. Then, sampling only, temperature, top_k, top_p, min_p, typical_p,
 * softmax, one draw; vLLM cuts by min_p before top_k (min_p_first), transformers after top_p. Greedy takes the largest, the
 * lowest id among equals. The draw uses a generator of our own (splitmix64), so that the same seed gives the same text on
 * every machine.
 */
#ifndef ENGINE_SAMPLER_H
#define ENGINE_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/constraint.h"

struct token_bias { int32_t id; float add; };
struct token_words { const int32_t *ids; size_t n; };  /* one word as its tokens, n >= 1 */

/* Start from SAMPLE_DEFAULTS. What pointers lend must outlive the sampler. */
struct sample_params {
    bool do_sample;
    bool min_p_first;           /* vLLM's order of the cuts */
    double temperature;         /* > 0 */
    int64_t top_k;              /* 0: off */
    double top_p, min_p, typical_p;     /* 1, 0, 1: off */
    double repetition_penalty;  /* 1: off; over prompt and generated tokens */
    double frequency_penalty;   /* 0: off; times the token's count among the generated */
    double presence_penalty;    /* 0: off; once for a token that was generated */
    size_t n_prompt;            /* that many tokens of the history are the prompt */
    const struct token_bias *bias;
    size_t n_bias;
    const int32_t *allowed;     /* n_allowed 0: every id */
    size_t n_allowed;
    const struct token_words *bad_words;        /* their last token is forbidden after the others */
    size_t n_bad_words;
    size_t no_repeat_ngram;     /* 0: off; no run of so many tokens comes twice */
    const struct constraint *constraint;        /* its mask comes before all else; NULL: none. The caller tells it what was picked */
    int logprobs;               /* -1: not kept; else how many of the likeliest are kept beside the pick, to SAMPLE_LOGPROBS_MAX */
    uint64_t seed;
};
#define SAMPLE_DEFAULTS ((struct sample_params){ .temperature = 1, .top_p = 1, .typical_p = 1, .repetition_penalty = 1, .logprobs = -1 })
#define SAMPLE_LOGPROBS_MAX 20

/* ERR_BAD_REQUEST names the parameter, its value and its range. */
errc sample_params_check(const struct sample_params *p, struct err *e);

struct sampler;
struct sampler *sampler_new(const struct sample_params *p, size_t vocab);
void sampler_free(struct sampler *s);
DEFINE_AUTO_FREE(sampler)

/*
 * Picks a token; logits [vocab] are changed. history [n] is every token so far. banned [n_banned] ids may not be picked
 * (the stop tokens while below min_length). *out_logprob (may be NULL): log-probability of the pick under the
 * distribution it was drawn from.
 */
int32_t sampler_pick(struct sampler *s, float *logits, const int32_t *history, size_t n, const int32_t *banned,
                     size_t n_banned, float *out_logprob);

/*
 * Natural logarithms of the softmax of unchanged logits: of one token and of the likeliest, the larger first, the lower id
 * among equals. rank: 1 for the likeliest.
 */
struct token_logprob { int32_t id; float logprob; };
struct token_logprobs {
    int32_t id, rank;
    float logprob;
    int n_top;
    struct token_logprob top[SAMPLE_LOGPROBS_MAX];
};
void logprobs_of(const float *logits, size_t vocab, int32_t id, int n_top, struct token_logprobs *out);
/* Of the last pick, from the logits as they were given; NULL when params.logprobs is -1 or nothing was picked. Lent. */
const struct token_logprobs *sampler_logprobs(const struct sampler *s);

/* logit_rules.c: everything before the temperature. counts [vocab] is zero and is left zero. */
void logit_rules_apply(const struct sample_params *p, float *logits, size_t vocab, const int32_t *history, size_t n, const int32_t *banned,
                       size_t n_banned, uint32_t *counts);

#endif
