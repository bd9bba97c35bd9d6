/*
 * Text -> token ids -> text, as a model's tokenizer.json says, with what its other files say about special tokens.
 *
 * Read from a model folder: tokenizer.json (needed), tokenizer_config.json, special_tokens_map.json, generation_config.json,
 * config.json (end-of-text ids only), chat_template.jinja or chat_template.json (each may be absent).
 * Token ids are never known in advance: they come from these files.
 *
 * A tokenizer is immutable after loading: any number of threads may use it. Encoding takes time linear in the text
 * (n log n inside one word). Errors name the file and the field.
 */
#ifndef TOKENIZER_TOKENIZER_H
#define TOKENIZER_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

struct tokenizer;
struct template;
struct template_marks;

/* A growing list of ids; zero is empty. */
struct token_ids { int32_t *v; size_t n, cap; };
void token_ids_done(struct token_ids *ids);
void token_ids_add(struct token_ids *ids, int32_t id);
#define AUTO_IDS AUTO(token_ids_done) struct token_ids          /* AUTO_IDS ids = { 0 }; */

errc tokenizer_load(const char *model_dir, struct tokenizer **out, struct err *e);
/* tokenizer.json alone: no roles are known, no chat template. `name` is what errors call it. */
errc tokenizer_parse(struct str json, const char *name, struct tokenizer **out, struct err *e);
void tokenizer_free(struct tokenizer *t);                       /* NULL is fine */
DEFINE_AUTO_FREE(tokenizer)

/* What the files say. Ids are -1, strings NULL when they say nothing. Borrowed from the tokenizer. */
struct tokenizer_info {
    int32_t bos_id, eos_id, unk_id;
    int32_t pad_id;                     /* the tokenizer's own; fall back to eos_id when -1 */
    const char *bos_token, *eos_token, *pad_token, *unk_token;
    const int32_t *stop_ids;            /* ends a generation: eos of generation_config.json or config.json, and eos_id */
    size_t n_stop_ids;
    size_t vocab_size;                  /* largest id + 1, added tokens included */
    const struct template *chat_template;       /* NULL: the model has none */
    const char *chat_template_source;
    size_t model_max_length;            /* 0: not said */
    bool pad_left;                      /* padding_side */
    const json_t *generation_config;    /* generation_config.json, or NULL */
};
const struct tokenizer_info *tokenizer_info(const struct tokenizer *t);

/* Appends the ids. add_special adds what the post-processor adds (bos and the like); special tokens written in the text are
 * always recognised. Invalid UTF-8 is read as U+FFFD. ERR_TOO_LARGE past 256 MiB of text. */
errc tokenizer_encode(const struct tokenizer *t, struct str text, bool add_special, struct token_ids *out, struct err *e);

/* Appends the text: always valid UTF-8. Unknown ids give nothing. skip_special leaves special tokens out. */
void tokenizer_decode(const struct tokenizer *t, const int32_t *ids, size_t n, bool skip_special, struct buf *out);

/* One token as the vocabulary writes it ({NULL,0} when there is none), and back (-1). */
struct str tokenizer_token(const struct tokenizer *t, int32_t id);
int32_t tokenizer_id(const struct tokenizer *t, struct str token);
/*
 * Appends what the token adds to a text that it does not begin: its bytes, which alone need not be valid UTF-8. Special tokens and
 * unknown ids add nothing.
 */
void tokenizer_token_bytes(const struct tokenizer *t, int32_t id, struct buf *out);
bool tokenizer_is_special(const struct tokenizer *t, int32_t id);
bool tokenizer_is_stop(const struct tokenizer *t, int32_t id);

/*
 * Decoding as tokens arrive. Never emits part of a code point: what is incomplete is held until its next token or the end.
 * The concatenation of what it emits equals tokenizer_decode of all ids. prompt_ids may be given as context.
 */
struct token_stream;
struct token_stream *token_stream_new(const struct tokenizer *t, bool skip_special);
void token_stream_free(struct token_stream *s);
DEFINE_AUTO_FREE(token_stream)
void token_stream_add(struct token_stream *s, int32_t id, struct buf *out);     /* appends what became certain */
void token_stream_end(struct token_stream *s, struct buf *out);                 /* appends the rest */

/*
 * The model's chat template over messages. `extra` (may be NULL) is an object of further variables (tools, documents, ...);
 * bos_token, eos_token and the like are filled in. ERR_UNSUPPORTED when the model has no chat template.
 */
errc tokenizer_chat(const struct tokenizer *t, const json_t *messages, bool add_generation_prompt, const json_t *extra,
                    struct buf *out, struct err *e);
/* The same with a template of the caller's; today as in struct template_limits, may be NULL. */
errc tokenizer_chat_with(const struct tokenizer *t, const struct template *tpl, const json_t *messages,
                         bool add_generation_prompt, const json_t *extra, const char *today, struct buf *out, struct err *e);
/* The same, and where its {% generation %} blocks lie: see template_render_marked. */
errc tokenizer_chat_marked(const struct tokenizer *t, const struct template *tpl, const json_t *messages, bool add_generation_prompt,
                           const json_t *extra, const char *today, struct template_marks *marks, struct buf *out, struct err *e);

#endif
