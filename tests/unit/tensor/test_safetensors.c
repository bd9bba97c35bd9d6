/* Reading refuses whatever does not add up, by name; writing gives what the reference writer gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "tensor/safetensors.h"

static struct buf file_of(const char *header, size_t data)
{
    struct buf b = { 0 };
    size_t n = strlen(header);

    for (int i = 0; i < 8; i++)
        buf_addc(&b, (char)(n >> (8 * i)));
    buf_adds(&b, header);
    for (size_t i = 0; i < data; i++)
        buf_addc(&b, (char)i);
    return b;
}

#define ONE(name, shape, begin, end) "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

static void bad_headers_are_refused_by_name(void **state)
{
    static const struct { const char *header; size_t data; const char *text; } rows[] = {
        { "{" ONE("a", "[2]", 0, 8) "}", 7, "f: tensor a: data_offsets [0, 8] lie outside the file's 7 data bytes (is the file cut short? download it again)" },
        { "{" ONE("a", "[2]", 0, 8) "}", 9, "f: holds 9 data bytes, its header describes 8" },
        { "{" ONE("a", "[3]", 0, 8) "}", 8, "f: tensor a: F32 of shape [3] does not fit its 8 bytes" },
        { "{" ONE("a", "[2]", 0, 8) "," ONE("b", "[1]", 4, 8) "}", 8, "f: tensor b: begins at byte 4, but the one before it ends at 8" },
        { "{" ONE("a", "[1]", 0, 4) "," ONE("b", "[1]", 8, 12) "}", 12, "f: tensor b: begins at byte 8, but the one before it ends at 4" },
        { "{" ONE("a", "[1]", 8, 4) "}", 8, "f: tensor a: data_offsets [8, 4] lie outside the file's 8 data bytes (is the file cut short? download it again)" },
        { "{" ONE("a", "[4294967296,4294967296,4]", 0, 4) "}", 4, "f: tensor a: the product of its shape overflows" },
        { "{" ONE("a", "[4611686018427387904,1]", 0, 0) "}", 0, "f: tensor a: F32 of shape [4611686018427387904, 1] does not fit its 0 bytes" },
        { "{" ONE("a", "[-1]", 0, 4) "}", 4, "f: tensor a: shape[0] is not a size" },
        { "{\"a\":{\"dtype\":\"F31\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "f: tensor a: dtype F31 is not known" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "f: tensor a: data_offsets must be two sizes" },
        { "{\"__metadata__\":{\"format\":1}}", 0, "f: __metadata__.format must be a string" },
        { " {}", 0, "f: the header must begin with '{'" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_BUF b = file_of(rows[i].header, rows[i].data);
        struct safetensors *s = NULL;
        struct err e = { 0 };

        assert_int_equal(safetensors_parse("f", buf_str(&b), &s, &e), ERR_CORRUPT);
        assert_string_equal(e.text, rows[i].text);
    }
}

static void sizes_from_space_are_refused(void **state)
{
    struct safetensors *s = NULL;
    struct err e;

    assert_int_equal(safetensors_parse("f", str_n("\0\0\0\0\0\0\0\x10{}", 10), &s, &e), ERR_CORRUPT);
    assert_int_equal(safetensors_parse("f", str_n("\2\0\0", 3), &s, &e), ERR_CORRUPT);
    assert_int_equal(safetensors_parse("f", str_n("", 0), &s, &e), ERR_CORRUPT);
}

static void names_twice_are_refused(void **state)
{
    AUTO_BUF b = file_of("{" ONE("a", "[1]", 0, 4) "," ONE("a", "[1]", 4, 8) "}", 8);
    struct safetensors *s = NULL;
    struct err e;

    assert_int_equal(safetensors_parse("f", buf_str(&b), &s, &e), ERR_CORRUPT);
}

static char *temp_dir(void)
{
    char *dir = xstrdup("/tmp/test-safetensors-XXXXXX");

    assert_non_null(mkdtemp(dir));
    return dir;
}

static const float numbers[6] = { 1, 2, 3, 4, 5, 6 };
static const uint16_t halves[3] = { 0x3f80, 0x4000, 0x4040 };

static struct safetensors_item item(const char *name, enum dtype d, size_t n, const void *data)
{
    return (struct safetensors_item){ name, { .dtype = d, .ndim = 1, .shape = { n }, .len = n, .data = data } };
}

static void what_is_written_is_read(void **state)
{
    AUTO_MEM char *dir = temp_dir(), *path = path_join(dir, "model.safetensors");
    const struct safetensors_item items[] = {
        item("b.half", DTYPE_BF16, 3, halves), item("z", DTYPE_F32, 6, numbers), item("a\"q", DTYPE_F32, 2, numbers + 1),
    };
    AUTO_FREE(safetensors) s = NULL;
    struct err e = { 0 };

    if (safetensors_write(path, items, ARRAY_LEN(items), &e) || safetensors_open_dir(dir, &s, &e))
        fail_msg("%s", e.text);
    assert_int_equal(safetensors_count(s), 3);
    assert_string_equal(safetensors_name(s, 0), "a\"q");        /* wide first, then by name */
    assert_string_equal(safetensors_name(s, 1), "z");
    assert_string_equal(safetensors_meta(s, "format"), "pt");
    assert_memory_equal(safetensors_get(s, "b.half")->data, halves, sizeof halves);
    assert_memory_equal(safetensors_get(s, "z")->data, numbers, sizeof numbers);
    assert_int_equal(safetensors_bytes(s), 6 + 32);
    const struct tensor *t;
    assert_int_equal(safetensors_need(s, "y", &t, &e), ERR_NOT_FOUND);

    const struct safetensors_item twice[] = { items[0], items[0] };
    assert_int_equal(safetensors_write(path, twice, 2, &e), ERR_INVALID);
    assert_int_equal(dir_remove(dir, &e), ERR_OK);
}

static void write_index(const char *dir, const char *text)
{
    AUTO_MEM char *path = path_join(dir, "model.safetensors.index.json");
    struct err e;

    assert_int_equal(file_write_atomic(path, str_of(text), 0644, &e), ERR_OK);
}

static void shards_are_one_name_space(void **state)
{
    AUTO_MEM char *dir = temp_dir(), *one = path_join(dir, "model-1.safetensors"), *two = path_join(dir, "model-2.safetensors");
    const struct safetensors_item a = item("a", DTYPE_F32, 6, numbers), b = item("b", DTYPE_BF16, 3, halves);
    AUTO_FREE(safetensors) s = NULL;
    struct safetensors *bad = NULL;
    struct err e = { 0 };

    assert_int_equal(safetensors_open_dir(dir, &bad, &e), ERR_NOT_FOUND);
    assert_int_equal(safetensors_write(one, &a, 1, &e), ERR_OK);
    assert_int_equal(safetensors_write(two, &b, 1, &e), ERR_OK);
    write_index(dir, "{\"weight_map\":{\"a\":\"model-1.safetensors\",\"b\":\"model-2.safetensors\"}}");
    if (safetensors_open_dir(dir, &s, &e))
        fail_msg("%s", e.text);
    assert_non_null(safetensors_get(s, "a"));
    assert_non_null(safetensors_get(s, "b"));

    write_index(dir, "{\"weight_map\":{\"a\":\"model-1.safetensors\",\"c\":\"model-2.safetensors\"}}");
    assert_int_equal(safetensors_open_dir(dir, &bad, &e), ERR_CORRUPT);
    assert_non_null(strstr(e.text, "tensor c should be in model-2.safetensors, which does not hold it"));
    write_index(dir, "{\"weight_map\":{\"a\":\"../model-1.safetensors\"}}");
    assert_int_equal(safetensors_open_dir(dir, &bad, &e), ERR_CORRUPT);
    write_index(dir, "{\"weight_map\":{\"a\":\"model-9.safetensors\"}}");
    assert_int_equal(safetensors_open_dir(dir, &bad, &e), ERR_NOT_FOUND);
    assert_int_equal(safetensors_write(two, &a, 1, &e), ERR_OK);
    write_index(dir, "{\"weight_map\":{\"a\":\"model-1.safetensors\",\"b\":\"model-2.safetensors\"}}");
    assert_int_equal(safetensors_open_dir(dir, &bad, &e), ERR_CORRUPT);
    assert_int_equal(dir_remove(dir, &e), ERR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_headers_are_refused_by_name),
        cmocka_unit_test(sizes_from_space_are_refused),
        cmocka_unit_test(names_twice_are_refused),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(shards_are_one_name_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
