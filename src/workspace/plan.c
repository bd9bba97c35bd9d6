/* The decision of one reconcile. Order of steps and texts: dossier, Workspace, 4.2 to 4.7. */
#include "workspace/priv.h"

#include "base/hash.h"
#include "workspace/validate.h"

struct planner {
    const struct ws_view *v;
    int64_t now_ms;
    struct ws_plan *out;
    struct node_state nodes;
    struct status_builder status;
    char hash[65], revision[24];
    const char *state;
};

void ws_plan_done(struct ws_plan *p)
{
    json_t *all[] = { p->apply, p->create, p->remove, p->events, p->annotations, p->label_nodes, p->status };

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        json_decref(all[i]);
    *p = (struct ws_plan){ 0 };
}

/* By uid, so that a stale cache can never delete the successor of the same name. */
static void remove_object(struct planner *p, const char *api, const char *kind, const json_t *object)
{
    json_t *o = kube_object(api, kind, kube_namespace(object), kube_name(object));

    json_put_str(json_object_get(o, "metadata"), "uid", kube_uid(object));
    json_push(p->out->remove, o);
}

static void requeue(struct planner *p, int64_t ms)
{
    if (p->out->requeue_after_ms == 0 || ms < p->out->requeue_after_ms)
        p->out->requeue_after_ms = ms < 1 ? 1 : ms;
}

static bool has_finalizer(const struct workspace *ws, const char *finalizer)
{
    for (size_t i = 0; i < ws->meta.n_finalizers; i++)
        if (str_is(ws->meta.finalizers[i], finalizer))
            return true;
    return false;
}

/* Claims carry no owner reference; everything else goes with the Workspace. */
static void plan_deletion(struct planner *p)
{
    const json_t *claim;
    size_t i;

    json_array_foreach(p->v->claims, i, claim)
        if (!kube_deleting(claim))
            remove_object(p, "karpenter.sh/v1", "NodeClaim", claim);
    p->out->remove_finalizer = has_finalizer(p->v->ws, WORKSPACE_FINALIZER);
}

/* ---- revision -------------------------------------------------------------------------------------------------- */

/* The number moves on whenever the hashed part of the spec changes. */
static void plan_revision(struct planner *p)
{
    struct str hash = ws_annotation(p->v->ws, HASH_ANNOTATION);
    int64_t number = 0;

    ws_hash(p->v->ws, p->hash);
    (void)str_to_i64(ws_annotation(p->v->ws, REVISION_ANNOTATION), &number);
    if (number < 1 || !str_is(hash, p->hash)) {
        number++;
        p->out->annotations = json_object();
        json_put_str(p->out->annotations, HASH_ANNOTATION, p->hash);
        json_put(p->out->annotations, REVISION_ANNOTATION, json_strf("%lld", (long long)number));
        json_push(p->out->create, render_revision(p->v, p->hash, number));
    }
    snprintf(p->revision, sizeof p->revision, "%lld", (long long)number);
}

static bool is_of_revision(const struct planner *p, const json_t *object)
{
    return streq(kube_annotation(object, REVISION_ANNOTATION), p->revision);
}

/* ---- nodes ------------------------------------------------------------------------------------------------------ */

static void plan_claims(struct planner *p)
{
    const struct ws_view *v = p->v;
    int64_t missing = p->nodes.missing_claims;

    for (int index = 0; missing > 0 && index < 1000; index++) {
        AUTO_MEM char *name = node_claim_name(v->ws, index);
        const json_t *claim;
        bool taken = false;
        size_t i;

        json_array_foreach(v->claims, i, claim)
            taken = taken || streq(kube_name(claim), name);
        if (taken)
            continue;
        json_push(p->out->create, render_node_claim(v, index));
        missing--;
    }
}

/* On machines with known GPUs; never on this machine's own Nodes, nor where the native runtime was asked for. */
static void plan_node_labels(struct planner *p)
{
    const struct ws_view *v = p->v;
    const json_t *node;
    size_t i;

    if (v->settings->byo || p->nodes.runtime == WS_RUNTIME_NATIVE || !sku_find(v->settings->cloud, ws_instance_type(v->ws)))
        return;
    json_array_foreach(v->nodes, i, node)
        if (node_is_ready(node) && !kube_label(node, "accelerator") && !kube_label(node, "kaito.sh/local-node"))
            json_push(p->out->label_nodes, json_string(kube_name(node)));
}

static void report_nodes(struct planner *p)
{
    struct node_state *n = &p->nodes;
    struct status_builder *s = &p->status;
    bool byo = p->v->settings->byo, ready = resource_ready(n);
    const char *reason = "workspaceResourceStatusSuccess", *message = "workspace resource is ready";
    AUTO_BUF nodes = { 0 };
    const char *nodes_reason = !n->nodes_ready ? "NodeNotReady" : !n->plugins_ready ? "NodePluginsNotReady" : "NodesReady";

    buf_addf(&nodes, "%s%s", !n->nodes_ready ? "Not enough Nodes are ready" : !n->plugins_ready ? "waiting all node plugins to be ready" : "Enough Nodes are ready",
             buf_cstr(&n->pressure));
    status_set(s, "NodesReady", n->nodes_ready && n->plugins_ready, nodes_reason, "%s", buf_cstr(&nodes));
    if (!n->nodes_ready || !n->plugins_ready) {
        reason = byo ? "workspaceResourceStatusNotReady" : nodes_reason;
        message = byo ? "node status condition not ready" : buf_cstr(&nodes);
    }
    if (!byo) {
        const char *claim_reason = n->claims_ready ? "NodeClaimsReady" : n->claim_reason ? n->claim_reason : "NodeClaimNotReady";
        const char *claim_message = n->claims_ready ? "Enough NodeClaims are ready" : n->claim_reason ? n->claim_message : "Ready NodeClaims are not enough";

        status_set(s, "NodeClaimReady", n->claims_ready, claim_reason, "%s", claim_message);
        if (!n->claims_ready) {
            reason = claim_reason;
            message = claim_message;
        }
    }
    status_set(s, "ResourceReady", ready, reason, "%s", message);
}

/* ---- serving ---------------------------------------------------------------------------------------------------- */

static bool ports_equal(const json_t *have, const json_t *want)
{
    const json_t *a = json_at(have, "spec", "ports", NULL), *b = json_at(want, "spec", "ports", NULL);

    if (json_array_size(a) != json_array_size(b))
        return false;
    for (size_t i = 0; i < json_array_size(a); i++)
        if (json_int(json_array_get(a, i), "port", 0) != json_int(json_array_get(b, i), "port", 0))
            return false;
    return true;
}

static void plan_services(struct planner *p)
{
    json_t *service = render_service(p->v, p->nodes.runtime);

    /* upstream never touches a Service again; ours corrects the ports of a native one */
    if (!p->v->service || (p->nodes.runtime == WS_RUNTIME_NATIVE && !ports_equal(p->v->service, service)))
        json_push(p->out->apply, json_incref(service));
    json_decref(service);
    if (!p->v->headless)
        json_push(p->out->apply, render_headless(p->v));
}

static int64_t native_replicas(const struct planner *p)
{
    const struct workspace *ws = p->v->ws;
    int64_t asked = ws->resource && ws->resource->count.set ? ws->resource->count.v : 1;

    /* each replica holds the whole model: nodes that the GPU estimate adds bring nothing here */
    return ws->tuning || asked < 1 ? 1 : asked < p->nodes.target ? asked : p->nodes.target;
}

/* What upstream's images can do and we do not ask of them yet; the condition is set. */
static bool gpu_serving_is_built(struct planner *p)
{
    const struct workspace *ws = p->v->ws;
    const char *what = !ws_preset(ws) ? "a model that is not in the catalogue"
                       : ws->inference->n_adapters > 0 ? "adapters"
                       : str_is(ws_annotation(ws, RUNTIME_ANNOTATION), "transformers") ? "the transformers runtime" : NULL;

    if (!what)
        return true;
    status_fail(&p->status, "InferenceReady", "RuntimeNotBuilt",
                "serving %s on GPU nodes is not built yet; annotate the Workspace with kaito.sh/runtime: native, or give inference.template", what);
    return false;
}

/* False when it cannot be rendered: the condition is set. */
static bool plan_statefulset(struct planner *p)
{
    const struct ws_view *v = p->v;
    const struct ws_inference *inf = v->ws->inference;

    /* upstream's workloads are left as they are: adopting them must not restart a pod */
    if (v->statefulset && (is_of_revision(p, v->statefulset) || p->nodes.runtime != WS_RUNTIME_NATIVE || (inf && inf->pod_template)))
        return true;
    if (inf && inf->pod_template)
        json_push(p->out->create, render_template_inference(v, p->nodes.target));
    else if (p->nodes.runtime == WS_RUNTIME_NATIVE)
        json_push(p->out->apply, render_native_inference(v, native_replicas(p), p->revision));
    else if (gpu_serving_is_built(p))
        json_push(p->out->create, render_gpu_inference(v, p->nodes.target, p->revision));
    else
        return false;
    return true;
}

static bool statefulset_is_ready(const json_t *s)
{
    const json_t *status = json_object_get(s, "status");
    int64_t want = json_int(json_object_get(s, "spec"), "replicas", 1);

    return s && want > 0 && json_int(status, "readyReplicas", 0) >= want &&
           json_int(status, "observedGeneration", 0) >= json_int(json_object_get(s, "metadata"), "generation", 0);
}

/* Sets InferenceReady; true when it is True. */
static bool plan_serving(struct planner *p)
{
    struct cause cause;

    if (resource_ready(&p->nodes)) {
        plan_services(p);
        if (!plan_statefulset(p))
            return false;
    }
    if (resource_ready(&p->nodes) && statefulset_is_ready(p->v->statefulset)) {
        status_set(&p->status, "InferenceReady", true, "WorkspaceInferenceStatusSuccess", "Inference has been deployed successfully");
        return true;
    }
    cause_of_pods(p->v->pods, "StatefulSet", &cause);
    if (cause.reason)
        status_fail(&p->status, "InferenceReady", cause.reason, "%s", cause.message);
    else
        status_set(&p->status, "InferenceReady", false, "WorkspaceInferenceStatusPending", "Inference workload is not ready");
    return false;
}

static void plan_inference(struct planner *p)
{
    struct str before = p->v->ws->status.state;
    bool ready = plan_serving(p);

    status_set(&p->status, "WorkspaceSucceeded", ready, ready ? "workspaceSucceeded" : "workspacePending", "%s",
               ready ? "workspace succeeds" : "workspace is waiting for inference workload readiness");
    p->state = ready ? "Ready" : str_is(before, "Ready") || str_is(before, "NotReady") ? "NotReady" : "Pending";
}

/* ---- tuning ----------------------------------------------------------------------------------------------------- */

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
    int64_t left = since + retry_delay(attempt) - p->now_ms, asked = 0;
    bool changed = !streq(kube_annotation(job, INPUTS_ANNOTATION), inputs);
    const char *message = json_cstr(failed, "message");
    struct cause cause;

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

static void plan_new_job(struct planner *p, const char *inputs)
{
    const struct ws_view *v = p->v;
    int64_t attempt = 0;

    (void)str_to_i64(ws_annotation(v->ws, ATTEMPT_ANNOTATION), &attempt);
    if (!tuning_inputs_exist(p))
        return;
    if (p->nodes.runtime == WS_RUNTIME_NATIVE)
        json_push(p->out->apply, render_native_tuning(v, p->revision, attempt, inputs));
    else {
        status_fail(&p->status, "JobStarted", "RuntimeNotBuilt",
                    "tuning with upstream's GPU images is not built yet; annotate the Workspace with kaito.sh/runtime: native");
        return;
    }
    status_set(&p->status, "JobStarted", false, "WorkspaceTuningJobStatusPending", "Tuning job has not started");
}

enum tuning_phase { TUNING_WAITS, TUNING_RUNS, TUNING_FAILED, TUNING_DONE };

/* A process too busy to answer has not lost what it did. */
static void keep_progress(struct planner *p)
{
    const struct condition *old = condition_find(p->v->ws->status.conditions, p->v->ws->status.n_conditions, "JobStarted");
    bool keep = old && str_is(old->reason, "WorkspaceTuningJobStatusStarted") && str_has_prefix(old->message, STR("Tuning job has started"));

    status_set(&p->status, "JobStarted", true, "WorkspaceTuningJobStatusStarted", "%.*s", STR_ARG(keep ? old->message : STR("Tuning job has started")));
}

static void report_running_job(struct planner *p)
{
    struct cause cause;

    cause_of_pods(p->v->pods, "Job", &cause);
    p->out->poll_progress = p->nodes.runtime == WS_RUNTIME_NATIVE;
    if (cause.reason)
        status_fail(&p->status, "JobStarted", cause.reason, "%s", cause.message);
    else if (p->v->progress)
        status_set(&p->status, "JobStarted", true, "WorkspaceTuningJobStatusStarted", "Tuning job has started: %s", p->v->progress);
    else
        keep_progress(p);
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
    if (!job) {
        if (resource_ready(&p->nodes))
            plan_new_job(p, inputs);
        else
            status_set(&p->status, "JobStarted", false, "WorkspaceTuningJobStatusPending", "Tuning job has not started");
        return TUNING_WAITS;
    }
    if (kube_deleting(job)) {
        status_set(&p->status, "JobStarted", false, "WorkspaceTuningJobStatusPending", "Tuning job has not started");
        return TUNING_WAITS;
    }
    if (!is_of_revision(p, job)) {
        remove_object(p, "batch/v1", "Job", job);
        status_set(&p->status, "JobStarted", false, "WorkspaceTuningJobStatusPending", "Tuning job has not started");
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
    status_set(&p->status, "JobStarted", false, "WorkspaceTuningJobStatusPending", "Tuning job has not started");
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

static void plan_tuning(struct planner *p)
{
    enum tuning_phase phase = plan_job(p);
    struct status_builder *s = &p->status;
    bool serves = serves_after_tuning(p), ready = false;

    if (phase == TUNING_DONE)
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

/* ---- together ----------------------------------------------------------------------------------------------------- */

/* Rules of creation are asked until something was made: later they would only break what runs. */
static bool is_refused(struct planner *p)
{
    const struct ws_view *v = p->v;
    struct ws_validate_env env = { .settings = v->settings, .tuning_config = v->tuning_config, .tuning_template = v->tuning_template,
                                   .config_may_come = true };
    AUTO_BUF text = { 0 };

    if (json_array_size(v->claims) > 0 || v->statefulset || v->job)
        return false;
    if (workspace_validate(WS_CREATE, NULL, v->ws, &env, &text) == ERR_OK)
        return false;
    status_fail(&p->status, "ResourceReady", "ValidationFailed", "validation failed: %s", buf_cstr(&text));
    status_set(&p->status, "WorkspaceSucceeded", false, "ValidationFailed", "validation failed: %s", buf_cstr(&text));
    p->state = v->ws->tuning ? "Failed" : "Pending";
    return true;
}

static void plan_living(struct planner *p)
{
    struct ws_plan *out = p->out;
    struct err e;

    out->add_finalizer = !has_finalizer(p->v->ws, WORKSPACE_FINALIZER);
    plan_revision(p);
    if (is_refused(p)) {
        out->status = status_finish(&p->status, p->state, 0, NULL);
        return;
    }
    if (node_state_of(p->v, &p->nodes, &e)) {
        status_fail(&p->status, "ResourceReady", "NodeEstimateFailed", "%s", e.text);
        status_set(&p->status, "WorkspaceSucceeded", false, "workspacePending", "%s", e.text);
        out->status = status_finish(&p->status, "Pending", 0, p->nodes.worker_nodes);
        return;
    }
    plan_claims(p);
    plan_node_labels(p);
    report_nodes(p);
    if (p->v->ws->tuning)
        plan_tuning(p);
    else
        plan_inference(p);
    out->status = status_finish(&p->status, p->state, p->nodes.target, p->nodes.worker_nodes);
}

void workspace_plan(const struct ws_view *v, int64_t now_ms, struct ws_plan *out)
{
    struct planner p = { .v = v, .now_ms = now_ms, .out = out, .state = "Pending" };

    *out = (struct ws_plan){ .apply = json_array(), .create = json_array(), .remove = json_array(), .events = json_array(),
                              .label_nodes = json_array() };
    p.status = (struct status_builder){ .v = v, .now_ms = now_ms, .conditions = json_array(), .events = out->events };
    if (v->ws->meta.deleted_us)
        plan_deletion(&p);
    else
        plan_living(&p);
    node_state_done(&p.nodes);
    json_decref(p.status.conditions);
}
