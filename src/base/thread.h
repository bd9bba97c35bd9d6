/*
 * Threads that are named and joined, locks that can be asserted as held, one cancel token to stop them all.
 * Locks in this program are leaves unless a header says otherwise: nothing else is locked or called under them.
 */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

struct mutex { pthread_mutex_t m; pthread_t owner; bool held; };
struct cond { pthread_cond_t c; };                      /* on the monotonic clock */

/* Not recursive. A lock that cannot be taken or made is a bug: these abort. */
void mutex_init(struct mutex *m);
void mutex_done(struct mutex *m);
void mutex_lock(struct mutex *m);
void mutex_unlock(struct mutex *m);
void mutex_assert_held(const struct mutex *m);          /* by this thread; first line of every ..._locked */
void mutex_unlockp_(struct mutex **m);
static inline struct mutex *mutex_locked_(struct mutex *m) { mutex_lock(m); return m; }
/* LOCK_SCOPE(&q->mu); holds the lock to the end of the enclosing block. */
#define LOCK_CAT2_(a, b) a##b
#define LOCK_CAT_(a, b) LOCK_CAT2_(a, b)
#define LOCK_SCOPE(m) AUTO(mutex_unlockp_) UNUSED struct mutex *LOCK_CAT_(lock_, __LINE__) = mutex_locked_(m)

/* m is held by the caller before and after. Waits may end without a signal: look at the condition again, in a loop. */
void cond_init(struct cond *c);
void cond_done(struct cond *c);
void cond_signal(struct cond *c);
void cond_broadcast(struct cond *c);
void cond_wait(struct cond *c, struct mutex *m);
bool cond_wait_until(struct cond *c, struct mutex *m, int64_t mono_ms);         /* false once the time has passed */

/*
 * fn(arg) runs until it returns; every thread is joined. Signals are blocked in it. Small stacks (256 KiB) unless said. Names are cut to 15
 * bytes. A thread that cannot be made aborts the process. *t stays where it is until thread_join.
 */
struct thread { pthread_t t; bool running; };
void thread_start(struct thread *t, const char *name, void (*fn)(void *arg), void *arg);
void thread_start_sized(struct thread *t, const char *name, size_t stack_bytes, void (*fn)(void *arg), void *arg);
void thread_join(struct thread *t);                     /* one that was never started is fine */

/*
 * Stop, once, for everybody. Thread-safe, reference-free: its owner outlives all who look at it.
 * cancel_fd becomes readable when cancelled, for poll(); hooks run once, in the cancelling thread, and must only wake.
 */
struct cancel;
struct cancel *cancel_new(void);
void cancel_free(struct cancel *c);
DEFINE_AUTO_FREE(cancel)
void cancel_now(struct cancel *c);                      /* from any thread, as often as you like */
bool cancel_is(const struct cancel *c);                 /* NULL is never cancelled */
int cancel_fd(struct cancel *c);
bool cancel_wait_ms(struct cancel *c, int64_t timeout_ms);      /* sleeps; true when cancelled, at once then. -1: for ever */
void cancel_hook_add(struct cancel *c, void (*fn)(void *), void *arg);          /* at once when already cancelled */
void cancel_hook_del(struct cancel *c, void (*fn)(void *), void *arg);
/*
 * SIGINT and SIGTERM cancel c; a second one ends the process. Call once, from main, before any thread. Hooks run once
 * somebody is in cancel_wait_ms (main usually is); cancel_is and cancel_fd tell at once.
 */
void cancel_on_signals(struct cancel *c);

#endif
