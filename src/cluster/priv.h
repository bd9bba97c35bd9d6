/* What the controllers of the cluster share. */
#ifndef CLUSTER_PRIV_H
#define CLUSTER_PRIV_H

#include "base/mem.h"
#include "cluster/cluster.h"
#include "kube/meta.h"
#include "schema/schema.h"

struct cluster {
    struct kube_client *client;
    struct cluster_opts o;
    char *root_ca_pem;
    struct cancel *cancel;
    struct informers *informers;
    struct controller **controllers;
    const char **names;
    size_t n_controllers;
    void *gc, *nodes, *scheduler;       /* the state of those that have one */
    struct recorder *job_events, *set_events, *scheduler_events;
};

/* One controller of the cluster. make sets up watches and returns it; done (may be NULL) frees its state after the join. */
struct part {
    const char *name;
    struct controller *(*make)(struct cluster *c);
    void (*done)(struct cluster *c);
};
extern const struct part part_statefulset, part_job, part_scheduler, part_endpoints, part_gc, part_namespace, part_account, part_nodes;

extern const struct kube_gvr gvr_pods, gvr_nodes, gvr_services, gvr_namespaces, gvr_claims, gvr_statefulsets, gvr_jobs, gvr_accounts,
    gvr_configmaps, gvr_endpoints, gvr_slices, gvr_leases;
struct informer *cluster_informer(struct cluster *c, const struct kube_gvr *r);

/* Writes obj's status when it differs from what is there: takes status. */
errc cluster_put_status(struct cluster *c, const struct kube_gvr *r, const json_t *obj, json_t *status, struct err *e);
/* For caches that lag: what is already so is no error. */
errc ok_if(errc rc, errc expected);
bool verb_listed(const json_t *verbs, const char *verb);

/* pod_read.c */
const char *pod_phase(const json_t *pod);
bool pod_is_ready(const json_t *pod);           /* Running with Ready True */
bool pod_is_finished(const json_t *pod);        /* Succeeded or Failed */
bool pod_is_available(const json_t *pod, int64_t min_ready_s, int64_t now_ms, int64_t *wait_ms);
const char *pod_node_name(const json_t *pod);        /* NULL: not bound */
int64_t pod_restart_count(const json_t *pod);
int64_t pod_finished_ms(const json_t *pod);     /* when its last container ended */
json_t *pod_from_template(const json_t *template, const json_t *owner, const char *name);       /* a new pod owned by owner */

#endif
