/* General products of f32 matrices: oneDNN's sgemm, cut over threads of ours. */
#include <dnnl.h>
#include <omp.h>
#include <stdlib.h>

#include "tensor/priv.h"

#define SGEMM_PART ((size_t)512 << 10)  /* multiplications below which another thread does not pay */
#define SGEMM_GRAIN 16                  /* rows or columns of a part of the result, at least */

/* c [m, n] = alpha * op(a) . op(b) + beta * c */
struct sgemm {
    bool trans_a, trans_b;
    size_t m, n, k, lda, ldb, ldc;
    float alpha, beta;
    const float *a, *b;
    float *c;
};

static void sgemm_alone(const struct sgemm *g)
{
    if (g->m == 0 || g->n == 0)
        return;
    omp_set_num_threads(1);                     /* oneDNN asks OpenMP; the setting is this thread's own */
    if (dnnl_sgemm(g->trans_a ? 'T' : 'N', g->trans_b ? 'T' : 'N', (dnnl_dim_t)g->m, (dnnl_dim_t)g->n, (dnnl_dim_t)g->k, g->alpha, g->a,
                   (dnnl_dim_t)g->lda, g->b, (dnnl_dim_t)g->ldb, g->beta, g->c, (dnnl_dim_t)g->ldc) != dnnl_success)
        abort();                                /* only wrong arguments or no memory for a few kilobytes */
}

static void sgemm_rows(void *arg, size_t begin, size_t end)
{
    struct sgemm part = *(const struct sgemm *)arg;

    part.a += begin * (part.trans_a ? 1 : part.lda);
    part.c += begin * part.ldc;
    part.m = end - begin;
    sgemm_alone(&part);
}

static void sgemm_columns(void *arg, size_t begin, size_t end)
{
    struct sgemm part = *(const struct sgemm *)arg;

    part.b += begin * (part.trans_b ? part.ldb : 1);
    part.c += begin;
    part.n = end - begin;
    sgemm_alone(&part);
}

static size_t sgemm_grain(size_t products)
{
    return SGEMM_PART / (products + 1) < SGEMM_GRAIN ? SGEMM_GRAIN : SGEMM_PART / (products + 1);
}

/* The result is cut over threads of ours, along its longer side: oneDNN's own threads would spin beside them, and sum in another order. */
void gemm_f32(struct compute *cx, bool trans_a, bool trans_b, size_t m, size_t n, size_t k, float alpha, const float *a,
              size_t lda, const float *b, size_t ldb, float beta, float *c, size_t ldc)
{
    struct sgemm g = { trans_a, trans_b, m, n, k, lda, ldb, ldc, alpha, beta, a, b, c };

    if (m >= n)
        compute_parallel(cx, m, sgemm_grain(n * k), sgemm_rows, &g);
    else
        compute_parallel(cx, n, sgemm_grain(m * k), sgemm_columns, &g);
}

void gemm_f32_alone(bool trans_a, bool trans_b, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b,
                    size_t ldb, float beta, float *c, size_t ldc)
{
    struct sgemm g = { trans_a, trans_b, m, n, k, lda, ldb, ldc, alpha, beta, a, b, c };

    sgemm_alone(&g);
}
