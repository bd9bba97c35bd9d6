/* Safetensors -> an encoder's weights. Every name and shape is checked; a tensor that would change the vector and is not used is refused. */
#include "engine/encoder_priv.h"

struct loader {
    const struct safetensors *s;
    const struct encoder_config *c;
    const char *prefix;                 /* "" or the family's */
    size_t used;
    struct err *e;
};

/* Parts of checkpoints that no vector depends on. */
static const char *const spare[] = { "pooler.", "cls.", "lm_head.", "classifier.", "pre_classifier.", "qa_outputs.", "vocab_", "embeddings.position_ids", "embeddings.token_type_ids" };

static const struct tensor *find(struct loader *l, const char *name)
{
    AUTO_MEM char *full = xasprintf("%s%s", l->prefix, name);
    const struct tensor *t = safetensors_get(l->s, full);

    l->used += t != NULL;
    return t;
}

static errc shaped(struct loader *l, const char *name, size_t rows /* 0: a vector */, size_t n, const struct tensor **out)
{
    const struct tensor *t = find(l, name);
    char shape[TENSOR_SHAPE_TEXT_MAX];

    if (!t)
        return err_set(l->e, ERR_NOT_FOUND, "%s: tensor %s%s is missing", safetensors_path(l->s), l->prefix, name);
    bool fits = rows ? t->ndim == 2 && t->shape[0] == rows && t->shape[1] == n : t->ndim == 1 && t->shape[0] == n;
    if (!fits)
        return err_set(l->e, ERR_INVALID, "%s: tensor %s%s has shape %s, not [%zu%s%.0zu]", safetensors_path(l->s), l->prefix, name, tensor_shape_text(t, shape),
                       rows ? rows : n, rows ? ", " : "", rows ? n : 0);
    *out = t;
    return ERR_OK;
}

static errc floats(struct loader *l, const char *name, const struct tensor *t, size_t n, float **out)
{
    AUTO_MEM float *v = xcalloc(n, sizeof *v);

    if (dtype_to_f32(v, t->data, t->dtype, n, l->e))
        return err_wrap(l->e, "tensor %s", name);
    *out = TAKE(v);
    return ERR_OK;
}

static errc vector(struct loader *l, const char *name, size_t n, float **out)
{
    const struct tensor *t = NULL;

    TRY(shaped(l, name, 0, n, &t));
    return floats(l, name, t, n, out);
}

static errc matrix(struct loader *l, const char *name, size_t rows, size_t n, struct weight *out)
{
    const struct tensor *t = NULL;

    TRY(shaped(l, name, rows, n, &t));
    if (t->dtype != DTYPE_F32 && t->dtype != DTYPE_BF16 && t->dtype != DTYPE_F16)
        return err_set(l->e, ERR_UNSUPPORTED, "%s: tensor %s is %s, not F32, BF16 or F16", safetensors_path(l->s), name, dtype_name(t->dtype));
    if (dtype_find_not_finite(t->data, t->dtype, t->len) < t->len)
        return err_set(l->e, ERR_INVALID, "%s: tensor %s holds what is not a number", safetensors_path(l->s), name);
    *out = (struct weight){ .out = rows, .in = n, .kind = WEIGHT_DENSE, .dtype = t->dtype, .data = t->data };
    return ERR_OK;
}

static errc linear(struct loader *l, const char *at, const char *part, size_t out, size_t in, struct linear *to)
{
    AUTO_MEM char *w = xasprintf("%s%s.weight", at, part), *b = xasprintf("%s%s.bias", at, part);

    TRY(matrix(l, w, out, in, &to->w));
    return vector(l, b, out, &to->bias);
}

/* Checkpoints converted from TensorFlow call them gamma and beta. */
static errc norm(struct loader *l, const char *at, const char *part, struct norm *to)
{
    AUTO_MEM char *gamma = xasprintf("%s%s%s.gamma", l->prefix, at, part);
    bool old = safetensors_get(l->s, gamma) != NULL;
    AUTO_MEM char *w = xasprintf("%s%s.%s", at, part, old ? "gamma" : "weight"), *b = xasprintf("%s%s.%s", at, part, old ? "beta" : "bias");

    TRY(vector(l, w, l->c->hidden, &to->w));
    return vector(l, b, l->c->hidden, &to->b);
}

static errc layer(struct loader *l, size_t i, struct encoder_layer *to)
{
    const struct encoder_family *f = l->c->family;
    AUTO_MEM char *at = xasprintf("%s%zu.", f->layer, i);
    size_t d = l->c->hidden;

    TRY(linear(l, at, f->query, d, d, &to->q));
    TRY(linear(l, at, f->key, d, d, &to->k));
    TRY(linear(l, at, f->value, d, d, &to->v));
    TRY(linear(l, at, f->attention_out, d, d, &to->attention_out));
    TRY(norm(l, at, f->attention_norm, &to->attention_norm));
    TRY(linear(l, at, f->inter, l->c->inter, d, &to->inter));
    TRY(linear(l, at, f->out, d, l->c->inter, &to->out));
    return norm(l, at, f->out_norm, &to->out_norm);
}

static errc embeddings(struct loader *l, struct encoder_weights *w)
{
    const struct encoder_config *c = l->c;
    const struct tensor *types;

    TRY(matrix(l, "embeddings.word_embeddings.weight", c->vocab, c->hidden, &w->words));
    TRY(matrix(l, "embeddings.position_embeddings.weight", c->positions, c->hidden, &w->positions));
    TRY(norm(l, "embeddings.", "LayerNorm", &w->norm));
    if (!c->family->token_types)
        return ERR_OK;
    types = find(l, "embeddings.token_type_embeddings.weight");
    if (!types || types->ndim != 2 || types->shape[1] != c->hidden)
        return err_set(l->e, ERR_INVALID, "%s: tensor embeddings.token_type_embeddings.weight is missing or is not [types, %zu]", safetensors_path(l->s), c->hidden);
    return floats(l, "embeddings.token_type_embeddings.weight", types, c->hidden, &w->type0);
}

static bool is_spare(const struct loader *l, const char *name)
{
    struct str rest = str_of(name);

    if (str_has_prefix(rest, str_of(l->prefix)))
        rest = str_from(rest, strlen(l->prefix));
    for (size_t i = 0; i < ARRAY_LEN(spare); i++)
        if (str_has_prefix(rest, str_of(spare[i])))
            return true;
    return false;
}

/* What was asked for and what is spare must be all there is. */
static errc check_rest(struct loader *l, struct err *e)
{
    size_t n = safetensors_count(l->s), spares = 0;
    AUTO_MEM char *layers = xasprintf("%s%s", l->prefix, l->c->family->layer);

    for (size_t i = 0; i < n; i++)
        spares += is_spare(l, safetensors_name(l->s, i));
    if (l->used + spares == n)
        return ERR_OK;
    return err_set(e, ERR_UNSUPPORTED, "%s: %zu tensors beyond the %zu that %zu layers (%s*) and their embeddings need", safetensors_path(l->s), n - l->used - spares,
                   l->used, l->c->layers, layers);
}

errc encoder_weights_load(const struct safetensors *s, const struct encoder_config *c, struct encoder_weights *out, struct err *e)
{
    struct loader l = { .s = s, .c = c, .prefix = "", .e = e };
    AUTO_MEM char *headed = xasprintf("%sembeddings.word_embeddings.weight", c->family->prefix);

    if (safetensors_get(s, headed))
        l.prefix = c->family->prefix;
    out->layers = xcalloc(c->layers, sizeof *out->layers);
    out->n_layers = c->layers;
    TRY(embeddings(&l, out));
    for (size_t i = 0; i < c->layers; i++)
        TRY(layer(&l, i, &out->layers[i]));
    return check_rest(&l, e);
}

static void norm_done(struct norm *n)
{
    free(n->w);
    free(n->b);
}

void encoder_weights_done(struct encoder_weights *w)
{
    for (size_t i = 0; i < w->n_layers; i++) {
        struct encoder_layer *l = &w->layers[i];
        struct linear *const all[] = { &l->q, &l->k, &l->v, &l->attention_out, &l->inter, &l->out };
        for (size_t k = 0; k < ARRAY_LEN(all); k++)
            free(all[k]->bias);
        norm_done(&l->attention_norm);
        norm_done(&l->out_norm);
    }
    norm_done(&w->norm);
    free(w->type0);
    free(w->layers);
    *w = (struct encoder_weights){ 0 };
}
