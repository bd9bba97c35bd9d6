/* Loading one weight: what model.c asks of weight_load.c. Errors name file and tensor, and are left in l->e. */
#ifndef ENGINE_WEIGHT_LOAD_H
#define ENGINE_WEIGHT_LOAD_H

#include "engine/priv.h"
#include "engine/source.h"

struct loader {
    struct model *m;
    const struct model_opts *o;
    struct source *source;
    int64_t told_us;            /* when o->loading was called last, or loading began */
    bool checks_values;         /* looks at every element; large checkpoints are mapped and stay unread until used */
    struct err *e;
};

/* A vector as f32: norms and biases. *out [n] is the caller's, also after an error. */
errc weight_load_vector(struct loader *l, const char *name, size_t n, float **out);
/* A matrix [out, in] as it lies in the file, blocks included; its values are not looked at. *found is what was there. */
errc weight_load_dense(struct loader *l, const char *name, size_t out, size_t in, struct weight *w, struct source_tensor *found);
/* The matrix of a linear: quantised as the options ask, or as the file has it. */
errc weight_load_linear(struct loader *l, const char *name, size_t out, size_t in, struct weight *w);

/* CORRUPT, naming the first element that is infinite or not a number. Of what was loaded: only where the loader looks at values. */
errc weight_check_finite(const char *file, const char *name, const struct weight *w, struct err *e);
errc weight_check_loaded(const struct loader *l, const char *name, const struct weight *w);

/* Whether the options ask for panels of our own; makes them of a dense matrix. */
bool quantizes_to_panels(const struct loader *l);
errc weight_to_panels(const struct loader *l, const char *name, struct weight *w);
/* The same numbers in the order that products with 8-bit activations read; what there are no panels for stays mapped. */
errc weight_blocks_to_panels(const struct loader *l, const char *name, struct weight *w);

#endif
