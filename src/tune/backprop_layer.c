/*
 * One decoder layer, forward and back:
 *   mid = x + [norm_out] Attention([norm_attn] x),   next = mid + [norm_out] MLP([norm_mlp] mid)
 * or, with both side by side,
 *   next = x + Attention(norm_attn x) + MLP(norm_mlp x), where norm_mlp may be norm_attn.
 * Forward writes p->norm, p->act and the acts; backward may recompute from them, so it never relies on what forward left in p.
 */
#include "tune/backprop_priv.h"

#define SUM_GRAIN (1u << 14)            /* numbers below which another thread does not pay */

static void copy_columns(float *y, const float *x, size_t ld, size_t rows, size_t dim)
{
    for (size_t r = 0; y != x && r < rows; r++)
        memcpy(y + r * ld, x + r * ld, dim * sizeof *y);
}

/* The set's values where they are trained. */
static struct norm norm_now(const struct backprop *p, const struct norm *n)
{
    const struct own_param *w = lora_set_own(p->loras, n, false), *b = lora_set_own(p->loras, n, true);

    return (struct norm){ .w = w ? p->loras->w + w->at : n->w, .b = b ? p->loras->w + b->at : n->b };
}

static bool norm_learns(const struct backprop *p, const struct norm *n)
{
    return n->w && (lora_set_own(p->loras, n, false) || lora_set_own(p->loras, n, true));
}

void norm_forward(struct backprop *p, const struct norm *n, float *y, const float *x, size_t ld, size_t rows, size_t dim)
{
    struct norm now = norm_now(p, n);

    if (n->w)
        model_norm(p->c, p->m, &now, y, x, ld, rows, dim);
    else
        copy_columns(y, x, ld, rows, dim);
}

void norm_backward(struct backprop *p, const struct norm *n, float *dx, const float *dy, const float *x, size_t ld, size_t rows, size_t dim)
{
    const struct model_config *g = &p->m->config;
    const struct own_param *w = lora_set_own(p->loras, n, false), *b = lora_set_own(p->loras, n, true);
    float *dw = w ? p->loras->g + w->at : NULL, *db = b ? p->loras->g + b->at : NULL;
    struct norm now = norm_now(p, n);

    if (!n->w)
        axpy(p->c, dx, dy, 1, rows * dim);
    else if (g->layernorm)
        layernorm_backward(p->c, dx, dw, db, dy, x, ld, now.w, rows, dim, g->norm_eps);
    else
        rmsnorm_backward(p->c, dx, dw, dy, x, ld, now.w, g->norm_plus, rows, dim, g->norm_eps);
}

/* The same for whole residual rows. */
static void norm_rows(struct backprop *p, const struct norm *n, float *y, const float *x)
{
    norm_forward(p, n, y, x, p->m->config.hidden, p->tokens, p->m->config.hidden);
}

static void norm_rows_backward(struct backprop *p, const struct norm *n, float *dx, const float *dy, const float *x)
{
    norm_backward(p, n, dx, dy, x, p->m->config.hidden, p->tokens, p->m->config.hidden);
}

static size_t residual_floats(const struct backprop *p)
{
    return p->tokens * p->m->config.hidden;
}

/* --- attention, then the MLP ------------------------------------------------------------------------------------------------- */

struct sum { float *out; const float *x, *y; };

static void sum_part(void *arg, size_t begin, size_t end)
{
    struct sum s = *(const struct sum *)arg;

    for (size_t i = begin; i < end; i++)
        s.out[i] = s.x[i] + s.y[i];
}

/* out = x + [norm] raw; scratch may be raw when there is no norm. */
static void add_block(struct backprop *p, float *out, const float *x, const float *raw, const struct norm *norm_out, float *scratch)
{
    if (norm_out->w) {
        norm_rows(p, norm_out, scratch, raw);
        raw = scratch;
    }
    compute_parallel(p->c, residual_floats(p), SUM_GRAIN, sum_part, &(struct sum){ out, x, raw });
}

static void sequential_forward(struct backprop *p, const struct layer *l, struct layer_acts *a, float *next, const float *x)
{
    float *raw = a->attn_raw ? a->attn_raw : p->norm;

    norm_rows(p, &l->norm_attn, p->norm, x);
    attention_block_forward(p, l, a, raw, p->norm);
    block_drop(p, l, BLOCK_ATTENTION, raw, raw);
    add_block(p, a->mid, x, raw, &l->norm_attn_out, p->norm);
    raw = a->mlp_raw ? a->mlp_raw : p->again ? NULL : p->norm;
    norm_rows(p, &l->norm_mlp, p->norm, a->mid);
    router_jitter(p, l, p->norm);
    mlp_block_forward(p, l, a, raw, p->norm);
    block_drop(p, l, BLOCK_MLP, raw, raw);
    if (!p->again)
        add_block(p, next, a->mid, raw, &l->norm_mlp_out, p->norm);
}

/* p->dx, or what the block's mask leaves of it. */
static const float *masked_gradient(struct backprop *p, const struct layer *l, enum block which)
{
    block_drop(p, l, which, p->masked, p->dx);
    return block_rate(p, which) > 0 ? p->masked : p->dx;
}

/* The gradient at a block's raw result: dx itself, behind its mask, or through norm_attn_out / norm_mlp_out into p->dmid. */
static const float *block_gradient(struct backprop *p, const struct layer *l, enum block which, const float *raw, const struct norm *norm_out)
{
    if (!norm_out->w)
        return masked_gradient(p, l, which);
    memset(p->dmid, 0, residual_floats(p) * sizeof(float));
    norm_rows_backward(p, norm_out, p->dmid, p->dx, raw);
    return p->dmid;
}

static void sequential_backward(struct backprop *p, const struct layer *l, struct layer_acts *a, const float *x, bool lowest)
{
    const float *d = block_gradient(p, l, BLOCK_MLP, a->mlp_raw, &l->norm_mlp_out);

    norm_rows(p, &l->norm_mlp, p->norm, a->mid);
    router_jitter(p, l, p->norm);
    mlp_block_backward(p, l, a, p->dnorm, false, d, p->norm);
    router_jitter(p, l, p->dnorm);
    norm_rows_backward(p, &l->norm_mlp, p->dx, p->dnorm, a->mid);
    d = block_gradient(p, l, BLOCK_ATTENTION, a->attn_raw, &l->norm_attn_out);
    norm_rows(p, &l->norm_attn, p->norm, x);
    bool wanted = !lowest || norm_learns(p, &l->norm_attn);
    attention_block_backward(p, l, a, wanted ? p->dnorm : NULL, false, d, p->norm);
    if (wanted)
        norm_rows_backward(p, &l->norm_attn, lowest ? NULL : p->dx, p->dnorm, x);
}

/* --- side by side --------------------------------------------------------------------------------------------------------------- */

/* p->norm becomes what the MLP reads; it holds norm_attn x already. */
static void norm_for_mlp(struct backprop *p, const struct layer *l, const float *x)
{
    if (l->norm_mlp.w)
        norm_rows(p, &l->norm_mlp, p->norm, x);
}

static void parallel_forward(struct backprop *p, const struct layer *l, struct layer_acts *a, float *next, const float *x)
{
    float *attn = p->again ? NULL : p->dmid, *mlp = p->again ? NULL : p->norm;
    size_t n = residual_floats(p);

    norm_rows(p, &l->norm_attn, p->norm, x);
    attention_block_forward(p, l, a, attn, p->norm);
    block_drop(p, l, BLOCK_ATTENTION, attn, attn);
    norm_for_mlp(p, l, x);
    mlp_block_forward(p, l, a, mlp, p->norm);
    block_drop(p, l, BLOCK_MLP, mlp, mlp);
    for (size_t i = 0; !p->again && i < n; i++)
        next[i] = x[i] + attn[i] + mlp[i];
}

/* Both blocks see p->dx behind their masks; what goes below gathers in p->dmid first. */
static void parallel_backward(struct backprop *p, const struct layer *l, struct layer_acts *a, const float *x, bool lowest)
{
    bool two = l->norm_mlp.w != NULL;
    bool wanted = !lowest || norm_learns(p, &l->norm_attn) || norm_learns(p, &l->norm_mlp);
    float *din = wanted ? p->dnorm : NULL;

    memset(p->dmid, 0, residual_floats(p) * sizeof(float));
    norm_rows(p, &l->norm_attn, p->norm, x);
    attention_block_backward(p, l, a, din, false, masked_gradient(p, l, BLOCK_ATTENTION), p->norm);
    if (two && wanted)
        norm_rows_backward(p, &l->norm_attn, p->dmid, p->dnorm, x);
    norm_for_mlp(p, l, x);
    mlp_block_backward(p, l, a, din, !two, masked_gradient(p, l, BLOCK_MLP), p->norm);
    if (!wanted)
        return;
    norm_rows_backward(p, two ? &l->norm_mlp : &l->norm_attn, p->dmid, p->dnorm, x);
    axpy(p->c, p->dx, p->dmid, 1, residual_floats(p));
}

void layer_forward(struct backprop *p, size_t i, struct layer_acts *a)
{
    (p->m->config.parallel ? parallel_forward : sequential_forward)(p, &p->m->layers[i], a, p->inputs[i + 1], p->inputs[i]);
}

void layer_backward(struct backprop *p, size_t i, struct layer_acts *a)
{
    bool lowest = i == p->first_trained && !p->own_embed && !p->lora_embed;

    (p->m->config.parallel ? parallel_backward : sequential_backward)(p, &p->m->layers[i], a, p->inputs[i], lowest);
}
