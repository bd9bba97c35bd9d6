/*
 * Many clients at once, from one polling thread: 200 streams of which a third leave somewhere in the middle, then a thousand that
 * connect, ask and leave. Afterwards no block of the cache is in use, nobody runs or waits, and no descriptor is left.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#define STREAMS 200
#define LEAVERS 1000
#define AT_ONCE 50
#define PATIENCE_MS 1000000     /* sanitizers on busy machines; meson ends what hangs earlier */

struct client {
    int fd;
    size_t leave_after;                 /* bytes of the reply; SIZE_MAX: never */
    struct buf reply;
    bool done;
};

static uint64_t seed = 7;

static size_t random_below(size_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(seed >> 33) % n;
}

/* Every third client, one of those that leave, asks for eight answers at once. */
static size_t samples_of(size_t i) { return i % 3 ? 1 + i % 2 : 8; }

/* Connects and asks for a stream. */
static void client_start(struct client *c, uint16_t port, size_t i)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    AUTO_MEM char *body = xasprintf("{\"prompt\":\"Question %zu: what is the capital of France, and of %zu others? %s\",\"max_tokens\":%zu,\"stream\":true,"
                                    "\"ignore_eos\":true,\"temperature\":%zu,\"n\":%zu}", i % 7, i, i % 3 ? "Be brief." : "Tell me all that you know.",
                                    5 + i % 11, (size_t)(samples_of(i) > 1), samples_of(i));
    AUTO_MEM char *head = xasprintf("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
                                    "Content-Length: %zu\r\n\r\n%s", strlen(body), body);

    *c = (struct client){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .leave_after = SIZE_MAX };
    assert_true(c->fd >= 0);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to))
        fail_msg("connect: %s", strerror(errno));
    assert_int_equal(send(c->fd, head, strlen(head), MSG_NOSIGNAL), strlen(head));
    assert_int_equal(fcntl(c->fd, F_SETFL, O_NONBLOCK), 0);
}

static void client_close(struct client *c)
{
    close(c->fd);
    c->fd = -1;
    c->done = true;
}

static void client_read(struct client *c)
{
    char p[4096];
    ssize_t n = recv(c->fd, p, sizeof p, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        buf_add(&c->reply, p, (size_t)n);
    if (n <= 0 || c->reply.n >= c->leave_after)
        client_close(c);
}

static void poll_all(struct client *c, size_t n)
{
    int64_t until = clock_mono_ms() + PATIENCE_MS;

    for (size_t left = n; left; ) {
        struct pollfd fds[STREAMS];
        left = 0;
        for (size_t i = 0; i < n; i++) {
            fds[i] = (struct pollfd){ .fd = c[i].fd, .events = POLLIN };
            left += !c[i].done;
        }
        if (left && poll(fds, n, 1000) > 0)
            for (size_t i = 0; i < n; i++)
                if (!c[i].done && fds[i].revents)
                    client_read(&c[i]);
        if (clock_mono_ms() > until)
            fail_msg("%zu of %zu streams have not ended", left, n);
    }
}

static double metric(const struct fixture *f, const char *name)
{
    AUTO_BUF text = { 0 };

    assert_int_equal(ask(f, "GET", "/metrics", STR(""), &text), 200);
    const char *at = strstr(buf_cstr(&text), name);
    assert_non_null(at);
    return strtod(strchr(at, '}') + 1, NULL);
}

/* Of all labels together. */
static double metric_sum(const struct fixture *f, const char *name)
{
    AUTO_BUF text = { 0 };
    double sum = 0;

    assert_int_equal(ask(f, "GET", "/metrics", STR(""), &text), 200);
    for (const char *at = buf_cstr(&text); (at = strstr(at, name)); at++)
        sum += strtod(strchr(at, '}') + 1, NULL);
    return sum;
}

/* Threads of connections end a moment after their clients. */
static void assert_nothing_left(const struct fixture *f, size_t descriptors)
{
    int64_t until = clock_mono_ms() + PATIENCE_MS / 10;
    size_t open = 0;

    while (clock_mono_ms() < until) {
        open = open_descriptors();
        if (open <= descriptors && metric(f, "vllm:num_requests_running{") == 0 && metric(f, "vllm:num_requests_waiting{") == 0)
            break;
        (void)poll(NULL, 0, 20);
    }
    assert_true(open <= descriptors);
    assert_true(metric(f, "vllm:num_requests_running{") == 0);
    assert_true(metric(f, "vllm:num_requests_waiting{") == 0);
    assert_true(metric(f, "vllm:kv_cache_usage_perc{") == 0);
}

static void streams_that_end_and_streams_that_are_left(void **state)
{
    struct fixture *f = *state;
    struct client *c = xcalloc(STREAMS, sizeof *c);
    size_t whole = 0, samples = 0;

    assert_true(metric(f, "vllm:kv_cache_usage_perc{") == 0);
    size_t before = open_descriptors();
    for (size_t i = 0; i < STREAMS; i++) {
        client_start(&c[i], server_port(f->server), i);
        samples += samples_of(i);
        if (i % 3 == 0)
            c[i].leave_after = 1 + random_below(3000);
    }
    poll_all(c, STREAMS);
    for (size_t i = 0; i < STREAMS; i++) {
        bool ended = strstr(buf_cstr(&c[i].reply), "data: [DONE]") != NULL;
        if (c[i].leave_after == SIZE_MAX && !ended)
            fail_msg("stream %zu: no end: %.300s", i, buf_cstr(&c[i].reply));
        whole += ended;
        buf_done(&c[i].reply);
    }
    assert_true(whole >= STREAMS * 2 / 3);
    free(c);
    assert_nothing_left(f, before);
    double ended = metric_sum(f, "vllm:request_success_total{"), aborted = metric_sum(f, "finished_reason=\"abort\"");
    if (ended != (double)samples || !(aborted > 0))
        fail_msg("%g of %zu answers are counted as ended, %g of them as left", ended, samples, aborted);
    assert_true(metric(f, "vllm:e2e_request_latency_seconds_count{") == (double)samples);
}

static void a_thousand_that_leave(void **state)
{
    struct fixture *f = *state;
    struct client c[AT_ONCE];

    assert_true(metric(f, "vllm:kv_cache_usage_perc{") == 0);
    size_t before = open_descriptors();
    for (size_t done = 0; done < LEAVERS; done += AT_ONCE) {
        for (size_t i = 0; i < AT_ONCE; i++)
            client_start(&c[i], server_port(f->server), done + i);
        for (size_t i = 0; i < AT_ONCE; i++) {
            struct pollfd p = { .fd = c[i].fd, .events = POLLIN };
            if (i % 2)                  /* every other waits for its first byte */
                (void)poll(&p, 1, 200);
            client_close(&c[i]);
        }
    }
    assert_nothing_left(f, before);
}

static int set_up(void **state)
{
    struct fixture *f = xmalloc(sizeof *f);

    *f = fixture_start(&(struct server_opts){ .max_num_seqs = 32, .no_rate_limit = true, .max_kv_tokens = 1600 });
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture_stop(*state);
    free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_that_end_and_streams_that_are_left),
        cmocka_unit_test(a_thousand_that_leave),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
