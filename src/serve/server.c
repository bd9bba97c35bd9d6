/* Start and stop: the model first, then the port. */
#include "base/clock.h"
#include "base/file.h"
#include "serve/embeddings.h"
#include "serve/priv.h"

#define BODY_MAX ((size_t)16 << 20)
#define STACK_BYTES ((size_t)512 << 10)
#define IDLE_MS 30000           /* for a request's head, and between requests */
#define PEM_MAX ((size_t)1 << 20)

static char *last_component(const char *path)
{
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    size_t start = n;
    while (start && path[start - 1] != '/')
        start--;
    return xstrndup(path + start, n - start);
}

/* A folder's name, or a GGUF file's without its ending. */
static char *name_of_model(const char *path)
{
    AUTO_MEM char *last = last_component(path);
    struct str name = str_of(last);

    if (name.n > 5 && str_has_suffix(name, STR(".gguf")))
        name.n -= 5;
    return xstrndup(name.p, name.n);
}

static bool is_adapter(const char *dir)
{
    AUTO_MEM char *config = path_join(dir, "adapter_config.json");
    return file_exists(config);
}

static errc add_adapter(struct server *s, const char *dir, const char *name, double strength, struct err *e)
{
    AUTO_MEM char *own = name ? xstrdup(name) : last_component(dir);

    return adapters_load(engine_adapters(s->engine), dir, own, (float)strength, false, NULL, e);
}

/* An adapter, or a folder of adapters (upstream scans /mnt/adapter that way). */
static errc add_adapters(struct server *s, const struct adapter_source *from, struct err *e)
{
    char **names = NULL;
    size_t n = 0, found = 0;
    errc rc = ERR_OK;

    if (is_adapter(from->dir))
        return add_adapter(s, from->dir, from->name, from->strength, e);
    TRY(dir_list(from->dir, &names, &n, e));
    for (size_t i = 0; !rc && i < n; i++) {
        AUTO_MEM char *dir = path_join(from->dir, names[i]);
        if (!is_adapter(dir))
            continue;
        found++;
        rc = add_adapter(s, dir, NULL, from->strength, e);
    }
    strv_free(names, n);
    if (!rc && !found)
        return err_set(e, ERR_NOT_FOUND, "%s: no adapter_config.json here or one folder below", from->dir);
    return rc;
}

/* The option is the template itself, or a file that holds it. Appends its text, when it is given. */
static errc load_template(struct server *s, const char *option, struct buf *source, struct err *e)
{
    bool inside = option && strpbrk(option, "{}\n");

    if (!option)
        return ERR_OK;
    if (inside)
        buf_adds(source, option);
    else
        TRY(file_read(option, 1 << 20, source, e));
    return template_compile(buf_str(source), inside ? "--chat-template" : option, &s->chat_template, e);
}

static errc choose_tool_format(struct server *s, const char *named, const char *template_source, struct err *e)
{
    s->tool_format = named ? tool_format_named(named) : tool_format_of_template(template_source);
    return named && !s->tool_format ? err_set(e, ERR_BAD_REQUEST, "--tool-call-parser: \"%s\" is none of %s", named, tool_format_names()) : ERR_OK;
}

/* The model's stop ids that are within its vocabulary. */
static void collect_eos(struct server *s)
{
    const struct tokenizer_info *i = tokenizer_info(s->tokenizer);

    s->eos = xcalloc(i->n_stop_ids + 1, sizeof *s->eos);
    for (size_t k = 0; k < i->n_stop_ids; k++)
        if ((size_t)i->stop_ids[k] < s->vocab)
            s->eos[s->n_eos++] = i->stop_ids[k];
}

static errc choose_reasoning_format(struct server *s, const char *named, struct err *e)
{
    s->reasoning_format = reasoning_format_named(named);
    return named && !s->reasoning_format ? err_set(e, ERR_BAD_REQUEST, "--reasoning-parser: \"%s\" is none of %s", named, reasoning_format_names()) : ERR_OK;
}

/* A sentence encoder: one route of work, no engine. */
static errc load_embedder(struct server *s, const struct server_opts *o, struct err *e)
{
    if (o->n_adapters)
        return err_set(e, ERR_UNSUPPORTED, "%s is a sentence encoder: it takes no adapters", o->model_dir);
    TRY(tokenizer_load(o->model_dir, &s->tokenizer, e));
    return embedder_open(o->model_dir, o->threads, &s->embedder, e);
}

static errc load(struct server *s, const struct server_opts *o, struct err *e)
{
    struct engine_opts eo = { .quantize = o->quantize, .math = o->math, .threads = o->threads,
                              .max_model_len = o->max_model_len, .max_kv_tokens = o->max_kv_tokens, .max_kv_bytes = o->max_kv_bytes,
                              .kv_by_memory = !o->max_kv_tokens, .kv_dtype = o->kv_dtype, .kv_auto = o->kv_auto,
                              .prefix_caching = !o->no_prefix_caching, .batch_invariant = o->batch_invariant, .loading = o->loading };
    AUTO_BUF template_source = { 0 };

    if (!dir_exists(o->model_dir) && !file_exists(o->model_dir))
        return err_set(e, ERR_NOT_FOUND, "--model %s: there is no such folder or file; `kaito fetch --model-repo OWNER/NAME --output DIR` downloads a model",
                       o->model_dir);
    if (encoder_is(o->model_dir))
        return load_embedder(s, o, e);
    TRY(tokenizer_load(o->model_dir, &s->tokenizer, e));
    TRY(load_template(s, o->chat_template_file, &template_source, e));
    TRY(choose_tool_format(s, o->tool_call_parser, template_source.n ? template_source.p : tokenizer_info(s->tokenizer)->chat_template_source, e));
    TRY(choose_reasoning_format(s, o->reasoning_parser, e));
    TRY(engine_open(o->model_dir, &eo, &s->engine, e));
    s->vocab = engine_model(s->engine)->config.vocab;
    collect_eos(s);
    s->grammars = grammars_new(s->tokenizer, s->vocab, s->eos, s->n_eos);
    for (size_t i = 0; i < o->n_adapters; i++)
        TRY(add_adapters(s, &o->adapters[i], e));
    struct scheduler_opts so = { .max_seqs = o->max_num_seqs, .request_timeout_ms = o->request_timeout_ms };
    return scheduler_new(s->engine, &so, &s->scheduler, e);
}

static void copy_names(const char *const *from, size_t n, struct names *out)
{
    out->v = xcalloc(n + 1, sizeof *out->v);
    for (size_t i = 0; i < n; i++)
        out->v[out->n++] = xstrdup(from[i]);
}

bool names_have(const struct names *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (streq(l->v[i], name))
            return true;
    return false;
}

static void take_opts(struct server *s, const struct server_opts *o)
{
    s->name = o->served_name ? xstrdup(o->served_name) : name_of_model(o->model_dir);
    s->model_dir = xstrdup(o->model_dir);
    s->created = clock_wall_ms() / 1000;
    s->trust_request_template = o->trust_request_template;
    s->fixed_adapters = o->fixed_adapters;
    s->no_rate_limit = o->no_rate_limit;
    s->prompt_details = o->prompt_details;
    copy_names(o->aliases, o->n_aliases, &s->aliases);
    copy_names(o->api_keys, o->n_api_keys, &s->api_keys);
    copy_names(o->allowed_origins, o->n_allowed_origins, &s->origins);
}

/* Before the model, so that a typing mistake is told at once. */
static errc read_pem(const struct server_opts *o, struct buf *cert, struct buf *key, struct err *e)
{
    if (!o->cert_file != !o->key_file)
        return err_set(e, ERR_BAD_REQUEST, "--ssl-certfile and --ssl-keyfile: both are needed, or neither");
    if (!o->cert_file)
        return ERR_OK;
    TRY(file_read(o->cert_file, PEM_MAX, cert, e));
    return file_read(o->key_file, PEM_MAX, key, e);
}

static void refuse(void *self, struct http_exchange *x, int status, const char *why)
{
    (void)self;
    reply_openai_error(x, status, "BadRequestError", "%s", why);
}

static errc bind_port(struct server *s, const struct server_opts *o, const struct buf *cert, const struct buf *key, struct err *e)
{
    const char *host = o->host ? o->host : "127.0.0.1";
    struct http_server_opts h = { .addresses = &host, .n_addresses = 1, .port = o->port, .max_body = o->max_body ? o->max_body : BODY_MAX,
                                  .stack_bytes = STACK_BYTES, .idle_timeout_ms = IDLE_MS, .handler = server_handle, .refuse = refuse, .self = s };

    if (o->cert_file) {
        h.cert_pem = cert->p;
        h.key_pem = key->p;
    }
    return http_server_start(&h, &s->http, e);
}

static void server_release(struct server *s)
{
    http_server_stop(s->http, 1000);
    scheduler_free(s->scheduler);
    grammars_free(s->grammars);
    engine_free(s->engine);
    embedder_free(s->embedder);
    tokenizer_free(s->tokenizer);
    template_free(s->chat_template);
    strv_free(s->aliases.v, s->aliases.n);
    strv_free(s->api_keys.v, s->api_keys.n);
    strv_free(s->origins.v, s->origins.n);
    free(s->eos);
    free(s->name);
    free(s->model_dir);
    free(s);
}

errc server_start(const struct server_opts *o, struct server **out, struct err *e)
{
    struct server *s = xzalloc(sizeof *s);
    AUTO_BUF cert = { 0 };
    AUTO_BUF key = { 0 };

    take_opts(s, o);
    errc rc = read_pem(o, &cert, &key, e);
    if (!rc)
        rc = load(s, o, e);
    if (!rc)
        rc = bind_port(s, o, &cert, &key, e);
    if (rc) {
        server_release(s);
        return rc;
    }
    *out = s;
    return ERR_OK;
}

uint16_t server_port(const struct server *s) { return http_server_port(s->http); }

void server_stop(struct server *s, int64_t grace_ms)
{
    if (!s)
        return;
    if (s->scheduler)
        scheduler_drain(s->scheduler, grace_ms);
    server_release(s);
}

struct adapter *server_adapter(const struct server *s, const char *name) { return adapters_get(engine_adapters(s->engine), name); }

errc server_chat_text(const struct server *s, const json_t *messages, bool add_generation_prompt, const json_t *extra, struct buf *out, struct err *e)
{
    if (s->chat_template)
        return tokenizer_chat_with(s->tokenizer, s->chat_template, messages, add_generation_prompt, extra, NULL, out, e);
    return tokenizer_chat(s->tokenizer, messages, add_generation_prompt, extra, out, e);
}
