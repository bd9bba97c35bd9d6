/*
 * The loop of a run, and what happens between two steps: figures and lines, an evaluation, the adapter that save_strategy asks for, and
 * the checkpoint from which a killed run goes on.
 */
#include "tune/tune_run.h"

#include <math.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "tune/evaluate.h"
#include "tune/peft.h"
#include "tune/report.h"

#define CHECKPOINT_MIN_MS       2000    /* no more often than this when the interval is chosen here */
#define CHECKPOINT_COST         50      /* ... and so that writing takes at most one part in this many */
#define LINE_EVERY_MS           1000    /* lines for people; history.jsonl has every logged step */
#define RATE_WINDOW_MS          2000    /* tokens per second are measured over at least this long */

errc run_save_state(struct run *r, struct err *e)
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

errc run_write_state(const struct run *r, const char *dir, double epoch, struct err *e)
{
    AUTO_BUF history = { 0 };

    TRY(file_read(r->history.path, HISTORY_BYTES_MAX, &history, e));
    struct report_place at = { .step = r->trainer.optimiser.step, .epoch = epoch, .best_step = r->totals.best_step, .best_loss = r->totals.best_loss,
                               .output_dir = r->output_dir };
    return report_state(dir, buf_str(&history), &r->in.config, &r->trainer.plan, &at, e);
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
    TRY(run_write_state(r, dir, s->epoch, e));
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
    const struct tune_config *c = &r->in.config;
    size_t batch = (size_t)c->train.eval_batch_size, n = evaluate_count(&r->in.held, batch, c->train.drop_last);
    int64_t began = clock_mono_us();
    double loss;

    TRY(evaluate(r->pass, &r->in.held, batch, c->train.drop_last, &loss, e));
    if (!isfinite(loss))
        return err_set(e, ERR_CORRUPT, "step %llu: the evaluation loss is not a number; training diverged: lower TrainingArguments.learning_rate (%g)",
                       (unsigned long long)step, r->in.config.train.learning_rate);
    r->view.eval_loss = loss;
    r->view.has_eval = true;
    double seconds = (double)(clock_mono_us() - began) / 1e6;
    TRY(history_add_evaluation(&r->history, &(struct history_evaluation){ step, n, epoch, loss, seconds }, e));
    run_tell(r, TUNE_TELL_EVENT, "step %llu  epoch %.2f  evaluation loss %.4f (%zu samples, %.1f s)", (unsigned long long)step, epoch, loss, n,
             seconds);
    r->rate_ms += (int64_t)(seconds * 1000);
    run_enter(r, r->view.phase);
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
        run_tell(r, TUNE_TELL_STEP, "%s", buf_cstr(&line));
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
    run_enter(r, TUNE_PHASE_TRAINING);
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
        run_tell(r, TUNE_TELL_LIVE, "%s", buf_cstr(&line));
    }
    if (log_is_due(r, s))
        TRY(log_step(r, s, e));
    bool evaluates = evaluation_is_due(r, s);
    if (evaluates)
        TRY(run_evaluation(r, s->step, s->epoch, e));
    TRY(save_adapter_copy(r, s, evaluates, e));
    return state_is_due(r) ? run_save_state(r, e) : ERR_OK;
}

/* A loss that is no number comes from the settings or from the base: say which. */
static errc explain(const struct run *r, struct err *e)
{
    const char *broken = e->code == ERR_CORRUPT ? inputs_broken_tensor(&r->in) : NULL;

    if (broken)
        return err_set(e, ERR_CORRUPT, "%s: tensor %s holds a value that is not a number; download the base model again", r->o->model_dir, broken);
    return e->code;
}

errc run_train(struct run *r, struct err *e)
{
    const struct tune_plan *p = &r->trainer.plan;
    struct trainer_step s;

    r->started_ms = r->checkpoint_ms = r->rate_ms = clock_mono_ms();
    r->rate_tokens = r->totals.tokens;
    r->view.steps = p->steps;
    r->view.epochs = (double)p->steps / (double)p->steps_per_epoch;
    r->view.step = r->view.resumed_step = r->view.checkpoint_step = r->resumed_step;
    r->view.tokens = r->totals.tokens;
    run_enter(r, TUNE_PHASE_TRAINING);
    if (r->in.config.train.eval_on_start && r->in.held.n && r->trainer.optimiser.step == 0)
        TRY(run_evaluation(r, 0, 0, e));
    while (r->trainer.optimiser.step < p->steps) {
        if (cancel_is(r->o->cancel)) {
            TRY(run_save_state(r, e));
            return err_set(e, ERR_CANCELLED, "stopped after step %llu of %llu; the same command goes on from there",
                           (unsigned long long)r->checkpoint_step, (unsigned long long)p->steps);
        }
        if (trainer_step(&r->trainer, &s, e))
            return explain(r, e);
        TRY(after_step(r, &s, e));
    }
    return ERR_OK;
}
