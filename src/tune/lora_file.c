/* The set as the tensors of a PEFT file: names, shapes, places; reading one back. */
#include <math.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "tensor/safetensors.h"
#include "tune/lora_set.h"

#define CONFIG_BYTES_MAX (4u << 20)

/* "base_model.model.<path>.lora_A.weight" or ".lora_embedding_A", malloc'd. which is 'A', 'B' or 'M' (lora_magnitude_vector, without ".weight"). */
static char *lora_param_name(const struct lora_param *p, char which)
{
    if (which == 'M')
        return xasprintf("base_model.model.%s.lora_magnitude_vector", p->linear->path);
    if (p->table)
        return xasprintf("base_model.model.%s.lora_embedding_%c", p->linear->path, which);
    return xasprintf("base_model.model.%s.lora_%c.weight", p->linear->path, which);
}

static int by_place(const void *a, const void *b)
{
    const struct lora_tensor *x = a, *y = b;

    return x->at < y->at ? -1 : x->at > y->at;
}

struct lora_tensor *lora_tensors(const struct lora_set *s, size_t *out_n)
{
    struct lora_tensor *t = xcalloc(3 * s->n + s->n_own + 1, sizeof *t);
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++) {
        const struct lora_param *p = &s->params[i];
        size_t in = p->linear->w.in, out = p->linear->w.out;
        t[n++] = (struct lora_tensor){ lora_param_name(p, 'A'), p->a_at, p->r, in };
        t[n++] = (struct lora_tensor){ lora_param_name(p, 'B'), p->b_at, out, p->r };
        if (p->dora)
            t[n++] = (struct lora_tensor){ lora_param_name(p, 'M'), p->m_at, out, 0 };
    }
    for (size_t i = 0; i < s->n_own; i++)
        t[n++] = (struct lora_tensor){ xstrdup(s->own[i].name), s->own[i].at, s->own[i].rows, s->own[i].cols };
    qsort(t, n, sizeof *t, by_place);
    *out_n = n;
    return t;
}

void lora_tensors_free(struct lora_tensor *t, size_t n)
{
    for (size_t i = 0; t && i < n; i++)
        free(t[i].name);
    free(t);
}

/* --- reading ---------------------------------------------------------------------------------------------------------------------- */

static errc check_rank(const struct lora_set *s, const char *dir, const struct safetensors *file, const struct model *m, struct err *e)
{
    for (size_t i = 0; i < model_adaptables(m); i++) {
        const struct lora_param *p = s->of_linear[i];
        const struct linear *l = model_adaptable(m, i);
        AUTO_MEM char *name = lora_param_name(&(struct lora_param){ .linear = l, .table = l == &m->ends[MODEL_EMBED] ? &m->embed : NULL }, 'A');
        const struct tensor *a = safetensors_get(file, name);
        size_t rank = a && a->ndim ? a->shape[0] : 0;
        if ((p ? p->r : 0) != rank)
            return err_set(e, ERR_INVALID, "%s: has rank %zu on %s, the configuration %zu; make LoraConfig.r and target_modules equal to it",
                           dir, rank, l->path, p ? p->r : 0);
    }
    return ERR_OK;
}

static errc read_tensor(struct lora_set *s, const struct lora_tensor *x, const struct safetensors *file, struct err *e)
{
    size_t n = lora_tensor_len(x);
    const struct tensor *t;

    TRY(safetensors_need(file, x->name, &t, e));
    if (t->len != n || t->ndim != (x->cols ? 2 : 1) || t->shape[0] != x->rows)
        return err_set(e, ERR_INVALID, "%s: tensor %s does not fit the model: is it for another model?", safetensors_path(file), x->name);
    if (dtype_to_f32(s->w + x->at, t->data, t->dtype, n, e))
        return err_wrap(e, "%s: tensor %s", safetensors_path(file), x->name);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(s->w[x->at + i]))
            return err_set(e, ERR_CORRUPT, "%s: tensor %s: element %zu is not a finite number", safetensors_path(file), x->name, i);
    return ERR_OK;
}

static bool holds_rows_of(const struct tensor *t, const struct weight *w)
{
    AUTO_MEM float *mine = xcalloc(w->in, sizeof *mine), *theirs = xcalloc(w->in, sizeof *theirs);

    for (size_t o = 0; o < w->out; o++) {
        weight_rows_f32(w, mine, o, 1);
        if (dtype_to_f32(theirs, (const char *)t->data + o * w->in * dtype_size(t->dtype), t->dtype, w->in, NULL) ||
            memcmp(mine, theirs, w->in * sizeof *mine) != 0)
            return false;
    }
    return true;
}

/* What PEFT saves beside an adapter of the embedding or the head: the frozen matrices themselves. */
static bool is_copy_of_base(const struct model *m, const char *name, const struct tensor *t)
{
    static const char *const ends[] = { ".weight", ".base_layer.weight" };
    const struct weight bias = weight_f32(m->head_bias, 1, m->head.out);
    const struct { const char *path; const struct weight *w; } matrices[] = { { m->ends[MODEL_EMBED].path, &m->embed }, { m->ends[MODEL_HEAD].path, &m->head } };

    for (size_t i = 0; i < ARRAY_LEN(matrices); i++)
        for (size_t k = 0; k < ARRAY_LEN(ends); k++) {
            AUTO_MEM char *known = xasprintf("base_model.model.%s%s", matrices[i].path, ends[k]);
            const struct weight *w = matrices[i].w;
            if (streq(name, known) && t->ndim == 2 && t->shape[0] == w->out && t->shape[1] == w->in)
                return holds_rows_of(t, w);
        }
    return m->head_bias && streq(name, "base_model.model.lm_head.base_layer.bias") && t->len == m->head.out && holds_rows_of(t, &bias);
}

/* With bias: all PEFT saves parameters of saved modules a second time, by the names of its wrappers. */
static bool is_wrapped(const char *name, const char *known)
{
    static const char *const wrappers[] = { ".modules_to_save.", ".original_module." };

    for (size_t i = 0; i < ARRAY_LEN(wrappers); i++) {
        const char *at = strstr(name, wrappers[i]), *rest = at ? at + strlen(wrappers[i]) - 1 : NULL;
        if (at && strlen(known) == (size_t)(at - name) + strlen(rest) && strncmp(name, known, (size_t)(at - name)) == 0 && str_has_suffix(str_of(known), str_of(rest)))
            return true;
    }
    return false;
}

static errc check_all_known(const struct lora_tensor *all, size_t n, const struct model *m, const struct safetensors *file, struct err *e)
{
    for (size_t i = 0; i < safetensors_count(file); i++) {
        bool known = is_copy_of_base(m, safetensors_name(file, i), safetensors_at(file, i));
        for (size_t k = 0; k < n && !known; k++)
            known = streq(all[k].name, safetensors_name(file, i)) || is_wrapped(safetensors_name(file, i), all[k].name);
        if (!known)
            return err_set(e, ERR_INVALID, "%s: tensor %s is nothing that LoraConfig trains; make LoraConfig equal to the adapter's",
                           safetensors_path(file), safetensors_name(file, i));
    }
    return ERR_OK;
}

errc lora_set_load(struct lora_set *s, const char *dir, const struct model *m, struct err *e)
{
    AUTO_MEM char *config_path = path_join(dir, "adapter_config.json"), *path = path_join(dir, "adapter_model.safetensors");
    AUTO_FREE(safetensors) file = NULL;
    AUTO_JSON config = NULL;
    size_t n;

    TRY(json_parse_file(config_path, CONFIG_BYTES_MAX, &config, e));
    if (!streq(json_cstr(config, "peft_type"), "LORA"))
        return err_set(e, ERR_UNSUPPORTED, "%s: peft_type is not LORA", config_path);
    TRY(safetensors_open(path, &file, e));
    TRY(check_rank(s, dir, file, m, e));
    struct lora_tensor *all = lora_tensors(s, &n);
    errc rc = check_all_known(all, n, m, file, e);
    for (size_t i = 0; i < n && rc == ERR_OK; i++)
        rc = read_tensor(s, &all[i], file, e);
    lora_tensors_free(all, n);
    return rc;
}
