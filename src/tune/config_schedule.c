/*
 * lr_scheduler_type, and which lr_scheduler_kwargs go with it. A new schedule is a row here and one in schedule.c.
 * Source: the signatures of transformers' get_*_schedule functions.
 */
#include "tune/config_priv.h"

#include <math.h>

enum arg { POWER, LR_END, NUM_CYCLES, TIMESCALE, MIN_LR, MIN_LR_RATE, WARMUP_LR_RATE, NUM_DECAY_STEPS, NUM_STABLE_STEPS, MIN_LR_RATIO, WARMUP_TYPE, DECAY_TYPE, ARGS };

#define AT(member) offsetof(struct tune_schedule_args, member)

static const struct { const char *name; size_t off; } numbers[] = {
    [POWER] = { "power", AT(power) }, [LR_END] = { "lr_end", AT(lr_end) }, [NUM_CYCLES] = { "num_cycles", AT(num_cycles) },
    [TIMESCALE] = { "timescale", AT(timescale) }, [MIN_LR] = { "min_lr", AT(min_lr) }, [MIN_LR_RATE] = { "min_lr_rate", AT(min_lr_rate) },
    [WARMUP_LR_RATE] = { "warmup_lr_rate", AT(warmup_lr_rate) }, [NUM_DECAY_STEPS] = { "num_decay_steps", AT(num_decay_steps) },
    [NUM_STABLE_STEPS] = { "num_stable_steps", AT(num_stable_steps) }, [MIN_LR_RATIO] = { "min_lr_ratio", AT(min_lr_ratio) },
};

#define BIT(arg) (1u << (arg))
#define ANY_ARG (BIT(ARGS) - 1)         /* the constant ones look at none */

static const struct row { const char *name; enum tune_schedule value; unsigned takes; } rows[] = {
    { "linear", TUNE_SCHEDULE_LINEAR, 0 },
    { "cosine", TUNE_SCHEDULE_COSINE, BIT(NUM_CYCLES) },
    { "constant", TUNE_SCHEDULE_CONSTANT, ANY_ARG },
    { "constant_with_warmup", TUNE_SCHEDULE_CONSTANT_WARMUP, ANY_ARG },
    { "polynomial", TUNE_SCHEDULE_POLYNOMIAL, BIT(POWER) | BIT(LR_END) },
    { "inverse_sqrt", TUNE_SCHEDULE_INVERSE_SQRT, BIT(TIMESCALE) },
    { "cosine_with_restarts", TUNE_SCHEDULE_COSINE_RESTARTS, BIT(NUM_CYCLES) },
    { "cosine_with_min_lr", TUNE_SCHEDULE_COSINE_MIN_LR, BIT(NUM_CYCLES) | BIT(MIN_LR) | BIT(MIN_LR_RATE) },
    { "cosine_warmup_with_min_lr", TUNE_SCHEDULE_COSINE_WARMUP_MIN_LR, BIT(NUM_CYCLES) | BIT(MIN_LR) | BIT(MIN_LR_RATE) | BIT(WARMUP_LR_RATE) },
    { "warmup_stable_decay", TUNE_SCHEDULE_WARMUP_STABLE_DECAY,
      BIT(NUM_DECAY_STEPS) | BIT(NUM_STABLE_STEPS) | BIT(MIN_LR_RATIO) | BIT(NUM_CYCLES) | BIT(WARMUP_TYPE) | BIT(DECAY_TYPE) },
};

static double *number_at(struct tune_schedule_args *a, size_t i)
{
    return (double *)(void *)((char *)a + numbers[i].off);
}

void config_schedule_defaults(struct tune_schedule_args *a)
{
    *a = (struct tune_schedule_args){ 0 };
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        *number_at(a, i) = NAN;
}

static errc wrong_kwarg(const struct row *row, const char *name, const char *say, struct err *e)
{
    return err_set(e, ERR_INVALID, "TrainingArguments.lr_scheduler_kwargs: %s %s of lr_scheduler_type %s", name, say, row->name);
}

static errc check_taken(const struct row *row, struct tune_schedule_args *a, struct err *e)
{
    const char *texts[] = { [WARMUP_TYPE] = a->warmup_type, [DECAY_TYPE] = a->decay_type }, *names[] = { [WARMUP_TYPE] = "warmup_type", [DECAY_TYPE] = "decay_type" };

    for (unsigned i = 0; i < ARGS; i++) {
        bool is_number = i < ARRAY_LEN(numbers), given = is_number ? !isnan(*number_at(a, i)) : texts[i] != NULL;
        if (given && !(row->takes & BIT(i)))
            return wrong_kwarg(row, is_number ? numbers[i].name : names[i], "is no setting", e);
    }
    return ERR_OK;
}

static errc read_ramp(const char *key, const char *name, enum tune_ramp fallback, enum tune_ramp *out, struct err *e)
{
    static const char *const known[] = { [TUNE_RAMP_LINEAR] = "linear", [TUNE_RAMP_COSINE] = "cosine", [TUNE_RAMP_ROOT] = "1-sqrt" };

    *out = fallback;
    if (!name)
        return ERR_OK;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (streq(name, known[i])) {
            *out = (enum tune_ramp)i;
            return ERR_OK;
        }
    return err_set(e, ERR_INVALID, "TrainingArguments.lr_scheduler_kwargs.%s: \"%.80s\" is none of linear, cosine, 1-sqrt", key, name);
}

/* min_lr and lr_end become shares of the learning rate. */
static errc check_lowest(const struct row *row, struct tune_schedule_args *a, double rate, struct err *e)
{
    bool has_min = row->takes != ANY_ARG && row->takes & BIT(MIN_LR);

    if (row->value == TUNE_SCHEDULE_POLYNOMIAL && !(a->lr_end < rate))
        return err_set(e, ERR_INVALID, "TrainingArguments.lr_scheduler_kwargs.lr_end: %g must be below learning_rate (%g)", a->lr_end, rate);
    if (has_min && isnan(a->min_lr) == isnan(a->min_lr_rate))
        return wrong_kwarg(row, "min_lr or min_lr_rate", isnan(a->min_lr) ? "is missing: give one" : "are two words for one setting: remove one", e);
    if (!isnan(a->min_lr))
        a->min_lr_rate = rate > 0 ? a->min_lr / rate : 0;
    a->lr_end = rate > 0 ? a->lr_end / rate : 0;
    return ERR_OK;
}

static void set_default(double *x, double value)
{
    *x = isnan(*x) ? value : *x;
}

static errc resolve(const struct row *row, struct tune_schedule_args *a, double rate, struct err *e)
{
    set_default(&a->power, 1);
    set_default(&a->lr_end, 1e-7);
    set_default(&a->num_cycles, row->value == TUNE_SCHEDULE_COSINE_RESTARTS ? 1 : 0.5);
    set_default(&a->min_lr_ratio, 0);
    if (row->value == TUNE_SCHEDULE_WARMUP_STABLE_DECAY && isnan(a->num_decay_steps))
        return wrong_kwarg(row, "num_decay_steps", "is missing: it is a setting", e);
    TRY(read_ramp("warmup_type", a->warmup_type, TUNE_RAMP_LINEAR, &a->warmup, e));
    TRY(read_ramp("decay_type", a->decay_type, TUNE_RAMP_COSINE, &a->decay, e));
    return check_lowest(row, a, rate, e);
}

errc config_check_schedule(struct tune_config *c, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (streq(c->train.schedule_name, rows[i].name)) {
            c->train.schedule = rows[i].value;
            TRY(check_taken(&rows[i], &c->train.schedule_args, e));
            return resolve(&rows[i], &c->train.schedule_args, c->train.learning_rate, e);
        }
    return err_set(e, ERR_INVALID, "TrainingArguments.lr_scheduler_type: \"%.120s\" is not built; use linear, cosine, constant, constant_with_warmup, polynomial, inverse_sqrt, "
                   "cosine_with_restarts, cosine_with_min_lr, cosine_warmup_with_min_lr or warmup_stable_decay", c->train.schedule_name);
}
