/*
 * String to pointer, a hash map that keeps its own copies of the keys and the order of insertion.
 * Not thread-safe. Values are borrowed unless the map was made with a destructor.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

struct map;

struct map *map_new(void (*value_free)(void *));        /* NULL: values are borrowed */
void map_free(struct map *m);
void map_clear(struct map *m);
DEFINE_AUTO_FREE(map)

void *map_get(const struct map *m, struct str key);     /* NULL when absent */
void map_put(struct map *m, struct str key, void *value);       /* replaces (and frees) an old value; value may not be NULL */
bool map_del(struct map *m, struct str key);            /* frees the value; false when absent */
void *map_take(struct map *m, struct str key);          /* removes without freeing; NULL when absent */
size_t map_len(const struct map *m);

/* for (size_t i = 0; map_next(m, &i, &key, &value);) ; the map may not change meanwhile */
bool map_next(const struct map *m, size_t *i, struct str *key, void **value);

uint64_t hash_bytes(const void *p, size_t n);           /* FNV-1a 64 */

#endif
