/* What an adapter does to the rows of a pass. */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "engine/adapter.h"
#include "tensor/vec.h"

/* ── LoRA ── */

#define ADD_ROWS 64

struct add_job {
    const struct vec_ops *vec;
    const struct lora *l;
    float *y;
    const float *xa;
    size_t ldy, rows;
};

/* y += scale * xa . B^T for some columns: r is small, so a dot product per result is all there is to do. */
static void add_columns(void *arg, size_t begin, size_t end)
{
    const struct add_job *j = arg;
    size_t r = j->l->r;

    for (size_t row = 0; row < j->rows; row++)
        for (size_t o = begin; o < end; o++)
            j->y[row * j->ldy + o] += j->l->scale * j->vec->dot(j->xa + row * r, j->l->b + o * r, r);
}

/* The same by products of ADD_ROWS rows, whose result then is added. */
static void add_products(struct compute *c, const struct lora *l, size_t out, float *y, size_t ldy, const float *xa, size_t rows)
{
    struct weight b = weight_f32(l->b, out, l->r);
    AUTO_MEM float *part = mem_try_alloc(ADD_ROWS * out, sizeof *part);

    if (!part)
        abort();
    for (size_t first = 0; first < rows; first += ADD_ROWS) {
        size_t n = rows - first < ADD_ROWS ? rows - first : ADD_ROWS;

        gemm_forward(c, part, out, xa + first * l->r, l->r, n, &b);
        for (size_t i = 0; i < n; i++)
            compute_vec(c)->axpy(y + (first + i) * ldy, part + i * out, l->scale, out);
    }
}

void lora_forward(struct compute *c, const struct lora *l, size_t in, size_t out, float *y, size_t ldy, const float *x,
                  size_t ldx, size_t rows, float *xa)
{
    struct weight a = weight_f32(l->a, l->r, in);
    struct add_job j = { .vec = compute_vec(c), .l = l, .y = y, .xa = xa, .ldy = ldy, .rows = rows };

    gemm_forward(c, xa, l->r, x, ldx, rows, &a);
    if (compute_rows(c) == GEMM_ROWS_MANY)
        add_products(c, l, out, y, ldy, xa, rows);
    else if (rows > GEMM_FEW_ROWS && compute_rows(c) == GEMM_ROWS_ANY)
        gemm_f32(c, false, true, rows, out, l->r, l->scale, xa, l->r, l->b, l->r, 1, y, ldy);
    else
        compute_parallel(c, out, 256, add_columns, &j);
}

void lora_row_norms(const struct lora *l, const struct weight *w, size_t first, size_t end, float *norms)
{
    const struct vec_ops *vec = vec_choose(NULL);
    AUTO_MEM float *row = xcalloc(w->in, sizeof *row);

    for (size_t o = first; o < end; o++) {
        double sum = 0;

        weight_rows_f32(w, row, o, 1);
        for (size_t k = 0; k < l->r; k++)
            vec->axpy(row, l->a + k * w->in, l->scale * l->b[o * l->r + k], w->in);
        for (size_t i = 0; i < w->in; i++)
            sum += (double)row[i] * (double)row[i];
        norms[o] = (float)sqrt(sum);
    }
}

void lora_column_norms(const struct lora *l, const struct weight *table, size_t first, size_t end, float *norms)
{
    AUTO_MEM float *row = xcalloc(table->in, sizeof *row);
    AUTO_MEM double *sums = xcalloc(end - first + 1, sizeof *sums);

    for (size_t t = 0; t < table->out; t++) {
        weight_rows_f32(table, row, t, 1);
        for (size_t o = first; o < end; o++) {
            float w = row[o];
            for (size_t k = 0; k < l->r; k++)
                w += l->scale * l->b[o * l->r + k] * l->a[k * table->out + t];
            sums[o - first] += (double)w * (double)w;
        }
    }
    for (size_t o = first; o < end; o++)
        norms[o] = (float)sqrt(sums[o - first]);
}

/* ── everything else ── */

static void gain_and_shift(const struct own_linear *own, float *y, size_t ldy, size_t rows, size_t out)
{
    for (size_t r = 0; r < rows; r++, y += ldy)
        for (size_t o = 0; o < out; o++)
            y[o] = (own->gain ? own->gain[o] * y[o] : y[o]) + (own->shift ? own->shift[o] : 0);
}

void adapter_apply(struct compute *c, const struct adapter *a, const struct linear *l, float *y, size_t ldy, const float *x, size_t ldx,
                   size_t rows, float *xa)
{
    const struct own_linear *own = a->own ? &a->own[l->index] : NULL;
    const struct lora *lora = &a->loras[l->index];

    if (own && own->w) {
        struct weight w = weight_f32(own->w, l->w.out, l->w.in);
        gemm_forward(c, y, ldy, x, ldx, rows, &w);
    }
    if (lora->r)
        lora_forward(c, lora, l->w.in, l->w.out, y, ldy, x, ldx, rows, xa);
    if (own && (own->gain || own->shift))
        gain_and_shift(own, y, ldy, rows, l->w.out);
}

void adapter_embed(const struct model *m, const struct adapter *a, float *x, int32_t id)
{
    size_t index = m->ends[MODEL_EMBED].index;
    const struct lora *l = &a->loras[index];
    AUTO_MEM float *xa = xcalloc(l->r + 1, sizeof *xa);

    for (size_t k = 0; k < l->r; k++)
        xa[k] = l->scale * m->config.embed_scale * l->a[k * m->config.vocab + (size_t)id];
    for (size_t i = 0; l->r && i < m->config.hidden; i++)
        for (size_t k = 0; k < l->r; k++)
            x[i] += xa[k] * l->b[i * l->r + k];
    if (a->own && a->own[index].gain)
        gain_and_shift(&a->own[index], x, m->config.hidden, 1, m->config.hidden);
}

void adapter_head(struct compute *c, const struct model *m, const struct adapter *a, float *logits, const float *h, size_t rows, float *xa)
{
    adapter_apply(c, a, &m->ends[MODEL_HEAD], logits, m->config.vocab, h, m->config.hidden, rows, xa);
}

const struct norm *adapter_norm(const struct adapter *a, const struct norm *n)
{
    for (size_t i = 0; a && i < a->n_norms; i++)
        if (a->norms[i].base == n)
            return &a->norms[i].norm;
    return n;
}
