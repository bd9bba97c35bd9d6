/*
 * A choice of experts for each token, forward and back:  out_t = sum over chosen e of share_te expert_e(in_t), where the shares of a token are
 * the softmax of its highest router scores. The choice itself has no gradient; the shares do. Source: Jiang et al. 2024 (Mixtral).
 */
#include "tune/backprop_priv.h"

static void route(struct backprop *p, const struct layer *l, struct routes *r, const float *in)
{
    const struct model_config *g = &p->m->config;
    uint32_t n = 0;

    adapted_forward(p, l->router, r->share, g->experts, in, r->xa, all_rows(p));
    balance_likely(p, r);
    for (size_t t = 0; t < p->tokens; t++)
        choose_experts(r->share + t * g->experts, p->choice, g->experts, g->experts_used);
    for (size_t e = 0; e < g->experts; e++) {
        r->first[e] = n;
        for (uint32_t t = 0; t < p->tokens; t++)
            if (r->share[t * g->experts + e] != 0)
                r->token[n++] = t;
    }
    r->first[g->experts] = n;
    balance_count(p, r);
}

/* What expert e works on: its tokens, and its part of the activations of all entries. */
struct part { struct rows rows; struct mlp_acts acts; float *out; };

static struct part part_of(const struct backprop *p, const struct mlp *m, const struct layer_acts *a, size_t e)
{
    const struct model_config *g = &p->m->config;
    size_t first = a->routes.first[e];
    struct part x = { .rows = { .n = a->routes.first[e + 1] - first, .token = a->routes.token + first },
                      .acts.in = a->mlp.in + first * mlp_width(g), .out = a->routes.out + first * g->hidden };
    const struct linear *linears[] = { m->in[0], m->in[1], m->out };

    for (size_t k = 0; k < ARRAY_LEN(linears); k++) {
        const struct lora_param *q = linears[k] ? p->loras->of_linear[linears[k]->index] : NULL;
        x.acts.xa[k] = q ? a->mlp.xa[k] + first * p->loras->max_rank : NULL;
    }
    return x;
}

static void gather(float *to, const float *from, struct rows rows, size_t d)
{
    for (size_t i = 0; i < rows.n; i++)
        memcpy(to + i * d, from + rows.token[i] * d, d * sizeof *to);
}

static void add_scaled(float *restrict y, const float *restrict x, float a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

void experts_forward(struct backprop *p, const struct layer *l, struct layer_acts *a, float *out, const float *in)
{
    const struct model_config *g = &p->m->config;
    size_t d = g->hidden;

    route(p, l, &a->routes, in);
    float *sum = out == in || !out ? p->dnorm : out;
    memset(sum, 0, p->tokens * d * sizeof *sum);
    for (size_t e = 0; e < g->experts; e++) {
        struct part x = part_of(p, &l->experts[e], a, e);
        if (x.rows.n == 0)
            continue;
        gather(p->expert_in, in, x.rows, d);
        mlp_forward(p, &l->experts[e], &x.acts, x.out, p->expert_in, x.rows);
        for (size_t i = 0; i < x.rows.n; i++)
            add_scaled(sum + x.rows.token[i] * d, x.out + i * d, a->routes.share[x.rows.token[i] * g->experts + e], d);
    }
    if (out && sum != out)
        memcpy(out, sum, p->tokens * d * sizeof *sum);
}

static float dot(const float *a, const float *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return (float)sum;
}

/* From the gradient of the shares to that of the scores, in place: share * (dshare - sum share dshare). */
static void unchoose(float *d, const float *share, size_t n)
{
    float mean = dot(d, share, n);

    for (size_t i = 0; i < n; i++)
        d[i] = share[i] * (d[i] - mean);
}

/* One expert's rows of d into p->expert_d, times their shares; the gradient of those shares into p->dshare. */
static void share_backward(struct backprop *p, const struct routes *r, const struct part *x, const float *d, size_t e)
{
    const struct model_config *g = &p->m->config;

    for (size_t i = 0; i < x->rows.n; i++) {
        size_t t = x->rows.token[i], at = t * g->experts + e;
        p->dshare[at] = dot(d + t * g->hidden, x->out + i * g->hidden, g->hidden);
        for (size_t j = 0; j < g->hidden; j++)
            p->expert_d[i * g->hidden + j] = d[t * g->hidden + j] * r->share[at];
    }
}

void experts_backward(struct backprop *p, const struct layer *l, struct layer_acts *a, float *din, bool adds, const float *d, const float *in)
{
    const struct model_config *g = &p->m->config;
    size_t dim = g->hidden;

    memset(p->dshare, 0, p->tokens * g->experts * sizeof(float));
    if (din && !adds)
        memset(din, 0, p->tokens * dim * sizeof(float));
    for (size_t e = 0; e < g->experts; e++) {
        struct part x = part_of(p, &l->experts[e], a, e);
        if (x.rows.n == 0)
            continue;
        share_backward(p, &a->routes, &x, d, e);
        gather(p->expert_in, in, x.rows, dim);
        mlp_backward(p, &l->experts[e], &x.acts, din ? p->expert_din : NULL, false, p->expert_d, p->expert_in, x.rows);
        for (size_t i = 0; din && i < x.rows.n; i++)
            add_scaled(din + x.rows.token[i] * dim, p->expert_din + i * dim, 1, dim);
    }
    for (size_t t = 0; t < p->tokens; t++)
        unchoose(p->dshare + t * g->experts, a->routes.share + t * g->experts, g->experts);
    balance_backward(p, &a->routes, p->dshare);
    adapted_backward(p, l->router, din, p->dshare, g->experts, in, a->routes.xa, true, all_rows(p));
}
