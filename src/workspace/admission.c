/* The admission rules as a webhook: the same that the reconciler asks, at the moment somebody writes. */
#include "webhook/admission.h"
#include "workspace/manager.h"
#include "workspace/priv.h"
#include "workspace/review.h"

static errc refuse(struct buf *why, const char *fmt, ...) PRINTF(2, 3);
static errc refuse(struct buf *why, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(why, fmt, ap);
    va_end(ap);
    return ERR_INVALID;
}

static json_t *ask_api(struct workspace_manager *m, const struct kube_gvr *gvr, const char *ns, const char *name)
{
    json_t *found = NULL;
    struct err e;

    return kube_get(m->client, gvr, ns, name, &found, &e) == ERR_OK ? found : NULL;
}

/* A ConfigMap is often applied a moment before its Workspace, and the cache may not have seen it yet. */
static json_t *config_map(struct workspace_manager *m, const char *ns, const char *name)
{
    json_t *cached = informer_get(m->configs, ns, name);

    return cached ? cached : ask_api(m, KUBE_GVR("", "v1", "configmaps"), ns, name);
}

/* What the rules ask of the cluster, from the caches; a CSIDriver is asked for so rarely that it has none. */
static json_t *cluster_get(void *self, const char *kind, const char *ns, const char *name)
{
    struct workspace_manager *m = self;

    if (streq(kind, "ConfigMap"))
        return config_map(m, ns, name);
    if (streq(kind, "Secret"))
        return informer_get(m->secrets, ns, name);
    return streq(kind, "CSIDriver") ? ask_api(m, KUBE_GVR("storage.k8s.io", "v1", "csidrivers"), NULL, name) : NULL;
}

static json_t *cluster_nodes(void *self, const json_t *labels)
{
    struct workspace_manager *m = self;

    return informer_list_labels(m->nodes, NULL, json_object_size(labels) ? labels : NULL);
}

/* Deleted objects must lose their finalizer and status is ours: neither is held back by a rule that came later. */
static bool is_free(const struct admission_request *q)
{
    bool is_write = streq(q->operation, "CREATE") || streq(q->operation, "UPDATE");

    return !is_write || str_set(q->subresource) || json_at(q->object, "metadata", "deletionTimestamp", NULL) != NULL;
}

/* Whose Workspaces we do not look after we know nothing of: another manager's rules may be others. */
static bool is_of_others(const struct workspace_manager *m, const struct admission_request *q)
{
    return q->object && !ws_looks_after(&m->settings, kube_namespace(q->object));
}

errc workspace_admit(void *self, const struct admission_request *q, struct buf *why)
{
    struct workspace_manager *m = self;
    struct ws_cluster cluster = { .get = cluster_get, .nodes = cluster_nodes, .self = m, .model = lookup_admit };

    if (is_free(q) || is_of_others(m, q))
        return ERR_OK;
    if (!streq(q->kind, "Workspace") || (!streq(q->version, "v1alpha1") && !streq(q->version, "v1beta1")))
        return refuse(why, "decoding request failed: unhandled kind: %s.%s", q->kind, q->version);
    if (!q->object)
        return refuse(why, "decoding request failed: the request has no object");
    bool update = streq(q->operation, "UPDATE") && q->old_object;

    return workspace_review(update ? WS_UPDATE : WS_CREATE, q->object, update ? q->old_object : NULL, &m->settings, &cluster, why);
}
