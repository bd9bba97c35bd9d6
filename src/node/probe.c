#include "node/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "http/client.h"

/* That a process is still starting is no news: every tenth failure is told, and the last. */
enum { STARTUP_TOLD_EACH = 10 };

struct prober {
    const struct container_plan *plan;
    probe_told *told;
    void *self;
    struct cancel *cancel;
    struct thread thread;
};

/* Consecutive results of one probe. */
struct streak {
    const struct probe_plan *plan;
    int64_t next_ms;
    int64_t successes, failures;
};

static errc tcp_probe(const struct probe_plan *plan, struct err *e)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)plan->tcp_port) };
    AUTO_MEM char *host = xstrndup(plan->tcp_host.p, plan->tcp_host.n);
    AUTO_FD fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    int why = 0;
    socklen_t size = sizeof why;

    if (fd < 0 || inet_pton(AF_INET, host, &to.sin_addr) != 1)
        return err_set(e, ERR_INVALID, "cannot probe %s", host);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS)
        why = errno;
    else if (poll(&p, 1, (int)plan->timeout_s * 1000) <= 0)
        why = ETIMEDOUT;
    else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &size))
        why = errno;
    if (why)
        return err_sys(e, why, "dial tcp %s:%d", host, (int)plan->tcp_port);
    return ERR_OK;
}

static errc http_probe(const struct probe_plan *plan, struct cancel *cancel, struct err *e)
{
    const struct http_client_opts opts = { .tls.insecure = true, .user_agent = "kube-probe/1.32" };
    AUTO_MEM char *url = xstrndup(plan->http_url.p, plan->http_url.n);
    AUTO_FREE(http_client) client = NULL;
    AUTO_RESPONSE reply = { 0 };
    const struct http_request q = { .url = url, .timeout_ms = plan->timeout_s * 1000, .max_body = 1 << 20, .cancel = cancel };

    TRY(http_client_new(&opts, &client, e));
    TRY(http_send(client, &q, &reply, e));
    if (reply.status < 200 || reply.status >= 400)
        return err_set(e, ERR_UNAVAILABLE, "HTTP probe failed with statuscode: %d", reply.status);
    return ERR_OK;
}

/* One attempt; an error carries a message in the kubelet's words. */
static errc probe_once(const struct probe_plan *plan, struct cancel *cancel, struct err *e)
{
    return plan->http_url.p ? http_probe(plan, cancel, e) : tcp_probe(plan, e);
}

static void tell_failure(struct prober *p, const char *which, const struct err *e)
{
    AUTO_MEM char *text = xasprintf("%s probe failed: %s", which, e->text);

    p->told(p->self, PROBE_FAILED, text);
}

/* Runs the probe when it is due. Returns 1 when the success threshold was just reached, -1 for the failure threshold, else 0. */
static int run_due(struct prober *p, struct streak *s, const char *which)
{
    struct err e;

    if (clock_mono_ms() < s->next_ms)
        return 0;
    bool ok = probe_once(s->plan, p->cancel, &e) == ERR_OK;
    s->next_ms = clock_mono_ms() + s->plan->period_s * 1000;
    s->successes = ok ? s->successes + 1 : 0;
    s->failures = ok ? 0 : s->failures + 1;
    if (cancel_is(p->cancel))
        return 0;
    if (!ok && (s->plan != p->plan->startup || s->failures % STARTUP_TOLD_EACH == 0 || s->failures == s->plan->failure_threshold))
        tell_failure(p, which, &e);
    return s->successes == s->plan->success_threshold ? 1 : s->failures == s->plan->failure_threshold ? -1 : 0;
}

static bool wait_until(struct prober *p, int64_t mono_ms)
{
    int64_t left = mono_ms - clock_mono_ms();

    return cancel_wait_ms(p->cancel, left > 0 ? left : 0);
}

static void streak_init(struct streak *s, const struct probe_plan *plan)
{
    *s = (struct streak){ .plan = plan, .next_ms = plan ? clock_mono_ms() + plan->initial_delay_s * 1000 : INT64_MAX };
}

/* False when the container has to be killed or the prober stopped. */
static bool wait_for_startup(struct prober *p)
{
    struct streak s;
    int verdict = 0;

    streak_init(&s, p->plan->startup);
    while (s.plan && verdict == 0) {
        if (wait_until(p, s.next_ms))
            return false;
        verdict = run_due(p, &s, "Startup");
    }
    p->told(p->self, verdict < 0 ? PROBE_KILL : PROBE_STARTED, "startup");
    return verdict >= 0;
}

static void run_prober(void *arg)
{
    struct prober *p = arg;
    struct streak ready, live;

    if (!wait_for_startup(p))
        return;
    streak_init(&ready, p->plan->readiness);
    streak_init(&live, p->plan->liveness);
    if (!ready.plan)
        p->told(p->self, PROBE_READY, "");
    while ((ready.plan || live.plan) && !wait_until(p, ready.next_ms < live.next_ms ? ready.next_ms : live.next_ms)) {
        int r = ready.plan ? run_due(p, &ready, "Readiness") : 0;
        if (r)
            p->told(p->self, r > 0 ? PROBE_READY : PROBE_NOT_READY, "");
        if (live.plan && run_due(p, &live, "Liveness") < 0) {
            p->told(p->self, PROBE_KILL, "liveness");
            return;
        }
    }
}

struct prober *prober_start(const struct container_plan *plan, probe_told *told, void *self)
{
    struct prober *p = xzalloc(sizeof *p);

    *p = (struct prober){ .plan = plan, .told = told, .self = self, .cancel = cancel_new() };
    thread_start(&p->thread, "probe", run_prober, p);
    return p;
}

void prober_stop(struct prober *p)
{
    if (!p)
        return;
    cancel_now(p->cancel);
    thread_join(&p->thread);
    cancel_free(p->cancel);
    free(p);
}
