/* What the files of the set share: tensors of the base that are trained themselves (own_params.c). */
#ifndef TUNE_LORA_SET_PRIV_H
#define TUNE_LORA_SET_PRIV_H

#include "tune/lora_set.h"

/* Whether modules_to_save names this module. */
bool own_wanted(const struct tune_config *c, const char *path);
/* After the LoRA matrices: gives every own tensor its place. ERR_INVALID: a name that matches nothing, or what cannot be trained. */
errc own_add(struct lora_set *s, const struct model *m, const struct tune_config *c, struct err *e);
/* The base's values. */
void own_fill(struct lora_set *s, const struct model *m);

#endif
