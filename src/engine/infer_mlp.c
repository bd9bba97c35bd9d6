/* The feed-forward block: gated, plain, or a choice of experts for each token. */
#include <stdlib.h>

#include "base/mem.h"
#include "engine/infer.h"
#include "engine/kernels.h"
#include "tensor/vec.h"

/* ── one MLP ── */

static void gated(const struct run *u, const struct mlp *m, const float *in)
{
    infer_apply(u, m->in, m->n_in, u->p->gate_up, 2 * u->c->inter, in, u->c->hidden);
    glu_forward(u->g->compute, u->p->mid, u->p->gate_up, u->n, u->c->inter, u->c->act);
}

static void plain(const struct run *u, const struct mlp *m, const float *in)
{
    infer_apply(u, m->in, m->n_in, u->p->mid, u->c->inter, in, u->c->hidden);
    act_forward(u->g->compute, u->p->mid, u->n * u->c->inter, u->c->act);
}

static void dense(const struct run *u, const struct mlp *m, float *out, const float *in)
{
    if (u->c->gated)
        gated(u, m, in);
    else
        plain(u, m, in);
    infer_apply(u, &m->out, 1, out, u->c->hidden, u->p->mid, u->c->inter);
}

/* ── experts ── */

struct experts {
    float *scores;              /* [rows, E]: the router's, then each chosen expert's share; 0 where not chosen */
    float *in, *out;            /* [rows, D] of one expert */
    struct infer_row *rows;     /* [rows] which those are */
    size_t *from;               /* [rows] where they are in the pass */
    float *share;               /* [E] of one row */
};

struct experts *experts_new(const struct model_config *c, size_t max_rows)
{
    struct experts *x = xzalloc(sizeof *x);

    x->scores = mem_try_alloc(max_rows * c->experts, sizeof(float));
    x->in = mem_try_alloc(max_rows * c->hidden, sizeof(float));
    x->out = mem_try_alloc(max_rows * c->hidden, sizeof(float));
    x->rows = mem_try_alloc(max_rows, sizeof *x->rows);
    x->from = mem_try_alloc(max_rows, sizeof *x->from);
    x->share = mem_try_alloc(c->experts, sizeof(float));
    if (x->scores && x->in && x->out && x->rows && x->from && x->share)
        return x;
    experts_free(x);
    return NULL;
}

void experts_free(struct experts *x)
{
    if (!x)
        return;
    free(x->scores);
    free(x->in);
    free(x->out);
    free(x->rows);
    free(x->from);
    free(x->share);
    free(x);
}

/* The rows that chose this expert, side by side in x->in. */
static struct run gather(const struct run *u, struct experts *x, size_t expert, const float *in)
{
    struct run mine = *u;

    mine.rows = x->rows;
    mine.n = 0;
    for (size_t r = 0; r < u->n; r++)
        if (x->scores[r * u->c->experts + expert] != 0) {       /* what is not a number goes on, to be found in the logits */
            memcpy(x->in + mine.n * u->c->hidden, in + r * u->c->hidden, u->c->hidden * sizeof *in);
            x->rows[mine.n] = u->rows[r];
            x->from[mine.n++] = r;
        }
    return mine;
}

static void scatter(const struct run *mine, const struct experts *x, size_t expert, float *out)
{
    const struct model_config *c = mine->c;

    for (size_t i = 0; i < mine->n; i++)
        compute_vec(mine->g->compute)->axpy(out + x->from[i] * c->hidden, x->out + i * c->hidden,
                                            x->scores[x->from[i] * c->experts + expert], c->hidden);
}

/* Experts in order, so that a row's sum does not depend on its company. in is not out. */
static void routed(const struct run *u, const struct layer *y, float *out, const float *in)
{
    const struct model_config *c = u->c;
    struct experts *x = u->p->experts;

    infer_apply(u, &y->router, 1, x->scores, c->experts, in, c->hidden);
    for (size_t r = 0; r < u->n; r++)
        choose_experts(x->scores + r * c->experts, x->share, c->experts, c->experts_used);
    memset(out, 0, u->n * c->hidden * sizeof *out);
    for (size_t e = 0; e < c->experts; e++) {
        struct run mine = gather(u, x, e, in);

        if (mine.n == 0)
            continue;
        dense(&mine, &y->experts[e], x->out, x->in);
        scatter(&mine, x, e, out);
    }
}

void mlp_run(const struct run *u, const struct layer *y, float *out, const float *in)
{
    if (y->router)
        routed(u, y, out, in);
    else
        dense(u, &y->mlp, out, in);
}
