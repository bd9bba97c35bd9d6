/*
 * Jobs: pods until enough of them succeeded, or until too many failed or the time is over. Failed pods are tried again after
 * 10 s, 20 s, 40 s ... (at most 10 min), as upstream. Pods carry no tracking finalizer: what is counted are the pods that exist.
 */
#include "api/k8s/workload.h"
#include "base/clock.h"
#include "cluster/priv.h"

#define RETRY_MS 10000
#define RETRY_MAX_MS 600000
#define CONTROLLER_UID "batch.kubernetes.io/controller-uid"
#define JOB_NAME "batch.kubernetes.io/job-name"

struct work {
    struct cluster *c;
    const json_t *obj;
    struct job *j;
    json_t *status;                     /* being made */
    struct arena *arena;
    json_t **active;                    /* borrowed */
    size_t n_active;
    int64_t ready, terminating, succeeded, failed, restarts;
    int64_t last_failure_ms, now_ms, wait_ms;
};

static void wait_at_most(struct work *w, int64_t ms)
{
    if (ms > 0 && (!w->wait_ms || ms < w->wait_ms))
        w->wait_ms = ms;
}

static void count_pod(struct work *w, json_t *pod)
{
    const char *phase = pod_phase(pod);
    if (streq(phase, "Succeeded")) {
        w->succeeded++;
    } else if (streq(phase, "Failed")) {
        int64_t at = pod_finished_ms(pod);
        w->failed++;
        w->last_failure_ms = at > w->last_failure_ms ? at : w->last_failure_ms;
    } else if (kube_deleting(pod)) {
        w->terminating++;
    } else {
        w->active[w->n_active++] = pod;
        w->ready += pod_is_ready(pod) ? 1 : 0;
        w->restarts += pod_restart_count(pod);
    }
}

static void count_pods(struct work *w, const json_t *pods)
{
    size_t i;
    json_t *pod;
    w->active = arena_calloc(w->arena, json_array_size(pods) + 1, sizeof *w->active);
    w->n_active = 0;
    w->ready = w->terminating = w->succeeded = w->failed = w->restarts = 0;
    json_array_foreach(pods, i, pod) {
        const json_t *owner = kube_controller_of(pod);
        if (streq(json_cstr(owner, "uid"), kube_uid(w->obj)))
            count_pod(w, pod);
    }
    const json_t *old = json_object_get(w->obj, "status");      /* somebody may have removed finished pods: never count back */
    int64_t failed = json_int(old, "failed", 0), succeeded = json_int(old, "succeeded", 0);
    w->failed = failed > w->failed ? failed : w->failed;
    w->succeeded = succeeded > w->succeeded ? succeeded : w->succeeded;
}

static json_t *conditions(struct work *w)
{
    json_t *list = json_object_get(w->status, "conditions");
    if (!json_is_array(list)) {
        list = json_array();
        json_put(w->status, "conditions", list);
    }
    return list;
}

static bool has_condition(const struct work *w, const char *type)
{
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(w->status, "conditions"), i, c)
        if (streq(json_cstr(c, "type"), type))
            return streq(json_cstr(c, "status"), "True");
    return false;
}

static void set_condition(struct work *w, const char *type, const char *status, const char *reason, const char *message)
{
    char now[TIME_TEXT_MAX];
    time_rfc3339(w->now_ms, now);
    if (!kube_condition_set(conditions(w), &(struct kube_condition){ type, status, reason, message, 0 }, w->now_ms))
        return;
    size_t i;
    json_t *c;
    json_array_foreach(conditions(w), i, c)
        if (streq(json_cstr(c, "type"), type))
            json_put_str(c, "lastProbeTime", now);
}

static int64_t started_ms(const struct work *w) { return kube_time_ms(json_cstr(w->status, "startTime")); }

/* Why the job has failed, or NULL. */
static const char *failure(struct work *w, const char **message)
{
    int64_t limit = w->j->spec.backoff_limit.set ? w->j->spec.backoff_limit.v : 6;
    bool in_place = streq(json_str_at(w->j->spec.template, "spec", "restartPolicy", NULL), "OnFailure");
    if (w->failed > limit || (in_place && w->restarts && w->restarts >= limit)) {
        *message = "Job has reached the specified backoff limit";
        return "BackoffLimitExceeded";
    }
    if (w->j->spec.deadline_s.set && started_ms(w)) {
        int64_t left = started_ms(w) + w->j->spec.deadline_s.v * 1000 - w->now_ms;
        if (left <= 0) {
            *message = "Job was active longer than specified deadline";
            return "DeadlineExceeded";
        }
        wait_at_most(w, left);
    }
    return NULL;
}

static errc delete_active(struct work *w, struct err *e)
{
    for (size_t i = 0; i < w->n_active; i++) {
        struct kube_delete_opts o = { .uid = kube_uid(w->active[i]) };
        errc rc = kube_delete(w->c->client, &gvr_pods, kube_namespace(w->obj), kube_name(w->active[i]), &o, e);
        TRY(ok_if(ok_if(rc, ERR_NOT_FOUND), ERR_CONFLICT));
        recorder_event(w->c->job_events, w->obj, EVENT_NORMAL, "SuccessfulDelete", "Deleted pod: %s", kube_name(w->active[i]));
    }
    w->terminating += (int64_t)w->n_active;
    w->n_active = 0;
    w->ready = 0;
    return ERR_OK;
}

/* "*Target" tells the end at once; the last condition follows when no pod is left, as upstream does since 1.31. */
static errc finish(struct work *w, const char *target, const char *type, const char *reason, const char *message, struct err *e)
{
    set_condition(w, target, "True", reason, message);
    TRY(delete_active(w, e));
    if (w->terminating)
        return ERR_OK;
    char now[TIME_TEXT_MAX];
    time_rfc3339(w->now_ms, now);
    set_condition(w, type, "True", reason, message);
    if (streq(type, "Complete"))
        json_put_str(w->status, "completionTime", now);
    if (streq(type, "Complete"))
        recorder_event(w->c->job_events, w->obj, EVENT_NORMAL, "Completed", "Job completed");
    else
        recorder_event(w->c->job_events, w->obj, EVENT_WARNING, reason, "%s", message);
    return ERR_OK;
}

static errc make_pod(struct work *w, struct err *e)
{
    char suffix[8] = { 0 };
    random_suffix(suffix, 5);
    AUTO_MEM char *name = xasprintf("%.*s-%s", 57, kube_name(w->obj), suffix);
    AUTO_JSON pod = pod_from_template(w->j->spec.template, w->obj, name);
    const struct { const char *key, *value; } labels[] = {
        { CONTROLLER_UID, kube_uid(w->obj) }, { JOB_NAME, kube_name(w->obj) },
        { "controller-uid", kube_uid(w->obj) }, { "job-name", kube_name(w->obj) },
    };
    for (size_t i = 0; i < ARRAY_LEN(labels); i++)
        kube_set_label(pod, labels[i].key, labels[i].value);
    errc rc = kube_create(w->c->client, &gvr_pods, NULL, pod, NULL, e);
    if (!rc)
        recorder_event(w->c->job_events, w->obj, EVENT_NORMAL, "SuccessfulCreate", "Created pod: %s", name);
    else if (e)
        recorder_event(w->c->job_events, w->obj, EVENT_WARNING, "FailedCreate", "Error creating: %s", e->text);
    return rc;
}

/* How many pods should run now. */
static int64_t wanted(const struct work *w)
{
    int64_t parallel = w->j->spec.parallelism.set ? w->j->spec.parallelism.v : 1;
    if (!w->j->spec.completions.set)
        return w->succeeded ? (int64_t)w->n_active : parallel;  /* a work queue: no new pods after the first success */
    int64_t left = w->j->spec.completions.v - w->succeeded;
    left = left < 0 ? 0 : left;
    return left < parallel ? left : parallel;
}

static int64_t retry_wait(const struct work *w)
{
    if (!w->failed || !w->last_failure_ms)
        return 0;
    int64_t delay = w->failed > 7 ? RETRY_MAX_MS : (int64_t)RETRY_MS << (w->failed - 1);
    return w->last_failure_ms + (delay > RETRY_MAX_MS ? RETRY_MAX_MS : delay) - w->now_ms;
}

/* Names are random, and the cache may lag behind our own creates: the API itself is asked before a pod is made. */
static errc recount(struct work *w, json_t **out, struct err *e)
{
    AUTO_MEM char *selector = xasprintf("%s=%s", CONTROLLER_UID, kube_uid(w->obj));
    TRY(kube_list_all(w->c->client, &gvr_pods, kube_namespace(w->obj), &(struct kube_list_opts){ .label_selector = selector }, out, e));
    count_pods(w, *out);
    return ERR_OK;
}

static errc run_pods(struct work *w, json_t **live, struct err *e)
{
    if ((int64_t)w->n_active >= wanted(w))
        return ERR_OK;
    int64_t wait = retry_wait(w);
    if (wait > 0) {
        wait_at_most(w, wait);
        return ERR_OK;
    }
    TRY(recount(w, live, e));
    for (int64_t n = wanted(w) - (int64_t)w->n_active - w->terminating; n > 0; n--) {
        TRY(make_pod(w, e));
        w->n_active++;
    }
    return ERR_OK;
}

static bool is_complete(const struct work *w)
{
    if (w->j->spec.completions.set)
        return w->succeeded >= w->j->spec.completions.v;
    return w->succeeded > 0 && w->n_active == 0;
}

static errc suspend(struct work *w, struct err *e)
{
    set_condition(w, "Suspended", "True", "JobSuspended", "Job suspended");
    json_object_del(w->status, "startTime");
    return delete_active(w, e);
}

static errc job_work(struct work *w, json_t **live, struct err *e)
{
    const char *message = NULL, *reason = failure(w, &message);
    const json_t *target = NULL;
    size_t i;
    json_t *c;
    json_array_foreach(conditions(w), i, c)
        if (streq(json_cstr(c, "type"), "FailureTarget"))
            target = c;
    if (target)                         /* decided before; only its pods had to go */
        return finish(w, "FailureTarget", "Failed", json_cstr(target, "reason"), json_cstr(target, "message"), e);
    if (is_complete(w))
        return finish(w, "SuccessCriteriaMet", "Complete", "CompletionsReached", "Reached expected number of succeeded pods", e);
    if (reason)
        return finish(w, "FailureTarget", "Failed", reason, message, e);
    if (w->j->spec.suspend)
        return suspend(w, e);
    if (has_condition(w, "Suspended"))
        set_condition(w, "Suspended", "False", "JobResumed", "Job resumed");
    return run_pods(w, live, e);
}

static void put_or_drop(json_t *o, const char *key, int64_t n)
{
    if (n)
        json_put_int(o, key, n);
    else
        json_object_del(o, key);
}

static void put_counts(struct work *w)
{
    char now[TIME_TEXT_MAX];
    time_rfc3339(w->now_ms, now);
    if (!w->j->spec.suspend && !json_object_get(w->status, "startTime"))
        json_put_str(w->status, "startTime", now);
    put_or_drop(w->status, "active", (int64_t)w->n_active);
    put_or_drop(w->status, "succeeded", w->succeeded);
    put_or_drop(w->status, "failed", w->failed);
    json_put_int(w->status, "ready", w->ready);
    json_put_int(w->status, "terminating", w->terminating);
    if (json_array_size(json_object_get(w->status, "conditions")) == 0)
        json_object_del(w->status, "conditions");
}

/* A finished job stays as it is, until its time to live is over. */
static errc clean_up(struct work *w, struct err *e)
{
    if (!w->j->spec.ttl_s.set)
        return ERR_OK;
    const char *type = has_condition(w, "Complete") ? "Complete" : "Failed";
    int64_t ended = kube_time_ms(json_cstr(kube_condition(w->obj, type), "lastTransitionTime"));
    int64_t left = ended + w->j->spec.ttl_s.v * 1000 - w->now_ms;
    if (left > 0) {
        wait_at_most(w, left);
        return ERR_OK;
    }
    struct kube_delete_opts o = { .uid = kube_uid(w->obj), .propagation = "Foreground" };
    return ok_if(kube_delete(w->c->client, &gvr_jobs, kube_namespace(w->obj), kube_name(w->obj), &o, e), ERR_NOT_FOUND);
}

static errc reconcile(void *self, struct op *op, const struct key *key, struct reconcile_result *out, struct err *e)
{
    struct cluster *c = self;
    AUTO_JSON obj = informer_get(cluster_informer(c, &gvr_jobs), key->ns, key->name);
    if (!obj || kube_deleting(obj))
        return ERR_OK;
    struct work *w = arena_new_of(op->arena, struct work);
    struct job *j = arena_new_of(op->arena, struct job);
    TRY(schema_decode(&k8s_job_type, obj, op->arena, j, e));
    if (str_is(j->spec.completion_mode, "Indexed")) {
        recorder_event(c->job_events, obj, EVENT_WARNING, "Unsupported", "spec.completionMode: Indexed is not built yet; use NonIndexed");
        return ERR_OK;
    }
    const json_t *old = json_object_get(obj, "status");
    *w = (struct work){ .c = c, .arena = op->arena, .obj = obj, .j = j, .now_ms = op->now_ms, .status = json_is_object(old) ? json_clone(old) : json_object() };
    json_arena_own(op->arena, json_incref(w->status));
    AUTO_JSON live = NULL;
    AUTO_JSON pods = informer_owned_by(cluster_informer(c, &gvr_pods), kube_uid(obj));
    errc rc;
    if (has_condition(w, "Complete") || has_condition(w, "Failed")) {
        rc = clean_up(w, e);
        json_decref(w->status);
    } else {
        count_pods(w, pods);
        if (!json_object_get(w->status, "startTime") && !j->spec.suspend)
            put_counts(w);
        rc = job_work(w, &live, e);
        put_counts(w);
        struct err second;
        errc status = cluster_put_status(c, &gvr_jobs, obj, w->status, rc ? &second : e);
        rc = rc ? rc : status;
    }
    out->requeue_after_ms = w->wait_ms;
    return rc;
}

static struct controller *make(struct cluster *c)
{
    struct controller *k = controller_new(&(struct controller_opts){ .name = "job", .workers = 2, .reconcile = reconcile, .self = c });
    c->job_events = recorder_new(c->client, "job-controller", NULL);
    controller_watch(k, cluster_informer(c, &gvr_jobs));
    controller_watch_owned(k, cluster_informer(c, &gvr_pods), "Job", true);
    return k;
}

static void done(struct cluster *c) { recorder_free(c->job_events); }

const struct part part_job = { "job", make, done };
