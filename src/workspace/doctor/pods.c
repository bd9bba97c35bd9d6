/* From a pod to the container that holds it up: image, start, exit code, probe, last log line. */
#include "workspace/doctor/priv.h"

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_cstr(o, key);

    return s ? s : "";
}

/* ---- events ----------------------------------------------------------------------------------------------------------------- */

static const char *event_time(const json_t *e)
{
    const char *last = json_cstr(e, "lastTimestamp"), *series = json_str_at(e, "series", "lastObservedTime", NULL), *once = json_cstr(e, "eventTime");

    return str_set(last) ? last : str_set(series) ? series : once ? once : "";
}

void diagnose_events(const struct patient *p, const char *kind, const char *name, json_t *f)
{
    const json_t *e, *newest = NULL;
    size_t i;

    json_array_foreach(p->events, i, e) {
        const json_t *about = json_object_get(e, "involvedObject");

        if (streq(json_cstr(e, "type"), "Warning") && streq(json_cstr(about, "kind"), kind) && streq(json_cstr(about, "name"), name) &&
            (!newest || strcmp(event_time(e), event_time(newest)) >= 0))
            newest = e;
    }
    if (newest)
        finding_add(f, finding("note", "last warning about it: %s: %s", text_of(newest, "reason"), text_of(newest, "message")));
}

/* ---- containers --------------------------------------------------------------------------------------------------------------- */

static const json_t *terminated(const json_t *status)
{
    const json_t *now = json_at(status, "state", "terminated", NULL);

    return now ? now : json_at(status, "lastState", "terminated", NULL);
}

static bool ended_badly(const json_t *status)
{
    return json_int(terminated(status), "exitCode", 0) != 0;
}

static bool is_well(const json_t *status)
{
    const json_t *now = json_at(status, "state", "terminated", NULL);

    return json_flag(status, "ready", false) || (now && json_int(now, "exitCode", 0) == 0);
}

/* Init containers run one after the other: the first that is not well holds the others. */
static const json_t *culprit(const json_t *pod)
{
    static const char *const lists[] = { "initContainerStatuses", "containerStatuses" };
    const json_t *s, *waiting = NULL;
    size_t i;

    for (size_t k = 0; k < ARRAY_LEN(lists); k++)
        json_array_foreach(json_at(pod, "status", lists[k], NULL), i, s) {
            if (is_well(s))
                continue;
            if (ended_badly(s) || json_at(s, "state", "running", NULL) || k == 0)
                return s;
            waiting = waiting ? waiting : s;
        }
    return waiting;
}

static void add_log_line(const struct patient *p, const json_t *pod, const json_t *status, json_t *f)
{
    AUTO_BUF key = { 0 };

    buf_addf(&key, "%s/%s", kube_name(pod), text_of(status, "name"));
    const char *line = json_cstr(p->logs, buf_cstr(&key));

    if (str_set(line))
        finding_add(f, finding("note", "last log line: %s", line));
}

static json_t *of_container(const json_t *pod, const json_t *s)
{
    const json_t *waiting = json_at(s, "state", "waiting", NULL), *running = json_at(s, "state", "running", NULL), *ended = terminated(s);
    const char *name = text_of(s, "name");
    json_t *f;

    if (ended_badly(s) || streq(json_cstr(ended, "reason"), "OOMKilled")) {
        f = finding("fail", "container %s: ended with exit code %lld%s%s, %lld restart(s)%s%s", name, (long long)json_int(ended, "exitCode", -1),
                    json_cstr(ended, "reason") ? ", " : "", text_of(ended, "reason"), (long long)json_int(s, "restartCount", 0),
                    str_set(json_cstr(ended, "message")) ? ": " : "", text_of(ended, "message"));
        finding_next(f, "kubectl logs -n %s %s -c %s%s", kube_namespace(pod), kube_name(pod), name, waiting || running ? " --previous" : "");
    } else if (waiting && !streq(json_cstr(waiting, "reason"), "PodInitializing") && !streq(json_cstr(waiting, "reason"), "ContainerCreating")) {
        f = finding("fail", "container %s: waits: %s%s%s (image %s)", name, text_of(waiting, "reason"), json_cstr(waiting, "message") ? ": " : "", text_of(waiting, "message"),
                    text_of(s, "image"));
        finding_next(f, "kubectl describe pod -n %s %s", kube_namespace(pod), kube_name(pod));
    } else if (running) {
        f = finding("wait", "container %s: runs since %s, its probe does not succeed yet", name, text_of(running, "startedAt"));
        finding_next(f, "kubectl logs -n %s %s -c %s -f", kube_namespace(pod), kube_name(pod), name);
    } else {
        f = finding("wait", "container %s: starts", name);
    }
    return f;
}

/* ---- pods ------------------------------------------------------------------------------------------------------------------------ */

/* A pod's findings are joined to the parent last: its level counts then. */
static void add_pod(const struct patient *p, const json_t *pod, json_t *parent)
{
    const json_t *scheduled = kube_condition(pod, "PodScheduled"), *bad = culprit(pod);
    const char *node = json_str_at(pod, "spec", "nodeName", NULL), *phase = json_str_at(pod, "status", "phase", NULL);
    json_t *f = finding("note", "Pod %s: %s%s%s", kube_name(pod), phase ? phase : "no phase yet", node ? " on " : "", node ? node : "");

    if (streq(json_cstr(scheduled, "status"), "False")) {
        json_t *s = finding_add(f, finding("fail", "no node takes it: %s", text_of(scheduled, "message")));
        finding_next(s, "kubectl describe pod -n %s %s", p->ns, kube_name(pod));
    }
    if (streq(json_str_at(pod, "status", "reason", NULL), "Evicted"))
        finding_add(f, finding("fail", "was evicted: %s", text_of(json_object_get(pod, "status"), "message")));
    if (bad) {
        json_t *c = of_container(pod, bad);

        add_log_line(p, pod, bad, c);
        finding_add(f, c);
    }
    if (bad || streq(phase, "Pending"))
        diagnose_events(p, "Pod", kube_name(pod), f);
    finding_add(parent, f);
}

static bool is_of(const json_t *pod, const char *owner_kind)
{
    return streq(json_cstr(kube_controller_of(pod), "kind"), owner_kind);
}

static bool is_settled(const json_t *pod)
{
    return kube_condition_is(pod, "Ready", "True") || streq(json_str_at(pod, "status", "phase", NULL), "Succeeded");
}

void diagnose_pods(const struct patient *p, const char *owner_kind, json_t *f)
{
    const json_t *pod;
    size_t i, n = 0;

    json_array_foreach(p->pods, i, pod) {
        if (!is_of(pod, owner_kind))
            continue;
        n++;
        if (!is_settled(pod))
            add_pod(p, pod, f);
    }
    if (n == 0 && (streq(owner_kind, "Job") ? p->job : p->statefulset)) {
        json_t *none = finding_add(f, finding("wait", "%s %s: has made no pod", owner_kind, p->name));
        finding_next(none, "kubectl describe %s -n %s %s", streq(owner_kind, "Job") ? "job" : "statefulset", p->ns, p->name);
    }
}

json_t *workspace_log_wishes(const json_t *facts)
{
    json_t *wishes = json_array();
    const json_t *pod;
    size_t i;

    json_array_foreach(json_object_get(facts, "pods"), i, pod) {
        const json_t *bad = is_settled(pod) || !kube_label(pod, WORKSPACE_LABEL) ? NULL : culprit(pod);
        bool started = bad && (terminated(bad) || json_at(bad, "state", "running", NULL));

        if (started)
            json_push(wishes, json_pack("{s:s, s:s, s:s, s:b}", "namespace", kube_namespace(pod), "pod", kube_name(pod), "container", text_of(bad, "name"),
                                        "previous", !json_at(bad, "state", "terminated", NULL) && ended_badly(bad)));
    }
    return wishes;
}
