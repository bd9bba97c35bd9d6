/* What a model's config.json asks of training alone. */
#ifndef TUNE_BASE_CONFIG_H
#define TUNE_BASE_CONFIG_H

#include "base/err.h"
#include "base/str.h"
#include "tune/dropouts.h"

struct base_config {
    struct dropouts drops;
    double balance;             /* router_aux_loss_coef of Mixtral where output_router_logits asks for it; else 0 */
    struct buf without_effect;  /* a line, with its end, for each key that asks for something this family does not have */
};

/* Of MODEL_DIR/config.json; release with base_config_done, also after an error. */
errc base_config_read(const char *model_dir, struct base_config *out, struct err *e);
void base_config_done(struct base_config *c);

#endif
