/* Whose an object of a Workspace's name is. What somebody else made is neither taken for ours nor written nor deleted. */
#include "workspace/plan_priv.h"

/* Marks that only we and upstream put on objects of this Workspace. */
static bool is_marked(const struct workspace *ws, const json_t *object)
{
    return str_is(ws->meta.name, kube_label(object, WORKSPACE_LABEL)) || kube_annotation(object, REVISION_ANNOTATION) ||
           str_is(ws->meta.name, json_str_at(object, "spec", "selector", WORKSPACE_LABEL, NULL));
}

bool ws_is_of_another(const struct workspace *ws, const json_t *object)
{
    const json_t *controller = kube_controller_of(object);

    return controller && !str_is(ws->meta.uid, json_cstr(controller, "uid"));
}

enum ws_owner { WS_OWNER_US, WS_OWNER_NOBODY, WS_OWNER_OTHER };         /* NOBODY: ours by its marks, without a controller */

static enum ws_owner ws_owner_of(const struct workspace *ws, const json_t *object)
{
    if (kube_controller_of(object))
        return ws_is_of_another(ws, object) ? WS_OWNER_OTHER : WS_OWNER_US;
    return is_marked(ws, object) ? WS_OWNER_NOBODY : WS_OWNER_OTHER;
}

json_t *mend_object(struct planner *p, const char *api, const char *kind, const json_t *object)
{
    json_t *o = kube_object(api, kind, kube_namespace(object), kube_name(object));

    json_put_str(json_object_get(o, "metadata"), "uid", kube_uid(object));
    json_push(p->out->mend, o);
    return o;
}

static void adopt(struct planner *p, const char *api, const char *kind, const json_t *object)
{
    json_put(json_object_get(mend_object(p, api, kind, object), "metadata"), "ownerReferences", owner_references(p->v->ws));
}

/* Another's object goes out of sight, into *other: *slot becomes NULL. */
static void look_at(struct planner *p, const char *api, const char *kind, const json_t **slot, const json_t **other)
{
    enum ws_owner owner = *slot ? ws_owner_of(p->v->ws, *slot) : WS_OWNER_US;

    if (owner == WS_OWNER_NOBODY && !kube_deleting(*slot))
        adopt(p, api, kind, *slot);
    if (owner != WS_OWNER_OTHER)
        return;
    *other = *slot;
    *slot = NULL;
}

void plan_owners(struct planner *p, struct ws_view *view)
{
    look_at(p, "batch/v1", "Job", &view->job, &p->other_job);
    look_at(p, "v1", "Service", &view->headless, &p->other_serving);
    look_at(p, "v1", "Service", &view->service, &p->other_serving);
    look_at(p, "apps/v1", "StatefulSet", &view->statefulset, &p->other_serving);
}

bool name_is_taken(struct planner *p, const char *type, const json_t *by)
{
    const json_t *controller = kube_controller_of(by);

    if (!by)
        return false;
    if (streq(json_cstr(controller, "kind"), "Workspace") && str_is(p->v->ws->meta.name, json_cstr(controller, "name"))) {
        status_set(&p->status, type, false, "NameTaken", "waiting until %s '%s' of the former Workspace of this name is gone", kube_kind(by), kube_name(by));
        return true;
    }
    status_fail(&p->status, type, "NameTaken", "%s '%s' in namespace '%s' was not made for this Workspace%s%s%s%s; delete it, or give the Workspace another name",
                kube_kind(by), kube_name(by), kube_namespace(by), controller ? " but for " : "", controller ? json_cstr(controller, "kind") : "",
                controller ? " " : "", controller ? json_cstr(controller, "name") : "");
    return true;
}
