/* Panels: sizes, quantising, the plain reading that tests compare kernels with. */
#include "tensor/panels.h"

#include <omp.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "tensor/panels_blocks.h"
#include "tensor/priv.h"

#define GROUP_BYTES (PANEL_ROWS * 4)
#define HUGE_PAGE   ((size_t)2 << 20)

size_t panels_block_bytes(enum panels_kind k)
{
    static const size_t bytes[PANELS_COUNT_] = {
        [PANELS_INT8] = PANEL_ROWS * (PANEL_BLOCK + 1), [PANELS_Q4] = PANEL_ROWS * (PANEL_BLOCK / 2 + 2),
    };

    return bytes[k];
}

static bool of_blocks(const struct panels *p) { return p->kind >= PANELS_COUNT_; }

size_t panels_stride(const struct panels *p)
{
    if (!of_blocks(p))
        return p->blocks * panels_block_bytes(p->kind);
    struct panel_unit u = panel_unit_of(p->kind);
    return p->blocks / u.blocks * panel_unit_bytes(u);
}

const uint8_t *panels_at_element(const struct panels *p, size_t panel, size_t at)
{
    const uint8_t *first = panels_at(p, panel);

    if (!of_blocks(p))
        return first + at / PANEL_BLOCK * panels_block_bytes(p->kind);
    struct panel_unit u = panel_unit_of(p->kind);
    return first + at / PANEL_BLOCK / u.blocks * panel_unit_bytes(u);
}

size_t panels_bytes(const struct panels *p)
{
    return panels_count(p->out) * (panels_stride(p) + (p->factors ? PANEL_ROWS * sizeof(float) : 0));
}

void panels_done(struct panels *p)
{
    free(p->data);
    free(p->factors);
    *p = (struct panels){ 0 };
}

/* In huge pages where the system gives them on request: small ones cost products of one row a quarter of their speed. */
static uint8_t *alloc_data(size_t n, size_t size)
{
    size_t bytes, padded;

    if (!size_mul(n, size, &bytes) || !size_add(bytes, HUGE_PAGE - 1, &padded) || bytes < HUGE_PAGE)
        return mem_try_alloc(n, size);
    uint8_t *p = aligned_alloc(HUGE_PAGE, padded / HUGE_PAGE * HUGE_PAGE);
    if (p)
        (void)madvise(p, bytes, MADV_HUGEPAGE);         /* advice: without it all is well but slower */
    return p;
}

errc panels_alloc(struct panels *p, struct err *e)
{
    size_t panels = panels_count(p->out);

    p->data = alloc_data(panels, panels_stride(p));
    if (p->data && !of_blocks(p))
        p->factors = mem_try_alloc(panels * PANEL_ROWS, sizeof *p->factors);
    if (p->data && (p->factors || of_blocks(p)))
        return ERR_OK;
    panels_done(p);
    return err_set(e, ERR_UNAVAILABLE, "panels of a matrix of %zu x %zu: no memory left", p->out, p->in);
}

/* The place of the first element in some rows that is infinite or not a number; SIZE_MAX when there is none, or they are quantised. */
static size_t find_not_finite(const struct weight *w, size_t first, size_t n)
{
    size_t at = first * w->in, count = n * w->in;

    if (w->kind != WEIGHT_DENSE)
        return SIZE_MAX;
    size_t found = dtype_find_not_finite((const char *)w->data + at * dtype_size(w->dtype), w->dtype, count);
    return found < count ? at + found : SIZE_MAX;
}

/* x [in, padded][PANEL_ROWS] from n rows of w. */
static void load_panel(const struct vec_ops *vec, const struct weight *w, float *x, float *rows, size_t first, size_t n, size_t padded)
{
    if (w->kind == WEIGHT_DENSE && w->dtype == DTYPE_BF16) {
        vec->pack_bf16(x, (const uint16_t *)w->data + first * w->in, w->in, n, w->in);
    } else {
        weight_range_f32(vec, w, rows, first * w->in, n * w->in);
        vec->pack_f32(x, rows, w->in, n, w->in);
    }
    memset(x + w->in * PANEL_ROWS, 0, (padded - w->in) * PANEL_ROWS * sizeof *x);
}

/* One panel from rows of w: expanded, turned to [in][row], fitted, written. Returns the place of an element that is not finite. */
static size_t quantize_panel(const struct vec_ops *vec, const struct weight *w, struct panels *p, size_t panel, float *rows, float *x, float *fit)
{
    size_t first = panel * PANEL_ROWS, n = p->out - first < PANEL_ROWS ? p->out - first : PANEL_ROWS, bad = find_not_finite(w, first, n);

    if (bad < SIZE_MAX)
        return bad;
    load_panel(vec, w, x, rows, first, n, p->blocks * PANEL_BLOCK);
    vec->panel_quantize(p->kind, (uint8_t *)(uintptr_t)panels_at(p, panel), p->factors + first, x, fit, p->blocks);
    return SIZE_MAX;
}

errc panels_from_weight(const struct weight *w, enum panels_kind k, int threads, struct panels *out, struct err *e)
{
    struct panels p = { .kind = k, .out = w->out, .in = w->in, .blocks = (w->in + PANEL_BLOCK - 1) / PANEL_BLOCK };
    size_t padded = p.blocks * PANEL_BLOCK, bad = SIZE_MAX;
    const struct vec_ops *vec = vec_choose(NULL);
    bool failed = false;

    TRY(panels_alloc(&p, e));
    #pragma omp parallel num_threads(threads) reduction(min : bad)
    {
        AUTO_MEM float *rows = mem_try_alloc(padded * PANEL_ROWS, sizeof *rows);
        AUTO_MEM float *x = mem_try_alloc(padded * PANEL_ROWS, sizeof *x);
        AUTO_MEM float *fit = mem_try_alloc(2 * p.blocks * PANEL_ROWS, sizeof *fit);
        bool ready = rows && x && fit;

        #pragma omp for schedule(dynamic, 4)
        for (size_t i = 0; i < panels_count(w->out); i++) {
            size_t found = ready ? quantize_panel(vec, w, &p, i, rows, x, fit) : SIZE_MAX;
            bad = found < bad ? found : bad;
        }
        if (!ready)
            #pragma omp atomic write
            failed = true;
    }
    if (!failed && bad == SIZE_MAX) {
        *out = p;
        return ERR_OK;
    }
    panels_done(&p);
    return failed ? err_set(e, ERR_UNAVAILABLE, "quantising a matrix of %zu x %zu: no memory left", w->out, w->in)
        : err_set(e, ERR_CORRUPT, "element %zu is not a finite number", bad);
}

static float element(const struct panels *p, size_t row, size_t i)
{
    size_t lane = row % PANEL_ROWS, k = i % PANEL_BLOCK, group = k / 4;
    const uint8_t *block = panels_at(p, row / PANEL_ROWS) + i / PANEL_BLOCK * panels_block_bytes(p->kind);
    const uint8_t *at = block + lane * 4 + k % 4;

    if (p->kind == PANELS_INT8)
        return (float)block[8 * GROUP_BYTES + lane] * (float)((int)at[group * GROUP_BYTES] - 128) * p->factors[row];
    uint8_t byte = at[group % 4 * GROUP_BYTES], q = group < 4 ? byte & 15 : byte >> 4;
    const uint8_t *scales = block + 4 * GROUP_BYTES;
    return (float)((int)scales[lane] * (int)q - 8 * (int)scales[PANEL_ROWS + lane]) * p->factors[row];
}

void panels_dequantize(const struct panels *p, float *dst, size_t at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (of_blocks(p) ? panels_block_element : element)(p, (at + i) / p->in, (at + i) % p->in);
}
