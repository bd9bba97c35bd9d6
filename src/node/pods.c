/*
 * From the pods bound to our nodes to monitors, and from the monitors' words to pod statuses. Level-triggered: a reconcile looks at the
 * object, at the folder NS_NAME_UID and at whether its monitor lives, and takes the next step.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/process.h"
#include "node/priv.h"

#define PODS KUBE_GVR("", "v1", "pods")

enum { RETRY_MS = 2000, HOST_OCTET = 64 };

/* One pod's folder is NS_NAME_UID: none of the three may hold an underscore. */
static char *pod_folder(const struct node_agent *n, const char *ns, const char *name, const char *uid)
{
    return xasprintf("%s/%s_%s_%s", n->pods_dir, ns, name, uid);
}

static bool pods_is_ours(struct node_agent *n, const char *node_name)
{
    AUTO_JSON node = str_set(node_name) ? informer_get(n->nodes, NULL, node_name) : NULL;

    return node && streq(kube_label(node, NODE_LOCAL_LABEL), "true");
}

/* ---- monitors ---- */

static errc start_monitor(struct node_agent *n, const char *folder, struct err *e)
{
    const char *argv[] = { n->o.kaito_path, "pod-monitor", "--dir", folder, NULL };
    AUTO_MEM char *log_path = path_join(folder, "monitor.log");
    AUTO_FD log = -1;
    pid_t pid;

    TRY(file_write_atomic(log_path, STR(""), 0600, e));
    log = open(log_path, O_WRONLY | O_APPEND | O_CLOEXEC);
    const struct process_opts o = { .argv = argv, .cwd = folder, .stdin_fd = -1, .stdout_fd = log, .stderr_fd = log, .new_session = true };
    TRY(process_start(&o, &pid, e));
    LOCK_SCOPE(&n->children_mu);
    vec_grow(n->children, n->n_children, n->cap_children);
    n->children[n->n_children++] = (struct child){ pid, xstrdup(folder) };
    return ERR_OK;
}

/* A monitor of ours that has not told its name yet (monitor.json), or ended and was not waited for: another would be one too many. */
static bool has_child(struct node_agent *n, const char *folder)
{
    LOCK_SCOPE(&n->children_mu);

    for (size_t i = 0; i < n->n_children; i++)
        if (streq(n->children[i].folder, folder))
            return true;
    return false;
}

static errc ask_to_stop(const char *folder, int64_t grace_s, const struct monitor_id *id, struct err *e)
{
    AUTO_MEM char *path = path_join(folder, "stop"), *text = xasprintf("%d\n", (int)grace_s);

    if (file_exists(path))
        return ERR_OK;          /* it was told already */
    TRY(file_write_atomic(path, str_of(text), 0600, e));
    if (kill((pid_t)id->pid, SIGTERM) && errno != ESRCH)
        return err_sys(e, errno, "stop monitor %d", (int)id->pid);
    return ERR_OK;
}

/* ---- addresses ---- */

static void used_addresses(struct node_agent *n, struct map *used)
{
    AUTO_FREE(arena) a = arena_new();
    char **names = NULL;
    size_t n_names = 0;

    if (dir_list(n->pods_dir, &names, &n_names, NULL))
        return;
    for (size_t i = 0; i < n_names; i++) {
        AUTO_MEM char *folder = path_join(n->pods_dir, names[i]);
        struct pod_plan plan;
        if (!pod_file_read(folder, "plan.json", &pod_plan_type, a, &plan, NULL))
            map_put(used, plan.pod_ip, used);
    }
    strv_free(names, n_names);
}

/* 127.64.0.0/11, by the pod's uid, so that agents of other state folders on this machine rarely collide. */
static char *choose_address(struct node_agent *n, const char *uid)
{
    AUTO_FREE(map) used = map_new(NULL);
    uint64_t h = hash_bytes(uid, strlen(uid)) ^ hash_bytes(n->pods_dir, strlen(n->pods_dir));

    used_addresses(n, used);
    for (;; h++) {
        unsigned bits = (unsigned)(h % (1u << 21)), last = bits & 255;
        char *ip = xasprintf("127.%u.%u.%u", HOST_OCTET + (bits >> 16), bits >> 8 & 255, last);
        if (last != 0 && last != 255 && !map_get(used, str_of(ip)))
            return ip;
        free(ip);
    }
}

/* ---- status ---- */

static bool same_status(const json_t *pod, const json_t *status)
{
    const json_t *old = json_object_get(pod, "status");
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)status, key, value) {
        const json_t *was = json_object_get(old, key);
        if (!was || !json_equal(was, value))
            return false;
    }
    return true;
}

static errc report(struct node_agent *n, struct status_input *in, struct err *e)
{
    AUTO_JSON patch = json_object();
    json_t *status;

    in->host_ip = "127.0.0.1";
    in->now_ms = clock_wall_ms();
    status = pod_status_render(in);
    json_put(patch, "status", status);
    if (same_status(in->pod, status))
        return ERR_OK;
    return kube_patch(n->client, PODS, kube_namespace(in->pod), kube_name(in->pod), "status", KUBE_PATCH_MERGE, patch, NULL, e);
}

static errc report_waiting(struct node_agent *n, const json_t *pod, const char *reason, const char *message, struct err *e)
{
    struct status_input in = { .pod = pod, .waiting_reason = reason, .waiting_message = message };

    return report(n, &in, e);
}

/* What the monitor wrote for people since the last time; the file "events.seen" holds how far we told. */
static void pass_events_on(struct node_agent *n, const json_t *pod, const char *folder)
{
    AUTO_MEM char *path = path_join(folder, "events"), *seen_path = path_join(folder, "events.seen");
    AUTO_FREE(arena) a = arena_new();
    AUTO_BUF text = { 0 }, seen_text = { 0 };
    uint64_t seen = 0;
    struct str rest, line;

    if (file_read(path, 16 << 20, &text, NULL))
        return;
    if (!file_read(seen_path, 64, &seen_text, NULL))
        (void)str_to_u64(buf_str(&seen_text), &seen);   /* unreadable: told again, and the recorder counts them as one */
    if (seen >= text.n)
        return;
    rest = str_from(buf_str(&text), seen);
    while (str_cut(rest, '\n', &line, &rest)) {
        AUTO_JSON j = NULL;
        struct pod_event ev;
        if (json_parse(line, &j, NULL) || schema_decode(&pod_event_type, j, a, &ev, NULL))
            continue;
        char *type = arena_strndup(a, ev.type.p, ev.type.n), *reason = arena_strndup(a, ev.reason.p, ev.reason.n);
        char *message = arena_strndup(a, ev.message.p, ev.message.n);
        char *at = ev.container.p ? arena_printf(a, "spec.containers{%.*s}", STR_ARG(ev.container)) : NULL;
        recorder_event_at(n->events, pod, at, type, reason, message);
    }
    AUTO_MEM char *now = xasprintf("%zu", text.n - rest.n);
    (void)file_write_atomic(seen_path, str_of(now), 0600, NULL);        /* told again next time otherwise */
}

static errc report_monitor(struct node_agent *n, const json_t *pod, const char *folder, struct arena *a, struct pod_state *state, struct err *e)
{
    struct pod_plan plan;
    struct status_input in = { .pod = pod };

    TRY(pod_file_read(folder, "plan.json", &pod_plan_type, a, &plan, e));
    errc rc = pod_file_read(folder, "status.json", &pod_state_type, a, state, e);
    if (rc && rc != ERR_NOT_FOUND)
        return rc;
    pass_events_on(n, pod, folder);
    in.state = rc ? NULL : state;
    in.pod_ip = arena_strndup(a, plan.pod_ip.p, plan.pod_ip.n);
    return report(n, &in, e);
}

/* ---- beginning and end of a pod ---- */

static errc get_object(void *self, const char *resource, const char *ns, const char *name, json_t **out, struct err *e)
{
    struct node_agent *n = self;
    const struct kube_gvr gvr = { "", "v1", resource };
    errc rc = kube_get(n->client, &gvr, ns, name, out, e);

    if (rc == ERR_NOT_FOUND)
        return err_set(e, rc, "%.*s \"%s\" not found", (int)strlen(resource) - 1, resource, name);
    return rc;
}

static errc plan_pod(struct node_agent *n, struct op *op, const struct pod *pod, const char *folder, const char **reason, struct err *e)
{
    AUTO_MEM char *uid = xstrndup(pod->meta.uid.p, pod->meta.uid.n), *ip = choose_address(n, uid);
    const struct lookup lookup = { get_object, n };
    const struct plan_input in = {
        .pod = pod, .pod_ip = ip, .host_ip = "127.0.0.1", .folder = folder, .claims_dir = n->claims_dir,
        .runtime_image = n->o.runtime_image, .runtime_path = n->o.runtime_path, .extra_env = n->o.extra_env, .lookup = &lookup,
    };
    struct pod_plan plan;

    *reason = "FailedMount";
    TRY(dir_make(folder, 0700, e));
    TRY(pod_volumes_make(&in, op->arena, e));
    *reason = "CreateContainerConfigError";
    TRY(pod_plan_make(&in, op->arena, &plan, e));
    *reason = "Failed";
    return pod_file_write(folder, "plan.json", &pod_plan_type, &plan, e);
}

/* Volumes and references that are not there yet are waited for; the pod's status and an event say for which. */
static errc begin_pod(struct node_agent *n, struct op *op, const json_t *object, const struct pod *pod, const char *folder,
                      struct reconcile_result *out, struct err *e)
{
    const char *reason;
    struct err why;

    if (plan_pod(n, op, pod, folder, &reason, &why)) {
        recorder_event(n->events, object, EVENT_WARNING, reason, "%s", why.text);
        out->requeue_after_ms = RETRY_MS;
        return report_waiting(n, object, streq(reason, "FailedMount") ? "ContainerCreating" : reason, why.text, e);
    }
    return start_monitor(n, folder, e);
}

static errc end_pod(struct node_agent *n, const json_t *object, const char *folder, struct arena *a, struct reconcile_result *out, struct err *e)
{
    struct monitor_id id;
    struct pod_state state = { 0 };
    const json_t *grace = json_at(object, "metadata", "deletionGracePeriodSeconds", NULL);
    const struct kube_delete_opts now = { .has_grace = true, .uid = kube_uid(object) };

    if (pod_monitor_find(folder, &id)) {
        out->requeue_after_ms = RETRY_MS;
        return ask_to_stop(folder, grace ? json_integer_value(grace) : 30, &id, e);
    }
    AUTO_MEM char *plan = path_join(folder, "plan.json");
    if (file_exists(plan)) {
        errc rc = report_monitor(n, object, folder, a, &state, e);
        if (rc && rc != ERR_NOT_FOUND && rc != ERR_CONFLICT)
            return rc;
    }
    errc rc = kube_delete(n->client, PODS, kube_namespace(object), kube_name(object), &now, e);
    if (rc && rc != ERR_NOT_FOUND && rc != ERR_CONFLICT)
        return rc;
    return dir_remove(folder, e);
}

/* Folders NS_NAME_* of other uids (or of a pod that is gone): stop and remove. */
static errc remove_leftovers(struct node_agent *n, const struct key *key, const char *uid, struct reconcile_result *out, struct err *e)
{
    AUTO_MEM char *prefix = xasprintf("%s_%s_", key->ns, key->name);
    char **names = NULL;
    size_t count = 0;
    errc rc = ERR_OK;

    TRY(dir_list(n->pods_dir, &names, &count, e));
    for (size_t i = 0; i < count && !rc; i++) {
        struct monitor_id id;
        if (!str_has_prefix(str_of(names[i]), str_of(prefix)) || streq(names[i] + strlen(prefix), uid))
            continue;
        AUTO_MEM char *folder = path_join(n->pods_dir, names[i]);
        if (pod_monitor_find(folder, &id)) {
            rc = ask_to_stop(folder, 0, &id, e);
            out->requeue_after_ms = RETRY_MS / 10;
        } else
            rc = dir_remove(folder, e);
    }
    strv_free(names, count);
    return rc;
}

static bool is_over(const json_t *pod)
{
    const char *phase = json_str_at(pod, "status", "phase", NULL);

    return streq(phase, "Succeeded") || streq(phase, "Failed");
}

static errc run_pod(struct node_agent *n, struct op *op, const json_t *object, const char *folder, struct reconcile_result *out, struct err *e)
{
    AUTO_MEM char *plan = path_join(folder, "plan.json");
    struct pod_state state = { 0 };
    struct monitor_id id;
    struct pod pod;

    if (!file_exists(plan)) {
        if (is_over(object))
            return ERR_OK;
        TRY(schema_decode(&pod_type, object, op->arena, &pod, e));
        return begin_pod(n, op, object, &pod, folder, out, e);
    }
    bool alive = pod_monitor_find(folder, &id);         /* before the status is read: a monitor writes its last word, then goes */
    TRY(report_monitor(n, object, folder, op->arena, &state, e));
    if (alive || state.finished || has_child(n, folder))
        return ERR_OK;
    log_info("node", "the pod's monitor is gone: starting another", KV("namespace", kube_namespace(object)), KV("name", kube_name(object)));
    return start_monitor(n, folder, e);
}

errc pods_reconcile(void *self, struct op *op, const struct key *key, struct reconcile_result *out, struct err *e)
{
    struct node_agent *n = self;
    AUTO_JSON pod = informer_get(n->pods, key->ns, key->name);
    const char *uid = pod ? kube_uid(pod) : "";

    TRY(remove_leftovers(n, key, uid, out, e));
    if (!pod || !pods_is_ours(n, json_str_at(pod, "spec", "nodeName", NULL)))
        return ERR_OK;
    AUTO_MEM char *folder = pod_folder(n, key->ns, key->name, uid);
    if (kube_deleting(pod))
        return end_pod(n, pod, folder, op->arena, out, e);
    return run_pod(n, op, pod, folder, out, e);
}

errc pods_sweep(struct node_agent *n, struct err *e)
{
    char **names = NULL;
    size_t count = 0;

    TRY(dir_list(n->pods_dir, &names, &count, e));
    for (size_t i = 0; i < count; i++) {
        struct str ns, rest, name, uid;
        if (!str_cut(str_of(names[i]), '_', &ns, &rest) || !str_cut(rest, '_', &name, &uid))
            continue;
        AUTO_MEM char *ns_text = xstrndup(ns.p, ns.n), *name_text = xstrndup(name.p, name.n);
        controller_enqueue(n->pod_controller, &(struct key){ .ns = ns_text, .name = name_text });
    }
    strv_free(names, count);
    return ERR_OK;
}
