/* The engine: opening, and whole prompts, steps and generations for callers without a scheduler. */
#include "engine/engine.h"

#include <stdlib.h>

#include "base/mem.h"
#include "engine/priv.h"

#define CHUNK_DEFAULT 512
#define CHUNK_MAX     8192
#define DECODE_ROWS   256       /* that fit in a pass beside a chunk */

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

static size_t weights_in_memory(const struct model *m)
{
    size_t sum = weight_bytes(&m->head) + (m->config.tied ? 0 : weight_bytes(&m->embed));

    for (size_t i = 0; i < m->n_linears; i++)
        sum += weight_bytes(&m->linears[i].w);
    return sum;
}

/* What may become keys and values: half of the memory that is left beside the weights. */
static size_t half_of_free(const struct engine *g)
{
    size_t free_bytes = mem_available(), weights = weights_in_memory(g->model);

    return free_bytes > weights ? (free_bytes - weights) / 2 : 0;
}

static errc limit_blocks(struct engine *g, const struct engine_opts *o, size_t *out, struct err *e)
{
    size_t bytes = o->max_kv_bytes ? o->max_kv_bytes : half_of_free(g), block = engine_kv_block_bytes(g);

    *out = SIZE_MAX;
    if (o->max_kv_tokens)
        *out = (o->max_kv_tokens + KV_BLOCK_TOKENS - 1) / KV_BLOCK_TOKENS;
    else if (o->max_kv_bytes || o->kv_by_memory)
        *out = bytes / block;
    if (*out == 0)
        return err_set(e, ERR_INVALID, "key/value cache: %zu bytes do not hold one block of %d tokens (%zu bytes)", bytes, KV_BLOCK_TOKENS, block);
    return ERR_OK;
}

static bool has_panels(const struct model *m)
{
    bool found = m->head.kind == WEIGHT_PANELS;

    for (size_t i = 0; i < m->n_linears; i++)
        found |= m->linears[i].w.kind == WEIGHT_PANELS;
    return found;
}

static enum kv_dtype choose_kv_dtype(const struct model *m, const struct engine_opts *o)
{
    if (!o->kv_auto)
        return o->kv_dtype;
    return o->math == GEMM_BF16 || o->quantize != QUANTIZE_NONE || has_panels(m) ? KV_BF16 : KV_F32;
}

static errc size_cache(struct engine *g, const struct engine_opts *o, struct err *e)
{
    const struct model_config *c = &g->model->config;
    size_t bytes, blocks;

    g->kv = paged_shape(c->layers, c->heads, c->kv_heads, c->head_dim, choose_kv_dtype(g->model, o), c->attn_scale, c->attn_softcap);
    g->kv.slopes = c->alibi;
    if (!paged_block_bytes(&g->kv, &bytes))
        return err_set(e, ERR_INVALID, "%s: the size of its key/value cache overflows", g->model->dir);
    TRY(limit_blocks(g, o, &blocks, e));
    g->cache = kv_cache_new(bytes, blocks);
    g->max_len = o->max_model_len && o->max_model_len < c->max_positions ? o->max_model_len : c->max_positions;
    if (o->kv_by_memory && g->max_len / KV_BLOCK_TOKENS >= blocks)
        g->max_len = blocks * KV_BLOCK_TOKENS;
    g->chunk = o->prefill_chunk ? o->prefill_chunk : CHUNK_DEFAULT;
    if (g->chunk < GEMM_FEW_ROWS || g->chunk > CHUNK_MAX)
        return err_set(e, ERR_INVALID, "prefill chunk: %zu is outside %d..%d", g->chunk, GEMM_FEW_ROWS, CHUNK_MAX);
    return ERR_OK;
}

errc engine_open(const char *model_dir, const struct engine_opts *o, struct engine **out, struct err *e)
{
    AUTO_FREE(engine) g = xzalloc(sizeof *g);
    struct model_opts mo = { .quantize = o->quantize, .panels = o->math != GEMM_F32, .threads = o->threads, .loading = o->loading };

    TRY(compute_new(o->threads, NULL, &g->compute, e));
    compute_set_math(g->compute, o->math);
    TRY(model_load(model_dir, &mo, &g->model, e));
    g->adapters = adapters_new(g->model);
    TRY(size_cache(g, o, e));
    TRY(make_frequencies(g));
    g->share = o->prefix_caching;
    g->stable = o->batch_invariant;
    g->infer = infer_new(g, g->chunk + DECODE_ROWS);
    if (!g->infer)
        return err_set(e, ERR_UNAVAILABLE, "%s: no memory for activations of %zu tokens", model_dir, g->chunk);
    *out = TAKE(g);
    return ERR_OK;
}

void engine_free(struct engine *g)
{
    if (!g)
        return;
    adapters_free(g->adapters);
    for (int i = 0; i < 4; i++)
        free(g->inv_freq[i / 2][i % 2]);
    infer_free(g->infer);
    kv_cache_free(g->cache);
    model_free(g->model);
    compute_free(g->compute);
    free(g);
}

const struct model *engine_model(const struct engine *g) { return g->model; }
struct compute *engine_compute(struct engine *g) { return g->compute; }
struct adapters *engine_adapters(struct engine *g) { return g->adapters; }
size_t engine_max_len(const struct engine *g) { return g->max_len; }
size_t engine_kv_token_bytes(const struct engine *g) { return engine_kv_block_bytes(g) / KV_BLOCK_TOKENS; }
size_t engine_chunk(const struct engine *g) { return g->chunk; }
bool engine_shares(const struct engine *g) { return g->share; }
struct kv_cache_stats engine_kv_stats(const struct engine *g) { return kv_cache_stats(g->cache); }
size_t engine_kv_block_bytes(const struct engine *g)
{
    size_t bytes = 0;

    (void)paged_block_bytes(&g->kv, &bytes);    /* it did not overflow when the engine was opened */
    return bytes;
}

errc engine_not_numbers(const struct engine *g, struct err *e)
{
    TRY(model_check_finite(g->model, e));
    return err_set(e, ERR_CORRUPT, "%s: the model computes values that are not numbers; are its weights damaged?", g->model->dir);
}

/* ── prefill and decode, for callers without a scheduler ── */

struct want { float *logits; size_t vocab, from; bool bad; };

/* Rows of logits by position, starting at `from`. */
static void copy_logits(void *arg, struct sequence *s, size_t position, float *logits)
{
    struct want *w = arg;

    w->bad |= !logits;
    if (logits)
        memcpy(w->logits + (position - w->from) * w->vocab, logits, w->vocab * sizeof *logits);
}

static errc step_one(struct engine *g, struct sequence *s, bool every, struct want *w, struct err *e)
{
    struct engine_work work = { .seq = s, .budget = g->chunk, .every = every };

    engine_step(g, &work, 1, copy_logits, w);
    return w->bad ? engine_not_numbers(g, e) : ERR_OK;
}

errc engine_prefill(struct engine *g, struct sequence *s, float *logits, bool *out_done, struct err *e)
{
    struct want w = { .logits = logits, .vocab = g->model->config.vocab, .from = s->n - 1 };

    if (!sequence_waiting(s))
        return err_set(e, ERR_BAD_REQUEST, s->n ? "all tokens of the sequence are computed" : "the prompt has no tokens");
    TRY(step_one(g, s, false, &w, e));
    *out_done = !sequence_waiting(s);
    return ERR_OK;
}

struct wanted_rows { struct sequence *const *seqs; size_t n, vocab; float *logits; bool bad; };

static void copy_row(void *arg, struct sequence *s, size_t position, float *logits)
{
    struct wanted_rows *w = arg;
    size_t i = 0;

    while (w->seqs[i] != s)
        i++;
    w->bad |= !logits;
    if (logits)
        memcpy(w->logits + i * w->vocab, logits, w->vocab * sizeof *logits);
}

static errc check_decode(struct sequence *s, int32_t id, struct err *e)
{
    TRY(sequence_check(s, &id, 1, e));
    if (sequence_waiting(s))
        return err_set(e, ERR_INTERNAL, "a sequence is decoded before its prompt was processed");
    return sequence_reserve(s, s->n + 1, e);
}

errc engine_decode(struct engine *g, struct sequence *const *seqs, const int32_t *ids, size_t n, float *logits, struct err *e)
{
    AUTO_MEM struct engine_work *work = xcalloc(n, sizeof *work);
    struct wanted_rows w = { seqs, n, g->model->config.vocab, logits, false };

    for (size_t i = 0; i < n; i++)
        TRY(check_decode(seqs[i], ids[i], e));
    for (size_t i = 0; i < n; i++) {
        TRY(sequence_append(seqs[i], &ids[i], 1, e));
        work[i] = (struct engine_work){ .seq = seqs[i], .budget = g->chunk };
    }
    for (size_t left = n; left; ) {             /* more than one step when LongRoPE's angles changed */
        engine_step(g, work, n, copy_row, &w);
        left = 0;
        for (size_t i = 0; i < n; i++)
            left += sequence_waiting(seqs[i]) > 0;
    }
    return w.bad ? engine_not_numbers(g, e) : ERR_OK;
}

errc engine_score(struct engine *g, const struct adapter *adapter, const int32_t *ids, size_t n, float *logits, struct err *e)
{
    AUTO_FREE(sequence) s = sequence_new(g, adapter);
    struct want w = { .logits = logits, .vocab = g->model->config.vocab };

    sequence_set_alone(s);
    TRY(sequence_add(s, ids, n, e));
    while (sequence_waiting(s))
        TRY(step_one(g, s, true, &w, e));
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
