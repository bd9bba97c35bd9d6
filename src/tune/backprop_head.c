/* The end of the pass: final norm, head, loss, and their gradient. */
#include "tune/backprop_priv.h"

#include <math.h>

#include "base/mem.h"
#include "tensor/vec.h"

/* cap * tanh(x / cap) in place, and its derivative (1 - (y / cap)^2) on the way back. */
static void softcap_forward(float *x, size_t n, float cap)
{
    for (size_t i = 0; i < n; i++)
        x[i] = cap * tanhf(x[i] / cap);
}

static void softcap_backward(float *d, const float *capped, size_t n, float cap)
{
    for (size_t i = 0; i < n; i++)
        d[i] *= 1 - (capped[i] / cap) * (capped[i] / cap);
}

/* The vocabulary's mean of -log p less -log p of the label, summed over the rows that count, times the smoothing. */
static double smoothing_loss(const struct backprop *p, const int32_t *targets, size_t rows)
{
    size_t vocab = p->m->config.vocab;
    double sum = 0;

    for (size_t r = 0; r < rows; r++) {
        const float *x = p->logits + r * vocab;
        double mean = 0;
        for (size_t i = 0; i < vocab; i++)
            mean += (double)x[i];
        sum += targets[r] >= 0 ? (double)x[targets[r]] - mean / (double)vocab : 0;
    }
    return sum * (double)p->o.smoothing;
}

/* weight (softmax - label) becomes weight (softmax - (1 - smoothing) label - smoothing / V). */
static void smooth_gradient(struct backprop *p, const int32_t *targets, size_t rows, float weight)
{
    size_t vocab = p->m->config.vocab;
    float part = weight * p->o.smoothing, each = part / (float)vocab;

    for (size_t r = 0; r < rows; r++) {
        float *d = p->logits + r * vocab;
        if (targets[r] < 0)
            continue;
        for (size_t i = 0; i < vocab; i++)
            d[i] -= each;
        d[targets[r]] += part;
    }
}

/* Gradients of the head's own weights; p->logits hold the gradient of the logits of h [rows, D]. */
static void learn_head(struct backprop *p, const float *h, size_t rows)
{
    const struct model_config *g = &p->m->config;

    if (p->own_head && p->head_rounds)
        for (size_t r = 0; r < rows; r++)
            compute_vec(p->c)->round_bf16(p->rounded + r * g->hidden, h + r * g->hidden, g->hidden);
    if (p->own_head)
        gemm_grad(p->c, p->loras->g + p->own_head->at, p->logits, g->vocab, g->vocab, p->head_rounds ? p->rounded : h, g->hidden, g->hidden, rows);
    for (size_t r = 0; p->own_head_bias && r < rows; r++)
        compute_vec(p->c)->axpy(p->loras->g + p->own_head_bias->at, p->logits + r * g->vocab, 1, g->vocab);
}

/* p->logits of h [rows, D], the head's bias included. */
static void head_forward(struct backprop *p, const float *h, struct rows rows)
{
    const struct model_config *g = &p->m->config;
    const float *bias = p->own_head_bias ? p->loras->w + p->own_head_bias->at : p->m->head_bias;

    if (p->lora_head) {
        adapted_forward(p, p->lora_head->linear, p->logits, g->vocab, h, p->head_xa, rows);
    } else {
        compute_set_rounding(p->c, p->head_rounds, false);
        gemm_forward(p->c, p->logits, g->vocab, h, g->hidden, rows.n, &p->head);
        compute_set_rounding(p->c, false, false);
    }
    if (bias)
        add_bias(p->c, p->logits, g->vocab, bias, rows.n, g->vocab);
}

/* dh [rows, D] from the gradient of the logits in p->logits, and gradients of what is trained of the head. */
static void head_backward(struct backprop *p, const float *h, float *dh, struct rows rows)
{
    const struct model_config *g = &p->m->config;

    learn_head(p, h, rows.n);
    if (p->lora_head) {
        adapted_backward(p, p->lora_head->linear, dh, p->logits, g->vocab, h, p->head_xa, false, rows);
        return;
    }
    compute_set_rounding(p->c, p->head_rounds, false);
    gemm_backward(p->c, dh, g->hidden, p->logits, g->vocab, rows.n, &p->head, false);
    compute_set_rounding(p->c, false, false);
}

/* Loss of normed hidden rows, and with backward the gradient to them into dh. */
static errc head_chunk(struct backprop *p, const float *h, float *dh, const int32_t *targets, struct rows rows, float weight, double *loss,
                       struct err *e)
{
    const struct model_config *g = &p->m->config;
    size_t counted, n = rows.n * g->vocab;
    float *capped = NULL;

    head_forward(p, h, rows);
    if (g->final_softcap > 0)
        softcap_forward(p->logits, n, g->final_softcap);
    *loss += cross_entropy_forward(p->c, p->logits, g->vocab, targets, rows.n, g->vocab, &counted, NULL);
    if (p->o.smoothing > 0)
        *loss += smoothing_loss(p, targets, rows.n);
    if (!dh)
        return ERR_OK;
    if (g->final_softcap > 0) {
        capped = mem_try_alloc(n, sizeof(float));
        if (!capped)
            return err_set(e, ERR_TOO_LARGE, "logits of %zu rows do not fit in memory", rows.n);
        memcpy(capped, p->logits, n * sizeof(float));
    }
    cross_entropy_backward(p->c, p->logits, g->vocab, targets, rows.n, g->vocab, weight);
    if (p->o.smoothing > 0)
        smooth_gradient(p, targets, rows.n, weight);
    if (capped)
        softcap_backward(p->logits, capped, n, g->final_softcap);
    free(capped);
    head_backward(p, h, dh, rows);
    return ERR_OK;
}

/*
 * Loss over the rows that have a target; only those see the head. p->dx receives the gradient of the last residual.
 * Scratch: p->dmid the gathered residual, p->norm its norm, p->dnorm the gradient there, p->wide that of the residual.
 */
errc head_pass(struct backprop *p, float weight, bool backward, double *loss, struct err *e)
{
    const struct model_config *g = &p->m->config;
    size_t d = g->hidden, n = 0;
    const float *last = p->inputs[g->layers];
    int32_t *targets = p->positions;            /* angles are made: the array is free */
    uint32_t *from = xcalloc(p->tokens, sizeof *from);           /* which token a row with a target is */

    for (size_t t = 0; t < p->tokens; t++)
        if (p->targets[t] >= 0) {
            memcpy(p->dmid + n * d, last + t * d, d * sizeof(float));
            targets[n] = p->targets[t];
            from[n++] = (uint32_t)t;
        }
    norm_forward(p, &p->m->norm_final, p->norm, p->dmid, d, n, d);
    errc rc = ERR_OK;
    for (size_t at = 0; at < n && rc == ERR_OK; at += HEAD_ROWS) {
        struct rows rows = { .n = n - at < HEAD_ROWS ? n - at : HEAD_ROWS, .token = from + at };
        rc = head_chunk(p, p->norm + at * d, backward ? p->dnorm + at * d : NULL, targets + at, rows, weight, loss, e);
    }
    if (backward && rc == ERR_OK) {
        memset(p->wide, 0, n * d * sizeof(float));
        norm_backward(p, &p->m->norm_final, p->wide, p->dnorm, p->dmid, d, n, d);
        memset(p->dx, 0, p->tokens * d * sizeof(float));
        for (size_t i = 0; i < n; i++)
            memcpy(p->dx + from[i] * d, p->wide + i * d, d * sizeof(float));
    }
    free(from);
    return rc;
}
