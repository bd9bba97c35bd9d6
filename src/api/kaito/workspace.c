/* The field tables of Workspace. Order is upstream's Go struct order: the revision hash depends on it. */
#include "api/kaito/workspace.h"

/* ---- shared by both versions -------------------------------------------------------------------------------- */

#define T struct ws_source
static const struct field source_fields[] = {
    FIELD(T, name, STR, "name", RULES(.doc = "Name of the source; an adapter is called by it.")),
    FIELD_LIST(T, urls, n_urls, struct str, "urls", ITEM_STR, RULES(.doc = "http or https addresses of the files.")),
    FIELD(T, volume, ANY, "volumeSource", .flags = FIELD_PRESERVE, RULES(.doc = "A Kubernetes volume that holds the files.")),
    FIELD(T, image, STR, "image", RULES(.doc = "An OCI image that holds the files in /data.")),
    FIELD_LIST(T, image_pull_secrets, n_image_pull_secrets, struct str, "imagePullSecrets", ITEM_STR,
               RULES(.doc = "Secrets in the same namespace to pull the image with.")),
};
#undef T
static const struct type source_type = TYPE("sh.kaito.DataSource", struct ws_source, source_fields);

#define T struct ws_destination
static const struct field destination_fields[] = {
    FIELD(T, volume, ANY, "volumeSource", .flags = FIELD_PRESERVE, RULES(.doc = "A Kubernetes volume the result is written to.")),
    FIELD(T, image, STR, "image", RULES(.doc = "The image reference the result is pushed to.")),
    FIELD(T, image_push_secret, STR, "imagePushSecret", RULES(.doc = "A kubernetes.io/dockerconfigjson Secret in the same namespace.")),
};
#undef T
static const struct type destination_type = TYPE("sh.kaito.DataDestination", struct ws_destination, destination_fields);

#define T struct ws_adapter
static const struct field adapter_fields[] = {
    FIELD_PTR(T, source, struct ws_source, "source", &source_type, RULES(.doc = "Where the adapter's files come from.")),
    FIELD(T, strength, STR, "strength", RULES(.doc = "Weight of the adapter, 0 to 1.")),
};
#undef T
static const struct type adapter_type = TYPE("sh.kaito.AdapterSpec", struct ws_adapter, adapter_fields);

/* Upstream's generator wrote the list twice, under allOf; the API server's answer to a wrong mode shows it. */
#define MODES { .kind = FIELD_ANY, .flags = FIELD_UNTYPED, RULES(ENUM("mig", "accelerator")) }
static const struct field mode_twice[] = { MODES, MODES };
static const struct field_logic mode_logic = { .all_of = mode_twice, .n_all = ARRAY_LEN(mode_twice) };
#undef MODES

#define T struct ws_partition
static const struct field partition_fields[] = {
    FIELD(T, mode, STR, "mode", .flags = FIELD_REQUIRED, RULES(.logic = &mode_logic, .doc = "How a GPU node is divided: mig or accelerator.")),
    FIELD(T, profile, STR, "profile", RULES(.doc = "MIG profile, for example 1g.10gb.")),
    FIELD(T, count, OPT_INT, "count", .flags = FIELD_ANY_INT, RULES(AT_LEAST(1), .doc = "Accelerators of a node to use.")),
};
#undef T
static const struct type partition_type = TYPE("sh.kaito.PartitionSpec", struct ws_partition, partition_fields);

/* ---- per version --------------------------------------------------------------------------------------------- */

#define T struct ws_resource
#define RESOURCE_COUNT                                                                                              \
    FIELD(T, count, OPT_INT, "count", .flags = FIELD_ANY_INT, RULES(.def = "1", .doc = "Number of nodes wanted."))
#define RESOURCE_REST                                                                                               \
    FIELD_PTR(T, label_selector, struct label_selector, "labelSelector", &label_selector_type,                      \
              .flags = FIELD_REQUIRED | FIELD_ATOMIC, RULES(.doc = "Labels of the nodes to use; new nodes get them.")), \
    FIELD_LIST(T, preferred_nodes, n_preferred_nodes, struct str, "preferredNodes", ITEM_STR,                       \
               RULES(.doc = "Accepted for compatibility; no effect."))
static const struct field resource_v1beta1_fields[] = {
    RESOURCE_COUNT,
    FIELD(T, instance_type, STR, "instanceType",
          RULES(.doc = "Machine type of every node. Empty when the nodes are your own (node auto-provisioning disabled).")),
    RESOURCE_REST,
    FIELD_PTR(T, partition, struct ws_partition, "partition", &partition_type, RULES(.doc = "Use part of a GPU node.")),
};
static const struct field resource_v1alpha1_fields[] = {
    RESOURCE_COUNT,
    FIELD(T, instance_type, STR, "instanceType",
          RULES(.def = "\"Standard_NC24ads_A100_v4\"", .doc = "Machine type of every node.")),
    RESOURCE_REST,
};
#undef T
const struct type ws_resource_type = TYPE("sh.kaito.v1beta1.ResourceSpec", struct ws_resource, resource_v1beta1_fields);
static const struct type resource_v1alpha1 = TYPE("sh.kaito.v1alpha1.ResourceSpec", struct ws_resource, resource_v1alpha1_fields);

#define T struct ws_preset_options
#define OPTIONS_COMMON                                                                                              \
    FIELD(T, image, STR, "image", RULES(.doc = "Deprecated: no effect.")),                                          \
    FIELD_LIST(T, image_pull_secrets, n_image_pull_secrets, struct str, "imagePullSecrets", ITEM_STR, RULES(.doc = "Deprecated: no effect."))
static const struct field options_v1beta1_fields[] = {
    OPTIONS_COMMON,
    FIELD(T, model_access_secret, STR, "modelAccessSecret", RULES(.doc = "Secret whose key HF_TOKEN opens a gated model.")),
};
static const struct field options_v1alpha1_fields[] = { OPTIONS_COMMON };
#undef T
static const struct type options_v1beta1 = TYPE("sh.kaito.v1beta1.PresetOptions", struct ws_preset_options, options_v1beta1_fields);
static const struct type options_v1alpha1 = TYPE("sh.kaito.v1alpha1.PresetOptions", struct ws_preset_options, options_v1alpha1_fields);

#define T struct ws_preset
#define PRESET_FIELDS(version)                                                                                      \
    FIELD(T, name, STR, "name", .flags = FIELD_REQUIRED, RULES(.doc = "A preset's name or a Hugging Face id (owner/model).")), \
    FIELD(T, access_mode, STR, "accessMode", RULES(.def = "\"public\"", ENUM("public", "private"), .doc = "Deprecated: no effect.")), \
    FIELD_OBJ(T, options, struct ws_preset_options, "presetOptions", &options_##version,                            \
              .flags = FIELD_KEEP_EMPTY, RULES(.doc = "Options of the preset."))
static const struct field preset_v1beta1_fields[] = { PRESET_FIELDS(v1beta1) };
static const struct field preset_v1alpha1_fields[] = { PRESET_FIELDS(v1alpha1) };
#undef T
static const struct type preset_v1beta1 = TYPE("sh.kaito.v1beta1.PresetSpec", struct ws_preset, preset_v1beta1_fields);
static const struct type preset_v1alpha1 = TYPE("sh.kaito.v1alpha1.PresetSpec", struct ws_preset, preset_v1alpha1_fields);

#define T struct ws_inference
#define INFERENCE_FIELDS(version)                                                                                   \
    FIELD_PTR(T, preset, struct ws_preset, "preset", &preset_##version, RULES(.doc = "The model to serve.")),       \
    FIELD(T, pod_template, ANY, "template", .flags = FIELD_PRESERVE, RULES(.doc = "A pod template of your own instead of a preset.")), \
    FIELD(T, config, STR, "config", RULES(.doc = "ConfigMap with inference_config.yaml.")),                         \
    FIELD_LIST(T, adapters, n_adapters, struct ws_adapter, "adapters", ITEM_OBJ(&adapter_type), RULES(.doc = "LoRA adapters to load, at most 10."))
static const struct field inference_v1beta1_fields[] = { INFERENCE_FIELDS(v1beta1) };
static const struct field inference_v1alpha1_fields[] = { INFERENCE_FIELDS(v1alpha1) };
#undef T
const struct type ws_inference_type = TYPE("sh.kaito.v1beta1.InferenceSpec", struct ws_inference, inference_v1beta1_fields);
static const struct type inference_v1alpha1 = TYPE("sh.kaito.v1alpha1.InferenceSpec", struct ws_inference, inference_v1alpha1_fields);

#define T struct ws_tuning
#define TUNING_FIELDS(version)                                                                                      \
    FIELD_PTR(T, preset, struct ws_preset, "preset", &preset_##version, RULES(.doc = "The model to tune.")),        \
    FIELD(T, method, STR, "method", RULES(.doc = "lora or qlora.")),                                                \
    FIELD(T, config, STR, "config", RULES(.doc = "ConfigMap with training_config.yaml; absent: the default of the method.")), \
    FIELD_PTR(T, input, struct ws_source, "input", &source_type, .flags = FIELD_REQUIRED, RULES(.doc = "The data set.")), \
    FIELD_PTR(T, output, struct ws_destination, "output", &destination_type, .flags = FIELD_REQUIRED, RULES(.doc = "Where the adapter goes."))
static const struct field tuning_v1beta1_fields[] = { TUNING_FIELDS(v1beta1) };
static const struct field tuning_v1alpha1_fields[] = { TUNING_FIELDS(v1alpha1) };
#undef T
const struct type ws_tuning_type = TYPE("sh.kaito.v1beta1.TuningSpec", struct ws_tuning, tuning_v1beta1_fields);
static const struct type tuning_v1alpha1 = TYPE("sh.kaito.v1alpha1.TuningSpec", struct ws_tuning, tuning_v1alpha1_fields);

/* ---- status ---------------------------------------------------------------------------------------------------- */

static const struct field metric_fields[] = {
    { .json = "config", .kind = FIELD_MAP, .item = &schema_item_str, RULES(.doc = "Settings of the measurement.") },
    { .json = "description", .kind = FIELD_STR, .flags = FIELD_REQUIRED, RULES(.doc = "What was measured.") },
    { .json = "unit", .kind = FIELD_STR, RULES(.doc = "Unit of the value.") },
    { .json = "value", .kind = FIELD_STR, .flags = FIELD_REQUIRED, RULES(.doc = "The value.") },
};
static const struct type metric_type = { .name = "sh.kaito.v1beta1.PerformanceMetric", .fields = metric_fields, .n_fields = ARRAY_LEN(metric_fields) };
static const struct field metric_item = { .kind = FIELD_OBJECT, .type = &metric_type };
static const struct field performance_fields[] = {
    { .json = "metrics", .kind = FIELD_MAP, .item = &metric_item, RULES(.doc = "By name.") },
};
static const struct type performance_type = {
    .name = "sh.kaito.v1beta1.PerformanceStatus", .fields = performance_fields, .n_fields = ARRAY_LEN(performance_fields) };

#define T struct ws_status
#define STATUS_COMMON                                                                                               \
    FIELD_LIST(T, worker_nodes, n_worker_nodes, struct str, "workerNodes", ITEM_STR, RULES(.doc = "Nodes that match the Workspace.")), \
    FIELD_LIST(T, conditions, n_conditions, struct condition, "conditions", ITEM_OBJ(&condition_type), RULES(.doc = "What is known, by aspect."))
static const struct field status_v1beta1_fields[] = {
    STATUS_COMMON,
    FIELD(T, state, STR, "state", RULES(.doc = "Pending, Ready, NotReady, Running, Succeeded or Failed.")),
    FIELD(T, target_node_count, INT, "targetNodeCount", .flags = FIELD_INT32, RULES(.format = "int32", .doc = "Nodes needed, estimated once.")),
    { .json = "performance", .kind = FIELD_OBJECT, .type = &performance_type, RULES(.doc = "Measured figures.") },
};
static const struct field status_v1alpha1_fields[] = { STATUS_COMMON };
#undef T
static const struct type status_v1beta1 = TYPE("sh.kaito.v1beta1.WorkspaceStatus", struct ws_status, status_v1beta1_fields);
static const struct type status_v1alpha1 = TYPE("sh.kaito.v1alpha1.WorkspaceStatus", struct ws_status, status_v1alpha1_fields);

/* ---- the kind -------------------------------------------------------------------------------------------------- */

#define T struct workspace
#define WORKSPACE_FIELDS(version, resource_type, inference_type, tuning_type)                                       \
    FIELD(T, api_version, STR, "apiVersion"),                                                                       \
    FIELD(T, kind, STR, "kind"),                                                                                    \
    FIELD_OBJ(T, meta, struct object_meta, "metadata", &object_meta_type),                                          \
    FIELD_PTR(T, resource, struct ws_resource, "resource", resource_type, RULES(.doc = "The nodes to run on.")),    \
    FIELD_PTR(T, inference, struct ws_inference, "inference", inference_type, RULES(.doc = "Serve a model.")),      \
    FIELD_PTR(T, tuning, struct ws_tuning, "tuning", tuning_type, RULES(.doc = "Fine-tune a model.")),              \
    FIELD_OBJ(T, status, struct ws_status, "status", &status_##version, RULES(.doc = "Written by the controller."))
static const struct field workspace_v1beta1_fields[] = {
    WORKSPACE_FIELDS(v1beta1, &ws_resource_type, &ws_inference_type, &ws_tuning_type) };
static const struct field workspace_v1alpha1_fields[] = {
    WORKSPACE_FIELDS(v1alpha1, &resource_v1alpha1, &inference_v1alpha1, &tuning_v1alpha1) };
#undef T
#define WORKSPACE_TYPE(v)                                                                                           \
    TYPE("sh.kaito." #v ".Workspace", struct workspace, workspace_##v##_fields, .flags = TYPE_ROOT,                 \
         .group = "kaito.sh", .version = #v, .kind = "Workspace", .doc = "A model to serve or to tune, and the nodes to do it on.")
const struct type workspace_v1beta1 = WORKSPACE_TYPE(v1beta1);
const struct type workspace_v1alpha1 = WORKSPACE_TYPE(v1alpha1);
