/* Replies that come in pieces: watches and logs. An error status is collected and becomes an error. */
#include "base/mem.h"
#include "kube/priv.h"

#define ERROR_BODY_MAX (64u << 10)

struct tap {
    int status;
    struct buf failure;
    errc (*data)(void *self, struct str chunk, struct err *e);
    void *self;
};

static errc tap_head(void *self, int status, const struct http_pairs *headers, struct err *e)
{
    ((struct tap *)self)->status = status;
    return ERR_OK;
}

static errc tap_data(void *self, struct str chunk, struct err *e)
{
    struct tap *t = self;
    if (t->status >= 200 && t->status < 300)
        return t->data(t->self, chunk, e);
    if (t->failure.n + chunk.n <= ERROR_BODY_MAX)
        buf_addstr(&t->failure, chunk);
    return ERR_OK;
}

errc kube_stream(struct kube_client *c, const char *path, int64_t idle_timeout_ms, struct cancel *cancel,
                 errc (*data)(void *self, struct str chunk, struct err *e), void *self, struct err *e)
{
    AUTO_MEM char *url = xasprintf("%s%s", c->server, path);
    struct tap t = { .data = data, .self = self };
    struct http_request q = { .url = url, .timeout_ms = -1, .idle_timeout_ms = idle_timeout_ms, .cancel = cancel ? cancel : c->cancel };
    errc rc = http_stream(c->http, &q, &(struct http_sink){ tap_head, tap_data, &t }, e);
    kube_count_request(c, "GET", t.status);
    if (!rc && (t.status < 200 || t.status >= 300))
        rc = kube_status_error(t.status, buf_str(&t.failure), path, e);
    buf_done(&t.failure);
    return rc;
}
