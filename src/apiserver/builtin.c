/*
 * The built-in resources: one row each. Kinds without behaviour of their own have no strategy; the order is that of the
 * groups in discovery.
 */
#include "apiserver/strategy.h"

#define NAMES(...) (const char *const[]){ __VA_ARGS__, NULL }
#define ALL_CATEGORY NAMES("all")
#define SUBS(...) .subs = (const struct subresource[]){ __VA_ARGS__ }, .n_subs = ARRAY_LEN(((const struct subresource[]){ __VA_ARGS__ }))
#define SUB_STATUS(kind_) { "status", "", "", kind_, VERBS_STATUS }
#define SUB_SCALE { "scale", "autoscaling", "v1", "Scale", VERBS_STATUS }
#define SUB_STREAM(name_, kind_) { name_, "", "", kind_, V(CREATE) | V(GET) }
#define SUB_PROXY(kind_) { "proxy", "", "", kind_, V(CREATE) | V(DELETE) | V(GET) | V(PATCH) | V(UPDATE) }
#define NS .namespaced = true
#define ROW(group_, version_, plural_, singular_, kind_, ...) \
    { .group = group_, .version = version_, .plural = plural_, .singular = singular_, .kind = kind_, ##__VA_ARGS__ }
#define AUTHN "authentication.k8s.io"
#define AUTHZ "authorization.k8s.io"
#define RBAC "rbac.authorization.k8s.io"

static const struct resource rows[] = {
    ROW("", "v1", "bindings", "binding", "Binding", NS, .verbs = V(CREATE)),
    ROW("", "v1", "configmaps", "configmap", "ConfigMap", NS, .short_names = NAMES("cm"), .strategy = &strategy_configmap,
        .columns = &columns_configmaps),
    ROW("", "v1", "endpoints", "endpoints", "Endpoints", NS, .short_names = NAMES("ep"), .strategy = &strategy_upsert,
        .columns = &columns_endpoints),
    ROW("", "v1", "events", "event", "Event", NS, .short_names = NAMES("ev"), .strategy = &strategy_event, .columns = &columns_events),
    ROW("", "v1", "limitranges", "limitrange", "LimitRange", NS, .short_names = NAMES("limits")),
    ROW("", "v1", "namespaces", "namespace", "Namespace", .verbs = VERBS_ALL & ~V(DELETECOLLECTION), .short_names = NAMES("ns"),
        .strategy = &strategy_namespace, .columns = &columns_namespaces,
        SUBS({ "finalize", "", "", "Namespace", V(UPDATE) }, SUB_STATUS("Namespace"))),
    ROW("", "v1", "nodes", "node", "Node", .short_names = NAMES("no"), .strategy = &strategy_node, .columns = &columns_nodes,
        SUBS(SUB_PROXY("NodeProxyOptions"), SUB_STATUS("Node"))),
    ROW("", "v1", "persistentvolumeclaims", "persistentvolumeclaim", "PersistentVolumeClaim", NS, .short_names = NAMES("pvc"),
        .strategy = &strategy_claim, .columns = &columns_persistentvolumeclaims, SUBS(SUB_STATUS("PersistentVolumeClaim"))),
    ROW("", "v1", "persistentvolumes", "persistentvolume", "PersistentVolume", .short_names = NAMES("pv"),
        .strategy = &strategy_volume, SUBS(SUB_STATUS("PersistentVolume"))),
    ROW("", "v1", "pods", "pod", "Pod", NS, .short_names = NAMES("po"), .categories = ALL_CATEGORY, .strategy = &strategy_pod,
        .columns = &columns_pods,
        SUBS(SUB_STREAM("attach", "PodAttachOptions"), { "binding", "", "", "Binding", V(CREATE) },
             { "ephemeralcontainers", "", "", "Pod", VERBS_STATUS }, { "eviction", "policy", "v1", "Eviction", V(CREATE) },
             SUB_STREAM("exec", "PodExecOptions"), { "log", "", "", "Pod", V(GET) },
             SUB_STREAM("portforward", "PodPortForwardOptions"), SUB_PROXY("PodProxyOptions"), SUB_STATUS("Pod"))),
    ROW("", "v1", "podtemplates", "podtemplate", "PodTemplate", NS),
    ROW("", "v1", "resourcequotas", "resourcequota", "ResourceQuota", NS, .short_names = NAMES("quota"), .strategy = &strategy_status,
        SUBS(SUB_STATUS("ResourceQuota"))),
    ROW("", "v1", "secrets", "secret", "Secret", NS, .strategy = &strategy_secret, .columns = &columns_secrets),
    ROW("", "v1", "serviceaccounts", "serviceaccount", "ServiceAccount", NS, .short_names = NAMES("sa"),
        .strategy = &strategy_serviceaccount, .columns = &columns_serviceaccounts,
        SUBS({ "token", AUTHN, "v1", "TokenRequest", V(CREATE) })),
    ROW("", "v1", "services", "service", "Service", NS, .short_names = NAMES("svc"), .categories = ALL_CATEGORY,
        .strategy = &strategy_service, .columns = &columns_services, SUBS(SUB_PROXY("ServiceProxyOptions"), SUB_STATUS("Service"))),

    ROW("apps", "v1", "controllerrevisions", "controllerrevision", "ControllerRevision", NS),
    ROW("apps", "v1", "daemonsets", "daemonset", "DaemonSet", NS, .short_names = NAMES("ds"), .categories = ALL_CATEGORY,
        .strategy = &strategy_workload, SUBS(SUB_STATUS("DaemonSet"))),
    ROW("apps", "v1", "deployments", "deployment", "Deployment", NS, .short_names = NAMES("deploy"), .categories = ALL_CATEGORY,
        .strategy = &strategy_deployment, .columns = &columns_deployments, SUBS(SUB_SCALE, SUB_STATUS("Deployment"))),
    ROW("apps", "v1", "replicasets", "replicaset", "ReplicaSet", NS, .short_names = NAMES("rs"), .categories = ALL_CATEGORY,
        .strategy = &strategy_workload, SUBS(SUB_SCALE, SUB_STATUS("ReplicaSet"))),
    ROW("apps", "v1", "statefulsets", "statefulset", "StatefulSet", NS, .short_names = NAMES("sts"), .categories = ALL_CATEGORY,
        .strategy = &strategy_statefulset, .columns = &columns_statefulsets, SUBS(SUB_SCALE, SUB_STATUS("StatefulSet"))),

    ROW("events.k8s.io", "v1", "events", "event", "Event", NS, .short_names = NAMES("ev"), .key = "events", .strategy = &strategy_event,
        .alias = true),

    ROW(AUTHN, "v1", "selfsubjectreviews", "selfsubjectreview", "SelfSubjectReview", .verbs = V(CREATE), .strategy = &strategy_review_self),
    ROW(AUTHN, "v1", "tokenreviews", "tokenreview", "TokenReview", .verbs = V(CREATE), .strategy = &strategy_review_token),

    ROW(AUTHZ, "v1", "localsubjectaccessreviews", "localsubjectaccessreview", "LocalSubjectAccessReview", NS, .verbs = V(CREATE),
        .strategy = &strategy_review_access),
    ROW(AUTHZ, "v1", "selfsubjectaccessreviews", "selfsubjectaccessreview", "SelfSubjectAccessReview", .verbs = V(CREATE),
        .strategy = &strategy_review_access_self),
    ROW(AUTHZ, "v1", "selfsubjectrulesreviews", "selfsubjectrulesreview", "SelfSubjectRulesReview", .verbs = V(CREATE),
        .strategy = &strategy_review_rules),
    ROW(AUTHZ, "v1", "subjectaccessreviews", "subjectaccessreview", "SubjectAccessReview", .verbs = V(CREATE),
        .strategy = &strategy_review_access),

    ROW("autoscaling", "v2", "horizontalpodautoscalers", "horizontalpodautoscaler", "HorizontalPodAutoscaler", NS,
        .short_names = NAMES("hpa"), .categories = ALL_CATEGORY, .strategy = &strategy_status,
        SUBS(SUB_STATUS("HorizontalPodAutoscaler"))),
    ROW("autoscaling", "v1", "horizontalpodautoscalers", "horizontalpodautoscaler", "HorizontalPodAutoscaler", NS,
        .short_names = NAMES("hpa"), .categories = ALL_CATEGORY, .strategy = &strategy_status, .alias = true,
        SUBS(SUB_STATUS("HorizontalPodAutoscaler"))),

    ROW("batch", "v1", "cronjobs", "cronjob", "CronJob", NS, .short_names = NAMES("cj"), .categories = ALL_CATEGORY,
        .strategy = &strategy_workload, SUBS(SUB_STATUS("CronJob"))),
    ROW("batch", "v1", "jobs", "job", "Job", NS, .categories = ALL_CATEGORY, .strategy = &strategy_job, .columns = &columns_jobs,
        SUBS(SUB_STATUS("Job"))),

    ROW("networking.k8s.io", "v1", "ingressclasses", "ingressclass", "IngressClass"),
    ROW("networking.k8s.io", "v1", "ingresses", "ingress", "Ingress", NS, .short_names = NAMES("ing"), .strategy = &strategy_status_generation,
        SUBS(SUB_STATUS("Ingress"))),
    ROW("networking.k8s.io", "v1", "networkpolicies", "networkpolicy", "NetworkPolicy", NS, .short_names = NAMES("netpol"),
        .strategy = &strategy_generation),

    ROW("policy", "v1", "poddisruptionbudgets", "poddisruptionbudget", "PodDisruptionBudget", NS, .short_names = NAMES("pdb"),
        .strategy = &strategy_budget, SUBS(SUB_STATUS("PodDisruptionBudget"))),

    ROW(RBAC, "v1", "clusterrolebindings", "clusterrolebinding", "ClusterRoleBinding", .strategy = &strategy_binding,
        .columns = &columns_clusterrolebindings),
    ROW(RBAC, "v1", "clusterroles", "clusterrole", "ClusterRole", .strategy = &strategy_role, .columns = &columns_roles),
    ROW(RBAC, "v1", "rolebindings", "rolebinding", "RoleBinding", NS, .strategy = &strategy_binding, .columns = &columns_clusterrolebindings),
    ROW(RBAC, "v1", "roles", "role", "Role", NS, .strategy = &strategy_role, .columns = &columns_roles),

    ROW("storage.k8s.io", "v1", "csidrivers", "csidriver", "CSIDriver"),
    ROW("storage.k8s.io", "v1", "csinodes", "csinode", "CSINode"),
    ROW("storage.k8s.io", "v1", "storageclasses", "storageclass", "StorageClass", .short_names = NAMES("sc"),
        .strategy = &strategy_storageclass, .columns = &columns_storageclasses),
    ROW("storage.k8s.io", "v1", "volumeattachments", "volumeattachment", "VolumeAttachment", .strategy = &strategy_status,
        SUBS(SUB_STATUS("VolumeAttachment"))),

    ROW("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", "mutatingwebhookconfiguration", "MutatingWebhookConfiguration",
        .categories = NAMES("api-extensions"), .strategy = &strategy_webhooks, .columns = &columns_webhooks),
    ROW("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations", "validatingwebhookconfiguration",
        "ValidatingWebhookConfiguration", .categories = NAMES("api-extensions"), .strategy = &strategy_webhooks,
        .columns = &columns_webhooks),

    ROW("apiextensions.k8s.io", "v1", "customresourcedefinitions", "customresourcedefinition", "CustomResourceDefinition",
        .short_names = NAMES("crd", "crds"), .categories = NAMES("api-extensions"), .strategy = &strategy_definition,
        .columns = &columns_definitions, SUBS(SUB_STATUS("CustomResourceDefinition"))),

    ROW("scheduling.k8s.io", "v1", "priorityclasses", "priorityclass", "PriorityClass", .short_names = NAMES("pc"),
        .strategy = &strategy_generation),
    ROW("coordination.k8s.io", "v1", "leases", "lease", "Lease", NS, .strategy = &strategy_lease, .columns = &columns_leases),
    ROW("discovery.k8s.io", "v1", "endpointslices", "endpointslice", "EndpointSlice", NS, .strategy = &strategy_generation),
};

void registry_add_builtin(struct registry *g)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        (void)registry_add(g, &rows[i]);
}
