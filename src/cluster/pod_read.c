/* What the controllers ask of a pod. */
#include "cluster/priv.h"

const char *pod_phase(const json_t *pod)
{
    const char *phase = json_str_at(pod, "status", "phase", NULL);
    return phase ? phase : "Pending";
}

const char *pod_node_name(const json_t *pod)
{
    const char *node = json_str_at(pod, "spec", "nodeName", NULL);
    return str_set(node) ? node : NULL;
}

bool pod_is_ready(const json_t *pod) { return streq(pod_phase(pod), "Running") && kube_condition_is(pod, "Ready", "True"); }
bool pod_is_finished(const json_t *pod) { return streq(pod_phase(pod), "Succeeded") || streq(pod_phase(pod), "Failed"); }

bool pod_is_available(const json_t *pod, int64_t min_ready_s, int64_t now_ms, int64_t *wait_ms)
{
    if (!pod_is_ready(pod))
        return false;
    int64_t since = kube_time_ms(json_cstr(kube_condition(pod, "Ready"), "lastTransitionTime"));
    int64_t left = since + min_ready_s * 1000 - now_ms;
    if (min_ready_s && left > 0) {
        *wait_ms = *wait_ms && *wait_ms < left ? *wait_ms : left;
        return false;
    }
    return true;
}

static const char *const status_lists[] = { "initContainerStatuses", "containerStatuses" };

int64_t pod_restart_count(const json_t *pod)
{
    int64_t n = 0;
    size_t i;
    json_t *s;
    for (size_t l = 0; l < ARRAY_LEN(status_lists); l++)
        json_array_foreach(json_at(pod, "status", status_lists[l], NULL), i, s)
            n += json_int(s, "restartCount", 0);
    return n;
}

int64_t pod_finished_ms(const json_t *pod)
{
    int64_t last = 0;
    size_t i;
    json_t *s;
    for (size_t l = 0; l < ARRAY_LEN(status_lists); l++)
        json_array_foreach(json_at(pod, "status", status_lists[l], NULL), i, s) {
            int64_t at = kube_time_ms(json_str_at(s, "state", "terminated", "finishedAt", NULL));
            last = at > last ? at : last;
        }
    return last ? last : kube_time_ms(json_cstr(kube_condition(pod, "Ready"), "lastTransitionTime"));
}

json_t *pod_from_template(const json_t *template, const json_t *owner, const char *name)
{
    json_t *pod = kube_object("v1", "Pod", kube_namespace(owner), name);
    json_t *meta = json_object_get(pod, "metadata"), *from = json_object_get(template, "metadata"), *part;
    static const char *const kept[] = { "labels", "annotations", "finalizers" };
    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        if ((part = json_object_get(from, kept[i])))
            json_put(meta, kept[i], json_clone(part));
    json_put(pod, "spec", json_clone(json_object_get(template, "spec")));
    kube_set_owner(pod, owner);
    return pod;
}
