/* The feed-forward block, forward and back: gated, plain, or a choice of experts (backprop_experts.c). */
#include "tune/backprop_priv.h"

/* p->act = the unit's result from what its first linears left. */
static void activate(struct backprop *p, const struct mlp_acts *a, size_t rows)
{
    const struct model_config *g = &p->m->config;

    if (g->gated) {
        glu_forward(p->c, p->act, a->in, rows, g->inter, g->act);
        return;
    }
    memcpy(p->act, a->in, rows * g->inter * sizeof(float));
    act_forward(p->c, p->act, rows * g->inter, g->act);
}

void mlp_forward(struct backprop *p, const struct mlp *m, struct mlp_acts *a, float *out, const float *in, struct rows rows)
{
    const struct model_config *g = &p->m->config;

    for (size_t k = 0; k < m->n_in; k++)
        adapted_forward(p, m->in[k], a->in, mlp_width(g), in, a->xa[k], rows);
    activate(p, a, rows.n);
    adapted_forward(p, m->out, out, g->hidden, p->act, a->xa[2], rows);
}

void mlp_backward(struct backprop *p, const struct mlp *m, struct mlp_acts *a, float *din, bool adds, const float *d, const float *in,
                  struct rows rows)
{
    const struct model_config *g = &p->m->config;

    activate(p, a, rows.n);
    adapted_backward(p, m->out, p->dact, d, g->hidden, p->act, a->xa[2], false, rows);
    if (g->gated)
        glu_backward(p->c, p->dwide, p->dact, a->in, rows.n, g->inter, g->act);
    else
        act_backward(p->c, p->dwide, p->dact, a->in, rows.n * g->inter, g->act);
    for (size_t k = 0; k < m->n_in; k++)
        adapted_backward(p, m->in[k], din, p->dwide, mlp_width(g), in, a->xa[k], adds || k > 0, rows);
}

void mlp_block_forward(struct backprop *p, const struct layer *l, struct layer_acts *a, float *out, const float *in)
{
    if (l->router)
        experts_forward(p, l, a, out, in);
    else
        mlp_forward(p, &l->mlp, &a->mlp, out, in, all_rows(p));
}

void mlp_block_backward(struct backprop *p, const struct layer *l, struct layer_acts *a, float *din, bool adds, const float *d, const float *in)
{
    if (l->router)
        experts_backward(p, l, a, din, adds, d, in);
    else
        mlp_backward(p, &l->mlp, &a->mlp, din, adds, d, in, all_rows(p));
}
