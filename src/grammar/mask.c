/*
 * Which tokens a state allows: the trie of the vocabulary walked beside the machine.
 *
 * Most of the work is the same for all places inside one rule, whatever surrounds it (the inside of a string allows nearly every
 * token). So each stack is cut below its innermost rule: the tokens that stay inside, and the trie nodes where the rule may be
 * left, are found once (struct local); for a whole stack only what lies below those exits is walked.
 */
#include "grammar/priv.h"

#define SPARSE_MAX 512u         /* ids of a mask kept as a list */

/*
 * What one mask may cost. A grammar so ambiguous that it costs more is offered fewer tokens: those of one byte always, so that the
 * text can still be completed.
 */
#define WORK_MAX    ((size_t)4 << 20)           /* frames */
#define BYTES_MAX   ((size_t)64 << 20)

struct sink { uint64_t *bits; struct vec32 *exits; };

/* Of the nodes [from, to). */
static void take_tokens(const struct grammar_vocab *v, uint32_t from, uint32_t to, uint64_t *bits)
{
    for (uint32_t k = v->token[from]; k < v->token[to]; k++) {
        uint32_t id = (uint32_t)v->ids[k];
        bits[id / 64] |= 1ull << (id % 64);
    }
}

static uint32_t step_within_cost(struct machine *m, uint32_t state, uint8_t byte, uint32_t depth)
{
    const uint32_t *next = m->states[state].next;
    bool known = next && next[m->g->class_of[byte]] != NONE, dear = m->work > WORK_MAX || m->bytes > BYTES_MAX;

    return !known && dear && depth > 1 ? STATE_DEAD : machine_next(m, state, byte);
}

/* The trie below a node, beside the machine in a state. but_text: without the parts that hold nothing but text. */
static void walk(struct machine *m, uint32_t below, uint32_t state, bool but_text, const struct sink *out)
{
    const struct grammar_vocab *v = m->v;
    uint32_t path[TOKEN_BYTES_MAX + 2], base = v->depth[below];
    bool in_text = !below && state_is_text(m, state);

    path[0] = state;
    for (uint32_t i = below + 1; i < v->end[below];) {
        if (but_text && v->is_text[i]) {
            i = v->end[i];
            continue;
        }
        uint32_t depth = v->depth[i] - base, to = step_within_cost(m, path[depth - 1], v->byte[i], depth + base);
        if (to == STATE_DEAD) {
            i = v->end[i];
            continue;
        }
        if (in_text && to == state && v->is_text[i]) {
            take_tokens(v, i, v->end[i], out->bits);
            i = v->end[i];
            continue;
        }
        path[depth] = to;
        take_tokens(v, i, i + 1, out->bits);
        if (m->states[to].exits)
            vec32_add(out->exits, i);
        i++;
    }
}

/* ---- the part of a stack inside its innermost rule ---- */

/* A number of rounds that looks the same for as many bytes as the longest token has: each round takes at least one. */
static uint32_t canonical_count(const struct machine *m, const struct frame *f)
{
    const struct edge *e = f->count ? repeat_edge(m->g, f->node) : NULL;
    uint32_t far = (uint32_t)m->v->max_bytes + 1, count = f->count;

    if (!e)
        return count;
    uint32_t missing = count < e->min ? e->min - count : 0;
    bool bounded = e->max != REPEAT_INF;
    if (bounded && e->max - count <= far)
        return count;
    if (missing > far)
        return e->min - far;
    if (bounded && !missing)
        return e->max - far > e->min ? e->max - far : e->min;
    return count;
}

static uint32_t canonical_frame(struct machine *m, uint32_t f)
{
    if (f <= FRAME_EXIT)
        return f;
    struct frame old = m->frames[f];
    uint32_t parent = canonical_frame(m, old.parent);
    return machine_frame(m, old.node, canonical_count(m, &old), parent);
}

/* The frames of f down to the rule that is not merely repeated by another, on FRAME_EXIT. *out_parent is what comes below. */
static uint32_t inner_frame(struct machine *m, uint32_t f, uint32_t *out_parent)
{
    struct frame old = m->frames[f];
    uint32_t parent = FRAME_EXIT;

    *out_parent = old.parent;
    if (m->g->in_body[old.node] && old.parent > FRAME_EXIT)
        parent = inner_frame(m, old.parent, out_parent);
    return machine_frame(m, old.node, canonical_count(m, &old), parent);
}

void local_free(struct local *l)
{
    if (!l)
        return;
    free(l->bits);
    free(l->exits);
    free(l);
}

/* Tokens of nothing but text that begin at most so many characters. */
static void take_text(const struct grammar_vocab *v, size_t most, uint64_t *bits)
{
    for (uint32_t k = 0; k < v->text_first[(most < TOKEN_BYTES_MAX ? most : TOKEN_BYTES_MAX) + 1]; k++) {
        uint32_t id = (uint32_t)v->text_ids[k];
        bits[id / 64] |= 1ull << (id % 64);
    }
}

static const struct local *local_of(struct machine *m, uint32_t inner)
{
    struct vec32 exits = { 0 };
    size_t words = grammar_vocab_words(m->v), most;

    if (m->locals[inner])
        return m->locals[inner];
    struct local *l = xzalloc(sizeof *l);
    l->bits = xcalloc(words, sizeof *l->bits);
    uint32_t state = machine_state(m, &inner, 1);
    most = counted_text(m, inner);
    take_text(m->v, most, l->bits);
    walk(m, 0, state, most > 0, &(struct sink){ l->bits, &exits });
    l->n_exits = (uint32_t)exits.n;
    l->exits = exits.v;
    m->bytes += sizeof *l + words * sizeof *l->bits + exits.cap * sizeof *exits.v;
    return m->locals[inner] = l;
}

/* ---- whole states ---- */

static void add_stack(struct machine *m, uint32_t top, const struct sink *out)
{
    uint32_t parent, inner = inner_frame(m, top, &parent);
    const struct local *l = local_of(m, inner);
    size_t words = grammar_vocab_words(m->v);

    for (size_t i = 0; i < words; i++)
        out->bits[i] |= l->bits[i];
    if (parent == FRAME_END)
        return;
    uint32_t after = machine_state(m, &parent, 1);
    for (uint32_t i = 0; i < l->n_exits; i++)
        walk(m, l->exits[i], after, false, out);
}

/* Stacks near the limit of depth are not cut: inside their rule the limit would be forgotten. */
static bool is_deep(const struct machine *m, uint32_t state)
{
    for (uint32_t k = 0; k < m->states[state].n_tops; k++)
        if (m->frames[m->states[state].tops[k]].depth > DEPTH_MAX / 2)
            return true;
    return false;
}

static struct mask *pack(struct machine *m, uint64_t *bits)
{
    size_t words = grammar_vocab_words(m->v), n = 0;
    struct mask *k = xzalloc(sizeof *k);

    for (size_t i = 0; i < words; i++)
        n += (size_t)__builtin_popcountll(bits[i]);
    k->n = (uint32_t)n;
    m->bytes += sizeof *k + (n > SPARSE_MAX ? words * sizeof *bits : n * sizeof *k->ids);
    if (n > SPARSE_MAX) {
        k->bits = bits;
        return k;
    }
    k->ids = xcalloc(n + 1, sizeof *k->ids);
    n = 0;
    for (size_t i = 0; i < words; i++)
        for (uint64_t left = bits[i]; left; left &= left - 1)
            k->ids[n++] = (int32_t)(i * 64 + (size_t)__builtin_ctzll(left));
    free(bits);
    return k;
}

static struct mask *make_mask(struct machine *m, uint32_t state)
{
    uint64_t *bits = xcalloc(grammar_vocab_words(m->v) + 1, sizeof *bits);
    struct vec32 exits = { 0 };
    struct sink out = { bits, &exits };

    if (is_deep(m, state))
        walk(m, 0, state, false, &out);
    else
        for (uint32_t k = 0; k < m->states[state].n_tops; k++)
            add_stack(m, m->states[state].tops[k], &out);
    free(exits.v);
    for (size_t i = 0; m->states[state].may_end && i < m->v->n_eos; i++)
        if (m->v->eos[i] >= 0 && (size_t)m->v->eos[i] < m->v->n)
            bits[m->v->eos[i] / 64] |= 1ull << (m->v->eos[i] % 64);
    return pack(m, bits);
}

/* The state with canonical counts, which has the same mask. */
static uint32_t canonical_state(struct machine *m, uint32_t state)
{
    struct vec32 frames = { 0 };

    if (m->states[state].canonical != NONE)
        return m->states[state].canonical;
    for (uint32_t k = 0; k < m->states[state].n_tops; k++)
        vec32_add(&frames, canonical_frame(m, m->states[state].tops[k]));
    if (m->states[state].may_end)
        vec32_add(&frames, FRAME_END);
    uint32_t made = machine_state(m, frames.v, frames.n);
    free(frames.v);
    return m->states[state].canonical = made;
}

const struct mask *machine_mask(struct machine *m, uint32_t state)
{
    uint32_t canonical = canonical_state(m, state);

    if (!m->states[canonical].mask) {
        m->work = 0;
        struct mask *made = make_mask(m, canonical);    /* may move the states */
        m->states[canonical].mask = made;
    }
    return m->states[canonical].mask;
}
