/* A server of a sentence encoder: vectors of transformers through /v1/embeddings, and what it refuses. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "fixture.h"

static int set_up(void **state)
{
    AUTO_MEM char *dir = xasprintf("%s/tests/golden/encoders/bert-mean", getenv("KAITO_SOURCE"));
    struct fixture *f = xmalloc(sizeof *f);

    *f = fixture_start(&(struct server_opts){ .model_dir = dir });
    *state = f;
    return 0;
}

static json_t *expected(void)
{
    AUTO_MEM char *path = xasprintf("%s/tests/golden/encoders/bert-mean/expected.json", getenv("KAITO_SOURCE"));
    json_t *rows = NULL;
    struct err e;

    assert_int_equal(json_parse_file(path, 16 << 20, &rows, &e), ERR_OK);
    return rows;
}

static void assert_vector(const json_t *want, const json_t *got)
{
    assert_int_equal(json_array_size(got), json_array_size(want));
    for (size_t i = 0; i < json_array_size(want); i++)
        assert_true(fabs(json_number_value(json_array_get(got, i)) - json_number_value(json_array_get(want, i))) < 1e-4);
}

static const json_t *vector_at(const json_t *reply, size_t i)
{
    return json_object_get(json_array_get(json_object_get(reply, "data"), i), "embedding");
}

static void texts_and_ids_give_the_recorded_vectors(void **state)
{
    const struct fixture *f = *state;
    AUTO_JSON rows = expected();
    json_t *texts = json_array(), *ids = json_array();
    size_t tokens = 0;

    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        json_array_append(texts, json_object_get(row, "text"));
        json_array_append(ids, json_object_get(row, "ids"));
        tokens += json_array_size(json_object_get(row, "ids"));
    }
    json_t *const inputs[] = { texts, ids };
    for (size_t k = 0; k < 2; k++) {
        AUTO_JSON body = json_pack("{s:s, s:o}", "model", "phi-3", "input", inputs[k]);
        AUTO_MEM char *text = json_text(body);
        AUTO_JSON reply = ask_json(f, "/v1/embeddings", text, 200);
        for (size_t i = 0; i < json_array_size(rows); i++)
            assert_vector(json_object_get(json_array_get(rows, i), "embedding"), vector_at(reply, i));
        assert_int_equal(json_int(json_object_get(reply, "usage"), "prompt_tokens", 0), tokens);
        assert_int_equal(json_int(json_object_get(reply, "usage"), "total_tokens", 0), tokens);
        assert_string_equal(json_cstr(reply, "object"), "list");
        assert_int_equal(json_int(json_array_get(json_object_get(reply, "data"), 1), "index", -1), 1);
    }
}

static void base64_holds_little_endian_floats(void **state)
{
    const struct fixture *f = *state;
    AUTO_JSON plain = ask_json(f, "/v1/embeddings", "{\"input\":\"hello\"}", 200);
    AUTO_JSON packed = ask_json(f, "/v1/embeddings", "{\"input\":\"hello\",\"encoding_format\":\"base64\",\"user\":\"u\"}", 200);
    AUTO_BUF bytes = { 0 };

    assert_true(base64_decode(json_to_str(vector_at(packed, 0)), &bytes));
    assert_int_equal(bytes.n, 4 * json_array_size(vector_at(plain, 0)));
    for (size_t i = 0; i < bytes.n / 4; i++) {
        const unsigned char *p = (const unsigned char *)bytes.p + 4 * i;
        uint32_t u = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        float v;
        memcpy(&v, &u, sizeof v);
        assert_true(fabs((double)v - json_number_value(json_array_get(vector_at(plain, 0), i))) < 1e-7);
    }
}

static const struct { const char *body; int status; const char *text; } bad[] = {
    { "{\"input\":[]}", 400, "the list is empty" },
    { "{\"input\":7}", 400, "input: must be a string or a list of token ids" },
    { "{\"input\":[[1],[\"x\"]]}", 400, "input[1][0]: must be a token id from 0 to 299" },
    { "{\"input\":[5,300]}", 400, "input[1]: must be a token id from 0 to 299" },
    { "{\"input\":[\"a\",3]}", 400, "input[1]: must be a string" },
    { "{}", 400, "input" },
    { "{\"input\":\"a\",\"encoding_format\":\"hex\"}", 400, "encoding_format" },
    { "{\"input\":\"a\",\"dimensions\":8}", 400, "does not support matryoshka representation" },
    { "{\"input\":\"a\",\"dimensions\":0}", 400, "dimensions" },
    { "{\"input\":\"a\",\"model\":\"other\"}", 404, "The model `other` does not exist." },
    { "{\"input\":\"a\",\"truncate_prompt_tokens\":65}", 400, "truncate_prompt_tokens" },
    { "{\"input\":", 400, NULL },
};

static void what_cannot_be_embedded_is_refused(void **state)
{
    const struct fixture *f = *state;
    AUTO_BUF words = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO_JSON reply = ask_json(f, "/v1/embeddings", bad[i].body, bad[i].status);
        const char *message = json_str_at(reply, "error", "message", NULL);
        if (!message || (bad[i].text && !strstr(message, bad[i].text)))
            fail_msg("%s: %s", bad[i].body, message);
    }
    buf_adds(&words, "{\"input\":\"");
    for (int i = 0; i < 100; i++)
        buf_adds(&words, "the ");
    buf_adds(&words, "\"");
    AUTO_MEM char *too_long = xasprintf("%s}", buf_cstr(&words)), *cut = xasprintf("%s,\"truncate_prompt_tokens\":-1}", buf_cstr(&words));
    AUTO_JSON reply = ask_json(f, "/v1/embeddings", too_long, 400);
    assert_non_null(strstr(json_str_at(reply, "error", "message", NULL), "maximum context length is 64 tokens. However, you requested 102 tokens"));
    AUTO_JSON kept = ask_json(f, "/v1/embeddings", cut, 200);
    assert_int_equal(json_int(json_object_get(kept, "usage"), "prompt_tokens", 0), 64);
}

static void other_routes_say_what_they_can(void **state)
{
    const struct fixture *f = *state;
    static const char *const refused[] = { "/v1/chat/completions", "/v1/completions", "/chat", "/tokenize", "/detokenize", "/v1/load_lora_adapter" };
    AUTO_JSON models = ask_json(f, "/v1/models", NULL, 200), *one = ask_json(f, "/v1/models/phi-3", NULL, 200);
    AUTO_BUF metrics = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        AUTO_JSON reply = ask_json(f, refused[i], "{\"model\":\"phi-3\",\"messages\":[],\"prompt\":\"x\"}", 400);
        assert_non_null(strstr(json_str_at(reply, "error", "message", NULL), "The model does not support"));
    }
    assert_int_equal(json_int(json_array_get(json_object_get(models, "data"), 0), "max_model_len", 0), 64);
    assert_string_equal(json_cstr(one, "id"), "phi-3");
    json_decref(ask_json(f, "/v1/models/none", NULL, 404));
    json_decref(ask_json(f, "/health", NULL, 200));
    json_decref(ask_json(f, "/openapi.json", NULL, 200));
    assert_int_equal(ask(f, "GET", "/metrics", STR(""), &metrics), 200);
    assert_non_null(strstr(buf_cstr(&metrics), "vllm:prompt_tokens_total"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_and_ids_give_the_recorded_vectors),
        cmocka_unit_test(base64_holds_little_endian_floats),
        cmocka_unit_test(what_cannot_be_embedded_is_refused),
        cmocka_unit_test(other_routes_say_what_they_can),
    };
    return cmocka_run_group_tests_name("embeddings", tests, set_up, fixture_tear_down);
}
