/*
 * The loss that keeps a model from using some experts alone:  balance E sum over experts of f_e P_e, where over all layers and tokens of a
 * micro-batch f_e is how often e is chosen per token, and P_e the mean of its probability among all. The choice has no gradient, P has:
 *   d loss / d score_te = balance E / (layers T) p_te (f_e - sum_i p_ti f_i)
 * Source: Fedus et al. 2021 (Switch Transformers), equations 4 to 6; over layers as transformers' Mixtral sums it.
 */
#include "tune/backprop_priv.h"

#include <math.h>

static void softmax(float *y, const float *x, size_t n)
{
    float top = x[0], sum = 0;

    for (size_t i = 1; i < n; i++)
        top = x[i] > top ? x[i] : top;
    for (size_t i = 0; i < n; i++)
        sum += y[i] = expf(x[i] - top);
    for (size_t i = 0; i < n; i++)
        y[i] /= sum;
}

/* Of all layers' tokens. */
static double pairs(const struct backprop *p)
{
    return (double)p->m->config.layers * (double)p->tokens;
}

void balance_likely(const struct backprop *p, struct routes *r)
{
    size_t n = p->m->config.experts;

    for (size_t t = 0; r->likely && t < p->tokens; t++)
        softmax(r->likely + t * n, r->share + t * n, n);
}

void balance_count(struct backprop *p, const struct routes *r)
{
    size_t n = p->m->config.experts;

    if (!r->likely || p->again)
        return;
    for (size_t e = 0; e < n; e++)
        p->used[e] += r->first[e + 1] - r->first[e];
    for (size_t t = 0; t < p->tokens; t++)
        for (size_t e = 0; e < n; e++)
            p->likely[e] += (double)r->likely[t * n + e];
}

void balance_begin(struct backprop *p)
{
    size_t n = p->m->config.experts;

    if (!backprop_balances(p))
        return;
    memset(p->used, 0, n * sizeof *p->used);
    memset(p->likely, 0, n * sizeof *p->likely);
}

bool backprop_balances(const struct backprop *p)
{
    return p->o.balance > 0;
}

double backprop_balance(const struct backprop *p)
{
    size_t n = p->m->config.experts;
    double sum = 0;

    if (!backprop_balances(p) || p->tokens == 0)
        return 0;
    for (size_t e = 0; e < n; e++)
        sum += p->used[e] * p->likely[e];
    return (double)p->o.balance * (double)n * sum / (pairs(p) * pairs(p));
}

void balance_backward(const struct backprop *p, const struct routes *r, float *dscores)
{
    size_t n = p->m->config.experts;
    double scale = (double)p->o.balance * (double)n / (pairs(p) * pairs(p));

    for (size_t t = 0; r->likely && t < p->tokens; t++) {
        const float *likely = r->likely + t * n;
        double mean = 0;
        for (size_t e = 0; e < n; e++)
            mean += (double)likely[e] * p->used[e];
        for (size_t e = 0; e < n; e++)
            dscores[t * n + e] += (float)(scale * (double)likely[e] * (p->used[e] - mean));
    }
}
