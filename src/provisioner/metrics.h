/*
 * The provisioner's counters and histograms, with Karpenter's and upstream's names (dossier 5.3) and ours. Which there are is a table in
 * metrics.c; a series begins when it is first counted. Thread-safe; its lock is a leaf.
 */
#ifndef PROVISIONER_METRICS_H
#define PROVISIONER_METRICS_H

#include "base/attr.h"
#include "base/str.h"

struct metrics;
struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);   /* NULL is fine */

/* name: of the table (asserted). labels: "a=\"x\",b=\"y\"" built from the format; "" for none. */
void metrics_add(struct metrics *m, const char *name, const char *labels, ...) PRINTF(3, 4);
void metrics_observe(struct metrics *m, const char *name, double seconds, const char *labels, ...) PRINTF(4, 5);
void metrics_write(struct metrics *m, struct buf *out);         /* Prometheus text */

#endif
