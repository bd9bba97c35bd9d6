/*
 * The last known state of one resource, kept by list and watch on a thread of its own: lists in pages, watches on from there,
 * resumes at the last resourceVersion (bookmarks move it), lists again after 410, comes back with back-off and jitter when cut.
 *
 * Objects in the cache are immutable and shared; each reader gets a reference. metadata.managedFields is dropped. An event that
 * changes nothing of what a compact cache keeps is not told: a transform that drops resourceVersion makes heartbeats vanish.
 * Thread-safe; the lock is a leaf. Handlers run one event at a time, on the informer's thread: they queue keys and return.
 */
#ifndef KUBE_INFORMER_H
#define KUBE_INFORMER_H

#include "kube/kube.h"

struct informer;

/* added: old NULL; deleted: new NULL; a resync gives old == new. Both are borrowed. */
struct informer_handler {
    void (*event)(void *self, const json_t *old, const json_t *new_);
    void *self;
};

struct informer_opts {
    struct kube_gvr gvr;                /* texts must outlive the informer (they are literals) */
    const char *ns;                     /* NULL: all */
    const char *const *namespaces;      /* several, NULL-terminated, instead of ns: an informer for each, read as one; NULL: as ns says */
    const char *label_selector, *field_selector;
    int64_t resync_ms;                  /* 0: never */
    json_t *(*transform)(json_t *obj);  /* takes the caller's own tree, returns what to keep; may be NULL */
    bool compact;                       /* keep objects in a tenth of the memory and make them anew for each reader; lists of all are slow */
};

/* A set shares one informer per resource among controllers and starts and stops them together. */
struct informers;
struct informers *informers_new(struct kube_client *c);
void informers_free(struct informers *s);       /* stops and joins */
DEFINE_AUTO_FREE(informers)
/* The informer of the set for these options; made on first use. Also after informers_start: then it starts at once. */
struct informer *informers_get(struct informers *s, const struct informer_opts *o);
/* One of the set that follows the whole resource, whatever its transform; NULL: there is none yet. */
struct informer *informers_find(struct informers *s, const struct kube_gvr *r);
#define informers_of(s, group, version, resource) \
    informers_get((s), &(struct informer_opts){ .gvr = { (group), (version), (resource) } })
void informers_start(struct informers *s, struct cancel *cancel);        /* a thread each; cancel outlives the set */
/* Waits until each has its first list; CANCELLED, or TIMEOUT that names the resource and its last error. timeout_ms -1: for ever. */
errc informers_wait_synced(struct informers *s, int64_t timeout_ms, struct err *e);
void informers_join(struct informers *s);       /* after cancel */

/* A handler added late is told the present state as adds. */
void informer_on(struct informer *i, const struct informer_handler *h);
bool informer_synced(struct informer *i);        /* it has had its first whole list */
bool informer_wait_synced(struct informer *i, struct cancel *cancel);            /* false: cancelled before */
const struct kube_gvr *informer_gvr(const struct informer *i);

/* References of the caller's own (json_decref, AUTO_JSON); NULL when absent. Arrays may be empty, never NULL. */
json_t *informer_get(struct informer *i, const char *ns, const char *name);
json_t *informer_list(struct informer *i, const char *ns, const json_t *label_selector);  /* ns NULL: all; selector NULL: all */
json_t *informer_list_labels(struct informer *i, const char *ns, const json_t *labels);   /* a plain map; NULL: all */
/* Those with this text, case aside, in a field such as ".spec.nodeName" (two parts). Of an index that the first question makes. */
json_t *informer_list_field(struct informer *i, const char *field, const char *value);
json_t *informer_owned_by(struct informer *i, const char *owner_uid);                     /* any owner reference, controller or not */
size_t informer_len(struct informer *i);

struct informer_stats { uint64_t lists, watches, events, errors; };      /* since the start */
void informer_stats(struct informer *i, struct informer_stats *out);

#endif
