/* openAPIV3Schema (a structural schema) to a type made at run time. */
#include "schema/crd.h"

#include "schema/priv.h"

struct builder {
    struct arena *arena;
    const struct type *object_meta;
    struct err *err;
    bool has_cel;
};

static errc build_field(struct builder *b, const json_t *s, const struct path *at, bool logic, struct field *out);

static errc refuse(struct builder *b, const struct path *at, const char *why)
{
    AUTO_BUF p = { 0 };

    path_add(at, &p);
    return err_set(b->err, ERR_INVALID, "openAPIV3Schema%s%s: %s", p.n ? "." : "", buf_cstr(&p), why);
}

static errc build_list(struct builder *b, const json_t *s, const char *key, const struct path *at, const struct field **out, size_t *n)
{
    const json_t *list = json_object_get(s, key), *sub;
    size_t i;

    if (!json_array_size(list))
        return ERR_OK;
    struct field *fields = arena_calloc(b->arena, json_array_size(list), sizeof *fields);
    json_array_foreach(list, i, sub)
        TRY(build_field(b, sub, PATH_INDEX(PATH_FIELD(at, key), i), true, &fields[i]));
    *out = fields;
    *n = json_array_size(list);
    return ERR_OK;
}

static errc build_logic(struct builder *b, const json_t *s, const struct path *at, const struct field_logic **out)
{
    struct field_logic l = { 0 };

    TRY(build_list(b, s, "allOf", at, &l.all_of, &l.n_all));
    TRY(build_list(b, s, "anyOf", at, &l.any_of, &l.n_any));
    TRY(build_list(b, s, "oneOf", at, &l.one_of, &l.n_one));
    if (json_object_get(s, "not")) {
        struct field *f = arena_new_of(b->arena, struct field);
        TRY(build_field(b, json_object_get(s, "not"), PATH_FIELD(at, "not"), true, f));
        l.not_ = f;
    }
    if (l.n_all || l.n_any || l.n_one || l.not_) {
        struct field_logic *kept = arena_new_of(b->arena, struct field_logic);
        *kept = l;
        *out = kept;
    }
    return ERR_OK;
}

static uint32_t limit_of(const json_t *s, const char *a, const char *b, const char *c)
{
    int64_t v = json_int(s, a, json_int(s, b, json_int(s, c, 0)));

    return v < 0 ? 0 : v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

static void read_numbers(const json_t *s, struct field_rules *r)
{
    r->has_min = json_object_get(s, "minimum") != NULL;
    r->has_max = json_object_get(s, "maximum") != NULL;
    r->min = json_num(s, "minimum", 0);
    r->max = json_num(s, "maximum", 0);
    r->above_min = json_flag(s, "exclusiveMinimum", false);
    r->below_max = json_flag(s, "exclusiveMaximum", false);
    r->multiple_of = json_num(s, "multipleOf", 0);
    r->min_len = limit_of(s, "minLength", "minItems", "minProperties");
    r->max_len = limit_of(s, "maxLength", "maxItems", "maxProperties");
}

static const char *joined_keys(struct builder *b, const json_t *keys)
{
    AUTO_BUF text = { 0 };
    const json_t *k;
    size_t i;

    json_array_foreach(keys, i, k)
        buf_addf(&text, "%s%s", i ? "," : "", json_is_string(k) ? json_string_value(k) : "");
    return text.n ? arena_strdup(b->arena, buf_cstr(&text)) : NULL;
}

static errc build_rules(struct builder *b, const json_t *s, const struct path *at, const struct field_rules **out)
{
    struct field_rules r = { 0 };

    read_numbers(s, &r);
    r.doc = json_cstr(s, "description");
    r.pattern = json_cstr(s, "pattern");
    r.format = json_cstr(s, "format");
    r.def_json = json_object_get(s, "default");
    r.enum_json = json_object_get(s, "enum");
    r.cel = json_object_get(s, "x-kubernetes-validations");
    r.keys = joined_keys(b, json_object_get(s, "x-kubernetes-list-map-keys"));
    b->has_cel |= r.cel != NULL;
    TRY(build_logic(b, s, at, &r.logic));
    struct field_rules *kept = arena_new_of(b->arena, struct field_rules);
    *kept = r;
    *out = kept;
    return ERR_OK;
}

static bool is_required(const json_t *s, const char *name)
{
    const json_t *r;
    size_t i;

    json_array_foreach(json_object_get(s, "required"), i, r)
        if (streq(json_string_value(r), name))
            return true;
    return false;
}

/* Names that are required but not described: only alternatives (anyOf: [{required: [a]}]) have them. */
static size_t add_bare_required(const json_t *s, struct field *fields, size_t n)
{
    json_t *properties = json_object_get(s, "properties");
    const json_t *r;
    size_t i;

    json_array_foreach(json_object_get(s, "required"), i, r)
        if (json_is_string(r) && !json_object_get(properties, json_string_value(r)))
            fields[n++] = (struct field){ .json = json_string_value(r), .kind = FIELD_ANY, .flags = FIELD_REQUIRED | FIELD_UNTYPED | FIELD_NULLABLE };
    return n;
}

static errc build_type(struct builder *b, const json_t *s, const struct path *at, bool logic, struct type *out)
{
    json_t *properties = json_object_get(s, "properties"), *sub;
    const char *name;
    size_t n = 0;
    struct field *fields = arena_calloc(b->arena, json_object_size(properties) + json_array_size(json_object_get(s, "required")) + 4,
                                        sizeof *fields);

    json_object_foreach(properties, name, sub) {
        struct field *f = &fields[n++];
        TRY(build_field(b, sub, PATH_FIELD(at, name), logic, f));
        f->json = name;
        if (is_required(s, name))
            f->flags |= FIELD_REQUIRED;
    }
    if (logic)
        n = add_bare_required(s, fields, n);
    out->fields = fields;
    out->n_fields = (uint32_t)n;
    if (json_flag(s, "x-kubernetes-preserve-unknown-fields", false) || logic)
        out->flags |= TYPE_PRESERVE;
    return ERR_OK;
}

/* metadata, apiVersion and kind are there whether the schema names them or not; metadata is ObjectMeta. */
static void add_root_fields(struct builder *b, struct type *t)
{
    static const char *const names[] = { "apiVersion", "kind", "metadata" };
    struct field *fields = arena_calloc(b->arena, t->n_fields + ARRAY_LEN(names), sizeof *fields);
    size_t n = 0;

    for (size_t k = 0; k < ARRAY_LEN(names); k++) {
        bool meta = k == 2;
        uint8_t kind = !meta ? FIELD_STR : b->object_meta ? FIELD_OBJECT : FIELD_ANY;
        fields[n++] = (struct field){ .json = names[k], .kind = kind, .type = meta ? b->object_meta : NULL };
    }
    for (size_t i = 0; i < t->n_fields; i++)
        if (!streq(t->fields[i].json, "apiVersion") && !streq(t->fields[i].json, "kind") && !streq(t->fields[i].json, "metadata"))
            fields[n++] = t->fields[i];
    t->fields = fields;
    t->n_fields = (uint32_t)n;
    t->flags |= TYPE_ROOT;
}

static errc build_object(struct builder *b, const json_t *s, const struct path *at, bool logic, struct field *out)
{
    json_t *more = json_object_get(s, "additionalProperties");

    if (!json_object_get(s, "properties") && (json_is_object(more) || json_is_true(more))) {
        struct field *item = arena_new_of(b->arena, struct field);
        *item = (struct field){ .kind = FIELD_ANY };
        if (json_is_object(more))
            TRY(build_field(b, more, PATH_FIELD(at, "additionalProperties"), logic, item));
        out->kind = FIELD_MAP;
        out->item = item;
        return ERR_OK;
    }
    struct type *t = arena_new_of(b->arena, struct type);
    t->name = "";
    out->kind = FIELD_OBJECT;
    out->type = t;
    TRY(build_type(b, s, at, logic, t));
    if (out->flags & FIELD_EMBEDDED)
        add_root_fields(b, t);
    return ERR_OK;
}

static errc build_array(struct builder *b, const json_t *s, const struct path *at, bool logic, struct field *out)
{
    const char *list_type = json_cstr(s, "x-kubernetes-list-type");
    struct field *item = arena_new_of(b->arena, struct field);

    *item = (struct field){ .kind = FIELD_ANY };
    if (json_is_object(json_object_get(s, "items")))
        TRY(build_field(b, json_object_get(s, "items"), PATH_FIELD(at, "items"), logic, item));
    out->kind = FIELD_LIST;
    out->item = item;
    if (streq(list_type, "set"))
        out->flags |= FIELD_LIST_SET;
    if (streq(list_type, "map")) {
        if (!json_array_size(json_object_get(s, "x-kubernetes-list-map-keys")))
            return refuse(b, at, "x-kubernetes-list-type map needs x-kubernetes-list-map-keys");
        out->flags |= FIELD_LIST_MAP;
    }
    if (json_flag(s, "uniqueItems", false))
        out->flags |= FIELD_UNIQUE;
    return ERR_OK;
}

static const struct { const char *name; enum field_kind kind; } scalars[] = {
    { "string", FIELD_STR }, { "integer", FIELD_INT }, { "number", FIELD_NUM }, { "boolean", FIELD_BOOL },
};

static errc build_kind(struct builder *b, const json_t *s, const struct path *at, bool logic, struct field *out)
{
    const char *type = json_cstr(s, "type");

    if (json_flag(s, "x-kubernetes-int-or-string", false)) {
        out->kind = FIELD_INT_OR_STR;
        return ERR_OK;
    }
    for (size_t i = 0; i < ARRAY_LEN(scalars); i++)
        if (streq(scalars[i].name, type)) {
            out->kind = (uint8_t)scalars[i].kind;
            return ERR_OK;
        }
    if (streq(type, "array") || (!type && json_object_get(s, "items")))
        return build_array(b, s, at, logic, out);
    if (streq(type, "object") || (!type && (logic || json_object_get(s, "properties") || json_object_get(s, "additionalProperties"))))
        return build_object(b, s, at, logic, out);
    if (str_set(type))
        return refuse(b, at, "unknown type: use string, integer, number, boolean, array or object");
    out->kind = FIELD_ANY;
    return ERR_OK;
}

static errc build_field(struct builder *b, const json_t *s, const struct path *at, bool logic, struct field *out)
{
    if (!json_is_object(s))
        return refuse(b, at, "expected a schema object");
    *out = (struct field){ .kind = FIELD_ANY };
    if (json_flag(s, "nullable", false))
        out->flags |= FIELD_NULLABLE;
    if (json_flag(s, "x-kubernetes-preserve-unknown-fields", false))
        out->flags |= FIELD_PRESERVE;
    if (json_flag(s, "x-kubernetes-embedded-resource", false))
        out->flags |= FIELD_EMBEDDED;
    if (streq(json_cstr(s, "x-kubernetes-map-type"), "atomic"))
        out->flags |= FIELD_ATOMIC;
    if (!json_cstr(s, "type"))
        out->flags |= FIELD_UNTYPED;
    if (json_flag(s, "x-kubernetes-int-or-string", false))
        out->flags &= ~(uint32_t)FIELD_UNTYPED;
    TRY(build_kind(b, s, at, logic, out));
    return build_rules(b, s, at, &out->rules);
}

errc crd_field_build(const json_t *schema, struct arena *a, struct field *out, struct err *e)
{
    struct builder b = { .arena = a, .err = e };

    return build_field(&b, schema, NULL, false, out);
}

errc crd_type_build(const json_t *schema, const struct type *object_meta, const char *name, const char *group, const char *version,
                    const char *kind, struct arena *a, const struct type **out, struct err *e)
{
    struct builder b = { .arena = a, .object_meta = object_meta, .err = e };
    struct type *t = arena_new_of(a, struct type);

    json_t *copy = schema ? json_deep_copy(schema) : json_pack("{s:s,s:b}", "type", "object", "x-kubernetes-preserve-unknown-fields", 1);
    json_arena_own(a, copy);            /* private, so that other threads may drop or read the original */
    TRY(build_type(&b, copy, NULL, false, t));
    TRY(build_rules(&b, copy, NULL, &t->rules));
    add_root_fields(&b, t);
    t->name = arena_strdup(a, name);
    t->group = arena_strdup(a, group);
    t->version = arena_strdup(a, version);
    t->kind = arena_strdup(a, kind);
    t->doc = json_cstr(copy, "description");
    t->raw = copy;
    if (b.has_cel)
        t->flags |= TYPE_HAS_CEL;
    *out = t;
    return ERR_OK;
}
