/* What the .c files of engine/ share: the family table, the cache, one pass over the layers. */
#ifndef ENGINE_PRIV_H
#define ENGINE_PRIV_H

#include "base/json.h"
#include "engine/engine.h"
#include "engine/kernels_paged.h"

/* Which layers see only the window, when config.json has no layer_types. */
enum slide_rule { SLIDE_NONE, SLIDE_ALL, SLIDE_QWEN, SLIDE_EVEN, SLIDE_PATTERN };
/* BY_KEY: per head, when config.json's qk_layernorm says so. */
enum qk_norm { QK_NORM_NONE, QK_NORM_HEAD, QK_NORM_WHOLE, QK_NORM_BY_KEY };
/* GROUPED: one linear whose rows are, for each key/value head, its query heads, the key head, the value head. */
enum qkv_layout { QKV_SPLIT, QKV_FUSED, QKV_GROUPED };
enum mlp_kind { MLP_GATED, MLP_GATED_FUSED, MLP_PLAIN, MLP_EXPERTS };

/* Where the tensors are: whole paths of the first group, the others within a layer. */
struct module_names {
    const char *embed, *layers, *norm_final;
    const char *q, *k, *v, *qkv, *o, *q_norm, *k_norm;
    const char *gate, *up, *gate_up, *down;     /* up, down of an MLP that is not gated; within an expert: of MLP_EXPERTS */
    const char *router, *experts;
};

/*
 * How a family differs from the common decoder: h += attention(norm(h)); h += mlp(norm(h)). A new family is a row here;
 * when a row cannot say it, a column is added.
 */
struct model_family {
    const char *model_type, *architecture;
    bool (*when)(const json_t *config);         /* tells rows of one model_type apart; NULL: the others */
    const struct module_names *names;
    enum qkv_layout qkv;
    enum mlp_kind mlp;
    bool parallel;                              /* h += attention(norm(h)) + mlp(norm(h)); no norm_mlp: both of the same norm */
    bool layernorm;                             /* with mean and bias, else root mean square */
    bool norm_plus_one;                         /* weights are stored minus one */
    bool scaled_embed;                          /* embeddings times sqrt(hidden) */
    bool query_scalar;                          /* scores scaled by query_pre_attn_scalar instead of head_dim */
    bool head_bias;
    bool has_alibi;                             /* config.json's alibi is read */
    bool multi_query;                           /* one key/value head unless config.json says otherwise */
    enum qk_norm qk_norm;
    enum slide_rule slides;
    const char *norm_attn, *norm_attn_out, *norm_mlp, *norm_mlp_out;    /* names within the layer; NULL: none */
    const char *bias_key;                       /* of config.json: all of attention; NULL: qkv_bias and o_bias always hold */
    const char *mlp_bias_key;
    const char *eps_key, *act_key;
    bool qkv_bias, o_bias, mlp_bias;
    /* what the family's configuration class assumes when config.json is silent */
    bool tied;
    enum activation act;
    double norm_eps, theta, local_theta, partial_rotary;
    size_t kv_heads, head_dim, window, max_positions, experts, experts_used;
    size_t inter_per_hidden;
};

/* The row for a config.json; NULL: none. */
const struct model_family *family_find(const json_t *config);
void family_names(struct buf *out);             /* "phi3, llama, ..." for messages */

struct engine {
    struct model *model;
    struct compute *compute;
    size_t max_len, chunk;
    bool share;                                 /* prefix caching */
    bool stable;                                /* prompts go through the products of generated tokens, too */
    struct paged_shape kv;
    struct kv_cache *cache;
    struct adapters *adapters;
    float *inv_freq[2][2], rope_scale[2][2];    /* [global, local][short, long] */
    struct infer *infer;
};

/*
 * A row's bits must not depend on its company. All prompt rows of a pass go together through the products for many rows; what is
 * generated (positions from n_prompt on) through those for few rows, also when it has to be computed again.
 */
struct sequence {
    struct engine *engine;
    const struct adapter *adapter;
    int32_t *ids;
    size_t n, cap_ids;          /* tokens known */
    size_t n_prompt;            /* of which these are the prompt */
    size_t cached;              /* of which the cache holds keys and values */
    struct kv_block **blocks;
    size_t n_blocks, cap_blocks;
    bool alone;                 /* takes nothing from the prefix cache: every position is computed */
    size_t n_keyed;             /* blocks whose key is known: shared or published */
    uint64_t chain;             /* the last one's */
};

/* Makes room for positions [0, tokens). ERR_TOO_LARGE when the engine has no blocks left; blocks taken so far stay. */
errc sequence_reserve(struct sequence *s, size_t tokens, struct err *e);
errc sequence_check(const struct sequence *s, const int32_t *ids, size_t n, struct err *e);
/* Publishes the blocks that became full. */
void sequence_publish(struct sequence *s);

/*
 * One row of a pass: the token of `seq` at `position`. Rows of one sequence follow each other in order. Rows of one part follow each
 * other and go through products together: of the few-row kind or of the many-row kind.
 */
enum infer_part { PART_GENERATED, PART_PROMPTS };

struct infer_row {
    struct sequence *seq;
    int32_t position;
    enum infer_part part;
    bool want;                  /* logits */
};

struct infer *infer_new(struct engine *g, size_t max_rows);
void infer_free(struct infer *p);
/* Runs rows [n] through all layers, filling their cache entries (room reserved before), and tells fn the logits of those that want them. */
void infer_run(struct engine *g, const struct infer_row *rows, size_t n, engine_logits_fn *fn, void *arg);

#endif
