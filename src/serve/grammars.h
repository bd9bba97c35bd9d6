/*
 * The languages that requests ask for, compiled once each and kept while they are asked for again, and the vocabulary that their
 * masks are over, made when first needed. Any thread.
 */
#ifndef SERVE_GRAMMARS_H
#define SERVE_GRAMMARS_H

#include "grammar/grammar.h"
#include "tokenizer/tokenizer.h"

struct grammars;
/* t is borrowed; vocab: the model's, which may be larger than the tokenizer's; eos: what ends an answer. */
struct grammars *grammars_new(const struct tokenizer *t, size_t vocab, const int32_t *eos, size_t n_eos);
void grammars_free(struct grammars *g);
DEFINE_AUTO_FREE(grammars)

enum grammar_kind { GRAMMAR_JSON_OBJECT, GRAMMAR_JSON_SCHEMA, GRAMMAR_REGEX, GRAMMAR_CHOICE, GRAMMAR_GBNF };
/* *out is a reference of the caller's. source: the schema, a string, or a list of strings; NULL for any JSON object. */
errc grammars_get(struct grammars *g, enum grammar_kind kind, const json_t *source, struct grammar **out, struct err *e);
const struct grammar_vocab *grammars_vocab(struct grammars *g);

#endif
