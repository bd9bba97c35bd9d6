/* One linear with its adapter: y = x W^T + b + s * drop(x) A^T B^T, and back. */
#include "tune/backprop_priv.h"
#include "tune/random.h"

#include "base/hash.h"
#include "tensor/vec.h"

/* LoRA products are small and decide what is learnt: they stay f32 whatever the base products are. */
static void lora_math(struct backprop *p, bool on)
{
    compute_set_math(p->c, on ? GEMM_F32 : p->product_math);
}

struct drop {
    float *y;
    const float *x;
    size_t dim;
    struct rows rows;
    uint64_t stream, first;
    float rate;
    bool add;
};

/* A mask bit is a function of (seed, step, module, token, column), so a recomputed layer drops the same. */
static void drop_range(void *arg, size_t begin, size_t end)
{
    const struct drop *d = arg;
    float keep = 1 / (1 - d->rate);

    for (size_t r = begin; r < end; r++) {
        uint64_t token = d->first + (d->rows.token ? d->rows.token[r] : r);
        for (size_t j = 0; j < d->dim; j++) {
            size_t i = r * d->dim + j;
            float u = random_unit(random_mix(d->stream + token * d->dim + j));
            float v = u < d->rate ? 0 : d->x[i] * keep;
            d->y[i] = d->add ? d->y[i] + v : v;
        }
    }
}

static void drop(struct backprop *p, const struct linear *l, float *y, const float *x, struct rows rows, bool add)
{
    uint64_t module = fnv1a_32(l->path, strlen(l->path));
    struct drop d = { .y = y, .x = x, .dim = l->w.in, .rows = rows, .first = p->first_token, .rate = p->o.dropout, .add = add,
                      .stream = random_stream(random_stream(p->o.seed, module), p->step) };

    compute_parallel(p->c, rows.n, 16, drop_range, &d);
}

static void scale_all(float *x, float s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= s;
}

struct rounding { const struct vec_ops *vec; float *y; const float *x; size_t ldy, ldx, cols; };

static void round_range(void *arg, size_t begin, size_t end)
{
    const struct rounding *r = arg;

    for (size_t t = begin; t < end; t++)
        r->vec->round_bf16(r->y + t * r->ldy, r->x + t * r->ldx, r->cols);
}

const float *rounded_factor(struct backprop *p, const float *x, size_t *ld, size_t rows, size_t cols)
{
    struct rounding r = { .vec = compute_vec(p->c), .y = p->rounded, .x = x, .ldy = cols, .ldx = *ld, .cols = cols };

    compute_parallel(p->c, rows, 16384 / cols + 1, round_range, &r);
    *ld = cols;
    return p->rounded;
}

/* The reference's bf16 products give bf16 results; without this its gradients are 3 % away instead of 0.6 %. */
static void round_result(struct backprop *p, float *y, size_t ld, size_t rows, size_t cols)
{
    struct rounding r = { .vec = compute_vec(p->c), .y = y, .x = y, .ldy = ld, .ldx = ld, .cols = cols };

    if (p->o.math == GEMM_BF16)
        compute_parallel(p->c, rows, 16384 / cols + 1, round_range, &r);
}

void adapted_forward(struct backprop *p, const struct linear *l, float *y, size_t ldy, const float *x, float *xa, struct rows rows)
{
    const struct lora_param *q = p->loras->of_linear[l->index];
    size_t in = l->w.in, out = l->w.out, t = rows.n;

    size_t ld = in;
    const float *factor = p->emulates_bf16 ? rounded_factor(p, x, &ld, t, in) : x;

    y += l->out_offset;
    gemm_forward(p->c, y, ldy, factor, ld, t, &p->weights[l->index]);
    round_result(p, y, ldy, t, out);
    if (l->bias)
        add_bias(p->c, y, ldy, l->bias, t, out);
    if (!q)
        return;
    if (p->o.dropout > 0) {
        drop(p, l, p->dropped, x, rows, false);
        x = p->dropped;
    }
    lora_math(p, true);
    gemm_f32(p->c, false, true, t, q->r, in, q->scale, x, in, p->loras->w + q->a_at, in, 0, xa, q->r);
    gemm_f32(p->c, false, true, t, out, q->r, 1, xa, q->r, p->loras->w + q->b_at, q->r, 1, y, ldy);
    lora_math(p, false);
}

/*
 * With h = s * drop(x) A^T (kept as xa) and y += h B^T:  dB += dy^T h,  dh = s * dy B,  dA += dh^T drop(x),  dx += drop'(dh A).
 */
static void lora_backward(struct backprop *p, const struct linear *l, const struct lora_param *q, float *dx, const float *dy, size_t lddy,
                          const float *x, const float *xa, struct rows rows)
{
    size_t in = l->w.in, out = l->w.out, t = rows.n, r = q->r;
    bool drops = p->o.dropout > 0;

    if (drops) {
        drop(p, l, p->dropped, x, rows, false);
        x = p->dropped;
    }
    gemm_f32(p->c, true, false, out, r, t, 1, dy, lddy, xa, r, 1, p->loras->g + q->b_at, r);
    gemm_f32(p->c, false, false, t, r, out, 1, dy, lddy, p->loras->w + q->b_at, r, 0, p->dxa, r);
    scale_all(p->dxa, q->scale, t * r);
    gemm_f32(p->c, true, false, r, in, t, 1, p->dxa, r, x, in, 1, p->loras->g + q->a_at, in);
    if (!dx)
        return;
    float *into = drops ? p->ddropped : dx;
    gemm_f32(p->c, false, false, t, in, r, 1, p->dxa, r, p->loras->w + q->a_at, in, drops ? 0 : 1, into, in);
    if (drops)
        drop(p, l, dx, p->ddropped, rows, true);
}

void adapted_backward(struct backprop *p, const struct linear *l, float *dx, const float *dy, size_t lddy, const float *x, const float *xa,
                      bool accumulate, struct rows rows)
{
    const struct lora_param *q = p->loras->of_linear[l->index];

    dy += l->out_offset;
    if (dx) {
        size_t ld = lddy;
        const float *factor = p->emulates_bf16 ? rounded_factor(p, dy, &ld, rows.n, l->w.out) : dy;
        gemm_backward(p->c, dx, l->w.in, factor, ld, rows.n, &p->weights[l->index], accumulate);
        round_result(p, dx, l->w.in, rows.n, l->w.in);
    }
    if (!q)
        return;
    lora_math(p, true);
    lora_backward(p, l, q, dx, dy, lddy, x, xa, rows);
    lora_math(p, false);
}
