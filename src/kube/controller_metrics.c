/* What controller-runtime and client-go's queues say of a controller, under their names. */
#include "kube/controller.h"
#include "kube/priv.h"

struct row { const char *name, *type, *labels; double value; };

static void write_row(const struct row *r, const char *controller, struct buf *out)
{
    if (r->type)
        buf_addf(out, "# TYPE %s %s\n", r->name, r->type);
    buf_addf(out, "%s{controller=\"%s\"%s} %.15g\n", r->name, controller, r->labels, r->value);
}

static void write_histogram(const struct histogram *h, const char *name, const char *labels, struct buf *out)
{
    buf_addf(out, "# TYPE %s histogram\n", name);
    histogram_write(h, name, labels, out);
}

static void write_reconciles(const struct controller_stats *s, const char *controller, struct buf *out)
{
    const struct row rows[] = {
        { "controller_runtime_reconcile_total", "counter", ",result=\"success\"", (double)(s->reconciles - s->requeues) },
        { "controller_runtime_reconcile_total", NULL, ",result=\"requeue_after\"", (double)(s->requeues - s->errors) },
        { "controller_runtime_reconcile_total", NULL, ",result=\"error\"", (double)s->errors },
        { "controller_runtime_reconcile_errors_total", "counter", "", (double)s->errors },
        { "controller_runtime_active_workers", "gauge", "", s->active },
        { "controller_runtime_max_concurrent_reconciles", "gauge", "", s->workers },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        write_row(&rows[i], controller, out);
}

void controller_metrics(struct controller *c, struct buf *out)
{
    const char *name = controller_name(c);
    struct controller_stats s;
    struct workq_stats q;
    AUTO_BUF labels = { 0 };

    controller_stats(c, &s);
    controller_queue_stats(c, &q);
    buf_addf(&labels, "controller=\"%s\"", name);
    write_reconciles(&s, name, out);
    write_histogram(&s.took, "controller_runtime_reconcile_time_seconds", buf_cstr(&labels), out);
    buf_addf(&labels, ",name=\"%s\"", name);

    AUTO_BUF queue_label = { 0 };
    buf_addf(&queue_label, ",name=\"%s\"", name);
    const struct row queue[] = {
        { "workqueue_depth", "gauge", buf_cstr(&queue_label), (double)s.queued },
        { "workqueue_adds_total", "counter", buf_cstr(&queue_label), (double)q.adds },
        { "workqueue_retries_total", "counter", buf_cstr(&queue_label), (double)s.requeues },
    };

    for (size_t i = 0; i < ARRAY_LEN(queue); i++)
        write_row(&queue[i], name, out);
    write_histogram(&q.waited, "workqueue_queue_duration_seconds", buf_cstr(&labels), out);
    write_histogram(&s.worked, "workqueue_work_duration_seconds", buf_cstr(&labels), out);
}
