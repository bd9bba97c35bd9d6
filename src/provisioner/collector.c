/* The thread that runs the collectors (collect.h): lists, asks again about each orphan that is due, then deletes it or says that it would. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/meta.h"
#include "provisioner/collect.h"
#include "provisioner/priv.h"

#define ROUND_MAX 20                    /* deletions in one round */

struct collector {
    struct provisioner *p;
    struct cancel *cancel;
    struct thread thread;
    struct map *seen;                   /* the thread's */
};

struct lists { struct cloud_instances instances; json_t *claims, *nodes; };

static void lists_done(struct lists *l)
{
    cloud_instances_done(&l->instances);
    json_decref(l->claims);
    json_decref(l->nodes);
}

static errc list_claims(struct kube_client *client, const struct claim_kind *k, json_t **out, struct err *e)
{
    json_t *c;
    size_t i;

    if (kube_list_all(client, &k->gvr, NULL, &(struct kube_list_opts){ 0 }, out, e))
        return err_wrap(e, "list %s", k->gvr.resource);
    json_array_foreach(*out, i, c)
        claim_kind_in(k, c);
    return ERR_OK;
}

/* The cloud first: a claim that comes in between has its machine missing, never a machine its claim. */
static errc take_lists(struct provisioner *p, struct lists *l, struct err *e)
{
    if (ask_list(p, &l->instances, e))
        return err_wrap(e, "list the machines of the %s cloud", p->cloud->name);
    TRY(list_claims(p->client, p->kind, &l->claims, e));
    if (kube_list_all(p->client, &nodes_gvr, NULL, &(struct kube_list_opts){ 0 }, &l->nodes, e))
        return err_wrap(e, "list nodes");
    return ERR_OK;
}

static errc delete_machine(struct provisioner *p, const struct orphan *o, struct err *e)
{
    AUTO_JSON claim = NULL;
    int64_t look_ms;
    errc rc = kube_get(p->client, &p->kind->gvr, NULL, o->name, &claim, e);

    if (rc != ERR_NOT_FOUND)
        return rc;                      /* it came meanwhile, or cannot be asked about */
    return ask_delete(p, o->name, &look_ms, e);
}

static errc delete_claim(struct provisioner *p, const struct orphan *o, struct err *e)
{
    struct cloud_instance found = { 0 };
    errc rc = ask_get(p, o->name, &found, e);

    cloud_instance_done(&found);
    if (rc != ERR_NOT_FOUND)
        return rc;
    metrics_add(p->metrics, "karpenter_nodeclaims_disrupted_total", "reason=\"garbage_collected\",nodepool=\"\",capacity_type=\"\"");
    rc = kube_delete(p->client, &p->kind->gvr, NULL, o->name, NULL, e);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static errc delete_node(struct provisioner *p, const struct orphan *o, struct err *e)
{
    AUTO_JSON node = NULL;
    errc rc = kube_get(p->client, &nodes_gvr, NULL, o->name, &node, e);

    if (rc)
        return rc == ERR_NOT_FOUND ? ERR_OK : rc;
    return node_release(p, node, e);
}

static void collect_one(struct collector *c, const struct orphan *o)
{
    static errc (*const delete_of[ORPHAN_KINDS])(struct provisioner *, const struct orphan *, struct err *) = {
        [ORPHAN_MACHINE] = delete_machine, [ORPHAN_CLAIM] = delete_claim, [ORPHAN_NODE] = delete_node,
    };
    const char *kind = orphan_kind_name(o->kind);
    bool dry = c->p->o.collect == COLLECT_DRY_RUN;
    struct err e;

    log_warn("provisioner", dry ? "would delete what is left over (dry run)" : "deletes what is left over", KV("kind", kind), KV("name", o->name),
             KV("provider_id", o->provider_id ? o->provider_id : ""));
    metrics_add(c->p->metrics, "kaito_provisioner_collected_total", "kind=\"%s\",dry_run=\"%s\"", kind, dry ? "true" : "false");
    if (!dry && delete_of[o->kind](c->p, o, &e))
        log_warn("provisioner", "what is left over stays for now", KV("kind", kind), KV("name", o->name), KV("err", e.text));
}

static void collect(struct collector *c)
{
    AUTO(lists_done) struct lists l = { 0 };
    AUTO(orphans_done) struct orphans found = { 0 };
    size_t done = 0;
    struct err e;

    if (take_lists(c->p, &l, &e)) {
        log_warn("provisioner", "a round of the collectors is left out", KV("err", e.text));
        return;
    }
    collect_plan(&(struct collect_view){ .instances = &l.instances, .claims = l.claims, .nodes = l.nodes, .node_label = c->p->cloud->node_label,
                                         .class_group = c->p->o.class_group, .now_ms = clock_mono_ms(), .wall_ms = clock_wall_ms(), .grace_ms = c->p->o.timers.collect_grace_ms },
                 c->seen, &found);
    for (size_t i = 0; i < found.n && done < ROUND_MAX && !cancel_is(c->cancel); i++)
        if (found.items[i].due) {
            collect_one(c, &found.items[i]);
            done++;
        }
}

/* Who serves legacy Machines ends when NodeClaims are asked for by now: it would never see one. */
static void look_at_kind(struct collector *c)
{
    struct err e;

    if (c->p->kind != &claim_kind_machine || claim_kind_holds(c->p->client, c->p->kind, &e) != ERR_CANCELLED || cancel_is(c->cancel))
        return;
    log_warn("provisioner", "this provisioner ends, to serve the others once it is started again", KV("why", e.text));
    cancel_now(c->cancel);
}

static void run(void *arg)
{
    struct collector *c = arg;

    while (!cancel_wait_ms(c->cancel, c->p->o.timers.collect_ms)) {
        look_at_kind(c);
        collect(c);
    }
}

struct collector *collector_start(struct provisioner *p, struct cancel *cancel)
{
    struct collector *c = xmalloc(sizeof *c);

    *c = (struct collector){ .p = p, .cancel = cancel, .seen = map_new(free) };
    thread_start_sized(&c->thread, "collector", 512 << 10, run, c);
    return c;
}

void collector_join(struct collector *c)
{
    if (!c)
        return;
    thread_join(&c->thread);
    map_free(c->seen);
    free(c);
}

static json_t *orphan_json(const struct orphan *o)
{
    static const char *const next[ORPHAN_KINDS] = {
        [ORPHAN_MACHINE] = "the cloud would be asked to delete it", [ORPHAN_CLAIM] = "the claim would be deleted, its owner makes another",
        [ORPHAN_NODE] = "the Node object would be deleted",
    };
    json_t *j = json_pack("{s:s, s:s, s:s}", "kind", orphan_kind_name(o->kind), "name", o->name, "next", next[o->kind]);

    json_put_str(j, "providerID", o->provider_id);
    if (o->age_ms >= 0)
        json_put_int(j, "ageSeconds", o->age_ms / 1000);
    return j;
}

errc provisioner_orphans(struct kube_client *client, struct cloud *cloud, const char *class_group, json_t **out, struct err *e)
{
    AUTO(lists_done) struct lists l = { 0 };
    AUTO(orphans_done) struct orphans found = { 0 };
    AUTO_FREE(map) seen = map_new(free);
    struct claim_kinds_seen kinds;

    TRY(claim_kinds_see(client, &kinds, e));
    const struct claim_kind *kind = claim_kind_choice(&kinds);

    if (cloud->list(cloud->self, &l.instances, e))
        return err_wrap(e, "list the machines of the %s cloud", cloud->name);
    TRY(list_claims(client, kind ? kind : &claim_kind_node_claim, &l.claims, e));
    TRY(kube_list_all(client, &nodes_gvr, NULL, &(struct kube_list_opts){ 0 }, &l.nodes, e));
    collect_plan(&(struct collect_view){ .instances = &l.instances, .claims = l.claims, .nodes = l.nodes, .node_label = cloud->node_label,
                                         .class_group = class_group, .now_ms = clock_mono_ms(), .wall_ms = clock_wall_ms() }, seen, &found);
    *out = json_array();
    for (size_t i = 0; i < found.n; i++)
        json_push(*out, orphan_json(&found.items[i]));
    return ERR_OK;
}
