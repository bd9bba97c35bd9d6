/*
 * What is wrong with an object, as Kubernetes' field.ErrorList says it: each problem has a reason, a path and a message.
 *   spec.x: Required value: must be set
 *   spec.x: Invalid value: "a": must be b
 *   spec.x: Unsupported value: "a": supported values: "b", "c"
 * One thread at a time; memory is the list's own.
 */
#ifndef SCHEMA_FIELD_ERRORS_H
#define SCHEMA_FIELD_ERRORS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

/*  name, metav1 cause reason, text */
#define FIELD_REASONS(X)                                                        \
    X(REQUIRED,      "FieldValueRequired",     "Required value")                \
    X(INVALID,       "FieldValueInvalid",      "Invalid value")                 \
    X(NOT_SUPPORTED, "FieldValueNotSupported", "Unsupported value")             \
    X(DUPLICATE,     "FieldValueDuplicate",    "Duplicate value")               \
    X(FORBIDDEN,     "FieldValueForbidden",    "Forbidden")                     \
    X(TYPE_INVALID,  "FieldValueTypeInvalid",  "Invalid value")                 \
    X(TOO_LONG,      "FieldValueTooLong",      "Too long")                      \
    X(TOO_MANY,      "FieldValueTooMany",      "Too many")                      \
    X(NOT_FOUND,     "FieldValueNotFound",     "Not found")                     \
    X(INTERNAL,      "InternalError",          "Internal error")

enum field_reason {
#define X(name, cause, text) FIELD_##name##_VALUE,
    FIELD_REASONS(X)
#undef X
    FIELD_REASON_COUNT_
};

struct field_error {
    enum field_reason reason;
    char *path;             /* "spec.x", "<nil>" for the root of a custom resource */
    char *message;          /* without the path: `Required value: must be set` */
};

struct field_errors {
    struct field_error *items;
    size_t n, cap;
};

void field_errors_done(struct field_errors *l);
#define AUTO_FIELD_ERRORS AUTO(field_errors_done) struct field_errors

/*
 * One problem. `value` (NULL: none) is the JSON text of the offending value as Go prints it in the message: "\"a\"", "5", "null".
 * The detail may be empty.
 */
void field_error_add(struct field_errors *l, enum field_reason reason, const char *path, const char *value,
                     const char *fmt, ...) PRINTF(5, 6);
/* The same with a JSON value: strings are quoted, numbers plain, objects as JSON text. */
void field_error_add_json(struct field_errors *l, enum field_reason reason, const char *path, const json_t *value,
                          const char *fmt, ...) PRINTF(5, 6);
/* `Unsupported value: "x": supported values: "a", "b"`; values NULL-terminated. */
void field_error_unsupported(struct field_errors *l, const char *path, const json_t *value, const char *const *values);

/* All as one line: `a: Required value` or `[a: Required value, b: Invalid value: ...]`. */
void field_errors_text(const struct field_errors *l, struct buf *out);
/* details.causes of a Status: [{reason, message, field}]. New reference. */
json_t *field_errors_causes(const struct field_errors *l);

#endif
