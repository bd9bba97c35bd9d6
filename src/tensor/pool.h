/*
 * Threads that wait for short parallel regions: a decoded token has hundreds of them, so a worker looks for the next one for
 * some microseconds before it sleeps. The calling thread takes part. One thread at a time uses a pool; regions do not nest.
 */
#ifndef TENSOR_POOL_H
#define TENSOR_POOL_H

#include <stddef.h>

#include "base/attr.h"

struct pool;

struct pool *pool_new(int threads);             /* threads - 1 workers */
void pool_free(struct pool *p);                 /* NULL is fine */
DEFINE_AUTO_FREE(pool)

/* fn(arg, part) once for every part below parts, on any thread; returns when all are done. A thread may run several, one after the other. */
void pool_run(struct pool *p, size_t parts, void (*fn)(void *arg, size_t part), void *arg);

#endif
