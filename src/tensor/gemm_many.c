/*
 * Products of many rows by tiles of our own, in f32 or bf16. x is packed once; a thread then takes some columns of the result at a
 * time, packs (and expands) their weights run by run so that a run stays in its second-level cache, and walks all rows over it. A
 * result is the sum of its runs in order, each summed in order: it depends on x's row and w alone, not on the other rows or the threads.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "tensor/priv.h"

#define RUN_BYTES       1024        /* of `in` at a time; whole blocks of every format */
#define COLUMNS         64          /* of the result at a time */
#define COLUMNS_AMX     256         /* its tiles are so fast that x could not come from further away as often */
#define PARTS_EACH      4           /* at least so many columns' parts for each thread */

struct many {
    const struct vec_ops *vec;
    const struct weight *w;
    bool bf16;                  /* packed numbers are bf16 instead of f32 */
    bool round_x;               /* f32 numbers that are rounded to bf16 */
    size_t height;              /* rows of a packed group */
    size_t in;                  /* padded */
    size_t run, columns;
    void *packed;               /* [groups][in][height] */
    const float *x;             /* [rows, w->in] with ldx */
    float *y;
    size_t ldx, ldy, rows;
};

static size_t number_bytes(const struct many *m) { return m->bf16 ? sizeof(uint16_t) : sizeof(float); }
static void *packed_x(const struct many *m, size_t row, size_t at) { return (char *)m->packed + (row * m->in + at * m->height) * number_bytes(m); }

static void pack_x_part(void *arg, size_t begin, size_t end)
{
    const struct many *m = arg;

    for (size_t g = begin; g < end; g++) {
        size_t first = g * m->height, n = m->rows - first < m->height ? m->rows - first : m->height;
        void *to = packed_x(m, first, 0);

        if (m->bf16)
            m->vec->pack_rows_bf16(to, m->x + first * m->ldx, m->ldx, n, m->w->in);
        else
            m->vec->pack_rows(to, m->x + first * m->ldx, m->ldx, n, m->w->in);
        if (m->round_x)
            m->vec->round_bf16(to, to, m->height * m->w->in);
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

static void tiles_f32(const struct many *m, float *y, size_t r, size_t rows, const float *panels, size_t n, size_t at, size_t k)
{
    size_t width = m->vec->tile_panels * VEC_PANEL;

    for (size_t j = 0; j < n; j += width)
        m->vec->tile_f32(y + j, m->ldy, packed_x(m, r, at), panels + j * k, k, rows, n - j < width ? n - j : width, at > 0);
}

/* All rows of x over packed columns [first, first + n), elements [at, at + k). */
static void tiles(const struct many *m, const void *panels, size_t first, size_t n, size_t at, size_t k)
{
    for (size_t r = 0; r < m->rows; r += m->height) {
        size_t rows = m->rows - r < m->height ? m->rows - r : m->height;
        float *y = m->y + r * m->ldy + first;

        if (m->bf16)
            m->vec->tiles_bf16(y, m->ldy, packed_x(m, r, at), panels, k, rows, n, at > 0);
        else
            tiles_f32(m, y, r, rows, panels, n, at, k);
    }
}

static void columns_part(void *arg, size_t begin, size_t end)
{
    const struct many *m = arg;
    size_t bytes = m->columns * m->run * number_bytes(m);
    AUTO_MEM char *panels = mem_try_alloc(bytes, 1);
    AUTO_MEM float *scratch = mem_try_alloc(2 * VEC_PANEL * m->run, sizeof *scratch);

    if (!panels || !scratch)
        abort();
    memset(panels, 0, bytes);           /* tiles of two panels may read one that is not there */
    for (size_t at = 0; at < m->w->in; at += m->run) {
        size_t k = m->w->in - at < m->run ? m->w->in - at : m->run, padded = m->in - at < m->run ? m->in - at : m->run;

        pack_columns(m, panels, scratch, begin, end, at, k, padded);
        tiles(m, panels, begin, end - begin, at, padded);
    }
}

static size_t columns_at_a_time(const struct compute *c, const struct many *m)
{
    size_t columns = m->bf16 && c->vec->has_amx ? COLUMNS_AMX : COLUMNS;

    while (columns > COLUMNS && m->w->out / columns < PARTS_EACH * (size_t)c->threads)
        columns /= 2;
    return columns;
}

void many_forward(struct compute *c, bool bf16, float *y, size_t ldy, const float *x, size_t ldx, size_t rows, const struct weight *w)
{
    struct many m = {
        .vec = c->vec, .w = w, .bf16 = bf16, .round_x = c->math == GEMM_BF16 && !bf16, .height = bf16 ? c->vec->bf16_rows : c->vec->tile_rows,
        .in = bf16 ? (w->in + VEC_BF16_STEP - 1) / VEC_BF16_STEP * VEC_BF16_STEP : w->in, .x = x, .y = y, .ldx = ldx, .ldy = ldy, .rows = rows,
    };
    size_t groups = (rows + m.height - 1) / m.height;

    m.run = RUN_BYTES / number_bytes(&m);
    m.columns = columns_at_a_time(c, &m);
    m.packed = compute_scratch(c, SCRATCH_X, groups * m.height * m.in, number_bytes(&m));
    compute_parallel(c, groups, 1, pack_x_part, &m);
    compute_share(c, w->out, m.columns, columns_part, &m);
}
