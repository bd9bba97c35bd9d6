/*
 * The StatefulSet of upstream's vLLM image. Every name, flag and number is upstream's (dossier 6.2 to 6.6); flags come in a fixed
 * order here, in none there. Not yet: adapters, model streaming, MIG, the transformers runtime.
 */
#include "workspace/priv.h"

#include <math.h>

#define PACK json_pack
#define BASE_TAG "0.5.0"                /* upstream v0.12's kaito-base */

struct gpu_node { int64_t count; int64_t mem_gib; bool a10; };

static json_t *str_json(struct str s)
{
    return json_strn(s.p ? s : STR(""));
}

static bool is_hybrid(const char *architecture)
{
    static const char *const hybrids[] = {
        "NemotronHForCausalLM", "NemotronH_Nano_VL_V2", "NemotronHMTPModel", "NemotronHPuzzleForCausalLM", "Gemma4ForCausalLM",
        "Gemma4ForConditionalGeneration", "Gemma4UnifiedForConditionalGeneration", "Qwen3_5ForConditionalGeneration",
        "Qwen3_5MoeForConditionalGeneration", "DeepseekV4ForCausalLM", "DeepseekV32ForCausalLM", "GptOssForCausalLM",
    };

    for (size_t i = 0; i < ARRAY_LEN(hybrids); i++)
        if (streq(architecture, hybrids[i]))
            return true;
    return false;
}

static void lower_add(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        buf_addc(out, (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + 32 : s.p[i]));
}

static void flags_of_model(const struct preset *p, struct buf *out)
{
    const struct preset_vllm *m = &p->vllm;

    buf_addf(out, " --load_format=%s --config_format=%s --tokenizer_mode=%s --trust-remote-code --dtype=%s", m->format, m->format, m->tokenizer_mode,
             m->traits & PRESET_QUANTIZED ? "auto" : "bfloat16");
    if (m->tool_parser)
        buf_addf(out, " --tool-call-parser=%s --enable-auto-tool-choice", m->tool_parser);
    if (m->reasoning_parser)
        buf_addf(out, " --reasoning-parser=%s", m->reasoning_parser);
    if (m->chat_template)
        buf_addf(out, " --chat-template=/workspace/chat_templates/tool-chat-%s.jinja", m->chat_template);
    if (m->traits & PRESET_KV_FP8)
        buf_adds(out, " --kv-cache-dtype=fp8");
    if (m->traits & PRESET_GDN_TRITON)
        buf_adds(out, " --gdn-prefill-backend=triton");
    if (m->traits & PRESET_EXPERT_PARALLEL)
        buf_adds(out, " --enable-expert-parallel");
    if (m->traits & PRESET_NO_AUTOTUNE)
        buf_adds(out, " --kernel-config.enable_flashinfer_autotune=False");
}

/* Small models are copied to every GPU, large ones cut over them. */
static void flags_of_parallelism(const struct preset *p, struct gpu_node gpu, int64_t nodes, struct buf *out)
{
    bool copies = nodes == 1 && gpu.count > 1 && p->weights_gib * (double)gpu.count * 2 < (double)gpu.mem_gib;

    if (copies)
        buf_addf(out, " --data-parallel-size=%lld --tensor-parallel-size=1", (long long)gpu.count);
    else
        buf_addf(out, " --tensor-parallel-size=%lld", (long long)gpu.count);
    if (nodes > 1)
        buf_addf(out, " --pipeline-parallel-size=%lld --distributed-executor-backend=ray", (long long)nodes);
    if (copies || nodes > 1 || is_hybrid(p->architecture) || (p->vllm.traits & PRESET_NO_KV_OFFLOAD))
        buf_adds(out, " --kaito-kv-cache-cpu-memory-utilization=0");
}

static void vllm_command(const struct ws_view *v, struct gpu_node gpu, int64_t nodes, struct buf *out)
{
    const struct preset *p = ws_preset(v->ws);
    struct str set = str_map_get(&v->ws->meta.labels, "inferenceset.kaito.sh/created-by");
    struct str mode = ws_annotation(v->ws, "kaito.sh/performance-mode");

    buf_adds(out, "python3 /workspace/vllm/inference_api.py --model=");
    lower_add(out, str_of(p->repo));
    buf_addf(out, " --download-dir=/workspace/weights --served-model-name=%.*s", STR_ARG(set.n ? set : str_of(p->name)));
    flags_of_model(p, out);
    buf_addf(out, " --max-model-len=auto --gpu-memory-utilization=%s", gpu.a10 ? "0.82" : "0.84");
    flags_of_parallelism(p, gpu, nodes, out);
    buf_adds(out, " --kv-events-config='{\"enable_kv_cache_events\":true}' --compilation-config.pass_config.fuse_allreduce_rms=False");
    if (v->ws->inference->config.n > 0)
        buf_adds(out, " --kaito-config-file=/mnt/config/inference_config.yaml");
    if (mode.n > 0 && !str_is(mode, "balanced"))
        buf_addf(out, " --performance-mode=%.*s", STR_ARG(mode));
}

/* One node: the server alone. Several: pod 0 leads a Ray cluster, the others join it. */
static json_t *shell_command(const struct ws_view *v, struct gpu_node gpu, int64_t nodes)
{
    AUTO_BUF vllm = { 0 }, text = { 0 };

    vllm_command(v, gpu, nodes, &vllm);
    if (nodes > 1)
        buf_addf(&text, "if [ \"${POD_INDEX}\" = \"0\" ]; then /workspace/vllm/multi-node-serving.sh leader --ray_cluster_size=%lld --ray_port=6379; %s; "
                        "else /workspace/vllm/multi-node-serving.sh worker --ray_address=%.*s-0.%.*s-headless.%.*s.svc.cluster.local --ray_port=6379; fi",
                 (long long)nodes, buf_cstr(&vllm), STR_ARG(v->ws->meta.name), STR_ARG(v->ws->meta.name), STR_ARG(v->ws->meta.namespace));
    else
        buf_addstr(&text, buf_str(&vllm));
    return PACK("[s, s, s]", "/bin/sh", "-c", buf_cstr(&text));
}

static int startup_failures(const struct preset *p)
{
    double seconds = 900 + 18 * p->weights_gib;

    return (int)ceil((seconds < 1800 ? 1800 : seconds > 10800 ? 10800 : seconds) / 10);
}

static json_t *health_check(const struct ws_view *v, const char *kind, const char *port_flag)
{
    json_t *text = json_strf("python3 /workspace/vllm/multi-node-health-check.py %s --leader-address=%.*s-0.%.*s-headless.%.*s.svc.cluster.local %s", kind,
                             STR_ARG(v->ws->meta.name), STR_ARG(v->ws->meta.name), STR_ARG(v->ws->meta.namespace), port_flag);

    return PACK("{s:[s, s, o]}", "command", "/bin/sh", "-c", text);
}

static void add_probes(const struct ws_view *v, int64_t nodes, json_t *c)
{
    bool benchmark = !str_is(ws_annotation(v->ws, "kaito.sh/disable-benchmark"), "true");
    int failures = startup_failures(ws_preset(v->ws));
    json_t *startup;

    if (benchmark && nodes > 1)
        startup = PACK("{s:{s:[s,s,s]}, s:i, s:i, s:i}", "exec", "command", "/bin/sh", "-c",
                       "if [ \"$POD_INDEX\" = \"0\" ]; then python3 /workspace/vllm/benchmark_entrypoint.py; else true; fi",
                       "periodSeconds", 10, "timeoutSeconds", 600, "failureThreshold", failures);
    else if (benchmark)
        startup = PACK("{s:{s:[s,s]}, s:i, s:i, s:i}", "exec", "command", "python3", "/workspace/vllm/benchmark_entrypoint.py",
                       "periodSeconds", 10, "timeoutSeconds", 600, "failureThreshold", failures);
    else if (nodes > 1)
        startup = PACK("{s:o, s:i, s:i, s:i}", "exec", health_check(v, "readiness", "--vllm-port=5000"), "periodSeconds", 10, "timeoutSeconds", 1,
                       "failureThreshold", failures);
    else
        startup = PACK("{s:{s:s, s:i}, s:i, s:i}", "httpGet", "path", "/health", "port", 5000, "periodSeconds", 10, "failureThreshold", failures);
    json_put(c, "startupProbe", startup);
    if (nodes > 1) {
        json_put(c, "livenessProbe", PACK("{s:o, s:i, s:i, s:i, s:i, s:i}", "exec", health_check(v, "liveness", "--ray-port=6379"), "initialDelaySeconds", 60,
                                          "periodSeconds", 10, "timeoutSeconds", 5, "failureThreshold", 1, "terminationGracePeriodSeconds", 1));
        json_put(c, "readinessProbe", PACK("{s:o, s:i, s:i, s:i}", "exec", health_check(v, "readiness", "--vllm-port=5000"), "periodSeconds", 10,
                                           "timeoutSeconds", 1, "failureThreshold", 1));
        return;
    }
    json_put(c, "livenessProbe", PACK("{s:{s:s, s:i}, s:i, s:i}", "httpGet", "path", "/health", "port", 5000, "periodSeconds", 10, "failureThreshold", 3));
    json_put(c, "readinessProbe", PACK("{s:{s:s, s:i}, s:i, s:i}", "httpGet", "path", "/health", "port", 5000, "initialDelaySeconds", 30, "periodSeconds", 10));
}

static void env(json_t *c, const char *name, const char *value)
{
    json_push(json_object_get(c, "env"), PACK("{s:s, s:s}", "name", name, "value", value));
}

static void add_env(const struct ws_view *v, int64_t nodes, json_t *c)
{
    const struct preset *p = ws_preset(v->ws);
    struct str secret = v->ws->inference->preset->options.model_access_secret;

    env(c, "VLLM_USE_FLASHINFER_SAMPLER", "0");
    env(c, "VLLM_USE_DEEP_GEMM", p->vllm.traits & PRESET_DEEP_GEMM ? "1" : "0");
    if (p->vllm.traits & PRESET_CUDA_TOOLKIT)
        env(c, "CUDA_HOME", "/opt/kaito/cuda/129");
    if (secret.n > 0)
        json_push(json_object_get(c, "env"), PACK("{s:s, s:{s:{s:o, s:s, s:b}}}", "name", "HF_TOKEN", "valueFrom", "secretKeyRef",
                                                  "name", str_json(secret), "key", "HF_TOKEN", "optional", 1));
    if (nodes > 1)
        json_push(json_object_get(c, "env"), PACK("{s:s, s:{s:{s:s}}}", "name", "POD_INDEX", "valueFrom", "fieldRef",
                                                  "fieldPath", "metadata.labels['apps.kubernetes.io/pod-index']"));
}

static void volume(json_t *volumes, json_t *c, const char *name, json_t *source, const char *path, bool read_only)
{
    json_t *m = PACK("{s:s, s:s}", "name", name, "mountPath", path);

    if (read_only)
        json_put_bool(m, "readOnly", true);
    json_push(json_object_get(c, "volumeMounts"), m);
    if (!source)
        return;
    json_put_str(source, "name", name);
    json_push(volumes, source);
}

/* Order as upstream: config, CUDA toolkit, shared memory, weights. */
static json_t *add_volumes(const struct ws_view *v, bool claim_template, json_t *c, json_t *init)
{
    const struct preset *p = ws_preset(v->ws);
    json_t *volumes = json_array();
    const char *cuda = "/opt/kaito/cuda/129";

    if (v->ws->inference->config.n > 0)
        volume(volumes, c, "config-volume", PACK("{s:{s:o}}", "configMap", "name", str_json(v->ws->inference->config)), "/mnt/config", false);
    if (p->vllm.traits & PRESET_CUDA_TOOLKIT) {
        AUTO_BUF image = { 0 };

        buf_addf(&image, "%s/kaito-base:" BASE_TAG, v->settings->preset_registry);
        volume(volumes, c, "cuda-toolkit-hostpath", PACK("{s:{s:s, s:s}}", "hostPath", "path", cuda, "type", "DirectoryOrCreate"), cuda, true);
        json_push(init, PACK("{s:s, s:s, s:[s,s,s,s,s], s:[{s:s,s:s}]}", "name", "cuda-toolkit-provisioner", "image", buf_cstr(&image),
                             "command", "/bin/sh", "-c", "flock \"$1\" /workspace/cuda-provision.sh \"$1\"", "sh", cuda,
                             "volumeMounts", "name", "cuda-toolkit-hostpath", "mountPath", cuda));
    }
    volume(volumes, c, "dshm", PACK("{s:{s:s}}", "emptyDir", "medium", "Memory"), "/dev/shm", false);
    volume(volumes, c, "model-weights-volume", claim_template ? NULL : PACK("{s:{}}", "emptyDir"), "/workspace/weights", false);
    return volumes;
}

static json_t *server_container(const struct ws_view *v, struct gpu_node gpu, int64_t nodes)
{
    json_t *gpus = json_strf("%lld", (long long)gpu.count);
    json_t *c = PACK("{s:o, s:o, s:o, s:[], s:[{s:s,s:i},{s:s,s:i}], s:{s:{s:O}, s:{s:o}}, s:[]}", "name", str_json(v->ws->meta.name),
                     "image", json_strf("%s/kaito-base:" BASE_TAG, v->settings->preset_registry), "command", shell_command(v, gpu, nodes), "env",
                     "ports", "name", "http", "containerPort", 5000, "name", "kv-events", "containerPort", 5557,
                     "resources", "requests", "nvidia.com/gpu", gpus, "limits", "nvidia.com/gpu", gpus, "volumeMounts");

    add_env(v, nodes, c);
    add_probes(v, nodes, c);
    return c;
}

static json_t *pod_labels(const struct ws_view *v)
{
    static const char *const copied[] = { "inferenceset.kaito.sh/created-by", "multiroleinference.kaito.sh/created-by", "kaito.sh/inference-role" };
    json_t *l = PACK("{s:o}", WORKSPACE_LABEL, str_json(v->ws->meta.name));

    for (size_t i = 0; i < ARRAY_LEN(copied); i++) {
        struct str value = str_map_get(&v->ws->meta.labels, copied[i]);

        if (value.p)
            json_put(l, copied[i], str_json(value));
    }
    return l;
}

/* What one node has: the machine type's row, else what the first node reports. */
static struct gpu_node gpu_of_node(const struct ws_view *v)
{
    const struct sku *sku = sku_find(v->settings->cloud, ws_instance_type(v->ws));
    const json_t *node = json_array_get(v->nodes, 0);
    int64_t mib = 0;

    if (sku && !v->settings->byo)
        return (struct gpu_node){ sku->gpus, sku->gpu_mem_gib, streq(sku->gpu_model, "NVIDIA A10") };
    (void)str_to_i64(str_of(kube_label(node, "nvidia.com/gpu.memory")), &mib);
    int64_t count = node_gpus(node);

    return (struct gpu_node){ count, (int64_t)((double)mib / 1024 + 0.5) * count, false };
}

json_t *render_gpu_inference(const struct ws_view *v, int64_t nodes, const char *revision)
{
    const struct sku *sku = sku_find(v->settings->cloud, ws_instance_type(v->ws));
    bool claim_template = v->local_nvme_class && sku && sku->nvme && !v->settings->byo;
    json_t *c = server_container(v, gpu_of_node(v), nodes), *init = json_array();
    json_t *pod = PACK("{s:o, s:o, s:o, s:[]}", "volumes", add_volumes(v, claim_template, c, init), "tolerations", render_tolerations(v),
                       "containers", PACK("[o]", c), "imagePullSecrets");
    json_t *affinity = render_affinity(v, true), *labels = pod_labels(v);

    if (json_array_size(init) > 0)
        json_put(pod, "initContainers", json_incref(init));
    json_decref(init);
    if (affinity)
        json_put(pod, "affinity", affinity);
    json_t *spec = PACK("{s:I, s:s, s:o, s:{s:s, s:s}, s:{s:O}, s:{s:{s:o}, s:o}}", "replicas", (json_int_t)nodes, "podManagementPolicy", "Parallel",
                        "serviceName", json_strf("%.*s-headless", STR_ARG(v->ws->meta.name)),
                        "persistentVolumeClaimRetentionPolicy", "whenScaled", "Retain", "whenDeleted", "Delete",
                        "selector", "matchLabels", labels, "template", "metadata", "labels", labels, "spec", pod);

    if (claim_template)
        json_put(spec, "volumeClaimTemplates",
                 PACK("[{s:{s:s, s:{s:o}}, s:{s:[s], s:s, s:{s:{s:o}}}}]", "metadata", "name", "model-weights-volume", "labels",
                      WORKSPACE_LABEL, str_json(v->ws->meta.name), "spec", "accessModes", "ReadWriteOnce", "storageClassName", "kaito-local-nvme-disk",
                      "resources", "requests", "storage", json_strf("%dGi", ws_preset(v->ws)->disk_gib)));
    return PACK("{s:s, s:s, s:{s:o, s:o, s:o, s:{s:s}}, s:o}", "apiVersion", "apps/v1", "kind", "StatefulSet",
                "metadata", "name", str_json(v->ws->meta.name), "namespace", str_json(v->ws->meta.namespace), "ownerReferences", owner_references(v->ws),
                "annotations", REVISION_ANNOTATION, revision, "spec", spec);
}
