/*
 * Whole runs on a Mixtral whose routers are balanced, against transformers.Trainer (tests/golden/balance/record.py): the loss of routers is one
 * of each micro-batch, summed over those of a step, and part of eval_loss. With checkpointing the same. f32: 1e-4 on losses, 1e-3 on norms.
 */
#include "helpers.h"

#include <math.h>
#include <unistd.h>

#include "dataset/dataset.h"
#include "tune/tune.h"

#define SEED 42         /* DatasetConfig.shuffle_seed's default draws the rows that are held out */

static json_t *expected(void)
{
    AUTO_MEM char *path = xasprintf("%s/tests/golden/balance/expected.json", getenv("KAITO_SOURCE"));
    json_t *j = NULL;

    OK(json_parse_file(path, 1 << 20, &j, E));
    return j;
}

/* Rows in such an order that the split holds out the recorded ones. */
static void write_rows(const char *dir, const json_t *train, const json_t *held)
{
    size_t n_held = json_array_size(held), n = json_array_size(train) + n_held, t = 0, h = 0;
    AUTO_MEM uint32_t *order = xcalloc(n, sizeof *order);
    AUTO_BUF text = { 0 };

    examples_order(n, SEED, 0, order);
    for (uint32_t i = 0; i < n; i++) {
        bool out = false;
        for (size_t k = 0; k < n_held; k++)
            out |= order[k] == i;
        json_write(json_array_get(out ? held : train, out ? h++ : t++), &text);
        buf_addc(&text, '\n');
    }
    write_text(dir, "rows.jsonl", buf_cstr(&text));
}

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

static void close_to(const json_t *got, const json_t *want, const char *key, double tolerance)
{
    double g = json_num(got, key, NAN), w = json_num(want, key, NAN);

    if (json_object_get(want, key) && !(fabs(g - w) <= tolerance * fabs(w) + 1e-12))
        fail_msg("step %lld: %s %.9g instead of %.9g", (long long)json_int(want, "step", 0), key, g, w);
}

static void check_history(const char *dir, const json_t *log)
{
    AUTO_MEM char *path = path_join(dir, "out/history.jsonl");
    AUTO_BUF text = { 0 };
    struct str rest, line;
    size_t n = 0;

    OK(file_read(path, 1 << 20, &text, E));
    for (rest = buf_str(&text); str_next(&rest, '\n', &line) && line.n; n++) {
        AUTO_JSON got = NULL;
        const json_t *want = json_array_get(log, n);
        OK(json_parse(line, &got, E));
        assert_int_equal(json_int(got, "step", -1), json_int(want, "step", -2));
        close_to(got, want, "loss", 1e-4);
        close_to(got, want, "eval_loss", 1e-4);
        close_to(got, want, "grad_norm", 1e-3);
        close_to(got, want, "learning_rate", 1e-9);
    }
    assert_int_equal(n, json_array_size(log));
}

static void run_case(const char *key, bool balanced, enum tune_memory memory)
{
    AUTO_JSON j = expected();
    AUTO_JSON none = json_integer(0);
    const json_t *train = json_object_get(j, "train"), *held = json_object_get(j, "held");
    size_t rows = json_array_size(train), all = rows + json_array_size(held);
    AUTO_MEM char *init = xasprintf("%s/tests/golden/balance/init", getenv("KAITO_SOURCE"));
    char *dir = temp_dir();
    AUTO_MEM char *data = path_join(dir, "rows.jsonl"), *config = path_join(dir, "config.yaml"), *out = path_join(dir, "out");
    struct tune_result result;

    write_model(dir, balanced ? json_object_get(j, "coefficient") : none);
    write_rows(dir, train, held);
    write_config(dir, json_object_get(j, "args"), (double)rows / (double)all);
    OK(tune_run(&(struct tune_opts){ .model_dir = dir, .config_path = config, .data_path = data, .output_dir = out, .init_adapter = init,
                                     .threads = 2, .memory = memory }, &result, E));
    check_history(dir, json_object_get(j, key));
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
