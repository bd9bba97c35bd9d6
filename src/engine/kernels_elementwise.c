/* Rotary embedding, gated units, bias, the choice of experts: what works on one row at a time without looking at others. */
#include <math.h>

#include "engine/kernels.h"
#include "tensor/vec.h"

#define GRAIN 8

/* ── rotary ── */

struct rope_job {
    float *x;
    const float *cos, *sin;
    size_t ld, heads, hd, half;
    float turn;                 /* 1 forward, -1 backward */
};

void rope_angles(float *cos, float *sin, const int32_t *positions, size_t rows, const float *inv_freq, size_t half, float scale)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < half; i++) {
            float angle = (float)positions[r] * inv_freq[i];

            cos[r * half + i] = cosf(angle) * scale;
            sin[r * half + i] = sinf(angle) * scale;
        }
}

/* restrict, and numbers by value: else every store might change what the loop reads next, and nothing is vectorised. */
static void turn_head(float *restrict a, float *restrict b, const float *restrict cos, const float *restrict sin, float turn, size_t half)
{
    for (size_t i = 0; i < half; i++) {
        float first = a[i], second = b[i], s = sin[i] * turn;

        a[i] = first * cos[i] - second * s;
        b[i] = second * cos[i] + first * s;
    }
}

static void rope_rows(void *arg, size_t begin, size_t end)
{
    const struct rope_job *j = arg;

    for (size_t r = begin; r < end; r++)
        for (size_t h = 0; h < j->heads; h++) {
            float *a = j->x + r * j->ld + h * j->hd;

            turn_head(a, a + j->half, j->cos + r * j->half, j->sin + r * j->half, j->turn, j->half);
        }
}

static void rope_rows_pairs(void *arg, size_t begin, size_t end)
{
    const struct rope_job *j = arg;

    for (size_t r = begin; r < end; r++)
        for (size_t h = 0; h < j->heads; h++) {
            float *x = j->x + r * j->ld + h * j->hd;
            const float *cos = j->cos + r * j->half, *sin = j->sin + r * j->half;

            for (size_t i = 0; i < j->half; i++) {
                float first = x[2 * i], second = x[2 * i + 1];

                x[2 * i] = first * cos[i] - second * sin[i];
                x[2 * i + 1] = second * cos[i] + first * sin[i];
            }
        }
}

static void rope(struct compute *c, float *x, size_t ld, const float *cos, const float *sin, size_t rows, size_t heads, size_t hd,
                 size_t rotary, float turn)
{
    struct rope_job j = { .x = x, .cos = cos, .sin = sin, .ld = ld, .heads = heads, .hd = hd, .half = rotary / 2, .turn = turn };

    compute_parallel(c, rows, GRAIN, rope_rows, &j);
}

void rope_forward(struct compute *c, float *x, size_t ld, const float *cos, const float *sin, size_t rows, size_t heads, size_t hd,
                  size_t rotary)
{
    rope(c, x, ld, cos, sin, rows, heads, hd, rotary, 1);
}

void rope_forward_pairs(struct compute *c, float *x, size_t ld, const float *cos, const float *sin, size_t rows, size_t heads,
                        size_t hd, size_t rotary)
{
    struct rope_job j = { .x = x, .cos = cos, .sin = sin, .ld = ld, .heads = heads, .hd = hd, .half = rotary / 2 };

    compute_parallel(c, rows, GRAIN, rope_rows_pairs, &j);
}

void rope_backward(struct compute *c, float *dx, size_t ld, const float *cos, const float *sin, size_t rows, size_t heads, size_t hd,
                   size_t rotary)
{
    rope(c, dx, ld, cos, sin, rows, heads, hd, rotary, -1);
}

/* ── gated units ── */

#define SQRT_2_OVER_PI 0.7978845608028654f
#define GELU_CUBIC     0.044715f

/* act(g), and its derivative when slope is not NULL. */
static float act_value(enum activation act, float g, float *slope)
{
    if (act == ACT_GELU_TANH) {
        float t = tanhf(SQRT_2_OVER_PI * (g + GELU_CUBIC * g * g * g));

        if (slope)
            *slope = 0.5f * (1 + t) + 0.5f * g * (1 - t * t) * SQRT_2_OVER_PI * (1 + 3 * GELU_CUBIC * g * g);
        return 0.5f * g * (1 + t);
    }
    if (act == ACT_GELU_ERF) {
        float cdf = 0.5f * (1 + erff(g * 0.70710678118654752f));

        if (slope)
            *slope = cdf + g * 0.3989422804014327f * expf(-0.5f * g * g);
        return g * cdf;
    }
    if (act == ACT_RELU) {
        if (slope)
            *slope = g > 0 ? 1 : 0;
        return g > 0 ? g : 0;
    }
    float steep = act == ACT_GELU_QUICK ? 1.702f : 1, s = 1 / (1 + expf(-steep * g));
    if (slope)
        *slope = s + steep * g * s * (1 - s);
    return g * s;
}

/* y = act(x); y may be x. */
static void act_values(const struct vec_ops *vec, enum activation act, float *y, const float *x, size_t n)
{
    if (act == ACT_GELU_TANH) {
        vec->gelu_tanh(y, x, n);
        return;
    }
    if (act == ACT_GELU_ERF) {
        vec->gelu_erf(y, x, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        y[i] = act_value(act, x[i], NULL);
}

static void multiply(float *restrict y, const float *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] *= x[i];
}

struct glu_job {
    const struct vec_ops *vec;
    float *out;                 /* y, or the gradient of gate_up */
    const float *gate_up, *dy;
    size_t inter;
    enum activation act;
};

static void glu_rows(void *arg, size_t begin, size_t end)
{
    const struct glu_job *j = arg;

    for (size_t r = begin; r < end; r++) {
        const float *gate = j->gate_up + r * 2 * j->inter, *up = gate + j->inter;
        float *y = j->out + r * j->inter;

        if (j->act == ACT_SILU) {
            j->vec->swiglu(y, gate, up, j->inter);
            continue;
        }
        act_values(j->vec, j->act, y, gate, j->inter);
        multiply(y, up, j->inter);
    }
}

void glu_forward(struct compute *c, float *y, const float *gate_up, size_t rows, size_t inter, enum activation act)
{
    struct glu_job j = { .vec = compute_vec(c), .out = y, .gate_up = gate_up, .inter = inter, .act = act };

    compute_parallel(c, rows, 1, glu_rows, &j);
}

static void glu_grad_rows(void *arg, size_t begin, size_t end)
{
    const struct glu_job *j = arg;

    for (size_t r = begin; r < end; r++) {
        const float *gate = j->gate_up + r * 2 * j->inter, *up = gate + j->inter, *dy = j->dy + r * j->inter;
        float *dg = j->out + r * 2 * j->inter, *du = dg + j->inter;

        if (j->act == ACT_SILU) {
            j->vec->swiglu_grad(dg, du, dy, gate, up, j->inter);
            continue;
        }
        for (size_t i = 0; i < j->inter; i++) {
            float slope, value = act_value(j->act, gate[i], &slope), u = up[i];

            dg[i] = dy[i] * u * slope;
            du[i] = dy[i] * value;
        }
    }
}

void glu_backward(struct compute *c, float *d_gate_up, const float *dy, const float *gate_up, size_t rows, size_t inter,
                  enum activation act)
{
    struct glu_job j = { .vec = compute_vec(c), .out = d_gate_up, .gate_up = gate_up, .dy = dy, .inter = inter, .act = act };

    compute_parallel(c, rows, 1, glu_grad_rows, &j);
}

/* ── units without a gate ── */

struct act_job {
    const struct vec_ops *vec;
    float *x;
    enum activation act;
};

static void act_part(void *arg, size_t begin, size_t end)
{
    const struct act_job *j = arg;

    act_values(j->vec, j->act, j->x + begin, j->x + begin, end - begin);
}

void act_forward(struct compute *c, float *x, size_t n, enum activation act)
{
    struct act_job j = { .vec = compute_vec(c), .x = x, .act = act };

    compute_parallel(c, n, 1u << 10, act_part, &j);
}

struct act_grad_job {
    float *dx;
    const float *dy, *x;
    enum activation act;
};

static void act_grad_part(void *arg, size_t begin, size_t end)
{
    const struct act_grad_job *j = arg;

    for (size_t i = begin; i < end; i++) {
        float slope;

        (void)act_value(j->act, j->x[i], &slope);
        j->dx[i] = j->dy[i] * slope;
    }
}

void act_backward(struct compute *c, float *dx, const float *dy, const float *x, size_t n, enum activation act)
{
    struct act_grad_job j = { .dx = dx, .dy = dy, .x = x, .act = act };

    compute_parallel(c, n, 1u << 10, act_grad_part, &j);
}

/* ── order of heads ── */

struct group_job {
    float *grouped, *parts;     /* [groups], [q | k | v]; one of them is read */
    size_t ld, heads, kv_heads, hd;
};

static void ungroup_rows(void *arg, size_t begin, size_t end)
{
    const struct group_job *j = arg;
    size_t per = j->heads / j->kv_heads * j->hd;

    for (size_t r = begin; r < end; r++)
        for (size_t g = 0; g < j->kv_heads; g++) {
            const float *x = j->grouped + r * j->ld + g * (per + 2 * j->hd);
            float *q = j->parts + r * j->ld + g * per, *k = j->parts + r * j->ld + j->heads * j->hd + g * j->hd;

            memcpy(q, x, per * sizeof *q);
            memcpy(k, x + per, j->hd * sizeof *k);
            memcpy(k + j->kv_heads * j->hd, x + per + j->hd, j->hd * sizeof *k);
        }
}

void qkv_ungroup(struct compute *c, float *y, const float *x, size_t ld, size_t rows, size_t heads, size_t kv_heads, size_t hd)
{
    struct group_job j = { .parts = y, .grouped = (float *)(uintptr_t)x, .ld = ld, .heads = heads, .kv_heads = kv_heads, .hd = hd };

    compute_parallel(c, rows, GRAIN, ungroup_rows, &j);
}

static void group_rows(void *arg, size_t begin, size_t end)
{
    const struct group_job *j = arg;
    size_t per = j->heads / j->kv_heads * j->hd;

    for (size_t r = begin; r < end; r++)
        for (size_t g = 0; g < j->kv_heads; g++) {
            float *y = j->grouped + r * j->ld + g * (per + 2 * j->hd);
            const float *q = j->parts + r * j->ld + g * per, *k = j->parts + r * j->ld + j->heads * j->hd + g * j->hd;

            memcpy(y, q, per * sizeof *q);
            memcpy(y + per, k, j->hd * sizeof *k);
            memcpy(y + per + j->hd, k + j->kv_heads * j->hd, j->hd * sizeof *k);
        }
}

void qkv_group(struct compute *c, float *y, const float *x, size_t ld, size_t rows, size_t heads, size_t kv_heads, size_t hd)
{
    struct group_job j = { .grouped = y, .parts = (float *)(uintptr_t)x, .ld = ld, .heads = heads, .kv_heads = kv_heads, .hd = hd };

    compute_parallel(c, rows, GRAIN, group_rows, &j);
}

/* ── sums ── */

struct axpy_job {
    const struct vec_ops *vec;
    float *y;
    const float *x;
    float a;
};

static void axpy_part(void *arg, size_t begin, size_t end)
{
    const struct axpy_job *j = arg;

    j->vec->axpy(j->y + begin, j->x + begin, j->a, end - begin);
}

void axpy(struct compute *c, float *y, const float *x, float a, size_t n)
{
    struct axpy_job j = { .vec = compute_vec(c), .y = y, .x = x, .a = a };

    compute_parallel(c, n, 1u << 14, axpy_part, &j);
}

void add_bias(struct compute *c, float *y, size_t ld, const float *bias, size_t rows, size_t n)
{
    for (size_t r = 0; r < rows; r++)
        compute_vec(c)->axpy(y + r * ld, bias, 1, n);
}

/* ── experts ── */

static size_t highest(const float *s, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++)
        if (s[i] > s[best])
            best = i;
    return best;
}

void choose_experts(float *s, float *share, size_t n, size_t used)
{
    float top = s[highest(s, n)], sum = 0;

    memset(share, 0, n * sizeof *share);
    for (size_t k = 0; k < used; k++) {
        size_t i = highest(s, n);
        sum += share[i] = expf(s[i] - top);
        s[i] = -INFINITY;
    }
    for (size_t i = 0; i < n; i++)
        s[i] = isfinite(sum) ? share[i] / sum : i < used ? NAN : 0;
}
