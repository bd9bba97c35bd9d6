/* The running controller: informers, the queue's workers, one reconcile. */
#include "workspace/manager.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "workspace/priv.h"

#define PROGRESS_MIN_MS 5000            /* each look is a write of the status, a line of `kubectl get -w` */
#define PROGRESS_FIRST_MS 2000          /* while it does not answer yet */
#define PROGRESS_MAX_MS 60000

/* A hundredth of what is left: soon enough for whoever waits, and no flood of writes from a training of days. */
static int64_t progress_poll_ms(int64_t left_s)
{
    int64_t ms = left_s * 10;

    return ms < PROGRESS_MIN_MS ? PROGRESS_MIN_MS : ms > PROGRESS_MAX_MS ? PROGRESS_MAX_MS : ms;
}

static errc reconcile(void *self, struct op *op, const struct key *key, struct reconcile_result *out, struct err *e)
{
    struct workspace_manager *m = self;
    AUTO_JSON object = informer_get(m->workspaces, key->ns, key->name);
    struct observed o;
    struct ws_plan plan;
    bool strays;

    if (!object) {
        behind_forget(m->behind, key);
        behind_forget(m->vanished, key);
        return orphans_remove(m, key, NULL, &strays, e);        /* gone: its other children go with their owner reference */
    }
    if (behind_is(m->behind, key, kube_resource_version(object)) || behind_is(m->vanished, key, kube_uid(object)))
        return ERR_OK;          /* the event of our own write, or of its end, wakes this key again */
    TRY(orphans_remove(m, key, kube_uid(object), &strays, e));
    if (strays)
        return ERR_OK;          /* and so does what happens to them, or the event that the cache lacks */
    errc rc = workspace_observe(m, op, object, &o, e);
    if (rc)
        return rc;
    if (o.model_awaited)
        return ERR_OK;          /* so does the hub's answer */
    workspace_plan(&o.view, op->now_ms, &plan);
    rc = workspace_apply(m, op, &o, &plan, &out->progressed, e);
    out->requeue_after_ms = plan.requeue_after_ms;
    int64_t poll_ms = o.view.progress ? progress_poll_ms(o.left_s) : PROGRESS_FIRST_MS;

    if (plan.poll_progress && (out->requeue_after_ms == 0 || out->requeue_after_ms > poll_ms))
        out->requeue_after_ms = poll_ms;
    if (!rc && plan.error.code) {
        *e = plan.error;
        rc = e->code;           /* written into the conditions; tried again with back-off */
    }
    ws_plan_done(&plan);
    return rc;
}

/* ---- which Workspaces an object concerns ------------------------------------------------------------------------------- */

static bool is_same_spec(const json_t *old, const json_t *now)
{
    return old && now && kube_generation(old) == kube_generation(now) && streq(kube_uid(old), kube_uid(now));
}

static void on_workspace(void *self, const json_t *old, const json_t *now)
{
    struct workspace_manager *m = self;

    if (!is_same_spec(old, now))
        mentions_change(m->mentions, old, now);
}

static void on_secret(void *self, const json_t *object, struct workq *q)
{
    struct workspace_manager *m = self;

    mentions_of_secret(m->mentions, object, q);
}

static void on_config(void *self, const json_t *object, struct workq *q)
{
    struct workspace_manager *m = self;

    mentions_of_config(m->mentions, object, q);
}

static bool names_class(const struct workspace_manager *m, const json_t *ws, const char *class)
{
    const char *asked = kube_annotation(ws, NODE_CLASS_ANNOTATION);

    return streq(str_set(asked) ? asked : m->settings.default_node_class, class);
}

static void on_node_class(void *self, const json_t *object, struct workq *q)
{
    struct workspace_manager *m = self;
    AUTO_JSON list = informer_list(m->workspaces, NULL, NULL);
    const json_t *ws;
    size_t i;

    json_array_foreach(list, i, ws)
        if (names_class(m, ws, kube_name(object)))
            workq_add(q, KEY(kube_namespace(ws), kube_name(ws)));
}

static bool has_ready_claim(const struct workspace_manager *m, const json_t *labels)
{
    AUTO_JSON claims = informer_list_labels(m->claims, NULL, labels);
    const json_t *claim;
    size_t i;

    json_array_foreach(claims, i, claim)
        if (claim_is_ready(claim))
            return true;
    return false;
}

/*
 * A machine that comes up changes several times before its claim is Ready, and nothing can be done until then: the claim's event
 * wakes the Workspace, with what the node is by then. Whoever watches the Workspace sees one change, as of upstream's.
 */
static void on_node(void *self, const json_t *node, struct workq *q)
{
    struct workspace_manager *m = self;
    const char *name_label = m->settings.karpenter ? POOL_NAME_LABEL : WORKSPACE_LABEL, *ns_label = m->settings.karpenter ? POOL_NS_LABEL : WORKSPACE_NS_LABEL;
    const char *name = kube_label(node, name_label), *ns = kube_label(node, ns_label);

    if (!name || !ns)
        return;
    AUTO_JSON labels = json_pack("{s:s, s:s}", name_label, name, ns_label, ns);

    if (!ws_node_is_claimed(&m->settings, node) || has_ready_claim(m, labels))
        workq_add(q, KEY(ns, name));
}

/*
 * Whose it is, and who wants its name: a Workspace waits for somebody else's object to go. The headless Service has a longer name.
 */
static void on_workload(void *self, const json_t *object, struct workq *q)
{
    struct workspace_manager *m = self;
    const json_t *owner = kube_controller_of(object);
    struct str name = str_of(kube_name(object)), suffix = STR("-headless");

    if (streq(json_cstr(owner, "kind"), "Workspace")) {
        workq_add(q, KEY(kube_namespace(object), json_cstr(owner, "name")));
        return;
    }
    if (streq(kube_kind(object), "Service") && str_has_suffix(name, suffix))
        name.n -= suffix.n;
    AUTO_MEM char *wanted = xstrndup(name.p, name.n);
    AUTO_JSON ws = informer_get(m->workspaces, kube_namespace(object), wanted);

    if (ws)
        workq_add(q, KEY(kube_namespace(object), wanted));
}

/* The user's own nodes carry no label that names a Workspace. */
static void on_byo_node(void *self, const json_t *node, struct workq *q)
{
    struct workspace_manager *m = self;

    mentions_of_node(m->mentions, node, q);
}

/* ---- what is watched ------------------------------------------------------------------------------------------------- */

/* NULL: everywhere. Nodes and what stands for them belong to no namespace; the templates of parameters are the release's. */
static const char *const *namespaces_of(const struct workspace_manager *m, const struct kube_gvr *gvr)
{
    bool everywhere = streq(gvr->resource, "nodes") || streq(gvr->group, "karpenter.sh");

    if (everywhere || !m->settings.namespaces)
        return NULL;
    return streq(gvr->resource, "configmaps") ? m->config_namespaces : m->settings.namespaces;
}

static struct informer *watch(struct workspace_manager *m, struct kube_gvr gvr, const char *labels, json_t *(*slim)(json_t *))
{
    struct informer_opts o = { .gvr = gvr, .namespaces = namespaces_of(m, &gvr), .label_selector = labels, .transform = slim, .compact = true };

    return informers_get(m->informers, &o);
}

/* The namespaces and the release's, which may be one of them. */
static const char **config_namespaces(const struct workspace_settings *s)
{
    size_t n = 0;

    while (s->namespaces && s->namespaces[n])
        n++;
    const char **all = xcalloc(n + 2, sizeof *all);
    bool has = false;

    for (size_t i = 0; i < n; i++) {
        all[i] = s->namespaces[i];
        has = has || streq(all[i], s->release_namespace);
    }
    if (!has)
        all[n] = s->release_namespace;
    return all;
}

struct api_kinds { bool claims, storage; };     /* what not every API has */

static void watch_all(struct workspace_manager *m, const struct api_kinds *has)
{
    const struct claim_kind *kind = m->settings.claim_kind;
    struct controller *c = m->controller;
    const char *name_label = m->settings.karpenter ? POOL_NAME_LABEL : WORKSPACE_LABEL, *ns_label = m->settings.karpenter ? POOL_NS_LABEL : WORKSPACE_NS_LABEL;
    AUTO_BUF machines = { 0 };

    ws_machine_selector(&m->settings, &machines);
    m->workspaces = watch(m, (struct kube_gvr){ "kaito.sh", "v1beta1", "workspaces" }, NULL, slim_workspace);
    if (has->claims)
        m->claims = watch(m, kind->gvr, buf_cstr(&machines), kind == &claim_kind_machine ? slim_machine : slim_claim);
    if (m->settings.karpenter) {
        m->node_pools = watch(m, (struct kube_gvr){ "karpenter.sh", "v1", "nodepools" }, buf_cstr(&machines), NULL);
        m->node_classes = watch(m, node_class_gvr(&m->settings), NULL, slim_node_class);
    }
    m->nodes = watch(m, (struct kube_gvr){ "", "v1", "nodes" }, m->settings.byo ? NULL : buf_cstr(&machines), slim_node);       /* the user's own carry any labels */
    m->pods = watch(m, (struct kube_gvr){ "", "v1", "pods" }, WORKSPACE_LABEL, slim_pod);
    m->services = watch(m, (struct kube_gvr){ "", "v1", "services" }, NULL, slim_service);
    m->statefulsets = watch(m, (struct kube_gvr){ "apps", "v1", "statefulsets" }, NULL, slim_statefulset);
    m->jobs = watch(m, (struct kube_gvr){ "batch", "v1", "jobs" }, NULL, slim_job);
    m->configs = watch(m, (struct kube_gvr){ "", "v1", "configmaps" }, NULL, slim_config);
    m->secrets = watch(m, (struct kube_gvr){ "", "v1", "secrets" }, NULL, slim_secret);
    m->volume_claims = watch(m, (struct kube_gvr){ "", "v1", "persistentvolumeclaims" }, WORKSPACE_LABEL, slim_volume_claim);
    if (has->storage)
        m->storage_classes = informers_of(m->informers, "storage.k8s.io", "v1", "storageclasses");

    if (m->settings.model_streaming)
        mirrors_watch(m);

    informer_on(m->workspaces, &(struct informer_handler){ on_workspace, m });
    controller_watch(c, m->workspaces);
    if (m->claims)
        controller_watch_label(c, m->claims, name_label, ns_label);
    if (m->node_pools) {
        controller_watch_label(c, m->node_pools, name_label, ns_label);
        controller_watch_map(c, m->node_classes, on_node_class, m);
    }
    controller_watch_map(c, m->nodes, m->settings.byo ? on_byo_node : on_node, m);
    controller_watch_label(c, m->pods, WORKSPACE_LABEL, NULL);
    controller_watch_map(c, m->services, on_workload, m);
    controller_watch_map(c, m->statefulsets, on_workload, m);
    controller_watch_map(c, m->jobs, on_workload, m);
    controller_watch_map(c, m->configs, on_config, m);
    controller_watch_map(c, m->secrets, on_secret, m);
}

static void manager_free(struct workspace_manager *m)
{
    if (!m)
        return;
    model_book_free(m->models);
    informers_free(m->informers);
    controller_free(m->controller);
    recorder_free(m->recorder);
    behind_free(m->behind);
    behind_free(m->vanished);
    mentions_free(m->mentions);
    free(m->config_namespaces);
    http_client_free(m->http);
    free(m);
}

errc workspace_manager_lead(struct workspace_manager *m, struct err *e)
{
    TRY(claims_are_still_the_kind(m, e));
    TRY(workspace_install(m, m->install_crds, e));
    workspace_migrate(m);
    controller_start(m->controller, m->cancel);
    log_info("workspace", "manager leads", KV("server", kube_client_server(m->client)), KV("machine_types", m->settings.cloud));
    return ERR_OK;
}

static void tell_of_machines(bool claims_served)
{
    if (claims_served)
        log_warn("workspace", "the API has NodeClaims (karpenter.sh/v1), and Machines that were asked for before are there: they are asked for on; "
                              "once `kubectl get machines` is empty start manager and provisioner again");
    else
        log_info("workspace", "the API has no NodeClaims (karpenter.sh/v1): legacy Machines (karpenter.sh/v1alpha5) are asked for");
}

/* Legacy Machines only where there is nothing else, or as long as there are some that were so asked for (claim_kind.h). *out: NULL: neither. */
static errc choose_claim_kind(struct workspace_manager *m, const struct claim_kind **out, struct err *e)
{
    struct claim_kinds_seen seen;

    TRY(claim_kinds_see(m->client, &seen, e));
    *out = claim_kind_choice(&seen);
    if (*out == &claim_kind_machine)
        tell_of_machines(seen.claims_served);
    return ERR_OK;
}

/*
 * Where no kind that asks for machines is served, NodeClaims are waited for. The user's own nodes need none, and where no machine may be asked for
 * (install/rbac.c) claims cannot be read either.
 */
static errc what_there_is(struct workspace_manager *m, struct api_kinds *out, struct err *e)
{
    const struct claim_kind *kind;

    TRY(kube_has_resource(m->client, KUBE_GVR("storage.k8s.io", "v1", "storageclasses"), &out->storage, e));
    out->claims = !m->settings.byo;
    if (m->settings.byo || m->settings.karpenter)
        return ERR_OK;
    TRY(choose_claim_kind(m, &kind, e));
    if (kind)
        m->settings.claim_kind = kind;
    else
        log_warn("workspace", "the API has no NodeClaims (karpenter.sh/v1): waiting; install a provisioner with its CustomResourceDefinitions "
                              "(and start again if they are of legacy Machines), or use --node-provisioner byo");
    return ERR_OK;
}

static errc start(struct workspace_manager *m, const struct workspace_manager_opts *o, struct err *e)
{
    struct api_kinds has = { 0 };

    if (m->settings.karpenter)
        TRY(node_classes_served(m, e));
    if (m->settings.model_streaming)
        TRY(mirrors_served(m, e));
    TRY(http_client_new(&(struct http_client_opts){ .connect_timeout_ms = 500, .timeout_ms = 1000 }, &m->http, e));
    if (!o->wait_to_lead)               /* before the informers: they would find no such kind and wait */
        TRY(workspace_install(m, o->install_crds, e));
    TRY(what_there_is(m, &has, e));
    m->behind = behind_new();
    m->vanished = behind_new();
    m->mentions = mentions_new(m->settings.release_namespace);
    m->config_namespaces = config_namespaces(&m->settings);
    m->recorder = recorder_new(m->client, "Workspace", NULL);
    m->informers = informers_new(m->client);
    m->controller = controller_new(&(struct controller_opts){ .name = "workspace", .workers = o->workers > 0 ? (unsigned)o->workers : 4,
                                                              .reconcile = reconcile, .self = m });
    watch_all(m, &has);
    TRY(lookup_start(m, o, e));
    informers_start(m->informers, m->cancel);
    if (!o->wait_to_lead) {
        workspace_migrate(m);
        controller_start(m->controller, m->cancel);
    }
    log_info("workspace", "manager started", KV("server", kube_client_server(m->client)), KV("machine_types", m->settings.cloud));
    return ERR_OK;
}

errc workspace_manager_start(struct kube_client *client, const struct workspace_manager_opts *o, struct cancel *cancel,
                             struct workspace_manager **out, struct err *e)
{
    struct workspace_manager *m = xmalloc(sizeof *m);

    *m = (struct workspace_manager){ .client = client, .settings = o->settings, .cancel = cancel, .install_crds = o->install_crds };
    m->settings.claim_kind = NULL;      /* what there is decides */
    workspace_settings_default(&m->settings);
    errc rc = start(m, o, e);

    if (rc)
        manager_free(m);
    else
        *out = m;
    return rc;
}

void workspace_manager_join(struct workspace_manager *m)
{
    if (!m)
        return;
    informers_join(m->informers);
    controller_join(m->controller);
    manager_free(m);
}
