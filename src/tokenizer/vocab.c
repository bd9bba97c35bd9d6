/* Token <-> id, and the merge table: open addressing, filled once. */
#include "base/map.h"
#include "tokenizer/priv.h"

void vocab_done(struct vocab *v)
{
    free(v->tokens);
    free(v->slots);
    *v = (struct vocab){ 0 };
}

static size_t slot_of(const struct vocab *v, struct str token)
{
    size_t i = hash_bytes(token.p, token.n) & (v->n_slots - 1);

    while (v->slots[i] && !str_eq(v->tokens[v->slots[i] - 1], token))
        i = (i + 1) & (v->n_slots - 1);
    return i;
}

static void grow_slots(struct vocab *v)
{
    uint32_t *old = v->slots;
    size_t n_old = v->n_slots;

    v->n_slots = n_old ? n_old * 2 : 1024;
    v->slots = xcalloc(v->n_slots, sizeof *v->slots);
    for (size_t i = 0; i < n_old; i++)
        if (old[i])
            v->slots[slot_of(v, v->tokens[old[i] - 1])] = old[i];
    free(old);
}

void vocab_put(struct vocab *v, struct str token, int32_t id)
{
    while (v->n <= (size_t)id) {
        vec_grow(v->tokens, v->n, v->cap);
        v->tokens[v->n++] = (struct str){ 0 };
    }
    if (v->used * 2 >= v->n_slots)
        grow_slots(v);
    size_t i = slot_of(v, token);
    if (!v->slots[i])
        v->used++;
    v->tokens[id] = token;
    v->slots[i] = (uint32_t)id + 1;
}

int32_t vocab_find(const struct vocab *v, struct str token)
{
    if (!v->n_slots)
        return -1;
    return (int32_t)v->slots[slot_of(v, token)] - 1;
}

struct str vocab_token(const struct vocab *v, int32_t id)
{
    return id >= 0 && (size_t)id < v->n ? v->tokens[id] : (struct str){ 0 };
}

static size_t merge_slot(const struct model *m, uint64_t pair)
{
    size_t i = (pair * 0x9E3779B97F4A7C15u) >> 20 & (m->n_merge_slots - 1);

    while (m->merges[i].id >= 0 && m->merges[i].pair != pair)
        i = (i + 1) & (m->n_merge_slots - 1);
    return i;
}

static uint64_t pair_key(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

static void grow_merges(struct model *m)
{
    struct merge *old = m->merges;
    size_t n_old = m->n_merge_slots;

    m->n_merge_slots = n_old ? n_old * 2 : 1024;
    m->merges = xcalloc(m->n_merge_slots, sizeof *m->merges);
    for (size_t i = 0; i < m->n_merge_slots; i++)
        m->merges[i].id = -1;
    for (size_t i = 0; i < n_old; i++)
        if (old[i].id >= 0)
            m->merges[merge_slot(m, old[i].pair)] = old[i];
    free(old);
}

void model_merge_put(struct model *m, int32_t left, int32_t right, uint32_t rank, int32_t id)
{
    if (m->n_merges * 2 >= m->n_merge_slots)
        grow_merges(m);
    uint64_t pair = pair_key(left, right);
    struct merge *slot = &m->merges[merge_slot(m, pair)];
    if (slot->id < 0)
        m->n_merges++;
    *slot = (struct merge){ .pair = pair, .rank = rank, .id = id };
}

const struct merge *model_merge_find(const struct model *m, int32_t left, int32_t right)
{
    if (!m->n_merge_slots)
        return NULL;
    const struct merge *slot = &m->merges[merge_slot(m, pair_key(left, right))];
    return slot->id >= 0 ? slot : NULL;
}

void token_ids_done(struct token_ids *ids)
{
    free(ids->v);
    *ids = (struct token_ids){ 0 };
}

void token_ids_add(struct token_ids *ids, int32_t id)
{
    vec_grow(ids->v, ids->n, ids->cap);
    ids->v[ids->n++] = id;
}
