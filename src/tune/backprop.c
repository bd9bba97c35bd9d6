#include "tune/backprop_priv.h"

#include <math.h>

#include "base/mem.h"

#define EXPAND_LIMIT    ((size_t)512 << 20)     /* bytes of expanded weights kept when memory is "auto" */
#define ACTS_LIMIT      ((size_t)1 << 30)       /* bytes of activations before "auto" recomputes layers instead */
#define TOKENS_WANTED   2048                    /* a pass of more gains nothing in speed */

/* --- weights ------------------------------------------------------------------------------------------------------------- */

static enum dtype expanded_dtype(const struct backprop *p)
{
    return p->product_math == GEMM_BF16 ? DTYPE_BF16 : DTYPE_F32;
}

static bool worth_expanding(const struct backprop *p, const struct weight *w)
{
    return w->kind != WEIGHT_DENSE || (p->product_math == GEMM_F32 && w->dtype != DTYPE_F32);
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
    p->emulates_bf16 = p->o.math == GEMM_BF16 && !compute_bf16_is_fast() && may_expand(p);
    p->head_rounds = p->emulates_bf16 && p->m->head.kind == WEIGHT_DENSE && p->m->head.dtype != DTYPE_F32;
    if (!p->emulates_bf16)
        p->product_math = p->o.math;
    compute_set_math(p->c, p->product_math);
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
    if (!may_expand(p))
        return ERR_OK;
    for (size_t i = 0; i < m->n_linears; i++)
        if (worth_expanding(p, &p->weights[i]))
            TRY(expand(p, &p->weights[i], e));
    return worth_expanding(p, &p->head) ? expand(p, &p->head, e) : ERR_OK;
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

static void carve_loras(const struct backprop *p, struct carver *c, struct linear *const *linears, size_t n, size_t t, float **xa)
{
    for (size_t i = 0; i < n; i++) {
        const struct lora_param *q = linears[i] ? p->loras->of_linear[linears[i]->index] : NULL;
        if (q)
            xa[i] = carve(c, t, q->r);
    }
}

static void carve_acts(const struct backprop *p, struct carver *c, const struct layer *l, size_t t, struct layer_acts *a)
{
    const struct model_config *g = &p->m->config;
    size_t qkv = model_qkv_width(g);

    *a = (struct layer_acts){ .qkv = carve(c, t, qkv), .att = carve(c, t, model_q_width(g)), .mid = carve(c, t, g->hidden),
                              .gate_up = carve(c, t, 2 * g->inter) };
    if (l->q_norm.w || l->k_norm.w)
        a->qk_raw = carve(c, t, qkv);
    if (l->norm_attn_out.w)
        a->attn_raw = carve(c, t, g->hidden);
    if (l->norm_mlp_out.w)
        a->mlp_raw = carve(c, t, g->hidden);
    carve_loras(p, c, l->attn_in, l->n_attn_in, t, a->xa);
    carve_loras(p, c, &l->attn_out, 1, t, a->xa + 3);
    carve_loras(p, c, l->mlp.in, l->mlp.n_in, t, a->xa + 4);
    carve_loras(p, c, &l->mlp.out, 1, t, a->xa + 6);
}

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t largest_rank(const struct lora_set *s)
{
    size_t r = 0;

    for (size_t i = 0; i < s->n; i++)
        r = max_size(r, s->params[i].r);
    return r;
}

/* All buffers for t tokens. Called twice: to count, then to place. */
static void carve_all(struct backprop *p, struct carver *c, size_t t)
{
    const struct model_config *g = &p->m->config;
    size_t wide = max_size(g->hidden, max_size(2 * g->inter, model_qkv_width(g))), q = model_q_width(g);

    for (size_t i = 0; i <= g->layers; i++)
        p->inputs[i] = carve(c, t, g->hidden);
    if (p->checkpointing) {     /* layers may differ in what they need: one with everything any layer has */
        struct layer all = { 0 };
        for (size_t i = 0; i < g->layers; i++) {
            const struct layer *l = &p->m->layers[i];
            all.q_norm = l->q_norm.w ? l->q_norm : all.q_norm;
            all.k_norm = l->k_norm.w ? l->k_norm : all.k_norm;
            all.norm_attn_out = l->norm_attn_out.w ? l->norm_attn_out : all.norm_attn_out;
            all.norm_mlp_out = l->norm_mlp_out.w ? l->norm_mlp_out : all.norm_mlp_out;
        }
        carve_acts(p, c, &all, t, &p->acts[0]);
        for (size_t k = 0; k < ARRAY_LEN(p->acts[0].xa); k++)
            p->acts[0].xa[k] = carve(c, t, largest_rank(p->loras));
    } else {
        for (size_t i = 0; i < g->layers; i++)
            carve_acts(p, c, &p->m->layers[i], t, &p->acts[i]);
    }
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
    p->dxa = carve(c, t, largest_rank(p->loras));
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

static bool layer_is_trained(const struct backprop *p, const struct layer *l)
{
    bool any = p->loras->of_linear[l->attn_out->index] || p->loras->of_linear[l->mlp.out->index];

    for (size_t k = 0; k < l->n_attn_in; k++)
        any |= p->loras->of_linear[l->attn_in[k]->index] != NULL;
    for (size_t k = 0; k < l->mlp.n_in; k++)
        any |= p->loras->of_linear[l->mlp.in[k]->index] != NULL;
    return any;
}

errc backprop_supports(const struct model *m, struct err *e)
{
    const struct model_config *g = &m->config;
    const struct { bool has; const char *what; } lacking[] = {
        { g->parallel, "attention and MLP side by side" }, { g->layernorm, "layer norms with a mean" }, { !g->gated, "an MLP without a gate" },
        { g->qkv_grouped, "grouped query_key_value rows" }, { g->head_bias, "a bias on the head" }, { g->experts > 0, "experts" },
    };

    for (size_t i = 0; i < ARRAY_LEN(lacking); i++)
        if (lacking[i].has)
            return err_set(e, ERR_UNSUPPORTED, "tuning of model_type %s is not built: it has %s", g->model_type, lacking[i].what);
    return ERR_OK;
}

errc backprop_new(const struct model *m, struct lora_set *loras, const struct backprop_opts *o, struct backprop **out, struct err *e)
{
    TRY(backprop_supports(m, e));
    AUTO_FREE(backprop) p = xzalloc(sizeof *p);
    p->m = m;
    p->loras = loras;
    p->o = *o;
    for (size_t i = 0; i < m->config.layers; i++)
        p->has_local_rope |= m->layers[i].local_rope;
    p->inputs = xcalloc(m->config.layers + 1, sizeof *p->inputs);
    p->acts = xcalloc(m->config.layers, sizeof *p->acts);
    TRY(compute_new(o->threads, NULL, &p->c, e));
    while (p->first_trained < m->config.layers && !layer_is_trained(p, &m->layers[p->first_trained]))
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
    free(p->owned);
    free(p->weights);
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

/* --- one call --------------------------------------------------------------------------------------------------------------------- */

size_t backprop_row_labels(const struct backprop_row *r)
{
    size_t n = 0;

    for (size_t i = 1; i < r->n; i++)
        n += r->labels[i] >= 0;
    return n;
}

static errc check_row(const struct backprop *p, const struct backprop_row *r, struct err *e)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->ids[i] < 0 || (size_t)r->ids[i] >= p->m->config.vocab || r->labels[i] >= (int64_t)p->m->config.vocab)
            return err_set(e, ERR_INVALID, "token id %d is outside the model's vocabulary of %zu; are tokenizer and model a pair?",
                           r->ids[i] < 0 || (size_t)r->ids[i] >= p->m->config.vocab ? r->ids[i] : r->labels[i], p->m->config.vocab);
    return ERR_OK;
}

static void turn_angles(struct backprop *p, const struct backprop_row *r, size_t at, const struct rope_config *rope, struct rope_table *t)
{
    size_t half = p->m->config.rotary / 2;
    float scale, *frequencies = p->frequencies;

    rope_frequencies(&p->m->config, rope, max_size(r->rope_length, r->n), frequencies, &scale);
    rope_angles(t->cos + at * half, t->sin + at * half, p->positions + at, r->n, frequencies, half, scale);
}

static errc start(struct backprop *p, const struct backprop_row *rows, size_t n, struct err *e)
{
    p->rows = rows;
    p->n_rows = n;
    p->tokens = 0;
    for (size_t i = 0; i < n; i++) {
        const struct backprop_row *r = &rows[i];
        TRY(check_row(p, r, e));
        if (r->n > p->max_tokens - p->tokens)
            return err_set(e, ERR_TOO_LARGE, "a row of %zu tokens is longer than the pass was made for (%zu)", r->n, p->max_tokens);
        for (size_t t = 0; t < r->n; t++) {
            p->positions[p->tokens + t] = (int32_t)t;
            p->targets[p->tokens + t] = t + 1 < r->n ? r->labels[t + 1] : -1;
        }
        turn_angles(p, r, p->tokens, &p->m->config.rope, &p->rope);
        if (p->has_local_rope)
            turn_angles(p, r, p->tokens, &p->m->config.rope_local, &p->rope_local);
        model_embed(p->m, p->inputs[0] + p->tokens * p->m->config.hidden, r->ids, r->n);
        p->tokens += r->n;
    }
    return ERR_OK;
}

/* cap * tanh(x / cap) in place, and its derivative (1 - (y / cap)^2) on the way back. */
static void softcap_forward(float *x, size_t n, float cap)
{
    for (size_t i = 0; i < n; i++)
        x[i] = cap * tanhf(x[i] / cap);
}

static void softcap_backward(float *d, const float *capped, size_t n, float cap)
{
    for (size_t i = 0; i < n; i++)
        d[i] *= 1 - (capped[i] / cap) * (capped[i] / cap);
}

/* Loss of `rows` normed hidden rows, and with backward the gradient to them into dh. */
static errc head_chunk(struct backprop *p, const float *h, float *dh, const int32_t *targets, size_t rows, float weight, double *loss,
                       struct err *e)
{
    const struct model_config *g = &p->m->config;
    size_t counted, n = rows * g->vocab;
    float *capped = NULL;

    size_t ld = g->hidden;
    if (p->head_rounds)
        h = rounded_factor(p, h, &ld, rows, g->hidden);
    gemm_forward(p->c, p->logits, g->vocab, h, ld, rows, &p->head);
    if (g->final_softcap > 0)
        softcap_forward(p->logits, n, g->final_softcap);
    *loss += cross_entropy_forward(p->c, p->logits, g->vocab, targets, rows, g->vocab, &counted, NULL);
    if (!dh)
        return ERR_OK;
    if (g->final_softcap > 0) {
        capped = mem_try_alloc(n, sizeof(float));
        if (!capped)
            return err_set(e, ERR_TOO_LARGE, "logits of %zu rows do not fit in memory", rows);
        memcpy(capped, p->logits, n * sizeof(float));
    }
    cross_entropy_backward(p->c, p->logits, g->vocab, targets, rows, g->vocab, weight);
    if (capped)
        softcap_backward(p->logits, capped, n, g->final_softcap);
    free(capped);
    ld = g->vocab;
    const float *d = p->head_rounds ? rounded_factor(p, p->logits, &ld, rows, g->vocab) : p->logits;
    gemm_backward(p->c, dh, g->hidden, d, ld, rows, &p->head, false);
    return ERR_OK;
}

/*
 * Loss over the rows that have a target; only those see the head. p->dx receives the gradient of the last residual.
 * Scratch: p->dmid the gathered residual, p->norm its norm, p->dnorm the gradient there, p->wide that of the residual.
 */
static errc head_pass(struct backprop *p, float weight, bool backward, double *loss, struct err *e)
{
    const struct model_config *g = &p->m->config;
    size_t d = g->hidden, n = 0;
    const float *last = p->inputs[g->layers];
    int32_t *targets = p->positions;            /* angles are made: the array is free */
    size_t *from = xcalloc(p->tokens, sizeof *from);

    for (size_t t = 0; t < p->tokens; t++)
        if (p->targets[t] >= 0) {
            memcpy(p->dmid + n * d, last + t * d, d * sizeof(float));
            targets[n] = p->targets[t];
            from[n++] = t;
        }
    rmsnorm_forward(p->c, p->norm, p->dmid, d, p->m->norm_final.w, g->norm_plus, n, d, g->norm_eps);
    errc rc = ERR_OK;
    for (size_t at = 0; at < n && rc == ERR_OK; at += HEAD_ROWS)
        rc = head_chunk(p, p->norm + at * d, backward ? p->dnorm + at * d : NULL, targets + at, n - at < HEAD_ROWS ? n - at : HEAD_ROWS,
                        weight, loss, e);
    if (backward && rc == ERR_OK) {
        memset(p->wide, 0, n * d * sizeof(float));
        rmsnorm_backward(p->c, p->wide, NULL, p->dnorm, p->dmid, d, p->m->norm_final.w, g->norm_plus, n, d, g->norm_eps);
        memset(p->dx, 0, p->tokens * d * sizeof(float));
        for (size_t i = 0; i < n; i++)
            memcpy(p->dx + from[i] * d, p->wide + i * d, d * sizeof(float));
    }
    free(from);
    return rc;
}

errc backprop_run(struct backprop *p, const struct backprop_row *rows, size_t n, uint64_t step, uint64_t first_token, float weight,
              bool backward, double *out_loss, struct err *e)
{
    size_t layers = p->m->config.layers;
    double loss = 0;

    p->step = step;
    p->first_token = first_token;
    TRY(start(p, rows, n, e));
    for (size_t i = 0; i < layers; i++)
        layer_forward(p, i, &p->acts[p->checkpointing ? 0 : i]);
    TRY(head_pass(p, weight, backward, &loss, e));
    for (size_t i = layers; backward && i-- > p->first_trained;) {
        if (p->checkpointing && i + 1 < layers)         /* the last layer's are still there */
            layer_forward(p, i, &p->acts[0]);
        layer_backward(p, i, &p->acts[p->checkpointing ? 0 : i]);
    }
    *out_loss = loss;
    return ERR_OK;
}
