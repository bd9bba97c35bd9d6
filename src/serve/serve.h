/*
 * The HTTP face of one engine: KAITO's /chat, the OpenAI routes, health and metrics.
 *
 * One engine thread owns the model; handlers queue generations to it and wait. Sequences are decoded together and join and
 * leave at token granularity; a client that leaves cancels its own. The port is bound once the model is ready, never before.
 */
#ifndef SERVE_SERVE_H
#define SERVE_SERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "engine/kernels_paged.h"
#include "engine/model.h"

struct server;

struct adapter_source {
    const char *dir;            /* PEFT's two files; or a folder of such folders */
    const char *name;           /* NULL: the folder's name */
    double strength;            /* times the adapter's own scale */
};

struct server_opts {
    const char *model_dir;
    const char *served_name;    /* NULL: the folder's last component */
    const struct adapter_source *adapters;      /* the first is what /chat and requests without "model" use */
    size_t n_adapters;
    const char *host;           /* an IP address; NULL: 127.0.0.1 */
    uint16_t port;              /* 0: the system picks one */
    enum quantize quantize;
    enum gemm_math math;
    int threads;                /* 0: one per CPU */
    size_t max_model_len;       /* 0: the model's */
    size_t max_num_seqs;        /* decoded together; 0: 16. As many more may wait before 429 */
    size_t max_kv_tokens;       /* over all answers; 0: by max_kv_bytes */
    size_t max_kv_bytes;        /* of the key/value cache; 0: half of what is free beside the weights */
    enum kv_dtype kv_dtype;     /* f32 by default */
    bool kv_auto;               /* engine_opts, as is the next */
    void (*loading)(size_t layers, size_t of);
    bool no_prefix_caching;
    bool batch_invariant;       /* engine_opts */
    int64_t request_timeout_ms; /* of one generation, waiting included; 0: none */
    const char *chat_template_file;             /* instead of the model's own; or the template itself when it holds a brace; may be NULL */

    const char *reasoning_parser;               /* how it writes thoughts: "deepseek_r1", "qwen3"; NULL: they are content */
    const char *tool_call_parser;               /* how the model writes calls of tools: "hermes", ...; NULL: as its chat template shows */

    const char *const *aliases; /* further names that clients may call the model */
    size_t n_aliases;
    const char *const *api_keys;                /* any of them is asked for as "Authorization: Bearer KEY"; none: nobody is asked */
    size_t n_api_keys;
    const char *cert_file, *key_file;           /* PEM; both: TLS */
    const char *const *allowed_origins;         /* of browsers; "*": any; none: no CORS headers */
    size_t n_allowed_origins;
    size_t max_body;            /* bytes of a request; 0: 16 MiB */
    bool trust_request_template;                /* clients may send chat templates */
    bool fixed_adapters;        /* no /v1/load_lora_adapter, no /v1/unload_lora_adapter */
    bool no_rate_limit;         /* no 429 when the queue is long */
    bool prompt_details;        /* usage says how many prompt tokens came from the prefix cache */
};

/* Loads the model, then binds: when it returns, /health answers 200. */
errc server_start(const struct server_opts *o, struct server **out, struct err *e);
uint16_t server_port(const struct server *s);
/* New work is refused, running generations get up to grace_ms, then everything is closed. Frees s; NULL is fine. */
void server_stop(struct server *s, int64_t grace_ms);

#endif
