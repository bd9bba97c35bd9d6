/*
 * Bytes as a GGUF file that means a model: its configuration is refused or its numbers hold together; its vocabulary is refused
 * or takes a text apart and puts it together.
 */
#include <stdint.h>
#include <stdlib.h>

#include "engine/gguf.h"
#include "tokenizer/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_config(const struct gguf *g)
{
    struct model_config c;
    struct source_tensor t;
    const struct gguf_architecture *a;
    struct err e;

    if (gguf_model_config(g, &c, &e))
        return;
    if (!c.layers || !c.heads || c.heads % c.kv_heads || c.rotary > c.head_dim || c.n_eos > 16)
        abort();
    if (!gguf_find_architecture(g, &a, &e) && gguf_find_tensor(g, a, "model.layers.0.block_sparse_moe.experts.1.w1.weight", &t) && !t.t.data)
        abort();
    model_config_done(&c);
}

static void try_vocabulary(const struct gguf *g)
{
    AUTO_FREE(tokenizer) t = NULL;
    AUTO_IDS ids = { 0 };
    AUTO_BUF back = { 0 };
    struct err e;

    if (tokenizer_of_gguf(g, &t, &e) || tokenizer_encode(t, STR(" the\n\xc3\xa9<s> 12"), true, &ids, &e))
        return;
    tokenizer_decode(t, ids.v, ids.n, false, &back);
    if (!str_utf8_valid(buf_str(&back)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE(gguf) g = NULL;
    struct err e;

    if (gguf_parse("fuzz", str_n((const char *)data, size), &g, &e))
        return 0;
    try_config(g);
    try_vocabulary(g);
    return 0;
}
