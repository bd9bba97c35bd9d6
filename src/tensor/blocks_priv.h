/* What blocks.c and blocks_k.c share. */
#ifndef TENSOR_BLOCKS_PRIV_H
#define TENSOR_BLOCKS_PRIV_H

#include "tensor/blocks.h"

/*
 * Readers are compiled for AVX2, too, and the one for this CPU is taken at load. Without FMA: the same bits everywhere.
 * Sanitizers run before such a choice is made, and clang 14 makes none for functions of one file.
 */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define FOR_EACH_CPU __attribute__((target_clones("avx2", "default")))
#else
#define FOR_EACH_CPU
#endif
#define PART_OF_READER static inline __attribute__((always_inline))

static inline float block_half(const uint8_t *p) { return f16_to_f32((uint16_t)(p[0] | p[1] << 8)); }

static inline void block_put_half(uint8_t *p, float f)
{
    uint16_t h = f32_to_f16(f);

    p[0] = (uint8_t)h;
    p[1] = (uint8_t)(h >> 8);
}

/* Scale j < 16 of a Q3_K block. Low four bits of scales 0..7 and 8..15 are the nibbles of bytes 0..7, high two bits are in bytes 8..11. */
PART_OF_READER int block_q3_k_scale(const uint8_t packed[12], unsigned j)
{
    unsigned low = j < 8 ? packed[j] & 15u : packed[j - 8] >> 4u, high = packed[8 + j % 4] >> (j / 4 * 2) & 3u;

    return (int)(low | high << 4) - 32;
}

/* Scale j < 8 of an IQ4_XS block, at its third byte: 16 bits hold the high bit pairs, four bytes the low nibbles. */
PART_OF_READER int block_iq4_xs_scale(const uint8_t packed[6], unsigned j)
{
    unsigned high = packed[0] | (unsigned)packed[1] << 8, low = packed[2 + j / 2] >> (j % 2 * 4) & 15u;

    return (int)(low | (high >> (2 * j) & 3u) << 4) - 32;
}

/* The sixteen values of the non-linear four-bit formats. */
extern const int8_t block_iq4_values[16];

void block_from_q2_k(float *dst, const void *src, size_t blocks);
void block_from_q3_k(float *dst, const void *src, size_t blocks);
void block_from_q4_k(float *dst, const void *src, size_t blocks);
void block_from_q5_k(float *dst, const void *src, size_t blocks);
void block_from_q6_k(float *dst, const void *src, size_t blocks);
void block_from_iq4_xs(float *dst, const void *src, size_t blocks);
void block_to_q4_k(void *dst, const float *src, size_t blocks);

#endif
