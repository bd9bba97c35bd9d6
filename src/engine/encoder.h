/*
 * Sentence encoders (BERT and its like): token ids -> one vector. Post-norm transformers with learned positions that look both ways.
 * A model folder has config.json, safetensors and, as sentence-transformers writes it, modules.json with the pooling's folder;
 * without it the mean over the tokens is taken. What would change the vector and is not known is refused by name.
 *
 * One thread at a time uses an encoder.
 */
#ifndef ENGINE_ENCODER_H
#define ENGINE_ENCODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

struct encoder;

/* Whether the folder's config.json names an encoder's model_type; false also when it cannot be read. */
bool encoder_is(const char *model_dir);

errc encoder_open(const char *model_dir, int threads /* 0: one per CPU */, struct encoder **out, struct err *e);
void encoder_free(struct encoder *x);                   /* NULL is fine */
DEFINE_AUTO_FREE(encoder)

struct encoder_info {
    size_t dim;                 /* floats of a vector */
    size_t max_tokens;          /* of a text, special tokens included */
    size_t vocab;
    bool lowercase;             /* sentence_bert_config.json wants the text in small letters first */
};
const struct encoder_info *encoder_info(const struct encoder *x);

/* out [dim]. ERR_BAD_REQUEST: no ids, more than max_tokens, or one that is not in the vocabulary. */
errc encoder_embed(struct encoder *x, const int32_t *ids, size_t n, float *out, struct err *e);

#endif
