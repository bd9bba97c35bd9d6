/* What clients get wrong below and in the body, on raw sockets: the right status, never a hang, nothing left behind. */
#include "fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "../patience.h"

#define HEAD(n) "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " n "\r\n\r\n"
#define GOOD "{\"prompt\":\"a\",\"max_tokens\":1}"

static int dial(const struct fixture *f)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(server_port(f->server)), .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void say(int fd, struct str text)
{
    while (text.n) {
        ssize_t n = send(fd, text.p, text.n, MSG_NOSIGNAL);
        if (n <= 0)
            return;                     /* the server has hung up: what it said is read next */
        text = str_from(text, (size_t)n);
    }
}

/* Reads until the text holds `until` so many times, the end, or ten seconds. */
static void hear(int fd, const char *until, int times, struct buf *out)
{
    int64_t end = patience_end(3500);

    while (clock_mono_ms() < end) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        char text[4096];
        int seen = 0;
        for (const char *at = buf_cstr(out); until && (at = strstr(at, until)); at++)
            seen++;
        if (until && seen >= times)
            return;
        if (poll(&p, 1, 1000) <= 0)
            continue;
        ssize_t n = recv(fd, text, sizeof text, 0);
        if (n <= 0)
            return;
        buf_add(out, text, (size_t)n);
    }
    fail_msg("no answer in time; so far: %s", buf_cstr(out));
}

static int status_of(struct str reply)
{
    int64_t n = 0;

    if (!str_has_prefix(reply, STR("HTTP/1.1 ")) || !str_to_i64(str_n(reply.p + 9, 3), &n))
        return 0;
    return (int)n;
}

/* ---- bodies ---- */

static char *nested(size_t depth)
{
    AUTO_BUF b = { 0 };

    buf_adds(&b, "{\"prompt\":");
    for (size_t i = 0; i < depth; i++)
        buf_addc(&b, '[');
    return buf_take(&b);
}

static void malformed_bodies_are_400_with_a_place(void **state)
{
    static const struct { const char *body, *want; } rows[] = {
        { "", "line 1, column 0" }, { "{", "line 1, column 1" }, { "{\"prompt\":\"a\",}", "line 1" }, { "{\"prompt\":\"\xff\xfe\"}", "unable to decode byte 0xff" },
        { "{\"prompt\":\"a\"} x", "end of file expected" }, { "nul", "line 1" }, { "{\"prompt\":\"a\",\"max_tokens\":1e999}", "real number overflow" },
        { "{\"prompt\":\"\\ud800\"}", "invalid Unicode" }, { "7", "the body must be a JSON object" },
    };
    AUTO_MEM char *deep = nested(100000);

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_JSON j = ask_json(*state, "/v1/completions", rows[i].body, 400);
        const char *message = json_str_at(j, "error", "message", NULL);
        if (!strstr(message, rows[i].want))
            fail_msg("%s: %s", rows[i].body, message);
    }
    AUTO_JSON j = ask_json(*state, "/v1/completions", deep, 400);
    assert_non_null(strstr(json_str_at(j, "error", "message", NULL), "depth"));
}

static void of_a_key_given_twice_the_last_counts(void **state)
{
    AUTO_JSON j = ask_json(*state, "/v1/completions", "{\"prompt\":\"a\",\"max_tokens\":9,\"max_tokens\":1,\"ignore_eos\":true}", 200);
    assert_int_equal(json_int(json_object_get(j, "usage"), "completion_tokens", 0), 1);
}

static void a_nul_is_text_like_any_other(void **state)
{
    AUTO_JSON j = ask_json(*state, "/v1/completions", "{\"prompt\":\"a\\u0000b\",\"max_tokens\":1}", 200);
    AUTO_JSON bad = ask_json(*state, "/v1/completions", "{\"prompt\":\"a\",\"stop\":\"\\u0000\"}", 400);

    assert_non_null(choice_at(j, 0));
    assert_non_null(bad);
}

static void a_prompt_that_is_too_long_says_both_lengths(void **state)
{
    AUTO_BUF b = { 0 };

    buf_adds(&b, "{\"prompt\":\"");
    for (int i = 0; i < 200000; i++)
        buf_adds(&b, "sea ");
    buf_adds(&b, "\"}");
    AUTO_JSON j = ask_json(*state, "/v1/completions", buf_cstr(&b), 400);
    assert_non_null(strstr(json_str_at(j, "error", "message", NULL), "This model's maximum context length is 4096 tokens. However, your request has 20"));
}

static void a_body_that_is_too_large_is_413_in_openais_shape(void **state)
{
    size_t n = (size_t)100 << 20;
    AUTO_MEM char *big = xmalloc(n);
    AUTO_BUF out = { 0 };
    AUTO_BUF chunked = { 0 };

    memset(big, 'a', n);
    int fd = dial(*state);              /* one that does not wait for leave */
    say(fd, STR(HEAD("104857600")));
    say(fd, str_n(big, n));
    hear(fd, "\"code\":413", 1, &out);
    assert_int_equal(status_of(buf_str(&out)), 413);
    assert_non_null(strstr(buf_cstr(&out), "{\"error\":{\"message\":\"the body has more than the 16777216 bytes allowed\",\"type\":\"BadRequestError\""));
    close(fd);
    fd = dial(*state);
    say(fd, STR("POST /chat HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\nExpect: 100-continue\r\n\r\n"));
    hear(fd, "\"code\":413", 1, &chunked);
    assert_int_equal(status_of(buf_str(&chunked)), 413);
    close(fd);
}

/* ---- connections ---- */

static void garbage_is_refused(void **state)
{
    static const char *const rows[] = { "\r\n\r\nhello\r\n\r\n", "GET\r\n\r\n", "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
                                        "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n" };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_BUF out = { 0 };
        int fd = dial(*state);
        say(fd, str_of(rows[i]));
        (void)shutdown(fd, SHUT_WR);
        hear(fd, NULL, 0, &out);
        int status = status_of(buf_str(&out));
        if (status && (status < 400 || status > 499) )
            fail_msg("%s: %s", rows[i], buf_cstr(&out));
        close(fd);
    }
    AUTO_JSON j = ask_json(*state, "/v1/completions", GOOD, 200);
    assert_non_null(j);
}

static void requests_in_one_packet_are_answered_in_order(void **state)
{
    AUTO_BUF out = { 0 };
    int fd = dial(*state);

    say(fd, STR("GET /version HTTP/1.1\r\nHost: x\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n" HEAD("29") GOOD "GET /nope HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    hear(fd, "HTTP/1.1 ", 4, &out);
    hear(fd, NULL, 0, &out);
    const char *version = strstr(buf_cstr(&out), "{\"version\""), *health = strstr(buf_cstr(&out), "Healthy"), *text = strstr(buf_cstr(&out), "text_completion"),
               *nope = strstr(buf_cstr(&out), "Not Found");
    assert_true(version && health > version && text > health && nope > text);
    close(fd);
}

/* The client has said all and closed its side: it still gets its answer, or at least nothing breaks. */
static void a_half_closed_client_breaks_nothing(void **state)
{
    AUTO_BUF out = { 0 };
    int fd = dial(*state);

    say(fd, STR(HEAD("29") GOOD));
    (void)shutdown(fd, SHUT_WR);
    hear(fd, NULL, 0, &out);
    close(fd);
    int status = status_of(buf_str(&out));      /* it counts as one that left, unless its answer was faster */
    assert_true(status == 200 || status == 400);
    buf_clear(&out);
    fd = dial(*state);
    say(fd, STR(HEAD("5000") "{\"prompt\":"));           /* the rest never comes */
    (void)shutdown(fd, SHUT_WR);
    hear(fd, NULL, 0, &out);
    close(fd);
    AUTO_JSON j = ask_json(*state, "/v1/completions", GOOD, 200);
    assert_non_null(j);
}

static void pause_ms(int ms) { (void)poll(NULL, 0, ms); }

/* Who sends byte by byte costs a connection, not the service; who leaves gives it back. */
static void slow_clients_do_not_stop_others(void **state)
{
    int slow[64];
    size_t before = open_descriptors();

    for (size_t i = 0; i < ARRAY_LEN(slow); i++) {
        slow[i] = dial(*state);
        say(slow[i], i % 2 ? STR("POST /v1/completions HT") : STR(HEAD("5000") "{"));
    }
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < ARRAY_LEN(slow); i++)
            say(slow[i], STR("T"));
        AUTO_JSON j = ask_json(*state, "/v1/completions", GOOD, 200);
        assert_non_null(j);
    }
    for (size_t i = 0; i < ARRAY_LEN(slow); i++)
        close(slow[i]);
    for (int64_t end = patience_end(3500); open_descriptors() > before + 2 && clock_mono_ms() < end;)
        pause_ms(10);
    assert_true(open_descriptors() <= before + 2);           /* the client's own connection may be new */
}

static void who_leaves_in_mid_stream_leaves_nothing(void **state)
{
    size_t before = open_descriptors();

    for (int i = 0; i < 40; i++) {
        AUTO_BUF out = { 0 };
        int fd = dial(*state);
        const char *body = "{\"prompt\":\"The sea\",\"max_tokens\":3000,\"ignore_eos\":true,\"stream\":true}";
        AUTO_MEM char *text = xasprintf("POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
        say(fd, str_of(text));
        hear(fd, i % 2 ? "data: " : "HTTP/1.1", 1, &out);
        close(fd);
    }
    for (int64_t end = patience_end(7000); open_descriptors() > before + 2 && clock_mono_ms() < end;)
        pause_ms(10);
    assert_true(open_descriptors() <= before + 2);
    for (int64_t end = patience_end(7000); clock_mono_ms() < end;) {
        AUTO_BUF text = { 0 };
        assert_int_equal(ask(*state, "GET", "/metrics", STR(""), &text), 200);
        if (strstr(buf_cstr(&text), "vllm:num_requests_running{engine=\"0\",model_name=\"phi-3\"} 0\n"))
            return;
        pause_ms(10);
    }
    fail_msg("generations go on without their clients");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_bodies_are_400_with_a_place),
        cmocka_unit_test(of_a_key_given_twice_the_last_counts),
        cmocka_unit_test(a_nul_is_text_like_any_other),
        cmocka_unit_test(a_prompt_that_is_too_long_says_both_lengths),
        cmocka_unit_test(a_body_that_is_too_large_is_413_in_openais_shape),
        cmocka_unit_test(garbage_is_refused),
        cmocka_unit_test(requests_in_one_packet_are_answered_in_order),
        cmocka_unit_test(a_half_closed_client_breaks_nothing),
        cmocka_unit_test(slow_clients_do_not_stop_others),
        cmocka_unit_test(who_leaves_in_mid_stream_leaves_nothing),
    };
    return cmocka_run_group_tests_name("bad http", tests, fixture_set_up, fixture_tear_down);
}
