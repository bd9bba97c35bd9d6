/* history.jsonl: one line per logged step and per evaluation, appended; cut back to a checkpoint's length on resume. */
#ifndef TUNE_HISTORY_H
#define TUNE_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define HISTORY_BYTES_MAX ((size_t)1 << 30)        /* where it is read whole */

struct history {
    int fd;
    char *path;
    uint64_t bytes;
};

struct history_line {
    uint64_t step, tokens;
    double epoch, loss, grad_norm, learning_rate, tokens_per_second;
};

/* Opens OUTPUT/history.jsonl and keeps its first keep_bytes (all it has when shorter). */
errc history_open(struct history *h, const char *output_dir, uint64_t keep_bytes, struct err *e);
/* Appends a line; written when it returns, on the disk after history_sync. */
errc history_add(struct history *h, const struct history_line *l, struct err *e);

struct history_evaluation { uint64_t step, samples; double epoch, loss, seconds; };
/* {"step", "epoch", "eval_loss", "eval_runtime", "eval_samples_per_second"}: a line of its own, as the Trainer logs it. */
errc history_add_evaluation(struct history *h, const struct history_evaluation *x, struct err *e);
/* The loss of the last evaluation; false: there was none. */
bool history_last_evaluation(const struct history *h, double *out_loss);
errc history_sync(struct history *h, struct err *e);
void history_done(struct history *h);

#endif
