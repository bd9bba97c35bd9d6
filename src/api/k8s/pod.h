/*
 * The parts of core/v1 Pod that the node agent runs and the cluster's controllers read, as C structs with their tables (struct mode).
 */
#ifndef API_K8S_POD_H
#define API_K8S_POD_H

#include "api/k8s/meta.h"

struct key_ref { struct str name, key; bool optional; };        /* ConfigMapKeySelector, SecretKeySelector */
struct field_ref { struct str field_path; };
struct env_source { struct field_ref *field; struct key_ref *config_map, *secret; };
struct env_var { struct str name, value; struct env_source *from; };
struct env_from { struct str prefix; struct key_ref *config_map, *secret; };   /* key unused */

struct volume_mount { struct str name, mount_path, sub_path; bool read_only; };

struct http_action { struct str path, host, scheme; struct int_or_str port; };
struct tcp_action { struct str host; struct int_or_str port; };
struct exec_action { struct str *command; size_t n_command; };
struct probe {
    struct http_action *http;
    struct tcp_action *tcp;
    struct exec_action *exec;
    int64_t initial_delay_s, period_s, timeout_s, success_threshold, failure_threshold;
};

struct container_resources { struct str_map requests, limits; };        /* quantities as text */
struct container_port { struct str name, protocol; int64_t port; };
struct container {
    struct str name, image, working_dir, image_pull_policy;
    struct str *command, *args;
    size_t n_command, n_args;
    struct env_var *env;
    size_t n_env;
    struct env_from *env_from;
    size_t n_env_from;
    struct volume_mount *mounts;
    size_t n_mounts;
    struct container_port *ports;
    size_t n_ports;
    struct probe *startup, *readiness, *liveness;
    struct str termination_path, termination_policy;
    struct container_resources resources;
};

struct key_to_path { struct str key, path; };
struct object_volume { struct str name; struct key_to_path *items; size_t n_items; bool optional; };
struct secret_volume { struct str secret_name; struct key_to_path *items; size_t n_items; bool optional; };
struct empty_dir_volume { struct str medium; };
struct host_path_volume { struct str path, type; };
struct claim_volume { struct str claim; bool read_only; };
struct pod_volume {                     /* a volume with none of these is of a kind this system does not mount */
    struct str name;
    struct empty_dir_volume *empty_dir;
    struct host_path_volume *host_path;
    struct object_volume *config_map;
    struct secret_volume *secret;
    struct claim_volume *claim;
};

struct toleration { struct str key, op, value, effect; struct opt_int seconds; };

struct pod_spec {
    struct container *init, *containers;
    size_t n_init, n_containers;
    struct pod_volume *volumes;
    size_t n_volumes;
    struct str restart_policy, node_name, service_account, hostname, subdomain, scheduler_name;
    struct opt_int grace_s;
    struct str_map node_selector;
    json_t *affinity;                   /* read by the scheduler through its own table */
    struct toleration *tolerations;
    size_t n_tolerations;
};

struct pod_status { struct str phase, reason, message, pod_ip, host_ip; };

struct pod {
    struct object_meta meta;
    struct pod_spec spec;
    struct pod_status status;
};
extern const struct type pod_type, pod_spec_type;

#endif
