/* The OpenAI routes as vLLM answers them: chat and text completions, plain and as server-sent events; models; (de)tokenize. */
#include "base/clock.h"
#include "base/file.h"
#include "serve/priv.h"

#define STOPS_MAX 16

/* A completion under way; a stream owns it until its end. */
struct completion {
    struct server *s;
    struct generation *g;
    char id[48], *model;
    bool chat, stream, usage, started, ended;
    size_t prompt_tokens;
    int64_t created;
    struct buf prefix;                  /* echo */
};

static void completion_free(struct completion *c)
{
    if (!c)
        return;
    generation_free(c->g);
    buf_done(&c->prefix);
    free(c->model);
    free(c);
}
DEFINE_AUTO_FREE(completion)

/* ---- reading the request ---- */

static errc get_num(const json_t *in, const char *name, double fallback, double *out, struct err *e)
{
    const json_t *v = json_object_get(in, name);

    *out = fallback;
    if (!v || json_is_null(v))
        return ERR_OK;
    if (!json_is_number(v))
        return err_set(e, ERR_BAD_REQUEST, "%s: must be a number", name);
    *out = json_number_value(v);
    return ERR_OK;
}

static errc get_int(const json_t *in, const char *name, int64_t fallback, int64_t *out, struct err *e)
{
    const json_t *v = json_object_get(in, name);

    *out = fallback;
    if (!v || json_is_null(v))
        return ERR_OK;
    if (!json_is_integer(v))
        return err_set(e, ERR_BAD_REQUEST, "%s: must be an integer", name);
    *out = json_integer_value(v);
    return ERR_OK;
}

static errc get_bool(const json_t *in, const char *name, bool fallback, bool *out, struct err *e)
{
    const json_t *v = json_object_get(in, name);

    *out = fallback;
    if (!v || json_is_null(v))
        return ERR_OK;
    if (!json_is_boolean(v))
        return err_set(e, ERR_BAD_REQUEST, "%s: must be true or false", name);
    *out = json_is_true(v);
    return ERR_OK;
}

static double model_default(const struct server *s, const char *name, double fallback)
{
    return json_num(tokenizer_info(s->tokenizer)->generation_config, name, fallback);
}

static errc read_sampling(const struct server *s, const json_t *in, struct job *j, struct err *e)
{
    struct sample_params *p = &j->sample;
    int64_t seed;
    double top_k;

    TRY(get_num(in, "temperature", model_default(s, "temperature", 1), &p->temperature, e));
    TRY(get_num(in, "top_p", model_default(s, "top_p", 1), &p->top_p, e));
    TRY(get_num(in, "top_k", model_default(s, "top_k", 0), &top_k, e));
    TRY(get_num(in, "min_p", model_default(s, "min_p", 0), &p->min_p, e));
    TRY(get_num(in, "repetition_penalty", model_default(s, "repetition_penalty", 1), &p->repetition_penalty, e));
    TRY(get_int(in, "seed", -1, &seed, e));
    if (p->temperature < 0)
        return err_set(e, ERR_BAD_REQUEST, "temperature: %g is below 0", p->temperature);
    if (top_k < -1 || top_k > 1e9)
        return err_set(e, ERR_BAD_REQUEST, "top_k: %g is neither -1, 0 nor a number of tokens", top_k);
    p->top_k = top_k < 1 ? 0 : (int64_t)top_k;
    p->do_sample = p->temperature > 0;
    if (!p->do_sample)
        p->temperature = 1;
    p->seed = seed >= 0 ? (uint64_t)seed : random_u64();
    return sample_params_check(p, e);
}

static errc read_lengths(const struct server *s, const json_t *in, int64_t fallback, struct job *j, struct err *e)
{
    int64_t max, newer, min;
    size_t room = engine_max_len(s->engine), n = j->prompt.n;

    TRY(get_int(in, "max_tokens", fallback, &max, e));
    TRY(get_int(in, "max_completion_tokens", max, &newer, e));
    TRY(get_int(in, "min_tokens", 0, &min, e));
    if (n >= room)
        return err_set(e, ERR_BAD_REQUEST, "This model's maximum context length is %zu tokens. However, your request has %zu input tokens.", room, n);
    if (newer == 0 || newer < -1 || min < 0)
        return err_set(e, ERR_BAD_REQUEST, "max_tokens must be at least 1 and min_tokens at least 0");
    if (newer > 0 && (size_t)newer > room - n)
        return err_set(e, ERR_BAD_REQUEST, "This model's maximum context length is %zu tokens. However, you requested %lld output tokens after %zu input tokens.",
                       room, (long long)newer, n);
    j->max_new = newer > 0 ? (size_t)newer : room - n;
    j->min_new = (size_t)min;
    return ERR_OK;
}

static errc read_stops(const struct server *s, const json_t *in, struct generation *g, struct err *e)
{
    json_t *stop = json_object_get(in, "stop");
    bool ignore_eos, one = json_is_string(stop);
    size_t n = one ? 1 : json_array_size(stop);

    TRY(get_bool(in, "ignore_eos", false, &ignore_eos, e));
    g->job.stop_ids = s->eos;
    g->job.n_stop_ids = ignore_eos ? 0 : s->n_eos;
    if (n > STOPS_MAX || (stop && !json_is_null(stop) && !one && !json_is_array(stop)))
        return err_set(e, ERR_BAD_REQUEST, "stop: must be a string or a list of at most %d strings", STOPS_MAX);
    g->stops.v = xcalloc(n + 1, sizeof *g->stops.v);
    for (size_t i = 0; i < n; i++) {
        const json_t *v = one ? stop : json_array_get(stop, i);
        if (!json_to_str(v).n)
            return err_set(e, ERR_BAD_REQUEST, "stop[%zu]: must be a string that is not empty", i);
        g->stops.v[g->stops.n++] = xstrdup(json_string_value(v));
    }
    return ERR_OK;
}

/* What we would have to ignore in silence is refused by name instead. */
static errc refuse_unbuilt(const json_t *in, struct err *e)
{
    static const char *const zero[] = { "presence_penalty", "frequency_penalty" };
    static const char *const absent[] = { "logit_bias", "response_format", "guided_json", "guided_regex", "guided_choice", "structured_outputs", "suffix", "prompt_logprobs" };
    int64_t n;
    double v;
    bool logprobs;

    TRY(get_int(in, "n", 1, &n, e));
    if (n != 1)
        return err_set(e, ERR_BAD_REQUEST, "n: only 1 is supported");
    for (size_t i = 0; i < ARRAY_LEN(zero); i++) {
        TRY(get_num(in, zero[i], 0, &v, e));
        if (v != 0)
            return err_set(e, ERR_BAD_REQUEST, "%s: is not supported yet; leave it 0", zero[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(absent); i++) {
        const json_t *j = json_object_get(in, absent[i]);
        bool text = streq(json_cstr(j, "type"), "text");
        if (j && !json_is_null(j) && !text && (!json_is_object(j) || json_object_size(j)))
            return err_set(e, ERR_BAD_REQUEST, "%s: is not supported yet", absent[i]);
    }
    logprobs = json_is_true(json_object_get(in, "logprobs")) || json_is_integer(json_object_get(in, "logprobs"));
    return logprobs ? err_set(e, ERR_BAD_REQUEST, "logprobs: is not supported yet") : ERR_OK;
}

static errc read_model(const struct server *s, const json_t *in, struct completion *c, struct err *e)
{
    const json_t *v = json_object_get(in, "model");
    const char *name = json_string_value(v);
    bool base = !name || !*name || streq(name, s->name) || streq(name, s->model_dir);

    if (v && !json_is_null(v) && !name)
        return err_set(e, ERR_BAD_REQUEST, "model: must be a string");
    c->g->job.adapter = name && *name ? server_adapter(s, name) : server_adapter(s, NULL);
    if (!base && !c->g->job.adapter)
        return err_set(e, ERR_NOT_FOUND, "The model `%s` does not exist.", name);
    c->model = xstrdup(name && *name ? name : c->g->job.adapter ? c->g->job.adapter->name : s->name);
    return ERR_OK;
}

/* Content as text: a string, or parts of type text put together. */
static errc plain_messages(const json_t *in, json_t **out, struct err *e)
{
    const json_t *list = json_object_get(in, "messages");
    AUTO_JSON made = json_array();

    if (!json_is_array(list) || !json_array_size(list))
        return err_set(e, ERR_BAD_REQUEST, "messages: must be a list that is not empty");
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *m = json_array_get(list, i), *content = json_object_get(m, "content");
        AUTO_BUF text = { 0 };
        if (!json_cstr(m, "role"))
            return err_set(e, ERR_BAD_REQUEST, "messages[%zu].role: must be a string", i);
        for (size_t k = 0; k < json_array_size(content); k++) {
            struct str part = json_to_str(json_object_get(json_array_get(content, k), "text"));
            if (!part.p)
                return err_set(e, ERR_BAD_REQUEST, "messages[%zu].content[%zu]: only parts {\"type\": \"text\", \"text\": ...} are supported", i, k);
            buf_addstr(&text, part);
        }
        if (!json_is_array(content) && !json_is_string(content) && !(json_is_null(content) || !content))
            return err_set(e, ERR_BAD_REQUEST, "messages[%zu].content: must be a string or a list of parts", i);
        json_t *copy = json_copy(m);
        if (json_is_array(content))
            json_put(copy, "content", json_strn(buf_str(&text)));
        else if (!content)
            json_put(copy, "content", json_object_get(m, "tool_calls") ? json_null() : json_string(""));
        json_push(made, copy);
    }
    *out = TAKE(made);
    return ERR_OK;
}

static errc chat_ids(const struct server *s, const json_t *in, struct token_ids *ids, struct err *e)
{
    AUTO_JSON messages = NULL;
    AUTO_JSON extra = json_object();
    AUTO_BUF text = { 0 };
    bool prompt, special, go_on;
    json_t *tools = json_object_get(in, "tools");

    TRY(plain_messages(in, &messages, e));
    TRY(get_bool(in, "add_generation_prompt", true, &prompt, e));
    TRY(get_bool(in, "add_special_tokens", false, &special, e));
    TRY(get_bool(in, "continue_final_message", false, &go_on, e));
    if (go_on)
        return err_set(e, ERR_BAD_REQUEST, "continue_final_message: is not supported yet");
    if (json_array_size(tools) && !streq(json_cstr(in, "tool_choice"), "none"))
        json_put(extra, "tools", json_incref(tools));
    json_object_update(extra, json_object_get(in, "chat_template_kwargs"));
    TRY(server_chat_text(s, messages, prompt, extra, &text, e));
    return tokenizer_encode(s->tokenizer, buf_str(&text), special, ids, e);
}

static errc prompt_ids(const struct server *s, const json_t *in, struct token_ids *ids, struct buf *echo, struct err *e)
{
    const json_t *p = json_object_get(in, "prompt");
    bool special;

    TRY(get_bool(in, "add_special_tokens", true, &special, e));
    if (json_array_size(p) == 1 && !json_is_integer(json_array_get(p, 0)))
        p = json_array_get(p, 0);
    if (json_is_string(p)) {
        buf_addstr(echo, json_to_str(p));
        return tokenizer_encode(s->tokenizer, json_to_str(p), special, ids, e);
    }
    if (!json_is_array(p) || !json_array_size(p))
        return err_set(e, ERR_BAD_REQUEST, "prompt: must be a string or a list of token ids");
    for (size_t i = 0; i < json_array_size(p); i++) {
        const json_t *v = json_array_get(p, i);
        if (!json_is_integer(v) || json_integer_value(v) < 0 || (size_t)json_integer_value(v) >= s->vocab)
            return err_set(e, ERR_BAD_REQUEST, "prompt[%zu]: must be a token id below %zu (several prompts in one request are not supported yet)", i, s->vocab);
        token_ids_add(ids, (int32_t)json_integer_value(v));
    }
    tokenizer_decode(s->tokenizer, ids->v, ids->n, false, echo);
    return ERR_OK;
}

static errc read_request(struct completion *c, const json_t *in, struct err *e)
{
    struct server *s = c->s;
    const json_t *options = json_object_get(in, "stream_options");
    bool echo;

    if (!json_is_object(in))
        return err_set(e, ERR_BAD_REQUEST, "the body must be a JSON object");
    TRY(read_model(s, in, c, e));
    TRY(refuse_unbuilt(in, e));
    TRY(get_bool(in, "stream", false, &c->stream, e));
    if (options && !json_is_null(options) && !c->stream)
        return err_set(e, ERR_BAD_REQUEST, "stream_options: only with stream=true");
    c->usage = json_flag(options, "include_usage", false);
    TRY(c->chat ? chat_ids(s, in, &c->g->job.prompt, e) : prompt_ids(s, in, &c->g->job.prompt, &c->prefix, e));
    TRY(get_bool(in, "echo", false, &echo, e));
    if (!echo)
        buf_clear(&c->prefix);
    c->prompt_tokens = c->g->job.prompt.n;
    if (!c->prompt_tokens)
        return err_set(e, ERR_BAD_REQUEST, "the prompt gives no tokens");
    TRY(read_sampling(s, in, &c->g->job, e));
    TRY(read_lengths(s, in, c->chat ? -1 : 16, &c->g->job, e));
    return read_stops(s, in, c->g, e);
}

/* ---- replies ---- */

static json_t *usage_of(const struct completion *c)
{
    json_int_t made = (json_int_t)generation_tokens(c->g), prompt = (json_int_t)c->prompt_tokens;
    return json_pack("{s:I, s:I, s:I, s:n}", "prompt_tokens", prompt, "total_tokens", prompt + made, "completion_tokens", made, "prompt_tokens_details");
}

static const char *finish_reason(const struct completion *c) { return !c->g->stop_string && c->g->job.finish == FINISH_LENGTH ? "length" : "stop"; }
static json_t *stop_reason(const struct completion *c) { return c->g->stop_string ? json_string(c->g->stop_string) : json_null(); }

static json_t *envelope(const struct completion *c, const char *object)
{
    return json_pack("{s:s, s:s, s:I, s:s}", "id", c->id, "object", object, "created", (json_int_t)c->created, "model", c->model);
}

static void reply_whole(struct completion *c, struct http_exchange *x, struct str text)
{
    AUTO_JSON j = envelope(c, c->chat ? "chat.completion" : "text_completion");
    json_t *choice = json_pack("{s:i, s:n, s:s, s:o}", "index", 0, "logprobs", "finish_reason", finish_reason(c), "stop_reason", stop_reason(c));

    if (c->chat)
        json_put(choice, "message", json_pack("{s:s, s:o, s:n, s:n, s:n, s:n, s:[], s:n}", "role", "assistant", "content", json_strn(text), "refusal",
                                              "annotations", "audio", "function_call", "tool_calls", "reasoning_content"));
    else
        json_put(choice, "text", json_strn(text));
    json_put(j, "choices", json_pack("[o]", choice));
    json_put(j, "service_tier", json_null());
    json_put(j, "system_fingerprint", json_null());
    json_put(j, "usage", usage_of(c));
    json_put(j, "prompt_logprobs", json_null());
    json_put(j, "kv_transfer_params", json_null());
    reply_json(x, 200, j);
}

static void event(const json_t *j, struct buf *out)
{
    buf_adds(out, "data: ");
    json_write(j, out);
    buf_adds(out, "\n\n");
}

/* One chunk; text absent: a chunk without content. */
static void chunk(const struct completion *c, struct str text, bool last, struct buf *out)
{
    AUTO_JSON j = envelope(c, c->chat ? "chat.completion.chunk" : "text_completion");
    json_t *choice = json_pack("{s:i, s:n}", "index", 0, "logprobs");

    if (c->chat) {
        json_t *delta = json_object();
        if (!c->started)
            json_put_str(delta, "role", "assistant");
        if (text.p)
            json_put(delta, "content", json_strn(text));
        json_put(choice, "delta", delta);
    } else {
        json_put(choice, "text", json_strn(text.p ? text : STR("")));
    }
    json_put(choice, "finish_reason", last ? json_string(finish_reason(c)) : json_null());
    if (last)
        json_put(choice, "stop_reason", stop_reason(c));
    json_put(j, "choices", json_pack("[o]", choice));
    event(j, out);
}

static void last_events(struct completion *c, struct buf *out)
{
    chunk(c, c->chat ? (struct str){ 0 } : STR(""), true, out);
    if (c->usage) {
        AUTO_JSON j = envelope(c, c->chat ? "chat.completion.chunk" : "text_completion");
        json_put(j, "choices", json_array());
        json_put(j, "usage", usage_of(c));
        event(j, out);
    }
    buf_adds(out, "data: [DONE]\n\n");
    c->ended = true;
}

static void error_event(struct completion *c, const struct err *e, struct buf *out)
{
    AUTO_JSON j = json_pack("{s:{s:o, s:s, s:n, s:i}}", "error", "message", json_strn(str_of(e->text)), "type", "InternalServerError", "param", "code", err_http(e->code));
    event(j, out);
    buf_adds(out, "data: [DONE]\n\n");
    c->ended = true;
}

static enum http_more next_events(void *self, struct cancel *gone, struct buf *out)
{
    struct completion *c = self;
    AUTO_BUF text = { 0 };
    struct err e = { 0 };

    if (c->ended)
        return HTTP_END;
    if (!c->started) {
        scheduler_watch(c->s->scheduler, &c->g->job, gone);
        if (c->chat || c->prefix.n)
            chunk(c, c->chat ? STR("") : buf_str(&c->prefix), false, out);
        c->started = true;
        return HTTP_MORE;
    }
    if (c->g->done)
        last_events(c, out);
    else if (generation_pull(c->g, &text, &e)) {
        if (e.code == ERR_CANCELLED)
            return HTTP_ABORT;
        error_event(c, &e, out);
    } else if (text.n)
        chunk(c, buf_str(&text), false, out);
    return HTTP_MORE;
}

static void free_events(void *self) { completion_free(self); }

static void complete(struct server *s, struct http_exchange *x, bool chat)
{
    AUTO_FREE(completion) c = xzalloc(sizeof *c);
    AUTO_JSON in = NULL;
    AUTO_BUF text = { 0 };
    struct err e = { 0 };
    char uuid[37];

    c->s = s;
    c->chat = chat;
    c->created = clock_wall_ms() / 1000;
    c->g = generation_new(s->scheduler, s->tokenizer);
    random_uuid(uuid);
    snprintf(c->id, sizeof c->id, "%s-%s", chat ? "chatcmpl" : "cmpl", uuid);
    if (json_parse(x->body, &in, &e) || read_request(c, in, &e)) {
        if (e.code == ERR_INVALID)      /* the template refused these messages */
            e.code = ERR_BAD_REQUEST;
        reply_openai_err(x, &e);
        return;
    }
    c->g->job.gone = c->stream ? NULL : http_gone(x);
    if (generation_start(c->g, true, &e)) {
        reply_openai_err(x, &e);
        return;
    }
    if (c->stream) {
        http_reply_stream(x, 200, "text/event-stream; charset=utf-8", &(struct http_source){ next_events, free_events, TAKE(c) });
        return;
    }
    buf_addstr(&text, buf_str(&c->prefix));
    if (generation_all(c->g, &text, &e))
        reply_openai_err(x, &e);
    else
        reply_whole(c, x, buf_str(&text));
}

void openai_chat(struct server *s, struct http_exchange *x) { complete(s, x, true); }
void openai_completions(struct server *s, struct http_exchange *x) { complete(s, x, false); }

static json_t *model_card(const struct server *s, const char *id, const char *root, const char *parent)
{
    char suffix[33];

    for (size_t i = 0; i < 32; i += 16)
        snprintf(suffix + i, 17, "%016llx", (unsigned long long)random_u64());
    AUTO_MEM char *permission = xasprintf("modelperm-%s", suffix);
    json_t *allow = json_pack("{s:s, s:s, s:I, s:b, s:b, s:b, s:b, s:b, s:b, s:s, s:n, s:b}", "id", permission, "object", "model_permission", "created",
                              (json_int_t)s->created, "allow_create_engine", 0, "allow_sampling", 1, "allow_logprobs", 1, "allow_search_indices", 0,
                              "allow_view", 1, "allow_fine_tuning", 0, "organization", "*", "group", "is_blocking", 0);
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:s?, s:I, s:[o]}", "id", id, "object", "model", "created", (json_int_t)s->created, "owned_by", "kaito",
                     "root", root, "parent", parent, "max_model_len", (json_int_t)engine_max_len(s->engine), "permission", allow);
}

void openai_models(struct server *s, struct http_exchange *x)
{
    json_t *data = json_array();
    char **names = NULL;
    size_t n = 0;

    json_push(data, model_card(s, s->name, s->model_dir, NULL));
    adapters_names(engine_adapters(s->engine), &names, &n);
    for (size_t i = 0; i < n; i++)
        json_push(data, model_card(s, names[i], names[i], s->name));
    strv_free(names, n);
    AUTO_JSON j = json_pack("{s:s, s:o}", "object", "list", "data", data);
    reply_json(x, 200, j);
}

void openai_tokenize(struct server *s, struct http_exchange *x)
{
    AUTO_JSON in = NULL;
    AUTO_IDS ids = { 0 };
    AUTO_BUF echo = { 0 };
    struct err e = { 0 };

    if (json_parse(x->body, &in, &e) || (json_object_get(in, "messages") ? chat_ids(s, in, &ids, &e) : prompt_ids(s, in, &ids, &echo, &e))) {
        reply_openai_err(x, &e);
        return;
    }
    json_t *tokens = json_array(), *texts = json_is_true(json_object_get(in, "return_token_strs")) ? json_array() : json_null();
    for (size_t i = 0; i < ids.n; i++) {
        json_push(tokens, json_integer(ids.v[i]));
        if (json_is_array(texts))
            json_push(texts, json_strn(tokenizer_token(s->tokenizer, ids.v[i])));
    }
    AUTO_JSON j = json_pack("{s:I, s:I, s:o, s:o}", "count", (json_int_t)ids.n, "max_model_len", (json_int_t)engine_max_len(s->engine), "tokens", tokens,
                            "token_strs", texts);
    reply_json(x, 200, j);
}

void openai_detokenize(struct server *s, struct http_exchange *x)
{
    AUTO_JSON in = NULL;
    AUTO_IDS ids = { 0 };
    AUTO_BUF text = { 0 };
    struct err e = { 0 };
    const json_t *list;

    if (json_parse(x->body, &in, &e)) {
        reply_openai_err(x, &e);
        return;
    }
    list = json_object_get(in, "tokens");
    for (size_t i = 0; i < json_array_size(list); i++)
        token_ids_add(&ids, (int32_t)json_integer_value(json_array_get(list, i)));
    if (!json_is_array(list)) {
        reply_openai_error(x, 400, "BadRequestError", "tokens: must be a list of token ids");
        return;
    }
    tokenizer_decode(s->tokenizer, ids.v, ids.n, false, &text);
    AUTO_JSON j = json_object();
    json_put(j, "prompt", json_strn(buf_str(&text)));
    reply_json(x, 200, j);
}
