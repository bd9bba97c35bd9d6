/*
 * Choosing a token. Meaning is that of transformers' logits processors and of vLLM's sampler; candidates keep the order of
 * ids, and one uniform number is drawn per token, so a seed fixes the text.
 */
#include "engine/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct candidate {
    int32_t id;
    float logit;
    double p;
};

struct sampler {
    struct sample_params params;
    size_t vocab, n;
    uint64_t state;
    uint32_t *counts;           /* [vocab], zero between calls */
    float *raw;                 /* [vocab] the logits as given; NULL without logprobs */
    uint64_t *allowed;          /* [vocab / 64] of the constraint; NULL without one */
    bool picked;
    struct token_logprobs last;
    float *sorted;              /* [vocab] scratch of top_k */
    struct candidate *candidates;               /* [vocab]; n of them are left */
    struct candidate *scratch;                  /* [vocab] of top_p; NULL without it */
};

struct range_row { const char *name; double value, low, high; bool low_open; };

errc sample_params_check(const struct sample_params *p, struct err *e)
{
    const struct range_row rows[] = {
        { "temperature", p->temperature, 0, 1e6, true }, { "top_p", p->top_p, 0, 1, false }, { "min_p", p->min_p, 0, 1, false },
        { "typical_p", p->typical_p, 0, 1, true }, { "repetition_penalty", p->repetition_penalty, 0, 1e6, true },
        { "top_k", (double)p->top_k, 0, 1e9, false }, { "presence_penalty", p->presence_penalty, -2, 2, false },
        { "frequency_penalty", p->frequency_penalty, -2, 2, false }, { "logprobs", p->logprobs, -1, SAMPLE_LOGPROBS_MAX, false },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (!(rows[i].value <= rows[i].high && (rows[i].low_open ? rows[i].value > rows[i].low : rows[i].value >= rows[i].low)))
            return err_set(e, ERR_BAD_REQUEST, "%s: %g must be %s %g and at most %g", rows[i].name, rows[i].value,
                           rows[i].low_open ? "above" : "at least", rows[i].low, rows[i].high);
    return ERR_OK;
}

struct sampler *sampler_new(const struct sample_params *p, size_t vocab)
{
    struct sampler *s = xzalloc(sizeof *s);

    s->params = *p;
    s->vocab = vocab;
    s->state = p->seed;
    s->counts = xcalloc(vocab, sizeof *s->counts);
    s->raw = p->logprobs >= 0 ? xcalloc(vocab, sizeof *s->raw) : NULL;
    s->allowed = p->constraint ? xcalloc((vocab + 63) / 64, sizeof *s->allowed) : NULL;
    s->sorted = xcalloc(vocab, sizeof *s->sorted);
    s->candidates = xcalloc(vocab, sizeof *s->candidates);
    s->scratch = p->top_p < 1 ? xcalloc(vocab, sizeof *s->scratch) : NULL;
    return s;
}

void sampler_free(struct sampler *s)
{
    if (!s)
        return;
    free(s->counts);
    free(s->raw);
    free(s->allowed);
    free(s->sorted);
    free(s->candidates);
    free(s->scratch);
    free(s);
}

/* splitmix64 (Steele, Lea and Flood 2014); 53 bits make a number in [0, 1). */
static double uniform(struct sampler *s)
{
    uint64_t z = s->state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (double)(z >> 11) * 0x1p-53;
}

static int32_t largest(const float *logits, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++)
        if (logits[i] > logits[best])
            best = i;
    return (int32_t)best;
}

/* The k-th largest of v [n], 1 <= k <= n; v is reordered. Hoare 1961, "Find". */
static float kth_largest(float *v, size_t n, size_t k)
{
    ptrdiff_t low = 0, high = (ptrdiff_t)n - 1, target = (ptrdiff_t)k - 1;

    while (low < high) {
        float pivot = v[target];
        ptrdiff_t i = low, j = high;

        while (i <= j) {
            while (v[i] > pivot)
                i++;
            while (v[j] < pivot)
                j--;
            if (i > j)
                break;
            float swap = v[i];
            v[i++] = v[j];
            v[j--] = swap;
        }
        if (j < target)
            low = i;
        if (target < i)
            high = j;
    }
    return v[target];
}

/* All logits at least as large as the k-th become candidates (ties stay, as in transformers). */
static void gather(struct sampler *s, const float *logits)
{
    float floor = -INFINITY;
    double temperature = s->params.temperature;

    if (s->params.top_k > 0 && (size_t)s->params.top_k < s->vocab) {
        memcpy(s->sorted, logits, s->vocab * sizeof *logits);
        floor = kth_largest(s->sorted, s->vocab, (size_t)s->params.top_k);
    }
    s->n = 0;
    for (size_t i = 0; i < s->vocab; i++)
        if (logits[i] >= floor && logits[i] > -INFINITY)
            s->candidates[s->n++] = (struct candidate){ .id = (int32_t)i, .logit = (float)((double)logits[i] / temperature) };
}

static void softmax(struct sampler *s)
{
    double sum = 0;
    float top = -INFINITY;

    for (size_t i = 0; i < s->n; i++)
        top = fmaxf(top, s->candidates[i].logit);
    for (size_t i = 0; i < s->n; i++)
        sum += s->candidates[i].p = exp((double)s->candidates[i].logit - (double)top);
    for (size_t i = 0; i < s->n; i++)
        s->candidates[i].p /= sum;
}

static int by_p_rising(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    if (x->p != y->p)
        return x->p < y->p ? -1 : 1;
    return x->id < y->id ? 1 : -1;              /* the lower id counts as the more probable */
}

static int by_id(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

static void keep_from(struct sampler *s, size_t first)
{
    memmove(s->candidates, s->candidates + first, (s->n - first) * sizeof *s->candidates);
    s->n -= first;
    qsort(s->candidates, s->n, sizeof *s->candidates, by_id);
    softmax(s);
}

/* Puts those below a pivot of v [low, high) before it; its new place. *sum: what those below have together. */
static size_t partition(struct candidate *v, size_t low, size_t high, double *sum)
{
    size_t middle = low + (high - low) / 2, at = low;
    struct candidate pivot = v[middle];

    v[middle] = v[high - 1];
    *sum = 0;
    for (size_t i = low; i + 1 < high; i++) {
        struct candidate c = v[i];
        if (by_p_rising(&c, &pivot) > 0)
            continue;
        *sum += c.p;
        v[i] = v[at];
        v[at++] = c;
    }
    v[high - 1] = v[at];
    v[at] = pivot;
    return at;
}

/* How many of v [n] the least probable are that sum to at most limit; they come to the front. */
static size_t drop_least(struct candidate *v, size_t n, double limit)
{
    size_t low = 0, high = n;           /* before low: dropped; from high on: kept */

    while (low < high) {
        double below;
        size_t at = partition(v, low, high, &below);

        if (below > limit) {
            high = at;
        } else if (below + v[at].p > limit) {
            return at;
        } else {
            limit -= below + v[at].p;
            low = at + 1;
        }
    }
    return low;
}

/*
 * The least probable go as long as they sum to at most 1 - top_p; one stays. Found by partition, not by sorting: a vocabulary has
 * 100,000 tokens, and nearly all of them go.
 */
static void cut_top_p(struct sampler *s)
{
    size_t kept = 0;

    if (s->params.top_p >= 1)
        return;
    memcpy(s->scratch, s->candidates, s->n * sizeof *s->candidates);
    size_t dropped = drop_least(s->scratch, s->n, 1 - s->params.top_p);
    if (dropped == s->n)
        dropped--;
    struct candidate first = s->scratch[dropped];       /* the least probable that stays */
    for (size_t i = dropped + 1; i < s->n; i++)
        if (by_p_rising(&s->scratch[i], &first) < 0)
            first = s->scratch[i];
    for (size_t i = 0; i < s->n; i++)                   /* in the order of ids, as they stand */
        if (s->candidates[i].id == first.id || by_p_rising(&s->candidates[i], &first) > 0)
            s->candidates[kept++] = s->candidates[i];
    s->n = kept;
    softmax(s);
}

static void cut_min_p(struct sampler *s)
{
    double best = 0;
    size_t kept = 0;

    if (s->params.min_p <= 0)
        return;
    for (size_t i = 0; i < s->n; i++)
        best = fmax(best, s->candidates[i].p);
    for (size_t i = 0; i < s->n; i++)
        if (s->candidates[i].p >= best * s->params.min_p)
            s->candidates[kept++] = s->candidates[i];
    s->n = kept;
    softmax(s);
}

/* How far a token's surprise is from the expected one; by_p_rising sorts the far ones first when p holds its negative. */
static void cut_typical(struct sampler *s)
{
    double entropy = 0, sum = 0;
    size_t first = s->n;

    if (s->params.typical_p >= 1)
        return;
    for (size_t i = 0; i < s->n; i++)
        entropy -= s->candidates[i].p > 0 ? s->candidates[i].p * log(s->candidates[i].p) : 0;
    for (size_t i = 0; i < s->n; i++)
        s->candidates[i].p = -fabs(-log(s->candidates[i].p) - entropy);
    qsort(s->candidates, s->n, sizeof *s->candidates, by_p_rising);
    softmax(s);
    while (first > 0 && sum < s->params.typical_p)
        sum += s->candidates[--first].p;
    keep_from(s, first);
}

static const struct candidate *draw(struct sampler *s)
{
    double u = uniform(s), sum = 0;

    for (size_t i = 0; i < s->n; i++)
        if (u < (sum += s->candidates[i].p))
            return &s->candidates[i];
    return &s->candidates[s->n - 1];
}

static void cut(struct sampler *s)
{
    softmax(s);
    if (s->params.min_p_first)          /* before or after top_k is the same: both keep the likeliest */
        cut_min_p(s);
    cut_top_p(s);
    if (!s->params.min_p_first)
        cut_min_p(s);
    cut_typical(s);
}

static int32_t choose(struct sampler *s, const float *logits, float *out_logprob)
{
    if (out_logprob)
        *out_logprob = 0;
    if (!s->params.do_sample)
        return largest(logits, s->vocab);
    gather(s, logits);
    if (s->n == 0)
        return largest(logits, s->vocab);
    cut(s);
    const struct candidate *c = draw(s);
    if (out_logprob)
        *out_logprob = (float)log(c->p);
    return c->id;
}

static void keep_constrained(struct sampler *s, float *logits)
{
    const struct constraint *c = s->params.constraint;

    c->mask(c->self, s->allowed);
    for (size_t i = 0; i < s->vocab; i++)
        if (!(s->allowed[i / 64] >> i % 64 & 1))
            logits[i] = -INFINITY;
}

int32_t sampler_pick(struct sampler *s, float *logits, const int32_t *history, size_t n, const int32_t *banned, size_t n_banned,
                     float *out_logprob)
{
    if (s->raw)
        memcpy(s->raw, logits, s->vocab * sizeof *logits);
    if (s->allowed)
        keep_constrained(s, logits);
    logit_rules_apply(&s->params, logits, s->vocab, history, n, banned, n_banned, s->counts);
    int32_t id = choose(s, logits, out_logprob);
    s->picked = true;
    if (s->raw)
        logprobs_of(s->raw, s->vocab, id, s->params.logprobs, &s->last);
    return id;
}

const struct token_logprobs *sampler_logprobs(const struct sampler *s) { return s->raw && s->picked ? &s->last : NULL; }
