#include "webhook/admission.h"

#include "base/log.h"

#define REVIEW_API "admission.k8s.io/v1"

static const char *or_empty(const char *s)
{
    return s ? s : "";
}

static const json_t *object_or_null(const json_t *request, const char *key)
{
    const json_t *o = json_object_get(request, key);

    return json_is_object(o) ? o : NULL;
}

static json_t *status_of(const struct buf *why)
{
    return json_pack("{s:{}, s:s, s:o, s:s, s:i}", "metadata", "status", "Failure", "message", json_strn(buf_str(why)),
                     "reason", "BadRequest", "code", 400);
}

static void reply_review(struct http_exchange *x, const char *uid, bool allowed, const struct buf *why)
{
    AUTO_JSON review = json_pack("{s:s, s:s, s:{s:s, s:b, s:o*}}", "kind", "AdmissionReview", "apiVersion", REVIEW_API, "response",
                                 "uid", uid, "allowed", allowed, "status", allowed ? NULL : status_of(why));
    AUTO_BUF body = { 0 };

    json_write(review, &body);
    http_reply_take(x, 200, "application/json", &body);
}

static void review(const struct admission_route *route, const json_t *request, struct http_exchange *x)
{
    struct admission_request q = {
        .operation = or_empty(json_cstr(request, "operation")),
        .subresource = or_empty(json_cstr(request, "subResource")),
        .version = or_empty(json_str_at(request, "kind", "version", NULL)),
        .kind = or_empty(json_str_at(request, "kind", "kind", NULL)),
        .object = object_or_null(request, "object"),
        .old_object = object_or_null(request, "oldObject"),
        .arena = x->arena,
    };
    AUTO_BUF why = { 0 };
    bool allowed = route->review(route->self, &q, &why) == ERR_OK;

    log_debug("webhook", "reviewed", KV("kind", q.kind), KV("namespace", or_empty(json_cstr(request, "namespace"))),
              KV("name", or_empty(json_cstr(request, "name"))), KV("operation", q.operation), KV("allowed", allowed ? "true" : "false"));
    reply_review(x, or_empty(json_cstr(request, "uid")), allowed, &why);
}

const struct admission_route *admission_route_of(const struct admission_route *routes, size_t n, const char *path)
{
    for (size_t i = 0; i < n; i++)
        if (streq(routes[i].path, path))
            return &routes[i];
    return NULL;
}

static bool is_json(const struct http_exchange *x)
{
    return str_has_prefix(str_of(http_header_get(&x->headers, "content-type")), STR("application/json"));
}

static int refuse(struct http_exchange *x, int status, const char *why)
{
    http_replyf(x, status, "%s\n", why);
    return status;
}

int admission_handle(const struct admission_route *route, struct http_exchange *x)
{
    AUTO_JSON body = NULL;
    struct err e = { 0 };

    if (!route)
        return refuse(x, 404, "no webhook at this path");
    if (!streq(x->method, "POST"))
        return refuse(x, 405, "POST an AdmissionReview");
    if (!is_json(x))
        return refuse(x, 415, "invalid Content-Type, want `application/json`");
    if (json_parse(x->body, &body, &e)) {
        http_replyf(x, 400, "could not decode body: %s\n", e.text);
        return 400;
    }
    const json_t *request = object_or_null(body, "request");

    if (!request || !streq(json_cstr(body, "apiVersion"), REVIEW_API))
        return refuse(x, 400, "could not decode body: is no AdmissionReview of " REVIEW_API " with a request");
    review(route, request, x);
    return 200;
}
