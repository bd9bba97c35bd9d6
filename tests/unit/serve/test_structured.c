/* A real server on the stand-in model, whose answers are held to languages and must call tools. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "http/client.h"
#include "serve/serve.h"

struct fixture { struct server *server; struct http_client *client; char *base; };

static int set_up(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);
    AUTO_MEM char *dir = path_join(getenv("KAITO_SOURCE"), "examples/standin/model");
    struct server_opts o = { .model_dir = dir, .served_name = "phi-3", .threads = 2, .max_num_seqs = 8, .tool_call_parser = "hermes" };
    struct err e = { 0 };

    if (server_start(&o, &f->server, &e))
        print_error("%s\n", e.text);
    assert_non_null(f->server);
    f->base = xasprintf("http://127.0.0.1:%u", server_port(f->server));
    assert_int_equal(http_client_new(&(struct http_client_opts){ 0 }, &f->client, &e), ERR_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    http_client_free(f->client);
    server_stop(f->server, 5000);
    free(f->base);
    free(f);
    return 0;
}

static int post(const struct fixture *f, const char *path, const char *body, struct buf *out)
{
    AUTO_MEM char *url = xasprintf("%s%s", f->base, path);
    AUTO_RESPONSE r = { 0 };
    struct err e = { 0 };

    assert_int_equal(http_send(f->client, &(struct http_request){ .method = "POST", .url = url, .body = str_of(body), .content_type = "application/json" }, &r, &e), ERR_OK);
    buf_addstr(out, buf_str(&r.body));
    return r.status;
}

/* A chat with further members of the body; the reply's first choice (new reference). */
static json_t *chat(const struct fixture *f, const char *more, int want)
{
    AUTO_MEM char *body = xasprintf("{\"messages\":[{\"role\":\"user\",\"content\":\"Tell me\"}],\"max_tokens\":400,\"temperature\":0.9,\"seed\":3,%s}", more);
    AUTO_BUF text = { 0 };
    AUTO_JSON j = NULL;
    struct err e;
    int status = post(f, "/v1/chat/completions", body, &text);

    if (status != want)
        fail_msg("%s: %d %s", more, status, buf_cstr(&text));
    assert_int_equal(json_parse(buf_str(&text), &j, &e), ERR_OK);
    return json_incref(want == 200 ? json_array_get(json_object_get(j, "choices"), 0) : j);
}

static const char *content_of(const json_t *choice) { return json_str_at(choice, "message", "content", NULL); }

/* An answer that ended is JSON; one that was cut begins it, and says so. */
static json_t *parsed(const json_t *choice, const char *text)
{
    json_t *j = NULL;
    struct err e;

    if (json_parse(str_of(text), &j, &e) && streq(json_cstr(choice, "finish_reason"), "length"))
        return NULL;
    if (!j)
        fail_msg("\"%s\": %s", text, e.text);
    return j;
}

#define PERSON "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"maxLength\":12},\"age\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":99}}," \
               "\"required\":[\"name\",\"age\"],\"additionalProperties\":false}"

static void a_schema_holds_the_answer(void **state)
{
    static const char *const asks[] = {
        "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"person\",\"strict\":true,\"schema\":" PERSON "}}",
        "\"guided_json\":" PERSON, "\"structured_outputs\":{\"json\":" PERSON "}",
        "\"guided_json\":\"{\\\"type\\\":\\\"object\\\",\\\"properties\\\":{\\\"name\\\":{\\\"type\\\":\\\"string\\\",\\\"maxLength\\\":3},\\\"age\\\":{\\\"type\\\":\\\"integer\\\",\\\"minimum\\\":1,\\\"maximum\\\":99}},"
        "\\\"required\\\":[\\\"name\\\",\\\"age\\\"]}\"",
        "\"min_tokens\":300,\"ignore_eos\":true,\"guided_json\":" PERSON,
    };
    for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
        AUTO_JSON choice = chat(*state, asks[i], 200);
        AUTO_JSON j = parsed(choice, content_of(choice));
        assert_non_null(j);
        assert_string_equal(json_cstr(choice, "finish_reason"), "stop");
        assert_non_null(json_cstr(j, "name"));
        assert_in_range(json_int(j, "age", 0), 1, 99);
        assert_int_equal(json_object_size(j), 2);
    }
}

static void other_languages_hold_it_too(void **state)
{
    static const struct { const char *ask; const char *among[3]; } rows[] = {
        { "\"guided_choice\":[\"positive\",\"negative\"]", { "positive", "negative" } },
        { "\"structured_outputs\":{\"choice\":[\"one\"]}", { "one" } },
        { "\"guided_regex\":\"(?:ab){2}c?\"", { "abab", "ababc" } },
        { "\"guided_grammar\":\"root ::= \\\"x\\\" [yz]\"", { "xy", "xz" } },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_JSON choice = chat(*state, rows[i].ask, 200);
        bool found = false;
        for (size_t k = 0; k < 3; k++)
            found |= streq(content_of(choice), rows[i].among[k]);
        if (!found)
            fail_msg("%s: \"%s\"", rows[i].ask, content_of(choice));
        assert_string_equal(json_cstr(choice, "finish_reason"), "stop");
    }
    AUTO_JSON choice = chat(*state, "\"response_format\":{\"type\":\"json_object\"}", 200);
    AUTO_JSON j = parsed(choice, content_of(choice));
    assert_true(!j || json_is_object(j));
    assert_int_equal(content_of(choice)[0], '{');
}

static void what_cannot_be_held_is_refused(void **state)
{
    static const struct { const char *ask, *error; } rows[] = {
        { "\"response_format\":{\"type\":\"xml\"}", "response_format" },
        { "\"response_format\":{\"type\":\"json_schema\"}", "json_schema.schema" },
        { "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"schema\":{\"not\":{}}}}", "$.not: is not supported" },
        { "\"guided_regex\":\"(\"", "guided_regex: regular expression" },
        { "\"guided_choice\":[]", "choice: must not be empty" },
        { "\"guided_choice\":[1]", "choice[0]: must be a string" },
        { "\"guided_json\":\"{\"", "guided_json" },
        { "\"structured_outputs\":{\"regex\":3}", "structured_outputs.regex" },
        { "\"guided_regex\":\"a\",\"guided_choice\":[\"b\"]", "only use one kind" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_JSON j = chat(*state, rows[i].ask, 400);
        const char *message = json_str_at(j, "error", "message", NULL);
        if (!message || !strstr(message, rows[i].error))
            fail_msg("%s: \"%s\" does not say \"%s\"", rows[i].ask, message, rows[i].error);
    }
}

#define TOOLS "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"parameters\":{\"type\":\"object\",\"properties\":{\"unit\":{\"enum\":[\"C\",\"F\"]}}," \
              "\"required\":[\"unit\"]}}}]"

static void check_calls(const json_t *calls)
{
    AUTO_JSON arguments = NULL;
    struct err e;

    assert_int_equal(json_array_size(calls), 1);
    const json_t *f = json_object_get(json_array_get(calls, 0), "function");
    assert_string_equal(json_cstr(f, "name"), "weather");
    assert_int_equal(json_parse(json_to_str(json_object_get(f, "arguments")), &arguments, &e), ERR_OK);
    assert_true(streq(json_cstr(arguments, "unit"), "C") || streq(json_cstr(arguments, "unit"), "F"));
}

static void a_demanded_call_is_made(void **state)
{
    static const struct { const char *choice, *finish; } rows[] = {    /* a named function ends with "stop", as OpenAI and vLLM have it */
        { "\"required\",\"parallel_tool_calls\":false", "tool_calls" }, { "{\"type\":\"function\",\"function\":{\"name\":\"weather\"}}", "stop" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_MEM char *more = xasprintf(TOOLS ",\"tool_choice\":%s", rows[i].choice);
        AUTO_JSON choice = chat(*state, more, 200);
        assert_string_equal(json_cstr(choice, "finish_reason"), rows[i].finish);
        assert_true(json_is_null(json_at(choice, "message", "content", NULL)));
        check_calls(json_at(choice, "message", "tool_calls", NULL));
    }
}

/* The list that a client puts together from a stream's deltas. */
static json_t *calls_of_stream(struct str text, const char **finish)
{
    json_t *calls = json_array(), *d;
    struct str line;
    size_t i;

    while (str_next(&text, '\n', &line)) {
        AUTO_JSON j = NULL;
        struct err e;
        if (!str_has_prefix(line, STR("data: {")) || json_parse(str_from(line, 6), &j, &e))
            continue;
        const json_t *choice = json_array_get(json_object_get(j, "choices"), 0);
        if (json_cstr(choice, "finish_reason"))
            *finish = streq(json_cstr(choice, "finish_reason"), "tool_calls") ? "tool_calls" : "other";
        json_array_foreach(json_at(choice, "delta", "tool_calls", NULL), i, d) {
            json_t *f = json_object_get(json_array_get(calls, (size_t)json_int(d, "index", 0)), "function");
            if (!f) {
                json_push(calls, json_clone(d));
                continue;
            }
            json_put(f, "arguments", json_strf("%s%s", json_cstr(f, "arguments"), json_str_at(d, "function", "arguments", NULL)));
        }
    }
    return calls;
}

static void a_stream_brings_the_call_in_pieces(void **state)
{
    AUTO_BUF text = { 0 };
    const char *finish = "";

    assert_int_equal(post(*state, "/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"max_tokens\":200,\"seed\":1,\"stream\":true,\"parallel_tool_calls\":false," TOOLS
                          ",\"tool_choice\":\"required\"}", &text), 200);
    AUTO_JSON calls = calls_of_stream(buf_str(&text), &finish);
    check_calls(calls);
    assert_string_equal(finish, "tool_calls");
}

static void many_at_once_share_a_language(void **state)
{
    AUTO_BUF text = { 0 };
    AUTO_JSON j = NULL;
    const json_t *choice;
    struct err e;
    size_t i;

    assert_int_equal(post(*state, "/v1/completions", "{\"prompt\":[\"a\",\"b\",\"c\"],\"n\":3,\"max_tokens\":200,\"seed\":5,\"temperature\":1,\"guided_json\":" PERSON "}", &text), 200);
    assert_int_equal(json_parse(buf_str(&text), &j, &e), ERR_OK);
    assert_int_equal(json_array_size(json_object_get(j, "choices")), 9);
    json_array_foreach(json_object_get(j, "choices"), i, choice) {
        AUTO_JSON person = parsed(choice, json_cstr(choice, "text"));
        assert_in_range(json_int(person, "age", 0), 1, 99);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_schema_holds_the_answer),
        cmocka_unit_test(other_languages_hold_it_too),
        cmocka_unit_test(what_cannot_be_held_is_refused),
        cmocka_unit_test(a_demanded_call_is_made),
        cmocka_unit_test(a_stream_brings_the_call_in_pieces),
        cmocka_unit_test(many_at_once_share_a_language),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
