/*
 * Upstream's releases before v0.8 served from Deployments. Like its later ones we take those away, so that the StatefulSet finds its GPUs free. Looked for
 * once, when this process begins to lead: nobody makes new ones.
 */
#include "workspace/manager.h"

#include "base/log.h"
#include "kube/meta.h"

static const struct kube_gvr deployments = { "apps", "v1", "deployments" };

/* The Workspace as an event needs it; NULL: it is somebody else's. New reference. */
static json_t *workspace_of(const json_t *deployment)
{
    const json_t *owner = kube_controller_of(deployment);
    const char *api = json_cstr(owner, "apiVersion");

    if (!streq(json_cstr(owner, "kind"), "Workspace") || !api || !str_has_prefix(str_of(api), STR("kaito.sh/")) || !streq(json_cstr(owner, "name"), kube_name(deployment)))
        return NULL;
    json_t *ws = kube_object("kaito.sh/v1beta1", "Workspace", kube_namespace(deployment), kube_name(deployment));

    json_put_str(json_object_get(ws, "metadata"), "uid", json_cstr(owner, "uid"));
    return ws;
}

static errc migrate(struct workspace_manager *m, const json_t *deployment, struct err *e)
{
    AUTO_JSON ws = workspace_of(deployment);
    struct kube_delete_opts opts = { .propagation = "Background", .uid = kube_uid(deployment) };

    if (!ws || kube_deleting(deployment))
        return ERR_OK;
    errc rc = kube_delete(m->client, &deployments, kube_namespace(deployment), kube_name(deployment), &opts, e);

    if (rc && rc != ERR_NOT_FOUND)
        return err_wrap(e, "delete Deployment %s/%s of an older release", kube_namespace(deployment), kube_name(deployment));
    recorder_event(m->recorder, ws, EVENT_WARNING, "WorkloadMigration", "Migrating inference workload from Deployment to StatefulSet, this will cause a few minutes of downtime.");
    return ERR_OK;
}

static errc migrate_namespace(struct workspace_manager *m, const char *ns, struct err *e)
{
    AUTO_JSON list = NULL;
    const json_t *deployment;
    size_t i;
    errc rc = kube_list_all(m->client, &deployments, ns, NULL, &list, e);

    if (rc)
        return rc == ERR_NOT_FOUND ? ERR_OK : err_wrap(e, "look for Deployments of an older release");
    json_array_foreach(list, i, deployment)
        TRY(migrate(m, deployment, e));
    return ERR_OK;
}

/* What cannot be done is a warning: everything else works without. */
void workspace_migrate(struct workspace_manager *m)
{
    static const char *const everywhere[] = { NULL };
    const char *const *ns = m->settings.namespaces ? m->settings.namespaces : everywhere;
    struct err e;

    do {
        if (migrate_namespace(m, *ns, &e))
            log_warn("workspace", "an older release's workloads stay", KV("err", e.text));
    } while (*ns && *++ns);
}
