/*
 * What turns gradients into steps, over one flat array of parameters: AdamW as torch.optim.AdamW computes it, and the others that
 * TrainingArguments.optim may name, as torch, transformers and bitsandbytes compute them. Bias corrections in double, elements in f32.
 * With eight bits the states of large tensors are kept as bitsandbytes does (tune/adamw8.h).
 * Source: Loshchilov and Hutter 2019 (AdamW), Chen et al. 2023 (Lion), Shazeer and Stern 2018 (Adafactor). Golden: tests/golden/hf/lora, trainer;
 * tests/golden/tune.
 */
#ifndef TUNE_OPTIMISER_H
#define TUNE_OPTIMISER_H

#include "tensor/gemm.h"
#include "tune/adamw8.h"
#include "tune/config.h"

/* A run of parameters that is one tensor [n / cols, cols], or a vector with cols 0: the unit of 8-bit blocks, and of Adafactor's rows and columns. */
struct optimiser_span { size_t at, n, cols; };

struct optimiser {
    enum tune_optimiser rule;
    struct tune_optimiser_args args;
    double beta1, beta2, epsilon, weight_decay;
    uint64_t step;              /* updates done */
    size_t n;
    float *m, *v;               /* [n_float], owned; zero before the first update; what they hold is the rule's */
    size_t n_float;             /* n, or what the small tensors have together */
    struct optimiser_span *spans;       /* [n_spans], owned; none with optimiser_init */
    size_t n_spans;

    /* with 8 bits */
    struct adamw8 *maps;        /* owned; NULL: everything is f32 */
    size_t n_coded, n_blocks;
    uint8_t *m8, *v8;           /* [n_coded], owned: large tensors after each other */
    float *m_scale, *v_scale;   /* [n_blocks], owned */
};

errc optimiser_init(struct optimiser *o, size_t n, struct err *e);       /* rule, args and the four settings are the caller's to fill in */
/* The same for tensors, with states in f32 or 8 bits (not Adafactor's). spans cover [0, n) in order; they are copied. */
errc optimiser_init_spans(struct optimiser *o, const struct optimiser_span *spans, size_t n_spans, bool eight_bit, struct err *e);
void optimiser_done(struct optimiser *o);

/* w -= ...; g is read only. weight_decay is for elements below `decayed`. */
void optimiser_update(struct compute *c, struct optimiser *o, float *w, const float *g, size_t decayed, double learning_rate);

/* The arrays that a checkpoint must hold, by name; n elements of dtype each. Those without elements are left out. */
#define OPTIMISER_PARTS 6
struct optimiser_part { const char *name; enum dtype dtype; void *data; size_t n; };
size_t optimiser_parts(const struct optimiser *o, struct optimiser_part out[OPTIMISER_PARTS]);

/* The 2-norm of g, summed in f64 in one fixed order; NaN or infinite when an element is. */
double gradient_norm(const float *g, size_t n);
/* g *= max_norm / (norm + 1e-6) when that is below 1 (torch clip_grad_norm_); max_norm 0 clips nothing. */
void gradient_clip(float *g, size_t n, double norm, double max_norm);

#endif
