/*
 * The trainable part: LoRA matrices beside the linears that a configuration names. All values lie in one flat array and all
 * gradients in another, so that optimiser, clipping and checkpoint are loops over floats. Order: the model's linears, A before B.
 * Names follow PEFT: base_model.model.<module path>.lora_A.weight. Sources: Hu et al. 2021; PEFT's matching rules.
 */
#ifndef TUNE_LORA_SET_H
#define TUNE_LORA_SET_H

#include "engine/model.h"
#include "tune/config.h"

struct lora_param {
    const struct linear *linear;
    size_t r;
    float scale;                /* alpha / r, or alpha / sqrt(r) */
    size_t a_at, b_at;          /* A [r, in], B [out, r] in w and g */
};

struct lora_set {
    struct lora_param *params;
    size_t n;
    struct lora_param **of_linear;      /* [model's linears], NULL where there is none */
    size_t n_linears;
    float *w, *g;               /* [total] */
    size_t total, max_rank;
    struct tune_names warnings; /* one line each: names that match nothing */
};

/*
 * default_targets: comma list used when the configuration names none; NULL means every linear layer. ERR_INVALID when nothing
 * matches (naming the modules the model has) or when a rank exceeds its matrix. Release with lora_set_done.
 */
errc lora_set_init(struct lora_set *s, const struct model *m, const struct tune_config *c, const char *default_targets, struct err *e);
void lora_set_done(struct lora_set *s);

/* PEFT's start: A uniform in +-1/sqrt(in), B zero (or uniform when init_lora_weights is false). A function of seed alone. */
void lora_set_fill(struct lora_set *s, uint64_t seed, bool zero_b);
/* From a PEFT folder: the same modules and ranks, else ERR_INVALID naming the difference. */
errc lora_set_load(struct lora_set *s, const char *dir, const struct model *m, struct err *e);

/* "base_model.model.<path>.lora_A.weight", malloc'd. which is 'A' or 'B'. */
char *lora_param_name(const struct lora_param *p, char which);

/* The entry of target_modules that `path` matches: equal, or a tail after a dot. NULL: none. */
const char *lora_match(const char *path, const struct tune_names *targets);

#endif
