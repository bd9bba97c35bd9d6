/* Blobs into files, through FILE.part; digest and size are verified. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "oci/session.h"

struct blob {
    int fd, status;
    uint64_t size, got;
    struct buf body;                /* of an error reply */
    struct http_pairs headers;
    const char *digest;
};

static errc blob_head(void *self, int status, const struct http_pairs *headers, struct err *e)
{
    struct blob *b = self;

    (void)e;
    b->status = status;
    http_pairs_done(&b->headers);
    for (size_t i = 0; i < headers->n; i++)
        http_pairs_add(&b->headers, str_of(headers->items[i].name), str_of(headers->items[i].value));
    return ERR_OK;
}

static errc blob_data(void *self, struct str chunk, struct err *e)
{
    struct blob *b = self;

    if (b->status != 200) {
        if (b->body.n < TOKEN_MAX)
            buf_addstr(&b->body, chunk);
        return ERR_OK;
    }
    b->got += chunk.n;
    if (b->got > b->size)
        return err_set(e, ERR_CORRUPT, "layer %s: the registry sends more than the %llu bytes its manifest names", b->digest, (unsigned long long)b->size);
    return fd_write_all(b->fd, chunk.p, chunk.n, e);
}

static void blob_done(struct blob *b)
{
    buf_done(&b->body);
    http_pairs_done(&b->headers);
}

/* With a sink the reply's headers arrive in the sink: log_in needs them, so the first 401 is answered here. */
static errc blob_once(struct registry *r, const char *url, struct blob *b, struct err *e)
{
    struct http_sink sink = { .head = blob_head, .data = blob_data, .self = b };

    for (int round = 0;; round++) {
        struct http_pair header = { "Authorization", r->authorization };
        struct http_request q = { .url = url, .headers = &header, .n_headers = r->authorization ? 1 : 0, .timeout_ms = -1, .idle_timeout_ms = IDLE_MS,
                                  .max_redirects = 5, .no_bearer = true, .cancel = r->o.cancel };
        b->status = 0;
        b->got = 0;
        buf_clear(&b->body);
        errc rc = http_stream(r->client, &q, &sink, e);
        if (rc)
            return b->status == 200 && rc == ERR_CORRUPT ? rc : registry_connection_error(r, rc, e);
        if (b->status == 200)
            return b->got == b->size ? ERR_OK : err_set(e, ERR_IO, "layer %s: got %llu of %llu bytes", b->digest, (unsigned long long)b->got, (unsigned long long)b->size);
        struct http_response resp = { .status = b->status, .headers = b->headers, .body = b->body };       /* borrowed */
        if (b->status != 401 || round == 1)
            return registry_status_error(r, "a layer", &resp, e);
        TRY(registry_log_in(r, &resp, e));
    }
}

static errc blob_check(const char *path, const char *digest, struct err *e)
{
    char hex[SHA256_HEX];

    TRY(sha256_file(path, hex, NULL, e));
    if (!streq(hex, digest + strlen("sha256:")))
        return err_set(e, ERR_CORRUPT, "layer %s: the bytes received have SHA-256 %s", digest, hex);
    return ERR_OK;
}

static errc blob_to_file(struct registry *r, const char *url, const char *digest, uint64_t size, const char *part, int *out_status, struct err *e)
{
    AUTO(blob_done) struct blob b = { .size = size, .digest = digest };
    AUTO_FD fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return err_sys(e, errno, "create %s", part);
    b.fd = fd;
    errc rc = blob_once(r, url, &b, e);
    *out_status = b.status == 200 ? 0 : b.status;
    TRY(rc);
    if (fsync(fd))
        return err_sys(e, errno, "sync %s", part);
    return blob_check(part, digest, e);
}

errc registry_get_blob(struct registry *r, const char *digest, uint64_t size, const char *path, struct err *e)
{
    AUTO_MEM char *url = xasprintf("%s/v2/%s/blobs/%s", r->base, r->repository, digest), *part = xasprintf("%s.part", path);

    if (!digest_is_valid(str_of(digest)))
        return err_set(e, ERR_UNSUPPORTED, "layer digest \"%.100s\": only sha256 is known", digest);
    for (int tries = 1;; tries++) {
        int status = 0;
        errc rc = blob_to_file(r, url, digest, size, part, &status, e);
        if (!rc)
            return rename(part, path) ? err_sys(e, errno, "rename %s", part) : ERR_OK;
        (void)unlink(part);             /* absent is what we want */
        if (tries >= r->o.attempts || !(registry_may_retry(rc, status, e) || rc == ERR_CORRUPT))
            return rc;
        TRY(registry_pause(r, tries, &(struct http_pairs){ 0 }, e));
    }
}
