/*
 * The parts of ObjectMeta and friends that controllers read, as C structs with their tables (struct mode).
 */
#ifndef API_K8S_META_H
#define API_K8S_META_H

#include "schema/schema.h"

struct owner_ref {
    struct str api_version, kind, name, uid;
    struct opt_bool controller, block_owner_deletion;
};

struct object_meta {
    struct str name, generate_name, namespace, uid, resource_version;
    int64_t generation;
    int64_t created_us, deleted_us;             /* creationTimestamp, deletionTimestamp; 0: absent */
    struct opt_int deletion_grace_seconds;
    struct str_map labels, annotations;
    struct owner_ref *owners;
    size_t n_owners;
    struct str *finalizers;
    size_t n_finalizers;
};

struct condition {                              /* metav1.Condition */
    struct str type, status;                    /* status: True, False, Unknown */
    int64_t observed_generation;
    int64_t transition_us;                      /* lastTransitionTime */
    struct str reason, message;
};

struct selector_requirement {
    struct str key, op;                         /* In, NotIn, Exists, DoesNotExist (nodes also Gt, Lt) */
    struct str *values;
    size_t n_values;
};

struct label_selector {
    struct str_map match_labels;
    struct selector_requirement *match_expressions;
    size_t n_match_expressions;
};

extern const struct type object_meta_type, owner_ref_type, condition_type, selector_requirement_type, label_selector_type;

/* NULL when there is none of that type. */
struct condition *condition_find(struct condition *items, size_t n, const char *type);

#endif
