#include "tune/order.h"

#include <stdlib.h>

#include "base/mem.h"

#define STEPS_MAX 50            /* of a stretch */

struct measured { uint32_t sample, place; size_t tokens; };

static size_t tokens_of(const struct samples *s, uint32_t sample)
{
    size_t n = 0;

    for (uint32_t k = samples_first(s, sample); k < samples_first(s, sample + 1); k++)
        n += samples_example(s, k).n;
    return n;
}

/* Longest first; equals stay as they were. */
static int by_length(const void *a, const void *b)
{
    const struct measured *x = a, *y = b;

    if (x->tokens != y->tokens)
        return x->tokens > y->tokens ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

static size_t stretch_of(size_t n, size_t per_step)
{
    size_t steps = n / (per_step * 4);

    steps = steps > STEPS_MAX ? STEPS_MAX : steps;
    return (steps ? steps : 1) * per_step;
}

void order_by_length(const struct samples *s, size_t per_step, uint32_t *order, size_t n)
{
    AUTO_MEM struct measured *v = xcalloc(n + 1, sizeof *v);
    size_t stretch = stretch_of(n, per_step), longest = 0;

    for (size_t i = 0; i < n; i++)
        v[i] = (struct measured){ order[i], (uint32_t)i, tokens_of(s, order[i]) };
    for (size_t i = 0; i < n; i += stretch) {
        qsort(v + i, n - i < stretch ? n - i : stretch, sizeof *v, by_length);
        longest = v[i].tokens > v[longest].tokens ? i : longest;
    }
    struct measured first = v[0];
    v[0] = v[longest];
    v[longest] = first;
    for (size_t i = 0; i < n; i++)
        order[i] = v[i].sample;
}
