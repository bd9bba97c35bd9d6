/*
 * One decoder layer, forward and back:
 *   mid = x + [norm_out] Attention([norm_attn] x),   next = mid + [norm_out] MLP([norm_mlp] mid)
 * Forward writes p->norm, p->act and the acts; backward may recompute from them, so it never relies on what forward left in p.
 */
#include "tune/backprop_priv.h"

enum slot { SLOT_ATTN_IN = 0, SLOT_ATTN_OUT = 3, SLOT_MLP_IN = 4, SLOT_MLP_OUT = 6 };

/* y = x normed by w; w NULL: a plain copy. */
static void norm_forward(struct backprop *p, float *y, const float *x, const float *w)
{
    const struct model_config *g = &p->m->config;

    if (w)
        rmsnorm_forward(p->c, y, x, g->hidden, w, g->norm_plus, p->tokens, g->hidden, g->norm_eps);
    else
        memcpy(y, x, p->tokens * g->hidden * sizeof *y);
}

/* dx += d(norm) . dy */
static void norm_backward(struct backprop *p, float *dx, const float *dy, const float *x, const float *w)
{
    const struct model_config *g = &p->m->config;

    if (w)
        rmsnorm_backward(p->c, dx, NULL, dy, x, g->hidden, w, g->norm_plus, p->tokens, g->hidden, g->norm_eps);
    else
        axpy(p->c, dx, dy, 1, p->tokens * g->hidden);
}

static const struct rope_table *table_of(const struct backprop *p, const struct layer *l)
{
    return l->local_rope ? &p->rope_local : &p->rope;
}

static void rotate(struct backprop *p, const struct layer *l, float *qkv, bool back)
{
    const struct model_config *g = &p->m->config;
    const struct rope_table *t = table_of(p, l);
    void (*turn)(struct compute *, float *, size_t, const float *, const float *, size_t, size_t, size_t, size_t) =
        back ? rope_backward : rope_forward;

    turn(p->c, qkv, model_qkv_width(g), t->cos, t->sin, p->tokens, g->heads, g->head_dim, g->rotary);
    turn(p->c, qkv + model_q_width(g), model_qkv_width(g), t->cos, t->sin, p->tokens, g->kv_heads, g->head_dim, g->rotary);
}

/* q_norm and k_norm on the column ranges of [q | k | v], one call per normalised width. */
static void qk_norm_columns(struct backprop *p, const struct layer *l, bool q_part, size_t *first, size_t *end, const float **w)
{
    const struct model_config *g = &p->m->config;

    *first = q_part ? 0 : model_q_width(g);
    *end = q_part ? model_q_width(g) : model_q_width(g) + model_kv_width(g);
    *w = q_part ? l->q_norm.w : l->k_norm.w;
}

static void qk_norm_forward(struct backprop *p, const struct layer *l, struct layer_acts *a)
{
    const struct model_config *g = &p->m->config;
    size_t ld = model_qkv_width(g), first, end;
    const float *w;

    memcpy(a->qk_raw, a->qkv, p->tokens * ld * sizeof(float));
    for (int part = 0; part < 2; part++) {
        qk_norm_columns(p, l, part == 0, &first, &end, &w);
        size_t dim = l->qk_norm_whole ? end - first : g->head_dim;
        for (size_t at = first; w && at < end; at += dim)
            rmsnorm_forward(p->c, a->qkv + at, a->qkv + at, ld, w, g->norm_plus, p->tokens, dim, g->norm_eps);
    }
}

/* d [T, QKV] in place; p->wide is scratch. */
static void qk_norm_backward(struct backprop *p, const struct layer *l, const struct layer_acts *a, float *d)
{
    const struct model_config *g = &p->m->config;
    size_t ld = model_qkv_width(g), first, end;
    const float *w;

    for (int part = 0; part < 2; part++) {
        qk_norm_columns(p, l, part == 0, &first, &end, &w);
        if (!w)
            continue;
        size_t dim = l->qk_norm_whole ? end - first : g->head_dim;
        for (size_t t = 0; t < p->tokens; t++)
            memset(p->wide + t * ld + first, 0, (end - first) * sizeof(float));
        for (size_t at = first; at < end; at += dim)
            rmsnorm_backward(p->c, p->wide + at, NULL, d + at, a->qk_raw + at, ld, w, g->norm_plus, p->tokens, dim, g->norm_eps);
        for (size_t t = 0; t < p->tokens; t++)
            memcpy(d + t * ld + first, p->wide + t * ld + first, (end - first) * sizeof(float));
    }
}

static struct attention_shape shape_of(const struct backprop *p, const struct layer *l, size_t tokens)
{
    const struct model_config *g = &p->m->config;

    return (struct attention_shape){ .tokens = tokens, .heads = g->heads, .kv_heads = g->kv_heads, .head_dim = g->head_dim,
                                     .window = l->slides ? g->window : 0, .scale = g->attn_scale, .softcap = g->attn_softcap };
}

static void attend(struct backprop *p, const struct layer *l, struct layer_acts *a)
{
    const struct model_config *g = &p->m->config;
    size_t q = model_q_width(g), kv = model_kv_width(g), ld = model_qkv_width(g), at = 0;

    for (size_t i = 0; i < p->n_rows; at += p->rows[i++].n) {
        struct attention_shape s = shape_of(p, l, p->rows[i].n);
        float *row = a->qkv + at * ld;
        attention_forward(p->c, &s, a->att + at * q, q, row, ld, row + q, row + q + kv, ld);
    }
}

static void attend_backward(struct backprop *p, const struct layer *l, const struct layer_acts *a, float *dqkv, const float *datt)
{
    const struct model_config *g = &p->m->config;
    size_t q = model_q_width(g), kv = model_kv_width(g), ld = model_qkv_width(g), at = 0;

    memset(dqkv, 0, p->tokens * ld * sizeof(float));
    for (size_t i = 0; i < p->n_rows; at += p->rows[i++].n) {
        struct attention_shape s = shape_of(p, l, p->rows[i].n);
        const float *row = a->qkv + at * ld;
        float *d = dqkv + at * ld;
        attention_backward(p->c, &s, d, ld, d + q, d + q + kv, ld, datt + at * q, q, row, ld, row + q, row + q + kv, ld);
    }
}

/* out = x + [norm] raw */
static void add_block(struct backprop *p, float *out, const float *x, float *raw, const float *norm_out, float *scratch)
{
    size_t n = p->tokens * p->m->config.hidden;

    if (norm_out) {
        norm_forward(p, scratch, raw, norm_out);
        raw = scratch;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = x[i] + raw[i];
}

void layer_forward(struct backprop *p, size_t i, struct layer_acts *a)
{
    const struct model_config *g = &p->m->config;
    const struct layer *l = &p->m->layers[i];
    const float *x = p->inputs[i];

    norm_forward(p, p->norm, x, l->norm_attn.w);
    for (size_t k = 0; k < l->n_attn_in; k++)
        adapted_forward(p, l->attn_in[k], a->qkv, model_qkv_width(g), p->norm, a->xa[SLOT_ATTN_IN + k]);
    if (a->qk_raw)
        qk_norm_forward(p, l, a);
    rotate(p, l, a->qkv, false);
    attend(p, l, a);
    float *raw = a->attn_raw ? a->attn_raw : p->norm;
    adapted_forward(p, l->attn_out, raw, g->hidden, a->att, a->xa[SLOT_ATTN_OUT]);
    add_block(p, a->mid, x, raw, l->norm_attn_out.w, p->norm);

    norm_forward(p, p->norm, a->mid, l->norm_mlp.w);
    for (size_t k = 0; k < l->mlp.n_in; k++)
        adapted_forward(p, l->mlp.in[k], a->gate_up, 2 * g->inter, p->norm, a->xa[SLOT_MLP_IN + k]);
    glu_forward(p->c, p->act, a->gate_up, p->tokens, g->inter, g->act);
    raw = a->mlp_raw ? a->mlp_raw : p->norm;
    adapted_forward(p, l->mlp.out, raw, g->hidden, p->act, a->xa[SLOT_MLP_OUT]);
    add_block(p, p->inputs[i + 1], a->mid, raw, l->norm_mlp_out.w, p->norm);
}

/* The gradient at a block's raw result: dx itself, or through norm_attn_out / norm_mlp_out into p->dmid. */
static const float *block_gradient(struct backprop *p, const float *raw, const float *norm_out)
{
    if (!norm_out)
        return p->dx;
    memset(p->dmid, 0, p->tokens * p->m->config.hidden * sizeof(float));
    norm_backward(p, p->dmid, p->dx, raw, norm_out);
    return p->dmid;
}

static void mlp_backward(struct backprop *p, const struct layer *l, struct layer_acts *a)
{
    const struct model_config *g = &p->m->config;
    const float *d = block_gradient(p, a->mlp_raw, l->norm_mlp_out.w);

    glu_forward(p->c, p->act, a->gate_up, p->tokens, g->inter, g->act);
    adapted_backward(p, l->mlp.out, p->dact, d, g->hidden, p->act, a->xa[SLOT_MLP_OUT], false);
    glu_backward(p->c, p->dwide, p->dact, a->gate_up, p->tokens, g->inter, g->act);
    norm_forward(p, p->norm, a->mid, l->norm_mlp.w);
    for (size_t k = 0; k < l->mlp.n_in; k++)
        adapted_backward(p, l->mlp.in[k], p->dnorm, p->dwide, 2 * g->inter, p->norm, a->xa[SLOT_MLP_IN + k], k > 0);
    norm_backward(p, p->dx, p->dnorm, a->mid, l->norm_mlp.w);
}

static void attention_block_backward(struct backprop *p, const struct layer *l, const float *x, struct layer_acts *a, bool lowest)
{
    const struct model_config *g = &p->m->config;
    const float *d = block_gradient(p, a->attn_raw, l->norm_attn_out.w);

    adapted_backward(p, l->attn_out, p->dact, d, g->hidden, a->att, a->xa[SLOT_ATTN_OUT], false);
    attend_backward(p, l, a, p->dwide, p->dact);
    rotate(p, l, p->dwide, true);
    if (a->qk_raw)
        qk_norm_backward(p, l, a, p->dwide);
    norm_forward(p, p->norm, x, l->norm_attn.w);
    for (size_t k = 0; k < l->n_attn_in; k++)
        adapted_backward(p, l->attn_in[k], lowest ? NULL : p->dnorm, p->dwide, model_qkv_width(g), p->norm, a->xa[SLOT_ATTN_IN + k], k > 0);
    if (!lowest)
        norm_backward(p, p->dx, p->dnorm, x, l->norm_attn.w);
}

void layer_backward(struct backprop *p, size_t i, struct layer_acts *a)
{
    const struct layer *l = &p->m->layers[i];

    mlp_backward(p, l, a);
    attention_block_backward(p, l, p->inputs[i], a, i == p->first_trained);
}
