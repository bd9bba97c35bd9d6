/*
 * Few rows of dense weights; included by vec_impl.h. A tile is R rows of x against J rows of w with one vector sum for each
 * result, which walks along `in` in order: neither R, J nor the runs in which a product is cut change a result's bits.
 * With an instruction for pairs of bf16 x may be bf16, too.
 */
#define FEW_ROWS    (W == 16 ? 8 : 4)   /* rows of a tile; 4 x 3 sums, 3 weights and a row of x are what 16 registers hold, with 16 lanes of 32 */
#define FEW_WIDE    3
#define ONE_WIDE    4           /* weights rows at once for one or two rows */
#define FEW_GROUP   24          /* weight rows whose sums wait while x stays in the first-level cache */
#define FEW_RUN     1024

enum few_kind { FEW_F32, FEW_BF16, FEW_F16, FEW_PAIRS };

INLINE const char *w_at(enum few_kind kind, const void *w, size_t i) { return (const char *)w + i * (kind == FEW_F32 ? 4 : 2); }
INLINE const char *x_at(enum few_kind kind, const void *x, size_t i) { return (const char *)x + i * (kind == FEW_PAIRS ? 2 : 4); }

INLINE vf load_w(enum few_kind kind, const void *w, size_t i)
{
    if (kind == FEW_F16)
        return load_f16((const uint16_t *)w + i);
    return kind == FEW_BF16 ? load_bf16((const uint16_t *)w + i) : load((const float *)(const void *)w_at(kind, w, i));
}

INLINE vf load_w_part(enum few_kind kind, const void *w, size_t i, size_t n)
{
    uint16_t h[2 * W] = { 0 };

    if (kind == FEW_F32)
        return load_part((const float *)w + i, n);
    memcpy(h, (const uint16_t *)w + i, n * sizeof *h);
    return load_w(kind, h, 0);
}

INLINE vf load_x(enum few_kind kind, const void *x, size_t i) { return load((const float *)(const void *)x_at(kind, x, i)); }

INLINE vf load_x_part(enum few_kind kind, const void *x, size_t i, size_t n)
{
    return kind == FEW_PAIRS ? load_w_part(FEW_PAIRS, x, i, n) : load_part((const float *)x + i, n);
}

INLINE vf few_dot(enum few_kind kind, vf s, vf x, vf w)
{
#if HAS_DOT_PAIRS
    if (kind == FEW_PAIRS)
        return DOT_PAIRS(s, (vu)x, (vu)w);
#endif
    return s + x * w;
}

/* Sums over elements [begin, end) into acc [R, FEW_GROUP]; what comes next is fetched meanwhile: the same elements of J rows of `next`. */
INLINE void tile(enum few_kind kind, const size_t R, const size_t J, vf *acc, const void *x, size_t ldx, const void *w, size_t in,
                 size_t begin, size_t end, const void *next)
{
    const size_t step = kind == FEW_PAIRS ? 2 * W : W;
    vf s[FEW_ROWS][ONE_WIDE];
    size_t i = begin;

    for (size_t r = 0; r < R; r++)
        for (size_t j = 0; j < J; j++)
            s[r][j] = acc[r * FEW_GROUP + j];
    for (; i + step <= end; i += step) {
        vf wj[ONE_WIDE];

        for (size_t j = 0; j < J; j++) {
            wj[j] = load_w(kind, w, j * in + i);
            if (next && i % (2 * W) == 0)
                __builtin_prefetch(w_at(kind, next, j * in + i), 0, 2);
        }
        for (size_t r = 0; r < R; r++) {
            vf xr = load_x(kind, x, r * ldx + i);
            for (size_t j = 0; j < J; j++)
                s[r][j] = few_dot(kind, s[r][j], xr, wj[j]);
        }
    }
    if (i < end)                /* in a vector as well: scalar sums would be contracted differently from tile to tile */
        for (size_t j = 0; j < J; j++) {
            vf wj = load_w_part(kind, w, j * in + i, end - i);
            for (size_t r = 0; r < R; r++)
                s[r][j] = few_dot(kind, s[r][j], load_x_part(kind, x, r * ldx + i, end - i), wj);
        }
    for (size_t r = 0; r < R; r++)
        for (size_t j = 0; j < J; j++)
            acc[r * FEW_GROUP + j] = s[r][j];
}

/* All rows against J rows of w; `next` as above. */
INLINE void strip(enum few_kind kind, const size_t J, vf *acc, const void *x, size_t ldx, size_t rows, const void *w, const void *next,
                  size_t in, size_t begin, size_t end)
{
    size_t r = 0;

    if (J <= FEW_WIDE)
        for (; r + FEW_ROWS <= rows; r += FEW_ROWS)
            tile(kind, FEW_ROWS, J, acc + r * FEW_GROUP, x_at(kind, x, r * ldx), ldx, w, in, begin, end, r == 0 ? next : NULL);
    if (J <= FEW_WIDE && FEW_ROWS > 4 && r + 4 <= rows) {
        tile(kind, 4, J, acc + r * FEW_GROUP, x_at(kind, x, r * ldx), ldx, w, in, begin, end, r == 0 ? next : NULL);
        r += 4;
    }
    for (; r + 2 <= rows; r += 2)
        tile(kind, 2, J, acc + r * FEW_GROUP, x_at(kind, x, r * ldx), ldx, w, in, begin, end, r == 0 ? next : NULL);
    if (r < rows)
        tile(kind, 1, J, acc + r * FEW_GROUP, x_at(kind, x, r * ldx), ldx, w, in, begin, end, r == 0 ? next : NULL);
}

/* All rows against elements [begin, end) of `count` rows of w; the last ones fetch those of `next`. */
INLINE void few_run(enum few_kind kind, vf *acc, const void *x, size_t ldx, size_t rows, const void *w, const void *next, size_t count,
                    size_t in, size_t begin, size_t end)
{
    const size_t wide = rows <= 2 ? ONE_WIDE : FEW_WIDE;
    size_t j = 0;

    for (; j + wide <= count; j += wide) {
        const void *wj = w_at(kind, w, j * in), *then = j + 2 * wide <= count ? w_at(kind, wj, wide * in) : next;

        if (rows <= 2)
            strip(kind, ONE_WIDE, acc + j, x, ldx, rows, wj, then, in, begin, end);
        else
            strip(kind, FEW_WIDE, acc + j, x, ldx, rows, wj, then, in, begin, end);
    }
    for (; j < count; j++)
        strip(kind, 1, acc + j, x, ldx, rows, w_at(kind, w, j * in), NULL, in, begin, end);
}

INLINE void few(enum few_kind kind, float *y, size_t ldy, const void *x, size_t ldx, size_t rows, const void *w, size_t n, size_t in)
{
    size_t run = rows <= 2 ? in : FEW_RUN;

    for (size_t first = 0, count; first < n; first += count) {
        vf acc[VEC_FEW_ROWS_MAX * FEW_GROUP];

        count = n - first < FEW_GROUP ? n - first : FEW_GROUP;
        memset(acc, 0, rows * FEW_GROUP * sizeof *acc);
        for (size_t begin = 0, end; begin < in; begin = end) {
            const char *group = w_at(kind, w, first * in);

            end = in - begin < run ? in : begin + run;
            few_run(kind, acc, x, ldx, rows, group, w_at(kind, group, end < in ? end - begin : count * in - begin), count, in, begin, end);
        }
        for (size_t r = 0; r < rows; r++)
            for (size_t j = 0; j < count; j++)
                y[r * ldy + first + j] = hsum(acc[r * FEW_GROUP + j]);
    }
}

static void few_f32(float *y, size_t ldy, const float *x, size_t ldx, size_t rows, const float *w, size_t n, size_t in)
{
    few(FEW_F32, y, ldy, x, ldx, rows, w, n, in);
}

static void few_bf16(float *y, size_t ldy, const float *x, size_t ldx, size_t rows, const uint16_t *w, size_t n, size_t in)
{
    few(FEW_BF16, y, ldy, x, ldx, rows, w, n, in);
}

static void few_f16(float *y, size_t ldy, const float *x, size_t ldx, size_t rows, const uint16_t *w, size_t n, size_t in)
{
    few(FEW_F16, y, ldy, x, ldx, rows, w, n, in);
}

#if HAS_DOT_PAIRS
static void few_pairs(float *y, size_t ldy, const uint16_t *x, size_t ldx, size_t rows, const uint16_t *w, size_t n, size_t in)
{
    few(FEW_PAIRS, y, ldy, x, ldx, rows, w, n, in);
}
#endif
