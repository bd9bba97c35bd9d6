/* Keys, TLS, browsers, content types, request ids, adapters that come and go. */
#include "fixture.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/tls.h"

static int send_with(const struct fixture *f, const char *method, const char *path, const char *body, const char *header, const char *value, struct http_response *r)
{
    AUTO_MEM char *url = xasprintf("%s%s", f->base, path);
    struct http_pair pair = { header, value };
    struct err e = { 0 };
    struct http_request q = { .method = method, .url = url, .body = str_of(body), .headers = &pair, .n_headers = header ? 1 : 0,
                              .content_type = header && streq(header, "Content-Type") ? NULL : "application/json" };

    if (http_send(f->client, &q, r, &e))
        fail_msg("%s: %s", url, e.text);
    return r->status;
}

static int status_with(const struct fixture *f, const char *method, const char *path, const char *body, const char *header, const char *value)
{
    AUTO_RESPONSE r = { 0 };

    return send_with(f, method, path, body, header, value, &r);
}

static void a_key_is_asked_for_but_health_is_free(void **state)
{
    (void)state;
    const char *keys[] = { "first", "second" };
    struct fixture f = fixture_start(&(struct server_opts){ .api_keys = keys, .n_api_keys = 2 });
    AUTO_RESPONSE r = { 0 };
    static const char *const guarded[] = { "/v1/models", "/chat", "/v1/completions", "/tokenize" };

    for (size_t i = 0; i < ARRAY_LEN(guarded); i++)
        assert_int_equal(status_with(&f, i ? "POST" : "GET", guarded[i], "{}", NULL, NULL), 401);
    assert_int_equal(send_with(&f, "GET", "/v1/models", "", "Authorization", "Bearer firs", &r), 401);
    AUTO_JSON j = NULL;
    struct err e;
    assert_int_equal(json_parse(buf_str(&r.body), &j, &e), ERR_OK);
    assert_string_equal(json_str_at(j, "error", "type", NULL), "AuthenticationError");
    assert_int_equal(status_with(&f, "GET", "/v1/models", "", "Authorization", "Basic first"), 401);
    assert_int_equal(status_with(&f, "GET", "/v1/models", "", "Authorization", "Bearer "), 401);
    assert_int_equal(status_with(&f, "GET", "/v1/models", "", "Authorization", "Bearer first"), 200);
    assert_int_equal(status_with(&f, "GET", "/v1/models", "", "Authorization", "bearer second"), 200);
    assert_int_equal(status_with(&f, "GET", "/health", "", NULL, NULL), 200);
    assert_int_equal(status_with(&f, "GET", "/metrics", "", NULL, NULL), 200);
    fixture_stop(&f);
}

static void a_browser_may_ask_from_where_it_is_allowed(void **state)
{
    (void)state;
    const char *origins[] = { "https://a.example" };
    struct fixture f = fixture_start(&(struct server_opts){ .allowed_origins = origins, .n_allowed_origins = 1 });
    AUTO_RESPONSE yes = { 0 };
    AUTO_RESPONSE no = { 0 };

    assert_int_equal(send_with(&f, "GET", "/v1/models", "", "Origin", "https://a.example", &yes), 200);
    assert_string_equal(http_header_get(&yes.headers, "Access-Control-Allow-Origin"), "https://a.example");
    assert_int_equal(send_with(&f, "GET", "/v1/models", "", "Origin", "https://b.example", &no), 200);
    assert_null(http_header_get(&no.headers, "Access-Control-Allow-Origin"));
    assert_int_equal(status_with(&f, "OPTIONS", "/v1/models", "", NULL, NULL), 405);
    fixture_stop(&f);
}

static void a_request_keeps_its_id(void **state)
{
    AUTO_RESPONSE r = { 0 };
    AUTO_RESPONSE own = { 0 };
    AUTO_JSON j = NULL;
    struct err e;

    assert_int_equal(send_with(*state, "POST", "/v1/completions", "{\"prompt\":\"a\",\"max_tokens\":1}", "X-Request-Id", "my-id", &r), 200);
    assert_string_equal(http_header_get(&r.headers, "X-Request-Id"), "my-id");
    assert_int_equal(json_parse(buf_str(&r.body), &j, &e), ERR_OK);
    assert_string_equal(json_cstr(j, "id"), "cmpl-my-id");
    assert_int_equal(send_with(*state, "GET", "/health", "", NULL, NULL, &own), 200);
    assert_int_equal(strlen(http_header_get(&own.headers, "X-Request-Id")), 36);
}

static void other_content_types_are_refused(void **state)
{
    assert_int_equal(status_with(*state, "POST", "/v1/completions", "{\"prompt\":\"a\",\"max_tokens\":1}", "Content-Type", "text/plain"), 400);
    assert_int_equal(status_with(*state, "POST", "/v1/completions", "{\"prompt\":\"a\",\"max_tokens\":1}", "Content-Type", "Application/JSON; charset=utf-8"), 200);
}

static void methods_and_paths_are_told_apart(void **state)
{
    AUTO_BUF out = { 0 };

    assert_int_equal(ask(*state, "HEAD", "/health", STR(""), &out), 200);
    assert_int_equal(out.n, 0);
    assert_int_equal(status_with(*state, "POST", "/ping", "", NULL, NULL), 200);
    assert_body(*state, "DELETE", "/v1/models", NULL, 405, "{\"detail\":\"Method Not Allowed\"}");
    assert_body(*state, "GET", "/v1/models/", NULL, 404, "{\"detail\":\"Not Found\"}");
    AUTO_JSON one = ask_json(*state, "/v1/models/phi-3", NULL, 200);
    assert_string_equal(json_cstr(one, "id"), "phi-3");
    AUTO_JSON none = ask_json(*state, "/v1/models/gpt-4", NULL, 404);
    assert_string_equal(json_str_at(none, "error", "type", NULL), "NotFoundError");
    AUTO_JSON e = ask_json(*state, "/v1/embeddings", "{\"input\":\"a\"}", 400);
    assert_non_null(strstr(json_str_at(e, "error", "message", NULL), "does not support Embeddings"));
}

static void usage_tells_what_was_cached(void **state)
{
    (void)state;
    struct fixture f = fixture_start(&(struct server_opts){ .prompt_details = true });
    AUTO_BUF body = { 0 };

    buf_adds(&body, "{\"prompt\":\"");
    for (int i = 0; i < 60; i++)
        buf_adds(&body, "sea of ");
    buf_adds(&body, "\",\"max_tokens\":2,\"n\":2}");
    AUTO_JSON first = ask_json(&f, "/v1/completions", buf_cstr(&body), 200);
    AUTO_JSON again = ask_json(&f, "/v1/completions", buf_cstr(&body), 200);
    const json_t *a = json_at(first, "usage", "prompt_tokens_details", NULL), *b = json_at(again, "usage", "prompt_tokens_details", NULL);
    json_int_t prompt = json_int(json_object_get(again, "usage"), "prompt_tokens", 0);

    assert_int_equal(json_int(a, "cached_tokens", -1), 0);
    assert_true(json_int(b, "cached_tokens", -1) > prompt / 2 && json_int(b, "cached_tokens", -1) < prompt);
    fixture_stop(&f);
}

static void tls_speaks(void **state)
{
    (void)state;
    char dir[] = "/tmp/serve-tls-XXXXXX";
    struct tls_pair ca = { 0 }, leaf = { 0 };
    const char *names[] = { "127.0.0.1" };
    struct err e;

    assert_non_null(mkdtemp(dir));
    assert_int_equal(tls_make_ca("test", 2, &ca, &e), ERR_OK);
    assert_int_equal(tls_make_cert(&ca, "server", NULL, names, 1, 2, &leaf, &e), ERR_OK);
    AUTO_MEM char *cert = path_join(dir, "cert.pem"), *key = path_join(dir, "key.pem");
    assert_int_equal(file_write_atomic(cert, str_of(leaf.cert_pem), 0600, &e), ERR_OK);
    assert_int_equal(file_write_atomic(key, str_of(leaf.key_pem), 0600, &e), ERR_OK);
    struct fixture f = fixture_start(&(struct server_opts){ .cert_file = cert, .key_file = key });
    AUTO_MEM char *url = xasprintf("https://127.0.0.1:%u/health", server_port(f.server));
    struct http_client *client = NULL;
    AUTO_RESPONSE r = { 0 };
    assert_int_equal(http_client_new(&(struct http_client_opts){ .tls.ca_pem = ca.cert_pem }, &client, &e), ERR_OK);
    assert_int_equal(http_send(client, &(struct http_request){ .url = url }, &r, &e), ERR_OK);
    assert_int_equal(r.status, 200);
    http_client_free(client);
    fixture_stop(&f);

    struct server *s = NULL;
    assert_int_equal(server_start(&(struct server_opts){ .model_dir = "/none", .cert_file = cert }, &s, &e), ERR_BAD_REQUEST);
    assert_non_null(strstr(e.text, "--ssl-keyfile"));
    (void)unlink(cert), (void)unlink(key), (void)rmdir(dir);
    tls_pair_done(&ca);
    tls_pair_done(&leaf);
}

static void adapters_come_and_go(void **state)
{
    AUTO_MEM char *good = path_join(getenv("KAITO_SOURCE"), "tests/golden/standin/adapter");
    AUTO_MEM char *other = path_join(getenv("KAITO_SOURCE"), "tests/golden/hf/lora/phi3/trained");
    AUTO_MEM char *load = xasprintf("{\"lora_name\":\"tuned\",\"lora_path\":\"%s\"}", good);
    AUTO_MEM char *again = xasprintf("{\"lora_name\":\"tuned\",\"lora_path\":\"%s\",\"load_inplace\":true}", good);
    AUTO_MEM char *misfit = xasprintf("{\"lora_name\":\"misfit\",\"lora_path\":\"%s\"}", other);
    AUTO_MEM char *base = xasprintf("{\"lora_name\":\"phi-3\",\"lora_path\":\"%s\"}", good);
    const char *q = "{\"model\":\"tuned\",\"prompt\":\"The sea\",\"max_tokens\":2,\"temperature\":0}";

    AUTO_JSON before = ask_json(*state, "/v1/completions", q, 404);
    assert_string_equal(json_str_at(before, "error", "message", NULL), "The model `tuned` does not exist.");
    assert_body(*state, "POST", "/v1/load_lora_adapter", load, 200, "Success: LoRA adapter 'tuned' added successfully.");
    AUTO_JSON after = ask_json(*state, "/v1/completions", q, 200);
    assert_string_equal(json_cstr(after, "model"), "tuned");
    AUTO_JSON models = ask_json(*state, "/v1/models", NULL, 200);
    const json_t *card = json_array_get(json_object_get(models, "data"), 1);
    assert_string_equal(json_cstr(card, "parent"), "phi-3");
    assert_string_equal(json_cstr(card, "root"), good);
    AUTO_JSON twice = ask_json(*state, "/v1/load_lora_adapter", load, 400);
    assert_string_equal(json_str_at(twice, "error", "type", NULL), "InvalidUserInput");
    assert_body(*state, "POST", "/v1/load_lora_adapter", again, 200, "Success: LoRA adapter 'tuned' added successfully.");
    AUTO_JSON shape = ask_json(*state, "/v1/load_lora_adapter", misfit, 400);
    assert_non_null(strstr(json_str_at(shape, "error", "message", NULL), "do not fit the model's"));
    AUTO_JSON own = ask_json(*state, "/v1/load_lora_adapter", base, 400);
    assert_non_null(own);
    AUTO_JSON none = ask_json(*state, "/v1/load_lora_adapter", "{\"lora_name\":\"x\",\"lora_path\":\"/nowhere\"}", 404);
    assert_string_equal(json_str_at(none, "error", "type", NULL), "NotFoundError");
    AUTO_JSON half = ask_json(*state, "/v1/load_lora_adapter", "{\"lora_name\":\"x\"}", 400);
    assert_string_equal(json_str_at(half, "error", "message", NULL), "Both 'lora_name' and 'lora_path' must be provided.");
    assert_body(*state, "POST", "/v1/unload_lora_adapter", "{\"lora_name\":\"tuned\"}", 200, "Success: LoRA adapter 'tuned' removed successfully.");
    AUTO_JSON gone = ask_json(*state, "/v1/unload_lora_adapter", "{\"lora_name\":\"tuned\"}", 404);
    assert_non_null(gone);
    AUTO_JSON later = ask_json(*state, "/v1/completions", q, 404);
    assert_non_null(later);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_asked_for_but_health_is_free),
        cmocka_unit_test(a_browser_may_ask_from_where_it_is_allowed),
        cmocka_unit_test(a_request_keeps_its_id),
        cmocka_unit_test(other_content_types_are_refused),
        cmocka_unit_test(methods_and_paths_are_told_apart),
        cmocka_unit_test(usage_tells_what_was_cached),
        cmocka_unit_test(tls_speaks),
        cmocka_unit_test(adapters_come_and_go),
    };
    return cmocka_run_group_tests_name("gate", tests, fixture_set_up, fixture_tear_down);
}
