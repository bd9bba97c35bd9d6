#ifndef SCHEMA_CEL_PRIV_H
#define SCHEMA_CEL_PRIV_H

#include "schema/cel.h"

enum cel_op {
    CEL_VALUE,          /* .value */
    CEL_NAME,           /* .name */
    CEL_FIELD,          /* kids[0].name */
    CEL_HAS,            /* has(kids[0].name) */
    CEL_INDEX,          /* kids[0][kids[1]] */
    CEL_CALL,           /* .call(kids...): a method's target is kids[0] */
    CEL_MACRO,          /* kids[0].MACRO(name, kids[1] [, kids[2]]) */
    CEL_LIST, CEL_MAP,  /* kids; of a map: key, value, key, value */
    CEL_NOT, CEL_NEGATE, CEL_AND, CEL_OR, CEL_IF,
    CEL_EQ, CEL_NE, CEL_LT, CEL_LE, CEL_GT, CEL_GE, CEL_IN,
    CEL_ADD, CEL_SUB, CEL_MUL, CEL_DIV, CEL_MOD,
};

struct cel {
    enum cel_op op;
    const char *name;
    const json_t *value;
    size_t at;                          /* CEL_FIELD: where its point is in the text */
    int call;                           /* index of the function, or enum cel_macro */
    size_t n;
    const struct cel **kids;
};

enum cel_macro { MACRO_ALL, MACRO_EXISTS, MACRO_EXISTS_ONE, MACRO_MAP, MACRO_FILTER, MACRO_COUNT_ };

/* The index of the function that takes so many arguments (a method's target included); -1: none. */
int cel_function(const char *name, size_t n_args);

/* The value of function number `function` (an index as above) of its arguments. New reference. ERR_INVALID: arguments of other types. */
errc cel_call(int function, json_t *const *args, json_t **out, struct err *e);

/* What operators and functions share (cel_eval.c). The results are new references; ERR_INVALID: no such overload. */
errc cel_fail(struct err *e, const char *what, const char *name);       /* ERR_INVALID: "what: name"; name may be NULL */
errc cel_compare(enum cel_op op, const json_t *a, const json_t *b, json_t **out, struct err *e);
errc cel_math(enum cel_op op, json_t *a, json_t *b, json_t **out, struct err *e);
bool cel_equal(const json_t *a, const json_t *b);       /* integers and doubles compare as numbers */

#endif
