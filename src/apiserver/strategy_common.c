/*
 * Strategies of the kinds with few rules, and the helpers that all of them share.
 */
#include <ctype.h>

#include "apiserver/strategy.h"
#include "base/hash.h"

json_t *at(const json_t *obj, const char *dotted)
{
    struct str rest = str_of(dotted), key;
    const json_t *j = obj;
    char name[128];

    while (j && str_next(&rest, '.', &key)) {
        snprintf(name, sizeof name, "%.*s", STR_ARG(key));
        j = json_object_get(j, name);
    }
    return (json_t *)(uintptr_t)j;
}

bool same(const json_t *a, const json_t *b)
{
    return (!a && !b) || (a && b && json_equal(a, b));
}

void check_immutable(const json_t *obj, const json_t *old, const char *path, struct field_errors *out)
{
    const json_t *now = at(obj, path), *was = at(old, path);

    if (!same(now, was))
        field_error_add_json(out, FIELD_INVALID_VALUE, path, now, "field is immutable");
}

static void prepare_status(struct req *r, json_t *obj, const json_t *old)
{
    (void)r;
    if (!old && !json_object_get(obj, "status"))
        json_put(obj, "status", json_object());
}

/* A budget's counters are written even when zero. */
static void prepare_budget(struct req *r, json_t *obj, const json_t *old)
{
    static const char *const counters[] = { "disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods" };

    (void)r;
    for (size_t i = 0; !old && i < ARRAY_LEN(counters); i++)
        json_put_int(json_sub(obj, "status"), counters[i], 0);
}

const struct strategy strategy_status = { .flags = STRAT_STATUS, .prepare = prepare_status };
const struct strategy strategy_budget = { .flags = STRAT_STATUS | STRAT_GENERATION, .prepare = prepare_budget };
const struct strategy strategy_generation = { .flags = STRAT_GENERATION };
const struct strategy strategy_status_generation = { .flags = STRAT_STATUS | STRAT_GENERATION };
const struct strategy strategy_upsert = { .flags = STRAT_UPSERT };

static void check_number(struct req *r, const json_t *obj, const char *path, int64_t least, const char *text, struct field_errors *out)
{
    const json_t *v = at(obj, path);

    if (json_is_integer(v) && json_integer_value(v) < least)
        field_error_add(out, FIELD_INVALID_VALUE, path, arena_printf(r->a, "%lld", (long long)json_integer_value(v)), "%s", text);
}

static void validate_lease(struct req *r, const json_t *obj, const json_t *old, struct field_errors *out)
{
    (void)old;
    check_number(r, obj, "spec.leaseDurationSeconds", 1, "must be greater than 0", out);
    check_number(r, obj, "spec.leaseTransitions", 0, "must be greater than or equal to 0", out);
}

const struct strategy strategy_lease = { .flags = STRAT_UPSERT, .validate = validate_lease };

static void validate_class(struct req *r, const json_t *obj, const json_t *old, struct field_errors *out)
{
    static const char *const fixed[] = { "parameters", "provisioner", "reclaimPolicy" };

    (void)r;
    for (size_t i = 0; old && i < ARRAY_LEN(fixed); i++)
        if (!same(json_object_get(obj, fixed[i]), json_object_get(old, fixed[i])))
            field_error_add(out, FIELD_FORBIDDEN_VALUE, fixed[i], NULL, "updates to %s are forbidden.", fixed[i]);
}

const struct strategy strategy_storageclass = { .flags = STRAT_DELETE_SHOWS, .validate = validate_class };

/* ---- config maps and secrets ---- */

#define KEY_MSG "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or " \
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"

static void check_keys(struct req *r, const json_t *data, const char *field, struct field_errors *out)
{
    const char *key;
    json_t *v;

    json_object_foreach((json_t *)(uintptr_t)data, key, v) {
        const char *path = arena_printf(r->a, "%s[%s]", field, key), *quoted = arena_printf(r->a, "\"%s\"", key);
        bool good = *key != '\0';
        for (const char *p = key; *p; p++)
            good = good && (isalnum((unsigned char)*p) || strchr("-._", *p));
        if (!good)
            field_error_add(out, FIELD_INVALID_VALUE, path, quoted, KEY_MSG);
        else if (streq(key, ".") || streq(key, ".."))
            field_error_add(out, FIELD_INVALID_VALUE, path, quoted, "must not be '%s'", key);
        else if (strlen(key) > 253)
            field_error_add(out, FIELD_INVALID_VALUE, path, quoted, "must be no more than 253 characters");
    }
}

static void check_frozen(const json_t *obj, const json_t *old, const char *const *fields, struct field_errors *out)
{
    if (!old || !json_is_true(json_object_get(old, "immutable")))
        return;
    if (!json_is_true(json_object_get(obj, "immutable")))
        field_error_add(out, FIELD_FORBIDDEN_VALUE, "immutable", NULL, "field is immutable when `immutable` is set");
    for (; *fields; fields++)
        if (!same(json_object_get(obj, *fields), json_object_get(old, *fields)))
            field_error_add(out, FIELD_FORBIDDEN_VALUE, *fields, NULL, "field is immutable when `immutable` is set");
}

static void drop_empty(json_t *obj, const char *key)
{
    json_t *v = json_object_get(obj, key);

    if (v && json_is_object(v) && json_object_size(v) == 0)
        (void)json_object_del(obj, key);
}

static void prepare_configmap(struct req *r, json_t *obj, const json_t *old)
{
    (void)r;
    (void)old;
    drop_empty(obj, "data");
    drop_empty(obj, "binaryData");
}

static void validate_configmap(struct req *r, const json_t *obj, const json_t *old, struct field_errors *out)
{
    static const char *const fields[] = { "data", "binaryData", NULL };

    check_keys(r, json_object_get(obj, "data"), "data", out);
    check_keys(r, json_object_get(obj, "binaryData"), "binaryData", out);
    check_frozen(obj, old, fields, out);
}

const struct strategy strategy_configmap = { .prepare = prepare_configmap, .validate = validate_configmap };

/* stringData is written only: it lands in data. Before managed fields are noted, as upstream's conversion does. */
static void fill_secret(struct req *r, json_t *obj, const json_t *old)
{
    json_t *plain = json_object_get(obj, "stringData"), *v;
    const char *key;

    (void)r;
    (void)old;
    json_object_foreach(plain, key, v) {
        AUTO_BUF text = { 0 };
        base64_add(&text, json_string_value(v), json_string_length(v));
        json_put(json_sub(obj, "data"), key, json_strn(buf_str(&text)));
    }
    (void)json_object_del(obj, "stringData");
    if (!str_set(json_cstr(obj, "type")))
        json_put_str(obj, "type", "Opaque");
    drop_empty(obj, "data");
}

static void validate_secret(struct req *r, const json_t *obj, const json_t *old, struct field_errors *out)
{
    static const struct { const char *type, *key; } typed[] = {
        { "kubernetes.io/dockerconfigjson", ".dockerconfigjson" }, { "kubernetes.io/dockercfg", ".dockercfg" },
        { "kubernetes.io/ssh-auth", "ssh-privatekey" }, { "kubernetes.io/tls", "tls.crt" }, { "kubernetes.io/tls", "tls.key" },
    };
    static const char *const fields[] = { "data", NULL };
    const char *type = json_cstr(obj, "type");

    check_keys(r, json_object_get(obj, "data"), "data", out);
    for (size_t i = 0; i < ARRAY_LEN(typed); i++)
        if (streq(type, typed[i].type) && !json_object_get(json_object_get(obj, "data"), typed[i].key))
            field_error_add(out, FIELD_REQUIRED_VALUE, arena_printf(r->a, "data[%s]", typed[i].key), NULL, "%s", "");
    if (old)
        check_immutable(obj, old, "type", out);
    check_frozen(obj, old, fields, out);
}

static const struct field_label secret_labels[] = { { "type", "type", "" }, { NULL } };
const struct strategy strategy_secret = { .fill = fill_secret, .validate = validate_secret, .labels = secret_labels };

/* ---- events ---- */

static const struct field_label event_labels[] = {
    { "involvedObject.kind", "involvedObject.kind", "" }, { "involvedObject.namespace", "involvedObject.namespace", "" },
    { "involvedObject.name", "involvedObject.name", "" }, { "involvedObject.uid", "involvedObject.uid", "" },
    { "involvedObject.apiVersion", "involvedObject.apiVersion", "" }, { "involvedObject.resourceVersion", "involvedObject.resourceVersion", "" },
    { "involvedObject.fieldPath", "involvedObject.fieldPath", "" }, { "reason", "reason", "" },
    { "reportingComponent", "reportingComponent", "" }, { "source", "source.component", "" }, { "type", "type", "" }, { NULL },
};

static void validate_event(struct req *r, const json_t *obj, const json_t *old, struct field_errors *out)
{
    const char *ns = json_str_at(obj, "metadata", "namespace", NULL), *about = json_str_at(obj, "involvedObject", "namespace", NULL);

    (void)r;
    (void)old;
    if (str_set(about) ? !streq(ns, about) : !streq(ns, "default"))
        field_error_add(out, FIELD_INVALID_VALUE, "involvedObject.namespace", about ? arena_printf(r->a, "\"%s\"", about) : "\"\"",
                        "does not match event.namespace");
}

const struct strategy strategy_event = { .flags = STRAT_UPSERT, .labels = event_labels, .validate = validate_event };

/* ---- namespaces ---- */

static void fill_namespace(struct req *r, json_t *obj, const json_t *old)
{
    (void)r;
    (void)old;
    json_put(json_sub(json_sub(obj, "metadata"), "labels"), "kubernetes.io/metadata.name",
             json_incref(json_at(obj, "metadata", "name", NULL)));
}

static void prepare_namespace(struct req *r, json_t *obj, const json_t *old)
{
    json_t *spec = json_sub(obj, "spec"), *list = json_object_get(spec, "finalizers"), *f;
    size_t i;
    bool has = false;

    if (old) {          /* finalizers change through /finalize only */
        json_t *was = json_at(old, "spec", "finalizers", NULL);
        if (!streq(r->sub, "finalize") && was)
            json_put(spec, "finalizers", json_incref(was));
        return;
    }
    if (!json_is_array(list)) {
        list = json_array();
        json_put(spec, "finalizers", list);
    }
    json_array_foreach(list, i, f)
        has = has || streq(json_string_value(f), "kubernetes");
    if (!has)
        json_push(list, json_string("kubernetes"));
    json_put_str(json_sub(obj, "status"), "phase", "Active");
}

static const struct field_label namespace_labels[] = { { "status.phase", "status.phase", "" }, { "name", "metadata.name", "" }, { NULL } };
const struct strategy strategy_namespace = {
    .flags = STRAT_STATUS | STRAT_DELETE_SHOWS, .name_rule = NAME_LABEL, .labels = namespace_labels, .fill = fill_namespace,
    .prepare = prepare_namespace,
};

/* ---- nodes, volumes, accounts ---- */

static const struct field_label node_labels[] = { { "spec.unschedulable", "spec.unschedulable", "false" }, { NULL } };

static void prepare_node(struct req *r, json_t *obj, const json_t *old)
{
    (void)r;
    if (!json_object_get(obj, "spec"))
        json_put(obj, "spec", json_object());
    if (!old && !json_object_get(obj, "status"))
        json_put(obj, "status", json_object());
}

static void fill_node(struct req *r, json_t *obj, const json_t *old)
{
    json_t *status = json_object_get(obj, "status"), *capacity = json_object_get(status, "capacity");

    (void)r;
    (void)old;
    if (json_object_size(capacity) && !json_object_get(status, "allocatable"))
        json_put(status, "allocatable", json_deep_copy(capacity));
}

const struct strategy strategy_node = { .flags = STRAT_STATUS_META, .labels = node_labels, .fill = fill_node, .prepare = prepare_node };

/* A new claim or volume is pending, and stays until whoever uses it lets go. */
static void begin_pending(json_t *obj, const char *finalizer)
{
    json_t *meta = json_sub(obj, "metadata"), *list = json_object_get(meta, "finalizers");

    json_put_str(json_sub(obj, "status"), "phase", "Pending");
    if (!list) {
        list = json_array();
        json_put(meta, "finalizers", list);
    }
    json_push(list, json_string(finalizer));
}

static void prepare_claim(struct req *r, json_t *obj, const json_t *old)
{
    (void)r;
    if (!old)
        begin_pending(obj, "kubernetes.io/pvc-protection");
}

static void validate_claim(struct req *r, const json_t *obj, const json_t *old, struct field_errors *out)
{
    const json_t *storage = at(obj, "spec.resources.requests.storage");
    __int128 nano = 0;

    (void)r;
    if (!json_array_size(at(obj, "spec.accessModes")))
        field_error_add(out, FIELD_REQUIRED_VALUE, "spec.accessModes", NULL, "at least 1 access mode is required");
    if (!storage)
        field_error_add(out, FIELD_REQUIRED_VALUE, "spec.resources[storage]", NULL, "%s", "");
    else if (quantity_parse(json_to_str(storage), &nano) && nano <= 0)
        field_error_add_json(out, FIELD_INVALID_VALUE, "spec.resources[storage]", storage, "must be greater than zero");
    if (!old)
        return;
    AUTO_JSON a = json_deep_copy(json_object_get(obj, "spec"));
    AUTO_JSON b = json_deep_copy(json_object_get(old, "spec"));
    static const char *const open[] = { "resources", "volumeName", "volumeAttributesClassName" };
    for (size_t i = 0; i < ARRAY_LEN(open); i++) {
        (void)json_object_del(a, open[i]);
        (void)json_object_del(b, open[i]);
    }
    if (!json_equal(a, b))
        field_error_add(out, FIELD_FORBIDDEN_VALUE, "spec", NULL, "spec is immutable after creation except resources.requests and "
                        "volumeAttributesClassName for bound claims");
}

const struct strategy strategy_claim = { .flags = STRAT_STATUS | STRAT_DELETE_SHOWS, .prepare = prepare_claim, .validate = validate_claim };

static void prepare_volume(struct req *r, json_t *obj, const json_t *old)
{
    (void)r;
    if (!old)
        begin_pending(obj, "kubernetes.io/pv-protection");
}

const struct strategy strategy_volume = { .flags = STRAT_STATUS | STRAT_DELETE_SHOWS, .prepare = prepare_volume };
const struct strategy strategy_serviceaccount = { .flags = STRAT_DELETE_SHOWS };

/* ---- RBAC ---- */

static void validate_role(struct req *r, const json_t *obj, const json_t *old, struct field_errors *out)
{
    size_t i;
    json_t *rule;

    (void)old;
    json_array_foreach(json_object_get(obj, "rules"), i, rule) {
        if (!json_array_size(json_object_get(rule, "verbs")))
            field_error_add(out, FIELD_REQUIRED_VALUE, arena_printf(r->a, "rules[%zu].verbs", i), NULL, "verbs must contain at least one value");
    }
}

static void validate_binding(struct req *r, const json_t *obj, const json_t *old, struct field_errors *out)
{
    (void)r;
    if (old && !same(json_object_get(obj, "roleRef"), json_object_get(old, "roleRef")))
        field_error_add_json(out, FIELD_INVALID_VALUE, "roleRef", json_object_get(obj, "roleRef"), "cannot change roleRef");
}

static void fill_binding(struct req *r, json_t *obj, const json_t *old)
{
    size_t i;
    json_t *s;

    (void)r;
    (void)old;
    if (json_object_get(obj, "roleRef") && !str_set(json_str_at(obj, "roleRef", "apiGroup", NULL)))
        json_put_str(json_object_get(obj, "roleRef"), "apiGroup", "rbac.authorization.k8s.io");
    json_array_foreach(json_object_get(obj, "subjects"), i, s)
        if (!str_set(json_cstr(s, "apiGroup")) && (streq(json_cstr(s, "kind"), "User") || streq(json_cstr(s, "kind"), "Group")))
            json_put_str(s, "apiGroup", "rbac.authorization.k8s.io");
}

const struct strategy strategy_role = { .name_rule = NAME_PATH, .validate = validate_role };
const struct strategy strategy_binding = { .name_rule = NAME_PATH, .fill = fill_binding, .validate = validate_binding };
