/* Adapters that come and go while the server runs, in vLLM's words. Loading reads files on this connection's thread: nothing stalls. */
#include "base/file.h"
#include "base/log.h"
#include "serve/openai.h"

struct lora_request { const char *name, *path; bool in_place; };

static const struct param_row rows[] = {
    PARAM(struct lora_request, name, TEXT, "lora_name", 1, .doc = "What clients put into \"model\"."),
    PARAM(struct lora_request, path, TEXT, "lora_path", 1, .doc = "A folder on the server's machine with PEFT's two files."),
    PARAM(struct lora_request, in_place, BOOL, "load_inplace", 1, .doc = "Replace a loaded adapter of this name."),
    { "lora_int_id", PARAM_IGNORED, 1, .doc = "Accepted, without effect." },
    { "base_model_name", PARAM_IGNORED, 1, .doc = "Accepted, without effect." },
};
const struct param_table lora_params = { rows, ARRAY_LEN(rows) };

static bool read_lora(const struct server *s, struct http_exchange *x, json_t **in, struct lora_request *r)
{
    struct err e = { 0 };

    if (s->fixed_adapters) {
        reply_openai_error(x, 403, "PermissionDeniedError", "adapters cannot be changed while this server runs: it was started with --no-runtime-lora");
        return false;
    }
    if (json_parse(x->body, in, &e) || params_read(&lora_params, 1, *in, NULL, r, &e)) {
        reply_openai_err(x, &e);
        return false;
    }
    return true;
}

static void reply_success(struct http_exchange *x, const char *name, const char *what)
{
    AUTO_BUF text = { 0 };

    buf_addf(&text, "Success: LoRA adapter '%s' %s successfully.", name, what);
    http_reply_take(x, 200, "text/plain; charset=utf-8", &text);
}

static bool is_base(const struct server *s, const char *name) { return streq(name, s->name) || streq(name, s->model_dir) || names_have(&s->aliases, name); }

/* What a client sees of a failure: vLLM's words where it has some. */
static void reply_failure(struct http_exchange *x, const struct lora_request *r, const struct err *e)
{
    if (e->code == ERR_EXISTS)
        reply_openai_error(x, 400, "InvalidUserInput", "The lora adapter '%s' has already been loaded. If you want to load the adapter in place, set 'load_inplace' "
                           "to True.", r->name);
    else if (e->code == ERR_NOT_FOUND)
        reply_openai_error(x, 404, "NotFoundError", "Loading lora %s failed: No adapter found for %s (%s)", r->name, r->path, e->text);
    else
        reply_openai_error(x, err_http(e->code) >= 500 ? 500 : 400, err_http(e->code) >= 500 ? "InternalServerError" : "BadRequestError",
                           "Loading lora %s failed: %s", r->name, e->text);
}

void load_lora_adapter(struct server *s, struct http_exchange *x)
{
    AUTO_JSON in = NULL;
    struct lora_request r = { 0 };
    struct err e = { 0 };

    if (!read_lora(s, x, &in, &r))
        return;
    if (!str_set(r.name) || !str_set(r.path))
        reply_openai_error(x, 400, "InvalidUserInput", "Both 'lora_name' and 'lora_path' must be provided.");
    else if (is_base(s, r.name))
        reply_openai_error(x, 400, "InvalidUserInput", "lora_name: '%s' is the base model's own name", r.name);
    else if (adapters_load(engine_adapters(s->engine), r.path, r.name, 1, r.in_place, NULL, &e))
        reply_failure(x, &r, &e);
    else {
        log_info("serve", "adapter loaded", KV("name", r.name), KV("dir", r.path));
        reply_success(x, r.name, "added");
    }
}

void unload_lora_adapter(struct server *s, struct http_exchange *x)
{
    AUTO_JSON in = NULL;
    struct lora_request r = { 0 };
    struct err e = { 0 };

    if (!read_lora(s, x, &in, &r))
        return;
    if (!str_set(r.name))
        reply_openai_error(x, 400, "InvalidUserInput", "'lora_name' needs to be provided to unload a LoRA adapter.");
    else if (adapters_remove(engine_adapters(s->engine), r.name, &e))
        reply_openai_error(x, 404, "NotFoundError", "The lora adapter '%s' cannot be found.", r.name);
    else {
        log_info("serve", "adapter unloaded", KV("name", r.name));
        reply_success(x, r.name, "removed");
    }
}
