/* Listening, starting and stopping. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/priv.h"

#define TLS_VERSIONS "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"     /* kube-apiserver's minimum */
#define TLS13_ONLY   "NORMAL:-VERS-ALL:+VERS-TLS1.3"
#define CONNECTION_MEMORY (64u << 10)   /* request head and write buffer of a connection: bearer tokens and long selectors fit */

static void default_to(int64_t *value, int64_t fallback)
{
    if (!*value)
        *value = fallback;
}

static struct http_server_opts with_defaults(struct http_server_opts o)
{
    default_to(&o.idle_timeout_ms, 75000);
    default_to(&o.body_timeout_ms, 120000);
    default_to(&o.write_timeout_ms, 120000);
    o.max_body = o.max_body ? o.max_body : 4u << 20;
    o.max_connections = o.max_connections ? o.max_connections : 2048;
    o.stack_bytes = o.stack_bytes ? o.stack_bytes : 256u << 10;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    o.stack_bytes += 1u << 20;          /* instrumented frames are larger */
#endif
    o.gzip_min_bytes = o.gzip_min_bytes ? o.gzip_min_bytes : 128u << 10;
    return o;
}

static errc address_parse(const char *text, uint16_t port, struct sockaddr_storage *out, socklen_t *out_n, struct err *e)
{
    struct sockaddr_in *v4 = (void *)out;
    struct sockaddr_in6 *v6 = (void *)out;
    *out = (struct sockaddr_storage){ 0 };
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        *out_n = sizeof *v4;
    } else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        *out_n = sizeof *v6;
    } else {
        return err_set(e, ERR_BAD_REQUEST, "listen address %s: is not an IP address", text);
    }
    return ERR_OK;
}

static errc bind_failed(const char *address, uint16_t port, int sys, struct err *e)
{
    const char *fix = sys == EADDRINUSE ? " (another program uses it: stop it or choose another port)" : "";
    return err_set(e, ERR_UNAVAILABLE, "listen on %s port %u: %s%s", address, port, strerror(sys), fix);
}

/* both: an IPv6 socket takes IPv4 too. */
static errc bind_to(const char *address, bool both, uint16_t *port, int *out, struct err *e)
{
    struct sockaddr_storage sa;
    socklen_t n;
    TRY(address_parse(address, *port, &sa, &n, e));
    AUTO_FD fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return bind_failed(address, *port, errno, e);
    int on = 1, only_six = !both;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (sa.ss_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_six, sizeof only_six);
    socket_limit_segments(fd);
    if (bind(fd, (struct sockaddr *)&sa, n) < 0 || listen(fd, 1024) < 0)
        return bind_failed(address, *port, errno, e);
    n = sizeof sa;
    if (!*port && getsockname(fd, (struct sockaddr *)&sa, &n) == 0)
        *port = ntohs(sa.ss_family == AF_INET ? ((struct sockaddr_in *)&sa)->sin_port : ((struct sockaddr_in6 *)&sa)->sin6_port);
    *out = fd;
    fd = -1;
    return ERR_OK;
}

static bool machine_has_ipv6(void)
{
    AUTO_FD fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_addr = in6addr_any };
    return fd >= 0 && bind(fd, (struct sockaddr *)&any, sizeof any) == 0;
}

static errc listen_on(const char *address, uint16_t *port, int *out, struct err *e)
{
    if (!streq(address, "*"))
        return bind_to(address, false, port, out, e);
    return machine_has_ipv6() ? bind_to("::", true, port, out, e) : bind_to("0.0.0.0", false, port, out, e);
}

static void mhd_log(void *cls, const char *fmt, va_list ap)
{
    char text[256];
    vsnprintf(text, sizeof text, fmt, ap);
    log_debug("http", "libmicrohttpd", KV("err", str_trim(str_of(text))));
}

static errc daemon_start(struct http_server *s, const struct http_server_opts *o, struct listener *l, struct err *e)
{
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG |
                     MHD_ALLOW_UPGRADE;
    struct MHD_OptionItem tls[] = {
        { MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, (void *)certificate_show },
        { MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)(o->tls13_only ? TLS13_ONLY : TLS_VERSIONS) },
        { o->client_ca_pem ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0, (void *)(uintptr_t)o->client_ca_pem },
        { MHD_OPTION_END, 0, NULL },
    };
    bool secure = o->cert_pem && o->key_pem;
    if (secure) {
        TRY(certificate_set(&s->shown, o->cert_pem, o->key_pem, e));
        flags |= MHD_USE_TLS;
    }
    l->daemon = MHD_start_daemon(flags, 0, NULL, NULL, request_access, s,
        MHD_OPTION_EXTERNAL_LOGGER, mhd_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, l->fd,
        MHD_OPTION_CONNECTION_LIMIT, o->max_connections,
        MHD_OPTION_CONNECTION_TIMEOUT, 0u,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
        MHD_OPTION_THREAD_STACK_SIZE, o->stack_bytes,
        MHD_OPTION_NOTIFY_COMPLETED, request_completed, s,
        MHD_OPTION_NOTIFY_CONNECTION, connection_notify, s,
        MHD_OPTION_URI_LOG_CALLBACK, request_begin, s,
        MHD_OPTION_ARRAY, secure ? tls : tls + ARRAY_LEN(tls) - 1,
        MHD_OPTION_END);
    if (!l->daemon)
        return err_set(e, ERR_INTERNAL, "start the http server");
    l->fd = -1;
    return ERR_OK;
}

static errc server_listen(struct http_server *s, const struct http_server_opts *o, struct err *e)
{
    static const char *const loopback[] = { "127.0.0.1" };
    const char *const *addresses = o->n_addresses ? o->addresses : loopback;
    s->n_listeners = o->n_addresses ? o->n_addresses : 1;
    s->listeners = xcalloc(s->n_listeners, sizeof *s->listeners);
    for (size_t i = 0; i < s->n_listeners; i++)
        s->listeners[i].fd = -1;
    s->port = o->port;
    for (size_t i = 0; i < s->n_listeners; i++)
        TRY(listen_on(addresses[i], &s->port, &s->listeners[i].fd, e));
    return ERR_OK;
}

/* libmicrohttpd's threads inherit the mask: signals stay with main. */
static errc daemons_start(struct http_server *s, const struct http_server_opts *o, struct err *e)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    errc rc = ERR_OK;
    for (size_t i = 0; i < s->n_listeners && !rc; i++)
        rc = daemon_start(s, o, &s->listeners[i], e);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

static void server_free(struct http_server *s)
{
    for (size_t i = 0; i < s->n_listeners; i++)
        if (s->listeners[i].fd >= 0)
            close(s->listeners[i].fd);
    free(s->listeners);
    close(s->epfd);
    close(s->wakefd);
    cond_done(&s->idle);
    mutex_done(&s->mu);
    certificate_done(&s->shown);
    free(s);
}

errc http_server_start(const struct http_server_opts *o, struct http_server **out, struct err *e)
{
    struct http_server *s = xzalloc(sizeof *s);
    s->o = with_defaults(*o);
    mutex_init(&s->mu);
    mutex_init(&s->shown.mu);
    cond_init(&s->idle);
    s->epfd = epoll_create1(EPOLL_CLOEXEC);
    s->wakefd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    (void)epoll_ctl(s->epfd, EPOLL_CTL_ADD, s->wakefd, &(struct epoll_event){ .events = EPOLLIN });
    errc rc = server_listen(s, o, e);
    if (rc) {
        server_free(s);
        return rc;
    }
    thread_start(&s->watcher, "http-watch", watcher_run, s);
    struct http_server_opts full = s->o;
    rc = daemons_start(s, &full, e);
    if (rc) {
        http_server_stop(s, 0);
        return rc;
    }
    *out = s;
    return ERR_OK;
}

uint16_t http_server_port(const struct http_server *s) { return s->port; }

errc http_server_set_cert(struct http_server *s, const char *cert_pem, const char *key_pem, struct err *e)
{
    return certificate_set(&s->shown, cert_pem, key_pem, e);
}

void http_server_stats(struct http_server *s, struct http_server_stats *out)
{
    LOCK_SCOPE(&s->mu);
    *out = (struct http_server_stats){ .connections = s->n_conns, .requests = s->requests };
}

static bool any_in_request_locked(const struct http_server *s)
{
    for (const struct http_connection *c = s->conns; c; c = c->next)
        if (c->in_request && c->phase != PHASE_UPGRADED)
            return true;
    return false;
}

static void wait_for_requests(struct http_server *s, int64_t grace_ms)
{
    int64_t until = clock_mono_ms() + grace_ms;
    LOCK_SCOPE(&s->mu);
    while (any_in_request_locked(s) && cond_wait_until(&s->idle, &s->mu, until))
        ;
}

void http_server_stop(struct http_server *s, int64_t grace_ms)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_listeners; i++)
        if (s->listeners[i].daemon) {
            MHD_socket fd = MHD_quiesce_daemon(s->listeners[i].daemon);
            if (fd != MHD_INVALID_SOCKET)
                close(fd);
        }
    {
        LOCK_SCOPE(&s->mu);
        s->stopping = true;
    }
    connections_cancel(s);
    wait_for_requests(s, grace_ms);
    upgrades_join(s);
    for (size_t i = 0; i < s->n_listeners; i++)
        if (s->listeners[i].daemon)
            MHD_stop_daemon(s->listeners[i].daemon);
    upgrades_join(s);           /* one that was just beginning */
    (void)!write(s->wakefd, &(uint64_t){ 1 }, 8);
    thread_join(&s->watcher);
    server_free(s);
}
