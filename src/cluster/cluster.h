/*
 * What an embedded cluster adds to the API, each a controller in its own file: StatefulSets, Jobs, the scheduler, endpoints of
 * Services, garbage collection by owner, the end of namespaces, the default service account and root CA of each namespace, nodes
 * that stopped to report. They speak HTTP to whatever API the client names.
 */
#ifndef CLUSTER_CLUSTER_H
#define CLUSTER_CLUSTER_H

#include "kube/controller.h"
#include "kube/events.h"

struct cluster;
struct cluster_opts {
    const char *root_ca_pem;            /* for the ConfigMap kube-root-ca.crt; NULL: not made */
    int64_t node_grace_ms;              /* without a heartbeat a node is Unknown; 0: 40 s, as upstream */
    unsigned skip;                      /* for tests: 1 << index of controllers left out */
};

/* Starts everything; the client and cancel outlive it. The API must answer. */
errc cluster_start(struct kube_client *c, const struct cluster_opts *o, struct cancel *cancel, struct cluster **out, struct err *e);
void cluster_join(struct cluster *c);   /* after cancel fired: joins and frees; NULL is fine */
/* name NULL at the end; for metrics */
const char *cluster_stats(struct cluster *c, size_t i, struct controller_stats *out);

#endif
