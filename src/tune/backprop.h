/*
 * One forward and backward pass over rows that lie side by side: no padding, no attention from row to row, so the result is
 * that of rows padded into a batch. Base weights are frozen; gradients are ADDED to those of the LoRA set.
 *
 * Letters as in engine/kernels.h. What a layer's backward needs is kept (fast) or computed again from the layer's input
 * (checkpointing): the same operations in the same order, so the same bits. Between them, with bf16 products, the wide activations are
 * kept rounded to bf16: all of them, or (with checkpointing) queries, keys and values. Which of these, whether 4-bit weights are expanded once, and how many tokens fit in a pass depend on sizes and
 * settings alone, never on free memory: a resumed run repeats them.
 *
 * A pass belongs to one thread. It borrows model and set.
 */
#ifndef TUNE_BACKPROP_H
#define TUNE_BACKPROP_H

#include "tune/dropouts.h"
#include "tune/lora_set.h"

enum tune_memory { TUNE_MEMORY_AUTO, TUNE_MEMORY_FAST, TUNE_MEMORY_LOW };

struct backprop_opts {
    int threads;                    /* 0: one per CPU */
    enum gemm_math math;            /* of products with base weights; LoRA products are always f32 */
    enum tune_memory memory;
    bool int8;                      /* frozen linears but routers are kept in 8 bits */
    bool checkpointing_allowed;     /* TrainingArguments.gradient_checkpointing */
    size_t longest_row;             /* tokens */
    size_t acts_limit;              /* bytes of activations and buffers that "auto" may keep in f32, twice as many with bf16, and checkpointing at all; 0: 1 GiB */
    float dropout;
    struct dropouts base;
    float balance;                  /* router_aux_loss_coef: this share of the loss that evens the use of experts is added; the rows of a call are a micro-batch */
    float smoothing;                /* label_smoothing_factor: this share of the loss is the mean over the vocabulary */
    float neftune;                  /* neftune_noise_alpha: noise on embeddings while training; 0: none */
    uint64_t seed;                  /* of dropout masks and noise */
};

struct backprop;

/* ERR_TOO_LARGE when activations or expanded weights do not fit in memory. Every decoder family of the engine has a backward pass. */
errc backprop_new(const struct model *m, struct lora_set *loras, const struct backprop_opts *o, struct backprop **out, struct err *e);
void backprop_free(struct backprop *p);
DEFINE_AUTO_FREE(backprop)
size_t backprop_max_tokens(const struct backprop *p);       /* rows are grouped up to this; a single longer row is an error */
bool backprop_checkpointing(const struct backprop *p);
const char *backprop_keeps(const struct backprop *p);       /* for people: what it does about activations */
struct compute *backprop_compute(struct backprop *p);
size_t backprop_bytes(const struct backprop *p);            /* of activations and expanded weights */

struct backprop_row {
    const int32_t *ids, *labels;    /* n each; labels[i] belongs to ids[i] and is predicted from what is before it; < 0: not learnt */
    size_t n;
    size_t rope_length;             /* the length transformers would see: of the longest row in the row's micro-batch */
};

/*
 * Runs rows (together at most backprop_max_tokens). step and first_token (the number of the first token within the step) place dropout
 * masks. weight multiplies the summed loss before differentiation: 1 / label tokens of the step. backward false: the loss alone.
 * *out_loss is the sum of -log p over label tokens, unweighted.
 */
errc backprop_run(struct backprop *p, const struct backprop_row *rows, size_t n, uint64_t step, uint64_t first_token, float weight,
              bool backward, double *out_loss, struct err *e);

/* What o.balance adds to the mean loss of the last call's rows; 0 without. */
double backprop_balance(const struct backprop *p);
bool backprop_balances(const struct backprop *p);

/* While on, runs are without dropout: evaluation. */
void backprop_evaluate(struct backprop *p, bool on);

/* Label tokens of a row: those after the first with a label >= 0. */
size_t backprop_row_labels(const struct backprop_row *r);

#endif
