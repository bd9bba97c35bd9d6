/*
 * A LoRA adapter in PEFT's format (adapter_config.json, adapter_model.safetensors) bound to a model:
 * y += scale * (x . A^T) . B^T beside a linear. Immutable once loaded. Strict where PEFT is silent: a tensor that maps to
 * no linear, a wrong shape, or a config key that changes the mathematics (DoRA, modules_to_save, lora_bias...) is refused.
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

struct adapter {
    char *name, *dir;
    uint64_t serial;            /* no two loaded ones are alike: what the prefix cache knows it by */
    size_t max_rank;
    atomic_size_t refs;
    struct lora *loras;         /* [n_linears of the model] */
    size_t n_linears;
};

/* strength 1 is the adapter as trained. name: NULL takes the folder's last component. */
errc adapter_load(const char *dir, const char *name, float strength, const struct model *m, struct adapter **out, struct err *e);
struct adapter *adapter_ref(struct adapter *a);
void adapter_free(struct adapter *a);           /* gives one reference back */
DEFINE_AUTO_FREE(adapter)

/* y [rows, out] += scale * (x . A^T) . B^T; xa [rows, r] is scratch and keeps x . A^T (training needs it). */
void lora_forward(struct compute *c, const struct lora *l, size_t in, size_t out, float *y, size_t ldy, const float *x,
                  size_t ldx, size_t rows, float *xa);

#endif
