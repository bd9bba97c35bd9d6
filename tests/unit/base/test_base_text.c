/* base: strings, buffers, maps, numbers, JSON, YAML, time. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/yaml.h"

static void str_next_yields_empty_pieces(void **state)
{
    (void)state;
    struct str s = STR("a,,b,"), piece;
    const char *want[] = { "a", "", "b", "" };

    for (size_t i = 0; i < 4; i++) {
        assert_true(str_next(&s, ',', &piece));
        assert_true(str_is(piece, want[i]));
    }
    assert_false(str_next(&s, ',', &piece));
}

static void numbers_are_whole_words(void **state)
{
    (void)state;
    int64_t i;
    uint64_t u;
    double d;

    assert_true(str_to_i64(STR("-42"), &i) && i == -42);
    assert_false(str_to_i64(STR("42x"), &i));
    assert_false(str_to_i64(STR(" 42"), &i));
    assert_false(str_to_i64(STR("9223372036854775808"), &i));
    assert_true(str_to_u64(STR("18446744073709551615"), &u) && u == UINT64_MAX);
    assert_false(str_to_u64(STR("-1"), &u));
    assert_true(str_to_f64(STR("1e-3"), &d) && d == 1e-3);
    assert_false(str_to_f64(STR("nan"), &d));
    assert_false(str_to_f64(STR("0x10"), &d));
}

static void utf8_refuses_surrogates_and_overlong(void **state)
{
    (void)state;
    assert_true(str_utf8_valid(STR("na\xC3\xAFve \xF0\x9F\x99\x82")));
    assert_false(str_utf8_valid(STR("\xED\xA0\x80")));
    assert_false(str_utf8_valid(STR("\xC0\xAF")));
    assert_false(str_utf8_valid(STR("\xF4\x90\x80\x80")));
    assert_false(str_utf8_valid(STR("\xE2\x82")));
    AUTO_JSON j = json_strn(STR("a\xFFz"));
    assert_string_equal(json_string_value(j), "a\xEF\xBF\xBDz");
}

static void map_survives_deletes_and_growth(void **state)
{
    (void)state;
    AUTO_FREE(map) m = map_new(free);
    char key[16];

    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        map_put(m, str_of(key), xstrdup(key));
        if (i % 3 == 0)
            assert_true(map_del(m, str_of(key)));
    }
    assert_int_equal(map_len(m), 666);
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        const char *v = map_get(m, str_of(key));
        assert_true(i % 3 ? streq(v, key) : v == NULL);
    }
    struct str k;
    void *v;
    size_t at = 0;
    assert_true(map_next(m, &at, &k, &v) && str_is(k, "k1"));       /* insertion order */
}

static void json_has_no_infinities(void **state)
{
    AUTO_JSON list = json_array();

    json_push(list, json_float(0.5));
    json_push(list, json_float((double)INFINITY));
    json_push(list, json_float((double)NAN));
    AUTO_MEM char *text = json_text(list);
    assert_string_equal(text, "[0.5,null,null]");
}

static void json_numbers_beyond_int64_become_reals(void **state)
{
    (void)state;
    struct err e;
    json_t *j;

    assert_int_equal(json_parse(STR("[1,18446744073709551616]"), &j, &e), ERR_OK);
    assert_true(json_is_real(json_array_get(j, 1)));
    json_decref(j);
    assert_int_equal(json_parse(STR("{\"a\":"), &j, &e), ERR_BAD_REQUEST);
    assert_non_null(strstr(e.text, "line 1"));
}

static json_t *yaml(const char *text)
{
    struct err e;
    json_t *j;

    assert_int_equal(yaml_parse(str_of(text), &j, &e), ERR_OK);
    return j;
}

static void yaml_scalars_are_read_as_kubernetes_does(void **state)
{
    (void)state;
    AUTO_JSON j = yaml("a: 1\nb: \"1\"\nc: on\nd: 1.5\ne: 2e-3\nf: ~\ng: 0.0.1\nh: 0x1f\ni: [x, 'yes']\nj: |\n  two\n  lines\n");
    AUTO_MEM char *text = json_text(j);

    assert_string_equal(text, "{\"a\":1,\"b\":\"1\",\"c\":true,\"d\":1.5,\"e\":0.002,\"f\":null,\"g\":\"0.0.1\",\"h\":31,"
                              "\"i\":[\"x\",\"yes\"],\"j\":\"two\\nlines\\n\"}");
}

static void yaml_anchors_and_documents(void **state)
{
    (void)state;
    struct err e;
    json_t *all;

    assert_int_equal(yaml_parse_all(STR("---\na: &x {k: 1}\nb: *x\n---\n---\nc: 2\n"), &all, &e), ERR_OK);
    AUTO_MEM char *text = json_text(all);
    assert_string_equal(text, "[{\"a\":{\"k\":1},\"b\":{\"k\":1}},{\"c\":2}]");
    json_decref(all);
    json_t *j = NULL;
    assert_int_equal(yaml_parse(STR("a: [1\nb: 2"), &j, &e), ERR_BAD_REQUEST);
    assert_non_null(strstr(e.text, "yaml: line"));
    assert_int_equal(yaml_parse(STR("a: 1\na: 2\n"), &j, &e), ERR_BAD_REQUEST);
}

static void yaml_quotes_and_tags(void **state)
{
    (void)state;
    AUTO_JSON j = yaml("a: ''''''''''''''''''''''''''''''''''''''''''\nb: \"\\t\\t\\t\\t\\t\\t\\t\\t\\t\\u00e9\"\nc: !!str 12\nd: ! '7'\ne: \"x\n\n  y\"\nf: >-\n  u\n  v\n");
    AUTO_MEM char *text = json_text(j);

    assert_string_equal(text, "{\"a\":\"''''''''''''''''''''\",\"b\":\"\\t\\t\\t\\t\\t\\t\\t\\t\\té\",\"c\":\"12\",\"d\":\"7\",\"e\":\"x\\ny\",\"f\":\"u v\"}");
}

static void yaml_errors_say_where(void **state)
{
    static const struct { const char *text, *error; } cases[] = {
        { "a: 1\nb: c: 2\n", "yaml: line 2, column 5: mapping values are not allowed in this context" },
        { "a: [1\nb: 2\n", "yaml: line 2, column 2: did not find expected ',' or ']'" },
        { "a:\n\tb: 1\n", "yaml: line 2, column 1: a tab cannot indent; use spaces" },
        { "a: 1\nb: @c\n", "yaml: line 2, column 4: found character that cannot start any token" },
        { "a: *nobody\n", "yaml: unknown anchor 'nobody'" },
        { "a: &x [*x]\n", "yaml: unknown anchor 'x'" },
        { "a: 1\nb: 2\na: 3\n", "yaml: line 3: key \"a\" already set in map" },
        { "? [a]\n: 1\n", "yaml: line 1: a mapping key is not a plain text" },
        { "a: \x01\n", "yaml: byte 3: control characters are not allowed" },
        { "x: \"\xff\"\n", "yaml: not valid UTF-8" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e;
        json_t *j = NULL;
        assert_int_not_equal(yaml_parse(str_of(cases[i].text), &j, &e), ERR_OK);
        assert_string_equal(e.text, cases[i].error);
    }
}

static void yaml_bombs_are_refused(void **state)
{
    (void)state;
    AUTO_BUF b = { 0 };
    struct err e;
    json_t *j = NULL;

    buf_adds(&b, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 9; i++)
        buf_addf(&b, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    assert_int_not_equal(yaml_parse(buf_str(&b), &j, &e), ERR_OK);
}

static void yaml_written_reads_back(void **state)
{
    (void)state;
    AUTO_JSON m = yaml("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\n");
    assert_int_equal(json_int(json_object_get(m, "y"), "a", 0), 1);
    assert_int_equal(json_int(json_object_get(m, "y"), "b", 0), 3);
    AUTO_JSON j = yaml("a:\n  b: [1, {c: 'true', d: ''}, []]\n  e: {}\n'yes': \"x: y\\n\"\nn:\n- [1, 2]\n");
    AUTO_BUF b = { 0 };

    yaml_write(j, &b);
    AUTO_JSON again = yaml(buf_cstr(&b));
    assert_true(json_equal(j, again));
}

static void times_parse_and_print(void **state)
{
    (void)state;
    int64_t us;
    char text[TIME_TEXT_MAX];

    assert_true(time_parse(STR("2024-02-29T12:34:56.5+02:00"), &us));
    time_rfc3339_micro(us, text);
    assert_string_equal(text, "2024-02-29T10:34:56.500000Z");
    assert_false(time_parse(STR("2024-02-29 12:34:56Z"), &us));
    time_human_age(185000, text);
    assert_string_equal(text, "3m5s");
    assert_true(duration_parse_ms(STR("1h2m3.5s"), &us) && us == 3723500);
    assert_false(duration_parse_ms(STR("5"), &us));
}

static void encodings_round_trip(void **state)
{
    (void)state;
    AUTO_BUF text = { 0 }, back = { 0 };
    char hex[SHA256_HEX];

    base64_add(&text, "\x00\xFF\x10z", 4);
    assert_string_equal(text.p, "AP8Qeg==");
    assert_true(base64_decode(buf_str(&text), &back));
    assert_int_equal(back.n, 4);
    assert_memory_equal(back.p, "\x00\xFF\x10z", 4);
    assert_false(base64_decode(STR("a"), &back));
    sha256_hex("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    AUTO_FREE(sha256_stream) s = sha256_stream_new();
    sha256_stream_add(s, "a", 1);
    sha256_stream_add(s, "bc", 2);
    char again[SHA256_HEX];
    sha256_stream_hex(s, again);
    assert_string_equal(again, hex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(str_next_yields_empty_pieces), cmocka_unit_test(numbers_are_whole_words),
        cmocka_unit_test(utf8_refuses_surrogates_and_overlong), cmocka_unit_test(map_survives_deletes_and_growth),
        cmocka_unit_test(json_has_no_infinities),
        cmocka_unit_test(json_numbers_beyond_int64_become_reals), cmocka_unit_test(yaml_scalars_are_read_as_kubernetes_does),
        cmocka_unit_test(yaml_anchors_and_documents), cmocka_unit_test(yaml_quotes_and_tags), cmocka_unit_test(yaml_errors_say_where),
        cmocka_unit_test(yaml_bombs_are_refused),
        cmocka_unit_test(yaml_written_reads_back), cmocka_unit_test(times_parse_and_print), cmocka_unit_test(encodings_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
