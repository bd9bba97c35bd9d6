/* Every backward kernel against finite differences of its forward neighbour, and the forward ones against plain formulas. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/mem.h"
#include "engine/kernels.h"
#include "tensor/vec.h"
#include "../noise.h"

#define STEP 1e-2f              /* f32 sums of about 1: central differences err by STEP^2 and 1e-7 / STEP */
#define NEAR 2e-3

static struct compute *cx;

static void fill(float *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = noise();
}

/* The scalar whose gradient is checked: sum of result * weights, in f64. */
typedef double scalar_fn(const float *input, const void *arg);

static void assert_gradient(const char *what, scalar_fn *f, const void *arg, float *input, size_t n, const float *gradient)
{
    for (size_t i = 0; i < n; i++) {
        float keep = input[i];

        input[i] = keep + STEP;
        double up = f(input, arg);
        input[i] = keep - STEP;
        double down = f(input, arg);
        input[i] = keep;
        double expected = (up - down) / (2 * (double)STEP);
        if (fabs(expected - (double)gradient[i]) > NEAR * (1 + fabs(expected)))
            fail_msg("%s: element %zu: gradient %.6f, difference %.6f", what, i, (double)gradient[i], expected);
    }
}

static double weighted(const float *y, const float *d, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)y[i] * (double)d[i];
    return sum;
}

/* ── norm ── */

#define ROWS 3
#define DIM  10

struct norm_case { const float *x, *w, *d; float plus; };

static double norm_of_x(const float *x, const void *arg)
{
    const struct norm_case *c = arg;
    float y[ROWS * DIM];

    rmsnorm_forward(cx, y, x, DIM, c->w, c->plus, ROWS, DIM, 1e-5f);
    return weighted(y, c->d, ROWS * DIM);
}

static double norm_of_w(const float *w, const void *arg)
{
    const struct norm_case *c = arg;
    float y[ROWS * DIM];

    rmsnorm_forward(cx, y, c->x, DIM, w, c->plus, ROWS, DIM, 1e-5f);
    return weighted(y, c->d, ROWS * DIM);
}

static void rmsnorm_has_the_right_gradients(void **state)
{
    for (int plus = 0; plus < 2; plus++) {
        float x[ROWS * DIM], w[DIM], d[ROWS * DIM], dx[ROWS * DIM], dw[DIM], before[ROWS * DIM];
        struct norm_case c = { x, w, d, (float)plus };

        fill(x, ROWS * DIM), fill(w, DIM), fill(d, ROWS * DIM), fill(dx, ROWS * DIM);
        memcpy(before, dx, sizeof dx);
        memset(dw, 0, sizeof dw);
        rmsnorm_backward(cx, dx, dw, d, x, DIM, w, (float)plus, ROWS, DIM, 1e-5f);
        for (size_t i = 0; i < ROWS * DIM; i++)
            dx[i] -= before[i];                 /* it adds */
        assert_gradient("rmsnorm x", norm_of_x, &c, x, ROWS * DIM, dx);
        assert_gradient("rmsnorm w", norm_of_w, &c, w, DIM, dw);
    }
}

struct layernorm_case { const float *x, *w, *b, *d; };

static double layernorm_of_x(const float *x, const void *arg)
{
    const struct layernorm_case *c = arg;
    float y[ROWS * DIM];

    layernorm_forward(cx, y, x, DIM, c->w, c->b, ROWS, DIM, 1e-2f);
    return weighted(y, c->d, ROWS * DIM);
}

static double layernorm_of_w(const float *w, const void *arg)
{
    struct layernorm_case c = *(const struct layernorm_case *)arg;

    c.w = w;
    return layernorm_of_x(c.x, &c);
}

static double layernorm_of_b(const float *b, const void *arg)
{
    struct layernorm_case c = *(const struct layernorm_case *)arg;

    c.b = b;
    return layernorm_of_x(c.x, &c);
}

static void layernorm_has_the_right_gradients(void **state)
{
    float x[ROWS * DIM], w[DIM], b[DIM], d[ROWS * DIM], dx[ROWS * DIM], dw[DIM] = { 0 }, db[DIM] = { 0 }, before[ROWS * DIM];
    struct layernorm_case c = { x, w, b, d };

    fill(x, ROWS * DIM), fill(w, DIM), fill(b, DIM), fill(d, ROWS * DIM), fill(dx, ROWS * DIM);
    memcpy(before, dx, sizeof dx);
    layernorm_backward(cx, dx, dw, db, d, x, DIM, w, ROWS, DIM, 1e-2f);
    for (size_t i = 0; i < ROWS * DIM; i++)
        dx[i] -= before[i];
    assert_gradient("layernorm x", layernorm_of_x, &c, x, ROWS * DIM, dx);
    assert_gradient("layernorm w", layernorm_of_w, &c, w, DIM, dw);
    assert_gradient("layernorm b", layernorm_of_b, &c, b, DIM, db);
}

static void layernorm_has_mean_0_and_variance_1(void **state)
{
    float x[DIM], one[DIM], y[DIM];
    double mean = 0, square = 0;

    fill(x, DIM);
    for (size_t i = 0; i < DIM; i++)
        one[i] = 1;
    layernorm_forward(cx, y, x, DIM, one, NULL, 1, DIM, 0);
    for (size_t i = 0; i < DIM; i++) {
        mean += (double)y[i];
        square += (double)y[i] * (double)y[i];
    }
    assert_true(fabs(mean) < 1e-5 && fabs(square / DIM - 1) < 1e-5);
}

/* ── rope ── */

static void rope_turns_and_turns_back(void **state)
{
    enum { T = 4, H = 2, HD = 6, R = 4, LD = H * HD + 3 };
    float x[T * LD], y[T * LD], cos[T * R / 2], sin[T * R / 2], inv[R / 2] = { 1, 0.1f };
    int32_t positions[T] = { 0, 1, 5, 1000 };

    fill(x, T * LD);
    memcpy(y, x, sizeof y);
    rope_angles(cos, sin, positions, T, inv, R / 2, 1);
    rope_forward(cx, y, LD, cos, sin, T, H, HD, R);
    assert_memory_equal(y, x, LD * sizeof *x);                          /* position 0: nothing moves */
    assert_true(y[LD + R] == x[LD + R] && y[2 * LD + H * HD] == x[2 * LD + H * HD]);    /* beyond R and beyond the heads */
    float a = x[2 * LD], b = x[2 * LD + R / 2];
    assert_true(fabsf(y[2 * LD] - (a * cosf(5) - b * sinf(5))) < 1e-5f);
    assert_true(fabsf(y[2 * LD + R / 2] - (b * cosf(5) + a * sinf(5))) < 1e-5f);
    rope_backward(cx, y, LD, cos, sin, T, H, HD, R);
    for (size_t i = 0; i < T * LD; i++)
        assert_true(fabsf(y[i] - x[i]) < 1e-5f);
}

/* ── gated units ── */

#define INTER 9

struct glu_case { enum activation act; const float *d; };

static double glu_of(const float *gate_up, const void *arg)
{
    const struct glu_case *c = arg;
    float y[ROWS * INTER];

    glu_forward(cx, y, gate_up, ROWS, INTER, c->act);
    return weighted(y, c->d, ROWS * INTER);
}

static void glu_has_the_right_gradients(void **state)
{
    static const enum activation acts[] = { ACT_SILU, ACT_GELU_TANH, ACT_GELU_ERF, ACT_GELU_QUICK, ACT_RELU };

    for (size_t a = 0; a < ARRAY_LEN(acts); a++) {
        float x[ROWS * 2 * INTER], d[ROWS * INTER], dx[ROWS * 2 * INTER], in_place[ROWS * 2 * INTER];
        struct glu_case c = { acts[a], d };

        fill(x, ROWS * 2 * INTER), fill(d, ROWS * INTER);
        memcpy(in_place, x, sizeof x);
        glu_backward(cx, dx, d, x, ROWS, INTER, acts[a]);
        glu_backward(cx, in_place, d, in_place, ROWS, INTER, acts[a]);
        assert_memory_equal(dx, in_place, sizeof dx);
        assert_gradient("glu", glu_of, &c, x, ROWS * 2 * INTER, dx);
    }
}

static double act_of(const float *x, const void *arg)
{
    const struct glu_case *c = arg;
    float y[INTER];

    memcpy(y, x, sizeof y);
    act_forward(cx, y, INTER, c->act);
    return weighted(y, c->d, INTER);
}

static void act_has_the_right_gradients(void **state)
{
    static const enum activation acts[] = { ACT_SILU, ACT_GELU_TANH, ACT_GELU_ERF, ACT_GELU_QUICK, ACT_RELU };

    for (size_t a = 0; a < ARRAY_LEN(acts); a++) {
        float x[INTER], d[INTER], dx[INTER];
        struct glu_case c = { acts[a], d };

        fill(x, INTER), fill(d, INTER);
        act_backward(cx, dx, d, x, INTER, acts[a]);
        assert_gradient("act", act_of, &c, x, INTER, dx);
    }
}

/* act(x) alone is the gated unit with an up of 1. */
static void act_is_the_unit_without_a_gate(void **state)
{
    static const enum activation acts[] = { ACT_SILU, ACT_GELU_TANH, ACT_GELU_ERF, ACT_GELU_QUICK, ACT_RELU };

    for (size_t a = 0; a < ARRAY_LEN(acts); a++) {
        float x[2 * INTER], y[INTER];

        fill(x, INTER);
        for (size_t i = 0; i < INTER; i++)
            x[INTER + i] = 1;
        glu_forward(cx, y, x, 1, INTER, acts[a]);
        act_forward(cx, x, INTER, acts[a]);
        for (size_t i = 0; i < INTER; i++)
            assert_true(fabsf(x[i] - y[i]) <= 1e-6f);
    }
}

/* On every row of kernels, against the definitions in f64. */
static void gelu_is_exact_to_a_float(void **state)
{
    size_t n;
    const struct vec_ops *const *all = vec_all(&n);

    for (size_t k = 0; k < n; k++) {
        if (!all[k]->supported())
            continue;
        for (int i = -4000; i <= 4000; i++) {
            float x = (float)i * 0.005f, tanh_form, erf_form;
            double z = (double)x, want_tanh = 0.5 * z * (1 + tanh(0.7978845608028654 * (z + 0.044715 * z * z * z)));
            double want_erf = 0.5 * z * erfc(-z * M_SQRT1_2);

            all[k]->gelu_tanh(&tanh_form, &x, 1);
            all[k]->gelu_erf(&erf_form, &x, 1);
            if (fabs((double)tanh_form - want_tanh) > 3e-7 * fmax(1, fabs(z)) || fabs((double)erf_form - want_erf) > 3e-7 * fmax(1, fabs(z)))
                fail_msg("%s: gelu(%g): %.9g and %.9g, expected %.9g and %.9g", all[k]->name, z, (double)tanh_form, (double)erf_form, want_tanh, want_erf);
        }
    }
}

/* Two groups of (two query heads, key, value), head_dim 1: told apart by their numbers. */
static void groups_come_apart_in_order(void **state)
{
    static const float x[] = { 0, 1, 10, 20, 2, 3, 11, 21 }, want[] = { 0, 1, 2, 3, 10, 11, 20, 21 };
    float y[8], back[8];

    qkv_ungroup(cx, y, x, 8, 1, 4, 2, 1);
    assert_memory_equal(y, want, sizeof want);
    qkv_group(cx, back, y, 8, 1, 4, 2, 1);
    assert_memory_equal(back, x, sizeof x);
}

/* ── attention ── */

enum { AT = 7, AH = 4, AK = 2, AHD = 5, AQ = AH * AHD, AKV = AK * AHD, ALD = AQ + 2 * AKV };

struct attention_case { struct attention_shape s; const float *d; };

static double attention_of(const float *qkv, const void *arg)
{
    const struct attention_case *c = arg;
    float o[AT * AQ];

    attention_forward(cx, &c->s, o, AQ, qkv, ALD, qkv + AQ, qkv + AQ + AKV, ALD);
    return weighted(o, c->d, AT * AQ);
}

static void attention_has_the_right_gradients(void **state)
{
    static const float slopes[AH] = { 0.5f, 0.25f, 0.125f, 0.0625f };
    static const struct { size_t window; float softcap; const float *slopes; } cases[] = { { 0, 0, NULL }, { 3, 0, NULL }, { 0, 2, NULL },
                                                                                           { 0, 0, slopes } };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        float qkv[AT * ALD], d[AT * AQ], grad[AT * ALD] = { 0 };
        struct attention_case c = { { .tokens = AT, .heads = AH, .kv_heads = AK, .head_dim = AHD, .window = cases[i].window,
                                      .scale = 0.7f, .softcap = cases[i].softcap, .slopes = cases[i].slopes }, d };

        fill(qkv, AT * ALD), fill(d, AT * AQ);
        attention_backward(cx, &c.s, grad, ALD, grad + AQ, grad + AQ + AKV, ALD, d, AQ, qkv, ALD, qkv + AQ, qkv + AQ + AKV, ALD);
        assert_gradient("attention", attention_of, &c, qkv, AT * ALD, grad);
    }
}

static void attention_sees_the_past_and_the_window_only(void **state)
{
    struct attention_shape s = { .tokens = AT, .heads = AH, .kv_heads = AK, .head_dim = AHD, .window = 2, .scale = 1 };
    float qkv[AT * ALD], a[AT * AQ], b[AT * AQ];

    fill(qkv, AT * ALD);
    attention_forward(cx, &s, a, AQ, qkv, ALD, qkv + AQ, qkv + AQ + AKV, ALD);
    fill(qkv + 5 * ALD + AQ, 2 * AKV);          /* key and value 5: queries 5 and 6 see them */
    attention_forward(cx, &s, b, AQ, qkv, ALD, qkv + AQ, qkv + AQ + AKV, ALD);
    assert_memory_equal(a, b, 5 * AQ * sizeof *a);
    assert_memory_not_equal(a + 5 * AQ, b + 5 * AQ, AQ * sizeof *a);
    fill(qkv + 3 * ALD + AQ, 2 * AKV);          /* 3: queries 3 and 4 */
    attention_forward(cx, &s, a, AQ, qkv, ALD, qkv + AQ, qkv + AQ + AKV, ALD);
    assert_memory_equal(a + 5 * AQ, b + 5 * AQ, 2 * AQ * sizeof *a);
}

/* ── loss ── */

#define VOCAB 11

static const int32_t labels[ROWS] = { 4, -100, 0 };

static double loss_of(const float *logits, const void *arg)
{
    size_t count;

    return cross_entropy_forward(cx, logits, VOCAB, labels, ROWS, VOCAB, &count, NULL) * 0.5;
}

static void cross_entropy_has_the_right_gradient(void **state)
{
    float x[ROWS * VOCAB], grad[ROWS * VOCAB], uniform[VOCAB] = { 0 };
    size_t count;

    fill(x, ROWS * VOCAB);
    memcpy(grad, x, sizeof x);
    cross_entropy_backward(cx, grad, VOCAB, labels, ROWS, VOCAB, 0.5f);
    assert_gradient("loss", loss_of, NULL, x, ROWS * VOCAB, grad);
    (void)cross_entropy_forward(cx, x, VOCAB, labels, ROWS, VOCAB, &count, NULL);
    assert_int_equal(count, 2);
    assert_true(fabs(cross_entropy_forward(cx, uniform, VOCAB, labels, 1, VOCAB, &count, NULL) - log(VOCAB)) < 1e-6);
}

static int make_compute(void **state)
{
    struct err e;

    return compute_new(2, NULL, &cx, &e) ? 1 : 0;
}

static int free_compute(void **state)
{
    compute_free(cx);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rmsnorm_has_the_right_gradients),
        cmocka_unit_test(layernorm_has_the_right_gradients), cmocka_unit_test(layernorm_has_mean_0_and_variance_1),
        cmocka_unit_test(rope_turns_and_turns_back),
        cmocka_unit_test(glu_has_the_right_gradients),
        cmocka_unit_test(act_has_the_right_gradients), cmocka_unit_test(act_is_the_unit_without_a_gate),
        cmocka_unit_test(gelu_is_exact_to_a_float),
        cmocka_unit_test(groups_come_apart_in_order),
        cmocka_unit_test(attention_has_the_right_gradients),
        cmocka_unit_test(attention_sees_the_past_and_the_window_only),
        cmocka_unit_test(cross_entropy_has_the_right_gradient),
    };
    return cmocka_run_group_tests(tests, make_compute, free_compute);
}
