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

struct infer *infer_new(struct engine *g, size_t max_rows)
{
    const struct model_config *c = &g->model->config;
    struct infer *p = xzalloc(sizeof *p);
    bool ok = true;

    p->max_rows = max_rows;
    ok = ok && (p->x = floats(max_rows, c->hidden)) && (p->h = floats(max_rows, c->hidden));
    ok = ok && (p->qkv = floats(max_rows, model_qkv_width(c))) && (p->att = floats(max_rows, model_q_width(c)));
    ok = ok && (p->gate_up = floats(max_rows, 2 * c->inter)) && (p->mid = floats(max_rows, c->inter));
    ok = ok && (p->side = floats(max_rows, c->hidden));
    if (c->qkv_grouped)
        ok = ok && (p->grouped = floats(max_rows, model_qkv_width(c)));
    if (c->experts)
        ok = ok && (p->experts = experts_new(c, max_rows));
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
    float *all[] = { p->x, p->h, p->side, p->qkv, p->grouped, p->att, p->gate_up, p->mid, p->xa,
                     p->cos[0], p->cos[1], p->sin[0], p->sin[1] };
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        free(all[i]);
    experts_free(p->experts);
    free(p);
}

/* ── linears with their adapters ── */

static void apply_loras(const struct run *u, const struct linear *l, float *y, size_t ldy, const float *x, size_t ldx)
{
    for (size_t i = 0, end; i < u->n; i = end) {
        const struct adapter *a = u->rows[i].seq->adapter;

        for (end = i + 1; end < u->n && u->rows[end].seq->adapter == a; end++)
            ;
        if (a && a->loras[l->index].r)
            lora_forward(u->g->compute, &a->loras[l->index], l->w.in, l->w.out, y + i * ldy + l->out_offset, ldy, x + i * ldx, ldx,
                         end - i, u->p->xa);
    }
}

void infer_apply(const struct run *u, struct linear *const *linears, size_t n, float *y, size_t ldy, const float *x, size_t ldx)
{
    for (size_t i = 0; i < n; i++) {
        linear_forward(u->g->compute, linears[i], y, ldy, x, ldx, u->n);
        apply_loras(u, linears[i], y, ldy, x, ldx);
    }
}

/* ── attention over the cache ── */

static float *cache_at(const struct run *u, const struct sequence *s, size_t layer, bool value, size_t kv_head, size_t position)
{
    const struct model_config *c = u->c;
    float *block = s->blocks[position / KV_BLOCK_TOKENS]->data + layer * u->g->layer_floats;

    return block + (((value ? c->kv_heads : 0) + kv_head) * KV_BLOCK_TOKENS + position % KV_BLOCK_TOKENS) * c->head_dim;
}

static void store_kv(const struct run *u, size_t layer)
{
    const struct model_config *c = u->c;
    size_t q = model_q_width(c), kv = model_kv_width(c);

    for (size_t r = 0; r < u->n; r++)
        for (size_t h = 0; h < c->kv_heads; h++) {
            const float *k = u->p->qkv + r * model_qkv_width(c) + q + h * c->head_dim;
            size_t at = (size_t)u->rows[r].position;

            memcpy(cache_at(u, u->rows[r].seq, layer, false, h, at), k, c->head_dim * sizeof *k);
            memcpy(cache_at(u, u->rows[r].seq, layer, true, h, at), k + kv, c->head_dim * sizeof *k);
        }
}

struct attend_job {
    const struct run *u;
    size_t layer;
};

static void attend_one(const struct run *u, size_t layer, size_t r, size_t head, float *p)
{
    const struct model_config *c = u->c;
    const struct vec_ops *vec = compute_vec(u->g->compute);
    const struct sequence *s = u->rows[r].seq;
    size_t kv = head / (c->heads / c->kv_heads), hd = c->head_dim, end = (size_t)u->rows[r].position + 1;
    size_t first = u->g->model->layers[layer].slides && end > c->window ? end - c->window : 0;
    const float *q = u->p->qkv + r * model_qkv_width(c) + head * hd;
    float *o = u->p->att + r * model_q_width(c) + head * hd;

    for (size_t t = first; t < end; t++) {
        float score = vec->dot(q, cache_at(u, s, layer, false, kv, t), hd) * c->attn_scale;
        p[t - first] = c->attn_softcap > 0 ? c->attn_softcap * tanhf(score / c->attn_softcap) : score;
    }
    float sum = vec->exp_sum(p, vec->max(p, end - first), end - first);
    memset(o, 0, hd * sizeof *o);
    for (size_t t = first; t < end; t++)
        vec->axpy(o, cache_at(u, s, layer, true, kv, t), p[t - first], hd);
    vec->scale(o, 1 / sum, hd);
}

static void attend_part(void *arg, size_t begin, size_t end)
{
    const struct attend_job *j = arg;
    size_t heads = j->u->c->heads, longest = 0;

    for (size_t r = 0; r < j->u->n; r++)
        longest = (size_t)j->u->rows[r].position + 1 > longest ? (size_t)j->u->rows[r].position + 1 : longest;
    AUTO_MEM float *p = mem_try_alloc(longest, sizeof *p);
    if (!p)
        abort();
    for (size_t i = begin; i < end; i++)        /* rows fastest: parts cost about the same although later rows see more */
        attend_one(j->u, j->layer, i % j->u->n, i / j->u->n % heads, p);
}

/* ── one layer ── */

static const struct layer *layer_of(const struct run *u, size_t layer) { return &u->g->model->layers[layer]; }

/* x normalised into y; x itself where the family has no norm. */
static const float *normed(const struct run *u, const struct norm *n, float *y, const float *x)
{
    if (!n->w)
        return x;
    model_norm(u->g->compute, u->g->model, n, y, x, u->c->hidden, u->n, u->c->hidden);
    return y;
}

/* Gemma 3, Qwen 3 (per head) and OLMo 2 (all heads at once) normalise queries and keys before rotating them. */
static void norm_heads(const struct run *u, float *x, size_t heads, const struct norm *n, bool whole)
{
    size_t dim = whole ? heads * u->c->head_dim : u->c->head_dim, ld = model_qkv_width(u->c);

    for (size_t at = 0; n->w && at < heads * u->c->head_dim; at += dim)
        model_norm(u->g->compute, u->g->model, n, x + at, x + at, ld, u->n, dim);
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
    turn(u->g->compute, p->qkv, ld, cos, sin, u->n, c->heads, c->head_dim, c->rotary);
    turn(u->g->compute, p->qkv + q, ld, cos, sin, u->n, c->kv_heads, c->head_dim, c->rotary);
    store_kv(u, layer);
    struct attend_job j = { u, layer };
    compute_parallel(u->g->compute, u->n * c->heads, 1, attend_part, &j);
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

/* Says which weight is to blame, if one is. */
static errc not_numbers(const struct run *u, struct err *e)
{
    TRY(model_check_finite(u->g->model, e));
    return err_set(e, ERR_CORRUPT, "%s: the model computes values that are not numbers; are its weights damaged?", u->g->model->dir);
}

static errc finish_logits(const struct run *u, float *logits, size_t n, struct err *e)
{
    size_t vocab = u->c->vocab;
    float cap = u->c->final_softcap;

    for (size_t i = 0; i < n * vocab; i++) {
        if (isnan(logits[i]))
            return not_numbers(u, e);
        if (cap > 0)
            logits[i] = cap * tanhf(logits[i] / cap);
    }
    return ERR_OK;
}

static errc head(const struct run *u, float *logits, struct err *e)
{
    const struct model *m = u->g->model;
    size_t wanted = 0, hidden = u->c->hidden;

    for (size_t r = 0; r < u->n; r++)           /* the wanted rows move to the front; h takes their normalised form */
        if (u->rows[r].want)
            memmove(u->p->x + wanted++ * hidden, u->p->x + r * hidden, hidden * sizeof(float));
    if (!wanted)
        return ERR_OK;
    model_norm(u->g->compute, m, &m->norm_final, u->p->h, u->p->x, hidden, wanted, hidden);
    gemm_forward(u->g->compute, logits, u->c->vocab, u->p->h, hidden, wanted, &m->head);
    if (m->head_bias)
        add_bias(u->g->compute, logits, u->c->vocab, m->head_bias, wanted, u->c->vocab);
    return finish_logits(u, logits, wanted, e);
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

errc infer_run(struct engine *g, const struct infer_row *rows, size_t n, float *logits, struct err *e)
{
    struct run u = { .g = g, .p = g->infer, .c = &g->model->config, .rows = rows, .n = n };

    for (size_t r = 0; r < n; r++)
        fit_rank(g->infer, rows[r].seq->adapter ? rows[r].seq->adapter->max_rank : 0);
    for (size_t r = 0; r < n; r++)
        model_embed(g->model, g->infer->x + r * u.c->hidden, &rows[r].seq->ids[rows[r].position], 1);
    angles(&u);
    for (size_t layer = 0; layer < u.c->layers; layer++)
        if (u.c->parallel)
            parallel_layer(&u, layer);
        else
            sequential_layer(&u, layer);
    return head(&u, logits, e);
}
