/* A workload is created plainly and applied later: what came with the creation goes when a later version of the Workspace leaves it out. */
#include "test_manager.h"

#include "base/mem.h"
#include "kube/meta.h"
#include "../patience.h"

#define WAIT_MS patience_ms(3500)
#define EDITS 60
#define WITH_ADAPTER "{apiVersion: kaito.sh/v1beta1, kind: Workspace, metadata: {namespace: default, name: ws}, resource: {labelSelector: {matchLabels: {for: ws}}}, " \
    "inference: {preset: {name: phi-4-mini-instruct}, adapters: [{source: {name: a1, image: \"example.com/a1:1\"}}]}}"

static void create(struct test_manager *t, const struct kube_gvr *r, const char *yaml)
{
    AUTO_JSON o = test_yaml(yaml);
    struct err e;

    OK(kube_create(t->user, r, NULL, o, NULL, &e));
}

static void patch(struct test_manager *t, const struct kube_gvr *r, const char *ns, const char *name, const char *sub, const char *yaml)
{
    AUTO_JSON p = test_yaml(yaml);
    struct err e;

    OK(kube_patch(t->user, r, ns, name, sub, KUBE_PATCH_MERGE, p, NULL, &e));
}

/* The StatefulSet once it is of this revision. New reference. */
static json_t *set_of_revision(struct test_manager *t, const char *revision)
{
    struct err e;

    for (int64_t until = clock_mono_ms() + WAIT_MS; clock_mono_ms() < until; poll(NULL, 0, 5)) {
        json_t *set = NULL;

        if (kube_get(t->user, SETS, "default", "ws", &set, &e) == ERR_OK && streq(kube_annotation(set, "workspace.kaito.io/revision"), revision))
            return set;
        json_decref(set);
    }
    fail_msg("no StatefulSet of revision %s", revision);
    return NULL;
}

static size_t n_in_pod(const json_t *set, const char *list)
{
    return json_array_size(json_at(set, "spec", "template", "spec", list, NULL));
}

/* A manager, and a Node that suits the Workspace. */
static void open_with_node(struct test_manager *t)
{
    const struct workspace_manager_opts o = { .install_crds = true, .settings.byo = true };
    struct err e;

    test_manager_open(t);
    OK(test_manager_start(t, &o, &e));
    test_manager_wait_ready(t, WAIT_MS);
    create(t, NODES, "{apiVersion: v1, kind: Node, metadata: {name: n1, labels: {for: ws}}}");
    patch(t, NODES, NULL, "n1", "status", "{status: {capacity: {nvidia.com/gpu: \"1\"}, allocatable: {nvidia.com/gpu: \"1\"}, "
                                          "conditions: [{type: Ready, status: \"True\", reason: KubeletReady}]}}");
}

static void what_came_with_the_creation_goes(void **state)
{
    struct test_manager t;
    struct err e;

    open_with_node(&t);
    create(&t, WORKSPACES, WITH_ADAPTER);
    AUTO_JSON with = set_of_revision(&t, "1");
    AUTO_JSON label = test_yaml("{apiVersion: apps/v1, kind: StatefulSet, metadata: {namespace: default, name: ws, labels: {team: a}}}");
    OK(kube_apply(t.user, SETS, NULL, label, "somebody", false, NULL, &e));
    patch(&t, WORKSPACES, "default", "ws", NULL, "{inference: {adapters: null}}");
    AUTO_JSON without = set_of_revision(&t, "2");

    assert_int_equal(n_in_pod(with, "initContainers"), 1);
    assert_int_equal(n_in_pod(without, "initContainers"), 0);
    assert_true(n_in_pod(without, "volumes") < n_in_pod(with, "volumes"));
    assert_true(streq(kube_label(without, "team"), "a"));       /* others' fields stay */
    test_manager_close(&t);
}

/* Where and by which image a StatefulSet runs is not changed by a later version of the Workspace: as upstream. */
static void what_runs_stays_where_and_what_it_is(void **state)
{
    struct test_manager t;

    open_with_node(&t);
    create(&t, WORKSPACES, WITH_ADAPTER);
    AUTO_JSON made = set_of_revision(&t, "1");
    AUTO_JSON edit = test_yaml("[{op: replace, path: /spec/template/spec/containers/0/image, value: 'example.com/older:1'}, "
                               "{op: add, path: /spec/template/spec/tolerations/-, value: {key: mine, operator: Exists}}, {op: replace, path: /spec/replicas, value: 2}]");
    struct err e;

    OK(kube_patch(t.user, SETS, "default", "ws", NULL, KUBE_PATCH_JSON, edit, NULL, &e));
    patch(&t, WORKSPACES, "default", "ws", NULL, "{inference: {adapters: null}}");
    AUTO_JSON set = set_of_revision(&t, "2");
    const json_t *pod = json_at(set, "spec", "template", "spec", NULL);

    assert_string_equal(json_cstr(json_array_get(json_object_get(pod, "containers"), 0), "image"), "example.com/older:1");
    assert_int_equal(n_in_pod(set, "tolerations"), n_in_pod(made, "tolerations") + 1);
    assert_int_equal(json_int(json_object_get(set, "spec"), "replicas", 0), 2);
    test_manager_close(&t);
}

static const char *image_of(const json_t *set)
{
    return json_cstr(json_array_get(json_at(set, "spec", "template", "spec", "containers", NULL), 0), "image");
}

/* What an update copies from the StatefulSet that the manager saw must not take back what somebody edits meanwhile. */
static void an_edit_is_not_taken_back(void **state)
{
    struct test_manager t;
    struct err e;

    open_with_node(&t);
    create(&t, WORKSPACES, WITH_ADAPTER);
    json_decref(set_of_revision(&t, "1"));
    for (int i = 2; i <= EDITS; i++) {
        AUTO_MEM char *image = xasprintf("example.com/edit:%d", i), *revision = xasprintf("%d", i);
        AUTO_MEM char *change = xasprintf("{inference: {adapters: [{source: {name: a%d, image: \"example.com/a1:1\"}}]}}", i);
        AUTO_JSON edit = json_pack("[{s:s, s:s, s:s}]", "op", "replace", "path", "/spec/template/spec/containers/0/image", "value", image);

        patch(&t, WORKSPACES, "default", "ws", NULL, change);
        poll(NULL, 0, i % 8);           /* before the update, in the midst of it, after it */
        OK(kube_patch(t.user, SETS, "default", "ws", NULL, KUBE_PATCH_JSON, edit, NULL, &e));
        AUTO_JSON set = set_of_revision(&t, revision);
        assert_string_equal(image_of(set), image);
    }
    test_manager_close(&t);
}

/* As upstream: a label with the version of our base image brings a StatefulSet of another one up to it, replicas and all. */
static void a_label_asks_for_the_image(void **state)
{
    struct test_manager t;
    struct err e;
    json_t *now = NULL;

    open_with_node(&t);
    create(&t, WORKSPACES, WITH_ADAPTER);
    AUTO_JSON made = set_of_revision(&t, "1");
    AUTO_JSON edit = test_yaml("[{op: replace, path: /spec/template/spec/containers/0/image, value: 'example.com/older:1'}, {op: replace, path: /spec/replicas, value: 2}]");

    OK(kube_patch(t.user, SETS, "default", "ws", NULL, KUBE_PATCH_JSON, edit, NULL, &e));
    patch(&t, WORKSPACES, "default", "ws", NULL, "{metadata: {labels: {kaito.sh/upgrade-to-version: 0.4.9}}, inference: {adapters: null}}");
    AUTO_JSON of_other = set_of_revision(&t, "2");

    assert_string_equal(image_of(of_other), "example.com/older:1");
    patch(&t, WORKSPACES, "default", "ws", NULL, "{metadata: {labels: {kaito.sh/upgrade-to-version: 0.5.0}}}");
    for (int64_t until = clock_mono_ms() + WAIT_MS; clock_mono_ms() < until; poll(NULL, 0, 5)) {
        json_decref(now);
        OK(kube_get(t.user, SETS, "default", "ws", &now, &e));
        if (streq(image_of(now), image_of(made)))
            break;
    }
    assert_string_equal(image_of(now), image_of(made));
    assert_int_equal(json_int(json_object_get(now, "spec"), "replicas", 0), 1);
    json_decref(now);
    test_manager_close(&t);
}

#define DEPLOYMENTS KUBE_GVR("apps", "v1", "deployments")

/* api NULL: of no owner. */
static void create_deployment(struct test_manager *t, const char *name, const char *api, const char *owner)
{
    AUTO_MEM char *owned = xasprintf(", ownerReferences: [{apiVersion: %s, kind: Workspace, name: %s, uid: u-1, controller: true}]", api ? api : "", owner);
    AUTO_MEM char *yaml = xasprintf("{apiVersion: apps/v1, kind: Deployment, metadata: {namespace: default, name: %s%s}, spec: {selector: {matchLabels: {a: b}}, "
                                    "template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}}", name, api ? owned : "");

    create(t, DEPLOYMENTS, yaml);
}

static bool has_deployment(struct test_manager *t, const char *name)
{
    AUTO_JSON o = NULL;
    struct err e;

    return kube_get(t->user, DEPLOYMENTS, "default", name, &o, &e) == ERR_OK;
}

static size_t n_events(struct test_manager *t, const char *reason)
{
    AUTO_JSON list = NULL;
    struct err e;
    size_t n = 0, i;
    json_t *one;

    OK(kube_list_all(t->user, KUBE_GVR("", "v1", "events"), "default", NULL, &list, &e));
    json_array_foreach(list, i, one)
        n += streq(json_cstr(one, "reason"), reason);
    return n;
}

/* As upstream: the Deployments that its older releases served from go, nobody else's. */
static void deployments_of_older_releases_go(void **state)
{
    struct test_manager t;
    const struct workspace_manager_opts o = { .install_crds = true, .settings.byo = true };
    struct err e;

    test_manager_open(&t);
    create_deployment(&t, "ws", "kaito.sh/v1alpha1", "ws");
    create_deployment(&t, "plain", NULL, "");
    create_deployment(&t, "other", "kaito.sh/v1alpha1", "ws");
    create_deployment(&t, "theirs", "example.com/v1", "theirs");
    OK(test_manager_start(&t, &o, &e));
    for (int64_t until = clock_mono_ms() + WAIT_MS; has_deployment(&t, "ws") && clock_mono_ms() < until; poll(NULL, 0, 5))
        ;
    assert_false(has_deployment(&t, "ws"));
    assert_true(has_deployment(&t, "plain") && has_deployment(&t, "other") && has_deployment(&t, "theirs"));
    for (int64_t until = clock_mono_ms() + WAIT_MS; n_events(&t, "WorkloadMigration") == 0 && clock_mono_ms() < until; poll(NULL, 0, 5))
        ;
    assert_int_equal(n_events(&t, "WorkloadMigration"), 1);
    test_manager_close(&t);
}

static json_t *ready_when(struct test_manager *t, bool warned)
{
    struct err e;

    for (int64_t until = clock_mono_ms() + WAIT_MS; clock_mono_ms() < until; poll(NULL, 0, 5)) {
        AUTO_JSON ws = NULL;

        OK(kube_get(t->user, WORKSPACES, "default", "ws", &ws, &e));
        const char *message = json_cstr(kube_condition(ws, "InferenceReady"), "message");

        if (kube_condition_is(ws, "InferenceReady", "True") && (strstr(message, "; warning: ConfigMap conf of inference.config is not there") != NULL) == warned)
            return json_incref(ws);
    }
    fail_msg("InferenceReady does not %s", warned ? "warn" : "become True without a warning");
    return NULL;
}

/* Of a ConfigMap that goes under a running model the kubelet tells when a pod starts again: too late. */
static void a_config_that_goes_is_told_at_once(void **state)
{
#define CONFIG "{apiVersion: v1, kind: ConfigMap, metadata: {namespace: default, name: conf}, data: {inference_config.yaml: 'vllm: {max-model-len: 2048}'}}"
    struct test_manager t;
    struct err e;

    open_with_node(&t);
    create(&t, KUBE_GVR("", "v1", "configmaps"), CONFIG);
    create(&t, WORKSPACES, "{apiVersion: kaito.sh/v1beta1, kind: Workspace, metadata: {namespace: default, name: ws, annotations: {kaito.sh/disable-benchmark: 'true'}}, "
                           "resource: {labelSelector: {matchLabels: {for: ws}}}, inference: {preset: {name: phi-4-mini-instruct}, config: conf}}");
    AUTO_JSON made = set_of_revision(&t, "1");

    patch(&t, SETS, "default", "ws", "status", "{status: {replicas: 1, readyReplicas: 1}}");
    json_decref(ready_when(&t, false));
    OK(kube_delete(t.user, KUBE_GVR("", "v1", "configmaps"), "default", "conf", NULL, &e));
    AUTO_JSON warned = ready_when(&t, true);

    assert_true(kube_condition_is(warned, "WorkspaceSucceeded", "True"));      /* what runs is as good as before */
    for (int64_t until = clock_mono_ms() + WAIT_MS; n_events(&t, "InferenceConfigNotFound") == 0 && clock_mono_ms() < until; poll(NULL, 0, 5))
        ;
    assert_int_equal(n_events(&t, "InferenceConfigNotFound"), 1);
    create(&t, KUBE_GVR("", "v1", "configmaps"), CONFIG);
    json_decref(ready_when(&t, false));
    AUTO_JSON now = set_of_revision(&t, "1");

    assert_int_equal(kube_generation(now), kube_generation(made));
    test_manager_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(what_came_with_the_creation_goes), cmocka_unit_test(what_runs_stays_where_and_what_it_is),
                                        cmocka_unit_test(an_edit_is_not_taken_back), cmocka_unit_test(a_label_asks_for_the_image), cmocka_unit_test(a_config_that_goes_is_told_at_once),
                                        cmocka_unit_test(deployments_of_older_releases_go) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
