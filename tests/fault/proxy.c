#include "proxy.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"

#define HEAD_MS 20
#define LOOK_MS 10                      /* how soon a waiting watch notices that it must end */

struct late { char *method, *path, *type; struct buf body; };

struct proxy {
    struct http_server *server;
    struct http_client *client;
    char *api, url[64];

    struct mutex mu;                    /* a leaf; guards the rest */
    struct proxy_rules rules;
    unsigned n_using;                   /* calls of the rules that run */
    struct cond unused;                 /* none runs */
    struct proxy_counts counts;
    unsigned n_calls;
    bool cut;
    unsigned era;                       /* watches of an earlier era end, */
    bool gone;                          /* with a 410 */
    struct late late;
};

/* ---- watches: a thread asks the API, the connection's thread gives away what it got ----------------------------------- */

struct feed {
    struct proxy *p;
    struct thread thread;
    struct cancel *stop;
    char *path, *target;
    unsigned era;

    struct mutex mu;                    /* a leaf; guards the rest */
    struct cond changed;
    struct buf line, out;
    int status;
    bool ended;
};

static struct proxy_rules rules_use(struct proxy *p)
{
    LOCK_SCOPE(&p->mu);
    p->n_using++;
    return p->rules;
}

static void rules_leave(struct proxy *p)
{
    LOCK_SCOPE(&p->mu);
    if (--p->n_using == 0)
        cond_broadcast(&p->unused);
}

static bool wanted(struct proxy *p, const char *path, struct str line)
{
    struct proxy_rules r = rules_use(p);
    bool yes = !r.event || r.event(r.self, path, line);

    rules_leave(p);
    return yes;
}

static errc feed_head(void *self, int status, const struct http_pairs *headers, struct err *e)
{
    struct feed *f = self;
    LOCK_SCOPE(&f->mu);
    f->status = status;
    cond_broadcast(&f->changed);
    return ERR_OK;
}

static errc feed_data(void *self, struct str chunk, struct err *e)
{
    struct feed *f = self;
    struct str rest, line, after;

    buf_addstr(&f->line, chunk);        /* this thread alone */
    rest = buf_str(&f->line);
    while (str_cut(rest, '\n', &line, &after)) {
        if (wanted(f->p, f->path, line)) {
            LOCK_SCOPE(&f->mu);
            buf_addf(&f->out, "%.*s\n", STR_ARG(line));
            cond_broadcast(&f->changed);
        }
        rest = after;
    }
    buf_cut(&f->line, f->line.n - rest.n);
    return ERR_OK;
}

static void feed_run(void *arg)
{
    struct feed *f = arg;
    struct http_request q = { .url = f->target, .timeout_ms = -1, .cancel = f->stop };

    (void)http_stream(f->p->client, &q, &(struct http_sink){ feed_head, feed_data, f }, NULL);
    LOCK_SCOPE(&f->mu);
    f->ended = true;
    cond_broadcast(&f->changed);
}

static void feed_free(void *self)
{
    struct feed *f = self;

    cancel_now(f->stop);
    thread_join(&f->thread);
    cancel_free(f->stop);
    cond_done(&f->changed);
    mutex_done(&f->mu);
    buf_done(&f->line);
    buf_done(&f->out);
    free(f->path);
    free(f->target);
    free(f);
}

static const char gone_event[] = "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"reason\":\"Expired\","
                                 "\"code\":410,\"message\":\"too old resource version\"}}\n";

/* HTTP_MORE: it goes on. */
static enum http_more feed_fate(struct feed *f, struct buf *out)
{
    struct proxy *p = f->p;
    LOCK_SCOPE(&p->mu);

    if (!p->cut && f->era == p->era)
        return HTTP_MORE;
    if (!p->cut && p->gone) {
        buf_adds(out, gone_event);
        return HTTP_END;
    }
    buf_adds(out, "{\"type\":\"MODI");
    return HTTP_ABORT;
}

static enum http_more feed_next(void *self, struct cancel *gone, struct buf *out)
{
    struct feed *f = self;
    enum http_more fate = feed_fate(f, out);

    if (fate != HTTP_MORE || cancel_is(gone))
        return fate == HTTP_MORE ? HTTP_END : fate;
    LOCK_SCOPE(&f->mu);
    if (!f->out.n && !f->ended)
        (void)cond_wait_until(&f->changed, &f->mu, clock_mono_ms() + LOOK_MS);
    buf_addstr(out, buf_str(&f->out));
    buf_clear(&f->out);
    return f->ended ? HTTP_END : HTTP_MORE;
}

static struct feed *feed_new(struct proxy *p, const struct http_exchange *x, const char *target, unsigned era)
{
    struct feed *f = xzalloc(sizeof *f);

    f->p = p;
    f->path = xstrdup(x->path);
    f->target = xstrdup(target);
    f->stop = cancel_new();
    f->era = era;
    mutex_init(&f->mu);
    cond_init(&f->changed);
    thread_start(&f->thread, "feed", feed_run, f);
    return f;
}

/* A refusal comes at once; an API that has nothing to tell yet may keep even the head of its reply. */
static void serve_watch(struct proxy *p, struct http_exchange *x, const char *target, unsigned era)
{
    struct feed *f = feed_new(p, x, target, era);
    int status;
    {
        LOCK_SCOPE(&f->mu);
        for (int64_t until = clock_mono_ms() + HEAD_MS; !f->status && !f->ended;)
            if (!cond_wait_until(&f->changed, &f->mu, until))
                break;
        status = f->status ? f->status : f->ended ? 502 : 200;
    }
    http_reply_stream(x, status, "application/json", &(struct http_source){ feed_next, feed_free, f });
}

/* ---- requests ------------------------------------------------------------------------------------------------------------ */

static enum http_more abort_reply(void *self, struct cancel *gone, struct buf *out) { return HTTP_ABORT; }

static void cut_reply(struct http_exchange *x)
{
    http_reply_stream(x, 200, "application/json", &(struct http_source){ .next = abort_reply });
}

static bool is_write(const struct http_exchange *x)
{
    return !streq(x->method, "GET") && !strstr(x->path, "/events");
}

/* The rules' verdict; a killed client's requests are cut. *era: of a watch that begins now. */
static struct fault admit(struct proxy *p, const struct http_exchange *x, struct proxy_call *call, unsigned *era)
{
    *call = (struct proxy_call){ .method = x->method, .path = x->path, .query = x->raw_query, .body = x->body,
                                 .watch = http_pairs_get(&x->query, "watch") != NULL };
    {
        LOCK_SCOPE(&p->mu);
        if (p->cut)
            return (struct fault){ FAULT_DEAD };        /* not a new cut: it may be answered after proxy_revive */
        *era = p->era;
        if (call->watch)
            p->counts.watches++;
        else if (is_write(x))
            call->n_write = ++p->counts.writes;
        else if (streq(x->method, "GET"))
            p->counts.reads++;
        call->n_call = call->watch ? p->n_calls : ++p->n_calls;
    }
    struct proxy_rules r = rules_use(p);
    struct fault f = r.judge ? r.judge(r.self, call) : (struct fault){ FAULT_NONE };

    rules_leave(p);
    return f;
}

static void cut_from_now(struct proxy *p)
{
    LOCK_SCOPE(&p->mu);
    p->cut = true;
}

static void keep_late(struct proxy *p, const struct http_exchange *x, const char *target)
{
    LOCK_SCOPE(&p->mu);
    if (p->cut)
        return;
    p->cut = true;
    p->late = (struct late){ xstrdup(x->method), xstrdup(target), xstrdup(http_header_get(&x->headers, "Content-Type")), { 0 } };
    buf_addstr(&p->late.body, x->body);
}

static void late_done(struct late *l)
{
    free(l->method);
    free(l->path);
    free(l->type);
    buf_done(&l->body);
    *l = (struct late){ 0 };
}

static void answer(struct http_exchange *x, const struct fault *f)
{
    if (f->retry_after)
        http_reply_header(x, "Retry-After", f->retry_after);
    http_replyf(x, f->status, "a fault put in by the test");
}

static void answered(struct proxy *p, const struct proxy_call *call, int status)
{
    struct proxy_rules r = rules_use(p);

    if (r.answered)
        r.answered(r.self, call, status);
    rules_leave(p);
}

static void forward(struct proxy *p, struct http_exchange *x, const struct proxy_call *call, const struct fault *f, const char *target)
{
    AUTO_RESPONSE reply = { 0 };
    struct err e = { 0 };
    struct http_request q = { .method = x->method, .url = target, .body = x->body, .content_type = http_header_get(&x->headers, "Content-Type"),
                              .max_body = 512u << 20 };
    errc rc = http_send(p->client, &q, &reply, &e);

    if (rc) {
        http_replyf(x, 502, "%s", e.text);
        return;
    }
    answered(p, call, reply.status);
    if (f->kind == FAULT_CUT_AFTER)
        cut_from_now(p);
    if (f->kind == FAULT_CUT_AFTER || f->kind == FAULT_BROKEN || (proxy_is_cut(p)))
        cut_reply(x);
    else if (f->kind == FAULT_ANSWER_AFTER)
        answer(x, f);
    else
        http_reply_take(x, reply.status, "application/json", &reply.body);
}

static void handle(void *self, struct http_exchange *x)
{
    struct proxy *p = self;
    struct proxy_call call;
    unsigned era = 0;
    struct fault f = admit(p, x, &call, &era);
    AUTO_MEM char *target = xasprintf("%s%s%s%s", p->api, x->raw_path, *x->raw_query ? "?" : "", x->raw_query);

    if (f.wait_ms > 0)
        (void)cancel_wait_ms(http_gone(x), f.wait_ms);
    if (f.kind == FAULT_CUT_BEFORE)
        cut_from_now(p);
    if (f.kind == FAULT_CUT_LATE)
        keep_late(p, x, target);
    if (f.kind == FAULT_CUT_BEFORE || f.kind == FAULT_CUT_LATE || f.kind == FAULT_DEAD)
        cut_reply(x);
    else if (f.kind == FAULT_ANSWER)
        answer(x, &f);
    else if (call.watch)
        serve_watch(p, x, target, era);
    else
        forward(p, x, &call, &f, target);
}

/* ---- from outside -------------------------------------------------------------------------------------------------------- */

errc proxy_start(const struct kube_config *api, struct proxy **out, struct err *e)
{
    struct proxy *p = xzalloc(sizeof *p);
    struct http_pair accept = { "Accept", "application/json" };
    struct http_client_opts o = { .tls = { .ca_pem = api->ca_pem, .cert_pem = api->cert_pem, .key_pem = api->key_pem, .insecure = api->insecure },
                                  .bearer = api->token, .headers = &accept, .n_headers = 1 };

    mutex_init(&p->mu);
    cond_init(&p->unused);
    p->api = xstrdup(api->server);
    errc rc = http_client_new(&o, &p->client, e);

    rc = rc ? rc : http_server_start(&(struct http_server_opts){ .handler = handle, .self = p, .max_body = 16u << 20 }, &p->server, e);
    if (rc) {
        proxy_stop(p);
        return rc;
    }
    snprintf(p->url, sizeof p->url, "http://127.0.0.1:%u", http_server_port(p->server));
    *out = p;
    return ERR_OK;
}

void proxy_stop(struct proxy *p)
{
    http_server_stop(p->server, 1000);
    http_client_free(p->client);
    late_done(&p->late);
    cond_done(&p->unused);
    mutex_done(&p->mu);
    free(p->api);
    free(p);
}

const char *proxy_url(const struct proxy *p) { return p->url; }

void proxy_arm(struct proxy *p, const struct proxy_rules *rules)
{
    LOCK_SCOPE(&p->mu);
    while (p->n_using)
        cond_wait(&p->unused, &p->mu);
    p->rules = rules ? *rules : (struct proxy_rules){ 0 };
    p->counts = (struct proxy_counts){ 0 };
    p->n_calls = 0;
}

bool proxy_is_cut(struct proxy *p)
{
    LOCK_SCOPE(&p->mu);
    return p->cut;
}

void proxy_revive(struct proxy *p)
{
    LOCK_SCOPE(&p->mu);
    p->cut = false;
}

errc proxy_deliver(struct proxy *p, bool *out_was_any, struct err *e)
{
    AUTO_RESPONSE reply = { 0 };
    struct late l;
    {
        LOCK_SCOPE(&p->mu);
        l = p->late;
        p->late = (struct late){ 0 };
    }
    *out_was_any = l.path != NULL;
    if (!l.path)
        return ERR_OK;
    struct http_request q = { .method = l.method, .url = l.path, .body = buf_str(&l.body), .content_type = l.type };
    errc rc = http_send(p->client, &q, &reply, e);

    late_done(&l);
    return rc;
}

void proxy_end_watches(struct proxy *p, bool gone)
{
    LOCK_SCOPE(&p->mu);
    p->era++;
    p->gone = gone;
}

void proxy_counts(struct proxy *p, struct proxy_counts *out)
{
    LOCK_SCOPE(&p->mu);
    *out = p->counts;
}
