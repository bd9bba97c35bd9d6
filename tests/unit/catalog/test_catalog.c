#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "catalog/derive.h"
#include "catalog/estimate.h"
#include "catalog/partition.h"

static void presets_are_found_by_short_name_and_by_id(void **state)
{
    (void)state;
    const struct preset *p = preset_find(STR("phi-3-mini-128k-instruct"));
    assert_non_null(p);
    assert_ptr_equal(p, preset_find(STR("MICROSOFT/phi-3-MINI-128k-instruct")));
    assert_string_equal(p->repo, "microsoft/Phi-3-mini-128k-instruct");
    assert_int_equal(p->context, 131072);
    assert_null(preset_find(STR("phi-3")));
}

static void names_are_valid_when_known_or_an_owner_and_a_model(void **state)
{
    static const struct { const char *name; enum preset_validity want; } rows[] = {
        { "phi-3.5-mini-instruct", PRESET_VALID }, { "Phi-3.5-Mini-Instruct", PRESET_VALID }, { "a/b/c", PRESET_VALID },
        { "o/m", PRESET_VALID }, { "/m", PRESET_UNKNOWN }, { "o/", PRESET_UNKNOWN }, { "/", PRESET_UNKNOWN }, { "", PRESET_UNKNOWN },
        { "falcon-7b-x", PRESET_UNKNOWN }, { "phi-2", PRESET_DEPRECATED },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(preset_check(str_of(rows[i].name)), rows[i].want);
}

static void machine_types_of_the_samples_are_known(void **state)
{
    (void)state;
    const struct sku *s = sku_find("azure", STR("standard_nc6s_v3"));
    assert_non_null(s);
    assert_int_equal(s->gpus, 1);
    assert_null(sku_find("aws", STR("Standard_NC6s_v3")));
    assert_true(sku_admitted_by_prefix("azure", STR("standard_d4s_v5")));
    assert_false(sku_admitted_by_prefix("azure", STR("Basic_A1")));
    AUTO_BUF b = { 0 };
    sku_names("azure", &b);
    assert_null(strstr(buf_cstr(&b), "NC6s"));          /* upstream's list does not name it */
}

/* Worked examples of the dossier (8.4): rows marked [test] are upstream's own. */
static void node_estimate_agrees_with_upstream(void **state)
{
    static const struct { double gib; int64_t kv; int gpus, mem; int64_t context, nodes; } rows[] = {
        { 13.44, 8192, 1, 24, 0, 1 }, { 13.44, 8192, 1, 80, 0, 1 }, { 62.5, 163840, 1, 80, 0, 2 }, { 64, 0, 1, 24, 0, 4 },
        { 27.31, 204800, 1, 24, 0, 2 }, { 27.31, 204800, 2, 48, 0, 1 }, { 131.42, 327680, 1, 80, 0, 3 }, { 131.42, 327680, 2, 188, 0, 1 },
        { 641.30, 70272, 2, 188, 0, 5 }, { 641.30, 70272, 8, 1128, 0, 1 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct preset p = { .weights_gib = rows[i].gib, .kv_bytes_per_token = rows[i].kv };
        struct gpu_config g = { rows[i].gpus, (int64_t)rows[i].mem << 30 };
        int64_t nodes = 0;
        assert_int_equal(estimate_nodes(&p, g, rows[i].context, &nodes, NULL), ERR_OK);
        assert_int_equal(nodes, rows[i].nodes);
    }
}

static void a_gpu_too_small_for_the_context_is_an_error(void **state)
{
    (void)state;
    struct err e;
    int64_t nodes = 0;
    assert_int_equal(estimate_nodes(preset_find(STR("phi-3-mini-128k-instruct")), (struct gpu_config){ 1, 16LL << 30 }, 131072, &nodes, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "is too small"));
}

/* The rules that derive a model's flags must give what upstream's own table says of each of its models. */
static void derived_flags_are_the_tables(void **state)
{
    (void)state;
    for (size_t i = 0; i < preset_count(); i++) {
        const struct preset *want = preset_at(i);
        struct preset have = { .name = want->name, .vllm = { .format = want->vllm.format, .tokenizer_mode = want->vllm.format } };

        model_traits(&have, &want->architecture, 1);
        if (have.vllm.traits != want->vllm.traits)
            fail_msg("%s: traits %#x, in the table %#x", want->name, have.vllm.traits, want->vllm.traits);
        const char *const pairs[][2] = { { have.vllm.tokenizer_mode, want->vllm.tokenizer_mode }, { have.vllm.tool_parser, want->vllm.tool_parser },
                                         { have.vllm.reasoning_parser, want->vllm.reasoning_parser }, { have.vllm.chat_template, want->vllm.chat_template } };

        for (size_t k = 0; k < ARRAY_LEN(pairs); k++)
            if ((pairs[k][0] || pairs[k][1]) && !streq(pairs[k][0], pairs[k][1]))
                fail_msg("%s: derived %s, in the table %s", want->name, pairs[k][0] ? pairs[k][0] : "none", pairs[k][1] ? pairs[k][1] : "none");
        assert_true(architecture_is_known(want->architecture));
    }
}

static void a_config_gives_the_cache(void **state)
{
    static const struct { const char *config; int64_t kv, context; } rows[] = {
        { "{\"num_hidden_layers\":32,\"num_attention_heads\":24,\"num_key_value_heads\":8,\"hidden_size\":3072,\"max_position_embeddings\":131072}", 131072, 131072 },
        { "{\"n_layer\":2,\"n_head\":4,\"n_embd\":64,\"multi_query\":true}", 2 * 1 * 16 * 2 * 2, 2048 },
        { "{\"kv_lora_rank\":512,\"qk_rope_head_dim\":64,\"num_hidden_layers\":61,\"num_attention_heads\":128}", 70272, 2048 },
        { "{\"text_config\":{\"num_hidden_layers\":34,\"num_attention_heads\":8,\"num_key_value_heads\":4,\"head_dim\":256,\"n_ctx\":99}}", 139264, 99 },
    };
    AUTO_FREE(arena) a = arena_new();
    struct err e;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_JSON config = json_loads(rows[i].config, 0, NULL);
        const struct preset *p;

        assert_int_equal(model_derive(a, "o/m", (struct model_files){ 3ll << 30, false }, config, &p, &e), ERR_OK);
        assert_int_equal(p->kv_bytes_per_token, rows[i].kv);
        assert_int_equal(p->context, rows[i].context);
        assert_int_equal(p->disk_gib, 83);
    }
}

static void mig_profiles_are_nvidias(void **state)
{
    static const char *const good[] = { "1g.5gb", "3g.47gb", "7g.180gb" }, *const bad[] = { "", "x", "9g.99gb", "1g.10gb+me", "0g.5gb", "1g.gb", "1g.0gb" };
    struct mig_profile m;
    struct err e;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good) + ARRAY_LEN(bad); i++) {
        AUTO_BUF why = { 0 };

        assert_int_equal(mig_profile_check(str_of(i < ARRAY_LEN(good) ? good[i] : bad[i - ARRAY_LEN(good)]), &why) == ERR_OK, i < ARRAY_LEN(good));
    }
    assert_int_equal(mig_profile_parse(STR("1g.5.9gb"), &m, &e), ERR_OK);
    assert_int_equal(m.mem_gib, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(derived_flags_are_the_tables), cmocka_unit_test(a_config_gives_the_cache), cmocka_unit_test(mig_profiles_are_nvidias),
        cmocka_unit_test(presets_are_found_by_short_name_and_by_id),
        cmocka_unit_test(names_are_valid_when_known_or_an_owner_and_a_model),
        cmocka_unit_test(machine_types_of_the_samples_are_known),
        cmocka_unit_test(node_estimate_agrees_with_upstream),
        cmocka_unit_test(a_gpu_too_small_for_the_context_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
