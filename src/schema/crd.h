/*
 * CustomResourceDefinitions: from an openAPIV3Schema to a `struct type`, and from our own tables to a manifest.
 * A run-time type lives in the arena it was built in; it is immutable afterwards and may be shared by threads.
 */
#ifndef SCHEMA_CRD_H
#define SCHEMA_CRD_H

#include "schema/schema.h"

/*
 * The type of one version. `schema` (the openAPIV3Schema; NULL: anything is kept) is referenced until the arena goes.
 * object_meta is the built-in ObjectMeta type, for metadata and embedded resources (NULL: metadata is kept as it is). name is what OpenAPI calls it
 * ("sh.kaito.v1alpha1.Workspace"). ERR_INVALID when the schema is not structural in a way we cannot read.
 */
errc crd_type_build(const json_t *schema, const struct type *object_meta, const char *name,
                    const char *group, const char *version, const char *kind,
                    struct arena *a, const struct type **out, struct err *e);

/*
 * What kube-apiserver refuses in an openAPIV3Schema: fields without a type, defaults that break their own schema, rules that do not parse or
 * name fields that are not there. path is what the problems are said of: "spec.validation.openAPIV3Schema" when all versions
 * share one schema, else "spec.versions[0].schema.openAPIV3Schema".
 */
void crd_schema_check(const json_t *schema, const char *path, struct field_errors *out);

struct crd_column { const char *name, *type, *json_path, *description; int priority; };
struct crd_version {
    const struct type *type;
    bool served, storage;
    const struct crd_column *columns;
    size_t n_columns;
    const char *scale_spec, *scale_status, *scale_selector;     /* JSON paths; NULL: no scale subresource */
};
struct crd_def {
    const char *group, *plural, *singular, *kind, *list_kind;
    const char *const *short_names, *const *categories;         /* NULL-terminated; may be NULL */
    bool cluster_scoped, status;
    const struct crd_version *versions;
    size_t n_versions;
};

/* The CustomResourceDefinition manifest made from field tables. New reference. */
json_t *crd_manifest(const struct crd_def *d);

/* JSON schema of a type, everything inlined, as openAPIV3Schema wants it (metadata is just {type: object}). New reference. */
json_t *crd_schema_of(const struct type *t);

#endif
