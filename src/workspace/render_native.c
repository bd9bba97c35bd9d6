/*
 * Workloads of the native runtime: every container is `kaito-runtime` of the one runtime image.
 *
 * Folders of the node are mounted at their own path, and every other path that a container is given begins with one of its mountPaths:
 * a node agent without mount namespaces replaces those in command, args and env.
 *   models    hostPath   shared by all pods of the node, so a second Workspace does not download again
 *   data      emptyDir   the data set of a tuning Job
 *   results   hostPath   checkpoints and the adapter; a new pod of the same Workspace goes on from there
 *   ca        hostPath   the operator's CA bundle
 */
#include "workspace/render.h"

#include <ctype.h>

#include "base/mem.h"

static const char *native_model_path(const struct ws_view *v, struct buf *out)
{
    const struct preset *p = ws_preset(v->ws);
    struct str name = ws_preset_name(v->ws);

    buf_addf(out, "%s/", v->settings->model_cache_dir);
    if (p)
        buf_addf(out, "%s/%.12s", p->repo, p->revision);
    else
        buf_addf(out, "%.*s/main", STR_ARG(name));
    return buf_cstr(out);
}

static void arg(json_t *list, const char *text)
{
    json_push(list, json_string(text));
}

static void arg2(json_t *list, const char *option, const char *value)
{
    arg(list, option);
    arg(list, value);
}

/* {name, image, command: [kaito-runtime, verb, ...]}; *args is the borrowed command. */
static json_t *container(const struct ws_view *v, const char *name, const char *verb, json_t **args)
{
    json_t *c = PACK("{s:s, s:s, s:s, s:[s,s], s:[], s:[]}", "name", name, "image", v->settings->runtime_image, "imagePullPolicy", "IfNotPresent",
                     "command", "kaito-runtime", verb, "env", "volumeMounts");

    json_put_str(c, "terminationMessagePolicy", "FallbackToLogsOnError");
    *args = json_object_get(c, "command");
    return c;
}

static void mount(json_t *c, const char *volume, const char *path, bool read_only)
{
    json_t *m = PACK("{s:s, s:s}", "name", volume, "mountPath", path);

    if (read_only)
        json_put_bool(m, "readOnly", true);
    json_push(json_object_get(c, "volumeMounts"), m);
}

static void env(json_t *c, const char *name, const char *value)
{
    if (str_set(value))
        json_push(json_object_get(c, "env"), PACK("{s:s, s:s}", "name", name, "value", value));
}

static void env_pod_ip(json_t *c)
{
    json_push(json_object_get(c, "env"), PACK("{s:s, s:{s:{s:s}}}", "name", "POD_IP", "valueFrom", "fieldRef", "fieldPath", "status.podIP"));
}

static void with_ca(const struct ws_view *v, json_t *c)
{
    if (!str_set(v->settings->ca_bundle))
        return;
    env(c, "SSL_CERT_FILE", v->settings->ca_bundle);
    mount(c, "ca-bundle", v->settings->ca_bundle, true);
}

/* Where the hub is and who we are there. */
static void with_hub(const struct ws_view *v, json_t *c)
{
    const struct ws_preset *p = v->ws->inference ? v->ws->inference->preset : v->ws->tuning ? v->ws->tuning->preset : NULL;
    struct str secret = p ? p->options.model_access_secret : (struct str){ 0 };

    if (secret.n == 0 && str_set(v->settings->hf_token_secret))
        secret = str_of(v->settings->hf_token_secret);
    env(c, "HF_ENDPOINT", v->settings->hf_endpoint);
    if (secret.n > 0)
        json_push(json_object_get(c, "env"), PACK("{s:s, s:{s:{s:o, s:s, s:b}}}", "name", "HF_TOKEN", "valueFrom", "secretKeyRef",
                                                  "name", str_json(secret), "key", "HF_TOKEN", "optional", 1));
    with_ca(v, c);
}

static json_t *fetch_model(const struct ws_view *v, const char *model_path)
{
    const struct preset *p = ws_preset(v->ws);
    AUTO_JSON name = str_json(ws_preset_name(v->ws));
    json_t *args, *c = container(v, "fetch", "fetch", &args);

    arg2(args, "--model-repo", p ? p->repo : json_string_value(name));
    arg2(args, "--revision", p ? p->revision : "main");
    arg2(args, "--output", model_path);
    /* pods that want the same model wait for each other in the hub's cache, which lies beside the folders they load */
    env(c, "HF_HOME", v->settings->model_cache_dir);
    mount(c, "models", v->settings->model_cache_dir, false);
    with_hub(v, c);
    return c;
}

static void host_volume(json_t *volumes, const char *name, const char *path, const char *type)
{
    json_push(volumes, PACK("{s:s, s:{s:s, s:s}}", "name", name, "hostPath", "path", path, "type", type));
}

static json_t *base_volumes(const struct ws_view *v)
{
    json_t *volumes = json_array();

    host_volume(volumes, "models", v->settings->model_cache_dir, "DirectoryOrCreate");
    if (str_set(v->settings->ca_bundle))
        host_volume(volumes, "ca-bundle", v->settings->ca_bundle, "File");
    return volumes;
}

static void results_volume(const struct ws_view *v, json_t *volumes)
{
    const struct ws_destination *out = v->ws->tuning->output;
    AUTO_BUF path = { 0 };

    if (out && out->volume) {
        json_t *vol = clone_object(out->volume);

        json_put_str(vol, "name", "results");
        json_push(volumes, vol);
        return;
    }
    if (!str_set(v->settings->work_dir)) {
        json_push(volumes, PACK("{s:s, s:{}}", "name", "results", "emptyDir"));
        return;
    }
    buf_addf(&path, "%s/%.*s/%.*s", v->settings->work_dir, STR_ARG(v->ws->meta.namespace), STR_ARG(v->ws->meta.uid));
    host_volume(volumes, "results", buf_cstr(&path), "DirectoryOrCreate");
}

static void push_secret_volume(const struct ws_view *v, json_t *volumes)
{
    json_push(volumes, PACK("{s:s, s:{s:o, s:[{s:s, s:s}]}}", "name", "docker-config", "secret",
                            "secretName", str_json(v->ws->tuning->output->image_push_secret),
                            "items", "key", ".dockerconfigjson", "path", "config.json"));
}

static bool pushes_image(const struct workspace *ws)
{
    return ws->tuning && ws->tuning->output && ws->tuning->output->image.n > 0;
}

/* ---- serving -------------------------------------------------------------------------------------------------- */

static json_t *probe(const char *path, int period, int failures)
{
    return PACK("{s:{s:s, s:i}, s:i, s:i, s:i}", "httpGet", "path", path, "port", 5000,
                "periodSeconds", period, "failureThreshold", failures, "timeoutSeconds", 5);
}

static json_t *serve_container(const struct ws_view *v, const char *model_path)
{
    const struct preset *p = ws_preset(v->ws);
    AUTO_JSON name = str_json(v->ws->meta.name);
    AUTO_JSON preset = str_json(ws_preset_name(v->ws));
    json_t *args, *c = container(v, json_string_value(name), "serve", &args);

    arg2(args, "--model", model_path);
    arg2(args, "--served-model-name", p ? p->name : json_string_value(preset));
    arg2(args, "--host", "$(POD_IP)");
    arg2(args, "--port", "5000");
    env_pod_ip(c);
    mount(c, "models", v->settings->model_cache_dir, true);
    json_put(c, "ports", PACK("[{s:s, s:i}]", "name", "http", "containerPort", 5000));
    json_put(c, "startupProbe", probe("/healthz", 1, 1800));
    json_put(c, "readinessProbe", probe("/health", 2, 3));
    json_put(c, "livenessProbe", probe("/healthz", 10, 6));
    return c;
}

/* After tuning: the adapter comes from the pushed image, or from the results volume when nothing was pushed. */
static void add_tuned_adapter(const struct ws_view *v, json_t *init, json_t *serve, json_t *volumes)
{
    json_t *args = json_object_get(serve, "command");
    AUTO_BUF adapter = { 0 };

    if (pushes_image(v->ws)) {
        AUTO_JSON ref = str_json(v->ws->tuning->output->image);
        json_t *pull_args, *pull = container(v, "fetch-adapter", "fetch", &pull_args);

        arg2(pull_args, "--image", json_string_value(ref));
        arg2(pull_args, "--docker-config", "/root/.docker/config.json");
        arg2(pull_args, "--output", "/mnt/adapter");
        mount(pull, "adapter", "/mnt/adapter", false);
        mount(pull, "docker-config", "/root/.docker", true);
        with_ca(v, pull);
        json_push(init, pull);
        json_push(volumes, PACK("{s:s, s:{}}", "name", "adapter", "emptyDir"));
        push_secret_volume(v, volumes);
        json_push(args, json_string("--adapter"));
        json_push(args, json_strf("%.*s=/mnt/adapter/data", STR_ARG(v->ws->meta.name)));     /* the image's /data */
        mount(serve, "adapter", "/mnt/adapter", true);
        return;
    }
    results_volume(v, volumes);
    json_push(args, json_string("--adapter"));
    json_push(args, json_strf("%.*s=/mnt/results", STR_ARG(v->ws->meta.name)));
    mount(serve, "results", "/mnt/results", true);
}

/* An init container that pulls an adapter's image into path, and the secret that it may need. */
static void add_puller(const struct ws_view *v, const struct ws_source *s, const char *path, json_t *init, json_t *volumes)
{
    AUTO_MEM char *name = xasprintf("puller-%.*s", STR_ARG(s->name));
    AUTO_JSON ref = str_json(s->image);
    json_t *args, *pull = container(v, name, "fetch", &args);

    arg2(args, "--image", json_string_value(ref));
    arg2(args, "--output", path);
    mount(pull, "adapter", "/mnt/adapter", false);
    if (s->n_image_pull_secrets > 0) {
        AUTO_MEM char *volume = xasprintf("docker-config-%.*s", STR_ARG(s->name));
        arg2(args, "--docker-config", "/root/.docker/config.json");
        mount(pull, volume, "/root/.docker", true);
        json_push(volumes, PACK("{s:s, s:{s:o, s:[{s:s, s:s}]}}", "name", volume, "secret",
                                "secretName", str_json(s->image_pull_secrets[0]), "items", "key", ".dockerconfigjson", "path", "config.json"));
    }
    with_ca(v, pull);
    json_push(init, pull);
}

static void add_adapter_volume(const struct ws_source *s, const char *path, json_t *serve, json_t *volumes)
{
    AUTO_MEM char *name = xasprintf("adapter-volume-%.*s", STR_ARG(s->name));
    json_t *volume = clone_object(s->volume);

    json_put_str(volume, "name", name);
    json_push(volumes, volume);
    mount(serve, name, path, true);
}

static void add_adapter(const struct ws_view *v, const struct ws_adapter *a, json_t *init, json_t *serve, json_t *volumes)
{
    const struct ws_source *s = a->source;
    AUTO_MEM char *path = xasprintf("/mnt/adapter/%.*s", STR_ARG(s->name));
    json_t *args = json_object_get(serve, "command");

    if (s->image.n > 0)
        add_puller(v, s, path, init, volumes);
    else if (s->volume)
        add_adapter_volume(s, path, serve, volumes);
    json_push(args, json_string("--adapter"));
    json_push(args, json_strf("%.*s=%s%s", STR_ARG(s->name), path, s->image.n > 0 ? "/data" : ""));
    if (a->strength.n > 0) {            /* serve reads it from the variable named like the adapter */
        AUTO_JSON name = str_json(s->name);
        AUTO_JSON strength = str_json(a->strength);
        env(serve, json_string_value(name), json_string_value(strength));
    }
}

/* Adapters of an inference Workspace: images are pulled into /mnt/adapter/NAME, volumes are mounted there. */
static void add_adapters(const struct ws_view *v, json_t *init, json_t *serve, json_t *volumes)
{
    bool images = false;

    for (size_t i = 0; v->ws->inference && i < v->ws->inference->n_adapters; i++) {
        const struct ws_adapter *a = &v->ws->inference->adapters[i];
        if (!a->source || a->source->name.n == 0)
            continue;
        add_adapter(v, a, init, serve, volumes);
        images |= a->source->image.n > 0;
    }
    if (images) {
        mount(serve, "adapter", "/mnt/adapter", true);
        json_push(volumes, PACK("{s:s, s:{}}", "name", "adapter", "emptyDir"));
    }
}

static json_t *workload(const struct ws_view *v, const char *api, const char *kind, const char *revision)
{
    return PACK("{s:s, s:s, s:{s:o, s:o, s:o, s:{s:s, s:s}}}", "apiVersion", api, "kind", kind,
                "metadata", "name", str_json(v->ws->meta.name), "namespace", str_json(v->ws->meta.namespace),
                "ownerReferences", owner_references(v->ws),
                "annotations", REVISION_ANNOTATION, revision, RUNTIME_ANNOTATION, "native");
}

static json_t *pod_template(const struct ws_view *v, json_t *init, json_t *containers, json_t *volumes)
{
    json_t *t = PACK("{s:{s:{s:o}}, s:{s:o, s:o, s:o, s:o}}", "metadata", "labels", WORKSPACE_LABEL, str_json(v->ws->meta.name),
                     "spec", "initContainers", init, "containers", containers, "volumes", volumes, "tolerations", render_tolerations(v));
    json_t *affinity = render_affinity(v, true), *pod = json_object_get(t, "spec");

    if (affinity)
        json_put(pod, "affinity", affinity);
    json_put_bool(pod, "automountServiceAccountToken", false);
    json_put_bool(pod, "enableServiceLinks", false);
    return t;
}

json_t *render_native_inference(const struct ws_view *v, int64_t replicas, const char *revision)
{
    AUTO_BUF model = { 0 };
    json_t *init = json_array(), *volumes = base_volumes(v);

    native_model_path(v, &model);
    json_push(init, fetch_model(v, buf_cstr(&model)));
    json_t *serve = serve_container(v, buf_cstr(&model));

    if (v->ws->tuning)
        add_tuned_adapter(v, init, serve, volumes);
    else
        add_adapters(v, init, serve, volumes);
    json_t *s = workload(v, "apps/v1", "StatefulSet", revision);

    json_put(s, "spec", PACK("{s:I, s:s, s:o, s:{s:{s:o}}, s:o}", "replicas", (json_int_t)replicas, "podManagementPolicy", "Parallel",
                             "serviceName", json_strf("%.*s-headless", STR_ARG(v->ws->meta.name)),
                             "selector", "matchLabels", WORKSPACE_LABEL, str_json(v->ws->meta.name),
                             "template", pod_template(v, init, PACK("[o]", serve), volumes)));
    return s;
}

/* ---- tuning ---------------------------------------------------------------------------------------------------- */

/* The data set: URLs or an image are fetched into /mnt/data, a volume of the user's is mounted there. */
static void add_data(const struct ws_view *v, json_t *init, json_t *volumes)
{
    const struct ws_source *in = v->ws->tuning->input;

    if (in && in->volume) {
        json_t *vol = clone_object(in->volume);

        json_put_str(vol, "name", "data");
        json_push(volumes, vol);
        return;
    }
    json_push(volumes, PACK("{s:s, s:{}}", "name", "data", "emptyDir"));
    json_t *args, *c = container(v, "fetch-data", "fetch", &args);

    for (size_t i = 0; in && i < in->n_urls; i++) {
        AUTO_JSON url = str_json(in->urls[i]);

        arg2(args, "--url", json_string_value(url));
    }
    if (in && in->image.n > 0) {
        AUTO_JSON ref = str_json(in->image);

        arg2(args, "--image", json_string_value(ref));
    }
    arg2(args, "--output", "/mnt/data");
    if (v->settings->allow_private_urls)
        arg(args, "--allow-private-data-urls");
    mount(c, "data", "/mnt/data", false);
    with_hub(v, c);
    json_push(init, c);
}

static json_t *tune_container(const struct ws_view *v, const char *model_path)
{
    AUTO_BUF method = { 0 };
    json_t *args, *c = container(v, "tune", "tune", &args);

    for (size_t i = 0; i < v->ws->tuning->method.n; i++)
        buf_addc(&method, (char)tolower((unsigned char)v->ws->tuning->method.p[i]));
    arg2(args, "--model", model_path);
    arg2(args, "--config", "/mnt/config/training_config.yaml");
    arg2(args, "--data", "/mnt/data");
    arg2(args, "--output", "/mnt/results");
    arg2(args, "--method", buf_cstr(&method));
    arg2(args, "--metrics-port", "5000");
    arg2(args, "--bind", "$(POD_IP)");
    env_pod_ip(c);
    mount(c, "models", v->settings->model_cache_dir, true);
    mount(c, "data", "/mnt/data", true);
    mount(c, "config", "/mnt/config", true);
    mount(c, "results", "/mnt/results", false);
    json_put(c, "ports", PACK("[{s:s, s:i}]", "name", "metrics", "containerPort", 5000));
    return c;
}

static json_t *push_container(const struct ws_view *v)
{
    const struct preset *p = ws_preset(v->ws);
    AUTO_JSON ref = str_json(v->ws->tuning->output->image);
    AUTO_JSON name = str_json(ws_preset_name(v->ws));
    json_t *args, *c = container(v, "push", "push", &args);

    arg2(args, "--from", "/mnt/results");
    arg2(args, "--image", json_string_value(ref));
    arg2(args, "--preset", p ? p->name : json_string_value(name));
    arg2(args, "--docker-config", "/root/.docker/config.json");
    mount(c, "results", "/mnt/results", true);
    mount(c, "docker-config", "/root/.docker", true);
    with_ca(v, c);
    return c;
}

json_t *render_native_tuning(const struct ws_view *v, const char *revision, int64_t attempt, const char *inputs)
{
    const struct ws_tuning *t = v->ws->tuning;
    AUTO_BUF model = { 0 };
    json_t *init = json_array(), *containers = json_array(), *volumes = base_volumes(v);
    json_t *config = t->config.n > 0 ? str_json(t->config) : json_string(ws_template_name(v->ws));

    native_model_path(v, &model);
    json_push(init, fetch_model(v, buf_cstr(&model)));
    add_data(v, init, volumes);
    json_push(volumes, PACK("{s:s, s:{s:o}}", "name", "config", "configMap", "name", config));
    results_volume(v, volumes);
    if (pushes_image(v->ws)) {
        json_push(init, tune_container(v, buf_cstr(&model)));
        json_push(containers, push_container(v));
        push_secret_volume(v, volumes);
    } else {
        json_push(containers, tune_container(v, buf_cstr(&model)));
    }
    json_t *job = workload(v, "batch/v1", "Job", revision), *template = pod_template(v, init, containers, volumes);

    json_put_str(json_object_get(template, "spec"), "restartPolicy", "Never");
    json_put(json_sub(json_object_get(job, "metadata"), "labels"), WORKSPACE_LABEL, str_json(v->ws->meta.name));
    json_t *notes = json_sub(json_object_get(job, "metadata"), "annotations");

    json_put(notes, ATTEMPT_ANNOTATION, json_strf("%lld", (long long)attempt));
    json_put_str(notes, INPUTS_ANNOTATION, inputs);
    /* one pod per Job: the controller makes a new Job, with back-off, so the cause of a failure stays readable until then */
    json_put(job, "spec", PACK("{s:i, s:o}", "backoffLimit", 0, "template", template));
    return job;
}
