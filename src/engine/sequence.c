/* Sequences and their cache blocks. */
#include <stdlib.h>

#include "base/mem.h"
#include "engine/priv.h"

static errc block_take(struct engine *g, struct kv_block **out, struct err *e)
{
    size_t bytes;

    if (g->blocks_used >= g->blocks_max)
        return err_set(e, ERR_TOO_LARGE, "the key/value cache is full: %zu tokens in use", g->blocks_used * KV_BLOCK_TOKENS);
    if (g->free_blocks) {
        *out = g->free_blocks;
        g->free_blocks = (*out)->next;
    } else {
        if (!size_mul(g->block_floats, sizeof(float), &bytes) || !(*out = mem_try_alloc(bytes + sizeof **out, 1)))
            return err_set(e, ERR_TOO_LARGE, "no memory for more key/value cache: %zu tokens in use", g->blocks_used * KV_BLOCK_TOKENS);
    }
    g->blocks_used++;
    return ERR_OK;
}

static void block_give(struct engine *g, struct kv_block *b)
{
    b->next = g->free_blocks;
    g->free_blocks = b;
    g->blocks_used--;
}

errc sequence_reserve(struct sequence *s, size_t tokens, struct err *e)
{
    while (s->n_blocks * KV_BLOCK_TOKENS < tokens) {
        vec_grow(s->blocks, s->n_blocks, s->cap_blocks);
        TRY(block_take(s->engine, &s->blocks[s->n_blocks], e));
        s->n_blocks++;
    }
    return ERR_OK;
}

struct sequence *sequence_new(struct engine *g, const struct adapter *adapter)
{
    struct sequence *s = xzalloc(sizeof *s);

    s->engine = g;
    s->adapter = adapter;
    return s;
}

void sequence_free(struct sequence *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_blocks; i++)
        block_give(s->engine, s->blocks[i]);
    free(s->blocks);
    free(s->ids);
    free(s);
}

size_t sequence_len(const struct sequence *s) { return s->n; }
const int32_t *sequence_ids(const struct sequence *s) { return s->ids; }

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

void sequence_push(struct sequence *s, int32_t id)
{
    vec_grow(s->ids, s->n, s->cap_ids);
    s->ids[s->n++] = id;
}

errc sequence_add(struct sequence *s, const int32_t *ids, size_t n, struct err *e)
{
    TRY(sequence_check(s, ids, n, e));
    TRY(sequence_reserve(s, s->n + n, e));
    if (rope_changes(&s->engine->model->config, s->n, s->n + n))
        s->cached = 0;                          /* keys were turned by other angles: all are computed again */
    for (size_t i = 0; i < n; i++)
        sequence_push(s, ids[i]);
    return ERR_OK;
}
