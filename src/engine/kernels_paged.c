/*
 * Attention over paged keys and values. The work is cut into items: a few rows of one sequence, the query heads of one key/value
 * head. An item walks its spans in order; when there are too few items for the threads (one long sequence), the spans of an item
 * are computed apart and put together afterwards, by the same arithmetic.
 */
#include "engine/kernels_paged.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tensor/vec.h"

#define SPAN_BLOCKS 16
#define SPAN (SPAN_BLOCKS * KV_BLOCK_TOKENS)
#define QUERIES 32              /* of an item */
#define STORE_GRAIN 16
#define AT_ONCE_PRODUCTS ((size_t)1 << 17)

typedef void product_fn(float *out, size_t ldo, const float *x, size_t ldx, size_t queries, const void *const *panels, size_t n, size_t dim);

/* One row per element type of the cache. */
struct kv_format {
    size_t size;
    void (*put)(void *dst, size_t step, const float *src, size_t n);   /* dst[i * step] = src[i] */
    product_fn *(*scores)(const struct vec_ops *v), *(*values)(const struct vec_ops *v);
};

static void put_f32(void *dst, size_t step, const float *src, size_t n)
{
    float *d = dst;

    for (size_t i = 0; i < n; i++)
        d[i * step] = src[i];
}

static void put_bf16(void *dst, size_t step, const float *src, size_t n)
{
    uint16_t *d = dst;

    for (size_t i = 0; i < n; i++)
        d[i * step] = f32_to_bf16(src[i]);
}

static product_fn *scores_f32(const struct vec_ops *v) { return v->scores_f32; }
static product_fn *values_f32(const struct vec_ops *v) { return v->values_f32; }
static product_fn *scores_bf16(const struct vec_ops *v) { return v->scores_bf16; }
static product_fn *values_bf16(const struct vec_ops *v) { return v->values_bf16; }

static const struct kv_format formats[] = {
    [KV_F32] = { sizeof(float), put_f32, scores_f32, values_f32 },
    [KV_BF16] = { sizeof(uint16_t), put_bf16, scores_bf16, values_bf16 },
};

struct paged_shape paged_shape(size_t layers, size_t heads, size_t kv_heads, size_t head_dim, enum kv_dtype dtype, float scale, float softcap)
{
    return (struct paged_shape){ .layers = layers, .heads = heads, .kv_heads = kv_heads, .head_dim = head_dim,
                                 .value_dim = (head_dim + 15) / 16 * 16, .dtype = dtype, .scale = scale, .softcap = softcap };
}

/* Elements of one kv head in one layer of one block: its keys, then its values. */
static size_t head_elements(const struct paged_shape *s) { return (s->head_dim + s->value_dim) * KV_BLOCK_TOKENS; }

bool paged_block_bytes(const struct paged_shape *s, size_t *out)
{
    return size_mul(head_elements(s) * formats[s->dtype].size, s->kv_heads, out) && size_mul(*out, s->layers, out);
}

static char *keys_at(const struct paged_shape *s, const struct kv_block *b, size_t layer, size_t kv)
{
    return (char *)b->data + (layer * s->kv_heads + kv) * head_elements(s) * formats[s->dtype].size;
}

static char *values_at(const struct paged_shape *s, const struct kv_block *b, size_t layer, size_t kv)
{
    return keys_at(s, b, layer, kv) + s->head_dim * KV_BLOCK_TOKENS * formats[s->dtype].size;
}

/* ── storing ── */

struct store_job {
    const struct paged_shape *s;
    const struct paged_row *rows;
    const float *k, *v;
    size_t layer, ld;
};

static void store_rows(void *arg, size_t begin, size_t end)
{
    const struct store_job *j = arg;
    const struct paged_shape *s = j->s;
    const struct kv_format *f = &formats[s->dtype];

    for (size_t r = begin; r < end; r++)
        for (size_t h = 0; h < s->kv_heads; h++) {
            const struct kv_block *b = j->rows[r].blocks[j->rows[r].position / KV_BLOCK_TOKENS];
            size_t at = j->rows[r].position % KV_BLOCK_TOKENS, from = r * j->ld + h * s->head_dim;

            f->put(keys_at(s, b, j->layer, h) + at * f->size, KV_BLOCK_TOKENS, j->k + from, s->head_dim);
            f->put(values_at(s, b, j->layer, h) + at * s->value_dim * f->size, 1, j->v + from, s->head_dim);
        }
}

void paged_store(struct compute *c, const struct paged_shape *s, size_t layer, const struct paged_row *rows, size_t n, const float *k,
                 const float *v, size_t ld)
{
    struct store_job j = { s, rows, k, v, layer, ld };

    compute_parallel(c, n, STORE_GRAIN, store_rows, &j);
}

/* ── items ── */

struct tile { size_t first, n; };       /* rows: one sequence, positions that follow each other */

struct attend {
    const struct paged_shape *s;
    const struct paged_row *rows;
    const struct vec_ops *vec;
    product_fn *scores, *values;
    size_t layer, window;
    float *o;
    const float *q;
    size_t ldo, ldq;
    struct tile *tiles;
    size_t n_tiles;
    size_t group, heads_per_item, parts_per_kv;         /* query heads of a kv head; of an item; items of a kv head and tile */
    size_t queries, max_spans;          /* of an item, at most */
    float *partial;                     /* [items][max_spans][queries][value_dim + 2] when spans are apart */
};

struct item { const struct tile *tile; size_t kv, head, heads, queries; };

static struct item item_at(const struct attend *a, size_t i)
{
    struct item x = { .tile = &a->tiles[i % a->n_tiles] };
    size_t part = i / a->n_tiles, offset = part % a->parts_per_kv * a->heads_per_item;

    x.kv = part / a->parts_per_kv;
    x.head = x.kv * a->group + offset;
    x.heads = a->group - offset < a->heads_per_item ? a->group - offset : a->heads_per_item;
    x.queries = x.tile->n * x.heads;
    return x;
}

static size_t first_visible(const struct attend *a, size_t position)
{
    return a->window && position + 1 > a->window ? position + 1 - a->window : 0;
}

static size_t position_of(const struct attend *a, const struct item *x, size_t query)
{
    return a->rows[x->tile->first + query / x->heads].position;
}

/* Spans that any row of the item sees: [first, end). */
static size_t first_span(const struct attend *a, const struct item *x) { return first_visible(a, position_of(a, x, 0)) / SPAN; }
static size_t end_span(const struct attend *a, const struct item *x) { return position_of(a, x, x->queries - 1) / SPAN + 1; }

/* Running softmax of the queries of an item: o [queries, value_dim] is the sum weighted relative to `top`. */
struct softmax { float *o, *top, *sum; };

struct scratch {
    float *q;                           /* [queries, head_dim], scaled */
    float *p;                           /* [queries, SPAN] */
    struct softmax all, span;
};

static float *cut(float **at, size_t n)
{
    float *p = *at;

    *at += n;
    return p;
}

static size_t softmax_floats(const struct attend *a) { return a->queries * (a->s->value_dim + 2); }
static size_t scratch_floats(const struct attend *a) { return a->queries * (a->s->head_dim + SPAN) + 2 * softmax_floats(a); }

static struct softmax softmax_in(const struct attend *a, float *memory)
{
    struct softmax x = { .o = cut(&memory, a->queries * a->s->value_dim) };

    x.top = cut(&memory, a->queries);
    x.sum = cut(&memory, a->queries);
    return x;
}

static struct scratch scratch_in(const struct attend *a, float *memory)
{
    struct scratch x = { .q = cut(&memory, a->queries * a->s->head_dim) };

    x.p = cut(&memory, a->queries * SPAN);
    x.all = softmax_in(a, cut(&memory, softmax_floats(a)));
    x.span = softmax_in(a, cut(&memory, softmax_floats(a)));
    return x;
}

static float *must_alloc(size_t floats)
{
    float *p = mem_try_alloc(floats, sizeof *p);

    if (!p)
        abort();
    return p;
}

/* ── one span of an item ── */

static void load_queries(const struct attend *a, const struct item *x, float *q)
{
    size_t dim = a->s->head_dim;

    for (size_t i = 0; i < x->queries; i++) {
        const float *from = a->q + (x->tile->first + i / x->heads) * a->ldq + (x->head + i % x->heads) * dim;

        for (size_t d = 0; d < dim; d++)
            q[i * dim + d] = from[d] * a->s->scale;
    }
}

/* Scores of one query become weights; what it does not see gets 0. False: it sees nothing of this span. */
static bool weigh(const struct attend *a, float *p, size_t from, size_t to, size_t n, float *out_top, float *out_sum)
{
    if (from >= to) {
        memset(p, 0, n * sizeof *p);
        return false;
    }
    if (a->s->softcap > 0)
        a->vec->soft_cap(p + from, a->s->softcap, to - from);
    *out_top = a->vec->max(p + from, to - from);
    *out_sum = a->vec->exp_sum(p + from, *out_top, to - from);
    memset(p, 0, from * sizeof *p);
    memset(p + to, 0, (n - to) * sizeof *p);
    return true;
}

/* Falcon's ALiBi: slope times position is rounded to bf16 there, whatever the model computes in. */
static void add_slope(float *p, float slope, float scale, size_t start, size_t n)
{
    for (size_t t = 0; t < n; t++)
        p[t] += scale * f32_round_bf16(slope * (float)(start + t));
}

static void attend_span(const struct attend *a, const struct item *x, size_t span, const float *q, float *p, struct softmax *out)
{
    const struct paged_row *last = &a->rows[x->tile->first + x->tile->n - 1];
    size_t start = span * SPAN, dim = a->s->value_dim, left = last->position / KV_BLOCK_TOKENS + 1 - span * SPAN_BLOCKS;
    size_t n = left < SPAN_BLOCKS ? left : SPAN_BLOCKS;
    const void *keys[SPAN_BLOCKS], *values[SPAN_BLOCKS];

    for (size_t b = 0; b < n; b++) {
        keys[b] = keys_at(a->s, last->blocks[span * SPAN_BLOCKS + b], a->layer, x->kv);
        values[b] = values_at(a->s, last->blocks[span * SPAN_BLOCKS + b], a->layer, x->kv);
    }
    a->scores(p, SPAN, q, a->s->head_dim, x->queries, keys, n, a->s->head_dim);
    for (size_t i = 0; i < x->queries; i++) {
        size_t position = position_of(a, x, i), lo = first_visible(a, position), hi = position + 1;
        size_t from = lo > start ? lo - start : 0, to = hi > start ? hi - start : 0;

        if (a->s->slopes)
            add_slope(p + i * SPAN, a->s->slopes[x->head + i % x->heads], a->s->scale, start, n * KV_BLOCK_TOKENS);
        if (!weigh(a, p + i * SPAN, from, to < n * KV_BLOCK_TOKENS ? to : n * KV_BLOCK_TOKENS, n * KV_BLOCK_TOKENS, &out->top[i], &out->sum[i])) {
            out->top[i] = -INFINITY;
            out->sum[i] = 0;
        }
    }
    memset(out->o, 0, x->queries * dim * sizeof *out->o);
    a->values(out->o, dim, p, SPAN, x->queries, values, n, dim);
}

/* all += span, in the order of spans; a span that a query does not see changes nothing. */
static void merge(const struct attend *a, size_t queries, struct softmax *all, const struct softmax *span)
{
    size_t dim = a->s->value_dim;

    for (size_t i = 0; i < queries; i++) {
        if (span->sum[i] == 0)
            continue;
        float top = all->top[i] > span->top[i] ? all->top[i] : span->top[i];
        float keep = expf(all->top[i] - top), add = expf(span->top[i] - top);

        a->vec->scale(all->o + i * dim, keep, dim);
        a->vec->axpy(all->o + i * dim, span->o + i * dim, add, dim);
        all->sum[i] = all->sum[i] * keep + span->sum[i] * add;
        all->top[i] = top;
    }
}

static void begin_softmax(const struct attend *a, size_t queries, struct softmax *all)
{
    memset(all->o, 0, queries * a->s->value_dim * sizeof *all->o);
    for (size_t i = 0; i < queries; i++) {
        all->top[i] = -INFINITY;
        all->sum[i] = 0;
    }
}

static void write_out(const struct attend *a, const struct item *x, const struct softmax *all)
{
    size_t dim = a->s->head_dim;

    for (size_t i = 0; i < x->queries; i++) {
        float *o = a->o + (x->tile->first + i / x->heads) * a->ldo + (x->head + i % x->heads) * dim;
        const float *from = all->o + i * a->s->value_dim;
        float inverse = 1 / all->sum[i];

        for (size_t d = 0; d < dim; d++)
            o[d] = from[d] * inverse;
    }
}

static void attend_items(void *arg, size_t begin, size_t end)
{
    const struct attend *a = arg;
    AUTO_MEM float *memory = must_alloc(scratch_floats(a));
    struct scratch w = scratch_in(a, memory);

    for (size_t i = begin; i < end; i++) {
        struct item x = item_at(a, i);

        load_queries(a, &x, w.q);
        begin_softmax(a, x.queries, &w.all);
        for (size_t span = first_span(a, &x); span < end_span(a, &x); span++) {
            attend_span(a, &x, span, w.q, w.p, &w.span);
            merge(a, x.queries, &w.all, &w.span);
        }
        write_out(a, &x, &w.all);
    }
}

/* ── spans apart ── */

static void attend_spans(void *arg, size_t begin, size_t end)
{
    const struct attend *a = arg;
    AUTO_MEM float *memory = must_alloc(scratch_floats(a));
    struct scratch w = scratch_in(a, memory);

    for (size_t i = begin; i < end; i++) {
        struct item x = item_at(a, i / a->max_spans);
        size_t span = first_span(a, &x) + i % a->max_spans;
        struct softmax out = softmax_in(a, a->partial + i * softmax_floats(a));

        if (span >= end_span(a, &x))
            continue;
        load_queries(a, &x, w.q);
        attend_span(a, &x, span, w.q, w.p, &out);
    }
}

static void merge_items(void *arg, size_t begin, size_t end)
{
    const struct attend *a = arg;
    AUTO_MEM float *memory = must_alloc(softmax_floats(a));
    struct softmax all = softmax_in(a, memory);

    for (size_t i = begin; i < end; i++) {
        struct item x = item_at(a, i);
        size_t spans = end_span(a, &x) - first_span(a, &x);

        begin_softmax(a, x.queries, &all);
        for (size_t k = 0; k < spans; k++) {
            struct softmax one = softmax_in(a, a->partial + (i * a->max_spans + k) * softmax_floats(a));
            merge(a, x.queries, &all, &one);
        }
        write_out(a, &x, &all);
    }
}

/* ── the whole ── */

/* Rows cut where the sequence changes or the item is full. */
static void make_tiles(struct attend *a, size_t n)
{
    size_t most = QUERIES / a->heads_per_item;

    for (size_t r = 0; r < n; r++) {
        struct tile *t = a->n_tiles ? &a->tiles[a->n_tiles - 1] : NULL;
        bool goes_on = t && t->n < most && a->rows[r].blocks == a->rows[r - 1].blocks && a->rows[r].position == a->rows[r - 1].position + 1;

        if (goes_on)
            t->n++;
        else
            a->tiles[a->n_tiles++] = (struct tile){ r, 1 };
    }
}

/* The largest item, in queries and in spans. */
static void measure(struct attend *a)
{
    for (size_t i = 0; i < a->n_tiles; i++) {
        struct item x = item_at(a, i);
        size_t spans = end_span(a, &x) - first_span(a, &x);

        a->queries = x.queries > a->queries ? x.queries : a->queries;
        a->max_spans = spans > a->max_spans ? spans : a->max_spans;
    }
}

/* A few short items are done before another thread has woken. */
static size_t items_at_once(const struct attend *a)
{
    size_t products = a->queries * a->max_spans * SPAN * a->s->head_dim;

    return products >= AT_ONCE_PRODUCTS ? 1 : AT_ONCE_PRODUCTS / products;
}

void paged_attention(struct compute *c, const struct paged_shape *s, size_t layer, size_t window, const struct paged_row *rows, size_t n,
                     float *o, size_t ldo, const float *q, size_t ldq)
{
    size_t group = s->heads / s->kv_heads;
    AUTO_MEM struct tile *tiles = xcalloc(n, sizeof *tiles);
    struct attend a = { .s = s, .rows = rows, .vec = compute_vec(c), .layer = layer, .window = window, .o = o, .q = q, .ldo = ldo, .ldq = ldq,
                        .tiles = tiles, .group = group, .heads_per_item = group < QUERIES ? group : QUERIES };

    a.scores = formats[s->dtype].scores(a.vec);
    a.values = formats[s->dtype].values(a.vec);
    a.parts_per_kv = (group + a.heads_per_item - 1) / a.heads_per_item;
    make_tiles(&a, n);
    size_t items = a.n_tiles * s->kv_heads * a.parts_per_kv;
    measure(&a);
    if (a.max_spans > 1 && compute_threads(c) > 1 && items < 4 * (size_t)compute_threads(c)) {
        AUTO_MEM float *partial = a.partial = must_alloc(items * a.max_spans * softmax_floats(&a));
        compute_share(c, items * a.max_spans, 1, attend_spans, &a);
        compute_share(c, items, 1, merge_items, &a);
    } else {
        compute_share(c, items, items_at_once(&a), attend_items, &a);
    }
}
