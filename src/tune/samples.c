#include "tune/samples.h"

#include <math.h>

#include "base/mem.h"

static void make_singles(struct samples *s)
{
    s->first = xcalloc(s->n + 1, sizeof *s->first);
    for (size_t i = 0; i <= s->n; i++)
        s->first[i] = (uint32_t)i;
    s->most = s->n > 0;
}

void samples_split(size_t examples, double train_share, uint64_t seed, struct samples *out, struct samples *held)
{
    size_t n_held = (size_t)ceil((double)examples * (1 - train_share) - 1e-9);
    AUTO_MEM uint32_t *order = xcalloc(examples + 1, sizeof *order);
    AUTO_MEM bool *is_held = xcalloc(examples + 1, sizeof *is_held);
    struct samples rest = { .rows = xcalloc(examples + 1, sizeof *rest.rows) };

    *out = (struct samples){ .rows = xcalloc(examples + 1, sizeof *out->rows) };
    examples_order(examples, seed, 0, order);
    for (size_t i = 0; i < n_held; i++)
        is_held[order[i]] = true;
    for (uint32_t i = 0; i < examples; i++) {
        struct samples *to = is_held[i] ? &rest : out;
        to->rows[to->n++] = i;
    }
    make_singles(out);
    make_singles(&rest);
    if (held)
        *held = rest;
    else
        samples_done(&rest);
}

void samples_done(struct samples *s)
{
    free(s->rows);
    free(s->first);
    *s = (struct samples){ 0 };
}
