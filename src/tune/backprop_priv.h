/*
 * What the files of the pass share: its buffers, and the forward and backward of each part.
 *   backprop.c weights, life;  backprop_memory.c buffers;  backprop_run.c one call;  _embed.c its begin;  _head.c its end;  _layer.c norms and residuals;  _attention.c;  _mlp.c;
 *   _experts.c;  _balance.c the loss of their routers;  _linear.c one linear with its adapter;  _drop.c masks.
 */
#ifndef TUNE_BACKPROP_PRIV_H
#define TUNE_BACKPROP_PRIV_H

#include "engine/kernels.h"
#include "tune/backprop.h"
#include "tune/int8.h"

/* Rows of a product: every token of the call, or those of one expert. token [n] says which those are; NULL: row i is token i. */
struct rows { size_t n; const uint32_t *token; };

/* What an MLP leaves for its backward. xa of its linears in, in, out: scale * dropout(x) . A^T, [rows, r]; NULL where there is no adapter. */
struct mlp_acts {
    float *in;                  /* [rows, 2I] gate | up, or [rows, I] before the activation */
    float *xa[3];
};

/* Which experts each token goes through: entries [first[e], first[e + 1]) are expert e's, in the order of tokens. */
struct routes {
    float *share;               /* [T, E] of a token's result; 0 where it does not go */
    uint32_t *first, *token;    /* [E + 1]; [T * used] */
    float *out;                 /* [T * used, D] of experts, before they are shared out */
    float *xa;                  /* of the router */
    float *likely;              /* [T, E] softmax of all its scores; NULL without o.balance */
};

/* The wide activations rounded to bf16; NULL: that is not kept so. */
struct halves { uint16_t *qkv, *att, *in; };

/* What one layer leaves for its backward. [T, width] each; NULL where the model has none. */
struct layer_acts {
    float *qkv;                 /* after norms and rotation */
    float *qk_raw;              /* qkv before q_norm and k_norm */
    float *att;                 /* [T, H*hd] */
    float *attn_raw, *mlp_raw;  /* block results before norm_attn_out, norm_mlp_out */
    float *mid;                 /* [T, D] residual between attention and MLP, where one follows the other */
    float *xa[4];               /* of attn_in, and of attn_out in the last place */
    struct mlp_acts mlp;        /* of all tokens; with experts of all entries of the routes */
    struct routes routes;
    struct halves kept;         /* of qkv, att and mlp.in, which are then shared by all layers */
};

#define XA_OUT 3

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
    struct weight *weights;     /* [model_adaptables()]: the model's, expanded copies, or those of the set that are trained */
    struct int8_weight *int8;   /* [model_adaptables()], with 8-bit weights that are not expanded once and for all; owned */
    void *expanded;             /* one of them as dense values, owned */
    struct weight head;
    void **owned;               /* what the expanded copies are made of */
    size_t n_owned;

    size_t max_tokens;
    bool checkpointing;         /* only the inputs of layers are kept */
    bool halves;                /* wide activations are kept in bf16 */
    bool qkv_halves;            /* with checkpointing: qkv is */
    size_t first_trained;       /* layers below it need no backward */
    const struct own_param *own_embed, *own_head, *own_head_bias;       /* NULL: as the model has them */
    const struct lora_param *lora_embed, *lora_head;    /* NULL: not adapted */
    bool has_local_rope;
    size_t bytes;
    float *memory;              /* one block for everything below */

    float **inputs;             /* [layers + 1] residual before each layer; [T, D] */
    struct layer_acts *acts;    /* [layers]; when checkpointing the first is shared by all, and the others hold what is kept alone */
    struct rope_table rope, rope_local;
    float *norm, *dnorm;        /* [T, D] */
    float *wide, *dwide;        /* [T, max(MLP's inner width, QKV, D)] */
    float *act;                 /* [T, I] */
    float *dact;                /* [T, max(I, H*hd)] */
    float *dx, *dmid;           /* [T, D] */
    float *expert_in, *expert_d, *expert_din;   /* [T, D] rows of one expert, with experts */
    float *dshare, *choice;     /* [T, E], [E], with experts */
    double *used, *likely;      /* [E] of all layers and tokens: how often an expert is chosen, the sum of its probability; owned */
    bool again;                 /* a layer is computed again: what only the next one reads of it is left out, and so is what was kept */
    float drop_rate;            /* of the runs now: o.dropout, or 0 in evaluation */
    struct dropouts base;       /* the same: o.base, or none */
    float *masked;              /* [T, D] gradient of a block's result behind its mask, only with that */
    float *dropped, *ddropped;  /* [T, max in], only with dropout */
    float *rounded;             /* [HEAD_ROWS, D], only with head_rounds */
    float *dxa;                 /* [T, max r] */
    float *gain, *lengths;      /* DoRA, [out] of every adapted linear, at dora_at[index]: m / |W + sBA|, and |W + sBA| */
    size_t *dora_at;            /* [model_adaptables()], owned; only with DoRA */
    float *scaled, *plain;      /* [T, widest out of a linear], only with DoRA */
    float *embed_xa, *head_xa;  /* [T, r] scale * A's columns of the tokens; [HEAD_ROWS, r]; NULL where there is no adapter */
    float *logits;              /* [HEAD_ROWS, V] */
    float *frequencies;         /* [R/2] */
    int32_t *targets, *positions;               /* [T] */
    uint32_t *numbers;          /* [T] of each token among all of the call's, those that do not matter included: masks and noise */

    /* of the running call */
    struct backprop_row *rows;  /* [n_rows, at most T], owned; without what follows their last label; rope_length >= n */
    size_t n_rows, tokens;
    uint64_t step, first_token;
};

#define HEAD_ROWS 256           /* logits of so many rows exist at a time */

static inline size_t max_size(size_t a, size_t b) { return a > b ? a : b; }
static inline struct rows all_rows(const struct backprop *p) { return (struct rows){ .n = p->tokens }; }
/* Rows of an MLP's activations for t tokens: all experts' together. */
static inline size_t mlp_rows(const struct model_config *g, size_t t) { return g->experts ? t * g->experts_used : t; }
static inline size_t mlp_width(const struct model_config *g) { return g->gated ? 2 * g->inter : g->inter; }

/* Chooses what is kept and how many tokens fit in a pass, and places every buffer. */
errc backprop_place(struct backprop *p, struct err *e);
/* After a layer's forward, and before its backward (or before it is computed again): between what it works on and what is kept of it. */
void keep_halves(struct backprop *p, const struct layer_acts *a, const struct halves *kept);
void take_halves(struct backprop *p, const struct layer_acts *a, const struct halves *kept);

/* The residual after layer i from p->inputs[i] into p->inputs[i + 1], but for p->again; fills a. */
void layer_forward(struct backprop *p, size_t i, struct layer_acts *a);
/* p->dx: gradient of the residual after layer i; becomes that before it (untouched for the lowest trained layer). */
void layer_backward(struct backprop *p, size_t i, struct layer_acts *a);

/* The family's norm, with the set's values where they are trained, over the last dim of [rows, dim] with row distance ld; y may be x. n->w NULL: a copy. */
void norm_forward(struct backprop *p, const struct norm *n, float *y, const float *x, size_t ld, size_t rows, size_t dim);
/* dx += d norm(x) . dy; n->w NULL: dx += dy. dx NULL: not wanted. What is trained of the norm gets its gradient. */
void norm_backward(struct backprop *p, const struct norm *n, float *dx, const float *dy, const float *x, size_t ld, size_t rows, size_t dim);

/* y = (or +=) the LoRA dropout of x [rows, l->w.in], with p->drop_rate above 0. */
void linear_drop(struct backprop *p, const struct linear *l, float *y, const float *x, struct rows rows, bool add);
/*
 * y = dropout of x, [T, D], as the base has it of what a block gives; y may be x. Nothing without it, or where y is NULL. The same mask for the
 * result and, on the way back, for its gradient.
 */
enum block { BLOCK_ATTENTION, BLOCK_MLP };
float block_rate(const struct backprop *p, enum block which);
void block_drop(struct backprop *p, const struct layer *l, enum block which, float *y, const float *x);
/* In place: embedded tokens of the whole pass, and their gradient. */
void embed_drop(struct backprop *p, float *x);
/* In place: what the layer's router and experts see [T, D], and its gradient. */
void router_jitter(struct backprop *p, const struct layer *l, float *x);
/* Lets s drop probabilities of the row that begins at token `at` of the pass; nothing without it. m must stay while s is used. */
struct probability_mask { uint64_t stream, first; size_t heads; float rate; };
void probability_mask(const struct backprop *p, const struct layer *l, size_t at, struct probability_mask *m, struct attention_shape *s);

/* out = block(in), both [T, D]; out may be in. NULL: only what backward needs. */
void attention_block_forward(struct backprop *p, const struct layer *l, struct layer_acts *a, float *out, const float *in);
void mlp_block_forward(struct backprop *p, const struct layer *l, struct layer_acts *a, float *out, const float *in);
/*
 * Gradients of the block's adapters, and din = (or +=, when adds) that of its input from d, that of its result. din NULL: not wanted. din is
 * not d. in as in forward.
 */
void attention_block_backward(struct backprop *p, const struct layer *l, struct layer_acts *a, float *din, bool adds, const float *d,
                              const float *in);
void mlp_block_backward(struct backprop *p, const struct layer *l, struct layer_acts *a, float *din, bool adds, const float *d, const float *in);

/* One dense MLP, or one expert, over the given rows. out NULL: as above. */
void mlp_forward(struct backprop *p, const struct mlp *m, struct mlp_acts *a, float *out, const float *in, struct rows rows);
void mlp_backward(struct backprop *p, const struct mlp *m, struct mlp_acts *a, float *din, bool adds, const float *d, const float *in,
                  struct rows rows);
/* The layer's experts over the tokens that its router gives them. */
void experts_forward(struct backprop *p, const struct layer *l, struct layer_acts *a, float *out, const float *in);
void experts_backward(struct backprop *p, const struct layer *l, struct layer_acts *a, float *din, bool adds, const float *d, const float *in);

/*
 * The loss of o.balance; nothing without it. Before a call's forward pass; in each layer while r->share holds scores, and when r->first is
 * made; on the way back what it adds to the gradient of the scores.
 */
void balance_begin(struct backprop *p);
void balance_likely(const struct backprop *p, struct routes *r);
void balance_count(struct backprop *p, const struct routes *r);
void balance_backward(const struct backprop *p, const struct routes *r, float *dscores);

/* y (columns l->out_offset...) = x . W^T + bias + LoRA; keeps the LoRA's inner product in xa. y NULL: that alone. */
void adapted_forward(struct backprop *p, const struct linear *l, float *y, size_t ldy, const float *x, float *xa, struct rows rows);
/* LoRA gradients, and dx = (or +=) dy . W + LoRA part when dx is not NULL. */
void adapted_backward(struct backprop *p, const struct linear *l, float *dx, const float *dy, size_t lddy, const float *x, const float *xa,
                      bool accumulate, struct rows rows);

/* For the weights that the set has now; before a pass. */
void dora_prepare(struct backprop *p);

/* The embedded tokens of the row that begins at token `at` of the pass into x [n, D], with noise when training. */
void embed_forward(struct backprop *p, float *x, const struct backprop_row *r, size_t at, bool training);
/* p->dx is the gradient of all embedded rows. */
void embed_backward(struct backprop *p);

/* Loss over the rows that have a target; with backward p->dx receives the gradient of the last residual. */
errc head_pass(struct backprop *p, float weight, bool backward, double *loss, struct err *e);

#endif
