#include "tune/evaluate.h"

#include "base/mem.h"

struct batch {
    struct backprop_row *rows;
    size_t n, labels;
};

static void take_batch(const struct samples *held, size_t from, size_t to, struct batch *b)
{
    size_t longest = 0;

    b->n = b->labels = 0;
    for (uint32_t k = samples_first(held, from); k < samples_first(held, to); k++) {
        struct example x = samples_example(held, k);
        b->rows[b->n] = (struct backprop_row){ .ids = x.ids, .labels = x.labels, .n = x.n };
        b->labels += backprop_row_labels(&b->rows[b->n++]);
        longest = x.n > longest ? x.n : longest;
    }
    for (size_t i = 0; i < b->n; i++)
        b->rows[i].rope_length = longest;
}

/* The mean loss of a label token, in passes of as many rows as fit: all, where routers are balanced. */
static errc run_batch(struct backprop *pass, const struct batch *b, double *out, struct err *e)
{
    size_t limit = backprop_max_tokens(pass);

    *out = 0;
    for (size_t i = 0, k; i < b->n; i = k) {
        size_t tokens = b->rows[i].n;
        double loss;
        for (k = i + 1; k < b->n && b->rows[k].n <= limit - tokens; k++)
            tokens += b->rows[k].n;
        TRY(backprop_run(pass, b->rows + i, k - i, 0, 0, 0, false, &loss, e));
        *out += loss / (double)b->labels + backprop_balance(pass);
    }
    return ERR_OK;
}

/* The first n samples. */
static errc run_all(struct backprop *pass, const struct samples *held, size_t n, size_t batch, struct batch *b, double *out, struct err *e)
{
    double sum = 0;
    size_t counted = 0;

    for (size_t i = 0, end; i < n; i = end) {
        double loss;
        end = i + batch < n ? i + batch : n;
        take_batch(held, i, end, b);
        if (!b->labels)
            continue;
        TRY(run_batch(pass, b, &loss, e));
        sum += loss * (double)(end - i);
        counted += end - i;
    }
    *out = counted ? sum / (double)counted : 0;
    return ERR_OK;
}

size_t evaluate_count(const struct samples *held, size_t batch, bool drop_last)
{
    return drop_last ? held->n - held->n % batch : held->n;
}

errc evaluate(struct backprop *pass, const struct samples *held, size_t batch, bool drop_last, double *out_loss, struct err *e)
{
    struct batch b = { 0 };
    size_t n = evaluate_count(held, batch, drop_last);

    batch = batch < held->n ? batch : held->n;
    b.rows = xcalloc(batch * held->most, sizeof *b.rows);
    backprop_evaluate(pass, true);
    errc rc = run_all(pass, held, n, batch, &b, out_loss, e);
    backprop_evaluate(pass, false);
    free(b.rows);
    return rc;
}
