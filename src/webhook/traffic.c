#include "webhook/traffic.h"

#include "base/clock.h"
#include "base/mem.h"

#define HEAD(name, type, help) "# HELP " name " " help "\n# TYPE " name " " type "\n"

/* Prometheus' default buckets, in seconds. */
static const double took_bounds[] = { .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10 };
static const int codes[TRAFFIC_CODES] = { 200, 400, 404, 405, 415, 500 };       /* what admission_handle answers, and 500 as controller-runtime shows it */

void traffic_init(struct traffic *t, const char *path)
{
    *t = (struct traffic){ .path = path, .took = HISTOGRAM(took_bounds) };
    mutex_init(&t->mu);
}

void traffic_done(struct traffic *t)
{
    mutex_done(&t->mu);
}

int64_t traffic_begin(struct traffic *t)
{
    LOCK_SCOPE(&t->mu);
    t->in_flight++;
    return clock_mono_us();
}

void traffic_end(struct traffic *t, int64_t began_us, int code)
{
    LOCK_SCOPE(&t->mu);
    t->in_flight--;
    histogram_add(&t->took, (double)(clock_mono_us() - began_us) / 1e6);
    for (size_t i = 0; i < TRAFFIC_CODES; i++)
        t->answers[i] += codes[i] == code;
}

void traffic_metrics(struct traffic *t, struct buf *out)
{
    AUTO_BUF label = { 0 };
    LOCK_SCOPE(&t->mu);

    buf_addf(&label, "webhook=\"%s\"", t->path);
    buf_adds(out, HEAD("controller_runtime_webhook_requests_total", "counter", "Number of admission reviews by HTTP status."));
    for (size_t i = 0; i < TRAFFIC_CODES; i++)
        if (t->answers[i] > 0 || codes[i] == 200 || codes[i] == 500)
            buf_addf(out, "controller_runtime_webhook_requests_total{code=\"%d\",%s} %llu\n", codes[i], buf_cstr(&label), (unsigned long long)t->answers[i]);
    buf_addf(out, HEAD("controller_runtime_webhook_requests_in_flight", "gauge", "Number of admission reviews under way.")
             "controller_runtime_webhook_requests_in_flight{%s} %u\n", buf_cstr(&label), t->in_flight);
    buf_adds(out, HEAD("controller_runtime_webhook_latency_seconds", "histogram", "Seconds that admission reviews took."));
    histogram_write(&t->took, "controller_runtime_webhook_latency_seconds", buf_cstr(&label), out);
}
