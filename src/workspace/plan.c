/* The decision of one reconcile. Order of steps and texts: dossier, Workspace, 4.2 to 4.7. */
#include "workspace/plan_priv.h"

#include "base/mem.h"
#include "workspace/validate.h"

#define REVISIONS_KEPT 10

void ws_plan_done(struct ws_plan *p)
{
    json_t *all[] = { p->apply, p->create, p->mend, p->remove, p->events, p->annotations, p->label_nodes, p->status };

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        json_decref(all[i]);
    *p = (struct ws_plan){ 0 };
}

void remove_object(struct planner *p, const char *api, const char *kind, const json_t *object)
{
    json_t *o = kube_object(api, kind, kube_namespace(object), kube_name(object));

    json_put_str(json_object_get(o, "metadata"), "uid", kube_uid(object));
    json_push(p->out->remove, o);
}

void requeue(struct planner *p, int64_t ms)
{
    if (p->out->requeue_after_ms == 0 || ms < p->out->requeue_after_ms)
        p->out->requeue_after_ms = ms < 1 ? 1 : ms;
}

bool was_told(const struct workspace *ws, const char *text)
{
    size_t at;

    for (size_t i = 0; i < ws->status.n_conditions; i++)
        if (str_find(ws->status.conditions[i].message, str_of(text), &at))
            return true;
    return false;
}

void plan_fails(struct planner *p, const char *reason, const struct err *e)
{
    p->out->error = *e;
    if (!was_told(p->v->ws, e->text))
        plan_event(p->out->events, "Warning", reason, "%s", e->text);
}

static bool has_finalizer(const struct workspace *ws, const char *finalizer)
{
    for (size_t i = 0; i < ws->meta.n_finalizers; i++)
        if (str_is(ws->meta.finalizers[i], finalizer))
            return true;
    return false;
}

/* A deletion that cannot go on says why, beside what was known. One that can is over before anybody could look. */
static void report_deletion(struct planner *p)
{
    const struct ws_status *was = &p->v->ws->status;
    AUTO_JSON nodes = json_array();

    for (size_t i = 0; i < was->n_worker_nodes; i++)
        json_push(nodes, json_strn(was->worker_nodes[i]));
    status_keep(&p->status, "WorkspaceDeleting");
    status_set(&p->status, "WorkspaceDeleting", true, "workspaceDeleted", "workspace is being deleted");
    p->out->status = status_finish(&p->status, was->state.n > 0 ? was->state.p : "Pending", was->target_node_count, nodes);
}

/* Claims carry no owner reference; everything else goes with the Workspace. */
static void plan_deletion(struct planner *p)
{
    const struct claim_kind *k = p->v->settings->claim_kind;
    const json_t *claim;
    size_t i;

    json_array_foreach(p->v->claims, i, claim)
        if (!p->v->settings->karpenter && !kube_deleting(claim))        /* a NodePool's claims go with it */
            remove_object(p, k->api_version, k->kind, claim);
    if (p->v->node_pool && !kube_deleting(p->v->node_pool))
        remove_object(p, "karpenter.sh/v1", "NodePool", p->v->node_pool);
    p->out->remove_finalizer = has_finalizer(p->v->ws, WORKSPACE_FINALIZER);
    if (p->v->failed)
        report_deletion(p);
}

/* ---- revision -------------------------------------------------------------------------------------------------- */

/* A small history is kept, as upstream's: what is beyond goes, the oldest first. */
static void plan_history(struct planner *p)
{
    const json_t *r, *oldest = NULL;
    size_t i;

    if (json_array_size(p->v->revisions) <= REVISIONS_KEPT)
        return;
    json_array_foreach(p->v->revisions, i, r)
        if (!oldest || json_int(r, "revision", 0) < json_int(oldest, "revision", 0))
            oldest = r;
    remove_object(p, "apps/v1", "ControllerRevision", oldest);
}

/* The revision of this name, which has the first digits of the hash; NULL: none. *last becomes the largest number. */
static const json_t *find_revision(const struct planner *p, int64_t *last)
{
    AUTO_MEM char *name = xasprintf("%.*s-%.5s", STR_ARG(p->v->ws->meta.name), p->hash);
    const json_t *r, *found = NULL;
    size_t i;

    json_array_foreach(p->v->revisions, i, r) {
        int64_t number = json_int(r, "revision", 0);

        if (ws_is_of_another(p->v->ws, r))
            continue;           /* of the former Workspace of this name: it is being collected */
        *last = number > *last ? number : *last;
        if (streq(kube_name(r), name))
            found = r;
    }
    return found;
}

/* Another spec than the annotated one: its old revision when there was one (a change that was taken back), else the next number. */
static void choose_revision(struct planner *p, int64_t *number)
{
    int64_t last = *number;
    const json_t *equal = find_revision(p, &last);
    struct err e;

    if (equal && !streq(kube_annotation(equal, HASH_ANNOTATION), p->hash)) {
        (void)err_set(&e, ERR_INVALID, "revision name conflicts, the hash values are different: delete ControllerRevision %s", kube_name(equal));
        plan_fails(p, "RevisionConflict", &e);
        return;
    }
    *number = equal ? json_int(equal, "revision", 1) : last + 1;
    if (!equal) {
        json_push(p->out->create, render_revision(p->v, p->hash, *number));
        plan_history(p);
    }
    p->out->annotations = json_object();
    json_put_str(p->out->annotations, HASH_ANNOTATION, p->hash);
    json_put(p->out->annotations, REVISION_ANNOTATION, json_strf("%lld", (long long)*number));
}

static bool is_untold(const struct workspace *ws)
{
    return ws->status.n_conditions == 0 && ws->status.state.n == 0;
}

/*
 * The first revision is annotated before it is made, with the finalizer: a claim need not wait for it. Whoever comes after a crash or a
 * failure between the two makes it again; one that is there is fine.
 */
static bool revision_may_be_missing(const struct workspace *ws)
{
    return is_untold(ws) || was_told(ws, "(last reconcile error: create NodeClaim ") || was_told(ws, "(last reconcile error: create Machine ") ||
           was_told(ws, "(last reconcile error: create ControllerRevision ");
}

/* The number that workloads are annotated with; it changes with the hashed part of the spec. */
static void plan_revision(struct planner *p)
{
    int64_t number;

    ws_hash(p->v->ws, p->hash);
    if (!ws_has_revision(p->v->ws, p->hash, &number))
        choose_revision(p, &number);
    else if (revision_may_be_missing(p->v->ws))
        json_push(p->out->create, render_revision(p->v, p->hash, number));
    snprintf(p->revision, sizeof p->revision, "%lld", (long long)number);
}

bool is_of_revision(const struct planner *p, const json_t *object)
{
    return streq(kube_annotation(object, REVISION_ANNOTATION), p->revision);
}

/* ---- nodes ------------------------------------------------------------------------------------------------------ */

static void plan_pool(struct planner *p)
{
    const json_t *pool = p->v->node_pool;
    int64_t have = pool ? json_int(json_object_get(pool, "spec"), "replicas", 0) : 0;
    json_t *wanted = NULL;
    struct err e = { 0 };

    /* never shrinks, as upstream's */
    if (p->nodes.target <= have)
        return;
    if (p->v->node_class_problem && ws_node_class_is_ours(p->v->settings, ws_node_class(p->v->settings, p->v->ws))) {
        (void)err_set(&e, ERR_UNAVAILABLE, "%s", p->v->node_class_problem);
        plan_fails(p, "NodeClassNotReady", &e);
    } else if (render_node_pool(p->v, p->nodes.target, &wanted, &e)) {
        plan_fails(p, "NodeClassNotPermitted", &e);
    } else {
        json_push(p->out->apply, wanted);
    }
}

static void plan_claims(struct planner *p)
{
    const struct ws_view *v = p->v;
    int64_t missing = p->nodes.missing_claims;

    for (int index = 0; missing > 0 && index < 1000; index++) {
        AUTO_MEM char *name = node_claim_name(v->ws, index);
        const json_t *claim;
        bool taken = false;
        size_t i;

        json_array_foreach(v->claims, i, claim)
            taken = taken || streq(kube_name(claim), name);
        if (taken)
            continue;
        json_push(p->out->create, render_node_claim(v, index));
        missing--;
    }
}

/*
 * What upstream's manager asked for in the time of Machines is taken over: with our mark on it the change to NodeClaims waits for its end
 * (claim_kind.h).
 */
static void adopt_machines(struct planner *p)
{
    const struct claim_kind *k = p->v->settings->claim_kind;
    const json_t *claim;
    size_t i;

    json_array_foreach(p->v->claims, i, claim)
        if (k == &claim_kind_machine && !kube_deleting(claim) && !kube_annotation(claim, UID_ANNOTATION))
            json_put(json_sub(json_sub(mend_object(p, k->api_version, k->kind, claim), "metadata"), "annotations"), UID_ANNOTATION, json_strn(p->v->ws->meta.uid));
}

/* On machines with known GPUs; never on this machine's own Nodes, nor where the native runtime was asked for. */
static void plan_node_labels(struct planner *p)
{
    const struct ws_view *v = p->v;
    const json_t *node;
    size_t i;

    if (v->settings->byo || p->nodes.runtime == WS_RUNTIME_NATIVE || !sku_find(v->settings->cloud, ws_instance_type(v->ws)))
        return;
    json_array_foreach(v->nodes, i, node)
        if (node_is_ready(node) && !kube_label(node, "accelerator") && !kube_label(node, "kaito.sh/local-node"))
            json_push(p->out->label_nodes, json_string(kube_name(node)));
}

static void tell_claims(const struct node_state *n, const char *kind, struct buf *out)
{
    if (n->claims_ready)
        buf_addf(out, "Enough %ss are ready", kind);
    else if (n->claim_reason)
        buf_adds(out, n->claim_message);
    else
        buf_addf(out, "Ready %ss are not enough", kind);
}

static void report_nodes(struct planner *p)
{
    struct node_state *n = &p->nodes;
    struct status_builder *s = &p->status;
    bool byo = p->v->settings->byo, ready = resource_ready(n);
    const char *reason = "workspaceResourceStatusSuccess", *message = "workspace resource is ready";
    const char *enough = p->v->settings->karpenter ? "Enough Nodes are ready with GPU resources" : "Enough Nodes are ready";
    AUTO_BUF nodes = { 0 }, claims = { 0 };
    const char *nodes_reason = !n->nodes_ready ? "NodeNotReady" : !n->plugins_ready ? "NodePluginsNotReady" : "NodesReady";

    buf_addf(&nodes, "%s%s", !n->nodes_ready ? "Not enough Nodes are ready" : !n->plugins_ready ? "waiting all node plugins to be ready" : enough,
             buf_cstr(&n->pressure));
    status_set(s, "NodesReady", n->nodes_ready && n->plugins_ready, nodes_reason, "%s", buf_cstr(&nodes));
    if (!n->nodes_ready || !n->plugins_ready) {
        reason = byo ? "workspaceResourceStatusNotReady" : nodes_reason;
        message = byo ? "node status condition not ready" : buf_cstr(&nodes);
    }
    if (!byo) {
        const char *claim_reason = n->claims_ready ? "NodeClaimsReady" : n->claim_reason ? n->claim_reason : "NodeClaimNotReady";

        tell_claims(n, p->v->settings->claim_kind->kind, &claims);
        status_set(s, "NodeClaimReady", n->claims_ready, claim_reason, "%s", buf_cstr(&claims));
        if (!n->claims_ready) {
            reason = claim_reason;
            message = buf_cstr(&claims);
        }
    }
    status_set(s, "ResourceReady", ready, reason, "%s", message);
}

/* ---- together ----------------------------------------------------------------------------------------------------- */

/* Rules of creation are asked until something was made: later they would only break what runs. An unknown model the estimate tells of, and tries again. */
static bool is_refused(struct planner *p)
{
    const struct ws_view *v = p->v;
    struct ws_validate_env env = { .settings = v->settings, .tuning_config = v->tuning_config, .tuning_template = v->tuning_template,
                                   .inference_config = v->inference_config, .nodes = v->nodes, .model = v->model,
                                   .blob_driver = true, .config_may_come = true, .nodes_may_come = true };
    AUTO_BUF text = { 0 };

    if (v->settings->admitted || json_array_size(v->claims) > 0 || v->statefulset || v->job)
        return false;
    if (workspace_validate(WS_CREATE, NULL, v->ws, &env, &text) == ERR_OK)
        return false;
    status_fail(&p->status, "ResourceReady", "ValidationFailed", "validation failed: %s", buf_cstr(&text));
    status_set(&p->status, "WorkspaceSucceeded", false, "ValidationFailed", "validation failed: %s", buf_cstr(&text));
    p->state = v->ws->tuning ? "Failed" : "Pending";
    return true;
}

static void plan_living(struct planner *p)
{
    struct ws_plan *out = p->out;
    struct err e;

    out->add_finalizer = !has_finalizer(p->v->ws, WORKSPACE_FINALIZER);
    out->first = is_untold(p->v->ws);
    plan_revision(p);
    if (is_refused(p)) {
        out->status = status_finish(&p->status, p->state, 0, NULL);
        return;
    }
    if (node_state_of(p->v, &p->nodes, &e)) {
        plan_fails(p, "NodeEstimateFailed", &e);
        status_set(&p->status, "ResourceReady", false, "NodeEstimateFailed", "%s", e.text);
        status_set(&p->status, "WorkspaceSucceeded", false, "workspacePending", "%s", e.text);
        out->status = status_finish(&p->status, "Pending", 0, p->nodes.worker_nodes);
        return;
    }
    if (p->nodes.waits.code)
        out->error = p->nodes.waits;
    if (!plan_stream(p)) {
        report_nodes(p);
        report_stream_failure(p);
        status_set(&p->status, "WorkspaceSucceeded", false, "workspacePending", "workspace is waiting for inference workload readiness");
        out->status = status_finish(&p->status, "Pending", p->nodes.target, p->nodes.worker_nodes);
        return;
    }
    if (p->v->settings->karpenter)
        plan_pool(p);
    else
        plan_claims(p);
    adopt_machines(p);
    plan_node_labels(p);
    report_nodes(p);
    p->stream_waits = !report_stream(p);
    if (p->v->ws->tuning)
        plan_tuning(p);
    else
        plan_inference(p);
    out->status = status_finish(&p->status, p->state, p->nodes.waits.code ? 0 : p->nodes.target, p->nodes.worker_nodes);
}

void workspace_plan(const struct ws_view *v, int64_t now_ms, struct ws_plan *out)
{
    struct ws_view view = *v;
    struct planner p = { .v = &view, .now_ms = now_ms, .out = out, .state = "Pending" };

    if (!view.model)
        view.model = ws_preset(v->ws);

    *out = (struct ws_plan){ .apply = json_array(), .create = json_array(), .mend = json_array(), .remove = json_array(), .events = json_array(),
                              .label_nodes = json_array() };
    p.status = (struct status_builder){ .v = &view, .now_ms = now_ms, .conditions = json_array(), .events = out->events, .error = &out->error };
    plan_owners(&p, &view);
    if (v->ws->meta.deleted_us)
        plan_deletion(&p);
    else
        plan_living(&p);
    node_state_done(&p.nodes);
    json_decref(p.status.conditions);
}
