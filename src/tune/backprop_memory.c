/*
 * What a pass keeps, and where: activations of every layer or of one, and the buffers all layers share, in one block. With halves the
 * wide ones of every layer are kept rounded to bf16, and stand as f32 in one place that the layers take turns in; where layers are
 * computed again, so may their queries, keys and values alone: the dearest part for its size.
 */
#include "tune/backprop_priv.h"

#include "base/mem.h"
#include "tensor/vec.h"

#define ACTS_LIMIT      ((size_t)1 << 30)       /* bytes of activations before "auto" keeps halves, of those before it recomputes (twice), and of what it keeps then */
#define TOKENS_WANTED   2048                    /* a pass of more gains nothing in speed */
#define NARROW_GRAIN    (1u << 14)

/* Hands out pieces of one block; with no block it only counts. */
struct carver { float *at; size_t n; };

static float *carve(struct carver *c, size_t a, size_t b)
{
    size_t n = (a * b + 15) & ~(size_t)15;      /* keeps pieces on cache lines */
    float *p = c->at ? c->at + c->n : NULL;

    c->n += n;
    return p;
}

/* What the activations of a layer have to hold; of all layers together when they share one place. */
struct needs {
    bool qk_raw, attn_raw, mlp_raw;
    size_t xa[4], mlp_xa[3], router_xa;         /* ranks */
};

static void need_rank(const struct backprop *p, const struct linear *l, size_t *rank)
{
    const struct lora_param *q = l ? p->loras->of_linear[l->index] : NULL;

    *rank = max_size(*rank, q ? q->r : 0);
}

static void need_mlp(const struct backprop *p, const struct mlp *m, struct needs *n)
{
    for (size_t k = 0; k < m->n_in; k++)
        need_rank(p, m->in[k], &n->mlp_xa[k]);
    need_rank(p, m->out, &n->mlp_xa[2]);
}

static void need_layer(const struct backprop *p, const struct layer *l, struct needs *n)
{
    n->qk_raw |= l->q_norm.w || l->k_norm.w;
    n->attn_raw |= l->norm_attn_out.w != NULL;
    n->mlp_raw |= l->norm_mlp_out.w != NULL;
    for (size_t k = 0; k < l->n_attn_in; k++)
        need_rank(p, l->attn_in[k], &n->xa[k]);
    need_rank(p, l->attn_out, &n->xa[XA_OUT]);
    need_rank(p, l->router, &n->router_xa);
    if (!l->router)
        need_mlp(p, &l->mlp, n);
    for (size_t e = 0; l->router && e < p->m->config.experts; e++)
        need_mlp(p, &l->experts[e], n);
}

static float *carve_if(struct carver *c, size_t a, size_t b)
{
    return a && b ? carve(c, a, b) : NULL;
}

static void carve_routes(const struct backprop *p, struct carver *c, const struct needs *n, size_t t, struct routes *r)
{
    const struct model_config *g = &p->m->config;

    *r = (struct routes){ .share = carve(c, t, g->experts), .first = (uint32_t *)(void *)carve(c, 1, g->experts + 1),
                          .token = (uint32_t *)(void *)carve(c, t, g->experts_used), .out = carve(c, t * g->experts_used, g->hidden),
                          .xa = carve_if(c, t, n->router_xa), .likely = carve_if(c, t, p->o.balance > 0 ? g->experts : 0) };
}

/* What is wide: nearly all of a layer's activations. */
static void carve_wide(const struct backprop *p, struct carver *c, size_t t, struct layer_acts *a)
{
    const struct model_config *g = &p->m->config;

    a->qkv = carve(c, t, model_qkv_width(g));
    a->att = carve(c, t, model_q_width(g));
    a->mlp.in = carve(c, mlp_rows(g, t), mlp_width(g));
}

static uint16_t *carve_halves(struct carver *c, size_t a, size_t b)
{
    return (uint16_t *)(void *)carve(c, a, (b + 1) / 2);
}

static void carve_kept(const struct backprop *p, struct carver *c, size_t t, struct layer_acts *a)
{
    const struct model_config *g = &p->m->config;

    a->kept = (struct halves){ .qkv = carve_halves(c, t, model_qkv_width(g)), .att = carve_halves(c, t, model_q_width(g)),
                               .in = carve_halves(c, mlp_rows(g, t), mlp_width(g)) };
}

static void carve_narrow(const struct backprop *p, struct carver *c, const struct needs *n, size_t t, struct layer_acts *a)
{
    const struct model_config *g = &p->m->config;

    if (!g->parallel)
        a->mid = carve(c, t, g->hidden);
    if (n->qk_raw)
        a->qk_raw = carve(c, t, model_qkv_width(g));
    if (n->attn_raw)
        a->attn_raw = carve(c, t, g->hidden);
    if (n->mlp_raw)
        a->mlp_raw = carve(c, t, g->hidden);
    for (size_t k = 0; k < ARRAY_LEN(n->xa); k++)
        a->xa[k] = carve_if(c, t, n->xa[k]);
    for (size_t k = 0; k < ARRAY_LEN(n->mlp_xa); k++)
        a->mlp.xa[k] = carve_if(c, mlp_rows(g, t), g->experts && n->mlp_xa[k] ? p->loras->max_rank : n->mlp_xa[k]);
    if (g->experts)
        carve_routes(p, c, n, t, &a->routes);
}

/* Of every layer its own. */
static void carve_layers(const struct backprop *p, struct carver *c, size_t t)
{
    struct layer_acts shared = { 0 };

    if (p->halves)
        carve_wide(p, c, t, &shared);
    for (size_t i = 0; i < p->m->config.layers; i++) {
        struct needs one = { 0 };

        need_layer(p, &p->m->layers[i], &one);
        p->acts[i] = shared;
        if (p->halves)
            carve_kept(p, c, t, &p->acts[i]);
        else
            carve_wide(p, c, t, &p->acts[i]);
        carve_narrow(p, c, &one, t, &p->acts[i]);
    }
}

static struct needs needs_of_all(const struct backprop *p)
{
    struct needs all = { 0 };

    for (size_t i = 0; i < p->m->config.layers; i++)
        need_layer(p, &p->m->layers[i], &all);
    return all;
}

/* One place in acts[0] that the layers take turns in, and what each keeps. */
static void carve_shared(const struct backprop *p, struct carver *c, size_t t)
{
    struct needs all = needs_of_all(p);

    for (size_t i = 0; i < p->m->config.layers; i++)
        p->acts[i] = (struct layer_acts){ .kept.qkv = p->qkv_halves ? carve_halves(c, t, model_qkv_width(&p->m->config)) : NULL };
    carve_wide(p, c, t, &p->acts[0]);
    carve_narrow(p, c, &all, t, &p->acts[0]);
}

/* Results of all DoRA linears side by side; notes where each begins. */
static size_t dora_outs(const struct backprop *p)
{
    size_t n = 0;

    for (size_t i = 0; i < p->loras->n; i++)
        if (p->loras->params[i].dora) {
            p->dora_at[p->loras->params[i].linear->index] = n;
            n += p->loras->params[i].linear->w.out;
        }
    return n;
}

/* The widest thing that a layer multiplies. */
static size_t widest(const struct model_config *g)
{
    return max_size(g->hidden, max_size(mlp_width(g), model_qkv_width(g)));
}

static void carve_ropes(struct backprop *p, struct carver *c, size_t t)
{
    struct rope_table *const tables[] = { &p->rope, &p->rope_local };
    size_t pairs = p->m->config.rotary / 2;

    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        tables[i]->cos = carve(c, t, pairs);
        tables[i]->sin = carve(c, t, pairs);
    }
}

/* What one layer at a time needs on its way forward and back. */
static void carve_work(struct backprop *p, struct carver *c, size_t t)
{
    const struct model_config *g = &p->m->config;
    size_t wide = widest(g);

    p->norm = carve(c, t, g->hidden);
    p->dnorm = carve(c, t, g->hidden);
    p->wide = carve(c, t, wide);
    p->dwide = carve(c, t, wide);
    p->act = carve(c, t, g->inter);
    p->dact = carve(c, t, max_size(g->inter, model_q_width(g)));
    p->dx = carve(c, t, g->hidden);
    p->dmid = carve(c, t, g->hidden);
}

static void carve_dropouts(struct backprop *p, struct carver *c, size_t t)
{
    const struct model_config *g = &p->m->config;
    size_t in = max_size(g->hidden, max_size(g->inter, model_q_width(g)));

    if (p->o.dropout > 0) {
        p->dropped = carve(c, t, in);
        p->ddropped = carve(c, t, in);
    }
    if (p->o.base.attn_block > 0 || p->o.base.mlp_block > 0)
        p->masked = carve(c, t, g->hidden);
}

static void carve_experts(struct backprop *p, struct carver *c, size_t t)
{
    const struct model_config *g = &p->m->config;

    p->expert_in = carve(c, t, g->hidden);
    p->expert_d = carve(c, t, g->hidden);
    p->expert_din = carve(c, t, g->hidden);
    p->dshare = carve(c, t, g->experts);
    p->choice = carve(c, 1, g->experts);
}

static void carve_dora(struct backprop *p, struct carver *c, size_t t)
{
    const struct model_config *g = &p->m->config;
    size_t n = max_size(t * widest(g), p->lora_head ? HEAD_ROWS * g->vocab : 0);

    p->gain = carve(c, 1, dora_outs(p));
    p->lengths = carve(c, 1, dora_outs(p));
    p->scaled = carve(c, 1, n);
    p->plain = carve(c, 1, n);
}

/* All buffers for t tokens. Called twice: to count, then to place. */
static void carve_all(struct backprop *p, struct carver *c, size_t t)
{
    const struct model_config *g = &p->m->config;

    for (size_t i = 0; i <= g->layers; i++)
        p->inputs[i] = carve(c, t, g->hidden);
    (p->checkpointing ? carve_shared : carve_layers)(p, c, t);
    carve_ropes(p, c, t);
    carve_work(p, c, t);
    carve_dropouts(p, c, t);
    if (p->head_rounds)
        p->rounded = carve(c, HEAD_ROWS, g->hidden);
    if (g->experts)
        carve_experts(p, c, t);
    if (p->loras->any_dora)
        carve_dora(p, c, t);
    p->embed_xa = carve_if(c, t, p->lora_embed ? p->lora_embed->r : 0);
    p->head_xa = carve_if(c, HEAD_ROWS, p->lora_head ? p->lora_head->r : 0);
    p->dxa = carve(c, max_size(t, HEAD_ROWS), p->loras->max_rank);
    p->logits = carve(c, HEAD_ROWS, g->vocab);
    p->frequencies = carve(c, 1, g->rotary);
}

static size_t floats_for(struct backprop *p, size_t t)
{
    struct carver count = { 0 };

    carve_all(p, &count, t);
    return count.n;
}

/* Whether a pass of t tokens that keeps as the flags say takes at most so many bytes. */
static bool fits(struct backprop *p, size_t t, size_t limit)
{
    return floats_for(p, t) * sizeof(float) <= limit;
}

/* Everything when the longest row fits the limit so; else halves, whose products are of bf16 anyway; else layers are computed again. */
static void choose_kept(struct backprop *p, size_t row)
{
    size_t limit = p->o.acts_limit ? p->o.acts_limit : ACTS_LIMIT;
    bool may_recompute = p->o.checkpointing_allowed && p->o.memory != TUNE_MEMORY_FAST, recomputes = may_recompute && p->o.memory == TUNE_MEMORY_LOW;

    p->checkpointing = p->halves = p->qkv_halves = false;
    if (!recomputes && (p->o.memory == TUNE_MEMORY_FAST || fits(p, row, limit)))
        return;
    p->halves = !recomputes && p->product_math == GEMM_BF16;
    if (p->halves && (!may_recompute || fits(p, row, 2 * limit)))
        return;
    p->halves = false;
    p->checkpointing = may_recompute;
    p->qkv_halves = p->checkpointing && p->product_math == GEMM_BF16 && !needs_of_all(p).qk_raw;
    p->qkv_halves = p->qkv_halves && fits(p, row, limit);
}

static size_t choose_tokens(struct backprop *p, size_t row)
{
    for (size_t t = TOKENS_WANTED; t > row; t /= 2)
        if (p->o.memory != TUNE_MEMORY_LOW && fits(p, t, p->o.acts_limit ? p->o.acts_limit : ACTS_LIMIT))
            return t;
    return row;
}

errc backprop_place(struct backprop *p, struct err *e)
{
    size_t row = max_size(p->o.longest_row, 1);

    choose_kept(p, row);
    p->max_tokens = choose_tokens(p, row);
    size_t n = floats_for(p, p->max_tokens);
    p->memory = mem_try_alloc(n, sizeof(float));
    if (!p->memory)
        return err_set(e, ERR_TOO_LARGE, "activations of %zu tokens (%zu MiB) do not fit in memory; lower TrainingArguments.max_length%s",
                       p->max_tokens, n * sizeof(float) >> 20, p->checkpointing ? "" : " or set gradient_checkpointing: true");
    p->bytes += n * sizeof(float);
    struct carver place = { .at = p->memory };
    carve_all(p, &place, p->max_tokens);
    p->targets = xcalloc(p->max_tokens, sizeof *p->targets);
    p->positions = xcalloc(p->max_tokens, sizeof *p->positions);
    p->numbers = xcalloc(p->max_tokens, sizeof *p->numbers);
    p->rows = xcalloc(p->max_tokens, sizeof *p->rows);
    p->used = xcalloc(p->m->config.experts + 1, sizeof *p->used);
    p->likely = xcalloc(p->m->config.experts + 1, sizeof *p->likely);
    return ERR_OK;
}

/* --- halves ------------------------------------------------------------------------------------------------------------------ */

struct narrowing { const struct vec_ops *vec; uint16_t *half; float *x; };

static void narrow_part(void *arg, size_t begin, size_t end)
{
    const struct narrowing *j = arg;

    for (size_t i = begin; i < end; i++)
        j->half[i] = f32_to_bf16(j->x[i]);
}

static void widen_part(void *arg, size_t begin, size_t end)
{
    const struct narrowing *j = arg;

    j->vec->from_bf16(j->x + begin, j->half + begin, end - begin);
}

static void move_halves(struct backprop *p, const struct layer_acts *a, const struct halves *kept, void (*part)(void *arg, size_t begin, size_t end))
{
    const struct model_config *g = &p->m->config;
    struct narrowing all[] = { { .half = kept->qkv, .x = a->qkv }, { .half = kept->att, .x = a->att }, { .half = kept->in, .x = a->mlp.in } };
    size_t n[] = { p->tokens * model_qkv_width(g), p->tokens * model_q_width(g), mlp_rows(g, p->tokens) * mlp_width(g) };

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        all[i].vec = compute_vec(p->c);
        if (all[i].half)
            compute_parallel(p->c, n[i], NARROW_GRAIN, part, &all[i]);
    }
}

void keep_halves(struct backprop *p, const struct layer_acts *a, const struct halves *kept)
{
    move_halves(p, a, kept, narrow_part);
}

void take_halves(struct backprop *p, const struct layer_acts *a, const struct halves *kept)
{
    move_halves(p, a, kept, widen_part);
}
