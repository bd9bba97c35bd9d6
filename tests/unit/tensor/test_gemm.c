/* Every product and every vector kernel against the plain loops, for each instruction set this CPU has. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/mem.h"
#include "tensor/gemm.h"
#include "tensor/vec.h"
#include "../noise.h"

/* Sums of `in` products of numbers below 1: f32's rounding grows with their root. */
static void assert_close(const float *got, const float *want, size_t n, size_t in, double unit)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - (double)want[i]) <= unit * sqrt((double)in + 1)))
            fail_msg("element %zu: got %.9g, want %.9g", i, (double)got[i], (double)want[i]);
}

static struct weight make_weight(const char *kind, size_t out, size_t in, void **owned)
{
    float *f = noises(out * in);
    struct tensor t = { .dtype = DTYPE_F32, .ndim = 2, .shape = { out, in }, .len = out * in, .data = f };
    struct weight w = { .out = out, .in = in };
    struct err e;

    *owned = f;
    if (streq(kind, "nf4") || streq(kind, "nf4-bf16")) {
        w.kind = WEIGHT_NF4;
        assert_int_equal(nf4_from_tensor(&t, nf4_code, true, 1, &w.nf4, &e), ERR_OK);
        w.nf4.dtype = streq(kind, "nf4") ? DTYPE_F32 : DTYPE_BF16;
        return w;
    }
    if (streq(kind, "int8") || streq(kind, "q4")) {
        struct weight dense = weight_f32(f, out, in);

        w.kind = WEIGHT_PANELS;
        assert_int_equal(panels_from_weight(&dense, streq(kind, "q4") ? PANELS_Q4 : PANELS_INT8, 2, &w.panels, &e), ERR_OK);
        return w;
    }
    w.data = f;
    w.dtype = streq(kind, "f32") ? DTYPE_F32 : streq(kind, "bf16") ? DTYPE_BF16 : DTYPE_F16;
    for (size_t i = 0; w.dtype != DTYPE_F32 && i < out * in; i++) {
        uint16_t h = w.dtype == DTYPE_BF16 ? f32_to_bf16(f[i]) : f32_to_f16(f[i]);
        memcpy((uint16_t *)(void *)f + i, &h, sizeof h);
    }
    return w;
}

/* Columns of wider arrays: x [rows, in] and y [rows, out]. */
struct pair { float *x, *y; size_t rows, ldx, ldy; };

static void check_forward(struct compute *c, const struct weight *w, const struct pair *p)
{
    AUTO_MEM float *want = xcalloc(p->rows * p->ldy, sizeof *want);

    gemm_forward_naive(want, p->ldy, p->x, p->ldx, p->rows, w);
    gemm_forward(c, p->y, p->ldy, p->x, p->ldx, p->rows, w);
    for (size_t r = 0; r < p->rows; r++)
        assert_close(p->y + r * p->ldy, want + r * p->ldy, w->out, w->in, 2e-6);
}

/* dx + y . w, added at once, and computed apart and added afterwards. */
static void check_backward_of_input(struct compute *c, const struct weight *w, const struct pair *p, float *dx)
{
    size_t rows = p->rows, in = w->in;
    AUTO_MEM float *dense = xcalloc(w->out * in, sizeof *dense), *want = xcalloc(rows * in, sizeof *want);
    AUTO_MEM float *fresh = noises(rows * in), *sum_of = xmemdup(dx, rows * in * sizeof *dx);

    weight_rows_f32(w, dense, 0, w->out);
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < in; i++) {
            double sum = (double)dx[r * in + i];
            for (size_t o = 0; o < w->out; o++)
                sum += (double)p->y[r * p->ldy + o] * (double)dense[o * in + i];
            want[r * in + i] = (float)sum;
        }
    gemm_backward(c, fresh, in, p->y, p->ldy, rows, w, false);
    for (size_t i = 0; i < rows * in; i++)
        sum_of[i] += fresh[i];
    gemm_backward(c, dx, in, p->y, p->ldy, rows, w, true);
    for (size_t r = 0; r < rows; r++) {
        assert_close(dx + r * in, want + r * in, in, w->out * in, 1e-5);
        assert_close(sum_of + r * in, want + r * in, in, w->out * in, 1e-5);
    }
}

static void check_backward_of_weight(struct compute *c, size_t out, size_t in, const struct pair *p, float *dw)
{
    AUTO_MEM float *want = xcalloc(out * in, sizeof *want);

    for (size_t o = 0; o < out; o++)
        for (size_t i = 0; i < in; i++) {
            double sum = (double)dw[o * in + i];
            for (size_t r = 0; r < p->rows; r++)
                sum += (double)p->y[r * p->ldy + o] * (double)p->x[r * p->ldx + i];
            want[o * in + i] = (float)sum;
        }
    gemm_grad(c, dw, p->y, p->ldy, out, p->x, p->ldx, in, p->rows);
    assert_close(dw, want, out * in, p->rows * in, 1e-5);
}

static void check_products(struct compute *c, const struct weight *w, size_t rows)
{
    size_t ldx = w->in + 3, ldy = w->out + 5;
    AUTO_MEM float *x = noises(rows * ldx), *y = noises(rows * ldy), *dx = noises(rows * w->in), *dw = noises(w->out * w->in);
    const struct pair p = { x, y, rows, ldx, ldy };

    check_forward(c, w, &p);
    check_backward_of_input(c, w, &p, dx);
    check_backward_of_weight(c, w->out, w->in, &p, dw);
}

static void products_equal_the_oracle(void **state)
{
    static const char *const kinds[] = { "f32", "bf16", "f16", "nf4", "nf4-bf16", "int8", "q4" };
    static const size_t shapes[][2] = { { 7, 64 }, { 33, 128 }, { 24, 232 }, { 1, 1 }, { 130, 67 } }, rows[] = { 1, 3, 6, 16, 40 };
    size_t n;
    const struct vec_ops *const *all = vec_all(&n);

    for (size_t v = 0; v < n; v++) {
        AUTO_FREE(compute) c = NULL;
        struct err e;

        if (!all[v]->supported())
            continue;
        assert_int_equal(compute_new(2, all[v]->name, &c, &e), ERR_OK);
        for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
            for (size_t s = 0; s < ARRAY_LEN(shapes); s++) {
                AUTO_MEM void *owned = NULL;
                struct weight w = make_weight(kinds[k], shapes[s][0], shapes[s][1], &owned);

                for (size_t r = 0; r < ARRAY_LEN(rows); r++)
                    check_products(c, &w, rows[r]);
                weight_done(&w);
            }
    }
}

/* Matrices beyond the slab that is expanded at a time: the parts must add up. */
static void products_of_several_slabs_equal_the_oracle(void **state)
{
    static const char *const kinds[] = { "bf16", "nf4-bf16" };

    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        AUTO_MEM void *owned = NULL;
        AUTO_FREE(compute) c = NULL;
        struct weight w = make_weight(kinds[k], 150, 16448, &owned);
        struct err e;

        assert_int_equal(compute_new(2, NULL, &c, &e), ERR_OK);
        check_products(c, &w, 17);
        weight_done(&w);
    }
}

/* One row of x at a time gives the bits that all give together. */
static void check_company(const char *kernels, enum gemm_math math, enum gemm_rows mode, const char *kind, size_t in, size_t rows)
{
    size_t out = 50;
    AUTO_MEM void *owned = NULL;
    AUTO_MEM float *x = noises(rows * in), *all = noises(rows * out), *one = noises(out);
    struct weight w = make_weight(kind, out, in, &owned);
    AUTO_FREE(compute) c1 = NULL;
    AUTO_FREE(compute) c2 = NULL;
    struct err e;

    assert_int_equal(compute_new(1, kernels, &c1, &e), ERR_OK);
    assert_int_equal(compute_new(2, kernels, &c2, &e), ERR_OK);
    compute_set_math(c1, math);
    compute_set_math(c2, math);
    compute_set_rows(c1, mode);
    compute_set_rows(c2, mode);
    gemm_forward(c2, all, out, x, in, rows, &w);
    for (size_t r = 0; r < rows; r++) {
        gemm_forward(c1, one, out, x + r * in, in, 1, &w);
        assert_memory_equal(one, all + r * out, out * sizeof *one);
    }
    weight_done(&w);
}

static const enum gemm_math dense_modes[] = { GEMM_F32, GEMM_BF16 };

/* The promise behind batching: a row's result does not depend on its neighbours or on the thread count. */
static void few_rows_are_the_same_bits_in_any_company(void **state)
{
    static const char *const kinds[] = { "f32", "bf16", "nf4-bf16", "f32", "bf16", "nf4-bf16" };
    static const size_t ins[] = { 192, 192, 192, 232, 71, 232 };
    size_t n;
    const struct vec_ops *const *all = vec_all(&n);

    for (size_t v = 0; v < n; v++)
        for (size_t k = 0; all[v]->supported() && k < ARRAY_LEN(kinds); k++)
            for (size_t m = 0; m < ARRAY_LEN(dense_modes); m++)
                check_company(all[v]->name, dense_modes[m], GEMM_ROWS_ANY, kinds[k], ins[k], GEMM_FEW_ROWS - k % 2);
}

/* The same for any number of rows, on request. */
static void rows_are_the_same_bits_in_any_number(void **state)
{
    static const char *const kinds[] = { "f32", "bf16", "nf4-bf16" };
    static const enum gemm_rows modes[] = { GEMM_ROWS_FEW, GEMM_ROWS_MANY };
    size_t n;
    const struct vec_ops *const *all = vec_all(&n);

    for (size_t v = 0; v < n; v++)
        for (size_t k = 0; all[v]->supported() && k < 4 * ARRAY_LEN(kinds); k++)
            check_company(all[v]->name, dense_modes[k / 2 % 2], modes[k % 2], kinds[k / 4], 192, 133);
}

/* The same for prompts: whatever else is in the chunk, and however tall it is. */
static void many_rows_are_the_same_bits_in_any_company(void **state)
{
    static const char *const kinds[] = { "f32", "bf16", "f16", "nf4-bf16" };
    static const size_t ins[] = { 640, 71 }, counts[] = { 17, 31 };
    size_t n, out = 90, rows = 50;
    const struct vec_ops *const *all = vec_all(&n);

    for (size_t v = 0; v < n; v++)
        for (size_t k = 0; all[v]->supported() && k < ARRAY_LEN(kinds) * ARRAY_LEN(ins) * ARRAY_LEN(dense_modes); k++) {
            size_t in = ins[k % 2];
            AUTO_MEM void *owned = NULL;
            AUTO_MEM float *x = noises(rows * in), *whole = noises(rows * out), *part = noises(rows * out);
            struct weight w = make_weight(kinds[k / 2 % ARRAY_LEN(kinds)], out, in, &owned);
            AUTO_FREE(compute) c1 = NULL;
            AUTO_FREE(compute) c3 = NULL;
            struct err e;

            assert_int_equal(compute_new(1, all[v]->name, &c1, &e), ERR_OK);
            assert_int_equal(compute_new(3, all[v]->name, &c3, &e), ERR_OK);
            compute_set_math(c1, dense_modes[k / 8]);
            compute_set_math(c3, dense_modes[k / 8]);
            gemm_forward(c3, whole, out, x, in, rows, &w);
            for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
                gemm_forward(c1, part, out, x + 5 * in, in, counts[i], &w);
                assert_memory_equal(part, whole + 5 * out, counts[i] * out * sizeof *part);
            }
            weight_done(&w);
        }
}

/* What the product is of in bf16 mode: x rounded; weights as they are, unless many rows go through products of bf16. */
static void bf16_factors(const struct compute *c, float *x, size_t n_x, const struct weight *w, float *dense, size_t rows)
{
    bool rounds = compute_bf16_is_fast(c) && rows > GEMM_FEW_ROWS && !(w->kind == WEIGHT_DENSE && w->dtype == DTYPE_F32);

    for (size_t i = 0; i < n_x; i++)
        x[i] = f32_round_bf16(x[i]);
    weight_rows_f32(w, dense, 0, w->out);
    for (size_t i = 0; rounds && i < w->out * w->in; i++)
        dense[i] = f32_round_bf16(dense[i]);
}

static void check_bf16(const char *kernels, const char *kind, size_t in, size_t rows)
{
    size_t out = 90, ldx = in + 3, ldy = out + 5;
    AUTO_MEM void *owned = NULL;
    AUTO_MEM float *x = noises(rows * ldx), *y = noises(rows * ldy), *want = noises(rows * ldy), *before = xmemdup(y, rows * ldy * sizeof *y);
    AUTO_MEM float *dense = noises(out * in);
    struct weight w = make_weight(kind, out, in, &owned), factors = weight_f32(dense, out, in);
    AUTO_FREE(compute) c = NULL;
    struct err e;

    assert_int_equal(compute_new(2, kernels, &c, &e), ERR_OK);
    compute_set_math(c, GEMM_BF16);
    gemm_forward(c, y, ldy, x, ldx, rows, &w);
    bf16_factors(c, x, rows * ldx, &w, dense, rows);
    gemm_forward_naive(want, ldy, x, ldx, rows, &factors);
    for (size_t r = 0; r < rows; r++) {
        assert_close(y + r * ldy, want + r * ldy, out, in, 2e-6);
        assert_memory_equal(y + r * ldy + out, before + r * ldy + out, (ldy - out) * sizeof *y);
    }
    weight_done(&w);
}

static void bf16_mode_rounds_factors_alone(void **state)
{
    static const size_t ins[] = { 1, 71, 256, 1100, 1088 }, rows[] = { 1, 2, 7, 8, 11, 16, 17, 33, 64, 100 };
    static const char *const others[] = { "f16", "nf4", "f32", "nf4-bf16" };
    size_t n;
    const struct vec_ops *const *all = vec_all(&n);

    for (size_t v = 0; v < n; v++)
        for (size_t i = 0; all[v]->supported() && i < ARRAY_LEN(ins) * ARRAY_LEN(rows); i++) {
            check_bf16(all[v]->name, "bf16", ins[i % ARRAY_LEN(ins)], rows[i / ARRAY_LEN(ins)]);
            check_bf16(all[v]->name, others[i % ARRAY_LEN(others)], ins[i % ARRAY_LEN(ins)], rows[i / ARRAY_LEN(ins)]);
        }
}

/* dx += dy . w, of factors rounded to bf16 where the CPU multiplies them; the same bits whatever threads there are and rows come with. */
static void check_backward(const char *kernels, enum gemm_math math, const char *kind, size_t out, size_t in, size_t rows)
{
    size_t lddy = out + 3, lddx = in + 5;
    AUTO_MEM void *owned = NULL;
    AUTO_MEM float *dy = noises(rows * lddy), *dx = noises(rows * lddx), *alone = xmemdup(dx, rows * lddx * sizeof *dx);
    AUTO_MEM float *dense = noises(out * in), *before = xmemdup(dx, rows * lddx * sizeof *dx), *want = noises(in);
    struct weight w = make_weight(kind, out, in, &owned);
    AUTO_FREE(compute) c1 = NULL;
    AUTO_FREE(compute) c3 = NULL;
    struct err e;

    assert_int_equal(compute_new(1, kernels, &c1, &e), ERR_OK);
    assert_int_equal(compute_new(3, kernels, &c3, &e), ERR_OK);
    compute_set_math(c1, math);
    compute_set_math(c3, math);
    gemm_backward(c3, dx, lddx, dy, lddy, rows, &w, true);
    for (size_t r = 0; r < rows; r++)
        gemm_backward(c1, alone + r * lddx, lddx, dy + r * lddy, lddy, 1, &w, true);
    assert_memory_equal(alone, dx, rows * lddx * sizeof *dx);
    if (math == GEMM_BF16 && compute_bf16_is_fast(c1) && !streq(kind, "f32"))
        bf16_factors(c1, dy, rows * lddy, &w, dense, GEMM_FEW_ROWS + 1);
    else
        weight_rows_f32(&w, dense, 0, out);
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < in; i++) {
            double sum = (double)before[r * lddx + i];
            for (size_t o = 0; o < out; o++)
                sum += (double)dy[r * lddy + o] * (double)dense[o * in + i];
            want[i] = (float)sum;
        }
        assert_close(dx + r * lddx, want, in, out, 2e-6);
        assert_memory_equal(dx + r * lddx + in, before + r * lddx + in, (lddx - in) * sizeof *dx);
    }
    weight_done(&w);
}

static void gradients_to_the_input_equal_the_oracle(void **state)
{
    static const char *const kinds[] = { "f32", "bf16", "f16", "nf4", "nf4-bf16" };
    static const size_t shapes[][3] = { { 600, 330, 13 }, { 33, 64, 40 }, { 70, 71, 2 }, { 1100, 320, 14 } };
    size_t n;
    const struct vec_ops *const *all = vec_all(&n);

    for (size_t v = 0; v < n; v++)
        for (size_t k = 0; all[v]->supported() && k < ARRAY_LEN(kinds) * ARRAY_LEN(shapes) * ARRAY_LEN(dense_modes); k++) {
            const size_t *s = shapes[k / ARRAY_LEN(kinds) % ARRAY_LEN(shapes)];
            check_backward(all[v]->name, dense_modes[k % 2], kinds[k % ARRAY_LEN(kinds)], s[0], s[1], s[2]);
        }
}

static void round_all(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = f32_round_bf16(x[i]);
}

/* The same bits as rounding before and after: y = x . w^T, dx += dy . w; what lies between the rows stays. */
static void check_rounding(struct compute *c, const struct weight *w, size_t rows)
{
    size_t ldx = w->in + 3, ldy = w->out + 5;
    AUTO_MEM float *x = noises(rows * ldx), *y = noises(rows * ldy), *x_want = xmemdup(x, rows * ldx * sizeof *x);
    AUTO_MEM float *y_want = xmemdup(y, rows * ldy * sizeof *y), *x_round = xmemdup(x, rows * ldx * sizeof *x), *dy_round;

    compute_set_rounding(c, true, true);
    gemm_forward(c, y, ldy, x, ldx, rows, w);
    compute_set_rounding(c, false, false);
    round_all(x_round, rows * ldx);
    gemm_forward(c, y_want, ldy, x_round, ldx, rows, w);
    for (size_t r = 0; r < rows; r++)
        round_all(y_want + r * ldy, w->out);
    assert_memory_equal(y, y_want, rows * ldy * sizeof *y);

    for (size_t i = 0; i < rows * ldy; i++)
        y[i] *= 1.01f;
    dy_round = xmemdup(y, rows * ldy * sizeof *y);
    compute_set_rounding(c, true, true);
    gemm_backward(c, x, ldx, y, ldy, rows, w, true);
    compute_set_rounding(c, false, false);
    round_all(dy_round, rows * ldy);
    gemm_backward(c, x_want, ldx, dy_round, ldy, rows, w, true);
    for (size_t r = 0; r < rows; r++)
        round_all(x_want + r * ldx, w->in);
    assert_memory_equal(x, x_want, rows * ldx * sizeof *x);
}

static void rounding_is_that_before_and_after(void **state)
{
    static const char *const kinds[] = { "f32", "bf16", "nf4" };
    static const size_t shapes[][3] = { { 130, 192, 40 }, { 70, 300, 7 } };
    size_t n;
    const struct vec_ops *const *all = vec_all(&n);

    for (size_t v = 0; v < n; v++)
        for (size_t k = 0; all[v]->supported() && k < ARRAY_LEN(kinds) * ARRAY_LEN(shapes); k++) {
            const size_t *s = shapes[k % ARRAY_LEN(shapes)];
            AUTO_MEM void *owned = NULL;
            struct weight w = make_weight(kinds[k / ARRAY_LEN(shapes)], s[0], s[1], &owned);
            AUTO_FREE(compute) c = NULL;
            struct err e;
            assert_int_equal(compute_new(2, all[v]->name, &c, &e), ERR_OK);
            check_rounding(c, &w, s[2]);
            weight_done(&w);
        }
}

static void check_elementwise(const struct vec_ops *v, size_t n)
{
    AUTO_MEM float *a = noises(n), *b = noises(n), *d = noises(n), *y = noises(n), *u = noises(n);
    double dot = 0, sum = 0;
    float largest = n ? a[0] : 0;

    for (size_t i = 0; i < n; i++) {
        dot += (double)a[i] * (double)b[i];
        largest = fmaxf(largest, a[i]);
    }
    assert_true(fabs((double)v->dot(a, b, n) - dot) < 1e-5 * sqrt((double)n + 1));
    v->swiglu(y, a, b, n);
    for (size_t i = 0; i < n; i++)
        assert_true(fabs((double)y[i] - (double)a[i] / (1 + exp(-(double)a[i])) * (double)b[i]) < 1e-6);
    v->swiglu_grad(y, u, d, a, b, n);
    for (size_t i = 0; i < n; i++) {
        double s = 1 / (1 + exp(-(double)a[i]));
        assert_true(fabs((double)y[i] - (double)d[i] * (double)b[i] * (s + (double)a[i] * s * (1 - s))) < 2e-6);
        assert_true(fabs((double)u[i] - (double)d[i] * (double)a[i] * s) < 2e-6);
    }
    if (n == 0)
        return;
    assert_true(v->max(a, n) == largest);
    for (size_t i = 0; i < n; i++)
        sum += exp(20 * (double)a[i] - 20 * (double)largest);
    memcpy(y, a, n * sizeof *y);
    v->scale(y, 20, n);
    float got = v->exp_sum(y, 20 * largest, n);
    assert_true(fabs((double)got - sum) < 2e-5 * sum);
}

static void element_wise_kernels_equal_libm(void **state)
{
    size_t n;
    const struct vec_ops *const *all = vec_all(&n);

    for (size_t v = 0; v < n; v++)
        for (size_t len = 0; all[v]->supported() && len < 70; len++)
            check_elementwise(all[v], len);
}

/* Also of a vocabulary, where most of the sum is what is small. */
static void sums_of_exponentials_are_exact(void **state)
{
    static const size_t lengths[] = { 1, 15, 128, 131, 2048, 32064, 151936 };
    size_t n;
    const struct vec_ops *const *all = vec_all(&n);

    for (size_t v = 0; v < n; v++)
        for (size_t i = 0; all[v]->supported() && i < ARRAY_LEN(lengths); i++) {
            AUTO_MEM float *x = noises(lengths[i]);
            double sum = 0;
            for (size_t k = 0; k < lengths[i]; k++) {
                x[k] *= 8;
                sum += exp((double)x[k] - (double)7.5f);
            }
            assert_true(fabs(all[v]->exp_total(x, 7.5f, lengths[i]) - sum) < 1e-6 * sum);
        }
}

/* At the thresholds themselves and right beside them, in every lane. */
static void codes_count_thresholds(void **state)
{
    float thresholds[15], x[NF4_BLOCK];
    uint8_t codes[NF4_BLOCK];
    size_t n;
    const struct vec_ops *const *all = vec_all(&n);

    for (size_t t = 0; t < 15; t++)
        thresholds[t] = -0.9f + 0.125f * (float)(t + t * t % 3);
    for (size_t v = 0; v < n; v++)
        for (size_t turn = 0; all[v]->supported() && turn < 45; turn++) {
            for (size_t i = 0; i < NF4_BLOCK; i++) {
                size_t k = (i + turn) % 45;
                x[i] = k % 3 == 0 ? thresholds[k / 3] : nextafterf(thresholds[k / 3], k % 3 == 1 ? 2 : -2);
            }
            x[turn] = turn % 2 ? 1 : -1;
            all[v]->nf4_codes(codes, x, 1, thresholds);
            for (size_t i = 0; i < NF4_BLOCK; i++) {
                unsigned above = 0;
                for (size_t t = 0; t < 15; t++)
                    above += x[i] > thresholds[t];
                assert_int_equal(codes[i], above);
            }
        }
}

static void exponential_is_calm_at_the_edges(void **state)
{
    size_t n;
    const struct vec_ops *const *all = vec_all(&n);

    for (size_t v = 0; v < n; v++) {
        float x[3] = { -INFINITY, 0, -200 };

        if (!all[v]->supported())
            continue;
        assert_true(all[v]->exp_sum(x, 0, 3) == 1);
        assert_true(x[0] == 0 && x[1] == 1 && x[2] == 0);
    }
}

static void unknown_kernels_are_refused(void **state)
{
    struct compute *c;
    struct err e;

    assert_int_equal(compute_new(1, "abacus", &c, &e), ERR_UNSUPPORTED);
    assert_int_equal(compute_new(-1, NULL, &c, &e), ERR_INVALID);
}

/* c = alpha op(a) op(b) + beta c, cut over threads along its longer side; what lies between the rows of c stays. */
static void general_products_are_right_for_any_threads(void **state)
{
    enum { LONG = 203, SHORT = 49, K = 131, PAD = 3, CELLS = (LONG + PAD) * (LONG + PAD) };
    static float a[CELLS], b[CELLS], c[CELLS], want[CELLS];

    (void)state;
    for (size_t i = 0; i < CELLS; i++) {
        a[i] = (float)(i * 7 % 19) / 16 - 0.5f;
        b[i] = (float)(i * 5 % 23) / 16 - 0.6f;
    }
    for (int i = 0; i < 24; i++) {
        bool ta = i & 1, tb = i & 2;
        size_t m = i & 4 ? LONG : SHORT, n = i & 4 ? SHORT : LONG, lda = (ta ? m : K) + PAD, ldb = (tb ? K : n) + PAD, ldc = n + PAD;
        AUTO_FREE(compute) x = NULL;
        struct err e;

        for (size_t j = 0; j < CELLS; j++)
            want[j] = c[j] = (float)(j % 11);
        for (size_t r = 0; r < m; r++)
            for (size_t o = 0; o < n; o++) {
                double sum = 0;
                for (size_t k = 0; k < K; k++)
                    sum += (double)a[ta ? k * lda + r : r * lda + k] * (double)b[tb ? o * ldb + k : k * ldb + o];
                want[r * ldc + o] = (float)(1.5 * sum + 0.5 * (double)c[r * ldc + o]);
            }
        assert_int_equal(compute_new(1 + i / 8, NULL, &x, &e), ERR_OK);
        gemm_f32(x, ta, tb, m, n, K, 1.5f, a, lda, b, ldb, 0.5f, c, ldc);
        for (size_t j = 0; j < CELLS; j++)
            assert_true(fabsf(c[j] - want[j]) <= 1e-4f);
    }
}

/* Products of few columns, or sums of few products, by every row of kernels: what c holds is not read when beta is 0. */
static void check_narrow(const char *kernels, int threads, bool ta, bool tb, size_t m, size_t n, size_t k, float beta)
{
    size_t lda = (ta ? m : k) + 3, ldb = (tb ? k : n) + (n == 16 ? 0 : 2), ldc = n + 1;
    float *a = calloc((ta ? k : m) * lda, sizeof *a), *b = calloc((tb ? n : k) * ldb, sizeof *b), *c = calloc(m * ldc, sizeof *c);
    AUTO_FREE(compute) x = NULL;
    struct err e;

    for (size_t i = 0; i < (ta ? k : m) * lda; i++)
        a[i] = (float)(i * 7 % 19) / 16 - 0.5f;
    for (size_t i = 0; i < (tb ? n : k) * ldb; i++)
        b[i] = (float)(i * 5 % 23) / 16 - 0.6f;
    for (size_t i = 0; i < m * ldc; i++)
        c[i] = beta == 0 && i % ldc < n ? NAN : (float)(i % 11);
    assert_int_equal(compute_new(threads, kernels, &x, &e), ERR_OK);
    gemm_f32(x, ta, tb, m, n, k, -1.5f, a, lda, b, ldb, beta, c, ldc);
    for (size_t r = 0; r < m; r++)
        for (size_t o = 0; o < ldc; o++) {
            double sum = 0, was = beta == 0 ? 0 : (double)beta * (double)((r * ldc + o) % 11);
            for (size_t i = 0; o < n && i < k; i++)
                sum += (double)a[ta ? i * lda + r : r * lda + i] * (double)b[tb ? o * ldb + i : i * ldb + o];
            double want = o < n ? was - 1.5 * sum : (double)((r * ldc + o) % 11);
            if (!(fabs((double)c[r * ldc + o] - want) <= 2e-4))
                fail_msg("%s, %zu x %zu x %zu, row %zu column %zu: %.9g instead of %.9g", kernels, m, n, k, r, o, (double)c[r * ldc + o], want);
        }
    free(a);
    free(b);
    free(c);
}

static void narrow_products_are_right(void **state)
{
    static const size_t shapes[][3] = { { 61, 16, 300 }, { 61, 8, 19 }, { 3, 5, 600 }, { 61, 203, 16 }, { 7, 41, 3 }, { 1, 1, 1 }, { 16, 77, 61 }, { 25, 32, 257 } };
    size_t rows;
    const struct vec_ops *const *all = vec_all(&rows);

    (void)state;
    for (size_t v = 0; v < rows; v++)
        for (size_t i = 0; all[v]->supported() && i < ARRAY_LEN(shapes); i++)
            for (int way = 0; way < 8; way++)
                check_narrow(all[v]->name, 1 + way % 3, way & 1, way & 2, shapes[i][0], shapes[i][1], shapes[i][2], way & 4 ? 0.5f : 0);
}

/* Panels made once are those made each time. */
static void packed_weights_give_the_same_bits(void **state)
{
    static const size_t shapes[][3] = { { 40, 53, 77 }, { 17, 192, 576 }, { 90, 300, 16 } };
    size_t rows;
    const struct vec_ops *const *all = vec_all(&rows);

    (void)state;
    for (size_t v = 0; v < rows; v++)
        for (size_t i = 0; all[v]->supported() && i < ARRAY_LEN(shapes); i++) {
            size_t n = shapes[i][0], out = shapes[i][1], in = shapes[i][2];
            float *w = calloc(out * in, sizeof *w), *x = calloc(n * in, sizeof *x), *y[2], *dx[2];
            struct weight plain = weight_f32(w, out, in), packed = plain;
            AUTO_FREE(compute) c = NULL;
            AUTO_MEM void *memory = NULL;
            struct err e;

            for (size_t k = 0; k < out * in; k++)
                w[k] = (float)(k * 7 % 19) / 16 - 0.5f;
            for (size_t k = 0; k < n * in; k++)
                x[k] = (float)(k * 5 % 23) / 16 - 0.6f;
            assert_int_equal(compute_new(2, all[v]->name, &c, &e), ERR_OK);
            assert_int_equal(weight_pack(c, &packed, &memory, &e), ERR_OK);
            for (int p = 0; p < 2; p++) {
                y[p] = calloc(n * out, sizeof(float));
                dx[p] = calloc(n * in, sizeof(float));
                if (p)
                    memset(w, 0, out * in * sizeof *w);         /* so that it is the panels that are read */
                gemm_forward(c, y[p], out, x, in, n, p ? &packed : &plain);
                gemm_backward(c, dx[p], in, y[0], out, n, p ? &packed : &plain, false);
            }
            assert_memory_equal(y[0], y[1], n * out * sizeof(float));
            assert_memory_equal(dx[0], dx[1], n * in * sizeof(float));
            for (int p = 0; p < 2; p++) {
                free(y[p]);
                free(dx[p]);
            }
            free(w);
            free(x);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(general_products_are_right_for_any_threads), cmocka_unit_test(narrow_products_are_right),
        cmocka_unit_test(packed_weights_give_the_same_bits),
        cmocka_unit_test(products_equal_the_oracle),
        cmocka_unit_test(products_of_several_slabs_equal_the_oracle),
        cmocka_unit_test(few_rows_are_the_same_bits_in_any_company),
        cmocka_unit_test(rows_are_the_same_bits_in_any_number),
        cmocka_unit_test(many_rows_are_the_same_bits_in_any_company),
        cmocka_unit_test(bf16_mode_rounds_factors_alone), cmocka_unit_test(gradients_to_the_input_equal_the_oracle),
        cmocka_unit_test(rounding_is_that_before_and_after), cmocka_unit_test(sums_of_exponentials_are_exact),
        cmocka_unit_test(codes_count_thresholds),
        cmocka_unit_test(element_wise_kernels_equal_libm),
        cmocka_unit_test(exponential_is_calm_at_the_edges),
        cmocka_unit_test(unknown_kernels_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
