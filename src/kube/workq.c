/*
 * Keys waiting for a reconcile: a FIFO of ready ones, one of those that were put off behind them, a heap of delayed ones, one item per key for as
 * long as it matters.
 */
#include "kube/workq.h"

#include <sys/queue.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/thread.h"

#define BACKOFF_MS 5
#define BACKOFF_DOUBLINGS 18            /* already beyond the maximum */
#define NOT_DELAYED SIZE_MAX

struct item {
    struct key key;
    char *id;                           /* "ns/name" */
    TAILQ_ENTRY(item) link;             /* in one of the FIFOs */
    struct fifo *in;                    /* which one; NULL: not ready */
    bool running, dirty;                /* dirty: added while it runs */
    bool put_off, last_in_line;         /* asked to be put off while it runs; it came from the FIFO of such */
    unsigned failures;
    int64_t ready_us, taken_us, due_ms; /* taken_us: while it runs */
    int64_t owed_ms;                    /* until when what was put off must be done, over all plain adds; 0: nothing was */
    size_t at;                          /* in the heap */
};

struct fifo {
    TAILQ_HEAD(, item) items;
    size_t n;
};

struct workq {
    struct mutex mu;                    /* a leaf; guards everything */
    struct cond wake;
    struct map *items;                  /* id -> item, owned */
    struct fifo ready, put_off;
    struct item **heap;                 /* by due_ms */
    size_t n_heap, cap_heap;
    bool stopped;
    struct workq_stats stats;
};

static void item_free(void *p)
{
    struct item *i = p;
    free((void *)(uintptr_t)i->key.ns);
    free((void *)(uintptr_t)i->key.name);
    free(i->id);
    free(i);
}

static const double waited_bounds[] = WORKQ_BOUNDS;

struct workq *workq_new(void)
{
    struct workq *q = xzalloc(sizeof *q);
    q->stats.waited = HISTOGRAM(waited_bounds);
    mutex_init(&q->mu);
    cond_init(&q->wake);
    q->items = map_new(item_free);
    TAILQ_INIT(&q->ready.items);
    TAILQ_INIT(&q->put_off.items);
    return q;
}

void workq_free(struct workq *q)
{
    if (!q)
        return;
    map_free(q->items);
    free(q->heap);
    cond_done(&q->wake);
    mutex_done(&q->mu);
    free(q);
}

void workq_stop(struct workq *q)
{
    LOCK_SCOPE(&q->mu);
    q->stopped = true;
    cond_broadcast(&q->wake);
}

static struct item *item_of_locked(struct workq *q, const struct key *k, bool make)
{
    AUTO_MEM char *id = xasprintf("%s/%s", k->ns ? k->ns : "", k->name);
    struct item *i = map_get(q->items, str_of(id));
    if (i || !make)
        return i;
    i = xzalloc(sizeof *i);
    *i = (struct item){ .key = { xstrdup(k->ns ? k->ns : ""), xstrdup(k->name) }, .id = xstrdup(id), .at = NOT_DELAYED };
    map_put(q->items, str_of(id), i);
    return i;
}

static void item_drop_if_idle_locked(struct workq *q, struct item *i)
{
    if (i->in || i->running || i->failures || i->at != NOT_DELAYED)
        return;
    AUTO_MEM char *id = xstrdup(i->id);
    map_del(q->items, str_of(id));
}

static void heap_put(struct workq *q, size_t at, struct item *i)
{
    q->heap[at] = i;
    i->at = at;
}

static void heap_up(struct workq *q, size_t at)
{
    struct item *i = q->heap[at];
    for (; at && q->heap[(at - 1) / 2]->due_ms > i->due_ms; at = (at - 1) / 2)
        heap_put(q, at, q->heap[(at - 1) / 2]);
    heap_put(q, at, i);
}

static void heap_down(struct workq *q, size_t at)
{
    struct item *i = q->heap[at];
    for (size_t kid; (kid = 2 * at + 1) < q->n_heap; at = kid) {
        if (kid + 1 < q->n_heap && q->heap[kid + 1]->due_ms < q->heap[kid]->due_ms)
            kid++;
        if (q->heap[kid]->due_ms >= i->due_ms)
            break;
        heap_put(q, at, q->heap[kid]);
    }
    heap_put(q, at, i);
}

static struct item *heap_pop(struct workq *q)
{
    struct item *top = q->heap[0], *last = q->heap[--q->n_heap];
    if (q->n_heap) {
        heap_put(q, 0, last);
        heap_down(q, 0);
    }
    top->at = NOT_DELAYED;
    return top;
}

static void leave_fifo_locked(struct item *i)
{
    TAILQ_REMOVE(&i->in->items, i, link);
    i->in->n--;
    i->in = NULL;
}

static void joined_locked(struct workq *q, struct fifo *f, struct item *i)
{
    f->n++;
    i->in = f;
    i->ready_us = clock_mono_us();
    q->stats.adds++;
    cond_signal(&q->wake);
}

static void join_fifo_locked(struct workq *q, struct fifo *f, struct item *i)
{
    TAILQ_INSERT_TAIL(&f->items, i, link);
    joined_locked(q, f, i);
}

static void add_ready_locked(struct workq *q, struct item *i)
{
    if (i->running) {
        i->dirty = true;
        return;
    }
    if (i->in == &q->ready)
        return;
    if (i->in)
        leave_fifo_locked(i);
    join_fifo_locked(q, &q->ready, i);
}

static void add_first_locked(struct workq *q, struct item *i)
{
    if (i->running) {
        i->dirty = true;
        return;
    }
    if (i->in)
        leave_fifo_locked(i);
    TAILQ_INSERT_HEAD(&q->ready.items, i, link);
    joined_locked(q, &q->ready, i);
}

void workq_add_first(struct workq *q, const struct key *k)
{
    LOCK_SCOPE(&q->mu);
    if (!q->stopped)
        add_first_locked(q, item_of_locked(q, k, true));
}

void workq_add(struct workq *q, const struct key *k)
{
    LOCK_SCOPE(&q->mu);
    if (!q->stopped)
        add_ready_locked(q, item_of_locked(q, k, true));
}

static void add_at_locked(struct workq *q, struct item *i, int64_t due_ms)
{
    if (i->at != NOT_DELAYED) {
        if (i->due_ms <= due_ms)
            return;
        i->due_ms = due_ms;
        heap_up(q, i->at);
    } else {
        i->due_ms = due_ms;
        vec_grow(q->heap, q->n_heap, q->cap_heap);
        heap_put(q, q->n_heap++, i);
        heap_up(q, i->at);
    }
    cond_signal(&q->wake);
}

void workq_add_after(struct workq *q, const struct key *k, int64_t delay_ms)
{
    if (delay_ms <= 0) {
        workq_add(q, k);
        return;
    }
    LOCK_SCOPE(&q->mu);
    if (!q->stopped)
        add_at_locked(q, item_of_locked(q, k, true), clock_mono_ms() + delay_ms);
}

static int64_t backoff_ms(unsigned failures)
{
    return (int64_t)BACKOFF_MS << (failures < BACKOFF_DOUBLINGS ? failures : BACKOFF_DOUBLINGS);
}

void workq_add_failed(struct workq *q, const struct key *k, int64_t at_most_ms)
{
    int64_t most = at_most_ms < WORKQ_BACKOFF_MAX_MS ? at_most_ms : WORKQ_BACKOFF_MAX_MS;
    LOCK_SCOPE(&q->mu);
    if (q->stopped)
        return;
    struct item *i = item_of_locked(q, k, true);
    while (i->failures > 0 && backoff_ms(i->failures - 1) >= most)
        i->failures--;
    int64_t delay = backoff_ms(i->failures++);
    add_at_locked(q, i, clock_mono_ms() + (delay < most ? delay : most));
}

void workq_forget(struct workq *q, const struct key *k)
{
    LOCK_SCOPE(&q->mu);
    struct item *i = item_of_locked(q, k, false);
    if (!i)
        return;
    i->failures = 0;
    item_drop_if_idle_locked(q, i);
}

unsigned workq_failures(struct workq *q, const struct key *k)
{
    LOCK_SCOPE(&q->mu);
    struct item *i = item_of_locked(q, k, false);
    return i ? i->failures : 0;
}

static void move_due_locked(struct workq *q)
{
    for (int64_t now = clock_mono_ms(); q->n_heap && q->heap[0]->due_ms <= now;)
        add_ready_locked(q, heap_pop(q));
}

static bool is_overdue(const struct item *i)
{
    return i->owed_ms && clock_mono_ms() >= i->owed_ms;
}

static struct item *first_locked(struct workq *q)
{
    struct item *waiting = TAILQ_FIRST(&q->ready.items), *put_off = TAILQ_FIRST(&q->put_off.items);

    return put_off && (!waiting || is_overdue(put_off)) ? put_off : waiting;
}

static void take_locked(struct workq *q, struct item *i)
{
    i->last_in_line = i->in == &q->put_off;
    leave_fifo_locked(i);
    i->running = true;
    i->taken_us = clock_mono_us();
    histogram_add(&q->stats.waited, (double)(i->taken_us - i->ready_us) / 1e6);
}

const struct key *workq_get(struct workq *q)
{
    LOCK_SCOPE(&q->mu);
    for (;;) {
        if (q->stopped)
            return NULL;
        move_due_locked(q);
        struct item *i = first_locked(q);
        if (i) {
            take_locked(q, i);
            return &i->key;
        }
        if (q->n_heap)
            (void)cond_wait_until(&q->wake, &q->mu, q->heap[0]->due_ms);
        else
            cond_wait(&q->wake, &q->mu);
    }
}

bool workq_put_off(struct workq *q, const struct key *k, int64_t at_most_ms)
{
    LOCK_SCOPE(&q->mu);
    struct item *i = item_of_locked(q, k, false);
    if (!i || !i->running || q->ready.n == 0 || i->last_in_line || is_overdue(i))
        return false;
    i->put_off = true;
    if (!i->owed_ms)
        i->owed_ms = clock_mono_ms() + at_most_ms;
    return true;
}

bool workq_is_crowded(struct workq *q)
{
    LOCK_SCOPE(&q->mu);
    return q->ready.n > 0;
}

void workq_done(struct workq *q, const struct key *k)
{
    LOCK_SCOPE(&q->mu);
    struct item *i = item_of_locked(q, k, false);
    if (!i)
        return;
    bool put_off = i->put_off, dirty = i->dirty;
    i->running = i->put_off = i->dirty = false;
    if (!put_off)
        i->owed_ms = 0;
    if (dirty && !q->stopped)
        add_ready_locked(q, i);
    else if (put_off && !q->stopped)
        join_fifo_locked(q, &q->put_off, i);
    item_drop_if_idle_locked(q, i);
}

size_t workq_len(struct workq *q)
{
    LOCK_SCOPE(&q->mu);
    return q->ready.n + q->put_off.n;
}

void workq_stats(struct workq *q, struct workq_stats *out)
{
    LOCK_SCOPE(&q->mu);
    int64_t now = clock_mono_us();
    struct str id;
    void *value;

    *out = q->stats;
    for (size_t at = 0; map_next(q->items, &at, &id, &value);) {
        const struct item *i = value;
        double took = i->running ? (double)(now - i->taken_us) / 1e6 : 0;

        out->unfinished_s += took;
        out->longest_s = took > out->longest_s ? took : out->longest_s;
    }
}
