/* What the scheduler counts, and how both flavours of /metrics write it. Plain data; the scheduler guards its own. */
#ifndef SERVE_METRICS_H
#define SERVE_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/histogram.h"
#include "base/json.h"
#include "engine/kv_cache.h"

enum finish { FINISH_STOP, FINISH_LENGTH, FINISH_ABORT, FINISH_ERROR, FINISH_KINDS };

struct stats {
    size_t running, waiting, max_seqs;
    struct kv_cache_stats kv;
    bool prefix_caching;
    uint64_t prompt_tokens, prompt_computed, generation_tokens, preemptions, finished[FINISH_KINDS], rejected;
    struct histogram ttft, inter_token, e2e, queue, inference, prefill, decode, per_token, prompt_len, generation_len, max_tokens, samples,
        step_tokens;
};
/* A request's adapter names, each once: "sql,chat". */
struct lora_users { struct buf running, waiting; };
void lora_users_done(struct lora_users *u);

void stats_init(struct stats *s);
void stats_prometheus(const struct stats *s, const struct lora_users *loras, const char *model, struct buf *out);
json_t *machine_json(void);             /* upstream's JSON of /metrics: gpu_info, cpu_info */

#endif
