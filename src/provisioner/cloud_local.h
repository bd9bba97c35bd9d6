/*
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
#ifndef PROVISIONER_CLOUD_LOCAL_H
#define PROVISIONER_CLOUD_LOCAL_H

#include "provisioner/cloud.h"

struct kube_client;

#define LOCAL_NODE_LABEL "kaito.sh/local-node"
#define LOCAL_CLAIM_ANNOTATION "kaito.sh/node-claim"

struct cloud_local_opts { int agent_port; };
/* The client is borrowed. Free with cloud_free. */
struct cloud *cloud_local_new(struct kube_client *client, const struct cloud_local_opts *o);

#endif
