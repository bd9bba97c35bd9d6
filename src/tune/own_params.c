/*
 * Tensors of the base that are trained themselves: modules_to_save (whole modules, by the end of their paths) and bias (all, or those of
 * adapted linears). PEFT keeps a copy of each and saves it in the adapter; so do we.
 */
#include "tune/lora_set_priv.h"

#include <stdlib.h>

#include "base/mem.h"
#include "engine/modules.h"

bool own_wanted(const struct tune_config *c, const char *path)
{
    for (size_t i = 0; i < c->lora.modules_to_save.n; i++)
        if (str_has_suffix(str_of(path), str_of(c->lora.modules_to_save.v[i])))
            return true;
    return false;
}

/* --- choosing ---------------------------------------------------------------------------------------------------------------------- */

struct chooser {
    struct lora_set *s;
    const struct model *m;
    const struct tune_config *c;
    bool vectors;               /* this round takes what no weight decay touches: biases and norms */
    size_t cap;
};

static bool is_adapted(const struct chooser *h, const struct module *x)
{
    for (size_t i = 0; i < h->s->n; i++)
        if (streq(h->s->params[i].linear->path, x->path))
            return true;
    return false;
}

static void add_own(struct chooser *h, const struct module *x, bool bias, const char *between)
{
    struct lora_set *s = h->s;

    vec_grow(s->own, s->n_own, h->cap);
    s->own[s->n_own++] = (struct own_param){ .part = x->part, .bias = bias, .at = s->total, .rows = x->rows, .cols = bias ? 0 : x->cols,
                                             .name = xasprintf("base_model.model.%s%s.%s", x->path, between, bias ? "bias" : "weight") };
    s->total += bias || !x->cols ? x->rows : x->rows * x->cols;
}

static errc choose_whole(struct chooser *h, const struct module *x, struct err *e)
{
    bool frozen = x->weight && (x->weight->kind != WEIGHT_DENSE || (h->c->quant.in_8bit && x->part != &h->m->embed && x->part != &h->m->head));

    if (frozen)
        return err_set(e, ERR_INVALID, "LoraConfig.modules_to_save: %s is quantised: it cannot be trained; remove it from the list", x->path);
    if (h->vectors == !x->weight)
        add_own(h, x, false, "");
    if (h->vectors && x->bias)
        add_own(h, x, true, "");
    return ERR_OK;
}

static errc choose(void *self, const struct module *x, struct err *e)
{
    struct chooser *h = self;
    bool adapted = is_adapted(h, x);

    if (own_wanted(h->c, x->path))
        return choose_whole(h, x, e);
    if (h->vectors && x->bias && (streq(h->c->lora.bias, "all") || (streq(h->c->lora.bias, "lora_only") && adapted)))
        add_own(h, x, true, adapted ? ".base_layer" : "");
    return ERR_OK;
}

/* Says whether a name of modules_to_save is the end of a module's path, or of a path that holds modules. */
struct finder { const char *name; bool found, holds; };

static errc find(void *self, const struct module *x, struct err *e)
{
    struct finder *f = self;
    const char *at = strstr(x->path, f->name);

    (void)e;
    f->found |= str_has_suffix(str_of(x->path), str_of(f->name));
    f->holds |= at && at[strlen(f->name)] == '.';
    return ERR_OK;
}

static errc check_names(const struct model *m, const struct tune_config *c, struct err *e)
{
    for (size_t i = 0; i < c->lora.modules_to_save.n; i++) {
        struct finder f = { .name = c->lora.modules_to_save.v[i] };
        TRY(model_visit_modules(m, find, &f, e));
        if (!f.found)
            return err_set(e, ERR_INVALID, "LoraConfig.modules_to_save: \"%s\" %s", f.name,
                           f.holds ? "holds several layers; name the layers themselves" : "matches no module of this model");
    }
    return ERR_OK;
}

static int by_part(const void *a, const void *b)
{
    const struct own_param *x = *(const struct own_param *const *)a, *y = *(const struct own_param *const *)b;
    uintptr_t p = (uintptr_t)x->part, q = (uintptr_t)y->part;

    return p != q ? (p < q ? -1 : 1) : (int)x->bias - (int)y->bias;
}

errc own_add(struct lora_set *s, const struct model *m, const struct tune_config *c, struct err *e)
{
    struct chooser h = { .s = s, .m = m, .c = c };

    TRY(check_names(m, c, e));
    TRY(model_visit_modules(m, choose, &h, e));
    s->decayed = s->total;
    h.vectors = true;
    TRY(model_visit_modules(m, choose, &h, e));
    s->own_by_part = xcalloc(s->n_own + 1, sizeof *s->own_by_part);
    for (size_t i = 0; i < s->n_own; i++)
        s->own_by_part[i] = &s->own[i];
    qsort(s->own_by_part, s->n_own, sizeof *s->own_by_part, by_part);
    return ERR_OK;
}

const struct own_param *lora_set_own(const struct lora_set *s, const void *part, bool bias)
{
    const struct own_param key = { .part = part, .bias = bias }, *sought = &key;
    const struct own_param **found = s->n_own ? bsearch(&sought, s->own_by_part, s->n_own, sizeof *s->own_by_part, by_part) : NULL;

    return found ? *found : NULL;
}

/* --- values -------------------------------------------------------------------------------------------------------------------------- */

static errc copy(void *self, const struct module *x, struct err *e)
{
    struct lora_set *s = self;
    const struct own_param *w = lora_set_own(s, x->part, false), *b = lora_set_own(s, x->part, true);

    (void)e;
    if (w && x->weight)
        weight_rows_f32(x->weight, s->w + w->at, 0, x->rows);
    else if (w)
        memcpy(s->w + w->at, x->vector, x->rows * sizeof(float));
    if (b)
        memcpy(s->w + b->at, x->bias, x->rows * sizeof(float));
    return ERR_OK;
}

void own_fill(struct lora_set *s, const struct model *m)
{
    if (s->n_own)
        (void)model_visit_modules(m, copy, s, NULL);
}
