/*
 * HTTP client (libcurl). One struct http_client is a set of settings (TLS, default headers, token) and a pool of connections;
 * it is thread-safe, each call takes a handle of the pool for its time. HTTP/1.1. Loopback hosts never go through a proxy.
 *
 * A reply of any status is a success here: look at out->status. Errors are those of the connection and name host and cause:
 *   UNAVAILABLE (refused, unreachable, name not resolved, certificate not trusted), TIMEOUT, CANCELLED, IO (cut in the middle),
 *   TOO_LARGE (max_body), BAD_REQUEST (a URL or file the caller got wrong), or what a callback returned.
 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/thread.h"
#include "http/http.h"

struct http_client;

struct http_tls {               /* all may be NULL; PEM text wins over files */
    const char *ca_pem, *ca_file;               /* default: $SSL_CERT_FILE, else the system's authorities */
    const char *cert_pem, *key_pem;             /* what we show when asked */
    const char *cert_file, *key_file;
    bool insecure;                              /* accept any server certificate */
};

struct http_client_opts {       /* zero is the default; everything is copied */
    struct http_tls tls;
    const struct http_pair *headers;            /* sent with each request unless it has its own of that name */
    size_t n_headers;
    const char *bearer;                         /* Authorization: Bearer ... */
    const char *bearer_file;                    /* the same from a file, read again each minute and after a 401 */
    const char *user_agent;                     /* default "kaito/<version>" */
    int64_t connect_timeout_ms;                 /* 0: 10 s */
    int64_t timeout_ms;                         /* default for requests; 0: 60 s */
    bool brief;                                 /* no connection stays open between requests: one that trusts the system's authorities holds 3 MB of them (roots.c) */
    bool secretive;                             /* nothing of requests and replies stays in memory: what they lay in is overwritten */
};
/* BAD_REQUEST: a certificate without its key; a PEM file that cannot be read is named. No connection is made yet. */
errc http_client_new(const struct http_client_opts *o, struct http_client **out, struct err *e);
void http_client_free(struct http_client *c);   /* NULL is fine; every call must have returned */
DEFINE_AUTO_FREE(http_client)
void http_client_set_bearer(struct http_client *c, const char *token);  /* NULL: none; any time */

struct http_request {
    const char *method;                         /* NULL: GET */
    const char *url;
    const char *connect_to;                     /* "127.0.0.1:8443", "[::1]:8443": go there, whatever the URL's host is called; NULL: where it leads */
    const struct http_pair *headers;
    size_t n_headers;
    /* the body: bytes, or a range of a file, or what `read` gives; none when all are zero */
    struct str body;
    const char *content_type;
    const char *body_file;                      /* from body_offset, body_size bytes (0: to its end) */
    uint64_t body_offset, body_size;
    errc (*read)(void *self, char *p, size_t cap, size_t *out_n, struct err *e);    /* 0 bytes: the end; body_size 0 sends chunked */
    void *read_self;

    int64_t timeout_ms;                         /* for all of it; 0: the client's, -1: none (watches, downloads) */
    int64_t idle_timeout_ms;                    /* fails with TIMEOUT when no byte moved for so long; 0: none */
    size_t max_body;                            /* of the reply; 0: 64 MiB; does not bound http_stream */
    int max_redirects;                          /* 0: a redirect is returned as the reply it is */
    bool public_only;                           /* refuse to connect to loopback, private and link-local addresses (FORBIDDEN) */
    bool no_bearer;                             /* leave the client's token out */
    bool no_proxy;                              /* connect directly whatever the environment says */
    struct cancel *cancel;                      /* may be NULL; aborts at once */
    bool (*may_send)(void *self);               /* asked when all is connected and the request is to leave; false: it does not, CANCELLED. NULL: it may */
    void *may_send_self;
};

struct http_response {
    int status;
    struct http_pairs headers;
    struct buf body;
    char *url;                                  /* where redirects ended */
};
void http_response_done(struct http_response *r);
#define AUTO_RESPONSE AUTO(http_response_done) struct http_response

/* Blocks until the whole reply is there. *out is set on success only, and then the caller's to clear. */
errc http_send(struct http_client *c, const struct http_request *q, struct http_response *out, struct err *e);

/*
 * The same, giving the reply away as it comes: head once, then data for each piece, on the calling thread.
 * An error from either ends the transfer and is returned. head and data may be NULL. Returns when the reply has ended;
 * a reply cut in the middle is an IO error.
 */
struct http_sink {
    errc (*head)(void *self, int status, const struct http_pairs *headers, struct err *e);
    errc (*data)(void *self, struct str chunk, struct err *e);
    void *self;
};
errc http_stream(struct http_client *c, const struct http_request *q, const struct http_sink *sink, struct err *e);

/* Seconds of a Retry-After header in ms; fallback_ms when there is none. A date counts from now. */
int64_t http_retry_after_ms(const struct http_pairs *headers, int64_t fallback_ms);

#endif
