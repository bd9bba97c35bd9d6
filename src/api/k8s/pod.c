#include "api/k8s/pod.h"

static const struct field key_ref_fields[] = {
    FIELD(struct key_ref, name, STR, "name"),
    FIELD(struct key_ref, key, STR, "key"),
    FIELD(struct key_ref, optional, BOOL, "optional"),
};
static const struct type key_ref_type = TYPE("key_ref", struct key_ref, key_ref_fields);

static const struct field field_ref_fields[] = { FIELD(struct field_ref, field_path, STR, "fieldPath") };
static const struct type field_ref_type = TYPE("field_ref", struct field_ref, field_ref_fields);

static const struct field env_source_fields[] = {
    FIELD_PTR(struct env_source, field, struct field_ref, "fieldRef", &field_ref_type),
    FIELD_PTR(struct env_source, config_map, struct key_ref, "configMapKeyRef", &key_ref_type),
    FIELD_PTR(struct env_source, secret, struct key_ref, "secretKeyRef", &key_ref_type),
};
static const struct type env_source_type = TYPE("env_source", struct env_source, env_source_fields);

static const struct field env_var_fields[] = {
    FIELD(struct env_var, name, STR, "name"),
    FIELD(struct env_var, value, STR, "value"),
    FIELD_PTR(struct env_var, from, struct env_source, "valueFrom", &env_source_type),
};
static const struct type env_var_type = TYPE("env_var", struct env_var, env_var_fields);

static const struct field env_from_fields[] = {
    FIELD(struct env_from, prefix, STR, "prefix"),
    FIELD_PTR(struct env_from, config_map, struct key_ref, "configMapRef", &key_ref_type),
    FIELD_PTR(struct env_from, secret, struct key_ref, "secretRef", &key_ref_type),
};
static const struct type env_from_type = TYPE("env_from", struct env_from, env_from_fields);

static const struct field mount_fields[] = {
    FIELD(struct volume_mount, name, STR, "name"),
    FIELD(struct volume_mount, mount_path, STR, "mountPath"),
    FIELD(struct volume_mount, sub_path, STR, "subPath"),
    FIELD(struct volume_mount, read_only, BOOL, "readOnly"),
};
static const struct type mount_type = TYPE("volume_mount", struct volume_mount, mount_fields);

static const struct field http_fields[] = {
    FIELD(struct http_action, path, STR, "path"),
    FIELD(struct http_action, host, STR, "host"),
    FIELD(struct http_action, scheme, STR, "scheme"),
    FIELD(struct http_action, port, INT_OR_STR, "port"),
};
static const struct type http_type = TYPE("http_action", struct http_action, http_fields);

static const struct field tcp_fields[] = {
    FIELD(struct tcp_action, host, STR, "host"),
    FIELD(struct tcp_action, port, INT_OR_STR, "port"),
};
static const struct type tcp_type = TYPE("tcp_action", struct tcp_action, tcp_fields);

static const struct field exec_fields[] = {
    FIELD_LIST(struct exec_action, command, n_command, struct str, "command", ITEM_STR),
};
static const struct type exec_type = TYPE("exec_action", struct exec_action, exec_fields);

static const struct field probe_fields[] = {
    FIELD_PTR(struct probe, http, struct http_action, "httpGet", &http_type),
    FIELD_PTR(struct probe, tcp, struct tcp_action, "tcpSocket", &tcp_type),
    FIELD_PTR(struct probe, exec, struct exec_action, "exec", &exec_type),
    FIELD(struct probe, initial_delay_s, INT, "initialDelaySeconds"),
    FIELD(struct probe, period_s, INT, "periodSeconds", RULES(.def = "10")),
    FIELD(struct probe, timeout_s, INT, "timeoutSeconds", RULES(.def = "1")),
    FIELD(struct probe, success_threshold, INT, "successThreshold", RULES(.def = "1")),
    FIELD(struct probe, failure_threshold, INT, "failureThreshold", RULES(.def = "3")),
};
static const struct type probe_type = TYPE("probe", struct probe, probe_fields);

static const struct field port_fields[] = {
    FIELD(struct container_port, name, STR, "name"),
    FIELD(struct container_port, protocol, STR, "protocol"),
    FIELD(struct container_port, port, INT, "containerPort"),
};
static const struct type port_type = TYPE("container_port", struct container_port, port_fields);

static const struct field resources_fields[] = {
    FIELD(struct container_resources, requests, STR_MAP, "requests"),
    FIELD(struct container_resources, limits, STR_MAP, "limits"),
};
static const struct type resources_type = TYPE("container_resources", struct container_resources, resources_fields);

static const struct field container_fields[] = {
    FIELD(struct container, name, STR, "name"),
    FIELD(struct container, image, STR, "image"),
    FIELD(struct container, working_dir, STR, "workingDir"),
    FIELD(struct container, image_pull_policy, STR, "imagePullPolicy"),
    FIELD_LIST(struct container, command, n_command, struct str, "command", ITEM_STR),
    FIELD_LIST(struct container, args, n_args, struct str, "args", ITEM_STR),
    FIELD_LIST(struct container, env, n_env, struct env_var, "env", ITEM_OBJ(&env_var_type)),
    FIELD_LIST(struct container, env_from, n_env_from, struct env_from, "envFrom", ITEM_OBJ(&env_from_type)),
    FIELD_LIST(struct container, mounts, n_mounts, struct volume_mount, "volumeMounts", ITEM_OBJ(&mount_type)),
    FIELD_LIST(struct container, ports, n_ports, struct container_port, "ports", ITEM_OBJ(&port_type)),
    FIELD_PTR(struct container, startup, struct probe, "startupProbe", &probe_type),
    FIELD_PTR(struct container, readiness, struct probe, "readinessProbe", &probe_type),
    FIELD_PTR(struct container, liveness, struct probe, "livenessProbe", &probe_type),
    FIELD(struct container, termination_path, STR, "terminationMessagePath"),
    FIELD(struct container, termination_policy, STR, "terminationMessagePolicy"),
    FIELD_OBJ(struct container, resources, struct container_resources, "resources", &resources_type),
};
static const struct type container_type = TYPE("container", struct container, container_fields);

static const struct field key_to_path_fields[] = {
    FIELD(struct key_to_path, key, STR, "key"),
    FIELD(struct key_to_path, path, STR, "path"),
};
static const struct type key_to_path_type = TYPE("key_to_path", struct key_to_path, key_to_path_fields);

static const struct field config_map_fields[] = {
    FIELD(struct object_volume, name, STR, "name"),
    FIELD_LIST(struct object_volume, items, n_items, struct key_to_path, "items", ITEM_OBJ(&key_to_path_type)),
    FIELD(struct object_volume, optional, BOOL, "optional"),
};
static const struct type config_map_type = TYPE("config_map_volume", struct object_volume, config_map_fields);

static const struct field secret_fields[] = {
    FIELD(struct secret_volume, secret_name, STR, "secretName"),
    FIELD_LIST(struct secret_volume, items, n_items, struct key_to_path, "items", ITEM_OBJ(&key_to_path_type)),
    FIELD(struct secret_volume, optional, BOOL, "optional"),
};
static const struct type secret_type = TYPE("secret_volume", struct secret_volume, secret_fields);

static const struct field empty_dir_fields[] = { FIELD(struct empty_dir_volume, medium, STR, "medium") };
static const struct type empty_dir_type = TYPE("empty_dir_volume", struct empty_dir_volume, empty_dir_fields);

static const struct field host_path_fields[] = {
    FIELD(struct host_path_volume, path, STR, "path"),
    FIELD(struct host_path_volume, type, STR, "type"),
};
static const struct type host_path_type = TYPE("host_path_volume", struct host_path_volume, host_path_fields);

static const struct field claim_fields[] = {
    FIELD(struct claim_volume, claim, STR, "claimName"),
    FIELD(struct claim_volume, read_only, BOOL, "readOnly"),
};
static const struct type claim_type = TYPE("claim_volume", struct claim_volume, claim_fields);

static const struct field volume_fields[] = {
    FIELD(struct pod_volume, name, STR, "name"),
    FIELD_PTR(struct pod_volume, empty_dir, struct empty_dir_volume, "emptyDir", &empty_dir_type),
    FIELD_PTR(struct pod_volume, host_path, struct host_path_volume, "hostPath", &host_path_type),
    FIELD_PTR(struct pod_volume, config_map, struct object_volume, "configMap", &config_map_type),
    FIELD_PTR(struct pod_volume, secret, struct secret_volume, "secret", &secret_type),
    FIELD_PTR(struct pod_volume, claim, struct claim_volume, "persistentVolumeClaim", &claim_type),
};
static const struct type volume_type = TYPE("pod_volume", struct pod_volume, volume_fields);

static const struct field toleration_fields[] = {
    FIELD(struct toleration, key, STR, "key"),
    FIELD(struct toleration, op, STR, "operator"),
    FIELD(struct toleration, value, STR, "value"),
    FIELD(struct toleration, effect, STR, "effect"),
    FIELD(struct toleration, seconds, OPT_INT, "tolerationSeconds"),
};
static const struct type toleration_type = TYPE("toleration", struct toleration, toleration_fields);

static const struct field spec_fields[] = {
    FIELD_LIST(struct pod_spec, init, n_init, struct container, "initContainers", ITEM_OBJ(&container_type)),
    FIELD_LIST(struct pod_spec, containers, n_containers, struct container, "containers", ITEM_OBJ(&container_type)),
    FIELD_LIST(struct pod_spec, volumes, n_volumes, struct pod_volume, "volumes", ITEM_OBJ(&volume_type)),
    FIELD(struct pod_spec, restart_policy, STR, "restartPolicy"),
    FIELD(struct pod_spec, node_name, STR, "nodeName"),
    FIELD(struct pod_spec, service_account, STR, "serviceAccountName"),
    FIELD(struct pod_spec, hostname, STR, "hostname"),
    FIELD(struct pod_spec, subdomain, STR, "subdomain"),
    FIELD(struct pod_spec, scheduler_name, STR, "schedulerName"),
    FIELD(struct pod_spec, grace_s, OPT_INT, "terminationGracePeriodSeconds"),
    FIELD(struct pod_spec, node_selector, STR_MAP, "nodeSelector"),
    FIELD(struct pod_spec, affinity, ANY, "affinity"),
    FIELD_LIST(struct pod_spec, tolerations, n_tolerations, struct toleration, "tolerations", ITEM_OBJ(&toleration_type)),
};
const struct type pod_spec_type = TYPE("io.k8s.api.core.v1.PodSpec", struct pod_spec, spec_fields);

static const struct field status_fields[] = {
    FIELD(struct pod_status, phase, STR, "phase"),
    FIELD(struct pod_status, reason, STR, "reason"),
    FIELD(struct pod_status, message, STR, "message"),
    FIELD(struct pod_status, pod_ip, STR, "podIP"),
    FIELD(struct pod_status, host_ip, STR, "hostIP"),
};
static const struct type status_type = TYPE("io.k8s.api.core.v1.PodStatus", struct pod_status, status_fields);

static const struct field pod_fields[] = {
    FIELD_OBJ(struct pod, meta, struct object_meta, "metadata", &object_meta_type),
    FIELD_OBJ(struct pod, spec, struct pod_spec, "spec", &pod_spec_type),
    FIELD_OBJ(struct pod, status, struct pod_status, "status", &status_type),
};
const struct type pod_type = TYPE("io.k8s.api.core.v1.Pod", struct pod, pod_fields);
