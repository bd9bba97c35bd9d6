/* One linear with its adapter: y = x W^T + b + s * drop(x) A^T B^T, and back. */
#include "tune/backprop_priv.h"

#include "tensor/vec.h"

/* LoRA products are small and decide what is learnt: they stay f32 whatever the base products are. */
static void lora_math(struct backprop *p, bool on)
{
    compute_set_math(p->c, on ? GEMM_F32 : p->product_math);
}

/*
 * Base products: factors are rounded when bf16 is emulated. The reference's bf16 products give bf16 results; without rounding ours its
 * gradients are 3 % away instead of 0.6 %.
 */
static void base_rounding(struct backprop *p, bool on)
{
    compute_set_rounding(p->c, on && p->emulates_bf16, on && p->o.math == GEMM_BF16);
}

/* The matrix to multiply by: good until the next call. */
static const struct weight *base_weight(struct backprop *p, const struct linear *l)
{
    if (p->int8 && p->int8[l->index].q)
        int8_expand(p->c, &p->int8[l->index], p->weights[l->index].dtype, p->o.math == GEMM_BF16, p->expanded);
    return &p->weights[l->index];
}

/* xa = s drop(x) A^T; returns drop(x). */
static const float *lora_inner(struct backprop *p, const struct linear *l, const struct lora_param *q, const float *x, float *xa, struct rows rows)
{
    if (p->drop_rate > 0) {
        linear_drop(p, l, p->dropped, x, rows, false);
        x = p->dropped;
    }
    lora_math(p, true);
    gemm_f32(p->c, false, true, rows.n, q->r, l->w.in, q->scale, x, l->w.in, p->loras->w + q->a_at, l->w.in, 0, xa, q->r);
    lora_math(p, false);
    return x;
}

/* y += xa B^T */
static void lora_outer(struct backprop *p, const struct lora_param *q, float *y, size_t ldy, const float *xa, size_t rows)
{
    size_t out = q->linear->w.out;

    lora_math(p, true);
    gemm_f32(p->c, false, true, rows, out, q->r, 1, xa, q->r, p->loras->w + q->b_at, q->r, 1, y, ldy);
    lora_math(p, false);
}

/* --- DoRA ------------------------------------------------------------------------------------------------------------------------ */

struct lengths { const struct backprop *p; const struct lora_param *q; const struct weight *w; float *at; };

static void lengths_range(void *arg, size_t begin, size_t end)
{
    const struct lengths *j = arg;
    struct lora factors = lora_param_factors(j->p->loras, j->q);

    if (j->q->table)
        lora_column_norms(&factors, j->q->table, begin, end, j->at);
    else
        lora_row_norms(&factors, j->w, begin, end, j->at);
}

void dora_prepare(struct backprop *p)
{
    for (size_t i = 0; i < p->loras->n; i++) {
        const struct lora_param *q = &p->loras->params[i];
        size_t at = p->dora_at[q->linear->index];
        if (!q->dora)
            continue;
        compute_parallel(p->c, q->linear->w.out, 16, lengths_range,
                         &(struct lengths){ p, q, q->table ? NULL : base_weight(p, q->linear), p->lengths + at });
        for (size_t o = 0; o < q->linear->w.out; o++)
            p->gain[at + o] = p->loras->w[q->m_at + o] / p->lengths[at + o];
    }
}

/* y *= gain in every row. */
static void multiply_columns(float *y, size_t ld, const float *gain, size_t rows, size_t cols)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t o = 0; o < cols; o++)
            y[r * ld + o] *= gain[o];
}

static void add_columns(float *y, size_t ldy, const float *x, size_t ldx, float a, size_t rows, size_t cols)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t o = 0; o < cols; o++)
            y[r * ldy + o] += a * x[r * ldx + o];
}

static void base_product(struct backprop *p, const struct linear *l, float *y, size_t ldy, const float *x, size_t rows)
{
    const struct weight *w = base_weight(p, l);

    base_rounding(p, true);
    gemm_forward(p->c, y, ldy, x, w->in, rows, w);
    base_rounding(p, false);
}

/* p->plain = drop(x) W^T + xa B^T: what the magnitudes scale. */
static void dora_plain(struct backprop *p, const struct linear *l, const struct lora_param *q, const float *dropped, const float *xa, size_t rows)
{
    size_t out = l->w.out;

    base_product(p, l, p->plain, out, dropped, rows);
    lora_outer(p, q, p->plain, out, xa, rows);
}

/*
 * y holds x W^T and becomes, with d = drop(x):  x W^T + (gain - 1) d W^T + gain s d A^T B^T.  Without dropout that is gain (x W^T + s x A^T B^T).
 */
static void dora_forward(struct backprop *p, const struct linear *l, const struct lora_param *q, float *y, size_t ldy, const float *dropped,
                         const float *xa, size_t rows)
{
    const float *gain = p->gain + p->dora_at[l->index];
    size_t out = l->w.out;

    dora_plain(p, l, q, dropped, xa, rows);
    multiply_columns(p->plain, out, gain, rows, out);
    if (p->drop_rate > 0) {
        base_product(p, l, p->scaled, out, dropped, rows);
        add_columns(y, ldy, p->scaled, out, -1, rows, out);
        add_columns(y, ldy, p->plain, out, 1, rows, out);
        return;
    }
    for (size_t r = 0; r < rows; r++)
        memcpy(y + r * ldy, p->plain + r * out, out * sizeof *y);
}

/* The gradient of the magnitudes, sum of dy * plain / length (the length is a constant, as in the paper); p->scaled = gain dy. */
static void dora_backward(struct backprop *p, const struct linear *l, const struct lora_param *q, const float *dy, size_t lddy, const float *dropped,
                          const float *xa, size_t rows)
{
    size_t out = l->w.out, at = p->dora_at[l->index];
    float *dm = p->loras->g + q->m_at;

    dora_plain(p, l, q, dropped, xa, rows);
    for (size_t r = 0; r < rows; r++)
        for (size_t o = 0; o < out; o++) {
            dm[o] += dy[r * lddy + o] * p->plain[r * out + o] / p->lengths[at + o];
            p->scaled[r * out + o] = dy[r * lddy + o] * p->gain[at + o];
        }
}

/* --- one linear ---------------------------------------------------------------------------------------------------------------------- */

static const float *bias_now(const struct backprop *p, const struct linear *l)
{
    const struct own_param *b = lora_set_own(p->loras, l, true);

    return b ? p->loras->w + b->at : l->bias;
}

void adapted_forward(struct backprop *p, const struct linear *l, float *y, size_t ldy, const float *x, float *xa, struct rows rows)
{
    const struct lora_param *q = p->loras->of_linear[l->index];
    const float *bias = bias_now(p, l);
    size_t out = l->w.out, t = rows.n;

    if (y && (!q || !q->dora || p->drop_rate > 0))
        base_product(p, l, y + l->out_offset, ldy, x, t);
    if (q)
        x = lora_inner(p, l, q, x, xa, rows);
    if (!y)
        return;
    y += l->out_offset;
    if (q && q->dora)
        dora_forward(p, l, q, y, ldy, x, xa, t);
    else if (q)
        lora_outer(p, q, y, ldy, xa, t);
    if (bias)
        add_bias(p->c, y, ldy, bias, t, out);
}

/* dx = (or +=) dy . W */
static void base_backward(struct backprop *p, const struct linear *l, float *dx, const float *dy, size_t lddy, bool accumulate, size_t rows)
{
    const struct weight *w = base_weight(p, l);

    base_rounding(p, true);
    gemm_backward(p->c, dx, w->in, dy, lddy, rows, w, accumulate);
    base_rounding(p, false);
}

/* Gradients of what is trained of the base itself. */
static void own_backward(struct backprop *p, const struct linear *l, const float *dy, size_t lddy, const float *x, size_t rows)
{
    const struct own_param *w = lora_set_own(p->loras, l, false), *b = lora_set_own(p->loras, l, true);

    if (w)
        gemm_grad(p->c, p->loras->g + w->at, dy, lddy, l->w.out, x, l->w.in, l->w.in, rows);
    for (size_t r = 0; b && r < rows; r++)
        compute_vec(p->c)->axpy(p->loras->g + b->at, dy + r * lddy, 1, l->w.out);
}

/*
 * With h = s * drop(x) A^T (kept as xa) and y += h B^T:  dB += dy^T h,  dh = s * dy B,  dA += dh^T drop(x),  dx += drop'(dh A).
 * DoRA: dy is the scaled one, and with dropout part of the base's product went through the mask, too.
 */
static void lora_backward(struct backprop *p, const struct linear *l, const struct lora_param *q, float *dx, const float *dy, size_t lddy,
                          const float *dropped, const float *xa, struct rows rows)
{
    size_t in = l->w.in, out = l->w.out, t = rows.n, r = q->r;
    bool masked = p->drop_rate > 0;

    gemm_f32(p->c, true, false, out, r, t, 1, dy, lddy, xa, r, 1, p->loras->g + q->b_at, r);
    gemm_f32(p->c, false, false, t, r, out, q->scale, dy, lddy, p->loras->w + q->b_at, r, 0, p->dxa, r);
    gemm_f32(p->c, true, false, r, in, t, 1, p->dxa, r, dropped, in, 1, p->loras->g + q->a_at, in);
    if (!dx)
        return;
    float *into = masked ? p->ddropped : dx;
    gemm_f32(p->c, false, false, t, in, r, 1, p->dxa, r, p->loras->w + q->a_at, in, masked ? 0 : 1, into, in);
}

/* ddropped += (gain - 1) dy . W, with p->scaled = gain dy. */
static void dora_masked_backward(struct backprop *p, const struct linear *l, const float *dy, size_t lddy, size_t rows)
{
    add_columns(p->scaled, l->w.out, dy, lddy, -1, rows, l->w.out);
    base_backward(p, l, p->ddropped, p->scaled, l->w.out, true, rows);
}

static void adapter_backward(struct backprop *p, const struct linear *l, const struct lora_param *q, float *dx, const float *dy, size_t lddy,
                             const float *x, const float *xa, struct rows rows)
{
    const float *through = q->dora ? p->scaled : dy;
    size_t ld = q->dora ? l->w.out : lddy;

    lora_math(p, true);
    lora_backward(p, l, q, dx, through, ld, x, xa, rows);
    lora_math(p, false);
    if (!dx || p->drop_rate <= 0)
        return;
    if (q->dora)
        dora_masked_backward(p, l, dy, lddy, rows.n);
    linear_drop(p, l, dx, p->ddropped, rows, true);
}

void adapted_backward(struct backprop *p, const struct linear *l, float *dx, const float *dy, size_t lddy, const float *x, const float *xa,
                      bool accumulate, struct rows rows)
{
    const struct lora_param *q = p->loras->of_linear[l->index];
    bool scales = q && q->dora && p->drop_rate <= 0;

    dy += l->out_offset;
    own_backward(p, l, dy, lddy, x, rows.n);
    if (q && p->drop_rate > 0) {
        linear_drop(p, l, p->dropped, x, rows, false);
        x = p->dropped;
    }
    if (q && q->dora)
        dora_backward(p, l, q, dy, lddy, x, xa, rows.n);
    if (dx)
        base_backward(p, l, dx, scales ? p->scaled : dy, scales ? l->w.out : lddy, accumulate, rows.n);
    if (q)
        adapter_backward(p, l, q, dx, dy, lddy, x, xa, rows);
}
