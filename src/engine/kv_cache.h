/*
 * The memory of keys and values: blocks of KV_BLOCK_TOKENS positions in all layers, counted, so that sequences with the same
 * beginning share them. A full block may be published under a key that says what it holds; when its last user leaves it stays,
 * found again by that key, until its memory is wanted: the one unused for longest goes first.
 *
 * Pure bookkeeping; one thread at a time (the engine's).
 */
#ifndef ENGINE_KV_CACHE_H
#define ENGINE_KV_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

#define KV_BLOCK_TOKENS 16

/*
 * What a block holds: its tokens, everything before them (through `parent`, the key of the block before), and whatever else
 * changes its bits (`variant`: the adapter, the angles). Two keys are equal when all of it is.
 */
struct kv_key {
    uint64_t hash, parent, variant;
    int32_t ids[KV_BLOCK_TOKENS];
};
/* parent: the hash of the key before, 0 for the first block. */
struct kv_key kv_key_of(uint64_t parent, uint64_t variant, const int32_t *ids);

struct kv_block {
    void *data;                         /* block_bytes, zero when taken */
    size_t refs;
    bool published;
    struct kv_key key;                  /* when published */
    struct kv_block *chain;             /* in its bucket */
    struct kv_block *older, *newer;     /* among the unused */
};

struct kv_cache_stats {
    size_t used, unused, max;           /* blocks: with users; kept for later; SIZE_MAX: no limit */
    uint64_t queries, hits;             /* tokens that were looked for, and found */
    uint64_t evictions;
};

struct kv_cache;
struct kv_cache *kv_cache_new(size_t block_bytes, size_t blocks_max);
void kv_cache_free(struct kv_cache *c);         /* no block has users */

/* A block with one user. TOO_LARGE: all blocks have users, or there is no memory. */
errc kv_cache_take(struct kv_cache *c, struct kv_block **out, struct err *e);
struct kv_block *kv_cache_ref(struct kv_block *b);      /* one that has users */
void kv_cache_unref(struct kv_cache *c, struct kv_block *b);
/* b is full and never written again. When another block has the key already, b stays private. */
void kv_cache_publish(struct kv_cache *c, struct kv_block *b, const struct kv_key *key);
/* One more user of the block with this key; NULL: unknown. */
struct kv_block *kv_cache_find(struct kv_cache *c, const struct kv_key *key);
void kv_cache_count(struct kv_cache *c, size_t queried, size_t found);  /* tokens, for the statistics */
void kv_cache_forget(struct kv_cache *c);       /* every unused block is free again */
size_t kv_cache_available(const struct kv_cache *c);    /* blocks that kv_cache_take can give; SIZE_MAX: no limit */
struct kv_cache_stats kv_cache_stats(const struct kv_cache *c);

#endif
