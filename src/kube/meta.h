/*
 * What every Kubernetes object has: metadata, owner references, labels and selectors, finalizers, conditions.
 * Readers borrow from the object and answer NULL or 0 for what is absent. Writers change an object that is the caller's own.
 */
#ifndef KUBE_META_H
#define KUBE_META_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

const char *kube_name(const json_t *obj);
const char *kube_namespace(const json_t *obj);                  /* "" for cluster-scoped */
const char *kube_uid(const json_t *obj);
const char *kube_kind(const json_t *obj);
const char *kube_api_version(const json_t *obj);
const char *kube_resource_version(const json_t *obj);           /* opaque: compare for equality only */
int64_t kube_generation(const json_t *obj);
bool kube_deleting(const json_t *obj);                          /* has a deletionTimestamp */
const char *kube_label(const json_t *obj, const char *key);
const char *kube_annotation(const json_t *obj, const char *key);
bool kube_has_finalizer(const json_t *obj, const char *finalizer);
int64_t kube_time_ms(const char *rfc3339);                      /* 0 when absent or malformed */
int64_t kube_created_ms(const json_t *obj);                     /* wall time */

void kube_set_label(json_t *obj, const char *key, const char *value);           /* NULL removes */
void kube_set_annotation(json_t *obj, const char *key, const char *value);
bool kube_add_finalizer(json_t *obj, const char *finalizer);    /* false: nothing changed */
bool kube_del_finalizer(json_t *obj, const char *finalizer);

/* {apiVersion, kind, metadata: {namespace, name}}; ns NULL or "" leaves the namespace out. */
json_t *kube_object(const char *api_version, const char *kind, const char *ns, const char *name);
/* An ownerReferences entry that points at owner; controller and blockOwnerDeletion are left out when false. */
json_t *kube_owner_ref(const json_t *owner, bool controller, bool block_deletion);
void kube_set_owner(json_t *obj, const json_t *owner);          /* the controller reference; replaces one with the same uid */
const json_t *kube_controller_of(const json_t *obj);            /* the ownerReferences entry with controller: true; NULL */
bool kube_is_owned_by(const json_t *obj, const char *uid);

/* metav1.LabelSelector (matchLabels, matchExpressions). NULL matches nothing, {} everything, as in Kubernetes. */
bool kube_selector_matches(const json_t *selector, const json_t *labels);
bool kube_map_matches(const json_t *map, const json_t *labels);                 /* a plain map, as a Service's selector; NULL or {}: nothing */
/* "a=b,c in (d,e),!f" text of a LabelSelector, for lists. */
void kube_selector_text(const json_t *selector, struct buf *out);

/*
 * Makes white space of each metadata.managedFields in a JSON text. It is the larger half of an object, nothing here reads it, and its
 * hundreds of empty objects are the dearest to parse.
 */
void kube_blank_managed_fields(char *text, size_t n);

/* Of status.conditions; NULL when there is none of that type. */
const json_t *kube_condition(const json_t *obj, const char *type);
bool kube_condition_is(const json_t *obj, const char *type, const char *status);
struct kube_condition { const char *type, *status, *reason, *message; int64_t generation; };   /* generation 0: left out */
json_t *kube_condition_in(const json_t *conditions, const char *type);  /* of the array; borrowed, NULL when absent */
/*
 * Sets one entry of a conditions array that is the caller's own; lastTransitionTime changes only when status does. Other keys of
 * the entry stay. False when nothing changed.
 */
bool kube_condition_set(json_t *conditions, const struct kube_condition *c, int64_t now_ms);

#endif
