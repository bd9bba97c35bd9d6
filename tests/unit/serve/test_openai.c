/* The completion routes field by field, as a client of vLLM's meets them. */
#include "fixture.h"

#include <math.h>

#include "base/mem.h"

#define USER "\"messages\":[{\"role\":\"user\",\"content\":\"What is the capital of France?\"}]"

static const char *text_at(const json_t *reply, size_t i)
{
    const json_t *c = choice_at(reply, i);
    const char *chat = json_str_at(c, "message", "content", NULL);

    return chat ? chat : json_cstr(c, "text");
}

/* ---- refusals: the field, the value and the range are named, and the error body says which field it was ---- */

static const struct { const char *path, *body, *param, *message; } faults[] = {
    { "/v1/chat/completions", "{" USER ",\"temperature\":\"hot\"}", "temperature", "temperature: \"hot\" is not a number" },
    { "/v1/chat/completions", "{" USER ",\"temperature\":2.5}", "temperature", "temperature: 2.5 is not in [0, 2]" },
    { "/v1/chat/completions", "{" USER ",\"top_p\":0}", "top_p", "top_p: 0 is not in (0, 1]" },
    { "/v1/chat/completions", "{" USER ",\"presence_penalty\":-3}", "presence_penalty", "presence_penalty: -3 is not in [-2, 2]" },
    { "/v1/chat/completions", "{" USER ",\"n\":0}", "n", "n: 0 is not in [1, 128]" },
    { "/v1/chat/completions", "{" USER ",\"n\":2,\"temperature\":0}", "n", NULL },
    { "/v1/chat/completions", "{" USER ",\"max_tokens\":0}", "max_tokens", "max_tokens: must be at least 1, got 0." },
    { "/v1/chat/completions", "{" USER ",\"max_completion_tokens\":99999}", "max_completion_tokens", NULL },
    { "/v1/chat/completions", "{" USER ",\"max_tokens\":4,\"min_tokens\":5}", "min_tokens", NULL },
    { "/v1/chat/completions", "{" USER ",\"stop\":7}", "stop", NULL },
    { "/v1/chat/completions", "{" USER ",\"stop\":[\"\"]}", "stop[0]", NULL },
    { "/v1/chat/completions", "{" USER ",\"stop_token_ids\":[99999]}", "stop_token_ids[0]", NULL },
    { "/v1/chat/completions", "{" USER ",\"logit_bias\":{\"x\":1}}", "logit_bias", NULL },
    { "/v1/chat/completions", "{" USER ",\"logit_bias\":{\"5\":\"x\"}}", "logit_bias", NULL },
    { "/v1/chat/completions", "{" USER ",\"top_logprobs\":2}", "top_logprobs", NULL },
    { "/v1/chat/completions", "{" USER ",\"logprobs\":true,\"top_logprobs\":21}", "top_logprobs", NULL },
    { "/v1/chat/completions", "{" USER ",\"logprobs\":5}", "logprobs", "logprobs: 5 is neither true nor false" },
    { "/v1/chat/completions", "{" USER ",\"add_generation_prompt\":true,\"continue_final_message\":true}", "continue_final_message", NULL },
    { "/v1/chat/completions", "{" USER ",\"chat_template\":\"x\"}", "chat_template", NULL },
    { "/v1/chat/completions", "{" USER ",\"use_beam_search\":true}", "use_beam_search", NULL },
    { "/v1/chat/completions", "{" USER ",\"logits_processors\":[\"x\"]}", "logits_processors", NULL },
    { "/v1/chat/completions", "{" USER ",\"tools\":[{\"type\":\"function\"}]}", "tools[0]", NULL },
    { "/v1/chat/completions", "{" USER ",\"tool_choice\":\"auto\"}", "tool_choice", NULL },
    { "/v1/chat/completions", "{" USER ",\"allowed_token_ids\":[]}", "allowed_token_ids", NULL },
    { "/v1/chat/completions", "{\"messages\":[7]}", "messages[0]", NULL },
    { "/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"x\"}}]}]}", "messages[0].content[0]", NULL },
    { "/v1/completions", "{\"prompt\":\"a\",\"suffix\":\"b\"}", "suffix", "suffix: suffix is not currently supported" },
    { "/v1/completions", "{\"prompt\":\"a\",\"best_of\":1,\"n\":2}", "best_of", NULL },
    { "/v1/completions", "{\"prompt\":\"a\",\"best_of\":2,\"stream\":true}", "best_of", NULL },
    { "/v1/completions", "{\"prompt\":\"a\",\"prompt_logprobs\":1,\"stream\":true}", "prompt_logprobs", NULL },
    { "/v1/completions", "{\"prompt\":[\"a\",[1,2],7]}", "prompt", NULL },
    { "/v1/completions", "{\"prompt\":[[1,-2]]}", "prompt[1]", NULL },
    { "/v1/completions", "{\"prompt\":[]}", "prompt", NULL },
    { "/tokenize", "{\"prompt\":[1]}", "prompt", NULL },
    { "/detokenize", "{\"tokens\":[1.5]}", "tokens[0]", NULL },
};

static void refusals_name_the_field(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        AUTO_JSON j = ask_json(*state, faults[i].path, faults[i].body, 400);
        const char *param = json_str_at(j, "error", "param", NULL), *message = json_str_at(j, "error", "message", NULL);
        if (!param || !streq(param, faults[i].param) || (faults[i].message && !streq(message, faults[i].message)))
            fail_msg("%s: param %s, message %s", faults[i].body, param, message);
        assert_int_equal(json_int(json_object_get(j, "error"), "code", 0), 400);
    }
}

static void a_request_has_a_size(void **state)
{
    AUTO_BUF b = { 0 };

    buf_adds(&b, "{\"n\":128,\"prompt\":[");
    for (int i = 0; i < 33; i++)
        buf_adds(&b, i ? ",\"a\"" : "\"a\"");
    buf_adds(&b, "]}");
    AUTO_JSON j = ask_json(*state, "/v1/completions", buf_cstr(&b), 400);
    assert_non_null(strstr(json_str_at(j, "error", "message", NULL), "33 prompts with 128 answers each"));
}

static void unknown_and_null_fields_are_ignored(void **state)
{
    AUTO_JSON j = ask_json(*state, "/v1/chat/completions", "{" USER ",\"max_tokens\":2,\"frobnicate\":{\"a\":[1]},\"temperature\":null,\"stop\":null,\"logit_bias\":null,"
                           "\"user\":\"me\",\"logits_processors\":[]}", 200);
    assert_non_null(text_at(j, 0));
}

/* ---- what fields do ---- */

static void prompts_come_in_four_forms(void **state)
{
    AUTO_JSON ids = ask_json(*state, "/tokenize", "{\"prompt\":\"The sea\"}", 200);
    AUTO_MEM char *list = json_text(json_object_get(ids, "tokens"));
    AUTO_MEM char *one = xasprintf("{\"prompt\":%s,\"temperature\":0,\"max_tokens\":5}", list);
    AUTO_MEM char *two = xasprintf("{\"prompt\":[%s,%s],\"temperature\":0,\"max_tokens\":5}", list, list);
    AUTO_JSON a = ask_json(*state, "/v1/completions", "{\"prompt\":\"The sea\",\"temperature\":0,\"max_tokens\":5}", 200);
    AUTO_JSON b = ask_json(*state, "/v1/completions", "{\"prompt\":[\"A dog\",\"The sea\"],\"temperature\":0,\"max_tokens\":5}", 200);
    AUTO_JSON c = ask_json(*state, "/v1/completions", one, 200);
    AUTO_JSON d = ask_json(*state, "/v1/completions", two, 200);

    assert_string_equal(text_at(b, 1), text_at(a, 0));
    assert_string_equal(text_at(c, 0), text_at(a, 0));
    assert_string_equal(text_at(d, 1), text_at(a, 0));
    assert_int_equal(json_int(choice_at(d, 1), "index", -1), 1);
    assert_int_equal(json_int(json_object_get(d, "usage"), "prompt_tokens", -1), 2 * json_array_size(json_object_get(ids, "tokens")));
}

static void samples_differ_and_a_seed_fixes_all_of_them(void **state)
{
    const char *body = "{\"prompt\":\"The old\",\"temperature\":1.5,\"seed\":11,\"n\":3,\"max_tokens\":12}";
    AUTO_JSON a = ask_json(*state, "/v1/completions", body, 200);
    AUTO_JSON b = ask_json(*state, "/v1/completions", body, 200);
    AUTO_JSON first = ask_json(*state, "/v1/completions", "{\"prompt\":\"The old\",\"temperature\":1.5,\"seed\":11,\"max_tokens\":12}", 200);

    assert_int_equal(json_array_size(json_object_get(a, "choices")), 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(text_at(a, i), text_at(b, i));
    assert_string_not_equal(text_at(a, 0), text_at(a, 1));
    assert_string_equal(text_at(a, 0), text_at(first, 0));
}

static void best_of_gives_the_likeliest(void **state)
{
    AUTO_JSON all = ask_json(*state, "/v1/completions", "{\"prompt\":\"The old\",\"temperature\":1.5,\"seed\":4,\"n\":5,\"max_tokens\":6,\"logprobs\":0,\"ignore_eos\":true}", 200);
    AUTO_JSON best = ask_json(*state, "/v1/completions", "{\"prompt\":\"The old\",\"temperature\":1.5,\"seed\":4,\"n\":1,\"best_of\":5,\"max_tokens\":6,\"ignore_eos\":true}", 200);
    double most = -INFINITY;
    size_t at = 0;

    for (size_t i = 0; i < 5; i++) {
        const json_t *l = json_at(choice_at(all, i), "logprobs", "token_logprobs", NULL);
        double sum = 0;
        for (size_t k = 0; k < json_array_size(l); k++)
            sum += json_number_value(json_array_get(l, k));
        if (sum > most) {
            most = sum;
            at = i;
        }
    }
    assert_int_equal(json_array_size(json_object_get(best, "choices")), 1);
    assert_string_equal(text_at(best, 0), text_at(all, at));
}

static void a_bias_and_allowed_ids_decide(void **state)
{
    AUTO_JSON ids = ask_json(*state, "/tokenize", "{\"prompt\":\"sea\",\"add_special_tokens\":false}", 200);
    json_int_t id = json_integer_value(json_array_get(json_object_get(ids, "tokens"), 0));
    AUTO_MEM char *biased = xasprintf("{" USER ",\"temperature\":0,\"max_tokens\":3,\"logit_bias\":{\"%lld\":100}}", (long long)id);
    AUTO_MEM char *allowed = xasprintf("{" USER ",\"temperature\":1,\"max_tokens\":3,\"allowed_token_ids\":[%lld]}", (long long)id);
    AUTO_JSON a = ask_json(*state, "/v1/chat/completions", biased, 200);
    AUTO_JSON b = ask_json(*state, "/v1/chat/completions", allowed, 200);

    assert_string_equal(text_at(a, 0), text_at(b, 0));
    assert_non_null(strstr(text_at(a, 0), "sea sea"));
}

static void bad_words_do_not_come(void **state)
{
    AUTO_JSON plain = ask_json(*state, "/v1/chat/completions", "{" USER ",\"temperature\":0,\"max_tokens\":10}", 200);
    AUTO_JSON without = ask_json(*state, "/v1/chat/completions", "{" USER ",\"temperature\":0,\"max_tokens\":10,\"bad_words\":[\"capital\"]}", 200);

    assert_non_null(strstr(text_at(plain, 0), "capital"));
    assert_null(strstr(text_at(without, 0), "capital"));
}

static void stops_say_what_stopped(void **state)
{
    AUTO_JSON ids = ask_json(*state, "/tokenize", "{\"prompt\":\"capital\",\"add_special_tokens\":false}", 200);
    json_int_t id = json_integer_value(json_array_get(json_object_get(ids, "tokens"), 0));
    AUTO_MEM char *by_id = xasprintf("{" USER ",\"temperature\":0,\"stop_token_ids\":[%lld]}", (long long)id);
    AUTO_MEM char *shown = xasprintf("{" USER ",\"temperature\":0,\"stop_token_ids\":[%lld],\"include_stop_str_in_output\":true}", (long long)id);
    AUTO_JSON a = ask_json(*state, "/v1/chat/completions", by_id, 200);
    AUTO_JSON b = ask_json(*state, "/v1/chat/completions", shown, 200);
    AUTO_JSON c = ask_json(*state, "/v1/chat/completions", "{" USER ",\"temperature\":0,\"stop\":\"capital\"}", 200);
    AUTO_JSON d = ask_json(*state, "/v1/chat/completions", "{" USER ",\"temperature\":0,\"stop\":[\"zzz\",\"capital\"],\"include_stop_str_in_output\":true}", 200);
    AUTO_JSON whole = ask_json(*state, "/v1/chat/completions", "{" USER ",\"temperature\":0,\"max_tokens\":100}", 200);

    assert_int_equal(json_int(choice_at(a, 0), "stop_reason", -1), id);
    assert_string_equal(json_cstr(choice_at(a, 0), "finish_reason"), "stop");
    assert_string_equal(text_at(a, 0), " The");
    assert_string_equal(text_at(b, 0), " The capital");
    assert_string_equal(json_cstr(choice_at(c, 0), "stop_reason"), "capital");
    assert_string_equal(text_at(c, 0), " The ");
    assert_string_equal(text_at(d, 0), " The capital");
    assert_string_equal(json_cstr(choice_at(whole, 0), "finish_reason"), "stop");       /* <|end|>, not the tokenizer's own end: its id is told */
    assert_int_equal(json_int(choice_at(whole, 0), "stop_reason", -1), 2007);
}

static void min_tokens_hold_the_end_off(void **state)
{
    AUTO_JSON whole = ask_json(*state, "/v1/chat/completions", "{" USER ",\"temperature\":0,\"max_tokens\":100}", 200);
    json_int_t n = json_int(json_object_get(whole, "usage"), "completion_tokens", 0);
    AUTO_MEM char *body = xasprintf("{" USER ",\"temperature\":0,\"max_tokens\":100,\"min_tokens\":%lld}", (long long)n + 5);
    AUTO_JSON longer = ask_json(*state, "/v1/chat/completions", body, 200);

    assert_true(json_int(json_object_get(longer, "usage"), "completion_tokens", 0) >= n + 5);
}

static void penalties_change_the_text(void **state)
{
    const char *plain = "{\"prompt\":\"one two one two one two\",\"temperature\":0,\"max_tokens\":24,\"ignore_eos\":true}";
    const char *punished = "{\"prompt\":\"one two one two one two\",\"temperature\":0,\"max_tokens\":24,\"ignore_eos\":true,\"frequency_penalty\":2,\"presence_penalty\":2}";
    AUTO_JSON a = ask_json(*state, "/v1/completions", plain, 200);
    AUTO_JSON b = ask_json(*state, "/v1/completions", punished, 200);

    assert_string_not_equal(text_at(a, 0), text_at(b, 0));
}

/* ---- log-probabilities ---- */

static void chat_logprobs_read_as_the_text(void **state)
{
    AUTO_JSON j = ask_json(*state, "/v1/chat/completions", "{" USER ",\"temperature\":0,\"max_tokens\":6,\"logprobs\":true,\"top_logprobs\":3}", 200);
    const json_t *content = json_at(choice_at(j, 0), "logprobs", "content", NULL);
    AUTO_BUF joined = { 0 };

    assert_int_equal(json_array_size(content), 6);
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *t = json_array_get(content, i), *top = json_object_get(t, "top_logprobs");
        buf_adds(&joined, json_cstr(t, "token"));
        assert_int_equal(json_array_size(top), 3);
        assert_string_equal(json_cstr(json_array_get(top, 0), "token"), json_cstr(t, "token"));         /* greedy: the likeliest */
        assert_true(json_num(json_array_get(top, 0), "logprob", 1) >= json_num(json_array_get(top, 1), "logprob", 1));
        assert_true(json_num(t, "logprob", 1) <= 0);
        assert_int_equal(json_array_size(json_object_get(t, "bytes")), strlen(json_cstr(t, "token")));
    }
    assert_string_equal(buf_cstr(&joined), text_at(j, 0));
}

static void an_echo_scores_the_prompt(void **state)
{
    AUTO_JSON scored = ask_json(*state, "/v1/completions", "{\"prompt\":\"The sea of\",\"max_tokens\":0,\"echo\":true,\"logprobs\":1}", 200);
    AUTO_JSON next = ask_json(*state, "/v1/completions", "{\"prompt\":\"The sea\",\"max_tokens\":1,\"temperature\":0,\"logprobs\":1}", 200);
    const json_t *l = json_object_get(choice_at(scored, 0), "logprobs"), *values = json_object_get(l, "token_logprobs");

    assert_string_equal(text_at(scored, 0), "The sea of");
    assert_string_equal(text_at(next, 0), " of");
    assert_true(json_is_null(json_array_get(values, 0)));
    assert_int_equal(json_array_size(values), 3);
    double got = json_number_value(json_array_get(values, 2));
    double want = json_number_value(json_array_get(json_at(choice_at(next, 0), "logprobs", "token_logprobs", NULL), 0));
    assert_true(fabs(got - want) < 1e-4);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(l, "text_offset"), 1)), 4);
    assert_int_equal(json_int(json_object_get(scored, "usage"), "completion_tokens", -1), 0);
}

static void prompt_logprobs_have_ranks(void **state)
{
    AUTO_JSON j = ask_json(*state, "/v1/chat/completions", "{" USER ",\"temperature\":0,\"max_tokens\":1,\"prompt_logprobs\":1}", 200);
    const json_t *list = json_object_get(j, "prompt_logprobs");

    assert_int_equal(json_array_size(list), json_int(json_object_get(j, "usage"), "prompt_tokens", -1));
    assert_true(json_is_null(json_array_get(list, 0)));
    const json_t *first = json_object_iter_value(json_object_iter(json_array_get(list, 1)));
    assert_true(json_int(first, "rank", 0) >= 1);
    assert_non_null(json_cstr(first, "decoded_token"));
    assert_true(json_is_null(json_object_get(choice_at(j, 0), "logprobs")));
}

/* ---- messages ---- */

static void parts_developer_and_tools_become_a_prompt(void **state)
{
    AUTO_JSON a = ask_json(*state, "/tokenize", "{\"messages\":[{\"role\":\"system\",\"content\":\"Be\\nbrief\"},{\"role\":\"user\",\"content\":\"Hi\"}]}", 200);
    AUTO_JSON b = ask_json(*state, "/tokenize", "{\"messages\":[{\"role\":\"developer\",\"content\":[{\"type\":\"text\",\"text\":\"Be\"},\"brief\"]},"
                           "{\"role\":\"user\",\"content\":\"Hi\"}]}", 200);

    assert_true(json_equal(json_object_get(a, "tokens"), json_object_get(b, "tokens")));
}

static void a_message_is_continued(void **state)
{
    AUTO_JSON open = ask_json(*state, "/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"What is the capital of France?\"},"
                              "{\"role\":\"assistant\",\"content\":\" The capital of\"}],\"continue_final_message\":true,\"add_generation_prompt\":false,\"temperature\":0,"
                              "\"max_tokens\":1}", 200);
    AUTO_JSON echo = ask_json(*state, "/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"What is the capital of France?\"},"
                              "{\"role\":\"assistant\",\"content\":\" The capital of\"}],\"continue_final_message\":true,\"echo\":true,\"temperature\":0,\"max_tokens\":1}", 200);

    assert_string_equal(text_at(open, 0), " France");
    assert_string_equal(text_at(echo, 0), " The capital of France");
}

static void tokens_come_back_as_text(void **state)
{
    AUTO_JSON a = ask_json(*state, "/tokenize", "{\"prompt\":\"The sea of Fenmar\",\"return_token_strs\":true,\"add_special_tokens\":false}", 200);
    AUTO_MEM char *list = json_text(json_object_get(a, "tokens"));
    AUTO_MEM char *body = xasprintf("{\"tokens\":%s}", list);
    AUTO_JSON b = ask_json(*state, "/detokenize", body, 200);

    assert_string_equal(json_cstr(b, "prompt"), "The sea of Fenmar");
    assert_int_equal(json_array_size(json_object_get(a, "token_strs")), json_int(a, "count", -1));
}

/* ---- streams ---- */

struct seen { size_t roles, ends, usages, chunks; struct buf texts[4]; bool done; };

static void read_stream(struct str events, struct seen *out)
{
    struct str line;

    while (str_next(&events, '\n', &line)) {
        AUTO_JSON j = NULL;
        struct err e;
        out->done |= str_is(line, "data: [DONE]");
        if (!str_has_prefix(line, STR("data: {")) || json_parse(str_from(line, 6), &j, &e))
            continue;
        const json_t *c = choice_at(j, 0);
        size_t i = (size_t)json_int(c, "index", 0);
        assert_true(i < ARRAY_LEN(out->texts));
        out->chunks++;
        out->usages += json_is_object(json_object_get(j, "usage"));
        out->roles += json_str_at(c, "delta", "role", NULL) != NULL;
        out->ends += json_cstr(c, "finish_reason") != NULL;
        buf_adds(&out->texts[i], json_str_at(c, "delta", "content", NULL) ? json_str_at(c, "delta", "content", NULL) : "");
    }
}

static void a_stream_of_samples_has_each_whole(void **state)
{
    AUTO_BUF events = { 0 };
    struct seen seen = { 0 };
    AUTO_JSON whole = ask_json(*state, "/v1/chat/completions", "{" USER ",\"seed\":5,\"n\":3,\"max_tokens\":9,\"temperature\":1.2}", 200);

    assert_int_equal(ask(*state, "POST", "/v1/chat/completions", STR("{" USER ",\"seed\":5,\"n\":3,\"max_tokens\":9,\"temperature\":1.2,\"stream\":true,"
                         "\"stream_options\":{\"include_usage\":true,\"continuous_usage_stats\":true}}"), &events), 200);
    read_stream(buf_str(&events), &seen);
    assert_true(seen.done);
    assert_int_equal(seen.roles, 3);
    assert_int_equal(seen.ends, 3);
    assert_int_equal(seen.usages, seen.chunks);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(buf_cstr(&seen.texts[i]), text_at(whole, i));
    for (size_t i = 0; i < ARRAY_LEN(seen.texts); i++)
        buf_done(&seen.texts[i]);
}

static void the_document_lists_what_is_read(void **state)
{
    AUTO_JSON j = ask_json(*state, "/openapi.json", NULL, 200);
    const json_t *schema = json_at(j, "paths", "/v1/chat/completions", "post", "requestBody", "content", "application/json", "schema", "properties", NULL);

    assert_string_equal(json_str_at(schema, "temperature", "type", NULL), "number");
    assert_non_null(json_object_get(schema, "logit_bias"));
    assert_null(json_object_get(schema, "prompt"));
    assert_non_null(json_at(j, "paths", "/v1/models/{name}", "get", NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_name_the_field),
        cmocka_unit_test(a_request_has_a_size),
        cmocka_unit_test(unknown_and_null_fields_are_ignored),
        cmocka_unit_test(prompts_come_in_four_forms),
        cmocka_unit_test(samples_differ_and_a_seed_fixes_all_of_them),
        cmocka_unit_test(best_of_gives_the_likeliest),
        cmocka_unit_test(a_bias_and_allowed_ids_decide),
        cmocka_unit_test(bad_words_do_not_come),
        cmocka_unit_test(stops_say_what_stopped),
        cmocka_unit_test(min_tokens_hold_the_end_off),
        cmocka_unit_test(penalties_change_the_text),
        cmocka_unit_test(chat_logprobs_read_as_the_text),
        cmocka_unit_test(an_echo_scores_the_prompt),
        cmocka_unit_test(prompt_logprobs_have_ranks),
        cmocka_unit_test(parts_developer_and_tools_become_a_prompt),
        cmocka_unit_test(a_message_is_continued),
        cmocka_unit_test(tokens_come_back_as_text),
        cmocka_unit_test(a_stream_of_samples_has_each_whole),
        cmocka_unit_test(the_document_lists_what_is_read),
    };
    return cmocka_run_group_tests_name("openai", tests, fixture_set_up, fixture_tear_down);
}
