/* Least privilege: each row is something the manager does. */
#include "base/mem.h"
#include "install/priv.h"

#define RBAC_GROUP  "rbac.authorization.k8s.io"
#define READ        "get list watch"
#define WHOLE       READ " create patch delete"         /* apply is patch, and create where there is nothing yet */

enum when { ALWAYS, WITH_CLAIMS, WITH_POOLS, WITH_STREAMING };     /* every cluster, where nodes come by claims, Karpenter mode, the gate */
struct right { const char *group, *resources, *verbs, *name; enum when when; };

/* In every namespace, or in those that are looked after. */
static const struct right workspace_rights[] = {
    { "kaito.sh", "workspaces", READ " patch" },
    { "kaito.sh", "workspaces/status", "patch" },
    { "kaito.sh", "workspaces/finalizers", "update" },          /* owner references that block deletion */
    { "", "services", WHOLE },
    { "", "configmaps", READ " create patch" },
    { "", "secrets", READ },                                    /* which keys a push secret has (values are dropped on arrival); a hub token when the hub is asked */
    { "", "pods", "list watch" },
    { "", "pods/log", "get" },                                  /* what vLLM's image measured before it was ready */
    { "", "persistentvolumeclaims", "list watch" },             /* counted in the metrics */
    { "", "events", "create patch" },
    { "apps", "statefulsets controllerrevisions", WHOLE },
    { "apps", "deployments", "list delete" },                   /* those of upstream's releases before v0.8 */
    { "batch", "jobs", WHOLE },
    { "", "serviceaccounts", "list watch", .when = WITH_STREAMING },            /* whether the one that pods run as has an identity */
    { "", "persistentvolumeclaims", "get", .when = WITH_STREAMING },            /* where a mirror's weights are */
};
/* Of what is in no namespace. */
static const struct right cluster_rights[] = {
    { "", "nodes", READ " patch" },                             /* the label that device plugins wait for */
    { "storage.k8s.io", "storageclasses", "list watch" },
    { "storage.k8s.io", "csidrivers", "get", .when = WITH_STREAMING },          /* whether the driver that streams is installed */
    { "kaito.sh", "modelmirrors", "list watch create", .when = WITH_STREAMING },
    { "", "persistentvolumes", "get", .when = WITH_STREAMING },
    { "karpenter.sh", "nodeclaims machines", READ " create patch delete", .when = WITH_CLAIMS },
    { "karpenter.sh", "nodepools", WHOLE, .when = WITH_POOLS },
};
static const struct right own_rights[] = {
    { "", "secrets", READ " update", WEBHOOK_SECRET },
    { "coordination.k8s.io", "leases", "create" },              /* a name cannot be asked of what is not there yet */
    { "coordination.k8s.io", "leases", "get update", LEASE_NAME },
};
static const struct right template_rights = { "", "configmaps", READ " create patch" };         /* in the release's namespace, where Workspaces are looked after elsewhere */

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

static void push_rules(const struct release *r, const struct right *rights, size_t n, json_t *role)
{
    for (size_t i = 0; i < n; i++)
        if (applies(r, rights[i].when))
            json_push(json_object_get(role, "rules"), rule_of(&rights[i]));
}
#define PUSH_RULES(r, rights, role) push_rules(r, rights, ARRAY_LEN(rights), role)

/* ns NULL: of the cluster. */
static json_t *object_in(const struct release *r, const char *kind, const char *suffix, const char *ns)
{
    json_t *o = release_object(r, RBAC_GROUP "/v1", kind, suffix, ns != NULL);

    if (ns)
        json_put_str(json_object_get(o, "metadata"), "namespace", ns);
    return o;
}

static json_t *role(const struct release *r, const char *kind, const char *suffix, const char *ns)
{
    json_t *o = object_in(r, kind, suffix, ns);

    json_put(o, "rules", json_array());
    return o;
}

/* NodeClasses are the provider's: their group and resource are the operator's choice. */
static json_t *cluster_role(const struct release *r)
{
    const struct right webhook = { "admissionregistration.k8s.io", "validatingwebhookconfigurations", READ " update", r->webhook };
    const struct right classes = { r->o.node_class_group, r->o.node_class_resource, READ " create", .when = WITH_POOLS };
    json_t *o = role(r, "ClusterRole", "-clusterrole", NULL);

    if (!r->o.namespaces)
        PUSH_RULES(r, workspace_rights, o);
    PUSH_RULES(r, cluster_rights, o);
    push_rules(r, &webhook, 1, o);
    push_rules(r, &classes, 1, o);
    return o;
}

static json_t *own_role(const struct release *r)
{
    json_t *o = role(r, "Role", "-role", r->o.ns);

    PUSH_RULES(r, own_rights, o);
    if (r->o.namespaces)
        push_rules(r, &template_rights, 1, o);
    return o;
}

static json_t *workspace_role(const struct release *r, const char *ns)
{
    json_t *o = role(r, "Role", "-workspaces", ns);

    PUSH_RULES(r, workspace_rights, o);
    return o;
}

struct bound { const char *kind, *suffix, *role_kind, *role_suffix; };

static json_t *binding(const struct release *r, const struct bound *b, const char *ns)
{
    json_t *o = object_in(r, b->kind, b->suffix, ns);

    json_put(o, "roleRef", json_pack("{s:s, s:s, s:o}", "apiGroup", RBAC_GROUP, "kind", b->role_kind, "name", release_name(r, b->role_suffix)));
    json_put(o, "subjects", json_pack("[{s:s, s:o, s:s}]", "kind", "ServiceAccount", "name", release_name(r, "-sa"), "namespace", r->o.ns));
    return o;
}

void push_rights(const struct release *r, json_t *list)
{
    json_push(list, release_object(r, "v1", "ServiceAccount", "-sa", true));
    json_push(list, cluster_role(r));
    json_push(list, binding(r, &(struct bound){ "ClusterRoleBinding", "-rolebinding", "ClusterRole", "-clusterrole" }, NULL));
    json_push(list, own_role(r));
    json_push(list, binding(r, &(struct bound){ "RoleBinding", "-rolebinding", "Role", "-role" }, r->o.ns));
    for (const char *const *ns = r->o.namespaces; ns && *ns; ns++) {
        json_push(list, workspace_role(r, *ns));
        json_push(list, binding(r, &(struct bound){ "RoleBinding", "-workspaces", "Role", "-workspaces" }, *ns));
    }
}
