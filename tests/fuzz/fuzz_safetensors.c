/* Bytes as a safetensors file: every tensor it hands out must lie within them. */
#include <stdint.h>
#include <stdlib.h>

#include "tensor/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE(safetensors) s = NULL;
    struct err e;

    if (safetensors_parse("fuzz", str_n((const char *)data, size), &s, &e))
        return 0;
    for (size_t i = 0; i < safetensors_count(s); i++) {
        const struct tensor *t = safetensors_at(s, i);
        const uint8_t *p = t->data;

        if (p < data || p + t->len * dtype_size(t->dtype) > data + size)
            abort();
    }
    return 0;
}
