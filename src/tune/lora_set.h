/*
 * The trainable part: LoRA matrices beside the linears, head and embedding that a configuration names (with DoRA a magnitude each), and tensors of the base that
 * are trained themselves (bias, modules_to_save). All values lie in one flat array and all gradients in another, so that optimiser,
 * clipping and checkpoint are loops over floats. Order: the model's linears, A before B before the magnitude; then whole matrices; then what
 * no weight decay touches: biases and norms.
 * Names follow PEFT: base_model.model.<module path>.lora_A.weight. Sources: Hu et al. 2021; Liu et al. 2024 (DoRA); PEFT's matching rules.
 */
#ifndef TUNE_LORA_SET_H
#define TUNE_LORA_SET_H

#include "engine/adapter.h"
#include "tune/config.h"

struct lora_param {
    const struct linear *linear;        /* model_adaptable() */
    const struct weight *table; /* of the embedding, [in, out] with the vocabulary as in, and PEFT has names of its own for it; NULL: of a linear */
    size_t r;
    float scale;                /* alpha / r, or alpha / sqrt(r) */
    size_t a_at, b_at;          /* A [r, in], B [out, r] in w and g */
    bool dora;
    size_t m_at;                /* DoRA: length of each row of W + scale B A, [out] */
};

/* A tensor of the base that is trained itself. */
struct own_param {
    const void *part;           /* struct linear or struct norm of the model; &model->embed, &model->head, &model->head_bias */
    bool bias;                  /* its bias, else its weight */
    size_t at, rows, cols;      /* in w and g; cols 0: a vector of rows elements */
    char *name;                 /* PEFT's, owned */
};

struct lora_set {
    struct lora_param *params;
    size_t n;
    struct lora_param **of_linear;      /* [model_adaptables()], NULL where there is none */
    struct own_param *own;      /* in the order of at, which is the model's: a resumed run has the same */
    const struct own_param **own_by_part;       /* the same n_own, to be searched */
    size_t n_own;
    float *w, *g;               /* [total] */
    size_t total, max_rank;
    size_t decayed;             /* weight decay is for elements below */
    bool any_dora;
    struct tune_names warnings; /* one line each: names that match nothing */
};

/*
 * default_targets: comma list used when the configuration names none; NULL means every linear layer. ERR_INVALID when nothing
 * matches (naming the modules the model has) or when a rank exceeds its matrix. Own tensors and magnitudes begin as the base has them.
 * Release with lora_set_done.
 */
errc lora_set_init(struct lora_set *s, const struct model *m, const struct tune_config *c, const char *default_targets, struct err *e);
void lora_set_done(struct lora_set *s);

/*
 * PEFT's start: A uniform in +-1/sqrt(in), B zero (or uniform when init_lora_weights is false), magnitudes as W + scale B A has them; of an
 * embedding A zero (or normal), B normal. A function of seed alone.
 */
void lora_set_fill(struct lora_set *s, uint64_t seed, bool zero);
/* From a PEFT folder: the same modules, ranks and own tensors, else ERR_INVALID naming the difference. After an error s is half read. */
errc lora_set_load(struct lora_set *s, const char *dir, const struct model *m, struct err *e);


/* One tensor of the adapter's file, and its place in w and g; all of them, in the order of places, cover [0, total). cols 0: a vector. */
struct lora_tensor { char *name; size_t at, rows, cols; };
struct lora_tensor *lora_tensors(const struct lora_set *s, size_t *out_n);
void lora_tensors_free(struct lora_tensor *t, size_t n);
static inline size_t lora_tensor_len(const struct lora_tensor *t) { return t->cols ? t->rows * t->cols : t->rows; }

/* NULL: not trained. */
const struct own_param *lora_set_own(const struct lora_set *s, const void *part, bool bias);

/* p's factors as the engine has them, lent. */
struct lora lora_param_factors(const struct lora_set *s, const struct lora_param *p);

/* The entry of target_modules that `path` matches: equal, or a tail after a dot. NULL: none. */
const char *lora_match(const char *path, const struct tune_names *targets);

#endif
