/* Paths to functions, the small ones among them, and the three shapes of replies. */
#include "serve/priv.h"

void reply_json(struct http_exchange *x, int status, const json_t *j)
{
    AUTO_BUF body = { 0 };

    json_write(j, &body);
    http_reply_take(x, status, "application/json", &body);
}

void reply_detail(struct http_exchange *x, int status, const char *fmt, ...)
{
    AUTO_BUF text = { 0 };
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    AUTO_JSON j = json_object();
    json_put(j, "detail", json_strn(buf_str(&text)));
    reply_json(x, status, j);
}

void reply_openai_error(struct http_exchange *x, int status, const char *type, const char *fmt, ...)
{
    AUTO_BUF text = { 0 };
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    AUTO_JSON j = json_pack("{s:{s:o, s:s, s:n, s:i}}", "error", "message", json_strn(buf_str(&text)), "type", type, "param", "code", status);
    reply_json(x, status, j);
}

void reply_openai_err(struct http_exchange *x, const struct err *e)
{
    static const struct { int status; const char *type; } types[] = {
        { 400, "BadRequestError" }, { 404, "NotFoundError" }, { 413, "BadRequestError" }, { 500, "InternalServerError" }, { 503, "ServiceUnavailableError" },
    };
    int status = err_http(e->code);

    if (e->code == ERR_THROTTLED) {     /* upstream's own body */
        AUTO_JSON j = json_pack("{s:{s:s, s:s, s:n, s:s}}", "error", "message", e->text, "type", "requests", "param", "code", "rate_limit_exceeded");
        reply_json(x, 429, j);
        return;
    }
    if (status == 422 || status == 415)
        status = 400;
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (types[i].status == status) {
            reply_openai_error(x, status, types[i].type, "%s", e->text);
            return;
        }
    reply_openai_error(x, status, "InternalServerError", "%s", e->text);
}

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

static const struct { const char *method, *path; route_fn *fn; } routes[] = {
    { "GET", "/", root }, { "GET", "/health", health }, { "GET", "/healthz", health }, { "GET", "/ping", health }, { "GET", "/version", version },
    { "GET", "/metrics", metrics }, { "POST", "/chat", kaito_chat }, { "GET", "/v1/models", openai_models },
    { "POST", "/v1/chat/completions", openai_chat }, { "POST", "/v1/completions", openai_completions },
    { "POST", "/tokenize", openai_tokenize }, { "POST", "/detokenize", openai_detokenize },
};

void server_handle(void *self, struct http_exchange *x)
{
    bool path_known = false;
    const char *method = streq(x->method, "HEAD") ? "GET" : x->method;

    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (!streq(routes[i].path, x->path))
            continue;
        path_known = true;
        if (streq(routes[i].method, method)) {
            routes[i].fn(self, x);
            return;
        }
    }
    reply_detail(x, path_known ? 405 : 404, path_known ? "Method Not Allowed" : "Not Found");
}
