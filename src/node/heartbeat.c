/* Our nodes' status and leases: ready as long as this agent lives. */
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "http/server.h"
#include "node/priv.h"

#define NODES KUBE_GVR("", "v1", "nodes")
#define LEASES KUBE_GVR("coordination.k8s.io", "v1", "leases")
#define LEASE_NAMESPACE "kube-node-lease"
#define KUBELET_VERSION "v1.32.3-kaito-" KAITO_VERSION

enum { LEASE_SECONDS = 40, RENEW_MS = 10 * 1000, STATUS_MS = 5 * 60 * 1000, MAX_PODS = 110 };

static void put_resources(json_t *status)
{
    struct sysinfo si = { 0 };
    json_t *capacity = json_sub(status, "capacity");

    sysinfo(&si);
    json_put(capacity, "cpu", json_strf("%ld", sysconf(_SC_NPROCESSORS_ONLN)));
    json_put(capacity, "memory", json_strf("%lluKi", (unsigned long long)si.totalram * si.mem_unit / 1024));
    json_put(capacity, "pods", json_strf("%d", MAX_PODS));
    json_put(status, "allocatable", json_clone(capacity));
}

static void put_info(json_t *status, struct node_agent *n)
{
    struct utsname u = { 0 };
    json_t *info = json_sub(status, "nodeInfo");

    uname(&u);
    json_put_str(info, "architecture", streq(u.machine, "x86_64") ? "amd64" : streq(u.machine, "aarch64") ? "arm64" : u.machine);
    json_put_str(info, "operatingSystem", "linux");
    json_put_str(info, "kernelVersion", u.release);
    json_put_str(info, "osImage", "Linux");
    json_put_str(info, "containerRuntimeVersion", "process://" KAITO_VERSION);
    json_put_str(info, "kubeletVersion", KUBELET_VERSION);
    json_put_str(info, "kubeProxyVersion", "");
    json_put_str(info, "machineID", "");
    json_put_str(info, "systemUUID", "");
    json_put_str(info, "bootID", "");
    json_put(json_sub(json_sub(status, "daemonEndpoints"), "kubeletEndpoint"), "Port", json_integer(http_server_port(n->logs)));
}

static void put_condition(json_t *list, const char *type, const char *status, const char *reason, const char *message, int64_t now_ms)
{
    const struct kube_condition c = { .type = type, .status = status, .reason = reason, .message = message };
    char now[TIME_TEXT_MAX];
    size_t i;
    json_t *item;

    kube_condition_set(list, &c, now_ms);
    time_rfc3339(now_ms, now);
    json_array_foreach(list, i, item)
        if (streq(json_cstr(item, "type"), type))
            json_put_str(item, "lastHeartbeatTime", now);
}

static json_t *render_status(struct node_agent *n, const json_t *node, int64_t now_ms)
{
    const json_t *old = json_at(node, "status", "conditions", NULL);
    json_t *status = json_object(), *conditions = json_is_array(old) ? json_clone(old) : json_array();

    put_condition(conditions, "MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available", now_ms);
    put_condition(conditions, "DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure", now_ms);
    put_condition(conditions, "PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available", now_ms);
    put_condition(conditions, "Ready", "True", "KubeletReady", "the node agent is running", now_ms);
    json_put(status, "conditions", conditions);
    json_put(status, "addresses", json_pack("[{s:s,s:s},{s:s,s:s}]", "type", "InternalIP", "address", "127.0.0.1", "type", "Hostname",
                                            "address", kube_name(node)));
    put_resources(status);
    put_info(status, n);
    return status;
}

static bool is_fresh(struct node_agent *n, const json_t *node, int64_t now_ms)
{
    const json_t *ready = kube_condition(node, "Ready");
    const char *version = json_str_at(node, "status", "nodeInfo", "kubeletVersion", NULL);
    const json_t *port = json_at(node, "status", "daemonEndpoints", "kubeletEndpoint", "Port", NULL);

    return ready && kube_condition_is(node, "Ready", "True") && json_integer_value(port) == http_server_port(n->logs) &&
           streq(version, KUBELET_VERSION) &&
           now_ms - kube_time_ms(json_cstr(ready, "lastHeartbeatTime")) < STATUS_MS;
}

static errc report_status(struct node_agent *n, const json_t *node, int64_t now_ms, struct err *e)
{
    AUTO_JSON patch = json_object();

    if (is_fresh(n, node, now_ms))
        return ERR_OK;
    json_put(patch, "status", render_status(n, node, now_ms));
    return kube_patch(n->client, NODES, NULL, kube_name(node), "status", KUBE_PATCH_MERGE, patch, NULL, e);
}

static errc renew_lease(struct node_agent *n, const json_t *node, struct err *e)
{
    char now[TIME_TEXT_MAX];
    AUTO_JSON lease = kube_object("coordination.k8s.io/v1", "Lease", LEASE_NAMESPACE, kube_name(node));
    json_t *spec = json_sub(lease, "spec");

    time_rfc3339_micro(clock_wall_us(), now);
    json_put_str(spec, "holderIdentity", kube_name(node));
    json_put_int(spec, "leaseDurationSeconds", LEASE_SECONDS);
    json_put_str(spec, "renewTime", now);
    json_t *owner = kube_owner_ref(node, false, false);
    json_put(json_sub(lease, "metadata"), "ownerReferences", json_pack("[o]", owner));
    errc rc = kube_patch(n->client, LEASES, LEASE_NAMESPACE, kube_name(node), NULL, KUBE_PATCH_MERGE, lease, NULL, e);
    return rc == ERR_NOT_FOUND ? kube_create(n->client, LEASES, NULL, lease, NULL, e) : rc;
}

errc heartbeat_reconcile(void *self, struct op *op, const struct key *key, struct reconcile_result *out, struct err *e)
{
    struct node_agent *n = self;
    AUTO_JSON node = informer_get(n->nodes, NULL, key->name);

    if (!node || !streq(kube_label(node, NODE_LOCAL_LABEL), "true") || kube_deleting(node))
        return ERR_OK;
    out->requeue_after_ms = RENEW_MS;
    TRY(report_status(n, node, op->now_ms, e));
    return renew_lease(n, node, e);
}
