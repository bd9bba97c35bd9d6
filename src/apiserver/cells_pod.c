/* The cells of pods: what kubectl's READY, STATUS and RESTARTS say is folded from the statuses of all containers. */
#include "apiserver/cells.h"
#include "apiserver/strategy.h"

#define NONE "<none>"

struct pod_view { int64_t restarts, total, ready; int64_t last_restart_us; char reason[256]; };

static void note_restart(struct pod_view *v, const json_t *c)
{
    const char *when = json_str_at(c, "lastState", "terminated", "finishedAt", NULL);
    int64_t us = 0;

    v->restarts += json_int(c, "restartCount", 0);
    if (when && time_parse(str_of(when), &us) && us > v->last_restart_us)
        v->last_restart_us = us;
}

static void set_reason(struct pod_view *v, const char *prefix, const char *text)
{
    snprintf(v->reason, sizeof v->reason, "%s%s", prefix, text);
}

static void terminated_reason(struct pod_view *v, const char *prefix, const json_t *t)
{
    const char *reason = json_cstr(t, "reason");
    int64_t signal = json_int(t, "signal", 0);

    if (str_set(reason))
        set_reason(v, prefix, reason);
    else
        snprintf(v->reason, sizeof v->reason, signal ? "%sSignal:%lld" : "%sExitCode:%lld", prefix,
                 (long long)(signal ? signal : json_int(t, "exitCode", 0)));
}

/* An init container that restarts always is a side car: it counts among the pod's containers. */
static bool is_sidecar(const json_t *o, const char *name)
{
    size_t i;
    json_t *c;

    json_array_foreach(at(o, "spec.initContainers"), i, c)
        if (streq(json_cstr(c, "name"), name))
            return streq(json_cstr(c, "restartPolicy"), "Always");
    return false;
}

/* True while an init container holds the pod back. */
static bool view_init(const json_t *o, struct pod_view *v)
{
    size_t i, n = json_array_size(at(o, "spec.initContainers"));
    json_t *c;

    json_array_foreach(at(o, "status.initContainerStatuses"), i, c) {
        const json_t *done = json_at(c, "state", "terminated", NULL);
        const char *waiting = json_str_at(c, "state", "waiting", "reason", NULL);
        bool sidecar = is_sidecar(o, json_cstr(c, "name"));
        note_restart(v, c);
        if (done && json_int(done, "exitCode", -1) == 0)
            continue;
        if (sidecar && json_flag(c, "started", false)) {
            v->ready += json_flag(c, "ready", false);
            continue;
        }
        if (done)
            terminated_reason(v, "Init:", done);
        else if (str_set(waiting) && !streq(waiting, "PodInitializing"))
            set_reason(v, "Init:", waiting);
        else
            snprintf(v->reason, sizeof v->reason, "Init:%zu/%zu", i, n);
        return true;
    }
    return false;
}

static void view_containers(const json_t *o, struct pod_view *v)
{
    const json_t *list = at(o, "status.containerStatuses");
    bool running = false;

    for (size_t i = json_array_size(list); i-- > 0;) {
        const json_t *c = json_array_get(list, i), *done = json_at(c, "state", "terminated", NULL);
        const char *waiting = json_str_at(c, "state", "waiting", "reason", NULL);
        note_restart(v, c);
        if (str_set(waiting))
            set_reason(v, "", waiting);
        else if (done)
            terminated_reason(v, "", done);
        else if (json_flag(c, "ready", false) && json_at(c, "state", "running", NULL)) {
            running = true;
            v->ready++;
        }
    }
    if (!streq(v->reason, "Completed") || !running)
        return;
    bool ready = false;
    size_t i;
    json_t *c;
    json_array_foreach(at(o, "status.conditions"), i, c)
        ready = ready || (streq(json_cstr(c, "type"), "Ready") && streq(json_cstr(c, "status"), "True"));
    set_reason(v, "", ready ? "Running" : "NotReady");
}

static void view_pod(const json_t *o, struct pod_view *v)
{
    const char *phase = json_string_value(at(o, "status.phase")), *reason = json_string_value(at(o, "status.reason"));
    size_t i;
    json_t *c;

    *v = (struct pod_view){ .total = (int64_t)json_array_size(at(o, "spec.containers")) };
    set_reason(v, "", str_set(reason) ? reason : phase ? phase : "");
    json_array_foreach(at(o, "status.conditions"), i, c)
        if (streq(json_cstr(c, "type"), "PodScheduled") && streq(json_cstr(c, "reason"), "SchedulingGated"))
            set_reason(v, "", "SchedulingGated");
    json_array_foreach(at(o, "spec.initContainers"), i, c)
        v->total += streq(json_cstr(c, "restartPolicy"), "Always");
    if (!view_init(o, v)) {
        v->restarts = 0;
        v->last_restart_us = 0;
        view_containers(o, v);
    }
    if (at(o, "metadata.deletionTimestamp")) {
        if (streq(reason, "NodeLost"))
            set_reason(v, "", "Unknown");
        else if (!streq(phase, "Failed") && !streq(phase, "Succeeded"))
            set_reason(v, "", "Terminating");
    }
}

json_t *pod_ready(const json_t *o, int64_t now)
{
    struct pod_view v;

    (void)now;
    view_pod(o, &v);
    return json_strf("%lld/%lld", (long long)v.ready, (long long)v.total);
}

json_t *pod_status(const json_t *o, int64_t now)
{
    struct pod_view v;

    (void)now;
    view_pod(o, &v);
    return json_string(v.reason);
}

json_t *pod_restarts(const json_t *o, int64_t now)
{
    struct pod_view v;
    char age[TIME_TEXT_MAX];

    view_pod(o, &v);
    if (!v.restarts || !v.last_restart_us)
        return json_strf("%lld", (long long)v.restarts);
    time_human_age(now - v.last_restart_us / 1000, age);
    return json_strf("%lld (%s ago)", (long long)v.restarts, age);
}

json_t *pod_ip(const json_t *o, int64_t now) { (void)now; return cell_text(o, "status.podIP", NONE); }
json_t *pod_node(const json_t *o, int64_t now) { (void)now; return cell_text(o, "spec.nodeName", NONE); }
json_t *pod_nominated_node(const json_t *o, int64_t now) { (void)now; return cell_text(o, "status.nominatedNodeName", NONE); }

json_t *pod_readiness_gates(const json_t *o, int64_t now)
{
    const json_t *gates = at(o, "spec.readinessGates");
    size_t i, k;
    json_t *g, *c;
    long ready = 0;

    (void)now;
    if (!json_array_size(gates))
        return json_string(NONE);
    json_array_foreach(gates, i, g)
        json_array_foreach(at(o, "status.conditions"), k, c)
            ready += streq(json_cstr(c, "type"), json_cstr(g, "conditionType")) && streq(json_cstr(c, "status"), "True");
    return json_strf("%ld/%zu", ready, json_array_size(gates));
}
