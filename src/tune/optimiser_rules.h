/* How one step moves one parameter, for each rule; private to the optimiser. */
#ifndef TUNE_OPTIMISER_RULES_H
#define TUNE_OPTIMISER_RULES_H

#include "tune/optimiser.h"

/* Numbers of a step, as elements need them. */
struct step {
    float rate;
    float keep;                 /* 1 - rate * weight_decay */
    float decay;                /* weight_decay, where it is a part of the gradient */
    float beta1, beta2, one_minus_beta1, one_minus_beta2;
    float adam_rate, root_correction2, epsilon;
    float momentum, undamped, alpha, one_minus_alpha;   /* undamped: 1 - dampening, or 1 at the first step */
    bool nesterov;
};

struct step step_of(const struct optimiser *o, double learning_rate);

/* w, m, v, g [n] of one tensor, or of a part of one; keep and decay as the part's weight decay has them. */
typedef void rule_fn(float *restrict w, float *restrict m, float *restrict v, const float *restrict g, size_t n, struct step s);
/* NULL: the rule looks at whole tensors. */
rule_fn *rule_of(enum tune_optimiser rule);

/* Adafactor of one tensor [n / cols, cols], or vector (cols 0). m keeps the rows' means, v those of columns, or v all. */
void adafactor_update(float *w, float *m, float *v, const float *g, size_t n, size_t cols, uint64_t number, const struct step *s);

#endif
