/*
 * Unigram: the cut of a word into known pieces whose log-probabilities add up highest (Viterbi over byte positions), as
 * Hugging Face's tokenizers walks it: the first of equal cuts wins, an unknown character costs the worst score and 10 more.
 * Work is bytes x longest piece.
 */
#include "tokenizer/priv.h"

#define UNKNOWN_PENALTY 10.0

struct best { double score; int32_t id, from; };        /* of the cuts that end here; from -1: none yet */

static void offer(struct best *at, double score, int32_t id, size_t from)
{
    if (at->from >= 0 && score <= at->score)
        return;
    *at = (struct best){ score, id, (int32_t)from };
}

/* Offers every known piece that starts at `from`; whether its first character alone is one of them. */
static bool offer_pieces(const struct model *m, struct str word, size_t from, size_t char_bytes, struct best *best)
{
    double so_far = best[from].score;
    bool lone = false;
    int32_t node = 0;

    for (size_t i = from; m->pieces.n && i < word.n; i++) {
        node = trie_step(&m->pieces, node, (unsigned char)word.p[i]);
        if (node < 0)
            break;
        int32_t id = m->pieces.v[node].token;
        if (id < 0)
            continue;
        offer(&best[i + 1], m->scores[id] + so_far, id, from);
        lone |= i + 1 - from == char_bytes;
    }
    return lone;
}

static errc add_piece(const struct model *m, struct str piece, struct token_ids *out, struct err *e)
{
    int32_t id = vocab_find(&m->vocab, piece);
    bool bytes = id < 0 && m->byte_fallback;

    for (size_t i = 0; bytes && i < piece.n; i++)
        bytes = m->byte_ids[(unsigned char)piece.p[i]] >= 0;
    for (size_t i = 0; bytes && i < piece.n; i++)
        token_ids_add(out, m->byte_ids[(unsigned char)piece.p[i]]);
    if (bytes)
        return ERR_OK;
    if (id < 0 && m->unk_id < 0)
        return err_set(e, ERR_INVALID, "\"%.*s\" is not in the vocabulary, and model.unk_id names no token for the unknown", (int)(piece.n < 40 ? piece.n : 40), piece.p);
    token_ids_add(out, id >= 0 ? id : m->unk_id);
    return ERR_OK;
}

/* Marks where the best cut cuts: next[a] = b for each piece [a, b); neighbouring unknown pieces become one. */
static void mark_pieces(const struct best *best, size_t n, int32_t unk_id, int32_t *next)
{
    for (size_t end = n; end > 0;) {
        size_t start = (size_t)best[end].from;
        while (unk_id >= 0 && best[end].id == unk_id && start > 0 && best[start].id == unk_id)
            start = (size_t)best[start].from;
        next[start] = (int32_t)end;
        end = start;
    }
}

errc unigram_encode(const struct model *m, struct str word, struct token_ids *out, struct err *e)
{
    AUTO_MEM struct best *best = xcalloc(word.n + 1, sizeof *best);
    AUTO_MEM int32_t *next = xcalloc(word.n + 1, sizeof *next);

    for (size_t i = 1; i <= word.n; i++)
        best[i].from = -1;
    for (size_t at = 0; at < word.n;) {
        size_t after = at;
        (void)utf8_next(word, &after);
        if (!offer_pieces(m, word, at, after - at, best)) {
            if (m->unk_id < 0)
                return add_piece(m, str_n(word.p + at, after - at), out, e);
            offer(&best[after], m->min_score - UNKNOWN_PENALTY + best[at].score, m->unk_id, at);
        }
        at = after;
    }
    mark_pieces(best, word.n, m->unk_id, next);
    for (size_t at = 0; at < word.n; at = (size_t)next[at])
        TRY(add_piece(m, str_n(word.p + at, (size_t)next[at] - at), out, e));
    return ERR_OK;
}
