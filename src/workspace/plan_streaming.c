/*
 * Model streaming: the mirror is asked for before machines are, and waited for before anything is served. Order and texts are upstream's; a mirror that
 * is there already is not asked for again, so what its creation needs may be gone.
 */
#include "workspace/plan_priv.h"

#define CLIENT_ID_ANNOTATION "azure.workload.identity/client-id"

/* Told by report_stream_failure, when the nodes are reported. */
static bool fails(struct planner *p, const char *reason, const char *fmt, ...) PRINTF(3, 4);
static bool fails(struct planner *p, const char *reason, const char *fmt, ...)
{
    struct err e;
    va_list ap;

    va_start(ap, fmt);
    (void)err_vset(&e, ERR_INVALID, fmt, ap);
    va_end(ap);
    plan_fails(p, reason, &e);
    p->stream_reason = reason;
    return false;
}

static bool has_class(struct planner *p)
{
    struct str name = stream_class_name(p->v);
    const char *provisioner = json_cstr(p->v->mirror_class, "provisioner");

    if (name.n == 0)
        return fails(p, "ModelStreamingStorageClassNotFound", "model streaming enabled but no storage class configured: set annotation " MIRROR_CLASS_ANNOTATION
                     " on the workspace or --default-model-mirror-storage-class on the controller");
    if (!p->v->mirror_class)
        return fails(p, "ModelStreamingStorageClassNotFound", "StorageClass \"%.*s\" not found: StorageClass.storage.k8s.io \"%.*s\" not found", STR_ARG(name), STR_ARG(name));
    if (!streq(provisioner, BLOB_DRIVER))
        return fails(p, "ModelStreamingInvalidStorageClass", "StorageClass \"%.*s\" uses provisioner \"%s\", but model streaming requires \"" BLOB_DRIVER "\"; "
                     "create a StorageClass with the correct provisioner", STR_ARG(name), provisioner ? provisioner : "");
    return true;
}

static bool has_account(struct planner *p)
{
    struct str name = stream_account_name(p->v), ns = p->v->ws->meta.namespace;

    if (name.n == 0)
        return fails(p, "ModelStreamingServiceAccountInvalid", "model streaming enabled but no service account configured: set annotation " STREAM_ACCOUNT_ANNOTATION
                     " on the workspace or --default-streaming-service-account on the controller");
    if (!p->v->stream_account)
        return fails(p, "ModelStreamingServiceAccountInvalid", "ServiceAccount \"%.*s\" not found in namespace \"%.*s\": ServiceAccount \"%.*s\" not found", STR_ARG(name), STR_ARG(ns),
                     STR_ARG(name));
    if (!str_set(kube_annotation(p->v->stream_account, CLIENT_ID_ANNOTATION)))
        return fails(p, "ModelStreamingServiceAccountInvalid", "ServiceAccount \"%.*s\" is missing annotation " CLIENT_ID_ANNOTATION "; workload identity must be configured for "
                     "model streaming", STR_ARG(name));
    return true;
}

/* Six digits of a hash are few. */
static bool is_of_model(struct planner *p)
{
    const char *has = json_str_at(p->v->mirror, "spec", "source", "modelID", NULL);
    AUTO_BUF wanted = { 0 };

    stream_model_id(ws_preset_name(p->v->ws), &wanted);
    if (has && !streq(has, buf_cstr(&wanted)))
        return fails(p, "ModelMirrorCreateFailed", "ModelMirror CR name collision: %s maps to both \"%s\" and \"%s\"", kube_name(p->v->mirror), has, buf_cstr(&wanted));
    return true;
}

bool plan_stream(struct planner *p)
{
    if (!ws_streams_model(p->v->settings, p->v->ws))
        return true;
    p->streams = true;
    if (!p->v->model)
        return false;
    if (str_is(ws_annotation(p->v->ws, STATIC_MIRROR_ANNOTATION), "true"))
        return fails(p, "ModelStreamingInvalidAnnotations", "annotation " STATIC_MIRROR_ANNOTATION ": static mirrors with SAS tokens are not built; remove it, or annotate "
                                                            STREAMING_ANNOTATION ": disabled");
    if (p->v->mirror)
        return is_of_model(p);
    if (!has_class(p) || !has_account(p))
        return false;
    json_push(p->out->create, render_model_mirror(p->v));
    return true;
}

static const char *waits_for(const json_t *mirror)
{
    const char *failure = json_str_at(mirror, "status", "failureMessage", NULL);

    return str_set(failure) ? failure : mirror ? "Model download in progress" : "Model download has not started";
}

static const char *waits_why(const json_t *mirror)
{
    const char *reason = json_cstr(kube_condition(mirror, "Ready"), "reason");

    return str_set(reason) && !kube_condition_is(mirror, "Ready", "True") ? reason : "ModelMirrorPending";
}

/* Replaces what report_nodes said: nodes alone are not enough. */
static void withdraw(json_t *conditions, const char *type)
{
    json_t *c;
    size_t i;

    json_array_foreach(conditions, i, c)
        if (streq(json_cstr(c, "type"), type)) {
            json_array_remove(conditions, i);
            return;
        }
}

bool report_stream(struct planner *p)
{
    if (!p->streams)
        return true;
    if (streq(json_str_at(p->v->mirror, "status", "phase", NULL), "Ready")) {
        status_set(&p->status, "ModelMirrorReady", true, "ModelMirrorReady", "Model download complete");
        return true;
    }
    withdraw(p->status.conditions, "ResourceReady");
    status_set(&p->status, "ResourceReady", false, "ModelMirrorNotReady", "%s", waits_for(p->v->mirror));
    status_set(&p->status, "ModelMirrorReady", false, waits_why(p->v->mirror), "%s", waits_for(p->v->mirror));
    return false;
}

void report_stream_failure(struct planner *p)
{
    (void)report_stream(p);
    if (p->stream_reason)
        status_set(&p->status, "InferenceReady", false, p->stream_reason, "%s", p->out->error.text);
    else
        status_set(&p->status, "InferenceReady", false, "WorkspaceInferenceStatusPending", "Inference workload is not ready");
}
