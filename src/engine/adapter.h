/*
 * A LoRA adapter in PEFT's format (adapter_config.json, adapter_model.safetensors) bound to a model. Beside a linear:
 * y = gain * (x . W^T + scale * (x . A^T) . B^T) + bias. The gain is DoRA's; W and bias may be the adapter's own (modules_to_save, bias), as
 * may embedding, norms and head. Immutable once loaded. Strict where PEFT is silent: a tensor that maps to nothing, a wrong shape, or a
 * config key that means other mathematics (lora_bias, layer_replication...) is refused.
 * Counted: whoever uses one holds a reference, so that unloading it never waits for who still does. Loading is for any thread.
 */
#ifndef ENGINE_ADAPTER_H
#define ENGINE_ADAPTER_H

#include <stdatomic.h>

#include "engine/model.h"

struct lora {
    size_t r;                   /* 0: this linear has none */
    float scale;                /* lora_alpha / r, or lora_alpha / sqrt(r) for rsLoRA; times the strength */
    float *a, *b;               /* A [r, in], B [out, r], f32 */
};

/* What more an adapter changes at a linear. All of it owned. */
struct own_linear {
    float *w;                   /* [out, in] instead of the model's; NULL */
    float *gain;                /* DoRA, [out]: magnitude / length of each row of W + scale B A; NULL: 1 */
    float *shift;               /* [out] added last: what the bias becomes, less what it was; NULL: 0 */
};

struct own_norm {
    const struct norm *base;    /* the model's, instead of which */
    struct norm norm;
};

struct adapter {
    char *name, *dir;
    uint64_t serial;            /* no two loaded ones are alike: what the prefix cache knows it by */
    size_t max_rank;
    atomic_size_t refs;
    struct lora *loras;         /* [model_adaptables()]; of the embedding A is [r, vocab] and B [hidden, r] */
    struct own_linear *own;     /* the same; NULL: LoRA is all there is */
    size_t n_loras;
    struct own_norm *norms;
    size_t n_norms;
    float *embed, *head, *head_bias;        /* instead of the model's; NULL: those */
};

/* strength 1 is the adapter as trained; another needs one of LoRA alone. name: NULL takes the folder's last component. */
errc adapter_load(const char *dir, const char *name, float strength, const struct model *m, struct adapter **out, struct err *e);
struct adapter *adapter_ref(struct adapter *a);
void adapter_free(struct adapter *a);           /* gives one reference back */
DEFINE_AUTO_FREE(adapter)

/* y [rows, out] += scale * (x . A^T) . B^T; xa [rows, r] is scratch and keeps x . A^T (training needs it). */
void lora_forward(struct compute *c, const struct lora *l, size_t in, size_t out, float *y, size_t ldy, const float *x,
                  size_t ldx, size_t rows, float *xa);

/*
 * Rows [first, end): the length of each row of W + scale B A into norms [out], in f64 sums. Source: Liu et al. 2024 (DoRA), as PEFT does it.
 */
void lora_row_norms(const struct lora *l, const struct weight *w, size_t first, size_t end, float *norms);
/* The same of an embedding table [in, out], whose columns those rows are. */
void lora_column_norms(const struct lora *l, const struct weight *table, size_t first, size_t end, float *norms);

/*
 * y [rows, out] holds what the model's linear gives (anything, where adapter_replaces says so) and becomes what the adapter's does; xa is scratch of max_rank a row.
 * A row's bits do not depend on the others.
 */
void adapter_apply(struct compute *c, const struct adapter *a, const struct linear *l, float *y, size_t ldy, const float *x, size_t ldx,
                   size_t rows, float *xa);

/* Whether adapter_apply needs nothing of what the model's linear gives. a may be NULL. */
static inline bool adapter_replaces(const struct adapter *a, const struct linear *l) { return a && a->own && a->own[l->index].w; }

/* x [hidden], the embedding of a token, gets what the adapter adds to it. */
void adapter_embed(const struct model *m, const struct adapter *a, float *x, int32_t id);

/* logits [rows, vocab] = h . W^T of the head become the adapter's, without any bias. */
void adapter_head(struct compute *c, const struct model *m, const struct adapter *a, float *logits, const float *h, size_t rows, float *xa);

/* The adapter's norm instead of n, else n. a may be NULL. */
const struct norm *adapter_norm(const struct adapter *a, const struct norm *n);

#endif
