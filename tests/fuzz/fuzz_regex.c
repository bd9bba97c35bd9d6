/* A regular expression of a client, and the same bytes as a GBNF grammar: compiling ends within its limits, and matching does. */
#include "grammar/grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void match(struct grammar *g, struct str text)
{
    static const int32_t eos = 1;
    const struct str tokens[] = { STR("a"), STR("") };
    AUTO_FREE(grammar_vocab) v = grammar_vocab_new(tokens, 2, &eos, 1);
    AUTO_FREE(matcher) m = matcher_new(g, v);
    uint64_t mask;

    for (size_t i = 0; i < text.n && i < 64; i++) {
        matcher_mask(m, &mask);
        if ((mask & 1) != matcher_accept(m, 0) && !matcher_may_end(m))
            abort();
        if (!matcher_accept_bytes(m, str_n(text.p + i, 1)))
            return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_n((const char *)data, size);
    AUTO_FREE(grammar) regex = NULL;
    AUTO_FREE(grammar) gbnf = NULL;
    struct err e;

    if (!grammar_compile_regex(text, &regex, &e))
        match(regex, text);
    if (!grammar_compile_gbnf(text, &gbnf, &e))
        match(gbnf, text);
    return 0;
}
