/* The model families. Sources: the configuration and modelling files of transformers named by model_type. */
#include "engine/priv.h"

/* ── names ── */

#define DECODER .embed = "model.embed_tokens", .layers = "model.layers", .norm_final = "model.norm"
#define SPLIT_ATTENTION .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj", .o = "self_attn.o_proj", \
                        .q_norm = "self_attn.q_norm", .k_norm = "self_attn.k_norm"

static const struct module_names llama_names = {
    DECODER, SPLIT_ATTENTION, .gate = "mlp.gate_proj", .up = "mlp.up_proj", .down = "mlp.down_proj",
};

static const struct module_names phi3_names = {
    DECODER, .qkv = "self_attn.qkv_proj", .o = "self_attn.o_proj", .gate_up = "mlp.gate_up_proj", .down = "mlp.down_proj",
};

static const struct module_names phi_names = {
    .embed = "model.embed_tokens", .layers = "model.layers", .norm_final = "model.final_layernorm",
    .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj", .o = "self_attn.dense",
    .q_norm = "self_attn.q_layernorm", .k_norm = "self_attn.k_layernorm", .up = "mlp.fc1", .down = "mlp.fc2",
};

static const struct module_names falcon_names = {
    .embed = "transformer.word_embeddings", .layers = "transformer.h", .norm_final = "transformer.ln_f",
    .qkv = "self_attention.query_key_value", .o = "self_attention.dense", .up = "mlp.dense_h_to_4h", .down = "mlp.dense_4h_to_h",
};

static const struct module_names mixtral_names = {
    DECODER, SPLIT_ATTENTION, .router = "block_sparse_moe.gate", .experts = "block_sparse_moe.experts",
    .gate = "w1", .up = "w3", .down = "w2",
};

/* ── rows ── */

#define PRE_NORMS .norm_attn = "input_layernorm", .norm_mlp = "post_attention_layernorm"
#define FOUR_NORMS .norm_attn = "input_layernorm", .norm_attn_out = "post_attention_layernorm", \
                   .norm_mlp = "pre_feedforward_layernorm", .norm_mlp_out = "post_feedforward_layernorm"
#define POST_NORMS .norm_attn_out = "post_attention_layernorm", .norm_mlp_out = "post_feedforward_layernorm"

#define RMS .eps_key = "rms_norm_eps", .act_key = "hidden_act"
#define GEMMA .eps_key = "rms_norm_eps", .act_key = "hidden_activation", .norm_plus_one = true, .scaled_embed = true, \
              .query_scalar = true, .tied = true, .act = ACT_GELU_TANH, .bias_key = "attention_bias", .head_dim = 256, .window = 4096
#define FALCON .model_type = "falcon", .architecture = "FalconForCausalLM", .names = &falcon_names, .qkv = QKV_GROUPED, \
               .mlp = MLP_PLAIN, .layernorm = true, .has_alibi = true, .multi_query = true, .bias_key = "bias", .mlp_bias_key = "bias", .tied = true, \
               .eps_key = "layer_norm_epsilon", .act_key = "activation", .act = ACT_GELU_ERF, .norm_eps = 1e-5, .theta = 10000, \
               .max_positions = 2048, .inter_per_hidden = 4

static bool new_falcon(const json_t *j) { return json_flag(j, "new_decoder_architecture", false); }
static bool two_norm_falcon(const json_t *j) { return new_falcon(j) && json_int(j, "num_ln_in_parallel_attn", 2) == 2; }
static bool parallel_falcon(const json_t *j) { return new_falcon(j) || json_flag(j, "parallel_attn", true); }

static const struct model_family families[] = {
    { .model_type = "phi3", .architecture = "Phi3ForCausalLM", .names = &phi3_names, .qkv = QKV_FUSED, .mlp = MLP_GATED_FUSED, PRE_NORMS,
      RMS, .slides = SLIDE_ALL, .norm_eps = 1e-5, .theta = 10000 },
    { .model_type = "llama", .architecture = "LlamaForCausalLM", .names = &llama_names, PRE_NORMS, RMS, .bias_key = "attention_bias",
      .mlp_bias_key = "mlp_bias", .norm_eps = 1e-6, .theta = 10000 },
    { .model_type = "mistral", .architecture = "MistralForCausalLM", .names = &llama_names, PRE_NORMS, RMS, .slides = SLIDE_ALL,
      .norm_eps = 1e-6, .theta = 10000, .kv_heads = 8, .window = 4096 },
    { .model_type = "mixtral", .architecture = "MixtralForCausalLM", .names = &mixtral_names, .mlp = MLP_EXPERTS, PRE_NORMS, RMS,
      .slides = SLIDE_ALL, .norm_eps = 1e-5, .theta = 1000000, .kv_heads = 8, .experts = 8, .experts_used = 2 },
    { .model_type = "qwen2", .architecture = "Qwen2ForCausalLM", .names = &llama_names, PRE_NORMS, RMS, .slides = SLIDE_QWEN,
      .qkv_bias = true, .norm_eps = 1e-6, .theta = 10000, .kv_heads = 32, .window = 4096 },
    { .model_type = "qwen3", .architecture = "Qwen3ForCausalLM", .names = &llama_names, PRE_NORMS, RMS, .slides = SLIDE_QWEN,
      .bias_key = "attention_bias", .qk_norm = QK_NORM_HEAD, .norm_eps = 1e-6, .theta = 10000, .kv_heads = 32, .head_dim = 128,
      .window = 4096 },
    { .model_type = "gemma2", .architecture = "Gemma2ForCausalLM", .names = &llama_names, FOUR_NORMS, GEMMA, .slides = SLIDE_EVEN,
      .norm_eps = 1e-6, .theta = 10000, .kv_heads = 4 },
    { .model_type = "gemma3_text", .architecture = "Gemma3ForCausalLM", .names = &llama_names, FOUR_NORMS, GEMMA, .slides = SLIDE_PATTERN,
      .qk_norm = QK_NORM_HEAD, .norm_eps = 1e-6, .theta = 1000000, .local_theta = 10000, .kv_heads = 4 },
    { .model_type = "olmo2", .architecture = "Olmo2ForCausalLM", .names = &llama_names, POST_NORMS, RMS, .bias_key = "attention_bias",
      .qk_norm = QK_NORM_WHOLE, .norm_eps = 1e-5, .theta = 10000 },
    { .model_type = "phi", .architecture = "PhiForCausalLM", .names = &phi_names, .mlp = MLP_PLAIN, .parallel = true, .layernorm = true,
      .norm_attn = "input_layernorm", .qkv_bias = true, .o_bias = true, .mlp_bias = true, .head_bias = true, .qk_norm = QK_NORM_BY_KEY,
      .eps_key = "layer_norm_eps", .act_key = "hidden_act", .act = ACT_GELU_TANH, .norm_eps = 1e-5, .theta = 10000,
      .partial_rotary = 0.5, .max_positions = 2048 },
    { FALCON, .when = two_norm_falcon, .parallel = true, .norm_attn = "ln_attn", .norm_mlp = "ln_mlp" },
    { FALCON, .when = parallel_falcon, .parallel = true, .norm_attn = "input_layernorm" },
    { FALCON, PRE_NORMS },
};

const struct model_family *family_find(const json_t *config)
{
    const char *model_type = json_cstr(config, "model_type");

    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        if (streq(families[i].model_type, model_type) && (!families[i].when || families[i].when(config)))
            return &families[i];
    return NULL;
}

void family_names(struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        if (!families[i].when)
            buf_addf(out, "%s%s", i ? ", " : "", families[i].model_type);
}
