#include "world.h"

#include <poll.h>
#include <stdio.h>

#include "api/kaito/crds.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/yaml.h"
#include "cluster/priv.h"

#define LOOK_MS 5
#define QUIET_MS 60                     /* longer than what an event needs to come round */

const struct kube_gvr gvr_workspaces = { "kaito.sh", "v1beta1", "workspaces" }, gvr_nodeclaims = { "karpenter.sh", "v1", "nodeclaims" },
    gvr_machines = { "karpenter.sh", "v1alpha5", "machines" }, gvr_nodepools = { "karpenter.sh", "v1", "nodepools" }, gvr_nodeclasses = { "karpenter.azure.com", "v1beta1", "aksnodeclasses" },
    gvr_revisions = { "apps", "v1", "controllerrevisions" }, gvr_secrets = { "", "v1", "secrets" },
    gvr_crds = { "apiextensions.k8s.io", "v1", "customresourcedefinitions" };

/* ---- a cloud and a kubelet --------------------------------------------------------------------------------------------- */

static errc finalize(struct world *w, const struct kube_gvr *r, const json_t *obj, const char *value, struct err *e)
{
    AUTO_JSON patch = json_object();

    json_put(json_sub(patch, "metadata"), "finalizers", value ? json_pack("[s]", value) : json_null());
    return kube_patch(w->user, r, NULL, kube_name(obj), NULL, KUBE_PATCH_MERGE, patch, NULL, e);
}

static json_t *machine_of(const json_t *claim)
{
    AUTO_MEM char *name = xasprintf("node-%s", kube_name(claim));
    json_t *node = kube_object("v1", "Node", NULL, name), *labels = json_clone(json_at(claim, "metadata", "labels", NULL));
    json_t *type = NULL, *requirement;
    size_t i;

    json_array_foreach(json_at(claim, "spec", "requirements", NULL), i, requirement)
        if (streq(json_cstr(requirement, "key"), "node.kubernetes.io/instance-type"))
            type = json_array_get(json_object_get(requirement, "values"), 0);
    json_put_str(labels, "node.kubernetes.io/instance-type", json_string_value(type));
    json_put_str(labels, "nvidia.com/gpu.product", "NVIDIA-A100-80GB-PCIe");
    json_put(json_object_get(node, "metadata"), "labels", labels);
    json_put(node, "status", json_pack("{s:{s:s,s:s,s:s,s:s}, s:{s:s,s:s,s:s,s:s}, s:[{s:s,s:s,s:s}]}",
                                       "capacity", "cpu", "200", "memory", "1800Gi", "pods", "500", "nvidia.com/gpu", "8",
                                       "allocatable", "cpu", "200", "memory", "1800Gi", "pods", "500", "nvidia.com/gpu", "8",
                                       "conditions", "type", "Ready", "status", "True", "reason", "KubeletReady"));
    return node;
}

static errc report_ready(struct world *w, const json_t *claim, const char *node, struct err *e)
{
    static const char *const types[] = { "Launched", "Registered", "Initialized", "Ready" };
    if (kube_condition_is(claim, "Ready", "True"))
        return ERR_OK;
    AUTO_JSON patch = json_object();
    json_t *status = json_sub(patch, "status"), *conditions = json_array();

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        (void)kube_condition_set(conditions, &(struct kube_condition){ types[i], "True", types[i], "", 0 }, clock_wall_ms());
    json_put_str(status, "nodeName", node);
    json_put(status, "conditions", conditions);
    claim_kind_out(w->kind, patch);
    return kube_patch(w->user, &w->kind->gvr, NULL, kube_name(claim), "status", KUBE_PATCH_MERGE, patch, NULL, e);
}

static errc drive_cloud(void *self, struct op *op, const struct key *key, struct reconcile_result *out, struct err *e)
{
    struct world *w = self;
    AUTO_JSON claim = informer_get(w->claims, key->ns, key->name);

    if (!claim)
        return ERR_OK;
    AUTO_JSON node = machine_of(claim);
    if (kube_deleting(claim)) {
        TRY(ok_if(kube_delete(w->user, &gvr_nodes, NULL, kube_name(node), NULL, e), ERR_NOT_FOUND));
        return ok_if(finalize(w, &w->kind->gvr, claim, NULL, e), ERR_NOT_FOUND);
    }
    if (!kube_has_finalizer(claim, "karpenter.sh/termination"))
        return ok_if(finalize(w, &w->kind->gvr, claim, "karpenter.sh/termination", e), ERR_NOT_FOUND);
    TRY(ok_if(kube_create(w->user, &gvr_nodes, NULL, node, NULL, e), ERR_EXISTS));
    return ok_if(report_ready(w, claim, kube_name(node), e), ERR_NOT_FOUND);
}

static json_t *claim_of(const json_t *pool, int64_t index)
{
    AUTO_MEM char *name = xasprintf("%s-%lld", kube_name(pool), (long long)index);
    json_t *claim = kube_object("karpenter.sh/v1", "NodeClaim", NULL, name), *labels = json_clone(json_at(pool, "spec", "template", "metadata", "labels", NULL));

    json_put_str(labels, "karpenter.sh/nodepool", kube_name(pool));
    json_put(json_object_get(claim, "metadata"), "labels", labels);
    json_put(claim, "spec", json_clone(json_at(pool, "spec", "template", "spec", NULL)));
    return claim;
}

static errc delete_claims(struct world *w, const char *pool, struct err *e)
{
    AUTO_MEM char *selector = xasprintf("karpenter.sh/nodepool=%s", pool);
    AUTO_JSON list = NULL;
    const json_t *claim;
    size_t i;

    TRY(kube_list_all(w->user, &gvr_nodeclaims, NULL, &(struct kube_list_opts){ .label_selector = selector }, &list, e));
    json_array_foreach(list, i, claim)
        TRY(ok_if(kube_delete(w->user, &gvr_nodeclaims, NULL, kube_name(claim), NULL, e), ERR_NOT_FOUND));
    return ERR_OK;
}

/* A NodePool of so many replicas has so many claims, and they go with it. */
static errc drive_pool(void *self, struct op *op, const struct key *key, struct reconcile_result *out, struct err *e)
{
    struct world *w = self;
    AUTO_JSON pool = informer_get(w->node_pools, key->ns, key->name);
    int64_t replicas = json_int(json_object_get(pool, "spec"), "replicas", 0);

    if (!pool)
        return delete_claims(w, key->name, e);
    for (int64_t i = 0; i < replicas; i++) {
        AUTO_JSON claim = claim_of(pool, i);

        TRY(ok_if(kube_create(w->user, &gvr_nodeclaims, NULL, claim, NULL, e), ERR_EXISTS));
    }
    return ERR_OK;
}

static errc set_pod(struct world *w, const json_t *pod, const char *phase, bool ready, struct err *e)
{
    AUTO_JSON patch = json_object();
    json_t *status = json_sub(patch, "status"), *conditions = json_array();

    (void)kube_condition_set(conditions, &(struct kube_condition){ "Ready", ready ? "True" : "False", "", "", 0 }, clock_wall_ms());
    json_put_str(status, "phase", phase);
    json_put_str(status, "podIP", "127.250.0.9");
    json_put(status, "conditions", conditions);
    return ok_if(kube_patch(w->user, &gvr_pods, kube_namespace(pod), kube_name(pod), "status", KUBE_PATCH_MERGE, patch, NULL, e), ERR_NOT_FOUND);
}

/* Pods of a Job run for a moment, others for ever; the annotation test/fails makes a Job's pod fail. */
static errc run_pod(void *self, struct op *op, const struct key *key, struct reconcile_result *out, struct err *e)
{
    struct world *w = self;
    AUTO_JSON pod = informer_get(w->pods, key->ns, key->name);
    bool job = streq(json_cstr(kube_controller_of(pod), "kind"), "Job");

    if (!pod || !pod_node_name(pod) || pod_is_finished(pod))
        return ERR_OK;
    if (kube_deleting(pod))
        return ok_if(kube_delete(w->user, &gvr_pods, key->ns, key->name, &(struct kube_delete_opts){ .has_grace = true }, e), ERR_NOT_FOUND);
    if (!pod_is_ready(pod))
        return set_pod(w, pod, "Running", true, e);
    return job ? set_pod(w, pod, "Succeeded", false, e) : ERR_OK;
}

static void note_birth(void *self, const json_t *old, const json_t *new_)
{
    struct world *w = self;
    const char *ns = kube_label(new_ ? new_ : old, w->ns_label);

    if (!new_ || !ns)
        return;
    LOCK_SCOPE(&w->mu);
    json_put_str(json_sub(w->born, ns), kube_uid(new_), kube_name(new_));
}

/* ---- the world ------------------------------------------------------------------------------------------------------------ */

void world_install_kind(struct world *w, const struct kube_gvr *r, const char *kind)
{
    AUTO_MEM char *yaml = xasprintf(
        "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: %s.%s}, spec: {group: %s, scope: Cluster, "
        "names: {plural: %s, kind: %s}, versions: [{name: %s, served: true, storage: true, subresources: {status: {}}, "
        "schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}",
        r->resource, r->group, r->group, r->resource, kind, r->version);
    AUTO_JSON crd = NULL;
    struct err e;

    OK(yaml_parse(str_of(yaml), &crd, &e));
    OK(kube_create(w->user, &gvr_crds, NULL, crd, NULL, &e));
    for (bool served = false; !served; poll(NULL, 0, LOOK_MS))
        OK(kube_has_resource(w->user, r, &served, &e));
}

/* Karpenter's kinds and a NodeClass that is ready; what the flags of Karpenter mode say. */
static void install_pools(struct world *w)
{
    static const char *const classes[] = { "default", NULL };
    AUTO_JSON class = kube_object("karpenter.azure.com/v1beta1", "AKSNodeClass", NULL, classes[0]);
    AUTO_JSON ready = json_pack("{s:{s:[{s:s, s:s, s:s}]}}", "status", "conditions", "type", "Ready", "status", "True", "reason", "Ready");
    struct err e;

    world_install_kind(w, &gvr_nodepools, "NodePool");
    world_install_kind(w, &gvr_nodeclasses, "AKSNodeClass");
    OK(kube_create(w->user, &gvr_nodeclasses, NULL, class, NULL, &e));
    OK(kube_patch(w->user, &gvr_nodeclasses, NULL, classes[0], "status", KUBE_PATCH_MERGE, ready, NULL, &e));
    w->opts.settings.karpenter = true;
    w->opts.settings.node_classes = classes;
    w->opts.settings.default_node_class = classes[0];
}

static void install_crds(struct world *w)
{
    AUTO_JSON list = NULL;
    const json_t *crd;
    struct err e;
    size_t i;

    api_kaito_crds(&list);
    json_array_foreach(list, i, crd)
        if (w->machines == MACHINES_OF_CLAIMS || w->machines == MACHINES_OF_POOLS || streq(json_str_at(crd, "spec", "group", NULL), "kaito.sh"))
            OK(kube_create(w->user, &gvr_crds, NULL, crd, NULL, &e));
    AUTO_JSON ns = kube_object("v1", "Namespace", NULL, "kaito-workspace");
    OK(kube_create(w->user, &gvr_namespaces, NULL, ns, NULL, &e));
    for (bool served = false; !served; poll(NULL, 0, LOOK_MS))
        OK(kube_has_resource(w->user, &gvr_workspaces, &served, &e));
    if (w->machines == MACHINES_OF_POOLS)
        install_pools(w);
    if (w->machines == MACHINES_LEGACY)
        world_install_kind(w, &w->kind->gvr, w->kind->kind);
}

/* Before the first is asked with. */
static void start_karpenter(struct world *w)
{
    w->node_pools = informers_get(w->informers, &(struct informer_opts){ .gvr = gvr_nodepools });
    informer_on(w->node_pools, &(struct informer_handler){ note_birth, w });
    w->karpenter = controller_new(&(struct controller_opts){ .name = "karpenter", .reconcile = drive_pool, .self = w });
    controller_watch(w->karpenter, w->node_pools);
}

static void start_robots(struct world *w)
{
    struct err e;

    /* accounts, endpoints and the health of nodes have no part in these stories */
    OK(cluster_start(w->user, &(struct cluster_opts){ .skip = 1u << 0 | 1u << 4 | 1u << 5 }, w->cancel, &w->cluster, &e));
    w->informers = informers_new(w->user);
    w->claims = informers_get(w->informers, &(struct informer_opts){ .gvr = w->kind->gvr });
    w->pods = informers_get(w->informers, &(struct informer_opts){ .gvr = gvr_pods });
    if (w->machines == MACHINES_OF_POOLS)
        start_karpenter(w);
    else
        informer_on(w->claims, &(struct informer_handler){ note_birth, w });
    w->cloud = controller_new(&(struct controller_opts){ .name = "cloud", .reconcile = drive_cloud, .self = w });
    w->kubelet = controller_new(&(struct controller_opts){ .name = "kubelet", .reconcile = run_pod, .self = w });
    controller_watch(w->cloud, w->claims);
    controller_watch(w->kubelet, w->pods);
    informers_start(w->informers, w->cancel);
    controller_start(w->cloud, w->cancel);
    controller_start(w->kubelet, w->cancel);
    if (w->karpenter)
        controller_start(w->karpenter, w->cancel);
}

void world_log(void) { log_setup(getenv("KAITO_FAULT_LOG") ? LOG_INFO : LOG_ERROR, false, 2); }

struct world *world_new(enum machines machines)
{
    struct world *w = xzalloc(sizeof *w);
    AUTO_FREE(kube_config) config = NULL;
    struct err e;

    mutex_init(&w->mu);
    w->born = json_object();
    w->machines = machines;
    w->kind = machines == MACHINES_LEGACY ? &claim_kind_machine : &claim_kind_node_claim;
    w->asked_with = machines == MACHINES_OF_POOLS ? &gvr_nodepools : &w->kind->gvr;
    w->ns_label = machines == MACHINES_OF_POOLS ? "karpenter.kaito.sh/workspace-namespace" : "kaito.sh/workspacenamespace";
    w->cancel = cancel_new();
    OK(test_api_start(&w->api, &e));
    OK(kube_config_load(w->api.kubeconfig, NULL, &config, &e));
    OK(kube_client_new(config, NULL, w->cancel, &w->user, &e));
    OK(proxy_start(config, &w->proxy, &e));
    install_crds(w);
    start_robots(w);
    world_namespace(w);
    return w;
}

void world_free(struct world *w)
{
    world_stop(w);
    cancel_now(w->cancel);
    cluster_join(w->cluster);
    controller_join(w->cloud);
    controller_join(w->kubelet);
    if (w->karpenter)
        controller_join(w->karpenter);
    informers_free(w->informers);
    controller_free(w->cloud);
    controller_free(w->kubelet);
    controller_free(w->karpenter);
    proxy_stop(w->proxy);
    kube_client_free(w->user);
    test_api_stop(&w->api);
    cancel_free(w->cancel);
    json_decref(w->born);
    world_forget_ends(w);
    mutex_done(&w->mu);
    free(w);
}

static int setup(void **state, enum machines machines)
{
    world_log();
    *state = world_new(machines);
    return 0;
}

int world_setup(void **state) { return setup(state, MACHINES_OF_CLAIMS); }
int world_setup_with_pools(void **state) { return setup(state, MACHINES_OF_POOLS); }
int world_setup_with_machines(void **state) { return setup(state, MACHINES_LEGACY); }

int world_teardown(void **state)
{
    world_free(*state);
    return 0;
}

void world_namespace(struct world *w)
{
    struct err e;

    snprintf(w->ns, sizeof w->ns, "fault-%u", ++w->n_ns);
    AUTO_JSON ns = kube_object("v1", "Namespace", NULL, w->ns);
    OK(kube_create(w->user, &gvr_namespaces, NULL, ns, NULL, &e));
    AUTO_JSON account = kube_object("v1", "ServiceAccount", w->ns, "default");
    OK(kube_create(w->user, &gvr_accounts, NULL, account, NULL, &e));
}

bool world_start(struct world *w, struct err *e)
{
    struct kube_config config = { .server = (char *)(uintptr_t)proxy_url(w->proxy), .namespace_ = (char *)(uintptr_t)"default" };

    w->stop = cancel_new();
    if (kube_client_new(&config, NULL, w->stop, &w->client, e))
        return false;
    if (!workspace_manager_start(w->client, &w->opts, w->stop, &w->manager, e))
        return true;
    w->manager = NULL;
    world_stop(w);
    return false;
}

void world_run(struct world *w)
{
    struct err e;

    if (!world_start(w, &e))
        fail_msg("the manager does not start: %s", e.text);
}

void world_stop(struct world *w)
{
    if (w->stop)
        cancel_now(w->stop);
    workspace_manager_join(TAKE(w->manager));
    kube_client_free(TAKE(w->client));
    cancel_free(TAKE(w->stop));
}

static bool is_idle(struct world *w)
{
    AUTO_JSON state = workspace_manager_state(w->manager);
    const json_t *c = json_object_get(state, "controller");

    return workspace_manager_ready(w->manager) && json_int(c, "queued", 1) == 0 && json_int(c, "active", 1) == 0 && json_int(c, "reconciles", 0) > 0;
}

bool world_is_quiet(struct world *w)
{
    struct proxy_counts before, now;

    if (!w->manager || !is_idle(w))
        return false;
    proxy_counts(w->proxy, &before);
    poll(NULL, 0, QUIET_MS);
    proxy_counts(w->proxy, &now);
    return before.writes == now.writes && is_idle(w);
}

void world_wait_quiet(struct world *w)
{
    if (!world_until(w, world_is_quiet))
        fail_msg("the manager never comes to rest");
}

bool world_until(struct world *w, bool (*is_so)(struct world *w))
{
    for (int64_t end = clock_mono_ms() + PATIENCE_MS; clock_mono_ms() < end; poll(NULL, 0, LOOK_MS))
        if (is_so(w))
            return true;
    return false;
}

/* ---- objects --------------------------------------------------------------------------------------------------------------- */

static const struct { const char *kind; const struct kube_gvr *gvr; bool cluster; } kinds[] = {
    { "Workspace", &gvr_workspaces }, { "Secret", &gvr_secrets }, { "ConfigMap", &gvr_configmaps }, { "Service", &gvr_services },
    { "StatefulSet", &gvr_statefulsets }, { "Job", &gvr_jobs }, { "ControllerRevision", &gvr_revisions }, { "Pod", &gvr_pods },
    { "NodeClaim", &gvr_nodeclaims, true }, { "Machine", &gvr_machines, true }, { "NodePool", &gvr_nodepools, true }, { "AKSNodeClass", &gvr_nodeclasses, true }, { "Node", &gvr_nodes, true }, { "CustomResourceDefinition", &gvr_crds, true },
};

static const char *scope(const struct world *w, const struct kube_gvr *r)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (kinds[i].cluster && kube_gvr_same(kinds[i].gvr, r))
            return NULL;
    return w->ns;
}

static void make_one(struct world *w, struct str text)
{
    AUTO_JSON obj = NULL;
    struct err e;

    OK(yaml_parse(text, &obj, &e));
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (!streq(kinds[i].kind, kube_kind(obj)))
            continue;
        if (!kinds[i].cluster)
            json_put_str(json_sub(obj, "metadata"), "namespace", w->ns);
        OK(kube_create(w->user, kinds[i].gvr, NULL, obj, NULL, &e));
        return;
    }
    fail_msg("no such kind: %s", kube_kind(obj));
}

void world_make(struct world *w, const char *yaml)
{
    struct str rest = str_of(yaml);

    while (rest.n) {
        size_t at;
        bool more = str_find(rest, STR("---\n"), &at);

        make_one(w, more ? (struct str){ rest.p, at } : rest);
        rest = more ? str_from(rest, at + 4) : (struct str){ 0 };
    }
}

json_t *world_get(struct world *w, const struct kube_gvr *r, const char *name)
{
    json_t *obj = NULL;
    struct err e;
    errc rc = kube_get(w->user, r, scope(w, r), name, &obj, &e);

    if (rc && rc != ERR_NOT_FOUND)
        fail_msg("get %s %s: %s", r->resource, name, e.text);
    return obj;
}

void world_patch(struct world *w, const struct kube_gvr *r, const char *name, const char *sub, const char *merge_patch)
{
    AUTO_JSON patch = json_loads(merge_patch, 0, NULL);
    struct err e;

    assert_non_null(patch);
    OK(kube_patch(w->user, r, scope(w, r), name, sub, KUBE_PATCH_MERGE, patch, NULL, &e));
}

void world_delete(struct world *w, const struct kube_gvr *r, const char *name)
{
    struct err e;
    errc rc = kube_delete(w->user, r, scope(w, r), name, &(struct kube_delete_opts){ .propagation = "Background" }, &e);

    if (rc && rc != ERR_NOT_FOUND)
        fail_msg("delete %s %s: %s", r->resource, name, e.text);
}

json_t *world_list(struct world *w, const struct kube_gvr *r, const char *ns)
{
    AUTO_MEM char *ours = xasprintf("%s=%s", w->ns_label, w->ns);
    json_t *list = NULL;
    struct err e;

    OK(kube_list_all(w->user, r, scope(w, r) ? ns : NULL, &(struct kube_list_opts){ .label_selector = scope(w, r) ? NULL : ours }, &list, &e));
    return list;
}

size_t world_claims(struct world *w)
{
    AUTO_JSON list = world_list(w, w->asked_with, NULL);

    return json_array_size(list);
}

size_t world_claims_ever(struct world *w)
{
    LOCK_SCOPE(&w->mu);
    return json_object_size(json_object_get(w->born, w->ns));
}

bool workspace_succeeded(struct world *w)
{
    AUTO_JSON ws = world_get(w, &gvr_workspaces, "ws");

    return kube_condition_is(ws, "WorkspaceSucceeded", "True");
}

bool workspace_gone(struct world *w)
{
    AUTO_JSON ws = world_get(w, &gvr_workspaces, "ws");

    return !ws;
}
