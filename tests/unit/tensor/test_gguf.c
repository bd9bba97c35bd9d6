/* The GGUF reader on a file that PyPI's gguf wrote (tests/golden/gguf/record.py), and on damaged copies of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "tensor/gguf.h"

static char *kinds_path(void) { return xasprintf("%s/tests/golden/gguf/kinds.gguf", getenv("KAITO_SOURCE")); }

static struct gguf *open_kinds(void)
{
    AUTO_MEM char *path = kinds_path();
    struct gguf *g = NULL;
    struct err e;

    if (gguf_open(path, &g, &e))
        fail_msg("%s", e.text);
    return g;
}

static void whole_numbers_of_every_width(void **state)
{
    static const struct { const char *key; int64_t want; } rows[] = {
        { "k.uint8", 200 }, { "k.int8", -100 }, { "k.uint16", 60000 }, { "k.int16", -30000 }, { "k.uint32", 4000000000 },
        { "k.int32", -2000000000 }, { "k.uint64", INT64_MAX }, { "k.int64", -(INT64_C(1) << 62) },
    };
    AUTO_FREE(gguf) g = open_kinds();
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t got = 0;

        assert_int_equal(gguf_int(g, rows[i].key, INT64_MIN, INT64_MAX, &got, &e), ERR_OK);
        assert_true(got == rows[i].want);
    }
}

static void reals_flags_and_texts(void **state)
{
    AUTO_FREE(gguf) g = open_kinds();
    struct err e;
    double half = 0, big = 0, whole = 0;
    bool flag = false;
    struct str text = { 0 }, architecture = { 0 };

    assert_int_equal(gguf_real(g, "k.float32", &half, &e), ERR_OK);
    assert_int_equal(gguf_real(g, "k.float64", &big, &e), ERR_OK);
    assert_int_equal(gguf_real(g, "k.int8", &whole, &e), ERR_OK);
    assert_int_equal(gguf_flag(g, "k.bool", &flag, &e), ERR_OK);
    assert_int_equal(gguf_text(g, "k.string", &text, &e), ERR_OK);
    assert_int_equal(gguf_text(g, "general.architecture", &architecture, &e), ERR_OK);
    assert_true(half >= 0.5 && half <= 0.5 && big <= -1e300 && big >= -1e300 && whole <= -100 && whole >= -100 && flag);
    assert_true(str_is(text, "vier \xe2\x96\x81 W\xc3\xb6rter"));
    assert_true(str_is(architecture, "kinds"));
}

static void arrays_are_read_in_order(void **state)
{
    AUTO_FREE(gguf) g = open_kinds();
    const struct gguf_value *words;
    struct gguf_value item, inner;
    struct str text;
    int64_t sum = 0, n;
    struct err e;

    assert_int_equal(gguf_list(g, "k.words", GGUF_STRING, &words, &e), ERR_OK);
    assert_int_equal(words->n, 3);
    struct gguf_items it = gguf_items(words);
    assert_true(gguf_next(&it, &item) && gguf_as_str(&item, &text) && str_is(text, "eins"));
    assert_true(gguf_next(&it, &item) && gguf_as_str(&item, &text) && str_is(text, ""));
    assert_true(gguf_next(&it, &item) && gguf_as_str(&item, &text) && str_is(text, "drei"));
    assert_false(gguf_next(&it, &item));
    for (struct gguf_items outer = gguf_items(gguf_find(g, "k.nested")); gguf_next(&outer, &item);)
        for (struct gguf_items in = gguf_items(&item); gguf_next(&in, &inner);) {
            assert_true(gguf_as_int(&inner, &n));
            sum = sum * 10 + n;
        }
    assert_int_equal(sum, 123);
}

static void absent_and_wrong_values(void **state)
{
    AUTO_FREE(gguf) g = open_kinds();
    const struct gguf_value *list;
    int64_t n = 7;
    bool flag;
    struct err e;

    assert_int_equal(gguf_int(g, "k.absent", 0, 1, &n, &e), ERR_OK);
    assert_int_equal(n, 7);
    assert_int_equal(gguf_int(g, "k.uint8", 0, 100, &n, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "kinds.gguf: key k.uint8: expected 0 to 100, found 200"));
    assert_int_equal(gguf_int(g, "k.string", 0, 100, &n, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "expected a whole number, found string"));
    assert_int_equal(gguf_int(g, "k.too_large", INT64_MIN, INT64_MAX, &n, &e), ERR_INVALID);
    assert_int_equal(gguf_flag(g, "k.uint8", &flag, &e), ERR_INVALID);
    assert_int_equal(gguf_list(g, "k.words", GGUF_I32, &list, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "expected an array of int32, found array of string"));
}

static void tensors_lie_in_the_file_row_major(void **state)
{
    AUTO_FREE(gguf) g = open_kinds();
    const struct gguf_tensor *plain = gguf_tensor(g, "plain"), *q = gguf_tensor(g, "Q8_0");
    float values[6];

    assert_int_equal(gguf_tensor_count(g), 4);
    assert_null(gguf_tensor(g, "none"));
    assert_string_equal(plain->format->name, "F32");
    assert_int_equal(plain->ndim, 2);
    assert_int_equal(plain->shape[0], 2);
    assert_int_equal(plain->shape[1], 3);
    plain->format->dequantize(values, plain->data, 6);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal((int)values[i], i);
    assert_int_equal(q->shape[0], 3);
    assert_int_equal(q->shape[1], 64);
    assert_int_equal(q->bytes, 3 * 2 * 34);
}

/* ── damage ── */

static void expect_refusal(struct str bytes, const char *part)
{
    AUTO_FREE(gguf) g = NULL;
    struct err e = { 0 };

    assert_int_not_equal(gguf_parse("bad.gguf", bytes, &g, &e), ERR_OK);
    if (!strstr(e.text, part) || !strstr(e.text, "bad.gguf"))
        fail_msg("expected \"%s\" in: %s", part, e.text);
}

static void read_kinds(struct buf *out)
{
    AUTO_MEM char *path = kinds_path();
    struct err e;

    if (file_read(path, 1 << 20, out, &e))
        fail_msg("%s", e.text);
}

/* The first place of `text` in the file, moved by `by`. */
static char *place(struct buf *b, const char *text, size_t by)
{
    size_t at;

    assert_true(str_find(buf_str(b), str_of(text), &at));
    return b->p + at + by;
}

static void a_file_cut_anywhere_is_refused(void **state)
{
    AUTO_BUF b = { 0 };

    read_kinds(&b);
    for (size_t n = 0; n + 32 < b.n; n++) {                     /* the last tensor's padding may go */
        AUTO_MEM char *copy = xmemdup(b.p, n + 1);              /* of its own: a read past n is found by ASan */
        AUTO_FREE(gguf) g = NULL;
        struct err e;

        assert_int_not_equal(gguf_parse("cut", str_n(copy, n), &g, &e), ERR_OK);
    }
}

static void wrong_beginnings(void **state)
{
    AUTO_BUF b = { 0 };

    read_kinds(&b);
    expect_refusal(STR(""), "does not begin with");
    expect_refusal(STR("GGUX\3\0\0\0"), "does not begin with");
    b.p[4] = 1;
    expect_refusal(buf_str(&b), "version 1");
    b.p[4] = 4;
    expect_refusal(buf_str(&b), "version 4");
    memcpy(b.p + 4, "\0\0\0\3", 4);
    expect_refusal(buf_str(&b), "big-endian");
    memcpy(b.p + 4, "\3\0\0\0", 4);
    memset(b.p + 8, 0x7f, 8);                                   /* tensors */
    expect_refusal(buf_str(&b), "bad.gguf");
    memset(b.p + 16, 0x7f, 8);                                  /* keys */
    expect_refusal(buf_str(&b), "bad.gguf");
}

/* Bytes to put behind a text of the file, and what is said of it then. */
struct damage { const char *text; size_t by; const char *bytes; size_t n; const char *message; };

static void expect_refusals(const struct damage *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        AUTO_BUF b = { 0 };

        read_kinds(&b);
        memcpy(place(&b, rows[i].text, rows[i].by), rows[i].bytes, rows[i].n);
        expect_refusal(buf_str(&b), rows[i].message);
    }
}

static void wrong_keys_and_values(void **state)
{
    static const struct damage rows[] = {
        { "k.uint8", 7, "\x63", 1, "key k.uint8: value type 99 is not known" },
        { "k.bool", 10, "\2", 1, "key k.bool: a bool must be 0 or 1" },
        { "k.string", 12, "\xff\xff\xff\xff\xff\xff\xff\x7f", 8, "k.string: a text of 9223372036854775807 bytes" },
        { "k.ints", 14, "\xff\xff\xff\xff\xff\xff\xff\x7f", 8, "key k.ints: an array of 9223372036854775807" },
        { "k.words", 15, "\xff\xff\xff\xff\xff\xff\xff\x7f", 8, "k.words" },
        { "k.uint8", 0, "k.\0", 3, "a metadata key" },
        { "k.uint8", 0, "\xff\xfe", 2, "a metadata key" },
        { "k.uint16", 0, "k.uint32", 8, "key k.uint32 is there twice" },
    };

    expect_refusals(rows, ARRAY_LEN(rows));
}

/* After the name: u32 dimensions, u64 each, u32 format, u64 offset. "plain" and "Q8_0" have two dimensions, "half" one. */
static void wrong_tensors(void **state)
{
    static const struct damage rows[] = {
        { "plain", 5, "\11", 1, "tensor plain: 9 dimensions" },
        { "plain", 5, "\0", 1, "tensor plain: 0 dimensions" },
        { "plain", 9, "\0", 1, "tensor plain: a dimension of 0" },
        { "plain", 9, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, "tensor plain" },
        { "plain", 25, "\x13", 1, "tensor plain: format 19 (IQ1_S) is not read; F32, F16" },
        { "plain", 25, "\xff\xff", 2, "tensor plain: format 65535 (unknown) is not read" },
        { "plain", 25, "\10", 1, "tensor plain: rows of 3 elements are no multiple of the 32 of a Q8_0 block" },
        { "plain", 29, "\1", 1, "tensor plain: offset 1 is no multiple of the alignment 32" },
        { "plain", 29, "\0\0\0\0\0\0\0\100", 8, "tensor plain: 24 bytes at offset 4611686018427387904 lie outside" },
        { "half", 4 + 4 + 8 + 4, "\0", 1, "tensors plain and half overlap" },
    };

    expect_refusals(rows, ARRAY_LEN(rows));
}

static void the_same_tensor_twice(void **state)
{
    AUTO_BUF b = { 0 };

    read_kinds(&b);
    memcpy(place(&b, "Q4_0", 0), "Q8_0", 4);
    expect_refusal(buf_str(&b), "tensor Q8_0 is there twice");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_of_every_width),
        cmocka_unit_test(reals_flags_and_texts),
        cmocka_unit_test(arrays_are_read_in_order),
        cmocka_unit_test(absent_and_wrong_values),
        cmocka_unit_test(tensors_lie_in_the_file_row_major),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(wrong_beginnings),
        cmocka_unit_test(wrong_keys_and_values),
        cmocka_unit_test(wrong_tensors),
        cmocka_unit_test(the_same_tensor_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
