/*
 * NF4 and FP4: four bits per weight, blocks of 64 with one absolute maximum, bit for bit as bitsandbytes does it. They differ in the code:
 * quantiles of the normal distribution, or a floating point number of two bits of exponent and one of mantissa.
 * A matrix [out, in] is flattened row-major; element i is the high nibble of byte i/2 when i is even, else the low one;
 * w = code[nibble] * absmax[i / 64], rounded to the dtype the matrix had before (bitsandbytes does so as well).
 * With double quantisation absmax itself is stored in 8 bits per block of 256: map[q] * nested_absmax[i/256] + offset.
 * Source: Dettmers et al. 2023 (QLoRA); github.com/bitsandbytes-foundation/bitsandbytes. Golden: tests/golden/hf/nf4,
 * tests/golden/tune/fp4.safetensors.
 */
#ifndef TENSOR_NF4_H
#define TENSOR_NF4_H

#include "tensor/safetensors.h"
#include "tensor/tensor.h"

#define NF4_BLOCK           64
#define NF4_NESTED_BLOCK    256

extern const float nf4_code[16], fp4_code[16];
void nf4_dynamic_map(float out[256]);           /* the signed 8-bit map of double quantisation */

struct nf4 {
    size_t n;                   /* elements */
    const float *code;          /* nf4_code or fp4_code */
    enum dtype dtype;           /* of the matrix before: BF16, F16 or F32; dequantised values are rounded to it */
    const uint8_t *packed;      /* [(n + 1) / 2] */
    const float *absmax;        /* [(n + 63) / 64], after undoing double quantisation */
    void *owned_packed, *owned_absmax;          /* what nf4_done frees; NULL when packed lies in a mapped file */
};

static inline size_t nf4_blocks(size_t n) { return (n + NF4_BLOCK - 1) / NF4_BLOCK; }

/* Pure kernels. src [n] f32 -> packed [(n+1)/2], absmax [blocks]; code: nf4_code or fp4_code. */
void nf4_quantize(const float code[16], uint8_t *packed, float *absmax, const float *src, size_t n);
/* absmax [n] f32 -> q [n], nested [ceil(n/256)], *offset; and back. */
void nf4_nest(uint8_t *q, float *nested, float *offset, const float *absmax, size_t n);
void nf4_unnest(float *absmax, const uint8_t *q, const float *nested, float offset, const float map[256], size_t n);
/* Elements [first, first + n) of q as f32. */
void nf4_dequantize(const struct nf4 *q, float *dst, size_t first, size_t n);

/*
 * Quantises src (F32, BF16, F16). double_quant: absmax goes through its 8-bit form and back, so that numbers equal those
 * of bnb_4bit_use_double_quant. threads >= 1 splits blocks; the result does not depend on it. ERR_CORRUPT names the place of an element
 * that is infinite or not a number.
 */
errc nf4_from_tensor(const struct tensor *src, const float code[16], bool double_quant, int threads, struct nf4 *out, struct err *e);
/*
 * A pre-quantised weight `name` ("model.layers.0.mlp.down_proj.weight") of a bitsandbytes checkpoint: packed bytes stay
 * mapped in s. *out_rows, *out_cols from its quant_state. ERR_NOT_FOUND when s holds no quant_state for it.
 */
errc nf4_from_checkpoint(const struct safetensors *s, const char *name, struct nf4 *out, size_t *out_rows,
                         size_t *out_cols, struct err *e);
void nf4_done(struct nf4 *q);
char *nf4_state_name(const struct safetensors *s, const char *name);    /* of the quant_state tensor of `name`, there or not; malloc'd */

#endif
