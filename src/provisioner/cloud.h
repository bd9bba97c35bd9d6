/*
 * A cloud is one table of functions: where machines come from. The life cycle (provisioner.h) calls it with the NodeClaim's name as
 * the machine's key, so every call may be repeated: create of what exists returns it, delete of what is gone says NOT_FOUND.
 * Calls come from several threads at once, never two for the same claim.
 *
 * cloud/local: the machine is this machine. `create` writes a Node object for the claim:
 *   name           "local-" + claim name
 *   labels         those of the claim, node.kubernetes.io/instance-type = the claim's requirement, kubernetes.io/{os,arch,hostname},
 *                  kaito.sh/local-node=true
 *   annotation     kaito.sh/node-claim: the claim's name
 *   spec           providerID "kaito-local:///CLAIM", the claim's taints
 *   status         capacity and allocatable (real cpu and memory, pods 110), addresses InternalIP 127.0.0.1 and Hostname,
 *                  daemonEndpoints.kubeletEndpoint.Port = the agent's port; no conditions
 * The node agent of this machine (one process for all such Nodes) takes every Node with kaito.sh/local-node=true: it keeps the Ready
 * condition and the Lease fresh and runs the pods bound to it. It never creates or deletes Nodes. `delete` removes the Node.
 */
#ifndef PROVISIONER_CLOUD_H
#define PROVISIONER_CLOUD_H

#include "api/karpenter/node_claim.h"
#include "base/err.h"
#include "base/json.h"

struct kube_client;

#define LOCAL_NODE_LABEL "kaito.sh/local-node"
#define LOCAL_CLAIM_ANNOTATION "kaito.sh/node-claim"

struct cloud_instance {                 /* owned texts */
    char *provider_id;                  /* equals the Node's spec.providerID */
    char *image_id;                     /* may be NULL */
    json_t *labels;                     /* to merge into the claim's; may be NULL */
};
void cloud_instance_done(struct cloud_instance *i);

struct cloud {
    const char *name;
    void *self;
    /* Makes the machine, or returns the one that the claim has. INVALID: the claim can never be honoured. */
    errc (*create)(void *self, const struct node_claim *claim, struct cloud_instance *out, struct err *e);
    errc (*get)(void *self, const char *claim_name, struct cloud_instance *out, struct err *e);     /* NOT_FOUND */
    errc (*list)(void *self, json_t **out_claim_names, struct err *e);
    errc (*delete)(void *self, const char *claim_name, struct err *e);      /* OK: going; NOT_FOUND: gone */
    void (*free)(void *self);
};

struct cloud_local_opts { int agent_port; };
/* The client is borrowed. Free with cloud_free. */
struct cloud *cloud_local_new(struct kube_client *client, const struct cloud_local_opts *o);
void cloud_free(struct cloud *c);

#endif
