/*
 * Watches: what exists (when asked for), then events from the store as they come, seen through the selectors, shaped as
 * the client wants. A stream runs on its connection's thread and ends when the client leaves, the timeout passes, or the
 * server stops.
 */
#include "apiserver/priv.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"

#define BOOKMARK_MS     60000
#define TIMEOUT_MIN_MS  (1800 * INT64_C(1000))          /* upstream: a random time from 30 to 60 minutes */

struct watcher {
    struct apiserver *s;
    struct arena *a;            /* of the watch; r lives in it */
    struct req r;               /* a copy that outlives the handler; its arena is per event */
    struct registry *registry;
    struct selector *labels, *fields;
    int64_t cursor, deadline_ms, bookmark_ms;
    bool bookmarks, initial_end, columns_sent;
    struct buf initial;         /* events to send first */
    bool ending, ended;         /* after the initial events; now */
};

static void watcher_free(void *self)
{
    struct watcher *w = self;

    registry_free(w->registry);
    buf_done(&w->initial);
    arena_free(w->a);
}

static void write_event(struct watcher *w, const char *type, json_t *obj, struct buf *out)
{
    struct req *r = &w->r;
    AUTO_JSON shaped = NULL;

    if (r->form == FORM_TABLE) {
        shaped = table_of(r, r->res, &obj, 1, !w->columns_sent);
        json_put(shaped, "metadata", json_object());
        json_put(json_object_get(shaped, "metadata"), "resourceVersion", json_incref(json_at(obj, "metadata", "resourceVersion", NULL)));
        w->columns_sent = true;
    } else if (r->form == FORM_PARTIAL || r->form == FORM_PARTIAL_LIST) {
        shaped = partial_of(r, obj);
    }
    buf_addf(out, "{\"type\":\"%s\",\"object\":", type);
    json_write(shaped ? shaped : obj, out);
    buf_adds(out, "}\n");
}

static bool visible(const struct watcher *w, const json_t *obj)
{
    const char *ns = json_str_at(obj, "metadata", "namespace", NULL);

    if (str_set(w->r.ns) && !streq(w->r.ns, ns))
        return false;
    return selector_matches(w->labels, w->fields, w->r.res, obj);
}

static bool selects(const struct watcher *w)
{
    return w->labels || w->fields;
}

/* Text needs no look inside when nobody filters and the object is sent as it is. */
static bool plain(const struct watcher *w)
{
    return !selects(w) && w->r.form == FORM_OBJECT && !(w->r.res->custom && w->r.res->type);
}

static void paste_event(const struct watcher *w, const char *type, struct str text, struct buf *out)
{
    buf_addf(out, "{\"type\":\"%s\",\"object\":{\"kind\":\"%s\",\"apiVersion\":\"%s\"%s", type, w->r.res->kind, w->r.res->gv,
             text.n > 2 ? "," : "");
    buf_addstr(out, str_from(text, 1));
    buf_adds(out, "}\n");
}

/* A change that enters or leaves the selection is an ADDED or DELETED to this watcher. */
static void show_event(struct watcher *w, const struct store_event *ev, struct buf *out)
{
    static const char *const names[] = { [STORE_ADDED] = "ADDED", [STORE_MODIFIED] = "MODIFIED", [STORE_DELETED] = "DELETED" };

    if (str_set(w->r.ns) && !streq(w->r.ns, ev->ns))
        return;
    if (plain(w)) {
        paste_event(w, names[ev->type], ev->text, out);
        return;
    }
    AUTO_FREE(arena) a = arena_new();
    w->r.a = a;
    json_t *now = object_parse(&w->r, w->r.res, ev->text);
    json_t *was = ev->prev.p && selects(w) ? object_parse(&w->r, w->r.res, ev->prev) : NULL;
    bool is = now && ev->type != STORE_DELETED && visible(w, now), had = selects(w) ? was && visible(w, was) : ev->prev.p != NULL;
    if (ev->type == STORE_ADDED)
        had = false;
    json_t *last = ev->type == STORE_DELETED ? now : was;
    if (is) {
        write_event(w, had ? "MODIFIED" : "ADDED", now, out);
    } else if (had && last) {
        json_put(json_sub(last, "metadata"), "resourceVersion", json_strf("%lld", (long long)ev->rv));
        write_event(w, "DELETED", last, out);
    }
}

static void write_bookmark(struct watcher *w, int64_t rv, bool initial_end, struct buf *out)
{
    AUTO_JSON obj = json_object();
    json_t *meta = json_sub(obj, "metadata");

    object_head(obj, w->r.res);
    json_put(meta, "resourceVersion", json_strf("%lld", (long long)rv));
    if (!w->r.res->custom)
        json_put(meta, "creationTimestamp", json_null());
    if (initial_end) {
        AUTO_BUF list = { 0 }, text = { 0 };
        buf_addf(&list, "{\"kind\":\"%sList\",\"apiVersion\":\"%s\",\"metadata\":{},\"items\":null}\n", w->r.res->kind, w->r.res->gv);
        base64_add(&text, list.p, list.n);
        json_t *notes = json_sub(meta, "annotations");
        json_put_str(notes, "k8s.io/initial-events-end", "true");
        json_put_str(notes, "kubernetes.io/initial-events-list-blueprint", buf_cstr(&text));
    }
    if (w->r.form == FORM_TABLE) {
        AUTO_FREE(arena) a = arena_new();
        w->r.a = a;
        AUTO_JSON table = table_of(&w->r, w->r.res, NULL, 0, !w->columns_sent);
        json_put(table, "metadata", json_object());
        json_put(json_object_get(table, "metadata"), "resourceVersion", json_strf("%lld", (long long)rv));
        w->columns_sent = true;
        buf_adds(out, "{\"type\":\"BOOKMARK\",\"object\":");
        json_write(table, out);
    } else {
        buf_adds(out, "{\"type\":\"BOOKMARK\",\"object\":");
        json_write(obj, out);
    }
    buf_adds(out, "}\n");
}

static void write_error(const struct err *e, struct buf *out)
{
    bool old = e->code == ERR_GONE;

    buf_addf(out, "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
             "\"message\":\"%s\",\"reason\":\"%s\",\"code\":%d}}\n", old ? e->text : "the watch failed in the server",
             old ? "Expired" : "InternalError", old ? 410 : 500);
}

static void wake(void *store)
{
    store_wake(store);
}

static enum http_more watch_next(void *self, struct cancel *gone, struct buf *out)
{
    struct watcher *w = self;
    struct store_event *ev = NULL;
    struct err e;

    if (w->ended)
        return HTTP_END;
    if (w->initial.n) {
        buf_addstr(out, buf_str(&w->initial));
        buf_done(&w->initial);
        w->ended = w->ending;
        return HTTP_MORE;
    }
    int64_t now = clock_mono_ms(), until = w->deadline_ms < w->bookmark_ms ? w->deadline_ms : w->bookmark_ms;
    if (now >= w->deadline_ms)
        return HTTP_END;
    cancel_hook_add(gone, wake, w->s->store);
    errc rc = store_next(w->s->store, w->r.res->key, &w->cursor, until, gone, &ev, &e);
    cancel_hook_del(gone, wake, w->s->store);
    w->r.now_ms = clock_wall_ms();
    if (rc == ERR_OK) {
        show_event(w, ev, out);
        store_event_free(ev);
    } else if (rc == ERR_TIMEOUT) {
        if (w->bookmarks && clock_mono_ms() >= w->bookmark_ms)
            write_bookmark(w, w->cursor, false, out);
        w->bookmark_ms = clock_mono_ms() + BOOKMARK_MS;
    } else if (rc == ERR_CANCELLED) {
        return HTTP_END;
    } else {
        write_error(&e, out);
        w->ended = true;
    }
    return HTTP_MORE;
}

static bool add_initial(void *arg, const struct store_row *row)
{
    struct watcher *w = arg;

    if (plain(w)) {
        paste_event(w, "ADDED", row->text, &w->initial);
        return true;
    }
    AUTO_FREE(arena) a = arena_new();
    w->r.a = a;
    json_t *obj = object_parse(&w->r, w->r.res, row->text);
    if (obj && visible(w, obj))
        write_event(w, "ADDED", obj, &w->initial);
    return true;
}

static errc watch_options_check(struct req *r)
{
    AUTO_FIELD_ERRORS l = { 0 };
    const char *match = req_query(r, "resourceVersionMatch");
    bool initial = req_query(r, "sendInitialEvents") != NULL;

    if (initial && !streq(match, "NotOlderThan"))
        field_error_add(&l, FIELD_FORBIDDEN_VALUE, "resourceVersionMatch", NULL,
                        "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    else if (!initial && str_set(match))
        field_error_add(&l, FIELD_FORBIDDEN_VALUE, "resourceVersionMatch", NULL,
                        "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
    return l.n ? fail_invalid(r, "meta.k8s.io", "ListOptions", "", &l) : ERR_OK;
}

static errc watch_start(struct req *r, struct watcher *w)
{
    const char *rv = req_query(r, "resourceVersion"), *seconds = req_query(r, "timeoutSeconds");
    uint64_t version = 0;
    int64_t timeout = 0;
    bool initial = req_flag(r, "sendInitialEvents");

    if (str_set(seconds) && !str_to_i64(str_of(seconds), &timeout))
        return fail_bad_request(r, "strconv.ParseInt: parsing \"%s\": invalid syntax", seconds);
    TRY(watch_options_check(r));
    TRY(selector_labels(r, req_query(r, "labelSelector"), &w->labels));
    TRY(selector_fields(r, r->res, req_query(r, "fieldSelector"), &w->fields));
    if (str_set(rv) && !str_to_u64(str_of(rv), &version))
        return fail_internal(r, "resourceVersion: Invalid value: \"%s\": strconv.ParseUint: parsing \"%s\": invalid syntax", rv, rv);
    w->cursor = version > INT64_MAX ? INT64_MAX : (int64_t)version;
    w->bookmarks = req_flag(r, "allowWatchBookmarks");
    w->deadline_ms = clock_mono_ms() + (timeout > 0 ? timeout * 1000 : TIMEOUT_MIN_MS + (int64_t)(random_u64() % (uint64_t)TIMEOUT_MIN_MS));
    w->bookmark_ms = clock_mono_ms() + BOOKMARK_MS;
    if (r->res->custom && version && (int64_t)version < r->res->custom->since_rv) {
        (void)err_set(&r->e, ERR_GONE, "too old resource version: %lld (%lld)", (long long)version, (long long)r->res->custom->since_rv);
        write_error(&r->e, &w->initial);
        w->ending = true;
        return ERR_OK;
    }
    bool from_state = req_query(r, "sendInitialEvents") ? initial : version == 0;
    if (!from_state) {
        if (!version)
            w->cursor = store_rv(r->s->store);
        return ERR_OK;
    }
    const char *name = selector_exact(w->fields, "metadata.name");
    TRY(store_list(r->s->store, &(struct store_list){ .resource = r->res->key, .ns = str_set(r->ns) ? r->ns : NULL, .name = name },
                   add_initial, w, &w->cursor, &r->e));
    if (initial && w->bookmarks)
        write_bookmark(w, w->cursor, true, &w->initial);
    return ERR_OK;
}

errc serve_watch(struct req *r)
{
    struct arena *a = arena_new();
    struct watcher *w = arena_new_of(a, struct watcher);

    if (r->form == FORM_TABLE && !r->include_object) {
        const char *include = req_query(r, "includeObject");
        r->include_object = str_set(include) ? arena_strdup(a, include) : "Metadata";
    }
    struct arena *request_arena = r->a;
    r->a = a;                   /* selectors must live as long as the watch */
    w->r = *r;
    w->r.ns = arena_strdup(a, r->ns);
    w->r.form_version = arena_strdup(a, r->form_version);
    w->r.x = NULL;
    w->a = a;
    w->s = r->s;
    w->registry = registry_ref(r->registry);
    errc rc = watch_start(r, w);
    r->a = request_arena;
    if (rc) {
        if (r->failure) {       /* made in the arena that goes now */
            r->failure = json_deep_copy(r->failure);
            json_arena_own(r->a, r->failure);
        }
        watcher_free(w);
        return rc;
    }
    struct http_source source = { .next = watch_next, .free = watcher_free, .self = w };
    http_reply_stream(r->x, 200, "application/json", &source);
    r->replied = true;
    return ERR_OK;
}
