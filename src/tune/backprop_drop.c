/*
 * Masks of training. A number is a function of (seed, step, place, token, column), so a layer that is computed again, the way back, and a
 * run that goes on from a checkpoint drop the same.
 */
#include "tune/backprop_priv.h"

#include "base/hash.h"
#include "tune/random.h"

#define ROWS_GRAIN 16

/* Places, beyond the 32 bits that linears' names take. */
enum { PLACE_EMBED, PLACE_BLOCKS, PLACE_PROBABILITIES, PLACE_JITTER };

static uint64_t stream_of(const struct backprop *p, uint64_t place)
{
    return random_stream(random_stream(p->o.seed, place), p->step);
}

static uint64_t place_of(uint64_t kind, uint64_t i)
{
    return ((kind + 1) << 40) + i;
}

static uint64_t layer_number(const struct backprop *p, const struct layer *l)
{
    return (uint64_t)(l - p->m->layers);
}

/* y = (or +=) x times a factor, [rows, dim]. */
struct drop {
    float *y;
    const float *x;
    size_t dim;
    struct rows rows;
    const uint32_t *numbers;
    uint64_t stream, first;
    float rate, jitter;         /* one of the two */
    bool add;
};

static void drop_range(void *arg, size_t begin, size_t end)
{
    const struct drop d = *(const struct drop *)arg;
    const float keep = 1 / (1 - d.rate);

    for (size_t r = begin; r < end; r++) {
        uint64_t token = d.first + d.numbers[d.rows.token ? d.rows.token[r] : r];
        for (size_t j = 0; j < d.dim; j++) {
            size_t i = r * d.dim + j;
            float unit = random_unit(random_mix(d.stream + token * d.dim + j));
            float factor = d.jitter > 0 ? 1 + d.jitter * (2 * unit - 1) : unit < d.rate ? 0 : keep;
            d.y[i] = d.add ? d.y[i] + d.x[i] * factor : d.x[i] * factor;
        }
    }
}

static void drop_values(struct backprop *p, uint64_t place, struct drop d)
{
    d.numbers = p->numbers;
    d.first = p->first_token;
    d.stream = stream_of(p, place);
    compute_parallel(p->c, d.rows.n, ROWS_GRAIN, drop_range, &d);
}

void linear_drop(struct backprop *p, const struct linear *l, float *y, const float *x, struct rows rows, bool add)
{
    drop_values(p, fnv1a_32(l->path, strlen(l->path)), (struct drop){ .y = y, .x = x, .dim = l->w.in, .rows = rows, .rate = p->drop_rate, .add = add });
}

float block_rate(const struct backprop *p, enum block which)
{
    return which == BLOCK_ATTENTION ? p->base.attn_block : p->base.mlp_block;
}

void block_drop(struct backprop *p, const struct layer *l, enum block which, float *y, const float *x)
{
    uint64_t place = place_of(PLACE_BLOCKS, 2 * layer_number(p, l) + (p->base.one_mask ? BLOCK_MLP : which));

    if (y && block_rate(p, which) > 0)
        drop_values(p, place, (struct drop){ .y = y, .x = x, .dim = p->m->config.hidden, .rows = all_rows(p), .rate = block_rate(p, which) });
}

void embed_drop(struct backprop *p, float *x)
{
    if (p->base.embed > 0)
        drop_values(p, place_of(PLACE_EMBED, 0), (struct drop){ .y = x, .x = x, .dim = p->m->config.hidden, .rows = all_rows(p), .rate = p->base.embed });
}

void router_jitter(struct backprop *p, const struct layer *l, float *x)
{
    if (l->router && p->base.jitter > 0)
        drop_values(p, place_of(PLACE_JITTER, layer_number(p, l)),
                    (struct drop){ .y = x, .x = x, .dim = p->m->config.hidden, .rows = all_rows(p), .jitter = p->base.jitter });
}

/* --- attention ----------------------------------------------------------------------------------------------------------------- */

static void drop_probabilities(const void *self, size_t head, size_t query, size_t first_key, float *row, size_t n)
{
    const struct probability_mask *m = self;
    uint64_t stream = random_mix(m->stream + (m->first + query) * m->heads + head);
    float keep = 1 / (1 - m->rate);

    for (size_t i = 0; i < n; i++)
        row[i] *= random_unit(random_mix(stream + first_key + i)) < m->rate ? 0 : keep;
}

void probability_mask(const struct backprop *p, const struct layer *l, size_t at, struct probability_mask *m, struct attention_shape *s)
{
    if (p->base.probabilities <= 0)
        return;
    *m = (struct probability_mask){ .stream = stream_of(p, place_of(PLACE_PROBABILITIES, layer_number(p, l))), .first = p->first_token + p->numbers[at],
                                    .heads = s->heads, .rate = p->base.probabilities };
    s->mask = drop_probabilities;
    s->mask_self = m;
}
