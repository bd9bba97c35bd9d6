/* Arrays: the first items by their place, the others alike, within limits on their number; each once where they are few and listed. */
#include "grammar/schema.h"

#define UNIQUE_MAX 10u          /* values: each set of them that was written is a place of its own */

struct array {
    struct schema *s;
    const char *path;
    const json_t *prefix, *items;       /* items NULL or false: none beyond prefix */
    uint32_t min, max;
    bool unique;
};

static errc read_array(struct array *a, const json_t *schema)
{
    a->prefix = json_object_get(schema, "prefixItems");
    a->items = json_object_get(schema, "items");
    if (json_is_array(a->items)) {      /* how drafts before 2020-12 write prefixItems and items */
        if (a->prefix)
            return schema_fail(a->s, schema_path(a->s, a->path, "items"), "must be a schema beside prefixItems");
        a->prefix = a->items;
        a->items = json_object_get(schema, "additionalItems");
    }
    if (a->prefix && !json_is_array(a->prefix))
        return schema_fail(a->s, schema_path(a->s, a->path, "prefixItems"), "must be a list of schemas");
    if (!a->items && !json_array_size(a->prefix))
        a->items = json_true();         /* jansson's true is static */
    TRY(schema_count(a->s, schema, "minItems", a->path, &a->min));
    TRY(schema_count(a->s, schema, "maxItems", a->path, &a->max));
    if (a->min > a->max)
        return schema_fail(a->s, schema_path(a->s, a->path, "minItems"), "is above maxItems");
    a->unique = json_is_true(json_object_get(schema, "uniqueItems")) && a->max > 1;
    return ERR_OK;
}

static uint32_t comma(struct array *a, uint32_t from)
{
    uint32_t space = net_literal_from(&a->s->net, from, STR(",")), to = net_node(&a->s->net);

    net_call(&a->s->net, space, to, json_space(&a->s->net, &a->s->json));
    return to;
}

/* After `done` items the list may be closed at this node. */
static void may_close(struct array *a, uint32_t from, uint32_t close, size_t done)
{
    if (done >= a->min && done <= a->max)
        net_epsilon(&a->s->net, from, close);
}

/* *at moves behind the items of prefixItems; each may be the last one. */
static errc put_prefix(struct array *a, uint32_t *at, uint32_t close)
{
    const json_t *one;
    size_t i;

    json_array_foreach(a->prefix, i, one) {
        uint32_t rule, next = net_node(&a->s->net);
        if (i >= a->max)
            return ERR_OK;
        TRY(schema_rule(a->s, one, schema_path_at(a->s, a->path, "prefixItems", i), &rule));
        net_call(&a->s->net, i ? comma(a, *at) : *at, next, rule);
        may_close(a, next, close, i + 1);
        *at = next;
    }
    return ERR_OK;
}

static errc put_items(struct array *a, uint32_t at, uint32_t close)
{
    struct net *n = &a->s->net;
    uint32_t done = (uint32_t)json_array_size(a->prefix), item, more = net_rule(n), next = net_node(n);

    if (done >= a->max || n->too_large)
        return ERR_OK;
    TRY(schema_rule(a->s, a->items, schema_path(a->s, a->path, "items"), &item));
    net_call(n, comma(a, n->rules[more].start), n->rules[more].end, item);
    if (!done) {                        /* the first one has no comma */
        net_call(n, at, next, item);
        at = next;
        done = 1;
    }
    net_repeat(n, at, close, more, a->min > done ? a->min - done : 0, a->max == REPEAT_INF ? REPEAT_INF : a->max - done);
    return ERR_OK;
}

/* ---- items that differ ---- */

static bool same_value(const json_t *a, const json_t *b)
{
    return json_is_number(a) && json_is_number(b) ? json_number_value(a) == json_number_value(b) : json_equal(a, b);
}

/* Rules of the different values that an item may have; count 0: they are not listed, or too many. */
static errc listed_values(struct array *a, uint32_t rules[UNIQUE_MAX], size_t *count)
{
    AUTO_JSON both = json_pack("[b, b]", 0, 1);
    const char *path = schema_path(a->s, a->path, "items");
    const json_t *item, *list, *v;
    size_t i, k;

    TRY(schema_flat(a->s, a->items, path, &item));
    list = streq(json_cstr(item, "type"), "boolean") && !json_object_get(item, "enum") ? both : json_object_get(item, "enum");
    *count = 0;
    if (json_array_size(list) > UNIQUE_MAX)
        return ERR_OK;
    json_array_foreach(list, i, v) {
        AUTO_JSON one = json_copy((json_t *)(uintptr_t)item);
        for (k = 0; k < i && !same_value(json_array_get(list, k), v); k++)
            ;
        if (k < i)
            continue;
        json_object_del(one, "enum");
        json_put(one, "const", json_incref((json_t *)(uintptr_t)v));
        TRY(schema_rule(a->s, one, path, &rules[(*count)++]));
    }
    return ERR_OK;
}

/* A place for each set of values that was written. */
static errc put_unique(struct array *a, uint32_t first, uint32_t close)
{
    struct net *n = &a->s->net;
    uint32_t rules[UNIQUE_MAX], at[1u << UNIQUE_MAX];
    size_t count = 0;

    if (!json_array_size(a->prefix) && a->items && !json_is_boolean(a->items))
        TRY(listed_values(a, rules, &count));
    if (!count)
        return schema_fail(a->s, schema_path(a->s, a->path, "uniqueItems"), "is not supported, but for items of at most %u listed values", UNIQUE_MAX);
    for (uint32_t set = 0; set < 1u << count; set++)
        at[set] = set ? net_node(n) : first;
    for (uint32_t set = 0; set < 1u << count; set++) {
        uint32_t written = (uint32_t)__builtin_popcount(set);
        if (set)
            may_close(a, at[set], close, written);
        if (written >= a->max)
            continue;
        uint32_t item = set ? comma(a, at[set]) : at[0];
        for (size_t i = 0; i < count; i++)
            if (!(set >> i & 1))
                net_call(n, item, at[set | 1u << i], rules[i]);
    }
    return ERR_OK;
}

errc schema_array(struct schema *s, const json_t *schema, const char *path, uint32_t from, uint32_t to)
{
    struct array a = { .s = s, .path = path, .max = REPEAT_INF };
    struct net *n = &s->net;

    TRY(read_array(&a, schema));
    uint32_t open = net_literal_from(n, from, STR("[")), first = net_node(n), close = net_node(n), last = net_node(n), at = first;
    net_call(n, open, first, json_space(n, &s->json));
    if (a.min == 0)
        net_literal(n, first, to, STR("]"));
    if (a.unique) {
        TRY(put_unique(&a, first, close));
    } else {
        TRY(put_prefix(&a, &at, close));
        if (a.items && !json_is_false(a.items))
            TRY(put_items(&a, at, close));
    }
    net_call(n, close, last, json_space(n, &s->json));
    net_literal(n, last, to, STR("]"));
    return ERR_OK;
}
