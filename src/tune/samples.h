/*
 * What batches are drawn from: samples, each of one example, or of several that packing put side by side.
 * The split into training and evaluation and the packing depend on the examples and the settings alone: a resumed run makes the same.
 */
#ifndef TUNE_SAMPLES_H
#define TUNE_SAMPLES_H

#include "dataset/dataset.h"

struct samples {
    uint32_t *rows;             /* [first[n]] examples, sample by sample */
    uint32_t *first;            /* [n + 1] sample i is rows[first[i]] up to rows[first[i + 1]] */
    size_t n;
    size_t most;                /* examples in the largest sample */
};

/*
 * One sample for each example that train_test_split keeps for training, in the order of the data set, and the others into *held (NULL: dropped).
 * Shares below 1 hold out ceil((1 - share) * examples), drawn by seed.
 */
void samples_split(size_t examples, double train_share, uint64_t seed, struct samples *out, struct samples *held);
void samples_done(struct samples *s);

#endif
