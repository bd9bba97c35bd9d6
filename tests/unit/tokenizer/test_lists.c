/* The large lists of tokenizer.json: what is cut out, what is left to the tree, and that both ways give the same tokenizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/mem.h"
#include "tokenizer/lists.h"
#include "tokenizer/tokenizer.h"

static const char *const taken[] = {
    "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}}",
    "{ \"version\" : \"1\" ,\n \"added_tokens\" : [ { \"id\" : 3 , \"content\" : \"}{][\\\"\" } ] ,\n \"model\" : { \"merges\" : [ [ \"a\" , \"b\" ] ] , \"x\" : -1.5e3, "
    "\"vocab\" : { \"a\" : 0 , \"b\":1 , \"ab\" : 2 }\n} , \"decoder\" : null }",
};

static const char *const left_alone[] = {
    "", "[]", "{}", "nothing", "{\"model\":1}", "{\"model\":{\"vocab\":[[\"a\",0.5]]}}", "{\"model\":{\"vocab\":{}}}",
    "{\"model\":{\"vocab\":{\"a\":-1}}}", "{\"model\":{\"vocab\":{\"a\":1.5}}}", "{\"model\":{\"vocab\":{\"a\":01}}}", "{\"model\":{\"vocab\":{\"a\":99999999}}}",
    "{\"model\":{\"vocab\":{\"a\":0}", "{\"model\":{\"vocab\":{\"a\":0,}}}", "{\"model\":{\"vocab\":{\"a\":0}},\"model\":{\"vocab\":{\"b\":0}}}",
    "{\"model\":{\"vocab\":{\"a\":0},\"vocab\":{\"b\":0}}}", "{\"model\":{\"vocab\":{\"\\u0061\":0}}}", "{\"model\":{\"vocab\":{\"\xff\":0}}}",
    "{\"model\":{\"vocab\":{\"a\nb\":0}}}", "{\"model\":{\"vocab\":{\"a\\q\":0}}}",
};

static void the_usual_form_is_cut_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
        struct lists l = { 0 };
        AUTO_BUF rest = { 0 };

        assert_true(lists_cut(str_of(taken[i]), &rest, &l));
        assert_int_equal(l.vocab.n, 3);
        assert_int_equal(l.merges.n, 1);
        assert_null(strstr(buf_cstr(&rest), "\"ab\""));
        assert_non_null(strstr(buf_cstr(&rest), "null"));
    }
}

static void other_forms_are_left_to_the_tree(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(left_alone); i++) {
        struct lists l = { 0 };
        AUTO_BUF rest = { 0 };

        if (lists_cut(str_of(left_alone[i]), &rest, &l))
            fail_msg("%s was cut", left_alone[i]);
        assert_null(l.vocab.text.p);
    }
}

static void no_byte_beyond_the_text_is_read(void **state)
{
    (void)state;
    for (size_t n = 0, all = strlen(taken[1]); n < all; n++) {
        struct lists l = { 0 };
        AUTO_BUF rest = { 0 };
        AUTO_MEM char *part = xmemdup(taken[1], n + 1);         /* its last byte is beyond the text: for a memory checker */

        part[n] = '}';
        assert_false(lists_cut(str_n(part, n), &rest, &l));
    }
}

static const char tokens[] = "\"a\":0,\"b\":1,\"ab\":2,\"\\\"\":3,\"\\\\\":4,\"\\\"\\\\\":5,\"\xC4\xA0\":6,\"a\":7";
static const char merges[] = "[[\"a\",\"b\"],[\"\\\"\",\"\\\\\"]]";

static struct tokenizer *parse(const char *more_tokens)
{
    AUTO_MEM char *json = xasprintf("{\"model\":{\"type\":\"BPE\",\"vocab\":{%s%s},\"merges\":%s},\"added_tokens\":[]}", tokens, more_tokens, merges);
    struct tokenizer *t = NULL;
    struct err e = { 0 };

    if (tokenizer_parse(str_of(json), "test", &t, &e))
        fail_msg("%s", e.text);
    return t;
}

static void both_readers_make_the_same_tokenizer(void **state)
{
    static const char *const texts[] = { "ab", "ba", "\"\\", "\\\"a", "a\xC4\xA0" "b" };
    AUTO_FREE(tokenizer) in_place = parse(",\"z\":8");
    AUTO_FREE(tokenizer) as_tree = parse(",\"\\u007a\":8");

    (void)state;
    for (int32_t id = 0; id < 9; id++)
        assert_true(str_eq(tokenizer_token(in_place, id), tokenizer_token(as_tree, id)));
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct token_ids x = { 0 }, y = { 0 };
        struct err e;

        assert_int_equal(tokenizer_encode(in_place, str_of(texts[i]), false, &x, &e), ERR_OK);
        assert_int_equal(tokenizer_encode(as_tree, str_of(texts[i]), false, &y, &e), ERR_OK);
        assert_int_equal(x.n, y.n);
        assert_memory_equal(x.v, y.v, x.n * sizeof *x.v);
        token_ids_done(&x);
        token_ids_done(&y);
    }
    assert_int_equal(tokenizer_id(in_place, STR("a")), 7);
}

static void faults_are_named_as_before(void **state)
{
    static const struct { const char *merges, *message; } cases[] = {
        { "[\"a b\",\"ab\"]", "test: model.merges[1]: \"ab\" is not two tokens" },
        { "[\"a b\",\"a c\"]", "test: model.merges[1]: \"c\" is not in the vocabulary" },
        { "[\"a b\",[\"a\"]]", "test: model.merges[1]: expected two tokens" },
        { "[\"a b\" \"c\"]", "test: line 1, column 71: ']' expected near '\"c\"'" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_MEM char *json = xasprintf("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":%s}}", cases[i].merges);
        struct tokenizer *t = NULL;
        struct err e = { 0 };

        assert_true(tokenizer_parse(str_of(json), "test", &t, &e) != ERR_OK);
        assert_string_equal(e.text, cases[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_usual_form_is_cut_out),
        cmocka_unit_test(other_forms_are_left_to_the_tree),
        cmocka_unit_test(no_byte_beyond_the_text_is_read),
        cmocka_unit_test(both_readers_make_the_same_tokenizer),
        cmocka_unit_test(faults_are_named_as_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
