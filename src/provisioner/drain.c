#include "provisioner/drain.h"

#include "base/mem.h"
#include "kube/meta.h"

#define STUCK_MS        60000           /* past its own deadline: its kubelet does not answer */
#define GRACE_DEFAULT_S 30

void drain_done(struct drain *d)
{
    free(d->items);
    *d = (struct drain){ 0 };
}

static bool is_static(const json_t *pod)
{
    const json_t *owner;
    size_t i;

    if (kube_annotation(pod, "kubernetes.io/config.mirror"))
        return true;
    json_array_foreach(json_at(pod, "metadata", "ownerReferences", NULL), i, owner)
        if (streq(json_cstr(owner, "kind"), "Node"))
            return true;
    return false;
}

static bool is_terminal(const json_t *pod)
{
    const char *phase = json_str_at(pod, "status", "phase", NULL);

    return streq(phase, "Succeeded") || streq(phase, "Failed");
}

static bool tolerates(const json_t *t)
{
    const char *key = json_cstr(t, "key"), *effect = json_cstr(t, "effect"), *value = json_cstr(t, "value");
    bool exists = streq(json_cstr(t, "operator"), "Exists");

    if (str_set(effect) && !streq(effect, "NoSchedule"))
        return false;
    return str_set(key) ? streq(key, DISRUPTED_TAINT) && (exists || !str_set(value)) : exists;
}

static bool tolerates_leaving(const json_t *pod)
{
    const json_t *t;
    size_t i;

    json_array_foreach(json_at(pod, "spec", "tolerations", NULL), i, t)
        if (tolerates(t))
            return true;
    return false;
}

/* Its deletionTimestamp is the end of its grace period. */
static int64_t ends_ms(const json_t *pod)
{
    return kube_time_ms(json_str_at(pod, "metadata", "deletionTimestamp", NULL));
}

bool drain_ignores(const json_t *pod, int64_t now_ms)
{
    return is_terminal(pod) || is_static(pod) || tolerates_leaving(pod) || (kube_deleting(pod) && now_ms > ends_ms(pod) + STUCK_MS);
}

static int group_of(const json_t *pod)
{
    const char *class = json_str_at(pod, "spec", "priorityClassName", NULL);
    bool critical = streq(class, "system-cluster-critical") || streq(class, "system-node-critical");

    return 2 * critical + streq(json_cstr(kube_controller_of(pod), "kind"), "DaemonSet");
}

static struct drain_pod step_of(const json_t *pod, int64_t now_ms, int64_t deadline_ms)
{
    int64_t grace_s = json_int(json_object_get(pod, "spec"), "terminationGracePeriodSeconds", GRACE_DEFAULT_S);
    struct drain_pod p = { .pod = pod, .step = DRAIN_EVICT };

    if (deadline_ms && now_ms >= deadline_ms - grace_s * 1000) {
        int64_t left_s = (deadline_ms - now_ms) / 1000;

        p.grace_s = left_s < 0 ? 0 : left_s < grace_s ? left_s : grace_s;
        p.step = kube_deleting(pod) && ends_ms(pod) <= deadline_ms && now_ms < deadline_ms ? DRAIN_WAIT : DRAIN_DELETE;
    } else if (kube_deleting(pod) || streq(kube_annotation(pod, "karpenter.sh/do-not-disrupt"), "true")) {
        p.step = DRAIN_WAIT;
    }
    return p;
}

void drain_plan(const json_t *pods, int64_t now_ms, int64_t deadline_ms, struct drain *out)
{
    const json_t *pod;
    int turn = 4;
    size_t i;

    *out = (struct drain){ 0 };
    json_array_foreach(pods, i, pod)
        if (!drain_ignores(pod, now_ms) && group_of(pod) < turn)
            turn = group_of(pod);
    json_array_foreach(pods, i, pod) {
        if (drain_ignores(pod, now_ms) || group_of(pod) != turn)
            continue;
        vec_grow(out->items, out->n, out->cap);
        out->items[out->n++] = step_of(pod, now_ms, deadline_ms);
    }
}
