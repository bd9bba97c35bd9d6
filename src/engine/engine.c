/* The engine: opening, prefill in chunks, decoding in tiles, and generation for callers without a scheduler. */
#include "engine/engine.h"

#include <stdlib.h>

#include "base/mem.h"
#include "engine/priv.h"

#define CHUNK_DEFAULT 512
#define CHUNK_MAX     8192

static errc make_frequencies(struct engine *g)
{
    const struct model_config *c = &g->model->config;
    const struct rope_config *both[2] = { &c->rope, &c->rope_local };

    for (int local = 0; local < 2; local++)
        for (int lengthy = 0; lengthy < 2 && both[local]->theta > 0; lengthy++) {
            g->inv_freq[local][lengthy] = xcalloc(c->rotary / 2, sizeof(float));
            rope_frequencies(c, both[local], lengthy ? both[local]->original_positions + 1 : 1, g->inv_freq[local][lengthy],
                             &g->rope_scale[local][lengthy]);
        }
    return ERR_OK;
}

static errc size_cache(struct engine *g, const struct engine_opts *o, struct err *e)
{
    const struct model_config *c = &g->model->config;

    if (!size_mul(2 * KV_BLOCK_TOKENS, model_kv_width(c), &g->layer_floats) || !size_mul(g->layer_floats, c->layers, &g->block_floats))
        return err_set(e, ERR_INVALID, "%s: the size of its key/value cache overflows", g->model->dir);
    g->blocks_max = o->max_kv_tokens ? (o->max_kv_tokens + KV_BLOCK_TOKENS - 1) / KV_BLOCK_TOKENS : SIZE_MAX;
    g->max_len = o->max_model_len && o->max_model_len < c->max_positions ? o->max_model_len : c->max_positions;
    g->chunk = o->prefill_chunk ? o->prefill_chunk : CHUNK_DEFAULT;
    if (g->chunk < GEMM_FEW_ROWS || g->chunk > CHUNK_MAX)
        return err_set(e, ERR_INVALID, "prefill chunk: %zu is outside %d..%d", g->chunk, GEMM_FEW_ROWS, CHUNK_MAX);
    return ERR_OK;
}

errc engine_open(const char *model_dir, const struct engine_opts *o, struct engine **out, struct err *e)
{
    AUTO_FREE(engine) g = xzalloc(sizeof *g);
    struct model_opts mo = { .quantize = o->quantize, .threads = o->threads };

    TRY(compute_new(o->threads, NULL, &g->compute, e));
    compute_set_math(g->compute, o->math);
    TRY(model_load(model_dir, &mo, &g->model, e));
    g->adapters = adapters_new(g->model);
    TRY(size_cache(g, o, e));
    TRY(make_frequencies(g));
    g->infer = infer_new(g, g->chunk);
    if (!g->infer)
        return err_set(e, ERR_UNAVAILABLE, "%s: no memory for activations of %zu tokens", model_dir, g->chunk);
    *out = TAKE(g);
    return ERR_OK;
}

void engine_free(struct engine *g)
{
    if (!g)
        return;
    for (struct kv_block *b = g->free_blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    adapters_free(g->adapters);
    for (int i = 0; i < 4; i++)
        free(g->inv_freq[i / 2][i % 2]);
    infer_free(g->infer);
    model_free(g->model);
    compute_free(g->compute);
    free(g);
}

const struct model *engine_model(const struct engine *g) { return g->model; }
struct compute *engine_compute(struct engine *g) { return g->compute; }
struct adapters *engine_adapters(struct engine *g) { return g->adapters; }
size_t engine_max_len(const struct engine *g) { return g->max_len; }
size_t engine_kv_token_bytes(const struct engine *g) { return g->block_floats * sizeof(float) / KV_BLOCK_TOKENS; }
size_t engine_kv_tokens_used(const struct engine *g) { return g->blocks_used * KV_BLOCK_TOKENS; }
size_t engine_kv_tokens_max(const struct engine *g) { return g->blocks_max == SIZE_MAX ? SIZE_MAX : g->blocks_max * KV_BLOCK_TOKENS; }

/* ── prefill and decode ── */

/* The next chunk of s; rows want logits from position first_wanted on. */
static errc run_chunk(struct engine *g, struct sequence *s, size_t end, size_t first_wanted, float *logits, struct err *e)
{
    size_t n = end - s->cached < g->chunk ? end - s->cached : g->chunk;
    AUTO_MEM struct infer_row *rows = xcalloc(n, sizeof *rows);

    for (size_t i = 0; i < n; i++)
        rows[i] = (struct infer_row){ .seq = s, .position = (int32_t)(s->cached + i), .want = s->cached + i >= first_wanted };
    TRY(infer_run(g, rows, n, logits, e));
    s->cached += n;
    return ERR_OK;
}

errc engine_prefill(struct engine *g, struct sequence *s, float *logits, bool *out_done, struct err *e)
{
    if (s->n == 0)
        return err_set(e, ERR_BAD_REQUEST, "the prompt has no tokens");
    if (s->cached == s->n)                      /* seen already: the last token again, for its logits */
        s->cached--;
    TRY(run_chunk(g, s, s->n, s->n - 1, logits, e));
    *out_done = s->cached == s->n;
    return ERR_OK;
}

errc engine_prefill_each(struct engine *g, struct sequence *s, float *logits, void (*fn)(void *arg, size_t position, const float *logits),
                         void *arg, bool *out_done, struct err *e)
{
    size_t first = s->cached, vocab = g->model->config.vocab, n = s->n - first < GEMM_FEW_ROWS ? s->n - first : GEMM_FEW_ROWS;

    TRY(run_chunk(g, s, first + n, 0, logits, e));
    for (size_t i = 0; i < n; i++)
        fn(arg, first + i, logits + i * vocab);
    memmove(logits, logits + (n - 1) * vocab, vocab * sizeof *logits);
    *out_done = s->cached == s->n;
    return ERR_OK;
}

/* Cached keys of s were turned by angles that its next length does not use: computes them again. */
static errc refill(struct engine *g, struct sequence *s, struct err *e)
{
    size_t before = s->n - 1;

    for (s->cached = 0; s->cached < before; )
        TRY(run_chunk(g, s, before, SIZE_MAX, NULL, e));
    return ERR_OK;
}

static errc decode_tile(struct engine *g, struct sequence *const *seqs, const int32_t *ids, size_t n, float *logits, struct err *e)
{
    struct infer_row rows[GEMM_FEW_ROWS];

    for (size_t i = 0; i < n; i++) {
        struct sequence *s = seqs[i];

        sequence_push(s, ids[i]);
        if (rope_changes(&g->model->config, s->n - 1, s->n))
            TRY(refill(g, s, e));
        rows[i] = (struct infer_row){ .seq = s, .position = (int32_t)s->n - 1, .want = true };
    }
    TRY(infer_run(g, rows, n, logits, e));
    for (size_t i = 0; i < n; i++)
        seqs[i]->cached = seqs[i]->n;
    return ERR_OK;
}

errc engine_decode(struct engine *g, struct sequence *const *seqs, const int32_t *ids, size_t n, float *logits, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        TRY(sequence_check(seqs[i], &ids[i], 1, e));
        if (seqs[i]->cached != seqs[i]->n)
            return err_set(e, ERR_INTERNAL, "a sequence is decoded before its prompt was processed");
        TRY(sequence_reserve(seqs[i], seqs[i]->n + 1, e));
    }
    for (size_t i = 0; i < n; i += GEMM_FEW_ROWS) {
        size_t tile = n - i < GEMM_FEW_ROWS ? n - i : GEMM_FEW_ROWS;

        TRY(decode_tile(g, seqs + i, ids + i, tile, logits + i * g->model->config.vocab, e));
    }
    return ERR_OK;
}

errc engine_score(struct engine *g, const struct adapter *adapter, const int32_t *ids, size_t n, float *logits, struct err *e)
{
    AUTO_FREE(sequence) s = sequence_new(g, adapter);

    TRY(sequence_add(s, ids, n, e));
    while (s->cached < s->n)
        TRY(run_chunk(g, s, s->n, 0, logits + s->cached * g->model->config.vocab, e));
    return ERR_OK;
}

/* ── generation ── */

struct generation {
    struct engine *g;
    struct sequence *s;
    const struct generate_params *p;
    int32_t stops[ARRAY_LEN(((struct model_config *)0)->eos)];
    const int32_t *stop_ids;
    size_t n_stops;
    float *logits;
};

static bool stops_at(const struct generation *x, int32_t id)
{
    for (size_t i = 0; i < x->n_stops; i++)
        if (x->stop_ids[i] == id)
            return true;
    return false;
}

static void choose_stops(struct generation *x)
{
    const struct model_config *c = &x->g->model->config;

    x->stop_ids = x->p->stop_ids;
    x->n_stops = x->p->n_stop_ids;
    if (x->stop_ids)
        return;
    for (x->n_stops = 0; x->n_stops < c->n_eos; x->n_stops++)
        x->stops[x->n_stops] = (int32_t)c->eos[x->n_stops];
    x->stop_ids = x->stops;
}

static errc generate_loop(struct generation *x, bool (*on_token)(void *arg, int32_t id), void *arg, struct err *e)
{
    AUTO_FREE(sampler) sampler = sampler_new(&x->p->sample, x->g->model->config.vocab);

    for (size_t made = 0; made < x->p->max_new_tokens; made++) {
        int32_t id = sampler_pick(sampler, x->logits, x->s->ids, x->s->n, x->stop_ids, made < x->p->min_new_tokens ? x->n_stops : 0, NULL);

        if (!on_token(arg, id) || stops_at(x, id) || made + 1 == x->p->max_new_tokens)
            return ERR_OK;
        TRY(engine_decode(x->g, &x->s, &id, 1, x->logits, e));
    }
    return ERR_OK;
}

errc engine_generate(struct engine *g, const struct adapter *adapter, const int32_t *ids, size_t n,
                     const struct generate_params *p, bool (*on_token)(void *arg, int32_t id), void *arg, struct err *e)
{
    AUTO_FREE(sequence) s = sequence_new(g, adapter);
    AUTO_MEM float *logits = xcalloc(g->model->config.vocab, sizeof *logits);
    struct generation x = { .g = g, .s = s, .p = p, .logits = logits };

    TRY(sample_params_check(&p->sample, e));
    TRY(sequence_add(s, ids, n, e));
    for (bool done = false; !done; )
        TRY(engine_prefill(g, s, logits, &done, e));
    choose_stops(&x);
    return generate_loop(&x, on_token, arg, e);
}
