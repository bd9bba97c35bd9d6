/*
 * CustomResourceDefinitions: what they add to the registry, and the work that upstream leaves to controllers of its own:
 * accepted names, the Established condition, cleaning up when one is deleted.
 */
#include "api/k8s/k8s.h"
#include "apiserver/ssa.h"
#include "apiserver/strategy.h"
#include "base/log.h"
#include "schema/crd.h"

#define CLEANUP DEFINITION_FINALIZER

static const char **names_of(struct arena *a, const json_t *list)
{
    size_t i, n = json_array_size(list);
    const char **v = n ? arena_calloc(a, n + 1, sizeof *v) : NULL;
    json_t *s;

    json_array_foreach(list, i, s)
        v[i] = json_string_value(s) ? json_string_value(s) : "";
    return v;
}

/* ".status.labelSelector" and the like, without the leading dot */
static const char *bare_path(const json_t *o, const char *key)
{
    const char *p = json_cstr(o, key);

    return p && *p == '.' ? p + 1 : p;
}

static const struct columns *columns_of(struct arena *a, const json_t *version)
{
    const json_t *list = json_object_get(version, "additionalPrinterColumns");
    size_t i, n = json_array_size(list);
    json_t *c;
    struct columns *out = arena_new_of(a, struct columns);
    struct column *items = arena_calloc(a, n + 2, sizeof *items);

    items[0] = columns_default.items[0];
    json_array_foreach(list, i, c) {
        const char *format = json_cstr(c, "format"), *doc = json_cstr(c, "description"), *path = json_cstr(c, "jsonPath");
        items[i + 1] = (struct column){ .name = json_cstr(c, "name"), .type = json_cstr(c, "type"), .format = format ? format : "",
            .path = path ? path : "", .priority = (int)json_int(c, "priority", 0),
            .description = str_set(doc) ? doc
                : arena_printf(a, "Custom resource definition column (in JSONPath format): %s", path ? path : "") };
    }
    if (!n)
        return NULL;
    *out = (struct columns){ items, n + 1 };
    return out;
}

/* example.ai of ai.example: OpenAPI names begin with it. */
static const char *reversed_group(struct arena *a, const char *group)
{
    struct str rest = str_of(group), part;
    char *out = arena_strdup(a, "");

    while (str_next(&rest, '.', &part))
        out = arena_printf(a, "%.*s%s%s", STR_ARG(part), *out ? "." : "", out);
    return out;
}

static const struct field_label *labels_of(struct arena *a, const json_t *version)
{
    const json_t *list = json_object_get(version, "selectableFields");
    size_t i, n = json_array_size(list);
    json_t *f;
    struct field_label *out = arena_calloc(a, n + 1, sizeof *out);

    json_array_foreach(list, i, f) {
        const char *path = bare_path(f, "jsonPath");
        out[i] = (struct field_label){ path, path, "" };
    }
    return out;
}

static const struct subresource *subs_of(struct arena *a, const struct custom *c, const char *kind, size_t *out_n)
{
    struct subresource *v = arena_calloc(a, 2, sizeof *v);
    size_t n = 0;

    if (c->status)
        v[n++] = (struct subresource){ "status", "", "", kind, VERBS_STATUS };
    if (c->scale)
        v[n++] = (struct subresource){ "scale", "autoscaling", "v1", "Scale", VERBS_STATUS };
    *out_n = n;
    return v;
}

static errc version_type(struct registry *g, const json_t *definition, const json_t *version, const struct type **out, struct err *e)
{
    struct arena *a = g->arena;
    const char *group = json_str_at(definition, "spec", "group", NULL), *kind = json_str_at(definition, "status", "acceptedNames", "kind", NULL);
    const char *name = json_cstr(version, "name");

    const char *type_name = arena_printf(a, "%s.%s.%s", reversed_group(a, group), name, kind);
    return crd_type_build(json_at(version, "schema", "openAPIV3Schema", NULL), k8s_object_meta, type_name, group, name, kind, a, out, e);
}

/* What is special about one version of a definition, which lives as long as the arena. */
static const struct custom *custom_of(struct arena *a, const json_t *definition, const json_t *version, const struct type *storage)
{
    const json_t *names = json_at(definition, "status", "acceptedNames", NULL), *subs = json_object_get(version, "subresources");
    const json_t *scale = json_object_get(subs, "scale");
    const char *list_kind = json_cstr(names, "listKind");
    struct custom *c = arena_new_of(a, struct custom);

    *c = (struct custom){
        .definition = json_str_at(definition, "metadata", "name", NULL),
        .list_kind = list_kind ? list_kind : arena_printf(a, "%sList", json_cstr(names, "kind")),
        .status = json_object_get(subs, "status") != NULL, .scale = scale != NULL,
        .scale_spec = bare_path(scale, "specReplicasPath"), .scale_status = bare_path(scale, "statusReplicasPath"),
        .scale_selector = bare_path(scale, "labelSelectorPath"),
        .deprecated = json_flag(version, "deprecated", false), .warning = json_cstr(version, "deprecationWarning"),
        .labels = labels_of(a, version), .storage = storage,
    };
    (void)str_to_i64(str_of(json_str_at(definition, "metadata", "resourceVersion", NULL)), &c->since_rv);
    return c;
}

static errc add_version(struct registry *g, const json_t *definition, const json_t *version, bool alias, const struct type *storage,
                        struct err *e)
{
    const json_t *spec = json_object_get(definition, "spec"), *names = json_at(definition, "status", "acceptedNames", NULL);
    struct arena *a = g->arena;
    const char *group = json_cstr(spec, "group"), *kind = json_cstr(names, "kind"), *name = json_cstr(version, "name");
    const struct type *type = NULL;

    if (!str_set(kind) || !str_set(name))
        return ERR_OK;
    const struct custom *c = custom_of(a, definition, version, storage);
    if (json_flag(version, "storage", false))
        type = storage;
    else
        TRY(version_type(g, definition, version, &type, e));
    struct resource row = {
        .group = group, .version = name, .plural = json_cstr(names, "plural"),
        .singular = json_cstr(names, "singular") ? json_cstr(names, "singular") : json_cstr(names, "plural"), .kind = kind,
        .namespaced = streq(json_cstr(spec, "scope"), "Namespaced"), .verbs = VERBS_ALL,
        .short_names = names_of(a, json_object_get(names, "shortNames")), .categories = names_of(a, json_object_get(names, "categories")),
        .custom = c, .type = type, .columns = columns_of(a, version), .alias = alias,
        .strategy = c->status ? &strategy_custom_status : &strategy_custom,
    };
    row.subs = subs_of(a, c, kind, &row.n_subs);
    (void)registry_add(g, &row);
    return ERR_OK;
}

static bool condition_is(const json_t *obj, const char *type, const char *status)
{
    size_t i;
    json_t *c;

    json_array_foreach(json_at(obj, "status", "conditions", NULL), i, c)
        if (streq(json_cstr(c, "type"), type))
            return streq(json_cstr(c, "status"), status);
    return false;
}

errc registry_add_custom(struct registry *g, const json_t *definition, struct err *e)
{
    size_t i;
    json_t *v;
    bool first = true;

    if (!condition_is(definition, "Established", "True"))
        return ERR_OK;
    const struct type *storage = NULL;
    json_array_foreach(json_at(definition, "spec", "versions", NULL), i, v)
        if (json_flag(v, "storage", false) && version_type(g, definition, v, &storage, e))
            return err_wrap(e, "definition %s", json_str_at(definition, "metadata", "name", NULL));
    json_array_foreach(json_at(definition, "spec", "versions", NULL), i, v) {
        if (!json_flag(v, "served", false))
            continue;
        if (add_version(g, definition, v, !first, storage, e)) {
            log_warn(LOG_NAME, "a definition's schema cannot be served", KV("name", json_str_at(definition, "metadata", "name", NULL)),
                     KV("err", e->text));
            return e->code;
        }
        first = false;
    }
    return ERR_OK;
}

/* ---- strategy of definitions ---- */

/* Names and conversion that follow from the rest. */
static void fill_definition(struct req *r, json_t *obj, const json_t *old)
{
    json_t *spec = json_sub(obj, "spec"), *names = json_sub(spec, "names");
    AUTO_BUF lower = { 0 };

    for (const char *p = json_cstr(names, "kind"); p && *p; p++)
        buf_addc(&lower, (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p));
    if (!str_set(json_cstr(names, "singular")))
        json_put_str(names, "singular", buf_cstr(&lower));
    if (!str_set(json_cstr(names, "listKind")) && json_cstr(names, "kind"))
        json_put(names, "listKind", json_strf("%sList", json_cstr(names, "kind")));
    if (!json_object_get(spec, "conversion"))
        json_put_str(json_sub(spec, "conversion"), "strategy", "None");
}

static void prepare_definition(struct req *r, json_t *obj, const json_t *old)
{
    const json_t *spec = json_object_get(obj, "spec");

    (void)r;
    if (old)
        return;
    json_t *status = json_object(), *stored = json_array(), *accepted = json_object();
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(spec, "versions"), i, v)
        if (json_flag(v, "storage", false))
            json_push(stored, json_incref(json_object_get(v, "name")));
    json_put_str(accepted, "plural", "");
    json_put_str(accepted, "kind", "");
    json_put(status, "conditions", json_null());
    json_put(status, "acceptedNames", accepted);
    json_put(status, "storedVersions", stored);
    json_put(obj, "status", status);
}

/* One problem is said once: versions that share a schema are looked at as one, and then the path is that of the old single field. */
static void validate_schemas(struct req *r, const json_t *obj, struct field_errors *out)
{
    const json_t *list = at(obj, "spec.versions"), *first = json_at(json_array_get(list, 0), "schema", "openAPIV3Schema", NULL);
    bool shared = true;
    const json_t *v;
    size_t i;

    json_array_foreach(list, i, v)
        shared = shared && json_equal(json_at(v, "schema", "openAPIV3Schema", NULL), first);
    json_array_foreach(list, i, v) {
        const char *path = shared ? "spec.validation.openAPIV3Schema" : arena_printf(r->a, "spec.versions[%zu].schema.openAPIV3Schema", i);
        if (i == 0 || !shared)
            crd_schema_check(json_at(v, "schema", "openAPIV3Schema", NULL), path, out);
    }
}

static void validate_versions(struct req *r, const json_t *obj, struct field_errors *out)
{
    const json_t *list = at(obj, "spec.versions");
    size_t i, stored = 0;
    json_t *v;

    json_array_foreach(list, i, v) {
        stored += json_flag(v, "storage", false);
        if (!json_at(v, "schema", "openAPIV3Schema", NULL))
            field_error_add(out, FIELD_REQUIRED_VALUE, arena_printf(r->a, "spec.versions[%zu].schema.openAPIV3Schema", i), NULL, "schemas are required");
    }
    if (stored != 1)
        field_error_add(out, FIELD_INVALID_VALUE, "spec.versions", "[]", "must have exactly one version marked as storage version");
    if (!json_array_size(at(obj, "status.storedVersions")))
        field_error_add(out, FIELD_INVALID_VALUE, "status.storedVersions", "[]string(nil)", "must have at least one stored version");
}

static void validate_definition(struct req *r, const json_t *obj, const json_t *old, struct field_errors *out)
{
    const char *name = json_str_at(obj, "metadata", "name", NULL), *plural = json_str_at(obj, "spec", "names", "plural", NULL);
    const char *group = json_str_at(obj, "spec", "group", NULL);

    if (name && plural && group) {
        const char *wanted = arena_printf(r->a, "%s.%s", plural, group);
        if (!streq(wanted, name))
            field_error_add(out, FIELD_INVALID_VALUE, "metadata.name", arena_printf(r->a, "\"%s\"", name),
                            "must be spec.names.plural+\".\"+spec.group");
    }
    validate_versions(r, obj, out);
    validate_schemas(r, obj, out);
    if (old && condition_is(old, "Established", "True")) {
        check_immutable(obj, old, "spec.group", out);
        check_immutable(obj, old, "spec.scope", out);
        check_immutable(obj, old, "spec.names.kind", out);
        check_immutable(obj, old, "spec.names.plural", out);
    }
}

const struct strategy strategy_definition = {
    .flags = STRAT_STATUS | STRAT_GENERATION | STRAT_DELETE_SHOWS, .fill = fill_definition, .prepare = prepare_definition, .validate = validate_definition,
};

/* ---- custom resources ---- */

const struct strategy strategy_custom = { .flags = STRAT_GENERATION | STRAT_NEEDS_VERSION };
const struct strategy strategy_custom_status = { .flags = STRAT_GENERATION | STRAT_NEEDS_VERSION | STRAT_STATUS };

/* ---- what upstream's controllers do ---- */

static void set_condition(json_t *list, const char *now, const char *type, bool is, const char *reason, const char *message)
{
    size_t i;
    json_t *c, *found = NULL;
    const char *status = is ? "True" : "False";

    json_array_foreach(list, i, c)
        if (streq(json_cstr(c, "type"), type))
            found = c;
    if (!found) {
        found = json_object();
        json_push(list, found);
    }
    if (!streq(json_cstr(found, "status"), status))
        json_put_str(found, "lastTransitionTime", now);
    json_put_str(found, "type", type);
    json_put_str(found, "status", status);
    json_put_str(found, "reason", reason);
    json_put_str(found, "message", message);
}

/* Set when a deletion begins. */
void mark_terminating(struct req *r, json_t *definition)
{
    json_t *status = json_sub(definition, "status"), *list = json_object_get(status, "conditions");

    if (!json_is_array(list)) {
        list = json_array();
        json_put(status, "conditions", list);
    }
    set_condition(list, r->now, "Terminating", true, "InstanceDeletionPending",
                  "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon");
}

struct wanted_name { const char *key, *reason; };

/* In upstream's order; the last conflict is the one that the condition tells. */
static const struct wanted_name wanted_names[] = {
    { "plural", "PluralConflict" }, { "singular", "SingularConflict" }, { "kind", "KindConflict" }, { "listKind", "ListKindConflict" },
};

static bool name_taken(struct req *r, const json_t *definition, size_t which)
{
    const char *me = json_str_at(definition, "metadata", "name", NULL), *group = json_str_at(definition, "spec", "group", NULL);
    const char *mine = json_str_at(definition, "spec", "names", wanted_names[which].key, NULL);

    for (size_t i = 0; i < r->registry->n && str_set(mine); i++) {
        const struct resource *x = &r->registry->rows[i];
        if (!x->custom || !streq(x->group, group) || streq(x->custom->definition, me))
            continue;
        const char *theirs[] = { x->plural, x->singular, x->kind, x->custom->list_kind };
        if (streq(mine, theirs[which]))
            return true;
    }
    return false;
}

/* Takes the names that are free; the reason and text of the last conflict, NULL: none. */
static const char *take_names(struct req *r, json_t *definition, const char **out_text)
{
    json_t *names = json_at(definition, "spec", "names", NULL), *status = json_sub(definition, "status"), *accepted = json_deep_copy(names);
    const char *reason = NULL;

    for (size_t i = 0; i < ARRAY_LEN(wanted_names); i++) {
        if (!name_taken(r, definition, i))
            continue;
        reason = wanted_names[i].reason;
        *out_text = arena_printf(r->a, "\"%s\" is already in use", json_cstr(names, wanted_names[i].key));
        (void)json_object_del(accepted, wanted_names[i].key);
    }
    if (!json_object_get(accepted, "plural"))
        json_put_str(accepted, "plural", "");
    if (!json_object_get(accepted, "kind"))
        json_put_str(accepted, "kind", "");
    json_put(status, "acceptedNames", accepted);
    return reason;
}

static void store_versions(json_t *definition)
{
    json_t *status = json_sub(definition, "status"), *stored = json_object_get(status, "storedVersions"), *v, *s;
    size_t i, k;

    if (!json_is_array(stored)) {
        stored = json_array();
        json_put(status, "storedVersions", stored);
    }
    json_array_foreach(json_at(definition, "spec", "versions", NULL), i, v) {
        bool there = !json_flag(v, "storage", false);
        json_array_foreach(stored, k, s)
            there = there || json_equal(s, json_object_get(v, "name"));
        if (!there)
            json_push(stored, json_incref(json_object_get(v, "name")));
    }
}

static void accept_names(struct req *r, json_t *definition)
{
    json_t *status = json_sub(definition, "status"), *list = json_object_get(status, "conditions");
    const char *text = "no conflicts found", *reason;

    if (!json_is_array(list)) {
        list = json_array();
        json_put(status, "conditions", list);
    }
    reason = take_names(r, definition, &text);
    set_condition(list, r->now, "NamesAccepted", !reason, reason ? reason : "NoConflicts", text);
    if (!reason)
        set_condition(list, r->now, "Established", true, "InitialNamesAccepted", "the initial names have been accepted");
    else if (!condition_is(definition, "Established", "True"))
        set_condition(list, r->now, "Established", false, "NotAccepted", "not all names are accepted");
    store_versions(definition);
}

struct names { struct arena *a; struct store_row *items; size_t n; };

static bool collect(void *arg, const struct store_row *row)
{
    struct names *l = arg;
    struct store_row *grown = arena_calloc(l->a, l->n + 1, sizeof *grown);

    if (l->n)
        memcpy(grown, l->items, l->n * sizeof *grown);
    grown[l->n++] = (struct store_row){ .ns = arena_strdup(l->a, row->ns), .name = arena_strdup(l->a, row->name) };
    l->items = grown;
    return true;
}

/* Deletes the instances; true when none is left (those with finalizers stay for a while). */
static bool remove_instances(struct req *r, const json_t *definition)
{
    const struct resource *res = NULL;
    struct names l = { .a = r->a };
    int64_t left = 0;

    for (size_t i = 0; i < r->registry->n && !res; i++)
        if (r->registry->rows[i].custom && streq(r->registry->rows[i].custom->definition, json_str_at(definition, "metadata", "name", NULL)))
            res = &r->registry->rows[i];
    if (!res)
        return true;
    struct store_list q = { .resource = res->key };
    if (store_list(r->s->store, &q, collect, &l, NULL, &r->e))
        return false;
    for (size_t i = 0; i < l.n; i++)
        (void)object_delete(r, res, l.items[i].ns, l.items[i].name);    /* what cannot go now is met again at the next write */
    r->failure = NULL;
    return !store_count(r->s->store, &q, &left, &r->e) && left == 0;
}

static void clean_up(struct req *r, const struct resource *res, const char *name, struct found *cur)
{
    json_t *meta = json_sub(cur->obj, "metadata"), *list = json_object_get(meta, "finalizers"), *fresh = json_array(), *f;
    size_t i;

    json_arena_own(r->a, fresh);
    if (!remove_instances(r, cur->obj))
        return;
    json_array_foreach(list, i, f)
        if (!streq(json_string_value(f), CLEANUP))
            json_push(fresh, json_incref(f));
    json_put(meta, "finalizers", json_incref(fresh));
    if (json_array_size(fresh))
        (void)object_store(r, res, "", name, cur->rv, cur->obj);        /* a race is settled by the write that won it */
    else
        (void)object_remove(r, res, "", name, cur->rv, cur->obj);
}

void finish_definition(struct req *r, const char *name)
{
    const struct resource *res = registry_find(r->registry, "apiextensions.k8s.io", "v1", "customresourcedefinitions");
    struct found cur = { 0 };
    json_t *failure = r->failure;

    if (!object_load(r, res, "", name, &cur)) {
        if (json_at(cur.obj, "metadata", "deletionTimestamp", NULL)) {
            clean_up(r, res, name, &cur);
        } else {
            AUTO_JSON before = json_deep_copy(cur.obj);
            struct ssa_opts o = { .manager = "kube-apiserver", .api_version = res->gv, .subresource = "status", .time = r->now };
            accept_names(r, cur.obj);
            if (!json_equal(before, cur.obj) && !ssa_update(res->type, before, cur.obj, &o, &r->e))
                (void)object_store(r, res, "", name, cur.rv, cur.obj);  /* likewise */
        }
    }
    r->failure = failure;
    if (registry_rebuild(r->s, &r->e))
        log_error(LOG_NAME, "the served resources could not be updated", KV("err", r->e.text));
}
