/* What people and programs look at after a run, made from history.jsonl: trainer_state.json with transformers' keys, and the loss curve as SVG. */
#ifndef TUNE_REPORT_H
#define TUNE_REPORT_H

#include "tune/schedule.h"

struct report_place {
    uint64_t step;              /* of the plan's steps */
    double epoch;
    uint64_t best_step;         /* the checkpoint of the best evaluation below output_dir; 0: none */
    double best_loss;
    const char *output_dir;
};

/* DIR/trainer_state.json. history: the text of history.jsonl up to there. */
errc report_state(const char *dir, struct str history, const struct tune_config *c, const struct tune_plan *p, const struct report_place *at,
                  struct err *e);

/* DIR/loss.svg; nothing for a history without two lines. */
errc report_curve(const char *dir, struct str history, struct err *e);

#endif
