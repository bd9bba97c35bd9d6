/* NF4 against bitsandbytes' own bytes (tests/golden/hf/nf4). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "tensor/nf4.h"

static const float *floats(const struct safetensors *s, const char *name)
{
    const struct tensor *t = safetensors_get(s, name);

    assert_non_null(t);
    float *f = xcalloc(t->len, sizeof *f);
    struct err e;
    assert_int_equal(dtype_to_f32(f, t->data, t->dtype, t->len, &e), ERR_OK);
    return f;
}

static void check_form(const struct safetensors *s, bool nested)
{
    const struct tensor *w = safetensors_get(s, "weight"), *packed = safetensors_get(s, nested ? "dq_packed" : "packed");
    AUTO_MEM const float *expected = floats(s, nested ? "dq_dequantized" : "dequantized");
    AUTO_MEM float *got = xcalloc(w->len, sizeof *got);
    struct nf4 q;
    struct err e;

    assert_int_equal(nf4_from_tensor(w, nested, 2, &q, &e), ERR_OK);
    assert_int_equal(packed->len, (w->len + 1) / 2);
    assert_memory_equal(q.packed, packed->data, packed->len);
    nf4_dequantize(&q, got, 0, w->len);
    assert_memory_equal(got, expected, w->len * sizeof *got);
    nf4_done(&q);
}

static void check_parts(const struct safetensors *s)
{
    size_t n = safetensors_get(s, "weight")->len, blocks = nf4_blocks(n);
    AUTO_MEM const float *absmax = floats(s, "absmax"), *map = floats(s, "dq_nested_code"), *w = floats(s, "weight");
    AUTO_MEM const float *nested = floats(s, "dq_nested_absmax"), *offset = floats(s, "dq_offset");
    AUTO_MEM float *mine = xcalloc(blocks, sizeof *mine), *my_nested = xcalloc(blocks, sizeof *mine);
    AUTO_MEM uint8_t *bytes = xmalloc(n), *q = xmalloc(blocks);
    float my_map[256], my_offset;

    nf4_dynamic_map(my_map);
    assert_memory_equal(my_map, map, sizeof my_map);
    nf4_quantize(bytes, mine, w, n);
    assert_memory_equal(mine, absmax, blocks * sizeof *mine);
    nf4_nest(q, my_nested, &my_offset, mine, blocks);
    assert_memory_equal(&my_offset, offset, sizeof my_offset);
    assert_memory_equal(q, safetensors_get(s, "dq_absmax")->data, blocks);
    assert_memory_equal(my_nested, nested, (blocks + 255) / 256 * sizeof *nested);
}

static void equals_bitsandbytes(void **state)
{
    static const char *const files[] = { "bf16", "bf16-tail", "f32", "f32-tail" };

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        AUTO_MEM char *path = xasprintf("%s/tests/golden/hf/nf4/%s.safetensors", getenv("KAITO_SOURCE"), files[i]);
        AUTO_FREE(safetensors) s = NULL;
        struct err e = { 0 };

        if (safetensors_open(path, &s, &e))
            fail_msg("%s", e.text);
        print_message("# %s\n", files[i]);
        check_parts(s);
        check_form(s, false);
        check_form(s, true);
    }
}

/* The test vector of the format's description: sin(0..63). */
static void sines_pack_as_published(void **state)
{
    static const uint8_t expected[32] = {
        0x7e, 0xf9, 0x10, 0x4e, 0xfc, 0x20, 0x2c, 0xfe, 0x40, 0x19, 0xfe, 0x71, 0x06, 0xef, 0xa1, 0x03,
        0xdf, 0xd3, 0x01, 0xbf, 0xe5, 0x01, 0x7e, 0xf9, 0x10, 0x4e, 0xfc, 0x20, 0x2c, 0xfd, 0x40, 0x19 };
    float x[64], absmax;
    uint8_t packed[32];

    for (int i = 0; i < 64; i++)
        x[i] = (float)sin(i);
    nf4_quantize(packed, &absmax, x, 64);
    assert_true(absmax == 0.9999902248382568f);
    assert_memory_equal(packed, expected, sizeof expected);
}

static void zeros_stay_zeros(void **state)
{
    float x[65] = { 0 }, back[65];
    struct tensor t = { .dtype = DTYPE_F32, .ndim = 1, .shape = { 65 }, .len = 65, .data = x };
    struct nf4 q;
    struct err e;

    assert_int_equal(nf4_from_tensor(&t, true, 1, &q, &e), ERR_OK);
    nf4_dequantize(&q, back, 0, 65);
    for (int i = 0; i < 65; i++)
        assert_true(back[i] == 0);
    nf4_done(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sines_pack_as_published),
        cmocka_unit_test(equals_bitsandbytes),
        cmocka_unit_test(zeros_stay_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
