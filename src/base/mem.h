/*
 * Small allocations that cannot fail (they abort: an untested out-of-memory path is worse than a restart),
 * and mem_try_alloc for anything sized from outside, which returns NULL instead.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

void *xmalloc(size_t size);                             /* not cleared */
void *xzalloc(size_t size);                             /* cleared */
void *xcalloc(size_t n, size_t size);                   /* cleared; aborts on overflow */
void *xrealloc(void *p, size_t size);                   /* what is new is not cleared */
void *xreallocarray(void *p, size_t n, size_t size);    /* aborts on overflow */
char *xstrdup(const char *s);                           /* NULL gives NULL */
char *xstrndup(const char *s, size_t n);                /* n bytes, or as many as come before a NUL */
char *xasprintf(const char *fmt, ...) PRINTF(1, 2);
void *xmemdup(const void *p, size_t n);

/* n * size bytes aligned to 64, not cleared; NULL when it overflows or there is no memory. free() releases it. */
void *mem_try_alloc(size_t n, size_t size);
/* The same for megabytes that are read again and again: in huge pages where the system gives them on request. */
void *mem_try_alloc_huge(size_t n, size_t size);

/* Bytes that this process may still take without swapping: the machine's, or its control group's when that is less. 0: unknown. */
size_t mem_available(void);

/* *out = a * b or a + b; false on overflow. */
static inline bool size_mul(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }
static inline bool size_add(size_t a, size_t b, size_t *out) { return !__builtin_add_overflow(a, b, out); }

/*
 * Grows a C array so that index `n` can be written: vec_grow(v.items, v.n, v.cap).
 * The array is malloc'd; free() releases it.
 */
void *vec_grow_(void *items, size_t n, size_t *cap, size_t item_size);
#define vec_grow(items, n, cap) ((items) = vec_grow_((items), (n), &(cap), sizeof *(items)))

#endif
