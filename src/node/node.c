#include "node/node.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/server.h"
#include "node/priv.h"

enum { REAP_MS = 1000, ANNOUNCE_MS = 2000, SYNC_TIMEOUT_MS = 30 * 1000 };

/* ---- what the monitors write, and their ends ---- */

static void queue_folder(struct node_agent *n, const char *folder_name)
{
    struct str ns, rest, name, uid;

    if (!str_cut(str_of(folder_name), '_', &ns, &rest) || !str_cut(rest, '_', &name, &uid))
        return;
    AUTO_MEM char *ns_text = xstrndup(ns.p, ns.n), *name_text = xstrndup(name.p, name.n);
    controller_enqueue(n->pod_controller, KEY(ns_text, name_text));
}

/* inotify has one watch per pod folder; the table from watch to folder is the watcher's own. */
struct watches { char **names; size_t cap; };

static void add_watch(struct node_agent *n, struct watches *w, const char *folder_name)
{
    AUTO_MEM char *path = path_join(n->pods_dir, folder_name);
    int wd = inotify_add_watch(n->inotify_fd, path, IN_MOVED_TO | IN_ONLYDIR);

    if (wd < 0)
        return;         /* gone already */
    if ((size_t)wd >= w->cap) {
        size_t cap = (size_t)wd * 2 + 16;
        w->names = xreallocarray(w->names, cap, sizeof *w->names);
        memset(w->names + w->cap, 0, (cap - w->cap) * sizeof *w->names);
        w->cap = cap;
    }
    free(w->names[wd]);
    w->names[wd] = xstrdup(folder_name);
    queue_folder(n, folder_name);       /* what was written before the watch */
}

static void note(struct node_agent *n, struct watches *w, int root, const struct inotify_event *ev)
{
    if (ev->mask & IN_Q_OVERFLOW)
        (void)pods_sweep(n, NULL);      /* the next status of each pod tells, if this cannot */
    else if (ev->wd == root && ev->len)
        add_watch(n, w, ev->name);
    else if ((size_t)ev->wd < w->cap && w->names[ev->wd] && ev->len && streq(ev->name, "status.json"))
        queue_folder(n, w->names[ev->wd]);
}

static void read_notes(struct node_agent *n, struct watches *w, int root)
{
    _Alignas(struct inotify_event) char buf[8192];
    ssize_t got = read(n->inotify_fd, buf, sizeof buf);

    for (ssize_t at = 0; at < got;) {
        const struct inotify_event *ev = (const struct inotify_event *)(const void *)(buf + at);
        note(n, w, root, ev);
        at += (ssize_t)sizeof *ev + (ssize_t)ev->len;
    }
}

/* Monitors that ended are waited for, and their pods looked at: one that was killed must be started again. */
static bool reap_children(struct node_agent *n)
{
    bool any = false;
    LOCK_SCOPE(&n->children_mu);

    for (size_t i = 0; i < n->n_children;)
        if (waitpid(n->children[i].pid, NULL, WNOHANG) != 0) {
            free(n->children[i].folder);
            n->children[i] = n->children[--n->n_children];
            any = true;
        } else
            i++;
    return any;
}

/* `kaito down` stops the monitors that have told their name: none may still be on its way there when we are gone. */
static void wait_for_announcements(struct node_agent *n)
{
    AUTO_FREE(cancel) never = cancel_new();
    int64_t deadline = clock_mono_ms() + ANNOUNCE_MS;
    struct monitor_id id;

    reap_children(n);
    for (size_t i = 0; i < n->n_children; i++)
        while (!pod_monitor_find(n->children[i].folder, &id) && waitpid(n->children[i].pid, NULL, WNOHANG) == 0 && clock_mono_ms() < deadline)
            cancel_wait_ms(never, 5);   /* a file appears or the process ends: nothing tells of both */
    for (size_t i = 0; i < n->n_children; i++)
        free(n->children[i].folder);
    free(n->children);
}

/* Monitors that an earlier agent started are not our children: their end shows in /proc only. */
static void watch_pods(void *arg)
{
    struct node_agent *n = arg;
    struct watches w = { 0 };
    int root = inotify_add_watch(n->inotify_fd, n->pods_dir, IN_CREATE | IN_ONLYDIR);
    char **names = NULL;
    size_t count = 0;

    if (!dir_list(n->pods_dir, &names, &count, NULL))
        for (size_t i = 0; i < count; i++)
            add_watch(n, &w, names[i]);
    strv_free(names, count);
    for (int64_t sweep_at = 0; !cancel_is(n->cancel);) {
        struct pollfd p[] = { { .fd = n->inotify_fd, .events = POLLIN }, { .fd = cancel_fd(n->cancel), .events = POLLIN } };
        poll(p, ARRAY_LEN(p), REAP_MS);
        if (p[0].revents & POLLIN)
            read_notes(n, &w, root);
        if (reap_children(n) || clock_mono_ms() >= sweep_at) {
            (void)pods_sweep(n, NULL);          /* asked again at the next turn */
            sweep_at = clock_mono_ms() + 10 * REAP_MS;
        }
    }
    for (size_t i = 0; i < w.cap; i++)
        free(w.names[i]);
    free(w.names);
}

/* ---- life ---- */

static const char *const *copy_list(struct arena *a, const char *const *list)
{
    size_t n = 0;

    while (list && list[n])
        n++;
    const char **copy = arena_calloc(a, n + 1, sizeof *copy);
    for (size_t i = 0; i < n; i++)
        copy[i] = arena_strdup(a, list[i]);
    return copy;
}

static const char *beside(struct arena *a, const char *program, const char *name)
{
    struct str folder, file;

    if (!str_rcut(str_of(program), '/', &folder, &file))
        return name;
    return arena_printf(a, "%.*s/%s", STR_ARG(folder), name);
}

static void copy_opts(struct node_agent *n, const struct node_opts *o)
{
    struct arena *a = n->texts;
    AUTO_MEM char *self = self_path();

    n->o = *o;
    n->o.state_dir = arena_strdup(a, o->state_dir);
    n->o.kaito_path = arena_strdup(a, o->kaito_path ? o->kaito_path : self);
    n->o.runtime_path = o->runtime_path ? arena_strdup(a, o->runtime_path) : beside(a, n->o.kaito_path, "kaito-runtime");
    n->o.runtime_image = arena_strdup(a, o->runtime_image);
    n->o.extra_env = copy_list(a, o->extra_env);
    n->o.cert_pem = arena_strdup(a, o->cert_pem);
    n->o.key_pem = arena_strdup(a, o->key_pem);
    n->o.log_token = arena_strdup(a, o->log_token);
    n->pods_dir = path_join(o->state_dir, "pods");
    n->claims_dir = path_join(o->state_dir, "claims");
}

static void map_node_to_pods(void *self, const json_t *node, struct workq *q)
{
    struct node_agent *n = self;
    AUTO_JSON pods = informer_list(n->pods, NULL, NULL);
    size_t i;
    json_t *pod;

    json_array_foreach(pods, i, pod)
        if (streq(json_str_at(pod, "spec", "nodeName", NULL), kube_name(node)))
            workq_add(q, KEY(kube_namespace(pod), kube_name(pod)));
}

static void make_controllers(struct node_agent *n)
{
    const struct controller_opts pods = { .name = "node-pods", .workers = 2, .reconcile = pods_reconcile, .self = n };
    const struct controller_opts nodes = { .name = "node-heartbeat", .reconcile = heartbeat_reconcile, .self = n };

    n->pods = informers_of(n->informers, "", "v1", "pods");
    n->nodes = informers_of(n->informers, "", "v1", "nodes");
    n->pod_controller = controller_new(&pods);
    controller_watch(n->pod_controller, n->pods);
    controller_watch_map(n->pod_controller, n->nodes, map_node_to_pods, n);
    n->node_controller = controller_new(&nodes);
    controller_watch(n->node_controller, n->nodes);
}

static errc start_parts(struct node_agent *n, struct err *e)
{
    TRY(dir_make(n->pods_dir, 0700, e));
    TRY(dir_make(n->claims_dir, 0700, e));
    n->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (n->inotify_fd < 0)
        return err_sys(e, errno, "watch %s", n->pods_dir);
    TRY(kubelet_start(n, e));
    if (!n->o.no_proxy)
        TRY(proxy_start(n, &n->proxy, e));
    informers_start(n->informers, n->cancel);
    TRY(informers_wait_synced(n->informers, SYNC_TIMEOUT_MS, e));
    controller_start(n->node_controller, n->cancel);
    controller_start(n->pod_controller, n->cancel);
    thread_start(&n->watcher, "node-watch", watch_pods, n);
    return ERR_OK;
}

errc node_agent_start(struct kube_client *c, const struct node_opts *o, struct cancel *cancel, struct node_agent **out, struct err *e)
{
    struct node_agent *n = xzalloc(sizeof *n);

    *n = (struct node_agent){ .client = c, .cancel = cancel, .texts = arena_new(), .inotify_fd = -1 };
    mutex_init(&n->children_mu);
    copy_opts(n, o);
    n->informers = informers_new(c);
    n->events = recorder_new(c, "kubelet", "local");
    make_controllers(n);
    if (start_parts(n, e)) {
        cancel_now(cancel);
        node_agent_join(n);
        return err_wrap(e, "node agent");
    }
    *out = n;
    return ERR_OK;
}

uint16_t node_agent_log_port(const struct node_agent *n) { return http_server_port(n->logs); }

void node_agent_join(struct node_agent *n)
{
    if (!n)
        return;
    thread_join(&n->watcher);
    proxy_stop(n->proxy);
    controller_join(n->pod_controller);
    controller_join(n->node_controller);
    informers_free(n->informers);
    controller_free(n->pod_controller);
    controller_free(n->node_controller);
    http_server_stop(n->logs, 500);
    recorder_free(n->events);
    if (n->inotify_fd >= 0)
        close(n->inotify_fd);
    wait_for_announcements(n);
    mutex_done(&n->children_mu);
    free(n->pods_dir);
    free(n->claims_dir);
    arena_free(n->texts);
    free(n);
}

/* ---- kaito down ---- */

static void stop_one(const char *folder, int64_t grace_s)
{
    AUTO_MEM char *path = path_join(folder, "stop"), *text = xasprintf("%d\n", (int)grace_s);
    struct monitor_id id;

    if (!pod_monitor_find(folder, &id))
        return;
    (void)file_write_atomic(path, str_of(text), 0600, NULL);    /* without it the pod takes its own grace period */
    kill((pid_t)id.pid, SIGTERM);
}

static bool any_alive(const char *pods, char **names, size_t n)
{
    struct monitor_id id;

    for (size_t i = 0; i < n; i++) {
        AUTO_MEM char *folder = path_join(pods, names[i]);
        if (pod_monitor_find(folder, &id))
            return true;
    }
    return false;
}

errc node_stop_pods(const char *state_dir, int64_t max_grace_s, struct err *e)
{
    AUTO_MEM char *pods = path_join(state_dir, "pods");
    AUTO_FREE(cancel) never = cancel_new();
    int64_t deadline = clock_mono_ms() + (max_grace_s + 5) * 1000;
    char **names = NULL;
    size_t n = 0;

    if (!dir_exists(pods))
        return ERR_OK;
    TRY(dir_list(pods, &names, &n, e));
    for (size_t i = 0; i < n; i++) {
        AUTO_MEM char *folder = path_join(pods, names[i]);
        stop_one(folder, max_grace_s);
    }
    while (any_alive(pods, names, n) && clock_mono_ms() < deadline)
        cancel_wait_ms(never, 50);      /* the monitors are not our children: /proc is all there is to ask */
    bool left = any_alive(pods, names, n);
    strv_free(names, n);
    return left ? err_set(e, ERR_TIMEOUT, "some pods still run; try again, or end them by their pids in %s/*/monitor.json", pods) : ERR_OK;
}
