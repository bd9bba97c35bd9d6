#include "install/install.h"

#include "api/kaito/crds.h"
#include "api/karpenter/claim_kind.h"
#include "base/mem.h"
#include "install/priv.h"
#include "kube/kube.h"
#include "kube/meta.h"

static const struct { const char *api, *kind; struct kube_gvr gvr; } kinds[] = {
    { "v1", "Namespace", { "", "v1", "namespaces" } },
    { "v1", "ServiceAccount", { "", "v1", "serviceaccounts" } },
    { "v1", "Secret", { "", "v1", "secrets" } },
    { "v1", "Service", { "", "v1", "services" } },
    { "apps/v1", "Deployment", { "apps", "v1", "deployments" } },
    { "apps/v1", "DaemonSet", { "apps", "v1", "daemonsets" } },
    { "storage.k8s.io/v1", "StorageClass", { "storage.k8s.io", "v1", "storageclasses" } },
    { "rbac.authorization.k8s.io/v1", "ClusterRole", { "rbac.authorization.k8s.io", "v1", "clusterroles" } },
    { "rbac.authorization.k8s.io/v1", "ClusterRoleBinding", { "rbac.authorization.k8s.io", "v1", "clusterrolebindings" } },
    { "rbac.authorization.k8s.io/v1", "Role", { "rbac.authorization.k8s.io", "v1", "roles" } },
    { "rbac.authorization.k8s.io/v1", "RoleBinding", { "rbac.authorization.k8s.io", "v1", "rolebindings" } },
    { "apiextensions.k8s.io/v1", "CustomResourceDefinition", { "apiextensions.k8s.io", "v1", "customresourcedefinitions" } },
    { "admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", { "admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations" } },
};

/* ---- names and labels ----------------------------------------------------------------------------------------------- */

static void fill(const char **value, const char *fallback)
{
    if (!str_set(*value))
        *value = fallback;
}

/* As upstream's chart has them, in the form that its template writes. */
#define AZURE_CLASSES                                                                                                           \
    "[{\"default\":true,\"name\":\"image-family-ubuntu\",\"spec\":{\"imageFamily\":\"Ubuntu2204\",\"osDiskSizeGB\":300}},"         \
    "{\"name\":\"image-family-azure-linux\",\"spec\":{\"imageFamily\":\"AzureLinux\",\"osDiskSizeGB\":300}}]"

static struct release release_of(const struct install_opts *given)
{
    struct release r = { .o = *given };
    size_t at;

    fill(&r.o.release, "workspace");
    fill(&r.o.ns, "kaito-workspace");
    fill(&r.o.image, "kaito/kaito:" KAITO_VERSION);
    fill(&r.o.runtime_image, "kaito/kaito-runtime:" KAITO_VERSION);
    fill(&r.o.preset_registry, "mcr.microsoft.com/aks/kaito");
    fill(&r.o.cloud, "azure");
    fill(&r.o.node_provisioner, "azure-gpu-provisioner");
    fill(&r.o.node_class_group, "karpenter.azure.com");
    fill(&r.o.node_class_kind, "AKSNodeClass");
    fill(&r.o.node_class_version, "v1beta1");
    fill(&r.o.node_class_resource, "aksnodeclasses");
    fill(&r.o.node_classes, AZURE_CLASSES);
    r.o.replicas = r.o.replicas > 0 ? r.o.replicas : 1;
    r.byo = streq(r.o.node_provisioner, "byo");
    r.karpenter = streq(r.o.node_provisioner, "karpenter");
    r.streaming = str_set(r.o.feature_gates) && str_find(str_of(r.o.feature_gates), STR("ModelStreaming=true"), &at);
    r.fullname = str_find(str_of(r.o.release), STR("workspace"), &at) ? xstrdup(r.o.release) : xasprintf("%s-workspace", r.o.release);
    r.webhook = r.o.namespaces ? xasprintf("%s." WEBHOOK_NAME, r.fullname) : xstrdup(WEBHOOK_NAME);
    return r;
}

static void release_done(struct release *r)
{
    free(r->webhook);
    free(r->fullname);
}

json_t *release_name(const struct release *r, const char *suffix)
{
    return json_strf("%s%s", r->fullname, suffix);
}

json_t *release_object(const struct release *r, const char *api, const char *kind, const char *suffix, bool namespaced)
{
    AUTO_MEM char *name = xasprintf("%s%s", r->fullname, suffix);
    json_t *o = kube_object(api, kind, namespaced ? r->o.ns : NULL, name);

    kube_set_label(o, "app.kubernetes.io/name", "workspace");
    kube_set_label(o, "app.kubernetes.io/instance", r->o.release);
    return o;
}

/* ---- objects ---------------------------------------------------------------------------------------------------------- */

static json_t *webhook_secret(const struct release *r)
{
    json_t *o = release_object(r, "v1", "Secret", "", true);

    json_put_str(json_sub(o, "metadata"), "name", WEBHOOK_SECRET);      /* the manager fills it */
    return o;
}

static json_t *service(const struct release *r)
{
    json_t *o = release_object(r, "v1", "Service", "-svc", true);

    json_put(o, "spec", json_pack("{s:[{s:s, s:i, s:i, s:s}, {s:s, s:i, s:i, s:s}], s:{s:s, s:s}}",
                                  "ports", "name", "http-metrics", "port", 8080, "targetPort", 8080, "protocol", "TCP",
                                  "name", "https-webhook", "port", WEBHOOK_PORT, "targetPort", WEBHOOK_PORT, "protocol", "TCP",
                                  "selector", "app.kubernetes.io/name", "workspace", "app.kubernetes.io/instance", r->o.release));
    return o;
}

static json_t *webhook_client(const struct release *r)
{
    if (r->o.webhook_url)
        return json_pack("{s:o}", "url", json_strf("%s/validate/workspace.kaito.sh", r->o.webhook_url));
    return json_pack("{s:{s:o, s:s, s:s, s:i}}", "service", "name", release_name(r, "-svc"), "namespace", r->o.ns,
                     "path", "/validate/workspace.kaito.sh", "port", WEBHOOK_PORT);
}

/*
 * Finalizers, labels, the manager's own annotations and what the garbage collector does need no review, and must pass while no manager
 * runs.
 */
#define ANNOTATIONS(o) "(has(" o ".metadata.annotations) ? " o ".metadata.annotations : {})"
#define MATTERS "request.operation == 'CREATE' || object.metadata.generation != oldObject.metadata.generation || " \
    "!" ANNOTATIONS("object") ".all(k, k.startsWith('workspace.kaito.io/') || " \
    "(k in " ANNOTATIONS("oldObject") " && " ANNOTATIONS("object") "[k] == " ANNOTATIONS("oldObject") "[k])) || " \
    "!" ANNOTATIONS("oldObject") ".all(k, k.startsWith('workspace.kaito.io/') || k in " ANNOTATIONS("object") ")"

/* The namespaces that are looked after; NULL: all. */
static json_t *namespace_selector(const struct release *r)
{
    json_t *names = json_array();

    for (const char *const *ns = r->o.namespaces; ns && *ns; ns++)
        json_push(names, json_string(*ns));
    if (json_array_size(names) > 0)
        return json_pack("{s:[{s:s, s:s, s:o}]}", "matchExpressions", "key", "kubernetes.io/metadata.name", "operator", "In", "values", names);
    json_decref(names);
    return NULL;
}

/* Without caBundle: the manager puts it there, and applying this again leaves it alone. */
static json_t *webhook(const struct release *r)
{
    json_t *o = release_object(r, "admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "", false);

    json_put_str(json_sub(o, "metadata"), "name", r->webhook);
    json_put(o, "webhooks", json_pack("[{s:s, s:o, s:[{s:[s], s:[s, s], s:[s, s], s:[s]}], s:s, s:s, s:[s], s:i, s:[{s:s, s:s}], s:o*}]", "name", WEBHOOK_NAME,
                                      "clientConfig", webhook_client(r), "rules", "apiGroups", "kaito.sh", "apiVersions", "v1alpha1", "v1beta1",
                                      "operations", "CREATE", "UPDATE", "resources", "workspaces", "failurePolicy", "Fail", "sideEffects", "None",
                                      "admissionReviewVersions", "v1", "timeoutSeconds", 10,
                                      "matchConditions", "name", "spec-or-annotations", "expression", MATTERS, "namespaceSelector", namespace_selector(r)));
    return o;
}

static json_t *local_disks(void)
{
    return json_pack("{s:s, s:s, s:{s:s}, s:s, s:s, s:s, s:b}", "apiVersion", "storage.k8s.io/v1", "kind", "StorageClass",
                     "metadata", "name", "kaito-local-nvme-disk", "provisioner", "localdisk.csi.acstor.io", "volumeBindingMode", "WaitForFirstConsumer",
                     "reclaimPolicy", "Delete", "allowVolumeExpansion", 1);
}

static void push_crds(json_t *list)
{
    AUTO_JSON crds = NULL;
    json_t *crd;
    size_t i;

    api_kaito_crds(&crds);
    json_array_foreach(crds, i, crd)
        json_array_append(list, crd);
}

json_t *install_manifests(const struct install_opts *o)
{
    struct release r = release_of(o);
    json_t *list = json_array();

    json_push(list, kube_object("v1", "Namespace", NULL, r.o.ns));
    if (!r.o.no_crds)
        push_crds(list);
    push_rights(&r, list);
    json_push(list, local_disks());
    json_push(list, webhook_secret(&r));
    json_push(list, service(&r));
    json_push(list, manager_deployment(&r));
    if (!r.o.no_device_plugin)
        json_push(list, device_plugin(&r));
    json_push(list, webhook(&r));       /* last: until the manager serves it, every write of a Workspace is refused */
    release_done(&r);
    return list;
}

json_t *install_webhook(const struct install_opts *o)
{
    struct release r = release_of(o);
    json_t *configuration = webhook(&r);

    release_done(&r);
    return configuration;
}

static const struct kube_gvr *gvr_of(const json_t *object)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (streq(kinds[i].api, kube_api_version(object)) && streq(kinds[i].kind, kube_kind(object)))
            return &kinds[i].gvr;
    return NULL;
}

/* NodeClaim's definition belongs to whoever brought it first, as a chart's crds/ folder has it; none is brought where the legacy Machine's is. */
static bool is_others(const json_t *object)
{
    return streq(kube_kind(object), "CustomResourceDefinition") && !streq(json_str_at(object, "spec", "group", NULL), "kaito.sh");
}

errc install_apply(struct kube_client *client, const json_t *manifests, struct err *e)
{
    bool machines = false;
    const json_t *o;
    size_t i;

    TRY(kube_has_resource(client, &claim_kind_machine.gvr, &machines, e));
    json_array_foreach(manifests, i, o) {
        bool others = is_others(o);

        if (others && machines)
            continue;           /* its provisioner waits for Machines */
        errc rc = others ? kube_create(client, gvr_of(o), NULL, o, NULL, e) : kube_apply(client, gvr_of(o), NULL, o, "kaito", true, NULL, e);

        if (rc && !(others && rc == ERR_EXISTS))
            return err_wrap(e, "%s %s", kube_kind(o), kube_name(o));
    }
    return ERR_OK;
}
