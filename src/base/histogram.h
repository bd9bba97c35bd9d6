/* A Prometheus histogram: how many values were at most each bound. Plain data; who owns it guards it. */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define BUCKETS_MAX 40
struct histogram { const double *bounds; size_t n; uint64_t counts[BUCKETS_MAX + 1]; double sum; uint64_t count; };

/* bounds ascend and outlive it; n is at most BUCKETS_MAX. */
#define HISTOGRAM(bounds_) ((struct histogram){ .bounds = (bounds_), .n = ARRAY_LEN(bounds_) })

void histogram_add(struct histogram *h, double v);
/* NAME_bucket, NAME_count and NAME_sum; labels are `a="b",c="d"`, at least one. */
void histogram_write(const struct histogram *h, const char *name, const char *labels, struct buf *out);

#endif
