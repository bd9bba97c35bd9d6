#include "tune/adamw.h"

#include <math.h>

#include "base/mem.h"

#define NORM_LANES 8
#define GRAIN 16384             /* elements per thread below which splitting costs more than it saves */

static errc allocate(struct adamw *o, struct err *e)
{
    struct adamw_part parts[ADAMW_PARTS];

    o->m = mem_try_alloc(o->n_float, sizeof(float));
    o->v = mem_try_alloc(o->n_float, sizeof(float));
    o->m8 = mem_try_alloc(o->n_coded, 1);
    o->v8 = mem_try_alloc(o->n_coded, 1);
    o->m_scale = mem_try_alloc(o->n_blocks, sizeof(float));
    o->v_scale = mem_try_alloc(o->n_blocks, sizeof(float));
    if (!o->m || !o->v || !o->m8 || !o->v8 || !o->m_scale || !o->v_scale) {
        adamw_done(o);
        return err_set(e, ERR_TOO_LARGE, "optimiser states for %zu parameters do not fit in memory; lower LoraConfig.r", o->n);
    }
    for (size_t i = 0, n = adamw_parts(o, parts); i < n; i++)
        memset(parts[i].data, 0, parts[i].n * dtype_size(parts[i].dtype));
    return ERR_OK;
}

errc adamw_init(struct adamw *o, size_t n, struct err *e)
{
    o->n = o->n_float = n;
    o->step = 0;
    return allocate(o, e);
}

static bool is_coded(const struct adamw_span *s)
{
    return s->n >= ADAMW8_MIN;
}

static size_t blocks_of(const struct adamw_span *s)
{
    return (s->n + ADAMW8_BLOCK - 1) / ADAMW8_BLOCK;
}

errc adamw_init8(struct adamw *o, const struct adamw_span *spans, size_t n_spans, struct err *e)
{
    o->step = 0;
    o->maps = xmalloc(sizeof *o->maps);
    adamw8_init(o->maps);
    o->spans = xmemdup(spans, n_spans * sizeof *spans);
    o->n_spans = n_spans;
    for (size_t i = 0; i < n_spans; i++) {
        o->n += spans[i].n;
        if (is_coded(&spans[i])) {
            o->n_coded += spans[i].n;
            o->n_blocks += blocks_of(&spans[i]);
        } else {
            o->n_float += spans[i].n;
        }
    }
    return allocate(o, e);
}

void adamw_done(struct adamw *o)
{
    void *all[] = { o->m, o->v, o->m8, o->v8, o->m_scale, o->v_scale, o->maps, o->spans };

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        free(all[i]);
    *o = (struct adamw){ .beta1 = o->beta1, .beta2 = o->beta2, .epsilon = o->epsilon, .weight_decay = o->weight_decay };
}

size_t adamw_parts(const struct adamw *o, struct adamw_part out[ADAMW_PARTS])
{
    const struct adamw_part all[ADAMW_PARTS] = {
        { "adam_m", DTYPE_F32, o->m, o->n_float }, { "adam_v", DTYPE_F32, o->v, o->n_float },
        { "adam_m8", DTYPE_U8, o->m8, o->n_coded }, { "adam_v8", DTYPE_U8, o->v8, o->n_coded },
        { "adam_m_scale", DTYPE_F32, o->m_scale, o->n_blocks }, { "adam_v_scale", DTYPE_F32, o->v_scale, o->n_blocks },
    };
    size_t n = 0;

    for (size_t i = 0; i < ADAMW_PARTS; i++)
        if (all[i].n)
            out[n++] = all[i];
    return n;
}

struct update {
    float *w, *m, *v;
    const float *g;
    size_t decayed;
    float keep, beta2, one_minus_beta1, one_minus_beta2, step_size, root_correction2, epsilon;
    const struct adamw8 *maps;
    uint8_t *m8, *v8;
    float *m_scale, *v_scale;
    size_t n;
};

/* Numbers by value, and restrict: what a loop writes might otherwise be what it reads next. */
static void update_values(float *restrict w, float *restrict m, float *restrict v, const float *restrict g, size_t n, float keep, struct update u)
{
    for (size_t i = 0; i < n; i++) {
        float m_now = m[i] + u.one_minus_beta1 * (g[i] - m[i]);
        float v_now = v[i] * u.beta2 + u.one_minus_beta2 * (g[i] * g[i]);
        m[i] = m_now;
        v[i] = v_now;
        w[i] = w[i] * keep - u.step_size * (m_now / (sqrtf(v_now) / u.root_correction2 + u.epsilon));
    }
}

static void update_range(void *arg, size_t begin, size_t end)
{
    const struct update *u = arg;
    size_t decayed = u->decayed < begin ? begin : u->decayed < end ? u->decayed : end;

    update_values(u->w + begin, u->m + begin, u->v + begin, u->g + begin, decayed - begin, u->keep, *u);
    update_values(u->w + decayed, u->m + decayed, u->v + decayed, u->g + decayed, end - decayed, 1, *u);
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

static void update_spans(struct compute *c, const struct adamw *o, const struct update *all)
{
    size_t floats = 0, codes = 0, blocks = 0;

    for (size_t i = 0; i < o->n_spans; i++) {
        const struct adamw_span *s = &o->spans[i];
        struct update u = *all;
        u.w += s->at;
        u.g += s->at;
        u.n = s->n;
        u.decayed = all->decayed > s->at ? all->decayed - s->at : 0;
        if (!is_coded(s)) {
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

void adamw_update(struct compute *c, struct adamw *o, float *w, const float *g, size_t decayed, double learning_rate)
{
    o->step++;
    double correction1 = 1 - pow(o->beta1, (double)o->step), correction2 = 1 - pow(o->beta2, (double)o->step);
    struct update u = {
        .w = w, .g = g, .m = o->m, .v = o->v, .decayed = decayed,
        .keep = (float)(1 - learning_rate * o->weight_decay),
        .beta2 = (float)o->beta2,
        .one_minus_beta1 = (float)(1 - o->beta1), .one_minus_beta2 = (float)(1 - o->beta2),
        .step_size = (float)(learning_rate / correction1),
        .root_correction2 = (float)sqrt(correction2),
        .epsilon = (float)o->epsilon,
        .maps = o->maps, .m8 = o->m8, .v8 = o->v8, .m_scale = o->m_scale, .v_scale = o->v_scale,
    };

    if (o->maps)
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
