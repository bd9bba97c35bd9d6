/* How often the API was asked, by method and answer. */
#include "base/mem.h"
#include "kube/priv.h"

/* Methods and codes are few; what does not fit is left out. Methods are literals. */
void kube_count_request(struct kube_client *c, const char *method, int code)
{
    struct request_counts *r = &c->counts;
    c->away = code == 0;
    LOCK_SCOPE(&r->mu);
    size_t i = 0;

    while (i < r->n && !(r->rows[i].code == code && streq(r->rows[i].method, method)))
        i++;
    if (i == REQUEST_ROWS)
        return;
    if (i == r->n)
        r->rows[r->n++] = (struct request_count){ .method = method, .code = code };
    r->rows[i].n++;
}

void kube_client_metrics(struct kube_client *c, struct buf *out)
{
    struct str scheme_end = STR("://"), host = str_of(c->server);
    size_t at;
    struct request_counts *r = &c->counts;

    if (str_find(host, scheme_end, &at))
        host = str_from(host, at + scheme_end.n);
    buf_adds(out, "# HELP rest_client_requests_total Number of HTTP requests, partitioned by status code, method, and host.\n"
                  "# TYPE rest_client_requests_total counter\n");
    LOCK_SCOPE(&r->mu);
    for (size_t i = 0; i < r->n; i++) {
        char code[16];

        snprintf(code, sizeof code, r->rows[i].code ? "%d" : "<error>", r->rows[i].code);
        buf_addf(out, "rest_client_requests_total{code=\"%s\",host=\"%.*s\",method=\"%s\"} %llu\n", code, STR_ARG(host), r->rows[i].method,
                 (unsigned long long)r->rows[i].n);
    }
}
