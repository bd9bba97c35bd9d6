/*
 * Why pods do not run: the chain waiting reason, exit code, termination message, eviction, scheduling, probe, as one condition.
 * Reasons and texts of upstream where it has them (dossier 4.5), a plain reading of the containers otherwise.
 */
#include "workspace/priv.h"

#include <ctype.h>
#include <signal.h>
#include <string.h>

#define SIGNAL_BASE 128         /* a container that a signal ended has this and the signal as its exit code */
#define KILLED_HINT " (unless somebody did: no memory was left, or its liveness probe failed)"

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

#define MESSAGE_MAX 256

void message_cut(const char *text, char *out, size_t size)
{
    size_t n = strlen(text), cut = n > MESSAGE_MAX ? MESSAGE_MAX : n;

    while (cut < n && cut > 0 && ((unsigned char)text[cut] & 0xC0) == 0x80)
        cut--;
    snprintf(out, size, "%.*s%s", (int)cut, text, cut < n ? "..." : "");
}

static bool vset(struct cause *out, const char *reason, bool cut, const char *fmt, va_list ap)
{
    AUTO_BUF text = { 0 };

    buf_vaddf(&text, fmt, ap);
    out->reason = reason;
    if (cut)
        message_cut(buf_cstr(&text), out->message, sizeof out->message);
    else
        snprintf(out->message, sizeof out->message, "%s", buf_cstr(&text));
    for (char *p = out->message; *p; p++)
        if (iscntrl((unsigned char)*p))
            *p = ' ';
    return true;
}

static bool set(struct cause *out, const char *reason, const char *fmt, ...) PRINTF(3, 4);
static bool set(struct cause *out, const char *reason, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vset(out, reason, true, fmt, ap);
    va_end(ap);
    return true;
}

/* What upstream does not tell is told whole: what to do comes last. */
static bool tell(struct cause *out, const char *reason, const char *fmt, ...) PRINTF(3, 4);
static bool tell(struct cause *out, const char *reason, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vset(out, reason, false, fmt, ap);
    va_end(ap);
    return true;
}

/* NULL: it ended by itself. */
static const char *signal_of(int64_t exit_code)
{
    return exit_code > SIGNAL_BASE && exit_code < SIGNAL_BASE + NSIG ? sigabbrev_np((int)(exit_code - SIGNAL_BASE)) : NULL;
}

/*
 * The container's last words (of a log: its last line); "exit code N" when it left none. What a signal ended did not know of it: its last
 * words are then no cause.
 */
static void last_words(const json_t *terminated, char *out, size_t size)
{
    struct str message = str_trim(str_of(json_cstr(terminated, "message"))), before, line = message;
    int64_t code = json_int(terminated, "exitCode", -1);
    const char *by = signal_of(code);

    if (str_rcut(message, '\n', &before, &line))
        message = str_trim(line);
    message.n = message.n > 300 ? 300 : message.n;
    if (by)
        snprintf(out, size, "exit code %lld, ended by SIG%s%s%s%.*s", (long long)code, by, streq(by, "KILL") ? KILLED_HINT : "",
                 message.n > 0 ? "; last words: " : "", STR_ARG(message));
    else if (message.n > 0)
        snprintf(out, size, "%.*s", STR_ARG(message));
    else
        snprintf(out, size, "exit code %lld", (long long)code);
}

static const char *waiting(const json_t *status, const char *key)
{
    const char *text = json_str_at(status, "state", "waiting", key, NULL);

    return text ? text : "";
}

static const json_t *ended(const json_t *status)
{
    const json_t *now = json_at(status, "state", "terminated", NULL);

    return now ? now : json_at(status, "lastState", "terminated", NULL);
}

static bool of_memory(const json_t *status, struct cause *out)
{
    const json_t *now = json_at(status, "state", "terminated", NULL), *last = json_at(status, "lastState", "terminated", NULL);
    const json_t *killed = streq(json_cstr(now, "reason"), "OOMKilled") ? now : streq(json_cstr(last, "reason"), "OOMKilled") ? last : NULL;

    return killed && set(out, "ContainerOOMKilled", "container \"%s\" was OOMKilled (exit code %lld); reduce memory usage or use a larger instance type",
                         json_cstr(status, "name"), (long long)json_int(killed, "exitCode", 137));
}

static bool of_image(const json_t *status, struct cause *out)
{
    return reason_in(waiting(status, "reason"), image_reasons, ARRAY_LEN(image_reasons)) &&
           set(out, "ImagePullError", "container \"%s\" image pull failed (%s): %s", json_cstr(status, "name"), waiting(status, "reason"), waiting(status, "message"));
}

static bool of_start(const json_t *status, struct cause *out)
{
    return reason_in(waiting(status, "reason"), start_reasons, ARRAY_LEN(start_reasons)) &&
           set(out, "ContainerStartError", "container \"%s\" failed to start (%s): %s", json_cstr(status, "name"), waiting(status, "reason"), waiting(status, "message"));
}

static bool of_crash(const json_t *status, struct cause *out)
{
    const json_t *last = ended(status);
    char words[480];

    last_words(last, words, sizeof words);
    return streq(waiting(status, "reason"), "CrashLoopBackOff") &&
           set(out, "ContainerCrashLoopBackOff", "container \"%s\" is in CrashLoopBackOff%s%s", json_cstr(status, "name"), last ? "; last termination: " : "", last ? words : "");
}

static bool of_end(const json_t *status, struct cause *out)
{
    const json_t *last = ended(status);
    char words[480];

    last_words(last, words, sizeof words);
    return last && json_int(last, "exitCode", 0) != 0 && tell(out, "ContainerFailed", "container \"%s\" failed: %s", json_cstr(status, "name"), words);
}

static bool of_containers(const json_t *pod, bool (*of)(const json_t *status, struct cause *out), struct cause *out)
{
    static const char *const lists[] = { "initContainerStatuses", "containerStatuses" };
    const json_t *s;
    size_t i;

    for (size_t l = 0; l < ARRAY_LEN(lists); l++)
        json_array_foreach(json_at(pod, "status", lists[l], NULL), i, s)
            if (of(s, out))
                return true;
    return false;
}

static bool of_container_memory(const json_t *pod, struct cause *out) { return of_containers(pod, of_memory, out); }
static bool of_container_image(const json_t *pod, struct cause *out) { return of_containers(pod, of_image, out); }
static bool of_container_start(const json_t *pod, struct cause *out) { return of_containers(pod, of_start, out); }
static bool of_container_crash(const json_t *pod, struct cause *out) { return of_containers(pod, of_crash, out); }
static bool of_container_end(const json_t *pod, struct cause *out) { return of_containers(pod, of_end, out); }

static const char *pod_message(const json_t *pod, const char *otherwise)
{
    const char *message = json_str_at(pod, "status", "message", NULL);

    return message ? message : otherwise;
}

static bool of_eviction(const json_t *pod, struct cause *out)
{
    const char *message = pod_message(pod, ""), *name = kube_name(pod);

    if (!streq(json_str_at(pod, "status", "phase", NULL), "Failed") || !streq(json_str_at(pod, "status", "reason", NULL), "Evicted"))
        return false;
    if (strcasestr(message, "ephemeral-storage") || strcasestr(message, "disk"))
        return set(out, "NodeDiskPressure", "pod \"%s\" evicted due to node disk pressure: %s", name, message);
    if (strcasestr(message, "memory"))
        return set(out, "NodeMemoryPressure", "pod \"%s\" evicted due to node memory pressure: %s", name, message);
    return set(out, "PodEvicted", "pod \"%s\" was evicted: %s", name, message);
}

static bool of_scheduling(const json_t *pod, struct cause *out)
{
    const json_t *scheduled = kube_condition(pod, "PodScheduled");
    const char *message = json_cstr(scheduled, "message");

    return streq(json_str_at(pod, "status", "phase", NULL), "Pending") && streq(json_cstr(scheduled, "status"), "False") &&
           streq(json_cstr(scheduled, "reason"), "Unschedulable") && set(out, "Unschedulable", "pod \"%s\" is unschedulable: %s", kube_name(pod), message ? message : "");
}

static bool of_failure(const json_t *pod, struct cause *out)
{
    return streq(json_str_at(pod, "status", "phase", NULL), "Failed") &&
           tell(out, "PodFailed", "pod \"%s\" failed: %s", kube_name(pod), pod_message(pod, "no container says why"));
}

/*
 * Started, and its readiness probe does not succeed. It failed when the pod was ready since the container runs; otherwise it may only take
 * its time, and the message alone is set.
 */
static bool of_silence(const json_t *pod, struct cause *out)
{
    int64_t turned_ms = kube_time_ms(json_cstr(kube_condition(pod, "Ready"), "lastTransitionTime"));
    const json_t *s;
    size_t i;

    json_array_foreach(json_at(pod, "status", "containerStatuses", NULL), i, s) {
        const json_t *running = json_at(s, "state", "running", NULL);
        bool was_ready = turned_ms > kube_time_ms(json_cstr(running, "startedAt"));

        if (running && json_flag(s, "started", false) && !json_flag(s, "ready", false))
            return tell(out, was_ready ? "ContainerNotReady" : NULL, "container \"%s\" runs, and its readiness probe %s; kubectl describe pod %s tells what it says",
                        json_cstr(s, "name"), was_ready ? "does not succeed any more" : "has not succeeded yet", kube_name(pod)) &&
                   was_ready;
    }
    return false;
}

/* In upstream's order, whichever pod shows it; what upstream does not tell comes last. */
static bool (*const checks[])(const json_t *pod, struct cause *out) = {
    of_container_memory, of_container_image, of_container_start, of_container_crash, of_eviction, of_scheduling, of_container_end, of_failure, of_silence,
};

/* An older attempt's failure is past. */
static json_t *newest_pod(const json_t *pods, const char *owner_kind)
{
    json_t *pod, *newest = NULL;
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

/* Pods that run side by side each count; of attempts the newest one does. */
static json_t *speaking_pods(const json_t *pods, const char *owner_kind)
{
    json_t *out = json_array(), *pod;
    size_t i;

    if (!streq(owner_kind, "StatefulSet"))
        json_array_append(out, newest_pod(pods, owner_kind));
    else
        json_array_foreach(pods, i, pod)
            if (streq(json_cstr(kube_controller_of(pod), "kind"), owner_kind) && !kube_deleting(pod))
                json_array_append(out, pod);
    return out;
}

void cause_of_pods(const json_t *pods, const char *owner_kind, struct cause *out)
{
    AUTO_JSON speaking = speaking_pods(pods, owner_kind);
    const json_t *pod;
    size_t i;

    *out = (struct cause){ 0 };
    for (size_t c = 0; c < ARRAY_LEN(checks); c++)
        json_array_foreach(speaking, i, pod)
            if (checks[c](pod, out))
                return;
}
