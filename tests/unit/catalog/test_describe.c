/* What `kaito models` prints, and that the columns NATIVE and LEAST GPU are true. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "catalog/describe.h"
#include "catalog/estimate.h"
#include "engine/priv.h"

static void native_models_are_those_that_the_engine_has(void **state)
{
    AUTO_BUF types = { 0 };
    struct str rest, type;
    (void)state;

    family_names(&types);
    for (rest = buf_str(&types); str_next(&rest, ',', &type);) {
        AUTO_JSON config = json_pack("{s:o}", "model_type", json_strn(str_trim(type)));
        const struct preset p = { .architecture = family_find(config)->architecture };

        if (!preset_runs_natively(&p))
            fail_msg("%s: the engine has it", p.architecture);
    }
    for (size_t i = 0; i < preset_count(); i++) {
        const struct preset *p = preset_at(i);
        bool found = false;

        for (rest = buf_str(&types); str_next(&rest, ',', &type);) {
            AUTO_JSON config = json_pack("{s:o}", "model_type", json_strn(str_trim(type)));
            found = found || streq(family_find(config)->architecture, p->architecture);
        }
        if (preset_runs_natively(p) && !found)
            fail_msg("%s: the engine does not have %s", p->name, p->architecture);
    }
}

/* Of every preset: one GPU of this size is one node, one a little smaller is not. */
static void the_least_gpu_is_where_one_node_becomes_two(void **state)
{
    (void)state;
    for (size_t i = 0; i < preset_count(); i++) {
        const struct preset *p = preset_at(i);
        int64_t least = estimate_least_gpu_bytes(p, 0), nodes = 0;

        assert_int_equal(estimate_nodes(p, (struct gpu_config){ 1, least + 1024 }, 0, &nodes, NULL), ERR_OK);
        assert_int_equal(nodes, 1);
        assert_int_equal(estimate_nodes(p, (struct gpu_config){ 1, least - (1 << 20) }, 0, &nodes, NULL), ERR_OK);
        assert_int_equal(nodes, 2);
    }
}

static void the_parts_of_the_memory_sum_up(void **state)
{
    struct memory_parts m;
    (void)state;

    estimate_memory(preset_find(STR("phi-4")), (struct gpu_config){ 1, 80ll << 30 }, 1, &m);
    assert_true(m.left_out + m.base + m.weights + m.activations + m.cache - m.total < 1 && m.cache > 0);
    assert_int_equal(m.cache_tokens, (int64_t)(m.cache / 204800));
    /* two GPUs in each of two nodes: a quarter of the weights for each */
    estimate_memory(preset_find(STR("llama-3.3-70b-instruct")), (struct gpu_config){ 2, 160ll << 30 }, 2, &m);
    assert_true(m.weights > 33.5 * (1ll << 30) && m.weights < 33.6 * (1ll << 30));
    /* a small model lies in each of eight GPUs whole */
    estimate_memory(preset_find(STR("phi-3-mini-4k-instruct")), (struct gpu_config){ 8, 640ll << 30 }, 1, &m);
    assert_true(m.weights > 7.2 * (1ll << 30));
}

static void the_table_has_a_line_for_each(void **state)
{
    AUTO_BUF text = { 0 };
    struct str rest, line;
    size_t lines = 0;
    (void)state;

    models_table(false, &text);
    for (rest = buf_str(&text); str_next(&rest, '\n', &line);)
        lines += line.n > 0;
    assert_int_equal(lines, 61);
    assert_non_null(strstr(buf_cstr(&text),
        "\nphi-3-mini-4k-instruct                          7.1 GiB    13 GiB     4096     yes   yes     -      mit\n"));
    assert_non_null(strstr(buf_cstr(&text),
        "\nllama-3.1-8b-instruct                           15.0 GiB   23 GiB     131072   -     yes     yes    llama3.1\n"));
    buf_clear(&text);
    models_table(true, &text);
    assert_non_null(strstr(buf_cstr(&text), "HUGGING FACE ID"));
}

static void a_page_tells_everything_of_one(void **state)
{
    static const char *const want[] = {
        "microsoft/Phi-3-mini-4k-instruct, revision d269012bea6fbe38ce7752c8940fea010eea3383",
        "7.12 GiB; 87 GiB of disk", "4096 tokens; the cache takes 393216 bytes a token, 1.50 GiB for all of them",
        "the native runtime on CPUs (kaito.sh/runtime: native)",
        "  Standard_NC24ads_A100_v4  ", "      name: phi-3-mini-4k-instruct\n",
    };
    AUTO_BUF text = { 0 };
    (void)state;

    model_page(preset_find(STR("phi-3-mini-4k-instruct")), "azure", &text);
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        if (!strstr(buf_cstr(&text), want[i]))
            fail_msg("no \"%s\" in\n%s", want[i], buf_cstr(&text));
    assert_null(strstr(buf_cstr(&text), "modelAccessSecret"));
    buf_clear(&text);
    model_page(preset_find(STR("llama-3.3-70b-instruct")), "aws", &text);
    assert_non_null(strstr(buf_cstr(&text), "modelAccessSecret: hf-token"));
    assert_non_null(strstr(buf_cstr(&text), "Machines (aws):"));
}

static void json_has_the_same(void **state)
{
    AUTO_JSON j = model_json(preset_find(STR("phi-4")), "azure");
    (void)state;

    assert_string_equal(json_cstr(j, "license"), "mit");
    assert_true(json_flag(j, "tuning", false));
    assert_int_equal(json_int(j, "context", 0), 16384);
    assert_true(json_array_size(json_object_get(j, "machines")) > 5);
}

static void a_wrong_name_is_answered_with_like_ones(void **state)
{
    AUTO_BUF like = { 0 };
    (void)state;

    models_like(STR("Phi-4-mini"), &like);
    assert_string_equal(buf_cstr(&like), "phi-4-mini-instruct");
    buf_clear(&like);
    models_like(STR("zzz"), &like);
    assert_string_equal(buf_cstr(&like), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(native_models_are_those_that_the_engine_has),
        cmocka_unit_test(the_least_gpu_is_where_one_node_becomes_two),
        cmocka_unit_test(the_parts_of_the_memory_sum_up),
        cmocka_unit_test(the_table_has_a_line_for_each),
        cmocka_unit_test(a_page_tells_everything_of_one),
        cmocka_unit_test(json_has_the_same),
        cmocka_unit_test(a_wrong_name_is_answered_with_like_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
