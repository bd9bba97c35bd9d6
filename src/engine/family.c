/* The model families. Sources: the configuration and modelling files of transformers named by model_type. */
#include "engine/priv.h"

#define PRE_NORMS .norm_attn = "input_layernorm", .norm_mlp = "post_attention_layernorm"
#define FOUR_NORMS .norm_attn = "input_layernorm", .norm_attn_out = "post_attention_layernorm", \
                   .norm_mlp = "pre_feedforward_layernorm", .norm_mlp_out = "post_feedforward_layernorm"
#define POST_NORMS .norm_attn_out = "post_attention_layernorm", .norm_mlp_out = "post_feedforward_layernorm"

static const struct model_family families[] = {
    { .model_type = "phi3", .architecture = "Phi3ForCausalLM", .fused_qkv = true, .fused_gate_up = true, PRE_NORMS,
      .slides = SLIDE_ALL, .norm_eps = 1e-5, .theta = 10000 },
    { .model_type = "llama", .architecture = "LlamaForCausalLM", PRE_NORMS, .norm_eps = 1e-6, .theta = 10000 },
    { .model_type = "mistral", .architecture = "MistralForCausalLM", PRE_NORMS, .slides = SLIDE_ALL, .norm_eps = 1e-6,
      .theta = 10000 },
    { .model_type = "qwen2", .architecture = "Qwen2ForCausalLM", PRE_NORMS, .slides = SLIDE_QWEN, .qkv_bias = true,
      .norm_eps = 1e-6, .theta = 10000 },
    { .model_type = "qwen3", .architecture = "Qwen3ForCausalLM", PRE_NORMS, .slides = SLIDE_QWEN, .qk_norm = QK_NORM_HEAD,
      .norm_eps = 1e-6, .theta = 10000 },
    { .model_type = "gemma2", .architecture = "Gemma2ForCausalLM", FOUR_NORMS, .norm_plus_one = true, .scaled_embed = true,
      .query_scalar = true, .slides = SLIDE_EVEN, .tied = true, .act = ACT_GELU_TANH, .norm_eps = 1e-6, .theta = 10000 },
    { .model_type = "gemma3_text", .architecture = "Gemma3ForCausalLM", FOUR_NORMS, .norm_plus_one = true, .scaled_embed = true,
      .query_scalar = true, .slides = SLIDE_PATTERN, .qk_norm = QK_NORM_HEAD, .tied = true, .act = ACT_GELU_TANH,
      .norm_eps = 1e-6, .theta = 1000000, .local_theta = 10000 },
    { .model_type = "olmo2", .architecture = "Olmo2ForCausalLM", POST_NORMS, .qk_norm = QK_NORM_WHOLE, .norm_eps = 1e-5,
      .theta = 10000 },
};

const struct model_family *family_find(const char *model_type)
{
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        if (streq(families[i].model_type, model_type))
            return &families[i];
    return NULL;
}

void family_names(struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        buf_addf(out, "%s%s", i ? ", " : "", families[i].model_type);
}
