/*
 * The cluster's controllers against an API server without any of its own (ours, or the one of KAITO_TEST_KUBECONFIG), with a scripted
 * kubelet: pods bound to the node "fake" become Running and Ready, unless the annotation test/exit says how they end.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/yaml.h"
#include "cluster/priv.h"
#include "../patience.h"
#include "../test_api.h"

struct world {
    struct test_api api;
    struct kube_client *client;
    struct cancel *cancel;
    struct cluster *cluster;
    struct informers *informers;
    struct controller *kubelet;
    char ns[64];
};

#define WAIT_MS 7000                    /* on a machine at rest */
#define OK(call) do { errc rc_ = (call); if (rc_) fail_msg("%s: %s", #call, e.text); } while (0)

static errc set_pod(struct world *w, const json_t *pod, const char *phase, bool ready, const char *reason, struct err *e)
{
    AUTO_JSON changed = json_clone(pod);
    json_t *status = json_sub(changed, "status"), *conditions = json_object_get(status, "conditions");
    if (!conditions) {
        conditions = json_array();
        json_put(status, "conditions", conditions);
    }
    json_put_str(status, "phase", phase);
    AUTO_MEM char *ip = xasprintf("10.9.%u.%u", (unsigned)(random_u64() % 250) + 1, (unsigned)(random_u64() % 250) + 1);
    if (!json_object_get(status, "podIP"))
        json_put_str(status, "podIP", ip);
    (void)kube_condition_set(conditions, &(struct kube_condition){ "Ready", ready ? "True" : "False", reason, "", 0 }, clock_wall_ms());
    return ok_if(kube_update(w->client, &gvr_pods, "status", changed, NULL, e), ERR_NOT_FOUND);
}

static errc kubelet(void *self, struct op *op, const struct key *key, struct reconcile_result *out, struct err *e)
{
    struct world *w = self;
    AUTO_JSON pod = informer_get(informers_of(w->informers, "", "v1", "pods"), key->ns, key->name);
    if (!pod || !streq(pod_node_name(pod), "fake"))
        return ERR_OK;
    const char *exit = kube_annotation(pod, "test/exit");
    if (kube_deleting(pod))
        return ok_if(kube_delete(w->client, &gvr_pods, key->ns, key->name, &(struct kube_delete_opts){ .has_grace = true }, e), ERR_NOT_FOUND);
    if (exit && !pod_is_finished(pod))
        return set_pod(w, pod, streq(exit, "0") ? "Succeeded" : "Failed", false, "PodCompleted", e);
    if (!exit && !pod_is_ready(pod) && !kube_annotation(pod, "test/never-ready"))
        return set_pod(w, pod, "Running", true, "", e);
    return ERR_OK;
}

static json_t *make(struct world *w, const struct kube_gvr *r, const char *yaml)
{
    struct err e;
    json_t *obj = NULL, *made = NULL;
    AUTO_MEM char *text = xasprintf("%s", yaml);
    OK(yaml_parse(str_of(text), &obj, &e));
    if (!streq(r->resource, "nodes"))
        json_put_str(json_sub(obj, "metadata"), "namespace", w->ns);
    OK(kube_create(w->client, r, NULL, obj, &made, &e));
    json_decref(obj);
    return made;
}

static void report_ready(struct world *w, const char *node)
{
    struct err e;
    AUTO_JSON patch = json_loads("{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\",\"reason\":\"KubeletReady\"}]}}", 0, NULL);
    OK(kube_patch(w->client, &gvr_nodes, NULL, node, "status", KUBE_PATCH_MERGE, patch, NULL, &e));
}

static int start(void **state)
{
    struct err e;
    struct world *w = xzalloc(sizeof *w);
    *state = w;
    OK(test_api_start(&w->api, &e));
    AUTO_FREE(kube_config) cfg = NULL;
    w->cancel = cancel_new();
    OK(kube_config_load(w->api.kubeconfig, NULL, &cfg, &e));
    OK(kube_client_new(cfg, NULL, NULL, &w->client, &e));
    char suffix[8] = { 0 };
    random_suffix(suffix, 6);
    snprintf(w->ns, sizeof w->ns, "cluster-%s", suffix);
    OK(cluster_start(w->client, &(struct cluster_opts){ .root_ca_pem = "CA", .node_grace_ms = 1500 }, w->cancel, &w->cluster, &e));
    w->informers = informers_new(w->client);
    w->kubelet = controller_new(&(struct controller_opts){ .name = "kubelet", .reconcile = kubelet, .self = w });
    controller_watch(w->kubelet, informers_of(w->informers, "", "v1", "pods"));
    informers_start(w->informers, w->cancel);
    controller_start(w->kubelet, w->cancel);
    (void)kube_delete(w->client, &gvr_nodes, NULL, "fake", NULL, &e);
    json_decref(make(w, &gvr_nodes, "{apiVersion: v1, kind: Node, metadata: {name: fake, labels: {kind: fake}}, "
                                    "status: {allocatable: {cpu: '4', memory: 8Gi, pods: '50'}, capacity: {cpu: '4', memory: 8Gi, pods: '50'}}}"));
    report_ready(w, "fake");
    AUTO_JSON ns = kube_object("v1", "Namespace", NULL, w->ns);
    OK(kube_create(w->client, &gvr_namespaces, NULL, ns, NULL, &e));
    return 0;
}

/* The namespace must go, with all that is in it. */
static int stop(void **state)
{
    struct world *w = *state;
    struct err e;
    OK(kube_delete(w->client, &gvr_namespaces, NULL, w->ns, NULL, &e));
    errc rc = ERR_OK;
    for (int64_t until = patience_end(WAIT_MS); clock_mono_ms() < until && rc != ERR_NOT_FOUND; poll(NULL, 0, 50))
        rc = kube_get(w->client, &gvr_namespaces, NULL, w->ns, NULL, &e);
    int64_t began = clock_mono_ms();
    cancel_now(w->cancel);
    cluster_join(w->cluster);
    controller_join(w->kubelet);
    informers_free(w->informers);
    controller_free(w->kubelet);
    if (clock_mono_ms() - began > patience_ms(1700))
        fail_msg("stopping took %lld ms", (long long)(clock_mono_ms() - began));
    kube_client_free(w->client);
    test_api_stop(&w->api);
    cancel_free(w->cancel);
    free(w);
    if (rc != ERR_NOT_FOUND)
        fail_msg("the namespace is still there");
    return 0;
}

static struct world *world(void **state)
{
    return *state;
}

/* Waits until check(object) holds; obj NULL when it does not exist. */
static void until(struct world *w, const struct kube_gvr *r, const char *name, bool (*check)(const json_t *obj), const char *what)
{
    struct err e;
    AUTO_MEM char *last = NULL;
    for (int64_t end = patience_end(WAIT_MS); clock_mono_ms() < end; poll(NULL, 0, 30)) {
        AUTO_JSON obj = NULL;
        errc rc = kube_get(w->client, r, w->ns, name, &obj, &e);
        if (rc && rc != ERR_NOT_FOUND)
            fail_msg("%s", e.text);
        if (check(obj))
            return;
        free(last);
        last = json_text(json_object_get(obj, "status"));
    }
    fail_msg("%s %s: never %s: %s", r->resource, name, what, last ? last : "(absent)");
}

static bool is_there(const json_t *o) { return o != NULL; }
static bool is_gone(const json_t *o) { return o == NULL; }
static bool ready_2(const json_t *o) { return json_int(json_object_get(o, "status"), "readyReplicas", 0) == 2; }
static bool replicas_1(const json_t *o) { return json_int(json_object_get(o, "status"), "replicas", 0) == 1; }
static bool updated_all(const json_t *o)
{
    const char *a = json_str_at(o, "status", "currentRevision", NULL), *b = json_str_at(o, "status", "updateRevision", NULL);
    return streq(a, b) && json_int(json_object_get(o, "status"), "updatedReplicas", 0) == 1 &&
           json_int(json_object_get(o, "status"), "observedGeneration", 0) == 3 && json_int(json_object_get(o, "status"), "readyReplicas", 0) == 1;
}
static bool is_v2(const json_t *o) { return streq(json_str_at(json_array_get(json_at(o, "spec", "containers", NULL), 0), "image", NULL), "img:2"); }

static void accounts_and_root_ca(void **state)
{
    struct world *w = world(state);
    until(w, &gvr_accounts, "default", is_there, "made");
    until(w, &gvr_configmaps, "kube-root-ca.crt", is_there, "made");
}

#define SET "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: web}, spec: {replicas: 2, serviceName: web, selector: {matchLabels: {app: web}}, " \
            "template: {metadata: {labels: {app: web}}, spec: {terminationGracePeriodSeconds: 1, containers: [{name: main, image: 'img:1', " \
            "ports: [{name: http, containerPort: 5000}]}]}}}}"
#define SVC "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}}"

static bool has_two_endpoints(const json_t *o)
{
    const json_t *subset = json_array_get(json_object_get(o, "subsets"), 0);
    return json_array_size(json_object_get(subset, "addresses")) == 2 &&
           json_int(json_array_get(json_object_get(subset, "ports"), 0), "port", 0) == 5000;
}

static void a_statefulset_lives(void **state)
{
    struct world *w = world(state);
    struct err e;
    json_decref(make(w, &gvr_services, SVC));
    json_decref(make(w, &gvr_statefulsets, SET));
    until(w, &gvr_statefulsets, "web", ready_2, "ready");
    AUTO_JSON pod = NULL;
    OK(kube_get(w->client, &gvr_pods, w->ns, "web-1", &pod, &e));
    assert_string_equal(kube_label(pod, "apps.kubernetes.io/pod-index"), "1");
    assert_string_equal(kube_label(pod, "statefulset.kubernetes.io/pod-name"), "web-1");
    assert_string_equal(json_str_at(pod, "spec", "hostname", NULL), "web-1");
    assert_string_equal(pod_node_name(pod), "fake");
    until(w, &gvr_endpoints, "web", has_two_endpoints, "with two addresses");
    AUTO_JSON slices = NULL;
    OK(kube_list_all(w->client, &gvr_slices, w->ns, &(struct kube_list_opts){ .label_selector = "kubernetes.io/service-name=web" }, &slices, &e));
    assert_int_equal(json_array_size(slices), 1);

    AUTO_JSON scale = json_loads("{\"spec\":{\"replicas\":1}}", 0, NULL);
    OK(kube_patch(w->client, &gvr_statefulsets, w->ns, "web", NULL, KUBE_PATCH_MERGE, scale, NULL, &e));
    until(w, &gvr_pods, "web-1", is_gone, "removed");
    until(w, &gvr_statefulsets, "web", replicas_1, "scaled");
    AUTO_JSON image = json_loads("[{\"op\":\"replace\",\"path\":\"/spec/template/spec/containers/0/image\",\"value\":\"img:2\"}]", 0, NULL);
    OK(kube_patch(w->client, &gvr_statefulsets, w->ns, "web", NULL, KUBE_PATCH_JSON, image, NULL, &e));
    until(w, &gvr_pods, "web-0", is_v2, "of the new template");
    until(w, &gvr_statefulsets, "web", updated_all, "updated");
    OK(kube_delete(w->client, &gvr_pods, w->ns, "web-0", NULL, &e));
    poll(NULL, 0, 300);
    until(w, &gvr_pods, "web-0", is_there, "made again");

    OK(kube_delete(w->client, &gvr_statefulsets, w->ns, "web", &(struct kube_delete_opts){ .propagation = "Foreground" }, &e));
    until(w, &gvr_pods, "web-0", is_gone, "collected");
    until(w, &gvr_statefulsets, "web", is_gone, "deleted in the foreground");
    OK(kube_delete(w->client, &gvr_services, w->ns, "web", NULL, &e));
    until(w, &gvr_endpoints, "web", is_gone, "removed with the service");
}

#define JOB(name, annotations, more) \
    "{apiVersion: batch/v1, kind: Job, metadata: {name: " name "}, spec: {" more ", template: {metadata: {annotations: {" annotations "}}, " \
    "spec: {restartPolicy: Never, containers: [{name: main, image: img}]}}}}"

static bool complete(const json_t *o) { return kube_condition_is(o, "Complete", "True") && json_int(json_object_get(o, "status"), "succeeded", 0) == 1; }
static bool failed_backoff(const json_t *o) { return streq(json_cstr(kube_condition(o, "Failed"), "reason"), "BackoffLimitExceeded"); }
static bool failed_deadline(const json_t *o) { return streq(json_cstr(kube_condition(o, "Failed"), "reason"), "DeadlineExceeded"); }

static void jobs_end(void **state)
{
    struct world *w = world(state);
    struct err e;
    json_decref(make(w, &gvr_jobs, JOB("good", "test/exit: '0'", "backoffLimit: 0")));
    json_decref(make(w, &gvr_jobs, JOB("bad", "test/exit: '1'", "backoffLimit: 0")));
    json_decref(make(w, &gvr_jobs, JOB("late", "a: b", "activeDeadlineSeconds: 1")));
    json_decref(make(w, &gvr_jobs, JOB("brief", "test/exit: '0'", "ttlSecondsAfterFinished: 1")));
    until(w, &gvr_jobs, "good", complete, "complete");
    until(w, &gvr_jobs, "bad", failed_backoff, "failed");
    until(w, &gvr_jobs, "late", failed_deadline, "past its deadline");
    until(w, &gvr_jobs, "brief", is_gone, "removed after its time to live");
    AUTO_JSON pods = NULL;
    OK(kube_list_all(w->client, &gvr_pods, w->ns, &(struct kube_list_opts){ .label_selector = "job-name=good" }, &pods, &e));
    assert_int_equal(json_array_size(pods), 1);
    OK(kube_delete(w->client, &gvr_jobs, w->ns, "good", &(struct kube_delete_opts){ .propagation = "Background" }, &e));
    until(w, &gvr_pods, kube_name(json_array_get(pods, 0)), is_gone, "collected");
}

static bool unschedulable(const json_t *o)
{
    return streq(json_cstr(kube_condition(o, "PodScheduled"), "message"),
                 "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. preemption: 0/1 nodes are available: "
                 "1 Preemption is not helpful for scheduling.") &&
           streq(json_cstr(kube_condition(o, "PodScheduled"), "reason"), "Unschedulable");
}
static bool scheduled(const json_t *o) { return pod_node_name(o) != NULL; }

static void a_pod_waits_for_its_node(void **state)
{
    struct world *w = world(state);
    struct err e;
    json_decref(make(w, &gvr_pods, "{apiVersion: v1, kind: Pod, metadata: {name: picky}, spec: {nodeSelector: {gpu: a100}, containers: [{name: c, image: i}]}}"));
    until(w, &gvr_pods, "picky", unschedulable, "unschedulable");
    AUTO_JSON label = json_loads("{\"metadata\":{\"labels\":{\"gpu\":\"a100\"}}}", 0, NULL);
    OK(kube_patch(w->client, &gvr_nodes, NULL, "fake", NULL, KUBE_PATCH_MERGE, label, NULL, &e));
    until(w, &gvr_pods, "picky", scheduled, "scheduled");
}

static bool has_one_owner(const json_t *o) { return json_array_size(json_at(o, "metadata", "ownerReferences", NULL)) == 1; }
static bool has_no_owner(const json_t *o) { return o && !json_array_size(json_at(o, "metadata", "ownerReferences", NULL)); }

static void owners_and_orphans(void **state)
{
    struct world *w = world(state);
    struct err e;
    AUTO_JSON a = make(w, &gvr_configmaps, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}");
    AUTO_JSON b = make(w, &gvr_configmaps, "{apiVersion: v1, kind: ConfigMap, metadata: {name: b}}");
    const char *names[] = { "of-a", "of-both", "of-b" };
    for (size_t i = 0; i < 3; i++) {
        AUTO_JSON child = kube_object("v1", "ConfigMap", w->ns, names[i]);
        json_t *refs = json_array();
        if (i <= 1)
            json_push(refs, kube_owner_ref(a, false, false));
        if (i >= 1)
            json_push(refs, kube_owner_ref(b, false, false));
        json_put(json_object_get(child, "metadata"), "ownerReferences", refs);
        OK(kube_create(w->client, &gvr_configmaps, NULL, child, NULL, &e));
    }
    OK(kube_delete(w->client, &gvr_configmaps, w->ns, "a", &(struct kube_delete_opts){ .propagation = "Background" }, &e));
    until(w, &gvr_configmaps, "of-a", is_gone, "collected");
    until(w, &gvr_configmaps, "of-both", has_one_owner, "cut from the one that is gone");   /* orphaned by b first it would have no owner left but a, and go */
    OK(kube_delete(w->client, &gvr_configmaps, w->ns, "b", &(struct kube_delete_opts){ .propagation = "Orphan" }, &e));
    until(w, &gvr_configmaps, "b", is_gone, "deleted");
    until(w, &gvr_configmaps, "of-b", has_no_owner, "orphaned");
    until(w, &gvr_configmaps, "of-both", has_no_owner, "orphaned");
}

static bool is_unknown(const json_t *o) { return kube_condition_is(o, "Ready", "Unknown") && json_array_size(json_at(o, "spec", "taints", NULL)) == 2; }
static bool is_well(const json_t *o) { return kube_condition_is(o, "Ready", "True") && !json_array_size(json_at(o, "spec", "taints", NULL)); }

static void beat(struct world *w, const char *node)
{
    struct err e;
    char now[TIME_TEXT_MAX];
    time_rfc3339_micro(clock_wall_us(), now);
    AUTO_JSON lease = kube_object("coordination.k8s.io/v1", "Lease", "kube-node-lease", node);
    json_put_str(json_sub(lease, "spec"), "renewTime", now);
    json_put_str(json_sub(lease, "spec"), "holderIdentity", node);
    OK(kube_apply(w->client, &gvr_leases, NULL, lease, "test", true, NULL, &e));
}

static void a_silent_node_is_noticed(void **state)
{
    struct world *w = world(state);
    struct err e;
    AUTO_JSON ns = kube_object("v1", "Namespace", NULL, "kube-node-lease");
    (void)kube_create(w->client, &gvr_namespaces, NULL, ns, NULL, &e);
    json_decref(make(w, &gvr_nodes, "{apiVersion: v1, kind: Node, metadata: {name: silent}}"));
    char save[64];
    snprintf(save, sizeof save, "%s", w->ns);
    beat(w, "silent");
    report_ready(w, "silent");
    w->ns[0] = 0;
    until(w, &gvr_nodes, "silent", is_unknown, "unknown");
    beat(w, "silent");
    report_ready(w, "silent");
    until(w, &gvr_nodes, "silent", is_well, "well again");
    snprintf(w->ns, sizeof w->ns, "%s", save);
    json_decref(make(w, &gvr_pods, "{apiVersion: v1, kind: Pod, metadata: {name: stranded}, spec: {nodeName: silent, containers: [{name: c, image: i}]}}"));
    OK(kube_delete(w->client, &gvr_nodes, NULL, "silent", NULL, &e));
    until(w, &gvr_pods, "stranded", is_gone, "removed with its node");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accounts_and_root_ca),
        cmocka_unit_test(a_statefulset_lives),
        cmocka_unit_test(jobs_end),
        cmocka_unit_test(a_pod_waits_for_its_node),
        cmocka_unit_test(owners_and_orphans),
        cmocka_unit_test(a_silent_node_is_noticed),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
