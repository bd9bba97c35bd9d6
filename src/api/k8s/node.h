/*
 * The parts of Node, and of a pod's node affinity, that scheduling reads (struct mode).
 */
#ifndef API_K8S_NODE_H
#define API_K8S_NODE_H

#include "api/k8s/meta.h"

struct taint { struct str key, value, effect; };        /* NoSchedule, PreferNoSchedule, NoExecute */
struct node_spec { bool unschedulable; struct taint *taints; size_t n_taints; };
struct node_status { struct str_map allocatable, capacity; };   /* quantities as text */
struct node { struct object_meta meta; struct node_spec spec; struct node_status status; };

struct node_term {                      /* all must hold */
    struct selector_requirement *labels, *fields;
    size_t n_labels, n_fields;
};
struct node_selector { struct node_term *terms; size_t n_terms; };      /* one must hold */
struct node_affinity { struct node_selector *required; };
struct affinity { struct node_affinity *node; };

extern const struct type k8s_node_type, k8s_affinity_type;

#endif
