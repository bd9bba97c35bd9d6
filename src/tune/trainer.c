#include "tune/trainer.h"

#include <math.h>

#include "base/mem.h"
#include "tune/order.h"

#define REST_TOKENS (1u << 20)  /* after so many the pages of examples are let go: memory does not grow with the data set */

static errc init_optimiser(struct trainer *t, struct err *e)
{
    size_t n;

    if (!t->config->train.eight_bit_states && t->config->train.rule != TUNE_ADAFACTOR)
        return optimiser_init(&t->optimiser, t->loras->total, e);
    struct lora_tensor *all = lora_tensors(t->loras, &n);
    AUTO_MEM struct optimiser_span *spans = xcalloc(n + 1, sizeof *spans);
    for (size_t i = 0; i < n; i++)
        spans[i] = (struct optimiser_span){ all[i].at, lora_tensor_len(&all[i]), all[i].cols };
    lora_tensors_free(all, n);
    return optimiser_init_spans(&t->optimiser, spans, n, t->config->train.eight_bit_states, e);
}

errc trainer_init(struct trainer *t, const struct tune_config *c, const struct samples *samples, struct lora_set *loras,
                  struct backprop *pass, struct err *e)
{
    *t = (struct trainer){ .config = c, .samples = samples, .loras = loras, .pass = pass, .ordered = UINT64_MAX };
    TRY(tune_plan_make(c, samples->n, &t->plan, e));
    t->order = xcalloc(samples->n, sizeof *t->order);
    t->batch = xcalloc((size_t)c->train.batch_size * (size_t)c->train.accumulation, samples->most * sizeof *t->batch);
    t->ends = xcalloc((size_t)c->train.accumulation, sizeof *t->ends);
    t->optimiser = (struct optimiser){ .rule = c->train.rule, .args = c->train.optimiser_args, .beta1 = c->train.beta1, .beta2 = c->train.beta2, .epsilon = c->train.epsilon,
                                   .weight_decay = c->train.weight_decay };
    return init_optimiser(t, e);
}

void trainer_done(struct trainer *t)
{
    optimiser_done(&t->optimiser);
    free(t->order);
    free(t->batch);
    free(t->ends);
    *t = (struct trainer){ 0 };
}

static void order_epoch(struct trainer *t, uint64_t epoch)
{
    const struct tune_config *c = t->config;
    uint64_t seed = (uint64_t)(c->train.data_seed >= 0 ? c->train.data_seed : c->train.seed);

    if (t->ordered == epoch)
        return;
    if (c->data.shuffle)
        examples_order(t->plan.rows, seed, epoch, t->order);
    else
        for (uint32_t i = 0; i < t->plan.rows; i++)
            t->order[i] = i;
    if (c->train.by_length)
        order_by_length(t->samples, (size_t)c->train.batch_size * (size_t)c->train.accumulation, t->order, t->plan.rows);
    t->ordered = epoch;
}

/* The rows of micro-batch `micro` appended at t->batch[n]; transformers pads to the longest, which LongRoPE looks at. */
static size_t add_micro_batch(struct trainer *t, uint64_t micro, size_t n)
{
    const struct samples *s = t->samples;
    size_t batch = (size_t)t->config->train.batch_size, first = micro * batch, longest = 0, from = n;

    for (size_t i = first; i < first + batch && i < t->plan.rows; i++)
        for (uint32_t k = samples_first(s, t->order[i]); k < samples_first(s, t->order[i] + 1); k++) {
            struct example x = samples_example(s, k);
            t->batch[n++] = (struct backprop_row){ .ids = x.ids, .labels = x.labels, .n = x.n };
            longest = x.n > longest ? x.n : longest;
        }
    for (size_t i = from; i < n; i++)
        t->batch[i].rope_length = longest;
    return n;
}

/* Where the pass that begins with row i ends: as many as fit, of n, or one micro-batch. */
static size_t pass_end(const struct trainer *t, size_t i, size_t n)
{
    size_t limit = backprop_max_tokens(t->pass), tokens = t->batch[i].n, k = i + 1;

    if (backprop_balances(t->pass)) {
        for (k = 0; t->ends[k] <= i; k++)
            ;
        return t->ends[k];
    }
    for (; k < n && t->batch[k].n <= limit - tokens; k++)
        tokens += t->batch[k].n;
    return k;
}

/* Runs the step's n rows, pass by pass. *out_loss: the mean over label tokens, and what balances routers. */
static errc run_rows(struct trainer *t, size_t n, uint64_t step, double labels, double *out_loss, struct err *e)
{
    uint64_t done = 0;
    double sum = 0, balance = 0;

    for (size_t i = 0, k; i < n; i = k) {
        double loss;
        k = pass_end(t, i, n);
        TRY(backprop_run(t->pass, t->batch + i, k - i, step, done, (float)(1 / labels), true, &loss, e));
        sum += loss;
        balance += backprop_balance(t->pass);
        for (size_t r = i; r < k; r++)
            done += t->batch[r].n;
    }
    *out_loss = sum / labels + balance;
    return ERR_OK;
}

static errc not_finite(const struct trainer *t, uint64_t step, const char *what, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "step %llu: the %s is not a number; training diverged: lower TrainingArguments.learning_rate (%g) "
                   "or look for broken weights in the base model", (unsigned long long)step + 1, what, t->config->train.learning_rate);
}

errc trainer_step(struct trainer *t, struct trainer_step *out, struct err *e)
{
    const struct tune_plan *plan = &t->plan;
    struct lora_set *s = t->loras;
    uint64_t step = t->optimiser.step, epoch = step / plan->steps_per_epoch, within = step % plan->steps_per_epoch;
    uint64_t first = within * (uint64_t)t->config->train.accumulation, micro = first;
    size_t n = 0, labels = 0, tokens = 0;

    order_epoch(t, epoch);
    for (; micro < plan->micro_batches && micro < first + (uint64_t)t->config->train.accumulation; micro++)
        n = t->ends[micro - first] = add_micro_batch(t, micro, n);
    for (size_t i = 0; i < n; i++) {
        labels += backprop_row_labels(&t->batch[i]);
        tokens += t->batch[i].n;
    }
    double loss;
    memset(s->g, 0, s->total * sizeof *s->g);
    TRY(run_rows(t, n, step, labels ? (double)labels : 1, &loss, e));
    double norm = gradient_norm(s->g, s->total), rate = tune_learning_rate(t->config, plan, step);
    if (!isfinite(loss) || !isfinite(norm))
        return not_finite(t, step, isfinite(loss) ? "gradient" : "loss", e);
    gradient_clip(s->g, s->total, norm, t->config->train.max_grad_norm);
    optimiser_update(backprop_compute(t->pass), &t->optimiser, s->w, s->g, s->decayed, rate);
    t->looked_at += tokens;
    if (t->looked_at > REST_TOKENS) {
        examples_rest(t->samples->x);
        t->looked_at = 0;
    }
    *out = (struct trainer_step){ .step = step + 1, .epoch = tune_epoch_shown(plan, epoch, micro),
                                  .epoch_ends = micro == plan->micro_batches, .loss = loss, .grad_norm = norm,
                                  .learning_rate = rate, .tokens = tokens, .label_tokens = labels };
    return ERR_OK;
}
