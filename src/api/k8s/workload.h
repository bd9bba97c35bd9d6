/*
 * The parts of StatefulSet, Job and Service that the cluster's controllers read, as C structs with their tables (struct mode).
 */
#ifndef API_K8S_WORKLOAD_H
#define API_K8S_WORKLOAD_H

#include "api/k8s/meta.h"

struct rolling_update { int64_t partition; };
struct update_strategy { struct str type; struct rolling_update *rolling; };
struct ordinals { int64_t start; };
struct stateful_set_spec {
    struct opt_int replicas;
    struct str service_name, pod_management;    /* OrderedReady, Parallel */
    struct update_strategy update;              /* RollingUpdate, OnDelete */
    struct ordinals ordinals;
    int64_t min_ready_s;
    json_t *selector, *template;
    json_t **claims;                            /* volumeClaimTemplates */
    size_t n_claims;
};
struct stateful_set { struct object_meta meta; struct stateful_set_spec spec; };

struct job_spec {
    struct opt_int parallelism, completions, backoff_limit, deadline_s, ttl_s;
    bool suspend;
    struct str completion_mode;                 /* NonIndexed, Indexed */
    json_t *template;
};
struct job { struct object_meta meta; struct job_spec spec; };

struct service_port { struct str name, protocol, app_protocol; int64_t port; struct int_or_str target; };
struct service_spec {
    struct str_map selector;
    struct service_port *ports;
    size_t n_ports;
    struct str type, cluster_ip;
    bool publish_not_ready;
};
struct service { struct object_meta meta; struct service_spec spec; };

extern const struct type k8s_stateful_set_type, k8s_job_type, k8s_service_type;

#endif
