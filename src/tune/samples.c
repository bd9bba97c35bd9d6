#include "tune/samples.h"

#include <math.h>

#include "base/mem.h"

/* Samples of one example each; most and longest. */
static void make_singles(struct samples *s)
{
    s->first = xcalloc(s->n + 1, sizeof *s->first);
    for (size_t i = 0; i <= s->n; i++)
        s->first[i] = (uint32_t)i;
    s->most = s->n > 0;
    for (size_t i = 0; i < s->n; i++) {
        size_t n = examples_get(s->x, s->rows[i]).n;
        s->longest = n > s->longest ? n : s->longest;
    }
}

void samples_split(const struct examples *x, double train_share, uint64_t seed, struct samples *out, struct samples *held)
{
    size_t examples = examples_count(x), n_held = (size_t)ceil((double)examples * (1 - train_share) - 1e-9);
    AUTO_MEM uint32_t *order = xcalloc(examples + 1, sizeof *order);
    AUTO_MEM bool *is_held = xcalloc(examples + 1, sizeof *is_held);

    *out = (struct samples){ .x = x, .rows = xcalloc(examples - n_held + 1, sizeof *out->rows) };
    *held = (struct samples){ .x = x, .rows = xcalloc(n_held + 1, sizeof *held->rows) };
    examples_order(examples, seed, 0, order);
    for (size_t i = 0; i < n_held; i++)
        is_held[order[i]] = true;
    for (uint32_t i = 0; i < examples; i++) {
        struct samples *to = is_held[i] ? held : out;
        to->rows[to->n++] = i;
    }
    make_singles(out);
    make_singles(held);
}

size_t samples_largest(const struct samples *s)
{
    size_t largest = 0;

    for (size_t i = 0; i < s->n; i++) {
        size_t tokens = 0;
        for (uint32_t k = s->first[i]; k < s->first[i + 1]; k++)
            tokens += examples_get(s->x, s->rows[k]).n;
        largest = tokens > largest ? tokens : largest;
    }
    return largest;
}

void samples_done(struct samples *s)
{
    free(s->rows);
    free(s->first);
    examples_free(s->own);
    *s = (struct samples){ 0 };
}
