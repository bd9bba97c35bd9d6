#include "catalog/presets.h"

/* Models that we have not pinned to a commit. */
#define MAIN "main"

static const struct preset presets[] = {
    { "phi-4", "phi-4", "microsoft/phi-4", MAIN, "0.2.0", "Phi3ForCausalLM",
      27.31, 107, 204800, 16384, true, true,
      { "auto", "auto", NULL, NULL, NULL, 0 }, "mit" },
    { "phi-4-mini-instruct", "phi-4-mini-instruct", "microsoft/Phi-4-mini-instruct", MAIN, "0.2.0", "Phi3ForCausalLM",
      7.15, 87, 131072, 131072, true, false,
      { "auto", "auto", NULL, NULL, "phi4-mini", 0 }, "mit" },
    { "deepseek-r1-distill-llama-8b", "deepseek-r1-distill-llama-8b", "deepseek-ai/DeepSeek-R1-Distill-Llama-8B", MAIN, "0.2.0", "LlamaForCausalLM",
      14.96, 94, 131072, 131072, false, true,
      { "auto", "deepseek_v32", "deepseek_v3", "deepseek_r1", "deepseekr1", 0 }, "mit" },
    { "deepseek-r1-distill-qwen-14b", "deepseek-r1-distill-qwen-14b", "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B", MAIN, "0.2.0", "Qwen2ForCausalLM",
      27.51, 107, 196608, 131072, false, true,
      { "auto", "deepseek_v32", "deepseek_v3", "deepseek_r1", "deepseekr1", 0 }, "mit" },
    { "phi-3-mini-4k-instruct", "phi-3-mini-4k-instruct", "microsoft/Phi-3-mini-4k-instruct", "d269012bea6fbe38ce7752c8940fea010eea3383", "0.2.0", "Phi3ForCausalLM",
      7.12, 87, 393216, 4096, true, true,
      { "auto", "auto", NULL, NULL, NULL, 0 }, "mit" },
    { "phi-3-mini-128k-instruct", "phi-3-mini-128k-instruct", "microsoft/Phi-3-mini-128k-instruct", "d548c233192db00165d842bf8edff054bb3212f8", "0.2.0", "Phi3ForCausalLM",
      7.12, 87, 393216, 131072, true, true,
      { "auto", "auto", NULL, NULL, NULL, 0 }, "mit" },
    { "phi-3-medium-4k-instruct", "phi-3-medium-4k-instruct", "microsoft/Phi-3-medium-4k-instruct", "d194e4e74ffad5a5e193e26af25bcfc80c7f1ffc", "0.2.0", "Phi3ForCausalLM",
      26.00, 106, 204800, 4096, true, true,
      { "auto", "auto", NULL, NULL, NULL, 0 }, "mit" },
    { "phi-3-medium-128k-instruct", "phi-3-medium-128k-instruct", "microsoft/Phi-3-medium-128k-instruct", "cae1d42b5577398fd1be9f0746052562ae552886", "0.2.0", "Phi3ForCausalLM",
      26.00, 106, 204800, 131072, true, true,
      { "auto", "auto", NULL, NULL, NULL, 0 }, "mit" },
    { "phi-3.5-mini-instruct", "phi-3.5-mini-instruct", "microsoft/Phi-3.5-mini-instruct", "3145e03a9fd4cdd7cd953c34d9bbf7ad606122ca", "0.2.0", "Phi3ForCausalLM",
      7.12, 87, 393216, 131072, true, true,
      { "auto", "auto", NULL, NULL, NULL, 0 }, "mit" },
    { "qwen2.5-coder-7b-instruct", "qwen2.5-coder-7b-instruct", "Qwen/Qwen2.5-Coder-7B-Instruct", MAIN, "0.2.0", "Qwen2ForCausalLM",
      14.19, 94, 57344, 32768, true, true,
      { "auto", "auto", "hermes", NULL, "hermes", 0 }, "apache-2.0" },
    { "qwen2.5-coder-32b-instruct", "qwen2.5-coder-32b-instruct", "Qwen/Qwen2.5-Coder-32B-Instruct", MAIN, "0.2.0", "Qwen2ForCausalLM",
      61.03, 141, 262144, 32768, true, true,
      { "auto", "auto", "hermes", NULL, "hermes", 0 }, "apache-2.0" },
    { "gpt-oss-20b", "gpt-oss-20b", "openai/gpt-oss-20b", MAIN, NULL, "GptOssForCausalLM",
      25.63, 105, 49152, 131072, false, true,
      { "auto", "auto", "openai", "openai_gptoss", NULL, PRESET_NO_KV_OFFLOAD, "mxfp4" }, "apache-2.0" },
    { "gpt-oss-120b", "gpt-oss-120b", "openai/gpt-oss-120b", MAIN, NULL, "GptOssForCausalLM",
      121.54, 201, 73728, 131072, false, true,
      { "auto", "auto", "openai", "openai_gptoss", NULL, PRESET_NO_KV_OFFLOAD, "mxfp4" }, "apache-2.0" },
    { "llama-3.1-8b-instruct", "llama-3.1-8b-instruct", "meta-llama/Llama-3.1-8B-Instruct", MAIN, "0.2.0", "LlamaForCausalLM",
      14.96, 94, 131072, 131072, false, true,
      { "auto", "auto", "llama3_json", NULL, "llama3.1-json", 0 }, "llama3.1" },
    { "llama-3.3-70b-instruct", "llama-3.3-70b-instruct", "meta-llama/Llama-3.3-70B-Instruct", MAIN, NULL, "LlamaForCausalLM",
      131.42, 211, 327680, 131072, false, true,
      { "auto", "auto", "llama3_json", NULL, "llama3.1-json", 0 }, "llama3.3" },
    { "mistral-7b-v0.3", "mistral-7b", "mistralai/Mistral-7B-v0.3", MAIN, NULL, "MistralForCausalLM",
      13.50, 93, 131072, 32768, true, true,
      { "mistral", "mistral", "mistral", NULL, NULL, 0 }, "apache-2.0" },
    { "mistral-7b-instruct-v0.3", "mistral-7b-instruct", "mistralai/Mistral-7B-Instruct-v0.3", MAIN, NULL, "MistralForCausalLM",
      13.50, 93, 131072, 32768, false, true,
      { "mistral", "mistral", "mistral", NULL, NULL, 0 }, "apache-2.0" },
    { "ministral-3-3b-instruct-2512", "ministral-3-3b-instruct", "mistralai/Ministral-3-3B-Instruct-2512", MAIN, NULL, "Mistral3ForConditionalGeneration",
      4.35, 84, 106496, 262144, false, false,
      { "mistral", "mistral", NULL, NULL, NULL, 0, "fp8" }, "apache-2.0" },
    { "ministral-3-8b-instruct-2512", "ministral-3-8b-instruct", "mistralai/Ministral-3-8B-Instruct-2512", MAIN, NULL, "Mistral3ForConditionalGeneration",
      9.70, 89, 139264, 262144, false, false,
      { "mistral", "mistral", NULL, NULL, NULL, 0, "fp8" }, "apache-2.0" },
    { "ministral-3-14b-instruct-2512", "ministral-3-14b-instruct", "mistralai/Ministral-3-14B-Instruct-2512", MAIN, NULL, "Mistral3ForConditionalGeneration",
      14.65, 94, 163840, 262144, false, false,
      { "mistral", "mistral", NULL, NULL, NULL, 0, "fp8" }, "apache-2.0" },
    { "gemma-3-4b-it", "gemma-3-4b-instruct", "google/gemma-3-4b-it", MAIN, NULL, "Gemma3ForConditionalGeneration",
      8.01, 88, 139264, 131072, false, true,
      { "auto", "auto", "functiongemma", NULL, NULL, 0 }, "gemma" },
    { "gemma-3-27b-it", "gemma-3-27b-instruct", "google/gemma-3-27b-it", MAIN, NULL, "Gemma3ForConditionalGeneration",
      51.10, 131, 507904, 131072, false, true,
      { "auto", "auto", "functiongemma", NULL, NULL, 0 }, "gemma" },
    { "deepseek-r1-0528", "deepseek-r1-0528", "deepseek-ai/DeepSeek-R1-0528", MAIN, NULL, "DeepseekV3ForCausalLM",
      641.30, 721, 70272, 163840, false, true,
      { "auto", "deepseek_v32", "deepseek_v3", "deepseek_r1", "deepseekr1", 0, "fp8" }, "mit" },
    { "deepseek-v3-0324", "deepseek-v3-0324", "deepseek-ai/DeepSeek-V3-0324", MAIN, NULL, "DeepseekV3ForCausalLM",
      641.30, 721, 70272, 163840, false, true,
      { "auto", "deepseek_v32", "deepseek_v3", "deepseek_v3", "deepseekv3", 0, "fp8" }, "mit" },
    { "mistral-large-3-675b-instruct-2512", "mistral-large-3-675b-instruct", "mistralai/Mistral-Large-3-675B-Instruct-2512", MAIN, NULL, "MistralLarge3ForCausalLM",
      634.70, 714, 70272, 294912, false, false,
      { "mistral", "mistral", "mistral", NULL, NULL, 0, "float-quantized" }, "apache-2.0" },
    { "nvidia-nemotron-3-super-120b-a12b-bf16", NULL, "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-BF16", MAIN, NULL, "NemotronHForCausalLM",
      230.25, 310, 90112, 262144, false, false,
      { "auto", "auto", "qwen3_coder", "nemotron_v3", NULL, PRESET_NO_KV_OFFLOAD }, "nvidia-nemotron-open-model-license" },
    { "nemotron-cascade-2-30b-a3b", NULL, "nvidia/Nemotron-Cascade-2-30B-A3B", MAIN, NULL, "NemotronHForCausalLM",
      58.82, 138, 53248, 262144, false, false,
      { "auto", "auto", "qwen3_coder", "nemotron_v3", NULL, PRESET_NO_KV_OFFLOAD }, "nvidia-open-model-license" },
    { "nvidia-nemotron-3-nano-30b-a3b-bf16", NULL, "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", MAIN, NULL, "NemotronHForCausalLM",
      58.82, 138, 53248, 262144, false, false,
      { "auto", "auto", "qwen3_coder", "nemotron_v3", NULL, PRESET_NO_KV_OFFLOAD }, "nvidia-nemotron-open-model-license" },
    { "nvidia-nemotron-nano-12b-v2-vl-bf16", NULL, "nvidia/NVIDIA-Nemotron-Nano-12B-v2-VL-BF16", MAIN, NULL, "NemotronH_Nano_VL_V2",
      24.55, 104, 253952, 131072, false, false,
      { "auto", "auto", "qwen3_coder", "nemotron_v3", NULL, PRESET_NO_KV_OFFLOAD }, "nvidia-open-model-license" },
    { "nvidia-nemotron-nano-9b-v2", NULL, "nvidia/NVIDIA-Nemotron-Nano-9B-v2", MAIN, NULL, "NemotronHForCausalLM",
      16.56, 96, 229376, 131072, false, false,
      { "auto", "auto", "qwen3_coder", "nemotron_v3", NULL, PRESET_NO_KV_OFFLOAD }, "nvidia-open-model-license" },
    { "nvidia-nemotron-3-nano-4b-bf16", NULL, "nvidia/NVIDIA-Nemotron-3-Nano-4B-BF16", MAIN, NULL, "NemotronHForCausalLM",
      7.40, 87, 172032, 262144, false, false,
      { "auto", "auto", "qwen3_coder", "nemotron_v3", NULL, PRESET_NO_KV_OFFLOAD }, "nvidia-nemotron-open-model-license" },
    { "qwen3-8b-awq", NULL, "Qwen/Qwen3-8B-AWQ", MAIN, NULL, "Qwen3ForCausalLM",
      5.68, 85, 147456, 40960, false, false,
      { "auto", "auto", "hermes", "qwen3", NULL, 0, "awq" }, "apache-2.0" },
    { "gemma-4-31b-it", NULL, "google/gemma-4-31B-it", MAIN, NULL, "Gemma4ForConditionalGeneration",
      58.25, 138, 983040, 262144, false, false,
      { "auto", "auto", "gemma4", "gemma4", "gemma4", PRESET_NO_KV_OFFLOAD }, "apache-2.0" },
    { "gemma-4-26b-a4b-it", NULL, "google/gemma-4-26B-A4B-it", MAIN, NULL, "Gemma4ForConditionalGeneration",
      48.07, 128, 245760, 262144, false, false,
      { "auto", "auto", "gemma4", "gemma4", "gemma4", PRESET_NO_KV_OFFLOAD }, "apache-2.0" },
    { "gemma-4-e4b-it", NULL, "google/gemma-4-E4B-it", MAIN, NULL, "Gemma4ForConditionalGeneration",
      14.89, 94, 86016, 131072, false, false,
      { "auto", "auto", "gemma4", "gemma4", "gemma4", PRESET_NO_KV_OFFLOAD }, "apache-2.0" },
    { "gemma-4-e2b-it", NULL, "google/gemma-4-E2B-it", MAIN, NULL, "Gemma4ForConditionalGeneration",
      9.54, 89, 35840, 131072, false, false,
      { "auto", "auto", "gemma4", "gemma4", "gemma4", PRESET_NO_KV_OFFLOAD }, "apache-2.0" },
    { "mistral-small-4-119b-2603", NULL, "mistralai/Mistral-Small-4-119B-2603", MAIN, NULL, "Mistral3ForConditionalGeneration",
      112.63, 192, 23040, 1048576, false, false,
      { "mistral", "mistral", "mistral", "mistral", NULL, PRESET_CUDA_TOOLKIT, "fp8" }, "apache-2.0" },
    { "mistral-small-4-119b-2603-nvfp4", NULL, "mistralai/Mistral-Small-4-119B-2603-NVFP4", MAIN, NULL, "Mistral3ForConditionalGeneration",
      65.95, 145, 23040, 1048576, false, false,
      { "mistral", "mistral", "mistral", "mistral", NULL, 0, "nvfp4-pack-quantized" }, "apache-2.0" },
    { "qwen3.5-2b", NULL, "Qwen/Qwen3.5-2B", MAIN, NULL, "Qwen3_5ForConditionalGeneration",
      4.24, 84, 49152, 262144, false, false,
      { "auto", "auto", "qwen3_coder", "qwen3", NULL, PRESET_NO_KV_OFFLOAD | PRESET_GDN_TRITON }, "apache-2.0" },
    { "qwen3.5-4b", NULL, "Qwen/Qwen3.5-4B", MAIN, NULL, "Qwen3_5ForConditionalGeneration",
      8.68, 88, 131072, 262144, false, false,
      { "auto", "auto", "qwen3_coder", "qwen3", NULL, PRESET_NO_KV_OFFLOAD | PRESET_GDN_TRITON }, "apache-2.0" },
    { "qwen3.5-9b", NULL, "Qwen/Qwen3.5-9B", MAIN, NULL, "Qwen3_5ForConditionalGeneration",
      17.98, 97, 131072, 262144, false, false,
      { "auto", "auto", "qwen3_coder", "qwen3", NULL, PRESET_NO_KV_OFFLOAD | PRESET_GDN_TRITON }, "apache-2.0" },
    { "qwen3.5-122b-a10b-gptq-int4", NULL, "Qwen/Qwen3.5-122B-A10B-GPTQ-Int4", MAIN, NULL, "Qwen3_5MoeForConditionalGeneration",
      73.47, 153, 98304, 262144, false, false,
      { "auto", "auto", "qwen3_coder", "qwen3", NULL, PRESET_NO_KV_OFFLOAD | PRESET_GDN_TRITON, "gptq" }, "apache-2.0" },
    { "qwen3.5-122b-a10b", NULL, "Qwen/Qwen3.5-122B-A10B", MAIN, NULL, "Qwen3_5MoeForConditionalGeneration",
      232.99, 312, 98304, 262144, false, false,
      { "auto", "auto", "qwen3_coder", "qwen3", NULL, PRESET_NO_KV_OFFLOAD | PRESET_GDN_TRITON }, "apache-2.0" },
    { "qwen3.6-35b-a3b-fp8", NULL, "Qwen/Qwen3.6-35B-A3B-FP8", MAIN, NULL, "Qwen3_5MoeForConditionalGeneration",
      34.90, 114, 81920, 262144, false, false,
      { "auto", "auto", "qwen3_coder", "qwen3", NULL, PRESET_NO_KV_OFFLOAD | PRESET_GDN_TRITON, "fp8" }, "apache-2.0" },
    { "qwen3.6-35b-a3b", NULL, "Qwen/Qwen3.6-35B-A3B", MAIN, NULL, "Qwen3_5MoeForConditionalGeneration",
      66.97, 146, 81920, 262144, false, false,
      { "auto", "auto", "qwen3_coder", "qwen3", NULL, PRESET_NO_KV_OFFLOAD | PRESET_GDN_TRITON }, "apache-2.0" },
    { "qwen3.6-27b", NULL, "Qwen/Qwen3.6-27B", MAIN, NULL, "Qwen3_5ForConditionalGeneration",
      51.75, 131, 262144, 262144, false, false,
      { "auto", "auto", "qwen3_coder", "qwen3", NULL, PRESET_NO_KV_OFFLOAD | PRESET_GDN_TRITON }, "apache-2.0" },
    { "qwen3.5-397b-a17b-gptq-int4", NULL, "Qwen/Qwen3.5-397B-A17B-GPTQ-Int4", MAIN, NULL, "Qwen3_5MoeForConditionalGeneration",
      219.56, 299, 122880, 262144, false, false,
      { "auto", "auto", "qwen3_coder", "qwen3", NULL, PRESET_NO_KV_OFFLOAD | PRESET_GDN_TRITON, "gptq" }, "apache-2.0" },
    { "kimi-k2.5", NULL, "moonshotai/Kimi-K2.5", MAIN, NULL, "KimiK25ForConditionalGeneration",
      554.32, 634, 70272, 262144, false, false,
      { "auto", "auto", "kimi_k2", "kimi_k2", NULL, 0, "pack-quantized" }, "modified-mit" },
    { "kimi-k2.6", NULL, "moonshotai/Kimi-K2.6", MAIN, NULL, "KimiK25ForConditionalGeneration",
      554.32, 634, 70272, 262144, false, false,
      { "auto", "auto", "kimi_k2", "kimi_k2", NULL, 0, "pack-quantized" }, "modified-mit" },
    { "minimax-m2.7", NULL, "MiniMaxAI/MiniMax-M2.7", MAIN, NULL, "MiniMaxM2ForCausalLM",
      214.34, 294, 253952, 204800, false, false,
      { "auto", "auto", "minimax_m2", "minimax_m2_append_think", NULL, PRESET_EXPERT_PARALLEL, "fp8" }, "other" },
    { "mistral-medium-3.5-128b", NULL, "mistralai/Mistral-Medium-3.5-128B", MAIN, NULL, "Mistral3ForConditionalGeneration",
      124.43, 204, 360448, 262144, false, false,
      { "mistral", "mistral", "mistral", "mistral", NULL, 0, "fp8" }, "other" },
    { "deepseek-v4-flash-0731", NULL, "deepseek-ai/DeepSeek-V4-Flash-0731", MAIN, NULL, "DeepseekV4ForCausalLM",
      155.43, 235, 88064, 1048576, false, false,
      { "auto", "deepseek_v4", "deepseek_v4", "deepseek_v4", NULL, PRESET_NO_KV_OFFLOAD | PRESET_KV_FP8 | PRESET_DEEP_GEMM | PRESET_CUDA_TOOLKIT, "fp8" }, "mit" },
    { "deepseek-v4-pro", NULL, "deepseek-ai/DeepSeek-V4-Pro", MAIN, NULL, "DeepseekV4ForCausalLM",
      805.34, 885, 124928, 1048576, false, false,
      { "auto", "deepseek_v4", "deepseek_v4", "deepseek_v4", NULL, PRESET_NO_KV_OFFLOAD | PRESET_KV_FP8 | PRESET_DEEP_GEMM | PRESET_CUDA_TOOLKIT, "fp8" }, "mit" },
    { "gemma-4-12b-it", NULL, "google/gemma-4-12B-it", MAIN, NULL, "Gemma4UnifiedForConditionalGeneration",
      22.28, 102, 393216, 262144, false, false,
      { "auto", "auto", "gemma4", "gemma4", "gemma4", PRESET_NO_KV_OFFLOAD }, "apache-2.0" },
    { "glm-5.2-fp8", NULL, "zai-org/GLM-5.2-FP8", MAIN, NULL, "GlmMoeDsaForCausalLM",
      703.75, 783, 89856, 1048576, false, false,
      { "auto", "auto", "glm47", "glm45", NULL, PRESET_KV_FP8 | PRESET_DEEP_GEMM | PRESET_CUDA_TOOLKIT, "fp8" }, "mit" },
    { "kimi-k2.7-code", NULL, "moonshotai/Kimi-K2.7-Code", MAIN, NULL, "KimiK25ForConditionalGeneration",
      554.32, 634, 70272, 262144, false, false,
      { "auto", "auto", "kimi_k2", "kimi_k2", NULL, 0, "pack-quantized" }, "modified-mit" },
    { "nvidia-nemotron-3-ultra-550b-a55b-nvfp4", NULL, "nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-NVFP4", MAIN, NULL, "NemotronHForCausalLM",
      328.13, 408, 110592, 262144, false, false,
      { "auto", "auto", "qwen3_coder", "nemotron_v3", NULL, PRESET_NO_KV_OFFLOAD, "MIXED_PRECISION" }, "openmdw-1.1" },
    { "deepseek-v3.2", NULL, "deepseek-ai/DeepSeek-V3.2", MAIN, NULL, "DeepseekV32ForCausalLM",
      642.14, 722, 70272, 163840, false, false,
      { "auto", "deepseek_v32", "deepseek_v32", "deepseek_v3", "deepseekv3", PRESET_NO_KV_OFFLOAD | PRESET_NO_AUTOTUNE | PRESET_DEEP_GEMM | PRESET_CUDA_TOOLKIT, "fp8" }, "mit" },
    { "granite-4.1-8b", NULL, "ibm-granite/granite-4.1-8b", MAIN, NULL, "GraniteForCausalLM",
      16.38, 96, 163840, 131072, false, false,
      { "auto", "auto", "granite4", "granite", NULL, 0 }, "apache-2.0" },
    { "qwen3.8-27b", NULL, "Qwen/Qwen3.8-27B", MAIN, NULL, "Qwen3_5ForConditionalGeneration",
      51.75, 131, 262144, 262144, false, false,
      { "auto", "auto", "qwen3_coder", "qwen3", NULL, PRESET_NO_KV_OFFLOAD | PRESET_GDN_TRITON }, "apache-2.0" },
};

bool preset_needs_token(const struct preset *p)
{
    static const char *const to_accept[] = { "llama", "gemma" };

    for (size_t i = 0; p->license && i < ARRAY_LEN(to_accept); i++)
        if (str_has_prefix(str_of(p->license), str_of(to_accept[i])))
            return true;
    return false;
}

bool preset_runs_natively(const struct preset *p)
{
    static const char *const native[] = {
        "FalconForCausalLM", "Gemma2ForCausalLM", "Gemma3ForCausalLM", "LlamaForCausalLM", "MistralForCausalLM", "MixtralForCausalLM",
        "Olmo2ForCausalLM", "Phi3ForCausalLM", "PhiForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM",
    };

    for (size_t i = 0; i < ARRAY_LEN(native); i++)
        if (streq(p->architecture, native[i]) && !p->vllm.quantization)
            return true;
    return false;
}

size_t preset_count(void)
{
    return ARRAY_LEN(presets);
}

const struct preset *preset_at(size_t i)
{
    return &presets[i];
}

const struct preset *preset_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(presets); i++)
        if ((presets[i].alias && str_ieq(name, str_of(presets[i].alias))) || str_ieq(name, str_of(presets[i].repo)))
            return &presets[i];
    return NULL;
}

enum preset_validity preset_check(struct str name)
{
    struct str owner, rest;

    if (preset_find(name))
        return PRESET_VALID;
    if (str_cut(name, '/', &owner, &rest) && owner.n > 0 && rest.n > 0)
        return PRESET_VALID;
    return str_ieq(name, STR("phi-2")) ? PRESET_DEPRECATED : PRESET_UNKNOWN;
}
