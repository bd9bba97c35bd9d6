/*
 * The decision: what should exist for a Workspace, given what exists. No I/O, no clock, no lock: unit-tested with tables, and what
 * `kaito render` prints. Everything observed is borrowed and never changed; what the plan holds is its own (ws_plan_done).
 */
#ifndef WORKSPACE_PLAN_H
#define WORKSPACE_PLAN_H

#include "api/kaito/workspace.h"
#include "api/karpenter/claim_kind.h"
#include "base/json.h"
#include "catalog/presets.h"
#include "workspace/workspace.h"

struct ws_view {
    const struct workspace_settings *settings;  /* defaults filled in (workspace_settings_default) */
    const struct workspace *ws;
    const json_t *claims;               /* arrays, NULL: none: NodeClaims (or Machines, read as such) labelled with this Workspace */
    const json_t *nodes;                /* Nodes that match its selector (ws_node_matches) */
    const json_t *pods;                 /* pods labelled with this Workspace in its namespace */
    const json_t *service, *headless, *statefulset, *job;      /* objects of its name; NULL: absent */
    const json_t *tuning_config;        /* ConfigMap that the Job mounts, in the Workspace's namespace */
    const json_t *tuning_template;      /* the default of the method in the release namespace */
    const json_t *inference_config;     /* ConfigMap inference.config */
    const json_t *push_secret;          /* tuning.output.imagePushSecret */
    const json_t *mirror, *mirror_claim, *mirror_volume;        /* model streaming: ModelMirror (stream_mirror_name), its PersistentVolumeClaim and that one's volume */
    const json_t *mirror_class, *stream_account;                /* the StorageClass and ServiceAccount asked for */
    const json_t *revisions;            /* ControllerRevisions of this Workspace; NULL: none, or its spec is still the annotated one */
    const json_t *node_pool;            /* karpenter: the NodePool of this Workspace; NULL: absent */
    const char *node_class_problem;     /* karpenter: why the NodeClass it asks for cannot be used now; NULL: it can */
    const struct preset *model;         /* what preset.name means: of the catalogue or derived from the hub; NULL: unknown */
    const char *model_problem;          /* why it is unknown; NULL: nobody looked */
    const char *failed;                 /* what the writes of this very plan ended with; NULL: they were not tried, or went well */
    bool local_nvme_class;              /* the StorageClass kaito-local-nvme-disk exists */
    const json_t *benchmark;            /* status.performance, as the log of a ready pod has it just now; NULL: not looked for, or not found */
    const char *benchmark_problem;      /* why it was not found; NULL: it was, or nobody looked */
    const char *progress;               /* one line from the tuning process ("step 12 of 80, loss 1.2"); NULL */
};

struct ws_plan {
    json_t *apply;          /* objects for server-side apply, in order */
    json_t *create;         /* objects to create; one that exists already is fine */
    json_t *mend;           /* merge patches of objects that are there: {apiVersion, kind, metadata: {namespace, name, uid, ...}, ...} */
    json_t *remove;         /* {apiVersion, kind, metadata: {namespace, name, uid}}: delete in the background */
    json_t *events;         /* {type, reason, message} about the Workspace */
    json_t *annotations;    /* to set on the Workspace; NULL: none */
    json_t *label_nodes;    /* names of Nodes that lack accelerator=nvidia, which device plugins wait for */
    json_t *status;         /* the whole new status; NULL: as it is */
    bool add_finalizer, remove_finalizer;
    bool first;             /* nothing was written about this Workspace yet: finalizer and annotations go in one write, before all others */
    bool poll_progress;     /* a native Job trains: its /metrics are worth a look */
    int64_t requeue_after_ms;           /* 0: wait for events */
    struct err error;                   /* code set: what could not be done now and is tried again */
};

void ws_plan_done(struct ws_plan *p);
void workspace_plan(const struct ws_view *v, int64_t now_ms, struct ws_plan *out);

/* Fills what is NULL with the defaults of workspace.h. */
void workspace_settings_default(struct workspace_settings *s);

/* What a Node for this Workspace carries: the user's matchLabels (reserved keys apart) and, unless byo, the two ownership labels; empty: any
   will do. New reference. */
json_t *ws_node_labels(const struct workspace_settings *s, const struct workspace *ws);
/* Which NodeClaims, NodePools and (unless byo) Nodes are of Workspaces that are looked after: a label selector. */
void ws_machine_selector(const struct workspace_settings *s, struct buf *out);
bool ws_looks_after(const struct workspace_settings *s, const char *ns);
bool ws_node_matches(const struct workspace_settings *s, const struct workspace *ws, const json_t *node);
/* Some claim's, not the user's own. */
bool ws_node_is_claimed(const struct workspace_settings *s, const json_t *node);
/* lora-params-template or qlora-params-template; NULL when the Workspace names a ConfigMap of its own or has no valid method. */
const char *ws_template_name(const struct workspace *ws);

/* ---- facts about objects, shared by the planners ------------------------------------------------------------- */

enum ws_runtime { WS_RUNTIME_UNDECIDED, WS_RUNTIME_NATIVE, WS_RUNTIME_GPU };

#define RUNTIME_ANNOTATION  "kaito.sh/runtime"
#define NODE_CLASS_ANNOTATION "kaito.sh/node-class-name"
#define STREAMING_ANNOTATION "kaito.sh/model-streaming"
#define MIRROR_CLASS_ANNOTATION "kaito.sh/model-mirror-storage-class"
#define STREAM_ACCOUNT_ANNOTATION "kaito.sh/streaming-service-account"
#define STATIC_MIRROR_ANNOTATION "inference.kaito.sh/static-model-mirror"
#define LOCAL_WEIGHTS_ANNOTATION "kaito.sh/use-local-weights"
#define SET_LABEL           "inferenceset.kaito.sh/created-by"          /* on a Workspace that an InferenceSet made */
#define GROUP_LABEL         "multiroleinference.kaito.sh/created-by"
#define UPGRADE_LABEL       "kaito.sh/upgrade-to-version"               /* on a Workspace: of upstream's base image */
#define ROLE_LABEL          "kaito.sh/inference-role"                   /* prefill, decode */
#define POOL_NAME_LABEL     "karpenter.kaito.sh/workspace-name"         /* on a NodePool and its nodes */
#define POOL_NS_LABEL       "karpenter.kaito.sh/workspace-namespace"
#define SERVE_ANNOTATION    "kaito.sh/serve-after-tuning"
#define REVISION_ANNOTATION "workspace.kaito.io/revision"
#define HASH_ANNOTATION     "workspace.kaito.io/hash"
#define ATTEMPT_ANNOTATION  "kaito.sh/tuning-attempt"   /* on Workspace and Job: how often the Job was made again */
#define INPUTS_ANNOTATION   "kaito.sh/tuning-inputs"    /* on the Job: digest of secret, config and spec it was made for */

#endif
