#include "catalog/describe.h"

#include <ctype.h>
#include <math.h>

#include "base/text_table.h"
#include "catalog/estimate.h"

#define GIB 1073741824.0
#define LIKE_MAX 3

/* What preset.name takes: the short name where there is one, else the Hugging Face id. */
static const char *model_call_name(const struct preset *p)
{
    return p->alias ? p->alias : p->repo;
}

static const char *yes(bool b)
{
    return b ? "yes" : "-";
}

static double least_gpu_gib(const struct preset *p)
{
    return (double)estimate_least_gpu_bytes(p, 0) / GIB;
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

static void wide_cells(struct text_table *t, const struct preset *p)
{
    text_table_cell(t, "%s", p->repo);
    text_table_cell(t, "%s", p->architecture);
    text_table_cell(t, "%lld", (long long)p->kv_bytes_per_token);
    text_table_cell(t, "%d GiB", p->disk_gib);
    text_table_cell(t, "%s", yes(p->transformers));
}

void models_table(bool wide, struct buf *out)
{
    static const char *const heads[] = { "NAME", "WEIGHTS", "LEAST GPU", "CONTEXT", "TUNE", "NATIVE", "TOKEN", "LICENCE",
                                         "HUGGING FACE ID", "ARCHITECTURE", "CACHE B/TOKEN", "DISK", "TRANSFORMERS" };
    AUTO_TEXT_TABLE t = { .columns = wide ? ARRAY_LEN(heads) : 8 };

    for (size_t i = 0; i < t.columns; i++)
        text_table_cell(&t, "%s", heads[i]);
    for (size_t i = 0; i < preset_count(); i++) {
        const struct preset *p = preset_at(i);

        text_table_cell(&t, "%s", model_call_name(p));
        text_table_cell(&t, "%.1f GiB", p->weights_gib);
        text_table_cell(&t, "%.0f GiB", ceil(least_gpu_gib(p)));
        text_table_cell(&t, "%lld", (long long)p->context);
        text_table_cell(&t, "%s", yes(p->tuning));
        text_table_cell(&t, "%s", yes(preset_runs_natively(p)));
        text_table_cell(&t, "%s", yes(preset_needs_token(p)));
        text_table_cell(&t, "%s", p->license);
        if (wide)
            wide_cells(&t, p);
    }
    text_table_write(&t, 0, out);
}

/* ---- one ----------------------------------------------------------------------------------------------------------- */

/* The machines of a cloud that hold the model: calls each with their number. */
static void each_machine(const struct preset *p, const char *cloud, void (*each)(void *self, const struct sku *s, int64_t nodes, const struct memory_parts *m), void *self)
{
    for (size_t i = 0; i < sku_count(); i++) {
        const struct sku *s = sku_at(i);
        struct gpu_config gpu = { s->gpus, (int64_t)s->gpu_mem_gib << 30 };
        struct memory_parts parts;
        int64_t nodes = 0;

        if (!streq(s->cloud, cloud) || s->gpus < 1 || estimate_nodes(p, gpu, 0, &nodes, NULL))
            continue;
        estimate_memory(p, gpu, nodes, &parts);
        each(self, s, nodes, &parts);
    }
}

static int64_t context_of(const struct preset *p, const struct memory_parts *m)
{
    return m->cache_tokens < 0 || m->cache_tokens > p->context ? p->context : m->cache_tokens;
}

static void push_machine(void *self, const struct sku *s, int64_t nodes, const struct memory_parts *m)
{
    json_push(self, json_pack("{s:s, s:i, s:i, s:s, s:I, s:I}", "instanceType", s->name, "gpus", s->gpus, "gpuMemoryGiB", s->gpu_mem_gib,
                              "gpu", s->gpu_model, "nodes", (json_int_t)nodes, "cacheTokens", (json_int_t)m->cache_tokens));
}

json_t *model_json(const struct preset *p, const char *cloud)
{
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s*, s:f, s:i, s:I, s:I, s:f}", "name", model_call_name(p), "repo", p->repo, "revision", p->revision,
                          "architecture", p->architecture, "license", p->license, "weightsGiB", p->weights_gib, "diskGiB", p->disk_gib,
                          "cacheBytesPerToken", (json_int_t)p->kv_bytes_per_token, "context", (json_int_t)p->context, "leastGpuGiB", least_gpu_gib(p));

    json_put(o, "runtimes", json_pack("{s:b, s:b, s:b}", "vllm", 1, "transformers", p->transformers, "native", preset_runs_natively(p)));
    json_put_bool(o, "tuning", p->tuning);
    json_put_bool(o, "needsToken", preset_needs_token(p));
    if (cloud) {
        json_t *machines = json_array();

        each_machine(p, cloud, push_machine, machines);
        json_put(o, "machines", machines);
    }
    return o;
}

struct machine_rows { struct text_table *t; const struct preset *p; };

static void add_machine(void *self, const struct sku *s, int64_t nodes, const struct memory_parts *m)
{
    struct machine_rows *r = self;

    text_table_cell(r->t, "%s", s->name);
    text_table_cell(r->t, "%lld", (long long)nodes);
    text_table_cell(r->t, "%d x %s", s->gpus, s->gpu_model);
    text_table_cell(r->t, "%d GiB", s->gpu_mem_gib);
    text_table_cell(r->t, "%lld", (long long)context_of(r->p, m));
}

static void add_machines(const struct preset *p, const char *cloud, struct buf *out)
{
    static const char *const heads[] = { "INSTANCE TYPE", "NODES", "GPUS OF A NODE", "THEIR MEMORY", "LONGEST CONTEXT" };
    AUTO_TEXT_TABLE t = { .columns = ARRAY_LEN(heads) };

    for (size_t i = 0; i < ARRAY_LEN(heads); i++)
        text_table_cell(&t, "%s", heads[i]);
    each_machine(p, cloud, add_machine, &(struct machine_rows){ &t, p });
    buf_addf(out, "\nMachines (%s):\n", cloud);
    if (t.n == t.columns)
        buf_adds(out, "  none of the known types holds it\n");
    else
        text_table_write(&t, 2, out);
}

static void add_facts(const struct preset *p, struct buf *out)
{
    AUTO_TEXT_TABLE t = { .columns = 2 };
    const bool native = preset_runs_natively(p);

#define ROW(head, ...) (text_table_cell(&t, "%s", head), text_table_cell(&t, __VA_ARGS__))
    ROW("Hugging Face", "%s, revision %s", p->repo, p->revision);
    ROW("Architecture", "%s", p->architecture);
    ROW("Licence", "%s", p->license ? p->license : "see its page");
    ROW("Token", "%s", preset_needs_token(p) ? "accept the licence on the hub, then a Secret with the key HF_TOKEN as presetOptions.modelAccessSecret" : "none asked by the licence");
    ROW("Weights", "%.2f GiB; %d GiB of disk", p->weights_gib, p->disk_gib);
    ROW("Context", "%lld tokens; the cache takes %lld bytes a token, %.2f GiB for all of them", (long long)p->context, (long long)p->kv_bytes_per_token,
        (double)p->context * (double)p->kv_bytes_per_token / GIB);
    ROW("Least GPU", "%.1f GiB for a single one, at %d tokens", least_gpu_gib(p), ESTIMATE_DEFAULT_CONTEXT);
    ROW("Served by", "vLLM%s%s", p->transformers ? ", transformers (kaito.sh/runtime: transformers)" : "", native ? ", the native runtime on CPUs (kaito.sh/runtime: native)" : "");
    ROW("Tuned by", "%s%s%s", p->tuning ? "upstream's image" : "", p->tuning && native ? ", " : "", native ? "the native runtime" : p->tuning ? "" : "nobody here");
#undef ROW
    text_table_write(&t, 2, out);
}

void model_page(const struct preset *p, const char *cloud, struct buf *out)
{
    buf_addf(out, "%s\n", model_call_name(p));
    add_facts(p, out);
    add_machines(p, cloud, out);
    buf_addf(out, "\nTo serve it:\n  inference:\n    preset:\n      name: %s\n", model_call_name(p));
    if (preset_needs_token(p))
        buf_adds(out, "      presetOptions:\n        modelAccessSecret: hf-token    # kubectl create secret generic hf-token --from-literal=HF_TOKEN=...\n");
}

/* ---- names that resemble ---------------------------------------------------------------------------------------------- */

/* Characters in common from the beginning, case ignored. */
static size_t common_start(struct str a, const char *b)
{
    size_t n = 0;

    while (n < a.n && b[n] && tolower((unsigned char)a.p[n]) == tolower((unsigned char)b[n]))
        n++;
    return n;
}

void models_like(struct str name, struct buf *out)
{
    size_t best = 3, found = 0;

    for (size_t i = 0; i < preset_count(); i++) {
        size_t n = common_start(name, model_call_name(preset_at(i)));

        best = n > best ? n : best;
    }
    for (size_t i = 0; i < preset_count() && found < LIKE_MAX; i++)
        if (common_start(name, model_call_name(preset_at(i))) == best)
            buf_addf(out, "%s%s", found++ ? ", " : "", model_call_name(preset_at(i)));
}
