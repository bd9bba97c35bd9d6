/* The tuning Job of upstream's images (dossier 6.10). */
#include "workspace/render.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/yaml.h"

#define DATA_FOLDER "/mnt/data"

#define FROM_CONFIG "failed to generate pod spec: failed to apply modifier: failed to get training output directory from config"

/* Where upstream's trainer writes: output_dir below /mnt, /mnt/output when there is none. */
static errc output_dir(const json_t *config_map, struct buf *out, struct err *e)
{
    const char *text = json_str_at(config_map, "data", "training_config.yaml", NULL);
    AUTO_JSON doc = NULL;

    if (text && yaml_parse(str_of(text), &doc, e))
        return err_wrap(e, FROM_CONFIG);
    const json_t *given = json_at(doc, "training_config", "TrainingArguments", "output_dir", NULL);
    struct str value = given ? json_to_str(given) : STR("");

    if (given && !json_is_string(given))
        return err_set(e, ERR_INVALID, FROM_CONFIG ": invalid value: output_dir is not a string: output_dir");
    go_path_join(str_has_prefix(value, STR("/mnt")) ? "" : "/mnt", value.n > 0 ? value : STR("output"), out);
    if (!streq(buf_cstr(out), "/mnt") && str_has_prefix(buf_str(out), STR("/mnt")))
        return ERR_OK;
    return err_set(e, ERR_INVALID, FROM_CONFIG ": invalid output_dir specified: '%.*s', must be a directory", STR_ARG(value));
}

static json_t *tolerations(const struct ws_view *v)
{
    json_t *t = PACK("[{s:s,s:s,s:s}, {s:s,s:s,s:s}]", "key", "gpu", "operator", "Equal", "effect", "NoSchedule", "key", "sku", "value", "gpu", "effect", "NoSchedule");

    if (streq(v->settings->cloud, "azure"))
        json_push(t, PACK("{s:s,s:s,s:s,s:s}", "key", "kubernetes.azure.com/scalesetpriority", "operator", "Equal", "value", "spot", "effect", "NoSchedule"));
    return t;
}

static void add_weights(const struct ws_view *v, struct pod_parts *p)
{
    volume_add(p, "model-weights-volume", PACK("{s:{}}", "emptyDir"), "/workspace/weights", false);
    json_push(p->init, PACK("{s:s, s:s, s:[s,s,o,s,s], s:[{s:s,s:s}]}", "name", "model-weights-downloader", "image", "mcr.microsoft.com/oss/v2/oras-project/oras:v1.2.3",
                            "command", "oras", "pull", json_strf("%s/kaito-%s:%s", v->settings->preset_registry, v->model->name, v->model->weights_tag), "-o", "/workspace/weights",
                            "volumeMounts", "name", "model-weights-volume", "mountPath", "/workspace/weights"));
}

static void add_urls(const struct ws_source *in, struct pod_parts *p)
{
    AUTO_MEM char *script = script_download_urls();
    AUTO_BUF urls = { 0 };

    for (size_t i = 0; i < in->n_urls; i++)
        buf_addf(&urls, "%s%.*s", i ? " " : "", STR_ARG(in->urls[i]));
    json_push(p->init, PACK("{s:s, s:s, s:[s,s,s], s:[{s:s,s:s},{s:s,s:s}], s:[{s:s,s:s}]}", "name", "data-downloader", "image", "curlimages/curl",
                            "command", "sh", "-c", script, "env", "name", "DATA_URLS", "value", buf_cstr(&urls), "name", "DATA_VOLUME_PATH", "value", DATA_FOLDER,
                            "volumeMounts", "name", "data-volume", "mountPath", DATA_FOLDER));
}

static void add_image(const struct ws_source *in, struct pod_parts *p)
{
    AUTO_MEM char *script = script_pull_image(in->image, DATA_FOLDER);
    AUTO_MEM char *volume = xasprintf("docker-config-%.*s-tuning-input", STR_ARG(in->name.p ? in->name : STR("")));
    AUTO_MEM char *path = xasprintf("/root/.docker/config.d/%.*s-tuning-input", STR_ARG(in->name.p ? in->name : STR("")));

    volume_add(p, volume, docker_configs(in->image_pull_secrets, in->n_image_pull_secrets, NULL), path, false);
    json_push(p->init, PACK("{s:s, s:s, s:[s,s], s:[s], s:[{s:s,s:s},{s:s,s:s}]}", "name", "puller", "image", "mcr.microsoft.com/aks/skopeo:1.14.4-6",
                            "command", "/bin/sh", "-c", "args", script, "volumeMounts", "name", volume, "mountPath", path, "name", "data-volume", "mountPath", DATA_FOLDER));
}

/* Of several, the image counts before the URLs, and these before the volume. */
static void add_input(const struct ws_view *v, struct pod_parts *p)
{
    const struct ws_source *in = v->ws->tuning->input;
    bool fetched = in->image.n > 0 || in->n_urls > 0;

    if (in->image.n > 0)
        add_image(in, p);
    else if (in->n_urls > 0)
        add_urls(in, p);
    if (fetched || in->volume)
        volume_add(p, "data-volume", fetched ? PACK("{s:{}}", "emptyDir") : clone_object(in->volume), DATA_FOLDER, false);
}

/* The default modules of Phi-3 are named, when the user names it as the first releases did. */
static bool is_named_phi3(const struct workspace *ws)
{
    struct str name = ws_preset_name(ws);

    return name.n >= 5 && str_ieq(str_n(name.p, 5), STR("phi-3"));
}

static json_t *trainer(const struct ws_view *v, const struct gpu_share *gpu, const struct pod_parts *p)
{
    if (is_named_phi3(v->ws))
        env_add(p->env, "DEFAULT_TARGET_MODULES", "k_proj,q_proj,v_proj,o_proj,gate_proj,down_proj,up_proj");
    env_add(p->env, "PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True");
    return PACK("{s:o, s:o, s:[s,s,o], s:O, s:[{s:i}], s:o, s:O}", "name", str_json(v->ws->meta.name), "image", base_image(v), "command", "/bin/sh", "-c",
                json_strf("cd /workspace/tfs/ && python3 metrics_server.py & accelerate launch --num_processes=%lld /workspace/tfs/fine_tuning.py", (long long)gpu->count),
                "env", p->env, "ports", "containerPort", 5000, "resources", resources_of(gpu), "volumeMounts", p->mounts);
}

/* The adapter goes to a registry: pushed by one container, while another keeps the pod's processes together. */
static void add_pusher(const struct ws_view *v, const char *results, struct pod_parts *p, json_t *containers)
{
    const struct ws_destination *out = v->ws->tuning->output;
    AUTO_MEM char *script = script_push_adapter(results, out->image, ws_preset_name(v->ws));
    json_t *secret = docker_configs(&out->image_push_secret, 1, "config.json");

    json_put_str(secret, "name", "docker-config");
    json_push(p->volumes, secret);
    json_push(p->secrets, PACK("{s:o}", "name", str_json(out->image_push_secret)));
    json_push(containers, PACK("{s:s, s:s, s:[s,s], s:[s], s:[{s:s,s:s},{s:s,s:s}]}", "name", "pusher", "image", "ghcr.io/oras-project/oras:v1.2.2", "command", "/bin/sh", "-c",
                               "args", script, "volumeMounts", "name", "docker-config", "mountPath", "/root/.docker", "name", "results-volume", "mountPath", results));
    json_push(containers, PACK("{s:s, s:s, s:s}", "name", "pause", "image", "registry.k8s.io/pause:latest", "imagePullPolicy", "Always"));
}

static errc check_model(const struct ws_view *v, struct err *e)
{
    struct str name = ws_preset_name(v->ws);

    if (!v->model)
        return err_set(e, ERR_INVALID, "%s%.*s", v->model_problem ? v->model_problem : "model is not registered: ", v->model_problem ? 0 : (int)name.n, name.p);
    if (!v->model->tuning || !v->model->weights_tag)
        return err_set(e, ERR_INVALID, "model %s cannot be tuned with upstream's GPU images; annotate the Workspace with kaito.sh/runtime: native", v->model->name);
    return ERR_OK;
}

static json_t *job_of(const struct ws_view *v, json_t *pod, const char *revision)
{
    json_t *name = str_json(v->ws->meta.name);

    return PACK("{s:s, s:s, s:{s:O, s:o, s:o, s:{s:O}, s:{s:s}}, s:{s:{s:{s:{s:o}}, s:o}}}", "apiVersion", "batch/v1", "kind", "Job",
                "metadata", "name", name, "namespace", str_json(v->ws->meta.namespace), "ownerReferences", owner_references(v->ws), "labels", WORKSPACE_LABEL, name,
                "annotations", REVISION_ANNOTATION, revision, "spec", "template", "metadata", "labels", WORKSPACE_LABEL, name, "spec", pod);
}

errc render_gpu_tuning(const struct ws_view *v, const char *revision, json_t **out, struct err *e)
{
    const json_t *config = v->tuning_config ? v->tuning_config : v->tuning_template;
    const struct ws_destination *output = v->ws->tuning->output;
    struct pod_parts p;
    struct gpu_share gpu;
    AUTO_BUF results = { 0 };

    TRY(check_model(v, e));
    TRY(gpu_share_of(v, &gpu, e));
    TRY(output_dir(config, &results, e));
    pod_parts_init(&p);
    volume_add(&p, "dshm", PACK("{s:{s:s}}", "emptyDir", "medium", "Memory"), "/dev/shm", false);
    add_weights(v, &p);
    volume_add(&p, "config-volume", PACK("{s:{s:s}}", "configMap", "name", kube_name(config)), "/mnt/config", false);
    volume_add(&p, "results-volume", output->volume ? clone_object(output->volume) : PACK("{s:{}}", "emptyDir"), buf_cstr(&results), false);
    add_input(v, &p);
    json_t *containers = PACK("[o]", trainer(v, &gpu, &p)), *affinity = render_affinity(v, false);

    if (output->image.n > 0 && !output->volume)
        add_pusher(v, buf_cstr(&results), &p, containers);
    json_t *pod = PACK("{s:s, s:o, s:o, s:o, s:o, s:o}", "restartPolicy", "Never", "initContainers", p.init, "containers", containers, "volumes", p.volumes,
                       "tolerations", tolerations(v), "imagePullSecrets", p.secrets);

    if (json_array_size(containers) > 1)
        json_put_bool(pod, "shareProcessNamespace", true);
    if (affinity)
        json_put(pod, "affinity", affinity);
    json_decref(p.mounts);
    json_decref(p.env);
    *out = job_of(v, pod, revision);
    return ERR_OK;
}
