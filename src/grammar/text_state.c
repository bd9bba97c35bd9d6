/*
 * States in which text leads back to the state itself, as inside a string without bounds, and rules of one character of text, as a
 * string with bounds repeats: what text is made of is fixed (text_step), so that the vocabulary can say beforehand which parts of
 * its trie hold nothing else, and how many characters its tokens begin.
 */
#include "grammar/priv.h"

/* Well-formed UTF-8 by its first byte; the bytes behind the second are 0x80 to 0xbf. */
static const struct { uint8_t lead_lo, lead_hi, second_lo, second_hi, more; } chars[] = {
    { 0xc2, 0xdf, 0x80, 0xbf, 0 }, { 0xe0, 0xe0, 0xa0, 0xbf, 1 }, { 0xe1, 0xec, 0x80, 0xbf, 1 }, { 0xed, 0xed, 0x80, 0x9f, 1 },
    { 0xee, 0xef, 0x80, 0xbf, 1 }, { 0xf0, 0xf0, 0x90, 0xbf, 2 }, { 0xf1, 0xf3, 0x80, 0xbf, 2 }, { 0xf4, 0xf4, 0x80, 0x8f, 2 },
};

static bool is_plain(uint8_t b) { return b >= ' ' && b <= '~' && b != '"' && b != '\\'; }

static bool within(uint8_t b, uint8_t lo, uint8_t hi) { return b >= lo && b <= hi; }

bool text_step(struct text_place *p, uint8_t b)
{
    if (p->left) {
        bool good = within(b, p->lo, p->hi);
        *p = (struct text_place){ (uint8_t)(p->left - 1), 0x80, 0xbf };
        return good;
    }
    if (is_plain(b))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(chars); i++)
        if (within(b, chars[i].lead_lo, chars[i].lead_hi)) {
            *p = (struct text_place){ (uint8_t)(1 + chars[i].more), chars[i].second_lo, chars[i].second_hi };
            return true;
        }
    return false;
}

/* The one state that all these bytes lead to; STATE_DEAD: there is none. */
static uint32_t common_next(struct machine *m, uint32_t state, uint8_t lo, uint8_t hi)
{
    uint32_t to = machine_next(m, state, lo);

    for (unsigned b = lo + 1u; b <= hi; b++)
        if (machine_next(m, state, (uint8_t)b) != to)
            return STATE_DEAD;
    return to;
}

static bool chars_lead_to(struct machine *m, uint32_t state, uint32_t target)
{
    for (size_t i = 0; i < ARRAY_LEN(chars); i++)
        for (unsigned lead = chars[i].lead_lo; lead <= chars[i].lead_hi; lead++) {
            uint32_t at = common_next(m, machine_next(m, state, (uint8_t)lead), chars[i].second_lo, chars[i].second_hi);
            for (size_t k = 0; k < chars[i].more; k++)
                at = common_next(m, at, 0x80, 0xbf);
            if (at != target)
                return false;
        }
    return true;
}

static bool plain_bytes_lead_to(struct machine *m, uint32_t state, uint32_t target)
{
    for (unsigned b = ' '; b <= '~'; b++)
        if (is_plain((uint8_t)b) && machine_next(m, state, (uint8_t)b) != target)
            return false;
    return true;
}

bool state_is_text(struct machine *m, uint32_t state)
{
    return state != STATE_DEAD && !m->states[state].exits && plain_bytes_lead_to(m, state, state) && chars_lead_to(m, state, state);
}

/* Each character of text, and nothing shorter, leads through the rule. */
static bool rule_is_text(struct machine *m, uint32_t rule)
{
    uint32_t start = machine_frame(m, m->g->rules[rule].start, 0, FRAME_EXIT), out = FRAME_EXIT;
    uint32_t begun = machine_state(m, &start, 1), left = machine_state(m, &out, 1);

    return !m->states[begun].exits && plain_bytes_lead_to(m, begun, left) && chars_lead_to(m, begun, left);
}

static bool begins_text(struct machine *m, uint32_t state)
{
    for (unsigned b = ' '; b <= 0xff; b++)
        if ((is_plain((uint8_t)b) || b >= 0x80) && machine_next(m, state, (uint8_t)b) != STATE_DEAD)
            return true;
    return m->states[state].exits;
}

size_t counted_text(struct machine *m, uint32_t frame)
{
    uint32_t counter = m->frames[frame].parent;
    const struct edge *e = counter > FRAME_EXIT ? repeat_edge(m->g, m->frames[counter].node) : NULL;

    if (!e || m->frames[counter].parent != FRAME_EXIT || m->frames[frame].node != m->g->rules[e->rule].start || !rule_is_text(m, e->rule))
        return 0;
    uint32_t behind = m->g->is_end[e->to] ? FRAME_EXIT : machine_frame(m, e->to, 0, FRAME_EXIT);
    if (begins_text(m, machine_state(m, &behind, 1)))
        return 0;
    return e->max == REPEAT_INF ? TOKEN_BYTES_MAX : (size_t)e->max - m->frames[counter].count + 1;
}
