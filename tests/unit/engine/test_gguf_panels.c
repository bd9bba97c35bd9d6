/* GGUF files served with 8-bit activations: near what float32 gives, the same bits in any company, broken blocks named at load. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "broken_gguf.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "tensor/panels_blocks.h"

static const char *const files[] = { "formats.gguf", "llama3.gguf", "gemma3.gguf", "phi3-longrope.gguf", "falcon40b.gguf", "mixtral.gguf" };

static char *golden(const char *rest) { return xasprintf("%s/tests/golden/gguf/%s", getenv("KAITO_SOURCE"), rest); }

static struct engine *open_engine(const char *file, enum gemm_math math)
{
    AUTO_MEM char *path = golden(file);
    struct engine *g = NULL;
    struct err e = { 0 };

    if (engine_open(path, &(struct engine_opts){ .math = math, .threads = 2 }, &g, &e))
        fail_msg("%s", e.text);
    return g;
}

static size_t count_panels(const struct model *m)
{
    size_t n = m->head.kind == WEIGHT_PANELS;

    for (size_t i = 0; i < m->n_linears; i++)
        n += m->linears[i].w.kind == WEIGHT_PANELS;
    return n;
}

static void prefill(struct engine *g, struct sequence *s, const int32_t *ids, size_t n, float *logits)
{
    struct err e = { 0 };

    assert_int_equal(sequence_add(s, ids, n, &e), ERR_OK);
    for (bool done = false; !done; )
        assert_int_equal(engine_prefill(g, s, logits, &done, &e), ERR_OK);
}

/* Root mean square of the difference over that of the logits. */
static double logits_error(struct engine *g, struct engine *exact, const int32_t *ids, size_t n)
{
    size_t vocab = engine_model(g)->config.vocab;
    AUTO_MEM float *got = xcalloc(vocab, sizeof *got), *want = xcalloc(vocab, sizeof *want);
    AUTO_FREE(sequence) s = sequence_new(g, NULL);
    AUTO_FREE(sequence) t = sequence_new(exact, NULL);
    double error = 0, size = 0;

    prefill(g, s, ids, n, got);
    prefill(exact, t, ids, n, want);
    for (size_t i = 0; i < vocab; i++) {
        error += pow((double)got[i] - (double)want[i], 2);
        size += pow((double)want[i], 2);
    }
    return sqrt(error / size);
}

/* Stated in docs/models.md. These tiny random models multiply errors; that of one product is bounded in test_panels_blocks. */
static void logits_stay_near_those_of_f32(void **state)
{
    static const int32_t ids[] = { 5, 17, 3, 99, 41, 7, 23, 64, 11, 2, 80, 31, 9, 55, 12, 6, 77, 8, 19, 4 };

    for (size_t f = 0; f < ARRAY_LEN(files); f++) {
        AUTO_FREE(engine) g = open_engine(files[f], GEMM_INT8);
        AUTO_FREE(engine) exact = open_engine(files[f], GEMM_F32);
        size_t n = count_panels(engine_model(g));

        assert_int_equal(count_panels(engine_model(exact)), 0);
        if (f == 0)
            assert_true(n > 0);
        double error = logits_error(g, exact, ids, ARRAY_LEN(ids));
        print_message("# %s: %zu matrices in panels, error %.4f\n", files[f], n, error);
        assert_true(n ? error > 0 && error < 0.05 : error == 0);
    }
}

/* As with --quantization: the cache is as exact as the products. */
static void the_cache_is_bf16_beside_8_bit_products(void **state)
{
    static const struct { enum gemm_math math; size_t bytes; } rows[] = { { GEMM_F32, 4 }, { GEMM_INT8, 2 }, { GEMM_BF16, 2 } };
    AUTO_MEM char *path = golden(files[0]);

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct engine_opts o = { .math = rows[i].math, .kv_auto = true, .threads = 1 }, f32 = { .threads = 1 };
        AUTO_FREE(engine) g = NULL;
        AUTO_FREE(engine) exact = NULL;
        struct err e = { 0 };

        assert_int_equal(engine_open(path, &o, &g, &e), ERR_OK);
        assert_int_equal(engine_open(path, &f32, &exact, &e), ERR_OK);
        assert_int_equal(engine_kv_token_bytes(g) * 4, engine_kv_token_bytes(exact) * rows[i].bytes);
    }
}

static void company_does_not_change_a_row(void **state)
{
    enum { N = 9 };
    AUTO_FREE(engine) g = open_engine(files[0], GEMM_INT8);
    size_t vocab = engine_model(g)->config.vocab;
    AUTO_MEM float *one = xcalloc(vocab, sizeof *one), *all = xcalloc(N * vocab, sizeof *all);
    struct sequence *s[N];
    int32_t ids[N], prompt[2 * N];
    struct err e = { 0 };

    for (size_t i = 0; i < N; i++) {
        for (size_t k = 0; k <= 2 * i; k++)
            prompt[k] = (int32_t)((k * 37 + i * 11) % vocab);
        s[i] = sequence_new(g, NULL);
        ids[i] = (int32_t)(i * 7 % vocab);
        prefill(g, s[i], prompt, 2 * i + 1, one);
    }
    assert_int_equal(engine_decode(g, s, ids, N, all, &e), ERR_OK);
    for (size_t i = 0; i < N; i++) {
        AUTO_FREE(sequence) again = sequence_new(g, NULL);

        prefill(g, again, sequence_ids(s[i]), 2 * i + 1, one);
        assert_int_equal(engine_decode(g, &again, &ids[i], 1, one, &e), ERR_OK);
        assert_memory_equal(one, all + i * vocab, vocab * sizeof *one);
    }
    for (size_t i = 0; i < N; i++)
        sequence_free(s[i]);
}

static void a_broken_block_is_named_at_load(void **state)
{
    AUTO_MEM char *path = broken_gguf();
    AUTO_FREE(engine) g = NULL;
    struct err e = { 0 };

    assert_int_equal(engine_open(path, &(struct engine_opts){ .math = GEMM_INT8, .threads = 2 }, &g, &e), ERR_CORRUPT);
    unlink(path);
    assert_non_null(strstr(e.text, "tensor model.layers.1.mlp.down_proj.weight: element 96 is not a finite number"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_stay_near_those_of_f32),
        cmocka_unit_test(the_cache_is_bf16_beside_8_bit_products),
        cmocka_unit_test(company_does_not_change_a_row),
        cmocka_unit_test(a_broken_block_is_named_at_load),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
