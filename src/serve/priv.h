/* What the files of serve/ share. */
#ifndef SERVE_PRIV_H
#define SERVE_PRIV_H

#include "base/json.h"
#include "base/mem.h"
#include "base/thread.h"
#include "engine/engine.h"
#include "http/server.h"
#include "serve/grammars.h"
#include "serve/reasoning.h"
#include "serve/scheduler.h"
#include "serve/serve.h"
#include "serve/tools.h"
#include "template/template.h"
#include "tokenizer/tokenizer.h"

/* ---- generation.c: a job as text ---- */

struct stops { char **v; size_t n; };   /* strings that end a generation */
struct generation {
    /* the caller's, before the start */
    struct job job;
    struct stops stops;                 /* lent */
    bool skip_special, include_stop;    /* leave special tokens out; show the stop string or token that ended it */
    bool keep_ids;

    struct scheduler *scheduler;
    const struct tokenizer *t;
    struct token_stream *stream;
    struct buf held;                    /* decoded, but perhaps the beginning of a stop string */
    size_t seen;                        /* tokens taken from the job */
    struct token_ids ids;               /* with keep_ids: those, then the stop token */
    struct token_logprobs *results;     /* with job.sample.logprobs: of those tokens, then of the stop token */
    size_t n_results;
    bool done;
    const char *stop_string;            /* the one that was met */
};
struct generation *generation_new(struct scheduler *s, const struct tokenizer *t);
void generation_free(struct generation *g);
DEFINE_AUTO_FREE(generation)
/* Queues all of them or none. They belong to one request. */
errc generations_start(struct generation *const *all, size_t n, bool limited, struct err *e);
/* Waits for news of one that is not done; its index, n when all are done. */
size_t generations_wait(struct generation *const *all, size_t n);
/* Appends what became certain; blocks until there is something or the end (*g).done. */
errc generation_pull(struct generation *g, struct buf *out, struct err *e);
errc generation_all(struct generation *g, struct buf *out, struct err *e);
size_t generation_tokens(const struct generation *g);   /* the stop token counts */

/* ---- the server ---- */

struct names { char **v; size_t n; };
bool names_have(const struct names *l, const char *name);

struct server {
    struct engine *engine;
    struct tokenizer *tokenizer;
    struct template *chat_template;     /* NULL: the tokenizer's */
    struct embedder *embedder;          /* of a sentence encoder; then engine, scheduler and grammars are NULL */
    struct scheduler *scheduler;
    struct grammars *grammars;
    const struct tool_format *tool_format;      /* how the model writes calls; NULL: its text is passed on */
    const struct reasoning_format *reasoning_format;    /* how it writes thoughts; NULL: they are content */
    struct http_server *http;
    char *name, *model_dir;
    size_t max_seqs, vocab;
    int64_t created;
    int32_t *eos;                       /* what ends a generation by default */
    size_t n_eos;
    bool trust_request_template;        /* clients may send chat templates */
    bool fixed_adapters, no_rate_limit, prompt_details;
    struct names aliases, api_keys, origins;
};

void server_handle(void *self, struct http_exchange *x);        /* routes.c */
/* A reference; NULL when unknown. The oldest for name NULL. */
struct adapter *server_adapter(const struct server *s, const char *name);
errc server_chat_text(const struct server *s, const json_t *messages, bool add_generation_prompt, const json_t *extra, struct buf *out, struct err *e);

typedef void route_fn(struct server *s, struct http_exchange *x);
route_fn openapi;                                               /* openapi.c */
route_fn load_lora_adapter, unload_lora_adapter;                /* lora_routes.c */
route_fn kaito_chat;                                            /* kaito_chat.c */
route_fn openai_chat, openai_completions;                       /* completion.c */
route_fn openai_models, openai_model;                           /* models.c */
route_fn openai_embeddings;                                     /* embeddings.c */
route_fn openai_tokenize, openai_detokenize;                    /* tokenize.c */

/* ---- gate.c: what is looked at before a route, and what every reply has ---- */

/* True: the exchange was answered (a preflight, a missing key, a wrong content type). guarded: a key is needed where there are keys. */
bool gate(const struct server *s, struct http_exchange *x, bool guarded);

/* ---- reply.c ---- */

void reply_json(struct http_exchange *x, int status, const json_t *j);
void reply_detail(struct http_exchange *x, int status, const char *fmt, ...) PRINTF(3, 4);      /* {"detail": ...} */
void reply_openai_error(struct http_exchange *x, int status, const char *type, const char *fmt, ...) PRINTF(4, 5);
void reply_openai_err(struct http_exchange *x, const struct err *e);
json_t *openai_error_json(const struct err *e);                 /* {"error": {message, type, param, code}}; new reference */

#endif
