/* What the files of the pass share: its buffers, and the forward and backward of one layer. */
#ifndef TUNE_BACKPROP_PRIV_H
#define TUNE_BACKPROP_PRIV_H

#include "engine/kernels.h"
#include "tune/backprop.h"

/* What one layer leaves for its backward. [T, width] each; NULL where the model has none. */
struct layer_acts {
    float *qkv;                 /* after norms and rotation */
    float *qk_raw;              /* qkv before q_norm and k_norm */
    float *att;                 /* [T, H*hd] */
    float *attn_raw, *mlp_raw;  /* block results before norm_attn_out, norm_mlp_out */
    float *mid;                 /* [T, D] residual between attention and MLP */
    float *gate_up;             /* [T, 2I] */
    float *xa[8];               /* scale * dropout(x) . A^T of the layer's linears, [T, r], as slot() numbers them */
};

struct rope_table { float *cos, *sin; };        /* [T, R/2] */

struct backprop {
    const struct model *m;
    struct lora_set *loras;
    struct backprop_opts o;
    struct compute *c;

    /*
     * bf16 products on a CPU where they are slow: factors rounded to bf16 but held and multiplied as f32, which gives the same sums.
     */
    bool emulates_bf16, head_rounds;
    enum gemm_math product_math;                /* of the compute, for base products */
    struct weight *weights;     /* [n_linears]: the model's, or expanded copies */
    struct weight head;
    void **owned;               /* what the expanded copies are made of */
    size_t n_owned;

    size_t max_tokens;
    bool checkpointing;
    size_t first_trained;       /* layers below it need no backward */
    bool has_local_rope;
    size_t bytes;
    float *memory;              /* one block for everything below */

    float **inputs;             /* [layers + 1] residual before each layer; [T, D] */
    struct layer_acts *acts;    /* [layers], or one shared by all when checkpointing */
    struct rope_table rope, rope_local;
    float *norm, *dnorm;        /* [T, D] */
    float *wide, *dwide;        /* [T, max(2I, QKV)] */
    float *act;                 /* [T, I] */
    float *dact;                /* [T, max(I, H*hd)] */
    float *dx, *dmid;           /* [T, D] */
    float *dropped, *ddropped;  /* [T, max in], only with dropout */
    float *rounded;             /* [T, widest of all], only when emulating bf16 */
    float *dxa;                 /* [T, max r] */
    float *logits;              /* [HEAD_ROWS, V] */
    float *frequencies;         /* [R/2] */
    int32_t *targets, *positions;               /* [T] */

    /* of the running call */
    const struct backprop_row *rows;
    size_t n_rows, tokens;
    uint64_t step, first_token;
};

#define HEAD_ROWS 256           /* logits of so many rows exist at a time */

/* The residual after layer i from p->inputs[i] into p->inputs[i + 1]; fills a. */
void layer_forward(struct backprop *p, size_t i, struct layer_acts *a);
/* p->dx: gradient of the residual after layer i; becomes that before it (untouched for the lowest trained layer). */
void layer_backward(struct backprop *p, size_t i, struct layer_acts *a);

/* x [rows, cols] itself, or rounded to bf16 in p->rounded; *ld follows. */
const float *rounded_factor(struct backprop *p, const float *x, size_t *ld, size_t rows, size_t cols);

/* y (columns l->out_offset...) = x . W^T + bias + LoRA; keeps the LoRA's inner product in xa. */
void adapted_forward(struct backprop *p, const struct linear *l, float *y, size_t ldy, const float *x, float *xa);
/* LoRA gradients, and dx = (or +=) dy . W + LoRA part when dx is not NULL. */
void adapted_backward(struct backprop *p, const struct linear *l, float *dx, const float *dy, size_t lddy, const float *x, const float *xa,
                      bool accumulate);

#endif
