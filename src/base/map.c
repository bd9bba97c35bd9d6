/* Open addressing over an array of entries in insertion order; deleted entries leave a hole until the next growth. */
#include "base/map.h"

#include "base/mem.h"

struct entry {
    char *key;          /* NULL: deleted */
    size_t key_len;
    uint64_t hash;
    void *value;
};

struct map {
    struct entry *entries;
    size_t n_entries, cap_entries, n_live;
    uint32_t *slots;    /* index of an entry + 1; 0 is empty; n_slots is a power of two */
    size_t n_slots;
    void (*value_free)(void *);
};

uint64_t hash_bytes(const void *p, size_t n)
{
    const unsigned char *b = p;
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < n; i++)
        h = (h ^ b[i]) * 1099511628211u;
    return h;
}

struct map *map_new(void (*value_free)(void *))
{
    struct map *m = xzalloc(sizeof *m);

    m->value_free = value_free;
    return m;
}

static void entry_drop(struct map *m, struct entry *en, bool free_value)
{
    if (free_value && m->value_free)
        m->value_free(en->value);
    free(en->key);
    en->key = NULL;
    en->value = NULL;
}

void map_clear(struct map *m)
{
    for (size_t i = 0; i < m->n_entries; i++)
        if (m->entries[i].key)
            entry_drop(m, &m->entries[i], true);
    free(m->entries);
    free(m->slots);
    *m = (struct map){ .value_free = m->value_free };
}

void map_free(struct map *m)
{
    if (!m)
        return;
    map_clear(m);
    free(m);
}

static bool entry_is(const struct entry *en, struct str key, uint64_t hash)
{
    return en->key && en->hash == hash && str_eq(str_n(en->key, en->key_len), key);
}

static struct entry *find(const struct map *m, struct str key, uint64_t hash)
{
    if (!m->n_slots)
        return NULL;
    for (size_t s = hash & (m->n_slots - 1); m->slots[s]; s = (s + 1) & (m->n_slots - 1))
        if (entry_is(&m->entries[m->slots[s] - 1], key, hash))
            return &m->entries[m->slots[s] - 1];
    return NULL;
}

static void slot_put(struct map *m, size_t index)
{
    size_t s = m->entries[index].hash & (m->n_slots - 1);

    while (m->slots[s])
        s = (s + 1) & (m->n_slots - 1);
    m->slots[s] = (uint32_t)index + 1;
}

/* Drops the holes and makes room for one more entry. */
static void rebuild(struct map *m)
{
    size_t live = 0;

    for (size_t i = 0; i < m->n_entries; i++)
        if (m->entries[i].key)
            m->entries[live++] = m->entries[i];
    m->n_entries = live;
    m->n_slots = 16;
    while (m->n_slots < (live + 1) * 2)
        m->n_slots *= 2;
    free(m->slots);
    m->slots = xcalloc(m->n_slots, sizeof *m->slots);
    for (size_t i = 0; i < live; i++)
        slot_put(m, i);
}

void *map_get(const struct map *m, struct str key)
{
    struct entry *en = find(m, key, hash_bytes(key.p, key.n));

    return en ? en->value : NULL;
}

void map_put(struct map *m, struct str key, void *value)
{
    uint64_t hash = hash_bytes(key.p, key.n);
    struct entry *en = find(m, key, hash);

    if (en) {
        void *old = en->value;
        en->value = value;
        if (m->value_free && old != value)
            m->value_free(old);
        return;
    }
    if ((m->n_entries + 1) * 4 > m->n_slots * 3)
        rebuild(m);
    vec_grow(m->entries, m->n_entries, m->cap_entries);
    m->entries[m->n_entries] = (struct entry){ xstrndup(key.p, key.n), key.n, hash, value };
    slot_put(m, m->n_entries++);
    m->n_live++;
}

static struct entry *unlink_entry(struct map *m, struct str key)
{
    struct entry *en = find(m, key, hash_bytes(key.p, key.n));

    if (en)
        m->n_live--;
    return en;
}

bool map_del(struct map *m, struct str key)
{
    struct entry *en = unlink_entry(m, key);

    if (en)
        entry_drop(m, en, true);
    return en != NULL;
}

void *map_take(struct map *m, struct str key)
{
    struct entry *en = unlink_entry(m, key);
    void *value = en ? en->value : NULL;

    if (en)
        entry_drop(m, en, false);
    return value;
}

size_t map_len(const struct map *m) { return m->n_live; }

bool map_next(const struct map *m, size_t *i, struct str *key, void **value)
{
    while (*i < m->n_entries && !m->entries[*i].key)
        (*i)++;
    if (*i >= m->n_entries)
        return false;
    struct entry *en = &m->entries[(*i)++];
    *key = str_n(en->key, en->key_len);
    *value = en->value;
    return true;
}
