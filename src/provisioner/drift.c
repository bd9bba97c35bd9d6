/*
 * Behind the gate Drift, off by default (as upstream, which has it switched off): a claim whose Node drifted says so in the condition Drifted, and is
 * deleted, for its owner to write another, unless it is annotated do-not-disrupt (KAITO's claims are). One at a time, with the pause of repairs.
 */
#include "provisioner/drift.h"

#include "base/log.h"
#include "base/mem.h"
#include "kube/meta.h"
#include "provisioner/priv.h"

#define DRIFTED "Drifted"
#define DO_NOT_DISRUPT "karpenter.sh/do-not-disrupt"

static bool is_listed(const struct claim_requirement *r, const char *value)
{
    for (size_t i = 0; i < r->n_values; i++)
        if (str_ieq(r->values[i], str_of(value)))
            return true;
    return false;
}

static bool contradicts(const struct claim_requirement *r, const char *have)
{
    return (str_is(r->op, "In") && !is_listed(r, have)) || (str_is(r->op, "NotIn") && is_listed(r, have)) || str_is(r->op, "DoesNotExist");
}

bool claim_has_drifted(const struct node_claim *claim, const json_t *node, char **text)
{
    for (size_t i = 0; i < claim->spec.n_requirements; i++) {
        const struct claim_requirement *r = &claim->spec.requirements[i];
        AUTO_MEM char *key = xstrndup(r->key.p, r->key.n);
        const char *have = kube_label(node, key);

        if (!have || !contradicts(r, have))
            continue;
        *text = xasprintf("label %s of Node %s is %s, which spec.requirements does not allow", key, kube_name(node), have);
        return true;
    }
    return false;
}

static errc clear(struct work *w, struct err *e)
{
    json_t *keep = json_array(), *c;
    size_t i;

    json_array_foreach(json_at(w->object, "status", "conditions", NULL), i, c)
        if (!streq(json_cstr(c, "type"), DRIFTED))
            json_array_append(keep, c);
    return claim_patch(w, "status", json_pack("{s:{s:o}}", "status", "conditions", keep), e);
}

static errc give_up(struct work *w, const char *text, bool *out_deleted, struct reconcile_result *out, struct err *e)
{
    int64_t wait = streq(kube_annotation(w->object, DO_NOT_DISRUPT), "true") ? -1 : disruption_turn_ms(w->p);

    if (wait > 0)
        out->requeue_after_ms = sooner_ms(out->requeue_after_ms, wait);
    if (wait != 0)
        return ERR_OK;
    recorder_event(w->p->recorder, w->object, EVENT_NORMAL, DRIFTED, "%s: the claim is deleted", text);
    log_info("provisioner", "a claim that drifted is given up", KV("name", kube_name(w->object)), KV("why", text));
    metrics_add(w->p->metrics, "karpenter_nodeclaims_disrupted_total", "reason=\"drifted\",nodepool=\"%s\",capacity_type=\"\"", claim_pool(w->object));
    *out_deleted = true;
    return claim_disrupt(w, DRIFTED, text, e);
}

errc drift(struct work *w, bool *out_deleted, struct reconcile_result *out, struct err *e)
{
    const json_t *node = json_array_size(w->nodes) == 1 ? json_array_get(w->nodes, 0) : NULL;
    AUTO_MEM char *text = NULL;

    if (!node || !kube_condition_is(w->object, "Initialized", "True"))
        return ERR_OK;
    if (!claim_has_drifted(&w->claim, node, &text))
        return kube_condition(w->object, DRIFTED) ? clear(w, e) : ERR_OK;
    TRY(claim_tell(w, &(struct kube_condition){ DRIFTED, "True", "RequirementsDrifted", text, kube_generation(w->object) }, e));
    return give_up(w, text, out_deleted, out, e);
}
