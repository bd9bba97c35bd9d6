/* Our own tables to a CustomResourceDefinition manifest. */
#include "schema/crd.h"
#include "schema/emit.h"

json_t *crd_schema_of(const struct type *t)
{
    json_t *schema = emit_type(t, EMIT_INLINE), *given = json_object_get(schema, "properties");
    json_t *properties = json_object();

    json_put(properties, "apiVersion", json_pack("{s:s}", "type", "string"));
    json_put(properties, "kind", json_pack("{s:s}", "type", "string"));
    json_put(properties, "metadata", json_pack("{s:s}", "type", "object"));
    const char *name;
    json_t *sub;
    json_object_foreach(given, name, sub)
        if (!json_object_get(properties, name))
            json_put(properties, name, json_incref(sub));
    json_put(schema, "properties", properties);
    return schema;
}

static json_t *column(const struct crd_column *c)
{
    json_t *j = json_object();

    json_put_str(j, "name", c->name);
    json_put_str(j, "type", c->type);
    json_put_str(j, "jsonPath", c->json_path);
    json_put_str(j, "description", c->description);
    if (c->priority)
        json_put_int(j, "priority", c->priority);
    return j;
}

static json_t *subresources(const struct crd_def *d, const struct crd_version *v)
{
    json_t *j = json_object();

    if (d->status)
        json_put(j, "status", json_object());
    if (v->scale_spec) {
        json_t *scale = json_sub(j, "scale");
        json_put_str(scale, "specReplicasPath", v->scale_spec);
        json_put_str(scale, "statusReplicasPath", v->scale_status);
        json_put_str(scale, "labelSelectorPath", v->scale_selector);
    }
    return j;
}

static json_t *version(const struct crd_def *d, const struct crd_version *v)
{
    json_t *j = json_object(), *sub = subresources(d, v);

    json_put_str(j, "name", v->type->version);
    json_put_bool(j, "served", v->served);
    json_put_bool(j, "storage", v->storage);
    json_put(json_sub(j, "schema"), "openAPIV3Schema", crd_schema_of(v->type));
    if (v->n_columns) {
        json_t *columns = json_array();
        for (size_t i = 0; i < v->n_columns; i++)
            json_push(columns, column(&v->columns[i]));
        json_put(j, "additionalPrinterColumns", columns);
    }
    if (json_object_size(sub))
        json_put(j, "subresources", json_incref(sub));
    json_decref(sub);
    return j;
}

static void put_words(json_t *j, const char *key, const char *const *words)
{
    if (!words || !words[0])
        return;
    json_t *list = json_array();
    for (size_t i = 0; words[i]; i++)
        json_push(list, json_string(words[i]));
    json_put(j, key, list);
}

static json_t *names(const struct crd_def *d)
{
    json_t *j = json_object();

    json_put_str(j, "kind", d->kind);
    json_put(j, "listKind", d->list_kind ? json_string(d->list_kind) : json_strf("%sList", d->kind));
    json_put_str(j, "plural", d->plural);
    json_put_str(j, "singular", d->singular);
    put_words(j, "shortNames", d->short_names);
    put_words(j, "categories", d->categories);
    return j;
}

json_t *crd_manifest(const struct crd_def *d)
{
    json_t *crd = json_object(), *spec, *versions = json_array();

    json_put_str(crd, "apiVersion", "apiextensions.k8s.io/v1");
    json_put_str(crd, "kind", "CustomResourceDefinition");
    json_put(json_sub(crd, "metadata"), "name", json_strf("%s.%s", d->plural, d->group));
    spec = json_sub(crd, "spec");
    json_put_str(spec, "group", d->group);
    json_put(spec, "names", names(d));
    json_put_str(spec, "scope", d->cluster_scoped ? "Cluster" : "Namespaced");
    for (size_t i = 0; i < d->n_versions; i++)
        json_push(versions, version(d, &d->versions[i]));
    json_put(spec, "versions", versions);
    return crd;
}
