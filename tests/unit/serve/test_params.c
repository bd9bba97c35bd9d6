/* Reading a body by its table: types, ranges, defaults, and what an error says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "serve/params.h"

struct wish { bool flag; int64_t count; double share; const char *name; json_t *list, *object, *any; };
#define W struct wish
static const struct param_row rows[] = {
    PARAM(W, flag, BOOL, "flag", 1),
    PARAM(W, count, INT, "count", 1 | 2, PARAM_RANGE(1, 9)),
    PARAM(W, share, NUM, "share", 1, PARAM_RANGE(0, 1), .flags = PARAM_ABOVE_MIN | PARAM_MODEL_DEFAULT),
    PARAM(W, name, TEXT, "name", 1),
    PARAM(W, list, LIST, "list", 1),
    PARAM(W, object, OBJECT, "object", 1),
    PARAM(W, any, JSON, "any", 1),
    PARAM(W, name, TEXT, "needed", 2, .flags = PARAM_REQUIRED),
    { "noise", PARAM_IGNORED, 1 },
    { "dream", PARAM_UNBUILT, 1 },
};
static const struct param_table table = { rows, sizeof rows / sizeof *rows };

static json_t *tree(const char *text)
{
    json_t *j = NULL;
    struct err e;

    assert_int_equal(json_parse(str_of(text), &j, &e), ERR_OK);
    return j;
}

static const struct { unsigned on; const char *body, *want; } faults[] = {
    { 1, "[]", "the body must be a JSON object" },
    { 1, "{\"flag\":1}", "flag: 1 is neither true nor false" },
    { 1, "{\"count\":\"5\"}", "count: \"5\" is not a whole number" },
    { 1, "{\"count\":2.5}", "count: 2.5 is not a whole number" },
    { 1, "{\"count\":true}", "count: true is not a whole number" },
    { 1, "{\"count\":0}", "count: 0 is not in [1, 9]" },
    { 1, "{\"count\":1e300}", "count: 1e+300 is not a whole number" },
    { 1, "{\"share\":0}", "share: 0 is not in (0, 1]" },
    { 1, "{\"share\":\"hot\"}", "share: \"hot\" is not a number" },
    { 1, "{\"name\":{\"a\":[1]}}", "name: {\"a\":[1]} is not a string" },
    { 1, "{\"list\":\"x\"}", "list: \"x\" is not a list" },
    { 1, "{\"object\":[1,2]}", "object: [1,2] is not an object" },
    { 1, "{\"dream\":[0]}", "dream: [0] is not supported by this server; leave the field out" },
    { 2, "{}", "needed: is missing" },
    { 2, "{\"needed\":null}", "needed: is missing" },
};

static void errors_name_field_value_and_range(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        AUTO_JSON in = tree(faults[i].body);
        struct wish w = { 0 };
        struct err e = { 0 };
        assert_int_equal(params_read(&table, faults[i].on, in, NULL, &w, &e), ERR_BAD_REQUEST);
        assert_string_equal(e.text, faults[i].want);
    }
}

static void a_long_value_is_cut_between_code_points(void **state)
{
    (void)state;
    AUTO_JSON in = tree("{\"share\":\"aäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöü\"}");
    struct wish w = { 0 };
    struct err e = { 0 };

    assert_int_equal(params_read(&table, 1, in, NULL, &w, &e), ERR_BAD_REQUEST);
    assert_true(strlen(e.text) < 120);
    AUTO_JSON text = json_string(e.text);       /* NULL when it is not UTF-8 */
    assert_non_null(text);
}

static void absent_null_and_unknown_leave_the_defaults(void **state)
{
    (void)state;
    AUTO_JSON in = tree("{\"flag\":null,\"count\":null,\"unheard\":[1],\"noise\":{},\"dream\":false}");
    struct wish w = { .flag = true, .count = -1, .share = 0.5 };
    struct err e;

    assert_int_equal(params_read(&table, 1, in, NULL, &w, &e), ERR_OK);
    assert_true(w.flag && w.count == -1 && w.share == 0.5 && !w.name);
}

static void values_go_where_the_row_says(void **state)
{
    (void)state;
    AUTO_JSON in = tree("{\"flag\":true,\"count\":4.0,\"share\":1,\"name\":\"x\",\"list\":[1],\"object\":{},\"any\":7,\"needed\":5}");
    struct wish w = { 0 };
    struct err e;

    assert_int_equal(params_read(&table, 1, in, NULL, &w, &e), ERR_OK);
    assert_true(w.flag && w.count == 4 && w.share == 1);
    assert_string_equal(w.name, "x");
    assert_int_equal(json_array_size(w.list), 1);
    assert_true(json_is_object(w.object) && json_is_integer(w.any));
}

static void the_model_may_set_a_default(void **state)
{
    (void)state;
    AUTO_JSON in = tree("{}");
    AUTO_JSON said = tree("{\"share\":0.25}");
    AUTO_JSON model = tree("{\"share\":0.75,\"count\":3}");
    struct wish w = { .share = 1, .count = 8 };
    struct err e;

    assert_int_equal(params_read(&table, 1, in, model, &w, &e), ERR_OK);
    assert_true(w.share == 0.75 && w.count == 8);
    assert_int_equal(params_read(&table, 1, said, model, &w, &e), ERR_OK);
    assert_true(w.share == 0.25);
}

static void the_schema_is_the_table(void **state)
{
    (void)state;
    struct wish w = { .share = 0.5, .flag = true };
    AUTO_JSON s = params_schema(&table, 1, &w);

    assert_string_equal(json_str_at(s, "properties", "share", "type", NULL), "number");
    assert_true(json_num(json_at(s, "properties", "share", NULL), "exclusiveMinimum", -1) == 0);
    assert_true(json_num(json_at(s, "properties", "share", NULL), "default", -1) == 0.5);
    assert_true(json_flag(json_at(s, "properties", "flag", NULL), "default", false));
    assert_null(json_at(s, "properties", "dream", NULL));
    assert_null(json_at(s, "properties", "needed", NULL));
    AUTO_JSON other = params_schema(&table, 2, &w);
    assert_string_equal(json_string_value(json_array_get(json_object_get(other, "required"), 0)), "needed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_name_field_value_and_range),
        cmocka_unit_test(a_long_value_is_cut_between_code_points),
        cmocka_unit_test(absent_null_and_unknown_leave_the_defaults),
        cmocka_unit_test(values_go_where_the_row_says),
        cmocka_unit_test(the_model_may_set_a_default),
        cmocka_unit_test(the_schema_is_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
