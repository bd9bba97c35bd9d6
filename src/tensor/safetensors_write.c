/* Writing safetensors: header, then the tensors one after the other, streamed to a temporary file and renamed. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "tensor/safetensors.h"

#define WRITE_PART (64u << 20)

/* The reference writer's order: wide types first, so that everything is aligned; then by name. */
static int by_dtype_then_name(const void *a, const void *b)
{
    const struct safetensors_item *x = *(const struct safetensors_item *const *)a, *y = *(const struct safetensors_item *const *)b;
    size_t wx = dtype_size(x->tensor.dtype), wy = dtype_size(y->tensor.dtype);

    if (wx != wy)
        return wx > wy ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void add_quoted(struct buf *b, const char *s)
{
    json_t *j = json_strn(str_of(s));
    char *text = json_dumps(j, JSON_ENCODE_ANY);

    buf_adds(b, text);
    free(text);
    json_decref(j);
}

static void render_header(struct buf *b, const struct safetensors_item *const *items, size_t n)
{
    size_t at = 0;

    buf_adds(b, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (size_t i = 0; i < n; i++) {
        const struct tensor *t = &items[i]->tensor;
        size_t bytes = t->len * dtype_size(t->dtype);

        buf_addc(b, ',');
        add_quoted(b, items[i]->name);
        buf_addf(b, ":{\"dtype\":\"%s\",\"shape\":[", dtype_name(t->dtype));
        for (size_t d = 0; d < t->ndim; d++)
            buf_addf(b, "%s%zu", d ? "," : "", t->shape[d]);
        buf_addf(b, "],\"data_offsets\":[%zu,%zu]}", at, at + bytes);
        at += bytes;
    }
    buf_addc(b, '}');
    while (b->n % 8)
        buf_addc(b, ' ');
}

static errc write_body(int fd, const struct safetensors_item *const *items, size_t n, struct err *e)
{
    AUTO_BUF header = { 0 };
    uint8_t size[8];

    render_header(&header, items, n);
    for (int i = 0; i < 8; i++)
        size[i] = (uint8_t)((uint64_t)header.n >> (8 * i));
    TRY(fd_write_all(fd, size, sizeof size, e));
    TRY(fd_write_all(fd, header.p, header.n, e));
    for (size_t i = 0; i < n; i++) {
        const struct tensor *t = &items[i]->tensor;
        size_t left = t->len * dtype_size(t->dtype);

        for (const char *p = t->data; left; ) {
            size_t part = left < WRITE_PART ? left : WRITE_PART;

            TRY(fd_write_all(fd, p, part, e));
            p += part;
            left -= part;
        }
    }
    return fsync(fd) ? err_sys(e, errno, "sync") : ERR_OK;
}

static errc sort_items(const struct safetensors_item *items, size_t n, const struct safetensors_item **sorted, struct err *e)
{
    for (size_t i = 0; i < n; i++)
        sorted[i] = &items[i];
    if (n)
        qsort(sorted, n, sizeof *sorted, by_dtype_then_name);
    for (size_t i = 1; i < n; i++)
        if (streq(sorted[i - 1]->name, sorted[i]->name))
            return err_set(e, ERR_INVALID, "tensor %s is given twice", sorted[i]->name);
    return ERR_OK;
}

static errc sync_parent(const char *path, struct err *e)
{
    struct str head, rest;

    if (!str_rcut(str_of(path), '/', &head, &rest))
        return dir_sync(".", e);
    AUTO_MEM char *dir = xstrndup(head.n ? head.p : "/", head.n ? head.n : 1);
    return dir_sync(dir, e);
}

errc safetensors_write(const char *path, const struct safetensors_item *items, size_t n, struct err *e)
{
    AUTO_MEM const struct safetensors_item **sorted = xcalloc(n + 1, sizeof *sorted);
    char suffix[9] = "";
    errc rc;

    if (sort_items(items, n, sorted, e))
        return err_wrap(e, "write %s", path);
    random_suffix(suffix, sizeof suffix - 1);
    AUTO_MEM char *temporary = xasprintf("%s.tmp-%s", path, suffix);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_sys(e, errno, "create %s", temporary);
    rc = write_body(fd, sorted, n, e);
    if (close(fd) && !rc)
        rc = err_sys(e, errno, "close");
    if (!rc && rename(temporary, path))
        rc = err_sys(e, errno, "rename to %s", path);
    if (rc) {
        unlink(temporary);
        return err_wrap(e, "write %s", path);
    }
    return sync_parent(path, e);
}
