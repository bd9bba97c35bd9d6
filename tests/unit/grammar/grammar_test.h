/* Small things that the tests of grammars share. */
#ifndef GRAMMAR_TEST_H
#define GRAMMAR_TEST_H

#include "base/mem.h"
#include "grammar/grammar.h"

#define EOS_ID 256

/* Every byte is a token, id = byte, then end-of-text, then `more` tokens of several bytes from id 257 on. */
static inline struct grammar_vocab *byte_vocab(const char *const *more, size_t n_more)
{
    static const int32_t eos = EOS_ID;
    char bytes[256];
    struct str *tokens = xcalloc(257 + n_more, sizeof *tokens);

    for (size_t i = 0; i < 256; i++) {
        bytes[i] = (char)i;
        tokens[i] = str_n(&bytes[i], 1);
    }
    for (size_t i = 0; i < n_more; i++)
        tokens[257 + i] = str_of(more[i]);
    struct grammar_vocab *v = grammar_vocab_new(tokens, 257 + n_more, &eos, 1);
    free(tokens);
    return v;
}

static inline bool mask_has(const uint64_t *mask, size_t id) { return mask[id / 64] >> (id % 64) & 1; }

#endif
