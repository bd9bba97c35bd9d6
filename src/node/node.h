/*
 * The node agent: this machine as Kubernetes nodes. It runs the pods that are bound to its nodes, keeps the nodes' status and leases
 * fresh, answers `kubectl logs`, and carries connections from cluster IPs to pods.
 *
 * Which nodes: those labelled kaito.sh/local-node=true; one agent stands for all of them (a NodeClaim becomes one more such Node).
 * Containers of the runtime image run as plain processes of kaito-runtime, each pod on an address of its own in 127.0.0.0/8; a
 * container of another image waits with ErrImagePull. A mount path means the volume's folder on this machine: it is replaced in
 * command, args and env. Pods live on when the agent ends; the next one takes them over (node/pod_files.h).
 */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include <stdint.h>

#include "kube/kube.h"

#define NODE_LOCAL_LABEL "kaito.sh/local-node"

struct node_agent;

struct node_opts {                      /* copied */
    const char *state_dir;              /* pods and volumes live below it */
    const char *kaito_path;             /* starts the monitors: `kaito pod-monitor`; NULL: this executable */
    const char *runtime_path;           /* kaito-runtime; NULL: beside kaito_path */
    const char *runtime_image;          /* the image name that means kaito-runtime */
    const char *const *extra_env;       /* "NAME=value" for every container, NULL-terminated; may be NULL */
    const char *cert_pem, *key_pem;     /* TLS of the log endpoint; both NULL: plain HTTP */
    const char *log_token;              /* bearer that the log endpoint asks for; NULL: none */
    uint16_t log_port;                  /* 0: free */
    bool no_proxy;                      /* no cluster IPs */
};

/* Returns once the first lists are there; client and cancel outlive the agent. */
errc node_agent_start(struct kube_client *c, const struct node_opts *o, struct cancel *cancel, struct node_agent **out, struct err *e);
uint16_t node_agent_log_port(const struct node_agent *n);
void node_agent_join(struct node_agent *n);     /* after cancel; frees. Pods go on. NULL is fine */

/* Ends every pod below state_dir whatever the API says, giving each its grace period but at most max_grace_s. For `kaito down`. */
errc node_stop_pods(const char *state_dir, int64_t max_grace_s, struct err *e);

#endif
