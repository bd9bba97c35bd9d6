/* Which of config.json's dropouts a family follows: what its class in transformers does with them in training. */
#include "helpers.h"

#include "tune/base_config.h"

#define ALL "\"attention_dropout\": 0.1, \"hidden_dropout\": 0.2, \"resid_pdrop\": 0.3, \"embd_pdrop\": 0.4, \"router_jitter_noise\": 0.05"

static void reads(const char *text, struct dropouts want, const char *told)
{
    char *dir = temp_dir();
    struct base_config c;

    write_text(dir, "config.json", text);
    OK(base_config_read(dir, &c, E));
    assert_true(c.drops.probabilities == want.probabilities && c.drops.embed == want.embed && c.drops.jitter == want.jitter);
    assert_true(c.drops.attn_block == want.attn_block && c.drops.mlp_block == want.mlp_block && c.drops.one_mask == want.one_mask);
    if (told)
        assert_non_null(strstr(buf_cstr(&c.without_effect), told));
    else
        assert_int_equal(c.without_effect.n, 0);
    base_config_done(&c);
    rm_dir(dir);
}

static void each_family_its_own(void **state)
{
    (void)state;
    reads("{\"model_type\": \"llama\", " ALL "}", (struct dropouts){ .probabilities = 0.1F }, "hidden_dropout 0.2 has no effect");
    reads("{\"model_type\": \"phi3\", \"attention_dropout\": 0.1, \"resid_pdrop\": 0.3, \"embd_pdrop\": 0.4}",
          (struct dropouts){ .probabilities = 0.1F, .attn_block = 0.3F, .mlp_block = 0.3F }, NULL);
    reads("{\"model_type\": \"phi\", \"attention_dropout\": 0.1, \"resid_pdrop\": 0.3, \"embd_pdrop\": 0.4}",
          (struct dropouts){ .probabilities = 0.1F, .attn_block = 0.3F, .mlp_block = 0.3F, .embed = 0.4F }, NULL);
    reads("{\"model_type\": \"mixtral\", \"attention_dropout\": null, \"router_jitter_noise\": 0.05}", (struct dropouts){ .jitter = 0.05F }, NULL);
}

static void falcon_by_its_shape(void **state)
{
    (void)state;
#define FALCON(more) "{\"model_type\": \"falcon\", \"attention_dropout\": 0.1, \"hidden_dropout\": 0.2" more "}"
    reads(FALCON(""), (struct dropouts){ .attn_block = 0.2F, .mlp_block = 0.2F, .one_mask = true }, NULL);
    reads(FALCON(", \"parallel_attn\": false"), (struct dropouts){ .attn_block = 0.1F, .mlp_block = 0.2F }, NULL);
    reads(FALCON(", \"parallel_attn\": false, \"new_decoder_architecture\": true"), (struct dropouts){ .attn_block = 0.2F, .mlp_block = 0.2F, .one_mask = true }, NULL);
    reads(FALCON(", \"parallel_attn\": false, \"alibi\": true"), (struct dropouts){ .probabilities = 0.1F, .attn_block = 0.1F, .mlp_block = 0.2F }, NULL);
}

static void a_rate_is_below_one(void **state)
{
    (void)state;
    char *dir = temp_dir();
    struct base_config c;
    struct err e;

    write_text(dir, "config.json", "{\"model_type\": \"qwen2\", \"attention_dropout\": 1}");
    assert_int_equal(base_config_read(dir, &c, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "attention_dropout must be a number from 0 to below 1"));
    base_config_done(&c);
    rm_dir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(each_family_its_own), cmocka_unit_test(falcon_by_its_shape), cmocka_unit_test(a_rate_is_below_one) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
