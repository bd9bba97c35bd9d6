/*
 * Panels (tensor/panels.h) of GGUF blocks (tensor/blocks.h) and of NF4 (tensor/nf4.h): their own whole numbers and scales in the order that
 * the kernels read, so nothing is rounded. A unit is one block of 32 elements of 16 rows, two of them for NF4, or eight for formats with
 * 256 elements to a block:
 *
 *   head    16 d, 16 m (f16; m where the format has a minimum; d of NF4 is f32), then for each block its quantised scales, 16 bytes for all
 *           of it or 16 for each half, and 16 bytes of minimum; those of Q2_K are scale | min << 4 for each half
 *   quants  for each block the low four bits as in panels of Q4, 256 bytes; then fifth bits, 64 bytes whose bit g is group g's; or bit
 *           pairs, 64 bytes for groups 0..3 and 64 for 4..7 with group g's at bit 2 (g % 4), which is all there is of Q2_K. Of 8 bits:
 *           512 bytes as in panels of INT8
 *
 *   Q8_0  w = d (q - 128)       Q4_0  w = d (q - 8)     Q5_0  w = d (q - 16)         Q4_1, Q5_1  w = d q + m
 *   Q4_K, Q5_K  w = d scale q - m min                   Q6_K  w = d scale (q - 32)   Q2_K  w = d scale q - m min
 *   IQ4_NL  w = d table[q]      IQ4_XS  w = d scale table[q]                         NF4  w = d table[q] / 32767
 *
 * The table of NF4 is its code in 16 bits: an error of at most 2^-16 of the block's largest. What the matrix before NF4 was in does not
 * matter here: numbers are not rounded to it.
 */
#ifndef TENSOR_PANELS_BLOCKS_H
#define TENSOR_PANELS_BLOCKS_H

#include "tensor/blocks.h"
#include "tensor/panels.h"

struct panel_unit {
    uint8_t blocks;             /* of 32 elements */
    uint8_t bits;               /* of a quant: 2, 4, 5, 6, 8 */
    uint8_t zero;               /* what is taken from a quant */
    uint8_t scales;             /* bytes of quantised scale for each block and row: 0, 1, 2 */
    bool min;
    bool wide;                  /* d is f32 */
    const int16_t *table;       /* [16]: what quants stand for; NULL: themselves */
};

extern const int16_t panel_table_iq4[16], panel_table_nf4[16];
#define PANEL_NF4_ONE   32767

static inline struct panel_unit panel_unit_of(enum panels_kind k)
{
    static const struct panel_unit units[] = {
        [PANELS_Q8_0 - PANELS_COUNT_] = { .blocks = 1, .bits = 8, .zero = 128 },
        [PANELS_Q4_0 - PANELS_COUNT_] = { .blocks = 1, .bits = 4, .zero = 8 },
        [PANELS_Q4_1 - PANELS_COUNT_] = { .blocks = 1, .bits = 4, .min = true },
        [PANELS_Q5_0 - PANELS_COUNT_] = { .blocks = 1, .bits = 5, .zero = 16 },
        [PANELS_Q5_1 - PANELS_COUNT_] = { .blocks = 1, .bits = 5, .min = true },
        [PANELS_Q2_K - PANELS_COUNT_] = { .blocks = 8, .bits = 2, .scales = 2, .min = true },
        [PANELS_Q4_K - PANELS_COUNT_] = { .blocks = 8, .bits = 4, .scales = 1, .min = true },
        [PANELS_Q5_K - PANELS_COUNT_] = { .blocks = 8, .bits = 5, .scales = 1, .min = true },
        [PANELS_Q6_K - PANELS_COUNT_] = { .blocks = 8, .bits = 6, .zero = 32, .scales = 2 },
        [PANELS_IQ4_NL - PANELS_COUNT_] = { .blocks = 1, .bits = 4, .table = panel_table_iq4 },
        [PANELS_IQ4_XS - PANELS_COUNT_] = { .blocks = 8, .bits = 4, .scales = 1, .table = panel_table_iq4 },
        [PANELS_NF4 - PANELS_COUNT_] = { .blocks = 2, .bits = 4, .wide = true, .table = panel_table_nf4 },
    };

    return units[k - PANELS_COUNT_];
}

/* Bytes: before the scales of block 0; from one block's scales to the next; before the quants of block 0; of a block's quants. */
static inline size_t panel_unit_scales(struct panel_unit u) { return PANEL_ROWS * (u.min || u.wide ? 4u : 2u); }
static inline size_t panel_unit_scale_step(struct panel_unit u) { return PANEL_ROWS * (u.scales + (u.scales == 1 && u.min ? 1u : 0u)); }
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
/* The same of a WEIGHT_NF4 matrix whose `in` is a multiple of NF4_BLOCK. */
errc panels_from_nf4(const struct weight *w, int threads, struct panels *out, struct err *e);
/* Element i of a row: the same float as the block format's dequantize gives; of NF4 not rounded to what the matrix was before. */
float panels_block_element(const struct panels *p, size_t row, size_t i);

#endif
