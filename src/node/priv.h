/* What the files of the node agent share. */
#ifndef NODE_PRIV_H
#define NODE_PRIV_H

#include "api/k8s/pod.h"
#include "kube/controller.h"
#include "kube/events.h"
#include "kube/meta.h"
#include "node/node.h"
#include "node/pod_files.h"

struct proxy;
struct http_server;

struct node_agent {
    struct node_opts o;                 /* texts owned by `texts` */
    struct arena *texts;
    struct kube_client *client;
    struct cancel *cancel;              /* the caller's */
    struct informers *informers;
    struct informer *pods, *nodes;
    struct controller *pod_controller, *node_controller;
    struct recorder *events;
    struct http_server *logs;           /* the kubelet's endpoint */
    struct proxy *proxy;
    char *pods_dir, *claims_dir;
    int inotify_fd;
    struct thread watcher;

    struct mutex children_mu;           /* guards children: monitors that we started and must wait for; a leaf */
    struct child { pid_t pid; char *folder; } *children;
    size_t n_children, cap_children;
};


/* Which object of the API a pod may look at while it is planned. */
struct lookup {
    errc (*get)(void *self, const char *resource, const char *ns, const char *name, json_t **out, struct err *e);
    void *self;
};

struct plan_input {
    const struct pod *pod;
    const char *pod_ip, *host_ip;
    const char *folder, *claims_dir;    /* of this pod; of all persistent volume claims */
    const char *runtime_image, *runtime_path;
    const char *const *extra_env;       /* "NAME=value", NULL-terminated, may be NULL */
    const struct lookup *lookup;
};

/* pod_volumes.c: makes the pod's volumes under FOLDER/volumes. NOT_FOUND names the missing ConfigMap or Secret. */
errc pod_volumes_make(const struct plan_input *in, struct arena *a, struct err *e);
/* The host folder of a volume of the pod, NULL when the pod has no such volume. */
const char *pod_volume_path(const struct plan_input *in, struct arena *a, struct str volume);

/* pod_plan.c: what the monitor has to run. No effects beyond lookups. */
errc pod_plan_make(const struct plan_input *in, struct arena *a, struct pod_plan *out, struct err *e);

/* Replaces mount paths in a text by where they are on this machine: "--data=/mnt/data/x" -> "--data=/host/x". */
struct str paths_replace(struct arena *a, struct str text, const struct path_map *maps, size_t n);
/* $(NAME) and $$ as Kubernetes expands them; unknown names stay. */
struct str variables_expand(struct arena *a, struct str text, const struct str *env, size_t n_env);

/* pod_status.c: the status that the API server should hold, from the stored pod and the monitor's words. */
struct status_input {
    const json_t *pod;
    const struct pod_state *state;      /* NULL: not started */
    const char *pod_ip, *host_ip;       /* pod_ip NULL: none yet */
    const char *waiting_reason, *waiting_message;       /* why it was not started; NULL: it is being prepared */
    int64_t now_ms;
};
json_t *pod_status_render(const struct status_input *in);

/* pods.c */
errc pods_reconcile(void *self, struct op *op, const struct key *key, struct reconcile_result *out, struct err *e);
errc pods_sweep(struct node_agent *n, struct err *e);   /* queues a key for each folder, so that leftovers go */

/* heartbeat.c */
errc heartbeat_reconcile(void *self, struct op *op, const struct key *key, struct reconcile_result *out, struct err *e);

/* kubelet.c: GET /containerLogs/NS/POD/CONTAINER and /healthz */
errc kubelet_start(struct node_agent *n, struct err *e);

/* proxy.c: listens on each Service's cluster IP and carries connections to ready endpoints. */
errc proxy_start(struct node_agent *n, struct proxy **out, struct err *e);
void proxy_stop(struct proxy *p);

#endif
