/*
 * What vLLM is told of a model by its name or architecture: parsers, chat template, tokenizer mode, special flags. Names go first, then
 * the first architecture with a row. Source: upstream v0.12 (reference dossier, Workspace, appendix A).
 */
#include "catalog/derive.h"

struct rule { const char *key, *value; };

static const struct rule reasoning_by_prefix[] = {
    { "deepseek-r1", "deepseek_r1" },
    { "deepseek-v3", "deepseek_v3" },
    { "deepseek-v4", "deepseek_v4" },
    { "ernie-4.5", "ernie45" },
    { "gemma-4", "gemma4" },
    { "glm-4.5", "glm45" },
    { "granite-3.2", "granite" },
    { "holo2", "holo2" },
    { "hunyuan-a13b", "hunyuan_a13b" },
    { "kimi-k2", "kimi_k2" },
    { "laguna", "poolside_v1" },
    { "mimo", "mimo" },
    { "minimax-m2", "minimax_m2_append_think" },
    { "minimax-m3", "minimax_m3" },
    { "mistral", "mistral" },
    { "olmo-3", "olmo3" },
    { "qwen3", "qwen3" },
    { "qwq-32b", "deepseek_r1" },
    { "step3", "step3" },
};

static const struct rule reasoning_by_architecture[] = {
    { "DeepseekV3ForCausalLM", "deepseek_v3" },
    { "Ernie4_5_MoeForCausalLM", "ernie45" },
    { "Ernie4_5_VLMoeForConditionalGeneration", "ernie45" },
    { "Gemma4ForConditionalGeneration", "gemma4" },
    { "Gemma4UnifiedForConditionalGeneration", "gemma4" },
    { "Glm4MoeForCausalLM", "glm45" },
    { "GlmMoeDsaForCausalLM", "glm45" },
    { "GptOssForCausalLM", "openai_gptoss" },
    { "GraniteForCausalLM", "granite" },
    { "HYV3ForCausalLM", "hy_v3" },
    { "HunYuanMoEV1ForCausalLM", "hunyuan_a13b" },
    { "KimiK25ForConditionalGeneration", "kimi_k2" },
    { "KimiK2ForCausalLM", "kimi_k2" },
    { "LagunaForCausalLM", "poolside_v1" },
    { "MiMoForCausalLM", "mimo" },
    { "MiniMaxM2ForCausalLM", "minimax_m2_append_think" },
    { "MiniMaxM3SparseForCausalLM", "minimax_m3" },
    { "MiniMaxM3SparseForConditionalGeneration", "minimax_m3" },
    { "Mistral3ForConditionalGeneration", "mistral" },
    { "MistralForCausalLM", "mistral" },
    { "NemotronForCausalLM", "nemotron_v3" },
    { "NemotronHForCausalLM", "nemotron_v3" },
    { "NemotronH_Nano_VL_V2", "nemotron_v3" },
    { "OlmoForCausalLM", "olmo3" },
    { "Qwen3ForCausalLM", "qwen3" },
    { "Qwen3MoeForCausalLM", "qwen3" },
    { "Qwen3_5ForConditionalGeneration", "qwen3" },
    { "Qwen3_5MoeForConditionalGeneration", "qwen3" },
    { "Step3TextForCausalLM", "step3" },
    { "Step3VLForConditionalGeneration", "step3" },
};

/* Longest prefix first: the order decides. */
static const struct rule tool_by_prefix[] = {
    { "xlam", "xlam" },
    { "step3p5", "step3p5" },
    { "step3", "step3" },
    { "seed-oss", "seed_oss" },
    { "qwq-32b", "hermes" },
    { "qwen3.8", "qwen3_coder" },
    { "qwen3.6", "qwen3_coder" },
    { "qwen3.5", "qwen3_coder" },
    { "qwen3-coder", "qwen3_xml" },
    { "qwen3", "hermes" },
    { "qwen2.5", "hermes" },
    { "phi4-mini", "phi4_mini_json" },
    { "olmo-3", "olmo3" },
    { "mistral", "mistral" },
    { "minimax-m3", "minimax_m3" },
    { "minimax-m2", "minimax_m2" },
    { "mimo", "mimo" },
    { "meta-llama-4", "llama4_pythonic" },
    { "meta-llama-3", "llama3_json" },
    { "longcat", "longcat" },
    { "llama-xlama", "xlam" },
    { "lfm2", "lfm2" },
    { "laguna", "poolside_v1" },
    { "kimi_k2", "kimi_k2" },
    { "internlm", "internlm" },
    { "hunyuan-a13b", "hunyuan_a13b" },
    { "hermes-3", "hermes" },
    { "hermes-2", "hermes" },
    { "granite-4", "granite4" },
    { "granite-3", "granite" },
    { "glm-4.7", "glm47" },
    { "glm-4", "glm45" },
    { "gigachat3", "gigachat3" },
    { "gemma-4", "gemma4" },
    { "gemma-3", "functiongemma" },
    { "ernie-4.5", "ernie45" },
    { "deepseek-v4", "deepseek_v4" },
    { "deepseek-v3.2", "deepseek_v32" },
    { "deepseek-v3.1", "deepseek_v31" },
    { "deepseek-v3", "deepseek_v3" },
    { "deepseek-r1", "deepseek_v3" },
    { "apertus", "apertus" },
    { "ai21-jamba", "jamba" },
};

static const struct rule tool_by_architecture[] = {
    { "ApertusForCausalLM", "apertus" },
    { "DeepseekV32ForCausalLM", "deepseek_v32" },
    { "DeepseekV3ForCausalLM", "deepseek_v3" },
    { "Ernie4_5_MoeForCausalLM", "ernie45" },
    { "Ernie4_5_VLMoeForConditionalGeneration", "ernie45" },
    { "GPTBigCodeForCausalLM", "granite-20b-fc" },
    { "Gemma3ForCausalLM", "functiongemma" },
    { "Gemma4ForConditionalGeneration", "gemma4" },
    { "Gemma4UnifiedForConditionalGeneration", "gemma4" },
    { "GigaChat3ForCausalLM", "gigachat3" },
    { "Glm47MoeForCausalLM", "glm47" },
    { "Glm4MoeForCausalLM", "glm45" },
    { "GlmMoeDsaForCausalLM", "glm47" },
    { "GptOssForCausalLM", "openai" },
    { "GraniteForCausalLM", "granite" },
    { "GraniteMoeForCausalLM", "granite" },
    { "GraniteMoeHybridForCausalLM", "granite4" },
    { "HYV3ForCausalLM", "hy_v3" },
    { "HunYuanMoEV1ForCausalLM", "hunyuan_a13b" },
    { "InternLM2ForCausalLM", "internlm" },
    { "JambaForCausalLM", "jamba" },
    { "KimiK25ForConditionalGeneration", "kimi_k2" },
    { "KimiK2ForCausalLM", "kimi_k2" },
    { "LagunaForCausalLM", "poolside_v1" },
    { "Lfm2ForCausalLM", "lfm2" },
    { "Lfm2MoeForCausalLM", "lfm2" },
    { "Llama4ForConditionalGeneration", "llama4_pythonic" },
    { "LlamaForCausalLM", "llama3_json" },
    { "LongcatFlashForCausalLM", "longcat" },
    { "MiMoForCausalLM", "mimo" },
    { "MiniMaxM2ForCausalLM", "minimax_m2" },
    { "MiniMaxM3SparseForCausalLM", "minimax_m3" },
    { "MiniMaxM3SparseForConditionalGeneration", "minimax_m3" },
    { "MistralForCausalLM", "mistral" },
    { "MistralLarge3ForCausalLM", "mistral" },
    { "NemotronHForCausalLM", "qwen3_coder" },
    { "NemotronH_Nano_VL_V2", "qwen3_coder" },
    { "Olmo3ForCausalLM", "olmo3" },
    { "Phi4MiniForCausalLM", "phi4_mini_json" },
    { "Qwen2ForCausalLM", "hermes" },
    { "Qwen3ForCausalLM", "hermes" },
    { "Qwen3MoeForCausalLM", "qwen3_xml" },
    { "Qwen3_5ForConditionalGeneration", "qwen3_coder" },
    { "Qwen3_5MoeForConditionalGeneration", "qwen3_coder" },
    { "SeedOssForCausalLM", "seed_oss" },
    { "Step3TextForCausalLM", "step3" },
    { "Step3p5TextForCausalLM", "step3p5" },
};

static const struct rule template_by_prefix[] = {
    { "deepseek-r1", "deepseekr1" },
    { "deepseek-v3", "deepseekv3" },
    { "gemma-4", "gemma4" },
    { "llama-3", "llama3.1-json" },
    { "phi-4-mini", "phi4-mini" },
    { "qwen2.5", "hermes" },
};

static const struct rule tokenizer_by_prefix[] = {
    { "deepseek-r1", "deepseek_v32" },
    { "deepseek-v3", "deepseek_v32" },
    { "deepseek-v4", "deepseek_v4" },
};

/* Mistral's instruct models without thoughts. */
static const char *const without_reasoning[] = {
    "mistral-7b-v0.3",
    "mistral-7b-instruct-v0.3",
    "ministral-3-3b-instruct-2512",
    "ministral-3-8b-instruct-2512",
    "ministral-3-14b-instruct-2512",
    "mistral-large-3-675b-instruct-2512",
};

static const char *const hybrids[] = {
    "NemotronHForCausalLM", "NemotronH_Nano_VL_V2", "NemotronHMTPModel", "NemotronHPuzzleForCausalLM", "Gemma4ForCausalLM",
    "Gemma4ForConditionalGeneration", "Gemma4UnifiedForConditionalGeneration", "Qwen3_5ForConditionalGeneration",
    "Qwen3_5MoeForConditionalGeneration", "DeepseekV4ForCausalLM", "DeepseekV32ForCausalLM", "GptOssForCausalLM",
};
static const char *const need_cuda_toolkit[] = { "DeepseekV4ForCausalLM", "DeepseekV32ForCausalLM", "GlmMoeDsaForCausalLM" };

static const struct { const char *prefix; unsigned trait; } traits_by_prefix[] = {
    { "deepseek-v4", PRESET_KV_FP8 },
    { "glm-5.2-fp8", PRESET_KV_FP8 },
    { "qwen3.5", PRESET_GDN_TRITON },
    { "qwen3.6", PRESET_GDN_TRITON },
    { "qwen3.8", PRESET_GDN_TRITON },
    { "minimax-m2", PRESET_EXPERT_PARALLEL },
    { "deepseek-v3.2", PRESET_NO_AUTOTUNE },
};

static const struct rule assumed_architectures[] = {
    { "mistral-large-3", "MistralLarge3ForCausalLM" },
    { "ministral-3", "Mistral3ForConditionalGeneration" },
};

static const char *by_prefix(const struct rule *rules, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (str_has_prefix(str_of(name), str_of(rules[i].key)))
            return rules[i].value;
    return NULL;
}

static const char *by_architecture(const struct rule *rules, size_t n, const char *const *archs, size_t n_archs)
{
    for (size_t k = 0; k < n_archs; k++)
        for (size_t i = 0; i < n; i++)
            if (streq(rules[i].key, archs[k]))
                return rules[i].value;
    return NULL;
}

static bool any_is_listed(const char *const *list, size_t n, const char *const *archs, size_t n_archs)
{
    for (size_t k = 0; k < n_archs; k++)
        for (size_t i = 0; i < n; i++)
            if (streq(list[i], archs[k]))
                return true;
    return false;
}

static const char *reasoning_parser(const char *name, const char *const *archs, size_t n)
{
    if (any_is_listed(without_reasoning, ARRAY_LEN(without_reasoning), &name, 1))
        return NULL;
    const char *found = by_prefix(reasoning_by_prefix, ARRAY_LEN(reasoning_by_prefix), name);

    return found ? found : by_architecture(reasoning_by_architecture, ARRAY_LEN(reasoning_by_architecture), archs, n);
}

static const char *tool_parser(const char *name, const char *const *archs, size_t n)
{
    const char *found = by_prefix(tool_by_prefix, ARRAY_LEN(tool_by_prefix), name);

    return found ? found : by_architecture(tool_by_architecture, ARRAY_LEN(tool_by_architecture), archs, n);
}

void model_traits(struct preset *p, const char *const *architectures, size_t n)
{
    const char *mode = by_prefix(tokenizer_by_prefix, ARRAY_LEN(tokenizer_by_prefix), p->name);

    p->vllm.tool_parser = tool_parser(p->name, architectures, n);
    p->vllm.reasoning_parser = reasoning_parser(p->name, architectures, n);
    p->vllm.chat_template = by_prefix(template_by_prefix, ARRAY_LEN(template_by_prefix), p->name);
    if (mode)
        p->vllm.tokenizer_mode = mode;
    for (size_t i = 0; i < ARRAY_LEN(traits_by_prefix); i++)
        if (str_has_prefix(str_of(p->name), str_of(traits_by_prefix[i].prefix)))
            p->vllm.traits |= traits_by_prefix[i].trait;
    if (any_is_listed(hybrids, ARRAY_LEN(hybrids), architectures, n))
        p->vllm.traits |= PRESET_NO_KV_OFFLOAD;
    if (any_is_listed(need_cuda_toolkit, ARRAY_LEN(need_cuda_toolkit), architectures, n))
        p->vllm.traits |= PRESET_DEEP_GEMM | PRESET_CUDA_TOOLKIT;
    if (streq(p->name, "mistral-small-4-119b-2603"))
        p->vllm.traits |= PRESET_CUDA_TOOLKIT;
}

const char *model_assumed_architecture(const char *name)
{
    return by_prefix(assumed_architectures, ARRAY_LEN(assumed_architectures), name);
}
