/* Model streaming: the mirror is asked for before machines are, and waited for before anything is served. */
#include "workspace/plan_priv.h"

#define CLIENT_ID_ANNOTATION "azure.workload.identity/client-id"

static bool fails(struct planner *p, const char *reason, const char *fmt, ...) PRINTF(3, 4);
static bool fails(struct planner *p, const char *reason, const char *fmt, ...)
{
    struct err e;
    va_list ap;

    va_start(ap, fmt);
    (void)err_vset(&e, ERR_INVALID, fmt, ap);
    va_end(ap);
    plan_fails(p, reason, &e);
    status_set(&p->status, "InferenceReady", false, reason, "%s", e.text);
    return false;
}

static bool has_names(struct planner *p)
{
    if (str_is(ws_annotation(p->v->ws, STATIC_MIRROR_ANNOTATION), "true"))
        return fails(p, "ModelStreamingInvalidAnnotations", "annotation " STATIC_MIRROR_ANNOTATION ": static mirrors with SAS tokens are not built; remove it, or annotate "
                                                            STREAMING_ANNOTATION ": disabled");
    if (stream_class_name(p->v).n == 0)
        return fails(p, "ModelStreamingInvalidAnnotations", "no StorageClass for the model mirror: annotate the Workspace with " MIRROR_CLASS_ANNOTATION);
    if (stream_account_name(p->v).n == 0)
        return fails(p, "ModelStreamingInvalidAnnotations", "no ServiceAccount for model streaming: annotate the Workspace with " STREAM_ACCOUNT_ANNOTATION);
    return true;
}

static bool has_objects(struct planner *p)
{
    struct str class_name = stream_class_name(p->v), account = stream_account_name(p->v);
    const char *provisioner = json_cstr(p->v->mirror_class, "provisioner");

    if (!p->v->mirror_class)
        return fails(p, "ModelStreamingStorageClassNotFound", "StorageClass %.*s of the model mirror is not there; create it", STR_ARG(class_name));
    if (!streq(provisioner, "blob.csi.azure.com"))
        return fails(p, "ModelStreamingInvalidStorageClass", "StorageClass %.*s has the provisioner %s; model streaming needs blob.csi.azure.com", STR_ARG(class_name),
                     provisioner ? provisioner : "none");
    if (!p->v->stream_account || !str_set(kube_annotation(p->v->stream_account, CLIENT_ID_ANNOTATION)))
        return fails(p, "ModelStreamingServiceAccountInvalid", "ServiceAccount %.*s is not there or lacks the annotation " CLIENT_ID_ANNOTATION, STR_ARG(account));
    return true;
}

bool plan_stream(struct planner *p)
{
    if (!ws_streams_model(p->v->settings, p->v->ws))
        return true;
    p->streams = true;
    if (!p->v->model || !has_names(p) || !has_objects(p))
        return false;
    if (!p->v->mirror)
        json_push(p->out->create, render_model_mirror(p->v));
    return true;
}

static bool is_ready(const struct planner *p)
{
    struct stream_source source;

    return streq(json_str_at(p->v->mirror, "status", "phase", NULL), "Ready") && stream_source_of(p->v, &source);
}

static const char *waits_for(const json_t *mirror)
{
    const char *failure = json_str_at(mirror, "status", "failureMessage", NULL);

    return str_set(failure) ? failure : str_set(json_str_at(mirror, "status", "phase", NULL)) ? "Model download in progress" : "Model download has not started";
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
    const char *reason = json_cstr(kube_condition(p->v->mirror, "Ready"), "reason");

    if (!p->streams)
        return true;
    if (is_ready(p)) {
        status_set(&p->status, "ModelMirrorReady", true, "ModelMirrorReady", "Model download complete");
        return true;
    }
    withdraw(p->status.conditions, "ResourceReady");
    status_set(&p->status, "ResourceReady", false, "ModelMirrorNotReady", "%s", waits_for(p->v->mirror));
    status_set(&p->status, "ModelMirrorReady", false, reason ? reason : "ModelMirrorPending", "%s", waits_for(p->v->mirror));
    return false;
}
