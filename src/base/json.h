/*
 * jansson with our errors, limits and a few verbs. Trees are reference-counted; a tree that two threads can see is
 * never changed. Business code reads JSON through schema tables; these helpers are for the interpreters, renderers
 * and for documents that have no table (config.json of a model, registry replies).
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#define AUTO_JSON AUTO(json_decrefp) json_t *        /* jansson has the function */

#define JSON_DEPTH_MAX 512

/* Text to tree: duplicates of a key keep the last, depth is limited, integers beyond int64 become reals. *out is yours. */
errc json_parse(struct str text, json_t **out, struct err *e);
errc json_parse_file(const char *path, size_t max_bytes, json_t **out, struct err *e);

void json_write(const json_t *j, struct buf *out);                      /* compact, order of insertion kept */
void json_write_sorted(const json_t *j, struct buf *out);               /* compact, keys sorted (Go's map order) */
void json_write_pretty(const json_t *j, int indent, struct buf *out);
char *json_text(const json_t *j);                                       /* compact, malloc'd */

/*
 * Borrowed looks along a path of object keys, NULL-terminated: json_at(j, "metadata", "name", NULL).
 * NULL or the given fallback when something on the way is absent or of another type.
 */
json_t *json_at(const json_t *j, ...) __attribute__((sentinel));
const char *json_str_at(const json_t *j, ...) __attribute__((sentinel));        /* NULL when absent */
int64_t json_int(const json_t *j, const char *key, int64_t fallback);
double json_num(const json_t *j, const char *key, double fallback);             /* integers too */
bool json_flag(const json_t *j, const char *key, bool fallback);
const char *json_cstr(const json_t *j, const char *key);                        /* NULL when absent or no string */
struct str json_to_str(const json_t *string);                                   /* {NULL,0} when it is no string */

/* Builders. json_put takes the value (also on failure) and replaces. json_sub finds or makes the object under key (borrowed). */
void json_put(json_t *object, const char *key, json_t *value);
void json_put_str(json_t *object, const char *key, const char *value);          /* NULL puts nothing */
void json_put_int(json_t *object, const char *key, int64_t value);
void json_put_bool(json_t *object, const char *key, bool value);
json_t *json_sub(json_t *object, const char *key);
void json_push(json_t *array, json_t *value);                                   /* takes value */
json_t *json_float(double v);                                                   /* null when v is not finite, which JSON cannot say */
json_t *json_strn(struct str s);                                                /* invalid UTF-8 is replaced by U+FFFD */
json_t *json_strf(const char *fmt, ...) PRINTF(1, 2);

/* A private copy, safe to change. */
json_t *json_clone(const json_t *j);
void json_arena_own(struct arena *a, json_t *j);                                /* decref with the arena */

#endif
