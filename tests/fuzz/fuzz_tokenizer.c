/* tokenizer.json is foreign: what loads must encode and decode any bytes. */
#include "tokenizer/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const struct tokenizer *t, struct str text)
{
    AUTO_IDS ids = { 0 };
    AUTO_BUF out = { 0 };
    AUTO_FREE(token_stream) s = token_stream_new(t, false);
    struct err e;

    if (tokenizer_encode(t, text, true, &ids, &e))
        return;
    tokenizer_decode(t, ids.v, ids.n, true, &out);
    for (size_t i = 0; i < ids.n; i++)
        token_stream_add(s, ids.v[i], &out);
    token_stream_end(s, &out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE(tokenizer) t = NULL;
    struct err e;

    if (tokenizer_parse(str_n((const char *)data, size), "fuzz", &t, &e))
        return 0;
    round_trip(t, STR("The quick  brown\n fox 123 n\xC3\xA3o\xF0\x9F\x98\x80 <|x|> \xFF end"));
    round_trip(t, str_n((const char *)data, size < 300 ? size : 300));
    return 0;
}
