/*
 * A JSON value in one piece of memory, about a tenth of what jansson's tree of it takes: for what is kept long and read seldom.
 * Immutable, so that any number of threads may read it.
 */
#ifndef BASE_FLAT_H
#define BASE_FLAT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/json.h"

struct flat;

struct flat *flat_new(const json_t *value);             /* only reads the tree */
void flat_free(struct flat *f);                         /* NULL is fine */
DEFINE_AUTO_FREE(flat)

json_t *flat_tree(const struct flat *f);                /* a new tree, equal to the one it was made of, keys sorted */
bool flat_same(const struct flat *a, const struct flat *b);     /* of equal trees */
size_t flat_bytes(const struct flat *f);                /* the memory it takes */

/* A string along a path of object keys, as json_str_at: borrowed, NULL when absent. No tree is made. */
const char *flat_str_at(const struct flat *f, ...) __attribute__((sentinel));

#endif
