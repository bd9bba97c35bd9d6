/* A real server on the stand-in model, asked by a real client. */
#include "fixture.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/thread.h"
#include "../patience.h"

static void small_routes_answer_as_upstream(void **state)
{
    const struct fixture *f = *state;

    assert_body(f, "GET", "/", NULL, 200, "{\"message\":\"Server is running\"}");
    assert_body(f, "GET", "/health", NULL, 200, "{\"status\":\"Healthy\"}");
    assert_body(f, "GET", "/healthz", NULL, 200, "{\"status\":\"Healthy\"}");
    assert_body(f, "GET", "/nope", NULL, 404, "{\"detail\":\"Not Found\"}");
    assert_body(f, "GET", "/chat", NULL, 405, "{\"detail\":\"Method Not Allowed\"}");
    AUTO_JSON models = ask_json(f, "/v1/models", NULL, 200);
    assert_string_equal(json_cstr(json_array_get(json_object_get(models, "data"), 0), "id"), "phi-3");
}

static void chat_puts_the_prompt_before_its_result(void **state)
{
    const struct fixture *f = *state;
    AUTO_JSON whole = ask_json(f, "/chat", "{\"prompt\":\"<|user|> hi<|end|>The sea is\",\"generate_kwargs\":{\"do_sample\":false,\"max_new_tokens\":6}}", 200);
    AUTO_JSON rest = ask_json(f, "/chat", "{\"prompt\":\"<|user|> hi<|end|>The sea is\",\"return_full_text\":false,\"generate_kwargs\":{\"do_sample\":\"false\",\"max_new_tokens\":\"6\"}}", 200);
    const char *a = json_cstr(whole, "Result"), *b = json_cstr(rest, "Result");
    AUTO_MEM char *joined = xasprintf("<|user|> hi<|end|>The sea is%s", b);

    assert_true(strlen(b) > 0);
    assert_string_equal(a, joined);
}

static void chat_samples_by_default_and_a_seed_fixes_it(void **state)
{
    const struct fixture *f = *state;
    const char *body = "{\"prompt\":\"The old\",\"generate_kwargs\":{\"temperature\":2,\"top_k\":100,\"max_length\":30,\"seed\":7}}";
    AUTO_JSON a = ask_json(f, "/chat", body, 200);
    AUTO_JSON b = ask_json(f, "/chat", body, 200);

    assert_string_equal(json_cstr(a, "Result"), json_cstr(b, "Result"));
    AUTO_JSON c = ask_json(f, "/chat", "{\"prompt\":\"The old\",\"generate_kwargs\":{\"temperature\":2,\"top_k\":100,\"max_length\":30,\"seed\":8}}", 200);
    assert_string_not_equal(json_cstr(a, "Result"), json_cstr(c, "Result"));
}

static void chat_takes_messages(void **state)
{
    const struct fixture *f = *state;
    AUTO_JSON alone = ask_json(f, "/chat", "{\"messages\":[{\"role\":\"user\",\"content\":\"Who's there?\"}],\"return_full_text\":false,\"generate_kwargs\":{\"do_sample\":false,\"max_new_tokens\":5}}", 200);
    AUTO_JSON whole = ask_json(f, "/chat", "{\"messages\":[{\"role\":\"user\",\"content\":\"Who's there?\"}],\"generate_kwargs\":{\"do_sample\":false,\"max_new_tokens\":5}}", 200);
    const char *head = "{'generated_text': [{'role': 'user', 'content': \"Who's there?\"}, {'role': 'assistant', 'content': ";

    assert_true(strlen(json_cstr(alone, "Result")) > 0);
    assert_true(str_has_prefix(str_of(json_cstr(whole, "Result")), str_of(head)));
    assert_non_null(strstr(json_cstr(whole, "Result"), json_cstr(alone, "Result")));
}

static void chat_returns_as_many_sequences_as_asked(void **state)
{
    const struct fixture *f = *state;
    AUTO_JSON one = ask_json(f, "/chat", "{\"prompt\":\"The old\",\"return_full_text\":false,\"generate_kwargs\":{\"seed\":3,\"max_new_tokens\":8}}", 200);
    AUTO_JSON two = ask_json(f, "/chat", "{\"prompt\":\"The old\",\"return_full_text\":false,\"generate_kwargs\":{\"seed\":3,\"max_new_tokens\":8,\"num_return_sequences\":2}}", 200);
    AUTO_JSON whole = ask_json(f, "/chat", "{\"prompt\":\"The old\",\"generate_kwargs\":{\"seed\":3,\"max_new_tokens\":8,\"num_return_sequences\":2}}", 200);
    struct str first = str_of(json_cstr(one, "Result")), both = str_of(json_cstr(two, "Result"));

    assert_true(str_has_prefix(both, first) && both.n > first.n);
    AUTO_MEM char *joined = xasprintf("The old%.*sThe old%s", (int)first.n, first.p, both.p + first.n);
    assert_string_equal(json_cstr(whole, "Result"), joined);
}

static void chat_obeys_ngrams_and_bad_words(void **state)
{
    const struct fixture *f = *state;
    AUTO_JSON plain = ask_json(f, "/chat", "{\"prompt\":\"one two one two\",\"return_full_text\":false,\"generate_kwargs\":{\"do_sample\":false,\"max_new_tokens\":24,\"eos_token_id\":1}}", 200);
    AUTO_JSON ngram = ask_json(f, "/chat", "{\"prompt\":\"one two one two\",\"return_full_text\":false,\"generate_kwargs\":{\"do_sample\":false,\"max_new_tokens\":24,\"eos_token_id\":1,"
                               "\"no_repeat_ngram_size\":1}}", 200);
    AUTO_JSON ids = ask_json(f, "/tokenize", "{\"prompt\":\"sea\",\"add_special_tokens\":false}", 200);
    AUTO_MEM char *list = json_text(json_object_get(ids, "tokens"));
    AUTO_MEM char *body = xasprintf("{\"prompt\":\"The\",\"generate_kwargs\":{\"top_k\":50,\"seed\":1,\"max_new_tokens\":200,\"bad_words_ids\":[%s],\"eos_token_id\":1}}", list);
    AUTO_JSON bad = ask_json(f, "/chat", body, 200);

    assert_string_not_equal(json_cstr(plain, "Result"), json_cstr(ngram, "Result"));
    assert_null(strstr(json_cstr(bad, "Result"), " sea "));
}

/* What v0.1 and v0.2 documented: every key with its default. */
static void chat_takes_the_older_keys_at_their_defaults(void **state)
{
    AUTO_JSON j = ask_json(*state, "/chat", "{\"prompt\":\"a\",\"generate_kwargs\":{\"max_length\":6,\"min_length\":0,\"do_sample\":true,\"early_stopping\":false,\"num_beams\":1,"
                           "\"num_beam_groups\":1,\"diversity_penalty\":0.0,\"temperature\":1.0,\"top_k\":10,\"top_p\":1,\"typical_p\":1,\"repetition_penalty\":1,"
                           "\"length_penalty\":1,\"no_repeat_ngram_size\":0,\"encoder_no_repeat_ngram_size\":0,\"bad_words_ids\":null,\"num_return_sequences\":1,"
                           "\"output_scores\":false,\"return_dict_in_generate\":false,\"forced_bos_token_id\":null,\"forced_eos_token_id\":null,\"remove_invalid_values\":null}}", 200);
    assert_non_null(json_cstr(j, "Result"));
}

static const struct { const char *body; int status; const char *want; } chat_faults[] = {
    { "{}", 400, "{\"detail\":\"Text generation parameter prompt required\"}" },
    { "{\"prompt\":\"\"}", 400, "{\"detail\":\"Text generation parameter prompt required\"}" },
    { "{\"prompt\":7}", 422, "{\"detail\":[{\"type\":\"string_type\",\"loc\":[\"body\",\"prompt\"],\"msg\":\"Input should be a valid string\",\"input\":7}]}" },
    { "[1]", 422, "{\"detail\":[{\"type\":\"model_attributes_type\",\"loc\":[\"body\"],\"msg\":\"Input should be a valid dictionary or object to extract fields from\",\"input\":[1]}]}" },
    { "{\"messages\":[{\"role\":\"user\"}]}", 422, "{\"detail\":[{\"type\":\"missing\",\"loc\":[\"body\",\"messages\",0,\"content\"],\"msg\":\"Field required\",\"input\":{\"role\":\"user\"}}]}" },
    { "{\"prompt\":\"a\",\"generate_kwargs\":{\"top_k\":\"x\"}}", 422, "{\"detail\":[{\"type\":\"int_parsing\",\"loc\":[\"body\",\"generate_kwargs\",\"top_k\"],\"msg\":\"Input should be a valid integer, unable to parse string as an integer\",\"input\":\"x\"}]}" },
    { "{\"prompt\":\"a b c d e\",\"generate_kwargs\":{\"max_length\":3}}", 400, NULL },
    { "{\"prompt\":\"a\",\"generate_kwargs\":{\"num_beams\":4}}", 400, "{\"detail\":\"num_beams: beam search is not built; use 1\"}" },
    { "{\"prompt\":\"a\",\"generate_kwargs\":{\"num_beam_groups\":2}}", 400, "{\"detail\":\"num_beam_groups: beam search is not built; use 1\"}" },
    { "{\"prompt\":\"a\",\"generate_kwargs\":{\"num_return_sequences\":2,\"do_sample\":false}}", 400, NULL },
    { "{\"prompt\":\"a\",\"generate_kwargs\":{\"num_return_sequences\":0}}", 400, NULL },
    { "{\"prompt\":\"a\",\"generate_kwargs\":{\"bad_words_ids\":[1]}}", 422, NULL },
    { "{\"prompt\":\"a\",\"generate_kwargs\":{\"bad_words_ids\":[[99999]]}}", 400, NULL },
    { "{\"prompt\":\"a\",\"generate_kwargs\":{\"temperature\":-1}}", 400, NULL },
    { "{\"prompt\":\"a\",\"generate_kwargs\":{\"eos_token_id\":99999}}", 400, NULL },
    { "{\"prompt\":\"a\",\"generate_kwargs\":{\"frobnicate\":1}}", 422, NULL },
    { "{\"prompt\":\"a\",\"handle_long_generation\":\"x\"}", 400, NULL },
    { "{", 422, NULL },
    { "\xFF\xFE", 422, NULL },
};

static void chat_faults_have_upstreams_shape(void **state)
{
    const struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(chat_faults); i++) {
        AUTO_BUF text = { 0 };
        int status = ask(f, "POST", "/chat", str_of(chat_faults[i].body), &text);
        if (status != chat_faults[i].status)
            print_error("%s: %d %s\n", chat_faults[i].body, status, buf_cstr(&text));
        assert_int_equal(status, chat_faults[i].status);
        assert_true(str_has_prefix(buf_str(&text), STR("{\"detail\":")));
        if (chat_faults[i].want)
            assert_string_equal(buf_cstr(&text), chat_faults[i].want);
    }
}

static const struct { const char *path, *body; int status; const char *type; } openai_faults[] = {
    { "/v1/chat/completions", "{", 400, "BadRequestError" },
    { "/v1/chat/completions", "[]", 400, "BadRequestError" },
    { "/v1/chat/completions", "{\"messages\":[]}", 400, "BadRequestError" },
    { "/v1/chat/completions", "{\"model\":\"x\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}", 404, "NotFoundError" },
    { "/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":7}]}", 400, "BadRequestError" },
    { "/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"max_tokens\":100000}", 400, "BadRequestError" },
    { "/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"top_p\":3}", 400, "BadRequestError" },
    { "/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"stream_options\":{}}", 400, "BadRequestError" },
    { "/v1/completions", "{\"prompt\":[99999]}", 400, "BadRequestError" },
    { "/v1/completions", "{}", 400, "BadRequestError" },
    { "/tokenize", "{}", 400, "BadRequestError" },
    { "/detokenize", "{}", 400, "BadRequestError" },
};

static void openai_faults_have_vllms_shape(void **state)
{
    const struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(openai_faults); i++) {
        AUTO_JSON j = ask_json(f, openai_faults[i].path, openai_faults[i].body, openai_faults[i].status);
        assert_string_equal(json_str_at(j, "error", "type", NULL), openai_faults[i].type);
        assert_true(str_set(json_str_at(j, "error", "message", NULL)));
    }
}

#define QUESTION "\"messages\":[{\"role\":\"user\",\"content\":\"What is the capital of France?\"}],\"temperature\":0,\"max_tokens\":24"

static const char *content_of(const json_t *j)
{
    return json_str_at(json_array_get(json_object_get(j, "choices"), 0), "message", "content", NULL);
}

/* The content of a stream's events put together; *finished: the last one said why, and [DONE] came. */
static void read_events(struct str text, struct buf *out, bool *finished)
{
    struct str line;
    bool reason = false;

    *finished = false;
    while (str_next(&text, '\n', &line)) {
        AUTO_JSON j = NULL;
        struct err e;
        if (!str_has_prefix(line, STR("data: ")))
            continue;
        *finished = str_is(str_from(line, 6), "[DONE]") && reason;
        if (json_parse(str_from(line, 6), &j, &e))
            continue;
        const json_t *choice = json_array_get(json_object_get(j, "choices"), 0);
        buf_adds(out, json_str_at(choice, "delta", "content", NULL));
        reason |= json_cstr(choice, "finish_reason") != NULL;
    }
}

static void a_stream_says_what_the_whole_reply_says(void **state)
{
    const struct fixture *f = *state;
    AUTO_JSON whole = ask_json(f, "/v1/chat/completions", "{" QUESTION "}", 200);
    AUTO_BUF events = { 0 }, text = { 0 };
    bool finished;

    assert_int_equal(ask(f, "POST", "/v1/chat/completions", STR("{" QUESTION ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}"), &events), 200);
    read_events(buf_str(&events), &text, &finished);
    assert_true(finished);
    assert_non_null(strstr(buf_cstr(&events), "\"usage\":{\"prompt_tokens\""));
    assert_string_equal(buf_cstr(&text), content_of(whole));
}

static void a_stop_string_ends_the_answer_before_itself(void **state)
{
    const struct fixture *f = *state;
    AUTO_JSON whole = ask_json(f, "/v1/chat/completions", "{" QUESTION "}", 200);
    AUTO_MEM char *text = xstrdup(content_of(whole));
    char *second = strchr(text + 1, ' ');

    assert_non_null(second);
    AUTO_MEM char *body = xasprintf("{" QUESTION ",\"stop\":[\"%.4s\"]}", second);
    AUTO_JSON cut = ask_json(f, "/v1/chat/completions", body, 200);
    *second = 0;
    assert_string_equal(content_of(cut), text);
    assert_string_equal(json_cstr(json_array_get(json_object_get(cut, "choices"), 0), "finish_reason"), "stop");
}

struct worker { const struct fixture *f; struct thread thread; struct buf text; int status; };

static void work(void *arg)
{
    struct worker *w = arg;
    w->status = ask(w->f, "POST", "/v1/chat/completions", STR("{" QUESTION ",\"ignore_eos\":true}"), &w->text);
}

static void answers_do_not_depend_on_the_company(void **state)
{
    const struct fixture *f = *state;
    AUTO_JSON alone = ask_json(f, "/v1/chat/completions", "{" QUESTION ",\"ignore_eos\":true}", 200);
    struct worker w[8] = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        w[i].f = f;
        thread_start_sized(&w[i].thread, "client", 1 << 20, work, &w[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(w); i++)
        thread_join(&w[i].thread);
    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        AUTO_JSON j = NULL;
        struct err e;
        assert_true(w[i].status == 200 || w[i].status == 429);
        if (w[i].status == 200) {
            assert_int_equal(json_parse(buf_str(&w[i].text), &j, &e), ERR_OK);
            assert_string_equal(content_of(j), content_of(alone));
        }
        buf_done(&w[i].text);
    }
}

static errc leave(void *self, struct str chunk, struct err *e)
{
    (void)self, (void)chunk;
    return err_set(e, ERR_CANCELLED, "enough");
}

static double metric(const struct fixture *f, const char *name)
{
    AUTO_BUF text = { 0 };

    assert_int_equal(ask(f, "GET", "/metrics", STR(""), &text), 200);
    const char *at = strstr(buf_cstr(&text), name);
    assert_non_null(at);
    at = strchr(at, ' ');
    assert_non_null(at);
    return strtod(at, NULL);
}

static void a_client_that_leaves_cancels_its_own(void **state)
{
    const struct fixture *f = *state;
    AUTO_MEM char *url = xasprintf("%s/v1/completions", f->base);
    struct err e;
    struct http_sink sink = { .data = leave };
    const char *aborted = "vllm:request_success_total{engine=\"0\",model_name=\"phi-3\",finished_reason=\"abort\"}";
    double before = metric(f, aborted);

    assert_int_equal(http_stream(f->client, &(struct http_request){ .method = "POST", .url = url, .content_type = "application/json",
                     .body = STR("{\"prompt\":\"The sea\",\"max_tokens\":4000,\"ignore_eos\":true,\"stream\":true,\"echo\":true}") }, &sink, &e), ERR_CANCELLED);
    for (int64_t until = patience_end(7000); metric(f, aborted) == before && clock_mono_ms() < until;)     /* each asking takes its time */
        ;
    assert_true(metric(f, aborted) == before + 1);
    assert_true(metric(f, "vllm:num_requests_running{") == 0);
}

static void metrics_come_in_both_flavours(void **state)
{
    const struct fixture *f = *state;
    AUTO_MEM char *url = xasprintf("%s/metrics", f->base);
    AUTO_RESPONSE r = { 0 };
    AUTO_JSON j = NULL;
    struct http_pair accept = { "Accept", "application/json" };
    struct err e;

    assert_int_equal(http_send(f->client, &(struct http_request){ .url = url, .headers = &accept, .n_headers = 1 }, &r, &e), ERR_OK);
    assert_int_equal(json_parse(buf_str(&r.body), &j, &e), ERR_OK);
    assert_true(json_is_null(json_object_get(j, "gpu_info")));
    assert_non_null(json_str_at(j, "cpu_info", "memory", "total", NULL));
    assert_true(metric(f, "vllm:generation_tokens_total{") > 0);
}

static void a_full_cache_makes_requests_take_turns(void **state)
{
    (void)state;
    struct fixture f = fixture_start(&(struct server_opts){ .max_num_seqs = 8, .max_kv_tokens = 96 });
    struct worker w[6] = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        w[i].f = &f;
        thread_start_sized(&w[i].thread, "client", 1 << 20, work, &w[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(w); i++)
        thread_join(&w[i].thread);
    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        assert_int_equal(w[i].status, 200);
        if (i)
            assert_string_equal(strstr(buf_cstr(&w[i].text), "\"choices\""), strstr(buf_cstr(&w[0].text), "\"choices\""));
    }
    for (size_t i = 0; i < ARRAY_LEN(w); i++)
        buf_done(&w[i].text);
    fixture_stop(&f);
}

static void an_adapter_answers_by_name_and_on_chat(void **state)
{
    (void)state;
    AUTO_MEM char *model = path_join(getenv("KAITO_SOURCE"), "../shared/golden/hf/models/phi3");
    AUTO_MEM char *dir = path_join(getenv("KAITO_SOURCE"), "../shared/golden/hf/lora/phi3/trained");

    if (!dir_exists(dir)) {
        free(TAKE(model));              /* skip() jumps over their ends */
        free(TAKE(dir));
        print_message("skipped: no ../shared\n");
        skip();
    }
    struct adapter_source source = { .dir = dir, .name = "tuned", .strength = 1 };
    struct fixture f = fixture_start(&(struct server_opts){ .model_dir = model, .adapters = &source, .n_adapters = 1 });
    AUTO_JSON base = ask_json(&f, "/v1/completions", "{\"model\":\"phi-3\",\"prompt\":\"The quick brown\",\"temperature\":0,\"ignore_eos\":true}", 200);
    AUTO_JSON tuned = ask_json(&f, "/v1/completions", "{\"model\":\"tuned\",\"prompt\":\"The quick brown\",\"temperature\":0,\"ignore_eos\":true}", 200);
    AUTO_JSON chat = ask_json(&f, "/chat", "{\"prompt\":\"The quick brown\",\"return_full_text\":false,\"generate_kwargs\":{\"do_sample\":false,\"max_new_tokens\":16,\"eos_token_id\":1}}", 200);
    const char *a = json_cstr(json_array_get(json_object_get(base, "choices"), 0), "text");
    const char *b = json_cstr(json_array_get(json_object_get(tuned, "choices"), 0), "text");

    assert_string_not_equal(a, b);
    assert_string_equal(b, json_cstr(chat, "Result"));
    fixture_stop(&f);
}

static void a_missing_model_is_named(void **state)
{
    (void)state;
    struct server *s = NULL;
    struct err e;

    assert_int_not_equal(server_start(&(struct server_opts){ .model_dir = "/nonexistent/model" }, &s, &e), ERR_OK);
    assert_non_null(strstr(e.text, "--model /nonexistent/model: there is no such"));
    assert_non_null(strstr(e.text, "kaito fetch"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_routes_answer_as_upstream),
        cmocka_unit_test(chat_puts_the_prompt_before_its_result),
        cmocka_unit_test(chat_samples_by_default_and_a_seed_fixes_it),
        cmocka_unit_test(chat_takes_messages),
        cmocka_unit_test(chat_returns_as_many_sequences_as_asked),
        cmocka_unit_test(chat_obeys_ngrams_and_bad_words),
        cmocka_unit_test(chat_takes_the_older_keys_at_their_defaults),
        cmocka_unit_test(chat_faults_have_upstreams_shape),
        cmocka_unit_test(openai_faults_have_vllms_shape),
        cmocka_unit_test(a_stream_says_what_the_whole_reply_says),
        cmocka_unit_test(a_stop_string_ends_the_answer_before_itself),
        cmocka_unit_test(answers_do_not_depend_on_the_company),
        cmocka_unit_test(a_client_that_leaves_cancels_its_own),
        cmocka_unit_test(metrics_come_in_both_flavours),
        cmocka_unit_test(a_full_cache_makes_requests_take_turns),
        cmocka_unit_test(an_adapter_answers_by_name_and_on_chat),
        cmocka_unit_test(a_missing_model_is_named),
    };
    return cmocka_run_group_tests_name("serve", tests, fixture_set_up, fixture_tear_down);
}
