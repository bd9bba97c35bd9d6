#include "tune/adamw.h"

#include <math.h>

#include "base/mem.h"

#define GRAIN 16384             /* elements per thread below which splitting costs more than it saves */

errc adamw_init(struct adamw *o, size_t n, struct err *e)
{
    o->n = n;
    o->step = 0;
    o->m = mem_try_alloc(n, sizeof(float));
    o->v = mem_try_alloc(n, sizeof(float));
    if (!o->m || !o->v) {
        adamw_done(o);
        return err_set(e, ERR_TOO_LARGE, "optimiser states for %zu parameters do not fit in memory; lower LoraConfig.r", n);
    }
    memset(o->m, 0, n * sizeof(float));
    memset(o->v, 0, n * sizeof(float));
    return ERR_OK;
}

void adamw_done(struct adamw *o)
{
    free(o->m);
    free(o->v);
    o->m = o->v = NULL;
}

struct update {
    float *w, *m, *v;
    const float *g;
    size_t decayed;
    float keep, beta2, one_minus_beta1, one_minus_beta2, step_size, root_correction2, epsilon;
};

static void update_range(void *arg, size_t begin, size_t end)
{
    const struct update *u = arg;

    for (size_t i = begin; i < end; i++) {
        float g = u->g[i], w = u->w[i] * (i < u->decayed ? u->keep : 1);
        float m = u->m[i] + u->one_minus_beta1 * (g - u->m[i]);
        float v = u->v[i] * u->beta2 + u->one_minus_beta2 * (g * g);
        u->m[i] = m;
        u->v[i] = v;
        u->w[i] = w - u->step_size * (m / (sqrtf(v) / u->root_correction2 + u->epsilon));
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
    };
    compute_parallel(c, o->n, GRAIN, update_range, &u);
}

double gradient_norm(const float *g, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)g[i] * g[i];
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
