/*
 * The body of a chat, a completion or /tokenize (the first byte says which): read by the table, turned into a prompt, sampling, stops
 * and a rule for the text, as before a request is queued. Against the stand-in model's tokenizer and template.
 */
#include "fuzz_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static errc prepare(const struct server *s, unsigned on, const json_t *in, struct err *e)
{
    struct completion_request r;
    AUTO(sampling_done) struct sampling sampling = { 0 };
    AUTO(prompts_done) struct prompts prompts = { 0 };
    AUTO_FREE(text_rule) rule = NULL;
    size_t most, least;

    TRY(completion_read(s, on, in, &r, e));
    TRY(tools_check(s, &r, e));
    TRY(prompts_of(s, on, &r, &prompts, e));
    TRY(sampling_of(s, &r, &sampling, e));
    TRY(text_rule_of(s, &r, &rule, e));
    for (size_t i = 0; i < prompts.n; i++)
        TRY(lengths_of(s, on, &r, prompts.v[i].ids.n, &most, &least, e));
    return ERR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned routes[] = { ON_CHAT, ON_TEXT, ON_TOKENIZE };
    AUTO_JSON in = NULL;
    struct err e = { 0 };

    if (size < 1 || json_parse(str_n((const char *)data + 1, size - 1), &in, &e) || !json_is_object(in))
        return 0;
    errc rc = prepare(fuzz_server(), routes[data[0] % ARRAY_LEN(routes)], in, &e);
    if (rc && !*e.text)         /* every refusal says why */
        abort();
    return 0;
}
