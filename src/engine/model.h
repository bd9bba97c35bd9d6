/*
 * A model folder (or GGUF file) in memory: config.json read strictly, weights mapped. A family is a row of a table (model_family), not
 * a copy of the forward pass. A model is immutable once loaded, so threads may share it; training reads the same struct.
 *
 * config.json in both dialects: rope_theta, rope_scaling, torch_dtype and transformers 5's rope_parameters, dtype.
 * An unknown model_type, or a key that would change the result and that we do not know, is refused by name.
 */
#ifndef ENGINE_MODEL_H
#define ENGINE_MODEL_H

#include "engine/kernels.h"
#include "engine/source.h"

/* DYNAMIC turns like DEFAULT up to max_positions, and the engine goes no further. */
enum rope_kind { ROPE_DEFAULT, ROPE_LINEAR, ROPE_DYNAMIC, ROPE_LLAMA3, ROPE_LONGROPE, ROPE_YARN };

struct rope_config {
    enum rope_kind kind;
    double theta;
    double factor;                              /* linear, llama3, yarn, longrope (when given) */
    double low_freq_factor, high_freq_factor;   /* llama3 */
    double beta_fast, beta_slow;                /* yarn */
    bool round_range;                           /* yarn: the ramp begins and ends at whole dimensions */
    double attention_factor;                    /* 0: by the kind's formula */
    double mscale, mscale_all_dim;              /* yarn; 0: not given */
    size_t original_positions;
    float *short_factor, *long_factor;          /* longrope, [rotary / 2], owned */
};

struct model_family;

struct model_config {
    const struct model_family *family;
    size_t layers, hidden, inter, heads, kv_heads, head_dim, rotary, vocab, max_positions;
    size_t window;                  /* of sliding layers; 0: none slides */
    size_t experts, experts_used;   /* per layer, and of those per token; 0: one dense MLP */
    bool *sliding;                  /* [layers], owned */
    enum activation act;
    float norm_eps, attn_scale, attn_softcap, final_softcap, embed_scale;      /* softcap 0: none; embed_scale 1: none */
    float norm_plus;                /* 1 when norm weights are stored minus one (Gemma), else 0; q_norm and k_norm too */
    bool tied, qkv_bias, o_bias, mlp_bias, head_bias;
    bool parallel;                  /* attention and MLP both read the layer's input */
    bool layernorm;                 /* norms take the mean away and have a bias */
    bool gated;                     /* act(gate) * up, else act(up) */
    bool qkv_grouped;               /* the fused linear's result needs qkv_ungroup */
    bool rope_pairs;                /* rotary pairs are neighbours, (2i, 2i + 1): rows of q and k of some GGUF files */
    bool qk_norm;                   /* queries and keys are normalised before they are rotated */
    float *alibi;                   /* [heads] slopes, owned: positions are a bias of the scores and nothing is rotated; NULL: rotary */
    struct rope_config rope, rope_local;        /* rope_local: of sliding layers when the family has two (Gemma 3) */
    enum dtype dtype;               /* what config.json says the weights are */
    bool prequantized;              /* bitsandbytes NF4 or FP4 checkpoint */
    int64_t bos, pad;               /* -1: none */
    int64_t eos[16];                /* generation_config.json's and config.json's together */
    size_t n_eos;
    char *model_type, *architecture;            /* owned */
};

struct linear {
    char *path;                     /* Hugging Face module path: "model.layers.0.self_attn.qkv_proj"; owned */
    size_t index;                   /* in model.linears */
    struct weight w;
    float *bias;                    /* [out] or NULL; owned */
    size_t out_offset;              /* first column of its result in the layer's joint buffer (q|k|v, gate|up) */
};

/* Weights of one normalisation, owned. w NULL: the family has none at this place. b NULL: no bias. */
struct norm {
    float *w, *b;
};

/* in: one fused linear or gate, up, side by side as [gate | up]; one plain linear where the unit is not gated. */
struct mlp {
    struct linear *in[2], *out;
    size_t n_in;
};

/*
 * One decoder layer. attn_in: one fused linear or q, k, v; their results lie side by side as [q | k | v].
 * Either mlp, or router and experts: each token goes through the config.experts_used experts of the highest score.
 */
struct layer {
    struct norm norm_attn, norm_mlp;            /* before attention, before the MLP */
    struct norm norm_attn_out, norm_mlp_out;    /* after them, before the residual sum */
    struct norm q_norm, k_norm;
    bool qk_norm_whole;                         /* over all heads at once (OLMo 2), else per head */
    struct linear *attn_in[3], *attn_out;
    size_t n_attn_in;
    struct mlp mlp;
    struct linear *router;                      /* NULL: a dense MLP */
    struct mlp *experts;                        /* [config.experts], owned */
    bool slides;                                /* window applies */
    bool local_rope;                            /* rope_local applies */
};

struct model {
    struct model_config config;
    struct source *source;          /* engine/source.h: keeps the weights mapped */
    struct weight embed;            /* [vocab, hidden]; rows are looked up */
    struct weight head;             /* [vocab, hidden]; the same matrix as embed when tied, unless it was quantised */
    struct layer *layers;           /* [config.layers] */
    float *head_bias;               /* [vocab] or NULL */
    struct norm norm_final;         /* [hidden] */
    struct linear *linears;         /* all of the layers, in order */
    size_t n_linears;
    struct linear ends[2];          /* model_adaptable() */
    char *dir;
};

/*
 * What LoRA may target: the linears of layers, then the head (whose bias stays head_bias) and the embedding as PEFT sees it, a product with
 * one-hot rows, of which only the shape [hidden, vocab] is there.
 */
enum { MODEL_HEAD, MODEL_EMBED, MODEL_ENDS };
static inline size_t model_adaptables(const struct model *m) { return m->n_linears + MODEL_ENDS; }
static inline const struct linear *model_adaptable(const struct model *m, size_t i)
{
    return i < m->n_linears ? &m->linears[i] : &m->ends[i - m->n_linears];
}

enum quantize { QUANTIZE_NONE, QUANTIZE_NF4, QUANTIZE_NF4_DOUBLE, QUANTIZE_FP4, QUANTIZE_FP4_DOUBLE, QUANTIZE_INT8, QUANTIZE_Q4 };

struct model_opts {
    enum quantize quantize;         /* NF4, FP4: every linear but the head; INT8, Q4: the head too. Ignored for a checkpoint that is in 4 bits already */
    bool as_dtype;                  /* with NF4 and FP4: values are those of `dtype` when they are quantised, and rounded to it afterwards; */
    enum dtype dtype;               /*   else of the type they have in the file */
    bool panels;                    /* GGUF blocks and NF4 (not FP4) become panels (tensor/panels_blocks.h) for products with 8-bit activations; else they stay as they are */
    int threads;                    /* for both; 0: one per CPU */
    void (*loading)(size_t layers, size_t of);  /* called every two seconds while it takes longer than that; NULL: nobody cares */
};

errc model_config_load(const char *dir, struct model_config *out, struct err *e);      /* config.json, generation_config.json */
errc model_config_parse(struct str config_json, struct str generation_json, struct model_config *out, struct err *e);
void model_config_done(struct model_config *c);

errc model_load(const char *dir, const struct model_opts *o, struct model **out, struct err *e);
void model_free(struct model *m);
DEFINE_AUTO_FREE(model)

/*
 * ERR_CORRUPT names the first matrix with an element that is infinite or not a number. Reads every weight that is not quantised:
 * for the message after a computation went wrong. Small checkpoints were read when they were loaded.
 */
errc model_check_finite(const struct model *m, struct err *e);

/* Widths of the joint buffers. */
static inline size_t model_q_width(const struct model_config *c) { return c->heads * c->head_dim; }
static inline size_t model_kv_width(const struct model_config *c) { return c->kv_heads * c->head_dim; }
static inline size_t model_qkv_width(const struct model_config *c) { return model_q_width(c) + 2 * model_kv_width(c); }

/* What LoRA may target under this module path, NULL when there is none. */
const struct linear *model_find_linear(const struct model *m, struct str path);

/*
 * inv_freq [rotary / 2] and the factor on cos and sin for a sequence of `length` tokens so far: LongRoPE takes the long
 * factors when length > original_positions (transformers decides per call, too).
 */
void rope_frequencies(const struct model_config *c, const struct rope_config *r, size_t length, float *inv_freq, float *scale);
/* Whether angles of cached keys change when a sequence grows from `before` to `after` tokens. */
bool rope_changes(const struct model_config *c, size_t before, size_t after);

/* Rows of w, the model's embedding or another in its place, of ids [n] into x [n, hidden], scaled. Ids must be below vocab. */
void model_embed(const struct model *m, const struct weight *w, float *x, const int32_t *ids, size_t n);

/* y (columns out_offset...) = x . w^T + bias for one linear. */
void linear_forward(struct compute *c, const struct linear *l, float *y, size_t ldy, const float *x, size_t ldx, size_t rows);

/* y = x normalised as the family does it, [rows, dim] with row distance ld; y may be x. */
void model_norm(struct compute *c, const struct model *m, const struct norm *n, float *y, const float *x, size_t ld, size_t rows,
                size_t dim);

#endif
