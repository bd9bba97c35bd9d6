/* The verbs over HTTP. */
#include <poll.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/meta.h"
#include "kube/priv.h"

#define TRIES_MAX 10                    /* client-go's retries of a reply with Retry-After */
#define RETRY_WAIT_MAX_MS 30000
#define UNTIMED_TRIES_MAX 4             /* of a reply that asks for patience and does not say how much */
#define UNTIMED_WAIT_MS 25              /* before the first of those, doubled for each */
#define INITIALIZING_WAIT_MS 20
#define PAGE_DEFAULT 500

bool kube_gvr_same(const struct kube_gvr *a, const struct kube_gvr *b)
{
    return streq(a->group, b->group) && streq(a->version, b->version) && streq(a->resource, b->resource);
}

errc kube_client_new(const struct kube_config *cfg, const char *user_agent, struct cancel *cancel, struct kube_client **out, struct err *e)
{
    AUTO_FREE(kube_client) c = xzalloc(sizeof *c);
    struct http_pair accept = { "Accept", "application/json" };
    struct http_client_opts o = {
        .tls = { .ca_pem = cfg->ca_pem, .cert_pem = cfg->cert_pem, .key_pem = cfg->key_pem, .insecure = cfg->insecure },
        .headers = &accept, .n_headers = 1,
        .bearer = cfg->token, .bearer_file = cfg->token_file, .user_agent = user_agent,
    };
    c->server = xstrdup(cfg->server);
    c->namespace_ = xstrdup(cfg->namespace_);
    c->cancel = cancel;
    mutex_init(&c->counts.mu);
    TRY(http_client_new(&o, &c->http, e));
    *out = TAKE(c);
    return ERR_OK;
}

void kube_client_hurry(struct kube_client *c, int64_t timeout_ms) { c->timeout_ms = timeout_ms; }

void kube_client_free(struct kube_client *c)
{
    if (!c)
        return;
    http_client_free(c->http);
    mutex_done(&c->counts.mu);
    free(c->server);
    free(c->namespace_);
    free(c);
}

const char *kube_client_namespace(const struct kube_client *c) { return c->namespace_; }
const char *kube_client_server(const struct kube_client *c) { return c->server; }

/* True when cancelled. */
static bool kube_wait_ms(struct cancel *c, int64_t ms)
{
    if (c)
        return cancel_wait_ms(c, ms);
    poll(NULL, 0, (int)ms);     /* a tool without a token waits in full */
    return false;
}

int64_t kube_jitter_ms(int64_t ms) { return ms + (int64_t)(random_u64() % (uint64_t)(ms > 0 ? ms : 1)); }

/* Reasons that say more than the HTTP status; both conflicts are 409. */
static const struct { const char *reason; errc code; } reasons[] = {
    { "AlreadyExists", ERR_EXISTS }, { "Conflict", ERR_CONFLICT }, { "NotFound", ERR_NOT_FOUND }, { "Invalid", ERR_INVALID },
    { "Expired", ERR_GONE }, { "Gone", ERR_GONE }, { "Forbidden", ERR_FORBIDDEN }, { "Unauthorized", ERR_UNAUTHORIZED },
    { "TooManyRequests", ERR_THROTTLED }, { "Timeout", ERR_TIMEOUT }, { "ServerTimeout", ERR_TIMEOUT },
    { "ServiceUnavailable", ERR_UNAVAILABLE }, { "BadRequest", ERR_BAD_REQUEST }, { "MethodNotAllowed", ERR_NOT_ALLOWED },
    { "InternalError", ERR_INTERNAL }, { "RequestEntityTooLarge", ERR_TOO_LARGE }, { "UnsupportedMediaType", ERR_UNSUPPORTED },
};

errc kube_status_error(int http_status, struct str body, const char *what, struct err *e)
{
    AUTO_JSON status = NULL;
    struct err ignored;
    errc code = http_status == 409 ? ERR_CONFLICT : err_from_http(http_status);
    errc parsed = body.n && body.p[0] == '{' ? json_parse(body, &status, &ignored) : ERR_INVALID;
    const char *message = parsed ? NULL : json_cstr(status, "message"), *reason = parsed ? NULL : json_cstr(status, "reason");
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (streq(reasons[i].reason, reason))
            code = reasons[i].code;
    if (!code)
        code = ERR_INTERNAL;
    if (str_set(message))
        return err_set(e, code, "%s", message);
    struct str line, rest;
    str_cut(str_trim(body), '\n', &line, &rest);
    if (line.n > 200)
        line.n = 200;
    return err_set(e, code, "%s: the server answered %d%s%.*s", what, http_status, line.n ? ": " : "", STR_ARG(line));
}

/* Refused unread (429), or a read: to ask again does nothing twice. Whoever gives up a reconcile for it asks for all the rest again, too. */
static bool is_harmless(const struct kube_call *call, int status)
{
    return status == 429 || (status == 503 && streq(call->method, "GET"));
}

/*
 * As long as the server asks. But one that has just learned a new kind only fills its cache, which takes milliseconds, while Retry-After
 * knows seconds.
 */
static int64_t asked_wait_ms(const struct http_response *r)
{
    size_t at;
    if (str_find(buf_str(&r->body), STR("storage is (re)initializing"), &at))
        return INITIALIZING_WAIT_MS;
    int64_t wait = http_retry_after_ms(&r->headers, 1000);
    return wait > RETRY_WAIT_MAX_MS ? RETRY_WAIT_MAX_MS : wait;
}

/* Before the next try, after so many; negative: there is none. */
static int64_t retry_wait_ms(const struct kube_client *c, const struct kube_call *call, const struct http_response *r, int tries)
{
    if (c->timeout_ms || call->once || !(r->status == 429 || r->status == 503))
        return -1;
    if (http_header_get(&r->headers, "Retry-After"))
        return tries < TRIES_MAX ? asked_wait_ms(r) : -1;
    return is_harmless(call, r->status) && tries < UNTIMED_TRIES_MAX ? kube_jitter_ms(UNTIMED_WAIT_MS << (tries - 1)) : -1;
}

static errc send_once(struct kube_client *c, const struct kube_call *call, struct http_response *r, struct err *e)
{
    AUTO_MEM char *url = xasprintf("%s%s", c->server, call->path);
    struct http_request q = {
        .method = call->method, .url = url, .content_type = call->content_type, .body = call->body,
        .cancel = c->cancel, .max_body = 512u << 20, .timeout_ms = c->timeout_ms,
    };
    int64_t began_us = clock_mono_us();
    errc rc = http_send(c->http, &q, r, e);
    int code = rc ? 0 : r->status;
    kube_count_request(c, call->method, code);
    log_debug("kube", "asked", KV("method", call->method), KV("path", call->path), KV("code", code), KV("took_us", clock_mono_us() - began_us));
    return rc;
}

errc kube_do(struct kube_client *c, const struct kube_call *call, struct buf *out, struct err *e)
{
    for (int tries = 1;; tries++) {
        AUTO_RESPONSE r = { 0 };
        TRY(send_once(c, call, &r, e));
        if (r.status >= 200 && r.status < 300) {
            if (out) {
                buf_done(out);
                *out = r.body;
                r.body = (struct buf){ 0 };
            }
            return ERR_OK;
        }
        int64_t wait_ms = retry_wait_ms(c, call, &r, tries);
        if (wait_ms < 0) {
            AUTO_MEM char *what = xasprintf("%s %s%s", call->method, c->server, call->path);
            return kube_status_error(r.status, buf_str(&r.body), what, e);
        }
        if (kube_wait_ms(c->cancel, wait_ms))
            return err_set(e, ERR_CANCELLED, "cancelled");
    }
}

errc kube_do_json(struct kube_client *c, const struct kube_call *call, json_t **out, struct err *e)
{
    AUTO_BUF body = { 0 };
    TRY(kube_do(c, call, &body, e));
    if (!out)
        return ERR_OK;
    kube_blank_managed_fields(body.p, body.n);
    if (json_parse(buf_str(&body), out, e))
        return err_wrap(e, "%s %s%s: the reply", call->method, c->server, call->path);
    return ERR_OK;
}

void kube_path(struct buf *out, const struct kube_gvr *r, const char *ns, const char *name, const char *sub)
{
    if (str_set(r->group))
        buf_addf(out, "/apis/%s/%s", r->group, r->version);
    else
        buf_addf(out, "/api/%s", r->version);
    if (str_set(ns)) {
        buf_adds(out, "/namespaces/");
        url_escape_add(out, str_of(ns));
    }
    buf_addf(out, "/%s", r->resource);
    if (str_set(name)) {
        buf_addc(out, '/');
        url_escape_add(out, str_of(name));
    }
    if (str_set(sub))
        buf_addf(out, "/%s", sub);
}

errc kube_get(struct kube_client *c, const struct kube_gvr *r, const char *ns, const char *name, json_t **out, struct err *e)
{
    AUTO_BUF path = { 0 };
    kube_path(&path, r, ns, name, NULL);
    return kube_do_json(c, &(struct kube_call){ .method = "GET", .path = path.p }, out, e);
}

errc kube_list(struct kube_client *c, const struct kube_gvr *r, const char *ns, const struct kube_list_opts *o, json_t **out, struct err *e)
{
    AUTO_BUF path = { 0 };
    AUTO_BUF query = { 0 };
    kube_path(&path, r, ns, NULL, NULL);
    if (o) {
        query_add(&query, "labelSelector", o->label_selector);
        query_add(&query, "fieldSelector", o->field_selector);
        query_add(&query, "resourceVersion", o->resource_version);
        if (o->limit)
            query_addf(&query, "limit", "%d", o->limit);
        query_add(&query, "continue", o->continue_token);
    }
    if (query.n)
        buf_addf(&path, "?%s", query.p);
    return kube_do_json(c, &(struct kube_call){ .method = "GET", .path = path.p }, out, e);
}

void kube_fill_kinds(json_t *list)
{
    const char *api = json_cstr(list, "apiVersion"), *kind = json_cstr(list, "kind");
    struct str k = str_of(kind ? kind : "");
    if (str_has_suffix(k, STR("List")))
        k.n -= 4;
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(list, "items"), i, item) {
        if (json_object_get(item, "kind"))
            continue;
        json_put(item, "kind", json_strn(k));
        json_put_str(item, "apiVersion", api);
    }
}

errc kube_list_all(struct kube_client *c, const struct kube_gvr *r, const char *ns, const struct kube_list_opts *o, json_t **out, struct err *e)
{
    struct kube_list_opts page = o ? *o : (struct kube_list_opts){ 0 };
    AUTO_JSON all = json_array();
    AUTO_MEM char *next = NULL;
    if (!page.limit)
        page.limit = PAGE_DEFAULT;
    do {
        AUTO_JSON list = NULL;
        page.continue_token = next;
        TRY(kube_list(c, r, ns, &page, &list, e));
        kube_fill_kinds(list);
        json_array_extend(all, json_object_get(list, "items"));
        free(next);
        next = xstrdup(json_str_at(list, "metadata", "continue", NULL));
        page.resource_version = NULL;
    } while (str_set(next));
    *out = TAKE(all);
    return ERR_OK;
}

static errc send_object(struct kube_client *c, const char *method, const char *path, const char *type, const json_t *obj, json_t **out,
                        struct err *e)
{
    AUTO_BUF body = { 0 };
    json_write(obj, &body);
    return kube_do_json(c, &(struct kube_call){ .method = method, .path = path, .content_type = type, .body = buf_str(&body) }, out, e);
}

errc kube_create(struct kube_client *c, const struct kube_gvr *r, const char *sub, const json_t *obj, json_t **out, struct err *e)
{
    AUTO_BUF path = { 0 };
    kube_path(&path, r, kube_namespace(obj), sub ? kube_name(obj) : NULL, sub);
    return send_object(c, "POST", path.p, "application/json", obj, out, e);
}

errc kube_create_as(struct kube_client *c, const struct kube_gvr *r, const json_t *obj, const char *manager, json_t **out, struct err *e)
{
    AUTO_BUF path = { 0 };
    kube_path(&path, r, kube_namespace(obj), NULL, NULL);
    buf_adds(&path, "?fieldManager=");
    url_escape_add(&path, str_of(manager));
    return send_object(c, "POST", path.p, "application/json", obj, out, e);
}

errc kube_update(struct kube_client *c, const struct kube_gvr *r, const char *sub, const json_t *obj, json_t **out, struct err *e)
{
    AUTO_BUF path = { 0 };
    kube_path(&path, r, kube_namespace(obj), kube_name(obj), sub);
    return send_object(c, "PUT", path.p, "application/json", obj, out, e);
}

errc kube_patch(struct kube_client *c, const struct kube_gvr *r, const char *ns, const char *name, const char *sub, enum kube_patch type,
                const json_t *patch, json_t **out, struct err *e)
{
    static const char *const types[] = {
        [KUBE_PATCH_MERGE] = "application/merge-patch+json",
        [KUBE_PATCH_JSON] = "application/json-patch+json",
        [KUBE_PATCH_STRATEGIC] = "application/strategic-merge-patch+json",
    };
    AUTO_BUF path = { 0 };
    kube_path(&path, r, ns, name, sub);
    return send_object(c, "PATCH", path.p, types[type], patch, out, e);
}

errc kube_apply(struct kube_client *c, const struct kube_gvr *r, const char *sub, const json_t *obj, const char *manager, bool force,
                json_t **out, struct err *e)
{
    AUTO_BUF path = { 0 };
    kube_path(&path, r, kube_namespace(obj), kube_name(obj), sub);
    buf_adds(&path, "?fieldManager=");
    url_escape_add(&path, str_of(manager));
    if (force)
        buf_adds(&path, "&force=true");
    return send_object(c, "PATCH", path.p, "application/apply-patch+yaml", obj, out, e);        /* JSON is YAML */
}

static json_t *delete_options(const struct kube_delete_opts *o)
{
    json_t *d = json_object();
    json_put_str(d, "apiVersion", "v1");
    json_put_str(d, "kind", "DeleteOptions");
    if (!o)
        return d;
    json_put_str(d, "propagationPolicy", o->propagation);
    if (o->has_grace)
        json_put_int(d, "gracePeriodSeconds", o->grace_seconds);
    if (o->uid)
        json_put_str(json_sub(d, "preconditions"), "uid", o->uid);
    if (o->resource_version)
        json_put_str(json_sub(d, "preconditions"), "resourceVersion", o->resource_version);
    return d;
}

errc kube_delete(struct kube_client *c, const struct kube_gvr *r, const char *ns, const char *name, const struct kube_delete_opts *o,
                 struct err *e)
{
    AUTO_BUF path = { 0 };
    AUTO_JSON options = delete_options(o);
    kube_path(&path, r, ns, name, NULL);
    return send_object(c, "DELETE", path.p, "application/json", options, NULL, e);
}

errc kube_delete_all(struct kube_client *c, const struct kube_gvr *r, const char *ns, const char *label_selector, struct err *e)
{
    AUTO_BUF path = { 0 };
    AUTO_BUF query = { 0 };
    kube_path(&path, r, ns, NULL, NULL);
    query_add(&query, "labelSelector", label_selector);
    if (query.n)
        buf_addf(&path, "?%s", query.p);
    AUTO_JSON options = delete_options(NULL);
    return send_object(c, "DELETE", path.p, "application/json", options, NULL, e);
}

errc kube_evict(struct kube_client *c, const json_t *pod, struct err *e)
{
    AUTO_JSON body = json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:{s:s}}}", "apiVersion", "policy/v1", "kind", "Eviction", "metadata", "name", kube_name(pod),
                               "namespace", kube_namespace(pod), "deleteOptions", "preconditions", "uid", kube_uid(pod));
    AUTO_BUF path = { 0 }, text = { 0 };

    kube_path(&path, KUBE_GVR("", "v1", "pods"), kube_namespace(pod), kube_name(pod), "eviction");
    json_write(body, &text);
    return kube_do(c, &(struct kube_call){ .method = "POST", .path = path.p, .content_type = "application/json", .body = buf_str(&text), .once = true }, NULL, e);
}

errc kube_raw(struct kube_client *c, const char *method, const char *path, const char *content_type, struct str body, struct buf *out,
              struct err *e)
{
    return kube_do(c, &(struct kube_call){ .method = method, .path = path, .content_type = content_type, .body = body }, out, e);
}
