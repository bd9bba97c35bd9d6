/* A JSON schema of a client: compiling ends within its limits, and a text of its language can be walked to masks and tokens. */
#include "grammar/grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct grammar_vocab *vocab(void)
{
    static const int32_t eos = 256;
    static char bytes[256];
    struct str tokens[259];

    for (size_t i = 0; i < 256; i++) {
        bytes[i] = (char)i;
        tokens[i] = str_n(&bytes[i], 1);
    }
    tokens[256] = str_n("", 0);
    tokens[257] = STR("\",\"");
    tokens[258] = STR("[[1,\n");
    return grammar_vocab_new(tokens, 259, &eos, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE(grammar) g = NULL;
    AUTO_JSON schema = NULL;
    uint64_t mask[5];
    struct err e;

    if (json_parse(str_n((const char *)data, size), &schema, &e) || grammar_compile_json_schema(schema, &g, &e))
        return 0;
    AUTO_FREE(grammar_vocab) v = vocab();
    AUTO_FREE(matcher) m = matcher_new(g, v);
    for (size_t i = 0; i < 24 && !matcher_done(m); i++) {
        int32_t id = (int32_t)(size ? data[i % size] * 7u % 259u : 0);
        matcher_mask(m, mask);
        while (!(mask[id / 64] >> (id % 64) & 1))
            id = (id + 1) % 259;
        if (!matcher_accept(m, id))
            abort();
    }
    return 0;
}
