/* A set of informers that start and stop together. */
#include "kube/informer.h"

#include "base/clock.h"
#include "base/mem.h"
#include "kube/priv.h"

struct informers {
    struct kube_client *client;
    struct cancel *stop, *outer;
    struct mutex mu;                    /* guards what follows; informers' locks may be taken under it */
    struct informer **items;
    size_t n, cap;
    bool started;
};

struct informers *informers_new(struct kube_client *c)
{
    struct informers *s = xzalloc(sizeof *s);
    s->client = c;
    s->stop = cancel_new();
    mutex_init(&s->mu);
    return s;
}

static void stop_all(void *arg) { cancel_now(arg); }

void informers_free(struct informers *s)
{
    if (!s)
        return;
    cancel_now(s->stop);
    informers_join(s);
    for (size_t i = 0; i < s->n; i++)
        informer_free(s->items[i]);
    free(s->items);
    cancel_free(s->stop);
    mutex_done(&s->mu);
    free(s);
}

static struct informer *get_locked(struct informers *s, const struct informer_opts *o);

/* The parts come before the one that reads them, so that they are freed with the set like any other. */
static struct informer_union *parts_locked(struct informers *s, const struct informer_opts *o)
{
    struct informer_union *u = xzalloc(sizeof *u);
    for (size_t i = 0; o->namespaces[i]; i++) {
        struct informer_opts one = *o;
        one.namespaces = NULL;
        one.ns = o->namespaces[i];
        union_add(u, one.ns, get_locked(s, &one));
    }
    return u;
}

static struct informer *get_locked(struct informers *s, const struct informer_opts *o)
{
    for (size_t i = 0; i < s->n; i++)
        if (informer_is_for(s->items[i], o))
            return s->items[i];
    struct informer *i = informer_new(s->client, o, o->namespaces ? parts_locked(s, o) : NULL);
    vec_grow(s->items, s->n, s->cap);
    s->items[s->n++] = i;
    if (s->started)
        informer_start(i, s->stop);
    return i;
}

struct informer *informers_get(struct informers *s, const struct informer_opts *o)
{
    LOCK_SCOPE(&s->mu);
    return get_locked(s, o);
}

struct informer *informers_find(struct informers *s, const struct kube_gvr *r)
{
    LOCK_SCOPE(&s->mu);
    for (size_t i = 0; i < s->n; i++)
        if (informer_is_whole(s->items[i], r))
            return s->items[i];
    return NULL;
}

void informers_start(struct informers *s, struct cancel *cancel)
{
    {
        LOCK_SCOPE(&s->mu);
        if (s->started)
            return;
        s->started = true;
        for (size_t i = 0; i < s->n; i++)
            informer_start(s->items[i], s->stop);
        s->outer = cancel;
    }
    if (cancel)
        cancel_hook_add(cancel, stop_all, s->stop);
}

/* The informers so far; they live as long as the set. */
static struct informer **copy_items(struct informers *s, size_t *out_n)
{
    LOCK_SCOPE(&s->mu);
    *out_n = s->n;
    return s->n ? xmemdup(s->items, s->n * sizeof *s->items) : NULL;
}

errc informers_wait_synced(struct informers *s, int64_t timeout_ms, struct err *e)
{
    size_t n;
    AUTO_MEM struct informer **items = copy_items(s, &n);
    int64_t until = timeout_ms < 0 ? -1 : clock_mono_ms() + timeout_ms;
    for (size_t i = 0; i < n; i++)
        TRY(informer_wait_until(items[i], s->stop, until, e));
    return ERR_OK;
}

void informers_join(struct informers *s)
{
    if (s->outer)
        cancel_hook_del(s->outer, stop_all, s->stop);
    s->outer = NULL;
    size_t n;
    AUTO_MEM struct informer **items = copy_items(s, &n);
    for (size_t i = 0; i < n; i++)
        informer_join(items[i]);
}
