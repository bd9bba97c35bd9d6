/* The run: open everything, resume or start, train with logs and checkpoints, write the adapter, and the sentinel last. */
#include "tune/tune.h"

#include <errno.h>
#include <math.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "tune/checkpoint.h"
#include "tune/evaluate.h"
#include "tune/history.h"
#include "tune/inputs.h"
#include "tune/merge.h"
#include "tune/peft.h"
#include "tune/report.h"

#define DONE_FILE       ".tune-done.json"
#define LOCK_FILE       ".tune-lock"
#define CHECKPOINT_MIN_MS       2000    /* no more often than this when the interval is chosen here */
#define CHECKPOINT_COST         50      /* ... and so that writing takes at most one part in this many */
#define LINE_EVERY_MS           1000    /* lines for people; history.jsonl has every logged step */
#define HISTORY_BYTES_MAX       ((size_t)1 << 30)
#define RATE_WINDOW_MS          2000    /* tokens per second are measured over at least this long */

struct run {
    const struct tune_opts *o;
    const char *output_dir;
    int lock_fd;
    struct inputs in;
    struct lora_set loras;
    struct backprop *pass;
    struct trainer trainer;
    struct run_totals totals;
    struct history history;
    json_t *fingerprint;
    struct progress_view view;
    size_t notes_told;

    int64_t started_ms, checkpoint_ms, checkpoint_cost_ms, line_ms, rate_ms;
    uint64_t resumed_step, checkpoint_step, rate_tokens;
    double seconds_before;
};

static void tell(const struct run *r, enum tune_tell kind, const char *fmt, ...) PRINTF(3, 4);
static void tell(const struct run *r, enum tune_tell kind, const char *fmt, ...)
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

static void enter(struct run *r, enum tune_phase phase)
{
    r->view.phase = phase;
    if (r->o->progress)
        progress_set(r->o->progress, &r->view);
}

/* --- opening ------------------------------------------------------------------------------------------------------------------ */

static errc open_output(struct run *r, struct err *e)
{
    const struct tune_config *c = &r->in.config;

    r->output_dir = str_set(r->o->output_dir) ? r->o->output_dir : c->train.output_dir;
    if (!str_set(r->output_dir))
        return err_set(e, ERR_BAD_REQUEST, "--output: missing; give it, or set TrainingArguments.output_dir");
    TRY(dir_make(r->output_dir, 0755, e));
    AUTO_MEM char *lock = path_join(r->output_dir, LOCK_FILE);
    errc rc = file_lock(lock, &r->lock_fd, e);
    return rc == ERR_CONFLICT ? err_set(e, ERR_CONFLICT, "%s: another run is writing there; wait for it or use another --output", r->output_dir) : rc;
}

static void tell_without_effect(const struct run *r)
{
    struct str rest = buf_str(&r->in.base.without_effect), line;

    while (str_next(&rest, '\n', &line))
        if (line.n)
            tell(r, TUNE_TELL_WARNING, "%.*s", STR_ARG(line));
}

static errc prepare_loras(struct run *r, struct err *e)
{
    const struct tune_config *c = &r->in.config;

    if (lora_set_init(&r->loras, r->in.model, c, r->o->default_targets, e))
        return err_wrap(e, "%s", r->o->config_path);
    for (size_t i = 0; i < r->loras.warnings.n; i++)
        tell(r, TUNE_TELL_WARNING, "%s", r->loras.warnings.v[i]);
    lora_set_fill(&r->loras, (uint64_t)c->train.seed, c->lora.init_weights);
    if (r->o->init_adapter && lora_set_load(&r->loras, r->o->init_adapter, r->in.model, e))
        return err_wrap(e, "--init-adapter");
    return ERR_OK;
}

static errc prepare_trainer(struct run *r, struct err *e)
{
    const struct tune_config *c = &r->in.config;
    size_t longest = r->in.train.longest > r->in.held.longest ? r->in.train.longest : r->in.held.longest;
    struct backprop_opts o = { .threads = r->o->threads, .math = inputs_math(c), .memory = r->o->memory,
                           .int8 = c->quant.in_8bit,
                           .checkpointing_allowed = c->train.gradient_checkpointing, .longest_row = longest,
                           .dropout = (float)c->lora.dropout, .block_dropout = (float)r->in.base.resid_dropout,
                           .smoothing = (float)c->train.smoothing,
                           .neftune = (float)c->train.neftune_alpha, .seed = (uint64_t)c->train.seed };

    TRY(backprop_new(r->in.model, &r->loras, &o, &r->pass, e));
    return trainer_init(&r->trainer, c, &r->in.train, &r->loras, r->pass, e);
}

static void describe(const struct run *r)
{
    const struct tune_config *c = &r->in.config;
    const struct examples_stats *s = examples_stats(r->in.examples);
    const struct tune_plan *p = &r->trainer.plan;

    tell(r, TUNE_TELL_EVENT, "data set %s: %zu rows as %s, %zu tokens%s%llu to train on", r->in.data_path, s->rows, s->form, s->tokens,
         s->truncated ? " (some rows cut at max_length), " : ", ", (unsigned long long)p->rows);
    if (c->train.pack_train != TUNE_PACK_NONE)
        tell(r, TUNE_TELL_EVENT, "packing (%s): %zu samples of at most %lld tokens", c->train.packing_strategy, r->in.train.n,
             (long long)c->train.max_length);
    if (r->in.held.n)
        tell(r, TUNE_TELL_EVENT, "%zu samples are held out for evaluation", r->in.held.n);
    tell(r, TUNE_TELL_EVENT, "%s on %s: rank %lld on %zu modules, %zu parameters; %s, %s, %d threads, %zu MiB of buffers",
         c->quant.in_4bit ? "QLoRA" : c->quant.in_8bit ? "LoRA on 8-bit weights" : "LoRA", r->in.model->config.model_type, (long long)c->lora.r, r->loras.n, r->loras.total,
         inputs_math(c) == GEMM_BF16 ? "bf16 products" : "f32 products", backprop_keeps(r->pass),
         compute_threads(backprop_compute(r->pass)), backprop_bytes(r->pass) >> 20);
    tell(r, TUNE_TELL_EVENT, "%llu steps (%llu per epoch), learning rate %g %s", (unsigned long long)p->steps,
         (unsigned long long)p->steps_per_epoch, c->train.learning_rate, c->train.schedule_name);
}

/* Those that were not told before. */
static void tell_notes(struct run *r)
{
    const struct tune_names *n = &r->in.config.notes;

    while (r->notes_told < n->n)
        tell(r, TUNE_TELL_NOTE, "%s", n->v[r->notes_told++]);
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
    enter(r, TUNE_PHASE_TOKENISING);
    TRY(inputs_load_data(&r->in, r->o, r->o->scratch_dir ? r->o->scratch_dir : r->output_dir, e));
    tell_notes(r);
    TRY(prepare_trainer(r, e));
    describe(r);
    return checkpoint_fingerprint(&r->trainer, r->in.model, r->in.base.resid_dropout, r->o->init_adapter, &r->fingerprint, e);
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
        tell(r, TUNE_TELL_EVENT, "going on from the checkpoint of step %llu", (unsigned long long)r->resumed_step);
    } else if (rc != ERR_NOT_FOUND) {
        tell(r, TUNE_TELL_WARNING, "%s; it is moved aside and training starts anew", why.text);
        TRY(checkpoint_set_aside(r->output_dir, e));
    }
    return history_open(&r->history, r->output_dir, r->totals.history_bytes, e);
}

/* --- what happens between steps ---------------------------------------------------------------------------------------------------- */

static errc save_state(struct run *r, struct err *e)
{
    int64_t began = clock_mono_ms();

    r->totals.seconds = r->seconds_before + (double)(began - r->started_ms) / 1000;
    r->totals.history_bytes = r->history.bytes;
    TRY(history_sync(&r->history, e));
    if (checkpoint_write(r->output_dir, &r->trainer, &r->totals, r->fingerprint, e))
        return err_wrap(e, "checkpoint of step %llu (the last good one is of step %llu)", (unsigned long long)r->trainer.optimiser.step,
                        (unsigned long long)r->checkpoint_step);
    r->checkpoint_ms = clock_mono_ms();
    r->checkpoint_cost_ms = r->checkpoint_ms - began;
    r->checkpoint_step = r->view.checkpoint_step = r->trainer.optimiser.step;
    return ERR_OK;
}

static bool state_is_due(const struct run *r)
{
    int64_t interval = r->o->checkpoint_ms;

    if (r->o->checkpoint_steps && r->trainer.optimiser.step - r->checkpoint_step >= r->o->checkpoint_steps)
        return true;
    if (interval <= 0) {
        interval = r->checkpoint_cost_ms * CHECKPOINT_COST;
        interval = interval < CHECKPOINT_MIN_MS ? CHECKPOINT_MIN_MS : interval;
    }
    return clock_mono_ms() - r->checkpoint_ms >= interval;
}

static int step_of(const char *name, uint64_t *out)
{
    struct str s = str_of(name);

    return str_has_prefix(s, STR("checkpoint-")) && str_to_u64(str_from(s, 11), out);
}

/* save_total_limit: the oldest checkpoint-<step> folders go, but never the best one, beside which the last one stays. */
static errc forget_old_adapters(const struct run *r, struct err *e)
{
    int64_t limit = r->in.config.train.save_total_limit;
    uint64_t best = r->totals.best_step;

    if (limit == 1 && best && best != r->trainer.optimiser.step)
        limit = 2;

    for (;;) {
        char **names;
        size_t n, have = 0;
        uint64_t oldest = UINT64_MAX, step;
        if (limit <= 0)
            return ERR_OK;
        TRY(dir_list(r->output_dir, &names, &n, e));
        for (size_t i = 0; i < n; i++)
            if (step_of(names[i], &step)) {
                have++;
                oldest = step < oldest && step != best ? step : oldest;
            }
        strv_free(names, n);
        if (have <= (size_t)limit)
            return ERR_OK;
        AUTO_MEM char *path = xasprintf("%s/checkpoint-%llu", r->output_dir, (unsigned long long)oldest);
        TRY(dir_remove(path, e));
    }
}

/* Whether something that happens at this interval happens after this step; the last one always counts, as in transformers. */
static bool is_due(const struct run *r, enum tune_interval every, double steps, const struct trainer_step *s)
{
    bool last = s->step == r->trainer.plan.steps;

    if (every == TUNE_NEVER)
        return false;
    return last || (every == TUNE_EVERY_EPOCH ? s->epoch_ends : s->step % tune_every(steps, r->trainer.plan.steps) == 0);
}

static errc write_state(const struct run *r, const char *dir, double epoch, struct err *e)
{
    AUTO_BUF history = { 0 };

    TRY(file_read(r->history.path, HISTORY_BYTES_MAX, &history, e));
    struct report_place at = { .step = r->trainer.optimiser.step, .epoch = epoch, .best_step = r->totals.best_step, .best_loss = r->totals.best_loss,
                               .output_dir = r->output_dir };
    return report_state(dir, buf_str(&history), &r->in.config, &r->trainer.plan, &at, e);
}

static errc write_curve(const struct run *r, struct err *e)
{
    AUTO_BUF history = { 0 };

    TRY(file_read(r->history.path, HISTORY_BYTES_MAX, &history, e));
    return report_curve(r->output_dir, buf_str(&history), e);
}

/* With load_best_model_at_end: a checkpoint that was evaluated may be the best. */
static void compare_with_best(struct run *r, const struct trainer_step *s, bool evaluated)
{
    const struct tune_config *c = &r->in.config;
    double loss = r->view.eval_loss;
    bool better = c->train.greater_is_better ? loss > r->totals.best_loss : loss < r->totals.best_loss;

    if (!c->train.load_best || !evaluated || (r->totals.best_step && !better))
        return;
    r->totals.best_step = s->step;
    r->totals.best_loss = loss;
}

static errc save_adapter_copy(struct run *r, const struct trainer_step *s, bool evaluated, struct err *e)
{
    const struct tune_config *c = &r->in.config;

    if (!is_due(r, c->train.save_every, c->train.save_steps, s))
        return ERR_OK;
    compare_with_best(r, s, evaluated);
    AUTO_MEM char *dir = xasprintf("%s/checkpoint-%llu", r->output_dir, (unsigned long long)s->step);
    TRY(peft_write(dir, &r->loras, c, e));
    TRY(write_state(r, dir, s->epoch, e));
    return forget_old_adapters(r, e);
}

static bool log_is_due(const struct run *r, const struct trainer_step *s)
{
    const struct tune_config *c = &r->in.config;

    if (s->step == r->trainer.plan.steps || (s->step == 1 && c->train.logging_first_step))
        return true;
    return is_due(r, c->train.log_every, c->train.logging_steps, s);
}

static bool evaluation_is_due(const struct run *r, const struct trainer_step *s)
{
    const struct tune_config *c = &r->in.config;
    double begun = c->train.eval_every == TUNE_EVERY_EPOCH ? s->epoch : (double)s->step;

    return begun >= c->train.eval_delay && is_due(r, c->train.eval_every, c->train.eval_steps > 0 ? c->train.eval_steps : c->train.logging_steps, s);
}

/* Its time is not the steps': what measures them begins anew. */
static errc run_evaluation(struct run *r, uint64_t step, double epoch, struct err *e)
{
    int64_t began = clock_mono_ms();
    double loss;

    TRY(evaluate(r->pass, &r->in.held, (size_t)r->in.config.train.eval_batch_size, &loss, e));
    if (!isfinite(loss))
        return err_set(e, ERR_CORRUPT, "step %llu: the evaluation loss is not a number; training diverged: lower TrainingArguments.learning_rate (%g)",
                       (unsigned long long)step, r->in.config.train.learning_rate);
    r->view.eval_loss = loss;
    r->view.has_eval = true;
    TRY(history_add_evaluation(&r->history, step, epoch, loss, e));
    tell(r, TUNE_TELL_EVENT, "step %llu  epoch %.2f  evaluation loss %.4f (%zu samples, %.1f s)", (unsigned long long)step, epoch, loss, r->in.held.n,
         (double)(clock_mono_ms() - began) / 1000);
    r->rate_ms += clock_mono_ms() - began;
    return ERR_OK;
}

/* As upstream logs: the mean of the steps since the last line; norm and learning rate of the last one. */
static errc log_step(struct run *r, const struct trainer_step *s, struct err *e)
{
    struct history_line l = { .step = s->step, .tokens = r->totals.tokens, .epoch = s->epoch, .grad_norm = s->grad_norm,
                              .loss = r->totals.loss_sum / (double)r->totals.loss_steps, .learning_rate = s->learning_rate,
                              .tokens_per_second = r->view.tokens_per_second };
    int64_t now = clock_mono_ms();

    TRY(history_add(&r->history, &l, e));
    r->totals.loss_sum = 0;
    r->totals.loss_steps = 0;
    if (now - r->line_ms >= LINE_EVERY_MS || s->step == r->trainer.plan.steps) {
        struct progress_view v = r->view;
        AUTO_BUF line = { 0 };
        v.loss = l.loss;
        progress_line(&v, &line);
        tell(r, TUNE_TELL_STEP, "%s", buf_cstr(&line));
        r->line_ms = now;
    }
    return ERR_OK;
}

static void measure(struct run *r, const struct trainer_step *s)
{
    int64_t now = clock_mono_ms();
    uint64_t here = s->step - r->resumed_step;
    double spent = (double)(now - r->started_ms) / 1000;

    if (now - r->rate_ms >= RATE_WINDOW_MS || r->view.tokens_per_second == 0) {
        r->view.tokens_per_second = (double)(r->totals.tokens - r->rate_tokens) / ((double)(now - r->rate_ms + 1) / 1000);
        r->rate_ms = now;
        r->rate_tokens = r->totals.tokens;
    }
    r->view.seconds_left = spent / (double)here * (double)(r->trainer.plan.steps - s->step);
    r->view.step = s->step;
    r->view.epoch = s->epoch;
    r->view.loss = s->loss;
    r->view.grad_norm = s->grad_norm;
    r->view.learning_rate = s->learning_rate;
    r->view.tokens = r->totals.tokens;
    r->view.has_loss = true;
    enter(r, TUNE_PHASE_TRAINING);
}

static errc after_step(struct run *r, const struct trainer_step *s, struct err *e)
{
    r->totals.tokens += s->tokens;
    r->totals.loss_sum += s->loss;
    r->totals.all_loss_sum += s->loss;
    r->totals.loss_steps++;
    if (s->step == 1)
        r->totals.first_loss = s->loss;
    r->totals.last_loss = s->loss;
    measure(r, s);
    if (r->o->tell) {
        AUTO_BUF line = { 0 };
        progress_line(&r->view, &line);
        tell(r, TUNE_TELL_LIVE, "%s", buf_cstr(&line));
    }
    if (log_is_due(r, s))
        TRY(log_step(r, s, e));
    bool evaluates = evaluation_is_due(r, s);
    if (evaluates)
        TRY(run_evaluation(r, s->step, s->epoch, e));
    TRY(save_adapter_copy(r, s, evaluates, e));
    return state_is_due(r) ? save_state(r, e) : ERR_OK;
}

/* A loss that is no number comes from the settings or from the base: say which. */
static errc explain(const struct run *r, struct err *e)
{
    const char *broken = e->code == ERR_CORRUPT ? inputs_broken_tensor(&r->in) : NULL;

    if (broken)
        return err_set(e, ERR_CORRUPT, "%s: tensor %s holds a value that is not a number; download the base model again", r->o->model_dir, broken);
    return e->code;
}

static errc train(struct run *r, struct err *e)
{
    const struct tune_plan *p = &r->trainer.plan;
    struct trainer_step s;

    r->started_ms = r->checkpoint_ms = r->rate_ms = clock_mono_ms();
    r->rate_tokens = r->totals.tokens;
    r->view.steps = p->steps;
    r->view.epochs = (double)p->steps / (double)p->steps_per_epoch;
    r->view.step = r->view.resumed_step = r->view.checkpoint_step = r->resumed_step;
    r->view.tokens = r->totals.tokens;
    enter(r, TUNE_PHASE_TRAINING);
    if (r->in.config.train.eval_on_start && r->in.held.n && r->trainer.optimiser.step == 0)
        TRY(run_evaluation(r, 0, 0, e));
    while (r->trainer.optimiser.step < p->steps) {
        if (cancel_is(r->o->cancel)) {
            TRY(save_state(r, e));
            return err_set(e, ERR_CANCELLED, "stopped after step %llu of %llu; the same command goes on from there",
                           (unsigned long long)r->checkpoint_step, (unsigned long long)p->steps);
        }
        if (trainer_step(&r->trainer, &s, e))
            return explain(r, e);
        TRY(after_step(r, &s, e));
    }
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
    tell(r, TUNE_TELL_EVENT, "merged model in %s", r->o->merged_dir);
    return ERR_OK;
}

/* A run that was complete before --merged was asked for. */
static errc merge_later(struct run *r, struct err *e)
{
    AUTO_MEM char *there = r->o->merged_dir ? path_join(r->o->merged_dir, "config.json") : NULL;

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
    tell(r, TUNE_TELL_EVENT, "the adapter of step %llu is the result: its evaluation loss, %.4f, is the best", (unsigned long long)best, r->totals.best_loss);
    return ERR_OK;
}

static errc finish(struct run *r, struct tune_result *out, struct err *e)
{
    const struct tune_config *c = &r->in.config;

    enter(r, TUNE_PHASE_SAVING);
    TRY(save_state(r, e));
    fill_result(r, out);
    TRY(take_best(r, e));
    TRY(peft_write(r->output_dir, &r->loras, c, e));
    const char *slash = strrchr(r->in.data_path, '/');
    struct peft_card card = { .model_name = r->in.model->config.model_type, .data_name = slash ? slash + 1 : r->in.data_path,
                              .rows = r->trainer.plan.rows, .steps = out->steps, .tokens = out->tokens, .first_loss = out->first_loss,
                              .mean_loss = out->mean_loss, .last_loss = out->last_loss,
                              .without_effect = buf_str(&r->in.base.without_effect) };
    TRY(peft_write_card(r->output_dir, &r->loras, c, &card, e));
    TRY(write_state(r, r->output_dir, tune_epoch_done(&r->trainer.plan, c), e));
    TRY(write_curve(r, e));
    TRY(write_merged(r, e));
    TRY(write_done(r, out, e));
    TRY(write_sentinel(r, e));
    return checkpoint_remove(r->output_dir, e);
}

static void result_of_done(const json_t *j, struct tune_result *out)
{
    *out = (struct tune_result){ .was_complete = true, .steps = (uint64_t)json_int(j, "steps", 0), .tokens = (uint64_t)json_int(j, "tokens", 0),
                                 .first_loss = json_num(j, "first_loss", 0), .mean_loss = json_num(j, "mean_loss", 0),
                                 .last_loss = json_num(j, "last_loss", 0), .seconds = json_num(j, "seconds", 0) };
}

static errc run_all(struct run *r, struct tune_result *out, struct err *e)
{
    AUTO_JSON done = NULL;

    enter(r, TUNE_PHASE_LOADING);
    TRY(open_all(r, e));
    if (is_complete(r, &done)) {
        result_of_done(done, out);
        r->view.step = r->view.steps = out->steps;
        TRY(merge_later(r, e));
        return checkpoint_remove(r->output_dir, e);      /* left when killed right after the sentinel */
    }
    TRY(start_or_resume(r, e));
    errc rc = train(r, e);
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

    enter(&r, rc ? TUNE_PHASE_FAILED : TUNE_PHASE_DONE);
    run_done(&r);
    return rc;
}
