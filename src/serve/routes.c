/* Paths to functions, the small ones among them. */
#include "serve/priv.h"

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
    scheduler_stats(s->scheduler, &stats);
    stats_prometheus(&stats, s->name, &text);
    http_reply_take(x, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
}

/* A path that ends in a slash stands for all paths below it. */
static const struct { const char *method, *path; route_fn *fn; } routes[] = {
    { "GET", "/", root }, { "GET", "/health", health }, { "GET", "/healthz", health }, { "GET", "/ping", health }, { "POST", "/ping", health },
    { "GET", "/version", version }, { "GET", "/metrics", metrics }, { "POST", "/chat", kaito_chat }, { "GET", "/v1/models", openai_models },
    { "GET", "/v1/models/", openai_model }, { "POST", "/v1/chat/completions", openai_chat }, { "POST", "/v1/completions", openai_completions },
    { "POST", "/v1/embeddings", openai_embeddings }, { "POST", "/tokenize", openai_tokenize }, { "POST", "/detokenize", openai_detokenize },
};

static bool path_matches(const char *route, const char *path)
{
    size_t n = strlen(route);

    return streq(route, path) || (n > 1 && route[n - 1] == '/' && !strncmp(route, path, n) && path[n]);
}

void server_handle(void *self, struct http_exchange *x)
{
    bool path_known = false;
    const char *method = streq(x->method, "HEAD") ? "GET" : x->method;

    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (!path_matches(routes[i].path, x->path))
            continue;
        path_known = true;
        if (streq(routes[i].method, method)) {
            routes[i].fn(self, x);
            return;
        }
    }
    reply_detail(x, path_known ? 405 : 404, path_known ? "Method Not Allowed" : "Not Found");
}
