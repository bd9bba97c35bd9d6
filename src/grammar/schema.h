/* What the files that read JSON schemas share. */
#ifndef GRAMMAR_SCHEMA_H
#define GRAMMAR_SCHEMA_H

#include "base/map.h"
#include "grammar/priv.h"

#define SCHEMA_DEPTH_MAX 48     /* schemas inside schemas, references followed included */
#define SCHEMA_COUNT_MAX 5000
#define SCHEMA_TEXT_MAX  ((size_t)1 << 20)

/* One compilation. Schemas that are made on the way (merged ones) live in the arena. */
struct schema {
    struct net net;
    struct json_rules json;
    const json_t *root;
    struct map *rules;                  /* text of a schema -> rule + 1 */
    struct arena *arena;
    int depth;
    size_t count;
    struct err *e;
};

/* The rule for a schema at a path ("$.properties.name"). Equal schemas share one. */
errc schema_rule(struct schema *s, const json_t *schema, const char *path, uint32_t *out);
errc schema_fail(struct schema *s, const char *path, const char *fmt, ...) PRINTF(3, 4);
const char *schema_path(struct schema *s, const char *path, const char *key);
const char *schema_path_at(struct schema *s, const char *path, const char *key, size_t i);
/* A keyword that is a whole number >= 0; *out keeps its value when absent. */
errc schema_count(struct schema *s, const json_t *schema, const char *keyword, const char *path, uint32_t *out);

/* From one node to another, a value of one type; each knows the keywords of its type. */
typedef errc schema_put(struct schema *s, const json_t *schema, const char *path, uint32_t from, uint32_t to);
schema_put schema_object, schema_array, schema_string, schema_number, schema_integer;

/* Merging (schema_merge.c): *out accepts what both accept; an arena object. ERR_BAD_REQUEST when two keywords cannot be combined. */
errc schema_merge(struct schema *s, const json_t *a, const json_t *b, const char *path, const json_t **out);
/* $ref and allOf worked in: what is left is neither. */
errc schema_flat(struct schema *s, const json_t *schema, const char *path, const json_t **out);

/* ERR_BAD_REQUEST unless no value made for one alternative can also satisfy another (schema_one_of.c). */
errc schema_check_one_of(struct schema *s, const json_t *list, const char *path);

/* Keys by patterns (schema_keys.c). ERR_BAD_REQUEST where one key may fit two patterns of different values, or a pattern and a listed name. */
errc schema_keys_check(struct schema *s, const json_t *patterns, const json_t *listed, const char *path);
/* A key, with its quotes, that the pattern matches anywhere. */
errc schema_put_key(struct schema *s, const char *pattern, const char *path, uint32_t from, uint32_t to);
bool schema_says_nothing_of_keys(const json_t *schema);         /* of propertyNames: {} and {"type": "string"} */
bool schema_is_enum(const json_t *schema);                      /* of strings, and no more */

bool schema_is_annotation(const char *keyword);

#endif
