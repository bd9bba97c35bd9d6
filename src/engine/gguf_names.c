/* Hugging Face names of tensors to those of GGUF files. */
#include "base/mem.h"
#include "engine/gguf.h"

struct name_row { const char *hf, *gguf; };

static const struct name_row whole[] = {
    { "model.embed_tokens", "token_embd" }, { "transformer.word_embeddings", "token_embd" }, { "model.norm", "output_norm" },
    { "model.final_layernorm", "output_norm" }, { "transformer.ln_f", "output_norm" }, { "lm_head", "output" },
};

static const struct name_row in_layer[] = {
    { "self_attn.q_proj", "attn_q" }, { "self_attn.k_proj", "attn_k" }, { "self_attn.v_proj", "attn_v" }, { "self_attn.qkv_proj", "attn_qkv" },
    { "self_attn.o_proj", "attn_output" }, { "self_attn.dense", "attn_output" }, { "self_attn.q_norm", "attn_q_norm" },
    { "self_attn.k_norm", "attn_k_norm" }, { "self_attention.query_key_value", "attn_qkv" }, { "self_attention.dense", "attn_output" },
    { "mlp.gate_proj", "ffn_gate" }, { "mlp.up_proj", "ffn_up" }, { "mlp.down_proj", "ffn_down" }, { "mlp.gate_up_proj", "ffn_up" },
    { "mlp.fc1", "ffn_up" }, { "mlp.fc2", "ffn_down" }, { "mlp.dense_h_to_4h", "ffn_up" }, { "mlp.dense_4h_to_h", "ffn_down" },
    { "block_sparse_moe.gate", "ffn_gate_inp" }, { "input_layernorm", "attn_norm" }, { "pre_feedforward_layernorm", "ffn_norm" },
    { "post_feedforward_layernorm", "post_ffw_norm" }, { "ln_mlp", "attn_norm" }, { "ln_attn", "attn_norm_2" },
};

static const struct name_row in_expert[] = { { "w1", "ffn_gate" }, { "w2", "ffn_down" }, { "w3", "ffn_up" } };

static const char *find(const struct name_row *rows, size_t n, struct str hf)
{
    for (size_t i = 0; i < n; i++)
        if (str_is(hf, rows[i].hf))
            return rows[i].gguf;
    return NULL;
}

/* "model.layers.3.mlp.up_proj" to layer 3 and "mlp.up_proj". */
static bool cut_layer(struct str name, struct str *layer, struct str *rest)
{
    static const char *const prefixes[] = { "model.layers.", "transformer.h." };

    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (str_has_prefix(name, str_of(prefixes[i])))
            return str_cut(str_from(name, strlen(prefixes[i])), '.', layer, rest);
    return false;
}

static void view(const struct gguf_tensor *t, struct source_tensor *out)
{
    *out = (struct source_tensor){ .t = { .ndim = t->ndim, .len = t->len, .data = t->data }, .blocks = t->format };
    memcpy(out->t.shape, t->shape, t->ndim * sizeof *t->shape);
    if (block_format_dtype(t->format, &out->t.dtype))
        out->blocks = NULL;
}

/* Part `i` of a stack [n, rows, columns]. */
static bool narrow(const struct gguf_tensor *t, size_t i, struct source_tensor *out)
{
    if (t->ndim != 3 || i >= t->shape[0])
        return false;
    view(t, out);
    out->t.ndim = 2;
    out->t.shape[0] = t->shape[1];
    out->t.shape[1] = t->shape[2];
    out->t.len = t->len / t->shape[0];
    out->t.data = t->data + i * (t->bytes / t->shape[0]);
    return true;
}

/* "3.w1" of layer `layer`: part 3 of a stack, or a tensor of its own in files of early 2024. */
static const struct gguf_tensor *find_expert(const struct gguf *g, struct str layer, struct str rest, struct str suffix, struct source_tensor *out)
{
    struct str number, module;
    uint64_t i;

    if (!str_cut(rest, '.', &number, &module) || !str_to_u64(number, &i))
        return NULL;
    const char *name = find(in_expert, ARRAY_LEN(in_expert), module);
    if (!name)
        return NULL;
    AUTO_MEM char *stack = xasprintf("blk.%.*s.%s_exps.%.*s", STR_ARG(layer), name, STR_ARG(suffix));
    AUTO_MEM char *single = xasprintf("blk.%.*s.%s.%zu.%.*s", STR_ARG(layer), name, (size_t)i, STR_ARG(suffix));
    const struct gguf_tensor *t = gguf_tensor(g, stack);
    if (t)
        return narrow(t, (size_t)i, out) ? t : NULL;
    t = gguf_tensor(g, single);
    if (t)
        view(t, out);
    return t;
}

static const char *layer_name(const struct gguf_architecture *a, struct str module)
{
    return str_is(module, "post_attention_layernorm") ? a->post_attention : find(in_layer, ARRAY_LEN(in_layer), module);
}

const struct gguf_tensor *gguf_find_tensor(const struct gguf *g, const struct gguf_architecture *a, const char *name, struct source_tensor *out)
{
    static const struct str experts = { "block_sparse_moe.experts.", sizeof "block_sparse_moe.experts." - 1 };
    struct str module, suffix, layer, rest;
    AUTO_MEM char *path = NULL;

    if (!str_rcut(str_of(name), '.', &module, &suffix))
        return NULL;
    if (cut_layer(module, &layer, &rest)) {
        if (str_has_prefix(rest, experts))
            return find_expert(g, layer, str_from(rest, experts.n), suffix, out);
        const char *found = layer_name(a, rest);
        path = found ? xasprintf("blk.%.*s.%s.%.*s", STR_ARG(layer), found, STR_ARG(suffix)) : NULL;
    } else {
        const char *found = find(whole, ARRAY_LEN(whole), module);
        path = found ? xasprintf("%s.%.*s", found, STR_ARG(suffix)) : NULL;
    }
    const struct gguf_tensor *t = path ? gguf_tensor(g, path) : NULL;
    if (t)
        view(t, out);
    return t;
}
