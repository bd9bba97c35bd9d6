/* The strategies and columns that the table of built-in resources names. */
#ifndef APISERVER_STRATEGY_H
#define APISERVER_STRATEGY_H

#include "apiserver/priv.h"

extern const struct strategy
    strategy_status, strategy_budget, strategy_generation, strategy_status_generation, strategy_upsert, strategy_lease,      /* strategy_common.c */
    strategy_configmap, strategy_secret, strategy_event, strategy_serviceaccount, strategy_storageclass, strategy_volume,
    strategy_claim, strategy_namespace, strategy_node, strategy_role, strategy_binding,
    strategy_pod, strategy_workload, strategy_deployment, strategy_statefulset, strategy_job,              /* strategy_workload.c */
    strategy_webhooks,                                                                                     /* strategy_admission.c */
    strategy_service,                                                                                      /* strategy_service.c */
    strategy_definition, strategy_custom, strategy_custom_status,                                         /* crd.c */
    strategy_review_self, strategy_review_token, strategy_review_access, strategy_review_access_self, strategy_review_rules;

extern const struct columns
    columns_configmaps, columns_endpoints, columns_events, columns_namespaces, columns_nodes, columns_persistentvolumeclaims,
    columns_pods, columns_secrets, columns_serviceaccounts, columns_services, columns_deployments, columns_statefulsets, columns_jobs,
    columns_clusterrolebindings, columns_roles, columns_storageclasses, columns_definitions, columns_leases, columns_webhooks, columns_custom;

/* Small helpers that strategies share (strategy_common.c). */
void check_immutable(const json_t *obj, const json_t *old, const char *path, struct field_errors *out);
bool same(const json_t *a, const json_t *b);    /* absent equals absent */
json_t *at(const json_t *obj, const char *dotted);      /* borrowed */

#endif
