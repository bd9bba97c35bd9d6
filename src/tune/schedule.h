/*
 * How long a run is and how fast it learns: steps per epoch, warm-up, the learning rate of each step. Pure arithmetic.
 * Source: transformers Trainer and get_scheduler; checked against tests/golden/hf/trainer.
 */
#ifndef TUNE_SCHEDULE_H
#define TUNE_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

#include "tune/config.h"

struct tune_plan {
    uint64_t rows;              /* examples of one epoch */
    uint64_t micro_batches;     /* of one epoch; the last one may be short */
    uint64_t steps_per_epoch;   /* a short last accumulation is a step of its own */
    uint64_t steps;             /* of the whole run */
    uint64_t warmup;
};

/* rows >= 1. ERR_INVALID when nothing would be trained (drop_last with too few rows). */
errc tune_plan_make(const struct tune_config *c, uint64_t rows, struct tune_plan *out, struct err *e);

/* Of optimiser step `step`, from 0. */
double tune_learning_rate(const struct tune_config *c, const struct tune_plan *p, uint64_t step);

/* The `epoch` that is logged once `micro` micro-batches of epoch `epoch` are done. */
double tune_epoch_shown(const struct tune_plan *p, uint64_t epoch, uint64_t micro);

/* The same after the whole run. */
double tune_epoch_done(const struct tune_plan *p, const struct tune_config *c);

/* logging_steps and save_steps: a share of all steps when below 1; at least 1. */
uint64_t tune_every(double steps_or_share, uint64_t total);

#endif
