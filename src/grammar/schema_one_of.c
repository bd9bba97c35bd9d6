/*
 * oneOf means that no other alternative holds too. That is kept when alternatives are apart by type, by a constant that both must
 * have under the same key, or because one needs a key that the other never writes.
 */
#include "grammar/schema.h"

/* The values that a schema lists: enum, or const as a list of one (new reference); NULL: it lists none. */
static json_t *listed(const json_t *schema)
{
    json_t *one = json_object_get(schema, "const"), *list = json_object_get(schema, "enum");

    return one ? json_pack("[O]", one) : json_incref(list);
}

static bool lists_apart(const json_t *a, const json_t *b)
{
    AUTO_JSON left = listed(a);
    AUTO_JSON right = listed(b);
    const json_t *x, *y;
    size_t i, k;

    if (!left || !right)
        return false;
    json_array_foreach(left, i, x)
        json_array_foreach(right, k, y)
            if (json_equal(x, y) || (json_is_number(x) && json_is_number(y) && json_number_value(x) == json_number_value(y)))
                return false;
    return true;
}

/* Every type named is another one; integers are numbers. */
static bool types_apart(const json_t *a, const json_t *b)
{
    AUTO_JSON left = json_is_string(a) ? json_pack("[O]", a) : json_incref((json_t *)(uintptr_t)a);
    AUTO_JSON right = json_is_string(b) ? json_pack("[O]", b) : json_incref((json_t *)(uintptr_t)b);
    const json_t *x, *y;
    size_t i, k;

    if (!json_is_array(left) || !json_is_array(right))
        return false;
    json_array_foreach(left, i, x)
        json_array_foreach(right, k, y) {
            const char *p = json_string_value(x), *q = json_string_value(y);
            bool numbers = (streq(p, "integer") || streq(p, "number")) && (streq(q, "integer") || streq(q, "number"));
            if (numbers || streq(p, q))
                return false;
        }
    return true;
}

static bool requires(const json_t *schema, const char *name)
{
    const json_t *one;
    size_t i;

    json_array_foreach(json_object_get(schema, "required"), i, one)
        if (streq(json_string_value(one), name))
            return true;
    return false;
}

/* A required property whose values differ in both. */
static errc tags_apart(struct schema *s, const json_t *a, const json_t *b, const char *path, bool *out)
{
    const json_t *value;
    const char *name;

    *out = false;
    json_object_foreach(json_object_get(a, "properties"), name, value) {
        const json_t *other = json_object_get(json_object_get(b, "properties"), name), *left, *right;
        if (!other || !requires(a, name) || !requires(b, name))
            continue;
        TRY(schema_flat(s, value, path, &left));
        TRY(schema_flat(s, other, path, &right));
        *out |= lists_apart(left, right) || types_apart(json_object_get(left, "type"), json_object_get(right, "type"));
    }
    return ERR_OK;
}

/* b needs a key that objects made for a never have. */
static bool lacks_key(const json_t *a, const json_t *b)
{
    const json_t *more = json_object_get(a, "additionalProperties"), *one;
    size_t i;

    if (json_object_get(a, "unevaluatedProperties"))
        more = json_object_get(a, "unevaluatedProperties");
    if (!json_object_size(json_object_get(a, "properties")) || (more && !json_is_false(more)) || json_object_get(a, "patternProperties"))
        return false;
    json_array_foreach(json_object_get(b, "required"), i, one)
        if (json_is_string(one) && !json_object_get(json_object_get(a, "properties"), json_string_value(one)) && !requires(a, json_string_value(one)))
            return true;
    return false;
}

static errc apart(struct schema *s, const json_t *a, const json_t *b, const char *path, bool *out)
{
    bool objects = streq(json_cstr(a, "type"), "object") && streq(json_cstr(b, "type"), "object");

    *out = lists_apart(a, b) || types_apart(json_object_get(a, "type"), json_object_get(b, "type")) ||
           (objects && lacks_key(a, b) && lacks_key(b, a));
    return *out || !objects ? ERR_OK : tags_apart(s, a, b, path, out);
}

errc schema_check_one_of(struct schema *s, const json_t *list, const char *path)
{
    size_t n = json_array_size(list);
    const json_t **flat = arena_calloc(s->arena, n, sizeof *flat);

    if (n > 200)
        return schema_fail(s, path, "more than 200 alternatives are not supported");
    for (size_t i = 0; i < n; i++)
        TRY(schema_flat(s, json_array_get(list, i), path, &flat[i]));
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n; k++) {
            bool good;
            TRY(apart(s, flat[i], flat[k], path, &good));
            if (!good)
                return schema_fail(s, path, "alternatives %zu and %zu may both hold: tell them apart by type or a constant property, or write anyOf", i, k);
        }
    return ERR_OK;
}
