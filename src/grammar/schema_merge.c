/* $ref, allOf, and keywords beside anyOf: one schema out of two that must both hold. */
#include "grammar/schema.h"

typedef errc combine_fn(struct schema *s, json_t *into, const char *key, const json_t *a, const json_t *b, const char *path);

static json_t *own(struct schema *s, json_t *j)
{
    json_arena_own(s->arena, j);
    return j;
}

static json_t *shared(const json_t *j) { return json_incref((json_t *)(uintptr_t)j); }

/* ---- how two values of one keyword become one ---- */

static errc keep_larger(struct schema *s, json_t *into, const char *key, const json_t *a, const json_t *b, const char *path)
{
    json_put(into, key, shared(json_number_value(a) >= json_number_value(b) ? a : b));
    return ERR_OK;
}

static errc keep_smaller(struct schema *s, json_t *into, const char *key, const json_t *a, const json_t *b, const char *path)
{
    json_put(into, key, shared(json_number_value(a) <= json_number_value(b) ? a : b));
    return ERR_OK;
}

static bool contains(const json_t *list, const json_t *v)
{
    const json_t *one;
    size_t i;

    json_array_foreach(list, i, one)
        if (json_equal(one, v))
            return true;
    return false;
}

static errc both_lists(struct schema *s, json_t *into, const char *key, const json_t *a, const json_t *b, const char *path)
{
    json_t *made = json_copy((json_t *)(uintptr_t)a);
    const json_t *one;
    size_t i;

    json_array_foreach(b, i, one)
        if (!contains(made, one))
            json_push(made, shared(one));
    json_put(into, key, made);
    return ERR_OK;
}

/* What is in both; a single type counts as a list of one, and an integer is a number. */
static errc common_values(struct schema *s, json_t *into, const char *key, const json_t *a, const json_t *b, const char *path)
{
    json_t *made = json_array();
    json_t *lists[2] = { json_is_array(a) ? shared(a) : json_pack("[O]", a), json_is_array(b) ? shared(b) : json_pack("[O]", b) };
    const json_t *one;
    size_t i;

    for (int side = 0; side < 2; side++)
        json_array_foreach(lists[side], i, one) {
            bool whole = streq(key, "type") && streq(json_string_value(one), "integer");
            AUTO_JSON number = json_string("number");
            if ((contains(lists[!side], one) || (whole && contains(lists[!side], number))) && !contains(made, one))
                json_push(made, shared(one));
        }
    json_decref(lists[0]);
    json_decref(lists[1]);
    bool empty = !json_array_size(made);
    json_put(into, key, made);
    return empty ? schema_fail(s, path, "no %s satisfies both schemas that are combined here", key) : ERR_OK;
}

static errc merge_any(struct schema *s, const json_t *a, const json_t *b, const char *path, const json_t **out)
{
    if (json_is_true(a) || json_is_false(b)) {
        *out = b;
        return ERR_OK;
    }
    if (json_is_true(b) || json_is_false(a)) {
        *out = a;
        return ERR_OK;
    }
    return schema_merge(s, a, b, path, out);
}

static errc both_schemas(struct schema *s, json_t *into, const char *key, const json_t *a, const json_t *b, const char *path)
{
    const json_t *made;

    TRY(merge_any(s, a, b, schema_path(s, path, key), &made));
    json_put(into, key, shared(made));
    return ERR_OK;
}

static errc both_properties(struct schema *s, json_t *into, const char *key, const json_t *a, const json_t *b, const char *path)
{
    json_t *made = json_copy((json_t *)(uintptr_t)a), *value;
    const char *name;

    json_put(into, key, made);
    json_object_foreach((json_t *)(uintptr_t)b, name, value) {
        const json_t *old = json_object_get(made, name), *both = value;
        if (old)
            TRY(merge_any(s, old, value, schema_path(s, path, name), &both));
        json_put(made, name, shared(both));
    }
    return ERR_OK;
}

static errc either_true(struct schema *s, json_t *into, const char *key, const json_t *a, const json_t *b, const char *path)
{
    json_put(into, key, json_boolean(json_is_true(a) || json_is_true(b)));
    return ERR_OK;
}

static const struct { const char *key; combine_fn *fn; } combines[] = {
    { "minimum", keep_larger }, { "exclusiveMinimum", keep_larger }, { "minLength", keep_larger }, { "minItems", keep_larger }, { "minProperties", keep_larger },
    { "maximum", keep_smaller }, { "exclusiveMaximum", keep_smaller }, { "maxLength", keep_smaller }, { "maxItems", keep_smaller }, { "maxProperties", keep_smaller },
    { "required", both_lists }, { "allOf", both_lists }, { "type", common_values }, { "enum", common_values },
    { "properties", both_properties }, { "items", both_schemas }, { "additionalProperties", both_schemas }, { "unevaluatedProperties", both_schemas },
    { "patternProperties", both_properties }, { "propertyNames", both_schemas }, { "uniqueItems", either_true },
};

static errc combine(struct schema *s, json_t *into, const char *key, const json_t *a, const json_t *b, const char *path)
{
    if (json_equal(a, b) || schema_is_annotation(key)) {
        json_put(into, key, shared(a));
        return ERR_OK;
    }
    for (size_t i = 0; i < ARRAY_LEN(combines); i++)
        if (streq(combines[i].key, key))
            return combines[i].fn(s, into, key, a, b, path);
    return schema_fail(s, schema_path(s, path, key), "two schemas with different values of it cannot be combined");
}

/* Properties that only `other` lists must satisfy what `closed` says about additional ones. */
static json_t *with_listed(struct schema *s, const json_t *closed, const json_t *other)
{
    json_t *made = own(s, json_copy((json_t *)(uintptr_t)closed)), *value;
    const json_t *additional = json_object_get(closed, "additionalProperties");
    const char *name;

    if (!additional || json_is_true(additional))
        return made;
    json_t *properties = json_object();
    json_object_update(properties, json_object_get(closed, "properties"));
    json_object_foreach(json_object_get(other, "properties"), name, value)
        if (!json_object_get(properties, name))
            json_put(properties, name, shared(additional));
    json_put(made, "properties", properties);
    return made;
}

static bool allows_null(const json_t *schema)
{
    return json_is_true(json_object_get(schema, "nullable")) || !json_object_get(schema, "type");
}

/* Keys that fit a's patterns are additional ones for b, unless b has the same patterns. */
static bool patterns_meet_limits(const json_t *a, const json_t *b)
{
    const json_t *patterns = json_object_get(a, "patternProperties");
    const json_t *more = json_object_get(b, json_object_get(b, "additionalProperties") ? "additionalProperties" : "unevaluatedProperties");

    return patterns && more && !json_is_true(more) && !json_equal(patterns, json_object_get(b, "patternProperties"));
}

/* What one keyword says depends on another one beside it. */
static errc check_pairs(struct schema *s, const json_t *a, const json_t *b, const char *path)
{
    bool left = json_object_get(a, "prefixItems"), right = json_object_get(b, "prefixItems");

    if ((left && !right && json_object_get(b, "items")) || (right && !left && json_object_get(a, "items")))
        return schema_fail(s, schema_path(s, path, "prefixItems"), "cannot be combined with items of another schema");
    if (patterns_meet_limits(a, b) || patterns_meet_limits(b, a))
        return schema_fail(s, schema_path(s, path, "patternProperties"), "cannot be combined with additionalProperties of another schema");
    return ERR_OK;
}

static errc merge_objects(struct schema *s, const json_t *a, const json_t *b, const char *path, const json_t **out)
{
    json_t *left = with_listed(s, a, b), *right = with_listed(s, b, a), *made = own(s, json_copy(left)), *value;
    const char *key;

    TRY(check_pairs(s, a, b, path));
    json_object_foreach(right, key, value) {
        const json_t *old = json_object_get(left, key);
        if (old)
            TRY(combine(s, made, key, old, value, path));
        else
            json_put(made, key, shared(value));
    }
    if (json_object_get(made, "nullable") && !(allows_null(a) && allows_null(b)))
        json_object_del(made, "nullable");
    *out = made;
    return ERR_OK;
}

errc schema_merge(struct schema *s, const json_t *a, const json_t *b, const char *path, const json_t **out)
{
    if (!json_is_object(a) || !json_is_object(b)) {
        if (!(json_is_object(a) || json_is_boolean(a)) || !(json_is_object(b) || json_is_boolean(b)))
            return schema_fail(s, path, "must be a schema: an object, true or false");
        return merge_any(s, a, b, path, out);
    }
    if (++s->count > SCHEMA_COUNT_MAX || s->depth > SCHEMA_DEPTH_MAX)
        return schema_fail(s, path, "the schema is too large or refers to itself");
    s->depth++;
    if (json_object_get(a, "$ref") || json_object_get(a, "allOf"))
        TRY(schema_flat(s, a, path, &a));
    if (json_object_get(b, "$ref") || json_object_get(b, "allOf"))
        TRY(schema_flat(s, b, path, &b));
    errc rc = json_is_object(a) && json_is_object(b) ? merge_objects(s, a, b, path, out) : merge_any(s, a, b, path, out);
    s->depth--;
    return rc;
}

/* ---- references ---- */

/* One step of a JSON pointer: ~1 is a slash, ~0 a tilde, %XX a byte. */
static void unescape(struct str step, struct buf *out)
{
    for (size_t i = 0; i < step.n; i++) {
        unsigned byte;
        if (step.p[i] == '~' && i + 1 < step.n && (step.p[i + 1] == '0' || step.p[i + 1] == '1'))
            buf_addc(out, step.p[++i] == '1' ? '/' : '~');
        else if (step.p[i] == '%' && i + 2 < step.n && sscanf(step.p + i + 1, "%2x", &byte) == 1 && byte)
            buf_addc(out, (char)byte), i += 2;
        else
            buf_addc(out, step.p[i]);
    }
}

static errc schema_resolve(struct schema *s, const char *ref, const char *path, const json_t **out)
{
    struct str rest = str_of(ref), step;
    const json_t *at = s->root;

    if (!ref || ref[0] != '#' || (ref[1] && ref[1] != '/'))
        return schema_fail(s, schema_path(s, path, "$ref"), "only references inside the schema (\"#/...\") are supported, not \"%.200s\"", ref ? ref : "");
    rest = str_from(rest, rest.n > 1 ? 2 : 1);
    while (ref[1] && str_next(&rest, '/', &step)) {
        AUTO_BUF key = { 0 };
        int64_t i;
        unescape(step, &key);
        if (json_is_array(at) && str_to_i64(buf_str(&key), &i) && i >= 0)
            at = json_array_get(at, (size_t)i);
        else
            at = json_object_get(at, buf_cstr(&key));
        if (!at)
            return schema_fail(s, schema_path(s, path, "$ref"), "\"%.200s\" is not in the schema", ref);
    }
    *out = at;
    return ERR_OK;
}

static errc follow(struct schema *s, const json_t *schema, const char *path, const json_t **out)
{
    const json_t *target = NULL;
    json_t *rest = own(s, json_copy((json_t *)(uintptr_t)schema));

    TRY(schema_resolve(s, json_cstr(schema, "$ref"), path, &target));
    json_object_del(rest, "$ref");
    return schema_merge(s, target, rest, path, out);
}

static errc all_of(struct schema *s, const json_t *schema, const char *path, const json_t **out)
{
    const json_t *list = json_object_get(schema, "allOf"), *one, *made = own(s, json_copy((json_t *)(uintptr_t)schema));
    size_t i;

    if (!json_is_array(list))
        return schema_fail(s, schema_path(s, path, "allOf"), "must be a list of schemas");
    json_object_del((json_t *)(uintptr_t)made, "allOf");
    json_array_foreach(list, i, one)
        TRY(schema_merge(s, made, one, schema_path_at(s, path, "allOf", i), &made));
    *out = made;
    return ERR_OK;
}

errc schema_flat(struct schema *s, const json_t *schema, const char *path, const json_t **out)
{
    *out = schema;
    for (int rounds = 0; json_object_get(*out, "$ref") || json_object_get(*out, "allOf"); rounds++) {
        if (rounds > SCHEMA_DEPTH_MAX || s->depth > SCHEMA_DEPTH_MAX)
            return schema_fail(s, path, "refers to itself before anything is written");
        TRY(json_object_get(*out, "$ref") ? follow(s, *out, path, out) : all_of(s, *out, path, out));
    }
    return ERR_OK;
}
