/* What the files that read an adapter share. */
#ifndef ENGINE_ADAPTER_PRIV_H
#define ENGINE_ADAPTER_PRIV_H

#include "base/json.h"
#include "engine/adapter.h"

#define ADAPTER_KEY_PREFIX "base_model.model."

struct adapter_reader {
    const json_t *config;
    const struct safetensors *file;
    const struct model *m;
    struct adapter *a;
    float strength;
    size_t taken;               /* tensors of the file that found their place */
    struct err *e;
};

/* Malloc'd f32 copy of a tensor whose elements are finite. */
errc adapter_floats(const struct adapter_reader *r, const char *name, const struct tensor *t, float **out);

/* values [out of x, cols] in PEFT's order of rows become the model's, whose file may have another (GGUF). */
void adapter_order_rows(const struct model *m, const struct linear *x, float *values, size_t cols);

/* lora_magnitude_vector of every adapted linear when use_dora says so; after the factors. */
errc adapter_read_magnitudes(struct adapter_reader *r);

/* A tensor of modules_to_save or bias. UNSUPPORTED names one that has no place. */
errc adapter_read_own(struct adapter_reader *r, const char *name, const struct tensor *t);

/* After all tensors: every name of modules_to_save was met; biases become shifts. */
errc adapter_finish_own(struct adapter_reader *r);

void adapter_free_own(struct adapter *a);

#endif
