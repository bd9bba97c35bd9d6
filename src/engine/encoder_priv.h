/* What the files of the encoder share. Letters: T tokens, D hidden, I inter, H heads. */
#ifndef ENGINE_ENCODER_PRIV_H
#define ENGINE_ENCODER_PRIV_H

#include "base/json.h"
#include "base/mem.h"
#include "engine/encoder.h"
#include "engine/kernels.h"
#include "tensor/safetensors.h"

/* One model_type: the names of its tensors and of its config's keys. A layer's names follow `layer` and its number. */
struct encoder_family {
    const char *model_type;
    const char *prefix;                 /* that checkpoints with a head put before every name */
    const char *layer;
    const char *query, *key, *value, *attention_out, *attention_norm, *inter, *out, *out_norm;
    const char *hidden_key, *inter_key, *layers_key, *heads_key, *act_key;
    bool token_types;
    bool positions_after_padding;       /* positions begin behind pad_token_id (RoBERTa) */
    double norm_eps;                    /* when the config has no layer_norm_eps */
};
const struct encoder_family *encoder_family_find(const char *model_type);       /* NULL: none */

enum pooling { POOL_MEAN, POOL_CLS, POOL_MAX, POOL_MEAN_SQRT, POOL_LAST };

struct encoder_config {
    const struct encoder_family *family;
    size_t hidden, inter, layers, heads, vocab, positions, first_position, max_tokens;
    float norm_eps;
    enum activation act;
    enum pooling pooling;
    bool normalize, lowercase;
};
errc encoder_config_load(const char *dir, struct encoder_config *out, struct err *e);

struct linear { struct weight w; float *bias; };
struct norm { float *w, *b; };
struct encoder_layer { struct linear q, k, v, attention_out, inter, out; struct norm attention_norm, out_norm; };

struct encoder_weights {
    struct weight words, positions;     /* [vocab, D], [positions, D] */
    float *type0;                       /* [D], of token type 0; NULL: none */
    struct norm norm;
    struct encoder_layer *layers;
    size_t n_layers;
};
errc encoder_weights_load(const struct safetensors *s, const struct encoder_config *c, struct encoder_weights *out, struct err *e);
void encoder_weights_done(struct encoder_weights *w);

/*
 * Attention that sees every token of its sequence, from both sides: o = softmax(q.k / sqrt(hd)) v for each head.
 *   q, k, v [T, H*hd] with row distance ld (three column ranges of one array); o [T, H*hd] with row distance ldo.
 */
void attention_full_forward(struct compute *c, float *o, size_t ldo, const float *q, const float *k, const float *v, size_t ld, size_t tokens,
                            size_t heads, size_t hd);

#endif
