/*
 * Loading: every tensor that the family row asks for must be there with its shape, and every tensor in the files must
 * have been asked for, so that a checkpoint of something else is refused instead of half used. One weight: weight_load.c.
 */
#include "engine/model.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/gguf.h"
#include "engine/weight_load.h"

#define CHECK_VALUES_MAX ((size_t)512 << 20)
#define TELL_EVERY_US    2000000

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
    TRY(weight_load_linear(l, weight, out, in, &x->w));
    return bias ? weight_load_vector(l, bias_name, out, &x->bias) : ERR_OK;
}

static errc load_norm(struct loader *l, const char *path, size_t n, struct norm *out)
{
    AUTO_MEM char *weight = xasprintf("%s.weight", path), *bias = xasprintf("%s.bias", path);

    TRY(weight_load_vector(l, weight, n, &out->w));
    return l->m->config.layernorm ? weight_load_vector(l, bias, n, &out->b) : ERR_OK;
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

    TRY(weight_load_dense(l, embed, m->config.vocab, m->config.hidden, &m->embed, &t));
    TRY(weight_check_loaded(l, embed, &m->embed));
    TRY(load_norm(l, names->norm_final, m->config.hidden, &m->norm_final));
    if (m->config.head_bias)
        TRY(weight_load_vector(l, "lm_head.bias", m->config.vocab, &m->head_bias));
    m->head = m->embed;
    if (m->config.tied)
        source_use(l->source, "lm_head.weight");        /* some tied checkpoints carry a copy */
    else
        TRY(weight_load_dense(l, "lm_head.weight", m->config.vocab, m->config.hidden, &m->head, &t));
    if (quantizes_to_panels(l) && !t.blocks)
        return weight_to_panels(l, "lm_head.weight", &m->head);
    if (!m->config.tied)
        TRY(weight_check_loaded(l, "lm_head.weight", &m->head));
    return weight_blocks_to_panels(l, m->config.tied ? embed : "lm_head.weight", &m->head);
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

    TRY(weight_check_finite(m->dir, embed, &m->embed, e));
    TRY(weight_check_finite(m->dir, "lm_head.weight", &m->head, e));
    for (size_t i = 0; i < m->n_linears; i++) {
        AUTO_MEM char *name = xasprintf("%s.weight", m->linears[i].path);
        TRY(weight_check_finite(m->dir, name, &m->linears[i].w, e));
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
