/*
 * The instructions that only some CPUs with 16 lanes have, by name; included by vec_impl.h. A row of the table has them when it is
 * compiled for them; VEC_EMULATED stands in for all of them with plain vector code, so that tests run everything around them
 * on any CPU.
 *
 *   DOT_BYTES(s, w, x)     s[lane] += four unsigned bytes of w times four signed ones of x
 *   DOT_PAIRS(s, a, b)     s[lane] += two bf16 of a times two of b: the odd pair, then the even one, each product exact, each sum rounded
 *                          to nearest even. What is denormal counts as zero (not in the stand-in).
 *   NARROW_BF16(dst, v)    W floats to bf16, to nearest even; a NaN stays one
 *   TILE_...               AMX: eight tiles of 16 rows of 64 bytes. TILE_DOT sums even and odd elements apart, then adds both.
 */
#if defined(VEC_EMULATED)
#define HAS_DOT_BYTES 1         /* the others as the file says */
#elif W == 16
#ifdef __AVX512VNNI__
#define HAS_DOT_BYTES 1
#endif
#ifdef __AVX512BF16__
#define HAS_DOT_PAIRS 1
#endif
#ifdef __AMX_BF16__
#define HAS_TILES 1
#endif
#endif
#ifndef HAS_DOT_BYTES
#define HAS_DOT_BYTES 0
#endif
#ifndef HAS_DOT_PAIRS
#define HAS_DOT_PAIRS 0
#endif
#ifndef HAS_TILES
#define HAS_TILES 0
#endif

/* The upper half of each lane: bf16 as a float. */
INLINE vu upper_bf16(vf v)
{
    const vu quiet = (vu)v | 0x400000u;
    vu u = (vu)v, rounded = u + 0x7fffu + ((u >> 16) & 1u);
    vi nan = v != v;

    return ((quiet & (vu)nan) | (rounded & ~(vu)nan)) & 0xffff0000u;
}

#ifdef VEC_EMULATED

INLINE vi dot_bytes(vi s, vi w, vi x)
{
    for (int k = 0; k < 32; k += 8)
        s += (w >> k & 255) * ((vi)((vu)x << (24 - k)) >> 24);
    return s;
}

INLINE vf dot_pairs(vf s, vu a, vu b)
{
    s += (vf)(a & 0xffff0000u) * (vf)(b & 0xffff0000u);
    s += (vf)(a << 16) * (vf)(b << 16);
    return s;
}

INLINE void narrow_bf16(uint16_t *dst, vf v)
{
    vh h = __builtin_convertvector(upper_bf16(v) >> 16, vh);

    memcpy(dst, &h, sizeof h);
}

#define DOT_BYTES(s, w, x)      dot_bytes(s, w, x)
#define DOT_PAIRS(s, a, b)      dot_pairs(s, a, b)
#define NARROW_BF16(dst, v)     narrow_bf16(dst, v)

#else

#if HAS_DOT_BYTES
#define DOT_BYTES(s, w, x)      _mm512_dpbusd_epi32(s, w, x)
#endif
#if HAS_DOT_PAIRS
#define DOT_PAIRS(s, a, b)      ((vf)_mm512_dpbf16_ps((__m512)(s), (__m512bh)(a), (__m512bh)(b)))
#define NARROW_BF16(dst, v)     _mm256_storeu_si256((void *)(dst), (__m256i)_mm512_cvtneps_pbh((__m512)(v)))
#endif

#endif

#if HAS_TILES
#define TILE_ROWS_MAX   16
#define TILE_BYTES      64

#ifdef VEC_EMULATED

struct amx_tiles { uint32_t t[8][TILE_ROWS_MAX][TILE_BYTES / 4]; };

INLINE void tile_copy_in(uint32_t (*t)[TILE_BYTES / 4], const void *p, size_t stride)
{
    for (size_t r = 0; r < TILE_ROWS_MAX; r++)
        memcpy(t[r], (const char *)p + r * stride, TILE_BYTES);
}

INLINE void tile_copy_out(uint32_t (*t)[TILE_BYTES / 4], void *p, size_t stride)
{
    for (size_t r = 0; r < TILE_ROWS_MAX; r++)
        memcpy((char *)p + r * stride, t[r], TILE_BYTES);
}

INLINE void tile_dot(struct amx_tiles *s, int c, int a, int b)
{
    for (size_t r = 0; r < TILE_ROWS_MAX; r++) {
        vf sum, even = { 0 }, odd = { 0 };

        memcpy(&sum, s->t[c][r], sizeof sum);
        for (size_t k = 0; k < TILE_BYTES / 4; k++) {
            vu x = (vu){ 0 } + s->t[a][r][k], w;
            memcpy(&w, s->t[b][k], sizeof w);
            even += (vf)(x << 16) * (vf)(w << 16);
            odd += (vf)(x & 0xffff0000u) * (vf)(w & 0xffff0000u);
        }
        sum += even + odd;
        memcpy(s->t[c][r], &sum, sizeof sum);
    }
}

#define TILES_BEGIN(s)              struct amx_tiles s##_storage_, *s = &s##_storage_
#define TILES_END(s)                (void)(s)
#define TILE_ZERO(s, n)             memset((s)->t[n], 0, sizeof (s)->t[n])
#define TILE_LOAD(s, n, p, stride)  tile_copy_in((s)->t[n], p, stride)
#define TILE_STORE(s, n, p, stride) tile_copy_out((s)->t[n], p, stride)
#define TILE_DOT(s, c, a, b)        tile_dot(s, c, a, b)

#else

struct amx_tiles;               /* they are in the CPU */

/* The operand of LDTILECFG: palette 1, all eight tiles whole. */
static const struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config __attribute__((aligned(64))) = {
    .palette = 1,
    .row_bytes = { TILE_BYTES, TILE_BYTES, TILE_BYTES, TILE_BYTES, TILE_BYTES, TILE_BYTES, TILE_BYTES, TILE_BYTES },
    .rows = { TILE_ROWS_MAX, TILE_ROWS_MAX, TILE_ROWS_MAX, TILE_ROWS_MAX, TILE_ROWS_MAX, TILE_ROWS_MAX, TILE_ROWS_MAX, TILE_ROWS_MAX },
};

/* Not gcc 12's intrinsics: their loads do not tell the compiler that they read memory. */
#define TILES_BEGIN(s)              struct amx_tiles *s = NULL; __asm__ volatile("ldtilecfg %0" : : "m"(tile_config))
#define TILES_END(s)                __asm__ volatile("tilerelease" : : )
#define TILE_ZERO(s, n)             __asm__ volatile("tilezero %%tmm" #n : : )
#define TILE_LOAD(s, n, p, stride)  __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #n : : "r"(p), "r"((size_t)(stride)) : "memory")
#define TILE_STORE(s, n, p, stride) __asm__ volatile("tilestored %%tmm" #n ", (%0,%1,1)" : : "r"(p), "r"((size_t)(stride)) : "memory")
#define TILE_DOT(s, c, a, b)        __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #c : : )

#endif
#endif
