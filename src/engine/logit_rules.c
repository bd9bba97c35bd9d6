/*
 * What changes logits before a token is chosen: sets of ids, then biases, then the penalties, in vLLM's order. The repetition
 * penalty counts prompt and answer, the frequency and presence penalties the answer alone.
 */
#include <math.h>
#include <string.h>

#include "engine/sampler.h"

static bool in_vocab(int32_t id, size_t vocab) { return id >= 0 && (size_t)id < vocab; }

static void forbid(float *logits, size_t vocab, int32_t id)
{
    if (in_vocab(id, vocab))
        logits[id] = -INFINITY;
}

/* counts marks the allowed ids for a moment. */
static void keep_allowed(const struct sample_params *p, float *logits, size_t vocab, uint32_t *counts)
{
    if (!p->n_allowed)
        return;
    for (size_t i = 0; i < p->n_allowed; i++)
        if (in_vocab(p->allowed[i], vocab))
            counts[p->allowed[i]] = 1;
    for (size_t i = 0; i < vocab; i++)
        if (!counts[i])
            logits[i] = -INFINITY;
    for (size_t i = 0; i < p->n_allowed; i++)
        if (in_vocab(p->allowed[i], vocab))
            counts[p->allowed[i]] = 0;
}

/* A word's last token is forbidden when the history ends in the tokens before it. */
static void forbid_words(const struct sample_params *p, float *logits, size_t vocab, const int32_t *history, size_t n)
{
    for (size_t i = 0; i < p->n_bad_words; i++) {
        const struct token_words *w = &p->bad_words[i];
        size_t head = w->n - 1;

        if (head <= n && (!head || !memcmp(history + n - head, w->ids, head * sizeof *history)))
            forbid(logits, vocab, w->ids[head]);
    }
}

/* Whatever followed the last k-1 tokens before may not follow them again. */
static void forbid_repeats(const struct sample_params *p, float *logits, size_t vocab, const int32_t *history, size_t n)
{
    size_t head = p->no_repeat_ngram - 1;

    if (!p->no_repeat_ngram || n < head)
        return;
    for (size_t at = head; at < n; at++)
        if (!head || !memcmp(history + at - head, history + n - head, head * sizeof *history))
            forbid(logits, vocab, history[at]);
}

/* Tokens that occurred: a positive logit is divided, a negative one multiplied; each token once. */
static void penalize_repetition(float penalty, float *logits, size_t vocab, const int32_t *history, size_t n, uint32_t *counts)
{
    for (size_t i = 0; i < n; i++) {
        int32_t id = history[i];

        if (!in_vocab(id, vocab) || counts[id]++)
            continue;
        logits[id] = logits[id] < 0 ? logits[id] * penalty : logits[id] / penalty;
    }
    for (size_t i = 0; i < n; i++)
        if (in_vocab(history[i], vocab))
            counts[history[i]] = 0;
}

/* Generated tokens: frequency times the count, presence once. */
static void penalize_use(const struct sample_params *p, float *logits, size_t vocab, const int32_t *made, size_t n, uint32_t *counts)
{
    for (size_t i = 0; i < n; i++)
        if (in_vocab(made[i], vocab))
            counts[made[i]]++;
    for (size_t i = 0; i < n; i++) {
        if (!in_vocab(made[i], vocab) || !counts[made[i]])
            continue;
        logits[made[i]] -= (float)p->frequency_penalty * (float)counts[made[i]];
        logits[made[i]] -= (float)p->presence_penalty;
        counts[made[i]] = 0;
    }
}

void logit_rules_apply(const struct sample_params *p, float *logits, size_t vocab, const int32_t *history, size_t n, const int32_t *banned,
                       size_t n_banned, uint32_t *counts)
{
    size_t prompt = p->n_prompt < n ? p->n_prompt : n;

    keep_allowed(p, logits, vocab, counts);
    forbid_words(p, logits, vocab, history, n);
    forbid_repeats(p, logits, vocab, history, n);
    for (size_t i = 0; i < n_banned; i++)
        forbid(logits, vocab, banned[i]);
    for (size_t i = 0; i < p->n_bias; i++)
        if (in_vocab(p->bias[i].id, vocab))
            logits[p->bias[i].id] += p->bias[i].add;
    if (p->repetition_penalty != 1)
        penalize_repetition((float)p->repetition_penalty, logits, vocab, history, n, counts);
    if (p->frequency_penalty != 0 || p->presence_penalty != 0)
        penalize_use(p, logits, vocab, history + prompt, n - prompt, counts);
}
