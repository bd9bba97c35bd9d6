#include "provisioner/collect.h"

#include "base/mem.h"
#include "kube/meta.h"
#include "provisioner/lifecycle.h"

static const char *const kind_names[ORPHAN_KINDS] = { [ORPHAN_MACHINE] = "Machine", [ORPHAN_CLAIM] = "NodeClaim", [ORPHAN_NODE] = "Node" };

const char *orphan_kind_name(enum orphan_kind k)
{
    return kind_names[k];
}

void orphans_done(struct orphans *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->items[i].name);
        free(l->items[i].provider_id);
    }
    free(l->items);
    *l = (struct orphans){ 0 };
}

struct round {
    const struct collect_view *v;
    struct map *seen, *sighted;         /* sighted: those of this round */
    struct map *claims, *instances;     /* by the claim's name; borrowed values */
    struct orphans *out;
};

static void add(struct round *r, enum orphan_kind kind, const char *name, const char *provider_id, int64_t created_ms)
{
    AUTO_MEM char *key = xasprintf("%s/%s", kind_names[kind], name);
    const int64_t *had = map_get(r->seen, str_of(key));
    int64_t *first = xmalloc(sizeof *first);

    *first = had ? *had : r->v->now_ms;
    vec_grow(r->out->items, r->out->n, r->out->cap);
    r->out->items[r->out->n++] = (struct orphan){
        .kind = kind, .name = xstrdup(name), .provider_id = xstrdup(provider_id), .age_ms = created_ms ? r->v->wall_ms - created_ms : -1,
        .due = had && r->v->now_ms - *first >= r->v->grace_ms,
    };
    map_put(r->sighted, str_of(key), first);
}

static void find_machines(struct round *r)
{
    for (size_t i = 0; i < r->v->instances->n; i++) {
        const struct cloud_instance *m = &r->v->instances->items[i];

        if (m->claim && m->state != CLOUD_DELETING && !map_get(r->claims, str_of(m->claim)))
            add(r, ORPHAN_MACHINE, m->claim, m->provider_id, m->created_ms);
    }
}

static bool has_machine(const struct round *r, const char *claim)
{
    const struct cloud_instance *m = map_get(r->instances, str_of(claim));

    return m && m->state != CLOUD_DELETING;
}

/* By its providerID, or where that comes late by the label that names its claim. */
static bool is_node_of(const struct round *r, const json_t *node, const json_t *claim)
{
    const char *id = json_str_at(claim, "status", "providerID", NULL), *has = json_str_at(node, "spec", "providerID", NULL);

    return (has && str_ieq(str_of(has), str_of(id))) || (r->v->node_label && streq(kube_label(node, r->v->node_label), kube_name(claim)));
}

/* A Node that answers proves its machine, whatever the cloud's list says. */
static bool has_ready_node(const struct round *r, const json_t *claim)
{
    const json_t *node;
    size_t i;

    json_array_foreach(r->v->nodes, i, node)
        if (is_node_of(r, node, claim) && kube_condition_is(node, "Ready", "True"))
            return true;
    return false;
}

static bool is_ours(const struct round *r, const json_t *claim)
{
    AUTO_FREE(arena) a = arena_new();
    struct node_claim c;

    return schema_decode(&node_claim_type, claim, a, &c, NULL) == ERR_OK && claim_is_ours(&c, r->v->class_group) &&
           kube_has_finalizer(claim, CLAIM_FINALIZER);
}

static void find_claims(struct round *r)
{
    const json_t *c;
    size_t i;

    json_array_foreach(r->v->claims, i, c)
        if (!kube_deleting(c) && kube_condition_is(c, "Registered", "True") && !has_machine(r, kube_name(c)) && is_ours(r, c) && !has_ready_node(r, c))
            add(r, ORPHAN_CLAIM, kube_name(c), json_str_at(c, "status", "providerID", NULL), kube_created_ms(c));
}

/* The claim that a Node was made for; NULL: not known, or it is no Node of ours. */
static const char *claim_of(const struct round *r, const json_t *node)
{
    static const char *const marks[] = { "kaito.sh/workspace", "kaito.sh/ragengine", NODE_CLASS_LABEL };
    const json_t *owner;
    bool ours = false;
    size_t i;

    for (i = 0; i < ARRAY_LEN(marks); i++)
        ours = ours || kube_label(node, marks[i]);
    if (!ours || !kube_has_finalizer(node, CLAIM_FINALIZER))
        return NULL;
    if (r->v->node_label && kube_label(node, r->v->node_label))
        return kube_label(node, r->v->node_label);
    json_array_foreach(json_at(node, "metadata", "ownerReferences", NULL), i, owner)
        if (streq(json_cstr(owner, "kind"), "NodeClaim") || streq(json_cstr(owner, "kind"), "Machine"))
            return json_cstr(owner, "name");
    return NULL;
}

static void find_nodes(struct round *r)
{
    const json_t *node;
    size_t i;

    json_array_foreach(r->v->nodes, i, node) {
        const char *claim = claim_of(r, node);

        if (claim && !map_get(r->claims, str_of(claim)) && !map_get(r->instances, str_of(claim)))
            add(r, ORPHAN_NODE, kube_name(node), json_str_at(node, "spec", "providerID", NULL), kube_created_ms(node));
    }
}

/* The next round knows what this one saw, and forgets what it did not see. */
static void remember(struct map *seen, struct map *sighted)
{
    struct str key;
    void *first;

    map_clear(seen);
    for (size_t i = 0; map_next(sighted, &i, &key, &first);) {
        int64_t *copy = xmemdup(first, sizeof *copy);

        map_put(seen, key, copy);
    }
}

void collect_plan(const struct collect_view *v, struct map *seen, struct orphans *out)
{
    AUTO_FREE(map) claims = map_new(NULL);
    AUTO_FREE(map) instances = map_new(NULL);
    AUTO_FREE(map) sighted = map_new(free);
    struct round r = { .v = v, .seen = seen, .sighted = sighted, .claims = claims, .instances = instances, .out = out };
    json_t *c;
    size_t i;

    json_array_foreach(v->claims, i, c)
        map_put(claims, str_of(kube_name(c)), c);
    for (i = 0; i < v->instances->n; i++)
        if (v->instances->items[i].claim)
            map_put(instances, str_of(v->instances->items[i].claim), &v->instances->items[i]);
    find_machines(&r);
    find_claims(&r);
    find_nodes(&r);
    remember(seen, sighted);
}
