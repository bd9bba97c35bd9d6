#include "tune/int8.h"

#include <math.h>

#include "base/mem.h"

#define GRAIN 16                /* rows */

struct quantising { const struct weight *w; struct int8_weight *out; };

/* To f16 and back. */
static void round_f16(float *x, size_t n)
{
    uint16_t half;

    for (size_t i = 0; i < n; i++) {
        (void)dtype_from_f32(&half, DTYPE_F16, &x[i], 1, NULL);
        (void)dtype_to_f32(&x[i], &half, DTYPE_F16, 1, NULL);
    }
}

static void quantise_rows(void *arg, size_t begin, size_t end)
{
    const struct quantising *j = arg;
    size_t in = j->w->in;
    AUTO_MEM float *row = xcalloc(in, sizeof *row);

    for (size_t o = begin; o < end; o++) {
        float largest = 0;
        weight_rows_f32(j->w, row, o, 1);
        round_f16(row, in);
        for (size_t i = 0; i < in; i++)
            largest = fmaxf(largest, fabsf(row[i]));
        float scale = largest > 0 ? 1 / largest * 127 : 0;         /* torch divides a number by a tensor in these two steps */
        for (size_t i = 0; i < in; i++)
            j->out->q[o * in + i] = (int8_t)lrintf(row[i] * scale);
        j->out->largest[o] = largest;
    }
}

errc int8_from_weight(struct compute *c, const struct weight *w, struct int8_weight *out, struct err *e)
{
    *out = (struct int8_weight){ .out = w->out, .in = w->in, .q = mem_try_alloc(w->out, w->in), .largest = mem_try_alloc(w->out, sizeof(float)) };
    if (!out->q || !out->largest) {
        int8_done(out);
        return err_set(e, ERR_TOO_LARGE, "weights in 8 bits do not fit in memory; use load_in_4bit: true");
    }
    compute_parallel(c, w->out, GRAIN, quantise_rows, &(struct quantising){ w, out });
    return ERR_OK;
}

void int8_done(struct int8_weight *w)
{
    free(w->q);
    free(w->largest);
    *w = (struct int8_weight){ 0 };
}

struct expanding { const struct int8_weight *w; enum dtype dtype; bool bf16; void *dst; };

static void expand_rows(void *arg, size_t begin, size_t end)
{
    const struct expanding *j = arg;
    size_t in = j->w->in;
    AUTO_MEM float *row = xcalloc(in, sizeof *row);

    for (size_t o = begin; o < end; o++) {
        float scale = j->w->largest[o] * (1.0F / 127.0F);
        for (size_t i = 0; i < in; i++) {
            float x = (float)j->w->q[o * in + i] * scale;
            row[i] = j->bf16 ? f32_round_bf16(x) : x;
        }
        (void)dtype_from_f32((char *)j->dst + o * in * dtype_size(j->dtype), j->dtype, row, in, NULL);
    }
}

void int8_expand(struct compute *c, const struct int8_weight *w, enum dtype dtype, bool bf16, void *dst)
{
    compute_parallel(c, w->out, GRAIN, expand_rows, &(struct expanding){ w, dtype, bf16, dst });
}
