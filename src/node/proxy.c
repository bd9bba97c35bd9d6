/*
 * What kube-proxy does, for one machine: each TCP port of a Service's cluster IP is listened on while the Service has a ready endpoint,
 * and a connection is carried to one of them, the next in turn. One thread moves all bytes (proxy_conn.c); a controller, here, tells it the ports.
 *
 * A port below 1024 may be forbidden to an ordinary user. Then a high one is taken and the Service says which: annotation
 * kaito.sh/proxy-port-<port> and an event.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "node/proxy.h"

/* ---- listeners: the controller ---- */

static void add_handle(struct proxy *p, int fd, struct handle *h)
{
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = h };

    epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

static int listen_on(const char *ip, int port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (inet_pton(AF_INET, ip, &at.sin_addr) != 1)
        errno = EADDRNOTAVAIL;
    else if (bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 256) == 0)
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

static int bound_port(int fd)
{
    struct sockaddr_in at = { 0 };
    socklen_t size = sizeof at;

    return getsockname(fd, (struct sockaddr *)&at, &size) ? 0 : ntohs(at.sin_port);
}

static errc tell_port(struct proxy *p, const json_t *service, const struct listener *l, struct err *e)
{
    AUTO_MEM char *key = xasprintf("kaito.sh/proxy-port-%d", l->port), *value = xasprintf("%d", l->bound_port);
    AUTO_JSON patch = json_object();

    if (streq(kube_annotation(service, key), value))
        return ERR_OK;
    json_put_str(json_sub(json_sub(patch, "metadata"), "annotations"), key, value);
    recorder_event(p->n->events, service, EVENT_NORMAL, "PortRemapped",
                   "port %d of %s may not be bound by an ordinary user; use %s:%d instead", l->port, l->ip, l->ip, l->bound_port);
    return kube_patch(p->n->client, KUBE_GVR("", "v1", "services"), kube_namespace(service), kube_name(service), NULL, KUBE_PATCH_MERGE,
                      patch, NULL, e);
}

static errc listener_open(struct proxy *p, const json_t *service, const char *key, const char *ip, int port, struct listener **out, struct err *e)
{
    AUTO_MEM char *annotation = xasprintf("kaito.sh/proxy-port-%d", port);
    const char *before = kube_annotation(service, annotation);
    int64_t again = 0;
    int fd = listen_on(ip, port);

    if (fd < 0 && errno == EACCES && before && str_to_i64(str_of(before), &again) && again > 1023 && again < 65536)
        fd = listen_on(ip, (int)again);         /* the port that was told last time */
    if (fd < 0 && (errno == EACCES || again))
        fd = listen_on(ip, 0);
    if (fd < 0) {
        int why = errno;
        recorder_event(p->n->events, service, EVENT_WARNING, "ClusterIPNotServed", "nothing can listen on %s:%d: %s; end the program that does",
                       ip, port, strerrordesc_np(why));
        return err_sys(e, why, "listen on %s:%d", ip, port);
    }
    struct listener *l = xzalloc(sizeof *l);
    *l = (struct listener){ .service = xstrdup(key), .ip = xstrdup(ip), .port = port, .bound_port = bound_port(fd), .fd = fd,
                            .handle = { ROLE_LISTENER, l } };
    *out = l;
    return ERR_OK;
}

static int64_t slice_port(const json_t *slice, const char *port_name)
{
    size_t i;
    json_t *port;

    json_array_foreach(json_object_get(slice, "ports"), i, port) {
        const char *name = json_cstr(port, "name");
        if (streq(name ? name : "", port_name ? port_name : ""))
            return json_int(port, "port", 0);
    }
    return 0;
}

struct backends { struct sockaddr_in *items; size_t n, cap; };

static void add_backends(const json_t *slice, const char *port_name, struct backends *out)
{
    int64_t port = slice_port(slice, port_name);
    size_t i, k;
    json_t *endpoint, *address;

    if (!port)
        return;
    json_array_foreach(json_object_get(slice, "endpoints"), i, endpoint) {
        if (!json_flag(json_object_get(endpoint, "conditions"), "ready", true))
            continue;
        json_array_foreach(json_object_get(endpoint, "addresses"), k, address) {
            struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
            if (inet_pton(AF_INET, json_string_value(address), &to.sin_addr) != 1)
                continue;
            vec_grow(out->items, out->n, out->cap);
            out->items[out->n++] = to;
        }
    }
}

static struct backends find_backends(struct proxy *p, const json_t *service, const char *port_name)
{
    struct backends found = { 0 };
    AUTO_JSON labels = json_pack("{s:s}", "kubernetes.io/service-name", kube_name(service));
    AUTO_JSON slices = informer_list_labels(p->slices, kube_namespace(service), labels);
    size_t i;
    json_t *slice;

    json_array_foreach(slices, i, slice)
        add_backends(slice, port_name, &found);
    return found;
}

static struct listener *find_listener(struct proxy *p, const char *key, const char *ip, int port)
{
    for (struct listener *l = p->listeners; l; l = l->link)
        if (streq(l->service, key) && streq(l->ip, ip) && l->port == port)
            return l;
    return NULL;
}

/* Takes the backends over. */
static void set_backends(struct proxy *p, struct listener *l, struct backends *b)
{
    LOCK_SCOPE(&p->mu);
    free(l->backends);
    l->backends = TAKE(b->items);
    l->n_backends = b->n;
    l->wanted = true;
}

static errc sync_port(struct proxy *p, const json_t *service, const char *key, const char *ip, const json_t *port, struct err *e)
{
    struct backends found = find_backends(p, service, json_cstr(port, "name"));
    const char *protocol = json_cstr(port, "protocol");
    int number = (int)json_int(port, "port", 0);
    errc rc = ERR_OK;

    if (!found.n || (protocol && !streq(protocol, "TCP"))) {
        free(found.items);
        return ERR_OK;
    }
    mutex_lock(&p->mu);
    struct listener *l = find_listener(p, key, ip, number);
    mutex_unlock(&p->mu);
    if (!l) {
        rc = listener_open(p, service, key, ip, number, &l, e);
        if (rc) {
            free(found.items);
            return rc;
        }
        mutex_lock(&p->mu);
        l->link = p->listeners;
        p->listeners = l;
        mutex_unlock(&p->mu);
        add_handle(p, l->fd, &l->handle);
    }
    set_backends(p, l, &found);
    return l->bound_port == l->port ? ERR_OK : tell_port(p, service, l, e);
}

static void mark_unwanted(struct proxy *p, const char *key)
{
    LOCK_SCOPE(&p->mu);
    for (struct listener *l = p->listeners; l; l = l->link)
        if (streq(l->service, key))
            l->wanted = false;
}

static void retire(struct proxy *p, struct listener *l)
{
    uint64_t one = 1;

    epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, l->fd, NULL);
    shutdown(l->fd, SHUT_RDWR);         /* refuses from now on; the thread closes it */
    l->link = p->retired;
    p->retired = l;
    if (write(p->wake_fd, &one, sizeof one) < 0)
        return;                         /* EAGAIN: it is awake */
}

static void close_unwanted(struct proxy *p, const char *key)
{
    LOCK_SCOPE(&p->mu);
    for (struct listener **at = &p->listeners; *at;) {
        struct listener *l = *at;
        if (streq(l->service, key) && !l->wanted) {
            *at = l->link;
            retire(p, l);
        } else
            at = &l->link;
    }
}

static errc sync_service(void *self, struct op *op, const struct key *key, struct reconcile_result *out, struct err *e)
{
    struct proxy *p = self;
    AUTO_MEM char *name = xasprintf("%s/%s", key->ns, key->name);
    AUTO_JSON service = informer_get(p->services, key->ns, key->name);
    const char *ip = json_str_at(service, "spec", "clusterIP", NULL);
    errc rc = ERR_OK;
    size_t i;
    json_t *port;

    (void)op, (void)out;
    mark_unwanted(p, name);
    if (str_set(ip) && !streq(ip, "None"))
        json_array_foreach(json_at(service, "spec", "ports", NULL), i, port) {
            rc = sync_port(p, service, name, ip, port, e);
            if (rc)
                break;
        }
    if (!rc)
        close_unwanted(p, name);
    return rc;
}

/* ---- life ---- */

errc proxy_start(struct node_agent *n, struct proxy **out, struct err *e)
{
    struct proxy *p = xzalloc(sizeof *p);
    const struct controller_opts o = { .name = "service-proxy", .reconcile = sync_service, .self = p };

    *p = (struct proxy){ .n = n, .epoll_fd = epoll_create1(EPOLL_CLOEXEC), .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                         .on_wake = { ROLE_WAKE, NULL }, .on_cancel = { ROLE_WAKE, NULL } };
    mutex_init(&p->mu);
    if (p->epoll_fd < 0 || p->wake_fd < 0) {
        free(p);
        return err_sys(e, errno, "make an epoll descriptor");
    }
    add_handle(p, cancel_fd(n->cancel), &p->on_cancel);
    add_handle(p, p->wake_fd, &p->on_wake);
    p->services = informers_of(n->informers, "", "v1", "services");
    p->slices = informers_of(n->informers, "discovery.k8s.io", "v1", "endpointslices");
    p->controller = controller_new(&o);
    controller_watch(p->controller, p->services);
    controller_watch_label(p->controller, p->slices, "kubernetes.io/service-name", NULL);
    thread_start(&p->thread, "proxy", proxy_run, p);
    controller_start(p->controller, n->cancel);
    *out = p;
    return ERR_OK;
}

static void free_list(struct listener *l)
{
    for (struct listener *next; l; l = next) {
        next = l->link;
        listener_free(l);
    }
}

void proxy_stop(struct proxy *p)
{
    if (!p)
        return;
    thread_join(&p->thread);
    controller_join(p->controller);
    controller_free(p->controller);
    free_list(p->listeners);
    free_list(p->retired);
    close(p->epoll_fd);
    close(p->wake_fd);
    mutex_done(&p->mu);
    free(p);
}
