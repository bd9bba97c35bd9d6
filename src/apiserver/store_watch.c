/*
 * Events for watchers: a ring of the recent ones in memory, the log for those who come from further back.
 */
#include "apiserver/store_priv.h"
#include "base/clock.h"
#include "base/mem.h"

#define RING_MIN    64
#define RING_MAX    1024

/* One block: the struct and its five texts. */
struct store_event *event_new(enum store_event_type type, int64_t rv, const char *resource, const char *ns, const char *name,
                              struct str text, struct str prev)
{
    const struct str parts[] = { str_of(resource), str_of(ns), str_of(name), text, prev };
    const char *at[ARRAY_LEN(parts)];
    size_t size = sizeof(struct store_event);

    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        size += parts[i].n + 1;
    struct store_event *ev = xmalloc(size);
    char *p = (char *)(ev + 1);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        at[i] = p;
        if (parts[i].n)
            memcpy(p, parts[i].p, parts[i].n);
        p[parts[i].n] = '\0';
        p += parts[i].n + 1;
    }
    *ev = (struct store_event){
        .refs = 1, .type = type, .rv = rv, .resource = at[0], .ns = at[1], .name = at[2],
        .text = { at[3], text.n }, .prev = { prev.p ? at[4] : NULL, prev.n },
    };
    return ev;
}

static struct store_event *store_event_ref(struct store_event *ev)
{
    __atomic_add_fetch(&ev->refs, 1, __ATOMIC_RELAXED);
    return ev;
}

void store_event_free(struct store_event *ev)
{
    if (ev && __atomic_sub_fetch(&ev->refs, 1, __ATOMIC_ACQ_REL) == 0)
        free(ev);
}

static size_t event_size(const struct store_event *ev)
{
    return sizeof *ev + ev->text.n + ev->prev.n;
}

static void drop_oldest_locked(struct ring *r)
{
    struct store_event *ev = r->items[r->head];

    r->head = (r->head + 1) % r->cap;
    r->n--;
    r->bytes -= event_size(ev);
    r->first_rv = ev->rv;
    store_event_free(ev);
}

static void grow_locked(struct ring *r)
{
    size_t cap = r->cap ? r->cap * 2 : RING_MIN;
    struct store_event **items = xcalloc(cap, sizeof *items);

    for (size_t i = 0; i < r->n; i++)
        items[i] = r->items[(r->head + i) % r->cap];
    free(r->items);
    r->items = items;
    r->cap = cap;
    r->head = 0;
}

/* Only who watches this resource is woken; for each event all others would only look and sleep again. */
static void wake_watchers_locked(struct ring *r, const struct store_event *ev)
{
    struct ring_waiter *w;

    LIST_FOREACH(w, &r->waiters, link) {
        if (streq(w->resource, ev->resource))
            cond_signal(&w->wake);
        else if (*w->cursor == r->last_rv)      /* else it was woken, and has not looked yet */
            *w->cursor = ev->rv;
    }
}

void ring_publish(struct ring *r, struct store_event *ev)
{
    LOCK_SCOPE(&r->mu);
    if (r->n == r->cap && r->cap < RING_MAX)
        grow_locked(r);
    while (r->n > 0 && (r->n == r->cap || r->bytes + event_size(ev) > r->max_bytes))
        drop_oldest_locked(r);
    r->items[(r->head + r->n++) % r->cap] = ev;
    r->bytes += event_size(ev);
    wake_watchers_locked(r, ev);
    r->last_rv = ev->rv;
    cond_broadcast(&r->changed);
}

void ring_done(struct ring *r)
{
    for (size_t i = 0; i < r->n; i++)
        store_event_free(r->items[(r->head + i) % r->cap]);
    free(r->items);
}

void store_wake(struct store *s)
{
    struct ring_waiter *w;
    LOCK_SCOPE(&s->ring.mu);

    LIST_FOREACH(w, &s->ring.waiters, link)
        cond_signal(&w->wake);
}

/* Looks behind the cursor in the ring. False: the ring does not reach back that far. */
static bool ring_next_locked(struct ring *r, const char *resource, int64_t *cursor, struct store_event **out)
{
    if (*cursor < r->first_rv)
        return false;
    for (; *cursor < r->last_rv; ++*cursor) {
        struct store_event *ev = r->items[(r->head + (size_t)(*cursor - r->first_rv)) % r->cap];
        if (streq(ev->resource, resource)) {
            *out = store_event_ref(ev);
            ++*cursor;
            return true;
        }
    }
    return true;
}

/* The log is read one event at a time: only watchers that resume or lag far behind come here. */
static errc log_next(struct conn *c, const char *resource, int64_t *cursor, int64_t upto, struct store_event **out, struct err *e)
{
    int64_t compacted = 0;

    TRY(conn_number(c, SQL_COMPACTED, &compacted, e));
    if (*cursor < compacted)
        return err_set(e, ERR_GONE, "too old resource version: %lld (%lld)", (long long)*cursor, (long long)compacted);
    sqlite3_stmt *st = conn_stmt(c, SQL_EVENTS);
    if (!st)
        return conn_err(c, "read the log", e);
    (void)sqlite3_bind_int64(st, 1, *cursor);
    bind_text(st, 2, resource);
    (void)sqlite3_bind_int64(st, 3, 1);
    int step = sqlite3_step(st);
    if (step == SQLITE_ROW) {
        *out = event_new((enum store_event_type)sqlite3_column_int(st, 1), sqlite3_column_int64(st, 0),
                         column_str(st, 2).p, column_str(st, 3).p, column_str(st, 4).p, column_str(st, 5), column_str(st, 6));
        *cursor = (*out)->rv;
    } else if (step == SQLITE_DONE && *cursor < upto) {
        *cursor = upto;
    }
    errc rc = step == SQLITE_ROW || step == SQLITE_DONE ? ERR_OK : conn_err(c, "read the log", e);
    sqlite3_reset(st);
    return rc;
}

static bool wait_locked(struct ring *r, const char *resource, int64_t *cursor, int64_t deadline_mono_ms)
{
    struct ring_waiter me = { .resource = resource, .cursor = cursor };

    cond_init(&me.wake);
    LIST_INSERT_HEAD(&r->waiters, &me, link);
    bool in_time = cond_wait_until(&me.wake, &r->mu, deadline_mono_ms);

    LIST_REMOVE(&me, link);
    cond_done(&me.wake);
    return in_time;
}

/* NULL and OK: the ring does not reach back that far; *upto is where it begins. */
static errc ring_wait(struct ring *r, const char *resource, int64_t *cursor, int64_t deadline_mono_ms, struct cancel *c, struct store_event **out,
                      int64_t *upto, struct err *e)
{
    LOCK_SCOPE(&r->mu);
    while (ring_next_locked(r, resource, cursor, out)) {
        if (*out)
            return ERR_OK;
        if (cancel_is(c))
            return err_set(e, ERR_CANCELLED, "the server is stopping");
        if (!wait_locked(r, resource, cursor, deadline_mono_ms))
            return err_set(e, ERR_TIMEOUT, "no event came");
    }
    *upto = r->first_rv;
    return ERR_OK;
}

errc store_next(struct store *s, const char *resource, int64_t *cursor, int64_t deadline_mono_ms, struct cancel *c,
                struct store_event **out, struct err *e)
{
    *out = NULL;
    while (!*out) {
        int64_t upto = 0;
        struct conn *conn = NULL;

        TRY(ring_wait(&s->ring, resource, cursor, deadline_mono_ms, c, out, &upto, e));
        if (*out)
            return ERR_OK;
        TRY(reader_take(s, &conn, e));
        errc rc = log_next(conn, resource, cursor, upto, out, e);
        reader_give(s, conn);
        if (rc)
            return rc;
    }
    return ERR_OK;
}

errc store_wait_rv(struct store *s, int64_t rv, int64_t timeout_ms, struct err *e)
{
    int64_t deadline = clock_mono_ms() + timeout_ms;
    LOCK_SCOPE(&s->ring.mu);

    while (s->ring.last_rv < rv) {
        if (!cond_wait_until(&s->ring.changed, &s->ring.mu, deadline))
            return err_set(e, ERR_TIMEOUT, "Too large resource version: %lld, current: %lld", (long long)rv,
                           (long long)s->ring.last_rv);
    }
    return ERR_OK;
}
