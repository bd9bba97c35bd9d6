/* From libmicrohttpd's callbacks to one call of the handler. */
#include <stdarg.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "http/priv.h"

/* A client may send this much more than max_body before we stop reading it for the sake of a polite 413. */
#define DROP_MAX (256u << 20)

static void refuse(struct request *r, const struct http_server *s, int status, const char *fmt, ...) PRINTF(4, 5);
static void refuse(struct request *r, const struct http_server *s, int status, const char *fmt, ...)
{
    AUTO_BUF why = { 0 };
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&why, fmt, ap);
    va_end(ap);
    if (s->o.refuse)
        s->o.refuse(s->o.self, &r->x, status, buf_cstr(&why));
    else
        http_replyf(&r->x, status, "%s", buf_cstr(&why));
}

static struct http_connection *connection_of(struct MHD_Connection *con)
{
    return MHD_get_connection_info(con, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

void *request_begin(void *cls, const char *uri, struct MHD_Connection *con)
{
    struct request *r = xzalloc(sizeof *r);
    struct str path, query;
    bool has_query = str_cut(str_of(uri), '?', &path, &query);
    r->raw_path = xstrndup(path.p, path.n);
    r->raw_query = has_query ? xstrndup(query.p, query.n) : xstrdup("");
    r->x.conn = connection_of(con);
    return r;
}

static void request_free(struct request *r)
{
    http_pairs_done(&r->x.query);
    http_pairs_done(&r->x.headers);
    http_pairs_done(&r->reply_headers);
    buf_done(&r->body);
    buf_done(&r->path);
    free(r->raw_path);
    free(r->raw_query);
    arena_free(r->x.arena);
    if (r->reply)
        MHD_destroy_response(r->reply);
    upgrade_drop(r->upgrade);
    free(r);
}

static enum MHD_Result add_header(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
    http_pairs_add(cls, str_of(key), str_of(value ? value : ""));
    return MHD_YES;
}

static enum MHD_Result request_send(struct request *r, struct MHD_Connection *con)
{
    if (!r->reply)
        http_replyf(&r->x, 500, "the handler of %s gave no reply", r->raw_path);
    if (r->status != MHD_HTTP_SWITCHING_PROTOCOLS)
        connection_phase(r->x.conn, PHASE_SENDING);
    enum MHD_Result rc = MHD_queue_response(con, r->status, r->reply);
    MHD_destroy_response(TAKE(r->reply));
    return rc;
}

/*
 * The first call for a request: its head has come. A body that is announced as too large is refused before it is sent when the
 * client waits for leave, or is absurd; else it is read and dropped, because a client that is sending does not see our reply.
 */
static enum MHD_Result request_head(struct request *r, struct http_server *s, struct MHD_Connection *con, const char *method)
{
    struct http_exchange *x = &r->x;
    struct http_connection *c = x->conn;
    r->started = true;
    connection_request(c, true);
    x->arena = arena_new();
    x->method = arena_strdup(x->arena, method);
    MHD_get_connection_values(con, MHD_HEADER_KIND, add_header, &x->headers);
    const char *length = http_header_get(&x->headers, "Content-Length");
    uint64_t n = 0;
    bool waits = http_header_get(&x->headers, "Expect") != NULL;
    if (length && (!str_to_u64(str_of(length), &n) || n > s->o.max_body)) {
        r->too_large = true;
        if (waits || n > DROP_MAX) {
            refuse(r, s, 413, "the body has %s bytes, more than the %zu allowed", length, s->o.max_body);
            return request_send(r, con);
        }
    }
    connection_phase(c, PHASE_BODY);
    return MHD_YES;
}

static enum MHD_Result request_data(struct request *r, const struct http_server *s, const char *data, size_t *size)
{
    if (r->too_large || r->body.n + *size > s->o.max_body) {
        r->too_large = true;
        r->dropped += *size;
    } else {
        buf_add(&r->body, data, *size);
    }
    *size = 0;
    return r->dropped > DROP_MAX ? MHD_NO : MHD_YES;
}

static bool accepts_gzip(const char *accept)
{
    struct str rest = str_of(accept ? accept : ""), piece, name, params;
    while (str_next(&rest, ',', &piece)) {
        str_cut(piece, ';', &name, &params);
        if (str_ieq(str_trim(name), STR("gzip")))
            return !str_is(str_trim(params), "q=0");
    }
    return false;
}

static void request_run(struct request *r, struct http_server *s, struct MHD_Connection *con)
{
    struct http_exchange *x = &r->x;
    struct http_connection *c = x->conn;
    if (!url_unescape_add(&r->path, str_of(r->raw_path), false) || memchr(buf_cstr(&r->path), 0, r->path.n) ||
        !http_query_parse(str_of(r->raw_query), &x->query)) {
        refuse(r, s, 400, "the path or query holds a malformed escape");
        return;
    }
    if (r->too_large) {
        refuse(r, s, 413, "the body has more than the %zu bytes allowed", s->o.max_body);
        return;
    }
    connection_read_cert(c, con);
    x->path = buf_cstr(&r->path);
    x->raw_path = r->raw_path;
    x->raw_query = r->raw_query;
    x->body = buf_str(&r->body);
    x->peer = c->peer;
    x->client_cn = c->cn;
    x->client_orgs = c->orgs;
    x->n_client_orgs = c->n_orgs;
    x->client_cert_invalid = c->cert_invalid;
    x->tls = MHD_get_connection_info(con, MHD_CONNECTION_INFO_GNUTLS_SESSION) != NULL;
    r->accepts_gzip = accepts_gzip(http_header_get(&x->headers, "Accept-Encoding"));
    s->o.handler(s->o.self, x);
}

/* A stream may run for hours: what only the handler needed goes now. */
static void request_shrink(struct request *r)
{
    arena_free(TAKE(r->x.arena));
    buf_done(&r->body);
    buf_done(&r->path);
    http_pairs_done(&r->x.query);
    http_pairs_done(&r->x.headers);
    http_pairs_done(&r->reply_headers);
}

enum MHD_Result request_access(void *cls, struct MHD_Connection *con, const char *url, const char *method, const char *version,
                               const char *data, size_t *size, void **req)
{
    struct http_server *s = cls;
    struct request *r = *req;
    if (!r->started)
        return request_head(r, s, con, method);
    if (*size)
        return request_data(r, s, data, size);
    connection_phase(r->x.conn, PHASE_BUSY);
    request_run(r, s, con);
    enum MHD_Result rc = request_send(r, con);
    request_shrink(r);
    return rc;
}

void request_completed(void *cls, struct MHD_Connection *con, void **req, enum MHD_RequestTerminationCode why)
{
    struct request *r = TAKE(*req);
    if (!r)
        return;
    if (r->started)
        connection_request(r->x.conn, false);
    request_free(r);
}
