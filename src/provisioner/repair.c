/*
 * Node repair: a claim whose Node is not ready for too long is deleted, its owner writes another. Two brakes: one repair at a time (a pause
 * in between), and none while more than half of the Nodes are not ready, which is a matter of the network or of the API, not of a Node.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/meta.h"
#include "provisioner/priv.h"

#define UNHEALTHY "NodeUnhealthy"

static void count_nodes(struct provisioner *p, size_t *nodes, size_t *unready)
{
    AUTO_JSON all = informer_list(p->nodes, NULL, NULL);
    const json_t *node;
    size_t i;

    json_array_foreach(all, i, node) {
        if (!kube_has_finalizer(node, CLAIM_FINALIZER))
            continue;
        ++*nodes;
        *unready += !kube_condition_is(node, "Ready", "True");
    }
}

int64_t disruption_turn_ms(struct provisioner *p)
{
    LOCK_SCOPE(&p->mu);
    int64_t now = clock_mono_ms(), left = p->repaired_ms && p->o.timers.repair_pause_ms > 0 ? p->repaired_ms + p->o.timers.repair_pause_ms - now : 0;

    if (left > 0)
        return left;
    p->repaired_ms = now;
    return 0;
}

/* What could not be begun does not count. */
static void give_turn_back(struct provisioner *p)
{
    LOCK_SCOPE(&p->mu);
    p->repaired_ms = 0;
}

static errc begin(struct work *w, const json_t *node, struct err *e)
{
    const char *status = json_cstr(kube_condition(node, "Ready"), "status");
    char now[TIME_TEXT_MAX];

    time_rfc3339(w->op->now_ms, now);
    AUTO_MEM char *text = xasprintf("Node %s has Ready=%s for too long: the claim is deleted", kube_name(node), status);

    recorder_event(w->p->recorder, w->object, EVENT_WARNING, UNHEALTHY, "%s", text);
    log_warn("provisioner", "a Node is given up", KV("name", kube_name(w->object)), KV("node", kube_name(node)), KV("ready", status));
    metrics_add(w->p->metrics, "karpenter_nodeclaims_unhealthy_disrupted_total", "condition=\"Ready\",nodepool=\"%s\",capacity_type=\"\"", claim_pool(w->object));
    metrics_add(w->p->metrics, "karpenter_nodeclaims_disrupted_total", "reason=\"unhealthy\",nodepool=\"%s\",capacity_type=\"\"", claim_pool(w->object));
    /* its kubelet cannot end pods any more: nothing is waited for */
    TRY(claim_annotate(w, TERMINATION_ANNOTATION, now, e));
    return claim_disrupt(w, UNHEALTHY, text, e);
}

errc repair(struct work *w, bool *out_deleted, struct reconcile_result *out, struct err *e)
{
    const json_t *node = json_array_size(w->nodes) == 1 ? json_array_get(w->nodes, 0) : NULL;
    int64_t wait = node ? node_repair_wait_ms(node, &w->p->o.timers, w->op->now_ms) : -1;
    size_t nodes = 0, unready = 0;

    *out_deleted = false;
    if (wait < 0 || !kube_condition_is(w->object, "Initialized", "True"))
        return ERR_OK;
    if (wait == 0) {
        count_nodes(w->p, &nodes, &unready);
        wait = node_repair_is_braked(nodes, unready) ? w->p->o.timers.repair_ms : disruption_turn_ms(w->p);
    }
    if (wait > 0) {
        out->requeue_after_ms = sooner_ms(out->requeue_after_ms, wait);
        return ERR_OK;
    }
    *out_deleted = true;
    errc rc = begin(w, node, e);

    if (rc)
        give_turn_back(w->p);
    return rc;
}
