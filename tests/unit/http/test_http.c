/* The client against the server, in one process: TLS, streams, cancel, limits, clients that leave. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/tls.h"
#include "http/client_priv.h"
#include "http/server.h"
#include "../patience.h"

struct world {
    struct http_server *server;
    struct http_client *client;
    char base[64];
    atomic_int streams_freed, streams_gone, slow_came;
};

struct ticks { struct world *w; int left; bool forever, abort; };

static enum http_more ticks_next(void *self, struct cancel *gone, struct buf *out)
{
    struct ticks *t = self;
    if (t->forever && t->left == 0) {
        (void)cancel_wait_ms(gone, -1);
        t->w->streams_gone++;
        return HTTP_ABORT;
    }
    if (t->left == 0)
        return t->abort ? HTTP_ABORT : HTTP_END;
    t->left--;
    buf_adds(out, "tick\n");
    return HTTP_MORE;
}

static void ticks_free(void *self)
{
    struct ticks *t = self;
    t->w->streams_freed++;
    free(t);
}

static void reply_ticks(struct world *w, struct http_exchange *x, int n, bool forever, bool abort_)
{
    struct ticks *t = xzalloc(sizeof *t);
    *t = (struct ticks){ w, n, forever, abort_ };
    http_reply_stream(x, 200, "text/plain", &(struct http_source){ ticks_next, ticks_free, t });
}

static void echo(struct world *w, struct http_exchange *x)
{
    http_reply_header(x, "X-Method", x->method);
    http_reply(x, 200, "application/octet-stream", x->body);
}

static void who(struct world *w, struct http_exchange *x)
{
    AUTO_BUF b = { 0 };

    buf_addf(&b, "%s|%s|%d|%s", x->client_cn ? x->client_cn : "-", x->n_client_orgs ? x->client_orgs[0] : "-", x->client_cert_invalid,
             http_header_get(&x->headers, "authorization"));
    http_reply_take(x, 200, "text/plain", &b);
}

static void peer(struct world *w, struct http_exchange *x) { http_replyf(x, 200, "%s", x->peer); }

static void arguments(struct world *w, struct http_exchange *x)
{
    AUTO_BUF b = { 0 };

    for (size_t i = 0; i < x->query.n; i++)
        buf_addf(&b, "%s=%s;", x->query.items[i].name, x->query.items[i].value);
    buf_addf(&b, "%s", x->raw_path);
    http_reply_take(x, 200, "text/plain", &b);
}

static void big(struct world *w, struct http_exchange *x)
{
    AUTO_BUF b = { 0 };

    buf_reserve(&b, 3 << 20);
    for (int i = 0; i < (3 << 20) / 8; i++)
        buf_adds(&b, "bigbody\n");
    http_reply_take(x, 200, "text/plain", &b);
}

static void ticks(struct world *w, struct http_exchange *x) { reply_ticks(w, x, 20000, false, false); }
static void ticks_cut(struct world *w, struct http_exchange *x) { reply_ticks(w, x, 3, false, true); }
static void ticks_watch(struct world *w, struct http_exchange *x) { reply_ticks(w, x, 1, true, false); }

static void part_of_a_file(struct world *w, struct http_exchange *x)
{
    http_reply_file(x, 206, "text/plain", open("/proc/self/exe", O_RDONLY | O_CLOEXEC), 1, 3);
}

static void elsewhere(struct world *w, struct http_exchange *x)
{
    http_reply_header(x, "Location", "/echo");
    http_replyf(x, 302, "over there");
}

static void slow(struct world *w, struct http_exchange *x)
{
    w->slow_came++;
    (void)cancel_wait_ms(http_gone(x), -1);
    w->streams_gone++;
    http_replyf(x, 500, "gone");
}

static void silent(struct world *w, struct http_exchange *x) { }

static void handle(void *self, struct http_exchange *x)
{
    static const struct { const char *path; void (*reply)(struct world *w, struct http_exchange *x); } routes[] = {
        { "/echo", echo }, { "/who", who }, { "/peer", peer }, { "/args/a b", arguments }, { "/big", big }, { "/ticks", ticks }, { "/cut", ticks_cut },
        { "/watch", ticks_watch }, { "/file", part_of_a_file }, { "/redirect", elsewhere }, { "/slow", slow }, { "/silent", silent },
    };

    for (size_t i = 0; i < ARRAY_LEN(routes); i++)
        if (streq(x->path, routes[i].path)) {
            routes[i].reply(self, x);
            return;
        }
    http_replyf(x, 404, "no %s", x->path);
}

static void world_start(struct world *w, struct http_server_opts o, const struct http_client_opts *co)
{
    struct err e;
    *w = (struct world){ 0 };
    o.handler = handle;
    o.self = w;
    assert_int_equal(http_server_start(&o, &w->server, &e), ERR_OK);
    snprintf(w->base, sizeof w->base, "%s://127.0.0.1:%u", o.cert_pem ? "https" : "http", http_server_port(w->server));
    assert_int_equal(http_client_new(co ? co : &(struct http_client_opts){ 0 }, &w->client, &e), ERR_OK);
}

static void world_stop(struct world *w)
{
    http_client_free(w->client);
    http_server_stop(w->server, 1000);
}

static errc ask(struct world *w, struct http_request q, const char *path, struct http_response *r, struct err *e)
{
    AUTO_MEM char *url = xasprintf("%s%s", w->base, path);
    q.url = url;
    return http_send(w->client, &q, r, e);
}

static void wait_for(atomic_int *n, int want)
{
    for (int64_t until = patience_end(1700); *n < want && clock_mono_ms() < until;)
        poll(NULL, 0, 5);
    assert_true(*n >= want);
}

static void bodies_queries_and_headers(void **state)
{
    struct world w;
    struct err e;
    world_start(&w, (struct http_server_opts){ .max_body = 1 << 20 }, NULL);
    {
        AUTO_RESPONSE r = { 0 };
        assert_int_equal(ask(&w, (struct http_request){ .method = "POST", .body = STR("hello") }, "/echo", &r, &e), ERR_OK);
        assert_int_equal(r.status, 200);
        assert_string_equal(r.body.p, "hello");
        assert_string_equal(http_header_get(&r.headers, "x-method"), "POST");
    }
    {
        AUTO_RESPONSE r = { 0 };
        assert_int_equal(ask(&w, (struct http_request){ 0 }, "/args/a%20b?x=1&x=%2F2&y=a+b&z", &r, &e), ERR_OK);
        assert_string_equal(r.body.p, "x=1;x=/2;y=a b;z=;/args/a%20b");
    }
    {
        AUTO_RESPONSE r = { 0 };
        assert_int_equal(ask(&w, (struct http_request){ 0 }, "/args/a%2", &r, &e), ERR_OK);
        assert_int_equal(r.status, 400);
    }
    {
        AUTO_RESPONSE r = { 0 };
        assert_int_equal(ask(&w, (struct http_request){ .method = "HEAD" }, "/big", &r, &e), ERR_OK);
        assert_string_equal(http_header_get(&r.headers, "content-length"), "3145728");
        assert_int_equal(r.body.n, 0);
    }
    {
        AUTO_RESPONSE r = { 0 };
        assert_int_equal(ask(&w, (struct http_request){ 0 }, "/file", &r, &e), ERR_OK);
        assert_int_equal(r.status, 206);
        assert_string_equal(r.body.p, "ELF");
    }
    {
        AUTO_RESPONSE r = { 0 };
        assert_int_equal(ask(&w, (struct http_request){ 0 }, "/silent", &r, &e), ERR_OK);
        assert_int_equal(r.status, 500);
    }
    world_stop(&w);
}

static bool machine_has_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 loopback = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    bool has = fd >= 0 && bind(fd, (struct sockaddr *)&loopback, sizeof loopback) == 0;
    if (fd >= 0)
        close(fd);
    return has;
}

static void one_socket_serves_both_families(void **state)
{
    struct world w;
    struct err e;
    const char *address = "*";
    world_start(&w, (struct http_server_opts){ .addresses = &address, .n_addresses = 1 }, NULL);
    {
        AUTO_RESPONSE r = { 0 };
        assert_int_equal(ask(&w, (struct http_request){ 0 }, "/peer", &r, &e), ERR_OK);
        assert_true(str_has_prefix(buf_str(&r.body), STR("127.0.0.1:")));
    }
    snprintf(w.base, sizeof w.base, "http://[::1]:%u", http_server_port(w.server));
    if (machine_has_ipv6()) {
        AUTO_RESPONSE r = { 0 };
        assert_int_equal(ask(&w, (struct http_request){ 0 }, "/peer", &r, &e), ERR_OK);
        assert_true(str_has_prefix(buf_str(&r.body), STR("[::1]:")));
    } else {
        print_message("# skipped: the machine has no IPv6\n");
    }
    world_stop(&w);
}

static void limits_hold(void **state)
{
    struct world w;
    struct err e;
    world_start(&w, (struct http_server_opts){ .max_body = 100000 }, NULL);
    AUTO_MEM char *big = xzalloc(4 << 20);
    const size_t sizes[] = { 100000, 100001, 4 << 20 };
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        AUTO_RESPONSE r = { 0 };
        assert_int_equal(ask(&w, (struct http_request){ .method = "PUT", .body = str_n(big, sizes[i]) }, "/echo", &r, &e), ERR_OK);
        assert_int_equal(r.status, i ? 413 : 200);
    }
    AUTO_RESPONSE r = { 0 };
    assert_int_equal(ask(&w, (struct http_request){ .max_body = 1000 }, "/big", &r, &e), ERR_TOO_LARGE);
    assert_int_equal(ask(&w, (struct http_request){ .max_body = 4 << 20 }, "/big", &r, &e), ERR_OK);
    assert_int_equal(r.body.n, 3 << 20);
    world_stop(&w);
}

static errc read_some(void *self, char *p, size_t cap, size_t *n, struct err *e)
{
    int *left = self;
    *n = *left ? 6 : 0;
    memcpy(p, "chunk.", *n);
    *left -= *left ? 1 : 0;
    return ERR_OK;
}

static void uploads_from_callback_and_file(void **state)
{
    struct world w;
    struct err e;
    world_start(&w, (struct http_server_opts){ 0 }, NULL);
    int left = 1000;
    {
        AUTO_RESPONSE r = { 0 };
        assert_int_equal(ask(&w, (struct http_request){ .method = "POST", .read = read_some, .read_self = &left }, "/echo", &r, &e), ERR_OK);
        assert_int_equal(r.body.n, 6000);
    }
    {
        AUTO_RESPONSE r = { 0 };
        struct http_request q = { .method = "PUT", .body_file = "/proc/self/exe", .body_offset = 1, .body_size = 3 };
        assert_int_equal(ask(&w, q, "/echo", &r, &e), ERR_OK);
        assert_string_equal(r.body.p, "ELF");
    }
    world_stop(&w);
}

struct seen { int status; size_t bytes, stop_at; struct cancel *cancel; };
static errc seen_head(void *self, int status, const struct http_pairs *h, struct err *e)
{
    ((struct seen *)self)->status = status;
    return ERR_OK;
}
static errc seen_data(void *self, struct str chunk, struct err *e)
{
    struct seen *s = self;
    s->bytes += chunk.n;
    if (s->cancel)
        cancel_now(s->cancel);
    return s->stop_at && s->bytes >= s->stop_at ? err_set(e, ERR_CORRUPT, "seen enough") : ERR_OK;
}

static errc stream(struct world *w, const char *path, struct seen *s, struct err *e)
{
    AUTO_MEM char *url = xasprintf("%s%s", w->base, path);
    struct http_request q = { .url = url, .timeout_ms = -1, .cancel = s->cancel };
    return http_stream(w->client, &q, &(struct http_sink){ seen_head, seen_data, s }, e);
}

static void streams_end_break_and_stop(void **state)
{
    struct world w;
    struct err e;
    world_start(&w, (struct http_server_opts){ 0 }, NULL);
    struct seen s = { 0 };
    assert_int_equal(stream(&w, "/ticks", &s, &e), ERR_OK);
    assert_int_equal(s.bytes, 100000);
    assert_int_equal(s.status, 200);
    s = (struct seen){ 0 };
    assert_int_equal(stream(&w, "/cut", &s, &e), ERR_IO);
    assert_int_equal(s.bytes, 15);
    s = (struct seen){ .stop_at = 1 };
    assert_int_equal(stream(&w, "/ticks", &s, &e), ERR_CORRUPT);
    assert_string_equal(e.text, "seen enough");
    wait_for(&w.streams_freed, 3);
    world_stop(&w);
}

static int64_t took_to_cancel(void *self)
{
    struct world *w = self;
    struct err e;
    AUTO_FREE(cancel) cancel = cancel_new();
    struct seen s = { .cancel = cancel };
    int freed = w->streams_freed;
    int64_t begin = clock_mono_ms();
    assert_int_equal(stream(w, "/watch", &s, &e), ERR_CANCELLED);
    int64_t took = clock_mono_ms() - begin;
    wait_for(&w->streams_freed, freed + 1);     /* next may not have been asked again: the server looks at the token itself */
    return took;
}

/* A client that was slow to connect gave up before the server heard of it: then it asks again. */
static void give_up_on(struct world *w, struct http_request q)
{
    AUTO_MEM char *url = xasprintf("%s/slow", w->base);
    int came = w->slow_came, gone = w->streams_gone;
    q.url = url;
    for (int64_t until = patience_end(1700); w->slow_came == came && clock_mono_ms() < until;) {
        AUTO_RESPONSE r = { 0 };
        struct err e;
        assert_int_equal(http_send(w->client, &q, &r, &e), ERR_TIMEOUT);
    }
    wait_for(&w->slow_came, came + 1);
    wait_for(&w->streams_gone, gone + 1);
}

static void cancel_is_prompt_and_the_server_learns(void **state)
{
    struct world w;
    world_start(&w, (struct http_server_opts){ 0 }, NULL);
    assert_true(once_below_ms(took_to_cancel, &w, 500));
    give_up_on(&w, (struct http_request){ .timeout_ms = 100 });
    give_up_on(&w, (struct http_request){ .idle_timeout_ms = 80, .timeout_ms = -1 });
    world_stop(&w);
}

static void watch_in_thread(void *arg)
{
    struct err e;
    struct seen s = { 0 };
    errc rc = stream(arg, "/watch", &s, &e);
    assert_true(rc == ERR_IO || rc == ERR_UNAVAILABLE);
}

static void stop_ends_streams(void **state)
{
    struct world w;
    world_start(&w, (struct http_server_opts){ 0 }, NULL);
    struct thread t[20] = { 0 };
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        thread_start(&t[i], "watch", watch_in_thread, &w);
    for (struct http_server_stats st = { 0 }; st.requests < ARRAY_LEN(t); poll(NULL, 0, 5))
        http_server_stats(w.server, &st);
    int64_t begin = clock_mono_ms();
    http_server_stop(w.server, 10 * patience_ms(1000));      /* it need not wait: streams are told */
    assert_true(clock_mono_ms() - begin < patience_ms(1000));
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        thread_join(&t[i]);
    http_client_free(w.client);
    assert_int_equal(w.streams_freed, ARRAY_LEN(t));
}

static void tls_and_client_certificates(void **state)
{
    struct tls_pair ca = { 0 }, other = { 0 }, server = { 0 }, user = { 0 }, stranger = { 0 };
    struct err e;
    const char *names[] = { "127.0.0.1", "localhost" };
    assert_int_equal(tls_make_ca("test-ca", 1, &ca, &e), ERR_OK);
    assert_int_equal(tls_make_ca("other-ca", 1, &other, &e), ERR_OK);
    assert_int_equal(tls_make_cert(&ca, "server", NULL, names, 2, 1, &server, &e), ERR_OK);
    assert_int_equal(tls_make_cert(&ca, "kubernetes-admin", "system:masters", NULL, 0, 1, &user, &e), ERR_OK);
    assert_int_equal(tls_make_cert(&other, "mallory", "system:masters", NULL, 0, 1, &stranger, &e), ERR_OK);
    struct world w;
    struct http_server_opts so = { .cert_pem = server.cert_pem, .key_pem = server.key_pem, .client_ca_pem = ca.cert_pem };
    world_start(&w, so, &(struct http_client_opts){ .tls.ca_pem = ca.cert_pem, .bearer = "t0ken" });
    struct { struct http_tls tls; const char *want; } rows[] = {
        { { .ca_pem = ca.cert_pem }, "-|-|0|Bearer t0ken" },
        { { .ca_pem = ca.cert_pem, .cert_pem = user.cert_pem, .key_pem = user.key_pem }, "kubernetes-admin|system:masters|0|Bearer t0ken" },
        { { .insecure = true, .cert_pem = stranger.cert_pem, .key_pem = stranger.key_pem }, "-|-|1|Bearer t0ken" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        http_client_free(w.client);
        assert_int_equal(http_client_new(&(struct http_client_opts){ .tls = rows[i].tls, .bearer = "t0ken" }, &w.client, &e), ERR_OK);
        AUTO_RESPONSE r = { 0 };
        errc rc = ask(&w, (struct http_request){ 0 }, "/who", &r, &e);
        if (rc)
            fail_msg("%s", e.text);
        assert_string_equal(r.body.p, rows[i].want);
    }
    http_client_free(w.client);
    assert_int_equal(http_client_new(&(struct http_client_opts){ .tls.ca_pem = other.cert_pem }, &w.client, &e), ERR_OK);
    AUTO_RESPONSE r = { 0 };
    assert_int_equal(ask(&w, (struct http_request){ 0 }, "/who", &r, &e), ERR_UNAVAILABLE);
    assert_non_null(strstr(e.text, "not trusted"));
    struct seen s = { 0 };
    http_client_free(w.client);
    assert_int_equal(http_client_new(&(struct http_client_opts){ .tls.insecure = true }, &w.client, &e), ERR_OK);
    assert_int_equal(stream(&w, "/ticks", &s, &e), ERR_OK);
    assert_int_equal(s.bytes, 100000);
    world_stop(&w);
    struct tls_pair *pairs[] = { &ca, &other, &server, &user, &stranger };
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        tls_pair_done(pairs[i]);
}

static errc ask_trusting(struct world *w, const struct tls_pair *ca, struct err *e)
{
    AUTO_FREE(http_client) c = NULL;
    AUTO_RESPONSE r = { 0 };
    AUTO_MEM char *url = xasprintf("%s/echo", w->base);
    assert_int_equal(http_client_new(&(struct http_client_opts){ .tls.ca_pem = ca->cert_pem }, &c, e), ERR_OK);
    return http_send(c, &(struct http_request){ .url = url }, &r, e);
}

static errc ask_briefly(struct http_client *c, const struct world *w)
{
    AUTO_RESPONSE r = { 0 };
    AUTO_MEM char *url = xasprintf("%s/echo", w->base);
    struct err e;

    return http_send(c, &(struct http_request){ .url = url }, &r, &e);
}

static size_t certificates_in(const char *path)
{
    AUTO_BUF pem = { 0 };
    struct err e;
    size_t n = 0;

    assert_int_equal(file_read(path, 1 << 20, &pem, &e), ERR_OK);
    for (const char *at = buf_cstr(&pem); (at = strstr(at, "BEGIN CERTIFICATE")); at++)
        n++;
    return n;
}

/* Of many that are trusted the one that the server needs is enough from the second time on; when it gets another certificate all are looked at again. */
static void brief_connections_read_the_authorities_that_they_need(void **state)
{
    static const char *const authorities[] = { "one", "two", "nobody's" };
    struct tls_pair ca[3] = { 0 }, server[3] = { 0 };
    const char *names[] = { "127.0.0.1" };
    AUTO_FREE(http_client) c = NULL;
    AUTO_BUF trusted = { 0 };
    struct world w;
    struct err e;

    for (int i = 0; i < 3; i++) {
        assert_int_equal(tls_make_ca(authorities[i], 1, &ca[i], &e), ERR_OK);
        assert_int_equal(tls_make_cert(&ca[i], "server", NULL, names, 1, 1, &server[i], &e), ERR_OK);
        if (i < 2)
            buf_adds(&trusted, ca[i].cert_pem);
    }
    world_start(&w, (struct http_server_opts){ .cert_pem = server[0].cert_pem, .key_pem = server[0].key_pem }, &(struct http_client_opts){ 0 });
    assert_int_equal(http_client_new(&(struct http_client_opts){ .tls.ca_pem = buf_cstr(&trusted), .brief = true }, &c, &e), ERR_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(http_server_set_cert(w.server, server[i].cert_pem, server[i].key_pem, &e), ERR_OK);
        assert_int_equal(ask_briefly(c, &w), ERR_OK);
        assert_int_equal(ask_briefly(c, &w), ERR_OK);
        int fd = roots_file(c);
        AUTO_MEM char *path = xasprintf("/proc/self/fd/%d", fd);

        assert_int_equal(certificates_in(path), i + 1);
        close(fd);
    }
    assert_int_equal(http_server_set_cert(w.server, server[2].cert_pem, server[2].key_pem, &e), ERR_OK);
    assert_int_equal(ask_briefly(c, &w), ERR_UNAVAILABLE);
    assert_int_equal(http_server_set_cert(w.server, server[0].cert_pem, server[0].key_pem, &e), ERR_OK);
    assert_int_equal(ask_briefly(c, &w), ERR_OK);
    world_stop(&w);
    for (int i = 0; i < 3; i++) {
        tls_pair_done(&ca[i]);
        tls_pair_done(&server[i]);
    }
}

static void a_certificate_changes_while_requests_run(void **state)
{
    struct tls_pair ca[2] = { 0 }, server[2] = { 0 };
    const char *names[] = { "127.0.0.1" };
    struct err e;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tls_make_ca("ca", 1, &ca[i], &e), ERR_OK);
        assert_int_equal(tls_make_cert(&ca[i], "server", NULL, names, 1, 1, &server[i], &e), ERR_OK);
    }
    struct world w;
    world_start(&w, (struct http_server_opts){ .cert_pem = server[0].cert_pem, .key_pem = server[0].key_pem, .tls13_only = true },
                &(struct http_client_opts){ .tls.ca_pem = ca[0].cert_pem });
    struct thread t = { 0 };
    thread_start(&t, "watch", watch_in_thread, &w);
    for (struct http_server_stats st = { 0 }; st.requests < 1; poll(NULL, 0, 5))
        http_server_stats(w.server, &st);
    assert_int_equal(http_server_set_cert(w.server, server[1].cert_pem, server[0].key_pem, &e), ERR_BAD_REQUEST);
    assert_int_equal(http_server_set_cert(w.server, "rubbish", server[0].key_pem, &e), ERR_BAD_REQUEST);
    assert_int_equal(ask_trusting(&w, &ca[0], &e), ERR_OK);
    assert_int_equal(http_server_set_cert(w.server, server[1].cert_pem, server[1].key_pem, &e), ERR_OK);
    assert_int_equal(ask_trusting(&w, &ca[1], &e), ERR_OK);
    assert_int_equal(ask_trusting(&w, &ca[0], &e), ERR_UNAVAILABLE);
    assert_int_equal(w.streams_freed, 0);       /* the stream that began under the old one goes on */
    http_server_stop(w.server, 2000);
    thread_join(&t);
    http_client_free(w.client);
    for (int i = 0; i < 2; i++) {
        tls_pair_done(&ca[i]);
        tls_pair_done(&server[i]);
    }
}

static int raw_connect(struct world *w)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(http_server_port(w->server)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    return fd;
}

static bool closes_within(int fd, int ms)
{
    char b[512];
    struct pollfd p = { .fd = fd, .events = POLLIN };
    while (poll(&p, 1, ms) == 1)
        if (read(fd, b, sizeof b) <= 0)
            return true;
    return false;
}

static void the_slow_and_the_malformed_are_cut(void **state)
{
    struct world w;
    world_start(&w, (struct http_server_opts){ .idle_timeout_ms = 150, .body_timeout_ms = 150 }, NULL);
    const char *heads[] = { "GET /echo HT", "", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc", "\x16\x03\x01 rubbish\r\n\r\n",
                            "GET /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n" };
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        int fd = raw_connect(&w);
        assert_int_equal(write(fd, heads[i], strlen(heads[i])), strlen(heads[i]));
        assert_true(closes_within(fd, (int)patience_ms(1000)));
        close(fd);
    }
    world_stop(&w);
}

static void expect_continue_and_half_close(void **state)
{
    struct world w;
    world_start(&w, (struct http_server_opts){ .max_body = 1000 }, NULL);
    const char *head = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n";
    char b[1024] = { 0 };
    int fd = raw_connect(&w);
    assert_int_equal(write(fd, head, strlen(head)), strlen(head));
    assert_true(read(fd, b, sizeof b - 1) > 0);
    assert_non_null(strstr(b, "100 Continue"));
    assert_int_equal(write(fd, "ok", 2), 2);
    shutdown(fd, SHUT_WR);
    assert_true(recv(fd, b, sizeof b - 1, MSG_WAITALL) > 0);
    assert_non_null(strstr(b, "200 OK"));
    close(fd);
    world_stop(&w);
}

static void many_connections(void **state)
{
    struct world w;
    enum { N = 400 };
    int fds[N];
    char b[512];
    world_start(&w, (struct http_server_opts){ 0 }, NULL);
    const char *q = "GET /watch HTTP/1.1\r\nHost: x\r\n\r\n";
    for (int i = 0; i < N; i++) {
        fds[i] = raw_connect(&w);
        assert_int_equal(write(fds[i], q, strlen(q)), strlen(q));
    }
    for (int i = 0; i < N; i++)
        assert_true(read(fds[i], b, sizeof b) > 0);
    for (int i = 0; i < N; i++)
        close(fds[i]);
    wait_for(&w.streams_freed, N);
    world_stop(&w);
}

static errc ask_meanwhile(void *self, struct str chunk, struct err *e)
{
    struct world *w = self;
    AUTO_RESPONSE r = { 0 };

    return ask(w, (struct http_request){ 0 }, "/peer", &r, e);
}

static bool server_has(struct world *w, unsigned connections)
{
    struct http_server_stats s = { 0 };

    for (int64_t until = patience_end(1700); clock_mono_ms() < until; poll(NULL, 0, 5)) {
        http_server_stats(w->server, &s);
        if (s.connections == connections)
            return true;
    }
    return false;
}

/* Two requests at once need two connections; whether they stay open is the client's option. */
static void a_brief_client_keeps_no_connection(void **state)
{
    static const struct { bool brief; unsigned stay; } rows[] = { { true, 0 }, { false, 2 } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world w;
        struct err e;
        world_start(&w, (struct http_server_opts){ 0 }, &(struct http_client_opts){ .brief = rows[i].brief });
        AUTO_MEM char *url = xasprintf("%s/echo", w.base);
        const struct http_sink sink = { .data = ask_meanwhile, .self = &w };
        assert_int_equal(http_stream(w.client, &(struct http_request){ .method = "POST", .url = url, .body = STR("x") }, &sink, &e), ERR_OK);
        assert_true(server_has(&w, rows[i].stay));
        world_stop(&w);
    }
}

static void redirects_gzip_and_causes(void **state)
{
    struct world w;
    struct err e;
    world_start(&w, (struct http_server_opts){ 0 }, NULL);
    {
        AUTO_RESPONSE r = { 0 };
        assert_int_equal(ask(&w, (struct http_request){ 0 }, "/redirect", &r, &e), ERR_OK);
        assert_int_equal(r.status, 302);
    }
    {
        AUTO_RESPONSE r = { 0 };
        assert_int_equal(ask(&w, (struct http_request){ .max_redirects = 3 }, "/redirect", &r, &e), ERR_OK);
        assert_int_equal(r.status, 200);
        assert_non_null(strstr(r.url, "/echo"));
    }
    {
        AUTO_RESPONSE r = { 0 };
        struct http_pair accept = { "Accept-Encoding", "gzip" };
        assert_int_equal(ask(&w, (struct http_request){ .headers = &accept, .n_headers = 1 }, "/big", &r, &e), ERR_OK);
        assert_string_equal(http_header_get(&r.headers, "content-encoding"), "gzip");
        assert_true(r.body.n < 100000);
    }
    AUTO_RESPONSE r = { 0 };
    assert_int_equal(ask(&w, (struct http_request){ .public_only = true }, "/echo", &r, &e), ERR_FORBIDDEN);
    assert_int_equal(http_send(w.client, &(struct http_request){ .url = "http://127.0.0.1:1/x" }, &r, &e), ERR_UNAVAILABLE);
    assert_non_null(strstr(e.text, "127.0.0.1:1: cannot connect"));
    assert_int_equal(http_send(w.client, &(struct http_request){ .url = "http://name.invalid/x" }, &r, &e), ERR_UNAVAILABLE);
    assert_non_null(strstr(e.text, "name.invalid:80"));
    assert_int_equal(http_send(w.client, &(struct http_request){ .url = "file:///etc/passwd" }, &r, &e), ERR_BAD_REQUEST);
    struct http_server *second;
    struct http_server_opts o = { .port = http_server_port(w.server), .handler = handle };
    assert_int_equal(http_server_start(&o, &second, &e), ERR_UNAVAILABLE);
    assert_non_null(strstr(e.text, "another program uses it"));
    world_stop(&w);
}

static void upgraded(void *self, int fd, struct str early, struct cancel *stop)
{
    char b[64];
    ssize_t n = read(fd, b, sizeof b);
    if (n > 0)
        (void)!write(fd, b, (size_t)n);
}

static void upgrade_handler(void *self, struct http_exchange *x)
{
    http_reply_upgrade(x, "echo", &(struct http_upgrade){ upgraded, NULL, NULL });
}

static void upgrade_gives_the_raw_stream(void **state)
{
    struct world w = { 0 };
    struct err e;
    struct http_server_opts o = { .handler = upgrade_handler };
    assert_int_equal(http_server_start(&o, &w.server, &e), ERR_OK);
    int fd = raw_connect(&w);
    const char *q = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    char b[512] = { 0 };
    assert_int_equal(write(fd, q, strlen(q)), strlen(q));
    assert_true(read(fd, b, sizeof b - 1) > 0);
    assert_non_null(strstr(b, "101 Switching"));
    assert_int_equal(write(fd, "ping", 4), 4);
    assert_int_equal(recv(fd, b, 4, MSG_WAITALL), 4);
    assert_memory_equal(b, "ping", 4);
    close(fd);
    http_server_stop(w.server, 500);
}

static int segment_max(int fd)
{
    int most = 0;
    socklen_t n = sizeof most;
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &most, &n), 0);
    return most;
}

/* A reader that was stopped for 8 s heard nothing for 6 s more: loopback's segments of 64 KiB had no place in its window. */
static void segments_fit_into_the_window_of_a_reader_that_was_stopped(void **state)
{
    struct world w;
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof sa;
    struct http_response r = { 0 };
    struct err e;
    world_start(&w, (struct http_server_opts){ 0 }, NULL);
    int to_ours = raw_connect(&w), listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_in_range(segment_max(to_ours), 1, 16384);
    assert_int_equal(bind(listener, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&sa, &n), 0);
    AUTO_MEM char *url = xasprintf("http://127.0.0.1:%d/", ntohs(sa.sin_port));
    assert_int_equal(http_send(w.client, &(struct http_request){ .url = url, .timeout_ms = 100 }, &r, &e), ERR_TIMEOUT);
    int from_ours = accept(listener, NULL, NULL);
    assert_in_range(segment_max(from_ours), 1, 16384);
    close(from_ours);
    close(listener);
    close(to_ours);
    world_stop(&w);
}

static bool says(void *answer) { return *(const bool *)answer; }

/* It is asked for each request, also on a connection that is there already. */
static void what_may_not_leave_any_more_does_not(void **state)
{
    struct world w;
    struct http_server_stats s;
    struct err e;
    world_start(&w, (struct http_server_opts){ 0 }, NULL);
    AUTO_MEM char *url = xasprintf("%s/echo", w.base);
    for (int i = 0; i < 4; i++) {
        bool may = i % 2 == 0;
        struct http_response r = { 0 };
        errc rc = http_send(w.client, &(struct http_request){ .method = "POST", .url = url, .body = STR("x"), .may_send = says, .may_send_self = &may }, &r, &e);
        assert_int_equal(rc, may ? ERR_OK : ERR_CANCELLED);
        http_response_done(&r);
    }
    http_server_stats(w.server, &s);
    assert_int_equal(s.requests, 2);
    world_stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_queries_and_headers),
        cmocka_unit_test(one_socket_serves_both_families),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(uploads_from_callback_and_file),
        cmocka_unit_test(streams_end_break_and_stop),
        cmocka_unit_test(cancel_is_prompt_and_the_server_learns),
        cmocka_unit_test(stop_ends_streams),
        cmocka_unit_test(tls_and_client_certificates),
        cmocka_unit_test(brief_connections_read_the_authorities_that_they_need), cmocka_unit_test(a_certificate_changes_while_requests_run),
        cmocka_unit_test(the_slow_and_the_malformed_are_cut),
        cmocka_unit_test(expect_continue_and_half_close),
        cmocka_unit_test(many_connections), cmocka_unit_test(a_brief_client_keeps_no_connection),
        cmocka_unit_test(redirects_gzip_and_causes),
        cmocka_unit_test(upgrade_gives_the_raw_stream), cmocka_unit_test(segments_fit_into_the_window_of_a_reader_that_was_stopped),
        cmocka_unit_test(what_may_not_leave_any_more_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
