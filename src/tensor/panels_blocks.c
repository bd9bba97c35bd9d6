#include "tensor/panels_blocks.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "tensor/blocks_priv.h"
#include "tensor/priv.h"

const int16_t panel_table_iq4[16] = { -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113 };
/* nf4_code times PANEL_NF4_ONE, rounded. */
const int16_t panel_table_nf4[16] = { -32767, -22812, -17205, -12940, -9320, -6054, -2983, 0, 2608, 5273, 8064, 11072, 14441, 18435, 23689, 32767 };

#define GROUP_BYTES (PANEL_ROWS * 4)
#define LOW_BYTES   (4 * GROUP_BYTES)           /* of the low four bits */

/* One block of a file, unpacked: quants without sign in order, scales for each 32 elements or for each 16. */
struct parts {
    uint8_t q[BLOCK_ELEMENTS_MAX];
    uint8_t scale[16], min[8];
    uint16_t d, m;              /* f16 */
};

static inline uint16_t half_bits(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }

/* ── unpacking ── */

PART_OF_READER void put_nibbles(uint8_t *q, const uint8_t *nibbles, unsigned half)
{
    for (unsigned j = 0; j < half; j++) {
        q[j] = nibbles[j] & 15;
        q[j + half] = nibbles[j] >> 4;
    }
}

PART_OF_READER void put_fifth_bits(uint8_t *q, const uint8_t *bits)
{
    for (unsigned j = 0; j < 32; j++)
        q[j] |= (uint8_t)((bits[j / 8] >> (j % 8) & 1) << 4);
}

FOR_EACH_CPU static void unpack_q4_0(struct parts *a, const uint8_t *p)
{
    a->d = half_bits(p);
    put_nibbles(a->q, p + 2, 16);
}

FOR_EACH_CPU static void unpack_q4_1(struct parts *a, const uint8_t *p)
{
    a->d = half_bits(p);
    a->m = half_bits(p + 2);
    put_nibbles(a->q, p + 4, 16);
}

FOR_EACH_CPU static void unpack_q5_0(struct parts *a, const uint8_t *p)
{
    a->d = half_bits(p);
    put_nibbles(a->q, p + 6, 16);
    put_fifth_bits(a->q, p + 2);
}

FOR_EACH_CPU static void unpack_q5_1(struct parts *a, const uint8_t *p)
{
    a->d = half_bits(p);
    a->m = half_bits(p + 2);
    put_nibbles(a->q, p + 8, 16);
    put_fifth_bits(a->q, p + 4);
}

FOR_EACH_CPU static void unpack_q8_0(struct parts *a, const uint8_t *p)
{
    a->d = half_bits(p);
    for (unsigned j = 0; j < 32; j++)
        a->q[j] = p[2 + j] ^ 0x80;
}

FOR_EACH_CPU static void unpack_iq4_xs(struct parts *a, const uint8_t *p)
{
    a->d = half_bits(p);
    for (unsigned j = 0; j < 8; j++) {
        a->scale[j] = (uint8_t)(int8_t)block_iq4_xs_scale(p + 2, j);
        put_nibbles(a->q + 32 * j, p + 8 + 16 * j, 16);
    }
}

/* Each half's scale and minimum stay in one byte. */
FOR_EACH_CPU static void unpack_q2_k(struct parts *a, const uint8_t *p)
{
    a->d = half_bits(p + 80);
    a->m = half_bits(p + 82);
    memcpy(a->scale, p, 16);
    for (unsigned j = 0; j < 8; j++)
        for (unsigned k = 0; k < 32; k++)
            a->q[32 * j + k] = p[16 + j / 4 * 32 + k] >> (j % 4 * 2) & 3;
}

PART_OF_READER void unpack_k4(struct parts *a, const uint8_t *p, const uint8_t *q, const uint8_t *fifth)
{
    a->d = half_bits(p);
    a->m = half_bits(p + 2);
    for (unsigned j = 0; j < 8; j++)
        block_k4_scale(p + 4, j, &a->scale[j], &a->min[j]);
    for (unsigned j = 0; j < 4; j++)
        put_nibbles(a->q + 64 * j, q + 32 * j, 32);
    for (unsigned j = 0; fifth && j < 8; j++)
        for (unsigned k = 0; k < 32; k++)
            a->q[32 * j + k] |= (uint8_t)((fifth[k] >> j & 1) << 4);
}

FOR_EACH_CPU static void unpack_q4_k(struct parts *a, const uint8_t *p) { unpack_k4(a, p, p + 16, NULL); }
FOR_EACH_CPU static void unpack_q5_k(struct parts *a, const uint8_t *p) { unpack_k4(a, p, p + 48, p + 16); }

FOR_EACH_CPU static void unpack_q6_k(struct parts *a, const uint8_t *p)
{
    a->d = half_bits(p + 208);
    memcpy(a->scale, p + 192, 16);
    for (unsigned half = 0; half < 2; half++) {
        uint8_t *q = a->q + half * 128;
        const uint8_t *pairs = p + 128 + half * 32;

        put_nibbles(q, p + half * 64, 64);
        for (unsigned j = 0; j < 4; j++)
            for (unsigned k = 0; k < 32; k++)
                q[32 * j + k] |= (uint8_t)((pairs[k] >> (2 * j) & 3) << 4);
    }
}

/* As Q6_K, whose quants count from 32: these count from 4. */
FOR_EACH_CPU static void unpack_q3_k(struct parts *a, const uint8_t *p)
{
    a->d = half_bits(p + 108);
    for (unsigned j = 0; j < 16; j++)
        a->scale[j] = (uint8_t)(int8_t)block_q3_k_scale(p + 96, j);
    for (unsigned j = 0; j < 8; j++) {
        const uint8_t *from = p + 32 + j / 4 * 32;

        for (unsigned k = 0; k < 32; k++)
            a->q[32 * j + k] = (uint8_t)(28 + (from[k] >> (j % 4 * 2) & 3) + (p[k] >> j & 1) * 4);
    }
}

struct source {
    const char *format;
    enum panels_kind kind;
    void (*unpack)(struct parts *a, const uint8_t *block);
};

static const struct source *source_of(const struct block_format *f)
{
    static const struct source rows[] = {
        { "Q4_0", PANELS_Q4_0, unpack_q4_0 }, { "Q4_1", PANELS_Q4_1, unpack_q4_1 }, { "Q5_0", PANELS_Q5_0, unpack_q5_0 },
        { "Q5_1", PANELS_Q5_1, unpack_q5_1 }, { "Q8_0", PANELS_Q8_0, unpack_q8_0 }, { "Q3_K", PANELS_Q6_K, unpack_q3_k },
        { "Q4_K", PANELS_Q4_K, unpack_q4_k }, { "Q5_K", PANELS_Q5_K, unpack_q5_k }, { "Q6_K", PANELS_Q6_K, unpack_q6_k },
        { "Q2_K", PANELS_Q2_K, unpack_q2_k }, { "IQ4_NL", PANELS_IQ4_NL, unpack_q4_0 }, { "IQ4_XS", PANELS_IQ4_XS, unpack_iq4_xs },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (streq(rows[i].format, f->name))
            return &rows[i];
    return NULL;
}

bool panels_have_blocks(const struct block_format *f) { return source_of(f) != NULL; }

/* ── packing ── */

static inline void put_word(uint8_t *at, uint32_t word) { memcpy(at, &word, sizeof word); }

/* 32 quants of one row. */
static inline void pack_quants(uint8_t *to, unsigned bits, const uint8_t *q)
{
    uint32_t g[8];

    memcpy(g, q, sizeof g);
    if (bits == 8) {
        for (unsigned i = 0; i < 8; i++)
            put_word(to + i * GROUP_BYTES, g[i]);
        return;
    }
    if (bits == 2) {
        for (unsigned i = 0; i < 2; i++, to += GROUP_BYTES)
            put_word(to, g[4 * i] | g[4 * i + 1] << 2 | g[4 * i + 2] << 4 | g[4 * i + 3] << 6);
        return;
    }
    for (unsigned i = 0; i < 4; i++)
        put_word(to + i * GROUP_BYTES, (g[i] & 0x0f0f0f0f) | (g[i + 4] & 0x0f0f0f0f) << 4);
    if (bits == 4)
        return;
    uint32_t high[2] = { 0 };
    for (unsigned i = 0; i < 8; i++) {
        if (bits == 5)
            high[0] |= (g[i] >> 4 & 0x01010101) << i;
        else
            high[i / 4] |= (g[i] >> 4 & 0x03030303) << (2 * (i % 4));
    }
    for (unsigned i = 0; i + 4 < bits; i++)
        put_word(to + LOW_BYTES + i * GROUP_BYTES, high[i]);
}

static void pack_unit(uint8_t *to, struct panel_unit u, size_t lane, const struct parts *a)
{
    uint8_t *scales = to + panel_unit_scales(u) + lane, *quants = to + panel_unit_head(u) + 4 * lane;

    memcpy(to + 2 * lane, &a->d, sizeof a->d);
    if (u.min)
        memcpy(to + 2 * (PANEL_ROWS + lane), &a->m, sizeof a->m);
    for (size_t b = 0; b < u.blocks; b++, scales += panel_unit_scale_step(u)) {
        for (size_t i = 0; i < u.scales; i++)
            scales[i * PANEL_ROWS] = a->scale[b * u.scales + i];
        if (u.scales == 1 && u.min)
            scales[PANEL_ROWS] = a->min[b];
        pack_quants(quants + b * panel_unit_quants(u), u.bits, a->q + b * PANEL_BLOCK);
    }
}

static inline bool half_is_finite(uint16_t h) { return (h & 0x7c00) != 0x7c00; }

/* The 16 rows side by side; returns the place of a scale that is not finite, or SIZE_MAX. */
static size_t pack_panel(const struct weight *w, const struct source *s, struct panels *p, size_t panel)
{
    struct panel_unit u = panel_unit_of(p->kind);
    size_t first = panel * PANEL_ROWS, rows = w->out - first < PANEL_ROWS ? w->out - first : PANEL_ROWS, row_bytes = block_bytes(w->blocks, w->in);
    const uint8_t *from = (const uint8_t *)w->data + first * row_bytes;
    uint8_t *to = p->data + panel * panels_stride(p);
    struct parts a = { 0 };
    size_t bad = SIZE_MAX;

    for (size_t at = 0; at < w->in; at += w->blocks->elements, from += w->blocks->bytes, to += panel_unit_bytes(u)) {
        if (rows < PANEL_ROWS)
            memset(to, 0, panel_unit_bytes(u));
        for (size_t lane = 0; lane < rows; lane++) {
            s->unpack(&a, from + lane * row_bytes);
            pack_unit(to, u, lane, &a);
            if ((!half_is_finite(a.d) || !half_is_finite(a.m)) && bad == SIZE_MAX)
                bad = (first + lane) * w->in + at;
        }
    }
    return bad;
}

/* 64 elements of one row: the even ones are high nibbles. */
static void pack_nf4(uint8_t *to, size_t lane, const uint8_t *packed, float absmax)
{
    struct panel_unit u = panel_unit_of(PANELS_NF4);
    uint8_t q[NF4_BLOCK], *quants = to + panel_unit_head(u) + 4 * lane;

    for (size_t i = 0; i < NF4_BLOCK / 2; i++) {
        q[2 * i] = packed[i] >> 4;
        q[2 * i + 1] = packed[i] & 15;
    }
    memcpy(to + sizeof absmax * lane, &absmax, sizeof absmax);
    for (size_t b = 0; b < u.blocks; b++)
        pack_quants(quants + b * panel_unit_quants(u), u.bits, q + b * PANEL_BLOCK);
}

static size_t pack_nf4_panel(const struct weight *w, const struct source *s, struct panels *p, size_t panel)
{
    size_t first = panel * PANEL_ROWS, rows = w->out - first < PANEL_ROWS ? w->out - first : PANEL_ROWS, bad = SIZE_MAX;
    size_t bytes = panel_unit_bytes(panel_unit_of(PANELS_NF4));
    uint8_t *to = p->data + panel * panels_stride(p);

    (void)s;                    /* one format */
    for (size_t at = 0; at < w->in; at += NF4_BLOCK, to += bytes) {
        if (rows < PANEL_ROWS)
            memset(to, 0, bytes);
        for (size_t lane = 0; lane < rows; lane++) {
            size_t i = (first + lane) * w->in + at;

            pack_nf4(to, lane, w->nf4.packed + i / 2, w->nf4.absmax[i / NF4_BLOCK]);
            if (!isfinite(w->nf4.absmax[i / NF4_BLOCK]) && bad == SIZE_MAX)
                bad = i;
        }
    }
    return bad;
}

static errc pack_panels(const struct weight *w, const struct source *s, enum panels_kind kind, int threads,
                        size_t (*pack)(const struct weight *w, const struct source *s, struct panels *p, size_t panel), struct panels *out,
                        struct err *e)
{
    struct panels p = { .kind = kind, .out = w->out, .in = w->in, .blocks = w->in / PANEL_BLOCK };
    size_t bad = SIZE_MAX;

    TRY(panels_alloc(&p, e));
    #pragma omp parallel for num_threads(threads) schedule(dynamic, 4) reduction(min : bad)
    for (size_t i = 0; i < panels_count(w->out); i++) {
        size_t found = pack(w, s, &p, i);
        bad = found < bad ? found : bad;
    }
    if (bad < SIZE_MAX) {
        panels_done(&p);
        return err_set(e, ERR_CORRUPT, "element %zu is not a finite number", bad);
    }
    *out = p;
    return ERR_OK;
}

errc panels_from_blocks(const struct weight *w, int threads, struct panels *out, struct err *e)
{
    const struct source *s = source_of(w->blocks);

    if (!s)
        return err_set(e, ERR_UNSUPPORTED, "there are no panels for %s", w->blocks->name);
    return pack_panels(w, s, s->kind, threads, pack_panel, out, e);
}

errc panels_from_nf4(const struct weight *w, int threads, struct panels *out, struct err *e)
{
    return pack_panels(w, NULL, PANELS_NF4, threads, pack_nf4_panel, out, e);
}

/* ── reading back ── */

static unsigned quant_at(const uint8_t *quants, unsigned bits, size_t group, size_t byte)
{
    if (bits == 8)
        return quants[group * GROUP_BYTES + byte];
    if (bits == 2)
        return quants[group / 4 * GROUP_BYTES + byte] >> (2 * (group % 4)) & 3u;
    unsigned q = quants[group % 4 * GROUP_BYTES + byte] >> (group / 4 * 4) & 15u;
    if (bits == 5)
        q |= (quants[LOW_BYTES + byte] >> group & 1u) << 4;
    if (bits == 6)
        q |= (quants[LOW_BYTES + group / 4 * GROUP_BYTES + byte] >> (2 * (group % 4)) & 3u) << 4;
    return q;
}

/* What a row's quants and minimum are multiplied with in half `half` of a block. */
static void row_scales(struct panel_unit u, const uint8_t *unit, const uint8_t *scale, size_t lane, size_t half, float *d, float *m)
{
    *m = u.min ? block_half(unit + 2 * (PANEL_ROWS + lane)) : 0;
    if (u.wide)
        memcpy(d, unit + sizeof *d * lane, sizeof *d);
    else
        *d = block_half(unit + 2 * lane);
    if (u.scales == 2 && u.min) {
        *d *= (float)(scale[half * PANEL_ROWS] & 15);
        *m *= -(float)(scale[half * PANEL_ROWS] >> 4);
    } else if (u.scales == 2) {
        *d *= (float)(int8_t)scale[half * PANEL_ROWS];
    } else if (u.scales == 1) {
        *d *= u.min ? (float)scale[0] : (float)(int8_t)scale[0];
        *m *= u.min ? -(float)scale[PANEL_ROWS] : 0;
    }
}

float panels_block_element(const struct panels *p, size_t row, size_t i)
{
    struct panel_unit u = panel_unit_of(p->kind);
    size_t lane = row % PANEL_ROWS, block = i / PANEL_BLOCK % u.blocks, k = i % PANEL_BLOCK;
    const uint8_t *unit = panels_at(p, row / PANEL_ROWS) + i / PANEL_BLOCK / u.blocks * panel_unit_bytes(u);
    const uint8_t *scale = unit + panel_unit_scales(u) + block * panel_unit_scale_step(u) + lane;
    unsigned q = quant_at(unit + panel_unit_head(u) + block * panel_unit_quants(u), u.bits, k / 4, 4 * lane + k % 4);
    float d, m;

    row_scales(u, unit, scale, lane, k / 16, &d, &m);
    if (p->kind == PANELS_NF4)
        return nf4_code[q] * d;
    return d * (float)(u.table ? u.table[q] : (int)q - u.zero) + m;
}
