#include "tune/backprop_priv.h"

#include <math.h>

#include "base/mem.h"

#define EXPAND_LIMIT    ((size_t)512 << 20)     /* bytes of expanded weights kept when memory is "auto" */
#define ACTS_LIMIT      ((size_t)1 << 30)       /* bytes of activations before "auto" recomputes layers instead */
#define TOKENS_WANTED   2048                    /* a pass of more gains nothing in speed */

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* --- weights ------------------------------------------------------------------------------------------------------------- */

static enum dtype expanded_dtype(const struct backprop *p)
{
    return p->product_math == GEMM_BF16 ? DTYPE_BF16 : DTYPE_F32;
}

static bool worth_expanding(const struct backprop *p, const struct weight *w)
{
    return (p->o.int8 && w != &p->m->head) || w->kind != WEIGHT_DENSE || (p->product_math == GEMM_F32 && w->dtype != DTYPE_F32);
}

static errc expand(struct backprop *p, struct weight *w, struct err *e)
{
    enum dtype to = expanded_dtype(p);
    size_t n = w->out * w->in;
    void *data = mem_try_alloc(n, dtype_size(to));
    float *row = mem_try_alloc(w->in, sizeof(float));
    errc rc = data && row ? ERR_OK : err_set(e, ERR_TOO_LARGE, "expanded weights do not fit in memory; use --memory low");

    for (size_t i = 0; rc == ERR_OK && i < w->out; i++) {
        weight_rows_f32(w, row, i, 1);
        rc = dtype_from_f32((char *)data + i * w->in * dtype_size(to), to, row, w->in, e);
    }
    free(row);
    if (rc) {
        free(data);
        return rc;
    }
    *w = (struct weight){ .out = w->out, .in = w->in, .kind = WEIGHT_DENSE, .dtype = to, .data = data };
    p->owned[p->n_owned++] = data;
    p->bytes += n * dtype_size(to);
    return ERR_OK;
}

/* Bytes that expanding everything takes with the present product_math. */
static size_t expanded_bytes(const struct backprop *p)
{
    const struct model *m = p->m;
    size_t n = worth_expanding(p, &m->head) ? m->head.out * m->head.in : 0;

    for (size_t i = 0; i < m->n_linears; i++)
        if (worth_expanding(p, &m->linears[i].w))
            n += m->linears[i].w.out * m->linears[i].w.in;
    return n * dtype_size(expanded_dtype(p));
}

static bool may_expand(const struct backprop *p)
{
    return p->o.memory == TUNE_MEMORY_FAST || (p->o.memory == TUNE_MEMORY_AUTO && expanded_bytes(p) <= EXPAND_LIMIT);
}

static void choose_products(struct backprop *p)
{
    p->product_math = GEMM_F32;
    p->emulates_bf16 = p->o.math == GEMM_BF16 && !compute_bf16_is_fast(p->c) && may_expand(p);
    p->head_rounds = p->emulates_bf16 && p->m->head.kind == WEIGHT_DENSE && p->m->head.dtype != DTYPE_F32;
    if (!p->emulates_bf16)
        p->product_math = p->o.math;
    compute_set_math(p->c, p->product_math);
}

static bool is_router(const struct model *m, const struct linear *l)
{
    for (size_t i = 0; i < m->config.layers; i++)
        if (m->layers[i].router == l)
            return true;
    return false;
}

/* One linear in 8 bits: kept so and expanded for each product into one place, or expanded now for good. */
static errc take_int8(struct backprop *p, const struct linear *l, struct err *e)
{
    struct weight *w = &p->weights[l->index];
    struct int8_weight *q = &p->int8[l->index];
    enum dtype dtype = expanded_dtype(p);
    size_t bytes = w->out * w->in * dtype_size(dtype);
    void *dense = p->expanded;

    TRY(int8_from_weight(p->c, &l->w, q, e));
    if (may_expand(p)) {
        dense = mem_try_alloc(w->out * w->in, dtype_size(dtype));
        if (!dense)
            return err_set(e, ERR_TOO_LARGE, "expanded weights do not fit in memory; use --memory low");
        int8_expand(p->c, q, dtype, p->o.math == GEMM_BF16, dense);
        p->owned[p->n_owned++] = dense;
        int8_done(q);
    }
    p->bytes += may_expand(p) ? bytes : w->out * w->in;
    *w = (struct weight){ .out = w->out, .in = w->in, .kind = WEIGHT_DENSE, .dtype = dtype, .data = dense };
    return ERR_OK;
}

static errc prepare_int8(struct backprop *p, struct err *e)
{
    const struct model *m = p->m;
    size_t largest = 1;

    p->int8 = xcalloc(m->n_linears, sizeof *p->int8);
    for (size_t i = 0; i < m->n_linears; i++)
        largest = max_size(largest, m->linears[i].w.out * m->linears[i].w.in);
    p->expanded = mem_try_alloc(may_expand(p) ? 1 : largest, sizeof(float));
    if (!p->expanded)
        return err_set(e, ERR_TOO_LARGE, "one expanded matrix does not fit in memory");
    for (size_t i = 0; i < m->n_linears; i++)
        if (!is_router(m, &m->linears[i]))
            TRY(take_int8(p, &m->linears[i], e));
    return ERR_OK;
}

/* Matrices that are trained are those of the set. */
static void take_own_weights(struct backprop *p)
{
    const struct model *m = p->m;

    for (size_t i = 0; i < m->n_linears; i++) {
        const struct own_param *q = lora_set_own(p->loras, &m->linears[i], false);
        if (q)
            p->weights[i] = weight_f32(p->loras->w + q->at, q->rows, q->cols);
    }
    p->own_embed = lora_set_own(p->loras, &m->embed, false);
    p->own_head = lora_set_own(p->loras, &m->head, false);
    p->own_head_bias = lora_set_own(p->loras, &m->head, true);
    if (p->own_head)
        p->head = weight_f32(p->loras->w + p->own_head->at, p->own_head->rows, p->own_head->cols);
}

static errc prepare_weights(struct backprop *p, struct err *e)
{
    const struct model *m = p->m;

    choose_products(p);
    p->weights = xcalloc(m->n_linears, sizeof *p->weights);
    p->owned = xcalloc(m->n_linears + 1, sizeof *p->owned);
    p->head = m->head;
    for (size_t i = 0; i < m->n_linears; i++)
        p->weights[i] = m->linears[i].w;
    if (p->o.int8)
        TRY(prepare_int8(p, e));
    if (may_expand(p)) {
        for (size_t i = 0; i < m->n_linears && !p->o.int8; i++)
            if (worth_expanding(p, &p->weights[i]))
                TRY(expand(p, &p->weights[i], e));
        if (worth_expanding(p, &m->head))
            TRY(expand(p, &p->head, e));
    }
    take_own_weights(p);
    return ERR_OK;
}

/* --- activations ----------------------------------------------------------------------------------------------------------- */

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
                          .xa = carve_if(c, t, n->router_xa) };
}

static void carve_acts(const struct backprop *p, struct carver *c, const struct needs *n, size_t t, struct layer_acts *a)
{
    const struct model_config *g = &p->m->config;
    size_t qkv = model_qkv_width(g), entries = g->experts ? t * g->experts_used : t;

    *a = (struct layer_acts){ .qkv = carve(c, t, qkv), .att = carve(c, t, model_q_width(g)), .mlp.in = carve(c, entries, mlp_width(g)) };
    if (!g->parallel)
        a->mid = carve(c, t, g->hidden);
    if (n->qk_raw)
        a->qk_raw = carve(c, t, qkv);
    if (n->attn_raw)
        a->attn_raw = carve(c, t, g->hidden);
    if (n->mlp_raw)
        a->mlp_raw = carve(c, t, g->hidden);
    for (size_t k = 0; k < ARRAY_LEN(n->xa); k++)
        a->xa[k] = carve_if(c, t, n->xa[k]);
    for (size_t k = 0; k < ARRAY_LEN(n->mlp_xa); k++)
        a->mlp.xa[k] = carve_if(c, entries, g->experts && n->mlp_xa[k] ? p->loras->max_rank : n->mlp_xa[k]);
    if (g->experts)
        carve_routes(p, c, n, t, &a->routes);
}

static void carve_layers(const struct backprop *p, struct carver *c, size_t t)
{
    struct needs all = { 0 };

    for (size_t i = 0; i < p->m->config.layers; i++) {
        struct needs one = { 0 };
        need_layer(p, &p->m->layers[i], &one);
        need_layer(p, &p->m->layers[i], &all);
        if (!p->checkpointing)
            carve_acts(p, c, &one, t, &p->acts[i]);
    }
    if (p->checkpointing)
        carve_acts(p, c, &all, t, &p->acts[0]);
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

/* All buffers for t tokens. Called twice: to count, then to place. */
static void carve_all(struct backprop *p, struct carver *c, size_t t)
{
    const struct model_config *g = &p->m->config;
    size_t wide = max_size(g->hidden, max_size(mlp_width(g), model_qkv_width(g))), q = model_q_width(g);

    for (size_t i = 0; i <= g->layers; i++)
        p->inputs[i] = carve(c, t, g->hidden);
    carve_layers(p, c, t);
    for (int i = 0; i < 2; i++) {
        struct rope_table *r = i ? &p->rope_local : &p->rope;
        r->cos = carve(c, t, g->rotary / 2);
        r->sin = carve(c, t, g->rotary / 2);
    }
    p->norm = carve(c, t, g->hidden);
    p->dnorm = carve(c, t, g->hidden);
    p->wide = carve(c, t, wide);
    p->dwide = carve(c, t, wide);
    p->act = carve(c, t, g->inter);
    p->dact = carve(c, t, max_size(g->inter, q));
    p->dx = carve(c, t, g->hidden);
    p->dmid = carve(c, t, g->hidden);
    if (p->o.dropout > 0) {
        p->dropped = carve(c, t, max_size(g->hidden, max_size(g->inter, q)));
        p->ddropped = carve(c, t, max_size(g->hidden, max_size(g->inter, q)));
    }
    if (p->emulates_bf16)
        p->rounded = carve(c, 1, max_size(t * wide, HEAD_ROWS * g->vocab));
    if (g->experts) {
        p->expert_in = carve(c, t, g->hidden);
        p->expert_d = carve(c, t, g->hidden);
        p->expert_din = carve(c, t, g->hidden);
        p->dshare = carve(c, t, g->experts);
        p->choice = carve(c, 1, g->experts);
    }
    if (p->loras->any_dora) {
        p->gain = carve(c, 1, dora_outs(p));
        p->lengths = carve(c, 1, dora_outs(p));
        p->scaled = carve(c, t, wide);
        p->plain = carve(c, t, wide);
    }
    p->dxa = carve(c, t, p->loras->max_rank);
    p->logits = carve(c, HEAD_ROWS, g->vocab);
    p->frequencies = carve(c, 1, g->rotary);
}

static size_t floats_for(struct backprop *p, size_t t)
{
    struct carver count = { 0 };

    carve_all(p, &count, t);
    return count.n;
}

/* Fast when the longest row fits the limit so, else checkpointing when it is allowed; then as many tokens as fit. */
static errc choose_memory(struct backprop *p, struct err *e)
{
    size_t row = max_size(p->o.longest_row, 1), limit = ACTS_LIMIT / sizeof(float);

    p->checkpointing = false;
    if (p->o.checkpointing_allowed && p->o.memory != TUNE_MEMORY_FAST)
        p->checkpointing = p->o.memory == TUNE_MEMORY_LOW || floats_for(p, row) > limit;
    p->max_tokens = row;
    for (size_t t = TOKENS_WANTED; t > row; t /= 2)
        if (p->o.memory != TUNE_MEMORY_LOW && floats_for(p, t) <= limit) {
            p->max_tokens = t;
            break;
        }
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
    return ERR_OK;
}

/* --- life ---------------------------------------------------------------------------------------------------------------------- */

static bool is_own(const struct backprop *p, const void *part)
{
    return lora_set_own(p->loras, part, false) || lora_set_own(p->loras, part, true);
}

static bool is_trained(const struct backprop *p, const struct linear *l)
{
    return p->loras->of_linear[l->index] || is_own(p, l);
}

static bool mlp_is_trained(const struct backprop *p, const struct mlp *m)
{
    bool any = is_trained(p, m->out);

    for (size_t k = 0; k < m->n_in; k++)
        any |= is_trained(p, m->in[k]);
    return any;
}

static bool layer_is_trained(const struct backprop *p, const struct layer *l)
{
    const struct norm *norms[] = { &l->norm_attn, &l->norm_mlp, &l->norm_attn_out, &l->norm_mlp_out, &l->q_norm, &l->k_norm };
    bool any = is_trained(p, l->attn_out) || (l->router ? is_trained(p, l->router) : mlp_is_trained(p, &l->mlp));

    for (size_t k = 0; k < l->n_attn_in; k++)
        any |= is_trained(p, l->attn_in[k]);
    for (size_t e = 0; l->router && e < p->m->config.experts; e++)
        any |= mlp_is_trained(p, &l->experts[e]);
    for (size_t k = 0; k < ARRAY_LEN(norms); k++)
        any |= is_own(p, norms[k]);
    return any;
}

errc backprop_new(const struct model *m, struct lora_set *loras, const struct backprop_opts *o, struct backprop **out, struct err *e)
{
    AUTO_FREE(backprop) p = xzalloc(sizeof *p);
    p->m = m;
    p->loras = loras;
    p->o = *o;
    p->drop_rate = o->dropout;
    for (size_t i = 0; i < m->config.layers; i++)
        p->has_local_rope |= m->layers[i].local_rope;
    p->inputs = xcalloc(m->config.layers + 1, sizeof *p->inputs);
    p->acts = xcalloc(m->config.layers, sizeof *p->acts);
    TRY(compute_new(o->threads, NULL, &p->c, e));
    p->dora_at = xcalloc(m->n_linears + 1, sizeof *p->dora_at);
    while (!lora_set_own(loras, &m->embed, false) && p->first_trained < m->config.layers && !layer_is_trained(p, &m->layers[p->first_trained]))
        p->first_trained++;
    TRY(prepare_weights(p, e));
    TRY(choose_memory(p, e));
    *out = TAKE(p);
    return ERR_OK;
}

void backprop_free(struct backprop *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n_owned; i++)
        free(p->owned[i]);
    for (size_t i = 0; p->int8 && i < p->m->n_linears; i++)
        int8_done(&p->int8[i]);
    free(p->int8);
    free(p->expanded);
    free(p->owned);
    free(p->weights);
    free(p->dora_at);
    free(p->memory);
    free(p->inputs);
    free(p->acts);
    free(p->targets);
    free(p->positions);
    compute_free(p->c);
    free(p);
}

size_t backprop_max_tokens(const struct backprop *p)
{
    return p->max_tokens;
}

bool backprop_checkpointing(const struct backprop *p)
{
    return p->checkpointing;
}

struct compute *backprop_compute(struct backprop *p)
{
    return p->c;
}

size_t backprop_bytes(const struct backprop *p)
{
    return p->bytes;
}
