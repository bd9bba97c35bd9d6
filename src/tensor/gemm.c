/*
 * Which product goes where. Few rows: kernels that read each weight once. Many rows, and gradients to the input:
 * tiles of our own (gemm_many.c). Other gradients: general products (gemm_general.c), where needed on slabs of the matrix, expanded to f32 just before.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "tensor/priv.h"

#define SLAB_BYTES (4u << 20)
#define FEW_STEP_BYTES (128u << 10)     /* weight bytes that a thread takes at a time: long runs for the prefetchers */
#define FEW_STEP_ROWS 24                /* a multiple of what the kernels hold at a time */
#define EXPAND_ROWS 12
#define NARROW_GRAIN (64u << 10)        /* numbers to round below which another thread does not pay */
#define EXPAND_GRAIN_BYTES (64u << 10)  /* below this another thread does not pay */

/* ── few rows ── */

struct few_job {
    const struct vec_ops *vec;
    const struct weight *w;
    float *y;
    const void *x;              /* f32, or bf16 */
    size_t ldy, ldx, rows;
    bool pairs;                 /* bf16 x, bf16 weights */
};

/* Formats without a kernel of their own: some rows of w at a time. */
static void few_expanded(const struct few_job *j, const float *x, float *y, size_t rows, size_t begin, size_t end)
{
    AUTO_MEM float *w = mem_try_alloc(EXPAND_ROWS * j->w->in, sizeof *w);

    if (!w)
        abort();
    for (size_t o = begin, n; o < end; o += n) {
        n = end - o < EXPAND_ROWS ? end - o : EXPAND_ROWS;
        weight_range_f32(j->vec, j->w, w, o * j->w->in, n * j->w->in);
        j->vec->few_f32(y + o, j->ldy, x, j->ldx, rows, w, n, j->w->in);
    }
}

static void few_rows(const struct few_job *j, const void *x, float *y, size_t rows, size_t begin, size_t end)
{
    const struct weight *w = j->w;
    size_t at = begin * w->in;

    if (j->pairs)
        j->vec->few_pairs(y + begin, j->ldy, x, j->ldx, rows, (const uint16_t *)w->data + at, end - begin, w->in);
    else if (w->kind == WEIGHT_NF4 && w->in % NF4_BLOCK == 0)
        j->vec->few_nf4(y + begin, j->ldy, x, j->ldx, rows, w->nf4.code, w->nf4.packed + at / 2, w->nf4.absmax + at / NF4_BLOCK, w->nf4.dtype,
                        end - begin, w->in);
    else if (w->kind == WEIGHT_DENSE && w->dtype == DTYPE_F32)
        j->vec->few_f32(y + begin, j->ldy, x, j->ldx, rows, (const float *)w->data + at, end - begin, w->in);
    else if (w->kind == WEIGHT_DENSE && w->dtype == DTYPE_F16)
        j->vec->few_f16(y + begin, j->ldy, x, j->ldx, rows, (const uint16_t *)w->data + at, end - begin, w->in);
    else if (w->kind == WEIGHT_DENSE && w->dtype == DTYPE_BF16)
        j->vec->few_bf16(y + begin, j->ldy, x, j->ldx, rows, (const uint16_t *)w->data + at, end - begin, w->in);
    else
        few_expanded(j, x, y, rows, begin, end);
}

/* Some weight rows, which stay in the second-level cache, against all rows of x. */
static void few_part(void *arg, size_t begin, size_t end)
{
    const struct few_job *j = arg;

    for (size_t r = 0; r < j->rows; r += GEMM_FEW_ROWS)
        few_rows(j, (const char *)j->x + r * j->ldx * (j->pairs ? sizeof(uint16_t) : sizeof(float)), j->y + r * j->ldy,
                 j->rows - r < GEMM_FEW_ROWS ? j->rows - r : GEMM_FEW_ROWS, begin, end);
}

/* x as the kernel wants it: even and odd elements apart for NF4, rounded in bf16 mode; x itself otherwise. */
static const float *prepared_x(struct compute *c, const float *x, size_t *ldx, size_t rows, const struct weight *w)
{
    bool order = w->kind == WEIGHT_NF4 && w->in % NF4_BLOCK == 0, rounds = c->math == GEMM_BF16 || c->round_factors;
    float *copy;

    if (!order && !rounds)
        return x;
    copy = compute_scratch(c, SCRATCH_X, rows * w->in, sizeof *copy);
    for (size_t r = 0; r < rows; r++) {
        float *row = copy + r * w->in;

        if (order)
            vec_nf4_order_x(row, x + r * *ldx, w->in);
        else
            memcpy(row, x + r * *ldx, w->in * sizeof *row);
        if (rounds)
            c->vec->round_bf16(row, row, w->in);
    }
    *ldx = w->in;
    return copy;
}

struct narrow_job {
    const struct vec_ops *vec;
    uint16_t *dst;              /* [rows, n] */
    const float *x;
    size_t ldx, n;
};

static void narrow_part(void *arg, size_t begin, size_t end)
{
    const struct narrow_job *j = arg;

    for (size_t r = begin; r < end; r++)
        j->vec->to_bf16(j->dst + r * j->n, j->x + r * j->ldx, j->n);
}

static const uint16_t *x_as_bf16(struct compute *c, const float *x, size_t ldx, size_t rows, size_t n)
{
    struct narrow_job j = { .vec = c->vec, .dst = compute_scratch(c, SCRATCH_X, rows * n, sizeof *j.dst), .x = x, .ldx = ldx, .n = n };

    compute_parallel(c, rows, NARROW_GRAIN / n + 1, narrow_part, &j);
    return j.dst;
}

/* Both factors are bf16, and the CPU multiplies them. */
static bool has_bf16(const struct compute *c, const struct weight *w)
{
    return c->math == GEMM_BF16 && compute_bf16_is_fast(c) && w->kind == WEIGHT_DENSE && w->dtype == DTYPE_BF16;
}

static void forward_few(struct compute *c, float *y, size_t ldy, const float *x, size_t ldx, size_t rows, const struct weight *w)
{
    size_t row_bytes = weight_bytes(w) / w->out + 1;
    struct few_job j = { .vec = c->vec, .w = w, .y = y, .ldy = ldy, .rows = rows, .pairs = has_bf16(c, w) };

    j.x = j.pairs ? (const void *)x_as_bf16(c, x, ldx, rows, w->in) : prepared_x(c, x, &ldx, rows, w);
    j.ldx = j.pairs ? w->in : ldx;
    compute_share(c, w->out, (FEW_STEP_BYTES / row_bytes / FEW_STEP_ROWS + 1) * FEW_STEP_ROWS, few_part, &j);
    for (size_t r = 0; c->round_results && r < rows; r++)
        c->vec->round_bf16(y + r * ldy, y + r * ldy, w->out);
}

/* ── many rows ── */

struct expand_job {
    const struct vec_ops *vec;
    const struct weight *w;
    float *dst;
    size_t first;
};

static void expand_part(void *arg, size_t begin, size_t end)
{
    const struct expand_job *j = arg;

    weight_range_f32(j->vec, j->w, j->dst + begin * j->w->in, (j->first + begin) * j->w->in, (end - begin) * j->w->in);
}

/* Rows [first, first + n) as f32: the matrix itself when it is f32, else expanded into scratch. */
static const float *slab(struct compute *c, const struct weight *w, size_t first, size_t n)
{
    if (w->kind == WEIGHT_DENSE && w->dtype == DTYPE_F32)
        return (const float *)w->data + first * w->in;
    struct expand_job j = { .vec = c->vec, .w = w, .dst = compute_scratch(c, SCRATCH_WEIGHTS, n * w->in, sizeof(float)), .first = first };
    compute_parallel(c, n, EXPAND_GRAIN_BYTES / (w->in * sizeof(float)) + 1, expand_part, &j);
    return j.dst;
}

static size_t slab_rows(const struct weight *w)
{
    size_t n = SLAB_BYTES / (w->in * sizeof(float) + 1);

    if (w->kind == WEIGHT_DENSE && w->dtype == DTYPE_F32)
        return w->out;
    return n < 64 ? 64 : n;
}

/* Panels of GGUF blocks have no fast way to f32, and so none to bf16. */
static bool expands(const struct weight *w) { return w->kind != WEIGHT_PANELS || panels_expand(&w->panels); }

/* Many rows in bf16: what is not f32 in bf16 mode; with AMX what is quantised in the mode of 8 bits, too. */
static bool many_by_bf16(const struct compute *c, const struct weight *w)
{
    if (!compute_bf16_is_fast(c) || c->math == GEMM_F32 || (w->kind == WEIGHT_DENSE && w->dtype == DTYPE_F32) || !expands(w))
        return false;
    return c->math == GEMM_BF16 ? w->kind != WEIGHT_PANELS || c->vec->has_amx : w->kind != WEIGHT_DENSE && c->vec->has_amx;
}

void gemm_forward(struct compute *c, float *y, size_t ldy, const float *x, size_t ldx, size_t rows, const struct weight *w)
{
    bool few = c->rows == GEMM_ROWS_FEW || (c->rows == GEMM_ROWS_ANY && rows <= GEMM_FEW_ROWS), bf16 = !few && many_by_bf16(c, w);

    if (w->kind == WEIGHT_PANELS && c->math != GEMM_F32 && !bf16)
        panel_forward(c, y, ldy, x, ldx, rows, w);
    else if (few && w->kind != WEIGHT_PANELS)
        forward_few(c, y, ldy, x, ldx, rows, w);
    else
        many_forward(c, bf16, y, ldy, x, ldx, rows, w);
}

void gemm_backward(struct compute *c, float *dx, size_t lddx, const float *dy, size_t lddy, size_t rows, const struct weight *w,
                   bool accumulate)
{
    if (many_backward(c, many_by_bf16(c, w), dx, lddx, dy, lddy, rows, w, accumulate))
        return;
    for (size_t first = 0, step = slab_rows(w); first < w->out; first += step) {
        size_t n = w->out - first < step ? w->out - first : step;
        float beta = accumulate || first ? 1 : 0;

        gemm_f32(c, false, false, rows, w->in, n, 1, dy + first, lddy, slab(c, w, first, n), w->in, beta, dx, lddx);
    }
}

void gemm_grad(struct compute *c, float *dw, const float *dy, size_t lddy, size_t out, const float *x, size_t ldx, size_t in,
               size_t rows)
{
    gemm_f32(c, true, false, out, in, rows, 1, dy, lddy, x, ldx, 1, dw, in);
}

/* ── the oracle ── */

static float block_element(const struct weight *w, size_t i)
{
    float block[BLOCK_ELEMENTS_MAX];
    size_t n = w->blocks->elements;

    w->blocks->dequantize(block, (const uint8_t *)w->data + i / n * w->blocks->bytes, 1);
    return block[i % n];
}

static double element(const struct weight *w, size_t i)
{
    float f = 0;

    if (w->kind == WEIGHT_NF4)
        nf4_dequantize(&w->nf4, &f, i, 1);
    else if (w->kind == WEIGHT_PANELS)
        panels_dequantize(&w->panels, &f, i, 1);
    else if (w->kind == WEIGHT_BLOCKS)
        f = block_element(w, i);
    else
        (void)dtype_to_f32(&f, (const char *)w->data + i * dtype_size(w->dtype), w->dtype, 1, NULL);  /* a float dtype by construction */
    return (double)f;
}

void gemm_forward_naive(float *y, size_t ldy, const float *x, size_t ldx, size_t rows, const struct weight *w)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t o = 0; o < w->out; o++) {
            double sum = 0;

            for (size_t i = 0; i < w->in; i++)
                sum += (double)x[r * ldx + i] * element(w, o * w->in + i);
            y[r * ldy + o] = (float)sum;
        }
}
