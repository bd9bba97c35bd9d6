/* A weight matrix of any kind: its size, its numbers as f32. */
#include <stdlib.h>

#include "tensor/priv.h"

#define LINE_BYTES 64

struct weight weight_f32(const float *w, size_t out, size_t in)
{
    return (struct weight){ .out = out, .in = in, .kind = WEIGHT_DENSE, .dtype = DTYPE_F32, .data = w };
}

struct weight weight_blocks(const struct block_format *f, const void *data, size_t out, size_t in)
{
    return (struct weight){ .out = out, .in = in, .kind = WEIGHT_BLOCKS, .blocks = f, .data = data };
}

void weight_done(struct weight *w)
{
    if (w->kind == WEIGHT_NF4)
        nf4_done(&w->nf4);
    if (w->kind == WEIGHT_PANELS)
        panels_done(&w->panels);
    free(w->owned);
    *w = (struct weight){ 0 };
}

size_t weight_bytes(const struct weight *w)
{
    size_t n = w->out * w->in;

    if (w->kind == WEIGHT_BLOCKS)
        return block_bytes(w->blocks, n);
    if (w->kind == WEIGHT_PANELS)
        return panels_bytes(&w->panels);
    return w->kind == WEIGHT_NF4 ? n / 2 + nf4_blocks(n) * sizeof(float) : n * dtype_size(w->dtype);
}

static void nf4_range(const struct vec_ops *vec, const struct nf4 *q, float *dst, size_t at, size_t n)
{
    size_t whole = at % NF4_BLOCK == 0 ? n - n % NF4_BLOCK : 0;

    vec->from_nf4(dst, q->code, q->packed + at / 2, q->absmax + at / NF4_BLOCK, q->dtype, whole / NF4_BLOCK);
    nf4_dequantize(q, dst + whole, at + whole, n - whole);
}

void weight_range_f32(const struct vec_ops *vec, const struct weight *w, float *dst, size_t at, size_t count)
{
    if (w->kind == WEIGHT_NF4)
        nf4_range(vec, &w->nf4, dst, at, count);
    else if (w->kind == WEIGHT_PANELS)
        panels_dequantize(&w->panels, dst, at, count);
    else if (w->kind == WEIGHT_BLOCKS)
        w->blocks->dequantize(dst, (const uint8_t *)w->data + block_bytes(w->blocks, at), count / w->blocks->elements);
    else if (w->dtype == DTYPE_BF16)
        vec->from_bf16(dst, (const uint16_t *)w->data + at, count);
    else
        (void)dtype_to_f32(dst, (const char *)w->data + at * dtype_size(w->dtype), w->dtype, count, NULL);     /* a float dtype by construction */
}

void weight_prefetch(const struct weight *w, size_t row, size_t at, size_t n)
{
    const char *from = w->kind == WEIGHT_NF4 ? (const char *)w->nf4.packed : w->data;
    size_t bits = w->kind == WEIGHT_NF4 ? 4 : 8 * dtype_size(w->dtype), first = (row * w->in + at) * bits / 8;

    for (size_t i = 0; row < w->out && i < n * bits / 8; i += LINE_BYTES)
        __builtin_prefetch(from + first + i);
}

void weight_rows_f32(const struct weight *w, float *dst, size_t first, size_t n)
{
    weight_range_f32(vec_choose(NULL), w, dst, first * w->in, n * w->in);
}
