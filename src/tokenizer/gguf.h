/* The vocabulary of a GGUF file as a tokenizer. */
#ifndef TOKENIZER_GGUF_H
#define TOKENIZER_GGUF_H

#include "tokenizer/tokenizer.h"

/* How a named pre-tokenizer reads in tokenizer.json; both parts are the caller's. */
struct gguf_pre {
    json_t *normalizer, *pre_tokenizer;
    bool whole_words, bos;
};
/* ERR_UNSUPPORTED names it and those that are known. */
errc gguf_pre_tokenizer(struct str name, struct gguf_pre *out, struct err *e);

struct gguf;
errc tokenizer_of_gguf(const struct gguf *g, struct tokenizer **out, struct err *e);    /* keeps nothing of g */
errc tokenizer_load_gguf(const char *path, struct tokenizer **out, struct err *e);

#endif
