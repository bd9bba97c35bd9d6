/* Validation rules: expressions and their values, errors, and rules of real definitions (Kubernetes, Karpenter, KAITO). */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "schema/cel.h"
#include "schema/crd.h"

#include "base/mem.h"

static json_t *parse(const char *text)
{
    json_t *j = NULL;
    struct err e;

    if (json_parse(str_of(text), &j, &e))
        fail_msg("%s: %s", text, e.text);
    return j;
}

/* The value as text, or "error: ...". */
static char *value_of(const char *rule, const char *self, const char *old)
{
    AUTO_FREE(arena) a = arena_new();
    AUTO_JSON s = parse(self);
    AUTO_JSON o = old ? parse(old) : NULL;
    AUTO_JSON v = NULL;
    const struct cel *c;
    struct err e = { 0 };

    if (cel_parse(str_of(rule), a, &c, &e) || cel_eval(c, s, o, &v, &e))
        return xasprintf("error: %s", e.text);
    return json_text(v);
}

static void expressions_have_their_values(void **state)
{
    static const char self[] = "{\"a\":1,\"b\":[1,2,3],\"s\":\"héllo\",\"n\":null,\"m\":{\"k\":\"v\"},\"namespace\":\"x\",\"a-b\":2}";
    static const char *const cases[][2] = {
        { "1 + 2 * 3", "7" }, { "(1 + 2) * 3", "9" }, { "-7 / 2", "-3" }, { "7 % 4", "3" }, { "2.5 * 2.0", "5.0" }, { "1 == 1.0", "true" },
        { "self.a in [1, 2]", "true" }, { "'k' in self.m", "true" }, { "!('z' in self.m)", "true" }, { "self.b[1]", "2" },
        { "size(self.b) == 3 && self.s.size() == 5", "true" }, { "has(self.a)", "true" }, { "has(self.n)", "false" }, { "has(self.zz)", "false" },
        { "self.b.all(x, x > 0)", "true" }, { "self.b.exists(x, x == 2)", "true" }, { "self.b.exists_one(x, x > 1)", "false" },
        { "self.b.filter(x, x > 1)", "[2,3]" }, { "self.b.map(x, x * 2)", "[2,4,6]" }, { "self.b.map(x, x > 1, x * 2)", "[4,6]" },
        { "self.m.all(k, self.m[k] == 'v')", "true" }, { "self.s.startsWith('h') ? 'yes' : 'no'", "\"yes\"" },
        { "self.s.matches('^h.*o$')", "true" }, { "'a' + \"b\" + r'\\d'", "\"ab\\\\d\"" }, { "'''a  b'''", "\"a  b\"" }, { "'x\\ty'", "\"x\\ty\"" },
        { "self.__namespace__ == 'x' && self.a__dash__b == 2", "true" }, { "int('42') + 1", "43" }, { "string(5) + 's'", "\"5s\"" },
        { "false && self.zz", "false" }, { "self.zz && false", "false" }, { "true || self.zz", "true" }, { "self.zz || true", "true" },
        { "'karpenter.sh/x'.find('^([^/]+)')", "\"karpenter.sh\"" }, { "'a'.find('b')", "\"\"" },
        { "[1,2].exists(x, x == 2 || self.zz)", "true" }, { "{'a': 1}.a", "1" }, { "'A'.lowerAscii()", "\"a\"" }, { "'a,b'.split(',')", "[\"a\",\"b\"]" },
        { "1 < 2 && 'a' < 'b' && !(2 <= 1)", "true" }, { "self.b.indexOf(3)", "2" }, { "'\\u00e9' == 'é'", "true" }, { "null == self.n", "true" },
        { "self.zz", "error: no such key: zz" }, { "1 / 0", "error: division by zero" }, { "self.a && true", "error: no such overload: &&" },
        { "self.b[9]", "error: index out of bounds" }, { "nope", "error: undeclared reference: nope" }, { "1 + 'a'", "error: no such overload: arithmetic" },
        { "9223372036854775807 + 1", "error: return error for overflow" }, { "''' a // b ''' + r\"\"\"c \"\"\"", "\" a // b c \"" }, { "''''", "error: unfinished string at \"\"" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_MEM char *got = value_of(cases[i][0], self, NULL);
        if (!streq(got, cases[i][1]))
            fail_msg("%s: got %s, want %s", cases[i][0], got, cases[i][1]);
    }
}

static void broken_rules_are_refused(void **state)
{
    static const char *const bad[] = { "", "1 +", "(1", "self.", "'abc", "[1,", "a b", "has(self)", "1..2", "self.b.all(x)", "?", "{1}" };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO_FREE(arena) a = arena_new();
        const struct cel *c;
        struct err e;
        if (!cel_parse(str_of(bad[i]), a, &c, &e))
            fail_msg("taken: %s", bad[i]);
    }
    AUTO_BUF deep = { 0 };
    for (int i = 0; i < 5000; i++)
        buf_addc(&deep, '(');
    AUTO_FREE(arena) a = arena_new();
    const struct cel *c;
    struct err e;
    assert_int_equal(cel_parse(buf_str(&deep), a, &c, &e), ERR_INVALID);
    assert_int_equal(cel_parse(STR("quantity('1')"), a, &c, &e), ERR_UNBUILT);
}

static void endless_rules_end(void **state)
{
    AUTO_BUF list = { 0 };
    buf_addc(&list, '[');
    for (int i = 0; i < 500; i++)
        buf_addf(&list, "%s%d", i ? "," : "", i);
    buf_addc(&list, ']');
    AUTO_MEM char *got = value_of("self.all(a, self.all(b, self.all(c, a + b + c >= 0)))", buf_cstr(&list), NULL);
    assert_string_equal(got, "error: the rule takes too many steps");
}

static void validate(const struct type *t, const char *object, const char *old, const char *want)
{
    AUTO_JSON j = parse(object);
    AUTO_JSON o = old ? parse(old) : NULL;
    AUTO_FIELD_ERRORS errors = { 0 };
    AUTO_BUF text = { 0 };

    schema_validate(t, j, o, &errors);
    field_errors_text(&errors, &text);
    assert_string_equal(buf_cstr(&text), want);
}

/* Rules and answers of the recording custom_resources.json, steps 16 to 18. */
static void rules_of_a_definition_are_kept(void **state)
{
    AUTO_FREE(arena) a = arena_new();
    AUTO_JSON schema = parse(
        "{\"type\":\"object\",\"properties\":{\"resource\":{\"type\":\"object\",\"properties\":{\"instanceType\":{\"type\":\"string\","
        "\"x-kubernetes-validations\":[{\"rule\":\"self == oldSelf\",\"message\":\"instanceType is immutable\"}]}}},\"inference\":{\"type\":"
        "\"object\"},\"tuning\":{\"type\":\"object\"}},\"x-kubernetes-validations\":[{\"rule\":\"!(has(self.inference) && has(self.tuning))\","
        "\"message\":\"inference and tuning exclude each other\"},{\"rule\":\"self.metadata.name.size() < 12\",\"messageExpression\":"
        "\"'the name ' + self.metadata.name + ' is too long'\",\"reason\":\"FieldValueInvalid\"},{\"rule\":\"quantity('1').isGreaterThan(self.x)\"}]}");
    const struct type *t = NULL;
    struct err e;

    assert_int_equal(crd_type_build(schema, NULL, "x", "ai.example", "v1", "Space", a, &t, &e), ERR_OK);
    validate(t, "{\"metadata\":{\"name\":\"both\"},\"inference\":{},\"tuning\":{}}", NULL,
             "<nil>: Invalid value: \"object\": inference and tuning exclude each other");
    validate(t, "{\"metadata\":{\"name\":\"a-very-long-name\"}}", NULL, "<nil>: Invalid value: \"object\": the name a-very-long-name is too long");
    validate(t, "{\"metadata\":{\"name\":\"n\"},\"resource\":{\"instanceType\":\"a\"}}", "{\"resource\":{\"instanceType\":\"b\"}}",
             "resource.instanceType: Invalid value: \"string\": instanceType is immutable");
    validate(t, "{\"metadata\":{\"name\":\"n\"},\"resource\":{\"instanceType\":\"a\"}}", NULL, "");
}

static void check(const char *schema, const char *want)
{
    AUTO_JSON s = parse(schema);
    AUTO_FIELD_ERRORS errors = { 0 };
    AUTO_BUF text = { 0 };

    crd_schema_check(s, "s", &errors);
    field_errors_text(&errors, &text);
    if (!streq(buf_cstr(&text), want))
        fail_msg("%s\ngot  %s\nwant %s", schema, buf_cstr(&text), want);
}

/* Texts of the recording custom_resources.json, steps 44 to 46. */
static void unfit_schemas_are_refused(void **state)
{
    check("{\"type\":\"object\",\"properties\":{\"a\":{}}}", "s.properties[a].type: Required value: must not be empty for specified object fields");
    check("{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\",\"default\":\"x\"}}}",
          "s.properties[n].default: Invalid value: \"string\":  in body must be of type integer: \"string\"");
    check("{\"type\":\"object\",\"x-kubernetes-validations\":[{\"rule\":\"self.nope > 1\"}]}",
          "s.x-kubernetes-validations[0].rule: Invalid value: {\"rule\":\"self.nope > 1\"}: compilation failed: ERROR: <input>:1:5: undefined "
          "field 'nope'\n | self.nope > 1\n | ....^");
    check("{\"type\":\"object\",\"x-kubernetes-validations\":[{\"rule\":\"self.metadata.name != ''\"},{\"rule\":\"has(self.m.x)\"}],"
          "\"properties\":{\"m\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}},\"k\":{"
          "\"x-kubernetes-preserve-unknown-fields\":true,\"type\":\"object\"}}}", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions_have_their_values),
        cmocka_unit_test(broken_rules_are_refused),
        cmocka_unit_test(endless_rules_end),
        cmocka_unit_test(rules_of_a_definition_are_kept),
        cmocka_unit_test(unfit_schemas_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
