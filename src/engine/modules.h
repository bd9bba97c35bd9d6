/*
 * The modules of a decoder that have parameters of their own, by their Hugging Face paths: what an adapter may name.
 * In order: embedding, linears, norms of the layers, last norm, head.
 */
#ifndef ENGINE_MODULES_H
#define ENGINE_MODULES_H

#include "engine/model.h"

/* weight NULL: a norm, whose vector has `rows` elements. bias [rows] or NULL. All of it is lent while it is visited. */
struct module {
    const void *part;               /* struct linear or struct norm of the model; &model->embed, &model->head */
    const char *path;
    const struct weight *weight;
    const float *vector, *bias;
    size_t rows, cols;              /* cols 0: a vector */
};

typedef errc module_fn(void *self, const struct module *x, struct err *e);

/* An error of fn ends it. */
errc model_visit_modules(const struct model *m, module_fn *fn, void *self, struct err *e);

#endif
