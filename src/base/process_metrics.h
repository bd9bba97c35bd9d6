#ifndef BASE_PROCESS_METRICS_H
#define BASE_PROCESS_METRICS_H

#include "base/str.h"

/* Prometheus text: process_*, with the names of Prometheus' client libraries. */
void process_metrics(struct buf *out);

#endif
