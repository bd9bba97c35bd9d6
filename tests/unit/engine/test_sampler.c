/* The sampler: which tokens stay possible, how often they come, and that a seed fixes them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <stdlib.h>
#include <cmocka.h>

#include "engine/sampler.h"

#define VOCAB 6
#define DRAWS 20000

static const float logits[VOCAB] = { 0.5f, 3.0f, 2.0f, 2.0f, -1.0f, 1.0f };

static struct sample_params sampling(void)
{
    struct sample_params p = SAMPLE_DEFAULTS;

    p.do_sample = true;
    p.seed = 42;
    return p;
}

static void count(const struct sample_params *p, const int32_t *history, size_t n, int counts[VOCAB])
{
    AUTO_FREE(sampler) s = sampler_new(p, VOCAB);

    memset(counts, 0, VOCAB * sizeof *counts);
    for (int i = 0; i < DRAWS; i++) {
        float copy[VOCAB];

        memcpy(copy, logits, sizeof copy);
        int32_t id = sampler_pick(s, copy, history, n, NULL, 0, NULL);
        assert_in_range(id, 0, VOCAB - 1);
        counts[id]++;
    }
}

static void frequencies_follow_softmax(void **state)
{
    struct sample_params p = sampling();
    double sum = 0;
    int counts[VOCAB];

    p.temperature = 0.8;
    count(&p, NULL, 0, counts);
    for (size_t i = 0; i < VOCAB; i++)
        sum += exp((double)logits[i] / 0.8);
    for (size_t i = 0; i < VOCAB; i++) {
        double q = exp((double)logits[i] / 0.8) / sum;

        assert_true(fabs(counts[i] - DRAWS * q) < 5 * sqrt(DRAWS * q * (1 - q)) + 1);
    }
}

static void assert_possible(const struct sample_params *p, const char *expected)
{
    int counts[VOCAB];

    count(p, NULL, 0, counts);
    for (size_t i = 0; i < VOCAB; i++)
        assert_int_equal(counts[i] > 0, expected[i] == 'x');
}

/* softmax of the logits: 0.042 0.507 0.187 0.187 0.009 0.069 */
static void filters_keep_what_they_should(void **state)
{
    struct sample_params p = sampling();

    p.top_k = 1;
    assert_possible(&p, ".x....");
    p.top_k = 2;
    assert_possible(&p, ".xxx..");           /* the tie at the second place stays */
    p.top_k = 4;
    assert_possible(&p, ".xxx.x");
    p = sampling();
    p.top_p = 0.5;
    assert_possible(&p, ".x....");
    p.top_p = 0.68;
    assert_possible(&p, ".xx...");
    p.top_p = 0;
    assert_possible(&p, ".x....");
    p = sampling();
    p.min_p = 0.3;
    assert_possible(&p, ".xxx..");
    p = sampling();
    p.typical_p = 0.3;                          /* entropy 1.33: a surprise of 1.68 (p 0.187) is nearer than 0.68 (p 0.507) */
    assert_possible(&p, "..xx..");
}

static int falling(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x < y) - (x > y);
}

/* The reported probability is that among the k largest, for any k and order of logits. */
static void top_k_counts_right(void **state)
{
    enum { N = 97 };
    uint64_t seed = 5;

    for (int64_t k = 1; k < N; k++) {
        struct sample_params p = sampling();
        float x[N], sorted[N], logprob;
        double sum = 0;

        p.top_k = k;
        for (size_t i = 0; i < N; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            x[i] = (float)(seed >> 40) / 0x1p22f;
        }
        memcpy(sorted, x, sizeof x);
        qsort(sorted, N, sizeof *sorted, falling);
        for (int64_t i = 0; i < k; i++)
            sum += exp((double)sorted[i]);
        AUTO_FREE(sampler) s = sampler_new(&p, N);
        float copy[N];
        memcpy(copy, x, sizeof x);
        int32_t id = sampler_pick(s, copy, NULL, 0, NULL, 0, &logprob);
        assert_true(x[id] >= sorted[k - 1]);
        assert_true(fabs((double)logprob - ((double)x[id] - log(sum))) < 1e-4);
    }
}

struct share { int id; double p; };

static int by_share(const void *a, const void *b)
{
    const struct share *x = a, *y = b;

    return x->p != y->p ? (x->p < y->p ? -1 : 1) : y->id - x->id;
}

/* Against sorting: of many sets of tokens exactly those are possible that remain when the least probable go. */
static void top_p_keeps_what_sorting_keeps(void **state)
{
    (void)state;
    enum { N = 97 };
    uint32_t noise = 12345;

    for (int round = 0; round < 60; round++) {
        float given[N];
        struct share shares[N];
        double sum = 0, gone = 0, top_p = 0.05 + 0.9 * round / 60;
        bool stays[N] = { 0 };
        int first = 0;

        for (int i = 0; i < N; i++) {
            noise = noise * 1664525 + 1013904223;
            given[i] = (float)(noise >> 24) / 32;       /* steps of 1/32: some are equal */
            sum += exp((double)given[i]);
        }
        for (int i = 0; i < N; i++)
            shares[i] = (struct share){ i, exp((double)given[i]) / sum };
        qsort(shares, N, sizeof *shares, by_share);
        while (first + 1 < N && (gone += shares[first].p) <= 1 - top_p)
            first++;
        for (int i = first; i < N; i++)
            stays[shares[i].id] = true;

        struct sample_params p = sampling();
        p.top_p = top_p;
        AUTO_FREE(sampler) s = sampler_new(&p, N);
        bool seen[N] = { 0 };
        for (int i = 0; i < 4000; i++) {
            float copy[N];
            memcpy(copy, given, sizeof copy);
            seen[sampler_pick(s, copy, NULL, 0, NULL, 0, NULL)] = true;
        }
        for (int i = 0; i < N; i++)
            if (seen[i] && !stays[i])
                fail_msg("top_p %g: token %d came", top_p, i);
        assert_true(seen[shares[first].id] || shares[first].p < 0.01);         /* the last that stays can come */
    }
}

static void greedy_takes_the_largest_and_obeys_bans(void **state)
{
    struct sample_params p = SAMPLE_DEFAULTS;
    AUTO_FREE(sampler) s = sampler_new(&p, VOCAB);
    float copy[VOCAB];
    int32_t banned[] = { 1, -5, 77 };

    memcpy(copy, logits, sizeof copy);
    assert_int_equal(sampler_pick(s, copy, NULL, 0, NULL, 0, NULL), 1);
    memcpy(copy, logits, sizeof copy);
    assert_int_equal(sampler_pick(s, copy, NULL, 0, banned, 3, NULL), 2);       /* the lower id of the tie */
}

static void repetition_is_penalised_once_per_token(void **state)
{
    struct sample_params p = SAMPLE_DEFAULTS;
    int32_t history[] = { 1, 1, 1, 4, 99 };
    float copy[VOCAB];

    p.repetition_penalty = 2;
    AUTO_FREE(sampler) s = sampler_new(&p, VOCAB);
    memcpy(copy, logits, sizeof copy);
    assert_int_equal(sampler_pick(s, copy, history, 5, NULL, 0, NULL), 2);
    assert_true(copy[1] == 1.5f && copy[4] == -2.0f && copy[0] == 0.5f);
}

static void a_seed_fixes_the_text(void **state)
{
    struct sample_params p = sampling();
    AUTO_FREE(sampler) a = sampler_new(&p, VOCAB);
    AUTO_FREE(sampler) b = sampler_new(&p, VOCAB);
    p.seed = 43;
    AUTO_FREE(sampler) c = sampler_new(&p, VOCAB);
    int differ = 0;

    for (int i = 0; i < 100; i++) {
        float x[VOCAB], y[VOCAB], z[VOCAB];

        memcpy(x, logits, sizeof x), memcpy(y, logits, sizeof y), memcpy(z, logits, sizeof z);
        int32_t first = sampler_pick(a, x, NULL, 0, NULL, 0, NULL);
        assert_int_equal(first, sampler_pick(b, y, NULL, 0, NULL, 0, NULL));
        differ += first != sampler_pick(c, z, NULL, 0, NULL, 0, NULL);
    }
    assert_true(differ > 10);
}

static void ranges_are_named(void **state)
{
    struct sample_params p = SAMPLE_DEFAULTS;
    struct err e;

    assert_int_equal(sample_params_check(&p, &e), ERR_OK);
    p.temperature = 0;
    assert_int_equal(sample_params_check(&p, &e), ERR_BAD_REQUEST);
    assert_string_equal(e.text, "temperature: 0 must be above 0 and at most 1e+06");
    p.temperature = NAN;
    assert_int_equal(sample_params_check(&p, &e), ERR_BAD_REQUEST);
    p = SAMPLE_DEFAULTS;
    p.top_p = 1.5;
    assert_int_equal(sample_params_check(&p, &e), ERR_BAD_REQUEST);
    p = SAMPLE_DEFAULTS;
    p.top_k = -1;
    assert_int_equal(sample_params_check(&p, &e), ERR_BAD_REQUEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frequencies_follow_softmax),
        cmocka_unit_test(filters_keep_what_they_should),
        cmocka_unit_test(top_k_counts_right),
        cmocka_unit_test(top_p_keeps_what_sorting_keeps),
        cmocka_unit_test(greedy_takes_the_largest_and_obeys_bans),
        cmocka_unit_test(repetition_is_penalised_once_per_token),
        cmocka_unit_test(a_seed_fixes_the_text),
        cmocka_unit_test(ranges_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
