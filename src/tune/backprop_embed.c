/* The begin of the pass: embedded tokens, what an adapter adds to them, noise; and what of it learns. */
#include "tune/backprop_priv.h"

#include "tensor/vec.h"
#include "tune/neftune.h"

static void look_up(struct backprop *p, float *x, const struct backprop_row *r)
{
    const struct weight *base = &p->m->embed;
    struct weight own = weight_f32(p->own_embed ? p->loras->w + p->own_embed->at : NULL, base->out, base->in);

    model_embed(p->m, p->own_embed ? &own : base, x, r->ids, r->n);
}

/* Magnitudes scale the columns of x [n, D]. */
static void scale_columns(const struct backprop *p, float *x, size_t n)
{
    const float *gain = p->gain + p->dora_at[p->lora_embed->linear->index];
    size_t d = p->m->config.hidden;

    for (size_t t = 0; t < n; t++)
        for (size_t i = 0; i < d; i++)
            x[t * d + i] *= gain[i];
}

/* x += xa B^T with xa [n, r] = scale * A's columns of the tokens, which the way back needs. */
static void add_lora(struct backprop *p, float *x, const struct backprop_row *r, float *xa)
{
    const struct lora_param *q = p->lora_embed;
    const float *a = p->loras->w + q->a_at;
    size_t vocab = q->linear->w.in, d = q->linear->w.out;

    for (size_t t = 0; t < r->n; t++)
        for (size_t k = 0; k < q->r; k++)
            xa[t * q->r + k] = q->scale * p->m->config.embed_scale * a[k * vocab + (size_t)r->ids[t]];
    compute_set_math(p->c, GEMM_F32);
    gemm_f32(p->c, false, true, r->n, d, q->r, 1, xa, q->r, p->loras->w + q->b_at, q->r, 1, x, d);
    compute_set_math(p->c, p->product_math);
}

static void add_noise(struct backprop *p, float *x, const struct backprop_row *r, size_t at)
{
    neftune_add(x, r->n, p->m->config.hidden, r->rope_length, p->o.neftune, p->o.seed, p->step, p->first_token + p->numbers[at]);
}

void embed_forward(struct backprop *p, float *x, const struct backprop_row *r, size_t at, bool training)
{
    look_up(p, x, r);
    if (p->lora_embed)
        add_lora(p, x, r, p->embed_xa + at * p->lora_embed->r);
    if (p->lora_embed && p->lora_embed->dora)
        scale_columns(p, x, r->n);
    if (training && p->o.neftune > 0)
        add_noise(p, x, r, at);
}

/* The padding token's embedding does not learn (torch's padding_idx, which every family but Falcon has). */
static bool learns(const struct backprop *p, int32_t id)
{
    return id != p->m->config.pad || streq(p->m->config.model_type, "falcon");
}

/* The gradient of the magnitudes, as of a linear's; p->dx goes on as that of what they scale. */
static void dora_backward(struct backprop *p)
{
    const struct lora_param *q = p->lora_embed;
    const float *lengths = p->lengths + p->dora_at[q->linear->index];
    float *dm = p->loras->g + q->m_at;
    size_t d = q->linear->w.out, at = 0;

    for (size_t i = 0; i < p->n_rows; at += p->rows[i++].n) {
        look_up(p, p->plain + at * d, &p->rows[i]);
        add_lora(p, p->plain + at * d, &p->rows[i], p->embed_xa + at * q->r);
    }
    for (size_t t = 0; t < p->tokens; t++)
        for (size_t o = 0; o < d; o++)
            dm[o] += p->dx[t * d + o] * p->plain[t * d + o] / lengths[o];
    scale_columns(p, p->dx, p->tokens);
}

/* dB += dx^T xa, dxa = dx B, and each token's column of A gets its row of scale * dxa. */
static void lora_backward(struct backprop *p)
{
    const struct lora_param *q = p->lora_embed;
    size_t vocab = q->linear->w.in, d = q->linear->w.out, r = q->r, at = 0;
    float scale = q->scale * p->m->config.embed_scale, *da = p->loras->g + q->a_at;

    compute_set_math(p->c, GEMM_F32);
    gemm_f32(p->c, true, false, d, r, p->tokens, 1, p->dx, d, p->embed_xa, r, 1, p->loras->g + q->b_at, r);
    gemm_f32(p->c, false, false, p->tokens, r, d, scale, p->dx, d, p->loras->w + q->b_at, r, 0, p->dxa, r);
    compute_set_math(p->c, p->product_math);
    for (size_t i = 0; i < p->n_rows; at += p->rows[i++].n)
        for (size_t t = 0; t < p->rows[i].n; t++)
            for (size_t k = 0; k < r && learns(p, p->rows[i].ids[t]); k++)
                da[k * vocab + (size_t)p->rows[i].ids[t]] += p->dxa[(at + t) * r + k];
}

static void own_backward(struct backprop *p)
{
    size_t d = p->m->config.hidden, at = 0;

    for (size_t k = 0; k < p->n_rows; at += p->rows[k++].n)
        for (size_t t = 0; t < p->rows[k].n; t++)
            if (learns(p, p->rows[k].ids[t]))
                compute_vec(p->c)->axpy(p->loras->g + p->own_embed->at + (size_t)p->rows[k].ids[t] * d, p->dx + (at + t) * d,
                                        p->m->config.embed_scale, d);
}

void embed_backward(struct backprop *p)
{
    embed_drop(p, p->dx);
    if (p->lora_embed && p->lora_embed->dora)
        dora_backward(p);
    if (p->lora_embed)
        lora_backward(p);
    if (p->own_embed)
        own_backward(p);
}
