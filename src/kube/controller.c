/* The loop around reconcile: it owns back-off, counters and the one log line per failure. */
#include "kube/controller.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/meta.h"
#include "kube/priv.h"

#define CONFLICT_MAX_MS 1000            /* between two reads of what others keep changing, or of a cache that is late */
#define AWAY_MAX_MS     500             /* while the API does not answer: that says nothing about the key, which is to be done soon after it does */
#define PROGRESS_MAX_MS 160             /* bounds the writes of one key whose reconciles do the same again and again, and fail */

struct watch {
    struct controller *controller;
    struct watch *next;
    struct informer *informer;
    const char *owner_kind, *name_label, *ns_label;
    bool owner_is_namespaced;
    void (*map)(void *self, const json_t *obj, struct workq *q);
    void *self;
};

struct controller {
    struct controller_opts o;
    struct workq *q;
    struct watch *watches;
    struct thread starter, *workers;
    struct cancel *cancel;
    atomic_bool told_away;              /* that the API does not answer, since the last success */
    struct mutex mu;                    /* a leaf; guards stats */
    struct controller_stats stats;
};

/* controller-runtime's buckets, in seconds. */
static const double took_bounds[] = { .005, .01, .025, .05, .1, .15, .2, .25, .3, .35, .4, .45, .5, .6, .7, .8, .9, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 3.5,
                                      4, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60 };
static const double worked_bounds[] = WORKQ_BOUNDS;

struct controller *controller_new(const struct controller_opts *o)
{
    struct controller *c = xzalloc(sizeof *c);
    c->o = *o;
    c->o.workers = o->workers ? o->workers : 1;
    c->o.stack_bytes = o->stack_bytes ? o->stack_bytes : 512u << 10;
    c->q = workq_new();
    c->stats.took = HISTOGRAM(took_bounds);
    c->stats.worked = HISTOGRAM(worked_bounds);
    c->workers = xcalloc(c->o.workers, sizeof *c->workers);
    mutex_init(&c->mu);
    return c;
}

void controller_free(struct controller *c)
{
    if (!c)
        return;
    for (struct watch *w = c->watches, *next; w; w = next) {
        next = w->next;
        free(w);
    }
    workq_free(c->q);
    free(c->workers);
    mutex_done(&c->mu);
    free(c);
}

static void add_self(void *self, const json_t *obj, struct workq *q)
{
    workq_add(q, KEY(kube_namespace(obj), kube_name(obj)));
}

static void add_owner(void *self, const json_t *obj, struct workq *q)
{
    const struct watch *w = self;
    const json_t *ref = kube_controller_of(obj);
    if (ref && streq(json_cstr(ref, "kind"), w->owner_kind) && json_cstr(ref, "name"))
        workq_add(q, KEY(w->owner_is_namespaced ? kube_namespace(obj) : "", json_cstr(ref, "name")));
}

static void add_labelled(void *self, const json_t *obj, struct workq *q)
{
    const struct watch *w = self;
    const char *name = kube_label(obj, w->name_label);
    const char *ns = w->ns_label ? kube_label(obj, w->ns_label) : kube_namespace(obj);
    if (str_set(name) && ns)
        workq_add(q, KEY(ns, name));
}

static void on_event(void *self, const json_t *old, const json_t *new_)
{
    struct watch *w = self;
    if (old && old != new_)
        w->map(w->self, old, w->controller->q);
    if (new_)
        w->map(w->self, new_, w->controller->q);
}

static struct watch *watch_add(struct controller *c, struct informer *i, struct watch what)
{
    struct watch *w = xzalloc(sizeof *w);
    *w = what;
    w->controller = c;
    w->informer = i;
    w->next = c->watches;
    c->watches = w;
    if (!w->self)
        w->self = w;
    informer_on(i, &(struct informer_handler){ on_event, w });
    return w;
}

void controller_watch(struct controller *c, struct informer *i)
{
    watch_add(c, i, (struct watch){ .map = add_self });
}

void controller_watch_owned(struct controller *c, struct informer *i, const char *owner_kind, bool owner_is_namespaced)
{
    watch_add(c, i, (struct watch){ .map = add_owner, .owner_kind = owner_kind, .owner_is_namespaced = owner_is_namespaced });
}

void controller_watch_label(struct controller *c, struct informer *i, const char *name_label, const char *ns_label)
{
    watch_add(c, i, (struct watch){ .map = add_labelled, .name_label = name_label, .ns_label = ns_label });
}

void controller_watch_map(struct controller *c, struct informer *i, void (*map)(void *self, const json_t *obj, struct workq *q), void *self)
{
    watch_add(c, i, (struct watch){ .map = map, .self = self });
}

static void count_active(struct controller *c)
{
    LOCK_SCOPE(&c->mu);
    c->stats.active++;
}

static void count(struct controller *c, errc rc, bool again, int64_t began_us)
{
    int64_t took_us = clock_mono_us() - began_us;
    LOCK_SCOPE(&c->mu);
    c->stats.reconciles++;
    c->stats.errors += rc ? 1 : 0;
    c->stats.requeues += rc || again ? 1 : 0;
    c->stats.busy_us += took_us;
    histogram_add(&c->stats.took, (double)took_us / 1e6);
    histogram_add(&c->stats.worked, (double)took_us / 1e6);
    c->stats.active--;
}

static bool api_is_away(const struct controller *c)
{
    for (const struct watch *w = c->watches; w; w = w->next)
        if (informer_api_is_away(w->informer))
            return true;
    return false;
}

/* An API that does not answer is told once, not by each key and twice a second. */
static bool is_news(struct controller *c, errc rc)
{
    if (rc == ERR_CONFLICT || rc == ERR_CANCELLED)
        return false;
    bool away = api_is_away(c), told = atomic_exchange(&c->told_away, away);
    return !(away && told);
}

static void log_failure(struct controller *c, const struct key *k, errc rc, const struct err *e)
{
    if (is_news(c, rc))
        log_warn(c->o.name, "reconcile failed", KV("namespace", k->ns), KV("name", k->name), KV("err", e->text));
    else
        log_debug(c->o.name, "reconcile again", KV("namespace", k->ns), KV("name", k->name), KV("err", e->text));
}

static int64_t wait_at_most_ms(const struct controller *c, errc rc, const struct reconcile_result *r)
{
    if (r->progressed)
        return PROGRESS_MAX_MS;
    return rc == ERR_CONFLICT ? CONFLICT_MAX_MS : api_is_away(c) ? AWAY_MAX_MS : WORKQ_BACKOFF_MAX_MS;
}

static void reconcile_one(struct controller *c, struct arena *arena, const struct key *k)
{
    struct op op = { .arena = arena, .cancel = c->cancel, .now_ms = clock_wall_ms(), .controller = c->o.name };
    struct reconcile_result result = { 0 };
    struct err e = { 0 };
    int64_t began_us = clock_mono_us();
    count_active(c);
    errc rc = c->o.reconcile(c->o.self, &op, k, &result, &e);
    count(c, rc, result.requeue_after_ms > 0, began_us);
    if (rc) {
        log_failure(c, k, rc, &e);
        workq_add_failed(c->q, k, wait_at_most_ms(c, rc, &result));
        return;
    }
    c->told_away = false;
    workq_forget(c->q, k);
    if (result.requeue_after_ms > 0)
        workq_add_after(c->q, k, result.requeue_after_ms);
}

static void work(void *arg)
{
    struct controller *c = arg;
    AUTO_FREE(arena) arena = arena_new();
    const struct key *k;
    while ((k = workq_get(c->q))) {
        reconcile_one(c, arena, k);
        arena_clear(arena);
        workq_done(c->q, k);
    }
}

static void stop_queue(void *arg) { workq_stop(arg); }

/* Reconciling before the caches are filled would see objects as gone. */
static void start_when_synced(void *arg)
{
    struct controller *c = arg;
    for (struct watch *w = c->watches; w; w = w->next)
        if (!informer_wait_synced(w->informer, c->cancel))
            return;
    if (c->o.begins)
        c->o.begins(c->o.self, c);
    for (unsigned i = 0; i < c->o.workers; i++)
        thread_start_sized(&c->workers[i], c->o.name, c->o.stack_bytes, work, c);
}

void controller_start(struct controller *c, struct cancel *cancel)
{
    c->cancel = cancel;
    cancel_hook_add(cancel, stop_queue, c->q);
    thread_start(&c->starter, c->o.name, start_when_synced, c);
}

void controller_join(struct controller *c)
{
    thread_join(&c->starter);
    for (unsigned i = 0; i < c->o.workers; i++)
        thread_join(&c->workers[i]);
    if (c->cancel)
        cancel_hook_del(c->cancel, stop_queue, c->q);
    c->cancel = NULL;
}

bool controller_put_off(struct controller *c, const struct key *k, int64_t at_most_ms) { return workq_put_off(c->q, k, at_most_ms); }
bool controller_is_crowded(struct controller *c) { return workq_is_crowded(c->q); }
void controller_enqueue(struct controller *c, const struct key *k) { workq_add(c->q, k); }
void controller_enqueue_first(struct controller *c, const struct key *k) { workq_add_first(c->q, k); }
const char *controller_name(const struct controller *c) { return c->o.name; }
void controller_queue_stats(struct controller *c, struct workq_stats *out) { workq_stats(c->q, out); }

void controller_stats(struct controller *c, struct controller_stats *out)
{
    size_t queued = workq_len(c->q);
    LOCK_SCOPE(&c->mu);
    *out = c->stats;
    out->queued = queued;
    out->workers = c->o.workers;
}
