/* Machine types, selectors, partitions and whether the weights fit: C4, C5, C9, C11 to C29. */
#include "workspace/validate/priv.h"

#include "catalog/partition.h"
#include "workspace/render.h"

#define NANO 1000000000

void check_instance_type(struct check *c)
{
    struct str type = ws_instance_type(c->ws);
    bool byo = c->env->settings->byo;

    if (c->v1alpha1)
        return;
    if (byo && type.n > 0)
        problem_add(c->out, "spec.resource.instanceType", "invalid value: instanceType must be empty when node auto-provisioning is disabled (BYO scenario)");
    if (!byo && type.n == 0) {
        problem_add(c->out, "spec.instanceType is required when node auto-provisioning is enabled", MISSING);
        problem_add(c->out, "spec.resource.instanceType", MISSING);
    }
}

void check_node_class(struct check *c)
{
    const struct workspace_settings *s = c->env->settings;
    struct str asked = ws_annotation(c->ws, NODE_CLASS_ANNOTATION);
    AUTO_BUF list = { 0 };

    if (!s->karpenter || asked.n == 0 || ws_node_class_is_ours(s, asked))
        return;
    ws_node_classes_list(s, &list);
    problem_add(c->out, "metadata.annotations[\"" NODE_CLASS_ANNOTATION "\"]", "invalid value: \"%.*s\" is not a KAITO-managed NodeClass, supported values are [%s]",
                STR_ARG(asked), buf_cstr(&list));
}

/* ---- selectors --------------------------------------------------------------------------------------------------- */

/* Kubernetes' conversion of a selector to a map: matchLabels and In with one value. */
bool selector_is_map(const struct label_selector *s, struct buf *why)
{
    static const char *const others[] = { "NotIn", "Exists", "DoesNotExist" };

    for (size_t i = 0; s && i < s->n_match_expressions; i++) {
        const struct selector_requirement *x = &s->match_expressions[i];
        bool known = false;

        if (str_is(x->op, "In") && x->n_values == 1)
            continue;
        for (size_t k = 0; k < ARRAY_LEN(others); k++)
            known = known || str_is(x->op, others[k]);
        if (str_is(x->op, "In"))
            buf_addf(why, "operator \"In\" without a single value cannot be converted into the old label selector format");
        else if (known)
            buf_addf(why, "operator \"%.*s\" cannot be converted into the old label selector format", STR_ARG(x->op));
        else
            buf_addf(why, "\"%.*s\" is not a valid selector operator", STR_ARG(x->op));
        return false;
    }
    return true;
}

static bool check_selector_is_map(struct check *c)
{
    const struct label_selector *sel = c->ws->resource ? c->ws->resource->label_selector : NULL;
    AUTO_BUF why = { 0 };

    if (selector_is_map(sel, &why))
        return true;
    problem_add(c->out, "resource.labelSelector", "invalid value: %s", buf_cstr(&why));
    return false;
}

/* False: it was refused, and what depends on it is not asked. */
static bool check_selector(struct check *c)
{
    const struct label_selector *sel = c->ws->resource ? c->ws->resource->label_selector : NULL;
    size_t reserved = 0;

    if (!check_selector_is_map(c))
        return false;
    for (size_t i = 0; sel && i < sel->match_labels.n; i++)
        reserved += label_is_reserved(sel->match_labels.items[i].key);
    if (reserved == 0 || reserved < sel->match_labels.n)
        return true;
    problem_add(c->out, "resource.labelSelector.matchLabels", "invalid value: matchLabels must contain at least one non-reserved label");
    return false;
}

/* ---- partitions -------------------------------------------------------------------------------------------------- */

static bool bypasses_checks(const struct workspace *ws)
{
    return ws_annotation(ws, "kaito.sh/bypass-resource-checks").p != NULL;
}

/* False: the model is not known; why not was said, unless nobody looked. */
static bool model_is_known(struct check *c)
{
    if (!c->env->model && c->env->model_problem)
        problem_add(c->out, "resource.preset", "invalid value: failed to get model preset: %s", c->env->model_problem);
    return c->env->model != NULL;
}

static void check_mig(struct check *c)
{
    const struct ws_partition *p = c->ws->resource->partition;
    struct mig_profile profile;
    AUTO_BUF why = { 0 }, preset = { 0 };
    struct err e;

    if (!c->env->settings->mig) {
        problem_add(c->out, "resource.partition", "MIG support is not enabled, set feature gate enableMIG=true");
        return;
    }
    if (p->count.set) {
        problem_add(c->out, "resource.partition.count", "invalid value: count is only valid for accelerator mode");
        return;
    }
    if (mig_profile_check(p->profile, &why)) {
        problem_add(c->out, "resource.partition.profile", "invalid value: %s", buf_cstr(&why));
        return;
    }
    if (!c->ws->inference->preset || !model_is_known(c))
        return;
    lower_add(&preset, ws_preset_name(c->ws));
    if (!bypasses_checks(c->ws) && !mig_profile_parse(p->profile, &profile, &e) && c->env->model->weights_gib > profile.mem_gib)
        problem_add(c->out, "resource.partition", "invalid value: Model %s requires at least %.2fGi for weights, which exceeds the %.*s MIG slice capacity of %dGi",
                    buf_cstr(&preset), c->env->model->weights_gib, STR_ARG(p->profile), profile.mem_gib);
}

static void check_accelerator(struct check *c)
{
    const struct ws_partition *p = c->ws->resource->partition;

    if (!c->env->settings->accelerator) {
        problem_add(c->out, "resource.partition", "accelerator partition support is not enabled, set feature gate enableAccelerator=true");
        return;
    }
    if (p->profile.n > 0)
        problem_add(c->out, "resource.partition.profile", "invalid value: profile is not valid for accelerator mode");
    if (!p->count.set)
        problem_add(c->out, "resource.partition.count", MISSING);
}

static void check_partition(struct check *c)
{
    const struct ws_partition *p = c->ws->resource->partition;

    if (!c->env->settings->byo)
        problem_add(c->out, "resource.partition", "GPU partitioning is only supported with BYO nodes (disableNodeAutoProvisioning=true)");
    else if (str_is(p->mode, "mig"))
        check_mig(c);
    else if (str_is(p->mode, "accelerator"))
        check_accelerator(c);
    else
        problem_add(c->out, "resource.partition.mode", "invalid value: unsupported partition mode \"%.*s\", supported modes are \"mig\" and \"accelerator\"", STR_ARG(p->mode));
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

struct gpus { int64_t nodes, per_node_gib; };

/* As Go prints a quantity: 1024 is 1Ti. */
static void add_gib(int64_t gib, struct buf *out)
{
    AUTO_BUF plain = { 0 };

    buf_addf(&plain, "%lldGi", (long long)gib);
    quantity_canonical(buf_str(&plain), out);
}

static void refuse_memory(struct check *c, const char *node, int64_t here, int64_t first)
{
    AUTO_BUF have = { 0 }, want = { 0 };

    add_gib(here, &have);
    add_gib(first, &want);
    problem_add(c->out, NULL, "Non-uniform GPU memory: node %s has %s memory, but previous node has %s memory", node, buf_cstr(&have), buf_cstr(&want));
}

/* What the user's own nodes have; false when it cannot be told: then it was said. */
static bool gpus_of_nodes(struct check *c, struct gpus *out)
{
    struct gpu_labels first = { 0 }, here;
    const char *previous = NULL;
    const json_t *node;
    AUTO_BUF why = { 0 };
    size_t i;

    json_array_foreach(c->env->nodes, i, node) {
        const char *name = kube_name(node);

        if (gpu_labels_read(node, &here, &why)) {
            problem_add(c->out, NULL, "Failed to get GPU config from nvidia labels on node %s: %s", name, buf_cstr(&why));
            return false;
        }
        if (previous && !streq(first.product, here.product))
            problem_add(c->out, NULL, "Non-uniform GPU product: node %s has %s GPUs, but previous node has %s GPUs, "
                                      "all nodes must have the same GPU product for homogeneous placement", name, here.product, first.product);
        else if (previous && first.count != here.count)
            problem_add(c->out, NULL, "Non-uniform GPU count: node %s has %lld GPUs, but previous node has %lld GPUs", name, (long long)here.count, (long long)first.count);
        else if (previous && first.node_gib != here.node_gib)
            refuse_memory(c, name, here.node_gib, first.node_gib);
        if (c->out->n > 0 && previous && (!streq(first.product, here.product) || first.count != here.count || first.node_gib != here.node_gib))
            return false;
        first = here;
        previous = name;
    }
    if (!previous)
        problem_add(c->out, NULL, "No nodes found matching the specified label selector");
    *out = (struct gpus){ (int64_t)json_array_size(c->env->nodes), first.node_gib };
    return previous != NULL;
}

/* C27 and C29. Quantities as Go prints them: 27.31Gi is 29323889213440m. */
static void check_memory(struct check *c, struct gpus gpus)
{
    AUTO_BUF weights = { 0 }, total = { 0 }, given = { 0 }, preset = { 0 };
    __int128 need;

    if (!model_is_known(c))
        return;
    buf_addf(&given, "%.2fGi", c->env->model->weights_gib);
    if (!quantity_parse(buf_str(&given), &need))
        return;
    if (!bypasses_checks(c->ws) && ((__int128)gpus.per_node_gib << 30) * gpus.nodes * NANO < need) {
        quantity_canonical(buf_str(&given), &weights);
        add_gib(gpus.per_node_gib * gpus.nodes, &total);
        lower_add(&preset, ws_preset_name(c->ws));
        problem_add(c->out, "resource.instanceType", "invalid value: Insufficient total GPU memory: Instance type %.*s has a total of %s, but preset %s requires at least %s",
                    STR_ARG(ws_instance_type(c->ws)), buf_cstr(&total), buf_cstr(&preset), buf_cstr(&weights));
    }
    if (!c->v1alpha1 && ws_runs_transformers(c->env->settings, c->ws) && ((__int128)gpus.per_node_gib << 30) * NANO < need)
        problem_add(c->out, NULL, "Multi-node distributed inference is not supported with Huggingface Transformers runtime");
}

static void check_machine_type(struct check *c)
{
    const struct workspace_settings *s = c->env->settings;
    const struct sku *sku = sku_find(s->cloud, ws_instance_type(c->ws));
    AUTO_BUF names = { 0 };
    bool counted = ws_runs_transformers(s, c->ws) || (c->v1alpha1 && !ws_is_annotated_native(c->ws));
    int64_t nodes = c->ws->resource && c->ws->resource->count.set ? c->ws->resource->count.v : 1;

    if (!sku && !sku_admitted_by_prefix(s->cloud, ws_instance_type(c->ws))) {
        sku_names(s->cloud, &names);
        problem_add(c->out, "resource.instanceType", "invalid value: Unsupported instance type %.*s. Supported SKUs: [%s]", STR_ARG(ws_instance_type(c->ws)), buf_cstr(&names));
    }
    /* machines that upstream's table lacks are not counted there either */
    if (sku && !sku->legacy && c->ws->inference->preset && counted)
        check_memory(c, (struct gpus){ nodes, sku->gpu_mem_gib });
}

void check_resource(struct check *c)
{
    struct str preset = ws_preset_name(c->ws);
    AUTO_BUF name = { 0 };
    struct gpus gpus;

    if (c->ws->inference->preset && preset_check(preset) != PRESET_VALID) {
        lower_add(&name, preset);
        if (preset_check(preset) == PRESET_DEPRECATED)
            problem_add(c->out, "resource.presetName", "Model %s is deprecated and no longer supported", buf_cstr(&name));
        return;
    }
    if (c->v1alpha1) {
        check_machine_type(c);
        (void)check_selector_is_map(c);
        return;
    }
    if (!check_selector(c))
        return;
    if (c->ws->resource && c->ws->resource->partition)
        check_partition(c);
    else if (!c->env->settings->byo)
        check_machine_type(c);
    else if (c->ws->inference->preset && !c->env->nodes_may_come && gpus_of_nodes(c, &gpus))
        check_memory(c, gpus);
}
