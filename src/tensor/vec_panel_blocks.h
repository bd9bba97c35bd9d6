/*
 * Products with panels of GGUF blocks (tensor/panels_blocks.h); included by vec_impl.h after vec_panel.h, whose integer sums and 8-bit x
 * these use. Lanes are rows of the matrix; a block's sum is a whole number before its scales make it a float.
 */

/* ── x ── */

static size_t blocks_x_bytes(enum panels_kind kind) { return panel_x_bytes(kind == PANELS_Q8_0 ? PANELS_INT8 : PANELS_Q4); }

INLINE void half_sums(int16_t sums[2], const uint8_t *q)
{
    sums[0] = sums[1] = 0;
    for (size_t i = 0; i < PANEL_BLOCK; i++)
        sums[i / (PANEL_BLOCK / 2)] = (int16_t)(sums[i / (PANEL_BLOCK / 2)] + (int8_t)q[i]);
}

/* low is what takes the quants' zero away or adds the minimum: the block's sum times -zero, 1 or -1; Q6_K has its halves' sums. */
static void blocks_quantize_x(enum panels_kind kind, uint8_t *q, struct vec_x8_scale *scale, size_t rows, const float *x, size_t n)
{
    struct panel_unit u = panel_unit_of(kind);
    float factor = u.zero ? -(float)u.zero : u.scales ? -1 : 1;

    for (size_t b = 0; b * PANEL_BLOCK < n; b++, q += rows * blocks_x_bytes(kind), scale += rows) {
        const float *at = x + b * PANEL_BLOCK;          /* rows hold whole blocks */
        bool halves = u.bits == 8 && INT8_BY_HALVES;
        int32_t total = halves ? quantize_x_block(true, q, &scale->scale, at) : quantize_x_block(false, q, &scale->scale, at);

        if (u.scales == 2)
            half_sums(scale->halves, q);
        else
            scale->low = (float)total * scale->scale * factor;
    }
}

/* ── sums of quants times x ── */

#if W > 4
#if defined(VEC_EMULATED)
#define LEFT16(v, n)    ((v) << (n))            /* of bits that are masked afterwards */
#define OR(a, b)        ((a) | (b))
#define WIDEN_SIGNED(p) ((WIDEN_BYTES(p) ^ 128) - 128)
#elif W == 16
#define LEFT16(v, n)    _mm512_slli_epi16(v, n)
#define OR(a, b)        _mm512_or_si512(a, b)
#define WIDEN_SIGNED(p) ((vi)_mm512_cvtepi8_epi32(_mm_loadu_si128((const void *)(p))))
#else
#define LEFT16(v, n)    _mm256_slli_epi16(v, n)
#define OR(a, b)        _mm256_or_si256(a, b)
#define WIDEN_SIGNED(p) ((vi)_mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)(p))))
#endif

/* `bits` of v at bit `from` of every byte, moved to bit 4. */
INLINE vw above_nibble(vw v, const int bits, const int from)
{
    vw moved = from < 4 ? LEFT16(v, 4 - from) : from > 4 ? SHIFT16(v, from - 4) : v;

    return AND(moved, EVERY32(bits == 1 ? 0x10101010 : 0x30303030));
}

INLINE vw quants_of(const int bits, const uint8_t *q, const size_t g, size_t h)
{
    vw v = load_vw(q + g % 4 * GROUP_BYTES + h * sizeof v), low = AND(g < 4 ? v : SHIFT16(v, 4), EVERY32(0x0f0f0f0f));

    if (bits == 5)
        return OR(low, above_nibble(load_vw(q + 4 * GROUP_BYTES + h * sizeof v), 1, (int)g));
    if (bits == 6)
        return OR(low, above_nibble(load_vw(q + (4 + g / 4) * GROUP_BYTES + h * sizeof v), 2, (int)(2 * (g % 4))));
    return low;
}

/* Adds groups [first, first + n): as many products as 16 bits hold are added before they are widened. */
INLINE void add_groups(const int bits, const size_t first, const size_t n, const size_t R, vw sums[][HALVES], const uint8_t *q, const uint8_t *x)
{
#if HAS_DOT_BYTES
    UNROLLED
    for (size_t g = first; g < first + n; g++) {
        vw w = quants_of(bits, q, g, 0);

        UNROLLED
        for (size_t r = 0; r < R; r++)
            sums[r][0] = DOT_BYTES(sums[r][0], w, every_group(x + r * X_Q4 + 4 * g));
    }
#else
    const size_t fit = bits == 4 ? 8 : bits == 5 ? 4 : 2;

    UNROLLED
    for (size_t g0 = first; g0 < first + n; g0 += fit) {
        vw part[PANEL_TALL][HALVES];

        UNROLLED
        for (size_t g = g0; g < g0 + fit; g++) {
            vw w[HALVES];

            UNROLLED
            for (size_t h = 0; h < HALVES; h++)
                w[h] = quants_of(bits, q, g, h);
            UNROLLED
            for (size_t r = 0; r < R; r++) {
                vw xr = every_group(x + r * X_Q4 + 4 * g);
                UNROLLED
                for (size_t h = 0; h < HALVES; h++) {
                    vw sum = g == g0 ? BYTES(w[h], xr) : ADD16(part[r][h], BYTES(w[h], xr));
                    PIN(sum);
                    part[r][h] = sum;
                }
            }
        }
        UNROLLED
        for (size_t r = 0; r < R; r++)
            UNROLLED
            for (size_t h = 0; h < HALVES; h++)
                sums[r][h] = ADD32(sums[r][h], PAIRS(part[r][h], ONES));
    }
#endif
}

#else
INLINE vi widen_signed(const uint8_t *p) { return (WIDEN_BYTES(p) ^ 128) - 128; }
#define WIDEN_SIGNED(p) widen_signed(p)

INLINE int quant_of(const int bits, const uint8_t *q, size_t g, size_t byte)
{
    int v = q[g % 4 * GROUP_BYTES + byte] >> (g / 4 * 4) & 15;

    if (bits == 5)
        v |= (q[4 * GROUP_BYTES + byte] >> g & 1) << 4;
    if (bits == 6)
        v |= (q[(4 + g / 4) * GROUP_BYTES + byte] >> (2 * (g % 4)) & 3) << 4;
    return v;
}

INLINE void add_groups(const int bits, const size_t first, const size_t n, const size_t R, vw sums[][HALVES], const uint8_t *q, const uint8_t *x)
{
    for (size_t r = 0; r < R; r++)
        for (size_t g = first; g < first + n; g++)
            for (size_t lane = 0; lane < PANEL_ROWS; lane++)
                for (size_t k = 0; k < 4; k++)
                    sums[r][lane / W][lane % W] += quant_of(bits, q, g, 4 * lane + k) * (int8_t)x[r * X_Q4 + 4 * g + k];
}
#endif

INLINE void clear_sums(const size_t R, vw sums[][HALVES])
{
    UNROLLED
    for (size_t r = 0; r < R; r++)
        UNROLLED
        for (size_t h = 0; h < HALVES; h++)
            sums[r][h] = (vw){ 0 };
}

/* Q6_K: each half's sum less that of its zeros, times its scale. */
INLINE void add_scaled_half(const size_t half, const size_t R, vw sums[][HALVES], vw total[][HALVES], const uint8_t *scales,
                            const struct vec_x8_scale *x)
{
    UNROLLED
    for (size_t h = 0; h < HALVES; h++) {
        vi s = WIDEN_SIGNED(scales + half * PANEL_ROWS + h * W);

        UNROLLED
        for (size_t r = 0; r < R; r++)
            total[r][h] = (vw)((vi)total[r][h] + ((vi)sums[r][h] - 32 * x[r].halves[half]) * s);
    }
}

INLINE void block_sums(enum panels_kind kind, const size_t R, vw sums[][HALVES], const uint8_t *quants, const uint8_t *scales, const uint8_t *x,
                       const struct vec_x8_scale *x_scale)
{
    const struct panel_unit u = panel_unit_of(kind);

    clear_sums(R, sums);
    if (u.bits == 8) {
        sums_int8(R, sums, quants, x);
    } else if (u.scales < 2) {
        add_groups(u.bits, 0, 8, R, sums, quants, x);
    } else {
        UNROLLED
        for (size_t half = 0; half < 2; half++) {
            vw part[PANEL_TALL][HALVES];

            clear_sums(R, part);
            add_groups(u.bits, 4 * half, 4, R, part, quants, x);
            add_scaled_half(half, R, part, sums, scales, x_scale);
        }
    }
}

/* ── products ── */

/* What lanes of half h multiply a block's sum with, and the sum of x. */
INLINE void block_scales(enum panels_kind kind, const uint8_t *unit, const uint8_t *scales, size_t h, vf *s, vf *low)
{
    const struct panel_unit u = panel_unit_of(kind);

    *s = load_f16(unit + 2 * h * W);
    *low = u.min ? load_f16(unit + 2 * (PANEL_ROWS + h * W)) : *s;
    if (u.scales == 1) {
        *s *= to_float(WIDEN_BYTES(scales + h * W));
        *low *= to_float(WIDEN_BYTES(scales + PANEL_ROWS + h * W));
    }
}

/* R rows of x against one panel. */
INLINE void blocks_tile(enum panels_kind kind, const size_t R, float *y, size_t ldy, const struct vec_x8 *x, const struct vec_panel *p)
{
    const struct panel_unit u = panel_unit_of(kind);
    const uint8_t *unit = p->blocks, *ahead = p->ahead, *q = x->q;
    const struct vec_x8_scale *scale = x->scale;
    vf f[PANEL_TALL][HALVES] = { { { 0 } } };

    for (size_t b = 0; b < x->blocks; unit += panel_unit_bytes(u)) {
        for (size_t in_unit = 0; in_unit < u.blocks; in_unit++, b++, q += R * blocks_x_bytes(kind), scale += R) {
            const uint8_t *quants = unit + panel_unit_head(u) + in_unit * panel_unit_quants(u);
            const uint8_t *scales = unit + panel_unit_scales(u) + in_unit * panel_unit_scale_step(u);
            vw sums[PANEL_TALL][HALVES];

            ahead = fetch(ahead, p->ahead_step);
            block_sums(kind, R, sums, quants, scales, q, scale);
            UNROLLED
            for (size_t h = 0; h < HALVES; h++) {
                vf s, low;

                block_scales(kind, unit, scales, h, &s, &low);
                UNROLLED
                for (size_t r = 0; r < R; r++) {
                    f[r][h] += to_float((vi)sums[r][h]) * s * scale[r].scale;
                    if (u.scales < 2)
                        f[r][h] += low * scale[r].low;
                }
            }
        }
    }
    UNROLLED
    for (size_t r = 0; r < R; r++)
        UNROLLED
        for (size_t h = 0; h < HALVES; h++)
            tile_store(y + r * ldy + h * W, f[r][h], p->cols > h * W ? p->cols - h * W : 0, false);
}

#define BLOCK_KINDS(X, R)   X(Q8_0, R) X(Q4_0, R) X(Q4_1, R) X(Q5_0, R) X(Q5_1, R) X(Q4_K, R) X(Q5_K, R) X(Q6_K, R)
#define BLOCK_TILE(kind, R) PANEL_TILE(kind, blocks_tile, R)
#define BLOCK_ROW(kind, R)  [PANELS_##kind - PANELS_Q8_0][R] = kind##_##R,
#define BLOCK_TILES(R)      BLOCK_KINDS(BLOCK_TILE, R)
#define BLOCK_HEIGHT(R)     BLOCK_KINDS(BLOCK_ROW, R)

PANEL_HEIGHTS(BLOCK_TILES)

static void blocks_dot(enum panels_kind kind, float *y, size_t ldy, const struct vec_x8 *x, const struct vec_panel *p)
{
    static void (*const tiles[][PANEL_TALL + 1])(float *y, size_t ldy, const struct vec_x8 *x, const struct vec_panel *p) = {
        PANEL_HEIGHTS(BLOCK_HEIGHT)
    };

    tiles[kind - PANELS_Q8_0][x->rows](y, ldy, x, p);
}
