/*
 * A region is a generation number: raising it calls the workers. Whoever comes takes parts from a counter, the caller too, until none is
 * left: it does not wait for a worker that has not woken yet, only for those inside. Both words are futexes; who waits spins first,
 * and the counts of sleepers tell whether a wake-up call is needed.
 */
#include "tensor/pool.h"

#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/thread.h"

/* Some 50 microseconds: longer than the gaps between the products of a layer. */
#define ROUNDS 64
#define LOOKS 8
#define STACK_BYTES (1u << 20)

/* In `inside`, beside the number of workers that are in the region: nobody may enter any more. */
#define CLOSED (1u << 31)

struct worker {
    struct pool *pool;
    struct thread thread;
};

struct pool {
    void (*fn)(void *arg, size_t part);
    void *arg;
    size_t parts;
    _Atomic size_t next;        /* part to take */
    _Atomic bool stop;
    int threads;
    struct worker *workers;     /* [threads - 1] */
    _Atomic uint32_t generation __attribute__((aligned(64)));
    _Atomic uint32_t sleepers;
    _Atomic uint32_t inside __attribute__((aligned(64)));
    _Atomic uint32_t caller_sleeps;
};

static void futex_wait(_Atomic uint32_t *word, uint32_t while_it_is)
{
    (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, while_it_is, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word, int n) { (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0); }

static void relax(void)
{
#ifdef __x86_64__
    __builtin_ia32_pause();
#endif
}

/* Returns once *word differs from old; `sleepers` counts who sleeps on it. It yields because who is awaited may be on this CPU. */
static uint32_t wait_change(_Atomic uint32_t *word, uint32_t old, _Atomic uint32_t *sleepers)
{
    uint32_t now;

    for (int round = 0; round < ROUNDS; round++, sched_yield())
        for (int i = 0; i < LOOKS; i++, relax())
            if ((now = atomic_load_explicit(word, memory_order_acquire)) != old)
                return now;
    atomic_fetch_add(sleepers, 1);
    while ((now = atomic_load(word)) == old)
        futex_wait(word, old);
    atomic_fetch_sub(sleepers, 1);
    return now;
}

static void take_parts(struct pool *p)
{
    for (size_t i; (i = atomic_fetch_add(&p->next, 1)) < p->parts; )
        p->fn(p->arg, i);
}

static void leave(struct pool *p)
{
    if (atomic_fetch_sub(&p->inside, 1) == (CLOSED | 1) && atomic_load(&p->caller_sleeps))
        futex_wake(&p->inside, 1);
}

/* A late worker may find the region after the one it was called for: that is as good. */
static void work(void *arg)
{
    struct worker *w = arg;
    struct pool *p = w->pool;

    for (uint32_t seen = 0;; ) {
        seen = wait_change(&p->generation, seen, &p->sleepers);
        if (p->stop)
            return;
        if (!(atomic_fetch_add(&p->inside, 1) & CLOSED))
            take_parts(p);
        leave(p);
    }
}

struct pool *pool_new(int threads)
{
    struct pool *p = mem_try_alloc(1, sizeof *p);

    if (!p)
        abort();
    memset(p, 0, sizeof *p);
    p->threads = threads;
    p->inside = CLOSED;
    p->workers = xcalloc((size_t)threads, sizeof *p->workers);
    for (size_t i = 0; i + 1 < (size_t)threads; i++) {
        p->workers[i].pool = p;
        thread_start_sized(&p->workers[i].thread, "compute", STACK_BYTES, work, &p->workers[i]);
    }
    return p;
}

static void start(struct pool *p)
{
    atomic_fetch_add(&p->generation, 1);
    if (atomic_load(&p->sleepers))
        futex_wake(&p->generation, INT_MAX);
}

/* The counts of who came late stay: only the bit changes. */
static void open_region(struct pool *p)
{
    atomic_store(&p->next, 0);
    atomic_fetch_and(&p->inside, ~CLOSED);
    start(p);
}

static void close_region(struct pool *p)
{
    uint32_t inside = atomic_fetch_or(&p->inside, CLOSED) | CLOSED;

    while (inside != CLOSED)
        inside = wait_change(&p->inside, inside, &p->caller_sleeps);
}

void pool_run(struct pool *p, size_t parts, void (*fn)(void *arg, size_t part), void *arg)
{
    if (parts <= 1 || p->threads == 1) {
        for (size_t i = 0; i < parts; i++)
            fn(arg, i);
        return;
    }
    p->fn = fn;
    p->arg = arg;
    p->parts = parts;
    open_region(p);
    take_parts(p);
    close_region(p);
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    p->stop = true;
    start(p);
    for (int i = 0; i + 1 < p->threads; i++)
        thread_join(&p->workers[i].thread);
    free(p->workers);
    free(p);
}
