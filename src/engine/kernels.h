/*
 * The arithmetic between matrix products, forward and backward side by side: inference uses the first of each pair,
 * training both. Pure functions over pointers and sizes; the compute only splits rows or heads between threads, so a
 * result does not depend on their number. Backward functions ADD into d... arguments unless they say otherwise.
 *
 * Letters: T tokens (rows), D hidden, I inter, H query heads, K key/value heads, hd head_dim, R rotary dim, V vocab.
 * Everything is f32 row-major; ld... is the distance between rows in elements.
 */
#ifndef ENGINE_KERNELS_H
#define ENGINE_KERNELS_H

#include "tensor/gemm.h"

/*
 * Root-mean-square normalisation: y = x / sqrt(mean(x^2) + eps) * (w + plus), y may be x. plus is 1 for Gemma, else 0.
 * Sums in f64. Source: Zhang and Sennrich 2019.
 *   x, y [T, dim] with row distance ld;  w [dim].
 */
void rmsnorm_forward(struct compute *c, float *y, const float *x, size_t ld, const float *w, float plus, size_t rows,
                     size_t dim, float eps);
/* dx [T, dim] +=; dw [dim] += (NULL: not wanted, either). x is the forward's input. dx may not be dy. */
void rmsnorm_backward(struct compute *c, float *dx, float *dw, const float *dy, const float *x, size_t ld, const float *w,
                      float plus, size_t rows, size_t dim, float eps);

/*
 * Layer normalisation: y = (x - mean) / sqrt(var + eps) * w + b; b may be NULL. y may be x.
 */
void layernorm_forward(struct compute *c, float *y, const float *x, size_t ld, const float *w, const float *b, size_t rows,
                       size_t dim, float eps);
/* dx [T, dim] +=; dw, db [dim] += (NULL: not wanted, each). x is the forward's input. dx may not be dy. */
void layernorm_backward(struct compute *c, float *dx, float *dw, float *db, const float *dy, const float *x, size_t ld, const float *w,
                        size_t rows, size_t dim, float eps);

/*
 * Rotary position embedding, half-split: the first R elements of each head are pairs (i, i + R/2) turned by
 * position * inv_freq[i], and scaled by `scale` (LongRoPE's and YaRN's attention factor; 1 otherwise).
 *   x [T, heads * hd] in place with row distance ld; cos, sin [T, R/2] from rope_angles for the rows' positions.
 * Backward is the transpose: the same scale, the opposite turn; it works in place on the gradient.
 * Source: Su et al. 2021; angles in f32 as transformers computes them.
 */
void rope_angles(float *cos, float *sin, const int32_t *positions, size_t rows, const float *inv_freq, size_t half, float scale);
void rope_forward(struct compute *c, float *x, size_t ld, const float *cos, const float *sin, size_t rows, size_t heads,
                  size_t hd, size_t rotary);
/* The same with neighbours as pairs: (2i, 2i + 1) are turned by inv_freq[i]. */
void rope_forward_pairs(struct compute *c, float *x, size_t ld, const float *cos, const float *sin, size_t rows, size_t heads,
                        size_t hd, size_t rotary);
typedef void turn_fn(struct compute *c, float *x, size_t ld, const float *cos, const float *sin, size_t rows, size_t heads, size_t hd,
                     size_t rotary);
void rope_backward(struct compute *c, float *dx, size_t ld, const float *cos, const float *sin, size_t rows, size_t heads,
                   size_t hd, size_t rotary);

enum activation { ACT_SILU, ACT_GELU_TANH, ACT_GELU_ERF, ACT_GELU_QUICK, ACT_RELU };

/*
 * Gated unit: y [T, I] = act(gate) * up, where gate_up [T, 2I] holds gate in the first I columns and up in the rest.
 */
void glu_forward(struct compute *c, float *y, const float *gate_up, size_t rows, size_t inter, enum activation act);
/* d_gate_up [T, 2I] is overwritten (it may be gate_up itself). */
void glu_backward(struct compute *c, float *d_gate_up, const float *dy, const float *gate_up, size_t rows, size_t inter,
                  enum activation act);

/* Unit without a gate: x [n] = act(x). */
void act_forward(struct compute *c, float *x, size_t n, enum activation act);
/* dx [n] = dy * act'(x), overwritten; x is the forward's input. dx may be dy. */
void act_backward(struct compute *c, float *dx, const float *dy, const float *x, size_t n, enum activation act);

/*
 * [K groups of H / K query heads, a key head, a value head] to [q | k | v], as attention reads them. y is not x.
 *   x, y [T, (H + 2K) * hd] with row distance ld.
 */
void qkv_ungroup(struct compute *c, float *y, const float *x, size_t ld, size_t rows, size_t heads, size_t kv_heads, size_t hd);
/* Back: from [q | k | v] to groups. */
void qkv_group(struct compute *c, float *y, const float *x, size_t ld, size_t rows, size_t heads, size_t kv_heads, size_t hd);

/*
 * Causal attention of one whole sequence, as training sees it. Query head h reads key/value head h / (H / K).
 * Query i sees keys j <= i, and only i - j < window when window > 0.
 *   scores = scale * q.k (+ scale * slope of the head * position of the key, rounded as Falcon does it), then softcap * tanh(scores / softcap)
 *   when softcap > 0, softmax over the visible keys in f32.
 *   q [T, H*hd], k, v [T, K*hd], o [T, H*hd], each with its row distance: three column ranges of one array will do.
 */
struct attention_shape {
    size_t tokens, heads, kv_heads, head_dim, window;
    float scale, softcap;
    const float *slopes;        /* ALiBi, [heads]; NULL: none */
    /* NULL, or multiplies the probabilities of keys [first, first + n) for one query of one head: a dropout. The same numbers on the way back. */
    void (*mask)(const void *self, size_t head, size_t query, size_t first_key, float *row, size_t n);
    const void *mask_self;
};
void attention_forward(struct compute *c, const struct attention_shape *s, float *o, size_t ldo, const float *q, size_t ldq,
                       const float *k, const float *v, size_t ldkv);
/* dq, dk, dv += ; probabilities are computed again from q and k. */
void attention_backward(struct compute *c, const struct attention_shape *s, float *dq, size_t lddq, float *dk, float *dv,
                        size_t lddkv, const float *d_o, size_t lddo, const float *q, size_t ldq, const float *k,
                        const float *v, size_t ldkv);

/*
 * A router's scores s [n] of one token become the experts' shares: softmax over the `used` highest, 0 for the others (Mixtral's softmax over
 * all, made to sum to 1 over the chosen). share [n] is scratch. What is not a number stays so in `used` places, to be found later.
 */
void choose_experts(float *s, float *share, size_t n, size_t used);

/*
 * Next-token loss. For each row with label >= 0: loss += -log softmax(logits)[label]; rows with a negative label
 * (-100) count nothing. Returns the sum; *out_count rows that counted. lse [T] receives log-sum-exp (may be NULL).
 */
double cross_entropy_forward(struct compute *c, const float *logits, size_t ld, const int32_t *labels, size_t rows,
                             size_t vocab, size_t *out_count, float *lse);
/* logits are replaced by d loss / d logits * weight (0 in rows that do not count). */
void cross_entropy_backward(struct compute *c, float *logits, size_t ld, const int32_t *labels, size_t rows, size_t vocab,
                            float weight);

/* y[i] += a * x[i];  dst [T, n] += bias [n] in every row. */
void axpy(struct compute *c, float *y, const float *x, float a, size_t n);
void add_bias(struct compute *c, float *y, size_t ld, const float *bias, size_t rows, size_t n);

#endif
