/*
 * What a run tells others while it runs: Prometheus series over HTTP (GET /metrics, /healthz), and one line for people.
 * The trainer's thread sets it, connection threads read it: one leaf lock guards the snapshot.
 *
 * Series (gauges unless they end in _total): kaito_tuning_step, kaito_tuning_steps_total, kaito_tuning_epoch, kaito_tuning_epochs_total,
 * kaito_tuning_loss, kaito_tuning_grad_norm, kaito_tuning_learning_rate, kaito_tuning_tokens_total, kaito_tuning_tokens_per_second,
 * kaito_tuning_seconds_left, kaito_tuning_checkpoint_step, kaito_tuning_resumed_step, kaito_tuning_eval_loss, kaito_tuning_phase{phase="..."} 1.
 */
#ifndef TUNE_PROGRESS_H
#define TUNE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum tune_phase { TUNE_PHASE_LOADING, TUNE_PHASE_TOKENISING, TUNE_PHASE_TRAINING, TUNE_PHASE_SAVING, TUNE_PHASE_DONE, TUNE_PHASE_FAILED };

struct progress_view {
    enum tune_phase phase;
    uint64_t step, steps, tokens;       /* of how many; trained on so far */
    uint64_t checkpoint_step, resumed_step;     /* 0: none */
    double epoch, epochs, loss, grad_norm, learning_rate, tokens_per_second, seconds_left, eval_loss;
    bool has_loss, has_eval;
};

struct progress;

struct progress *progress_new(void);
void progress_free(struct progress *p);
DEFINE_AUTO_FREE(progress)
void progress_set(struct progress *p, const struct progress_view *v);   /* copies v; from one thread */

/* Prometheus text format 0.0.4. */
void progress_metrics(const struct progress_view *v, struct buf *out);
/* "step 120/300  epoch 1.2/3  loss 0.8123  grad 0.5  lr 1.2e-03  evaluation loss 0.91  5301 tokens/s  8 s left" */
void progress_line(const struct progress_view *v, struct buf *out);

struct progress_server;
/* address NULL: 127.0.0.1. port 0: the system picks. */
errc progress_serve(struct progress *p, const char *address, uint16_t port, struct progress_server **out, struct err *e);
uint16_t progress_server_port(const struct progress_server *s);
void progress_server_free(struct progress_server *s);   /* NULL is fine; before progress_free */
DEFINE_AUTO_FREE(progress_server)

#endif
