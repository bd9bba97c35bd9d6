/* Blocks, their users, and the table of published ones. */
#include "engine/kv_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define BUCKETS_MIN 256

struct kv_cache {
    size_t block_bytes;
    struct kv_block **buckets;          /* [n_buckets], a power of two */
    size_t n_buckets, n_published;
    struct kv_block *oldest, *newest;   /* published, without users */
    struct kv_block *free;              /* without content, linked by `newer` */
    struct kv_cache_stats stats;
};

/* ── keys ── */

/* The finaliser of splitmix64 (Steele, Lea and Flood 2014). */
static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

struct kv_key kv_key_of(uint64_t parent, uint64_t variant, const int32_t *ids)
{
    struct kv_key k = { .parent = parent, .variant = variant };
    uint64_t h = mix(parent + 0x9e3779b97f4a7c15u) ^ variant;

    memcpy(k.ids, ids, sizeof k.ids);
    for (size_t i = 0; i < KV_BLOCK_TOKENS; i++)
        h = mix(h + 0x9e3779b97f4a7c15u + (uint32_t)ids[i]);
    k.hash = h ? h : 1;
    return k;
}

static bool same(const struct kv_key *a, const struct kv_key *b)
{
    return a->hash == b->hash && a->parent == b->parent && a->variant == b->variant && !memcmp(a->ids, b->ids, sizeof a->ids);
}

/* ── the table of published blocks ── */

static struct kv_block **bucket_of(const struct kv_cache *c, uint64_t hash) { return &c->buckets[hash & (c->n_buckets - 1)]; }

static void grow(struct kv_cache *c)
{
    struct kv_block **old = c->buckets;
    size_t n = c->n_buckets;

    c->n_buckets = n ? 2 * n : BUCKETS_MIN;
    c->buckets = xcalloc(c->n_buckets, sizeof(struct kv_block *));
    for (size_t i = 0; i < n; i++)
        for (struct kv_block *b = old[i], *next; b; b = next) {
            struct kv_block **to = bucket_of(c, b->key.hash);
            next = b->chain;
            b->chain = *to;
            *to = b;
        }
    free(old);
}

static struct kv_block *look_up(const struct kv_cache *c, const struct kv_key *key)
{
    struct kv_block *b = *bucket_of(c, key->hash);

    while (b && !same(&b->key, key))
        b = b->chain;
    return b;
}

static void withdraw(struct kv_cache *c, struct kv_block *b)
{
    struct kv_block **link = bucket_of(c, b->key.hash);

    while (*link != b)
        link = &(*link)->chain;
    *link = b->chain;
    b->published = false;
    c->n_published--;
}

/* ── the unused, oldest first ── */

static void unused_add(struct kv_cache *c, struct kv_block *b)
{
    b->older = c->newest;
    b->newer = NULL;
    *(c->newest ? &c->newest->newer : &c->oldest) = b;
    c->newest = b;
    c->stats.unused++;
}

static void unused_remove(struct kv_cache *c, struct kv_block *b)
{
    *(b->older ? &b->older->newer : &c->oldest) = b->newer;
    *(b->newer ? &b->newer->older : &c->newest) = b->older;
    b->older = b->newer = NULL;
    c->stats.unused--;
}

static struct kv_block *evict(struct kv_cache *c)
{
    struct kv_block *b = c->oldest;

    unused_remove(c, b);
    withdraw(c, b);
    c->stats.evictions++;
    return b;
}

/* ── life ── */

struct kv_cache *kv_cache_new(size_t block_bytes, size_t blocks_max)
{
    struct kv_cache *c = xzalloc(sizeof *c);

    c->block_bytes = block_bytes;
    c->stats.max = blocks_max;
    grow(c);
    return c;
}

void kv_cache_free(struct kv_cache *c)
{
    if (!c)
        return;
    kv_cache_forget(c);
    for (struct kv_block *b = c->free, *next; b; b = next) {
        next = b->newer;
        free(b->data);
        free(b);
    }
    free(c->buckets);
    free(c);
}

/* NULL: no memory. */
static struct kv_block *block_new(const struct kv_cache *c)
{
    struct kv_block *b = xzalloc(sizeof *b);

    b->data = mem_try_alloc_huge(c->block_bytes, 1);
    if (b->data)
        return b;
    free(b);
    return NULL;
}

static struct kv_block *find_memory(struct kv_cache *c)
{
    struct kv_block *b = c->free;

    if (b) {
        c->free = b->newer;
        b->newer = NULL;
        return b;
    }
    if (c->stats.used + c->stats.unused < c->stats.max && (b = block_new(c)))
        return b;
    return c->oldest ? evict(c) : NULL;
}

errc kv_cache_take(struct kv_cache *c, struct kv_block **out, struct err *e)
{
    struct kv_block *b = find_memory(c);

    if (!b)
        return err_set(e, ERR_TOO_LARGE, "the key/value cache is full: %zu tokens in use", c->stats.used * KV_BLOCK_TOKENS);
    memset(b->data, 0, c->block_bytes);         /* positions that are not filled yet count with weight 0, and 0 * NaN is NaN */
    b->refs = 1;
    c->stats.used++;
    *out = b;
    return ERR_OK;
}

struct kv_block *kv_cache_ref(struct kv_block *b)
{
    b->refs++;
    return b;
}

void kv_cache_unref(struct kv_cache *c, struct kv_block *b)
{
    if (--b->refs)
        return;
    c->stats.used--;
    if (b->published) {
        unused_add(c, b);
    } else {
        b->newer = c->free;
        c->free = b;
    }
}

void kv_cache_publish(struct kv_cache *c, struct kv_block *b, const struct kv_key *key)
{
    if (b->published || look_up(c, key))
        return;
    if (c->n_published == c->n_buckets)
        grow(c);
    struct kv_block **bucket = bucket_of(c, key->hash);
    b->key = *key;
    b->chain = *bucket;
    b->published = true;
    *bucket = b;
    c->n_published++;
}

struct kv_block *kv_cache_find(struct kv_cache *c, const struct kv_key *key)
{
    struct kv_block *b = look_up(c, key);

    if (!b)
        return NULL;
    if (!b->refs++) {
        unused_remove(c, b);
        c->stats.used++;
    }
    return b;
}

void kv_cache_count(struct kv_cache *c, size_t queried, size_t found)
{
    c->stats.queries += queried;
    c->stats.hits += found;
}

void kv_cache_forget(struct kv_cache *c)
{
    while (c->oldest) {
        struct kv_block *b = c->oldest;

        unused_remove(c, b);
        withdraw(c, b);
        b->newer = c->free;
        c->free = b;
    }
}

size_t kv_cache_available(const struct kv_cache *c) { return c->stats.max == SIZE_MAX ? SIZE_MAX : c->stats.max - c->stats.used; }
struct kv_cache_stats kv_cache_stats(const struct kv_cache *c) { return c->stats; }
