/* One text under way: a state of the machine, which all matchers of a grammar share until its caches are full. */
#include "grammar/priv.h"

#define CACHE_BYTES_MAX ((size_t)16 << 20)       /* of one grammar; then new caches are begun and matchers move when next used */

struct matcher {
    struct grammar *g;
    const struct grammar_vocab *v;
    struct machine *machine;            /* NULL until the first use */
    uint32_t state;
    bool ended;                         /* an end-of-text token was taken */
};

struct matcher *matcher_new(struct grammar *g, const struct grammar_vocab *v)
{
    struct matcher *m = xzalloc(sizeof *m);

    m->g = grammar_ref(g);
    m->v = v;
    return m;
}

void matcher_free(struct matcher *m)
{
    if (!m)
        return;
    machine_free(m->machine);
    grammar_free(m->g);
    free(m);
}

/* The same stack in another machine. */
static uint32_t copy_frame(struct machine *to, const struct machine *from, uint32_t f)
{
    if (f <= FRAME_EXIT)
        return f;
    const struct frame *old = &from->frames[f];
    return machine_frame(to, old->node, old->count, copy_frame(to, from, old->parent));
}

static uint32_t copy_state(struct machine *to, const struct machine *from, uint32_t state)
{
    const struct state *s = &from->states[state];
    struct vec32 frames = { 0 };

    for (uint32_t k = 0; k < s->n_tops; k++)
        vec32_add(&frames, copy_frame(to, from, s->tops[k]));
    if (s->may_end)
        vec32_add(&frames, FRAME_END);
    uint32_t made = machine_state(to, frames.v, frames.n);
    free(frames.v);
    return made;
}

/* The machine to work with: the grammar's current one, made or renewed here. */
static struct machine *ready(struct matcher *m)
{
    struct grammar *g = m->g;
    struct machine *old = m->machine;

    if (!g->machine || g->machine->bytes > CACHE_BYTES_MAX || g->machine->v != m->v) {
        machine_free(g->machine);
        g->machine = machine_new(g, m->v);
    }
    if (old == g->machine)
        return old;
    m->state = old ? copy_state(g->machine, old, m->state) : machine_start(g->machine);
    m->machine = g->machine;
    __atomic_add_fetch(&m->machine->refs, 1, __ATOMIC_RELAXED);
    machine_free(old);
    return m->machine;
}

void matcher_mask(struct matcher *m, uint64_t *bits)
{
    size_t words = grammar_vocab_words(m->v);
    struct machine *machine = ready(m);
    const struct mask *mask = machine_mask(machine, m->ended ? machine_state(machine, (uint32_t[]){ FRAME_END }, 1) : m->state);

    if (mask->bits) {
        memcpy(bits, mask->bits, words * sizeof *bits);
        return;
    }
    memset(bits, 0, words * sizeof *bits);
    for (uint32_t i = 0; i < mask->n; i++)
        bits[mask->ids[i] / 64] |= 1ull << (mask->ids[i] % 64);
}

bool matcher_accept_bytes(struct matcher *m, struct str bytes)
{
    struct machine *machine = ready(m);
    uint32_t state = m->state;

    for (size_t i = 0; i < bytes.n && state != STATE_DEAD; i++)
        state = machine_next(machine, state, (uint8_t)bytes.p[i]);
    if (state == STATE_DEAD || m->ended)
        return false;
    m->state = state;
    return true;
}

bool matcher_accept(struct matcher *m, int32_t id)
{
    if (id < 0 || (size_t)id >= m->v->n)
        return false;
    if (vocab_is_eos(m->v, id)) {
        bool may_end = matcher_may_end(m);
        m->ended |= may_end;
        return may_end;
    }
    return m->v->bytes[id].n && m->v->bytes[id].n <= TOKEN_BYTES_MAX && matcher_accept_bytes(m, m->v->bytes[id]);
}

bool matcher_may_end(struct matcher *m) { return ready(m)->states[m->state].may_end; }

bool matcher_done(struct matcher *m)
{
    return m->ended || (matcher_may_end(m) && !m->machine->states[m->state].n_tops);
}
