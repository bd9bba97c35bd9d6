/*
 * A request's fields as a table: name, type, range, default, where the value goes. Reading, refusing and describing
 * (/openapi.json) come from it. The struct is filled with the defaults before it is read: absent and null leave them.
 *
 * A key that no row names is ignored, as vLLM does; one whose row says PARAM_UNBUILT is refused by name unless it is
 * null, false, 0 or empty. Errors are BAD_REQUEST and begin with the field's name, so that the error body can name it.
 * Unlike schema/ (Kubernetes' kinds) null means absent, a whole float is an integer, and the default may come from the model.
 */
#ifndef SERVE_PARAMS_H
#define SERVE_PARAMS_H

#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

enum param_kind {
    PARAM_BOOL,             /* bool */
    PARAM_INT,              /* int64_t */
    PARAM_NUM,              /* double */
    PARAM_TEXT,             /* const char *, lent by the tree; NULL: absent */
    PARAM_LIST,             /* json_t *, lent by the tree; NULL: absent */
    PARAM_OBJECT,           /* the same */
    PARAM_JSON,             /* the same, of any type */
    PARAM_IGNORED,          /* accepted, without effect here */
    PARAM_UNBUILT,
};

enum param_flags {
    PARAM_REQUIRED = 1 << 0,
    PARAM_MODEL_DEFAULT = 1 << 1,   /* the model's generation_config.json may set the default */
    PARAM_ABOVE_MIN = 1 << 2,       /* min itself is too little */
};

struct param_row {
    const char *name;
    enum param_kind kind;
    unsigned on;                    /* the routes that know it: a bit set of the table's owner */
    uint32_t off;
    double min, max;                /* INT, NUM; equal: any value */
    unsigned flags;
    const char *doc;
};

/* A row of struct T; does not compile when the member has another type than the kind says. */
#define PARAM(T, member, KIND, name_, on_, ...)                                                 \
    { .name = (name_), .kind = PARAM_##KIND, .on = (on_), .off = offsetof(T, member) + PARAM_IS_##KIND(((T *)0)->member), ##__VA_ARGS__ }
#define PARAM_IS_BOOL(x) _Generic((x), bool: 0)
#define PARAM_IS_INT(x) _Generic((x), int64_t: 0)
#define PARAM_IS_NUM(x) _Generic((x), double: 0)
#define PARAM_IS_TEXT(x) _Generic((x), const char *: 0)
#define PARAM_IS_LIST(x) _Generic((x), json_t *: 0)
#define PARAM_IS_OBJECT(x) _Generic((x), json_t *: 0)
#define PARAM_IS_JSON(x) _Generic((x), json_t *: 0)
#define PARAM_RANGE(low, high) .min = (low), .max = (high)
#define PARAM_MAX 9e15              /* whole numbers that a double holds */

struct param_table { const struct param_row *rows; size_t n; };

/* Fills out (given with its defaults) from the fields that `on` has. model may be NULL. Texts and trees are lent by `in`. */
errc params_read(const struct param_table *t, unsigned on, const json_t *in, const json_t *model, void *out, struct err *e);

/* The JSON schema of the body; defaults are those of a struct filled with them. New reference. */
json_t *params_schema(const struct param_table *t, unsigned on, const void *defaults);

/* For errors about parts of a value: `temperature: "hot" is not a number`. A long value is cut. */
errc param_refuse(struct err *e, const char *name, const json_t *v, const char *why);

#endif
