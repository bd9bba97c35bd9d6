/* What the tests of panels share: products with x in 8 bits by each row of kernels that this CPU has, and what they make of bad numbers. */
#ifndef TEST_TENSOR_INT8_PRODUCTS_H
#define TEST_TENSOR_INT8_PRODUCTS_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/mem.h"
#include "tensor/gemm.h"
#include "tensor/vec.h"

static inline struct compute *int8_compute(int threads, const char *kernels)
{
    struct compute *c = NULL;
    struct err e;

    assert_int_equal(compute_new(threads, kernels, &c, &e), ERR_OK);
    compute_set_math(c, GEMM_INT8);
    return c;
}

/* y = x w', x[rows][w->in] and y[rows][w->out], by one thread of that row of kernels; false where this CPU lacks it. */
static inline bool int8_product(const struct vec_ops *kernels, float *y, const float *x, size_t rows, const struct weight *w)
{
    if (!kernels->supported())
        return false;
    AUTO_FREE(compute) c = int8_compute(1, kernels->name);
    gemm_forward(c, y, w->out, x, w->in, rows, w);
    return true;
}

/* A number at x[1][place] that is none makes the second of three rows of results NaN and leaves the others alone. */
static inline void expect_no_number(const struct vec_ops *kernels, float *x, size_t place, const struct weight *w)
{
    const float bad[] = { NAN, -NAN, INFINITY, -INFINITY };
    size_t out = w->out;
    AUTO_MEM float *want = xcalloc(3 * out, sizeof *want), *y = xcalloc(3 * out, sizeof *y);
    float *at = &x[w->in + place], before = *at;

    if (!int8_product(kernels, want, x, 3, w))
        return;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        *at = bad[i];
        int8_product(kernels, y, x, 3, w);
        for (size_t o = 0; o < out; o++)
            assert_true(isnan(y[out + o]));
        assert_memory_equal(y, want, out * sizeof *y);
        assert_memory_equal(y + 2 * out, want + 2 * out, out * sizeof *y);
    }
    *at = before;
}

#endif
