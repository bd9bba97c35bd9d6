/* The tuning Job, its retries, and what comes after it. Texts: dossier, Workspace, 4.5. */
#include "workspace/plan_priv.h"

#include "base/hash.h"
#include "workspace/validate/tuning_config.h"

#define RETRY_FIRST_MS 5000
#define RETRY_LAST_MS  300000

static int64_t attempt_of(const json_t *object)
{
    int64_t n = 0;

    (void)str_to_i64(str_of(kube_annotation(object, ATTEMPT_ANNOTATION)), &n);
    return n;
}

/* What a Job was made of: when the user changes any of it, a failed Job is tried again at once. */
static void inputs_digest(const struct planner *p, char out[65])
{
    AUTO_BUF text = { 0 };
    const char *secret = kube_resource_version(p->v->push_secret), *config = kube_resource_version(p->v->tuning_config);

    buf_addf(&text, "%s/%s/%s", p->hash, secret ? secret : "", config ? config : "");
    sha256_hex(text.p, text.n, out);
    out[16] = '\0';
}

/* The user's own was looked at when the Workspace was made, if it was there by then, and may be another one now. */
static bool tuning_config_is_right(struct planner *p)
{
    const struct ws_tuning *t = p->v->ws->tuning;
    AUTO_PROBLEMS problems = { 0 };
    AUTO_BUF text = { 0 };

    if (t->config.n == 0)
        return true;
    tuning_config_problems(p->v->tuning_config, t->method, p->v->ws->meta.namespace, &problems);
    if (problems.n == 0)
        return true;
    problems_render(&problems, &text);
    status_fail(&p->status, "JobStarted", "TuningConfigInvalid", "%s", buf_cstr(&text));
    return false;
}

/* A Job's pod needs these; what is missing is said, and the watch on it wakes us. */
static bool tuning_inputs_exist(struct planner *p)
{
    const struct ws_view *v = p->v;
    const struct ws_tuning *t = v->ws->tuning;
    const char *template_name = ws_template_name(v->ws);

    if (!v->tuning_config && template_name && v->tuning_template)
        json_push(p->out->create, render_tuning_config_copy(v));
    else if (!v->tuning_config) {
        if (template_name)
            status_fail(&p->status, "JobStarted", "TuningConfigNotFound", "ConfigMap '%s' not found in namespace '%s'; start the manager again, or create it",
                        template_name, v->settings->release_namespace);
        else
            status_fail(&p->status, "JobStarted", "TuningConfigNotFound", "ConfigMap '%.*s' specified in 'config' not found in namespace '%.*s'; create it",
                        STR_ARG(t->config), STR_ARG(v->ws->meta.namespace));
        return false;
    }
    if (p->nodes.runtime != WS_RUNTIME_NATIVE)
        return true;            /* upstream's pod waits for its secrets itself, and reads its own ConfigMap */
    if (!tuning_config_is_right(p))
        return false;
    if (t->output->image.n > 0 && !v->push_secret) {
        status_fail(&p->status, "JobStarted", "ImagePushSecretNotFound",
                    "Secret '%.*s' for pushing %.*s not found in namespace '%.*s'; create it with kubectl create secret docker-registry",
                    STR_ARG(t->output->image_push_secret), STR_ARG(t->output->image), STR_ARG(v->ws->meta.namespace));
        return false;
    }
    if (t->output->image.n > 0 && !json_str_at(v->push_secret, "data", ".dockerconfigjson", NULL)) {
        status_fail(&p->status, "JobStarted", "ImagePushSecretInvalid", "Secret '%.*s' has no key .dockerconfigjson; create it with kubectl create secret docker-registry",
                    STR_ARG(t->output->image_push_secret));
        return false;
    }
    return true;
}

static int64_t retry_delay(int64_t attempt)
{
    int64_t ms = RETRY_FIRST_MS;

    for (int64_t i = 0; i < attempt && ms < RETRY_LAST_MS; i++)
        ms *= 2;
    return ms < RETRY_LAST_MS ? ms : RETRY_LAST_MS;
}

static bool job_is(const json_t *job, const char *condition)
{
    return kube_condition_is(job, condition, "True");
}

/* The Job failed: say why, and make it again after a while or as soon as its inputs change. */
static void plan_failed_job(struct planner *p, const char *inputs)
{
    const json_t *job = p->v->job, *failed = kube_condition(job, "Failed");
    int64_t attempt = attempt_of(job), since = kube_time_ms(json_cstr(failed, "lastTransitionTime"));
    int64_t delay = retry_delay(attempt), left = since + delay - p->now_ms, asked = 0;
    bool changed = !streq(kube_annotation(job, INPUTS_ANNOTATION), inputs);
    const char *message = json_cstr(failed, "message");
    struct cause cause;

    if (left > 2 * delay)
        left = 0;               /* it failed in the future: clocks are apart, and waiting for that time could last for ever */
    cause_of_pods(p->v->pods, "Job", &cause);
    status_fail(&p->status, "JobStarted", "WorkspaceTuningJobStatusFailed", "tuning job failed: %s", cause.reason ? cause.message : message ? message : "no pod says why");
    (void)str_to_i64(ws_annotation(p->v->ws, ATTEMPT_ANNOTATION), &asked);
    if (asked <= attempt && (left <= 0 || changed)) {
        asked = attempt + 1;
        if (!p->out->annotations)
            p->out->annotations = json_object();
        json_put(p->out->annotations, ATTEMPT_ANNOTATION, json_strf("%lld", (long long)asked));
    }
    if (asked > attempt)
        remove_object(p, "batch/v1", "Job", job);
    else
        requeue(p, left);
}

static void report_waiting_job(struct planner *p)
{
    status_set(&p->status, "JobStarted", false, "WorkspaceTuningJobStatusPending", "Tuning job has not started");
}

/* With upstream's images. What cannot be rendered leaves nothing behind, not even the copy of the parameters. */
static void plan_gpu_job(struct planner *p)
{
    const struct ws_view *v = p->v;
    json_t *job = NULL;
    struct err e = { 0 };

    if ((v->tuning_config || v->tuning_template) && render_gpu_tuning(v, p->revision, &job, &e)) {
        plan_fails(p, "WorkspaceTuningJobStatusPending", &e);
        report_waiting_job(p);
        return;
    }
    if (!tuning_inputs_exist(p))
        return;
    json_push(p->out->create, job);
    report_waiting_job(p);
}

/* Creation asks for both; an update that nobody reviewed can take them away. */
static bool is_complete(struct planner *p)
{
    const struct ws_tuning *t = p->v->ws->tuning;
    struct err e;

    if (t->input && t->output)
        return true;
    (void)err_set(&e, ERR_INVALID, "tuning.%s: missing; say where the %s", t->input ? "output" : "input", t->input ? "adapter goes" : "data set comes from");
    plan_fails(p, "WorkspaceTuningJobStatusPending", &e);
    report_waiting_job(p);
    return false;
}

static void plan_new_job(struct planner *p, const char *inputs)
{
    int64_t attempt = 0;

    if (!is_complete(p))
        return;
    if (p->nodes.runtime != WS_RUNTIME_NATIVE) {
        plan_gpu_job(p);
        return;
    }
    (void)str_to_i64(ws_annotation(p->v->ws, ATTEMPT_ANNOTATION), &attempt);
    if (!tuning_inputs_exist(p))
        return;
    json_push(p->out->apply, render_native_tuning(p->v, p->revision, attempt, inputs));
    report_waiting_job(p);
}

enum tuning_phase { TUNING_WAITS, TUNING_RUNS, TUNING_FAILED, TUNING_DONE };

/* A process too busy to answer has not lost what it did; text: what is told of one that has not answered yet. */
static void keep_progress(struct planner *p, struct str text)
{
    const struct condition *old = condition_find(p->v->ws->status.conditions, p->v->ws->status.n_conditions, "JobStarted");
    bool keep = old && str_is(old->reason, "WorkspaceTuningJobStatusStarted") && str_has_prefix(old->message, text);

    status_set(&p->status, "JobStarted", true, "WorkspaceTuningJobStatusStarted", "%.*s", STR_ARG(keep ? old->message : text));
}

/* Between two failures it looks well: a reader must not take that for a cure. */
static void started_text(const struct planner *p, struct buf *out)
{
    int64_t attempt = attempt_of(p->v->job);

    buf_adds(out, "Tuning job has started");
    if (attempt > 0)
        buf_addf(out, " (try %lld; the events tell why the one before failed)", (long long)attempt + 1);
}

static void report_running_job(struct planner *p)
{
    struct cause cause;
    AUTO_BUF text = { 0 };

    started_text(p, &text);
    cause_of_pods(p->v->pods, "Job", &cause);
    p->out->poll_progress = p->nodes.runtime == WS_RUNTIME_NATIVE;
    if (cause.reason)
        status_fail(&p->status, "JobStarted", cause.reason, "%s", cause.message);
    else if (p->v->progress)
        status_set(&p->status, "JobStarted", true, "WorkspaceTuningJobStatusStarted", "%s: %s", buf_cstr(&text), p->v->progress);
    else
        keep_progress(p, buf_str(&text));
}

/* Sets JobStarted. */
static enum tuning_phase plan_job(struct planner *p)
{
    const json_t *job = p->v->job;
    const json_t *js = json_object_get(job, "status");
    char inputs[65];

    inputs_digest(p, inputs);
    /* the Job may be cleaned away once its adapter is served */
    if (!job && p->v->statefulset && is_of_revision(p, p->v->statefulset)) {
        status_set(&p->status, "JobStarted", true, "WorkspaceTuningJobStatusStarted", "Tuning job has started");
        return TUNING_DONE;
    }
    if (name_is_taken(p, "JobStarted", p->other_job))
        return TUNING_WAITS;
    if (!job) {
        if (resource_ready(&p->nodes))
            plan_new_job(p, inputs);
        else
            report_waiting_job(p);
        return TUNING_WAITS;
    }
    if (kube_deleting(job)) {
        report_waiting_job(p);
        return TUNING_WAITS;
    }
    if (!is_of_revision(p, job)) {
        remove_object(p, "batch/v1", "Job", job);
        report_waiting_job(p);
        return TUNING_WAITS;
    }
    if (job_is(job, "Complete") || json_int(js, "succeeded", 0) > 0) {
        status_set(&p->status, "JobStarted", true, "WorkspaceTuningJobStatusStarted", "Tuning job has started");
        return TUNING_DONE;
    }
    if (job_is(job, "Failed") && p->nodes.runtime == WS_RUNTIME_NATIVE) {
        plan_failed_job(p, inputs);
        return TUNING_FAILED;
    }
    if (json_int(js, "failed", 0) > 0 && p->nodes.runtime != WS_RUNTIME_NATIVE) {
        status_fail(&p->status, "JobStarted", "WorkspaceTuningJobStatusFailed", "tuning job failed");
        return TUNING_FAILED;
    }
    if (json_int(js, "active", 0) > 0 || json_int(js, "ready", 0) > 0) {
        report_running_job(p);
        return TUNING_RUNS;
    }
    report_waiting_job(p);
    return TUNING_WAITS;
}

/* By default what the native runtime tuned, it serves. */
static bool serves_after_tuning(const struct planner *p)
{
    struct str asked = ws_annotation(p->v->ws, SERVE_ANNOTATION);

    return p->nodes.runtime == WS_RUNTIME_NATIVE && !str_is(asked, "false");
}

/* Told when the Workspace leaves the state Running for what comes after the Job. */
static void tell_completion(struct planner *p, bool serves)
{
    const char *pushed = job_container_said(p->v->pods, "push");
    bool first = serves ? !p->v->statefulset && resource_ready(&p->nodes) : !str_is(p->v->ws->status.state, "Succeeded");

    if (first)
        plan_event(p->out->events, "Normal", "TuningCompleted", "%s", str_set(pushed) ? pushed : "the adapter is trained");
}

void plan_tuning(struct planner *p)
{
    enum tuning_phase phase = plan_job(p);
    struct status_builder *s = &p->status;
    bool serves = serves_after_tuning(p), ready = false;

    if (phase == TUNING_DONE && p->nodes.runtime == WS_RUNTIME_NATIVE)
        tell_completion(p, serves);
    if (phase == TUNING_DONE && serves)
        ready = plan_serving(p);
    else if (serves)
        status_set(s, "InferenceReady", false, "WorkspaceInferenceStatusPending", "the tuned model is served once the tuning job has succeeded");

    if (phase == TUNING_FAILED) {
        const json_t *job_condition = json_array_get(s->conditions, json_array_size(s->conditions) - (serves ? 2 : 1));
        const char *why = json_cstr(job_condition, "message");

        status_set(s, "WorkspaceSucceeded", false, "workspaceFailed", "%s", why ? why : "tuning job failed");
    } else if (phase == TUNING_DONE && (ready || !serves)) {
        status_set(s, "WorkspaceSucceeded", true, "workspaceSucceeded", "workspace succeeds");
    } else {
        status_set(s, "WorkspaceSucceeded", false, "workspacePending", "%s",
                   phase == TUNING_DONE   ? "tuning has succeeded, workspace is waiting for inference workload readiness"
                   : phase == TUNING_RUNS ? "workspace has not completed yet, tuning job is running"
                                          : "workspace is initializing, tuning job has not started");
    }
    p->state = phase == TUNING_FAILED                     ? "Failed"
               : phase == TUNING_DONE && (ready || !serves) ? "Succeeded"
               : phase == TUNING_WAITS                    ? "Pending"
                                                          : "Running";
}
