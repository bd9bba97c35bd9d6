/* Reading PEFT adapters. Everything that would change the mathematics and is not implemented is refused by name. */
#include "engine/adapter_priv.h"

#include <math.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"

#define CONFIG_MAX_BYTES (4u << 20)
#define RANK_MAX 4096

/* Keys whose non-inert value means a computation that is not built. */
static const char *const refused_keys[] = {
    "lora_bias", "layer_replication", "fan_in_fan_out", "trainable_token_indices",
    "target_parameters", "use_qalora", "use_bdlora", "alora_invocation_tokens", "kasa_config", "arrow_config", "monteclora_config",
    "velora_config",
};

static bool inert(const json_t *v)
{
    return !v || json_is_null(v) || json_is_false(v) || (json_is_array(v) && json_array_size(v) == 0) ||
           (json_is_object(v) && json_object_size(v) == 0);
}

/* Values that would be taken for the default if nobody looked. */
static const struct { const char *key; json_type type; const char *say; } kinds[] = {
    { "r", JSON_INTEGER, "a whole number" },
    { "lora_alpha", JSON_REAL, "a number" },
    { "rank_pattern", JSON_OBJECT, "an object" },
    { "alpha_pattern", JSON_OBJECT, "an object" },
    { "modules_to_save", JSON_ARRAY, "a list" },
    { "use_rslora", JSON_TRUE, "true or false" },
    { "use_dora", JSON_TRUE, "true or false" },
};

static bool is_kind(const json_t *v, json_type type)
{
    return json_is_null(v) || json_typeof(v) == type || (type == JSON_REAL && json_is_integer(v)) || (type == JSON_TRUE && json_is_false(v));
}

static errc check_kinds(const json_t *j, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const json_t *v = json_object_get(j, kinds[i].key);

        if (v && !is_kind(v, kinds[i].type)) {
            AUTO_MEM char *text = json_text(v);
            return err_set(e, ERR_INVALID, "%s: %.80s is not %s", kinds[i].key, text, kinds[i].say);
        }
    }
    return ERR_OK;
}

static errc check_pattern(const json_t *j, const char *key, struct err *e)
{
    const char *name;
    json_t *value;

    json_object_foreach(json_object_get(j, key), name, value)
        if (!json_is_number(value)) {
            AUTO_MEM char *text = json_text(value);
            return err_set(e, ERR_INVALID, "%s: %.80s: %.80s is not a number", key, name, text);
        }
    return ERR_OK;
}

static errc check_config(const json_t *j, struct err *e)
{
    const char *type = json_cstr(j, "peft_type"), *bias = json_cstr(j, "bias");

    if (!streq(type, "LORA"))
        return err_set(e, ERR_UNSUPPORTED, "peft_type %.40s is not known; LORA is", type ? type : "(absent)");
    if (bias && !streq(bias, "none") && !streq(bias, "all") && !streq(bias, "lora_only"))
        return err_set(e, ERR_UNSUPPORTED, "bias %.40s is not known; none, all and lora_only are", bias);
    for (size_t i = 0; i < ARRAY_LEN(refused_keys); i++)
        if (!inert(json_object_get(j, refused_keys[i])))
            return err_set(e, ERR_UNSUPPORTED, "%s is not supported", refused_keys[i]);
    TRY(check_kinds(j, e));
    TRY(check_pattern(j, "rank_pattern", e));
    TRY(check_pattern(j, "alpha_pattern", e));
    if (json_int(j, "r", 0) < 1 || json_int(j, "r", 0) > RANK_MAX)
        return err_set(e, ERR_INVALID, "r must be from 1 to %d", RANK_MAX);
    return ERR_OK;
}

/* rank_pattern and alpha_pattern: the key is the module's path or its last components (PEFT also takes expressions: refused). */
static errc pattern_value(const json_t *patterns, const char *path, double fallback, double *out, struct err *e)
{
    const char *key;
    json_t *value;

    *out = fallback;
    json_object_foreach((json_t *)(uintptr_t)patterns, key, value) {
        size_t n = strlen(key), len = strlen(path);

        if (strpbrk(key, "\\^$*+?()[]{}|"))
            return err_set(e, ERR_UNSUPPORTED, "pattern %.80s is an expression; plain module names are supported", key);
        if (len >= n && streq(path + len - n, key) && (len == n || path[len - n - 1] == '.'))
            *out = json_number_value(value);
    }
    return ERR_OK;
}

static errc lora_scale(const struct adapter_reader *r, const char *path, size_t rank, float *out)
{
    double alpha, expected;

    TRY(pattern_value(json_object_get(r->config, "alpha_pattern"), path, json_num(r->config, "lora_alpha", 8), &alpha, r->e));
    TRY(pattern_value(json_object_get(r->config, "rank_pattern"), path, json_num(r->config, "r", 8), &expected, r->e));
    if ((double)rank != expected)
        return err_set(r->e, ERR_INVALID, "module %s has rank %zu, adapter_config.json says %g", path, rank, expected);
    *out = r->strength * (float)(json_flag(r->config, "use_rslora", false) ? alpha / sqrt((double)rank) : alpha / (double)rank);
    return ERR_OK;
}

errc adapter_floats(const struct adapter_reader *r, const char *name, const struct tensor *t, float **out)
{
    *out = mem_try_alloc(t->len, sizeof **out);
    if (!*out)
        return err_set(r->e, ERR_UNAVAILABLE, "tensor %s: no memory for %zu values", name, t->len);
    if (dtype_to_f32(*out, t->data, t->dtype, t->len, r->e))
        return err_wrap(r->e, "tensor %s", name);
    for (size_t i = 0; i < t->len; i++)
        if (!isfinite((*out)[i]))
            return err_set(r->e, ERR_CORRUPT, "tensor %s: element %zu is not a finite number", name, i);
    return ERR_OK;
}

/* PEFT keeps factors of linears in modules, of embeddings in parameters. */
#define LINEAR_A ".lora_A.weight"
#define LINEAR_B ".lora_B.weight"
#define EMBEDDING_A ".lora_embedding_A"
#define EMBEDDING_B ".lora_embedding_B"

static errc bind(struct adapter_reader *r, const struct linear *x, const char *a_name, const struct tensor *a)
{
    const char *b_ending = x == &r->m->ends[MODEL_EMBED] ? EMBEDDING_B : LINEAR_B;
    AUTO_MEM char *b_name = xasprintf("%s%s%s", ADAPTER_KEY_PREFIX, x->path, b_ending);
    struct lora *l = &r->a->loras[x->index];
    const struct tensor *b;
    char ta[TENSOR_SHAPE_TEXT_MAX], tb[TENSOR_SHAPE_TEXT_MAX];

    TRY(safetensors_need(r->file, b_name, &b, r->e));
    if (a->ndim != 2 || b->ndim != 2 || a->shape[1] != x->w.in || b->shape[0] != x->w.out || a->shape[0] != b->shape[1] ||
        a->shape[0] < 1 || a->shape[0] > RANK_MAX)
        return err_set(r->e, ERR_INVALID, "module %s: lora_A %s and lora_B %s do not fit the model's [%zu, %zu]: is it for another model?",
                       x->path, tensor_shape_text(a, ta), tensor_shape_text(b, tb), x->w.out, x->w.in);
    TRY(lora_scale(r, x->path, a->shape[0], &l->scale));
    TRY(adapter_floats(r, a_name, a, &l->a));
    TRY(adapter_floats(r, b_name, b, &l->b));
    l->r = a->shape[0];
    adapter_order_rows(r->m, x, l->b, l->r);
    r->taken += 2;
    r->a->max_rank = l->r > r->a->max_rank ? l->r : r->a->max_rank;
    return ERR_OK;
}

/* base_model.model.<path>.lora_A.weight to <path>; false when the name has another form. */
static bool module_of(struct str name, struct str ending, struct str *out)
{
    if (!str_has_prefix(name, STR(ADAPTER_KEY_PREFIX)) || !str_has_suffix(name, ending))
        return false;
    *out = str_n(name.p + strlen(ADAPTER_KEY_PREFIX), name.n - strlen(ADAPTER_KEY_PREFIX) - ending.n);
    return true;
}

static errc read_factor(struct adapter_reader *r, const char *name, const struct tensor *t, struct str path, bool is_a, bool embedding)
{
    const struct linear *x = model_find_linear(r->m, path);

    if (!x || embedding != (x == &r->m->ends[MODEL_EMBED]))
        return err_set(r->e, ERR_INVALID, "tensor %s: the model has no module %.*s: is it for another model?", name, STR_ARG(path));
    return is_a ? bind(r, x, name, t) : ERR_OK;      /* a B comes with its A */
}

static bool is_magnitude(const char *name)
{
    return strstr(name, ".lora_magnitude_vector") != NULL;
}

static errc read_tensors(struct adapter_reader *r)
{
    for (size_t i = 0; i < safetensors_count(r->file); i++) {
        const char *name = safetensors_name(r->file, i);
        const struct tensor *t = safetensors_at(r->file, i);
        struct str path;
        bool embedding = module_of(str_of(name), STR(EMBEDDING_A), &path) || module_of(str_of(name), STR(EMBEDDING_B), &path);
        bool is_a = module_of(str_of(name), embedding ? STR(EMBEDDING_A) : STR(LINEAR_A), &path);

        if (embedding || is_a || module_of(str_of(name), STR(LINEAR_B), &path))
            TRY(read_factor(r, name, t, path, is_a, embedding));
        else if (!is_magnitude(name))
            TRY(adapter_read_own(r, name, t));
    }
    TRY(adapter_read_magnitudes(r));
    if (r->taken != safetensors_count(r->file))
        return err_set(r->e, ERR_INVALID, "holds %zu tensors, of which %zu are used: a lora_A is missing, or use_dora is not set",
                       safetensors_count(r->file), r->taken);
    return r->taken ? adapter_finish_own(r) : err_set(r->e, ERR_INVALID, "holds no tensors");
}

static const char *last_component(const char *dir)
{
    const char *slash = strrchr(dir, '/');

    return slash && slash[1] ? slash + 1 : dir;
}

errc adapter_load(const char *dir, const char *name, float strength, const struct model *m, struct adapter **out, struct err *e)
{
    AUTO_MEM char *config_path = path_join(dir, "adapter_config.json"), *file_path = path_join(dir, "adapter_model.safetensors");
    AUTO_FREE(adapter) a = xzalloc(sizeof *a);
    AUTO_FREE(safetensors) file = NULL;
    AUTO_JSON config = NULL;

    TRY(json_parse_file(config_path, CONFIG_MAX_BYTES, &config, e));
    if (check_config(config, e))
        return err_wrap(e, "%s", config_path);
    TRY(safetensors_open(file_path, &file, e));
    a->refs = 1;
    a->name = xstrdup(name ? name : last_component(dir));
    a->dir = xstrdup(dir);
    a->n_loras = model_adaptables(m);
    a->loras = xcalloc(a->n_loras, sizeof *a->loras);
    struct adapter_reader r = { .config = config, .file = file, .m = m, .a = a, .strength = strength, .e = e };
    if (read_tensors(&r))
        return err_wrap(e, "%s", file_path);
    *out = TAKE(a);
    return ERR_OK;
}

struct adapter *adapter_ref(struct adapter *a)
{
    if (a)
        atomic_fetch_add(&a->refs, 1);
    return a;
}

void adapter_free(struct adapter *a)
{
    if (!a || (a->refs && atomic_fetch_sub(&a->refs, 1) > 1))
        return;
    for (size_t i = 0; a->loras && i < a->n_loras; i++) {
        free(a->loras[i].a);
        free(a->loras[i].b);
    }
    free(a->loras);
    adapter_free_own(a);
    free(a->name);
    free(a->dir);
    free(a);
}
