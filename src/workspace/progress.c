/* The one thing polled: a tuning process tells how far it is on its /metrics. */
#include "workspace/manager.h"
#include "workspace/priv.h"

#define METRICS_MAX (256u << 10)
#define SECONDS_MAX (10 * 365 * 86400)

/* The value of a series without labels. */
static bool metric(struct str text, const char *name, double *out)
{
    struct str rest = text, line, key, value;

    while (str_next(&rest, '\n', &line))
        if (str_cut(line, ' ', &key, &value) && str_is(key, name))
            return str_to_f64(str_trim(value), out);
    return false;
}

static const char *training_pod_ip(const json_t *pods)
{
    const json_t *pod;
    size_t i;

    json_array_foreach(pods, i, pod) {
        const json_t *lists[] = { json_at(pod, "status", "initContainerStatuses", NULL), json_at(pod, "status", "containerStatuses", NULL) };
        const json_t *s;

        if (!streq(json_cstr(kube_controller_of(pod), "kind"), "Job") || kube_deleting(pod))
            continue;
        for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
            size_t k;

            json_array_foreach(lists[l], k, s)
                if (streq(json_cstr(s, "name"), "tune") && json_at(s, "state", "running", NULL))
                    return json_str_at(pod, "status", "podIP", NULL);
        }
    }
    return NULL;
}

/* "45 s", "12 min", "3 h 20 min": what a person says, who does not want 12000 s. */
static void add_time_left(struct buf *line, int64_t s)
{
    if (s < 120)
        buf_addf(line, ", about %d s left", (int)s);
    else if (s < 7200)
        buf_addf(line, ", about %d min left", (int)((s + 30) / 60));
    else
        buf_addf(line, ", about %d h %d min left", (int)(s / 3600), (int)(s % 3600 / 60));
}

bool tuning_progress_line(struct str metrics, struct buf *out, int64_t *out_left_s)
{
    double step = 0, steps = 0, loss = 0, left = 0;

    if (!metric(metrics, "kaito_tuning_step", &step) || !metric(metrics, "kaito_tuning_steps_total", &steps) || steps < 1)
        return false;
    buf_addf(out, "step %.0f of %.0f", step, steps);
    if (metric(metrics, "kaito_tuning_loss", &loss))
        buf_addf(out, ", loss %.3f", loss);
    if (metric(metrics, "kaito_tuning_eval_loss", &loss))
        buf_addf(out, ", evaluation loss %.3f", loss);
    if (metric(metrics, "kaito_tuning_seconds_left", &left) && left >= 1) {
        *out_left_s = left < SECONDS_MAX ? (int64_t)left : SECONDS_MAX;
        add_time_left(out, *out_left_s);
    }
    return true;
}

const char *tuning_progress(struct workspace_manager *m, struct op *op, const json_t *pods, int64_t *out_left_s)
{
    const char *ip = training_pod_ip(pods);
    AUTO_RESPONSE reply = { 0 };
    AUTO_BUF line = { 0 };

    if (!str_set(ip))
        return NULL;
    struct http_request q = { .url = strchr(ip, ':') ? arena_printf(op->arena, "http://[%s]:5000/metrics", ip) : arena_printf(op->arena, "http://%s:5000/metrics", ip),
                              .timeout_ms = 1000, .max_body = METRICS_MAX, .cancel = op->cancel };

    if (http_send(m->http, &q, &reply, NULL) || reply.status != 200)
        return NULL;
    return tuning_progress_line(buf_str(&reply.body), &line, out_left_s) ? arena_strdup(op->arena, buf_cstr(&line)) : NULL;
}
