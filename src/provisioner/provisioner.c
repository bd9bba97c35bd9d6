#include "provisioner/provisioner.h"

#include "api/kaito/crds.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "kube/controller.h"
#include "kube/events.h"
#include "kube/meta.h"
#include "provisioner/lifecycle.h"

#define FORCE_PODS_AFTER_MS 120000      /* an agent that is dead must not keep a machine alive for ever */
#define DRAIN_LOOK_MS       1000

static const struct kube_gvr claims_gvr = { "karpenter.sh", "v1", "nodeclaims" };
static const struct kube_gvr nodes_gvr = { "", "v1", "nodes" };
static const struct kube_gvr pods_gvr = { "", "v1", "pods" };

struct provisioner {
    struct kube_client *client;
    struct cloud *cloud;
    struct informers *informers;
    struct informer *claims, *nodes, *pods;
    struct controller *controller;
    struct recorder *recorder;

    struct mutex mu;                    /* a leaf; guards holds */
    struct map *holds;                  /* claim name -> int64_t: until then (monotonic ms) the cloud is not asked to create it */
};

struct work {                           /* one reconcile */
    struct provisioner *p;
    struct op *op;
    json_t *object;
    struct node_claim claim;
    json_t *nodes;                      /* with the claim's providerID, or owned by it */
};

static bool node_is_of(const json_t *node, const struct node_claim *claim, const char *by_label)
{
    const char *id = json_str_at(node, "spec", "providerID", NULL);
    const json_t *owner;
    size_t i;

    if (id && claim->status.provider_id.n > 0 && str_is(claim->status.provider_id, id))
        return true;
    if (by_label && str_is(claim->meta.name, kube_label(node, by_label)))
        return true;
    json_array_foreach(json_at(node, "metadata", "ownerReferences", NULL), i, owner)
        if (str_is(claim->meta.uid, json_cstr(owner, "uid")))
            return true;
    return false;
}

static json_t *nodes_of(struct work *w)
{
    json_t *all = informer_list(w->p->nodes, NULL, NULL), *mine = json_array(), *node;
    size_t i;

    json_arena_own(w->op->arena, all);
    json_arena_own(w->op->arena, mine);
    json_array_foreach(all, i, node)
        if (node_is_of(node, &w->claim, w->p->cloud->node_label))
            json_array_append(mine, node);
    return mine;
}

static errc patch_claim(struct work *w, const char *sub, json_t *patch, struct err *e)
{
    AUTO_JSON body = patch;

    json_put_str(json_sub(body, "metadata"), "resourceVersion", kube_resource_version(w->object));
    return kube_patch(w->p->client, &claims_gvr, NULL, kube_name(w->object), sub, KUBE_PATCH_MERGE, body, NULL, e);
}

static errc set_finalizer(struct work *w, bool present, struct err *e)
{
    json_t *copy = json_clone(w->object), *patch = json_object(), *list;

    if (present)
        kube_add_finalizer(copy, CLAIM_FINALIZER);
    else
        kube_del_finalizer(copy, CLAIM_FINALIZER);
    list = json_at(copy, "metadata", "finalizers", NULL);
    json_put(json_sub(patch, "metadata"), "finalizers", list ? json_incref(list) : json_null());
    json_decref(copy);
    return patch_claim(w, NULL, patch, e);
}

/* What the claim asked for and the cloud gave, as labels of the claim: `kubectl get nodeclaims` shows them. */
static errc label_claim(struct work *w, const struct cloud_instance *made, struct err *e)
{
    struct str type = node_claim_requirement(&w->claim, INSTANCE_TYPE_LABEL);
    json_t *labels = made->labels ? json_clone(made->labels) : json_object(), *patch;

    if (type.n > 0)
        json_put(labels, INSTANCE_TYPE_LABEL, json_strn(type));
    for (size_t i = 0; i < w->claim.meta.labels.n; i++)         /* the claim's own win */
        json_object_del(labels, w->claim.meta.labels.items[i].key.p);
    if (json_object_size(labels) == 0) {
        json_decref(labels);
        return ERR_OK;
    }
    patch = json_object();
    json_put(json_sub(patch, "metadata"), "labels", labels);
    errc rc = kube_patch(w->p->client, &claims_gvr, NULL, kube_name(w->object), NULL, KUBE_PATCH_MERGE, patch, NULL, e);

    json_decref(patch);
    return rc;
}

/* ---- creation side --------------------------------------------------------------------------------------------------- */

/* How long the cloud is left alone about a claim; every event of the claim or its Node would ask it otherwise. */
static void hold(struct provisioner *p, const char *claim, int64_t ms)
{
    LOCK_SCOPE(&p->mu);
    if (ms > 0) {
        int64_t *until = xmalloc(sizeof *until);

        *until = clock_mono_ms() + ms;
        map_put(p->holds, str_of(claim), until);
    } else {
        map_del(p->holds, str_of(claim));
    }
}

static int64_t hold_left_ms(struct provisioner *p, const char *claim)
{
    LOCK_SCOPE(&p->mu);
    const int64_t *until = map_get(p->holds, str_of(claim));
    int64_t left = until ? *until - clock_mono_ms() : 0;

    return left > 0 ? left : 0;
}

struct launch {                         /* what the cloud said about a claim in one reconcile */
    bool asked;
    errc rc;
    struct err err;
    struct cloud_instance made;
    struct cloud_failure why;
    char wait[200];
};

static void launch_done(struct launch *l)
{
    cloud_instance_done(&l->made);
}

static int64_t failing_ms(const struct work *w)
{
    const json_t *c = kube_condition(w->object, "Launched");
    int64_t since = c ? kube_time_ms(json_cstr(c, "lastTransitionTime")) : 0;

    return since ? w->op->now_ms - since : 0;
}

/* Asks the cloud unless it is launched, final or held; sets when to ask again. */
static void launch(struct work *w, struct launch *l, struct reconcile_result *out)
{
    const json_t *c = kube_condition(w->object, "Launched");
    int64_t wait_ms = hold_left_ms(w->p, kube_name(w->object));

    if (streq(json_cstr(c, "status"), "True") || (streq(json_cstr(c, "status"), "False") && cloud_fault_is_final(json_cstr(c, "reason"))))
        return;
    if (wait_ms == 0) {
        l->asked = true;
        l->rc = w->p->cloud->create(w->p->cloud->self, &w->claim, &l->made, &l->why, &l->err);
        if (l->rc)
            wait_ms = l->why.retry_ms > 0 ? l->why.retry_ms : cloud_fault_wait_ms(l->why.fault, failing_ms(w));
        else if (l->made.state == CLOUD_PENDING)
            wait_ms = l->made.look_ms;
        hold(w->p, kube_name(w->object), wait_ms);
    }
    out->requeue_after_ms = wait_ms > 0 ? wait_ms : 0;
}

static errc write_status(struct work *w, const struct claim_plan *plan, struct err *e)
{
    if (!plan->status)
        return ERR_OK;
    json_t *patch = json_object();

    json_put(patch, "status", json_incref(plan->status));
    return patch_claim(w, "status", patch, e);
}

/* The long-running operation, for a restart to go on with. One that is lost (a crash behind the status) leaves the machine to be found by its name. */
static errc write_operation(struct work *w, const struct launch *l, struct err *e)
{
    const char *had = kube_annotation(w->object, CLOUD_OPERATION_ANNOTATION);

    if (!l->asked || l->rc || streq(had, l->made.operation) || (!had && !l->made.operation))
        return ERR_OK;
    AUTO_JSON patch = json_object();

    json_put(json_sub(json_sub(patch, "metadata"), "annotations"), CLOUD_OPERATION_ANNOTATION,
             l->made.operation ? json_string(l->made.operation) : json_null());
    return kube_patch(w->p->client, &claims_gvr, NULL, kube_name(w->object), NULL, KUBE_PATCH_MERGE, patch, NULL, e);
}

static errc apply(struct work *w, const struct launch *l, const struct claim_plan *plan, struct err *e)
{
    TRY(write_status(w, plan, e));
    TRY(write_operation(w, l, e));
    if (l->asked && !l->rc && l->made.state == CLOUD_RUNNING)
        TRY(label_claim(w, &l->made, e));
    if (plan->node_patch)
        TRY(kube_patch(w->p->client, &nodes_gvr, NULL, kube_name(json_array_get(w->nodes, 0)), NULL, KUBE_PATCH_MERGE, plan->node_patch, NULL, e));
    return ERR_OK;
}

static errc advance(struct work *w, struct reconcile_result *out, struct err *e)
{
    AUTO(launch_done) struct launch l = { 0 };
    AUTO(claim_plan_done) struct claim_plan plan = { 0 };

    launch(w, &l, out);
    bool pending = l.asked && !l.rc && l.made.state != CLOUD_RUNNING;

    snprintf(l.wait, sizeof l.wait, "the %s cloud is making the machine", w->p->cloud->name);
    claim_plan(&(struct claim_view){ .claim = &w->claim, .object = w->object, .nodes = w->nodes,
                                     .launched = l.asked && !l.rc && !pending, .provider_id = pending ? NULL : l.made.provider_id,
                                     .launch_error = l.rc ? l.err.text : NULL, .launch_fault = l.why.fault,
                                     .launch_wait = pending ? l.wait : NULL }, w->op->now_ms, &plan);
    if (l.rc) {
        recorder_event(w->p->recorder, w->object, EVENT_WARNING, cloud_fault_row(l.why.fault)->reason, "%s", l.err.text);
        log_warn("provisioner", "the cloud did not make the machine", KV("name", kube_name(w->object)),
                 KV("reason", cloud_fault_row(l.why.fault)->reason), KV("err", l.err.text), KV("retry_ms", out->requeue_after_ms));
    }
    return apply(w, &l, &plan, e);
}

/* ---- termination ------------------------------------------------------------------------------------------------------- */

static errc cordon(struct work *w, const json_t *node, struct err *e)
{
    if (json_flag(json_object_get(node, "spec"), "unschedulable", false))
        return ERR_OK;
    AUTO_JSON patch = json_pack("{s:{s:b}}", "spec", "unschedulable", 1);

    errc rc = kube_patch(w->p->client, &nodes_gvr, NULL, kube_name(node), NULL, KUBE_PATCH_MERGE, patch, NULL, e);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static bool pod_stays(const json_t *pod)
{
    const char *owner = json_cstr(kube_controller_of(pod), "kind"), *phase = json_str_at(pod, "status", "phase", NULL);

    return streq(owner, "DaemonSet") || streq(owner, "Node") ||
           (!kube_deleting(pod) && (streq(phase, "Succeeded") || streq(phase, "Failed")));
}

/* Asks every pod of the node to leave; *left counts those that are still there. */
static errc drain(struct work *w, const json_t *node, size_t *left, struct err *e)
{
    AUTO_JSON pods = informer_list(w->p->pods, NULL, NULL);
    bool force = w->op->now_ms - w->claim.meta.deleted_us / 1000 > FORCE_PODS_AFTER_MS;
    const json_t *pod;
    size_t i;

    json_array_foreach(pods, i, pod) {
        if (!streq(json_str_at(pod, "spec", "nodeName", NULL), kube_name(node)) || pod_stays(pod))
            continue;
        ++*left;
        if (kube_deleting(pod) && !force)
            continue;
        struct kube_delete_opts o = { .uid = kube_uid(pod), .has_grace = force };
        errc rc = kube_delete(w->p->client, &pods_gvr, kube_namespace(pod), kube_name(pod), &o, e);

        if (rc && rc != ERR_NOT_FOUND && rc != ERR_CONFLICT)
            return err_wrap(e, "delete pod %s/%s", kube_namespace(pod), kube_name(pod));
    }
    return ERR_OK;
}

static errc release_node(struct work *w, const json_t *node, struct err *e)
{
    errc rc = kube_delete(w->p->client, &nodes_gvr, NULL, kube_name(node), &(struct kube_delete_opts){ .uid = kube_uid(node) }, e);

    if (rc && rc != ERR_NOT_FOUND && rc != ERR_CONFLICT)
        return err_wrap(e, "delete Node %s", kube_name(node));
    if (!kube_has_finalizer(node, CLAIM_FINALIZER))
        return ERR_OK;
    AUTO_JSON patch = json_object();
    AUTO_JSON copy = json_clone(node);

    kube_del_finalizer(copy, CLAIM_FINALIZER);
    json_t *list = json_at(copy, "metadata", "finalizers", NULL);
    json_put(json_sub(patch, "metadata"), "finalizers", list ? json_incref(list) : json_null());
    rc = kube_patch(w->p->client, &nodes_gvr, NULL, kube_name(node), NULL, KUBE_PATCH_MERGE, patch, NULL, e);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* Empty the Node, delete the machine, let the Node go, our finalizer last. The cloud is asked by name even when no providerID was stored. */
static errc finalize(struct work *w, struct reconcile_result *out, struct err *e)
{
    const json_t *node;
    size_t i, left = 0;

    if (!kube_has_finalizer(w->object, CLAIM_FINALIZER))
        return ERR_OK;
    json_array_foreach(w->nodes, i, node) {
        TRY(cordon(w, node, e));
        TRY(drain(w, node, &left, e));
    }
    if (left > 0) {
        out->requeue_after_ms = DRAIN_LOOK_MS;
        return ERR_OK;
    }
    if (w->p->cloud->delete(w->p->cloud->self, kube_name(w->object), &out->requeue_after_ms, e))
        return err_wrap(e, "delete the machine of %s", kube_name(w->object));
    if (out->requeue_after_ms > 0)
        return ERR_OK;
    json_array_foreach(w->nodes, i, node)
        TRY(release_node(w, node, e));
    errc rc = set_finalizer(w, false, e);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static errc reconcile(void *self, struct op *op, const struct key *key, struct reconcile_result *out, struct err *e)
{
    struct work w = { .p = self, .op = op };
    const json_t *node;
    size_t i;

    w.object = informer_get(w.p->claims, "", key->name);
    if (!w.object) {
        hold(w.p, key->name, 0);
        return ERR_OK;
    }
    json_arena_own(op->arena, w.object);
    TRY(schema_decode(&node_claim_type, w.object, op->arena, &w.claim, e));
    if (!claim_is_ours(&w.claim))
        return ERR_OK;
    w.nodes = nodes_of(&w);
    if (w.claim.meta.deleted_us)
        return finalize(&w, out, e);
    /* a Node that somebody deletes takes its machine along */
    json_array_foreach(w.nodes, i, node)
        if (kube_deleting(node))
            return kube_delete(w.p->client, &claims_gvr, NULL, key->name, &(struct kube_delete_opts){ .uid = kube_uid(w.object) }, e);
    /* nothing is made in the cloud before the finalizer is stored; the watch brings us back */
    if (!kube_has_finalizer(w.object, CLAIM_FINALIZER))
        return set_finalizer(&w, true, e);
    return advance(&w, out, e);
}

/* ---- composition --------------------------------------------------------------------------------------------------------- */

static void on_node(void *self, const json_t *node, struct workq *q)
{
    struct provisioner *p = self;
    AUTO_JSON list = informer_list(p->claims, NULL, NULL);
    const char *id = json_str_at(node, "spec", "providerID", NULL);
    const json_t *claim, *owner;
    size_t i;

    json_array_foreach(json_at(node, "metadata", "ownerReferences", NULL), i, owner)
        if (streq(json_cstr(owner, "kind"), "NodeClaim") && json_cstr(owner, "name"))
            workq_add(q, KEY("", json_cstr(owner, "name")));
    if (p->cloud->node_label && kube_label(node, p->cloud->node_label))
        workq_add(q, KEY("", kube_label(node, p->cloud->node_label)));
    json_array_foreach(list, i, claim)
        if (id && streq(json_str_at(claim, "status", "providerID", NULL), id))
            workq_add(q, KEY("", kube_name(claim)));
}

static json_t *slim_pod(json_t *obj)
{
    json_t *spec = json_object_get(obj, "spec"), *node = json_object_get(spec, "nodeName");
    json_t *slim = json_object();

    if (node)
        json_put(slim, "nodeName", json_incref(node));
    json_put(obj, "spec", slim);
    json_object_del(json_object_get(obj, "status"), "containerStatuses");
    json_object_del(json_object_get(obj, "status"), "initContainerStatuses");
    return obj;
}

static errc install(struct kube_client *client, struct err *e)
{
    AUTO_JSON list = NULL;
    const json_t *crd;
    size_t i;

    api_kaito_crds(&list);
    json_array_foreach(list, i, crd) {
        if (!streq(json_str_at(crd, "spec", "group", NULL), "karpenter.sh"))
            continue;
        errc rc = kube_create(client, KUBE_GVR("apiextensions.k8s.io", "v1", "customresourcedefinitions"), NULL, crd, NULL, e);
        if (rc && rc != ERR_EXISTS)
            return err_wrap(e, "create CustomResourceDefinition %s", kube_name(crd));
    }
    return ERR_OK;
}

errc provisioner_start(struct kube_client *client, const struct provisioner_opts *o, struct cancel *cancel, struct provisioner **out, struct err *e)
{
    if (o->install_crds)
        TRY(install(client, e));
    struct provisioner *p = xmalloc(sizeof *p);

    *p = (struct provisioner){ .client = client, .cloud = o->cloud, .holds = map_new(free) };
    mutex_init(&p->mu);
    p->recorder = recorder_new(client, "kaito-provisioner", NULL);
    p->informers = informers_new(client);
    p->claims = informers_of(p->informers, "karpenter.sh", "v1", "nodeclaims");
    p->nodes = informers_of(p->informers, "", "v1", "nodes");
    p->pods = informers_get(p->informers, &(struct informer_opts){ .gvr = { "", "v1", "pods" }, .transform = slim_pod });
    p->controller = controller_new(&(struct controller_opts){ .name = "nodeclaim", .workers = o->workers > 0 ? (unsigned)o->workers : 4,
                                                              .reconcile = reconcile, .self = p });
    controller_watch(p->controller, p->claims);
    controller_watch_map(p->controller, p->nodes, on_node, p);
    informers_start(p->informers, cancel);
    controller_start(p->controller, cancel);
    log_info("provisioner", "provisioner started", KV("server", kube_client_server(client)), KV("cloud", o->cloud->name));
    *out = p;
    return ERR_OK;
}

bool provisioner_ready(const struct provisioner *p)
{
    return informer_synced(p->claims) && informer_synced(p->nodes) && informer_synced(p->pods);
}

void provisioner_metrics(struct provisioner *p, struct buf *out)
{
    struct controller_stats s;

    controller_stats(p->controller, &s);
    buf_addf(out, "# TYPE controller_runtime_reconcile_total counter\n"
                  "controller_runtime_reconcile_total{controller=\"nodeclaim\",result=\"success\"} %llu\n"
                  "controller_runtime_reconcile_total{controller=\"nodeclaim\",result=\"error\"} %llu\n"
                  "# TYPE workqueue_depth gauge\nworkqueue_depth{name=\"nodeclaim\"} %zu\n",
             (unsigned long long)(s.reconciles - s.errors), (unsigned long long)s.errors, s.queued);
}

void provisioner_join(struct provisioner *p)
{
    if (!p)
        return;
    informers_join(p->informers);
    controller_join(p->controller);
    informers_free(p->informers);
    controller_free(p->controller);
    recorder_free(p->recorder);
    map_free(p->holds);
    mutex_done(&p->mu);
    free(p);
}
