#include "provisioner/cloud_local.h"

#include <sys/utsname.h>
#include <unistd.h>

#include "base/mem.h"
#include "kube/kube.h"
#include "kube/meta.h"

static const struct kube_gvr nodes = { "", "v1", "nodes" };

struct local {
    struct cloud cloud;
    struct kube_client *client;
    int agent_port;
};

static const char *architecture(const char *machine)
{
    return streq(machine, "x86_64") ? "amd64" : streq(machine, "aarch64") ? "arm64" : machine;
}

static json_t *node_labels(const struct node_claim *claim, const char *node_name, const struct utsname *host)
{
    json_t *l = json_object();

    for (size_t i = 0; i < claim->meta.labels.n; i++)
        json_put(l, claim->meta.labels.items[i].key.p, json_strn(claim->meta.labels.items[i].value));
    json_put(l, INSTANCE_TYPE_LABEL, json_strn(node_claim_requirement(claim, INSTANCE_TYPE_LABEL)));
    json_put_str(l, "kubernetes.io/os", "linux");
    json_put_str(l, "kubernetes.io/arch", architecture(host->machine));
    json_put_str(l, "kubernetes.io/hostname", node_name);
    json_put_str(l, LOCAL_NODE_LABEL, "true");
    return l;
}

static json_t *node_taints(const struct node_claim *claim)
{
    json_t *list = json_array();

    for (size_t i = 0; i < claim->spec.n_taints; i++) {
        json_t *t = json_object();

        json_put(t, "key", json_strn(claim->spec.taints[i].key));
        if (claim->spec.taints[i].value.n > 0)
            json_put(t, "value", json_strn(claim->spec.taints[i].value));
        json_put(t, "effect", json_strn(claim->spec.taints[i].effect));
        json_push(list, t);
    }
    return list;
}

static json_t *node_object(const struct node_claim *claim, const char *name, const char *provider_id, const struct utsname *host)
{
    json_t *n = kube_object("v1", "Node", NULL, name), *meta = json_object_get(n, "metadata");

    json_put(meta, "labels", node_labels(claim, name, host));
    json_put(meta, "annotations", json_pack("{s:o}", LOCAL_CLAIM_ANNOTATION, json_strn(claim->meta.name)));
    json_put(meta, "ownerReferences", json_pack("[{s:s, s:s, s:o, s:o, s:b}]", "apiVersion", CLAIM_API, "kind", "NodeClaim",
                                                "name", json_strn(claim->meta.name), "uid", json_strn(claim->meta.uid), "blockOwnerDeletion", 1));
    json_put(n, "spec", json_pack("{s:s, s:o}", "providerID", provider_id, "taints", node_taints(claim)));
    return n;
}

/* What the machine has; the reserve of a few per cent that a kubelet keeps is not ours to keep. */
static json_t *machine_resources(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned long long bytes = (unsigned long long)sysconf(_SC_PHYS_PAGES) * (unsigned long long)sysconf(_SC_PAGESIZE);
    json_t *r = json_object();

    json_put(r, "cpu", json_strf("%ld", cpus));
    json_put(r, "memory", json_strf("%lluKi", bytes / 1024));
    json_put_str(r, "pods", "110");
    return r;
}

static json_t *node_status(const struct local *l, const char *name, const struct utsname *host)
{
    json_t *resources = machine_resources();

    return json_pack("{s:{s:O, s:o, s:[{s:s,s:s},{s:s,s:s}], s:{s:{s:i}}, s:{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}}}", "status",
                     "capacity", resources, "allocatable", resources,
                     "addresses", "type", "InternalIP", "address", "127.0.0.1", "type", "Hostname", "address", name,
                     "daemonEndpoints", "kubeletEndpoint", "Port", l->agent_port,
                     "nodeInfo", "architecture", architecture(host->machine), "bootID", "", "containerRuntimeVersion", "kaito://" KAITO_VERSION,
                     "kernelVersion", host->release, "kubeProxyVersion", "", "kubeletVersion", "v" KAITO_VERSION "+kaito", "machineID", "",
                     "operatingSystem", "linux", "osImage", "kaito local machine", "systemUUID", "");
}

static errc local_create(void *self, const struct node_claim *claim, struct cloud_instance *out, struct cloud_failure *why, struct err *e)
{
    struct local *l = self;
    struct utsname host;
    AUTO_MEM char *name = xasprintf("local-%.*s", STR_ARG(claim->meta.name));
    AUTO_MEM char *provider_id = xasprintf("kaito-local:///%.*s", STR_ARG(claim->meta.name));

    if (str_empty(node_claim_requirement(claim, INSTANCE_TYPE_LABEL))) {
        why->fault = FAULT_SPEC;
        return err_set(e, ERR_INVALID, "spec.requirements: no " INSTANCE_TYPE_LABEL " with operator In; name one machine type");
    }
    if (uname(&host))
        return err_set(e, ERR_INTERNAL, "uname failed");
    AUTO_JSON node = node_object(claim, name, provider_id, &host);
    errc rc = kube_create(l->client, &nodes, NULL, node, NULL, e);

    if (rc && rc != ERR_EXISTS)
        return err_wrap(e, "create Node %s", name);
    AUTO_JSON status = node_status(l, name, &host);
    if (kube_patch(l->client, &nodes, NULL, name, "status", KUBE_PATCH_MERGE, status, NULL, e))
        return err_wrap(e, "write the capacity of Node %s", name);
    *out = (struct cloud_instance){ .claim = xstrndup(claim->meta.name.p, claim->meta.name.n), .provider_id = TAKE(provider_id) };
    return ERR_OK;
}

static errc local_get(void *self, const char *claim_name, struct cloud_instance *out, struct err *e)
{
    struct local *l = self;
    AUTO_MEM char *name = xasprintf("local-%s", claim_name);
    AUTO_JSON node = NULL;

    TRY(kube_get(l->client, &nodes, NULL, name, &node, e));
    *out = (struct cloud_instance){ .claim = xstrdup(claim_name), .provider_id = xasprintf("kaito-local:///%s", claim_name),
                                    .created_ms = kube_created_ms(node) };
    return ERR_OK;
}

static errc local_list(void *self, struct cloud_instances *out, struct err *e)
{
    struct local *l = self;
    AUTO_JSON items = NULL;
    const json_t *node;
    size_t i;

    TRY(kube_list_all(l->client, &nodes, NULL, &(struct kube_list_opts){ .label_selector = LOCAL_NODE_LABEL "=true" }, &items, e));
    json_array_foreach(items, i, node) {
        const char *claim = kube_annotation(node, LOCAL_CLAIM_ANNOTATION);

        if (claim)
            *cloud_instances_add(out) = (struct cloud_instance){ .claim = xstrdup(claim), .created_ms = kube_created_ms(node),
                                                                 .provider_id = xstrdup(json_str_at(node, "spec", "providerID", NULL)) };
    }
    return ERR_OK;
}

/* The Node is all there is of the machine; the life cycle takes its finalizer off the Node afterwards. */
static errc local_delete(void *self, const char *claim_name, int64_t *out_look_ms, struct err *e)
{
    struct local *l = self;
    AUTO_MEM char *name = xasprintf("local-%s", claim_name);
    errc rc = kube_delete(l->client, &nodes, NULL, name, NULL, e);

    *out_look_ms = 0;
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* Every type is honoured by this machine as it is. */
static errc local_types(void *self, json_t **out, struct err *e)
{
    *out = json_pack("[{s:s, s:I, s:I, s:i}]", "name", "*", "cpus", (json_int_t)sysconf(_SC_NPROCESSORS_ONLN),
                     "memoryBytes", (json_int_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE), "gpus", 0);
    return ERR_OK;
}

static void local_free(void *self)
{
    free(self);
}

struct cloud *cloud_local_new(struct kube_client *client, const struct cloud_local_opts *o)
{
    struct local *l = xmalloc(sizeof *l);

    *l = (struct local){ .client = client, .agent_port = o->agent_port };
    l->cloud = (struct cloud){ .name = "local", .self = l, .create = local_create, .get = local_get, .list = local_list,
                               .delete = local_delete, .types = local_types, .free = local_free };
    return &l->cloud;
}
