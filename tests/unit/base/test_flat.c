/* Flat JSON: the same tree comes back, lookups agree with the tree, and it is small. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/flat.h"

static json_t *parsed(const char *text)
{
    json_t *j = NULL;
    struct err e = { 0 };

    assert_int_equal(json_parse(str_of(text), &j, &e), ERR_OK);
    return j;
}

static const char *const values[] = {
    "null", "true", "false", "0", "-1", "9223372036854775807", "-9223372036854775808", "1.5", "-0.0", "1e300", "\"\"", "\"caf\xC3\xA9\"",
    "\"a\\u0000b\"", "[]", "{}", "[[],{},[[1]]]", "{\"\":{\"a\":[null,true,\"x\"],\"z\":1},\"b\":-2.5}",
};

static void every_value_comes_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        AUTO_JSON j = parsed(values[i]);
        AUTO_FREE(flat) f = flat_new(j);
        AUTO_JSON back = flat_tree(f);
        AUTO_BUF before = { 0 }, after = { 0 };

        json_write(j, &before);
        json_write(back, &after);
        assert_string_equal(before.p, after.p);
        for (size_t k = 0; k < i; k++) {
            AUTO_JSON other_tree = parsed(values[k]);
            AUTO_FREE(flat) other = flat_new(other_tree);

            assert_false(flat_same(f, other));
        }
        AUTO_FREE(flat) again = flat_new(back);

        assert_true(flat_same(f, again));
    }
}

static void the_order_of_keys_does_not_count(void **state)
{
    AUTO_JSON a = parsed("{\"b\":{\"y\":1,\"x\":2},\"a\":[1,2],\"ab\":null}");
    AUTO_JSON b = parsed("{\"ab\":null,\"a\":[1,2],\"b\":{\"x\":2,\"y\":1}}");
    AUTO_JSON c = parsed("{\"ab\":null,\"a\":[2,1],\"b\":{\"x\":2,\"y\":1}}");
    AUTO_FREE(flat) fa = flat_new(a);
    AUTO_FREE(flat) fb = flat_new(b);
    AUTO_FREE(flat) fc = flat_new(c);

    (void)state;
    assert_true(flat_same(fa, fb));
    assert_false(flat_same(fa, fc));
}

static void long_texts_and_containers_come_back(void **state)
{
    static const size_t sizes[] = { 127, 128, 16383, 16384, 70000 };        /* around the bounds of the length's bytes */
    AUTO_JSON j = json_object();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        AUTO_BUF text = { 0 };

        while (text.n < sizes[i])
            buf_addc(&text, 'x');
        json_put(json_sub(j, buf_cstr(&text)), "text", json_strn(buf_str(&text)));
        json_put_str(j, "last", "found");
        AUTO_FREE(flat) f = flat_new(j);
        AUTO_JSON back = flat_tree(f);

        assert_true(json_equal(j, back));
        assert_int_equal(strlen(flat_str_at(f, buf_cstr(&text), "text", NULL)), sizes[i]);
        assert_string_equal(flat_str_at(f, "last", NULL), "found");
    }
}

static void strings_are_found_without_a_tree(void **state)
{
    AUTO_JSON j = parsed("{\"skip\":[1,2.5,{\"a\":\"no\"}],\"n\":7,\"a\":{\"b\":{\"c\":\"yes\",\"d\":null}},\"ab\":\"other\"}");
    AUTO_FREE(flat) f = flat_new(j);

    (void)state;
    assert_string_equal(flat_str_at(f, "a", "b", "c", NULL), "yes");
    assert_string_equal(flat_str_at(f, "ab", NULL), "other");
    assert_null(flat_str_at(f, "a", "b", "d", NULL));
    assert_null(flat_str_at(f, "a", "b", NULL));
    assert_null(flat_str_at(f, "n", NULL));
    assert_null(flat_str_at(f, "n", "x", NULL));
    assert_null(flat_str_at(f, "skip", "a", NULL));
    assert_null(flat_str_at(f, "absent", NULL));
}

static void an_object_takes_a_fifth_of_its_tree(void **state)
{
    static const char text[] =
        "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"a-workspace\",\"namespace\":\"default\",\"uid\":\"0f0e0d0c-1111-2222-3333-444455556666\","
        "\"resourceVersion\":\"123456\",\"labels\":{\"kaito.sh/workspace\":\"a-workspace\"},\"ownerReferences\":[{\"kind\":\"Workspace\",\"name\":\"a-workspace\","
        "\"uid\":\"aaaabbbb-1111-2222-3333-444455556666\",\"controller\":true}]},\"spec\":{\"type\":\"ClusterIP\",\"selector\":{\"kaito.sh/workspace\":\"a-workspace\"},"
        "\"ports\":[{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\",\"targetPort\":5000}]}}";
    enum { N = 200 };
    json_t *trees[N];
    struct flat *flats[N];
    size_t before = mallinfo2().uordblks;

    (void)state;
    for (size_t i = 0; i < N; i++)
        trees[i] = parsed(text);
    size_t as_trees = mallinfo2().uordblks - before;

    before = mallinfo2().uordblks;
    for (size_t i = 0; i < N; i++)
        flats[i] = flat_new(trees[i]);
    size_t as_flats = mallinfo2().uordblks - before;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)         /* their allocators do not count */
    assert_true(as_flats * 5 < as_trees);
#endif
    assert_true(flat_bytes(flats[0]) < sizeof text * 5 / 4);            /* as text, and what lengths take more than quotes */
    for (size_t i = 0; i < N; i++) {
        json_decref(trees[i]);
        flat_free(flats[i]);
    }
    (void)as_trees;
    (void)as_flats;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_comes_back), cmocka_unit_test(the_order_of_keys_does_not_count),
        cmocka_unit_test(long_texts_and_containers_come_back),
        cmocka_unit_test(strings_are_found_without_a_tree), cmocka_unit_test(an_object_takes_a_fifth_of_its_tree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
