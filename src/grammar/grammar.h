/*
 * Constrained decoding: which tokens may follow, so that the finished text belongs to a language.
 *
 * A language is compiled to rules over bytes (a recursive transition network, UTF-8 made of byte ranges). A matcher holds the set
 * of stacks that the bytes so far allow; the vocabulary is a trie of token bytes. What holds for every matcher:
 *   - a token is allowed exactly when its bytes keep at least one way to finish, so the text can always be completed;
 *   - end-of-text tokens are allowed exactly when the text is complete; tokens without bytes (special ones) never are.
 *
 * Compiling limits size and depth: bad or huge input is ERR_BAD_REQUEST that names the place, never a blow-up.
 * A compiled grammar may be shared; its caches are filled by matchers, so all matchers of one grammar are asked by one thread at a
 * time (the engine thread). Making and freeing grammars, vocabularies and matchers is for any thread.
 */
#ifndef GRAMMAR_GRAMMAR_H
#define GRAMMAR_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

/* ---- languages ---- */

struct grammar;                                         /* immutable but for its caches; counted */

/*
 * JSON that satisfies the schema (the subset of draft 2020-12 in docs/structured-outputs.md). Properties come in the order the
 * schema lists them; additionalProperties counts as false where properties are listed and it is not said. Errors name keyword and
 * place: "$.properties.age: 'not' is not supported".
 */
errc grammar_compile_json_schema(const json_t *schema, struct grammar **out, struct err *e);
errc grammar_compile_json_object(struct grammar **out, struct err *e);          /* any JSON object */
/* The whole text matches the expression: classes, groups, alternatives, repeats; no look-around, no back references. */
errc grammar_compile_regex(struct str pattern, struct grammar **out, struct err *e);
errc grammar_compile_choice(const struct str *choices, size_t n, struct grammar **out, struct err *e);
/* GBNF: `root ::= "yes" | [0-9]{1,3}`; rules of names, literals, classes, groups, repeats, # comments. */
errc grammar_compile_gbnf(struct str text, struct grammar **out, struct err *e);

struct grammar *grammar_ref(struct grammar *g);
void grammar_free(struct grammar *g);                   /* gives one reference back; NULL is fine */
DEFINE_AUTO_FREE(grammar)

/* ---- the vocabulary, made once per model ---- */

struct grammar_vocab;
/* tokens[id]: the bytes that the token adds to a text; empty: never allowed. The bytes are copied. */
struct grammar_vocab *grammar_vocab_new(const struct str *tokens, size_t n, const int32_t *eos, size_t n_eos);
void grammar_vocab_free(struct grammar_vocab *v);
DEFINE_AUTO_FREE(grammar_vocab)
size_t grammar_vocab_words(const struct grammar_vocab *v);      /* 64-bit words of a mask: ceil(n / 64) */

/* ---- one text under way ---- */

struct matcher;
struct matcher *matcher_new(struct grammar *g, const struct grammar_vocab *v);  /* refers to g, borrows v */
void matcher_free(struct matcher *m);
DEFINE_AUTO_FREE(matcher)

/* bits [grammar_vocab_words]: bit id % 64 of word id / 64 is set when the token may follow. Not all clear as long as
 * the vocabulary has a token for each byte. */
void matcher_mask(struct matcher *m, uint64_t *bits);
/* Takes the token; false (and nothing changes) when it was not allowed. After an end-of-text token only such may follow. */
bool matcher_accept(struct matcher *m, int32_t id);
bool matcher_accept_bytes(struct matcher *m, struct str bytes);
bool matcher_may_end(struct matcher *m);                /* the text so far belongs to the language */
bool matcher_done(struct matcher *m);                   /* it does, and nothing can follow: only end-of-text is left */

#endif
