/* Names, sizes and conversions of the number formats. */
#include "tensor/tensor.h"

#include <stdio.h>

static const struct { const char *name; uint8_t bytes; } dtypes[DTYPE_COUNT_] = {
#define X(name, bits) [DTYPE_##name] = { #name, (bits) / 8 },
    DTYPES(X)
#undef X
};

static const struct { const char *name; enum dtype dtype; } torch_names[] = {
    { "float32", DTYPE_F32 }, { "float", DTYPE_F32 }, { "bfloat16", DTYPE_BF16 }, { "float16", DTYPE_F16 },
    { "half", DTYPE_F16 }, { "float64", DTYPE_F64 }, { "uint8", DTYPE_U8 }, { "int8", DTYPE_I8 },
};

const char *dtype_name(enum dtype d) { return d < DTYPE_COUNT_ ? dtypes[d].name : "?"; }

size_t dtype_size(enum dtype d) { return d < DTYPE_COUNT_ ? dtypes[d].bytes : 0; }

bool dtype_parse(struct str name, enum dtype *out)
{
    for (size_t i = 0; i < DTYPE_COUNT_; i++)
        if (str_is(name, dtypes[i].name)) {
            *out = (enum dtype)i;
            return true;
        }
    return false;
}

bool dtype_parse_torch(struct str name, enum dtype *out)
{
    if (str_has_prefix(name, STR("torch.")))
        name = str_from(name, 6);
    for (size_t i = 0; i < ARRAY_LEN(torch_names); i++)
        if (str_is(name, torch_names[i].name)) {
            *out = torch_names[i].dtype;
            return true;
        }
    return false;
}

const char *tensor_shape_text(const struct tensor *t, char out[TENSOR_SHAPE_TEXT_MAX])
{
    size_t at = 0;

    out[at++] = '[';
    for (size_t i = 0; i < t->ndim; i++)
        at += (size_t)snprintf(out + at, TENSOR_SHAPE_TEXT_MAX - at, "%s%zu", i ? ", " : "", t->shape[i]);
    snprintf(out + at, TENSOR_SHAPE_TEXT_MAX - at, "]");
    return out;
}

float f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = (h >> 10) & 0x1fu, fraction = h & 0x3ffu, u;
    float f;

    if (exponent == 0x1f)
        u = sign | 0x7f800000u | (fraction << 13);
    else if (exponent)
        u = sign | ((exponent + 112) << 23) | (fraction << 13);
    else {                                      /* zero or subnormal: fraction * 2^-24 is exact in f32 */
        f = (float)fraction * 0x1p-24f;
        return sign ? -f : f;
    }
    memcpy(&f, &u, sizeof f);
    return f;
}

uint16_t f32_to_f16(float f)
{
    uint32_t u, magnitude;
    uint16_t sign;

    memcpy(&u, &f, sizeof u);
    sign = (uint16_t)((u >> 16) & 0x8000u);
    magnitude = u & 0x7fffffffu;
    if (magnitude > 0x7f800000u)
        return sign | 0x7e00u;
    if (magnitude >= 0x477ff000u)               /* 65520 and more round to infinity */
        return sign | 0x7c00u;
    if (magnitude < 0x38800000u) {              /* below 2^-14: a multiple of 2^-24; adding 0.5 rounds in f32 itself */
        float a, half = 0.5f;

        memcpy(&a, &magnitude, sizeof a);
        a += half;
        memcpy(&u, &a, sizeof u);
        return (uint16_t)(sign | (u - 0x3f000000u));
    }
    magnitude += 0xfffu + ((magnitude >> 13) & 1u);
    return (uint16_t)(sign | ((magnitude >> 13) - (112u << 10)));
}

#define CONVERT_LOOP(type, expr)                                \
    for (size_t i = 0; i < n; i++) {                            \
        type v;                                                 \
        memcpy(&v, (const char *)src + i * sizeof v, sizeof v); \
        dst[i] = (expr);                                        \
    }

errc dtype_to_f32(float *dst, const void *src, enum dtype from, size_t n, struct err *e)
{
    switch (from) {
    case DTYPE_F32:
        if (n)
            memcpy(dst, src, n * sizeof *dst);
        return ERR_OK;
    case DTYPE_BF16:
        CONVERT_LOOP(uint16_t, bf16_to_f32(v));
        return ERR_OK;
    case DTYPE_F16:
        CONVERT_LOOP(uint16_t, f16_to_f32(v));
        return ERR_OK;
    case DTYPE_F64:
        CONVERT_LOOP(double, (float)v);
        return ERR_OK;
    default:
        return err_set(e, ERR_UNSUPPORTED, "dtype %s is not a floating-point format", dtype_name(from));
    }
}

errc dtype_to_f64(double *dst, const void *src, enum dtype from, size_t n, struct err *e)
{
    switch (from) {
    case DTYPE_F32:  CONVERT_LOOP(float, (double)v); return ERR_OK;
    case DTYPE_BF16: CONVERT_LOOP(uint16_t, (double)bf16_to_f32(v)); return ERR_OK;
    case DTYPE_F16:  CONVERT_LOOP(uint16_t, (double)f16_to_f32(v)); return ERR_OK;
    case DTYPE_F64:  CONVERT_LOOP(double, v); return ERR_OK;
    case DTYPE_BOOL:
    case DTYPE_U8:   CONVERT_LOOP(uint8_t, (double)v); return ERR_OK;
    case DTYPE_I8:   CONVERT_LOOP(int8_t, (double)v); return ERR_OK;
    case DTYPE_U16:  CONVERT_LOOP(uint16_t, (double)v); return ERR_OK;
    case DTYPE_I16:  CONVERT_LOOP(int16_t, (double)v); return ERR_OK;
    case DTYPE_U32:  CONVERT_LOOP(uint32_t, (double)v); return ERR_OK;
    case DTYPE_I32:  CONVERT_LOOP(int32_t, (double)v); return ERR_OK;
    case DTYPE_U64:  CONVERT_LOOP(uint64_t, (double)v); return ERR_OK;
    case DTYPE_I64:  CONVERT_LOOP(int64_t, (double)v); return ERR_OK;
    default:
        return err_set(e, ERR_UNSUPPORTED, "values of dtype %s are not read", dtype_name(from));
    }
}

errc dtype_from_f32(void *dst, enum dtype to, const float *src, size_t n, struct err *e)
{
    uint16_t *half = dst;

    switch (to) {
    case DTYPE_F32:
        if (n)
            memcpy(dst, src, n * sizeof *src);
        return ERR_OK;
    case DTYPE_BF16:
        for (size_t i = 0; i < n; i++)
            half[i] = f32_to_bf16(src[i]);
        return ERR_OK;
    case DTYPE_F16:
        for (size_t i = 0; i < n; i++)
            half[i] = f32_to_f16(src[i]);
        return ERR_OK;
    default:
        return err_set(e, ERR_UNSUPPORTED, "cannot write dtype %s; f32, bf16 and f16 are possible", dtype_name(to));
    }
}

/* Where the exponent of a number has every bit set, it is infinite or not a number. Whole parts first: that loop is vectorised. */
#define PART 4096

#define FIND_LOOP(type, mask)                                       \
    for (size_t at = 0; at < n; at += PART) {                       \
        size_t end = n - at < PART ? n : at + PART;                 \
        unsigned any = 0;                                           \
                                                                    \
        for (size_t i = at; i < end; i++)                           \
            any |= (unpack_##type(src, i) & (mask)) == (mask);      \
        for (size_t i = at; any && i < end; i++)                    \
            if ((unpack_##type(src, i) & (mask)) == (mask))         \
                return i;                                           \
    }

static inline uint16_t unpack_uint16_t(const void *src, size_t i)
{
    uint16_t v;

    memcpy(&v, (const char *)src + i * sizeof v, sizeof v);
    return v;
}

static inline uint32_t unpack_uint32_t(const void *src, size_t i)
{
    uint32_t v;

    memcpy(&v, (const char *)src + i * sizeof v, sizeof v);
    return v;
}

size_t dtype_find_not_finite(const void *src, enum dtype d, size_t n)
{
    if (d == DTYPE_BF16)
        FIND_LOOP(uint16_t, 0x7f80u)
    if (d == DTYPE_F16)
        FIND_LOOP(uint16_t, 0x7c00u)
    if (d == DTYPE_F32)
        FIND_LOOP(uint32_t, 0x7f800000u)
    return n;
}
