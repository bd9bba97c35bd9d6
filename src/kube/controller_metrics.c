/* What controller-runtime and client-go's queues say of a controller, under their names. */
#include "kube/controller.h"
#include "kube/priv.h"

struct row { const char *name, *type, *labels; double value; const char *help; };       /* type and help NULL: of the row before */

static void write_head(const char *name, const char *type, const char *help, struct buf *out)
{
    buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_rows(const struct row *rows, size_t n, const char *controller, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        if (rows[i].type)
            write_head(rows[i].name, rows[i].type, rows[i].help, out);
        buf_addf(out, "%s{controller=\"%s\"%s} %.15g\n", rows[i].name, controller, rows[i].labels, rows[i].value);
    }
}

static void write_histogram(const struct histogram *h, const char *name, const char *help, const char *labels, struct buf *out)
{
    write_head(name, "histogram", help, out);
    histogram_write(h, name, labels, out);
}

/* What cannot happen here is 0: every failed reconcile is tried again, and what Go calls a panic ends the process. */
static void write_reconciles(const struct controller_stats *s, const char *controller, struct buf *out)
{
    const struct row rows[] = {
        { "controller_runtime_reconcile_total", "counter", ",result=\"success\"", (double)(s->reconciles - s->requeues), "Number of reconciles by what they ended with." },
        { "controller_runtime_reconcile_total", NULL, ",result=\"requeue_after\"", (double)(s->requeues - s->errors), NULL },
        { "controller_runtime_reconcile_total", NULL, ",result=\"requeue\"", 0, NULL },
        { "controller_runtime_reconcile_total", NULL, ",result=\"error\"", (double)s->errors, NULL },
        { "controller_runtime_reconcile_errors_total", "counter", "", (double)s->errors, "Number of reconciles that failed." },
        { "controller_runtime_terminal_reconcile_errors_total", "counter", "", 0, "Number of reconciles that failed and are not tried again." },
        { "controller_runtime_reconcile_panics_total", "counter", "", 0, "Number of reconciles that ended in a panic." },
        { "controller_runtime_active_workers", "gauge", "", s->active, "Number of workers that reconcile now." },
        { "controller_runtime_max_concurrent_reconciles", "gauge", "", s->workers, "Number of workers." },
    };

    write_rows(rows, ARRAY_LEN(rows), controller, out);
}

static void write_queue(const struct controller_stats *s, const struct workq_stats *q, const char *controller, struct buf *out)
{
    AUTO_BUF name = { 0 };

    buf_addf(&name, ",name=\"%s\"", controller);
    const char *label = buf_cstr(&name);
    const struct row rows[] = {
        { "workqueue_depth", "gauge", label, (double)s->queued, "Number of keys that wait for a worker." },
        { "workqueue_adds_total", "counter", label, (double)q->adds, "Number of keys that were added." },
        { "workqueue_retries_total", "counter", label, (double)s->requeues, "Number of keys that were added again after a reconcile." },
        { "workqueue_unfinished_work_seconds", "gauge", label, q->unfinished_s, "Seconds that the reconciles under way have taken, summed." },
        { "workqueue_longest_running_processor_seconds", "gauge", label, q->longest_s, "Seconds that the longest of them has taken." },
    };

    write_rows(rows, ARRAY_LEN(rows), controller, out);
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
    write_histogram(&s.took, "controller_runtime_reconcile_time_seconds", "Seconds that reconciles took.", buf_cstr(&labels), out);
    write_queue(&s, &q, name, out);
    buf_addf(&labels, ",name=\"%s\"", name);
    write_histogram(&q.waited, "workqueue_queue_duration_seconds", "Seconds that keys waited for a worker.", buf_cstr(&labels), out);
    write_histogram(&s.worked, "workqueue_work_duration_seconds", "Seconds that a worker had a key.", buf_cstr(&labels), out);
}
