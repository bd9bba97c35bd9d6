#include "cli/probes.h"

#include "base/mem.h"
#include "base/process_metrics.h"
#include "http/server.h"

struct probes {
    struct probes_opts o;
    struct http_server *health, *metrics;
};

static void on_health(void *self, struct http_exchange *x)
{
    struct probes *p = self;
    bool ready = streq(x->path, "/readyz");

    if (!ready && !streq(x->path, "/healthz"))
        http_replyf(x, 404, "not found; /healthz and /readyz are here\n");
    else if (ready && !p->o.ready(p->o.self))
        http_replyf(x, 503, "caches are not synced yet\n");
    else
        http_replyf(x, 200, "ok");
}

static void on_metrics(void *self, struct http_exchange *x)
{
    struct probes *p = self;
    AUTO_BUF text = { 0 };

    if (p->o.state && streq(x->path, "/debug/state")) {
        AUTO_JSON state = p->o.state(p->o.self);
        json_write_pretty(state, 2, &text);
        http_reply_take(x, 200, "application/json", &text);
    } else if (!streq(x->path, "/metrics")) {
        http_replyf(x, 404, "not found; /metrics is here\n");
    } else {
        p->o.metrics(p->o.self, &text);
        process_metrics(&text);
        http_reply_take(x, 200, "text/plain; version=0.0.4", &text);
    }
}

static errc listen_on(const char *address, void (*handler)(void *, struct http_exchange *), struct probes *p, struct http_server **out, struct err *e)
{
    struct str host, port;
    uint64_t number = 0;

    if (!str_set(address) || streq(address, "0"))
        return ERR_OK;
    if (!str_rcut(str_of(address), ':', &host, &port) || !str_to_u64(port, &number) || number > 65535)
        return err_set(e, ERR_BAD_REQUEST, "address %s: is not HOST:PORT; write 127.0.0.1:8080, [::1]:8080, :8080 for all addresses, or 0 for none", address);
    if (host.n > 1 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        host = str_n(host.p + 1, host.n - 2);
    AUTO_MEM char *name = host.n ? xstrndup(host.p, host.n) : xstrdup("*");
    struct http_server_opts o = { .addresses = (const char *const[]){ name }, .n_addresses = 1, .port = (uint16_t)number,
                                  .max_connections = 16, .stack_bytes = 128u << 10, .handler = handler, .self = p };

    return http_server_start(&o, out, e);
}

errc probes_start(const struct probes_opts *o, struct probes **out, struct err *e)
{
    struct probes *p = xmalloc(sizeof *p);

    *p = (struct probes){ .o = *o };
    errc rc = listen_on(o->health_address, on_health, p, &p->health, e);

    rc = rc ? rc : listen_on(o->metrics_address, on_metrics, p, &p->metrics, e);
    if (rc)
        probes_stop(p);
    else
        *out = p;
    return rc;
}

void probes_stop(struct probes *p)
{
    if (!p)
        return;
    http_server_stop(p->health, 200);
    http_server_stop(p->metrics, 200);
    free(p);
}
