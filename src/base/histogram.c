#include "base/histogram.h"

#include <stdio.h>

void histogram_add(struct histogram *h, double v)
{
    size_t i = 0;

    while (i < h->n && v > h->bounds[i])
        i++;
    h->counts[i]++;
    h->sum += v;
    h->count++;
}

/* The shortest text that reads back as v, as Go writes it. */
static void add_bound(struct buf *out, double v)
{
    char text[32];
    double back = 0;

    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (str_to_f64(str_of(text), &back) && !(back < v || back > v))
            break;
    }
    buf_adds(out, text);
}

void histogram_write(const struct histogram *h, const char *name, const char *labels, struct buf *out)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < h->n; i++) {
        sum += h->counts[i];
        buf_addf(out, "%s_bucket{%s,le=\"", name, labels);
        add_bound(out, h->bounds[i]);
        buf_addf(out, "\"} %llu\n", (unsigned long long)sum);
    }
    buf_addf(out, "%s_bucket{%s,le=\"+Inf\"} %llu\n%s_count{%s} %llu\n%s_sum{%s} %.17g\n", name, labels, (unsigned long long)h->count, name, labels,
             (unsigned long long)h->count, name, labels, h->sum);
}
