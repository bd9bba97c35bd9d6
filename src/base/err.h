/*
 * One error value for the whole program. The return code says what kind, the struct says what happened.
 * A function that fails has set *e exactly once (err_set, err_sys) or wrapped what its callee set (err_wrap).
 * Success leaves *e untouched. The struct lives on a caller's stack: never allocated, never leaked.
 *
 * The edge maps a code to a Kubernetes Status, an OpenAI error body or an exit status; nobody else does.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>
#include <stdarg.h>

#include "base/attr.h"

/* Name, HTTP status, whether it may be tried again unchanged. */
#define ERR_CODES(X)                                                                        \
    X(INVALID,         422, false)  /* a value breaks a rule of its field */                \
    X(BAD_REQUEST,     400, false)  /* cannot be understood; an option is wrong */          \
    X(UNAUTHORIZED,    401, false)  /* who asks is not known */                             \
    X(FORBIDDEN,       403, false)  /* who asks may not */                                  \
    X(NOT_FOUND,       404, false)                                                          \
    X(NOT_ALLOWED,     405, false)  /* the method */                                        \
    X(NOT_ACCEPTABLE,  406, false)  /* no form of reply that is wanted */                   \
    X(EXISTS,          409, false)  /* the name is taken */                                 \
    X(CONFLICT,        409, true)   /* it changed meanwhile: read it again */               \
    X(GONE,            410, false)  /* what was read before has expired: list again */      \
    X(TOO_LARGE,       413, false)  /* a limit on size or number */                         \
    X(UNSUPPORTED,     415, false)  /* the form of a body */                                \
    X(THROTTLED,       429, true)   /* asked too often: later */                            \
    X(INTERNAL,        500, true)   /* a fault of the server's own */                       \
    X(UNBUILT,         501, false)  /* refused by name */                                   \
    X(UNAVAILABLE,     503, true)   /* not reached, or not ready */                         \
    X(TIMEOUT,         504, true)                                                           \
    X(CANCELLED,       499, false)  /* a cancel token fired */                              \
    X(IO,              500, true)   /* a file or a connection broke */                      \
    X(NO_SPACE,        507, true)                                                           \
    X(CORRUPT,         422, false)  /* foreign bytes that are not what they should be */

typedef enum MUST_USE errc {
    ERR_OK = 0,
#define X(name, http, retry) ERR_##name,
    ERR_CODES(X)
#undef X
    ERR_COUNT_
} errc;

#define ERR_TEXT_MAX 1024       /* longer messages end in "..." */

struct err {
    errc code;
    int sys;                    /* errno when it came from the system, else 0 */
    char text[ERR_TEXT_MAX];
};

/* Each sets *e (NULL is allowed: nobody reads the text) and returns the code, so that `return err_set(...)` reads well. */
errc err_set(struct err *e, errc code, const char *fmt, ...) PRINTF(3, 4);
errc err_vset(struct err *e, errc code, const char *fmt, va_list ap);
/* errno to code; the text is "<fmt>: <strerror>". */
errc err_sys(struct err *e, int errnum, const char *fmt, ...) PRINTF(3, 4);
/* Prepends "context: " and returns the code that *e already carries. */
errc err_wrap(struct err *e, const char *fmt, ...) PRINTF(2, 3);

const char *err_name(errc code);        /* "NOT_FOUND" */
int err_http(errc code);
bool err_retryable(errc code);
errc err_from_http(int status);         /* 200..299 is ERR_OK; an unknown 4xx is BAD_REQUEST, 5xx INTERNAL */

/* The only macro that returns: passes an error on unchanged. */
#define TRY(call) do { errc try_ = (call); if (try_) return try_; } while (0)

#endif
