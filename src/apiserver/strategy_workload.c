/*
 * Pods and what makes pods.
 */
#include "apiserver/strategy.h"

#define TOLERATION_SECONDS 300

/* ---- pods ---- */

static const struct field_label pod_labels[] = {
    { "spec.nodeName", "spec.nodeName", "" }, { "spec.restartPolicy", "spec.restartPolicy", "" },
    { "spec.schedulerName", "spec.schedulerName", "" }, { "spec.serviceAccountName", "spec.serviceAccountName", "" },
    { "spec.hostNetwork", "spec.hostNetwork", "false" }, { "status.phase", "status.phase", "" }, { "status.podIP", "status.podIP", "" },
    { "status.podIPs", "status.podIPs", "" }, { "status.nominatedNodeName", "status.nominatedNodeName", "" }, { NULL },
};

/* The service account must exist; its pull secrets are the pod's when it names none. */
static errc admit_account(struct req *r, json_t *obj)
{
    json_t *spec = json_sub(obj, "spec");
    const char *account = json_cstr(spec, "serviceAccountName"), *name = json_str_at(obj, "metadata", "name", NULL);
    const struct resource *accounts = registry_find(r->registry, "", "v1", "serviceaccounts");
    struct found f = { 0 };

    if (!str_set(account))
        account = json_cstr(spec, "serviceAccount");
    if (!str_set(account))
        account = "default";
    account = arena_strdup(r->a, account);
    errc rc = object_load(r, accounts, r->ns, account, &f);
    if (rc == ERR_NOT_FOUND)
        return fail_forbidden(r, r->res, name, "error looking up service account %s/%s: serviceaccount \"%s\" not found", r->ns, account, account);
    if (rc)
        return rc;
    json_put_str(spec, "serviceAccountName", account);
    json_put_str(spec, "serviceAccount", account);
    json_t *secrets = json_object_get(f.obj, "imagePullSecrets");
    if (json_array_size(secrets) && !json_array_size(json_object_get(spec, "imagePullSecrets")))
        json_put(spec, "imagePullSecrets", json_incref(secrets));
    return ERR_OK;
}

static void tolerate(json_t *list, const char *key)
{
    size_t i;
    json_t *t;

    json_array_foreach(list, i, t) {
        const char *k = json_cstr(t, "key"), *effect = json_cstr(t, "effect");
        if ((!str_set(k) || streq(k, key)) && (!str_set(effect) || streq(effect, "NoExecute")))
            return;
    }
    t = json_object();
    json_put_str(t, "key", key);
    json_put_str(t, "operator", "Exists");
    json_put_str(t, "effect", "NoExecute");
    json_put_int(t, "tolerationSeconds", TOLERATION_SECONDS);
    json_push(list, t);
}

static errc admit_pod(struct req *r, json_t *obj, const json_t *old)
{
    json_t *spec = json_sub(obj, "spec");

    if (old)
        return ERR_OK;
    TRY(admit_account(r, obj));
    if (!json_is_array(json_object_get(spec, "tolerations")))
        json_put(spec, "tolerations", json_array());
    tolerate(json_object_get(spec, "tolerations"), "node.kubernetes.io/not-ready");
    tolerate(json_object_get(spec, "tolerations"), "node.kubernetes.io/unreachable");
    if (!json_object_get(spec, "priority"))
        json_put_int(spec, "priority", 0);
    if (!json_object_get(spec, "preemptionPolicy"))
        json_put_str(spec, "preemptionPolicy", "PreemptLowerPriority");
    return ERR_OK;
}

static bool is_compute(const char *name)
{
    return streq(name, "cpu") || streq(name, "memory");
}

/* Guaranteed: every container limits cpu and memory and asks for as much; BestEffort: nobody asks for anything. */
static const char *quality(const json_t *obj)
{
    static const char *const lists[] = { "spec.containers", "spec.initContainers" };
    bool any = false, all = true;

    for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
        size_t i;
        json_t *c, *v;
        const char *key;
        json_array_foreach(at(obj, lists[k]), i, c) {
            const json_t *limits = json_at(c, "resources", "limits", NULL), *requests = json_at(c, "resources", "requests", NULL);
            json_object_foreach((json_t *)(uintptr_t)requests, key, v)
                any = any || is_compute(key);
            json_object_foreach((json_t *)(uintptr_t)limits, key, v)
                any = any || is_compute(key);
            static const char *const both[] = { "cpu", "memory" };
            for (size_t m = 0; m < ARRAY_LEN(both); m++) {
                const json_t *limit = json_object_get(limits, both[m]), *request = json_object_get(requests, both[m]);
                all = all && limit && (!request || json_equal(limit, request));
            }
        }
    }
    return !any ? "BestEffort" : all ? "Guaranteed" : "Burstable";
}

static void prepare_pod(struct req *r, json_t *obj, const json_t *old)
{
    (void)r;
    if (old)
        return;
    json_t *status = json_object();
    json_put_str(status, "phase", "Pending");
    json_put_str(status, "qosClass", quality(obj));
    json_put(obj, "status", status);
}

/* Only images, tolerations (added), the deadline and the grace period of a pod may change. */
static void validate_pod_change(const json_t *obj, const json_t *old, struct field_errors *out)
{
    AUTO_JSON a = json_deep_copy(json_object_get(obj, "spec"));
    AUTO_JSON b = json_deep_copy(json_object_get(old, "spec"));
    static const char *const open[] = { "activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations" };
    static const char *const lists[] = { "containers", "initContainers" };

    for (size_t i = 0; i < ARRAY_LEN(open); i++) {
        (void)json_object_del(a, open[i]);
        (void)json_object_del(b, open[i]);
    }
    for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
        size_t i;
        json_t *c;
        json_array_foreach(json_object_get(a, lists[k]), i, c)
            (void)json_object_del(c, "image");
        json_array_foreach(json_object_get(b, lists[k]), i, c)
            (void)json_object_del(c, "image");
    }
    if (!json_equal(a, b))
        field_error_add(out, FIELD_FORBIDDEN_VALUE, "spec", NULL,
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
            "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
            "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)");
}

static void validate_amounts(struct req *r, const json_t *c, const char *here, struct field_errors *out)
{
    static const char *const kinds[] = { "limits", "requests" };
    const char *key;
    json_t *v;
    __int128 nano;

    for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
        json_object_foreach(json_at(c, "resources", kinds[k], NULL), key, v)
            if (quantity_parse(json_to_str(v), &nano) && nano < 0)
                field_error_add_json(out, FIELD_INVALID_VALUE, arena_printf(r->a, "%s.resources.%s[%s]", here, kinds[k], key), v,
                                     "must be greater than or equal to 0");
}

/* spec.containers[i].name: there, a DNS label, no other's before it. */
static void validate_container_name(struct req *r, const json_t *list, size_t i, const char *here, struct field_errors *out)
{
    const char *name = json_cstr(json_array_get(list, i), "name"), *path = arena_printf(r->a, "%s.name", here);
    AUTO_BUF why = { 0 };

    if (!str_set(name)) {
        field_error_add(out, FIELD_REQUIRED_VALUE, path, NULL, "%s", "");
        return;
    }
    const char *quoted = arena_printf(r->a, "\"%s\"", name);
    if (name_problem(NAME_LABEL, name, false, &why))
        field_error_add(out, FIELD_INVALID_VALUE, path, quoted, "%s", buf_cstr(&why));
    for (size_t before = 0; before < i; before++)
        if (streq(name, json_cstr(json_array_get(list, before), "name"))) {
            field_error_add(out, FIELD_DUPLICATE_VALUE, path, quoted, "%s", "");
            return;
        }
}

static void validate_ports(struct req *r, const json_t *container, const char *here, struct field_errors *out)
{
    size_t i;
    json_t *p;

    json_array_foreach(json_object_get(container, "ports"), i, p) {
        int64_t port = json_int(p, "containerPort", 0);
        if (port < 1 || port > 65535)
            field_error_add(out, FIELD_INVALID_VALUE, arena_printf(r->a, "%s.ports[%zu].containerPort", here, i),
                            arena_printf(r->a, "%lld", (long long)port), "must be between 1 and 65535, inclusive");
    }
}

static void validate_environment(struct req *r, const json_t *container, const char *here, struct field_errors *out)
{
    size_t i;
    json_t *v;

    json_array_foreach(json_object_get(container, "env"), i, v)
        if (!str_set(json_cstr(v, "name")))
            field_error_add(out, FIELD_REQUIRED_VALUE, arena_printf(r->a, "%s.env[%zu].name", here, i), NULL, "%s", "");
}

static bool has_volume(const json_t *spec, const char *name)
{
    size_t i;
    json_t *v;

    json_array_foreach(json_object_get(spec, "volumes"), i, v)
        if (streq(json_cstr(v, "name"), name))
            return true;
    return false;
}

static void validate_mounts(struct req *r, const json_t *spec, const json_t *container, const char *here, struct field_errors *out)
{
    size_t i;
    json_t *m;

    json_array_foreach(json_object_get(container, "volumeMounts"), i, m)
        if (!has_volume(spec, json_cstr(m, "name")))
            field_error_add_json(out, FIELD_NOT_FOUND_VALUE, arena_printf(r->a, "%s.volumeMounts[%zu].name", here, i),
                                 json_object_get(m, "name"), "%s", "");
}

static void validate_pull_policy(struct req *r, const json_t *container, const char *here, struct field_errors *out)
{
    static const char *const policies[] = { "Always", "IfNotPresent", "Never", NULL };
    const char *policy = json_cstr(container, "imagePullPolicy");

    for (size_t i = 0; policy && policies[i]; i++)
        if (streq(policy, policies[i]))
            return;
    if (policy)
        field_error_unsupported(out, arena_printf(r->a, "%s.imagePullPolicy", here), json_object_get(container, "imagePullPolicy"), policies);
}

static void validate_containers(struct req *r, const json_t *spec, const char *path, struct field_errors *out)
{
    const json_t *list = json_object_get(spec, "containers");
    size_t i;
    json_t *c;

    if (!json_array_size(list))
        field_error_add(out, FIELD_REQUIRED_VALUE, arena_printf(r->a, "%s.containers", path), NULL, "%s", "");
    json_array_foreach(list, i, c) {
        const char *here = arena_printf(r->a, "%s.containers[%zu]", path, i);
        validate_container_name(r, list, i, here, out);
        if (!str_set(json_cstr(c, "image")))
            field_error_add(out, FIELD_REQUIRED_VALUE, arena_printf(r->a, "%s.image", here), NULL, "%s", "");
        validate_ports(r, c, here, out);
        validate_pull_policy(r, c, here, out);
        validate_amounts(r, c, here, out);
        validate_environment(r, c, here, out);
        validate_mounts(r, spec, c, here, out);
    }
}

static void validate_pod(struct req *r, const json_t *obj, const json_t *old, struct field_errors *out)
{
    static const char *const policies[] = { "Always", "OnFailure", "Never", NULL };
    const json_t *spec = json_object_get(obj, "spec");
    const char *policy = json_cstr(spec, "restartPolicy");

    if (old) {
        if (!streq(r->sub, "binding"))
            validate_pod_change(obj, old, out);
        return;
    }
    validate_containers(r, spec, "spec", out);
    if (policy && !streq(policy, policies[0]) && !streq(policy, policies[1]) && !streq(policy, policies[2]))
        field_error_unsupported(out, "spec.restartPolicy", json_object_get(spec, "restartPolicy"), policies);
}

const struct strategy strategy_pod = {
    .flags = STRAT_STATUS | STRAT_DELETE_SHOWS | STRAT_GRACEFUL, .labels = pod_labels, .unknown_label = "", .admit = admit_pod,
    .prepare = prepare_pod, .validate = validate_pod,
};

/* ---- deployments, replica sets, stateful sets ---- */

static void validate_replicas(struct req *r, const json_t *obj, struct field_errors *out)
{
    int64_t n = json_int(json_object_get(obj, "spec"), "replicas", 0);

    if (n < 0)
        field_error_add(out, FIELD_INVALID_VALUE, "spec.replicas", arena_printf(r->a, "%lld", (long long)n), "must be greater than or equal to 0");
}

static void validate_selector(struct req *r, const json_t *obj, struct field_errors *out)
{
    const json_t *labels = at(obj, "spec.template.metadata.labels"), *wanted = at(obj, "spec.selector.matchLabels");
    const char *key;
    json_t *v;
    bool matches = true;

    if (!json_object_size(at(obj, "spec.selector"))) {
        field_error_add(out, FIELD_REQUIRED_VALUE, "spec.selector", NULL, "%s", "");
        matches = false;
    }
    json_object_foreach((json_t *)(uintptr_t)wanted, key, v)
        matches = matches && same(json_object_get(labels, key), v);
    if (matches)
        return;
    AUTO_BUF go = { 0 };
    buf_adds(&go, "map[string]string{");
    json_object_foreach((json_t *)(uintptr_t)labels, key, v)
        buf_addf(&go, "%s\"%s\":\"%s\"", go.p[go.n - 1] == '{' ? "" : ", ", key, json_string_value(v));
    buf_addc(&go, '}');
    field_error_add(out, FIELD_INVALID_VALUE, "spec.template.metadata.labels", buf_cstr(&go), "`selector` does not match template `labels`");
}

static void validate_workload(struct req *r, const json_t *obj, const json_t *old, struct field_errors *out)
{
    validate_replicas(r, obj, out);
    validate_selector(r, obj, out);
    if (old && !same(at(obj, "spec.selector"), at(old, "spec.selector")))
        field_error_add_json(out, FIELD_INVALID_VALUE, "spec.selector", at(obj, "spec.selector"), "field is immutable");
    validate_containers(r, at(obj, "spec.template.spec"), "spec.template.spec", out);
}

static void prepare_workload(struct req *r, json_t *obj, const json_t *old)
{
    (void)r;
    if (!old && !json_object_get(obj, "status"))
        json_put(obj, "status", json_object());
}

static void prepare_replicaset(struct req *r, json_t *obj, const json_t *old)
{
    prepare_workload(r, obj, old);
    if (!old && (streq(r->res->plural, "replicasets") || streq(r->res->plural, "statefulsets")))
        json_put_int(json_object_get(obj, "status"), "replicas", 0);
    if (!old && streq(r->res->plural, "statefulsets"))
        json_put_int(json_object_get(obj, "status"), "availableReplicas", 0);
}

/* The pod as its claims make it: each template is a volume of its name. New reference. */
static json_t *pod_with_claims(const json_t *set)
{
    json_t *pod = json_copy(at(set, "spec.template.spec")), *volumes = json_array(), *v;
    size_t i;

    json_array_foreach(json_object_get(pod, "volumes"), i, v)
        json_push(volumes, json_incref(v));
    json_array_foreach(at(set, "spec.volumeClaimTemplates"), i, v)
        json_push(volumes, json_pack("{s:O}", "name", json_at(v, "metadata", "name", NULL)));
    json_put(pod, "volumes", volumes);
    return pod;
}

static void validate_statefulset(struct req *r, const json_t *obj, const json_t *old, struct field_errors *out)
{
    static const char *const open[] = { "replicas", "ordinals", "template", "updateStrategy", "persistentVolumeClaimRetentionPolicy",
                                        "minReadySeconds" };

    validate_replicas(r, obj, out);
    validate_selector(r, obj, out);
    AUTO_JSON pod = pod_with_claims(obj);
    validate_containers(r, pod, "spec.template.spec", out);
    if (!old)
        return;
    AUTO_JSON a = json_copy(json_object_get(obj, "spec"));
    AUTO_JSON b = json_copy(json_object_get(old, "spec"));
    for (size_t i = 0; i < ARRAY_LEN(open); i++) {
        (void)json_object_del(a, open[i]);
        (void)json_object_del(b, open[i]);
    }
    if (!json_equal(a, b))
        field_error_add(out, FIELD_FORBIDDEN_VALUE, "spec", NULL, "updates to statefulset spec for fields other than 'replicas', 'ordinals', "
            "'template', 'updateStrategy', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden");
}

static void validate_statefulset_status(struct req *r, const json_t *obj, const json_t *old, struct field_errors *out)
{
    static const char *const parts[] = { "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas" };
    const json_t *status = json_object_get(obj, "status");
    int64_t all = json_int(status, "replicas", 0);

    (void)old;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        int64_t n = json_int(status, parts[i], 0);
        if (n > all)
            field_error_add(out, FIELD_INVALID_VALUE, arena_printf(r->a, "status.%s", parts[i]), arena_printf(r->a, "%lld", (long long)n),
                            "cannot be greater than status.replicas");
    }
}

static const struct field_label replica_labels[] = { { "status.replicas", "status.replicas", "0" }, { NULL } };
#define WORKLOAD_FLAGS (STRAT_STATUS | STRAT_GENERATION)
const struct strategy strategy_workload = { .flags = WORKLOAD_FLAGS, .prepare = prepare_replicaset, .labels = replica_labels };
const struct strategy strategy_deployment = { .flags = WORKLOAD_FLAGS, .prepare = prepare_workload, .validate = validate_workload };
const struct strategy strategy_statefulset = { .flags = WORKLOAD_FLAGS, .prepare = prepare_replicaset, .validate = validate_statefulset,
                                              .validate_status = validate_statefulset_status };

/* ---- jobs ---- */

static const struct field_label job_labels[] = { { "status.successful", "status.succeeded", "0" }, { NULL } };

/* Selector and labels are made from the uid, so that two jobs never share pods. */
static void prepare_job(struct req *r, json_t *obj, const json_t *old)
{
    static const char *const uid_keys[] = { "batch.kubernetes.io/controller-uid", "controller-uid" };
    static const char *const name_keys[] = { "batch.kubernetes.io/job-name", "job-name" };
    json_t *spec = json_sub(obj, "spec"), *template_meta = json_sub(json_sub(spec, "template"), "metadata");
    json_t *holders[] = { json_sub(json_sub(obj, "metadata"), "labels"), json_sub(template_meta, "labels") };
    const char *uid = json_str_at(obj, "metadata", "uid", NULL), *name = json_str_at(obj, "metadata", "name", NULL);

    prepare_workload(r, obj, old);
    if (old || json_flag(spec, "manualSelector", false))
        return;
    json_put_bool(spec, "manualSelector", false);
    for (size_t i = 0; i < ARRAY_LEN(holders); i++) {
        for (size_t k = 0; k < 2; k++) {
            json_put_str(holders[i], uid_keys[k], uid);
            json_put_str(holders[i], name_keys[k], name);
        }
    }
    json_put_str(json_sub(json_sub(spec, "selector"), "matchLabels"), uid_keys[0], uid);
}

static void validate_job(struct req *r, const json_t *obj, const json_t *old, struct field_errors *out)
{
    static const char *const fixed[] = { "spec.completions", "spec.selector", "spec.template", "spec.completionMode" };
    const json_t *spec = json_object_get(obj, "spec");
    const char *policy = json_str_at(spec, "template", "spec", "restartPolicy", NULL);
    int64_t limit = json_int(spec, "backoffLimit", 0);

    if (old) {
        bool held = json_flag(json_object_get(old, "spec"), "suspend", false) && !at(old, "status.startTime");
        for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
            if (!(held && streq(fixed[i], "spec.template")))
                check_immutable(obj, old, fixed[i], out);
        return;
    }
    if (limit < 0)
        field_error_add(out, FIELD_INVALID_VALUE, "spec.backoffLimit", arena_printf(r->a, "%lld", (long long)limit),
                        "must be greater than or equal to 0");
    validate_containers(r, at(obj, "spec.template.spec"), "spec.template.spec", out);
    if (!streq(policy, "OnFailure") && !streq(policy, "Never"))
        field_error_add(out, FIELD_REQUIRED_VALUE, "spec.template.spec.restartPolicy", NULL, "valid values: \"OnFailure\", \"Never\"");
}

static bool job_is(const json_t *obj, const char *type)
{
    size_t i;
    json_t *c;

    json_array_foreach(at(obj, "status.conditions"), i, c)
        if (streq(json_cstr(c, "type"), type) && streq(json_cstr(c, "status"), "True"))
            return true;
    return false;
}

/* A finished job tells its whole story: clients and the job's own controller rely on it. */
static void validate_job_status(struct req *r, const json_t *obj, const json_t *old, struct field_errors *out)
{
    const json_t *status = json_object_get(obj, "status");
    bool complete = job_is(obj, "Complete"), failed = job_is(obj, "Failed");
    int64_t active = json_int(status, "active", 0);

    (void)old;
    if (complete && !json_object_get(status, "completionTime"))
        field_error_add(out, FIELD_REQUIRED_VALUE, "status.completionTime", NULL, "completionTime is required for Complete jobs");
    if (complete && !job_is(obj, "SuccessCriteriaMet"))
        field_error_add(out, FIELD_INVALID_VALUE, "status.conditions", NULL,
                        "cannot set Complete=True condition without the SuccessCriteriaMet=true condition");
    if (failed && !job_is(obj, "FailureTarget"))
        field_error_add(out, FIELD_INVALID_VALUE, "status.conditions", NULL,
                        "cannot set Failed=True condition without the FailureTarget=true condition");
    if ((complete || failed) && active > 0)
        field_error_add(out, FIELD_INVALID_VALUE, "status.active", arena_printf(r->a, "%lld", (long long)active),
                        "active>0 is invalid for finished job");
}

const struct strategy strategy_job = {
    .flags = WORKLOAD_FLAGS | STRAT_ORPHANS, .labels = job_labels, .prepare = prepare_job, .validate = validate_job,
    .validate_status = validate_job_status,
};
