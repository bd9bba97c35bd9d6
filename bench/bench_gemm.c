/*
 * Products beside this machine's limits: `build/bench/bench_gemm [KIND...]` (f32 bf16 bf16-bf16 nf4-f32 nf4-bf16 int8 q4 nf4, and the panels of
 * GGUF formats, Q2_K ...; all without arguments).
 * For each kind one JSON line: GB/s of weights read by products of 1, 4, 8 and 16 rows, GFLOP/s of 512 rows (of dense and NF4 weights also back), and the limits
 * probed right before and after: GB/s that all threads read from memory, GFLOP/s of oneDNN's f32 product.
 * The weights are several matrices of a Phi-3 mini's MLP, together far larger than a cache; CACHED=1 takes one that stays in the
 * third-level cache, which shows what the kernels can do where memory is faster.
 */
#include <dnnl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tensor/gemm.h"
#include "tensor/panels_blocks.h"

#define OUT     8192
#define OUT_CACHED 512
#define IN      3072
#define MANY    512
#define PROBE_BYTES ((size_t)256 << 20)
#define WEIGHTS_BYTES ((size_t)256 << 20)
#define MATRICES_MAX 24

struct bench {
    struct compute *c;
    float *probe, *f32;         /* [PROBE_BYTES]; [OUT, IN] the numbers of every matrix */
    float *x, *y;               /* [MANY, IN], [MANY, OUT] */
    struct weight w[MATRICES_MAX];
    size_t n, out, repeats;
    bool back;                  /* products with w instead of w^T */
};

static double seconds_since(int64_t start_us) { return (double)(clock_mono_us() - start_us) / 1e6; }

static void read_part(void *arg, size_t begin, size_t end)
{
    typedef long long wide __attribute__((vector_size(32)));
    const wide *p = arg;
    wide sum[4] = { 0 };

    for (size_t i = begin; i + 4 <= end; i += 4)
        for (size_t k = 0; k < 4; k++)
            sum[k] += p[i + k];
    sum[0] += sum[1] + sum[2] + sum[3];
    *(volatile long long *)&sum[0] = sum[0][0] + sum[0][1] + sum[0][2] + sum[0][3];
}

static double read_rate(struct bench *b)
{
    int64_t start = clock_mono_us();

    compute_parallel(b->c, PROBE_BYTES / 32, 1, read_part, b->probe);
    return (double)PROBE_BYTES / seconds_since(start);
}

static double flops(size_t rows, size_t out) { return 2.0 * (double)rows * (double)out * IN; }

static double peak_rate(struct bench *b)
{
    int64_t start = clock_mono_us();

    if (dnnl_sgemm('N', 'T', MANY, OUT, IN, 1, b->x, IN, b->f32, IN, 0, b->y, OUT) != dnnl_success)
        abort();
    return flops(MANY, OUT) / seconds_since(start);
}

/* Every matrix once: seconds. */
static double pass(struct bench *b, size_t rows)
{
    int64_t start = clock_mono_us();

    for (size_t k = 0; k < b->repeats; k++)
        for (size_t i = 0; i < b->n; i++)
            if (b->back)
                gemm_backward(b->c, b->x, IN, b->y, b->out, rows, &b->w[i], false);
            else
                gemm_forward(b->c, b->y, b->out, b->x, IN, rows, &b->w[i]);
    return seconds_since(start) / (double)b->repeats;
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

#define REPEATS 5

struct figures { double value, limit; };        /* medians of interleaved measurements */

static struct figures measure(struct bench *b, double (*limit)(struct bench *), size_t rows, double work, int repeats)
{
    double v[REPEATS], l[REPEATS];

    (void)pass(b, rows);
    for (int i = 0; i < repeats; i++) {
        double before = limit(b);
        v[i] = work / pass(b, rows);
        l[i] = (before + limit(b)) / 2;
    }
    qsort(v, (size_t)repeats, sizeof *v, rising);
    qsort(l, (size_t)repeats, sizeof *l, rising);
    return (struct figures){ v[repeats / 2], l[repeats / 2] };
}

/* ── kinds of weights ── */

static void make_f32(const float *f, size_t out, struct weight *w) { *w = weight_f32(xmemdup(f, out * IN * sizeof *f), out, IN); }

static void make_bf16(const float *f, size_t out, struct weight *w)
{
    uint16_t *h = xmalloc(out * IN * sizeof *h);

    for (size_t i = 0; i < out * IN; i++)
        h[i] = f32_to_bf16(f[i]);
    *w = (struct weight){ .out = out, .in = IN, .kind = WEIGHT_DENSE, .dtype = DTYPE_BF16, .data = h };
}

static void make_nf4(const float *f, size_t out, struct weight *w)
{
    struct tensor t = { .dtype = DTYPE_F32, .ndim = 2, .shape = { out, IN }, .len = out * IN, .data = f };
    struct err e = { 0 };

    *w = (struct weight){ .out = out, .in = IN, .kind = WEIGHT_NF4 };
    if (nf4_from_tensor(&t, nf4_code, false, 2, &w->nf4, &e))
        abort();
    w->nf4.dtype = DTYPE_BF16;
}

static void make_nf4_panels(const float *f, size_t out, struct weight *w)
{
    struct weight nf4;
    struct err e = { 0 };

    make_nf4(f, out, &nf4);
    *w = (struct weight){ .out = out, .in = IN, .kind = WEIGHT_PANELS };
    if (panels_from_nf4(&nf4, 2, &w->panels, &e))
        abort();
    weight_done(&nf4);
}

/* Blocks of any bits whose f16 numbers are finite. */
static void make_blocks(const char *format, size_t out, struct weight *w)
{
    struct weight blocks = weight_blocks(block_format_by_name(format), NULL, out, IN);
    size_t bytes = weight_bytes(&blocks);
    uint8_t *data = xmalloc(bytes);
    uint32_t seed = 1;
    struct err e = { 0 };

    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24 & 0x3b);
    blocks.data = blocks.owned = data;
    *w = (struct weight){ .out = out, .in = IN, .kind = WEIGHT_PANELS };
    if (panels_from_blocks(&blocks, 2, &w->panels, &e))
        abort();
    weight_done(&blocks);
}

static void make_panels(const float *f, size_t out, enum panels_kind k, struct weight *w)
{
    struct weight dense = weight_f32(f, out, IN);
    struct err e = { 0 };

    *w = (struct weight){ .out = out, .in = IN, .kind = WEIGHT_PANELS };
    if (panels_from_weight(&dense, k, 2, &w->panels, &e))
        abort();
}

static void make_int8(const float *f, size_t out, struct weight *w) { make_panels(f, out, PANELS_INT8, w); }
static void make_q4(const float *f, size_t out, struct weight *w) { make_panels(f, out, PANELS_Q4, w); }

static const struct kind {
    const char *name;
    void (*make)(const float *f, size_t out, struct weight *w);        /* NULL: blocks of that format */
    enum gemm_math math;
} kinds[] = {
    { "f32", make_f32, GEMM_F32 },
    { "bf16", make_bf16, GEMM_F32 },
    { "bf16-bf16", make_bf16, GEMM_BF16 },
    { "nf4-f32", make_nf4, GEMM_F32 },
    { "nf4-bf16", make_nf4, GEMM_BF16 },
    { "int8", make_int8, GEMM_INT8 },
    { "q4", make_q4, GEMM_INT8 },
    { "nf4", make_nf4_panels, GEMM_INT8 },
    { "Q2_K", NULL, GEMM_INT8 },
    { "Q4_0", NULL, GEMM_INT8 },
    { "Q4_K", NULL, GEMM_INT8 },
    { "Q6_K", NULL, GEMM_INT8 },
    { "Q8_0", NULL, GEMM_INT8 },
    { "IQ4_NL", NULL, GEMM_INT8 },
    { "IQ4_XS", NULL, GEMM_INT8 },
};

static void keep_weights(struct bench *b, size_t n)
{
    for (; b->n > n; b->n--) {
        if (b->w[b->n - 1].kind == WEIGHT_DENSE)
            free((void *)(uintptr_t)b->w[b->n - 1].data);
        weight_done(&b->w[b->n - 1]);
    }
}

/* As in training: the way back. */
static void bench_back(struct bench *b)
{
    b->back = true;
    struct figures f = measure(b, peak_rate, MANY, flops(MANY, b->out), 3);
    b->back = false;
    printf(",\"back%d_gflop_s\":%.0f", MANY, f.value / 1e9);
}

static void bench_kind(struct bench *b, const struct kind *k)
{
    static const size_t few[] = { 1, 4, 8, 16 };

    do {
        struct weight *w = &b->w[b->n++];
        if (k->make)
            k->make(b->f32, b->out, w);
        else
            make_blocks(k->name, b->out, w);
    } while (b->out == OUT && b->n < MATRICES_MAX && b->n * weight_bytes(&b->w[0]) < WEIGHTS_BYTES);
    compute_set_math(b->c, k->math);
    b->repeats = b->out == OUT ? 1 : 20;
    double bytes = (double)(b->n * weight_bytes(&b->w[0]));
    printf("{\"kind\":\"%s\",\"kernels\":\"%s\",\"bits\":%.2f", k->name, compute_kernels(b->c), 8 * (double)weight_bytes(&b->w[0]) / (double)(b->out * IN));
    for (size_t i = 0; i < ARRAY_LEN(few); i++) {
        struct figures f = measure(b, read_rate, few[i], bytes, REPEATS);
        printf(",\"rows%zu_gb_s\":%.1f,\"rows%zu_share\":%.2f", few[i], f.value / 1e9, few[i], f.value / f.limit);
        if (i == 0)
            printf(",\"read_gb_s\":%.1f", f.limit / 1e9);
    }
    keep_weights(b, 1);
    b->repeats = 1;
    struct figures f = measure(b, peak_rate, MANY, flops(MANY, b->out), 3);
    printf(",\"rows%d_gflop_s\":%.0f,\"f32_peak_gflop_s\":%.0f,\"rows%d_share\":%.2f", MANY, f.value / 1e9, f.limit / 1e9, MANY, f.value / f.limit);
    if (b->w[0].kind != WEIGHT_PANELS)
        bench_back(b);
    puts("}");
    fflush(stdout);
    keep_weights(b, 0);
}

static bool wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (streq(argv[i], name))
            return true;
    return argc < 2;
}

int main(int argc, char **argv)
{
    struct bench b = { 0 };
    struct err e = { 0 };
    uint64_t seed = 1;

    if (compute_new(0, getenv("KERNELS"), &b.c, &e)) {
        fprintf(stderr, "bench_gemm: %s\n", e.text);
        return 1;
    }
    b.out = getenv("CACHED") ? OUT_CACHED : OUT;
    b.probe = xmalloc(PROBE_BYTES);
    memset(b.probe, 1, PROBE_BYTES);
    b.f32 = xmalloc((size_t)OUT * IN * sizeof *b.f32);
    b.x = xmalloc((size_t)MANY * IN * sizeof *b.x);
    b.y = xcalloc((size_t)MANY * OUT, sizeof *b.y);
    for (size_t i = 0; i < (size_t)OUT * IN; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        b.f32[i] = (float)((double)(seed >> 33) / 0x1p31 - 0.5) * 0.1f;
        if (i < (size_t)MANY * IN)
            b.x[i] = b.f32[i];
    }
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (wanted(kinds[i].name, argc, argv))
            bench_kind(&b, &kinds[i]);
    free(b.probe);
    free(b.f32);
    free(b.x);
    free(b.y);
    compute_free(b.c);
    return 0;
}
