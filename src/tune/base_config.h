/* What a model's config.json asks of training alone, and training does not do. */
#ifndef TUNE_BASE_CONFIG_H
#define TUNE_BASE_CONFIG_H

#include "base/err.h"
#include "base/str.h"

/* A line, with its end, for each key of MODEL_DIR/config.json that changes what transformers computes in train mode and has no effect here. */
errc base_config_without_effect(const char *model_dir, struct buf *out, struct err *e);

#endif
