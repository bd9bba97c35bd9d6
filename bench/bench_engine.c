/*
 * Tokens per second of prefill and of decode with 1 and 8 sequences, beside the machine's read bandwidth measured just
 * before and after: `OMP_WAIT_POLICY=passive build/bench/bench_engine MODEL_DIR f32|bf16|nf4 [PROMPT] [STEPS]`.
 * Writes one JSON line. A model of any size is made by bench/make_model.py.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/engine.h"

#define STREAMS 8
#define PROBE_BYTES ((size_t)512 << 20)

static void read_part(void *arg, size_t begin, size_t end)
{
    const uint64_t *p = arg;
    uint64_t sum[8] = { 0 };

    for (size_t i = begin; i + 8 <= end; i += 8)
        for (size_t k = 0; k < 8; k++)
            sum[k] += p[i + k];
    *(volatile uint64_t *)&sum[0] = sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
}

/* Bytes per second that all threads together read from memory. */
static double bandwidth(struct compute *c, void *probe)
{
    int64_t start = clock_mono_us();

    compute_parallel(c, PROBE_BYTES / 8, 1, read_part, probe);
    return (double)PROBE_BYTES / ((double)(clock_mono_us() - start) / 1e6);
}

static void must(errc rc, const struct err *e)
{
    if (rc) {
        fprintf(stderr, "bench_engine: %s\n", e->text);
        exit(1);
    }
}

static double prefill(struct engine *g, struct sequence *s, const int32_t *ids, size_t n, float *logits)
{
    struct err e = { 0 };
    int64_t start = clock_mono_us();

    must(sequence_add(s, ids, n, &e), &e);
    for (bool done = false; !done; )
        must(engine_prefill(g, s, logits, &done, &e), &e);
    return (double)n / ((double)(clock_mono_us() - start) / 1e6);
}

static double decode(struct engine *g, struct sequence **s, size_t n, const int32_t *ids, size_t steps, float *logits)
{
    struct err e = { 0 };
    int64_t start = clock_mono_us();

    for (size_t i = 0; i < steps; i++)
        must(engine_decode(g, s, ids + i, n, logits, &e), &e);
    return (double)(n * steps) / ((double)(clock_mono_us() - start) / 1e6);
}

static size_t weight_bytes_of(const struct model *m)
{
    size_t sum = weight_bytes(&m->head);

    for (size_t i = 0; i < m->n_linears; i++)
        sum += weight_bytes(&m->linears[i].w);
    return sum;
}

static size_t number(const char *s, size_t fallback)
{
    uint64_t n;

    return s && str_to_u64(str_of(s), &n) && n > 0 ? (size_t)n : fallback;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench_engine MODEL_DIR f32|bf16|nf4 [PROMPT] [STEPS]\n");
        return 2;
    }
    struct engine_opts o = { .math = streq(argv[2], "bf16") ? GEMM_BF16 : GEMM_F32,
                             .quantize = streq(argv[2], "nf4") ? QUANTIZE_NF4_DOUBLE : QUANTIZE_NONE };
    size_t prompt = number(argc > 3 ? argv[3] : NULL, 512), steps = number(argc > 4 ? argv[4] : NULL, 32);
    AUTO_FREE(engine) g = NULL;
    struct sequence *s[STREAMS];
    struct err e = { 0 };
    int64_t start = clock_mono_us();

    must(engine_open(argv[1], &o, &g, &e), &e);
    double open_ms = (double)(clock_mono_us() - start) / 1e3;
    size_t vocab = engine_model(g)->config.vocab, n_ids = prompt + steps + STREAMS;
    AUTO_MEM float *logits = xcalloc(STREAMS * vocab, sizeof *logits);
    AUTO_MEM int32_t *ids = xcalloc(n_ids, sizeof *ids);
    AUTO_MEM char *probe = xmalloc(PROBE_BYTES);
    memset(probe, 1, PROBE_BYTES);
    for (size_t i = 0; i < n_ids; i++)
        ids[i] = (int32_t)(i * 7919 % vocab);
    for (size_t i = 0; i < STREAMS; i++)
        s[i] = sequence_new(g, NULL);

    (void)prefill(g, s[0], ids, prompt < 32 ? prompt : 32, logits);     /* touches every page, makes every primitive */
    sequence_free(s[0]);
    s[0] = sequence_new(g, NULL);
    double prefill_rate = prefill(g, s[0], ids, prompt, logits);
    for (size_t i = 1; i < STREAMS; i++)
        (void)prefill(g, s[i], ids + i, prompt < 32 ? prompt : 32, logits);
    double before = bandwidth(engine_compute(g), probe), one = decode(g, s, 1, ids, steps, logits);
    double after = bandwidth(engine_compute(g), probe), many = decode(g, s, STREAMS, ids, steps, logits);
    double bytes = (double)weight_bytes_of(engine_model(g));
    printf("{\"model\":\"%s\",\"mode\":\"%s\",\"kernels\":\"%s\",\"threads\":%d,\"open_ms\":%.1f,\"prompt\":%zu,\"prefill_tokens_s\":%.1f,"
           "\"decode1_tokens_s\":%.2f,\"decode%d_tokens_s\":%.2f,\"weight_gb\":%.3f,\"read_gb_s\":%.1f,\"decode1_share_of_bandwidth\":%.2f}\n",
           argv[1], argv[2], compute_kernels(engine_compute(g)), compute_threads(engine_compute(g)), open_ms, prompt, prefill_rate,
           one, STREAMS, many, bytes / 1e9, (before + after) / 2e9, bytes * one / ((before + after) / 2));
    for (size_t i = 0; i < STREAMS; i++)
        sequence_free(s[i]);
    return 0;
}
