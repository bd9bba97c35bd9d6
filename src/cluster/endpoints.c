/*
 * Who answers for a Service: its EndpointSlice (discovery.k8s.io/v1) and its Endpoints (core/v1), from the pods its selector matches.
 * One slice per Service; its ports are those of the first pod that resolves them.
 */
#include "api/k8s/pod.h"
#include "api/k8s/workload.h"
#include "base/hash.h"
#include "cluster/priv.h"

#define MANAGED_BY "endpointslice-controller.k8s.io"

/* The number of a port's target: itself, or that of the container port with its name. 0: this pod has none. */
static int64_t target_port(const struct service_port *p, const struct pod *pod)
{
    if (!p->target.set)
        return p->port;
    if (!p->target.is_str)
        return p->target.i ? p->target.i : p->port;
    for (size_t i = 0; i < pod->spec.n_containers; i++)
        for (size_t k = 0; k < pod->spec.containers[i].n_ports; k++)
            if (str_eq(pod->spec.containers[i].ports[k].name, p->target.s))
                return pod->spec.containers[i].ports[k].port;
    return 0;
}

static json_t *ports_of(const struct service *s, const struct pod *pod)
{
    json_t *ports = json_array();
    for (size_t i = 0; i < s->spec.n_ports; i++) {
        const struct service_port *p = &s->spec.ports[i];
        int64_t number = target_port(p, pod);
        if (!number)
            continue;
        json_t *o = json_object();
        json_put_str(o, "name", p->name.p ? p->name.p : "");
        json_put_int(o, "port", number);
        json_put_str(o, "protocol", p->protocol.p);
        if (p->app_protocol.n)
            json_put_str(o, "appProtocol", p->app_protocol.p);
        json_push(ports, o);
    }
    return ports;
}

static json_t *target_ref(const json_t *pod)
{
    json_t *r = json_object();
    json_put_str(r, "kind", "Pod");
    json_put_str(r, "namespace", kube_namespace(pod));
    json_put_str(r, "name", kube_name(pod));
    json_put_str(r, "uid", kube_uid(pod));
    return r;
}

struct backends { json_t *slice, *ready, *not_ready, *ports; };

static void add_pod(struct backends *b, const struct service *s, const json_t *obj, const struct pod *pod)
{
    bool terminating = kube_deleting(obj), serving = pod_is_ready(obj);
    bool ready = (serving && !terminating) || s->spec.publish_not_ready;
    json_t *endpoint = json_object(), *addresses = json_array(), *conditions = json_object(), *address = json_object();
    json_push(addresses, json_string(pod->status.pod_ip.p));
    json_put(endpoint, "addresses", addresses);
    json_put_bool(conditions, "ready", ready);
    json_put_bool(conditions, "serving", serving);
    json_put_bool(conditions, "terminating", terminating);
    json_put(endpoint, "conditions", conditions);
    if (pod->spec.subdomain.n && str_eq(pod->spec.subdomain, s->meta.name))
        json_put_str(endpoint, "hostname", pod->spec.hostname.p);
    json_put_str(endpoint, "nodeName", pod->spec.node_name.p);
    json_put(endpoint, "targetRef", target_ref(obj));
    json_push(b->slice, endpoint);

    json_put_str(address, "ip", pod->status.pod_ip.p);
    if (pod->spec.subdomain.n && str_eq(pod->spec.subdomain, s->meta.name))
        json_put_str(address, "hostname", pod->spec.hostname.p);
    json_put_str(address, "nodeName", pod->spec.node_name.p);
    json_put(address, "targetRef", target_ref(obj));
    json_push(ready ? b->ready : b->not_ready, address);
    if (!b->ports || json_array_size(b->ports) < s->spec.n_ports) {
        json_decref(b->ports);
        b->ports = ports_of(s, pod);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(kube_name(*(json_t *const *)a), kube_name(*(json_t *const *)b));
}

/* In the order of their names, so that equal states give equal objects. */
static errc collect(struct cluster *c, struct op *op, const struct service *s, struct backends *b, struct err *e)
{
    AUTO_JSON selector = json_object();
    for (size_t i = 0; i < s->spec.selector.n; i++)
        json_put_str(selector, s->spec.selector.items[i].key.p, s->spec.selector.items[i].value.p);
    AUTO_JSON pods = informer_list_labels(cluster_informer(c, &gvr_pods), s->meta.namespace.p, selector);
    size_t n = json_array_size(pods);
    json_t **sorted = arena_calloc(op->arena, n + 1, sizeof *sorted);
    for (size_t i = 0; i < n; i++)
        sorted[i] = json_array_get(pods, i);
    qsort(sorted, n, sizeof *sorted, by_name);
    for (size_t i = 0; i < n; i++) {
        struct pod *pod = arena_new_of(op->arena, struct pod);
        TRY(schema_decode(&pod_type, sorted[i], op->arena, pod, e));
        if (pod->status.pod_ip.n && !pod_is_finished(sorted[i]))
            add_pod(b, s, sorted[i], pod);
    }
    if (!b->ports)
        b->ports = ports_of(s, arena_new_of(op->arena, struct pod));
    return ERR_OK;
}

static json_t *slice_object(const json_t *svc, const struct service *s, const struct backends *b)
{
    AUTO_MEM char *name = xasprintf("%.*s-%05x", 50, s->meta.name.p, fnv1a_32(s->meta.uid.p, s->meta.uid.n) & 0xfffff);
    json_t *o = kube_object("discovery.k8s.io/v1", "EndpointSlice", s->meta.namespace.p, name);
    bool v6 = s->spec.cluster_ip.p && strchr(s->spec.cluster_ip.p, ':');
    kube_set_label(o, "kubernetes.io/service-name", s->meta.name.p);
    kube_set_label(o, "endpointslice.kubernetes.io/managed-by", MANAGED_BY);
    if (str_is(s->spec.cluster_ip, "None"))
        kube_set_label(o, "service.kubernetes.io/headless", "");
    kube_set_owner(o, svc);
    json_put_str(o, "addressType", v6 ? "IPv6" : "IPv4");
    json_put(o, "endpoints", json_incref(b->slice));
    json_put(o, "ports", json_incref(b->ports));
    return o;
}

static json_t *endpoints_object(const struct service *s, const struct backends *b)
{
    json_t *o = kube_object("v1", "Endpoints", s->meta.namespace.p, s->meta.name.p), *subsets = json_array(), *subset = json_object();
    for (size_t i = 0; i < s->meta.labels.n; i++)
        kube_set_label(o, s->meta.labels.items[i].key.p, s->meta.labels.items[i].value.p);
    if (str_is(s->spec.cluster_ip, "None"))
        kube_set_label(o, "service.kubernetes.io/headless", "");
    if (json_array_size(b->ready))
        json_put(subset, "addresses", json_incref(b->ready));
    if (json_array_size(b->not_ready))
        json_put(subset, "notReadyAddresses", json_incref(b->not_ready));
    if (json_object_size(subset)) {
        json_put(subset, "ports", json_incref(b->ports));
        json_push(subsets, subset);
    } else {
        json_decref(subset);
    }
    json_put(o, "subsets", subsets);
    return o;
}

/* Creates, or updates when one of the fields differs. An absent field equals an empty list. */
static errc put(struct cluster *c, const struct kube_gvr *r, json_t *wanted, const char *const *fields, size_t n_fields, struct err *e)
{
    AUTO_JSON want = wanted;
    AUTO_JSON have = informer_get(cluster_informer(c, r), kube_namespace(want), kube_name(want));
    if (!have) {
        errc rc = kube_create(c->client, r, NULL, want, NULL, e);
        rc = ok_if(rc, ERR_EXISTS);             /* the cache lags: its event brings us back */
        return ok_if(ok_if(rc, ERR_NOT_FOUND), ERR_FORBIDDEN);  /* the namespace is going away */
    }
    bool same = json_equal(json_at(have, "metadata", "labels", NULL), json_at(want, "metadata", "labels", NULL)) ||
                !json_object_size(json_at(want, "metadata", "labels", NULL));
    for (size_t i = 0; i < n_fields; i++) {
        const json_t *a = json_object_get(have, fields[i]), *b = json_object_get(want, fields[i]);
        same = same && (json_equal(a, b) || (!json_array_size(a) && !json_array_size(b) && !json_is_string(b)));
    }
    if (same)
        return ERR_OK;
    json_put_str(json_object_get(want, "metadata"), "resourceVersion", kube_resource_version(have));
    return ok_if(kube_update(c->client, r, NULL, want, NULL, e), ERR_NOT_FOUND);
}

static errc put_both(struct cluster *c, const json_t *svc, const struct service *s, const struct backends *b, struct err *e)
{
    static const char *const slice_fields[] = { "addressType", "endpoints", "ports" }, *const endpoints_fields[] = { "subsets" };
    TRY(put(c, &gvr_slices, slice_object(svc, s, b), slice_fields, ARRAY_LEN(slice_fields), e));
    return put(c, &gvr_endpoints, endpoints_object(s, b), endpoints_fields, ARRAY_LEN(endpoints_fields), e);
}

/* Slices go by their owner reference; Endpoints have none. */
static errc service_gone(struct cluster *c, const struct key *key, struct err *e)
{
    AUTO_JSON have = informer_get(cluster_informer(c, &gvr_endpoints), key->ns, key->name);
    if (!have || streq(key->name, "kubernetes"))
        return ERR_OK;
    struct kube_delete_opts o = { .uid = kube_uid(have) };
    return ok_if(kube_delete(c->client, &gvr_endpoints, key->ns, key->name, &o, e), ERR_NOT_FOUND);
}

static errc reconcile(void *self, struct op *op, const struct key *key, struct reconcile_result *out, struct err *e)
{
    struct cluster *c = self;
    AUTO_JSON svc = informer_get(cluster_informer(c, &gvr_services), key->ns, key->name);
    if (!svc)
        return service_gone(c, key, e);
    struct service *s = arena_new_of(op->arena, struct service);
    TRY(schema_decode(&k8s_service_type, svc, op->arena, s, e));
    if (!s->spec.selector.n || kube_deleting(svc))
        return ERR_OK;          /* without a selector somebody else writes them */
    struct backends b = { json_array(), json_array(), json_array(), NULL };
    errc rc = collect(c, op, s, &b, e);
    if (!rc)
        rc = put_both(c, svc, s, &b, e);
    json_decref(b.slice);
    json_decref(b.ready);
    json_decref(b.not_ready);
    json_decref(b.ports);
    return rc;
}

/* Every Service of the pod's namespace whose selector matches its labels. */
static void services_of_pod(void *self, const json_t *pod, struct workq *q)
{
    struct cluster *c = self;
    AUTO_JSON services = informer_list(cluster_informer(c, &gvr_services), kube_namespace(pod), NULL);
    size_t i;
    json_t *svc;
    json_array_foreach(services, i, svc)
        if (kube_map_matches(json_at(svc, "spec", "selector", NULL), json_at(pod, "metadata", "labels", NULL)))
            workq_add(q, KEY(kube_namespace(svc), kube_name(svc)));
}

static struct controller *make(struct cluster *c)
{
    struct controller *k = controller_new(&(struct controller_opts){ .name = "endpoints", .workers = 1, .reconcile = reconcile, .self = c });
    controller_watch(k, cluster_informer(c, &gvr_services));
    controller_watch(k, cluster_informer(c, &gvr_endpoints));
    controller_watch_label(k, cluster_informer(c, &gvr_slices), "kubernetes.io/service-name", NULL);
    controller_watch_map(k, cluster_informer(c, &gvr_pods), services_of_pod, c);
    return k;
}

const struct part part_endpoints = { "endpoints", make, NULL };
