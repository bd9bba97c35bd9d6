/* Paged attention against plain loops, and its promise: a row's bits depend neither on its company nor on the threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "engine/kernels_paged.h"
#include "tensor/vec.h"
#include "../noise.h"

struct shape { size_t heads, kv_heads, dim, window, tokens; float softcap; };

static const struct shape shapes[] = {
    { 4, 4, 16, 0, 40, 0 }, { 8, 2, 32, 0, 300, 0 }, { 6, 1, 80, 0, 530, 0 }, { 4, 2, 96, 100, 700, 0 }, { 2, 1, 20, 0, 257, 30 },
    { 71, 1, 64, 0, 70, 0 }, { 2, 2, 128, 17, 290, 0 },
};

/* A sequence whose keys and values are all in the cache, layer 1 of 2. */
struct world {
    struct paged_shape s;
    struct kv_cache *cache;
    struct kv_block *blocks[64];
    struct paged_row *rows;
    float *q, *k, *v;
    size_t n, n_blocks, ldq, ldkv;
};

static void world_init(struct world *w, const struct shape *x, enum kv_dtype dtype, struct compute *c)
{
    size_t bytes;
    struct err e;

    *w = (struct world){ .s = paged_shape(2, x->heads, x->kv_heads, x->dim, dtype, 0.3f, x->softcap), .n = x->tokens };
    w->ldq = x->heads * x->dim;
    w->ldkv = x->kv_heads * x->dim;
    assert_true(paged_block_bytes(&w->s, &bytes));
    w->cache = kv_cache_new(bytes, SIZE_MAX);
    for (w->n_blocks = 0; w->n_blocks * KV_BLOCK_TOKENS < w->n; w->n_blocks++)
        assert_int_equal(kv_cache_take(w->cache, &w->blocks[w->n_blocks], &e), ERR_OK);
    w->rows = xcalloc(w->n, sizeof *w->rows);
    for (size_t i = 0; i < w->n; i++)
        w->rows[i] = (struct paged_row){ w->blocks, i };
    w->q = noises(w->n * w->ldq);
    w->k = noises(w->n * w->ldkv);
    w->v = noises(w->n * w->ldkv);
    paged_store(c, &w->s, 1, w->rows, w->n, w->k, w->v, w->ldkv);
}

static void world_done(struct world *w)
{
    for (size_t i = 0; i < w->n_blocks; i++)
        kv_cache_unref(w->cache, w->blocks[i]);
    kv_cache_free(w->cache);
    free(w->rows);
    free(w->q);
    free(w->k);
    free(w->v);
}

static double stored(enum kv_dtype d, float x) { return (double)(d == KV_BF16 ? f32_round_bf16(x) : x); }

static void naive(const struct world *w, const struct shape *x, size_t row, size_t head, double *o)
{
    size_t kv = head / (x->heads / x->kv_heads), first = x->window && row + 1 > x->window ? row + 1 - x->window : 0;
    double sum = 0;

    memset(o, 0, x->dim * sizeof *o);
    for (size_t t = first; t <= row; t++) {
        double score = 0;
        for (size_t d = 0; d < x->dim; d++)
            score += (double)w->q[row * w->ldq + head * x->dim + d] * stored(w->s.dtype, w->k[t * w->ldkv + kv * x->dim + d]);
        score *= (double)w->s.scale;
        if (x->softcap > 0)
            score = (double)x->softcap * tanh(score / (double)x->softcap);
        sum += exp(score);
        for (size_t d = 0; d < x->dim; d++)
            o[d] += exp(score) * stored(w->s.dtype, w->v[t * w->ldkv + kv * x->dim + d]);
    }
    for (size_t d = 0; d < x->dim; d++)
        o[d] /= sum;
}

static void check(struct compute *c, const struct shape *x, enum kv_dtype dtype)
{
    struct world w;

    world_init(&w, x, dtype, c);
    AUTO_MEM float *o = xcalloc(w.n * w.ldq, sizeof *o);
    AUTO_MEM double *want = xcalloc(x->dim, sizeof *want);
    paged_attention(c, &w.s, 1, x->window, w.rows, w.n, o, w.ldq, w.q, w.ldq);
    for (size_t r = 0; r < w.n; r += 7)
        for (size_t h = 0; h < x->heads; h++) {
            naive(&w, x, r, h, want);
            for (size_t d = 0; d < x->dim; d++)
                if (!(fabs((double)o[r * w.ldq + h * x->dim + d] - want[d]) < 1e-5))
                    fail_msg("%s: row %zu head %zu dim %zu: got %.9g, want %.9g", compute_kernels(c), r, h, d,
                             (double)o[r * w.ldq + h * x->dim + d], want[d]);
        }
    world_done(&w);
}

static void attention_equals_plain_loops(void **state)
{
    size_t n;
    const struct vec_ops *const *rows = vec_all(&n);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        AUTO_FREE(compute) c = NULL;
        struct err e;
        if (compute_new(2, rows[i]->name, &c, &e))
            continue;                   /* not on this CPU */
        for (size_t k = 0; k < ARRAY_LEN(shapes); k++) {
            check(c, &shapes[k], KV_F32);
            check(c, &shapes[k], KV_BF16);
        }
    }
}

static void rows_are_the_same_bits_in_any_company(void **state)
{
    AUTO_FREE(compute) c1 = NULL;
    AUTO_FREE(compute) c3 = NULL;
    struct err e;

    (void)state;
    assert_int_equal(compute_new(1, NULL, &c1, &e), ERR_OK);
    assert_int_equal(compute_new(3, NULL, &c3, &e), ERR_OK);
    for (size_t k = 0; k < ARRAY_LEN(shapes); k++) {
        const struct shape *x = &shapes[k];
        struct world w;
        world_init(&w, x, KV_F32, c1);
        AUTO_MEM float *all = xcalloc(w.n * w.ldq, sizeof *all), *one = xcalloc(w.ldq, sizeof *one);
        paged_attention(c3, &w.s, 1, x->window, w.rows, w.n, all, w.ldq, w.q, w.ldq);
        for (size_t r = 0; r < w.n; r += 3) {
            paged_attention(r % 2 ? c1 : c3, &w.s, 1, x->window, &w.rows[r], 1, one, w.ldq, w.q + r * w.ldq, w.ldq);
            assert_memory_equal(one, all + r * w.ldq, w.ldq * sizeof *one);
        }
        world_done(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_equals_plain_loops),
        cmocka_unit_test(rows_are_the_same_bits_in_any_company),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
