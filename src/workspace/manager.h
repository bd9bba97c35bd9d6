/* What the files of the running controller share (private to this folder). */
#ifndef WORKSPACE_MANAGER_H
#define WORKSPACE_MANAGER_H

#include "http/client.h"
#include "kube/behind.h"
#include "kube/controller.h"
#include "kube/events.h"
#include "workspace/mentions.h"
#include "workspace/model_book.h"
#include "workspace/plan.h"

#define MANAGER_NAME "kaito"            /* field manager and event source */

struct workspace_manager {
    struct kube_client *client;
    struct workspace_settings settings;
    bool install_crds;
    struct cancel *cancel;
    struct informers *informers;
    struct informer *workspaces, *claims, *nodes, *pods, *services, *statefulsets, *jobs, *configs, *secrets;
    struct informer *volume_claims;     /* of Workspaces: only counted */
    /* claims (settings.claim_kind) is NULL on the user's own nodes, storage_classes where the API has no such kind */
    struct informer *storage_classes;
    struct informer *node_pools, *node_classes;         /* NULL: not in Karpenter mode */
    struct informer *mirrors, *accounts;                /* ModelMirrors and ServiceAccounts; NULL: no model is streamed */
    struct controller *controller;
    struct recorder *recorder;
    struct behind *behind;
    struct behind *vanished;            /* uids, not versions: of Workspaces that the cache still shows */
    struct http_client *http;           /* asks tuning processes for their progress */
    struct model_book *models;          /* outside the catalogue; NULL: nobody is asked */
    struct mentions *mentions;
    const char **config_namespaces;     /* where ConfigMaps are watched when not everywhere */
};

/* Everything here hangs on the arena of the reconcile. */
struct observed {
    json_t *object;                     /* the Workspace as read */
    struct workspace ws;
    struct ws_view view;
    int64_t left_s;                     /* of the training, as it guesses */
    bool model_awaited;                 /* the hub is being asked, and what there is to decide hangs on it */
};

/* Cache reads only, but for the progress of a running tuning process. object is the Workspace, borrowed. */
errc workspace_observe(struct workspace_manager *m, struct op *op, json_t *object, struct observed *out, struct err *e);
/*
 * Writes what the plan says; stops at the first error, which the status then tells. CONFLICT: the present is another one than was planned
 * for; read it again. *out_progressed, always set: something was written.
 */
errc workspace_apply(struct workspace_manager *m, struct op *op, const struct observed *o, const struct ws_plan *plan, bool *out_progressed,
                     struct err *e);
/* The templates; before them, when asked, what an installer would have brought: CRDs and the release namespace. */
errc workspace_install(struct workspace_manager *m, bool crds, struct err *e);

/* lookup.c: models that the catalogue does not have */
errc lookup_start(struct workspace_manager *m, const struct workspace_manager_opts *o, struct err *e);
void lookup_observe(struct workspace_manager *m, struct op *op, struct observed *o);
/* For admission, as ws_cluster wants it: waits a little, and has nothing against what it could not learn. */
void lookup_admit(void *manager, const struct workspace *ws, struct arena *a, const struct preset **out, const char **problem);
/*
 * claims.c. Before the first write, and before a legacy Machine is made: is what machines are asked for with what the API has for it now? Otherwise
 * CANCELLED, and this manager ends: it would not see what the next one makes. Who runs it starts it again.
 */
errc claims_are_still_the_kind(struct workspace_manager *m, struct err *e);
/* After a create that met one of the same name: gives it back the labels and the mark by which it is found. */
errc claim_keep_marks(struct workspace_manager *m, const json_t *claim, struct err *e);
/* Before the finalizer goes: deletes claims (or the pool) that the API has and the cache does not, or that lost their labels. */
errc claims_remove_unseen(struct workspace_manager *m, const struct observed *o, struct err *e);

/* orphans.c. A copy of a claim or NodePool that says which Workspace it is for. */
json_t *machine_marked(const json_t *object, const struct workspace *ws);
/*
 * Deletes what was made for another Workspace of this name than the one that the API has now. uid: of the one in the cache; NULL: none. *out_some: there
 * was something of another than the cached one, whether it went or the cache is late; the event that tells of the change wakes this key again.
 */
errc orphans_remove(struct workspace_manager *m, const struct key *key, const char *uid, bool *out_some, struct err *e);
/* The Workspace vanished while its first claims were made, which no cache may know yet: deletes them by their names. made: what was created. */
errc orphans_take_back(struct workspace_manager *m, const json_t *object, const json_t *made, struct err *e);

/* node_classes.c: Karpenter mode. NOT_FOUND: a kind that it needs is not served; the text says which. */
errc node_classes_served(struct workspace_manager *m, struct err *e);
/* Makes those of the settings that are missing and waits, at most 2 minutes, until the default one is Ready. */
errc node_classes_install(struct workspace_manager *m, struct err *e);
struct kube_gvr node_class_gvr(const struct workspace_settings *s);
/* Why it cannot be used now, in the arena; NULL: it can. class NULL: there is none. */
const char *node_class_problem(const json_t *class, struct str name, struct arena *a);

/* slim.c: what the caches keep of an object; each takes it and returns what is left. Objects are only patched, never written back whole. */
json_t *slim_workspace(json_t *obj);
json_t *slim_claim(json_t *obj);
json_t *slim_machine(json_t *obj);      /* as a claim */
json_t *slim_node(json_t *obj);
json_t *slim_node_class(json_t *obj);
json_t *slim_pod(json_t *obj);
json_t *slim_service(json_t *obj);
json_t *slim_job(json_t *obj);
json_t *slim_statefulset(json_t *obj);
json_t *slim_config(json_t *obj);
json_t *slim_secret(json_t *obj);
json_t *slim_volume_claim(json_t *obj);

/* Prometheus text about these PersistentVolumeClaims. */
void volume_metrics(const json_t *claims, struct buf *out);

/* migration.c: takes away the Deployments that upstream's releases before v0.8 served from. */
void workspace_migrate(struct workspace_manager *m);

/* mirrors.c: model streaming. NOT_FOUND: the kind is not served. */
errc mirrors_served(struct workspace_manager *m, struct err *e);
void mirrors_watch(struct workspace_manager *m);         /* after storage_classes */
/* Where the model of this Workspace is streamed: the rest of the view. */
errc mirrors_observe(struct workspace_manager *m, struct op *op, struct observed *o, struct err *e);

/* benchmark.c: what the pod of a ready StatefulSet measured, while BenchmarkCompleted is not True. */
void benchmark_observe(struct workspace_manager *m, struct op *op, struct observed *o);

/* The progress line of the pod that trains: "step 12 of 80, loss 1.23"; NULL when it does not answer. In the arena. *out_left_s stays as it
   is when nobody knows. */
const char *tuning_progress(struct workspace_manager *m, struct op *op, const json_t *pods, int64_t *out_left_s);
/* The same from the text of /metrics; false when that has no steps. */
bool tuning_progress_line(struct str metrics, struct buf *out, int64_t *out_left_s);

#endif
