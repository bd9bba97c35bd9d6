/* What the planners of this folder share. All pure; results are new references. */
#ifndef WORKSPACE_PRIV_H
#define WORKSPACE_PRIV_H

#include "catalog/presets.h"
#include "catalog/skus.h"
#include "kube/meta.h"
#include "workspace/cause.h"
#include "workspace/plan.h"

/* ---- facts.c: questions about JSON objects and the Workspace ---- */
bool node_is_ready(const json_t *node);
int64_t node_gpus(const json_t *node);
struct str ws_annotation(const struct workspace *ws, const char *key);  /* p NULL: absent */
struct str ws_instance_type(const struct workspace *ws);
struct str ws_preset_name(const struct workspace *ws);                  /* of inference or tuning */
const struct preset *ws_preset(const struct workspace *ws);             /* NULL: a generic id */
bool ws_is_annotated_native(const struct workspace *ws);
/* Upstream's transformers image instead of vLLM's: the annotation, or the gate. */
bool ws_runs_transformers(const struct workspace_settings *s, const struct workspace *ws);
bool ws_streams_model(const struct workspace_settings *s, const struct workspace *ws);     /* weights come from object storage as they load */
bool ws_uses_local_weights(const struct workspace *ws);                 /* weights lie in a folder of the node */
void local_weights_path(const struct workspace *ws, struct buf *out);
/* The part (resource, inference, tuning) as Go encodes it: templates and volumes in the order of their structs. New reference; null: absent. */
json_t *ws_resource_json(const struct workspace *ws);
json_t *ws_inference_json(const struct workspace *ws);
json_t *ws_tuning_json(const struct workspace *ws);
bool ws_node_class_is_ours(const struct workspace_settings *s, struct str name);
struct str ws_node_class(const struct workspace_settings *s, const struct workspace *ws);      /* the one it asks for, else the default */
void ws_node_classes_list(const struct workspace_settings *s, struct buf *out);         /* sorted, joined by a space */
/* What NVIDIA's feature discovery wrote on a node. product is borrowed from it. ERR_INVALID: *why says which label is bad. */
struct gpu_labels { const char *product; int64_t count, node_gib; };
errc gpu_labels_read(const json_t *node, struct gpu_labels *out, struct buf *why);
/* A key of a Secret (data or stringData) in plain text, in the arena; NULL: none. */
const char *secret_value(const json_t *secret, const char *key, struct arena *a);
void go_path_join(const char *base, struct str path, struct buf *out);  /* Go's path.Join of an absolute base: joined and cleaned */
json_t *clone_object(const json_t *j);          /* {} for what is no object: the schema lets anything through in template and volumeSource */
bool label_is_reserved(struct str key);
void ws_hash(const struct workspace *ws, char out[65]);                 /* upstream's revision hash */
/* Whether the annotations name a revision of this hash. *number is the annotated one, 0 without. */
bool ws_has_revision(const struct workspace *ws, const char *hash, int64_t *number);

/* ---- streaming.c: weights that a ModelMirror has put into a blob container ---- */
struct stream_source { struct str account, container, service_account; };
#define BLOB_DRIVER "blob.csi.azure.com"
void stream_model_id(struct str preset_name, struct buf *out);          /* of the hub, as the mirror has it */
void stream_mirror_name(struct str preset_name, struct buf *out);
struct str stream_class_name(const struct ws_view *v);                  /* of the StorageClass; empty: nobody says */
struct str stream_account_name(const struct ws_view *v);
/* NOT_FOUND: the mirror has no volume yet; INVALID: none of a blob container. In upstream's words. */
errc stream_source_of(const struct ws_view *v, struct stream_source *out, struct err *e);
json_t *render_model_mirror(const struct ws_view *v);

/* ---- image_ref.c: docker's grammar of image references ---- */
bool image_is_bad(struct str reference, struct buf *why);
void image_normalized(struct str reference, struct buf *out);           /* docker.io/library/busybox:latest; as it is when it is bad */

/* ---- owner.c ---- */
bool ws_is_of_another(const struct workspace *ws, const json_t *object);         /* somebody else is its controller */

/* ---- nodes.c: claims and nodes ---- */
struct node_state {
    int64_t target;                     /* nodes wanted */
    int64_t missing_claims;             /* to create now */
    bool claims_ready, nodes_ready, plugins_ready;
    struct err waits;                   /* code set: why the count is not final yet; later it will be */
    enum ws_runtime runtime;
    const char *claim_reason;           /* from the first claim that is not well; NULL */
    char claim_message[260];
    json_t *worker_nodes;               /* sorted names; new reference */
    struct buf pressure;                /* "; warning: ..." or empty */
};
bool claim_is_ready(const json_t *claim);
void node_state_done(struct node_state *s);
int64_t context_asked(const json_t *inference_config);                  /* max-model-len of a ConfigMap (NULL is fine); 0: not given */
/* ERR_INVALID: no count can be estimated; the text says why. */
errc node_state_of(const struct ws_view *v, struct node_state *out, struct err *e);
static inline bool resource_ready(const struct node_state *s) { return s->claims_ready && s->nodes_ready && s->plugins_ready; }

/* ---- render_*.c ---- */
json_t *owner_references(const struct workspace *ws);
json_t *render_node_claim(const struct ws_view *v, int index);          /* of the settings' kind */
char *node_claim_name(const struct workspace *ws, int index);           /* malloc'd */
json_t *render_revision(const struct ws_view *v, const char *hash, int64_t number);     /* a ControllerRevision of the spec */
json_t *render_service(const struct ws_view *v, enum ws_runtime r);
json_t *render_headless(const struct ws_view *v);
json_t *render_affinity(const struct ws_view *v, bool ownership);       /* NULL: none */
json_t *render_tolerations(const struct ws_view *v);
json_t *render_native_inference(const struct ws_view *v, int64_t replicas, const char *revision);
json_t *render_native_tuning(const struct ws_view *v, const char *revision, int64_t attempt, const char *inputs);
json_t *render_template_inference(const struct ws_view *v, int64_t replicas);
/* With upstream's images; what cannot be rendered is ERR_INVALID in upstream's words. */
errc render_gpu_inference(const struct ws_view *v, int64_t nodes, const char *revision, json_t **out, struct err *e);
json_t *render_gpu_update(const json_t *live, json_t *wanted);          /* takes wanted */
errc render_gpu_tuning(const struct ws_view *v, const char *revision, json_t **out, struct err *e);
/* Karpenter's NodePool of the Workspace. ERR_INVALID: a NodeClass that is not ours. */
errc render_node_pool(const struct ws_view *v, int64_t replicas, json_t **out, struct err *e);
void node_pool_name(const struct workspace *ws, struct buf *out);
const json_t *first_ready_node(const struct ws_view *v);                /* NULL: none */
json_t *render_tuning_config_copy(const struct ws_view *v);             /* the template, in the Workspace's namespace */
json_t *render_tuning_template(const char *release_namespace, const char *name);
json_t *render_inference_template(const char *release_namespace);

/* ---- status.c ---- */
/* ---- upstream's benchmark: benchmark.c -------------------------------------------------------------------------- */

/* Its pods have measured, and the result is neither recorded nor has the Workspace succeeded without. */
bool ws_awaits_benchmark(const struct ws_view *v);
/* The last result in a pod's log as status.performance. */
errc benchmark_of_log(struct str log, const struct preset *model, json_t **out, struct err *e);
/* Whether the model answers, with the pods of this revision or still with those of the one before. */
bool statefulset_is_ready(const json_t *s);

struct status_builder {
    const struct ws_view *v;
    int64_t now_ms;
    json_t *conditions;     /* in upstream's order */
    json_t *events;         /* of the plan */
    const struct err *error;            /* of the plan: code set when it has failed */
    size_t kept;                        /* the first of conditions are those of before (status_keep) */
    const json_t *performance;          /* news for the status; NULL: as it is. Borrowed */
    bool measured_anew;                 /* what was measured was another image: the result goes */
};
/* Before any status_set: what the Workspace has, as it is, but for one type. */
void status_keep(struct status_builder *b, const char *but);
/* Adds a condition; its time is kept while its status stays. */
void status_set(struct status_builder *b, const char *type, bool is_true, const char *reason, const char *fmt, ...) PRINTF(5, 6);
/* The same, and a Warning event when the message is new. */
void status_fail(struct status_builder *b, const char *type, const char *reason, const char *fmt, ...) PRINTF(4, 5);
void plan_event(json_t *events, const char *type, const char *reason, const char *fmt, ...) PRINTF(4, 5);
/* Puts the status together; NULL when it equals what the Workspace has. Where something failed every message ends with it, as upstream's. */
json_t *status_finish(struct status_builder *b, const char *state, int64_t target, json_t *worker_nodes);

#endif
