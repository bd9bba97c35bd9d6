/*
 * A small cluster for the tests of faults: our API server, the cluster's controllers, a cloud that answers NodeClaims with Nodes, a
 * kubelet that runs pods by saying so, and between them and the manager a proxy. Everything but the manager lives as long as the world;
 * a manager is started and stopped as a process would be: what it knew is gone.
 */
#ifndef TESTS_FAULT_WORLD_H
#define TESTS_FAULT_WORLD_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/karpenter/claim_kind.h"
#include "../unit/patience.h"
#include "../unit/test_api.h"
#include "cluster/cluster.h"
#include "proxy.h"
#include "workspace/workspace.h"

#define OK(call) do { errc rc_ = (call); if (rc_) fail_msg("%s: %s", #call, e.text); } while (0)
#define PATIENCE_MS patience_ms(7000)

/* What is played: a Workspace "ws" and what it needs. */
struct play { const char *name, *yaml; };
enum { PLAY_NATIVE_INFERENCE, PLAY_NATIVE_TUNING, PLAY_VLLM, PLAY_UPSTREAM_TUNING, N_PLAYS };
/* Who brings machines: a cloud that answers NodeClaims, nobody yet (the kind is missing), Karpenter, with a NodePool for each
   Workspace, or a cloud of old that answers legacy Machines where there are no NodeClaims. */
enum machines { MACHINES_OF_CLAIMS, MACHINES_LATER, MACHINES_OF_POOLS, MACHINES_LEGACY };
extern const struct play plays[N_PLAYS];
#define WORKSPACE(annotations, body) WORKSPACE_NAMED("ws", annotations, body)
#define WORKSPACE_NAMED(name, annotations, body) \
    "apiVersion: kaito.sh/v1beta1\nkind: Workspace\nmetadata:\n  name: '" name "'\n  annotations: {" annotations "}\n" \
    "resource:\n  instanceType: Standard_NC24ads_A100_v4\n  labelSelector: {matchLabels: {apps: faults}}\n" body
#define NATIVE "kaito.sh/runtime: native"
#define INFERENCE "inference: {preset: {name: phi-4-mini-instruct}}\n"
#define TUNING(more) "tuning:\n  preset: {name: phi-3-mini-128k-instruct}\n  method: qlora\n  input: {urls: ['https://example.com/data.parquet']}\n" \
    "  output: {image: 'registry.example.com/adapters/ws:1', imagePushSecret: push}\n" more
#define PUSH_SECRET "---\napiVersion: v1\nkind: Secret\nmetadata: {name: push}\ntype: kubernetes.io/dockerconfigjson\ndata: {.dockerconfigjson: e30=}\n"

/* The pictures of a run that nobody disturbs: when it has succeeded, and once it is deleted; how many claims (or pools) it made. */
struct ends { char *living, *gone; size_t claims; };

struct world {
    struct test_api api;
    struct proxy *proxy;
    struct kube_client *user;           /* past the proxy */
    struct cancel *cancel;
    struct cluster *cluster;
    struct informers *informers;
    struct controller *cloud, *kubelet;
    struct controller *karpenter;       /* NULL: without pools */
    struct informer *claims, *pods;
    struct informer *node_pools;
    const struct claim_kind *kind;      /* what the cloud answers */
    const struct kube_gvr *asked_with;  /* what the manager asks for machines with: those, or NodePools */
    const char *ns_label;               /* on those and what comes of them: the Workspace's namespace */
    struct mutex mu;                    /* a leaf; guards born */
    json_t *born;                       /* uids of all that was asked with, ever: {namespace: {uid: name}} */
    char ns[64];
    unsigned n_ns;
    enum machines machines;

    struct ends ends[N_PLAYS];          /* filled by world_undisturbed */

    struct workspace_manager_opts opts;
    struct kube_client *client;         /* the manager's */
    struct cancel *stop;
    struct workspace_manager *manager;  /* NULL: none runs */
};

void world_log(void);                   /* before the first: errors only; with KAITO_FAULT_LOG all that there is */
struct world *world_new(enum machines machines);
void world_free(struct world *w);       /* stops the manager when one runs */
/* Of cmocka, for a test or a group: a world in *state. */
int world_setup(void **state);
int world_setup_with_pools(void **state);
int world_setup_with_machines(void **state);
int world_teardown(void **state);
void world_install_kind(struct world *w, const struct kube_gvr *r, const char *kind);    /* whatever is in it; returns once it is served */
void world_namespace(struct world *w);  /* a fresh one, in w->ns, for the next case */

/* False with the reason in *e: the start failed, as a process that ends at once. */
bool world_start(struct world *w, struct err *e);
void world_run(struct world *w);        /* one that must start */
void world_stop(struct world *w);
/* The manager has nothing to do and wrote nothing for a while. */
bool world_is_quiet(struct world *w);
void world_wait_quiet(struct world *w);

/* YAML documents separated by "---"; namespaced ones go to w->ns. */
void world_make(struct world *w, const char *yaml);
json_t *world_get(struct world *w, const struct kube_gvr *r, const char *name);         /* NULL: absent; cluster-scoped when the kind is */
void world_patch(struct world *w, const struct kube_gvr *r, const char *name, const char *sub, const char *merge_patch);
void world_delete(struct world *w, const struct kube_gvr *r, const char *name);         /* in the background; absent is fine */
json_t *world_list(struct world *w, const struct kube_gvr *r, const char *ns);
/* Claims of w->ns (NodePools, where those are asked with): now, and ever (deleted ones too). */
size_t world_claims(struct world *w);
size_t world_claims_ever(struct world *w);
bool world_until(struct world *w, bool (*is_so)(struct world *w));      /* false after PATIENCE_MS */

bool workspace_succeeded(struct world *w);      /* the Workspace "ws" */
bool workspace_gone(struct world *w);
/* What there is in w->ns and of its claims, without what differs between two equal runs (uids, times, names of the namespace). */
char *world_picture(struct world *w);
/* Waits until the picture is `want`; when it never is, fails and shows the difference. */
void world_expect(struct world *w, const char *want, const char *what);

void world_begin(struct world *w, const struct play *play);             /* in a fresh namespace; starts no manager */
const struct ends *world_undisturbed(struct world *w, size_t play);     /* of plays; run once, and lent */
/* The Workspace goes, and all that it had. */
void world_expect_gone(struct world *w, const struct ends *undisturbed, const char *what);

void world_forget_ends(struct world *w);

extern const struct kube_gvr gvr_workspaces, gvr_nodeclaims, gvr_machines, gvr_nodepools, gvr_nodeclasses, gvr_revisions, gvr_secrets, gvr_crds;
/* and those of cluster/priv.h */

#endif
