#include "tune/optimiser.h"

#include <math.h>

#include "base/mem.h"
#include "tune/optimiser_rules.h"

#define NORM_LANES 8
#define GRAIN 16384             /* elements per thread below which splitting costs more than it saves */

static errc allocate(struct optimiser *o, struct err *e)
{
    struct optimiser_part parts[OPTIMISER_PARTS];

    o->m = mem_try_alloc(o->n_float, sizeof(float));
    o->v = mem_try_alloc(o->n_float, sizeof(float));
    o->m8 = mem_try_alloc(o->n_coded, 1);
    o->v8 = mem_try_alloc(o->n_coded, 1);
    o->m_scale = mem_try_alloc(o->n_blocks, sizeof(float));
    o->v_scale = mem_try_alloc(o->n_blocks, sizeof(float));
    if (!o->m || !o->v || !o->m8 || !o->v8 || !o->m_scale || !o->v_scale) {
        optimiser_done(o);
        return err_set(e, ERR_TOO_LARGE, "optimiser states for %zu parameters do not fit in memory; lower LoraConfig.r", o->n);
    }
    for (size_t i = 0, n = optimiser_parts(o, parts); i < n; i++)
        memset(parts[i].data, 0, parts[i].n * dtype_size(parts[i].dtype));
    return ERR_OK;
}

errc optimiser_init(struct optimiser *o, size_t n, struct err *e)
{
    o->n = o->n_float = n;
    o->step = 0;
    return allocate(o, e);
}

static bool is_coded(const struct optimiser *o, const struct optimiser_span *s)
{
    return o->maps && s->n >= ADAMW8_MIN;
}

static size_t blocks_of(const struct optimiser_span *s)
{
    return (s->n + ADAMW8_BLOCK - 1) / ADAMW8_BLOCK;
}

errc optimiser_init_spans(struct optimiser *o, const struct optimiser_span *spans, size_t n_spans, bool eight_bit, struct err *e)
{
    o->step = 0;
    o->maps = eight_bit ? xmalloc(sizeof *o->maps) : NULL;
    if (eight_bit)
        adamw8_init(o->maps);
    o->spans = xmemdup(spans, n_spans * sizeof *spans);
    o->n_spans = n_spans;
    for (size_t i = 0; i < n_spans; i++) {
        o->n += spans[i].n;
        if (is_coded(o, &spans[i])) {
            o->n_coded += spans[i].n;
            o->n_blocks += blocks_of(&spans[i]);
        } else {
            o->n_float += spans[i].n;
        }
    }
    return allocate(o, e);
}

void optimiser_done(struct optimiser *o)
{
    void *all[] = { o->m, o->v, o->m8, o->v8, o->m_scale, o->v_scale, o->maps, o->spans };

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        free(all[i]);
    *o = (struct optimiser){ .rule = o->rule, .args = o->args, .beta1 = o->beta1, .beta2 = o->beta2, .epsilon = o->epsilon,
                             .weight_decay = o->weight_decay };
}

size_t optimiser_parts(const struct optimiser *o, struct optimiser_part out[OPTIMISER_PARTS])
{
    const struct optimiser_part all[OPTIMISER_PARTS] = {
        { "adam_m", DTYPE_F32, o->m, o->n_float }, { "adam_v", DTYPE_F32, o->v, o->n_float },
        { "adam_m8", DTYPE_U8, o->m8, o->n_coded }, { "adam_v8", DTYPE_U8, o->v8, o->n_coded },
        { "adam_m_scale", DTYPE_F32, o->m_scale, o->n_blocks }, { "adam_v_scale", DTYPE_F32, o->v_scale, o->n_blocks },
    };
    size_t n = 0;

    for (size_t i = 0; i < OPTIMISER_PARTS; i++)
        if (all[i].n)
            out[n++] = all[i];
    return n;
}

struct update {
    float *w, *m, *v;
    const float *g;
    size_t decayed;
    rule_fn *rule;
    struct step step;
    const struct adamw8 *maps;
    uint8_t *m8, *v8;
    float *m_scale, *v_scale;
    size_t n;
};

static struct step without_decay(struct step s)
{
    s.keep = 1;
    s.decay = 0;
    return s;
}

static void update_range(void *arg, size_t begin, size_t end)
{
    const struct update *u = arg;
    size_t decayed = u->decayed < begin ? begin : u->decayed < end ? u->decayed : end;

    u->rule(u->w + begin, u->m + begin, u->v + begin, u->g + begin, decayed - begin, u->step);
    u->rule(u->w + decayed, u->m + decayed, u->v + decayed, u->g + decayed, end - decayed, without_decay(u->step));
}

/* Blocks of one tensor: states are expanded, updated, and coded again. */
static void update_blocks(void *arg, size_t begin, size_t end)
{
    const struct update *u = arg;
    float m[ADAMW8_BLOCK], v[ADAMW8_BLOCK];

    for (size_t b = begin; b < end; b++) {
        size_t at = b * ADAMW8_BLOCK, n = u->n - at < ADAMW8_BLOCK ? u->n - at : ADAMW8_BLOCK;
        struct update one = *u;
        one.w += at;
        one.g += at;
        one.m = m;
        one.v = v;
        one.decayed = u->decayed > at ? u->decayed - at : 0;
        adamw8_expand(u->maps->signed_map, u->m8 + at, u->m_scale[b], n, m);
        adamw8_expand(u->maps->unsigned_map, u->v8 + at, u->v_scale[b], n, v);
        update_range(&one, 0, n);
        adamw8_quantise(u->maps->signed_map, m, n, u->m8 + at, &u->m_scale[b]);
        adamw8_quantise(u->maps->unsigned_map, v, n, u->v8 + at, &u->v_scale[b]);
    }
}

static void update_spans(struct compute *c, const struct optimiser *o, const struct update *all)
{
    size_t floats = 0, codes = 0, blocks = 0;

    for (size_t i = 0; i < o->n_spans; i++) {
        const struct optimiser_span *s = &o->spans[i];
        struct update u = *all;
        u.w += s->at;
        u.g += s->at;
        u.n = s->n;
        u.decayed = all->decayed > s->at ? all->decayed - s->at : 0;
        if (!is_coded(o, s)) {
            u.m += floats;
            u.v += floats;
            compute_parallel(c, s->n, GRAIN, update_range, &u);
            floats += s->n;
            continue;
        }
        u.m8 += codes;
        u.v8 += codes;
        u.m_scale += blocks;
        u.v_scale += blocks;
        compute_parallel(c, blocks_of(s), 16, update_blocks, &u);
        codes += s->n;
        blocks += blocks_of(s);
    }
}

static void update_tensors(const struct optimiser *o, const struct update *u)
{
    struct step still = without_decay(u->step);

    for (size_t i = 0; i < o->n_spans; i++) {
        const struct optimiser_span *s = &o->spans[i];
        adafactor_update(u->w + s->at, u->m + s->at, u->v + s->at, u->g + s->at, s->n, s->cols, o->step, s->at < u->decayed ? &u->step : &still);
    }
}

void optimiser_update(struct compute *c, struct optimiser *o, float *w, const float *g, size_t decayed, double learning_rate)
{
    o->step++;
    struct update u = { .w = w, .g = g, .m = o->m, .v = o->v, .decayed = decayed, .rule = rule_of(o->rule), .step = step_of(o, learning_rate),
                        .maps = o->maps, .m8 = o->m8, .v8 = o->v8, .m_scale = o->m_scale, .v_scale = o->v_scale };

    if (!u.rule)
        update_tensors(o, &u);
    else if (o->maps)
        update_spans(c, o, &u);
    else
        compute_parallel(c, o->n, GRAIN, update_range, &u);
}

/* Lanes, which do not wait for each other: the order depends on n alone. */
double gradient_norm(const float *g, size_t n)
{
    double part[NORM_LANES] = { 0 }, sum = 0;
    size_t i = 0;

    for (; i + NORM_LANES <= n; i += NORM_LANES)
        for (size_t k = 0; k < NORM_LANES; k++)
            part[k] += (double)g[i + k] * g[i + k];
    for (; i < n; i++)
        sum += (double)g[i] * g[i];
    for (size_t k = 0; k < NORM_LANES; k++)
        sum += part[k];
    return sqrt(sum);
}

void gradient_clip(float *g, size_t n, double norm, double max_norm)
{
    float scale = (float)(max_norm / (norm + 1e-6));    /* the 1e-6 is torch's */

    if (max_norm <= 0 || scale >= 1)
        return;
    for (size_t i = 0; i < n; i++)
        g[i] *= scale;
}
