/*
 * From logits to a token, with transformers' meaning and order: repetition penalty, minimum length, then (sampling only)
 * temperature, top_k, top_p, min_p, typical_p, softmax, one draw. Greedy takes the largest, the lowest id among equals.
 * The draw uses a generator of our own (splitmix64), so that the same seed gives the same text on every machine.
 */
#ifndef ENGINE_SAMPLER_H
#define ENGINE_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Start from SAMPLE_DEFAULTS. */
struct sample_params {
    bool do_sample;
    double temperature;         /* > 0 */
    int64_t top_k;              /* 0: off */
    double top_p, min_p, typical_p;     /* 1, 0, 1: off */
    double repetition_penalty;  /* 1: off; over prompt and generated tokens */
    uint64_t seed;
};
#define SAMPLE_DEFAULTS ((struct sample_params){ .temperature = 1, .top_p = 1, .typical_p = 1, .repetition_penalty = 1 })

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

#endif
