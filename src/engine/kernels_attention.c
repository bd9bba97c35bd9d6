/*
 * Causal attention of one whole sequence. Each (head, query) pair is independent in the forward pass; the backward pass
 * splits by key/value head, so that no two threads add into the same dk and dv.
 */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "engine/kernels.h"
#include "tensor/vec.h"

struct attention_job {
    const struct vec_ops *vec;
    const struct attention_shape *s;
    const float *q, *k, *v, *d_o;
    float *o, *dq, *dk, *dv;
    size_t ldq, ldkv, ldo, lddq, lddkv, lddo;
};

static float *row_scratch(size_t n)
{
    float *p = mem_try_alloc(n, sizeof *p);

    if (!p)
        abort();
    return p;
}

static size_t first_key(const struct attention_shape *s, size_t query)
{
    return s->window && query + 1 > s->window ? query + 1 - s->window : 0;
}

/* p [n] = softmax of the scores of query i against keys first..i; p holds n = i - first + 1 values. */
static void probabilities(const struct attention_job *j, size_t head, size_t i, size_t first, float *p)
{
    const struct attention_shape *s = j->s;
    size_t n = i - first + 1, kv = head / (s->heads / s->kv_heads);
    const float *q = j->q + i * j->ldq + head * s->head_dim, *k = j->k + first * j->ldkv + kv * s->head_dim;

    for (size_t t = 0; t < n; t++) {
        float score = j->vec->dot(q, k + t * j->ldkv, s->head_dim) * s->scale;

        p[t] = s->softcap > 0 ? s->softcap * tanhf(score / s->softcap) : score;
    }
    float sum = j->vec->exp_sum(p, j->vec->max(p, n), n);
    j->vec->scale(p, 1 / sum, n);
}

static void forward_pairs(void *arg, size_t begin, size_t end)
{
    const struct attention_job *j = arg;
    const struct attention_shape *s = j->s;
    AUTO_MEM float *p = row_scratch(s->tokens);

    for (size_t pair = begin; pair < end; pair++) {
        size_t head = pair / s->tokens, i = pair % s->tokens, first = first_key(s, i), kv = head / (s->heads / s->kv_heads);
        float *o = j->o + i * j->ldo + head * s->head_dim;

        probabilities(j, head, i, first, p);
        memset(o, 0, s->head_dim * sizeof *o);
        for (size_t t = first; t <= i; t++)
            j->vec->axpy(o, j->v + t * j->ldkv + kv * s->head_dim, p[t - first], s->head_dim);
    }
}

void attention_forward(struct compute *c, const struct attention_shape *s, float *o, size_t ldo, const float *q, size_t ldq,
                       const float *k, const float *v, size_t ldkv)
{
    struct attention_job j = { .vec = compute_vec(c), .s = s, .o = o, .q = q, .k = k, .v = v, .ldo = ldo, .ldq = ldq, .ldkv = ldkv };

    compute_parallel(c, s->heads * s->tokens, 1, forward_pairs, &j);
}

/* The chain through tanh: with c the capped score, d capped / d score = 1 - (c / softcap)^2. */
static float cap_slope(const struct attention_shape *s, float score)
{
    float t;

    if (s->softcap <= 0)
        return 1;
    t = tanhf(score / s->softcap);
    return 1 - t * t;
}

static void backward_query(const struct attention_job *j, size_t head, size_t i, float *p, float *dp)
{
    const struct attention_shape *s = j->s;
    size_t hd = s->head_dim, first = first_key(s, i), n = i - first + 1, kv = head / (s->heads / s->kv_heads);
    const float *d_o = j->d_o + i * j->lddo + head * hd, *q = j->q + i * j->ldq + head * hd;
    float *dq = j->dq + i * j->lddq + head * hd;
    double mean = 0;

    probabilities(j, head, i, first, p);
    for (size_t t = 0; t < n; t++) {
        dp[t] = j->vec->dot(d_o, j->v + (first + t) * j->ldkv + kv * hd, hd);
        mean += (double)p[t] * (double)dp[t];
        j->vec->axpy(j->dv + (first + t) * j->lddkv + kv * hd, d_o, p[t], hd);
    }
    for (size_t t = 0; t < n; t++) {
        const float *k = j->k + (first + t) * j->ldkv + kv * hd;
        float ds = p[t] * (dp[t] - (float)mean) * s->scale;

        if (s->softcap > 0)
            ds *= cap_slope(s, j->vec->dot(q, k, hd) * s->scale);
        j->vec->axpy(dq, k, ds, hd);
        j->vec->axpy(j->dk + (first + t) * j->lddkv + kv * hd, q, ds, hd);
    }
}

static void backward_kv_heads(void *arg, size_t begin, size_t end)
{
    const struct attention_job *j = arg;
    size_t group = j->s->heads / j->s->kv_heads;
    AUTO_MEM float *p = row_scratch(2 * j->s->tokens);

    for (size_t head = begin * group; head < end * group; head++)
        for (size_t i = 0; i < j->s->tokens; i++)
            backward_query(j, head, i, p, p + j->s->tokens);
}

void attention_backward(struct compute *c, const struct attention_shape *s, float *dq, size_t lddq, float *dk, float *dv,
                        size_t lddkv, const float *d_o, size_t lddo, const float *q, size_t ldq, const float *k,
                        const float *v, size_t ldkv)
{
    struct attention_job j = { .vec = compute_vec(c), .s = s, .dq = dq, .dk = dk, .dv = dv, .d_o = d_o, .q = q, .k = k, .v = v,
                               .lddq = lddq, .lddkv = lddkv, .lddo = lddo, .ldq = ldq, .ldkv = ldkv };

    compute_parallel(c, s->kv_heads, 1, backward_kv_heads, &j);
}
