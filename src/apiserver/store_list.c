/*
 * Lists, of now or of an earlier version: then the changes since are undone from the log, so that a list in chunks
 * shows one moment whatever is written meanwhile.
 */
#include "apiserver/store_priv.h"
#include "base/arena.h"
#include "base/mem.h"

/* A key that changed behind the wanted version, and its text then (absent: it did not exist). */
struct undo {
    const char *ns, *name;
    struct str text;
    size_t order;               /* as read, newest first: the last one of a key is its state at the version */
};

struct undo_list {
    struct undo *items;
    size_t n, cap, at;
};

static int key_cmp(const char *ns_a, const char *name_a, const char *ns_b, const char *name_b)
{
    int c = strcmp(ns_a, ns_b);

    return c ? c : strcmp(name_a, name_b);
}

static int undo_cmp(const void *a, const void *b)
{
    const struct undo *x = a, *y = b;
    int c = key_cmp(x->ns, x->name, y->ns, y->name);

    return c ? c : (x->order < y->order) - (x->order > y->order);       /* the oldest change first */
}

static bool wanted(const struct store_list *q, const char *ns, const char *name)
{
    if ((q->ns && !streq(q->ns, ns)) || (q->name && !streq(q->name, name)))
        return false;
    return !q->after_name || key_cmp(ns, name, q->after_ns ? q->after_ns : "", q->after_name) > 0;
}

static errc undo_read(struct conn *c, const struct store_list *q, struct arena *a, struct undo_list *out, struct err *e)
{
    int64_t compacted = 0;
    sqlite3_stmt *st = conn_stmt(c, SQL_UNDO);

    TRY(conn_number(c, SQL_COMPACTED, &compacted, e));
    if (q->at_rv < compacted)
        return err_set(e, ERR_GONE, "The provided continue parameter is too old to display a consistent list result.");
    if (!st)
        return conn_err(c, "read the log", e);
    (void)sqlite3_bind_int64(st, 1, q->at_rv);
    bind_text(st, 2, q->resource);
    int step;
    while ((step = sqlite3_step(st)) == SQLITE_ROW) {
        struct str ns = column_str(st, 0), name = column_str(st, 1), prev = column_str(st, 2);
        if (!wanted(q, ns.p, name.p))
            continue;
        vec_grow(out->items, out->n, out->cap);
        out->items[out->n] = (struct undo){ arena_str(a, ns).p, arena_str(a, name).p,
                                            prev.p ? arena_str(a, prev) : (struct str){ 0 }, out->n };
        out->n++;
    }
    sqlite3_reset(st);
    if (step != SQLITE_DONE)
        return conn_err(c, "read the log", e);
    qsort(out->items, out->n, sizeof *out->items, undo_cmp);
    size_t kept = 0;
    for (size_t i = 0; i < out->n; i++)
        if (i == 0 || key_cmp(out->items[i].ns, out->items[i].name, out->items[kept - 1].ns, out->items[kept - 1].name) != 0)
            out->items[kept++] = out->items[i];
    out->n = kept;
    return ERR_OK;
}

static int64_t text_rv(struct str text)
{
    AUTO_JSON j = NULL;
    struct err ignored;
    int64_t rv = 0;

    if (!json_parse(text, &j, &ignored))
        (void)str_to_i64(str_of(json_str_at(j, "metadata", "resourceVersion", NULL)), &rv);
    return rv;
}

/* Shows the undone rows before (ns, name), or all that are left when ns is NULL. False: the visitor had enough. */
static bool undo_show(struct undo_list *u, const char *ns, const char *name, bool (*visit)(void *, const struct store_row *), void *arg)
{
    for (; u->at < u->n; u->at++) {
        const struct undo *x = &u->items[u->at];
        if (ns && key_cmp(x->ns, x->name, ns, name) >= 0)
            return true;
        if (x->text.p && !visit(arg, &(struct store_row){ x->ns, x->name, text_rv(x->text), x->text }))
            return false;
    }
    return true;
}

static bool undone(const struct undo_list *u, const char *ns, const char *name)
{
    return u->at < u->n && key_cmp(u->items[u->at].ns, u->items[u->at].name, ns, name) == 0;
}

static sqlite3_stmt *list_stmt(struct conn *c, const struct store_list *q, bool count)
{
    const char *after_ns = q->after_ns ? q->after_ns : "", *after_name = q->after_name ? q->after_name : "";
    bool behind = q->ns && strcmp(after_ns, q->ns) == 0;
    sqlite3_stmt *st;

    if (q->name && !q->ns) {
        if ((st = conn_stmt(c, SQL_LIST_NAME)))
            bind_text(st, 2, q->name);
    } else if (q->ns) {
        if ((st = conn_stmt(c, count ? SQL_COUNT_NS : SQL_LIST_NS))) {
            bind_text(st, 2, q->ns);
            bind_text(st, 3, behind ? after_name : "");
        }
    } else if ((st = conn_stmt(c, count ? SQL_COUNT : SQL_LIST))) {
        bind_text(st, 2, after_ns);
        bind_text(st, 3, after_name);
    }
    if (st)
        bind_text(st, 1, q->resource);
    return st;
}

static errc list_rows(struct conn *c, const struct store_list *q, struct undo_list *u,
                      bool (*visit)(void *, const struct store_row *), void *arg, struct err *e)
{
    sqlite3_stmt *st = list_stmt(c, q, false);
    bool more = true;
    int step = SQLITE_DONE;

    if (!st)
        return conn_err(c, "list", e);
    while (more && (step = sqlite3_step(st)) == SQLITE_ROW) {
        struct store_row row = { column_str(st, 0).p, column_str(st, 1).p, sqlite3_column_int64(st, 2), column_str(st, 3) };
        if (!wanted(q, row.ns, row.name))
            continue;
        more = undo_show(u, row.ns, row.name, visit, arg);
        if (more && !undone(u, row.ns, row.name))
            more = visit(arg, &row);
    }
    errc rc = step == SQLITE_DONE || step == SQLITE_ROW ? ERR_OK : conn_err(c, "list", e);
    sqlite3_reset(st);
    if (!rc && more)
        (void)undo_show(u, NULL, NULL, visit, arg);
    return rc;
}

static errc list_in(struct conn *c, const struct store_list *q, bool (*visit)(void *, const struct store_row *), void *arg,
                    int64_t *out_rv, struct err *e)
{
    AUTO_FREE(arena) a = arena_new();
    struct undo_list u = { 0 };
    int64_t now = 0;

    TRY(conn_number(c, SQL_VERSION, &now, e));
    errc rc = q->at_rv && q->at_rv < now ? undo_read(c, q, a, &u, e) : ERR_OK;
    if (!rc)
        rc = list_rows(c, q, &u, visit, arg, e);
    free(u.items);
    if (!rc && out_rv)
        *out_rv = q->at_rv && q->at_rv < now ? q->at_rv : now;
    return rc;
}

errc store_list(struct store *s, const struct store_list *q, bool (*visit)(void *arg, const struct store_row *row),
                void *arg, int64_t *out_rv, struct err *e)
{
    struct conn *c = NULL;
    struct err ignored;

    TRY(reader_take(s, &c, e));
    errc rc = conn_run(c, SQL_BEGIN_READ, "begin", e);
    if (!rc) {
        rc = list_in(c, q, visit, arg, out_rv, e);
        (void)conn_run(c, SQL_COMMIT, "end", &ignored);     /* a read transaction has nothing to lose */
    }
    reader_give(s, c);
    return rc;
}

errc store_count(struct store *s, const struct store_list *q, int64_t *out, struct err *e)
{
    struct conn *c = NULL;

    TRY(reader_take(s, &c, e));
    sqlite3_stmt *st = list_stmt(c, q, true);
    errc rc = ERR_OK;
    if (st && sqlite3_step(st) == SQLITE_ROW)
        *out = sqlite3_column_int64(st, 0);
    else
        rc = conn_err(c, "count", e);
    if (st)
        sqlite3_reset(st);
    reader_give(s, c);
    return rc;
}
