/*
 * Model streaming on a cluster: which mirrors, StorageClasses and ServiceAccounts there are, and whom they concern. Watched with the gate alone. Where a
 * mirror's weights are is asked of the API, and only when pods are to be made of them.
 */
#include "workspace/manager.h"
#include "workspace/priv.h"

static const struct kube_gvr mirrors_gvr = { "kaito.sh", "v1alpha1", "modelmirrors" };

errc mirrors_served(struct workspace_manager *m, struct err *e)
{
    bool served = false;

    TRY(kube_has_resource(m->client, &mirrors_gvr, &served, e));
    if (!served)
        return err_set(e, ERR_NOT_FOUND, "--feature-gates ModelStreaming=true: CustomResourceDefinition modelmirrors.kaito.sh (v1alpha1) is not served; "
                                         "install it first, with what fills the mirrors");
    return ERR_OK;
}

static json_t *slim_account(json_t *account)
{
    json_object_del(account, "secrets");
    json_object_del(account, "imagePullSecrets");
    return account;
}

/* ---- whom they concern --------------------------------------------------------------------------------------------------- */

static void on_mirror(void *self, const json_t *mirror, struct workq *q)
{
    struct workspace_manager *m = self;
    AUTO_JSON list = informer_list(m->workspaces, NULL, NULL);
    const json_t *ws;
    size_t i;

    json_array_foreach(list, i, ws) {
        const char *preset = json_str_at(ws, "inference", "preset", "name", NULL);
        AUTO_BUF name = { 0 };

        if (preset)
            stream_mirror_name(str_of(preset), &name);
        if (preset && streq(buf_cstr(&name), kube_name(mirror)))
            workq_add(q, KEY(kube_namespace(ws), kube_name(ws)));
    }
}

/* Of this namespace (NULL: any), those whose annotation, or the default where there is none, names it. */
static void queue_named(struct workspace_manager *m, const char *ns, const char *annotation, const char *fallback, const char *name, struct workq *q)
{
    AUTO_JSON list = informer_list(m->workspaces, ns, NULL);
    const json_t *ws;
    size_t i;

    json_array_foreach(list, i, ws) {
        const char *asked = kube_annotation(ws, annotation);

        if (json_at(ws, "inference", "preset", NULL) && streq(str_set(asked) ? asked : fallback, name))
            workq_add(q, KEY(kube_namespace(ws), kube_name(ws)));
    }
}

static void on_account(void *self, const json_t *account, struct workq *q)
{
    struct workspace_manager *m = self;

    queue_named(m, kube_namespace(account), STREAM_ACCOUNT_ANNOTATION, m->settings.streaming_account, kube_name(account), q);
}

static void on_class(void *self, const json_t *class, struct workq *q)
{
    struct workspace_manager *m = self;

    queue_named(m, NULL, MIRROR_CLASS_ANNOTATION, m->settings.mirror_class, kube_name(class), q);
}

void mirrors_watch(struct workspace_manager *m)
{
    m->mirrors = informers_get(m->informers, &(struct informer_opts){ .gvr = mirrors_gvr });
    m->accounts = informers_get(m->informers, &(struct informer_opts){ .gvr = { "", "v1", "serviceaccounts" }, .namespaces = m->settings.namespaces,
                                                                       .transform = slim_account, .compact = true });
    controller_watch_map(m->controller, m->mirrors, on_mirror, m);
    controller_watch_map(m->controller, m->accounts, on_account, m);
    if (m->storage_classes)
        controller_watch_map(m->controller, m->storage_classes, on_class, m);
}

/* ---- what there is ------------------------------------------------------------------------------------------------------- */

static const json_t *own(struct op *op, json_t *j)
{
    if (j)
        json_arena_own(op->arena, j);
    return j;
}

static const json_t *cached(struct op *op, struct informer *i, const char *ns, struct str name)
{
    return name.n > 0 && i ? own(op, informer_get(i, ns, arena_strndup(op->arena, name.p, name.n))) : NULL;
}

/* NULL in *out: it is not there. */
static errc ask(struct workspace_manager *m, struct op *op, const struct kube_gvr *gvr, const char *ns, const char *name, const json_t **out, struct err *e)
{
    json_t *found = NULL;
    errc rc = kube_get(m->client, gvr, ns, name, &found, e);

    *out = own(op, found);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* Pods are to be made: there are none, or none of this version, or of another base image than is asked for. */
static bool makes_pods(const struct observed *o)
{
    char hash[65];
    int64_t number = 0;

    ws_hash(&o->ws, hash);
    bool known = ws_has_revision(&o->ws, hash, &number);
    AUTO_BUF revision = { 0 };

    buf_addf(&revision, "%lld", (long long)number);
    return !o->view.statefulset || !known || !streq(kube_annotation(o->view.statefulset, REVISION_ANNOTATION), buf_cstr(&revision)) ||
           str_map_get(&o->ws.meta.labels, UPGRADE_LABEL).n > 0;
}

static errc observe_volume(struct workspace_manager *m, struct op *op, struct ws_view *v, struct err *e)
{
    const char *ns = json_str_at(v->mirror, "spec", "jobNamespace", NULL);

    if (!str_set(ns) || ask(m, op, KUBE_GVR("", "v1", "persistentvolumeclaims"), ns, kube_name(v->mirror), &v->mirror_claim, e))
        return str_set(ns) ? err_wrap(e, "get PersistentVolumeClaim %s/%s of the mirror", ns, kube_name(v->mirror)) : ERR_OK;
    const char *volume = json_str_at(v->mirror_claim, "spec", "volumeName", NULL);

    if (str_set(volume) && ask(m, op, KUBE_GVR("", "v1", "persistentvolumes"), NULL, volume, &v->mirror_volume, e))
        return err_wrap(e, "get PersistentVolume %s of the mirror", volume);
    return ERR_OK;
}

errc mirrors_observe(struct workspace_manager *m, struct op *op, struct observed *o, struct err *e)
{
    struct ws_view *v = &o->view;
    AUTO_BUF name = { 0 };

    if (!m->mirrors || !ws_streams_model(&m->settings, &o->ws))
        return ERR_OK;
    stream_mirror_name(ws_preset_name(&o->ws), &name);
    v->mirror = cached(op, m->mirrors, "", buf_str(&name));
    v->mirror_class = cached(op, m->storage_classes, "", stream_class_name(v));
    v->stream_account = cached(op, m->accounts, kube_namespace(o->object), stream_account_name(v));
    bool ready = streq(json_str_at(v->mirror, "status", "phase", NULL), "Ready");

    return ready && makes_pods(o) ? observe_volume(m, op, v, e) : ERR_OK;
}
