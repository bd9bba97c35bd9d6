#include "base/mem.h"
#include "install/priv.h"

static json_t *selector_labels(const struct release *r)
{
    return json_pack("{s:s, s:s}", "app.kubernetes.io/name", "workspace", "app.kubernetes.io/instance", r->o.release);
}

static void push_karpenter(const struct release *r, json_t *args)
{
    json_push(args, json_strf("--karpenter-node-class-group=%s", r->o.node_class_group));
    json_push(args, json_strf("--karpenter-node-class-kind=%s", r->o.node_class_kind));
    json_push(args, json_strf("--karpenter-node-class-version=%s", r->o.node_class_version));
    json_push(args, json_strf("--karpenter-node-class-resource-name=%s", r->o.node_class_resource));
    json_push(args, json_strf("--karpenter-node-classes=%s", r->o.node_classes));
}

static json_t *args_of(const struct release *r)
{
    json_t *args = json_pack("[s, s, o, o]", "manager", "--no-install-crds", json_strf("--node-provisioner=%s", r->o.node_provisioner),
                             json_strf("--runtime-image=%s", r->o.runtime_image));

    if (str_set(r->o.feature_gates))
        json_push(args, json_strf("--feature-gates=%s", r->o.feature_gates));
    if (r->karpenter)
        push_karpenter(r, args);
    for (const char *const *ns = r->o.namespaces; ns && *ns; ns++)
        json_push(args, json_strf("--namespace=%s", *ns));
    if (r->o.namespaces)
        json_push(args, json_strf("--webhook-configuration=%s", r->webhook));
    if (r->o.replicas > 1)
        json_push(args, json_string("--leader-elect"));
    return args;
}

static json_t *env_of(const struct release *r)
{
    return json_pack("[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}, {s:s, s:o}, {s:s, s:o}]", "name", "CLOUD_PROVIDER", "value", r->o.cloud,
                     "name", "PRESET_REGISTRY_NAME", "value", r->o.preset_registry, "name", "RELEASE_NAMESPACE", "value", r->o.ns,
                     "name", "WEBHOOK_SERVICE", "value", release_name(r, "-svc"), "name", "WEBHOOK_PORT", "value", json_strf("%d", WEBHOOK_PORT));
}

static json_t *probe(const char *path, int delay_s, int period_s)
{
    return json_pack("{s:{s:s, s:i}, s:i, s:i}", "httpGet", "path", path, "port", 8081, "initialDelaySeconds", delay_s, "periodSeconds", period_s);
}

static json_t *container(const struct release *r)
{
    json_t *c = json_pack("{s:s, s:s, s:s, s:[s], s:o, s:o}", "name", "workspace", "image", r->o.image, "imagePullPolicy", "IfNotPresent",
                          "command", "kaito", "args", args_of(r), "env", env_of(r));

    json_put(c, "ports", json_pack("[{s:s, s:i, s:s}, {s:s, s:i, s:s}]", "name", "http-metrics", "containerPort", 8080, "protocol", "TCP",
                                   "name", "https-webhook", "containerPort", WEBHOOK_PORT, "protocol", "TCP"));
    json_put(c, "livenessProbe", probe("/healthz", 15, 20));
    json_put(c, "readinessProbe", probe("/readyz", 0, 2));
    json_put(c, "resources", json_pack("{s:{s:s, s:s}, s:{s:s, s:s}}", "requests", "cpu", "10m", "memory", "32Mi", "limits", "cpu", "500m", "memory", "128Mi"));
    json_put(c, "securityContext", json_pack("{s:b, s:b, s:{s:[s]}}", "allowPrivilegeEscalation", 0, "readOnlyRootFilesystem", 1, "capabilities", "drop", "ALL"));
    return c;
}

json_t *manager_deployment(const struct release *r)
{
    json_t *d = release_object(r, "apps/v1", "Deployment", "", true), *spec = json_sub(d, "spec");
    json_t *pod = json_pack("{s:o, s:s, s:{s:b, s:i, s:i, s:{s:s}}, s:[o], s:{s:s}}", "serviceAccountName", release_name(r, "-sa"),
                            "priorityClassName", "system-cluster-critical", "securityContext", "runAsNonRoot", 1, "runAsUser", 1000, "runAsGroup", 1000,
                            "seccompProfile", "type", "RuntimeDefault", "containers", container(r), "nodeSelector", "kubernetes.io/os", "linux");

    json_put_int(spec, "replicas", r->o.replicas);
    json_put(spec, "strategy", json_pack("{s:s, s:{s:i}}", "type", "RollingUpdate", "rollingUpdate", "maxUnavailable", 1));
    json_put(spec, "selector", json_pack("{s:o}", "matchLabels", selector_labels(r)));
    json_put(spec, "template", json_pack("{s:{s:o}, s:o}", "metadata", "labels", selector_labels(r), "spec", pod));
    return d;
}

/* NVIDIA's device plugin, on nodes that have the label the manager gives them. */
json_t *device_plugin(const struct release *r)
{
    json_t *d = json_pack("{s:s, s:s, s:{s:s, s:s}}", "apiVersion", "apps/v1", "kind", "DaemonSet", "metadata", "name", "nvidia-device-plugin-daemonset",
                          "namespace", r->o.ns);
    json_t *labels = json_pack("{s:s}", "name", "nvidia-device-plugin-ds");
    json_t *c = json_pack("{s:s, s:s, s:s, s:[{s:s, s:s}], s:{s:b, s:{s:[s]}}, s:[{s:s, s:s}]}", "name", "nvidia-device-plugin-ctr",
                          "image", "mcr.microsoft.com/oss/v2/nvidia/k8s-device-plugin:v0.18.2-12", "imagePullPolicy", "IfNotPresent",
                          "env", "name", "FAIL_ON_INIT_ERROR", "value", "false", "securityContext", "allowPrivilegeEscalation", 0, "capabilities", "drop", "ALL",
                          "volumeMounts", "name", "device-plugin", "mountPath", "/var/lib/kubelet/device-plugins");
    json_t *pod = json_pack("{s:s, s:{s:s}, s:[{s:s, s:s, s:s}, {s:s, s:s, s:s, s:s}], s:[o], s:[{s:s, s:{s:s}}]}", "priorityClassName", "system-node-critical",
                            "nodeSelector", "accelerator", "nvidia", "tolerations", "key", "nvidia.com/gpu", "operator", "Exists", "effect", "NoSchedule",
                            "key", "sku", "operator", "Equal", "value", "gpu", "effect", "NoSchedule", "containers", c,
                            "volumes", "name", "device-plugin", "hostPath", "path", "/var/lib/kubelet/device-plugins");

    json_put(d, "spec", json_pack("{s:{s:O}, s:{s:s}, s:{s:{s:O}, s:o}}", "selector", "matchLabels", labels, "updateStrategy", "type", "RollingUpdate",
                                  "template", "metadata", "labels", labels, "spec", pod));
    json_decref(labels);
    return d;
}
