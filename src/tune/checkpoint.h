/*
 * What a killed run needs to go on: OUTPUT/.tune-state.safetensors, replaced atomically. It holds LoRA values, AdamW's arrays and a
 * small JSON with the step, the log's running sums and the fingerprint of everything that decides the numbers; a run with
 * another fingerprint is another run. A digest of it all tells a damaged file.
 */
#ifndef TUNE_CHECKPOINT_H
#define TUNE_CHECKPOINT_H

#include "tune/base_config.h"
#include "tune/trainer.h"

/* Sums that history lines need across a restart. */
struct run_totals {
    double loss_sum;            /* of the steps since the last logged one */
    uint64_t loss_steps;
    double all_loss_sum;        /* of every step */
    double first_loss, last_loss;       /* of step 1 and of the last one */
    uint64_t tokens, history_bytes;
    double seconds;             /* spent training, over all runs */
    uint64_t best_step;         /* with load_best_model_at_end: whose evaluation was best so far; 0: none */
    double best_loss;
};

/* Named digests of model, data set, modules and settings, for one sentence about what differs. Before the first step: with init_adapter its values are in t. */
errc checkpoint_fingerprint(const struct trainer *t, const struct model *m, const struct base_config *base, const char *init_adapter, json_t **out, struct err *e);

/* Whole or not at all, and on the disk when it returns. NO_SPACE: the one before is still there. */
errc checkpoint_write(const char *output_dir, const struct trainer *t, const struct run_totals *totals, const json_t *fingerprint,
                      struct err *e);
/*
 * Loads it into t and totals. ERR_NOT_FOUND: there is none. ERR_CONFLICT: it belongs to another run (the text says what differs).
 * ERR_CORRUPT: it cannot be read. After an error t is unchanged.
 */
errc checkpoint_read(const char *output_dir, struct trainer *t, struct run_totals *totals, const json_t *fingerprint, struct err *e);
/* Moves one that is of no use aside, so that nothing is overwritten unseen. */
errc checkpoint_set_aside(const char *output_dir, struct err *e);
errc checkpoint_remove(const char *output_dir, struct err *e);           /* absent is fine */

#endif
