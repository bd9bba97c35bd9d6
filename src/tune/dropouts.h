/*
 * What a base drops, or disturbs, of itself while it is trained, as its config.json asks; all zero: nothing. Rates are from 0 to below 1; what
 * stays is scaled by 1 / (1 - rate).
 */
#ifndef TUNE_DROPOUTS_H
#define TUNE_DROPOUTS_H

#include <stdbool.h>

struct dropouts {
    float embed;                /* of embedded tokens */
    float probabilities;        /* of attention, after softmax */
    float attn_block, mlp_block;        /* of what attention and MLP give, before the residual sum; families without norms behind blocks */
    bool one_mask;              /* both blocks, side by side, are dropped as one sum: their rates are equal */
    float jitter;               /* a router and its experts see their input times a number from 1 - jitter to 1 + jitter */
};

#endif
