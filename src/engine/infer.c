/*
 * One pass of rows through the layers. A row is a token of some sequence: a chunk of one prompt and one step of many
 * sequences are the same thing here. Letters as in kernels.h.
 */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "engine/infer.h"
#include "tensor/vec.h"

static float *floats(size_t rows, size_t n) { return mem_try_alloc(rows * n, sizeof(float)); }

/* What attention needs and what the MLP needs is never needed together. */
static bool make_shared(struct infer *p, const struct model_config *c)
{
    size_t qkv = model_qkv_width(c), attention = qkv + model_q_width(c) + (c->qkv_grouped ? qkv : 0), mlp = 3 * c->inter;

    p->shared = floats(p->max_rows, attention > mlp ? attention : mlp);
    if (!p->shared)
        return false;
    p->qkv = p->gate_up = p->shared;
    p->att = p->qkv + p->max_rows * qkv;
    p->grouped = c->qkv_grouped ? p->att + p->max_rows * model_q_width(c) : NULL;
    p->mid = p->gate_up + p->max_rows * 2 * c->inter;
    return true;
}

struct infer *infer_new(struct engine *g, size_t max_rows)
{
    const struct model_config *c = &g->model->config;
    struct infer *p = xzalloc(sizeof *p);
    bool ok = true;

    p->max_rows = max_rows;
    ok = ok && (p->x = floats(max_rows, c->hidden)) && (p->h = floats(max_rows, c->hidden));
    ok = ok && make_shared(p, c);
    ok = ok && (p->side = floats(max_rows, c->hidden));
    if (c->experts)
        ok = ok && (p->experts = experts_new(c, max_rows));
    ok = ok && (p->paged = mem_try_alloc(max_rows, sizeof *p->paged)) && (p->logits = floats(LOGIT_ROWS, c->vocab));
    for (int i = 0; i < 2; i++)
        ok = ok && (p->cos[i] = floats(max_rows, c->rotary / 2)) && (p->sin[i] = floats(max_rows, c->rotary / 2));
    if (ok)
        return p;
    infer_free(p);
    return NULL;
}

void infer_free(struct infer *p)
{
    if (!p)
        return;
    float *all[] = { p->x, p->h, p->side, p->shared, p->xa, p->logits,
                     p->cos[0], p->cos[1], p->sin[0], p->sin[1] };
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        free(all[i]);
    experts_free(p->experts);
    free(p->paged);
    free(p);
}

/* ── linears with their adapters ── */

/* Rows [first, end) of one part: those of one adapter after the other. */
static void apply_adapters(const struct run *u, const struct linear *l, size_t first, size_t end, float *y, size_t ldy, const float *x, size_t ldx)
{
    for (size_t i = first, next; i < end; i = next) {
        const struct adapter *a = u->rows[i].seq->adapter;

        for (next = i + 1; next < end && u->rows[next].seq->adapter == a; next++)
            ;
        if (a)
            adapter_apply(u->g->compute, a, l, y + i * ldy + l->out_offset, ldy, x + i * ldx, ldx, next - i, u->p->xa);
    }
}

static size_t part_end(const struct run *u, size_t first)
{
    size_t end = first + 1;

    while (end < u->n && u->rows[end].part == u->rows[first].part)
        end++;
    return end;
}

/* The model's product for rows [first, end), but for those whose adapter has a matrix of its own there. */
static void base_products(const struct run *u, const struct linear *l, size_t first, size_t end, float *y, size_t ldy, const float *x, size_t ldx)
{
    for (size_t i = first, next; i < end; i = next) {
        bool own = adapter_replaces(u->rows[i].seq->adapter, l);

        for (next = i + 1; next < end && adapter_replaces(u->rows[next].seq->adapter, l) == own; next++)
            ;
        if (!own)
            linear_forward(u->g->compute, l, y + i * ldy, ldy, x + i * ldx, ldx, next - i);
    }
}

static enum gemm_rows rows_of_part(enum infer_part part)
{
    return part == PART_GENERATED ? GEMM_ROWS_FEW : GEMM_ROWS_MANY;
}

void infer_apply(const struct run *u, struct linear *const *linears, size_t n, float *y, size_t ldy, const float *x, size_t ldx)
{
    for (size_t i = 0; i < n; i++)
        for (size_t first = 0, end; first < u->n; first = end) {
            end = part_end(u, first);
            compute_set_rows(u->g->compute, rows_of_part(u->rows[first].part));
            base_products(u, linears[i], first, end, y, ldy, x, ldx);
            apply_adapters(u, linears[i], first, end, y, ldy, x, ldx);
        }
}

/* ── one layer ── */

static const struct layer *layer_of(const struct run *u, size_t layer) { return &u->g->model->layers[layer]; }

/* y = x normalised, [rows, dim] with row distance ld; some adapters have norms of their own. */
static void norm_rows(const struct run *u, const struct norm *n, float *y, const float *x, size_t ld, size_t dim)
{
    for (size_t i = 0, next; i < u->n; i = next) {
        const struct norm *own = adapter_norm(u->rows[i].seq->adapter, n);

        for (next = i + 1; next < u->n && adapter_norm(u->rows[next].seq->adapter, n) == own; next++)
            ;
        model_norm(u->g->compute, u->g->model, own, y + i * ld, x + i * ld, ld, next - i, dim);
    }
}

/* x normalised into y; x itself where the family has no norm. */
static const float *normed(const struct run *u, const struct norm *n, float *y, const float *x)
{
    if (!n->w)
        return x;
    norm_rows(u, n, y, x, u->c->hidden, u->c->hidden);
    return y;
}

/* Gemma 3, Qwen 3 (per head) and OLMo 2 (all heads at once) normalise queries and keys before rotating them. */
static void norm_heads(const struct run *u, float *x, size_t heads, const struct norm *n, bool whole)
{
    size_t dim = whole ? heads * u->c->head_dim : u->c->head_dim, ld = model_qkv_width(u->c);

    for (size_t at = 0; n->w && at < heads * u->c->head_dim; at += dim)
        norm_rows(u, n, x + at, x + at, ld, dim);
}

/* p->qkv [q | k | v] of every row, whichever way the family stores the matrices. */
static void project(const struct run *u, const struct layer *y, const float *in)
{
    const struct model_config *c = u->c;
    float *to = c->qkv_grouped ? u->p->grouped : u->p->qkv;
    size_t ld = model_qkv_width(c);

    infer_apply(u, y->attn_in, y->n_attn_in, to, ld, in, c->hidden);
    if (c->qkv_grouped)
        qkv_ungroup(u->g->compute, u->p->qkv, to, ld, u->n, c->heads, c->kv_heads, c->head_dim);
}

/* out = attention(in), both [rows, D]; they may be the same. */
static void attention(const struct run *u, size_t layer, float *out, const float *in)
{
    const struct model_config *c = u->c;
    const struct layer *y = layer_of(u, layer);
    struct infer *p = u->p;
    size_t ld = model_qkv_width(c), q = model_q_width(c);
    const float *cos = p->cos[y->local_rope], *sin = p->sin[y->local_rope];
    turn_fn *turn = c->rope_pairs ? rope_forward_pairs : rope_forward;

    project(u, y, in);
    norm_heads(u, p->qkv, c->heads, &y->q_norm, y->qk_norm_whole);
    norm_heads(u, p->qkv + q, c->kv_heads, &y->k_norm, y->qk_norm_whole);
    if (!c->alibi) {
        turn(u->g->compute, p->qkv, ld, cos, sin, u->n, c->heads, c->head_dim, c->rotary);
        turn(u->g->compute, p->qkv + q, ld, cos, sin, u->n, c->kv_heads, c->head_dim, c->rotary);
    }
    paged_store(u->g->compute, &u->g->kv, layer, p->paged, u->n, p->qkv + q, p->qkv + q + model_kv_width(c), ld);
    paged_attention(u->g->compute, &u->g->kv, layer, y->slides ? c->window : 0, p->paged, u->n, p->att, q, p->qkv, ld);
    infer_apply(u, &y->attn_out, 1, out, c->hidden, p->att, q);
}

static void add_residual(const struct run *u, const struct norm *out_norm, float *block)
{
    axpy(u->g->compute, u->p->x, normed(u, out_norm, block, block), 1, u->n * u->c->hidden);
}

/* x += attention(norm(x)); x += mlp(norm(x)) */
static void sequential_layer(const struct run *u, size_t layer)
{
    const struct layer *y = layer_of(u, layer);
    struct infer *p = u->p;

    attention(u, layer, p->h, normed(u, &y->norm_attn, p->h, p->x));
    add_residual(u, &y->norm_attn_out, p->h);
    mlp_run(u, y, p->side, normed(u, &y->norm_mlp, p->h, p->x));
    add_residual(u, &y->norm_mlp_out, p->side);
}

/* x += attention(norm(x)) + mlp(norm(x)), with one norm for both or with two */
static void parallel_layer(const struct run *u, size_t layer)
{
    const struct layer *y = layer_of(u, layer);
    struct infer *p = u->p;
    const float *in = normed(u, &y->norm_attn, p->h, p->x);

    mlp_run(u, y, p->side, y->norm_mlp.w ? normed(u, &y->norm_mlp, p->side, p->x) : in);
    attention(u, layer, p->h, in);
    add_residual(u, &y->norm_attn_out, p->h);
    add_residual(u, &y->norm_mlp_out, p->side);
}

/* ── ends ── */

static void angles(const struct run *u)
{
    size_t half = u->c->rotary / 2;

    for (int local = 0; local < 2; local++) {
        const struct rope_config *r = local ? &u->c->rope_local : &u->c->rope;

        if (!u->g->inv_freq[local][0])
            continue;
        for (size_t i = 0; i < u->n; i++) {
            bool lengthy = r->kind == ROPE_LONGROPE && u->rows[i].seq->n > r->original_positions;

            rope_angles(u->p->cos[local] + i * half, u->p->sin[local] + i * half, &u->rows[i].position, 1,
                        u->g->inv_freq[local][lengthy], half, u->g->rope_scale[local][lengthy]);
        }
    }
}

/* NULL when one is not a number. */
static float *finished(const struct run *u, float *logits)
{
    float cap = u->c->final_softcap;

    for (size_t i = 0; i < u->c->vocab; i++) {
        if (isnan(logits[i]))
            return NULL;
        if (cap > 0)
            logits[i] = cap * tanhf(logits[i] / cap);
    }
    return logits;
}

/* logits [n, vocab] of h [n, D], which is lost: rows of one adapter, NULL for none. */
static void head_of(const struct run *u, const struct adapter *a, float *logits, float *h, size_t n)
{
    const struct model *m = u->g->model;
    size_t hidden = u->c->hidden, vocab = u->c->vocab;
    struct weight head = a && a->head ? weight_f32(a->head, vocab, hidden) : m->head;
    const float *bias = a && a->head_bias ? a->head_bias : m->head_bias;

    model_norm(u->g->compute, m, adapter_norm(a, &m->norm_final), h, h, hidden, n, hidden);
    gemm_forward(u->g->compute, logits, vocab, h, hidden, n, &head);
    if (a)
        adapter_head(u->g->compute, m, a, logits, h, n, u->p->xa);
    if (bias)
        add_bias(u->g->compute, logits, vocab, bias, n, vocab);
}

/* Logits of the n rows listed in `at`. */
static void head_rows(const struct run *u, const size_t *at, size_t n, engine_logits_fn *fn, void *arg)
{
    struct infer *p = u->p;
    size_t hidden = u->c->hidden, vocab = u->c->vocab;

    for (size_t i = 0; i < n; i++)
        memcpy(p->h + i * hidden, p->x + at[i] * hidden, hidden * sizeof *p->h);
    for (size_t i = 0, next; i < n; i = next) {
        const struct adapter *a = u->rows[at[i]].seq->adapter;

        for (next = i + 1; next < n && u->rows[at[next]].seq->adapter == a; next++)
            ;
        head_of(u, a, p->logits + i * vocab, p->h + i * hidden, next - i);
    }
    for (size_t i = 0; i < n; i++)
        fn(arg, u->rows[at[i]].seq, (size_t)u->rows[at[i]].position, finished(u, p->logits + i * vocab));
}

static void head(const struct run *u, engine_logits_fn *fn, void *arg)
{
    size_t at[LOGIT_ROWS], n = 0;

    compute_set_rows(u->g->compute, GEMM_ROWS_FEW);
    for (size_t r = 0; r < u->n; r++) {
        if (u->rows[r].want)
            at[n++] = r;
        if (n == LOGIT_ROWS || (n && r + 1 == u->n)) {
            head_rows(u, at, n, fn, arg);
            n = 0;
        }
    }
}

static void fit_rank(struct infer *p, size_t rank)
{
    if (rank <= p->xa_rank)
        return;
    free(p->xa);
    p->xa = floats(p->max_rows, rank);
    if (!p->xa)
        abort();
    p->xa_rank = rank;
}

static void embed(const struct run *u, size_t row)
{
    const struct infer_row *r = &u->rows[row];
    const struct adapter *a = r->seq->adapter;
    const struct weight *w = &u->g->model->embed, own = weight_f32(a ? a->embed : NULL, w->out, w->in);

    model_embed(u->g->model, own.data ? &own : w, u->p->x + row * u->c->hidden, &r->seq->ids[r->position], 1);
    if (a)
        adapter_embed(u->g->model, a, u->p->x + row * u->c->hidden, r->seq->ids[r->position]);
}

void infer_run(struct engine *g, const struct infer_row *rows, size_t n, engine_logits_fn *fn, void *arg)
{
    struct run u = { .g = g, .p = g->infer, .c = &g->model->config, .rows = rows, .n = n };

    for (size_t r = 0; r < n; r++) {
        fit_rank(g->infer, rows[r].seq->adapter ? rows[r].seq->adapter->max_rank : 0);
        g->infer->paged[r] = (struct paged_row){ rows[r].seq->blocks, (size_t)rows[r].position };
        embed(&u, r);
    }
    angles(&u);
    for (size_t layer = 0; layer < u.c->layers; layer++)
        if (u.c->parallel)
            parallel_layer(&u, layer);
        else
            sequential_layer(&u, layer);
    head(&u, fn, arg);
    compute_set_rows(g->compute, GEMM_ROWS_ANY);
}
