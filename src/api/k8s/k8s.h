/*
 * The built-in Kubernetes kinds, complete, as generated tables (tables.c, made by tools/k8s-tables from the pinned k8s.io/api modules):
 * names, types, protobuf numbers, list keys, merge strategies, tagged defaults. JSON mode only.
 * Strategy, printer columns and verbs belong to the API server.
 */
#ifndef API_K8S_K8S_H
#define API_K8S_K8S_H

#include "schema/schema.h"

const struct type *k8s_type(const char *name);                  /* "io.k8s.api.core.v1.PodSpec"; NULL: none */
const struct type *k8s_kind(const char *group, const char *version, const char *kind);         /* NULL: none */
const struct type *k8s_types(size_t *n);                        /* all, sorted by name */

extern const struct type *const k8s_object_meta;                /* io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta */

/*
 * Defaults that Kubernetes sets in code: restartPolicy, imagePullPolicy by tag, probes, ports, strategies, ... Call after
 * schema_default, on create and update. For types that are not built in it does nothing.
 */
void k8s_default(const struct type *t, json_t *object);

#endif
