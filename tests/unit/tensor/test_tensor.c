/* Number formats: the conversions against their definitions. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tensor/tensor.h"

static void f16_survives_the_way_there_and_back(void **state)
{
    for (uint32_t h = 0; h < 0x10000; h++) {
        float f = f16_to_f32((uint16_t)h);

        if (isnan(f))
            assert_true(isnan(f16_to_f32(f32_to_f16(f))));
        else
            assert_int_equal(f32_to_f16(f), h);
    }
    assert_int_equal(f32_to_f16(65519.0f), 0x7bff);
    assert_int_equal(f32_to_f16(65520.0f), 0x7c00);
    assert_int_equal(f32_to_f16(1.0f + 0x1p-11f), 0x3c00);              /* a tie goes to even */
    assert_int_equal(f32_to_f16(1.0f + 0x1.8p-10f), 0x3c02);
    assert_int_equal(f32_to_f16(0x1p-25f), 0);
    assert_int_equal(f32_to_f16(0x1.8p-24f), 2);
}

static void bf16_rounds_to_nearest_even(void **state)
{
    for (uint32_t h = 0; h < 0x10000; h++) {
        float f = bf16_to_f32((uint16_t)h);

        if (!isnan(f))
            assert_int_equal(f32_to_bf16(f), h);
    }
    assert_int_equal(f32_to_bf16(1.0f + 0x1p-8f), 0x3f80);
    assert_int_equal(f32_to_bf16(1.0f + 0x1.8p-7f), 0x3f82);
    assert_true(isnan(bf16_to_f32(f32_to_bf16(NAN))));
}

static void names_are_those_of_safetensors_and_torch(void **state)
{
    enum dtype d;

    assert_true(dtype_parse(STR("BF16"), &d));
    assert_int_equal(d, DTYPE_BF16);
    assert_false(dtype_parse(STR("bf16"), &d));
    assert_true(dtype_parse_torch(STR("torch.float16"), &d));
    assert_int_equal(d, DTYPE_F16);
    assert_int_equal(dtype_size(DTYPE_F64), 8);
}

static void integers_are_no_weights(void **state)
{
    struct err e;
    float f;

    assert_int_equal(dtype_to_f32(&f, "\1\0\0\0", DTYPE_I32, 1, &e), ERR_UNSUPPORTED);
    assert_string_equal(e.text, "dtype I32 is not a floating-point format");
}

static void every_plain_format_can_be_looked_at(void **state)
{
    static const struct { enum dtype d; const char *bytes; double value; } rows[] = {
        { DTYPE_F32, "\0\0\0\300", -2 }, { DTYPE_F64, "\0\0\0\0\0\0\370\077", 1.5 }, { DTYPE_BF16, "\0\100", 2 }, { DTYPE_F16, "\0\74", 1 },
        { DTYPE_U8, "\377", 255 }, { DTYPE_I8, "\377", -1 }, { DTYPE_BOOL, "\1", 1 }, { DTYPE_U16, "\376\377", 65534 },
        { DTYPE_I16, "\376\377", -2 }, { DTYPE_U32, "\376\377\377\377", 4294967294.0 }, { DTYPE_I32, "\376\377\377\377", -2 },
        { DTYPE_I64, "\375\377\377\377\377\377\377\377", -3 }, { DTYPE_U64, "\0\0\0\0\1\0\0\0", 4294967296.0 },
    };
    struct err e;
    double v;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(dtype_to_f64(&v, rows[i].bytes, rows[i].d, 1, &e), ERR_OK);
        assert_true(v == rows[i].value);
    }
    assert_int_equal(dtype_to_f64(&v, "\0", DTYPE_F8_E4M3, 1, &e), ERR_UNSUPPORTED);
}

static void what_is_not_finite_is_found(void **state)
{
    enum { N = 9000 };          /* more than two of the parts that are looked at together */
    static const enum dtype dtypes[] = { DTYPE_F32, DTYPE_BF16, DTYPE_F16 };
    static const size_t at[] = { 0, 4095, 4096, 8191, N - 1 };
    static float x[N], bad[] = { NAN, INFINITY, -INFINITY };
    static char bytes[N * 4];
    struct err e;

    for (size_t d = 0; d < ARRAY_LEN(dtypes); d++)
        for (size_t i = 0; i < ARRAY_LEN(at); i++) {
            for (size_t k = 0; k < N; k++)
                x[k] = k % 2 ? -60000.0f : 1e-30f;
            assert_int_equal(dtype_from_f32(bytes, dtypes[d], x, N, &e), ERR_OK);
            assert_int_equal(dtype_find_not_finite(bytes, dtypes[d], N), N);
            x[at[i]] = bad[i % 3];
            assert_int_equal(dtype_from_f32(bytes, dtypes[d], x, N, &e), ERR_OK);
            assert_int_equal(dtype_find_not_finite(bytes, dtypes[d], N), at[i]);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f16_survives_the_way_there_and_back),
        cmocka_unit_test(bf16_rounds_to_nearest_even),
        cmocka_unit_test(names_are_those_of_safetensors_and_torch),
        cmocka_unit_test(integers_are_no_weights),
        cmocka_unit_test(every_plain_format_can_be_looked_at),
        cmocka_unit_test(what_is_not_finite_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
