/* The creation side of a claim: the cloud is asked, its answer becomes status, annotations, labels and the Node's patch. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/meta.h"
#include "provisioner/priv.h"

#define LOOK_AGAIN_MS   10000           /* at a machine whose cloud did not say when */
#define NEXT_TYPE_MS    1000
#define LOOK_READY_MS   2000            /* at one whose Node is ready already, at first; then as long as it has been */
#define LOOK_LATE_MS    2000            /* at one that takes too long, at first; then half as long as its time has been over */
#define FINAL_MS        10000           /* until our cache surely knows that a refusal was final */

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

static int64_t not_launched_ms(const struct work *w)
{
    const json_t *c = kube_condition(w->object, "Launched");
    int64_t since = c ? kube_time_ms(json_cstr(c, "lastTransitionTime")) : 0;

    return since ? w->op->now_ms - since : 0;
}

/* ---- instance types: the claim's list is an order of preference ---- */

static struct claim_requirement *types_of(struct node_claim *c)
{
    for (size_t i = 0; i < c->spec.n_requirements; i++)
        if (str_is(c->spec.requirements[i].key, INSTANCE_TYPE_LABEL) && str_is(c->spec.requirements[i].op, "In"))
            return &c->spec.requirements[i];
    return NULL;
}

/* The type whose turn it is comes first: that is the one a cloud takes. */
static void prefer_type(struct work *w)
{
    struct claim_requirement *r = types_of(&w->claim);
    LOCK_SCOPE(&w->p->mu);
    const size_t *at = map_get(w->p->types, str_of(kube_name(w->object)));

    if (!r || !at || *at >= r->n_values)
        return;
    struct str first = r->values[0];

    r->values[0] = r->values[*at];
    r->values[*at] = first;
}

/* True when another type of the claim is left to try; after the last one it begins anew. */
static bool next_type(struct work *w)
{
    const struct claim_requirement *r = types_of(&w->claim);
    LOCK_SCOPE(&w->p->mu);
    struct str name = str_of(kube_name(w->object));
    const size_t *had = map_get(w->p->types, name);
    size_t at = had ? *had + 1 : 1;

    if (!r || at >= r->n_values) {
        map_del(w->p->types, name);
        return false;
    }
    size_t *next = xmalloc(sizeof *next);

    *next = at;
    map_put(w->p->types, name, next);
    return true;
}

static bool fault_is_of_type(enum cloud_fault f)
{
    return f == FAULT_CAPACITY || f == FAULT_QUOTA || f == FAULT_TYPE;
}

/* What is failing: the way to the cloud, or the launch, which may have been accepted in between and failed again. */
static int64_t failing_ms(const struct work *w, enum cloud_fault f)
{
    bool no_answer = f == FAULT_TRANSIENT || f == FAULT_OTHER;

    return no_answer ? failing_for_ms(w->p, kube_name(w->object), w->op->now_ms) : not_launched_ms(w);
}

/* How long after a refusal. A claim with several types waits for none of them in particular. */
static int64_t wait_after(struct work *w, struct launch *l)
{
    const struct claim_requirement *r = types_of(&w->claim);

    if (fault_is_of_type(l->why.fault) && next_type(w))
        return NEXT_TYPE_MS;
    if (l->why.fault == FAULT_TYPE && r && r->n_values > 1)
        l->why.fault = FAULT_CAPACITY;
    return l->why.retry_ms > 0 ? l->why.retry_ms : cloud_fault_wait_ms(l->why.fault, failing_ms(w, l->why.fault));
}

/* ---- asking ---- */

/*
 * How long the Node of a machine that the cloud still makes has been ready; -1: it is not. A Node that joined is no proof that the cloud's operation will
 * succeed, but its end is near: so the cloud need not be asked often before.
 */
static int64_t ready_for_ms(const struct work *w)
{
    const json_t *node = json_array_size(w->nodes) == 1 ? json_array_get(w->nodes, 0) : NULL;

    if (!node || kube_deleting(node) || !kube_condition_is(node, "Ready", "True"))
        return -1;
    int64_t ms = w->op->now_ms - kube_time_ms(json_cstr(kube_condition(node, "Ready"), "lastTransitionTime"));

    return ms > 0 ? ms : 0;
}

static int64_t shorter_ms(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t late_look_ms(int64_t late_ms)
{
    return late_ms / 2 > LOOK_LATE_MS ? late_ms / 2 : LOOK_LATE_MS;
}

static int64_t wait_for_cloud(const struct work *w, int64_t asked_ms)
{
    int64_t ready_ms = ready_for_ms(w), late_ms = launch_late_ms(w->object, &w->p->o.timers, w->op->now_ms);

    if (ready_ms >= 0)
        asked_ms = shorter_ms(asked_ms, ready_ms > LOOK_READY_MS ? ready_ms : LOOK_READY_MS);
    return late_ms < 0 ? asked_ms : shorter_ms(asked_ms, late_look_ms(late_ms));
}

static bool is_on_its_way(const json_t *claim)
{
    return streq(json_cstr(kube_condition(claim, "Launched"), "reason"), "LaunchInProgress");
}

static void pending(const struct work *w, struct launch *l, int64_t *wait_ms)
{
    bool leaving = l->made.state == CLOUD_DELETING, late = launch_late_ms(w->object, &w->p->o.timers, w->op->now_ms) >= 0;

    snprintf(l->wait, sizeof l->wait, leaving ? "the %s cloud still deletes an earlier machine of this claim; next: the machine is made"
                                      : late ? "the %s cloud is making the machine, which takes too long; next: it is deleted, unless it comes before that begins"
                                             : "the %s cloud is making the machine", w->p->cloud->name);
    *wait_ms = wait_for_cloud(w, l->made.look_ms > 0 ? l->made.look_ms : LOOK_AGAIN_MS);
}

static bool is_settled(const json_t *claim)
{
    const json_t *c = kube_condition(claim, "Launched");

    return streq(json_cstr(c, "status"), "True") || (streq(json_cstr(c, "status"), "False") && cloud_fault_is_final(json_cstr(c, "reason")));
}

/*
 * Before a machine may be begun the claim itself is asked for: a cache that lags behind (of a process that was stopped, or has just begun to lead) would
 * make a machine for a claim that is gone, which nobody but the collectors would find. Not where the cloud only goes on with the claim's operation, and an answer
 * to a write of this reconcile says as much as another question would.
 */
static errc is_there(struct work *w, struct err *e)
{
    AUTO_JSON now = w->written ? json_incref(w->object) : NULL;

    if (w->p->cloud->goes_on_only && kube_annotation(w->object, CLOUD_OPERATION_ANNOTATION))
        return ERR_OK;
    errc rc = now ? ERR_OK : kube_get(w->p->client, &w->p->kind->gvr, NULL, kube_name(w->object), &now, e);

    if (rc && rc != ERR_NOT_FOUND)
        return rc;
    if (rc || kube_deleting(now) || !streq(kube_uid(now), kube_uid(w->object)))
        return err_set(e, ERR_CONFLICT, "%s: is gone or going, and our cache does not know yet", kube_name(w->object));
    return ERR_OK;
}

/*
 * A Node that is ready says that the end of the launch is near; one that was and is no more, that it may have passed meanwhile: the cloud is asked now, and not
 * when it would have been.
 */
static bool end_is_near(struct work *w, int64_t ready_ms)
{
    if (ready_ms >= 0 && is_on_its_way(w->object))
        notice(w->p, kube_name(w->object));
    if (ready_ms >= 0 || !is_on_its_way(w->object) || !forget_notice(w->p, kube_name(w->object)))
        return ready_ms >= 0;
    hold(w->p, kube_name(w->object), 0);
    return true;
}

/* A machine is not given up without a look, however long the cloud was to be left alone: it may have come. */
static bool is_late(struct work *w)
{
    int64_t late_ms = launch_late_ms(w->object, &w->p->o.timers, w->op->now_ms);

    if (late_ms >= 0 && hold_left_ms(w->p, kube_name(w->object)) > late_look_ms(late_ms))
        hold(w->p, kube_name(w->object), 0);
    return late_ms >= 0;
}

static void ask(struct work *w, struct launch *l)
{
    l->asked = true;
    prefer_type(w);
    l->rc = ask_create(w->p, &w->claim, &l->made, &l->why, &l->err);
    if (!l->rc)
        no_longer_failing(w->p, kube_name(w->object));
    if (!l->rc && l->made.state == CLOUD_BROKEN) {
        l->rc = err_set(&l->err, ERR_UNAVAILABLE, "the %s cloud made a machine that does not work", w->p->cloud->name);
        l->why.fault = FAULT_PROVISIONING;
    }
    w->making = !l->rc && l->made.state == CLOUD_PENDING && !l->made.unseen;
}

/* Asks the cloud unless it is launched, final or held; sets when to ask again. */
static errc launch(struct work *w, struct launch *l, struct reconcile_result *out, struct err *e)
{
    if (is_settled(w->object))
        return ERR_OK;
    bool near = end_is_near(w, ready_for_ms(w)) || is_late(w);
    int64_t wait_ms = hold_left_ms(w->p, kube_name(w->object));

    if (wait_ms == 0) {
        TRY(is_there(w, e));
        if (w->taken && w->p->cloud->taken)
            w->p->cloud->taken(w->p->cloud->self, kube_name(w->object));
        if (near && w->p->cloud->hurry)
            w->p->cloud->hurry(w->p->cloud->self, kube_name(w->object));
        ask(w, l);
        if (l->rc)
            wait_ms = wait_after(w, l);
        else if (l->made.state != CLOUD_RUNNING)
            pending(w, l, &wait_ms);
        hold(w->p, kube_name(w->object), wait_ms < 0 ? FINAL_MS : wait_ms);
    }
    out->requeue_after_ms = sooner_ms(out->requeue_after_ms, wait_ms);
    return ERR_OK;
}

/* ---- writing ---- */

/* A refusal ends what was begun; a hiccup on the way to the cloud does not. */
static bool operation_is_over(const struct launch *l)
{
    static const bool goes_on[FAULT_COUNT] = { [FAULT_OTHER] = true, [FAULT_TRANSIENT] = true, [FAULT_THROTTLED] = true, [FAULT_BUSY] = true, [FAULT_AUTH] = true };

    return l->asked && (l->rc ? !goes_on[l->why.fault] : l->made.state != CLOUD_PENDING);
}

static void put_annotation(json_t *patch, const json_t *claim, const char *key, const char *value)
{
    const char *had = kube_annotation(claim, key);

    if (streq(had, value) || (!had && !value))
        return;
    json_put(json_sub(json_sub(patch, "metadata"), "annotations"), key, value ? json_string(value) : json_null());
}

/*
 * The long-running operation and since when it runs, for a restart to go on with. Told before the status while it runs, and after it when it is over: a claim
 * that has no operation and does not say what came of one looks as if nothing had been begun. What a crash between the two left is seen later.
 */
static void put_operation(const struct work *w, const struct launch *l, json_t *patch)
{
    const char *since = kube_annotation(w->object, LAUNCH_STARTED_ANNOTATION);
    bool over = operation_is_over(l) || (!l->asked && is_settled(w->object));
    char now[TIME_TEXT_MAX];

    if (!over && (!l->asked || l->rc))
        return;
    time_rfc3339(w->op->now_ms, now);
    put_annotation(patch, w->object, CLOUD_OPERATION_ANNOTATION, over ? NULL : l->made.operation);
    put_annotation(patch, w->object, LAUNCH_STARTED_ANNOTATION, over ? NULL : since ? since : now);
}

/* What the claim asked for and the cloud gave, as labels of the claim: `kubectl get nodeclaims` shows them. */
static void put_labels(const struct work *w, const struct launch *l, json_t *patch)
{
    const char *type = l->made.instance_type;
    struct str wanted = node_claim_requirement(&w->claim, INSTANCE_TYPE_LABEL);

    if (!l->asked || l->rc || l->made.state != CLOUD_RUNNING)
        return;
    json_t *labels = l->made.labels ? json_clone(l->made.labels) : json_object();

    if (type || wanted.n > 0)
        json_put(labels, INSTANCE_TYPE_LABEL, type && str_ieq(str_of(type), wanted) ? json_strn(wanted) : type ? json_string(type) : json_strn(wanted));
    for (size_t i = 0; i < w->claim.meta.labels.n; i++)         /* the claim's own win */
        json_object_del(labels, w->claim.meta.labels.items[i].key.p);
    if (json_object_size(labels) > 0)
        json_put(json_sub(patch, "metadata"), "labels", json_incref(labels));
    json_decref(labels);
}

static errc write_meta(struct work *w, json_t *patch, struct err *e)
{
    if (json_object_size(patch) > 0)
        return claim_patch(w, NULL, patch, e);
    json_decref(patch);
    return ERR_OK;
}

/* Labels come with what only a launch knows: nobody would ask for them again once the status says that it is launched. */
static errc write_before_status(struct work *w, const struct launch *l, struct err *e)
{
    json_t *patch = json_object();

    if (!operation_is_over(l))
        put_operation(w, l, patch);
    put_labels(w, l, patch);
    return write_meta(w, patch, e);
}

static errc write_after_status(struct work *w, const struct launch *l, struct err *e)
{
    json_t *patch = json_object();

    if (operation_is_over(l))
        put_operation(w, l, patch);
    return write_meta(w, patch, e);
}

static errc write_status(struct work *w, const struct claim_plan *plan, struct err *e)
{
    if (!plan->status)
        return ERR_OK;
    json_t *patch = json_object();

    json_put(patch, "status", json_incref(plan->status));
    return claim_patch(w, "status", patch, e);
}

/* What the cloud said does not wait for a Node that somebody else writes at the same time. */
static errc write_launch(struct work *w, const struct claim_view *v, struct err *e)
{
    AUTO_JSON none = json_array();
    AUTO(claim_plan_done) struct claim_plan plan = { 0 };
    struct claim_view alone = *v;

    alone.nodes = none;
    claim_plan(&alone, w->op->now_ms, &plan);
    return write_status(w, &plan, e);
}

static errc write_node(struct work *w, const struct launch *l, const struct claim_view *v, const struct claim_plan *plan, struct err *e)
{
    errc rc = ERR_OK;
    struct err ignored;

    if (plan->node_patch)
        rc = kube_patch(w->p->client, &nodes_gvr, NULL, kube_name(json_array_get(w->nodes, 0)), NULL, KUBE_PATCH_MERGE, plan->node_patch, NULL, e);
    if (rc && l->asked)
        (void)write_launch(w, v, &ignored);
    return rc;
}

/* Stages that this reconcile reached: after they were written, or a conflict would count them twice. */
static void count_stages(struct work *w, const json_t *before, const struct claim_plan *plan)
{
    static const char *const stages[] = { "Launched", "Registered", "Initialized" };
    AUTO_JSON after = plan->status ? json_pack("{s:O}", "status", plan->status) : NULL;
    double age = (double)(w->op->now_ms - w->claim.meta.created_us / 1000) / 1000;

    for (size_t i = 0; after && i < ARRAY_LEN(stages); i++)
        if (kube_condition_is(after, stages[i], "True") && !kube_condition_is(before, stages[i], "True"))
            metrics_observe(w->p->metrics, "kaito_provisioner_launch_duration_seconds", age, "stage=\"%s\"", stages[i]);
    if (after && kube_condition_is(after, "Registered", "True") && !kube_condition_is(before, "Registered", "True"))
        metrics_add(w->p->metrics, "karpenter_nodes_created_total", "nodepool=\"%s\"", claim_pool(w->object));
}

/*
 * An operation that runs first: a crash in between then costs nothing. The Node before the status: a claim that is registered has its finalizer on the
 * Node, or somebody could delete the Node past us.
 */
static errc apply(struct work *w, const struct launch *l, const struct claim_view *v, const struct claim_plan *plan, struct err *e)
{
    TRY(write_before_status(w, l, e));
    TRY(write_node(w, l, v, plan, e));
    const json_t *before = w->object;

    TRY(write_status(w, plan, e));
    count_stages(w, before, plan);
    return write_after_status(w, l, e);
}

static void tell_failure(struct work *w, const struct launch *l, int64_t wait_ms)
{
    const char *reason = cloud_fault_row(l->why.fault)->reason;

    recorder_event(w->p->recorder, w->object, EVENT_WARNING, reason, "%s", l->err.text);
    metrics_add(w->p->metrics, "kaito_provisioner_launch_failures_total", "reason=\"%s\"", reason);
    log_warn("provisioner", "the cloud did not make the machine", KV("name", kube_name(w->object)), KV("reason", reason), KV("err", l->err.text),
             KV("retry_ms", wait_ms));
}

errc advance(struct work *w, struct reconcile_result *out, struct err *e)
{
    AUTO(launch_done) struct launch l = { 0 };
    AUTO(claim_plan_done) struct claim_plan plan = { 0 };

    TRY(launch(w, &l, out, e));
    if (l.rc == ERR_CANCELLED) {        /* we stop, or lead no more: that says nothing about the claim */
        *e = l.err;
        return l.rc;
    }
    bool on_its_way = l.asked && !l.rc && l.made.state != CLOUD_RUNNING;

    const struct claim_view view = { .claim = &w->claim, .object = w->object, .nodes = w->nodes,
                                     .launched = l.asked && !l.rc && !on_its_way, .provider_id = l.rc || on_its_way ? NULL : l.made.provider_id,
                                     .image_id = l.rc || on_its_way ? NULL : l.made.image_id,
                                     .launch_error = l.rc ? l.err.text : NULL, .launch_fault = l.why.fault,
                                     .launch_wait = on_its_way && !l.made.unseen ? l.wait : NULL, .earlier_leaves = l.made.state == CLOUD_DELETING };

    claim_plan(&view, w->op->now_ms, &plan);
    if (l.rc)
        tell_failure(w, &l, out->requeue_after_ms);

    errc rc = apply(w, &l, &view, &plan, e);

    if (rc == ERR_NOT_FOUND && l.asked && !l.rc)
        lose_claim(w->p, kube_name(w->object));
    if (rc && l.asked)
        hold_briefly(w->p, kube_name(w->object));
    if (rc)
        return rc;
    if (l.rc && l.why.fault == FAULT_PROVISIONING)
        return replace_begin(w, cloud_fault_row(FAULT_PROVISIONING)->reason, e);
    return ERR_OK;
}
