/* What the files of the server share. */
#ifndef HTTP_PRIV_H
#define HTTP_PRIV_H

#include <gnutls/abstract.h>
#include <microhttpd.h>
#include <stdatomic.h>

#include "http/server.h"

/* A cancel token that the watcher, the stream and the connection hold together: cancelling happens outside of the server's lock. */
struct gone {
    atomic_uint refs;
    struct cancel *token;
};
void gone_unref(struct gone *g);

enum phase {
    PHASE_IDLE,         /* no whole request head yet: idle_timeout_ms */
    PHASE_BODY,         /* reading the body: body_timeout_ms */
    PHASE_BUSY,         /* our handler or stream works: no limit */
    PHASE_SENDING,      /* bytes wait for the client: write_timeout_ms without an acknowledged byte */
    PHASE_UPGRADED,     /* no longer ours */
};

struct upgrade_thread;

struct http_connection {
    struct http_server *server;
    struct http_connection *prev, *next;        /* in server->conns */
    uint64_t id;
    int fd;
    enum phase phase;
    int64_t since_ms;                           /* of the phase, or of the last progress in it */
    uint64_t acked;                             /* bytes the client had acknowledged then */
    bool in_request;
    struct gone *gone;                          /* of the current request; NULL until asked for */

    /* the connection's thread alone: */
    char peer[64];
    bool cert_read, cert_invalid;
    char *cn;
    const char **orgs;
    size_t n_orgs;
};

/* What a TLS server shows. Both texts are replaced together; a handshake copies what it shows. */
struct certificate {
    struct mutex mu;                            /* a leaf */
    char *cert_pem, *key_pem;                   /* NULL: no TLS */
};

struct listener {
    int fd;
    struct MHD_Daemon *daemon;
};

struct http_server {
    struct http_server_opts o;                  /* its pointers are not used after the start, but handler and self */
    struct listener *listeners;
    size_t n_listeners;
    uint16_t port;
    struct certificate shown;

    struct thread watcher;
    int epfd, wakefd;

    struct mutex mu;                            /* a leaf; guards all below and the fields of connections down to `gone` */
    struct cond idle;                           /* in_request of one of them has ended */
    struct http_connection *conns;
    unsigned n_conns;
    uint64_t next_id, requests;
    bool stopping;
    struct upgrade_thread *upgrades;
};

/* request.c */
void *request_begin(void *cls, const char *uri, struct MHD_Connection *con);
enum MHD_Result request_access(void *cls, struct MHD_Connection *con, const char *url, const char *method, const char *version,
                               const char *data, size_t *size, void **req);
void request_completed(void *cls, struct MHD_Connection *con, void **req, enum MHD_RequestTerminationCode why);

/* connection.c: who is connected, who left, who is too slow */
void connection_notify(void *cls, struct MHD_Connection *con, void **ctx, enum MHD_ConnectionNotificationCode what);
void connection_phase(struct http_connection *c, enum phase phase);
void connection_request(struct http_connection *c, bool running);
struct gone *connection_gone(struct http_connection *c);        /* a reference of the caller's own */
void connection_read_cert(struct http_connection *c, struct MHD_Connection *con);
void watcher_run(void *server);
void connections_cancel(struct http_server *s);                 /* every gone token */

/* certificate.c */
errc certificate_set(struct certificate *c, const char *cert_pem, const char *key_pem, struct err *e);
void certificate_done(struct certificate *c);
extern gnutls_certificate_retrieve_function3 certificate_show; /* of a libmicrohttpd session */

/* reply.c */
struct request;
/* upgrade.c */
void upgrades_join(struct http_server *s);
struct MHD_Response *upgrade_response(struct http_server *s, const struct http_upgrade *u, struct upgrade_thread **out);
void upgrade_drop(struct upgrade_thread *t);    /* the reply was never sent; NULL is fine */

/* A request being served; x is first, so that a handler's exchange leads back to it. */
struct request {
    struct http_exchange x;
    struct MHD_Response *reply;
    struct upgrade_thread *upgrade;             /* ours until the reply is sent */
    struct http_pairs reply_headers;
    struct buf body;
    char *raw_path, *raw_query;
    struct buf path;
    unsigned status;
    bool started, too_large, accepts_gzip;
    uint64_t dropped;                           /* bytes of a body that is too large */
};
#define REQUEST(exchange) ((struct request *)(void *)(exchange))

#endif
