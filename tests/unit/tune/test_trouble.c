/* A full disk and a loss that is no number: one clear line, no sentinel, the last good checkpoint stays and the run can go on. */
#include "helpers.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tune/tune.h"

#define CONFIG(lora, train) "training_config:\n  LoraConfig: {r: 4, " lora "}\n  DatasetConfig: {train_test_split: 1}\n" \
    "  TrainingArguments: {bf16: false, per_device_train_batch_size: 2, logging_steps: 1, save_strategy: \"no\", " train "}\n"

struct place { char *dir, *rows, *config, *model, *out; };

static void open_place(struct place *p, const char *config)
{
    AUTO_BUF text = { 0 };

    p->dir = temp_dir();
    p->model = golden("models/phi3");
    p->rows = path_join(p->dir, "rows.jsonl");
    p->config = path_join(p->dir, "config.yaml");
    p->out = path_join(p->dir, "out");
    for (unsigned i = 0; i < 8; i++)
        buf_addf(&text, "{\"input_ids\": [%u, %u, %u, %u, %u]}\n", i + 5, i + 90, i * 7 + 3, i + 11, i * 31 + 2);
    write_text(p->dir, "rows.jsonl", buf_cstr(&text));
    write_text(p->dir, "config.yaml", config);
}

static void close_place(struct place *p)
{
    free(p->rows);
    free(p->config);
    free(p->model);
    free(p->out);
    rm_dir(p->dir);
}

static errc run(const struct place *p, struct tune_result *result, struct err *e)
{
    return tune_run(&(struct tune_opts){ .model_dir = p->model, .config_path = p->config, .data_path = p->rows, .output_dir = p->out, .threads = 1,
                                         .checkpoint_steps = 1 }, result, e);
}

static bool has(const struct place *p, const char *name)
{
    AUTO_MEM char *path = path_join(p->out, name);

    return access(path, F_OK) == 0;
}

/* In a child whose files may not grow beyond `bytes`; its message, malloc'd. */
static char *run_with_full_disk(const struct place *p, rlim_t bytes)
{
    AUTO_MEM char *report = path_join(p->dir, "report");
    AUTO_BUF text = { 0 };
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        struct tune_result result;
        struct err e = { 0 };
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){ bytes, bytes });
        bool failed = run(p, &result, &e);
        FILE *f = fopen(report, "w");
        fputs(failed ? e.text : "", f);
        fclose(f);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    OK(file_read(report, 1 << 16, &text, E));
    return buf_take(&text);
}

static void a_full_disk_is_told_and_the_run_goes_on_later(void **state)
{
    (void)state;
    struct place p;
    struct tune_result result;

    open_place(&p, CONFIG("lora_alpha: 8", "max_steps: 4, learning_rate: 1.0e-3"));
    AUTO_MEM char *said = run_with_full_disk(&p, 8192);
    if (!strstr(said, "checkpoint of step 1 (the last good one is of step 0)") || !strstr(said, "File too large") || strchr(said, '\n'))
        fail_msg("said: %s", said);
    assert_false(has(&p, TUNE_SENTINEL));
    assert_false(has(&p, ".tune-state.safetensors"));
    OK(run(&p, &result, E));
    assert_int_equal(result.steps, 4);
    assert_true(has(&p, TUNE_SENTINEL));
    close_place(&p);
}

static void divergence_names_the_step_and_keeps_the_checkpoint(void **state)
{
    (void)state;
    struct place p;
    struct tune_result result;
    struct err e = { 0 };

    open_place(&p, CONFIG("lora_alpha: 1.0e9", "max_steps: 9, learning_rate: 1.0e3, lr_scheduler_type: constant"));
    assert_int_equal(run(&p, &result, &e), ERR_CORRUPT);
    if (!strstr(e.text, "is not a number; training diverged: lower TrainingArguments.learning_rate (1000)") || strncmp(e.text, "step ", 5) != 0)
        fail_msg("said: %s", e.text);
    assert_false(has(&p, TUNE_SENTINEL));
    assert_false(has(&p, "adapter_model.safetensors"));
    assert_true(has(&p, ".tune-state.safetensors"));
    assert_int_equal(run(&p, &result, &e), ERR_CORRUPT);        /* from there it happens again */
    close_place(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_full_disk_is_told_and_the_run_goes_on_later),
                                        cmocka_unit_test(divergence_names_the_step_and_keeps_the_checkpoint) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
