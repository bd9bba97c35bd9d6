/*
 * Weights quantised while loading, laid out for the kernels: panels of 16 rows of the matrix [out, in] side by side, each cut along
 * `in` into blocks of 32; out and in are padded. A block holds its quants for 8 groups of 4 elements, a group being 16 rows x 4 bytes,
 * then one byte of scale for each row (and one of minimum); a row's factor f turns them into numbers.
 *
 *   INT8  528 bytes: 8 groups of 64 bytes q, 16 scales;                  w = f scale (q - 128)                  8.25 bits + f
 *   Q4    288 bytes: 4 x 64 bytes, 16 scales, 16 minima; the low nibbles of group pair g are group g, the high ones g + 4;
 *                                                                        w = f (scale q - 8 min)                4.5 bits + f
 *
 * INT8 is symmetric over the largest magnitude of a block. Q4 fits scale and minimum of each block by least squares from several
 * starting points (as make_qkx does in ggml). A product may quantise x to 8 bits in blocks of 32 as well (GEMM_INT8).
 */
#ifndef TENSOR_PANELS_H
#define TENSOR_PANELS_H

#include "tensor/tensor.h"

#define PANEL_ROWS  16
#define PANEL_BLOCK 32

/* Those before PANELS_COUNT_ are made by quantising; the others hold GGUF blocks and NF4 as they are (tensor/panels_blocks.h). */
enum panels_kind {
    PANELS_INT8, PANELS_Q4, PANELS_COUNT_,
    PANELS_Q8_0 = PANELS_COUNT_, PANELS_Q4_0, PANELS_Q4_1, PANELS_Q5_0, PANELS_Q5_1, PANELS_Q2_K, PANELS_Q4_K, PANELS_Q5_K, PANELS_Q6_K,
    PANELS_IQ4_NL, PANELS_IQ4_XS, PANELS_NF4, PANELS_END_,
};

struct panels {
    enum panels_kind kind;
    size_t out, in;
    size_t blocks;              /* along in, rounded up */
    uint8_t *data;              /* [panels][blocks][block bytes], owned, aligned to 64 */
    float *factors;             /* [panels * PANEL_ROWS], owned; NULL: of GGUF blocks and NF4 */
};

size_t panels_block_bytes(enum panels_kind k);          /* of a quantised kind */
size_t panels_stride(const struct panels *p);           /* bytes of a panel */
size_t panels_bytes(const struct panels *p);
static inline size_t panels_count(size_t out) { return (out + PANEL_ROWS - 1) / PANEL_ROWS; }
static inline const uint8_t *panels_at(const struct panels *p, size_t panel)
{
    return p->data + panel * panels_stride(p);
}
/* Where element `at` of a panel's rows begins, at a multiple of what a unit holds. */
const uint8_t *panels_at_element(const struct panels *p, size_t panel, size_t at);
/* Whether kernels expand it to f32 (panel_f32 of tensor/vec.h): panels of our own and NF4. */
static inline bool panels_expand(const struct panels *p) { return p->kind < PANELS_COUNT_ || p->kind == PANELS_NF4; }

struct weight;
/*
 * Quantises a matrix of any kind; threads >= 1 share the panels, which changes nothing in the result. ERR_CORRUPT names the place of an
 * element that is infinite or not a number.
 */
errc panels_from_weight(const struct weight *w, enum panels_kind k, int threads, struct panels *out, struct err *e);
void panels_done(struct panels *p);
/* Elements [at, at + n) of the matrix counted row by row: the plain reading, slow. */
void panels_dequantize(const struct panels *p, float *dst, size_t at, size_t n);

#endif
