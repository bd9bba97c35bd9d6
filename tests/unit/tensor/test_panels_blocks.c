/* Panels of GGUF blocks and NF4: the same numbers as the blocks', and products with x in 8 bits within the stated error, the same bits in any company. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/mem.h"
#include "tensor/gemm.h"
#include "tensor/panels_blocks.h"
#include "tensor/vec.h"

static const char *const formats[] = {
    "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS", "NF4",
};

static uint64_t seed = 1;

static uint32_t random_bits(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 32);
}

static float gauss(void)
{
    double u = ((double)random_bits() + 0.5) / 0x1p32, v = ((double)random_bits() + 0.5) / 0x1p32;

    return (float)(sqrt(-2 * log(u)) * cos(2 * M_PI * v));
}

/* Where the f16 numbers of a block lie. */
static const struct { const char *name; uint8_t at[2], n; } halves[] = {
    { "Q4_0", { 0 }, 1 }, { "Q4_1", { 0, 2 }, 2 }, { "Q5_0", { 0 }, 1 }, { "Q5_1", { 0, 2 }, 2 }, { "Q8_0", { 0 }, 1 },
    { "Q2_K", { 80, 82 }, 2 }, { "Q3_K", { 108 }, 1 }, { "Q4_K", { 0, 2 }, 2 }, { "Q5_K", { 0, 2 }, 2 }, { "Q6_K", { 208 }, 1 },
    { "IQ4_NL", { 0 }, 1 }, { "IQ4_XS", { 0 }, 1 },
};

static void put_half(uint8_t *p, uint16_t h) { memcpy(p, &h, sizeof h); }

/* NF4 of f32 numbers, so that dequantised ones are not rounded. */
static struct weight nf4_of(const float *f, size_t out, size_t in)
{
    struct tensor t = { .dtype = DTYPE_F32, .ndim = 2, .shape = { out, in }, .len = out * in, .data = f };
    struct weight w = { .out = out, .in = in, .kind = WEIGHT_NF4 };
    struct err e;

    assert_int_equal(nf4_from_tensor(&t, nf4_code, false, 1, &w.nf4, &e), ERR_OK);
    return w;
}

static struct weight random_nf4(size_t out, size_t in)
{
    AUTO_MEM float *f = xcalloc(out * in, sizeof *f);

    for (size_t i = 0; i < out * in; i++)
        f[i] = gauss() * (i / in % 2 ? 0.01f : 3);
    return nf4_of(f, out, in);
}

/* Blocks with any bits, whose f16 numbers are of moderate size and either sign; or NF4. */
static struct weight random_blocks(const char *name, size_t out, size_t in)
{
    if (streq(name, "NF4"))
        return random_nf4(out, in);
    const struct block_format *f = block_format_by_name(name);
    size_t bytes = block_bytes(f, out * in);
    uint8_t *data = xcalloc(1, bytes);

    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)random_bits();
    for (size_t b = 0; b < bytes; b += f->bytes)
        for (size_t i = 0; i < ARRAY_LEN(halves); i++)
            for (size_t k = 0; streq(halves[i].name, name) && k < halves[i].n; k++)
                put_half(data + b + halves[i].at[k], f32_to_f16(0.01f * gauss()));
    struct weight w = weight_blocks(f, data, out, in);
    w.owned = data;
    return w;
}

static struct weight panels_of(const struct weight *blocks, int threads)
{
    struct weight w = { .out = blocks->out, .in = blocks->in, .kind = WEIGHT_PANELS };
    struct err e = { 0 };

    if ((blocks->kind == WEIGHT_NF4 ? panels_from_nf4 : panels_from_blocks)(blocks, threads, &w.panels, &e))
        fail_msg("%s", e.text);
    return w;
}

static void panels_are_the_blocks(void **state)
{
    static const size_t outs[] = { 1, 16, 37 };
    size_t in = 512;

    for (size_t f = 0; f < ARRAY_LEN(formats); f++)
        for (size_t i = 0; i < ARRAY_LEN(outs); i++) {
            struct weight blocks = random_blocks(formats[f], outs[i], in), panels = panels_of(&blocks, 2);
            size_t n = outs[i] * in;
            AUTO_MEM float *want = xcalloc(n, sizeof *want), *got = xcalloc(n, sizeof *got);

            weight_rows_f32(&blocks, want, 0, outs[i]);
            weight_rows_f32(&panels, got, 0, outs[i]);
            for (size_t k = 0; k < n; k++)
                if (got[k] != want[k])
                    fail_msg("%s, %zu rows, element %zu: %.9g, the block says %.9g", formats[f], outs[i], k, (double)got[k], (double)want[k]);
            weight_done(&blocks);
            weight_done(&panels);
        }
}

static void panels_are_hardly_larger(void **state)
{
    for (size_t f = 0; f < ARRAY_LEN(formats); f++) {
        struct weight blocks = random_blocks(formats[f], 64, 512), panels = panels_of(&blocks, 1);
        double ratio = (double)weight_bytes(&panels) / (double)weight_bytes(&blocks);
        bool widened = strcmp(formats[f], "Q3_K") == 0;

        print_message("# %s: %zu bytes, %.3f of the blocks'\n", formats[f], weight_bytes(&panels), ratio);
        assert_true(widened ? ratio < 2 : ratio < 1.03);
        weight_done(&blocks);
        weight_done(&panels);
    }
}

/* y of some rows beside the oracle's; each row alone has the same bits. */
static void check_products(const struct vec_ops *v, const char *format, size_t out, size_t in, size_t rows)
{
    size_t ldx = in + 3, ldy = out + 5;
    struct weight blocks = random_blocks(format, out, in), w = panels_of(&blocks, 1);
    AUTO_MEM float *x = xcalloc(rows * ldx, sizeof *x), *y = xcalloc(rows * ldy, sizeof *y), *want = xcalloc(rows * ldy, sizeof *want);
    AUTO_MEM float *one = xcalloc(out, sizeof *one);
    AUTO_FREE(compute) c3 = NULL;
    AUTO_FREE(compute) c1 = NULL;
    double error = 0, size = 0;
    struct err e;

    for (size_t i = 0; i < rows * ldx; i++)
        x[i] = gauss();
    for (size_t i = 0; i < rows * ldy; i++)
        y[i] = 7;
    assert_int_equal(compute_new(3, v->name, &c3, &e), ERR_OK);
    assert_int_equal(compute_new(1, v->name, &c1, &e), ERR_OK);
    compute_set_math(c3, GEMM_INT8);
    compute_set_math(c1, GEMM_INT8);
    compute_set_rows(c1, rows > GEMM_FEW_ROWS ? GEMM_ROWS_MANY : GEMM_ROWS_FEW);       /* which is one and the same but for NF4 with AMX */
    gemm_forward_naive(want, ldy, x, ldx, rows, &blocks);
    gemm_forward(c3, y, ldy, x, ldx, rows, &w);
    for (size_t r = 0; r < rows; r++) {
        for (size_t o = 0; o < out; o++) {
            error += pow((double)y[r * ldy + o] - (double)want[r * ldy + o], 2);
            size += pow((double)want[r * ldy + o], 2);
        }
        for (size_t o = out; o < ldy; o++)
            assert_true(y[r * ldy + o] == 7);
        gemm_forward(c1, one, out, x + r * ldx, ldx, 1, &w);
        assert_memory_equal(one, y + r * ldy, out * sizeof *one);
    }
    if (!(sqrt(error / size) < 0.012))
        fail_msg("%s, %s, %zu x %zu, %zu rows: error %.4f", v->name, format, out, in, rows, sqrt(error / size));
    weight_done(&blocks);
    weight_done(&w);
}

static void products_are_near_the_oracle(void **state)
{
    static const size_t rows[] = { 1, 2, 3, 4, 6, 8, 17, 50 };
    size_t n;
    const struct vec_ops *const *all = vec_all(&n);

    for (size_t v = 0; v < n; v++)
        for (size_t f = 0; all[v]->supported() && f < ARRAY_LEN(formats); f++)
            for (size_t r = 0; r < ARRAY_LEN(rows); r++)
                check_products(all[v], formats[f], 70, 512, rows[r]);
}

/* Every bit of the quants and scales set; NF4: all of the largest magnitude. */
static struct weight largest_blocks(const char *name, size_t out, size_t in)
{
    struct weight w = random_blocks(name, out, in);
    uint8_t *data = w.owned;

    if (w.kind == WEIGHT_NF4) {
        memset(w.nf4.owned_packed, 0xff, out * in / 2);
        return w;
    }
    size_t bytes = block_bytes(w.blocks, out * in);
    memset(data, streq(name, "Q8_0") ? 0x7f : 0xff, bytes);
    for (size_t b = 0; b < bytes; b += w.blocks->bytes)
        for (size_t i = 0; i < ARRAY_LEN(halves); i++)
            for (size_t k = 0; streq(halves[i].name, name) && k < halves[i].n; k++)
                put_half(data + b + halves[i].at[k], f32_to_f16(0.01f));
    return w;
}

/* Quants and x as large as they can be, all of one sign: no sum of a block may overflow. */
static void the_largest_sums_fit(void **state)
{
    enum { OUT = 16, IN = 256, ROWS = 8 };
    float x[ROWS * IN], y[ROWS * OUT], want[ROWS * OUT];
    size_t n;
    const struct vec_ops *const *all = vec_all(&n);

    for (size_t f = 0; f < ARRAY_LEN(formats); f++) {
        struct weight blocks = largest_blocks(formats[f], OUT, IN), w = panels_of(&blocks, 1);

        for (int sign = -1; sign <= 1; sign += 2) {
            for (size_t i = 0; i < ROWS * IN; i++)
                x[i] = (float)sign;
            gemm_forward_naive(want, OUT, x, IN, ROWS, &blocks);
            for (size_t v = 0; v < n; v++) {
                AUTO_FREE(compute) c = NULL;
                struct err e;

                if (!all[v]->supported())
                    continue;
                assert_int_equal(compute_new(1, all[v]->name, &c, &e), ERR_OK);
                compute_set_math(c, GEMM_INT8);
                gemm_forward(c, y, OUT, x, IN, ROWS, &w);
                for (size_t i = 0; i < ROWS * OUT; i++)
                    if (!(fabsf(y[i] - want[i]) <= 2e-5f * fabsf(want[i]) + 1e-3f))
                        fail_msg("%s, %s: %.9g, not %.9g", all[v]->name, formats[f], (double)y[i], (double)want[i]);
            }
        }
        weight_done(&blocks);
        weight_done(&w);
    }
}

/* An x that is no finite number makes its row's results NaN and leaves the others alone. */
static void what_is_no_number_stays_none(void **state)
{
    enum { OUT = 20, IN = 256, ROWS = 3 };
    const float bad[] = { NAN, INFINITY, -INFINITY };
    float x[ROWS * IN], y[ROWS * OUT], want[ROWS * OUT];
    size_t n;
    const struct vec_ops *const *all = vec_all(&n);

    for (size_t i = 0; i < ROWS * IN; i++)
        x[i] = gauss();
    for (size_t f = 0; f < ARRAY_LEN(formats); f++) {
        struct weight blocks = random_blocks(formats[f], OUT, IN), w = panels_of(&blocks, 1);

        for (size_t v = 0; v < n; v++) {
            AUTO_FREE(compute) c = NULL;
            struct err e;

            if (!all[v]->supported())
                continue;
            assert_int_equal(compute_new(1, all[v]->name, &c, &e), ERR_OK);
            compute_set_math(c, GEMM_INT8);
            gemm_forward(c, want, OUT, x, IN, ROWS, &w);
            for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
                float *at = &x[IN + 77 * i], before = *at;

                *at = bad[i];
                gemm_forward(c, y, OUT, x, IN, ROWS, &w);
                *at = before;
                for (size_t o = 0; o < OUT; o++)
                    assert_true(isnan(y[OUT + o]));
                assert_memory_equal(y, want, OUT * sizeof *y);
                assert_memory_equal(y + 2 * OUT, want + 2 * OUT, OUT * sizeof *y);
            }
        }
        weight_done(&blocks);
        weight_done(&w);
    }
}

/* Products without rounding give what they give for the blocks. */
static void products_in_f32_are_exact(void **state)
{
    enum { OUT = 40, IN = 512, ROWS = 20 };
    AUTO_MEM float *x = xcalloc(ROWS * IN, sizeof *x), *y = xcalloc(ROWS * OUT, sizeof *y), *want = xcalloc(ROWS * OUT, sizeof *want);
    AUTO_FREE(compute) c = NULL;
    struct err e;

    for (size_t i = 0; i < ROWS * IN; i++)
        x[i] = gauss();
    assert_int_equal(compute_new(2, NULL, &c, &e), ERR_OK);
    for (size_t f = 0; f < ARRAY_LEN(formats); f++) {
        struct weight blocks = random_blocks(formats[f], OUT, IN), w = panels_of(&blocks, 2);

        gemm_forward(c, want, OUT, x, IN, ROWS, &blocks);
        gemm_forward(c, y, OUT, x, IN, ROWS, &w);
        assert_memory_equal(y, want, ROWS * OUT * sizeof *y);
        weight_done(&blocks);
        weight_done(&w);
    }
}

static void scales_that_are_no_numbers_are_refused(void **state)
{
    static const uint16_t bad[] = { 0x7c00, 0xfc00, 0x7e00 };

    for (size_t i = 0; i < ARRAY_LEN(halves); i++)
        for (size_t k = 0; k < halves[i].n; k++)
            for (size_t b = 0; b < ARRAY_LEN(bad); b++) {
                struct weight blocks = random_blocks(halves[i].name, 18, 512);
                const struct block_format *f = blocks.blocks;
                struct panels p;
                struct err e = { 0 };
                char place[64];

                put_half((uint8_t *)blocks.owned + block_bytes(f, (size_t)17 * 512 + 256) + halves[i].at[k], bad[b]);
                assert_int_equal(panels_from_blocks(&blocks, 2, &p, &e), ERR_CORRUPT);
                snprintf(place, sizeof place, "element %d is not a finite number", 17 * 512 + 256);
                assert_non_null(strstr(e.text, place));
                weight_done(&blocks);
            }
}

static void an_absmax_that_is_no_number_is_refused(void **state)
{
    struct weight w = random_nf4(18, 256);
    struct panels p;
    struct err e = { 0 };

    ((float *)w.nf4.owned_absmax)[17 * 4 + 2] = NAN;
    assert_int_equal(panels_from_nf4(&w, 2, &p, &e), ERR_CORRUPT);
    assert_string_equal(e.text, "element 4480 is not a finite number");         /* 17 * 256 + 2 * 64 */
    weight_done(&w);
}

static void a_format_without_panels_is_named(void **state)
{
    struct weight w = { .out = 1, .in = 256, .kind = WEIGHT_BLOCKS, .blocks = block_format_by_name("BF16") };
    struct panels p;
    struct err e = { 0 };

    assert_false(panels_have_blocks(w.blocks));
    assert_int_equal(panels_from_blocks(&w, 1, &p, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "BF16"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(panels_are_the_blocks),
        cmocka_unit_test(panels_are_hardly_larger),
        cmocka_unit_test(products_are_near_the_oracle),
        cmocka_unit_test(the_largest_sums_fit),
        cmocka_unit_test(what_is_no_number_stays_none),
        cmocka_unit_test(products_in_f32_are_exact),
        cmocka_unit_test(scales_that_are_no_numbers_are_refused),
        cmocka_unit_test(an_absmax_that_is_no_number_is_refused),
        cmocka_unit_test(a_format_without_panels_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
