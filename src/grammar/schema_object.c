/*
 * Objects: the listed properties in their order, each at most once, then others when they are allowed: those of patternProperties where
 * there are any (what additionalProperties allows beside them is not made), else any other key, or what propertyNames describes.
 */
#include "grammar/schema.h"

struct object {
    struct schema *s;
    const char *path;
    const json_t *properties, *required;
    const json_t *additional;           /* NULL or false: none */
    const json_t *patterns;             /* pattern -> schema; NULL: none */
    const json_t *key;                  /* a schema for other keys, when no property is listed; NULL: any key */
    bool keys_listed;                   /* propertyNames was an enum: they are properties now */
    uint32_t min, max;                  /* members */
    const char **names;                 /* of properties; lent */
    size_t n;
};

static bool is_required(const struct object *o, const char *name)
{
    const json_t *one;
    size_t i;

    json_array_foreach(o->required, i, one)
        if (streq(json_string_value(one), name))
            return true;
    return false;
}

/* Required names that no property lists get what additionalProperties says. */
static errc add_required(struct object *o, json_t *listed)
{
    const json_t *one;
    size_t i;

    json_array_foreach(o->required, i, one) {
        if (!json_is_string(one))
            return schema_fail(o->s, schema_path_at(o->s, o->path, "required", i), "must be a string");
        if (json_object_get(listed, json_string_value(one)))
            continue;
        if (json_is_false(o->additional))
            return schema_fail(o->s, schema_path_at(o->s, o->path, "required", i), "\"%.200s\" is neither in properties nor allowed by additionalProperties",
                               json_string_value(one));
        json_put(listed, json_string_value(one), o->additional ? json_incref((json_t *)(uintptr_t)o->additional) : json_true());
    }
    return ERR_OK;
}

static errc read_patterns(struct object *o, const json_t *schema, const json_t *listed)
{
    const json_t *patterns = json_object_get(schema, "patternProperties");
    const char *path = schema_path(o->s, o->path, "patternProperties");

    if (patterns && !json_is_object(patterns))
        return schema_fail(o->s, path, "must be an object");
    if (!json_object_size(patterns))
        return ERR_OK;
    o->patterns = patterns;
    return schema_keys_check(o->s, patterns, listed, path);
}

/* Where propertyNames lists all keys they are properties that may be left out: each comes at most once then. */
static errc list_keys(struct object *o, const json_t *schema, json_t *listed)
{
    const json_t *key = json_object_get(schema, "propertyNames"), *list, *name;
    size_t i;

    if (!json_is_object(key) || json_object_size(listed) || o->patterns || json_is_false(o->additional) || o->min)
        return ERR_OK;
    TRY(schema_flat(o->s, key, schema_path(o->s, o->path, "propertyNames"), &key));
    list = json_object_get(key, "enum");
    if (!json_array_size(list) || json_array_size(list) > o->max || !schema_is_enum(key))
        return ERR_OK;
    json_array_foreach(list, i, name)
        if (json_is_string(name))
            json_put(listed, json_string_value(name), o->additional ? json_incref((json_t *)(uintptr_t)o->additional) : json_true());
    o->additional = json_false();
    o->keys_listed = true;
    return ERR_OK;
}

static errc read_key(struct object *o, const json_t *schema)
{
    const json_t *key = json_object_get(schema, "propertyNames");
    const char *path = schema_path(o->s, o->path, "propertyNames");
    AUTO_JSON text = json_pack("{s:s}", "type", "string");

    if (!key || o->keys_listed || schema_says_nothing_of_keys(key))
        return ERR_OK;
    if (o->n || o->patterns)
        return schema_fail(o->s, path, "is supported only where neither properties, required nor patternProperties name keys");
    return schema_merge(o->s, key, text, path, &o->key);
}

static errc read_object(struct object *o, const json_t *schema)
{
    const json_t *properties = json_object_get(schema, "properties"), *value;
    json_t *listed = json_object();
    const char *name;

    json_arena_own(o->s->arena, listed);
    if (properties && !json_is_object(properties))
        return schema_fail(o->s, schema_path(o->s, o->path, "properties"), "must be an object");
    o->required = json_object_get(schema, "required");
    if (o->required && !json_is_array(o->required))
        return schema_fail(o->s, schema_path(o->s, o->path, "required"), "must be a list of names");
    o->additional = json_object_get(schema, "additionalProperties");
    if (!o->additional)
        o->additional = json_object_get(schema, "unevaluatedProperties");
    json_object_update(listed, (json_t *)(uintptr_t)properties);
    TRY(add_required(o, listed));
    TRY(schema_count(o->s, schema, "minProperties", o->path, &o->min));
    TRY(schema_count(o->s, schema, "maxProperties", o->path, &o->max));
    TRY(read_patterns(o, schema, listed));
    TRY(list_keys(o, schema, listed));
    if (!o->additional && !json_object_size(listed) && !o->patterns)   /* {"type": "object"} means any object */
        o->additional = json_true();                    /* jansson's true is static */
    o->properties = listed;
    o->names = arena_calloc(o->s->arena, json_object_size(listed) + 1, sizeof *o->names);
    json_object_foreach(listed, name, value)
        o->names[o->n++] = arena_strdup(o->s->arena, name);
    return read_key(o, schema);
}

static bool is_open(const struct object *o) { return o->patterns || (o->additional && !json_is_false(o->additional)); }

/* Counting members is done for objects that list none; with listed ones the limits must be kept anyhow. */
static errc check_limits(const struct object *o)
{
    size_t required = json_array_size(o->required);

    if (o->n && (o->min > required || (o->max != REPEAT_INF && (is_open(o) || o->n > o->max))))
        return schema_fail(o->s, o->path, "minProperties and maxProperties are supported only where properties and required keep them anyhow");
    if (!o->n && o->min > 1)            /* the same key could be written twice */
        return schema_fail(o->s, schema_path(o->s, o->path, "minProperties"), "above 1 is not supported");
    return ERR_OK;
}

/* : and the value, from the node behind a key. */
static void put_value(struct object *o, uint32_t from, uint32_t to, uint32_t rule)
{
    struct net *n = &o->s->net;
    uint32_t space = net_literal_from(n, from, STR(":")), value = net_node(n);

    net_call(n, space, value, json_space(n, &o->s->json));
    net_call(n, value, to, rule);
}

static errc put_listed(struct object *o, size_t i, uint32_t from, uint32_t to)
{
    AUTO_JSON key = json_string(o->names[i]);
    uint32_t rule, colon = net_node(&o->s->net);

    TRY(schema_rule(o->s, json_object_get(o->properties, o->names[i]), schema_path(o->s, schema_path(o->s, o->path, "properties"), o->names[i]), &rule));
    json_literal(&o->s->net, from, colon, key);
    put_value(o, colon, to, rule);
    return ERR_OK;
}

static errc put_matching(struct object *o, uint32_t from, uint32_t to)
{
    const char *pattern, *path = schema_path(o->s, o->path, "patternProperties");
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)o->patterns, pattern, value) {
        uint32_t rule, colon = net_node(&o->s->net);
        TRY(schema_rule(o->s, value, schema_path(o->s, path, pattern), &rule));
        TRY(schema_put_key(o->s, pattern, path, from, colon));
        put_value(o, colon, to, rule);
    }
    return ERR_OK;
}

static errc put_other(struct object *o, uint32_t from, uint32_t to)
{
    struct net *n = &o->s->net;
    uint32_t rule, key, colon = net_node(n);

    if (o->patterns)
        return put_matching(o, from, to);
    TRY(schema_rule(o->s, o->additional, schema_path(o->s, o->path, "additionalProperties"), &rule));
    if (o->key) {
        TRY(schema_rule(o->s, o->key, schema_path(o->s, o->path, "propertyNames"), &key));
        net_call(n, from, colon, key);
    } else {
        json_other_key(n, from, colon, o->names, o->n);
    }
    put_value(o, colon, to, rule);
    return ERR_OK;
}

static uint32_t comma(struct object *o, uint32_t from)
{
    uint32_t space = net_literal_from(&o->s->net, from, STR(",")), to = net_node(&o->s->net);

    net_call(&o->s->net, space, to, json_space(&o->s->net, &o->s->json));
    return to;
}

/* The members that are listed: *first has seen none yet, *later has. Each ends at the same place behind the last property. */
static errc put_all_listed(struct object *o, uint32_t *first, uint32_t *later)
{
    struct net *n = &o->s->net;

    for (size_t i = 0; i < o->n; i++) {
        uint32_t key = net_node(n), none = net_node(n), some = net_node(n);
        net_epsilon(n, *first, key);
        if (i)
            net_epsilon(n, comma(o, *later), key);
        TRY(put_listed(o, i, key, some));
        if (!is_required(o, o->names[i])) {
            net_epsilon(n, *first, none);
            if (i)
                net_epsilon(n, *later, some);
        }
        *first = none;
        *later = some;
    }
    return ERR_OK;
}

/* Any number of others behind the listed ones. */
static errc put_others(struct object *o, uint32_t first, uint32_t later)
{
    struct net *n = &o->s->net;
    uint32_t key = net_node(n);

    net_epsilon(n, first, key);
    net_epsilon(n, comma(o, later), key);
    return put_other(o, key, later);
}

/* Others alone, counted. */
static errc put_map(struct object *o, uint32_t first, uint32_t later)
{
    struct net *n = &o->s->net;
    uint32_t more = net_rule(n), after = net_node(n);

    if (o->max == 0 || n->too_large)
        return ERR_OK;
    TRY(put_other(o, first, after));
    TRY(put_other(o, comma(o, n->rules[more].start), n->rules[more].end));
    net_repeat(n, after, later, more, 0, o->max == REPEAT_INF ? REPEAT_INF : o->max - 1);
    return ERR_OK;
}

errc schema_object(struct schema *s, const json_t *schema, const char *path, uint32_t from, uint32_t to)
{
    struct object o = { .s = s, .path = path, .max = REPEAT_INF };
    struct net *n = &s->net;

    TRY(read_object(&o, schema));
    TRY(check_limits(&o));
    uint32_t open = net_literal_from(n, from, STR("{")), first = net_node(n), later = net_node(n), none, close = net_node(n);
    net_call(n, open, first, json_space(n, &s->json));
    none = first;
    if (o.n)
        TRY(put_all_listed(&o, &none, &later));
    if (is_open(&o))
        TRY(o.n ? put_others(&o, none, later) : put_map(&o, none, later));
    if (o.n || o.min == 0)
        net_literal(n, none, to, STR("}"));
    net_call(n, later, close, json_space(n, &s->json));
    net_literal(n, close, to, STR("}"));
    return ERR_OK;
}
