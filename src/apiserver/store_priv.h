/* What store.c, store_list.c and store_watch.c share. */
#ifndef APISERVER_STORE_PRIV_H
#define APISERVER_STORE_PRIV_H

#include <sqlite3.h>
#include <sys/queue.h>

#include "apiserver/store.h"

enum sql_id {
    SQL_BEGIN, SQL_BEGIN_READ, SQL_COMMIT, SQL_ROLLBACK, SQL_GET, SQL_INSERT, SQL_UPDATE, SQL_DELETE, SQL_EVENT,
    SQL_LIST, SQL_LIST_NS, SQL_LIST_NAME, SQL_COUNT, SQL_COUNT_NS, SQL_VERSION, SQL_COMPACTED, SQL_EVENTS, SQL_UNDO,
    SQL_OLDEST_KEPT, SQL_DROP, SQL_SET_COMPACTED, SQL_COUNT_
};

struct conn {
    sqlite3 *db;
    sqlite3_stmt *stmts[SQL_COUNT_];
};

#define READERS_MAX 4

/* A watcher that has seen everything so far and waits; on its own stack. */
struct ring_waiter {
    LIST_ENTRY(ring_waiter) link;
    const char *resource;
    int64_t *cursor;            /* moves along over what is not for it, so that it never lags behind the log */
    struct cond wake;
};

/* Events first_rv+1 .. last_rv, one for each version, in a circle of cap places. */
struct ring {
    struct mutex mu;            /* a leaf; guards all below */
    struct cond changed;        /* last_rv grew */
    LIST_HEAD(, ring_waiter) waiters;
    struct store_event **items;
    size_t cap, head, n;        /* head: place of the oldest */
    size_t bytes, max_bytes;
    int64_t first_rv, last_rv;
};

struct store {
    char *path;
    int64_t keep_events, keep_events_ms;

    struct mutex write_mu;      /* guards writer, rv, since_compaction; taken before ring.mu */
    struct conn writer;
    int64_t rv;
    int since_compaction;

    struct mutex pool_mu;       /* a leaf; guards the pool */
    struct conn *pool[READERS_MAX];
    size_t pool_n;

    struct ring ring;
};

errc conn_err(const struct conn *c, const char *doing, struct err *e);
sqlite3_stmt *conn_stmt(struct conn *c, enum sql_id id);
errc conn_run(struct conn *c, enum sql_id id, const char *doing, struct err *e);
errc conn_number(struct conn *c, enum sql_id id, int64_t *out, struct err *e);
void bind_text(sqlite3_stmt *st, int at, const char *text);
struct str column_str(sqlite3_stmt *st, int i);
errc reader_take(struct store *s, struct conn **out, struct err *e);
void reader_give(struct store *s, struct conn *c);

struct store_event *event_new(enum store_event_type type, int64_t rv, const char *resource, const char *ns, const char *name,
                              struct str text, struct str prev);
void ring_publish(struct ring *r, struct store_event *ev);      /* takes ev */
void ring_done(struct ring *r);

#endif
