/*
 * oneDNN's bf16 matrix product behind one call: primitives are made once per shape and kept (a small ring, the oldest goes).
 */
#include <dnnl.h>
#include <omp.h>
#include <stdlib.h>

#include "base/mem.h"
#include "tensor/priv.h"

#define CACHE_SIZE 32

struct shape { size_t m, n, k, lda, ldb, ldc; bool trans_b, accumulate; };

struct cached {
    struct shape shape;
    dnnl_primitive_t primitive;
    dnnl_memory_desc_t a, b, c;
};

struct dnn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    bool refused;               /* this CPU has no bf16 product */
    struct cached cache[CACHE_SIZE];
    size_t next;
};

void dnn_free(struct dnn *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < CACHE_SIZE; i++)
        if (d->cache[i].primitive)
            dnnl_primitive_destroy(d->cache[i].primitive);
    if (d->stream)
        dnnl_stream_destroy(d->stream);
    if (d->engine)
        dnnl_engine_destroy(d->engine);
    free(d);
}

static struct dnn *dnn_new(void)
{
    struct dnn *d = xzalloc(sizeof *d);

    d->refused = dnnl_engine_create(&d->engine, dnnl_cpu, 0) != dnnl_success ||
                 dnnl_stream_create(&d->stream, d->engine, dnnl_stream_default_flags) != dnnl_success;
    return d;
}

static bool describe(dnnl_memory_desc_t *md, size_t rows, size_t cols, dnnl_data_type_t type, size_t row_stride, size_t col_stride)
{
    dnnl_dims_t dims = { (dnnl_dim_t)rows, (dnnl_dim_t)cols }, strides = { (dnnl_dim_t)row_stride, (dnnl_dim_t)col_stride };

    return dnnl_memory_desc_init_by_strides(md, 2, dims, type, strides) == dnnl_success;
}

static bool add_sum(dnnl_primitive_attr_t attr)
{
    dnnl_post_ops_t ops;

    if (dnnl_post_ops_create(&ops) != dnnl_success)
        return false;
    bool ok = dnnl_post_ops_append_sum(ops, 1) == dnnl_success && dnnl_primitive_attr_set_post_ops(attr, ops) == dnnl_success;
    dnnl_post_ops_destroy(ops);
    return ok;
}

static bool build(struct dnn *d, const struct shape *s, struct cached *out)
{
    dnnl_matmul_desc_t desc;
    dnnl_primitive_attr_t attr;
    dnnl_primitive_desc_t pd;

    if (!describe(&out->a, s->m, s->k, dnnl_bf16, s->lda, 1) ||
        !describe(&out->b, s->k, s->n, dnnl_bf16, s->trans_b ? 1 : s->ldb, s->trans_b ? s->ldb : 1) ||
        !describe(&out->c, s->m, s->n, dnnl_f32, s->ldc, 1) ||
        dnnl_matmul_desc_init(&desc, &out->a, &out->b, NULL, &out->c) != dnnl_success ||
        dnnl_primitive_attr_create(&attr) != dnnl_success)
        return false;
    bool ok = (!s->accumulate || add_sum(attr)) &&
              dnnl_primitive_desc_create(&pd, &desc, attr, d->engine, NULL) == dnnl_success;
    dnnl_primitive_attr_destroy(attr);
    if (!ok)
        return false;
    ok = dnnl_primitive_create(&out->primitive, pd) == dnnl_success;
    dnnl_primitive_desc_destroy(pd);
    out->shape = *s;
    return ok;
}

static bool same(const struct shape *a, const struct shape *b)
{
    return a->m == b->m && a->n == b->n && a->k == b->k && a->lda == b->lda && a->ldb == b->ldb && a->ldc == b->ldc &&
           a->trans_b == b->trans_b && a->accumulate == b->accumulate;
}

static struct cached *find_or_build(struct dnn *d, const struct shape *s)
{
    struct cached *slot, made = { 0 };

    for (size_t i = 0; i < CACHE_SIZE; i++)
        if (d->cache[i].primitive && same(&d->cache[i].shape, s))
            return &d->cache[i];
    if (!build(d, s, &made))
        return NULL;
    slot = &d->cache[d->next++ % CACHE_SIZE];
    if (slot->primitive)
        dnnl_primitive_destroy(slot->primitive);
    *slot = made;
    return slot;
}

static bool execute(struct dnn *d, const struct cached *p, const void *a, const void *b, void *c)
{
    dnnl_exec_arg_t args[3] = { { DNNL_ARG_SRC, NULL }, { DNNL_ARG_WEIGHTS, NULL }, { DNNL_ARG_DST, NULL } };
    const dnnl_memory_desc_t *md[3] = { &p->a, &p->b, &p->c };
    void *data[3] = { (void *)(uintptr_t)a, (void *)(uintptr_t)b, c };
    bool ok = true;

    for (int i = 0; i < 3; i++)
        ok = ok && dnnl_memory_create(&args[i].memory, md[i], d->engine, data[i]) == dnnl_success;
    ok = ok && dnnl_primitive_execute(p->primitive, d->stream, 3, args) == dnnl_success &&
         dnnl_stream_wait(d->stream) == dnnl_success;
    for (int i = 0; i < 3; i++)
        if (args[i].memory)
            dnnl_memory_destroy(args[i].memory);
    return ok;
}

bool dnn_bf16(struct compute *cx, bool trans_b, size_t m, size_t n, size_t k, const uint16_t *a, size_t lda,
              const uint16_t *b, size_t ldb, float beta, float *c, size_t ldc)
{
    struct shape s = { .m = m, .n = n, .k = k, .lda = lda, .ldb = ldb, .ldc = ldc, .trans_b = trans_b, .accumulate = beta != 0 };
    struct cached *p;

    if (!cx->dnn)
        cx->dnn = dnn_new();
    if (cx->dnn->refused || (uintptr_t)b % sizeof *b)
        return false;
    omp_set_num_threads(cx->threads);
    p = find_or_build(cx->dnn, &s);
    cx->dnn->refused = !p;
    return p && execute(cx->dnn, p, a, b, c);
}
