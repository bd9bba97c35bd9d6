/* Arrays: the first items by their place, the others alike, within limits on their number. */
#include "grammar/schema.h"

struct array {
    struct schema *s;
    const char *path;
    const json_t *prefix, *items;       /* items NULL or false: none beyond prefix */
    uint32_t min, max;
};

static errc read_array(struct array *a, const json_t *schema)
{
    const json_t *unique = json_object_get(schema, "uniqueItems");

    a->prefix = json_object_get(schema, "prefixItems");
    a->items = json_object_get(schema, "items");
    if (json_is_array(a->items))        /* how drafts before 2020-12 write prefixItems */
        return schema_fail(a->s, schema_path(a->s, a->path, "items"), "must be a schema; write a list of schemas as prefixItems");
    if (a->prefix && !json_is_array(a->prefix))
        return schema_fail(a->s, schema_path(a->s, a->path, "prefixItems"), "must be a list of schemas");
    if (unique && !json_is_false(unique))
        return schema_fail(a->s, schema_path(a->s, a->path, "uniqueItems"), "is not supported");
    if (!a->items && !json_array_size(a->prefix))
        a->items = json_true();         /* jansson's true is static */
    TRY(schema_count(a->s, schema, "minItems", a->path, &a->min));
    TRY(schema_count(a->s, schema, "maxItems", a->path, &a->max));
    if (a->min > a->max)
        return schema_fail(a->s, schema_path(a->s, a->path, "minItems"), "is above maxItems");
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

errc schema_array(struct schema *s, const json_t *schema, const char *path, uint32_t from, uint32_t to)
{
    struct array a = { .s = s, .path = path, .max = REPEAT_INF };
    struct net *n = &s->net;

    TRY(read_array(&a, schema));
    uint32_t open = net_literal_from(n, from, STR("[")), first = net_node(n), close = net_node(n), last = net_node(n), at = first;
    net_call(n, open, first, json_space(n, &s->json));
    if (a.min == 0)
        net_literal(n, first, to, STR("]"));
    TRY(put_prefix(&a, &at, close));
    if (a.items && !json_is_false(a.items))
        TRY(put_items(&a, at, close));
    net_call(n, close, last, json_space(n, &s->json));
    net_literal(n, last, to, STR("]"));
    return ERR_OK;
}
