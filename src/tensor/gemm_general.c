/*
 * General products of f32 matrices, cut over threads of ours: oneDNN's sgemm, but narrow ones, which it takes some microseconds to begin
 * and copies for, by tiles of our own over panels of b. Which of both does not depend on rows that a is stored in: a row's bits are its own.
 */
#include <dnnl.h>
#include <omp.h>
#include <stdlib.h>

#include "base/mem.h"
#include "tensor/priv.h"

#define SGEMM_PART ((size_t)512 << 10)  /* multiplications below which another thread does not pay */
#define SGEMM_GRAIN 16                  /* rows or columns of a part of the result, at least */
#define NARROW_MOST 32                  /* columns, or sums of so many products: LoRA's ranks, heads */
#define NARROW_RUN  256                 /* of k at a time: a panel of 16 KB stays in the first-level cache */

/* c [m, n] = alpha * op(a) . op(b) + beta * c */
struct sgemm {
    bool trans_a, trans_b;
    size_t m, n, k, lda, ldb, ldc;
    float alpha, beta;
    const float *a, *b;
    float *c;
    const struct vec_ops *narrow;           /* whose tiles; NULL: oneDNN */
};

/* With trans_a rows of c are no rows of a: gradients. */
static bool is_narrow(const struct sgemm *g)
{
    return g->k > 0 && (g->n <= NARROW_MOST || g->k <= NARROW_MOST || (g->trans_a && g->m <= NARROW_MOST));
}

static void copy_part(float *panel, const float *b, size_t ldb, size_t n, size_t k)
{
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < VEC_PANEL; j++)
            panel[i * VEC_PANEL + j] = j < n ? b[i * ldb + j] : 0;
}

/* Elements [at, at + k) of columns [first, first + n) of op(b) as a panel: into scratch, or where b is one already. */
static const float *panel_of_b(const struct sgemm *g, float *scratch, size_t first, size_t n, size_t at, size_t k)
{
    if (g->trans_b) {
        g->narrow->pack_f32(scratch, g->b + first * g->ldb + at, g->ldb, n, k);
        return scratch;
    }
    const float *b = g->b + at * g->ldb + first;
    if (g->ldb == VEC_PANEL && n == VEC_PANEL)
        return b;
    if (n == VEC_PANEL)
        for (size_t i = 0; i < k; i++)
            memcpy(scratch + i * VEC_PANEL, b + i * g->ldb, VEC_PANEL * sizeof *scratch);
    else
        copy_part(scratch, b, g->ldb, n, k);
    return scratch;
}

static void narrow_columns(const struct sgemm *g, size_t first, size_t n)
{
    size_t row_step = g->trans_a ? 1 : g->lda, k_step = g->trans_a ? g->lda : 1, tall = g->narrow->tile_rows;
    float scratch[NARROW_RUN * VEC_PANEL];

    for (size_t at = 0; at < g->k; at += NARROW_RUN) {
        size_t k = g->k - at < NARROW_RUN ? g->k - at : NARROW_RUN;
        const float *panel = panel_of_b(g, scratch, first, n, at, k);

        for (size_t r = 0; r < g->m; r += tall)
            g->narrow->tile_narrow(g->c + r * g->ldc + first, g->ldc, g->a + r * row_step + at * k_step, row_step, k_step, panel, k,
                                   g->m - r < tall ? g->m - r : tall, n, g->alpha, at ? 1 : g->beta);
    }
}

static void narrow_alone(const struct sgemm *g)
{
    for (size_t first = 0; first < g->n; first += VEC_PANEL)
        narrow_columns(g, first, g->n - first < VEC_PANEL ? g->n - first : VEC_PANEL);
}

static void sgemm_alone(const struct sgemm *g)
{
    if (g->m == 0 || g->n == 0)
        return;
    if (g->narrow) {
        narrow_alone(g);
        return;
    }
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

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* Whole tiles of rows, whole panels of columns. */
static void narrow_tiles(void *arg, size_t begin, size_t end)
{
    const struct sgemm *g = arg;
    size_t tall = g->narrow->tile_rows;

    sgemm_rows(arg, begin * tall, least(end * tall, g->m));
}

static void narrow_panels(void *arg, size_t begin, size_t end)
{
    const struct sgemm *g = arg;

    sgemm_columns(arg, begin * VEC_PANEL, least(end * VEC_PANEL, g->n));
}

static size_t sgemm_grain(size_t products)
{
    return SGEMM_PART / (products + 1) < SGEMM_GRAIN ? SGEMM_GRAIN : SGEMM_PART / (products + 1);
}

/* The result is cut over threads of ours, along its longer side: oneDNN's own threads would spin beside them, and sum in another order. */
void gemm_f32(struct compute *cx, bool trans_a, bool trans_b, size_t m, size_t n, size_t k, float alpha, const float *a,
              size_t lda, const float *b, size_t ldb, float beta, float *c, size_t ldc)
{
    struct sgemm g = { trans_a, trans_b, m, n, k, lda, ldb, ldc, alpha, beta, a, b, c, NULL };

    g.narrow = is_narrow(&g) ? cx->vec : NULL;
    if (g.narrow && m >= n)
        compute_parallel(cx, (m + cx->vec->tile_rows - 1) / cx->vec->tile_rows, sgemm_grain(n * k) / cx->vec->tile_rows + 1, narrow_tiles, &g);
    else if (g.narrow)
        compute_parallel(cx, (n + VEC_PANEL - 1) / VEC_PANEL, sgemm_grain(m * k) / VEC_PANEL, narrow_panels, &g);
    else if (m >= n)
        compute_parallel(cx, m, sgemm_grain(n * k), sgemm_rows, &g);
    else
        compute_parallel(cx, n, sgemm_grain(m * k), sgemm_columns, &g);
}

void gemm_f32_alone(const struct vec_ops *vec, bool trans_a, bool trans_b, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b,
                    size_t ldb, float beta, float *c, size_t ldc)
{
    struct sgemm g = { trans_a, trans_b, m, n, k, lda, ldb, ldc, alpha, beta, a, b, c, NULL };

    g.narrow = is_narrow(&g) ? vec : NULL;
    sgemm_alone(&g);
}
