/*
 * What metadata may be, in the words of k8s.io/apimachinery/pkg/api/validation; names, labels and annotations are schema/names.h.
 */
#include "apiserver/priv.h"

static const char *quoted(struct arena *a, const char *s)
{
    return arena_printf(a, "\"%s\"", s);
}

static void validate_owners(struct req *r, const json_t *owners, struct field_errors *out)
{
    static const struct { const char *field, *what; } needed[] = {
        { "apiVersion", "version" }, { "kind", "kind" }, { "name", "name" }, { "uid", "uid" },
    };
    const char *controller = NULL;
    size_t i;
    json_t *o;

    json_array_foreach(owners, i, o) {
        for (size_t k = 0; k < ARRAY_LEN(needed); k++)
            if (!str_set(json_cstr(o, needed[k].field)))
                field_error_add(out, FIELD_INVALID_VALUE, arena_printf(r->a, "metadata.ownerReferences.%s", needed[k].field), "\"\"",
                                "%s must not be empty", needed[k].what);
        if (!json_flag(o, "controller", false))
            continue;
        const char *me = arena_printf(r->a, "%s/%s", json_cstr(o, "kind"), json_cstr(o, "name"));
        if (controller)
            field_error_add_json(out, FIELD_INVALID_VALUE, "metadata.ownerReferences", owners,
                "Only one reference can have Controller set to true. Found \"true\" in references for %s and %s", controller, me);
        controller = me;
    }
}

/* Built-in kinds also want a domain in the name; custom resources do not. */
static void validate_finalizers(struct req *r, const struct resource *res, const json_t *finalizers, struct field_errors *out)
{
    static const char *const standard[] = { "kubernetes", "orphan", "foregroundDeletion" };
    size_t i;
    json_t *f;

    json_array_foreach(finalizers, i, f) {
        AUTO_BUF why = { 0 };
        const char *text = json_string_value(f);
        if (text && qualified_name_problem(text, &why))
            field_error_add(out, FIELD_INVALID_VALUE, "metadata.finalizers", quoted(r->a, text), "%s", buf_cstr(&why));
    }
    json_array_foreach(finalizers, i, f) {
        const char *text = json_string_value(f);
        bool known = !text || strchr(text, '/') || !(res->type->flags & TYPE_BUILTIN);
        for (size_t k = 0; k < ARRAY_LEN(standard) && !known; k++)
            known = streq(text, standard[k]);
        if (!known)
            field_error_add(out, FIELD_INVALID_VALUE, arena_printf(r->a, "metadata.finalizers[%zu]", i), quoted(r->a, text),
                            "name is neither a standard finalizer name nor is it fully qualified");
    }
}

static void validate_name(struct req *r, const struct resource *res, const json_t *meta, struct field_errors *out)
{
    const char *name = json_cstr(meta, "name"), *generate = json_cstr(meta, "generateName");
    enum name_rule rule = res->strategy->name_rule;
    AUTO_BUF why = { 0 };

    if (str_set(generate) && name_problem(rule, generate, true, &why))
        field_error_add(out, FIELD_INVALID_VALUE, "metadata.generateName", quoted(r->a, generate), "%s", buf_cstr(&why));
    if (!str_set(name)) {
        field_error_add(out, FIELD_REQUIRED_VALUE, "metadata.name", NULL, "name or generateName is required");
        return;
    }
    buf_clear(&why);
    if (name_problem(rule, name, false, &why))
        field_error_add(out, FIELD_INVALID_VALUE, "metadata.name", quoted(r->a, name), "%s", buf_cstr(&why));
}

static void validate_meta_change(const json_t *meta, const json_t *was, struct field_errors *out)
{
    static const char *const fixed[] = { "name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds" };

    for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
        const json_t *a = json_object_get(meta, fixed[i]), *b = json_object_get(was, fixed[i]);
        if ((a || b) && !(a && b && json_equal(a, b))) {
            AUTO_BUF path = { 0 };
            buf_addf(&path, "metadata.%s", fixed[i]);
            field_error_add_json(out, FIELD_INVALID_VALUE, buf_cstr(&path), a, "field is immutable");
        }
    }
    if (!json_object_get(was, "deletionTimestamp"))
        return;
    size_t i, k;
    json_t *f, *g;
    json_array_foreach(json_object_get(meta, "finalizers"), i, f) {
        bool there = false;
        json_array_foreach(json_object_get(was, "finalizers"), k, g)
            there = there || json_equal(f, g);
        if (!there)
            field_error_add(out, FIELD_FORBIDDEN_VALUE, "metadata.finalizers", NULL,
                            "no new finalizers can be added if the object is being deleted, found new finalizers []string{\"%s\"}",
                            json_string_value(f));
    }
}

void validate_meta(struct req *r, const struct resource *res, const json_t *obj, const json_t *old, struct field_errors *out)
{
    const json_t *meta = json_object_get(obj, "metadata");

    if (!old)
        validate_name(r, res, meta, out);
    labels_check(json_object_get(meta, "labels"), "metadata.labels", out);
    annotations_check(json_object_get(meta, "annotations"), "metadata.annotations", out);
    validate_owners(r, json_object_get(meta, "ownerReferences"), out);
    validate_finalizers(r, res, json_object_get(meta, "finalizers"), out);
    if (old)
        validate_meta_change(meta, json_object_get(old, "metadata"), out);
}
