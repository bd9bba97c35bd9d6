/* The event recorder: a bounded queue and one thread that writes. */
#include "kube/events.h"

#include <stdarg.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "kube/meta.h"
#include "kube/priv.h"

#define QUEUE_MAX 1000                  /* client-go's maxQueuedEvents */
#define KNOWN_MAX 4096                  /* its maxLruCacheEntries */
#define SPAM_BURST 25                   /* its defaultSpamBurst and defaultSpamQPS = 1/300 s */
#define SPAM_REFILL_MS 300000
#define MESSAGE_MAX 1024                /* the API's limit of message */
#define FLUSH_MS 2000
#define TRIES 3

static const struct kube_gvr events_gvr = { "", "v1", "events" };

struct pending { struct pending *next; json_t *event; char *key, *spam_key; };
struct known { char *name; int64_t count; };            /* an event already written */
struct bucket { double tokens; int64_t at_ms; };        /* of one object */

struct recorder {
    struct kube_client *client;
    char *component, *host;
    struct thread thread;
    struct cancel *stop;                /* the owner waited long enough */

    struct mutex mu;                    /* a leaf; guards the queue */
    struct cond wake;
    struct pending *head, **tail;
    size_t n;
    uint64_t dropped;
    bool closing;

    struct map *known, *buckets;        /* the thread alone */
};

static void known_free(void *p)
{
    struct known *k = p;
    free(k->name);
    free(k);
}

static void pending_free(struct pending *p)
{
    json_decref(p->event);
    free(p->key);
    free(p->spam_key);
    free(p);
}

static json_t *reference(const json_t *obj, const char *field_path)
{
    json_t *r = json_object();
    json_put_str(r, "kind", kube_kind(obj));
    if (*kube_namespace(obj))
        json_put_str(r, "namespace", kube_namespace(obj));
    json_put_str(r, "name", kube_name(obj));
    json_put_str(r, "uid", kube_uid(obj));
    json_put_str(r, "apiVersion", kube_api_version(obj));
    json_put_str(r, "resourceVersion", kube_resource_version(obj));
    json_put_str(r, "fieldPath", field_path);
    return r;
}

struct origin { const char *component, *host; };        /* host NULL: none */

static json_t *event_object(const struct origin *from, const json_t *obj, const char *field_path, const char *type, const char *reason,
                            struct str text)
{
    char now[TIME_TEXT_MAX];
    int64_t us = clock_wall_us();
    time_rfc3339(us / 1000, now);
    const char *ns = kube_namespace(obj);
    AUTO_MEM char *name = xasprintf("%s.%llx", kube_name(obj), (unsigned long long)us * 1000);
    json_t *e = kube_object("v1", "Event", *ns ? ns : "default", name), *source = json_object();
    json_put(e, "involvedObject", reference(obj, field_path));
    json_put_str(e, "reason", reason);
    json_put(e, "message", json_strn(text));
    json_put(e, "source", source);
    json_put_str(source, "component", from->component);
    json_put_str(source, "host", from->host);
    json_put_str(e, "firstTimestamp", now);
    json_put_str(e, "lastTimestamp", now);
    json_put_int(e, "count", 1);
    json_put_str(e, "type", type);
    json_put(e, "eventTime", json_null());
    json_put_str(e, "reportingComponent", from->component);
    json_put_str(e, "reportingInstance", from->host ? from->host : "");
    return e;
}

static void queue_event(struct recorder *r, const char *component, const json_t *obj, const char *field_path, const char *type, const char *reason,
                        struct str message)
{
    if (message.n > MESSAGE_MAX)
        message.n = MESSAGE_MAX;
    struct pending *p = xzalloc(sizeof *p);
    p->event = event_object(&(struct origin){ component, r->host }, obj, field_path, type, reason, message);
    const char *uid = kube_uid(obj);
    p->spam_key = xasprintf("%s/%s/%s/%s", kube_kind(obj), kube_namespace(obj), kube_name(obj), uid ? uid : "");
    p->key = xasprintf("%s|%s|%s|%s|%s", p->spam_key, field_path ? field_path : "", type, reason, json_cstr(p->event, "message"));
    {
        LOCK_SCOPE(&r->mu);
        if (r->n < QUEUE_MAX && !r->closing) {
            *r->tail = p;
            r->tail = &p->next;
            r->n++;
            cond_signal(&r->wake);
            return;
        }
        r->dropped++;
    }
    pending_free(p);
}

void recorder_event_at(struct recorder *r, const json_t *obj, const char *field_path, const char *type, const char *reason, const char *text)
{
    queue_event(r, r->component, obj, field_path, type, reason, str_of(text));
}

void recorder_event(struct recorder *r, const json_t *obj, const char *type, const char *reason, const char *fmt, ...)
{
    AUTO_BUF text = { 0 };
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    queue_event(r, r->component, obj, NULL, type, reason, buf_str(&text));
}

void recorder_event_from(struct recorder *r, const char *component, const json_t *obj, const char *type, const char *reason, const char *fmt, ...)
{
    AUTO_BUF text = { 0 };
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    queue_event(r, component, obj, NULL, type, reason, buf_str(&text));
}

static bool is_spam(struct recorder *r, const struct pending *p)
{
    int64_t now = clock_mono_ms();
    struct bucket *b = map_get(r->buckets, str_of(p->spam_key));
    if (!b) {
        if (map_len(r->buckets) >= KNOWN_MAX)
            map_clear(r->buckets);
        b = xzalloc(sizeof *b);
        *b = (struct bucket){ SPAM_BURST, now };
        map_put(r->buckets, str_of(p->spam_key), b);
    }
    b->tokens += (double)(now - b->at_ms) / SPAM_REFILL_MS;
    b->tokens = b->tokens > SPAM_BURST ? SPAM_BURST : b->tokens;
    b->at_ms = now;
    if (b->tokens < 1)
        return true;
    b->tokens -= 1;
    return false;
}

static errc write_again(struct recorder *r, const struct pending *p, struct known *k, struct err *e)
{
    AUTO_JSON patch = json_object();
    json_put_int(patch, "count", k->count + 1);
    json_put_str(patch, "lastTimestamp", json_cstr(p->event, "lastTimestamp"));
    TRY(kube_patch(r->client, &events_gvr, kube_namespace(p->event), k->name, NULL, KUBE_PATCH_MERGE, patch, NULL, e));
    k->count++;
    return ERR_OK;
}

static void log_event(const struct recorder *r, const json_t *event)
{
    const json_t *obj = json_object_get(event, "involvedObject");
    const char *ns = json_cstr(obj, "namespace");
    AUTO_MEM char *object = xasprintf("%s %s%s%s", json_cstr(obj, "kind"), ns ? ns : "", ns ? "/" : "", json_cstr(obj, "name"));

    log_at(streq(json_cstr(event, "type"), EVENT_WARNING) ? LOG_WARN : LOG_INFO, r->component, "event", KV("object", object),
           KV("reason", json_cstr(event, "reason")), KV("message", json_cstr(event, "message")));
}

static errc write_new(struct recorder *r, const struct pending *p, struct err *e)
{
    TRY(kube_create(r->client, &events_gvr, NULL, p->event, NULL, e));
    log_event(r, p->event);
    if (map_len(r->known) >= KNOWN_MAX)
        map_clear(r->known);
    struct known *k = xzalloc(sizeof *k);
    *k = (struct known){ xstrdup(kube_name(p->event)), 1 };
    map_put(r->known, str_of(p->key), k);
    return ERR_OK;
}

static errc write_one(struct recorder *r, const struct pending *p, struct err *e)
{
    struct known *k = map_get(r->known, str_of(p->key));
    if (!k)
        return write_new(r, p, e);
    errc rc = write_again(r, p, k, e);
    if (rc != ERR_NOT_FOUND)
        return rc;
    map_del(r->known, str_of(p->key));          /* it expired: begin anew */
    return write_new(r, p, e);
}

static void write_with_retries(struct recorder *r, const struct pending *p)
{
    struct err e = { 0 };
    errc rc = ERR_OK;
    for (int i = 0; i < TRIES; i++) {
        rc = write_one(r, p, &e);
        if (!rc || rc == ERR_NOT_FOUND || rc == ERR_FORBIDDEN || rc == ERR_CANCELLED || rc == ERR_EXISTS)
            break;                              /* done, or no second try would differ (the namespace goes away) */
        if (cancel_wait_ms(r->stop, kube_jitter_ms(500 << i)))
            break;
    }
    if (rc)
        log_debug("events", "event not written", KV("err", e.text));
}

static struct pending *take_next(struct recorder *r)
{
    LOCK_SCOPE(&r->mu);
    while (!r->head && !r->closing)
        cond_wait(&r->wake, &r->mu);
    struct pending *p = r->head;
    if (!p)
        return NULL;
    r->head = p->next;
    if (!r->head)
        r->tail = &r->head;
    r->n--;
    return p;
}

static void recorder_run(void *arg)
{
    struct recorder *r = arg;
    struct pending *p;
    while ((p = take_next(r))) {
        if (!cancel_is(r->stop) && !is_spam(r, p))
            write_with_retries(r, p);
        pending_free(p);
        LOCK_SCOPE(&r->mu);
        cond_broadcast(&r->wake);
    }
}

struct recorder *recorder_new(struct kube_client *c, const char *component, const char *host)
{
    struct recorder *r = xzalloc(sizeof *r);
    r->client = c;
    r->component = xstrdup(component);
    r->host = xstrdup(host);
    r->stop = cancel_new();
    mutex_init(&r->mu);
    cond_init(&r->wake);
    r->tail = &r->head;
    r->known = map_new(known_free);
    r->buckets = map_new(free);
    thread_start(&r->thread, "events", recorder_run, r);
    return r;
}

void recorder_free(struct recorder *r)
{
    if (!r)
        return;
    int64_t until = clock_mono_ms() + FLUSH_MS;
    {
        LOCK_SCOPE(&r->mu);
        r->closing = true;
        cond_broadcast(&r->wake);
        while (r->n && cond_wait_until(&r->wake, &r->mu, until))
            ;
    }
    cancel_now(r->stop);
    thread_join(&r->thread);
    map_free(r->known);
    map_free(r->buckets);
    cancel_free(r->stop);
    cond_done(&r->wake);
    mutex_done(&r->mu);
    free(r->component);
    free(r->host);
    free(r);
}
