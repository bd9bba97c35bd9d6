/*
 * Which cached objects of a kind are behind our own writes. A reconcile that decided on such a copy would repeat what was done and end in a conflict;
 * the event of the write is on its way and wakes the key again, so it can wait. Thread-safe; the lock is a leaf.
 */
#ifndef KUBE_BEHIND_H
#define KUBE_BEHIND_H

#include <stdbool.h>

#include "kube/workq.h"

struct behind;
struct behind *behind_new(void);
void behind_free(struct behind *b);     /* NULL is fine */

/* A write of ours has replaced this resourceVersion by another one. */
void behind_note(struct behind *b, const struct key *k, const char *version);
/* Is this version one that we have replaced? When not, the cache has caught up and what was noted is forgotten. */
bool behind_is(struct behind *b, const struct key *k, const char *version);
void behind_forget(struct behind *b, const struct key *k);

#endif
