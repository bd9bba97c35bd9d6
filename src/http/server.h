/*
 * HTTP server (libmicrohttpd): a thread with a small stack per connection, so that handlers and streams may block.
 * TLS from PEM text. One thread more per server watches for clients that left and for those that are too slow.
 *
 * A handler runs on its connection's thread with the whole body and answers exactly once, by http_reply*; when it returns without,
 * the client gets a 500. All that the exchange lends lives until the handler returns: a stream copies what it needs.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/thread.h"
#include "http/http.h"

struct http_server;
struct http_connection;

struct http_exchange {                  /* read-only for handlers */
    const char *method;
    const char *path;                   /* decoded, before the "?" */
    const char *raw_path;               /* as sent */
    const char *raw_query;              /* as sent, "" when none */
    struct http_pairs query;            /* http_pairs_get; walk items for repeated names */
    struct http_pairs headers;          /* http_header_get */
    struct str body;
    const char *peer;                   /* "127.0.0.1:40312" */
    const char *client_cn;              /* of a client certificate that client_ca signed; NULL: none was shown */
    const char *const *client_orgs;     /* its organisations (O) */
    size_t n_client_orgs;
    bool client_cert_invalid;           /* one was shown that client_ca does not vouch for */
    bool tls;
    struct arena *arena;                /* dies when the handler has returned */
    struct http_connection *conn;       /* the server's own */
};

struct http_server_opts {               /* zero is the default; texts are copied */
    const char *const *addresses;       /* NULL: 127.0.0.1 only; IPv4 or IPv6 addresses, never names; "*": all of both (one socket) */
    size_t n_addresses;
    uint16_t port;                      /* 0: the system picks one, the same for all addresses */
    const char *cert_pem, *key_pem;     /* both: TLS; the certificate may be followed by those that signed it */
    bool tls13_only;                    /* else 1.2 as well */
    const char *client_ca_pem;          /* ask clients for a certificate (never required) */
    size_t max_body;                    /* 0: 4 MiB; more gives 413 */
    unsigned max_connections;           /* per address; 0: 2048; more wait in the backlog */
    size_t stack_bytes;                 /* of a connection's thread; 0: 256 KiB */
    int64_t idle_timeout_ms;            /* a connection without a whole request; also all headers must come within it; 0: 75 s */
    int64_t body_timeout_ms;            /* a request body that does not end; 0: 120 s */
    int64_t write_timeout_ms;           /* a client that does not read; 0: 120 s */
    size_t gzip_min_bytes;              /* compress buffered replies of at least this many bytes when accepted; 0: 128 KiB; SIZE_MAX: never */
    void (*handler)(void *self, struct http_exchange *x);
    /* Replies to what never reaches the handler: 400 (a malformed escape), 413. Of x only the reply calls work. NULL: plain text. */
    void (*refuse)(void *self, struct http_exchange *x, int status, const char *why);
    void *self;
};

/* UNAVAILABLE names the address and port when it cannot be bound. */
errc http_server_start(const struct http_server_opts *o, struct http_server **out, struct err *e);
uint16_t http_server_port(const struct http_server *s);          /* the one that the system chose, where port was 0 */
/*
 * Another certificate for handshakes from now on; connections that are open go on. Only for a server that was started with one.
 * BAD_REQUEST when the texts are no PEM or no pair: the old one stays.
 */
errc http_server_set_cert(struct http_server *s, const char *cert_pem, const char *key_pem, struct err *e);
/*
 * No new connections, streams learn through their cancel token that they must end, running handlers get up to grace_ms,
 * then the connections are cut and every thread joined. Frees s; NULL is fine.
 */
void http_server_stop(struct http_server *s, int64_t grace_ms);
struct http_server_stats { unsigned connections; uint64_t requests; };
void http_server_stats(struct http_server *s, struct http_server_stats *out);

void http_reply_header(struct http_exchange *x, const char *name, const char *value);      /* before the reply; repeats add */
void http_reply(struct http_exchange *x, int status, const char *content_type, struct str body);       /* copies the body */
void http_reply_take(struct http_exchange *x, int status, const char *content_type, struct buf *body); /* empties *body */
void http_replyf(struct http_exchange *x, int status, const char *fmt, ...) PRINTF(3, 4);  /* text/plain, with a line end */

/*
 * A reply that is made while it is sent (chunked). next appends to out and returns HTTP_MORE; it may block for data, as long as it
 * returns soon after `gone` is cancelled (the client left, or the server stops). HTTP_MORE without bytes is allowed: next is called again.
 * HTTP_ABORT cuts the connection, so that the client sees a broken reply instead of a short one. free runs once, in every case.
 */
enum http_more { HTTP_MORE, HTTP_END, HTTP_ABORT };
struct http_source {
    enum http_more (*next)(void *self, struct cancel *gone, struct buf *out);
    void (*free)(void *self);           /* may be NULL */
    void *self;
};
void http_reply_stream(struct http_exchange *x, int status, const char *content_type, const struct http_source *source);
/* The bytes of an open file; takes fd. offset and size choose a range (size 0: to the end). */
void http_reply_file(struct http_exchange *x, int status, const char *content_type, int fd, uint64_t offset, uint64_t size);

/* For a handler that blocks before it replies: cancelled when the client leaves or the server stops. */
struct cancel *http_gone(struct http_exchange *x);

/*
 * Upgrade (WebSocket): answers 101 with "Upgrade: <protocol>" and the headers added before, then hands the raw stream to run, on a
 * thread of its own; fd is closed after run returns. `early` are bytes that the client sent right after its request.
 */
struct http_upgrade {
    void (*run)(void *self, int fd, struct str early, struct cancel *stop);
    void (*free)(void *self);
    void *self;
};
void http_reply_upgrade(struct http_exchange *x, const char *protocol, const struct http_upgrade *u);

#endif
