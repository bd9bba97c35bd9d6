/* One question to one webhook, and what its answer means. Texts are those of k8s.io/apiserver's webhook dispatchers. */
#include "apiserver/admission.h"
#include "apiserver/patch.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/client.h"

#define REVIEW_API "admission.k8s.io/v1"
#define ANSWER_MAX (8u << 20)

/* ---- where it is ---- */

static const json_t *port_numbered(const json_t *ports, int64_t number)
{
    size_t i;
    json_t *p;

    json_array_foreach(ports, i, p)
        if (json_int(p, "port", 0) == number)
            return p;
    return NULL;
}

static const json_t *port_named(const json_t *ports, const char *name)
{
    size_t i;
    json_t *p;

    json_array_foreach(ports, i, p)
        if (streq(json_cstr(p, "name") ? json_cstr(p, "name") : "", name ? name : ""))
            return p;
    return NULL;
}

/* The first ready address of the Service's Endpoints: what the Service's own address leads to, without a proxy between. */
static bool first_endpoint(const json_t *endpoints, const char *port_name, const char **ip, int64_t *port)
{
    size_t i;
    json_t *subset;

    json_array_foreach(json_object_get(endpoints, "subsets"), i, subset) {
        const json_t *p = port_named(json_object_get(subset, "ports"), port_name);

        *ip = json_cstr(json_array_get(json_object_get(subset, "addresses"), 0), "ip");
        *port = json_int(p, "port", 0);
        if (*ip && *port)
            return true;
    }
    return false;
}

static errc find_service(const struct admission *a, const json_t *ref, struct buf *address, struct err *e)
{
    const struct registry *g = a->r->registry;
    const char *name = json_cstr(ref, "name"), *ns = json_cstr(ref, "namespace"), *ip = NULL;
    int64_t wanted = json_int(ref, "port", 443), port = 0;
    struct found service = { 0 }, endpoints = { 0 };
    json_t *failure = a->r->failure;

    errc rc = object_load(a->r, registry_find(g, "", "v1", "services"), ns, name, &service);
    errc ends = rc ? rc : object_load(a->r, registry_find(g, "", "v1", "endpoints"), ns, name, &endpoints);
    a->r->failure = failure;
    if (rc)
        return err_set(e, ERR_NOT_FOUND, "service \"%s\" not found", name);
    const json_t *p = port_numbered(json_at(service.obj, "spec", "ports", NULL), wanted);

    if (!p)
        return err_set(e, ERR_NOT_FOUND, "no service port %lld found for service \"%s\"", (long long)wanted, name);
    if (ends || !first_endpoint(endpoints.obj, json_cstr(p, "name"), &ip, &port))
        return err_set(e, ERR_UNAVAILABLE, "no endpoints available for service \"%s\"", name);
    buf_addf(address, strchr(ip, ':') ? "[%s]:%lld" : "%s:%lld", ip, (long long)port);
    return ERR_OK;
}

/* A Service is called by its name, as its certificate wants; address is where it answers, empty for a URL. */
static errc where(const struct admission *a, const struct admission_hook *h, struct buf *url, struct buf *address, struct err *e)
{
    const char *path = json_cstr(h->service, "path");

    if (h->problem)
        return err_set(e, ERR_INVALID, "%s", h->problem);
    if (h->service) {
        TRY(find_service(a, h->service, address, e));
        buf_addf(url, "https://%s.%s.svc:%lld%s", json_cstr(h->service, "name"), json_cstr(h->service, "namespace"),
                 (long long)json_int(h->service, "port", 443), path ? path : "/");
    } else {
        buf_adds(url, h->url);
    }
    buf_addf(url, "?timeout=%llds", (long long)h->timeout_s);
    return ERR_OK;
}

/* ---- the exchange ---- */

static errc bad_status(int status, const struct buf *body, struct err *e)
{
    static const struct { int status; const char *text; } known[] = {
        { 400, "the server rejected our request for an unknown reason" }, { 401, "the server has asked for the client to provide credentials" },
        { 404, "the server could not find the requested resource" }, { 405, "the server does not allow this method on the requested resource" },
        { 429, "the server has received too many requests and has asked us to try again later" },
        { 503, "the server is currently unable to handle the request" },
        { 504, "the server was unable to return a response in the time allotted, but may still be processing the request" },
    };
    struct str said = str_trim(buf_str(body));

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (known[i].status == status)
            return err_set(e, ERR_UNAVAILABLE, "failed to call webhook: %s", known[i].text);
    return err_set(e, ERR_UNAVAILABLE, "failed to call webhook: an error on the server (\"%.*s\") has prevented the request from succeeding",
                   (int)(said.n < 100 ? said.n : 100), said.p ? said.p : "");
}

/* One question, from its making to its answer. Only exchange() may run on another thread than the request's. */
struct question {
    const struct admission_hook *h;
    const struct admission_view *v;
    struct buf url, address, body;
    struct http_response answer;
    struct thread thread;
    errc rc;
    struct err e;
};

static void question_done(struct question *q)
{
    buf_done(&q->url);
    buf_done(&q->address);
    buf_done(&q->body);
    http_response_done(&q->answer);
}

static void prepare(const struct admission *a, const struct admission_hook *h, const struct admission_view *v, struct question *q)
{
    AUTO_JSON review = json_pack("{s:s, s:s, s:O}", "kind", "AdmissionReview", "apiVersion", REVIEW_API, "request", v->request);

    *q = (struct question){ .h = h, .v = v };
    json_write(review, &q->body);
    q->rc = where(a, h, &q->url, &q->address, &q->e);
    if (q->rc)
        q->rc = err_wrap(&q->e, "failed to call webhook");
}

static void exchange(void *self)
{
    struct question *q = self;
    const char *url = buf_cstr(&q->url);
    const struct http_pair accept[] = { { "Accept", "application/json, */*" } };
    struct http_request ask = { .method = "POST", .url = url, .connect_to = q->address.n ? buf_cstr(&q->address) : NULL,
                                .headers = accept, .n_headers = 1, .body = buf_str(&q->body),
                                .content_type = "application/json", .timeout_ms = q->h->timeout_s * 1000, .max_body = ANSWER_MAX };

    if (q->rc)
        return;
    q->rc = http_send(q->h->client, &ask, &q->answer, &q->e);
    if (q->rc == ERR_TIMEOUT)
        (void)err_set(&q->e, q->rc, "failed to call webhook: Post \"%s\": context deadline exceeded", url);
    else if (q->rc)
        (void)err_wrap(&q->e, "failed to call webhook: Post \"%s\"", url);
}

/* *out: the AdmissionReview of the answer, the request arena's. */
static errc read_review(const struct admission *a, const struct question *q, json_t **out, struct err *e)
{
    if (q->rc) {
        *e = q->e;
        return q->rc;
    }
    if (q->answer.status < 200 || q->answer.status > 206)
        return bad_status(q->answer.status, &q->answer.body, e);
    if (json_parse(buf_str(&q->answer.body), out, e))
        return err_wrap(e, "failed to call webhook");
    json_arena_own(a->r->a, *out);
    return ERR_OK;
}

/* ---- the answer ---- */

static errc invalid_answer(struct err *e, const char *fmt, ...) PRINTF(2, 3);
static errc invalid_answer(struct err *e, const char *fmt, ...)
{
    AUTO_BUF text = { 0 };
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    return err_set(e, ERR_INVALID, "received invalid webhook response: %s", buf_cstr(&text));
}

static const char *or_empty(const char *s)
{
    return s ? s : "";
}

/* "admission.k8s.io/v1, Kind=AdmissionReview", as Go prints it; of nothing "/, Kind=". */
static errc check_answer(const struct admission_hook *h, const struct admission_view *v, const json_t *review, struct err *e)
{
    const json_t *answer = json_object_get(review, "response");
    const char *api = json_cstr(review, "apiVersion"), *kind = json_cstr(review, "kind"), *uid = json_cstr(answer, "uid");
    const char *patch = json_cstr(answer, "patch"), *type = json_cstr(answer, "patchType");

    if (!json_is_object(answer))
        return err_set(e, ERR_INVALID, "webhook response was absent");
    if (!streq(uid, json_cstr(v->request, "uid")))
        return invalid_answer(e, "expected response.uid=\"%s\", got \"%s\"", json_cstr(v->request, "uid"), or_empty(uid));
    if (!streq(api, REVIEW_API) || !streq(kind, "AdmissionReview"))
        return invalid_answer(e, "expected webhook response of " REVIEW_API ", Kind=AdmissionReview, got %s%s, Kind=%s", or_empty(api),
                              api ? "" : "/", or_empty(kind));
    if (!h->mutating && (str_set(patch) || str_set(type)))
        return invalid_answer(e, "validating webhook may not return response.patch");
    if (str_set(patch) && !str_set(type))
        return invalid_answer(e, "webhook returned response.patch but not response.patchType");
    if (!str_set(patch) && str_set(type))
        return invalid_answer(e, "webhook returned response.patchType but not response.patch");
    if (str_set(type) && !streq(type, "JSONPatch"))
        return invalid_answer(e, "webhook returned invalid response.patchType of %s", type);
    return ERR_OK;
}

static errc read_patch(const struct admission *a, const json_t *answer, json_t **out, struct err *e)
{
    const char *text = json_cstr(answer, "patch");
    AUTO_BUF bytes = { 0 };

    *out = NULL;
    if (!str_set(text) || !json_is_true(json_object_get(answer, "allowed")))
        return ERR_OK;
    if (!base64_decode(str_of(text), &bytes))
        return invalid_answer(e, "response.patch is no base64");
    if (json_parse(buf_str(&bytes), out, e))
        return invalid_answer(e, "response.patch: %s", arena_strdup(a->r->a, e->text));
    json_arena_own(a->r->a, *out);
    return ERR_OK;
}

static void pass_warnings(struct req *r, const json_t *answer)
{
    size_t i;
    json_t *w;

    json_array_foreach(json_object_get(answer, "warnings"), i, w)
        if (json_is_string(w))
            req_warn(r, "%s", json_string_value(w));
}

/* The webhook's own status, never less than a 400, its message behind the webhook's name. */
static errc denied(struct req *r, const struct admission_hook *h, const json_t *answer)
{
    const json_t *status = json_object_get(answer, "status"), *details = json_object_get(status, "details");
    const char *message = json_cstr(status, "message"), *reason = json_cstr(status, "reason");
    int64_t code = json_int(status, "code", 0);
    const char *said = str_set(message) ? message : reason;

    code = code < 400 || code > 599 ? 400 : code;
    return fail(r, code == 403 ? ERR_FORBIDDEN : ERR_INVALID, (int)code, reason, details ? json_deep_copy(details) : NULL,
                "admission webhook \"%s\" denied the request%s%s", h->name, str_set(said) ? ": " : " without explanation", str_set(said) ? said : "");
}

static errc could_not_ask(struct req *r, const struct admission_hook *h, const struct err *why)
{
    AUTO_BUF text = { 0 };

    buf_addf(&text, "failed calling webhook \"%s\": %s", h->name, why->text);
    json_t *details = json_pack("{s:[{s:s}]}", "causes", "message", buf_cstr(&text));
    return fail(r, ERR_INTERNAL, 500, "InternalError", details, "Internal error occurred: %s", buf_cstr(&text));
}

static errc judge(const struct admission *a, const struct question *q, json_t **out_patch)
{
    const struct admission_hook *h = q->h;
    json_t *review = NULL;
    struct err e = { 0 };
    errc rc = read_review(a, q, &review, &e);
    const json_t *answer = json_object_get(review, "response");

    *out_patch = NULL;
    rc = rc ? rc : check_answer(h, q->v, review, &e);
    rc = rc ? rc : read_patch(a, answer, out_patch, &e);
    if (rc && h->ignore_failure) {
        log_warn(LOG_NAME, "failed calling webhook, failing open", KV("webhook", h->name), KV("err", e.text));
        return ERR_OK;
    }
    if (rc)
        return could_not_ask(a->r, h, &e);
    pass_warnings(a->r, answer);
    return json_is_true(json_object_get(answer, "allowed")) ? ERR_OK : denied(a->r, h, answer);
}

static errc dry_run_is_fine(const struct admission *a, const struct admission_hook *h)
{
    if (a->r->dry_run && !h->dry_run)
        return fail_bad_request(a->r, "admission webhook \"%s\" does not support dry run", h->name);
    return ERR_OK;
}

errc admission_call(const struct admission *a, const struct admission_hook *h, const struct admission_view *v, json_t **out_patch)
{
    struct question q;

    *out_patch = NULL;
    TRY(dry_run_is_fine(a, h));
    prepare(a, h, v, &q);
    exchange(&q);
    errc rc = judge(a, &q, out_patch);

    question_done(&q);
    return rc;
}

errc admission_call_all(const struct admission *a, const struct admission_ask *asks, size_t n)
{
    struct question *all = arena_calloc(a->r->a, n, sizeof *all);
    errc rc = ERR_OK;
    json_t *no_patch;

    for (size_t i = 0; i < n; i++)
        TRY(dry_run_is_fine(a, asks[i].h));
    for (size_t i = 0; i < n; i++)
        prepare(a, asks[i].h, &asks[i].v, &all[i]);
    for (size_t i = 1; i < n; i++)
        thread_start(&all[i].thread, "admission", exchange, &all[i]);
    if (n)
        exchange(&all[0]);
    for (size_t i = 0; i < n; i++) {
        thread_join(&all[i].thread);
        rc = rc ? rc : judge(a, &all[i], &no_patch);
        question_done(&all[i]);
    }
    return rc;
}
