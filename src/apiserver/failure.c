/*
 * Failures as kube-apiserver words them: a Status object with reason, details and code.
 */
#include "apiserver/priv.h"
#include "base/log.h"

static errc vfail(struct req *r, errc code, int http, const char *reason, json_t *details, const char *fmt, va_list ap)
{
    AUTO_BUF text = { 0 };
    json_t *st = json_object();

    buf_vaddf(&text, fmt, ap);
    json_put_str(st, "kind", "Status");
    json_put_str(st, "apiVersion", "v1");
    json_put(st, "metadata", json_object());
    json_put_str(st, "status", "Failure");
    json_put(st, "message", json_strn(buf_str(&text)));
    if (str_set(reason))
        json_put_str(st, "reason", reason);
    if (details)
        json_put(st, "details", details);
    json_put_int(st, "code", http);
    json_arena_own(r->a, st);
    r->failure = st;
    return err_set(&r->e, code, "%s", buf_cstr(&text));
}

errc fail(struct req *r, errc code, int http, const char *reason, json_t *details, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    errc rc = vfail(r, code, http, reason, details, fmt, ap);
    va_end(ap);
    return rc;
}

errc fail_bad_request(struct req *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    errc rc = vfail(r, ERR_BAD_REQUEST, 400, "BadRequest", NULL, fmt, ap);
    va_end(ap);
    return rc;
}

errc fail_internal(struct req *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    errc rc = vfail(r, ERR_INTERNAL, 500, NULL, NULL, fmt, ap);
    va_end(ap);
    return rc;
}

json_t *details_of(const struct resource *res, const char *name)
{
    json_t *d = json_object();

    if (str_set(name))
        json_put_str(d, "name", name);
    if (str_set(res->group))
        json_put_str(d, "group", res->group);
    json_put_str(d, "kind", res->plural);
    return d;
}

errc fail_not_found(struct req *r, const struct resource *res, const char *name)
{
    return fail(r, ERR_NOT_FOUND, 404, "NotFound", details_of(res, name), "%s \"%s\" not found", res->qualified, name);
}

errc fail_no_resource(struct req *r)
{
    return fail(r, ERR_NOT_FOUND, 404, "NotFound", json_object(), "the server could not find the requested resource");
}

errc fail_no_method(struct req *r)
{
    return fail(r, ERR_NOT_ALLOWED, 405, "MethodNotAllowed", json_object(),
                "the server does not allow this method on the requested resource");
}

errc fail_exists(struct req *r, const struct resource *res, const char *name)
{
    return fail(r, ERR_EXISTS, 409, "AlreadyExists", details_of(res, name), "%s \"%s\" already exists", res->qualified, name);
}

errc fail_conflict(struct req *r, const struct resource *res, const char *name, const char *fmt, ...)
{
    AUTO_BUF text = { 0 };
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    return fail(r, ERR_CONFLICT, 409, "Conflict", details_of(res, name), "Operation cannot be fulfilled on %s \"%s\": %s",
                res->qualified, name, buf_cstr(&text));
}

errc fail_forbidden(struct req *r, const struct resource *res, const char *name, const char *fmt, ...)
{
    AUTO_BUF text = { 0 };
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    if (!str_set(name))
        return fail(r, ERR_FORBIDDEN, 403, "Forbidden", details_of(res, NULL), "%s is forbidden: %s", res->qualified, buf_cstr(&text));
    return fail(r, ERR_FORBIDDEN, 403, "Forbidden", details_of(res, name), "%s \"%s\" is forbidden: %s", res->qualified, name,
                buf_cstr(&text));
}

errc fail_invalid(struct req *r, const char *group, const char *kind, const char *name, const struct field_errors *l)
{
    AUTO_BUF text = { 0 };
    json_t *d = json_object();

    field_errors_text(l, &text);
    if (str_set(name))
        json_put_str(d, "name", name);
    if (str_set(group))
        json_put_str(d, "group", group);
    if (str_set(kind))
        json_put_str(d, "kind", kind);
    json_put(d, "causes", field_errors_causes(l));
    return fail(r, ERR_INVALID, 422, "Invalid", d, "%s%s%s \"%s\" is invalid: %s", kind, str_set(group) ? "." : "",
                str_set(group) ? group : "", name, buf_cstr(&text));
}

errc fail_from(struct req *r)
{
    static const struct { errc code; const char *reason; } words[] = {
        { ERR_BAD_REQUEST, "BadRequest" }, { ERR_UNAUTHORIZED, "Unauthorized" }, { ERR_FORBIDDEN, "Forbidden" },
        { ERR_NOT_FOUND, "NotFound" }, { ERR_CONFLICT, "Conflict" }, { ERR_GONE, "Expired" }, { ERR_INVALID, "Invalid" },
        { ERR_TOO_LARGE, "RequestEntityTooLarge" }, { ERR_UNSUPPORTED, "UnsupportedMediaType" }, { ERR_TIMEOUT, "Timeout" },
        { ERR_UNAVAILABLE, "ServiceUnavailable" }, { ERR_NOT_ALLOWED, "MethodNotAllowed" }, { ERR_THROTTLED, "TooManyRequests" },
    };
    struct err was = r->e;
    const char *reason = "InternalError";

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (words[i].code == was.code)
            reason = words[i].reason;
    if (err_http(was.code) >= 500)
        log_error(LOG_NAME, "request failed", KV("method", r->x->method), KV("path", r->x->path), KV("err", was.text));
    return fail(r, was.code, err_http(was.code), reason, NULL, "%s", was.text);
}

void reply_failure(struct req *r, errc rc)
{
    if (r->replied)
        return;
    if (!r->failure)
        rc = fail_from(r);
    (void)rc;           /* the Status says it all */
    int64_t retry = json_int(json_at(r->failure, "details", NULL), "retryAfterSeconds", 0);
    if (retry > 0) {
        char text[24];
        snprintf(text, sizeof text, "%lld", (long long)retry);
        http_reply_header(r->x, "Retry-After", text);
    }
    reply_json(r, (int)json_int(r->failure, "code", 500), r->failure);
}
