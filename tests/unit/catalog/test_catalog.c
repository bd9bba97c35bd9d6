#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "catalog/estimate.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(presets_are_found_by_short_name_and_by_id),
        cmocka_unit_test(names_are_valid_when_known_or_an_owner_and_a_model),
        cmocka_unit_test(machine_types_of_the_samples_are_known),
        cmocka_unit_test(node_estimate_agrees_with_upstream),
        cmocka_unit_test(a_gpu_too_small_for_the_context_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
