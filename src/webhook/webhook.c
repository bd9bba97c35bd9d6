#include "webhook/webhook.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/tls.h"
#include "kube/controller.h"
#include "kube/meta.h"
#include "webhook/priv.h"
#include "webhook/traffic.h"

#define NAMES_MAX       12
#define RETRY_MS        1000            /* a Secret that the one who leads has still to fill */
#define REVIEW_MAX      (8u << 20)      /* an object and the one before it, each at most what etcd takes */
#define STOP_GRACE_MS   2000
#define HOUR_MS         3600000

static const struct kube_gvr secrets_gvr = { "", "v1", "secrets" };
static const struct kube_gvr configurations_gvr = { "admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations" };

struct webhook {
    struct webhook_opts o;
    struct kube_client *client;
    struct cancel *cancel;
    char *secret_field, *configuration_field, *names[4];
    struct informers *informers;
    struct informer *secrets, *configurations;
    struct controller *controller;
    atomic_bool leads;
    struct traffic *traffic;            /* one for each route */
    char *replaced;                     /* version of the Secret that the last write replaced ("": none), which a cache may still show. The worker's */

    struct mutex mu;                    /* a leaf; guards what follows. Only the one worker writes it */
    struct http_server *server;         /* NULL: no certificate yet */
    char *shown;                        /* the certificate it shows */
    bool trusted;                       /* the configuration vouches for it */
    struct webhook_stats stats;
};

/* ---- names ---------------------------------------------------------------------------------------------------------- */

struct names { const char *all[NAMES_MAX]; size_t n; };

static void name_add(struct names *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (streq(l->all[i], name))
            return;
    if (l->n < NAMES_MAX)
        l->all[l->n++] = name;
}

/* The first is the common name. Hosts of URLs hang on the arena. */
static void names_of(const struct webhook *w, struct arena *a, const json_t *configuration, struct names *out)
{
    const json_t *hook;
    struct url url;
    struct err e;
    size_t i;

    *out = (struct names){ 0 };
    for (i = 0; i < ARRAY_LEN(w->names); i++)
        name_add(out, w->names[i]);
    json_array_foreach(json_object_get(configuration, "webhooks"), i, hook) {
        const char *text = json_str_at(hook, "clientConfig", "url", NULL);

        if (text && url_parse(str_of(text), &url, &e) == ERR_OK)
            name_add(out, arena_strndup(a, url.host.p, url.host.n));
    }
}

/* ---- trust: the configuration --------------------------------------------------------------------------------------- */

/* False: each webhook of it has this bundle. */
static bool put_bundle(json_t *configuration, const char *bundle)
{
    json_t *hook;
    bool changed = false;
    size_t i;

    json_array_foreach(json_object_get(configuration, "webhooks"), i, hook) {
        json_t *client = json_sub(hook, "clientConfig");

        if (!streq(json_cstr(client, "caBundle"), bundle)) {
            json_put_str(client, "caBundle", bundle);
            changed = true;
        }
    }
    return changed;
}

static errc trust(struct webhook *w, const json_t *configuration, const char *ca_pem, struct err *e)
{
    AUTO_BUF bundle = { 0 };
    AUTO_JSON mine = configuration ? json_clone(configuration) : NULL;

    base64_add(&bundle, ca_pem, strlen(ca_pem));
    if (!mine || !put_bundle(mine, buf_cstr(&bundle)))
        return ERR_OK;
    if (kube_update(w->client, &configurations_gvr, NULL, mine, NULL, e))
        return err_wrap(e, "put the authority into ValidatingWebhookConfiguration %s", w->o.configuration);
    log_info("webhook", "authority written", KV("name", w->o.configuration));
    return ERR_OK;
}

/* ---- the server ------------------------------------------------------------------------------------------------------ */

static void on_request(void *self, struct http_exchange *x)
{
    struct webhook *w = self;

    const struct admission_route *route = admission_route_of(w->o.routes, w->o.n_routes, x->path);
    struct traffic *t = route ? &w->traffic[route - w->o.routes] : NULL;
    int64_t began_us = t ? traffic_begin(t) : 0;
    int status = admission_handle(route, x);

    if (t)
        traffic_end(t, began_us, status);
}

static errc listen_with(struct webhook *w, const struct serving_pair *p, struct err *e)
{
    const char *address = w->o.address ? w->o.address : "*";
    struct http_server_opts o = { .addresses = &address, .n_addresses = 1, .port = w->o.port, .cert_pem = p->cert, .key_pem = p->key,
                                  .tls13_only = true, .max_body = REVIEW_MAX, .max_connections = 256, .handler = on_request, .self = w };
    struct http_server *server = NULL;

    TRY(http_server_start(&o, &server, e));
    LOCK_SCOPE(&w->mu);
    w->server = server;
    return ERR_OK;
}

static errc show(struct webhook *w, const struct serving_pair *p, int64_t good_for_s, struct err *e)
{
    bool first = w->server == NULL;

    if (streq(w->shown, p->cert))
        return ERR_OK;
    TRY(first ? listen_with(w, p, e) : http_server_set_cert(w->server, p->cert, p->key, e));
    log_info("webhook", first ? "serving" : "certificate changed", KV("port", http_server_port(w->server)), KV("renew_in_s", good_for_s));
    LOCK_SCOPE(&w->mu);
    free(w->shown);
    w->shown = xstrdup(p->cert);
    w->stats.rotations += first ? 0 : 1;
    return ERR_OK;
}

/* ---- the certificate -------------------------------------------------------------------------------------------------- */

static const char *version_of(const json_t *secret)
{
    return secret ? kube_resource_version(secret) : "";
}

static errc store(struct webhook *w, const json_t *secret, const struct serving_pair *p, struct err *e)
{
    AUTO_JSON mine = secret ? json_clone(secret) : kube_object("v1", "Secret", w->o.ns, w->o.secret);
    errc rc;

    serving_pair_write(p, mine);
    rc = secret ? kube_update(w->client, &secrets_gvr, NULL, mine, NULL, e) : kube_create(w->client, &secrets_gvr, NULL, mine, NULL, e);
    if (rc)
        return err_wrap(e, "write Secret %s/%s", w->o.ns, w->o.secret);
    free(w->replaced);
    w->replaced = xstrdup(version_of(secret));
    return ERR_OK;
}

/* p is the present pair, or empty; the next one takes its place only once the Secret has it. */
static errc renew(struct webhook *w, const json_t *secret, const json_t *configuration, const struct names *names, struct serving_pair *p, struct err *e)
{
    struct serving_pair next = { 0 };
    bool had = p->cert != NULL;
    errc rc = serving_pair_make(names->all, names->n, w->o.days, had ? p : NULL, &next, e);

    if (!rc && had) {
        rc = trust(w, configuration, next.ca, e);
        if (!rc && cancel_wait_ms(w->cancel, w->o.settle_ms))
            rc = err_set(e, ERR_CANCELLED, "stopped");
    }
    rc = rc ? rc : store(w, secret, &next, e);
    if (rc) {
        serving_pair_done(&next);
        return rc;
    }
    serving_pair_done(p);
    *p = next;
    return ERR_OK;
}

/* The configuration may have moved on while the authority settled: it is read again. */
static errc show_and_tell(struct webhook *w, const struct serving_pair *p, int64_t good_for_s, struct err *e)
{
    AUTO_JSON configuration = informer_get(w->configurations, "", w->o.configuration);

    TRY(show(w, p, good_for_s, e));
    if (!w->leads)
        return ERR_OK;
    TRY(trust(w, configuration, p->ca, e));
    LOCK_SCOPE(&w->mu);
    w->trusted = configuration != NULL;
    return ERR_OK;
}

static errc keep(struct webhook *w, struct op *op, struct serving_pair *p, struct reconcile_result *out, struct err *e)
{
    AUTO_JSON secret = informer_get(w->secrets, w->o.ns, w->o.secret);
    AUTO_JSON configuration = informer_get(w->configurations, "", w->o.configuration);
    struct names names;

    if (streq(w->replaced, version_of(secret)))
        return ERR_OK;                  /* the event of our own write is on its way */
    names_of(w, op->arena, configuration, &names);
    bool usable = secret && serving_pair_read(secret, p);
    int64_t left_s = usable ? serving_pair_good_for(p, names.all, names.n, w->o.renew_before_s) : 0;

    if (left_s == 0 && w->leads) {
        TRY(renew(w, secret, configuration, &names, p, e));
        left_s = serving_pair_good_for(p, names.all, names.n, w->o.renew_before_s);
        usable = true;
    }
    out->requeue_after_ms = left_s > 0 ? (left_s < 3600 ? left_s * 1000 : HOUR_MS) : RETRY_MS;
    return usable ? show_and_tell(w, p, left_s, e) : ERR_OK;
}

static errc reconcile(void *self, struct op *op, const struct key *key, struct reconcile_result *out, struct err *e)
{
    struct serving_pair p = { 0 };
    errc rc = keep(self, op, &p, out, e);

    (void)key;
    serving_pair_done(&p);
    return rc;
}

/* ---- life ------------------------------------------------------------------------------------------------------------- */

static const struct key the_key = { "", "certificate" };

static void on_change(void *self, const json_t *obj, struct workq *q)
{
    (void)self;
    (void)obj;
    workq_add(q, &the_key);
}

static struct informer *watch_one(struct webhook *w, struct kube_gvr gvr, const char *ns, const char *field)
{
    struct informer *i = informers_get(w->informers, &(struct informer_opts){ .gvr = gvr, .ns = ns, .field_selector = field });

    controller_watch_map(w->controller, i, on_change, w);
    return i;
}

static void set_defaults(struct webhook *w)
{
    struct webhook_opts *o = &w->o;
    struct admission_route *routes = xcalloc(o->n_routes, sizeof *routes);

    memcpy(routes, o->routes, o->n_routes * sizeof *routes);
    o->routes = routes;
    w->traffic = xcalloc(o->n_routes, sizeof *w->traffic);
    for (size_t i = 0; i < o->n_routes; i++)
        traffic_init(&w->traffic[i], routes[i].path);
    o->days = o->days ? o->days : 7;
    o->renew_before_s = o->renew_before_s ? o->renew_before_s : 86400;
    o->settle_ms = o->settle_ms ? o->settle_ms : 5000;
    w->names[0] = xasprintf("%s.%s.svc", o->service, o->ns);
    w->names[1] = xstrdup(o->service);
    w->names[2] = xasprintf("%s.%s", o->service, o->ns);
    w->names[3] = xasprintf("%s.%s.svc.cluster.local", o->service, o->ns);
    w->secret_field = xasprintf("metadata.name=%s", o->secret);
    w->configuration_field = xasprintf("metadata.name=%s", o->configuration);
}

struct webhook *webhook_start(struct kube_client *client, const struct webhook_opts *o, struct cancel *cancel)
{
    struct webhook *w = xzalloc(sizeof *w);

    w->o = *o;
    w->client = client;
    w->cancel = cancel;
    mutex_init(&w->mu);
    set_defaults(w);
    w->controller = controller_new(&(struct controller_opts){ .name = "webhook", .workers = 1, .reconcile = reconcile, .self = w });
    w->informers = informers_new(client);
    w->secrets = watch_one(w, secrets_gvr, w->o.ns, w->secret_field);
    w->configurations = watch_one(w, configurations_gvr, NULL, w->configuration_field);
    controller_enqueue(w->controller, &the_key);
    informers_start(w->informers, cancel);
    controller_start(w->controller, cancel);
    return w;
}

void webhook_lead(struct webhook *w)
{
    w->leads = true;
    controller_enqueue(w->controller, &the_key);
}

bool webhook_serving(struct webhook *w)
{
    LOCK_SCOPE(&w->mu);
    return w->shown != NULL;
}

bool webhook_trusted(struct webhook *w)
{
    LOCK_SCOPE(&w->mu);
    return w->shown && w->trusted;
}

void webhook_stats(struct webhook *w, struct webhook_stats *out)
{
    struct http_server_stats server = { 0 };
    struct http_server *running;
    int64_t left_s = 0;
    struct err e;

    {
        LOCK_SCOPE(&w->mu);
        *out = w->stats;
        running = w->server;
        if (w->shown && tls_cert_expires_in(str_of(w->shown), &left_s, &e) == ERR_OK)
            out->cert_ends_ms = clock_wall_ms() + left_s * 1000;
    }
    if (running)
        http_server_stats(running, &server);
    out->requests = server.requests;
}

void webhook_metrics(struct webhook *w, struct buf *out)
{
    struct webhook_stats s;

    webhook_stats(w, &s);
    for (size_t i = 0; i < w->o.n_routes; i++)
        traffic_metrics(&w->traffic[i], out);
    buf_addf(out, "# HELP kaito_webhook_certificate_expiry_seconds When the certificate ends, in seconds since 1970.\n"
                  "# TYPE kaito_webhook_certificate_expiry_seconds gauge\nkaito_webhook_certificate_expiry_seconds %lld\n"
                  "# HELP kaito_webhook_certificate_rotations_total Number of certificates that were replaced.\n"
                  "# TYPE kaito_webhook_certificate_rotations_total counter\nkaito_webhook_certificate_rotations_total %llu\n",
             (long long)(s.cert_ends_ms / 1000), (unsigned long long)s.rotations);
}

void webhook_join(struct webhook *w)
{
    if (!w)
        return;
    informers_join(w->informers);
    controller_join(w->controller);
    informers_free(w->informers);
    controller_free(w->controller);
    http_server_stop(w->server, STOP_GRACE_MS);
    for (size_t i = 0; i < ARRAY_LEN(w->names); i++)
        free(w->names[i]);
    free(w->secret_field);
    free(w->configuration_field);
    free(w->shown);
    free(w->replaced);
    for (size_t i = 0; i < w->o.n_routes; i++)
        traffic_done(&w->traffic[i]);
    free(w->traffic);
    free((void *)(uintptr_t)w->o.routes);
    mutex_done(&w->mu);
    free(w);
}
