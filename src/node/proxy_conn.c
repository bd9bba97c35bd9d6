/* The proxy's thread: accepts connections, dials a backend for each, and moves the bytes of all of them (epoll). */
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "node/proxy.h"

enum { PIPE_BYTES = 32 << 10, MAX_CONNECTIONS = 4096 };

/* One direction of a connection. */
struct half { char *bytes; size_t start, end; bool eof, shut; };

struct conn {
    int client, backend;
    struct half up, down;               /* client -> backend, backend -> client */
    bool connecting, dead;
    struct handle on_client, on_backend;
    struct conn *next, *prev;
};

static void half_done(struct half *h) { free(h->bytes); }

static void watch(struct proxy *p, int fd, struct handle *h, uint32_t events)
{
    struct epoll_event ev = { .events = events, .data.ptr = h };

    epoll_ctl(p->epoll_fd, EPOLL_CTL_MOD, fd, &ev);
}

static size_t half_room(const struct half *h) { return h->end == h->start ? PIPE_BYTES : PIPE_BYTES - h->end; }
static bool half_has(const struct half *h) { return h->end > h->start; }

static void set_interest(struct proxy *p, struct conn *c)
{
    uint32_t client = 0, backend = 0;

    if (!c->up.eof && half_room(&c->up) && !c->connecting)
        client |= EPOLLIN;
    if (half_has(&c->down))
        client |= EPOLLOUT;
    if (!c->down.eof && half_room(&c->down) && !c->connecting)
        backend |= EPOLLIN;
    if (c->connecting || half_has(&c->up))
        backend |= EPOLLOUT;
    watch(p, c->client, &c->on_client, client);
    watch(p, c->backend, &c->on_backend, backend);
}

static void conn_close(struct proxy *p, struct conn *c)
{
    close(c->client);
    close(c->backend);
    half_done(&c->up);
    half_done(&c->down);
    if (c->prev)
        c->prev->next = c->next;
    else
        p->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    p->n_conns--;
    free(c);
}

/* Reads what fits. False: the connection is broken. */
static bool fill(struct half *h, int from)
{
    if (h->eof)
        return true;
    if (h->start == h->end)
        h->start = h->end = 0;
    if (!h->bytes)
        h->bytes = xmalloc(PIPE_BYTES);
    while (h->end < PIPE_BYTES) {
        ssize_t n = read(from, h->bytes + h->end, PIPE_BYTES - h->end);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        if (n == 0) {
            h->eof = true;
            return true;
        }
        h->end += (size_t)n;
    }
    return true;
}

static bool drain(struct half *h, int to)
{
    while (half_has(h)) {
        ssize_t n = send(to, h->bytes + h->start, h->end - h->start, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        h->start += (size_t)n;
    }
    if (h->eof && !h->shut) {
        shutdown(to, SHUT_WR);
        h->shut = true;
    }
    return true;
}

static bool connected(const struct conn *c)
{
    int why = 0;
    socklen_t size = sizeof why;

    return getsockopt(c->backend, SOL_SOCKET, SO_ERROR, &why, &size) == 0 && why == 0;
}

static void move(struct proxy *p, struct conn *c, bool backend_event, uint32_t events)
{
    bool good = true;

    if (c->connecting && backend_event) {
        good = connected(c);
        c->connecting = false;
    }
    if (good && (events & EPOLLERR))
        good = false;
    if (good && !c->connecting)
        good = fill(&c->up, c->client) && drain(&c->up, c->backend) && fill(&c->down, c->backend) && drain(&c->down, c->client);
    if (!good || (c->up.shut && c->down.shut)) {
        conn_close(p, c);
        return;
    }
    set_interest(p, c);
}

static int dial(const struct sockaddr_in *to)
{
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (const struct sockaddr *)to, sizeof *to) && errno != EINPROGRESS) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool next_backend(struct proxy *p, struct listener *l, struct sockaddr_in *out)
{
    LOCK_SCOPE(&p->mu);
    if (!l->n_backends)
        return false;
    *out = l->backends[l->next++ % l->n_backends];
    return true;
}

static void conn_open(struct proxy *p, int client, int backend)
{
    struct conn *c = xzalloc(sizeof *c);
    struct epoll_event ev = { .events = 0 };
    int one = 1;

    *c = (struct conn){ .client = client, .backend = backend, .connecting = true, .next = p->conns,
                        .on_client = { ROLE_CLIENT, c }, .on_backend = { ROLE_BACKEND, c } };
    if (p->conns)
        p->conns->prev = c;
    p->conns = c;
    p->n_conns++;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    ev.data.ptr = &c->on_client;
    epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, client, &ev);
    ev.data.ptr = &c->on_backend;
    epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, backend, &ev);
    set_interest(p, c);
}

static void accept_one(struct proxy *p, struct listener *l)
{
    struct sockaddr_in to;
    int client = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (client < 0)
        return;
    int backend = p->n_conns < MAX_CONNECTIONS && next_backend(p, l, &to) ? dial(&to) : -1;
    if (backend < 0)
        close(client);
    else
        conn_open(p, client, backend);
}

/* Both ends of a connection may have an event in one batch: the second must not touch what the first closed. */
static void forget_rest(struct epoll_event *events, int from, int n, const struct conn *c)
{
    for (int i = from; i < n; i++)
        if (((struct handle *)events[i].data.ptr)->owner == c)
            events[i].data.ptr = NULL;
}

static void handle_event(struct proxy *p, struct epoll_event *events, int i, int n)
{
    struct handle *h = events[i].data.ptr;

    if (!h || h->role == ROLE_WAKE)
        return;
    if (h->role == ROLE_LISTENER) {
        accept_one(p, h->owner);
        return;
    }
    struct conn *c = h->owner;
    bool backend = h->role == ROLE_BACKEND;
    uint32_t what = events[i].events;
    for (int k = i + 1; k < n; k++)
        if (events[k].data.ptr && ((struct handle *)events[k].data.ptr)->owner == c) {
            backend |= ((struct handle *)events[k].data.ptr)->role == ROLE_BACKEND;
            what |= events[k].events;
        }
    forget_rest(events, i + 1, n, c);
    move(p, c, backend, what);
}

void listener_free(struct listener *l)
{
    close(l->fd);
    free(l->service);
    free(l->ip);
    free(l->backends);
    free(l);
}

/* Between two batches of events nobody holds a retired listener. */
static void free_retired(struct proxy *p)
{
    uint64_t count;

    if (read(p->wake_fd, &count, sizeof count) < 0)
        return;                         /* EAGAIN: nothing was retired */
    LOCK_SCOPE(&p->mu);
    while (p->retired) {
        struct listener *l = p->retired;
        p->retired = l->link;
        listener_free(l);
    }
}

void proxy_run(void *arg)
{
    struct proxy *p = arg;
    struct epoll_event events[64];

    while (!cancel_is(p->n->cancel)) {
        int n = epoll_wait(p->epoll_fd, events, ARRAY_LEN(events), -1);
        for (int i = 0; i < n; i++)
            handle_event(p, events, i, n);
        free_retired(p);
    }
    while (p->conns)
        conn_close(p, p->conns);
}
