/*
 * Attention over paged keys and values. A block holds KV_BLOCK_TOKENS positions of all layers as panels (tensor/vec_attention.h):
 *   [layer][kv head] { keys [head_dim][16], values [16][value_dim] }   value_dim: head_dim rounded up to 16, the rest is zero
 * in f32, or in bf16 to halve the memory and its traffic. All query heads of a group read a panel together.
 *
 * A row is a query position of some sequence. Its result is the same bits whatever other rows are in the call and whatever the
 * number of threads: keys are taken in spans of fixed absolute positions, each with its own maximum and sum, put together in order.
 * Source: Dao et al. 2022 (FlashAttention), Dao et al. 2023 (Flash-Decoding).
 */
#ifndef ENGINE_KERNELS_PAGED_H
#define ENGINE_KERNELS_PAGED_H

#include "engine/kv_cache.h"
#include "tensor/gemm.h"

enum kv_dtype { KV_F32, KV_BF16 };

struct paged_shape {
    size_t layers, heads, kv_heads, head_dim, value_dim;
    enum kv_dtype dtype;
    float scale, softcap;               /* softcap 0: none */
    const float *slopes;                /* ALiBi, [heads]: scale * slope * position is added to a key's score; NULL: none. Borrowed */
};

struct paged_shape paged_shape(size_t layers, size_t heads, size_t kv_heads, size_t head_dim, enum kv_dtype dtype, float scale, float softcap);
bool paged_block_bytes(const struct paged_shape *s, size_t *out);       /* false on overflow */

/* Rows of one sequence follow each other in the order of their positions. */
struct paged_row {
    struct kv_block *const *blocks;     /* of the whole sequence; at least position / 16 + 1 */
    size_t position;
};

/* Puts row r's keys k [kv_heads * head_dim] and values v, at k + r * ld, into the cache. */
void paged_store(struct compute *c, const struct paged_shape *s, size_t layer, const struct paged_row *rows, size_t n, const float *k,
                 const float *v, size_t ld);
/* window 0: all positions up to the row's own; else the last `window` of them. q [n, heads * head_dim], o the same. */
void paged_attention(struct compute *c, const struct paged_shape *s, size_t layer, size_t window, const struct paged_row *rows, size_t n,
                     float *o, size_t ldo, const float *q, size_t ldq);

#endif
