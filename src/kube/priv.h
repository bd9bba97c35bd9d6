/* What the files of kube/ share. */
#ifndef KUBE_PRIV_H
#define KUBE_PRIV_H

#include <stdatomic.h>

#include "kube/kube.h"

#define REQUEST_ROWS 64
struct request_count { const char *method; int code; uint64_t n; };     /* code 0: no answer */
struct request_counts {
    struct mutex mu;                    /* a leaf */
    struct request_count rows[REQUEST_ROWS];
    size_t n;
};

struct kube_client {
    struct http_client *http;
    char *server, *namespace_;
    struct cancel *cancel;
    int64_t timeout_ms;                 /* 0: the http client's, with retries */
    struct request_counts counts;
    atomic_bool away;                   /* the last request had no answer */
};

void kube_count_request(struct kube_client *c, const char *method, int code);
struct informer;
bool informer_api_is_away(const struct informer *i);            /* as its client found last, whoever asked */

/* A whole exchange with retries; *out gets the body of a 2xx. cancel may be NULL: the client's. */
struct kube_call {
    const char *method;
    const char *path;                   /* "/api/v1/...?..." */
    const char *content_type;
    struct str body;
    bool once;                          /* a reply with Retry-After is an error like any other */
};
errc kube_do(struct kube_client *c, const struct kube_call *call, struct buf *out, struct err *e);
errc kube_do_json(struct kube_client *c, const struct kube_call *call, json_t **out, struct err *e);

/* Items of a list carry no apiVersion and kind of their own (built-in kinds): both come from the list's. */
void kube_fill_kinds(json_t *list);

/* jitter: a time between ms and 2 * ms */
int64_t kube_jitter_ms(int64_t ms);

/*
 * The objects of an informer, by "ns/name", by labels and by the uids of their owners. A compact one keeps them flat (base/flat.h) and makes a tree
 * for each reader. What is returned is the caller's own reference. Not thread-safe: the informer's lock guards it.
 */
struct objcache;
struct objcache *objcache_new(bool compact);
void objcache_free(struct objcache *c);
/* *out_old: what was there, NULL when it is new. False: the same resourceVersion, or the same in all that is kept, was there; nothing changed. */
bool objcache_put(struct objcache *c, const json_t *obj, json_t **out_old);
json_t *objcache_take(struct objcache *c, const char *id);            /* NULL when absent */
json_t *objcache_get(const struct objcache *c, const char *id);       /* NULL when absent */
bool objcache_next_id(const struct objcache *c, size_t *at, struct str *id);
struct objcache_filter {
    const char *ns;                     /* NULL: all */
    const json_t *selector;             /* metav1.LabelSelector; NULL: all */
    const json_t *labels;               /* a plain map; NULL: all, {}: nothing */
    const char *field, *value;          /* ".spec.nodeName" and what stands there, case aside; field NULL: all */
};
json_t *objcache_list(struct objcache *c, const struct objcache_filter *f);           /* a new array; the first by a label or field makes its index */
json_t *objcache_owned_by(struct objcache *c, const char *uid);       /* a new array; the first call makes the index */
size_t objcache_len(const struct objcache *c);
char *objcache_id(const char *ns, const char *name);               /* malloc'd */

/* controller.c, for its metrics */
struct controller;
struct workq_stats;
const char *controller_name(const struct controller *c);
void controller_queue_stats(struct controller *c, struct workq_stats *out);

/* informer_union.c: parts are the set's. It only reads once it is made, so any thread may ask it. */
struct informer_handler;
struct informer_stats;
struct informer_union { struct informer **parts; char **namespaces; size_t n; };
void union_free(struct informer_union *u);
void union_add(struct informer_union *u, const char *ns, struct informer *part);
bool union_is_for(const struct informer_union *u, const char *const *namespaces);
void union_on(const struct informer_union *u, const struct informer_handler *h);
bool union_synced(const struct informer_union *u);
errc union_wait_until(const struct informer_union *u, struct cancel *cancel, int64_t mono_ms, struct err *e);
json_t *union_get(const struct informer_union *u, const char *ns, const char *name);
json_t *union_list(const struct informer_union *u, const char *ns, const json_t *selector, const json_t *labels);
json_t *union_list_field(const struct informer_union *u, const char *field, const char *value);
json_t *union_owned_by(const struct informer_union *u, const char *owner_uid);
size_t union_len(const struct informer_union *u);
void union_stats(const struct informer_union *u, struct informer_stats *out);

/* informer.c, for the set */
struct informer_opts;
/* of: NULL, or the parts (taken) that this one only reads; it has no thread then. */
struct informer *informer_new(struct kube_client *c, const struct informer_opts *o, struct informer_union *of);
void informer_free(struct informer *i);
void informer_start(struct informer *i, struct cancel *stop);
void informer_join(struct informer *i);
bool informer_is_for(const struct informer *i, const struct informer_opts *o);
bool informer_is_whole(const struct informer *i, const struct kube_gvr *r);
errc informer_wait_until(struct informer *i, struct cancel *cancel, int64_t mono_ms, struct err *e);


#endif
