/* Model streaming as the dossier tells it (Workspace, 6.4, 6.6 and 6.9), through the rehearsal that `kaito render` is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/yaml.h"
#include "workspace/priv.h"
#include "workspace/rehearse.h"

#define CLASS    "{kind: StorageClass, apiVersion: storage.k8s.io/v1, metadata: {name: blob}, provisioner: blob.csi.azure.com}"
#define ACCOUNT  "{kind: ServiceAccount, apiVersion: v1, metadata: {name: reader, namespace: default, annotations: {azure.workload.identity/client-id: id}}}"
#define MIRROR   "{kind: ModelMirror, apiVersion: kaito.sh/v1alpha1, metadata: {name: '172f34'}, spec: {jobNamespace: default}, status: {phase: Ready}}"
#define CLAIM    "{kind: PersistentVolumeClaim, apiVersion: v1, metadata: {name: '172f34', namespace: default}, spec: {volumeName: pv1}}"
#define VOLUME   "{kind: PersistentVolume, apiVersion: v1, metadata: {name: pv1}, spec: {csi: {volumeHandle: 'group#account1#container1#x'}}}"

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
    assert_condition(answer, "ModelMirrorReady", "ModelMirrorPending", "Model download has not started");
    assert_condition(answer, "ResourceReady", "ModelMirrorNotReady", "Model download has not started");
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
    assert_null(json_str_at(written(answer, "StatefulSet"), "spec", "selector", "matchLabels", "azure.workload.identity/use", NULL));
    assert_string_equal(json_str_at(pod, "spec", "serviceAccountName", NULL), "reader");
    json_array_foreach(json_at(pod, "spec", "volumes", NULL), i, v)
        assert_string_not_equal(json_cstr(v, "name"), "model-weights-volume");
    assert_condition(answer, "ModelMirrorReady", "ModelMirrorReady", "Model download complete");
}

static void what_streaming_needs_is_named(void **state)
{
    static const struct { const char *cluster, *reason; } rows[] = {
        { ACCOUNT, "ModelStreamingStorageClassNotFound" },
        { ACCOUNT ", {kind: StorageClass, apiVersion: storage.k8s.io/v1, metadata: {name: blob}, provisioner: disk.csi.azure.com}", "ModelStreamingInvalidStorageClass" },
        { CLASS, "ModelStreamingServiceAccountInvalid" },
        { CLASS ", {kind: ServiceAccount, apiVersion: v1, metadata: {name: reader, namespace: default}}", "ModelStreamingServiceAccountInvalid" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_JSON answer = rendered("Standard_NC24ads_A100_v4", rows[i].cluster);

        assert_string_equal(json_cstr(kube_condition(json_object_get(answer, "workspace"), "InferenceReady"), "reason"), rows[i].reason);
        assert_null(written(answer, "NodeClaim"));
    }
}

static void the_name_of_a_mirror_is_upstreams(void **state)
{
    AUTO_BUF name = { 0 };
    (void)state;

    stream_mirror_name(preset_find(STR("phi-4-mini-instruct")), &name);
    assert_string_equal(buf_cstr(&name), "172f34");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_name_of_a_mirror_is_upstreams), cmocka_unit_test(the_mirror_is_asked_for_and_waited_for),
        cmocka_unit_test(a_ready_mirror_is_read_from_its_container), cmocka_unit_test(what_streaming_needs_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
