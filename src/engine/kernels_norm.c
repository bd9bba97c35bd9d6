/* Normalisations. */
#include <math.h>

#include "engine/kernels.h"
#include "tensor/vec.h"

#define GRAIN 8

struct norm_job {
    const struct vec_ops *vec;
    float *y;                   /* forward: result; backward: dx */
    const float *x, *w, *b, *dy;
    float plus, eps;
    size_t ld, dim;
};

static float inverse_rms(const struct norm_job *j, const float *x)
{
    return (float)(1.0 / sqrt(j->vec->sum_squares(x, j->dim) / (double)j->dim + (double)j->eps));
}

/* y = x * a * (w + plus). Numbers by value: what a loop writes might otherwise be what it reads next. */
static void scale_row(float *y, const float *x, float a, const float *w, float plus, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * a * (w[i] + plus);
}

static void rms_rows(void *arg, size_t begin, size_t end)
{
    const struct norm_job *j = arg;

    for (size_t r = begin; r < end; r++) {
        const float *x = j->x + r * j->ld;

        scale_row(j->y + r * j->ld, x, inverse_rms(j, x), j->w, j->plus, j->dim);
    }
}

void rmsnorm_forward(struct compute *c, float *y, const float *x, size_t ld, const float *w, float plus, size_t rows,
                     size_t dim, float eps)
{
    struct norm_job j = { .vec = compute_vec(c), .y = y, .x = x, .w = w, .plus = plus, .eps = eps, .ld = ld, .dim = dim };

    compute_parallel(c, rows, GRAIN, rms_rows, &j);
}

#define LANES 8                 /* of sums in f64: their order does not depend on anything but n */

/* sum(dy w x) */
static double weighted_dot(const float *dy, const float *w, float plus, const float *x, size_t n)
{
    double part[LANES] = { 0 }, sum = 0;
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (size_t k = 0; k < LANES; k++)
            part[k] += (double)(dy[i + k] * (w[i + k] + plus)) * (double)x[i + k];
    for (; i < n; i++)
        sum += (double)(dy[i] * (w[i] + plus)) * (double)x[i];
    for (size_t k = 0; k < LANES; k++)
        sum += part[k];
    return sum;
}

static void rms_grad_row(float *restrict dx, const float *restrict dy, const float *restrict w, float plus, const float *restrict x, float r,
                         float back, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dx[i] += r * (w[i] + plus) * dy[i] - back * x[i];
}

/* dx = r w dy - r^3 x / D * sum(dy w x), where r = 1 / rms. */
static void rms_grad_rows(void *arg, size_t begin, size_t end)
{
    const struct norm_job *j = arg;

    for (size_t row = begin; row < end; row++) {
        const float *x = j->x + row * j->ld, *dy = j->dy + row * j->ld;
        float r = inverse_rms(j, x);
        double sum = weighted_dot(dy, j->w, j->plus, x, j->dim);

        rms_grad_row(j->y + row * j->ld, dy, j->w, j->plus, x, r, (float)(sum * (double)r * (double)r * (double)r / (double)j->dim), j->dim);
    }
}

void rmsnorm_backward(struct compute *c, float *dx, float *dw, const float *dy, const float *x, size_t ld, const float *w,
                      float plus, size_t rows, size_t dim, float eps)
{
    struct norm_job j = { .vec = compute_vec(c), .y = dx, .x = x, .w = w, .dy = dy, .plus = plus, .eps = eps, .ld = ld, .dim = dim };

    if (dx)
        compute_parallel(c, rows, GRAIN, rms_grad_rows, &j);
    for (size_t row = 0; dw && row < rows; row++) {
        float r = inverse_rms(&j, x + row * ld);

        for (size_t i = 0; i < dim; i++)
            dw[i] += dy[row * ld + i] * x[row * ld + i] * r;
    }
}

/* Sums of x - mean, and of its squares. */
static double sum_off(const float *x, double mean, size_t n, bool squared)
{
    double part[LANES] = { 0 }, sum = 0;
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (size_t k = 0; k < LANES; k++) {
            double d = (double)x[i + k] - mean;
            part[k] += squared ? d * d : d;
        }
    for (; i < n; i++) {
        double d = (double)x[i] - mean;
        sum += squared ? d * d : d;
    }
    for (size_t k = 0; k < LANES; k++)
        sum += part[k];
    return sum;
}

static void centre_row(float *y, const float *x, double mean, double a, const float *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (float)(((double)x[i] - mean) * a) * w[i];
}

static void layer_rows(void *arg, size_t begin, size_t end)
{
    const struct norm_job *j = arg;

    for (size_t r = begin; r < end; r++) {
        const float *x = j->x + r * j->ld;
        float *y = j->y + r * j->ld;
        double mean = sum_off(x, 0, j->dim, false) / (double)j->dim;
        double inverse = 1.0 / sqrt(sum_off(x, mean, j->dim, true) / (double)j->dim + (double)j->eps);

        centre_row(y, x, mean, inverse, j->w, j->dim);
        if (j->b)
            j->vec->axpy(y, j->b, 1, j->dim);
    }
}

void layernorm_forward(struct compute *c, float *y, const float *x, size_t ld, const float *w, const float *b, size_t rows,
                       size_t dim, float eps)
{
    struct norm_job j = { .vec = compute_vec(c), .y = y, .x = x, .w = w, .b = b, .eps = eps, .ld = ld, .dim = dim };

    compute_parallel(c, rows, GRAIN, layer_rows, &j);
}

/* With n = (x - mean) / sd and g = w dy: dx = (g - mean(g) - n mean(g n)) / sd. */
static void layer_grad_row(const struct norm_job *j, float *dx, const float *dy, const float *x)
{
    double mean = sum_off(x, 0, j->dim, false) / (double)j->dim, mean_g = 0, mean_gn = 0;
    double inverse = 1.0 / sqrt(sum_off(x, mean, j->dim, true) / (double)j->dim + (double)j->eps);

    for (size_t i = 0; i < j->dim; i++) {
        double g = (double)(dy[i] * j->w[i]);
        mean_g += g;
        mean_gn += g * ((double)x[i] - mean) * inverse;
    }
    mean_g /= (double)j->dim;
    mean_gn /= (double)j->dim;
    for (size_t i = 0; i < j->dim; i++)
        dx[i] += (float)(((double)(dy[i] * j->w[i]) - mean_g - ((double)x[i] - mean) * inverse * mean_gn) * inverse);
}

static void layer_grad_rows(void *arg, size_t begin, size_t end)
{
    const struct norm_job *j = arg;

    for (size_t r = begin; r < end; r++)
        layer_grad_row(j, j->y + r * j->ld, j->dy + r * j->ld, j->x + r * j->ld);
}

/* dw += dy n, one row after the other: the sum does not depend on the threads. */
static void layer_grad_weight(const struct norm_job *j, float *dw, size_t rows)
{
    for (size_t r = 0; r < rows; r++) {
        const float *x = j->x + r * j->ld, *dy = j->dy + r * j->ld;
        double mean = sum_off(x, 0, j->dim, false) / (double)j->dim;
        double inverse = 1.0 / sqrt(sum_off(x, mean, j->dim, true) / (double)j->dim + (double)j->eps);

        for (size_t i = 0; i < j->dim; i++)
            dw[i] += (float)((double)dy[i] * ((double)x[i] - mean) * inverse);
    }
}

void layernorm_backward(struct compute *c, float *dx, float *dw, float *db, const float *dy, const float *x, size_t ld, const float *w,
                        size_t rows, size_t dim, float eps)
{
    struct norm_job j = { .vec = compute_vec(c), .y = dx, .x = x, .w = w, .dy = dy, .eps = eps, .ld = ld, .dim = dim };

    if (dx)
        compute_parallel(c, rows, GRAIN, layer_grad_rows, &j);
    if (dw)
        layer_grad_weight(&j, dw, rows);
    for (size_t r = 0; db && r < rows; r++)
        j.vec->axpy(db, dy + r * ld, 1, dim);
}
