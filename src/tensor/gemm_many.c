/*
 * Products of many rows by tiles of our own. x is packed once; a thread then takes some columns of the result at a time, packs (and
 * expands) their weights run by run so that a run stays in its second-level cache, and walks all rows over it. A result is the
 * sum of its runs in order, each summed in order: it depends on x's row and w alone, not on the other rows or the threads.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "tensor/priv.h"

#define RUN         256         /* elements of `in` at a time; whole blocks of every format */
#define COLUMNS     64          /* of the result at a time */

struct many {
    const struct vec_ops *vec;
    const struct weight *w;
    const float *x;             /* [groups][in][tile_rows] */
    const float *rows_of_x;     /* before packing: [rows, in] with ldx */
    float *packed_x, *y;
    size_t ldx, ldy, rows;
};

static void pack_x_part(void *arg, size_t begin, size_t end)
{
    const struct many *m = arg;
    size_t height = m->vec->tile_rows;

    for (size_t g = begin; g < end; g++) {
        size_t first = g * height, n = m->rows - first < height ? m->rows - first : height;

        m->vec->pack_rows(m->packed_x + first * m->w->in, m->rows_of_x + first * m->ldx, m->ldx, n, m->w->in);
    }
}

/* Elements [at, at + k) of weight rows [first, first + n), n <= VEC_PANEL, as one panel. */
static void pack_panel(const struct many *m, float *panel, float *expanded, size_t first, size_t n, size_t at, size_t k)
{
    const struct weight *w = m->w;

    if (w->kind == WEIGHT_PANELS && w->panels.factors)
        m->vec->panel_f32(w->panels.kind, panel, panels_at(&w->panels, first / PANEL_ROWS) + at / PANEL_BLOCK * panels_block_bytes(w->panels.kind),
                          w->panels.factors + first, k);
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

/* All rows of x over packed columns [first, first + n), elements [at, at + k). */
static void tiles(const struct many *m, const float *panels, size_t first, size_t n, size_t at, size_t k)
{
    size_t height = m->vec->tile_rows, width = m->vec->tile_panels * VEC_PANEL;

    for (size_t r = 0; r < m->rows; r += height)
        for (size_t j = 0; j < n; j += width)
            m->vec->tile_f32(m->y + r * m->ldy + first + j, m->ldy, m->x + r * m->w->in + at * height, panels + j * k, k,
                             m->rows - r < height ? m->rows - r : height, n - j < width ? n - j : width, at > 0);
}

static void columns_part(void *arg, size_t begin, size_t end)
{
    const struct many *m = arg;
    AUTO_MEM float *panels = mem_try_alloc(COLUMNS * RUN, sizeof *panels);
    AUTO_MEM float *expanded = mem_try_alloc(VEC_PANEL * RUN, sizeof *expanded);

    if (!panels || !expanded)
        abort();
    memset(panels, 0, COLUMNS * RUN * sizeof *panels);      /* tiles of two panels may read one that is not there */
    for (size_t at = 0; at < m->w->in; at += RUN) {
        size_t k = m->w->in - at < RUN ? m->w->in - at : RUN;

        for (size_t j = begin; j < end; j += VEC_PANEL)
            pack_panel(m, panels + (j - begin) * k, expanded, j, end - j < VEC_PANEL ? end - j : VEC_PANEL, at, k);
        tiles(m, panels, begin, end - begin, at, k);
    }
}

void many_forward(struct compute *c, float *y, size_t ldy, const float *x, size_t ldx, size_t rows, const struct weight *w)
{
    size_t height = c->vec->tile_rows, groups = (rows + height - 1) / height;
    float *packed = compute_scratch(c, SCRATCH_X, groups * height * w->in, sizeof *packed);
    struct many m = { .vec = c->vec, .w = w, .x = packed, .packed_x = packed, .rows_of_x = x, .y = y, .ldx = ldx, .ldy = ldy, .rows = rows };

    compute_parallel(c, groups, 1, pack_x_part, &m);
    compute_share(c, w->out, COLUMNS, columns_part, &m);
}
