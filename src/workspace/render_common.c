/* Objects that do not depend on the runtime: NodeClaims, Services, affinity, tolerations, ConfigMaps. Dossier 5.2, 6.1, 6.2. */
#include "workspace/render.h"

#include <ctype.h>

#include "base/hash.h"

json_t *owner_references(const struct workspace *ws)
{
    json_t *o = json_object(), *list = json_array();

    json_put_str(o, "apiVersion", WORKSPACE_API);
    json_put_str(o, "kind", "Workspace");
    json_put(o, "name", str_json(ws->meta.name));
    json_put(o, "uid", str_json(ws->meta.uid));
    json_put_bool(o, "controller", true);
    json_put_bool(o, "blockOwnerDeletion", true);
    json_push(list, o);
    return list;
}

/*
 * Eleven characters (an AKS pool name allows twelve), derived from the Workspace's uid and the claim's number: two runs of the same
 * decision ask for the same claim, so a stale cache or a crash cannot make a second machine. Upstream hashes the time instead.
 */
char *node_claim_name(const struct workspace *ws, int index)
{
    AUTO_BUF seed = { 0 }, name = { 0 };
    char hex[65];

    buf_addf(&seed, "%.*s/%.*s/%.*s/%d", STR_ARG(ws->meta.namespace), STR_ARG(ws->meta.name), STR_ARG(ws->meta.uid), index);
    sha256_hex(seed.p, seed.n, hex);
    buf_addf(&name, "ws%.9s", hex);
    return buf_take(&name);
}

static json_t *requirement(const char *key, const char *op, struct str value)
{
    return PACK("{s:s, s:s, s:[o]}", "key", key, "operator", op, "values", str_json(value));
}

static json_t *claim_requirements(const struct ws_view *v, struct str type)
{
    json_t *list = json_array();

    json_push(list, requirement("karpenter.sh/nodepool", "In", STR("kaito")));
    json_push(list, requirement("node.kubernetes.io/instance-type", "In", type));
    json_push(list, requirement("kubernetes.io/os", "In", STR("linux")));
    if (streq(v->settings->cloud, "azure"))
        json_push(list, requirement("karpenter.azure.com/sku-name", "In", type));
    else if (streq(v->settings->cloud, "aws"))
        json_push(list, requirement("karpenter.k8s.aws/instance-gpu-count", "Gt", STR("0")));
    return list;
}

static const char *known_family(struct str s)
{
    s = str_trim(s);
    return str_ieq(s, STR("ubuntu")) ? "ubuntu" : str_ieq(s, STR("azurelinux")) ? "azurelinux" : NULL;
}

static const char *image_family(const struct ws_view *v)
{
    const char *asked = known_family(ws_annotation(v->ws, "kaito.sh/node-image-family"));
    const char *flag = known_family(str_of(v->settings->default_image_family));

    return asked ? asked : flag ? flag : "ubuntu";
}

static json_t *claim_labels(const struct workspace *ws)
{
    json_t *l = json_object();
    const struct label_selector *sel = ws->resource ? ws->resource->label_selector : NULL;

    json_put_str(l, "karpenter.sh/nodepool", "kaito");
    json_put(l, WORKSPACE_LABEL, str_json(ws->meta.name));
    json_put(l, WORKSPACE_NS_LABEL, str_json(ws->meta.namespace));
    for (size_t i = 0; sel && i < sel->match_labels.n; i++)
        if (!label_is_reserved(sel->match_labels.items[i].key))
            json_put(l, sel->match_labels.items[i].key.p, str_json(sel->match_labels.items[i].value));
    return l;
}

json_t *render_node_claim(const struct ws_view *v, int index)
{
    const struct workspace *ws = v->ws;
    const struct preset *p = ws->inference && ws->inference->preset ? v->model : NULL;
    AUTO_MEM char *name = node_claim_name(ws, index);
    bool aws = streq(v->settings->cloud, "aws");
    char storage[32];

    if (p)
        snprintf(storage, sizeof storage, "%dGi", p->disk_gib);
    else
        snprintf(storage, sizeof storage, "1Ti");
    json_t *claim = PACK("{s:s, s:s, s:{s:s, s:o, s:{s:s, s:s}}, s:{s:{s:s,s:s,s:s}, s:s, s:[{s:s,s:s,s:s}], s:o, s:{s:{s:s}}}}",
                "apiVersion", "karpenter.sh/v1", "kind", "NodeClaim",
                "metadata", "name", name, "labels", claim_labels(ws),
                "annotations", "karpenter.sh/do-not-disrupt", "true", "kaito.sh/node-image-family", image_family(v),
                "spec", "nodeClassRef", "group", aws ? "karpenter.k8s.aws" : "kaito.sh", "kind", aws ? "EC2NodeClass" : "KaitoNodeClass",
                "name", "default", "expireAfter", "Never",
                "taints", "key", "sku", "value", "gpu", "effect", "NoSchedule",
                "requirements", claim_requirements(v, ws_instance_type(ws)),
                "resources", "requests", "storage", storage);

    return claim_kind_render(v->settings->claim_kind, claim);
}

json_t *render_revision(const struct ws_view *v, const char *hash, int64_t number)
{
    const struct workspace *ws = v->ws;

    return PACK("{s:s, s:s, s:{s:o, s:o, s:{s:o}, s:{s:s}, s:o}, s:I, s:{s:o, s:o, s:o}}", "apiVersion", "apps/v1", "kind", "ControllerRevision",
                "metadata", "name", json_strf("%.*s-%.5s", STR_ARG(ws->meta.name), hash), "namespace", str_json(ws->meta.namespace),
                "labels", "workspace.kaito.io/name", str_json(ws->meta.name), "annotations", HASH_ANNOTATION, hash,
                "ownerReferences", owner_references(ws), "revision", (json_int_t)number, "data", "inference", ws_inference_json(ws),
                "resource", ws_resource_json(ws), "tuning", ws_tuning_json(ws));
}

static json_t *service_base(const struct ws_view *v, const char *suffix)
{
    AUTO_BUF name = { 0 };

    buf_addf(&name, "%.*s%s", STR_ARG(v->ws->meta.name), suffix);
    return PACK("{s:s, s:s, s:{s:s, s:o, s:o}, s:{s:b, s:{s:o}}}", "apiVersion", "v1", "kind", "Service",
                "metadata", "name", buf_cstr(&name), "namespace", str_json(v->ws->meta.namespace), "ownerReferences", owner_references(v->ws),
                "spec", "publishNotReadyAddresses", 1, "selector", WORKSPACE_LABEL, str_json(v->ws->meta.name));
}

static json_t *port(const char *name, int number, int target)
{
    return PACK("{s:s, s:s, s:i, s:i}", "name", name, "protocol", "TCP", "port", number, "targetPort", target);
}

/* The native Service shows 80 and 29500, as the first releases did; nothing listens on 29500. */
json_t *render_service(const struct ws_view *v, enum ws_runtime r)
{
    bool balancer = str_is(ws_annotation(v->ws, "kaito.sh/enablelb"), "True");
    json_t *s = service_base(v, ""), *spec = json_sub(s, "spec"), *ports = json_array();

    json_push(ports, port("http", 80, 5000));
    if (r == WS_RUNTIME_NATIVE) {
        json_push(ports, port("torch", 29500, 29500));
    } else {
        json_push(ports, port("ray", 6379, 6379));
        json_push(ports, port("dashboard", 8265, 8265));
        if (!balancer && !ws_runs_transformers(v->settings, v->ws))
            json_push(ports, port("kv-events", 5557, 5557));
    }
    json_put_str(spec, "type", balancer ? "LoadBalancer" : "ClusterIP");
    json_put(spec, "ports", ports);
    json_put(json_sub(spec, "selector"), "statefulset.kubernetes.io/pod-name", json_strf("%.*s-0", STR_ARG(v->ws->meta.name)));
    return s;
}

json_t *render_headless(const struct ws_view *v)
{
    json_t *s = service_base(v, "-headless");

    json_put_str(json_sub(s, "spec"), "clusterIP", "None");
    return s;
}

json_t *render_affinity(const struct ws_view *v, bool ownership)
{
    const struct label_selector *sel = v->ws->resource ? v->ws->resource->label_selector : NULL;
    json_t *terms = json_array();

    for (size_t i = 0; sel && i < sel->match_labels.n; i++)
        if (!label_is_reserved(sel->match_labels.items[i].key))
            json_push(terms, requirement(sel->match_labels.items[i].key.p, "In", sel->match_labels.items[i].value));
    if (ownership && !v->settings->byo) {
        json_push(terms, requirement(v->settings->karpenter ? POOL_NAME_LABEL : WORKSPACE_LABEL, "In", v->ws->meta.name));
        json_push(terms, requirement(v->settings->karpenter ? POOL_NS_LABEL : WORKSPACE_NS_LABEL, "In", v->ws->meta.namespace));
    }
    if (json_array_size(terms) == 0) {
        json_decref(terms);
        return NULL;
    }
    return PACK("{s:{s:{s:[{s:o}]}}}", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms", "matchExpressions", terms);
}

json_t *render_tolerations(const struct ws_view *v)
{
    json_t *t = PACK("[{s:s,s:s,s:s}, {s:s,s:s,s:s,s:s}]", "key", "nvidia.com/gpu", "operator", "Exists", "effect", "NoSchedule",
                     "key", "sku", "operator", "Equal", "value", "gpu", "effect", "NoSchedule");

    if (streq(v->settings->cloud, "azure"))
        json_push(t, PACK("{s:s,s:s,s:s,s:s}", "key", "kubernetes.azure.com/scalesetpriority", "operator", "Equal", "value", "spot", "effect", "NoSchedule"));
    return t;
}

json_t *render_tuning_config_copy(const struct ws_view *v)
{
    json_t *c = PACK("{s:s, s:s, s:{s:s, s:o}}", "apiVersion", "v1", "kind", "ConfigMap",
                     "metadata", "name", kube_name(v->tuning_template), "namespace", str_json(v->ws->meta.namespace));
    json_t *data = json_object_get(v->tuning_template, "data"), *meta = json_object_get(c, "metadata");
    static const char *const copied[] = { "labels", "annotations" };

    if (data)
        json_put(c, "data", json_clone(data));
    for (size_t i = 0; i < ARRAY_LEN(copied); i++)
        if (json_at(v->tuning_template, "metadata", copied[i], NULL))
            json_put(meta, copied[i], json_clone(json_at(v->tuning_template, "metadata", copied[i], NULL)));
    return c;
}

/* The parameters upstream ships, section by section (dossier, runtime, 2.3), written anew. */
static const char lora_config[] =
    "training_config:\n"
    "  ModelConfig:            # how the base model is loaded\n"
    "    torch_dtype: \"bfloat16\"\n"
    "    local_files_only: true\n"
    "    device_map: \"auto\"\n"
    "\n"
    "  QuantizationConfig:     # lora keeps the base model as it is\n"
    "    load_in_4bit: false\n"
    "\n";
static const char qlora_config[] =
    "training_config:\n"
    "  ModelConfig:            # how the base model is loaded\n"
    "    torch_dtype: \"bfloat16\"\n"
    "    local_files_only: true\n"
    "    device_map: \"auto\"\n"
    "\n"
    "  QuantizationConfig:     # qlora holds the base model in 4 bits\n"
    "    load_in_4bit: true\n"
    "    bnb_4bit_quant_type: \"nf4\"\n"
    "    bnb_4bit_compute_dtype: \"bfloat16\"\n"
    "    bnb_4bit_use_double_quant: true\n"
    "\n";
static const char common_config[] =
    "  LoraConfig:             # size and weight of the adapter\n"
    "    r: 8\n"
    "    lora_alpha: 8\n"
    "    lora_dropout: 0.0\n"
    "\n"
    "  TrainingArguments:\n"
    "    output_dir: \"/mnt/results\"\n"
    "    ddp_find_unused_parameters: false\n"
    "    save_strategy: \"no\"\n"
    "    per_device_train_batch_size: 1\n"
    "\n"
    "  DataCollator:\n"
    "    mlm: true\n"
    "\n"
    "  DatasetConfig:\n"
    "    shuffle_dataset: true\n"
    "    train_test_split: 1\n";

json_t *render_tuning_template(const char *release_namespace, const char *name)
{
    return PACK("{s:s, s:s, s:{s:s, s:s}, s:{s:s++}}", "apiVersion", "v1", "kind", "ConfigMap",
                "metadata", "name", name, "namespace", release_namespace,
                "data", "training_config.yaml", streq(name, "lora-params-template") ? lora_config : qlora_config, common_config, "");
}

/* Upstream's parameters of vLLM; v1alpha1 falls back to them. */
json_t *render_inference_template(const char *release_namespace)
{
    return PACK("{s:s, s:s, s:{s:s, s:s}, s:{s:s}}", "apiVersion", "v1", "kind", "ConfigMap", "metadata", "name", "inference-params-template", "namespace", release_namespace,
                "data", "inference_config.yaml",
                "# Maximum number of steps to find the longest context that fits.\n"
                "max_probe_steps: 6\n"
                "# Part of the node's memory that may hold keys and values.\n"
                "kv_cache_cpu_memory_utilization: 0.5\n"
                "vllm:\n"
                "  cpu-offload-gb: 0\n");
}
