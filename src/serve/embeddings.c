/*
 * /v1/embeddings, and what else a server of a sentence encoder answers: such a server has no engine and no scheduler. Requests share one
 * encoder behind a lock that is held for one text at a time, so that a long list does not keep the others waiting.
 */
#include <math.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "serve/embeddings.h"
#include "serve/openai.h"

struct embedding_request {
    const char *model, *encoding_format;
    json_t *input;
    int64_t dimensions, truncate_prompt_tokens;
    bool add_special_tokens;
};

static const struct param_row rows[] = {
    PARAM(struct embedding_request, model, TEXT, "model", 1, .doc = "The served name."),
    PARAM(struct embedding_request, input, JSON, "input", 1, .flags = PARAM_REQUIRED, .doc = "A text, token ids, or a list of either."),
    PARAM(struct embedding_request, encoding_format, TEXT, "encoding_format", 1, .doc = "float, or base64 of little-endian float32."),
    PARAM(struct embedding_request, dimensions, INT, "dimensions", 1, PARAM_RANGE(1, PARAM_MAX), .doc = "The model's own number; fewer where the model was trained for it."),
    PARAM(struct embedding_request, truncate_prompt_tokens, INT, "truncate_prompt_tokens", 1, PARAM_RANGE(-1, PARAM_MAX), .doc = "Keep so many tokens of a text; -1: as many as fit."),
    PARAM(struct embedding_request, add_special_tokens, BOOL, "add_special_tokens", 1, .doc = "Whether texts get the tokenizer's special tokens."),
    { "user", PARAM_IGNORED, 1, .doc = "Accepted, without effect." },
    { "priority", PARAM_IGNORED, 1, .doc = "Accepted, without effect." },
    { "request_id", PARAM_IGNORED, 1, .doc = "Accepted, without effect." },
};
const struct param_table embedding_params = { rows, ARRAY_LEN(rows) };

struct embedder {
    struct encoder *encoder;
    struct mutex mu;                    /* guards the encoder and stats; a leaf */
    struct stats stats;
    bool matryoshka;                    /* the model says that a vector's beginning is a vector, too */
};

errc embedder_open(const char *model_dir, int threads, struct embedder **out, struct err *e)
{
    AUTO_MEM char *path = path_join(model_dir, "config.json");
    AUTO_FREE(embedder) m = xzalloc(sizeof *m);
    AUTO_JSON config = NULL;

    mutex_init(&m->mu);
    stats_init(&m->stats);
    TRY(encoder_open(model_dir, threads, &m->encoder, e));
    TRY(json_parse_file(path, (size_t)4 << 20, &config, e));
    m->matryoshka = json_flag(config, "is_matryoshka", false) || json_array_size(json_object_get(config, "matryoshka_dimensions")) > 0;
    *out = TAKE(m);
    return ERR_OK;
}

void embedder_free(struct embedder *m)
{
    if (!m)
        return;
    encoder_free(m->encoder);
    mutex_done(&m->mu);
    free(m);
}

/* ---- input -> token ids ---- */

struct inputs { struct token_ids *v; size_t n; };

static void inputs_done(struct inputs *in)
{
    for (size_t i = 0; i < in->n; i++)
        token_ids_done(&in->v[i]);
    free(in->v);
}

static void lower_ascii(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++)
        buf_addc(out, text.p[i] >= 'A' && text.p[i] <= 'Z' ? (char)(text.p[i] | 32) : text.p[i]);
}

static errc encode_text(const struct server *s, const struct embedding_request *r, struct str text, struct token_ids *ids, struct err *e)
{
    AUTO_BUF small = { 0 };

    if (encoder_info(s->embedder->encoder)->lowercase) {
        lower_ascii(text, &small);
        text = buf_str(&small);
    }
    return tokenizer_encode(s->tokenizer, text, r->add_special_tokens, ids, e);
}

static errc copy_ids(const struct server *s, const json_t *list, const char *field, struct token_ids *ids, struct err *e)
{
    size_t vocab = encoder_info(s->embedder->encoder)->vocab;

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        if (!json_is_integer(v) || json_integer_value(v) < 0 || (size_t)json_integer_value(v) >= vocab)
            return err_set(e, ERR_BAD_REQUEST, "%s[%zu]: must be a token id from 0 to %zu", field, i, vocab - 1);
        token_ids_add(ids, (int32_t)json_integer_value(v));
    }
    return ERR_OK;
}

/* Keeps the first tokens, or says that they are too many. */
static errc fit(const struct server *s, const struct embedding_request *r, struct token_ids *ids, struct err *e)
{
    size_t most = encoder_info(s->embedder->encoder)->max_tokens;
    size_t keep = r->truncate_prompt_tokens == -1 ? most : r->truncate_prompt_tokens > 0 ? (size_t)r->truncate_prompt_tokens : SIZE_MAX;

    if (keep > most && keep != SIZE_MAX)
        return err_set(e, ERR_BAD_REQUEST, "truncate_prompt_tokens: %zu is greater than max_model_len (%zu). Please, select a smaller truncation size.", keep, most);
    if (ids->n > keep)
        ids->n = keep;
    if (ids->n > most)
        return err_set(e, ERR_BAD_REQUEST, "This model's maximum context length is %zu tokens. However, you requested %zu tokens in the input for embedding generation. "
                       "Please reduce the length of the input.", most, ids->n);
    return ids->n ? ERR_OK : err_set(e, ERR_BAD_REQUEST, "input: a text without a token has no vector");
}

static errc read_one(const struct server *s, const struct embedding_request *r, const json_t *v, const char *field, struct token_ids *ids, struct err *e)
{
    if (json_is_string(v))
        TRY(encode_text(s, r, json_to_str(v), ids, e));
    else if (json_is_array(v))
        TRY(copy_ids(s, v, field, ids, e));
    else
        return err_set(e, ERR_BAD_REQUEST, "%s: must be a string or a list of token ids", field);
    return fit(s, r, ids, e);
}

static errc read_inputs(const struct server *s, const struct embedding_request *r, struct inputs *out, struct err *e)
{
    const json_t *in = r->input, *first = json_array_get(in, 0);
    bool many = json_is_array(in) && (json_is_string(first) || json_is_array(first));
    size_t n = many ? json_array_size(in) : 1;

    if (json_is_array(in) && !json_array_size(in))
        return err_set(e, ERR_BAD_REQUEST, "input: the list is empty");
    out->v = xcalloc(n, sizeof *out->v);
    for (out->n = 0; out->n < n; ) {
        AUTO_MEM char *field = many ? xasprintf("input[%zu]", out->n) : xstrdup("input");
        struct token_ids *ids = &out->v[out->n++];
        TRY(read_one(s, r, many ? json_array_get(in, out->n - 1) : in, field, ids, e));
    }
    return ERR_OK;
}

/* ---- vectors -> reply ---- */

static errc check_model(const struct server *s, const struct embedding_request *r, struct err *e)
{
    bool ours = !r->model || streq(r->model, s->name) || streq(r->model, s->model_dir) || names_have(&s->aliases, r->model);
    const char *format = r->encoding_format ? r->encoding_format : "float";
    size_t dim = encoder_info(s->embedder->encoder)->dim;

    if (!ours)
        return err_set(e, ERR_NOT_FOUND, "The model `%s` does not exist.", r->model);
    if (!streq(format, "float") && !streq(format, "base64"))
        return err_set(e, ERR_BAD_REQUEST, "encoding_format: \"%.40s\" is neither \"float\" nor \"base64\"", format);
    if (r->dimensions > 0 && (size_t)r->dimensions != dim && !s->embedder->matryoshka)
        return err_set(e, ERR_BAD_REQUEST, "Model \"%s\" does not support matryoshka representation, changing output dimensions will lead to poor results.", s->name);
    if (r->dimensions > 0 && (size_t)r->dimensions > dim)
        return err_set(e, ERR_BAD_REQUEST, "dimensions: %lld is above the model's %zu", (long long)r->dimensions, dim);
    return ERR_OK;
}

static json_t *vector_json(const float *v, size_t n, bool base64)
{
    if (!base64) {
        json_t *list = json_array();
        for (size_t i = 0; i < n; i++)
            json_push(list, json_float((double)v[i]));
        return list;
    }
    AUTO_BUF bytes = { 0 }, text = { 0 };
    for (size_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, &v[i], sizeof u);
        unsigned char le[4] = { (unsigned char)u, (unsigned char)(u >> 8), (unsigned char)(u >> 16), (unsigned char)(u >> 24) };
        buf_add(&bytes, le, sizeof le);
    }
    base64_add(&text, bytes.p, bytes.n);
    return json_strn(buf_str(&text));
}

/* A vector's first n numbers, of length 1 again. */
static void shorten(float *v, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)v[i] * (double)v[i];
    for (size_t i = 0; sum > 0 && i < n; i++)
        v[i] = (float)((double)v[i] / sqrt(sum));
}

static errc embed_all(struct server *s, const struct embedding_request *r, const struct inputs *in, json_t *data, struct err *e)
{
    struct embedder *m = s->embedder;
    size_t dim = encoder_info(m->encoder)->dim, n = r->dimensions > 0 ? (size_t)r->dimensions : dim;
    AUTO_MEM float *v = xcalloc(dim, sizeof *v);

    for (size_t i = 0; i < in->n; i++) {
        mutex_lock(&m->mu);
        errc rc = encoder_embed(m->encoder, in->v[i].v, in->v[i].n, v, e);
        m->stats.prompt_tokens += in->v[i].n;
        mutex_unlock(&m->mu);
        if (rc)
            return rc;
        if (n < dim)
            shorten(v, n);
        json_push(data, json_pack("{s:i, s:s, s:o}", "index", (int)i, "object", "embedding", "embedding", vector_json(v, n, streq(r->encoding_format, "base64"))));
    }
    return ERR_OK;
}

static errc answer(struct server *s, const json_t *body, json_t **out, struct err *e)
{
    struct embedding_request r = { .add_special_tokens = true };
    AUTO(inputs_done) struct inputs in = { 0 };
    AUTO_JSON data = json_array();
    size_t tokens = 0;

    TRY(params_read(&embedding_params, 1, body, NULL, &r, e));
    TRY(check_model(s, &r, e));
    TRY(read_inputs(s, &r, &in, e));
    TRY(embed_all(s, &r, &in, data, e));
    for (size_t i = 0; i < in.n; i++)
        tokens += in.v[i].n;
    *out = json_pack("{s:o, s:s, s:I, s:s, s:O, s:{s:I, s:I, s:i, s:n}}", "id", json_strf("embd-%016llx%016llx", (unsigned long long)random_u64(), (unsigned long long)random_u64()),
                     "object", "list", "created", (json_int_t)(clock_wall_ms() / 1000), "model", s->name, "data", data, "usage", "prompt_tokens", (json_int_t)tokens,
                     "total_tokens", (json_int_t)tokens, "completion_tokens", 0, "prompt_tokens_details");
    return ERR_OK;
}

static void count(struct embedder *m, int64_t start_ms, bool good)
{
    LOCK_SCOPE(&m->mu);
    m->stats.finished[good ? FINISH_STOP : FINISH_ERROR]++;
    if (good)
        histogram_add(&m->stats.e2e, (double)(clock_mono_ms() - start_ms) / 1000);
}

void openai_embeddings(struct server *s, struct http_exchange *x)
{
    int64_t start = clock_mono_ms();
    AUTO_JSON body = NULL;
    AUTO_JSON out = NULL;
    struct err e = { 0 };

    if (!s->embedder) {
        reply_openai_error(x, 400, "BadRequestError", "The model does not support Embeddings API");
        return;
    }
    bool good = !json_parse(x->body, &body, &e) && !answer(s, body, &out, &e);
    count(s->embedder, start, good);
    if (good)
        reply_json(x, 200, out);
    else
        reply_openai_err(x, &e);
}

/* ---- the other routes of such a server ---- */

static json_t *card(const struct server *s, const char *id)
{
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:n, s:I}", "id", id, "object", "model", "created", (json_int_t)s->created, "owned_by", "kaito", "root", s->model_dir,
                     "parent", "max_model_len", (json_int_t)encoder_info(s->embedder->encoder)->max_tokens);
}

static void models(struct server *s, struct http_exchange *x)
{
    const char *name = str_has_prefix(str_of(x->path), STR("/v1/models/")) ? x->path + strlen("/v1/models/") : NULL;

    if (name && !streq(name, s->name) && !names_have(&s->aliases, name)) {
        reply_openai_error(x, 404, "NotFoundError", "The model `%s` does not exist.", name);
        return;
    }
    json_t *data = json_pack("[o]", card(s, s->name));
    for (size_t i = 0; i < s->aliases.n; i++)
        json_push(data, card(s, s->aliases.v[i]));
    AUTO_JSON j = name ? card(s, name) : json_pack("{s:s, s:O}", "object", "list", "data", data);
    json_decref(data);
    reply_json(x, 200, j);
}

static void metrics(struct server *s, struct http_exchange *x)
{
    const char *accept = http_header_get(&x->headers, "Accept");
    AUTO_BUF text = { 0 };
    AUTO(lora_users_done) struct lora_users none = { 0 };
    struct stats stats;

    if (accept && strstr(accept, "application/json")) {
        AUTO_JSON j = machine_json();
        reply_json(x, 200, j);
        return;
    }
    mutex_lock(&s->embedder->mu);
    stats = s->embedder->stats;
    mutex_unlock(&s->embedder->mu);
    stats_prometheus(&stats, &none, s->name, &text);
    http_reply_take(x, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
}

/* What needs a model that generates is refused in vLLM's words; NULL: the route needs none. */
static const char *needs(const char *path)
{
    static const struct { const char *path, *api; } apis[] = {
        { "/chat", "Chat" }, { "/v1/chat/completions", "Chat Completions" }, { "/v1/completions", "Completions" }, { "/tokenize", "Tokenize" },
        { "/detokenize", "Detokenize" }, { "/v1/load_lora_adapter", "LoRA" }, { "/v1/unload_lora_adapter", "LoRA" },
    };
    for (size_t i = 0; i < ARRAY_LEN(apis); i++)
        if (streq(path, apis[i].path))
            return apis[i].api;
    return NULL;
}

bool embedder_handle(struct server *s, const char *path, struct http_exchange *x)
{
    const char *api = needs(path);

    if (api)
        reply_openai_error(x, 400, "BadRequestError", "The model does not support %s API", api);
    else if (streq(path, "/metrics"))
        metrics(s, x);
    else if (streq(path, "/v1/models") || streq(path, "/v1/models/"))
        models(s, x);
    else
        return false;
    return true;
}
