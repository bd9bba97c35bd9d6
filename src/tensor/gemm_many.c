/*
 * Products of many rows by tiles of our own, in f32 or bf16: x . w^T, and x . w on the way back. x is packed once; a thread then takes
 * some columns of the result at a time, packs (and expands) their weights run by run so that a run stays in its second-level cache, and
 * walks all rows over it. A result is the sum of its runs in order, each summed in order: it depends on x's row and w alone, not on the
 * other rows or the threads.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "tensor/priv.h"

#define RUN_BYTES       1024        /* of x's row at a time; whole blocks of every format */
#define COLUMNS         64          /* of the result at a time; whole blocks of NF4 */
#define COLUMNS_LEAST   32          /* of narrow results: the widest tile */
#define COLUMNS_AMX     256         /* its tiles are so fast that x could not come from further away as often */
#define ROWS_AHEAD      16          /* rows of w that are fetched before they are wanted */
#define LINE_BYTES      64
#define ROWS_NEAR       16          /* groups of packed rows that stay in the second-level cache while all panels go past */
#define PARTS_EACH      4           /* at least so many columns' parts for each thread where wide ones are cut */
#define PARTS_EVEN      8           /* so many for each, and threads end nearly together */

struct many {
    const struct vec_ops *vec;
    const struct weight *w;
    bool back;                  /* x . w instead of x . w^T */
    bool add;                   /* to what y holds */
    bool bf16;                  /* packed numbers are bf16 instead of f32 */
    bool round_x, round_y;      /* f32 numbers are rounded to bf16: those packed, those that come out */
    size_t height;              /* rows of a packed group */
    size_t length, padded;      /* of a row of x */
    size_t width;               /* columns of the result */
    size_t run, columns;
    void *packed;               /* [groups][padded][height] */
    const float *x;             /* [rows, length] with ldx */
    float *y;                   /* [rows, width] with ldy */
    size_t ldx, ldy, rows;
};

static size_t number_bytes(const struct many *m) { return m->bf16 ? sizeof(uint16_t) : sizeof(float); }
static void *packed_x(const struct many *m, size_t row, size_t at) { return (char *)m->packed + (row * m->padded + at * m->height) * number_bytes(m); }

static void pack_x_part(void *arg, size_t begin, size_t end)
{
    const struct many *m = arg;

    for (size_t g = begin; g < end; g++) {
        size_t first = g * m->height, n = m->rows - first < m->height ? m->rows - first : m->height;
        void *to = packed_x(m, first, 0);

        if (m->bf16)
            m->vec->pack_rows_bf16(to, m->x + first * m->ldx, m->ldx, n, m->length);
        else
            m->vec->pack_rows(to, m->x + first * m->ldx, m->ldx, n, m->length);
        if (m->round_x)
            m->vec->round_bf16(to, to, m->height * m->length);
    }
}

/* Elements [at, at + k) of weight rows [first, first + n), n <= VEC_PANEL, as one panel of f32. */
static void pack_panel(const struct many *m, float *panel, float *expanded, size_t first, size_t n, size_t at, size_t k)
{
    const struct weight *w = m->w;

    if (w->kind == WEIGHT_PANELS && panels_expand(&w->panels))
        m->vec->panel_f32(w->panels.kind, panel, panels_at_element(&w->panels, first / PANEL_ROWS, at),
                          w->panels.factors ? w->panels.factors + first : NULL, k);
    else if (w->kind == WEIGHT_DENSE && w->dtype == DTYPE_F32)
        m->vec->pack_f32(panel, (const float *)w->data + first * w->in + at, w->in, n, k);
    else if (w->kind == WEIGHT_DENSE && w->dtype == DTYPE_BF16)
        m->vec->pack_bf16(panel, (const uint16_t *)w->data + first * w->in + at, w->in, n, k);
    else if (w->kind == WEIGHT_DENSE && w->dtype == DTYPE_F16)
        m->vec->pack_f16(panel, (const uint16_t *)w->data + first * w->in + at, w->in, n, k);
    else {
        for (size_t j = 0; j < n; j++)
            weight_range_f32(m->vec, w, expanded + j * k, (first + j) * w->in + at, k);
        m->vec->pack_f32(panel, expanded, k, n, k);
    }
}

/* The same in bf16; scratch holds a panel of f32 and what it is expanded from. */
static void pack_panel_bf16(const struct many *m, uint16_t *panel, float *scratch, size_t first, size_t n, size_t at, size_t k)
{
    const struct weight *w = m->w;

    if (w->kind == WEIGHT_DENSE && w->dtype == DTYPE_BF16) {
        m->vec->pack_pairs(panel, (const uint16_t *)w->data + first * w->in + at, w->in, n, k);
        return;
    }
    pack_panel(m, scratch, scratch + VEC_PANEL * m->run, first, n, at, k);
    m->vec->panel_pairs(panel, scratch, k);
}

/* Columns [begin, end), elements [at, at + k), which padding makes `padded`, as panels one after the other. */
static void pack_columns(const struct many *m, void *panels, float *scratch, size_t begin, size_t end, size_t at, size_t k, size_t padded)
{
    for (size_t j = begin; j < end; j += VEC_PANEL) {
        size_t n = end - j < VEC_PANEL ? end - j : VEC_PANEL;

        if (m->bf16)
            pack_panel_bf16(m, (uint16_t *)panels + (j - begin) * padded, scratch, j, n, at, k);
        else
            pack_panel(m, (float *)panels + (j - begin) * padded, scratch, j, n, at, k);
    }
}

/* Rows of w lie far apart: nothing else fetches the piece that is wanted soon. */
static void fetch_row_of_w(const struct many *m, size_t row, size_t begin, size_t n)
{
    const struct weight *w = m->w;
    const char *from = w->kind == WEIGHT_NF4 ? (const char *)w->nf4.packed : w->data;
    size_t bits = w->kind == WEIGHT_NF4 ? 4 : 8 * dtype_size(w->dtype), at = (row * w->in + begin) * bits / 8;

    for (size_t i = 0; row < w->out && i < n * bits / 8; i += LINE_BYTES)
        __builtin_prefetch(from + at + i);
}

/*
 * The same on the way back, where a panel's columns lie side by side in a row of w: rows [at, at + k), some at a time so that those of
 * all panels fit in scratch.
 */
static void pack_rows_of_w(const struct many *m, void *panels, float *scratch, size_t begin, size_t end, size_t at, size_t k, size_t padded)
{
    float *row = scratch + VEC_BF16_STEP * COLUMNS_AMX;

    for (size_t i = 0; i < k; i += VEC_BF16_STEP) {
        size_t n = k - i < VEC_BF16_STEP ? k - i : VEC_BF16_STEP;

        for (size_t r = 0; r < n; r++) {
            fetch_row_of_w(m, at + i + r + ROWS_AHEAD, begin, end - begin);
            weight_range_f32(m->vec, m->w, row, (at + i + r) * m->w->in + begin, end - begin);
            for (size_t j = 0; j < end - begin; j += VEC_PANEL) {
                float *panel = m->bf16 ? scratch + j * VEC_BF16_STEP : (float *)panels + j * padded + i * VEC_PANEL;

                memcpy(panel + r * VEC_PANEL, row + j, VEC_PANEL * sizeof *row);
            }
        }
        for (size_t j = 0; m->bf16 && j < end - begin; j += VEC_PANEL)
            m->vec->panel_pairs((uint16_t *)panels + j * padded + i * VEC_PANEL, scratch + j * VEC_BF16_STEP, n);
    }
}

/* Packed columns [first, first + n), elements [at, at + k), by the rows of x: a panel stays in the first-level cache while rows go past. */
static void tiles_f32(const struct many *m, const float *panels, size_t first, size_t n, size_t at, size_t k)
{
    size_t width = m->vec->tile_panels * VEC_PANEL, some = ROWS_NEAR * m->height;

    for (size_t from = 0; from < m->rows; from += some)
        for (size_t j = 0; j < n; j += width)
            for (size_t r = from; r < m->rows && r < from + some; r += m->height)
                m->vec->tile_f32(m->y + r * m->ldy + first + j, m->ldy, packed_x(m, r, at), panels + j * k, k,
                                 m->rows - r < m->height ? m->rows - r : m->height, n - j < width ? n - j : width, m->add || at > 0);
}

static void tiles_bf16(const struct many *m, const uint16_t *panels, size_t first, size_t n, size_t at, size_t k)
{
    for (size_t r = 0; r < m->rows; r += m->height)
        m->vec->tiles_bf16(m->y + r * m->ldy + first, m->ldy, packed_x(m, r, at), panels, k, m->rows - r < m->height ? m->rows - r : m->height, n,
                           m->add || at > 0);
}

/* All rows of x over packed columns. */
static void tiles(const struct many *m, const void *panels, size_t first, size_t n, size_t at, size_t k)
{
    if (m->bf16)
        tiles_bf16(m, panels, first, n, at, k);
    else
        tiles_f32(m, panels, first, n, at, k);
}

static void columns_part(void *arg, size_t begin, size_t end)
{
    const struct many *m = arg;
    size_t bytes = m->columns * m->run * number_bytes(m), scratch_size = (VEC_BF16_STEP + 1) * COLUMNS_AMX;
    AUTO_MEM char *panels = mem_try_alloc(bytes, 1);
    AUTO_MEM float *scratch = mem_try_alloc(scratch_size > 2 * VEC_PANEL * m->run ? scratch_size : 2 * VEC_PANEL * m->run, sizeof *scratch);

    if (!panels || !scratch)
        abort();
    memset(panels, 0, bytes);           /* tiles of two panels may read one that is not there */
    memset(scratch + VEC_BF16_STEP * COLUMNS_AMX, 0, m->back ? COLUMNS_AMX * sizeof *scratch : 0);      /* the columns that fill up a panel */
    for (size_t at = 0; at < m->length; at += m->run) {
        size_t k = m->length - at < m->run ? m->length - at : m->run, padded = m->padded - at < m->run ? m->padded - at : m->run;

        (m->back ? pack_rows_of_w : pack_columns)(m, panels, scratch, begin, end, at, k, padded);
        tiles(m, panels, begin, end - begin, at, padded);
    }
    for (size_t r = 0; m->round_y && r < m->rows; r++)
        m->vec->round_bf16(m->y + r * m->ldy + begin, m->y + r * m->ldy + begin, end - begin);
}

/* NF4 on the way back is read in whole blocks. */
static size_t columns_at_a_time(const struct compute *c, const struct many *m)
{
    size_t columns = m->bf16 && c->vec->has_amx ? COLUMNS_AMX : COLUMNS, threads = (size_t)c->threads;

    while (columns > COLUMNS && m->width / columns < PARTS_EACH * threads)
        columns /= 2;
    if (threads > 1 && !(m->back && m->w->kind == WEIGHT_NF4) && m->width < PARTS_EVEN * threads * columns)
        columns = COLUMNS_LEAST;
    return columns;
}

static void multiply(struct compute *c, struct many *m)
{
    m->vec = c->vec;
    m->height = m->bf16 ? c->vec->bf16_rows : c->vec->tile_rows;
    m->padded = m->bf16 ? (m->length + VEC_BF16_STEP - 1) / VEC_BF16_STEP * VEC_BF16_STEP : m->length;
    m->run = RUN_BYTES / number_bytes(m);
    m->columns = columns_at_a_time(c, m);
    size_t groups = (m->rows + m->height - 1) / m->height;
    m->packed = compute_scratch(c, SCRATCH_X, groups * m->height * m->padded, number_bytes(m));
    compute_parallel(c, groups, 1, pack_x_part, m);
    compute_share(c, m->width, m->columns, columns_part, m);
}

void many_forward(struct compute *c, bool bf16, float *y, size_t ldy, const float *x, size_t ldx, size_t rows, const struct weight *w)
{
    multiply(c, &(struct many){ .w = w, .bf16 = bf16, .round_x = (c->math == GEMM_BF16 || c->round_factors) && !bf16, .round_y = c->round_results,
                                .length = w->in, .width = w->out, .x = x, .y = y, .ldx = ldx, .ldy = ldy, .rows = rows });
}

bool many_backward(struct compute *c, bool bf16, float *dx, size_t lddx, const float *dy, size_t lddy, size_t rows, const struct weight *w,
                   bool accumulate)
{
    if (w->kind != WEIGHT_DENSE && w->kind != WEIGHT_NF4)
        return false;                   /* columns of a row are no whole blocks */
    multiply(c, &(struct many){ .w = w, .back = true, .add = accumulate, .bf16 = bf16,
                                .round_x = c->round_factors && !bf16, .round_y = c->round_results, .length = w->out, .width = w->in,
                                .x = dy, .y = dx, .ldx = lddy, .ldy = lddx, .rows = rows });
    return true;
}
