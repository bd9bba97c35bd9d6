/*
 * The StatefulSet of upstream's images, vLLM or transformers. Every name, flag and number is upstream's (dossier 6.2 to 6.7).
 */
#include "workspace/render.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

#define CUDA "/opt/kaito/cuda/129"

static int startup_failures(const struct preset *p)
{
    double seconds = 900 + 18 * p->weights_gib;

    return (int)ceil((seconds < 1800 ? 1800 : seconds > 10800 ? 10800 : seconds) / 10);
}

static json_t *health_check(const struct ws_view *v, const char *kind, const char *port_flag, int port)
{
    json_t *text = json_strf("python3 /workspace/vllm/multi-node-health-check.py %s --leader-address=%.*s-0.%.*s-headless.%.*s.svc.cluster.local %s=%d", kind,
                             STR_ARG(v->ws->meta.name), STR_ARG(v->ws->meta.name), STR_ARG(v->ws->meta.namespace), port_flag, port);

    return PACK("{s:[s, s, o]}", "command", "/bin/sh", "-c", text);
}

static void add_probes(const struct ws_view *v, int64_t nodes, json_t *c)
{
    bool benchmark = !ws_runs_transformers(v->settings, v->ws) && !str_is(ws_annotation(v->ws, "kaito.sh/disable-benchmark"), "true");
    int failures = startup_failures(v->model), port = is_decode_pod(v) ? 5001 : 5000;
    json_t *startup;

    if (benchmark && nodes > 1)
        startup = PACK("{s:{s:[s,s,s]}, s:i, s:i, s:i}", "exec", "command", "/bin/sh", "-c",
                       "if [ \"$POD_INDEX\" = \"0\" ]; then python3 /workspace/vllm/benchmark_entrypoint.py; else true; fi",
                       "periodSeconds", 10, "timeoutSeconds", 600, "failureThreshold", failures);
    else if (benchmark)
        startup = PACK("{s:{s:[s,s]}, s:i, s:i, s:i}", "exec", "command", "python3", "/workspace/vllm/benchmark_entrypoint.py",
                       "periodSeconds", 10, "timeoutSeconds", 600, "failureThreshold", failures);
    else if (nodes > 1)
        startup = PACK("{s:o, s:i, s:i, s:i}", "exec", health_check(v, "readiness", "--vllm-port", port), "periodSeconds", 10, "timeoutSeconds", 1,
                       "failureThreshold", failures);
    else
        startup = PACK("{s:{s:s, s:i}, s:i, s:i}", "httpGet", "path", "/health", "port", port, "periodSeconds", 10, "failureThreshold", failures);
    json_put(c, "startupProbe", startup);
    if (nodes > 1) {
        json_put(c, "livenessProbe", PACK("{s:o, s:i, s:i, s:i, s:i, s:i}", "exec", health_check(v, "liveness", "--ray-port", 6379), "initialDelaySeconds", 60,
                                          "periodSeconds", 10, "timeoutSeconds", 5, "failureThreshold", 1, "terminationGracePeriodSeconds", 1));
        json_put(c, "readinessProbe", PACK("{s:o, s:i, s:i, s:i}", "exec", health_check(v, "readiness", "--vllm-port", port), "periodSeconds", 10,
                                           "timeoutSeconds", 1, "failureThreshold", 1));
        return;
    }
    json_put(c, "livenessProbe", PACK("{s:{s:s, s:i}, s:i, s:i}", "httpGet", "path", "/health", "port", port, "periodSeconds", 10, "failureThreshold", 3));
    json_put(c, "readinessProbe", PACK("{s:{s:s, s:i}, s:i, s:i}", "httpGet", "path", "/health", "port", port, "initialDelaySeconds", 30, "periodSeconds", 10));
}

static void add_stream_env(const struct ws_view *v, json_t *env)
{
    struct stream_source stream;
    AUTO_BUF account = { 0 }, id = { 0 };
    struct err e;

    if (!ws_streams_model(v->settings, v->ws) || stream_source_of(v, &stream, &e))
        return;
    buf_addstr(&account, stream.account);
    stream_model_id(ws_preset_name(v->ws), &id);
    env_add(env, "AZURE_STORAGE_ACCOUNT_NAME", buf_cstr(&account));
    env_add(env, "KAITO_PROCESSOR", buf_cstr(&id));
}

static void add_env(const struct ws_view *v, int64_t nodes, json_t *env)
{
    struct str secret = v->ws->inference->preset->options.model_access_secret, role = str_map_get(&v->ws->meta.labels, ROLE_LABEL);
    bool vllm = !ws_runs_transformers(v->settings, v->ws);
    AUTO_BUF local = { 0 };

    if (vllm) {
        env_add(env, "VLLM_USE_FLASHINFER_SAMPLER", "0");
        env_add(env, "VLLM_USE_DEEP_GEMM", v->model->vllm.traits & PRESET_DEEP_GEMM ? "1" : "0");
    }
    if (vllm && v->model->vllm.traits & PRESET_CUDA_TOOLKIT)
        env_add(env, "CUDA_HOME", CUDA);
    if (ws_uses_local_weights(v->ws) && !ws_streams_model(v->settings, v->ws)) {
        local_weights_path(v->ws, &local);
        env_add(env, "KAITO_PROCESSOR", buf_cstr(&local));
    }
    if (str_is(role, "prefill") || str_is(role, "decode")) {
        env_add(env, "KAITO_INFERENCE_ROLE", role.p);
        env_field(env, "VLLM_NIXL_SIDE_CHANNEL_HOST", "status.podIP");
    }
    if (secret.n > 0)
        json_push(env, PACK("{s:s, s:{s:{s:o, s:s, s:b}}}", "name", "HF_TOKEN", "valueFrom", "secretKeyRef", "name", str_json(secret), "key", "HF_TOKEN", "optional", 1));
    add_stream_env(v, env);
}

static void add_cuda_toolkit(const struct ws_view *v, struct pod_parts *p)
{
    volume_add(p, "cuda-toolkit-hostpath", PACK("{s:{s:s, s:s}}", "hostPath", "path", CUDA, "type", "DirectoryOrCreate"), CUDA, true);
    json_push(p->init, PACK("{s:s, s:o, s:[s,s,s,s,s], s:[{s:s,s:s}]}", "name", "cuda-toolkit-provisioner", "image", base_image(v),
                            "command", "/bin/sh", "-c", "flock \"$1\" /workspace/cuda-provision.sh \"$1\"", "sh", CUDA,
                            "volumeMounts", "name", "cuda-toolkit-hostpath", "mountPath", CUDA));
}

static void add_weights(const struct ws_view *v, bool claim_template, struct pod_parts *p)
{
    AUTO_BUF path = { 0 };

    if (ws_streams_model(v->settings, v->ws) && !ws_uses_local_weights(v->ws))
        return;
    if (!ws_uses_local_weights(v->ws)) {
        volume_add(p, "model-weights-volume", claim_template ? NULL : PACK("{s:{}}", "emptyDir"), "/workspace/weights", false);
        return;
    }
    local_weights_path(v->ws, &path);
    volume_add(p, "model-weights-hostpath", PACK("{s:{s:s, s:s}}", "hostPath", "path", buf_cstr(&path), "type", "Directory"), buf_cstr(&path), true);
}

static void add_volumes(const struct ws_view *v, bool claim_template, struct pod_parts *p)
{
    bool vllm = !ws_runs_transformers(v->settings, v->ws);

    if (v->ws->inference->config.n > 0)
        volume_add(p, "config-volume", PACK("{s:{s:o}}", "configMap", "name", str_json(v->ws->inference->config)), "/mnt/config", false);
    if (vllm && v->model->vllm.traits & PRESET_CUDA_TOOLKIT)
        add_cuda_toolkit(v, p);
    volume_add(p, "dshm", PACK("{s:{s:s}}", "emptyDir", "medium", "Memory"), "/dev/shm", false);
    adapters_add(v, p);
    add_weights(v, claim_template, p);
}

static json_t *server_ports(const struct ws_view *v)
{
    json_t *ports = PACK("[{s:s,s:i}]", "name", "http", "containerPort", is_decode_pod(v) ? 5001 : 5000);

    if (!ws_runs_transformers(v->settings, v->ws))
        json_push(ports, PACK("{s:s,s:i}", "name", "kv-events", "containerPort", 5557));
    return ports;
}

/* In front of a decoding server: sends the prompt's work elsewhere. */
static json_t *routing_sidecar(void)
{
    json_t *env = json_array();

    env_field(env, "POD_IP", "status.podIP");
    env_field(env, "VLLM_NIXL_SIDE_CHANNEL_HOST", "status.podIP");
    return PACK("{s:s, s:s, s:[s,s,s], s:o, s:[{s:s,s:i,s:s}]}", "name", "llm-d-routing-sidecar", "image", "mcr.microsoft.com/oss/v2/llm-d/llm-d-routing-sidecar:v0.8.0",
                "args", "--port=5000", "--vllm-port=5001", "--secure-proxy=false", "env", env, "ports", "name", "sidecar", "containerPort", 5000, "protocol", "TCP");
}

static json_t *server_container(const struct ws_view *v, json_t *command, const struct gpu_share *gpu, int64_t nodes, const struct pod_parts *p)
{
    json_t *c = PACK("{s:o, s:o, s:o, s:O, s:o, s:o, s:O}", "name", str_json(v->ws->meta.name), "image", base_image(v), "command", command, "env", p->env,
                     "ports", server_ports(v), "resources", resources_of(gpu), "volumeMounts", p->mounts);

    add_probes(v, nodes, c);
    return c;
}

static json_t *claim_templates(const struct ws_view *v)
{
    return PACK("[{s:{s:s, s:{s:o}}, s:{s:[s], s:s, s:{s:{s:o}}}}]", "metadata", "name", "model-weights-volume", "labels", WORKSPACE_LABEL, str_json(v->ws->meta.name),
                "spec", "accessModes", "ReadWriteOnce", "storageClassName", "kaito-local-nvme-disk",
                "resources", "requests", "storage", json_strf("%dGi", v->model->disk_gib));
}

static json_t *pod_spec(const struct ws_view *v, json_t *server, const struct gpu_share *gpu, struct pod_parts *p)
{
    json_t *containers = PACK("[o]", server), *affinity = render_affinity(v, true), *tolerations = render_tolerations(v);
    json_t *pod = PACK("{s:o, s:o, s:o, s:o}", "volumes", p->volumes, "tolerations", tolerations, "containers", containers, "imagePullSecrets", p->secrets);

    if (is_decode_pod(v))
        json_push(containers, routing_sidecar());
    if (gpu->mig && !streq(gpu->resource, "nvidia.com/gpu"))
        json_push(tolerations, PACK("{s:s,s:s,s:s}", "key", gpu->resource, "operator", "Exists", "effect", "NoSchedule"));
    if (json_array_size(p->init) > 0)
        json_put(pod, "initContainers", json_incref(p->init));
    if (affinity)
        json_put(pod, "affinity", affinity);
    json_decref(p->init);
    json_decref(p->mounts);
    json_decref(p->env);
    return pod;
}

static json_t *command_of(const struct ws_view *v, const struct gpu_share *gpu, int64_t nodes, struct err *e)
{
    json_t *command;

    if (!ws_runs_transformers(v->settings, v->ws))
        return vllm_command(v, gpu, nodes);
    command = transformers_command(v->model);
    if (!command)
        (void)err_set(e, ERR_INVALID, "model %s does not support inference with Huggingface Transformers runtime", v->model->name);
    return command;
}

/* Who reads the blob container: in the template only, the selector stays as it is. */
static void add_stream_identity(const struct ws_view *v, json_t *labels, json_t *pod)
{
    json_put_str(labels, "azure.workload.identity/use", "true");
    json_put(pod, "serviceAccountName", str_json(stream_account_name(v)));
}

errc render_gpu_inference(const struct ws_view *v, int64_t nodes, const char *revision, json_t **out, struct err *e)
{
    const struct sku *sku = sku_find(v->settings->cloud, ws_instance_type(v->ws));
    bool claim_template = v->local_nvme_class && sku && sku->nvme && !v->settings->byo && !ws_uses_local_weights(v->ws) && !ws_streams_model(v->settings, v->ws);
    bool transformers = ws_runs_transformers(v->settings, v->ws);
    struct pod_parts parts;
    struct gpu_share gpu;

    TRY(gpu_share_of(v, &gpu, e));
    json_t *command = command_of(v, &gpu, nodes, e);

    if (!command)
        return e->code;
    pod_parts_init(&parts);
    add_env(v, nodes, parts.env);
    add_volumes(v, claim_template, &parts);
    if (nodes > 1 && !transformers)
        env_field(parts.env, "POD_INDEX", "metadata.labels['apps.kubernetes.io/pod-index']");
    json_t *server = server_container(v, command, &gpu, transformers ? 1 : nodes, &parts), *labels = pod_labels(v);
    json_t *spec = PACK("{s:I, s:s, s:o, s:{s:s, s:s}, s:{s:O}, s:{s:{s:o}, s:o}}", "replicas", (json_int_t)nodes, "podManagementPolicy", "Parallel",
                        "serviceName", json_strf("%.*s-headless", STR_ARG(v->ws->meta.name)),
                        "persistentVolumeClaimRetentionPolicy", "whenScaled", "Retain", "whenDeleted", "Delete",
                        "selector", "matchLabels", labels, "template", "metadata", "labels", labels, "spec", pod_spec(v, server, &gpu, &parts));

    if (claim_template)
        json_put(spec, "volumeClaimTemplates", claim_templates(v));
    if (ws_streams_model(v->settings, v->ws))
        add_stream_identity(v, labels, json_at(spec, "template", "spec", NULL));
    *out = PACK("{s:s, s:s, s:{s:o, s:o, s:o, s:{s:s}}, s:o}", "apiVersion", "apps/v1", "kind", "StatefulSet",
                "metadata", "name", str_json(v->ws->meta.name), "namespace", str_json(v->ws->meta.namespace), "ownerReferences", owner_references(v->ws),
                "annotations", REVISION_ANNOTATION, revision, "spec", spec);
    return ERR_OK;
}

/*
 * What an update may change of a StatefulSet that runs: the pod's command, environment and volumes, not where and how often it runs. That is copied
 * from what was seen, so the update is of that version: it must not undo what somebody has edited since.
 */
json_t *render_gpu_update(const json_t *live, json_t *wanted)
{
    static const char *const kept[] = { "affinity", "tolerations" }, *const kept_of_container[] = { "image", "resources", "ports" };
    json_t *spec = json_object_get(wanted, "spec"), *have = json_object_get(live, "spec");
    json_t *pod = json_at(wanted, "spec", "template", "spec", NULL), *was = json_at(live, "spec", "template", "spec", NULL);
    json_t *server = json_array_get(json_object_get(pod, "containers"), 0), *running = json_array_get(json_object_get(was, "containers"), 0);

    if (json_object_get(have, "replicas"))
        json_put(spec, "replicas", json_incref(json_object_get(have, "replicas")));
    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        if (json_object_get(was, kept[i]))
            json_put(pod, kept[i], json_clone(json_object_get(was, kept[i])));
    for (size_t i = 0; i < ARRAY_LEN(kept_of_container); i++)
        if (json_object_get(running, kept_of_container[i]))
            json_put(server, kept_of_container[i], json_clone(json_object_get(running, kept_of_container[i])));
    json_put_str(json_object_get(wanted, "metadata"), "resourceVersion", kube_resource_version(live));
    return wanted;
}
