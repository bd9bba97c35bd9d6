/* The shapes of replies: JSON, FastAPI's {"detail": ...}, and OpenAI's {"error": ...} as vLLM fills it. */
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

static json_t *error_body(const char *type, int status, const char *param, struct str message)
{
    return json_pack("{s:{s:o, s:s, s:s?, s:i}}", "error", "message", json_strn(message), "type", type, "param", param, "code", status);
}

void reply_openai_error(struct http_exchange *x, int status, const char *type, const char *fmt, ...)
{
    AUTO_BUF text = { 0 };
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    AUTO_JSON j = error_body(type, status, NULL, buf_str(&text));
    reply_json(x, status, j);
}

/*
 * Our errors about a field begin with its name: "top_p: 3 is not in (0, 1]", "messages[0].role: ...". An unknown model is told in
 * vLLM's own words. NULL: it begins otherwise.
 */
static char *field_of(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_.[]");

    if (str_has_prefix(str_of(text), STR("The model `")))
        return xstrdup("model");

    return n && text[n] == ':' && text[n + 1] == ' ' ? xstrndup(text, n) : NULL;
}

/* What the client did is 400, whatever our code calls it; leaving, too, as vLLM has it. */
static int openai_status(const struct err *e)
{
    int status = err_http(e->code);

    return status == 422 || status == 415 || status == 501 || status == 499 ? 400 : status;
}

json_t *openai_error_json(const struct err *e)
{
    static const struct { int status; const char *type; } types[] = {
        { 400, "BadRequestError" }, { 401, "AuthenticationError" }, { 403, "PermissionDeniedError" }, { 404, "NotFoundError" }, { 409, "ConflictError" },
        { 413, "BadRequestError" }, { 503, "ServiceUnavailableError" }, { 504, "TimeoutError" },
    };
    int status = openai_status(e);
    const char *type = "InternalServerError";
    AUTO_MEM char *param = field_of(e->text);

    if (e->code == ERR_THROTTLED)       /* upstream's own body */
        return json_pack("{s:{s:s, s:s, s:n, s:s}}", "error", "message", e->text, "type", "requests", "param", "code", "rate_limit_exceeded");
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (types[i].status == status)
            type = types[i].type;
    return error_body(type, status, param, str_of(e->text));
}

void reply_openai_err(struct http_exchange *x, const struct err *e)
{
    AUTO_JSON j = openai_error_json(e);
    reply_json(x, openai_status(e), j);
}
