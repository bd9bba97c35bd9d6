/* The trie of a vocabulary's bytes, in depth-first order, so that a subtree that cannot match is one jump. */
#include "grammar/priv.h"

struct entry { uint64_t head; struct str bytes; int32_t id; };         /* head: the first eight bytes as a number, so that most comparisons end there */

static uint64_t head_of(struct str s)
{
    uint64_t x = 0;

    for (size_t i = 0; i < 8; i++)
        x = x << 8 | (i < s.n ? (uint8_t)s.p[i] : 0);
    return x;
}

static int by_bytes(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    if (x->head != y->head)
        return x->head < y->head ? -1 : 1;
    int c = str_cmp(x->bytes, y->bytes);

    return c ? c : (x->id > y->id) - (x->id < y->id);
}

static size_t common(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n, i = 0;

    while (i < n && a.p[i] == b.p[i])
        i++;
    return i;
}

static void copy_bytes(struct grammar_vocab *v, const struct str *tokens)
{
    size_t total = 0;

    for (size_t i = 0; i < v->n; i++)
        total += tokens[i].n;
    v->text = xmalloc(total + 1);
    v->bytes = xcalloc(v->n + 1, sizeof *v->bytes);
    total = 0;
    for (size_t i = 0; i < v->n; i++) {
        if (tokens[i].n)
            memcpy(v->text + total, tokens[i].p, tokens[i].n);
        v->bytes[i] = str_n(v->text + total, tokens[i].n);
        total += tokens[i].n;
    }
}

/* The tokens that may ever be offered, in the order of their bytes. */
static size_t sorted_entries(const struct grammar_vocab *v, struct entry *out)
{
    size_t n = 0;

    for (size_t i = 0; i < v->n; i++)
        if (v->bytes[i].n && v->bytes[i].n <= TOKEN_BYTES_MAX && !vocab_is_eos(v, (int32_t)i))
            out[n++] = (struct entry){ head_of(v->bytes[i]), v->bytes[i], (int32_t)i };
    qsort(out, n, sizeof *out, by_bytes);
    return n;
}

static void allocate(struct grammar_vocab *v, const struct entry *entries, size_t n)
{
    size_t nodes = 1;

    for (size_t i = 0; i < n; i++)
        nodes += entries[i].bytes.n - (i ? common(entries[i - 1].bytes, entries[i].bytes) : 0);
    v->byte = xcalloc(nodes, sizeof *v->byte);
    v->is_text = xcalloc(nodes, sizeof *v->is_text);
    v->depth = xcalloc(nodes, sizeof *v->depth);
    v->end = xcalloc(nodes, sizeof *v->end);
    v->token = xcalloc(nodes + 1, sizeof *v->token);
    v->ids = xcalloc(n + 1, sizeof *v->ids);
}

static void build(struct grammar_vocab *v, const struct entry *entries, size_t n)
{
    uint32_t path[TOKEN_BYTES_MAX + 1] = { 0 };         /* node at each depth of the token before */
    size_t depth = 0;

    v->n_nodes = 1;
    for (size_t i = 0; i < n; i++) {
        struct str s = entries[i].bytes;
        size_t shared = i ? common(entries[i - 1].bytes, s) : 0;
        for (; depth > shared; depth--)
            v->end[path[depth]] = (uint32_t)v->n_nodes;
        while (depth < s.n) {
            path[depth + 1] = (uint32_t)v->n_nodes;
            v->byte[v->n_nodes] = (uint8_t)s.p[depth++];
            v->depth[v->n_nodes] = (uint16_t)depth;
            v->token[v->n_nodes++] = (uint32_t)i;
        }
        v->ids[i] = entries[i].id;
        if (s.n > v->max_bytes)
            v->max_bytes = s.n;
    }
    for (;; depth--) {
        v->end[path[depth]] = (uint32_t)v->n_nodes;
        if (!depth)
            break;
    }
    v->token[v->n_nodes] = (uint32_t)n;
}

/* A node behind something else than text, or above it, is not. chars: of each node that text leads to, how many characters it begins. */
static void mark_text(struct grammar_vocab *v, uint16_t *chars)
{
    struct text_place at[TOKEN_BYTES_MAX + 1] = { 0 };
    uint32_t path[TOKEN_BYTES_MAX + 1] = { 0 };

    for (uint32_t i = 1; i < v->n_nodes; ) {
        size_t depth = v->depth[i];

        path[depth] = i;
        at[depth] = at[depth - 1];
        if (text_step(&at[depth], v->byte[i])) {
            chars[i] = (uint16_t)(chars[path[depth - 1]] + !at[depth - 1].left);
            v->is_text[i++] = !at[depth].left;
            continue;
        }
        for (size_t k = 0; k < depth; k++)
            v->is_text[path[k]] = false;
        i = v->end[i];
    }
}

/* Counting sort of the tokens of nothing but text. */
static void sort_text(struct grammar_vocab *v, const uint16_t *chars)
{
    uint32_t next[TOKEN_BYTES_MAX + 1];

    for (uint32_t i = 1; i < v->n_nodes; i++)
        if (chars[i])
            v->text_first[chars[i] + 1] += v->token[i + 1] - v->token[i];
    for (size_t n = 1; n < ARRAY_LEN(v->text_first); n++)
        v->text_first[n] += v->text_first[n - 1];
    memcpy(next, v->text_first, sizeof next);
    v->text_ids = xcalloc(v->text_first[TOKEN_BYTES_MAX + 1] + 1, sizeof *v->text_ids);
    for (uint32_t i = 1; i < v->n_nodes; i++)
        for (uint32_t k = v->token[i]; chars[i] && k < v->token[i + 1]; k++)
            v->text_ids[next[chars[i]]++] = v->ids[k];
}

struct grammar_vocab *grammar_vocab_new(const struct str *tokens, size_t n, const int32_t *eos, size_t n_eos)
{
    struct grammar_vocab *v = xzalloc(sizeof *v);
    struct entry *entries = xcalloc(n + 1, sizeof *entries);

    v->n = n;
    v->eos = xmemdup(eos, n_eos * sizeof *eos);
    v->n_eos = n_eos;
    copy_bytes(v, tokens);
    size_t kept = sorted_entries(v, entries);
    allocate(v, entries, kept);
    build(v, entries, kept);
    free(entries);
    uint16_t *chars = xcalloc(v->n_nodes, sizeof *chars);
    mark_text(v, chars);
    sort_text(v, chars);
    free(chars);
    return v;
}

void grammar_vocab_free(struct grammar_vocab *v)
{
    if (!v)
        return;
    free(v->byte);
    free(v->is_text);
    free(v->depth);
    free(v->end);
    free(v->token);
    free(v->ids);
    free(v->text_ids);
    free(v->eos);
    free(v->bytes);
    free(v->text);
    free(v);
}

size_t grammar_vocab_words(const struct grammar_vocab *v) { return (v->n + 63) / 64; }

bool vocab_is_eos(const struct grammar_vocab *v, int32_t id)
{
    for (size_t i = 0; i < v->n_eos; i++)
        if (v->eos[i] == id)
            return true;
    return false;
}
