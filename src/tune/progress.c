#include "tune/progress.h"

#include <math.h>

#include "base/mem.h"
#include "base/thread.h"
#include "http/server.h"

struct progress {
    struct mutex mu;            /* a leaf; guards v */
    struct progress_view v;
};

struct progress_server {
    struct http_server *http;
};

static const char *const phase_names[] = { "loading", "tokenising", "training", "saving", "done", "failed" };

struct progress *progress_new(void)
{
    struct progress *p = xzalloc(sizeof *p);

    mutex_init(&p->mu);
    return p;
}

void progress_free(struct progress *p)
{
    if (!p)
        return;
    mutex_done(&p->mu);
    free(p);
}

void progress_set(struct progress *p, const struct progress_view *v)
{
    LOCK_SCOPE(&p->mu);
    p->v = *v;
}

static void progress_get(struct progress *p, struct progress_view *out)
{
    LOCK_SCOPE(&p->mu);
    *out = p->v;
}

static void series(struct buf *out, const char *name, const char *type, const char *help, double value)
{
    buf_addf(out, "# HELP kaito_tuning_%s %s\n# TYPE kaito_tuning_%s %s\nkaito_tuning_%s %.9g\n", name, help, name, type, name, value);
}

void progress_metrics(const struct progress_view *v, struct buf *out)
{
    series(out, "step", "gauge", "Optimiser steps done.", (double)v->step);
    series(out, "steps_total", "gauge", "Optimiser steps of the whole run.", (double)v->steps);
    series(out, "epoch", "gauge", "Epochs done.", v->epoch);
    series(out, "epochs_total", "gauge", "Epochs of the whole run.", v->epochs);
    if (v->has_loss) {
        series(out, "loss", "gauge", "Mean loss per token of the last step.", v->loss);
        series(out, "grad_norm", "gauge", "Norm of the last gradient before clipping.", v->grad_norm);
        series(out, "learning_rate", "gauge", "Learning rate of the last step.", v->learning_rate);
    }
    if (v->has_eval)
        series(out, "eval_loss", "gauge", "Loss of the last evaluation.", v->eval_loss);
    series(out, "tokens_total", "counter", "Tokens trained on.", (double)v->tokens);
    series(out, "tokens_per_second", "gauge", "Tokens per second lately.", v->tokens_per_second);
    series(out, "seconds_left", "gauge", "Estimated seconds until the last step.", v->seconds_left);
    series(out, "checkpoint_step", "gauge", "Step of the last checkpoint.", (double)v->checkpoint_step);
    series(out, "resumed_step", "gauge", "Step this process went on from.", (double)v->resumed_step);
    buf_adds(out, "# HELP kaito_tuning_phase What the run is doing.\n# TYPE kaito_tuning_phase gauge\n");
    for (size_t i = 0; i < ARRAY_LEN(phase_names); i++)
        buf_addf(out, "kaito_tuning_phase{phase=\"%s\"} %d\n", phase_names[i], v->phase == (enum tune_phase)i);
}

static void add_time_left(struct buf *out, double seconds)
{
    uint64_t s = (uint64_t)ceil(seconds);

    if (s < 120)
        buf_addf(out, "%llu s left", (unsigned long long)s);
    else if (s < 7200)
        buf_addf(out, "%llu min left", (unsigned long long)(s + 30) / 60);
    else
        buf_addf(out, "%llu h %llu min left", (unsigned long long)s / 3600, (unsigned long long)(s % 3600) / 60);
}

void progress_line(const struct progress_view *v, struct buf *out)
{
    buf_addf(out, "step %llu/%llu  epoch %.2f/%.4g", (unsigned long long)v->step, (unsigned long long)v->steps, v->epoch, v->epochs);
    if (v->has_loss)
        buf_addf(out, "  loss %.4f  grad %.3g  lr %.3g", v->loss, v->grad_norm, v->learning_rate);
    if (v->has_eval)
        buf_addf(out, "  evaluation loss %.4f", v->eval_loss);
    buf_addf(out, "  %.0f tokens/s  ", v->tokens_per_second);
    add_time_left(out, v->seconds_left);
}

static void answer(void *self, struct http_exchange *x)
{
    struct progress_view v;
    AUTO_BUF text = { 0 };

    progress_get(self, &v);
    if (streq(x->path, "/metrics")) {
        progress_metrics(&v, &text);
        http_reply_take(x, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
    } else if (streq(x->path, "/healthz") || streq(x->path, "/health")) {
        http_replyf(x, 200, "ok: %s\n", phase_names[v.phase]);
    } else {
        http_replyf(x, 404, "no such path; there are /metrics and /healthz\n");
    }
}

errc progress_serve(struct progress *p, const char *address, uint16_t port, struct progress_server **out, struct err *e)
{
    struct http_server_opts o = { .addresses = address ? &address : NULL, .n_addresses = address ? 1 : 0, .port = port,
                                  .max_connections = 16, .handler = answer, .self = p };
    struct http_server *http;

    TRY(http_server_start(&o, &http, e));
    *out = xzalloc(sizeof **out);
    (*out)->http = http;
    return ERR_OK;
}

uint16_t progress_server_port(const struct progress_server *s)
{
    return http_server_port(s->http);
}

void progress_server_free(struct progress_server *s)
{
    if (!s)
        return;
    http_server_stop(s->http, 1000);
    free(s);
}
