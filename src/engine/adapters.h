/*
 * The adapters that an engine knows by name. Thread-safe; its lock is a leaf, and files are read outside it, so that loading
 * never stalls the engine thread. Removing one only takes its name away: who holds a reference keeps using it.
 */
#ifndef ENGINE_ADAPTERS_H
#define ENGINE_ADAPTERS_H

#include "engine/adapter.h"

struct adapters;
struct adapters *adapters_new(const struct model *m);
void adapters_free(struct adapters *a);

/* EXISTS when the name is taken, unless `replace`: then the new one takes its place. *out (may be NULL) is lent until removed. */
errc adapters_load(struct adapters *a, const char *dir, const char *name, float strength, bool replace, const struct adapter **out,
                   struct err *e);
errc adapters_remove(struct adapters *a, const char *name, struct err *e);     /* NOT_FOUND */
struct adapter *adapters_get(struct adapters *a, const char *name);            /* a reference, NULL when unknown; name NULL: the oldest */
void adapters_names(struct adapters *a, char ***out, size_t *out_n);           /* oldest first; strv_free */

#endif
