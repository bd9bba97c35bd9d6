/*
 * Keys that a schema describes instead of listing them. patternProperties matches anywhere in a key unless the expression is anchored
 * (JSON Schema core, 10.3.2.2), and a key that fits two descriptions must satisfy both: so descriptions that share a key are refused.
 */
#include "grammar/schema.h"

#define ANYTHING   "(?:[^a]|a)*"
#define PAIRS_MAX  ((size_t)1 << 20)    /* places that comparing two expressions looks at */

/* ---- a pattern as an expression for the whole key ---- */

static bool has_alternatives(const char *pattern)
{
    int depth = 0;

    for (const char *c = pattern; *c; c++) {
        if (*c == '\\' && c[1])
            c++;
        else if (*c == '[')
            while (c[1] && *++c != ']')
                c += *c == '\\' && c[1];
        else if (*c == '|' && !depth)
            return true;
        else
            depth += (*c == '(') - (*c == ')');
    }
    return false;
}

static bool ends_anchored(struct str s)
{
    size_t slashes = 0;

    while (slashes + 1 < s.n && s.p[s.n - 2 - slashes] == '\\')
        slashes++;
    return s.n && s.p[s.n - 1] == '$' && slashes % 2 == 0;
}

/* Alternatives may each have anchors of their own: only a pattern without them, or with them in a group, can be extended. */
static errc key_net(struct schema *s, const char *pattern, const char *path, struct char_net *out)
{
    struct str rest = str_of(pattern);
    AUTO_BUF whole = { 0 };
    bool left = str_has_prefix(rest, STR("^")), right = ends_anchored(rest);

    if (has_alternatives(pattern))
        return schema_fail(s, path, "alternatives in a pattern of keys are supported inside a group: ^(?:a|b)$");
    rest = str_n(rest.p + left, rest.n - left - right);
    buf_addf(&whole, "%s%.*s%s", left ? "" : ANYTHING, STR_ARG(rest), right ? "" : ANYTHING);
    errc rc = regex_parse(buf_str(&whole), out, s->e);
    return rc ? err_wrap(s->e, "%s", path) : ERR_OK;
}

/* ---- do two expressions share a text? ---- */

static int by_from(const void *a, const void *b)
{
    const struct arc *x = a, *y = b;

    return (x->from > y->from) - (x->from < y->from);
}

/* Arcs sorted by where they begin; those of node k are arcs[first[k]] .. arcs[first[k + 1]]. */
static uint32_t *arcs_by_node(struct char_net *c)
{
    uint32_t *first = xcalloc((size_t)c->n_nodes + 2, sizeof *first);

    if (c->n)
        qsort(c->arcs, c->n, sizeof *c->arcs, by_from);
    for (size_t i = 0; i < c->n; i++)
        first[c->arcs[i].from + 1]++;
    for (size_t k = 1; k <= c->n_nodes; k++)
        first[k] += first[k - 1];
    return first;
}

struct pairs { const struct char_net *a, *b; uint32_t *first_a, *first_b; bool *seen; struct vec32 todo; };

static void visit(struct pairs *p, uint32_t a, uint32_t b)
{
    size_t at = (size_t)a * p->b->n_nodes + b;

    if (!p->seen[at])
        vec32_add(&p->todo, (uint32_t)at);
    p->seen[at] = true;
}

static void visit_next(struct pairs *p, uint32_t a, uint32_t b)
{
    for (uint32_t i = p->first_a[a]; i < p->first_a[a + 1]; i++) {
        const struct arc *x = &p->a->arcs[i];
        if (x->epsilon)
            visit(p, x->to, b);
        for (uint32_t k = p->first_b[b]; !x->epsilon && k < p->first_b[b + 1]; k++) {
            const struct arc *y = &p->b->arcs[k];
            if (!y->epsilon && x->lo <= y->hi && y->lo <= x->hi)
                visit(p, x->to, y->to);
        }
    }
    for (uint32_t k = p->first_b[b]; k < p->first_b[b + 1]; k++)
        if (p->b->arcs[k].epsilon)
            visit(p, a, p->b->arcs[k].to);
}

/* True as well when they are too large to tell. */
static bool share_a_text(struct char_net *a, struct char_net *b)
{
    size_t n = (size_t)a->n_nodes * b->n_nodes;
    bool shared = false;

    if (n > PAIRS_MAX)
        return true;
    struct pairs p = { a, b, arcs_by_node(a), arcs_by_node(b), xcalloc(n + 1, sizeof(bool)), { 0 } };
    visit(&p, a->start, b->start);
    while (p.todo.n && !shared) {
        uint32_t at = p.todo.v[--p.todo.n];
        shared = at / b->n_nodes == a->end && at % b->n_nodes == b->end;
        visit_next(&p, at / b->n_nodes, at % b->n_nodes);
    }
    free(p.first_a);
    free(p.first_b);
    free(p.seen);
    free(p.todo.v);
    return shared;
}

/* A name as an expression that only it matches. */
static errc name_net(struct schema *s, const char *name, const char *path, struct char_net *out)
{
    AUTO_BUF text = { 0 };

    for (const char *c = name; *c; c++)
        buf_addf(&text, strchr("^$\\.*+?()[]{}|/", *c) ? "\\%c" : "%c", *c);
    errc rc = regex_parse(buf_str(&text), out, s->e);
    return rc ? err_wrap(s->e, "%s", path) : ERR_OK;
}

errc schema_keys_check(struct schema *s, const json_t *patterns, const json_t *listed, const char *path)
{
    const char *pattern, *other;
    json_t *value, *other_value;

    json_object_foreach((json_t *)(uintptr_t)patterns, pattern, value) {
        AUTO(char_net_done) struct char_net keys = { 0 };
        TRY(key_net(s, pattern, schema_path(s, path, pattern), &keys));
        json_object_foreach((json_t *)(uintptr_t)listed, other, other_value) {
            AUTO(char_net_done) struct char_net name = { 0 };
            TRY(name_net(s, other, path, &name));
            if (share_a_text(&keys, &name))
                return schema_fail(s, schema_path(s, path, pattern), "matches \"%.200s\", too, which properties or required list: this is not supported", other);
        }
        json_object_foreach((json_t *)(uintptr_t)patterns, other, other_value) {
            AUTO(char_net_done) struct char_net more = { 0 };
            if (streq(other, pattern) || json_equal(value, other_value))
                continue;
            TRY(key_net(s, other, schema_path(s, path, other), &more));
            if (share_a_text(&keys, &more))
                return schema_fail(s, schema_path(s, path, pattern), "and \"%.200s\" may match one key: this is not supported", other);
        }
    }
    return ERR_OK;
}

errc schema_put_key(struct schema *s, const char *pattern, const char *path, uint32_t from, uint32_t to)
{
    AUTO(char_net_done) struct char_net keys = { 0 };
    struct net *n = &s->net;

    TRY(key_net(s, pattern, schema_path(s, path, pattern), &keys));
    uint32_t inside = net_literal_from(n, from, STR("\"")), end = net_node(n);
    char_net_put(&keys, n, inside, end, json_plain_chars, 0, REPEAT_INF);
    net_literal(n, end, to, STR("\""));
    return ERR_OK;
}

static bool says_only(const json_t *schema, const char *keyword)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)schema, key, value)
        if (!schema_is_annotation(key) && !streq(key, keyword) && !(streq(key, "type") && streq(json_string_value(value), "string")))
            return false;
    return true;
}

bool schema_says_nothing_of_keys(const json_t *schema) { return json_is_true(schema) || (json_is_object(schema) && says_only(schema, NULL)); }
bool schema_is_enum(const json_t *schema) { return says_only(schema, "enum"); }
