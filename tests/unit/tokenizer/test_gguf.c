/*
 * Vocabularies of GGUF files against llama.cpp (tests/golden/gguf/record_tokens.py): SentencePiece's, and byte-level ones under
 * each pre-tokenizer; what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "tokenizer/tokenizer.h"

static char *golden(const char *name, const char *ending) { return xasprintf("%s/tests/golden/gguf/%s%s", getenv("KAITO_SOURCE"), name, ending); }

static void read_golden(const char *model, struct buf *out)
{
    AUTO_MEM char *path = golden(model, ".gguf");
    struct err e;

    if (file_read(path, 4u << 20, out, &e))
        fail_msg("%s", e.text);
}

/* The file with another text for a key; zeros at the end make up for what moves. */
static void with_text(const struct buf *file, const char *key, const char *text, struct buf *out)
{
    static const char zeros[64];
    size_t at;
    uint64_t old, n = strlen(text);

    assert_true(str_find(buf_str(file), str_of(key), &at));
    at += strlen(key) + 4;
    memcpy(&old, file->p + at, sizeof old);
    buf_add(out, file->p, at);
    buf_add(out, &n, sizeof n);
    buf_add(out, text, n);
    buf_addstr(out, str_from(buf_str(file), at + 8 + old));
    buf_add(out, zeros, sizeof zeros);
}

static errc load_bytes(const struct buf *bytes, struct tokenizer **out, struct err *e)
{
    AUTO_MEM char *path = xasprintf("/tmp/test-vocabulary-%d.gguf", (int)getpid());

    if (file_write_atomic(path, buf_str(bytes), 0600, e))
        fail_msg("%s", e->text);
    errc rc = tokenizer_load(path, out, e);
    unlink(path);
    return rc;
}

static struct tokenizer *load(const char *model, const char *pre)
{
    struct tokenizer *t = NULL;
    AUTO_BUF file = { 0 }, changed = { 0 };
    struct err e = { 0 };

    read_golden(model, &file);
    if (pre)
        with_text(&file, "tokenizer.ggml.pre", pre, &changed);
    if (load_bytes(pre ? &changed : &file, &t, &e))
        fail_msg("%s, %s: %s", model, pre ? pre : "as it is", e.text);
    return t;
}

static void check_row(const struct tokenizer *t, const char *what, const json_t *row)
{
    const json_t *want = json_object_get(row, "ids");
    struct str text = json_to_str(json_object_get(row, "text"));
    AUTO_IDS ids = { 0 };
    struct err e = { 0 };

    if (tokenizer_encode(t, text, true, &ids, &e))
        fail_msg("%s", e.text);
    for (size_t i = 0; i < json_array_size(want) || i < ids.n; i++)
        if (i >= ids.n || ids.v[i] != json_integer_value(json_array_get(want, i)) || i >= json_array_size(want))
            fail_msg("%s: \"%.*s\": id %zu of %zu differs (%zu expected)", what, STR_ARG(text), i, ids.n, json_array_size(want));
}

static void ids_equal_those_of_llama_cpp(void **state)
{
    AUTO_MEM char *path = golden("tokens", ".json");
    AUTO_JSON cases = NULL;
    struct err e;

    assert_int_equal(json_parse_file(path, 1u << 20, &cases, &e), ERR_OK);
    assert_true(json_array_size(cases) >= 14);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i), *rows = json_object_get(c, "rows");
        const char *model = json_cstr(c, "model"), *pre = json_cstr(c, "pre");
        AUTO_FREE(tokenizer) t = load(model, pre);

        for (size_t k = 0; k < json_array_size(rows); k++)
            check_row(t, pre ? pre : model, json_array_get(rows, k));
    }
}

static void decoding_gives_the_text_back(void **state)
{
    static const char *const models[] = { "mixtral", "gemma3", "llama3" };
    static const char text[] = "Gr\xc3\xb6\xc3\x9f" "e \xe2\x82\xac 12 \xf0\x9f\x99\x82\n  x";

    for (size_t i = 0; i < ARRAY_LEN(models); i++) {
        AUTO_FREE(tokenizer) t = load(models[i], NULL);
        AUTO_IDS ids = { 0 };
        AUTO_BUF back = { 0 };
        struct err e;

        assert_int_equal(tokenizer_encode(t, str_of(text), true, &ids, &e), ERR_OK);
        tokenizer_decode(t, ids.v, ids.n, true, &back);
        assert_string_equal(buf_cstr(&back), text);
    }
}

static void roles_and_template_come_along(void **state)
{
    AUTO_FREE(tokenizer) t = load("phi3-longrope", NULL);
    const struct tokenizer_info *i = tokenizer_info(t);
    AUTO_JSON messages = json_pack("[{s:s, s:s}]", "role", "user", "content", "Hi");
    AUTO_BUF text = { 0 };
    struct err e;

    assert_string_equal(i->bos_token, "<s>");
    assert_string_equal(i->eos_token, "<|endoftext|>");
    assert_int_equal(i->vocab_size, 640);
    assert_true(tokenizer_is_stop(t, i->eos_id));
    assert_true(tokenizer_is_stop(t, tokenizer_id(t, STR("<|end|>"))));
    assert_false(tokenizer_is_stop(t, tokenizer_id(t, STR("<|assistant|>"))));
    assert_int_equal(tokenizer_chat(t, messages, true, NULL, &text, &e), ERR_OK);
    assert_non_null(strstr(buf_cstr(&text), "Hi"));
}

/* ── what is refused ── */

static void expect_refusal(const struct buf *bytes, const char *message)
{
    AUTO_FREE(tokenizer) t = NULL;
    struct err e = { 0 };

    assert_int_not_equal(load_bytes(bytes, &t, &e), ERR_OK);
    if (!strstr(e.text, message) || !strstr(e.text, "/tmp/test-vocabulary"))
        fail_msg("expected \"%s\" in: %s", message, e.text);
}

static void unknown_names_are_refused(void **state)
{
    AUTO_BUF file = { 0 }, model = { 0 }, pre = { 0 }, template = { 0 };

    read_golden("llama3", &file);
    with_text(&file, "tokenizer.ggml.model", "bert", &model);
    expect_refusal(&model, "tokenizer.ggml.model \"bert\" is not known; llama and gpt2 are");
    with_text(&file, "tokenizer.ggml.pre", "klingon", &pre);
    expect_refusal(&pre, "tokenizer.ggml.pre \"klingon\" is not known; known are llama-bpe");
    with_text(&file, "tokenizer.chat_template", "{% if %}", &template);
    expect_refusal(&template, "tokenizer.chat_template");
}

/* A copy with `n` bytes at `by` after the first `text` replaced. */
static void patched(const char *model, const char *text, size_t by, const void *bytes, size_t n, struct buf *out)
{
    size_t at;

    read_golden(model, out);
    assert_true(str_find(buf_str(out), str_of(text), &at));
    memcpy(out->p + at + by, bytes, n);
}

static void damaged_vocabularies_are_refused(void **state)
{
    static const struct { const char *model, *text; size_t by; const char *bytes; size_t n; const char *message; } rows[] = {
        { "llama3", "tokenizer.ggml.merges", 0, "tokenizer.ggml.nerges", 21, "tokenizer.ggml.merges is missing" },
        { "llama3", "tokenizer.ggml.tokens", 0, "tokenizer.ggml.tokenz", 21, "tokenizer.ggml.tokens: expected 1 to" },
        { "llama3", "tokenizer.ggml.model", 0, "tokenizer.ggml.modem", 20, "the file has no vocabulary" },
        { "llama3", "tokenizer.ggml.merges", 21 + 4 + 4 + 8 + 8, "aaa", 3, "tokenizer.ggml.merges[0]: \"aaa\" is not two tokens" },
        { "llama3", "tokenizer.ggml.merges", 21 + 4 + 4 + 8 + 8, "a\1", 2, "tokenizer.ggml.merges[0]" },
        { "llama3", "tokenizer.ggml.token_type", 25 + 4 + 4 + 8, "\7", 1, "tokenizer.ggml.token_type[0]: 7 is not known" },
        { "llama3", "tokenizer.ggml.eos_token_id", 27 + 4, "\xff\xff", 2, "key tokenizer.ggml.eos_token_id: expected -1 to 639" },
        { "mixtral", "tokenizer.ggml.scores", 0, "tokenizer.ggml.scorez", 21, "tokenizer.ggml.scores has 0 entries for 640 tokens" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_BUF b = { 0 };

        patched(rows[i].model, rows[i].text, rows[i].by, rows[i].bytes, rows[i].n, &b);
        expect_refusal(&b, rows[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_equal_those_of_llama_cpp),
        cmocka_unit_test(decoding_gives_the_text_back),
        cmocka_unit_test(roles_and_template_come_along),
        cmocka_unit_test(unknown_names_are_refused),
        cmocka_unit_test(damaged_vocabularies_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
