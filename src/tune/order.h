/*
 * In which order an epoch's samples come: a permutation drawn from a seed and the epoch's number, or that of the file; with group_by_length
 * near neighbours are alike in length. A function of its arguments: a resumed run repeats it.
 */
#ifndef TUNE_ORDER_H
#define TUNE_ORDER_H

#include "tune/samples.h"

/*
 * Puts order [n] of samples into stretches of 50 steps (fewer where n is small), the longest first in each, and the longest of all at the very
 * start, where running out of memory shows at once. per_step: samples of a step. Source: transformers' LengthGroupedSampler.
 */
void order_by_length(const struct samples *s, size_t per_step, uint32_t *order, size_t n);

#endif
