/* A GGUF file behind the server: its vocabulary, its chat template, its weights, under its own name. */
#include "fixture.h"

#include <stdlib.h>

#include "base/mem.h"

static struct fixture start_gguf(void)
{
    AUTO_MEM char *path = xasprintf("%s/tests/golden/gguf/phi3-longrope.gguf", getenv("KAITO_SOURCE"));
    struct server_opts o = { .model_dir = path, .threads = 2 };
    struct fixture f = { 0 };
    struct err e = { 0 };

    if (server_start(&o, &f.server, &e))
        fail_msg("%s", e.text);
    f.base = xasprintf("http://127.0.0.1:%u", server_port(f.server));
    assert_int_equal(http_client_new(&(struct http_client_opts){ 0 }, &f.client, &e), ERR_OK);
    return f;
}

static void a_gguf_file_answers(void **state)
{
    struct fixture f = start_gguf();
    AUTO_JSON models = ask_json(&f, "/v1/models", NULL, 200);
    AUTO_JSON tokens = ask_json(&f, "/tokenize", "{\"prompt\":\"Hi\",\"add_special_tokens\":true}", 200);
    AUTO_JSON chat = ask_json(&f, "/v1/chat/completions", "{\"model\":\"phi3-longrope\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],"
                              "\"max_tokens\":3,\"ignore_eos\":true}", 200);

    assert_string_equal(json_cstr(json_array_get(json_object_get(models, "data"), 0), "id"), "phi3-longrope");
    assert_int_equal(json_integer_value(json_array_get(json_object_get(tokens, "tokens"), 0)), 1);        /* <s> */
    assert_int_equal(json_int(json_object_get(chat, "usage"), "completion_tokens", 0), 3);
    fixture_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_gguf_file_answers) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
