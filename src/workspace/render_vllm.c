/* The command of upstream's vLLM server (dossier 6.6). Flags come in a fixed order here, in none there. */
#include "workspace/render.h"

#include "catalog/estimate.h"

static void flags_of_model(const struct preset *p, struct buf *out)
{
    const struct preset_vllm *m = &p->vllm;

    buf_addf(out, " --config_format=%s --tokenizer_mode=%s --trust-remote-code --dtype=%s", m->format, m->tokenizer_mode,
             m->quantization ? "auto" : "bfloat16");
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

static void flags_of_parallelism(const struct preset *p, const struct gpu_share *gpu, int64_t nodes, struct buf *out)
{
    bool copies = model_is_copied(p, (struct gpu_config){ (int)gpu->count, gpu->mem_gib << 30 }, nodes);

    if (copies)
        buf_addf(out, " --data-parallel-size=%lld --tensor-parallel-size=1", (long long)gpu->count);
    else
        buf_addf(out, " --tensor-parallel-size=%lld", (long long)gpu->count);
    if (nodes > 1)
        buf_addf(out, " --pipeline-parallel-size=%lld --distributed-executor-backend=ray", (long long)nodes);
    if (copies || nodes > 1 || gpu->mig || (p->vllm.traits & PRESET_NO_KV_OFFLOAD))
        buf_adds(out, " --kaito-kv-cache-cpu-memory-utilization=0");
}

bool is_decode_pod(const struct ws_view *v)
{
    return str_is(str_map_get(&v->ws->meta.labels, ROLE_LABEL), "decode") && !ws_runs_transformers(v->settings, v->ws);
}

/* Where the weights come from: a blob container as they load, a folder of the node, or the hub at the start. */
static void flags_of_source(const struct ws_view *v, const struct gpu_share *gpu, struct buf *out)
{
    const struct preset *p = v->model;
    struct stream_source stream;
    struct err e;

    if (ws_streams_model(v->settings, v->ws) && stream_source_of(v, &stream, &e) == ERR_OK) {
        buf_addf(out, " --model=az://%.*s/", STR_ARG(stream.container));
        stream_model_id(ws_preset_name(v->ws), out);
        buf_addf(out, " --load-format=runai_streamer%s", gpu->count > 1 && !model_is_copied(p, (struct gpu_config){ (int)gpu->count, gpu->mem_gib << 30 }, 1)
                                                             ? " --model-loader-extra-config='{\"distributed\": true}'" : "");
        return;
    }
    if (ws_uses_local_weights(v->ws)) {
        buf_adds(out, " --model=");
        local_weights_path(v->ws, out);
        buf_adds(out, " --load-format=runai_streamer");
        return;
    }
    buf_adds(out, " --model=");
    lower_add(out, str_of(p->repo));
    buf_addf(out, " --download-dir=/workspace/weights --load_format=%s", p->vllm.format);
}

/* A role of a group goes by the model's name, a member of a set by the set's. */
static void flag_of_name(const struct ws_view *v, struct buf *out)
{
    struct str set = str_map_get(&v->ws->meta.labels, SET_LABEL);
    bool in_group = str_map_get(&v->ws->meta.labels, GROUP_LABEL).p != NULL;

    buf_addf(out, " --served-model-name=%.*s", STR_ARG(set.n > 0 && !in_group ? set : str_of(v->model->name)));
}

static void add_vllm(const struct ws_view *v, const struct gpu_share *gpu, int64_t nodes, struct buf *out)
{
    struct str mode = ws_annotation(v->ws, "kaito.sh/performance-mode");

    buf_adds(out, "python3 /workspace/vllm/inference_api.py");
    flags_of_source(v, gpu, out);
    flag_of_name(v, out);
    flags_of_model(v->model, out);
    buf_addf(out, " --max-model-len=auto --gpu-memory-utilization=%s", gpu->a10 ? "0.82" : "0.84");
    flags_of_parallelism(v->model, gpu, nodes, out);
    buf_adds(out, " --kv-events-config='{\"enable_kv_cache_events\":true}' --compilation-config.pass_config.fuse_allreduce_rms=False");
    if (v->ws->inference->n_adapters > 0)
        buf_adds(out, " --enable-lora");
    if (v->ws->inference->config.n > 0)
        buf_adds(out, " --kaito-config-file=/mnt/config/inference_config.yaml");
    if (mode.n > 0 && !str_is(mode, "balanced"))
        buf_addf(out, " --performance-mode=%.*s", STR_ARG(mode));
    if (is_decode_pod(v))
        buf_adds(out, " --port=5001");
}

/* One node: the server alone. Several: pod 0 leads a Ray cluster, the others join it. */
json_t *vllm_command(const struct ws_view *v, const struct gpu_share *gpu, int64_t nodes)
{
    AUTO_BUF vllm = { 0 }, text = { 0 };

    add_vllm(v, gpu, nodes, &vllm);
    if (nodes > 1)
        buf_addf(&text, "if [ \"${POD_INDEX}\" = \"0\" ]; then /workspace/vllm/multi-node-serving.sh leader --ray_cluster_size=%lld --ray_port=6379; %s; "
                        "else /workspace/vllm/multi-node-serving.sh worker --ray_address=%.*s-0.%.*s-headless.%.*s.svc.cluster.local --ray_port=6379; fi",
                 (long long)nodes, buf_cstr(&vllm), STR_ARG(v->ws->meta.name), STR_ARG(v->ws->meta.name), STR_ARG(v->ws->meta.namespace));
    else
        buf_addstr(&text, buf_str(&vllm));
    return PACK("[s, s, s]", "/bin/sh", "-c", buf_cstr(&text));
}
