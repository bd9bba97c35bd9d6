/*
 * The embedded Kubernetes-compatible API: it behaves as kube-apiserver 1.32 does for the kinds it serves and for those that
 * CustomResourceDefinitions add. Objects live in SQLite below the state folder; nothing acknowledged is lost when the
 * process is killed. No controllers: those are clients, also when they run in the same process.
 *
 * The state folder holds: api.db, pki/ (authority, server certificate, key for service account tokens), token (the
 * administrator's), kubeconfig. One process at a time: a second one is refused (ERR_CONFLICT).
 */
#ifndef APISERVER_APISERVER_H
#define APISERVER_APISERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/thread.h"

struct apiserver;

struct apiserver_opts {                 /* zero is the default; everything is copied */
    const char *state_dir;              /* made when absent */
    const char *bind_address;           /* NULL: 127.0.0.1 */
    uint16_t port;                      /* 0: free */
    const char *const *cert_names;      /* further names and addresses of the server certificate */
    size_t n_cert_names;
    const char *service_cidr;           /* NULL: 127.96.0.0/16 */
    const char *node_token;             /* what the nodes' log endpoints ask for; NULL: nothing */
    const char *node_ca_pem;            /* who vouches for the nodes' log endpoints; NULL: our own authority */
    const struct apiserver_hook *hooks; /* admission in the same process; borrowed, must outlive the server */
    size_t n_hooks;
    int64_t event_ttl_ms;               /* of Event objects; 0: one hour */
    bool starts_unready;                /* /readyz fails until apiserver_set_ready: what must be there for clients is still to come */
};

/*
 * Looks at objects of one resource before they are stored. validate may refuse: it fills *e (ERR_INVALID, ERR_FORBIDDEN, ...)
 * and the client sees `admission webhook "NAME" denied the request: TEXT`. Called on request threads; old NULL on create.
 */
struct apiserver_hook {
    const char *name, *group, *resource;
    errc (*validate)(void *self, const json_t *object, const json_t *old, struct err *e);
    void *self;
};

/* Serves when it returns. ERR_CONFLICT: the folder is in use; ERR_UNAVAILABLE: the port is. */
errc apiserver_start(const struct apiserver_opts *o, struct apiserver **out, struct err *e);
/* Ends watches, waits for running requests, closes the database. NULL is fine. */
void apiserver_stop(struct apiserver *s);

void apiserver_set_ready(struct apiserver *s);
uint16_t apiserver_port(const struct apiserver *s);
const char *apiserver_ca_pem(const struct apiserver *s);
const char *apiserver_token(const struct apiserver *s);         /* the administrator's bearer token */

#endif
