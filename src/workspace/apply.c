/* The effects of a plan. Every write is idempotent: a crash between any two of them is healed by the next reconcile. */
#include "workspace/manager.h"
#include "workspace/priv.h"

#include "api/kaito/crds.h"

static const struct { const char *api, *kind; struct kube_gvr gvr; } kinds[] = {
    { "v1", "Namespace", { "", "v1", "namespaces" } },
    { "v1", "Service", { "", "v1", "services" } },
    { "v1", "ConfigMap", { "", "v1", "configmaps" } },
    { "apps/v1", "ControllerRevision", { "apps", "v1", "controllerrevisions" } },
    { "apps/v1", "StatefulSet", { "apps", "v1", "statefulsets" } },
    { "batch/v1", "Job", { "batch", "v1", "jobs" } },
    { "karpenter.sh/v1", "NodePool", { "karpenter.sh", "v1", "nodepools" } },
    { "kaito.sh/v1alpha1", "ModelMirror", { "kaito.sh", "v1alpha1", "modelmirrors" } },
    { "apiextensions.k8s.io/v1", "CustomResourceDefinition", { "apiextensions.k8s.io", "v1", "customresourcedefinitions" } },
};
#define TELL_LATEST_MS 5000             /* how far a status may be behind while others wait */
#define UPSTREAM_MANAGER "kaito-workspace"                /* whose fields upstream's are: the first word of its user agent */
#define CLAIM_RECORDER "KAITO-Workspace-controller"      /* as upstream's events of NodeClaims name their source */

static const struct kube_gvr workspaces = { "kaito.sh", "v1beta1", "workspaces" };

static const struct kube_gvr *gvr_of(const json_t *object)
{
    const struct claim_kind *claim = claim_kind_of(object);

    if (claim)
        return &claim->gvr;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (streq(kinds[i].api, kube_api_version(object)) && streq(kinds[i].kind, kube_kind(object)))
            return &kinds[i].gvr;
    return NULL;
}

struct writes {
    json_t *version;                    /* of the Workspace: the one that we decided on, then that of our last write of it */
    unsigned done;                      /* what the API took, of any object */
    bool told;                          /* the planned status is written */
};

/* A merge patch of the Workspace at the version that is expected. */
static errc patch_workspace(struct workspace_manager *m, const struct observed *o, const char *sub, json_t *patch, struct writes *w, struct err *e)
{
    AUTO_JSON body = patch;
    AUTO_JSON out = NULL;

    json_put(json_sub(body, "metadata"), "resourceVersion", json_incref(w->version));
    TRY(kube_patch(m->client, &workspaces, kube_namespace(o->object), kube_name(o->object), sub, KUBE_PATCH_MERGE, body, &out, e));
    json_t *next = json_at(out, "metadata", "resourceVersion", NULL);

    if (next) {
        if (!json_equal(next, w->version)) {    /* a patch that changes nothing makes no event */
            behind_note(m->behind, KEY(kube_namespace(o->object), kube_name(o->object)), json_string_value(w->version));
            w->done++;
        }
        json_decref(w->version);
        w->version = json_incref(next);
    }
    return ERR_OK;
}

static void put_finalizer(json_t *patch, const struct observed *o, bool present)
{
    json_t *list = json_array(), *f;
    size_t i;

    json_array_foreach(json_at(o->object, "metadata", "finalizers", NULL), i, f)
        if (!str_is(json_to_str(f), WORKSPACE_FINALIZER))
            json_array_append(list, f);
    if (present)
        json_push(list, json_string(WORKSPACE_FINALIZER));
    json_put(json_sub(patch, "metadata"), "finalizers", list);
}

static errc remove_finalizer(struct workspace_manager *m, const struct observed *o, struct writes *w, struct err *e)
{
    json_t *patch = json_object();

    put_finalizer(patch, o, false);
    errc rc = patch_workspace(m, o, NULL, patch, w, e);

    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* Before anything that would outlive the Workspace, but for the first claims; the first time with all there is to write. */
static errc write_first(struct workspace_manager *m, const struct observed *o, const struct ws_plan *p, struct writes *w, struct err *e)
{
    json_t *patch = json_object();

    if (p->add_finalizer)
        put_finalizer(patch, o, true);
    if (p->first && p->annotations)
        json_put(json_sub(patch, "metadata"), "annotations", json_clone(p->annotations));
    if (json_object_size(patch) > 0)
        return patch_workspace(m, o, NULL, patch, w, e);
    json_decref(patch);
    return ERR_OK;
}

static errc write_annotations(struct workspace_manager *m, const struct observed *o, const json_t *annotations, struct writes *w, struct err *e)
{
    json_t *patch = json_object();

    json_put(json_sub(patch, "metadata"), "annotations", json_clone(annotations));
    return patch_workspace(m, o, NULL, patch, w, e);
}

static errc write_status(struct workspace_manager *m, const struct observed *o, const json_t *status, struct writes *w, struct err *e)
{
    json_t *patch = json_object(), *s = json_clone(status);

    if (!json_object_get(s, "workerNodes"))
        json_put(s, "workerNodes", json_null());
    json_put(patch, "status", s);
    return patch_workspace(m, o, "status", patch, w, e);
}

/*
 * The count of nodes is decided once: it is written before what was decided with it, so that whoever comes after a crash keeps it.
 * Watchers see upstream's order; where many wait, one write says all.
 */
static errc write_target(struct workspace_manager *m, const struct observed *o, const json_t *status, struct writes *w, struct err *e)
{
    int64_t target = json_int(status, "targetNodeCount", 0);

    if (target == 0 || o->ws.status.target_node_count > 0)
        return ERR_OK;
    w->told = controller_is_crowded(m->controller);
    if (w->told)
        return write_status(m, o, status, w, e);
    return patch_workspace(m, o, "status", json_pack("{s:{s:I}}", "status", "targetNodeCount", (json_int_t)target), w, e);
}

/* CONFLICT, which is tried again: it is of the former Workspace of this name, and about to go or gone by now. */
static errc revision_is_ours(struct workspace_manager *m, const struct observed *o, const json_t *object, struct err *e)
{
    AUTO_JSON there = NULL;
    errc rc = kube_get(m->client, gvr_of(object), kube_namespace(object), kube_name(object), &there, e);

    if (rc && rc != ERR_NOT_FOUND)
        return err_wrap(e, "create ControllerRevision %s", kube_name(object));
    if (!rc && !ws_is_of_another(&o->ws, there))
        return ERR_OK;
    return err_set(e, ERR_CONFLICT, "ControllerRevision %s: is of the former Workspace of this name; waiting until it is gone", kube_name(object));
}

/* What brings machines is marked. */
static json_t *as_written(const struct observed *o, const json_t *object)
{
    bool machine = claim_kind_of(object) || streq(kube_kind(object), "NodePool");

    return machine ? machine_marked(object, &o->ws) : json_incref((json_t *)(uintptr_t)object);
}

/* What is applied later says from the start whose it is. A plain creation costs the API half of what the first apply would. */
static errc create_object(struct workspace_manager *m, const json_t *object, struct err *e)
{
    if (streq(kube_kind(object), "StatefulSet"))
        return kube_create_as(m->client, gvr_of(object), object, MANAGER_NAME, NULL, e);
    return kube_create(m->client, gvr_of(object), NULL, object, NULL, e);
}

static errc create_one(struct workspace_manager *m, const struct observed *o, const json_t *planned, struct writes *w, struct err *e)
{
    AUTO_JSON object = as_written(o, planned);
    const struct claim_kind *claim = claim_kind_of(object);

    if (claim == &claim_kind_machine)
        TRY(claims_are_still_the_kind(m, e));
    errc rc = create_object(m, object, e);

    if (rc == ERR_EXISTS && claim)
        return claim_keep_marks(m, object, e) ? err_wrap(e, "create %s %s", claim->kind, kube_name(object)) : ERR_OK;
    if (rc == ERR_EXISTS && streq(kube_kind(object), "ControllerRevision"))
        return revision_is_ours(m, o, object, e);
    /* a small API may keep no history */
    if (rc == ERR_EXISTS || (rc == ERR_NOT_FOUND && streq(kube_kind(object), "ControllerRevision")))
        return ERR_OK;
    if (rc && claim)
        recorder_event_from(m->recorder, CLAIM_RECORDER, o->object, EVENT_WARNING, "NodeClaimCreationFailed", "Failed to create %s %s for workspace %s: %s",
                       claim->kind, kube_name(object), kube_name(o->object), e->text);
    if (rc)
        return err_wrap(e, "create %s %s", kube_kind(object), kube_name(object));
    w->done++;
    if (claim)
        recorder_event_from(m->recorder, CLAIM_RECORDER, o->object, EVENT_NORMAL, "NodeClaimCreated", "Successfully created %s %s for workspace %s/%s",
                       claim->kind, kube_name(object), kube_namespace(o->object), kube_name(o->object));
    return ERR_OK;
}

/* Machines take the longest: their claims come first. What serves or trains comes once the Workspace says what was decided. */
enum stage { STAGE_MACHINES, STAGE_HISTORY, STAGE_WORKLOAD };

static enum stage stage_of(const json_t *object)
{
    return claim_kind_of(object) ? STAGE_MACHINES : streq(kube_kind(object), "ControllerRevision") ? STAGE_HISTORY : STAGE_WORKLOAD;
}

static bool has_stage(const json_t *list, enum stage stage)
{
    const json_t *object;
    size_t i;

    json_array_foreach(list, i, object)
        if (stage_of(object) == stage)
            return true;
    return false;
}

static errc create_objects(struct workspace_manager *m, const struct observed *o, const json_t *list, enum stage stage, struct writes *w, struct err *e)
{
    const json_t *object;
    size_t i;

    json_array_foreach(list, i, object)
        if (stage_of(object) == stage)
            TRY(create_one(m, o, object, w, e));
    return ERR_OK;
}

/* What a later version leaves out must go, also when it came with the creation, and when upstream's manager made it. */
static errc apply_object(struct workspace_manager *m, const json_t *object, struct err *e)
{
    const struct kube_gvr *gvr = gvr_of(object);

    if (streq(kube_kind(object), "StatefulSet"))
        TRY(kube_own_as_applied(m->client, gvr, kube_namespace(object), kube_name(object), MANAGER_NAME, UPSTREAM_MANAGER, e));
    return kube_apply(m->client, gvr, NULL, object, MANAGER_NAME, true, NULL, e);
}

static errc apply_objects(struct workspace_manager *m, const struct observed *o, const json_t *list, struct writes *w, struct err *e)
{
    const json_t *planned;
    size_t i;

    json_array_foreach(list, i, planned) {
        AUTO_JSON object = as_written(o, planned);

        if (apply_object(m, object, e))
            return err_wrap(e, "apply %s %s", kube_kind(object), kube_name(object));
        w->done++;
    }
    return ERR_OK;
}

/*
 * The object that was decided on goes by its uid. A conflict may mean that another one has its name by now, and nothing is left to do; but it
 * may mean anything else as well, so the present is read again, and what a claim costs is not lost sight of.
 */
static errc mend_objects(struct workspace_manager *m, const json_t *list, struct writes *w, struct err *e)
{
    const json_t *object;
    size_t i;

    json_array_foreach(list, i, object) {
        errc rc = kube_patch(m->client, gvr_of(object), kube_namespace(object), kube_name(object), NULL, KUBE_PATCH_MERGE, object, NULL, e);

        if (rc && rc != ERR_NOT_FOUND)
            return err_wrap(e, "mend %s %s", kube_kind(object), kube_name(object));
        w->done += rc ? 0 : 1;
    }
    return ERR_OK;
}

static errc remove_objects(struct workspace_manager *m, const json_t *list, struct writes *w, struct err *e)
{
    const json_t *object;
    size_t i;

    json_array_foreach(list, i, object) {
        struct kube_delete_opts opts = { .propagation = "Background", .uid = kube_uid(object) };
        errc rc = kube_delete(m->client, gvr_of(object), kube_namespace(object), kube_name(object), &opts, e);

        if (rc && rc != ERR_NOT_FOUND)
            return err_wrap(e, "delete %s %s", kube_kind(object), kube_name(object));
        w->done += rc ? 0 : 1;
    }
    return ERR_OK;
}

static errc label_nodes(struct workspace_manager *m, const json_t *names, struct writes *w, struct err *e)
{
    const json_t *name;
    size_t i;

    json_array_foreach(names, i, name) {
        AUTO_JSON patch = json_pack("{s:{s:{s:s}}}", "metadata", "labels", "accelerator", "nvidia");
        errc rc = kube_patch(m->client, KUBE_GVR("", "v1", "nodes"), NULL, json_string_value(name), NULL, KUBE_PATCH_MERGE, patch, NULL, e);

        if (rc && rc != ERR_NOT_FOUND)
            return err_wrap(e, "label Node %s", json_string_value(name));
        w->done += rc ? 0 : 1;
    }
    return ERR_OK;
}

/* Nothing but the Workspace's own history and status is left once machines are asked for, and nothing went wrong. */
static bool may_wait(const struct ws_plan *p)
{
    const json_t *const urgent[] = { p->apply, p->mend, p->remove, p->label_nodes };

    for (size_t i = 0; i < ARRAY_LEN(urgent); i++)
        if (json_array_size(urgent[i]) > 0)
            return false;
    return (p->status || has_stage(p->create, STAGE_HISTORY)) && !has_stage(p->create, STAGE_WORKLOAD) && (p->first || !p->annotations) &&
           !p->remove_finalizer && !p->error.code;
}

/* Nobody is kept from machines and workloads by what only tells of others'. */
static bool put_off(struct workspace_manager *m, const struct observed *o)
{
    return controller_put_off(m->controller, KEY(kube_namespace(o->object), kube_name(o->object)), TELL_LATEST_MS);
}

static errc tell(struct workspace_manager *m, const struct observed *o, const struct ws_plan *p, struct writes *w, struct err *e)
{
    const json_t *event;
    size_t i;

    if (p->status && !w->told)
        TRY(write_status(m, o, p->status, w, e));
    json_array_foreach(p->events, i, event)
        recorder_event(m->recorder, o->object, json_cstr(event, "type"), json_cstr(event, "reason"), "%s", json_cstr(event, "message"));
    return ERR_OK;
}

/*
 * Who waits for a machine does not wait for the finalizer of a new Workspace: its claims go first. Should it vanish between the two they are
 * taken back, by whoever is alive then (orphans.c).
 */
static errc begin(struct workspace_manager *m, const struct observed *o, const struct ws_plan *p, struct writes *w, struct err *e)
{
    bool is_new = p->first && p->add_finalizer;

    if (is_new)
        TRY(create_objects(m, o, p->create, STAGE_MACHINES, w, e));
    errc rc = write_first(m, o, p, w, e);

    if (rc == ERR_NOT_FOUND && is_new) {
        TRY(orphans_take_back(m, o->object, p->create, e));
        return err_set(e, ERR_CONFLICT, "Workspace %s: is gone before it had its finalizer", kube_name(o->object));
    }
    return rc || is_new ? rc : create_objects(m, o, p->create, STAGE_MACHINES, w, e);
}

static errc apply_all(struct workspace_manager *m, const struct observed *o, const struct ws_plan *p, struct writes *w, struct err *e)
{
    TRY(begin(m, o, p, w, e));
    if (may_wait(p) && put_off(m, o))
        return ERR_OK;
    TRY(create_objects(m, o, p->create, STAGE_HISTORY, w, e));
    if (p->annotations && !p->first)
        TRY(write_annotations(m, o, p->annotations, w, e));
    if (p->status)
        TRY(write_target(m, o, p->status, w, e));
    TRY(label_nodes(m, p->label_nodes, w, e));
    TRY(mend_objects(m, p->mend, w, e));
    TRY(create_objects(m, o, p->create, STAGE_WORKLOAD, w, e));
    TRY(apply_objects(m, o, p->apply, w, e));
    TRY(remove_objects(m, p->remove, w, e));
    if (!p->remove_finalizer && !p->error.code && !w->told && p->status && put_off(m, o))
        return ERR_OK;
    TRY(tell(m, o, p, w, e));
    if (!p->remove_finalizer)
        return ERR_OK;
    TRY(claims_remove_unseen(m, o, e));
    return remove_finalizer(m, o, w, e);
}

/* Why a write failed is told where people look; that this is not always possible changes nothing about the failure. */
static void tell_failure(struct workspace_manager *m, const struct op *op, const struct observed *o, const struct err *failure, struct writes *w)
{
    struct ws_view view = o->view;
    struct ws_plan plan;
    struct err ignored;

    view.failed = failure->text;
    workspace_plan(&view, op->now_ms, &plan);
    if (plan.status)
        (void)write_status(m, o, plan.status, w, &ignored);
    ws_plan_done(&plan);
}

errc workspace_apply(struct workspace_manager *m, struct op *op, const struct observed *o, const struct ws_plan *plan, bool *out_progressed,
                     struct err *e)
{
    struct writes w = { .version = json_string(kube_resource_version(o->object)) };
    errc rc = apply_all(m, o, plan, &w, e);

    *out_progressed = w.done > 0;
    if (rc && rc != ERR_CONFLICT && rc != ERR_CANCELLED && rc != ERR_UNAVAILABLE && rc != ERR_TIMEOUT)
        tell_failure(m, op, o, e, &w);
    json_decref(w.version);
    return rc;
}

/* ---- what must be there before the first Workspace ---------------------------------------------------------------- */

static errc create_if_absent(struct workspace_manager *m, json_t *object, struct err *e)
{
    AUTO_JSON o = object;
    errc rc = kube_create(m->client, gvr_of(o), NULL, o, NULL, e);

    return rc == ERR_EXISTS ? ERR_OK : rc ? err_wrap(e, "create %s %s", kube_kind(o), kube_name(o)) : ERR_OK;
}

static errc wait_served(struct workspace_manager *m, const struct kube_gvr *r, struct err *e)
{
    for (int i = 0; i < 600; i++) {
        bool served = false;

        TRY(kube_has_resource(m->client, r, &served, e));
        if (served)
            return ERR_OK;
        if (cancel_wait_ms(m->cancel, 50))
            return err_set(e, ERR_CANCELLED, "stopped");
    }
    return err_set(e, ERR_TIMEOUT, "%s.%s is not served 30 s after its CustomResourceDefinition was written", r->resource, r->group);
}

/* Ours is kept current; NodeClaim's belongs to whoever installed it first, and is not brought where a provisioner waits for Machines. */
static errc install_crds(struct workspace_manager *m, struct err *e)
{
    AUTO_JSON list = NULL;
    bool machines = false;
    const json_t *crd;
    size_t i;

    TRY(kube_has_resource(m->client, &claim_kind_machine.gvr, &machines, e));
    api_kaito_crds(&list);
    json_array_foreach(list, i, crd) {
        if (streq(json_str_at(crd, "spec", "group", NULL), "kaito.sh")) {
            if (kube_apply(m->client, gvr_of(crd), NULL, crd, MANAGER_NAME, true, NULL, e))
                return err_wrap(e, "apply CustomResourceDefinition %s", kube_name(crd));
        } else if (!machines) {
            TRY(create_if_absent(m, json_clone(crd), e));
        }
    }
    TRY(wait_served(m, &workspaces, e));
    return machines ? ERR_OK : wait_served(m, &claim_kind_node_claim.gvr, e);
}

errc workspace_install(struct workspace_manager *m, bool crds, struct err *e)
{
    const char *ns = m->settings.release_namespace;

    if (crds) {
        TRY(install_crds(m, e));
        TRY(create_if_absent(m, kube_object("v1", "Namespace", NULL, ns), e));
    }
    if (m->settings.karpenter)
        TRY(node_classes_install(m, e));
    TRY(create_if_absent(m, render_tuning_template(ns, "lora-params-template"), e));
    TRY(create_if_absent(m, render_tuning_template(ns, "qlora-params-template"), e));
    return create_if_absent(m, render_inference_template(ns), e);
}
