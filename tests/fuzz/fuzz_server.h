/* A server's parts without a socket or a scheduler, on the stand-in model: for targets that read what clients and models say. */
#ifndef FUZZ_SERVER_H
#define FUZZ_SERVER_H

#include <stdio.h>
#include <stdlib.h>

#include "serve/openai.h"

static inline void fuzz_must(errc rc, const struct err *e)
{
    if (rc) {
        fprintf(stderr, "%s: %s\n", FUZZ_MODEL, e->text);
        abort();
    }
}

/* Made at the first call, for the life of the process. */
static inline const struct server *fuzz_server(void)
{
    static struct server s;
    static int32_t eos;
    struct engine_opts o = { .threads = 1, .max_model_len = 512 };
    struct err e = { 0 };

    if (s.engine)
        return &s;
    fuzz_must(tokenizer_load(FUZZ_MODEL, &s.tokenizer, &e), &e);
    fuzz_must(engine_open(FUZZ_MODEL, &o, &s.engine, &e), &e);
    s.vocab = engine_model(s.engine)->config.vocab;
    s.eos = &eos;
    s.n_eos = 1;
    s.grammars = grammars_new(s.tokenizer, s.vocab, s.eos, s.n_eos);
    s.trust_request_template = true;
    return &s;
}

#endif
