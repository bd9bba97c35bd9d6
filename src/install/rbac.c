/* Least privilege: each row is something the manager does. */
#include "base/mem.h"
#include "install/priv.h"

#define RBAC_GROUP  "rbac.authorization.k8s.io"
#define READ        "get list watch"
#define WHOLE       READ " create patch delete"         /* apply is patch, and create where there is nothing yet */

enum when { ALWAYS, WITH_CLAIMS, WITH_POOLS, WITH_STREAMING };     /* every cluster, where nodes come by claims, Karpenter mode, the gate */
struct right { const char *group, *resources, *verbs, *name; enum when when; };

static const struct right cluster_rights[] = {
    { "kaito.sh", "workspaces", READ " patch" },
    { "kaito.sh", "workspaces/status", "patch" },
    { "kaito.sh", "workspaces/finalizers", "update" },          /* owner references that block deletion */
    { "", "nodes", READ " patch" },                             /* the label that device plugins wait for */
    { "", "services", WHOLE },
    { "", "configmaps", READ " create patch" },
    { "", "secrets", READ },                                    /* which keys a push secret has (values are dropped on arrival); a hub token when the hub is asked */
    { "", "pods", "list watch" },
    { "", "pods/log", "get" },                                  /* what vLLM's image measured before it was ready */
    { "", "persistentvolumeclaims", "list watch" },             /* counted in the metrics */
    { "", "events", "create patch" },
    { "apps", "statefulsets controllerrevisions", WHOLE },
    { "batch", "jobs", WHOLE },
    { "storage.k8s.io", "storageclasses", "list watch" },
    { "storage.k8s.io", "csidrivers", "get", .when = WITH_STREAMING },          /* whether the driver that streams is installed */
    { "kaito.sh", "modelmirrors", "list watch create", .when = WITH_STREAMING },
    { "", "serviceaccounts", "list watch", .when = WITH_STREAMING },            /* whether the one that pods run as has an identity */
    { "", "persistentvolumeclaims persistentvolumes", "get", .when = WITH_STREAMING },  /* where a mirror's weights are */
    { "karpenter.sh", "nodeclaims machines", READ " create patch delete", .when = WITH_CLAIMS },
    { "karpenter.sh", "nodepools", WHOLE, .when = WITH_POOLS },
    { "admissionregistration.k8s.io", "validatingwebhookconfigurations", READ " update", WEBHOOK_NAME },
};
static const struct right own_rights[] = {
    { "", "secrets", READ " update", WEBHOOK_SECRET },
    { "coordination.k8s.io", "leases", "create" },              /* a name cannot be asked of what is not there yet */
    { "coordination.k8s.io", "leases", "get update", LEASE_NAME },
};

static json_t *words(const char *text)
{
    struct str rest = str_of(text), word;
    json_t *list = json_array();

    while (str_next(&rest, ' ', &word))
        json_push(list, json_strn(word));
    return list;
}

static json_t *rule_of(const struct right *r)
{
    json_t *rule = json_pack("{s:o, s:o, s:o}", "apiGroups", words(r->group), "resources", words(r->resources), "verbs", words(r->verbs));

    if (r->name)
        json_put(rule, "resourceNames", words(r->name));
    return rule;
}

static bool applies(const struct release *r, enum when when)
{
    return when == ALWAYS || (when == WITH_CLAIMS && !r->byo) || (when == WITH_POOLS && r->karpenter) || (when == WITH_STREAMING && r->streaming);
}

static json_t *role(const struct release *r, const char *kind, const char *suffix, const struct right *rights, size_t n, bool namespaced)
{
    json_t *o = release_object(r, RBAC_GROUP "/v1", kind, suffix, namespaced), *rules = json_array();

    for (size_t i = 0; i < n; i++)
        if (applies(r, rights[i].when))
            json_push(rules, rule_of(&rights[i]));
    json_put(o, "rules", rules);
    return o;
}

/* NodeClasses are the provider's: their group and resource are the operator's choice. */
static json_t *cluster_role(const struct release *r)
{
    const struct right classes = { r->o.node_class_group, r->o.node_class_resource, READ " create" };
    json_t *o = role(r, "ClusterRole", "-clusterrole", cluster_rights, ARRAY_LEN(cluster_rights), false);

    if (r->karpenter)
        json_push(json_object_get(o, "rules"), rule_of(&classes));
    return o;
}

static json_t *binding(const struct release *r, const char *kind, const char *role_kind, const char *role_suffix, bool namespaced)
{
    json_t *o = release_object(r, RBAC_GROUP "/v1", kind, "-rolebinding", namespaced);

    json_put(o, "roleRef", json_pack("{s:s, s:s, s:o}", "apiGroup", RBAC_GROUP, "kind", role_kind, "name", release_name(r, role_suffix)));
    json_put(o, "subjects", json_pack("[{s:s, s:o, s:s}]", "kind", "ServiceAccount", "name", release_name(r, "-sa"), "namespace", r->o.ns));
    return o;
}

void push_rights(const struct release *r, json_t *list)
{
    json_push(list, release_object(r, "v1", "ServiceAccount", "-sa", true));
    json_push(list, cluster_role(r));
    json_push(list, binding(r, "ClusterRoleBinding", "ClusterRole", "-clusterrole", false));
    json_push(list, role(r, "Role", "-role", own_rights, ARRAY_LEN(own_rights), true));
    json_push(list, binding(r, "RoleBinding", "Role", "-role", true));
}
