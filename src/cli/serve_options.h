/*
 * What `serve` can be told, as a table: our options, vLLM's where it has the same under its own name, and those of vLLM that
 * have no effect here but may stand on a command line. A KAITO configuration file may set vLLM's options too.
 */
#ifndef CLI_SERVE_OPTIONS_H
#define CLI_SERVE_OPTIONS_H

#include "base/options.h"
#include "serve/serve.h"

struct serve_args {
    const char *model, *quantization, *dtype, *chat_template, *host, *cert_file, *key_file, *origins, *max_len, *adapters_dir, *config_file;
    const char *generation_config, *termination_log, *kv_memory, *kv_dtype, *tool_call_parser, *reasoning_parser;
    int64_t port, threads, max_seqs, kv_tokens, grace_ms, request_timeout_ms, max_body_mib;
    bool trust_template, runtime_lora, no_rate_limit, prompt_details, prefix_caching, batch_invariant;
    struct strlist names, adapters, lora_modules, api_keys, noted;

    struct strlist origin_list;         /* what origins says */
    struct strlist owned;               /* texts made while reading: adapters' names and folders, the file's arguments */
    struct adapter_source *sources;
    size_t n_sources;
};

/* OPTIONS_HELP after --help. On success o lends from a, and a from argv. */
errc serve_options(int argc, char **argv, struct serve_args *a, struct server_opts *o, struct err *e);
void serve_args_done(struct serve_args *a);

#endif
