/* What is there: snapshots of the informers' caches for one Workspace. */
#include "workspace/manager.h"
#include "workspace/priv.h"

static json_t *own(struct op *op, json_t *j)
{
    if (j)
        json_arena_own(op->arena, j);
    return j;
}

static const char *text(struct op *op, struct str s)
{
    return arena_strndup(op->arena, s.p ? s.p : "", s.n);
}

/* Does a claim say so: that it is Ready, or that this node is its own? */
static bool is_claimed(const json_t *claims, const json_t *node)
{
    const json_t *claim;
    size_t i;

    json_array_foreach(claims, i, claim)
        if (claim_is_ready(claim) || streq(json_str_at(claim, "status", "nodeName", NULL), kube_name(node)))
            return true;
    return false;
}

/*
 * A machine that was made for the Workspace counts from when its claim speaks of it, which wakes the Workspace: what the node is before
 * would only be seen, and written, when something else wakes it by chance (on_node).
 */
static json_t *nodes_of(struct workspace_manager *m, struct op *op, const struct workspace *ws, const json_t *claims)
{
    const json_t *labels = own(op, ws_node_labels(&m->settings, ws));
    json_t *nodes = own(op, informer_list_labels(m->nodes, NULL, json_object_size(labels) ? labels : NULL));

    for (size_t i = json_array_size(nodes); i-- > 0;)
        if (!m->settings.byo && ws_node_is_claimed(&m->settings, json_array_get(nodes, i)) && !is_claimed(claims, json_array_get(nodes, i)))
            json_array_remove(nodes, i);
    return nodes;
}

/* Pods by the name alone, in their namespace; claims, which have none, by both labels of the mode. */
static json_t *labelled(struct workspace_manager *m, struct informer *i, struct op *op, const char *ns, const struct workspace *ws, bool claims)
{
    json_t *labels = own(op, json_object());
    bool pool = claims && m->settings.karpenter;

    json_put(labels, pool ? POOL_NAME_LABEL : WORKSPACE_LABEL, json_strn(ws->meta.name));
    if (claims)
        json_put(labels, pool ? POOL_NS_LABEL : WORKSPACE_NS_LABEL, json_strn(ws->meta.namespace));
    return own(op, informer_list_labels(i, ns, labels));
}

static void observe_tuning(struct workspace_manager *m, struct op *op, struct observed *o)
{
    const struct ws_tuning *t = o->ws.tuning;
    const char *ns = text(op, o->ws.meta.namespace), *template_name = ws_template_name(&o->ws);
    struct ws_view *v = &o->view;

    if (template_name)
        v->tuning_template = own(op, informer_get(m->configs, m->settings.release_namespace, template_name));
    if (template_name || t->config.n > 0)
        v->tuning_config = own(op, informer_get(m->configs, ns, template_name ? template_name : text(op, t->config)));
    if (t->output && t->output->image_push_secret.n > 0)
        v->push_secret = own(op, informer_get(m->secrets, ns, text(op, t->output->image_push_secret)));
    if (v->job && json_int(json_object_get(v->job, "status"), "active", 0) > 0)
        v->progress = tuning_progress(m, op, v->pods, &o->left_s);
}

/*
 * The history, when the spec is another than the annotated one: then it says which number comes next, or came before. Asked of the API,
 * because that is rare; a Workspace whose spec never changed has none.
 */
static errc observe_revisions(struct workspace_manager *m, struct op *op, struct observed *o, struct err *e)
{
    AUTO_BUF selector = { 0 };
    json_t *list = NULL;
    char hash[65];
    int64_t number;

    if (o->ws.meta.deleted_us || o->ws.meta.generation <= 1)
        return ERR_OK;
    ws_hash(&o->ws, hash);
    if (ws_has_revision(&o->ws, hash, &number))
        return ERR_OK;
    buf_addf(&selector, "workspace.kaito.io/name=%.*s", STR_ARG(o->ws.meta.name));
    errc rc = kube_list_all(m->client, KUBE_GVR("apps", "v1", "controllerrevisions"), text(op, o->ws.meta.namespace),
                            &(struct kube_list_opts){ .label_selector = buf_cstr(&selector) }, &list, e);

    o->view.revisions = own(op, list);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc ? err_wrap(e, "list ControllerRevisions") : ERR_OK;    /* a small API may keep no history */
}

errc workspace_observe(struct workspace_manager *m, struct op *op, json_t *object, struct observed *o, struct err *e)
{
    AUTO_BUF headless = { 0 };
    const char *ns = kube_namespace(object), *name = kube_name(object);
    struct ws_view *v = &o->view;

    *o = (struct observed){ .object = object };
    TRY(schema_decode(&workspace_v1beta1, object, op->arena, &o->ws, e));
    buf_addf(&headless, "%s-headless", name);
    *v = (struct ws_view){ .settings = &m->settings, .ws = &o->ws };
    v->claims = m->claims ? labelled(m, m->claims, op, NULL, &o->ws, true) : NULL;
    v->nodes = nodes_of(m, op, &o->ws, v->claims);
    v->pods = labelled(m, m->pods, op, ns, &o->ws, false);
    v->service = own(op, informer_get(m->services, ns, name));
    v->headless = own(op, informer_get(m->services, ns, buf_cstr(&headless)));
    v->statefulset = own(op, informer_get(m->statefulsets, ns, name));
    v->job = own(op, informer_get(m->jobs, ns, name));
    v->local_nvme_class = m->storage_classes && own(op, informer_get(m->storage_classes, "", "kaito-local-nvme-disk")) != NULL;
    if (m->node_pools) {
        AUTO_BUF pool = { 0 };

        node_pool_name(&o->ws, &pool);
        v->node_pool = own(op, informer_get(m->node_pools, "", buf_cstr(&pool)));
        v->node_class_problem = node_class_problem(own(op, informer_get(m->node_classes, "", text(op, ws_node_class(&m->settings, &o->ws)))),
                                                   ws_node_class(&m->settings, &o->ws), op->arena);
    }
    if (o->ws.tuning)
        observe_tuning(m, op, o);
    if (o->ws.inference && o->ws.inference->config.n > 0)
        v->inference_config = own(op, informer_get(m->configs, ns, text(op, o->ws.inference->config)));
    TRY(mirrors_observe(m, op, o, e));
    lookup_observe(m, op, o);
    benchmark_observe(m, op, o);
    return observe_revisions(m, op, o, e);
}
