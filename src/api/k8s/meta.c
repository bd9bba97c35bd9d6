#include "api/k8s/meta.h"

static const struct field owner_ref_fields[] = {
    FIELD(struct owner_ref, api_version, STR, "apiVersion", .flags = FIELD_REQUIRED),
    FIELD(struct owner_ref, kind, STR, "kind", .flags = FIELD_REQUIRED),
    FIELD(struct owner_ref, name, STR, "name", .flags = FIELD_REQUIRED),
    FIELD(struct owner_ref, uid, STR, "uid", .flags = FIELD_REQUIRED),
    FIELD(struct owner_ref, controller, OPT_BOOL, "controller"),
    FIELD(struct owner_ref, block_owner_deletion, OPT_BOOL, "blockOwnerDeletion"),
};
const struct type owner_ref_type = TYPE("io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference", struct owner_ref, owner_ref_fields);

static const struct field object_meta_fields[] = {
    FIELD(struct object_meta, name, STR, "name"),
    FIELD(struct object_meta, generate_name, STR, "generateName"),
    FIELD(struct object_meta, namespace, STR, "namespace"),
    FIELD(struct object_meta, uid, STR, "uid"),
    FIELD(struct object_meta, resource_version, STR, "resourceVersion"),
    FIELD(struct object_meta, generation, INT, "generation"),
    FIELD(struct object_meta, created_us, TIME, "creationTimestamp"),
    FIELD(struct object_meta, deleted_us, TIME, "deletionTimestamp"),
    FIELD(struct object_meta, deletion_grace_seconds, OPT_INT, "deletionGracePeriodSeconds"),
    FIELD(struct object_meta, labels, STR_MAP, "labels"),
    FIELD(struct object_meta, annotations, STR_MAP, "annotations"),
    FIELD_LIST(struct object_meta, owners, n_owners, struct owner_ref, "ownerReferences", ITEM_OBJ(&owner_ref_type),
               .flags = FIELD_LIST_MAP | FIELD_PATCH_MERGE, RULES(.keys = "uid", .merge_key = "uid")),
    FIELD_LIST(struct object_meta, finalizers, n_finalizers, struct str, "finalizers", ITEM_STR, .flags = FIELD_LIST_SET),
};
const struct type object_meta_type = TYPE("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", struct object_meta, object_meta_fields);

static const struct field condition_fields[] = {
    FIELD(struct condition, type, STR, "type", .flags = FIELD_REQUIRED,
          RULES(.max_len = 316, .pattern = "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
                .doc = "Type of condition in CamelCase or in foo.example.com/CamelCase.")),
    FIELD(struct condition, status, STR, "status", .flags = FIELD_REQUIRED,
          RULES(ENUM("True", "False", "Unknown"), .doc = "One of True, False, Unknown.")),
    FIELD(struct condition, observed_generation, INT, "observedGeneration",
          RULES(AT_LEAST(0), .doc = "The metadata.generation that this condition was set for.")),
    FIELD(struct condition, transition_us, TIME, "lastTransitionTime", .flags = FIELD_REQUIRED,
          RULES(.doc = "When the status last changed.")),
    FIELD(struct condition, reason, STR, "reason", .flags = FIELD_REQUIRED,
          RULES(.min_len = 1, .max_len = 1024, .pattern = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
                .doc = "Why, as one CamelCase word.")),
    FIELD(struct condition, message, STR, "message", .flags = FIELD_REQUIRED,
          RULES(.max_len = 32768, .doc = "Why, for people; may be empty.")),
};
const struct type condition_type = TYPE("io.k8s.apimachinery.pkg.apis.meta.v1.Condition", struct condition, condition_fields,
                                        .doc = "One aspect of the current state.");

static const struct field selector_requirement_fields[] = {
    FIELD(struct selector_requirement, key, STR, "key", .flags = FIELD_REQUIRED, RULES(.doc = "The label key.")),
    FIELD(struct selector_requirement, op, STR, "operator", .flags = FIELD_REQUIRED,
          RULES(.doc = "In, NotIn, Exists or DoesNotExist.")),
    FIELD_LIST(struct selector_requirement, values, n_values, struct str, "values", ITEM_STR, .flags = FIELD_ATOMIC,
               RULES(.doc = "For In and NotIn; empty otherwise.")),
};
const struct type selector_requirement_type = TYPE("io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelectorRequirement",
                                                   struct selector_requirement, selector_requirement_fields);

static const struct field label_selector_fields[] = {
    FIELD(struct label_selector, match_labels, STR_MAP, "matchLabels", RULES(.doc = "Every label must have this value.")),
    FIELD_LIST(struct label_selector, match_expressions, n_match_expressions, struct selector_requirement, "matchExpressions",
               ITEM_OBJ(&selector_requirement_type), .flags = FIELD_ATOMIC, RULES(.doc = "Every requirement must hold.")),
};
const struct type label_selector_type = TYPE("io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector",
                                             struct label_selector, label_selector_fields, .flags = TYPE_ATOMIC);

struct condition *condition_find(struct condition *items, size_t n, const char *type)
{
    for (size_t i = 0; i < n; i++)
        if (str_is(items[i].type, type))
            return &items[i];
    return NULL;
}
