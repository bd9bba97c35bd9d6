/*
 * Tiles of large bf16 products; included by vec_impl.h where pairs of bf16 can be multiplied. Weights are packed in panels of
 * VEC_PANEL columns, [k / 2][column][2]; k is padded with zeros to whole steps of VEC_BF16_STEP. Rows of x come in groups of BF16_ROWS,
 * [k / 2][row][2], for AMX [k / 32][row][32]. Each result is one sum along k in order, whatever tile it falls in.
 */
#define BF16_WIDTH  (2 * VEC_PANEL)     /* columns of a tile: two panels */
#if HAS_TILES
#define BF16_ROWS   32
#else
#define BF16_ROWS   12                  /* 12 x 2 sums, two registers of weights, one of x */
#endif

static void to_bf16(uint16_t *dst, const float *x, size_t n)
{
    size_t i = 0;

    for (; i + W <= n; i += W)
        NARROW_BF16(dst + i, load(x + i));
    if (i < n) {
        uint16_t h[W];

        NARROW_BF16(h, load_part(x + i, n - i));
        memcpy(dst + i, h, (n - i) * sizeof *h);
    }
}

INLINE size_t whole_steps(size_t k) { return (k + VEC_BF16_STEP - 1) / VEC_BF16_STEP * VEC_BF16_STEP; }

/* VEC_BF16_STEP elements of a row of x, of which n exist. */
INLINE void narrow_step(uint16_t *dst, const float *x, size_t n)
{
    for (size_t i = 0; i < VEC_BF16_STEP; i += W)
        NARROW_BF16(dst + i, i + W <= n ? load(x + i) : i < n ? load_part(x + i, n - i) : (vf){ 0 });
}

INLINE void place_step(uint16_t *dst, const uint16_t *step)
{
#if HAS_TILES
    memcpy(dst, step, VEC_BF16_STEP * sizeof *step);
#else
    for (size_t p = 0; p < (VEC_BF16_STEP / 2); p++)
        memcpy(dst + p * 2 * BF16_ROWS, step + 2 * p, 2 * sizeof *step);
#endif
}

static void pack_rows_bf16(uint16_t *dst, const float *x, size_t ldx, size_t rows, size_t k)
{
    for (size_t i = 0; i < k; i += VEC_BF16_STEP, dst += VEC_BF16_STEP * BF16_ROWS)
        for (size_t r = 0; r < BF16_ROWS; r++) {
            uint16_t step[VEC_BF16_STEP] = { 0 };

            if (r < rows)
                narrow_step(step, x + r * ldx + i, k - i < VEC_BF16_STEP ? k - i : VEC_BF16_STEP);
            place_step(dst + r * (HAS_TILES ? VEC_BF16_STEP : 2), step);
        }
}

INLINE void store_pairs(uint16_t *dst, vu v) { memcpy(dst, &v, sizeof v); }

/* Pairs are moved as they are: a transposition of numbers of 32 bits. */
static void pack_pairs(uint16_t *dst, const uint16_t *w, size_t ld, size_t n, size_t k)
{
    for (size_t first = 0; first < VEC_PANEL; first += W)
        for (size_t i = 0, end = whole_steps(k); i < end; i += 2 * W) {
            size_t left = i < k ? k - i : 0;
            vf t[W] = { { 0 } };

            for (size_t j = 0; j < W && first + j < n; j++)
                t[j] = left < 2 * W ? load_w_part(FEW_PAIRS, w, (first + j) * ld + i, left) : load_w(FEW_PAIRS, w, (first + j) * ld + i);
            transpose(t);
            for (size_t p = 0; p < W && i + 2 * p < end; p++)
                store_pairs(dst + ((i / 2 + p) * VEC_PANEL + first) * 2, (vu)t[p]);
        }
}

/* A panel of f32, [k][VEC_PANEL], rounded. */
static void panel_pairs(uint16_t *dst, const float *panel, size_t k)
{
    for (size_t i = 0, end = whole_steps(k); i < end; i += 2)
        for (size_t at = 0; at < VEC_PANEL; at += W) {
            vf even = i < k ? load(panel + i * VEC_PANEL + at) : (vf){ 0 };
            vf odd = i + 1 < k ? load(panel + (i + 1) * VEC_PANEL + at) : (vf){ 0 };

            store_pairs(dst + i * VEC_PANEL + 2 * at, upper_bf16(even) >> 16 | upper_bf16(odd));
        }
}

/* What is bf16 already, as f32: halves of a pair. */
INLINE vu pair_of(vf even, vf odd) { return (vu)even >> 16 | (vu)odd; }

static void zip_pairs(uint16_t *dst, size_t panel, const uint16_t *even, const uint16_t *odd, size_t n)
{
    for (size_t j = 0; j < n; j += W) {
        uint16_t *to = dst + j / VEC_PANEL * panel + j % VEC_PANEL * 2;

        if (n - j >= W)
            store_pairs(to, pair_of(load_w(FEW_BF16, even, j), load_w(FEW_BF16, odd, j)));
        else
            store_pairs(to, pair_of(load_w_part(FEW_BF16, even, j, n - j), load_w_part(FEW_BF16, odd, j, n - j)));
    }
}

static void nf4_to_bf16(uint16_t *dst, const float code[16], const uint8_t *packed, const float *absmax, size_t blocks)
{
    struct nf4_table t;

    for (size_t b = 0; b < blocks; b++, packed += NF4_BLOCK / 2, dst += NF4_BLOCK) {
        nf4_table(&t, code, absmax[b], DTYPE_BF16);
        for (size_t i = 0; i < NF4_BLOCK / 2; i += W) {
            vi bytes = WIDEN_BYTES(packed + i);

            store_pairs(dst + 2 * i, pair_of(nf4_lookup(&t, bytes >> 4), nf4_lookup(&t, bytes & 15)));
        }
    }
}

#if HAS_TILES

/* Up to 32 rows by 32 columns in four tiles; c has room for all of them. */
INLINE void amx_tile(struct amx_tiles *s, float *c, size_t ldc, const uint16_t *x, const uint16_t *w, size_t k, bool second_rows, bool add)
{
    const size_t row = ldc * sizeof *c, step = VEC_BF16_STEP * sizeof *x;

    if (add) {
        TILE_LOAD(s, 0, c, row);
        TILE_LOAD(s, 1, c + VEC_PANEL, row);
        if (second_rows) {
            TILE_LOAD(s, 2, c + TILE_ROWS_MAX * ldc, row);
            TILE_LOAD(s, 3, c + TILE_ROWS_MAX * ldc + VEC_PANEL, row);
        }
    } else {
        TILE_ZERO(s, 0);
        TILE_ZERO(s, 1);
        TILE_ZERO(s, 2);
        TILE_ZERO(s, 3);
    }
    for (size_t i = 0; i < k; i += VEC_BF16_STEP) {
        TILE_LOAD(s, 4, x + i * BF16_ROWS, step);
        TILE_LOAD(s, 6, w + i * VEC_PANEL, step);
        TILE_LOAD(s, 7, w + (k + i) * VEC_PANEL, step);
        TILE_DOT(s, 0, 4, 6);
        TILE_DOT(s, 1, 4, 7);
        if (second_rows) {
            TILE_LOAD(s, 5, x + i * BF16_ROWS + TILE_ROWS_MAX * VEC_BF16_STEP, step);
            TILE_DOT(s, 2, 5, 6);
            TILE_DOT(s, 3, 5, 7);
        }
    }
    TILE_STORE(s, 0, c, row);
    TILE_STORE(s, 1, c + VEC_PANEL, row);
    if (second_rows) {
        TILE_STORE(s, 2, c + TILE_ROWS_MAX * ldc, row);
        TILE_STORE(s, 3, c + TILE_ROWS_MAX * ldc + VEC_PANEL, row);
    }
}

INLINE void copy_tile(float *to, size_t ld_to, const float *from, size_t ld_from, size_t rows, size_t cols)
{
    for (size_t r = 0; r < rows; r++)
        memcpy(to + r * ld_to, from + r * ld_from, cols * sizeof *to);
}

/* Tiles that reach beyond y are computed beside it: in the same way, so that their bits are the same. */
INLINE void amx_tile_beside(struct amx_tiles *s, float *y, size_t ldy, const uint16_t *x, const uint16_t *w, size_t k, size_t rows,
                            size_t cols, bool add)
{
    float c[BF16_ROWS * BF16_WIDTH] __attribute__((aligned(64))) = { 0 };

    if (add)
        copy_tile(c, BF16_WIDTH, y, ldy, rows, cols);
    amx_tile(s, c, BF16_WIDTH, x, w, k, rows > TILE_ROWS_MAX, add);
    copy_tile(y, ldy, c, BF16_WIDTH, rows, cols);
}

static void tiles_bf16(float *y, size_t ldy, const uint16_t *x, const uint16_t *w, size_t k, size_t rows, size_t cols, bool add)
{
    TILES_BEGIN(s);
    for (size_t j = 0; j < cols; j += BF16_WIDTH)
        if (rows == BF16_ROWS && cols - j >= BF16_WIDTH)
            amx_tile(s, y + j, ldy, x, w + j * k, k, true, add);
        else
            amx_tile_beside(s, y + j, ldy, x, w + j * k, k, rows, cols - j < BF16_WIDTH ? cols - j : BF16_WIDTH, add);
    TILES_END(s);
}

#else

INLINE vu every_pair(const uint16_t *p) { uint32_t u; memcpy(&u, p, sizeof u); return u - (vu){ 0 }; }

static void tile_bf16(float *y, size_t ldy, const uint16_t *x, const uint16_t *w, size_t k, size_t rows, size_t cols, bool add)
{
    enum { VECTORS = BF16_WIDTH / W, EACH_PANEL = VEC_PANEL / W };
    vf s[BF16_ROWS][VECTORS] = { { { 0 } } };

    for (size_t i = 0; i < k; i += 2) {
        vu wi[VECTORS];

        for (size_t v = 0; v < VECTORS; v++)
            memcpy(&wi[v], w + (v / EACH_PANEL * k + i) * VEC_PANEL + v % EACH_PANEL * 2 * W, sizeof *wi);
        for (size_t r = 0; r < BF16_ROWS; r++)
            for (size_t v = 0; v < VECTORS; v++)
                s[r][v] = DOT_PAIRS(s[r][v], every_pair(x + i * BF16_ROWS + 2 * r), wi[v]);
    }
    for (size_t r = 0; r < BF16_ROWS; r++)          /* constant bounds keep the sums in registers */
        for (size_t v = 0; v < VECTORS; v++)
            if (r < rows)
                tile_store(y + r * ldy + v * W, s[r][v], cols > v * W ? cols - v * W : 0, add);
}

static void tiles_bf16(float *y, size_t ldy, const uint16_t *x, const uint16_t *w, size_t k, size_t rows, size_t cols, bool add)
{
    for (size_t j = 0; j < cols; j += BF16_WIDTH)
        tile_bf16(y + j, ldy, x, w + j * k, k, rows, cols - j < BF16_WIDTH ? cols - j : BF16_WIDTH, add);
}
#endif
