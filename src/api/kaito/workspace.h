/*
 * kaito.sh Workspace, v1alpha1 and v1beta1: one struct, one field table per version. A Workspace says which model to serve or to
 * tune and on which nodes. Every field is optional in the JSON; NULL pointers and .p == NULL mean absent.
 * Source: the v0.12 CRD (reference dossier, Workspace, section 1). v1beta1 is the stored version; conversion is "None".
 */
#ifndef API_KAITO_WORKSPACE_H
#define API_KAITO_WORKSPACE_H

#include "api/k8s/meta.h"

struct ws_partition { struct str mode, profile; struct opt_int count; };
struct ws_resource {
    struct opt_int count;                       /* 1 by default */
    struct str instance_type;
    struct label_selector *label_selector;
    struct str *preferred_nodes;                /* accepted, used by nothing (as upstream) */
    size_t n_preferred_nodes;
    struct ws_partition *partition;             /* v1beta1 */
};

struct ws_preset_options {
    struct str image, model_access_secret;
    struct str *image_pull_secrets;
    size_t n_image_pull_secrets;
};
struct ws_preset { struct str name, access_mode; struct ws_preset_options options; };

struct ws_source {                              /* where a data set or an adapter comes from */
    struct str name, image;
    struct str *urls;
    size_t n_urls;
    json_t *volume;                             /* a VolumeSource */
    struct str *image_pull_secrets;
    size_t n_image_pull_secrets;
};
struct ws_destination { struct str image, image_push_secret; json_t *volume; };

struct ws_adapter { struct ws_source *source; struct str strength; };
struct ws_inference {
    struct ws_preset *preset;
    json_t *pod_template;                       /* "template": a PodTemplateSpec */
    struct str config;                          /* ConfigMap name */
    struct ws_adapter *adapters;
    size_t n_adapters;
};
struct ws_tuning {
    struct ws_preset *preset;
    struct str method;                          /* lora or qlora, any case */
    struct str config;                          /* ConfigMap name */
    struct ws_source *input;
    struct ws_destination *output;
};
struct ws_status {
    struct str *worker_nodes;
    size_t n_worker_nodes;
    struct condition *conditions;
    size_t n_conditions;
    struct str state;                           /* v1beta1 */
    int64_t target_node_count;                  /* v1beta1; 0: not estimated yet */
};

struct workspace {
    struct str api_version, kind;
    struct object_meta meta;
    struct ws_resource *resource;
    struct ws_inference *inference;
    struct ws_tuning *tuning;
    struct ws_status status;
};
extern const struct type workspace_v1beta1, workspace_v1alpha1;
/* The parts whose JSON is hashed into the revision. */
extern const struct type ws_resource_type, ws_inference_type, ws_tuning_type;

#define WORKSPACE_GROUP         "kaito.sh"
#define WORKSPACE_API           "kaito.sh/v1beta1"
#define WORKSPACE_FINALIZER     "workspace.finalizer.kaito.sh"
#define WORKSPACE_LABEL         "kaito.sh/workspace"
#define WORKSPACE_NS_LABEL      "kaito.sh/workspacenamespace"

#endif
