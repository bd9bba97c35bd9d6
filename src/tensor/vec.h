/*
 * The vector kernels under products, attention and activations: one source (vec_impl.h) compiled for each instruction
 * set, chosen once per compute as a row of a table. Pure functions; within one row of the table results are the same
 * bits for the same input whatever the alignment. Rows differ among each other in the order of sums.
 */
#ifndef TENSOR_VEC_H
#define TENSOR_VEC_H

#include "tensor/nf4.h"
#include "tensor/panels.h"

#define VEC_FEW_ROWS_MAX    16
#define VEC_PANEL           16          /* columns of a packed panel */
#define VEC_BF16_STEP       32          /* elements along k that bf16 products take at a time */

/*
 * A tile of x in 8 bits: 1 to panel_tall rows side by side, q [blocks][rows] of panel_x_bytes, scale [blocks][rows]. The numbers of
 * a block are its whole numbers times its scale.
 */
struct vec_x8_scale {
    float scale;
    union {
        int32_t start;          /* INT8: minus 128 times the sum of the whole numbers */
        float low;              /* Q4: minus 8 times the sum of the numbers; GGUF blocks: vec_panel_blocks.h */
        int16_t halves[2];      /* Q6_K, Q2_K: the sums of the whole numbers in both halves */
    };
};

struct vec_x8 {
    size_t rows, blocks;
    const uint8_t *q;
    const struct vec_x8_scale *scale;
};

struct vec_panel {
    const uint8_t *blocks;
    const float *factors;       /* [PANEL_ROWS]; NULL: of GGUF blocks and NF4 */
    size_t cols;                /* results wanted of each row: at most PANEL_ROWS */
    const uint8_t *ahead;       /* memory wanted soon: ahead_step bytes are fetched with each block */
    size_t ahead_step;
};

struct vec_ops {
    const char *name;
    bool (*supported)(void);

    float (*dot)(const float *a, const float *b, size_t n);
    void (*axpy)(float *y, const float *x, float a, size_t n);              /* y += a x */
    double (*sum_squares)(const float *x, size_t n);
    float (*max)(const float *x, size_t n);                                 /* n > 0 */
    float (*exp_sum)(float *x, float shift, size_t n);                      /* x = exp(x - shift); returns the sum */
    double (*exp_total)(const float *x, float shift, size_t n);             /* sum of exp(x - shift), within 1e-6 of it */
    void (*scale)(float *x, float a, size_t n);
    /* y = silu(g) * u;  then its gradients from dy: dg, du are overwritten and may be g, u */
    void (*swiglu)(float *y, const float *g, const float *u, size_t n);
    void (*swiglu_grad)(float *dg, float *du, const float *dy, const float *g, const float *u, size_t n);

    /* y = gelu(x) in its two forms; y may be x */
    void (*gelu_tanh)(float *y, const float *x, size_t n);
    void (*gelu_erf)(float *y, const float *x, size_t n);

    void (*round_bf16)(float *y, const float *x, size_t n);                 /* to nearest even; y may be x; a NaN may become infinite */
    void (*from_bf16)(float *dst, const uint16_t *src, size_t n);
    /* codes [64] of x [64] * inverse: how many of the 15 rising thresholds each exceeds */
    void (*nf4_codes)(uint8_t *codes, const float *x, float inverse, const float thresholds[15]);
    float (*max_abs)(const float *x, size_t n);                             /* 0 for none */
    /* whole blocks of 64: packed [32 * blocks], absmax [blocks] */
    void (*from_nf4)(float *dst, const float code[16], const uint8_t *packed, const float *absmax, enum dtype round_to, size_t blocks);

    /*
     * y[r * ldy + j] = x[r] . w[j] for r < rows, j < n: rows of w lie `in` elements apart. Every result is summed in the
     * same order whatever rows and n are.
     */
    void (*few_f32)(float *y, size_t ldy, const float *x, size_t ldx, size_t rows, const float *w, size_t n, size_t in);
    void (*few_bf16)(float *y, size_t ldy, const float *x, size_t ldx, size_t rows, const uint16_t *w, size_t n, size_t in);
    void (*few_f16)(float *y, size_t ldy, const float *x, size_t ldx, size_t rows, const uint16_t *w, size_t n, size_t in);
    /* in a multiple of 64; x was reordered by vec_nf4_order_x: in each block of 64 the even elements, then the odd ones */
    void (*few_nf4)(float *y, size_t ldy, const float *x, size_t ldx, size_t rows, const float code[16], const uint8_t *packed,
                    const float *absmax, enum dtype round_to, size_t n, size_t in);

    /*
     * Large products in tiles of tile_rows rows and tile_panels panels. pack_rows: dst [k, tile_rows] from n rows of x, zeros for
     * those that are missing. pack_...: a panel [k, VEC_PANEL] from n rows of w. tile_f32: y (+)= x . w for packed x and
     * tile_panels panels that follow each other; only `rows` and `cols` of y are touched.
     */
    size_t tile_rows, tile_panels;
    void (*pack_rows)(float *dst, const float *x, size_t ldx, size_t n, size_t k);
    void (*pack_f32)(float *dst, const float *w, size_t ld, size_t n, size_t k);
    void (*pack_bf16)(float *dst, const uint16_t *w, size_t ld, size_t n, size_t k);
    void (*pack_f16)(float *dst, const uint16_t *w, size_t ld, size_t n, size_t k);
    void (*tile_f32)(float *y, size_t ldy, const float *x, const float *w, size_t k, size_t rows, size_t cols, bool add);
    /*
     * y = alpha x . panel + beta y for at most tile_rows rows of x as they lie in memory (element i of row r at r * row_step + i * k_step)
     * and cols columns of one panel [k, VEC_PANEL]; beta 0 does not read y.
     */
    void (*tile_narrow)(float *y, size_t ldy, const float *x, size_t row_step, size_t k_step, const float *panel, size_t k, size_t rows,
                        size_t cols, float alpha, float beta);

    /*
     * bf16 products, where an instruction multiplies pairs of bf16 and adds them to f32 (all NULL elsewhere). few_pairs as few_bf16, of x
     * in bf16. The rest as for f32 above, but k is padded with zeros to whole steps of VEC_BF16_STEP, cols may be any number of panels
     * (of an even number there must be memory), and x and w are pairs along k: pack_rows_bf16 rounds x, for groups of bf16_rows; pack_pairs
     * takes bf16 weights, panel_pairs rounds a panel of f32, zip_pairs makes one row of pairs, of panels that lie `panel` numbers apart, of two
     * rows of n; nf4_to_bf16 is from_nf4 that rounds to bf16. What is denormal counts as zero. has_amx: in tiles of AMX, faster than
     * products of bytes are.
     */
    void (*to_bf16)(uint16_t *dst, const float *x, size_t n);
    void (*few_pairs)(float *y, size_t ldy, const uint16_t *x, size_t ldx, size_t rows, const uint16_t *w, size_t n, size_t in);
    size_t bf16_rows;
    void (*pack_rows_bf16)(uint16_t *dst, const float *x, size_t ldx, size_t n, size_t k);
    void (*pack_pairs)(uint16_t *dst, const uint16_t *w, size_t ld, size_t n, size_t k);
    void (*panel_pairs)(uint16_t *dst, const float *panel, size_t k);
    void (*zip_pairs)(uint16_t *dst, size_t panel, const uint16_t *even, const uint16_t *odd, size_t n);
    void (*nf4_to_bf16)(uint16_t *dst, const float code[16], const uint8_t *packed, const float *absmax, size_t blocks);
    void (*tiles_bf16)(float *y, size_t ldy, const uint16_t *x, const uint16_t *w, size_t k, size_t rows, size_t cols, bool add);
    bool has_amx;

    /* Attention (vec_attention.h): panels of 16 positions; dim of values a multiple of 16. s [queries, 16 n] = q . keys; o += p . values */
    void (*scores_f32)(float *s, size_t lds, const float *q, size_t ldq, size_t queries, const void *const *panels, size_t n, size_t dim);
    void (*scores_bf16)(float *s, size_t lds, const float *q, size_t ldq, size_t queries, const void *const *panels, size_t n, size_t dim);
    void (*values_f32)(float *o, size_t ldo, const float *p, size_t ldp, size_t queries, const void *const *panels, size_t n, size_t dim);
    void (*values_bf16)(float *o, size_t ldo, const float *p, size_t ldp, size_t queries, const void *const *panels, size_t n, size_t dim);
    void (*soft_cap)(float *x, float cap, size_t n);    /* x = cap * tanh(x / cap) */

    /*
     * Panels of quantised weights. panel_quantize: one panel and its factors from x [blocks * 32][PANEL_ROWS]; fit [2, blocks, PANEL_ROWS]
     * is scratch. panel_f32: its first k elements as dst [k, PANEL_ROWS], of NF4's panels, too. panel_quantize_x: a row of n numbers into a
     * tile of that many rows, its q and scale in the first block given. panel_dot: y[r * ldy + j] = x[r] . panel row j, for j < cols.
     */
    void (*panel_quantize)(enum panels_kind kind, uint8_t *panel, float *factors, const float *x, float *fit, size_t blocks);
    void (*panel_f32)(enum panels_kind kind, float *dst, const uint8_t *panel, const float *factors, size_t k);
    size_t (*panel_tall)(enum panels_kind kind);        /* of GGUF blocks and NF4, too */
    size_t (*panel_x_bytes)(enum panels_kind kind);
    void (*panel_quantize_x)(enum panels_kind kind, uint8_t *q, struct vec_x8_scale *scale, size_t rows, const float *x, size_t n);
    void (*panel_dot)(enum panels_kind kind, float *y, size_t ldy, const struct vec_x8 *x, const struct vec_panel *p);
    /* The same of panels of GGUF blocks and NF4 (tensor/panels_blocks.h); n a multiple of the format's elements. */
    size_t (*blocks_x_bytes)(enum panels_kind kind);
    void (*blocks_quantize_x)(enum panels_kind kind, uint8_t *q, struct vec_x8_scale *scale, size_t rows, const float *x, size_t n);
    void (*blocks_dot)(enum panels_kind kind, float *y, size_t ldy, const struct vec_x8 *x, const struct vec_panel *p);
};

void vec_nf4_order_x(float *dst, const float *x, size_t in);

/* The best row this CPU supports, or the one of that name; NULL when there is none. */
const struct vec_ops *vec_choose(const char *name);
const struct vec_ops *const *vec_all(size_t *out_n);            /* every compiled row, best first */

extern const struct vec_ops vec_portable;
#ifdef __x86_64__
extern const struct vec_ops vec_avx2, vec_avx512, vec_avx512vnni, vec_avx512bf16, vec_amx;
#endif
#ifdef VEC_EMULATED             /* tests: the last ones with stand-ins for instructions that this CPU may lack */
extern const struct vec_ops vec_emulated_vnni, vec_emulated_bf16, vec_emulated_amx;
#endif

#endif
