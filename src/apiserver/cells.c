/*
 * What stands in a table's cells: the rules of kubernetes/pkg/printers/internalversion.
 */
#include "apiserver/cells.h"
#include "apiserver/strategy.h"

#define NONE "<none>"

json_t *cell_text(const json_t *obj, const char *path, const char *absent)
{
    const json_t *v = at(obj, path);

    return json_string(json_is_string(v) && json_string_length(v) ? json_string_value(v) : absent);
}

static json_t *age_of(const char *when, int64_t now_ms, const char *absent)
{
    int64_t us = 0;
    char age[TIME_TEXT_MAX];

    if (!when || !time_parse(str_of(when), &us))
        return json_string(absent);
    time_human_age(now_ms - us / 1000, age);
    return json_string(age);
}

static const char *str_at(const json_t *obj, const char *path)
{
    return json_string_value(at(obj, path));
}

static int64_t int_at(const json_t *obj, const char *path, int64_t absent)
{
    const json_t *v = at(obj, path);

    return json_is_integer(v) ? json_integer_value(v) : absent;
}

static json_t *take_text(struct buf *b, const char *absent)
{
    json_t *j = b->n ? json_strn(buf_str(b)) : json_string(absent);

    return j;
}

/* ---- general ---- */

json_t *cell_name(const json_t *o, int64_t now) { (void)now; return cell_text(o, "metadata.name", ""); }
json_t *cell_age(const json_t *o, int64_t now) { return age_of(str_at(o, "metadata.creationTimestamp"), now, "<unknown>"); }
json_t *cell_custom_age(const json_t *o, int64_t now) { return age_of(str_at(o, "metadata.creationTimestamp"), now, "<unknown>"); }
json_t *cell_created_text(const json_t *o, int64_t now) { (void)now; return cell_text(o, "metadata.creationTimestamp", "<unknown>"); }

static void add_joined(struct buf *b, const char *s)
{
    if (str_set(s))
        buf_addf(b, "%s%s", b->n ? "," : "", s);
}

static json_t *containers(const json_t *o, const char *field)
{
    AUTO_BUF b = { 0 };
    size_t i;
    json_t *c;

    json_array_foreach(at(o, "spec.template.spec.containers"), i, c)
        add_joined(&b, json_cstr(c, field));
    return take_text(&b, "");
}

static void add_requirement(struct buf *b, const json_t *q)
{
    static const struct { const char *op, *word; } words[] = { { "In", "in" }, { "NotIn", "notin" } };
    const char *op = json_cstr(q, "operator"), *key = json_cstr(q, "key");
    size_t i;
    json_t *v;

    if (b->n)
        buf_addc(b, ',');
    if (streq(op, "DoesNotExist"))
        buf_addc(b, '!');
    buf_adds(b, key);
    for (size_t k = 0; k < ARRAY_LEN(words); k++) {
        if (!streq(op, words[k].op))
            continue;
        buf_addf(b, " %s (", words[k].word);
        json_array_foreach(json_object_get(q, "values"), i, v)
            buf_addf(b, "%s%s", i ? "," : "", json_string_value(v));
        buf_addc(b, ')');
    }
}

static int cmp_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_pairs(struct buf *b, const json_t *map)
{
    const char *names[64], *key;
    size_t n = 0;
    json_t *v;

    json_object_foreach((json_t *)(uintptr_t)map, key, v)
        if (n < ARRAY_LEN(names))
            names[n++] = key;
    qsort(names, n, sizeof *names, cmp_names);
    for (size_t i = 0; i < n; i++)
        buf_addf(b, "%s%s=%s", b->n ? "," : "", names[i], json_cstr(map, names[i]));
}

static json_t *selector_text(const json_t *selector, const char *absent)
{
    AUTO_BUF b = { 0 };
    size_t i;
    json_t *q;

    add_pairs(&b, json_object_get(selector, "matchLabels"));
    json_array_foreach(json_object_get(selector, "matchExpressions"), i, q)
        add_requirement(&b, q);
    return take_text(&b, absent);
}

/* ---- config maps, secrets, accounts, namespaces ---- */

json_t *configmap_data(const json_t *o, int64_t now)
{
    (void)now;
    return json_integer((json_int_t)(json_object_size(at(o, "data")) + json_object_size(at(o, "binaryData"))));
}

json_t *secret_type(const json_t *o, int64_t now) { (void)now; return cell_text(o, "type", ""); }
json_t *secret_data(const json_t *o, int64_t now) { (void)now; return json_integer((json_int_t)json_object_size(at(o, "data"))); }
json_t *account_secrets(const json_t *o, int64_t now) { (void)now; return json_integer((json_int_t)json_array_size(at(o, "secrets"))); }
json_t *namespace_status(const json_t *o, int64_t now) { (void)now; return cell_text(o, "status.phase", ""); }
json_t *lease_holder(const json_t *o, int64_t now) { (void)now; return cell_text(o, "spec.holderIdentity", ""); }

json_t *binding_role(const json_t *o, int64_t now)
{
    (void)now;
    return json_strf("%s/%s", str_at(o, "roleRef.kind"), str_at(o, "roleRef.name"));
}

json_t *endpoints_endpoints(const json_t *o, int64_t now)
{
    AUTO_BUF b = { 0 };
    size_t i, k, p;
    json_t *set, *address, *port;

    (void)now;
    json_array_foreach(at(o, "subsets"), i, set)
        json_array_foreach(json_object_get(set, "addresses"), k, address)
            json_array_foreach(json_object_get(set, "ports"), p, port)
                buf_addf(&b, "%s%s:%lld", b.n ? "," : "", json_cstr(address, "ip"), (long long)json_int(port, "port", 0));
    return take_text(&b, NONE);
}

/* ---- services ---- */

json_t *service_kind(const json_t *o, int64_t now) { (void)now; return cell_text(o, "spec.type", ""); }
json_t *service_cluster_ip(const json_t *o, int64_t now) { (void)now; return cell_text(o, "spec.clusterIP", NONE); }

json_t *service_external_ip(const json_t *o, int64_t now)
{
    AUTO_BUF b = { 0 };
    size_t i;
    json_t *v;

    (void)now;
    if (streq(str_at(o, "spec.type"), "ExternalName"))
        return cell_text(o, "spec.externalName", NONE);
    json_array_foreach(at(o, "status.loadBalancer.ingress"), i, v)
        add_joined(&b, json_cstr(v, "ip") ? json_cstr(v, "ip") : json_cstr(v, "hostname"));
    json_array_foreach(at(o, "spec.externalIPs"), i, v)
        add_joined(&b, json_string_value(v));
    return take_text(&b, streq(str_at(o, "spec.type"), "LoadBalancer") ? "<pending>" : NONE);
}

json_t *service_ports(const json_t *o, int64_t now)
{
    AUTO_BUF b = { 0 };
    size_t i;
    json_t *p;

    (void)now;
    json_array_foreach(at(o, "spec.ports"), i, p) {
        int64_t node = json_int(p, "nodePort", 0);
        buf_addf(&b, "%s%lld", b.n ? "," : "", (long long)json_int(p, "port", 0));
        if (node)
            buf_addf(&b, ":%lld", (long long)node);
        buf_addf(&b, "/%s", json_cstr(p, "protocol"));
    }
    return take_text(&b, NONE);
}

json_t *service_selector(const json_t *o, int64_t now)
{
    AUTO_BUF b = { 0 };

    (void)now;
    add_pairs(&b, at(o, "spec.selector"));
    return take_text(&b, NONE);
}

/* ---- workloads ---- */

json_t *deployment_ready(const json_t *o, int64_t now)
{
    (void)now;
    return json_strf("%lld/%lld", (long long)int_at(o, "status.readyReplicas", 0), (long long)int_at(o, "spec.replicas", 0));
}
json_t *deployment_up_to_date(const json_t *o, int64_t now) { (void)now; return json_integer(int_at(o, "status.updatedReplicas", 0)); }
json_t *deployment_available(const json_t *o, int64_t now) { (void)now; return json_integer(int_at(o, "status.availableReplicas", 0)); }
json_t *deployment_containers(const json_t *o, int64_t now) { (void)now; return containers(o, "name"); }
json_t *deployment_images(const json_t *o, int64_t now) { (void)now; return containers(o, "image"); }
json_t *deployment_selector(const json_t *o, int64_t now) { (void)now; return selector_text(at(o, "spec.selector"), NONE); }
json_t *statefulset_ready(const json_t *o, int64_t now) { return deployment_ready(o, now); }
json_t *statefulset_containers(const json_t *o, int64_t now) { (void)now; return containers(o, "name"); }
json_t *statefulset_images(const json_t *o, int64_t now) { (void)now; return containers(o, "image"); }

static bool job_condition(const json_t *o, const char *type)
{
    size_t i;
    json_t *c;

    json_array_foreach(at(o, "status.conditions"), i, c)
        if (streq(json_cstr(c, "type"), type) && streq(json_cstr(c, "status"), "True"))
            return true;
    return false;
}

json_t *job_status(const json_t *o, int64_t now)
{
    static const struct { const char *condition, *text; } rows[] = {
        { "Complete", "Complete" }, { "Failed", "Failed" }, { "Suspended", "Suspended" }, { "FailureTarget", "FailureTarget" },
        { "SuccessCriteriaMet", "SuccessCriteriaMet" },
    };
    (void)now;
    for (size_t i = 0; i < 2; i++)
        if (job_condition(o, rows[i].condition))
            return json_string(rows[i].text);
    if (at(o, "metadata.deletionTimestamp"))
        return json_string("Terminating");
    for (size_t i = 2; i < ARRAY_LEN(rows); i++)
        if (job_condition(o, rows[i].condition))
            return json_string(rows[i].text);
    return json_string("Running");
}

json_t *job_completions(const json_t *o, int64_t now)
{
    int64_t done = int_at(o, "status.succeeded", 0), parallel = int_at(o, "spec.parallelism", 0);

    (void)now;
    if (at(o, "spec.completions"))
        return json_strf("%lld/%lld", (long long)done, (long long)int_at(o, "spec.completions", 0));
    return parallel > 1 ? json_strf("%lld/1 of %lld", (long long)done, (long long)parallel) : json_strf("%lld/1", (long long)done);
}

json_t *job_duration(const json_t *o, int64_t now)
{
    const char *start = str_at(o, "status.startTime"), *end = str_at(o, "status.completionTime");
    int64_t from = 0, to = 0;

    if (!start)
        return json_string("");
    if (end && time_parse(str_of(end), &to))
        now = to / 1000;
    (void)from;
    return age_of(start, now, "");
}

json_t *job_containers(const json_t *o, int64_t now) { (void)now; return containers(o, "name"); }
json_t *job_images(const json_t *o, int64_t now) { (void)now; return containers(o, "image"); }
json_t *job_selector(const json_t *o, int64_t now) { (void)now; return selector_text(at(o, "spec.selector"), NONE); }

/* ---- storage ---- */

static json_t *access_modes(const json_t *list)
{
    static const struct { const char *mode, *text; } rows[] = {
        { "ReadWriteOnce", "RWO" }, { "ReadOnlyMany", "ROX" }, { "ReadWriteMany", "RWX" }, { "ReadWriteOncePod", "RWOP" },
    };
    AUTO_BUF b = { 0 };
    size_t i;
    json_t *m;

    for (size_t k = 0; k < ARRAY_LEN(rows); k++)
        json_array_foreach(list, i, m)
            if (streq(json_string_value(m), rows[k].mode))
                add_joined(&b, rows[k].text);
    return take_text(&b, "");
}

json_t *claim_status(const json_t *o, int64_t now)
{
    (void)now;
    return at(o, "metadata.deletionTimestamp") ? json_string("Terminating") : cell_text(o, "status.phase", "");
}
json_t *claim_volume(const json_t *o, int64_t now) { (void)now; return cell_text(o, "spec.volumeName", ""); }
json_t *claim_capacity(const json_t *o, int64_t now) { (void)now; return cell_text(o, str_set(str_at(o, "spec.volumeName")) ? "status.capacity.storage" : "-", ""); }
json_t *claim_access_modes(const json_t *o, int64_t now)
{
    (void)now;
    return access_modes(str_set(str_at(o, "spec.volumeName")) ? at(o, "status.accessModes") : NULL);
}
json_t *claim_storageclass(const json_t *o, int64_t now) { (void)now; return cell_text(o, "spec.storageClassName", ""); }
json_t *claim_volumeattributesclass(const json_t *o, int64_t now) { (void)now; return cell_text(o, "spec.volumeAttributesClassName", "<unset>"); }
json_t *claim_volumemode(const json_t *o, int64_t now) { (void)now; return cell_text(o, "spec.volumeMode", "<unset>"); }

json_t *class_name(const json_t *o, int64_t now)
{
    const json_t *notes = at(o, "metadata.annotations");
    bool is_default = streq(json_cstr(notes, "storageclass.kubernetes.io/is-default-class"), "true") ||
                      streq(json_cstr(notes, "storageclass.beta.kubernetes.io/is-default-class"), "true");

    (void)now;
    return is_default ? json_strf("%s (default)", str_at(o, "metadata.name")) : cell_text(o, "metadata.name", "");
}
json_t *class_provisioner(const json_t *o, int64_t now) { (void)now; return cell_text(o, "provisioner", ""); }
json_t *class_reclaimpolicy(const json_t *o, int64_t now) { (void)now; return cell_text(o, "reclaimPolicy", "Delete"); }
json_t *class_volumebindingmode(const json_t *o, int64_t now) { (void)now; return cell_text(o, "volumeBindingMode", "Immediate"); }
json_t *class_allowvolumeexpansion(const json_t *o, int64_t now) { (void)now; return json_boolean(json_is_true(at(o, "allowVolumeExpansion"))); }

/* ---- events ---- */

json_t *event_last_seen(const json_t *o, int64_t now)
{
    const char *when = str_at(o, "series.lastObservedTime");

    when = when ? when : str_at(o, "lastTimestamp");
    when = when ? when : str_at(o, "eventTime");
    return age_of(when, now, "<unknown>");
}
json_t *event_first_seen(const json_t *o, int64_t now)
{
    return age_of(str_at(o, "firstTimestamp") ? str_at(o, "firstTimestamp") : str_at(o, "eventTime"), now, "<unknown>");
}
json_t *event_type(const json_t *o, int64_t now) { (void)now; return cell_text(o, "type", ""); }
json_t *event_reason(const json_t *o, int64_t now) { (void)now; return cell_text(o, "reason", ""); }
json_t *event_message(const json_t *o, int64_t now) { (void)now; return cell_text(o, "message", ""); }
json_t *event_subobject(const json_t *o, int64_t now) { (void)now; return cell_text(o, "involvedObject.fieldPath", ""); }

json_t *event_object(const json_t *o, int64_t now)
{
    AUTO_BUF b = { 0 };

    (void)now;
    for (const char *p = str_at(o, "involvedObject.kind"); p && *p; p++)
        buf_addc(&b, (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p));
    if (str_set(str_at(o, "involvedObject.name")))
        buf_addf(&b, "/%s", str_at(o, "involvedObject.name"));
    return take_text(&b, "");
}

json_t *event_source(const json_t *o, int64_t now)
{
    const char *component = str_at(o, "source.component"), *host = str_at(o, "source.host");

    (void)now;
    if (!str_set(component))
        component = str_at(o, "reportingComponent");
    return str_set(host) ? json_strf("%s, %s", component ? component : "", host) : json_string(component ? component : "");
}

json_t *event_count(const json_t *o, int64_t now)
{
    (void)now;
    return json_strf("%lld", (long long)int_at(o, "series.count", int_at(o, "count", 1)));
}

/* ---- nodes ---- */

json_t *node_status(const json_t *o, int64_t now)
{
    const char *ready = "Unknown";
    size_t i;
    json_t *c;

    (void)now;
    json_array_foreach(at(o, "status.conditions"), i, c)
        if (streq(json_cstr(c, "type"), "Ready"))
            ready = streq(json_cstr(c, "status"), "True") ? "Ready" : "NotReady";
    return json_strf("%s%s", ready, json_is_true(at(o, "spec.unschedulable")) ? ",SchedulingDisabled" : "");
}

json_t *node_roles(const json_t *o, int64_t now)
{
    static const struct str prefix = { "node-role.kubernetes.io/", 24 };
    const char *names[32], *key;
    size_t n = 0;
    json_t *v;
    AUTO_BUF b = { 0 };

    (void)now;
    json_object_foreach(at(o, "metadata.labels"), key, v) {
        const char *role = str_has_prefix(str_of(key), prefix) ? key + prefix.n : streq(key, "kubernetes.io/role") ? json_string_value(v) : NULL;
        if (str_set(role) && n < ARRAY_LEN(names))
            names[n++] = role;
    }
    qsort(names, n, sizeof *names, cmp_names);
    for (size_t i = 0; i < n; i++)
        add_joined(&b, names[i]);
    return take_text(&b, NONE);
}

static json_t *node_address(const json_t *o, const char *type)
{
    size_t i;
    json_t *a;

    json_array_foreach(at(o, "status.addresses"), i, a)
        if (streq(json_cstr(a, "type"), type))
            return json_string(json_cstr(a, "address"));
    return json_string(NONE);
}

json_t *node_version(const json_t *o, int64_t now) { (void)now; return cell_text(o, "status.nodeInfo.kubeletVersion", ""); }
json_t *node_internal_ip(const json_t *o, int64_t now) { (void)now; return node_address(o, "InternalIP"); }
json_t *node_external_ip(const json_t *o, int64_t now) { (void)now; return node_address(o, "ExternalIP"); }
json_t *node_os_image(const json_t *o, int64_t now) { (void)now; return cell_text(o, "status.nodeInfo.osImage", "<unknown>"); }
json_t *node_kernel_version(const json_t *o, int64_t now) { (void)now; return cell_text(o, "status.nodeInfo.kernelVersion", "<unknown>"); }
json_t *node_container_runtime(const json_t *o, int64_t now) { (void)now; return cell_text(o, "status.nodeInfo.containerRuntimeVersion", "<unknown>"); }

/* ---- webhooks ---- */

json_t *webhooks_count(const json_t *o, int64_t now)
{
    (void)now;
    return json_integer((json_int_t)json_array_size(at(o, "webhooks")));
}
