/*
 * From a network to a grammar: what can never be finished is cut away, left recursion is refused, edges are laid out per node and
 * bytes that no edge tells apart become one class.
 */
#include "grammar/priv.h"

/* Edges by their target and by the rule they go through, as numbers into net.edges. */
struct index { uint32_t *by_to, *to_first, *by_rule, *rule_first; };

static void index_done(struct index *x)
{
    free(x->by_to);
    free(x->to_first);
    free(x->by_rule);
    free(x->rule_first);
}

static bool goes_through(const struct edge *e) { return e->kind == EDGE_CALL || e->kind == EDGE_REPEAT; }
static uint32_t target_of(const struct net_edge *e) { return e->e.to; }
static uint32_t source_of(const struct net_edge *e) { return e->from; }
static uint32_t rule_of(const struct net_edge *e) { return goes_through(&e->e) ? e->e.rule : NONE; }

/* Counting sort of the edges by key, NONE left out: those of key k are out[first[k]] .. out[first[k + 1]]. */
static void sort_edges(const struct net *n, size_t keys, uint32_t key(const struct net_edge *), uint32_t **out, uint32_t **first)
{
    *first = xcalloc(keys + 2, sizeof **first);
    *out = xcalloc(n->n_edges + 1, sizeof **out);
    for (size_t i = 0; i < n->n_edges; i++)
        if (key(&n->edges[i]) != NONE)
            (*first)[key(&n->edges[i]) + 2]++;
    for (size_t k = 2; k < keys + 2; k++)
        (*first)[k] += (*first)[k - 1];
    for (size_t i = 0; i < n->n_edges; i++)
        if (key(&n->edges[i]) != NONE)
            (*out)[(*first)[key(&n->edges[i]) + 1]++] = (uint32_t)i;
}

/* Frames that going on over this edge takes at least; NONE: not known, or no way. */
static uint32_t edge_need(const struct net *n, const struct edge *e, const uint32_t *need, bool bytes_count)
{
    uint32_t after = need[e->to];

    if (after == NONE || (e->kind == EDGE_BYTES && !bytes_count))
        return NONE;
    if (!goes_through(e) || (e->kind == EDGE_REPEAT && e->min == 0))
        return after;
    uint32_t inside = need[n->rules[e->rule].start];
    return inside == NONE ? NONE : inside + 1 > after ? inside + 1 : after;
}

/* The edges of one key may be cheaper now: their sources go to the level of what going on over them takes. */
static void look_again(const struct net *n, const uint32_t *edges, const uint32_t *first, uint32_t key, bool bytes_count, const uint32_t *need,
                       struct vec32 *level)
{
    for (uint32_t i = first[key]; i < first[key + 1]; i++) {
        const struct net_edge *e = &n->edges[edges[i]];
        uint32_t cost = edge_need(n, &e->e, need, bytes_count);
        if (cost <= DEPTH_MAX && need[e->from] == NONE)
            vec32_add(&level[cost], e->from);
    }
}

/*
 * need[node]: frames that finishing the node's rule takes at least; NONE when it cannot be done (within DEPTH_MAX). Without bytes_count
 * only ways that consume nothing are seen. Knuth 1977, "A generalization of Dijkstra's algorithm".
 */
static void solve(const struct net *n, const struct index *x, bool bytes_count, uint32_t *need)
{
    struct vec32 *level = xcalloc(DEPTH_MAX + 1, sizeof *level);
    uint32_t *started_by = xcalloc(n->n_nodes + 1, sizeof *started_by);         /* rule + 1 */

    memset(need, 0xff, n->n_nodes * sizeof *need);
    for (uint32_t r = 0; r < n->n_rules; r++) {
        started_by[n->rules[r].start] = r + 1;
        vec32_add(&level[0], n->rules[r].end);
    }
    for (uint32_t k = 0; k <= DEPTH_MAX; k++) {
        while (level[k].n) {
            uint32_t node = level[k].v[--level[k].n], r = started_by[node];
            if (need[node] != NONE)
                continue;
            need[node] = k;
            look_again(n, x->by_to, x->to_first, node, bytes_count, need, level);
            if (r)
                look_again(n, x->by_rule, x->rule_first, r - 1, bytes_count, need, level);
        }
        free(level[k].v);
    }
    free(level);
    free(started_by);
}

/* What a rule may begin with, before anything is consumed: calls of other rules, as pairs (from, to). */
struct calls { uint32_t *from, *to; size_t n; };

/* The edges of a node that a rule may be at before anything is consumed: what it calls, and the nodes behind. */
static void left_edges(const struct net *n, const uint32_t *edges, size_t n_edges, const uint32_t *nullable, uint32_t rule, struct calls *out,
                       struct vec32 *todo)
{
    for (size_t i = 0; i < n_edges; i++) {
        const struct edge *e = &n->edges[edges[i]].e;
        if (e->kind == EDGE_BYTES)
            continue;
        if (goes_through(e)) {
            out->from[out->n] = rule;
            out->to[out->n++] = e->rule;
        }
        if (!goes_through(e) || nullable[n->rules[e->rule].start] != NONE || (e->kind == EDGE_REPEAT && !e->min))
            vec32_add(todo, e->to);
    }
}

static void left_calls(const struct net *n, const uint32_t *by_from, const uint32_t *first, const uint32_t *nullable, struct calls *out)
{
    bool *seen = xcalloc(n->n_nodes + 1, sizeof *seen);
    struct vec32 todo = { 0 };

    for (uint32_t r = 0; r < n->n_rules; r++) {
        vec32_add(&todo, n->rules[r].start);
        while (todo.n) {
            uint32_t node = todo.v[--todo.n];
            if (seen[node])
                continue;
            seen[node] = true;
            left_edges(n, by_from + first[node], first[node + 1] - first[node], nullable, r, out, &todo);
        }
    }
    free(todo.v);
    free(seen);
}

/* Kahn 1962: rules that nobody begins with are taken away until none is left, or a cycle. */
static bool has_cycle(const struct calls *c, size_t n_rules)
{
    uint32_t *users = xcalloc(n_rules + 1, sizeof *users), *head = xmalloc((n_rules + 1) * sizeof *head);
    uint32_t *next = xcalloc(c->n + 1, sizeof *next);
    struct vec32 free_rules = { 0 };
    size_t taken = 0;

    memset(head, 0xff, (n_rules + 1) * sizeof *head);
    for (uint32_t i = 0; i < c->n; i++) {
        users[c->to[i]]++;
        next[i] = head[c->from[i]];
        head[c->from[i]] = i;
    }
    for (uint32_t r = 0; r < n_rules; r++)
        if (!users[r])
            vec32_add(&free_rules, r);
    for (; free_rules.n; taken++)
        for (uint32_t i = head[free_rules.v[--free_rules.n]]; i != NONE; i = next[i])
            if (!--users[c->to[i]])
                vec32_add(&free_rules, c->to[i]);
    free(users);
    free(head);
    free(next);
    free(free_rules.v);
    return taken < n_rules;
}

static errc check_recursion(const struct net *n, const uint32_t *nullable, const char *what, struct err *e)
{
    uint32_t *by_from, *first;
    struct calls calls = { xcalloc(n->n_edges + 1, sizeof(uint32_t)), xcalloc(n->n_edges + 1, sizeof(uint32_t)), 0 };

    sort_edges(n, n->n_nodes, source_of, &by_from, &first);
    left_calls(n, by_from, first, nullable, &calls);
    bool cycle = has_cycle(&calls, n->n_rules);
    free(by_from);
    free(first);
    free(calls.from);
    free(calls.to);
    return cycle ? err_set(e, ERR_BAD_REQUEST, "%s: refers to itself before anything is written (left recursion)", what) : ERR_OK;
}

static void lay_out(struct grammar *g, const struct net *n)
{
    uint32_t *by_from;

    sort_edges(n, n->n_nodes, source_of, &by_from, &g->first);
    g->edges = xcalloc(n->n_edges + 1, sizeof *g->edges);
    uint32_t kept = 0, at = 0;
    for (uint32_t node = 0; node < n->n_nodes; node++) {
        uint32_t end = g->first[node + 1];
        g->first[node] = kept;
        for (; at < end; at++) {
            const struct edge *e = &n->edges[by_from[at]].e;
            if (edge_need(n, e, g->need, true) != NONE)
                g->edges[kept++] = *e;
        }
    }
    g->first[n->n_nodes] = kept;
    free(by_from);
}

static void classes(struct grammar *g)
{
    bool cut[257] = { [0] = true };
    size_t n = 0;

    for (uint32_t i = 0; i < g->first[g->n_nodes]; i++)
        if (g->edges[i].kind == EDGE_BYTES)
            cut[g->edges[i].lo] = cut[(size_t)g->edges[i].hi + 1] = true;
    for (size_t b = 0; b < 256; b++) {
        if (cut[b])
            g->byte_of[n++] = (uint8_t)b;
        g->class_of[b] = (uint8_t)(n - 1);
    }
    g->n_classes = n;
}

/* Nodes of repeated rules: those that are reached from their starts. */
static void mark_bodies(struct grammar *g, const struct net *n)
{
    struct vec32 todo = { 0 };

    g->in_body = xcalloc(g->n_nodes, sizeof *g->in_body);
    g->is_end = xcalloc(g->n_nodes, sizeof *g->is_end);
    for (size_t r = 0; r < n->n_rules; r++) {
        g->is_end[n->rules[r].end] = true;
        if (n->rules[r].body)
            vec32_add(&todo, n->rules[r].start);
    }
    while (todo.n) {
        uint32_t node = todo.v[--todo.n];
        if (g->in_body[node])
            continue;
        g->in_body[node] = true;
        for (uint32_t i = g->first[node]; i < g->first[node + 1]; i++)
            vec32_add(&todo, g->edges[i].to);
    }
    free(todo.v);
}

static errc check_net(const struct net *n, const char *what, uint32_t *need, struct err *e)
{
    uint32_t *nullable = xcalloc(n->n_nodes, sizeof *nullable);
    struct index x;

    sort_edges(n, n->n_nodes, target_of, &x.by_to, &x.to_first);
    sort_edges(n, n->n_rules, rule_of, &x.by_rule, &x.rule_first);
    solve(n, &x, true, need);
    solve(n, &x, false, nullable);
    index_done(&x);
    errc rc = check_recursion(n, nullable, what, e);
    for (size_t i = 0; i < n->n_edges && !rc; i++)
        if (n->edges[i].e.kind == EDGE_REPEAT && nullable[n->rules[n->edges[i].e.rule].start] != NONE)
            rc = err_set(e, ERR_INTERNAL, "%s: repeats something that may be empty", what);
    if (!rc && need[n->rules[0].start] == NONE)
        rc = err_set(e, ERR_BAD_REQUEST, "%s: no text satisfies it, or only one nested deeper than %u", what, DEPTH_MAX);
    free(nullable);
    return rc;
}

errc grammar_from_net(struct net *n, const char *what, struct grammar **out, struct err *e)
{
    AUTO_FREE(grammar) g = xzalloc(sizeof *g);

    g->refs = 1;
    if (n->too_large)
        return err_set(e, ERR_BAD_REQUEST, "%s: too large: more than %u places, or more than %u rules", what, NODES_MAX, RULES_MAX);
    g->n_nodes = n->n_nodes;
    g->need = xcalloc(n->n_nodes, sizeof *g->need);
    TRY(check_net(n, what, g->need, e));
    lay_out(g, n);
    classes(g);
    mark_bodies(g, n);
    g->rules = TAKE(n->rules);
    g->start = g->rules[0].start;
    *out = TAKE(g);
    return ERR_OK;
}

struct grammar *grammar_ref(struct grammar *g)
{
    __atomic_add_fetch(&g->refs, 1, __ATOMIC_RELAXED);
    return g;
}

void grammar_free(struct grammar *g)
{
    if (!g || __atomic_sub_fetch(&g->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    machine_free(g->machine);
    free(g->edges);
    free(g->first);
    free(g->need);
    free(g->rules);
    free(g->is_end);
    free(g->in_body);
    free(g);
}
