/*
 * What batches are drawn from: samples, each of one example, or of several that packing put side by side.
 * The split into training and evaluation and the packing depend on the examples and the settings alone: a resumed run makes the same.
 */
#ifndef TUNE_SAMPLES_H
#define TUNE_SAMPLES_H

#include "dataset/dataset.h"

struct samples {
    const struct examples *x;   /* what rows count in: borrowed, or own */
    struct examples *own;       /* made by packing; NULL: none */
    uint32_t *rows;             /* [first[n]] examples, sample by sample; NULL: all, in their order */
    uint32_t *first;            /* [n + 1] sample i is rows[first[i]] up to rows[first[i + 1]]; NULL: samples of one example each */
    size_t n;
    size_t most;                /* examples in the largest sample */
    size_t longest;             /* tokens of the longest example */
};

/* Where in rows the examples of sample i begin; i = n: the end of all. */
static inline uint32_t samples_first(const struct samples *s, size_t i) { return s->first ? s->first[i] : (uint32_t)i; }
static inline uint32_t samples_row(const struct samples *s, size_t place) { return s->rows ? s->rows[place] : (uint32_t)place; }
static inline struct example samples_example(const struct samples *s, size_t place) { return examples_get(s->x, samples_row(s, place)); }

/*
 * One sample for each example that train_test_split keeps for training, in the order of the data set, and the others into *held.
 * Shares below 1 hold out ceil((1 - share) * examples), drawn by seed.
 */
void samples_split(const struct examples *x, double train_share, uint64_t seed, struct samples *out, struct samples *held);
void samples_done(struct samples *s);
/* Tokens of the largest sample. */
size_t samples_largest(const struct samples *s);

/*
 * TRL's three ways to put samples of one example into samples of at most `length` tokens, a thousand at a time as TRL does.
 * Examples of a sample do not see each other, except those that SAMPLES_WRAPPED cuts a continuous text into.
 */
enum samples_packing {
    SAMPLES_BFD,                /* best fit, longest first; longer examples were cut before */
    SAMPLES_BFD_SPLIT,          /* the same with longer examples split into several */
    SAMPLES_WRAPPED,            /* all tokens in a row, cut every `length` */
    SAMPLES_CUT,                /* no packing: what is beyond `length` goes */
};
errc samples_pack(struct samples *s, enum samples_packing how, size_t length, const char *scratch_dir, struct err *e);

#endif
