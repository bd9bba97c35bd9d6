/* The machine's limits. */
#include "limits.h"

#include <dnnl.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

#define PROBE_BYTES ((size_t)512 << 20)         /* far above any cache */
#define PLACES 8
#define M 512
#define N 8192
#define K 3072

typedef long long wide __attribute__((vector_size(64)));

struct dense {                  /* a prepacked product, made at first use */
    bool tried;
    dnnl_primitive_t run;       /* NULL: none on this CPU */
    dnnl_memory_t x, w, y;
};

struct limits {
    struct compute *c;
    wide *probe;                /* [PROBE_BYTES] */
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    struct dense dense[PRODUCT_COUNT_];
};

static const struct { const char *name; dnnl_data_type_t x, w, y; } products[] = {
    [PRODUCT_F32] = { "f32", dnnl_f32, dnnl_f32, dnnl_f32 },
    [PRODUCT_BF16] = { "bf16", dnnl_bf16, dnnl_bf16, dnnl_f32 },
    [PRODUCT_INT8] = { "int8", dnnl_u8, dnnl_s8, dnnl_s32 },
};

const char *product_name(enum product kind) { return products[kind].name; }

static double seconds_since(int64_t start_us) { return (double)(clock_mono_us() - start_us) / 1e6; }

static void must(dnnl_status_t s, const char *what)
{
    if (s != dnnl_success) {
        fprintf(stderr, "oneDNN: %s: status %d\n", what, (int)s);
        exit(1);
    }
}

static double median3(double a, double b, double c)
{
    if (a > b)
        return median3(b, a, c);
    return c < a ? a : c > b ? b : c;
}

/* ── memory ── */

static void read_places(const wide *p, size_t n, size_t places)
{
    wide sum[4] = { 0 };
    size_t part = n / places;

    for (size_t i = 0; i + 4 <= part; i += 4)
        for (size_t at = 0; at < places; at++)
            for (size_t k = 0; k < 4; k++)
                sum[k] += p[at * part + i + k];
    sum[0] += sum[1] + sum[2] + sum[3];
    *(volatile long long *)&sum[0] = sum[0][0];
}

static void read_one_place(void *arg, size_t begin, size_t end) { read_places((const wide *)arg + begin, end - begin, 1); }
static void read_many_places(void *arg, size_t begin, size_t end) { read_places((const wide *)arg + begin, end - begin, PLACES); }

static double read_rate(struct limits *l, void (*fn)(void *arg, size_t begin, size_t end))
{
    int64_t start = clock_mono_us();

    compute_parallel(l->c, PROBE_BYTES / sizeof(wide), 1, fn, l->probe);
    return (double)PROBE_BYTES / seconds_since(start);
}

/* Which order is faster differs between processors: the better one counts. */
static double read_once(struct limits *l)
{
    double one = read_rate(l, read_one_place), many = read_rate(l, read_many_places);

    return one > many ? one : many;
}

double limits_read(struct limits *l)
{
    if (!l->probe) {
        l->probe = aligned_alloc(sizeof(wide), PROBE_BYTES);
        if (!l->probe)
            abort();
        memset(l->probe, 1, PROBE_BYTES);
    }
    double a = read_once(l), b = read_once(l);
    return median3(a, b, read_once(l));
}

/* ── products ── */

static dnnl_memory_desc_t matrix(dnnl_dim_t rows, dnnl_dim_t cols, dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t d;
    dnnl_dims_t dims = { rows, cols };

    must(dnnl_memory_desc_init_by_tag(&d, 2, dims, type, tag), "matrix");
    return d;
}

/* Numbers between -2 and 2, where they are bytes any, as products have them; none is denormal. */
static void fill(void *memory, size_t bytes, dnnl_data_type_t type)
{
    uint16_t *half = memory;
    uint32_t seed = 1;

    for (size_t i = 0; i < bytes / sizeof *half; i++) {
        seed = seed * 1664525u + 1013904223u;
        half[i] = (uint16_t)(seed >> 16);
        if (type == dnnl_bf16 || (type == dnnl_f32 && i % 2))       /* the upper half of a float */
            half[i] = (uint16_t)((half[i] & 0x80ffu) | 0x3f00u);
    }
}

static dnnl_memory_t memory(struct limits *l, const dnnl_memory_desc_t *d, dnnl_data_type_t type)
{
    dnnl_memory_t m;
    void *p;

    must(dnnl_memory_create(&m, d, l->engine, DNNL_MEMORY_ALLOCATE), "memory");
    must(dnnl_memory_get_data_handle(m, &p), "memory");
    fill(p, dnnl_memory_desc_get_size(d), type);
    return m;
}

static void make(struct limits *l, enum product kind)
{
    struct dense *d = &l->dense[kind];
    dnnl_memory_desc_t x = matrix(M, K, products[kind].x, dnnl_ab), w = matrix(K, N, products[kind].w, dnnl_format_tag_any),
                       y = matrix(M, N, products[kind].y, dnnl_ab);
    dnnl_matmul_desc_t op;
    dnnl_primitive_desc_t pd;

    d->tried = true;
    if (!l->engine) {
        must(dnnl_engine_create(&l->engine, dnnl_cpu, 0), "engine");
        must(dnnl_stream_create(&l->stream, l->engine, dnnl_stream_default_flags), "stream");
    }
    must(dnnl_matmul_desc_init(&op, &x, &w, NULL, &y), "product");
    if (dnnl_primitive_desc_create(&pd, &op, NULL, l->engine, NULL) != dnnl_success)
        return;
    must(dnnl_primitive_create(&d->run, pd), "product");
    d->x = memory(l, &x, products[kind].x);
    d->w = memory(l, dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0), products[kind].w);
    d->y = memory(l, &y, products[kind].y);
    dnnl_primitive_desc_destroy(pd);
}

static double product_once(struct limits *l, const struct dense *d)
{
    const dnnl_exec_arg_t args[] = { { DNNL_ARG_SRC, d->x }, { DNNL_ARG_WEIGHTS, d->w }, { DNNL_ARG_DST, d->y } };
    int64_t start = clock_mono_us();

    must(dnnl_primitive_execute(d->run, l->stream, (int)ARRAY_LEN(args), args), "product");
    must(dnnl_stream_wait(l->stream), "product");
    return 2.0 * M * N * K / seconds_since(start);
}

double limits_product(struct limits *l, enum product kind)
{
    struct dense *d = &l->dense[kind];

    omp_set_num_threads(compute_threads(l->c));
    if (!d->tried) {
        make(l, kind);
        if (d->run)
            (void)product_once(l, d);
    }
    if (!d->run)
        return 0;
    double a = product_once(l, d), b = product_once(l, d);
    return median3(a, b, product_once(l, d));
}

/* ── life ── */

struct limits *limits_new(struct compute *c)
{
    struct limits *l = xzalloc(sizeof *l);

    l->c = c;
    return l;
}

void limits_free(struct limits *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < PRODUCT_COUNT_; i++)
        if (l->dense[i].run) {
            dnnl_primitive_destroy(l->dense[i].run);
            dnnl_memory_destroy(l->dense[i].x);
            dnnl_memory_destroy(l->dense[i].w);
            dnnl_memory_destroy(l->dense[i].y);
        }
    if (l->stream)
        dnnl_stream_destroy(l->stream);
    if (l->engine)
        dnnl_engine_destroy(l->engine);
    free(l->probe);
    free(l);
}
