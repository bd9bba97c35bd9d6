/*
 * A client to any Kubernetes API: one set of verbs over (group, version, resource). Objects are jansson trees; one that was
 * published (returned by an informer, handed to another thread) is never changed: json_clone first. They come without
 * metadata.managedFields, which a later update then leaves as it is.
 *
 * struct kube_client is thread-safe. Every call ends early with CANCELLED once the client's cancel token fires. 429 and 503 with a
 * Retry-After are waited for and tried again (10 times, as client-go); without one a 429, and a read's 503, three times within a
 * second. A failing Status becomes an error with the server's message: NOT_FOUND, EXISTS, CONFLICT, INVALID (422), FORBIDDEN,
 * UNAUTHORIZED, GONE (410, expired resourceVersion), THROTTLED, TIMEOUT, UNAVAILABLE (also: the server cannot be reached), else by HTTP status.
 */
#ifndef KUBE_KUBE_H
#define KUBE_KUBE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/thread.h"
#include "http/client.h"

struct kube_gvr { const char *group, *version, *resource; };    /* group "" is the core one */
#define KUBE_GVR(group, version, resource) (&(const struct kube_gvr){ (group), (version), (resource) })
bool kube_gvr_same(const struct kube_gvr *a, const struct kube_gvr *b);

/* Where an API is and who we are there. Plain data; texts owned. */
struct kube_config {
    char *server;                       /* https://127.0.0.1:6443, no trailing slash */
    char *namespace_;                   /* of the context; never NULL */
    char *ca_pem, *cert_pem, *key_pem;
    char *token, *token_file;
    char *source;                       /* the file or "in-cluster", for messages */
    bool insecure;
};
/*
 * path: a file; NULL: $KUBECONFIG (several files separated by ":" are merged, the first to say something wins), else ~/.kube/config when
 * it exists, else the service account of a pod. context NULL: the current one. Exec plugins and auth providers give UNBUILT.
 */
errc kube_config_load(const char *path, const char *context, struct kube_config **out, struct err *e);
void kube_config_free(struct kube_config *c);
DEFINE_AUTO_FREE(kube_config)
/* A kubeconfig file with one cluster, user and context called `name`. */
void kube_config_write(const struct kube_config *c, const char *name, struct buf *out);

struct kube_client;
/* user_agent NULL: the default. cancel (may be NULL) outlives the client. */
errc kube_client_new(const struct kube_config *c, const char *user_agent, struct cancel *cancel, struct kube_client **out, struct err *e);
/* Every later call ends within timeout_ms and is not tried again: for what is worth nothing when it comes late, as a lease. Before its use. */
void kube_client_hurry(struct kube_client *c, int64_t timeout_ms);
void kube_client_free(struct kube_client *c);
DEFINE_AUTO_FREE(kube_client)
const char *kube_client_namespace(const struct kube_client *c);         /* of the kubeconfig's context; never NULL */
const char *kube_client_server(const struct kube_client *c);

/* Prometheus text: rest_client_requests_total, with client-go's labels. */
void kube_client_metrics(struct kube_client *c, struct buf *out);

/* ns NULL or "": cluster-scoped, or all namespaces for lists. *out (may be NULL) is yours. */
errc kube_get(struct kube_client *c, const struct kube_gvr *r, const char *ns, const char *name, json_t **out, struct err *e);

struct kube_list_opts {
    const char *label_selector, *field_selector;
    int limit;                          /* 0: one page with everything; for kube_list_all the page size, 0: 500 */
    const char *continue_token;
    const char *resource_version;       /* NULL: the most recent */
};
/* One page; *out is the List object. o NULL: everything. GONE: the continue token has expired. */
errc kube_list(struct kube_client *c, const struct kube_gvr *r, const char *ns, const struct kube_list_opts *o, json_t **out, struct err *e);
/* Every page; *out is an array of items, each with apiVersion and kind filled in. */
errc kube_list_all(struct kube_client *c, const struct kube_gvr *r, const char *ns, const struct kube_list_opts *o, json_t **out, struct err *e);

/* Namespace and name come from obj. `sub` is NULL or a subresource: "status", "scale", "binding". obj is only read. */
errc kube_create(struct kube_client *c, const struct kube_gvr *r, const char *sub, const json_t *obj, json_t **out, struct err *e);
/* The same, with `manager` as the owner of the fields instead of the first word of the user agent. */
errc kube_create_as(struct kube_client *c, const struct kube_gvr *r, const json_t *obj, const char *manager, json_t **out, struct err *e);
/* Replaces; CONFLICT when obj's resourceVersion is not the present one. */
errc kube_update(struct kube_client *c, const struct kube_gvr *r, const char *sub, const json_t *obj, json_t **out, struct err *e);

enum kube_patch { KUBE_PATCH_MERGE, KUBE_PATCH_JSON, KUBE_PATCH_STRATEGIC };
errc kube_patch(struct kube_client *c, const struct kube_gvr *r, const char *ns, const char *name, const char *sub, enum kube_patch type,
                const json_t *patch, json_t **out, struct err *e);
/* Server-side apply: obj holds apiVersion, kind, metadata.name and only the fields that `manager` wants to own. */
errc kube_apply(struct kube_client *c, const struct kube_gvr *r, const char *sub, const json_t *obj, const char *manager, bool force,
                json_t **out, struct err *e);
/*
 * Before kube_apply to an object that `manager` has made with kube_create_as: what it wrote counts as applied from then on, so that fields which the
 * apply leaves out go. So does what `former` wrote (NULL: nobody), whom `manager` follows. Fine when the object is gone or nothing was so written.
 * CONFLICT: it changed meanwhile.
 */
errc kube_own_as_applied(struct kube_client *c, const struct kube_gvr *r, const char *ns, const char *name, const char *manager, const char *former, struct err *e);

struct kube_delete_opts {
    const char *propagation;            /* "Background", "Foreground", "Orphan"; NULL: the server's default */
    int64_t grace_seconds;              /* used when has_grace */
    bool has_grace;
    const char *uid, *resource_version; /* preconditions: CONFLICT when they differ */
};
errc kube_delete(struct kube_client *c, const struct kube_gvr *r, const char *ns, const char *name, const struct kube_delete_opts *o,
                 struct err *e);
/* Every object that the selector fits (NULL: all), as kubectl's DELETE of a collection. */
errc kube_delete_all(struct kube_client *c, const struct kube_gvr *r, const char *ns, const char *label_selector, struct err *e);

/*
 * Asks that this very pod (its uid) be evicted, with the grace period that it has. THROTTLED: a PodDisruptionBudget does not allow it now, at
 * once and whatever the reply says about waiting: the caller has more pods to look at.
 */
errc kube_evict(struct kube_client *c, const json_t *pod, struct err *e);

/* Any path ("/api/v1/...", query included): for /version, logs, aggregated APIs. Errors as above. */
errc kube_raw(struct kube_client *c, const char *method, const char *path, const char *content_type, struct str body, struct buf *out,
              struct err *e);
/* A reply that is read as it comes: data is called on this thread; TIMEOUT when nothing came for idle_timeout_ms (0: never). */
errc kube_stream(struct kube_client *c, const char *path, int64_t idle_timeout_ms, struct cancel *cancel,
                 errc (*data)(void *self, struct str chunk, struct err *e), void *self, struct err *e);

/* Is the resource served? *out false is no error. Discovery is asked each time. */
errc kube_has_resource(struct kube_client *c, const struct kube_gvr *r, bool *out, struct err *e);
/* Everything the API serves, each resource in its group's preferred version or else another: calls each(self, gvr, kind, namespaced, verbs array). */
errc kube_each_resource(struct kube_client *c,
                        void (*each)(void *self, const struct kube_gvr *r, const char *kind, bool namespaced, const json_t *verbs),
                        void *self, struct err *e);

/* Appends "/api/v1/namespaces/ns/pods/name/sub" or its /apis/ sibling. */
void kube_path(struct buf *out, const struct kube_gvr *r, const char *ns, const char *name, const char *sub);
/* A reply's Status (or bare body) as an error. */
errc kube_status_error(int http_status, struct str body, const char *what, struct err *e);

#endif
