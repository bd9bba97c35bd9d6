/*
 * Attention over the paged cache beside the machine's limits, probed right before and after each figure.
 *
 *   build/bench/bench_attention [--threads N] [--seconds S]
 *
 * One JSON line for a case. Rows that follow each other at the end of a sequence of `depth` tokens: one for decoding, 512 for a chunk of a prompt. For
 * few rows what counts is bytes of keys and values over read bandwidth (layers are taken in turn, so that no cache holds them); for many
 * it is multiplications over the peak of an f32 product.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/options.h"
#include "engine/kernels_paged.h"
#include "limits.h"

#define CACHE_BYTES ((size_t)512 << 20)         /* of all layers together, at least */
#define LAYERS_MAX 512

struct bench_case {
    const char *name;
    size_t heads, kv_heads, dim, depth, rows, streams, window;
    enum kv_dtype dtype;
};

static const struct bench_case cases[] = {
    /* phi-3-mini's heads (each has its own keys), llama-3's groups of four, one key head for all as falcon's */
    { "decode mha", 32, 32, 96, 512, 1, 1, 0, KV_F32 },
    { "decode mha", 32, 32, 96, 2048, 1, 1, 0, KV_F32 },
    { "decode mha", 32, 32, 96, 4096, 1, 1, 0, KV_F32 },
    { "decode mha", 32, 32, 96, 16384, 1, 1, 0, KV_F32 },
    { "decode mha", 32, 32, 96, 4096, 1, 1, 0, KV_BF16 },
    { "decode gqa", 32, 8, 128, 512, 1, 1, 0, KV_F32 },
    { "decode gqa", 32, 8, 128, 4096, 1, 1, 0, KV_F32 },
    { "decode gqa", 32, 8, 128, 16384, 1, 1, 0, KV_F32 },
    { "decode gqa", 32, 8, 128, 4096, 1, 1, 0, KV_BF16 },
    { "decode mqa", 64, 1, 64, 4096, 1, 1, 0, KV_F32 },
    { "decode mqa", 64, 1, 64, 16384, 1, 1, 0, KV_F32 },
    { "decode mha, window", 32, 32, 96, 16384, 1, 1, 2048, KV_F32 },
    { "decode gqa, 8 streams", 32, 8, 128, 2048, 1, 8, 0, KV_F32 },
    { "decode mha, 8 streams", 32, 32, 96, 150, 1, 8, 0, KV_BF16 },
    { "decode mha, 8 streams", 32, 32, 96, 512, 1, 8, 0, KV_BF16 },
    { "chunk mha", 32, 32, 96, 4096, 512, 1, 0, KV_F32 },
    { "chunk gqa", 32, 8, 128, 4096, 512, 1, 0, KV_F32 },
    { "chunk gqa", 32, 8, 128, 4096, 512, 1, 0, KV_BF16 },
    { "chunk gqa", 32, 8, 128, 512, 512, 1, 0, KV_F32 },
};

struct bench {
    const struct bench_case *c;
    struct paged_shape shape;
    struct kv_cache *cache;
    struct kv_block **blocks;           /* [streams][blocks of a stream] */
    size_t n_blocks, rows;              /* of a stream; of all */
    struct paged_row *row;
    float *q, *o;
};

static void must(errc rc, const struct err *e)
{
    if (rc) {
        fprintf(stderr, "bench_attention: %s\n", e->text);
        exit(1);
    }
}

static size_t seen(const struct bench_case *c) { return c->window && c->window < c->depth ? c->window : c->depth; }

/* Bytes of keys and values that one call reads. */
static double read_bytes(const struct bench *b)
{
    const struct bench_case *c = b->c;
    size_t element = c->dtype == KV_F32 ? sizeof(float) : sizeof(uint16_t);

    return (double)(c->streams * seen(c) * c->kv_heads * (c->dim + b->shape.value_dim) * element);
}

/* Multiplications and additions of scores and of values, causal. */
static double operations(const struct bench_case *c)
{
    double keys = 0;

    for (size_t r = 0; r < c->rows; r++)
        keys += (double)(seen(c) - (c->rows - 1 - r));
    return 4 * keys * (double)(c->streams * c->heads * c->dim);
}

static void fill(struct kv_block *block, size_t bytes, enum kv_dtype dtype)
{
    for (size_t i = 0; dtype == KV_F32 && i < bytes / sizeof(float); i++)
        ((float *)block->data)[i] = (float)(i * 7919 % 1009) / 1009 - 0.5f;
    for (size_t i = 0; dtype == KV_BF16 && i < bytes / sizeof(uint16_t); i++)
        ((uint16_t *)block->data)[i] = (uint16_t)(0x3C00 + i * 7919 % 509);
}

static void open_bench(struct bench *b, const struct bench_case *c)
{
    size_t width = c->heads * c->dim, bytes, layers;
    struct err e = { 0 };

    *b = (struct bench){ .c = c, .n_blocks = (c->depth + KV_BLOCK_TOKENS - 1) / KV_BLOCK_TOKENS, .rows = c->rows * c->streams };
    b->shape = paged_shape(1, c->heads, c->kv_heads, c->dim, c->dtype, 0.1f, 0);
    layers = c->rows > 1 ? 1 : (size_t)((double)CACHE_BYTES / read_bytes(b)) + 1;
    b->shape.layers = layers < LAYERS_MAX ? layers : LAYERS_MAX;
    (void)paged_block_bytes(&b->shape, &bytes);
    b->cache = kv_cache_new(bytes, SIZE_MAX);
    b->blocks = xcalloc(b->n_blocks * c->streams, sizeof(struct kv_block *));
    for (size_t i = 0; i < b->n_blocks * c->streams; i++) {
        must(kv_cache_take(b->cache, &b->blocks[i], &e), &e);
        fill(b->blocks[i], bytes, c->dtype);
    }
    b->row = xcalloc(b->rows, sizeof *b->row);
    for (size_t r = 0; r < b->rows; r++)
        b->row[r] = (struct paged_row){ b->blocks + r / c->rows * b->n_blocks, c->depth - c->rows + r % c->rows };
    b->q = xcalloc(b->rows * width, sizeof *b->q);
    b->o = xcalloc(b->rows * width, sizeof *b->o);
    for (size_t i = 0; i < b->rows * width; i++)
        b->q[i] = (float)(i * 31 % 97) / 97 - 0.5f;
}

static void close_bench(struct bench *b)
{
    for (size_t i = 0; i < b->n_blocks * b->c->streams; i++)
        kv_cache_unref(b->cache, b->blocks[i]);
    kv_cache_free(b->cache);
    free(b->blocks);
    free(b->row);
    free(b->q);
    free(b->o);
}

/* Seconds of one call, over as many as fill the time. */
static double time_calls(struct compute *compute, const struct bench *b, double seconds)
{
    size_t width = b->c->heads * b->c->dim, n = 0;
    int64_t start = clock_mono_us(), took;

    do {
        paged_attention(compute, &b->shape, n++ % b->shape.layers, b->c->window, b->row, b->rows, b->o, width, b->q, width);
        took = clock_mono_us() - start;
    } while ((double)took < 1e6 * seconds);
    return (double)took / 1e6 / (double)n;
}

static void run(struct compute *compute, struct limits *limits, const struct bench_case *c, double seconds)
{
    bool many = c->rows > 1;
    struct bench b;

    open_bench(&b, c);
    (void)time_calls(compute, &b, seconds / 4);
    double before = many ? limits_product(limits, PRODUCT_F32) : limits_read(limits), took = time_calls(compute, &b, seconds);
    double after = many ? limits_product(limits, PRODUCT_F32) : limits_read(limits), limit = (before + after) / 2;
    double rate = (many ? operations(c) : read_bytes(&b)) / took;
    printf("{\"case\":\"%s\",\"kv\":\"%s\",\"heads\":%zu,\"kv_heads\":%zu,\"dim\":%zu,\"depth\":%zu,\"rows\":%zu,\"streams\":%zu,\"window\":%zu,"
           "\"us\":%.1f,\"%s\":%.2f,\"limit\":%.2f,\"share\":%.2f}\n",
           c->name, c->dtype == KV_F32 ? "f32" : "bf16", c->heads, c->kv_heads, c->dim, c->depth, c->rows, c->streams, c->window, 1e6 * took,
           many ? "gflop_s" : "gb_s", rate / 1e9, limit / 1e9, rate / limit);
    fflush(stdout);
    close_bench(&b);
}

int main(int argc, char **argv)
{
    int64_t threads = 0, ms = 400;
    const char *only = "";
    const struct option_row rows[] = {
        { .name = "threads", .kind = OPT_INT, .value = &threads, .arg = "N", .help = "Threads; 0: one per CPU.", .min = 0, .max = 1024 },
        { .name = "ms", .kind = OPT_INT, .value = &ms, .arg = "N", .help = "Milliseconds for each case.", .min = 1, .max = 60000 },
        { .name = "only", .kind = OPT_STR, .value = &only, .arg = "TEXT", .help = "Cases whose name begins with this." },
    };
    const struct command_help help = { .usage = "bench_attention [options]", .summary = "Attention over the cache beside the machine's limits." };
    struct strlist rest = { 0 };
    struct compute *compute = NULL;
    struct err e = { 0 };
    errc rc = options_parse(rows, ARRAY_LEN(rows), &help, argc, argv, &rest, &e);

    strlist_done(&rest);
    if (rc == OPTIONS_HELP)
        return 0;
    must(rc, &e);
    must(compute_new((int)threads, NULL, &compute, &e), &e);
    AUTO_FREE(limits) limits = limits_new(compute);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (str_has_prefix(str_of(cases[i].name), str_of(only)))
            run(compute, limits, &cases[i], (double)ms / 1e3);
    compute_free(compute);
    return 0;
}
