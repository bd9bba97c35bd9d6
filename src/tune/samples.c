#include "tune/samples.h"

#include <math.h>

#include "base/mem.h"

/* Most and longest of samples of one example each. */
static void measure(struct samples *s)
{
    s->most = s->n > 0;
    for (size_t i = 0; i < s->n; i++) {
        size_t n = samples_example(s, i).n;
        s->longest = n > s->longest ? n : s->longest;
    }
    examples_rest(s->x);
}

/* Draws n_held examples; both lists stay in the order of the data set. */
static void hold_out(size_t examples, size_t n_held, uint64_t seed, struct samples *out, struct samples *held)
{
    AUTO_MEM uint32_t *order = xcalloc(examples + 1, sizeof *order);
    AUTO_MEM bool *is_held = xcalloc(examples + 1, sizeof *is_held);

    out->rows = xcalloc(examples - n_held + 1, sizeof *out->rows);
    held->rows = xcalloc(n_held + 1, sizeof *held->rows);
    examples_order(examples, seed, 0, order);
    for (size_t i = 0; i < n_held; i++)
        is_held[order[i]] = true;
    for (uint32_t i = 0; i < examples; i++) {
        struct samples *to = is_held[i] ? held : out;
        to->rows[to->n++] = i;
    }
}

void samples_split(const struct examples *x, double train_share, uint64_t seed, struct samples *out, struct samples *held)
{
    size_t examples = examples_count(x), n_held = (size_t)ceil((double)examples * (1 - train_share) - 1e-9);

    *out = (struct samples){ .x = x };
    *held = (struct samples){ .x = x };
    if (n_held)
        hold_out(examples, n_held, seed, out, held);
    else
        out->n = examples;
    measure(out);
    measure(held);
}

size_t samples_largest(const struct samples *s)
{
    size_t largest = 0;

    for (size_t i = 0; i < s->n; i++) {
        size_t tokens = 0;
        for (uint32_t k = samples_first(s, i); k < samples_first(s, i + 1); k++)
            tokens += samples_example(s, k).n;
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
