/* The loss on rows that are not trained on, as transformers' Trainer computes eval_loss. */
#ifndef TUNE_EVALUATE_H
#define TUNE_EVALUATE_H

#include "tune/backprop.h"
#include "tune/samples.h"

/*
 * *out_loss: the mean over samples of the mean loss per label token of their batch; batches of `batch` samples in order. Batches without a
 * label token count for nothing, nor does a last one that is not full with drop_last. Without dropout and noise; gradients and weights stay as they are.
 * held->n >= 1.
 */
errc evaluate(struct backprop *pass, const struct samples *held, size_t batch, bool drop_last, double *out_loss, struct err *e);
/* Of how many samples that is. */
size_t evaluate_count(const struct samples *held, size_t batch, bool drop_last);

#endif
