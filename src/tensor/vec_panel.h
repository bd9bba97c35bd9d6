/*
 * Panels of quantised weights (tensor/panels.h); included by vec_impl.h. Lanes are rows of the matrix, so there are no sums across
 * a register. Products take x in 8 bits: each row and block of 32 with a scale of its own, sums of a block in integers.
 */
#define HALVES      (PANEL_ROWS / W)        /* registers that a panel's rows take */
#define GROUP_BYTES (4 * PANEL_ROWS)
#define GROUPS      (PANEL_BLOCK / 4)

#ifdef VEC_FEW_HEIGHTS
#define PANEL_TALL  2                       /* of all heights only two are compiled: for builds with sanitizers */
#elif W == 16
#define PANEL_TALL  8                       /* rows of x at a time, at most */
#elif W == 8
#define PANEL_TALL  6
#else
#define PANEL_TALL  2
#endif

/* Of more than PANEL_TALL rows the registers hold the sums of one half at a time: eight rows together still pass over the panel once. */
#if W == 8 && !defined(VEC_FEW_HEIGHTS)
#define Q4_TALL     8
#else
#define Q4_TALL     PANEL_TALL
#endif

/* Without a product of bytes that adds up to 32 bits, 8-bit weights are multiplied as 16-bit numbers. */
#if W > 4 && !HAS_DOT_BYTES
#define INT8_BY_HALVES  1
#else
#define INT8_BY_HALVES  0
#endif

#ifdef __clang__
#define UNROLLED
#else
#define UNROLLED        _Pragma("GCC unroll 16")        /* early, so that arrays become registers */
#endif

INLINE size_t panel_block_bytes(enum panels_kind k) { return k == PANELS_INT8 ? 33 * PANEL_ROWS : 18 * PANEL_ROWS; }

INLINE vf to_float(vi v) { return __builtin_convertvector(v, vf); }
INLINE vi to_int(vf v) { return __builtin_convertvector(v, vi); }
/* gcc 12 makes no minimum of a comparison and a choice. */
#if W == 16 && defined(__AVX512F__)
INLINE vf vmin(vf a, vf b) { return (vf)_mm512_min_ps((__m512)a, (__m512)b); }
INLINE vf vlarger(vf a, vf b) { return (vf)_mm512_max_ps((__m512)a, (__m512)b); }
#elif W == 8 && defined(__AVX2__)
INLINE vf vmin(vf a, vf b) { return (vf)_mm256_min_ps((__m256)a, (__m256)b); }
INLINE vf vlarger(vf a, vf b) { return (vf)_mm256_max_ps((__m256)a, (__m256)b); }
#else
INLINE vf vmin(vf a, vf b) { return blend(a < b, a, b); }
INLINE vf vlarger(vf a, vf b) { return blend(a > b, a, b); }
#endif
INLINE vf vround(vf v) { return (v + 12582912.0f) - 12582912.0f; }
INLINE vf vclamp(vf v, float low, float high) { return vmin(vlarger(v, splat(low)), splat(high)); }
INLINE vf vabs(vf v) { return (vf)((vi)v & 0x7fffffff); }

/* ── as f32: dst [k][PANEL_ROWS] from the panel's first k elements ── */

INLINE vi load_vi(const uint8_t *p) { vi v; memcpy(&v, p, sizeof v); return v; }

/* Of NF4 in whole blocks of 64; not rounded. */
INLINE void panel_f32_nf4(float *dst, const uint8_t *panel, size_t k)
{
    const struct panel_unit u = panel_unit_of(PANELS_NF4);
    struct nf4_table t;

    nf4_table(&t, nf4_code, 1, DTYPE_F32);
    for (size_t i = 0; i < k; i += 4) {
        const uint8_t *unit = panel + i / NF4_BLOCK * panel_unit_bytes(u), *q = unit + panel_unit_head(u) + i % NF4_BLOCK / PANEL_BLOCK * panel_unit_quants(u);
        size_t g = i % PANEL_BLOCK / 4;

        for (size_t at = 0; at < PANEL_ROWS; at += W) {
            vi v = load_vi(q + g % (GROUPS / 2) * GROUP_BYTES + 4 * at) >> (g < GROUPS / 2 ? 0 : 4);
            vf d = load((const float *)(const void *)unit + at);

            for (size_t j = 0; j < 4; j++)
                store(dst + (i + j) * PANEL_ROWS + at, nf4_lookup(&t, v >> (int)(8 * j) & 15) * d);
        }
    }
}

static void panel_f32(enum panels_kind kind, float *dst, const uint8_t *panel, const float *factors, size_t k)
{
    if (kind == PANELS_NF4) {
        panel_f32_nf4(dst, panel, k);
        return;
    }
    for (size_t i = 0; i < k; i += 4) {
        const uint8_t *block = panel + i / PANEL_BLOCK * panel_block_bytes(kind);
        size_t g = i % PANEL_BLOCK / 4, scales = kind == PANELS_Q4 ? GROUPS / 2 * GROUP_BYTES : GROUPS * GROUP_BYTES;

        for (size_t at = 0; at < PANEL_ROWS; at += W) {
            vi q = load_vi(block + (kind == PANELS_Q4 ? g % (GROUPS / 2) : g) * GROUP_BYTES + 4 * at), s = WIDEN_BYTES(block + scales + at);
            vi low = kind == PANELS_Q4 ? WIDEN_BYTES(block + scales + PANEL_ROWS + at) << 3 : s << 7;

            if (kind == PANELS_Q4)
                q = (g < GROUPS / 2 ? q : q >> 4) & 0x0f0f0f0f;
            for (size_t j = 0; j < 4 && i + j < k; j++)         /* whole numbers below 2^24: nothing is rounded before the factor */
                store(dst + (i + j) * PANEL_ROWS + at, to_float((q >> (int)(8 * j) & 255) * s - low) * load(factors + at));
        }
    }
}

/* ── x in 8 bits ── */

#define X_Q4    ((size_t)PANEL_BLOCK)
#define X_INT8  ((size_t)PANEL_BLOCK * (INT8_BY_HALVES ? 2 : 1))

static size_t panel_x_bytes(enum panels_kind kind) { return kind == PANELS_INT8 ? X_INT8 : X_Q4; }

/* Whole numbers of 8 bits, as bytes or as halves; by halves elements 0, 2 come first, then 1, 3 of each group. */
#if W == 8 && defined(__AVX2__)
INLINE void store_q_halves(int16_t *dst, const vi *q)
{
    for (size_t i = 0; i < PANEL_BLOCK / W; i += 2) {
        __m256i two = _mm256_permute4x64_epi64(_mm256_packs_epi32((__m256i)q[i], (__m256i)q[i + 1]), 0xd8);
        _mm256_storeu_si256((void *)(dst + i * W), _mm256_shufflehi_epi16(_mm256_shufflelo_epi16(two, 0xd8), 0xd8));
    }
}

INLINE void store_q_bytes(int8_t *dst, const vi *q)
{
    __m256i a = _mm256_packs_epi32((__m256i)q[0], (__m256i)q[1]), b = _mm256_packs_epi32((__m256i)q[2], (__m256i)q[3]);
    __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);

    _mm256_storeu_si256((void *)dst, _mm256_permutevar8x32_epi32(_mm256_packs_epi16(a, b), order));
}
#elif W == 16 && defined(__AVX512F__)
INLINE void store_q_halves(int16_t *dst, const vi *q)
{
    for (size_t i = 0; i < PANEL_BLOCK / W; i++) {
        __m256i h = _mm512_cvtepi32_epi16((__m512i)q[i]);
        _mm256_storeu_si256((void *)(dst + i * W), _mm256_shufflehi_epi16(_mm256_shufflelo_epi16(h, 0xd8), 0xd8));
    }
}

INLINE void store_q_bytes(int8_t *dst, const vi *q)
{
    for (size_t i = 0; i < PANEL_BLOCK / W; i++)
        _mm_storeu_si128((void *)(dst + i * W), _mm512_cvtepi32_epi8((__m512i)q[i]));
}
#else
INLINE void store_q_halves(int16_t *dst, const vi *q)
{
    static const uint8_t even_first[4] = { 0, 2, 1, 3 };

    for (size_t i = 0; i < PANEL_BLOCK; i++)
        dst[i] = (int16_t)((const int32_t *)q)[i / 4 * 4 + even_first[i % 4]];
}

INLINE void store_q_bytes(int8_t *dst, const vi *q)
{
    for (size_t i = 0; i < PANEL_BLOCK; i++)
        dst[i] = (int8_t)((const int32_t *)q)[i];
}
#endif

#define X_TINY  1e-30f                      /* a block of nothing larger counts as zeros: 127 / x must be finite */

/* The largest magnitude of a block. Compared as bits, a NaN is above infinity, which is above all numbers. */
INLINE float largest_of(const float *x)
{
    vi a = { 0 };
    int32_t lanes[W], most = 0;
    float largest;

    for (size_t i = 0; i < PANEL_BLOCK; i += W) {
        vi bits = (vi)load(x + i) & 0x7fffffff, above = bits > a;
        a = (bits & above) | (a & ~above);
    }
    memcpy(lanes, &a, sizeof lanes);
    for (size_t i = 0; i < W; i++)
        most = lanes[i] > most ? lanes[i] : most;
    memcpy(&largest, &most, sizeof largest);
    return largest;
}

/* A block of 32 numbers; returns the sum of the quants. Where one is infinite or a NaN, so is the scale, and every result becomes a NaN. */
INLINE int32_t quantize_x_block(bool halves, void *dst, float *scale, const float *x)
{
    static const float zeros[PANEL_BLOCK];
    vi q[PANEL_BLOCK / W], sum = { 0 };
    int32_t n[W], total = 0;
    float largest = largest_of(x), inverse = largest > X_TINY ? 127 / largest : 0;

    if (!(largest < INFINITY)) {
        x = zeros;
        largest = NAN;
    }
    for (size_t i = 0; i < PANEL_BLOCK / W; i++) {
        q[i] = to_int(vround(load(x + i * W) * inverse));
        sum += q[i];
    }
    *scale = largest / 127;
    memcpy(n, &sum, sizeof n);
    for (size_t i = 0; i < W; i++)
        total += n[i];
    if (halves)
        store_q_halves(dst, q);
    else
        store_q_bytes(dst, q);
    return total;
}

static void panel_quantize_x(enum panels_kind kind, uint8_t *q, struct vec_x8_scale *scale, size_t rows, const float *x, size_t n)
{
    bool halves = panel_x_bytes(kind) > PANEL_BLOCK;

    for (size_t b = 0; b * PANEL_BLOCK < n; b++, q += rows * panel_x_bytes(kind), scale += rows) {
        float padded[PANEL_BLOCK] = { 0 };
        const float *at = x + b * PANEL_BLOCK;

        if (n - b * PANEL_BLOCK < PANEL_BLOCK)
            at = memcpy(padded, at, (n - b * PANEL_BLOCK) * sizeof *at);
        int32_t total = halves ? quantize_x_block(true, q, &scale->scale, at) : quantize_x_block(false, q, &scale->scale, at);
        if (kind == PANELS_Q4)
            scale->low = (float)total * scale->scale * -8;
        else
            scale->start = -128 * total;
    }
}

/* ── products ── */

#if W > 4
#if defined(VEC_EMULATED)
typedef vi vw;
#define SHIFT16(v, n)   ((v) >> (n))            /* of nibbles that are masked afterwards */
#define AND(a, b)       ((a) & (b))
#define EVERY32(n)      ((vi){ 0 } + (n))
#elif W == 16
typedef __m512i vw;
#define ADD32(a, b)     _mm512_add_epi32(a, b)
#define BYTES(w, x)     _mm512_maddubs_epi16(w, x)
#define PAIRS(a, b)     _mm512_madd_epi16(a, b)
#define ONES            _mm512_set1_epi16(1)
#define SHIFT16(v, n)   _mm512_srli_epi16(v, n)
#define AND(a, b)       _mm512_and_si512(a, b)
#define EVERY32(n)      _mm512_set1_epi32(n)
#else
typedef __m256i vw;
#define ADD32(a, b)     _mm256_add_epi32(a, b)
#define BYTES(w, x)     _mm256_maddubs_epi16(w, x)
#define PAIRS(a, b)     _mm256_madd_epi16(a, b)
#define ONES            _mm256_set1_epi16(1)
#define SHIFT16(v, n)   _mm256_srli_epi16(v, n)
#define AND(a, b)       _mm256_and_si256(a, b)
#define EVERY32(n)      _mm256_set1_epi32(n)
#endif

/*
 * s += v here and now, in the register of s: gcc would put additions off until the products no longer fit its registers, and move the
 * sums of a loop to and fro.
 */
#define ADD_TO16(s, v)  __asm__("vpaddw %1, %0, %0" : "+v"(s) : "v"(v))
#define ADD_TO32(s, v)  __asm__("vpaddd %1, %0, %0" : "+v"(s) : "v"(v))

INLINE vw load_vw(const uint8_t *p) { vw v; memcpy(&v, p, sizeof v); return v; }
INLINE vw every_group(const uint8_t *p) { int32_t n; memcpy(&n, p, sizeof n); return EVERY32(n); }

/* Of halves [first, first + n). Nibbles times bytes: eight sums of pairs, each at most 15 * 127 * 2, fit 16 bits. */
INLINE void sums_q4(const size_t R, const size_t first, const size_t n, vw sums[][HALVES], const uint8_t *block, const uint8_t *x)
{
    const vw low = EVERY32(0x0f0f0f0f);

    UNROLLED
    for (size_t g = 0; g < GROUPS; g++) {
        const bool high = g % 2;
        vw w[HALVES];

        UNROLLED
        for (size_t h = first; h < first + n; h++) {
            vw v = load_vw(block + g / 2 * GROUP_BYTES + h * sizeof v);
            w[h] = AND(high ? SHIFT16(v, 4) : v, low);
        }
        UNROLLED
        for (size_t r = 0; r < R; r++) {
            vw xr = every_group(x + r * X_Q4 + 4 * (g / 2 + high * GROUPS / 2));
            UNROLLED
            for (size_t h = first; h < first + n; h++) {
#if HAS_DOT_BYTES
                sums[r][h] = DOT_BYTES(sums[r][h], w[h], xr);
#else
                if (g == 0)
                    sums[r][h] = BYTES(w[h], xr);
                else
                    ADD_TO16(sums[r][h], BYTES(w[h], xr));
#endif
            }
        }
    }
}

INLINE void sums_int8(const size_t R, vw sums[][HALVES], const uint8_t *block, const uint8_t *x)
{
    for (size_t g = 0; g < GROUPS; g++)
#if HAS_DOT_BYTES
        UNROLLED
        for (size_t r = 0; r < R; r++)
            sums[r][0] = DOT_BYTES(sums[r][0], load_vw(block + g * GROUP_BYTES), every_group(x + r * X_INT8 + 4 * g));
#else
        for (size_t odd = 0; odd < 2; odd++) {
            vw w[HALVES];

            UNROLLED
            for (size_t h = 0; h < HALVES; h++) {
                vw v = load_vw(block + g * GROUP_BYTES + h * sizeof v);
                w[h] = odd ? SHIFT16(v, 8) : AND(v, EVERY32(0x00ff00ff));
            }
            UNROLLED
            for (size_t r = 0; r < R; r++) {
                vw xr = every_group(x + r * X_INT8 + 8 * g + 4 * odd);
                UNROLLED
                for (size_t h = 0; h < HALVES; h++)
                    ADD_TO32(sums[r][h], PAIRS(w[h], xr));
            }
        }
#endif
}

#else
typedef vi vw;

INLINE void sums_plain(const size_t R, vw sums[][HALVES], const uint8_t *block, const uint8_t *x, bool nibbles)
{
    for (size_t r = 0; r < R; r++)
        for (size_t g = 0; g < GROUPS; g++)
            for (size_t lane = 0; lane < PANEL_ROWS; lane++)
                for (size_t k = 0; k < 4; k++) {
                    int w = block[(nibbles ? g % (GROUPS / 2) : g) * GROUP_BYTES + 4 * lane + k];

                    if (nibbles)
                        w = g < GROUPS / 2 ? w & 15 : w >> 4;
                    sums[r][lane / W][lane % W] += w * (int8_t)x[r * PANEL_BLOCK + 4 * g + k];
                }
}

INLINE void sums_q4(const size_t R, const size_t first, const size_t n, vw sums[][HALVES], const uint8_t *block, const uint8_t *x)
{
    (void)first;            /* as many rows as are taken at once have all halves together */
    (void)n;
    sums_plain(R, sums, block, x, true);
}

INLINE void sums_int8(const size_t R, vw sums[][HALVES], const uint8_t *block, const uint8_t *x)
{
    sums_plain(R, sums, block, x, false);
}
#endif

/* What a block adds to its rows' results in a row of x, before the factors. */
#if W > 4 && !HAS_DOT_BYTES
INLINE vi q4_scales(const uint8_t *p) { vi s = WIDEN_BYTES(p); return s | s << 16; }
INLINE vf q4_scaled(vw sums, vi s) { return to_float((vi)PAIRS(sums, (vw)s)); }       /* adds up the pairs' sums of 16 bits, too */
#else
INLINE vi q4_scales(const uint8_t *p) { return WIDEN_BYTES(p); }
INLINE vf q4_scaled(vw sums, vi s) { return to_float((vi)sums) * to_float(s); }
#endif

INLINE void halves_q4(const size_t R, const size_t first, const size_t n, vf f[][HALVES], const uint8_t *block, const uint8_t *x,
                      const struct vec_x8_scale *scale)
{
    const uint8_t *scales = block + GROUPS / 2 * GROUP_BYTES;
    vw sums[Q4_TALL][HALVES] = { { { 0 } } };

    sums_q4(R, first, n, sums, block, x);
    UNROLLED
    for (size_t h = first; h < first + n; h++) {
        vi s = q4_scales(scales + h * W);
        vf low = to_float(WIDEN_BYTES(scales + PANEL_ROWS + h * W));

        UNROLLED
        for (size_t r = 0; r < R; r++) {
            f[r][h] += q4_scaled(sums[r][h], s) * scale[r].scale;
            f[r][h] += low * scale[r].low;
        }
    }
}

INLINE void block_q4(const size_t R, vf f[][HALVES], const uint8_t *block, const uint8_t *x, const struct vec_x8_scale *scale)
{
    if (R <= PANEL_TALL) {
        halves_q4(R, 0, HALVES, f, block, x, scale);
        return;
    }
    UNROLLED
    for (size_t h = 0; h < HALVES; h++) {
        __asm__("" : "+r"(x), "+r"(scale));     /* gcc would load for all halves first, and spill it */
        halves_q4(R, h, 1, f, block, x, scale);
    }
}

INLINE void block_int8(const size_t R, vf f[][HALVES], const uint8_t *block, const uint8_t *x, const struct vec_x8_scale *scale)
{
    vw sums[PANEL_TALL][HALVES];

    UNROLLED
    for (size_t r = 0; r < R; r++)
        UNROLLED
        for (size_t h = 0; h < HALVES; h++)
            sums[r][h] = (vw)((vi){ 0 } + scale[r].start);
    sums_int8(R, sums, block, x);
    UNROLLED
    for (size_t h = 0; h < HALVES; h++) {
        vf s = to_float(WIDEN_BYTES(block + GROUPS * GROUP_BYTES + h * W));

        UNROLLED
        for (size_t r = 0; r < R; r++)
            f[r][h] += to_float((vi)sums[r][h]) * s * scale[r].scale;
    }
}

INLINE const uint8_t *fetch(const uint8_t *p, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 64)
        __builtin_prefetch(p + i);
    return p + bytes;
}

/* R rows of x against one panel. */
INLINE void panel_tile(enum panels_kind kind, const size_t R, float *y, size_t ldy, const struct vec_x8 *x, const struct vec_panel *p)
{
    vf f[Q4_TALL][HALVES] = { { { 0 } } };
    const uint8_t *block = p->blocks, *ahead = p->ahead, *q = x->q;
    const struct vec_x8_scale *scale = x->scale;

    for (size_t b = 0; b < x->blocks; b++, block += panel_block_bytes(kind), q += R * panel_x_bytes(kind), scale += R) {
        ahead = fetch(ahead, p->ahead_step);
        if (kind == PANELS_Q4)
            block_q4(R, f, block, q, scale);
        else
            block_int8(R, f, block, q, scale);
    }
    UNROLLED
    for (size_t r = 0; r < R; r++)
        UNROLLED
        for (size_t h = 0; h < HALVES; h++)
            tile_store(y + r * ldy + h * W, f[r][h] * load(p->factors + h * W), p->cols > h * W ? p->cols - h * W : 0, false);
}

#define PANEL_TILE(kind, tile, R) \
    static void kind##_##R(float *y, size_t ldy, const struct vec_x8 *x, const struct vec_panel *p) { tile(PANELS_##kind, R, y, ldy, x, p); }
#define PANEL_TILES(R)  PANEL_TILE(INT8, panel_tile, R) PANEL_TILE(Q4, panel_tile, R)
#define PANEL_HEIGHT(R) [PANELS_INT8][R] = INT8_##R, [PANELS_Q4][R] = Q4_##R,

#if PANEL_TALL == 8
#define PANEL_HEIGHTS(X)    X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#elif PANEL_TALL == 6
#define PANEL_HEIGHTS(X)    X(1) X(2) X(3) X(4) X(5) X(6)
#else
#define PANEL_HEIGHTS(X)    X(1) X(2)
#endif

PANEL_HEIGHTS(PANEL_TILES)
#if Q4_TALL > PANEL_TALL
PANEL_TILE(Q4, panel_tile, 7)
PANEL_TILE(Q4, panel_tile, 8)
#endif

static size_t panel_tall(enum panels_kind kind) { return kind == PANELS_Q4 ? Q4_TALL : PANEL_TALL; }

static void panel_dot(enum panels_kind kind, float *y, size_t ldy, const struct vec_x8 *x, const struct vec_panel *p)
{
    static void (*const tiles[PANELS_COUNT_][Q4_TALL + 1])(float *y, size_t ldy, const struct vec_x8 *x, const struct vec_panel *p) = {
        PANEL_HEIGHTS(PANEL_HEIGHT)
#if Q4_TALL > PANEL_TALL
        [PANELS_Q4][7] = Q4_7, [PANELS_Q4][8] = Q4_8,
#endif
    };

    tiles[kind][x->rows](y, ldy, x, p);
}
