/* The replies: bytes, files, streams. */
#include <limits.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/mem.h"
#include "http/priv.h"

static void reply_set(struct http_exchange *x, int status, const char *content_type, struct MHD_Response *reply)
{
    struct request *r = REQUEST(x);
    if (r->reply)       /* a handler's second reply is its bug; the first one counts */
        MHD_destroy_response(r->reply);
    r->reply = reply;
    r->status = (unsigned)status;
    if (content_type)
        MHD_add_response_header(reply, "Content-Type", content_type);
    for (size_t i = 0; i < r->reply_headers.n; i++)
        MHD_add_response_header(reply, r->reply_headers.items[i].name, r->reply_headers.items[i].value);
}

void http_reply_header(struct http_exchange *x, const char *name, const char *value)
{
    if (value)
        http_pairs_add(&REQUEST(x)->reply_headers, str_of(name), str_of(value));
}

/* Level 1 as Kubernetes does: the bytes go over a local wire, time matters more. False leaves *out alone. */
static bool gzip(struct str in, struct buf *out)
{
    z_stream z = { 0 };
    if (in.n > UINT_MAX || deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    size_t bound = deflateBound(&z, in.n);
    char *p = xmalloc(bound + 1);
    z.next_in = (Bytef *)(uintptr_t)in.p;
    z.avail_in = (uInt)in.n;
    z.next_out = (Bytef *)p;
    z.avail_out = (uInt)bound;
    bool ok = deflate(&z, Z_FINISH) == Z_STREAM_END;
    if (ok)
        *out = (struct buf){ .p = p, .n = z.total_out, .cap = bound + 1 };
    else
        free(p);
    deflateEnd(&z);
    if (ok)
        out->p[out->n] = 0;
    return ok;
}

static bool wants_gzip(const struct request *r, size_t n)
{
    return r->accepts_gzip && n >= r->x.conn->server->o.gzip_min_bytes && !http_header_get(&r->reply_headers, "Content-Encoding");
}

void http_reply_take(struct http_exchange *x, int status, const char *content_type, struct buf *body)
{
    struct request *r = REQUEST(x);
    AUTO_BUF packed = { 0 };
    if (wants_gzip(r, body->n) && gzip(buf_str(body), &packed)) {
        http_reply_header(x, "Content-Encoding", "gzip");
        http_reply_header(x, "Vary", "Accept-Encoding");
        buf_done(body);
        *body = packed;
        packed = (struct buf){ 0 };
    }
    size_t n = body->n;
    char *p = buf_take(body);
    reply_set(x, status, content_type, MHD_create_response_from_buffer(n, p, MHD_RESPMEM_MUST_FREE));
}

void http_reply(struct http_exchange *x, int status, const char *content_type, struct str body)
{
    AUTO_BUF copy = { 0 };
    buf_addstr(&copy, body);
    http_reply_take(x, status, content_type, &copy);
}

void http_replyf(struct http_exchange *x, int status, const char *fmt, ...)
{
    AUTO_BUF text = { 0 };
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    buf_addc(&text, '\n');
    http_reply_take(x, status, "text/plain; charset=utf-8", &text);
}

struct stream {
    struct http_source source;
    struct http_connection *conn;
    struct gone *gone;
    struct buf pending;
    size_t sent;                /* of pending */
    enum http_more state;
};

static void stream_free(void *cls)
{
    struct stream *s = cls;
    if (s->source.free)
        s->source.free(s->source.self);
    gone_unref(s->gone);
    buf_done(&s->pending);
    free(s);
}

static ssize_t stream_read(void *cls, uint64_t pos, char *out, size_t max)
{
    struct stream *s = cls;
    if (s->sent == s->pending.n) {
        s->sent = 0;
        buf_clear(&s->pending);
        connection_phase(s->conn, PHASE_BUSY);
        while (s->state == HTTP_MORE && !s->pending.n) {
            if (cancel_is(s->gone->token))
                s->state = HTTP_ABORT;
            else
                s->state = s->source.next(s->source.self, s->gone->token, &s->pending);
        }
        connection_phase(s->conn, PHASE_SENDING);
    }
    if (s->state == HTTP_ABORT)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    size_t n = s->pending.n - s->sent;
    if (!n)
        return MHD_CONTENT_READER_END_OF_STREAM;
    n = n < max ? n : max;
    memcpy(out, s->pending.p + s->sent, n);
    s->sent += n;
    return (ssize_t)n;
}

#define STREAM_BLOCK (16u << 10)

void http_reply_stream(struct http_exchange *x, int status, const char *content_type, const struct http_source *source)
{
    struct stream *s = xzalloc(sizeof *s);
    s->source = *source;
    s->conn = x->conn;
    s->gone = connection_gone(x->conn);
    reply_set(x, status, content_type, MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, stream_read, s, stream_free));
}

void http_reply_file(struct http_exchange *x, int status, const char *content_type, int fd, uint64_t offset, uint64_t size)
{
    struct stat st;
    if (!size)
        size = fstat(fd, &st) == 0 && (uint64_t)st.st_size > offset ? (uint64_t)st.st_size - offset : 0;
    if (!size) {
        close(fd);
        http_reply(x, status, content_type, STR(""));
        return;
    }
    reply_set(x, status, content_type, MHD_create_response_from_fd_at_offset64(size, fd, offset));
}

struct cancel *http_gone(struct http_exchange *x)
{
    struct gone *g = connection_gone(x->conn);
    struct cancel *token = g->token;
    gone_unref(g);              /* the connection keeps its own reference until the request is over */
    return token;
}

void http_reply_upgrade(struct http_exchange *x, const char *protocol, const struct http_upgrade *u)
{
    http_reply_header(x, "Upgrade", protocol);
    reply_set(x, MHD_HTTP_SWITCHING_PROTOCOLS, NULL, upgrade_response(x->conn->server, u, &REQUEST(x)->upgrade));
}
