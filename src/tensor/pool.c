/*
 * A region is a generation number: raising it starts the workers, each finished part lowers `left`. Both are futexes; who
 * waits spins first. `waiting` bits tell the other side whether a wake-up call is needed.
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

struct worker {
    struct pool *pool;
    size_t part;
    struct thread thread;
};

struct pool {
    void (*fn)(void *arg, size_t part);
    void *arg;
    size_t parts;
    bool stop;
    int threads;
    struct worker *workers;     /* [threads - 1] */
    _Atomic uint32_t generation __attribute__((aligned(64)));
    _Atomic uint32_t sleepers;
    _Atomic uint32_t left __attribute__((aligned(64)));
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

static void work(void *arg)
{
    struct worker *w = arg;
    struct pool *p = w->pool;

    for (uint32_t seen = 0;; ) {
        seen = wait_change(&p->generation, seen, &p->sleepers);
        if (p->stop)
            return;
        if (w->part < p->parts)
            p->fn(p->arg, w->part);
        if (atomic_fetch_sub(&p->left, 1) == 1 && atomic_load(&p->caller_sleeps))
            futex_wake(&p->left, 1);
    }
}

struct pool *pool_new(int threads)
{
    struct pool *p = mem_try_alloc(1, sizeof *p);

    if (!p)
        abort();
    memset(p, 0, sizeof *p);
    p->threads = threads;
    p->workers = xcalloc((size_t)threads, sizeof *p->workers);
    for (size_t i = 0; i + 1 < (size_t)threads; i++) {
        p->workers[i] = (struct worker){ .pool = p, .part = i + 1 };
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

void pool_run(struct pool *p, size_t parts, void (*fn)(void *arg, size_t part), void *arg)
{
    if (parts > 1) {
        p->fn = fn;
        p->arg = arg;
        p->parts = parts;
        atomic_store(&p->left, (uint32_t)(p->threads - 1));
        start(p);
    }
    if (parts)
        fn(arg, 0);
    for (uint32_t left; parts > 1 && (left = atomic_load(&p->left)) != 0; )
        (void)wait_change(&p->left, left, &p->caller_sleeps);
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
