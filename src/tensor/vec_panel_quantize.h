/*
 * Making panels (vec_panel.h) of numbers; included by vec_impl.h. x is [blocks * 32][PANEL_ROWS].
 */

struct fit { vf d, m; };                    /* w = d q - m, m >= 0 */

INLINE vf spread_abs(const float *x)
{
    vf a = { 0 };

    for (size_t k = 0; k < PANEL_BLOCK; k++)
        a = vlarger(vabs(load(x + k * PANEL_ROWS)), a);
    return a;
}

#define FITS_AT_ONCE    3               /* whose sums registers hold */

struct fit_sums { vf q, qq, xq; };

/* The line through quants by least squares: better than best? */
INLINE void try_fit(const struct fit_sums *s, vf sx, vf sxx, struct fit *best, vf *error)
{
    vf det = s->qq * PANEL_BLOCK - s->q * s->q;
    vf d = (s->xq * PANEL_BLOCK - sx * s->q) / det, m = (sx * s->qq - s->q * s->xq) / det;
    vi above = m > splat(0);

    m = blend(above, splat(0), m);
    d = blend(above, s->xq / s->qq, d);
    vf e = d * d * s->qq + 2 * d * m * s->q + m * m * PANEL_BLOCK - 2 * d * s->xq - 2 * m * sx + sxx;
    vi better = (det > splat(0)) & (d > splat(0)) & (e < *error);
    best->d = blend(better, d, best->d);
    best->m = blend(better, -m, best->m);
    *error = blend(better, e, *error);
}

/* Quants at `inverse` steps from `low`, below which there is nothing. */
INLINE void try_fits(const float *x, vf low, const vf inverse[FITS_AT_ONCE], vf sx, vf sxx, struct fit *best, vf *error)
{
    struct fit_sums s[FITS_AT_ONCE] = { { { 0 } } };

    for (size_t k = 0; k < PANEL_BLOCK; k++) {
        vf v = load(x + k * PANEL_ROWS), above = v - low;

        UNROLLED
        for (size_t i = 0; i < FITS_AT_ONCE; i++) {
            vf q = vround(vmin(above * inverse[i], splat(15)));
            s[i].q += q;
            s[i].qq += q * q;
            s[i].xq += q * v;
        }
    }
    for (size_t i = 0; i < FITS_AT_ONCE; i++)
        try_fit(&s[i], sx, sxx, best, error);
}

INLINE struct fit fit_q4(const float *x)
{
    static const float widths[] = { 14.3f, 15, 15.5f, 16, 16.6f, 17.3f };       /* above 15 the ends are cut off */
    vf low = { 0 }, high = splat(-INFINITY), sx = { 0 }, sxx = { 0 }, error = splat(INFINITY);
    struct fit best;

    for (size_t k = 0; k < PANEL_BLOCK; k++) {
        vf v = load(x + k * PANEL_ROWS);
        low = vmin(v, low);
        high = vlarger(v, high);
        sx += v;
        sxx += v * v;
    }
    vf range = high - low;
    best.d = range / 15;
    best.m = -low;
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i += FITS_AT_ONCE) {
        vf inverse[FITS_AT_ONCE];

        for (size_t k = 0; k < FITS_AT_ONCE; k++)
            inverse[k] = blend(range > splat(0), widths[i + k] / range, splat(0));
        try_fits(x, low, inverse, sx, sxx, &best, &error);
    }
    return best;
}

/* The row's factor from the largest of d / 255 and m / (8 * 255); 1 / factor, 0 for a row of zeros. */
INLINE vf row_factor(enum panels_kind kind, const float *fit, size_t blocks, vf *inverse)
{
    vf largest = { 0 };

    for (size_t b = 0; b < blocks; b++) {
        largest = vlarger(load(fit + 2 * b * PANEL_ROWS), largest);
        if (kind == PANELS_Q4)
            largest = vlarger(load(fit + (2 * b + 1) * PANEL_ROWS) / 8, largest);
    }
    vf f = largest / 255;
    *inverse = blend(f > splat(0), 1 / f, splat(0));
    return f;
}

INLINE void store_bytes(uint8_t *p, vf v)
{
    vb bytes = __builtin_convertvector(to_int(v), vb);

    memcpy(p, &bytes, sizeof bytes);
}

/* Four elements along `in` as the bytes of each lane. */
INLINE vi group_of(const float *x, vf inverse, vf shift, float low, float high)
{
    vi bytes = { 0 };

    for (size_t k = 0; k < 4; k++)
        bytes |= to_int(vclamp(vround(load(x + k * PANEL_ROWS) * inverse + shift), low, high)) << (int)(8 * k);
    return bytes;
}

INLINE void store_vi(uint8_t *p, vi v) { memcpy(p, &v, sizeof v); }

/* Lanes [at, at + W) of a block. */
INLINE void write_int8(uint8_t *block, size_t at, const float *x, vf d, vf inverse)
{
    vf s = vclamp(vround(d * inverse + 0.499f), 1, 255);        /* up, so that 127 steps are enough */

    store_bytes(block + GROUPS * GROUP_BYTES + at, s);
    for (size_t g = 0; g < GROUPS; g++)
        store_vi(block + g * GROUP_BYTES + 4 * at, group_of(x + 4 * g * PANEL_ROWS, inverse / s, splat(128), 1, 255));
}

INLINE void write_q4(uint8_t *block, size_t at, const float *x, vf d, vf m, vf inverse)
{
    vf s = vclamp(vround(d * inverse), 1, 255), low = vclamp(vround(m * inverse / 8), 0, 255);
    uint8_t *scales = block + GROUPS / 2 * GROUP_BYTES + at;

    store_bytes(scales, s);
    store_bytes(scales + PANEL_ROWS, low);
    vf steps = inverse / s, shift = 8 * low / s;
    for (size_t g = 0; g < GROUPS / 2; g++)
        store_vi(block + g * GROUP_BYTES + 4 * at, group_of(x + 4 * g * PANEL_ROWS, steps, shift, 0, 15) |
                                                   group_of(x + 4 * (g + GROUPS / 2) * PANEL_ROWS, steps, shift, 0, 15) << 4);
}

static void panel_quantize(enum panels_kind kind, uint8_t *panel, float *factors, const float *x, float *fit, size_t blocks)
{
    for (size_t at = 0; at < PANEL_ROWS; at += W) {
        vf inverse;

        for (size_t b = 0; b < blocks; b++) {
            const float *xb = x + b * PANEL_BLOCK * PANEL_ROWS + at;
            struct fit f = kind == PANELS_Q4 ? fit_q4(xb) : (struct fit){ .d = spread_abs(xb) / 127 };

            store(fit + 2 * b * PANEL_ROWS + at, f.d);
            store(fit + (2 * b + 1) * PANEL_ROWS + at, f.m);
        }
        store(factors + at, row_factor(kind, fit + at, blocks, &inverse));
        for (size_t b = 0; b < blocks; b++) {
            const float *xb = x + b * PANEL_BLOCK * PANEL_ROWS + at;
            uint8_t *block = panel + b * panel_block_bytes(kind);
            vf d = load(fit + 2 * b * PANEL_ROWS + at), m = load(fit + (2 * b + 1) * PANEL_ROWS + at);

            if (kind == PANELS_Q4)
                write_q4(block, at, xb, d, m, inverse);
            else
                write_int8(block, at, xb, d, inverse);
        }
    }
}
