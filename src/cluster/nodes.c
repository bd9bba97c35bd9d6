/*
 * Nodes that stopped to report become Unknown and tainted; pods of nodes that are gone are removed. A heartbeat is a renewed Lease in
 * kube-node-lease, or a report of Ready; a node without a Lease is never silent. What counts is when we saw it change, by our own clock.
 */
#include "base/clock.h"
#include "base/map.h"
#include "cluster/priv.h"

#define UNREACHABLE "node.kubernetes.io/unreachable"
#define NOT_READY "node.kubernetes.io/not-ready"

struct heartbeat { char *seen; int64_t at_ms; };
struct nodes { struct map *heartbeats; };       /* by node; the worker's alone */

static const struct informer_opts node_leases = { .gvr = { "coordination.k8s.io", "v1", "leases" }, .ns = "kube-node-lease" };

static void heartbeat_free(void *p)
{
    struct heartbeat *h = p;
    free(h->seen);
    free(h);
}

/* How long ago the node was last heard of. */
static int64_t silence_ms(struct cluster *c, const json_t *node, const json_t *lease)
{
    struct nodes *n = c->nodes;
    const char *renewed = json_str_at(lease, "spec", "renewTime", NULL);
    const char *beat = json_cstr(kube_condition(node, "Ready"), "lastHeartbeatTime");
    const char *status = json_cstr(kube_condition(node, "Ready"), "status");
    AUTO_MEM char *seen = xasprintf("%s|%s|%s", renewed ? renewed : "", beat ? beat : "", status ? status : "");
    struct heartbeat *h = map_get(n->heartbeats, str_of(kube_name(node)));
    if (!h) {
        h = xzalloc(sizeof *h);
        map_put(n->heartbeats, str_of(kube_name(node)), h);
    }
    if (!streq(h->seen, seen)) {
        free(h->seen);
        h->seen = TAKE(seen);
        h->at_ms = clock_mono_ms();
    }
    return clock_mono_ms() - h->at_ms;
}

static bool has_taint(const json_t *node, const char *key, const char *effect)
{
    size_t i;
    json_t *t;
    json_array_foreach(json_at(node, "spec", "taints", NULL), i, t)
        if (streq(json_cstr(t, "key"), key) && streq(json_cstr(t, "effect"), effect))
            return true;
    return false;
}

static bool is_ours(const json_t *taint)
{
    const char *key = json_cstr(taint, "key");
    return streq(key, UNREACHABLE) || streq(key, NOT_READY);
}

static void push_taint(json_t *list, const char *key, const char *effect, int64_t now_ms)
{
    char now[TIME_TEXT_MAX];
    json_t *t = json_object();
    time_rfc3339(now_ms, now);
    json_put_str(t, "key", key);
    json_put_str(t, "effect", effect);
    json_put_str(t, "timeAdded", now);
    json_push(list, t);
}

/* The taints a node should have: those of others, and one of ours (key NULL: none). */
static errc set_taint(struct cluster *c, const json_t *node, const char *key, int64_t now_ms, struct err *e)
{
    const char *other = streq(key, UNREACHABLE) ? NOT_READY : UNREACHABLE;
    bool as_wanted = key ? has_taint(node, key, "NoSchedule") && has_taint(node, key, "NoExecute") && !has_taint(node, other, "NoSchedule")
                         : !has_taint(node, UNREACHABLE, "NoSchedule") && !has_taint(node, NOT_READY, "NoSchedule");
    if (as_wanted)
        return ERR_OK;
    AUTO_JSON changed = json_clone(node);
    json_t *list = json_array(), *t;
    size_t i;
    json_array_foreach(json_at(node, "spec", "taints", NULL), i, t)
        if (!is_ours(t))
            json_push(list, json_incref(t));
    if (key) {
        push_taint(list, key, "NoSchedule", now_ms);
        push_taint(list, key, "NoExecute", now_ms);
    }
    json_put(json_sub(changed, "spec"), "taints", list);
    return ok_if(kube_update(c->client, &gvr_nodes, NULL, changed, NULL, e), ERR_NOT_FOUND);
}

static errc mark_unknown(struct cluster *c, const json_t *node, int64_t now_ms, struct err *e)
{
    if (kube_condition_is(node, "Ready", "Unknown"))
        return set_taint(c, node, UNREACHABLE, now_ms, e);
    json_t *old = json_object_get(node, "status"), *status = json_is_object(old) ? json_clone(old) : json_object();
    json_t *list = json_object_get(status, "conditions");
    if (!json_is_array(list)) {
        list = json_array();
        json_put(status, "conditions", list);
    }
    (void)kube_condition_set(list, &(struct kube_condition){ "Ready", "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.", 0 },
                             now_ms);
    return cluster_put_status(c, &gvr_nodes, node, status, e);  /* the update comes back as an event and brings the taint */
}

/* The node is gone for good (the API says so too): its pods cannot end by themselves. */
static errc remove_pods(struct cluster *c, const char *node, struct err *e)
{
    errc rc = kube_get(c->client, &gvr_nodes, NULL, node, NULL, e);
    if (rc != ERR_NOT_FOUND)
        return rc;
    map_del(((struct nodes *)c->nodes)->heartbeats, str_of(node));
    AUTO_JSON pods = informer_list(cluster_informer(c, &gvr_pods), NULL, NULL);
    size_t i;
    json_t *pod;
    json_array_foreach(pods, i, pod) {
        if (!streq(pod_node_name(pod), node))
            continue;
        struct kube_delete_opts o = { .uid = kube_uid(pod), .has_grace = true };
        rc = kube_delete(c->client, &gvr_pods, kube_namespace(pod), kube_name(pod), &o, e);
        TRY(ok_if(ok_if(rc, ERR_NOT_FOUND), ERR_CONFLICT));
    }
    return ERR_OK;
}

static errc reconcile(void *self, struct op *op, const struct key *key, struct reconcile_result *out, struct err *e)
{
    struct cluster *c = self;
    AUTO_JSON node = informer_get(cluster_informer(c, &gvr_nodes), "", key->name);
    if (!node)
        return remove_pods(c, key->name, e);
    AUTO_JSON lease = informer_get(informers_get(c->informers, &node_leases), "kube-node-lease", key->name);
    if (lease) {                /* without one nobody promised to report */
        int64_t left = c->o.node_grace_ms - silence_ms(c, node, lease);
        if (left <= 0)
            return mark_unknown(c, node, op->now_ms, e);
        out->requeue_after_ms = left + 1;
    }
    if (kube_condition_is(node, "Ready", "True"))
        return set_taint(c, node, NULL, op->now_ms, e);
    return set_taint(c, node, kube_condition_is(node, "Ready", "Unknown") ? UNREACHABLE : NOT_READY, op->now_ms, e);
}

static void its_name(void *self, const json_t *lease, struct workq *q) { workq_add(q, KEY("", kube_name(lease))); }

static void its_node(void *self, const json_t *pod, struct workq *q)
{
    struct cluster *c = self;
    if (!pod_node_name(pod))
        return;
    AUTO_JSON node = informer_get(cluster_informer(c, &gvr_nodes), "", pod_node_name(pod));
    if (!node)
        workq_add(q, KEY("", pod_node_name(pod)));
}

static struct controller *make(struct cluster *c)
{
    struct controller *k = controller_new(&(struct controller_opts){ .name = "nodes", .workers = 1, .reconcile = reconcile, .self = c });
    struct nodes *n = xzalloc(sizeof *n);
    n->heartbeats = map_new(heartbeat_free);
    c->nodes = n;
    controller_watch(k, cluster_informer(c, &gvr_nodes));
    controller_watch_map(k, informers_get(c->informers, &node_leases), its_name, NULL);
    controller_watch_map(k, cluster_informer(c, &gvr_pods), its_node, c);
    return k;
}

static void done(struct cluster *c)
{
    struct nodes *n = c->nodes;
    if (n)
        map_free(n->heartbeats);
    free(n);
}

const struct part part_nodes = { "nodes", make, done };
