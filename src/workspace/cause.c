/*
 * Why pods do not run: the chain waiting reason, exit code, termination message, eviction, scheduling, as one condition.
 * Reasons and texts of upstream where it has them (dossier 4.5), a plain reading of the containers otherwise.
 */
#include "workspace/priv.h"

#include <ctype.h>

static bool reason_in(const char *reason, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (streq(reason, list[i]))
            return true;
    return false;
}

static const char *const image_reasons[] = {
    "ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable",
};
static const char *const start_reasons[] = {
    "CreateContainerConfigError", "PreCreateHookError", "CreateContainerError", "PreStartHookError", "RunContainerError", "PostStartHookError",
};

static void set(struct cause *out, const char *reason, const char *fmt, ...) PRINTF(3, 4);
static void set(struct cause *out, const char *reason, const char *fmt, ...)
{
    va_list ap;

    out->reason = reason;
    va_start(ap, fmt);
    vsnprintf(out->message, sizeof out->message, fmt, ap);
    va_end(ap);
    for (char *p = out->message; *p; p++)
        if (iscntrl((unsigned char)*p))
            *p = ' ';
}

/* The container's last words (of a log: its last line); "exit code N" when it left none. */
static void last_words(const json_t *terminated, char *out, size_t size)
{
    struct str message = str_trim(str_of(json_cstr(terminated, "message"))), before, line = message;

    if (str_rcut(message, '\n', &before, &line))
        message = str_trim(line);
    if (message.n > 0)
        snprintf(out, size, "%.*s", (int)(message.n > 300 ? 300 : message.n), message.p);
    else
        snprintf(out, size, "exit code %lld", (long long)json_int(terminated, "exitCode", -1));
}

static bool cause_of_container(const json_t *status, struct cause *out)
{
    const char *name = json_cstr(status, "name");
    const json_t *waiting = json_at(status, "state", "waiting", NULL);
    const json_t *now = json_at(status, "state", "terminated", NULL), *last = json_at(status, "lastState", "terminated", NULL);
    const json_t *ended = now ? now : last;
    const char *reason = json_cstr(waiting, "reason"), *message = json_cstr(waiting, "message");
    char words[320];

    last_words(ended, words, sizeof words);
    if (ended && streq(json_cstr(ended, "reason"), "OOMKilled"))
        set(out, "ContainerOOMKilled", "container \"%s\" was OOMKilled (exit code %lld); reduce memory usage or use a larger instance type",
            name, (long long)json_int(ended, "exitCode", 137));
    else if (reason_in(reason, image_reasons, ARRAY_LEN(image_reasons)))
        set(out, "ImagePullError", "container \"%s\" image pull failed (%s): %s", name, reason, message ? message : "");
    else if (reason_in(reason, start_reasons, ARRAY_LEN(start_reasons)))
        set(out, "ContainerStartError", "container \"%s\" failed to start (%s): %s", name, reason, message ? message : "");
    else if (streq(reason, "CrashLoopBackOff"))
        set(out, "ContainerCrashLoopBackOff", "container \"%s\" is in CrashLoopBackOff%s%s", name, ended ? "; last termination: " : "", ended ? words : "");
    else if (ended && json_int(ended, "exitCode", 0) != 0)
        set(out, "ContainerFailed", "container \"%s\" failed: %s", name, words);
    return out->reason != NULL;
}

static bool cause_of_list(const json_t *statuses, struct cause *out)
{
    const json_t *s;
    size_t i;

    json_array_foreach(statuses, i, s)
        if (cause_of_container(s, out))
            return true;
    return false;
}

static bool cause_of_pod(const json_t *pod, struct cause *out)
{
    const char *name = kube_name(pod), *message = json_str_at(pod, "status", "message", NULL);
    const json_t *scheduled = kube_condition(pod, "PodScheduled");

    if (cause_of_list(json_at(pod, "status", "initContainerStatuses", NULL), out) ||
        cause_of_list(json_at(pod, "status", "containerStatuses", NULL), out))
        return true;
    if (streq(json_str_at(pod, "status", "reason", NULL), "Evicted"))
        set(out, "PodEvicted", "pod \"%s\" was evicted: %s", name, message ? message : "");
    else if (streq(json_cstr(scheduled, "status"), "False"))
        set(out, "Unschedulable", "pod \"%s\" is unschedulable: %s", name, json_cstr(scheduled, "message") ? json_cstr(scheduled, "message") : "");
    else if (streq(json_str_at(pod, "status", "phase", NULL), "Failed"))
        set(out, "PodFailed", "pod \"%s\" failed: %s", name, message ? message : "no container says why");
    return out->reason != NULL;
}

/* The newest pod speaks for the workload: an older attempt's failure is past. */
static const json_t *newest_pod(const json_t *pods, const char *owner_kind)
{
    const json_t *pod, *newest = NULL;
    size_t i;

    json_array_foreach(pods, i, pod) {
        if (!streq(json_cstr(kube_controller_of(pod), "kind"), owner_kind) || kube_deleting(pod))
            continue;
        if (!newest || kube_created_ms(pod) >= kube_created_ms(newest))
            newest = pod;
    }
    return newest;
}

const char *job_container_said(const json_t *pods, const char *container)
{
    const json_t *s;
    size_t i;

    json_array_foreach(json_at(newest_pod(pods, "Job"), "status", "containerStatuses", NULL), i, s)
        if (streq(json_cstr(s, "name"), container) && json_int(json_at(s, "state", "terminated", NULL), "exitCode", -1) == 0)
            return json_str_at(s, "state", "terminated", "message", NULL);
    return NULL;
}

void cause_of_pods(const json_t *pods, const char *owner_kind, struct cause *out)
{
    const json_t *newest = newest_pod(pods, owner_kind);

    *out = (struct cause){ 0 };
    if (newest)
        cause_of_pod(newest, out);
}
