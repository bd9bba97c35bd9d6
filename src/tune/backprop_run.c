/* One call of the pass: rows side by side, all layers forward, the head, and back down to the lowest layer that learns. */
#include <assert.h>

#include "tune/backprop_priv.h"

size_t backprop_row_labels(const struct backprop_row *r)
{
    size_t n = 0;

    for (size_t i = 1; i < r->n; i++)
        n += r->labels[i] >= 0;
    return n;
}

static errc check_row(const struct backprop *p, const struct backprop_row *r, struct err *e)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->ids[i] < 0 || (size_t)r->ids[i] >= p->m->config.vocab || r->labels[i] >= (int64_t)p->m->config.vocab)
            return err_set(e, ERR_INVALID, "token id %d is outside the model's vocabulary of %zu; are tokenizer and model a pair?",
                           r->ids[i] < 0 || (size_t)r->ids[i] >= p->m->config.vocab ? r->ids[i] : r->labels[i], p->m->config.vocab);
    return ERR_OK;
}

static void turn_angles(struct backprop *p, const struct backprop_row *r, size_t at, const struct rope_config *rope, struct rope_table *t)
{
    size_t half = p->m->config.rotary / 2;
    float scale, *frequencies = p->frequencies;

    rope_frequencies(&p->m->config, rope, r->rope_length, frequencies, &scale);
    rope_angles(t->cos + at * half, t->sin + at * half, p->positions + at, r->n, frequencies, half, scale);
}

/* The tokens before its last label: nothing that the loss sees looks at others, but routers do that are to be balanced. One at least. */
static size_t tokens_that_matter(const struct backprop *p, const struct backprop_row *r)
{
    size_t n = r->n;

    if (p->o.balance > 0)
        return n;
    while (n > 1 && r->labels[n - 1] < 0)
        n--;
    return n > 1 ? n - 1 : n;
}

/* Row i of the call, whose tokens are from number `first` on, without those that do not matter. */
static const struct backprop_row *take_row(struct backprop *p, const struct backprop_row *row, size_t i, size_t first)
{
    struct backprop_row *r = &p->rows[i];

    *r = *row;
    r->n = tokens_that_matter(p, row);
    r->rope_length = max_size(row->rope_length, row->n);
    for (size_t t = 0; t < r->n; t++) {
        p->positions[p->tokens + t] = (int32_t)t;
        p->numbers[p->tokens + t] = (uint32_t)(first + t);
        p->targets[p->tokens + t] = t + 1 < row->n ? row->labels[t + 1] : -1;
    }
    return r;
}

static errc start(struct backprop *p, const struct backprop_row *rows, size_t n, bool training, struct err *e)
{
    size_t number = 0;

    assert(n <= p->max_tokens);
    p->n_rows = n;
    p->tokens = 0;
    for (size_t i = 0; i < n; number += rows[i++].n) {
        TRY(check_row(p, &rows[i], e));
        if (rows[i].n > p->max_tokens - number)
            return err_set(e, ERR_TOO_LARGE, "a row of %zu tokens is longer than the pass was made for (%zu)", rows[i].n, p->max_tokens);
        const struct backprop_row *r = take_row(p, &rows[i], i, number);
        if (!p->m->config.alibi)
            turn_angles(p, r, p->tokens, &p->m->config.rope, &p->rope);
        if (p->has_local_rope)
            turn_angles(p, r, p->tokens, &p->m->config.rope_local, &p->rope_local);
        embed_forward(p, p->inputs[0] + p->tokens * p->m->config.hidden, r, p->tokens, training);
        p->tokens += r->n;
    }
    embed_drop(p, p->inputs[0]);
    return ERR_OK;
}

void backprop_evaluate(struct backprop *p, bool on)
{
    p->drop_rate = on ? 0 : p->o.dropout;
    p->base = on ? (struct dropouts){ 0 } : p->o.base;
}

/* Where layer i works: its own place, or the one that all share. */
static struct layer_acts *acts_of(const struct backprop *p, size_t i)
{
    return &p->acts[p->checkpointing ? 0 : i];
}

/* What backward reads of a layer, back in its place. */
static void layer_restore(struct backprop *p, size_t i)
{
    bool is_there = p->checkpointing && i + 1 == p->m->config.layers;   /* of the last layer: nothing came after it */

    if (is_there)
        return;
    take_halves(p, acts_of(p, i), &p->acts[i].kept);
    p->again = p->checkpointing;
    if (p->again)
        layer_forward(p, i, acts_of(p, i));
    p->again = false;
}

errc backprop_run(struct backprop *p, const struct backprop_row *rows, size_t n, uint64_t step, uint64_t first_token, float weight,
              bool backward, double *out_loss, struct err *e)
{
    size_t layers = p->m->config.layers;
    double loss = 0;

    p->step = step;
    p->first_token = first_token;
    dora_prepare(p);
    TRY(start(p, rows, n, backward, e));
    balance_begin(p);
    for (size_t i = 0; i < layers; i++) {
        layer_forward(p, i, acts_of(p, i));
        keep_halves(p, acts_of(p, i), &p->acts[i].kept);
    }
    TRY(head_pass(p, weight, backward, &loss, e));
    for (size_t i = layers; backward && i-- > p->first_trained;) {
        layer_restore(p, i);
        layer_backward(p, i, acts_of(p, i));
    }
    if (backward)
        embed_backward(p);
    *out_loss = loss;
    return ERR_OK;
}
