/* Weights quantised while loading: how far they are from the numbers they stand for, and products with x in 8 bits. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/mem.h"
#include "tensor/gemm.h"
#include "tensor/vec.h"

static uint64_t seed = 1;

static double uniform(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return ((double)(seed >> 33) + 0.5) / 0x1p31;
}

static float gauss(void) { return (float)(sqrt(-2 * log(uniform())) * cos(2 * M_PI * uniform())); }

static float *gausses(size_t n)
{
    float *f = xcalloc(n ? n : 1, sizeof *f);

    for (size_t i = 0; i < n; i++)
        f[i] = gauss();
    return f;
}

/* |got - want| / |want|, both as root mean squares. */
static double relative_rms(const float *got, const float *want, size_t n)
{
    double error = 0, size = 0;

    for (size_t i = 0; i < n; i++) {
        error += pow((double)got[i] - (double)want[i], 2);
        size += pow((double)want[i], 2);
    }
    return sqrt(error / size);
}

static struct weight quantized(const float *f, size_t out, size_t in, enum panels_kind k, int threads)
{
    struct weight dense = weight_f32(f, out, in), w = { .out = out, .in = in, .kind = WEIGHT_PANELS };
    struct err e;

    assert_int_equal(panels_from_weight(&dense, k, threads, &w.panels, &e), ERR_OK);
    return w;
}

static double weights_error(const float *f, size_t out, size_t in, enum panels_kind k)
{
    struct weight w = quantized(f, out, in, k, 2);
    AUTO_MEM float *back = xcalloc(out * in, sizeof *back);

    weight_rows_f32(&w, back, 0, out);
    weight_done(&w);
    return relative_rms(back, f, out * in);
}

static double ggml_error(const float *f, size_t n, const char *name)
{
    const struct block_format *b = block_format_by_name(name);
    AUTO_MEM uint8_t *bytes = xcalloc(1, block_bytes(b, n));
    AUTO_MEM float *back = xcalloc(n, sizeof *back);

    b->quantize(bytes, f, n / b->elements);
    b->dequantize(back, bytes, n / b->elements);
    return relative_rms(back, f, n);
}

/* Per weight we spend no more bits than ggml's formats do (4.5 and 8.25 of 4.5 and 8.5). */
static void weights_are_nearer_than_with_ggmls_formats(void **state)
{
    size_t out = 64, in = 1024;
    AUTO_MEM float *f = gausses(out * in);
    double q4 = weights_error(f, out, in, PANELS_Q4), int8 = weights_error(f, out, in, PANELS_INT8);

    print_message("# error of weights: q4 %.4f (Q4_0 %.4f, Q4_K %.4f), int8 %.5f (Q8_0 %.5f)\n", q4, ggml_error(f, out * in, "Q4_0"),
                  ggml_error(f, out * in, "Q4_K"), int8, ggml_error(f, out * in, "Q8_0"));
    assert_true(q4 < 0.078 && q4 < 0.9 * ggml_error(f, out * in, "Q4_0") && q4 < ggml_error(f, out * in, "Q4_K"));
    assert_true(int8 < 0.006 && int8 < 1.02 * ggml_error(f, out * in, "Q8_0"));
}

static void extreme_blocks_keep_their_meaning(void **state)
{
    enum { OUT = 5, IN = 64 };
    float f[OUT * IN] = { 0 }, back[OUT * IN];

    for (size_t i = 0; i < IN; i++) {
        f[IN + i] = 3;                                  /* all equal, positive */
        f[2 * IN + i] = -0.25f;                         /* all equal, negative */
        f[3 * IN + i] = i < 32 ? 1e-6f * (float)i : 1000;       /* blocks of very different size */
        f[4 * IN + i] = i == 7 ? 1e30f : 0;
    }
    for (int k = 0; k < PANELS_COUNT_; k++) {
        struct weight w = quantized(f, OUT, IN, (enum panels_kind)k, 1);

        weight_rows_f32(&w, back, 0, OUT);
        for (size_t i = 0; i < (size_t)OUT * IN; i++) {
            float largest = i / IN == 3 ? 1000 : i / IN == 4 ? 1e30f : fabsf(f[i]);
            assert_true(fabsf(back[i] - f[i]) <= 0.005f * largest);
        }
        weight_done(&w);
    }
}

static void threads_and_kernels_make_the_same_panels(void **state)
{
    size_t out = 70, in = 200, n;
    AUTO_MEM float *f = gausses(out * in);
    const struct vec_ops *const *all = vec_all(&n);

    for (int k = 0; k < PANELS_COUNT_; k++) {
        struct weight one = quantized(f, out, in, (enum panels_kind)k, 1), three = quantized(f, out, in, (enum panels_kind)k, 3);
        AUTO_MEM float *want = xcalloc(16 * in, sizeof *want);

        assert_memory_equal(one.panels.data, three.panels.data, panels_count(out) * one.panels.blocks * panels_block_bytes((enum panels_kind)k));
        assert_memory_equal(one.panels.factors, three.panels.factors, out * sizeof(float));
        weight_rows_f32(&one, want, 16, 16);
        for (size_t v = 0; v < n; v++) {                /* and each reads them as the plain loop does */
            AUTO_MEM float *got = xcalloc(16 * in, sizeof *got);

            if (!all[v]->supported())
                continue;
            all[v]->panel_f32((enum panels_kind)k, got, panels_at(&one.panels, 1), one.panels.factors + 16, in);
            for (size_t j = 0; j < 16; j++)
                for (size_t i = 0; i < in; i++)
                    assert_true(got[i * 16 + j] == want[j * in + i]);
        }
        weight_done(&one);
        weight_done(&three);
    }
}

static void check_products_in_8_bits(const struct vec_ops *v, enum panels_kind k, size_t out, size_t in, size_t rows)
{
    size_t ldx = in + 3, ldy = out + 5;
    AUTO_MEM float *f = gausses(out * in), *x = gausses(rows * ldx), *want = xcalloc(rows * ldy, sizeof *want);
    AUTO_MEM float *y = gausses(rows * ldy), *one = xcalloc(out, sizeof *one), *before = xmemdup(y, rows * ldy * sizeof *y);
    struct weight w = quantized(f, out, in, k, 1);
    AUTO_FREE(compute) c3 = NULL;
    AUTO_FREE(compute) c1 = NULL;
    struct err e;

    assert_int_equal(compute_new(3, v->name, &c3, &e), ERR_OK);
    assert_int_equal(compute_new(1, v->name, &c1, &e), ERR_OK);
    compute_set_math(c3, GEMM_INT8);
    compute_set_math(c1, GEMM_INT8);
    compute_set_rows(c1, rows > GEMM_FEW_ROWS ? GEMM_ROWS_MANY : GEMM_ROWS_FEW);       /* which is one and the same without AMX */
    gemm_forward_naive(want, ldy, x, ldx, rows, &w);
    gemm_forward(c3, y, ldy, x, ldx, rows, &w);
    double error = 0, size = 0;
    for (size_t r = 0; r < rows; r++) {
        for (size_t o = 0; o < out; o++) {
            error += pow((double)y[r * ldy + o] - (double)want[r * ldy + o], 2);
            size += (double)in;
        }
        assert_memory_equal(y + r * ldy + out, before + r * ldy + out, (ldy - out) * sizeof *y);
        gemm_forward(c1, one, out, x + r * ldx, ldx, 1, &w);
        assert_memory_equal(one, y + r * ldy, out * sizeof *one);
    }
    if (!(sqrt(error / size) < 0.009))
        fail_msg("%s, kind %d, %zu x %zu, %zu rows: error %.4f", v->name, (int)k, out, in, rows, sqrt(error / size));
    weight_done(&w);
}

/* Stated in gemm.h: 0.6 % of the result's size for Gaussian x; any number of rows of one kind gives the same bits. */
static void products_in_8_bits_are_near_the_oracle(void **state)
{
    static const size_t shapes[][2] = { { 1, 1 }, { 15, 31 }, { 16, 32 }, { 17, 33 }, { 130, 95 }, { 48, 1024 }, { 200, 160 } };
    static const size_t rows[] = { 1, 2, 3, 4, 5, 7, 8, 17, 50 };
    size_t n;
    const struct vec_ops *const *all = vec_all(&n);

    for (size_t v = 0; v < n; v++)
        for (size_t s = 0; all[v]->supported() && s < ARRAY_LEN(shapes); s++)
            for (size_t r = 0; r < ARRAY_LEN(rows); r++)
                for (int k = 0; k < PANELS_COUNT_; k++)
                    check_products_in_8_bits(all[v], (enum panels_kind)k, shapes[s][0], shapes[s][1], rows[r]);
}

/* The sums of a block must not overflow: every factor as large as it can be. */
static void the_largest_sums_fit(void **state)
{
    enum { OUT = 16, IN = 64, ROWS = 8 };
    float f[OUT * IN], x[ROWS * IN], y[ROWS * OUT], want[ROWS * OUT];
    size_t n;
    const struct vec_ops *const *all = vec_all(&n);

    for (int sign = -1; sign <= 1; sign += 2)
        for (int k = 0; k < PANELS_COUNT_; k++) {
            for (size_t i = 0; i < OUT * IN; i++)
                f[i] = i % 32 == 5 ? -1.0f : 1;
            for (size_t i = 0; i < ROWS * IN; i++)
                x[i] = (float)sign;
            struct weight w = quantized(f, OUT, IN, (enum panels_kind)k, 1);

            gemm_forward_naive(want, OUT, x, IN, ROWS, &w);
            for (size_t v = 0; v < n; v++) {
                AUTO_FREE(compute) c = NULL;
                struct err e;

                if (!all[v]->supported())
                    continue;
                assert_int_equal(compute_new(1, all[v]->name, &c, &e), ERR_OK);
                compute_set_math(c, GEMM_INT8);
                gemm_forward(c, y, OUT, x, IN, ROWS, &w);
                for (size_t i = 0; i < ROWS * OUT; i++)
                    assert_true(fabsf(y[i] - want[i]) < 1e-3f);
            }
            weight_done(&w);
        }
}

/* An x that is no finite number makes its row's results NaN, weights of 0 and last, incomplete blocks included, and leaves the others alone. */
static void what_is_no_number_stays_none(void **state)
{
    enum { OUT = 20, IN = 75, ROWS = 3 };
    const float bad[] = { NAN, -NAN, INFINITY, -INFINITY };
    const size_t places[] = { 0, 37, IN - 1 };
    float f[OUT * IN], x[ROWS * IN], y[ROWS * OUT], want[ROWS * OUT];
    size_t n;
    const struct vec_ops *const *all = vec_all(&n);

    for (size_t i = 0; i < OUT * IN; i++)
        f[i] = i / IN == 3 ? 0 : gauss();
    for (size_t i = 0; i < ROWS * IN; i++)
        x[i] = gauss();
    for (size_t v = 0; v < n; v++)
        for (int k = 0; all[v]->supported() && k < PANELS_COUNT_; k++) {
            struct weight w = quantized(f, OUT, IN, (enum panels_kind)k, 1);
            AUTO_FREE(compute) c = NULL;
            struct err e;

            assert_int_equal(compute_new(1, all[v]->name, &c, &e), ERR_OK);
            compute_set_math(c, GEMM_INT8);
            gemm_forward(c, want, OUT, x, IN, ROWS, &w);
            for (size_t i = 0; i < ARRAY_LEN(bad) * ARRAY_LEN(places); i++) {
                float *at = &x[IN + places[i / ARRAY_LEN(bad)]], before = *at;

                *at = bad[i % ARRAY_LEN(bad)];
                gemm_forward(c, y, OUT, x, IN, ROWS, &w);
                *at = before;
                for (size_t o = 0; o < OUT; o++)
                    assert_true(isnan(y[OUT + o]));
                assert_memory_equal(y, want, OUT * sizeof *y);
                assert_memory_equal(y + 2 * OUT, want + 2 * OUT, OUT * sizeof *y);
            }
            weight_done(&w);
        }
}

/* Numbers so small that 127 over them is infinite. */
static void tiny_numbers_are_zeros(void **state)
{
    enum { OUT = 16, IN = 64 };
    float f[OUT * IN], x[IN], y[OUT];
    size_t n;
    const struct vec_ops *const *all = vec_all(&n);

    for (size_t i = 0; i < OUT * IN; i++)
        f[i] = gauss();
    for (size_t i = 0; i < IN; i++)
        x[i] = i % 2 ? 1e-42f : -3e-38f;
    for (size_t v = 0; v < n; v++)
        for (int k = 0; all[v]->supported() && k < PANELS_COUNT_; k++) {
            struct weight w = quantized(f, OUT, IN, (enum panels_kind)k, 1);
            AUTO_FREE(compute) c = NULL;
            struct err e;

            assert_int_equal(compute_new(1, all[v]->name, &c, &e), ERR_OK);
            compute_set_math(c, GEMM_INT8);
            gemm_forward(c, y, OUT, x, IN, 1, &w);
            for (size_t o = 0; o < OUT; o++)
                assert_true(fabsf(y[o]) < 1e-30f);
            weight_done(&w);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_nearer_than_with_ggmls_formats),
        cmocka_unit_test(extreme_blocks_keep_their_meaning),
        cmocka_unit_test(threads_and_kernels_make_the_same_panels),
        cmocka_unit_test(products_in_8_bits_are_near_the_oracle),
        cmocka_unit_test(the_largest_sums_fit),
        cmocka_unit_test(what_is_no_number_stays_none),
        cmocka_unit_test(tiny_numbers_are_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
