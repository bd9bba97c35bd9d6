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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f16_survives_the_way_there_and_back),
        cmocka_unit_test(bf16_rounds_to_nearest_even),
        cmocka_unit_test(names_are_those_of_safetensors_and_torch),
        cmocka_unit_test(integers_are_no_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
