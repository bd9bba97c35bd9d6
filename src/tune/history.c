#include "tune/history.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

errc history_open(struct history *h, const char *output_dir, uint64_t keep_bytes, struct err *e)
{
    uint64_t size = 0;

    *h = (struct history){ .fd = -1, .path = path_join(output_dir, "history.jsonl") };
    h->fd = open(h->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (h->fd < 0)
        return err_sys(e, errno, "open %s", h->path);
    TRY(file_size(h->path, &size, e));
    h->bytes = size < keep_bytes ? size : keep_bytes;
    if (ftruncate(h->fd, (off_t)h->bytes) || lseek(h->fd, 0, SEEK_END) < 0)
        return err_sys(e, errno, "cut %s", h->path);
    return ERR_OK;
}

static errc append(struct history *h, const struct buf *t, struct err *e)
{
    if (fd_write_all(h->fd, t->p, t->n, e))
        return err_wrap(e, "%s", h->path);
    h->bytes += t->n;
    return ERR_OK;
}

errc history_add_evaluation(struct history *h, const struct history_evaluation *x, struct err *e)
{
    AUTO_BUF t = { 0 };

    buf_addf(&t, "{\"step\": %llu, \"epoch\": %.9g, \"eval_loss\": %.9g, \"eval_runtime\": %.4f, \"eval_samples_per_second\": %.3f}\n",
             (unsigned long long)x->step, x->epoch, x->loss, x->seconds, x->seconds > 0 ? (double)x->samples / x->seconds : 0);
    return append(h, &t, e);
}

bool history_last_evaluation(const struct history *h, double *out_loss)
{
    AUTO_BUF text = { 0 };
    bool found = false;
    struct str line;

    if (h->bytes == 0 || file_read(h->path, HISTORY_BYTES_MAX, &text, NULL))
        return false;
    struct str rest = buf_str(&text);
    while (str_next(&rest, '\n', &line)) {
        AUTO_JSON j = NULL;
        if (!line.n || json_parse(line, &j, NULL) || !json_object_get(j, "eval_loss"))
            continue;
        *out_loss = json_num(j, "eval_loss", 0);
        found = true;
    }
    return found;
}

errc history_add(struct history *h, const struct history_line *l, struct err *e)
{
    AUTO_BUF t = { 0 };

    buf_addf(&t, "{\"step\": %llu, \"epoch\": %.9g, \"loss\": %.9g, \"grad_norm\": %.9g, \"learning_rate\": %.12g, \"tokens\": %llu, "
             "\"tokens_per_second\": %.1f}\n", (unsigned long long)l->step, l->epoch, l->loss, l->grad_norm, l->learning_rate,
             (unsigned long long)l->tokens, l->tokens_per_second);
    return append(h, &t, e);
}

errc history_sync(struct history *h, struct err *e)
{
    return fdatasync(h->fd) ? err_sys(e, errno, "sync %s", h->path) : ERR_OK;
}

void history_done(struct history *h)
{
    if (h->fd >= 0)
        close(h->fd);
    free(h->path);
    *h = (struct history){ .fd = -1 };
}
