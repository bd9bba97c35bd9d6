/*
 * Memory that dies together: one reconcile, one HTTP request, one decoded object, one step.
 * Never keep an arena pointer past its arena. One thread at a time. In an ASan build every object is its own
 * malloc, so that overruns inside a block are seen.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>
#include <stdarg.h>

#include "base/attr.h"
#include "base/str.h"

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *a);                       /* NULL is fine; runs the cleanups, last added first */
void arena_clear(struct arena *a);                      /* empty and reusable */
DEFINE_AUTO_FREE(arena)

void *arena_alloc(struct arena *a, size_t size);        /* cleared, aligned to 16 */
void *arena_calloc(struct arena *a, size_t n, size_t size);
char *arena_strdup(struct arena *a, const char *s);     /* NULL gives NULL */
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);
struct str arena_str(struct arena *a, struct str s);    /* a NUL-terminated copy */
#define arena_new_of(a, type) ((type *)arena_alloc((a), sizeof(type)))

/* fn(p) runs when the arena is cleared or freed: ties a json_t, a file, a lock to the arena's life. */
void arena_defer(struct arena *a, void (*fn)(void *p), void *p);

#endif
