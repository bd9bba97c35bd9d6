/*
 * States in which text leads back to the state itself, as inside a string without bounds: what text is made of is fixed (text_step),
 * so that the vocabulary can say beforehand which parts of its trie hold nothing else.
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

static bool chars_come_back(struct machine *m, uint32_t state)
{
    for (size_t i = 0; i < ARRAY_LEN(chars); i++)
        for (unsigned lead = chars[i].lead_lo; lead <= chars[i].lead_hi; lead++) {
            uint32_t at = common_next(m, machine_next(m, state, (uint8_t)lead), chars[i].second_lo, chars[i].second_hi);
            for (size_t k = 0; k < chars[i].more; k++)
                at = common_next(m, at, 0x80, 0xbf);
            if (at != state)
                return false;
        }
    return true;
}

static bool plain_bytes_come_back(struct machine *m, uint32_t state)
{
    for (unsigned b = ' '; b <= '~'; b++)
        if (is_plain((uint8_t)b) && machine_next(m, state, (uint8_t)b) != state)
            return false;
    return true;
}

bool state_is_text(struct machine *m, uint32_t state)
{
    return state != STATE_DEAD && !m->states[state].exits && plain_bytes_come_back(m, state) && chars_come_back(m, state);
}
