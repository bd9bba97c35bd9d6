/*
 * pods/log: passed on from the log endpoint of the pod's node, as it comes.
 */
#include "apiserver/priv.h"
#include "apiserver/strategy.h"
#include "base/mem.h"
#include "http/client.h"

#define CHUNKS_MAX (1 << 20)            /* bytes that wait for a slow reader before the node is made to wait */

/* A thread reads from the node; the connection's thread takes what came. */
struct relay {
    struct apiserver *s;
    char *url;
    struct cancel *stop;
    struct thread reader;
    struct mutex mu;                    /* a leaf; guards all below */
    struct cond changed;
    struct buf data;
    bool headed, done;
    int status;
    struct err e;
};

static errc relay_head(void *self, int status, const struct http_pairs *headers, struct err *e)
{
    struct relay *y = self;
    LOCK_SCOPE(&y->mu);

    (void)headers;
    (void)e;
    y->status = status;
    y->headed = true;
    cond_broadcast(&y->changed);
    return ERR_OK;
}

static errc relay_data(void *self, struct str chunk, struct err *e)
{
    struct relay *y = self;
    LOCK_SCOPE(&y->mu);

    while (y->data.n > CHUNKS_MAX && !cancel_is(y->stop))
        cond_wait(&y->changed, &y->mu);
    if (cancel_is(y->stop))
        return err_set(e, ERR_CANCELLED, "the reader left");
    buf_addstr(&y->data, chunk);
    cond_broadcast(&y->changed);
    return ERR_OK;
}

static void relay_run(void *arg)
{
    struct relay *y = arg;
    struct http_request q = { .url = y->url, .timeout_ms = -1, .cancel = y->stop };
    struct http_sink sink = { relay_head, relay_data, y };
    struct err e = { 0 };

    errc rc = http_stream(y->s->nodes, &q, &sink, &e);
    LOCK_SCOPE(&y->mu);
    if (rc)
        y->e = e;
    y->done = true;
    cond_broadcast(&y->changed);
}

static void relay_wake(void *arg)
{
    struct relay *y = arg;
    LOCK_SCOPE(&y->mu);

    cond_broadcast(&y->changed);
}

static void relay_free(void *self)
{
    struct relay *y = self;

    cancel_now(y->stop);
    relay_wake(y);
    thread_join(&y->reader);
    cancel_free(y->stop);
    cond_done(&y->changed);
    mutex_done(&y->mu);
    buf_done(&y->data);
    free(y->url);
    free(y);
}

static enum http_more relay_next(void *self, struct cancel *gone, struct buf *out)
{
    struct relay *y = self;
    enum http_more more = HTTP_MORE;

    cancel_hook_add(gone, relay_wake, y);
    {
        LOCK_SCOPE(&y->mu);
        while (!y->data.n && !y->done && !cancel_is(gone))
            cond_wait(&y->changed, &y->mu);
        if (y->data.n) {
            buf_addstr(out, buf_str(&y->data));
            buf_clear(&y->data);
            cond_broadcast(&y->changed);
        } else {
            more = y->done && y->e.code ? HTTP_ABORT : HTTP_END;
        }
    }
    cancel_hook_del(gone, relay_wake, y);
    return more;
}

static struct relay *relay_new(struct apiserver *s, const char *url)
{
    struct relay *y = xzalloc(sizeof *y);

    y->s = s;
    y->url = xstrdup(url);
    y->stop = cancel_new();
    mutex_init(&y->mu);
    cond_init(&y->changed);
    thread_start(&y->reader, "api-log", relay_run, y);
    return y;
}

/* Until the node has answered or failed. */
static void relay_wait(struct relay *y, struct cancel *gone)
{
    cancel_hook_add(gone, relay_wake, y);
    {
        LOCK_SCOPE(&y->mu);
        while (!y->headed && !y->done && !cancel_is(gone))
            cond_wait(&y->changed, &y->mu);
    }
    cancel_hook_del(gone, relay_wake, y);
}

/* ---- what to ask, and whom ---- */

static bool has_container(const json_t *pod, const char *name)
{
    static const char *const lists[] = { "spec.containers", "spec.initContainers", "spec.ephemeralContainers" };
    size_t i;
    json_t *c;

    for (size_t k = 0; k < ARRAY_LEN(lists); k++)
        json_array_foreach(at(pod, lists[k]), i, c)
            if (streq(json_cstr(c, "name"), name))
                return true;
    return false;
}

static errc choose_container(struct req *r, const json_t *pod, const char **out)
{
    const char *name = req_query(r, "container");
    const json_t *list = at(pod, "spec.containers");
    AUTO_BUF names = { 0 };
    size_t i;
    json_t *c;

    if (str_set(name)) {
        if (!has_container(pod, name))
            return fail_bad_request(r, "container %s is not valid for pod %s", name, r->name);
        *out = name;
        return ERR_OK;
    }
    if (json_array_size(list) == 1) {   /* upstream counts no init containers here */
        *out = json_cstr(json_array_get(list, 0), "name");
        return ERR_OK;
    }
    json_array_foreach(at(pod, "spec.initContainers"), i, c)
        buf_addf(&names, "%s%s", names.n ? " " : "", json_cstr(c, "name"));
    AUTO_BUF plain = { 0 };
    json_array_foreach(list, i, c)
        buf_addf(&plain, "%s%s", plain.n ? " " : "", json_cstr(c, "name"));
    if (names.n)
        return fail_bad_request(r, "a container name must be specified for pod %s, choose one of: [%s] or one of the init containers: [%s]",
                                r->name, buf_cstr(&plain), buf_cstr(&names));
    return fail_bad_request(r, "a container name must be specified for pod %s, choose one of: [%s]", r->name, buf_cstr(&plain));
}

static errc node_url(struct req *r, const char *node, struct buf *out)
{
    const struct resource *nodes = registry_find(r->registry, "", "v1", "nodes");
    struct found f = { 0 };
    const char *address = NULL;
    size_t i;
    json_t *a;

    TRY(object_load(r, nodes, "", node, &f));
    int64_t port = json_int(at(f.obj, "status.daemonEndpoints.kubeletEndpoint"), "Port", 0);
    json_array_foreach(at(f.obj, "status.addresses"), i, a)
        if (streq(json_cstr(a, "type"), "InternalIP"))
            address = json_cstr(a, "address");
    if (!address || port <= 0)
        return fail_internal(r, "node \"%s\" tells no address and port for logs (status.addresses, status.daemonEndpoints); is its agent running?",
                             node);
    buf_addf(out, strchr(address, ':') ? "https://[%s]:%lld" : "https://%s:%lld", address, (long long)port);
    return ERR_OK;
}

static void add_query(const struct req *r, struct buf *url)
{
    static const char *const passed[] = { "follow", "previous", "sinceSeconds", "sinceTime", "tailLines", "limitBytes", "timestamps" };
    AUTO_BUF query = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(passed); i++)
        query_add(&query, passed[i], req_query(r, passed[i]));
    if (query.n)
        buf_addf(url, "?%s", buf_cstr(&query));
}

static errc refused(struct req *r, struct relay *y)
{
    struct buf text = { 0 };
    int status;
    struct err e;
    {
        LOCK_SCOPE(&y->mu);
        while (!y->done)
            cond_wait(&y->changed, &y->mu);
        status = y->status;
        e = y->e;
        text = y->data;
        y->data = (struct buf){ 0 };
    }
    errc rc = e.code && !status
        ? fail(r, ERR_INTERNAL, 500, "InternalError", NULL, "Get \"%s\": %s", y->url, e.text)
        : fail(r, err_from_http(status), status, status == 404 ? "NotFound" : "BadRequest", NULL, "%.*s", STR_ARG(str_trim(buf_str(&text))));
    buf_done(&text);
    return rc;
}

errc serve_logs(struct req *r)
{
    struct found pod = { 0 };
    const char *container = NULL, *node;
    AUTO_BUF url = { 0 };

    TRY(object_load(r, r->res, r->ns, r->name, &pod));
    TRY(choose_container(r, pod.obj, &container));
    node = json_str_at(pod.obj, "spec", "nodeName", NULL);
    if (!str_set(node)) {
        http_reply(r->x, 204, NULL, STR(""));
        r->replied = true;
        return ERR_OK;
    }
    TRY(node_url(r, node, &url));
    buf_addf(&url, "/containerLogs/%s/%s/%s", r->ns, r->name, container);
    add_query(r, &url);
    struct relay *y = relay_new(r->s, buf_cstr(&url));
    relay_wait(y, http_gone(r->x));
    int status;
    {
        LOCK_SCOPE(&y->mu);
        status = y->status;
    }
    if (status < 200 || status > 299) {
        errc rc = cancel_is(http_gone(r->x)) ? err_set(&r->e, ERR_CANCELLED, "the client left") : refused(r, y);
        relay_free(y);
        return rc;
    }
    struct http_source source = { .next = relay_next, .free = relay_free, .self = y };
    http_reply_stream(r->x, 200, "text/plain", &source);
    r->replied = true;
    return ERR_OK;
}
