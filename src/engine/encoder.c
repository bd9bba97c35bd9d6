/* The forward pass of an encoder and its pooling. */
#include <math.h>

#include "engine/encoder_priv.h"

struct encoder {
    struct encoder_config c;
    struct encoder_info info;
    struct safetensors *file;           /* the weights lend from it */
    struct encoder_weights w;
    struct compute *compute;
};

/* x [T, D] and scratch of one text */
struct run { float *x, *qkv, *y, *inter; size_t tokens; };

static void run_done(struct run *r)
{
    free(r->x);
    free(r->qkv);
    free(r->y);
    free(r->inter);
}

static void apply(struct encoder *x, const struct linear *l, float *y, size_t ldy, const float *in, size_t rows)
{
    gemm_forward(x->compute, y, ldy, in, l->w.in, rows, &l->w);
    add_bias(x->compute, y, ldy, l->bias, rows, l->w.out);
}

/* x = norm(x + y) */
static void add_norm(struct encoder *x, struct run *r, const struct norm *n)
{
    size_t d = x->c.hidden;

    axpy(x->compute, r->x, r->y, 1, r->tokens * d);
    layernorm_forward(x->compute, r->x, r->x, d, n->w, n->b, r->tokens, d, x->c.norm_eps);
}

static void run_layer(struct encoder *x, struct run *r, const struct encoder_layer *l)
{
    size_t d = x->c.hidden, t = r->tokens;

    apply(x, &l->q, r->qkv, 3 * d, r->x, t);
    apply(x, &l->k, r->qkv + d, 3 * d, r->x, t);
    apply(x, &l->v, r->qkv + 2 * d, 3 * d, r->x, t);
    attention_full_forward(x->compute, r->inter, d, r->qkv, r->qkv + d, r->qkv + 2 * d, 3 * d, t, x->c.heads, d / x->c.heads);
    apply(x, &l->attention_out, r->y, d, r->inter, t);
    add_norm(x, r, &l->attention_norm);
    apply(x, &l->inter, r->inter, x->c.inter, r->x, t);
    act_forward(x->compute, r->inter, t * x->c.inter, x->c.act);
    apply(x, &l->out, r->y, d, r->inter, t);
    add_norm(x, r, &l->out_norm);
}

static void embed_tokens(struct encoder *x, const int32_t *ids, struct run *r)
{
    size_t d = x->c.hidden;

    for (size_t i = 0; i < r->tokens; i++)
        weight_rows_f32(&x->w.words, r->x + i * d, (size_t)ids[i], 1);
    weight_rows_f32(&x->w.positions, r->y, x->c.first_position, r->tokens);
    axpy(x->compute, r->x, r->y, 1, r->tokens * d);
    if (x->w.type0)
        add_bias(x->compute, r->x, d, x->w.type0, r->tokens, d);
    layernorm_forward(x->compute, r->x, r->x, d, x->w.norm.w, x->w.norm.b, r->tokens, d, x->c.norm_eps);
}

static void pool(enum pooling how, const float *x, size_t tokens, size_t d, float *out)
{
    const float *one = how == POOL_LAST ? x + (tokens - 1) * d : x;

    memcpy(out, one, d * sizeof *out);
    for (size_t i = 1; i < tokens && how != POOL_CLS && how != POOL_LAST; i++)
        for (size_t k = 0; k < d; k++)
            out[k] = how == POOL_MAX ? fmaxf(out[k], x[i * d + k]) : out[k] + x[i * d + k];
    float divisor = how == POOL_MEAN ? (float)tokens : how == POOL_MEAN_SQRT ? sqrtf((float)tokens) : 1;
    for (size_t k = 0; k < d; k++)
        out[k] /= divisor;
}

static void normalize(float *v, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)v[i] * (double)v[i];
    float length = fmaxf((float)sqrt(sum), 1e-12f);
    for (size_t i = 0; i < n; i++)
        v[i] /= length;
}

static errc check_ids(const struct encoder *x, const int32_t *ids, size_t n, struct err *e)
{
    if (!n)
        return err_set(e, ERR_BAD_REQUEST, "a text without a token has no vector");
    if (n > x->info.max_tokens)
        return err_set(e, ERR_BAD_REQUEST, "This model's maximum context length is %zu tokens. However, you requested %zu tokens in the input for embedding generation. "
                       "Please reduce the length of the input.", x->info.max_tokens, n);
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= x->c.vocab)
            return err_set(e, ERR_BAD_REQUEST, "token %d is not in the vocabulary of %zu", ids[i], x->c.vocab);
    return ERR_OK;
}

errc encoder_embed(struct encoder *x, const int32_t *ids, size_t n, float *out, struct err *e)
{
    size_t d = x->c.hidden, wide = x->c.inter > d ? x->c.inter : d;

    TRY(check_ids(x, ids, n, e));
    AUTO(run_done) struct run r = { .x = mem_try_alloc(n * d, sizeof(float)), .qkv = mem_try_alloc(n * d, 3 * sizeof(float)),
                                    .y = mem_try_alloc(n * d, sizeof(float)), .inter = mem_try_alloc(n * wide, sizeof(float)), .tokens = n };
    if (!r.x || !r.qkv || !r.y || !r.inter)
        return err_set(e, ERR_TOO_LARGE, "no memory for a text of %zu tokens", n);
    embed_tokens(x, ids, &r);
    for (size_t i = 0; i < x->w.n_layers; i++)
        run_layer(x, &r, &x->w.layers[i]);
    pool(x->c.pooling, r.x, n, d, out);
    if (x->c.normalize)
        normalize(out, d);
    return ERR_OK;
}

const struct encoder_info *encoder_info(const struct encoder *x) { return &x->info; }

errc encoder_open(const char *model_dir, int threads, struct encoder **out, struct err *e)
{
    AUTO_FREE(encoder) x = xzalloc(sizeof *x);

    TRY(encoder_config_load(model_dir, &x->c, e));
    TRY(safetensors_open_dir(model_dir, &x->file, e));
    TRY(encoder_weights_load(x->file, &x->c, &x->w, e));
    TRY(compute_new(threads, NULL, &x->compute, e));
    x->info = (struct encoder_info){ .dim = x->c.hidden, .max_tokens = x->c.max_tokens, .vocab = x->c.vocab, .lowercase = x->c.lowercase };
    *out = TAKE(x);
    return ERR_OK;
}

void encoder_free(struct encoder *x)
{
    if (!x)
        return;
    encoder_weights_done(&x->w);
    safetensors_free(x->file);
    compute_free(x->compute);
    free(x);
}
