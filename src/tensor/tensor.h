/*
 * Number formats and views of n-dimensional arrays. A tensor here is a view: it owns nothing, is row-major,
 * little-endian and may be unaligned (a mapped file promises nothing), so elements are read with memcpy-safe loads.
 */
#ifndef TENSOR_TENSOR_H
#define TENSOR_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"

/* name as safetensors writes it, bits per element. Sub-byte formats are not read. */
#define DTYPES(X)                                                                   \
    X(F32, 32) X(BF16, 16) X(F16, 16) X(F64, 64)                                    \
    X(U8, 8) X(I8, 8) X(BOOL, 8) X(F8_E4M3, 8) X(F8_E5M2, 8)                        \
    X(I16, 16) X(U16, 16) X(I32, 32) X(U32, 32) X(I64, 64) X(U64, 64)

enum dtype {
#define X(name, bits) DTYPE_##name,
    DTYPES(X)
#undef X
    DTYPE_COUNT_
};

const char *dtype_name(enum dtype d);                           /* "BF16" */
size_t dtype_size(enum dtype d);                                /* bytes of one element */
bool dtype_parse(struct str name, enum dtype *out);             /* safetensors names */
bool dtype_parse_torch(struct str name, enum dtype *out);       /* "bfloat16", "float16", "float32", also with "torch." */

#define TENSOR_DIMS_MAX 8

struct tensor {
    enum dtype dtype;
    size_t ndim;
    size_t shape[TENSOR_DIMS_MAX];
    size_t len;                 /* elements: the product of shape */
    const void *data;           /* len * dtype_size bytes, borrowed */
};

/* "[3072, 9216]" for messages; out is NUL-terminated. */
#define TENSOR_SHAPE_TEXT_MAX 192
const char *tensor_shape_text(const struct tensor *t, char out[TENSOR_SHAPE_TEXT_MAX]);

/* ── conversions. bf16 and f16 round to nearest even; NaN stays NaN ── */

static inline float bf16_to_f32(uint16_t h)
{
    uint32_t u = (uint32_t)h << 16;
    float f;

    memcpy(&f, &u, sizeof f);
    return f;
}

static inline uint16_t f32_to_bf16(float f)
{
    uint32_t u;

    memcpy(&u, &f, sizeof u);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)((u >> 16) | 0x40u);
    return (uint16_t)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

/* The float that bf16 can hold nearest to f. */
static inline float f32_round_bf16(float f) { return bf16_to_f32(f32_to_bf16(f)); }

float f16_to_f32(uint16_t h);
uint16_t f32_to_f16(float f);

/* dst[n] f32 from src[n] of a floating-point dtype (F32, BF16, F16, F64); ERR_UNSUPPORTED for the others. */
errc dtype_to_f32(float *dst, const void *src, enum dtype from, size_t n, struct err *e);
/* The first of src[n] that is infinite or not a number, n when there is none. F32, BF16 and F16; others count as finite. */
size_t dtype_find_not_finite(const void *src, enum dtype d, size_t n);
/* dst[n] f64 from src[n] of any dtype but the 8-bit floats, for looking at values. ERR_UNSUPPORTED for those. */
errc dtype_to_f64(double *dst, const void *src, enum dtype from, size_t n, struct err *e);
/* dst[n] of F32, BF16 or F16 from src[n] f32. */
errc dtype_from_f32(void *dst, enum dtype to, const float *src, size_t n, struct err *e);

#endif
