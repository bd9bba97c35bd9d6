/*
 * The optimisation itself: which rows each step sees, and what a step does with them (forward, backward, clip, AdamW).
 *
 * The state after step s is the LoRA values, AdamW's two arrays and s: the place in the data, dropout masks and the learning rate are
 * functions of s and the settings. So a checkpoint is small and a resumed run repeats an uninterrupted one bit for bit.
 *
 * Order of rows: a permutation per epoch from data_seed (or seed); file order when DatasetConfig.shuffle_dataset is false; then group_by_length.
 * Loss and gradients are sums over all micro-batches of a step divided by its label tokens, as transformers' Trainer does; what balances
 * routers is summed over micro-batches, each of which is then a pass of its own.
 */
#ifndef TUNE_TRAINER_H
#define TUNE_TRAINER_H

#include "dataset/dataset.h"
#include "tune/optimiser.h"
#include "tune/backprop.h"
#include "tune/samples.h"
#include "tune/schedule.h"

struct trainer {
    const struct tune_config *config;
    const struct samples *samples;
    struct lora_set *loras;
    struct backprop *pass;          /* borrowed, like the three above */

    struct tune_plan plan;
    struct optimiser optimiser;     /* .step: steps done */
    uint32_t *order;            /* [plan.rows] of samples, of epoch `ordered` */
    uint64_t ordered;
    uint64_t looked_at;         /* tokens since examples_rest */

    struct backprop_row *batch;     /* [batch size * accumulation * examples of the largest sample] */
    size_t *ends;                   /* [accumulation] of each micro-batch in it */
};

/* Everything is borrowed. */
errc trainer_init(struct trainer *t, const struct tune_config *c, const struct samples *samples, struct lora_set *loras,
                  struct backprop *pass, struct err *e);
void trainer_done(struct trainer *t);

struct trainer_step {
    uint64_t step;              /* done, this one included */
    double epoch;               /* as logged */
    bool epoch_ends;
    double loss;                /* mean over label tokens, and what balances routers */
    double grad_norm;           /* before clipping */
    double learning_rate;       /* of this update */
    uint64_t tokens, label_tokens;
};

/* ERR_CORRUPT: loss or gradient is not finite; nothing was updated. Call while optimiser.step < plan.steps. */
errc trainer_step(struct trainer *t, struct trainer_step *out, struct err *e);

#endif
