/* What the files of one pass share: its buffers, the linears with their adapters, the MLP kinds. Letters as in kernels.h. */
#ifndef ENGINE_INFER_H
#define ENGINE_INFER_H

#include "engine/priv.h"

struct experts;

struct infer {
    size_t max_rows;
    float *x;                   /* [rows, D] the residual stream */
    float *h;                   /* [rows, D] normalised input, and what attention gives back */
    float *side;                /* [rows, D] what the MLP gives back */
    float *shared;              /* of attention (the next three) or of the MLP (the two after them), which begin at the same place */
    float *qkv;                 /* [rows, q | k | v] */
    float *grouped;             /* the same in the order of QKV_GROUPED; NULL for the others */
    float *att;                 /* [rows, H * hd] */
    float *gate_up, *mid;       /* [rows, 2I], [rows, I] */
    struct experts *experts;    /* NULL: dense MLPs */
    float *xa;                  /* [rows, max rank] of LoRA; grown when a larger rank is loaded */
    size_t xa_rank;
    float *cos[2], *sin[2];     /* [rows, R/2] global, local */
    struct paged_row *paged;    /* [rows] where each is in the cache */
    float *logits;              /* [LOGIT_ROWS, V] */
};

#define LOGIT_ROWS 16

/* Some rows on their way through the layers: a whole pass, or those that one expert takes. */
struct run {
    struct engine *g;
    struct infer *p;
    const struct model_config *c;
    const struct infer_row *rows;
    size_t n;
};

/* y = x . w^T + bias + LoRA for each of the linears, at its out_offset. */
void infer_apply(const struct run *u, struct linear *const *linears, size_t n, float *y, size_t ldy, const float *x, size_t ldx);

/* out = mlp(in), both [rows, D]; they may be the same. */
void mlp_run(const struct run *u, const struct layer *y, float *out, const float *in);

struct experts *experts_new(const struct model_config *c, size_t max_rows);        /* NULL: no memory */
void experts_free(struct experts *x);

#endif
