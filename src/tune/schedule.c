#include "tune/schedule.h"

#include <math.h>

static uint64_t ceil_div(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

errc tune_plan_make(const struct tune_config *c, uint64_t rows, struct tune_plan *out, struct err *e)
{
    uint64_t batch = (uint64_t)c->train.batch_size, accumulate = (uint64_t)c->train.accumulation;
    struct tune_plan p = { .rows = rows };

    p.micro_batches = c->train.drop_last ? rows / batch : ceil_div(rows, batch);
    if (p.micro_batches == 0)
        return err_set(e, ERR_INVALID, "data set: %llu rows are fewer than per_device_train_batch_size %llu and dataloader_drop_last is true; "
                       "lower the batch size", (unsigned long long)rows, (unsigned long long)batch);
    p.steps_per_epoch = ceil_div(p.micro_batches, accumulate);
    p.steps = c->train.max_steps > 0 ? (uint64_t)c->train.max_steps : (uint64_t)ceil(c->train.epochs * (double)p.steps_per_epoch);
    double ratio = c->train.warmup_steps > 0 && c->train.warmup_steps < 1 ? c->train.warmup_steps : c->train.warmup_ratio;
    p.warmup = c->train.warmup_steps >= 1 ? (uint64_t)c->train.warmup_steps : (uint64_t)ceil((double)p.steps * ratio);
    *out = p;
    return ERR_OK;
}

static double polynomial(const struct tune_config *c, double t, double total, double warmup)
{
    double first = c->train.learning_rate, last = c->train.poly_lr_end;

    if (t > total || first == 0)
        return first == 0 ? 0 : last / first;
    double left = total > warmup ? 1 - (t - warmup) / (total - warmup) : 0;
    return ((first - last) * pow(left, c->train.poly_power) + last) / first;
}

static double inverse_sqrt(const struct tune_config *c, double t, double warmup)
{
    double timescale = c->train.timescale > 0 ? c->train.timescale : warmup > 0 ? warmup : 10000;       /* transformers' defaults */

    return 1 / sqrt((t + timescale - warmup) / timescale);
}

/* The factor on learning_rate after the warm-up. */
static double decay(const struct tune_config *c, double t, double total, double warmup)
{
    double span = fmax(1, total - warmup), done = (t - warmup) / span;

    switch (c->train.schedule) {
    case TUNE_SCHEDULE_LINEAR:
        return fmax(0, (total - t) / span);
    case TUNE_SCHEDULE_COSINE:
        return fmax(0, 0.5 * (1 + cos(M_PI * c->train.cosine_cycles * 2 * done)));
    case TUNE_SCHEDULE_POLYNOMIAL:
        return polynomial(c, t, total, warmup);
    case TUNE_SCHEDULE_INVERSE_SQRT:
        return inverse_sqrt(c, t, warmup);
    case TUNE_SCHEDULE_CONSTANT:
    case TUNE_SCHEDULE_CONSTANT_WARMUP:
        break;
    }
    return 1;
}

double tune_learning_rate(const struct tune_config *c, const struct tune_plan *p, uint64_t step)
{
    double t = (double)step, warmup = (double)p->warmup;

    if (c->train.schedule != TUNE_SCHEDULE_CONSTANT && step < p->warmup)
        return c->train.learning_rate * (t / fmax(1, warmup));
    return c->train.learning_rate * decay(c, t, (double)p->steps, warmup);
}

double tune_epoch_shown(const struct tune_plan *p, uint64_t epoch, uint64_t micro)
{
    return (double)epoch + (double)micro / (double)p->micro_batches;
}

double tune_epoch_done(const struct tune_plan *p, const struct tune_config *c)
{
    uint64_t last = p->steps - 1, micro = (last % p->steps_per_epoch + 1) * (uint64_t)c->train.accumulation;

    return tune_epoch_shown(p, last / p->steps_per_epoch, micro < p->micro_batches ? micro : p->micro_batches);
}

uint64_t tune_every(double steps_or_share, uint64_t total)
{
    double n = steps_or_share < 1 ? ceil(steps_or_share * (double)total) : floor(steps_or_share);

    return n < 1 ? 1 : (uint64_t)n;
}
