/*
 * NEFTune: uniform noise on the embeddings of training rows, in +- alpha / sqrt(tokens * width), where tokens is what the row is padded to.
 * Noise is a function of (seed, step, token, column). Source: Jain et al. 2023, as transformers computes it.
 */
#ifndef TUNE_NEFTUNE_H
#define TUNE_NEFTUNE_H

#include <stddef.h>
#include <stdint.h>

/* x [rows, width] += noise. first_token: the row's place within the step. */
void neftune_add(float *x, size_t rows, size_t width, size_t padded, float alpha, uint64_t seed, uint64_t step, uint64_t first_token);

#endif
