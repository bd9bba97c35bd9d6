/*
 * The Workspace controller: from a Workspace to nodes, a workload, Services and a truthful status, on any Kubernetes.
 *
 * A reconcile is observe (informer caches) -> plan (workspace/plan.h: pure) -> apply (server-side apply, field manager "kaito")
 * -> status. Every name is derived and every write idempotent, so the process may be killed at any instant.
 * Contract: upstream v0.12 (reference dossier, Workspace), with the native runtime beside upstream's images.
 */
#ifndef WORKSPACE_WORKSPACE_H
#define WORKSPACE_WORKSPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "base/thread.h"

struct claim_kind;
struct kube_client;

/* What an operator decides; zero is the default named behind each. Strings must outlive the manager. */
struct workspace_settings {
    const char *cloud;                  /* "azure" (default), "aws", "arc": which machine types exist, what a claim says */
    const struct claim_kind *claim_kind;        /* NodeClaims: what machines are asked for with; a manager looks what there is, whatever is said here */
    bool byo;                           /* --node-provisioner byo: nodes are the user's own, no claims are made */
    bool karpenter;                     /* --node-provisioner karpenter: one NodePool per Workspace */
    const char *const *node_classes;    /* karpenter: names of ours, NULL-terminated; NULL: none */
    const char *default_node_class;     /* karpenter: the one for Workspaces that ask for none; NULL: the first */
    const char *node_class_group, *node_class_kind;     /* karpenter.azure.com, AKSNodeClass */
    const char *node_class_version, *node_class_resource;       /* v1beta1, aksnodeclasses */
    const json_t *node_class_list;      /* [{name, default, spec}]: made at start where they are missing; NULL: none */
    bool transformers_only;             /* feature gate vLLM=false */
    bool mig, accelerator;              /* feature gates enableMIG, enableAccelerator: parts of GPU nodes (byo) */
    bool model_streaming;               /* feature gate ModelStreaming */
    const char *mirror_class, *streaming_account;       /* StorageClass and ServiceAccount of streamed models; NULL: the Workspace's annotations must say */
    const char *runtime_image;          /* kaito/kaito-runtime:VERSION, the native runtime */
    const char *preset_registry;        /* mcr.microsoft.com/aks/kaito, upstream's images */
    const char *const *namespaces;      /* whose Workspaces are looked after, each once, NULL-terminated; NULL: all */
    const char *release_namespace;      /* kaito-workspace, where the parameter templates are */
    const char *default_image_family;   /* "" (ubuntu) */
    const char *model_cache_dir;        /* /var/lib/kaito/models: folder of the node, shared by its pods */
    const char *work_dir;               /* folder of the node for tuning results; NULL: they live as long as the pod */
    const char *ca_bundle;              /* PEM file on the node, mounted at the same path and named by SSL_CERT_FILE; NULL */
    const char *hf_endpoint;            /* HF_ENDPOINT of the pods; NULL: unset */
    const char *hf_token_secret;        /* Secret (key HF_TOKEN) in the Workspace's namespace; NULL: none */
    bool admitted;                      /* Workspaces are known to keep the rules: the reconciler need not ask them again */
    bool allow_private_urls;            /* data set URLs may point into private networks */
};

struct workspace_manager_opts {
    struct workspace_settings settings;
    bool ask_hub;                       /* about models that the catalogue does not have, at settings.hf_endpoint */
    const char *hub_token;              /* for those whose Workspace names no modelAccessSecret; NULL: none */
    bool install_crds;                  /* create or update ours, create NodeClaim's when there is neither it nor the legacy Machine's */
    int workers;                        /* 0: 4 */
    bool wait_to_lead;                  /* write nothing before workspace_manager_lead */
};

struct workspace_manager;
struct admission_request;

/*
 * Starts informers and workers and returns; they stop when cancel does. The client is borrowed until _join returned.
 * Missing templates are created. ERR_UNAVAILABLE and the like when the API cannot be reached.
 */
errc workspace_manager_start(struct kube_client *client, const struct workspace_manager_opts *o, struct cancel *cancel,
                             struct workspace_manager **out, struct err *e);
/* After a start that waits: creates what is missing and starts the workers. Once. */
errc workspace_manager_lead(struct workspace_manager *m, struct err *e);
/* The answer of the webhook validation.workspace.kaito.sh; any thread, once started. self is the manager. */
errc workspace_admit(void *self, const struct admission_request *q, struct buf *why);
bool workspace_manager_ready(struct workspace_manager *m);       /* all caches have synced */
uint64_t workspace_manager_reconciles(struct workspace_manager *m);    /* so far */
void workspace_manager_metrics(struct workspace_manager *m, struct buf *out);  /* Prometheus text */
/* What it knows and does, as JSON for people who look for a fault: caches, queue, Workspaces by phase. New reference. */
json_t *workspace_manager_state(struct workspace_manager *m);
void workspace_manager_join(struct workspace_manager *m);              /* waits for the threads and frees; NULL is fine */

#endif
