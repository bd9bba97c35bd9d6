/* Paths to functions, the small ones among them. */
#include "serve/embeddings.h"
#include "serve/openai.h"
#include "serve/route.h"

static void root(struct server *s, struct http_exchange *x)
{
    (void)s;
    http_reply(x, 200, "application/json", STR("{\"message\":\"Server is running\"}"));
}

static void health(struct server *s, struct http_exchange *x)
{
    (void)s;
    http_reply(x, 200, "application/json", STR("{\"status\":\"Healthy\"}"));
}

static void version(struct server *s, struct http_exchange *x)
{
    (void)s;
    http_reply(x, 200, "application/json", STR("{\"version\":\"" KAITO_VERSION "\"}"));
}

/* One path, two flavours: upstream's transformers server spoke JSON, vLLM speaks Prometheus. */
static void metrics(struct server *s, struct http_exchange *x)
{
    const char *accept = http_header_get(&x->headers, "Accept");
    struct stats stats;
    AUTO_BUF text = { 0 };

    if (accept && strstr(accept, "application/json")) {
        AUTO_JSON j = machine_json();
        reply_json(x, 200, j);
        return;
    }
    AUTO(lora_users_done) struct lora_users loras = { 0 };
    scheduler_stats(s->scheduler, &stats);
    scheduler_loras(s->scheduler, &loras);
    stats_prometheus(&stats, &loras, s->name, &text);
    http_reply_take(x, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
}

const struct route routes[] = {
    { "GET", "/", root, .open = true, .about = "Says that the server runs." },
    { "GET", "/health", health, .open = true, .about = "200 when the model answers." },
    { "GET", "/healthz", health, .open = true, .about = "The same." },
    { "GET", "/ping", health, .open = true, .about = "The same." },
    { "POST", "/ping", health, .open = true, .about = "The same." },
    { "GET", "/version", version, .open = true, .about = "The server's version." },
    { "GET", "/metrics", metrics, .open = true, .about = "Prometheus text; with Accept: application/json the machine's state." },
    { "GET", "/openapi.json", openapi, .open = true, .about = "This document." },
    { "POST", "/chat", kaito_chat, .about = "KAITO's route of v0.3 to v0.8: {\"prompt\" or \"messages\", \"generate_kwargs\"} -> {\"Result\"}." },
    { "GET", "/v1/models", openai_models, .about = "The model and its adapters." },
    { "GET", "/v1/models/", openai_model, .about = "One of them." },
    { "POST", "/v1/chat/completions", openai_chat, .body = &completion_params, .on = ON_CHAT, .about = "Answers messages." },
    { "POST", "/v1/completions", openai_completions, .body = &completion_params, .on = ON_TEXT, .about = "Goes on with prompts." },
    { "POST", "/v1/embeddings", openai_embeddings, .body = &embedding_params, .on = 1, .about = "Vectors of texts." },
    { "POST", "/tokenize", openai_tokenize, .body = &completion_params, .on = ON_TOKENIZE, .about = "Token ids of a prompt or of messages." },
    { "POST", "/detokenize", openai_detokenize, .body = &detokenize_params, .on = 1, .about = "The text of token ids." },
    { "POST", "/v1/load_lora_adapter", load_lora_adapter, .body = &lora_params, .on = 1, .about = "Loads an adapter." },
    { "POST", "/v1/unload_lora_adapter", unload_lora_adapter, .body = &lora_params, .on = 1, .about = "Forgets an adapter." },
};
const size_t n_routes = ARRAY_LEN(routes);

static bool path_matches(const char *route, const char *path)
{
    size_t n = strlen(route);
    bool all_below = n > 1 && route[n - 1] == '/';

    return all_below ? !strncmp(route, path, n) && path[n] : streq(route, path);
}

/* NULL when the path has no such method; methods: those it has, as the Allow header lists them. */
static const struct route *find_route(const char *method, const char *path, struct buf *methods)
{
    for (size_t i = 0; i < n_routes; i++) {
        if (!path_matches(routes[i].path, path))
            continue;
        if (streq(routes[i].method, method))
            return &routes[i];
        buf_addf(methods, "%s%s%s", methods->n ? ", " : "", routes[i].method, streq(routes[i].method, "GET") ? ", HEAD" : "");
    }
    return NULL;
}

/* Paths of OpenAI's and vLLM's servers that this one has not, and what to ask instead. */
static const struct { const char *path, *instead; } unbuilt[] = {
    { "/v1/responses", "/v1/chat/completions" }, { "/v1/messages", "/v1/chat/completions" }, { "/v1/edits", "/v1/chat/completions" },
    { "/inference/v1/generate", "/v1/completions" }, { "/generate", "/v1/completions" }, { "/invocations", "/v1/chat/completions" },
    { "/score", "/v1/embeddings" }, { "/v1/score", "/v1/embeddings" }, { "/rerank", "/v1/embeddings" }, { "/v1/rerank", "/v1/embeddings" },
    { "/v2/rerank", "/v1/embeddings" }, { "/pooling", "/v1/embeddings" }, { "/classify", "/v1/embeddings" }, { "/v2/embed", "/v1/embeddings" },
};

static void reply_unknown(struct http_exchange *x)
{
    for (size_t i = 0; i < ARRAY_LEN(unbuilt); i++)
        if (streq(x->path, unbuilt[i].path)) {
            reply_openai_error(x, 404, "NotFoundError", "%s %s: this server does not have this API; %s is the nearest it has", x->method, x->path, unbuilt[i].instead);
            return;
        }
    reply_detail(x, 404, "Not Found");
}

void server_handle(void *self, struct http_exchange *x)
{
    struct server *s = self;
    AUTO_BUF methods = { 0 };
    const struct route *r = find_route(streq(x->method, "HEAD") ? "GET" : x->method, x->path, &methods);

    if (gate(s, x, r && !r->open))
        return;
    if (!r && methods.n) {
        http_reply_header(x, "Allow", buf_cstr(&methods));
        reply_detail(x, 405, "Method Not Allowed");
    } else if (!r) {
        reply_unknown(x);
    } else if (!(s->embedder && embedder_handle(s, r->path, x))) {
        r->fn(s, x);
    }
}
