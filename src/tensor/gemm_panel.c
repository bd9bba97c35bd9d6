/*
 * Products with panels of quantised weights and x in 8 bits: x is quantised once, into tiles of nearly equal height, then threads take
 * some panels at a time, which stay in the second-level cache while the tiles pass. Few rows and many go the same way, so their bits
 * agree.
 */
#include "tensor/priv.h"

#define STEP_BYTES  (128u << 10)        /* of weights that a thread takes at a time */
#define CHUNK_BYTES (160u << 10)        /* of x that stay cached while those weights pass */
#define AHEAD_BYTES 3072                /* of weights, of a single row of x: memory sets the pace then */

struct panel_job {
    const struct vec_ops *vec;
    const struct panels *w;
    float *y;
    const float *x;
    size_t ldy, ldx, rows, tiles;
    size_t x_bytes, ldq;                /* of a block of x, of a row */
    uint8_t *q;                         /* [rows] of ldq bytes; a tile takes those of its rows */
    struct vec_x8_scale *scale;         /* [rows, blocks], likewise */
};

static bool of_blocks(const struct panels *w) { return w->kind >= PANELS_COUNT_; }

static size_t tile_start(const struct panel_job *j, size_t tile) { return tile * j->rows / j->tiles; }

static void quantize_tiles(void *arg, size_t begin, size_t end)
{
    const struct panel_job *j = arg;
    const struct panels *w = j->w;

    for (size_t t = begin; t < end; t++) {
        size_t first = tile_start(j, t), n = tile_start(j, t + 1) - first;

        for (size_t r = 0; r < n; r++)
            (of_blocks(w) ? j->vec->blocks_quantize_x : j->vec->panel_quantize_x)(
                w->kind, j->q + first * j->ldq + r * j->x_bytes, j->scale + first * w->blocks + r, n, j->x + (first + r) * j->ldx, w->in);
    }
}

/* Tiles [begin, end) against one panel. A share of the next panel is fetched with each, so that memory is never idle. */
static void panel_tiles(const struct panel_job *j, size_t panel, size_t begin, size_t end)
{
    const struct panels *w = j->w;
    size_t first = panel * PANEL_ROWS, left = w->out - first, stride = panels_stride(w);
    struct vec_panel p = { .blocks = panels_at(w, panel), .factors = w->factors ? w->factors + first : NULL,
                           .cols = left < PANEL_ROWS ? left : PANEL_ROWS };

    for (size_t t = begin; t < end; t++) {
        size_t row = tile_start(j, t);
        struct vec_x8 x = { .rows = tile_start(j, t + 1) - row, .blocks = w->blocks, .q = j->q + row * j->ldq,
                            .scale = j->scale + row * w->blocks };

        if (begin == 0) {               /* later the panels are in a cache */
            p.ahead_step = stride / w->blocks / (end - begin);
            p.ahead = p.blocks + (j->rows == 1 ? AHEAD_BYTES : stride + t * w->blocks * p.ahead_step);
        }
        (of_blocks(w) ? j->vec->blocks_dot : j->vec->panel_dot)(w->kind, j->y + row * j->ldy + first, j->ldy, &x, &p);
    }
}

static void panels_part(void *arg, size_t begin, size_t end)
{
    const struct panel_job *j = arg;
    size_t chunk = CHUNK_BYTES / (j->ldq * j->vec->panel_tall(j->w->kind)) + 1;

    for (size_t t = 0; t < j->tiles; t += chunk)
        for (size_t p = begin; p < end; p++)
            panel_tiles(j, p, t, j->tiles - t < chunk ? j->tiles : t + chunk);
}

void panel_forward(struct compute *c, float *y, size_t ldy, const float *x, size_t ldx, size_t rows, const struct weight *weight)
{
    const struct panels *w = &weight->panels;
    size_t x_bytes = (of_blocks(w) ? c->vec->blocks_x_bytes : c->vec->panel_x_bytes)(w->kind);
    size_t ldq = w->blocks * x_bytes, tall = c->vec->panel_tall(w->kind);
    uint8_t *q = compute_scratch(c, SCRATCH_X, rows, ldq + w->blocks * sizeof(struct vec_x8_scale));
    struct panel_job j = {
        .vec = c->vec, .w = w, .y = y, .x = x, .ldy = ldy, .ldx = ldx, .rows = rows, .tiles = (rows + tall - 1) / tall,
        .x_bytes = x_bytes, .ldq = ldq, .q = q, .scale = (struct vec_x8_scale *)(void *)(q + rows * ldq),
    };

    compute_parallel(c, j.tiles, 1, quantize_tiles, &j);
    compute_share(c, panels_count(w->out), STEP_BYTES / panels_stride(w) + 1, panels_part, &j);
}
