/*
 * Sets of field paths and walks over typed values; shared by the ssa_*.c files only.
 *
 * A set is a JSON tree in the shape of FieldsV1 (f:NAME, k:{KEYS}, v:VALUE), but with "." written at every member, leaves too:
 * {"f:data": {"f:x": {".": {}}}} holds .data.x and nothing else. An object without members is the empty set.
 * Semantics: sigs.k8s.io/structured-merge-diff v4.
 */
#ifndef APISERVER_SSA_PRIV_H
#define APISERVER_SSA_PRIV_H

#include "apiserver/ssa.h"

json_t *set_decode(const json_t *fields_v1);            /* new reference; NULL when it is no object */
json_t *set_encode(const json_t *set);
bool set_empty(const json_t *set);
json_t *set_union(const json_t *a, const json_t *b);
/* Members of a that are not, or are, members of b too. They may share what is below with a: not to be changed. */
json_t *set_minus(const json_t *a, const json_t *b);
json_t *set_both(const json_t *a, const json_t *b);
void set_drop_below(json_t *set, const char *dotted);   /* the path, and all below it */
json_t *set_of_paths(const char *const *dotted);        /* NULL-terminated: metadata.name */
/* With the ancestors that are named fields of structs as members. */
json_t *set_with_named(const json_t *set, const struct type *t);
/* Calls fn with each member as text: .spec.steps[name="one"].size */
void set_each(const json_t *set, void (*fn)(void *self, const char *path), void *self);

/* What a config says: its leaves, and its list items. ERR_INTERNAL names an undeclared field or a doubled item. */
errc typed_set(const struct type *t, const json_t *object, json_t **out, struct err *e);

struct comparison { json_t *added, *removed, *modified; };
void typed_compare(const struct type *t, const json_t *lhs, const json_t *rhs, struct comparison *out);
void comparison_done(struct comparison *c);

json_t *typed_merge(const struct type *t, const json_t *lhs, const json_t *rhs);        /* rhs wins; new reference */
void typed_remove(const struct type *t, json_t *object, const json_t *set);             /* every member, with what is below */

#endif
