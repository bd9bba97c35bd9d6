/* Quantising, nesting and reading NF4 and FP4. The arithmetic follows bitsandbytes step by step, in f32, so that bits agree. */
#include "tensor/nf4.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "tensor/vec.h"

const float nf4_code[16] = {
    -1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f,
    -0.18477343022823334f, -0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f,
    0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f,
};

/* Sign, two bits of exponent, one of mantissa, over 12: 1/192 is what has no exponent. */
const float fp4_code[16] = {
    0, 0.0052083334885537624f, 0.6666666865348816f, 1, 0.3333333432674408f, 0.5f, 0.1666666716337204f, 0.25f,
    -0.0f, -0.0052083334885537624f, -0.6666666865348816f, -1, -0.3333333432674408f, -0.5f, -0.1666666716337204f, -0.25f,
};

/* FP4's codes by value. What rounds to 0 from above has the sign: so sorts bitsandbytes' table on a CPU. */
static const uint8_t fp4_order[16] = { 11, 10, 13, 12, 15, 14, 9, 0, 8, 1, 6, 7, 4, 5, 2, 3 };

/* Half-way points between neighbours; strictly above goes up. */
static const float fp4_threshold[15] = {
    -0.8333333730697632f, -0.5833333730697632f, -0.4166666865348816f, -0.2916666865348816f, -0.2083333432674408f, -0.0859375f,
    -0.0026041667442768812f, 0, 0.0026041667442768812f, 0.0859375f, 0.2083333432674408f, 0.2916666865348816f, 0.4166666865348816f,
    0.5833333730697632f, 0.8333333730697632f,
};
static const float nf4_threshold[15] = {
    -0.8480964004993439f, -0.6106329262256622f, -0.4599952697753906f, -0.33967943489551544f, -0.23460740596055984f,
    -0.13791173323988914f, -0.045525018125772476f, 0.03979014977812767f, 0.1202552504837513f, 0.2035212516784668f,
    0.2920137718319893f, 0.3893125355243683f, 0.5016634166240692f, 0.6427869200706482f, 0.8614784181118011f,
};

#define RANK_OF_0 7

static void to_fp4(uint8_t *codes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        codes[i] = fp4_order[codes[i]];
}

/* Eight codes, one a byte, become four bytes: the first of two is the high half. */
static void pack_eight(uint8_t *packed, const uint8_t *codes)
{
    uint64_t w;

    memcpy(&w, codes, sizeof w);
    w = (w << 4 | w >> 8) & 0x00ff00ff00ff00ff;
    w = (w | w >> 8) & 0x0000ffff0000ffff;
    w |= w >> 16;
    memcpy(packed, &w, 4);
}

/* One block of 64, whose largest value times inverse is 1. */
static void pack_block(const struct vec_ops *vec, const float code[16], uint8_t *packed, float inverse, const float *x)
{
    uint8_t codes[NF4_BLOCK];

    if (inverse > 0)
        vec->nf4_codes(codes, x, inverse, code == fp4_code ? fp4_threshold : nf4_threshold);
    else
        memset(codes, RANK_OF_0, sizeof codes);
    if (code == fp4_code)
        to_fp4(codes, NF4_BLOCK);
    for (size_t i = 0; i < NF4_BLOCK; i += 8)
        pack_eight(packed + i / 2, codes + i);
}

static void quantize_block(const struct vec_ops *vec, const float code[16], uint8_t *packed, float *absmax, const float *x)
{
    *absmax = vec->max_abs(x, NF4_BLOCK);
    pack_block(vec, code, packed, *absmax > 0 ? 1.0f / *absmax : 0, x);
}

/* The last one, of n values: these are divided, where whole blocks are multiplied by the inverse, which decides some that lie half-way. */
static void quantize_rest(const struct vec_ops *vec, const float code[16], uint8_t *packed, float *absmax, const float *src, size_t n)
{
    float x[NF4_BLOCK] = { 0 };
    uint8_t bytes[NF4_BLOCK / 2];

    memcpy(x, src, n * sizeof *x);
    *absmax = vec->max_abs(x, NF4_BLOCK);
    for (size_t i = 0; *absmax > 0 && i < n; i++)
        x[i] /= *absmax;
    pack_block(vec, code, bytes, *absmax > 0, x);
    memcpy(packed, bytes, (n + 1) / 2);
}

void nf4_quantize(const float code[16], uint8_t *packed, float *absmax, const float *src, size_t n)
{
    const struct vec_ops *vec = vec_choose(NULL);
    size_t b = 0, left = n % NF4_BLOCK;

    for (; b < n / NF4_BLOCK; b++)
        quantize_block(vec, code, packed + b * NF4_BLOCK / 2, &absmax[b], src + b * NF4_BLOCK);
    if (left)
        quantize_rest(vec, code, packed + b * NF4_BLOCK / 2, &absmax[b], src + b * NF4_BLOCK, left);
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

/* torch.linspace counts from both ends and rounds once; the published map depends on it. */
static float linspace(float from, float to, size_t steps, size_t i)
{
    float step = (to - from) / (float)(steps - 1);

    return i < steps / 2 ? fmaf(step, (float)i, from) : fmaf(-step, (float)(steps - i - 1), to);
}

void nf4_dynamic_map(float out[256])
{
    size_t n = 0;

    for (int e = 0; e < 7; e++) {
        size_t points = ((size_t)1 << e) + 1;
        float power = (float)pow(10, e - 6);

        for (size_t i = 0; i + 1 < points; i++) {
            float mean = (linspace(0.1f, 1, points, i) + linspace(0.1f, 1, points, i + 1)) / 2;
            out[n++] = power * mean;
            out[n++] = -(power * mean);
        }
    }
    out[n++] = 0;
    out[n++] = 1;
    qsort(out, n, sizeof *out, by_value);
}

/*
 * Looks in a rising map of 256 by a number's upper 16 bits: first[key] is the last entry that is <= the least number of that key, or 0. Hardly
 * ever has a key two entries.
 */
#define KEYS 65536

struct map_index {
    float map[256];
    uint8_t first[KEYS];
};

/* Rises with the number. */
static uint32_t key_of(float x)
{
    uint32_t u;

    memcpy(&u, &x, sizeof u);
    return (u & 0x80000000u ? ~u : u | 0x80000000u) >> 16;
}

static struct map_index *index_new(void)
{
    struct map_index *m = xzalloc(sizeof *m);
    unsigned entry = 0;

    nf4_dynamic_map(m->map);
    for (uint32_t key = 0; key < KEYS; key++) {
        while (entry < 255 && key_of(m->map[entry + 1]) < key)
            entry++;
        m->first[key] = (uint8_t)entry;
    }
    return m;
}

/* The nearest entry; the lower one on a tie. */
static uint8_t nearest_in_map(const struct map_index *m, float x)
{
    unsigned low = m->first[key_of(x)];

    while (low < 255 && m->map[low + 1] <= x)
        low++;
    if (low < 255 && fabsf(m->map[low + 1] - x) < fabsf(x - m->map[low]))
        low++;
    return (uint8_t)low;
}

static float mean_of(const float *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)x[i];
    return n ? (float)(sum / (double)n) : 0;
}

/* One block of absmax values: their codes; returns the largest distance from the offset. */
static float nest_block(uint8_t *q, const float *absmax, size_t n, float offset, const struct map_index *m)
{
    float largest = 0;

    for (size_t i = 0; i < n; i++)
        largest = fmaxf(largest, fabsf(absmax[i] - offset));
    for (size_t i = 0; i < n; i++)
        q[i] = nearest_in_map(m, largest > 0 ? (absmax[i] - offset) / largest : 0);
    return largest;
}

static size_t nested_block(size_t b, size_t n) { return n - b * NF4_NESTED_BLOCK < NF4_NESTED_BLOCK ? n - b * NF4_NESTED_BLOCK : NF4_NESTED_BLOCK; }

void nf4_nest(uint8_t *q, float *nested, float *offset, const float *absmax, size_t n)
{
    AUTO_MEM struct map_index *m = index_new();

    *offset = mean_of(absmax, n);
    for (size_t b = 0; b * NF4_NESTED_BLOCK < n; b++)
        nested[b] = nest_block(q + b * NF4_NESTED_BLOCK, absmax + b * NF4_NESTED_BLOCK, nested_block(b, n), *offset, m);
}

void nf4_unnest(float *absmax, const uint8_t *q, const float *nested, float offset, const float map[256], size_t n)
{
    for (size_t i = 0; i < n; i++)
        absmax[i] = map[q[i]] * nested[i / NF4_NESTED_BLOCK] + offset;
}

static float round_to(float f, enum dtype d)
{
    return d == DTYPE_BF16 ? f32_round_bf16(f) : d == DTYPE_F16 ? f16_to_f32(f32_to_f16(f)) : f;
}

void nf4_dequantize(const struct nf4 *q, float *dst, size_t first, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t at = first + i;
        uint8_t byte = q->packed[at / 2];

        dst[i] = round_to(q->code[at % 2 ? byte & 15 : byte >> 4] * q->absmax[at / NF4_BLOCK], q->dtype);
    }
}

/* ── a whole matrix ── */

static errc alloc_owned(struct nf4 *q, size_t n, struct err *e)
{
    q->n = n;
    q->owned_packed = mem_try_alloc((n + 1) / 2, 1);
    q->owned_absmax = mem_try_alloc(nf4_blocks(n), sizeof(float));
    q->packed = q->owned_packed;
    q->absmax = q->owned_absmax;
    if (q->packed && q->absmax)
        return ERR_OK;
    nf4_done(q);
    return err_set(e, ERR_UNAVAILABLE, "no memory for %zu 4-bit weights", n);
}

/* absmax as it is after its own quantising. */
static void renest(struct nf4 *q, int threads)
{
    size_t n = nf4_blocks(q->n), blocks = (n + NF4_NESTED_BLOCK - 1) / NF4_NESTED_BLOCK;
    float offset = mean_of(q->absmax, n);
    AUTO_MEM struct map_index *m = index_new();

    #pragma omp parallel for num_threads(threads)
    for (size_t b = 0; b < blocks; b++) {
        float *absmax = (float *)q->owned_absmax + b * NF4_NESTED_BLOCK;
        size_t count = nested_block(b, n);
        uint8_t codes[NF4_NESTED_BLOCK];
        float largest = nest_block(codes, absmax, count, offset, m);
        nf4_unnest(absmax, codes, &largest, offset, m->map, count);
    }
}

#define CHUNK_BLOCKS 64         /* blocks converted at a time, on the stack */

/* Returns the place of an element that is not finite, or SIZE_MAX. */
static size_t quantize_chunk(struct nf4 *q, const struct tensor *src, size_t first_block)
{
    float values[CHUNK_BLOCKS * NF4_BLOCK];
    size_t first = first_block * NF4_BLOCK, n = src->len - first < ARRAY_LEN(values) ? src->len - first : ARRAY_LEN(values);

    const char *from = (const char *)src->data + first * dtype_size(src->dtype);
    if (src->dtype == DTYPE_BF16)
        vec_choose(NULL)->from_bf16(values, (const uint16_t *)(const void *)from, n);
    else
        (void)dtype_to_f32(values, from, src->dtype, n, NULL);          /* checked by the caller */
    nf4_quantize(q->code, (uint8_t *)q->owned_packed + first / 2, (float *)q->owned_absmax + first_block, values, n);
    size_t bad = dtype_find_not_finite(from, src->dtype, n);
    return bad < n ? first + bad : SIZE_MAX;
}

errc nf4_from_tensor(const struct tensor *src, const float code[16], bool double_quant, int threads, struct nf4 *out, struct err *e)
{
    struct nf4 q = { .code = code, .dtype = src->dtype };

    if (src->dtype != DTYPE_F32 && src->dtype != DTYPE_BF16 && src->dtype != DTYPE_F16)
        return err_set(e, ERR_UNSUPPORTED, "cannot quantise dtype %s to 4 bits; f32, bf16 and f16 are possible", dtype_name(src->dtype));
    TRY(alloc_owned(&q, src->len, e));
    threads = threads > 0 ? threads : 1;
    size_t chunks = (nf4_blocks(q.n) + CHUNK_BLOCKS - 1) / CHUNK_BLOCKS;
    size_t bad = SIZE_MAX;
    #pragma omp parallel for num_threads(threads) reduction(min : bad)
    for (size_t i = 0; i < chunks; i++) {
        size_t found = quantize_chunk(&q, src, i * CHUNK_BLOCKS);
        bad = found < bad ? found : bad;
    }
    if (bad < SIZE_MAX) {
        nf4_done(&q);
        return err_set(e, ERR_CORRUPT, "element %zu is not a finite number", bad);
    }
    if (double_quant)
        renest(&q, threads);
    *out = q;
    return ERR_OK;
}

void nf4_done(struct nf4 *q)
{
    free(q->owned_packed);
    free(q->owned_absmax);
    *q = (struct nf4){ 0 };
}

/* ── pre-quantised checkpoints ── */

struct quant_state {
    size_t rows, cols;
    const float *code;
    enum dtype dtype;
    bool nested;
    double offset;
};

static errc read_quant_state(const char *name, const struct tensor *t, struct quant_state *out, struct err *e)
{
    AUTO_JSON j = NULL;
    const json_t *shape;
    const char *type, *dtype;

    if (t->dtype != DTYPE_U8)
        return err_set(e, ERR_CORRUPT, "%s: quant_state must be U8, not %s", name, dtype_name(t->dtype));
    if (json_parse(str_n(t->data, t->len), &j, e))
        return err_wrap(e, "%s: quant_state", name);
    type = json_cstr(j, "quant_type");
    dtype = json_cstr(j, "dtype");
    shape = json_object_get(j, "shape");
    out->code = streq(type, "nf4") ? nf4_code : streq(type, "fp4") ? fp4_code : NULL;
    if (!out->code)
        return err_set(e, ERR_UNSUPPORTED, "%s: quant_type %s is not read; nf4 and fp4 are", name, type ? type : "(absent)");
    if (json_int(j, "blocksize", 0) != NF4_BLOCK)
        return err_set(e, ERR_UNSUPPORTED, "%s: blocksize %lld is not read; %d is", name, (long long)json_int(j, "blocksize", 0), NF4_BLOCK);
    if (!dtype || !dtype_parse_torch(str_of(dtype), &out->dtype) ||
        (out->dtype != DTYPE_F32 && out->dtype != DTYPE_BF16 && out->dtype != DTYPE_F16))
        return err_set(e, ERR_CORRUPT, "%s: quant_state dtype %s is not known", name, dtype ? dtype : "(absent)");
    json_int_t rows = json_integer_value(json_array_get(shape, 0)), cols = json_integer_value(json_array_get(shape, 1));
    if (json_array_size(shape) != 2 || rows <= 0 || cols <= 0)
        return err_set(e, ERR_CORRUPT, "%s: quant_state shape must be two sizes above 0", name);
    out->rows = (size_t)rows;
    out->cols = (size_t)cols;
    out->nested = json_object_get(j, "nested_blocksize") != NULL;
    if (out->nested && json_int(j, "nested_blocksize", 0) != NF4_NESTED_BLOCK)
        return err_set(e, ERR_UNSUPPORTED, "%s: nested_blocksize %lld is not read; %d is", name,
                       (long long)json_int(j, "nested_blocksize", 0), NF4_NESTED_BLOCK);
    out->offset = json_num(j, "nested_offset", 0);
    return ERR_OK;
}

/* The tensor name.suffix with this dtype and number of elements. */
static errc need_part(const struct safetensors *s, const char *name, const char *suffix, enum dtype dtype, size_t len,
                      const struct tensor **out, struct err *e)
{
    AUTO_MEM char *full = xasprintf("%s%s", name, suffix);

    TRY(safetensors_need(s, full, out, e));
    if ((*out)->dtype != dtype || (*out)->len != len)
        return err_set(e, ERR_CORRUPT, "%s: tensor %s: expected %s with %zu elements, found %s with %zu", safetensors_path(s), full,
                       dtype_name(dtype), len, dtype_name((*out)->dtype), (*out)->len);
    return ERR_OK;
}

static errc check_code(const struct safetensors *s, const char *name, const float expected[16], struct err *e)
{
    const struct tensor *code;

    TRY(need_part(s, name, ".quant_map", DTYPE_F32, 16, &code, e));
    for (size_t i = 0; i < 16; i++) {
        float f;
        memcpy(&f, (const char *)code->data + i * sizeof f, sizeof f);
        if (!(f == expected[i]))        /* of the two zeros, too */
            return err_set(e, ERR_UNSUPPORTED, "%s: tensor %s.quant_map differs from the %s code", safetensors_path(s), name,
                           expected == nf4_code ? "NF4" : "FP4");
    }
    return ERR_OK;
}

static errc read_absmax(const struct safetensors *s, const char *name, const struct quant_state *state, float *absmax,
                        size_t blocks, struct err *e)
{
    const struct tensor *q, *map, *nested;

    if (!state->nested) {
        TRY(need_part(s, name, ".absmax", DTYPE_F32, blocks, &q, e));
        memcpy(absmax, q->data, blocks * sizeof *absmax);
        return ERR_OK;
    }
    size_t groups = (blocks + NF4_NESTED_BLOCK - 1) / NF4_NESTED_BLOCK;
    TRY(need_part(s, name, ".absmax", DTYPE_U8, blocks, &q, e));
    TRY(need_part(s, name, ".nested_quant_map", DTYPE_F32, 256, &map, e));
    TRY(need_part(s, name, ".nested_absmax", DTYPE_F32, groups, &nested, e));
    AUTO_MEM float *aligned = xcalloc(groups, sizeof *aligned);
    float table[256];
    memcpy(table, map->data, sizeof table);
    memcpy(aligned, nested->data, groups * sizeof *aligned);
    nf4_unnest(absmax, q->data, aligned, (float)state->offset, table, blocks);
    return ERR_OK;
}

char *nf4_state_name(const struct safetensors *s, const char *name)
{
    char *fp4 = xasprintf("%s.quant_state.bitsandbytes__fp4", name);

    if (safetensors_get(s, fp4))
        return fp4;
    free(fp4);
    return xasprintf("%s.quant_state.bitsandbytes__nf4", name);
}

errc nf4_from_checkpoint(const struct safetensors *s, const char *name, struct nf4 *out, size_t *out_rows,
                         size_t *out_cols, struct err *e)
{
    AUTO_MEM char *state_name = nf4_state_name(s, name);
    const struct tensor *state_tensor, *packed;
    struct quant_state state;
    size_t n;

    TRY(safetensors_need(s, state_name, &state_tensor, e));
    TRY(read_quant_state(state_name, state_tensor, &state, e));
    if (!size_mul(state.rows, state.cols, &n))
        return err_set(e, ERR_CORRUPT, "%s: its shape overflows", state_name);
    TRY(need_part(s, name, "", DTYPE_U8, n / 2 + n % 2, &packed, e));
    TRY(check_code(s, name, state.code, e));
    float *absmax = mem_try_alloc(nf4_blocks(n), sizeof *absmax);
    if (!absmax)
        return err_set(e, ERR_UNAVAILABLE, "%s: no memory for %zu absmax values", name, nf4_blocks(n));
    errc rc = read_absmax(s, name, &state, absmax, nf4_blocks(n), e);
    if (rc) {
        free(absmax);
        return rc;
    }
    *out = (struct nf4){ .n = n, .code = state.code, .dtype = state.dtype, .packed = packed->data, .absmax = absmax, .owned_absmax = absmax };
    *out_rows = state.rows;
    *out_cols = state.cols;
    return ERR_OK;
}
