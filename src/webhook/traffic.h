/* How often a path is asked, how it answers and how long that takes: controller-runtime's metrics of webhooks. Thread-safe; its lock is a leaf. */
#ifndef WEBHOOK_TRAFFIC_H
#define WEBHOOK_TRAFFIC_H

#include "base/histogram.h"
#include "base/thread.h"

#define TRAFFIC_CODES 6

struct traffic {
    const char *path;                   /* borrowed */
    struct mutex mu;                    /* guards what follows */
    struct histogram took;
    unsigned in_flight;
    uint64_t answers[TRAFFIC_CODES];
};

void traffic_init(struct traffic *t, const char *path);
void traffic_done(struct traffic *t);
int64_t traffic_begin(struct traffic *t);       /* for traffic_end: when it began */
void traffic_end(struct traffic *t, int64_t began_us, int code);
void traffic_metrics(struct traffic *t, struct buf *out);       /* Prometheus text */

#endif
