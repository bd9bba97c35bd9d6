#include "base/thread.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

static void check(int rc)
{
    if (rc)
        abort();        /* a lock that cannot be taken is a bug */
}

void mutex_init(struct mutex *m)
{
    check(pthread_mutex_init(&m->m, NULL));
    m->held = false;
}

void mutex_done(struct mutex *m) { check(pthread_mutex_destroy(&m->m)); }

static void mark_held(struct mutex *m)
{
    m->owner = pthread_self();
    m->held = true;
}

void mutex_lock(struct mutex *m)
{
    check(pthread_mutex_lock(&m->m));
    mark_held(m);
}

void mutex_unlock(struct mutex *m)
{
    m->held = false;
    check(pthread_mutex_unlock(&m->m));
}

void mutex_assert_held(const struct mutex *m)
{
    assert(m->held && pthread_equal(m->owner, pthread_self()));
    (void)m;
}

void mutex_unlockp_(struct mutex **m) { mutex_unlock(*m); }

void cond_init(struct cond *c)
{
    pthread_condattr_t attr;

    check(pthread_condattr_init(&attr));
    check(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
    check(pthread_cond_init(&c->c, &attr));
    pthread_condattr_destroy(&attr);
}

void cond_done(struct cond *c) { check(pthread_cond_destroy(&c->c)); }
void cond_signal(struct cond *c) { check(pthread_cond_signal(&c->c)); }
void cond_broadcast(struct cond *c) { check(pthread_cond_broadcast(&c->c)); }

void cond_wait(struct cond *c, struct mutex *m)
{
    m->held = false;
    check(pthread_cond_wait(&c->c, &m->m));
    mark_held(m);
}

bool cond_wait_until(struct cond *c, struct mutex *m, int64_t mono_ms)
{
    struct timespec ts = { .tv_sec = mono_ms / 1000, .tv_nsec = mono_ms % 1000 * 1000000 };

    m->held = false;
    int rc = pthread_cond_timedwait(&c->c, &m->m, &ts);
    mark_held(m);
    if (rc != ETIMEDOUT)
        check(rc);
    return rc == 0;
}

struct start { void (*fn)(void *); void *arg; char name[16]; };

static void *run(void *p)
{
    struct start s = *(struct start *)p;

    free(p);
    pthread_setname_np(pthread_self(), s.name);
    s.fn(s.arg);
    return NULL;
}

void thread_start(struct thread *t, const char *name, void (*fn)(void *arg), void *arg)
{
    thread_start_sized(t, name, 256 * 1024, fn, arg);
}

void thread_start_sized(struct thread *t, const char *name, size_t stack_bytes, void (*fn)(void *arg), void *arg)
{
    struct start *s = xzalloc(sizeof *s);
    pthread_attr_t attr;
    sigset_t all, before;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    stack_bytes += 1 << 20;     /* instrumented frames are larger */
#endif
    *s = (struct start){ .fn = fn, .arg = arg };
    snprintf(s->name, sizeof s->name, "%s", name);
    check(pthread_attr_init(&attr));
    check(pthread_attr_setstacksize(&attr, stack_bytes));
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    check(pthread_create(&t->t, &attr, run, s));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    t->running = true;
}

void thread_join(struct thread *t)
{
    if (t->running)
        check(pthread_join(t->t, NULL));
    t->running = false;
}

struct hook { void (*fn)(void *); void *arg; };

struct cancel {
    _Atomic bool cancelled;     /* also set by the signal handler, which cannot run hooks */
    _Atomic int fd;             /* eventfd: readable once cancelled, never read; -1 until asked for: most tokens are only hooked */
    struct mutex mu;            /* guards making fd and what follows; hooks run under it, so they must only wake */
    bool hooks_ran;
    struct hook *hooks;
    size_t n_hooks, cap_hooks;
};

struct cancel *cancel_new(void)
{
    struct cancel *c = xzalloc(sizeof *c);

    c->fd = -1;
    mutex_init(&c->mu);
    return c;
}

void cancel_free(struct cancel *c)
{
    if (!c)
        return;
    if (c->fd >= 0)
        close(c->fd);
    mutex_done(&c->mu);
    free(c->hooks);
    free(c);
}

static void wake_fd(int fd)
{
    uint64_t one = 1;

    if (fd >= 0 && write(fd, &one, sizeof one) < 0)
        return;         /* EAGAIN: it is readable already */
}

void cancel_now(struct cancel *c)
{
    atomic_store(&c->cancelled, true);
    wake_fd(c->fd);
    LOCK_SCOPE(&c->mu);
    for (size_t i = 0; !c->hooks_ran && i < c->n_hooks; i++)
        c->hooks[i].fn(c->hooks[i].arg);
    c->hooks_ran = true;
}

bool cancel_is(const struct cancel *c) { return c && atomic_load(&c->cancelled); }

/* Either cancel_now finds the descriptor, or this finds that it has been: both look after they have told. */
int cancel_fd(struct cancel *c)
{
    LOCK_SCOPE(&c->mu);
    if (c->fd >= 0)
        return c->fd;
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        abort();
    atomic_store(&c->fd, fd);
    if (cancel_is(c))
        wake_fd(fd);
    return fd;
}

bool cancel_wait_ms(struct cancel *c, int64_t timeout_ms)
{
    struct pollfd p = { .fd = cancel_fd(c), .events = POLLIN };
    int64_t deadline = timeout_ms < 0 ? INT64_MAX : clock_mono_ms() + timeout_ms;

    while (!cancel_is(c)) {
        int64_t left = timeout_ms < 0 ? -1 : deadline - clock_mono_ms();
        if (timeout_ms >= 0 && left <= 0)
            return false;
        poll(&p, 1, left > INT32_MAX ? INT32_MAX : (int)left);
    }
    cancel_now(c);      /* runs the hooks when it was a signal that cancelled */
    return true;
}

void cancel_hook_add(struct cancel *c, void (*fn)(void *), void *arg)
{
    LOCK_SCOPE(&c->mu);
    if (c->hooks_ran) {
        fn(arg);
        return;
    }
    vec_grow(c->hooks, c->n_hooks, c->cap_hooks);
    c->hooks[c->n_hooks++] = (struct hook){ fn, arg };
}

void cancel_hook_del(struct cancel *c, void (*fn)(void *), void *arg)
{
    LOCK_SCOPE(&c->mu);
    for (size_t i = 0; i < c->n_hooks; i++)
        if (c->hooks[i].fn == fn && c->hooks[i].arg == arg) {
            c->hooks[i] = c->hooks[--c->n_hooks];
            return;
        }
}

static struct cancel *_Atomic signal_target;    /* what the handler may touch; NULL after the first signal */

static void on_signal(int sig)
{
    struct cancel *c = atomic_exchange(&signal_target, NULL);
    int saved = errno;

    if (!c)
        _exit(128 + sig);
    atomic_store(&c->cancelled, true);
    wake_fd(c->fd);
    errno = saved;
}

void cancel_on_signals(struct cancel *c)
{
    struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

    (void)cancel_fd(c);         /* made before a handler, which may not lock, looks for it */
    atomic_store(&signal_target, c);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    sa.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &sa, NULL);
}
