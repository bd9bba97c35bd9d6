/*
 * The inference engine: one model, any number of sequences with their key/value caches, LoRA adapters beside it.
 * Weights stay mapped (bf16, or NF4 made at load); arithmetic is f32.
 *
 * One thread at a time uses an engine and its sequences (the server's engine thread); it enters the parallel regions.
 * Deterministic: a sequence's logits are the same bits whatever else is computed with it and whatever the prefix cache holds.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "engine/adapters.h"
#include "engine/kernels_paged.h"
#include "engine/model.h"
#include "engine/sampler.h"

struct engine;
struct sequence;

struct engine_opts {
    enum quantize quantize;
    enum gemm_math math;        /* GEMM_F32 by default */
    int threads;                /* 0: one per CPU */
    size_t max_model_len;       /* 0: the model's max_position_embeddings */
    enum kv_dtype kv_dtype;     /* of cached keys and values; KV_F32 by default */
    bool kv_auto;               /* instead KV_BF16 where weights or products are not exact either: in GEMM_BF16 mode, quantised, in panels */
    size_t max_kv_tokens;       /* over all sequences; 0: by max_kv_bytes */
    size_t max_kv_bytes;        /* the same in memory; 0: no limit but memory, or half of what is free when kv_by_memory */
    bool kv_by_memory;          /* and no sequence may be longer than the cache */
    size_t prefill_chunk;       /* tokens of a prompt per step; 0: 512 */
    bool prefix_caching;        /* equal beginnings are computed once */
    bool batch_invariant;       /* one kind of product for prompts and answers: answers are shared, too; slower prompts */
    void (*loading)(size_t layers, size_t of);          /* model_opts */
};

/*
 * A model folder or a GGUF file. Errors name file and tensor: NOT_FOUND, CORRUPT, UNSUPPORTED (a family or format that is not built);
 * TOO_LARGE or UNAVAILABLE: no memory.
 */
errc engine_open(const char *model_dir, const struct engine_opts *o, struct engine **out, struct err *e);
void engine_free(struct engine *g);             /* every sequence freed before */
DEFINE_AUTO_FREE(engine)

const struct model *engine_model(const struct engine *g);
struct compute *engine_compute(struct engine *g);
size_t engine_max_len(const struct engine *g);          /* tokens of prompt and answer together */
size_t engine_kv_token_bytes(const struct engine *g);   /* keys and values of one token in all layers */
size_t engine_chunk(const struct engine *g);            /* tokens of a prompt per step */
bool engine_shares(const struct engine *g);     /* prefix caching is on */
struct kv_cache_stats engine_kv_stats(const struct engine *g);          /* blocks of KV_BLOCK_TOKENS */
size_t engine_kv_block_bytes(const struct engine *g);
errc engine_not_numbers(const struct engine *g, struct err *e);         /* why logits are NULL: names the damaged weight if one is */

struct adapters *engine_adapters(struct engine *g);     /* for any thread */

/* adapter NULL: the plain model. The caller's reference outlives the sequence. */
struct sequence *sequence_new(struct engine *g, const struct adapter *adapter);
void sequence_free(struct sequence *s);         /* its cache blocks go back to the engine */
DEFINE_AUTO_FREE(sequence)
size_t sequence_len(const struct sequence *s);
const int32_t *sequence_ids(const struct sequence *s);          /* lent until the next call */

/*
 * Appends tokens; the first call takes what the prefix cache has. What was appended is computed by engine_step and its kin.
 * sequence_add appends to the prompt, sequence_append what was generated after it. ERR_BAD_REQUEST: an id is not below vocab, or
 * max_model_len is passed (the message says both). ERR_TOO_LARGE: the cache has no room. On error the sequence is as before.
 */
errc sequence_add(struct sequence *s, const int32_t *ids, size_t n, struct err *e);
errc sequence_append(struct sequence *s, const int32_t *ids, size_t n, struct err *e);
void sequence_set_alone(struct sequence *s);            /* before any token: nothing is taken from the prefix cache */
size_t sequence_waiting(const struct sequence *s);      /* tokens that are not computed */
size_t sequence_cached(const struct sequence *s);       /* tokens that came from the prefix cache */
/* Another sequence with the same tokens and blocks; all of s is computed. ERR_TOO_LARGE as above. */
errc sequence_fork(struct sequence *s, struct sequence **out, struct err *e);

/*
 * Logits [vocab] after `position` of s, lent and free to change. NULL: not numbers (engine_not_numbers). The step is under way: no
 * sequence may be changed or freed here.
 */
typedef void engine_logits_fn(void *arg, struct sequence *s, size_t position, float *logits);

/* Part of a step: up to `budget` waiting tokens of a sequence. */
struct engine_work {
    struct sequence *seq;
    size_t budget;
    bool every;                 /* tell the logits of every position, not of the last one alone */
};
/* Computes all parts, in as few passes as their rows fit in. A sequence's bits do not depend on the other parts. */
void engine_step(struct engine *g, const struct engine_work *work, size_t n, engine_logits_fn *fn, void *arg);

/* A chunk of s; *out_done: it was the last one, and logits [vocab] of the last token are filled. */
errc engine_prefill(struct engine *g, struct sequence *s, float *logits, bool *out_done, struct err *e);

/*
 * One step of n sequences: sequence i takes ids[i] and leaves its next logits in row i of logits [n, vocab].
 * All must be done with prefill. Errors as above; then none has moved.
 */
errc engine_decode(struct engine *g, struct sequence *const *seqs, const int32_t *ids, size_t n, float *logits, struct err *e);

/* For inspection and tests: logits of every position of ids [n] into logits [n, vocab]. Errors of sequence_add; CORRUPT: not numbers. */
errc engine_score(struct engine *g, const struct adapter *adapter, const int32_t *ids, size_t n, float *logits, struct err *e);

/* ── the whole of one request, for callers without a scheduler ── */

struct generate_params {
    struct sample_params sample;
    size_t max_new_tokens;
    size_t min_new_tokens;
    const int32_t *stop_ids;    /* generation ends after one of these (it is reported); NULL: the model's eos set */
    size_t n_stop_ids;
};

/* on_token is called with every new token, on this thread; false ends generation, which is no error. */
errc engine_generate(struct engine *g, const struct adapter *adapter, const int32_t *ids, size_t n,
                     const struct generate_params *p, bool (*on_token)(void *arg, int32_t id), void *arg, struct err *e);

#endif
