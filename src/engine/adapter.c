/* Reading PEFT adapters. Everything that would change the mathematics and is not implemented is refused by name. */
#include "engine/adapter.h"

#include <math.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "tensor/vec.h"

#define CONFIG_MAX_BYTES (4u << 20)
#define KEY_PREFIX "base_model.model."
#define RANK_MAX 4096

struct reader {
    const char *dir;
    const json_t *config;
    const struct safetensors *file;
    const struct model *m;
    struct adapter *a;
    float strength;
    struct err *e;
};

/* Keys whose non-inert value means another computation than y += s (x A^T) B^T. */
static const char *const refused_keys[] = {
    "use_dora", "lora_bias", "modules_to_save", "layer_replication", "fan_in_fan_out", "trainable_token_indices",
    "target_parameters", "use_qalora", "use_bdlora", "alora_invocation_tokens", "kasa_config", "arrow_config", "monteclora_config",
    "velora_config",
};

static bool inert(const json_t *v)
{
    return !v || json_is_null(v) || json_is_false(v) || (json_is_array(v) && json_array_size(v) == 0) ||
           (json_is_object(v) && json_object_size(v) == 0);
}

static errc check_config(const json_t *j, struct err *e)
{
    const char *type = json_cstr(j, "peft_type"), *bias = json_cstr(j, "bias");

    if (!streq(type, "LORA"))
        return err_set(e, ERR_UNSUPPORTED, "peft_type %.40s is not known; LORA is", type ? type : "(absent)");
    if (bias && !streq(bias, "none"))
        return err_set(e, ERR_UNSUPPORTED, "bias %.40s is not supported; none is", bias);
    for (size_t i = 0; i < ARRAY_LEN(refused_keys); i++)
        if (!inert(json_object_get(j, refused_keys[i])))
            return err_set(e, ERR_UNSUPPORTED, "%s is not supported", refused_keys[i]);
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

static errc lora_scale(const struct reader *r, const char *path, size_t rank, float *out)
{
    double alpha, expected;

    TRY(pattern_value(json_object_get(r->config, "alpha_pattern"), path, json_num(r->config, "lora_alpha", 8), &alpha, r->e));
    TRY(pattern_value(json_object_get(r->config, "rank_pattern"), path, json_num(r->config, "r", 8), &expected, r->e));
    if ((double)rank != expected)
        return err_set(r->e, ERR_INVALID, "module %s has rank %zu, adapter_config.json says %g", path, rank, expected);
    *out = r->strength * (float)(json_flag(r->config, "use_rslora", false) ? alpha / sqrt((double)rank) : alpha / (double)rank);
    return ERR_OK;
}

static errc to_floats(const struct reader *r, const char *name, const struct tensor *t, float **out)
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

/* Rows of a head in the order of a model whose rotary pairs are neighbours: (i, i + half) become (2i, 2i + 1). */
static void pair_rows(float *b, size_t out, size_t rank, size_t head_dim)
{
    AUTO_MEM float *head = xcalloc(head_dim * rank, sizeof *head);

    for (size_t first = 0; first + head_dim <= out; first += head_dim) {
        memcpy(head, b + first * rank, head_dim * rank * sizeof *head);
        for (size_t i = 0; i < head_dim; i++)
            memcpy(b + (first + i) * rank, head + (i / 2 + i % 2 * (head_dim / 2)) * rank, rank * sizeof *head);
    }
}

static bool is_rotated(const struct linear *x)
{
    return str_has_suffix(str_of(x->path), STR(".q_proj")) || str_has_suffix(str_of(x->path), STR(".k_proj"));
}

static errc bind(struct reader *r, const struct linear *x, const char *a_name, const struct tensor *a)
{
    AUTO_MEM char *b_name = xasprintf("%s%s.lora_B.weight", KEY_PREFIX, x->path);
    struct lora *l = &r->a->loras[x->index];
    const struct tensor *b;
    char ta[TENSOR_SHAPE_TEXT_MAX], tb[TENSOR_SHAPE_TEXT_MAX];

    TRY(safetensors_need(r->file, b_name, &b, r->e));
    if (a->ndim != 2 || b->ndim != 2 || a->shape[1] != x->w.in || b->shape[0] != x->w.out || a->shape[0] != b->shape[1] ||
        a->shape[0] < 1 || a->shape[0] > RANK_MAX)
        return err_set(r->e, ERR_INVALID, "module %s: lora_A %s and lora_B %s do not fit the model's [%zu, %zu]: is it for another model?",
                       x->path, tensor_shape_text(a, ta), tensor_shape_text(b, tb), x->w.out, x->w.in);
    TRY(lora_scale(r, x->path, a->shape[0], &l->scale));
    TRY(to_floats(r, a_name, a, &l->a));
    TRY(to_floats(r, b_name, b, &l->b));
    l->r = a->shape[0];
    if (r->m->config.rope_pairs && is_rotated(x))
        pair_rows(l->b, x->w.out, l->r, r->m->config.head_dim);
    r->a->max_rank = l->r > r->a->max_rank ? l->r : r->a->max_rank;
    return ERR_OK;
}

/* base_model.model.<path>.lora_A.weight to <path>; false when the name has another form. */
static bool module_of(struct str name, struct str ending, struct str *out)
{
    if (!str_has_prefix(name, STR(KEY_PREFIX)) || !str_has_suffix(name, ending))
        return false;
    *out = str_n(name.p + strlen(KEY_PREFIX), name.n - strlen(KEY_PREFIX) - ending.n);
    return true;
}

static errc read_tensors(struct reader *r)
{
    for (size_t i = 0; i < safetensors_count(r->file); i++) {
        const char *name = safetensors_name(r->file, i);
        bool is_a;
        struct str path;

        is_a = module_of(str_of(name), STR(".lora_A.weight"), &path);
        if (!is_a && !module_of(str_of(name), STR(".lora_B.weight"), &path))
            return err_set(r->e, ERR_UNSUPPORTED, "tensor %s is not a LoRA factor of a linear layer", name);
        const struct linear *x = model_find_linear(r->m, path);
        if (!x)
            return err_set(r->e, ERR_INVALID, "tensor %s: the model has no module %.*s: is it for another model?", name, STR_ARG(path));
        if (is_a)
            TRY(bind(r, x, name, safetensors_at(r->file, i)));
    }
    /* every A has its B by now; a B without A is left over when the counts differ */
    size_t bound = 0;
    for (size_t i = 0; i < r->a->n_linears; i++)
        bound += r->a->loras[i].r > 0;
    if (2 * bound != safetensors_count(r->file))
        return err_set(r->e, ERR_INVALID, "holds %zu tensors for %zu modules: a lora_A is missing", safetensors_count(r->file), bound);
    return bound ? ERR_OK : err_set(r->e, ERR_INVALID, "holds no tensors");
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
    a->n_linears = m->n_linears;
    a->loras = xcalloc(m->n_linears, sizeof *a->loras);
    struct reader r = { .dir = dir, .config = config, .file = file, .m = m, .a = a, .strength = strength, .e = e };
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
    for (size_t i = 0; a->loras && i < a->n_linears; i++) {
        free(a->loras[i].a);
        free(a->loras[i].b);
    }
    free(a->loras);
    free(a->name);
    free(a->dir);
    free(a);
}

#define ADD_ROWS 64

struct add_job {
    const struct vec_ops *vec;
    const struct lora *l;
    float *y;
    const float *xa;
    size_t ldy, rows;
};

/* y += scale * xa . B^T for some columns: r is small, so a dot product per result is all there is to do. */
static void add_columns(void *arg, size_t begin, size_t end)
{
    const struct add_job *j = arg;
    size_t r = j->l->r;

    for (size_t row = 0; row < j->rows; row++)
        for (size_t o = begin; o < end; o++)
            j->y[row * j->ldy + o] += j->l->scale * j->vec->dot(j->xa + row * r, j->l->b + o * r, r);
}

/* The same by products of ADD_ROWS rows, whose result then is added. */
static void add_products(struct compute *c, const struct lora *l, size_t out, float *y, size_t ldy, const float *xa, size_t rows)
{
    struct weight b = weight_f32(l->b, out, l->r);
    AUTO_MEM float *part = mem_try_alloc(ADD_ROWS * out, sizeof *part);

    if (!part)
        abort();
    for (size_t first = 0; first < rows; first += ADD_ROWS) {
        size_t n = rows - first < ADD_ROWS ? rows - first : ADD_ROWS;

        gemm_forward(c, part, out, xa + first * l->r, l->r, n, &b);
        for (size_t i = 0; i < n; i++)
            compute_vec(c)->axpy(y + (first + i) * ldy, part + i * out, l->scale, out);
    }
}

void lora_forward(struct compute *c, const struct lora *l, size_t in, size_t out, float *y, size_t ldy, const float *x,
                  size_t ldx, size_t rows, float *xa)
{
    struct weight a = weight_f32(l->a, l->r, in);
    struct add_job j = { .vec = compute_vec(c), .l = l, .y = y, .xa = xa, .ldy = ldy, .rows = rows };

    gemm_forward(c, xa, l->r, x, ldx, rows, &a);
    if (compute_rows(c) == GEMM_ROWS_MANY)
        add_products(c, l, out, y, ldy, xa, rows);
    else if (rows > GEMM_FEW_ROWS && compute_rows(c) == GEMM_ROWS_ANY)
        gemm_f32(c, false, true, rows, out, l->r, l->scale, xa, l->r, l->b, l->r, 1, y, ldy);
    else
        compute_parallel(c, out, 256, add_columns, &j);
}
