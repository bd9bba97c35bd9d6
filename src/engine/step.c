/*
 * A step: waiting tokens of many sequences become rows of passes. What was generated comes first, then prompts.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "engine/infer.h"

struct step {
    struct engine *g;
    engine_logits_fn *fn;
    void *arg;
    struct infer_row *rows;             /* [infer's max_rows] */
    size_t n;
};

/* Runs the rows so far. */
static void flush(struct step *t)
{
    if (!t->n)
        return;
    for (size_t i = 0; i < t->n; i++)
        t->rows[i].seq->cached = (size_t)t->rows[i].position + 1;
    infer_run(t->g, t->rows, t->n, t->fn, t->arg);
    for (size_t i = 0; i < t->n; i++)
        sequence_publish(t->rows[i].seq);
    t->n = 0;
}

/* Rows [from, to) of a sequence. */
static void add_rows(struct step *t, const struct engine_work *w, size_t from, size_t to, enum infer_part part)
{
    for (size_t at = from; at < to; at++)
        t->rows[t->n++] = (struct infer_row){ w->seq, (int32_t)at, part, w->every || at + 1 == w->seq->n };
}

/* Rows whose bits do not depend on the pass they are in. */
static void add_alone(struct step *t, const struct engine_work *w, size_t from, size_t to, enum infer_part part)
{
    size_t room = t->g->infer->max_rows;

    while (from < to) {
        size_t n = room - t->n < to - from ? room - t->n : to - from;

        add_rows(t, w, from, from + n, part);
        from += n;
        if (t->n == room)
            flush(t);
    }
}

static void add_prompt(struct step *t, const struct engine_work *w)
{
    size_t from = w->seq->cached, left = w->seq->n_prompt - from;

    add_alone(t, w, from, from + (left < w->budget ? left : w->budget), PART_PROMPTS);
}

static bool is_generated(const struct engine *g, const struct sequence *s) { return g->stable || s->cached >= s->n_prompt; }

void engine_step(struct engine *g, const struct engine_work *work, size_t n, engine_logits_fn *fn, void *arg)
{
    AUTO_MEM struct infer_row *rows = xcalloc(g->infer->max_rows, sizeof *rows);
    struct step t = { .g = g, .fn = fn, .arg = arg, .rows = rows };

    for (size_t i = 0; i < n; i++) {
        struct sequence *s = work[i].seq;
        size_t end = s->n - s->cached < work[i].budget ? s->n : s->cached + work[i].budget;

        if (is_generated(g, s))
            add_alone(&t, &work[i], s->cached, end, PART_GENERATED);
    }
    for (size_t i = 0; i < n; i++)
        if (!is_generated(g, work[i].seq))
            add_prompt(&t, &work[i]);
    flush(&t);
}
