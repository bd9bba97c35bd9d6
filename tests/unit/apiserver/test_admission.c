/*
 * Admission webhooks: who is asked, what about, and what the answers do. Against our server, or against a real kube-apiserver (KAITO_TEST_KUBECONFIG;
 * make test-real does it), so what is expected here is what kube-apiserver does. Each test's webhooks see only objects labelled with its name.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../patience.h"
#include "../test_api.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/tls.h"
#include "http/server.h"
#include "kube/kube.h"
#include "kube/meta.h"

#define OK(call) do { errc rc_ = (call); if (rc_) fail_msg("%s: %s", #call, e.text); } while (0)
#define VALIDATING KUBE_GVR("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations")
#define MUTATING KUBE_GVR("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations")
#define MAPS KUBE_GVR("", "v1", "configmaps")
#define SEEN_MS patience_ms(7000)       /* until an API server acts on a new configuration */
#define MEET_MS 4000                    /* less than a webhook may take */

struct world {
    struct test_api api;
    struct kube_client *client;
    struct http_server *hooks;
    struct tls_pair ca;
    char ns[64];
    struct mutex mu;                    /* a leaf; guards what follows */
    struct cond met;
    int at_the_meeting;
    json_t *last;                       /* the last AdmissionRequest of a path that is no probe */
    int asked;
};

/* ---- the webhooks: the path is the answer --------------------------------------------------------------------------------- */

static json_t *patch_of(const char *text)
{
    AUTO_BUF b = { 0 };

    base64_add(&b, text, strlen(text));
    return json_string(buf_cstr(&b));
}

static json_t *answer_for(const char *path, const json_t *object)
{
    if (streq(path, "/deny"))
        return json_pack("{s:b, s:{s:s, s:s, s:i}}", "allowed", 0, "status", "message", "not today", "reason", "Forbidden", "code", 403);
    if (streq(path, "/deny-silent"))
        return json_pack("{s:b}", "allowed", 0);
    if (streq(path, "/deny-success"))
        return json_pack("{s:b, s:{s:s, s:s, s:i}}", "allowed", 0, "status", "status", "Success", "message", "odd", "code", 200);
    if (streq(path, "/wrong-uid"))
        return json_pack("{s:b, s:s}", "allowed", 1, "uid", "another");
    if (streq(path, "/patches"))
        return json_pack("{s:b, s:s, s:o}", "allowed", 1, "patchType", "JSONPatch", "patch", patch_of("[{\"op\":\"add\",\"path\":\"/data\",\"value\":{\"by\":\"hook\"}}]"));
    if (streq(path, "/untyped-patch"))
        return json_pack("{s:b, s:o}", "allowed", 1, "patch", patch_of("[]"));
    if (streq(path, "/adds-late"))
        return json_pack("{s:b, s:s, s:o}", "allowed", 1, "patchType", "JSONPatch", "patch",
                         patch_of("[{\"op\":\"add\",\"path\":\"/metadata/labels/late\",\"value\":\"yes\"}]"));
    if (streq(path, "/notes-late") && json_str_at(object, "metadata", "labels", "late", NULL))
        return json_pack("{s:b, s:s, s:o}", "allowed", 1, "patchType", "JSONPatch", "patch",
                         patch_of("[{\"op\":\"add\",\"path\":\"/metadata/labels/noted\",\"value\":\"yes\"}]"));
    return json_pack("{s:b}", "allowed", 1);
}

static void remember(struct world *w, const json_t *request)
{
    LOCK_SCOPE(&w->mu);
    json_decref(w->last);
    w->last = json_deep_copy(request);
    w->asked++;
}

/* Two that are asked at the same time meet; one that is asked alone waits in vain. */
static json_t *meet(struct world *w)
{
    int64_t until = clock_mono_ms() + MEET_MS;
    LOCK_SCOPE(&w->mu);
    bool alone = false;

    w->at_the_meeting++;
    cond_broadcast(&w->met);
    while (w->at_the_meeting < 2 && !alone)
        alone = !cond_wait_until(&w->met, &w->mu, until);
    return alone ? json_pack("{s:b, s:{s:s}}", "allowed", 0, "status", "message", "nobody else is asked") : json_pack("{s:b}", "allowed", 1);
}

static json_t *answer_to(struct world *w, const char *path, const json_t *object)
{
    if (streq(path, "/probe"))
        return json_pack("{s:b, s:{s:s}}", "allowed", 0, "status", "message", "seen");
    return streq(path, "/meet") ? meet(w) : answer_for(path, object);
}

static void on_review(void *self, struct http_exchange *x)
{
    struct world *w = self;
    AUTO_JSON review = NULL;
    AUTO_BUF body = { 0 };
    struct err e;

    if (json_parse(x->body, &review, &e)) {
        http_replyf(x, 400, "no JSON");
        return;
    }
    const json_t *request = json_object_get(review, "request"), *object = json_object_get(request, "object");

    if (!streq(x->path, "/probe"))
        remember(w, request);
    if (streq(x->path, "/slow"))
        (void)poll(NULL, 0, 2500);
    if (streq(x->path, "/broken")) {
        http_replyf(x, 500, "out of order");
        return;
    }
    AUTO_JSON response = answer_to(w, x->path, object);
    if (!json_object_get(response, "uid"))
        json_put_str(response, "uid", json_cstr(request, "uid"));
    AUTO_JSON answer = json_pack("{s:s, s:s, s:O}", "kind", "AdmissionReview", "apiVersion", "admission.k8s.io/v1", "response", response);
    json_write(answer, &body);
    http_reply_take(x, 200, "application/json", &body);
}

static int start_hooks(struct world *w)
{
    static const char *const names[] = { "127.0.0.1", "hook.default.svc" };
    AUTO(tls_pair_done) struct tls_pair pair = { 0 };
    struct err e;

    OK(tls_make_ca("test authority", 2, &w->ca, &e));
    OK(tls_make_cert(&w->ca, "hook", NULL, names, ARRAY_LEN(names), 2, &pair, &e));
    struct http_server_opts o = { .cert_pem = pair.cert_pem, .key_pem = pair.key_pem, .handler = on_review, .self = w };
    OK(http_server_start(&o, &w->hooks, &e));
    return 0;
}

/* ---- the world ------------------------------------------------------------------------------------------------------------ */

static int begin(void **state)
{
    struct world *w = xzalloc(sizeof *w);
    char suffix[7] = { 0 };
    struct err e;

    *state = w;
    mutex_init(&w->mu);
    cond_init(&w->met);
    start_hooks(w);
    OK(test_api_start(&w->api, &e));
    AUTO_FREE(kube_config) cfg = NULL;
    OK(kube_config_load(w->api.kubeconfig, NULL, &cfg, &e));
    OK(kube_client_new(cfg, "admission-test", NULL, &w->client, &e));
    random_suffix(suffix, 6);
    snprintf(w->ns, sizeof w->ns, "admission-%s", suffix);
    AUTO_JSON ns = kube_object("v1", "Namespace", NULL, w->ns);
    kube_set_label(ns, "colour", "red");
    OK(kube_create(w->client, KUBE_GVR("", "v1", "namespaces"), NULL, ns, NULL, &e));
    return 0;
}

static int end(void **state)
{
    struct world *w = *state;
    struct err e;

    (void)kube_delete(w->client, KUBE_GVR("", "v1", "namespaces"), NULL, w->ns, NULL, &e);     /* a real server without controllers keeps it */
    kube_client_free(w->client);
    http_server_stop(w->hooks, 3000);
    test_api_stop(&w->api);
    tls_pair_done(&w->ca);
    json_decref(w->last);
    cond_done(&w->met);
    mutex_done(&w->mu);
    free(w);
    return 0;
}

static json_t *url_client(const struct world *w, const char *path)
{
    AUTO_BUF bundle = { 0 };

    base64_add(&bundle, w->ca.cert_pem, strlen(w->ca.cert_pem));
    return json_pack("{s:o, s:s}", "url", json_strf("https://127.0.0.1:%u%s", http_server_port(w->hooks), path), "caBundle", buf_cstr(&bundle));
}

/* A webhook for ConfigMaps that carry the test's label. extra (taken, may be NULL) overrides. */
static json_t *hook(const struct world *w, const char *test, const char *name, const char *path, const char *operations, json_t *extra)
{
    json_t *h = json_pack("{s:o, s:o, s:[{s:[s], s:[s], s:[s], s:[s]}], s:s, s:[s], s:i, s:{s:{s:s}}}", "name", json_strf("%s.%s.example.com", name, test),
                          "clientConfig", url_client(w, path), "rules", "operations", operations, "apiGroups", "", "apiVersions", "v1", "resources", "configmaps",
                          "sideEffects", "None", "admissionReviewVersions", "v1", "timeoutSeconds", 5, "objectSelector", "matchLabels", "test", test);

    if (extra)
        json_object_update(h, extra);
    json_decref(extra);
    return h;
}

/* Takes the webhooks. The last one of validating configurations only shows that the configuration is acted on. */
static json_t *configuration(const struct world *w, bool mutating, const char *test, json_t *hooks)
{
    json_t *c = kube_object("admissionregistration.k8s.io/v1", mutating ? "MutatingWebhookConfiguration" : "ValidatingWebhookConfiguration", NULL, test);
    AUTO_MEM char *probe = xasprintf("%s-probe", test);

    json_push(hooks, hook(w, probe, "probe", "/probe", "CREATE", NULL));
    json_put(c, "webhooks", hooks);
    return c;
}

static json_t *map_of(const struct world *w, const char *test, const char *name)
{
    json_t *m = kube_object("v1", "ConfigMap", w->ns, name);

    kube_set_label(m, "test", test);
    return m;
}

static void install(struct world *w, bool mutating, const char *test, json_t *hooks)
{
    AUTO_JSON c = configuration(w, mutating, test, hooks);
    AUTO_MEM char *probe = xasprintf("%s-probe", test);
    AUTO_JSON m = map_of(w, probe, "probe");
    int64_t deadline = clock_mono_ms() + SEEN_MS;
    struct err e;

    OK(kube_create(w->client, mutating ? MUTATING : VALIDATING, NULL, c, NULL, &e));
    while (kube_create(w->client, MAPS, NULL, m, NULL, &e) == ERR_OK) {         /* refused once the configuration counts */
        OK(kube_delete(w->client, MAPS, w->ns, "probe", NULL, &e));
        assert_true(clock_mono_ms() < deadline);
        (void)poll(NULL, 0, 20);
    }
}

static void uninstall(struct world *w, bool mutating, const char *test)
{
    struct err e;

    OK(kube_delete(w->client, mutating ? MUTATING : VALIDATING, NULL, test, NULL, &e));
}

/* One validating webhook. */
static void install_one(struct world *w, const char *test, const char *path, const char *operations, json_t *extra)
{
    install(w, false, test, json_pack("[o]", hook(w, test, "one", path, operations, extra)));
}

static void refused(const struct err *e, errc rc, const char *text)
{
    if (rc == ERR_OK || !strstr(e->text, text))
        fail_msg("%s\n, not\n%s", rc ? e->text : "stored", text);
}

static void create_refused(struct world *w, const char *test, const char *text)
{
    AUTO_JSON m = map_of(w, test, "m");
    struct err e;

    refused(&e, kube_create(w->client, MAPS, NULL, m, NULL, &e), text);
}

static void created(struct world *w, const char *test)
{
    AUTO_JSON m = map_of(w, test, "m");
    struct err e;

    OK(kube_create(w->client, MAPS, NULL, m, NULL, &e));
    OK(kube_delete(w->client, MAPS, w->ns, "m", NULL, &e));
}

static json_t *last_request(struct world *w)
{
    LOCK_SCOPE(&w->mu);
    return json_incref(w->last);
}

static int times_asked(struct world *w)
{
    LOCK_SCOPE(&w->mu);
    return w->asked;
}

/* ---- answers ---------------------------------------------------------------------------------------------------------------- */

static void a_refusal_says_who_and_why(void **state)
{
    static const struct { const char *path, *text; errc code; } rows[] = {
        { "/deny", "admission webhook \"one.refusals.example.com\" denied the request: not today", ERR_FORBIDDEN },
        { "/deny-silent", "admission webhook \"one.refusals.example.com\" denied the request without explanation", ERR_BAD_REQUEST },
        { "/deny-success", "admission webhook \"one.refusals.example.com\" denied the request: odd", ERR_BAD_REQUEST },
    };
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_JSON m = map_of(w, "refusals", "m");
        struct err e;

        install_one(w, "refusals", rows[i].path, "CREATE", NULL);
        errc rc = kube_create(w->client, MAPS, NULL, m, NULL, &e);
        refused(&e, rc, rows[i].text);
        assert_int_equal(rc, rows[i].code);
        uninstall(w, false, "refusals");
    }
}

static void what_is_no_answer_is_a_failure(void **state)
{
    static const struct { const char *path, *text; } rows[] = {
        { "/broken", "failed calling webhook \"one.failures.example.com\": failed to call webhook: an error on the server (\"out of order\") has prevented the request from succeeding" },
        { "/wrong-uid", "failed calling webhook \"one.failures.example.com\": received invalid webhook response: expected response.uid=" },
        { "/patches", "failed calling webhook \"one.failures.example.com\": received invalid webhook response: validating webhook may not return response.patch" },
        { "/slow", "context deadline exceeded" },
    };
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        install_one(w, "failures", rows[i].path, "CREATE", json_pack("{s:i}", "timeoutSeconds", 1));
        create_refused(w, "failures", rows[i].text);
        uninstall(w, false, "failures");
        install_one(w, "failures", rows[i].path, "CREATE", json_pack("{s:i, s:s}", "timeoutSeconds", 1, "failurePolicy", "Ignore"));
        created(w, "failures");
        uninstall(w, false, "failures");
    }
}

static void nobody_there_is_a_failure(void **state)
{
    struct world *w = *state;
    json_t *nowhere = json_pack("{s:{s:s}}", "clientConfig", "url", "https://127.0.0.1:1/nobody");

    install_one(w, "nobody", "/allow", "CREATE", nowhere);
    create_refused(w, "nobody", "failed calling webhook \"one.nobody.example.com\": failed to call webhook: Post \"https://127.0.0.1:1/nobody?timeout=5s\": ");
    uninstall(w, false, "nobody");
}

static void a_stranger_is_not_believed(void **state)
{
    AUTO(tls_pair_done) struct tls_pair other = { 0 };
    struct world *w = *state;
    AUTO_BUF bundle = { 0 };
    struct err e;

    OK(tls_make_ca("another authority", 2, &other, &e));
    base64_add(&bundle, other.cert_pem, strlen(other.cert_pem));
    json_t *client = url_client(w, "/allow");
    json_put_str(client, "caBundle", buf_cstr(&bundle));
    int before = times_asked(w);
    install_one(w, "stranger", "/allow", "CREATE", json_pack("{s:o}", "clientConfig", client));
    create_refused(w, "stranger", "failed calling webhook \"one.stranger.example.com\": failed to call webhook: Post ");
    assert_int_equal(times_asked(w), before);
    uninstall(w, false, "stranger");
}

/* ---- who is asked ------------------------------------------------------------------------------------------------------------- */

static void only_the_operations_of_the_rules(void **state)
{
    struct world *w = *state;
    AUTO_JSON m = map_of(w, "updates", "m");
    AUTO_JSON change = json_pack("{s:{s:s}}", "data", "a", "b");
    struct err e;

    install_one(w, "updates", "/deny", "UPDATE", NULL);
    OK(kube_create(w->client, MAPS, NULL, m, NULL, &e));
    refused(&e, kube_patch(w->client, MAPS, w->ns, "m", NULL, KUBE_PATCH_MERGE, change, NULL, &e), "denied the request: not today");
    AUTO_JSON q = last_request(w);
    assert_string_equal(json_cstr(q, "operation"), "UPDATE");
    assert_null(json_at(q, "oldObject", "data", NULL));
    assert_string_equal(json_str_at(q, "object", "data", "a", NULL), "b");
    assert_string_equal(json_str_at(q, "options", "kind", NULL), "UpdateOptions");
    OK(kube_delete(w->client, MAPS, w->ns, "m", NULL, &e));
    uninstall(w, false, "updates");
}

static void deletions_show_what_goes(void **state)
{
    struct world *w = *state;
    AUTO_JSON m = map_of(w, "deletions", "m");
    struct err e;

    install_one(w, "deletions", "/deny", "DELETE", NULL);
    OK(kube_create(w->client, MAPS, NULL, m, NULL, &e));
    refused(&e, kube_delete(w->client, MAPS, w->ns, "m", NULL, &e), "denied the request: not today");
    AUTO_JSON q = last_request(w);
    assert_string_equal(json_cstr(q, "operation"), "DELETE");
    assert_true(json_is_null(json_object_get(q, "object")));
    assert_string_equal(json_str_at(q, "oldObject", "metadata", "name", NULL), "m");
    assert_string_equal(json_str_at(q, "options", "kind", NULL), "DeleteOptions");
    refused(&e, kube_delete_all(w->client, MAPS, w->ns, "test=deletions", &e), "denied the request: not today");
    uninstall(w, false, "deletions");
    OK(kube_delete(w->client, MAPS, w->ns, "m", NULL, &e));
}

static void the_request_tells_everything(void **state)
{
    struct world *w = *state;

    install_one(w, "request", "/allow", "*", NULL);
    created(w, "request");
    install_one(w, "request-two", "/allow", "CREATE", NULL);
    created(w, "request-two");
    AUTO_JSON q = last_request(w);
    AUTO_JSON kind = json_pack("{s:s, s:s, s:s}", "group", "", "version", "v1", "kind", "ConfigMap");
    AUTO_JSON resource = json_pack("{s:s, s:s, s:s}", "group", "", "version", "v1", "resource", "configmaps");
    assert_true(json_equal(json_object_get(q, "kind"), kind));
    assert_true(json_equal(json_object_get(q, "requestKind"), kind));
    assert_true(json_equal(json_object_get(q, "resource"), resource));
    assert_true(json_equal(json_object_get(q, "requestResource"), resource));
    assert_string_equal(json_cstr(q, "name"), "m");
    assert_string_equal(json_cstr(q, "namespace"), w->ns);
    assert_string_equal(json_cstr(q, "operation"), "CREATE");
    assert_string_equal(json_str_at(q, "userInfo", "username", NULL), "kubernetes-admin");
    assert_true(json_is_null(json_object_get(q, "oldObject")));
    assert_true(json_is_false(json_object_get(q, "dryRun")));
    assert_string_equal(json_str_at(q, "object", "kind", NULL), "ConfigMap");
    assert_non_null(json_str_at(q, "object", "metadata", "uid", NULL));
    assert_string_equal(json_str_at(q, "options", "kind", NULL), "CreateOptions");
    assert_null(json_object_get(q, "subResource"));
    uninstall(w, false, "request");
    uninstall(w, false, "request-two");
}

static void selectors_choose_namespaces_and_objects(void **state)
{
    struct world *w = *state;
    json_t *red = json_pack("{s:{s:[{s:s, s:s, s:[s]}]}}", "namespaceSelector", "matchExpressions", "key", "colour", "operator", "In", "values", "red");
    json_t *blue = json_pack("{s:{s:{s:s}}}", "namespaceSelector", "matchLabels", "colour", "blue");

    install_one(w, "red", "/deny", "CREATE", red);
    install_one(w, "blue", "/deny", "CREATE", blue);
    create_refused(w, "red", "not today");
    created(w, "blue");
    created(w, "neither");
    uninstall(w, false, "red");
    uninstall(w, false, "blue");
}

static void conditions_choose_requests(void **state)
{
    struct world *w = *state;
    json_t *named = json_pack("{s:[{s:s, s:s}, {s:s, s:s}]}", "matchConditions", "name", "name", "expression", "object.metadata.name == 'm'",
                              "name", "who", "expression", "request.userInfo.username == 'kubernetes-admin' && oldObject == null");
    json_t *other = json_pack("{s:[{s:s, s:s}]}", "matchConditions", "name", "name", "expression", "object.metadata.name != 'm'");
    json_t *fails = json_pack("{s:[{s:s, s:s}]}", "matchConditions", "name", "no-such", "expression", "object.data.colour == 'red'");

    install_one(w, "named", "/deny", "CREATE", named);
    install_one(w, "other", "/deny", "CREATE", other);
    install_one(w, "fails", "/allow", "CREATE", fails);
    create_refused(w, "named", "not today");
    created(w, "other");
    create_refused(w, "fails", "configmaps \"m\" is forbidden: expression 'object.data.colour == 'red'' resulted in error: no such key: data");
    uninstall(w, false, "named");
    uninstall(w, false, "other");
    uninstall(w, false, "fails");
}

static void validating_webhooks_are_asked_at_the_same_time(void **state)
{
    struct world *w = *state;

    install(w, false, "meeting", json_pack("[o, o]", hook(w, "meeting", "one", "/meet", "CREATE", NULL), hook(w, "meeting", "two", "/meet", "CREATE", NULL)));
    created(w, "meeting");
    uninstall(w, false, "meeting");
    install(w, false, "both", json_pack("[o, o]", hook(w, "both", "one", "/allow", "CREATE", NULL), hook(w, "both", "two", "/deny", "CREATE", NULL)));
    create_refused(w, "both", "admission webhook \"two.both.example.com\" denied the request: not today");
    uninstall(w, false, "both");
}

static void a_broken_webhook_does_not_hold_its_own_configuration(void **state)
{
    struct world *w = *state;
    AUTO_JSON anything = json_pack("{s:[{s:[s], s:[s], s:[s], s:[s]}], s:{}}", "rules", "operations", "*", "apiGroups", "admissionregistration.k8s.io",
                                   "apiVersions", "*", "resources", "*/*", "objectSelector");
    AUTO_JSON label = json_pack("{s:{s:{s:s}}}", "metadata", "labels", "repaired", "yes");
    struct err e;

    install_one(w, "locked", "/deny", "*", json_incref(anything));
    OK(kube_patch(w->client, VALIDATING, NULL, "locked", NULL, KUBE_PATCH_MERGE, label, NULL, &e));
    uninstall(w, false, "locked");
}

static void another_version_of_the_resource_counts(void **state)
{
    struct world *w = *state;
    AUTO_JSON crd = json_pack("{s:s, s:s, s:{s:s}, s:{s:s, s:s, s:{s:s, s:s, s:s, s:s}, s:[{s:s, s:b, s:b, s:{s:{s:s, s:b}}}, {s:s, s:b, s:b, s:{s:{s:s, s:b}}}]}}",
        "apiVersion", "apiextensions.k8s.io/v1", "kind", "CustomResourceDefinition", "metadata", "name", "boxes.hooks.example.com",
        "spec", "group", "hooks.example.com", "scope", "Namespaced", "names", "plural", "boxes", "singular", "box", "kind", "Box", "listKind", "BoxList",
        "versions", "name", "v1", "served", 1, "storage", 1, "schema", "openAPIV3Schema", "type", "object", "x-kubernetes-preserve-unknown-fields", 1,
        "name", "v2", "served", 1, "storage", 0, "schema", "openAPIV3Schema", "type", "object", "x-kubernetes-preserve-unknown-fields", 1);
    AUTO_JSON rules = json_pack("{s:[{s:[s], s:[s], s:[s], s:[s]}]}", "rules", "operations", "CREATE", "apiGroups", "hooks.example.com", "apiVersions", "v1",
                                "resources", "boxes");
    AUTO_JSON exact = json_pack("{s:O, s:s}", "rules", json_object_get(rules, "rules"), "matchPolicy", "Exact");
    AUTO_JSON box = kube_object("hooks.example.com/v2", "Box", w->ns, "b");
    AUTO_JSON exact_box = kube_object("hooks.example.com/v2", "Box", w->ns, "e");
    const struct kube_gvr *boxes = KUBE_GVR("hooks.example.com", "v2", "boxes");
    bool served = false;
    struct err e;

    kube_set_label(box, "test", "equivalent");
    kube_set_label(exact_box, "test", "exact");
    OK(kube_create(w->client, KUBE_GVR("apiextensions.k8s.io", "v1", "customresourcedefinitions"), NULL, crd, NULL, &e));
    for (int64_t deadline = clock_mono_ms() + SEEN_MS; !served && clock_mono_ms() < deadline; (void)poll(NULL, 0, 20))
        OK(kube_has_resource(w->client, boxes, &served, &e));
    install_one(w, "equivalent", "/deny", "CREATE", json_incref(rules));
    install_one(w, "exact", "/deny", "CREATE", json_incref(exact));
    refused(&e, kube_create(w->client, boxes, NULL, box, NULL, &e), "not today");
    AUTO_JSON q = last_request(w);
    assert_string_equal(json_str_at(q, "kind", "version", NULL), "v1");
    assert_string_equal(json_str_at(q, "requestKind", "version", NULL), "v2");
    assert_string_equal(json_str_at(q, "object", "apiVersion", NULL), "hooks.example.com/v1");
    OK(kube_create(w->client, boxes, NULL, exact_box, NULL, &e));
    OK(kube_delete(w->client, boxes, w->ns, "e", NULL, &e));
    uninstall(w, false, "equivalent");
    uninstall(w, false, "exact");
    OK(kube_delete(w->client, KUBE_GVR("apiextensions.k8s.io", "v1", "customresourcedefinitions"), NULL, "boxes.hooks.example.com", NULL, &e));
}

/* ---- what mutating ones do -------------------------------------------------------------------------------------------------------- */

static void a_patch_changes_what_is_stored(void **state)
{
    struct world *w = *state;
    AUTO_JSON m = map_of(w, "patched", "m");
    AUTO_JSON stored = NULL;
    struct err e;

    install(w, true, "patched", json_pack("[o]", hook(w, "patched", "one", "/patches", "CREATE", NULL)));
    OK(kube_create(w->client, MAPS, NULL, m, &stored, &e));
    assert_string_equal(json_str_at(stored, "data", "by", NULL), "hook");
    OK(kube_delete(w->client, MAPS, w->ns, "m", NULL, &e));
    uninstall(w, true, "patched");
    install(w, true, "untyped", json_pack("[o]", hook(w, "untyped", "one", "/untyped-patch", "CREATE", NULL)));
    create_refused(w, "untyped", "received invalid webhook response: webhook returned response.patch but not response.patchType");
    uninstall(w, true, "untyped");
}

static void who_wants_is_asked_again_after_others(void **state)
{
    struct world *w = *state;

    for (int again = 0; again < 2; again++) {
        AUTO_JSON m = map_of(w, "again", "m");
        AUTO_JSON stored = NULL;
        json_t *policy = json_pack("{s:s}", "reinvocationPolicy", again ? "IfNeeded" : "Never");
        struct err e;

        install(w, true, "again", json_pack("[o, o]", hook(w, "again", "notes", "/notes-late", "CREATE", policy), hook(w, "again", "adds", "/adds-late", "CREATE", NULL)));
        OK(kube_create(w->client, MAPS, NULL, m, &stored, &e));
        assert_string_equal(json_str_at(stored, "metadata", "labels", "late", NULL), "yes");
        assert_int_equal(json_str_at(stored, "metadata", "labels", "noted", NULL) != NULL, again);
        OK(kube_delete(w->client, MAPS, w->ns, "m", NULL, &e));
        uninstall(w, true, "again");
    }
}

/* ---- where they are ---------------------------------------------------------------------------------------------------------------- */

/* Only ours: a real one refuses loopback addresses in Endpoints. */
static void a_service_leads_to_its_endpoint(void **state)
{
    struct world *w = *state;
    AUTO_JSON service = kube_object("v1", "Service", "default", "hook");
    AUTO_JSON endpoints = kube_object("v1", "Endpoints", "default", "hook");
    json_t *client = url_client(w, "");
    struct err e;

    if (!w->api.server)
        skip();
    (void)json_object_del(client, "url");
    json_put(client, "service", json_pack("{s:s, s:s, s:s, s:i}", "name", "hook", "namespace", "default", "path", "/deny", "port", 8443));
    install_one(w, "service", "/deny", "CREATE", json_pack("{s:o}", "clientConfig", client));
    create_refused(w, "service", "failed calling webhook \"one.service.example.com\": failed to call webhook: service \"hook\" not found");
    json_put(service, "spec", json_pack("{s:[{s:s, s:i}]}", "ports", "name", "https", "port", 8443));
    OK(kube_create(w->client, KUBE_GVR("", "v1", "services"), NULL, service, NULL, &e));
    create_refused(w, "service", "no endpoints available for service \"hook\"");
    json_put(endpoints, "subsets", json_pack("[{s:[{s:s}], s:[{s:s, s:i}]}]", "addresses", "ip", "127.0.0.1", "ports", "name", "https", "port",
                                             (int)http_server_port(w->hooks)));
    OK(kube_create(w->client, KUBE_GVR("", "v1", "endpoints"), NULL, endpoints, NULL, &e));
    create_refused(w, "service", "admission webhook \"one.service.example.com\" denied the request: not today");
    uninstall(w, false, "service");
}

/* ---- configurations ------------------------------------------------------------------------------------------------------------------ */

static void bad_configurations_are_refused(void **state)
{
    static const struct { const char *change, *text; } rows[] = {
        { "{\"name\": \"\"}", "webhooks[0].name: Required value" },
        { "{\"name\": \"short.name\"}", "webhooks[0].name: Invalid value: \"short.name\": should be a domain with at least three segments separated by dots" },
        { "{\"sideEffects\": \"Some\"}", "webhooks[0].sideEffects: Unsupported value: \"Some\": supported values: \"None\", \"NoneOnDryRun\"" },
        { "{\"failurePolicy\": \"Maybe\"}", "webhooks[0].failurePolicy: Unsupported value: \"Maybe\": supported values: \"Fail\", \"Ignore\"" },
        { "{\"matchPolicy\": \"Roughly\"}", "webhooks[0].matchPolicy: Unsupported value: \"Roughly\": supported values: \"Equivalent\", \"Exact\"" },
        { "{\"timeoutSeconds\": 31}", "webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds" },
        { "{\"admissionReviewVersions\": [\"v7\"]}", "webhooks[0].admissionReviewVersions: Invalid value: []string{\"v7\"}: must include at least one of v1, v1beta1" },
        { "{\"clientConfig\": {}}", "webhooks[0].clientConfig: Required value: exactly one of url or service is required" },
        { "{\"clientConfig\": {\"url\": \"http://example.com/\"}}", "webhooks[0].clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: https://host[/path]" },
        { "{\"clientConfig\": {\"url\": \"https://a:b@example.com/\"}}", "webhooks[0].clientConfig.url: Invalid value: \"a:b\": user information is not permitted in the URL" },
        { "{\"clientConfig\": {\"url\": \"https://example.com/?a=b\"}}", "webhooks[0].clientConfig.url: Invalid value: \"a=b\": query parameters are not permitted in the URL" },
        { "{\"clientConfig\": {\"service\": {\"name\": \"\", \"namespace\": \"\"}}}", "webhooks[0].clientConfig.service.name: Required value: service name is required" },
        { "{\"clientConfig\": {\"service\": {\"name\": \"a\", \"namespace\": \"b\", \"port\": 70000}}}", "webhooks[0].clientConfig.service.port: Invalid value: 70000: port is not valid: must be between 1 and 65535, inclusive" },
        { "{\"rules\": [{\"operations\": [\"LOOK\"], \"apiGroups\": [\"\"], \"apiVersions\": [\"v1\"], \"resources\": [\"pods\"]}]}", "webhooks[0].rules[0].operations[0]: Unsupported value: \"LOOK\"" },
        { "{\"rules\": [{\"operations\": [\"*\", \"CREATE\"], \"apiGroups\": [\"\"], \"apiVersions\": [\"v1\"], \"resources\": [\"pods\"]}]}", "if '*' is present, must not specify other operations" },
        { "{\"rules\": [{\"operations\": [\"CREATE\"], \"apiGroups\": [], \"apiVersions\": [\"v1\"], \"resources\": [\"pods\"]}]}", "webhooks[0].rules[0].apiGroups: Required value" },
        { "{\"rules\": [{\"operations\": [\"CREATE\"], \"apiGroups\": [\"\"], \"apiVersions\": [\"v1\"], \"resources\": []}]}", "webhooks[0].rules[0].resources: Required value" },
        { "{\"matchConditions\": [{\"name\": \"x\", \"expression\": \"object.\"}]}", "webhooks[0].matchConditions[0].expression: Invalid value: \"object.\"" },
    };
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_t *change = NULL;
        struct err e;

        OK(json_parse(str_of(rows[i].change), &change, &e));
        AUTO_JSON c = configuration(w, false, "bad", json_pack("[o]", hook(w, "bad", "one", "/allow", "CREATE", change)));
        refused(&e, kube_create(w->client, VALIDATING, NULL, c, NULL, &e), rows[i].text);
    }
}

static void configurations_have_defaults(void **state)
{
    struct world *w = *state;
    AUTO_JSON stored = NULL;
    struct err e;
    json_t *bare = json_pack("{s:s, s:{s:s}, s:s, s:[s]}", "name", "bare.defaults.example.com", "clientConfig", "url", "https://127.0.0.1:1/", "sideEffects", "None",
                             "admissionReviewVersions", "v1");
    AUTO_JSON c = kube_object("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", NULL, "defaults");

    json_put(c, "webhooks", json_pack("[o]", bare));
    OK(kube_create(w->client, MUTATING, NULL, c, &stored, &e));
    const json_t *h = json_array_get(json_object_get(stored, "webhooks"), 0);

    assert_string_equal(json_cstr(h, "failurePolicy"), "Fail");
    assert_string_equal(json_cstr(h, "matchPolicy"), "Equivalent");
    assert_string_equal(json_cstr(h, "reinvocationPolicy"), "Never");
    assert_int_equal(json_int(h, "timeoutSeconds", 0), 10);
    assert_true(json_is_object(json_object_get(h, "namespaceSelector")));
    assert_int_equal(json_int(json_object_get(stored, "metadata"), "generation", 0), 1);
    uninstall(w, true, "defaults");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_says_who_and_why), cmocka_unit_test(what_is_no_answer_is_a_failure), cmocka_unit_test(nobody_there_is_a_failure),
        cmocka_unit_test(a_stranger_is_not_believed), cmocka_unit_test(only_the_operations_of_the_rules), cmocka_unit_test(deletions_show_what_goes),
        cmocka_unit_test(the_request_tells_everything), cmocka_unit_test(selectors_choose_namespaces_and_objects),
        cmocka_unit_test(conditions_choose_requests), cmocka_unit_test(validating_webhooks_are_asked_at_the_same_time),
        cmocka_unit_test(a_broken_webhook_does_not_hold_its_own_configuration),
        cmocka_unit_test(another_version_of_the_resource_counts), cmocka_unit_test(a_patch_changes_what_is_stored),
        cmocka_unit_test(who_wants_is_asked_again_after_others), cmocka_unit_test(a_service_leads_to_its_endpoint),
        cmocka_unit_test(bad_configurations_are_refused), cmocka_unit_test(configurations_have_defaults),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
