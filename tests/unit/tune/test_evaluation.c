/* eval_loss lines of whole runs against transformers.Trainer (tests/golden/evaluation); evaluating changes nothing that is trained. */
#include "helpers.h"

#include <math.h>

#include "tune/history.h"
#include "tune/tune.h"

static void write_config(const char *dir, const json_t *args, double share, double dropout, const char *more)
{
    AUTO_MEM char *list = json_text(args);
    AUTO_MEM char *text = xasprintf("training_config:\n  LoraConfig: {r: 8, lora_alpha: 16, lora_dropout: %g, target_modules: [qkv_proj, o_proj, gate_up_proj, down_proj]}\n"
                                    "  DatasetConfig: {shuffle_dataset: false, train_test_split: %.17g}\n"
                                    "  TrainingArguments: {bf16: false, logging_steps: 1, save_strategy: \"no\", %s%.*s}\n", dropout, share, more,
                                    (int)strlen(list) - 2, list + 1);

    write_text(dir, "config.yaml", text);
}

/* The lines of history.jsonl with eval_loss, or those without. */
static json_t *history(const char *dir, bool evaluations)
{
    AUTO_MEM char *path = path_join(dir, "out/history.jsonl");
    AUTO_BUF text = { 0 };
    json_t *lines = json_array();
    struct str rest, line;

    OK(file_read(path, 1 << 20, &text, E));
    for (rest = buf_str(&text); str_next(&rest, '\n', &line) && line.n;) {
        json_t *j = NULL;
        OK(json_parse(line, &j, E));
        if ((json_object_get(j, "eval_loss") != NULL) == evaluations)
            json_push(lines, j);
        else
            json_decref(j);
    }
    return lines;
}

static void run(const char *dir, struct tune_result *result)
{
    AUTO_MEM char *model = golden("models/phi3"), *init = golden("trainer/init");
    AUTO_MEM char *rows = path_join(dir, "rows.jsonl"), *config = path_join(dir, "config.yaml"), *out = path_join(dir, "out");

    OK(tune_run(&(struct tune_opts){ .model_dir = model, .config_path = config, .data_path = rows, .output_dir = out, .init_adapter = init, .threads = 2 },
                result, E));
}

static void losses_are_the_trainers(void **state)
{
    AUTO_JSON file = recorded("evaluation/expected.json");
    const json_t *cases = json_object_get(file, "cases"), *train = json_object_get(file, "train"), *held = json_object_get(file, "held");

    (void)state;
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i), *log = json_object_get(c, "log");
        char *dir = temp_dir();
        struct tune_result result;
        write_split_rows(dir, train, held);
        write_config(dir, json_object_get(c, "args"), 9.0 / 14, 0, "");
        run(dir, &result);
        AUTO_JSON got = history(dir, true);
        assert_int_equal(json_array_size(got), json_array_size(log));
        for (size_t k = 0; k < json_array_size(log); k++) {
            const json_t *a = json_array_get(got, k), *b = json_array_get(log, k);
            assert_int_equal(json_int(a, "step", -1), json_int(b, "step", -2));
            assert_true(fabs(json_num(a, "epoch", -1) - json_num(b, "epoch", -2)) < 1e-8);
            if (!(fabs(json_num(a, "eval_loss", 0) - json_num(b, "eval_loss", 1)) < 1e-4 * json_num(b, "eval_loss", 0)))
                fail_msg("case %zu step %d: %.9g instead of %.9g", i, (int)json_int(b, "step", 0), json_num(a, "eval_loss", 0), json_num(b, "eval_loss", 0));
        }
        rm_dir(dir);
    }
}

/* With dropout, whose masks an evaluation must not move. */
static void training_goes_on_as_without(void **state)
{
    AUTO_JSON file = recorded("evaluation/expected.json");
    AUTO_JSON args = json_pack("{s:i, s:f}", "max_steps", 5, "learning_rate", 5e-3);
    json_t *lines[2];
    char *dirs[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct tune_result result;
        dirs[i] = temp_dir();
        write_split_rows(dirs[i], json_object_get(file, "train"), json_object_get(file, "held"));
        write_config(dirs[i], args, 9.0 / 14, 0.2, i ? "eval_strategy: steps, eval_steps: 2, eval_on_start: true, " : "");
        run(dirs[i], &result);
        lines[i] = history(dirs[i], false);
    }
    AUTO_MEM char *a = path_join(dirs[0], "out/adapter_model.safetensors"), *b = path_join(dirs[1], "out/adapter_model.safetensors");
    assert_true(distance_of_files(a, b) == 0);
    assert_int_equal(json_array_size(lines[0]), 5);
    for (size_t k = 0; k < 5; k++)
        assert_true(json_num(json_array_get(lines[0], k), "loss", 0) == json_num(json_array_get(lines[1], k), "loss", 1));
    json_decref(lines[0]);
    json_decref(lines[1]);
    rm_dir(dirs[0]);
    rm_dir(dirs[1]);
}

/* The last one is told at the end, by a run that was complete, and by one that went on behind it; the Trainer's other figures stand beside it. */
static void the_last_evaluation_is_remembered(void **state)
{
    AUTO_JSON file = recorded("evaluation/expected.json");
    AUTO_JSON args = json_pack("{s:i, s:f}", "max_steps", 3, "learning_rate", 5e-3);
    char *dir = temp_dir();
    struct tune_result first, again;
    struct history h;
    double loss = 0;

    (void)state;
    write_split_rows(dir, json_object_get(file, "train"), json_object_get(file, "held"));
    write_config(dir, args, 9.0 / 14, 0, "eval_strategy: steps, eval_steps: 2, ");
    run(dir, &first);
    run(dir, &again);
    AUTO_JSON lines = history(dir, true);
    const json_t *last = json_array_get(lines, json_array_size(lines) - 1);
    assert_int_equal(json_array_size(lines), 2);
    assert_true(first.has_eval && again.was_complete && again.has_eval);
    assert_true(fabs(again.eval_loss - json_num(last, "eval_loss", 0)) < 1e-7 && fabs(first.eval_loss - again.eval_loss) < 1e-7);
    assert_true(json_num(last, "eval_runtime", -1) >= 0 && json_num(last, "eval_samples_per_second", 0) > 0);
    AUTO_MEM char *out = path_join(dir, "out");
    OK(history_open(&h, out, UINT64_MAX, E));
    assert_true(history_last_evaluation(&h, &loss));
    assert_true(fabs(loss - first.eval_loss) < 1e-7);
    history_done(&h);
    OK(history_open(&h, out, 0, E));
    assert_false(history_last_evaluation(&h, &loss));
    history_done(&h);
    rm_dir(dir);
}

static bool has_checkpoint(const char *dir, int64_t step)
{
    AUTO_MEM char *path = xasprintf("%s/out/checkpoint-%lld/adapter_model.safetensors", dir, (long long)step);

    return file_exists(path);
}

/* The result is the checkpoint of the best evaluation, which save_total_limit keeps beside the last one. The best step. */
static int64_t check_best(bool greater)
{
    char *dir = temp_dir();
    AUTO_JSON file = recorded("evaluation/expected.json");
    AUTO_MEM char *config = xasprintf("training_config:\n  LoraConfig: {r: 8, lora_alpha: 16, target_modules: [qkv_proj, o_proj, gate_up_proj, down_proj]}\n"
        "  DatasetConfig: {shuffle_dataset: false, train_test_split: 0.642857142857}\n"
        "  TrainingArguments: {bf16: false, max_steps: 8, learning_rate: 2.0e-3, lr_scheduler_type: constant, eval_strategy: steps, eval_steps: 2,\n"
        "    save_steps: 2, save_total_limit: 1, load_best_model_at_end: true, greater_is_better: %s}\n", greater ? "true" : "false");
    struct tune_result result;
    int64_t best = 0;
    double metric = 0;

    write_split_rows(dir, json_object_get(file, "train"), json_object_get(file, "held"));
    write_text(dir, "config.yaml", config);
    run(dir, &result);
    AUTO_JSON lines = history(dir, true);
    assert_int_equal(json_array_size(lines), 4);
    for (size_t i = 0; i < json_array_size(lines); i++) {
        double loss = json_num(json_array_get(lines, i), "eval_loss", 0);
        bool better = greater ? loss > metric : loss < metric;
        best = !best || better ? json_int(json_array_get(lines, i), "step", 0) : best;
        metric = i == 0 || better ? loss : metric;
    }
    AUTO_MEM char *state_path = path_join(dir, "out/trainer_state.json"), *got = path_join(dir, "out/adapter_model.safetensors");
    AUTO_MEM char *want = xasprintf("%s/out/checkpoint-%lld/adapter_model.safetensors", dir, (long long)best);
    AUTO_JSON j = NULL;
    OK(json_parse_file(state_path, 1 << 20, &j, E));
    assert_int_equal(json_int(j, "best_global_step", 0), best);
    assert_true(fabs(json_num(j, "best_metric", 0) - metric) < 1e-7);
    assert_true(distance_of_files(got, want) == 0);
    for (int64_t step = 2; step <= 8; step += 2)
        assert_int_equal(has_checkpoint(dir, step), step == best || step == 8);
    rm_dir(dir);
    return best;
}

static void the_best_evaluation_is_the_result(void **state)
{
    (void)state;
    assert_int_not_equal(check_best(false), check_best(true));      /* so one of them is not the last */
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(losses_are_the_trainers), cmocka_unit_test(training_goes_on_as_without),
                                        cmocka_unit_test(the_last_evaluation_is_remembered), cmocka_unit_test(the_best_evaluation_is_the_result) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
