/*
 * OpenAPI v3 documents. kubectl reads: components (apply's merge keys, explain) and, of the paths, which PATCH takes fieldValidation
 * and dryRun for a kind (k8s.io/cli-runtime QueryParamVerifierV3).
 */
#include "schema/openapi.h"

#include "schema/emit.h"
#include "schema/priv.h"

static void add_fields(json_t *schemas, const struct type *t);

static void add_value(json_t *schemas, const struct field *f)
{
    if (f->item)
        add_value(schemas, f->item);
    if (f->type && f->flags & FIELD_INLINE)
        add_fields(schemas, f->type);
    else if (f->type && *f->type->name)
        openapi_component(schemas, f->type);
    else if (f->type)
        add_fields(schemas, f->type);
}

static void add_fields(json_t *schemas, const struct type *t)
{
    for (size_t i = 0; i < t->n_fields; i++)
        add_value(schemas, &t->fields[i]);
}

static json_t *gvk(const struct type *t)
{
    return json_pack("{s:s,s:s,s:s}", "group", t->group, "kind", t->kind, "version", t->version);
}

/* A custom type is published as it was given, with the fields every object has. */
static json_t *custom_schema(const struct type *t)
{
    json_t *j = json_deep_copy(t->raw), *given = json_incref(json_sub(j, "properties")), *properties = json_object();
    const struct field *meta = type_field(t, "metadata");

    json_put(properties, "apiVersion", json_pack("{s:s}", "type", "string"));
    json_put(properties, "kind", json_pack("{s:s}", "type", "string"));
    if (meta && meta->type)
        json_put(properties, "metadata", json_pack("{s:[{s:o}]}", "allOf", "$ref", json_strf("#/components/schemas/%s", meta->type->name)));
    const char *name;
    json_t *sub;
    json_object_foreach(given, name, sub)
        if (!json_object_get(properties, name))
            json_put(properties, name, json_incref(sub));
    json_decref(given);
    json_put(j, "properties", properties);
    return j;
}

void openapi_component(json_t *schemas, const struct type *t)
{
    if (json_object_get(schemas, t->name))
        return;
    json_t *j = t->raw ? custom_schema(t) : emit_type(t, EMIT_REFS);
    json_put(schemas, t->name, j);
    if (t->kind) {
        json_t *list = json_array();
        json_push(list, gvk(t));
        json_put(j, "x-kubernetes-group-version-kind", list);
    }
    if (t->raw) {
        const struct field *meta = type_field(t, "metadata");
        if (meta && meta->type)
            openapi_component(schemas, meta->type);
    } else {
        add_fields(schemas, t);
    }
}

static void add_parameter(json_t *list, const char *name, const char *type)
{
    json_push(list, json_pack("{s:s,s:s,s:{s:s,s:b}}", "name", name, "in", "query", "schema", "type", type, "uniqueItems", 1));
}

static json_t *write_parameters(bool apply)
{
    json_t *list = json_array();

    add_parameter(list, "dryRun", "string");
    add_parameter(list, "fieldManager", "string");
    add_parameter(list, "fieldValidation", "string");
    if (apply)
        add_parameter(list, "force", "boolean");
    return list;
}

static json_t *body_of(const struct type *t)
{
    return json_pack("{s:{s:{s:{s:o}}}}", "content", "application/json", "schema", "$ref", json_strf("#/components/schemas/%s", t->name));
}

static json_t *operation(const struct type *t, const char *action)
{
    json_t *j = json_object(), *responses = json_object(), *ok = body_of(t);
    bool patch = streq(action, "patch");

    if (patch || streq(action, "put") || streq(action, "post"))
        json_put(j, "parameters", write_parameters(patch));
    if (streq(action, "put") || streq(action, "post"))
        json_put(j, "requestBody", body_of(t));
    json_put_str(ok, "description", "OK");
    json_put(responses, "200", ok);
    json_put(j, "responses", responses);
    json_put_str(j, "x-kubernetes-action", action);
    json_put(j, "x-kubernetes-group-version-kind", gvk(t));
    return j;
}

static json_t *path_parameter(const char *name)
{
    return json_pack("{s:s,s:s,s:b,s:{s:s,s:b}}", "name", name, "in", "path", "required", 1, "schema", "type", "string", "uniqueItems", 1);
}

static void add_path_row(json_t *paths, const char *path, const struct openapi_resource *r, bool one)
{
    json_t *j = json_object(), *parameters = json_array();

    json_put(j, "get", operation(r->type, one ? "get" : "list"));
    if (one) {
        json_put(j, "put", operation(r->type, "put"));
        json_put(j, "delete", operation(r->type, "delete"));
        json_put(j, "patch", operation(r->type, "patch"));
        json_push(parameters, path_parameter("name"));
    } else {
        json_put(j, "post", operation(r->type, "post"));
    }
    if (r->namespaced)
        json_push(parameters, path_parameter("namespace"));
    json_put(j, "parameters", parameters);
    json_put(paths, path, j);
}

static void add_resource(json_t *paths, const char *base, const struct openapi_resource *r)
{
    AUTO_BUF path = { 0 };

    buf_addf(&path, "%s%s/%s", base, r->namespaced ? "/namespaces/{namespace}" : "", r->plural);
    add_path_row(paths, buf_cstr(&path), r, false);
    buf_adds(&path, "/{name}");
    add_path_row(paths, buf_cstr(&path), r, true);
    size_t stem = path.n;
    if (r->status) {
        buf_adds(&path, "/status");
        add_path_row(paths, buf_cstr(&path), r, true);
        buf_truncate(&path, stem);
    }
}

json_t *openapi_v3(const char *group, const char *version, const struct openapi_resource *rows, size_t n)
{
    json_t *doc = json_object(), *paths, *schemas;
    AUTO_BUF base = { 0 };

    if (*group)
        buf_addf(&base, "/apis/%s/%s", group, version);
    else
        buf_addf(&base, "/api/%s", version);
    json_put_str(doc, "openapi", "3.0.0");
    json_put(doc, "info", json_pack("{s:s,s:s}", "title", "Kubernetes", "version", "unversioned"));
    paths = json_sub(doc, "paths");
    schemas = json_sub(json_sub(doc, "components"), "schemas");
    for (size_t i = 0; i < n; i++) {
        add_resource(paths, buf_cstr(&base), &rows[i]);
        openapi_component(schemas, rows[i].type);
    }
    return doc;
}
