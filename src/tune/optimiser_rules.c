#include "tune/optimiser_rules.h"

#include <math.h>

#include "base/mem.h"

#define ADAFACTOR_EPSILON 1e-30F        /* transformers' defaults, with scale_parameter and relative_step off as its Trainer has them */
#define ADAFACTOR_DECAY (-0.8)
#define ADAFACTOR_CLIP 1.0

struct step step_of(const struct optimiser *o, double learning_rate)
{
    double number = (double)o->step, correction1 = 1 - pow(o->beta1, number), correction2 = 1 - pow(o->beta2, number);
    const struct tune_optimiser_args *a = &o->args;
    double rate = o->rule == TUNE_ADAGRAD ? learning_rate / (1 + (number - 1) * a->lr_decay) : learning_rate;

    return (struct step){
        .rate = (float)rate, .keep = (float)(1 - rate * o->weight_decay), .decay = (float)o->weight_decay,
        .beta1 = (float)o->beta1, .beta2 = (float)o->beta2, .one_minus_beta1 = (float)(1 - o->beta1), .one_minus_beta2 = (float)(1 - o->beta2),
        .adam_rate = (float)(rate / correction1), .root_correction2 = (float)sqrt(correction2),
        .epsilon = (float)(o->rule == TUNE_ADAMW ? o->epsilon : a->eps),
        .momentum = (float)a->momentum, .undamped = o->step == 1 ? 1 : (float)(1 - a->dampening), .nesterov = a->nesterov,
        .alpha = (float)a->alpha, .one_minus_alpha = (float)(1 - a->alpha),
    };
}

static void adamw(float *restrict w, float *restrict m, float *restrict v, const float *restrict g, size_t n, struct step s)
{
    for (size_t i = 0; i < n; i++) {
        float m_now = m[i] + s.one_minus_beta1 * (g[i] - m[i]);
        float v_now = v[i] * s.beta2 + s.one_minus_beta2 * (g[i] * g[i]);
        m[i] = m_now;
        v[i] = v_now;
        w[i] = w[i] * s.keep - s.adam_rate * (m_now / (sqrtf(v_now) / s.root_correction2 + s.epsilon));
    }
}

static void sgd(float *restrict w, float *restrict m, float *restrict v, const float *restrict g, size_t n, struct step s)
{
    (void)v;
    for (size_t i = 0; i < n; i++) {
        float d = g[i] + s.decay * w[i];
        if (s.momentum > 0) {
            m[i] = s.momentum * m[i] + s.undamped * d;
            d = s.nesterov ? d + s.momentum * m[i] : m[i];
        }
        w[i] -= s.rate * d;
    }
}

static void rmsprop(float *restrict w, float *restrict m, float *restrict v, const float *restrict g, size_t n, struct step s)
{
    for (size_t i = 0; i < n; i++) {
        float d = g[i] + s.decay * w[i];
        v[i] = s.alpha * v[i] + s.one_minus_alpha * (d * d);
        m[i] = s.momentum * m[i] + d / (sqrtf(v[i]) + s.epsilon);
        w[i] -= s.rate * m[i];
    }
}

static void adagrad(float *restrict w, float *restrict m, float *restrict v, const float *restrict g, size_t n, struct step s)
{
    (void)m;
    for (size_t i = 0; i < n; i++) {
        float d = g[i] + s.decay * w[i];
        v[i] += d * d;
        w[i] -= s.rate * (d / (sqrtf(v[i]) + s.epsilon));
    }
}

static void lion(float *restrict w, float *restrict m, float *restrict v, const float *restrict g, size_t n, struct step s)
{
    (void)v;
    for (size_t i = 0; i < n; i++) {
        float c = m[i] * s.beta1 + s.one_minus_beta1 * g[i];
        w[i] = w[i] * s.keep - s.rate * (float)((c > 0) - (c < 0));
        m[i] = m[i] * s.beta2 + s.one_minus_beta2 * g[i];
    }
}

rule_fn *rule_of(enum tune_optimiser rule)
{
    static rule_fn *const rules[] = { [TUNE_ADAMW] = adamw, [TUNE_SGD] = sgd, [TUNE_RMSPROP] = rmsprop, [TUNE_ADAGRAD] = adagrad, [TUNE_LION] = lion,
                                      [TUNE_ADAFACTOR] = NULL };

    return rules[rule];
}

/* --- Adafactor ------------------------------------------------------------------------------------------------------------------ */

/* The running means of g^2 of rows [rows] and columns [cols]. */
static void average_squares(float *row_mean, float *col_mean, const float *g, size_t rows, size_t cols, float keep)
{
    for (size_t c = 0; c < cols; c++)
        col_mean[c] *= keep;
    for (size_t r = 0; r < rows; r++) {
        double sum = 0;
        for (size_t c = 0; c < cols; c++) {
            float square = g[r * cols + c] * g[r * cols + c] + ADAFACTOR_EPSILON;
            sum += (double)square;
            col_mean[c] += (1 - keep) * square / (float)rows;
        }
        row_mean[r] = row_mean[r] * keep + (1 - keep) * (float)(sum / (double)cols);
    }
}

/* The step before its size is bounded, into out [rows, cols]. */
static void factored_step(float *out, float *row_mean, float *col_mean, const float *g, size_t rows, size_t cols, float keep)
{
    double mean = 0;

    average_squares(row_mean, col_mean, g, rows, cols, keep);
    for (size_t r = 0; r < rows; r++)
        mean += (double)row_mean[r] / (double)rows;
    for (size_t r = 0; r < rows; r++) {
        float of_row = 1 / sqrtf((float)(row_mean[r] / mean));
        for (size_t c = 0; c < cols; c++)
            out[r * cols + c] = of_row / sqrtf(col_mean[c]) * g[r * cols + c];
    }
}

static void plain_step(float *out, float *square, const float *g, size_t n, float keep)
{
    for (size_t i = 0; i < n; i++) {
        square[i] = square[i] * keep + (1 - keep) * (g[i] * g[i] + ADAFACTOR_EPSILON);
        out[i] = g[i] / sqrtf(square[i]);
    }
}

void adafactor_update(float *w, float *m, float *v, const float *g, size_t n, size_t cols, uint64_t number, const struct step *s)
{
    AUTO_MEM float *d = xcalloc(n, sizeof *d);
    float keep = (float)(1 - pow((double)number, ADAFACTOR_DECAY));
    double squares = 0;

    if (cols)
        factored_step(d, m, v, g, n / cols, cols, keep);
    else
        plain_step(d, v, g, n, keep);
    for (size_t i = 0; i < n; i++)
        squares += (double)d[i] * (double)d[i];
    float rate = s->rate / (float)fmax(1, sqrt(squares / (double)n) / ADAFACTOR_CLIP);
    for (size_t i = 0; i < n; i++)
        w[i] = w[i] * s->keep - rate * d[i];
}
