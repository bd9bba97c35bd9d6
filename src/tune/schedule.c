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

/* --- factors on learning_rate: t, of total steps, the first of them warm-up ------------------------------------------------------------- */

typedef double factor_fn(const struct tune_schedule_args *a, double t, double total, double warmup);

static double span(double total, double warmup)
{
    return fmax(1, total - warmup);
}

/* From 1 at progress 0 to -1 after half a cycle, as a number between 0 and 1. */
static double wave(double cycles, double progress)
{
    return 0.5 * (1 + cos(M_PI * cycles * 2 * progress));
}

static double above(double factor, double lowest)
{
    return fmax(0, factor * (1 - lowest) + lowest);
}

static double ramp_up(const struct tune_schedule_args *a, double t, double total, double warmup)
{
    (void)a, (void)total;
    return t / fmax(1, warmup);
}

static double flat(const struct tune_schedule_args *a, double t, double total, double warmup)
{
    (void)a, (void)t, (void)total, (void)warmup;
    return 1;
}

static double linear(const struct tune_schedule_args *a, double t, double total, double warmup)
{
    (void)a;
    return fmax(0, (total - t) / span(total, warmup));
}

static double cosine(const struct tune_schedule_args *a, double t, double total, double warmup)
{
    return fmax(0, wave(a->num_cycles, (t - warmup) / span(total, warmup)));
}

static double cosine_restarts(const struct tune_schedule_args *a, double t, double total, double warmup)
{
    double progress = (t - warmup) / span(total, warmup);

    return progress >= 1 ? 0 : fmax(0, wave(0.5, fmod(a->num_cycles * progress, 1)));
}

static double cosine_min(const struct tune_schedule_args *a, double t, double total, double warmup)
{
    return above(wave(a->num_cycles, (t - warmup) / span(total, warmup)), a->min_lr_rate);
}

/* The one whose warm-up does not begin at 0, and whose steps count from 1. */
static double warmup_to_cosine_min(const struct tune_schedule_args *a, double t, double total, double warmup)
{
    (void)total;
    if (isnan(a->warmup_lr_rate))
        return (t + 1) / fmax(1, warmup);
    return a->warmup_lr_rate + (1 - a->warmup_lr_rate) * t / fmax(1, warmup - 1);
}

static double cosine_min_after_warmup(const struct tune_schedule_args *a, double t, double total, double warmup)
{
    return cosine_min(a, t + 1, total, warmup);
}

/* lr_end was taken as a share of learning_rate. */
static double polynomial(const struct tune_schedule_args *a, double t, double total, double warmup)
{
    double left = total > warmup ? 1 - (t - warmup) / (total - warmup) : 0;

    return t > total ? a->lr_end : (1 - a->lr_end) * pow(left, a->power) + a->lr_end;
}

static double inverse_sqrt(const struct tune_schedule_args *a, double t, double total, double warmup)
{
    double timescale = !isnan(a->timescale) ? a->timescale : warmup > 0 ? warmup : 10000;       /* transformers' defaults */

    (void)total;
    return 1 / sqrt((t + timescale - warmup) / timescale);
}

static double ramp(enum tune_ramp how, double cycles, double left)
{
    return how == TUNE_RAMP_LINEAR ? left : how == TUNE_RAMP_COSINE ? wave(cycles, 1 - left) : 1 - sqrt(1 - left);
}

static double stable_warmup(const struct tune_schedule_args *a, double t, double total, double warmup)
{
    (void)total;
    return above(ramp(a->warmup, 0.5, t / fmax(1, warmup)), a->min_lr_ratio);
}

static double stable_decay(const struct tune_schedule_args *a, double t, double total, double warmup)
{
    double decay = a->num_decay_steps, begins = isnan(a->num_stable_steps) ? total - decay : warmup + a->num_stable_steps;

    if (t < begins)
        return 1;
    if (t >= begins + decay)
        return a->min_lr_ratio;
    return above(ramp(a->decay, a->num_cycles, 1 - (t - begins) / fmax(1, decay)), a->min_lr_ratio);
}

static const struct { factor_fn *during_warmup, *after; } factors[] = {
    [TUNE_SCHEDULE_LINEAR] = { ramp_up, linear },
    [TUNE_SCHEDULE_COSINE] = { ramp_up, cosine },
    [TUNE_SCHEDULE_CONSTANT] = { flat, flat },
    [TUNE_SCHEDULE_CONSTANT_WARMUP] = { ramp_up, flat },
    [TUNE_SCHEDULE_POLYNOMIAL] = { ramp_up, polynomial },
    [TUNE_SCHEDULE_INVERSE_SQRT] = { ramp_up, inverse_sqrt },
    [TUNE_SCHEDULE_COSINE_RESTARTS] = { ramp_up, cosine_restarts },
    [TUNE_SCHEDULE_COSINE_MIN_LR] = { ramp_up, cosine_min },
    [TUNE_SCHEDULE_COSINE_WARMUP_MIN_LR] = { warmup_to_cosine_min, cosine_min_after_warmup },
    [TUNE_SCHEDULE_WARMUP_STABLE_DECAY] = { stable_warmup, stable_decay },
};

double tune_learning_rate(const struct tune_config *c, const struct tune_plan *p, uint64_t step)
{
    factor_fn *factor = step < p->warmup ? factors[c->train.schedule].during_warmup : factors[c->train.schedule].after;

    return c->train.learning_rate * factor(&c->train.schedule_args, (double)step, (double)p->steps, (double)p->warmup);
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
