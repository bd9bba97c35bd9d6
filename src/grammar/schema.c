/*
 * JSON schema -> rules. What would have to be ignored although it forbids something is refused by name; what merely describes is
 * skipped. A rule may accept less than its schema (an order of keys, fewer ways to write a number), never more.
 */
#include "grammar/schema.h"

enum keyword_kind { ANNOTATES, FORBIDS, COMBINES, OF_OBJECT, OF_ARRAY, OF_STRING, OF_NUMBER };
static const struct keyword { const char *name; enum keyword_kind kind; } keywords[] = {
    { "title", ANNOTATES }, { "description", ANNOTATES }, { "default", ANNOTATES }, { "examples", ANNOTATES }, { "example", ANNOTATES },
    { "$schema", ANNOTATES }, { "$id", ANNOTATES }, { "$comment", ANNOTATES }, { "$anchor", ANNOTATES }, { "deprecated", ANNOTATES },
    { "readOnly", ANNOTATES }, { "writeOnly", ANNOTATES }, { "discriminator", ANNOTATES }, { "contentEncoding", ANNOTATES },
    { "contentMediaType", ANNOTATES }, { "contentSchema", ANNOTATES }, { "$defs", ANNOTATES }, { "definitions", ANNOTATES }, { "strict", ANNOTATES },
    { "not", FORBIDS }, { "if", FORBIDS }, { "then", FORBIDS }, { "else", FORBIDS }, { "contains", FORBIDS }, { "minContains", FORBIDS },
    { "maxContains", FORBIDS }, { "dependentRequired", FORBIDS }, { "dependentSchemas", FORBIDS }, { "dependencies", FORBIDS },
    { "unevaluatedItems", FORBIDS },
    { "$dynamicRef", FORBIDS }, { "$recursiveRef", FORBIDS },
    { "type", COMBINES }, { "enum", COMBINES }, { "const", COMBINES }, { "anyOf", COMBINES }, { "oneOf", COMBINES }, { "allOf", COMBINES },
    { "$ref", COMBINES }, { "nullable", COMBINES },
    { "properties", OF_OBJECT }, { "required", OF_OBJECT }, { "additionalProperties", OF_OBJECT }, { "minProperties", OF_OBJECT },
    { "maxProperties", OF_OBJECT }, { "unevaluatedProperties", OF_OBJECT }, { "patternProperties", OF_OBJECT }, { "propertyNames", OF_OBJECT },
    { "items", OF_ARRAY }, { "prefixItems", OF_ARRAY }, { "additionalItems", OF_ARRAY }, { "minItems", OF_ARRAY }, { "maxItems", OF_ARRAY }, { "uniqueItems", OF_ARRAY },
    { "minLength", OF_STRING }, { "maxLength", OF_STRING }, { "pattern", OF_STRING }, { "format", OF_STRING },
    { "minimum", OF_NUMBER }, { "maximum", OF_NUMBER }, { "exclusiveMinimum", OF_NUMBER }, { "exclusiveMaximum", OF_NUMBER },
    { "multipleOf", OF_NUMBER },
};

static const struct keyword *find_keyword(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
        if (streq(keywords[i].name, name))
            return &keywords[i];
    return NULL;
}

/* A keyword that nobody knows describes (draft 2020-12, 6.5). */
bool schema_is_annotation(const char *keyword)
{
    const struct keyword *k = find_keyword(keyword);

    return !k || k->kind == ANNOTATES;
}

errc schema_fail(struct schema *s, const char *path, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    errc rc = err_vset(s->e, ERR_BAD_REQUEST, fmt, ap);
    va_end(ap);
    (void)rc;
    return err_wrap(s->e, "%s", path);
}

const char *schema_path(struct schema *s, const char *path, const char *key) { return arena_printf(s->arena, "%s.%s", path, key); }

const char *schema_path_at(struct schema *s, const char *path, const char *key, size_t i)
{
    return arena_printf(s->arena, "%s.%s[%zu]", path, key, i);
}

errc schema_count(struct schema *s, const json_t *schema, const char *keyword, const char *path, uint32_t *out)
{
    const json_t *v = json_object_get(schema, keyword);

    if (!v)
        return ERR_OK;
    if (!json_is_number(v) || json_number_value(v) < 0 || json_number_value(v) > 1e9 || json_number_value(v) != (double)(uint32_t)json_number_value(v))
        return schema_fail(s, schema_path(s, path, keyword), "must be a whole number from 0 to 1000000000");
    *out = (uint32_t)json_number_value(v);
    return ERR_OK;
}

/* ---- types ---- */

enum { T_NULL = 1, T_BOOLEAN = 2, T_STRING = 4, T_INTEGER = 8, T_NUMBER = 16, T_ARRAY = 32, T_OBJECT = 64 };
static const struct type { const char *name; unsigned bit; } types[] = {
    { "null", T_NULL }, { "boolean", T_BOOLEAN }, { "string", T_STRING }, { "integer", T_INTEGER }, { "number", T_NUMBER },
    { "array", T_ARRAY }, { "object", T_OBJECT },
};

static unsigned type_bit(const json_t *name)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (streq(json_string_value(name), types[i].name))
            return types[i].bit;
    return 0;
}

/* The types a schema allows; one that names none is meant for the types its keywords are about. 0: any. */
static errc types_of(struct schema *s, const json_t *schema, const char *path, unsigned *out)
{
    static const unsigned implied[] = { [OF_OBJECT] = T_OBJECT, [OF_ARRAY] = T_ARRAY, [OF_STRING] = T_STRING, [OF_NUMBER] = T_NUMBER };
    const json_t *type = json_object_get(schema, "type"), *one;
    const char *key;
    json_t *value;
    size_t i;

    *out = 0;
    if (json_is_array(type)) {
        json_array_foreach(type, i, one) {
            if (!type_bit(one))
                return schema_fail(s, schema_path(s, path, "type"), "must name types of JSON");
            *out |= type_bit(one);
        }
        if (!*out)
            return schema_fail(s, schema_path(s, path, "type"), "must not be empty");
    } else if (type) {
        if (!(*out = type_bit(type)))
            return schema_fail(s, schema_path(s, path, "type"), "must be null, boolean, string, integer, number, array, object, or a list of these");
    } else {
        json_object_foreach((json_t *)(uintptr_t)schema, key, value) {
            const struct keyword *k = find_keyword(key);
            if (k && k->kind >= OF_OBJECT)
                *out |= implied[k->kind];
        }
    }
    if (*out && json_is_true(json_object_get(schema, "nullable")))
        *out |= T_NULL;
    return ERR_OK;
}

static bool has_type(const json_t *v, unsigned allowed)
{
    static const unsigned bits[] = { [JSON_OBJECT] = T_OBJECT, [JSON_ARRAY] = T_ARRAY, [JSON_STRING] = T_STRING, [JSON_INTEGER] = T_INTEGER | T_NUMBER,
                                     [JSON_REAL] = T_NUMBER, [JSON_TRUE] = T_BOOLEAN, [JSON_FALSE] = T_BOOLEAN, [JSON_NULL] = T_NULL };
    return !allowed || bits[json_typeof(v)] & allowed;
}

/* ---- enum, const ---- */

static errc put_values(struct schema *s, const json_t *schema, const char *path, uint32_t from, uint32_t to)
{
    const json_t *list = json_object_get(schema, "enum"), *one = json_object_get(schema, "const"), *v;
    unsigned allowed;
    const char *key;
    json_t *value;
    size_t i;

    if (list && (!json_is_array(list) || !json_array_size(list)))
        return schema_fail(s, schema_path(s, path, "enum"), "must be a list that is not empty");
    json_object_foreach((json_t *)(uintptr_t)schema, key, value)
        if (!schema_is_annotation(key) && !streq(key, "enum") && !streq(key, "const") && !streq(key, "type") && !streq(key, "nullable"))
            return schema_fail(s, schema_path(s, path, key), "is not supported beside enum or const");
    TRY(types_of(s, schema, path, &allowed));
    if (one) {
        bool listed = !list;
        json_array_foreach(list, i, v)
            listed |= json_equal(v, one);
        if (listed && has_type(one, allowed))
            json_literal(&s->net, from, to, one);
        return ERR_OK;
    }
    json_array_foreach(list, i, v)
        if (has_type(v, allowed))
            json_literal(&s->net, from, to, v);
    return ERR_OK;
}

/* ---- anyOf, oneOf ---- */

/* The keywords of a schema but one, and whether anything but annotations is among them. */
static json_t *without(struct schema *s, const json_t *schema, const char *but, bool *out_says_something)
{
    json_t *made = json_object(), *value;
    const char *key;

    json_arena_own(s->arena, made);
    *out_says_something = false;
    json_object_foreach((json_t *)(uintptr_t)schema, key, value) {
        if (streq(key, but) || schema_is_annotation(key))
            continue;
        json_put(made, key, json_incref(value));
        *out_says_something = true;
    }
    return made;
}

static errc put_alternatives(struct schema *s, const json_t *schema, const char *keyword, const char *path, uint32_t from, uint32_t to)
{
    const json_t *list = json_object_get(schema, keyword), *v;
    bool more;
    json_t *rest = without(s, schema, keyword, &more);
    size_t i;

    if (!json_is_array(list) || !json_array_size(list))
        return schema_fail(s, schema_path(s, path, keyword), "must be a list that is not empty");
    if (streq(keyword, "oneOf"))
        TRY(schema_check_one_of(s, list, schema_path(s, path, keyword)));
    json_array_foreach(list, i, v) {
        const char *at = schema_path_at(s, path, keyword, i);
        const json_t *one = v;
        uint32_t rule;
        if (more)
            TRY(schema_merge(s, rest, v, at, &one));
        TRY(schema_rule(s, one, at, &rule));
        net_call(&s->net, from, to, rule);
    }
    return ERR_OK;
}

/* ---- one schema ---- */

static errc put_null(struct schema *s, const json_t *schema, const char *path, uint32_t from, uint32_t to)
{
    net_literal(&s->net, from, to, STR("null"));
    return ERR_OK;
}

static errc put_boolean(struct schema *s, const json_t *schema, const char *path, uint32_t from, uint32_t to)
{
    net_literal(&s->net, from, to, STR("true"));
    net_literal(&s->net, from, to, STR("false"));
    return ERR_OK;
}

static errc check_keywords(struct schema *s, const json_t *schema, const char *path)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)schema, key, value) {
        const struct keyword *k = find_keyword(key);
        if (k && k->kind == FORBIDS)
            return schema_fail(s, schema_path(s, path, key), "is not supported");
    }
    return ERR_OK;
}

static errc put_types(struct schema *s, const json_t *schema, const char *path, uint32_t from, uint32_t to)
{
    static const struct { unsigned bit; schema_put *put; } rows[] = {
        { T_NULL, put_null }, { T_BOOLEAN, put_boolean }, { T_STRING, schema_string }, { T_NUMBER, schema_number }, { T_INTEGER, schema_integer },
        { T_ARRAY, schema_array }, { T_OBJECT, schema_object },
    };
    unsigned allowed;

    TRY(types_of(s, schema, path, &allowed));
    if (!allowed) {
        net_call(&s->net, from, to, json_value(&s->net, &s->json));
        return ERR_OK;
    }
    if (allowed & T_NUMBER)
        allowed &= ~(unsigned)T_INTEGER;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (allowed & rows[i].bit)
            TRY(rows[i].put(s, schema, path, from, to));
    return ERR_OK;
}

static errc put_schema(struct schema *s, const json_t *schema, const char *path, uint32_t from, uint32_t to)
{
    const json_t *flat;

    TRY(schema_flat(s, schema, path, &flat));
    if (json_is_false(flat))
        return ERR_OK;                  /* nothing: what needs it is cut away, or the whole is refused */
    if (json_is_true(flat)) {
        net_call(&s->net, from, to, json_value(&s->net, &s->json));
        return ERR_OK;
    }
    TRY(check_keywords(s, flat, path));
    for (size_t i = 0; i < 2; i++)
        if (json_object_get(flat, i ? "oneOf" : "anyOf"))
            return put_alternatives(s, flat, i ? "oneOf" : "anyOf", path, from, to);
    if (json_object_get(flat, "enum") || json_object_get(flat, "const"))
        return put_values(s, flat, path, from, to);
    return put_types(s, flat, path, from, to);
}

errc schema_rule(struct schema *s, const json_t *schema, const char *path, uint32_t *out)
{
    AUTO_MEM char *text = NULL;

    if (!json_is_object(schema) && !json_is_boolean(schema))
        return schema_fail(s, path, "must be a schema: an object, true or false");
    if (s->depth >= SCHEMA_DEPTH_MAX)
        return schema_fail(s, path, "schemas nest deeper than %d", SCHEMA_DEPTH_MAX);
    if (++s->count > SCHEMA_COUNT_MAX || s->net.too_large)
        return schema_fail(s, path, "the schema is too large");
    text = json_text(schema);
    if (strlen(text) > SCHEMA_TEXT_MAX) /* it is written once for each level */
        return schema_fail(s, path, "the schema is longer than 1 MiB");
    void *known = map_get(s->rules, str_of(text));
    if (known) {
        *out = (uint32_t)((uintptr_t)known - 1);
        return ERR_OK;
    }
    *out = net_rule(&s->net);
    map_put(s->rules, str_of(text), (void *)((uintptr_t)*out + 1));
    s->depth++;
    errc rc = put_schema(s, schema, path, s->net.rules[*out].start, s->net.rules[*out].end);
    s->depth--;
    return rc;
}

errc grammar_compile_json_schema(const json_t *schema, struct grammar **out, struct err *e)
{
    AUTO_FREE(map) rules = map_new(NULL);
    AUTO_FREE(arena) arena = arena_new();
    struct schema s = { .json = JSON_RULES_NONE, .root = schema, .rules = rules, .arena = arena, .e = e };
    uint32_t root;

    errc rc = schema_rule(&s, schema, "$", &root);
    if (!rc)
        rc = grammar_from_net(&s.net, "$", out, e);
    net_done(&s.net);
    return rc;
}

errc grammar_compile_json_object(struct grammar **out, struct err *e)
{
    struct json_rules r = JSON_RULES_NONE;
    struct net n = { 0 };

    (void)json_object_rule(&n, &r);
    errc rc = grammar_from_net(&n, "json_object", out, e);
    net_done(&n);
    return rc;
}
