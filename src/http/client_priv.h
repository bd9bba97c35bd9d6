/* What the files of the client share. */
#ifndef HTTP_CLIENT_PRIV_H
#define HTTP_CLIENT_PRIV_H

#include <curl/curl.h>

#include "http/client.h"

#define IDLE_HANDLES_MAX 16

/* An easy handle and its multi: the multi owns the connections, and can be waited for together with a cancel token. */
struct handle {
    CURL *easy;
    CURLM *multi;
};

struct http_client {
    struct http_client_opts o;          /* its texts are owned */
    struct http_pairs headers;
    int tls_fds[3];                     /* PEM texts: CA, certificate, key; -1: none */

    struct mutex mu;                    /* a leaf; guards the rest */
    struct handle idle[IDLE_HANDLES_MAX];
    size_t n_idle;
    char *bearer;
    int64_t bearer_read_ms;             /* when bearer_file was read; 0: never */
    struct buf roots;                   /* PEM: the authorities that were needed, with o.brief */
    int64_t roots_ms;                   /* since when */
    bool roots_useless;                 /* they do not vouch for a server whose own are among them */
};

/* client.c: handles from and to the pool; the token to send, malloc'd, NULL for none. */
struct handle handle_take(struct http_client *c);
void handle_give(struct http_client *c, struct handle h);
char *bearer_now(struct http_client *c);

/*
 * roots.c: inside a callback of an exchange over TLS, which got an answer: notes the authorities that it needed. A file of all noted, the
 * caller's; -1: all that are trusted must be read.
 */
void roots_learn(struct http_client *c, CURL *h);
int roots_file(struct http_client *c);
/* A server was not trusted with the noted ones alone; now it was asked with all. known: roots_known before that. */
size_t roots_known(struct http_client *c);
void roots_failed(struct http_client *c, size_t known);

/* transfer.c: one exchange, given to the sink as it comes. *out_url (may be NULL) is malloc'd: where redirects ended. */
errc transfer(struct http_client *c, const struct http_request *q, const struct http_sink *sink, char **out_url, struct err *e);

#endif
