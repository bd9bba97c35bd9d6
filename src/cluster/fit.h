/* Does a pod fit on a node? Pure decisions; the reasons are kube-scheduler's words. */
#ifndef CLUSTER_FIT_H
#define CLUSTER_FIT_H

#include "api/k8s/node.h"
#include "api/k8s/pod.h"

/* What a pod asks for, and what is used on a node: a few resources by name, in nano units (quantity_parse). */
struct amount { struct str name; __int128 nano; };
struct amounts { struct amount items[16]; size_t n; };
void amounts_add(struct amounts *a, const struct amounts *b);
/* The larger of (sum of containers) and (largest init container), per resource. */
void pod_requests(const struct pod_spec *spec, struct amounts *out);

/* Why not; resolvable: only resources are short, so that other pods could make room. */
struct fit_reasons { char text[16][160]; size_t n; bool resolvable; };
bool node_fits(const struct node *node, const struct pod_spec *spec, const struct affinity *affinity, const struct amounts *wants,
               const struct amounts *used, size_t pods_there, struct fit_reasons *out);

#endif
