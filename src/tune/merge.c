#include "tune/merge.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "engine/source.h"
#include "tensor/safetensors.h"

#define FILE_MAX ((size_t)1 << 30)      /* of configuration, tokenizer and the like */

errc merge_supports(const struct lora_set *s, const struct model *m, struct err *e)
{
    if (s->any_dora)
        return err_set(e, ERR_UNSUPPORTED, "--merged: adapters with DoRA are not merged; set LoraConfig.use_dora to false or leave --merged out");
    if (s->n_own)
        return err_set(e, ERR_UNSUPPORTED, "--merged: %s is trained as a whole, which is not merged; leave --merged out", s->own[0].name);
    for (size_t i = 0; i < s->n; i++) {
        AUTO_MEM char *name = xasprintf("%s.weight", s->params[i].linear->path);
        const struct tensor *t;
        TRY(safetensors_need(source_safetensors(m->source), name, &t, e));
        if (t->len != s->params[i].linear->w.in * s->params[i].linear->w.out)
            return err_set(e, ERR_UNSUPPORTED, "--merged: %s is quantised in the model's files; merge into a model that is not", name);
    }
    return ERR_OK;
}

static const struct lora_param *param_of(const struct lora_set *s, const char *tensor)
{
    for (size_t i = 0; i < s->n; i++) {
        struct str path = str_of(s->params[i].linear->path), name = str_of(tensor);
        if (str_has_prefix(name, path) && str_is(str_from(name, path.n), ".weight"))
            return &s->params[i];
    }
    return NULL;
}

/* One row: w += scale b A, rounded to the weight's type at `out`. */
static errc merge_row(const struct lora_set *s, const struct lora_param *p, const struct tensor *t, size_t row, float *w, void *out, struct err *e)
{
    size_t in = p->linear->w.in;
    const float *a = s->w + p->a_at, *b = s->w + p->b_at + row * p->r;

    TRY(dtype_to_f32(w, (const char *)t->data + row * in * dtype_size(t->dtype), t->dtype, in, e));
    for (size_t k = 0; k < p->r; k++)
        for (size_t i = 0; i < in; i++)
            w[i] += p->scale * b[k] * a[k * in + i];
    return dtype_from_f32(out, t->dtype, w, in, e);
}

static errc merge_tensor(int fd, off_t at, const struct lora_set *s, const struct lora_param *p, const struct tensor *t, struct err *e)
{
    size_t in = p->linear->w.in, bytes = in * dtype_size(t->dtype);
    AUTO_MEM float *w = xcalloc(in, sizeof *w);
    AUTO_MEM void *out = xmalloc(bytes);

    for (size_t row = 0; row < p->linear->w.out; row++) {
        TRY(merge_row(s, p, t, row, w, out, e));
        if (pwrite(fd, out, bytes, at + (off_t)(row * bytes)) != (ssize_t)bytes)
            return err_sys(e, errno, "write merged weights");
    }
    return ERR_OK;
}

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
        const struct lora_param *p = param_of(s, safetensors_name(st, i));
        if (p)
            TRY(merge_tensor(fd, data_start(map) + ((const char *)t->data - first), s, p, t, e));
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
    char **names;
    size_t n;
    errc rc = ERR_OK;

    TRY(dir_make(dir, 0755, e));
    TRY(dir_list(model_dir, &names, &n, e));
    for (size_t i = 0; i < n && !rc; i++) {
        AUTO_MEM char *from = path_join(model_dir, names[i]), *to = path_join(dir, names[i]);
        if (file_exists(from) && is_wanted(names[i]))
            rc = write_file(from, to, s, e);
    }
    strv_free(names, n);
    return rc;
}
