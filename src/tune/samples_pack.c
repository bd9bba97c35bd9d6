/* Packing as trl/data_utils.py does it; tests/golden/packing holds what TRL made of the same lengths. */
#include "base/mem.h"
#include "tune/samples.h"

#define TOGETHER 1000           /* rows that datasets.map hands to the packer at once */

/* ---- cutting ---- */

struct pieces {
    struct example_piece *v;
    size_t n, cap;
    size_t made;                /* examples begun */
};

static void add_piece(struct pieces *p, uint32_t example, size_t from, size_t to, bool begins)
{
    vec_grow(p->v, p->n, p->cap);
    p->v[p->n++] = (struct example_piece){ example, (uint32_t)from, (uint32_t)to, begins };
    p->made += begins;
}

static void split_example(struct pieces *p, uint32_t example, size_t n, size_t length)
{
    for (size_t from = 0; from < n; from += length)
        add_piece(p, example, from, n - from < length ? n : from + length, true);
}

/* Appends to the example that has `filled` of `length` tokens; the new filling. */
static size_t wrap_example(struct pieces *p, uint32_t example, size_t n, size_t length, size_t filled)
{
    for (size_t from = 0; from < n;) {
        size_t take = n - from < length - filled ? n - from : length - filled;
        add_piece(p, example, from, from + take, filled == 0);
        from += take;
        filled = (filled + take) % length;
    }
    return filled;
}

static void cut_group(struct pieces *p, const struct samples *s, size_t from, size_t to, enum samples_packing how, size_t length)
{
    size_t filled = 0;

    for (size_t i = from; i < to; i++) {
        size_t n = samples_example(s, i).n;
        if (how == SAMPLES_WRAPPED)
            filled = wrap_example(p, samples_row(s, i), n, length, filled);
        else
            split_example(p, samples_row(s, i), how == SAMPLES_CUT && n > length ? length : n, length);
    }
}

/* Replaces the samples by one for each example that the pieces make. */
static errc remake(struct samples *s, const struct pieces *p, const char *scratch_dir, struct err *e)
{
    struct samples made = { .n = p->made, .most = 1 };

    TRY(examples_remake(s->x, p->v, p->n, scratch_dir, &made.own, e));
    made.x = made.own;
    made.longest = examples_stats(made.x)->longest;
    samples_done(s);
    *s = made;
    return ERR_OK;
}

/* ---- best fit ---- */

struct item { uint32_t row, bin; size_t n; };
struct open_bin { uint32_t bin, since; size_t space; };         /* since: when it got this space */
struct bins { struct open_bin *open; size_t n_open, cap, made; };

static int longer_first(const void *a, const void *b)
{
    const struct item *x = a, *y = b;

    if (x->n != y->n)
        return x->n > y->n ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* The open bin with the least space that is enough; among equals the one that waits longest. n_open: none. */
static size_t best_bin(const struct bins *b, size_t want)
{
    size_t best = b->n_open;

    for (size_t i = 0; i < b->n_open; i++) {
        const struct open_bin *v = &b->open[i], *w = best < b->n_open ? &b->open[best] : NULL;
        if (v->space >= want && (!w || v->space < w->space || (v->space == w->space && v->since < w->since)))
            best = i;
    }
    return best;
}

static void put(struct bins *b, struct item *item, uint32_t now, size_t length)
{
    size_t i = best_bin(b, item->n);

    if (i == b->n_open) {
        vec_grow(b->open, b->n_open, b->cap);
        b->open[b->n_open++] = (struct open_bin){ .bin = (uint32_t)b->made++, .space = length };
    }
    item->bin = b->open[i].bin;
    b->open[i].space -= item->n;
    b->open[i].since = now;
    if (b->open[i].space == 0)
        b->open[i] = b->open[--b->n_open];
}

/* Appends the samples that the items make: bins as they were opened, items as they were put. */
static void add_bins(struct samples *out, const struct item *items, size_t n, size_t bins)
{
    size_t at = out->first[out->n];
    AUTO_MEM uint32_t *ends = xcalloc(bins + 1, sizeof *ends);

    for (size_t i = 0; i < n; i++)
        ends[items[i].bin + 1]++;
    for (size_t b = 0; b < bins; b++) {
        out->most = ends[b + 1] > out->most ? ends[b + 1] : out->most;
        ends[b + 1] += ends[b];
        out->first[out->n + b + 1] = (uint32_t)at + ends[b + 1];
    }
    for (size_t i = 0; i < n; i++)
        out->rows[at + ends[items[i].bin]++] = items[i].row;
    out->n += bins;
}

static void fit_group(struct samples *out, const struct samples *s, size_t from, size_t to, size_t length)
{
    struct item *items = xcalloc(to - from + 1, sizeof *items);
    struct bins b = { 0 };

    for (size_t i = from; i < to; i++)
        items[i - from] = (struct item){ .row = samples_row(s, i), .n = samples_example(s, i).n };
    qsort(items, to - from, sizeof *items, longer_first);
    for (size_t i = 0; i < to - from; i++)
        put(&b, &items[i], (uint32_t)i, length);
    add_bins(out, items, to - from, b.made);
    free(b.open);
    free(items);
}

/* ends[g]: samples of the groups up to g, group g included. */
static void fit(struct samples *s, const size_t *ends, size_t groups, size_t length)
{
    struct samples made = { .x = s->x, .rows = xcalloc(s->n + 1, sizeof *made.rows), .first = xcalloc(s->n + 1, sizeof *made.first),
                            .longest = s->longest };

    for (size_t g = 0; g < groups; g++)
        fit_group(&made, s, g ? ends[g - 1] : 0, ends[g], length);
    made.own = TAKE(s->own);
    samples_done(s);
    *s = made;
}

errc samples_pack(struct samples *s, enum samples_packing how, size_t length, const char *scratch_dir, struct err *e)
{
    size_t groups = (s->n + TOGETHER - 1) / TOGETHER, n = s->n;
    AUTO_MEM size_t *ends = xcalloc(groups + 1, sizeof *ends);
    struct pieces p = { 0 };

    for (size_t g = 0; g < groups; g++) {
        size_t to = (g + 1) * TOGETHER < n ? (g + 1) * TOGETHER : n;
        if (how != SAMPLES_BFD)
            cut_group(&p, s, g * TOGETHER, to, how, length);
        ends[g] = how == SAMPLES_BFD ? to : p.made;
    }
    errc rc = how == SAMPLES_BFD || !n ? ERR_OK : remake(s, &p, scratch_dir, e);
    free(p.v);
    if (!rc && how <= SAMPLES_BFD_SPLIT)
        fit(s, ends, groups, length);
    return rc;
}
