/* A network over code points written into one over bytes: in the alphabet of a text, with a limit on the length. */
#include "grammar/priv.h"

struct lowering {
    const struct char_net *c;
    struct net *n;
    uint32_t *first, *by_from;          /* arcs per node */
    uint32_t *made;                     /* [n_nodes, lengths]: node in n, NONE: not reached */
    uint32_t lengths, min, max;
    struct vec32 todo;
};

static void arcs_by_node(struct lowering *l)
{
    const struct char_net *c = l->c;

    l->first = xcalloc((size_t)c->n_nodes + 2, sizeof *l->first);
    l->by_from = xcalloc(c->n + 1, sizeof *l->by_from);
    for (size_t i = 0; i < c->n; i++)
        l->first[c->arcs[i].from + 1]++;
    for (size_t k = 1; k <= c->n_nodes; k++)
        l->first[k] += l->first[k - 1];
    for (size_t i = c->n; i-- > 0;)
        l->by_from[--l->first[c->arcs[i].from + 1]] = (uint32_t)i;
    for (size_t k = 0; k < c->n_nodes; k++)
        l->first[k] = l->first[k + 1];
    l->first[c->n_nodes] = (uint32_t)c->n;
}

/* The node for (node, length so far); queued when new. */
static uint32_t place(struct lowering *l, uint32_t node, uint32_t length)
{
    size_t at = (size_t)node * l->lengths + length;

    if (l->made[at] == NONE) {
        l->made[at] = net_node(l->n);
        vec32_add(&l->todo, (uint32_t)at);
    }
    return l->made[at];
}

static void lower_node(struct lowering *l, uint32_t at, uint32_t to, put_chars *put)
{
    const struct char_net *c = l->c;
    uint32_t node = at / l->lengths, length = at % l->lengths, from = l->made[at];
    uint32_t longer = length + 1 < l->lengths ? length + 1 : l->max == REPEAT_INF ? length : NONE;

    if (node == c->end && length >= l->min)
        net_epsilon(l->n, from, to);
    for (uint32_t i = l->first[node]; i < l->first[node + 1]; i++) {
        const struct arc *a = &c->arcs[l->by_from[i]];
        if (a->epsilon)
            net_epsilon(l->n, from, place(l, a->to, length));
        else if (longer != NONE)
            put(l->n, from, place(l, a->to, longer), a->lo, a->hi);
    }
}

void char_net_put(const struct char_net *c, struct net *n, uint32_t from, uint32_t to, put_chars *put, uint32_t min, uint32_t max)
{
    struct lowering l = { .c = c, .n = n, .min = min, .max = max, .lengths = (max == REPEAT_INF ? min : max) + 1 };
    size_t cells;

    if (!size_mul(c->n_nodes, l.lengths, &cells) || cells > (size_t)NODES_MAX * 16) {
        n->too_large = true;
        return;
    }
    l.made = xmalloc(cells * sizeof *l.made);
    memset(l.made, 0xff, cells * sizeof *l.made);
    arcs_by_node(&l);
    net_epsilon(n, from, place(&l, c->start, 0));
    while (l.todo.n && !n->too_large)
        lower_node(&l, l.todo.v[--l.todo.n], to, put);
    free(l.made);
    free(l.first);
    free(l.by_from);
    free(l.todo.v);
}

errc grammar_compile_regex(struct str pattern, struct grammar **out, struct err *e)
{
    struct char_net c = { 0 };
    struct net n = { 0 };
    errc rc = regex_parse(pattern, &c, e);

    if (!rc) {
        uint32_t root = net_rule(&n);
        char_net_put(&c, &n, n.rules[root].start, n.rules[root].end, net_chars, 0, REPEAT_INF);
        rc = grammar_from_net(&n, "regular expression", out, e);
    }
    net_done(&n);
    char_net_done(&c);
    return rc;
}

errc grammar_compile_choice(const struct str *choices, size_t n_choices, struct grammar **out, struct err *e)
{
    struct net n = { 0 };
    uint32_t root = net_rule(&n);

    for (size_t i = 0; i < n_choices; i++)
        net_literal(&n, n.rules[root].start, n.rules[root].end, choices[i]);
    errc rc = n_choices ? grammar_from_net(&n, "choice", out, e) : err_set(e, ERR_BAD_REQUEST, "choice: must not be empty");
    net_done(&n);
    return rc;
}
