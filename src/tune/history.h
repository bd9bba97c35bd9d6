/* history.jsonl: one line per logged step and per evaluation, appended; cut back to a checkpoint's length on resume. */
#ifndef TUNE_HISTORY_H
#define TUNE_HISTORY_H

#include <stdint.h>

#include "base/err.h"

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
errc history_add(struct history *h, const struct history_line *l, struct err *e);
/* {"step", "epoch", "eval_loss"}: a line of its own, as the Trainer logs it. */
errc history_add_evaluation(struct history *h, uint64_t step, double epoch, double loss, struct err *e);
errc history_sync(struct history *h, struct err *e);
void history_done(struct history *h);

#endif
