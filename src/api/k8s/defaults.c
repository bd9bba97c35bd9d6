/*
 * Defaults that Kubernetes sets in Go code (pkg/apis/GROUP/VERSION/defaults.go), not in tags. Rows are plain values at a path of a
 * type; what depends on other fields is a small function. Checked against shared/golden/apiserver workloads and other_kinds.
 */
#include "api/k8s/k8s.h"

#include "base/hash.h"
#include "base/mem.h"

#define CORE "io.k8s.api.core.v1."
#define APPS "io.k8s.api.apps.v1."
#define BATCH "io.k8s.api.batch.v1."
#define RBAC "io.k8s.api.rbac.v1."
#define HOOKS "io.k8s.api.admissionregistration.v1."
#define CRDS "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."

/* `when` (may be NULL) names a field that must be there, or FIELD=VALUE. Paths make the objects on the way only where `make` says so. */
struct row { const char *type, *path, *value, *when; };

static const struct row rows[] = {
    { CORE "Pod", "spec.enableServiceLinks", "true", NULL },
    { CORE "PodSpec", "restartPolicy", "\"Always\"", NULL },
    { CORE "PodSpec", "dnsPolicy", "\"ClusterFirst\"", NULL },
    { CORE "PodSpec", "terminationGracePeriodSeconds", "30", NULL },
    { CORE "PodSpec", "schedulerName", "\"default-scheduler\"", NULL },
    { CORE "PodSpec", "securityContext", "{}", NULL },
    { CORE "Container", "terminationMessagePath", "\"/dev/termination-log\"", NULL },
    { CORE "Container", "terminationMessagePolicy", "\"File\"", NULL },
    { CORE "EphemeralContainerCommon", "terminationMessagePath", "\"/dev/termination-log\"", NULL },
    { CORE "EphemeralContainerCommon", "terminationMessagePolicy", "\"File\"", NULL },
    { CORE "ContainerPort", "protocol", "\"TCP\"", NULL },
    { CORE "Probe", "timeoutSeconds", "1", NULL },
    { CORE "Probe", "periodSeconds", "10", NULL },
    { CORE "Probe", "successThreshold", "1", NULL },
    { CORE "Probe", "failureThreshold", "3", NULL },
    { CORE "GRPCAction", "service", "\"\"", NULL },
    { CORE "HTTPGetAction", "path", "\"/\"", NULL },
    { CORE "HTTPGetAction", "scheme", "\"HTTP\"", NULL },
    { CORE "ObjectFieldSelector", "apiVersion", "\"v1\"", NULL },
    { CORE "ConfigMapVolumeSource", "defaultMode", "420", NULL },
    { CORE "SecretVolumeSource", "defaultMode", "420", NULL },
    { CORE "DownwardAPIVolumeSource", "defaultMode", "420", NULL },
    { CORE "ProjectedVolumeSource", "defaultMode", "420", NULL },
    { CORE "ServiceAccountTokenProjection", "expirationSeconds", "3600", NULL },
    { CORE "HostPathVolumeSource", "type", "\"\"", NULL },
    { CORE "PersistentVolumeClaimSpec", "volumeMode", "\"Filesystem\"", NULL },
    { CORE "PersistentVolumeClaim", "status.phase", "\"Pending\"", NULL },
    { CORE "PersistentVolume", "spec.persistentVolumeReclaimPolicy", "\"Retain\"", NULL },
    { CORE "PersistentVolume", "spec.volumeMode", "\"Filesystem\"", NULL },
    { CORE "PersistentVolume", "status.phase", "\"Pending\"", NULL },
    { CORE "Namespace", "status.phase", "\"Active\"", NULL },
    { CORE "Secret", "type", "\"Opaque\"", NULL },
    { CORE "Service", "spec.sessionAffinity", "\"None\"", NULL },
    { CORE "Service", "spec.type", "\"ClusterIP\"", NULL },
    { CORE "Service", "spec.internalTrafficPolicy", "\"Cluster\"", "spec.type=ClusterIP" },
    { CORE "Service", "spec.internalTrafficPolicy", "\"Cluster\"", "spec.type=NodePort" },
    { CORE "Service", "spec.internalTrafficPolicy", "\"Cluster\"", "spec.type=LoadBalancer" },
    { CORE "Service", "spec.externalTrafficPolicy", "\"Cluster\"", "spec.type=NodePort" },
    { CORE "Service", "spec.externalTrafficPolicy", "\"Cluster\"", "spec.type=LoadBalancer" },
    { CORE "Service", "spec.allocateLoadBalancerNodePorts", "true", "spec.type=LoadBalancer" },
    { CORE "Service", "spec.sessionAffinityConfig.clientIP.timeoutSeconds", "10800", "spec.sessionAffinity=ClientIP" },
    { CORE "ServicePort", "protocol", "\"TCP\"", NULL },
    { CORE "EndpointPort", "protocol", "\"TCP\"", NULL },
    { CORE "ReplicationController", "spec.replicas", "1", NULL },
    { APPS "Deployment", "spec.replicas", "1", NULL },
    { APPS "Deployment", "spec.strategy.type", "\"RollingUpdate\"", NULL },
    { APPS "Deployment", "spec.strategy.rollingUpdate.maxUnavailable", "\"25%\"", "spec.strategy.type=RollingUpdate" },
    { APPS "Deployment", "spec.strategy.rollingUpdate.maxSurge", "\"25%\"", "spec.strategy.type=RollingUpdate" },
    { APPS "Deployment", "spec.revisionHistoryLimit", "10", NULL },
    { APPS "Deployment", "spec.progressDeadlineSeconds", "600", NULL },
    { APPS "StatefulSet", "spec.replicas", "1", NULL },
    { APPS "StatefulSet", "spec.podManagementPolicy", "\"OrderedReady\"", NULL },
    { APPS "StatefulSet", "spec.updateStrategy.type", "\"RollingUpdate\"", NULL },
    { APPS "StatefulSet", "spec.updateStrategy.rollingUpdate.partition", "0", "spec.updateStrategy.type=RollingUpdate" },
    { APPS "StatefulSet", "spec.revisionHistoryLimit", "10", NULL },
    { APPS "StatefulSet", "spec.persistentVolumeClaimRetentionPolicy.whenDeleted", "\"Retain\"", NULL },
    { APPS "StatefulSet", "spec.persistentVolumeClaimRetentionPolicy.whenScaled", "\"Retain\"", NULL },
    { APPS "ReplicaSet", "spec.replicas", "1", NULL },
    { APPS "DaemonSet", "spec.updateStrategy.type", "\"RollingUpdate\"", NULL },
    { APPS "DaemonSet", "spec.updateStrategy.rollingUpdate.maxUnavailable", "1", "spec.updateStrategy.type=RollingUpdate" },
    { APPS "DaemonSet", "spec.updateStrategy.rollingUpdate.maxSurge", "0", "spec.updateStrategy.type=RollingUpdate" },
    { APPS "DaemonSet", "spec.revisionHistoryLimit", "10", NULL },
    { BATCH "Job", "spec.backoffLimit", "6", NULL },
    { BATCH "Job", "spec.completionMode", "\"NonIndexed\"", NULL },
    { BATCH "Job", "spec.suspend", "false", NULL },
    { BATCH "Job", "spec.manualSelector", "false", NULL },
    { BATCH "Job", "spec.podReplacementPolicy", "\"TerminatingOrFailed\"", NULL },
    { BATCH "CronJob", "spec.concurrencyPolicy", "\"Allow\"", NULL },
    { BATCH "CronJob", "spec.suspend", "false", NULL },
    { BATCH "CronJob", "spec.successfulJobsHistoryLimit", "3", NULL },
    { BATCH "CronJob", "spec.failedJobsHistoryLimit", "1", NULL },
    { "io.k8s.api.storage.v1.StorageClass", "reclaimPolicy", "\"Delete\"", NULL },
    { "io.k8s.api.storage.v1.StorageClass", "volumeBindingMode", "\"Immediate\"", NULL },
    { "io.k8s.api.storage.v1.CSIDriverSpec", "attachRequired", "true", NULL },
    { "io.k8s.api.storage.v1.CSIDriverSpec", "podInfoOnMount", "false", NULL },
    { "io.k8s.api.storage.v1.CSIDriverSpec", "storageCapacity", "false", NULL },
    { "io.k8s.api.storage.v1.CSIDriverSpec", "fsGroupPolicy", "\"ReadWriteOnceWithFSType\"", NULL },
    { "io.k8s.api.storage.v1.CSIDriverSpec", "volumeLifecycleModes", "[\"Persistent\"]", NULL },
    { "io.k8s.api.storage.v1.CSIDriverSpec", "requiresRepublish", "false", NULL },
    { "io.k8s.api.storage.v1.CSIDriverSpec", "seLinuxMount", "false", NULL },
    { "io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler", "spec.minReplicas", "1", NULL },
    { "io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler", "spec.targetCPUUtilizationPercentage", "80", NULL },
    { "io.k8s.api.scheduling.v1.PriorityClass", "preemptionPolicy", "\"PreemptLowerPriority\"", NULL },
    { "io.k8s.api.discovery.v1.EndpointPort", "name", "\"\"", NULL },
    { "io.k8s.api.discovery.v1.EndpointPort", "protocol", "\"TCP\"", NULL },
    { "io.k8s.api.networking.v1.NetworkPolicyPort", "protocol", "\"TCP\"", NULL },
    { RBAC "RoleRef", "apiGroup", "\"rbac.authorization.k8s.io\"", NULL },
    { RBAC "Subject", "apiGroup", "\"rbac.authorization.k8s.io\"", "kind=User" },
    { RBAC "Subject", "apiGroup", "\"rbac.authorization.k8s.io\"", "kind=Group" },
    { HOOKS "ValidatingWebhook", "failurePolicy", "\"Fail\"", NULL },
    { HOOKS "ValidatingWebhook", "matchPolicy", "\"Equivalent\"", NULL },
    { HOOKS "ValidatingWebhook", "namespaceSelector", "{}", NULL },
    { HOOKS "ValidatingWebhook", "objectSelector", "{}", NULL },
    { HOOKS "ValidatingWebhook", "timeoutSeconds", "10", NULL },
    { HOOKS "MutatingWebhook", "failurePolicy", "\"Fail\"", NULL },
    { HOOKS "MutatingWebhook", "matchPolicy", "\"Equivalent\"", NULL },
    { HOOKS "MutatingWebhook", "namespaceSelector", "{}", NULL },
    { HOOKS "MutatingWebhook", "objectSelector", "{}", NULL },
    { HOOKS "MutatingWebhook", "timeoutSeconds", "10", NULL },
    { HOOKS "MutatingWebhook", "reinvocationPolicy", "\"Never\"", NULL },
    { HOOKS "Rule", "scope", "\"*\"", NULL },
    { HOOKS "ServiceReference", "port", "443", NULL },
    { CRDS "CustomResourceDefinitionSpec", "conversion.strategy", "\"None\"", NULL },
};

/* ---- defaults that look around ----------------------------------------------------------------------------------- */

/* No tag or "latest" is always pulled. The tag follows the last colon after the last slash; a digest has none to speak of. */
static void image_pull_policy(json_t *container)
{
    const char *image = json_cstr(container, "image");

    if (json_object_get(container, "imagePullPolicy"))
        return;
    const char *slash = image ? strrchr(image, '/') : NULL, *name = slash ? slash + 1 : image ? image : "";
    const char *colon = strchr(name, ':');
    bool moving = !strchr(name, '@') && (!colon || streq(colon + 1, "latest"));
    json_put_str(container, "imagePullPolicy", moving ? "Always" : "IfNotPresent");
}

/* Of a Pod (not of templates): a limit without a request is also the request. */
static void requests_from_limits(json_t *container)
{
    json_t *resources = json_object_get(container, "resources"), *limits = json_object_get(resources, "limits"), *value;
    const char *name;

    json_object_foreach(limits, name, value)
        if (!json_at(resources, "requests", name, NULL))
            json_put(json_sub(resources, "requests"), name, json_incref(value));
}

static void pod(json_t *object)
{
    static const char *const lists[] = { "containers", "initContainers" };
    json_t *container;
    size_t i;

    for (size_t k = 0; k < ARRAY_LEN(lists); k++)
        json_array_foreach(json_at(object, "spec", lists[k], NULL), i, container)
            requests_from_limits(container);
}

/* The deprecated name and the present one go together; ports of the host's network are the container's. */
static void pod_spec(json_t *spec)
{
    const char *name = json_cstr(spec, "serviceAccountName"), *old = json_cstr(spec, "serviceAccount");
    json_t *container, *port;
    size_t i, k;

    if (name || old) {
        const char *chosen = name ? name : old;
        if (!name)
            json_put_str(spec, "serviceAccountName", chosen);
        else if (!streq(old, name))
            json_put_str(spec, "serviceAccount", chosen);
    }
    if (!json_flag(spec, "hostNetwork", false))
        return;
    json_array_foreach(json_object_get(spec, "containers"), i, container)
        json_array_foreach(json_object_get(container, "ports"), k, port)
            if (!json_object_get(port, "hostPort"))
                json_put_int(port, "hostPort", json_int(port, "containerPort", 0));
}

/* What was given as text joins the data, and is never stored. */
static void secret(json_t *object)
{
    json_t *text = json_object_get(object, "stringData"), *value;
    const char *key;

    json_object_foreach(text, key, value) {
        AUTO_BUF b = { 0 };
        struct str s = json_to_str(value);
        base64_add(&b, s.p ? s.p : "", s.n);
        json_put(json_sub(object, "data"), key, json_strn(buf_str(&b)));
    }
    (void)json_object_del(object, "stringData");
}

static void volume(json_t *v)
{
    if (json_object_size(v) <= 1)
        json_put(v, "emptyDir", json_object());
}

static void service_port(json_t *port)
{
    const json_t *target = json_object_get(port, "targetPort");

    if (!target || (json_is_integer(target) && !json_integer_value(target)) || (json_is_string(target) && !json_string_length(target)))
        json_put_int(port, "targetPort", json_int(port, "port", 0));
}

static void job(json_t *object)
{
    json_t *spec = json_object_get(object, "spec");

    if (!json_is_object(spec))
        return;
    if (!json_object_get(spec, "completions") && !json_object_get(spec, "parallelism"))
        json_put_int(spec, "completions", 1);
    if (!json_object_get(spec, "parallelism"))
        json_put_int(spec, "parallelism", 1);
}

static void namespace_label(json_t *object)
{
    json_t *meta = json_object_get(object, "metadata");
    const char *name = json_cstr(meta, "name");

    if (str_set(name) && !json_at(meta, "labels", "kubernetes.io/metadata.name", NULL))
        json_put_str(json_sub(meta, "labels"), "kubernetes.io/metadata.name", name);
}

static void replica_labels(json_t *object)
{
    json_t *labels = json_at(object, "spec", "template", "metadata", "labels", NULL);

    if (!json_object_size(labels))
        return;
    if (!json_object_size(json_at(object, "spec", "selector", NULL)))
        json_put(json_object_get(object, "spec"), "selector", json_deep_copy(labels));
    if (!json_object_size(json_at(object, "metadata", "labels", NULL)))
        json_put(json_sub(object, "metadata"), "labels", json_deep_copy(labels));
}

/* Claims inside a StatefulSet say what they are. */
static void claim_templates(json_t *object)
{
    json_t *claim;
    size_t i;

    json_array_foreach(json_at(object, "spec", "volumeClaimTemplates", NULL), i, claim) {
        json_put_str(claim, "kind", "PersistentVolumeClaim");
        json_put_str(claim, "apiVersion", "v1");
    }
}

static void crd_names(json_t *names)
{
    const char *kind = json_cstr(names, "kind");

    if (!str_set(kind))
        return;
    if (!str_set(json_cstr(names, "singular"))) {
        AUTO_MEM char *lower = xstrdup(kind);
        for (char *p = lower; *p; p++)
            *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
        json_put_str(names, "singular", lower);
    }
    if (!str_set(json_cstr(names, "listKind")))
        json_put(names, "listKind", json_strf("%sList", kind));
}

static const struct { const char *type; void (*set)(json_t *object); } functions[] = {
    { CORE "Pod", pod }, { CORE "PodSpec", pod_spec }, { CORE "Container", image_pull_policy },
    { CORE "EphemeralContainerCommon", image_pull_policy }, { CORE "Volume", volume }, { CORE "ServicePort", service_port },
    { BATCH "Job", job }, { CORE "Secret", secret }, { CORE "Namespace", namespace_label }, { CORE "ReplicationController", replica_labels },
    { APPS "StatefulSet", claim_templates }, { CRDS "CustomResourceDefinitionNames", crd_names },
};

/* ---- the walk ---------------------------------------------------------------------------------------------------- */

/* The value at a dotted path; NULL when absent. */
static json_t *at_path(json_t *object, struct str path)
{
    struct str name;

    while (object && str_next(&path, '.', &name))
        object = json_object_getn(object, name.p, name.n);
    return object;
}

static bool holds(json_t *object, const char *when)
{
    struct str path, value;

    if (!when)
        return true;
    if (!str_cut(str_of(when), '=', &path, &value))
        return at_path(object, path) != NULL;
    return str_eq(json_to_str(at_path(object, path)), value);
}

static void put_path(json_t *object, const char *path, const char *value)
{
    struct str rest = str_of(path), name;

    while (str_cut(rest, '.', &name, &rest)) {
        AUTO_MEM char *key = xstrndup(name.p, name.n);
        object = json_sub(object, key);
    }
    AUTO_MEM char *key = xstrndup(name.p, name.n);
    json_put(object, key, json_loads(value, JSON_DECODE_ANY, NULL));
}

/* An empty apiGroup of a service account subject or "" of a string counts as absent in Go. */
static bool is_set(const json_t *v) { return v && !json_is_null(v) && !(json_is_string(v) && !json_string_length(v)); }

static void default_here(const struct type *t, json_t *object)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (streq(rows[i].type, t->name) && holds(object, rows[i].when) && !is_set(at_path(object, str_of(rows[i].path))))
            put_path(object, rows[i].path, rows[i].value);
    for (size_t i = 0; i < ARRAY_LEN(functions); i++)
        if (streq(functions[i].type, t->name))
            functions[i].set(object);
}

static void walk(const struct type *t, json_t *object);

static void walk_value(const struct field *f, json_t *value)
{
    const char *key;
    json_t *item;
    size_t i;

    if (f->kind == FIELD_OBJECT) {
        walk(f->type, value);
    } else if (f->kind == FIELD_LIST && f->item->kind == FIELD_OBJECT) {
        json_array_foreach(value, i, item)
            walk(f->item->type, item);
    } else if (f->kind == FIELD_MAP && f->item->kind == FIELD_OBJECT) {
        json_object_foreach(value, key, item)
            walk(f->item->type, item);
    }
}

static void walk(const struct type *t, json_t *object)
{
    if (!json_is_object(object))
        return;
    default_here(t, object);
    for (size_t i = 0; i < t->n_fields; i++) {
        const struct field *f = &t->fields[i];
        if (f->flags & FIELD_INLINE)
            walk(f->type, object);
        else if (f->type || f->item)
            walk_value(f, json_object_get(object, f->json));
    }
}

void k8s_default(const struct type *t, json_t *object)
{
    if (t->flags & TYPE_BUILTIN)
        walk(t, object);
}
