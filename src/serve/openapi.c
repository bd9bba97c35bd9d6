/* /openapi.json: made of the route table and of the field tables, so that it cannot differ from what is read. */
#include "serve/openai.h"
#include "serve/route.h"

static json_t *body_schema(const struct route *r)
{
    struct completion_request defaults = completion_defaults(r->on);

    return params_schema(r->body, r->on, r->body == &completion_params ? &defaults : NULL);
}

static json_t *operation(const struct server *s, const struct route *r)
{
    json_t *o = json_pack("{s:s, s:{s:{s:s}}}", "summary", r->about, "responses", "200", "description", "As upstream answers.");

    if (r->body)
        json_put(o, "requestBody", json_pack("{s:b, s:{s:{s:o}}}", "required", 1, "content", "application/json", "schema", body_schema(r)));
    if (s->api_keys.n && !r->open)
        json_put(o, "security", json_pack("[{s:[]}]", "key"));
    return o;
}

void openapi(struct server *s, struct http_exchange *x)
{
    json_t *paths = json_object();

    for (size_t i = 0; i < n_routes; i++) {
        AUTO_BUF method = { 0 };
        for (const char *p = routes[i].method; *p; p++)
            buf_addc(&method, (char)(*p | 0x20));
        AUTO_MEM char *path = routes[i].path[1] && routes[i].path[strlen(routes[i].path) - 1] == '/' ? xasprintf("%s{name}", routes[i].path) : xstrdup(routes[i].path);
        json_put(json_sub(paths, path), buf_cstr(&method), operation(s, &routes[i]));
    }
    AUTO_JSON j = json_pack("{s:s, s:{s:s, s:s}, s:o, s:{s:{s:{s:s, s:s}}}}", "openapi", "3.1.0", "info", "title", "kaito serve", "version", KAITO_VERSION, "paths",
                            paths, "components", "securitySchemes", "key", "type", "http", "scheme", "bearer");
    reply_json(x, 200, j);
}
