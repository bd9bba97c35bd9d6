#include "install/diagnose.h"

#include "api/kaito/crds.h"
#include "install/priv.h"
#include "kube/meta.h"
#include "workspace/cause.h"

#define REINSTALL "kaito install --apply"

static const json_t *named(const json_t *list, const char *name)
{
    const json_t *o;
    size_t i;

    json_array_foreach(list, i, o)
        if (streq(kube_name(o), name))
            return o;
    return NULL;
}

/* ---- definitions -------------------------------------------------------------------------------------------------------------- */

static const json_t *schema_of(const json_t *crd, const char *version)
{
    const json_t *v;
    size_t i;

    json_array_foreach(json_at(crd, "spec", "versions", NULL), i, v)
        if (streq(json_cstr(v, "name"), version))
            return json_at(v, "schema", "openAPIV3Schema", NULL);
    return NULL;
}

/* The first property that ours has and theirs lacks, as a path. */
static bool lacks(const json_t *ours, const json_t *theirs, struct buf *path)
{
    const json_t *have = json_object_get(theirs, "properties");
    json_t *want;
    const char *key;

    json_object_foreach(json_object_get(ours, "properties"), key, want) {
        size_t n = path->n;

        buf_addf(path, "%s%s", n ? "." : "", key);
        if (!json_object_get(have, key) || lacks(want, json_object_get(have, key), path))
            return true;
        buf_truncate(path, n);
    }
    return false;
}

static void add_missing_crd(const json_t *facts, const char *name, bool needed, json_t *root)
{
    if (!needed && named(json_object_get(facts, "crds"), "machines.karpenter.sh")) {
        finding_add(root, finding("ok", "CustomResourceDefinition machines.karpenter.sh: legacy Machines are asked for, as there are no NodeClaims"));
        return;
    }
    json_t *f = finding_add(root, needed ? finding("fail", "CustomResourceDefinition %s: is not there", name)
                                         : finding("note", "CustomResourceDefinition %s: is not there; only nodes of your own can be used", name));
    finding_next(f, REINSTALL);
}

static void add_crd(const json_t *facts, const json_t *ours, json_t *root)
{
    const char *name = kube_name(ours);
    const json_t *have = named(json_object_get(facts, "crds"), name), *v;
    bool needed = str_has_prefix(str_of(name), STR("workspaces"));
    AUTO_BUF served = { 0 }, missing = { 0 };
    size_t i;

    if (!have) {
        add_missing_crd(facts, name, needed, root);
        return;
    }
    json_array_foreach(json_at(ours, "spec", "versions", NULL), i, v)
        if (!schema_of(have, json_cstr(v, "name")))
            buf_addf(&missing, "%sversion %s", missing.n ? ", " : "", json_cstr(v, "name"));
        else
            buf_addf(&served, "%s%s", served.n ? ", " : "", json_cstr(v, "name"));
    json_array_foreach(json_at(ours, "spec", "versions", NULL), i, v)
        if (missing.n == 0)
            (void)lacks(schema_of(ours, json_cstr(v, "name")), schema_of(have, json_cstr(v, "name")), &missing);
    if (!kube_condition_is(have, "Established", "True"))
        finding_add(root, finding("fail", "CustomResourceDefinition %s: the API server does not serve it: %s", name,
                                  json_cstr(kube_condition(have, "NamesAccepted"), "message") ? json_cstr(kube_condition(have, "NamesAccepted"), "message") : "not established yet"));
    else if (missing.n > 0)
        finding_next(finding_add(root, finding(needed ? "warn" : "note", "CustomResourceDefinition %s: is another version's, without %s", name, buf_cstr(&missing))), REINSTALL);
    else
        finding_add(root, finding("ok", "CustomResourceDefinition %s: %s", name, buf_cstr(&served)));
}

/* ---- the manager ---------------------------------------------------------------------------------------------------------------- */

static bool is_of_manager(const json_t *o)
{
    return streq(kube_label(o, "app.kubernetes.io/name"), "workspace");
}

static void add_pods_of_manager(const json_t *facts, json_t *f)
{
    AUTO_JSON pods = json_array();
    struct cause cause;
    json_t *pod;
    size_t i;

    json_array_foreach(json_object_get(facts, "pods"), i, pod)
        if (is_of_manager(pod))
            json_array_append(pods, pod);
    cause_of_pods(pods, "ReplicaSet", &cause);
    if (cause.reason)
        finding_add(f, finding("fail", "%s: %s", cause.reason, cause.message));
}

static void add_deployments(const json_t *facts, json_t *root)
{
    const json_t *d;
    size_t i, n = 0;

    json_array_foreach(json_object_get(facts, "deployments"), i, d) {
        if (!is_of_manager(d))
            continue;
        int64_t want = json_int(json_object_get(d, "spec"), "replicas", 1), have = json_int(json_object_get(d, "status"), "availableReplicas", 0);
        json_t *f = finding(have >= want ? "ok" : have > 0 ? "warn" : "fail", "manager: Deployment %s/%s: %lld of %lld available", kube_namespace(d), kube_name(d),
                            (long long)have, (long long)want);

        n++;
        if (have < want) {
            add_pods_of_manager(facts, f);
            finding_next(f, "kubectl describe pods -n %s -l app.kubernetes.io/name=workspace", kube_namespace(d));
        }
        finding_add(root, f);
    }
    if (n == 0)
        finding_add(root, finding("note", "manager: no Deployment of it here: it runs elsewhere (kaito manager, kaito up), or not at all"));
}

static void add_lease(const json_t *facts, int64_t now_ms, json_t *root)
{
    const json_t *lease = named(json_object_get(facts, "leases"), LEASE_NAME), *spec = json_object_get(lease, "spec");
    const char *holder = json_cstr(spec, "holderIdentity");
    int64_t age_s = (now_ms - kube_time_ms(json_cstr(spec, "renewTime"))) / 1000, lasts_s = json_int(spec, "leaseDurationSeconds", 15);

    if (!lease)
        finding_add(root, finding("note", "lease %s: is not there: one manager without --leader-elect needs none", LEASE_NAME));
    else if (!str_set(holder))
        finding_add(root, finding("warn", "lease %s/%s: nobody holds it: the manager has stopped", kube_namespace(lease), LEASE_NAME));
    else if (age_s > lasts_s)
        finding_next(finding_add(root, finding("fail", "lease %s/%s: %s has not renewed it for %lld s", kube_namespace(lease), LEASE_NAME, holder, (long long)age_s)),
                     "kubectl get pods -n %s -l app.kubernetes.io/name=workspace", kube_namespace(lease));
    else
        finding_add(root, finding("ok", "lease %s/%s: held by %s", kube_namespace(lease), LEASE_NAME, holder));
}

/* ---- the webhook ------------------------------------------------------------------------------------------------------------------ */

static bool has_address(const json_t *facts, const char *ns, const char *name)
{
    const json_t *o, *subset;
    size_t i, k;

    json_array_foreach(json_object_get(facts, "endpoints"), i, o)
        if (streq(kube_namespace(o), ns) && streq(kube_name(o), name))
            json_array_foreach(json_object_get(o, "subsets"), k, subset)
                if (json_array_size(json_object_get(subset, "addresses")) > 0)
                    return true;
    return false;
}

static void add_webhook(const json_t *facts, const json_t *c, json_t *root)
{
    const json_t *client = json_object_get(json_array_get(json_object_get(c, "webhooks"), 0), "clientConfig");
    const char *ns = json_str_at(client, "service", "namespace", NULL), *name = json_str_at(client, "service", "name", NULL);

    if (!str_set(json_cstr(client, "caBundle")))
        finding_next(finding_add(root, finding("fail", "webhook %s: no manager has put its certificate in yet, so every write of a Workspace is refused", kube_name(c))),
                     "kubectl logs -n %s -l app.kubernetes.io/name=workspace", ns ? ns : "kaito-workspace");
    else if (name && !has_address(facts, ns, name))
        finding_next(finding_add(root, finding("fail", "webhook %s: no ready pod is behind Service %s/%s, so every write of a Workspace is refused", kube_name(c), ns, name)),
                     "kubectl get endpoints -n %s %s", ns, name);
    else
        finding_add(root, finding("ok", "webhook %s: served by %s%s%s", kube_name(c), name ? ns : json_cstr(client, "url"), name ? "/" : "", name ? name : ""));
}

/* One of the cluster, or one for each release that looks after some namespaces. */
static void add_webhooks(const json_t *facts, json_t *root)
{
    const json_t *c;
    size_t n = 0, i;

    json_array_foreach(json_object_get(facts, "webhooks"), i, c)
        if (str_has_suffix(str_of(kube_name(c)), STR(WEBHOOK_NAME))) {
            add_webhook(facts, c, root);
            n++;
        }
    if (n == 0)
        finding_add(root, finding("note", "webhook %s: is not there: Workspaces that break rules are stored, and told so in ResourceReady", WEBHOOK_NAME));
}

/* ---- together ---------------------------------------------------------------------------------------------------------------------- */

json_t *install_diagnose(const json_t *facts, int64_t now_ms)
{
    json_t *root = finding("ok", "Installation"), *why;
    AUTO_JSON ours = NULL;
    const json_t *crd;
    const char *what;
    size_t i;

    api_kaito_crds(&ours);
    if (json_object_get(facts, "crds"))
        json_array_foreach(ours, i, crd)
            add_crd(facts, crd, root);
    if (json_object_get(facts, "deployments"))
        add_deployments(facts, root);
    if (json_object_get(facts, "leases"))
        add_lease(facts, now_ms, root);
    if (json_object_get(facts, "webhooks"))
        add_webhooks(facts, root);
    json_object_foreach(json_object_get(facts, "unread"), what, why)
        finding_add(root, finding("note", "%s could not be read: %s", what, json_string_value(why)));
    return root;
}
