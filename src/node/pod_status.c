/* A pod's status from what is known of it: pure, so that tests can ask every case. Words are the kubelet's. */
#include "base/clock.h"
#include "base/mem.h"
#include "node/priv.h"

static bool has_started(const struct container_status *s) { return s->state.running || s->state.terminated || s->last_state.terminated; }

static const char *phase_of(const struct status_input *in, bool never_restarts_init)
{
    const struct pod_state *st = in->state;
    size_t started = 0, failed = 0;

    if (!st)
        return "Pending";
    for (size_t i = 0; i < st->n_init; i++) {
        const struct state_terminated *t = st->init[i].state.terminated;
        if (st->finished && t && t->exit_code != 0)
            return "Failed";
        if (!t || t->exit_code != 0)
            return never_restarts_init && t ? "Failed" : "Pending";
    }
    for (size_t i = 0; i < st->n_containers; i++) {
        started += has_started(&st->containers[i]);
        failed += st->containers[i].state.terminated && st->containers[i].state.terminated->exit_code != 0;
    }
    if (st->finished)
        return failed ? "Failed" : "Succeeded";
    return started == st->n_containers ? "Running" : "Pending";
}

/* "containers with unready status: [a b]" */
static char *name_list(const char *what, const struct container_status *list, size_t n, bool init)
{
    AUTO_BUF names = { 0 };

    for (size_t i = 0; i < n; i++) {
        const struct state_terminated *t = list[i].state.terminated;
        bool good = init ? t && t->exit_code == 0 : list[i].ready;
        if (!good)
            buf_addf(&names, "%s%.*s", names.n ? " " : "", STR_ARG(list[i].name));
    }
    return names.n ? xasprintf("containers with %s status: [%s]", what, names.p) : NULL;
}

static void put_condition(const struct status_input *in, json_t *list, const char *type, const char *problem, const char *reason)
{
    const struct kube_condition c = { .type = type, .status = problem ? "False" : "True", .reason = problem ? reason : NULL,
                                      .message = problem };
    size_t i;
    json_t *item;

    kube_condition_set(list, &c, in->now_ms);
    json_array_foreach(list, i, item)
        if (!problem && streq(json_cstr(item, "type"), type)) {
            json_object_del(item, "reason");
            json_object_del(item, "message");
        }
}

static json_t *render_conditions(const struct status_input *in, const char *phase)
{
    const json_t *old = json_at(in->pod, "status", "conditions", NULL);
    json_t *list = json_is_array(old) ? json_clone(old) : json_array();
    const struct pod_state *st = in->state;
    bool done = streq(phase, "Succeeded");
    AUTO_MEM char *init = NULL, *ready = NULL;

    if (st) {
        init = name_list("incomplete", st->init, st->n_init, true);
        ready = done ? xstrdup("") : name_list("unready", st->containers, st->n_containers, false);
    } else {
        size_t n_init = json_array_size(json_at(in->pod, "spec", "initContainers", NULL));
        init = n_init ? xstrdup("containers with incomplete status") : NULL;
        ready = xstrdup("containers with unready status");
    }
    put_condition(in, list, "PodReadyToStartContainers", st ? NULL : "", NULL);
    put_condition(in, list, "Initialized", init, "ContainersNotInitialized");
    put_condition(in, list, "Ready", ready, done ? "PodCompleted" : "ContainersNotReady");
    put_condition(in, list, "ContainersReady", ready, done ? "PodCompleted" : "ContainersNotReady");
    put_condition(in, list, "PodScheduled", NULL, NULL);
    return list;
}

/* name -> its container in the spec */
static const json_t *spec_of(const json_t *pod, const char *section, const char *name)
{
    size_t i;
    json_t *c;

    json_array_foreach(json_at(pod, "spec", section, NULL), i, c)
        if (streq(json_cstr(c, "name"), name))
            return c;
    return NULL;
}

static json_t *render_container(const struct status_input *in, const char *section, const struct container_status *s)
{
    json_t *j = schema_encode(&container_status_type, s);
    AUTO_MEM char *name = xstrndup(s->name.p, s->name.n);
    const json_t *spec = spec_of(in->pod, section, name);
    const char *image = spec ? json_cstr(spec, "image") : "";
    bool ran = has_started(s);

    json_put_str(j, "image", image ? image : "");
    json_put_str(j, "imageID", ran && image ? image : "");
    if (ran)
        json_put(j, "containerID", json_strf("process://%s/%s/%d", kube_uid(in->pod), name, (int)s->restart_count));
    return j;
}

static json_t *waiting_container(const struct status_input *in, const json_t *spec, bool init_comes_first)
{
    json_t *j = json_object(), *state = json_object(), *waiting = json_object();

    json_put_str(j, "name", json_cstr(spec, "name"));
    json_put_str(waiting, "reason", in->waiting_reason ? in->waiting_reason : init_comes_first ? "PodInitializing" : "ContainerCreating");
    json_put_str(waiting, "message", in->waiting_message);
    json_put(state, "waiting", waiting);
    json_put(j, "state", state);
    json_put(j, "lastState", json_object());
    json_put_bool(j, "ready", false);
    json_put_bool(j, "started", false);
    json_put_int(j, "restartCount", 0);
    json_put_str(j, "image", json_cstr(spec, "image"));
    json_put_str(j, "imageID", "");
    return j;
}

static json_t *render_list(const struct status_input *in, const char *section, const struct container_status *list, size_t n)
{
    json_t *out = json_array(), *spec;
    size_t i;

    if (in->state)
        for (i = 0; i < n; i++)
            json_push(out, render_container(in, section, &list[i]));
    else
        json_array_foreach(json_at(in->pod, "spec", section, NULL), i, spec)
            json_push(out, waiting_container(in, spec, json_at(in->pod, "spec", "initContainers", NULL) && streq(section, "containers")));
    return out;
}

json_t *pod_status_render(const struct status_input *in)
{
    const struct pod_state *st = in->state;
    const char *phase = phase_of(in, streq(json_str_at(in->pod, "spec", "restartPolicy", NULL), "Never"));
    const char *started = json_str_at(in->pod, "status", "startTime", NULL);
    char now[TIME_TEXT_MAX];
    json_t *status = json_object();

    time_rfc3339(in->now_ms, now);
    json_put_str(status, "phase", phase);
    json_put(status, "conditions", render_conditions(in, phase));
    json_put_str(status, "hostIP", in->host_ip);
    json_put(status, "hostIPs", json_pack("[{s:s}]", "ip", in->host_ip));
    if (in->pod_ip) {
        json_put_str(status, "podIP", in->pod_ip);
        json_put(status, "podIPs", json_pack("[{s:s}]", "ip", in->pod_ip));
    }
    json_put_str(status, "startTime", started ? started : now);
    json_put(status, "containerStatuses", render_list(in, "containers", st ? st->containers : NULL, st ? st->n_containers : 0));
    if (json_array_size(json_at(in->pod, "spec", "initContainers", NULL)))
        json_put(status, "initContainerStatuses", render_list(in, "initContainers", st ? st->init : NULL, st ? st->n_init : 0));
    return status;
}
