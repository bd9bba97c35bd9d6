/* Next-token loss and its gradient. */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "engine/kernels.h"
#include "tensor/vec.h"

struct loss_job {
    const struct vec_ops *vec;
    const float *logits;
    float *grad, *lse;
    const int32_t *labels;
    size_t ld, vocab;
    float weight;
};

/* To some 1e-6: a mean over thousands of tokens is compared with transformers to 6 digits. */
static float log_sum_exp(const struct loss_job *j, const float *x)
{
    float largest = j->vec->max(x, j->vocab);

    return (float)log(j->vec->exp_total(x, largest, j->vocab)) + largest;
}

static void lse_rows(void *arg, size_t begin, size_t end)
{
    const struct loss_job *j = arg;

    for (size_t r = begin; r < end; r++)
        j->lse[r] = j->labels[r] >= 0 ? log_sum_exp(j, j->logits + r * j->ld) : 0;
}

double cross_entropy_forward(struct compute *c, const float *logits, size_t ld, const int32_t *labels, size_t rows,
                             size_t vocab, size_t *out_count, float *lse)
{
    AUTO_MEM float *own = lse ? NULL : xcalloc(rows + 1, sizeof *own);
    struct loss_job j = { .vec = compute_vec(c), .logits = logits, .lse = lse ? lse : own, .labels = labels, .ld = ld, .vocab = vocab };
    double sum = 0;

    *out_count = 0;
    compute_parallel(c, rows, 1, lse_rows, &j);
    for (size_t r = 0; r < rows; r++)
        if (labels[r] >= 0) {
            sum += (double)j.lse[r] - (double)logits[r * ld + (size_t)labels[r]];
            ++*out_count;
        }
    return sum;
}

static void grad_rows(void *arg, size_t begin, size_t end)
{
    const struct loss_job *j = arg;

    for (size_t r = begin; r < end; r++) {
        float *x = j->grad + r * j->ld;

        if (j->labels[r] < 0) {
            memset(x, 0, j->vocab * sizeof *x);
            continue;
        }
        float sum = j->vec->exp_sum(x, j->vec->max(x, j->vocab), j->vocab);
        j->vec->scale(x, j->weight / sum, j->vocab);
        x[j->labels[r]] -= j->weight;
    }
}

void cross_entropy_backward(struct compute *c, float *logits, size_t ld, const int32_t *labels, size_t rows, size_t vocab,
                            float weight)
{
    struct loss_job j = { .vec = compute_vec(c), .grad = logits, .labels = labels, .ld = ld, .vocab = vocab, .weight = weight };

    compute_parallel(c, rows, 1, grad_rows, &j);
}
