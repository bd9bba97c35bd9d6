/*
 * The inference engine: one model, any number of sequences with their key/value caches, LoRA adapters beside it.
 * Weights stay mapped (bf16, or NF4 made at load); arithmetic is f32.
 *
 * One thread at a time uses an engine and its sequences (the server's engine thread); it enters the parallel regions.
 * Deterministic: a sequence's logits are the same bits whatever else is decoded in the same call.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "engine/adapters.h"
#include "engine/model.h"
#include "engine/sampler.h"

struct engine;
struct sequence;

struct engine_opts {
    enum quantize quantize;
    enum gemm_math math;        /* GEMM_F32 by default */
    int threads;                /* 0: one per CPU */
    size_t max_model_len;       /* 0: the model's max_position_embeddings */
    size_t max_kv_tokens;       /* over all sequences; 0: no limit but memory */
    size_t prefill_chunk;       /* tokens per pass; 0: 512 */
};

errc engine_open(const char *model_dir, const struct engine_opts *o, struct engine **out, struct err *e);
void engine_free(struct engine *g);             /* every sequence freed before */
DEFINE_AUTO_FREE(engine)

const struct model *engine_model(const struct engine *g);
struct compute *engine_compute(struct engine *g);
size_t engine_max_len(const struct engine *g);
size_t engine_kv_token_bytes(const struct engine *g);   /* keys and values of one token in all layers */
size_t engine_kv_tokens_used(const struct engine *g);   /* in blocks held, rounded up to whole blocks */
size_t engine_kv_tokens_max(const struct engine *g);    /* SIZE_MAX: no limit */

struct adapters *engine_adapters(struct engine *g);     /* for any thread */

/* adapter NULL: the plain model. The caller's reference outlives the sequence. */
struct sequence *sequence_new(struct engine *g, const struct adapter *adapter);
void sequence_free(struct sequence *s);         /* its cache blocks go back to the engine */
DEFINE_AUTO_FREE(sequence)
size_t sequence_len(const struct sequence *s);
const int32_t *sequence_ids(const struct sequence *s);          /* lent until the next call */

/*
 * Appends tokens. sequence_add only notes them; the passes run in engine_prefill, one chunk per call, so that a server
 * can interleave. engine_prefill returns *out_done true when every token has been seen, and then logits [vocab] of the
 * last one are filled. ERR_BAD_REQUEST: an id is not below vocab, or max_model_len is passed (the message says both).
 * ERR_TOO_LARGE: the cache has no room (max_kv_tokens). On error the sequence is as before the call.
 */
errc sequence_add(struct sequence *s, const int32_t *ids, size_t n, struct err *e);
errc engine_prefill(struct engine *g, struct sequence *s, float *logits, bool *out_done, struct err *e);

/*
 * The same, telling fn the logits after every position; logits is [GEMM_FEW_ROWS, vocab], its first row as above.
 */
errc engine_prefill_each(struct engine *g, struct sequence *s, float *logits, void (*fn)(void *arg, size_t position, const float *logits),
                         void *arg, bool *out_done, struct err *e);

/*
 * One step of n sequences: sequence i takes ids[i] and leaves its next logits in row i of logits [n, vocab].
 * All must be done with prefill. Errors as above; then none has moved.
 */
errc engine_decode(struct engine *g, struct sequence *const *seqs, const int32_t *ids, size_t n, float *logits, struct err *e);

/*
 * For inspection and tests: logits of every position of ids [n] into logits [n, vocab].
 */
errc engine_score(struct engine *g, const struct adapter *adapter, const int32_t *ids, size_t n, float *logits, struct err *e);

/* ── the whole of one request, for callers without a scheduler ── */

struct generate_params {
    struct sample_params sample;
    size_t max_new_tokens;
    size_t min_new_tokens;
    const int32_t *stop_ids;    /* generation ends after one of these (it is reported); NULL: the model's eos set */
    size_t n_stop_ids;
};

/* on_token is called with every new token; false ends generation. */
errc engine_generate(struct engine *g, const struct adapter *adapter, const int32_t *ids, size_t n,
                     const struct generate_params *p, bool (*on_token)(void *arg, int32_t id), void *arg, struct err *e);

#endif
