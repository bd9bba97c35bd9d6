/*
 * One file: NAME.part grows, may be resumed, is checked and renamed. Beside it NAME.part.tag holds the ETag its bytes belong to,
 * so that a resume never glues two versions together.
 */
#include "hub/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"

#define TAG_MAX     1024
#define REDIRECTS   10

/* One attempt: what the server said and how far we are. */
struct attempt {
    struct hub *h;
    const struct download *d;
    const char *part, *tag_path;
    int fd;
    uint64_t at, from;              /* bytes in .part; where this attempt began */
    uint64_t total;                 /* 0: unknown */
    int status;
    bool busy;                      /* another process holds the lock */
    int64_t retry_after_ms;
    struct buf tag;                 /* of the bytes in .part; "" when the server names none */
};

static void attempt_done(struct attempt *a)
{
    if (a->fd >= 0)
        close(a->fd);
    buf_done(&a->tag);
}

/* Opened and locked, so that two processes never write one file; opened again when the other has just renamed it away. */
static errc part_lock(struct attempt *a, struct stat *st, struct err *e)
{
    for (;;) {
        struct stat named;
        a->fd = open(a->part, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (a->fd < 0)
            return err_sys(e, errno, "open %s", a->part);
        if (flock(a->fd, LOCK_EX | LOCK_NB)) {
            a->busy = errno == EWOULDBLOCK;
            return a->busy ? err_set(e, ERR_CONFLICT, "another process is downloading it; waiting for that one") : err_sys(e, errno, "lock %s", a->part);
        }
        if (fstat(a->fd, st))
            return err_sys(e, errno, "look at %s", a->part);
        if (!stat(a->part, &named) && named.st_ino == st->st_ino && named.st_dev == st->st_dev)
            return ERR_OK;
        close(a->fd);
        a->fd = -1;
    }
}

static errc part_open(struct attempt *a, struct err *e)
{
    struct stat st;

    TRY(part_lock(a, &st, e));
    a->at = (uint64_t)st.st_size;
    buf_clear(&a->tag);
    if (file_read(a->tag_path, TAG_MAX, &a->tag, NULL))
        buf_clear(&a->tag);
    if (a->at && (!a->tag.n || (a->d->size_known && a->at > a->d->size)))
        a->at = 0;                  /* nobody knows what these bytes are */
    if (lseek(a->fd, (off_t)a->at, SEEK_SET) < 0)
        return err_sys(e, errno, "seek %s", a->part);
    return ERR_OK;
}

static errc part_restart(struct attempt *a, struct err *e)
{
    if (ftruncate(a->fd, 0) || lseek(a->fd, 0, SEEK_SET) < 0)
        return err_sys(e, errno, "truncate %s", a->part);
    a->at = a->from = 0;
    return ERR_OK;
}

/* A strong ETag is kept; a weak one may not be used with Range (RFC 9110 section 13.1.5). */
static errc tag_keep(struct attempt *a, const struct http_pairs *headers, struct err *e)
{
    const char *tag = http_header_get(headers, "ETag");

    buf_clear(&a->tag);
    if (!tag || tag[0] != '"' || strlen(tag) >= TAG_MAX) {
        (void)unlink(a->tag_path);  /* absent is what we want */
        return ERR_OK;
    }
    buf_adds(&a->tag, tag);
    return file_write_atomic(a->tag_path, buf_str(&a->tag), 0644, e);
}

/* "bytes 5-9/10": false unless it begins at `from`; *out_total 0 when it is "*". */
static bool content_range(const char *value, uint64_t from, uint64_t *out_total)
{
    struct str range, first, last, total;
    uint64_t at;

    if (!value || !str_has_prefix(str_of(value), STR("bytes ")))
        return false;
    if (!str_cut(str_from(str_of(value), 6), '/', &range, &total) || !str_cut(range, '-', &first, &last))
        return false;
    if (!str_to_u64(first, &at) || at != from)
        return false;
    if (!str_to_u64(total, out_total))
        *out_total = 0;
    return true;
}

static errc check_total(struct attempt *a, struct err *e)
{
    if (!a->d->size_known || !a->total || a->total == a->d->size)
        return ERR_OK;
    return err_set(e, ERR_CONFLICT, "%s: the server has %llu bytes where the repository lists %llu; it changed meanwhile, run again", a->d->url,
                   (unsigned long long)a->total, (unsigned long long)a->d->size);
}

static bool is_web_page(const struct http_pairs *headers, const char *name)
{
    const char *type = http_header_get(headers, "Content-Type");
    return type && str_has_prefix(str_of(type), STR("text/html")) && !str_has_suffix(str_of(name), STR(".html"));
}

static errc on_head(void *self, int status, const struct http_pairs *headers, struct err *e)
{
    struct attempt *a = self;
    const char *length = http_header_get(headers, "Content-Length");

    a->status = status;
    a->total = 0;
    if (status == 206 && content_range(http_header_get(headers, "Content-Range"), a->at, &a->total))
        return check_total(a, e);
    if (status != 200) {
        a->retry_after_ms = http_retry_after_ms(headers, 0);
        return hub_status_error(a->h, a->d->url, status, headers, e);
    }
    if (is_web_page(headers, a->d->name))
        return err_set(e, ERR_INVALID, "%s: the server sent a web page, not a file; on the hub use the file's /resolve/ URL instead of /blob/", a->d->url);
    TRY(part_restart(a, e));
    if (length && !http_header_get(headers, "Content-Encoding") && !str_to_u64(str_of(length), &a->total))
        a->total = 0;
    TRY(tag_keep(a, headers, e));
    return check_total(a, e);
}

static errc on_data(void *self, struct str chunk, struct err *e)
{
    struct attempt *a = self;

    if (a->d->size_known && a->at + chunk.n > a->d->size)
        return err_set(e, ERR_CORRUPT, "%s: the server sends more than the %llu bytes that are listed", a->d->url, (unsigned long long)a->d->size);
    errc rc = fd_write_all(a->fd, chunk.p, chunk.n, e);
    if (rc == ERR_NO_SPACE)
        return err_set(e, rc, "write %s: the disk is full; free space or choose another folder, then run again: it resumes", a->part);
    if (rc)
        return err_wrap(e, "write %s", a->part);
    a->at += chunk.n;
    hub_tell(a->h, &(struct hub_progress){ .name = a->d->name, .done = a->at, .total = a->total, .what = HUB_MOVING });
    return ERR_OK;
}

static errc send(struct attempt *a, struct err *e)
{
    struct http_pair headers[2];
    size_t n = 0;
    AUTO_MEM char *range = NULL;

    if (a->at) {
        range = xasprintf("bytes=%llu-", (unsigned long long)a->at);
        headers[n++] = (struct http_pair){ "Range", range };
        headers[n++] = (struct http_pair){ "If-Range", a->tag.p };
    }
    a->from = a->at;
    hub_tell(a->h, &(struct hub_progress){ .name = a->d->name, .done = a->at, .total = a->d->size, .what = a->at ? HUB_RESUMED : HUB_STARTED });
    struct http_request q = {
        .url = a->d->url, .headers = headers, .n_headers = n, .timeout_ms = -1, .idle_timeout_ms = a->h->o.idle_timeout_ms,
        .max_redirects = REDIRECTS, .public_only = !a->d->below_endpoint && !a->h->o.allow_private,
        .no_bearer = !a->d->below_endpoint, .cancel = a->h->o.cancel,
    };
    struct http_sink sink = { .head = on_head, .data = on_data, .self = a };
    TRY(http_stream(a->h->client, &q, &sink, e));
    if (a->total && a->at < a->total)
        return err_set(e, ERR_IO, "%s: the transfer ended after %llu of %llu bytes", a->d->url, (unsigned long long)a->at, (unsigned long long)a->total);
    return ERR_OK;
}

static void part_forget(const struct attempt *a)
{
    (void)unlink(a->part);          /* absent is what we want, for both */
    (void)unlink(a->tag_path);
}

static errc check_bytes(const struct download *d, const char *path, struct err *e)
{
    char hex[SHA256_HEX];
    uint64_t size;

    if (!d->sha256)
        TRY(file_size(path, &size, e));
    else
        TRY(sha256_file(path, hex, &size, e));
    if (d->size_known && size != d->size)
        return err_set(e, ERR_CORRUPT, "%s: got %llu bytes where %llu are listed", d->url, (unsigned long long)size, (unsigned long long)d->size);
    if (d->sha256 && !streq(hex, d->sha256))
        return err_set(e, ERR_CORRUPT, "%s: SHA-256 is %s where the hub lists %s; the bytes were damaged on the way", d->url, hex, d->sha256);
    if (size == 0 && !d->size_known)
        return err_set(e, ERR_INVALID, "%s: the file is empty", d->url);
    return ERR_OK;
}

static errc finish(struct attempt *a, struct err *e)
{
    if (fsync(a->fd))
        return err_sys(e, errno, "sync %s", a->part);
    errc rc = check_bytes(a->d, a->part, e);
    if (rc) {
        part_forget(a);
        return rc;
    }
    if (rename(a->part, a->d->path))
        return err_sys(e, errno, "rename %s to %s", a->part, a->d->path);
    (void)unlink(a->tag_path);      /* of no use any more */
    AUTO_MEM char *dir = xstrdup(a->d->path);
    char *slash = strrchr(dir, '/');
    if (slash && slash != dir)
        *slash = 0;
    return dir_sync(slash ? dir : ".", e);
}

static errc attempt_run(struct attempt *a, struct err *e)
{
    TRY(part_open(a, e));
    if (!(a->d->size_known && a->at == a->d->size && a->at))       /* killed between the last byte and the rename */
        TRY(send(a, e));
    return finish(a, e);
}

/* A name without .part is whole; it is stale only when the repository lists other bytes under it. */
static bool already_there(struct hub *h, const struct download *d)
{
    if (!file_exists(d->path))
        return false;
    if (d->size_known && check_bytes(d, d->path, NULL))
        return false;
    hub_tell(h, &(struct hub_progress){ .name = d->name, .done = d->size, .total = d->size, .what = HUB_PRESENT });
    return true;
}

errc download_run(struct hub *h, const struct download *d, struct err *e)
{
    AUTO_MEM char *part = xasprintf("%s.part", d->path);
    AUTO_MEM char *tag = xasprintf("%s.part.tag", d->path);

    for (int tries = 1;; tries++) {
        if (already_there(h, d))
            return ERR_OK;
        AUTO(attempt_done) struct attempt a = { .h = h, .d = d, .part = part, .tag_path = tag, .fd = -1 };
        errc rc = attempt_run(&a, e);
        if (!rc) {
            hub_tell(h, &(struct hub_progress){ .name = d->name, .done = a.at, .total = a.at, .what = HUB_DONE });
            return ERR_OK;
        }
        if (a.status == 416)
            part_forget(&a);        /* what lies there is longer than what the server has */
        if (!a.busy && !hub_may_retry(rc, a.status))
            return rc;
        if (a.busy || a.at > a.from)
            tries = 1;
        if (tries >= h->o.attempts) {
            (void)err_wrap(e, "gave up after %d attempts", tries);
            return rc;
        }
        hub_tell(h, &(struct hub_progress){ .name = d->name, .done = a.at, .total = a.total, .what = HUB_RETRY, .why = e ? e->text : NULL });
        TRY(hub_pause(h, tries, a.retry_after_ms, e));
    }
}
