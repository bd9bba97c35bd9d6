#include "engine/modules.h"

#include "base/mem.h"
#include "engine/priv.h"

/* "model.layers.3.input_layernorm", malloc'd. */
static char *norm_path(const struct model *m, size_t layer, const char *name)
{
    return xasprintf("%s.%zu.%s", m->config.family->names->layers, layer, name ? name : "");
}

/* Takes path. */
static errc visit_norm(const struct norm *n, char *path, size_t dim, module_fn *fn, void *self, struct err *e)
{
    AUTO_MEM char *owned = path;

    return n->w ? fn(self, &(struct module){ .part = n, .path = owned, .vector = n->w, .bias = n->b, .rows = dim }, e) : ERR_OK;
}

static errc visit_layer_norms(const struct model *m, size_t i, module_fn *fn, void *self, struct err *e)
{
    const struct model_config *g = &m->config;
    const struct layer *l = &m->layers[i];
    size_t q = l->qk_norm_whole ? model_q_width(g) : g->head_dim, k = l->qk_norm_whole ? model_kv_width(g) : g->head_dim;
    const struct model_family *f = g->family;
    const struct { const struct norm *norm; const char *name; size_t dim; } all[] = {
        { &l->norm_attn, f->norm_attn, g->hidden }, { &l->norm_mlp, f->norm_mlp, g->hidden },
        { &l->norm_attn_out, f->norm_attn_out, g->hidden }, { &l->norm_mlp_out, f->norm_mlp_out, g->hidden },
        { &l->q_norm, f->names->q_norm, q }, { &l->k_norm, f->names->k_norm, k },
    };

    for (size_t n = 0; n < ARRAY_LEN(all); n++)
        TRY(visit_norm(all[n].norm, norm_path(m, i, all[n].name), all[n].dim, fn, self, e));
    return ERR_OK;
}

errc model_visit_modules(const struct model *m, module_fn *fn, void *self, struct err *e)
{
    const struct module_names *names = m->config.family->names;

    TRY(fn(self, &(struct module){ .part = &m->embed, .path = names->embed, .weight = &m->embed, .rows = m->embed.out, .cols = m->embed.in }, e));
    for (size_t i = 0; i < m->n_linears; i++) {
        const struct linear *l = &m->linears[i];
        TRY(fn(self, &(struct module){ .part = l, .path = l->path, .weight = &l->w, .bias = l->bias, .rows = l->w.out, .cols = l->w.in }, e));
    }
    for (size_t i = 0; i < m->config.layers; i++)
        TRY(visit_layer_norms(m, i, fn, self, e));
    TRY(visit_norm(&m->norm_final, xstrdup(names->norm_final), m->config.hidden, fn, self, e));
    return fn(self, &(struct module){ .part = &m->head, .path = "lm_head", .weight = &m->head, .bias = m->head_bias, .rows = m->head.out,
                                      .cols = m->head.in }, e);
}
