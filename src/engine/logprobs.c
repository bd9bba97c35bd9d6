/* How likely tokens are: log-softmax of one row of logits, of one token and of the first few. */
#include <math.h>

#include "engine/sampler.h"

/* Whether a goes before b: the larger logit, the lower id among equals. */
static bool before(const float *logits, int32_t a, int32_t b)
{
    return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
}

static double log_sum_exp(const float *logits, size_t vocab)
{
    double top = -INFINITY, sum = 0;

    for (size_t i = 0; i < vocab; i++)
        top = fmax(top, (double)logits[i]);
    if (!isfinite(top))
        return top;
    for (size_t i = 0; i < vocab; i++)
        sum += exp((double)logits[i] - top);
    return top + log(sum);
}

/* Insertion into the short sorted list of the likeliest. */
static void offer(const float *logits, int32_t id, int n_top, struct token_logprobs *out)
{
    int at = out->n_top;

    while (at > 0 && before(logits, id, out->top[at - 1].id))
        at--;
    if (at >= n_top)
        return;
    if (out->n_top < n_top)
        out->n_top++;
    for (int i = out->n_top - 1; i > at; i--)
        out->top[i] = out->top[i - 1];
    out->top[at].id = id;
}

void logprobs_of(const float *logits, size_t vocab, int32_t id, int n_top, struct token_logprobs *out)
{
    double total = log_sum_exp(logits, vocab);

    *out = (struct token_logprobs){ .id = id, .rank = 1, .logprob = (float)((double)logits[id] - total) };
    for (size_t i = 0; i < vocab; i++) {
        out->rank += (int32_t)i != id && before(logits, (int32_t)i, id);
        if (n_top > 0 && (out->n_top < n_top || logits[i] > logits[out->top[n_top - 1].id]))
            offer(logits, (int32_t)i, n_top, out);
    }
    for (int i = 0; i < out->n_top; i++)
        out->top[i].logprob = (float)((double)logits[out->top[i].id] - total);
}
