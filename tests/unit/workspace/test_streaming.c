/* Model streaming as the dossier tells it (Workspace, 6.4, 6.6 and 6.9), through the rehearsal that `kaito render` is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/yaml.h"
#include "workspace/priv.h"
#include "workspace/rehearse.h"

#define CLASS    "{kind: StorageClass, apiVersion: storage.k8s.io/v1, metadata: {name: blob}, provisioner: blob.csi.azure.com}"
#define ACCOUNT  "{kind: ServiceAccount, apiVersion: v1, metadata: {name: reader, namespace: default, annotations: {azure.workload.identity/client-id: id}}}"
#define MIRROR   "{kind: ModelMirror, apiVersion: kaito.sh/v1alpha1, metadata: {name: '172f34'}, spec: {jobNamespace: default}, status: {phase: Ready}}"
#define CLAIM    "{kind: PersistentVolumeClaim, apiVersion: v1, metadata: {name: '172f34', namespace: default}, spec: {volumeName: pv1}}"
#define VOLUME   "{kind: PersistentVolume, apiVersion: v1, metadata: {name: pv1}, spec: {csi: {driver: blob.csi.azure.com, volumeHandle: 'group#account1#container1#x'}}}"

static json_t *rendered(const char *type, const char *cluster)
{
    AUTO_BUF text = { 0 };
    AUTO_JSON in = NULL;
    json_t *out = NULL;
    struct err e;

    buf_addf(&text, "{settings: {featureGates: {ModelStreaming: true}, defaultModelMirrorStorageClass: blob}, cluster: [%s], "
                    "object: {apiVersion: kaito.sh/v1beta1, kind: Workspace, metadata: {name: w, annotations: {kaito.sh/streaming-service-account: reader}}, "
                    "resource: {instanceType: %s, labelSelector: {matchLabels: {a: b}}}, "
                    "inference: {preset: {name: phi-4-mini-instruct, presetOptions: {modelAccessSecret: hf}}}}}", cluster, type);
    if (yaml_parse(buf_str(&text), &in, &e) || workspace_render(in, &out, &e))
        fail_msg("%s", e.text);
    return out;
}

static const json_t *written(const json_t *answer, const char *kind)
{
    const json_t *w;
    size_t i;

    json_array_foreach(json_object_get(answer, "writes"), i, w)
        if (streq(kube_kind(json_object_get(w, "object")), kind))
            return json_object_get(w, "object");
    return NULL;
}

static void assert_condition(const json_t *answer, const char *type, const char *reason, const char *message)
{
    const json_t *c = kube_condition(json_object_get(answer, "workspace"), type);

    assert_string_equal(json_cstr(c, "reason"), reason);
    assert_string_equal(json_cstr(c, "message"), message);
}

static void the_mirror_is_asked_for_and_waited_for(void **state)
{
    AUTO_JSON answer = rendered("Standard_NC24ads_A100_v4", CLASS ", " ACCOUNT);
    AUTO_JSON want = NULL;
    (void)state;

    assert_int_equal(yaml_parse(STR("{apiVersion: kaito.sh/v1alpha1, kind: ModelMirror, metadata: {name: '172f34'}, spec: {mode: Managed, "
                                    "source: {registry: huggingface, modelID: microsoft/phi-4-mini-instruct, accessSecret: {name: hf, namespace: default}}, "
                                    "storage: {size: 87Gi, storageClassName: blob}, jobNamespace: default, serviceAccountName: reader}}"), &want, NULL), ERR_OK);
    assert_true(json_equal(written(answer, "ModelMirror"), want));
    assert_non_null(written(answer, "NodeClaim"));
    assert_null(written(answer, "StatefulSet"));
    assert_null(written(answer, "Service"));
    assert_condition(answer, "ModelMirrorReady", "ModelMirrorPending", "Model download in progress");
    assert_condition(answer, "ResourceReady", "ModelMirrorNotReady", "Model download in progress");
}

static const json_t *pod_of(const json_t *answer)
{
    const json_t *pod = json_at(written(answer, "StatefulSet"), "spec", "template", NULL);

    assert_non_null(pod);
    return pod;
}

static const char *command_of(const json_t *answer)
{
    return json_string_value(json_array_get(json_object_get(json_array_get(json_at(pod_of(answer), "spec", "containers", NULL), 0), "command"), 2));
}

static void a_ready_mirror_is_read_from_its_container(void **state)
{
    AUTO_JSON answer = rendered("Standard_NC24ads_A100_v4", CLASS ", " ACCOUNT ", " MIRROR ", " CLAIM ", " VOLUME);
    const json_t *pod = pod_of(answer), *v, *env = json_object_get(json_array_get(json_at(pod, "spec", "containers", NULL), 0), "env");
    const char *command = command_of(answer);
    AUTO_BUF names = { 0 };
    size_t i;
    (void)state;

    assert_null(written(answer, "ModelMirror"));
    assert_non_null(strstr(command, " --model=az://container1/microsoft/phi-4-mini-instruct --load-format=runai_streamer --served-model-name="));
    assert_null(strstr(command, "--load_format"));
    assert_null(strstr(command, "distributed\""));
    json_array_foreach(env, i, v)
        buf_addf(&names, "%s=%s;", json_cstr(v, "name"), json_cstr(v, "value") ? json_cstr(v, "value") : "");
    assert_non_null(strstr(buf_cstr(&names), ";HF_TOKEN=;AZURE_STORAGE_ACCOUNT_NAME=account1;KAITO_PROCESSOR=microsoft/phi-4-mini-instruct;"));
    assert_string_equal(json_str_at(pod, "metadata", "labels", "azure.workload.identity/use", NULL), "true");
    assert_string_equal(json_str_at(written(answer, "StatefulSet"), "spec", "selector", "matchLabels", "azure.workload.identity/use", NULL), "true");
    assert_string_equal(json_str_at(pod, "spec", "serviceAccountName", NULL), "reader");
    json_array_foreach(json_at(pod, "spec", "volumes", NULL), i, v)
        assert_string_not_equal(json_cstr(v, "name"), "model-weights-volume");
    assert_condition(answer, "ModelMirrorReady", "ModelMirrorReady", "Model download complete");
}

/* Upstream's reasons and words. */
static void what_streaming_needs_is_named(void **state)
{
    static const struct { const char *cluster, *reason, *message; } rows[] = {
        { ACCOUNT, "ModelStreamingStorageClassNotFound", "StorageClass \"blob\" not found: StorageClass.storage.k8s.io \"blob\" not found" },
        { ACCOUNT ", {kind: StorageClass, apiVersion: storage.k8s.io/v1, metadata: {name: blob}, provisioner: disk.csi.azure.com}", "ModelStreamingInvalidStorageClass",
          "StorageClass \"blob\" uses provisioner \"disk.csi.azure.com\", but model streaming requires \"blob.csi.azure.com\"; create a StorageClass with the correct provisioner" },
        { CLASS, "ModelStreamingServiceAccountInvalid", "ServiceAccount \"reader\" not found in namespace \"default\": ServiceAccount \"reader\" not found" },
        { CLASS ", {kind: ServiceAccount, apiVersion: v1, metadata: {name: reader, namespace: default}}", "ModelStreamingServiceAccountInvalid",
          "ServiceAccount \"reader\" is missing annotation azure.workload.identity/client-id; workload identity must be configured for model streaming" },
        { "{kind: ModelMirror, apiVersion: kaito.sh/v1alpha1, metadata: {name: '172f34'}, spec: {source: {modelID: a/b}}}", "ModelMirrorCreateFailed",
          "ModelMirror CR name collision: 172f34 maps to both \"a/b\" and \"microsoft/phi-4-mini-instruct\"" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_JSON answer = rendered("Standard_NC24ads_A100_v4", rows[i].cluster);

        assert_condition(answer, "InferenceReady", rows[i].reason, rows[i].message);
        assert_string_equal(json_cstr(kube_condition(json_object_get(answer, "workspace"), "ResourceReady"), "reason"), "ModelMirrorNotReady");
        assert_null(written(answer, "NodeClaim"));
        assert_null(written(answer, "ModelMirror"));
    }
}

/* What its creation needed may be gone. */
static void a_mirror_that_is_there_is_enough(void **state)
{
    AUTO_JSON answer = rendered("Standard_NC24ads_A100_v4", MIRROR ", " CLAIM ", " VOLUME);
    (void)state;

    assert_non_null(strstr(command_of(answer), " --model=az://container1/microsoft/phi-4-mini-instruct "));
}

static void weights_that_are_nowhere_are_told(void **state)
{
#define PV(spec) "{kind: PersistentVolume, apiVersion: v1, metadata: {name: pv1}, spec: {" spec "}}"
    static const struct { const char *cluster, *error; } rows[] = {
        { MIRROR, "failed to get PVC default/172f34: PersistentVolumeClaim \"172f34\" not found" },
        { MIRROR ", {kind: PersistentVolumeClaim, apiVersion: v1, metadata: {name: '172f34', namespace: default}}", "PVC default/172f34 has no bound PV (spec.volumeName is empty)" },
        { MIRROR ", " CLAIM, "failed to get PV pv1: PersistentVolume \"pv1\" not found" },
        { MIRROR ", " CLAIM ", " PV("hostPath: {path: /x}"), "PV pv1 has no CSI spec" },
        { MIRROR ", " CLAIM ", " PV("csi: {driver: disk.csi.azure.com}"), "PV pv1 has CSI driver \"disk.csi.azure.com\", expected \"blob.csi.azure.com\"" },
        { MIRROR ", " CLAIM ", " PV("csi: {driver: blob.csi.azure.com, volumeHandle: 'a#b'}"),
          "unexpected Azure Blob volumeHandle format \"a#b\" (expected resourceGroup#accountName#containerName...)" },
        { MIRROR ", " CLAIM ", " PV("csi: {driver: blob.csi.azure.com, volumeHandle: 'a##c'}"), "Azure Blob volumeHandle \"a##c\" has empty accountName" },
        { MIRROR ", " CLAIM ", " PV("csi: {driver: blob.csi.azure.com, volumeHandle: 'a#b#'}"), "Azure Blob volumeHandle \"a#b#\" has empty containerName" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_JSON answer = rendered("Standard_NC24ads_A100_v4", rows[i].cluster);
        AUTO_MEM char *error = xasprintf("failed to resolve streaming config: %s", rows[i].error);

        assert_string_equal(json_cstr(answer, "error"), error);
        assert_null(written(answer, "StatefulSet"));
    }
}

static void the_name_of_a_mirror_is_upstreams(void **state)
{
    AUTO_BUF name = { 0 };
    (void)state;

    stream_mirror_name(STR("phi-4-mini-instruct"), &name);
    assert_string_equal(buf_cstr(&name), "172f34");
    buf_clear(&name);
    stream_mirror_name(STR("microsoft/Phi-4-mini-instruct"), &name);   /* as it is written */
    assert_string_equal(buf_cstr(&name), "9806f0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_name_of_a_mirror_is_upstreams), cmocka_unit_test(the_mirror_is_asked_for_and_waited_for),
        cmocka_unit_test(a_ready_mirror_is_read_from_its_container), cmocka_unit_test(what_streaming_needs_is_named),
        cmocka_unit_test(a_mirror_that_is_there_is_enough), cmocka_unit_test(weights_that_are_nowhere_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
