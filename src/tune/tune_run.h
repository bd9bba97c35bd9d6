/*
 * What the files of a run share. tune.c opens, resumes and ends it;  tune_steps.c trains.
 * A run belongs to the thread that calls tune_run; others see it through opts.progress and opts.cancel only.
 */
#ifndef TUNE_TUNE_RUN_H
#define TUNE_TUNE_RUN_H

#include "tune/checkpoint.h"
#include "tune/history.h"
#include "tune/inputs.h"
#include "tune/tune.h"

struct run {
    const struct tune_opts *o;
    const char *output_dir;
    int lock_fd;
    struct inputs in;
    struct lora_set loras;
    struct backprop *pass;
    struct trainer trainer;
    struct run_totals totals;
    struct history history;
    json_t *fingerprint;
    struct progress_view view;
    size_t notes_told;

    int64_t started_ms, checkpoint_ms, checkpoint_cost_ms, line_ms, rate_ms;
    uint64_t resumed_step, checkpoint_step, rate_tokens;
    double seconds_before;
};

/* A line for whoever asked to be told. */
void run_tell(const struct run *r, enum tune_tell kind, const char *fmt, ...) PRINTF(3, 4);
/* Shows the phase, and r->view as it is, to whoever watches. */
void run_enter(struct run *r, enum tune_phase phase);

/*
 * From where the optimiser is to the last step of the plan. ERR_CANCELLED: stopped, with a checkpoint of the last step done.
 * ERR_CORRUPT: a loss is no number.
 */
errc run_train(struct run *r, struct err *e);
/* The checkpoint of the last step done; on error the one before it stays. */
errc run_save_state(struct run *r, struct err *e);
/* dir/trainer_state.json, of the last step done. */
errc run_write_state(const struct run *r, const char *dir, double epoch, struct err *e);

#endif
