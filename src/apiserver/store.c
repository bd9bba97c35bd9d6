/*
 * Tables, connections, reads and writes. The watch side (ring, log reader) is in store_watch.c.
 */
#include <sqlite3.h>

#include "apiserver/store_priv.h"
#include "base/clock.h"
#include "base/mem.h"

#define KEEP_EVENTS     5000
#define KEEP_EVENTS_MS  (3600 * INT64_C(1000))
#define RING_BYTES      (2 << 20)
#define COMPACT_EVERY   256
#define FIRST_VERSION   1

static const char *const schema_sql =
    "CREATE TABLE IF NOT EXISTS objects("
    "  id INTEGER PRIMARY KEY, resource TEXT NOT NULL, ns TEXT NOT NULL, name TEXT NOT NULL,"
    "  rv INTEGER NOT NULL, json TEXT NOT NULL);"
    "CREATE UNIQUE INDEX IF NOT EXISTS objects_key ON objects(resource, ns, name);"
    "CREATE TABLE IF NOT EXISTS events("
    "  rv INTEGER PRIMARY KEY, at INTEGER NOT NULL, type INTEGER NOT NULL,"
    "  resource TEXT NOT NULL, ns TEXT NOT NULL, name TEXT NOT NULL, json TEXT NOT NULL, prev TEXT);"
    "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL);"
    "INSERT OR IGNORE INTO meta VALUES('format', 1), ('compacted', 1);";

static const char *const sql[SQL_COUNT_] = {
    [SQL_BEGIN]      = "BEGIN IMMEDIATE",
    [SQL_BEGIN_READ] = "BEGIN",
    [SQL_COMMIT]     = "COMMIT",
    [SQL_ROLLBACK]   = "ROLLBACK",
    [SQL_GET]        = "SELECT rv, json FROM objects WHERE resource = ?1 AND ns = ?2 AND name = ?3",
    [SQL_INSERT]     = "INSERT INTO objects(resource, ns, name, rv, json) VALUES(?1, ?2, ?3, ?4, ?5)",
    [SQL_UPDATE]     = "UPDATE objects SET rv = ?4, json = ?5 WHERE resource = ?1 AND ns = ?2 AND name = ?3",
    [SQL_DELETE]     = "DELETE FROM objects WHERE resource = ?1 AND ns = ?2 AND name = ?3",
    [SQL_EVENT]      = "INSERT INTO events(resource, ns, name, rv, json, prev, type, at) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [SQL_LIST]       = "SELECT ns, name, rv, json FROM objects WHERE resource = ?1 AND (ns, name) > (?2, ?3) ORDER BY ns, name",
    [SQL_LIST_NS]    = "SELECT ns, name, rv, json FROM objects WHERE resource = ?1 AND ns = ?2 AND name > ?3 ORDER BY name",
    [SQL_LIST_NAME]  = "SELECT ns, name, rv, json FROM objects WHERE resource = ?1 AND name = ?2 ORDER BY ns",
    [SQL_COUNT]      = "SELECT count(*) FROM objects WHERE resource = ?1 AND (ns, name) > (?2, ?3)",
    [SQL_COUNT_NS]   = "SELECT count(*) FROM objects WHERE resource = ?1 AND ns = ?2 AND name > ?3",
    [SQL_VERSION]    = "SELECT max((SELECT coalesce(max(rv), 0) FROM events), (SELECT value FROM meta WHERE key = 'compacted'))",
    [SQL_COMPACTED]  = "SELECT value FROM meta WHERE key = 'compacted'",
    [SQL_EVENTS]     = "SELECT rv, type, resource, ns, name, json, prev FROM events WHERE rv > ?1 AND resource = ?2 ORDER BY rv LIMIT ?3",
    [SQL_UNDO]       = "SELECT ns, name, prev FROM events WHERE rv > ?1 AND resource = ?2 ORDER BY rv DESC",
    [SQL_OLDEST_KEPT] = "SELECT coalesce(max(rv), 0) FROM events WHERE at < ?1 OR rv <= ?2",
    [SQL_DROP]       = "DELETE FROM events WHERE rv <= ?1",
    [SQL_SET_COMPACTED] = "UPDATE meta SET value = max(value, ?1) WHERE key = 'compacted'",
};

errc conn_err(const struct conn *c, const char *doing, struct err *e)
{
    int rc = sqlite3_errcode(c->db);
    errc code = rc == SQLITE_FULL ? ERR_NO_SPACE : rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB ? ERR_CORRUPT : ERR_IO;

    return err_set(e, code, "store: %s: %s", doing, sqlite3_errmsg(c->db));
}

static errc conn_exec(struct conn *c, const char *text, struct err *e)
{
    if (sqlite3_exec(c->db, text, NULL, NULL, NULL) != SQLITE_OK)
        return conn_err(c, "prepare the database", e);
    return ERR_OK;
}

static errc conn_open(struct conn *c, const char *path, bool power_safe, struct err *e)
{
    if (sqlite3_open_v2(path, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        errc rc = err_set(e, ERR_IO, "store: open %s: %s", path, c->db ? sqlite3_errmsg(c->db) : "out of memory");
        return rc;
    }
    (void)sqlite3_busy_timeout(c->db, 10000);   /* only a reader that meets a checkpoint's lock waits at all */
    TRY(conn_exec(c, "PRAGMA journal_mode = WAL; PRAGMA cache_size = -256; PRAGMA temp_store = MEMORY;", e));
    return conn_exec(c, power_safe ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", e);
}

static void conn_close(struct conn *c)
{
    for (size_t i = 0; i < SQL_COUNT_; i++)
        sqlite3_finalize(c->stmts[i]);
    sqlite3_close(c->db);
    *c = (struct conn){ 0 };
}

/* Statements are prepared at first use: a reader that only gets never pays for the others. */
sqlite3_stmt *conn_stmt(struct conn *c, enum sql_id id)
{
    if (!c->stmts[id] && sqlite3_prepare_v3(c->db, sql[id], -1, SQLITE_PREPARE_PERSISTENT, &c->stmts[id], NULL) != SQLITE_OK)
        return NULL;
    return c->stmts[id];
}

void bind_text(sqlite3_stmt *st, int at, const char *text)
{
    (void)sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC);
}

static void bind_key(sqlite3_stmt *st, const struct store_key *k)
{
    bind_text(st, 1, k->resource);
    bind_text(st, 2, k->ns);
    bind_text(st, 3, k->name);
}

errc conn_run(struct conn *c, enum sql_id id, const char *doing, struct err *e)
{
    sqlite3_stmt *st = conn_stmt(c, id);
    int rc = st ? sqlite3_step(st) : SQLITE_ERROR;
    errc out = rc == SQLITE_DONE || rc == SQLITE_ROW ? ERR_OK : conn_err(c, doing, e);

    if (st) {
        sqlite3_reset(st);
        sqlite3_clear_bindings(st);
    }
    return out;
}

errc conn_number(struct conn *c, enum sql_id id, int64_t *out, struct err *e)
{
    sqlite3_stmt *st = conn_stmt(c, id);

    if (!st || sqlite3_step(st) != SQLITE_ROW)
        return conn_err(c, "read a number", e);
    *out = sqlite3_column_int64(st, 0);
    sqlite3_reset(st);
    return ERR_OK;
}

struct str column_str(sqlite3_stmt *st, int i)
{
    const char *p = (const char *)sqlite3_column_text(st, i);

    return p ? str_n(p, (size_t)sqlite3_column_bytes(st, i)) : (struct str){ 0 };
}

/* A connection of the pool; more than the pool holds are opened for the moment and closed again. */
errc reader_take(struct store *s, struct conn **out, struct err *e)
{
    {
        LOCK_SCOPE(&s->pool_mu);
        if (s->pool_n > 0) {
            *out = s->pool[--s->pool_n];
            return ERR_OK;
        }
    }
    struct conn *c = xzalloc(sizeof *c);
    errc rc = conn_open(c, s->path, false, e);
    if (rc) {
        conn_close(c);
        free(c);
        return rc;
    }
    *out = c;
    return ERR_OK;
}

void reader_give(struct store *s, struct conn *c)
{
    {
        LOCK_SCOPE(&s->pool_mu);
        if (s->pool_n < READERS_MAX) {
            s->pool[s->pool_n++] = c;
            return;
        }
    }
    conn_close(c);
    free(c);
}

errc store_open(const struct store_opts *o, struct store **out, struct err *e)
{
    AUTO_FREE(store) s = xzalloc(sizeof *s);

    s->path = xstrdup(o->path);
    s->keep_events = o->keep_events ? o->keep_events : KEEP_EVENTS;
    s->keep_events_ms = o->keep_events_ms ? o->keep_events_ms : KEEP_EVENTS_MS;
    s->ring.max_bytes = o->ring_bytes ? o->ring_bytes : RING_BYTES;
    mutex_init(&s->write_mu);
    mutex_init(&s->pool_mu);
    mutex_init(&s->ring.mu);
    cond_init(&s->ring.changed);
    LIST_INIT(&s->ring.waiters);

    TRY(conn_open(&s->writer, s->path, o->power_safe, e));
    TRY(conn_exec(&s->writer, schema_sql, e));
    TRY(conn_number(&s->writer, SQL_VERSION, &s->rv, e));
    if (s->rv < FIRST_VERSION)
        s->rv = FIRST_VERSION;
    s->ring.first_rv = s->ring.last_rv = s->rv;
    *out = TAKE(s);
    return ERR_OK;
}

void store_free(struct store *s)
{
    if (!s)
        return;
    conn_close(&s->writer);
    for (size_t i = 0; i < s->pool_n; i++) {
        conn_close(s->pool[i]);
        free(s->pool[i]);
    }
    ring_done(&s->ring);
    cond_done(&s->ring.changed);
    mutex_done(&s->ring.mu);
    mutex_done(&s->pool_mu);
    mutex_done(&s->write_mu);
    free(s->path);
    free(s);
}

static errc conn_get(struct conn *c, const struct store_key *k, char **out_text, int64_t *out_rv, struct err *e)
{
    sqlite3_stmt *st = conn_stmt(c, SQL_GET);
    errc rc = ERR_OK;

    if (!st)
        return conn_err(c, "get", e);
    bind_key(st, k);
    int step = sqlite3_step(st);
    if (step == SQLITE_ROW) {
        struct str text = column_str(st, 1);
        if (out_rv)
            *out_rv = sqlite3_column_int64(st, 0);
        if (out_text)
            *out_text = xstrndup(text.p, text.n);
    } else if (step == SQLITE_DONE) {
        rc = err_set(e, ERR_NOT_FOUND, "%s \"%s\" not found", k->resource, k->name);
    } else {
        rc = conn_err(c, "get", e);
    }
    sqlite3_reset(st);
    return rc;
}

errc store_get(struct store *s, const struct store_key *k, char **out_text, int64_t *out_rv, struct err *e)
{
    struct conn *c = NULL;

    TRY(reader_take(s, &c, e));
    errc rc = conn_get(c, k, out_text, out_rv, e);
    reader_give(s, c);
    return rc;
}

int64_t store_rv(struct store *s)
{
    LOCK_SCOPE(&s->ring.mu);
    return s->ring.last_rv;
}

static errc write_object(struct conn *c, enum sql_id id, const struct store_key *k, int64_t rv, struct str text, struct err *e)
{
    sqlite3_stmt *st = conn_stmt(c, id);

    if (!st)
        return conn_err(c, "write", e);
    bind_key(st, k);
    if (id != SQL_DELETE) {
        (void)sqlite3_bind_int64(st, 4, rv);
        (void)sqlite3_bind_text(st, 5, text.p, (int)text.n, SQLITE_STATIC);
    }
    return conn_run(c, id, "write", e);
}

static errc write_event(struct conn *c, const struct store_event *ev, struct err *e)
{
    sqlite3_stmt *st = conn_stmt(c, SQL_EVENT);

    if (!st)
        return conn_err(c, "log the change", e);
    bind_key(st, &(struct store_key){ ev->resource, ev->ns, ev->name });
    (void)sqlite3_bind_int64(st, 4, ev->rv);
    (void)sqlite3_bind_text(st, 5, ev->text.p, (int)ev->text.n, SQLITE_STATIC);
    if (ev->prev.p)
        (void)sqlite3_bind_text(st, 6, ev->prev.p, (int)ev->prev.n, SQLITE_STATIC);
    (void)sqlite3_bind_int(st, 7, (int)ev->type);
    (void)sqlite3_bind_int64(st, 8, clock_wall_ms());
    return conn_run(c, SQL_EVENT, "log the change", e);
}

static errc expect(const struct store_key *k, int64_t expect_rv, errc got, int64_t rv, struct err *e)
{
    if (expect_rv == 0)
        return got == ERR_OK ? err_set(e, ERR_EXISTS, "%s \"%s\" already exists", k->resource, k->name)
             : got == ERR_NOT_FOUND ? ERR_OK : got;
    if (got)
        return got;
    if (rv != expect_rv)
        return err_set(e, ERR_CONFLICT, "%s \"%s\" is at version %lld, not %lld", k->resource, k->name,
                       (long long)rv, (long long)expect_rv);
    return ERR_OK;
}

/* Inside BEGIN IMMEDIATE. On success *out is the event to publish after the commit. */
static errc change_locked(struct store *s, const struct store_key *k, int64_t expect_rv, json_t *obj, bool removal,
                          struct store_event **out, struct err *e)
{
    AUTO_MEM char *prev = NULL;
    AUTO_BUF text = { 0 };
    int64_t rv = 0, next = s->rv + 1;
    struct err ignored;

    errc got = conn_get(&s->writer, k, &prev, &rv, expect_rv ? e : &ignored);
    TRY(expect(k, expect_rv, got, rv, e));
    json_put(json_sub(obj, "metadata"), "resourceVersion", json_strf("%lld", (long long)next));
    json_write(obj, &text);
    AUTO_FREE(store_event) ev = event_new(removal ? STORE_DELETED : expect_rv ? STORE_MODIFIED : STORE_ADDED, next,
                                          k->resource, k->ns, k->name, buf_str(&text), str_of(prev));
    enum sql_id id = removal ? SQL_DELETE : expect_rv ? SQL_UPDATE : SQL_INSERT;
    TRY(write_object(&s->writer, id, k, next, ev->text, e));
    TRY(write_event(&s->writer, ev, e));
    *out = TAKE(ev);
    return ERR_OK;
}

static errc compact_locked(struct store *s, struct err *e)
{
    int64_t upto = 0;
    sqlite3_stmt *st = conn_stmt(&s->writer, SQL_OLDEST_KEPT);

    if (!st)
        return conn_err(&s->writer, "compact", e);
    (void)sqlite3_bind_int64(st, 1, clock_wall_ms() - s->keep_events_ms);
    (void)sqlite3_bind_int64(st, 2, s->rv - s->keep_events);
    TRY(conn_number(&s->writer, SQL_OLDEST_KEPT, &upto, e));
    if (upto == 0)
        return ERR_OK;
    static const enum sql_id steps[] = { SQL_SET_COMPACTED, SQL_DROP };
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        st = conn_stmt(&s->writer, steps[i]);
        if (!st)
            return conn_err(&s->writer, "compact", e);
        (void)sqlite3_bind_int64(st, 1, upto);
        TRY(conn_run(&s->writer, steps[i], "compact", e));
    }
    return ERR_OK;
}

static errc transaction_end(struct store *s, errc rc, struct err *e)
{
    struct err ignored;

    if (!rc)
        rc = conn_run(&s->writer, SQL_COMMIT, "commit", e);
    if (rc)
        (void)conn_run(&s->writer, SQL_ROLLBACK, "roll back", &ignored);    /* the first error is the one to tell */
    return rc;
}

static errc change(struct store *s, const struct store_key *k, int64_t expect_rv, json_t *obj, bool removal,
                   int64_t *out_rv, struct err *e)
{
    AUTO_FREE(store_event) ev = NULL;
    LOCK_SCOPE(&s->write_mu);

    TRY(conn_run(&s->writer, SQL_BEGIN, "begin", e));
    errc rc = change_locked(s, k, expect_rv, obj, removal, &ev, e);
    if (!rc && ++s->since_compaction >= COMPACT_EVERY) {
        s->since_compaction = 0;
        rc = compact_locked(s, e);
    }
    TRY(transaction_end(s, rc, e));
    s->rv = ev->rv;
    if (out_rv)
        *out_rv = ev->rv;
    ring_publish(&s->ring, TAKE(ev));
    return ERR_OK;
}

errc store_put(struct store *s, const struct store_key *k, int64_t expect_rv, json_t *obj, int64_t *out_rv, struct err *e)
{
    return change(s, k, expect_rv, obj, false, out_rv, e);
}

errc store_delete(struct store *s, const struct store_key *k, int64_t expect_rv, json_t *obj, int64_t *out_rv, struct err *e)
{
    return change(s, k, expect_rv, obj, true, out_rv, e);
}

errc store_compact(struct store *s, struct err *e)
{
    LOCK_SCOPE(&s->write_mu);
    TRY(conn_run(&s->writer, SQL_BEGIN, "begin", e));
    return transaction_end(s, compact_locked(s, e), e);
}
