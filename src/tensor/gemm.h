/*
 * Products with a weight matrix w [out, in], which may be f32, bf16, f16, NF4, blocks (tensor/blocks.h) or panels
 * (tensor/panels.h); activations are always f32 row-major.
 *
 *   gemm_forward    y  [rows, out] = x [rows, in] . w^T         (a linear layer)
 *   gemm_backward   dx [rows, in]  (+)= dy [rows, out] . w      (its gradient to the input)
 *   gemm_grad       dw [out, in]   += dy^T [out, rows] . x      (its gradient to an f32 weight)
 *
 * ldx, ldy are the distances between rows in elements: an output may be a column range of a wider array.
 * Few rows (at most GEMM_FEW_ROWS) go to kernels that read each weight once; more rows to tiles over packed weights, expanded run by
 * run. Either way a row's bits depend on that row and the weights alone, not on the other rows or the threads (but a product of
 * many rows sums in another order than one of few).
 * In GEMM_F32 mode (default) nothing is rounded. In GEMM_BF16 mode x is rounded to bf16 and sums are f32; weights are taken as they
 * are, but where the CPU multiplies bf16 (compute_bf16_is_fast) products of many rows round those that are not f32 to bf16, too. In
 * GEMM_INT8 and GEMM_BF16 mode products with panels (of our own, of GGUF blocks, of NF4) round x to 8 bits, each row and 32 elements with
 * a scale of their own (an error of some 0.6 % of the result's size for Gaussian x), or, with panels of our own or NF4 and many rows on a
 * CPU with AMX, x and weights to bf16 (0.3 %); other weights are computed as in GEMM_F32 in GEMM_INT8 mode, but NF4 and blocks by AMX as well.
 *
 * struct compute is the thread count, the chosen kernel rows, oneDNN's state and scratch memory. One thread at a time
 * uses a compute; only that thread enters parallel regions.
 */
#ifndef TENSOR_GEMM_H
#define TENSOR_GEMM_H

#include "tensor/blocks.h"
#include "tensor/nf4.h"
#include "tensor/panels.h"
#include "tensor/tensor.h"

#define GEMM_FEW_ROWS 16

enum gemm_math { GEMM_F32, GEMM_BF16, GEMM_INT8 };

struct compute;

/*
 * threads 0: one per CPU this process may use. kernels NULL: the best this CPU has; else "portable", "avx2", "avx512", "avx512vnni", "avx512bf16",
 * "amx"; UNSUPPORTED: not a name, or not on this CPU.
 */
errc compute_new(int threads, const char *kernels, struct compute **out, struct err *e);
void compute_free(struct compute *c);
DEFINE_AUTO_FREE(compute)
int compute_threads(const struct compute *c);
const char *compute_kernels(const struct compute *c);           /* the chosen row's name */
struct vec_ops;
const struct vec_ops *compute_vec(const struct compute *c);     /* tensor/vec.h: for kernels of other folders */
void compute_set_math(struct compute *c, enum gemm_math math);
/*
 * Products with dense and NF4 weights from now on: x (dy on the way back) is rounded to bf16 before, and what comes out after (the sum with
 * what was there, on the way back), whatever the math; where both are bf16 anyway that costs nothing.
 */
void compute_set_rounding(struct compute *c, bool factors, bool results);
/*
 * Which kernels gemm_forward takes from now on, so that a row's bits do not depend on how many rows come with it: those for few
 * rows, or those for many, whatever the number. For many rows the former are some 10 % slower.
 */
enum gemm_rows { GEMM_ROWS_ANY, GEMM_ROWS_FEW, GEMM_ROWS_MANY };
void compute_set_rows(struct compute *c, enum gemm_rows rows);
enum gemm_rows compute_rows(const struct compute *c);
/* Whether products of bf16 outrun those of f32: the CPU has AVX512_BF16 or AMX. */
bool compute_bf16_is_fast(const struct compute *c);

/* A weight matrix. Plain data: borrowed pointers, except what weight_done frees. */
enum weight_kind { WEIGHT_DENSE, WEIGHT_NF4, WEIGHT_BLOCKS, WEIGHT_PANELS };

struct weight {
    size_t out, in;
    enum weight_kind kind;
    enum dtype dtype;           /* WEIGHT_DENSE: F32, BF16 or F16 */
    const void *data;           /* WEIGHT_DENSE [out, in]; WEIGHT_BLOCKS [out, in / blocks->elements] blocks */
    const struct block_format *blocks;          /* WEIGHT_BLOCKS; in is a multiple of its elements */
    const float *packed, *packed_back;          /* dense F32: what weight_pack made; NULL: nothing */
    void *owned;                /* what weight_done frees when data was made at load; NULL when it is mapped */
    struct nf4 nf4;             /* WEIGHT_NF4 */
    struct panels panels;       /* WEIGHT_PANELS */
};

/* Borrow w [out, in] and data [out, in / f->elements] blocks, which outlive the weight. */
struct weight weight_f32(const float *w, size_t out, size_t in);
struct weight weight_blocks(const struct block_format *f, const void *data, size_t out, size_t in);
void weight_done(struct weight *w);             /* frees quantised copies; mapped bytes stay */
/* Rows [first, first + n) of w as f32 into dst [n, in]. */
void weight_rows_f32(const struct weight *w, float *dst, size_t first, size_t n);
size_t weight_bytes(const struct weight *w);    /* bytes read by one product */
/*
 * Panels of a dense f32 matrix that does not change, for products of many rows forward and back with c's kernels, which else make them each
 * time: as many bytes again for each way. *out_memory holds them and is the caller's to free, after the last product. TOO_LARGE: no memory.
 */
errc weight_pack(struct compute *c, struct weight *w, void **out_memory, struct err *e);
size_t weight_pack_bytes(const struct weight *w);      /* what weight_pack would take */

/* y is overwritten and may not overlap x. */
void gemm_forward(struct compute *c, float *y, size_t ldy, const float *x, size_t ldx, size_t rows,
                  const struct weight *w);
/* accumulate false overwrites dx. */
void gemm_backward(struct compute *c, float *dx, size_t lddx, const float *dy, size_t lddy, size_t rows,
                   const struct weight *w, bool accumulate);
/* Adds into dw [out, in] f32, contiguous. */
void gemm_grad(struct compute *c, float *dw, const float *dy, size_t lddy, size_t out, const float *x, size_t ldx,
               size_t in, size_t rows);

/* The oracle: plain loops, sums in f64. Same meaning as gemm_forward in GEMM_F32 mode. */
void gemm_forward_naive(float *y, size_t ldy, const float *x, size_t ldx, size_t rows, const struct weight *w);

/*
 * General f32 product, row-major: c [m, n] = alpha * op(a) . op(b) + beta * c, op transposes when its flag is set
 * (lda, ldb are row strides of the stored arrays). For attention in training and the like.
 */
void gemm_f32(struct compute *cx, bool trans_a, bool trans_b, size_t m, size_t n, size_t k, float alpha, const float *a,
              size_t lda, const float *b, size_t ldb, float beta, float *c, size_t ldc);
/* The same product on the calling thread alone, with the compute's kernels: for use inside compute_parallel. */
void gemm_f32_alone(const struct vec_ops *vec, bool trans_a, bool trans_b, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
                    const float *b, size_t ldb, float beta, float *c, size_t ldc);

/*
 * fn(arg, begin, end) over [0, n) in contiguous parts, one per thread (fewer when n / grain is small); returns when all
 * are done. Which part runs where is fixed by n, grain and the thread count.
 */
void compute_parallel(struct compute *c, size_t n, size_t grain, void (*fn)(void *arg, size_t begin, size_t end),
                      void *arg);
/* The same in parts of at most `step` that idle threads take one after the other: for results that do not depend on who computes them. */
void compute_share(struct compute *c, size_t n, size_t step, void (*fn)(void *arg, size_t begin, size_t end), void *arg);

#endif
