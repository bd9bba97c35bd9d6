/* What clients of vLLM and OpenAI send beyond the common fields, and where they look in replies: names as vLLM 0.10 to 0.32 has them. */
#include "fixture.h"

#include "base/mem.h"

#define ASK "\"messages\":[{\"role\":\"user\",\"content\":\"What is the capital of France?\"}]"

/* ---- paths ---- */

static void paths_that_are_not_built_say_so(void **state)
{
    static const char *const paths[] = { "/v1/responses", "/v1/messages", "/score", "/v1/rerank", "/pooling", "/classify" };

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        AUTO_JSON j = ask_json(*state, paths[i], "{}", 404);
        assert_string_equal(json_str_at(j, "error", "type", NULL), "NotFoundError");
        assert_non_null(strstr(json_str_at(j, "error", "message", NULL), paths[i]));
    }
    assert_body(*state, "POST", "/v1/nothing", "{}", 404, "{\"detail\":\"Not Found\"}");
}

static void other_methods_are_told(void **state)
{
    const struct fixture *f = *state;
    static const struct { const char *path, *allow; } rows[] = { { "/v1/chat/completions", "POST" }, { "/ping", "GET, HEAD, POST" } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_MEM char *url = xasprintf("%s%s", f->base, rows[i].path);
        AUTO_RESPONSE r = { 0 };
        struct err e;
        assert_int_equal(http_send(f->client, &(struct http_request){ .method = "DELETE", .url = url }, &r, &e), ERR_OK);
        assert_int_equal(r.status, 405);
        assert_string_equal(http_header_get(&r.headers, "Allow"), rows[i].allow);
    }
}

static void a_chat_of_another_type_is_told_as_fastapi_does(void **state)
{
    const struct fixture *f = *state;
    AUTO_MEM char *url = xasprintf("%s/chat", f->base);
    AUTO_RESPONSE r = { 0 };
    AUTO_JSON j = NULL;
    struct err e;

    assert_int_equal(http_send(f->client, &(struct http_request){ .method = "POST", .url = url, .body = STR("prompt=x"), .content_type = "text/plain" }, &r, &e), ERR_OK);
    assert_int_equal(r.status, 422);
    assert_int_equal(json_parse(buf_str(&r.body), &j, &e), ERR_OK);
    assert_string_equal(json_cstr(json_array_get(json_object_get(j, "detail"), 0), "type"), "model_attributes_type");
}

static void an_unknown_model_is_the_field_model(void **state)
{
    static const char *const paths[] = { "/v1/chat/completions", "/v1/completions", "/tokenize" };

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        AUTO_JSON j = ask_json(*state, paths[i], "{\"model\":\"nobody\",\"prompt\":\"a\"," ASK "}", 404);
        assert_string_equal(json_str_at(j, "error", "param", NULL), "model");
        assert_string_equal(json_str_at(j, "error", "message", NULL), "The model `nobody` does not exist.");
    }
}

/* ---- truncation ---- */

static const json_t *prompt_ids(const json_t *reply) { return json_object_get(choice_at(reply, 0), "prompt_token_ids"); }

static void either_side_of_a_prompt_is_kept(void **state)
{
    AUTO_JSON all = ask_json(*state, "/tokenize", "{\"prompt\":\"The sea of Fenmar is cold\"}", 200);
    AUTO_JSON last = ask_json(*state, "/v1/completions", "{\"prompt\":\"The sea of Fenmar is cold\",\"max_tokens\":1,\"truncate_prompt_tokens\":2,\"return_token_ids\":true}", 200);
    AUTO_JSON first = ask_json(*state, "/v1/completions", "{\"prompt\":\"The sea of Fenmar is cold\",\"max_tokens\":1,\"truncate_prompt_tokens\":2,\"truncation_side\":\"right\","
                               "\"return_token_ids\":true}", 200);
    const json_t *ids = json_object_get(all, "tokens");
    size_t n = json_array_size(ids);

    assert_true(n > 4);
    assert_int_equal(json_array_size(prompt_ids(last)), 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(json_equal(json_array_get(prompt_ids(last), i), json_array_get(ids, n - 2 + i)));
        assert_true(json_equal(json_array_get(prompt_ids(first), i), json_array_get(ids, i)));
    }
    AUTO_JSON much = ask_json(*state, "/v1/completions", "{\"prompt\":\"a\",\"truncate_prompt_tokens\":99999}", 400);
    AUTO_JSON side = ask_json(*state, "/v1/completions", "{\"prompt\":\"a\",\"truncation_side\":\"top\"}", 400);
    assert_string_equal(json_str_at(much, "error", "param", NULL), "truncate_prompt_tokens");
    assert_string_equal(json_str_at(side, "error", "param", NULL), "truncation_side");
}

/* ---- token ids ---- */

/* What a stream's chunks bring of a list; where: in the choice, or (a chat's prompt) beside the choices. */
static json_t *list_of_stream(struct str text, const char *name, bool in_choice)
{
    json_t *all = json_array();
    struct str line;

    while (str_next(&text, '\n', &line)) {
        AUTO_JSON j = NULL;
        struct err e;
        if (str_has_prefix(line, STR("data: {")) && !json_parse(str_from(line, 6), &j, &e))
            json_array_extend(all, json_object_get(in_choice ? choice_at(j, 0) : j, name));
    }
    return all;
}

static void ids_are_told_whole_and_in_streams(void **state)
{
    AUTO_JSON chat = ask_json(*state, "/v1/chat/completions", "{" ASK ",\"temperature\":0,\"max_tokens\":60,\"return_token_ids\":true}", 200);
    AUTO_BUF events = { 0 };
    const json_t *ids = json_object_get(choice_at(chat, 0), "token_ids"), *prompt = json_object_get(chat, "prompt_token_ids");

    assert_int_equal(json_array_size(ids), json_int(json_object_get(chat, "usage"), "completion_tokens", -1));
    assert_int_equal(json_array_size(prompt), json_int(json_object_get(chat, "usage"), "prompt_tokens", -1));
    assert_int_equal(json_integer_value(json_array_get(ids, json_array_size(ids) - 1)), json_int(choice_at(chat, 0), "stop_reason", -1));
    assert_int_equal(ask(*state, "POST", "/v1/chat/completions", STR("{" ASK ",\"temperature\":0,\"max_tokens\":60,\"return_token_ids\":true,\"stream\":true}"), &events), 200);
    AUTO_JSON streamed = list_of_stream(buf_str(&events), "token_ids", true);
    AUTO_JSON streamed_prompt = list_of_stream(buf_str(&events), "prompt_token_ids", false);
    assert_true(json_equal(streamed, ids));
    assert_true(json_equal(streamed_prompt, prompt));

    AUTO_JSON text = ask_json(*state, "/v1/completions", "{\"prompt\":\"The sea\",\"temperature\":0,\"max_tokens\":5,\"return_token_ids\":true}", 200);
    buf_clear(&events);
    assert_int_equal(ask(*state, "POST", "/v1/completions", STR("{\"prompt\":\"The sea\",\"temperature\":0,\"max_tokens\":5,\"return_token_ids\":true,\"stream\":true}"), &events), 200);
    AUTO_JSON text_ids = list_of_stream(buf_str(&events), "token_ids", true);
    AUTO_JSON text_prompt = list_of_stream(buf_str(&events), "prompt_token_ids", true);
    assert_int_equal(json_array_size(text_ids), 5);
    assert_true(json_equal(text_ids, json_object_get(choice_at(text, 0), "token_ids")));
    assert_true(json_equal(text_prompt, prompt_ids(text)));
    AUTO_JSON without = ask_json(*state, "/v1/completions", "{\"prompt\":\"The sea\",\"max_tokens\":1}", 200);
    assert_null(prompt_ids(without));
}

/* ---- thoughts, and messages that are repeated ---- */

static void thoughts_have_both_names(void **state)
{
    struct fixture f = fixture_start(&(struct server_opts){ .reasoning_parser = "deepseek_r1" });
    AUTO_JSON j = ask_json(&f, "/v1/chat/completions", "{" ASK ",\"temperature\":0,\"max_tokens\":6}", 200);
    AUTO_BUF events = { 0 };
    const char *thoughts = json_str_at(choice_at(j, 0), "message", "reasoning", NULL);

    assert_true(str_set(thoughts));
    assert_string_equal(json_str_at(choice_at(j, 0), "message", "reasoning_content", NULL), thoughts);
    assert_int_equal(ask(&f, "POST", "/v1/chat/completions", STR("{" ASK ",\"temperature\":0,\"max_tokens\":6,\"stream\":true}"), &events), 200);
    assert_non_null(strstr(buf_cstr(&events), "\"delta\":{\"reasoning\":\""));
    assert_non_null(strstr(buf_cstr(&events), "\"reasoning_content\":\""));
    fixture_stop(&f);
}

static void templates_see_earlier_thoughts(void **state)
{
    struct fixture f = fixture_start(&(struct server_opts){ .chat_template_file = "{% for m in messages %}{{ m.reasoning_content }} {{ m.content }}{% endfor %}" });
    AUTO_JSON a = ask_json(&f, "/tokenize", "{\"messages\":[{\"role\":\"assistant\",\"content\":\"sea\",\"reasoning\":\"The old\"}]}", 200);
    AUTO_JSON b = ask_json(&f, "/tokenize", "{\"messages\":[{\"role\":\"assistant\",\"content\":\"sea\",\"reasoning_content\":\"The old\",\"reasoning\":\"not this\"}]}", 200);
    AUTO_JSON c = ask_json(&f, "/tokenize", "{\"prompt\":\"The old sea\",\"add_special_tokens\":false}", 200);

    assert_true(json_equal(json_object_get(a, "tokens"), json_object_get(c, "tokens")));
    assert_true(json_equal(json_object_get(b, "tokens"), json_object_get(c, "tokens")));
    fixture_stop(&f);
}

#define SHOWING "{% for m in messages %}[{{ m.role }}:{{ m.content }}{% if m.tool_calls is defined %}{% for c in m.tool_calls %}{{ c.function.arguments | tojson }}{% endfor %}" \
                "{% endif %}{% if m.name is defined %}{{ m.name }}{% endif %}]{% endfor %}"

static const struct { const char *messages, *text; } shown[] = {
    { "{\"role\":\"user\",\"content\":null}", "[user:]" },
    { "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[],\"name\":null,\"refusal\":null}", "[assistant:]" },
    { "{\"role\":\"assistant\",\"content\":\"x\",\"tool_calls\":null,\"name\":\"n\"}", "[assistant:xn]" },
    { "{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]}", "[assistant:{\"a\": 1}]" },
    { "{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\"}},{\"function\":{\"name\":\"f\",\"arguments\":\"\"}},{\"function\":{\"name\":\"f\"}}]}",
      "[assistant:{}{}{}]" },
    { "{\"role\":\"tool\",\"tool_call_id\":\"1\",\"content\":[{\"type\":\"text\",\"text\":\"4\"},{\"type\":\"text\",\"text\":\"2\"}]}", "[tool:4\n2]" },
};

/* As vLLM prepares messages (renderers/chat_utils.py): no content is an empty one, no calls are no key, arguments are objects. */
static void templates_see_plain_messages(void **state)
{
    struct fixture f = fixture_start(&(struct server_opts){ .chat_template_file = SHOWING });

    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        AUTO_MEM char *ask = xasprintf("{\"messages\":[%s]}", shown[i].messages);
        AUTO_JSON ids = ask_json(&f, "/tokenize", ask, 200);
        AUTO_MEM char *list = json_text(json_object_get(ids, "tokens"));
        AUTO_MEM char *back = xasprintf("{\"tokens\":%s}", list);
        AUTO_JSON text = ask_json(&f, "/detokenize", back, 200);
        assert_string_equal(json_cstr(text, "prompt"), shown[i].text);
    }
    AUTO_JSON bad = ask_json(&f, "/tokenize", "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[7]}]}", 400);
    assert_string_equal(json_str_at(bad, "error", "param", NULL), "messages[0].tool_calls[0]");
    fixture_stop(&f);
}

static void a_template_that_fails_is_about_the_messages(void **state)
{
    struct fixture f = fixture_start(&(struct server_opts){ .chat_template_file = "{{ raise_exception('roles must alternate') }}" });
    AUTO_JSON j = ask_json(&f, "/v1/chat/completions", "{" ASK "}", 400);

    assert_string_equal(json_str_at(j, "error", "param", NULL), "messages");
    assert_non_null(strstr(json_str_at(j, "error", "message", NULL), "roles must alternate"));
    fixture_stop(&f);
}

/* transformers looks at none of them without do_sample. */
static void a_greedy_chat_may_have_any_temperature(void **state)
{
    AUTO_JSON a = ask_json(*state, "/chat", "{\"prompt\":\"The sea\",\"generate_kwargs\":{\"do_sample\":false,\"temperature\":0,\"top_p\":2,\"top_k\":-1,\"max_new_tokens\":5}}", 200);
    AUTO_JSON b = ask_json(*state, "/chat", "{\"prompt\":\"The sea\",\"generate_kwargs\":{\"do_sample\":false,\"max_new_tokens\":5}}", 200);
    AUTO_JSON c = ask_json(*state, "/chat", "{\"prompt\":\"The sea\",\"generate_kwargs\":{\"temperature\":0}}", 400);

    assert_string_equal(json_cstr(a, "Result"), json_cstr(b, "Result"));
    assert_non_null(strstr(json_cstr(c, "detail"), "temperature"));
}

static void an_echo_repeats_a_message_of_the_answers_role(void **state)
{
    AUTO_JSON same = ask_json(*state, "/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"Said before.\"}],"
                              "\"echo\":true,\"temperature\":0,\"max_tokens\":2}", 200);
    AUTO_JSON other = ask_json(*state, "/v1/chat/completions", "{" ASK ",\"echo\":true,\"temperature\":0,\"max_tokens\":2}", 200);

    assert_non_null(strstr(json_str_at(choice_at(same, 0), "message", "content", NULL), "Said before."));
    assert_null(strstr(json_str_at(choice_at(other, 0), "message", "content", NULL), "What is"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_that_are_not_built_say_so),
        cmocka_unit_test(other_methods_are_told),
        cmocka_unit_test(a_chat_of_another_type_is_told_as_fastapi_does),
        cmocka_unit_test(an_unknown_model_is_the_field_model),
        cmocka_unit_test(either_side_of_a_prompt_is_kept),
        cmocka_unit_test(ids_are_told_whole_and_in_streams),
        cmocka_unit_test(thoughts_have_both_names),
        cmocka_unit_test(templates_see_earlier_thoughts),
        cmocka_unit_test(templates_see_plain_messages),
        cmocka_unit_test(a_template_that_fails_is_about_the_messages),
        cmocka_unit_test(a_greedy_chat_may_have_any_temperature),
        cmocka_unit_test(an_echo_repeats_a_message_of_the_answers_role),
    };
    return cmocka_run_group_tests_name("vllm", tests, fixture_set_up, fixture_tear_down);
}
