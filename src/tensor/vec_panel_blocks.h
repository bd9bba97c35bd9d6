/*
 * Products with panels of GGUF blocks and NF4 (tensor/panels_blocks.h); included by vec_impl.h after vec_panel.h, whose integer sums and
 * 8-bit x these use. Lanes are rows of the matrix; a block's sum is a whole number before its scales make it a float.
 */

/* Products of signed 16-bit numbers, two to a lane. */
#if W > 4 && !defined(VEC_EMULATED)
#define HAS_PAIRS   1
#else
#define HAS_PAIRS   0
#endif

/* ── x ── */

#define X_TABLE     ((size_t)PANEL_BLOCK * (HAS_PAIRS ? 2 : 1))       /* of formats with a table, whose values have 16 bits; in the order of INT8 by halves */

static size_t blocks_x_bytes(enum panels_kind kind)
{
    return panel_unit_of(kind).table ? X_TABLE : panel_x_bytes(kind == PANELS_Q8_0 ? PANELS_INT8 : PANELS_Q4);
}

INLINE void half_sums(int16_t sums[2], const uint8_t *q)
{
    sums[0] = sums[1] = 0;
    for (size_t i = 0; i < PANEL_BLOCK; i++)
        sums[i / (PANEL_BLOCK / 2)] = (int16_t)(sums[i / (PANEL_BLOCK / 2)] + (int8_t)q[i]);
}

/* low is what takes the quants' zero away or adds the minimum: the block's sum times -zero, 1 or -1; with two scales there are its halves' sums. */
static void blocks_quantize_x(enum panels_kind kind, uint8_t *q, struct vec_x8_scale *scale, size_t rows, const float *x, size_t n)
{
    struct panel_unit u = panel_unit_of(kind);
    float factor = u.zero ? -(float)u.zero : u.scales ? -1 : 1;

    for (size_t b = 0; b * PANEL_BLOCK < n; b++, q += rows * blocks_x_bytes(kind), scale += rows) {
        const float *at = x + b * PANEL_BLOCK;          /* rows hold whole blocks */
        bool halves = blocks_x_bytes(kind) > PANEL_BLOCK;
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

INLINE vw bit_pair(vw v, const int from) { return AND(from ? SHIFT16(v, from) : v, EVERY32(0x03030303)); }

INLINE vw quants_of(const int bits, const uint8_t *q, const size_t g, size_t h)
{
    if (bits == 2)
        return bit_pair(load_vw(q + g / 4 * GROUP_BYTES + h * sizeof(vw)), (int)(2 * (g % 4)));
    vw v = load_vw(q + g % 4 * GROUP_BYTES + h * sizeof v), low = AND(g < 4 ? v : SHIFT16(v, 4), EVERY32(0x0f0f0f0f));

    if (bits == 5)
        return OR(low, above_nibble(load_vw(q + 4 * GROUP_BYTES + h * sizeof v), 1, (int)g));
    if (bits == 6)
        return OR(low, above_nibble(load_vw(q + (4 + g / 4) * GROUP_BYTES + h * sizeof v), 2, (int)(2 * (g % 4))));
    return low;
}

#if HAS_DOT_BYTES
/* Adds groups [first, first + n). */
INLINE void add_groups(const int bits, const size_t first, const size_t n, const size_t R, vw sums[][HALVES], const uint8_t *q, const uint8_t *x)
{
    UNROLLED
    for (size_t g = first; g < first + n; g++) {
        vw w = quants_of(bits, q, g, 0);

        UNROLLED
        for (size_t r = 0; r < R; r++)
            sums[r][0] = DOT_BYTES(sums[r][0], w, every_group(x + r * X_Q4 + 4 * g));
    }
}
#else
/* Adds groups [first, first + n) times `by`: as many products as 16 bits hold are added before they are widened. */
INLINE void add_groups_by(const int bits, const size_t first, const size_t n, const size_t R, vw sums[][HALVES], const uint8_t *q, const uint8_t *x,
                          const vw by[HALVES])
{
    const size_t fit = bits == 4 ? 8 : bits == 6 ? 2 : 4;

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
                    if (g == g0)
                        part[r][h] = BYTES(w[h], xr);
                    else
                        ADD_TO16(part[r][h], BYTES(w[h], xr));
                }
            }
        }
        UNROLLED
        for (size_t r = 0; r < R; r++)
            UNROLLED
            for (size_t h = 0; h < HALVES; h++)
                sums[r][h] = ADD32(sums[r][h], PAIRS(part[r][h], by[h]));
    }
}

INLINE void add_groups(const int bits, const size_t first, const size_t n, const size_t R, vw sums[][HALVES], const uint8_t *q, const uint8_t *x)
{
    vw ones[HALVES];

    UNROLLED
    for (size_t h = 0; h < HALVES; h++)
        ones[h] = ONES;
    add_groups_by(bits, first, n, R, sums, q, x, ones);
}
#endif

#else
INLINE vi widen_signed(const uint8_t *p) { return (WIDEN_BYTES(p) ^ 128) - 128; }
#define WIDEN_SIGNED(p) widen_signed(p)

INLINE int quant_of(const int bits, const uint8_t *q, size_t g, size_t byte)
{
    if (bits == 2)
        return q[g / 4 * GROUP_BYTES + byte] >> (2 * (g % 4)) & 3;
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

/* ── quants that are places in a table of 16-bit numbers ── */

#if HAS_PAIRS
#if W == 16
struct table { vw twice; };         /* places have five bits: the first is another quant's */

INLINE struct table load_table(const int16_t t[16]) { return (struct table){ _mm512_broadcast_i64x4(_mm256_loadu_si256((const void *)t)) }; }

INLINE vw table_values(const struct table *t, vw v, const bool high, const bool odd)
{
    v = high ? SHIFT16(v, 4) : v;
    return _mm512_permutexvar_epi16(odd ? SHIFT16(v, 8) : v, t->twice);
}
#else
struct table { vw low, high; };     /* bytes of the numbers */

INLINE struct table load_table(const int16_t t[16])
{
    __m256i v = _mm256_loadu_si256((const void *)t), low = AND(v, EVERY32(0x00ff00ff)), high = SHIFT16(v, 8);

    return (struct table){ _mm256_permute4x64_epi64(_mm256_packus_epi16(low, low), 0x88),
                           _mm256_permute4x64_epi64(_mm256_packus_epi16(high, high), 0x88) };
}

INLINE vw table_values(const struct table *t, vw v, const bool high, const bool odd)
{
    vw place = AND(high ? SHIFT16(v, 4) : v, EVERY32(0x0f0f0f0f)), l = _mm256_shuffle_epi8(t->low, place), h = _mm256_shuffle_epi8(t->high, place);

    return odd ? OR(SHIFT16(l, 8), AND(h, EVERY32((int)0xff00ff00))) : OR(AND(l, EVERY32(0x00ff00ff)), LEFT16(h, 8));
}
#endif

#define PAIR_STEPS  (PANEL_BLOCK / 2)

/* Step 2 group of a block: elements 0 and 2 of the group in 16 bits each, of every row; then elements 1 and 3. */
INLINE void table_step(const struct table *t, vw w[HALVES], const uint8_t *q, size_t group, const bool high, const bool odd)
{
    UNROLLED
    for (size_t h = 0; h < HALVES; h++)
        w[h] = table_values(t, load_vw(q + group * GROUP_BYTES + h * sizeof *w), high, odd);
}

INLINE void add_step(const size_t R, vw sums[][HALVES], const vw w[HALVES], const uint8_t *x, size_t step)
{
    UNROLLED
    for (size_t r = 0; r < R; r++) {
        vw xr = every_group(x + r * X_TABLE + 4 * step);

        UNROLLED
        for (size_t h = 0; h < HALVES; h++)
            ADD_TO32(sums[r][h], PAIRS(w[h], xr));
    }
}

INLINE void add_table_few(const struct table *t, const size_t R, vw sums[][HALVES], const uint8_t *q, const uint8_t *x)
{
    for (size_t g = 0; g < GROUPS / 2; g++)
        UNROLLED
        for (size_t part = 0; part < 4; part++) {
            vw w[HALVES];

            table_step(t, w, q, g, part / 2, part % 2);
            add_step(R, sums, w, x, 2 * (g + part / 2 * GROUPS / 2) + part % 2);
        }
}

/* Sums of many rows fill the registers: the block's numbers wait in memory. */
INLINE void add_table_many(const struct table *t, const size_t R, vw sums[][HALVES], const uint8_t *q, const uint8_t *x)
{
    vw w[PAIR_STEPS][HALVES];

    for (size_t g = 0; g < GROUPS / 2; g++)
        UNROLLED
        for (size_t part = 0; part < 4; part++)
            table_step(t, w[2 * (g + part / 2 * GROUPS / 2) + part % 2], q, g, part / 2, part % 2);
    for (size_t step = 0; step < PAIR_STEPS; step++)
        add_step(R, sums, w[step], x, step);
}

INLINE void add_table(const struct table *t, const size_t R, vw sums[][HALVES], const uint8_t *q, const uint8_t *x)
{
    if (R <= 2)
        add_table_few(t, R, sums, q, x);
    else
        add_table_many(t, R, sums, q, x);
}
#else
struct table { const int16_t *t; };

INLINE struct table load_table(const int16_t t[16]) { return (struct table){ t }; }

INLINE void add_table(const struct table *t, const size_t R, vw sums[][HALVES], const uint8_t *q, const uint8_t *x)
{
    for (size_t r = 0; r < R; r++)
        for (size_t g = 0; g < GROUPS; g++)
            for (size_t i = 0; i < GROUP_BYTES; i++) {
                int nibble = q[g % 4 * GROUP_BYTES + i] >> (g / 4 * 4) & 15;

                sums[r][i / 4 / W][i / 4 % W] += t->t[nibble] * (int8_t)x[r * X_TABLE + 4 * g + i % 4];
            }
}
#endif

/* ── products ── */

/* What lanes of half h multiply a block's sum with, and the sum of x. */
INLINE void block_scales(enum panels_kind kind, const uint8_t *unit, const uint8_t *scales, size_t h, vf *s, vf *low)
{
    const struct panel_unit u = panel_unit_of(kind);

    *s = u.wide ? load((const float *)(const void *)(unit + 4 * h * W)) * (1.0f / PANEL_NF4_ONE) : load_f16(unit + 2 * h * W);
    *low = u.min ? load_f16(unit + 2 * (PANEL_ROWS + h * W)) : *s;
    if (u.scales && u.min) {
        *s *= to_float(WIDEN_BYTES(scales + h * W));
        *low *= to_float(WIDEN_BYTES(scales + PANEL_ROWS + h * W));
    } else if (u.scales) {
        *s *= to_float(WIDEN_SIGNED(scales + h * W));
    }
}

INLINE void block_whole(enum panels_kind kind, const size_t R, vf f[][HALVES], const struct table *table, const uint8_t *unit, const uint8_t *quants,
                        const uint8_t *scales, const uint8_t *x, const struct vec_x8_scale *x_scale)
{
    const struct panel_unit u = panel_unit_of(kind);
    vw sums[PANEL_TALL][HALVES];

    clear_sums(R, sums);
    if (u.table)
        add_table(table, R, sums, quants, x);
    else if (u.bits == 8)
        sums_int8(R, sums, quants, x);
    else
        add_groups(u.bits, 0, GROUPS, R, sums, quants, x);
    UNROLLED
    for (size_t h = 0; h < HALVES; h++) {
        vf s, low;

        block_scales(kind, unit, scales, h, &s, &low);
        UNROLLED
        for (size_t r = 0; r < R; r++) {
            f[r][h] += to_float((vi)sums[r][h]) * s * x_scale[r].scale;
            if (u.zero || u.min)
                f[r][h] += low * x_scale[r].low;
        }
    }
}

/* Adds a half's sum times s. */
INLINE void add_half(const int bits, const size_t half, const size_t R, vw sums[][HALVES], const vi s[HALVES], const uint8_t *q, const uint8_t *x)
{
    vw part[PANEL_TALL][HALVES];

#if W > 4 && !HAS_DOT_BYTES
    UNROLLED
    for (size_t h = 0; h < HALVES; h++)
        part[0][h] = (vw)((s[h] & 0xffff) | s[h] << 16);
    add_groups_by(bits, 4 * half, 4, R, sums, q, x, part[0]);
#else
    clear_sums(R, part);
    add_groups(bits, 4 * half, 4, R, part, q, x);
    UNROLLED
    for (size_t r = 0; r < R; r++)
        UNROLLED
        for (size_t h = 0; h < HALVES; h++)
            sums[r][h] = (vw)((vi)sums[r][h] + (vi)part[r][h] * s[h]);
#endif
}

/* The sums of x in both halves, each times its low. */
INLINE vi half_lows(vi low0, vi low1, const struct vec_x8_scale *x)
{
#if HAS_PAIRS
    return (vi)PAIRS((vw)((low0 & 0xffff) | low1 << 16), EVERY32(x->start));
#else
    return low0 * x->halves[0] + low1 * x->halves[1];
#endif
}

/* With a scale for each half: Q6_K, whose zeros are taken away, and Q2_K, which has minima. */
INLINE void block_halves(enum panels_kind kind, const size_t R, vf f[][HALVES], const uint8_t *unit, const uint8_t *quants, const uint8_t *scales,
                         const uint8_t *x, const struct vec_x8_scale *x_scale)
{
    const struct panel_unit u = panel_unit_of(kind);
    vw sums[PANEL_TALL][HALVES];
    vi low[2][HALVES];

    clear_sums(R, sums);
    UNROLLED
    for (size_t half = 0; half < 2; half++) {
        vi s[HALVES];

        UNROLLED
        for (size_t h = 0; h < HALVES; h++) {
            vi v = u.min ? WIDEN_BYTES(scales + half * PANEL_ROWS + h * W) : WIDEN_SIGNED(scales + half * PANEL_ROWS + h * W);

            s[h] = u.min ? v & 15 : v;
            low[half][h] = u.min ? v >> 4 : v * u.zero;
        }
        add_half(u.bits, half, R, sums, s, quants, x);
    }
    UNROLLED
    for (size_t h = 0; h < HALVES; h++) {
        vf d = load_f16(unit + 2 * h * W), m = u.min ? load_f16(unit + 2 * (PANEL_ROWS + h * W)) : d;

        UNROLLED
        for (size_t r = 0; r < R; r++) {
            vi lows = half_lows(low[0][h], low[1][h], &x_scale[r]);

            f[r][h] += to_float(u.min ? (vi)sums[r][h] : (vi)sums[r][h] - lows) * d * x_scale[r].scale;
            if (u.min)
                f[r][h] -= to_float(lows) * m * x_scale[r].scale;
        }
    }
}

/* R rows of x against one panel. */
INLINE void blocks_tile(enum panels_kind kind, const size_t R, float *y, size_t ldy, const struct vec_x8 *x, const struct vec_panel *p)
{
    const struct panel_unit u = panel_unit_of(kind);
    const struct table table = load_table(u.table ? u.table : panel_table_iq4);
    const uint8_t *unit = p->blocks, *ahead = p->ahead, *q = x->q;
    const struct vec_x8_scale *scale = x->scale;
    vf f[PANEL_TALL][HALVES] = { { { 0 } } };

    for (size_t b = 0; b < x->blocks; unit += panel_unit_bytes(u)) {
        for (size_t in_unit = 0; in_unit < u.blocks; in_unit++, b++, q += R * blocks_x_bytes(kind), scale += R) {
            const uint8_t *quants = unit + panel_unit_head(u) + in_unit * panel_unit_quants(u);
            const uint8_t *scales = unit + panel_unit_scales(u) + in_unit * panel_unit_scale_step(u);

            ahead = fetch(ahead, p->ahead_step);
            if (u.scales == 2)
                block_halves(kind, R, f, unit, quants, scales, q, scale);
            else
                block_whole(kind, R, f, &table, unit, quants, scales, q, scale);
        }
    }
    UNROLLED
    for (size_t r = 0; r < R; r++)
        UNROLLED
        for (size_t h = 0; h < HALVES; h++)
            tile_store(y + r * ldy + h * W, f[r][h], p->cols > h * W ? p->cols - h * W : 0, false);
}

#define BLOCK_KINDS(X, R) \
    X(Q8_0, R) X(Q4_0, R) X(Q4_1, R) X(Q5_0, R) X(Q5_1, R) X(Q2_K, R) X(Q4_K, R) X(Q5_K, R) X(Q6_K, R) X(IQ4_NL, R) X(IQ4_XS, R) X(NF4, R)
#define BLOCK_TILE(kind, R) PANEL_TILE(kind, blocks_tile, R)
#define BLOCK_ROW(kind, R)  [PANELS_##kind - PANELS_COUNT_][R] = kind##_##R,
#define BLOCK_TILES(R)      BLOCK_KINDS(BLOCK_TILE, R)
#define BLOCK_HEIGHT(R)     BLOCK_KINDS(BLOCK_ROW, R)

PANEL_HEIGHTS(BLOCK_TILES)

static void blocks_dot(enum panels_kind kind, float *y, size_t ldy, const struct vec_x8 *x, const struct vec_panel *p)
{
    static void (*const tiles[][PANEL_TALL + 1])(float *y, size_t ldy, const struct vec_x8 *x, const struct vec_panel *p) = {
        PANEL_HEIGHTS(BLOCK_HEIGHT)
    };

    tiles[kind - PANELS_COUNT_][x->rows](y, ldy, x, p);
}
