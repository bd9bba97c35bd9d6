/*
 * Where API objects live: SQLite in WAL mode, one row per object and one row per change.
 *
 * Every change gets the next resourceVersion of one global sequence and one event, in one transaction, so version N is
 * event N and the sequence survives restarts. What was acknowledged survives a kill of the process at any instant.
 * Objects are kept as compact JSON text *without* kind and apiVersion, with metadata.resourceVersion inside: a get, a
 * list and a watch paste the text into their answer without parsing it.
 *
 * Events are remembered in a ring in memory (shared, immutable, counted) and, further back, in a log that is compacted
 * by number and age. A watcher is only a cursor; one that is older than the log gets ERR_GONE.
 *
 * Thread-safe. One connection writes, a small pool reads. The lock order is: writer, then ring; callers hold none.
 */
#ifndef APISERVER_STORE_H
#define APISERVER_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "base/thread.h"

struct store;

struct store_opts {
    const char *path;           /* the database file; its -wal and -shm lie beside it */
    int64_t keep_events;        /* in the log; 0: 5,000 */
    int64_t keep_events_ms;     /* 0: one hour */
    size_t ring_bytes;          /* 0: 2 MiB */
    bool power_safe;            /* also sync every commit to the disk, against power failure */
};

errc store_open(const struct store_opts *o, struct store **out, struct err *e);
void store_free(struct store *s);               /* closes; every other user must have left; NULL is fine */
DEFINE_AUTO_FREE(store)

/* resource is "configmaps" or "apps/statefulsets"; ns is "" for what has no namespace. */
struct store_key {
    const char *resource, *ns, *name;
};

/* One version of an object. */
struct store_row {
    const char *ns, *name;
    int64_t rv;
    struct str text;
};

/* *out_text is yours (malloc'd). ERR_NOT_FOUND leaves everything untouched. */
errc store_get(struct store *s, const struct store_key *k, char **out_text, int64_t *out_rv, struct err *e);
int64_t store_rv(struct store *s);              /* the newest version */

/*
 * Writes a version. expect_rv 0 creates (ERR_EXISTS when there is one), else the present version must be it
 * (ERR_CONFLICT, ERR_NOT_FOUND). Puts metadata.resourceVersion into obj, which the caller owns and nobody else sees.
 */
errc store_put(struct store *s, const struct store_key *k, int64_t expect_rv, json_t *obj, int64_t *out_rv, struct err *e);
/* Removes; obj is what the DELETED event shows, with its new version. */
errc store_delete(struct store *s, const struct store_key *k, int64_t expect_rv, json_t *obj, int64_t *out_rv, struct err *e);

struct store_list {
    const char *resource;
    const char *ns;             /* NULL: of all namespaces */
    const char *name;           /* NULL: all */
    const char *after_ns, *after_name;  /* only what sorts behind it; NULL: from the start */
    int64_t at_rv;              /* as it was at this version; 0: now. ERR_GONE when the log does not reach back */
};
/* visit returns false to stop. Rows come in order of (ns, name), borrowed. *out_rv is the version of the snapshot. */
errc store_list(struct store *s, const struct store_list *q, bool (*visit)(void *arg, const struct store_row *row),
                void *arg, int64_t *out_rv, struct err *e);
/* How many objects there are of a resource (behind the same filters, limits ignored). */
errc store_count(struct store *s, const struct store_list *q, int64_t *out, struct err *e);

enum store_event_type { STORE_ADDED = 1, STORE_MODIFIED, STORE_DELETED };

struct store_event {
    int refs;                   /* atomic */
    enum store_event_type type;
    int64_t rv;
    const char *resource, *ns, *name;
    struct str text;            /* for DELETED: the last state with the version of the deletion */
    struct str prev;            /* absent for ADDED */
};
void store_event_free(struct store_event *ev);  /* drops one reference */
DEFINE_AUTO_FREE(store_event)

/*
 * The next event of a resource behind *cursor, which moves on (also past events of other resources).
 * Waits until deadline_mono_ms. ERR_TIMEOUT: none came; ERR_GONE: the cursor is older than the log; ERR_CANCELLED.
 */
errc store_next(struct store *s, const char *resource, int64_t *cursor, int64_t deadline_mono_ms, struct cancel *c,
                struct store_event **out, struct err *e);
/* Wakes every store_next so that it looks at its cancel token. */
void store_wake(struct store *s);

/* Waits until the newest version is at least rv; ERR_TIMEOUT. */
errc store_wait_rv(struct store *s, int64_t rv, int64_t timeout_ms, struct err *e);

/* Drops events by number and age now; happens by itself every few hundred changes. */
errc store_compact(struct store *s, struct err *e);

#endif
