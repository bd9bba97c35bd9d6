/*
 * The scheduler: a pod without a node gets the fitting node with the fewest pods. One worker; what it bound and the cache does not
 * show yet is remembered, so that a node is not filled twice.
 */
#include "base/map.h"
#include "cluster/fit.h"
#include "cluster/priv.h"

struct scheduler { struct map *assumed; };      /* pod uid -> node name; the worker's alone */

struct candidate { const struct node *node; struct amounts used; size_t n_pods; };

static const char *node_of(const struct scheduler *s, const json_t *pod)
{
    const char *node = pod_node_name(pod);
    if (node || !kube_uid(pod))
        return node;
    return map_get(s->assumed, str_of(kube_uid(pod)));
}

static struct candidate *candidates(struct cluster *c, struct arena *a, const json_t *nodes, size_t *out_n)
{
    struct candidate *list = arena_calloc(a, json_array_size(nodes) + 1, sizeof *list);
    size_t i;
    json_t *obj;
    *out_n = 0;
    json_array_foreach(nodes, i, obj) {
        struct node *node = arena_new_of(a, struct node);
        struct err ignored;
        if (!kube_deleting(obj) && !schema_decode(&k8s_node_type, obj, a, node, &ignored))
            list[(*out_n)++].node = node;
    }
    return list;
}

static void count_used(struct scheduler *s, struct arena *a, const json_t *pods, struct candidate *list, size_t n)
{
    size_t i;
    json_t *obj;
    json_array_foreach(pods, i, obj) {
        const char *name = node_of(s, obj);
        struct err ignored;
        if (!name || pod_is_finished(obj))
            continue;
        for (size_t k = 0; k < n; k++) {
            if (!str_is(list[k].node->meta.name, name))
                continue;
            struct pod *pod = arena_new_of(a, struct pod);
            struct amounts used;
            if (schema_decode(&pod_type, obj, a, pod, &ignored))
                break;
            pod_requests(&pod->spec, &used);
            amounts_add(&list[k].used, &used);
            list[k].n_pods++;
        }
    }
}

/* "1 Insufficient cpu, 2 node(s) had ...", sorted as kube-scheduler sorts them (by text). */
struct tally { char text[16][160]; int count[16]; size_t n; };

static void tally_add(struct tally *t, const char *text)
{
    for (size_t i = 0; i < t->n; i++)
        if (streq(t->text[i], text)) {
            t->count[i]++;
            return;
        }
    if (t->n == ARRAY_LEN(t->text))
        return;
    snprintf(t->text[t->n], sizeof t->text[0], "%s", text);
    t->count[t->n++] = 1;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void tally_text(const struct tally *t, struct buf *out)
{
    char *lines[16];
    for (size_t i = 0; i < t->n; i++)
        lines[i] = xasprintf("%d %s", t->count[i], t->text[i]);
    qsort(lines, t->n, sizeof *lines, by_text);
    for (size_t i = 0; i < t->n; i++) {
        buf_addf(out, "%s%s", i ? ", " : "", lines[i]);
        free(lines[i]);
    }
}

static const struct candidate *choose(const struct candidate *list, size_t n, const struct pod *pod, const struct affinity *affinity,
                                      struct buf *why)
{
    struct amounts wants;
    struct tally reasons = { 0 }, preemption = { 0 };
    const struct candidate *best = NULL;
    pod_requests(&pod->spec, &wants);
    for (size_t i = 0; i < n; i++) {
        struct fit_reasons r;
        if (node_fits(list[i].node, &pod->spec, affinity, &wants, &list[i].used, list[i].n_pods, &r)) {
            if (!best || list[i].n_pods < best->n_pods)
                best = &list[i];
            continue;
        }
        for (size_t k = 0; k < r.n; k++)
            tally_add(&reasons, r.text[k]);
        tally_add(&preemption, r.resolvable ? "No preemption victims found for incoming pod" : "Preemption is not helpful for scheduling");
    }
    if (best)
        return best;
    if (!n) {
        buf_adds(why, "no nodes available to schedule pods");
        return NULL;
    }
    buf_addf(why, "0/%zu nodes are available: ", n);
    tally_text(&reasons, why);
    buf_addf(why, ". preemption: 0/%zu nodes are available: ", n);
    tally_text(&preemption, why);
    buf_addc(why, '.');
    return NULL;
}

static errc bind(struct cluster *c, const json_t *obj, const char *node, struct err *e)
{
    struct scheduler *s = c->scheduler;
    AUTO_JSON binding = kube_object("v1", "Binding", kube_namespace(obj), kube_name(obj));
    json_t *target = json_sub(binding, "target");
    json_put_str(json_object_get(binding, "metadata"), "uid", kube_uid(obj));
    json_put_str(target, "apiVersion", "v1");
    json_put_str(target, "kind", "Node");
    json_put_str(target, "name", node);
    errc rc = kube_create(c->client, &gvr_pods, "binding", binding, NULL, e);
    if (rc == ERR_NOT_FOUND || rc == ERR_CONFLICT)
        return ERR_OK;                          /* gone, or bound by somebody else */
    if (rc)
        return rc;
    map_put(s->assumed, str_of(kube_uid(obj)), xstrdup(node));
    recorder_event(c->scheduler_events, obj, EVENT_NORMAL, "Scheduled", "Successfully assigned %s/%s to %s", kube_namespace(obj),
                   kube_name(obj), node);
    return ERR_OK;
}

static errc tell_unschedulable(struct cluster *c, struct op *op, const json_t *obj, const char *why, struct err *e)
{
    const json_t *old = kube_condition(obj, "PodScheduled");
    if (streq(json_cstr(old, "message"), why) && streq(json_cstr(old, "status"), "False"))
        return ERR_OK;
    recorder_event(c->scheduler_events, obj, EVENT_WARNING, "FailedScheduling", "%s", why);
    AUTO_JSON patch = json_object();
    json_t *conditions = json_array();
    if (old)
        json_push(conditions, json_clone(old));
    (void)kube_condition_set(conditions, &(struct kube_condition){ "PodScheduled", "False", "Unschedulable", why, 0 }, op->now_ms);
    json_put(json_sub(patch, "status"), "conditions", conditions);      /* merged by type: the kubelet's conditions stay */
    errc rc = kube_patch(c->client, &gvr_pods, kube_namespace(obj), kube_name(obj), "status", KUBE_PATCH_STRATEGIC, patch, NULL, e);
    return ok_if(rc, ERR_NOT_FOUND);
}

static errc reconcile(void *self, struct op *op, const struct key *key, struct reconcile_result *out, struct err *e)
{
    struct cluster *c = self;
    struct scheduler *s = c->scheduler;
    AUTO_JSON obj = informer_get(cluster_informer(c, &gvr_pods), key->ns, key->name);
    if (!obj)
        return ERR_OK;
    if (pod_node_name(obj) || pod_is_finished(obj) || kube_deleting(obj)) {
        map_del(s->assumed, str_of(kube_uid(obj)));
        return ERR_OK;
    }
    if (map_get(s->assumed, str_of(kube_uid(obj))))
        return ERR_OK;
    struct pod *pod = arena_new_of(op->arena, struct pod);
    TRY(schema_decode(&pod_type, obj, op->arena, pod, e));
    if (pod->spec.scheduler_name.n && !str_is(pod->spec.scheduler_name, "default-scheduler"))
        return ERR_OK;
    struct affinity *affinity = pod->spec.affinity ? arena_new_of(op->arena, struct affinity) : NULL;
    if (affinity)
        TRY(schema_decode(&k8s_affinity_type, pod->spec.affinity, op->arena, affinity, e));
    AUTO_JSON nodes = informer_list(cluster_informer(c, &gvr_nodes), NULL, NULL);
    AUTO_JSON pods = informer_list(cluster_informer(c, &gvr_pods), NULL, NULL);
    size_t n;
    AUTO_BUF why = { 0 };
    struct candidate *list = candidates(c, op->arena, nodes, &n);
    count_used(s, op->arena, pods, list, n);
    const struct candidate *best = choose(list, n, pod, affinity, &why);
    return best ? bind(c, obj, best->node->meta.name.p, e) : tell_unschedulable(c, op, obj, buf_cstr(&why), e);
}

/* A changed node, or a pod that made room, may help every pod that waits. */
static void queue_waiting(struct cluster *c, struct workq *q)
{
    AUTO_JSON pods = informer_list(cluster_informer(c, &gvr_pods), NULL, NULL);
    size_t i;
    json_t *pod;
    json_array_foreach(pods, i, pod)
        if (!pod_node_name(pod) && !pod_is_finished(pod))
            workq_add(q, KEY(kube_namespace(pod), kube_name(pod)));
}

static void node_changed(void *self, const json_t *obj, struct workq *q) { queue_waiting(self, q); }

static void pod_changed(void *self, const json_t *obj, struct workq *q)
{
    workq_add(q, KEY(kube_namespace(obj), kube_name(obj)));
    if (pod_node_name(obj) && (pod_is_finished(obj) || kube_deleting(obj)))
        queue_waiting(self, q);
}

static struct controller *make(struct cluster *c)
{
    struct controller *k = controller_new(&(struct controller_opts){ .name = "scheduler", .workers = 1, .reconcile = reconcile, .self = c });
    struct scheduler *s = xzalloc(sizeof *s);
    s->assumed = map_new(free);
    c->scheduler = s;
    c->scheduler_events = recorder_new(c->client, "default-scheduler", NULL);
    controller_watch_map(k, cluster_informer(c, &gvr_pods), pod_changed, c);
    controller_watch_map(k, cluster_informer(c, &gvr_nodes), node_changed, c);
    return k;
}

static void done(struct cluster *c)
{
    struct scheduler *s = c->scheduler;
    recorder_free(c->scheduler_events);
    if (s)
        map_free(s->assumed);
    free(s);
}

const struct part part_scheduler = { "scheduler", make, done };
