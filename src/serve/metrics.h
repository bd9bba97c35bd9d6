/* What the scheduler counts, and how both flavours of /metrics write it. Plain data; the scheduler guards its own. */
#ifndef SERVE_METRICS_H
#define SERVE_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "engine/kv_cache.h"

#define BUCKETS_MAX 24
struct histogram { const double *bounds; size_t n; uint64_t counts[BUCKETS_MAX + 1]; double sum; uint64_t count; };

enum finish { FINISH_STOP, FINISH_LENGTH, FINISH_ABORT, FINISH_ERROR, FINISH_KINDS };

struct stats {
    size_t running, waiting;
    struct kv_cache_stats kv;
    uint64_t prompt_tokens, generation_tokens, preemptions, finished[FINISH_KINDS], rejected;
    struct histogram ttft, inter_token, e2e, queue, prompt_len, generation_len;
};
void stats_init(struct stats *s);
void histogram_add(struct histogram *h, double v);
void stats_prometheus(const struct stats *s, const char *model, struct buf *out);
json_t *machine_json(void);             /* upstream's JSON of /metrics: gpu_info, cpu_info */

#endif
