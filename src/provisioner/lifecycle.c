#include "provisioner/lifecycle.h"

#include "base/mem.h"
#include "kube/meta.h"

#define MESSAGE_MAX 800
#define CAPACITY_LABEL "karpenter.sh/capacity-type"

bool claim_is_ours(const struct node_claim *c, const char *group)
{
    struct str class = c->spec.class_ref.group;

    if (str_is(class, "kaito.sh") && str_is(c->spec.class_ref.kind, "KaitoNodeClass"))
        return true;
    if (!str_empty(class) && !str_is(class, "kaito.sh") && !str_is(class, group))
        return false;                   /* a Karpenter of its cloud makes that machine */
    return str_map_get(&c->meta.labels, "kaito.sh/workspace").p || str_map_get(&c->meta.labels, "kaito.sh/ragengine").p;
}

bool claim_wants_spot(const struct node_claim *c)
{
    bool spot = false, on_demand = false;

    for (size_t i = 0; i < c->spec.n_requirements; i++) {
        const struct claim_requirement *r = &c->spec.requirements[i];

        for (size_t k = 0; k < r->n_values && str_is(r->key, CAPACITY_LABEL) && str_is(r->op, "In"); k++) {
            spot = spot || str_is(r->values[k], "spot");
            on_demand = on_demand || str_is(r->values[k], "on-demand");
        }
    }
    return spot && !on_demand;
}

void claim_plan_done(struct claim_plan *p)
{
    json_decref(p->status);
    json_decref(p->node_patch);
    *p = (struct claim_plan){ 0 };
}

struct planner {
    const struct claim_view *v;
    int64_t now_ms;
    json_t *conditions;
};

/* KAITO shows the first condition that is not True and has a message: a failing one always has. */
static void set(struct planner *p, const char *type, const char *status, const char *reason, const char *message)
{
    char text[MESSAGE_MAX + 4];
    size_t n = strlen(message), cut = n > MESSAGE_MAX ? MESSAGE_MAX : n;

    while (cut < n && cut > 0 && ((unsigned char)message[cut] & 0xC0) == 0x80)
        cut--;
    snprintf(text, sizeof text, "%.*s%s", (int)cut, message, cut < n ? "..." : "");
    struct kube_condition c = { .type = type, .status = status, .reason = reason, .message = text, .generation = p->v->claim->meta.generation };

    kube_condition_set(p->conditions, &c, p->now_ms);
}

static bool is_true(const struct planner *p, const char *type)
{
    return streq(json_cstr(kube_condition_in(p->conditions, type), "status"), "True");
}

static void set_true(struct planner *p, const char *type)
{
    set(p, type, "True", type, "");
}

/* The cause first (KAITO shows 256 characters of it), then what a person can do. */
static void launch_failed(struct planner *p)
{
    const struct cloud_fault_row *row = cloud_fault_row(p->v->launch_fault);
    AUTO_MEM char *text = xasprintf("%s; next: %s", p->v->launch_error, row->next_step);

    set(p, "Launched", row->status, row->reason, p->v->launch_fault == FAULT_OTHER ? p->v->launch_error : text);
}

/* A condition as it is, for the claim's present generation. */
static void stamp(struct planner *p, const json_t *c)
{
    AUTO_MEM char *reason = xstrdup(json_cstr(c, "reason")), *message = xstrdup(json_cstr(c, "message"));
    AUTO_MEM char *type = xstrdup(json_cstr(c, "type")), *status = xstrdup(json_cstr(c, "status"));

    set(p, type, status, reason, message ? message : "");
}

static void launch(struct planner *p)
{
    if (p->v->lost)
        set(p, "Launched", p->v->lost_for_good ? "False" : "Unknown", p->v->lost, p->v->lost_text);
    else if (is_true(p, "Launched") || p->v->launched || p->v->provider_id)
        set_true(p, "Launched");
    else if (p->v->launch_error)
        launch_failed(p);
    else if (p->v->launch_wait && p->v->earlier_leaves)
        set(p, "Launched", "Unknown", "AwaitingInstanceTermination", p->v->launch_wait);
    else if (p->v->launch_wait)
        set(p, "Launched", "Unknown", "LaunchInProgress", p->v->launch_wait);
    else
        stamp(p, kube_condition_in(p->conditions, "Launched"));
}

static bool needs_taint(const json_t *taints, struct str key, struct str effect)
{
    const json_t *t;
    size_t i;

    json_array_foreach(taints, i, t)
        if (str_is(key, json_cstr(t, "key")) && str_is(effect, json_cstr(t, "effect")))
            return false;
    return true;
}

/* True when the Node lacked one of them. */
static bool add_taints(json_t *out, const struct claim_taint *wanted, size_t n)
{
    bool changed = false;

    for (size_t i = 0; i < n; i++) {
        const struct claim_taint *w = &wanted[i];

        if (!needs_taint(out, w->key, w->effect))
            continue;
        json_t *t = json_pack("{s:o, s:o}", "key", json_strn(w->key), "effect", json_strn(w->effect));

        if (w->value.n > 0)
            json_put(t, "value", json_strn(w->value));
        json_push(out, t);
        changed = true;
    }
    return changed;
}

/* NULL: the Node has them all (the unregistered taint goes). */
static json_t *merged_taints(const struct node_claim *claim, const json_t *node)
{
    json_t *have = json_at(node, "spec", "taints", NULL), *out = json_array(), *t;
    bool changed = false;
    size_t i;

    json_array_foreach(have, i, t) {
        if (streq(json_cstr(t, "key"), "karpenter.sh/unregistered"))
            changed = true;
        else
            json_array_append(out, t);
    }
    changed |= add_taints(out, claim->spec.taints, claim->spec.n_taints);
    changed |= add_taints(out, claim->spec.startup_taints, claim->spec.n_startup_taints);
    if (changed)
        return out;
    json_decref(out);
    return NULL;
}

static json_t *missing_labels(const struct planner *p, const json_t *node, bool initialized)
{
    const struct str_map *want = &p->v->claim->meta.labels;
    json_t *l = json_object();

    for (size_t i = 0; i < want->n; i++) {
        const char *have = kube_label(node, want->items[i].key.p);

        if (!have || !str_is(want->items[i].value, have))
            json_put(l, want->items[i].key.p, json_strn(want->items[i].value));
    }
    if (str_is(p->v->claim->spec.class_ref.kind, "KaitoNodeClass") && !kube_label(node, NODE_CLASS_LABEL))
        json_put(l, NODE_CLASS_LABEL, json_strn(p->v->claim->spec.class_ref.name));
    if (!streq(kube_label(node, "karpenter.sh/registered"), "true"))
        json_put_str(l, "karpenter.sh/registered", "true");
    if (initialized && !streq(kube_label(node, "karpenter.sh/initialized"), "true"))
        json_put_str(l, "karpenter.sh/initialized", "true");
    return l;
}

/* What a person or an owner said about the claim; our own notes stay there. */
static json_t *missing_annotations(const struct planner *p, const json_t *node)
{
    const struct str_map *want = &p->v->claim->meta.annotations;
    json_t *out = json_object();

    for (size_t i = 0; i < want->n; i++) {
        struct str key = want->items[i].key;
        const char *have = kube_annotation(node, key.p);
        bool kept = str_has_prefix(key, STR("kaito.sh/cloud-")) || str_has_prefix(key, STR("kaito.sh/launch-")) || str_is(key, "kaito.sh/replace") ||
                    str_has_prefix(key, STR("kubectl.kubernetes.io/"));

        if (!kept && !(have && str_is(want->items[i].value, have)))
            json_put(out, key.p, json_strn(want->items[i].value));
    }
    return out;
}

/* Deleting the claim in the foreground then waits for the Node; it is how the Node's claim is found as well. */
static json_t *missing_owner(const struct planner *p, const json_t *node)
{
    const json_t *had = json_at(node, "metadata", "ownerReferences", NULL);

    if (kube_is_owned_by(node, kube_uid(p->v->object)))
        return NULL;
    json_t *list = had ? json_copy((json_t *)(uintptr_t)had) : json_array();

    json_push(list, kube_owner_ref(p->v->object, false, true));
    return list;
}

/* The Node takes over the claim's labels, annotations and taints, and our finalizer, so that nobody deletes it past us. */
static json_t *sync_node(const struct planner *p, const json_t *node, bool initialized)
{
    json_t *notes = missing_annotations(p, node), *owners = missing_owner(p, node);
    json_t *patch = json_object(), *labels = missing_labels(p, node, initialized), *taints = NULL;
    json_t *meta = json_object();

    if (json_object_size(labels) > 0)
        json_put(meta, "labels", json_incref(labels));
    json_decref(labels);
    if (json_object_size(notes) > 0)
        json_put(meta, "annotations", json_incref(notes));
    json_decref(notes);
    if (owners)
        json_put(meta, "ownerReferences", owners);
    if (!kube_has_finalizer(node, CLAIM_FINALIZER) && !kube_deleting(node)) {
        json_t *f = json_at(node, "metadata", "finalizers", NULL) ? json_copy(json_at(node, "metadata", "finalizers", NULL)) : json_array();

        json_push(f, json_string(CLAIM_FINALIZER));
        json_put(meta, "finalizers", f);
    }
    if (!streq(kube_label(node, "karpenter.sh/do-not-sync-taints"), "true") && !kube_label(node, "karpenter.sh/registered"))
        taints = merged_taints(p->v->claim, node);
    if (taints)
        json_put(patch, "spec", json_pack("{s:o}", "taints", taints));
    if (json_object_size(meta) == 0 && !taints) {
        json_decref(meta);
        json_decref(patch);
        return NULL;
    }
    json_put_str(meta, "resourceVersion", kube_resource_version(node));
    json_put(patch, "metadata", meta);
    return patch;
}

static void registration(struct planner *p)
{
    size_t n = json_array_size(p->v->nodes);

    if (!is_true(p, "Launched"))
        set(p, "Registered", "Unknown", "AwaitingReconciliation", "the machine has not been launched yet");
    else if (n == 0)
        set(p, "Registered", "Unknown", "NodeNotFound", "the machine was launched, its Node has not joined the cluster yet");
    else if (n > 1)
        set(p, "Registered", "False", "MultipleNodesFound", "several Nodes carry this claim's providerID; delete the wrong ones");
    else
        set_true(p, "Registered");
}

static const char *ephemeral_taint(const json_t *node)
{
    static const char *const keys[] = {
        "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable", "node.cloudprovider.kubernetes.io/uninitialized", "karpenter.sh/unregistered",
    };
    const json_t *t;
    size_t i;

    json_array_foreach(json_at(node, "spec", "taints", NULL), i, t)
        for (size_t k = 0; k < ARRAY_LEN(keys); k++)
            if (streq(json_cstr(t, "key"), keys[k]))
                return keys[k];
    return NULL;
}

static struct str startup_taint(const struct node_claim *claim, const json_t *node)
{
    const json_t *taints = json_at(node, "spec", "taints", NULL);

    for (size_t i = 0; i < claim->spec.n_startup_taints; i++)
        if (!needs_taint(taints, claim->spec.startup_taints[i].key, claim->spec.startup_taints[i].effect))
            return claim->spec.startup_taints[i].key;
    return (struct str){ 0 };
}

/* The first resource that the claim asks for and the Node does not have; storage is not looked at (as upstream). */
static struct str missing_resource(const struct node_claim *claim, const json_t *node)
{
    for (size_t i = 0; i < claim->spec.resources.requests.n; i++) {
        const struct str_pair *r = &claim->spec.resources.requests.items[i];
        const char *have = json_str_at(node, "status", "allocatable", r->key.p, NULL);

        if (str_is(r->key, "storage") || quantity_value(r->value, 0) == 0)
            continue;
        if (!have || quantity_value(str_of(have), 0) == 0)
            return r->key;
    }
    return (struct str){ 0 };
}

static void initialization(struct planner *p)
{
    const json_t *node = json_array_get(p->v->nodes, 0);
    const char *taint = ephemeral_taint(node);
    char text[200];

    if (!is_true(p, "Registered")) {
        set(p, "Initialized", "Unknown", "AwaitingReconciliation", "the Node is not registered yet");
    } else if (is_true(p, "Initialized")) {
        set_true(p, "Initialized");
    } else if (!kube_condition_is(node, "Ready", "True")) {
        snprintf(text, sizeof text, "Node %s is not ready%s%s", kube_name(node), kube_condition(node, "Ready") ? ": " : ", its agent has not reported yet",
                 kube_condition(node, "Ready") && json_cstr(kube_condition(node, "Ready"), "message") ? json_cstr(kube_condition(node, "Ready"), "message") : "");
        set(p, "Initialized", "Unknown", "NodeNotReady", text);
    } else if (!str_empty(startup_taint(p->v->claim, node))) {
        snprintf(text, sizeof text, "startup taint %.*s is still on Node %s", STR_ARG(startup_taint(p->v->claim, node)), kube_name(node));
        set(p, "Initialized", "Unknown", "StartupTaintsExist", text);
    } else if (taint) {
        snprintf(text, sizeof text, "taint %s is still on Node %s", taint, kube_name(node));
        set(p, "Initialized", "Unknown", "KnownEphemeralTaintsExist", text);
    } else if (!str_empty(missing_resource(p->v->claim, node))) {
        struct str r = missing_resource(p->v->claim, node);

        snprintf(text, sizeof text, "resource %.*s is not registered on Node %s", STR_ARG(r), kube_name(node));
        set(p, "Initialized", "Unknown", "ResourceNotRegistered", text);
    } else {
        set_true(p, "Initialized");
    }
}

/* null: a merge patch takes the key away. */
static void forget_machine(const json_t *old, json_t *status)
{
    static const char *const keys[] = { "providerID", "nodeName", "imageID", "capacity", "allocatable" };

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (json_object_get(old, keys[i]))
            json_put(status, keys[i], json_null());
}

void claim_plan(const struct claim_view *v, int64_t now_ms, struct claim_plan *out)
{
    const json_t *old = json_object_get(v->object, "status");
    const json_t *had = json_object_get(old, "conditions");
    struct planner p = { .v = v, .now_ms = now_ms, .conditions = had ? json_clone(had) : json_array() };
    json_t *status = old ? json_copy(json_object_get(v->object, "status")) : json_object();
    const json_t *node = json_array_size(v->nodes) == 1 ? json_array_get(v->nodes, 0) : NULL;

    *out = (struct claim_plan){ 0 };
    claim_conditions_begin(p.conditions, v->claim->meta.created_us ? v->claim->meta.created_us / 1000 : now_ms, v->claim->meta.generation);
    launch(&p);
    if (v->late) {
        set(&p, v->late_stage, "Unknown", v->late, v->late_text);
    } else {
        registration(&p);
        initialization(&p);
    }
    claim_conditions_end(p.conditions, now_ms, v->claim->meta.generation);
    if (v->lost) {
        forget_machine(old, status);
        node = NULL;
    }
    const char *id = v->lost ? NULL : v->provider_id ? v->provider_id : node && is_true(&p, "Launched") ? json_str_at(node, "spec", "providerID", NULL) : NULL;

    if (id)
        json_put_str(status, "providerID", id);
    json_put_str(status, "imageID", v->lost ? NULL : v->image_id);
    if (node)
        json_put_str(status, "nodeName", kube_name(node));
    if (node && json_at(node, "status", "capacity", NULL)) {
        json_put(status, "capacity", json_clone(json_at(node, "status", "capacity", NULL)));
        json_put(status, "allocatable", json_clone(json_at(node, "status", "allocatable", NULL)));
    }
    json_put(status, "conditions", p.conditions);
    if (node)
        out->node_patch = sync_node(&p, node, is_true(&p, "Initialized"));
    if (!old || !json_equal(old, status))
        out->status = status;
    else
        json_decref(status);
}
