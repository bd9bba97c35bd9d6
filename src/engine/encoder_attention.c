/* Attention without a mask, split by (head, block of queries). */
#include <math.h>

#include "engine/encoder_priv.h"
#include "tensor/vec.h"

#define QUERY_BLOCK 64

struct attention_job {
    const struct vec_ops *vec;
    float *o;
    const float *q, *k, *v;
    size_t ld, ldo, tokens, hd, blocks;
};

static void one_block(const struct attention_job *j, size_t head, size_t first, float *scores)
{
    size_t left = j->tokens - first, n = left < QUERY_BLOCK ? left : QUERY_BLOCK, at = head * j->hd;

    gemm_f32_alone(j->vec, false, true, n, j->tokens, j->hd, (float)(1 / sqrt((double)j->hd)), j->q + first * j->ld + at, j->ld, j->k + at, j->ld, 0,
                   scores, j->tokens);
    for (size_t i = 0; i < n; i++) {
        float *row = scores + i * j->tokens;
        float sum = j->vec->exp_sum(row, j->vec->max(row, j->tokens), j->tokens);
        j->vec->scale(row, 1 / sum, j->tokens);
    }
    gemm_f32_alone(j->vec, false, false, n, j->hd, j->tokens, 1, scores, j->tokens, j->v + at, j->ld, 0, j->o + first * j->ldo + at, j->ldo);
}

static void some_blocks(void *arg, size_t begin, size_t end)
{
    const struct attention_job *j = arg;
    AUTO_MEM float *scores = xcalloc(QUERY_BLOCK * j->tokens, sizeof *scores);

    for (size_t i = begin; i < end; i++)
        one_block(j, i / j->blocks, i % j->blocks * QUERY_BLOCK, scores);
}

void attention_full_forward(struct compute *c, float *o, size_t ldo, const float *q, const float *k, const float *v, size_t ld, size_t tokens,
                            size_t heads, size_t hd)
{
    struct attention_job j = { .vec = compute_vec(c), .o = o, .q = q, .k = k, .v = v, .ld = ld, .ldo = ldo, .tokens = tokens, .hd = hd,
                               .blocks = (tokens + QUERY_BLOCK - 1) / QUERY_BLOCK };

    compute_parallel(c, heads * j.blocks, 1, some_blocks, &j);
}
