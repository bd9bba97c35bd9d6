/*
 * Frozen weights in 8 bits as bitsandbytes' LLM.int8 keeps them: each row's values as f16, times 127 / the row's largest magnitude, rounded to the
 * nearest whole number (ties to even). Training multiplies by the expanded matrix, as bitsandbytes does on a CPU; activations are not
 * rounded. Source: Dettmers et al. 2022.
 */
#ifndef TUNE_INT8_H
#define TUNE_INT8_H

#include "tensor/gemm.h"

struct int8_weight {
    size_t out, in;
    int8_t *q;                  /* [out, in], owned; NULL: this matrix is not in 8 bits */
    float *largest;             /* [out], owned */
};

errc int8_from_weight(struct compute *c, const struct weight *w, struct int8_weight *out, struct err *e);
void int8_done(struct int8_weight *w);
/* The matrix as dense values of dtype F32 or BF16 into dst [out, in]; bf16 rounds values also when they are held as F32. */
void int8_expand(struct compute *c, const struct int8_weight *w, enum dtype dtype, bool bf16, void *dst);

#endif
