/* Before a route: who may ask (API keys), from which pages (CORS), in which form. Every reply gets an X-Request-Id. */
#include "base/clock.h"
#include "serve/priv.h"

#define REQUEST_ID_MAX 128
#define SHOWN_MAX 1000          /* bytes of a body that an error repeats */

static void name_reply(struct http_exchange *x)
{
    const char *given = http_header_get(&x->headers, "X-Request-Id");
    char uuid[37];

    random_uuid(uuid);
    http_reply_header(x, "X-Request-Id", str_set(given) && strlen(given) <= REQUEST_ID_MAX ? given : uuid);
}

/* The origin that the reply may name; NULL: the page may not read it. */
static const char *allowed_origin(const struct server *s, const char *origin)
{
    if (names_have(&s->origins, "*"))
        return "*";
    return names_have(&s->origins, origin) ? origin : NULL;
}

static void allow_page(const struct server *s, struct http_exchange *x, const char *origin)
{
    const char *allowed = allowed_origin(s, origin);

    if (!allowed)
        return;
    http_reply_header(x, "Access-Control-Allow-Origin", allowed);
    if (*allowed != '*')
        http_reply_header(x, "Vary", "Origin");
}

/* A browser's question before it asks another origin. */
static void reply_preflight(const struct server *s, struct http_exchange *x, const char *origin)
{
    const char *wanted = http_header_get(&x->headers, "Access-Control-Request-Headers");

    if (!allowed_origin(s, origin)) {
        http_replyf(x, 400, "Disallowed CORS origin");
        return;
    }
    http_reply_header(x, "Access-Control-Allow-Methods", "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");
    http_reply_header(x, "Access-Control-Allow-Headers", wanted);
    http_reply_header(x, "Access-Control-Max-Age", "600");
    http_replyf(x, 200, "OK");
}

/* Takes the same time wherever the difference is. */
static bool same_key(const char *a, const char *b)
{
    size_t na = strlen(a), nb = strlen(b);
    unsigned char differ = na != nb;

    for (size_t i = 0; i < na; i++)
        differ |= (unsigned char)(a[i] ^ b[nb ? i % nb : 0]);
    return !differ;
}

static bool has_key(const struct server *s, const struct http_exchange *x)
{
    const char *given = http_header_get(&x->headers, "Authorization");
    bool found = false;

    if (!given || !str_ieq(str_n(given, strlen(given) < 7 ? 0 : 7), STR("Bearer ")))
        return false;
    for (size_t i = 0; i < s->api_keys.n; i++)
        found |= same_key(given + 7, s->api_keys.v[i]);
    return found;
}

static bool is_json(const struct http_exchange *x)
{
    const char *type = http_header_get(&x->headers, "Content-Type");
    struct str media, rest;

    if (!str_set(type) || !x->body.n)
        return true;
    (void)str_cut(str_of(type), ';', &media, &rest);
    return str_ieq(str_trim(media), STR("application/json"));
}

/* FastAPI takes such a body for a text, which is no object; vLLM says what it wants. */
static void reply_media_type(struct http_exchange *x)
{
    if (!streq(x->path, "/chat")) {
        reply_openai_error(x, 400, "BadRequestError", "Unsupported Media Type: Only 'application/json' is allowed");
        return;
    }
    AUTO_JSON j = json_pack("{s:[{s:s, s:[s], s:s, s:o}]}", "detail", "type", "model_attributes_type", "loc", "body", "msg",
                            "Input should be a valid dictionary or object to extract fields from (as Content-Type: application/json)", "input",
                            json_strn(str_n(x->body.p, x->body.n < SHOWN_MAX ? x->body.n : SHOWN_MAX)));
    reply_json(x, 422, j);
}

bool gate(const struct server *s, struct http_exchange *x, bool guarded)
{
    const char *origin = http_header_get(&x->headers, "Origin");

    name_reply(x);
    if (origin && s->origins.n)
        allow_page(s, x, origin);
    if (origin && s->origins.n && streq(x->method, "OPTIONS") && http_header_get(&x->headers, "Access-Control-Request-Method")) {
        reply_preflight(s, x, origin);
        return true;
    }
    if (guarded && s->api_keys.n && !has_key(s, x)) {
        http_reply_header(x, "WWW-Authenticate", "Bearer");
        reply_openai_error(x, 401, "AuthenticationError", "Unauthorized: this server wants one of its API keys as \"Authorization: Bearer KEY\"");
        return true;
    }
    if (streq(x->method, "POST") && !is_json(x)) {
        reply_media_type(x);
        return true;
    }
    return false;
}
