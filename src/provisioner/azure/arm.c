#include "provisioner/azure/arm.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"

#define REPLY_MAX      (16u << 20)
#define PAGES_MAX      1000
#define DAY_MS         86400000LL
#define SEND_TIMEOUT_MS 60000
#define WRITE_TIMEOUT_MS 25000          /* less than a pod has to stop */

struct arm {
    struct arm_opts o;
    struct budget *budget;
    atomic_ullong counts[BUDGET_CLASSES][6];    /* by status / 100; 0: no answer */
};

static int64_t machine_now(void *self)
{
    return clock_mono_ms();
}

struct arm *arm_new(const struct arm_opts *o)
{
    struct arm *a = xzalloc(sizeof *a);

    a->o = *o;
    if (!a->o.now_ms)
        a->o.now_ms = machine_now;
    a->budget = budget_new(o->budget_scale > 0 ? (double)o->budget_scale : 1);
    return a;
}

void arm_free(struct arm *a)
{
    if (a)
        budget_free(a->budget);
    free(a);
}

int64_t arm_now_ms(const struct arm *a)
{
    return a->o.now_ms(a->o.now_self);
}

void arm_metrics(struct arm *a, struct buf *out)
{
    buf_adds(out, "# HELP kaito_arm_requests_total Requests to Azure Resource Manager by class and status.\n# TYPE kaito_arm_requests_total counter\n");
    for (int c = 0; c < BUDGET_CLASSES; c++)
        for (int s = 0; s < 6; s++)
            if (a->counts[c][s])
                buf_addf(out, "kaito_arm_requests_total{class=\"%s\",status=\"%s\"} %llu\n", budget_class_name(c),
                         (const char *[]){ "none", "1xx", "2xx", "3xx", "4xx", "5xx" }[s], (unsigned long long)a->counts[c][s]);
    buf_adds(out, "# HELP kaito_arm_requests_left Requests that may be sent at once.\n# TYPE kaito_arm_requests_left gauge\n");
    for (int c = 0; c < BUDGET_CLASSES; c++)
        buf_addf(out, "kaito_arm_requests_left{class=\"%s\"} %.0f\n", budget_class_name(c), budget_left(a->budget, c, arm_now_ms(a)));
}

void arm_reply_done(struct arm_reply *r)
{
    http_pairs_done(&r->headers);
    json_decref(r->body);
    *r = (struct arm_reply){ 0 };
}

int64_t arm_retry_after_ms(const struct http_pairs *headers)
{
    static const struct { const char *name; int64_t unit_ms; } rows[] = { { "retry-after-ms", 1 }, { "x-ms-retry-after-ms", 1 }, { "Retry-After", 1000 } };
    int64_t n;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *value = http_header_get(headers, rows[i].name);

        if (value && str_to_i64(str_trim(str_of(value)), &n) && n >= 0)
            return n > DAY_MS / rows[i].unit_ms ? DAY_MS : n * rows[i].unit_ms;
    }
    n = http_retry_after_ms(headers, 0);        /* a date */
    return n > DAY_MS ? DAY_MS : n;
}

/* ---- one exchange ------------------------------------------------------------------------------------------------------ */

#define FIXED_HEADERS 6
#define REFUSAL_HEADER "x-kaito-after-refusal"  /* the last 429 that was known when the request had its turn: who judges its manners need not guess. 0: none was */

/* Returns their number; headers has room for FIXED_HEADERS and the operator's. */
static size_t headers_of(const struct arm *a, const struct arm_request *q, const char *bearer, const char *id, const char *refusal, struct http_pair *headers)
{
    const struct http_pair fixed[FIXED_HEADERS] = { { "Authorization", bearer }, { "Accept", "application/json" }, { "x-ms-client-request-id", id },
                                                    { "If-Match", q->if_match }, { "If-None-Match", q->if_none_match },
                                                    { REFUSAL_HEADER, *refusal ? refusal : "0" } };
    size_t n = 0;

    for (size_t i = 0; i < FIXED_HEADERS; i++)
        if (fixed[i].value)
            headers[n++] = fixed[i];
    for (size_t i = 0; i < a->o.n_headers; i++)
        headers[n++] = a->o.headers[i];
    return n;
}

/*
 * A write that is on its way is waited for when we stop or lead no more: whoever leads next would look before it has happened, and see that there is nothing
 * to delete.
 */
static errc send_with(struct arm *a, const struct arm_request *q, const char *token, const char *refusal, struct http_response *out, struct err *e)
{
    char id[37];
    bool writes = !streq(q->method, "GET");
    AUTO_BUF body = { 0 };
    AUTO_SECRET bearer = { 0 };
    AUTO_MEM struct http_pair *headers = xcalloc(FIXED_HEADERS + a->o.n_headers, sizeof *headers);
    struct http_request r = { .method = q->method, .url = q->url, .headers = headers, .no_bearer = true, .max_body = REPLY_MAX,
                              .timeout_ms = writes ? WRITE_TIMEOUT_MS : SEND_TIMEOUT_MS, .cancel = writes ? NULL : a->o.cancel,
                              .may_send = writes ? a->o.leads : NULL, .may_send_self = a->o.leads_self };

    buf_reserve(&bearer, strlen(token) + 16);
    buf_adds(&bearer, "Bearer ");
    buf_adds(&bearer, token);
    random_uuid(id);
    r.n_headers = headers_of(a, q, buf_cstr(&bearer), id, refusal, headers);
    if (q->body) {
        json_write_sorted(q->body, &body);
        r.body = buf_str(&body);
        r.content_type = "application/json";
    }
    errc rc = http_send(a->o.http, &r, out, e);

    a->counts[q->class][rc ? 0 : out->status / 100 % 6]++;
    if (!rc)
        azure_secret_blot(&out->body, token);
    return rc ? err_wrap(e, "ARM") : ERR_OK;
}

/* No token: is it us or the service? */
static errc no_token(errc rc, struct arm_refusal *why)
{
    why->failure.fault = rc == ERR_UNAUTHORIZED || rc == ERR_BAD_REQUEST ? FAULT_AUTH : FAULT_TRANSIENT;
    return rc;
}

/* A process that stops; or one that was halted, and followed, and wakes up in the middle of what it did: what it knows is old. */
static errc may_write(const struct arm *a, const struct arm_request *q, struct arm_refusal *why, struct err *e)
{
    bool stops = a->o.cancel && cancel_is(a->o.cancel), leads = !a->o.leads || a->o.leads(a->o.leads_self);

    if (streq(q->method, "GET") || (leads && !stops))
        return ERR_OK;
    why->failure.fault = FAULT_TRANSIENT;
    return err_set(e, ERR_CANCELLED, "ARM: nothing is written any more, %s", stops ? "this provisioner stops" : "another provisioner leads");
}

static errc take_turn(struct arm *a, const struct arm_request *q, struct arm_refusal *why, struct err *e)
{
    why->failure.retry_ms = budget_take(a->budget, q->class, arm_now_ms(a));
    if (why->failure.retry_ms == 0)
        return ERR_OK;
    why->failure.fault = FAULT_THROTTLED;
    return err_set(e, ERR_THROTTLED, "%s requests to ARM wait for their turn (its limits, or a 429), the next is in %lld s", budget_class_name(q->class),
                   (long long)(why->failure.retry_ms + 999) / 1000);
}

/* Sends it once, and once more after a 401 with another token. */
static errc exchange(struct arm *a, const struct arm_request *q, struct http_response *out, struct arm_refusal *why, struct err *e)
{
    for (int tries = 0; tries < 2; tries++) {
        AUTO_SECRET_TEXT token = NULL;
        char refusal[BUDGET_ID_MAX];

        errc rc = azure_auth_token(a->o.auth, a->o.cancel, &token, e);
        if (rc)
            return no_token(rc, why);
        budget_last_refusal(a->budget, q->class, refusal);
        TRY(take_turn(a, q, why, e));
        http_response_done(out);
        TRY(may_write(a, q, why, e));
        rc = send_with(a, q, token, refusal, out, e);
        if (rc) {
            why->sent = rc != ERR_CANCELLED;
            why->failure.fault = FAULT_TRANSIENT;
            return rc;
        }
        if (out->status != 401)
            return ERR_OK;
        azure_auth_reject(a->o.auth, token);
    }
    return ERR_OK;
}

static errc refused(struct arm *a, const struct arm_request *q, const struct http_response *r, struct arm_refusal *why, struct err *e)
{
    int64_t wait_ms = arm_retry_after_ms(&r->headers);

    arm_error_parse(r->status, &r->headers, buf_str(&r->body), &why->error);
    why->failure.fault = arm_error_fault(&why->error);
    why->sent = r->status >= 500 || r->status == 408;
    if (wait_ms == 0)
        wait_ms = arm_error_retry_ms(&why->error);
    why->failure.retry_ms = r->status == 429 ? budget_hold(a->budget, q->class, wait_ms, arm_now_ms(a)) : wait_ms;
    if (r->status == 429)
        budget_note_refusal(a->budget, q->class, why->error.request_id);
    errc code = err_from_http(r->status);

    return arm_error_set(e, code ? code : ERR_UNAVAILABLE, &why->error);
}

errc arm_send(struct arm *a, const struct arm_request *q, struct arm_reply *out, struct arm_refusal *why, struct err *e)
{
    AUTO_RESPONSE r = { 0 };

    *why = (struct arm_refusal){ 0 };
    if (!azure_url_trusted(a->o.endpoint, q->url))
        return err_set(e, ERR_FORBIDDEN, "ARM: a URL of another host than %s gets no token", a->o.endpoint);
    TRY(exchange(a, q, &r, why, e));
    if (r.status < 200 || r.status > 299)
        return refused(a, q, &r, why, e);
    budget_answered(a->budget, q->class, &r.headers, arm_now_ms(a));
    *out = (struct arm_reply){ .status = r.status, .headers = r.headers };
    r.headers = (struct http_pairs){ 0 };
    if (json_parse(buf_str(&r.body), &out->body, NULL))
        out->body = NULL;
    return ERR_OK;
}

/* ---- pages --------------------------------------------------------------------------------------------------------------- */

static errc next_page(struct arm *a, struct map *seen, char **url, json_t *items, struct arm_refusal *why, struct err *e)
{
    AUTO_REPLY r = { 0 };

    map_put(seen, str_of(*url), a);
    TRY(arm_send(a, &(struct arm_request){ .class = BUDGET_READ, .method = "GET", .url = *url }, &r, why, e));
    if (!json_is_array(json_object_get(r.body, "value"))) {
        why->failure.fault = FAULT_TRANSIENT;
        return err_set(e, ERR_CORRUPT, "ARM: a page of the list holds no value");
    }
    json_array_extend(items, json_object_get(r.body, "value"));
    free(*url);
    *url = xstrdup(json_cstr(r.body, "nextLink"));
    return ERR_OK;
}

errc arm_list(struct arm *a, const char *url, json_t **out, size_t *out_pages, struct arm_refusal *why, struct err *e)
{
    AUTO_JSON items = json_array();
    AUTO_FREE(map) seen = map_new(NULL);
    AUTO_MEM char *at = xstrdup(url);

    while (str_set(at)) {
        if (map_get(seen, str_of(at)) || map_len(seen) >= PAGES_MAX) {
            why->failure.fault = FAULT_TRANSIENT;
            return err_set(e, ERR_CORRUPT, "ARM: the pages of the list go in a circle");
        }
        TRY(next_page(a, seen, &at, items, why, e));
    }
    *out = TAKE(items);
    if (out_pages)
        *out_pages = map_len(seen);
    return ERR_OK;
}

/* ---- long-running operations ----------------------------------------------------------------------------------------------- */

void arm_operation_done(struct arm_operation *op)
{
    free(op->url);
    *op = (struct arm_operation){ 0 };
}

errc arm_operation_of(const struct arm *a, const struct arm_reply *r, struct arm_operation *out, struct err *e)
{
    const char *url = http_header_get(&r->headers, "Azure-AsyncOperation");
    enum arm_operation_style style = ARM_ASYNC;

    if (!url && r->status == 202) {
        url = http_header_get(&r->headers, "Location");
        style = ARM_LOCATION;
    }
    *out = (struct arm_operation){ 0 };
    if (!url)
        return ERR_OK;
    if (!azure_url_trusted(a->o.endpoint, url))
        return err_set(e, ERR_CORRUPT, "ARM: the operation is to be followed on another host than %s, which gets no token", a->o.endpoint);
    *out = (struct arm_operation){ style, xstrdup(url), arm_retry_after_ms(&r->headers) };
    return ERR_OK;
}

static enum arm_progress_state state_of(const char *text)
{
    static const struct { const char *text; enum arm_progress_state state; } rows[] = {
        { "Succeeded", ARM_SUCCEEDED }, { "Failed", ARM_FAILED }, { "Canceled", ARM_CANCELED }, { "Cancelled", ARM_CANCELED },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_ieq(str_of(text), str_of(rows[i].text)))
            return rows[i].state;
    return ARM_RUNNING;
}

errc arm_progress_of(enum arm_operation_style style, int status, const json_t *body, struct arm_progress *out, struct err *e)
{
    const char *said = json_cstr(body, "status"), *state = json_str_at(body, "properties", "provisioningState", NULL);

    *out = (struct arm_progress){ .state = ARM_RUNNING };
    if (style == ARM_LOCATION && !said)
        out->state = status == 202 ? ARM_RUNNING : state ? state_of(state) : ARM_SUCCEEDED;
    else if (said)
        out->state = state_of(said);
    else
        return err_set(e, ERR_CORRUPT, "ARM: the operation's answer holds no status");
    if (out->state == ARM_FAILED || out->state == ARM_CANCELED) {
        arm_error_of(200, json_object_get(body, "error"), &out->error);
        if (!*out->error.code)
            snprintf(out->error.code, sizeof out->error.code, "%s", out->state == ARM_CANCELED ? "Canceled" : "OperationFailed");
    }
    return ERR_OK;
}

/* A refusal that ends the operation: it is not known any more, or, where its result is asked for, that is the result. False: it says nothing. */
static bool refusal_ends(const struct arm_operation *op, const struct arm_error *error, struct arm_progress *out)
{
    int status = error->status;

    *out = (struct arm_progress){ .state = ARM_LOST };
    if (status == 404 || status == 410)
        return true;
    if (op->style != ARM_LOCATION || status < 400 || status >= 500 || status == 401 || status == 403 || status == 408 || status == 429)
        return false;
    out->state = ARM_FAILED;
    out->error = *error;
    return true;
}

static errc move(const struct arm *a, struct arm_operation *op, const struct arm_reply *r, struct err *e)
{
    const char *to = http_header_get(&r->headers, "Location");

    if (op->style != ARM_LOCATION || !to)
        return ERR_OK;
    if (!azure_url_trusted(a->o.endpoint, to))
        return err_set(e, ERR_CORRUPT, "ARM: the operation moved to another host than %s, which gets no token", a->o.endpoint);
    free(op->url);
    op->url = xstrdup(to);
    return ERR_OK;
}

errc arm_poll(struct arm *a, struct arm_operation *op, struct arm_progress *out, struct arm_refusal *why, struct err *e)
{
    AUTO_REPLY r = { 0 };
    errc rc = arm_send(a, &(struct arm_request){ .class = BUDGET_POLL, .method = "GET", .url = op->url }, &r, why, e);

    if (rc)
        return refusal_ends(op, &why->error, out) ? ERR_OK : rc;
    TRY(arm_progress_of(op->style, r.status, r.body, out, e));
    out->wait_ms = arm_retry_after_ms(&r.headers);
    return out->state == ARM_RUNNING ? move(a, op, &r, e) : ERR_OK;
}
