/*
 * AdamW over one flat array of parameters, as torch.optim.AdamW computes it: decoupled decay before the step, bias correction
 * in double, elements in f32. Source: Loshchilov and Hutter 2019. Golden: tests/golden/hf/lora, trainer.
 */
#ifndef TUNE_ADAMW_H
#define TUNE_ADAMW_H

#include "tensor/gemm.h"

struct adamw {
    double beta1, beta2, epsilon, weight_decay;
    uint64_t step;              /* updates done */
    float *m, *v;               /* [n], owned; zero before the first update */
    size_t n;
};

errc adamw_init(struct adamw *o, size_t n, struct err *e);       /* the four settings are the caller's to fill in */
void adamw_done(struct adamw *o);

/* w -= ...; g is read only. weight_decay is for elements below `decayed`. */
void adamw_update(struct compute *c, struct adamw *o, float *w, const float *g, size_t decayed, double learning_rate);

/* The 2-norm of g, summed in f64 in one fixed order; NaN or infinite when an element is. */
double gradient_norm(const float *g, size_t n);
/* g *= max_norm / (norm + 1e-6) when that is below 1 (torch clip_grad_norm_); max_norm 0 clips nothing. */
void gradient_clip(float *g, size_t n, double norm, double max_norm);

#endif
