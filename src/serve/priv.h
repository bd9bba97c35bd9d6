/* What the files of serve/ share. */
#ifndef SERVE_PRIV_H
#define SERVE_PRIV_H

#include "base/json.h"
#include "base/mem.h"
#include "base/thread.h"
#include "engine/engine.h"
#include "http/server.h"
#include "serve/serve.h"
#include "template/template.h"
#include "tokenizer/tokenizer.h"

/* ---- metrics.c ---- */

#define BUCKETS_MAX 24
struct histogram { const double *bounds; size_t n; uint64_t counts[BUCKETS_MAX + 1]; double sum; uint64_t count; };

enum finish { FINISH_STOP, FINISH_LENGTH, FINISH_ABORT, FINISH_ERROR, FINISH_KINDS };

struct stats {
    size_t running, waiting, kv_used, kv_max;
    uint64_t prompt_tokens, generation_tokens, preemptions, finished[FINISH_KINDS], rejected;
    struct histogram ttft, inter_token, e2e, queue, prompt_len, generation_len;
};
void stats_init(struct stats *s);
void histogram_add(struct histogram *h, double v);
void stats_prometheus(const struct stats *s, const char *model, struct buf *out);
json_t *machine_json(void);             /* upstream's JSON of /metrics: gpu_info, cpu_info */

/* ---- scheduler.c: the engine thread ---- */

/* One generation. The caller fills the first part and submits; what follows is the scheduler's, read through its calls. */
struct job {
    struct token_ids prompt;
    struct sample_params sample;
    size_t max_new, min_new;
    const int32_t *stop_ids;            /* outlive the job */
    size_t n_stop_ids;
    const struct adapter *adapter;
    struct cancel *gone;                /* of the client; may be NULL */

    struct token_ids out;               /* stop token not included */
    enum finish finish;
    int32_t stop_id;                    /* what ended it, -1 */
    struct err err;                     /* FINISH_ERROR */
    bool done, abandoned, submitted;
    struct cond changed;                /* under the scheduler's lock */

    struct sequence *seq;               /* engine thread only */
    struct sampler *sampler;
    bool prefilled;
    int32_t pending;                    /* sampled, not yet fed */
    int64_t queued_us, first_us, last_us;
    struct job *next;                   /* in the queue */
};

struct scheduler;
errc scheduler_new(struct engine *g, size_t max_seqs, struct scheduler **out, struct err *e);
void scheduler_free(struct scheduler *s);       /* ends what runs */
void scheduler_drain(struct scheduler *s, int64_t grace_ms);    /* refuses new jobs, waits for the others */
void job_init(struct job *j);
/* Queues; UNAVAILABLE while draining, THROTTLED when `limited` and the queue is full. The job stays the caller's. */
errc scheduler_submit(struct scheduler *s, struct job *j, bool limited, struct err *e);
/* Waits until there are more than `have` tokens or the end; copies the new ones to out. True: the job is done and all was given. */
bool scheduler_wait(struct scheduler *s, struct job *j, size_t have, struct token_ids *out);
void scheduler_watch(struct scheduler *s, struct job *j, struct cancel *gone);  /* another client token from now on */
void scheduler_release(struct scheduler *s, struct job *j);     /* abandons it when it runs; then frees what it holds */
void scheduler_stats(struct scheduler *s, struct stats *out);

/* ---- generation.c: a job as text ---- */

struct stops { char **v; size_t n; };   /* strings that end a generation */
struct generation {
    struct scheduler *scheduler;
    const struct tokenizer *t;
    struct job job;
    struct stops stops;
    struct token_stream *stream;
    struct buf held;                    /* decoded, but perhaps the beginning of a stop string */
    size_t seen;                        /* tokens taken from the job */
    bool done;
    const char *stop_string;            /* the one that was met */
};
struct generation *generation_new(struct scheduler *s, const struct tokenizer *t);
void generation_free(struct generation *g);
DEFINE_AUTO_FREE(generation)
errc generation_start(struct generation *g, bool limited, struct err *e);
/* Appends what became certain; blocks until there is something or the end (*g).done. */
errc generation_pull(struct generation *g, struct buf *out, struct err *e);
errc generation_all(struct generation *g, struct buf *out, struct err *e);
size_t generation_tokens(const struct generation *g);

/* ---- the server ---- */

struct server {
    struct engine *engine;
    struct tokenizer *tokenizer;
    struct template *chat_template;     /* NULL: the tokenizer's */
    struct scheduler *scheduler;
    struct http_server *http;
    char *name, *model_dir;
    char **adapter_names;
    const struct adapter **adapters;
    size_t n_adapters;
    size_t max_seqs, vocab;
    int64_t created;
    int32_t *eos;                       /* what ends a generation by default */
    size_t n_eos;
};

void server_handle(void *self, struct http_exchange *x);        /* routes.c */
const struct adapter *server_adapter(const struct server *s, const char *name);
errc server_chat_text(const struct server *s, const json_t *messages, bool add_generation_prompt, const json_t *extra, struct buf *out, struct err *e);

typedef void route_fn(struct server *s, struct http_exchange *x);
route_fn kaito_chat;                                            /* kaito_chat.c */
route_fn openai_chat, openai_completions, openai_models, openai_tokenize, openai_detokenize;    /* openai.c */

void reply_json(struct http_exchange *x, int status, const json_t *j);
void reply_detail(struct http_exchange *x, int status, const char *fmt, ...) PRINTF(3, 4);      /* {"detail": ...} */
void reply_openai_error(struct http_exchange *x, int status, const char *type, const char *fmt, ...) PRINTF(4, 5);
void reply_openai_err(struct http_exchange *x, const struct err *e);

#endif
