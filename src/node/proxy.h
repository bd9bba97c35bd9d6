/* What the two halves of the Service proxy share: proxy.c tells it the ports, proxy_conn.c moves the bytes. */
#ifndef KAITO_NODE_PROXY_H
#define KAITO_NODE_PROXY_H
#include <netinet/in.h>

#include "node/priv.h"

enum role { ROLE_LISTENER, ROLE_CLIENT, ROLE_BACKEND, ROLE_WAKE };

struct handle { enum role role; void *owner; };

struct listener {
    char *service;                      /* "ns/name" */
    char *ip;
    int port, bound_port, fd;           /* bound_port differs from port when that one was forbidden */
    struct sockaddr_in *backends;       /* guarded by the proxy's mu, as all of the list */
    size_t n_backends, next;
    bool wanted;                        /* scratch of sync */
    struct handle handle;
    struct listener *link;
};

struct conn;                            /* a connection that is carried */

struct proxy {
    struct node_agent *n;
    struct informer *services, *slices;
    struct controller *controller;
    int epoll_fd, wake_fd;
    struct thread thread;
    struct handle on_wake, on_cancel;

    struct mutex mu;                    /* guards both lists; a leaf */
    struct listener *listeners;
    struct listener *retired;           /* closed by the thread, which may still hold an event of theirs */

    struct conn *conns;                 /* the thread's own */
    size_t n_conns;
};

/* The proxy's thread, until the agent is cancelled. arg: the struct proxy. */
void proxy_run(void *arg);

void listener_free(struct listener *l);

#endif
