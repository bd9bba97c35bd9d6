/* List and watch of one resource, into a cache, for handlers. */
#include "kube/informer.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "kube/meta.h"
#include "kube/priv.h"

#define PAGE 500
#define WATCH_MIN_S 300                 /* client-go asks for 5 to 10 minutes, at random */
#define WATCH_SLACK_MS 30000            /* past that time a silent connection is dead */
#define LINE_MAX_BYTES (64u << 20)
#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 30000

struct handler { struct handler *next; struct informer_handler h; };

struct informer {
    struct kube_client *client;
    struct informer_opts o;             /* ns and selectors are owned; namespaces are in `of` */
    struct informer_union *of;          /* NULL: this one follows the resource itself */
    struct thread thread;
    struct cancel *stop;

    struct mutex dispatch;              /* held while the cache changes and handlers hear of it; taken before mu */
    struct handler *handlers;

    struct mutex mu;                    /* a leaf; guards the rest */
    struct cond changed;                /* synced, or stopped */
    struct objcache *cache;
    bool synced;
    struct informer_stats stats;
    char last_error[ERR_TEXT_MAX];

    /* the informer's thread alone */
    char *resource_version;
    struct buf line;
    int64_t last_resync_ms, backoff_ms;
};

struct informer *informer_new(struct kube_client *c, const struct informer_opts *o, struct informer_union *of)
{
    struct informer *i = xzalloc(sizeof *i);
    i->of = of;
    i->client = c;
    i->o = *o;
    i->o.ns = xstrdup(o->ns);
    i->o.namespaces = NULL;
    i->o.label_selector = xstrdup(o->label_selector);
    i->o.field_selector = xstrdup(o->field_selector);
    i->cache = objcache_new(o->compact);
    mutex_init(&i->dispatch);
    mutex_init(&i->mu);
    cond_init(&i->changed);
    return i;
}

void informer_free(struct informer *i)
{
    if (!i)
        return;
    for (struct handler *h = i->handlers, *next; h; h = next) {
        next = h->next;
        free(h);
    }
    union_free(i->of);
    objcache_free(i->cache);
    buf_done(&i->line);
    free(i->resource_version);
    free((void *)(uintptr_t)i->o.ns);
    free((void *)(uintptr_t)i->o.label_selector);
    free((void *)(uintptr_t)i->o.field_selector);
    cond_done(&i->changed);
    mutex_done(&i->mu);
    mutex_done(&i->dispatch);
    free(i);
}

static bool same_text(const char *a, const char *b) { return (!a && !b) || streq(a, b); }

bool informer_is_for(const struct informer *i, const struct informer_opts *o)
{
    return kube_gvr_same(&i->o.gvr, &o->gvr) && same_text(i->o.ns, o->ns) && same_text(i->o.label_selector, o->label_selector) &&
           same_text(i->o.field_selector, o->field_selector) && (i->of ? o->namespaces && union_is_for(i->of, o->namespaces) : !o->namespaces) &&
           i->o.transform == o->transform && i->o.compact == o->compact;
}

bool informer_is_whole(const struct informer *i, const struct kube_gvr *r)
{
    return kube_gvr_same(&i->o.gvr, r) && !i->of && !i->o.ns && !i->o.label_selector && !i->o.field_selector;
}

static void tell(struct informer *i, const json_t *old, const json_t *new_)
{
    mutex_assert_held(&i->dispatch);
    for (const struct handler *h = i->handlers; h; h = h->next)
        h->h.event(h->h.self, old, new_);
}

/* References to everything, so that handlers run without the lock. */
static json_t *snapshot(struct informer *i)
{
    LOCK_SCOPE(&i->mu);
    return objcache_list(i->cache, &(struct objcache_filter){ 0 });
}

void informer_on(struct informer *i, const struct informer_handler *h)
{
    if (i->of) {
        union_on(i->of, h);
        return;
    }
    struct handler *n = xzalloc(sizeof *n);
    n->h = *h;
    LOCK_SCOPE(&i->dispatch);
    n->next = i->handlers;
    i->handlers = n;
    AUTO_JSON all = snapshot(i);
    size_t k;
    json_t *obj;
    json_array_foreach(all, k, obj)
        h->event(h->self, NULL, obj);
}

/* Takes what. */
static void object_changed(struct informer *i, json_t *what)
{
    AUTO_JSON obj = i->o.transform ? i->o.transform(what) : what;
    AUTO_JSON old = NULL;
    LOCK_SCOPE(&i->dispatch);
    bool changed;
    {
        LOCK_SCOPE(&i->mu);
        i->stats.events++;
        changed = objcache_put(i->cache, obj, &old);
    }
    if (changed)
        tell(i, old, obj);
}

static void object_deleted(struct informer *i, const char *id)
{
    LOCK_SCOPE(&i->dispatch);
    AUTO_JSON old = NULL;
    {
        LOCK_SCOPE(&i->mu);
        i->stats.events++;
        old = objcache_take(i->cache, id);
    }
    if (old)
        tell(i, old, NULL);
}

static json_t *unseen_ids(struct informer *i, const struct map *seen)
{
    json_t *ids = json_array();
    struct str id;
    LOCK_SCOPE(&i->mu);
    for (size_t at = 0; objcache_next_id(i->cache, &at, &id);)
        if (!map_get(seen, id))
            json_push(ids, json_strn(id));
    return ids;
}

static void drop_unseen(struct informer *i, const struct map *seen)
{
    AUTO_JSON ids = unseen_ids(i, seen);
    const json_t *id;
    size_t k;
    json_array_foreach(ids, k, id)
        object_deleted(i, json_string_value(id));
}

static void add_page(struct informer *i, json_t *list, struct map *seen)
{
    json_t *item;
    size_t n;
    kube_fill_kinds(list);
    json_array_foreach(json_object_get(list, "items"), n, item) {
        AUTO_MEM char *id = objcache_id(kube_namespace(item), kube_name(item));
        map_put(seen, str_of(id), i);
        object_changed(i, json_incref(item));
    }
}

static void mark_synced(struct informer *i)
{
    LOCK_SCOPE(&i->mu);
    i->synced = true;
    i->last_error[0] = 0;
    i->stats.lists++;
    cond_broadcast(&i->changed);
}

static errc list(struct informer *i, struct err *e)
{
    AUTO_FREE(map) seen = map_new(NULL);
    AUTO_MEM char *next = NULL;
    AUTO_MEM char *version = NULL;
    struct kube_list_opts o = { .label_selector = i->o.label_selector, .field_selector = i->o.field_selector, .limit = PAGE };
    do {
        AUTO_JSON page = NULL;
        o.continue_token = next;
        TRY(kube_list(i->client, &i->o.gvr, i->o.ns, &o, &page, e));
        add_page(i, page, seen);
        free(next);
        next = xstrdup(json_str_at(page, "metadata", "continue", NULL));
        free(version);
        version = xstrdup(kube_resource_version(page));
    } while (str_set(next));
    if (!str_set(version))
        return err_set(e, ERR_CORRUPT, "list %s: the reply has no metadata.resourceVersion", i->o.gvr.resource);
    drop_unseen(i, seen);
    free(i->resource_version);
    i->resource_version = TAKE(version);
    mark_synced(i);
    return ERR_OK;
}

static errc watch_error(struct informer *i, const json_t *status, struct err *e)
{
    AUTO_BUF text = { 0 };
    json_write(status, &text);
    return kube_status_error((int)json_int(status, "code", 500), buf_str(&text), "watch", e);
}

static errc watch_event(struct informer *i, struct str line, struct err *e)
{
    AUTO_JSON event = NULL;
    if (json_parse(line, &event, e))
        return err_wrap(e, "watch %s", i->o.gvr.resource);
    const char *type = json_cstr(event, "type"), *version;
    json_t *obj = json_object_get(event, "object");
    if (streq(type, "ERROR"))
        return watch_error(i, obj, e);
    version = kube_resource_version(obj);
    if (!type || !version)
        return err_set(e, ERR_CORRUPT, "watch %s: an event without a type or resourceVersion", i->o.gvr.resource);
    free(i->resource_version);
    i->resource_version = xstrdup(version);
    if (streq(type, "ADDED") || streq(type, "MODIFIED")) {
        object_changed(i, json_incref(obj));
    } else if (streq(type, "DELETED")) {
        AUTO_MEM char *id = objcache_id(kube_namespace(obj), kube_name(obj));
        object_deleted(i, id);
    }
    return ERR_OK;
}

static errc watch_data(void *self, struct str chunk, struct err *e)
{
    struct informer *i = self;
    if (i->line.n + chunk.n > LINE_MAX_BYTES)
        return err_set(e, ERR_TOO_LARGE, "watch %s: an event is larger than %u bytes", i->o.gvr.resource, LINE_MAX_BYTES);
    buf_addstr(&i->line, chunk);
    struct str rest = buf_str(&i->line), line, after;
    i->backoff_ms = 0;
    while (str_cut(rest, '\n', &line, &after)) {
        kube_blank_managed_fields(i->line.p + (line.p - i->line.p), line.n);
        if (str_trim(line).n)
            TRY(watch_event(i, line, e));
        rest = after;
    }
    buf_cut(&i->line, i->line.n - rest.n);
    return ERR_OK;
}

static int64_t watch_seconds(const struct informer *i)
{
    int64_t s = WATCH_MIN_S + (int64_t)(random_u64() % WATCH_MIN_S);
    int64_t resync = i->o.resync_ms / 1000;
    return i->o.resync_ms && resync < s ? (resync > 0 ? resync : 1) : s;
}

static errc watch(struct informer *i, struct err *e)
{
    AUTO_BUF path = { 0 };
    AUTO_BUF query = { 0 };
    int64_t seconds = watch_seconds(i);
    kube_path(&path, &i->o.gvr, i->o.ns, NULL, NULL);
    query_add(&query, "watch", "true");
    query_add(&query, "allowWatchBookmarks", "true");
    query_add(&query, "resourceVersion", i->resource_version);
    query_addf(&query, "timeoutSeconds", "%lld", (long long)seconds);
    query_add(&query, "labelSelector", i->o.label_selector);
    query_add(&query, "fieldSelector", i->o.field_selector);
    buf_addf(&path, "?%s", query.p);
    buf_clear(&i->line);
    {
        LOCK_SCOPE(&i->mu);
        i->stats.watches++;
    }
    return kube_stream(i->client, path.p, seconds * 1000 + WATCH_SLACK_MS, i->stop, watch_data, i, e);
}

static void resync(struct informer *i)
{
    if (!i->o.resync_ms || clock_mono_ms() - i->last_resync_ms < i->o.resync_ms)
        return;
    i->last_resync_ms = clock_mono_ms();
    AUTO_JSON all = snapshot(i);
    size_t k;
    json_t *obj;
    LOCK_SCOPE(&i->dispatch);
    json_array_foreach(all, k, obj)
        tell(i, obj, obj);
}

/* What hinders the first list holds up everything: that is a warning, once for each cause. */
static void note_failure(struct informer *i, const struct err *e)
{
    bool is_news;
    {
        LOCK_SCOPE(&i->mu);
        is_news = !i->synced && !streq(i->last_error, e->text);
        i->stats.errors++;
        snprintf(i->last_error, sizeof i->last_error, "%s", e->text);
    }
    if (is_news)
        log_warn("informer", "the first list fails; trying again", KV("kind", i->o.gvr.resource), KV("err", e->text));
    else
        log_debug("informer", "list or watch failed", KV("kind", i->o.gvr.resource), KV("err", e->text));
}

/*
 * What a failed watch leaves of the place to resume at: nothing when the API says that it is no good (410 expired, 504 of a version from
 * the future after a restore, 400) or when what it sends from there cannot be read; after a cut, a throttle or a silence it still holds.
 */
static bool must_list_again(errc rc)
{
    static const errc resumable[] = { ERR_UNAVAILABLE, ERR_IO, ERR_THROTTLED, ERR_INTERNAL };

    for (size_t i = 0; i < ARRAY_LEN(resumable); i++)
        if (rc == resumable[i])
            return false;
    return rc != ERR_OK;
}

static void back_off(struct informer *i)
{
    i->backoff_ms = i->backoff_ms ? i->backoff_ms * 2 : BACKOFF_MIN_MS;
    if (i->backoff_ms > BACKOFF_MAX_MS)
        i->backoff_ms = BACKOFF_MAX_MS;
    (void)cancel_wait_ms(i->stop, kube_jitter_ms(i->backoff_ms));
}

#define WATCH_LONG_MS 5000              /* one that held for so long was fine: the next failure starts afresh */
#define WATCH_SHORT_MS 1000             /* a server that ends watches at once is not asked in a tight loop */

static void informer_run(void *arg)
{
    struct informer *i = arg;
    i->last_resync_ms = clock_mono_ms();
    while (!cancel_is(i->stop)) {
        struct err e = { 0 };
        int64_t began = clock_mono_ms();
        bool watching = i->resource_version != NULL;
        errc rc = watching ? watch(i, &e) : list(i, &e);
        if (rc == ERR_CANCELLED)
            break;
        if (watching && clock_mono_ms() - began > WATCH_LONG_MS)
            i->backoff_ms = 0;
        if (watching && must_list_again(rc))
            free(TAKE(i->resource_version));
        if (rc)
            note_failure(i, &e);
        if (rc || (watching && clock_mono_ms() - began < WATCH_SHORT_MS))
            back_off(i);
        resync(i);
    }
    LOCK_SCOPE(&i->mu);
    cond_broadcast(&i->changed);
}

void informer_start(struct informer *i, struct cancel *stop)
{
    i->stop = stop;
    if (!i->of)
        thread_start(&i->thread, "informer", informer_run, i);
}

void informer_join(struct informer *i) { thread_join(&i->thread); }
const struct kube_gvr *informer_gvr(const struct informer *i) { return &i->o.gvr; }
bool informer_api_is_away(const struct informer *i) { return i->client->away; }

bool informer_synced(struct informer *i)
{
    if (i->of)
        return union_synced(i->of);
    LOCK_SCOPE(&i->mu);
    return i->synced;
}

static void wake(void *arg)
{
    struct informer *i = arg;
    LOCK_SCOPE(&i->mu);
    cond_broadcast(&i->changed);
}

errc informer_wait_until(struct informer *i, struct cancel *cancel, int64_t mono_ms, struct err *e)
{
    errc rc = ERR_OK;
    if (i->of)
        return union_wait_until(i->of, cancel, mono_ms, e);
    if (cancel)
        cancel_hook_add(cancel, wake, i);
    {
        LOCK_SCOPE(&i->mu);
        while (!i->synced && !rc) {
            if (cancel_is(cancel) || cancel_is(i->stop))
                rc = err_set(e, ERR_CANCELLED, "cancelled");
            else if (mono_ms < 0)
                cond_wait(&i->changed, &i->mu);
            else if (!cond_wait_until(&i->changed, &i->mu, mono_ms))
                rc = err_set(e, ERR_TIMEOUT, "%s: no first list in time%s%s", i->o.gvr.resource, *i->last_error ? ": " : "", i->last_error);
        }
    }
    if (cancel)
        cancel_hook_del(cancel, wake, i);
    return rc;
}

bool informer_wait_synced(struct informer *i, struct cancel *cancel)
{
    struct err e;
    return !informer_wait_until(i, cancel, -1, &e);
}

json_t *informer_get(struct informer *i, const char *ns, const char *name)
{
    if (i->of)
        return union_get(i->of, ns, name);
    AUTO_MEM char *id = objcache_id(ns, name);
    LOCK_SCOPE(&i->mu);
    return objcache_get(i->cache, id);
}

json_t *informer_list(struct informer *i, const char *ns, const json_t *label_selector)
{
    if (i->of)
        return union_list(i->of, ns, label_selector, NULL);
    LOCK_SCOPE(&i->mu);
    return objcache_list(i->cache, &(struct objcache_filter){ .ns = ns, .selector = label_selector });
}

json_t *informer_list_labels(struct informer *i, const char *ns, const json_t *labels)
{
    if (i->of)
        return union_list(i->of, ns, NULL, labels);
    LOCK_SCOPE(&i->mu);
    return objcache_list(i->cache, &(struct objcache_filter){ .ns = ns, .labels = labels });
}

json_t *informer_list_field(struct informer *i, const char *field, const char *value)
{
    if (i->of)
        return union_list_field(i->of, field, value);
    LOCK_SCOPE(&i->mu);
    return objcache_list(i->cache, &(struct objcache_filter){ .field = field, .value = value });
}

json_t *informer_owned_by(struct informer *i, const char *owner_uid)
{
    if (i->of)
        return union_owned_by(i->of, owner_uid);
    LOCK_SCOPE(&i->mu);
    return objcache_owned_by(i->cache, owner_uid);
}

size_t informer_len(struct informer *i)
{
    if (i->of)
        return union_len(i->of);
    LOCK_SCOPE(&i->mu);
    return objcache_len(i->cache);
}

void informer_stats(struct informer *i, struct informer_stats *out)
{
    if (i->of) {
        union_stats(i->of, out);
        return;
    }
    LOCK_SCOPE(&i->mu);
    *out = i->stats;
}
