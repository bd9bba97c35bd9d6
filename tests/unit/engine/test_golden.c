/*
 * The engine against transformers: last logits, next-token log-probabilities and greedy tokens of tiny random models
 * (tests/golden/hf/README.md says how they were made).
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include <dirent.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/engine.h"

#define TOLERANCE 2e-4          /* of the largest logit, float32 */
#define MARGIN    1e-3          /* greedy tokens behind a smaller lead are not compared */
#define IDS_MAX   512

static char *golden(const char *rest) { return xasprintf("%s/tests/golden/hf/%s", getenv("KAITO_SOURCE"), rest); }

static const char *const families[] = {
    "phi3", "phi3-swa", "phi3-longrope", "phi4-mini", "llama2", "llama3", "llama-linear", "mistral", "mixtral", "qwen2", "qwen2-yarn",
    "qwen3", "gemma2", "gemma3", "falcon7b", "falcon40b", "phi2", "olmo2",
};

static json_t *read_json(const char *path)
{
    json_t *j = NULL;
    struct err e = { 0 };

    if (json_parse_file(path, 64u << 20, &j, &e))
        fail_msg("%s", e.text);
    return j;
}

static size_t read_ids(const json_t *list, int32_t *ids)
{
    size_t n = json_array_size(list);

    assert_in_range(n, 1, IDS_MAX);
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    return n;
}

static void assert_logits(const char *what, const float *got, const json_t *want, double tolerance)
{
    double largest = 0, worst = 0;
    size_t n = json_array_size(want);

    for (size_t i = 0; i < n; i++) {
        double w = json_number_value(json_array_get(want, i));

        largest = fmax(largest, fabs(w));
        worst = fmax(worst, fabs(w - (double)got[i]));
    }
    if (!(worst <= tolerance * largest))
        fail_msg("%s: logits differ by %.3g of the largest", what, worst / largest);
}

static struct engine *open_engine(const char *dir, struct engine_opts o)
{
    struct engine *g = NULL;
    struct err e = { 0 };

    o.threads = o.threads ? o.threads : 2;
    if (engine_open(dir, &o, &g, &e))
        fail_msg("%s", e.text);
    return g;
}

static double log_probability(const float *logits, size_t vocab, int32_t id)
{
    double top = -INFINITY, sum = 0;

    for (size_t i = 0; i < vocab; i++)
        top = fmax(top, (double)logits[i]);
    for (size_t i = 0; i < vocab; i++)
        sum += exp((double)logits[i] - top);
    return (double)logits[id] - top - log(sum);
}

static void check_scores(struct engine *g, const char *name, const json_t *prompt)
{
    size_t vocab = engine_model(g)->config.vocab;
    const json_t *probs = json_object_get(prompt, "token_logprobs");
    int32_t ids[IDS_MAX];
    size_t n = read_ids(json_object_get(prompt, "ids"), ids);
    AUTO_MEM float *logits = xcalloc(n * vocab, sizeof *logits);
    struct err e = { 0 };

    if (engine_score(g, NULL, ids, n, logits, &e))
        fail_msg("%s", e.text);
    assert_logits(name, logits + (n - 1) * vocab, json_object_get(prompt, "last_logits"), TOLERANCE);
    for (size_t i = 0; i + 1 < n; i++) {
        double got = log_probability(logits + i * vocab, vocab, ids[i + 1]), want = json_number_value(json_array_get(probs, i));

        if (fabs(got - want) > 2e-3)
            fail_msg("%s: log-probability of token %zu: %.6f, expected %.6f", name, i + 1, got, want);
    }
}

struct greedy_check {
    const json_t *want, *margins;
    const char *name;
    size_t at;
    bool lost;                  /* behind a small margin the texts may part */
};

static bool on_greedy(void *arg, int32_t id)
{
    struct greedy_check *x = arg;

    if (json_number_value(json_array_get(x->margins, x->at)) < MARGIN)
        x->lost = true;
    if (!x->lost && json_integer_value(json_array_get(x->want, x->at)) != id)
        fail_msg("%s: greedy token %zu is %d, expected %lld", x->name, x->at, id,
                 (long long)json_integer_value(json_array_get(x->want, x->at)));
    x->at++;
    return true;
}

static void check_greedy(struct engine *g, const char *name, const json_t *prompt)
{
    int32_t ids[IDS_MAX], none = -1;
    size_t n = read_ids(json_object_get(prompt, "ids"), ids);
    struct greedy_check x = { .want = json_object_get(prompt, "greedy"), .margins = json_object_get(prompt, "greedy_margins"), .name = name };
    struct generate_params p = { .sample = SAMPLE_DEFAULTS, .max_new_tokens = json_array_size(x.want), .stop_ids = &none, .n_stop_ids = 1 };
    struct err e = { 0 };

    if (engine_generate(g, NULL, ids, n, &p, on_greedy, &x, &e))
        fail_msg("%s", e.text);
    assert_int_equal(x.at, json_array_size(x.want));
}

static void check_model(const char *dir, const char *expected, const char *name)
{
    AUTO_JSON j = read_json(expected);
    AUTO_FREE(engine) g = open_engine(dir, (struct engine_opts){ .prefill_chunk = 64 });
    const json_t *prompts = json_object_get(j, "prompts");

    assert_true(json_array_size(prompts) >= 3);
    for (size_t i = 0; i < json_array_size(prompts); i++) {
        check_scores(g, name, json_array_get(prompts, i));
        check_greedy(g, name, json_array_get(prompts, i));
    }
    assert_int_equal(engine_kv_stats(g).used, 0);
}

static void families_equal_transformers(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        AUTO_MEM char *model = xasprintf("models/%s", families[i]), *logits = xasprintf("expected/%s.logits.json", families[i]);
        AUTO_MEM char *dir = golden(model), *expected = golden(logits);

        check_model(dir, expected, families[i]);
    }
}

/* model.safetensors, or the index and its shards. */
static void link_weights(const char *from, const char *to)
{
    DIR *d = opendir(from);
    const struct dirent *f;

    assert_non_null(d);
    while ((f = readdir(d)) != NULL) {
        AUTO_MEM char *file = path_join(from, f->d_name), *link = path_join(to, f->d_name);

        if (str_has_prefix(str_of(f->d_name), STR("model")))
            assert_int_equal(symlink(file, link), 0);
    }
    closedir(d);
}

/* A folder with the same weights and config.transformers5.json as its config. */
static void both_dialects_of_config_mean_the_same(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        AUTO_MEM char *rel = xasprintf("models/%s", families[i]), *from = golden(rel);
        AUTO_MEM char *config = path_join(from, "config.transformers5.json"), *logits = xasprintf("expected/%s.logits.json", families[i]);
        AUTO_MEM char *expected = golden(logits), *dir = xstrdup("/tmp/test-dialect-XXXXXX");
        struct err e;

        assert_non_null(mkdtemp(dir));
        AUTO_MEM char *to_config = path_join(dir, "config.json");
        link_weights(from, dir);
        assert_int_equal(symlink(config, to_config), 0);
        check_model(dir, expected, families[i]);
        assert_int_equal(dir_remove(dir, &e), ERR_OK);
    }
}

/* tests/golden/families: other shapes and settings than those above. */
static void settings_equal_transformers(void **state)
{
    AUTO_MEM char *root = xasprintf("%s/tests/golden/families", getenv("KAITO_SOURCE")), *path = path_join(root, "expected.json");
    AUTO_JSON j = read_json(path);
    const json_t *models = json_object_get(j, "models");

    assert_true(json_array_size(models) >= 13);
    for (size_t i = 0; i < json_array_size(models); i++) {
        const json_t *model = json_array_get(models, i), *prompts = json_object_get(model, "prompts");
        AUTO_MEM char *dir = path_join(root, json_cstr(model, "dir"));
        AUTO_FREE(engine) g = open_engine(dir, (struct engine_opts){ .prefill_chunk = 32 });
        size_t vocab = engine_model(g)->config.vocab;

        for (size_t k = 0; k < json_array_size(prompts); k++) {
            int32_t ids[IDS_MAX];
            size_t n = read_ids(json_object_get(json_array_get(prompts, k), "ids"), ids);
            AUTO_MEM float *logits = xcalloc(n * vocab, sizeof *logits);
            struct err e = { 0 };

            if (engine_score(g, NULL, ids, n, logits, &e))
                fail_msg("%s", e.text);
            assert_logits(json_cstr(model, "name"), logits + (n - 1) * vocab, json_object_get(json_array_get(prompts, k), "last_logits"), TOLERANCE);
        }
    }
}

static void check_adapter(const char *base, const char *folder, enum quantize quantize, double tolerance)
{
    AUTO_MEM char *dir = golden(base), *trained = xasprintf("%s/trained", folder), *adapter_dir = golden(trained);
    AUTO_MEM char *rel = xasprintf("%s/expected.json", folder), *path = golden(rel);
    AUTO_JSON j = read_json(path);
    AUTO_FREE(engine) g = open_engine(dir, (struct engine_opts){ .quantize = quantize });
    size_t vocab = engine_model(g)->config.vocab;
    AUTO_MEM float *logits = xcalloc(vocab, sizeof *logits);
    const json_t *base_logits = json_object_get(j, "base_last_logits_batch0");
    const struct adapter *a = NULL;
    int32_t ids[IDS_MAX];
    size_t n = read_ids(json_array_get(json_object_get(j, "batches"), 0), ids);
    struct err e = { 0 };
    bool done = false;

    if (adapters_load(engine_adapters(g), adapter_dir, NULL, 1, false, &a, &e))
        fail_msg("%s", e.text);
    assert_string_equal(a->name, "trained");
    for (int with = base_logits ? 0 : 1; with < 2; with++) {
        AUTO_FREE(sequence) s = sequence_new(g, with ? a : NULL);

        assert_int_equal(sequence_add(s, ids, n, &e), ERR_OK);
        assert_int_equal(engine_prefill(g, s, logits, &done, &e), ERR_OK);
        assert_true(done);
        assert_logits(folder, logits, with ? json_object_get(j, "trained_last_logits_batch0") : base_logits, tolerance);
    }
}

static void adapters_equal_peft(void **state)
{
    static const char *const names[] = { "phi3", "llama3", "mistral", "qwen2", "falcon7b" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO_MEM char *base = xasprintf("models/%s", names[i]), *folder = xasprintf("lora/%s", names[i]);

        check_adapter(base, folder, QUANTIZE_NONE, TOLERANCE);
    }
}

static void nf4_checkpoints_equal_bitsandbytes(void **state)
{
    check_adapter("qlora/float32-double/base", "qlora/float32-double", QUANTIZE_NONE, TOLERANCE);
    check_adapter("qlora/float32-single/base", "qlora/float32-single", QUANTIZE_NONE, TOLERANCE);
    check_adapter("qlora/bfloat16-double/base", "qlora/bfloat16-double", QUANTIZE_NONE, 0.05);
    AUTO_MEM char *dir = golden("qlora/bfloat16-single/base");
    AUTO_FREE(engine) g = open_engine(dir, (struct engine_opts){ 0 });
    assert_int_equal(engine_model(g)->linears[0].w.nf4.dtype, DTYPE_BF16);      /* values are rounded to it */
    check_adapter("qlora/bfloat16-single/base", "qlora/bfloat16-single", QUANTIZE_NONE, 0.05);    /* its activations are bf16, ours are not */
}

/* One row among others in a decode step, and the same prompt in chunks of another size: the same bits. */
static void check_company(const char *model)
{
    AUTO_MEM char *dir = golden(model);
    AUTO_FREE(engine) g = open_engine(dir, (struct engine_opts){ 0 });
    size_t vocab = engine_model(g)->config.vocab;
    AUTO_MEM float *one = xcalloc(vocab, sizeof *one), *all = xcalloc(20 * vocab, sizeof *all);
    struct sequence *s[20];
    int32_t ids[20], prompt[40];
    struct err e;
    bool done;

    for (size_t i = 0; i < 20; i++) {
        for (size_t k = 0; k <= 2 * i; k++)
            prompt[k] = (int32_t)((k * 37 + i * 11) % vocab);
        s[i] = sequence_new(g, NULL);
        ids[i] = (int32_t)(i * 7 % vocab);
        assert_int_equal(sequence_add(s[i], prompt, 2 * i + 1, &e), ERR_OK);
        for (done = false; !done; )
            assert_int_equal(engine_prefill(g, s[i], one, &done, &e), ERR_OK);
    }
    assert_int_equal(engine_decode(g, s, ids, 20, all, &e), ERR_OK);
    for (size_t i = 0; i < 20; i++) {
        AUTO_FREE(sequence) again = sequence_new(g, NULL);

        assert_int_equal(sequence_add(again, sequence_ids(s[i]), 2 * i + 1, &e), ERR_OK);
        for (done = false; !done; )
            assert_int_equal(engine_prefill(g, again, one, &done, &e), ERR_OK);
        assert_int_equal(engine_decode(g, &again, &ids[i], 1, one, &e), ERR_OK);
        assert_memory_equal(one, all + i * vocab, vocab * sizeof *one);
    }
    for (size_t i = 0; i < 20; i++)
        sequence_free(s[i]);
    assert_int_equal(engine_kv_stats(g).used, 0);
}

static void company_does_not_change_a_sequence(void **state)
{
    check_company("models/phi3");
    check_company("models/phi2");
    check_company("models/falcon40b");
    check_company("models/mixtral");
}

static void limits_are_errors_that_say_so(void **state)
{
    AUTO_MEM char *dir = golden("models/phi3");
    AUTO_FREE(engine) g = open_engine(dir, (struct engine_opts){ .max_model_len = 40, .max_kv_tokens = 32 });
    AUTO_FREE(sequence) s = sequence_new(g, NULL);
    int32_t ids[64] = { 0 }, bad = 640;
    struct err e;
    bool done;
    float one;

    assert_int_equal(sequence_add(s, ids, 41, &e), ERR_BAD_REQUEST);
    assert_string_equal(e.text, "41 tokens exceed the model's maximum length of 40");
    assert_int_equal(sequence_add(s, &bad, 1, &e), ERR_BAD_REQUEST);
    assert_string_equal(e.text, "token id 640 is outside the vocabulary of 640");
    assert_int_equal(sequence_add(s, ids, 33, &e), ERR_TOO_LARGE);
    assert_int_equal(engine_prefill(g, s, &one, &done, &e), ERR_BAD_REQUEST);
    assert_int_equal(sequence_len(s), 0);
}

/* Within what transformers itself moves when it computes in bf16 instead of f32: the recorded largest error of each prompt. */
static void check_bf16(struct engine *g, const char *name, const json_t *prompt)
{
    size_t vocab = engine_model(g)->config.vocab;
    double allowed = json_num(json_object_get(prompt, "bf16"), "last_logits_max_error", 0), worst = 0;
    const json_t *want = json_object_get(prompt, "last_logits");
    int32_t ids[IDS_MAX];
    size_t n = read_ids(json_object_get(prompt, "ids"), ids);
    AUTO_MEM float *logits = xcalloc(n * vocab, sizeof *logits);
    struct err e;

    assert_int_equal(engine_score(g, NULL, ids, n, logits, &e), ERR_OK);
    for (size_t i = 0; i < vocab; i++)
        worst = fmax(worst, fabs((double)logits[(n - 1) * vocab + i] - json_number_value(json_array_get(want, i))));
    if (!(worst <= allowed))
        fail_msg("%s: bf16 logits are %.4f off, transformers in bf16 %.4f", name, worst, allowed);
}

static void bf16_mode_is_as_close_as_transformers_in_bf16(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        AUTO_MEM char *model = xasprintf("models/%s", families[i]), *rel = xasprintf("expected/%s.logits.json", families[i]);
        AUTO_MEM char *dir = golden(model), *expected = golden(rel);
        AUTO_FREE(engine) g = open_engine(dir, (struct engine_opts){ .math = GEMM_BF16 });
        AUTO_JSON j = read_json(expected);

        for (size_t k = 0; k < 3; k++)
            check_bf16(g, families[i], json_array_get(json_object_get(j, "prompts"), k));
    }
}

static void logits_of(const char *dir, struct engine_opts o, const int32_t *ids, size_t n, float *logits)
{
    AUTO_FREE(engine) g = open_engine(dir, o);
    AUTO_FREE(sequence) s = sequence_new(g, NULL);
    struct err e = { 0 };

    assert_int_equal(sequence_add(s, ids, n, &e), ERR_OK);
    for (bool done = false; !done; )
        assert_int_equal(engine_prefill(g, s, logits, &done, &e), ERR_OK);
}

/* Root mean square of the difference over that of the logits. */
static double logits_error(const float *got, const float *want, size_t n)
{
    double error = 0, size = 0;

    for (size_t i = 0; i < n; i++) {
        error += pow((double)got[i] - (double)want[i], 2);
        size += pow((double)want[i], 2);
    }
    return sqrt(error / size);
}

/* These tiny random models multiply errors (NF4: 0.36 to 0.53); the error of one product is bounded in test_panels. */
static void quantised_models_stay_near(void **state)
{
    static const struct { enum quantize q; enum gemm_math math; double bound; } rows[] = {
        { QUANTIZE_INT8, GEMM_F32, 0.04 }, { QUANTIZE_INT8, GEMM_INT8, 0.07 }, { QUANTIZE_Q4, GEMM_F32, 0.5 }, { QUANTIZE_Q4, GEMM_INT8, 0.5 },
    };
    static const char *const models[] = { "models/phi3", "models/llama3", "models/qwen2" };
    static const int32_t ids[] = { 5, 17, 3, 99, 41, 7, 23, 64, 11, 2, 80, 31, 9, 55, 12, 6, 77, 8, 19, 4 };

    for (size_t m = 0; m < ARRAY_LEN(models); m++) {
        AUTO_MEM char *dir = golden(models[m]);
        AUTO_FREE(engine) g = open_engine(dir, (struct engine_opts){ 0 });
        size_t vocab = engine_model(g)->config.vocab;
        AUTO_MEM float *want = xcalloc(vocab, sizeof *want), *got = xcalloc(vocab, sizeof *got);

        logits_of(dir, (struct engine_opts){ 0 }, ids, ARRAY_LEN(ids), want);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            logits_of(dir, (struct engine_opts){ .quantize = rows[i].q, .math = rows[i].math }, ids, ARRAY_LEN(ids), got);
            double error = logits_error(got, want, vocab);
            print_message("# %s, %s, x in %s: error %.4f\n", models[m], rows[i].q == QUANTIZE_Q4 ? "q4" : "int8",
                          rows[i].math == GEMM_INT8 ? "8 bits" : "f32", error);
            assert_true(error > 0 && error < rows[i].bound);
        }
    }
}

/* Products of NF4 with x in 8 bits, beside those with its numbers in f32; which are bitsandbytes' (nf4_checkpoints_equal_bitsandbytes). */
static void check_nf4_in_8_bits(const char *model, enum quantize q)
{
    static const int32_t ids[] = { 5, 17, 3, 99, 41, 7, 23, 64, 11, 2, 80, 31, 9, 55, 12, 6, 77, 8, 19, 4 };
    AUTO_MEM char *dir = golden(model);
    AUTO_FREE(engine) g = open_engine(dir, (struct engine_opts){ .quantize = q, .math = GEMM_INT8 });
    size_t vocab = engine_model(g)->config.vocab;
    AUTO_MEM float *want = xcalloc(vocab, sizeof *want), *got = xcalloc(vocab, sizeof *got);

    for (size_t i = 0; i < engine_model(g)->n_linears; i++) {
        const struct weight *w = &engine_model(g)->linears[i].w;
        assert_int_equal(w->kind, w->in % NF4_BLOCK ? WEIGHT_NF4 : WEIGHT_PANELS);
    }
    logits_of(dir, (struct engine_opts){ .quantize = q }, ids, ARRAY_LEN(ids), want);
    logits_of(dir, (struct engine_opts){ .quantize = q, .math = GEMM_INT8 }, ids, ARRAY_LEN(ids), got);
    double error = logits_error(got, want, vocab);
    print_message("# %s: error %.4f\n", model, error);
    assert_true(error > 0 && error < 0.05);
}

static void nf4_in_8_bits_stays_near(void **state)
{
    check_nf4_in_8_bits("qlora/float32-double/base", QUANTIZE_NONE);
    check_nf4_in_8_bits("qlora/bfloat16-single/base", QUANTIZE_NONE);
    check_nf4_in_8_bits("models/llama3", QUANTIZE_NF4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_equal_transformers),
        cmocka_unit_test(settings_equal_transformers),
        cmocka_unit_test(both_dialects_of_config_mean_the_same),
        cmocka_unit_test(adapters_equal_peft),
        cmocka_unit_test(nf4_checkpoints_equal_bitsandbytes),
        cmocka_unit_test(company_does_not_change_a_sequence),
        cmocka_unit_test(limits_are_errors_that_say_so),
        cmocka_unit_test(quantised_models_stay_near),
        cmocka_unit_test(nf4_in_8_bits_stays_near),
        cmocka_unit_test(bf16_mode_is_as_close_as_transformers_in_bf16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
