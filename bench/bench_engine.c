/*
 * Tokens per second of the engine itself, without a server, beside the machine's limits probed in between: a run is a prompt
 * for each stream and then steps in which every stream gets one token more.
 *
 *   build/bench/bench_engine --model DIR --mode bf16 --prompt 512 --steps 64 --streams 1 --runs 3
 *
 * One JSON line for a run: prompt and answer in tokens per second; read_gb_s and product_gflop_s before and after the run;
 * step_bytes, what one step must read from memory: all weights once, and the keys and values of every stream at half way (kept in
 * bf16, as the server does, in all modes but f32).
 * bench/make_model.py writes models of any size.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/options.h"
#include "engine/engine.h"
#include "limits.h"

#define STREAMS_MAX 64
#define WARM_TOKENS 64

struct bench {
    struct engine *engine;
    struct limits *limits;
    const char *mode;
    size_t prompt, steps, streams;
    int32_t *ids;               /* [streams + prompt + steps] */
    float *logits;              /* [STREAMS_MAX, vocab] */
};

static const struct mode {
    const char *name;
    enum gemm_math math;
    enum quantize quantize;
    enum product limit;         /* of the prompt's products */
} modes[] = {
    { "f32", GEMM_F32, QUANTIZE_NONE, PRODUCT_F32 },
    { "bf16", GEMM_BF16, QUANTIZE_NONE, PRODUCT_BF16 },
    { "int8", GEMM_INT8, QUANTIZE_INT8, PRODUCT_F32 },
    { "q4", GEMM_INT8, QUANTIZE_Q4, PRODUCT_F32 },
    { "blocks", GEMM_INT8, QUANTIZE_NONE, PRODUCT_F32 },        /* of a GGUF file */
    { "nf4", GEMM_BF16, QUANTIZE_NF4_DOUBLE, PRODUCT_BF16 },
};

static void must(errc rc, const struct err *e)
{
    if (rc) {
        fprintf(stderr, "bench_engine: %s\n", e->text);
        exit(1);
    }
}

static const struct mode *mode_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(modes); i++)
        if (streq(modes[i].name, name))
            return &modes[i];
    fprintf(stderr, "bench_engine: --mode %s is unknown; one of:", name);
    for (size_t i = 0; i < ARRAY_LEN(modes); i++)
        fprintf(stderr, " %s", modes[i].name);
    fprintf(stderr, "\n");
    exit(2);
}

static double seconds_since(int64_t start_us) { return (double)(clock_mono_us() - start_us) / 1e6; }

static double prefill(struct bench *b, struct sequence *s, const int32_t *ids, size_t n)
{
    struct err e = { 0 };
    int64_t start = clock_mono_us();

    must(sequence_add(s, ids, n, &e), &e);
    for (bool done = false; !done; )
        must(engine_prefill(b->engine, s, b->logits, &done, &e), &e);
    return seconds_since(start);
}

static double decode(struct bench *b, struct sequence **s)
{
    struct err e = { 0 };
    int64_t start = clock_mono_us();

    for (size_t i = 0; i < b->steps; i++)
        must(engine_decode(b->engine, s, b->ids + i, b->streams, b->logits, &e), &e);
    return seconds_since(start);
}

/* Every weight that a token is multiplied with: bytes, and how many numbers. The table of embeddings is only looked up. */
struct size { size_t bytes, parameters; };

static struct size weights_size(const struct model *m)
{
    struct size s = { weight_bytes(&m->head), m->head.out * m->head.in };

    for (size_t i = 0; i < m->n_linears; i++) {
        s.bytes += weight_bytes(&m->linears[i].w);
        s.parameters += m->linears[i].w.out * m->linears[i].w.in;
    }
    return s;
}

static double step_bytes(const struct bench *b)
{
    double half_way = (double)b->prompt + (double)b->steps / 2;

    return (double)weights_size(engine_model(b->engine)).bytes + (double)(b->streams * engine_kv_token_bytes(b->engine)) * half_way;
}

/* The product limit that counts for the mode: f32's where the CPU has no product of that kind. */
static double product_limit(struct bench *b, enum product kind)
{
    double v = limits_product(b->limits, kind);

    return v > 0 ? v : limits_product(b->limits, PRODUCT_F32);
}

static void run(struct bench *b, enum product kind)
{
    struct sequence *s[STREAMS_MAX];
    double made = 0, before = product_limit(b, kind);

    for (size_t i = 0; i < b->streams; i++) {
        s[i] = sequence_new(b->engine, NULL);
        made += prefill(b, s[i], b->ids + i, b->prompt);
    }
    double after = product_limit(b, kind), read_before = limits_read(b->limits), took = decode(b, s), read_after = limits_read(b->limits);
    struct size weights = weights_size(engine_model(b->engine));
    printf("{\"mode\":\"%s\",\"kernels\":\"%s\",\"threads\":%d,\"streams\":%zu,\"prompt\":%zu,\"steps\":%zu,"
           "\"parameters\":%zu,\"weight_bytes\":%zu,\"kv_token_bytes\":%zu,\"step_bytes\":%.0f,",
           b->mode, compute_kernels(engine_compute(b->engine)), compute_threads(engine_compute(b->engine)), b->streams, b->prompt, b->steps,
           weights.parameters, weights.bytes, engine_kv_token_bytes(b->engine), step_bytes(b));
    printf("\"prefill_tokens_s\":%.2f,\"decode_tokens_s\":%.3f,\"read_gb_s\":[%.2f,%.2f],\"product_gflop_s\":[%.1f,%.1f]}\n",
           (double)(b->streams * b->prompt) / made, (double)(b->streams * b->steps) / took, read_before / 1e9, read_after / 1e9, before / 1e9,
           after / 1e9);
    fflush(stdout);
    for (size_t i = 0; i < b->streams; i++)
        sequence_free(s[i]);
}

/* Touches every page. */
static void warm(struct bench *b)
{
    struct sequence *s[1] = { sequence_new(b->engine, NULL) };
    struct bench once = *b;

    once.steps = once.streams = 1;
    (void)prefill(b, s[0], b->ids, b->prompt < WARM_TOKENS ? b->prompt : WARM_TOKENS);
    (void)decode(&once, s);
    sequence_free(s[0]);
}

int main(int argc, char **argv)
{
    const char *model = NULL, *mode = "bf16";
    int64_t prompt = 512, steps = 64, streams = 1, runs = 3, threads = 0;
    const struct option_row rows[] = {
        { .name = "model", .kind = OPT_STR, .value = &model, .arg = "DIR", .help = "The model folder, or a GGUF file.", .required = true },
        { .name = "mode", .kind = OPT_STR, .value = &mode, .arg = "MODE", .help = "Weights and products: f32, bf16, int8, q4, nf4; blocks: of a GGUF file." },
        { .name = "prompt", .kind = OPT_INT, .value = &prompt, .arg = "N", .help = "Tokens of each prompt.", .min = 1, .max = 1 << 20 },
        { .name = "steps", .kind = OPT_INT, .value = &steps, .arg = "N", .help = "Tokens of each answer.", .min = 1, .max = 1 << 20 },
        { .name = "streams", .kind = OPT_INT, .value = &streams, .arg = "N", .help = "Sequences at once.", .min = 1, .max = STREAMS_MAX },
        { .name = "runs", .kind = OPT_INT, .value = &runs, .arg = "N", .help = "Times.", .min = 1, .max = 1000 },
        { .name = "threads", .kind = OPT_INT, .value = &threads, .arg = "N", .help = "Threads; 0: one per CPU.", .min = 0, .max = 1024 },
    };
    const struct command_help help = { .usage = "bench_engine --model DIR [options]", .summary = "Tokens per second beside the machine's limits." };
    struct strlist rest = { 0 };
    struct err e = { 0 };
    errc rc = options_parse(rows, ARRAY_LEN(rows), &help, argc, argv, &rest, &e);

    strlist_done(&rest);
    if (rc == OPTIONS_HELP)
        return 0;
    must(rc, &e);
    const struct mode *m = mode_find(mode);
    struct engine_opts o = { .math = m->math, .quantize = m->quantize, .threads = (int)threads, .kv_dtype = m->math == GEMM_F32 ? KV_F32 : KV_BF16 };
    AUTO_FREE(engine) g = NULL;
    must(engine_open(model, &o, &g, &e), &e);
    AUTO_FREE(limits) limits = limits_new(engine_compute(g));
    size_t vocab = engine_model(g)->config.vocab, n_ids = (size_t)(streams + prompt + steps);
    AUTO_MEM float *logits = xcalloc(STREAMS_MAX * vocab, sizeof *logits);
    AUTO_MEM int32_t *ids = xcalloc(n_ids, sizeof *ids);
    for (size_t i = 0; i < n_ids; i++)
        ids[i] = (int32_t)(i * 7919 % vocab);
    struct bench b = { .engine = g, .limits = limits, .mode = mode, .prompt = (size_t)prompt, .steps = (size_t)steps,
                       .streams = (size_t)streams, .ids = ids, .logits = logits };
    warm(&b);
    for (int64_t i = 0; i < runs; i++)
        run(&b, m->limit);
    return 0;
}
