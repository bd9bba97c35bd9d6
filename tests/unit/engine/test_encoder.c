/* Encoders against vectors of transformers (tests/golden/encoders, recorded by tests/peers/encoders_record.py), and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/encoder.h"

#define WITHIN 1e-4f            /* of the vector's largest number */

static char *folder(const char *name)
{
    return xasprintf("%s/tests/golden/encoders/%s", getenv("KAITO_SOURCE"), name);
}

static int32_t *ids_of(const json_t *row, size_t *n)
{
    const json_t *list = json_object_get(row, "ids");
    int32_t *ids = xcalloc(json_array_size(list) + 1, sizeof *ids);

    *n = json_array_size(list);
    for (size_t i = 0; i < *n; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    return ids;
}

static float difference(const float *got, const json_t *want)
{
    float largest = 0, worst = 0;

    for (size_t i = 0; i < json_array_size(want); i++) {
        float w = (float)json_number_value(json_array_get(want, i));
        largest = fmaxf(largest, fabsf(w));
        worst = fmaxf(worst, fabsf(got[i] - w));
    }
    return worst / largest;
}

static void check(const char *name)
{
    AUTO_MEM char *dir = folder(name), *path = path_join(dir, "expected.json");
    AUTO_FREE(encoder) x = NULL;
    AUTO_JSON rows = NULL;
    struct err e = { 0 };

    assert_int_equal(json_parse_file(path, 16 << 20, &rows, &e), ERR_OK);
    if (encoder_open(dir, 2, &x, &e))
        fail_msg("%s", e.text);
    AUTO_MEM float *v = xcalloc(encoder_info(x)->dim, sizeof *v);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        size_t n;
        AUTO_MEM int32_t *ids = ids_of(json_array_get(rows, i), &n);
        assert_int_equal(encoder_embed(x, ids, n, v, &e), ERR_OK);
        float far = difference(v, json_object_get(json_array_get(rows, i), "embedding"));
        if (far > WITHIN)
            fail_msg("%s row %zu: off by %g", name, i, (double)far);
    }
}

static void vectors_are_those_of_transformers(void **state)
{
    static const char *const names[] = { "bert-mean", "bert-cls", "roberta", "xlm-roberta", "distilbert" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        check(names[i]);
}

static void texts_that_do_not_fit_are_refused(void **state)
{
    AUTO_MEM char *dir = folder("bert-mean");
    AUTO_FREE(encoder) x = NULL;
    int32_t ids[65] = { 0 };
    float v[32];
    struct err e = { 0 };

    (void)state;
    assert_int_equal(encoder_open(dir, 1, &x, &e), ERR_OK);
    assert_int_equal(encoder_info(x)->max_tokens, 64);
    assert_int_equal(encoder_embed(x, ids, 64, v, &e), ERR_OK);
    assert_int_equal(encoder_embed(x, ids, 65, v, &e), ERR_BAD_REQUEST);
    assert_int_equal(encoder_embed(x, ids, 0, v, &e), ERR_BAD_REQUEST);
    ids[1] = 300;
    assert_int_equal(encoder_embed(x, ids, 2, v, &e), ERR_BAD_REQUEST);
    assert_string_equal(e.text, "token 300 is not in the vocabulary of 300");
}

/* A copy of bert-mean with one file changed. */
static errc open_changed(const char *tmp, const char *file, const char *text, struct err *e)
{
    static const char *const files[] = { "config.json", "model.safetensors", "modules.json", "1_Pooling/config.json" };
    AUTO_MEM char *from = folder("bert-mean"), *pooling = path_join(tmp, "1_Pooling");
    AUTO_FREE(encoder) x = NULL;

    assert_int_equal(dir_make(pooling, 0755, e), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        AUTO_MEM char *a = path_join(from, files[i]), *b = path_join(tmp, files[i]);
        AUTO_BUF bytes = { 0 };
        assert_int_equal(file_read(a, 16 << 20, &bytes, e), ERR_OK);
        assert_int_equal(file_write_atomic(b, streq(file, files[i]) ? str_of(text) : buf_str(&bytes), 0644, e), ERR_OK);
    }
    return encoder_open(tmp, 1, &x, e);
}

static void what_would_change_a_vector_is_refused_by_name(void **state)
{
#define SIZES "\"vocab_size\":300,\"hidden_size\":32,\"num_hidden_layers\":2,\"num_attention_heads\":4,\"intermediate_size\":64,\"max_position_embeddings\":64"
    static const struct { const char *file, *text, *why; } bad[] = {
        { "config.json", "{\"model_type\":\"bert\"," SIZES ",\"position_embedding_type\":\"relative_key\"}", "position_embedding_type relative_key is not known" },
        { "config.json", "{\"model_type\":\"bert\"," SIZES ",\"magic\":3}", "key magic is not known" },
        { "config.json", "{\"model_type\":\"bert\"," SIZES ",\"hidden_act\":\"mish\"}", "hidden_act mish is not known" },
        { "config.json", "{\"model_type\":\"mpnet\"," SIZES "}", "model_type mpnet is no encoder that is known here" },
        { "config.json", "{\"model_type\":\"bert\",\"vocab_size\":301,\"hidden_size\":32,\"num_hidden_layers\":2,\"num_attention_heads\":4,\"intermediate_size\":64,\"max_position_embeddings\":64}",
          "tensor embeddings.word_embeddings.weight has shape [300, 32], not [301, 32]" },
        { "config.json", "{\"model_type\":\"bert\",\"vocab_size\":300,\"hidden_size\":32,\"num_hidden_layers\":3,\"num_attention_heads\":4,\"intermediate_size\":64,\"max_position_embeddings\":64}",
          "tensor encoder.layer.2.attention.self.query.weight is missing" },
        { "config.json", "{\"model_type\":\"bert\",\"vocab_size\":300,\"hidden_size\":32,\"num_hidden_layers\":1,\"num_attention_heads\":4,\"intermediate_size\":64,\"max_position_embeddings\":64}",
          "16 tensors beyond the" },
        { "modules.json", "[{\"type\":\"sentence_transformers.models.Dense\",\"path\":\"2_Dense\"}]", "module sentence_transformers.models.Dense is not supported" },
        { "1_Pooling/config.json", "{\"pooling_mode_weightedmean_tokens\":true}", "exactly one pooling" },
        { "1_Pooling/config.json", "{\"pooling_mode_cls_token\":true,\"pooling_mode_mean_tokens\":true}", "exactly one pooling" },
    };
    char tmp[] = "/tmp/test_encoder.XXXXXX";

    (void)state;
    assert_non_null(mkdtemp(tmp));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err e = { 0 };
        assert_int_not_equal(open_changed(tmp, bad[i].file, bad[i].text, &e), ERR_OK);
        if (!strstr(e.text, bad[i].why))
            fail_msg("want \"%s\", got \"%s\"", bad[i].why, e.text);
    }
    struct err e;
    assert_int_equal(dir_remove(tmp, &e), ERR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_are_those_of_transformers),
        cmocka_unit_test(texts_that_do_not_fit_are_refused),
        cmocka_unit_test(what_would_change_a_vector_is_refused_by_name),
    };
    return cmocka_run_group_tests_name("encoder", tests, NULL, NULL);
}
