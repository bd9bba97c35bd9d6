/* The whole server in this process, asked over TLS: status patches, tables, finalizers, grace, restarts, who may ask. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "apiserver/apiserver.h"
#include "base/file.h"
#include "base/mem.h"
#include "http/client.h"

struct fixture { char dir[64]; struct apiserver *s; struct http_client *c; struct apiserver_opts o; };

static void connect_to(struct fixture *f)
{
    struct err e = { 0 };
    struct http_client_opts o = { .tls = { .ca_pem = apiserver_ca_pem(f->s) }, .bearer = apiserver_token(f->s) };

    assert_int_equal(http_client_new(&o, &f->c, &e), ERR_OK);
}

static void start(struct fixture *f)
{
    struct err e = { 0 };

    f->o.state_dir = f->dir;
    if (apiserver_start(&f->o, &f->s, &e))
        fail_msg("%s", e.text);
    connect_to(f);
}

static void stop(struct fixture *f)
{
    http_client_free(f->c);
    apiserver_stop(f->s);
    f->c = NULL;
    f->s = NULL;
}

static int setup(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);

    snprintf(f->dir, sizeof f->dir, "/tmp/kaito-api-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    start(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    struct err e;

    stop(f);
    (void)dir_remove(f->dir, &e);
    free(f);
    return 0;
}

/* One request; the status, and the body in *out (may be NULL). */
static int ask(struct fixture *f, const char *method, const char *path, const char *type, const char *accept, const char *body, json_t **out)
{
    AUTO_RESPONSE r = { 0 };
    AUTO_MEM char *url = xasprintf("https://127.0.0.1:%u%s", apiserver_port(f->s), path);
    const struct http_pair headers[] = { { "Accept", accept ? accept : "application/json" } };
    struct http_request q = { .method = method, .url = url, .headers = headers, .n_headers = 1, .content_type = body ? type : NULL,
                              .body = str_of(body) };
    struct err e = { 0 };

    if (http_send(f->c, &q, &r, &e))
        fail_msg("%s %s: %s", method, path, e.text);
    if (out && json_parse(buf_str(&r.body), out, &e))
        fail_msg("%s %s: %s", method, path, buf_cstr(&r.body));
    return r.status;
}

static void must(struct fixture *f, int want, const char *method, const char *path, const char *body)
{
    bool patch = streq(method, "PATCH");
    json_t *out = NULL;
    int got = ask(f, method, path, patch ? "application/merge-patch+json" : "application/json", NULL, body, &out);

    if (got != want) {
        char *text = json_text(out);
        fail_msg("%s %s: %d %s", method, path, got, text);
    }
    json_decref(out);
}

#define PODS "/api/v1/namespaces/default/pods"
#define POD "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"nodeName\":\"n\",\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"

static void make_pod(struct fixture *f)
{
    must(f, 403, "POST", PODS, POD);            /* no service account yet */
    must(f, 201, "POST", "/api/v1/namespaces/default/serviceaccounts", "{\"metadata\":{\"name\":\"default\"}}");
    must(f, 201, "POST", PODS, POD);
}

static void status_is_written_below_status_only(void **state)
{
    struct fixture *f = *state;
    json_t *o = NULL;

    make_pod(f);
    must(f, 200, "PATCH", PODS "/p", "{\"status\":{\"phase\":\"Running\"}}");
    ask(f, "GET", PODS "/p", NULL, NULL, NULL, &o);
    assert_string_equal(json_str_at(o, "status", "phase", NULL), "Pending");
    json_decref(o);
    must(f, 200, "PATCH", PODS "/p/status", "{\"status\":{\"phase\":\"Running\"},\"spec\":{\"nodeName\":\"other\"}}");
    ask(f, "GET", PODS "/p", NULL, NULL, NULL, &o);
    assert_string_equal(json_str_at(o, "status", "phase", NULL), "Running");
    assert_string_equal(json_str_at(o, "spec", "nodeName", NULL), "n");
    json_decref(o);
}

static void a_table_shows_what_kubectl_prints(void **state)
{
    struct fixture *f = *state;
    json_t *t = NULL;

    make_pod(f);
    assert_int_equal(ask(f, "GET", PODS, NULL, "application/json;as=Table;v=v1;g=meta.k8s.io", NULL, &t), 200);
    assert_string_equal(json_cstr(t, "kind"), "Table");
    const json_t *cells = json_object_get(json_array_get(json_object_get(t, "rows"), 0), "cells");
    assert_string_equal(json_string_value(json_array_get(cells, 0)), "p");
    assert_string_equal(json_string_value(json_array_get(cells, 1)), "0/1");
    assert_string_equal(json_string_value(json_array_get(cells, 2)), "Pending");
    assert_int_equal(json_array_size(cells), json_array_size(json_object_get(t, "columnDefinitions")));
    json_decref(t);
}

static void a_bound_pod_gets_its_grace_period(void **state)
{
    struct fixture *f = *state;
    json_t *o = NULL;

    make_pod(f);
    assert_int_equal(ask(f, "DELETE", PODS "/p", NULL, NULL, NULL, &o), 200);
    assert_int_equal(json_int(json_object_get(o, "metadata"), "deletionGracePeriodSeconds", -1), 30);
    json_decref(o);
    must(f, 200, "GET", PODS "/p", NULL);
    must(f, 200, "DELETE", PODS "/p?gracePeriodSeconds=0", NULL);
    must(f, 404, "GET", PODS "/p", NULL);
}

#define MAPS "/api/v1/namespaces/default/configmaps"

static void a_finalizer_holds_until_it_is_taken_away(void **state)
{
    struct fixture *f = *state;

    must(f, 201, "POST", MAPS, "{\"metadata\":{\"name\":\"m\",\"finalizers\":[\"example.org/f\"]}}");
    must(f, 200, "DELETE", MAPS "/m", NULL);
    must(f, 200, "GET", MAPS "/m", NULL);
    must(f, 422, "PATCH", MAPS "/m", "{\"metadata\":{\"finalizers\":[\"example.org/f\",\"example.org/g\"]}}");
    must(f, 200, "PATCH", MAPS "/m", "{\"metadata\":{\"finalizers\":null}}");
    must(f, 404, "GET", MAPS "/m", NULL);
}

static void everything_is_there_after_a_restart(void **state)
{
    struct fixture *f = *state;
    json_t *before = NULL, *after = NULL;

    must(f, 201, "POST", MAPS, "{\"metadata\":{\"name\":\"m\"},\"data\":{\"k\":\"v\"}}");
    ask(f, "GET", MAPS "/m", NULL, NULL, NULL, &before);
    char *token = xstrdup(apiserver_token(f->s));
    stop(f);
    start(f);
    assert_string_equal(apiserver_token(f->s), token);
    free(token);
    ask(f, "GET", MAPS "/m", NULL, NULL, NULL, &after);
    assert_true(json_equal(before, after));
    json_decref(before);
    json_decref(after);
}

static void a_second_server_on_the_folder_is_refused(void **state)
{
    struct fixture *f = *state;
    struct apiserver *second = NULL;
    struct err e = { 0 };

    assert_int_equal(apiserver_start(&f->o, &second, &e), ERR_CONFLICT);
    assert_non_null(strstr(e.text, f->dir));
}

static char *first_cluster_ip(struct fixture *f)
{
    AUTO_JSON made = NULL;

    assert_int_equal(ask(f, "POST", "/api/v1/namespaces/default/services", "application/json", NULL,
                         "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"web\"},\"spec\":{\"ports\":[{\"port\":80}]}}", &made), 201);
    return xstrdup(json_str_at(made, "spec", "clusterIP", NULL));
}

/* On one machine both would listen on the addresses of their Services, and one answer for the other. */
static void two_servers_of_one_range_give_other_addresses(void **state)
{
    void *other = NULL;

    assert_int_equal(setup(&other), 0);
    AUTO_MEM char *a = first_cluster_ip(*state);
    AUTO_MEM char *b = first_cluster_ip(other);
    assert_string_not_equal(a, b);
    teardown(&other);
}

static void strangers_see_the_version_and_nothing_else(void **state)
{
    struct fixture *f = *state;

    http_client_set_bearer(f->c, NULL);
    must(f, 200, "GET", "/version", NULL);
    must(f, 403, "GET", "/api", NULL);
    must(f, 403, "GET", MAPS, NULL);
    http_client_set_bearer(f->c, "nonsense");
    must(f, 401, "GET", "/version", NULL);
    http_client_set_bearer(f->c, "eyJhbGciOiJFUzI1NiJ9.e30.AAAA");
    must(f, 401, "GET", MAPS, NULL);
}

static void a_token_dies_with_its_account(void **state)
{
    struct fixture *f = *state;
    json_t *o = NULL;

    must(f, 201, "POST", "/api/v1/namespaces/default/serviceaccounts", "{\"metadata\":{\"name\":\"a\"}}");
    assert_int_equal(ask(f, "POST", "/api/v1/namespaces/default/serviceaccounts/a/token", "application/json", NULL, "{\"spec\":{}}", &o), 201);
    char *admin = xstrdup(apiserver_token(f->s));
    http_client_set_bearer(f->c, json_str_at(o, "status", "token", NULL));
    must(f, 403, "GET", MAPS, NULL);            /* known, but may not */
    http_client_set_bearer(f->c, admin);
    must(f, 200, "DELETE", "/api/v1/namespaces/default/serviceaccounts/a", NULL);
    http_client_set_bearer(f->c, json_str_at(o, "status", "token", NULL));
    must(f, 401, "GET", MAPS, NULL);
    free(admin);
    json_decref(o);
}

static errc no_secrets_of_cats(void *self, const json_t *object, const json_t *old, struct err *e)
{
    (void)old;
    ++*(int *)self;
    if (json_at(object, "data", "cat", NULL))
        return err_set(e, ERR_INVALID, "data.cat: cats keep no secrets");
    return ERR_OK;
}

static void hooks_may_refuse(void **state)
{
    struct fixture *f = *state;
    int calls = 0;
    const struct apiserver_hook hook = { "cats.example.org", "", "configmaps", no_secrets_of_cats, &calls };
    json_t *o = NULL;

    stop(f);
    f->o.hooks = &hook;
    f->o.n_hooks = 1;
    start(f);
    must(f, 201, "POST", MAPS, "{\"metadata\":{\"name\":\"m\"}}");
    assert_int_equal(ask(f, "PATCH", MAPS "/m", "application/merge-patch+json", NULL, "{\"data\":{\"cat\":\"x\"}}", &o), 422);
    assert_string_equal(json_cstr(o, "message"), "admission webhook \"cats.example.org\" denied the request: data.cat: cats keep no secrets");
    assert_int_equal(calls, 2);
    json_decref(o);
}

/* What a claim template brings may be mounted, what nothing brings may not. */
static void a_claim_template_is_a_volume(void **state)
{
#define SET(name, volume) "{\"metadata\":{\"name\":\"" name "\"},\"spec\":{\"serviceName\":\"s\",\"selector\":{\"matchLabels\":{\"a\":\"b\"}}," \
    "\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"," \
    "\"volumeMounts\":[{\"name\":\"" volume "\",\"mountPath\":\"/m\"}]}]}},\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"weights\"}," \
    "\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}]}}"
    struct fixture *f = *state;

    must(f, 201, "POST", "/apis/apps/v1/namespaces/default/statefulsets", SET("one", "weights"));
    must(f, 422, "POST", "/apis/apps/v1/namespaces/default/statefulsets", SET("two", "other"));
}

struct definer { struct fixture f; struct thread thread; char name[16]; int status; };

static void define(void *self)
{
    struct definer *d = self;
    AUTO_MEM char *text = xasprintf("{\"metadata\":{\"name\":\"%ss.example.org\"},\"spec\":{\"group\":\"example.org\",\"scope\":\"Cluster\","
        "\"names\":{\"plural\":\"%ss\",\"kind\":\"%s\"},\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,"
        "\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\"}}}]}}", d->name, d->name, d->name);

    d->status = ask(&d->f, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "application/json", NULL, text, NULL);
}

/* Each write makes the picture of what is served anew: one that began before another's write must not be shown after it. */
static void definitions_of_several_clients_are_all_served(void **state)
{
    struct definer d[6];

    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < ARRAY_LEN(d); i++) {
            d[i] = (struct definer){ .f = *(struct fixture *)*state };
            snprintf(d[i].name, sizeof d[i].name, "r%dn%zu", round, i);
            connect_to(&d[i].f);
            thread_start(&d[i].thread, "definer", define, &d[i]);
        }
        for (size_t i = 0; i < ARRAY_LEN(d); i++) {
            thread_join(&d[i].thread);
            assert_int_equal(d[i].status, 201);
            http_client_free(d[i].f.c);
        }
        for (size_t i = 0; i < ARRAY_LEN(d); i++) {
            AUTO_MEM char *path = xasprintf("/apis/example.org/v1/%ss", d[i].name);
            must(*state, 200, "GET", path, NULL);
        }
    }
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(status_is_written_below_status_only), T(a_table_shows_what_kubectl_prints), T(a_bound_pod_gets_its_grace_period),
        T(a_finalizer_holds_until_it_is_taken_away), T(everything_is_there_after_a_restart), T(a_second_server_on_the_folder_is_refused), T(two_servers_of_one_range_give_other_addresses),
        T(strangers_see_the_version_and_nothing_else), T(a_token_dies_with_its_account), T(hooks_may_refuse), T(a_claim_template_is_a_volume),
        T(definitions_of_several_clients_are_all_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
