/*
 * Whole runs against transformers.Trainer: a JSON Lines file of token ids in file order, a training_config.yaml, the recorded first
 * adapter. Checks history.jsonl line by line and the adapter that is written. f32: 1e-4 on losses, 1e-3 on norms and adapter.
 */
#include "helpers.h"

#include <math.h>
#include <unistd.h>

#include "tune/tune.h"

static void write_rows(const json_t *rows, const char *dir)
{
    AUTO_BUF text = { 0 };

    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_write(json_array_get(rows, i), &text);
        buf_addc(&text, '\n');
    }
    write_text(dir, "rows.jsonl", buf_cstr(&text));
}

static void write_config(const json_t *args, const char *dir)
{
    AUTO_BUF text = { 0 };
    const char *key;
    json_t *value;

    buf_adds(&text, "training_config:\n  LoraConfig: {r: 8, lora_alpha: 16, target_modules: [qkv_proj, o_proj, gate_up_proj, down_proj]}\n"
                    "  DatasetConfig: {shuffle_dataset: false, train_test_split: 1}\n"
                    "  TrainingArguments:\n    bf16: false\n    logging_steps: 1\n    save_strategy: \"no\"\n");
    json_object_foreach((json_t *)(uintptr_t)args, key, value) {
        AUTO_MEM char *v = json_text(value);
        if (streq(key, "betas"))
            continue;
        buf_addf(&text, "    %s: %s\n", streq(key, "eps") ? "adam_epsilon" : key, v);
    }
    write_text(dir, "config.yaml", buf_cstr(&text));
}

static void run_case(const char *name)
{
    static const struct nearness near[] = { { "epoch", 1e-8 }, { "loss", 1e-4 }, { "grad_norm", 1e-3 }, { "learning_rate", 1e-9 } };
    AUTO_MEM char *path = xasprintf("trainer/%s/expected.json", name), *model = golden("models/phi3"), *init = golden("trainer/init");
    AUTO_MEM char *trained_path = xasprintf("trainer/%s/trained/adapter_model.safetensors", name), *trained = golden(trained_path);
    AUTO_JSON j = golden_json(path);
    char *dir = temp_dir();
    AUTO_MEM char *rows = path_join(dir, "rows.jsonl"), *config = path_join(dir, "config.yaml"), *out = path_join(dir, "out");
    AUTO_MEM char *adapter = path_join(out, "adapter_model.safetensors"), *sentinel = path_join(out, TUNE_SENTINEL);
    struct tune_result result;

    write_rows(json_object_get(j, "rows"), dir);
    write_config(json_object_get(j, "args"), dir);
    OK(tune_run(&(struct tune_opts){ .model_dir = model, .config_path = config, .data_path = rows, .output_dir = out, .init_adapter = init,
                                     .threads = 2 }, &result, E));
    assert_history(dir, json_object_get(j, "log"), near, ARRAY_LEN(near), name);
    double d = distance_of_files(adapter, trained);
    if (!(d < 1e-3))
        fail_msg("%s: trained adapter is %.3g away", name, d);
    assert_int_equal(access(sentinel, R_OK), 0);
    assert_true(fabs(result.mean_loss - json_num(j, "train_loss", 0)) < 1e-4 * result.mean_loss);
    OK(tune_run(&(struct tune_opts){ .model_dir = model, .config_path = config, .data_path = rows, .output_dir = out, .init_adapter = init,
                                     .threads = 2 }, &result, E));
    assert_true(result.was_complete);
    rm_dir(dir);
}

static void constant_batch3_padded(void **state) { (void)state; run_case("constant-batch3-padded"); }
static void cosine_warmup_accum2_decay(void **state) { (void)state; run_case("cosine-warmup-accum2-decay"); }
static void epochs_with_a_half(void **state) { (void)state; run_case("epochs1.5-batch2-accum2"); }
static void epochs2_of_7_rows_accum2(void **state) { (void)state; run_case("epochs2-of-7-rows-accum2"); }
static void linear_warmup_accum2(void **state) { (void)state; run_case("linear-warmup-accum2"); }
static void masked_accum2(void **state) { (void)state; run_case("masked-accum2"); }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constant_batch3_padded), cmocka_unit_test(cosine_warmup_accum2_decay), cmocka_unit_test(epochs_with_a_half),
        cmocka_unit_test(epochs2_of_7_rows_accum2), cmocka_unit_test(linear_warmup_accum2), cmocka_unit_test(masked_accum2),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
