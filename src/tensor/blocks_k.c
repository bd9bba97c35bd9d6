/* Block formats with 256 elements, whose scales are themselves quantised. */
#include <math.h>

#include "tensor/blocks_priv.h"

/* Each half of 128 takes 32 bytes; two bits of each byte at a time make 32 elements, 16 to a scale. */
FOR_EACH_CPU void block_from_q2_k(float *dst, const void *src, size_t blocks)
{
    for (const uint8_t *p = src; blocks--; p += 84, dst += 256) {
        const uint8_t *q = p + 16;
        float d = block_half(p + 80), dmin = block_half(p + 82);

        for (unsigned i = 0; i < 256; i += 16) {
            const uint8_t *from = q + i / 128 * 32 + i % 32;
            unsigned shift = i % 128 / 32 * 2;
            float ds = d * (float)(p[i / 16] & 15), m = dmin * (float)(p[i / 16] >> 4);

            for (unsigned k = 0; k < 16; k++)
                dst[i + k] = ds * (float)(from[k] >> shift & 3) - m;
        }
    }
}

FOR_EACH_CPU void block_from_q3_k(float *dst, const void *src, size_t blocks)
{
    for (const uint8_t *p = src; blocks--; p += 110, dst += 256) {
        const uint8_t *high = p, *q = p + 32, *scales = p + 96;
        float d = block_half(p + 108);

        for (unsigned i = 0; i < 256; i += 16) {
            const uint8_t *from = q + i / 128 * 32 + i % 32, *third = high + i % 32;
            unsigned shift = i % 128 / 32 * 2, bit = i / 32;
            float ds = d * (float)block_q3_k_scale(scales, i / 16);

            for (unsigned k = 0; k < 16; k++)
                dst[i + k] = ds * (float)((from[k] >> shift & 3) + (third[k] >> bit & 1) * 4 - 4);
        }
    }
}

/* 64 elements share 32 bytes: the low nibbles, then the high ones, each 32 with a scale and min of their own. */
PART_OF_READER void from_k4(float *y, const uint8_t *q, const uint8_t *high, float d, float dmin, const uint8_t *scales)
{
    for (unsigned j = 0; j < 8; j++, y += 32) {
        uint8_t scale, min;

        block_k4_scale(scales, j, &scale, &min);
        float ds = d * (float)scale, m = dmin * (float)min;

        const uint8_t *from = q + j / 2 * 32;
        unsigned shift = j % 2 * 4;

        for (unsigned k = 0; k < 32; k++)
            y[k] = ds * (float)((from[k] >> shift & 15) + (high ? (high[k] >> j & 1) << 4 : 0)) - m;
    }
}

FOR_EACH_CPU void block_from_q4_k(float *dst, const void *src, size_t blocks)
{
    for (const uint8_t *p = src; blocks--; p += 144, dst += 256)
        from_k4(dst, p + 16, NULL, block_half(p), block_half(p + 2), p + 4);
}

FOR_EACH_CPU void block_from_q5_k(float *dst, const void *src, size_t blocks)
{
    for (const uint8_t *p = src; blocks--; p += 176, dst += 256)
        from_k4(dst, p + 48, p + 16, block_half(p), block_half(p + 2), p + 4);
}

/*
 * Each half of 128 takes 64 bytes of low nibbles and 32 of high bit pairs: elements 0..31 and 32..63 are the low nibbles
 * of bytes 0..63, 64..127 the high ones; bit pair k of byte l belongs to element l + 32 k.
 */
FOR_EACH_CPU void block_from_q6_k(float *dst, const void *src, size_t blocks)
{
    for (const uint8_t *p = src; blocks--; p += 210, dst += 256) {
        const uint8_t *low = p, *high = p + 128, *scales = p + 192;
        float d = block_half(p + 208);

        for (unsigned i = 0; i < 256; i += 16) {
            unsigned half = i / 128, at = i % 128, shift = at / 64 * 4, pair_shift = at / 32 * 2;
            const uint8_t *nibbles = low + half * 64 + at % 64, *pairs = high + half * 32 + at % 32;
            float ds = d * (float)(int8_t)scales[i / 16];

            for (unsigned k = 0; k < 16; k++)
                dst[i + k] = ds * (float)((nibbles[k] >> shift & 15) + (pairs[k] >> pair_shift & 3) * 16 - 32);
        }
    }
}

/* d, high bits of 8 scales (2 each), low bits (4 each), 128 bytes as Q4_0 in groups of 32. */
FOR_EACH_CPU void block_from_iq4_xs(float *dst, const void *src, size_t blocks)
{
    for (const uint8_t *p = src; blocks--; p += 136, dst += 256) {
        float d = block_half(p);

        for (unsigned i = 0; i < 256; i += 16) {
            unsigned j = i / 32, shift = i % 32 / 4;
            const uint8_t *from = p + 8 + j * 16;
            float ds = d * (float)block_iq4_xs_scale(p + 2, j);

            for (unsigned k = 0; k < 16; k++)
                dst[i + k] = ds * (float)block_iq4_values[from[k] >> shift & 15];
        }
    }
}

/* ── Q4_K: making it ── */

/* One group of 32: w ~ scale * q - min with q in 0..15, min >= 0. */
struct k4_fit { float scale, min; };

static float k4_code(float x, const struct k4_fit *f)
{
    float q = f->scale > 0 ? roundf((x + f->min) / f->scale) : 0;

    return q < 0 ? 0 : q > 15 ? 15 : q;
}

/* Least squares of x on its codes; the scale is kept when the codes are all equal. */
static void k4_refit(const float *x, struct k4_fit *f)
{
    double n = 32, sq = 0, sqq = 0, sx = 0, sqx = 0;

    for (size_t i = 0; i < 32; i++) {
        double q = (double)k4_code(x[i], f);

        sq += q;
        sqq += q * q;
        sx += (double)x[i];
        sqx += q * (double)x[i];
    }
    double det = n * sqq - sq * sq, scale = det > 0 ? (n * sqx - sq * sx) / det : 0, min = (sq * scale - sx) / n;

    if (min < 0 && sqq > 0) {                   /* the format has no negative min: the line through 0 */
        min = 0;
        scale = sqx / sqq;
    }
    if (scale > 0)
        *f = (struct k4_fit){ (float)scale, (float)min };
}

static double k4_error(const float *x, const struct k4_fit *f)
{
    double sum = 0;

    for (size_t i = 0; i < 32; i++) {
        double d = (double)(f->scale * k4_code(x[i], f) - f->min) - (double)x[i];

        sum += d * d;
    }
    return sum;
}

/* The range first, then a few narrower ones, each refitted; the smallest error wins. */
static struct k4_fit k4_fit_group(const float *x)
{
    float low = 0, high = x[0];

    for (size_t i = 0; i < 32; i++) {
        low = fminf(low, x[i]);
        high = fmaxf(high, x[i]);
    }
    struct k4_fit best = { (high - low) / 15, -low };
    double least = k4_error(x, &best);

    if (!(best.scale > 0))
        return best;
    for (int step = -2; step <= 4; step++) {
        struct k4_fit f = { (high - low) / (15 + (float)step * 0.4f), -low };

        k4_refit(x, &f);
        double error = k4_error(x, &f);
        if (error < least) {
            least = error;
            best = f;
        }
    }
    return best;
}

static void k4_put_scales(uint8_t packed[12], const uint8_t scale[8], const uint8_t min[8])
{
    for (unsigned j = 0; j < 4; j++) {
        packed[j] = (uint8_t)(scale[j] | scale[j + 4] >> 4 << 6);
        packed[j + 4] = (uint8_t)(min[j] | min[j + 4] >> 4 << 6);
        packed[j + 8] = (uint8_t)((scale[j + 4] & 15) | (min[j + 4] & 15) << 4);
    }
}

static uint8_t k4_six_bits(float x, float unit) { return unit > 0 ? (uint8_t)fminf(63, roundf(x / unit)) : 0; }

static void to_q4_k(uint8_t *p, const float *x)
{
    struct k4_fit fits[8];
    uint8_t scale[8], min[8];
    float most_scale = 0, most_min = 0;

    for (size_t j = 0; j < 8; j++) {
        fits[j] = k4_fit_group(x + 32 * j);
        most_scale = fmaxf(most_scale, fits[j].scale);
        most_min = fmaxf(most_min, fits[j].min);
    }
    block_put_half(p, most_scale / 63);
    block_put_half(p + 2, most_min / 63);
    float d = block_half(p), dmin = block_half(p + 2);

    for (size_t j = 0; j < 8; j++) {
        scale[j] = k4_six_bits(fits[j].scale, d);
        min[j] = k4_six_bits(fits[j].min, dmin);
        fits[j] = (struct k4_fit){ d * (float)scale[j], dmin * (float)min[j] };
    }
    k4_put_scales(p + 4, scale, min);
    for (size_t i = 0; i < 128; i++) {
        size_t j = i / 32 * 2, at = i / 32 * 64 + i % 32;

        p[16 + i] = (uint8_t)((uint8_t)k4_code(x[at], &fits[j]) | (uint8_t)k4_code(x[at + 32], &fits[j + 1]) << 4);
    }
}

void block_to_q4_k(void *dst, const float *src, size_t blocks)
{
    for (uint8_t *p = dst; blocks--; p += 144, src += 256)
        to_q4_k(p, src);
}
