/*
 * One forward and backward pass over rows that lie side by side: no padding, no attention from row to row, so the result is
 * that of rows padded into a batch. Base weights are frozen; gradients are ADDED to those of the LoRA set.
 *
 * Letters as in engine/kernels.h. What a layer's backward needs is kept (fast) or computed again from the layer's input
 * (checkpointing): the same operations in the same order, so the same bits. Which of the two, whether 4-bit weights are expanded
 * once, and how many tokens fit in a pass depend on sizes and settings alone, never on free memory: a resumed run repeats them.
 *
 * A pass belongs to one thread. It borrows model and set.
 */
#ifndef TUNE_PASS_H
#define TUNE_PASS_H

#include "tune/lora_set.h"

enum tune_memory { TUNE_MEMORY_AUTO, TUNE_MEMORY_FAST, TUNE_MEMORY_LOW };

struct pass_opts {
    int threads;                    /* 0: one per CPU */
    enum gemm_math math;            /* of products with base weights; LoRA products are always f32 */
    enum tune_memory memory;
    bool checkpointing_allowed;     /* TrainingArguments.gradient_checkpointing */
    size_t longest_row;             /* tokens */
    float dropout;
    uint64_t seed;                  /* of dropout masks */
};

struct pass;

/* ERR_UNSUPPORTED: a family that cannot be tuned yet, by name; ERR_TOO_LARGE. */
errc pass_new(const struct model *m, struct lora_set *loras, const struct pass_opts *o, struct pass **out, struct err *e);
void pass_free(struct pass *p);
DEFINE_AUTO_FREE(pass)
size_t pass_max_tokens(const struct pass *p);       /* rows are grouped up to this; a single longer row is an error */
bool pass_checkpointing(const struct pass *p);
struct compute *pass_compute(struct pass *p);
size_t pass_bytes(const struct pass *p);            /* of activations and expanded weights */

struct pass_row {
    const int32_t *ids, *labels;    /* n each; labels[i] belongs to ids[i] and is predicted from what is before it; < 0: not learnt */
    size_t n;
    size_t rope_length;             /* the length transformers would see: of the longest row in the row's micro-batch */
};

/*
 * Runs rows (together at most pass_max_tokens). step and first_token (the number of the first token within the step) place dropout
 * masks. weight multiplies the summed loss before differentiation: 1 / label tokens of the step. backward false: the loss alone.
 * *out_loss is the sum of -log p over label tokens, unweighted.
 */
errc pass_run(struct pass *p, const struct pass_row *rows, size_t n, uint64_t step, uint64_t first_token, float weight,
              bool backward, double *out_loss, struct err *e);

/* Label tokens of a row: those after the first with a label >= 0. */
size_t pass_row_labels(const struct pass_row *r);

#endif
