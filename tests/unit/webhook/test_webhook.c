/* Webhooks in front of an API: ours (which knows webhook configurations by a definition made here) or KAITO_TEST_KUBECONFIG's. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/tls.h"
#include "kube/meta.h"
#include "webhook/webhook.h"
#include "../patience.h"
#include "../port.h"
#include "../test_api.h"

#define OK(call) do { errc rc_ = (call); if (rc_) fail_msg("%s: %s", #call, e.text); } while (0)
#define SECRETS KUBE_GVR("", "v1", "secrets")
#define CONFIGURATIONS KUBE_GVR("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations")
#define CERT "webhook-cert"

struct world {
    struct test_api api;
    struct kube_client *client;
    struct cancel *cancel;              /* of the webhooks of one test */
    char ns[64], configuration[64];
    uint16_t port;
    atomic_int reviews, waiting;
    atomic_bool hold;                   /* a review waits while it is set */
};

static void define_configurations(struct world *w)
{
    struct err e;
    bool served = false;
    OK(kube_has_resource(w->client, CONFIGURATIONS, &served, &e));
    if (served)
        return;
    AUTO_JSON crd = json_pack("{s:s, s:s, s:{s:s, s:{s:s}}, s:{s:s, s:s, s:{s:s, s:s, s:s, s:s}, s:[{s:s, s:b, s:b, s:{s:{s:s, s:b}}}]}}",
        "apiVersion", "apiextensions.k8s.io/v1", "kind", "CustomResourceDefinition",
        "metadata", "name", "validatingwebhookconfigurations.admissionregistration.k8s.io",
        "annotations", "api-approved.kubernetes.io", "unapproved, a test",
        "spec", "group", "admissionregistration.k8s.io", "scope", "Cluster",
        "names", "plural", "validatingwebhookconfigurations", "singular", "validatingwebhookconfiguration",
        "kind", "ValidatingWebhookConfiguration", "listKind", "ValidatingWebhookConfigurationList",
        "versions", "name", "v1", "served", 1, "storage", 1,
        "schema", "openAPIV3Schema", "type", "object", "x-kubernetes-preserve-unknown-fields", 1);
    assert_non_null(crd);
    OK(kube_create(w->client, KUBE_GVR("apiextensions.k8s.io", "v1", "customresourcedefinitions"), NULL, crd, NULL, &e));
    for (int64_t end = patience_end(1500); !served && clock_mono_ms() < end; poll(NULL, 0, 20))
        OK(kube_has_resource(w->client, CONFIGURATIONS, &served, &e));
    assert_true(served);
}

static json_t *hook_for(const struct world *w, const char *name, const char *host)
{
    return json_pack("{s:s, s:{s:o}, s:[s], s:s, s:[{s:[s], s:[s], s:[s], s:[s]}]}", "name", name,
                     "clientConfig", "url", json_strf("https://%s:%u/validate", host, w->port), "admissionReviewVersions", "v1", "sideEffects", "None",
                     "rules", "apiGroups", "no.such.group", "apiVersions", "v1", "operations", "CREATE", "resources", "things");
}

static json_t *configuration_for(const struct world *w)
{
    return json_pack("{s:s, s:s, s:{s:s}, s:[o, o]}", "apiVersion", "admissionregistration.k8s.io/v1", "kind", "ValidatingWebhookConfiguration",
                     "metadata", "name", w->configuration, "webhooks", hook_for(w, "one.test.kaito.sh", "127.0.0.1"),
                     hook_for(w, "two.test.kaito.sh", "localhost"));
}

/* A JSON patch of one operation: the webhook writes to the configuration, too, and an update might meet its writes. Takes value. */
static void change(struct world *w, const char *op, const char *path, json_t *value)
{
    struct err e;
    AUTO_JSON patch = json_pack("[{s:s, s:s, s:o*}]", "op", op, "path", path, "value", value);
    assert_non_null(patch);
    OK(kube_patch(w->client, CONFIGURATIONS, NULL, w->configuration, NULL, KUBE_PATCH_JSON, patch, NULL, &e));
}

/* A new host in the configuration needs a new certificate, as the end of the present one would. */
static void change_host(struct world *w, const char *host)
{
    change(w, "replace", "/webhooks/1/clientConfig/url", json_strf("https://%s:%u/validate", host, w->port));
}

static int start(void **state)
{
    struct err e;
    struct world *w = xzalloc(sizeof *w);
    char suffix[8] = { 0 };
    *state = w;
    OK(test_api_start(&w->api, &e));
    AUTO_FREE(kube_config) cfg = NULL;
    OK(kube_config_load(w->api.kubeconfig, NULL, &cfg, &e));
    OK(kube_client_new(cfg, NULL, NULL, &w->client, &e));
    random_suffix(suffix, 6);
    snprintf(w->ns, sizeof w->ns, "webhook-%s", suffix);
    snprintf(w->configuration, sizeof w->configuration, "validation-%s.kaito.sh", suffix);
    w->port = test_free_port();
    w->cancel = cancel_new();
    define_configurations(w);
    AUTO_JSON ns = kube_object("v1", "Namespace", NULL, w->ns);
    OK(kube_create(w->client, KUBE_GVR("", "v1", "namespaces"), NULL, ns, NULL, &e));
    AUTO_JSON c = configuration_for(w);
    OK(kube_create(w->client, CONFIGURATIONS, NULL, c, NULL, &e));
    return 0;
}

static int stop(void **state)
{
    struct world *w = *state;
    struct err e;
    OK(kube_delete(w->client, CONFIGURATIONS, NULL, w->configuration, NULL, &e));
    OK(kube_delete(w->client, KUBE_GVR("", "v1", "namespaces"), NULL, w->ns, NULL, &e));
    kube_client_free(w->client);
    test_api_stop(&w->api);
    cancel_free(w->cancel);
    free(w);
    return 0;
}

/* ---- a reviewer, and an API server that asks it ------------------------------------------------------------------------ */

static errc review(void *self, const struct admission_request *q, struct buf *why)
{
    struct world *w = self;
    w->reviews++;
    for (w->waiting++; w->hold; poll(NULL, 0, 2))
        ;
    w->waiting--;
    if (!streq(json_cstr(q->object, "colour"), "red"))
        return ERR_OK;
    buf_addf(why, "%s of %s: no \"red\"", q->operation, q->kind);
    return ERR_INVALID;
}

static struct webhook *start_webhook(struct world *w, bool leads)
{
    const struct admission_route route = { "/validate", review, w };
    struct webhook_opts o = { .address = "127.0.0.1", .port = w->port, .ns = w->ns, .service = "hook", .secret = CERT,
                              .configuration = w->configuration, .routes = &route, .n_routes = 1, .settle_ms = 300 };
    struct webhook *h = webhook_start(w->client, &o, w->cancel);

    if (leads)
        webhook_lead(h);
    return h;
}

/* What an API server would trust now, base64 as in the configuration. */
static json_t *bundle_now(struct world *w)
{
    struct err e;
    AUTO_JSON c = NULL;
    OK(kube_get(w->client, CONFIGURATIONS, NULL, w->configuration, &c, &e));
    return json_incref(json_at(json_array_get(json_object_get(c, "webhooks"), 0), "clientConfig", "caBundle", NULL));
}

static errc ask_trusting(struct world *w, const json_t *bundle, const char *body, struct http_response *r, struct err *e)
{
    AUTO_BUF pem = { 0 };
    AUTO_FREE(http_client) c = NULL;
    AUTO_MEM char *url = xasprintf("https://127.0.0.1:%u/validate", w->port);
    assert_true(base64_decode(json_to_str(bundle), &pem));
    TRY(http_client_new(&(struct http_client_opts){ .tls.ca_pem = buf_cstr(&pem), .timeout_ms = 10000 }, &c, e));
    return http_send(c, &(struct http_request){ .method = "POST", .url = url, .content_type = "application/json", .body = str_of(body) }, r, e);
}

#define REVIEW(colour) "{\"apiVersion\": \"admission.k8s.io/v1\", \"kind\": \"AdmissionReview\", \"request\": {\"uid\": \"u-1\", " \
    "\"kind\": {\"group\": \"g\", \"version\": \"v1\", \"kind\": \"Thing\"}, \"operation\": \"CREATE\", \"object\": {\"colour\": \"" colour "\"}}}"

static errc ask(struct world *w, const char *body, struct http_response *r, struct err *e)
{
    AUTO_JSON bundle = bundle_now(w);
    return ask_trusting(w, bundle, body, r, e);
}

static void wait_serving(struct world *w, struct webhook *h)
{
    bool told = false;
    for (int64_t until = patience_end(3500); !(told && webhook_serving(h)) && clock_mono_ms() < until; poll(NULL, 0, 10)) {
        AUTO_JSON bundle = bundle_now(w);
        told = bundle != NULL;
    }
    assert_true(told && webhook_serving(h));
}

static void end(struct world *w, struct webhook *h)
{
    cancel_now(w->cancel);
    webhook_join(h);
}

static json_t *secret_now(struct world *w)
{
    struct err e;
    json_t *s = NULL;
    return kube_get(w->client, SECRETS, w->ns, CERT, &s, &e) ? NULL : s;
}

/* ---- tests --------------------------------------------------------------------------------------------------------------- */

static bool counts(struct webhook *h, const char *line)
{
    AUTO_BUF text = { 0 };
    AUTO_MEM char *whole = xasprintf("\n%s\n", line);

    webhook_metrics(h, &text);
    return strstr(buf_cstr(&text), whole) != NULL;
}

/* controller-runtime's names and labels. */
static void assert_counted(struct webhook *h, int reviews, int refused)
{
    AUTO_MEM char *ok = xasprintf("controller_runtime_webhook_requests_total{code=\"200\",webhook=\"/validate\"} %d", reviews);
    AUTO_MEM char *bad = xasprintf("controller_runtime_webhook_requests_total{code=\"400\",webhook=\"/validate\"} %d", refused);
    AUTO_MEM char *all = xasprintf("controller_runtime_webhook_latency_seconds_bucket{webhook=\"/validate\",le=\"+Inf\"} %d", reviews + refused);

    for (int64_t until = patience_end(1500); !counts(h, all) && clock_mono_ms() < until; poll(NULL, 0, 5))
        ;                               /* counted when its answer is on its way */
    assert_true(counts(h, ok) && counts(h, bad) && counts(h, all));
    assert_true(counts(h, "controller_runtime_webhook_requests_total{code=\"500\",webhook=\"/validate\"} 0"));
    assert_true(counts(h, "controller_runtime_webhook_requests_in_flight{webhook=\"/validate\"} 0"));
}

static void reviews_are_answered(void **state)
{
    struct world *w = *state;
    struct err e;
    static const struct { const char *body; int status; const char *want; } rows[] = {
        { REVIEW("blue"), 200, "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"response\":{\"uid\":\"u-1\",\"allowed\":true}}" },
        { REVIEW("red"), 200, "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"response\":{\"uid\":\"u-1\",\"allowed\":false,\"status\":"
          "{\"metadata\":{},\"status\":\"Failure\",\"message\":\"CREATE of Thing: no \\\"red\\\"\",\"reason\":\"BadRequest\",\"code\":400}}}" },
        { "{", 400, "could not decode body: " },
        { "{\"apiVersion\": \"admission.k8s.io/v1beta1\", \"request\": {}}", 400, "could not decode body: " },
        { "{\"apiVersion\": \"admission.k8s.io/v1\", \"request\": []}", 400, "could not decode body: " },
    };
    struct webhook *h = start_webhook(w, true);
    wait_serving(w, h);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_RESPONSE r = { 0 };
        OK(ask(w, rows[i].body, &r, &e));
        assert_int_equal(r.status, rows[i].status);
        assert_true(str_has_prefix(buf_str(&r.body), str_of(rows[i].want)));
    }
    assert_counted(h, 2, 3);
    AUTO_JSON secret = secret_now(w);
    AUTO_BUF cert = { 0 };
    int64_t left_s = 0;
    assert_true(base64_decode(str_of(json_str_at(secret, "data", "server-cert.pem", NULL)), &cert));
    OK(tls_cert_expires_in(buf_str(&cert), &left_s, &e));
    assert_true(left_s > 6 * 86400 && left_s <= 7 * 86400);
    AUTO_MEM char *in_cluster = xasprintf("hook.%s.svc", w->ns);
    assert_true(tls_cert_covers(buf_str(&cert), in_cluster) && tls_cert_covers(buf_str(&cert), "127.0.0.1"));
    assert_false(tls_cert_covers(buf_str(&cert), "127.0.0.2"));
    end(w, h);
}

static void who_does_not_lead_writes_nothing(void **state)
{
    struct world *w = *state;
    struct err e;
    struct webhook *h = start_webhook(w, false);
    poll(NULL, 0, 600);
    AUTO_JSON none = secret_now(w);
    AUTO_JSON bundle = bundle_now(w);
    assert_null(none);
    assert_null(bundle);
    assert_false(webhook_serving(h));

    struct world other = *w;            /* another process, that leads */
    other.port = test_free_port();
    other.cancel = cancel_new();
    struct webhook *leading = start_webhook(&other, true);
    wait_serving(w, h);                 /* shows what the other one made */
    AUTO_RESPONSE r = { 0 };
    OK(ask(w, REVIEW("red"), &r, &e));
    assert_int_equal(r.status, 200);
    end(&other, leading);
    cancel_free(other.cancel);
    end(w, h);
}

struct asker { struct world *w; json_t *bundle; struct http_response reply; errc rc; };

static void ask_in_thread(void *arg)
{
    struct asker *a = arg;
    struct err e;
    a->rc = ask_trusting(a->w, a->bundle, REVIEW("red"), &a->reply, &e);
}

static void rotation_is_not_seen_by_requests(void **state)
{
    struct world *w = *state;
    struct err e;
    struct webhook *h = start_webhook(w, true);
    wait_serving(w, h);
    struct asker slow = { .w = w, .bundle = bundle_now(w) };
    struct thread t = { 0 };
    w->hold = true;
    thread_start(&t, "slow", ask_in_thread, &slow);
    for (int i = 0; i < 1000 && !w->waiting; i++)
        poll(NULL, 0, 5);
    assert_int_equal(w->waiting, 1);

    change_host(w, "other.example");
    struct webhook_stats stats = { 0 };
    for (int64_t until = patience_end(3500); stats.rotations == 0 && clock_mono_ms() < until; webhook_stats(h, &stats))
        poll(NULL, 0, 10);
    assert_int_equal(stats.rotations, 1);
    w->hold = false;
    thread_join(&t);
    assert_int_equal(slow.rc, ERR_OK);  /* it met the old certificate, and was answered after the swap */
    assert_int_equal(slow.reply.status, 200);

    AUTO_JSON now = bundle_now(w);
    assert_string_not_equal(json_string_value(now), json_string_value(slow.bundle));
    AUTO_RESPONSE r = { 0 };
    OK(ask_trusting(w, now, REVIEW("red"), &r, &e));
    AUTO_RESPONSE refused = { 0 };
    assert_int_equal(ask_trusting(w, slow.bundle, REVIEW("red"), &refused, &e), ERR_UNAVAILABLE);       /* the old authority alone is not enough */
    AUTO_BUF pem = { 0 };
    AUTO_BUF old_pem = { 0 };
    size_t at;
    assert_true(base64_decode(json_to_str(now), &pem) && base64_decode(json_to_str(slow.bundle), &old_pem));
    assert_true(str_find(buf_str(&pem), buf_str(&old_pem), &at));       /* but whoever still shows the old certificate is trusted */
    json_decref(slow.bundle);
    http_response_done(&slow.reply);
    end(w, h);
}

struct storm { struct world *w; atomic_bool over; int asked, failed; struct err why; };

static void storm_in_thread(void *arg)
{
    struct storm *s = arg;
    struct err e;
    while (!s->over) {
        AUTO_RESPONSE r = { 0 };
        s->asked++;
        if (ask(s->w, REVIEW("blue"), &r, &e) || r.status != 200) {
            s->failed++;
            s->why = e;
        }
    }
}

/* An API server asks all the time, trusting what the configuration says at each moment. */
static void no_request_fails_through_rotations(void **state)
{
    struct world *w = *state;
    struct webhook *h = start_webhook(w, true);
    wait_serving(w, h);
    static const char *const hosts[] = { "a.example", "b.example", "c.example" };
    struct storm storm = { .w = w };
    struct thread t = { 0 };
    thread_start(&t, "storm", storm_in_thread, &storm);
    struct webhook_stats stats = { 0 };
    for (unsigned turn = 1; turn <= 3; turn++) {
        change_host(w, hosts[turn - 1]);
        for (int64_t until = patience_end(3500); stats.rotations < turn && clock_mono_ms() < until; webhook_stats(h, &stats))
            poll(NULL, 0, 10);
    }
    storm.over = true;
    thread_join(&t);
    assert_int_equal(stats.rotations, 3);
    assert_true(storm.asked > 20);
    if (storm.failed)
        fail_msg("%d of %d requests failed: %s", storm.failed, storm.asked, storm.why.text);
    end(w, h);
}

static void damage_is_repaired(void **state)
{
    struct world *w = *state;
    struct err e;
    AUTO_JSON empty = kube_object("v1", "Secret", w->ns, CERT);          /* as a chart ships it */
    json_put(empty, "data", json_pack("{s:s, s:s, s:s}", "server-key.pem", "", "server-cert.pem", "", "ca-cert.pem", ""));
    OK(kube_create(w->client, SECRETS, NULL, empty, NULL, &e));
    struct webhook *h = start_webhook(w, true);
    wait_serving(w, h);
    static const struct { const char *key, *value; } damage[] = { { "server-key.pem", "Z2FyYmFnZQ==" }, { "ca-cert.pem", "" } };
    for (size_t i = 0; i < ARRAY_LEN(damage); i++) {
        AUTO_JSON patch = json_pack("{s:{s:s}}", "data", damage[i].key, damage[i].value);
        AUTO_JSON before = secret_now(w);
        AUTO_JSON after = NULL;
        OK(kube_patch(w->client, SECRETS, w->ns, CERT, NULL, KUBE_PATCH_MERGE, patch, NULL, &e));
        for (int64_t until = patience_end(2000); clock_mono_ms() < until; poll(NULL, 0, 10)) {
            json_decref(after);
            after = secret_now(w);
            if (!streq(json_str_at(after, "data", "server-cert.pem", NULL), json_str_at(before, "data", "server-cert.pem", NULL)))
                break;
        }
        assert_string_not_equal(json_str_at(after, "data", damage[i].key, NULL), damage[i].value);
    }
    errc rc = ERR_UNAVAILABLE;
    for (int64_t until = patience_end(2000); rc && clock_mono_ms() < until; poll(NULL, 0, 10)) {     /* the bundle follows */
        AUTO_RESPONSE r = { 0 };
        rc = ask(w, REVIEW("blue"), &r, &e);
    }
    OK(rc);
    change(w, "remove", "/webhooks/0/clientConfig/caBundle", NULL);
    wait_serving(w, h);                 /* somebody took the bundle away: it is put back */
    end(w, h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reviews_are_answered, start, stop),
        cmocka_unit_test_setup_teardown(who_does_not_lead_writes_nothing, start, stop),
        cmocka_unit_test_setup_teardown(rotation_is_not_seen_by_requests, start, stop),
        cmocka_unit_test_setup_teardown(no_request_fails_through_rotations, start, stop),
        cmocka_unit_test_setup_teardown(damage_is_repaired, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
