/*
 * Killed at any moment, a run goes on from its checkpoint and ends with the bytes of an uninterrupted one. Children are killed with
 * SIGKILL while they checkpoint every step; dropout, shuffling and short accumulations are on.
 */
#include "helpers.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tune/random.h"
#include "tune/tune.h"

static const char config[] =
    "training_config:\n  LoraConfig: {r: 4, lora_alpha: 8, lora_dropout: 0.1}\n  DatasetConfig: {train_test_split: 0.8}\n"
    "  TrainingArguments: {bf16: false, per_device_train_batch_size: 2, gradient_accumulation_steps: 2, num_train_epochs: 12,\n"
    "    learning_rate: 1.0e-3, logging_steps: 2, save_strategy: epoch, save_total_limit: 2, warmup_ratio: 0.1, lr_scheduler_type: cosine,\n"
    "    packing: true, max_length: 48, eval_strategy: steps, eval_steps: 3}\n";

struct place { char *dir, *rows, *config, *model; };

static void open_place(struct place *p)
{
    AUTO_BUF text = { 0 };

    p->dir = temp_dir();
    p->model = golden("models/phi3");
    p->rows = path_join(p->dir, "rows.jsonl");
    p->config = path_join(p->dir, "config.yaml");
    for (uint64_t i = 0; i < 13; i++) {
        buf_adds(&text, "{\"input_ids\": [");
        for (uint64_t k = 0; k < 20 + i; k++)
            buf_addf(&text, "%s%u", k ? ", " : "", (unsigned)(random_mix(i * 100 + k) % 640));
        buf_adds(&text, "]}\n");
    }
    write_text(p->dir, "rows.jsonl", buf_cstr(&text));
    write_text(p->dir, "config.yaml", config);
}

/* The same model in the place's folder, which drops what its config.json can ask to be dropped. */
static void let_model_drop(struct place *p)
{
    AUTO_MEM char *from = TAKE(p->model), *config_path = path_join(from, "config.json");
    AUTO_JSON j = NULL;
    AUTO_BUF text = { 0 };
    char **names;
    size_t n;

    p->model = path_join(p->dir, "model");
    OK(dir_make(p->model, 0755, E));
    OK(dir_list(from, &names, &n, E));
    for (size_t i = 0; i < n; i++) {
        AUTO_MEM char *relative = path_join(from, names[i]), *target = realpath(relative, NULL), *link = path_join(p->model, names[i]);
        if (!streq(names[i], "config.json"))
            assert_int_equal(symlink(target, link), 0);
    }
    strv_free(names, n);
    OK(json_parse_file(config_path, 1 << 20, &j, E));
    json_put(j, "attention_dropout", json_real(0.1));
    json_put(j, "resid_pdrop", json_real(0.1));
    json_write(j, &text);
    write_text(p->model, "config.json", buf_cstr(&text));
}

/*
 * Everything that a checkpoint may have to hold: states in 8 bits and f32, magnitudes, norms, a matrix of the base; noise and masks that must repeat; which
 * evaluation was best.
 */
static void open_full_place(struct place *p)
{
    static const char full[] =
        "training_config:\n  LoraConfig: {r: 4, lora_alpha: 8, use_dora: true, target_modules: [qkv_proj, down_proj], modules_to_save: [lm_head, norm]}\n"
        "  DatasetConfig: {train_test_split: 0.8}\n  QuantizationConfig: {load_in_8bit: true}\n"
        "  TrainingArguments: {bf16: false, per_device_train_batch_size: 2, num_train_epochs: 2, learning_rate: 1.0e-3, optim: adamw_bnb_8bit,\n"
        "    logging_steps: 1, neftune_noise_alpha: 5, label_smoothing_factor: 0.1, group_by_length: true,\n"
        "    eval_strategy: steps, eval_steps: 1, save_steps: 1, save_total_limit: 1, load_best_model_at_end: true}\n";

    open_place(p);
    let_model_drop(p);
    write_text(p->dir, "config.yaml", full);
}

static void close_place(struct place *p)
{
    free(p->rows);
    free(p->config);
    free(p->model);
    rm_dir(p->dir);
}

static struct tune_opts opts_of(const struct place *p, const char *out)
{
    return (struct tune_opts){ .model_dir = p->model, .config_path = p->config, .data_path = p->rows, .output_dir = out, .threads = 1,
                               .checkpoint_steps = 1 };
}

static ino_t state_inode(const char *out)
{
    AUTO_MEM char *path = path_join(out, ".tune-state.safetensors");
    struct stat st;

    return stat(path, &st) ? 0 : st.st_ino;
}

/* Waits until the child has replaced its checkpoint (each write makes a new file), or has ended. */
static bool wait_for_progress(pid_t pid, const char *out, ino_t before)
{
    siginfo_t info = { 0 };

    while (state_inode(out) == before) {
        assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
        if (info.si_pid == pid)
            return false;
        usleep(500);
    }
    return true;
}

/* Two steps with all that follows them are enough to be killed in; however late the killer comes, most of the run is left. */
static void wait_after_two_steps(void *steps, enum tune_tell kind, const char *line)
{
    (void)line;
    if (kind != TUNE_TELL_LIVE || ++*(int *)steps <= 2)
        return;
    for (;;)
        pause();
}

static _Noreturn void run_until_killed(struct tune_opts o)
{
    struct tune_result result;
    int steps = 0;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    o.tell = wait_after_two_steps;
    o.tell_self = &steps;
    _exit(tune_run(&o, &result, NULL) ? 2 : 0);
}

/* Kills at `after` microseconds from the start, or from the first new checkpoint. False: it finished before. */
static bool run_and_kill(const struct place *p, const char *out, bool from_start, useconds_t after)
{
    ino_t before = state_inode(out);
    int status;
    pid_t pid = fork();

    if (pid == 0)
        run_until_killed(opts_of(p, out));
    if (from_start || wait_for_progress(pid, out, before))
        usleep(after);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status))
        return true;
    assert_int_equal(WEXITSTATUS(status), 0);
    return false;
}

static void same_bytes(const char *a, const char *b, const char *name)
{
    AUTO_MEM char *pa = path_join(a, name), *pb = path_join(b, name);
    AUTO_BUF x = { 0 }, y = { 0 };

    OK(file_read(pa, 64 << 20, &x, E));
    OK(file_read(pb, 64 << 20, &y, E));
    assert_int_equal(x.n, y.n);
    assert_memory_equal(x.p, y.p, x.n);
}

static size_t lines_of(const char *dir)
{
    AUTO_MEM char *path = path_join(dir, "history.jsonl");
    AUTO_BUF text = { 0 };
    size_t n = 0;

    OK(file_read(path, 1 << 20, &text, E));
    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == '\n';
    return n;
}

static void killed_again_and_again(void **state)
{
    (void)state;
    struct place p;
    struct tune_result result;
    int kills = 0;

    open_place(&p);
    AUTO_MEM char *whole = path_join(p.dir, "whole"), *cut = path_join(p.dir, "cut");
    struct tune_opts o = opts_of(&p, whole);
    for (uint64_t i = 0; i < 40 && run_and_kill(&p, cut, i % 4 == 3, (useconds_t)(random_mix(i) % (i % 4 == 3 ? 60000 : 8000))); i++)
        kills++;
    OK(tune_run(&o, &result, E));
    assert_int_equal(result.steps, 24);
    o.output_dir = cut;
    OK(tune_run(&o, &result, E));
    print_message("# killed %d times, the last part went on from step %d\n", kills, (int)result.resumed_from);
    assert_true(kills >= 24 / 2 - 1);
    assert_true(result.was_complete || result.resumed_from > 0);
    same_bytes(whole, cut, "adapter_model.safetensors");
    same_bytes(whole, cut, "adapter_config.json");
    same_bytes(whole, cut, "README.md");
    same_bytes(whole, cut, "trainer_state.json");
    same_bytes(whole, cut, "loss.svg");
    same_bytes(whole, cut, "checkpoint-24/adapter_model.safetensors");
    assert_int_equal(lines_of(cut), lines_of(whole));
    assert_int_equal(lines_of(whole), 12 + 8);      /* logged steps, evaluations */
    close_place(&p);
}

static void everything_that_learns_goes_on(void **state)
{
    (void)state;
    struct place p;
    struct tune_result result;
    int kills = 0;

    open_full_place(&p);
    AUTO_MEM char *whole = path_join(p.dir, "whole"), *cut = path_join(p.dir, "cut");
    struct tune_opts o = opts_of(&p, whole);
    for (uint64_t i = 0; i < 12 && run_and_kill(&p, cut, false, (useconds_t)(random_mix(i) % 8000)); i++)
        kills++;
    OK(tune_run(&o, &result, E));
    o.output_dir = cut;
    OK(tune_run(&o, &result, E));
    assert_true(kills >= (int)result.steps / 2 - 1);
    same_bytes(whole, cut, "adapter_model.safetensors");
    same_bytes(whole, cut, "adapter_config.json");
    close_place(&p);
}

/* Own tensors lie where the model's parts are in memory; what is trained must not depend on it. */
static void parts_come_in_the_models_order(void **state)
{
    static const char yaml[] = "training_config:\n  LoraConfig: {r: 2, target_modules: [o_proj], bias: all, modules_to_save: [norm, layernorm, lm_head]}\n";
    AUTO_MEM char *dir = golden("models/phi3");
    struct model *m = NULL;
    struct tune_config c;
    struct lora_set s;

    (void)state;
    OK(model_load(dir, &(struct model_opts){ .threads = 1 }, &m, E));
    OK(tune_config_parse(str_of(yaml), "test", &c, E));
    OK(lora_set_init(&s, m, &c, NULL, E));
    assert_int_equal(s.n_own, 2 * m->config.layers + 2);
    for (size_t i = 0; i < s.n_own; i++) {
        assert_true(i == 0 || s.own[i].at > s.own[i - 1].at);
        assert_ptr_equal(lora_set_own(&s, s.own[i].part, s.own[i].bias), &s.own[i]);
    }
    lora_set_done(&s);
    tune_config_done(&c);
    model_free(m);
}

/* Files that a killed run was writing go; those of others stay. */
static void half_written_files_are_swept(void **state)
{
    static const struct { const char *name; bool goes; } files[] = {
        { "out/.tune-state.safetensors.tmp-a1b2c3d4", true }, { "out/checkpoint-2/adapter_model.safetensors.tmp-zzzzzzzz", true },
        { "out/notes.tmp", false }, { "out/mine/x.tmp-a1b2c3d4", false }, { "out/.tmp-a1b2c3d4", false }, { "out/x.tmp-2026.txt", false },
    };
    struct place p;
    struct tune_result result;

    (void)state;
    open_place(&p);
    AUTO_MEM char *out = path_join(p.dir, "out"), *sub = path_join(out, "checkpoint-2"), *mine = path_join(out, "mine");
    OK(dir_make(sub, 0755, E));
    OK(dir_make(mine, 0755, E));
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        write_text(p.dir, files[i].name, "x");
    AUTO_FREE(cancel) cancel = cancel_new();
    struct tune_opts o = opts_of(&p, out);
    o.cancel = cancel;
    cancel_now(cancel);
    assert_int_equal(tune_run(&o, &result, NULL), ERR_CANCELLED);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        AUTO_MEM char *path = path_join(p.dir, files[i].name);
        if ((access(path, F_OK) != 0) != files[i].goes)
            fail_msg("%s %s", files[i].name, files[i].goes ? "stayed" : "went");
    }
    close_place(&p);
}

static void keep_warnings(void *self, enum tune_tell kind, const char *line)
{
    if (kind == TUNE_TELL_WARNING)
        buf_addf(self, "%s\n", line);
}

static void stopped_by_request(void **state)
{
    (void)state;
    struct place p;
    struct tune_result result;
    struct err e;

    open_place(&p);
    AUTO_MEM char *out = path_join(p.dir, "out");
    AUTO_FREE(cancel) cancel = cancel_new();
    struct tune_opts o = opts_of(&p, out);
    o.cancel = cancel;
    cancel_now(cancel);
    assert_int_equal(tune_run(&o, &result, &e), ERR_CANCELLED);
    assert_non_null(strstr(e.text, "goes on from there"));
    o.cancel = NULL;
    OK(tune_run(&o, &result, E));
    close_place(&p);
}

static void other_settings_start_anew(void **state)
{
    (void)state;
    struct place p;
    struct tune_result result;

    open_place(&p);
    AUTO_MEM char *out = path_join(p.dir, "out"), *aside = path_join(out, ".tune-state.other-run.safetensors");
    AUTO_FREE(cancel) cancel = cancel_new();
    struct tune_opts o = opts_of(&p, out);
    o.cancel = cancel;
    cancel_now(cancel);
    assert_int_equal(tune_run(&o, &result, NULL), ERR_CANCELLED);
    o.cancel = NULL;
    AUTO_BUF text = { 0 };
    buf_adds(&text, config);
    buf_adds(&text, "  ModelConfig: {}\n  QuantizationConfig: {load_in_4bit: true, bnb_4bit_quant_type: nf4}\n");
    write_text(p.dir, "config.yaml", buf_cstr(&text));
    OK(tune_run(&o, &result, E));
    assert_int_equal(result.resumed_from, 0);
    assert_int_equal(access(aside, R_OK), 0);
    close_place(&p);
}

/* The history is for people: what somebody took out of it is missed, and told, and changes nothing that is learnt. */
static void a_history_cut_by_others_is_told(void **state)
{
    (void)state;
    struct place p;
    struct tune_result result;
    AUTO_BUF told = { 0 };

    open_place(&p);
    AUTO_MEM char *whole = path_join(p.dir, "whole"), *out = path_join(p.dir, "out"), *history = path_join(out, "history.jsonl");
    struct tune_opts o = opts_of(&p, whole);
    OK(tune_run(&o, &result, E));
    for (int i = 0; i < 3; i++)
        assert_true(run_and_kill(&p, out, false, 0));
    assert_int_equal(truncate(history, 0), 0);
    o = opts_of(&p, out);
    o.tell = keep_warnings;
    o.tell_self = &told;
    OK(tune_run(&o, &result, E));
    assert_true(result.resumed_from > 0);
    if (!strstr(buf_cstr(&told), "history.jsonl: is shorter than it was at the checkpoint"))
        fail_msg("told \"%s\"", buf_cstr(&told));
    same_bytes(whole, out, "adapter_model.safetensors");
    close_place(&p);
}

/* One bit of the newest checkpoint is enough: it is told and moved aside, and the run ends with the same bytes. */
static void a_damaged_checkpoint_starts_anew(void **state)
{
    (void)state;
    struct place p;
    struct tune_result result;
    AUTO_BUF told = { 0 };

    open_place(&p);
    AUTO_MEM char *whole = path_join(p.dir, "whole"), *out = path_join(p.dir, "out"), *file = path_join(out, ".tune-state.safetensors");
    struct tune_opts o = opts_of(&p, whole);
    OK(tune_run(&o, &result, E));
    assert_true(run_and_kill(&p, out, false, 0));
    for (int i = 0; i < 3; i++) {
        AUTO_BUF bytes = { 0 };
        OK(file_read(file, 64 << 20, &bytes, E));
        bytes.p[bytes.n / 4 * (size_t)(i + 1) - 1] ^= 1;        /* of the values, of AdamW's arrays */
        OK(file_write_atomic(file, buf_str(&bytes), 0644, E));
        o = opts_of(&p, out);
        o.tell = keep_warnings;
        o.tell_self = &told;
        buf_clear(&told);
        AUTO_FREE(cancel) cancel = cancel_new();
        o.cancel = i < 2 ? cancel : NULL;
        cancel_now(cancel);
        assert_int_equal(tune_run(&o, &result, NULL), i < 2 ? ERR_CANCELLED : ERR_OK);
        if (!strstr(buf_cstr(&told), "is damaged: it does not hold what was written; it is moved aside and training starts anew"))
            fail_msg("byte %zu told \"%s\"", bytes.n / 4 * (size_t)(i + 1) - 1, buf_cstr(&told));
    }
    same_bytes(whole, out, "adapter_model.safetensors");
    same_bytes(whole, out, "trainer_state.json");
    close_place(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(killed_again_and_again), cmocka_unit_test(everything_that_learns_goes_on), cmocka_unit_test(stopped_by_request),
                                        cmocka_unit_test(other_settings_start_anew), cmocka_unit_test(a_damaged_checkpoint_starts_anew),
                                        cmocka_unit_test(a_history_cut_by_others_is_told), cmocka_unit_test(parts_come_in_the_models_order), cmocka_unit_test(half_written_files_are_swept) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
