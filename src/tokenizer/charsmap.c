/*
 * SentencePiece's precompiled character map: a double-array trie (Darts) of what is replaced, then the NUL-ended replacements.
 * Bytes: u32 size of the trie, its u32 units, the texts; little-endian. It comes from a file: every index is checked.
 */
#include <utf8proc.h>

#include "tokenizer/priv.h"

#define GRAPHEME_MAX 6                  /* longer graphemes are looked up character by character, as Hugging Face does */

bool charsmap_open(struct str bytes, struct charsmap *out)
{
    if (bytes.n < 4)
        return false;
    const unsigned char *p = (const unsigned char *)bytes.p;
    size_t trie = (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
    if (trie % 4 || trie < 4 || trie > bytes.n - 4)
        return false;
    *out = (struct charsmap){ .units = p + 4, .n_units = trie / 4, .texts = str_from(bytes, 4 + trie) };
    return true;
}

static uint32_t unit(const struct charsmap *m, size_t at)
{
    const unsigned char *p = m->units + 4 * at;
    return at < m->n_units ? (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24 : 0;
}

static size_t unit_offset(uint32_t u) { return (size_t)(u >> 10) << ((u & 1u << 9) >> 6); }

/* The replacement of the shortest known prefix of `part`; p == NULL: there is none. */
static struct str charsmap_find(const struct charsmap *m, struct str part)
{
    size_t node = unit_offset(unit(m, 0));

    for (size_t i = 0; i < part.n && part.p[i]; i++) {
        unsigned char c = (unsigned char)part.p[i];
        node ^= c;
        uint32_t u = unit(m, node);
        if ((u & (1u << 31 | 0xFF)) != c)
            break;
        node ^= unit_offset(u);
        if (!(u >> 8 & 1))
            continue;
        struct str text = str_from(m->texts, unit(m, node) & 0x7FFFFFFF), rest;
        (void)str_cut(text, 0, &text, &rest);
        return text.p ? text : STR("");
    }
    return (struct str){ 0 };
}

static void by_characters(const struct charsmap *m, struct str grapheme, struct buf *out)
{
    for (size_t at = 0; at < grapheme.n;) {
        size_t start = at;
        (void)utf8_next(grapheme, &at);
        struct str c = str_n(grapheme.p + start, at - start), made = charsmap_find(m, c);
        buf_addstr(out, made.p ? made : c);
    }
}

void charsmap_apply(const struct charsmap *m, struct str in, struct buf *out)
{
    for (size_t at = 0; at < in.n;) {
        size_t start = at, end;
        utf8proc_int32_t state = 0;
        int32_t cp = utf8_next(in, &at);
        for (end = at; at < in.n; end = at) {
            int32_t next = utf8_next(in, &at);
            if (utf8proc_grapheme_break_stateful(cp, next, &state))
                break;
            cp = next;
        }
        at = end;
        struct str grapheme = str_n(in.p + start, end - start);
        struct str made = grapheme.n < GRAPHEME_MAX ? charsmap_find(m, grapheme) : (struct str){ 0 };
        if (made.p)
            buf_addstr(out, made);
        else
            by_characters(m, grapheme, out);
    }
}
