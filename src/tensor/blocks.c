/* The table of block formats, and those with 32 elements to a block. */
#include "tensor/blocks.h"

#include <math.h>

#include "tensor/blocks_priv.h"

/* ── the plain formats ── */

static void from_f32(float *dst, const void *src, size_t n) { (void)dtype_to_f32(dst, src, DTYPE_F32, n, NULL); }       /* all three are */
static void from_f16(float *dst, const void *src, size_t n) { (void)dtype_to_f32(dst, src, DTYPE_F16, n, NULL); }       /* float formats: */
static void from_bf16(float *dst, const void *src, size_t n) { (void)dtype_to_f32(dst, src, DTYPE_BF16, n, NULL); }     /* no error */
static void to_f32(void *dst, const float *src, size_t n) { (void)dtype_from_f32(dst, DTYPE_F32, src, n, NULL); }
static void to_f16(void *dst, const float *src, size_t n) { (void)dtype_from_f32(dst, DTYPE_F16, src, n, NULL); }
static void to_bf16(void *dst, const float *src, size_t n) { (void)dtype_from_f32(dst, DTYPE_BF16, src, n, NULL); }

/* ── 32 elements: d [m] [fifth bits] nibbles ── */

/* y [32] = d * (nibble | fifth bit << 4) + m; high NULL for four bits. The sum is exact before m: q is a small whole number. */
PART_OF_READER void from_nibbles(float *y, const uint8_t *q, const uint8_t *high, float d, int zero, float m)
{
    for (unsigned j = 0; j < 16; j++) {
        int low = q[j] & 15, up = q[j] >> 4;

        if (high) {
            low |= (high[j / 8] >> (j % 8) & 1) << 4;
            up |= (high[2 + j / 8] >> (j % 8) & 1) << 4;
        }
        y[j] = d * (float)(low - zero) + m;
        y[j + 16] = d * (float)(up - zero) + m;
    }
}

FOR_EACH_CPU static void from_q4_0(float *dst, const void *src, size_t blocks)
{
    for (const uint8_t *p = src; blocks--; p += 18, dst += 32)
        from_nibbles(dst, p + 2, NULL, block_half(p), 8, 0);
}

FOR_EACH_CPU static void from_q4_1(float *dst, const void *src, size_t blocks)
{
    for (const uint8_t *p = src; blocks--; p += 20, dst += 32)
        from_nibbles(dst, p + 4, NULL, block_half(p), 0, block_half(p + 2));
}

FOR_EACH_CPU static void from_q5_0(float *dst, const void *src, size_t blocks)
{
    for (const uint8_t *p = src; blocks--; p += 22, dst += 32)
        from_nibbles(dst, p + 6, p + 2, block_half(p), 16, 0);
}

FOR_EACH_CPU static void from_q5_1(float *dst, const void *src, size_t blocks)
{
    for (const uint8_t *p = src; blocks--; p += 24, dst += 32)
        from_nibbles(dst, p + 8, p + 4, block_half(p), 0, block_half(p + 2));
}

FOR_EACH_CPU static void from_q8_0(float *dst, const void *src, size_t blocks)
{
    for (const uint8_t *p = src; blocks--; p += 34, dst += 32) {
        float d = block_half(p);

        for (size_t j = 0; j < 32; j++)
            dst[j] = d * (float)(int8_t)p[2 + j];
    }
}

const int8_t block_iq4_values[16] = { -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113 };

FOR_EACH_CPU static void from_iq4_nl(float *dst, const void *src, size_t blocks)
{
    for (const uint8_t *p = src; blocks--; p += 18, dst += 32) {
        float d = block_half(p);

        for (size_t j = 0; j < 16; j++) {
            dst[j] = d * (float)block_iq4_values[p[2 + j] & 15];
            dst[j + 16] = d * (float)block_iq4_values[p[2 + j] >> 4];
        }
    }
}

/* ── making them, with the rounding of ggml's reference ── */

static void to_q8_0(void *dst, const float *src, size_t blocks)
{
    for (uint8_t *p = dst; blocks--; p += 34, src += 32) {
        float most = 0;

        for (size_t j = 0; j < 32; j++)
            most = fmaxf(most, fabsf(src[j]));
        float d = most / 127, inverse = d != 0 ? 1 / d : 0;

        block_put_half(p, d);
        for (size_t j = 0; j < 32; j++)
            p[2 + j] = (uint8_t)(int8_t)roundf(src[j] * inverse);
    }
}

static uint8_t q4_0_code(float x, float inverse)
{
    double q = trunc((double)x * (double)inverse + 8.5);

    return (uint8_t)(q < 0 ? 0 : q > 15 ? 15 : q);
}

/* The element of largest magnitude becomes -8 exactly, whatever its sign. */
static void to_q4_0(void *dst, const float *src, size_t blocks)
{
    for (uint8_t *p = dst; blocks--; p += 18, src += 32) {
        float most = 0;

        for (size_t j = 0; j < 32; j++)
            if (fabsf(src[j]) > fabsf(most))
                most = src[j];
        float d = most / -8, inverse = d != 0 ? 1 / d : 0;

        block_put_half(p, d);
        for (size_t j = 0; j < 16; j++)
            p[2 + j] = (uint8_t)(q4_0_code(src[j], inverse) | q4_0_code(src[j + 16], inverse) << 4);
    }
}

/* ── the table ── */

static const struct block_format formats[] = {
    { "F32", 0, 1, 4, from_f32, to_f32 },
    { "F16", 1, 1, 2, from_f16, to_f16 },
    { "BF16", 30, 1, 2, from_bf16, to_bf16 },
    { "Q4_0", 2, 32, 18, from_q4_0, to_q4_0 },
    { "Q4_1", 3, 32, 20, from_q4_1, NULL },
    { "Q5_0", 6, 32, 22, from_q5_0, NULL },
    { "Q5_1", 7, 32, 24, from_q5_1, NULL },
    { "Q8_0", 8, 32, 34, from_q8_0, to_q8_0 },
    { "Q2_K", 10, 256, 84, block_from_q2_k, NULL },
    { "Q3_K", 11, 256, 110, block_from_q3_k, NULL },
    { "Q4_K", 12, 256, 144, block_from_q4_k, block_to_q4_k },
    { "Q5_K", 13, 256, 176, block_from_q5_k, NULL },
    { "Q6_K", 14, 256, 210, block_from_q6_k, NULL },
    { "IQ4_NL", 20, 32, 18, from_iq4_nl, NULL },
    { "IQ4_XS", 23, 256, 136, block_from_iq4_xs, NULL },
};

const struct block_format *block_format_at(size_t i) { return i < ARRAY_LEN(formats) ? &formats[i] : NULL; }

const struct block_format *block_format_by_type(uint32_t type)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (formats[i].type == type)
            return &formats[i];
    return NULL;
}

const struct block_format *block_format_by_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (streq(formats[i].name, name))
            return &formats[i];
    return NULL;
}

bool block_format_dtype(const struct block_format *f, enum dtype *out) { return f->elements == 1 && dtype_parse(str_of(f->name), out); }
