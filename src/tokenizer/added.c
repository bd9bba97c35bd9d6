/*
 * Added tokens: found in the text before anything else, leftmost and longest, in two rounds as Hugging Face does it:
 * those with normalized=false on the raw text, the others on each normalised piece in between.
 */
#include "tokenizer/priv.h"

void trie_add(struct trie *t, struct str word, int32_t token)
{
    if (!t->n) {
        vec_grow(t->v, t->n, t->cap);
        t->v[t->n++] = (struct trie_node){ .child = -1, .sibling = -1, .token = -1 };
    }
    int32_t at = 0;
    for (size_t i = 0; i < word.n; i++) {
        unsigned char b = (unsigned char)word.p[i];
        int32_t child = trie_step(t, at, b);
        if (child < 0) {
            child = (int32_t)t->n;
            vec_grow(t->v, t->n, t->cap);
            t->v[t->n++] = (struct trie_node){ .child = -1, .sibling = t->v[at].child, .token = -1, .byte = b };
            t->v[at].child = child;
        }
        at = child;
    }
    t->v[at].token = token;
}

int32_t trie_step(const struct trie *t, int32_t node, unsigned char byte)
{
    int32_t child = t->v[node].child;

    while (child >= 0 && t->v[child].byte != byte)
        child = t->v[child].sibling;
    return child;
}

/* Longest word of the trie at s[at..]: its token and length; -1 for none. */
static int32_t trie_match(const struct trie *t, struct str s, size_t at, size_t *len)
{
    int32_t found = -1, node = 0;

    for (size_t i = at; t->n && i < s.n; i++) {
        node = trie_step(t, node, (unsigned char)s.p[i]);
        if (node < 0)
            break;
        if (t->v[node].token >= 0) {
            found = t->v[node].token;
            *len = i + 1 - at;
        }
    }
    return found;
}

static int32_t cp_before(struct str s, size_t end)
{
    size_t at = end - 1;

    while (at && ((unsigned char)s.p[at] & 0xC0) == 0x80)
        at--;
    return utf8_next(s, &at);
}

static bool stands_alone(struct str s, size_t start, size_t end)
{
    size_t at = end;

    return (start == 0 || !cp_is(cp_before(s, start), CP_WORD)) && (end == s.n || !cp_is(utf8_next(s, &at), CP_WORD));
}

static size_t spaces_before(struct str s, size_t end, size_t not_before)
{
    while (end > not_before && cp_is_space(cp_before(s, end)))
        do
            end--;
        while (end > not_before && ((unsigned char)s.p[end] & 0xC0) == 0x80);
    return end;
}

static size_t spaces_after(struct str s, size_t at)
{
    for (size_t next = at; next < s.n; at = next)
        if (!cp_is_space(utf8_next(s, &next)))
            break;
    return at;
}

static void split_by(const struct tokenizer *t, const struct trie *trie, struct str s, bool at_start, struct pieces *out)
{
    size_t done = 0;

    for (size_t at = 0; at < s.n;) {
        size_t len = 0;
        int32_t i = trie_match(trie, s, at, &len);
        if (i < 0) {
            at++;
            continue;
        }
        const struct added_token *a = &t->added[i];
        size_t start = at, end = at + len;
        at = end;
        if (a->single_word && !stands_alone(s, start, end))
            continue;
        if (a->lstrip)
            start = spaces_before(s, start, done < start ? done : start);
        if (a->rstrip)
            end = spaces_after(s, end);
        if (done < start)
            pieces_add(out, str_n(s.p + done, start - done), -1, at_start && done == 0);
        pieces_add(out, str_n(s.p + start, end - start), a->id, at_start && start == 0);
        done = end;
    }
    if (done < s.n)
        pieces_add(out, str_n(s.p + done, s.n - done), -1, at_start && done == 0);
}

errc tokenizer_split_added(const struct tokenizer *t, struct str text, struct pieces *out, struct err *e)
{
    struct pieces raw = { 0 };
    errc rc = ERR_OK;

    split_by(t, &t->raw, text, true, &raw);
    for (size_t i = 0; !rc && i < raw.n; i++) {
        AUTO_BUF norm = { 0 };
        if (raw.v[i].id >= 0) {
            pieces_add(out, piece_str(&raw, i), raw.v[i].id, raw.v[i].at_start);
            continue;
        }
        bool cut = false;
        rc = normalize(t->norm, t->n_norm, piece_str(&raw, i), &norm, &cut, e);
        if (!rc)
            split_by(t, &t->normalized, buf_str(&norm), raw.v[i].at_start && !cut, out);
    }
    pieces_done(&raw);
    return rc;
}
