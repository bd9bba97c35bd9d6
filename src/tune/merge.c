#include "tune/merge.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "engine/source.h"
#include "tensor/safetensors.h"

#define FILE_MAX ((size_t)1 << 30)      /* of configuration, tokenizer and the like */

#define PREFIX "base_model.model."

/* --- what changes ------------------------------------------------------------------------------------------------------------------------- */

/* A tensor of the model's files that is not what it was: a linear with an adapter, or values that were trained as a whole. */
struct change {
    const struct lora_param *param;
    const struct own_param *own;        /* NULL: param */
    size_t rows, cols;
};

/* base_model.model.<path>[.base_layer].bias is <path>.bias in the model's files. */
static char *own_tensor(const struct own_param *x)
{
    struct str path = str_from(str_of(x->name), strlen(PREFIX));
    const char *ending = x->bias ? ".bias" : ".weight";

    path.n -= strlen(ending);
    if (x->bias && str_has_suffix(path, STR(".base_layer")))
        path.n -= strlen(".base_layer");
    return xasprintf("%.*s%s", STR_ARG(path), ending);
}

static bool find_change(const struct lora_set *s, const char *tensor, struct change *out)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct linear *l = s->params[i].linear;
        struct str path = str_of(l->path), name = str_of(tensor);
        if (str_has_prefix(name, path) && str_is(str_from(name, path.n), ".weight")) {
            *out = (struct change){ .param = &s->params[i], .rows = l->w.out, .cols = l->w.in };
            if (s->params[i].table)         /* lies in files as [vocab, hidden] */
                *out = (struct change){ .param = &s->params[i], .rows = l->w.in, .cols = l->w.out };
            return true;
        }
    }
    for (size_t i = 0; i < s->n_own; i++) {
        AUTO_MEM char *name = own_tensor(&s->own[i]);
        size_t cols = s->own[i].cols;
        if (streq(name, tensor)) {
            *out = (struct change){ .own = &s->own[i], .rows = cols ? s->own[i].rows : 1, .cols = cols ? cols : s->own[i].rows };
            return true;
        }
    }
    return false;
}

/* The matrix that head and embedding share in a tied model has one value for both. */
static errc check_apart(const struct model *m, const char *name, bool end, struct err *e)
{
    return m->config.tied && end
        ? err_set(e, ERR_UNSUPPORTED, "--merged: %s is trained apart from the matrix that it shares in this model; leave --merged out", name) : ERR_OK;
}

static errc check_tensor(const struct model *m, const char *name, size_t len, struct err *e)
{
    const struct tensor *t;

    TRY(safetensors_need(source_safetensors(m->source), name, &t, e));
    if (t->len != len)
        return err_set(e, ERR_UNSUPPORTED, "--merged: %s is quantised in the model's files; merge into a model that is not", name);
    return ERR_OK;
}

errc merge_supports(const struct lora_set *s, const struct model *m, struct err *e)
{
    for (size_t i = 0; i < s->n_own; i++) {
        const struct own_param *x = &s->own[i];
        AUTO_MEM char *name = own_tensor(x);
        TRY(check_apart(m, name, x->part == &m->embed || x->part == &m->head, e));
        TRY(check_tensor(m, name, x->cols ? x->rows * x->cols : x->rows, e));
    }
    for (size_t i = 0; i < s->n; i++) {
        const struct linear *l = s->params[i].linear;
        AUTO_MEM char *name = xasprintf("%s.weight", l->path);
        TRY(check_apart(m, name, l->index >= m->n_linears, e));
        TRY(check_tensor(m, name, l->w.in * l->w.out, e));
    }
    return ERR_OK;
}

/* --- its values ----------------------------------------------------------------------------------------------------------------------------- */

/* w += scale b A, and with DoRA stretched to its magnitude. */
static void merge_row(const struct lora_set *s, const struct lora_param *p, size_t row, float *w)
{
    size_t in = p->linear->w.in;
    const float *a = s->w + p->a_at, *b = s->w + p->b_at + row * p->r;
    double sum = 0;

    for (size_t k = 0; k < p->r; k++)
        for (size_t i = 0; i < in; i++)
            w[i] += p->scale * b[k] * a[k * in + i];
    for (size_t i = 0; p->dora && i < in; i++)
        sum += (double)w[i] * (double)w[i];
    float gain = sum > 0 ? s->w[p->m_at + row] / (float)sqrt(sum) : 1;
    for (size_t i = 0; p->dora && i < in; i++)
        w[i] *= gain;
}

/* w [hidden] of one token += scale A^T B^T, and with DoRA gain [hidden] times that. */
static void merge_embedded(const struct lora_set *s, const struct lora_param *p, const float *gain, size_t token, float *w)
{
    const float *a = s->w + p->a_at + token, *b = s->w + p->b_at;

    for (size_t i = 0; i < p->linear->w.out; i++)
        for (size_t k = 0; k < p->r; k++)
            w[i] += p->scale * b[i * p->r + k] * a[k * p->linear->w.in];
    for (size_t i = 0; gain && i < p->linear->w.out; i++)
        w[i] *= gain[i];
}

/* [hidden] of an embedding with magnitudes, malloc'd; else NULL. */
static float *embedding_gain(const struct lora_set *s, const struct change *x, const struct tensor *t)
{
    const struct lora_param *p = x->param;

    if (!p || !p->table || !p->dora)
        return NULL;
    struct lora factors = lora_param_factors(s, p);
    struct weight table = { .out = x->rows, .in = x->cols, .kind = WEIGHT_DENSE, .dtype = t->dtype, .data = t->data };
    float *gain = xcalloc(x->cols, sizeof *gain);

    lora_column_norms(&factors, &table, 0, x->cols, gain);
    for (size_t i = 0; i < x->cols; i++)
        gain[i] = gain[i] > 0 ? s->w[p->m_at + i] / gain[i] : 1;
    return gain;
}

/* One row rounded to the tensor's type at `out`. */
static errc changed_row(const struct lora_set *s, const struct change *x, const float *gain, const struct tensor *t, size_t row, float *w, void *out,
                        struct err *e)
{
    size_t n = x->cols;

    if (x->own) {
        memcpy(w, s->w + x->own->at + row * n, n * sizeof *w);
    } else {
        TRY(dtype_to_f32(w, (const char *)t->data + row * n * dtype_size(t->dtype), t->dtype, n, e));
        if (x->param->table)
            merge_embedded(s, x->param, gain, row, w);
        else
            merge_row(s, x->param, row, w);
    }
    return dtype_from_f32(out, t->dtype, w, n, e);
}

static errc write_changed(int fd, off_t at, const struct lora_set *s, const struct change *x, const struct tensor *t, struct err *e)
{
    size_t bytes = x->cols * dtype_size(t->dtype);
    AUTO_MEM float *w = xcalloc(x->cols, sizeof *w);
    AUTO_MEM void *out = xmalloc(bytes);
    AUTO_MEM float *gain = embedding_gain(s, x, t);

    for (size_t row = 0; row < x->rows; row++) {
        TRY(changed_row(s, x, gain, t, row, w, out, e));
        if (pwrite(fd, out, bytes, at + (off_t)(row * bytes)) != (ssize_t)bytes)
            return err_sys(e, errno, "write merged weights");
    }
    return ERR_OK;
}

/* --- files ----------------------------------------------------------------------------------------------------------------------------------- */

/* Where tensor data begins in a file: behind the length of the header and the header. */
static off_t data_start(struct file_map map)
{
    uint64_t header;

    memcpy(&header, map.p, sizeof header);      /* little-endian; safetensors_open checked it */
    return (off_t)(header + 8);
}

static errc patch(int fd, struct file_map map, const struct safetensors *st, const struct lora_set *s, struct err *e)
{
    const char *first = NULL;

    for (size_t i = 0; i < safetensors_count(st); i++) {
        const char *data = safetensors_at(st, i)->data;
        first = !first || data < first ? data : first;
    }
    TRY(fd_write_all(fd, map.p, map.n, e));
    for (size_t i = 0; i < safetensors_count(st); i++) {
        const struct tensor *t = safetensors_at(st, i);
        struct change x;
        if (find_change(s, safetensors_name(st, i), &x))
            TRY(write_changed(fd, data_start(map) + ((const char *)t->data - first), s, &x, t, e));
    }
    return fsync(fd) ? err_sys(e, errno, "sync merged weights") : ERR_OK;
}

static errc write_weights(const char *from, const char *to, const struct lora_set *s, struct err *e)
{
    AUTO_MEM char *temp = xasprintf("%s.tmp", to);
    AUTO_FREE(safetensors) st = NULL;
    struct file_map map;

    TRY(safetensors_open(from, &st, e));
    AUTO_FD fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_sys(e, errno, "create %s", temp);
    TRY(file_map_open(from, &map, e));
    errc rc = patch(fd, map, st, s, e);
    file_map_close(&map);
    if (!rc && rename(temp, to))
        rc = err_sys(e, errno, "rename %s to %s", temp, to);
    if (rc)
        (void)unlink(temp);     /* the error is told already */
    return rc ? err_wrap(e, "%s", to) : ERR_OK;
}

static errc write_file(const char *from, const char *to, const struct lora_set *s, struct err *e)
{
    AUTO_BUF bytes = { 0 };

    if (str_has_suffix(str_of(from), STR(".safetensors")))
        return write_weights(from, to, s, e);
    TRY(file_read(from, FILE_MAX, &bytes, e));
    return file_write_atomic(to, buf_str(&bytes), 0644, e);
}

/* Weights in other formats are not those that were trained on. */
static bool is_wanted(const char *name)
{
    static const char *const others[] = { ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack", ".onnx" };

    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (str_has_suffix(str_of(name), str_of(others[i])))
            return false;
    return name[0] != '.';
}

errc merge_write(const char *model_dir, const char *dir, const struct lora_set *s, struct err *e)
{
    AUTO_MEM char *last_from = path_join(model_dir, MERGE_LAST), *last_to = path_join(dir, MERGE_LAST);
    char **names;
    size_t n;
    errc rc = ERR_OK;

    TRY(dir_make(dir, 0755, e));
    if (unlink(last_to) && errno != ENOENT)
        return err_sys(e, errno, "remove %s", last_to);
    TRY(dir_list(model_dir, &names, &n, e));
    for (size_t i = 0; i < n && !rc; i++) {
        AUTO_MEM char *from = path_join(model_dir, names[i]), *to = path_join(dir, names[i]);
        if (file_exists(from) && is_wanted(names[i]) && !streq(names[i], MERGE_LAST))
            rc = write_file(from, to, s, e);
    }
    strv_free(names, n);
    return rc ? rc : write_file(last_from, last_to, s, e);
}
