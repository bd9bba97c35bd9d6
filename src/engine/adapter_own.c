/*
 * What an adapter has besides LoRA factors: DoRA's magnitudes, and parameters that were trained as a whole (modules_to_save, bias), which
 * take the place of the model's. PEFT's names: base_model.model.<path>.lora_magnitude_vector, base_model.model.<path>.weight and .bias;
 * the bias of an adapted linear is <path>.base_layer.bias.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "engine/adapter_priv.h"
#include "engine/modules.h"
#include "engine/priv.h"

/* ── order of rows ── */

/* PEFT's row of a linear that is the model's row i: neighbours of a rotary pair, or queries, keys and values, may lie elsewhere in GGUF. */
static size_t row_of(const struct model *m, const struct linear *x, size_t i)
{
    const struct model_config *c = &m->config;
    size_t hd = c->head_dim, in_head = i % hd, head = i / hd, per_group = c->heads / c->kv_heads;
    struct str path = str_of(x->path);

    if (c->rope_pairs && (str_has_suffix(path, STR(".q_proj")) || str_has_suffix(path, STR(".k_proj"))))
        return head * hd + in_head / 2 + in_head % 2 * (hd / 2);
    if (c->family->qkv != QKV_GROUPED || c->qkv_grouped || x->w.out != model_qkv_width(c) || !str_has_suffix(path, str_of(c->family->names->qkv)))
        return i;
    if (head < c->heads)
        head = head / per_group * (per_group + 2) + head % per_group;
    else if (head < c->heads + c->kv_heads)
        head = (head - c->heads) * (per_group + 2) + per_group;
    else
        head = (head - c->heads - c->kv_heads) * (per_group + 2) + per_group + 1;
    return head * hd + in_head;
}

void adapter_order_rows(const struct model *m, const struct linear *x, float *values, size_t cols)
{
    AUTO_MEM float *from = NULL;

    for (size_t i = 0; i < x->w.out; i++) {
        size_t row = row_of(m, x, i);

        if (row != i && !from)
            from = xmemdup(values, x->w.out * cols * sizeof *values);       /* rows before i are where they were */
        if (row != i)
            memcpy(values + i * cols, from + row * cols, cols * sizeof *values);
    }
}

/* ── DoRA ── */

static struct own_linear *own_linear(struct adapter *a, size_t index)
{
    if (!a->own)
        a->own = xcalloc(a->n_loras, sizeof *a->own);
    return &a->own[index];
}

/* The index of x's magnitudes in the file; the number of tensors when they are missing. */
static size_t find_magnitude(const struct adapter_reader *r, const struct linear *x)
{
    AUTO_MEM char *name = xasprintf("%s%s.lora_magnitude_vector", ADAPTER_KEY_PREFIX, x->path), *longer = xasprintf("%s.weight", name);
    size_t i = 0, n = safetensors_count(r->file);

    while (i < n && !streq(safetensors_name(r->file, i), name) && !streq(safetensors_name(r->file, i), longer))
        i++;
    return i;
}

static errc wrong_shape(const struct adapter_reader *r, const char *name, const struct tensor *t, size_t rows, size_t cols)
{
    char shape[TENSOR_SHAPE_TEXT_MAX], want[48];

    if (cols)
        snprintf(want, sizeof want, "[%zu, %zu]", rows, cols);
    else
        snprintf(want, sizeof want, "[%zu]", rows);
    return err_set(r->e, ERR_INVALID, "tensor %s %s does not fit the model's %s: is it for another model?", name, tensor_shape_text(t, shape), want);
}

static errc read_magnitude(struct adapter_reader *r, const struct linear *x, const struct lora *l)
{
    size_t at = find_magnitude(r, x);
    float *gain;

    if (at == safetensors_count(r->file))
        return err_set(r->e, ERR_INVALID, "use_dora is set, but tensor %s%s.lora_magnitude_vector is missing", ADAPTER_KEY_PREFIX, x->path);
    const char *name = safetensors_name(r->file, at);
    const struct tensor *t = safetensors_at(r->file, at);
    if (t->len != x->w.out)
        return wrong_shape(r, name, t, x->w.out, 0);
    TRY(adapter_floats(r, name, t, &gain));
    own_linear(r->a, x->index)->gain = gain;
    adapter_order_rows(r->m, x, gain, 1);
    AUTO_MEM float *lengths = xcalloc(x->w.out, sizeof *lengths);
    if (x == &r->m->ends[MODEL_EMBED])
        lora_column_norms(l, &r->m->embed, 0, x->w.out, lengths);
    else
        lora_row_norms(l, &x->w, 0, x->w.out, lengths);
    for (size_t o = 0; o < x->w.out; o++) {
        if (!(lengths[o] > 0))
            return err_set(r->e, ERR_CORRUPT, "tensor %s: row %zu of the module it scales has length %g", name, o, (double)lengths[o]);
        gain[o] /= lengths[o];
    }
    r->taken++;
    return ERR_OK;
}

errc adapter_read_magnitudes(struct adapter_reader *r)
{
    if (!json_flag(r->config, "use_dora", false))
        return ERR_OK;
    if (r->strength != 1)
        return err_set(r->e, ERR_UNSUPPORTED, "strength %g: an adapter with DoRA has no other strength than 1", (double)r->strength);
    for (size_t i = 0; i < r->a->n_loras; i++)
        if (r->a->loras[i].r)
            TRY(read_magnitude(r, model_adaptable(r->m, i), &r->a->loras[i]));
    return ERR_OK;
}

/* ── parameters of its own ── */

/* Whether PEFT's copy of a matrix beside LoRA factors is what the model has; of a quantised one nobody can say. */
static bool is_same(const struct weight *w, const float *values)
{
    AUTO_MEM float *row = xcalloc(w->in, sizeof *row);

    for (size_t o = 0; w->kind == WEIGHT_DENSE && o < w->out; o++) {
        weight_rows_f32(w, row, o, 1);
        if (memcmp(row, values + o * w->in, w->in * sizeof *row) != 0)
            return false;
    }
    return true;
}

/* base_model.model.<path>[.base_layer].weight or .bias; base: said to be beside LoRA factors. */
struct own_name { struct str path; bool bias, base; };

static bool own_name_of(const char *name, struct own_name *out)
{
    struct str s = str_of(name);

    out->bias = str_has_suffix(s, STR(".bias"));
    if (!str_has_prefix(s, STR(ADAPTER_KEY_PREFIX)) || !(out->bias || str_has_suffix(s, STR(".weight"))))
        return false;
    s = str_from(s, strlen(ADAPTER_KEY_PREFIX));
    s.n -= strlen(out->bias ? ".bias" : ".weight");
    out->base = str_has_suffix(s, STR(".base_layer"));
    if (out->base)
        s.n -= strlen(".base_layer");
    out->path = s;
    return true;
}

struct finder { struct str path; struct module found; };

static errc find(void *self, const struct module *x, struct err *e)
{
    struct finder *f = self;

    (void)e;
    if (str_is(f->path, x->path)) {
        f->found = *x;
        f->found.path = NULL;       /* lent for this call alone */
    }
    return ERR_OK;
}

static struct norm *own_norm(struct adapter *a, const struct norm *base, size_t rows)
{
    for (size_t i = 0; i < a->n_norms; i++)
        if (a->norms[i].base == base)
            return &a->norms[i].norm;
    a->norms = xreallocarray(a->norms, a->n_norms + 1, sizeof *a->norms);
    a->norms[a->n_norms] = (struct own_norm){ base, { .w = xmemdup(base->w, rows * sizeof(float)),
                                                      .b = base->b ? xmemdup(base->b, rows * sizeof(float)) : NULL } };
    return &a->norms[a->n_norms++].norm;
}

/* Where the values of a tensor go; what lies there is freed. */
static float **place_of(struct adapter_reader *r, const struct module *x, bool bias)
{
    struct adapter *a = r->a;

    if (x->part == &r->m->embed)
        return &a->embed;
    if (x->part == &r->m->head)
        return bias ? &a->head_bias : &a->head;
    if (!x->weight) {
        struct norm *n = own_norm(a, x->part, x->rows);
        return bias ? &n->b : &n->w;
    }
    struct own_linear *own = own_linear(a, ((const struct linear *)x->part)->index);
    return bias ? &own->shift : &own->w;
}

/* Norms of a GGUF file have the one added that Gemma's own files lack. */
static void follow_file(const struct adapter_reader *r, const struct module *x, bool bias, float *values)
{
    bool linear = x->weight && x->part != &r->m->embed && x->part != &r->m->head;

    if (linear)
        adapter_order_rows(r->m, x->part, values, bias ? 1 : x->cols);
    for (size_t i = 0; !x->weight && !bias && r->m->config.family->norm_plus_one && r->m->config.norm_plus == 0 && i < x->rows; i++)
        values[i] += 1;
}

errc adapter_read_own(struct adapter_reader *r, const char *name, const struct tensor *t)
{
    struct finder f = { 0 };
    struct own_name own;
    float *values;

    if (!own_name_of(name, &own))
        return err_set(r->e, ERR_UNSUPPORTED, "tensor %s is neither a LoRA factor of a linear layer nor a weight or bias", name);
    f.path = own.path;
    TRY(model_visit_modules(r->m, find, &f, r->e));
    if (!f.found.part || (own.bias && !f.found.bias))
        return err_set(r->e, ERR_INVALID, "tensor %s: the model has no %s %.*s: is it for another model?", name, own.bias ? "bias of" : "module",
                       STR_ARG(own.path));
    size_t rows = f.found.rows, cols = own.bias ? 0 : f.found.cols;
    if (t->ndim != (cols ? 2 : 1) || t->shape[0] != rows || (cols && t->shape[1] != cols))
        return wrong_shape(r, name, t, rows, cols);
    if (r->strength != 1 && !(own.base && !own.bias))
        return err_set(r->e, ERR_UNSUPPORTED, "strength %g: %s is trained as a whole and has no other strength than 1", (double)r->strength, name);
    TRY(adapter_floats(r, name, t, &values));
    follow_file(r, &f.found, own.bias, values);
    r->taken++;
    if (own.base && !own.bias && is_same(f.found.weight, values)) {
        free(values);
        return ERR_OK;
    }
    float **place = place_of(r, &f.found, own.bias);
    free(*place);
    *place = values;
    return ERR_OK;
}

/* ── the end ── */

static errc check_saved(const struct adapter_reader *r, struct str wanted)
{
    for (size_t i = 0; i < safetensors_count(r->file); i++) {
        struct own_name own;

        if (own_name_of(safetensors_name(r->file, i), &own) && str_has_suffix(own.path, wanted))
            return ERR_OK;
    }
    return err_set(r->e, ERR_INVALID, "modules_to_save: no tensor belongs to \"%.*s\"", STR_ARG(wanted));
}

/* own->shift holds the adapter's bias or nothing; y holds (x W^T + b) gain + ..., or x W'^T where W' is the adapter's. */
static void bias_to_shift(struct own_linear *own, const struct linear *l)
{
    if (!own->shift && l->bias && (own->w || own->gain))
        own->shift = xmemdup(l->bias, l->w.out * sizeof(float));
    for (size_t o = 0; own->shift && l->bias && !own->w && o < l->w.out; o++)
        own->shift[o] -= (own->gain ? own->gain[o] : 1) * l->bias[o];
}

errc adapter_finish_own(struct adapter_reader *r)
{
    const json_t *saved = json_object_get(r->config, "modules_to_save");

    for (size_t i = 0; i < json_array_size(saved); i++)
        TRY(check_saved(r, json_to_str(json_array_get(saved, i))));
    for (size_t i = 0; r->a->own && i < r->a->n_loras; i++) {
        const struct linear *l = model_adaptable(r->m, i);
        if (r->a->own[i].w && r->a->loras[i].r)
            return err_set(r->e, ERR_UNSUPPORTED, "module %s has LoRA factors and a weight of its own", l->path);
        bias_to_shift(&r->a->own[i], l);
    }
    return ERR_OK;
}

void adapter_free_own(struct adapter *a)
{
    for (size_t i = 0; a->own && i < a->n_loras; i++) {
        free(a->own[i].w);
        free(a->own[i].gain);
        free(a->own[i].shift);
    }
    free(a->own);
    for (size_t i = 0; i < a->n_norms; i++) {
        free(a->norms[i].norm.w);
        free(a->norms[i].norm.b);
    }
    free(a->norms);
    free(a->embed);
    free(a->head);
    free(a->head_bias);
}
