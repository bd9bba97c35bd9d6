#include "base/err.h"

#include <errno.h>

static const struct {
    const char *name;
    int http;
    bool retry;
} codes[ERR_COUNT_] = {
    [ERR_OK] = { "OK", 200, false },
#define X(name, http, retry) [ERR_##name] = { #name, http, retry },
    ERR_CODES(X)
#undef X
};

static void cut_long_text(struct err *e, int written)
{
    if (written >= (int)sizeof e->text)
        memcpy(e->text + sizeof e->text - 4, "...", 4);
}

errc err_vset(struct err *e, errc code, const char *fmt, va_list ap)
{
    if (e) {
        e->code = code;
        e->sys = 0;
        cut_long_text(e, vsnprintf(e->text, sizeof e->text, fmt, ap));
    }
    return code;
}

errc err_set(struct err *e, errc code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    errc rc = err_vset(e, code, fmt, ap);
    va_end(ap);
    return rc;
}

static errc code_of_errno(int errnum)
{
    static const struct { int errnum; errc code; } rows[] = {
        { ENOENT, ERR_NOT_FOUND }, { EEXIST, ERR_EXISTS }, { EACCES, ERR_FORBIDDEN }, { EPERM, ERR_FORBIDDEN },
        { ENOSPC, ERR_NO_SPACE }, { EDQUOT, ERR_NO_SPACE }, { ETIMEDOUT, ERR_TIMEOUT }, { ECONNREFUSED, ERR_UNAVAILABLE },
        { EINVAL, ERR_INVALID }, { ECANCELED, ERR_CANCELLED }, { EADDRINUSE, ERR_CONFLICT }, { EFBIG, ERR_TOO_LARGE },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].errnum == errnum)
            return rows[i].code;
    return ERR_IO;
}

errc err_sys(struct err *e, int errnum, const char *fmt, ...)
{
    errc code = code_of_errno(errnum);
    va_list ap;
    char reason[128];

    if (!e)
        return code;
    va_start(ap, fmt);
    code = err_vset(e, code, fmt, ap);
    va_end(ap);
    e->sys = errnum;
    size_t n = strlen(e->text);
    cut_long_text(e, (int)n + snprintf(e->text + n, sizeof e->text - n, ": %s",
                                       strerror_r(errnum, reason, sizeof reason)));
    return code;
}

errc err_wrap(struct err *e, const char *fmt, ...)
{
    char inner[ERR_TEXT_MAX];
    va_list ap;

    if (!e)
        return ERR_INTERNAL;
    memcpy(inner, e->text, sizeof inner);
    va_start(ap, fmt);
    int n = vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    if (n >= 0 && n < (int)sizeof e->text)
        n += snprintf(e->text + n, sizeof e->text - (size_t)n, ": %s", inner);
    cut_long_text(e, n);
    return e->code;
}

const char *err_name(errc code) { return codes[code].name; }
int err_http(errc code) { return codes[code].http; }
bool err_retryable(errc code) { return codes[code].retry; }

errc err_from_http(int status)
{
    if (status >= 200 && status < 300)
        return ERR_OK;
    for (int c = ERR_OK + 1; c < ERR_COUNT_; c++)
        if (codes[c].http == status)
            return status == 409 ? ERR_CONFLICT : (errc)c;
    return status >= 500 ? ERR_INTERNAL : ERR_BAD_REQUEST;
}
