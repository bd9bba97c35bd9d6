/* Bytes as config.json (up to a NUL) and generation_config.json (after it): refused or a config whose numbers hold together. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *cut = memchr(data, 0, size);
    size_t first = cut ? (size_t)(cut - data) : size;
    struct model_config c;
    struct err e;

    if (model_config_parse(str_n((const char *)data, first), str_n(cut ? (const char *)cut + 1 : "", cut ? size - first - 1 : 0), &c, &e))
        return 0;
    if (!c.layers || !c.heads || c.heads % c.kv_heads || c.rotary > c.head_dim || c.n_eos > 16)
        abort();
    model_config_done(&c);
    return 0;
}
