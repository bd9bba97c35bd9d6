#include "schema/emit.h"

#include "schema/priv.h"

static void put_type(json_t *j, const char *type, const char *format)
{
    json_put_str(j, "type", type);
    json_put_str(j, "format", format);
}

static json_t *reference(const struct type *t)
{
    json_t *ref = json_object();

    json_put(ref, "$ref", json_strf("#/components/schemas/%s", t->name));
    return ref;
}

/* As Kubernetes writes them: a reference beside other words sits in allOf. */
static void put_reference(json_t *j, const struct type *t)
{
    json_t *all = json_array();

    json_push(all, reference(t));
    json_put(j, "allOf", all);
}

static void put_either(json_t *j, const char *a, const char *b)
{
    json_put(j, "oneOf", json_pack("[{s:s},{s:s}]", "type", a, "type", b));
}

static void put_object(const struct field *f, enum emit_style style, json_t *j)
{
    if (style == EMIT_REFS && *f->type->name) {
        put_reference(j, f->type);
        return;
    }
    AUTO_JSON sub = emit_type(f->type, style);
    json_object_update(j, sub);
}

static void put_int_or_str(enum emit_style style, json_t *j)
{
    if (style == EMIT_INLINE) {
        json_put(j, "anyOf", json_pack("[{s:s},{s:s}]", "type", "integer", "type", "string"));
        json_put_bool(j, "x-kubernetes-int-or-string", true);
        return;
    }
    json_put_str(j, "format", "int-or-string");
    put_either(j, "integer", "string");
}

static void put_quantity(enum emit_style style, json_t *j)
{
    if (style == EMIT_INLINE)
        put_int_or_str(style, j);
    else
        put_either(j, "string", "number");
}

static void put_any(json_t *j, enum emit_style style)
{
    if (style == EMIT_INLINE)
        json_put_bool(j, "x-kubernetes-preserve-unknown-fields", true);
}

static json_t *emit_field(const struct field *f, enum emit_style style);

static void put_kind(const struct field *f, enum emit_style style, json_t *j)
{
    switch ((enum field_kind)f->kind) {
    case FIELD_ANY:
        if (!(f->flags & FIELD_UNTYPED))
            put_any(j, style);
        return;
    case FIELD_STR: put_type(j, "string", NULL); return;
    case FIELD_INT: put_type(j, "integer", f->flags & FIELD_INT32 ? "int32" : f->flags & FIELD_ANY_INT ? NULL : "int64"); return;
    case FIELD_NUM: put_type(j, "number", NULL); return;
    case FIELD_BOOL: put_type(j, "boolean", NULL); return;
    case FIELD_TIME: case FIELD_MICROTIME: put_type(j, "string", "date-time"); return;
    case FIELD_BYTES: put_type(j, "string", "byte"); return;
    case FIELD_QUANTITY: put_quantity(style, j); return;
    case FIELD_INT_OR_STR: put_int_or_str(style, j); return;
    case FIELD_OBJECT: put_object(f, style, j); return;
    case FIELD_LIST:
        put_type(j, "array", NULL);
        json_put(j, "items", emit_field(f->item, style));
        return;
    case FIELD_MAP:
        put_type(j, "object", NULL);
        json_put(j, "additionalProperties", emit_field(f->item, style));
        return;
    }
}

static json_t *bound(double v) { return v == (double)(int64_t)v ? json_integer((int64_t)v) : json_real(v); }

static void put_limits(const struct field *f, const struct field_rules *r, json_t *j)
{
    static const char *const low[] = { "minLength", "minItems", "minProperties" }, *const high[] = { "maxLength", "maxItems", "maxProperties" };
    size_t which = f->kind == FIELD_LIST ? 1 : f->kind == FIELD_MAP || f->kind == FIELD_OBJECT ? 2 : 0;

    if (r->min_len)
        json_put_int(j, low[which], r->min_len);
    if (r->max_len)
        json_put_int(j, high[which], r->max_len);
    if (r->has_min)
        json_put(j, "minimum", bound(r->min));
    if (r->has_max)
        json_put(j, "maximum", bound(r->max));
    if (r->above_min)
        json_put_bool(j, "exclusiveMinimum", true);
    if (r->below_max)
        json_put_bool(j, "exclusiveMaximum", true);
    if (r->multiple_of != 0)
        json_put(j, "multipleOf", bound(r->multiple_of));
}

static void put_rules(const struct field *f, const struct field_rules *r, json_t *j)
{
    json_put_str(j, "description", r->doc);
    json_put_str(j, "pattern", r->pattern);
    json_put_str(j, "format", r->format);
    if (r->def)
        json_put(j, "default", json_loads(r->def, JSON_DECODE_ANY, NULL));
    if (r->enums) {
        json_t *list = json_array();
        for (size_t i = 0; r->enums[i]; i++)
            json_push(list, json_string(r->enums[i]));
        json_put(j, "enum", list);
    }
    if (r->logic && r->logic->n_all) {
        json_t *list = json_array();
        for (size_t i = 0; i < r->logic->n_all; i++)
            json_push(list, emit_field(&r->logic->all_of[i], EMIT_INLINE));
        json_put(j, "allOf", list);
    }
    put_limits(f, r, j);
}

static void put_keys(struct str keys, json_t *j)
{
    json_t *list = json_array();
    struct str key;

    while (str_next(&keys, ',', &key))
        json_push(list, json_strn(key));
    json_put(j, "x-kubernetes-list-map-keys", list);
}

static void put_topology(const struct field *f, json_t *j)
{
    const char *list_type = f->flags & FIELD_LIST_MAP ? "map" : f->flags & FIELD_LIST_SET ? "set" : f->flags & FIELD_ATOMIC ? "atomic" : NULL;

    if (f->kind == FIELD_LIST) {
        json_put_str(j, "x-kubernetes-list-type", list_type);
        if (f->flags & FIELD_LIST_MAP)
            put_keys(str_of(f->rules->keys), j);
    } else if (f->flags & FIELD_ATOMIC || (f->kind == FIELD_OBJECT && f->type->flags & TYPE_ATOMIC)) {
        json_put_str(j, "x-kubernetes-map-type", "atomic");
    }
}

static void put_patch(const struct field *f, json_t *j)
{
    bool merge = f->flags & FIELD_PATCH_MERGE, keys = f->flags & FIELD_PATCH_KEYS;

    if (f->rules)
        json_put_str(j, "x-kubernetes-patch-merge-key", f->rules->merge_key);
    if (merge || keys)
        json_put_str(j, "x-kubernetes-patch-strategy", merge && keys ? "merge,retainKeys" : merge ? "merge" : "retainKeys");
}

static void put_expression(json_t *j, const struct field_cel *c)
{
    json_t *list = json_object_get(j, "x-kubernetes-validations");

    if (!list)
        json_put(j, "x-kubernetes-validations", list = json_array());
    json_push(list, json_pack("{s:s,s:s}", "rule", c->rule, "message", c->message));
}

static void put_expressions(const struct field *f, json_t *j)
{
    if (f->flags & FIELD_IMMUTABLE)
        put_expression(j, &(struct field_cel){ "self == oldSelf", "field is immutable" });
    for (const struct field_cel *c = f->rules ? f->rules->expressions : NULL; c && c->rule; c++)
        put_expression(j, c);
}

static json_t *emit_field(const struct field *f, enum emit_style style)
{
    json_t *j = json_object();

    put_kind(f, style, j);
    if (f->rules)
        put_rules(f, f->rules, j);
    put_topology(f, j);
    if (style == EMIT_REFS)
        put_patch(f, j);
    if (f->flags & FIELD_NULLABLE)
        json_put_bool(j, "nullable", true);
    if (f->flags & FIELD_PRESERVE)
        json_put_bool(j, "x-kubernetes-preserve-unknown-fields", true);
    if (f->flags & FIELD_EMBEDDED)
        json_put_bool(j, "x-kubernetes-embedded-resource", true);
    if (style == EMIT_INLINE)
        put_expressions(f, j);
    return j;
}

static void put_fields(const struct type *t, enum emit_style style, json_t *properties, json_t *required)
{
    for (size_t i = 0; i < t->n_fields; i++) {
        const struct field *f = &t->fields[i];
        if (f->flags & FIELD_INLINE) {
            put_fields(f->type, style, properties, required);
            continue;
        }
        json_put(properties, f->json, emit_field(f, style));
        if (f->flags & FIELD_REQUIRED)
            json_push(required, json_string(f->json));
    }
}

json_t *emit_type(const struct type *t, enum emit_style style)
{
    json_t *j = json_object(), *properties = json_object(), *required = json_array();

    json_put_str(j, "description", t->doc);
    json_put_str(j, "type", "object");
    put_fields(t, style, properties, required);
    if (json_object_size(properties))
        json_put(j, "properties", json_incref(properties));
    if (json_array_size(required))
        json_put(j, "required", json_incref(required));
    json_decref(properties);
    json_decref(required);
    if (t->flags & TYPE_PRESERVE)
        json_put_bool(j, "x-kubernetes-preserve-unknown-fields", true);
    if (t->flags & TYPE_ATOMIC)
        json_put_str(j, "x-kubernetes-map-type", "atomic");
    return j;
}
