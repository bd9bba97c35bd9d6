/* Rules under construction: nodes, edges, and UTF-8 as byte ranges. */
#include "grammar/priv.h"

void net_done(struct net *n)
{
    free(n->edges);
    free(n->rules);
    *n = (struct net){ 0 };
}

uint32_t net_node(struct net *n)
{
    if (n->n_nodes >= NODES_MAX) {
        n->too_large = true;
        return 0;
    }
    return n->n_nodes++;
}

uint32_t net_rule(struct net *n)
{
    if (n->n_rules >= RULES_MAX) {
        n->too_large = true;
        return 0;
    }
    vec_grow(n->rules, n->n_rules, n->cap_rules);
    n->rules[n->n_rules].start = net_node(n);
    n->rules[n->n_rules].end = net_node(n);
    n->rules[n->n_rules].body = false;
    return (uint32_t)n->n_rules++;
}

static void add(struct net *n, uint32_t from, struct edge e)
{
    if (n->n_edges >= (size_t)NODES_MAX * 4)
        n->too_large = true;
    if (n->too_large)
        return;
    vec_grow(n->edges, n->n_edges, n->cap_edges);
    n->edges[n->n_edges++] = (struct net_edge){ e, from };
}

void net_epsilon(struct net *n, uint32_t from, uint32_t to)
{
    add(n, from, (struct edge){ .kind = EDGE_EPSILON, .to = to });
}

void net_bytes(struct net *n, uint32_t from, uint32_t to, uint8_t lo, uint8_t hi)
{
    add(n, from, (struct edge){ .kind = EDGE_BYTES, .to = to, .lo = lo, .hi = hi });
}

void net_call(struct net *n, uint32_t from, uint32_t to, uint32_t rule)
{
    add(n, from, (struct edge){ .kind = EDGE_CALL, .to = to, .rule = rule });
}

void net_repeat(struct net *n, uint32_t from, uint32_t to, uint32_t rule, uint32_t min, uint32_t max)
{
    uint32_t own = net_node(n);         /* the count belongs to a node of its own */

    if (n->too_large)
        return;
    net_epsilon(n, from, own);
    n->rules[rule].body = true;
    add(n, own, (struct edge){ .kind = EDGE_REPEAT, .to = to, .rule = rule, .min = min, .max = max });
}

uint32_t net_literal_from(struct net *n, uint32_t from, struct str text)
{
    for (size_t i = 0; i < text.n && !n->too_large; i++) {
        uint32_t to = net_node(n);
        net_bytes(n, from, to, (uint8_t)text.p[i], (uint8_t)text.p[i]);
        from = to;
    }
    return from;
}

void net_literal(struct net *n, uint32_t from, uint32_t to, struct str text)
{
    if (!text.n) {
        net_epsilon(n, from, to);
        return;
    }
    uint8_t last = (uint8_t)text.p[text.n - 1];
    net_bytes(n, net_literal_from(n, from, str_n(text.p, text.n - 1)), to, last, last);
}

static size_t utf8_put(uint32_t cp, uint8_t out[4])
{
    static const uint8_t lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    size_t len = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;

    for (size_t i = len; i-- > 1; cp >>= 6)
        out[i] = (uint8_t)(0x80 | (cp & 0x3f));
    out[0] = (uint8_t)(len == 1 ? cp : lead[len] | cp);
    return len;
}

/* Code points lo..hi whose encodings have the same length, from byte `at` on: split until each byte is a range of its own. */
static void utf8_edges(struct net *n, uint32_t from, uint32_t to, const uint8_t *lo, const uint8_t *hi, size_t len)
{
    static const uint8_t lowest[4] = { 0x80, 0x80, 0x80, 0x80 }, highest[4] = { 0xbf, 0xbf, 0xbf, 0xbf };
    uint8_t first = lo[0], last = hi[0];

    if (len == 1) {
        net_bytes(n, from, to, first, last);
        return;
    }
    if (first == last) {
        uint32_t next = net_node(n);
        net_bytes(n, from, next, first, first);
        utf8_edges(n, next, to, lo + 1, hi + 1, len - 1);
        return;
    }
    if (memcmp(lo + 1, lowest, len - 1) != 0) {
        uint32_t next = net_node(n);
        net_bytes(n, from, next, first, first);
        utf8_edges(n, next, to, lo + 1, highest, len - 1);
        first++;
    }
    if (memcmp(hi + 1, highest, len - 1) != 0) {
        uint32_t next = net_node(n);
        net_bytes(n, from, next, last, last);
        utf8_edges(n, next, to, lowest, hi + 1, len - 1);
        last--;
    }
    if (first <= last) {
        uint32_t next = net_node(n);
        net_bytes(n, from, next, first, last);
        utf8_edges(n, next, to, lowest, highest, len - 1);
    }
}

void net_chars(struct net *n, uint32_t from, uint32_t to, uint32_t lo, uint32_t hi)
{
    static const uint32_t parts[][2] = { { 0, 0x7f }, { 0x80, 0x7ff }, { 0x800, 0xd7ff }, { 0xe000, 0xffff }, { 0x10000, 0x10ffff } };

    for (size_t i = 0; i < ARRAY_LEN(parts) && !n->too_large; i++) {
        uint32_t low = lo > parts[i][0] ? lo : parts[i][0], high = hi < parts[i][1] ? hi : parts[i][1];
        uint8_t first[4], last[4];
        if (low > high)
            continue;
        size_t len = utf8_put(low, first);
        (void)utf8_put(high, last);
        utf8_edges(n, from, to, first, last, len);
    }
}
