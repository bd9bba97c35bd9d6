/*
 * Model streaming on our own API server: the manager asks for a ModelMirror and waits for it. This test is whoever fills mirrors, and defines their kind.
 * What is rendered then is test_streaming.c's.
 */
#include "test_manager.h"

#include "base/mem.h"
#include "kube/meta.h"
#include "../patience.h"

#define WAIT_MS patience_ms(3500)
#define MIRRORS KUBE_GVR("kaito.sh", "v1alpha1", "modelmirrors")
#define MIRROR "172f34"                 /* microsoft/phi-4-mini-instruct */

static void create(struct test_manager *t, const struct kube_gvr *r, const char *yaml)
{
    AUTO_JSON o = test_yaml(yaml);
    struct err e;

    OK(kube_create(t->user, r, NULL, o, NULL, &e));
}

static void patch_status(struct test_manager *t, const struct kube_gvr *r, const char *name, const char *yaml)
{
    AUTO_JSON p = test_yaml(yaml);
    struct err e;

    OK(kube_patch(t->user, r, NULL, name, "status", KUBE_PATCH_MERGE, p, NULL, &e));
}

static errc start_manager(struct test_manager *t, struct err *e)
{
    const struct workspace_manager_opts o = { .install_crds = true, .settings = { .byo = true, .model_streaming = true, .mirror_class = "blob", .streaming_account = "reader" } };

    return test_manager_start(t, &o, e);
}

static int start(void **state)
{
    *state = xzalloc(sizeof(struct test_manager));
    test_manager_open(*state);
    return 0;
}

static int stop(void **state)
{
    test_manager_close(*state);
    free(*state);
    return 0;
}

static void define_mirrors(struct test_manager *t)
{
    struct err e;
    bool served = false;

    create(t, KUBE_GVR("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
           "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: modelmirrors.kaito.sh}, spec: {group: kaito.sh, scope: Cluster, "
           "names: {plural: modelmirrors, kind: ModelMirror}, versions: [{name: v1alpha1, served: true, storage: true, subresources: {status: {}}, "
           "schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}");
    for (int64_t until = clock_mono_ms() + WAIT_MS; !served && clock_mono_ms() < until; poll(NULL, 0, 5))
        OK(kube_has_resource(t->user, MIRRORS, &served, &e));
    assert_true(served);
}

static void told(struct test_manager *t, const char *type, const char *reason, const char *message)
{
    AUTO_JSON ws = NULL;
    struct err e;
    size_t at;

    for (int64_t until = clock_mono_ms() + WAIT_MS; clock_mono_ms() < until; poll(NULL, 0, 5)) {
        json_decref(ws);
        OK(kube_get(t->user, WORKSPACES, "default", "ws", &ws, &e));
        const json_t *c = kube_condition(ws, type);

        if (streq(json_cstr(c, "reason"), reason) && str_find(str_of(json_cstr(c, "message")), str_of(message), &at))
            return;
    }
    AUTO_BUF text = { 0 };

    json_write(json_at(ws, "status", NULL), &text);
    fail_msg("%s is not %s (%s): %s", type, reason, message, buf_cstr(&text));
}

static bool is_there(struct test_manager *t, const struct kube_gvr *r, const char *ns, const char *name)
{
    AUTO_JSON o = NULL;
    struct err e;

    return kube_get(t->user, r, ns, name, &o, &e) == ERR_OK;
}

static void the_kind_must_be_served(void **state)
{
    struct err e;

    assert_int_equal(start_manager(*state, &e), ERR_NOT_FOUND);
    assert_non_null(strstr(e.text, "ModelStreaming=true: CustomResourceDefinition modelmirrors.kaito.sh (v1alpha1) is not served"));
}

static void open_with_workspace(struct test_manager *t)
{
    struct err e;

    define_mirrors(t);
    OK(start_manager(t, &e));
    test_manager_wait_ready(t, WAIT_MS);
    create(t, NODES, "{apiVersion: v1, kind: Node, metadata: {name: n1, labels: {for: ws}}}");
    patch_status(t, NODES, "n1", "{status: {capacity: {nvidia.com/gpu: \"1\"}, allocatable: {nvidia.com/gpu: \"1\"}, conditions: [{type: Ready, status: \"True\", reason: KubeletReady}]}}");
    create(t, WORKSPACES, "{apiVersion: kaito.sh/v1beta1, kind: Workspace, metadata: {namespace: default, name: ws, annotations: {kaito.sh/disable-benchmark: 'true'}}, "
                          "resource: {labelSelector: {matchLabels: {for: ws}}}, inference: {preset: {name: phi-4-mini-instruct}}}");
}

/* Until the back-off is longer than anything here is waited for. */
static void tire(struct test_manager *t)
{
    struct err e;

    for (int i = 0; i < 16; i++) {
        AUTO_MEM char *yaml = xasprintf("{metadata: {annotations: {poke: '%d'}}}", i);
        AUTO_JSON poke = test_yaml(yaml);
        uint64_t before = workspace_manager_reconciles(t->manager);

        OK(kube_patch(t->user, WORKSPACES, "default", "ws", NULL, KUBE_PATCH_MERGE, poke, NULL, &e));
        for (int64_t until = clock_mono_ms() + WAIT_MS; workspace_manager_reconciles(t->manager) == before && clock_mono_ms() < until; poll(NULL, 0, 2))
            ;
    }
}

/* Each thing that comes wakes the Workspace: nobody waits for a back-off. */
static void what_a_mirror_needs_is_waited_for(void **state)
{
    struct test_manager *t = *state;

    open_with_workspace(t);
    told(t, "InferenceReady", "ModelStreamingStorageClassNotFound", "StorageClass \"blob\" not found");
    tire(t);
    create(t, KUBE_GVR("storage.k8s.io", "v1", "storageclasses"), "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: blob}, provisioner: blob.csi.azure.com}");
    told(t, "InferenceReady", "ModelStreamingServiceAccountInvalid", "ServiceAccount \"reader\" not found in namespace \"default\"");
    assert_false(is_there(t, MIRRORS, NULL, MIRROR));
    tire(t);
    create(t, KUBE_GVR("", "v1", "serviceaccounts"),
           "{apiVersion: v1, kind: ServiceAccount, metadata: {namespace: default, name: reader, annotations: {azure.workload.identity/client-id: id}}}");
    told(t, "ModelMirrorReady", "ModelMirrorPending", "Model download in progress");
    assert_true(is_there(t, MIRRORS, NULL, MIRROR));
}

static long requests_of(struct test_manager *t)
{
    AUTO_BUF text = { 0 };
    struct str rest, line, head, value;
    int64_t n, sum = 0;

    kube_client_metrics(t->client, &text);
    for (rest = buf_str(&text); str_next(&rest, '\n', &line);)
        if (str_has_prefix(line, STR("rest_client_requests_total{")) && str_rcut(line, ' ', &head, &value) && str_to_i64(value, &n))
            sum += n;
    return (long)sum;
}

/* What the mirror says is news for the Workspace, and costs no request once its pods are made. */
static void assert_a_look_costs_nothing(struct test_manager *t)
{
    told(t, "ModelMirrorReady", "ModelMirrorReady", "Model download complete");
    for (long before = -1; before != requests_of(t); poll(NULL, 0, 300))
        before = requests_of(t);
    long asked = requests_of(t);
    uint64_t reconciles = workspace_manager_reconciles(t->manager);

    patch_status(t, MIRRORS, MIRROR, "{status: {lastDownloadTime: '2026-01-01T00:00:00Z'}}");
    for (int64_t until = clock_mono_ms() + WAIT_MS; workspace_manager_reconciles(t->manager) == reconciles && clock_mono_ms() < until; poll(NULL, 0, 5))
        ;
    assert_true(workspace_manager_reconciles(t->manager) > reconciles);
    assert_int_equal(requests_of(t), asked);
}

static void pods_are_made_when_the_mirror_is_ready(void **state)
{
    struct test_manager *t = *state;
    AUTO_JSON set = NULL;
    struct err e;
    size_t at;

    open_with_workspace(t);
    create(t, MIRRORS, "{apiVersion: kaito.sh/v1alpha1, kind: ModelMirror, metadata: {name: '" MIRROR "'}, spec: {jobNamespace: default, source: {registry: huggingface, "
                       "modelID: microsoft/phi-4-mini-instruct}}}");
    told(t, "ResourceReady", "ModelMirrorNotReady", "Model download in progress");
    patch_status(t, MIRRORS, MIRROR, "{status: {phase: Pending, failureMessage: the hub is gone, conditions: [{type: Ready, status: 'False', reason: DownloadFailed, message: x, "
                                     "lastTransitionTime: '2026-01-01T00:00:00Z'}]}}");
    told(t, "ModelMirrorReady", "DownloadFailed", "the hub is gone");
    assert_false(is_there(t, SETS, "default", "ws"));
    assert_false(is_there(t, KUBE_GVR("", "v1", "services"), "default", "ws"));

    create(t, KUBE_GVR("", "v1", "persistentvolumes"), "{apiVersion: v1, kind: PersistentVolume, metadata: {name: pv1}, spec: {capacity: {storage: 87Gi}, accessModes: [ReadWriteMany], "
                                                       "csi: {driver: blob.csi.azure.com, volumeHandle: 'g#account1#container1#x'}}}");
    create(t, KUBE_GVR("", "v1", "persistentvolumeclaims"), "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {namespace: default, name: '" MIRROR "'}, "
                                                            "spec: {accessModes: [ReadWriteMany], volumeName: pv1, resources: {requests: {storage: 87Gi}}}}");
    patch_status(t, MIRRORS, MIRROR, "{status: {phase: Ready, failureMessage: null, conditions: []}}");
    for (int64_t until = clock_mono_ms() + WAIT_MS; kube_get(t->user, SETS, "default", "ws", &set, &e) && clock_mono_ms() < until; poll(NULL, 0, 5))
        ;
    AUTO_BUF text = { 0 };

    json_write(set, &text);
    assert_true(str_find(buf_str(&text), STR("--model=az://container1/microsoft/phi-4-mini-instruct --load-format=runai_streamer"), &at));
    assert_true(str_find(buf_str(&text), STR("account1"), &at));
    assert_a_look_costs_nothing(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_kind_must_be_served, start, stop),
        cmocka_unit_test_setup_teardown(what_a_mirror_needs_is_waited_for, start, stop),
        cmocka_unit_test_setup_teardown(pods_are_made_when_the_mirror_is_ready, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
