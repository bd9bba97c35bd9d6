/* The table of serve's options, and from its values to the server's. */
#include "cli/serve_options.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "cli/termination.h"

/* vLLM's options without effect here: they choose among GPUs, caches, logs and processes that this engine does not have. */
static const char *const noted[] = {
    "allow-credentials", "allowed-headers", "allowed-methods", "block-size", "code-revision", "compilation-config", "config-format", "cpu-offload-gb",
    "data-parallel-size", "device", "disable-fastapi-docs", "disable-frontend-multiprocessing", "disable-log-requests", "disable-log-stats",
    "disable-uvicorn-access-log", "distributed-executor-backend", "download-dir", "enable-auto-tool-choice", "enable-chunked-prefill", "enable-lora",
    "enable-log-requests", "enable-request-id-headers", "enable-server-load-tracking", "enforce-eager",
    "gpu-memory-utilization", "kaito-kv-cache-cpu-memory-utilization", "kaito-max-probe-steps", "kv-events-config", "kv-transfer-config", "load-format",
    "max-cpu-loras", "max-log-len", "max-logprobs", "max-lora-rank", "max-loras", "max-num-batched-tokens", "max-parallel-loading-workers",
    "no-enable-chunked-prefill", "pipeline", "pipeline-parallel-size", "response-role", "revision", "seed",
    "swap-space", "task", "runner", "tensor-parallel-size", "tokenizer-mode", "trust-remote-code", "uvicorn-log-level",
};

#define ROWS_MAX 128

/* Rows of `noted` come last: --help does not show them. */
static size_t make_rows(struct serve_args *a, struct option_row *rows)
{
    const struct option_row own[] = {
        { .name = "model", .kind = OPT_STR, .value = &a->model, .arg = "DIR|FILE.gguf",
          .help = "The model folder: config.json, tokenizer.json, safetensors; or a GGUF file. Also as a plain word.",
          .section = "The model" },
        { .name = "served-model-name", .kind = OPT_WORDS, .value = &a->names, .arg = "NAME...",
          .help = "What clients call the model; further names are aliases. Absent: the folder's name." },
        { .name = "dtype", .kind = OPT_STR, .value = &a->dtype, .arg = "auto|float32|bfloat16", .help = "What products are computed in; auto: float32, but 8-bit integers for x with int8 and q4." },
        { .name = "quantization", .short_name = 'q', .kind = OPT_STR, .value = &a->quantization, .arg = "none|nf4|int8|q4", .help = "Quantise the weights while loading." },
        { .name = "chat-template", .kind = OPT_STR, .value = &a->chat_template, .arg = "FILE|TEXT", .help = "A Jinja chat template instead of the model's own." },
        { .name = "tool-call-parser", .kind = OPT_STR, .value = &a->tool_call_parser, .arg = "NAME",
          .help = "How the model writes calls of tools: hermes, llama3_json, llama4_json, mistral, phi4_mini_json. Absent: as its chat template shows." },
        { .name = "reasoning-parser", .kind = OPT_STR, .value = &a->reasoning_parser, .arg = "NAME",
          .help = "How the model writes its thoughts, which become reasoning_content: deepseek_r1, qwen3. Absent: they are content." },
        { .name = "max-model-len", .kind = OPT_STR, .value = &a->max_len, .arg = "N", .help = "Tokens of prompt and answer together, also 4k or 4K; auto: the model's own limit." },
        { .name = "generation-config", .kind = OPT_STR, .value = &a->generation_config, .arg = "auto", .help = "Defaults of requests come from the model's generation_config.json." },

        { .name = "adapter", .kind = OPT_LIST, .value = &a->adapters, .arg = "[NAME=]DIR", .section = "Adapters",
          .help = "A LoRA adapter in PEFT's format, or a folder of such folders; may be repeated. The first answers /chat; others are chosen by \"model\"." },
        { .name = "lora-modules", .kind = OPT_WORDS, .value = &a->lora_modules, .arg = "NAME=DIR...", .help = "The same as vLLM writes it; also {\"name\", \"path\"} as JSON." },
        { .name = "kaito-adapters-dir", .kind = OPT_STR, .value = &a->adapters_dir, .arg = "DIR", .help = "A folder of adapters that may be absent or empty." },
        { .name = "runtime-lora", .kind = OPT_BOOL, .value = &a->runtime_lora, .help = "Clients may load and unload adapters: /v1/load_lora_adapter." },

        { .name = "threads", .kind = OPT_INT, .value = &a->threads, .arg = "N", .help = "Threads of the engine; 0: one per CPU.", .min = 0, .max = 1024, .section = "The machine" },
        { .name = "max-num-seqs", .kind = OPT_INT, .value = &a->max_seqs, .arg = "N", .help = "Answers made at the same time; as many more may wait before 429. 0: 16.",
          .min = 0, .max = 4096 },
        { .name = "kv-cache-tokens", .kind = OPT_INT, .value = &a->kv_tokens, .arg = "N", .help = "Tokens kept in the cache over all answers; 0: by --kv-cache-memory.", .min = 0,
          .max = INT64_MAX },

        { .name = "kv-cache-memory", .kind = OPT_STR, .value = &a->kv_memory, .arg = "BYTES|NGiB",
          .help = "The same in memory, also 512MiB or 8GiB; auto: half of what is free beside the weights." },
        { .name = "kv-cache-memory-bytes", .kind = OPT_STR, .value = &a->kv_memory, .arg = "BYTES", .help = "vLLM's name of --kv-cache-memory." },
        { .name = "kv-cache-dtype", .kind = OPT_STR, .value = &a->kv_dtype, .arg = "auto|f32|bf16",
          .help = "What keys and values are kept in; auto: bf16 with --dtype bfloat16, quantised weights or 8-bit activations, else f32." },
        { .name = "enable-prefix-caching", .kind = OPT_BOOL, .value = &a->prefix_caching, .help = "Equal beginnings of prompts are computed once; on by default." },
        { .name = "batch-invariant", .kind = OPT_BOOL, .value = &a->batch_invariant,
          .help = "One kind of product for prompts and answers, so that the prefix cache keeps answers too; long prompts take longer." },

        { .name = "host", .kind = OPT_STR, .value = &a->host, .arg = "ADDRESS", .help = "The address to bind.", .env = "POD_IP", .section = "The network" },
        { .name = "port", .kind = OPT_INT, .value = &a->port, .arg = "PORT", .help = "The port; 0 lets the system choose.", .min = 0, .max = 65535 },
        { .name = "api-key", .kind = OPT_WORDS, .value = &a->api_keys, .arg = "KEY...", .env = "VLLM_API_KEY",
          .help = "Clients must send one of these as \"Authorization: Bearer KEY\"; /health, /metrics and the like stay free." },
        { .name = "ssl-certfile", .kind = OPT_STR, .value = &a->cert_file, .arg = "FILE", .help = "PEM certificate chain: the port speaks TLS." },
        { .name = "ssl-keyfile", .kind = OPT_STR, .value = &a->key_file, .arg = "FILE", .help = "Its PEM key." },
        { .name = "allowed-origins", .kind = OPT_STR, .value = &a->origins, .arg = "JSON", .help = "Web pages that browsers may let ask: a JSON list; [] for none." },
        { .name = "trust-request-chat-template", .kind = OPT_BOOL, .value = &a->trust_template, .help = "Clients may send chat templates (they run in a sandbox)." },
        { .name = "max-body-mib", .kind = OPT_INT, .value = &a->max_body_mib, .arg = "N", .help = "Larger requests are refused with 413.", .min = 1, .max = 4096 },
        { .name = "enable-prompt-tokens-details", .kind = OPT_BOOL, .value = &a->prompt_details,
          .help = "Replies' usage says how many prompt tokens came from the prefix cache." },
        { .name = "kaito-disable-rate-limit", .kind = OPT_BOOL, .value = &a->no_rate_limit, .help = "No 429 when the queue is long." },
        { .name = "request-timeout", .kind = OPT_DURATION_MS, .value = &a->request_timeout_ms, .arg = "DURATION", .help = "An answer that takes longer ends with 504; 0s: never." },

        { .name = "kaito-config-file", .kind = OPT_STR, .value = &a->config_file, .arg = "FILE", .section = "Running",
          .help = "YAML with a map \"vllm\" of these options; it beats the command line, as upstream's does." },
        { .name = "grace", .kind = OPT_DURATION_MS, .value = &a->grace_ms, .arg = "DURATION", .help = "How long running answers may go on after SIGTERM." },
        { .name = "termination-log", .kind = OPT_STR, .value = &a->termination_log, .arg = "FILE", .help = "Where the last words go.", .env = TERMINATION_ENV },

        { .name = "torch-dtype", .kind = OPT_STR, .value = &a->dtype, .arg = "DTYPE" },
        { .name = "pretrained-model-name-or-path", .kind = OPT_STR, .value = &a->model, .arg = "DIR" },
    };
    size_t n = 0;

    for (; n < ARRAY_LEN(own); n++)
        rows[n] = own[n];
    for (size_t i = 0; i < ARRAY_LEN(noted); i++)
        rows[n++] = (struct option_row){ .name = noted[i], .kind = OPT_NOTED, .value = &a->noted };
    return n;
}
_Static_assert(ARRAY_LEN(noted) + 40 < ROWS_MAX, "rows");

static const struct command_help help = {
    .usage = "kaito serve DIR [options]",
    .summary = "Serves a model on this machine's CPU: the OpenAI API under /v1, KAITO's /chat, /health and /metrics.\n"
               "vLLM's command lines work as they are: its options have the same names here, and those that steer what a\n"
               "CPU engine does not have (GPUs, swap space, ...) are accepted and named in the log.",
    .examples = "  kaito serve ./phi-3-mini-128k-instruct --port 8080 --dtype bfloat16\n"
                "  curl http://127.0.0.1:8080/v1/chat/completions -H 'Content-Type: application/json' \\\n"
                "       -d '{\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}],\"stream\":true}' -N\n"
                "  kaito serve ./llama-3.1-8b --quantization nf4 --adapter sql=./adapters/sql --api-key \"$KEY\" \\\n"
                "       --ssl-certfile tls.crt --ssl-keyfile tls.key --host 0.0.0.0\n",
};

/* ---- values that are more than a word ---- */

static char *own(struct serve_args *a, char *text)
{
    strlist_add(&a->owned, text);
    return text;
}

struct quantize_row { const char *name; enum quantize q; };
static const struct quantize_row quantizations[] = { { "none", QUANTIZE_NONE }, { "nf4", QUANTIZE_NF4 }, { "bitsandbytes", QUANTIZE_NF4 },
    { "int8", QUANTIZE_INT8 }, { "q4", QUANTIZE_Q4 } };

static errc read_quantization(const char *name, enum quantize *out, struct err *e)
{
    AUTO_BUF names = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(quantizations); i++) {
        if (streq(name, quantizations[i].name)) {
            *out = quantizations[i].q;
            return ERR_OK;
        }
        buf_addf(&names, "%s%s", i ? ", " : "", quantizations[i].name);
    }
    return err_set(e, ERR_BAD_REQUEST, "--quantization: \"%s\" is none of %s", name, buf_cstr(&names));
}

/* auto: activations in 8 bits where weights are in panels, else float32. float16 is computed in float32, which holds it. */
static errc read_dtype(const char *name, enum gemm_math *out, struct err *e)
{
    const struct { const char *name; enum gemm_math math; } rows[] = {
        { "auto", GEMM_INT8 }, { "float32", GEMM_F32 }, { "f32", GEMM_F32 }, { "float", GEMM_F32 },
        { "bfloat16", GEMM_BF16 }, { "bf16", GEMM_BF16 }, { "float16", GEMM_F32 }, { "f16", GEMM_F32 }, { "half", GEMM_F32 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (streq(name, rows[i].name)) {
            *out = rows[i].math;
            return ERR_OK;
        }
    return err_set(e, ERR_BAD_REQUEST, "--dtype: \"%s\" is none of auto, float32 (f32), bfloat16 (bf16), float16", name);
}

/* 4096, 4k (4000), 4K (4096), auto or -1. */
static errc read_length(const char *text, size_t *out, struct err *e)
{
    static const struct { char suffix; int64_t times; } units[] = { { 'k', 1000 }, { 'K', 1024 }, { 'm', 1000000 }, { 'M', 1048576 } };
    struct str s = str_of(text);
    int64_t n, times = 1;

    *out = 0;
    if (streq(text, "auto") || streq(text, "-1") || streq(text, "0"))
        return ERR_OK;
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (s.n && s.p[s.n - 1] == units[i].suffix)
            times = units[i].times;
    s.n -= times > 1;
    if (!str_to_i64(s, &n) || n < 1 || n > INT64_MAX / times)
        return err_set(e, ERR_BAD_REQUEST, "--max-model-len: \"%s\" is neither auto nor a number of tokens like 4096 or 4K", text);
    *out = (size_t)(n * times);
    return ERR_OK;
}

/* 1073741824, 512MiB, 8GiB, 8G, auto. */
static errc read_bytes(const char *text, size_t *out, struct err *e)
{
    static const struct { const char *suffix; int shift; } units[] = { { "GiB", 30 }, { "MiB", 20 }, { "G", 30 }, { "M", 20 }, { "", 0 } };
    struct str s = str_of(text);
    uint64_t n;
    size_t u = 0;

    *out = 0;
    if (streq(text, "auto") || streq(text, "0"))
        return ERR_OK;
    while (!str_has_suffix(s, str_of(units[u].suffix)))
        u++;
    s.n -= strlen(units[u].suffix);
    if (!str_to_u64(s, &n) || n < 1 || n > SIZE_MAX >> units[u].shift)
        return err_set(e, ERR_BAD_REQUEST, "--kv-cache-memory: \"%s\" is neither auto nor a size like 1073741824, 512MiB or 8GiB", text);
    *out = (size_t)n << units[u].shift;
    return ERR_OK;
}

static errc read_kv_dtype(const char *name, struct server_opts *o, struct err *e)
{
    static const struct { const char *name; enum kv_dtype d; } rows[] = {
        { "f32", KV_F32 }, { "float32", KV_F32 }, { "bf16", KV_BF16 }, { "bfloat16", KV_BF16 },
    };

    o->kv_auto = streq(name, "auto");
    if (o->kv_auto)
        return ERR_OK;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (streq(name, rows[i].name)) {
            o->kv_dtype = rows[i].d;
            return ERR_OK;
        }
    return err_set(e, ERR_BAD_REQUEST, "--kv-cache-dtype: \"%s\" is none of auto, f32 (float32), bf16 (bfloat16)", name);
}

/* vLLM takes a JSON list; a plain origin is taken too. */
static errc read_origins(struct serve_args *a, struct err *e)
{
    struct strlist *out = &a->origin_list;
    AUTO_JSON list = NULL;

    if (a->origins[0] != '[') {
        strlist_add(out, a->origins);
        return ERR_OK;
    }
    if (json_parse(str_of(a->origins), &list, e))
        return err_wrap(e, "--allowed-origins");
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!json_is_string(json_array_get(list, i)))
            return err_set(e, ERR_BAD_REQUEST, "--allowed-origins: %s is not a JSON list of strings", a->origins);
        strlist_add(out, own(a, xstrdup(json_string_value(json_array_get(list, i)))));
    }
    return ERR_OK;
}

/* ---- adapters ---- */

/* The name at the end of a path; *parent gets what is before it. */
static struct str last_component(struct str path, struct str *parent)
{
    struct str rest;

    while (path.n > 1 && path.p[path.n - 1] == '/')
        path.n--;
    if (str_rcut(path, '/', parent, &rest))
        return rest;
    *parent = (struct str){ 0 };
    return path;
}

/* The strength is in the environment variable named like the adapter, as KAITO's operator sets it. */
static errc add_source(struct serve_args *a, const char *name, const char *dir, struct err *e)
{
    const char *given = getenv(name);
    double strength = 1;

    if (given && (!str_to_f64(str_of(given), &strength) || strength < 0 || strength > 1))
        return err_set(e, ERR_BAD_REQUEST, "environment variable %s: the strength of that adapter must be from 0 to 1, not \"%s\"", name, given);
    a->sources = xreallocarray(a->sources, a->n_sources + 1, sizeof *a->sources);
    a->sources[a->n_sources++] = (struct adapter_source){ .dir = dir, .name = name, .strength = strength };
    return ERR_OK;
}

/* DIR or NAME=DIR. */
static errc add_adapter(struct serve_args *a, const char *text, struct err *e)
{
    struct str name, dir;

    if (text[0] != '/' && str_cut(str_of(text), '=', &name, &dir) && name.n)
        return add_source(a, own(a, xstrndup(name.p, name.n)), dir.p, e);
    name = last_component(str_of(text), &dir);
    if (str_is(name, "data") && dir.n)                  /* an image unpacked: NAME/data */
        name = last_component(dir, &dir);
    return add_source(a, own(a, xstrndup(name.p, name.n)), text, e);
}

/* NAME=DIR, or {"name": ..., "path": ...}. */
static errc add_module(struct serve_args *a, const char *text, struct err *e)
{
    AUTO_JSON j = NULL;
    struct str name, dir;

    if (text[0] != '{') {
        if (!str_cut(str_of(text), '=', &name, &dir) || !name.n || !dir.n)
            return err_set(e, ERR_BAD_REQUEST, "--lora-modules: \"%s\" is not NAME=DIR", text);
        return add_adapter(a, text, e);
    }
    if (json_parse(str_of(text), &j, e))
        return err_wrap(e, "--lora-modules");
    if (!str_set(json_cstr(j, "name")) || !str_set(json_cstr(j, "path")))
        return err_set(e, ERR_BAD_REQUEST, "--lora-modules: %s needs \"name\" and \"path\"", text);
    return add_source(a, own(a, xstrdup(json_cstr(j, "name"))), own(a, xstrdup(json_cstr(j, "path"))), e);
}

/* Every folder below that holds an adapter. */
static errc scan_adapters(struct serve_args *a, struct err *e)
{
    char **names = NULL;
    size_t n = 0;
    errc rc = ERR_OK;

    if (!a->adapters_dir || !dir_exists(a->adapters_dir))
        return ERR_OK;
    TRY(dir_list(a->adapters_dir, &names, &n, e));
    for (size_t i = 0; !rc && i < n; i++) {
        AUTO_MEM char *dir = path_join(a->adapters_dir, names[i]), *config = path_join(dir, "adapter_config.json");
        if (file_exists(config))
            rc = add_source(a, own(a, xstrdup(names[i])), own(a, xstrdup(dir)), e);
    }
    strv_free(names, n);
    return rc;
}

static errc read_adapters(struct serve_args *a, struct err *e)
{
    for (size_t i = 0; i < a->adapters.n; i++)
        TRY(add_adapter(a, a->adapters.items[i], e));
    for (size_t i = 0; i < a->lora_modules.n; i++)
        TRY(add_module(a, a->lora_modules.items[i], e));
    return a->lora_modules.n ? ERR_OK : scan_adapters(a, e);
}

/* ---- the configuration file ---- */

static errc file_arguments(struct serve_args *a, struct strlist *argv, struct err *e)
{
    AUTO_BUF text = { 0 };
    AUTO_JSON file = NULL;
    const char *key;
    json_t *v;

    TRY(file_read(a->config_file, 1 << 20, &text, e));
    if (yaml_parse(buf_str(&text), &file, e))
        return err_wrap(e, "%s", a->config_file);
    json_object_foreach(json_object_get(file, "vllm"), key, v) {
        AUTO_MEM char *plain = json_is_string(v) ? xstrdup(json_string_value(v)) : json_text(v);
        if (json_is_null(v) || json_is_false(v) || !plain)
            continue;
        strlist_add(argv, own(a, *plain && !json_is_true(v) ? xasprintf("--%s=%s", key, plain) : xasprintf("--%s", key)));
    }
    return ERR_OK;
}

static errc read_file(struct serve_args *a, const struct option_row *rows, size_t n, char *program, struct err *e)
{
    struct strlist argv = { 0 };
    errc rc;

    if (!str_set(a->config_file))
        return ERR_OK;
    strlist_add(&argv, program);
    rc = file_arguments(a, &argv, e);
    if (!rc) {
        rc = options_parse(rows, n, &help, (int)argv.n, (char **)(uintptr_t)argv.items, NULL, e);
        if (rc)
            rc = err_wrap(e, "%s", a->config_file);
    }
    strlist_done(&argv);
    return rc;
}

/* ---- all of it ---- */

static errc take_words(struct serve_args *a, const struct strlist *words, struct err *e)
{
    if (words->n && !a->model)
        a->model = words->items[0];
    else if (words->n)
        return err_set(e, ERR_BAD_REQUEST, "\"%s\" is not an option; see --help", words->items[0]);
    if (words->n > 1)
        return err_set(e, ERR_BAD_REQUEST, "\"%s\" is not an option; see --help", words->items[1]);
    return a->model ? ERR_OK : err_set(e, ERR_BAD_REQUEST, "--model DIR is required; --help tells more");
}

/* An empty key is a secret that was not set: neither open to all nor open to "Bearer ". */
static errc check_keys(const struct strlist *keys, struct err *e)
{
    for (size_t i = 0; i < keys->n; i++)
        if (!*keys->items[i])
            return err_set(e, ERR_BAD_REQUEST, "--api-key: key %zu is empty; leave the option out to ask nobody for one", i + 1);
    return ERR_OK;
}

static errc make_opts(struct serve_args *a, struct server_opts *o, struct err *e)
{
    bool named = a->names.n > 0;

    TRY(check_keys(&a->api_keys, e));
    *o = (struct server_opts){
        .model_dir = a->model, .served_name = named ? a->names.items[0] : NULL, .aliases = named ? a->names.items + 1 : NULL, .n_aliases = named ? a->names.n - 1 : 0,
        .host = streq(a->host, "localhost") ? "127.0.0.1" : a->host, .port = (uint16_t)a->port, .threads = (int)a->threads, .max_num_seqs = (size_t)a->max_seqs,
        .max_kv_tokens = (size_t)a->kv_tokens, .chat_template_file = a->chat_template, .request_timeout_ms = a->request_timeout_ms,
        .tool_call_parser = a->tool_call_parser, .reasoning_parser = a->reasoning_parser,
        .api_keys = a->api_keys.items, .n_api_keys = a->api_keys.n, .cert_file = a->cert_file, .key_file = a->key_file,
        .max_body = (size_t)a->max_body_mib << 20, .trust_request_template = a->trust_template, .fixed_adapters = !a->runtime_lora,
        .no_rate_limit = a->no_rate_limit, .no_prefix_caching = !a->prefix_caching, .batch_invariant = a->batch_invariant,
        .prompt_details = a->prompt_details,
    };
    TRY(read_quantization(a->quantization, &o->quantize, e));
    TRY(read_dtype(a->dtype, &o->math, e));
    TRY(read_length(a->max_len, &o->max_model_len, e));
    TRY(read_bytes(a->kv_memory, &o->max_kv_bytes, e));
    TRY(read_kv_dtype(a->kv_dtype, o, e));
    if (!streq(a->generation_config, "auto"))
        return err_set(e, ERR_BAD_REQUEST, "--generation-config: only auto is supported, not \"%s\"", a->generation_config);
    TRY(read_adapters(a, e));
    o->adapters = a->sources;
    o->n_adapters = a->n_sources;
    TRY(read_origins(a, e));
    o->allowed_origins = a->origin_list.items;
    o->n_allowed_origins = a->origin_list.n;
    return ERR_OK;
}

errc serve_options(int argc, char **argv, struct serve_args *a, struct server_opts *o, struct err *e)
{
    struct option_row rows[ROWS_MAX];
    struct strlist words = { 0 };

    *a = (struct serve_args){ .host = "127.0.0.1", .port = 5000, .quantization = "none", .dtype = "auto", .max_len = "auto", .grace_ms = 30000, .origins = "*",
                              .generation_config = "auto", .max_body_mib = 16, .runtime_lora = true, .kv_memory = "auto", .kv_dtype = "auto", .prefix_caching = true };
    size_t n = make_rows(a, rows);
    errc rc = options_parse(rows, n, &help, argc, argv, &words, e);
    if (!rc)
        rc = read_file(a, rows, n, argv[0], e);
    if (!rc)
        rc = take_words(a, &words, e);
    strlist_done(&words);
    return rc ? rc : make_opts(a, o, e);
}

void serve_args_done(struct serve_args *a)
{
    for (size_t i = 0; i < a->owned.n; i++)
        free((void *)(uintptr_t)a->owned.items[i]);
    strlist_done(&a->owned);
    strlist_done(&a->origin_list);
    strlist_done(&a->names);
    strlist_done(&a->adapters);
    strlist_done(&a->lora_modules);
    strlist_done(&a->api_keys);
    strlist_done(&a->noted);
    free(a->sources);
}
