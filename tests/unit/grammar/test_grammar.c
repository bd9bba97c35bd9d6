/* Languages: which texts are complete, which may be begun; masks against the same question asked token by token. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "grammar_test.h"

enum kind { SCHEMA, OBJECT, REGEX, GBNF };
enum verdict { COMPLETE, BEGUN, WRONG };

static errc compile(enum kind kind, const char *source, struct grammar **out, struct err *e)
{
    AUTO_JSON schema = NULL;

    switch (kind) {
    case SCHEMA:
        TRY(json_parse(str_of(source), &schema, e));
        return grammar_compile_json_schema(schema, out, e);
    case OBJECT:
        return grammar_compile_json_object(out, e);
    case REGEX:
        return grammar_compile_regex(str_of(source), out, e);
    case GBNF:
        return grammar_compile_gbnf(str_of(source), out, e);
    }
    return ERR_INTERNAL;
}

static enum verdict verdict_of(struct grammar *g, const struct grammar_vocab *v, struct str text)
{
    AUTO_FREE(matcher) m = matcher_new(g, v);

    if (!matcher_accept_bytes(m, text))
        return WRONG;
    return matcher_may_end(m) ? COMPLETE : BEGUN;
}

struct text { const char *text; enum verdict want; };
struct language { enum kind kind; const char *source; struct text texts[16]; };

static const struct language languages[] = {
    { REGEX, "ab*c?", { { "a", COMPLETE }, { "abbb", COMPLETE }, { "abc", COMPLETE }, { "", BEGUN }, { "b", WRONG }, { "abcc", WRONG } } },
    { REGEX, "^(?:yes|no)$", { { "yes", COMPLETE }, { "no", COMPLETE }, { "ye", BEGUN }, { "yesno", WRONG } } },
    { REGEX, "[0-9]{3}-\\d{2,4}", { { "123-45", COMPLETE }, { "123-4567", COMPLETE }, { "123-4", BEGUN }, { "123-45678", WRONG }, { "12-", WRONG } } },
    { REGEX, "[^a-z]+\\.é", { { "A.é", COMPLETE }, { "É.é", COMPLETE }, { "a", WRONG }, { "A.\xc3", BEGUN }, { "A.\xc3\xa8", BEGUN } } },
    { REGEX, "(a|b(c|d)*){2}", { { "ab", COMPLETE }, { "bcdb", COMPLETE }, { "a", BEGUN }, { "aaa", WRONG } } },
    { REGEX, "\\u00e9\\x41\\n\\W", { { "éA\n!", COMPLETE }, { "éA\nx", WRONG } } },
    { REGEX, "[\\w-]+@x", { { "a-b@x", COMPLETE }, { "a b", WRONG } } },
    { REGEX, ".", { { "\xf0\x9f\x98\x80", COMPLETE }, { "\n", WRONG }, { "\xed\xa0\x80", WRONG }, { "\xc0", WRONG }, { "\xf4\x90", WRONG } } },
    { REGEX, "", { { "", COMPLETE }, { "a", WRONG } } },
    { REGEX, "(a*)*b", { { "aaab", COMPLETE }, { "b", COMPLETE }, { "aac", WRONG } } },
    { REGEX, "a{0}b|c{2,}", { { "b", COMPLETE }, { "ccc", COMPLETE }, { "c", BEGUN }, { "a", WRONG } } },

    { OBJECT, "", { { "{}", COMPLETE }, { "{\"a\":1}", COMPLETE }, { "{ \"a\": [1, {\"b\": null}],\n  \"c\": \"x\"\n}", COMPLETE }, { "[1]", WRONG },
                    { "{\"a\"", BEGUN }, { "{\"a\":tr", BEGUN }, { "{,", WRONG }, { "{\"a\":1,}", WRONG }, { "{\"a\":01", WRONG }, { "{\"a\":\"\n", WRONG },
                    { "{\"a\":\"\\ud83d\\ude00\"}", COMPLETE }, { "{\"a\":\"\\ude00", WRONG }, { "{\"a\":\"\\ud83dx", WRONG }, { "{  ", WRONG }, { "{}x", WRONG } } },

    { SCHEMA, "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"age\":{\"type\":\"integer\"}},\"required\":[\"name\",\"age\"]}",
      { { "{\"name\":\"x\",\"age\":3}", COMPLETE }, { "{\"name\": \"x\", \"age\": -12}", COMPLETE }, { "{\"age\"", WRONG }, { "{\"name\":\"x\"}", WRONG },
        { "{\"name\":\"x\",\"age\":3,", WRONG }, { "{\"name\":1", WRONG }, { "{\"name\":\"x\",\"age\":3.", WRONG }, { "{\n  \"name\": \"x\",\n  \"age\": 0\n}", COMPLETE } } },
    { SCHEMA, "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"null\"},\"b\":{\"type\":\"boolean\"},\"c\":{}},\"required\":[\"b\"],\"additionalProperties\":{\"type\":\"integer\"}}",
      { { "{\"b\":true}", COMPLETE }, { "{\"a\":null,\"b\":false}", COMPLETE }, { "{\"b\":true,\"c\":[{}]}", COMPLETE }, { "{\"b\":true,\"d\":1}", COMPLETE },
        { "{\"b\":true,\"d\":\"", WRONG }, { "{\"b\":true,\"a\"", WRONG }, { "{\"b\":true,\"ab\":7,\"\":8}", COMPLETE }, { "{\"b\":true,\"\\u0061", WRONG }, { "{}", WRONG } } },
    { SCHEMA, "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"null\"},\"b\":{\"type\":\"null\"}}}",
      { { "{}", COMPLETE }, { "{\"a\":null}", COMPLETE }, { "{\"b\":null}", COMPLETE }, { "{\"a\":null,\"b\":null}", COMPLETE }, { "{\"b\":null,\"a\"", WRONG }, { "{\"c\"", WRONG } } },
    { SCHEMA, "{\"type\":\"array\",\"items\":{\"enum\":[1,\"two\",null,[3]]},\"minItems\":1,\"maxItems\":3}",
      { { "[1]", COMPLETE }, { "[\"two\", null, [3]]", COMPLETE }, { "[]", WRONG }, { "[1,1,1,", WRONG }, { "[2", WRONG } } },
    { SCHEMA, "{\"type\":\"array\",\"prefixItems\":[{\"const\":\"x\"},{\"type\":\"integer\"}],\"items\":false,\"minItems\":1}",
      { { "[\"x\"]", COMPLETE }, { "[\"x\",5]", COMPLETE }, { "[\"x\",5,", WRONG }, { "[]", WRONG } } },
    { SCHEMA, "{\"type\":\"array\",\"items\":{\"type\":\"boolean\"},\"minItems\":2}", { { "[true,false]", COMPLETE }, { "[true]", WRONG }, { "[true,true,true,true]", COMPLETE } } },
    { SCHEMA, "{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}",
      { { "\"ab\"", COMPLETE }, { "\"é\\n\\ud83d\\ude00\"", COMPLETE }, { "\"a\"", WRONG }, { "\"abcd", WRONG } } },
    { SCHEMA, "{\"type\":\"string\",\"pattern\":\"^[A-Z]{2}\\\"\\\\d+$\",\"maxLength\":4}", { { "\"AB\\\"1\"", COMPLETE }, { "\"AB\\\"12", WRONG }, { "\"AB\"", WRONG } } },
    { SCHEMA, "{\"type\":\"string\",\"format\":\"date\"}", { { "\"2024-02-29\"", COMPLETE }, { "\"2023-02-29", WRONG }, { "\"2023-04-31", WRONG }, { "\"2023-12-31\"", COMPLETE } } },
    { SCHEMA, "{\"type\":\"string\",\"format\":\"ipv4\"}", { { "\"255.0.10.9\"", COMPLETE }, { "\"256", WRONG } } },
    { SCHEMA, "{\"type\":\"integer\",\"minimum\":-5,\"maximum\":120}",
      { { "0", COMPLETE }, { "-5", COMPLETE }, { "-6", WRONG }, { "120", COMPLETE }, { "121", WRONG }, { "13", COMPLETE }, { "130", WRONG }, { "-0", WRONG }, { "01", WRONG } } },
    { SCHEMA, "{\"type\":\"integer\",\"exclusiveMinimum\":99,\"multipleOf\":7}", { { "105", COMPLETE }, { "99", BEGUN }, { "106", BEGUN }, { "700", COMPLETE }, { "1001", COMPLETE } } },
    { SCHEMA, "{\"type\":\"number\",\"minimum\":0.5,\"exclusiveMaximum\":2}",
      { { "0.5", COMPLETE }, { "0.49", WRONG }, { "0", BEGUN }, { "1.999", COMPLETE }, { "2", WRONG }, { "1", COMPLETE }, { "-1", WRONG } } },
    { SCHEMA, "{\"type\":\"number\",\"maximum\":-10.25}", { { "-10.25", COMPLETE }, { "-10.2", BEGUN }, { "-10.24", WRONG }, { "-11", COMPLETE }, { "-9", BEGUN }, { "1", WRONG } } },
    { SCHEMA, "{\"type\":\"number\"}", { { "-0.5e-7", COMPLETE }, { "1E5", COMPLETE }, { "1.", BEGUN }, { "1e123", WRONG }, { "1234567890123456", WRONG }, { ".5", WRONG } } },
    { SCHEMA, "{\"type\":[\"string\",\"null\"]}", { { "null", COMPLETE }, { "\"\"", COMPLETE }, { "1", WRONG } } },
    { SCHEMA, "{\"type\":\"string\",\"nullable\":true}", { { "null", COMPLETE }, { "\"x\"", COMPLETE } } },
    { SCHEMA, "{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"object\",\"properties\":{\"k\":{\"const\":\"a\\\"b\"}},\"required\":[\"k\"]}]}",
      { { "5", COMPLETE }, { "{\"k\":\"a\\\"b\"}", COMPLETE }, { "{}", WRONG } } },
    { SCHEMA, "{\"allOf\":[{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\",\"minimum\":3}},\"required\":[\"a\"]},"
              "{\"properties\":{\"a\":{\"maximum\":5,\"type\":\"number\"},\"b\":{\"type\":\"null\"}},\"required\":[\"b\"]}]}",
      { { "{\"a\":4,\"b\":null}", COMPLETE }, { "{\"a\":4}", WRONG }, { "{\"a\":6", WRONG }, { "{\"a\":4.5", WRONG } } },
    { SCHEMA, "{\"$ref\":\"#/$defs/list\",\"$defs\":{\"list\":{\"type\":\"object\",\"properties\":{\"value\":{\"type\":\"integer\"},\"next\":{\"anyOf\":[{\"$ref\":\"#/$defs/list\"},"
              "{\"type\":\"null\"}]}},\"required\":[\"value\",\"next\"],\"additionalProperties\":false}}}",
      { { "{\"value\":1,\"next\":null}", COMPLETE }, { "{\"value\":1,\"next\":{\"value\":2,\"next\":null}}", COMPLETE }, { "{\"value\":1,\"next\":1", WRONG } } },
    { SCHEMA, "true", { { "[1,{\"x\":\"y\"}]", COMPLETE }, { "nul", BEGUN }, { "x", WRONG } } },
    { SCHEMA, "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"},\"minProperties\":1,\"maxProperties\":2}",
      { { "{\"x\":1}", COMPLETE }, { "{}", WRONG }, { "{\"x\":1,\"y\":2}", COMPLETE }, { "{\"x\":1,\"y\":2,", WRONG } } },
    { SCHEMA, "{\"oneOf\":[{\"type\":\"object\",\"properties\":{\"kind\":{\"const\":\"cat\"}},\"required\":[\"kind\"]},"
              "{\"type\":\"object\",\"properties\":{\"kind\":{\"const\":\"dog\"},\"barks\":{\"type\":\"boolean\"}},\"required\":[\"kind\"]}]}",
      { { "{\"kind\":\"cat\"}", COMPLETE }, { "{\"kind\":\"dog\",\"barks\":true}", COMPLETE }, { "{\"kind\":\"cat\",", WRONG } } },
    { SCHEMA, "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"integer\"}},\"patternProperties\":{\"^x-\":{\"type\":\"null\"},\"^n_[a-z]+$\":{\"type\":\"integer\"}}}",
      { { "{}", COMPLETE }, { "{\"x-a \\\"b\":null,\"n_b\":7,\"x-\":null}", COMPLETE }, { "{\"id\":1,\"n_c\":2}", COMPLETE }, { "{\"x-a\":1", WRONG }, { "{\"n_B", WRONG }, { "{\"n_\"", WRONG },
        { "{\"n_b\":null", WRONG }, { "{\"y", WRONG }, { "{\"n_b\":2,\"id", WRONG } } },
    { SCHEMA, "{\"type\":\"object\",\"patternProperties\":{\"^[a-z]{2}(?:-[A-Z]{2})?$\":{\"type\":\"string\"}},\"additionalProperties\":false,\"minProperties\":1,\"maxProperties\":2}",
      { { "{\"de\":\"x\",\"pt-BR\":\"y\"}", COMPLETE }, { "{}", WRONG }, { "{\"d\"", WRONG }, { "{\"de\":\"\",\"fr\":\"\",", WRONG } } },
    { SCHEMA, "{\"type\":\"object\",\"propertyNames\":{\"enum\":[\"a\",\"b\\\"\",3]},\"additionalProperties\":{\"type\":\"integer\"}}",
      { { "{}", COMPLETE }, { "{\"a\":1,\"b\\\"\":2}", COMPLETE }, { "{\"a\":1,\"a", WRONG }, { "{3", WRONG }, { "{\"c", WRONG } } },
    { SCHEMA, "{\"type\":\"object\",\"propertyNames\":{\"enum\":[\"a\",\"b\"]},\"additionalProperties\":{\"type\":\"integer\"},\"minProperties\":1}",
      { { "{}", WRONG }, { "{\"b\":1,\"a\":2}", COMPLETE }, { "{\"c", WRONG } } },
    { SCHEMA, "{\"type\":\"object\",\"propertyNames\":{\"type\":\"string\"},\"properties\":{\"k\":{\"type\":\"null\"}},\"additionalProperties\":false}", { { "{\"k\":null}", COMPLETE } } },
    { SCHEMA, "{\"type\":\"object\",\"propertyNames\":{\"pattern\":\"^[a-z]+$\",\"maxLength\":2}}", { { "{\"ab\":[]}", COMPLETE }, { "{\"abc", WRONG }, { "{\"A", WRONG } } },
    { SCHEMA, "{\"allOf\":[{\"type\":\"object\",\"patternProperties\":{\"^a\":{\"type\":\"integer\"}}},{\"patternProperties\":{\"^a\":{\"minimum\":5},\"^b\":{\"type\":\"null\"}}}]}",
      { { "{\"a\":5,\"b1\":null}", COMPLETE }, { "{\"a\":4", BEGUN }, { "{\"a\":4}", WRONG } } },
    { SCHEMA, "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"enum\":[\"r\",\"g\",\"b\",\"r\"]},\"uniqueItems\":true,\"minItems\":1,\"maxItems\":2}",
      { { "[\"g\"]", COMPLETE }, { "[\"b\", \"r\"]", COMPLETE }, { "[]", WRONG }, { "[\"r\",\"r", WRONG }, { "[\"r\",\"g\",", WRONG } } },
    { SCHEMA, "{\"type\":\"array\",\"items\":{\"type\":\"boolean\"},\"uniqueItems\":true}", { { "[]", COMPLETE }, { "[true,false]", COMPLETE }, { "[true,t", WRONG }, { "[true,false,", WRONG } } },
    { SCHEMA, "{\"type\":\"array\",\"items\":{\"enum\":[1,1.0,2]},\"uniqueItems\":true}", { { "[2,1]", COMPLETE }, { "[1,1", WRONG } } },
    { SCHEMA, "{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"uniqueItems\":true,\"maxItems\":1}", { { "[\"x\"]", COMPLETE }, { "[\"x\",", WRONG } } },
    { SCHEMA, "{\"type\":\"array\",\"items\":[{\"type\":\"integer\"},{\"type\":\"null\"}],\"additionalItems\":false,\"minItems\":2}", { { "[1,null]", COMPLETE }, { "[1]", WRONG }, { "[1,null,", WRONG } } },
    { SCHEMA, "{\"type\":\"array\",\"items\":[{\"type\":\"integer\"}],\"additionalItems\":{\"type\":\"null\"}}", { { "[1,null,null]", COMPLETE }, { "[1,2", WRONG } } },
    { SCHEMA, "{\"type\":\"string\",\"format\":\"uri\",\"minLength\":1,\"maxLength\":2083}", { { "\"https://a.example/x?y#z\"", COMPLETE }, { "\"ftp", WRONG } } },

    { GBNF, "root ::= greeting \", \" name+ [!.]? # end\ngreeting ::= \"hello\" | \"hi\"\nname ::= [a-z]{2,3} |\n  \"\\u00e9\" (\"-\" | \"+\")*\n",
      { { "hello, abc", COMPLETE }, { "hi, é-+-!", COMPLETE }, { "hi, a", BEGUN }, { "hi, ab.", COMPLETE }, { "hi, ab.x", WRONG }, { "hey", WRONG } } },
    { GBNF, "root ::= expr\nexpr ::= term (\"+\" term)*\nterm ::= [0-9]+ | \"(\" expr \")\"", { { "1+(2+3)", COMPLETE }, { "(1", BEGUN }, { "1+)", WRONG } } },
    /* characters by number, whatever text they are: a string's, which are counted; written out, with text behind them; at the end of a rule */
    { SCHEMA, "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"minLength\":3,\"maxLength\":5}}", { { "[\"ab\\n\",\"zz\xc3\xa9zz\"]", COMPLETE }, { "[\"ab\"", WRONG } } },
    { SCHEMA, "{\"type\":\"string\",\"minLength\":12}", { { "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"", COMPLETE }, { "\"a\"", WRONG } } },
    { GBNF, "root ::= ch{2,5} [a-z] [\"]\nch ::= [^\"\\\\\x01-\x1f]", { { "zzz\"", COMPLETE }, { "zzzzzz\"", COMPLETE }, { "zz\"", WRONG }, { "zzzzzzz", WRONG } } },
    { GBNF, "root ::= name [\"!]\nname ::= ch{1,4}\nch ::= [^\"\\\\\x01-\x1f]", { { "zz!", COMPLETE }, { "!!", COMPLETE }, { "\"", WRONG }, { "zzzz\"", COMPLETE }, { "zzzzz", WRONG } } },
    { GBNF, "root ::= item root | \"\"\nitem ::= [^\\n\\]-]", { { "abc", COMPLETE }, { "a\n", WRONG }, { "]", WRONG }, { "-", WRONG } } },
};

static void texts_are_judged(void **state)
{
    AUTO_FREE(grammar_vocab) v = byte_vocab(NULL, 0);

    for (size_t i = 0; i < ARRAY_LEN(languages); i++) {
        const struct language *l = &languages[i];
        AUTO_FREE(grammar) g = NULL;
        struct err e = { 0 };
        if (compile(l->kind, l->source, &g, &e))
            fail_msg("%s: %s", l->source, e.text);
        for (size_t k = 0; k < ARRAY_LEN(l->texts) && l->texts[k].text; k++) {
            enum verdict got = verdict_of(g, v, str_of(l->texts[k].text));
            if (got != l->texts[k].want)
                fail_msg("%s: \"%s\" is %d, not %d", l->source, l->texts[k].text, got, l->texts[k].want);
        }
    }
}

static const struct { enum kind kind; const char *source, *error; } refused[] = {
    { SCHEMA, "{\"properties\":{\"a\":{\"not\":{}}}}", "$.properties.a.not: is not supported" },
    { SCHEMA, "{\"type\":\"array\",\"uniqueItems\":true}", "$.uniqueItems: is not supported" },
    { SCHEMA, "{\"type\":\"strin\"}", "$.type: must be null, boolean" },
    { SCHEMA, "{\"$ref\":\"#/$defs/x\"}", "$.$ref: \"#/$defs/x\" is not in the schema" },
    { SCHEMA, "{\"$ref\":\"http://x/y\"}", "only references inside the schema" },
    { SCHEMA, "{\"$ref\":\"#\"}", "refers to itself" },
    { SCHEMA, "{\"anyOf\":[{\"$ref\":\"#\"},{\"type\":\"null\"}]}", "left recursion" },
    { SCHEMA, "{\"$defs\":{\"a\":{\"allOf\":[{\"$ref\":\"#/$defs/a\"}]}},\"$ref\":\"#/$defs/a\"}", "refers to itself" },
    { SCHEMA, "{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#\"}},\"required\":[\"a\"]}", "no text satisfies it" },
    { SCHEMA, "{\"type\":\"object\",\"properties\":{},\"required\":[\"a\"],\"additionalProperties\":false}", "$.required[0]: \"a\" is neither" },
    { SCHEMA, "{\"type\":\"integer\",\"minimum\":5,\"maximum\":4}", "no text satisfies it" },
    { SCHEMA, "{\"type\":\"string\",\"minLength\":5,\"maxLength\":4}", "$.minLength: is above maxLength" },
    { SCHEMA, "{\"type\":\"string\",\"pattern\":\"(?=a)\"}", "$.pattern: regular expression, at 2: (?...)" },
    { SCHEMA, "{\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"number\"}]}", "$.oneOf: alternatives 0 and 1 may both hold" },
    { SCHEMA, "{\"allOf\":[{\"type\":\"integer\"},{\"type\":\"string\"}]}", "no type satisfies both" },
    { SCHEMA, "{\"type\":\"integer\",\"multipleOf\":0.5}", "$.multipleOf: is supported for whole numbers" },
    { SCHEMA, "[]", "$: must be a schema" },
    { SCHEMA, "{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"uniqueItems\":true}", "$.uniqueItems: is not supported, but for items of at most 10 listed values" },
    { SCHEMA, "{\"type\":\"object\",\"patternProperties\":{\"^x-\":{\"type\":\"null\"},\"_n$\":{\"type\":\"integer\"}}}", "may match one key" },
    { SCHEMA, "{\"type\":\"object\",\"properties\":{\"max-x\":{}},\"patternProperties\":{\"x-\":{}}}", "$.patternProperties.x-: matches \"max-x\"" },
    { SCHEMA, "{\"type\":\"object\",\"patternProperties\":{\"^a|b$\":{}}}", "inside a group" },
    { SCHEMA, "{\"type\":\"object\",\"patternProperties\":{\"(\":{}}}", "regular expression" },
    { SCHEMA, "{\"type\":\"object\",\"patternProperties\":7}", "$.patternProperties: must be an object" },
    { SCHEMA, "{\"type\":\"object\",\"properties\":{\"a\":{}},\"propertyNames\":{\"pattern\":\"^b\"}}", "$.propertyNames: is supported only where" },
    { SCHEMA, "{\"allOf\":[{\"type\":\"object\",\"patternProperties\":{\"^a\":{}}},{\"additionalProperties\":{\"type\":\"null\"}}]}", "cannot be combined with additionalProperties" },
    { REGEX, "(a", "a group without its )" }, { REGEX, "a)", "a ) without its (" }, { REGEX, "[a", "a class without its ]" }, { REGEX, "*a", "nothing before it" },
    { REGEX, "a{3,1}", "must run forwards" }, { REGEX, "\\1", "back references" }, { REGEX, "a\\b", "word boundaries" }, { REGEX, "a^b", "^ is supported at the front only" },
    { REGEX, "((((a{999}){999}){999}){999}){999}", "too large" }, { REGEX, "a{5000}{5000}", "too large" }, { REGEX, "\xff", "valid UTF-8" },
    { GBNF, "root ::= a", "rule \"a\" is not defined" }, { GBNF, "x ::= \"a\"", "rule \"root\" is not defined" }, { GBNF, "root ::= root \"a\" | \"b\"", "left recursion" },
    { GBNF, "root ::= \"a", "line 1: a literal without its closing quote" }, { GBNF, "root ::= a a\na ::= \"\" | root", "left recursion" },
    { GBNF, "root ::= \"a\" root", "no text satisfies it" },
};

static void what_cannot_be_kept_is_refused(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        AUTO_FREE(grammar) g = NULL;
        struct err e = { 0 };
        if (compile(refused[i].kind, refused[i].source, &g, &e) != ERR_BAD_REQUEST)
            fail_msg("%s: accepted, or another code: %s", refused[i].source, e.text);
        if (!strstr(e.text, refused[i].error))
            fail_msg("%s: \"%s\" does not say \"%s\"", refused[i].source, e.text, refused[i].error);
    }
}

static void a_schema_has_a_limit(void **state)
{
    AUTO_JSON schema = json_object();
    AUTO_FREE(grammar) g = NULL;
    AUTO_BUF text = { 0 };
    struct err e = { 0 };

    for (size_t i = 0; i < 1 << 20; i++)
        buf_addc(&text, 'x');
    json_put(schema, "description", json_strn(buf_str(&text)));
    assert_int_equal(grammar_compile_json_schema(schema, &g, &e), ERR_BAD_REQUEST);
    assert_string_equal(e.text, "$: the schema is longer than 1 MiB");
}

static void a_choice_is_one_of_its_texts(void **state)
{
    const struct str choices[] = { STR("red"), STR("redder"), STR("blé") };
    AUTO_FREE(grammar_vocab) v = byte_vocab(NULL, 0);
    AUTO_FREE(grammar) g = NULL;
    struct err e;

    assert_int_equal(grammar_compile_choice(choices, 3, &g, &e), ERR_OK);
    assert_int_equal(verdict_of(g, v, STR("red")), COMPLETE);
    assert_int_equal(verdict_of(g, v, STR("redd")), BEGUN);
    assert_int_equal(verdict_of(g, v, STR("blé")), COMPLETE);
    assert_int_equal(verdict_of(g, v, STR("blue")), WRONG);
}

/* ---- masks ---- */

static const char *const words[] = { "{\"", "\":", "\",", "\", \"", "\"}", "}}", "]}", " \"", "\":\"", "ab", "abc", "na", "name\"", "12", "123", "0.5", "-1", "true", "null",
                                     "},", "[{", "[[[[", "\n  ", "\n\n", "  ", "\xc3\xa9", "\xa9x", "x\xf0\x9f", "\\\"", "\\u00", "e\": ", "aaaaaaaaaaaaaaaa", ", ", "\"]", "\"]}", "{}", "()",
                                     "z", "zz", "z\xc3\xa9", "z\xe4\xb8\x96!", "z\xe4\xb8", "z\xed\xa0\x80", "y", "yz\x01", "yz", "y\xc3\xa9\"" };

/* Asks the question token by token, each time in a matcher of its own. */
static void check_mask(struct grammar *g, const struct grammar_vocab *v, struct str before, const uint64_t *mask)
{
    for (size_t id = 0; id < 257 + ARRAY_LEN(words); id++) {
        AUTO_FREE(matcher) m = matcher_new(g, v);
        assert_true(matcher_accept_bytes(m, before));
        if (matcher_accept(m, (int32_t)id) != mask_has(mask, id))
            fail_msg("after \"%.*s\" token %zu (%s) is %s", STR_ARG(before), id, id > 256 ? words[id - 257] : "byte", mask_has(mask, id) ? "offered" : "not offered");
    }
}

static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void walk_and_check(struct grammar *g, const struct grammar_vocab *v, uint64_t seed, size_t steps)
{
    AUTO_FREE(matcher) m = matcher_new(g, v);
    AUTO_BUF text = { 0 };
    uint64_t mask[8];
    int32_t allowed[512];

    assert_true(grammar_vocab_words(v) <= ARRAY_LEN(mask));
    for (size_t i = 0; i < steps; i++) {
        size_t n = 0;
        matcher_mask(m, mask);
        check_mask(g, v, buf_str(&text), mask);
        assert_int_equal(mask_has(mask, EOS_ID), matcher_may_end(m));
        for (int32_t id = 0; id < (int32_t)(257 + ARRAY_LEN(words)); id++)
            if (mask_has(mask, (size_t)id) && id != EOS_ID)
                allowed[n++] = id;
        if (!n) {
            assert_true(matcher_done(m));
            return;
        }
        int32_t id = allowed[next_random(&seed) % n];
        assert_true(matcher_accept(m, id));
        buf_addstr(&text, id < 256 ? str_n((char[]){ (char)id }, 1) : str_of(words[id - 257]));
    }
}

static void masks_are_exact(void **state)
{
    AUTO_FREE(grammar_vocab) v = byte_vocab(words, ARRAY_LEN(words));

    for (size_t i = 0; i < ARRAY_LEN(languages); i++) {
        AUTO_FREE(grammar) g = NULL;
        struct err e;
        assert_int_equal(compile(languages[i].kind, languages[i].source, &g, &e), ERR_OK);
        for (uint64_t seed = 1; seed <= 3; seed++)
            walk_and_check(g, v, seed * 1000 + i, 25);
    }
}

/* Far from its limits a long string's mask is shared; near them it is not. */
static void limits_of_a_long_string_are_kept(void **state)
{
    AUTO_FREE(grammar_vocab) v = byte_vocab(words, ARRAY_LEN(words));
    AUTO_FREE(grammar) g = NULL;
    AUTO_BUF text = { 0 };
    struct err e;
    uint64_t mask[8];

    assert_int_equal(compile(SCHEMA, "{\"type\":\"string\",\"minLength\":30,\"maxLength\":70}", &g, &e), ERR_OK);
    AUTO_FREE(matcher) m = matcher_new(g, v);
    for (size_t i = 0; i <= 70; i++) {
        buf_addc(&text, i ? 'a' : '"');
        assert_true(matcher_accept(m, i ? 'a' : '"'));
        matcher_mask(m, mask);
        check_mask(g, v, buf_str(&text), mask);
    }
}

static void depth_has_a_limit_and_a_way_out(void **state)
{
    AUTO_FREE(grammar_vocab) v = byte_vocab(NULL, 0);
    AUTO_FREE(grammar) g = NULL;
    struct err e;
    uint64_t mask[8];
    size_t depth = 0;

    assert_int_equal(compile(SCHEMA, "true", &g, &e), ERR_OK);
    AUTO_FREE(matcher) m = matcher_new(g, v);
    for (;; depth++) {
        matcher_mask(m, mask);
        if (!mask_has(mask, '['))
            break;
        assert_true(matcher_accept(m, '['));
        assert_true(depth < 500);
    }
    assert_true(depth > 100);
    assert_false(matcher_accept(m, '['));
    while (depth--)
        assert_true(matcher_accept(m, ']'));
    assert_true(matcher_done(m));
    matcher_mask(m, mask);
    assert_true(mask_has(mask, EOS_ID));
}

static void a_matcher_survives_full_caches(void **state)
{
    AUTO_FREE(grammar_vocab) v = byte_vocab(words, ARRAY_LEN(words));
    AUTO_FREE(grammar) g = NULL;
    struct err e;
    uint64_t mask[8], seed = 7;

    /* every text is another set of stacks */
    assert_int_equal(compile(REGEX, "(?:.*a.{60}|[ab]*)", &g, &e), ERR_OK);
    AUTO_FREE(matcher) one = matcher_new(g, v);
    AUTO_FREE(matcher) other = matcher_new(g, v);
    assert_true(matcher_accept(other, 'b'));
    for (size_t i = 0; i < 400; i++) {
        assert_true(matcher_accept(one, next_random(&seed) & 1 ? 'a' : 'b'));
        matcher_mask(one, mask);
        assert_true(mask_has(mask, 'a'));
        assert_true(mask_has(mask, EOS_ID));
    }
    assert_true(matcher_accept(other, 'a'));
    matcher_mask(other, mask);
    assert_true(mask_has(mask, 'b') && mask_has(mask, 'x'));
}

static void after_the_end_only_the_end_may_follow(void **state)
{
    AUTO_FREE(grammar_vocab) v = byte_vocab(NULL, 0);
    AUTO_FREE(grammar) g = NULL;
    struct err e;
    uint64_t mask[8];

    assert_int_equal(compile(REGEX, "a*", &g, &e), ERR_OK);
    AUTO_FREE(matcher) m = matcher_new(g, v);
    assert_false(matcher_done(m));
    assert_true(matcher_accept(m, EOS_ID));
    assert_true(matcher_done(m));
    assert_false(matcher_accept(m, 'a'));
    matcher_mask(m, mask);
    assert_true(mask_has(mask, EOS_ID));
    assert_false(mask_has(mask, 'a'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_judged),
        cmocka_unit_test(what_cannot_be_kept_is_refused),
        cmocka_unit_test(a_schema_has_a_limit),
        cmocka_unit_test(a_choice_is_one_of_its_texts),
        cmocka_unit_test(masks_are_exact),
        cmocka_unit_test(limits_of_a_long_string_are_kept),
        cmocka_unit_test(depth_has_a_limit_and_a_way_out),
        cmocka_unit_test(a_matcher_survives_full_caches),
        cmocka_unit_test(after_the_end_only_the_end_may_follow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
