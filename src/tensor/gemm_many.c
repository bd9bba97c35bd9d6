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
#define COLUMNS_BF16    256         /* its tiles are so fast that x must not come from further away as often */
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
    void *packed;               /* [runs][groups][run][height] */
    float *panels;              /* of all columns, made before: [runs][panels][run][VEC_PANEL]; NULL: made as they are wanted */
    const float *x;             /* [rows, length] with ldx */
    float *y;                   /* [rows, width] with ldy */
    size_t ldx, ldy, rows;
};

static size_t number_bytes(const struct many *m) { return m->bf16 ? sizeof(uint16_t) : sizeof(float); }
static size_t run_at(const struct many *m, size_t length, size_t at) { return length - at < m->run ? length - at : m->run; }
static size_t groups(const struct many *m) { return (m->rows + m->height - 1) / m->height; }

/* Group `row` / height of the run at `at`. What is multiplied together lies together: far apart it would fall into the same sets of a cache. */
static void *packed_x(const struct many *m, size_t row, size_t at)
{
    return (char *)m->packed + (at * groups(m) * m->height + row * run_at(m, m->padded, at)) * number_bytes(m);
}

static void pack_group(const struct many *m, size_t first, size_t at)
{
    size_t n = m->rows - first < m->height ? m->rows - first : m->height, k = run_at(m, m->length, at);
    const float *from = m->x + first * m->ldx + at;
    void *to = packed_x(m, first, at);

    if (m->bf16)
        m->vec->pack_rows_bf16(to, from, m->ldx, n, k);
    else
        m->vec->pack_rows(to, from, m->ldx, n, k);
    if (m->round_x)
        m->vec->round_bf16(to, to, m->height * k);
}

static void pack_x_part(void *arg, size_t begin, size_t end)
{
    const struct many *m = arg;

    for (size_t g = begin; g < end; g++)
        for (size_t at = 0; at < m->length; at += m->run)
            pack_group(m, g * m->height, at);
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
    if (weight_is_bf16(m->w)) {
        pairs_of_columns(m->vec, m->w, panel, (uint16_t *)(void *)scratch, first, n, at, k);
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

/*
 * The same on the way back, where a panel's columns lie side by side in a row of w: rows [at, at + k), some at a time so that those of
 * all panels fit in scratch.
 */
static void pack_rows_of_w(const struct many *m, void *panels, float *scratch, size_t begin, size_t end, size_t at, size_t k, size_t padded)
{
    float *row = scratch + VEC_BF16_STEP * COLUMNS_BF16;

    if (m->bf16 && weight_is_bf16(m->w)) {
        pairs_of_rows(m->vec, m->w, panels, (uint16_t *)(void *)scratch, begin, end - begin, at, k, padded);
        return;
    }
    for (size_t i = 0; i < k; i += VEC_BF16_STEP) {
        size_t n = k - i < VEC_BF16_STEP ? k - i : VEC_BF16_STEP;

        for (size_t r = 0; r < n; r++) {
            weight_prefetch(m->w, at + i + r + ROWS_AHEAD, begin, end - begin);
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

/* Where results are summed: y itself, or a block of their own until all runs are done. */
struct sums { float *y; size_t ld; };

/* n packed columns, elements [at, at + k), by the rows of x: a panel stays in the first-level cache while rows go past. */
static void tiles(const struct many *m, struct sums s, const void *panels, size_t n, size_t at, size_t k)
{
    size_t two = 2 * VEC_PANEL, f32 = m->vec->tile_panels * VEC_PANEL, width = !m->bf16 ? f32 : m->vec->has_amx ? n : two;
    size_t some = m->bf16 && m->vec->has_amx ? m->rows : ROWS_NEAR * m->height;

    for (size_t from = 0; from < m->rows; from += some)
        for (size_t j = 0; j < n; j += width)
            for (size_t r = from; r < m->rows && r < from + some; r += m->height) {
                const char *panel = (const char *)panels + j * k * number_bytes(m);
                size_t rows = m->rows - r < m->height ? m->rows - r : m->height, cols = n - j < width ? n - j : width;
                bool add = m->add || at > 0;

                if (m->bf16)
                    m->vec->tiles_bf16(s.y + r * s.ld + j, s.ld, packed_x(m, r, at), (const void *)panel, k, rows, cols, add);
                else
                    m->vec->tile_f32(s.y + r * s.ld + j, s.ld, packed_x(m, r, at), (const void *)panel, k, rows, cols, add);
            }
}

/* Where the made panels of a run at `at`, of k elements, begin for a column; of an even number of panels, for tiles that take two. */
static size_t even_width(const struct many *m) { return (m->width + 2 * VEC_PANEL - 1) / (2 * VEC_PANEL) * (2 * VEC_PANEL); }
static float *made_panels(const struct many *m, size_t column, size_t at, size_t k) { return m->panels + at * even_width(m) + column * k; }

static float *packing_scratch(const struct many *m)
{
    size_t size = (VEC_BF16_STEP + 1) * COLUMNS_BF16;
    float *scratch = mem_try_alloc(size > 2 * VEC_PANEL * m->run ? size : 2 * VEC_PANEL * m->run, sizeof *scratch);

    if (!scratch)
        abort();
    memset(scratch + VEC_BF16_STEP * COLUMNS_BF16, 0, m->back ? COLUMNS_BF16 * sizeof *scratch : 0);      /* the columns that fill up a panel */
    return scratch;
}

static void pack_part(const struct many *m, void *panels, float *scratch, size_t begin, size_t end, size_t at)
{
    (m->back ? pack_rows_of_w : pack_columns)(m, panels, scratch, begin, end, at, run_at(m, m->length, at), run_at(m, m->padded, at));
}

static void packed_columns(const struct many *m, struct sums s, size_t begin, size_t end)
{
    size_t bytes = m->columns * m->run * number_bytes(m);
    AUTO_MEM char *panels = mem_try_alloc(bytes, 1);
    AUTO_MEM float *scratch = packing_scratch(m);

    if (!panels)
        abort();
    memset(panels, 0, bytes);           /* tiles of two panels may read one that is not there */
    for (size_t at = 0; at < m->length; at += m->run) {
        pack_part(m, panels, scratch, begin, end, at);
        tiles(m, s, panels, end - begin, at, run_at(m, m->padded, at));
    }
}

static void made_columns(const struct many *m, struct sums s, size_t begin, size_t end)
{
    for (size_t at = 0; at < m->length; at += m->run)
        tiles(m, s, made_panels(m, begin, at, run_at(m, m->length, at)), end - begin, at, run_at(m, m->length, at));
}

/* Sums that each run adds to lie side by side: rows of a wide y would fall into the same sets of a cache. */
static struct sums begin_sums(const struct many *m, size_t begin, size_t n)
{
    struct sums s = { m->y + begin, m->ldy };

    if (m->length <= m->run)
        return s;
    s = (struct sums){ mem_try_alloc(m->rows * n, sizeof(float)), n };
    if (!s.y)
        abort();
    for (size_t r = 0; m->add && r < m->rows; r++)
        memcpy(s.y + r * n, m->y + r * m->ldy + begin, n * sizeof *s.y);
    return s;
}

static void end_sums(const struct many *m, struct sums s, size_t begin, size_t n)
{
    bool moves = s.y != m->y + begin;

    for (size_t r = 0; r < m->rows; r++)
        if (m->round_y)
            m->vec->round_bf16(m->y + r * m->ldy + begin, s.y + r * s.ld, n);
        else if (moves)
            memcpy(m->y + r * m->ldy + begin, s.y + r * s.ld, n * sizeof *s.y);
    if (moves)
        free(s.y);
}

static void columns_part(void *arg, size_t begin, size_t end)
{
    const struct many *m = arg;
    struct sums s = begin_sums(m, begin, end - begin);

    (m->panels ? made_columns : packed_columns)(m, s, begin, end);
    end_sums(m, s, begin, end - begin);
}

/* NF4 on the way back is read in whole blocks. */
static size_t columns_at_a_time(const struct compute *c, const struct many *m)
{
    size_t columns = m->bf16 ? COLUMNS_BF16 : COLUMNS, threads = (size_t)c->threads;

    while (columns > COLUMNS && m->width / columns < PARTS_EACH * threads)
        columns /= 2;
    if (threads > 1 && !(m->back && m->w->kind == WEIGHT_NF4) && m->width < PARTS_EVEN * threads * COLUMNS)
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
    m->packed = compute_scratch(c, SCRATCH_X, groups(m) * m->height * m->padded, number_bytes(m));
    compute_parallel(c, groups(m), 1, pack_x_part, m);
    compute_share(c, m->width, m->columns, columns_part, m);
}

void many_forward(struct compute *c, bool bf16, float *y, size_t ldy, const float *x, size_t ldx, size_t rows, const struct weight *w)
{
    multiply(c, &(struct many){ .w = w, .bf16 = bf16, .round_x = (c->math == GEMM_BF16 || c->round_factors) && !bf16, .round_y = c->round_results,
                                .panels = bf16 ? NULL : (float *)(uintptr_t)w->packed, .length = w->in, .width = w->out, .x = x, .y = y, .ldx = ldx, .ldy = ldy, .rows = rows });
}

bool many_backward(struct compute *c, bool bf16, float *dx, size_t lddx, const float *dy, size_t lddy, size_t rows, const struct weight *w,
                   bool accumulate)
{
    if (w->kind != WEIGHT_DENSE && w->kind != WEIGHT_NF4)
        return false;                   /* columns of a row are no whole blocks */
    multiply(c, &(struct many){ .w = w, .back = true, .add = accumulate, .bf16 = bf16,
                                .panels = bf16 ? NULL : (float *)(uintptr_t)w->packed_back, .round_x = c->round_factors && !bf16,
                                .round_y = c->round_results, .length = w->out, .width = w->in,
                                .x = dy, .y = dx, .ldx = lddy, .ldy = lddx, .rows = rows });
    return true;
}

/* --- panels made once --------------------------------------------------------------------------------------------------------- */

static void make_part(void *arg, size_t begin, size_t end)
{
    const struct many *m = arg;
    AUTO_MEM float *scratch = packing_scratch(m);

    for (size_t at = 0; at < m->length; at += m->run)
        pack_part(m, made_panels(m, begin, at, run_at(m, m->length, at)), scratch, begin, end, at);
}

static struct many packing(const struct compute *c, const struct weight *w, bool back)
{
    size_t length = back ? w->out : w->in;

    return (struct many){ .vec = c->vec, .w = w, .back = back, .run = RUN_BYTES / sizeof(float), .columns = COLUMNS, .length = length, .padded = length,
                          .width = back ? w->in : w->out };
}

static size_t panel_floats(const struct many *m) { return m->length * even_width(m); }

size_t weight_pack_bytes(const struct weight *w)
{
    struct many forward = { .length = w->in, .width = w->out }, back = { .length = w->out, .width = w->in };

    return (panel_floats(&forward) + panel_floats(&back)) * sizeof(float);
}

errc weight_pack(struct compute *c, struct weight *w, void **out_memory, struct err *e)
{
    struct many ways[] = { packing(c, w, false), packing(c, w, true) };
    float *memory = mem_try_alloc(weight_pack_bytes(w), 1);

    if (!memory)
        return err_set(e, ERR_TOO_LARGE, "panels of a matrix of %zu x %zu do not fit in memory", w->out, w->in);
    memset(memory, 0, weight_pack_bytes(w));
    ways[0].panels = memory;
    ways[1].panels = memory + panel_floats(&ways[0]);
    for (size_t i = 0; i < ARRAY_LEN(ways); i++)
        compute_share(c, ways[i].width, COLUMNS, make_part, &ways[i]);
    w->packed = ways[0].panels;
    w->packed_back = ways[1].panels;
    *out_memory = memory;
    return ERR_OK;
}
