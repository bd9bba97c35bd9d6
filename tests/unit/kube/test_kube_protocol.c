/* The edges of the protocol, played by a scripted server: 410, cut watches, 429, conflicts, garbage. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/server.h"
#include "kube/controller.h"
#include "kube/events.h"
#include "kube/meta.h"
#include "../patience.h"

/* Objects are "cm-<n>" with resourceVersion <n>; a script says what the n-th list and the n-th watch answer. */
struct script {
    const char *lists[8], *watches[8];  /* JSON lines; NULL: the last one stays open (watch), the last list repeats */
    atomic_int n_lists, n_watches, n_other;
    char versions[8][32];               /* asked by each watch */
    struct http_server *server;
    struct kube_client *client;
    struct cancel *cancel;
};

static enum http_more lines_next(void *self, struct cancel *gone, struct buf *out)
{
    char **text = self;
    if (*text && **text == '<') {       /* "<cut": the connection breaks */
        return HTTP_ABORT;
    }
    if (*text) {
        buf_adds(out, *text);
        bool stay = strchr(*text, '~') != NULL;
        if (stay)
            buf_truncate(out, out->n - 1);
        *text = stay ? (char *)(uintptr_t)"" : NULL;
        if (!out->n && !stay)
            return HTTP_END;
        if (out->n)
            return HTTP_MORE;
    }
    if (*text == NULL)
        return HTTP_END;
    (void)cancel_wait_ms(gone, -1);
    return HTTP_ABORT;
}

static void handle_watch(struct script *s, struct http_exchange *x)
{
    int n = s->n_watches++;
    snprintf(s->versions[n % 8], sizeof s->versions[0], "%s", http_pairs_get(&x->query, "resourceVersion"));
    char **text = xmalloc(sizeof *text);
    *text = (char *)(uintptr_t)(n < 8 && s->watches[n] ? s->watches[n] : "~");
    http_reply_stream(x, 200, "application/json", &(struct http_source){ lines_next, free, text });
}

static void handle(void *self, struct http_exchange *x)
{
    struct script *s = self;
    if (strstr(x->path, "throttled")) {
        if (s->n_other++ < 2) {
            http_reply_header(x, "Retry-After", "0");
            http_reply(x, 429, "application/json", STR("{\"kind\":\"Status\",\"reason\":\"TooManyRequests\",\"message\":\"slow down\"}"));
        } else {
            http_reply(x, 200, "application/json", STR("{\"metadata\":{\"name\":\"throttled\"}}"));
        }
    } else if (strstr(x->path, "untimed")) {
        s->n_other++;
        http_reply(x, strstr(x->path, "busy") ? 429 : 503, "text/plain", STR("not now"));
    } else if (strstr(x->path, "conflict")) {
        http_reply(x, 409, "application/json", STR("{\"kind\":\"Status\",\"reason\":\"Conflict\",\"message\":\"the object has been modified\",\"code\":409}"));
    } else if (strstr(x->path, "exists")) {
        http_reply(x, 409, "application/json", STR("{\"kind\":\"Status\",\"reason\":\"AlreadyExists\",\"message\":\"configmaps \\\"x\\\" already exists\",\"code\":409}"));
    } else if (strstr(x->path, "away")) {
        char **cut = xmalloc(sizeof *cut);
        *cut = (char *)(uintptr_t)"<cut";
        http_reply_stream(x, 200, "application/json", &(struct http_source){ lines_next, free, cut });
    } else if (strstr(x->path, "garbage")) {
        http_reply(x, 200, "text/html", STR("<html>hello</html>"));
    } else if (strstr(x->path, "proxy-error")) {
        http_reply(x, 502, "text/html", STR("bad gateway\nmore"));
    } else if (http_pairs_get(&x->query, "watch")) {
        handle_watch(s, x);
    } else {
        int n = s->n_lists++;
        while (n > 0 && (n >= 8 || !s->lists[n]))
            n--;
        http_reply(x, 200, "application/json", str_of(s->lists[n]));
    }
}

static void script_start(struct script *s)
{
    struct err e;
    char url[64];
    s->cancel = cancel_new();
    assert_int_equal(http_server_start(&(struct http_server_opts){ .handler = handle, .self = s }, &s->server, &e), ERR_OK);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", http_server_port(s->server));
    struct kube_config cfg = { .server = url, .namespace_ = (char[]){ "default" } };
    assert_int_equal(kube_client_new(&cfg, NULL, s->cancel, &s->client, &e), ERR_OK);
}

static void script_stop(struct script *s)
{
    kube_client_free(s->client);
    http_server_stop(s->server, 1000);
    cancel_free(s->cancel);
}

#define OBJ(n, v) "{\"metadata\":{\"name\":\"cm-" #n "\",\"namespace\":\"default\",\"resourceVersion\":\"" #v "\",\"managedFields\":[1]}}"
#define LIST(v, items) "{\"kind\":\"ConfigMapList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"" #v "\"},\"items\":[" items "]}"
#define EVENT(type, n, v) "{\"type\":\"" type "\",\"object\":" OBJ(n, v) "}\n"
#define GONE "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\",\"message\":\"too old resource version\"}}\n"

struct seen { struct mutex mu; struct buf log; };

static void see(void *self, const json_t *old, const json_t *new_)
{
    struct seen *s = self;
    const json_t *o = new_ ? new_ : old;
    LOCK_SCOPE(&s->mu);
    buf_addf(&s->log, "%s%s@%s ", old && new_ ? "~" : new_ ? "+" : "-", kube_name(o), kube_resource_version(o));
    assert_null(json_at(o, "metadata", "managedFields", NULL));
    assert_string_equal(kube_kind(new_ ? new_ : o), "ConfigMap");
}

static bool saw(struct seen *s, const char *want)
{
    for (int64_t until = patience_end(1700); clock_mono_ms() < until; poll(NULL, 0, 5)) {
        LOCK_SCOPE(&s->mu);
        if (streq(buf_cstr(&s->log), want))
            return true;
    }
    fprintf(stderr, "# saw: %s\n", buf_cstr(&s->log));
    return false;
}

static void run_informer(struct script *s, const char *want, int want_watches)
{
    struct err e;
    script_start(s);
    struct seen seen = { 0 };
    mutex_init(&seen.mu);
    {
        AUTO_FREE(informers) set = informers_new(s->client);
        struct informer *i = informers_of(set, "", "v1", "configmaps");
        informer_on(i, &(struct informer_handler){ see, &seen });
        informers_start(set, s->cancel);
        assert_int_equal(informers_wait_synced(set, patience_ms(1700), &e), ERR_OK);
        assert_true(saw(&seen, want));
        for (int64_t until = patience_end(1700); s->n_watches < want_watches && clock_mono_ms() < until;)
            poll(NULL, 0, 5);
        int64_t began = clock_mono_ms();
        cancel_now(s->cancel);
        informers_join(set);
        assert_true(clock_mono_ms() - began < patience_ms(500));       /* an open watch ends at once, not after its minutes */
    }
    buf_done(&seen.log);
    script_stop(s);
}

static void a_watch_resumes_where_it_ended(void **state)
{
    struct script s = {
        .lists = { LIST(5, OBJ(1, 1) "," OBJ(2, 2)) },
        .watches = { EVENT("ADDED", 3, 6) EVENT("MODIFIED", 1, 7), "<cut", EVENT("DELETED", 2, 8)
                     "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"ConfigMap\",\"metadata\":{\"resourceVersion\":\"20\"}}}\n", "~" },
    };
    /* built-in kinds carry apiVersion and kind in watch events; these do not, so fill them as the list did */
    s.watches[0] = "{\"type\":\"ADDED\",\"object\":{\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"cm-3\",\"namespace\":\"default\",\"resourceVersion\":\"6\"}}}\n"
                   "{\"type\":\"MODIFIED\",\"object\":{\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"cm-1\",\"namespace\":\"default\",\"resourceVersion\":\"7\"}}}\n";
    run_informer(&s, "+cm-1@1 +cm-2@2 +cm-3@6 ~cm-1@7 -cm-2@2 ", 3);
    assert_int_equal(s.n_lists, 1);
    assert_string_equal(s.versions[0], "5");
    assert_string_equal(s.versions[1], "7");
    assert_string_equal(s.versions[2], "7");
}

static void gone_lists_again_and_tells_the_difference(void **state)
{
    struct script s = {
        .lists = { LIST(5, OBJ(1, 1) "," OBJ(2, 2)), LIST(50, OBJ(2, 40) "," OBJ(4, 41)) },
        .watches = { GONE, "~" },
    };
    run_informer(&s, "+cm-1@1 +cm-2@2 ~cm-2@40 +cm-4@41 -cm-1@1 ", 2);
    assert_int_equal(s.n_lists, 2);
    assert_string_equal(s.versions[1], "50");
}

/* The API came back from a backup: it knows no such version yet. */
static void a_version_from_the_future_lists_again(void **state)
{
    struct script s = {
        .lists = { LIST(500, OBJ(1, 400) "," OBJ(2, 401)), LIST(50, OBJ(2, 40)) },
        .watches = { "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":504,\"reason\":\"Timeout\",\"message\":\"Too large resource version\"}}\n", "~" },
    };
    run_informer(&s, "+cm-1@400 +cm-2@401 ~cm-2@40 -cm-1@400 ", 2);
    assert_int_equal(s.n_lists, 2);
    assert_string_equal(s.versions[1], "50");
}

static void garbage_in_a_watch_is_survived(void **state)
{
    struct script s = {
        .lists = { LIST(5, OBJ(1, 1)) },
        .watches = { "not json\n", "{\"type\":\"ADDED\"}\n", "{\"type\":\"DELETED\",\"object\":" OBJ(1, 9) "}\n", "~" },
    };
    run_informer(&s, "+cm-1@1 -cm-1@1 ", 3);
}

static void statuses_become_errors(void **state)
{
    struct script s = { 0 };
    struct err e;
    script_start(&s);
    AUTO_JSON obj = NULL;
    const struct kube_gvr *cm = KUBE_GVR("", "v1", "configmaps");
    assert_int_equal(kube_get(s.client, cm, "default", "throttled", &obj, &e), ERR_OK);
    assert_int_equal(s.n_other, 3);
    assert_int_equal(kube_get(s.client, cm, "default", "conflict", NULL, &e), ERR_CONFLICT);
    assert_string_equal(e.text, "the object has been modified");
    assert_int_equal(kube_get(s.client, cm, "default", "exists", NULL, &e), ERR_EXISTS);
    json_t *never = NULL;
    assert_true(kube_get(s.client, cm, "default", "garbage", &never, &e) != ERR_OK);
    assert_int_equal(kube_get(s.client, cm, "default", "proxy-error", NULL, &e), ERR_INTERNAL);
    assert_non_null(strstr(e.text, "502: bad gateway"));
    cancel_now(s.cancel);
    assert_int_equal(kube_get(s.client, cm, "default", "conflict", NULL, &e), ERR_CANCELLED);
    script_stop(&s);
}

static int calls_of(struct script *s, errc rc, errc want)
{
    int calls = s->n_other;

    assert_int_equal(rc, want);
    s->n_other = 0;
    return calls;
}

/* A server that does not say when is asked again a few times where that does nothing twice. */
static void a_refusal_without_a_time_is_asked_again_where_that_is_safe(void **state)
{
    struct script s = { 0 };
    struct err e;
    const struct kube_gvr *cm = KUBE_GVR("", "v1", "configmaps");
    AUTO_JSON object = kube_object("v1", "ConfigMap", NULL, "x");

    script_start(&s);
    assert_int_equal(calls_of(&s, kube_get(s.client, cm, "untimed-busy", "x", NULL, &e), ERR_THROTTLED), 4);
    assert_int_equal(calls_of(&s, kube_create(s.client, cm, "untimed-busy", object, NULL, &e), ERR_THROTTLED), 4);
    assert_int_equal(calls_of(&s, kube_get(s.client, cm, "untimed-away", "x", NULL, &e), ERR_UNAVAILABLE), 4);
    assert_int_equal(calls_of(&s, kube_create(s.client, cm, "untimed-away", object, NULL, &e), ERR_UNAVAILABLE), 1);
    script_stop(&s);
}

struct counted { atomic_int runs, fail; bool progressed; };

static errc count_reconcile(void *self, struct op *op, const struct key *key, struct reconcile_result *out, struct err *e)
{
    struct counted *c = self;
    c->runs++;
    out->progressed = c->progressed;
    return c->fail-- > 0 ? err_set(e, ERR_CONFLICT, "try again") : ERR_OK;
}

static void a_controller_retries_until_it_succeeds(void **state)
{
    struct script s = { .lists = { LIST(5, OBJ(1, 1)) } };
    struct counted n = { .fail = 3 };
    script_start(&s);
    {
        AUTO_FREE(informers) set = informers_new(s.client);
        AUTO_FREE(controller) c = controller_new(&(struct controller_opts){ .name = "count", .reconcile = count_reconcile, .self = &n });
        controller_watch(c, informers_of(set, "", "v1", "configmaps"));
        informers_start(set, s.cancel);
        controller_start(c, s.cancel);
        struct controller_stats stats = { 0 };
        for (int64_t until = patience_end(1700); stats.reconciles < 4 && clock_mono_ms() < until; poll(NULL, 0, 5))
            controller_stats(c, &stats);
        cancel_now(s.cancel);
        controller_join(c);
        informers_join(set);
        assert_int_equal(n.runs, 4);
        assert_int_equal(stats.errors, 3);
    }
    script_stop(&s);
}

static void reconcile_until(struct script *s, const struct controller_opts *o, atomic_int *runs, int want, int64_t ms)
{
    AUTO_FREE(informers) set = informers_new(s->client);
    AUTO_FREE(controller) c = controller_new(o);
    controller_watch(c, informers_of(set, "", "v1", "configmaps"));
    informers_start(set, s->cancel);
    controller_start(c, s->cancel);
    for (int64_t until = patience_end(ms); *runs < want && clock_mono_ms() < until; poll(NULL, 0, 5))
        ;
    cancel_now(s->cancel);
    controller_join(c);
    informers_join(set);
}

/* 17 failures in a row: eleven minutes of back-off, were each like the one before. */
static void what_gets_on_is_not_held_up(void **state)
{
    struct script s = { .lists = { LIST(5, OBJ(1, 1)) } };
    struct counted n = { .fail = 17, .progressed = true };
    script_start(&s);
    reconcile_until(&s, &(struct controller_opts){ .name = "count", .reconcile = count_reconcile, .self = &n }, &n.runs, 18, 4000);
    assert_int_equal(n.runs, 18);
    script_stop(&s);
}

struct asker { struct kube_client *client; atomic_int runs, away, conflicts; };

/* The first conflicts times it is something else that goes wrong, although the API is away. */
static errc ask_reconcile(void *self, struct op *op, const struct key *key, struct reconcile_result *out, struct err *e)
{
    struct asker *a = self;
    AUTO_JSON object = NULL;
    a->runs++;
    errc rc = kube_get(a->client, KUBE_GVR("", "v1", "configmaps"), a->away-- > 0 ? "away" : "throttled", "x", &object, e);
    return a->conflicts-- > 0 ? err_set(e, ERR_CONFLICT, "somebody was faster") : rc;
}

/* 12 failures in a row: twenty seconds of back-off, if they were the object's. */
static void an_api_that_was_away_finds_us_soon(void **state)
{
    struct script s = { .lists = { LIST(5, OBJ(1, 1)) } };
    script_start(&s);
    struct asker a = { .client = s.client, .away = 12 };
    reconcile_until(&s, &(struct controller_opts){ .name = "ask", .reconcile = ask_reconcile, .self = &a }, &a.runs, 13, 5000);
    assert_int_equal(a.runs, 13);
    script_stop(&s);
}

static size_t n_lines_with(int fd, const char *words)
{
    char text[65536];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    size_t found = 0;
    text[n > 0 ? n : 0] = '\0';
    for (const char *p = text; (p = strstr(p, words)); p++)
        found++;
    return found;
}

/* And not by a conflict, which nobody is told of. */
static void that_an_api_is_away_is_told_once(void **state)
{
    struct script s = { .lists = { LIST(5, OBJ(1, 1)) } };
    int log = memfd_create("log", MFD_CLOEXEC);
    script_start(&s);
    struct asker a = { .client = s.client, .away = 6, .conflicts = 2 };
    log_setup(LOG_INFO, false, log);
    reconcile_until(&s, &(struct controller_opts){ .name = "ask", .reconcile = ask_reconcile, .self = &a }, &a.runs, 7, 5000);
    log_setup(LOG_INFO, false, STDERR_FILENO);
    assert_int_equal(a.runs, 7);
    assert_int_equal(n_lines_with(log, "reconcile failed"), 1);
    assert_int_equal(n_lines_with(log, "somebody was faster"), 0);
    close(log);
    script_stop(&s);
}

static void kubeconfigs(void **state)
{
    char dir[] = "/tmp/kube-config-XXXXXX";
    struct err e;
    assert_non_null(mkdtemp(dir));
    AUTO_MEM char *path = path_join(dir, "config");
    AUTO_MEM char *token = path_join(dir, "token");
    const char *text = "apiVersion: v1\nkind: Config\ncurrent-context: b\n"
        "clusters:\n- name: c\n  cluster:\n    server: https://10.0.0.1:6443/\n    certificate-authority-data: Q0E=\n"
        "users:\n- name: u\n  user:\n    tokenFile: token\n- name: x\n  user:\n    exec:\n      command: aws\n- name: t\n  user: {token: abc}\n"
        "contexts:\n- name: b\n  context: {cluster: c, user: u, namespace: team}\n- name: x\n  context: {cluster: c, user: x}\n"
        "- name: t\n  context: {cluster: c, user: t}\n- name: lost\n  context: {cluster: nowhere}\n";
    assert_int_equal(file_write_atomic(path, str_of(text), 0600, &e), ERR_OK);
    {
        AUTO_FREE(kube_config) c = NULL;
        assert_int_equal(kube_config_load(path, NULL, &c, &e), ERR_OK);
        assert_string_equal(c->server, "https://10.0.0.1:6443");
        assert_string_equal(c->namespace_, "team");
        assert_string_equal(c->ca_pem, "CA");
        assert_string_equal(c->token_file, token);
    }
    {
        AUTO_FREE(kube_config) c = NULL;
        AUTO_BUF out = { 0 };
        assert_int_equal(kube_config_load(path, "t", &c, &e), ERR_OK);
        assert_string_equal(c->token, "abc");
        kube_config_write(c, "again", &out);
        assert_int_equal(file_write_atomic(path, buf_str(&out), 0600, &e), ERR_OK);
    }
    {
        AUTO_FREE(kube_config) c = NULL;
        assert_int_equal(kube_config_load(path, NULL, &c, &e), ERR_OK);
        assert_string_equal(c->token, "abc");
        assert_string_equal(c->ca_pem, "CA");
    }
    assert_int_equal(file_write_atomic(path, str_of(text), 0600, &e), ERR_OK);
    struct kube_config *none = NULL;
    assert_int_equal(kube_config_load(path, "x", &none, &e), ERR_UNBUILT);
    assert_non_null(strstr(e.text, "user x: exec"));
    assert_int_equal(kube_config_load(path, "lost", &none, &e), ERR_NOT_FOUND);
    assert_int_equal(kube_config_load(path, "absent", &none, &e), ERR_NOT_FOUND);
    assert_int_equal(dir_remove(dir, &e), ERR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_watch_resumes_where_it_ended),
        cmocka_unit_test(gone_lists_again_and_tells_the_difference),
        cmocka_unit_test(a_version_from_the_future_lists_again),
        cmocka_unit_test(garbage_in_a_watch_is_survived),
        cmocka_unit_test(statuses_become_errors),
        cmocka_unit_test(a_refusal_without_a_time_is_asked_again_where_that_is_safe),
        cmocka_unit_test(a_controller_retries_until_it_succeeds),
        cmocka_unit_test(what_gets_on_is_not_held_up), cmocka_unit_test(an_api_that_was_away_finds_us_soon), cmocka_unit_test(that_an_api_is_away_is_told_once),
        cmocka_unit_test(kubeconfigs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
