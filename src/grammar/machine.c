/*
 * The network as a machine that is made while it runs: frames (stacks) and states (sets of stacks) get numbers when first met, and
 * a step from a state is looked up the second time.
 */
#include "grammar/priv.h"

#define TOPS_MAX    2048u       /* stacks of one state: an ambiguous grammar loses alternatives beyond, never its way to the end */
#define VISITS_MAX  16384u      /* frames that one closure looks at */

void vec32_add(struct vec32 *v, uint32_t x)
{
    vec_grow(v->v, v->n, v->cap);
    v->v[v->n++] = x;
}

/* ---- numbers for equal things ---- */

static uint32_t mix(uint32_t h, uint32_t x)
{
    h = (h ^ x) * 0x9e3779b1u;
    return h ^ (h >> 15);
}

static uint32_t frame_hash(const struct machine *m, uint32_t i)
{
    const struct frame *f = &m->frames[i];

    return mix(mix(mix(7, f->node), f->count), f->parent);
}

static uint32_t state_hash(const struct machine *m, uint32_t i)
{
    const struct state *s = &m->states[i];
    uint32_t h = s->may_end * 2u + s->exits;

    for (uint32_t k = 0; k < s->n_tops; k++)
        h = mix(h, s->tops[k]);
    return h;
}

static void table_put(struct table *t, uint32_t hash, uint32_t number)
{
    size_t i = hash & (t->n_slots - 1);

    while (t->slots[i])
        i = (i + 1) & (t->n_slots - 1);
    t->slots[i] = number + 1;
    t->used++;
}

static void table_room(struct machine *m, struct table *t, uint32_t hash(const struct machine *, uint32_t))
{
    if (t->n_slots && t->used * 2 < t->n_slots)
        return;
    struct table old = *t;
    t->n_slots = old.n_slots ? old.n_slots * 2 : 256;
    t->slots = xcalloc(t->n_slots, sizeof *t->slots);
    t->used = 0;
    for (size_t i = 0; i < old.n_slots; i++)
        if (old.slots[i])
            table_put(t, hash(m, old.slots[i] - 1), old.slots[i] - 1);
    free(old.slots);
}

/* ---- frames ---- */

static bool same_frame(const struct frame *a, const struct frame *b)
{
    return a->node == b->node && a->count == b->count && a->parent == b->parent;
}

static uint32_t add_frame(struct machine *m, struct frame f)
{
    if (m->n_frames == m->cap_stamps) {
        vec_grow(m->frames, m->n_frames, m->cap_frames);
        m->stamp = xreallocarray(m->stamp, m->cap_frames, sizeof *m->stamp);
        m->locals = xreallocarray(m->locals, m->cap_frames, sizeof *m->locals);
        for (size_t i = m->cap_stamps; i < m->cap_frames; i++) {
            m->stamp[i] = 0;
            m->locals[i] = NULL;
        }
        m->cap_stamps = m->cap_frames;
    }
    m->frames[m->n_frames] = f;
    m->bytes += sizeof f + 24;
    return (uint32_t)m->n_frames++;
}

uint32_t machine_frame(struct machine *m, uint32_t node, uint32_t count, uint32_t parent)
{
    struct frame f = { node, count, parent, m->frames[parent].depth + 1 };

    if (f.depth + m->g->need[node] > DEPTH_MAX)
        return NONE;
    table_room(m, &m->frame_table, frame_hash);
    uint32_t hash = mix(mix(mix(7, node), count), parent);
    for (size_t i = hash;; i++) {
        uint32_t number = m->frame_table.slots[i & (m->frame_table.n_slots - 1)];
        if (!number)
            break;
        if (same_frame(&m->frames[number - 1], &f))
            return number - 1;
    }
    uint32_t made = add_frame(m, f);
    table_put(&m->frame_table, hash, made);
    return made;
}

/* ---- closures: everything that is reached without consuming ---- */

static void visit_frame(struct machine *m, uint32_t node, uint32_t count, uint32_t parent)
{
    uint32_t f = machine_frame(m, node, count, parent);

    if (f != NONE)
        vec32_add(&m->todo, f);
}

/* What follows a call: the place behind it, or what is behind the whole rule when the call was its last act. */
static uint32_t frame_behind(struct machine *m, const struct edge *e, uint32_t parent)
{
    return m->g->is_end[e->to] ? parent : machine_frame(m, e->to, 0, parent);
}

static void visit_repeat(struct machine *m, const struct edge *e, const struct frame *f)
{
    uint32_t count = f->count + 1;

    if (f->count >= e->min)
        visit_frame(m, e->to, 0, f->parent);
    if (f->count >= e->max)
        return;
    if (e->max == REPEAT_INF && count > e->min)
        count = e->min;                 /* rounds beyond are alike */
    uint32_t after = machine_frame(m, f->node, count, f->parent);
    if (after != NONE)
        visit_frame(m, m->g->rules[e->rule].start, 0, after);
}

/* True when the node of f consumes: f is a top then. */
static bool visit_edges(struct machine *m, struct frame f)
{
    const struct grammar *g = m->g;
    bool consumes = false;

    for (uint32_t i = g->first[f.node]; i < g->first[f.node + 1]; i++) {
        const struct edge *e = &g->edges[i];
        uint32_t after;
        switch ((enum edge_kind)e->kind) {
        case EDGE_BYTES:
            consumes = true;
            break;
        case EDGE_EPSILON:
            visit_frame(m, e->to, 0, f.parent);
            break;
        case EDGE_CALL:
            after = frame_behind(m, e, f.parent);
            if (after != NONE)
                visit_frame(m, g->rules[e->rule].start, 0, after);
            break;
        case EDGE_REPEAT:
            visit_repeat(m, e, &f);
            break;
        }
    }
    return consumes;
}

static void closure(struct machine *m)
{
    size_t visits = 0;

    m->epoch++;
    m->may_end = m->exits = false;
    m->tops.n = 0;
    while (m->todo.n) {
        uint32_t f = m->todo.v[--m->todo.n];
        if (m->stamp[f] == m->epoch)
            continue;
        m->stamp[f] = m->epoch;
        m->work++;
        if (f == FRAME_END)
            m->may_end = true;
        else if (f == FRAME_EXIT)
            m->exits = true;
        else if (visits++ >= VISITS_MAX)
            continue;
        else if (m->g->is_end[m->frames[f].node])
            vec32_add(&m->todo, m->frames[f].parent);
        else if (visit_edges(m, m->frames[f]) && m->tops.n < TOPS_MAX)
            vec32_add(&m->tops, f);
    }
}

/* ---- states ---- */

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static bool is_state(const struct machine *m, const struct state *s)
{
    return s->n_tops == m->tops.n && s->may_end == m->may_end && s->exits == m->exits &&
           (!s->n_tops || memcmp(s->tops, m->tops.v, m->tops.n * sizeof *s->tops) == 0);
}

static uint32_t add_state(struct machine *m)
{
    vec_grow(m->states, m->n_states, m->cap_states);
    m->states[m->n_states] = (struct state){ .n_tops = (uint32_t)m->tops.n, .may_end = m->may_end, .exits = m->exits, .canonical = NONE,
                                             .tops = xmemdup(m->tops.v, m->tops.n * sizeof *m->tops.v) };
    m->bytes += sizeof(struct state) + m->tops.n * sizeof *m->tops.v + 16;
    return (uint32_t)m->n_states++;
}

/* The state of what closure() found. */
static uint32_t found_state(struct machine *m)
{
    if (m->tops.n > 1)
        qsort(m->tops.v, m->tops.n, sizeof *m->tops.v, by_number);
    table_room(m, &m->state_table, state_hash);
    uint32_t hash = m->may_end * 2u + m->exits;
    for (size_t k = 0; k < m->tops.n; k++)
        hash = mix(hash, m->tops.v[k]);
    for (size_t i = hash;; i++) {
        uint32_t number = m->state_table.slots[i & (m->state_table.n_slots - 1)];
        if (!number)
            break;
        if (is_state(m, &m->states[number - 1]))
            return number - 1;
    }
    uint32_t made = add_state(m);
    table_put(&m->state_table, hash, made);
    return made;
}

uint32_t machine_state(struct machine *m, const uint32_t *frames, size_t n)
{
    m->todo.n = 0;
    for (size_t i = 0; i < n; i++)
        vec32_add(&m->todo, frames[i]);
    closure(m);
    return found_state(m);
}

static uint32_t *new_row(struct machine *m)
{
    uint32_t *row = xmalloc(m->g->n_classes * sizeof *row);

    memset(row, 0xff, m->g->n_classes * sizeof *row);
    m->bytes += m->g->n_classes * sizeof *row;
    return row;
}

uint32_t machine_step(struct machine *m, uint32_t state, size_t class)
{
    const struct grammar *g = m->g;
    uint8_t byte = g->byte_of[class];

    m->todo.n = 0;
    for (uint32_t k = 0; k < m->states[state].n_tops; k++) {
        struct frame f = m->frames[m->states[state].tops[k]];
        for (uint32_t i = g->first[f.node]; i < g->first[f.node + 1]; i++) {
            const struct edge *e = &g->edges[i];
            if (e->kind == EDGE_BYTES && e->lo <= byte && byte <= e->hi)
                visit_frame(m, e->to, 0, f.parent);
        }
    }
    closure(m);
    uint32_t to = found_state(m);
    if (!m->states[state].next)
        m->states[state].next = new_row(m);
    return m->states[state].next[class] = to;
}

uint32_t machine_start(struct machine *m)
{
    uint32_t start = machine_frame(m, m->g->start, 0, FRAME_END);

    return machine_state(m, &start, 1);
}

/* ---- life ---- */

struct machine *machine_new(const struct grammar *g, const struct grammar_vocab *v)
{
    struct machine *m = xzalloc(sizeof *m);

    m->g = g;
    m->v = v;
    m->refs = 1;
    (void)add_frame(m, (struct frame){ 0 });            /* FRAME_END and FRAME_EXIT, which no table finds */
    (void)add_frame(m, (struct frame){ 0 });
    (void)found_state(m);                               /* STATE_DEAD: the empty set */
    return m;
}

static void free_state(struct state *s)
{
    free(s->tops);
    free(s->next);
    if (s->mask) {
        free(s->mask->ids);
        free(s->mask->bits);
        free(s->mask);
    }
}

void machine_free(struct machine *m)
{
    if (!m || __atomic_sub_fetch(&m->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (size_t i = 0; i < m->n_states; i++)
        free_state(&m->states[i]);
    for (size_t i = 0; i < m->n_frames; i++)
        local_free(m->locals[i]);
    free(m->states);
    free(m->frames);
    free(m->stamp);
    free(m->locals);
    free(m->frame_table.slots);
    free(m->state_table.slots);
    free(m->todo.v);
    free(m->tops.v);
    free(m);
}
