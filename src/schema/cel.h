/*
 * The Common Expression Language, as far as validation rules of CustomResourceDefinitions use it: JSON values, the operators, has(), the
 * macros all, exists, exists_one, map, filter, and the common functions of strings, lists and maps. Not here: bytes, durations and times
 * as types of their own, quantities, CIDRs, regular-expression captures, optionals. Spec: github.com/google/cel-spec.
 * Expressions come from definitions (foreign text): depth, size and steps are limited.
 */
#ifndef SCHEMA_CEL_H
#define SCHEMA_CEL_H

#include "schema/schema.h"

struct cel;                     /* a parsed expression; lives in its arena */

/* ERR_INVALID: malformed. ERR_UNBUILT: it uses a function that is not built; the text names it. */
errc cel_parse(struct str text, struct arena *a, const struct cel **out, struct err *e);
bool cel_mentions(const struct cel *c, const char *name);       /* a free variable such as oldSelf */

/*
 * The value with self and oldSelf (NULL: unset) bound. New reference. ERR_INVALID: an evaluation error (no such key, wrong types,
 * too many steps).
 */
errc cel_eval(const struct cel *c, const json_t *self, const json_t *old_self, json_t **out, struct err *e);

/* The same with other names. */
#define CEL_VARIABLES_MAX 4
struct cel_variable { const char *name; json_t *value; };
errc cel_eval_with(const struct cel *c, const struct cel_variable *vars, size_t n, json_t **out, struct err *e);

#endif
