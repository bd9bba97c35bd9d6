/* Models that look words up: WordPiece by its longest pieces, WordLevel whole. */
#include "tokenizer/priv.h"

static errc unknown(const struct model *m, struct token_ids *out, struct err *e)
{
    if (m->unk_id < 0)
        return err_set(e, ERR_INVALID, "a word is not in the vocabulary, and neither is model.unk_token");
    token_ids_add(out, m->unk_id);
    return ERR_OK;
}

/* The longest piece of the vocabulary that word[start..] begins with; *end: behind it. -1: none. */
static int32_t longest(const struct model *m, struct str word, size_t start, size_t *end)
{
    AUTO_BUF piece = { 0 };
    size_t stop = start + m->longest_token < word.n ? start + m->longest_token : word.n;

    if (start)
        buf_addstr(&piece, m->prefix);
    buf_add(&piece, word.p + start, stop - start);
    for (; stop > start; stop--) {
        int32_t id = -1;
        if (stop == word.n || ((unsigned char)word.p[stop] & 0xC0) != 0x80)
            id = vocab_find(&m->vocab, buf_str(&piece));
        if (id >= 0) {
            *end = stop;
            return id;
        }
        buf_truncate(&piece, piece.n - 1);
    }
    return -1;
}

/* The longest piece in the vocabulary, again and again; one that does not fit makes the whole word unknown. */
errc wordpiece_encode(const struct model *m, struct str word, struct token_ids *out, struct err *e)
{
    size_t chars = 0, before = out->n;

    for (size_t at = 0; at < word.n; chars++)
        (void)utf8_next(word, &at);
    bool known = chars <= m->max_word_chars;
    for (size_t at = 0; known && at < word.n;) {
        int32_t id = longest(m, word, at, &at);
        known = id >= 0;
        if (known)
            token_ids_add(out, id);
    }
    if (known)
        return ERR_OK;
    out->n = before;
    return unknown(m, out, e);
}

errc wordlevel_encode(const struct model *m, struct str word, struct token_ids *out, struct err *e)
{
    int32_t id = vocab_find(&m->vocab, word);

    if (id < 0)
        return unknown(m, out, e);
    token_ids_add(out, id);
    return ERR_OK;
}
