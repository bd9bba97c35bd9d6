/*
 * Packing for products of bf16 of weights whose numbers are bf16: dense ones, and NF4 that is rounded to it. Their bits are moved as they are,
 * without a way through f32.
 */
#include "tensor/priv.h"

bool weight_is_bf16(const struct weight *w)
{
    if (w->kind == WEIGHT_NF4)
        return w->nf4.dtype == DTYPE_BF16 && w->in % NF4_BLOCK == 0;
    return w->kind == WEIGHT_DENSE && w->dtype == DTYPE_BF16;
}

/* Elements [at, at + n) of a row, of NF4 whole blocks: as they lie in memory, or in scratch. */
static const uint16_t *row_bf16(const struct vec_ops *vec, const struct weight *w, uint16_t *scratch, size_t row, size_t at, size_t n)
{
    size_t first = row * w->in + at;

    if (w->kind == WEIGHT_DENSE)
        return (const uint16_t *)w->data + first;
    vec->nf4_to_bf16(scratch, w->nf4.code, w->nf4.packed + first / 2, w->nf4.absmax + first / NF4_BLOCK, n / NF4_BLOCK);
    return scratch;
}

void pairs_of_columns(const struct vec_ops *vec, const struct weight *w, uint16_t *panel, uint16_t *scratch, size_t first, size_t n, size_t at, size_t k)
{
    if (w->kind == WEIGHT_DENSE) {
        vec->pack_pairs(panel, row_bf16(vec, w, NULL, first, at, k), w->in, n, k);
        return;
    }
    for (size_t j = 0; j < n; j++)
        (void)row_bf16(vec, w, scratch + j * k, first + j, at, k);
    vec->pack_pairs(panel, scratch, k, n, k);
}

void pairs_of_rows(const struct vec_ops *vec, const struct weight *w, uint16_t *panels, uint16_t *scratch, size_t begin, size_t n, size_t at, size_t k,
                   size_t padded)
{
    uint16_t *none = scratch, *even = scratch + n, *odd = scratch + 2 * n;

    memset(none, 0, n * sizeof *none);
    for (size_t i = 0; i < padded; i += 2) {
        weight_prefetch(w, at + i + ROWS_AHEAD, begin, n);
        weight_prefetch(w, at + i + ROWS_AHEAD + 1, begin, n);
        vec->zip_pairs(panels + i * VEC_PANEL, padded * VEC_PANEL, i < k ? row_bf16(vec, w, even, at + i, begin, n) : none,
                       i + 1 < k ? row_bf16(vec, w, odd, at + i + 1, begin, n) : none, n);
    }
}
