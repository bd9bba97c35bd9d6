#include "provisioner/provisioner.h"

#include <malloc.h>

#include "api/kaito/crds.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/meta.h"
#include "provisioner/collect.h"
#include "provisioner/doubt.h"
#include "provisioner/priv.h"
#include "provisioner/timers.h"

#define LOST_RETRY_MAX_MS 60000         /* when the cloud does not take the deletion of what a vanished claim left */
#define TRIM_MS 1000

const struct kube_gvr nodes_gvr = { "", "v1", "nodes" };
const struct kube_gvr pods_gvr = { "", "v1", "pods" };

/* ---- one reconcile ------------------------------------------------------------------------------------------------------- */

static errc give_up(struct work *w, const char *event_type, const char *reason, const char *metric, const char *text, struct err *e)
{
    recorder_event(w->p->recorder, w->object, event_type, reason, "%s", text);
    TRY(claim_disrupt(w, reason, text, e));
    metrics_add(w->p->metrics, "karpenter_nodeclaims_disrupted_total", "reason=\"%s\",nodepool=\"%s\",capacity_type=\"\"", metric, claim_pool(w->object));
    return ERR_OK;
}

/* Its machine goes along. Of a spot machine it is the cloud's way to say that it took it back. */
static errc node_is_deleted(struct work *w, const json_t *node, struct err *e)
{
    bool spot = claim_wants_spot(&w->claim);
    AUTO_MEM char *text = xasprintf(spot ? "Node %s is deleted, most likely because the cloud took its spot machine back; next: its owner asks for another machine"
                                         : "Node %s is deleted by somebody; next: its machine is deleted, and its owner asks for another", kube_name(node));

    return spot ? give_up(w, EVENT_WARNING, "SpotEvicted", "spot_evicted", text, e) : give_up(w, EVENT_NORMAL, "NodeDeleted", "node_deleted", text, e);
}

/* A Node that somebody deletes takes its machine along; so does a claim's age, where that is wanted. */
static errc deleted_otherwise(struct work *w, bool *out_deleted, struct reconcile_result *out, struct err *e)
{
    int64_t wait = w->p->o.expiration ? claim_expiry_wait_ms(&w->claim, w->op->now_ms) : -1;
    const json_t *node;
    size_t i;

    json_array_foreach(w->nodes, i, node)
        if (kube_deleting(node)) {
            *out_deleted = true;
            return node_is_deleted(w, node, e);
        }
    out->requeue_after_ms = sooner_ms(out->requeue_after_ms, wait);
    *out_deleted = wait == 0;
    if (wait != 0)
        return ERR_OK;
    return give_up(w, EVENT_NORMAL, "Expired", "expired", "older than spec.expireAfter: the claim is deleted", e);
}

/*
 * What takes too long, after what the Nodes say now was taken in: while nobody led, a Node may have joined in time without anybody writing it down. The
 * reason; NULL: nothing.
 */
static const char *overdue(struct work *w, int64_t *left_ms)
{
    const char *late = claim_overdue(w->object, &w->p->o.timers, w->op->now_ms, left_ms);
    AUTO(claim_plan_done) struct claim_plan plan = { 0 };

    if (!late)
        return NULL;
    claim_plan(&(struct claim_view){ .claim = &w->claim, .object = w->object, .nodes = w->nodes }, w->op->now_ms, &plan);
    if (!plan.status)
        return late;
    AUTO_JSON now = json_copy(w->object);

    json_put(now, "status", json_incref(plan.status));
    return claim_overdue(now, &w->p->o.timers, w->op->now_ms, left_ms);
}

/* A claim that is alive and has our finalizer. */
static errc tend(struct work *w, struct reconcile_result *out, struct err *e)
{
    bool deleted = false, whole = false;
    int64_t left;

    TRY(deleted_otherwise(w, &deleted, out, e));
    if (deleted)
        return ERR_OK;
    TRY(replace(w, &whole, out, e));
    if (!whole)
        return ERR_OK;
    const char *late = overdue(w, &left);

    if (late)
        return streq(late, LAUNCH_TIMEOUT) ? replace_launch(w, out, e) : replace_begin(w, late, e);     /* the watch brings us back */
    out->requeue_after_ms = sooner_ms(out->requeue_after_ms, left);
    if (w->p->o.node_repair)
        TRY(repair(w, &deleted, out, e));
    if (w->p->o.drift && !deleted)
        TRY(drift(w, &deleted, out, e));
    return deleted ? ERR_OK : advance(w, out, e);
}

static bool is_somebody_elses(const struct work *w)
{
    const char *who = kube_annotation(w->object, PROVISIONER_ANNOTATION);

    return who && !streq(who, w->p->o.name);
}

/* Nothing is made in the cloud before the finalizer is stored, and with it whose claim it is: of several provisioners one gets it. */
static errc take(struct work *w, struct err *e)
{
    json_t *copy = json_clone(w->object), *patch = json_object(), *meta = json_sub(patch, "metadata");

    kube_add_finalizer(copy, CLAIM_FINALIZER);
    json_put(meta, "finalizers", json_incref(json_at(copy, "metadata", "finalizers", NULL)));
    json_decref(copy);
    if (str_set(w->p->o.name))
        json_put_str(json_sub(meta, "annotations"), PROVISIONER_ANNOTATION, w->p->o.name);
    TRY(claim_patch(w, NULL, patch, e));
    w->taken = true;
    return schema_decode(&node_claim_type, w->object, w->op->arena, &w->claim, e);
}

/* kube-apiserver takes away a claim that gets its finalizer while it is being deleted; so does who strikes the finalizer off. */
static errc after_claim(struct provisioner *p, const char *name, struct reconcile_result *out, struct err *e)
{
    bool held;

    if (claim_is_lost(p, name))
        TRY(ask_end(p, name, LOST_RETRY_MAX_MS, &out->requeue_after_ms, &held, e));
    if (out->requeue_after_ms == 0)
        forget_claim(p, name);
    return ERR_OK;
}

static errc reconcile(void *self, struct op *op, const struct key *key, struct reconcile_result *out, struct err *e)
{
    struct work w = { .p = self, .op = op };

    w.object = informer_get(w.p->claims, "", key->name);
    if (!w.object) {
        behind_forget(w.p->behind, key);
        return after_claim(w.p, key->name, out, e);
    }
    json_arena_own(op->arena, w.object);
    if (behind_is(w.p->behind, key, kube_resource_version(w.object)))
        return ERR_OK;                  /* the event of our own write wakes this key again */
    TRY(schema_decode(&node_claim_type, w.object, op->arena, &w.claim, e));
    if (!claim_is_ours(&w.claim, w.p->o.class_group) || is_somebody_elses(&w))
        return ERR_OK;
    w.nodes = claim_nodes(&w);
    if (w.claim.meta.deleted_us)
        return finalize(&w, out, e);
    if (!kube_has_finalizer(w.object, CLAIM_FINALIZER))
        TRY(take(&w, e));
    return tend(&w, out, e);
}

/* ---- composition --------------------------------------------------------------------------------------------------------- */

static void on_node(void *self, const json_t *node, struct workq *q)
{
    struct provisioner *p = self;
    AUTO_JSON list = informer_list_field(p->claims, ".status.providerID", json_str_at(node, "spec", "providerID", NULL));
    const json_t *claim, *owner;
    size_t i;

    json_array_foreach(json_at(node, "metadata", "ownerReferences", NULL), i, owner)
        if (streq(json_cstr(owner, "kind"), p->kind->kind) && json_cstr(owner, "name"))
            workq_add(q, KEY("", json_cstr(owner, "name")));
    if (p->cloud->node_label && kube_label(node, p->cloud->node_label))
        workq_add(q, KEY("", kube_label(node, p->cloud->node_label)));
    json_array_foreach(list, i, claim)
        workq_add(q, KEY("", kube_name(claim)));
}

/* What a kubelet tells about its machine is half of a Node, and nothing of it is looked at here. */
static json_t *slim_node(json_t *obj)
{
    static const char *const unused[] = { "images", "nodeInfo", "addresses", "daemonEndpoints", "config", "volumesInUse", "volumesAttached", "runtimeHandlers", "features" };
    json_t *status = json_object_get(obj, "status");

    for (size_t i = 0; i < ARRAY_LEN(unused); i++)
        json_object_del(status, unused[i]);
    return obj;
}

/* Of a pod the drain needs where it runs, how it may be ended, and whether it has. */
static json_t *slim_pod(json_t *obj)
{
    static const char *const spec_keys[] = { "nodeName", "tolerations", "priorityClassName", "terminationGracePeriodSeconds" };
    static const char *const meta_keys[] = { "labels", "generateName", "managedFields" };
    json_t *spec = json_object_get(obj, "spec"), *slim = json_object(), *v;
    const char *phase = json_str_at(obj, "status", "phase", NULL);
    size_t i;

    for (i = 0; i < ARRAY_LEN(spec_keys); i++)
        if (json_object_get(spec, spec_keys[i]))
            json_put(slim, spec_keys[i], json_incref(json_object_get(spec, spec_keys[i])));
    json_array_foreach(json_object_get(spec, "volumes"), i, v)
        if (json_object_get(v, "persistentVolumeClaim")) {
            json_t *list = json_object_get(slim, "volumes");

            if (!list)
                json_put(slim, "volumes", list = json_array());
            json_array_append(list, v);
        }
    json_put(obj, "spec", slim);
    json_put(obj, "status", phase ? json_pack("{s:s}", "phase", phase) : json_object());
    for (i = 0; i < ARRAY_LEN(meta_keys); i++)
        json_object_del(json_object_get(obj, "metadata"), meta_keys[i]);
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

static errc choose_kind(struct provisioner *p, struct err *e)
{
    struct claim_kinds_seen seen;

    TRY(claim_kinds_see(p->client, &seen, e));
    p->kind = claim_kind_choice(&seen);
    if (p->kind)
        return ERR_OK;
    p->kind = &claim_kind_node_claim;
    return p->o.install_crds ? install(p->client, e) : ERR_OK;
}

/* Nobody looked since the last leader fell silent. */
static void doubtful_first(void *self, struct controller *c)
{
    const struct provisioner *p = self;
    AUTO_JSON claims = informer_list(p->claims, NULL, NULL);
    AUTO_MEM const char **names = claims_by_doubt(claims);

    for (size_t i = json_array_size(claims); i-- > 0;)
        controller_enqueue_first(c, KEY("", names[i]));
}

static void watch_all(struct provisioner *p)
{
    p->informers = informers_new(p->client);
    p->claims = informers_get(p->informers, &(struct informer_opts){ .gvr = p->kind->gvr, .transform = *p->kind->prefix ? machine_read : NULL, .compact = true });
    p->nodes = informers_get(p->informers, &(struct informer_opts){ .gvr = { "", "v1", "nodes" }, .transform = slim_node, .compact = true });
    p->pods = informers_get(p->informers, &(struct informer_opts){ .gvr = { "", "v1", "pods" }, .transform = slim_pod, .compact = true });
    p->controller = controller_new(&(struct controller_opts){ .name = "nodeclaim.lifecycle", .workers = p->o.workers > 0 ? (unsigned)p->o.workers : 4,
                                                              .reconcile = reconcile, .begins = doubtful_first, .self = p });
    controller_watch(p->controller, p->claims);
    controller_watch_map(p->controller, p->nodes, on_node, p);
}

errc provisioner_start(struct kube_client *client, const struct provisioner_opts *o, struct cancel *cancel, struct provisioner **out, struct err *e)
{
    struct provisioner *p = xmalloc(sizeof *p);

    *p = (struct provisioner){ .client = client, .cloud = o->cloud, .cancel = cancel, .o = *o, .behind = behind_new(), .holds = map_new(free), .failing = map_new(free), .types = map_new(free), .lost = map_new(free),
                                .noticed = map_new(free) };
    mutex_init(&p->mu);
    claim_timers_fill(&p->o.timers);
    p->metrics = metrics_new();
    errc rc = choose_kind(p, e);

    if (rc) {
        provisioner_join(p);
        return rc;
    }
    p->recorder = recorder_new(client, "kaito-provisioner", NULL);
    watch_all(p);
    informers_start(p->informers, cancel);
    log_info("provisioner", "provisioner started", KV("server", kube_client_server(client)), KV("cloud", o->cloud->name), KV("objects", p->kind->gvr.resource));
    if (!o->wait_to_lead)
        provisioner_lead(p);
    *out = p;
    return ERR_OK;
}

void provisioner_lead(struct provisioner *p)
{
    controller_start(p->controller, p->cancel);
    if (p->o.collect != COLLECT_OFF)
        p->collector = collector_start(p, p->cancel);
    log_info("provisioner", "provisioner leads", KV("cloud", p->cloud->name));
}

void provisioner_idle(struct provisioner *p, struct cancel *cancel)
{
    uint64_t trimmed = UINT64_MAX, before = 0;
    struct controller_stats s;

    for (bool first = true; !cancel_wait_ms(cancel, TRIM_MS); first = false) {
        controller_stats(p->controller, &s);
        if (!first && s.reconciles == before && s.reconciles != trimmed) {
            malloc_trim(0);
            trimmed = s.reconciles;
        }
        before = s.reconciles;
    }
}

bool provisioner_ready(const struct provisioner *p)
{
    return informer_synced(p->claims) && informer_synced(p->nodes) && informer_synced(p->pods);
}

/* Claims by the stage that they have reached, and how long the oldest has been on its way. */
static void write_gauges(struct provisioner *p, struct buf *out)
{
    static const char *const stages[] = { "Initialized", "Registered", "Launched", "Pending", "Deleting" };
    AUTO_JSON claims = informer_list(p->claims, NULL, NULL);
    size_t count[ARRAY_LEN(stages)] = { 0 }, i, s;
    int64_t oldest_ms = 0, now = clock_wall_ms();
    const json_t *c;

    json_array_foreach(claims, i, c) {
        for (s = 0; s < 3 && !kube_condition_is(c, stages[s], "True"); s++)
            ;
        s = kube_deleting(c) ? 4 : s;
        count[s]++;
        if (s > 0 && now - kube_created_ms(c) > oldest_ms)
            oldest_ms = now - kube_created_ms(c);
    }
    buf_adds(out, "# HELP kaito_provisioner_claims Claims by stage.\n# TYPE kaito_provisioner_claims gauge\n");
    for (s = 0; s < ARRAY_LEN(stages); s++)
        buf_addf(out, "kaito_provisioner_claims{stage=\"%s\"} %zu\n", stages[s], count[s]);
    buf_addf(out, "# HELP kaito_provisioner_oldest_unready_claim_seconds Age of the oldest claim that is not Initialized.\n"
                  "# TYPE kaito_provisioner_oldest_unready_claim_seconds gauge\nkaito_provisioner_oldest_unready_claim_seconds %lld\n"
                  "# HELP karpenter_build_info A metric with a constant '1' value.\n# TYPE karpenter_build_info gauge\n"
                  "karpenter_build_info{version=\"" KAITO_VERSION "\"} 1\n", (long long)(oldest_ms / 1000));
}

void provisioner_metrics(struct provisioner *p, struct buf *out)
{
    write_gauges(p, out);
    metrics_write(p->metrics, out);
    controller_metrics(p->controller, out);
    kube_client_metrics(p->client, out);
}

void provisioner_join(struct provisioner *p)
{
    if (!p)
        return;
    collector_join(p->collector);
    if (p->informers)
        informers_join(p->informers);
    if (p->controller)
        controller_join(p->controller);
    informers_free(p->informers);
    controller_free(p->controller);
    recorder_free(p->recorder);
    metrics_free(p->metrics);
    behind_free(p->behind);
    map_free(p->holds);
    map_free(p->failing);
    map_free(p->types);
    map_free(p->lost);
    map_free(p->noticed);
    mutex_done(&p->mu);
    free(p);
}
