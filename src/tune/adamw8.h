/*
 * AdamW's two states in 8 bits, as bitsandbytes' AdamW8bit keeps them: blocks of 256 elements with a largest value each, and the nearest of
 * 256 numbers of the dynamic map (signed for the mean, unsigned for the square). Source: Dettmers et al. 2022.
 */
#ifndef TUNE_ADAMW8_H
#define TUNE_ADAMW8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADAMW8_BLOCK 256
#define ADAMW8_MIN   4096       /* tensors of fewer elements keep their states in f32 */

struct adamw8 {
    float signed_map[256], unsigned_map[256];
};

void adamw8_init(struct adamw8 *m);
/* x [n], n <= ADAMW8_BLOCK: codes [n] and *scale, the largest magnitude. */
void adamw8_quantise(const float map[256], const float *x, size_t n, uint8_t *codes, float *scale);
void adamw8_expand(const float map[256], const uint8_t *codes, float scale, size_t n, float *x);

#endif
