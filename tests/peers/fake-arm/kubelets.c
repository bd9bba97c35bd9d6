/*
 * The Nodes of the simulated machines, written to a Kubernetes API as kubelets and AKS would: one thread compares what each pool's
 * machine should have done by now with what the API was told, and tells the rest. A call that fails is tried again at the next look.
 * Where no node controller runs it also stands in for it: a lost Node turns Unknown, the Node of a machine that is gone is deleted.
 */
#include "sim.h"

#include <strings.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/kube.h"
#include "kube/meta.h"

#define NOT_READY_TAINT "node.kubernetes.io/not-ready"
#define LEASE_SECONDS 40
enum { LOOK_MS = 100 };

static const struct kube_gvr nodes = { "", "v1", "nodes" };
static const struct kube_gvr leases = { "coordination.k8s.io", "v1", "leases" };

struct made { char pool[64]; unsigned number; int64_t beat; };      /* a Node that we told the API of, by its name */

struct kubelets {
    struct sim *sim;
    struct kube_client *client;
    struct cancel *stop;
    struct thread thread;
    bool gpus;
    int64_t agent_port, heartbeat_ms;
    struct map *made;                   /* Node name -> struct made; the thread's alone */
};

struct task {
    char pool[64], node[64];
    unsigned number;
    enum node_stage stage;
    json_t *properties;
    char *provider_id;
    bool late_id, twice;
};

void sim_node_name(const struct sim_pool *p, char out[64])
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    char id[7] = "000000";
    unsigned n = p->number;

    for (int i = 5; i >= 0; i--, n /= 36)
        id[i] = digits[n % 36];
    snprintf(out, 64, "aks-%.40s-%08u-vmss%s", p->name, fnv1a_32(p->name, 3) % 100000000, id);
}

void sim_provider_id(const struct sim *s, const struct sim_pool *p, struct buf *out)
{
    buf_addf(out, "azure:///subscriptions/%s/resourceGroups/mc_%s_%s_%s/providers/Microsoft.Compute/virtualMachineScaleSets/aks-%s-%08u-vmss/virtualMachines/%u",
             s->who.subscription, s->who.group, s->who.cluster, s->who.location, p->name, fnv1a_32(p->name, 3) % 100000000, p->number);
}

/* ---- the objects -------------------------------------------------------------------------------------------------------------- */

static json_t *labels_of(const struct kubelets *k, const struct task *t)
{
    json_t *l = json_clone(json_object_get(t->properties, "nodeLabels"));
    const char *size = json_cstr(t->properties, "vmSize");
    const char *const fixed[][2] = {
        { "agentpool", t->pool }, { "kubernetes.azure.com/agentpool", t->pool }, { "node.kubernetes.io/instance-type", size },
        { "beta.kubernetes.io/instance-type", size }, { "topology.kubernetes.io/region", k->sim->who.location }, { "topology.kubernetes.io/zone", "0" },
        { "kubernetes.io/os", "linux" }, { "kubernetes.io/arch", "amd64" }, { "kubernetes.io/hostname", t->node },
        { "kubernetes.azure.com/cluster", k->sim->who.cluster }, { "kubernetes.azure.com/mode", "user" }, { "kubernetes.io/role", "agent" },
    };
    struct vm_size vm;

    l = l ? l : json_object();
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        json_put_str(l, fixed[i][0], fixed[i][1]);
    if (k->gpus && sim_vm_size(str_of(size), &vm) && vm.gpus > 0) {
        json_put_str(l, "accelerator", "nvidia");
        json_put_str(l, "kubernetes.azure.com/accelerator", "nvidia");
    }
    if (k->agent_port)
        json_put_str(l, "kaito.sh/local-node", "true");
    return l;
}

static json_t *taints_of(const struct task *t)
{
    json_t *list = json_array(), *text;
    size_t i;

    json_array_foreach(json_object_get(t->properties, "nodeTaints"), i, text) {
        struct str left, effect, key, value;
        json_t *taint = json_object();

        (void)str_rcut(json_to_str(text), ':', &left, &effect);
        if (!str_cut(left, '=', &key, &value))
            key = left;
        json_put(taint, "key", json_strn(key));
        if (value.n > 0)
            json_put(taint, "value", json_strn(value));
        json_put(taint, "effect", json_strn(effect));
        json_push(list, taint);
    }
    json_push(list, json_pack("{s:s,s:s}", "key", NOT_READY_TAINT, "effect", "NoSchedule"));
    return list;
}

static json_t *node_object(const struct kubelets *k, const struct task *t)
{
    json_t *n = kube_object("v1", "Node", NULL, t->node);

    json_put(json_sub(n, "metadata"), "labels", labels_of(k, t));
    json_put(json_sub(n, "spec"), "taints", taints_of(t));
    if (!t->late_id)
        json_put_str(json_sub(n, "spec"), "providerID", t->provider_id);
    return n;
}

static json_t *resources(const struct kubelets *k, const struct task *t, bool with_gpu)
{
    json_t *r = json_object();
    struct vm_size vm = { .cores = 2 };

    (void)sim_vm_size(str_of(json_cstr(t->properties, "vmSize")), &vm);
    json_put(r, "cpu", json_strf("%d", vm.cores));
    json_put(r, "memory", json_strf("%dGi", vm.cores * 8));
    json_put(r, "ephemeral-storage", json_strf("%lldGi", (long long)json_int(t->properties, "osDiskSizeGB", 128)));
    json_put_str(r, "pods", "110");
    if (with_gpu && k->gpus && vm.gpus > 0)
        json_put(r, "nvidia.com/gpu", json_strf("%d", vm.gpus));
    return r;
}

static json_t *ready_condition(enum node_stage stage)
{
    static const struct { const char *status, *reason, *message; } words[] = {
        [NODE_NONE] = { "False", "KubeletNotReady", "container runtime network not ready" },
        [NODE_JOINED] = { "False", "KubeletNotReady", "container runtime network not ready" },
        [NODE_READY] = { "True", "KubeletReady", "kubelet is posting ready status" },
        [NODE_GPU] = { "True", "KubeletReady", "kubelet is posting ready status" },
        [NODE_LOST] = { "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status." },
    };
    char now[TIME_TEXT_MAX];

    time_rfc3339(clock_wall_ms(), now);
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "type", "Ready", "status", words[stage].status, "reason", words[stage].reason,
                     "message", words[stage].message, "lastHeartbeatTime", now, "lastTransitionTime", now);
}

/* Where a node agent keeps the Node, Ready is its word. */
static json_t *status_patch(const struct kubelets *k, const struct task *t)
{
    json_t *status = json_object(), *r = resources(k, t, t->stage == NODE_GPU || (t->stage == NODE_LOST));

    json_put(status, "capacity", json_incref(r));
    json_put(status, "allocatable", r);
    json_put(status, "addresses", json_pack("[{s:s,s:s},{s:s,s:s}]", "type", "InternalIP", "address", k->agent_port ? "127.0.0.1" : "10.224.0.4",
                                            "type", "Hostname", "address", t->node));
    json_put(status, "daemonEndpoints", json_pack("{s:{s:I}}", "kubeletEndpoint", "Port", (json_int_t)(k->agent_port ? k->agent_port : 10250)));
    json_put(status, "nodeInfo", json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "architecture", "amd64", "bootID", "", "containerRuntimeVersion", "containerd://1.7",
                                           "kernelVersion", "5.15.0-azure", "kubeProxyVersion", "", "kubeletVersion", "v1.30.3", "machineID", "",
                                           "operatingSystem", "linux", "osImage", "Ubuntu 22.04.5 LTS (simulated)", "systemUUID", ""));
    if (!k->agent_port)
        json_put(status, "conditions", json_pack("[o]", ready_condition(t->stage)));
    return json_pack("{s:o}", "status", status);
}

/* ---- telling the API ---------------------------------------------------------------------------------------------------------- */

static void remember(struct kubelets *k, const struct task *t)
{
    struct made *m = map_get(k->made, str_of(t->node));

    if (m)
        return;
    m = xzalloc(sizeof *m);
    snprintf(m->pool, sizeof m->pool, "%s", t->pool);
    m->number = t->number;
    map_put(k->made, str_of(t->node), m);
}

static errc create_node(struct kubelets *k, const struct task *t, struct err *e)
{
    AUTO_JSON object = node_object(k, t);

    remember(k, t);
    errc rc = kube_create(k->client, &nodes, NULL, object, NULL, e);
    return rc == ERR_EXISTS ? ERR_OK : rc;
}

static errc join(struct kubelets *k, const struct task *t, struct err *e)
{
    TRY(create_node(k, t, e));
    if (!t->twice)
        return ERR_OK;
    struct task second = *t;
    AUTO_MEM char *id = xasprintf("%s1", t->provider_id);

    snprintf(second.node, sizeof second.node, "%.60s1", t->node);
    second.provider_id = id;
    return create_node(k, &second, e);
}

/* The taint goes, and a providerID that came late comes; other people's taints stay. */
static errc make_ready(struct kubelets *k, const struct task *t, struct err *e)
{
    AUTO_JSON node = NULL;
    json_t *kept = json_array(), *taint, *patch = json_object();
    size_t i;

    errc rc = kube_get(k->client, &nodes, NULL, t->node, &node, e);
    json_array_foreach(json_at(node, "spec", "taints", NULL), i, taint)
        if (!streq(json_cstr(taint, "key"), NOT_READY_TAINT))
            json_push(kept, json_incref(taint));
    json_put(json_sub(patch, "spec"), "taints", kept);
    json_put_str(json_sub(patch, "spec"), "providerID", t->provider_id);
    json_put_str(json_sub(patch, "metadata"), "resourceVersion", kube_resource_version(node));
    if (!rc)
        rc = kube_patch(k->client, &nodes, NULL, t->node, NULL, KUBE_PATCH_MERGE, patch, NULL, e);
    json_decref(patch);
    return rc;
}

static errc perform(struct kubelets *k, const struct task *t, struct err *e)
{
    if (t->stage == NODE_JOINED)
        TRY(join(k, t, e));
    if (t->stage == NODE_READY)
        TRY(make_ready(k, t, e));
    AUTO_JSON patch = status_patch(k, t);

    return kube_patch(k->client, &nodes, NULL, t->node, "status", KUBE_PATCH_MERGE, patch, NULL, e);
}

/* ---- what is due -------------------------------------------------------------------------------------------------------------- */

static enum node_stage due(const struct sim_pool *p, int64_t now)
{
    enum node_stage next = p->node_done == NODE_NONE ? NODE_JOINED : p->node_done == NODE_JOINED ? NODE_READY : NODE_GPU;
    int64_t at = next == NODE_JOINED ? p->join_at : next == NODE_READY ? p->ready_at : p->gpu_at;

    if (!p->has_machine || p->foreign)
        return NODE_NONE;
    if (p->node_lost)
        return p->node_done == NODE_READY || p->node_done == NODE_GPU ? NODE_LOST : NODE_NONE;
    if (p->node_done == NODE_LOST)
        return NODE_GPU;
    return p->node_done != NODE_GPU && now >= at ? next : NODE_NONE;
}

static size_t collect(struct kubelets *k, struct task **out)
{
    struct sim *s = k->sim;
    struct str name;
    void *value;
    size_t n = 0;

    LOCK_SCOPE(&s->mu);
    sim_settle(s);
    struct task *tasks = xcalloc(map_len(s->pools) + 1, sizeof *tasks);

    for (size_t i = 0; map_next(s->pools, &i, &name, &value);) {
        const struct sim_pool *p = value;
        enum node_stage stage = due(p, sim_now(s));
        AUTO_BUF id = { 0 };

        if (stage == NODE_NONE)
            continue;
        sim_provider_id(s, p, &id);
        tasks[n] = (struct task){ .number = p->number, .stage = stage, .properties = json_clone(p->properties), .provider_id = buf_take(&id),
                                  .late_id = p->node_late_id, .twice = p->node_twice };
        snprintf(tasks[n].pool, sizeof tasks[n].pool, "%s", p->name);
        sim_node_name(p, tasks[n].node);
        n++;
    }
    *out = tasks;
    return n;
}

static void record(struct kubelets *k, const struct task *t)
{
    LOCK_SCOPE(&k->sim->mu);
    struct sim_pool *p = sim_pool(k->sim, t->pool);
    struct sim_past *past = sim_past_last(k->sim, t->pool);

    if (!p || p->number != t->number)
        return;
    p->node_done = t->stage;
    sim_history(k->sim, p, NULL, NULL);
    if (past && t->stage == NODE_GPU)
        past->joined = true;
}

/* Somebody deleted the Node: its kubelet does not register again. */
static void tell(struct kubelets *k, const struct task *t)
{
    struct err e;
    errc rc = perform(k, t, &e);

    if (!rc || (rc == ERR_NOT_FOUND && t->stage != NODE_JOINED))
        record(k, t);
    else if (rc != ERR_CONFLICT)
        log_debug("kubelets", "the API did not take it", KV("name", t->node), KV("err", e.text));
}

static bool machine_is_there(struct kubelets *k, const struct made *m)
{
    LOCK_SCOPE(&k->sim->mu);
    const struct sim_pool *p = sim_pool(k->sim, m->pool);

    return p && p->has_machine && p->number == m->number;
}

static bool remove_one(struct kubelets *k)
{
    struct str name;
    void *m;
    struct err e;

    for (size_t i = 0; map_next(k->made, &i, &name, &m);) {
        if (machine_is_there(k, m))
            continue;
        AUTO_MEM char *node = xstrndup(name.p, name.n);
        errc rc = kube_delete(k->client, &nodes, NULL, node, NULL, &e);

        if (rc && rc != ERR_NOT_FOUND)
            return false;
        map_del(k->made, str_of(node));
        return true;
    }
    return false;
}

static void renew(struct kubelets *k, const char *node)
{
    char now[TIME_TEXT_MAX];
    struct err e;

    time_rfc3339_micro(clock_wall_us(), now);
    AUTO_JSON lease = kube_object("coordination.k8s.io/v1", "Lease", "kube-node-lease", node);
    json_put(lease, "spec", json_pack("{s:s,s:i,s:s}", "holderIdentity", node, "leaseDurationSeconds", LEASE_SECONDS, "renewTime", now));
    if (kube_patch(k->client, &leases, "kube-node-lease", node, NULL, KUBE_PATCH_MERGE, lease, NULL, &e) == ERR_NOT_FOUND)
        (void)kube_create(k->client, &leases, NULL, lease, NULL, &e);       /* the next heartbeat tries again */
}

static bool beats(struct kubelets *k, const struct made *m)
{
    LOCK_SCOPE(&k->sim->mu);
    const struct sim_pool *p = sim_pool(k->sim, m->pool);

    return p && !p->node_lost && p->node_done >= NODE_READY;
}

static void heartbeats(struct kubelets *k)
{
    struct str name;
    void *value;

    for (size_t i = 0; k->heartbeat_ms > 0 && !k->agent_port && map_next(k->made, &i, &name, &value);) {
        struct made *m = value;
        AUTO_MEM char *node = xstrndup(name.p, name.n);

        if (clock_mono_ms() < m->beat || !beats(k, m))
            continue;
        renew(k, node);
        m->beat = clock_mono_ms() + k->heartbeat_ms;
    }
}

static void run(void *arg)
{
    struct kubelets *k = arg;

    while (!cancel_wait_ms(k->stop, LOOK_MS)) {
        struct task *tasks;
        size_t n = collect(k, &tasks);

        for (size_t i = 0; i < n; i++) {
            if (!cancel_is(k->stop))
                tell(k, &tasks[i]);
            json_decref(tasks[i].properties);
            free(tasks[i].provider_id);
        }
        free(tasks);
        while (!cancel_is(k->stop) && remove_one(k))
            continue;
        heartbeats(k);
    }
}

errc kubelets_start(struct sim *s, const struct kubelet_opts *o, struct err *e)
{
    AUTO_FREE(kube_config) config = NULL;

    TRY(kube_config_load(o->kubeconfig, NULL, &config, e));
    struct kubelets *k = xmalloc(sizeof *k);

    *k = (struct kubelets){ .sim = s, .stop = cancel_new(), .gpus = o->gpus, .agent_port = o->agent_port, .heartbeat_ms = o->heartbeat_ms,
                            .made = map_new(free) };
    errc rc = kube_client_new(config, "kaito-fake-arm", k->stop, &k->client, e);

    s->kubelets = k;
    if (!rc)
        thread_start(&k->thread, "kubelets", run, k);
    return rc;
}

void kubelets_stop(struct kubelets *k)
{
    if (!k)
        return;
    cancel_now(k->stop);
    thread_join(&k->thread);
    kube_client_free(k->client);
    map_free(k->made);
    cancel_free(k->stop);
    free(k);
}
