/* The kubelet's own endpoint, as far as `kubectl logs` needs it: GET /containerLogs/NS/POD/CONTAINER. */
#include <dirent.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "http/server.h"
#include "node/container_log.h"
#include "node/priv.h"

enum { FOLLOW_WAIT_MS = 200 };

struct tail {
    struct log_reader *reader;
    char *folder, *container;
    bool follow;
};

/* The container's entry in status.json; false when there is none. */
static bool container_entry(const char *folder, const char *container, struct arena *a, struct container_status *out)
{
    struct pod_state st;

    if (pod_file_read(folder, "status.json", &pod_state_type, a, &st, NULL))
        return false;
    for (size_t i = 0; i < st.n_init + st.n_containers; i++) {
        const struct container_status *s = i < st.n_init ? &st.init[i] : &st.containers[i - st.n_init];
        if (str_is(s->name, container)) {
            *out = *s;
            return true;
        }
    }
    return false;
}

static bool container_lives(const char *folder, const char *container)
{
    AUTO_FREE(arena) a = arena_new();
    struct container_status s;
    struct monitor_id id;

    return pod_monitor_find(folder, &id) && container_entry(folder, container, a, &s) && (s.state.running || s.state.waiting);
}

static enum http_more tail_next(void *self, struct cancel *gone, struct buf *out)
{
    struct tail *t = self;
    bool lives = t->follow && container_lives(t->folder, t->container);     /* asked first, so that the last lines are not missed */
    bool more = log_reader_next(t->reader, out);

    if (!more)
        return HTTP_END;
    if (out->n)
        return HTTP_MORE;
    if (t->follow && !lives)
        return HTTP_END;
    return cancel_wait_ms(gone, FOLLOW_WAIT_MS) ? HTTP_END : HTTP_MORE;
}

static void tail_free(void *self)
{
    struct tail *t = self;

    log_reader_free(t->reader);
    free(t->folder);
    free(t->container);
    free(t);
}

static int64_t query_int(const struct http_exchange *x, const char *name, int64_t fallback)
{
    int64_t v;
    const char *text = http_pairs_get(&x->query, name);

    return text && str_to_i64(str_of(text), &v) ? v : fallback;
}

static bool query_flag(const struct http_exchange *x, const char *name)
{
    const char *text = http_pairs_get(&x->query, name);

    return text && !streq(text, "false") && !streq(text, "0");
}

static void read_query(const struct http_exchange *x, struct log_query *q)
{
    const char *since = http_pairs_get(&x->query, "sinceTime");
    int64_t seconds = query_int(x, "sinceSeconds", 0);

    *q = (struct log_query){
        .follow = query_flag(x, "follow"), .timestamps = query_flag(x, "timestamps"),
        .tail_lines = query_int(x, "tailLines", -1), .limit_bytes = query_int(x, "limitBytes", 0),
        .since_us = seconds ? clock_wall_us() - seconds * 1000000 : 0,
    };
    if (since)
        (void)time_parse(str_of(since), &q->since_us);      /* the API server has checked its form */
}

/* NS_POD_*: the folder of the pod; an older one of the same name goes away soon. */
static char *find_folder(struct node_agent *n, struct str ns, struct str pod)
{
    AUTO_MEM char *prefix = xasprintf("%.*s_%.*s_", STR_ARG(ns), STR_ARG(pod));
    char **names = NULL, *found = NULL;
    size_t count = 0;

    if (dir_list(n->pods_dir, &names, &count, NULL))
        return NULL;
    for (size_t i = 0; i < count && !found; i++)
        if (str_has_prefix(str_of(names[i]), str_of(prefix)))
            found = path_join(n->pods_dir, names[i]);
    strv_free(names, count);
    return found;
}

static void serve_log(struct node_agent *n, struct http_exchange *x, struct str ns, struct str pod, struct str container)
{
    AUTO_MEM char *folder = find_folder(n, ns, pod), *name = xstrndup(container.p, container.n);
    struct container_status s;
    struct log_query q;
    struct err e;

    read_query(x, &q);
    if (!folder || !container_entry(folder, name, x->arena, &s)) {
        http_replyf(x, 400, "container \"%s\" in pod \"%.*s\" is waiting to start: ContainerCreating", name, STR_ARG(pod));
        return;
    }
    bool previous = query_flag(x, "previous");
    if (previous && s.restart_count == 0) {
        http_replyf(x, 400, "previous terminated container \"%s\" in pod \"%.*s\" not found", name, STR_ARG(pod));
        return;
    }
    AUTO_MEM char *path = xasprintf("%s/containers/%s/%d.log", folder, name, (int)(s.restart_count - previous));
    struct tail *t = xzalloc(sizeof *t);
    if (log_reader_open(path, &q, &t->reader, &e)) {
        free(t);
        const char *why = s.state.waiting && s.state.waiting->reason.p ? s.state.waiting->reason.p : "PodInitializing";
        http_replyf(x, 400, "container \"%s\" in pod \"%.*s\" is waiting to start: %s", name, STR_ARG(pod), why);
        return;
    }
    t->follow = q.follow && !previous;
    t->folder = TAKE(folder);
    t->container = TAKE(name);
    http_reply_stream(x, 200, "text/plain", &(struct http_source){ tail_next, tail_free, t });
}

static bool is_allowed(const struct node_agent *n, const struct http_exchange *x)
{
    const char *auth = http_header_get(&x->headers, "Authorization");

    return !n->o.log_token || (auth && str_has_prefix(str_of(auth), STR("Bearer ")) && streq(auth + 7, n->o.log_token));
}

static void handle(void *self, struct http_exchange *x)
{
    struct node_agent *n = self;
    struct str rest, ns, pod, container;

    if (streq(x->path, "/healthz"))
        http_replyf(x, 200, "ok");
    else if (!is_allowed(n, x))
        http_replyf(x, 401, "Unauthorized");
    else if (!str_has_prefix(str_of(x->path), STR("/containerLogs/")))
        http_replyf(x, 404, "404 page not found");
    else {
        rest = str_from(str_of(x->path), strlen("/containerLogs/"));
        if (str_cut(rest, '/', &ns, &rest) && str_cut(rest, '/', &pod, &container) && container.n && !memchr(container.p, '/', container.n) &&
            !str_is(container, ".."))
            serve_log(n, x, ns, pod, container);
        else
            http_replyf(x, 404, "404 page not found");
    }
}

errc kubelet_start(struct node_agent *n, struct err *e)
{
    const struct http_server_opts o = {
        .port = n->o.log_port, .cert_pem = n->o.cert_pem, .key_pem = n->o.key_pem, .max_body = 64 << 10, .max_connections = 64,
        .handler = handle, .self = n,
    };
    return http_server_start(&o, &n->logs, e);
}
