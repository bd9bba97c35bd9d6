/*
 * A model folder with the adapter in its weights: W + scale B A (with DoRA stretched to its magnitudes) and what was trained as a whole, in the
 * data type that each weight has. Files are copied one by
 * one, each written beside its name and renamed; weights are patched a few rows at a time, so that memory does not grow with the model.
 * A 4-bit run merges into the weights that the folder holds, not into what they were quantised to.
 */
#ifndef TUNE_MERGE_H
#define TUNE_MERGE_H

#include "tune/lora_set.h"

/* ERR_UNSUPPORTED, by name, for bases that are quantised on disk, and for an embedding or head trained apart from the matrix that both are. */
errc merge_supports(const struct lora_set *s, const struct model *m, struct err *e);
/* dir is made; files in it that the model has, too, are replaced. MERGE_LAST goes first and comes last: with it the folder is whole. */
#define MERGE_LAST "config.json"
errc merge_write(const char *model_dir, const char *dir, const struct lora_set *s, struct err *e);

#endif
