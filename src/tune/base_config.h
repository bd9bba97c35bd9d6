/* What a model's config.json asks of training alone: what is done, and what is not. */
#ifndef TUNE_BASE_CONFIG_H
#define TUNE_BASE_CONFIG_H

#include "base/err.h"
#include "base/str.h"

struct base_config {
    double resid_dropout;       /* resid_pdrop of Phi-2 and Phi-3: of what attention and MLP give, before the residual sum */
    double embed_dropout;       /* embd_pdrop of Phi-2: of embedded tokens; Phi-3 has the key, and transformers drops nothing by it */
    double balance;             /* router_aux_loss_coef of Mixtral where output_router_logits asks for it; else 0 */
    struct buf without_effect;  /* a line, with its end, for each key that changes what transformers computes in train mode and has no effect here */
};

/* Of MODEL_DIR/config.json; release with base_config_done, also after an error. */
errc base_config_read(const char *model_dir, struct base_config *out, struct err *e);
void base_config_done(struct base_config *c);

#endif
