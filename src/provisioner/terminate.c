/*
 * The end of a claim, each step derived from what is there, so that it goes on after a restart: no new pods, empty the Node, volumes
 * detached, the machine deleted and gone, the Node let go, our finalizer last. The cloud is asked by name even when no providerID was
 * stored. What is waited for is told in the conditions Drained, VolumesDetached and InstanceTerminating (upstream's types).
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/meta.h"
#include "provisioner/drain.h"
#include "provisioner/priv.h"
#include "provisioner/volumes.h"

#define LOOK_MS         1000            /* upstream's */
#define LOOK_LATER_MS   5000            /* once a deletion lasts for minutes */
#define LATER_MS        120000
#define RETRY_MAX_MS    60000

struct ending { struct work *w; int64_t deadline_ms; bool waits; };

static int64_t look_ms(const struct work *w)
{
    return w->op->now_ms - w->claim.meta.deleted_us / 1000 > LATER_MS ? LOOK_LATER_MS : LOOK_MS;
}

/* ---- no new pods ---- */

static json_t *taints_of_leaving(const json_t *node)
{
    json_t *have = json_at(node, "spec", "taints", NULL), *t, *out = json_array();
    size_t i;

    json_array_foreach(have, i, t) {
        if (streq(json_cstr(t, "key"), DISRUPTED_TAINT)) {
            json_decref(out);
            return NULL;
        }
        json_array_append(out, t);
    }
    json_push(out, json_pack("{s:s, s:s}", "key", DISRUPTED_TAINT, "effect", "NoSchedule"));
    return out;
}

static errc cordon(struct work *w, const json_t *node, struct err *e)
{
    json_t *taints = taints_of_leaving(node);

    if (!taints && json_flag(json_object_get(node, "spec"), "unschedulable", false))
        return ERR_OK;
    AUTO_JSON patch = json_pack("{s:{s:s, s:{s:s}}, s:{s:b}}", "metadata", "resourceVersion", kube_resource_version(node), "labels",
                                "node.kubernetes.io/exclude-from-external-load-balancers", "karpenter", "spec", "unschedulable", 1);
    if (taints)
        json_put(json_sub(patch, "spec"), "taints", taints);
    errc rc = kube_patch(w->p->client, &nodes_gvr, NULL, kube_name(node), NULL, KUBE_PATCH_MERGE, patch, NULL, e);

    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* ---- empty it ---- */

static bool is_budget(errc rc, const struct err *e)
{
    size_t at;

    return rc == ERR_THROTTLED || (rc == ERR_INTERNAL && str_find(str_of(e->text), STR("PodDisruptionBudget"), &at));
}

static void count_eviction(struct provisioner *p, errc rc)
{
    metrics_add(p->metrics, "karpenter_nodes_eviction_requests_total", "code=\"%d\"", rc ? err_http(rc) : 201);
    if (!rc)
        metrics_add(p->metrics, "karpenter_pods_drained_total", "reason=\"evicted\"");
}

/* *blocked: what a budget said, for the condition. */
static errc evict(struct work *w, const json_t *pod, struct buf *blocked, struct err *e)
{
    struct err why;
    errc rc = kube_evict(w->p->client, pod, &why);

    count_eviction(w->p, rc);
    if (!rc)
        recorder_event(w->p->recorder, pod, EVENT_NORMAL, "Evicted", "Evicted pod: the NodeClaim %s is deleted", kube_name(w->object));
    if (!rc || rc == ERR_NOT_FOUND || rc == ERR_CONFLICT)
        return ERR_OK;
    if (!is_budget(rc, &why))
        return err_set(e, rc, "evict pod %s/%s: %s", kube_namespace(pod), kube_name(pod), why.text);
    if (blocked->n == 0)
        buf_addf(blocked, "; pod %s/%s: %s", kube_namespace(pod), kube_name(pod), why.text);
    return ERR_OK;
}

static errc end_pod(struct work *w, const struct drain_pod *d, struct err *e)
{
    struct kube_delete_opts o = { .uid = kube_uid(d->pod), .has_grace = true, .grace_seconds = d->grace_s };
    errc rc = kube_delete(w->p->client, &pods_gvr, kube_namespace(d->pod), kube_name(d->pod), &o, e);

    if (!rc)
        metrics_add(w->p->metrics, "karpenter_pods_drained_total", "reason=\"deadline\"");
    return rc && rc != ERR_NOT_FOUND && rc != ERR_CONFLICT ? err_wrap(e, "delete pod %s/%s", kube_namespace(d->pod), kube_name(d->pod)) : ERR_OK;
}

static errc tell_drain(struct work *w, const json_t *node, const struct drain *d, const char *blocked, struct err *e)
{
    AUTO_MEM char *text = xasprintf("%zu pods of this turn are still on Node %s, first %s/%s%s", d->n, kube_name(node), kube_namespace(d->items[0].pod),
                                    kube_name(d->items[0].pod), blocked);

    if (str_set(blocked))
        recorder_event(w->p->recorder, node, EVENT_WARNING, "FailedDraining", "Failed to drain node%s", blocked);
    return claim_tell(w, &(struct kube_condition){ "Drained", "Unknown", "Draining", text, kube_generation(w->object) }, e);
}

/* New reference. */
static json_t *pods_of_node(struct provisioner *p, const char *node)
{
    return informer_list_field(p->pods, ".spec.nodeName", node);
}

/* One budget, or one pod that cannot be evicted, does not hold up the others. */
static errc drain(struct ending *x, const json_t *node, struct err *e)
{
    AUTO_JSON pods = pods_of_node(x->w->p, kube_name(node));
    AUTO(drain_done) struct drain d = { 0 };
    AUTO_BUF blocked = { 0 };
    errc rc = ERR_OK, one;

    drain_plan(pods, x->w->op->now_ms, x->deadline_ms, &d);
    for (size_t i = 0; i < d.n; i++) {
        one = d.items[i].step == DRAIN_EVICT ? evict(x->w, d.items[i].pod, &blocked, e) : d.items[i].step == DRAIN_DELETE ? end_pod(x->w, &d.items[i], e) : ERR_OK;
        rc = one ? one : rc;
    }
    if (d.n == 0)
        return ERR_OK;
    x->waits = true;
    TRY(tell_drain(x->w, node, &d, buf_cstr(&blocked), rc ? NULL : e));
    return rc;
}

static errc detach(struct ending *x, const json_t *node, struct err *e)
{
    AUTO_JSON pods = pods_of_node(x->w->p, kube_name(node));
    AUTO_MEM char *volume = NULL;

    if (x->deadline_ms && x->w->op->now_ms >= x->deadline_ms)
        return ERR_OK;
    TRY(volume_still_attached(x->w->p->client, kube_name(node), pods, x->w->op->now_ms, &volume, e));
    if (!volume)
        return ERR_OK;
    AUTO_MEM char *text = xasprintf("volume %s is still attached to Node %s", volume, kube_name(node));

    x->waits = true;
    recorder_event(x->w->p->recorder, node, EVENT_NORMAL, "AwaitingVolumeDetachment", "%s", text);
    return claim_tell(x->w, &(struct kube_condition){ "VolumesDetached", "Unknown", "AwaitingVolumeDetachment", text, kube_generation(x->w->object) }, e);
}

static errc settle(struct work *w, const char *type, struct err *e)
{
    return kube_condition(w->object, type) ? claim_tell(w, &(struct kube_condition){ type, "True", type, "", kube_generation(w->object) }, e) : ERR_OK;
}

/* A machine that is gone needs no emptying. Asked only when the Node does not answer. */
static bool machine_is_gone(struct work *w)
{
    struct cloud_instance found = { 0 };
    struct err ignored;
    const json_t *node;
    size_t i;

    json_array_foreach(w->nodes, i, node)
        if (kube_condition_is(node, "Ready", "True"))
            return false;
    errc rc = json_array_size(w->nodes) ? ask_get(w->p, kube_name(w->object), &found, &ignored) : ERR_OK;

    cloud_instance_done(&found);
    return rc == ERR_NOT_FOUND;
}

static errc empty_nodes(struct ending *x, struct err *e)
{
    const json_t *node;
    size_t i;

    if (machine_is_gone(x->w))
        return ERR_OK;
    json_array_foreach(x->w->nodes, i, node)
        TRY(cordon(x->w, node, e));
    json_array_foreach(x->w->nodes, i, node)
        TRY(drain(x, node, e));
    if (x->waits)
        return ERR_OK;
    TRY(settle(x->w, "Drained", e));
    json_array_foreach(x->w->nodes, i, node)
        TRY(detach(x, node, e));
    return x->waits ? ERR_OK : settle(x->w, "VolumesDetached", e);
}

/* ---- the machine, the Node, the claim ---- */

/* Its kubelet is gone: nobody else would ever say that these pods have ended. */
static errc force_out(struct provisioner *p, const char *node, struct err *e)
{
    AUTO_JSON pods = pods_of_node(p, node);
    const json_t *pod;
    size_t i;

    json_array_foreach(pods, i, pod) {
        if (!kube_deleting(pod))
            continue;
        errc rc = kube_delete(p->client, &pods_gvr, kube_namespace(pod), kube_name(pod), &(struct kube_delete_opts){ .uid = kube_uid(pod), .has_grace = true }, e);

        if (rc && rc != ERR_NOT_FOUND)
            return err_wrap(e, "delete pod %s/%s", kube_namespace(pod), kube_name(pod));
    }
    return ERR_OK;
}

static void count_node(struct provisioner *p, const json_t *node)
{
    const char *pool = kube_label(node, NODEPOOL_LABEL) ? kube_label(node, NODEPOOL_LABEL) : "";
    int64_t begun = kube_time_ms(json_str_at(node, "metadata", "deletionTimestamp", NULL)), now = clock_wall_ms();

    metrics_add(p->metrics, "karpenter_nodes_terminated_total", "nodepool=\"%s\"", pool);
    metrics_add(p->metrics, "karpenter_nodes_drained_total", "nodepool=\"%s\"", pool);
    metrics_observe(p->metrics, "karpenter_nodes_lifetime_duration_seconds", (double)(now - kube_created_ms(node)) / 1000, "nodepool=\"%s\"", pool);
    if (begun)
        metrics_observe(p->metrics, "karpenter_nodes_termination_duration_seconds", (double)(now - begun) / 1000, "nodepool=\"%s\"", pool);
}

errc node_release(struct provisioner *p, const json_t *node, struct err *e)
{
    AUTO_JSON now = NULL;

    TRY(force_out(p, kube_name(node), e));
    errc rc = kube_delete(p->client, &nodes_gvr, NULL, kube_name(node), &(struct kube_delete_opts){ .uid = kube_uid(node) }, e);

    if (rc && rc != ERR_NOT_FOUND)         /* a conflict may mean another Node of this name, or anything else: read again */
        return err_wrap(e, "delete Node %s", kube_name(node));
    if (!kube_has_finalizer(node, CLAIM_FINALIZER))
        return ERR_OK;
    rc = kube_get(p->client, &nodes_gvr, NULL, kube_name(node), &now, e);       /* other finalizers may have come or gone */
    if (rc || !streq(kube_uid(now), kube_uid(node)))
        return rc == ERR_NOT_FOUND ? ERR_OK : rc;
    if (!kube_del_finalizer(now, CLAIM_FINALIZER))
        return ERR_OK;
    json_t *list = json_at(now, "metadata", "finalizers", NULL);
    AUTO_JSON patch = json_pack("{s:{s:s, s:o}}", "metadata", "resourceVersion", kube_resource_version(now), "finalizers", list ? json_incref(list) : json_null());

    rc = kube_patch(p->client, &nodes_gvr, NULL, kube_name(node), NULL, KUBE_PATCH_MERGE, patch, NULL, e);
    if (!rc)
        count_node(p, node);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static void alarm_late(struct work *w, const char *what)
{
    int64_t lasts = w->op->now_ms - w->claim.meta.deleted_us / 1000;

    if (w->p->o.timers.alarm_ms < 0 || lasts < w->p->o.timers.alarm_ms)
        return;
    recorder_event(w->p->recorder, w->object, EVENT_WARNING, "TerminationTakesLong", "being deleted for %lld minutes, and still costs money: %s",
                   (long long)(lasts / 60000), what);
}

/* The machine of that name is somebody else's: it was never ours to make, so it is not ours to delete. */
static bool is_foreign(const json_t *claim)
{
    const json_t *launched = kube_condition(claim, "Launched");

    return streq(json_cstr(launched, "status"), "False") && streq(json_cstr(launched, "reason"), cloud_fault_row(FAULT_NOT_OURS)->reason);
}

/* Somebody deletes the Node, most likely because its machine is gone: the cloud is asked now. A Node that was deleted from the start says nothing. */
static void notice_end(struct work *w)
{
    AUTO_MEM char *key = end_key(kube_name(w->object));
    const json_t *node;
    size_t i;

    json_array_foreach(w->nodes, i, node)
        if (kube_deleting(node))
            notice(w->p, key);
}

static errc tell_end(struct work *w, const struct kube_condition *going, struct err *e)
{
    AUTO_MEM char *key = end_key(kube_name(w->object));
    errc rc = claim_tell(w, going, e);

    if (rc)
        hold_briefly(w->p, key);
    return rc;
}

/* The cloud is left alone, because of a deletion that was asked for before the claim was deleted: nothing has been told yet. */
static errc tell_wait(struct work *w, struct err *e)
{
    if (kube_condition(w->object, "InstanceTerminating"))
        return ERR_OK;
    return claim_tell(w, &(struct kube_condition){ "InstanceTerminating", "Unknown", "AwaitingInstanceTermination", "the machine was given up before, and is deleted already",
                                                   kube_generation(w->object) }, e);
}

static errc delete_machine(struct work *w, struct reconcile_result *out, struct err *e)
{
    if (is_foreign(w->object))
        return ERR_OK;
    notice_end(w);
    struct kube_condition going = { "InstanceTerminating", "True", "InstanceTerminating", "", kube_generation(w->object) };
    struct err why;
    bool held;
    errc rc = ask_end(w->p, kube_name(w->object), RETRY_MAX_MS, &out->requeue_after_ms, &held, &why);

    if (held)
        return tell_wait(w, e);
    if (!rc && out->requeue_after_ms == 0)
        return ERR_OK;
    if (rc == ERR_CANCELLED) {          /* we stop, or lead no more: that says nothing about the claim */
        *e = why;
        return rc;
    }
    if (rc)
        going = (struct kube_condition){ "InstanceTerminating", "Unknown", "InstanceTerminationFailed", why.text, going.generation };
    alarm_late(w, rc ? why.text : "the cloud still deletes the machine");
    TRY(tell_end(w, &going, e));
    return rc ? err_set(e, rc, "delete the machine of %s: %s", kube_name(w->object), why.text) : ERR_OK;
}

static errc note_deadline(struct ending *x, struct err *e)
{
    struct work *w = x->w;
    char text[TIME_TEXT_MAX];

    x->deadline_ms = claim_drain_deadline_ms(&w->claim, w->object, &w->p->o.timers);
    if (str_empty(w->claim.spec.termination_grace_period) || kube_annotation(w->object, TERMINATION_ANNOTATION))
        return ERR_OK;
    time_rfc3339(x->deadline_ms, text);
    recorder_event(w->p->recorder, w->object, EVENT_WARNING, "TerminationGracePeriodExpiring", "All pods will be deleted by %s", text);
    return claim_annotate(w, TERMINATION_ANNOTATION, text, e);
}

static void count_end(struct work *w)
{
    double lasted = (double)(clock_wall_ms() - w->claim.meta.deleted_us / 1000) / 1000;

    metrics_add(w->p->metrics, "karpenter_nodeclaims_terminated_total", "nodepool=\"%s\",capacity_type=\"\"", claim_pool(w->object));
    metrics_observe(w->p->metrics, "karpenter_nodeclaims_termination_duration_seconds", lasted, "nodepool=\"%s\"", claim_pool(w->object));
    metrics_observe(w->p->metrics, "karpenter_nodeclaims_instance_termination_duration_seconds", lasted, "nodepool=\"%s\"", claim_pool(w->object));
}

errc finalize(struct work *w, struct reconcile_result *out, struct err *e)
{
    struct ending x = { .w = w };
    const json_t *node;
    size_t i;

    if (!kube_has_finalizer(w->object, CLAIM_FINALIZER))
        return ERR_OK;
    TRY(note_deadline(&x, e));
    TRY(empty_nodes(&x, e));
    if (x.waits) {
        out->requeue_after_ms = look_ms(w);
        alarm_late(w, "its Node is not empty yet");
        return ERR_OK;
    }
    TRY(delete_machine(w, out, e));
    if (out->requeue_after_ms > 0)
        return ERR_OK;
    json_array_foreach(w->nodes, i, node)
        TRY(node_release(w->p, node, e));
    errc rc = claim_set_finalizer(w, false, e);

    if (!rc)
        count_end(w);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}
