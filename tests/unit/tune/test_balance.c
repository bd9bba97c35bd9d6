/*
 * Whole runs on a Mixtral whose routers are balanced, against transformers.Trainer (tests/golden/balance/record.py): the loss of routers is one
 * of each micro-batch, summed over those of a step, and part of eval_loss. With checkpointing the same. f32: 1e-4 on losses, 1e-3 on norms.
 */
#include "helpers.h"

#include <unistd.h>

#include "tune/tune.h"

/* The recorded model with routers that are balanced this much; 0: not. Rows are token ids: any tokenizer will do. */
static void write_model(const char *dir, const json_t *coefficient)
{
    static const char *const links[][2] = { { "models/mixtral/model.safetensors", "model.safetensors" }, { "models/phi3/tokenizer.json", "tokenizer.json" } };
    AUTO_MEM char *from = golden("models/mixtral/config.json");
    AUTO_JSON config = NULL;
    AUTO_BUF text = { 0 };

    OK(json_parse_file(from, 1 << 20, &config, E));
    json_put(config, "output_router_logits", json_boolean(json_number_value(coefficient) > 0));
    json_put(config, "router_aux_loss_coef", json_deep_copy(coefficient));
    json_write(config, &text);
    write_text(dir, "config.json", buf_cstr(&text));
    for (size_t i = 0; i < ARRAY_LEN(links); i++) {
        AUTO_MEM char *file = golden(links[i][0]), *to = path_join(dir, links[i][1]);
        assert_int_equal(symlink(file, to), 0);
    }
}

static void write_config(const char *dir, const json_t *args, double share)
{
    AUTO_MEM char *list = json_text(args);
    AUTO_MEM char *text = xasprintf("training_config:\n  LoraConfig: {r: 4, lora_alpha: 8, target_modules: [q_proj, v_proj]}\n"
                                    "  DatasetConfig: {shuffle_dataset: false, train_test_split: %.17g}\n"
                                    "  TrainingArguments: {bf16: false, logging_steps: 1, save_strategy: \"no\", %.*s}\n", share, (int)strlen(list) - 2, list + 1);

    write_text(dir, "config.yaml", text);
}

static void run_case(const char *key, bool balanced, enum tune_memory memory)
{
    static const struct nearness near[] = { { "loss", 1e-4, true }, { "eval_loss", 1e-4, true }, { "grad_norm", 1e-3, true }, { "learning_rate", 1e-9, true } };
    AUTO_JSON j = recorded("balance/expected.json");
    AUTO_JSON none = json_integer(0);
    const json_t *train = json_object_get(j, "train"), *held = json_object_get(j, "held");
    size_t rows = json_array_size(train), all = rows + json_array_size(held);
    AUTO_MEM char *init = xasprintf("%s/tests/golden/balance/init", getenv("KAITO_SOURCE"));
    char *dir = temp_dir();
    AUTO_MEM char *data = path_join(dir, "rows.jsonl"), *config = path_join(dir, "config.yaml"), *out = path_join(dir, "out");
    struct tune_result result;

    write_model(dir, balanced ? json_object_get(j, "coefficient") : none);
    write_split_rows(dir, train, held);
    write_config(dir, json_object_get(j, "args"), (double)rows / (double)all);
    OK(tune_run(&(struct tune_opts){ .model_dir = dir, .config_path = config, .data_path = data, .output_dir = out, .init_adapter = init,
                                     .threads = 2, .memory = memory }, &result, E));
    assert_history(dir, json_object_get(j, key), near, ARRAY_LEN(near), key);
    rm_dir(dir);
}

static void routers_are_balanced_as_the_trainer_does(void **state) { (void)state; run_case("log", true, TUNE_MEMORY_FAST); }
static void routers_are_balanced_with_checkpointing(void **state) { (void)state; run_case("log", true, TUNE_MEMORY_LOW); }
static void routers_are_left_alone_unasked(void **state) { (void)state; run_case("plain", false, TUNE_MEMORY_AUTO); }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routers_are_balanced_as_the_trainer_does), cmocka_unit_test(routers_are_balanced_with_checkpointing),
        cmocka_unit_test(routers_are_left_alone_unasked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
