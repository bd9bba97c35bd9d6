/* What every namespace holds from its beginning: the service account `default` and the ConfigMap kube-root-ca.crt. */
#include "cluster/priv.h"

#define ROOT_CA "kube-root-ca.crt"
#define ROOT_CA_SAYS                                                                                                                  \
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service "  \
    "IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters."

static const struct informer_opts root_cas = { .gvr = { "", "v1", "configmaps" }, .field_selector = "metadata.name=" ROOT_CA };

static errc keep_account(struct cluster *c, const char *ns, struct err *e)
{
    AUTO_JSON have = informer_get(cluster_informer(c, &gvr_accounts), ns, "default");
    if (have)
        return ERR_OK;
    AUTO_JSON account = kube_object("v1", "ServiceAccount", ns, "default");
    return kube_create(c->client, &gvr_accounts, NULL, account, NULL, e);
}

static errc keep_root_ca(struct cluster *c, const char *ns, struct err *e)
{
    if (!c->root_ca_pem)
        return ERR_OK;
    AUTO_JSON have = informer_get(informers_get(c->informers, &root_cas), ns, ROOT_CA);
    if (streq(json_str_at(have, "data", "ca.crt", NULL), c->root_ca_pem))
        return ERR_OK;
    AUTO_JSON map = kube_object("v1", "ConfigMap", ns, ROOT_CA);
    kube_set_annotation(map, "kubernetes.io/description", ROOT_CA_SAYS);
    json_put_str(json_sub(map, "data"), "ca.crt", c->root_ca_pem);
    return have ? kube_update(c->client, &gvr_configmaps, NULL, map, NULL, e) : kube_create(c->client, &gvr_configmaps, NULL, map, NULL, e);
}

/* A namespace that ends takes no new objects (403); one that ended is 404. */
static errc forgive(errc rc) { return rc == ERR_EXISTS || rc == ERR_NOT_FOUND || rc == ERR_FORBIDDEN ? ERR_OK : rc; }

static errc reconcile(void *self, struct op *op, const struct key *key, struct reconcile_result *out, struct err *e)
{
    struct cluster *c = self;
    AUTO_JSON ns = informer_get(cluster_informer(c, &gvr_namespaces), "", key->name);
    if (!ns || kube_deleting(ns))
        return ERR_OK;
    TRY(forgive(keep_account(c, key->name, e)));
    return forgive(keep_root_ca(c, key->name, e));
}

static void its_namespace(void *self, const json_t *obj, struct workq *q) { workq_add(q, KEY("", kube_namespace(obj))); }

static struct controller *make(struct cluster *c)
{
    struct controller *k = controller_new(&(struct controller_opts){ .name = "account", .workers = 1, .reconcile = reconcile, .self = c });
    controller_watch(k, cluster_informer(c, &gvr_namespaces));
    controller_watch_map(k, cluster_informer(c, &gvr_accounts), its_namespace, NULL);
    controller_watch_map(k, informers_get(c->informers, &root_cas), its_namespace, NULL);
    return k;
}

const struct part part_account = { "account", make, NULL };
