/* Services, the serving workload and InferenceReady. Texts: dossier, Workspace, 4.5. */
#include "workspace/plan_priv.h"
#include "workspace/render.h"

#define BENCHMARK_AGAIN_MS 60000

static bool leads_to_the_same(const json_t *have, const json_t *want)
{
    const json_t *a = json_at(have, "spec", "ports", NULL), *b = json_at(want, "spec", "ports", NULL);

    if (json_array_size(a) != json_array_size(b) || !json_equal(json_at(have, "spec", "selector", NULL), json_at(want, "spec", "selector", NULL)))
        return false;
    for (size_t i = 0; i < json_array_size(a); i++)
        if (json_int(json_array_get(a, i), "port", 0) != json_int(json_array_get(b, i), "port", 0))
            return false;
    return true;
}

/* Applied, our ports would only stand beside what somebody else has put there. */
static void mend_service(struct planner *p, const json_t *have, const json_t *want)
{
    json_t *spec = json_sub(mend_object(p, "v1", "Service", have), "spec"), *selector = json_clone(json_at(want, "spec", "selector", NULL)), *v;
    const char *key;

    json_object_foreach(json_at(have, "spec", "selector", NULL), key, v)
        if (!json_object_get(selector, key))
            json_put(selector, key, json_null());
    json_put(spec, "selector", selector);
    json_put(spec, "ports", json_clone(json_at(want, "spec", "ports", NULL)));
}

static void plan_services(struct planner *p)
{
    json_t *service = render_service(p->v, p->nodes.runtime);

    /* upstream never touches a Service again; ours corrects ports and selector of a native one */
    if (!p->v->service)
        json_push(p->out->create, json_incref(service));
    else if (p->nodes.runtime == WS_RUNTIME_NATIVE && !leads_to_the_same(p->v->service, service))
        mend_service(p, p->v->service, service);
    json_decref(service);
    if (!p->v->headless)
        json_push(p->out->create, render_headless(p->v));
}

static int64_t native_replicas(const struct planner *p)
{
    const struct workspace *ws = p->v->ws;
    int64_t asked = ws->resource && ws->resource->count.set ? ws->resource->count.v : 1;

    /* each replica holds the whole model: nodes that the GPU estimate adds bring nothing here */
    return ws->tuning || asked < 1 ? 1 : asked < p->nodes.target ? asked : p->nodes.target;
}

/* Takes wanted. */
static void make_or_apply(struct planner *p, json_t *wanted)
{
    json_push(p->v->statefulset ? p->out->apply : p->out->create, wanted);
}

static const char *image_of(const json_t *statefulset)
{
    return json_cstr(json_array_get(json_at(statefulset, "spec", "template", "spec", "containers", NULL), 0), "image");
}

/* The Workspace is labelled with the version of the base image that we make pods of: then all of the StatefulSet may change. */
static bool asks_for_upgrade(const struct ws_view *v)
{
    return v->statefulset && str_is(str_map_get(&v->ws->meta.labels, UPGRADE_LABEL), BASE_TAG);
}

/* The mirror is ready, but where its weights are cannot be told. */
static void no_source(const struct planner *p, struct err *e)
{
    struct stream_source source;

    if (p->streams && stream_source_of(p->v, &source, e))
        (void)err_wrap(e, "failed to resolve streaming config");
}

static void plan_gpu_statefulset(struct planner *p)
{
    const struct ws_view *v = p->v;
    json_t *wanted = NULL;
    struct err e = { 0 };

    if (!v->model && v->model_problem)
        (void)err_set(&e, ERR_NOT_FOUND, "%s", v->model_problem);
    else if (!v->model)
        (void)err_set(&e, ERR_NOT_FOUND, "model %.*s is neither in the catalogue nor was it looked up; annotate the Workspace with kaito.sh/runtime: native",
                      STR_ARG(ws_preset_name(v->ws)));
    else
        no_source(p, &e);
    if (e.code || render_gpu_inference(v, p->nodes.target, p->revision, &wanted, &e)) {
        plan_fails(p, "WorkspaceInferenceStatusPending", &e);
        return;
    }
    bool upgrade = asks_for_upgrade(v) && !streq(image_of(v->statefulset), image_of(wanted));

    p->status.measured_anew = upgrade;
    if (upgrade || !v->statefulset)
        make_or_apply(p, wanted);
    else if (!is_of_revision(p, v->statefulset))
        make_or_apply(p, render_gpu_update(v->statefulset, wanted));
    else
        json_decref(wanted);
}

static void plan_statefulset(struct planner *p)
{
    const struct ws_view *v = p->v;
    const struct ws_inference *inf = v->ws->inference;
    bool of_template = inf && inf->pod_template;

    /* a workload that exists is only touched when the spec has changed: adopting upstream's must not restart a pod */
    if (v->statefulset && (of_template || (is_of_revision(p, v->statefulset) && (!asks_for_upgrade(v) || p->nodes.runtime == WS_RUNTIME_NATIVE))))
        return;
    if (of_template)
        json_push(p->out->create, render_template_inference(v, p->nodes.target));
    else if (p->nodes.runtime == WS_RUNTIME_NATIVE)
        make_or_apply(p, render_native_inference(v, native_replicas(p), p->revision));
    else
        plan_gpu_statefulset(p);
}

bool statefulset_is_ready(const json_t *s)
{
    int64_t want = json_int(json_object_get(s, "spec"), "replicas", 1);

    return s && want > 0 && json_int(json_object_get(s, "status"), "readyReplicas", 0) >= want;
}

/* Its pods run on with what they read at their start, so nothing else would tell until one of them starts again, and then only the kubelet. */
static void warn_of_config(struct planner *p, struct buf *out)
{
    const struct ws_inference *inf = p->v->ws->inference;

    if (!p->v->statefulset || !inf || inf->pod_template || inf->config.n == 0 || p->v->inference_config || p->nodes.runtime == WS_RUNTIME_NATIVE)
        return;
    buf_addf(out, "; warning: ConfigMap %.*s of inference.config is not there: no pod can start again before it is back", STR_ARG(inf->config));
    if (!was_told(p->v->ws, buf_cstr(out)))
        plan_event(p->out->events, "Warning", "InferenceConfigNotFound", "ConfigMap %.*s of inference.config is not there: what runs goes on, but no pod can start again; create it with the key inference_config.yaml",
                   STR_ARG(inf->config));
}

bool plan_serving(struct planner *p)
{
    AUTO_BUF warning = { 0 };
    struct cause cause;

    if (name_is_taken(p, "InferenceReady", p->other_serving))
        return false;
    if (resource_ready(&p->nodes) && !p->stream_waits) {
        plan_services(p);
        plan_statefulset(p);
    }
    warn_of_config(p, &warning);
    if (resource_ready(&p->nodes) && statefulset_is_ready(p->v->statefulset)) {
        status_set(&p->status, "InferenceReady", true, "WorkspaceInferenceStatusSuccess", "Inference has been deployed successfully%s", buf_cstr(&warning));
        return true;
    }
    cause_of_pods(p->v->pods, "StatefulSet", &cause);
    if (cause.reason)
        status_fail(&p->status, "InferenceReady", cause.reason, "%s", cause.message);
    else
        status_set(&p->status, "InferenceReady", false, "WorkspaceInferenceStatusPending", "Inference workload is not ready%s%s%s", *cause.message ? ": " : "", cause.message,
                   buf_cstr(&warning));
    return false;
}

/* Once measured the result stays. As upstream's, a Workspace whose result cannot be had has not succeeded; it is looked for again. */
static void report_benchmark(struct planner *p)
{
    const struct ws_view *v = p->v;

    if (v->benchmark) {
        status_set(&p->status, "WorkspaceSucceeded", true, "workspaceSucceeded", "workspace succeeds");
        status_set(&p->status, "BenchmarkCompleted", true, "BenchmarkCompleted", "benchmark result has been recorded");
        p->status.performance = v->benchmark;
        p->state = "Ready";
        return;
    }
    status_set(&p->status, "WorkspaceSucceeded", false, "BenchmarkFailed", "%s", v->benchmark_problem);
    status_fail(&p->status, "BenchmarkCompleted", "BenchmarkFailed", "%s", v->benchmark_problem);
    p->state = "NotReady";
    requeue(p, BENCHMARK_AGAIN_MS);
}

void plan_inference(struct planner *p)
{
    struct str before = p->v->ws->status.state;
    bool ready = plan_serving(p);

    if (ready && (p->v->benchmark || p->v->benchmark_problem)) {
        report_benchmark(p);
        return;
    }
    status_set(&p->status, "WorkspaceSucceeded", ready, ready ? "workspaceSucceeded" : "workspacePending", "%s",
               ready ? "workspace succeeds" : "workspace is waiting for inference workload readiness");
    p->state = ready ? "Ready" : str_is(before, "Ready") || str_is(before, "NotReady") ? "NotReady" : "Pending";
}
