/*
 * Products with panels of quantised weights and x in 8 bits: x is quantised once, then threads take some panels at a time, which
 * stay in the second-level cache while groups of rows pass. Few rows and many go the same way, so their bits agree.
 */
#include "tensor/priv.h"

#define STEP_BYTES  (128u << 10)        /* of weights that a thread takes at a time */
#define ROWS        24                  /* of x that stay cached while those weights pass */

struct panel_job {
    const struct vec_ops *vec;
    const struct panels *w;
    float *y;
    const float *x;
    size_t ldy, ldx, rows;
    struct vec_x8 x8;
    uint8_t *q;                 /* what x8 points to, while it is made */
    float *scale, *sum;
};

static bool of_blocks(const struct panels *w) { return w->kind >= PANELS_COUNT_; }

static void quantize_rows(void *arg, size_t begin, size_t end)
{
    const struct panel_job *j = arg;

    for (size_t r = begin; r < end; r++)
        (of_blocks(j->w) ? j->vec->blocks_quantize_x : j->vec->panel_quantize_x)(
            j->w->kind, j->q + r * j->x8.ldq, j->scale + r * j->x8.blocks, j->sum + r * j->x8.blocks, j->x + r * j->ldx, j->w->in);
}

static void one_panel(const struct panel_job *j, size_t panel, float *y, const struct vec_x8 *x, size_t rows)
{
    const struct panels *w = j->w;
    size_t first = panel * PANEL_ROWS, cols = w->out - first < PANEL_ROWS ? w->out - first : PANEL_ROWS;

    if (of_blocks(w))
        j->vec->blocks_dot(w->kind, y + first, j->ldy, x, rows, panels_at(w, panel), cols);
    else
        j->vec->panel_dot(w->kind, y + first, j->ldy, x, rows, panels_at(w, panel), w->factors + first, cols);
}

static void panels_part(void *arg, size_t begin, size_t end)
{
    const struct panel_job *j = arg;
    const struct vec_x8 *x = &j->x8;

    for (size_t r = 0; r < j->rows; r += ROWS) {
        struct vec_x8 some = { .q = x->q + r * x->ldq, .ldq = x->ldq, .scale = x->scale + r * x->blocks, .sum = x->sum + r * x->blocks,
                               .blocks = x->blocks };

        for (size_t p = begin; p < end; p++)
            one_panel(j, p, j->y + r * j->ldy, &some, j->rows - r < ROWS ? j->rows - r : ROWS);
    }
}

void panel_forward(struct compute *c, float *y, size_t ldy, const float *x, size_t ldx, size_t rows, const struct weight *weight)
{
    const struct panels *w = &weight->panels;
    size_t x_bytes = (of_blocks(w) ? c->vec->blocks_x_bytes : c->vec->panel_x_bytes)(w->kind);
    size_t ldq = w->blocks * x_bytes, step = STEP_BYTES / panels_stride(w) + 1;
    uint8_t *q = compute_scratch(c, SCRATCH_X, rows, ldq + 2 * w->blocks * sizeof(float));
    float *scale = (float *)(void *)(q + rows * ldq), *sum = scale + rows * w->blocks;
    struct panel_job j = {
        .vec = c->vec, .w = w, .y = y, .x = x, .ldy = ldy, .ldx = ldx, .rows = rows, .q = q, .scale = scale, .sum = sum,
        .x8 = { .q = q, .ldq = ldq, .scale = scale, .sum = sum, .blocks = w->blocks },
    };

    compute_parallel(c, rows, 4, quantize_rows, &j);
    compute_share(c, panels_count(w->out), step, panels_part, &j);
}
