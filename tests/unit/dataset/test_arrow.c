/* Arrow IPC streams and files of pyarrow give the rows that pyarrow reads; damaged ones are named and never read past their end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "dataset/dataset.h"

static char *golden(const char *name)
{
    return xasprintf("%s/tests/golden/arrow/%s", getenv("KAITO_SOURCE"), name);
}

static errc read_all(const char *path, json_t **out, struct err *e)
{
    AUTO_FREE(dataset) d = NULL;
    AUTO_JSON rows = json_array();

    TRY(dataset_open(path, NULL, &d, e));
    for (json_t *row = NULL;;) {
        TRY(dataset_next(d, &row, e));
        if (!row)
            break;
        json_push(rows, row);
    }
    *out = TAKE(rows);
    return ERR_OK;
}

static json_t *rows_of(const char *name)
{
    AUTO_MEM char *path = golden(name);
    struct err e = { 0 };
    json_t *rows = NULL;

    if (read_all(path, &rows, &e))
        fail_msg("%s", e.text);
    return rows;
}

/* 3 and 3.0 are one number. */
static bool same(const json_t *a, const json_t *b)
{
    return json_is_number(a) && json_is_number(b) ? json_number_value(a) == json_number_value(b) : json_equal(a, b);
}

static size_t differing(const json_t *got, const json_t *want, const char *name)
{
    const char *key;
    json_t *value;
    size_t bad = 0;

    json_object_foreach((json_t *)(uintptr_t)got, key, value)
        if (!same(value, json_object_get(want, key))) {
            AUTO_MEM char *a = json_text(value), *b = json_text(json_object_get(want, key));
            if (!bad++)
                print_error("%s: %s is %.200s instead of %.200s\n", name, key, a, b);
        }
    return bad;
}

static void every_type_and_framing_gives_pyarrows_rows(void **state)
{
    static const struct { const char *name; size_t columns; } files[] = {
        { "stream.arrow", 26 }, { "file.arrow", 26 }, { "lz4.arrow", 26 }, { "zstd.arrow", 26 }, { "legacy.arrow", 25 },
    };
    AUTO_MEM char *path = golden("rows.json");
    AUTO_JSON want = NULL;
    struct err e;
    size_t bad = 0;

    (void)state;
    assert_int_equal(json_parse_file(path, 1 << 20, &want, &e), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        AUTO_JSON got = rows_of(files[i].name);
        assert_int_equal(json_array_size(got), 37);
        for (size_t k = 0; k < 37; k++) {
            assert_int_equal(json_object_size(json_array_get(got, k)), files[i].columns);
            bad += differing(json_array_get(got, k), json_array_get(want, k), files[i].name);
        }
    }
    assert_int_equal(bad, 0);
}

static void dictionaries_grow_and_are_replaced(void **state)
{
    static const struct { const char *name, *rows; } files[] = {
        { "delta.arrow", "[{\"d\":\"a\"},{\"d\":\"b\"},{\"d\":\"a\"},{\"d\":\"b\"},{\"d\":\"c\"},{\"d\":\"a\"},{\"d\":\"b\"},{\"d\":\"c\"},{\"d\":\"d\"}]" },
        { "replaced.arrow", "[{\"d\":\"a\"},{\"d\":\"b\"},{\"d\":\"a\"},{\"d\":\"b\"},{\"d\":\"c\"},{\"d\":\"z\"}]" },
        { "empty.arrow", "[]" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        AUTO_JSON got = rows_of(files[i].name);
        AUTO_MEM char *text = json_text(got);
        assert_string_equal(text, files[i].rows);
    }
}

static void rewound_it_reads_the_same(void **state)
{
    AUTO_MEM char *path = golden("replaced.arrow");
    AUTO_FREE(dataset) d = NULL;
    struct err e;

    (void)state;
    assert_int_equal(dataset_open(path, NULL, &d, &e), ERR_OK);
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < 5; i++) {
            AUTO_JSON row = NULL;
            assert_int_equal(dataset_next(d, &row, &e), ERR_OK);
            assert_string_equal(json_cstr(row, "d"), i % 2 == 0 && i < 4 ? "a" : i < 4 ? "b" : "c");
        }
        assert_int_equal(dataset_rewind(d, &e), ERR_OK);
    }
}

static void decimals_keep_their_digits(void **state)
{
    AUTO_JSON rows = rows_of("decimal.arrow");

    (void)state;
    assert_int_equal(json_array_size(rows), 1);
    assert_string_equal(json_cstr(json_array_get(rows, 0), "price"), "1.00");
}

static void a_type_that_is_not_read_is_named(void **state)
{
    AUTO_MEM char *path = golden("union.arrow");
    json_t *rows = NULL;
    struct err e;

    (void)state;
    assert_int_equal(read_all(path, &rows, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "union.arrow: column either: the type union of Arrow is not read: drop the column"));
}

/* Without the sync of file_write_atomic: there are thousands. */
static void write_plainly(const char *path, const void *p, size_t n)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* Every cut is an error, but for those between two messages of a stream, where a writer may have stopped. */
static void cut_anywhere_nothing_is_invented(void **state)
{
    static const char *const names[] = { "delta.arrow", "lz4.arrow", "file.arrow" };
    char dir[] = "/tmp/kaito-arrow-XXXXXX";
    struct err e;

    (void)state;
    assert_non_null(mkdtemp(dir));
    for (size_t f = 0; f < ARRAY_LEN(names); f++) {
        AUTO_MEM char *from = golden(names[f]), *to = path_join(dir, names[f]);
        AUTO_JSON whole = rows_of(names[f]);
        AUTO_BUF bytes = { 0 };
        assert_int_equal(file_read(from, 1 << 20, &bytes, &e), ERR_OK);
        size_t between = 0;
        for (size_t n = 8; n < bytes.n; n += f ? 97 : 1) {
            AUTO_JSON got = NULL;
            write_plainly(to, bytes.p, n);
            if (read_all(to, &got, &e)) {
                assert_non_null(strstr(e.text, names[f]));
                continue;
            }
            between++;
            for (size_t k = 0; k < json_array_size(got); k++)
                assert_true(json_equal(json_array_get(got, k), json_array_get(whole, k)));
        }
        assert_true(between <= (f == 0 ? 16 : 8));
        assert_true(f < 2 || between == 0);
    }
    assert_int_equal(dir_remove(dir, &e), ERR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_and_framing_gives_pyarrows_rows),
        cmocka_unit_test(dictionaries_grow_and_are_replaced),
        cmocka_unit_test(rewound_it_reads_the_same),
        cmocka_unit_test(decimals_keep_their_digits),
        cmocka_unit_test(a_type_that_is_not_read_is_named),
        cmocka_unit_test(cut_anywhere_nothing_is_invented),
    };
    return cmocka_run_group_tests_name("arrow", tests, NULL, NULL);
}
