/* Who is connected, who left, who is too slow. */
#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "http/priv.h"

static struct gone *gone_ref(struct gone *g)
{
    atomic_fetch_add(&g->refs, 1);
    return g;
}

void gone_unref(struct gone *g)
{
    if (g && atomic_fetch_sub(&g->refs, 1) == 1) {
        cancel_free(g->token);
        free(g);
    }
}

static void peer_text(const struct sockaddr *sa, char out[64])
{
    char ip[INET6_ADDRSTRLEN] = "?";
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;
        inet_ntop(AF_INET, &in->sin_addr, ip, sizeof ip);
        snprintf(out, 64, "%s:%u", ip, ntohs(in->sin_port));
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)sa;
        bool v4 = IN6_IS_ADDR_V4MAPPED(&in->sin6_addr);        /* a socket for both families */
        inet_ntop(v4 ? AF_INET : AF_INET6, in->sin6_addr.s6_addr + (v4 ? 12 : 0), ip, sizeof ip);
        snprintf(out, 64, "%s%s%s:%u", v4 ? "" : "[", ip, v4 ? "" : "]", ntohs(in->sin6_port));
    }
}

static void connection_started(struct http_server *s, struct MHD_Connection *con, void **ctx)
{
    struct http_connection *c = xzalloc(sizeof *c);
    c->server = s;
    c->fd = MHD_get_connection_info(con, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    c->since_ms = clock_mono_ms();
    peer_text(MHD_get_connection_info(con, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr, c->peer);
    *ctx = c;

    LOCK_SCOPE(&s->mu);
    c->id = ++s->next_id;
    c->next = s->conns;
    if (c->next)
        c->next->prev = c;
    s->conns = c;
    if (s->n_conns++ == 0)
        (void)!write(s->wakefd, &(uint64_t){ 1 }, 8);   /* the watcher sleeps without a timeout while nobody is connected */
}

static void connection_closed(struct http_server *s, struct http_connection *c)
{
    struct gone *gone;
    {
        LOCK_SCOPE(&s->mu);
        if (c->prev)
            c->prev->next = c->next;
        else
            s->conns = c->next;
        if (c->next)
            c->next->prev = c->prev;
        s->n_conns--;
        gone = TAKE(c->gone);
        cond_broadcast(&s->idle);
    }
    gone_unref(gone);
    for (size_t i = 0; i < c->n_orgs; i++)
        free((void *)(uintptr_t)c->orgs[i]);
    free(c->orgs);
    free(c->cn);
    free(c);
}

void connection_notify(void *cls, struct MHD_Connection *con, void **ctx, enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        connection_started(cls, con, ctx);
    else if (*ctx)
        connection_closed(cls, TAKE(*ctx));
}

void connection_phase(struct http_connection *c, enum phase phase)
{
    LOCK_SCOPE(&c->server->mu);
    c->phase = phase;
    c->since_ms = clock_mono_ms();
}

void connection_request(struct http_connection *c, bool running)
{
    struct gone *gone = NULL;
    {
        LOCK_SCOPE(&c->server->mu);
        c->in_request = running;
        c->since_ms = clock_mono_ms();
        if (running) {
            c->server->requests++;
        } else {
            if (c->phase != PHASE_UPGRADED)
                c->phase = PHASE_IDLE;
            if (c->gone)
                (void)epoll_ctl(c->server->epfd, EPOLL_CTL_DEL, c->fd, NULL);
            gone = TAKE(c->gone);
            cond_broadcast(&c->server->idle);
        }
    }
    gone_unref(gone);
}

struct gone *connection_gone(struct http_connection *c)
{
    struct http_server *s = c->server;
    struct gone *g;
    bool stopping;
    {
        LOCK_SCOPE(&s->mu);
        if (!c->gone) {
            c->gone = xzalloc(sizeof *c->gone);
            c->gone->refs = 1;
            c->gone->token = cancel_new();
            struct epoll_event ev = { .events = EPOLLRDHUP | EPOLLONESHOT, .data.u64 = c->id };
            (void)epoll_ctl(s->epfd, EPOLL_CTL_ADD, c->fd, &ev);
        }
        g = gone_ref(c->gone);
        stopping = s->stopping;
    }
    if (stopping)
        cancel_now(g->token);
    return g;
}

static char *dn_part(gnutls_x509_crt_t crt, const char *oid, unsigned index)
{
    char text[256];
    size_t n = sizeof text;
    if (gnutls_x509_crt_get_dn_by_oid(crt, oid, index, 0, text, &n) < 0 || memchr(text, 0, n))
        return NULL;
    return xstrndup(text, n);
}

void connection_read_cert(struct http_connection *c, struct MHD_Connection *con)
{
    if (c->cert_read)
        return;
    c->cert_read = true;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(con, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (!info)
        return;
    unsigned n = 0, status = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(info->tls_session, &n);
    if (!chain || !n)
        return;
    gnutls_x509_crt_t crt;
    c->cert_invalid = gnutls_certificate_verify_peers2(info->tls_session, &status) < 0 || status != 0;
    if (c->cert_invalid || gnutls_x509_crt_init(&crt) < 0)
        return;
    if (gnutls_x509_crt_import(crt, &chain[0], GNUTLS_X509_FMT_DER) >= 0) {
        c->cn = dn_part(crt, GNUTLS_OID_X520_COMMON_NAME, 0);
        char *org;
        size_t cap = 0;
        for (unsigned i = 0; i < 64 && (org = dn_part(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, i)); i++) {
            vec_grow(c->orgs, c->n_orgs, cap);
            c->orgs[c->n_orgs++] = org;
        }
    }
    gnutls_x509_crt_deinit(crt);
}

/* The client left: wakes the stream or handler that asked to know. */
static void client_left(struct http_server *s, uint64_t id)
{
    struct gone *g = NULL;
    {
        LOCK_SCOPE(&s->mu);
        for (struct http_connection *c = s->conns; c; c = c->next)
            if (c->id == id && c->gone)
                g = gone_ref(c->gone);
    }
    if (g)
        cancel_now(g->token);
    gone_unref(g);
}

static uint64_t bytes_acked(int fd)
{
    struct tcp_info info = { 0 };
    socklen_t n = sizeof info;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) == 0 ? info.tcpi_bytes_acked : 0;
}

static bool is_too_slow(struct http_connection *c, const struct http_server_opts *o, int64_t now)
{
    int64_t waited = now - c->since_ms;
    if (c->phase == PHASE_IDLE)
        return waited > o->idle_timeout_ms;
    if (c->phase == PHASE_BODY)
        return waited > o->body_timeout_ms;
    if (c->phase != PHASE_SENDING || waited <= o->write_timeout_ms / 2)
        return false;
    uint64_t acked = bytes_acked(c->fd);
    if (acked != c->acked) {
        c->acked = acked;
        c->since_ms = now;
        return false;
    }
    return waited > o->write_timeout_ms;
}

/* Shuts sockets down; their threads notice and close them. A connection in the list has an open descriptor. */
static bool sweep(struct http_server *s)
{
    int64_t now = clock_mono_ms();
    LOCK_SCOPE(&s->mu);
    for (struct http_connection *c = s->conns; c; c = c->next)
        if (is_too_slow(c, &s->o, now))
            (void)shutdown(c->fd, SHUT_RDWR);
    return s->conns != NULL;
}

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }

void watcher_run(void *arg)
{
    struct http_server *s = arg;
    int64_t tick = min64(min64(s->o.idle_timeout_ms, s->o.body_timeout_ms), s->o.write_timeout_ms) / 4;
    tick = tick < 20 ? 20 : min64(tick, 5000);
    int64_t next_sweep = clock_mono_ms() + tick;
    bool connected = false;
    for (;;) {
        struct epoll_event ev[64];
        int64_t wait = next_sweep - clock_mono_ms();
        int n = epoll_wait(s->epfd, ev, ARRAY_LEN(ev), connected ? (int)(wait < 0 ? 0 : wait) : -1);
        for (int i = 0; i < n; i++) {
            if (ev[i].data.u64) {
                client_left(s, ev[i].data.u64);
                continue;
            }
            uint64_t count;
            (void)!read(s->wakefd, &count, sizeof count);
            connected = true;
        }
        {
            LOCK_SCOPE(&s->mu);
            if (s->stopping && !s->n_conns)
                return;
        }
        if (clock_mono_ms() >= next_sweep) {
            connected = sweep(s);
            next_sweep = clock_mono_ms() + tick;
        }
    }
}

void connections_cancel(struct http_server *s)
{
    struct gone **all = NULL;
    size_t n = 0, cap = 0;
    {
        LOCK_SCOPE(&s->mu);
        for (struct http_connection *c = s->conns; c; c = c->next)
            if (c->gone) {
                vec_grow(all, n, cap);
                all[n++] = gone_ref(c->gone);
            }
    }
    for (size_t i = 0; i < n; i++) {
        cancel_now(all[i]->token);
        gone_unref(all[i]);
    }
    free(all);
}
