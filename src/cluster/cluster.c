/* Composes the controllers. */
#include "cluster/priv.h"

const struct kube_gvr gvr_pods = { "", "v1", "pods" }, gvr_nodes = { "", "v1", "nodes" }, gvr_services = { "", "v1", "services" },
    gvr_namespaces = { "", "v1", "namespaces" }, gvr_claims = { "", "v1", "persistentvolumeclaims" },
    gvr_statefulsets = { "apps", "v1", "statefulsets" }, gvr_jobs = { "batch", "v1", "jobs" },
    gvr_accounts = { "", "v1", "serviceaccounts" }, gvr_configmaps = { "", "v1", "configmaps" },
    gvr_endpoints = { "", "v1", "endpoints" }, gvr_slices = { "discovery.k8s.io", "v1", "endpointslices" },
    gvr_leases = { "coordination.k8s.io", "v1", "leases" };

/* The collector last: it shares the informers of the others. */
static const struct part *const parts[] = {
    &part_account, &part_statefulset, &part_job, &part_scheduler, &part_endpoints, &part_nodes, &part_namespace, &part_gc,
};

struct informer *cluster_informer(struct cluster *c, const struct kube_gvr *r)
{
    return informers_get(c->informers, &(struct informer_opts){ .gvr = *r });
}

bool verb_listed(const json_t *verbs, const char *verb)
{
    size_t i;
    json_t *v;
    json_array_foreach(verbs, i, v)
        if (streq(json_string_value(v), verb))
            return true;
    return false;
}

errc ok_if(errc rc, errc expected) { return rc == expected ? ERR_OK : rc; }

errc cluster_put_status(struct cluster *c, const struct kube_gvr *r, const json_t *obj, json_t *status, struct err *e)
{
    if (json_equal(json_object_get(obj, "status"), status)) {
        json_decref(status);
        return ERR_OK;
    }
    AUTO_JSON changed = json_copy((json_t *)(uintptr_t)obj);    /* shallow: only the key status is replaced */
    json_put(changed, "status", status);
    return ok_if(kube_update(c->client, r, "status", changed, NULL, e), ERR_NOT_FOUND);
}

errc cluster_start(struct kube_client *client, const struct cluster_opts *o, struct cancel *cancel, struct cluster **out, struct err *e)
{
    struct cluster *c = xzalloc(sizeof *c);
    c->client = client;
    c->o = o ? *o : (struct cluster_opts){ 0 };
    c->o.node_grace_ms = c->o.node_grace_ms ? c->o.node_grace_ms : 40000;
    c->root_ca_pem = xstrdup(c->o.root_ca_pem);
    c->cancel = cancel;
    c->informers = informers_new(client);
    c->controllers = xcalloc(ARRAY_LEN(parts) + 1, sizeof *c->controllers);
    c->names = xcalloc(ARRAY_LEN(parts) + 1, sizeof *c->names);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (!(c->o.skip >> i & 1)) {
            c->names[c->n_controllers] = parts[i]->name;
            c->controllers[c->n_controllers++] = parts[i]->make(c);
        }
    informers_start(c->informers, cancel);
    for (size_t i = 0; i < c->n_controllers; i++)
        controller_start(c->controllers[i], cancel);
    *out = c;
    return ERR_OK;
}

void cluster_join(struct cluster *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_controllers; i++)
        controller_join(c->controllers[i]);
    informers_free(c->informers);
    for (size_t i = 0; i < c->n_controllers; i++)
        controller_free(c->controllers[i]);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (parts[i]->done)
            parts[i]->done(c);
    free(c->controllers);
    free(c->names);
    free(c->root_ca_pem);
    free(c);
}

const char *cluster_stats(struct cluster *c, size_t i, struct controller_stats *out)
{
    if (i >= c->n_controllers)
        return NULL;
    controller_stats(c->controllers[i], out);
    return c->names[i];
}
