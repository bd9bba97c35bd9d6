/* Penalties, biases, bans and log-probabilities against numbers worked out by hand (log-softmax: in double, with Python's math). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "engine/sampler.h"

#define VOCAB 6

static const float given[VOCAB] = { 0.5f, 3.0f, 2.0f, 2.0f, -1.0f, 1.0f };

static void apply(const struct sample_params *p, const int32_t *history, size_t n, float out[VOCAB])
{
    uint32_t counts[VOCAB] = { 0 };

    memcpy(out, given, sizeof given);
    logit_rules_apply(p, out, VOCAB, history, n, NULL, 0, counts);
    for (size_t i = 0; i < VOCAB; i++)
        assert_int_equal(counts[i], 0);
}

static void assert_logits(const float *got, const float want[VOCAB])
{
    for (size_t i = 0; i < VOCAB; i++)
        if (got[i] != want[i] && !(fabsf(got[i] - want[i]) < 1e-6f))
            fail_msg("logit %zu is %g, not %g", i, (double)got[i], (double)want[i]);
}

static void use_is_penalised_in_the_answer_alone(void **state)
{
    struct sample_params p = SAMPLE_DEFAULTS;
    int32_t history[] = { 0, 1, /* the answer: */ 1, 1, 2, 99, 4 };
    float out[VOCAB];

    p.n_prompt = 2;
    p.frequency_penalty = 0.5;
    p.presence_penalty = 0.25;
    apply(&p, history, 7, out);
    assert_logits(out, (float[]){ 0.5f, 3 - 2 * 0.5f - 0.25f, 2 - 0.5f - 0.25f, 2, -1 - 0.5f - 0.25f, 1 });
}

static void a_negative_penalty_invites(void **state)
{
    struct sample_params p = SAMPLE_DEFAULTS;
    float out[VOCAB];

    p.presence_penalty = -2;
    apply(&p, (int32_t[]){ 0, 0 }, 2, out);
    assert_logits(out, (float[]){ 2.5f, 3, 2, 2, -1, 1 });
}

static void biases_come_before_the_repetition_penalty(void **state)
{
    struct sample_params p = SAMPLE_DEFAULTS;
    struct token_bias bias[] = { { 4, 3 }, { 1, -4 }, { 77, 1 } };
    float out[VOCAB];

    p.bias = bias;
    p.n_bias = 3;
    p.repetition_penalty = 2;
    apply(&p, (int32_t[]){ 4, 1 }, 2, out);
    assert_logits(out, (float[]){ 0.5f, (3 - 4) * 2, 2, 2, (-1 + 3) / 2.0f, 1 });
}

static void repetition_counts_the_prompt_too(void **state)
{
    struct sample_params p = SAMPLE_DEFAULTS;
    float out[VOCAB];

    p.n_prompt = 2;
    p.repetition_penalty = 2;
    apply(&p, (int32_t[]){ 1, 4, 5 }, 3, out);
    assert_logits(out, (float[]){ 0.5f, 1.5f, 2, 2, -2, 0.5f });
}

static void a_bad_word_is_forbidden_after_its_beginning(void **state)
{
    struct sample_params p = SAMPLE_DEFAULTS;
    struct token_words words[] = { { (int32_t[]){ 0 }, 1 }, { (int32_t[]){ 3, 2 }, 2 }, { (int32_t[]){ 1, 2, 5 }, 3 } };
    float out[VOCAB];

    p.bad_words = words;
    p.n_bad_words = 3;
    apply(&p, NULL, 0, out);
    assert_logits(out, (float[]){ -INFINITY, 3, 2, 2, -1, 1 });
    apply(&p, (int32_t[]){ 1, 3 }, 2, out);
    assert_logits(out, (float[]){ -INFINITY, 3, -INFINITY, 2, -1, 1 });
    apply(&p, (int32_t[]){ 1, 2 }, 2, out);
    assert_logits(out, (float[]){ -INFINITY, 3, 2, 2, -1, -INFINITY });
}

static void no_run_comes_twice(void **state)
{
    struct sample_params p = SAMPLE_DEFAULTS;
    float out[VOCAB];

    p.no_repeat_ngram = 3;
    apply(&p, (int32_t[]){ 1, 2, 5, 4, 1, 2 }, 6, out);
    assert_logits(out, (float[]){ 0.5f, 3, 2, 2, -1, -INFINITY });
    p.no_repeat_ngram = 1;
    apply(&p, (int32_t[]){ 1, 2 }, 2, out);
    assert_logits(out, (float[]){ 0.5f, -INFINITY, -INFINITY, 2, -1, 1 });
    p.no_repeat_ngram = 4;
    apply(&p, (int32_t[]){ 1, 2 }, 2, out);
    assert_logits(out, given);
}

static void only_allowed_ids_stay(void **state)
{
    struct sample_params p = SAMPLE_DEFAULTS;
    float out[VOCAB];

    p.allowed = (int32_t[]){ 2, 5, 99 };
    p.n_allowed = 3;
    apply(&p, NULL, 0, out);
    assert_logits(out, (float[]){ -INFINITY, -INFINITY, 2, -INFINITY, -INFINITY, 1 });
}

static void logprobs_are_those_of_the_logits_as_given(void **state)
{
    struct sample_params p = SAMPLE_DEFAULTS;
    struct token_bias bias = { 4, 100 };
    float copy[VOCAB];

    p.bias = &bias;
    p.n_bias = 1;
    p.logprobs = 3;
    AUTO_FREE(sampler) s = sampler_new(&p, VOCAB);
    assert_null(sampler_logprobs(s));
    memcpy(copy, given, sizeof given);
    assert_int_equal(sampler_pick(s, copy, NULL, 0, NULL, 0, NULL), 4);
    const struct token_logprobs *l = sampler_logprobs(s);
    assert_int_equal(l->id, 4);
    assert_int_equal(l->rank, 6);
    assert_float_equal(l->logprob, -4.678792f, 1e-6);
    assert_int_equal(l->n_top, 3);
    assert_int_equal(l->top[0].id, 1);
    assert_int_equal(l->top[1].id, 2);          /* the lower id of the tie */
    assert_int_equal(l->top[2].id, 3);
    assert_float_equal(l->top[0].logprob, -0.678792f, 1e-6);
    assert_float_equal(l->top[2].logprob, -1.678792f, 1e-6);
}

static void more_logprobs_than_tokens_are_all_of_them(void **state)
{
    struct token_logprobs l;

    logprobs_of(given, VOCAB, 3, 20, &l);
    assert_int_equal(l.n_top, VOCAB);
    assert_int_equal(l.rank, 3);
    assert_int_equal(l.top[5].id, 4);
    logprobs_of(given, VOCAB, 1, 0, &l);
    assert_int_equal(l.n_top, 0);
    assert_int_equal(l.rank, 1);
}

/* min_p 0.3 leaves 1, 2, 3; their shares are .576 .212 .212. top_p .75 then needs two of them; before the cut (shares .507 .187
 * .187) it would need three. */
static void the_order_of_min_p_and_top_p_matters(void **state)
{
    struct sample_params p = SAMPLE_DEFAULTS;
    int seen[2][VOCAB] = { { 0 } };

    p.do_sample = true;
    p.min_p = 0.3;
    p.top_p = 0.75;
    for (int order = 0; order < 2; order++) {
        p.min_p_first = order;
        AUTO_FREE(sampler) s = sampler_new(&p, VOCAB);
        for (int i = 0; i < 2000; i++) {
            float copy[VOCAB];
            memcpy(copy, given, sizeof given);
            seen[order][sampler_pick(s, copy, NULL, 0, NULL, 0, NULL)]++;
        }
    }
    assert_true(seen[0][3] > 0);
    assert_int_equal(seen[1][3], 0);
    assert_true(seen[1][2] > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(use_is_penalised_in_the_answer_alone),
        cmocka_unit_test(a_negative_penalty_invites),
        cmocka_unit_test(biases_come_before_the_repetition_penalty),
        cmocka_unit_test(repetition_counts_the_prompt_too),
        cmocka_unit_test(a_bad_word_is_forbidden_after_its_beginning),
        cmocka_unit_test(no_run_comes_twice),
        cmocka_unit_test(only_allowed_ids_stay),
        cmocka_unit_test(logprobs_are_those_of_the_logits_as_given),
        cmocka_unit_test(more_logprobs_than_tokens_are_all_of_them),
        cmocka_unit_test(the_order_of_min_p_and_top_p_matters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
