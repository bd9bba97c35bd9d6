/*
 * The block formats of GGUF files: a row of a matrix is cut into blocks of 32 or 256 elements, each a few bytes with scales
 * of its own. Rows hold whole blocks. Little-endian; blocks may lie at any address.
 * Source: GGUF's specification and ggml's type table. Golden: tests/golden/gguf, recorded from PyPI's `gguf`.
 *
 * Layouts (d, m, dmin are f16; all dequantise in f32 without rounding in between):
 *   Q4_0  32 in 18:  d, 16 bytes; element j the low nibble of byte j, j + 16 its high one;  w = d (q - 8)
 *   Q4_1  32 in 20:  d, m, 16 bytes as Q4_0;  w = d q + m
 *   Q5_0  32 in 22:  d, 32 fifth bits, 16 bytes as Q4_0;  w = d (q - 16)
 *   Q5_1  32 in 24:  d, m, 32 fifth bits, 16 bytes as Q4_0;  w = d q + m
 *   Q8_0  32 in 34:  d, 32 signed bytes;  w = d q
 *   Q2_K 256 in 84:  16 bytes scale | min << 4, 64 bytes, d, dmin;  w = d scale q - dmin min, 16 elements to a scale
 *   Q3_K 256 in 110: 32 bytes third bits, 64 bytes, 16 six-bit scales in 12 bytes, d;  w = d (scale - 32) (q - 4)
 *   Q4_K 256 in 144: d, dmin, 8 six-bit scales and mins in 12 bytes, 128 bytes;  w = d scale q - dmin min
 *   Q5_K 256 in 176: d, dmin, 12 bytes as Q4_K, 32 bytes fifth bits, 128 bytes;  as Q4_K
 *   Q6_K 256 in 210: 128 bytes low nibbles, 64 bytes high bit pairs, 16 signed scales, d;  w = d scale (q - 32)
 *   IQ4_NL 32 in 18: as Q4_0 with w = d table[q];  IQ4_XS 256 in 136: d, 8 six-bit scales, 128 bytes
 */
#ifndef TENSOR_BLOCKS_H
#define TENSOR_BLOCKS_H

#include "tensor/tensor.h"

enum { BLOCK_ELEMENTS_MAX = 256 };

struct block_format {
    const char *name;           /* as GGUF tools write it: "Q4_K" */
    uint32_t type;              /* its number in a GGUF file */
    uint16_t elements, bytes;   /* of one block */
    void (*dequantize)(float *dst, const void *src, size_t blocks);             /* dst [blocks * elements] */
    void (*quantize)(void *dst, const float *src, size_t blocks);               /* NULL: only read */
};

/* NULL when there is none. F32, F16 and BF16 are rows with one element to a block. */
const struct block_format *block_format_by_type(uint32_t type);
const struct block_format *block_format_by_name(const char *name);
const struct block_format *block_format_at(size_t i);           /* in table order; NULL past the end */
/* The plain number format this row is; false for real blocks. */
bool block_format_dtype(const struct block_format *f, enum dtype *out);

/* Bytes of n elements, n a multiple of f->elements. */
static inline size_t block_bytes(const struct block_format *f, size_t n) { return n / f->elements * f->bytes; }

/*
 * The scale j < 8 and min of a Q4_K or Q5_K block from its 12 packed bytes: six bits each. Those of 0..3 fill the low six
 * bits of bytes 0..3 and 4..7; of 4..7 the low four bits are in bytes 8..11, the high two on top of bytes 0..7.
 */
static inline void block_k4_scale(const uint8_t packed[12], unsigned j, uint8_t *scale, uint8_t *min)
{
    if (j < 4) {
        *scale = packed[j] & 63;
        *min = packed[j + 4] & 63;
    } else {
        *scale = (uint8_t)((packed[j + 4] & 15) | (packed[j - 4] >> 6 << 4));
        *min = (uint8_t)((packed[j + 4] >> 4) | (packed[j] >> 6 << 4));
    }
}

#endif
