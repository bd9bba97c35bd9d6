/*
 * Secrets in memory: what held one is overwritten when it is freed, and what is kept lies in pages that no core image has. A second wall behind the one
 * that forbids core dumps; whoever may read this process's memory at the right instant still sees what is in use.
 */
#ifndef BASE_WIPE_H
#define BASE_WIPE_H

#include <stddef.h>

#include "base/attr.h"

/* malloc's for libraries that copy what they are given: what they free, or move, is overwritten. NULL is fine. */
void wiping_free(void *p);
void *wiping_realloc(void *p, size_t size);
static inline UNUSED void wiping_freep(char **p) { wiping_free(*p); }
#define AUTO_WIPED AUTO(wiping_freep)

/*
 * No core dump of this process, and from now on JSON and TLS overwrite what they free (curl always does). Call it before the first secret is read; it
 * cannot be taken back.
 */
void wipe_process(void);
/* What deeper calls left on this thread's stack: the loader saves vector registers there, in which copies of texts pass by. */
void wipe_stack(void);
/* An environment variable becomes empty, also in /proc/PID/environ and in the stack that it came on. */
void wipe_env(const char *name);

/*
 * A copy of a text for as long as it is needed, in pages of its own: no core image holds them, they are not swapped, a child process does not get them, and
 * where the kernel has memfd_secret not even root's debugger reads them. NULL gives NULL.
 */
char *secret_keep(const char *text);
void secret_drop(char *kept);           /* NULL is fine */

#endif
