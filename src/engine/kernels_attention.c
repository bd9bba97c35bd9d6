/*
 * Causal attention of one whole sequence, in blocks of queries: scores, softmax and sums of a block are small matrix products over the
 * keys it can see. The forward pass splits by (head, block); the backward pass by key/value head, so that no two threads add into the
 * same dk and dv. Source of the gradient: Dao et al. 2022 (FlashAttention), appendix B; probabilities are computed again.
 */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "engine/kernels.h"
#include "tensor/vec.h"

#define QUERY_BLOCK 64

struct attention_job {
    const struct vec_ops *vec;
    const struct attention_shape *s;
    const float *q, *k, *v, *d_o;
    float *o, *dq, *dk, *dv;
    size_t ldq, ldkv, ldo, lddq, lddkv, lddo;
};

/* Queries [first, first + n) of one head, and the keys [lo, lo + keys) that any of them sees. */
struct block { size_t head, kv, first, n, lo, keys; };

static float *scratch(size_t arrays, const struct attention_shape *s)
{
    float *p = mem_try_alloc(arrays * QUERY_BLOCK, s->tokens * sizeof *p);

    if (!p)
        abort();
    return p;
}

static size_t first_key(const struct attention_shape *s, size_t query)
{
    return s->window && query + 1 > s->window ? query + 1 - s->window : 0;
}

static struct block block_of(const struct attention_shape *s, size_t head, size_t first)
{
    size_t left = s->tokens - first, n = left < QUERY_BLOCK ? left : QUERY_BLOCK, lo = first_key(s, first);

    return (struct block){ .head = head, .kv = head / (s->heads / s->kv_heads), .first = first, .n = n, .lo = lo, .keys = first + n - lo };
}

/* Falcon's ALiBi: slope times position is rounded to bf16 there, whatever the model computes in. */
static void add_slope(float *scores, float slope, float scale, size_t first, size_t n)
{
    for (size_t t = 0; t < n; t++)
        scores[t] += scale * f32_round_bf16(slope * (float)(first + t));
}

/* p [n, keys] = softmax of each query's scores, 0 where it does not see. capped (NULL: not wanted) receives score / softcap after tanh. */
static void probabilities(const struct attention_job *j, const struct block *b, float *p, float *capped)
{
    const struct attention_shape *s = j->s;
    size_t hd = s->head_dim;

    gemm_f32_alone(j->vec, false, true, b->n, b->keys, hd, s->scale, j->q + b->first * j->ldq + b->head * hd, j->ldq,
                   j->k + b->lo * j->ldkv + b->kv * hd, j->ldkv, 0, p, b->keys);
    for (size_t i = 0; i < b->n; i++) {
        float *row = p + i * b->keys;
        size_t from = first_key(s, b->first + i) - b->lo, to = b->first + i + 1 - b->lo;
        if (s->slopes)
            add_slope(row, s->slopes[b->head], s->scale, b->lo, b->keys);
        if (s->softcap > 0)
            for (size_t t = from; t < to; t++) {
                float c = tanhf(row[t] / s->softcap);
                if (capped)
                    capped[i * b->keys + t] = c;
                row[t] = s->softcap * c;
            }
        float sum = j->vec->exp_sum(row + from, j->vec->max(row + from, to - from), to - from);
        j->vec->scale(row + from, 1 / sum, to - from);
        memset(row, 0, from * sizeof *row);
        memset(row + to, 0, (b->keys - to) * sizeof *row);
    }
}

/* What each query sees of p [n, keys], through the shape's mask. */
static void mask_rows(const struct attention_job *j, const struct block *b, float *p)
{
    const struct attention_shape *s = j->s;

    for (size_t i = 0; s->mask && i < b->n; i++) {
        size_t from = first_key(s, b->first + i), to = b->first + i + 1;
        s->mask(s->mask_self, b->head, b->first + i, from, p + i * b->keys + from - b->lo, to - from);
    }
}

static size_t blocks_of(const struct attention_shape *s)
{
    return (s->tokens + QUERY_BLOCK - 1) / QUERY_BLOCK;
}

static void forward_blocks(void *arg, size_t begin, size_t end)
{
    const struct attention_job *j = arg;
    size_t hd = j->s->head_dim, blocks = blocks_of(j->s);
    AUTO_MEM float *p = scratch(1, j->s);

    for (size_t i = begin; i < end; i++) {
        struct block b = block_of(j->s, i / blocks, i % blocks * QUERY_BLOCK);
        probabilities(j, &b, p, NULL);
        mask_rows(j, &b, p);
        gemm_f32_alone(j->vec, false, false, b.n, hd, b.keys, 1, p, b.keys, j->v + b.lo * j->ldkv + b.kv * hd, j->ldkv, 0,
                       j->o + b.first * j->ldo + b.head * hd, j->ldo);
    }
}

void attention_forward(struct compute *c, const struct attention_shape *s, float *o, size_t ldo, const float *q, size_t ldq,
                       const float *k, const float *v, size_t ldkv)
{
    struct attention_job j = { .vec = compute_vec(c), .s = s, .o = o, .q = q, .k = k, .v = v, .ldo = ldo, .ldq = ldq, .ldkv = ldkv };

    compute_parallel(c, s->heads * blocks_of(s), 1, forward_blocks, &j);
}

/* dp becomes d scores: p * (dp - sum p dp) * scale, through the slope 1 - capped^2 of the cap when there is one. */
static void score_gradient(const struct attention_job *j, const struct block *b, const float *p, float *dp, const float *capped)
{
    const struct attention_shape *s = j->s;

    for (size_t i = 0; i < b->n; i++) {
        const float *pr = p + i * b->keys;
        float *dr = dp + i * b->keys;
        size_t from = first_key(s, b->first + i) - b->lo, to = b->first + i + 1 - b->lo;
        float mean = j->vec->dot(pr + from, dr + from, to - from);
        memset(dr, 0, from * sizeof *dr);
        for (size_t t = from; t < to; t++)
            dr[t] = pr[t] * (dr[t] - mean) * s->scale;
        if (s->softcap > 0)
            for (size_t t = from; t < to; t++)
                dr[t] *= 1 - capped[i * b->keys + t] * capped[i * b->keys + t];
        memset(dr + to, 0, (b->keys - to) * sizeof *dr);
    }
}

/* capped, seen: NULL, or places for what the cap, or the mask, leaves of scores and probabilities. */
static void backward_block(const struct attention_job *j, const struct block *b, float *p, float *dp, float *capped, float *seen)
{
    size_t hd = j->s->head_dim, at = b->head * hd, kv = b->kv * hd;
    const float *q = j->q + b->first * j->ldq + at, *k = j->k + b->lo * j->ldkv + kv, *v = j->v + b->lo * j->ldkv + kv;
    const float *d_o = j->d_o + b->first * j->lddo + at;

    probabilities(j, b, p, capped);
    const float *through = seen ? memcpy(seen, p, b->n * b->keys * sizeof *p) : p;
    mask_rows(j, b, seen);
    gemm_f32_alone(j->vec, true, false, b->keys, hd, b->n, 1, through, b->keys, d_o, j->lddo, 1, j->dv + b->lo * j->lddkv + kv, j->lddkv);
    gemm_f32_alone(j->vec, false, true, b->n, b->keys, hd, 1, d_o, j->lddo, v, j->ldkv, 0, dp, b->keys);
    mask_rows(j, b, dp);
    score_gradient(j, b, p, dp, capped);
    gemm_f32_alone(j->vec, false, false, b->n, hd, b->keys, 1, dp, b->keys, k, j->ldkv, 1, j->dq + b->first * j->lddq + at, j->lddq);
    gemm_f32_alone(j->vec, true, false, b->keys, hd, b->n, 1, dp, b->keys, q, j->ldq, 1, j->dk + b->lo * j->lddkv + kv, j->lddkv);
}

static void backward_kv_heads(void *arg, size_t begin, size_t end)
{
    const struct attention_job *j = arg;
    size_t group = j->s->heads / j->s->kv_heads, size = QUERY_BLOCK * j->s->tokens;
    AUTO_MEM float *p = scratch(4, j->s);
    float *capped = j->s->softcap > 0 ? p + 2 * size : NULL, *seen = j->s->mask ? p + 3 * size : NULL;

    for (size_t head = begin * group; head < end * group; head++)
        for (size_t first = 0; first < j->s->tokens; first += QUERY_BLOCK) {
            struct block b = block_of(j->s, head, first);
            backward_block(j, &b, p, p + size, capped, seen);
        }
}

void attention_backward(struct compute *c, const struct attention_shape *s, float *dq, size_t lddq, float *dk, float *dv,
                        size_t lddkv, const float *d_o, size_t lddo, const float *q, size_t ldq, const float *k,
                        const float *v, size_t ldkv)
{
    struct attention_job j = { .vec = compute_vec(c), .s = s, .dq = dq, .dk = dk, .dv = dv, .d_o = d_o, .q = q, .k = k, .v = v,
                               .lddq = lddq, .lddkv = lddkv, .lddo = lddo, .ldq = ldq, .ldkv = ldkv };

    compute_parallel(c, s->kv_heads, 1, backward_kv_heads, &j);
}
