/* Tokenizers against what Hugging Face's own recorded: small ones of model folders, and real vocabularies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <zlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "tokenizer/tokenizer.h"

static char *golden(const char *path)
{
    AUTO_MEM char *root = path_join(getenv("KAITO_SOURCE"), "../shared/golden/hf");
    return path_join(root, path);
}

static bool same_ids(const struct token_ids *ids, const json_t *want)
{
    if (ids->n != json_array_size(want))
        return false;
    for (size_t i = 0; i < ids->n; i++)
        if (ids->v[i] != json_integer_value(json_array_get(want, i)))
            return false;
    return true;
}

static bool decodes(const struct tokenizer *t, const struct token_ids *ids, bool skip, struct str want)
{
    AUTO_BUF whole = { 0 }, streamed = { 0 };
    AUTO_FREE(token_stream) s = token_stream_new(t, skip);

    tokenizer_decode(t, ids->v, ids->n, skip, &whole);
    for (size_t i = 0; i < ids->n; i++) {
        token_stream_add(s, ids->v[i], &streamed);
        if (!str_utf8_valid(buf_str(&streamed)))
            return false;
    }
    token_stream_end(s, &streamed);
    if (!str_eq(buf_str(&whole), buf_str(&streamed)))
        print_error("stream gives \"%s\", not \"%s\"\n", buf_cstr(&streamed), buf_cstr(&whole));
    return str_eq(buf_str(&whole), want) && str_eq(buf_str(&whole), buf_str(&streamed));
}

/* What a stream gives, piece by piece valid UTF-8, is what decode gives at once. */
static bool streams(const struct tokenizer *t, const struct token_ids *ids, bool skip, struct str want)
{
    AUTO_FREE(token_stream) s = token_stream_new(t, skip);
    AUTO_BUF all = { 0 };
    bool whole = true;

    for (size_t i = 0; i <= ids->n; i++) {
        AUTO_BUF part = { 0 };
        if (i < ids->n)
            token_stream_add(s, ids->v[i], &part);
        else
            token_stream_end(s, &part);
        whole &= str_utf8_valid(buf_str(&part));
        buf_addstr(&all, buf_str(&part));
    }
    return whole && str_eq(buf_str(&all), want);
}

static size_t check_rows(const char *name, const struct tokenizer *t, const json_t *rows, bool special)
{
    size_t i, bad = 0;
    json_t *row;

    json_array_foreach(rows, i, row) {
        AUTO_IDS ids = { 0 };
        struct err e;
        struct str text = json_to_str(json_object_get(row, "text"));
        json_t *flag = json_object_get(row, "add_special_tokens");
        assert_int_equal(tokenizer_encode(t, text, flag ? json_is_true(flag) : special, &ids, &e), ERR_OK);
        bool good = same_ids(&ids, json_object_get(row, "ids"));
        if (good && json_object_get(row, "decoded"))
            good = decodes(t, &ids, false, json_to_str(json_object_get(row, "decoded"))) &&
                   decodes(t, &ids, true, json_to_str(json_object_get(row, "decoded_skip"))) &&
                   streams(t, &ids, false, json_to_str(json_object_get(row, "decoded"))) &&
                   streams(t, &ids, true, json_to_str(json_object_get(row, "decoded_skip")));
        if (good)
            continue;
        if (bad++ < 3) {
            AUTO_MEM char *want = json_text(row);
            print_error("%s row %zu: %.700s\n   got", name, i, want);
            for (size_t k = 0; k < ids.n && k < 40; k++)
                print_error(" %d", ids.v[k]);
            AUTO_BUF d = { 0 };
            tokenizer_decode(t, ids.v, ids.n, false, &d);
            print_error(" \"%.200s\"\n", buf_cstr(&d));
        }
    }
    return bad;
}

static size_t check_chats(const char *name, const struct tokenizer *t, const json_t *chats)
{
    size_t i, bad = 0;
    json_t *c;

    json_array_foreach(chats, i, c) {
        AUTO_BUF out = { 0 };
        struct err e = { 0 };
        errc rc = tokenizer_chat(t, json_object_get(c, "messages"), json_flag(c, "add_generation_prompt", false), NULL, &out, &e);
        const char *want = json_cstr(c, "text");
        if (want ? !rc && streq(want, buf_cstr(&out)) : rc != ERR_OK)
            continue;
        bad++;
        print_error("%s chat %zu: want \"%s\" got \"%s\" %s\n", name, i, want, buf_cstr(&out), e.text);
    }
    return bad;
}

static void model_folders_encode_as_hugging_face_does(void **state)
{
    (void)state;
    AUTO_MEM char *dir = golden("expected");
    char **names = NULL;
    size_t n = 0, bad = 0, models = 0;
    struct err e;

    if (!dir_exists(dir)) {
        free(TAKE(dir));                /* skip() jumps over its end */
        print_message("skipped: no ../shared\n");
        skip();
    }
    assert_int_equal(dir_list(dir, &names, &n, &e), ERR_OK);
    for (size_t i = 0; i < n; i++) {
        char *tail = strstr(names[i], ".tokenizer.json");
        if (!tail)
            continue;
        AUTO_MEM char *path = path_join(dir, names[i]);
        AUTO_JSON want = NULL;
        AUTO_FREE(tokenizer) t = NULL;
        *tail = 0;
        AUTO_MEM char *relative = xasprintf("models/%s", names[i]);
        AUTO_MEM char *model = golden(relative);
        assert_int_equal(json_parse_file(path, 64 << 20, &want, &e), ERR_OK);
        errc rc = tokenizer_load(model, &t, &e);
        if (rc)
            print_error("%s\n", e.text);
        assert_int_equal(rc, ERR_OK);
        bad += check_rows(names[i], t, json_object_get(want, "encode"), true) + check_chats(names[i], t, json_object_get(want, "chat"));
        models++;
    }
    strv_free(names, n);
    assert_true(models >= 18);
    assert_int_equal(bad, 0);
}

static void read_gz(const char *path, struct buf *out)
{
    gzFile f = gzopen(path, "rb");
    char chunk[65536];
    int n;

    assert_non_null(f);
    while ((n = gzread(f, chunk, sizeof chunk)) > 0)
        buf_add(out, chunk, (size_t)n);
    gzclose(f);
}

static void real_vocabularies_encode_as_hugging_face_does(void **state)
{
    static const char *const names[] = { "phi-3", "gpt-2", "llama-bpe", "bert-bge" };
    AUTO_MEM char *dir = golden("tokenizers");
    size_t bad = 0;

    (void)state;
    if (!dir_exists(dir)) {
        free(TAKE(dir));                /* skip() jumps over its end */
        print_message("skipped: no ../shared\n");
        skip();
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO_MEM char *gz = xasprintf("%s/%s.tokenizer.json.gz", dir, names[i]), *rows = xasprintf("%s/%s.json", dir, names[i]);
        AUTO_BUF text = { 0 };
        AUTO_JSON want = NULL;
        AUTO_FREE(tokenizer) t = NULL;
        struct err e;
        read_gz(gz, &text);
        assert_int_equal(json_parse_file(rows, 64 << 20, &want, &e), ERR_OK);
        int64_t start = clock_mono_ms();
        errc rc = tokenizer_parse(buf_str(&text), names[i], &t, &e);
        if (rc)
            print_error("%s\n", e.text);
        assert_int_equal(rc, ERR_OK);
        print_message("# %s: loaded in %lld ms\n", names[i], (long long)(clock_mono_ms() - start));
        bad += check_rows(names[i], t, json_object_get(want, "rows"), true);
    }
    assert_int_equal(bad, 0);
}

/* Small enough to be read here: bytes, one merge, a special token. */
static const char tiny[] =
    "{\"added_tokens\":[{\"id\":9,\"content\":\"<|x|>\",\"special\":true,\"rstrip\":true,\"normalized\":false}],"
    "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"_\"},{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"_\"}]},"
    "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"_\"},\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]},"
    "\"model\":{\"type\":\"BPE\",\"unk_token\":\"?\",\"fuse_unk\":true,\"byte_fallback\":true,\"vocab\":{\"?\":0,\"_\":1,\"a\":2,\"b\":3,\"ab\":4,\"_a\":5,\"<0xC3>\":6,\"<0xA9>\":7,\"aa\":8},\"merges\":[\"a b\",\"_ a\",\"a a\"]}}";

static void assert_encodes(const struct tokenizer *t, const char *text, const int32_t *want, size_t n)
{
    AUTO_IDS ids = { 0 };
    struct err e;

    assert_int_equal(tokenizer_encode(t, str_of(text), true, &ids, &e), ERR_OK);
    assert_int_equal(ids.n, n);
    assert_memory_equal(ids.v, want, n * sizeof *want);
}

static void merges_bytes_and_special_tokens(void **state)
{
    (void)state;
    AUTO_FREE(tokenizer) t = NULL;
    struct err e;

    assert_int_equal(tokenizer_parse(str_of(tiny), "tiny", &t, &e), ERR_OK);
    assert_encodes(t, "ab", (int32_t[]){ 1, 4 }, 2);                    /* the lower rank first, though "_ a" is further left */
    assert_encodes(t, "a\xC3\xA9", (int32_t[]){ 5, 6, 7 }, 3);
    assert_encodes(t, "xyz", (int32_t[]){ 1, 0 }, 2);                   /* unknown characters fuse */
    assert_encodes(t, "a<|x|>  b", (int32_t[]){ 5, 9, 1, 3 }, 4);       /* rstrip took the blanks */
    assert_encodes(t, "", NULL, 0);
    AUTO_BUF d = { 0 };
    tokenizer_decode(t, (int32_t[]){ 5, 6, 7, 9, 1, 3 }, 6, true, &d);
    assert_string_equal(buf_cstr(&d), "a\xC3\xA9 b");
    buf_clear(&d);
    tokenizer_decode(t, (int32_t[]){ 6, 2 }, 2, true, &d);
    assert_string_equal(buf_cstr(&d), "\xEF\xBF\xBD" "a");
}

static void a_stream_holds_back_half_a_code_point(void **state)
{
    (void)state;
    AUTO_FREE(tokenizer) t = NULL;
    struct err e;
    AUTO_BUF out = { 0 };

    assert_int_equal(tokenizer_parse(str_of(tiny), "tiny", &t, &e), ERR_OK);
    AUTO_FREE(token_stream) s = token_stream_new(t, true);
    token_stream_add(s, 5, &out);
    assert_string_equal(buf_cstr(&out), "a");
    token_stream_add(s, 6, &out);
    assert_string_equal(buf_cstr(&out), "a");
    token_stream_add(s, 7, &out);
    token_stream_add(s, 5, &out);
    assert_string_equal(buf_cstr(&out), "a\xC3\xA9 a");
    token_stream_add(s, 6, &out);
    token_stream_end(s, &out);
    assert_string_equal(buf_cstr(&out), "a\xC3\xA9 a\xEF\xBF\xBD");
}

static void faults_name_the_field(void **state)
{
    static const struct { const char *json, *text; } bad[] = {
        { "{\"model\":{\"type\":\"Unigram\"}}", "t: model.vocab: expected a list of [token, score]" },
        { "{\"model\":{\"type\":\"Unigram\",\"unk_id\":1,\"vocab\":[[\"a\",0]]}}", "t: model.unk_id: 1 is not among the 1 tokens" },
        { "{\"model\":{\"type\":\"Markov\"}}", "t: model: type \"Markov\" is not known" },
        { "{\"model\":{\"type\":\"BPE\",\"dropout\":0.1,\"vocab\":{\"a\":0},\"merges\":[]}}", "t: model.dropout: 0.1 makes token ids random; set it to null" },
        { "{\"decoder\":{\"type\":\"CTC\"},\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0}}}", "t: decoder: type \"CTC\" is not known" },
        { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}}", "t: model.merges[0]: \"b\" is not in the vocabulary" },
        { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-4},\"merges\":[]}}", "t: model.vocab: \"a\" has no usable id" },
        { "{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAA\"}}", "t: normalizer Precompiled: expected precompiled_charsmap to be a base64 character map" },
        { "{\"normalizer\":{\"type\":\"Romanize\"}}", "t: normalizer: type \"Romanize\" is not known" },
        { "[]", "t: expected an object" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct tokenizer *t = NULL;
        struct err e;
        assert_int_not_equal(tokenizer_parse(str_of(bad[i].json), "t", &t, &e), ERR_OK);
        assert_string_equal(e.text, bad[i].text);
    }
}

/* tests/golden/tokenizers: each file one tokenizer and rows, recorded by tests/peers/tokenizers_agree.py --record. */
static void recorded_pipelines_encode_as_hugging_face_does(void **state)
{
    AUTO_MEM char *dir = path_join(getenv("KAITO_SOURCE"), "tests/golden/tokenizers");
    char **names = NULL;
    size_t n = 0, bad = 0;
    struct err e;

    (void)state;
    assert_int_equal(dir_list(dir, &names, &n, &e), ERR_OK);
    assert_true(n > 20);
    for (size_t i = 0; i < n; i++) {
        AUTO_MEM char *path = path_join(dir, names[i]);
        AUTO_JSON file = NULL;
        AUTO_FREE(tokenizer) t = NULL;
        assert_int_equal(json_parse_file(path, 64 << 20, &file, &e), ERR_OK);
        AUTO_MEM char *text = json_text(json_object_get(file, "tokenizer"));
        if (tokenizer_parse(str_of(text), names[i], &t, &e))
            fail_msg("%s", e.text);
        bad += check_rows(names[i], t, json_object_get(file, "rows"), true);
    }
    strv_free(names, n);
    assert_int_equal(bad, 0);
}

/* A megabyte of what has no place to cut: anything quadratic takes 10^12 steps and does not come back. */
static void long_text_takes_linear_time(void **state)
{
    static const char *const files[] = { "bpe-gpt2.json", "bpe-llama3.json", "bpe-llama2.json", "bpe-gemma.json", "bpe-clip.json", "unigram-bytes.json", "unigram-t5.json", "wordpiece.json", "bpe-llama2-added-tokens.json" };
    static const char *const units[] = { "a", " ", "ab", "x\n", "\xE6\xBC\xA2", "<s>", "'s", "1", "." };
    AUTO_MEM char *dir = path_join(getenv("KAITO_SOURCE"), "tests/golden/tokenizers");

    (void)state;
    for (size_t f = 0; f < ARRAY_LEN(files); f++) {
        AUTO_MEM char *path = path_join(dir, files[f]);
        AUTO_JSON file = NULL;
        AUTO_FREE(tokenizer) t = NULL;
        struct err e;
        assert_int_equal(json_parse_file(path, 64 << 20, &file, &e), ERR_OK);
        AUTO_MEM char *text = json_text(json_object_get(file, "tokenizer"));
        assert_int_equal(tokenizer_parse(str_of(text), files[f], &t, &e), ERR_OK);
        for (size_t u = 0; u < ARRAY_LEN(units); u++) {
            AUTO_BUF long_text = { 0 };
            AUTO_IDS ids = { 0 };
            int64_t start = clock_mono_ms();
            while (long_text.n < 1 << 20)
                buf_adds(&long_text, units[u]);
            errc rc = tokenizer_encode(t, buf_str(&long_text), true, &ids, &e);
            if (rc)
                fail_msg("%s of \"%s\": %s", files[f], units[u], e.text);
            if (clock_mono_ms() - start > 1500)
                print_message("# %s, 1 MiB of \"%s\": %zu tokens in %lld ms\n", files[f], units[u], ids.n, (long long)(clock_mono_ms() - start));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_bytes_and_special_tokens),
        cmocka_unit_test(a_stream_holds_back_half_a_code_point),
        cmocka_unit_test(faults_name_the_field),
        cmocka_unit_test(recorded_pipelines_encode_as_hugging_face_does),
        cmocka_unit_test(long_text_takes_linear_time),
        cmocka_unit_test(model_folders_encode_as_hugging_face_does),
        cmocka_unit_test(real_vocabularies_encode_as_hugging_face_does),
    };
    return cmocka_run_group_tests_name("tokenizer", tests, NULL, NULL);
}
