/* Both flavours of /metrics: vLLM's series for Prometheus, and upstream's JSON about the machine. */
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "serve/metrics.h"

static const double ttft_bounds[] = { .001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560 };
static const double token_bounds[] = { .01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80 };
static const double request_bounds[] = { .3, .5, .8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680 };
static const double length_bounds[] = { 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000 };

static struct histogram made(const double *bounds, size_t n) { return (struct histogram){ .bounds = bounds, .n = n }; }

void stats_init(struct stats *s)
{
    *s = (struct stats){
        .ttft = made(ttft_bounds, ARRAY_LEN(ttft_bounds)), .inter_token = made(token_bounds, ARRAY_LEN(token_bounds)),
        .e2e = made(request_bounds, ARRAY_LEN(request_bounds)), .queue = made(request_bounds, ARRAY_LEN(request_bounds)),
        .prompt_len = made(length_bounds, ARRAY_LEN(length_bounds)), .generation_len = made(length_bounds, ARRAY_LEN(length_bounds)),
    };
}

void histogram_add(struct histogram *h, double v)
{
    size_t i = 0;

    while (i < h->n && v > h->bounds[i])
        i++;
    h->counts[i]++;
    h->sum += v;
    h->count++;
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
    uint64_t sum = 0;

    head(out, name, "histogram", help);
    for (size_t i = 0; i <= h->n; i++) {
        sum += h->counts[i];
        if (i < h->n)
            buf_addf(out, "%s_bucket{%s,le=\"%g\"} %llu\n", name, labels, h->bounds[i], (unsigned long long)sum);
    }
    buf_addf(out, "%s_bucket{%s,le=\"+Inf\"} %llu\n%s_count{%s} %llu\n%s_sum{%s} %.17g\n", name, labels, (unsigned long long)sum, name, labels,
             (unsigned long long)h->count, name, labels, h->sum);
}

static void label_escape(const char *s, struct buf *out)
{
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            buf_addc(out, '\\');
        buf_addc(out, *s == '\n' ? ' ' : *s);
    }
}

void stats_prometheus(const struct stats *s, const char *model, struct buf *out)
{
    static const char *const reasons[FINISH_KINDS] = { "stop", "length", "abort", "error" };
    double usage = s->kv.max != SIZE_MAX ? (double)s->kv.used / (double)s->kv.max : 0;
    AUTO_BUF l = { 0 };

    buf_adds(&l, "engine=\"0\",model_name=\"");
    label_escape(model, &l);
    buf_addc(&l, '"');
    const char *labels = buf_cstr(&l);
    one(out, "vllm:num_requests_running", "gauge", "Requests in the batch.", labels, (double)s->running);
    one(out, "vllm:num_requests_waiting", "gauge", "Requests in the queue.", labels, (double)s->waiting);
    one(out, "vllm:kv_cache_usage_perc", "gauge", "Share of the key/value cache in use; 0 when it has no limit.", labels, usage);
    one(out, "vllm:gpu_cache_usage_perc", "gauge", "The older name of vllm:kv_cache_usage_perc.", labels, usage);
    one(out, "vllm:prefix_cache_queries_total", "counter", "Prompt tokens that were looked for in the prefix cache.", labels, (double)s->kv.queries);
    one(out, "vllm:prefix_cache_hits_total", "counter", "Of which it had so many.", labels, (double)s->kv.hits);
    one(out, "vllm:gpu_prefix_cache_queries_total", "counter", "The older name of vllm:prefix_cache_queries_total.", labels, (double)s->kv.queries);
    one(out, "vllm:gpu_prefix_cache_hits_total", "counter", "The older name of vllm:prefix_cache_hits_total.", labels, (double)s->kv.hits);
    one(out, "vllm:num_preemptions_total", "counter", "Sequences that gave their cache back and were read again.", labels, (double)s->preemptions);
    one(out, "vllm:prompt_tokens_total", "counter", "Prompt tokens read.", labels, (double)s->prompt_tokens);
    one(out, "vllm:generation_tokens_total", "counter", "Tokens generated.", labels, (double)s->generation_tokens);
    one(out, "kaito_ratelimit_rejected_total", "counter", "Requests answered 429.", labels, (double)s->rejected);
    head(out, "vllm:request_success_total", "counter", "Finished requests by reason.");
    for (size_t i = 0; i < FINISH_KINDS; i++)
        buf_addf(out, "vllm:request_success_total{%s,finished_reason=\"%s\"} %llu\n", labels, reasons[i], (unsigned long long)s->finished[i]);
    histogram(out, "vllm:time_to_first_token_seconds", "From arrival to the first token.", labels, &s->ttft);
    histogram(out, "vllm:inter_token_latency_seconds", "Between tokens.", labels, &s->inter_token);
    histogram(out, "vllm:time_per_output_token_seconds", "The older name of vllm:inter_token_latency_seconds.", labels, &s->inter_token);
    histogram(out, "vllm:e2e_request_latency_seconds", "From arrival to the last token.", labels, &s->e2e);
    histogram(out, "vllm:request_queue_time_seconds", "From arrival to the batch.", labels, &s->queue);
    histogram(out, "vllm:request_prompt_tokens", "Prompt tokens of a request.", labels, &s->prompt_len);
    histogram(out, "vllm:request_generation_tokens", "Generated tokens of a request.", labels, &s->generation_len);
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
