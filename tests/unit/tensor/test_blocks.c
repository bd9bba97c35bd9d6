/* Every block format against what PyPI's gguf makes of the same bytes (tests/golden/gguf/record.py), and products with blocks. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/mem.h"
#include "tensor/gemm.h"
#include "tensor/safetensors.h"
#include "tensor/vec.h"
#include "../noise.h"

static struct safetensors *truths(void)
{
    AUTO_MEM char *path = xasprintf("%s/tests/golden/gguf/blocks.safetensors", getenv("KAITO_SOURCE"));
    struct safetensors *s = NULL;
    struct err e;

    if (safetensors_open(path, &s, &e))
        fail_msg("%s", e.text);
    return s;
}

static const struct tensor *truth(const struct safetensors *s, const char *format, const char *what)
{
    AUTO_MEM char *name = xasprintf("%s.%s", format, what);

    return safetensors_get(s, name);
}

static bool is_blocks(const struct block_format *f) { return f->elements > 1; }

static void blocks_dequantize_as_gguf_does(void **state)
{
    AUTO_FREE(safetensors) s = truths();

    for (size_t i = 0; block_format_at(i); i++) {
        const struct block_format *f = block_format_at(i);
        const struct tensor *blocks = truth(s, f->name, "blocks"), *values = truth(s, f->name, "values");

        if (!is_blocks(f))
            continue;
        assert_non_null(blocks);
        assert_int_equal(blocks->shape[1], f->bytes);
        assert_int_equal(values->shape[1], f->elements);
        AUTO_MEM float *got = xcalloc(values->len, sizeof *got), *want = xcalloc(values->len, sizeof *want);
        f->dequantize(got, blocks->data, blocks->shape[0]);
        memcpy(want, values->data, values->len * sizeof *want);
        for (size_t k = 0; k < values->len; k++)
            if (!(fabs((double)got[k] - (double)want[k]) <= 1e-6 * fabs((double)want[k]) + 1e-9))
                fail_msg("%s: element %zu: got %.9g, want %.9g", f->name, k, (double)got[k], (double)want[k]);
    }
}

static void simple_formats_quantize_to_the_same_bytes(void **state)
{
    static const char *const names[] = { "Q8_0", "Q4_0" };
    AUTO_FREE(safetensors) s = truths();

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct block_format *f = block_format_by_name(names[i]);
        const struct tensor *source = truth(s, f->name, "source"), *want = truth(s, f->name, "quantized");
        AUTO_MEM float *x = xmemdup(source->data, source->len * sizeof *x);
        AUTO_MEM uint8_t *got = xcalloc(want->len, 1);

        f->quantize(got, x, source->len / f->elements);
        assert_memory_equal(got, want->data, want->len);
    }
}

static double error_of(const struct block_format *f, const float *x, size_t n)
{
    AUTO_MEM uint8_t *blocks = xcalloc(block_bytes(f, n), 1);
    AUTO_MEM float *back = xcalloc(n, sizeof *back);
    double sum = 0;

    f->quantize(blocks, x, n / f->elements);
    f->dequantize(back, blocks, n / f->elements);
    for (size_t i = 0; i < n; i++)
        sum += ((double)back[i] - (double)x[i]) * ((double)back[i] - (double)x[i]);
    return sqrt(sum / (double)n);
}

/* Uniform noise in [-1, 1]: 16 levels leave at best 2 / 15 / sqrt(12) = 0.038 when the range is met exactly. */
static void q4_k_is_closer_than_q4_0(void **state)
{
    AUTO_MEM float *x = noises(4096);
    double k = error_of(block_format_by_name("Q4_K"), x, 4096), plain = error_of(block_format_by_name("Q4_0"), x, 4096);

    assert_true(k < 0.040);
    assert_true(k < plain);
}

static void q4_k_keeps_constant_and_one_sided_groups(void **state)
{
    const struct block_format *f = block_format_by_name("Q4_K");
    float flat[256], above[256], zero[256] = { 0 };

    for (size_t i = 0; i < 256; i++) {
        flat[i] = -0.75f;
        above[i] = 2 + (float)(i % 32) / 31;
    }
    assert_true(error_of(f, flat, 256) < 1e-3);
    assert_true(error_of(f, above, 256) < 0.07);
    assert_true(error_of(f, zero, 256) <= 0);
}

static void check_product(struct compute *c, const struct block_format *f, const uint8_t *blocks, size_t out, size_t in, size_t rows)
{
    struct weight w = weight_blocks(f, blocks, out, in);
    AUTO_MEM float *x = noises(rows * in), *y = noises(rows * out), *want = noises(rows * out), *dense = noises(out * in);

    assert_int_equal(weight_bytes(&w), block_bytes(f, out * in));
    gemm_forward(c, y, out, x, in, rows, &w);
    gemm_forward_naive(want, out, x, in, rows, &w);
    weight_rows_f32(&w, dense, 0, out);
    double size = 0;
    for (size_t i = 0; i < out * in; i++)
        size = fmax(size, fabs((double)dense[i]));
    for (size_t i = 0; i < rows * out; i++)
        if (!(fabs((double)y[i] - (double)want[i]) <= 2e-6 * size * sqrt((double)in)))
            fail_msg("%s, %zu rows: element %zu: got %.9g, want %.9g", f->name, rows, i, (double)y[i], (double)want[i]);
}

/* The recorded blocks, repeated, as a matrix of 12 rows; every kernel row of this CPU; few rows and many. */
static void products_with_blocks_equal_the_oracle(void **state)
{
    AUTO_FREE(safetensors) s = truths();
    size_t n_rows_of_table;
    const struct vec_ops *const *all = vec_all(&n_rows_of_table);

    for (size_t v = 0; v < n_rows_of_table; v++) {
        AUTO_FREE(compute) c = NULL;
        struct err e;

        if (!all[v]->supported())
            continue;
        assert_int_equal(compute_new(2, all[v]->name, &c, &e), ERR_OK);
        for (size_t i = 0; block_format_at(i); i++) {
            const struct block_format *f = block_format_at(i);
            const struct tensor *blocks = truth(s, f->name, "blocks");

            if (!is_blocks(f))
                continue;
            AUTO_MEM uint8_t *data = xcalloc(4, blocks->len);
            for (size_t k = 0; k < 4; k++)
                memcpy(data + k * blocks->len, blocks->data, blocks->len);
            size_t elements = 4 * blocks->shape[0] * f->elements;
            check_product(c, f, data, 12, elements / 12, 1);
            check_product(c, f, data, 12, elements / 12, 5);
            check_product(c, f, data, 12, elements / 12, 20);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_dequantize_as_gguf_does),
        cmocka_unit_test(simple_formats_quantize_to_the_same_bytes),
        cmocka_unit_test(q4_k_is_closer_than_q4_0),
        cmocka_unit_test(q4_k_keeps_constant_and_one_sided_groups),
        cmocka_unit_test(products_with_blocks_equal_the_oracle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
