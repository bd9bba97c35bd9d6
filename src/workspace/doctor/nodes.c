/* From NodeClaim (or legacy Machine) to cloud to Node: what is not ready yet, and what whoever makes it says. */
#include "workspace/doctor/priv.h"

static const char *text_of(const json_t *c, const char *key)
{
    const char *s = json_cstr(c, key);

    return s ? s : "";
}

/* ---- claims ---------------------------------------------------------------------------------------------------------------- */

static void add_claim(const struct patient *p, const json_t *claim, json_t *parent)
{
    static const char *const stages[] = { "Launched", "Registered", "Initialized" };
    const char *node = json_str_at(claim, "status", "nodeName", NULL), *kind = kube_kind(claim);

    if (kube_condition_is(claim, "Ready", "True")) {
        finding_add(parent, finding("ok", "%s %s: ready%s%s", kind, kube_name(claim), node ? ", node " : "", node ? node : ""));
        return;
    }
    json_t *f = finding("wait", "%s %s: not ready", kind, kube_name(claim));
    size_t told = 0;

    for (size_t i = 0; i < ARRAY_LEN(stages) && told == 0; i++) {
        const json_t *c = kube_condition(claim, stages[i]);

        if (!c || streq(json_cstr(c, "status"), "True"))
            continue;
        finding_add(f, finding(streq(json_cstr(c, "status"), "False") ? "fail" : "wait", "%s: %s: %s", stages[i], text_of(c, "reason"), text_of(c, "message")));
        told++;
    }
    if (!json_at(claim, "status", "conditions", NULL)) {
        json_t *nobody = finding_add(f, finding("fail", "no provisioner has taken it up: it has no condition"));
        finding_next(nobody, "run gpu-provisioner, Karpenter or `kaito provisioner`: kubectl get pods -A | grep -iE 'karpenter|provisioner'");
    }
    diagnose_events(p, kind, kube_name(claim), f);
    finding_next(f, "kubectl describe %s %s", streq(kind, "Machine") ? "machines.karpenter.sh" : "nodeclaim", kube_name(claim));
    finding_add(parent, f);
}

/* ---- nodes ----------------------------------------------------------------------------------------------------------------- */

static void add_pressure(const json_t *node, json_t *f)
{
    static const char *const kinds[] = { "DiskPressure", "MemoryPressure", "PIDPressure" };

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (kube_condition_is(node, kinds[i], "True"))
            finding_add(f, finding("warn", "%s: %s", kinds[i], text_of(kube_condition(node, kinds[i]), "message")));
}

static void add_node(const struct patient *p, const json_t *node, json_t *parent)
{
    const char *type = kube_label(node, "node.kubernetes.io/instance-type");
    const json_t *ready = kube_condition(node, "Ready");
    int64_t gpus = node_gpus(node);
    AUTO_BUF what = { 0 };

    buf_addf(&what, "%s%s%lld GPU(s)", type ? type : "", type ? ", " : "", (long long)gpus);
    json_t *f = node_is_ready(node) ? finding("ok", "Node %s: ready, %s", kube_name(node), buf_cstr(&what))
                                    : finding("wait", "Node %s: not ready: %s", kube_name(node), ready ? text_of(ready, "message") : "its agent has not reported yet");

    add_pressure(node, f);
    if (!node_is_ready(node))
        finding_next(f, "kubectl describe node %s", kube_name(node));
    else if (type && !p->settings.byo && ws_instance_type(&p->ws).n > 0 && !str_is(ws_instance_type(&p->ws), type))
        finding_add(f, finding("warn", "is not of the type that the Workspace asks for, %.*s", STR_ARG(ws_instance_type(&p->ws))));
    else if (gpus == 0 && !kube_label(node, "kaito.sh/local-node") && sku_find(p->settings.cloud, ws_instance_type(&p->ws)) && streq(kube_label(node, "kaito.sh/machine-type"), "gpu"))
        finding_next(f, "its GPUs are not registered: kubectl get pods -A -l name=nvidia-device-plugin-ds -o wide");
    finding_add(parent, f);
}

/* With the selector that no node fits. */
static void add_selector(const struct patient *p, json_t *f)
{
    const struct label_selector *sel = p->ws.resource ? p->ws.resource->label_selector : NULL;
    AUTO_BUF text = { 0 };

    for (size_t i = 0; sel && i < sel->match_labels.n; i++)
        buf_addf(&text, "%s%.*s=%.*s", i ? "," : "", STR_ARG(sel->match_labels.items[i].key), STR_ARG(sel->match_labels.items[i].value));
    json_t *none = finding_add(f, finding(p->settings.byo ? "fail" : "wait", "no node carries the labels of resource.labelSelector (%s)%s", buf_cstr(&text),
                                          p->settings.byo ? "" : " and of the Workspace"));

    finding_next(none, "%s %s", p->settings.byo ? "kubectl label node NODE" : "kubectl get nodes --show-labels -l", buf_cstr(&text));
}

/* Claims that wait for their machine explain a missing node better. */
static bool any_claim_has_node(const struct patient *p)
{
    const json_t *claim;
    size_t i;

    json_array_foreach(p->claims, i, claim)
        if (str_set(json_str_at(claim, "status", "nodeName", NULL)))
            return true;
    return p->settings.byo;
}

void diagnose_nodes(const struct patient *p, json_t *told, json_t *root)
{
    size_t ready = 0, i;
    json_t *o;

    json_array_foreach(p->nodes, i, o)
        ready += node_is_ready(o);
    json_t *f = told ? told : finding("ok", "ResourceReady: %zu node(s) ready", ready);

    json_array_foreach(p->claims, i, o)
        add_claim(p, o, f);
    json_array_foreach(p->nodes, i, o)
        add_node(p, o, f);
    if (told && json_array_size(p->nodes) == 0 && any_claim_has_node(p))
        add_selector(p, f);
    finding_add(root, f);
}
