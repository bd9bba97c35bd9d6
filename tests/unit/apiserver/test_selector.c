/* Label selectors: what they accept, what they say about the rest, what they match. And JSONPath of printer columns. */
#include "apiserver/jsonpath.h"
#include "apiserver/priv.h"             /* before cmocka.h, which has a macro of the name fail */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static json_t *labelled(const char *labels)
{
    json_t *o = json_object(), *l = NULL;
    struct err e;

    assert_int_equal(json_parse(str_of(labels), &l, &e), ERR_OK);
    json_put(json_sub(o, "metadata"), "labels", l);
    return o;
}

static void selectors_match(void **state)
{
    static const struct { const char *selector, *labels; bool matches; } rows[] = {
        { "a=b", "{\"a\":\"b\"}", true }, { "a==b", "{\"a\":\"c\"}", false }, { "a!=b", "{}", true }, { "a!=b", "{\"a\":\"b\"}", false },
        { "a in (b,c)", "{\"a\":\"c\"}", true }, { "a in (b, c)", "{\"a\":\"d\"}", false }, { "a notin (b)", "{}", true },
        { "a", "{\"a\":\"\"}", true }, { "!a", "{\"a\":\"\"}", false }, { "!a", "{}", true }, { "a=b,c", "{\"a\":\"b\"}", false },
        { "a=b,c", "{\"a\":\"b\",\"c\":\"d\"}", true }, { "a>5", "{\"a\":\"6\"}", true }, { "a<5", "{\"a\":\"6\"}", false },
        { "a=", "{\"a\":\"\"}", true }, { "a in ()", "{\"a\":\"\"}", true }, { "in=notin", "{\"in\":\"notin\"}", true }, { "", "{}", true },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena *a = arena_new();
        struct selector *s = NULL;
        struct err e = { 0 };
        json_t *o = labelled(rows[i].labels);
        if (selector_parse_labels(a, rows[i].selector, &s, &e))
            fail_msg("%s: %s", rows[i].selector, e.text);
        if (selector_matches(s, NULL, NULL, o) != rows[i].matches)
            fail_msg("%s against %s", rows[i].selector, rows[i].labels);
        json_decref(o);
        arena_free(a);
    }
}

static void malformed_selectors_are_told(void **state)
{
    static const struct { const char *selector, *text; } rows[] = {
        { "a in b", "unable to parse requirement: found 'b' expected: '('" },
        { "a=b=c", "found '=', expected: ',' or 'end of string'" },
        { "=x", "found '=', expected: !, identifier, or 'end of string'" },
        { "a=b,", "found '', expected: identifier after ','" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena *a = arena_new();
        struct selector *s = NULL;
        struct err e = { 0 };
        assert_int_equal(selector_parse_labels(a, rows[i].selector, &s, &e), ERR_BAD_REQUEST);
        assert_string_equal(e.text, rows[i].text);
        arena_free(a);
    }
}

static void paths_lead_to_values(void **state)
{
    static const char object[] = "{\"spec\":{\"n\":3,\"list\":[{\"a\":1},{\"a\":2}]},\"metadata\":{\"labels\":{\"x.y/z\":\"v\"}},"
        "\"status\":{\"conditions\":[{\"type\":\"A\",\"status\":\"False\"},{\"type\":\"Ready\",\"status\":\"True\"}]}}";
    static const struct { const char *path, *found; } rows[] = {
        { ".spec.n", "[3]" }, { ".spec.list[1].a", "[2]" }, { ".spec.list[*].a", "[1,2]" }, { ".spec.list[-1].a", "[2]" },
        { ".metadata.labels['x.y/z']", "[\"v\"]" }, { ".metadata.labels.x\\.y/z", "[\"v\"]" },
        { ".status.conditions[?(@.type==\"Ready\")].status", "[\"True\"]" }, { ".status.conditions[?(@.type=='Nope')].status", "[]" },
        { ".nope.deeper", "[]" }, { ".spec.list[", "[]" },
    };
    json_t *o = NULL;
    struct err e;

    (void)state;
    assert_int_equal(json_parse(str_of(object), &o, &e), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_t *found = jsonpath_find(o, rows[i].path);
        char *text = json_text(found);
        if (!streq(text, rows[i].found))
            fail_msg("%s: %s", rows[i].path, text);
        free(text);
        json_decref(found);
    }
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selectors_match), cmocka_unit_test(malformed_selectors_are_told), cmocka_unit_test(paths_lead_to_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
