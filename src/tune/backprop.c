#include "tune/backprop_priv.h"

#include "base/mem.h"

#define PACK_LIMIT      ((size_t)64 << 20)      /* bytes of panels made once: a larger model's products are so large that making them each time costs little */
#define EXPAND_LIMIT    ((size_t)512 << 20)     /* bytes of expanded weights kept when memory is "auto" */

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

    p->int8 = xcalloc(model_adaptables(m), sizeof *p->int8);
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

static bool may_pack(const struct weight *w) { return w->kind == WEIGHT_DENSE && w->dtype == DTYPE_F32; }

static errc pack(struct backprop *p, struct weight *w, struct err *e)
{
    if (!may_pack(w))
        return ERR_OK;
    TRY(weight_pack(p->c, w, &p->owned[p->n_owned], e));
    p->n_owned++;
    p->bytes += weight_pack_bytes(w);
    return ERR_OK;
}

/* Panels of all that is multiplied in f32. */
static errc pack_weights(struct backprop *p, struct err *e)
{
    size_t n = p->m->n_linears, bytes = may_pack(&p->head) ? weight_pack_bytes(&p->head) : 0;

    for (size_t i = 0; i < n; i++)
        bytes += may_pack(&p->weights[i]) ? weight_pack_bytes(&p->weights[i]) : 0;
    if (!may_expand(p) || p->product_math != GEMM_F32 || bytes > PACK_LIMIT)
        return ERR_OK;
    for (size_t i = 0; i < n; i++)
        TRY(pack(p, &p->weights[i], e));
    return pack(p, &p->head, e);
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
    p->weights[m->ends[MODEL_HEAD].index] = p->head;
}

static errc prepare_weights(struct backprop *p, struct err *e)
{
    const struct model *m = p->m;

    choose_products(p);
    p->weights = xcalloc(model_adaptables(m), sizeof *p->weights);
    p->owned = xcalloc(2 * (m->n_linears + 1), sizeof *p->owned);
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
    TRY(pack_weights(p, e));
    take_own_weights(p);
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

/* The lowest layer that something has to go back to. */
static size_t first_trained(const struct backprop *p)
{
    const struct model *m = p->m;
    size_t i = 0;

    if (p->lora_embed || lora_set_own(p->loras, &m->embed, false))
        return 0;
    while (i < m->config.layers && !layer_is_trained(p, &m->layers[i]))
        i++;
    return i;
}

errc backprop_new(const struct model *m, struct lora_set *loras, const struct backprop_opts *o, struct backprop **out, struct err *e)
{
    AUTO_FREE(backprop) p = xzalloc(sizeof *p);
    p->m = m;
    p->loras = loras;
    p->o = *o;
    p->drop_rate = o->dropout;
    p->base = o->base;
    for (size_t i = 0; i < m->config.layers; i++)
        p->has_local_rope |= m->layers[i].local_rope;
    p->inputs = xcalloc(m->config.layers + 1, sizeof *p->inputs);
    p->acts = xcalloc(m->config.layers, sizeof *p->acts);
    TRY(compute_new(o->threads, NULL, &p->c, e));
    p->dora_at = xcalloc(model_adaptables(m), sizeof *p->dora_at);
    p->lora_embed = loras->of_linear[m->ends[MODEL_EMBED].index];
    p->lora_head = loras->of_linear[m->ends[MODEL_HEAD].index];
    p->first_trained = first_trained(p);
    TRY(prepare_weights(p, e));
    TRY(backprop_place(p, e));
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
    free(p->numbers);
    free(p->rows);
    free(p->used);
    free(p->likely);
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

const char *backprop_keeps(const struct backprop *p)
{
    if (p->checkpointing)
        return p->qkv_halves ? "checkpointing, with queries, keys and values in bf16" : "checkpointing";
    return p->halves ? "activations in bf16" : "no checkpointing";
}

struct compute *backprop_compute(struct backprop *p)
{
    return p->c;
}

size_t backprop_bytes(const struct backprop *p)
{
    return p->bytes;
}
