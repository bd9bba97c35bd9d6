/* NF4 and FP4 against bitsandbytes' own bytes (tests/golden/hf/nf4; fp4.safetensors of tests/golden/tune, which tests/peers/tune_agrees.py made). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>
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

static void check_form(const struct safetensors *s, const float code[16], bool nested)
{
    const struct tensor *w = safetensors_get(s, "weight"), *packed = safetensors_get(s, nested ? "dq_packed" : "packed");
    AUTO_MEM const float *expected = floats(s, nested ? "dq_dequantized" : "dequantized");
    AUTO_MEM float *got = xcalloc(w->len, sizeof *got);
    struct nf4 q;
    struct err e;

    assert_int_equal(nf4_from_tensor(w, code, nested, 2, &q, &e), ERR_OK);
    assert_int_equal(packed->len, (w->len + 1) / 2);
    assert_memory_equal(q.packed, packed->data, packed->len);
    nf4_dequantize(&q, got, 0, w->len);
    assert_memory_equal(got, expected, w->len * sizeof *got);
    nf4_done(&q);
}

static void check_parts(const struct safetensors *s, const float code[16])
{
    size_t n = safetensors_get(s, "weight")->len, blocks = nf4_blocks(n);
    AUTO_MEM const float *absmax = floats(s, "absmax"), *map = floats(s, "dq_nested_code"), *w = floats(s, "weight");
    AUTO_MEM const float *nested = floats(s, "dq_nested_absmax"), *offset = floats(s, "dq_offset");
    AUTO_MEM float *mine = xcalloc(blocks, sizeof *mine), *my_nested = xcalloc(blocks, sizeof *mine);
    AUTO_MEM uint8_t *bytes = xmalloc(n), *q = xmalloc(blocks);
    float my_map[256], my_offset;

    nf4_dynamic_map(my_map);
    assert_memory_equal(my_map, map, sizeof my_map);
    nf4_quantize(code, bytes, mine, w, n);
    assert_memory_equal(mine, absmax, blocks * sizeof *mine);
    nf4_nest(q, my_nested, &my_offset, mine, blocks);
    assert_memory_equal(&my_offset, offset, sizeof my_offset);
    assert_memory_equal(q, safetensors_get(s, "dq_absmax")->data, blocks);
    assert_memory_equal(my_nested, nested, (blocks + 255) / 256 * sizeof *nested);
}

static void equals_bitsandbytes(void **state)
{
    static const struct { const char *file; const float *code; } rows[] = {
        { "hf/nf4/bf16", nf4_code }, { "hf/nf4/bf16-tail", nf4_code }, { "hf/nf4/f32", nf4_code }, { "hf/nf4/f32-tail", nf4_code },
        { "tune/fp4", fp4_code },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_MEM char *path = xasprintf("%s/tests/golden/%s.safetensors", getenv("KAITO_SOURCE"), rows[i].file);
        AUTO_FREE(safetensors) s = NULL;
        struct err e = { 0 };

        if (safetensors_open(path, &s, &e))
            fail_msg("%s", e.text);
        print_message("# %s\n", rows[i].file);
        check_parts(s, rows[i].code);
        check_form(s, rows[i].code, false);
        check_form(s, rows[i].code, true);
    }
}

static const struct tensor *part(const struct safetensors *s, const char *name)
{
    const struct tensor *t = safetensors_get(s, name);

    assert_non_null(t);
    return t;
}

/* As transformers saves what bitsandbytes quantised to its default type. */
static void fp4_is_read_from_checkpoints(void **state)
{
    static const char quant_state[] = "{\"quant_type\": \"fp4\", \"blocksize\": 64, \"dtype\": \"bfloat16\", \"shape\": [2, 773]}";
    AUTO_MEM char *path = xasprintf("%s/tests/golden/tune/fp4.safetensors", getenv("KAITO_SOURCE"));
    AUTO_FREE(safetensors) s = NULL;
    AUTO_FREE(safetensors) checkpoint = NULL;
    char made[] = "/tmp/test-fp4-XXXXXX";
    struct nf4 q = { 0 };
    size_t rows, cols;
    struct err e;

    assert_int_equal(safetensors_open(path, &s, &e), ERR_OK);
    AUTO_MEM const float *expected = floats(s, "dequantized");
    AUTO_MEM float *got = xcalloc(1546, sizeof *got);
    const struct safetensors_item items[] = {
        { "x.weight", *part(s, "packed") },
        { "x.weight.absmax", *part(s, "absmax") },
        { "x.weight.quant_map", { .dtype = DTYPE_F32, .ndim = 1, .shape = { 16 }, .len = 16, .data = fp4_code } },
        { "x.weight.quant_state.bitsandbytes__fp4", { .dtype = DTYPE_U8, .ndim = 1, .shape = { sizeof quant_state - 1 }, .len = sizeof quant_state - 1, .data = quant_state } },
    };
    int fd = mkstemp(made);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(safetensors_write(made, items, ARRAY_LEN(items), &e), ERR_OK);
    assert_int_equal(safetensors_open(made, &checkpoint, &e), ERR_OK);
    if (nf4_from_checkpoint(checkpoint, "x.weight", &q, &rows, &cols, &e))
        fail_msg("%s", e.text);
    assert_true(rows == 2 && cols == 773);
    nf4_dequantize(&q, got, 0, 1546);
    assert_memory_equal(got, expected, 1546 * sizeof *got);
    nf4_done(&q);
    unlink(made);
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
    nf4_quantize(nf4_code, packed, &absmax, x, 64);
    assert_true(absmax == 0.9999902248382568f);
    assert_memory_equal(packed, expected, sizeof expected);
}

static void zeros_stay_zeros(void **state)
{
    float x[65] = { 0 }, back[65];
    struct tensor t = { .dtype = DTYPE_F32, .ndim = 1, .shape = { 65 }, .len = 65, .data = x };
    const float *code = *state;
    struct nf4 q;
    struct err e;

    assert_int_equal(nf4_from_tensor(&t, code, true, 1, &q, &e), ERR_OK);
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
        cmocka_unit_test(fp4_is_read_from_checkpoints),
        { "zeros_stay_zeros, NF4", zeros_stay_zeros, NULL, NULL, (void *)(uintptr_t)nf4_code },
        { "zeros_stay_zeros, FP4", zeros_stay_zeros, NULL, NULL, (void *)(uintptr_t)fp4_code },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
