/* config.json: what is read, what is refused, and by which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/model.h"

#define PHI3 "\"model_type\":\"phi3\",\"architectures\":[\"Phi3ForCausalLM\"],\"hidden_size\":64,\"intermediate_size\":100," \
             "\"num_hidden_layers\":2,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"vocab_size\":640," \
             "\"max_position_embeddings\":131072,\"eos_token_id\":2"

static struct model_config parse(const char *config, const char *generation)
{
    struct model_config c;
    struct err e = { 0 };

    if (model_config_parse(str_of(config), str_of(generation), &c, &e))
        fail_msg("%s", e.text);
    return c;
}

static void defaults_are_the_class_defaults(void **state)
{
    struct model_config c = parse("{" PHI3 "}", NULL);

    assert_int_equal(c.head_dim, 16);
    assert_int_equal(c.rotary, 16);
    assert_int_equal(c.window, 0);
    assert_false(c.tied);
    assert_int_equal(c.bos, -1);
    assert_true(c.norm_eps == 1e-5f && c.attn_scale == 0.25f && c.rope.theta == 10000);
    model_config_done(&c);
}

#define SIZES "\"hidden_size\":64,\"intermediate_size\":100,\"num_hidden_layers\":2,\"num_attention_heads\":16,\"vocab_size\":640," \
              "\"max_position_embeddings\":8192"

static void silent_configs_mean_what_the_class_means(void **state)
{
    struct model_config c = parse("{\"model_type\":\"mistral\"," SIZES "}", NULL);

    assert_int_equal(c.window, 4096);
    assert_int_equal(c.kv_heads, 8);
    model_config_done(&c);
    c = parse("{\"model_type\":\"mistral\",\"sliding_window\":null," SIZES "}", NULL);
    assert_int_equal(c.window, 0);
    model_config_done(&c);
    c = parse("{\"model_type\":\"mixtral\"," SIZES "}", NULL);
    assert_true(c.experts == 8 && c.experts_used == 2 && c.window == 0);
    model_config_done(&c);
    c = parse("{\"model_type\":\"phi\"," SIZES "}", NULL);
    assert_true(c.rotary == 2 && c.layernorm && c.parallel && !c.gated && c.head_bias && c.qkv_bias && c.act == ACT_GELU_TANH);
    model_config_done(&c);
}

/* The heads of Falcon, by its own keys. */
static void falcon_counts_heads_its_own_way(void **state)
{
    static const struct { const char *keys; size_t kv_heads; bool parallel; } rows[] = {
        { "", 1, true }, { "\"num_kv_heads\":16,", 1, true }, { "\"multi_query\":false,", 16, true },
        { "\"new_decoder_architecture\":true,\"num_kv_heads\":4,", 4, true }, { "\"multi_query\":false,\"parallel_attn\":false,", 16, false },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_MEM char *text = xasprintf("{\"model_type\":\"falcon\",%s" SIZES "}", rows[i].keys);
        struct model_config c = parse(text, NULL);

        assert_int_equal(c.kv_heads, rows[i].kv_heads);
        assert_int_equal(c.parallel, rows[i].parallel);
        assert_true(c.tied && c.qkv_grouped && !c.alibi);
        model_config_done(&c);
    }
    struct model_config c = parse("{\"model_type\":\"falcon\",\"alibi\":true," SIZES "}", NULL);
    assert_true(c.alibi[0] == f32_round_bf16(0.70710678f) && c.alibi[15] == 0.00390625f);
    model_config_done(&c);
}

static void stop_tokens_are_the_union(void **state)
{
    struct model_config c = parse("{" PHI3 "}", "{\"eos_token_id\":[7,1,2],\"bos_token_id\":1}");

    assert_int_equal(c.n_eos, 3);
    assert_int_equal(c.eos[0], 7);
    assert_int_equal(c.bos, 1);
    model_config_done(&c);
}

static void bad_configs_are_refused_by_name(void **state)
{
    static const struct { const char *config, *text; } rows[] = {
        { "{\"model_type\":\"mamba\"}", "config.json: model_type mamba is not known; known are phi3, llama, mistral, mixtral, qwen2, qwen3, gemma2, gemma3_text, olmo2, phi, falcon" },
        { "{}", "config.json: model_type (absent) is not known; known are phi3, llama, mistral, mixtral, qwen2, qwen3, gemma2, gemma3_text, olmo2, phi, falcon" },
        { "{" PHI3 ",\"flux_capacitor\":1.21}", "config.json: key flux_capacitor is not known and might change what the model computes; remove it if it does not" },
        { "{" PHI3 ",\"num_attention_heads\":3}", "config.json: hidden_size 64 is no multiple of num_attention_heads 3" },
        { "{" PHI3 ",\"num_key_value_heads\":3}", "config.json: num_attention_heads 4 is no multiple of num_key_value_heads 3" },
        { "{" PHI3 ",\"hidden_size\":0}", "config.json: hidden_size must be a whole number from 1 to 1048576" },
        { "{" PHI3 ",\"vocab_size\":null}", "config.json: vocab_size must be a whole number from 1 to 16777216" },
        { "{" PHI3 ",\"rope_scaling\":{\"type\":\"warp\",\"factor\":2}}", "config.json: rope_scaling type warp is not known" },
        { "{" PHI3 ",\"rope_scaling\":{\"type\":\"linear\"}}", "config.json: rope_scaling.factor must be at least 1" },
        { "{" PHI3 ",\"rope_scaling\":{\"type\":\"su\",\"short_factor\":[1],\"long_factor\":[1]}}", "config.json: rope_scaling.short_factor must be a list of 8 numbers, it has 1" },
        { "{" PHI3 ",\"rope_scaling\":{\"type\":\"linear\",\"factor\":2,\"wobble\":3}}", "config.json: rope_scaling.wobble is not known" },
        { "{" PHI3 ",\"hidden_act\":\"mish\"}", "config.json: hidden_act mish is not known" },
        { "{" PHI3 ",\"layer_types\":[\"full_attention\"]}", "config.json: layer_types has 1 entries for 2 layers" },
        { "{" PHI3 ",\"sliding_window\":-3}", "config.json: sliding_window must be a whole number above 0, or null" },
        { "{" PHI3 ",\"partial_rotary_factor\":0.2}", "config.json: 3 rotary dimensions of head_dim 16 must be even" },
        { "{" PHI3 ",\"architectures\":[\"Phi3ForSequenceClassification\"]}", "config.json: architecture Phi3ForSequenceClassification is not known for model_type phi3; Phi3ForCausalLM is" },
        { "{" PHI3 ",\"quantization_config\":{\"quant_method\":\"gptq\"}}", "config.json: quantization_config.quant_method gptq is not read; bitsandbytes with load_in_4bit is" },
        { "{" PHI3 ",\"torch_dtype\":\"float8\"}", "config.json: dtype float8 is not known" },
        { "{\"model_type\":\"mixtral\",\"num_experts_per_tok\":9," SIZES "}", "config.json: num_experts_per_tok 9 is above num_local_experts 8" },
        { "{\"model_type\":\"llama\",\"logits_scaling\":8," SIZES "}", "config.json: key logits_scaling is not known and might change what the model computes; remove it if it does not" },
        { "{\"model_type\":\"llama\",\"rope_parameters\":{\"full_attention\":{\"rope_type\":\"default\"},\"sliding_attention\":{\"rope_type\":\"default\"}}," SIZES "}", "config.json: rope_parameters.sliding_attention is not known for model_type llama" },
        { "{\"model_type\":\"qwen3_moe\"," SIZES "}", "config.json: model_type qwen3_moe is not known; known are phi3, llama, mistral, mixtral, qwen2, qwen3, gemma2, gemma3_text, olmo2, phi, falcon" },
        { "[]", "config.json: must be an object" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct model_config c;
        struct err e = { 0 };

        assert_int_not_equal(model_config_parse(str_of(rows[i].config), (struct str){ 0 }, &c, &e), ERR_OK);
        assert_string_equal(e.text, rows[i].text);
    }
}

static void harmless_keys_pass(void **state)
{
    struct model_config c = parse("{" PHI3 ",\"auto_map\":{\"a\":\"b\"},\"unknown_but_null\":null,\"unknown_flag\":false,\"use_cache\":true}", NULL);

    model_config_done(&c);
}

/* The figure of the 128k checkpoints: 131072 over 4096 positions scale cos and sin by 1.19. */
static void longrope_scales_and_switches(void **state)
{
    AUTO_BUF text = { 0 };

    buf_adds(&text, "{" PHI3 ",\"original_max_position_embeddings\":4096,\"rope_scaling\":{\"type\":\"su\",\"short_factor\":[1,1,1,1,1,1,1,1],"
                    "\"long_factor\":[2,2,2,2,2,2,2,2]}}");
    struct model_config c = parse(buf_cstr(&text), NULL);
    float brief[8], lengthy[8], scale;

    rope_frequencies(&c, &c.rope, 4096, brief, &scale);
    assert_true(fabs((double)scale - 1.1902380714238083) < 1e-6);
    rope_frequencies(&c, &c.rope, 4097, lengthy, &scale);
    assert_true(brief[0] == 1 && lengthy[0] == 0.5f);
    assert_true(rope_changes(&c, 4096, 4097));
    assert_false(rope_changes(&c, 4095, 4096));
    assert_false(rope_changes(&c, 0, 5000));
    model_config_done(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_class_defaults),
        cmocka_unit_test(silent_configs_mean_what_the_class_means),
        cmocka_unit_test(falcon_counts_heads_its_own_way),
        cmocka_unit_test(stop_tokens_are_the_union),
        cmocka_unit_test(bad_configs_are_refused_by_name),
        cmocka_unit_test(harmless_keys_pass),
        cmocka_unit_test(longrope_scales_and_switches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
