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

    while (v->slots[i].text.p && !str_eq(v->slots[i].text, token))
        i = (i + 1) & (v->n_slots - 1);
    return i;
}

static void set_slots(struct vocab *v, size_t n)
{
    struct vocab_slot *old = v->slots;
    size_t n_old = v->n_slots;

    v->n_slots = n;
    v->slots = xcalloc(v->n_slots, sizeof *v->slots);
    for (size_t i = 0; i < n_old; i++)
        if (old[i].text.p)
            v->slots[slot_of(v, old[i].text)] = old[i];
    free(old);
}

/* A power of two that n entries fill to three quarters at most. */
static size_t slots_for(size_t n)
{
    size_t slots = 1024;

    while (slots / 4 * 3 < n + 1)
        slots *= 2;
    return slots;
}

void vocab_reserve(struct vocab *v, size_t n)
{
    if (slots_for(n) > v->n_slots)
        set_slots(v, slots_for(n));
}

void vocab_put(struct vocab *v, struct str token, int32_t id)
{
    while (v->n <= (size_t)id) {
        vec_grow(v->tokens, v->n, v->cap);
        v->tokens[v->n++] = (struct str){ 0 };
    }
    if (slots_for(v->used) > v->n_slots)
        set_slots(v, slots_for(v->used));
    size_t i = slot_of(v, token);
    if (!v->slots[i].text.p)
        v->used++;
    v->tokens[id] = token;
    v->slots[i] = (struct vocab_slot){ token, id };
}

int32_t vocab_find(const struct vocab *v, struct str token)
{
    size_t i = v->n_slots ? slot_of(v, token) : 0;

    return v->n_slots && v->slots[i].text.p ? v->slots[i].id : -1;
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

static void set_merges(struct model *m, size_t n)
{
    struct merge *old = m->merges;
    size_t n_old = m->n_merge_slots;

    m->n_merge_slots = n;
    m->merges = xcalloc(m->n_merge_slots, sizeof *m->merges);
    for (size_t i = 0; i < m->n_merge_slots; i++)
        m->merges[i].id = -1;
    for (size_t i = 0; i < n_old; i++)
        if (old[i].id >= 0)
            m->merges[merge_slot(m, old[i].pair)] = old[i];
    free(old);
}

void model_merges_reserve(struct model *m, size_t n)
{
    if (slots_for(n) > m->n_merge_slots)
        set_merges(m, slots_for(n));
}

void model_merge_put(struct model *m, int32_t left, int32_t right, uint32_t rank, int32_t id)
{
    if (slots_for(m->n_merges) > m->n_merge_slots)
        set_merges(m, slots_for(m->n_merges));
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
