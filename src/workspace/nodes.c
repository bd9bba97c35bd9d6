/*
 * How many nodes a Workspace has and needs, from its NodeClaims and Nodes (gpu-provisioner mode, or the user's own nodes).
 * Rules: dossier, Workspace, 5.2 and 5.4; texts: 4.5.
 */
#include "workspace/render.h"

#include <stdlib.h>

#include "catalog/estimate.h"

#define TARGET_FAILED "failed to update Workspace status targetNodeCount: failed to calculate target node count: "

void node_state_done(struct node_state *s)
{
    json_decref(s->worker_nodes);
    s->worker_nodes = NULL;
    buf_done(&s->pressure);
}

static int64_t wanted_count(const struct workspace *ws)
{
    int64_t n = ws->resource && ws->resource->count.set ? ws->resource->count.v : 1;

    return n < 1 ? 1 : n;
}

/* ---- how many are needed -------------------------------------------------------------------------------------------- */

static size_t indent_of(struct str line)
{
    size_t n = 0;

    while (n < line.n && line.p[n] == ' ')
        n++;
    return n;
}

/* max-model-len below vllm:, as upstream's own line scanner finds it: a plain positive number or nothing. */
int64_t context_asked(const json_t *inference_config)
{
    struct str text = str_of(json_str_at(inference_config, "data", "inference_config.yaml", NULL)), line;
    bool inside = false;
    int64_t n = 0;

    while (text.p && str_next(&text, '\n', &line)) {
        struct str word = str_trim(line);

        if (word.n == 0 || word.p[0] == '#')
            continue;
        if (!inside) {
            inside = str_has_prefix(line, STR("vllm:"));
            continue;
        }
        if (indent_of(line) < 2)
            break;
        if (str_has_prefix(word, STR("max-model-len:")) && str_to_i64(str_trim(str_from(word, 14)), &n) && n > 0)
            return n;
    }
    return 0;
}

static errc estimate_for_share(const struct ws_view *v, const struct gpu_share *gpu, int64_t *out, struct err *e)
{
    int64_t context = context_asked(v->inference_config);
    struct gpu_config config = { (int)gpu->count, gpu->mem_gib << 30 };

    TRY(estimate_nodes(v->model, config, context, out, e));
    if (!gpu->mig || streq(gpu->resource, "nvidia.com/gpu") || *out == 1)
        return ERR_OK;
    return estimate_mig_error(v->model, config, context, gpu->resource + strlen("nvidia.com/mig-"), e);
}

/*
 * Estimated once, then kept in status.targetNodeCount. Without figures (a machine type that nobody knows, nodes without NVIDIA's labels)
 * the user's count holds: the native runtime needs none. ERR_UNAVAILABLE: figures will come with the nodes; *out is the user's count.
 */
static errc target_nodes(const struct ws_view *v, int64_t *out, struct err *e)
{
    const struct workspace *ws = v->ws;
    const struct ws_partition *part = ws->resource ? ws->resource->partition : NULL;
    struct gpu_share gpu;

    *out = ws->status.target_node_count;
    if (*out > 0)
        return ERR_OK;
    *out = ws->tuning ? 1 : wanted_count(ws);
    if (ws->tuning || !ws->inference || !ws->inference->preset || ws_is_annotated_native(ws) || ws_runs_transformers(v->settings, ws))
        return ERR_OK;
    if (!v->model)
        return v->model_problem ? err_set(e, ERR_INVALID, "%s", v->model_problem) : ERR_OK;
    if (v->settings->byo ? first_ready_node(v) == NULL : sku_find(v->settings->cloud, ws_instance_type(ws)) == NULL)
        return v->settings->byo ? err_set(e, ERR_UNAVAILABLE, TARGET_FAILED "no ready nodes found, unable to determine GPU configuration") : ERR_OK;
    errc rc = gpu_share_of(v, &gpu, e);

    /* a profile that cannot be read leaves the count alone: rendering tells */
    if (rc)
        return part && str_is(part->mode, "mig") ? ERR_OK : err_wrap(e, "%s", "failed to update Workspace status targetNodeCount: failed to calculate target node count");
    if (gpu.count < 1 || gpu.mem_gib < 1)
        return ERR_OK;
    rc = estimate_for_share(v, &gpu, out, e);
    return rc ? err_wrap(e, "%s", "failed to update Workspace status targetNodeCount: failed to calculate target node count") : ERR_OK;
}

/* ---- what there is -------------------------------------------------------------------------------------------------- */

bool claim_is_ready(const json_t *claim)
{
    if (kube_deleting(claim))
        return false;
    if (!kube_condition(claim, "Ready"))
        return str_set(json_str_at(claim, "status", "nodeName", NULL));
    return kube_condition_is(claim, "Ready", "True");
}

/* What our own provisioner says to do next stays; what is before it is cut. */
static void shorten(const char *message, char *out, size_t size)
{
    const char *next = strstr(message, "; next: ");
    size_t whole = size - sizeof "...", tail = next ? strlen(next) : 0, cut;

    if (!next || tail > whole / 2 || strlen(message) <= whole) {
        message_cut(message, out, size);
        return;
    }
    for (cut = whole - tail; cut > 0 && ((unsigned char)message[cut] & 0xC0) == 0x80; cut--)
        ;
    snprintf(out, size, "%.*s...%s", (int)cut, message, next);
}

static bool better_told(const struct node_state *out, const char *reason)
{
    return !out->claim_reason || (!streq(reason, "AwaitingReconciliation") && streq(out->claim_reason, "AwaitingReconciliation"));
}

/* What the first claim that is not well says: a real reason beats "awaiting". */
static void claim_trouble(const struct ws_view *v, struct node_state *out)
{
    static const char *const stages[] = { "Launched", "Registered", "Initialized" };
    const json_t *claim;
    size_t i;

    json_array_foreach(v->claims, i, claim) {
        for (size_t s = 0; s < ARRAY_LEN(stages) && !kube_deleting(claim); s++) {
            const json_t *c = kube_condition(claim, stages[s]);
            const char *reason = json_cstr(c, "reason"), *message = json_cstr(c, "message");

            if (!c || streq(json_cstr(c, "status"), "True") || !str_set(message) || !str_set(reason) || !better_told(out, reason))
                continue;
            out->claim_reason = reason;
            shorten(message, out->claim_message, sizeof out->claim_message);
        }
    }
}

static const json_t *claim_of_node(const struct ws_view *v, const char *node_name)
{
    const json_t *claim;
    size_t i;

    json_array_foreach(v->claims, i, claim)
        if (streq(json_str_at(claim, "status", "nodeName", NULL), node_name))
            return claim;
    return NULL;
}

/* The runtime the workload already runs: a node that gains or loses its GPU later does not change it. */
static enum ws_runtime runtime_of_workload(const struct ws_view *v)
{
    const json_t *w = v->job ? v->job : v->statefulset;

    if (!w)
        return WS_RUNTIME_UNDECIDED;
    return streq(kube_annotation(w, RUNTIME_ANNOTATION), "native") ? WS_RUNTIME_NATIVE : WS_RUNTIME_GPU;
}

/*
 * A machine that has GPUs by the table of machine types, or that its provisioner calls so: where it shows none it waits for its device
 * plugin, for gpu-provisioner says Initialized before the GPUs are registered. This machine's own Nodes are CPUs, whatever type
 * was asked for and whatever a rehearsed cloud calls them.
 */
static bool is_gpu_machine(const struct ws_view *v, const json_t *node)
{
    const struct sku *sku = sku_find(v->settings->cloud, ws_instance_type(v->ws));

    if (kube_label(node, "kaito.sh/local-node"))
        return false;
    return streq(kube_label(node, "kaito.sh/machine-type"), "gpu") || (sku && !sku->legacy);
}

/* Native: no GPU where the claim is Initialized (or, byo, where the node is ready), on a machine that has none to wait for. */
static enum ws_runtime decide_runtime(const struct ws_view *v)
{
    struct str asked = ws_annotation(v->ws, RUNTIME_ANNOTATION);
    enum ws_runtime running = runtime_of_workload(v);
    const json_t *node;
    size_t i, without = 0;

    if (running != WS_RUNTIME_UNDECIDED)
        return running;
    if (str_is(asked, "native"))
        return WS_RUNTIME_NATIVE;
    if (str_is(asked, "vllm") || str_is(asked, "transformers"))
        return WS_RUNTIME_GPU;
    if (v->ws->resource && v->ws->resource->partition)
        return WS_RUNTIME_GPU;          /* a node that gives all its GPUs away in parts has no nvidia.com/gpu left */
    json_array_foreach(v->nodes, i, node) {
        if (!node_is_ready(node))
            continue;
        if (node_gpus(node) > 0)
            return WS_RUNTIME_GPU;
        if (is_gpu_machine(v, node))
            continue;
        if (v->settings->byo || kube_condition_is(claim_of_node(v, kube_name(node)), "Initialized", "True"))
            without++;
    }
    return without > 0 ? WS_RUNTIME_NATIVE : WS_RUNTIME_UNDECIDED;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void list_workers(const struct ws_view *v, struct node_state *out)
{
    size_t n = json_array_size(v->nodes), i;
    const json_t *node;
    const char **names = calloc(n + 1, sizeof *names);

    if (!names)
        abort();
    json_array_foreach(v->nodes, i, node)
        names[i] = kube_name(node);
    qsort(names, n, sizeof *names, by_text);
    out->worker_nodes = json_array();
    for (i = 0; i < n; i++)
        json_push(out->worker_nodes, json_string(names[i]));
    free(names);
}

static void list_pressure(const struct ws_view *v, struct buf *out)
{
    static const char *const kinds[] = { "DiskPressure", "MemoryPressure", "PIDPressure" };
    const json_t *node;
    size_t i;

    json_array_foreach(v->nodes, i, node) {
        const char *sep = " (";

        for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
            if (kube_condition_is(node, kinds[k], "True")) {
                if (streq(sep, " ("))
                    buf_addf(out, "%s %s", out->n ? ";" : "; warning: worker node(s) under resource pressure:", kube_name(node));
                buf_addf(out, "%s%s", sep, kinds[k]);
                sep = ", ";
            }
        if (streq(sep, ", "))
            buf_addc(out, ')');
    }
}

/*
 * A pod template says itself which devices its containers take; on this machine's own Nodes there is none to wait for, and the scheduler
 * tells about one that takes some.
 */
static bool has_its_devices(const struct ws_view *v, const json_t *node)
{
    bool of_template = v->ws->inference && v->ws->inference->pod_template;

    return node_gpus(node) > 0 || (of_template && kube_label(node, "kaito.sh/local-node"));
}

errc node_state_of(const struct ws_view *v, struct node_state *out, struct err *e)
{
    const json_t *item;
    int64_t ready_nodes = 0, ready_typed = 0, own_nodes = 0, ready_claims = 0, with_gpu = 0;
    size_t i;

    *out = (struct node_state){ .runtime = decide_runtime(v) };
    list_workers(v, out);
    list_pressure(v, &out->pressure);
    claim_trouble(v, out);
    errc rc = target_nodes(v, &out->target, e);

    if (rc == ERR_UNAVAILABLE)
        out->waits = *e;
    else if (rc)
        return rc;

    json_array_foreach(v->nodes, i, item) {
        const char *type = kube_label(item, "node.kubernetes.io/instance-type");

        if (!node_is_ready(item))
            continue;
        ready_nodes++;
        own_nodes += !ws_node_is_claimed(v->settings, item);
        ready_typed += type && str_is(ws_instance_type(v->ws), type);
        with_gpu += has_its_devices(v, item);
    }
    json_array_foreach(v->claims, i, item)
        ready_claims += claim_is_ready(item);

    int64_t needed = out->target > own_nodes ? out->target - own_nodes : 0;
    int64_t existing = (int64_t)json_array_size(v->claims);

    out->missing_claims = v->settings->byo || needed <= existing ? 0 : needed - existing;
    out->claims_ready = v->settings->byo || ready_claims >= needed;
    out->nodes_ready = (v->settings->byo ? ready_nodes : ready_typed) >= out->target;
    /* Devices must be there before upstream's images start; the native runtime needs none. */
    bool known = sku_find(v->settings->cloud, ws_instance_type(v->ws)) != NULL;

    out->plugins_ready = out->runtime == WS_RUNTIME_NATIVE ||
                         (out->runtime == WS_RUNTIME_GPU && (v->settings->byo || !known || with_gpu >= out->target));
    return ERR_OK;
}
