/* Both flavours of /metrics: vLLM's series for Prometheus, and upstream's JSON about the machine. */
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "serve/metrics.h"

static const double ttft_bounds[] = { .001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560 };
static const double token_bounds[] = { .01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80 };
static const double request_bounds[] = { .3, .5, .8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680 };
static const double length_bounds[] = { 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000 };
static const double sample_bounds[] = { 1, 2, 5, 10, 20 };
static const double step_bounds[] = { 1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384 };

/* One row per histogram; two names share one where vLLM renamed it. */
static const struct histogram_row { const char *name, *help; size_t at; const double *bounds; size_t n; } histograms[] = {
#define ROW(name, help, member, bounds) { "vllm:" name, help, offsetof(struct stats, member), bounds, ARRAY_LEN(bounds) }
    ROW("time_to_first_token_seconds", "From arrival to the first token.", ttft, ttft_bounds),
    ROW("inter_token_latency_seconds", "Between tokens.", inter_token, token_bounds),
    ROW("time_per_output_token_seconds", "The older name of vllm:inter_token_latency_seconds.", inter_token, token_bounds),
    ROW("request_time_per_output_token_seconds", "A request's mean time between tokens.", per_token, token_bounds),
    ROW("e2e_request_latency_seconds", "From arrival to the end.", e2e, request_bounds),
    ROW("request_queue_time_seconds", "From arrival to the batch.", queue, request_bounds),
    ROW("request_inference_time_seconds", "From the batch to the last token.", inference, request_bounds),
    ROW("request_prefill_time_seconds", "From the batch to the first token.", prefill, request_bounds),
    ROW("request_decode_time_seconds", "From the first token to the last.", decode, request_bounds),
    ROW("request_prompt_tokens", "Prompt tokens of a request.", prompt_len, length_bounds),
    ROW("request_generation_tokens", "Generated tokens of a request.", generation_len, length_bounds),
    ROW("request_max_num_generation_tokens", "Tokens that a request may generate.", max_tokens, length_bounds),
    ROW("request_params_max_tokens", "The same, as the request was read.", max_tokens, length_bounds),
    ROW("request_params_n", "Samples that a request wants.", samples, sample_bounds),
    ROW("iteration_tokens_total", "Tokens computed in one step.", step_tokens, step_bounds),
#undef ROW
};

static struct histogram *member(struct stats *s, const struct histogram_row *r) { return (void *)((char *)s + r->at); }

void stats_init(struct stats *s)
{
    *s = (struct stats){ 0 };
    for (size_t i = 0; i < ARRAY_LEN(histograms); i++)
        *member(s, &histograms[i]) = (struct histogram){ .bounds = histograms[i].bounds, .n = histograms[i].n };
}

void lora_users_done(struct lora_users *u)
{
    buf_done(&u->running);
    buf_done(&u->waiting);
}

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(struct buf *out, const char *name, const char *type, const char *help, const char *labels, double v)
{
    head(out, name, type, help);
    buf_addf(out, "%s{%s} %.17g\n", name, labels, v);
}

static void histogram(struct buf *out, const char *name, const char *help, const char *labels, const struct histogram *h)
{
    head(out, name, "histogram", help);
    histogram_write(h, name, labels, out);
}

static void label_escape(const char *s, struct buf *out)
{
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            buf_addc(out, '\\');
        buf_addc(out, *s == '\n' ? ' ' : *s);
    }
}

static void add_label(struct buf *out, const char *name, const char *value)
{
    buf_addf(out, "%s%s=\"", out->n ? "," : "", name);
    label_escape(value, out);
    buf_addc(out, '"');
}

static void add_gauges(const struct stats *s, const char *labels, struct buf *out)
{
    double usage = s->kv.max != SIZE_MAX ? (double)s->kv.used / (double)s->kv.max : 0;
    const struct { const char *name, *help; double v; } rows[] = {
        { "vllm:num_requests_running", "Requests in the batch.", (double)s->running },
        { "vllm:num_requests_waiting", "Requests in the queue.", (double)s->waiting },
        { "vllm:kv_cache_usage_perc", "Share of the key/value cache in use; 0 when it has no limit.", usage },
        { "vllm:gpu_cache_usage_perc", "The older name of vllm:kv_cache_usage_perc.", usage },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        one(out, rows[i].name, "gauge", rows[i].help, labels, rows[i].v);
}

static void add_counters(const struct stats *s, const char *labels, struct buf *out)
{
    const struct { const char *name, *help; uint64_t v; } rows[] = {
        { "vllm:prefix_cache_queries_total", "Prompt tokens that were looked for in the prefix cache.", s->kv.queries },
        { "vllm:prefix_cache_hits_total", "Of which it had so many.", s->kv.hits },
        { "vllm:gpu_prefix_cache_queries_total", "The older name of vllm:prefix_cache_queries_total.", s->kv.queries },
        { "vllm:gpu_prefix_cache_hits_total", "The older name of vllm:prefix_cache_hits_total.", s->kv.hits },
        { "vllm:num_preemptions_total", "Sequences that gave their cache back and were read again.", s->preemptions },
        { "vllm:prompt_tokens_total", "Prompt tokens of the requests that joined.", s->prompt_tokens },
        { "vllm:generation_tokens_total", "Tokens generated.", s->generation_tokens },
        { "kaito_prompt_tokens_computed_total", "Tokens computed that were not generated in that step.", s->prompt_computed },
        { "kaito_ratelimit_rejected_total", "Requests answered 429.", s->rejected },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        one(out, rows[i].name, "counter", rows[i].help, labels, (double)rows[i].v);
}

static void add_finished(const struct stats *s, const char *labels, struct buf *out)
{
    static const char *const reasons[FINISH_KINDS] = { "stop", "length", "abort", "error" };

    head(out, "vllm:request_success_total", "counter", "Finished requests by reason.");
    for (size_t i = 0; i < FINISH_KINDS; i++)
        buf_addf(out, "vllm:request_success_total{%s,finished_reason=\"%s\"} %llu\n", labels, reasons[i], (unsigned long long)s->finished[i]);
}

/* vLLM's way to say words: labels of a gauge. */
static void add_infos(const struct stats *s, const struct lora_users *loras, const char *labels, struct buf *out)
{
    AUTO_BUF cache = { 0 }, lora = { 0 };
    size_t blocks = s->kv.max == SIZE_MAX ? 0 : s->kv.max;

    buf_addf(&cache, "%s,block_size=\"%d\",num_gpu_blocks=\"%zu\",num_cpu_blocks=\"0\",enable_prefix_caching=\"%s\"", labels, KV_BLOCK_TOKENS, blocks,
             s->prefix_caching ? "True" : "False");
    one(out, "vllm:cache_config_info", "gauge", "The key/value cache; num_gpu_blocks is in this machine's memory, 0: no limit.", buf_cstr(&cache), 1);
    buf_adds(&lora, labels);
    add_label(&lora, "running_lora_adapters", buf_cstr(&loras->running));
    add_label(&lora, "waiting_lora_adapters", buf_cstr(&loras->waiting));
    buf_addf(&lora, ",max_lora=\"%zu\"", s->max_seqs);
    one(out, "vllm:lora_requests_info", "gauge", "Adapters of running and of waiting requests.", buf_cstr(&lora), (double)clock_wall_ms() / 1e3);
}

void stats_prometheus(const struct stats *s, const struct lora_users *loras, const char *model, struct buf *out)
{
    AUTO_BUF labels = { 0 };

    add_label(&labels, "engine", "0");
    add_label(&labels, "model_name", model);
    add_gauges(s, buf_cstr(&labels), out);
    add_counters(s, buf_cstr(&labels), out);
    add_finished(s, buf_cstr(&labels), out);
    add_infos(s, loras, buf_cstr(&labels), out);
    for (size_t i = 0; i < ARRAY_LEN(histograms); i++)
        histogram(out, histograms[i].name, histograms[i].help, buf_cstr(&labels), (const void *)((const char *)s + histograms[i].at));
}

static double meminfo(const struct buf *text, const char *key)
{
    const char *at = strstr(buf_cstr(text), key);
    return at ? strtod(at + strlen(key), NULL) * 1024 : 0;
}

json_t *machine_json(void)
{
    AUTO_BUF text = { 0 };
    struct err e;
    double load = 0;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    (void)file_read("/proc/meminfo", 1 << 16, &text, &e);       /* absent: zeros */
    (void)getloadavg(&load, 1);
    double total = meminfo(&text, "MemTotal:"), used = total - meminfo(&text, "MemAvailable:"), gib = 1024.0 * 1024 * 1024;
    double percent = cores > 0 ? 100 * load / (double)cores : 0;
    json_t *memory = json_object();
    json_put(memory, "used", json_strf("%.2f GB", used / gib));
    json_put(memory, "total", json_strf("%.2f GB", total / gib));
    return json_pack("{s:n, s:{s:f, s:I, s:I, s:o}}", "gpu_info", "cpu_info", "load_percentage", percent > 100 ? 100 : percent,
                     "physical_cores", (json_int_t)cores, "total_cores", (json_int_t)cores, "memory", memory);
}
