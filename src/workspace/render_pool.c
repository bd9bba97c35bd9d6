/* Karpenter mode: one NodePool per Workspace, with as many static replicas as it needs (dossier 5.3). */
#include "workspace/render.h"

#include "base/hash.h"

#define NAME_MAX_LENGTH 63
#define NAME_CUT        53

void node_pool_name(const struct workspace *ws, struct buf *out)
{
    char hex[65];

    buf_addf(out, "%.*s-%.*s", STR_ARG(ws->meta.namespace), STR_ARG(ws->meta.name));
    if (out->n <= NAME_MAX_LENGTH)
        return;
    sha256_hex(out->p, out->n, hex);
    buf_truncate(out, NAME_CUT);
    buf_addf(out, "-%.9s", hex);
}

static json_t *owner_labels(const struct workspace *ws)
{
    struct str set = str_map_get(&ws->meta.labels, SET_LABEL);
    json_t *l = PACK("{s:o, s:o}", POOL_NAME_LABEL, str_json(ws->meta.name), POOL_NS_LABEL, str_json(ws->meta.namespace));

    if (set.n > 0) {
        json_put(l, "karpenter.kaito.sh/inferenceset", str_json(set));
        json_put(l, "karpenter.kaito.sh/inferenceset-namespace", str_json(ws->meta.namespace));
    }
    return l;
}

static json_t *node_labels(const struct workspace *ws)
{
    const struct label_selector *sel = ws->resource ? ws->resource->label_selector : NULL;
    json_t *l = owner_labels(ws);

    for (size_t i = 0; sel && i < sel->match_labels.n; i++)
        if (!label_is_reserved(sel->match_labels.items[i].key))
            json_put(l, sel->match_labels.items[i].key.p, str_json(sel->match_labels.items[i].value));
    return l;
}

static json_t *requirements(const struct ws_view *v)
{
    json_t *r = PACK("[{s:s, s:s, s:[o]}]", "key", "node.kubernetes.io/instance-type", "operator", "In", "values", str_json(ws_instance_type(v->ws)));

    if (streq(v->settings->node_class_group, "karpenter.azure.com"))
        json_push(r, PACK("{s:s, s:s, s:[s]}", "key", "karpenter.azure.com/placement-scope", "operator", "In", "values", "regional"));
    return r;
}

errc render_node_pool(const struct ws_view *v, int64_t replicas, json_t **out, struct err *e)
{
    const struct workspace_settings *s = v->settings;
    struct str asked = ws_annotation(v->ws, NODE_CLASS_ANNOTATION);
    bool in_set = str_map_get(&v->ws->meta.labels, SET_LABEL).n > 0;
    AUTO_BUF name = { 0 }, list = { 0 };

    if (asked.n > 0 && !ws_node_class_is_ours(s, asked)) {
        ws_node_classes_list(s, &list);
        return err_set(e, ERR_INVALID, "annotation " NODE_CLASS_ANNOTATION "=\"%.*s\" is not permitted: choose one of the KAITO-managed NodeClasses [%s]",
                       STR_ARG(asked), buf_cstr(&list));
    }
    node_pool_name(v->ws, &name);
    json_t *labels = owner_labels(v->ws);

    json_put_str(labels, "karpenter.kaito.sh/managed-by", "kaito");
    json_t *node = PACK("{s:s, s:{s:s, s:s, s:o}, s:o, s:[{s:s,s:s,s:s}]}", "expireAfter", "Never",
                        "nodeClassRef", "group", s->node_class_group, "kind", s->node_class_kind,
                        "name", str_json(ws_node_class(s, v->ws)),
                        "requirements", requirements(v), "taints", "key", "sku", "value", "gpu", "effect", "NoSchedule");

    *out = PACK("{s:s, s:s, s:{s:s, s:o}, s:{s:I, s:{s:s, s:[{s:s, s:[s]}]}, s:{s:{s:o}, s:o}}}", "apiVersion", "karpenter.sh/v1", "kind", "NodePool",
                "metadata", "name", buf_cstr(&name), "labels", labels, "spec", "replicas", (json_int_t)replicas,
                "disruption", "consolidateAfter", "0s", "budgets", "nodes", in_set ? "0" : "1", "reasons", "Drifted",
                "template", "metadata", "labels", node_labels(v->ws), "spec", node);
    return ERR_OK;
}
