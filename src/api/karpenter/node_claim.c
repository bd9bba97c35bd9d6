#include "api/karpenter/node_claim.h"

#define LABEL_PATTERN "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*(\\/))?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$"
#define QUANTITY_PATTERN "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$"

/* Karpenter's own rules, word by word: what breaks them must be told as there. */
#define RESTRICTED_DOMAIN                                                                                                               \
    { "self in [\"karpenter.sh/capacity-type\", \"karpenter.sh/nodepool\"] || !self.find(\"^([^/]+)\").endsWith(\"karpenter.sh\")",     \
      "label domain \"karpenter.sh\" is restricted" }
#define RESTRICTED_HOSTNAME { "self != \"kubernetes.io/hostname\"", "label \"kubernetes.io/hostname\" is restricted" }
#define NOT_EMPTY(what) CEL({ "self != ''", what " may not be empty" })
#define IN_HAS_VALUES                                                                                                                   \
    { "self.all(x, x.operator == 'In' ? x.values.size() != 0 : true)", "requirements with operator 'In' must have a value defined" }
#define ONE_BOUND                                                                                                                       \
    { "self.all(x, (x.operator == 'Gt' || x.operator == 'Lt' || x.operator == 'Gte' || x.operator == 'Lte') ? "                         \
      "(x.values.size() == 1 && int(x.values[0]) >= 0) : true)",                                                                        \
      "requirements operator 'Gt', 'Lt', 'Gte', or 'Lte' must have a single positive integer value" }
#define ENOUGH_VALUES                                                                                                                   \
    { "self.all(x, (x.operator == 'In' && has(x.minValues)) ? x.values.size() >= x.minValues : true)",                                  \
      "requirements with 'minValues' must have at least that many values specified in the 'values' field" }

static const struct field requirement_fields[] = {
    FIELD(struct claim_requirement, key, STR, "key", .flags = FIELD_REQUIRED,
          RULES(.max_len = 316, .pattern = LABEL_PATTERN, CEL(RESTRICTED_DOMAIN, RESTRICTED_HOSTNAME), .doc = "Label key.")),
    FIELD(struct claim_requirement, min_values, OPT_INT, "minValues", .flags = FIELD_ANY_INT, RULES(AT_LEAST(1), AT_MOST(50), .doc = "Distinct values wanted.")),
    FIELD(struct claim_requirement, op, STR, "operator", .flags = FIELD_REQUIRED,
          RULES(ENUM("Gte", "Lte", "In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"), .doc = "How values are compared.")),
    FIELD_LIST(struct claim_requirement, values, n_values, struct str, "values", ITEM_STR, .flags = FIELD_ATOMIC, RULES(.doc = "Values.")),
};
static const struct type requirement_type = TYPE("sh.karpenter.v1.NodeSelectorRequirement", struct claim_requirement, requirement_fields);

static const struct field taint_fields[] = {
    FIELD(struct claim_taint, effect, STR, "effect", .flags = FIELD_REQUIRED, RULES(ENUM("NoSchedule", "PreferNoSchedule", "NoExecute"), .doc = "What it does.")),
    FIELD(struct claim_taint, key, STR, "key", .flags = FIELD_REQUIRED, RULES(.min_len = 1, .pattern = LABEL_PATTERN, .doc = "Taint key.")),
    FIELD(struct claim_taint, time_added_us, TIME, "timeAdded", RULES(.doc = "When it was added.")),
    FIELD(struct claim_taint, value, STR, "value", RULES(.pattern = LABEL_PATTERN, .doc = "Taint value.")),
};
static const struct type taint_type = TYPE("io.k8s.api.core.v1.Taint", struct claim_taint, taint_fields);

static const struct field class_ref_fields[] = {
    FIELD(struct claim_class_ref, group, STR, "group", .flags = FIELD_REQUIRED, RULES(.pattern = "^[^/]*$", NOT_EMPTY("group"), .doc = "API group of the node class.")),
    FIELD(struct claim_class_ref, kind, STR, "kind", .flags = FIELD_REQUIRED, RULES(NOT_EMPTY("kind"), .doc = "Kind of the node class.")),
    FIELD(struct claim_class_ref, name, STR, "name", .flags = FIELD_REQUIRED, RULES(NOT_EMPTY("name"), .doc = "Name of the node class.")),
};
static const struct type class_ref_type = TYPE("sh.karpenter.v1.NodeClassReference", struct claim_class_ref, class_ref_fields);

static const struct field item_quantity = { .kind = FIELD_QUANTITY, .rep = REP_STR, RULES(.pattern = QUANTITY_PATTERN) };
static const struct field resources_fields[] = {
    { .json = "requests", .kind = FIELD_MAP, .rep = REP_STR_MAP, .item = &item_quantity,
      .off = offsetof(struct claim_resources, requests), RULES(.doc = "Least resources of the machine.") },
};
static const struct type resources_type = TYPE("sh.karpenter.v1.ResourceRequirements", struct claim_resources, resources_fields);

#define T struct claim_spec
static const struct field spec_fields[] = {
    FIELD(T, expire_after, STR, "expireAfter", RULES(.def = "\"720h\"", .pattern = "^(([0-9]+(s|m|h))+|Never)$", .doc = "Life time of the machine.")),
    FIELD_OBJ(T, class_ref, struct claim_class_ref, "nodeClassRef", &class_ref_type, .flags = FIELD_REQUIRED, RULES(.doc = "Which provisioner acts.")),
    FIELD_LIST(T, requirements, n_requirements, struct claim_requirement, "requirements", ITEM_OBJ(&requirement_type),
               .flags = FIELD_REQUIRED, RULES(.max_len = 100, CEL(IN_HAS_VALUES, ONE_BOUND, ENOUGH_VALUES), .doc = "What the machine must be.")),
    FIELD_OBJ(T, resources, struct claim_resources, "resources", &resources_type, RULES(.doc = "Least resources.")),
    FIELD_LIST(T, startup_taints, n_startup_taints, struct claim_taint, "startupTaints", ITEM_OBJ(&taint_type), RULES(.doc = "Taints gone before pods come.")),
    FIELD_LIST(T, taints, n_taints, struct claim_taint, "taints", ITEM_OBJ(&taint_type), RULES(.doc = "Taints of the Node.")),
    FIELD(T, termination_grace_period, STR, "terminationGracePeriod", RULES(.pattern = "^([0-9]+(s|m|h))+$", .doc = "Longest drain.")),
};
#undef T
static const struct type spec_type = TYPE("sh.karpenter.v1.NodeClaimSpec", struct claim_spec, spec_fields);

/* Conditions here allow an empty reason, unlike metav1's (dossier 1.1). */
#define T struct condition
static const struct field claim_condition_fields[] = {
    FIELD(T, transition_us, TIME, "lastTransitionTime", .flags = FIELD_REQUIRED),
    FIELD(T, message, STR, "message", .flags = FIELD_KEEP_EMPTY, RULES(.max_len = 32768)),
    FIELD(T, observed_generation, INT, "observedGeneration", RULES(AT_LEAST(0), .format = "int64")),
    FIELD(T, reason, STR, "reason", .flags = FIELD_KEEP_EMPTY, RULES(.max_len = 1024, .pattern = "^([A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?|)$")),
    FIELD(T, status, STR, "status", .flags = FIELD_REQUIRED, RULES(ENUM("True", "False", "Unknown"))),
    FIELD(T, type, STR, "type", .flags = FIELD_REQUIRED, RULES(.max_len = 316,
          .pattern = "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$")),
};
#undef T
static const struct type claim_condition_type = TYPE("sh.karpenter.v1.Condition", struct condition, claim_condition_fields);

#define T struct claim_status
static const struct field status_fields[] = {
    { .json = "allocatable", .kind = FIELD_MAP, .item = &item_quantity, RULES(.doc = "Expected allocatable resources.") },
    { .json = "capacity", .kind = FIELD_MAP, .item = &item_quantity, RULES(.doc = "Expected capacity.") },
    FIELD_LIST(T, conditions, n_conditions, struct condition, "conditions", ITEM_OBJ(&claim_condition_type), RULES(.doc = "Launched, Registered, Initialized, Ready.")),
    FIELD(T, image_id, STR, "imageID", RULES(.doc = "Image of the machine.")),
    { .json = "lastPodEventTime", .kind = FIELD_TIME, RULES(.doc = "Last time a pod came or went.") },
    FIELD(T, node_name, STR, "nodeName", RULES(.doc = "The registered Node.")),
    FIELD(T, provider_id, STR, "providerID", RULES(.doc = "The machine's name in its cloud.")),
};
#undef T
static const struct type status_type = TYPE("sh.karpenter.v1.NodeClaimStatus", struct claim_status, status_fields);

#define T struct node_claim
static const struct field node_claim_fields[] = {
    FIELD(T, api_version, STR, "apiVersion"),
    FIELD(T, kind, STR, "kind"),
    FIELD_OBJ(T, meta, struct object_meta, "metadata", &object_meta_type),
    FIELD_OBJ(T, spec, struct claim_spec, "spec", &spec_type, .flags = FIELD_REQUIRED,
              RULES(CEL({ "self == oldSelf", "spec is immutable" }), .doc = "The machine wanted.")),
    FIELD_OBJ(T, status, struct claim_status, "status", &status_type, RULES(.doc = "Written by the provisioner.")),
};
#undef T
const struct type node_claim_type = TYPE("sh.karpenter.v1.NodeClaim", struct node_claim, node_claim_fields, .flags = TYPE_ROOT,
                                         .group = "karpenter.sh", .version = "v1", .kind = "NodeClaim", .doc = "One machine for the cluster.");

struct str node_claim_requirement(const struct node_claim *c, const char *key)
{
    for (size_t i = 0; i < c->spec.n_requirements; i++) {
        const struct claim_requirement *r = &c->spec.requirements[i];

        if (str_is(r->key, key) && str_is(r->op, "In") && r->n_values > 0)
            return r->values[0];
    }
    return (struct str){ 0 };
}
