/* The run: open everything, resume or start, train (tune_steps.c), write the adapter, and the sentinel last. */
#include "tune/tune_run.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "tune/merge.h"
#include "tune/peft.h"
#include "tune/report.h"

#define DONE_FILE       ".tune-done.json"
#define LOCK_FILE       ".tune-lock"

void run_tell(const struct run *r, enum tune_tell kind, const char *fmt, ...)
{
    AUTO_BUF line = { 0 };
    va_list ap;

    if (!r->o->tell)
        return;
    va_start(ap, fmt);
    buf_vaddf(&line, fmt, ap);
    va_end(ap);
    r->o->tell(r->o->tell_self, kind, buf_cstr(&line));
}

void run_enter(struct run *r, enum tune_phase phase)
{
    r->view.phase = phase;
    if (r->o->progress)
        progress_set(r->o->progress, &r->view);
}

/* --- opening ------------------------------------------------------------------------------------------------------------------ */

/* What is written into one folder must not replace what is read from the other. */
static errc check_apart(const char *option, const char *dir, const char *other_option, const char *other, struct err *e)
{
    return streq(dir, other) || file_is_same(dir, other)
        ? err_set(e, ERR_BAD_REQUEST, "%s: %s is the folder of %s; give another one", option, dir, other_option) : ERR_OK;
}

/* What a killed run was writing is of no use: each restart would leave as much as a checkpoint on the disk. */
static errc sweep_output(const struct run *r, struct err *e)
{
    char **names;
    size_t n;
    errc rc;

    TRY(dir_list(r->output_dir, &names, &n, e));
    rc = dir_sweep(r->output_dir, e);
    for (size_t i = 0; i < n && !rc; i++) {
        AUTO_MEM char *folder = path_join(r->output_dir, names[i]);
        if (str_has_prefix(str_of(names[i]), STR("checkpoint-")))
            rc = dir_sweep(folder, e);
    }
    strv_free(names, n);
    return rc || !r->o->merged_dir ? rc : dir_sweep(r->o->merged_dir, e);
}

static errc open_output(struct run *r, struct err *e)
{
    const struct tune_config *c = &r->in.config;

    r->output_dir = str_set(r->o->output_dir) ? r->o->output_dir : c->train.output_dir;
    if (!str_set(r->output_dir))
        return err_set(e, ERR_BAD_REQUEST, "--output: missing; give it, or set TrainingArguments.output_dir");
    TRY(check_apart("--output", r->output_dir, "--model", r->o->model_dir, e));
    if (r->o->merged_dir) {
        TRY(check_apart("--merged", r->o->merged_dir, "--model", r->o->model_dir, e));
        TRY(check_apart("--merged", r->o->merged_dir, "--output", r->output_dir, e));
    }
    TRY(dir_make(r->output_dir, 0755, e));
    AUTO_MEM char *lock = path_join(r->output_dir, LOCK_FILE);
    errc rc = file_lock(lock, &r->lock_fd, e);
    if (rc)
        return rc == ERR_CONFLICT ? err_set(e, ERR_CONFLICT, "%s: another run is writing there; wait for it or use another --output", r->output_dir) : rc;
    return sweep_output(r, e);
}

static void tell_without_effect(const struct run *r)
{
    struct str rest = buf_str(&r->in.base.without_effect), line;

    while (str_next(&rest, '\n', &line))
        if (line.n)
            run_tell(r, TUNE_TELL_WARNING, "%.*s", STR_ARG(line));
}

static errc prepare_loras(struct run *r, struct err *e)
{
    const struct tune_config *c = &r->in.config;

    if (lora_set_init(&r->loras, r->in.model, c, r->o->default_targets, e))
        return err_wrap(e, "%s", r->o->config_path);
    for (size_t i = 0; i < r->loras.warnings.n; i++)
        run_tell(r, TUNE_TELL_WARNING, "%s", r->loras.warnings.v[i]);
    lora_set_fill(&r->loras, (uint64_t)c->train.seed, c->lora.init_weights);
    if (r->o->init_adapter && lora_set_load(&r->loras, r->o->init_adapter, r->in.model, e))
        return err_wrap(e, "--init-adapter");
    return ERR_OK;
}

/* Tokens that must fit in one pass: a row, or with balanced routers a micro-batch. */
static size_t longest_pass(const struct run *r)
{
    const struct tune_config *c = &r->in.config;
    const struct samples *train = &r->in.train, *held = &r->in.held;
    size_t a = train->longest, b = held->longest;

    if (r->in.base.balance > 0) {
        a = samples_largest(train) * (size_t)c->train.batch_size;
        b = samples_largest(held) * ((size_t)c->train.eval_batch_size < held->n ? (size_t)c->train.eval_batch_size : held->n);
    }
    return a > b ? a : b;
}

static errc prepare_trainer(struct run *r, struct err *e)
{
    const struct tune_config *c = &r->in.config;
    struct backprop_opts o = { .threads = r->o->threads, .math = inputs_math(c), .memory = r->o->memory,
                           .int8 = c->quant.in_8bit,
                           .checkpointing_allowed = c->train.gradient_checkpointing, .longest_row = longest_pass(r),
                           .dropout = (float)c->lora.dropout, .base = r->in.base.drops,
                           .balance = (float)r->in.base.balance, .smoothing = (float)c->train.smoothing,
                           .neftune = (float)c->train.neftune_alpha, .seed = (uint64_t)c->train.seed };

    TRY(backprop_new(r->in.model, &r->loras, &o, &r->pass, e));
    return trainer_init(&r->trainer, c, &r->in.train, &r->loras, r->pass, e);
}

static void describe(const struct run *r)
{
    const struct tune_config *c = &r->in.config;
    const struct examples_stats *s = examples_stats(r->in.examples);
    const struct tune_plan *p = &r->trainer.plan;

    run_tell(r, TUNE_TELL_EVENT, "data set %s: %zu rows as %s, %zu tokens%s%llu to train on", r->in.data_path, s->rows, s->form, s->tokens,
             s->truncated ? " (some rows cut at max_length), " : ", ", (unsigned long long)p->rows);
    if (c->train.pack_train != TUNE_PACK_NONE)
        run_tell(r, TUNE_TELL_EVENT, "packing (%s): %zu samples of at most %lld tokens", c->train.packing_strategy, r->in.train.n,
                 (long long)c->train.max_length);
    if (r->in.held.n)
        run_tell(r, TUNE_TELL_EVENT, "%zu samples are held out for evaluation", r->in.held.n);
    run_tell(r, TUNE_TELL_EVENT, "%s on %s: rank %lld on %zu modules, %zu parameters; %s, %s, %d threads, %zu MiB of buffers",
             c->quant.in_4bit ? "QLoRA" : c->quant.in_8bit ? "LoRA on 8-bit weights" : "LoRA", r->in.model->config.model_type,
             (long long)c->lora.r, r->loras.n, r->loras.total,
             inputs_math(c) == GEMM_BF16 ? "bf16 products" : "f32 products", backprop_keeps(r->pass),
             compute_threads(backprop_compute(r->pass)), backprop_bytes(r->pass) >> 20);
    run_tell(r, TUNE_TELL_EVENT, "%llu steps (%llu per epoch), learning rate %g %s", (unsigned long long)p->steps,
             (unsigned long long)p->steps_per_epoch, c->train.learning_rate, c->train.schedule_name);
    if (r->in.base.balance > 0)
        run_tell(r, TUNE_TELL_EVENT, "routers are balanced: the loss holds router_aux_loss_coef (%g) times how unevenly experts are used", r->in.base.balance);
    if (p->warmup >= p->steps && c->train.schedule != TUNE_SCHEDULE_CONSTANT)
        run_tell(r, TUNE_TELL_WARNING, "TrainingArguments.warmup_steps: the warm-up of %llu steps does not end within the %llu steps of this run",
                 (unsigned long long)p->warmup, (unsigned long long)p->steps);
}

/* Those that were not told before. */
static void tell_notes(struct run *r)
{
    const struct tune_names *n = &r->in.config.notes;

    while (r->notes_told < n->n)
        run_tell(r, TUNE_TELL_NOTE, "%s", n->v[r->notes_told++]);
}

static errc open_all(struct run *r, struct err *e)
{
    TRY(inputs_read_config(&r->in, r->o, e));
    tell_notes(r);
    TRY(open_output(r, e));
    TRY(inputs_load_tokenizer(&r->in, r->o, e));
    TRY(inputs_load_model(&r->in, r->o, e));
    tell_without_effect(r);
    TRY(prepare_loras(r, e));
    if (r->o->merged_dir)
        TRY(merge_supports(&r->loras, r->in.model, e));
    run_enter(r, TUNE_PHASE_TOKENISING);
    TRY(inputs_load_data(&r->in, r->o, r->o->scratch_dir ? r->o->scratch_dir : r->output_dir, e));
    tell_notes(r);
    TRY(prepare_trainer(r, e));
    describe(r);
    return checkpoint_fingerprint(&r->trainer, r->in.model, &r->in.base, r->o->init_adapter, &r->fingerprint, e);
}

static void run_done(struct run *r)
{
    history_done(&r->history);
    trainer_done(&r->trainer);
    backprop_free(r->pass);
    lora_set_done(&r->loras);
    json_decref(r->fingerprint);
    inputs_done(&r->in);
    base_fd_closep(&r->lock_fd);
}

/* --- resuming ------------------------------------------------------------------------------------------------------------------- */

/* Whether the folder holds the finished adapter of this very run. */
static bool is_complete(const struct run *r, json_t **out_done)
{
    AUTO_MEM char *sentinel = path_join(r->output_dir, TUNE_SENTINEL), *done = path_join(r->output_dir, DONE_FILE);
    json_t *j = NULL;

    if (!file_exists(sentinel) || !file_exists(done) || json_parse_file(done, 1 << 20, &j, NULL))
        return false;
    if (json_equal(json_object_get(j, "fingerprint"), r->fingerprint)) {
        *out_done = j;
        return true;
    }
    json_decref(j);
    return false;
}

static errc remove_file(const struct run *r, const char *name, struct err *e)
{
    AUTO_MEM char *path = path_join(r->output_dir, name);

    if (unlink(path) && errno != ENOENT)
        return err_sys(e, errno, "remove %s", path);
    return ERR_OK;
}

static errc start_or_resume(struct run *r, struct err *e)
{
    struct err why;
    errc rc = checkpoint_read(r->output_dir, &r->trainer, &r->totals, r->fingerprint, &why);

    TRY(remove_file(r, TUNE_SENTINEL, e));
    TRY(remove_file(r, DONE_FILE, e));
    if (rc == ERR_OK) {
        r->resumed_step = r->checkpoint_step = r->trainer.optimiser.step;
        r->seconds_before = r->totals.seconds;
        run_tell(r, TUNE_TELL_EVENT, "going on from the checkpoint of step %llu", (unsigned long long)r->resumed_step);
    } else if (rc != ERR_NOT_FOUND) {
        run_tell(r, TUNE_TELL_WARNING, "%s; it is moved aside and training starts anew", why.text);
        TRY(checkpoint_set_aside(r->output_dir, e));
    }
    TRY(history_open(&r->history, r->output_dir, r->totals.history_bytes, e));
    if (r->history.bytes < r->totals.history_bytes)
        run_tell(r, TUNE_TELL_WARNING, "%s: is shorter than it was at the checkpoint: trainer_state.json and loss.svg will lack what is missing", r->history.path);
    r->view.has_eval = history_last_evaluation(&r->history, &r->view.eval_loss);
    return ERR_OK;
}

/* --- the end ---------------------------------------------------------------------------------------------------------------------------- */

static errc write_done(const struct run *r, const struct tune_result *res, struct err *e)
{
    AUTO_MEM char *path = path_join(r->output_dir, DONE_FILE);
    AUTO_BUF text = { 0 };
    AUTO_JSON j = json_pack("{s:I, s:I, s:f, s:f, s:f, s:f, s:O}", "steps", (json_int_t)res->steps, "tokens", (json_int_t)res->tokens,
                            "first_loss", res->first_loss, "mean_loss", res->mean_loss, "last_loss", res->last_loss, "seconds",
                            res->seconds, "fingerprint", r->fingerprint);

    if (res->has_eval)
        json_put(j, "eval_loss", json_real(res->eval_loss));
    json_write_pretty(j, 2, &text);
    return file_write_atomic(path, buf_str(&text), 0644, e);
}

static errc write_sentinel(const struct run *r, struct err *e)
{
    AUTO_MEM char *path = path_join(r->output_dir, TUNE_SENTINEL);
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm tm;
    char stamp[32], line[80];

    gmtime_r(&now, &tm);
    strftime(stamp, sizeof stamp, "%Y-%m-%d-%H-%M-%S", &tm);
    snprintf(line, sizeof line, "Fine-Tuning completed at %s\n", stamp);
    return file_write_atomic(path, str_of(line), 0644, e);
}

static void fill_result(const struct run *r, struct tune_result *out)
{
    uint64_t steps = r->trainer.plan.steps;

    *out = (struct tune_result){ .steps = steps, .resumed_from = r->resumed_step, .tokens = r->totals.tokens,
                                 .first_loss = r->totals.first_loss, .mean_loss = r->totals.all_loss_sum / (double)steps,
                                 .last_loss = r->totals.last_loss, .seconds = r->totals.seconds,
                                 .has_eval = r->view.has_eval, .eval_loss = r->view.eval_loss };
}

static errc write_merged(const struct run *r, struct err *e)
{
    if (!r->o->merged_dir)
        return ERR_OK;
    TRY(merge_write(r->o->model_dir, r->o->merged_dir, &r->loras, e));
    run_tell(r, TUNE_TELL_EVENT, "merged model in %s", r->o->merged_dir);
    return ERR_OK;
}

/* A run that was complete before --merged was asked for. */
static errc merge_later(struct run *r, struct err *e)
{
    AUTO_MEM char *there = r->o->merged_dir ? path_join(r->o->merged_dir, MERGE_LAST) : NULL;

    if (!there || file_exists(there))
        return ERR_OK;
    TRY(lora_set_load(&r->loras, r->output_dir, r->in.model, e));
    return write_merged(r, e);
}

/* What the Trainer does at the end of training: the adapter of the best evaluation is the result. */
static errc take_best(struct run *r, struct err *e)
{
    uint64_t best = r->totals.best_step;

    if (!best)
        return ERR_OK;
    AUTO_MEM char *dir = xasprintf("%s/checkpoint-%llu", r->output_dir, (unsigned long long)best);
    TRY(lora_set_load(&r->loras, dir, r->in.model, e));
    run_tell(r, TUNE_TELL_EVENT, "the adapter of step %llu is the result: its evaluation loss, %.4f, is the best", (unsigned long long)best, r->totals.best_loss);
    return ERR_OK;
}

static errc write_curve(const struct run *r, struct err *e)
{
    AUTO_BUF history = { 0 };

    TRY(file_read(r->history.path, HISTORY_BYTES_MAX, &history, e));
    return report_curve(r->output_dir, buf_str(&history), e);
}

static errc finish(struct run *r, struct tune_result *out, struct err *e)
{
    const struct tune_config *c = &r->in.config;

    run_enter(r, TUNE_PHASE_SAVING);
    TRY(run_save_state(r, e));
    fill_result(r, out);
    TRY(take_best(r, e));
    TRY(peft_write(r->output_dir, &r->loras, c, e));
    const char *slash = strrchr(r->in.data_path, '/');
    struct peft_card card = { .model_name = r->in.model->config.model_type, .data_name = slash ? slash + 1 : r->in.data_path,
                              .rows = r->trainer.plan.rows, .steps = out->steps, .tokens = out->tokens, .first_loss = out->first_loss,
                              .mean_loss = out->mean_loss, .last_loss = out->last_loss,
                              .without_effect = buf_str(&r->in.base.without_effect) };
    TRY(peft_write_card(r->output_dir, &r->loras, c, &card, e));
    TRY(run_write_state(r, r->output_dir, tune_epoch_done(&r->trainer.plan, c), e));
    TRY(write_curve(r, e));
    TRY(write_merged(r, e));
    TRY(write_done(r, out, e));
    TRY(write_sentinel(r, e));
    run_tell(r, TUNE_TELL_EVENT, "adapter in %s", r->output_dir);
    return checkpoint_remove(r->output_dir, e);
}

static void result_of_done(const json_t *j, struct tune_result *out)
{
    *out = (struct tune_result){ .was_complete = true, .steps = (uint64_t)json_int(j, "steps", 0), .tokens = (uint64_t)json_int(j, "tokens", 0),
                                 .first_loss = json_num(j, "first_loss", 0), .mean_loss = json_num(j, "mean_loss", 0),
                                 .last_loss = json_num(j, "last_loss", 0), .seconds = json_num(j, "seconds", 0),
                                 .has_eval = json_object_get(j, "eval_loss") != NULL, .eval_loss = json_num(j, "eval_loss", 0) };
}

static errc run_all(struct run *r, struct tune_result *out, struct err *e)
{
    AUTO_JSON done = NULL;

    run_enter(r, TUNE_PHASE_LOADING);
    TRY(open_all(r, e));
    if (is_complete(r, &done)) {
        result_of_done(done, out);
        r->view.step = r->view.steps = out->steps;
        TRY(merge_later(r, e));
        return checkpoint_remove(r->output_dir, e);      /* left when killed right after the sentinel */
    }
    TRY(start_or_resume(r, e));
    errc rc = run_train(r, e);
    if (rc) {
        (void)write_curve(r, NULL);     /* a look at what happened; the error is told anyway */
        return rc;
    }
    return finish(r, out, e);
}

errc tune_run(const struct tune_opts *o, struct tune_result *out, struct err *e)
{
    struct err unread;          /* errors are looked at on the way */
    e = e ? e : &unread;
    struct run r = { .o = o, .lock_fd = -1, .history = { .fd = -1 } };
    errc rc = run_all(&r, out, e);

    run_enter(&r, rc ? TUNE_PHASE_FAILED : TUNE_PHASE_DONE);
    run_done(&r);
    return rc;
}
