#include "api/k8s/workload.h"

static const struct field rolling_fields[] = { FIELD(struct rolling_update, partition, INT, "partition") };
static const struct type rolling_type = TYPE("rolling_update", struct rolling_update, rolling_fields);

static const struct field update_fields[] = {
    FIELD(struct update_strategy, type, STR, "type", RULES(.def = "\"RollingUpdate\"")),
    FIELD_PTR(struct update_strategy, rolling, struct rolling_update, "rollingUpdate", &rolling_type),
};
static const struct type update_type = TYPE("update_strategy", struct update_strategy, update_fields);

static const struct field ordinals_fields[] = { FIELD(struct ordinals, start, INT, "start") };
static const struct type ordinals_type = TYPE("ordinals", struct ordinals, ordinals_fields);

static const struct field stateful_set_spec_fields[] = {
    FIELD(struct stateful_set_spec, replicas, OPT_INT, "replicas"),
    FIELD(struct stateful_set_spec, service_name, STR, "serviceName"),
    FIELD(struct stateful_set_spec, pod_management, STR, "podManagementPolicy"),
    FIELD_OBJ(struct stateful_set_spec, update, struct update_strategy, "updateStrategy", &update_type),
    FIELD_OBJ(struct stateful_set_spec, ordinals, struct ordinals, "ordinals", &ordinals_type),
    FIELD(struct stateful_set_spec, min_ready_s, INT, "minReadySeconds"),
    FIELD(struct stateful_set_spec, selector, ANY, "selector"),
    FIELD(struct stateful_set_spec, template, ANY, "template"),
    FIELD_LIST(struct stateful_set_spec, claims, n_claims, json_t *, "volumeClaimTemplates", ITEM_ANY),
};
static const struct type stateful_set_spec_type = TYPE("stateful_set_spec", struct stateful_set_spec, stateful_set_spec_fields);

static const struct field stateful_set_fields[] = {
    FIELD_OBJ(struct stateful_set, meta, struct object_meta, "metadata", &object_meta_type),
    FIELD_OBJ(struct stateful_set, spec, struct stateful_set_spec, "spec", &stateful_set_spec_type),
};
const struct type k8s_stateful_set_type = TYPE("stateful_set", struct stateful_set, stateful_set_fields);

static const struct field job_spec_fields[] = {
    FIELD(struct job_spec, parallelism, OPT_INT, "parallelism"),
    FIELD(struct job_spec, completions, OPT_INT, "completions"),
    FIELD(struct job_spec, backoff_limit, OPT_INT, "backoffLimit"),
    FIELD(struct job_spec, deadline_s, OPT_INT, "activeDeadlineSeconds"),
    FIELD(struct job_spec, ttl_s, OPT_INT, "ttlSecondsAfterFinished"),
    FIELD(struct job_spec, suspend, BOOL, "suspend"),
    FIELD(struct job_spec, completion_mode, STR, "completionMode"),
    FIELD(struct job_spec, template, ANY, "template"),
};
static const struct type job_spec_type = TYPE("job_spec", struct job_spec, job_spec_fields);

static const struct field job_fields[] = {
    FIELD_OBJ(struct job, meta, struct object_meta, "metadata", &object_meta_type),
    FIELD_OBJ(struct job, spec, struct job_spec, "spec", &job_spec_type),
};
const struct type k8s_job_type = TYPE("job", struct job, job_fields);

static const struct field service_port_fields[] = {
    FIELD(struct service_port, name, STR, "name"),
    FIELD(struct service_port, protocol, STR, "protocol", RULES(.def = "\"TCP\"")),
    FIELD(struct service_port, app_protocol, STR, "appProtocol"),
    FIELD(struct service_port, port, INT, "port"),
    FIELD(struct service_port, target, INT_OR_STR, "targetPort"),
};
static const struct type service_port_type = TYPE("service_port", struct service_port, service_port_fields);

static const struct field service_spec_fields[] = {
    FIELD(struct service_spec, selector, STR_MAP, "selector"),
    FIELD_LIST(struct service_spec, ports, n_ports, struct service_port, "ports", ITEM_OBJ(&service_port_type)),
    FIELD(struct service_spec, type, STR, "type"),
    FIELD(struct service_spec, cluster_ip, STR, "clusterIP"),
    FIELD(struct service_spec, publish_not_ready, BOOL, "publishNotReadyAddresses"),
};
static const struct type service_spec_type = TYPE("service_spec", struct service_spec, service_spec_fields);

static const struct field service_fields[] = {
    FIELD_OBJ(struct service, meta, struct object_meta, "metadata", &object_meta_type),
    FIELD_OBJ(struct service, spec, struct service_spec, "spec", &service_spec_type),
};
const struct type k8s_service_type = TYPE("service", struct service, service_fields);
