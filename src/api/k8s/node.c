#include "api/k8s/node.h"

static const struct field taint_fields[] = {
    FIELD(struct taint, key, STR, "key"),
    FIELD(struct taint, value, STR, "value"),
    FIELD(struct taint, effect, STR, "effect"),
};
static const struct type taint_type = TYPE("taint", struct taint, taint_fields);

static const struct field node_spec_fields[] = {
    FIELD(struct node_spec, unschedulable, BOOL, "unschedulable"),
    FIELD_LIST(struct node_spec, taints, n_taints, struct taint, "taints", ITEM_OBJ(&taint_type)),
};
static const struct type node_spec_type = TYPE("node_spec", struct node_spec, node_spec_fields);

static const struct field node_status_fields[] = {
    FIELD(struct node_status, allocatable, STR_MAP, "allocatable"),
    FIELD(struct node_status, capacity, STR_MAP, "capacity"),
};
static const struct type node_status_type = TYPE("node_status", struct node_status, node_status_fields);

static const struct field node_fields[] = {
    FIELD_OBJ(struct node, meta, struct object_meta, "metadata", &object_meta_type),
    FIELD_OBJ(struct node, spec, struct node_spec, "spec", &node_spec_type),
    FIELD_OBJ(struct node, status, struct node_status, "status", &node_status_type),
};
const struct type k8s_node_type = TYPE("node", struct node, node_fields);

static const struct field node_term_fields[] = {
    FIELD_LIST(struct node_term, labels, n_labels, struct selector_requirement, "matchExpressions", ITEM_OBJ(&selector_requirement_type)),
    FIELD_LIST(struct node_term, fields, n_fields, struct selector_requirement, "matchFields", ITEM_OBJ(&selector_requirement_type)),
};
static const struct type node_term_type = TYPE("node_term", struct node_term, node_term_fields);

static const struct field node_selector_fields[] = {
    FIELD_LIST(struct node_selector, terms, n_terms, struct node_term, "nodeSelectorTerms", ITEM_OBJ(&node_term_type)),
};
static const struct type node_selector_type = TYPE("node_selector", struct node_selector, node_selector_fields);

static const struct field node_affinity_fields[] = {
    FIELD_PTR(struct node_affinity, required, struct node_selector, "requiredDuringSchedulingIgnoredDuringExecution", &node_selector_type),
};
static const struct type node_affinity_type = TYPE("node_affinity", struct node_affinity, node_affinity_fields);

static const struct field affinity_fields[] = {
    FIELD_PTR(struct affinity, node, struct node_affinity, "nodeAffinity", &node_affinity_type),
};
const struct type k8s_affinity_type = TYPE("affinity", struct affinity, affinity_fields);
