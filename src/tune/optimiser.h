/*
 * AdamW over one flat array of parameters, as torch.optim.AdamW computes it: decoupled decay before the step, bias correction
 * in double, elements in f32. With eight_bit the states of large tensors are kept in 8 bits as bitsandbytes does (tune/adamw8.h).
 * Source: Loshchilov and Hutter 2019. Golden: tests/golden/hf/lora, trainer; tests/golden/tune.
 */
#ifndef TUNE_ADAMW_H
#define TUNE_ADAMW_H

#include "tensor/gemm.h"
#include "tune/adamw8.h"

/* A run of parameters that is one tensor: the unit of 8-bit blocks. */
struct adamw_span { size_t at, n; };

struct adamw {
    double beta1, beta2, epsilon, weight_decay;
    uint64_t step;              /* updates done */
    size_t n;
    float *m, *v;               /* [n_float], owned; zero before the first update */
    size_t n_float;             /* n, or what the small tensors have together */

    /* with 8 bits */
    struct adamw8 *maps;        /* owned; NULL: everything is f32 */
    struct adamw_span *spans;   /* [n_spans], owned */
    size_t n_spans, n_coded, n_blocks;
    uint8_t *m8, *v8;           /* [n_coded], owned: large tensors after each other */
    float *m_scale, *v_scale;   /* [n_blocks], owned */
};

errc adamw_init(struct adamw *o, size_t n, struct err *e);       /* the four settings are the caller's to fill in */
/* The same with 8-bit states. spans cover [0, n) in order; they are copied. */
errc adamw_init8(struct adamw *o, const struct adamw_span *spans, size_t n_spans, struct err *e);
void adamw_done(struct adamw *o);

/* w -= ...; g is read only. weight_decay is for elements below `decayed`. */
void adamw_update(struct compute *c, struct adamw *o, float *w, const float *g, size_t decayed, double learning_rate);

/* The arrays that a checkpoint must hold, by name; n elements of dtype each. Those without elements are left out. */
#define ADAMW_PARTS 6
struct adamw_part { const char *name; enum dtype dtype; void *data; size_t n; };
size_t adamw_parts(const struct adamw *o, struct adamw_part out[ADAMW_PARTS]);

/* The 2-norm of g, summed in f64 in one fixed order; NaN or infinite when an element is. */
double gradient_norm(const float *g, size_t n);
/* g *= max_norm / (norm + 1e-6) when that is below 1 (torch clip_grad_norm_); max_norm 0 clips nothing. */
void gradient_clip(float *g, size_t n, double norm, double max_norm);

#endif
