/*
 * Loading: every tensor that the family row asks for must be there with its shape, and every tensor in the files must
 * have been asked for, so that a checkpoint of something else is refused instead of half used.
 */
#include "engine/model.h"

#include <math.h>
#include <omp.h>
#include <sched.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/gguf.h"
#include "engine/priv.h"
#include "tensor/panels_blocks.h"

struct loader {
    struct model *m;
    const struct model_opts *o;
    struct source *source;
    int64_t told_us;            /* when o->loading was called last, or loading began */
    bool checks_values;         /* looks at every element; large checkpoints are mapped and stay unread until used */
    struct err *e;
};

#define CHECK_VALUES_MAX ((size_t)512 << 20)
#define TELL_EVERY_US    2000000

static errc wrong_shape(const struct loader *l, const char *name, const struct tensor *t, const char *expected)
{
    char text[TENSOR_SHAPE_TEXT_MAX];

    return err_set(l->e, ERR_INVALID, "%s: tensor %s: expected shape %s, found %s", source_file(l->source, name), name, expected,
                   tensor_shape_text(t, text));
}

/* A vector as f32: norms and biases. */
static errc load_vector(struct loader *l, const char *name, size_t n, float **out)
{
    struct source_tensor found;
    const struct tensor *t = &found.t;
    char expected[32];

    TRY(source_need(l->source, name, &found, l->e));
    snprintf(expected, sizeof expected, "[%zu]", n);
    if (t->ndim != 1 || t->len != n)
        return wrong_shape(l, name, t, expected);
    *out = xcalloc(n, sizeof **out);
    if (found.blocks)
        return err_set(l->e, ERR_UNSUPPORTED, "%s: tensor %s: a vector in %s is not read; F32, BF16 and F16 are", source_file(l->source, name),
                       name, found.blocks->name);
    if (dtype_to_f32(*out, t->data, t->dtype, n, l->e))
        return err_wrap(l->e, "%s: tensor %s", source_file(l->source, name), name);
    for (size_t i = 0; i < n; i++)
        if (!isfinite((*out)[i]))
            return err_set(l->e, ERR_CORRUPT, "%s: tensor %s: element %zu is not a finite number", source_file(l->source, name), name, i);
    return ERR_OK;
}

/* The place of the first element that is infinite or not a number; out * in when there is none. NF4 and panels have no such elements. */
static size_t find_not_finite(const struct weight *w)
{
    size_t n = w->out * w->in;

    if (w->kind == WEIGHT_DENSE)
        return dtype_find_not_finite(w->data, w->dtype, n);
    AUTO_MEM float *row = xcalloc(w->in, sizeof *row);
    for (size_t o = 0; w->kind == WEIGHT_BLOCKS && o < w->out; o++) {
        weight_rows_f32(w, row, o, 1);
        size_t at = dtype_find_not_finite(row, DTYPE_F32, w->in);
        if (at < w->in)
            return o * w->in + at;
    }
    return n;
}

static errc check_finite(const char *file, const char *name, const struct weight *w, struct err *e)
{
    size_t n = w->out * w->in, at = find_not_finite(w);

    return at < n ? err_set(e, ERR_CORRUPT, "%s: tensor %s: element %zu is not a finite number", file, name, at) : ERR_OK;
}

static errc check_loaded(const struct loader *l, const char *name, const struct weight *w)
{
    return l->checks_values ? check_finite(source_file(l->source, name), name, w, l->e) : ERR_OK;
}

/* Its values are not looked at. */
static errc load_dense(struct loader *l, const char *name, size_t out, size_t in, struct weight *w, struct source_tensor *found)
{
    const struct tensor *t = &found->t;
    char expected[64];

    TRY(source_need(l->source, name, found, l->e));
    snprintf(expected, sizeof expected, "[%zu, %zu]", out, in);
    if (t->ndim != 2 || t->shape[0] != out || t->shape[1] != in)
        return wrong_shape(l, name, t, expected);
    if (found->blocks) {
        *w = weight_blocks(found->blocks, t->data, out, in);
        return ERR_OK;
    }
    if (t->dtype != DTYPE_F32 && t->dtype != DTYPE_BF16 && t->dtype != DTYPE_F16)
        return err_set(l->e, ERR_UNSUPPORTED, "%s: tensor %s: dtype %s is not read; F32, BF16 and F16 are", source_file(l->source, name),
                       name, dtype_name(t->dtype));
    *w = (struct weight){ .out = out, .in = in, .kind = WEIGHT_DENSE, .dtype = t->dtype, .data = t->data };
    return ERR_OK;
}

static const char *const nf4_suffixes[] = {
    ".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map", ".quant_state.bitsandbytes__nf4", ".quant_state.bitsandbytes__fp4",
};

static errc load_prequantized(struct loader *l, const char *name, size_t out, size_t in, struct weight *w)
{
    size_t rows, cols;

    TRY(nf4_from_checkpoint(source_safetensors(l->source), name, &w->nf4, &rows, &cols, l->e));
    w->kind = WEIGHT_NF4;
    w->out = out;
    w->in = in;
    source_use(l->source, name);
    for (size_t i = 0; i < ARRAY_LEN(nf4_suffixes); i++) {
        AUTO_MEM char *part = xasprintf("%s%s", name, nf4_suffixes[i]);
        source_use(l->source, part);
    }
    if (rows != out || cols != in)
        return err_set(l->e, ERR_INVALID, "%s: tensor %s: expected shape [%zu, %zu], its quant_state says [%zu, %zu]",
                       source_file(l->source, name), name, out, in, rows, cols);
    return ERR_OK;
}

static bool is_prequantized(const struct loader *l, const char *name)
{
    const struct safetensors *s = source_safetensors(l->source);

    if (!l->m->config.prequantized)
        return false;
    AUTO_MEM char *state = nf4_state_name(s, name);
    return safetensors_get(s, state) != NULL;
}

static int quantize_threads(const struct loader *l) { return l->o->threads > 0 ? l->o->threads : omp_get_num_procs(); }

static bool by_panels(const struct loader *l) { return l->o->quantize == QUANTIZE_INT8 || l->o->quantize == QUANTIZE_Q4; }

/* w's elements are in `by` now: those in the file need not stay in memory. */
static void replace_mapped(struct weight *w, struct weight by)
{
    file_map_forget(w->data, weight_bytes(w));
    *w = by;
}

static errc quantize_to_panels(const struct loader *l, const char *name, struct weight *w)
{
    struct panels p;

    if (panels_from_weight(w, l->o->quantize == QUANTIZE_Q4 ? PANELS_Q4 : PANELS_INT8, quantize_threads(l), &p, l->e))
        return err_wrap(l->e, "%s: tensor %s", source_file(l->source, name), name);
    replace_mapped(w, (struct weight){ .out = w->out, .in = w->in, .kind = WEIGHT_PANELS, .panels = p });
    return ERR_OK;
}

/* The same numbers in the order that products with 8-bit activations read; what there are no panels for stays mapped. */
static errc blocks_to_panels(const struct loader *l, const char *name, struct weight *w)
{
    struct panels p;

    if (!l->o->panels || w->kind != WEIGHT_BLOCKS || !panels_have_blocks(w->blocks))
        return ERR_OK;
    if (panels_from_blocks(w, quantize_threads(l), &p, l->e))
        return err_wrap(l->e, "%s: tensor %s", source_file(l->source, name), name);
    replace_mapped(w, (struct weight){ .out = w->out, .in = w->in, .kind = WEIGHT_PANELS, .panels = p });
    return ERR_OK;
}

static errc nf4_to_panels(const struct loader *l, const char *name, struct weight *w)
{
    struct panels p;

    if (!l->o->panels || w->in % NF4_BLOCK || w->nf4.code != nf4_code)
        return ERR_OK;
    if (panels_from_nf4(w, quantize_threads(l), &p, l->e))
        return err_wrap(l->e, "%s: tensor %s", source_file(l->source, name), name);
    if (!w->nf4.owned_packed)
        file_map_forget(w->nf4.packed, w->nf4.n / 2);
    weight_done(w);
    *w = (struct weight){ .out = p.out, .in = p.in, .kind = WEIGHT_PANELS, .panels = p };
    return ERR_OK;
}

/* t as it is in the options' type, in *out; what becomes wider has the values it had and stays. */
static errc as_dtype(const struct loader *l, const char *name, struct tensor *t, void **out)
{
    enum { PIECE = 4096 };
    size_t from = dtype_size(t->dtype), to = dtype_size(l->o->dtype);
    bool failed = false;

    if (!l->o->as_dtype || l->o->dtype == t->dtype || to > from)
        return ERR_OK;
    *out = mem_try_alloc(t->len, to);
    if (!*out)
        return err_set(l->e, ERR_UNAVAILABLE, "%s: tensor %s: no memory for %zu values", source_file(l->source, name), name, t->len);
    #pragma omp parallel for num_threads(quantize_threads(l)) reduction(|| : failed)
    for (size_t at = 0; at < t->len; at += PIECE) {
        size_t n = t->len - at < PIECE ? t->len - at : PIECE;
        float values[PIECE];
        failed = failed || dtype_to_f32(values, (const char *)t->data + at * from, t->dtype, n, NULL) ||
                 dtype_from_f32((char *)*out + at * to, l->o->dtype, values, n, NULL);
    }
    if (failed)
        return err_set(l->e, ERR_UNSUPPORTED, "%s: tensor %s: dtype %s does not become %s", source_file(l->source, name), name, dtype_name(t->dtype),
                       dtype_name(l->o->dtype));
    t->dtype = l->o->dtype;
    t->data = *out;
    return ERR_OK;
}

static errc load_linear_weight(struct loader *l, const char *name, size_t out, size_t in, struct weight *w)
{
    struct source_tensor found;

    if (is_prequantized(l, name)) {
        TRY(load_prequantized(l, name, out, in, w));
        return nf4_to_panels(l, name, w);
    }
    TRY(load_dense(l, name, out, in, w, &found));
    if (l->o->quantize == QUANTIZE_NONE) {
        TRY(check_loaded(l, name, w));
        return blocks_to_panels(l, name, w);
    }
    if (found.blocks)
        return err_set(l->e, ERR_UNSUPPORTED, "%s: tensor %s is %s already; leave --quantization out", source_file(l->source, name), name,
                       found.blocks->name);
    if (by_panels(l))
        return quantize_to_panels(l, name, w);
    struct nf4 nf4;
    AUTO_MEM void *converted = NULL;
    TRY(as_dtype(l, name, &found.t, &converted));
    bool fp4 = l->o->quantize == QUANTIZE_FP4 || l->o->quantize == QUANTIZE_FP4_DOUBLE;
    bool twice = l->o->quantize == QUANTIZE_NF4_DOUBLE || l->o->quantize == QUANTIZE_FP4_DOUBLE;
    if (nf4_from_tensor(&found.t, fp4 ? fp4_code : nf4_code, twice, quantize_threads(l), &nf4, l->e))
        return err_wrap(l->e, "%s: tensor %s", source_file(l->source, name), name);
    if (l->o->as_dtype)
        nf4.dtype = l->o->dtype;
    replace_mapped(w, (struct weight){ .out = out, .in = in, .kind = WEIGHT_NF4, .nf4 = nf4 });
    return nf4_to_panels(l, name, w);
}

/* The next linear of the model: the module's name within `parent` ("model.layers.0"), shape. */
static errc add_linear(struct loader *l, const char *parent, const char *module, size_t out, size_t in, bool bias, size_t out_offset,
                       struct linear **slot)
{
    struct linear *x = &l->m->linears[l->m->n_linears];

    x->index = l->m->n_linears++;
    x->path = xasprintf("%s.%s", parent, module);
    x->out_offset = out_offset;
    *slot = x;
    AUTO_MEM char *weight = xasprintf("%s.weight", x->path), *bias_name = xasprintf("%s.bias", x->path);
    TRY(load_linear_weight(l, weight, out, in, &x->w));
    return bias ? load_vector(l, bias_name, out, &x->bias) : ERR_OK;
}

static errc load_norm(struct loader *l, const char *path, size_t n, struct norm *out)
{
    AUTO_MEM char *weight = xasprintf("%s.weight", path), *bias = xasprintf("%s.bias", path);

    TRY(load_vector(l, weight, n, &out->w));
    return l->m->config.layernorm ? load_vector(l, bias, n, &out->b) : ERR_OK;
}

/* name NULL: the family has none here. */
static errc load_layer_norm(struct loader *l, const char *parent, const char *name, size_t n, struct norm *out)
{
    if (!name)
        return ERR_OK;
    AUTO_MEM char *path = xasprintf("%s.%s", parent, name);
    return load_norm(l, path, n, out);
}

static errc load_attention(struct loader *l, const char *at, struct layer *y)
{
    const struct model_config *c = &l->m->config;
    const struct module_names *name = c->family->names;
    size_t q = model_q_width(c), kv = model_kv_width(c);
    bool whole = c->family->qk_norm == QK_NORM_WHOLE;

    if (c->family->qkv == QKV_SPLIT) {
        y->n_attn_in = 3;
        TRY(add_linear(l, at, name->q, q, c->hidden, c->qkv_bias, 0, &y->attn_in[0]));
        TRY(add_linear(l, at, name->k, kv, c->hidden, c->qkv_bias, q, &y->attn_in[1]));
        TRY(add_linear(l, at, name->v, kv, c->hidden, c->qkv_bias, q + kv, &y->attn_in[2]));
    } else {
        y->n_attn_in = 1;
        TRY(add_linear(l, at, name->qkv, q + 2 * kv, c->hidden, c->qkv_bias, 0, &y->attn_in[0]));
    }
    TRY(add_linear(l, at, name->o, c->hidden, q, c->o_bias, 0, &y->attn_out));
    if (!c->qk_norm)
        return ERR_OK;
    TRY(load_layer_norm(l, at, name->q_norm, whole ? q : c->head_dim, &y->q_norm));
    return load_layer_norm(l, at, name->k_norm, whole ? kv : c->head_dim, &y->k_norm);
}

static errc load_mlp(struct loader *l, const char *at, struct mlp *x)
{
    const struct model_config *c = &l->m->config;
    const struct module_names *name = c->family->names;

    x->n_in = 1;
    if (c->family->mlp == MLP_GATED_FUSED) {
        TRY(add_linear(l, at, name->gate_up, 2 * c->inter, c->hidden, c->mlp_bias, 0, &x->in[0]));
    } else if (c->family->mlp == MLP_PLAIN) {
        TRY(add_linear(l, at, name->up, c->inter, c->hidden, c->mlp_bias, 0, &x->in[0]));
    } else {
        x->n_in = 2;
        TRY(add_linear(l, at, name->gate, c->inter, c->hidden, c->mlp_bias, 0, &x->in[0]));
        TRY(add_linear(l, at, name->up, c->inter, c->hidden, c->mlp_bias, c->inter, &x->in[1]));
    }
    return add_linear(l, at, name->down, c->hidden, c->inter, c->mlp_bias, 0, &x->out);
}

static errc load_experts(struct loader *l, const char *at, struct layer *y)
{
    const struct model_config *c = &l->m->config;

    struct loader as_stored = *l;               /* which experts a token takes is not for rounding */

    as_stored.o = &(struct model_opts){ .threads = l->o->threads };
    y->experts = xcalloc(c->experts, sizeof *y->experts);
    TRY(add_linear(&as_stored, at, c->family->names->router, c->experts, c->hidden, false, 0, &y->router));
    for (size_t i = 0; i < c->experts; i++) {
        AUTO_MEM char *expert = xasprintf("%s.%s.%zu", at, c->family->names->experts, i);
        TRY(load_mlp(l, expert, &y->experts[i]));
    }
    return ERR_OK;
}

static errc load_layer(struct loader *l, size_t i)
{
    const struct model_config *c = &l->m->config;
    const struct model_family *f = c->family;
    struct layer *y = &l->m->layers[i];
    AUTO_MEM char *at = xasprintf("%s.%zu", f->names->layers, i);

    y->slides = c->sliding[i] && c->window;
    y->local_rope = c->sliding[i] && f->local_theta > 0;
    y->qk_norm_whole = f->qk_norm == QK_NORM_WHOLE;
    TRY(load_layer_norm(l, at, f->norm_attn, c->hidden, &y->norm_attn));
    TRY(load_layer_norm(l, at, f->norm_attn_out, c->hidden, &y->norm_attn_out));
    TRY(load_layer_norm(l, at, f->norm_mlp, c->hidden, &y->norm_mlp));
    TRY(load_layer_norm(l, at, f->norm_mlp_out, c->hidden, &y->norm_mlp_out));
    TRY(load_attention(l, at, y));
    return c->experts ? load_experts(l, at, y) : load_mlp(l, at, &y->mlp);
}

static errc load_ends(struct loader *l)
{
    struct model *m = l->m;
    const struct module_names *names = m->config.family->names;
    AUTO_MEM char *embed = xasprintf("%s.weight", names->embed);
    struct source_tensor t;

    TRY(load_dense(l, embed, m->config.vocab, m->config.hidden, &m->embed, &t));
    TRY(check_loaded(l, embed, &m->embed));
    TRY(load_norm(l, names->norm_final, m->config.hidden, &m->norm_final));
    if (m->config.head_bias)
        TRY(load_vector(l, "lm_head.bias", m->config.vocab, &m->head_bias));
    m->head = m->embed;
    if (m->config.tied)
        source_use(l->source, "lm_head.weight");        /* some tied checkpoints carry a copy */
    else
        TRY(load_dense(l, "lm_head.weight", m->config.vocab, m->config.hidden, &m->head, &t));
    if (by_panels(l) && !t.blocks)
        return quantize_to_panels(l, "lm_head.weight", &m->head);
    if (!m->config.tied)
        TRY(check_loaded(l, "lm_head.weight", &m->head));
    return blocks_to_panels(l, m->config.tied ? embed : "lm_head.weight", &m->head);
}

static errc check_all_used(const struct loader *l)
{
    const char *name = source_unused(l->source);

    return name ? err_set(l->e, ERR_UNSUPPORTED, "%s: tensor %s has no place in a %s model as its configuration describes it",
                          source_file(l->source, name), name, l->m->config.model_type) : ERR_OK;
}

static void tell(struct loader *l, size_t layers)
{
    int64_t now = clock_mono_us();

    if (!l->o->loading || now - l->told_us < TELL_EVERY_US)
        return;
    l->told_us = now;
    l->o->loading(layers, l->m->config.layers);
}

static errc load_all(struct loader *l)
{
    TRY(load_ends(l));
    for (size_t i = 0; i < l->m->config.layers; i++) {
        tell(l, i);
        TRY(load_layer(l, i));
    }
    return check_all_used(l);
}

/* q, k, v, o and an MLP of three; or a router and an MLP for each expert. */
static size_t linears_per_layer(const struct model_config *c) { return 4 + 1 + 3 * (c->experts ? c->experts : 1); }

static bool checks_values(const struct model *m, const struct model_opts *o)
{
    const struct safetensors *files = source_safetensors(m->source);

    return o->quantize != QUANTIZE_NONE || (files && safetensors_bytes(files) <= CHECK_VALUES_MAX);
}

errc model_load(const char *dir, const struct model_opts *o, struct model **out, struct err *e)
{
    AUTO_FREE(model) m = xzalloc(sizeof *m);

    m->dir = xstrdup(dir);
    TRY(source_open(dir, &m->source, e));
    const struct gguf *g = source_gguf(m->source);
    TRY(g ? gguf_model_config(g, &m->config, e) : model_config_load(dir, &m->config, e));
    m->layers = xcalloc(m->config.layers, sizeof *m->layers);
    m->linears = xcalloc(m->config.layers * linears_per_layer(&m->config), sizeof *m->linears);
    struct loader l = { .m = m, .o = o, .source = m->source, .told_us = clock_mono_us(), .checks_values = checks_values(m, o), .e = e };
    TRY(load_all(&l));
    m->ends[MODEL_HEAD] = (struct linear){ .path = xstrdup("lm_head"), .index = m->n_linears + MODEL_HEAD, .w = m->head };
    m->ends[MODEL_EMBED] = (struct linear){ .path = xstrdup(m->config.family->names->embed), .index = m->n_linears + MODEL_EMBED,
                                            .w = { .out = m->embed.in, .in = m->embed.out } };
    *out = TAKE(m);
    return ERR_OK;
}

static void norm_done(struct norm *n)
{
    free(n->w);
    free(n->b);
}

static void layer_done(struct layer *y)
{
    struct norm *all[] = { &y->norm_attn, &y->norm_mlp, &y->norm_attn_out, &y->norm_mlp_out, &y->q_norm, &y->k_norm };

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        norm_done(all[i]);
    free(y->experts);
}

void model_free(struct model *m)
{
    if (!m)
        return;
    for (size_t i = 0; m->layers && i < m->config.layers; i++)
        layer_done(&m->layers[i]);
    for (size_t i = 0; i < m->n_linears; i++) {
        free(m->linears[i].path);
        free(m->linears[i].bias);
        weight_done(&m->linears[i].w);
    }
    for (size_t i = 0; i < MODEL_ENDS; i++)
        free(m->ends[i].path);
    free(m->layers);
    free(m->linears);
    norm_done(&m->norm_final);
    if (m->head.kind == WEIGHT_PANELS)
        weight_done(&m->head);
    free(m->head_bias);
    source_free(m->source);
    model_config_done(&m->config);
    free(m->dir);
    free(m);
}

errc model_check_finite(const struct model *m, struct err *e)
{
    AUTO_MEM char *embed = xasprintf("%s.weight", m->config.family->names->embed);

    TRY(check_finite(m->dir, embed, &m->embed, e));
    TRY(check_finite(m->dir, "lm_head.weight", &m->head, e));
    for (size_t i = 0; i < m->n_linears; i++) {
        AUTO_MEM char *name = xasprintf("%s.weight", m->linears[i].path);
        TRY(check_finite(m->dir, name, &m->linears[i].w, e));
    }
    return ERR_OK;
}

const struct linear *model_find_linear(const struct model *m, struct str path)
{
    for (size_t i = 0; i < model_adaptables(m); i++)
        if (str_is(path, model_adaptable(m, i)->path))
            return model_adaptable(m, i);
    return NULL;
}

void model_embed(const struct model *m, const struct weight *w, float *x, const int32_t *ids, size_t n)
{
    size_t hidden = m->config.hidden;

    for (size_t i = 0; i < n; i++) {
        weight_rows_f32(w, x + i * hidden, (size_t)ids[i], 1);
        for (size_t k = 0; m->config.embed_scale != 1 && k < hidden; k++)
            x[i * hidden + k] *= m->config.embed_scale;
    }
}

void linear_forward(struct compute *c, const struct linear *l, float *y, size_t ldy, const float *x, size_t ldx, size_t rows)
{
    gemm_forward(c, y + l->out_offset, ldy, x, ldx, rows, &l->w);
    if (l->bias)
        add_bias(c, y + l->out_offset, ldy, l->bias, rows, l->w.out);
}

void model_norm(struct compute *c, const struct model *m, const struct norm *n, float *y, const float *x, size_t ld, size_t rows, size_t dim)
{
    const struct model_config *g = &m->config;

    if (g->layernorm)
        layernorm_forward(c, y, x, ld, n->w, n->b, rows, dim, g->norm_eps);
    else
        rmsnorm_forward(c, y, x, ld, n->w, g->norm_plus, rows, dim, g->norm_eps);
}
