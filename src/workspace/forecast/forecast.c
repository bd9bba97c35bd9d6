#include "workspace/forecast.h"

#include "catalog/describe.h"
#include "catalog/estimate.h"
#include "workspace/rehearse.h"
#include "workspace/rehearse/stage.h"
#include "workspace/render.h"

/* One question while it is answered. */
struct forecast {
    json_t *in;                         /* ours: Secrets and templates were added to its cluster */
    struct stage stage;
    struct arena *a;
    struct workspace ws;
    struct ws_view view;                /* settings, ws, model, nodes that are there */
    json_t *out;
};

/* ---- what is taken to be there ----------------------------------------------------------------------------------------- */

static void assume(struct forecast *f, json_t *object)
{
    json_t *cluster = json_object_get(f->in, "cluster"), *have;
    size_t i;

    json_array_foreach(cluster, i, have)
        if (streq(kube_kind(have), kube_kind(object)) && streq(kube_name(have), kube_name(object)) && streq(kube_namespace(have), kube_namespace(object))) {
            json_decref(object);
            return;
        }
    json_push(cluster, object);
}

/* `kaito install` or the manager brings them. */
static void assume_templates(struct forecast *f)
{
    const char *ns = f->stage.settings.release_namespace;

    assume(f, render_tuning_template(ns, "lora-params-template"));
    assume(f, render_tuning_template(ns, "qlora-params-template"));
    assume(f, render_inference_template(ns));
}

struct secret_kind { const char *key, *kubectl, *values; };
static const struct secret_kind token_secret = { "HF_TOKEN", "generic", "--from-literal=HF_TOKEN=..." };
static const struct secret_kind push_secret = { ".dockerconfigjson", "docker-registry", "--docker-server=... --docker-username=... --docker-password=..." };

/* What the user must bring. Takes object. */
static void need(struct forecast *f, json_t *object, const char *command)
{
    const char *ns = *kube_namespace(object) ? kube_namespace(object) : NULL;

    if (stage_find(&f->stage, kube_kind(object), ns, kube_name(object))) {
        json_decref(object);
        return;
    }
    json_push(json_object_get(f->out, "needs"), json_pack("{s:s, s:s, s:s}", "kind", kube_kind(object), "name", kube_name(object), "command", command));
    json_push(json_object_get(f->in, "cluster"), json_incref(object));
    json_push(f->stage.objects, object);
}

static void assume_secret(struct forecast *f, struct str name, const struct secret_kind *kind)
{
    const char *ns = kube_namespace(f->stage.ws), *text = arena_strndup(f->a, name.p ? name.p : "", name.n);

    if (name.n == 0)
        return;
    json_t *secret = kube_object("v1", "Secret", ns, text);

    json_put(secret, "data", json_pack("{s:s}", kind->key, "e30="));
    need(f, secret, arena_printf(f->a, "kubectl create secret %s %s -n %s %s", kind->kubectl, text, ns, kind->values));
}

static void assume_class(struct forecast *f, struct str name)
{
    if (name.n == 0)
        return;
    json_t *class = kube_object("storage.k8s.io/v1", "StorageClass", NULL, arena_strndup(f->a, name.p, name.n));

    json_put_str(class, "provisioner", BLOB_DRIVER);
    need(f, class, arena_printf(f->a, "kubectl get storageclass %.*s -o jsonpath={.provisioner} must say " BLOB_DRIVER, STR_ARG(name)));
}

static void assume_account(struct forecast *f, struct str name)
{
    const char *ns = kube_namespace(f->stage.ws);

    if (name.n == 0)
        return;
    json_t *account = kube_object("v1", "ServiceAccount", ns, arena_strndup(f->a, name.p, name.n));

    json_put_str(json_sub(json_object_get(account, "metadata"), "annotations"), "azure.workload.identity/client-id", "ID");
    need(f, account, arena_printf(f->a, "kubectl annotate serviceaccount -n %s %.*s azure.workload.identity/client-id=...", ns, STR_ARG(name)));
}

/* Model streaming: without a name its Workspace is held up, and told so. */
static void assume_stream(struct forecast *f)
{
    if (!ws_streams_model(f->view.settings, &f->ws))
        return;
    need(f, kube_object("storage.k8s.io/v1", "CSIDriver", NULL, BLOB_DRIVER), "az aks update -g GROUP -n CLUSTER --enable-blob-driver");
    assume_class(f, stream_class_name(&f->view));
    assume_account(f, stream_account_name(&f->view));
}

static void assume_secrets(struct forecast *f)
{
    const struct ws_inference *inf = f->ws.inference;
    const struct ws_tuning *t = f->ws.tuning;
    const struct ws_preset *p = inf ? inf->preset : t ? t->preset : NULL;

    if (p)
        assume_secret(f, p->options.model_access_secret, &token_secret);
    if (t && t->output)
        assume_secret(f, t->output->image_push_secret, &push_secret);
}

/* ---- parts of the answer ------------------------------------------------------------------------------------------------- */

static const char *runtime_of(const struct forecast *f)
{
    if (f->ws.inference && f->ws.inference->pod_template)
        return "template";
    if (ws_is_annotated_native(&f->ws))
        return "native";
    return f->ws.tuning ? "upstream" : ws_runs_transformers(f->view.settings, &f->ws) ? "transformers" : "vllm";
}

static void tell_admission(struct forecast *f)
{
    AUTO_JSON answer = NULL;
    AUTO_JSON question = json_copy(f->in);      /* shallow: only the operation is added */
    struct err e;

    json_put_str(question, "operation", "CREATE");
    if (workspace_check(question, &answer, &e)) {
        json_put(f->out, "admission", json_pack("{s:b, s:s}", "allowed", 0, "message", e.text));
        return;
    }
    json_put(f->out, "admission", json_pack("{s:b, s:s*}", "allowed", json_flag(answer, "allowed", false), "message", json_cstr(answer, "message")));
}

static void tell_model(struct forecast *f)
{
    struct model_hub hub = stage_hub(&f->stage);
    struct ws_cluster cluster = stage_cluster(&f->stage, &hub);

    ws_model_look_up(&cluster, &f->ws, f->a, &f->view.model, &f->view.model_problem);
    if (f->view.model)
        json_put(f->out, "model", model_json(f->view.model, NULL));
}

static void add_price(struct forecast *f, json_t *machines, int64_t nodes)
{
    double price = json_num(json_object_get(f->in, "prices"), json_cstr(machines, "instanceType") ? json_cstr(machines, "instanceType") : "", -1);

    if (price >= 0)
        json_put(machines, "pricePerHour", json_real(price * (double)nodes));
}

/* ERR_INVALID: nothing is known of the GPUs. */
static errc tell_machines(struct forecast *f, int64_t nodes, struct gpu_share *gpu)
{
    struct str type = ws_instance_type(&f->ws);
    AUTO_BUF name = { 0 };
    struct err e;

    buf_addstr(&name, type);
    const struct sku *sku = sku_find(f->view.settings->cloud, type);
    json_t *m = json_pack("{s:s, s:s, s:I, s:b}", "instanceType", buf_cstr(&name), "cloud", f->view.settings->cloud, "nodes", (json_int_t)nodes,
                          "own", f->view.settings->byo);

    json_put(f->out, "machines", m);
    add_price(f, m, nodes);
    if (sku)
        json_put_str(m, "gpu", sku->gpu_model);
    if (gpu_share_of(&f->view, gpu, &e) || gpu->count < 1 || gpu->mem_gib < 1)
        return ERR_INVALID;
    json_put_int(m, "gpus", gpu->count);
    json_put_int(m, "gpuMemoryGiB", gpu->mem_gib);
    return ERR_OK;
}

static void tell_memory(struct forecast *f, const struct gpu_share *gpu, int64_t nodes)
{
    const struct preset *p = f->view.model;
    struct memory_parts m;

    estimate_memory(p, (struct gpu_config){ (int)gpu->count, gpu->mem_gib << 30 }, nodes, &m);
    json_put(f->out, "memory", json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "total", m.total, "weights", m.weights, "activations", m.activations,
                                         "base", m.base, "cache", m.cache, "leftOut", m.left_out));
    json_put(f->out, "context", json_pack("{s:I, s:I, s:I}", "model", (json_int_t)p->context, "fits", (json_int_t)m.cache_tokens,
                                          "asked", (json_int_t)context_asked(f->view.inference_config)));
}

/* ---- objects --------------------------------------------------------------------------------------------------------------- */

static void summary_of_pods(const json_t *o, struct buf *out)
{
    const json_t *spec = json_at(o, "spec", "template", "spec", NULL), *c;
    size_t i;

    if (streq(kube_kind(o), "StatefulSet"))
        buf_addf(out, "%lld replica(s)", (long long)json_int(json_object_get(o, "spec"), "replicas", 1));
    json_array_foreach(json_object_get(spec, "containers"), i, c) {
        json_t *limit;
        const char *key;

        buf_addf(out, "%s%s", out->n ? ", " : "", json_cstr(c, "image") ? json_cstr(c, "image") : "no image");
        json_object_foreach(json_at(c, "resources", "limits", NULL), key, limit)
            if (json_is_string(limit))
                buf_addf(out, ", %s %s", json_string_value(limit), key);
            else
                buf_addf(out, ", %lld %s", (long long)json_integer_value(limit), key);
    }
}

static void summary_of_service(const json_t *o, struct buf *out)
{
    const json_t *spec = json_object_get(o, "spec"), *port;
    size_t i;

    buf_adds(out, streq(json_cstr(spec, "clusterIP"), "None") ? "headless" : json_cstr(spec, "type") ? json_cstr(spec, "type") : "ClusterIP");
    json_array_foreach(json_object_get(spec, "ports"), i, port)
        buf_addf(out, "%s%lld", i ? ", " : ", ports ", (long long)json_int(port, "port", 0));
}

static void summary_of_claim(const json_t *o, struct buf *out)
{
    const json_t *r;
    size_t i;

    json_array_foreach(json_at(o, "spec", "requirements", NULL), i, r)
        if (streq(json_cstr(r, "key"), "node.kubernetes.io/instance-type"))
            buf_adds(out, json_string_value(json_array_get(json_object_get(r, "values"), 0)));
}

static void summary_of_pool(const json_t *o, struct buf *out)
{
    buf_addf(out, "%lld node(s), class %s", (long long)json_int(json_object_get(o, "spec"), "replicas", 0),
             json_str_at(o, "spec", "template", "spec", "nodeClassRef", "name", NULL));
}

static const struct { const char *kind; void (*add)(const json_t *o, struct buf *out); } summaries[] = {
    { "StatefulSet", summary_of_pods }, { "Job", summary_of_pods }, { "Service", summary_of_service }, { "NodeClaim", summary_of_claim },
    { "NodePool", summary_of_pool },
};

static json_t *summary(const json_t *o)
{
    AUTO_BUF text = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(summaries); i++)
        if (streq(kube_kind(o), summaries[i].kind))
            summaries[i].add(o, &text);
    return json_pack("{s:s, s:s*, s:s, s:o}", "kind", kube_kind(o), "namespace", str_set(kube_namespace(o)) ? kube_namespace(o) : NULL, "name", kube_name(o),
                     "summary", json_strn(buf_str(&text)));
}

/* Of all conditions only one that says False with a reason of its own: what would hold the Workspace up at once. */
static const char *held_up_by(const json_t *rendered)
{
    const json_t *c;
    size_t i;

    json_array_foreach(json_at(rendered, "workspace", "status", "conditions", NULL), i, c) {
        static const char *const usual[] = { "workspacePending", "WorkspaceInferenceStatusPending", "WorkspaceTuningJobStatusPending" };
        bool waits = false;

        for (size_t k = 0; k < ARRAY_LEN(usual); k++)
            waits = waits || streq(json_cstr(c, "reason"), usual[k]);
        if (streq(json_cstr(c, "status"), "False") && !waits)
            return json_cstr(c, "message");
    }
    return NULL;
}

/* Plays the reconciles; *nodes is how many machines came of it. */
static errc tell_objects(struct forecast *f, int64_t *nodes, struct err *e)
{
    AUTO_JSON rendered = NULL;
    json_t *objects = json_array(), *write;
    size_t i;

    json_put(f->out, "objects", objects);
    TRY(workspace_render(f->in, &rendered, e));
    json_array_foreach(json_object_get(rendered, "writes"), i, write)
        if (streq(json_cstr(write, "verb"), "create"))
            json_push(objects, summary(json_object_get(write, "object")));
    *nodes = json_int(json_at(rendered, "workspace", "status", NULL), "targetNodeCount", 1);
    json_put_str(f->out, "problem", json_cstr(rendered, "error") ? json_cstr(rendered, "error") : held_up_by(rendered));
    return ERR_OK;
}

/* ---- together --------------------------------------------------------------------------------------------------------------- */

static void see(struct forecast *f)
{
    json_t *nodes = json_array(), *node;
    AUTO_JSON all = stage_select(&f->stage, "Node", NULL, NULL);
    size_t i;

    f->view = (struct ws_view){ .settings = &f->stage.settings, .ws = &f->ws, .nodes = nodes };
    json_arena_own(f->a, nodes);
    json_array_foreach(all, i, node)
        if (ws_node_matches(&f->stage.settings, &f->ws, node))
            json_array_append(nodes, node);
    if (f->ws.inference && f->ws.inference->config.n > 0)
        f->view.inference_config = stage_find(&f->stage, "ConfigMap", kube_namespace(f->stage.ws), arena_strndup(f->a, f->ws.inference->config.p, f->ws.inference->config.n));
}

static errc answer(struct forecast *f, struct err *e)
{
    struct gpu_share gpu = { 0 };
    int64_t nodes = 1;

    TRY(schema_decode(&workspace_v1beta1, f->stage.ws, f->a, &f->ws, e));
    see(f);
    json_put(f->out, "workspace", json_pack("{s:s, s:s}", "namespace", kube_namespace(f->stage.ws), "name", kube_name(f->stage.ws)));
    json_put_str(f->out, "purpose", f->ws.tuning ? "tuning" : "inference");
    json_put_str(f->out, "runtime", runtime_of(f));
    json_put(f->out, "needs", json_array());
    assume_templates(f);
    assume_secrets(f);
    assume_stream(f);
    tell_admission(f);
    tell_model(f);
    if (!json_flag(json_object_get(f->out, "admission"), "allowed", false))
        return ERR_OK;                  /* how many machines is nobody's guess then */
    TRY(tell_objects(f, &nodes, e));
    if (tell_machines(f, nodes, &gpu) == ERR_OK && f->view.model && !f->ws.tuning && !streq(runtime_of(f), "native"))
        tell_memory(f, &gpu, nodes);
    return ERR_OK;
}

errc workspace_forecast(const json_t *in, json_t **out, struct err *e)
{
    struct forecast f = { .in = json_clone(in), .out = json_object(), .a = arena_new() };

    if (!json_is_array(json_object_get(f.in, "cluster")))
        json_put(f.in, "cluster", json_array());
    errc rc = stage_init(&f.stage, f.in, e);

    if (!rc) {
        rc = answer(&f, e);
        stage_done(&f.stage);
    }
    arena_free(f.a);
    json_decref(f.in);
    if (rc)
        json_decref(f.out);
    else
        *out = f.out;
    return rc;
}
