/*
 * GGUF files as models, against transformers (tests/golden/gguf/record_models.py): families in bf16, Q8_0, and a model whose
 * matrices are in every block format; an adapter on rows in another order; what is refused.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "broken_gguf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/engine.h"

#define TOLERANCE 2e-4          /* of the largest logit, float32 */
#define IDS_MAX   256

static char *golden(const char *rest) { return xasprintf("%s/tests/golden/gguf/%s", getenv("KAITO_SOURCE"), rest); }

static json_t *read_json(const char *rest)
{
    AUTO_MEM char *path = golden(rest);
    json_t *j = NULL;
    struct err e = { 0 };

    if (json_parse_file(path, 16u << 20, &j, &e))
        fail_msg("%s", e.text);
    return j;
}

static struct engine *open_engine(const char *rest)
{
    AUTO_MEM char *path = golden(rest);
    struct engine *g = NULL;
    struct err e = { 0 };

    if (engine_open(path, &(struct engine_opts){ .threads = 2 }, &g, &e))
        fail_msg("%s", e.text);
    return g;
}

static void check_prompt(struct engine *g, const struct adapter *a, const char *name, const json_t *prompt)
{
    const json_t *list = json_object_get(prompt, "ids"), *want = json_object_get(prompt, "last_logits");
    size_t n = json_array_size(list), vocab = engine_model(g)->config.vocab;
    double largest = 0, worst = 0;
    int32_t ids[IDS_MAX];
    struct err e = { 0 };

    assert_in_range(n, 1, IDS_MAX);
    assert_int_equal(json_array_size(want), vocab);
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    AUTO_MEM float *logits = xcalloc(n * vocab, sizeof *logits);
    if (engine_score(g, a, ids, n, logits, &e))
        fail_msg("%s: %s", name, e.text);
    for (size_t i = 0; i < vocab; i++) {
        double w = json_number_value(json_array_get(want, i));

        largest = fmax(largest, fabs(w));
        worst = fmax(worst, fabs(w - (double)logits[(n - 1) * vocab + i]));
    }
    if (!(worst <= TOLERANCE * largest))
        fail_msg("%s, %zu tokens: logits differ by %.3g of the largest", name, n, worst / largest);
}

static void models_equal_transformers(void **state)
{
    AUTO_JSON models = read_json("models.json");
    const char *name;
    json_t *model;

    assert_true(json_object_size(models) >= 7);
    json_object_foreach(models, name, model) {
        AUTO_MEM char *file = xasprintf("%s.gguf", name);
        AUTO_FREE(engine) g = open_engine(file);

        for (size_t i = 0; i < json_array_size(json_object_get(model, "prompts")); i++)
            check_prompt(g, NULL, name, json_array_get(json_object_get(model, "prompts"), i));
    }
}

/* PEFT's factors know the rows of q and k in Hugging Face's order, the file has them in another. */
static void an_adapter_finds_its_rows(void **state)
{
    AUTO_JSON want = read_json("lora-llama3/expected.json");
    AUTO_FREE(engine) g = open_engine("llama3.gguf");
    AUTO_MEM char *dir = golden("lora-llama3");
    const struct adapter *a = NULL;
    struct err e = { 0 };

    if (adapters_load(engine_adapters(g), dir, NULL, 1, false, &a, &e))
        fail_msg("%s", e.text);
    check_prompt(g, a, "llama3 with adapter", want);
}

/* ── folders ── */

static void link_into(const char *dir, const char *name)
{
    AUTO_MEM char *from = golden("llama3.gguf"), *to = path_join(dir, name);

    assert_int_equal(symlink(from, to), 0);
}

static void a_folder_means_its_only_file(void **state)
{
    AUTO_MEM char *dir = xstrdup("/tmp/test-gguf-XXXXXX");
    AUTO_FREE(model) m = NULL;
    AUTO_FREE(model) none = NULL;
    struct err e;

    assert_non_null(mkdtemp(dir));
    link_into(dir, "a.gguf");
    assert_int_equal(model_load(dir, &(struct model_opts){ 0 }, &m, &e), ERR_OK);
    assert_string_equal(m->config.model_type, "llama");
    link_into(dir, "b.gguf");
    assert_int_equal(model_load(dir, &(struct model_opts){ 0 }, &none, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "holds 2 GGUF files; name one of them"));
    assert_int_equal(dir_remove(dir, &e), ERR_OK);
}

/* A scale that is not a number: only the answer tells, and then the matrix is named. */
static void a_broken_block_is_named(void **state)
{
    AUTO_MEM char *path = broken_gguf();
    AUTO_FREE(engine) g = NULL;
    float logits[2 * 128];
    struct err e = { 0 };

    assert_int_equal(engine_open(path, &(struct engine_opts){ .threads = 2 }, &g, &e), ERR_OK);
    assert_int_equal(engine_score(g, NULL, (const int32_t[]){ 1, 2 }, 2, logits, &e), ERR_CORRUPT);
    unlink(path);
    assert_non_null(strstr(e.text, "tensor model.layers.1.mlp.down_proj.weight: element 96 is not a finite number"));
}

/* ── what is refused ── */

/* A copy of a golden file with the first `from` replaced by `to` of the same length. */
static void expect_refusal(const char *file, const char *from, const void *to, const char *message)
{
    AUTO_MEM char *source = golden(file), *path = xasprintf("/tmp/test-gguf-%d.gguf", (int)getpid());
    AUTO_FREE(model) m = NULL;
    AUTO_BUF b = { 0 };
    struct err e = { 0 };
    size_t at;

    assert_int_equal(file_read(source, 4u << 20, &b, &e), ERR_OK);
    assert_true(str_find(buf_str(&b), str_of(from), &at));
    memcpy(b.p + at, to, strlen(from));
    assert_int_equal(file_write_atomic(path, buf_str(&b), 0600, &e), ERR_OK);
    assert_int_not_equal(model_load(path, &(struct model_opts){ 0 }, &m, &e), ERR_OK);
    unlink(path);
    if (!strstr(e.text, message) || !strstr(e.text, path))
        fail_msg("expected \"%s\" in: %s", message, e.text);
}

static void what_is_unknown_is_refused_by_name(void **state)
{
    expect_refusal("llama3.gguf", "llama", "mamba", "general.architecture \"mamba\" is not known; known are llama, qwen2");
    expect_refusal("llama3.gguf", "llama.vocab_size", "llama.logit_sale", "key llama.logit_sale is not known and might change what the model computes");
    expect_refusal("gemma3.gguf", "linear", "cyclic", "key gemma3.rope.scaling.type: \"cyclic\" is not known");
    expect_refusal("llama3.gguf", "blk.1.attn_q", "blk.1.attn_z", "the tensor for model.layers.1.self_attn.q_proj.weight is missing");
}

static void what_is_missing_or_does_not_fit_is_named(void **state)
{
    expect_refusal("llama3.gguf", "RI\x9d" "9" /* 3e-4 */, "\0\0\xc0\x7f", "llama.attention.layer_norm_rms_epsilon is nan, expected a finite number");
    expect_refusal("llama3.gguf", "llama.block_count", "general.not_known", "key llama.block_count is missing");
    expect_refusal("llama3.gguf", "llama.attention.layer_norm_rms_epsilon", "general.attention.layer_norm_rms_epsil",
                   "key llama.attention.layer_norm_rms_epsilon is missing");
    expect_refusal("llama3.gguf", "token_embd", "token_emby", "tensor token_embd.weight [vocabulary, hidden] is missing");
    expect_refusal("phi3-longrope.gguf", "rope_factors_long", "rope_factors_gone", "rope_factors_long.weight must both be there");
    expect_refusal("llama3.gguf", "blk.0.attn_norm", "blk.7.attn_norm", "the tensor for model.layers.0.input_layernorm.weight is missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_equal_transformers),
        cmocka_unit_test(an_adapter_finds_its_rows),
        cmocka_unit_test(a_folder_means_its_only_file),
        cmocka_unit_test(a_broken_block_is_named),
        cmocka_unit_test(what_is_unknown_is_refused_by_name),
        cmocka_unit_test(what_is_missing_or_does_not_fit_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
