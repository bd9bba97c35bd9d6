/* Adapters that do not fit, or mean something else, are refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "engine/adapter.h"

#define O_PROJ "base_model.model.model.layers.0.self_attn.o_proj"
#define CONFIG "\"peft_type\":\"LORA\",\"r\":2,\"lora_alpha\":6"

static struct model *model;
static char *dir;
static float ones[64 * 64];

static void write_config(const char *text)
{
    AUTO_MEM char *path = path_join(dir, "adapter_config.json");
    struct err e;

    assert_int_equal(file_write_atomic(path, str_of(text), 0644, &e), ERR_OK);
}

static struct safetensors_item matrix(const char *name, size_t rows, size_t cols, const float *data)
{
    return (struct safetensors_item){ name, { .dtype = DTYPE_F32, .ndim = 2, .shape = { rows, cols }, .len = rows * cols, .data = data } };
}

static void write_tensors(const struct safetensors_item *items, size_t n)
{
    AUTO_MEM char *path = path_join(dir, "adapter_model.safetensors");
    struct err e;

    assert_int_equal(safetensors_write(path, items, n, &e), ERR_OK);
}

static void write_pair(void)
{
    const struct safetensors_item items[] = { matrix(O_PROJ ".lora_A.weight", 2, 64, ones), matrix(O_PROJ ".lora_B.weight", 64, 2, ones) };

    write_tensors(items, 2);
}

static void refuse(const char *part)
{
    struct adapter *a = NULL;
    struct err e = { 0 };

    assert_int_not_equal(adapter_load(dir, NULL, 1, model, &a, &e), ERR_OK);
    if (!strstr(e.text, part))
        fail_msg("\"%s\" does not say \"%s\"", e.text, part);
}

static float scale_of(const char *config, float strength)
{
    AUTO_FREE(adapter) a = NULL;
    struct err e = { 0 };
    size_t index = model_find_linear(model, STR("model.layers.0.self_attn.o_proj"))->index;

    write_config(config);
    if (adapter_load(dir, "x", strength, model, &a, &e))
        fail_msg("%s", e.text);
    assert_string_equal(a->name, "x");
    for (size_t i = 0; i < a->n_loras; i++)
        assert_int_equal(a->loras[i].r, i == index ? 2 : 0);
    return a->loras[index].scale;
}

static void scales_follow_alpha_rank_and_patterns(void **state)
{
    write_pair();
    assert_true(scale_of("{" CONFIG "}", 1) == 3);
    assert_true(scale_of("{" CONFIG "}", 0.5f) == 1.5f);
    assert_true(scale_of("{" CONFIG ",\"use_rslora\":true}", 1) == (float)(6 / 1.4142135623730951));
    assert_true(scale_of("{" CONFIG ",\"alpha_pattern\":{\"o_proj\":8}}", 1) == 4);
    assert_true(scale_of("{" CONFIG ",\"alpha_pattern\":{\"proj\":8}}", 1) == 3);
    assert_true(scale_of("{\"peft_type\":\"LORA\",\"r\":9,\"lora_alpha\":6,\"rank_pattern\":{\"self_attn.o_proj\":2}}", 1) == 3);
}

static void other_mathematics_is_refused(void **state)
{
    static const struct { const char *config, *part; } rows[] = {
        { "{\"peft_type\":\"IA3\",\"r\":2}", "peft_type IA3 is not known" },
        { "{" CONFIG ",\"use_dora\":true}", "use_dora is set, but tensor " O_PROJ ".lora_magnitude_vector is missing" },
        { "{" CONFIG ",\"modules_to_save\":[\"lm_head\"]}", "modules_to_save: no tensor belongs to \"lm_head\"" },
        { "{" CONFIG ",\"lora_bias\":true}", "lora_bias is not supported" },
        { "{" CONFIG ",\"bias\":\"most\"}", "bias most is not known" },
        { "{\"peft_type\":\"LORA\"}", "r must be from 1 to 4096" },
        { "{\"peft_type\":\"LORA\",\"r\":3}", "module model.layers.0.self_attn.o_proj has rank 2, adapter_config.json says 3" },
        { "{" CONFIG ",\"alpha_pattern\":{\".*o_proj\":3}}", "is an expression" },
        { "{\"peft_type\":\"LORA\",\"r\":2,\"lora_alpha\":\"16\"}", "adapter_config.json: lora_alpha: \"16\" is not a number" },
        { "{\"peft_type\":\"LORA\",\"r\":\"2\"}", "r: \"2\" is not a whole number" },
        { "{" CONFIG ",\"alpha_pattern\":{\"o_proj\":\"8\"}}", "alpha_pattern: o_proj: \"8\" is not a number" },
        { "{" CONFIG ",\"rank_pattern\":[2]}", "rank_pattern: [2] is not an object" },
        { "{" CONFIG ",\"use_rslora\":\"yes\"}", "use_rslora: \"yes\" is not true or false" },
        { "{" CONFIG ",\"modules_to_save\":\"lm_head\"}", "modules_to_save: \"lm_head\" is not a list" },
    };

    write_pair();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        write_config(rows[i].config);
        refuse(rows[i].part);
    }
}

static void tensors_must_fit_the_model(void **state)
{
    const struct safetensors_item shape[] = { matrix(O_PROJ ".lora_A.weight", 2, 63, ones), matrix(O_PROJ ".lora_B.weight", 64, 2, ones) };
    const struct safetensors_item alone = matrix(O_PROJ ".lora_B.weight", 64, 2, ones), first = matrix(O_PROJ ".lora_A.weight", 2, 64, ones);
    const struct safetensors_item stranger = matrix("base_model.model.model.layers.9.self_attn.o_proj.lora_A.weight", 2, 64, ones);
    const struct safetensors_item embed = matrix("base_model.model.model.embed_tokens.lora_embedding_A", 2, 64, ones);

    const struct safetensors_item embed_as_linear = matrix("base_model.model.model.embed_tokens.lora_A.weight", 2, 64, ones);
    const struct safetensors_item prompt = matrix("base_model.model.prompt_embeddings", 2, 64, ones);

    write_config("{" CONFIG "}");
    write_tensors(shape, 2);
    refuse("lora_A [2, 63] and lora_B [64, 2] do not fit the model's [64, 64]");
    write_tensors(&alone, 1);
    refuse("a lora_A is missing");
    write_tensors(&first, 1);
    refuse("tensor " O_PROJ ".lora_B.weight is missing");
    write_tensors(&stranger, 1);
    refuse("the model has no module model.layers.9.self_attn.o_proj");
    write_tensors(&embed, 1);
    refuse("tensor base_model.model.model.embed_tokens.lora_embedding_B is missing");
    write_tensors(&embed_as_linear, 1);
    refuse("the model has no module model.embed_tokens");
    write_tensors(&prompt, 1);
    refuse("is neither a LoRA factor of a linear layer nor a weight or bias");
    write_tensors(NULL, 0);
    refuse("holds no tensors");
}

static struct safetensors_item vector(const char *name, size_t n, const float *data)
{
    return (struct safetensors_item){ name, { .dtype = DTYPE_F32, .ndim = 1, .shape = { n }, .len = n, .data = data } };
}

static void own_parameters_must_fit_the_model(void **state)
{
    const struct safetensors_item a = matrix(O_PROJ ".lora_A.weight", 2, 64, ones), b = matrix(O_PROJ ".lora_B.weight", 64, 2, ones);
    const struct { const char *config; struct safetensors_item more; const char *part; } rows[] = {
        { "{" CONFIG ",\"use_dora\":true}", vector(O_PROJ ".lora_magnitude_vector", 63, ones), "lora_magnitude_vector [63] does not fit the model's [64]" },
        { "{" CONFIG "}", vector(O_PROJ ".lora_magnitude_vector", 64, ones), "use_dora is not set" },
        { "{" CONFIG "}", vector("base_model.model.model.norm.weight", 65, ones), "norm.weight [65] does not fit the model's [64]" },
        { "{" CONFIG "}", matrix("base_model.model.model.norm.weight", 64, 1, ones), "norm.weight [64, 1] does not fit the model's [64]" },
        { "{" CONFIG "}", vector("base_model.model.model.norm.bias", 64, ones), "the model has no bias of model.norm" },
        { "{" CONFIG "}", vector(O_PROJ ".base_layer.bias", 64, ones), "the model has no bias of model.layers.0.self_attn.o_proj" },
        { "{" CONFIG "}", vector("base_model.model.model.layers.7.input_layernorm.weight", 64, ones), "the model has no module model.layers.7" },
        { "{" CONFIG "}", matrix(O_PROJ ".weight", 64, 64, ones), "has LoRA factors and a weight of its own" },
        { "{" CONFIG ",\"modules_to_save\":[\"embed_tokens\"]}", vector("base_model.model.model.norm.weight", 64, ones), "no tensor belongs to \"embed_tokens\"" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct safetensors_item items[] = { a, b, rows[i].more };
        write_config(rows[i].config);
        write_tensors(items, 3);
        refuse(rows[i].part);
    }
}

static void what_is_trained_whole_has_one_strength(void **state)
{
    const struct safetensors_item norm = vector("base_model.model.model.norm.weight", 64, ones);
    struct adapter *a = NULL;
    struct err e = { 0 };

    write_config("{" CONFIG ",\"modules_to_save\":[\"norm\"]}");
    write_tensors(&norm, 1);
    assert_int_equal(adapter_load(dir, NULL, 0.5f, model, &a, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "strength 0.5"));
    assert_int_equal(adapter_load(dir, NULL, 1, model, &a, &e), ERR_OK);
    assert_ptr_equal(adapter_norm(NULL, &model->norm_final), &model->norm_final);
    assert_ptr_not_equal(adapter_norm(a, &model->norm_final), &model->norm_final);
    assert_true(adapter_norm(a, &model->norm_final)->w[63] == 1);
    assert_ptr_equal(adapter_norm(a, &model->layers[0].norm_mlp), &model->layers[0].norm_mlp);
    adapter_free(a);
}

/* PEFT saves the matrices beside factors of embedding and head, too: the model's own is not kept twice, another one is used. */
static void copies_beside_factors_are_known(void **state)
{
    size_t vocab = model->config.vocab, n = vocab * 64;
    AUTO_MEM float *same = xcalloc(n, sizeof *same), *factors = xcalloc(vocab * 2, sizeof *factors);
    struct safetensors_item items[] = { matrix("base_model.model.lm_head.lora_A.weight", 2, 64, ones), matrix("base_model.model.lm_head.lora_B.weight", vocab, 2, factors),
                                        matrix("base_model.model.lm_head.base_layer.weight", vocab, 64, same) };

    weight_rows_f32(&model->head, same, 0, vocab);
    write_config("{" CONFIG "}");
    for (int changed = 0; changed < 2; changed++) {
        AUTO_FREE(adapter) a = NULL;
        struct err e;

        same[n - 1] += (float)changed;
        write_tensors(items, 3);
        assert_int_equal(adapter_load(dir, NULL, 0.5f, model, &a, &e), ERR_OK);
        assert_int_equal(a->head != NULL, changed);
        assert_int_equal(a->loras[model->ends[MODEL_HEAD].index].r, 2);
    }
}

static void a_side_product_is_what_it_says(void **state)
{
    AUTO_FREE(compute) c = NULL;
    float a[2 * 3] = { 1, 2, 3, 0, 1, 0 }, b[4 * 2] = { 1, 0, 0, 1, 1, 1, 2, 0 };
    struct lora l = { .r = 2, .scale = 0.5f, .a = a, .b = b };
    struct err e;

    assert_int_equal(compute_new(1, NULL, &c, &e), ERR_OK);
    for (size_t rows = 1; rows <= 20; rows += 19) {
        float x[20 * 3], y[20 * 4], xa[20 * 2];

        for (size_t i = 0; i < 60; i++)
            x[i] = 1;
        for (size_t i = 0; i < 80; i++)
            y[i] = 10;
        lora_forward(c, &l, 3, 4, y, 4, x, 3, rows, xa);
        for (size_t r = 0; r < rows; r++)       /* x A^T = (6, 1) */
            assert_true(y[4 * r] == 13 && y[4 * r + 1] == 10.5f && y[4 * r + 2] == 13.5f && y[4 * r + 3] == 16);
    }
}

static int setup(void **state)
{
    AUTO_MEM char *path = xasprintf("%s/tests/golden/hf/models/phi3", getenv("KAITO_SOURCE"));
    struct model_opts o = { .threads = 1 };
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(ones); i++)
        ones[i] = 1;
    dir = xstrdup("/tmp/test-adapter-XXXXXX");
    return !mkdtemp(dir) || model_load(path, &o, &model, &e) ? 1 : 0;
}

static int teardown(void **state)
{
    struct err e;
    int rc = dir_remove(dir, &e) ? 1 : 0;

    free(dir);
    model_free(model);
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scales_follow_alpha_rank_and_patterns),
        cmocka_unit_test(other_mathematics_is_refused),
        cmocka_unit_test(tensors_must_fit_the_model),
        cmocka_unit_test(own_parameters_must_fit_the_model),
        cmocka_unit_test(what_is_trained_whole_has_one_strength),
        cmocka_unit_test(copies_beside_factors_are_known),
        cmocka_unit_test(a_side_product_is_what_it_says),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
