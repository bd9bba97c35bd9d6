/* What the readers of tokenizer.json share. Every part is a row "type name -> reader"; an unknown type is refused by name. */
#ifndef TOKENIZER_PARSE_H
#define TOKENIZER_PARSE_H

#include "tokenizer/priv.h"

#define STEPS_MAX 64                    /* normalizers, pre-tokenizers, decoders: of each */

typedef errc reader(struct tokenizer *t, const json_t *j, struct err *e);
struct row { const char *type; reader *read; };

errc parse_bad(struct err *e, const char *field, const char *wanted);                   /* ERR_CORRUPT: "field: expected wanted" */
struct str parse_text(struct tokenizer *t, const json_t *j, const char *key);           /* "" when it is no string */
errc parse_regex(struct tokenizer *t, struct str pattern, struct pattern *out, struct err *e);
errc parse_pattern(struct tokenizer *t, const json_t *j, const char *field, struct pattern *out, struct err *e);
/* Reads one part, or the members of a Sequence. */
errc parse_part(struct tokenizer *t, const json_t *j, const char *part, const char *members, const struct row *rows, size_t n,
                int depth, struct err *e);

reader parse_normalizer, parse_pre_tokenizer, parse_decoder;    /* parse_steps.c */
reader parse_model;                                             /* parse_model.c */

#endif
