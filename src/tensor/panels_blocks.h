/*
 * Panels (tensor/panels.h) of GGUF blocks (tensor/blocks.h): the file's own whole numbers and scales in the order that the kernels read,
 * so nothing is rounded. A unit is one block of 32 elements of 16 rows, or eight of them for formats with 256 elements to a block:
 *
 *   head    16 d, 16 m (f16; m where the format has a minimum), then for each block its quantised scales, 16 bytes for all of it or
 *           16 for each half, and 16 bytes of minimum
 *   quants  for each block the low four bits as in panels of Q4, 256 bytes; then fifth bits, 64 bytes whose bit g is group g's; or bit
 *           pairs, 64 bytes for groups 0..3 and 64 for 4..7 with group g's at bit 2 (g % 4). Of 8 bits: 512 bytes as in panels of INT8
 *
 *   Q8_0  w = d (q - 128)       Q4_0  w = d (q - 8)     Q5_0  w = d (q - 16)         Q4_1, Q5_1  w = d q + m
 *   Q4_K, Q5_K  w = d scale q - m min                   Q6_K  w = d scale (q - 32)
 */
#ifndef TENSOR_PANELS_BLOCKS_H
#define TENSOR_PANELS_BLOCKS_H

#include "tensor/blocks.h"
#include "tensor/panels.h"

struct panel_unit {
    uint8_t blocks;             /* of 32 elements */
    uint8_t bits;               /* of a quant: 4, 5, 6, 8 */
    uint8_t zero;               /* what is taken from a quant */
    uint8_t scales;             /* bytes of quantised scale for each block and row: 0, 1, 2 */
    bool min;
};

static inline struct panel_unit panel_unit_of(enum panels_kind k)
{
    static const struct panel_unit units[] = {
        { 1, 8, 128, 0, false }, { 1, 4, 8, 0, false }, { 1, 4, 0, 0, true }, { 1, 5, 16, 0, false }, { 1, 5, 0, 0, true },
        { 8, 4, 0, 1, true }, { 8, 5, 0, 1, true }, { 8, 6, 32, 2, false },
    };

    return units[k - PANELS_Q8_0];
}

/* Bytes: before the scales of block 0; from one block's scales to the next; before the quants of block 0; of a block's quants. */
static inline size_t panel_unit_scales(struct panel_unit u) { return PANEL_ROWS * (u.min ? 4u : 2u); }
static inline size_t panel_unit_scale_step(struct panel_unit u) { return u.scales ? PANEL_ROWS * (u.scales + (u.min ? 1u : 0u)) : 0; }
static inline size_t panel_unit_head(struct panel_unit u) { return panel_unit_scales(u) + u.blocks * panel_unit_scale_step(u); }
static inline size_t panel_unit_quants(struct panel_unit u) { return PANEL_ROWS * PANEL_BLOCK / 8 * (size_t)u.bits; }
static inline size_t panel_unit_bytes(struct panel_unit u) { return panel_unit_head(u) + u.blocks * panel_unit_quants(u); }

/* Whether there are panels for this format. */
bool panels_have_blocks(const struct block_format *f);
/*
 * Panels of a WEIGHT_BLOCKS matrix; threads >= 1 share the work. ERR_CORRUPT names the place of a scale that is infinite or not a
 * number, ERR_UNSUPPORTED a format without panels.
 */
errc panels_from_blocks(const struct weight *w, int threads, struct panels *out, struct err *e);
/* Element i of a row: the same float as the block format's dequantize gives. */
float panels_block_element(const struct panels *p, size_t row, size_t i);

#endif
