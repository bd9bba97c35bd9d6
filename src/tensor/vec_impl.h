/*
 * The vector kernels, written once with gcc's vector extension. A .c file defines VEC_LANES (floats per register) and
 * VEC_NAME, includes this, and is compiled with the flags of its instruction set. Tests define VEC_EMULATED as well (vec_dot.h).
 */
#include <math.h>
#include <string.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "tensor/panels_blocks.h"
#include "tensor/vec.h"

#define W VEC_LANES
#define INLINE static inline __attribute__((always_inline))

typedef float vf __attribute__((vector_size(4 * W)));
typedef int32_t vi __attribute__((vector_size(4 * W)));
typedef uint32_t vu __attribute__((vector_size(4 * W)));
typedef uint16_t vh __attribute__((vector_size(2 * W)));
typedef uint8_t vb __attribute__((vector_size(W)));

INLINE vf load(const float *p) { vf v; memcpy(&v, p, sizeof v); return v; }
INLINE void store(float *p, vf v) { memcpy(p, &v, sizeof v); }
INLINE vf splat(float f) { return f - (vf){ 0 }; }
INLINE vf blend(vi mask, vf a, vf b) { return (vf)(((vi)a & mask) | ((vi)b & ~mask)); }

/* gcc 12 widens bytes and halves one by one when it is left to it. */
#if W == 16 && defined(__AVX512F__)
#define WIDEN_HALVES(p) ((vu)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)(p))))
#define WIDEN_BYTES(p)  ((vi)_mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)(p))))
#elif W == 8 && defined(__AVX2__)
#define WIDEN_HALVES(p) ((vu)_mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)(p))))
#define WIDEN_BYTES(p)  ((vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)(p))))
#else
INLINE vu widen_halves(const void *p) { vh h; memcpy(&h, p, sizeof h); return __builtin_convertvector(h, vu); }
INLINE vi widen_bytes(const void *p) { vb b; memcpy(&b, p, sizeof b); return __builtin_convertvector(b, vi); }
#define WIDEN_HALVES(p) widen_halves(p)
#define WIDEN_BYTES(p)  widen_bytes(p)
#endif

INLINE vf load_bf16(const uint16_t *p) { return (vf)(WIDEN_HALVES(p) << 16); }

/* f16 as f32: subnormal numbers, infinities and NaNs, too. */
#if W == 16 && defined(__AVX512F__)
INLINE vf load_f16(const void *p) { return (vf)_mm512_cvtph_ps(_mm256_loadu_si256(p)); }
#elif W == 8 && defined(__AVX2__)
INLINE vf load_f16(const void *p) { return (vf)_mm256_cvtph_ps(_mm_loadu_si128(p)); }
#else
INLINE vf load_f16(const void *p)
{
    vf f;

    for (size_t i = 0; i < W; i++) {
        uint16_t h;
        memcpy(&h, (const char *)p + 2 * i, sizeof h);
        f[i] = f16_to_f32(h);
    }
    return f;
}
#endif

INLINE float hsum(vf v)
{
    float f[W];

    memcpy(f, &v, sizeof f);
    for (int half = W / 2; half; half /= 2)
        for (int i = 0; i < half; i++)
            f[i] += f[i + half];
    return f[0];
}

/* exp to about 1 ulp: 2^n * polynomial on [-ln2/2, ln2/2]; Cephes' coefficients. Below -87 it is 0. */
INLINE vf vexp(vf x)
{
    const vf low = splat(-87.0f), high = splat(88.0f);
    vi under = x < low;
    vf y;

    x = blend(under, low, x);
    x = blend(x > high, high, x);
    vf n = (x * 1.44269504088896341f + 12582912.0f) - 12582912.0f;      /* 1.5 * 2^23: rounds to the nearest integer */
    x = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    y = splat(1.9875691500e-4f);
    y = y * x + 1.3981999507e-3f;
    y = y * x + 8.3334519073e-3f;
    y = y * x + 4.1665795894e-2f;
    y = y * x + 1.6666665459e-1f;
    y = y * x + 5.0000001201e-1f;
    y = y * x * x + x + 1.0f;
    vi exponent = (__builtin_convertvector(n, vi) + 127) << 23;
    return blend(under, (vf){ 0 }, y * (vf)exponent);
}

/* The last, partial vector of a row: padded with zeros on the stack. */
INLINE vf load_part(const float *p, size_t n)
{
    float f[W] = { 0 };

    memcpy(f, p, n * sizeof *f);
    return load(f);
}

INLINE void store_part(float *p, vf v, size_t n)
{
    float f[W];

    memcpy(f, &v, sizeof f);
    for (size_t k = 0; k < n; k++)
        p[k] = f[k];
}

static float dot(const float *a, const float *b, size_t n)
{
    vf s0 = { 0 }, s1 = { 0 };
    float tail = 0;
    size_t i = 0;

    for (; i + 2 * W <= n; i += 2 * W) {
        s0 += load(a + i) * load(b + i);
        s1 += load(a + i + W) * load(b + i + W);
    }
    for (; i + W <= n; i += W)
        s0 += load(a + i) * load(b + i);
    for (; i < n; i++)
        tail += a[i] * b[i];
    return hsum(s0 + s1) + tail;
}

static void axpy(float *y, const float *x, float a, size_t n)
{
    size_t i = 0;

    for (; i + W <= n; i += W)
        store(y + i, load(y + i) + load(x + i) * a);
    for (; i < n; i++)
        y[i] += a * x[i];
}

static double sum_squares(const float *x, size_t n)
{
    double s[4] = { 0 };
    size_t i = 0;

    for (; i + 4 <= n; i += 4)
        for (size_t k = 0; k < 4; k++)
            s[k] += (double)x[i + k] * (double)x[i + k];
    for (; i < n; i++)
        s[0] += (double)x[i] * (double)x[i];
    return (s[0] + s[1]) + (s[2] + s[3]);
}

static float vmax(const float *x, size_t n)
{
    float best = x[0];
    size_t i = 0;

    if (n >= W) {
        vf m = load(x);
        float f[W];

        for (i = W; i + W <= n; i += W) {
            vf v = load(x + i);
            m = blend(v > m, v, m);
        }
        memcpy(f, &m, sizeof f);
        for (size_t k = 0; k < W; k++)
            best = f[k] > best ? f[k] : best;
    }
    for (; i < n; i++)
        best = x[i] > best ? x[i] : best;
    return best;
}

#define EXP_RUN 16              /* vectors */

static float exp_sum(float *x, float shift, size_t n)
{
    vf sum = { 0 };
    float tail = 0;
    size_t i = 0;

    for (; i + W <= n; i += W) {
        vf v = vexp(load(x + i) - shift);
        store(x + i, v);
        sum += v;
    }
    if (i < n) {
        store_part(x + i, vexp(load_part(x + i, n - i) - shift), n - i);
        for (; i < n; i++)
            tail += x[i];
    }
    return hsum(sum) + tail;
}

/* Few at a time in f32, those in f64: thousands of them stay as exact as exp is. */
static double exp_total(const float *x, float shift, size_t n)
{
    double total = 0;
    size_t i = 0;

    while (i + W <= n) {
        vf sum = { 0 };

        for (size_t k = 0; k < EXP_RUN && i + W <= n; k++, i += W)
            sum += vexp(load(x + i) - shift);
        total += (double)hsum(sum);
    }
    if (i < n) {
        float rest[W];

        store(rest, vexp(load_part(x + i, n - i) - shift));
        for (size_t k = 0; k < n - i; k++)
            total += (double)rest[k];
    }
    return total;
}

static void scale(float *x, float a, size_t n)
{
    size_t i = 0;

    for (; i + W <= n; i += W)
        store(x + i, load(x + i) * a);
    for (; i < n; i++)
        x[i] *= a;
}

INLINE vf sigmoid(vf g) { return 1.0f / (1.0f + vexp(-g)); }

static void swiglu(float *y, const float *g, const float *u, size_t n)
{
    size_t i = 0;

    for (; i + W <= n; i += W) {
        vf v = load(g + i);
        store(y + i, v * sigmoid(v) * load(u + i));
    }
    if (i < n) {
        vf v = load_part(g + i, n - i);
        store_part(y + i, v * sigmoid(v) * load_part(u + i, n - i), n - i);
    }
}

/* d silu(g) = s + g s (1 - s) */
INLINE void swiglu_grad_one(vf g, vf u, vf d, vf *dg, vf *du)
{
    vf s = sigmoid(g);

    *dg = d * u * (s + g * s * (1.0f - s));
    *du = d * g * s;
}

static void swiglu_grad(float *dg, float *du, const float *dy, const float *g, const float *u, size_t n)
{
    size_t i = 0;
    vf a, b;

    for (; i + W <= n; i += W) {
        swiglu_grad_one(load(g + i), load(u + i), load(dy + i), &a, &b);
        store(dg + i, a);
        store(du + i, b);
    }
    if (i < n) {
        swiglu_grad_one(load_part(g + i, n - i), load_part(u + i, n - i), load_part(dy + i, n - i), &a, &b);
        store_part(dg + i, a, n - i);
        store_part(du + i, b, n - i);
    }
}

/* 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) = x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3)) */
INLINE vf gelu_tanh_one(vf x) { return x * sigmoid(x * (1.5957691216057308f + 0.071354816272600f * x * x)); }

/*
 * x Phi(x). With z = |x| / sqrt(2): below 1 a polynomial for erf(z) / z in z^2, from 1 to 4 one for -log erfc(z), above 4 erfc is 0.
 * Least squares on Chebyshev nodes, each within 2e-7 of erf.
 */
INLINE vf gelu_erf_one(vf x)
{
    const vf one = splat(1.0f), four = splat(4.0f);
    const vi magnitude = (vi){ 0 } + 0x7fffffff;
    vf z = (vf)((vi)x & magnitude) * 0.70710678118654752f, far = blend(z > four, four, z), s = z * z;
    vf near = splat(7.84725926e-5f), tail = splat(-1.86551712e-4f);

    near = near * s - 8.00818962e-4f;
    near = near * s + 5.18809911e-3f;
    near = near * s - 2.68536918e-2f;
    near = near * s + 1.12835824e-1f;
    near = near * s - 3.7612626e-1f;
    near = (near * s + 1.12837911f) * z;
    tail = tail * far + 2.94894585e-3f;
    tail = tail * far - 2.18417067e-2f;
    tail = tail * far + 1.03111453e-1f;
    tail = tail * far + 6.38142467e-1f;
    tail = tail * far + 1.1270889f;
    tail = vexp(-(tail * far + 3.41962354e-4f));
    tail = blend(z > four, (vf){ 0 }, tail);
    vf erfc = blend(z < one, 1.0f - near, tail);
    return x * blend(x > (vf){ 0 }, 1.0f - 0.5f * erfc, 0.5f * erfc);
}

#define EACH(name, one)                                         \
    static void name(float *y, const float *x, size_t n)        \
    {                                                           \
        size_t i = 0;                                           \
                                                                \
        for (; i + W <= n; i += W)                              \
            store(y + i, one(load(x + i)));                     \
        if (i < n)                                              \
            store_part(y + i, one(load_part(x + i, n - i)), n - i); \
    }

EACH(gelu_tanh, gelu_tanh_one)
EACH(gelu_erf, gelu_erf_one)

static void from_bf16(float *dst, const uint16_t *src, size_t n)
{
    size_t i = 0;

    for (; i + W <= n; i += W)
        store(dst + i, load_bf16(src + i));
    for (; i < n; i++) {
        uint16_t h;
        memcpy(&h, src + i, sizeof h);
        dst[i] = bf16_to_f32(h);
    }
}

/* clang, which only the fuzzers use, has no shuffle by a variable. */
#ifdef __clang__
#define SHUFFLE(a, b, index) shuffle_lanes(a, b, index)
INLINE vf shuffle_lanes(vf a, vf b, vi index)
{
    vf v;
    for (int i = 0; i < W; i++)
        v[i] = index[i] < W ? a[index[i]] : b[index[i] - W];
    return v;
}
#else
#define SHUFFLE(a, b, index) __builtin_shuffle(a, b, index)
#endif

static float max_abs(const float *x, size_t n)
{
    const vi magnitude = (vi){ 0 } + 0x7fffffff;
    vf m = { 0 };
    float f[W];
    size_t i = 0;

    for (; i < n; i += W) {
        vf v = (vf)((vi)(n - i < W ? load_part(x + i, n - i) : load(x + i)) & magnitude);
        m = blend(v > m, v, m);
    }
    memcpy(f, &m, sizeof f);
    for (int half = W / 2; half; half /= 2)
        for (int k = 0; k < half; k++)
            f[k] = f[k + half] > f[k] ? f[k + half] : f[k];
    return f[0];
}

/* The low byte of each lane; gcc makes of the conversion a scalar step for each of eight lanes. */
INLINE vb low_bytes(vi v)
{
#if W == 8 && !defined __clang__
    typedef uint8_t all __attribute__((vector_size(32)));
    all in_halves = __builtin_shuffle((all)v, (all){ 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 16, 20, 24, 28, 16, 20, 24, 28, 16, 20, 24, 28, 16, 20, 24, 28 });
    vi both = __builtin_shuffle((vi)in_halves, (vi){ 0, 4, 0, 4, 0, 4, 0, 4 });
    vb bytes;

    memcpy(&bytes, &both, sizeof bytes);
    return bytes;
#else
    return __builtin_convertvector(v, vb);
#endif
}

/* How many of 15 rising numbers a number exceeds. A true lane of a comparison is -1. */
#if W == 4
struct nf4_ranks { const float *thresholds; };

INLINE void nf4_ranks_init(struct nf4_ranks *r, const float thresholds[15]) { r->thresholds = thresholds; }

INLINE vi nf4_rank(const struct nf4_ranks *r, vf v)
{
    vi count = { 0 };

    for (size_t t = 0; t < 15; t++)
        count -= v > r->thresholds[t];
    return count;
}
#else
/* By halving: what is compared with next lies in a table in a register. */
struct nf4_ranks { vf middle, low, high, quarters, eighths; };

INLINE void nf4_ranks_init(struct nf4_ranks *r, const float thresholds[15])
{
    *r = (struct nf4_ranks){ .middle = splat(thresholds[7]), .low = splat(thresholds[3]), .high = splat(thresholds[11]) };
    for (int i = 0; i < 4; i++)
        r->quarters[i] = thresholds[1 + 4 * i];
    for (int i = 0; i < 8; i++)
        r->eighths[i] = thresholds[2 * i];
}

INLINE vi nf4_rank(const struct nf4_ranks *r, vf v)
{
    vi above = v > r->middle, rank = -(v > blend(above, r->high, r->low)) - 2 * above;

    rank = 2 * rank - (v > SHUFFLE(r->quarters, r->quarters, rank));
    return 2 * rank - (v > SHUFFLE(r->eighths, r->eighths, rank));
}
#endif

static void nf4_codes(uint8_t *codes, const float *x, float inverse, const float thresholds[15])
{
    struct nf4_ranks ranks;

    nf4_ranks_init(&ranks, thresholds);
    for (size_t i = 0; i < NF4_BLOCK; i += W) {
        vb bytes = low_bytes(nf4_rank(&ranks, load(x + i) * inverse));
        memcpy(codes + i, &bytes, sizeof bytes);
    }
}

/* ── NF4: the 16 values of a block, scaled and rounded, as a table in registers ── */

struct nf4_table {
#if W == 16
    vf t;
#elif W == 8
    vf t0, t1;
#else
    float t[16];
#endif
};

INLINE vf round_bf16(vf v)
{
    vu u = (vu)v;

    return (vf)((u + 0x7fffu + ((u >> 16) & 1u)) & 0xffff0000u);
}

static void round_bf16s(float *y, const float *x, size_t n)
{
    size_t i = 0;

    for (; i + W <= n; i += W)
        store(y + i, round_bf16(load(x + i)));
    for (; i < n; i++)
        y[i] = f32_round_bf16(x[i]);
}

INLINE vf round_to_dtype(vf v, enum dtype d)
{
    if (d == DTYPE_BF16)
        return round_bf16(v);
    if (d == DTYPE_F16)
        for (int i = 0; i < W; i++)
            v[i] = f16_to_f32(f32_to_f16(v[i]));
    return v;
}

INLINE void nf4_table(struct nf4_table *t, const float code[16], float absmax, enum dtype d)
{
#if W == 16
    t->t = round_to_dtype(load(code) * absmax, d);
#elif W == 8
    t->t0 = round_to_dtype(load(code) * absmax, d);
    t->t1 = round_to_dtype(load(code + 8) * absmax, d);
#else
    for (int i = 0; i < 16; i += W)
        store(t->t + i, round_to_dtype(load(code + i) * absmax, d));
#endif
}

INLINE vf nf4_lookup(const struct nf4_table *t, vi index)
{
#if W == 16
    return SHUFFLE(t->t, t->t, index);
#elif W == 8
    return SHUFFLE(t->t0, t->t1, index);
#else
    vf v;
    for (int i = 0; i < W; i++)
        v[i] = t->t[index[i]];
    return v;
#endif
}

#if W == 16
#define INTERLEAVE_LOW  ((vi){ 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23 })
#define INTERLEAVE_HIGH ((vi){ 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31 })
#elif W == 8
#define INTERLEAVE_LOW  ((vi){ 0, 8, 1, 9, 2, 10, 3, 11 })
#define INTERLEAVE_HIGH ((vi){ 4, 12, 5, 13, 6, 14, 7, 15 })
#else
#define INTERLEAVE_LOW  ((vi){ 0, 4, 1, 5 })
#define INTERLEAVE_HIGH ((vi){ 2, 6, 3, 7 })
#endif

static void from_nf4(float *dst, const float code[16], const uint8_t *packed, const float *absmax, enum dtype d, size_t blocks)
{
    struct nf4_table t;

    for (size_t b = 0; b < blocks; b++, packed += NF4_BLOCK / 2, dst += NF4_BLOCK) {
        nf4_table(&t, code, absmax[b], d);
        for (size_t i = 0; i < NF4_BLOCK / 2; i += W) {
            vi bytes = WIDEN_BYTES(packed + i);
            vf even = nf4_lookup(&t, bytes >> 4), odd = nf4_lookup(&t, bytes & 15);

            store(dst + 2 * i, SHUFFLE(even, odd, INTERLEAVE_LOW));
            store(dst + 2 * i + W, SHUFFLE(even, odd, INTERLEAVE_HIGH));
        }
    }
}

#include "tensor/vec_dot.h"
#include "tensor/vec_few.h"
#include "tensor/vec_tile.h"
#if HAS_DOT_PAIRS
#include "tensor/vec_bf16.h"
#endif
#include "tensor/vec_panel.h"
#include "tensor/vec_panel_quantize.h"
#include "tensor/vec_panel_blocks.h"

INLINE void tile_nf4(const size_t R, float *y, size_t ldy, const float *x, size_t ldx, const float code[16], const uint8_t *packed,
                     const float *absmax, enum dtype d, size_t in)
{
    vf even[4] = { { 0 } }, odd[4] = { { 0 } };
    struct nf4_table t;

    for (size_t b = 0; b < in / NF4_BLOCK; b++, packed += NF4_BLOCK / 2, x += NF4_BLOCK) {
        nf4_table(&t, code, absmax[b], d);
        for (size_t i = 0; i < NF4_BLOCK / 2; i += W) {
            vi bytes = WIDEN_BYTES(packed + i);
            vf w0 = nf4_lookup(&t, bytes >> 4), w1 = nf4_lookup(&t, bytes & 15);

            for (size_t r = 0; r < R; r++) {
                even[r] += load(x + r * ldx + i) * w0;
                odd[r] += load(x + r * ldx + NF4_BLOCK / 2 + i) * w1;
            }
        }
    }
    for (size_t r = 0; r < R; r++)
        y[r * ldy] = hsum(even[r] + odd[r]);
}

INLINE void few_nf4_of(float *y, size_t ldy, const float *x, size_t ldx, size_t rows, const float code[16], const uint8_t *packed,
                       const float *absmax, enum dtype d, size_t n, size_t in)
{
    for (size_t j = 0; j < n; j++, packed += in / 2, absmax += in / NF4_BLOCK) {
        size_t r = 0;

        for (; r + 4 <= rows; r += 4)
            tile_nf4(4, y + r * ldy + j, ldy, x + r * ldx, ldx, code, packed, absmax, d, in);
        for (; r < rows; r++)
            tile_nf4(1, y + r * ldy + j, ldy, x + r * ldx, ldx, code, packed, absmax, d, in);
    }
}

/* A constant dtype keeps the rounding of the table out of the loop's way. */
static void few_nf4(float *y, size_t ldy, const float *x, size_t ldx, size_t rows, const float code[16], const uint8_t *packed,
                    const float *absmax, enum dtype d, size_t n, size_t in)
{
    if (d == DTYPE_BF16)
        few_nf4_of(y, ldy, x, ldx, rows, code, packed, absmax, DTYPE_BF16, n, in);
    else if (d == DTYPE_F32)
        few_nf4_of(y, ldy, x, ldx, rows, code, packed, absmax, DTYPE_F32, n, in);
    else
        few_nf4_of(y, ldy, x, ldx, rows, code, packed, absmax, d, n, in);
}

#include "tensor/vec_attention.h"

static bool supported(void);

const struct vec_ops VEC_OPS = {
    .name = VEC_NAME, .supported = supported, .dot = dot, .axpy = axpy, .sum_squares = sum_squares, .max = vmax,
    .exp_sum = exp_sum, .exp_total = exp_total, .scale = scale, .swiglu = swiglu, .swiglu_grad = swiglu_grad, .gelu_tanh = gelu_tanh, .gelu_erf = gelu_erf,
    .from_bf16 = from_bf16, .round_bf16 = round_bf16s,
    .nf4_codes = nf4_codes, .max_abs = max_abs,
    .from_nf4 = from_nf4, .few_f32 = few_f32, .few_bf16 = few_bf16, .few_f16 = few_f16, .few_nf4 = few_nf4,
    .tile_rows = TILE_ROWS, .tile_panels = TILE_PANELS, .pack_rows = pack_rows, .pack_f32 = pack_f32, .pack_bf16 = pack_bf16, .pack_f16 = pack_f16,
    .tile_f32 = tile_f32, .tile_narrow = tile_narrow,
#if HAS_DOT_PAIRS
    .to_bf16 = to_bf16, .few_pairs = few_pairs, .bf16_rows = BF16_ROWS, .pack_rows_bf16 = pack_rows_bf16, .pack_pairs = pack_pairs, .panel_pairs = panel_pairs,
    .zip_pairs = zip_pairs, .nf4_to_bf16 = nf4_to_bf16, .tiles_bf16 = tiles_bf16, .has_amx = HAS_TILES,
#endif
    .scores_f32 = scores_f32, .scores_bf16 = scores_bf16, .values_f32 = values_f32, .values_bf16 = values_bf16, .soft_cap = soft_cap,
    .panel_tall = panel_tall,
    .panel_quantize = panel_quantize, .panel_f32 = panel_f32, .panel_x_bytes = panel_x_bytes, .panel_quantize_x = panel_quantize_x,
    .panel_dot = panel_dot,
    .blocks_x_bytes = blocks_x_bytes, .blocks_quantize_x = blocks_quantize_x, .blocks_dot = blocks_dot,
};
