#include "tune/lora_set.h"

#include <math.h>

#include "base/hash.h"
#include "base/mem.h"
#include "tune/lora_set_priv.h"
#include "tune/match.h"
#include "tune/random.h"

const char *lora_match(const char *path, const struct tune_names *targets)
{
    bool expression = targets->n == 1 && match_is_expression(targets->v[0]);

    if (expression)
        return match_whole(targets->v[0], path) ? targets->v[0] : NULL;
    for (size_t i = 0; i < targets->n; i++)
        if (match_tail(targets->v[i], path))
            return targets->v[i];
    return NULL;
}

/* The first number among the path's components: "model.layers.7.mlp.down_proj" is layer 7. */
static int64_t layer_of(const char *path, const struct tune_names *patterns)
{
    struct str rest = str_of(path), piece, before = { NULL, 0 };
    int64_t n;

    while (str_next(&rest, '.', &piece)) {
        bool named = patterns->n == 0;
        for (size_t i = 0; i < patterns->n; i++)
            named |= str_is(before, patterns->v[i]);
        if (named && str_to_i64(piece, &n))
            return n;
        before = piece;
    }
    return -1;
}

static bool is_one_of(const char *path, const struct tune_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        if (streq(path, names->v[i]))
            return true;
    return false;
}

/* A module that is named by its whole path, such as the head, is wanted in any case. */
static bool layer_wanted(const struct tune_config *c, const char *path, const struct tune_names *targets)
{
    int64_t layer = layer_of(path, &c->lora.layers_pattern);

    if (c->lora.n_layers == 0 || is_one_of(path, targets))
        return true;
    for (size_t i = 0; i < c->lora.n_layers; i++)
        if (c->lora.layers[i] == layer)
            return true;
    return false;
}

static void warn(struct lora_set *s, size_t *cap, char *line)
{
    vec_grow(s->warnings.v, s->warnings.n, *cap);
    s->warnings.v[s->warnings.n++] = line;
}

static const char *last_component(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot ? dot + 1 : path;
}

/* "qkv_proj, o_proj, ...": the last components of what may be adapted, each once. */
static void module_names(const struct model *m, struct buf *out)
{
    for (size_t i = 0; i < model_adaptables(m); i++) {
        const char *name = last_component(model_adaptable(m, i)->path);
        bool seen = false;
        for (size_t j = 0; j < i && !seen; j++)
            seen = match_tail(name, model_adaptable(m, j)->path);
        if (!seen)
            buf_addf(out, "%s%s", out->n ? ", " : "", name);
    }
}

static size_t take_floats(struct lora_set *s, size_t n)
{
    size_t at = s->total;

    s->total += n;
    return at;
}

static errc add_param(struct lora_set *s, const struct model *m, const struct linear *l, const struct tune_config *c, struct err *e)
{
    size_t r = (size_t)match_value(&c->lora.rank_pattern, l->path, (double)c->lora.r);
    double alpha = match_value(&c->lora.alpha_pattern, l->path, c->lora.alpha);

    if (r > l->w.in || r > l->w.out)
        return err_set(e, ERR_INVALID, "LoraConfig.%s: %zu is larger than %s [%zu, %zu]; lower it", r == (size_t)c->lora.r ? "r" : "rank_pattern", r, l->path,
                       l->w.out, l->w.in);
    struct lora_param *p = &s->params[s->n++];
    *p = (struct lora_param){ .linear = l, .table = l == &m->ends[MODEL_EMBED] ? &m->embed : NULL, .r = r, .dora = c->lora.dora,
                              .scale = (float)(c->lora.rslora ? alpha / sqrt((double)r) : alpha / (double)r) };
    p->a_at = take_floats(s, r * l->w.in);
    p->b_at = take_floats(s, l->w.out * r);
    p->m_at = p->dora ? take_floats(s, l->w.out) : 0;
    s->any_dora |= p->dora;
    s->max_rank = r > s->max_rank ? r : s->max_rank;
    s->of_linear[l->index] = p;
    return ERR_OK;
}

static errc none_matched(const struct model *m, const struct tune_config *c, const struct tune_names *targets, const char *known, struct err *e)
{
    AUTO_BUF list = { 0 };

    for (size_t i = 0; i < targets->n; i++)
        buf_addf(&list, "%s'%s'", i ? ", " : "", targets->v[i]);
    for (size_t i = 0; i < model_adaptables(m); i++)
        if (lora_match(model_adaptable(m, i)->path, targets) && own_wanted(c, model_adaptable(m, i)->path))
            return err_set(e, ERR_INVALID, "LoraConfig.target_modules: modules_to_save names all that %s matches, %s among them; take it out of one of the two",
                           buf_cstr(&list), model_adaptable(m, i)->path);
    if (c->lora.n_layers)
        return err_set(e, ERR_INVALID, "LoraConfig.layers_to_transform: names no layer of this model%s%s; it has layers 0 to %zu with %s",
                       targets->n ? " with " : "", buf_cstr(&list), m->config.layers - 1, known);
    return err_set(e, ERR_INVALID, "Target modules {%s} not found in the base model. Please check the target modules and try again; it has %s",
                   buf_cstr(&list), known);
}

/* Patterns that no adapted module follows, and layers that the model does not have. */
static void warn_unused(struct lora_set *s, const struct model *m, const struct tune_config *c, size_t *cap)
{
    const struct { const char *key; const struct tune_pattern *p; } patterns[] = { { "rank_pattern", &c->lora.rank_pattern },
                                                                                   { "alpha_pattern", &c->lora.alpha_pattern } };

    for (size_t k = 0; k < ARRAY_LEN(patterns); k++)
        for (size_t i = 0; i < patterns[k].p->n; i++) {
            bool used = false;
            for (size_t j = 0; j < s->n && !used; j++)
                used = match_tail(patterns[k].p->names[i], s->params[j].linear->path);
            if (!used)
                warn(s, cap, xasprintf("LoraConfig.%s: \"%s\" matches no module that is adapted", patterns[k].key, patterns[k].p->names[i]));
        }
    for (size_t i = 0; i < s->n; i++)
        if (s->params[i].scale == 0) {
            warn(s, cap, xasprintf("LoraConfig.lora_alpha: 0: the adapter of %s has no effect and learns nothing", s->params[i].linear->path));
            break;
        }
    for (size_t i = 0; i < c->lora.n_layers; i++)
        if (c->lora.layers[i] >= (int64_t)m->config.layers)
            warn(s, cap, xasprintf("LoraConfig.layers_to_transform: the model has no layer %lld; it has 0 to %zu", (long long)c->lora.layers[i],
                                   m->config.layers - 1));
}

/* As PEFT warns: the adapter changes one of the two uses of the matrix. */
static void warn_tied(struct lora_set *s, const struct model *m, size_t *cap)
{
    for (size_t i = m->n_linears; m->config.tied && i < model_adaptables(m); i++)
        if (s->of_linear[i])
            warn(s, cap, xasprintf("LoraConfig.target_modules: \"%s\": this model's head and embedding are one matrix (tie_word_embeddings); the adapter "
                                   "changes %s alone and cannot be merged", last_component(model_adaptable(m, i)->path),
                                   i == m->n_linears + MODEL_HEAD ? "the head" : "the embedding"));
}

static errc match_all(struct lora_set *s, const struct model *m, const struct tune_config *c, const struct tune_names *targets,
                      struct err *e)
{
    bool every = targets->n == 0 || (targets->n == 1 && streq(targets->v[0], "all-linear"));
    size_t cap = 0;

    for (size_t i = 0; i < model_adaptables(m); i++) {
        const struct linear *l = model_adaptable(m, i);
        bool wanted = every ? i < m->n_linears : lora_match(l->path, targets) != NULL;
        if (wanted && layer_wanted(c, l->path, targets) && !own_wanted(c, l->path))
            TRY(add_param(s, m, l, c, e));
    }
    AUTO_BUF known = { 0 };
    module_names(m, &known);
    if (s->n == 0)
        return none_matched(m, c, targets, buf_cstr(&known), e);
    warn_unused(s, m, c, &cap);
    warn_tied(s, m, &cap);
    for (size_t t = 0; t < targets->n && !every; t++) {
        bool used = false;
        for (size_t i = 0; i < s->n && !used; i++)
            used = lora_match(s->params[i].linear->path, &(struct tune_names){ &targets->v[t], 1 }) != NULL;
        if (!used)
            warn(s, &cap, xasprintf("LoraConfig.target_modules: \"%s\" matches no module of this model; it has %s", targets->v[t],
                                    buf_cstr(&known)));
    }
    return ERR_OK;
}

static errc match_default(struct lora_set *s, const struct model *m, const struct tune_config *c, const char *list, struct err *e)
{
    AUTO_MEM char *copy = xstrdup(list);
    struct tune_names targets = { 0 };
    size_t cap = 0;

    for (char *save, *p = strtok_r(copy, ", ", &save); p; p = strtok_r(NULL, ", ", &save)) {
        vec_grow(targets.v, targets.n, cap);
        targets.v[targets.n++] = p;
    }
    errc rc = match_all(s, m, c, &targets, e);
    free(targets.v);
    return rc;
}

errc lora_set_init(struct lora_set *s, const struct model *m, const struct tune_config *c, const char *default_targets, struct err *e)
{
    *s = (struct lora_set){ .params = xcalloc(model_adaptables(m), sizeof *s->params), .of_linear = xcalloc(model_adaptables(m), sizeof(struct lora_param *)) };
    if (c->lora.target_given || !str_set(default_targets))
        TRY(match_all(s, m, c, &c->lora.target_modules, e));
    else
        TRY(match_default(s, m, c, default_targets, e));
    TRY(own_add(s, m, c, e));
    s->w = mem_try_alloc(s->total, sizeof(float));
    s->g = mem_try_alloc(s->total, sizeof(float));
    if (!s->w || !s->g)
        return err_set(e, ERR_TOO_LARGE, "%zu LoRA parameters do not fit in memory; lower LoraConfig.r", s->total);
    memset(s->w, 0, s->total * sizeof(float));
    memset(s->g, 0, s->total * sizeof(float));
    own_fill(s, m);
    return ERR_OK;
}

void lora_set_done(struct lora_set *s)
{
    for (size_t i = 0; i < s->warnings.n; i++)
        free((char *)(uintptr_t)s->warnings.v[i]);
    free(s->warnings.v);
    for (size_t i = 0; i < s->n_own; i++)
        free(s->own[i].name);
    free(s->own);
    free(s->own_by_part);
    free(s->params);
    free(s->of_linear);
    free(s->w);
    free(s->g);
    *s = (struct lora_set){ 0 };
}

static void fill_uniform(float *w, size_t n, double bound, uint64_t stream)
{
    for (size_t i = 0; i < n; i++)
        w[i] = (float)bound * (2 * random_unit(random_mix(stream + i)) - 1);
}

/* By the method of Box and Muller. */
static void fill_normal(float *w, size_t n, uint64_t stream)
{
    for (size_t i = 0; i < n; i++) {
        double u = 1 - (double)random_unit(random_mix(stream + 2 * i)), v = (double)random_unit(random_mix(stream + 2 * i + 1));
        w[i] = (float)(sqrt(-2 * log(u)) * cos(2 * M_PI * v));
    }
}

static void fill_embedding(struct lora_set *s, const struct lora_param *p, uint64_t stream_a, uint64_t stream_b, bool zero)
{
    size_t n = p->r * p->linear->w.in;

    if (zero)
        memset(s->w + p->a_at, 0, n * sizeof(float));
    else
        fill_normal(s->w + p->a_at, n, stream_a);
    fill_normal(s->w + p->b_at, p->r * p->linear->w.out, stream_b);
}

/* As what is adapted has them. */
static void fill_magnitudes(struct lora_set *s, const struct lora_param *p)
{
    struct lora factors = lora_param_factors(s, p);

    if (p->table)
        lora_column_norms(&factors, p->table, 0, p->linear->w.out, s->w + p->m_at);
    else
        lora_row_norms(&factors, &p->linear->w, 0, p->linear->w.out, s->w + p->m_at);
}

static void fill_linear(struct lora_set *s, const struct lora_param *p, uint64_t stream_a, uint64_t stream_b, bool zero)
{
    const struct linear *l = p->linear;

    fill_uniform(s->w + p->a_at, p->r * l->w.in, 1 / sqrt((double)l->w.in), stream_a);
    if (zero)
        memset(s->w + p->b_at, 0, p->r * l->w.out * sizeof(float));
    else
        fill_uniform(s->w + p->b_at, p->r * l->w.out, 1 / sqrt((double)p->r), stream_b);
}

void lora_set_fill(struct lora_set *s, uint64_t seed, bool zero)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct lora_param *p = &s->params[i];
        uint64_t path = fnv1a_32(p->linear->path, strlen(p->linear->path));     /* so that a module starts the same whichever others are trained */
        uint64_t a = random_stream(seed, path * 2), b = random_stream(seed, path * 2 + 1);
        if (p->table)
            fill_embedding(s, p, a, b, zero);
        else
            fill_linear(s, p, a, b, zero);
        if (p->dora)
            fill_magnitudes(s, p);
    }
}

struct lora lora_param_factors(const struct lora_set *s, const struct lora_param *p)
{
    return (struct lora){ .r = p->r, .scale = p->scale, .a = s->w + p->a_at, .b = s->w + p->b_at };
}
