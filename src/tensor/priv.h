/* What the .c files of tensor/ share. */
#ifndef TENSOR_PRIV_H
#define TENSOR_PRIV_H

#include "tensor/gemm.h"
#include "tensor/pool.h"
#include "tensor/vec.h"

enum scratch { SCRATCH_WEIGHTS, SCRATCH_X, SCRATCH_COUNT_ };

struct compute {
    int threads;
    enum gemm_math math;
    enum gemm_rows rows;        /* which kernels products take */
    bool round_factors, round_results;          /* to bf16 */
    const struct vec_ops *vec;
    struct { void *p; size_t size; } scratch[SCRATCH_COUNT_];
    struct pool *pool;          /* made at the first parallel region */
};

/* Memory that stays until the next call for the same use; aborts when there is none (its size is bounded by a layer). */
void *compute_scratch(struct compute *c, enum scratch use, size_t n, size_t size);

/* Elements [at, at + n) of w counted row by row, as f32; at a multiple of the format's block. */
void weight_range_f32(const struct vec_ops *vec, const struct weight *w, float *dst, size_t at, size_t n);

#define ROWS_AHEAD 16           /* rows of w that are fetched before they are wanted */
/* Asks for elements [at, at + n) of row `row` of w, dense or NF4, which lies far from the one before; nothing behind the last row. */
void weight_prefetch(const struct weight *w, size_t row, size_t at, size_t n);

/* Memory for panels of p's kind and size. */
errc panels_alloc(struct panels *p, struct err *e);

/* gemm_forward for any number of rows (gemm_many.c), in f32, or with both factors rounded to bf16 where compute_bf16_is_fast. */
void many_forward(struct compute *c, bool bf16, float *y, size_t ldy, const float *x, size_t ldx, size_t rows, const struct weight *w);
/* gemm_backward, too; false, and nothing done, for what is neither dense nor NF4. */
bool many_backward(struct compute *c, bool bf16, float *dx, size_t lddx, const float *dy, size_t lddy, size_t rows, const struct weight *w,
                   bool accumulate);

/*
 * Panels of pairs for products of bf16 (gemm_pairs.c), of weights whose numbers are bf16; at, k and begin, n along a row of NF4 are whole blocks.
 *   pairs_of_columns  elements [at, at + k) of w's rows [first, first + n), n <= VEC_PANEL: one panel; scratch [VEC_PANEL, k]
 *   pairs_of_rows     columns [begin, begin + n) of w's rows [at, at + k), on the way back: panels of `padded` rows, zeros behind k; scratch [3, n]
 */
bool weight_is_bf16(const struct weight *w);
void pairs_of_columns(const struct vec_ops *vec, const struct weight *w, uint16_t *panel, uint16_t *scratch, size_t first, size_t n, size_t at, size_t k);
void pairs_of_rows(const struct vec_ops *vec, const struct weight *w, uint16_t *panels, uint16_t *scratch, size_t begin, size_t n, size_t at, size_t k,
                   size_t padded);

/* y = x . w^T with x in 8 bits (gemm_panel.c). */
void panel_forward(struct compute *c, float *y, size_t ldy, const float *x, size_t ldx, size_t rows, const struct weight *w);

#endif
