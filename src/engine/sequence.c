/* Sequences: their tokens, their blocks, and what they share with others. */
#include <stdlib.h>

#include "base/mem.h"
#include "engine/priv.h"

struct sequence *sequence_new(struct engine *g, const struct adapter *adapter)
{
    struct sequence *s = xzalloc(sizeof *s);

    s->engine = g;
    s->adapter = adapter;
    return s;
}

static void drop_blocks(struct sequence *s)
{
    while (s->n_blocks)
        kv_cache_unref(s->engine->cache, s->blocks[--s->n_blocks]);
    s->cached = s->n_keyed = 0;
    s->chain = 0;
}

void sequence_free(struct sequence *s)
{
    if (!s)
        return;
    drop_blocks(s);
    free(s->blocks);
    free(s->ids);
    free(s);
}

size_t sequence_len(const struct sequence *s) { return s->n; }
const int32_t *sequence_ids(const struct sequence *s) { return s->ids; }
size_t sequence_waiting(const struct sequence *s) { return s->n - s->cached; }
size_t sequence_cached(const struct sequence *s) { return s->cached; }
void sequence_set_alone(struct sequence *s) { s->alone = true; }

errc sequence_check(const struct sequence *s, const int32_t *ids, size_t n, struct err *e)
{
    size_t vocab = s->engine->model->config.vocab;

    if (n > s->engine->max_len || s->n > s->engine->max_len - n)
        return err_set(e, ERR_BAD_REQUEST, "%zu tokens exceed the model's maximum length of %zu", s->n + n, s->engine->max_len);
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= vocab)
            return err_set(e, ERR_BAD_REQUEST, "token id %d is outside the vocabulary of %zu", ids[i], vocab);
    return ERR_OK;
}

static void hold(struct sequence *s, struct kv_block *b)
{
    vec_grow(s->blocks, s->n_blocks, s->cap_blocks);
    s->blocks[s->n_blocks++] = b;
}

errc sequence_reserve(struct sequence *s, size_t tokens, struct err *e)
{
    struct kv_block *b;

    while (s->n_blocks * KV_BLOCK_TOKENS < tokens) {
        TRY(kv_cache_take(s->engine->cache, &b, e));
        hold(s, b);
    }
    return ERR_OK;
}

/* ── the prefix cache ── */

/* What changes a block's bits besides its tokens: the adapter, and LongRoPE's angles, which the whole length decides. */
static uint64_t variant_of(const struct sequence *s)
{
    const struct rope_config *r = &s->engine->model->config.rope;
    bool lengthy = r->kind == ROPE_LONGROPE && s->n > r->original_positions;

    return (s->adapter ? s->adapter->serial : 0) * 2 + lengthy;
}

/* Of the first n tokens, how many lie in blocks whose bits are what this sequence would compute itself. */
static size_t shareable(const struct sequence *s, size_t n)
{
    size_t prompt = n < s->n_prompt ? n : s->n_prompt;

    return (s->engine->stable ? n : prompt) / KV_BLOCK_TOKENS * KV_BLOCK_TOKENS;
}

static struct kv_key next_key(const struct sequence *s)
{
    return kv_key_of(s->chain, variant_of(s), s->ids + s->n_keyed * KV_BLOCK_TOKENS);
}

/* Takes known blocks for the beginning of s; at least one token is left to compute, for its logits. */
static void take_shared(struct sequence *s)
{
    size_t end = s->n ? shareable(s, s->n - 1) : 0;
    struct kv_block *b;

    if (!s->engine->share || s->alone)
        return;
    while ((s->n_keyed + 1) * KV_BLOCK_TOKENS <= end) {
        struct kv_key key = next_key(s);

        if (!(b = kv_cache_find(s->engine->cache, &key)))
            break;
        hold(s, b);
        s->chain = key.hash;
        s->n_keyed++;
    }
    s->cached = s->n_keyed * KV_BLOCK_TOKENS;
    kv_cache_count(s->engine->cache, s->n, s->cached);
}

void sequence_publish(struct sequence *s)
{
    size_t end = shareable(s, s->cached);

    while (s->engine->share && (s->n_keyed + 1) * KV_BLOCK_TOKENS <= end) {
        struct kv_key key = next_key(s);

        kv_cache_publish(s->engine->cache, s->blocks[s->n_keyed], &key);
        s->chain = key.hash;
        s->n_keyed++;
    }
}

/* ── tokens ── */

static void forget_tokens(struct sequence *s, size_t n, size_t n_prompt)
{
    s->n = n;
    s->n_prompt = n_prompt;
}

static errc append(struct sequence *s, const int32_t *ids, size_t n, bool prompt, struct err *e)
{
    size_t before = s->n, prompt_before = s->n_prompt;

    TRY(sequence_check(s, ids, n, e));
    for (size_t i = 0; i < n; i++) {
        vec_grow(s->ids, s->n, s->cap_ids);
        s->ids[s->n++] = ids[i];
    }
    s->n_prompt += prompt ? n : 0;
    if (rope_changes(&s->engine->model->config, before, s->n))
        drop_blocks(s);                         /* keys were turned by other angles: all are computed again */
    if (!s->n_blocks)
        take_shared(s);
    errc rc = sequence_reserve(s, s->n, e);
    if (rc)
        forget_tokens(s, before, prompt_before);
    return rc;
}

errc sequence_add(struct sequence *s, const int32_t *ids, size_t n, struct err *e) { return append(s, ids, n, s->n == s->n_prompt, e); }
errc sequence_append(struct sequence *s, const int32_t *ids, size_t n, struct err *e) { return append(s, ids, n, false, e); }

/* Full blocks are never written again and are shared; the last one, if it is not full, is copied. */
errc sequence_fork(struct sequence *s, struct sequence **out, struct err *e)
{
    AUTO_FREE(sequence) f = sequence_new(s->engine, s->adapter);
    size_t full = s->cached / KV_BLOCK_TOKENS;

    f->ids = xmemdup(s->ids, s->n * sizeof *s->ids);
    f->n = f->cap_ids = s->n;
    f->n_prompt = s->n_prompt;
    f->alone = s->alone;
    for (size_t i = 0; i < full; i++)
        hold(f, kv_cache_ref(s->blocks[i]));
    f->n_keyed = s->n_keyed;
    f->chain = s->chain;
    TRY(sequence_reserve(f, s->n, e));
    if (full < s->n_blocks && full < f->n_blocks)
        memcpy(f->blocks[full]->data, s->blocks[full]->data, engine_kv_block_bytes(s->engine));
    f->cached = s->cached;
    *out = TAKE(f);
    return ERR_OK;
}
