/* Attention of one layer, forward and back: projections, norms of queries and keys, rotation, scores and sums, the output projection. */
#include "tune/backprop_priv.h"

static const struct rope_table *table_of(const struct backprop *p, const struct layer *l)
{
    return l->local_rope ? &p->rope_local : &p->rope;
}

static void rotate(struct backprop *p, const struct layer *l, float *qkv, bool back)
{
    const struct model_config *g = &p->m->config;
    const struct rope_table *t = table_of(p, l);
    turn_fn *turn = back ? rope_backward : rope_forward;

    if (g->alibi)
        return;
    turn(p->c, qkv, model_qkv_width(g), t->cos, t->sin, p->tokens, g->heads, g->head_dim, g->rotary);
    turn(p->c, qkv + model_q_width(g), model_qkv_width(g), t->cos, t->sin, p->tokens, g->kv_heads, g->head_dim, g->rotary);
}

/* The columns of [q | k | v] that q_norm or k_norm works on, and the width of one normalisation. */
struct normed_part { const struct norm *norm; size_t first, end, dim; };

static struct normed_part normed_part(const struct backprop *p, const struct layer *l, bool queries)
{
    const struct model_config *g = &p->m->config;
    size_t q = model_q_width(g), first = queries ? 0 : q, end = queries ? q : q + model_kv_width(g);

    return (struct normed_part){ .norm = queries ? &l->q_norm : &l->k_norm, .first = first, .end = end,
                                 .dim = l->qk_norm_whole ? end - first : g->head_dim };
}

static void qk_norm_forward(struct backprop *p, const struct layer *l, struct layer_acts *a)
{
    size_t ld = model_qkv_width(&p->m->config);

    memcpy(a->qk_raw, a->qkv, p->tokens * ld * sizeof(float));
    for (int keys = 0; keys < 2; keys++) {
        struct normed_part n = normed_part(p, l, !keys);
        for (size_t at = n.first; n.norm->w && at < n.end; at += n.dim)
            norm_forward(p, n.norm, a->qkv + at, a->qkv + at, ld, p->tokens, n.dim);
    }
}

/* d [T, QKV] in place; p->wide is scratch. */
static void qk_norm_backward(struct backprop *p, const struct layer *l, const struct layer_acts *a, float *d)
{
    size_t ld = model_qkv_width(&p->m->config);

    for (int keys = 0; keys < 2; keys++) {
        struct normed_part n = normed_part(p, l, !keys);
        if (!n.norm->w)
            continue;
        for (size_t t = 0; t < p->tokens; t++)
            memset(p->wide + t * ld + n.first, 0, (n.end - n.first) * sizeof(float));
        for (size_t at = n.first; at < n.end; at += n.dim)
            norm_backward(p, n.norm, p->wide + at, d + at, a->qk_raw + at, ld, p->tokens, n.dim);
        for (size_t t = 0; t < p->tokens; t++)
            memcpy(d + t * ld + n.first, p->wide + t * ld + n.first, (n.end - n.first) * sizeof(float));
    }
}

static struct attention_shape shape_of(const struct backprop *p, const struct layer *l, size_t tokens)
{
    const struct model_config *g = &p->m->config;

    return (struct attention_shape){ .tokens = tokens, .heads = g->heads, .kv_heads = g->kv_heads, .head_dim = g->head_dim,
                                     .window = l->slides ? g->window : 0, .scale = g->attn_scale, .softcap = g->attn_softcap,
                                     .slopes = g->alibi };
}

static void attend(struct backprop *p, const struct layer *l, struct layer_acts *a)
{
    const struct model_config *g = &p->m->config;
    size_t q = model_q_width(g), kv = model_kv_width(g), ld = model_qkv_width(g), at = 0;

    for (size_t i = 0; i < p->n_rows; at += p->rows[i++].n) {
        struct attention_shape s = shape_of(p, l, p->rows[i].n);
        struct probability_mask mask;
        probability_mask(p, l, at, &mask, &s);
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
        struct probability_mask mask;
        probability_mask(p, l, at, &mask, &s);
        const float *row = a->qkv + at * ld;
        float *d = dqkv + at * ld;
        attention_backward(p->c, &s, d, ld, d + q, d + q + kv, ld, datt + at * q, q, row, ld, row + q, row + q + kv, ld);
    }
}

/* to = what the linears of attention read of every token; NULL: their adapters' part of it alone. */
static void project(struct backprop *p, const struct layer *l, struct layer_acts *a, float *to, const float *in)
{
    for (size_t k = 0; k < l->n_attn_in; k++)
        adapted_forward(p, l->attn_in[k], to, model_qkv_width(&p->m->config), in, a->xa[k], all_rows(p));
}

/* a->qkv = [q | k | v] of every token after norms and rotation, whichever way the family stores the matrices. */
static void queries_keys_values(struct backprop *p, const struct layer *l, struct layer_acts *a, const float *in)
{
    const struct model_config *g = &p->m->config;

    project(p, l, a, g->qkv_grouped ? p->wide : a->qkv, in);
    if (g->qkv_grouped)
        qkv_ungroup(p->c, a->qkv, p->wide, model_qkv_width(g), p->tokens, g->heads, g->kv_heads, g->head_dim);
    if (a->qk_raw)
        qk_norm_forward(p, l, a);
    rotate(p, l, a->qkv, false);
}

void attention_block_forward(struct backprop *p, const struct layer *l, struct layer_acts *a, float *out, const float *in)
{
    if (p->again && p->qkv_halves)
        project(p, l, a, NULL, in);
    else
        queries_keys_values(p, l, a, in);
    attend(p, l, a);
    adapted_forward(p, l->attn_out, out, p->m->config.hidden, a->att, a->xa[XA_OUT], all_rows(p));
}

void attention_block_backward(struct backprop *p, const struct layer *l, struct layer_acts *a, float *din, bool adds, const float *d,
                              const float *in)
{
    const struct model_config *g = &p->m->config;
    size_t ld = model_qkv_width(g);
    float *dqkv = p->dwide;

    adapted_backward(p, l->attn_out, p->dact, d, g->hidden, a->att, a->xa[XA_OUT], false, all_rows(p));
    attend_backward(p, l, a, dqkv, p->dact);
    rotate(p, l, dqkv, true);
    if (a->qk_raw)
        qk_norm_backward(p, l, a, dqkv);
    if (g->qkv_grouped) {
        qkv_group(p->c, p->wide, dqkv, ld, p->tokens, g->heads, g->kv_heads, g->head_dim);
        dqkv = p->wide;
    }
    for (size_t k = 0; k < l->n_attn_in; k++)
        adapted_backward(p, l->attn_in[k], din, dqkv, ld, in, a->xa[k], adds || k > 0, all_rows(p));
}
