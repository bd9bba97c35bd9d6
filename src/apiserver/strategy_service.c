/*
 * Services: addresses, ports, families.
 */
#include "apiserver/strategy.h"

/* On change, what the client leaves out is kept: addresses and families are the server's. */
static void keep_addresses(json_t *obj, const json_t *old)
{
    static const char *const kept[] = { "clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort" };
    json_t *spec = json_sub(obj, "spec");
    const json_t *was = json_object_get(old, "spec");
    const char *type = json_cstr(spec, "type");

    if (streq(type, "ExternalName"))
        return;
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        const json_t *v = json_object_get(spec, kept[i]);
        bool empty = !v || (json_is_string(v) && !json_string_length(v));
        if (empty && json_object_get(was, kept[i]))
            json_put(spec, kept[i], json_incref(json_object_get(was, kept[i])));
    }
    /* a client that changes only clusterIP means clusterIPs too */
    const char *ip = json_cstr(spec, "clusterIP"), *first = json_string_value(json_array_get(json_object_get(spec, "clusterIPs"), 0));
    if (ip && first && !streq(ip, first)) {
        json_t *ips = json_array();
        json_push(ips, json_string(ip));
        json_put(spec, "clusterIPs", ips);
    }
}

static void put_defaults(json_t *obj)
{
    json_t *spec = json_sub(obj, "spec");
    const char *type = json_cstr(spec, "type");

    if (streq(type, "ExternalName"))
        return;
    /* a headless service without selector may have endpoints of either family */
    bool both = streq(json_cstr(spec, "clusterIP"), "None") && !json_object_size(json_object_get(spec, "selector"));
    if (!json_object_get(spec, "ipFamilies")) {
        json_t *families = json_array();
        json_push(families, json_string("IPv4"));
        if (both)
            json_push(families, json_string("IPv6"));
        json_put(spec, "ipFamilies", families);
    }
    if (!json_object_get(spec, "ipFamilyPolicy"))
        json_put_str(spec, "ipFamilyPolicy", both ? "RequireDualStack" : "SingleStack");
}

static void prepare_service(struct req *r, json_t *obj, const json_t *old)
{
    if (!old)
        json_put(json_sub(obj, "status"), "loadBalancer", json_object());
    else
        keep_addresses(obj, old);
    put_defaults(obj);
}

/* Ports are checked before an address is taken, so that a refused service holds none. */
static void validate_service(struct req *r, const json_t *obj, const json_t *old, struct field_errors *out)
{
    static const char *const types[] = { "ClusterIP", "ExternalName", "LoadBalancer", "NodePort", NULL };
    const json_t *spec = json_object_get(obj, "spec"), *ports = json_object_get(spec, "ports");
    const char *type = json_cstr(spec, "type"), *ip = json_cstr(spec, "clusterIP");
    size_t i, n = json_array_size(ports);
    json_t *p;
    bool known = false;

    if (!n && !streq(type, "ExternalName") && !streq(ip, "None"))
        field_error_add(out, FIELD_REQUIRED_VALUE, "spec.ports", NULL, "%s", "");
    json_array_foreach(ports, i, p) {
        int64_t port = json_int(p, "port", 0);
        if (n > 1 && !str_set(json_cstr(p, "name")))
            field_error_add(out, FIELD_REQUIRED_VALUE, arena_printf(r->a, "spec.ports[%zu].name", i), NULL, "%s", "");
        if (port < 1 || port > 65535) {
            field_error_add(out, FIELD_INVALID_VALUE, arena_printf(r->a, "spec.ports[%zu].port", i), arena_printf(r->a, "%lld", (long long)port),
                            "must be between 1 and 65535, inclusive");
            field_error_add(out, FIELD_INVALID_VALUE, arena_printf(r->a, "spec.ports[%zu].targetPort", i), arena_printf(r->a, "%lld", (long long)port),
                            "must be between 1 and 65535, inclusive");
        }
    }
    for (size_t k = 0; types[k]; k++)
        known = known || streq(types[k], type);
    if (type && !known)
        field_error_unsupported(out, "spec.type", json_object_get(spec, "type"), types);
    if (!old)
        return;
    const char *was = json_str_at(old, "spec", "clusterIP", NULL);
    if (str_set(was) && str_set(ip) && !streq(was, ip) && !streq(type, "ExternalName"))
        field_error_add(out, FIELD_INVALID_VALUE, "spec.clusterIPs[0]", arena_printf(r->a, "[]string{\"%s\"}", ip), "may not change once set");
}

static void removed_service(struct req *r, const json_t *old)
{
    allocator_release(r, old);
}

const struct strategy strategy_service = {
    .flags = STRAT_STATUS | STRAT_UPSERT | STRAT_DELETE_SHOWS, .name_rule = NAME_LABEL_1035, .prepare = prepare_service,
    .validate = validate_service, .removed = removed_service, .allocate = allocator_service,
    .settle = allocator_settle,
};
